"""Sampling: many prompts in, one completion each out, with the log-probs of what was drawn.

`TorchSampler` is a KV-cached batched sampler for causal language models that keep keys and values only. What makes it faster than
`generate()`: the prefix that all prompts share is computed once and attended to with one matrix product for the whole batch; a long prompt
that several rows share, as the samples of a group do, is computed once and copied; every row writes at its own position, so nothing is
padded to the longest prompt; a finished row leaves the batch at once and a waiting prompt takes its place; masks are built once a step
and not once a layer.

Left out on purpose: beam search, penalties, and models with another kind of cache (`fdcore.rollout.vllm_sampler` serves those).
"""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import AttentionInterface, PreTrainedModel, PreTrainedTokenizerBase
from transformers.cache_utils import Cache

from fdcore.model import common_prefix, head_at, plain_cache, unwrapped, whole
from fdcore.records import Record
from fdcore.rollout.parallel import side_by_side

ATTENTION = "fdcore_slots"  # the name under which transformers knows `slot_attention`
PREFILL_TOKENS = 8192  # padded tokens of one prefill forward
FEWEST_ROWS = 8  # rows worth a thread of their own
COPIED_TOKENS = 256  # own tokens from which on rows with the same prompt share its prefill; shorter ones take a small part of the time


class SamplingParams(Record):
    """How to sample one completion. temperature 0 takes the likeliest token; top_p 1 draws from the whole vocabulary."""

    temperature: float = Field(1.0, ge=0)
    top_p: float = Field(1.0, gt=0, le=1)
    max_new_tokens: int = Field(gt=0)
    stop_token_ids: tuple[int, ...] = ()
    stop: tuple[str, ...] = ()  # texts that end a completion; the token that completes one is kept


class Completion(Record):
    """What was sampled. The stop token is part of it; log-probs (nats) are those of the policy at temperature 1 and top_p 1."""

    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish_reason: Literal["stop", "length"]


class Sampler(Protocol):
    """What episodes need: completions in the order of the prompts, each drawn with its own seed, and new weights after a step."""

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        params: Sequence[SamplingParams] | SamplingParams,
        seeds: Sequence[int],
    ) -> list[Completion]: ...

    def update_weights(self, model: torch.nn.Module) -> None: ...

    def rest(self) -> None:
        """Until the next `update_weights` nothing is asked of it: the memory can be the trainer's."""


class TorchSampler:
    """Samples from a transformers model in this process. The same inputs give the same completions.

    A row's randomness comes only from its own seed (Philox), so what else is in the batch changes a completion only where
    rounding decides a near tie. At most `max_batch` rows are decoded at once. With `dtype` None the model is used as it is, and new
    weights are seen at once; another dtype keeps a copy that `update_weights` refreshes.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase | None = None,
        *,
        max_batch: int = 256,
        dtype: torch.dtype | None = None,
    ):
        if max_batch < 1:
            raise ValueError(f"TorchSampler: max_batch must be at least 1, got {max_batch}")
        if plain_cache(model) is None or not getattr(model, "_supports_attention_backend", False):
            raise ValueError(
                f"TorchSampler: {type(model).__name__} keeps more than keys and values, or has its own attention; set sampler.backend: vllm"
            )
        self.tokenizer, self.max_batch = tokenizer, max_batch
        self._copied = dtype is not None and dtype != model.dtype
        if self._copied:
            copy = type(model)(model.config).to(device=model.device, dtype=dtype)
            copy.load_state_dict(model.state_dict())
            model = copy
        self.model = unwrapped(model)
        self._kept: list[_Part] = []  # the last call's rows
        self._weights = 0

    def update_weights(self, model: torch.nn.Module) -> None:
        """Take over the weights of `model`; nothing to do when it is the very model that this sampler uses."""
        if unwrapped(model) is not self.model:
            self.model.load_state_dict(
                {name: whole(weight) for name, weight in unwrapped(model).state_dict().items()}
            )

    def rest(self) -> None:
        """Drop the keys and values of the last call's rows, on a GPU; a CPU has room for them."""
        if self.model.device.type != "cpu":
            self._kept = []

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        params: Sequence[SamplingParams] | SamplingParams,
        seeds: Sequence[int],
    ) -> list[Completion]:
        """One completion a prompt, in order. prompts: lists of token ids; one `params` for all or one each; one seed >= 0 each.

        A prompt that goes on where a row of the last call ended (the next turn of an episode) takes over its keys and values, as long
        as the weights are the same. ValueError: an empty prompt, lists of unequal length, or stop strings without a tokenizer.
        """
        rows = self._rows(prompts, params, seeds)
        if not rows:
            return []
        was_training = self.model.training
        self.model.eval()
        try:
            with slot_attention_in(self.model):
                side_by_side(
                    [
                        functools.partial(self._run, part, entries)
                        for part, entries in self._deal(rows).items()
                        if entries
                    ]
                )
        finally:
            self.model.train(was_training)
        return [row.completion() for row in rows]

    def _rows(self, prompts, params, seeds) -> list[_Row]:
        params = [params] * len(prompts) if isinstance(params, SamplingParams) else list(params)
        if not len(prompts) == len(params) == len(seeds):
            raise ValueError(
                f"generate: {len(prompts)} prompts, {len(params)} sampling parameters and {len(seeds)} seeds; the numbers must agree"
            )
        for index, (prompt, wanted) in enumerate(zip(prompts, params)):
            if not len(prompt):
                raise ValueError(f"generate: prompt {index} is empty; give at least one token")
            if wanted.stop and self.tokenizer is None:
                raise ValueError(
                    "generate: stop strings need a tokenizer; give one to TorchSampler, or use stop_token_ids"
                )
        return [
            _Row(list(prompt), wanted, seed) for prompt, wanted, seed in zip(prompts, params, seeds)
        ]

    def _deal(self, rows: list[_Row]) -> dict[_Part, list[_Entry]]:
        """Give each row to a part: to the one that holds its beginning, else to the one with the fewest rows, like lengths to each."""
        weights = sum(
            parameter._version for parameter in self.model.parameters()
        )  # torch counts every change in place
        longest = max(len(row.prompt) + row.params.max_new_tokens for row in rows)
        kept = (
            self._kept
            if weights == self._weights and all(part.serves(rows, longest) for part in self._kept)
            else []
        )
        held: dict[tuple[int, ...], list[tuple[_Part, int]]] = {}
        for part in kept:
            for slot, row in enumerate(part.slots):
                if row is not None:
                    held.setdefault(tuple(row.held), []).append((part, slot))
        lengths = sorted({len(tokens) for tokens in held}, reverse=True)
        dealt: dict[_Part, list[_Entry]] = {part: [] for part in kept}
        new = []
        for row in rows:
            found = next(
                (
                    at
                    for n in lengths
                    if n < len(row.prompt) and (at := held.get(tuple(row.prompt[:n])))
                ),
                None,
            )
            if found:
                part, slot = found.pop()
                row.cached = len(part.slots[slot].held)
                dealt[part].append((slot, row))
            else:
                new.append(row)
        if len(new) == len(rows):
            dealt = {part: [] for part in self._fresh(rows, longest)}
        for row in sorted(new, key=lambda row: len(row.prompt)):
            part = min(dealt, key=lambda part: len(dealt[part]))
            row.cached = len(part.prefix)
            dealt[part].append((None, row))
        self._kept, self._weights = list(dealt), weights
        return dealt

    def _fresh(self, rows: list[_Row], longest: int) -> list[_Part]:
        """Empty parts, as many as a CPU has cores: one core for each is faster than all for one at this size."""
        count = (
            min(torch.get_num_threads(), self.max_batch, max(1, len(rows) // FEWEST_ROWS))
            if self.model.device.type == "cpu"
            else 1
        )
        prompts = [row.prompt for row in rows]
        prefix = prompts[0][: min(common_prefix(prompts), min(map(len, prompts)) - 1)]
        slots = min(max(1, self.max_batch // count), -(-len(rows) // count))
        return [
            _Part(prefix, SlotCache(self.model, slots, longest - len(prefix)), [None] * slots)
            for _ in range(count)
        ]

    @torch.inference_mode()
    def _run(self, part: _Part, entries: list[_Entry]) -> None:
        """Decode a part's rows: prefill as slots come free, one token a step for the active ones, leave when done."""
        cache, device, prefix = part.cache, self.model.device, len(part.prefix)
        if prefix and not cache.has_prefix:
            cache.prefix_pass()
            self.model.base_model(
                input_ids=torch.tensor([part.prefix], device=device),
                position_ids=torch.arange(prefix, device=device)[None],
                past_key_values=cache,
                use_cache=True,
            )
        waiting, active = part.arrange(entries)[::-1], []  # waiting is popped from its end
        while waiting or active:
            free = len(part.slots) - len(active)
            if waiting and (
                free >= max(1, len(part.slots) // 8) or free >= len(waiting)
            ):  # few large prefills, not many small ones
                entering, copies = _first_and_copies(
                    [waiting.pop() for _ in range(min(free, len(waiting)))], prefix
                )
                drawn = self._prefill(entering, copies, len(active), cache, prefix)
                entering += copies
                part.slots[len(active) : len(active) + len(entering)] = entering
                active += entering
            else:
                entering = active
                ids = torch.tensor([[row.tokens[-1]] for row in active], device=device)
                lengths = torch.tensor(
                    [len(row.prompt) + len(row.tokens) - 1 - prefix for row in active],
                    device=device,
                )
                cache.own_pass(0, lengths, torch.ones_like(lengths))
                logits = self.model(
                    input_ids=ids,
                    position_ids=(lengths + prefix)[:, None],
                    past_key_values=cache,
                    use_cache=True,
                ).logits[:, 0]
                drawn = draw(logits, active)
            for row, token, logprob in zip(entering, *drawn):
                row.add(token, logprob, self.tokenizer)
            active = part.leave(active)

    def _prefill(
        self, entering: list[_Row], copies: dict[_Row, int], at: int, cache: SlotCache, prefix: int
    ) -> tuple[list[int], list[float]]:
        """Run what is new of the prompts into the slots from `at` on, a few thousand padded tokens at a time, and draw the first token of each.

        The slots behind them are for `copies`: rows with the prompt of the entering row of that number.
        """
        tokens, logprobs, device, shared = [], [], self.model.device, {}
        while len(tokens) < len(entering):
            group = entering[len(tokens) :]
            widths = list(
                itertools.accumulate((len(row.prompt) - row.cached for row in group), max)
            )
            group = group[
                : next(
                    (n for n in range(1, len(group)) if (n + 1) * widths[n] > PREFILL_TOKENS),
                    len(group),
                )
            ]
            new = [torch.tensor(row.prompt[row.cached :], device=device) for row in group]
            counts = torch.tensor([len(n) for n in new], device=device)
            lengths = torch.tensor([row.cached - prefix for row in group], device=device)
            ids = pad_sequence(new, batch_first=True)
            cache.own_pass(at + len(tokens), lengths, counts)
            positions = (prefix + lengths)[:, None] + torch.arange(ids.shape[1], device=device)
            with head_at(self.model, torch.arange(len(group), device=device), counts - 1):
                logits = self.model(
                    input_ids=ids, position_ids=positions, past_key_values=cache, use_cache=True
                ).logits[0]
            shared |= {
                first: logits[first - len(tokens)]
                for first in copies.values()
                if 0 <= first - len(tokens) < len(group)
            }
            drawn = draw(logits, group)
            tokens += drawn[0]
            logprobs += drawn[1]
        if copies:
            cache.copy([at + first for first in copies.values()], at + len(entering))
            drawn = draw(torch.stack([shared[first] for first in copies.values()]), list(copies))
            tokens += drawn[0]
            logprobs += drawn[1]
        return tokens, logprobs


@dataclass(eq=False)
class _Row:
    """One prompt under way."""

    prompt: list[int]
    params: SamplingParams
    seed: int
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    reason: Literal["stop", "length"] | None = None
    cached: int = 0  # leading tokens of the prompt whose keys and values are there already

    @property
    def held(self) -> list[int]:
        """The tokens whose keys and values its slot holds at the end: all but the last one."""
        return self.prompt + self.tokens[:-1]

    def __post_init__(self):
        self.uniforms = (
            np.random.Generator(np.random.Philox(self.seed))
            .random(self.params.max_new_tokens)
            .tolist()
        )  # one a token, in [0, 1)
        self.stops = frozenset(self.params.stop_token_ids)

    def add(self, token: int, logprob: float, tokenizer) -> None:
        self.tokens.append(token)
        self.logprobs.append(logprob)
        if token in self.stops or (self.params.stop and self._stop_string(tokenizer)):
            self.reason = "stop"
        elif len(self.tokens) == self.params.max_new_tokens:
            self.reason = "length"

    def _stop_string(self, tokenizer) -> bool:
        # a token holds at least one byte, so a stop string that ends now lies within its number of bytes of last tokens
        longest = max(len(stop.encode()) for stop in self.params.stop)
        tail = tokenizer.decode(self.tokens[-longest:], skip_special_tokens=False)
        return any(stop in tail for stop in self.params.stop)

    def completion(self) -> Completion:
        return Completion.model_construct(
            token_ids=tuple(self.tokens), logprobs=tuple(self.logprobs), finish_reason=self.reason
        )


def _first_and_copies(rows: list[_Row], prefix: int) -> tuple[list[_Row], dict[_Row, int]]:
    """The rows whose prompts are to be computed, and each of the others with the number of the one that has the same long prompt."""
    firsts: list[_Row] = []
    copies: dict[_Row, int] = {}
    numbers: dict[tuple[int, ...], int] = {}
    for row in rows:
        long = row.cached == prefix and len(row.prompt) - prefix >= COPIED_TOKENS
        if long and (number := numbers.setdefault(tuple(row.prompt), len(firsts))) < len(firsts):
            copies[row] = number
        else:
            firsts.append(row)
    return firsts, copies


def draw(logits: Tensor, rows: Sequence[_Row]) -> tuple[list[int], list[float]]:
    """One token a row from (R, V) logits by inverse CDF with the row's next uniform number, and its log-prob at temperature 1."""
    logits = logits.float()
    temperature = torch.tensor([row.params.temperature for row in rows], device=logits.device)[
        :, None
    ]
    uniforms = torch.tensor(
        [row.uniforms[len(row.tokens)] for row in rows], dtype=torch.float64, device=logits.device
    )[:, None]
    greedy = temperature == 0
    scaled = (
        logits if bool((temperature == 1).all()) else logits / torch.where(greedy, 1.0, temperature)
    )
    probs = scaled.softmax(-1)
    if any(row.params.top_p < 1 for row in rows):
        probs = _nucleus(
            probs, torch.tensor([row.params.top_p for row in rows], device=logits.device)[:, None]
        )
    cdf = probs.cumsum(-1, dtype=torch.float64)
    # right: the first token whose cumulated probability exceeds u, so never one of probability 0
    tokens = torch.searchsorted(cdf, uniforms * cdf[:, -1:], right=True).clamp_max_(
        logits.shape[-1] - 1
    )
    if bool(greedy.any()):
        tokens = torch.where(greedy, logits.argmax(-1, keepdim=True), tokens)
    logprobs = logits.gather(-1, tokens)[:, 0] - logits.logsumexp(-1)
    return tokens[:, 0].tolist(), logprobs.tolist()


def _nucleus(probs: Tensor, top_p: Tensor) -> Tensor:
    """Zero all but the smallest set of likeliest tokens that holds `top_p` of the mass (nucleus sampling, arXiv 1904.09751)."""
    ordered, order = probs.sort(dim=-1, descending=True, stable=True)
    before = ordered.cumsum(-1) - ordered
    return torch.zeros_like(probs).scatter_(-1, order, ordered.masked_fill(before >= top_p, 0.0))


class _Keys(NamedTuple):
    """What `SlotCache.update` hands to `slot_attention` in place of a key (or value) tensor."""

    prefix: Tensor | None  # (H, P, D), the same for all rows
    own: Tensor  # (B, H, L, D)
    mask: Tensor  # added to scores over `own`: broadcasts to (B, 1, 1, T, L)


_Entry = tuple[int | None, _Row]  # a row, and the slot that holds its beginning


@dataclass(eq=False)
class _Part:
    """Rows that one thread decodes: active rows hold the first slots. What a finished row leaves in its slot serves the next call."""

    prefix: list[int]
    cache: SlotCache
    slots: list[_Row | None]

    def serves(self, rows: list[_Row], longest: int) -> bool:
        """Do all the rows begin with the prefix, and fit?"""
        return longest - len(self.prefix) <= self.cache.width and all(
            row.prompt[: len(self.prefix)] == self.prefix for row in rows
        )

    def arrange(self, entries: list[_Entry]) -> list[_Row]:
        """The rows that enter, those with a slot first and their slots at the front; within each kind the least work first."""
        entries = sorted(
            entries, key=lambda entry: (entry[0] is None, len(entry[1].prompt) - entry[1].cached)
        )
        taken = [slot for slot, _ in entries if slot is not None]
        if taken:
            order = taken + sorted(set(range(len(self.slots))) - set(taken))
            self.cache.arrange(order)
            self.slots = [self.slots[slot] for slot in order]
        return [row for _, row in entries]

    def leave(self, active: list[_Row]) -> list[_Row]:
        """Let finished rows change places with rows from the end, so that the active ones stay the first slots."""
        staying = sum(row.reason is None for row in active)
        gaps = [i for i in range(staying) if active[i].reason is not None]
        movers = [i for i in range(staying, len(active)) if active[i].reason is None]
        for gap, mover in zip(gaps, movers):
            self.slots[gap], self.slots[mover] = self.slots[mover], self.slots[gap]
        self.cache.swap(gaps, movers)
        return self.slots[:staying]


class SlotCache(Cache):
    """Keys and values of a shared prefix, and of up to `slots` rows of up to `width` own tokens that each write at their own position.

    Before every forward `prefix_pass` or `own_pass` says where it writes and what it may look at.
    """

    def __init__(self, model: PreTrainedModel, slots: int, width: int):
        super().__init__(layers=[])
        self.width, self._slots, self._dtype = width, slots, model.dtype
        self._prefix: dict[int, tuple[Tensor, Tensor]] = {}
        self._own: dict[int, tuple[Tensor, Tensor]] = {}

    @property
    def has_prefix(self) -> bool:
        return bool(self._prefix)

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return 0  # rows differ; positions are always given

    def prefix_pass(self) -> None:
        """The next forward holds the shared prefix, as a batch of one."""
        self._in_prefix = True

    def own_pass(self, at: int, lengths: Tensor, counts: Tensor) -> None:
        """The next forward holds tokens for the slots from `at` on, right-padded: `counts` (R,) new ones behind `lengths` (R,) that are there."""
        self._in_prefix, self._slots_used = False, slice(at, at + len(lengths))
        time, device = torch.arange(int(counts.max()), device=lengths.device), lengths.device
        self._used = int((lengths + counts).max())
        self._row, self._time = (time < counts[:, None]).nonzero(as_tuple=True)
        self._slot, self._column = at + self._row, lengths[self._row] + self._time
        last = (lengths[:, None] + time)[
            :, :, None
        ]  # what a query may see last; a padded one sees its row's garbage, and nobody sees it
        mask = torch.zeros((len(lengths), len(time), self._used), dtype=self._dtype, device=device)
        self._mask = mask.masked_fill_(torch.arange(self._used, device=device) > last, -torch.inf)[
            :, None, None
        ]

    def arrange(self, order: list[int]) -> None:
        """Put the slots into another order."""
        self._own = {
            layer: tuple(buffer[order] for buffer in buffers)
            for layer, buffers in self._own.items()
        }

    def copy(self, sources: list[int], at: int) -> None:
        """Fill the slots from `at` on with what these slots hold."""
        for buffers in self._own.values():
            for buffer in buffers:
                buffer[at : at + len(sources)] = buffer[sources]

    def swap(self, one: list[int], other: list[int]) -> None:
        """Let slots change places, pair by pair."""
        if not one:
            return
        for buffers in self._own.values():
            for buffer in buffers:
                buffer[one + other] = buffer[other + one]

    def update(
        self, key: Tensor, value: Tensor, layer_idx: int, *args, **kwargs
    ) -> tuple[_Keys, _Keys]:
        if self._in_prefix:
            length = key.shape[2]
            mask = torch.full(
                (length, length), -torch.inf, dtype=key.dtype, device=key.device
            ).triu_(1)
            self._prefix[layer_idx] = key[0], value[0]
            return _Keys(None, key, mask), _Keys(None, value, mask)
        if (
            layer_idx not in self._own
        ):  # zeros: a masked value of an unused position must still be finite
            shape = (self._slots, key.shape[1], self.width, key.shape[3])
            self._own[layer_idx] = tuple(
                torch.zeros(shape, dtype=key.dtype, device=key.device) for _ in range(2)
            )
        own = []
        for buffer, new in zip(self._own[layer_idx], (key, value)):
            buffer[self._slot, :, self._column] = new[self._row, :, self._time]
            own.append(buffer[self._slots_used, :, : self._used])
        shared = self._prefix.get(layer_idx, (None, None))
        return _Keys(shared[0], own[0], self._mask), _Keys(shared[1], own[1], self._mask)


def slot_attention(
    module,
    query: Tensor,
    key: _Keys,
    value: _Keys,
    attention_mask=None,
    scaling: float | None = None,
    **_,
) -> tuple[Tensor, None]:
    """Attention over a shared prefix and each row's own keys: query (B, Hq, T, D) -> (B, T, Hq, D).

    The query heads of one key head, and for the prefix all rows too, are laid side by side, so that each product is one matrix
    product a key head (prefix) or a key head and row (own keys), without a copy of any key.
    """
    batch, query_heads, time, size = query.shape
    heads, length = key.own.shape[1:3]
    group = query_heads // heads
    query = (query * (size**-0.5 if scaling is None else scaling)).contiguous()
    scores = torch.bmm(
        query.reshape(batch * heads, group * time, size), key.own.flatten(0, 1).transpose(1, 2)
    ).view(batch, heads, group, time, length)
    scores = scores + key.mask
    if key.prefix is None:
        weights = scores.float().softmax(-1).to(query.dtype)
        out = torch.bmm(weights.view(batch * heads, group * time, length), value.own.flatten(0, 1))
    else:
        known = key.prefix.shape[1]
        together = (
            query.view(batch, heads, group * time, size).transpose(0, 1).reshape(heads, -1, size)
        )
        before = (
            torch.bmm(together, key.prefix.transpose(1, 2))
            .view(heads, batch, group, time, known)
            .transpose(0, 1)
        )
        weights = torch.cat([before, scores], -1).float().softmax(-1).to(query.dtype)
        out = torch.bmm(
            weights[..., known:].reshape(batch * heads, group * time, length),
            value.own.flatten(0, 1),
        )
        seen = torch.bmm(
            weights[..., :known].transpose(0, 1).reshape(heads, -1, known), value.prefix
        )
        out = out.view(batch, heads, -1) + seen.view(heads, batch, -1).transpose(0, 1)
    return out.reshape(batch, query_heads, time, size).transpose(1, 2).contiguous(), None


AttentionInterface.register(
    ATTENTION, slot_attention
)  # no mask function of that name: transformers then builds no masks


@contextlib.contextmanager
def slot_attention_in(model: PreTrainedModel) -> Iterator[None]:
    """Inside, the model attends with `slot_attention`."""
    before = model.config._attn_implementation
    model.set_attn_implementation(ATTENTION)
    try:
        yield
    finally:
        model.set_attn_implementation(before)
