"""What an episode needs of a sampler. `torch_sampler`, `vllm_sampler` and `remote` implement it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import torch
from pydantic import Field

from fdcore.records import Record


class SamplingParams(Record):
    """How to sample one completion. Temperature 0 takes the likeliest token."""

    temperature: float = Field(1.0, ge=0)
    max_new_tokens: int = Field(gt=0)
    stop_token_ids: tuple[int, ...] = ()


class Completion(Record):
    """One completion, its stop token included. Log-probs (nats) are at the sampling temperature."""

    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish_reason: Literal["stop", "length"]


class Sampler(Protocol):
    """Draws completions in the order of the prompts, each with its own seed."""

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        params: Sequence[SamplingParams],
        seeds: Sequence[int],
    ) -> list[Completion]: ...

    def update_weights(self, model: torch.nn.Module) -> None:
        """Sample from these weights from now on."""

    def close(self) -> None:
        """End every process and free the memory."""


def check_requests(
    prompts: Sequence[Sequence[int]],
    params: Sequence[SamplingParams] | SamplingParams,
    seeds: Sequence[int],
) -> list[SamplingParams]:
    """The parameters, one a prompt. ValueError for an empty prompt or for unequal lengths."""
    params = [params] * len(prompts) if isinstance(params, SamplingParams) else list(params)
    if not len(prompts) == len(params) == len(seeds):
        raise ValueError(
            f"generate: {len(prompts)} prompts, {len(params)} sampling parameters and "
            f"{len(seeds)} seeds; the numbers must agree"
        )
    for index, prompt in enumerate(prompts):
        if not len(prompt):
            raise ValueError(f"generate: prompt {index} is empty; give at least one token")
    return params
