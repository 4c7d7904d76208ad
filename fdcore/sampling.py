"""Sampling: many prompts in, one completion each out, with the log-probs of what was drawn.

`TorchSampler` is a KV-cached batched sampler for causal language models that keep keys and values only. What makes it faster than
`generate()`: the prefix that all prompts share is computed once and attended to with one matrix product for the whole batch; every row
writes at its own position, so nothing is padded to the longest prompt; a finished row leaves the batch at once and a waiting prompt
takes its place; masks are built once a step and not once a layer.

Left out on purpose: beam search, penalties, and models with another kind of cache (`fdcore.sampling_vllm` serves those).
"""
from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Iterator, Literal, NamedTuple, Protocol, Sequence

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import AttentionInterface, PreTrainedModel, PreTrainedTokenizerBase
from transformers.cache_utils import Cache

from fdcore.policy import common_prefix, head_at, plain_cache
from fdcore.records import Record

ATTENTION = "fdcore_slots"  # the name under which transformers knows `slot_attention`
PREFILL_TOKENS = 8192  # padded tokens of one prefill forward


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
        self, prompts: Sequence[Sequence[int]], params: Sequence[SamplingParams] | SamplingParams, seeds: Sequence[int]
    ) -> list[Completion]: ...

    def update_weights(self, model: torch.nn.Module) -> None: ...


class TorchSampler:
    """Samples from a transformers model in this process. The same inputs give the same completions.

    A row's randomness comes only from its own seed (Philox), so what else is in the batch changes a completion only where
    rounding decides a near tie. At most `max_batch` rows are decoded at once. With `dtype` None the model is used as it is, and new
    weights are seen at once; another dtype keeps a copy that `update_weights` refreshes.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase | None = None, *, max_batch: int = 256, dtype: torch.dtype | None = None):
        if max_batch < 1:
            raise ValueError(f"TorchSampler: max_batch must be at least 1, got {max_batch}")
        if plain_cache(model) is None or not getattr(model, "_supports_attention_backend", False):
            raise ValueError(f"TorchSampler: {type(model).__name__} keeps more than keys and values, or has its own attention; set sampler.backend: vllm")
        self.tokenizer, self.max_batch = tokenizer, max_batch
        self._copied = dtype is not None and dtype != model.dtype
        if self._copied:
            copy = type(model)(model.config).to(device=model.device, dtype=dtype)
            copy.load_state_dict(model.state_dict())
            model = copy
        self.model = model

    def update_weights(self, model: torch.nn.Module) -> None:
        """Take over the weights of `model`; nothing to do when it is the very model that this sampler uses."""
        if model is not self.model:
            self.model.load_state_dict(model.state_dict())

    @torch.inference_mode()
    def generate(
        self, prompts: Sequence[Sequence[int]], params: Sequence[SamplingParams] | SamplingParams, seeds: Sequence[int]
    ) -> list[Completion]:
        """One completion a prompt, in order. prompts: lists of token ids; one `params` for all or one each; one seed >= 0 each.

        ValueError: an empty prompt, lists of unequal length, or stop strings without a tokenizer.
        """
        rows = self._rows(prompts, params, seeds)
        if not rows:
            return []
        was_training = self.model.training
        self.model.eval()
        try:
            with slot_attention_in(self.model):
                self._run(rows, list(prompts[0]), min(common_prefix([list(p) for p in prompts]), min(map(len, prompts)) - 1))
        finally:
            self.model.train(was_training)
        return [row.completion() for row in rows]

    def _rows(self, prompts, params, seeds) -> list[_Row]:
        params = [params] * len(prompts) if isinstance(params, SamplingParams) else list(params)
        if not len(prompts) == len(params) == len(seeds):
            raise ValueError(f"generate: {len(prompts)} prompts, {len(params)} sampling parameters and {len(seeds)} seeds; the numbers must agree")
        for index, (prompt, wanted) in enumerate(zip(prompts, params)):
            if not len(prompt):
                raise ValueError(f"generate: prompt {index} is empty; give at least one token")
            if wanted.stop and self.tokenizer is None:
                raise ValueError("generate: stop strings need a tokenizer; give one to TorchSampler, or use stop_token_ids")
        return [_Row(list(prompt), wanted, seed) for prompt, wanted, seed in zip(prompts, params, seeds)]

    def _run(self, rows: list[_Row], first: list[int], shared: int) -> None:
        """Decode all rows: prefill as slots come free, one token a step for the active ones, leave when done."""
        width = max(len(row.prompt) + row.params.max_new_tokens for row in rows) - shared
        slots = min(self.max_batch, len(rows))
        cache = SlotCache(self.model, slots, width)
        device = self.model.device
        if shared:
            cache.prefix_pass()
            self.model.base_model(
                input_ids=torch.tensor([first[:shared]], device=device), position_ids=torch.arange(shared, device=device)[None], past_key_values=cache, use_cache=True
            )
        waiting, active = rows[::-1], []  # waiting is popped from its end: first come, first served
        while waiting or active:
            free = slots - len(active)
            if waiting and (free >= max(1, slots // 8) or free >= len(waiting)):  # few large prefills, not many small ones
                entering = [waiting.pop() for _ in range(min(free, len(waiting)))]
                drawn = self._prefill(entering, len(active), cache, shared)
                active += entering
            else:
                entering = active
                ids = torch.tensor([[row.tokens[-1]] for row in active], device=device)
                lengths = torch.tensor([len(row.prompt) + len(row.tokens) - 1 - shared for row in active], device=device)
                cache.decode_pass(lengths)
                logits = self.model(input_ids=ids, position_ids=(lengths + shared)[:, None], past_key_values=cache, use_cache=True).logits[:, 0]
                drawn = draw(logits, active)
            for row, token, logprob in zip(entering, *drawn):
                row.add(token, logprob, self.tokenizer)
            active = self._leave(active, cache)

    def _prefill(self, entering: list[_Row], at: int, cache: SlotCache, shared: int) -> tuple[list[int], list[float]]:
        """Run the prompts' own parts into the slots from `at` on, shortest first to waste little padding, and draw the first token of each."""
        entering.sort(key=lambda row: len(row.prompt))
        tokens, logprobs, device = [], [], self.model.device
        while len(tokens) < len(entering):
            part = entering[len(tokens) :]
            fits = next((n for n in range(1, len(part)) if (n + 1) * (len(part[n].prompt) - shared) > PREFILL_TOKENS), len(part))
            part = part[:fits]
            own = [torch.tensor(row.prompt[shared:], device=device) for row in part]
            ids = pad_sequence(own, batch_first=True)
            positions = torch.arange(shared, shared + ids.shape[1], device=device).expand(len(part), -1)
            cache.prompt_pass(at + len(tokens), ids.shape[1])
            last = torch.tensor([len(o) - 1 for o in own], device=device)
            with head_at(self.model, torch.arange(len(part), device=device), last):
                logits = self.model(input_ids=ids, position_ids=positions, past_key_values=cache, use_cache=True).logits[0]
            drawn = draw(logits, part)
            tokens += drawn[0]
            logprobs += drawn[1]
        return tokens, logprobs

    @staticmethod
    def _leave(active: list[_Row], cache: SlotCache) -> list[_Row]:
        """Close the gaps of finished rows with rows from the end, so that the active rows stay the first slots."""
        staying = sum(row.reason is None for row in active)
        if staying == len(active):
            return active
        gaps = [i for i in range(staying) if active[i].reason is not None]
        movers = [i for i in range(staying, len(active)) if active[i].reason is None]
        for gap, mover in zip(gaps, movers):
            active[gap] = active[mover]
        cache.move(movers, gaps)
        return active[:staying]


@dataclass(eq=False)
class _Row:
    """One prompt under way."""

    prompt: list[int]
    params: SamplingParams
    seed: int
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    reason: Literal["stop", "length"] | None = None

    def __post_init__(self):
        self.uniforms = np.random.Generator(np.random.Philox(self.seed)).random(self.params.max_new_tokens).tolist()  # one a token, in [0, 1)
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
        return Completion.model_construct(token_ids=tuple(self.tokens), logprobs=tuple(self.logprobs), finish_reason=self.reason)


def draw(logits: Tensor, rows: Sequence[_Row]) -> tuple[list[int], list[float]]:
    """One token a row from (R, V) logits by inverse CDF with the row's next uniform number, and its log-prob at temperature 1."""
    logits = logits.float()
    temperature = torch.tensor([row.params.temperature for row in rows], device=logits.device)[:, None]
    uniforms = torch.tensor([row.uniforms[len(row.tokens)] for row in rows], dtype=torch.float64, device=logits.device)[:, None]
    greedy = temperature == 0
    scaled = logits if bool((temperature == 1).all()) else logits / torch.where(greedy, 1.0, temperature)
    probs = scaled.softmax(-1)
    if any(row.params.top_p < 1 for row in rows):
        probs = _nucleus(probs, torch.tensor([row.params.top_p for row in rows], device=logits.device)[:, None])
    cdf = probs.cumsum(-1, dtype=torch.float64)
    # right: the first token whose cumulated probability exceeds u, so never one of probability 0
    tokens = torch.searchsorted(cdf, uniforms * cdf[:, -1:], right=True).clamp_max_(logits.shape[-1] - 1)
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


class SlotCache(Cache):
    """Keys and values of a shared prefix, and of up to `slots` rows that each write at their own position.

    Before every forward one of the `*_pass` methods says where it writes and what it may look at.
    """

    def __init__(self, model: PreTrainedModel, slots: int, width: int):
        super().__init__(layers=[])
        self._slots, self._width, self._dtype = slots, width, model.dtype
        self._used = 0  # no row has more own tokens than this
        self._prefix: dict[int, tuple[Tensor, Tensor]] = {}
        self._own: dict[int, tuple[Tensor, Tensor]] = {}

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return 0  # rows differ; positions are always given

    def prefix_pass(self) -> None:
        """The next forward holds the shared prefix, as a batch of one."""
        self._kind = "prefix"

    def prompt_pass(self, at: int, length: int) -> None:
        """The next forward holds prompts, right-padded to `length`, for the slots from `at` on."""
        self._kind, self._at, self._used = "prompt", at, max(self._used, length)

    def decode_pass(self, lengths: Tensor) -> None:
        """The next forward holds one token for each of the first slots; `lengths` (R,) of their own tokens are already there."""
        self._kind, self._rows, self._lengths = "decode", torch.arange(len(lengths), device=lengths.device), lengths
        self._used = int(lengths.max()) + 1
        seen = torch.arange(self._used, device=lengths.device) <= lengths[:, None]
        self._mask = torch.zeros(seen.shape, dtype=self._dtype, device=lengths.device).masked_fill_(~seen, -torch.inf)[:, None, None, None]

    def move(self, sources: list[int], targets: list[int]) -> None:
        """Copy slots over others."""
        if not sources:
            return
        for buffers in self._own.values():
            for buffer in buffers:
                buffer[targets, :, : self._used] = buffer[sources, :, : self._used]

    def update(self, key: Tensor, value: Tensor, layer_idx: int, *args, **kwargs) -> tuple[_Keys, _Keys]:
        if self._kind == "decode":
            batch = len(key)
            for buffer, new in zip(self._own[layer_idx], (key, value)):
                buffer[self._rows, :, self._lengths] = new[:, :, 0]
            own = tuple(buffer[:batch, :, : self._used] for buffer in self._own[layer_idx])
            mask = self._mask
        else:
            own, length = (key, value), key.shape[2]
            mask = torch.full((length, length), -torch.inf, dtype=key.dtype, device=key.device).triu_(1)
            if self._kind == "prefix":
                self._prefix[layer_idx] = key[0], value[0]
                return _Keys(None, key, mask), _Keys(None, value, mask)
            if layer_idx not in self._own:  # zeros: a masked value of an unused position must still be finite
                shape = (self._slots, key.shape[1], self._width, key.shape[3])
                self._own[layer_idx] = tuple(torch.zeros(shape, dtype=key.dtype, device=key.device) for _ in range(2))
            for buffer, new in zip(self._own[layer_idx], own):
                buffer[self._at : self._at + len(new), :, :length] = new
        shared = self._prefix.get(layer_idx, (None, None))
        return _Keys(shared[0], own[0], mask), _Keys(shared[1], own[1], mask)


def slot_attention(module, query: Tensor, key: _Keys, value: _Keys, attention_mask=None, scaling: float | None = None, **_) -> tuple[Tensor, None]:
    """Attention over a shared prefix and each row's own keys: query (B, Hq, T, D) -> (B, T, Hq, D).

    The query heads of one key head, and for the prefix all rows too, are laid side by side, so that each product is one matrix
    product a key head (prefix) or a key head and row (own keys), without a copy of any key.
    """
    batch, query_heads, time, size = query.shape
    heads, length = key.own.shape[1:3]
    group = query_heads // heads
    query = (query * (size**-0.5 if scaling is None else scaling)).contiguous()
    scores = torch.bmm(query.reshape(batch * heads, group * time, size), key.own.flatten(0, 1).transpose(1, 2)).view(batch, heads, group, time, length)
    scores = scores + key.mask
    if key.prefix is None:
        weights = scores.float().softmax(-1).to(query.dtype)
        out = torch.bmm(weights.view(batch * heads, group * time, length), value.own.flatten(0, 1))
    else:
        known = key.prefix.shape[1]
        side_by_side = query.view(batch, heads, group * time, size).transpose(0, 1).reshape(heads, -1, size)
        before = torch.bmm(side_by_side, key.prefix.transpose(1, 2)).view(heads, batch, group, time, known).transpose(0, 1)
        weights = torch.cat([before, scores], -1).float().softmax(-1).to(query.dtype)
        out = torch.bmm(weights[..., known:].reshape(batch * heads, group * time, length), value.own.flatten(0, 1))
        seen = torch.bmm(weights[..., :known].transpose(0, 1).reshape(heads, -1, known), value.prefix)
        out = out.view(batch, heads, -1) + seen.view(heads, batch, -1).transpose(0, 1)
    return out.reshape(batch, query_heads, time, size).transpose(1, 2).contiguous(), None


AttentionInterface.register(ATTENTION, slot_attention)  # no mask function of that name: transformers then builds no masks


@contextlib.contextmanager
def slot_attention_in(model: PreTrainedModel) -> Iterator[None]:
    """Inside, the model attends with `slot_attention`."""
    before = model.config._attn_implementation
    model.set_attn_implementation(ATTENTION)
    try:
        yield
    finally:
        model.set_attn_implementation(before)
