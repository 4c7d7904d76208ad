"""Forward passes for training: the logits that predict the student's tokens, and readings of them.

All prompts of a batch begin with the same system prompt and tool list. This common prefix goes
through the model once, with gradient, and all rows share its keys and values: the same logits and
the same gradient for about half the tokens. The language-model head runs on positions that predict
an action token, and over a large vocabulary on a chunk of them (`fdcore.training.chunks`).

Left out on purpose: losses, and prefix sharing for models whose cache is more than keys and values
(linear attention, sliding windows). These take the plain path.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import DynamicCache

from fdcore.model import common_prefix, is_sharded, plain_cache, unwrapped
from fdcore.training.chunks import in_chunks

Ids = Sequence[Sequence[int]]  # B lists of token ids, or of a mask's 0 and 1, of any lengths


@dataclass(frozen=True)
class ActionLogits:
    """The logits of N action tokens over V words, multiplied out where they are looked at.

    `logits[rows]` is (rows, V), in float32.
    """

    hidden: Tensor  # (N, H) before the head
    head: torch.nn.Module
    shape: tuple[int, int]  # (N, V)
    autocast: bool = False

    def __getitem__(self, rows: slice) -> Tensor:
        with torch.autocast(self.hidden.device.type, torch.bfloat16, enabled=self.autocast):
            return widen(self.head(self.hidden[rows][None])[0])


class TokenLogprobs(NamedTuple):
    """Of N tokens: the log-prob (nats) of each, and the entropy (nats) it was drawn at."""

    logprobs: Tensor  # (N,)
    entropy: Tensor  # (N,), without gradient


def deferred_logits(
    model: torch.nn.Module,
    sequences: Ids,
    action_masks: Ids,
    *,
    autocast: bool = False,
    share_prefix: bool = True,
) -> ActionLogits:
    """The logits that predict the N action tokens of a batch, sequence by sequence.

    Args:
        sequences: token ids.
        action_masks: as long as the sequences; nonzero on the student's tokens.
        autocast: run the model in bfloat16.
        share_prefix: False gives the plain forward, equal up to rounding.

    Raises:
        ValueError: a mask has another length, there is no action token, position 0 is one (nothing
            predicts it), or a sequence is longer than the model's positions.
    """
    _check(model, sequences, action_masks)
    device = next(model.parameters()).device
    shared = _shared_length(model, sequences, action_masks) if share_prefix else 0
    rests = [torch.tensor(sequence[shared:]) for sequence in sequences]
    ids = pad_sequence(rests, batch_first=True).to(device)
    rows, columns = action_positions(action_masks)
    places = rows.to(device), (columns - 1 - shared).to(device)  # position t - 1 predicts token t
    head = model.get_output_embeddings()
    shape = len(rows), head.weight.shape[0]
    # FSDP frees a layer's weights behind it; a cache of their casts would keep them
    precision = {"enabled": autocast, "cache_enabled": not is_sharded(model)}
    with torch.autocast(device.type, torch.bfloat16, **precision):
        # right padding needs no mask: no real token can look to its right
        cache = _share_prefix(model, sequences[0][:shared], len(sequences)) if shared else None
        with _before_the_head(head) as states:
            model(input_ids=ids, past_key_values=cache, use_cache=cache is not None)
    return ActionLogits(states[0][places], head, shape, autocast)


def action_logits(model: torch.nn.Module, sequences: Ids, action_masks: Ids, **settings) -> Tensor:
    """`deferred_logits` at once: (N, V) float32. For small vocabularies and few tokens."""
    return deferred_logits(model, sequences, action_masks, **settings)[:]


@in_chunks
def token_logprobs(logits: Tensor, ids: Tensor) -> TokenLogprobs:
    """Log-probs of the given tokens, and the entropies: (N, V) logits, (N,) ids -> two (N,).

    >>> logprobs, entropies = token_logprobs(torch.zeros(1, 4), torch.tensor([3]))
    >>> logprobs / torch.log(torch.tensor(2.0)), entropies / torch.log(torch.tensor(2.0))  # in bits
    (tensor([-2.]), tensor([2.]))
    """
    logits = widen(logits)
    taken = logits.gather(-1, ids.to(logits.device)[..., None])[..., 0]
    return TokenLogprobs(taken - logits.logsumexp(-1), entropy(logits.detach()))


def entropy(logits: Tensor) -> Tensor:
    """Entropy in nats over the whole vocabulary: (..., V) -> (...)."""
    log_p = logits.log_softmax(-1)
    return -(log_p.exp() * log_p).sum(-1)


def widen(logits: Tensor) -> Tensor:
    """Logits in float32; float64 stays."""
    return logits if logits.dtype == torch.float64 else logits.float()


def action_positions(action_masks: Ids) -> tuple[Tensor, Tensor]:
    """(row, column) of every action token, in the order of the logits."""
    columns = [torch.as_tensor(mask).nonzero()[:, 0] for mask in action_masks]
    counts = torch.tensor([len(column) for column in columns])
    return torch.repeat_interleave(torch.arange(len(columns)), counts), torch.cat(columns)


def action_values(values: Sequence[Sequence[float]], action_masks: Ids) -> Tensor:
    """Values at the action tokens (ids, the sampler's log-probs), in the order of the logits: (N,).

    >>> action_values([[5, 6, 7], [8, 9]], [[0, 1, 1], [0, 1]])
    tensor([6, 7, 9])
    """
    pairs = zip(values, action_masks, strict=True)
    return torch.cat([torch.tensor(row)[torch.as_tensor(mask).bool()] for row, mask in pairs])


def by_sequence(flat: Tensor, action_masks: Ids) -> tuple[Tensor, Tensor]:
    """(N,) values as one row a sequence: (B, A) padded with 0, and the boolean mask (B, A).

    A is the number of action tokens of the sequence that has most.

    >>> by_sequence(torch.tensor([1.0, 2.0, 3.0]), [[0, 1, 1], [0, 1]])
    (tensor([[1., 2.],
            [3., 0.]]), tensor([[ True,  True],
            [ True, False]]))
    """
    counts = [int(torch.as_tensor(mask).bool().sum()) for mask in action_masks]
    rows = pad_sequence(flat.split(counts), batch_first=True)
    columns = torch.arange(rows.shape[1], device=flat.device)
    return rows, columns < torch.tensor(counts, device=flat.device)[:, None]


@contextlib.contextmanager
def _before_the_head(head: torch.nn.Module) -> Iterator[list[Tensor]]:
    """Inside, the head's input (B, T, H) goes into the list, and the head sees one token of it."""
    states: list[Tensor] = []

    def pick(_, inputs):
        states.append(inputs[0])
        return inputs[0][:1, :1]

    hook = head.register_forward_pre_hook(pick)  # the model's forward, so that FSDP's hooks run
    try:
        yield states
    finally:
        hook.remove()


def _shared_length(model: torch.nn.Module, sequences: Ids, action_masks: Ids) -> int:
    """How many leading tokens go through the model once: all rows share them, none is an action."""
    # activation checkpointing computes layers again, so it keeps no cache
    checkpointing = model.training and getattr(model, "is_gradient_checkpointing", False)
    if len(sequences) < 2 or checkpointing or is_sharded(model) or plain_cache(model) is None:
        return 0
    first_action = min(list(map(bool, mask)).index(True) for mask in action_masks if any(mask))
    shortest = min(map(len, sequences))
    same = common_prefix([list(sequence) for sequence in sequences])
    return max(0, min(same, first_action - 1, shortest - 1))


def _share_prefix(model: torch.nn.Module, prefix: Sequence[int], batch: int) -> DynamicCache:
    """The prefix's keys and values, computed once and seen by all rows; their gradients add up."""
    ids = torch.tensor([list(prefix)], device=next(model.parameters()).device)
    inner, cache = unwrapped(model).base_model, plain_cache(model)
    layers = inner(input_ids=ids, past_key_values=cache, use_cache=True).past_key_values.layers
    shape = (batch, -1, -1, -1)
    return DynamicCache([(one.keys.expand(shape), one.values.expand(shape)) for one in layers])


def _check(model: torch.nn.Module, sequences: Ids, action_masks: Ids) -> None:
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    for row, (sequence, mask) in enumerate(zip(sequences, action_masks, strict=True)):
        length = len(sequence)
        if length != len(mask):
            raise ValueError(f"sequence {row} has {length} tokens, its action mask {len(mask)}")
        if limit and length > limit:
            raise ValueError(
                f"sequence {row} has {length} tokens, the model takes {limit}; lower "
                "max_prompt_tokens or max_response_tokens, or shorten the feedback"
            )
        if length and mask[0]:
            raise ValueError(f"sequence {row}: its first token is an action; nothing predicts it")
    if not any(any(mask) for mask in action_masks):
        raise ValueError("the action mask is empty: the student sampled no token of this batch")
