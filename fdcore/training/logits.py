"""Forward passes for training: the logits that predict the student's tokens, and what is read off them.

All prompts of a batch begin with the same system prompt and tool list. That common prefix goes through the model once, with
gradient, and its keys and values are shared by all rows: the same logits and the same gradient for about half the tokens. The
language-model head runs only on positions that predict an action token, and over a large vocabulary a chunk of them at a time: the
logits of a batch (2.5 GB for 4,096 tokens of Qwen3's 151,936) are never held at once.

Left out on purpose: losses, micro-batching, and models whose cache is more than keys and values (linear attention, sliding windows):
these take the plain path, by a look at their cache and not at their name.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.checkpoint import checkpoint
from transformers import DynamicCache

from fdcore.model import common_prefix, head_at, plain_cache, unwrapped
from fdcore.training.distributed import is_sharded

CHUNK = 2**25  # logits in memory at once: 128 MB in float32, 220 tokens of Qwen3's vocabulary


@dataclass(frozen=True)
class ActionLogits:
    """The logits of N action tokens over V words, multiplied out where they are looked at: `logits[rows]` is (rows, V) float32.

    Made by `deferred_logits`. Small ones hold the logits themselves, large ones the hidden states before the head.
    """

    hidden: Tensor  # (N, H); or (N, V), the logits
    head: torch.nn.Module | None  # None: `hidden` are the logits
    vocabulary: int
    temperature: float = 1.0
    autocast: bool = False
    chunk: int = CHUNK
    sharded: bool = False  # the head's weights are cut among processes

    def __len__(self) -> int:
        return len(self.hidden)

    def __getitem__(self, rows: slice) -> Tensor:
        return self._of(self.hidden[rows])

    def _of(self, logits: Tensor) -> Tensor:
        if self.head is not None:
            with torch.autocast(logits.device.type, torch.bfloat16, enabled=self.autocast):
                logits = self.head(logits[None])[0]
        logits = logits if logits.dtype == torch.float64 else logits.float()
        return logits if self.temperature == 1 else logits / self.temperature

    def map(self, function: Callable[[Tensor, slice], tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        """`function(logits[rows], rows)` for all rows, in chunks: tensors with one entry a token, joined along the first dimension.

        With gradient, a chunk's logits and all that `function` makes of them are forgotten and computed again in the backward pass
        (Chen et al., arXiv 1604.06174). What `function` computes without gradient should come last: it is not computed again.
        """
        if len(parts := self._parts()) == 1:
            return function(self[:], slice(0, len(self)))

        def run(rows: slice):
            return function(self[rows], rows)

        if torch.is_grad_enabled():
            run = functools.partial(checkpoint, run, use_reentrant=False, preserve_rng_state=False)
        return tuple(torch.cat(column) for column in zip(*map(run, parts)))

    def mean(self, function: Callable[[Tensor, slice], tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        """The mean over all tokens of the first of `function`'s tensors, to learn from; then all that `map` gives, without gradient.

        Each token's value may depend on its own logits alone. A chunk's gradient is taken while its logits are there, so that nothing is
        computed twice (as the fused losses of Liger Kernel, arXiv 2410.10989, do).
        """
        if (
            len(self._parts()) == 1 or not torch.is_grad_enabled() or self.sharded
        ):  # FSDP's hooks hand the head its gradient, in a backward pass
            found = self.map(function)
            return found[0].mean(), *(values.detach() for values in found)
        return _MeanInChunks.apply(
            self,
            function,
            self.hidden,
            *(weight for weight in self.head.parameters() if weight.requires_grad),
        )

    def _parts(self) -> list[slice]:
        size = max(1, self.chunk // self.vocabulary)
        return [slice(first, first + size) for first in range(0, len(self), size)]


class _MeanInChunks(torch.autograd.Function):
    """`ActionLogits.mean`: the forward pass makes the gradients too, the backward pass scales them."""

    @staticmethod
    def forward(ctx, logits: ActionLogits, function, hidden: Tensor, *weights: Tensor):
        gradients, found = [torch.zeros_like(tensor) for tensor in (hidden, *weights)], []
        for rows in logits._parts():
            with torch.enable_grad():
                part = hidden[rows].detach().requires_grad_()
                values = function(logits._of(part), rows)
                slopes = torch.autograd.grad(values[0].sum() / len(hidden), (part, *weights))
            gradients[0][rows] = slopes[0]
            for gradient, slope in zip(gradients[1:], slopes[1:]):
                gradient += slope
            found.append([value.detach() for value in values])
        ctx.gradients = gradients
        found = [torch.cat(column) for column in zip(*found)]
        ctx.mark_non_differentiable(*found)
        return found[0].mean(), *found

    @staticmethod
    def backward(ctx, slope: Tensor, *_):
        return None, None, *(gradient.mul_(slope) for gradient in ctx.gradients)


def deferred_logits(
    model: torch.nn.Module,
    sequences: Sequence[Sequence[int]],
    action_masks: Sequence[Sequence[int]],
    *,
    temperature: float = 1.0,
    autocast: bool = False,
    share_prefix: bool = True,
    chunk: int = CHUNK,
) -> ActionLogits:
    """The logits that predict each action token of a batch: N action tokens, sequence by sequence, each from left to right.

    sequences: B lists of token ids, of any lengths; action_masks: as long, nonzero on the student's tokens. `autocast` runs the
    transformer in bfloat16. `share_prefix=False` gives the plain forward, whose values and gradients are the same up to rounding.
    Up to `chunk` logits are computed at once, here; more are deferred, unless the model changes its logits behind the head.
    ValueError: a mask of another length, no action token at all, an action token at position 0 (nothing predicts it), or a sequence
    longer than the model's positions.
    """
    _check(model, sequences, action_masks)
    device = next(model.parameters()).device
    shared = _shared_length(model, sequences, action_masks) if share_prefix else 0
    ids = pad_sequence(
        [torch.tensor(sequence[shared:]) for sequence in sequences], batch_first=True
    ).to(device)
    rows, columns = action_positions(action_masks)
    where = rows.to(device), (columns - 1 - shared).to(device)  # position t - 1 predicts token t
    head = model.get_output_embeddings()
    vocabulary = head.weight.shape[0]
    deferred = (len(rows) * vocabulary > chunk or is_sharded(model)) and _head_is_last(
        model, ids[:1, :1]
    )  # processes must go the same way
    with torch.autocast(device.type, torch.bfloat16, enabled=autocast):
        # right padding needs no mask: no real token can look to its right
        cache = (
            _shared_cache(model, torch.tensor(sequences[0][:shared], device=device), len(sequences))
            if shared
            else None
        )
        with head_at(model, *where, skip=deferred) as hidden:
            logits = model(
                input_ids=ids, past_key_values=cache, use_cache=cache is not None
            ).logits[0]
    return (
        ActionLogits(hidden[0], head, vocabulary, temperature, autocast, chunk, is_sharded(model))
        if deferred
        else ActionLogits(logits, None, vocabulary, temperature, chunk=chunk)
    )


def action_logits(
    model: torch.nn.Module,
    sequences: Sequence[Sequence[int]],
    action_masks: Sequence[Sequence[int]],
    **how,
) -> Tensor:
    """`deferred_logits` at once: (N, V) float32. For small vocabularies and few tokens."""
    return deferred_logits(model, sequences, action_masks, **how)[:]


def action_positions(action_masks: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """(row, column) of every action token, in the order of `action_logits`' rows."""
    counts = [torch.as_tensor(mask).nonzero()[:, 0] for mask in action_masks]
    return torch.repeat_interleave(
        torch.arange(len(counts)), torch.tensor([len(c) for c in counts])
    ), torch.cat(counts)


def action_values(
    values: Sequence[Sequence[float]],
    action_masks: Sequence[Sequence[int]],
    dtype: torch.dtype | None = None,
) -> Tensor:
    """What stands at the action tokens (token ids, the sampler's log-probs), flat, in the order of `action_logits`' rows: (N,)."""
    return torch.cat(
        [
            torch.tensor(v, dtype=dtype)[torch.as_tensor(m).bool()]
            for v, m in zip(values, action_masks, strict=True)
        ]
    )


def by_sequence(flat: Tensor, action_masks: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Flat (N,) values back to one row a sequence: (B, A) padded with 0, and the boolean mask (B, A); A is the most action tokens of a row.

    >>> by_sequence(torch.tensor([1.0, 2.0, 3.0]), [[0, 1, 1], [0, 1]])
    (tensor([[1., 2.],
            [3., 0.]]), tensor([[ True,  True],
            [ True, False]]))
    """
    counts = [int(torch.as_tensor(mask).bool().sum()) for mask in action_masks]
    rows = pad_sequence(flat.split(counts), batch_first=True)
    return rows, torch.arange(rows.shape[1], device=flat.device) < torch.tensor(
        counts, device=flat.device
    )[:, None]


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


@torch.no_grad()
def _head_is_last(model: torch.nn.Module, ids: Tensor) -> bool:
    """Whether the model's logits are its head's output as it is: no cap and no scale behind. Found out on the one token of `ids`."""
    zero = torch.zeros(1, dtype=torch.long, device=ids.device)
    with head_at(model, zero, zero) as hidden:
        logits = model(input_ids=ids, use_cache=False).logits[0]
    return torch.equal(logits, model.get_output_embeddings()(hidden[0][None])[0])


def _shared_length(
    model: torch.nn.Module,
    sequences: Sequence[Sequence[int]],
    action_masks: Sequence[Sequence[int]],
) -> int:
    """How many leading tokens go through the model once: those that all rows share and that predict no action token."""
    checkpointing = model.training and getattr(
        model, "is_gradient_checkpointing", False
    )  # recomputes layers, so it keeps no cache
    if len(sequences) < 2 or checkpointing or is_sharded(model) or plain_cache(model) is None:
        return 0
    first_action = min(list(map(bool, mask)).index(True) for mask in action_masks if any(mask))
    shortest = min(map(len, sequences))
    return max(0, min(common_prefix([list(s) for s in sequences]), first_action - 1, shortest - 1))


def _shared_cache(model: torch.nn.Module, prefix: Tensor, batch: int) -> DynamicCache:
    """The prefix's keys and values, computed once and seen by all rows; their gradients add up in the one copy."""
    once = (
        unwrapped(model)
        .base_model(input_ids=prefix[None], past_key_values=plain_cache(model), use_cache=True)
        .past_key_values
    )
    return DynamicCache(
        [
            (layer.keys.expand(batch, -1, -1, -1), layer.values.expand(batch, -1, -1, -1))
            for layer in once.layers
        ]
    )


def _check(
    model: torch.nn.Module,
    sequences: Sequence[Sequence[int]],
    action_masks: Sequence[Sequence[int]],
) -> None:
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    for row, (sequence, mask) in enumerate(zip(sequences, action_masks, strict=True)):
        if len(sequence) != len(mask):
            raise ValueError(
                f"action_logits: sequence {row} has {len(sequence)} tokens, its action mask {len(mask)}"
            )
        if limit and len(sequence) > limit:
            raise ValueError(
                f"action_logits: sequence {row} has {len(sequence)} tokens, the model takes {limit}; lower max_prompt_tokens or max_response_tokens, or shorten the feedback"
            )
        if len(mask) and mask[0]:
            raise ValueError(
                f"action_logits: sequence {row}: its first token is marked as an action, but nothing predicts it"
            )
    if not any(any(mask) for mask in action_masks):
        raise ValueError(
            "action_logits: the action mask is empty: no token of this batch was sampled by the student"
        )
