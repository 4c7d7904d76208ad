"""A KV-cached batched sampler for causal language models that keep keys and values only.

It is faster than `generate()` for three reasons. The cache (`fdcore.rollout.slot_cache`) computes a
shared prefix once and pads nothing. A finished row leaves at once, and a waiting prompt takes its
place. On a CPU one thread a core decodes a part of the rows.

Left out on purpose: beam search, penalties, truncated distributions, keys kept from one call to the
next, and models with another kind of cache (`fdcore.rollout.vllm_sampler` serves those).
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel

from fdcore.model import common_prefix, plain_cache, unwrapped, whole
from fdcore.rollout.sampler import Completion, SamplingParams, check_requests
from fdcore.rollout.slot_cache import SlotCache, slot_attention_in

PREFILL_TOKENS = 8192  # padded tokens of one prefill forward
FEWEST_ROWS = 8  # rows worth a thread of their own


class TorchSampler:
    """Samples from a transformers model in this process. Equal inputs give equal completions.

    A row's randomness comes only from its own seed (Philox). What else is in the batch changes a
    completion only where rounding decides a near tie.
    """

    def __init__(self, model: PreTrainedModel, *, max_batch: int = 256):
        """Sample from `model` as it is, at most `max_batch` rows at once.

        Raises:
            ValueError: `max_batch` is below 1, or the model keeps more than keys and values.
        """
        if max_batch < 1:
            raise ValueError(f"TorchSampler: max_batch must be at least 1, got {max_batch}")
        if plain_cache(model) is None or not getattr(model, "_supports_attention_backend", False):
            raise ValueError(
                f"TorchSampler: {type(model).__name__} keeps more than keys and values, or has its "
                "own attention; set sampler.backend: vllm"
            )
        self.model, self.max_batch = unwrapped(model), max_batch

    def update_weights(self, model: torch.nn.Module) -> None:
        """Take over the weights of `model`, where it is not the sampler's own model."""
        if unwrapped(model) is not self.model:
            weights = unwrapped(model).state_dict()
            self.model.load_state_dict({name: whole(weight) for name, weight in weights.items()})

    def close(self) -> None:
        """There is no process to end."""

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        params: Sequence[SamplingParams] | SamplingParams,
        seeds: Sequence[int],
    ) -> list[Completion]:
        """One completion a prompt, in order. One `params` for all or one each; seeds are >= 0."""
        params = check_requests(prompts, params, seeds)
        rows = [
            _Row(list(p), one, seed) for p, one, seed in zip(prompts, params, seeds, strict=True)
        ]
        if not rows:
            return []
        shared = min(common_prefix([row.prompt for row in rows]), min(map(len, prompts)) - 1)
        count = self._count_parts(len(rows))
        width = max(len(row.prompt) + row.params.max_new_tokens for row in rows) - shared
        slots = min(max(1, self.max_batch // count), -(-len(rows) // count))
        by_length = sorted(rows, key=lambda row: len(row.prompt))
        tasks = [
            functools.partial(self._decode, by_length[part::count], shared, slots, width)
            for part in range(count)
        ]
        was_training = self.model.training
        self.model.eval()
        try:
            with slot_attention_in(self.model):
                run_side_by_side(tasks)
        finally:
            self.model.train(was_training)
        return [row.completion() for row in rows]

    def _count_parts(self, rows: int) -> int:
        """On a CPU one core for each part is faster than all cores for one, at this size."""
        if self.model.device.type != "cpu":
            return 1
        return min(torch.get_num_threads(), self.max_batch, max(1, rows // FEWEST_ROWS))

    @torch.inference_mode()
    def _decode(self, rows: list[_Row], shared: int, slots: int, width: int) -> None:
        """Prefill as slots come free, sample one token a step for active rows, drop finished ones.

        Args:
            rows: to be decoded, in this order; all begin with the same `shared` tokens.
            slots: rows that are decoded at once.
            width: most tokens of a row behind the shared ones.
        """
        cache, device = SlotCache(self.model, slots, width), self.model.device
        if shared:
            cache.begin_prefix()
            self.model.base_model(
                input_ids=torch.tensor([rows[0].prompt[:shared]], device=device),
                position_ids=torch.arange(shared, device=device)[None],
                past_key_values=cache,
                use_cache=True,
            )
        waiting, active = rows[::-1], []  # waiting is popped from its end
        while waiting or active:
            free = slots - len(active)
            # few large prefills are faster than many small ones
            if waiting and (free >= max(1, slots // 8) or free >= len(waiting)):
                entering = [waiting.pop() for _ in range(min(free, len(waiting)))]
                for group in _split_by_width(entering, shared):
                    self._prefill(group, len(active), cache, shared)
                    active += group
            else:
                self._step(active, cache, shared)
            active = _drop_finished(active, cache)

    def _prefill(self, group: list[_Row], at: int, cache: SlotCache, shared: int) -> None:
        """Run the rest of the prompts into the slots from `at` on; draw each row's first token."""
        device = self.model.device
        new = [torch.tensor(row.prompt[shared:], device=device) for row in group]
        counts = torch.tensor([len(tokens) for tokens in new], device=device)
        ids = pad_sequence(new, batch_first=True)
        cache.begin_rows(at, torch.zeros_like(counts), counts)
        positions = torch.arange(shared, shared + ids.shape[1], device=device).expand_as(ids)
        states = self.model.base_model(
            input_ids=ids, position_ids=positions, past_key_values=cache, use_cache=True
        ).last_hidden_state
        last = states[torch.arange(len(group), device=device), counts - 1]
        draw(self.model.get_output_embeddings()(last[None])[0], group)

    def _step(self, active: list[_Row], cache: SlotCache, shared: int) -> None:
        device = self.model.device
        ids = torch.tensor([[row.tokens[-1]] for row in active], device=device)
        own = [len(row.prompt) + len(row.tokens) - 1 - shared for row in active]
        lengths = torch.tensor(own, device=device)
        cache.begin_rows(0, lengths, torch.ones_like(lengths))
        logits = self.model(
            input_ids=ids,
            position_ids=(lengths + shared)[:, None],
            past_key_values=cache,
            use_cache=True,
        ).logits[:, 0]
        draw(logits, active)


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
        generator = np.random.Generator(np.random.Philox(self.seed))
        self.uniforms = generator.random(self.params.max_new_tokens).tolist()  # one a token
        self.stops = frozenset(self.params.stop_token_ids)

    def add(self, token: int, logprob: float) -> None:
        self.tokens.append(token)
        self.logprobs.append(logprob)
        if token in self.stops:
            self.reason = "stop"
        elif len(self.tokens) == self.params.max_new_tokens:
            self.reason = "length"

    def completion(self) -> Completion:
        return Completion.model_construct(
            token_ids=tuple(self.tokens), logprobs=tuple(self.logprobs), finish_reason=self.reason
        )


def draw(logits: Tensor, rows: Sequence[_Row]) -> None:
    """Add one token to each row, from (R, V) logits by inverse CDF with its next uniform number.

    The log-prob is at the row's temperature; at temperature 0, which takes the likeliest token, it
    is at 1.
    """
    logits = logits.float()
    temperatures = torch.tensor([row.params.temperature for row in rows], device=logits.device)
    uniforms = torch.tensor(
        [row.uniforms[len(row.tokens)] for row in rows], dtype=torch.float64, device=logits.device
    )[:, None]
    greedy = (temperatures == 0)[:, None]
    if not bool((temperatures == 1).all()):
        logits = logits / torch.where(greedy, 1.0, temperatures[:, None])
    cdf = logits.softmax(-1).cumsum(-1, dtype=torch.float64)
    # right: the first token whose cumulated probability exceeds u, so never one of probability 0
    tokens = torch.searchsorted(cdf, uniforms * cdf[:, -1:], right=True)
    tokens.clamp_max_(logits.shape[-1] - 1)
    if bool(greedy.any()):
        tokens = torch.where(greedy, logits.argmax(-1, keepdim=True), tokens)
    logprobs = logits.gather(-1, tokens)[:, 0] - logits.logsumexp(-1)
    for row, token, logprob in zip(rows, tokens[:, 0].tolist(), logprobs.tolist(), strict=True):
        row.add(token, logprob)


def _drop_finished(active: list[_Row], cache: SlotCache) -> list[_Row]:
    """The rows that go on, moved to the first slots."""
    staying = sum(row.reason is None for row in active)
    gaps = [i for i in range(staying) if active[i].reason is not None]
    movers = [i for i in range(staying, len(active)) if active[i].reason is None]
    for gap, mover in zip(gaps, movers, strict=True):
        active[gap] = active[mover]
    cache.copy_slots(movers, gaps)
    return active[:staying]


def run_side_by_side(tasks: Sequence[Callable[[], None]]) -> None:
    """Run the tasks, as many at once, on one core each, as torch would use cores for one."""
    cores = torch.get_num_threads()
    if min(cores, len(tasks)) <= 1:
        for task in tasks:
            task()
        return
    torch.set_num_threads(1)  # torch keeps one number for all threads
    try:
        list(_threads(cores).map(lambda task: task(), tasks))
    finally:
        torch.set_num_threads(cores)


@functools.cache
def _threads(cores: int) -> ThreadPoolExecutor:
    """Threads that stay: new ones for each call would begin with cold memory."""
    return ThreadPoolExecutor(cores, initializer=lambda: torch.set_num_threads(1))


def _split_by_width(rows: list[_Row], shared: int) -> Iterator[list[_Row]]:
    """Groups of neighbouring rows whose padded prefill has at most PREFILL_TOKENS tokens."""
    while rows:
        widths = list(itertools.accumulate((len(row.prompt) - shared for row in rows), max))
        fits = (
            count for count in range(1, len(rows)) if (count + 1) * widths[count] > PREFILL_TOKENS
        )
        size = next(fits, len(rows))
        yield rows[:size]
        rows = rows[size:]
