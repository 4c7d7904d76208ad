"""Forward passes for training: the logits that predict the student's tokens, and what is read off them.

All prompts of a batch begin with the same system prompt and tool list. That common prefix goes through the model once, with
gradient, and its keys and values are shared by all rows: the same logits and the same gradient for about half the tokens. The
language-model head runs only on positions that predict an action token.

Left out on purpose: losses, micro-batching, and models whose cache is more than keys and values (linear attention, sliding windows):
these take the plain path, by a look at their cache and not at their name.
"""
from __future__ import annotations

import contextlib
import threading
from typing import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer


def action_logits(
    model: torch.nn.Module, sequences: Sequence[Sequence[int]], action_masks: Sequence[Sequence[int]], *,
    temperature: float = 1.0, autocast: bool = False, share_prefix: bool = True,
) -> Tensor:
    """The logits that predict each action token of a batch: (N, V) float32, N action tokens, sequence by sequence, each from left to right.

    sequences: B lists of token ids, of any lengths; action_masks: as long, nonzero on the student's tokens. `autocast` runs the
    transformer in bfloat16. `share_prefix=False` gives the plain forward, whose values and gradients are the same up to rounding.
    ValueError: a mask of another length, no action token at all, or an action token at position 0 (nothing predicts it).
    """
    _check(sequences, action_masks)
    device = next(model.parameters()).device
    shared = _shared_length(model, sequences, action_masks) if share_prefix else 0
    ids = pad_sequence([torch.tensor(sequence[shared:]) for sequence in sequences], batch_first=True).to(device)
    rows, columns = action_positions(action_masks)
    where = rows.to(device), (columns - 1 - shared).to(device)  # position t - 1 predicts token t
    with torch.autocast(device.type, torch.bfloat16, enabled=autocast):
        # right padding needs no mask: no real token can look to its right
        cache = _shared_cache(model, torch.tensor(sequences[0][:shared], device=device), len(sequences)) if shared else None
        with head_at(model, *where):
            logits = model(input_ids=ids, past_key_values=cache, use_cache=cache is not None).logits[0]
    return logits.float() / temperature


def action_positions(action_masks: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """(row, column) of every action token, in the order of `action_logits`' rows."""
    counts = [torch.as_tensor(mask).nonzero()[:, 0] for mask in action_masks]
    return torch.repeat_interleave(torch.arange(len(counts)), torch.tensor([len(c) for c in counts])), torch.cat(counts)


def action_values(values: Sequence[Sequence[float]], action_masks: Sequence[Sequence[int]], dtype: torch.dtype | None = None) -> Tensor:
    """What stands at the action tokens (token ids, the sampler's log-probs), flat, in the order of `action_logits`' rows: (N,)."""
    return torch.cat([torch.tensor(v, dtype=dtype)[torch.as_tensor(m).bool()] for v, m in zip(values, action_masks, strict=True)])


def by_sequence(flat: Tensor, action_masks: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Flat (N,) values back to one row a sequence: (B, A) padded with 0, and the boolean mask (B, A); A is the most action tokens of a row.

    >>> by_sequence(torch.tensor([1.0, 2.0, 3.0]), [[0, 1, 1], [0, 1]])
    (tensor([[1., 2.],
            [3., 0.]]), tensor([[ True,  True],
            [ True, False]]))
    """
    counts = [int(torch.as_tensor(mask).bool().sum()) for mask in action_masks]
    rows = pad_sequence(flat.split(counts), batch_first=True)
    return rows, torch.arange(rows.shape[1], device=flat.device) < torch.tensor(counts, device=flat.device)[:, None]


def token_logprobs(logits: Tensor, ids: Tensor) -> Tensor:
    """Log-probs in nats of the given tokens: (..., V) logits, (...) ids -> (...)."""
    return logits.gather(-1, ids.to(logits.device)[..., None])[..., 0] - logits.logsumexp(-1)


def entropy(logits: Tensor) -> Tensor:
    """Entropy in nats over the whole vocabulary: (..., V) -> (...).

    >>> entropy(torch.zeros(2, 4)) / torch.log(torch.tensor(2.0))  # two bits
    tensor([2., 2.])
    """
    log_p = logits.log_softmax(-1)
    return -(log_p.exp() * log_p).sum(-1)


@contextlib.contextmanager
def head_at(model: torch.nn.Module, rows: Tensor, columns: Tensor) -> Iterator[None]:
    """Inside, the model's language-model head sees only hidden states [rows, columns], and its logits are (1, len(rows), V).

    A hook, and not `hidden_states` times the head's weight, so that whatever a model does around its head stays as it is. It acts in
    the calling thread alone: micro-batches may run side by side.
    """
    thread = threading.get_ident()
    head = model.get_output_embeddings()
    hook = head.register_forward_pre_hook(lambda _, inputs: (inputs[0][rows, columns][None],) if threading.get_ident() == thread else None)
    try:
        yield
    finally:
        hook.remove()


def plain_cache(model: torch.nn.Module) -> DynamicCache | None:
    """An empty cache of the model when all its layers keep nothing but keys and values of all positions, else None."""
    cache = DynamicCache(config=model.config)
    return cache if cache.layers and all(type(layer) is DynamicLayer for layer in cache.layers) else None


def common_prefix(sequences: Sequence[Sequence[int]]) -> int:
    """Length of the longest common prefix. The smallest and the largest list differ first where any two do."""
    low, high = min(sequences), max(sequences)
    return next((i for i, (a, b) in enumerate(zip(low, high)) if a != b), len(low))


def _shared_length(model: torch.nn.Module, sequences: Sequence[Sequence[int]], action_masks: Sequence[Sequence[int]]) -> int:
    """How many leading tokens go through the model once: those that all rows share and that predict no action token."""
    checkpointing = model.training and getattr(model, "is_gradient_checkpointing", False)  # recomputes layers, so it keeps no cache
    if len(sequences) < 2 or checkpointing or plain_cache(model) is None:
        return 0
    first_action = min(list(map(bool, mask)).index(True) for mask in action_masks if any(mask))
    shortest = min(map(len, sequences))
    return max(0, min(common_prefix([list(s) for s in sequences]), first_action - 1, shortest - 1))


def _shared_cache(model: torch.nn.Module, prefix: Tensor, batch: int) -> DynamicCache:
    """The prefix's keys and values, computed once and seen by all rows; their gradients add up in the one copy."""
    once = model.base_model(input_ids=prefix[None], past_key_values=plain_cache(model), use_cache=True).past_key_values
    return DynamicCache([(layer.keys.expand(batch, -1, -1, -1), layer.values.expand(batch, -1, -1, -1)) for layer in once.layers])


def _check(sequences: Sequence[Sequence[int]], action_masks: Sequence[Sequence[int]]) -> None:
    for row, (sequence, mask) in enumerate(zip(sequences, action_masks, strict=True)):
        if len(sequence) != len(mask):
            raise ValueError(f"action_logits: sequence {row} has {len(sequence)} tokens, its action mask {len(mask)}")
        if len(mask) and mask[0]:
            raise ValueError(f"action_logits: sequence {row}: its first token is marked as an action, but nothing predicts it")
    if not any(any(mask) for mask in action_masks):
        raise ValueError("action_logits: the action mask is empty: no token of this batch was sampled by the student")
