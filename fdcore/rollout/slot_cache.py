"""Keys and values of a batch whose rows share a prefix, and the attention over them.

Every row writes at its own position, so nothing is padded to the longest prompt. The prefix is kept
once. Its keys meet the queries of all rows in one matrix product.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import AttentionInterface, PreTrainedModel
from transformers.cache_utils import Cache

ATTENTION = "fdcore_slots"  # the name under which transformers finds `slot_attention`


class _Keys(NamedTuple):
    """What `SlotCache.update` hands to `slot_attention` in place of a key (or value) tensor."""

    prefix: Tensor | None  # (H, P, D), the same for all rows
    own: Tensor  # (B, H, L, D)
    mask: Tensor  # added to scores over `own`: broadcasts to (B, 1, 1, T, L)


class SlotCache(Cache):
    """Keys and values of a shared prefix, and of rows that each write at their own position.

    There are `slots` rows of up to `width` own tokens. Active rows hold the first slots. Before
    every forward `begin_prefix` or `begin_rows` says where it writes and what it may look at.
    """

    def __init__(self, model: PreTrainedModel, slots: int, width: int):
        super().__init__(layers=[])
        self._shape, self._dtype = (slots, width), model.dtype
        self._prefix: dict[int, tuple[Tensor, Tensor]] = {}
        self._own: dict[int, tuple[Tensor, Tensor]] = {}

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return 0  # rows differ; positions are always given

    def begin_prefix(self) -> None:
        """The next forward holds the shared prefix, as a batch of one."""
        self._in_prefix = True

    def begin_rows(self, at: int, lengths: Tensor, counts: Tensor) -> None:
        """The next forward holds right-padded tokens for the slots from `at` on.

        Args:
            lengths: (R,) own tokens that are there already.
            counts: (R,) new ones.
        """
        self._in_prefix, self._slots_used = False, slice(at, at + len(lengths))
        time, device = torch.arange(int(counts.max()), device=lengths.device), lengths.device
        self._used = int((lengths + counts).max())
        self._row, self._time = (time < counts[:, None]).nonzero(as_tuple=True)
        self._slot, self._column = at + self._row, lengths[self._row] + self._time
        last = (lengths[:, None] + time)[:, :, None]  # what a query may see last
        mask = torch.zeros((len(lengths), len(time), self._used), dtype=self._dtype, device=device)
        mask.masked_fill_(torch.arange(self._used, device=device) > last, -torch.inf)
        self._mask = mask[:, None, None]

    def copy_slots(self, sources: list[int], targets: list[int]) -> None:
        """Put what the slots `sources` hold into the slots `targets`."""
        if sources:
            for buffer in itertools.chain.from_iterable(self._own.values()):
                buffer[targets] = buffer[sources]

    def update(
        self, key: Tensor, value: Tensor, layer_idx: int, *args, **kwargs
    ) -> tuple[_Keys, _Keys]:
        if self._in_prefix:
            square = torch.full((key.shape[2],) * 2, -torch.inf, dtype=key.dtype, device=key.device)
            self._prefix[layer_idx] = key[0], value[0]
            return _Keys(None, key, square.triu_(1)), _Keys(None, value, square)
        if layer_idx not in self._own:
            shape = (self._shape[0], key.shape[1], self._shape[1], key.shape[3])
            # zeros: a masked value of an unused position must still be finite
            self._own[layer_idx] = key.new_zeros(shape), key.new_zeros(shape)
        own = []
        for buffer, new in zip(self._own[layer_idx], (key, value), strict=True):
            buffer[self._slot, :, self._column] = new[self._row, :, self._time]
            own.append(buffer[self._slots_used, :, : self._used])
        shared = self._prefix.get(layer_idx, (None, None))
        return _Keys(shared[0], own[0], self._mask), _Keys(shared[1], own[1], self._mask)


def slot_attention(
    module, query: Tensor, key: _Keys, value: _Keys, mask=None, scaling: float | None = None, **_
) -> tuple[Tensor, None]:
    """Attention over a shared prefix and each row's own keys: (B, Hq, T, D) -> (B, T, Hq, D).

    The query heads of one key head are laid side by side, and for the prefix all rows too. So each
    product is one matrix product a key head (prefix) or a key head and row (own keys), without a
    copy of any key.
    """
    batch, query_heads, time, size = query.shape
    heads, length = key.own.shape[1:3]
    group = query_heads // heads
    query = (query * (size**-0.5 if scaling is None else scaling)).contiguous()
    flat = query.reshape(batch * heads, group * time, size)
    scores = torch.bmm(flat, key.own.flatten(0, 1).transpose(1, 2))
    scores = scores.view(batch, heads, group, time, length) + key.mask
    if key.prefix is None:
        weights = scores.float().softmax(-1).to(query.dtype)
        out = torch.bmm(weights.view(batch * heads, group * time, length), value.own.flatten(0, 1))
    else:
        known = key.prefix.shape[1]
        rows = query.view(batch, heads, group * time, size).transpose(0, 1).reshape(heads, -1, size)
        before = torch.bmm(rows, key.prefix.transpose(1, 2))
        before = before.view(heads, batch, group, time, known).transpose(0, 1)
        weights = torch.cat([before, scores], -1).float().softmax(-1).to(query.dtype)
        own = weights[..., known:].reshape(batch * heads, group * time, length)
        out = torch.bmm(own, value.own.flatten(0, 1)).view(batch, heads, -1)
        seen = weights[..., :known].transpose(0, 1).reshape(heads, -1, known)
        seen = torch.bmm(seen, value.prefix).view(heads, batch, -1)
        out = out + seen.transpose(0, 1)
    return out.reshape(batch, query_heads, time, size).transpose(1, 2).contiguous(), None


@contextlib.contextmanager
def slot_attention_in(model: PreTrainedModel) -> Iterator[None]:
    """Inside, the model attends with `slot_attention`."""
    # no mask function has this name, so transformers builds no masks
    AttentionInterface.register(ATTENTION, slot_attention)
    before = model.config._attn_implementation
    model.set_attn_implementation(ATTENTION)
    try:
        yield
    finally:
        model.set_attn_implementation(before)
