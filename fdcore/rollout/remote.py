"""Sampling with several engines on a Ray cluster: an actor on each GPU (or CPU), which is a whole sampler with weights of its own.

`hardware.engines` says how many; the cluster at FD_RAY_ADDRESS gives them their places (`fdcore.rollout.remote_verifier` says how to start one). Only weights
go out, once a step, and completions come back. A completion depends on its prompt and seed alone, so it does not matter which engine
draws it, and what an engine was drawing when its node was lost is drawn again by another.

Left out on purpose: engines larger than one GPU, and several training processes around one set of engines.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Literal

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase

from fdcore.model import merged_weights, unwrapped
from fdcore.rollout.torch_sampler import Completion, SamplingParams, TorchSampler

TRIES = 4  # a batch that has cost so many engines their life will cost more


class Engine:
    """What runs in an actor: an empty model of the student's shape, and the sampler that follows it."""

    def __init__(self, config, tokenizer, backend: str, device: str, settings: dict):
        self.model = AutoModelForCausalLM.from_config(config, dtype=config.dtype).eval()
        if backend == "vllm":
            from fdcore.rollout.vllm_sampler import VLLMSampler

            self.sampler = VLLMSampler(self.model, tokenizer, **settings)
        else:
            self.sampler = TorchSampler(self.model.to(device), tokenizer, **settings)

    def load(self, weights: dict[str, torch.Tensor]) -> None:
        unknown = self.model.load_state_dict(weights, strict=False).unexpected_keys
        if unknown:
            raise ValueError(
                f"engine: {len(unknown)} weights are not the model's, first {unknown[0]}"
            )
        self.sampler.update_weights(self.model)

    def generate(self, prompts, params, seeds) -> list[Completion]:
        return self.sampler.generate(prompts, params, seeds)


class RaySampler:
    """A `fdcore.rollout.torch_sampler.Sampler` over `engines` engines of the cluster at `address`; `settings` are those of the backend's sampler."""

    def __init__(
        self,
        address: str | None,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase | None,
        *,
        engines: int,
        backend: Literal["torch", "vllm"],
        device: Literal["cuda", "cpu"],
        **settings,
    ):
        """ValueError without ray or an address, ConnectionError where the cluster has fewer GPUs (or CPUs) than engines are asked for."""
        try:
            import ray
        except ImportError:
            raise ValueError(
                "hardware.engines is set, but ray is not installed; run `pip install ray` on every node, or set hardware.engines: 0"
            ) from None
        if not address:
            raise ValueError(
                "hardware.engines is set, but FD_RAY_ADDRESS is not; set it to the Ray cluster's address, or set hardware.engines: 0"
            )
        self._ray, kind = ray, {"cuda": "GPU", "cpu": "CPU"}[device]
        ray.init(
            address=address, ignore_reinit_error=True, log_to_driver=False, logging_level="error"
        )
        found = int(ray.cluster_resources().get(kind, 0))
        if found < engines:
            raise ConnectionError(
                f"hardware.engines is {engines}, but the Ray cluster at {address} has {found} {kind}s; start more nodes, or set hardware.engines: {found}"
            )
        remote, config = (
            ray.remote(Engine).options(
                scheduling_strategy="SPREAD", **{"num_gpus" if device == "cuda" else "num_cpus": 1}
            ),
            unwrapped(model).config,
        )
        self._start = lambda: remote.remote(config, tokenizer, backend, device, settings)
        self._engines, self._held, self._loaded = [self._start() for _ in range(engines)], {}, None
        self.update_weights(model)

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        params: Sequence[SamplingParams] | SamplingParams,
        seeds: Sequence[int],
    ) -> list[Completion]:
        """As `TorchSampler.generate`. The next turn of an episode goes to the engine that has drawn its last one."""
        params = [params] * len(prompts) if isinstance(params, SamplingParams) else list(params)
        if not len(prompts) == len(params) == len(seeds):
            raise ValueError(
                f"generate: {len(prompts)} prompts, {len(params)} sampling parameters and {len(seeds)} seeds; the numbers must agree"
            )
        dealt = self._deal(prompts)
        found = self._all(
            {
                place: (
                    "generate",
                    [[values[i] for i in rows] for values in (prompts, params, seeds)],
                )
                for place, rows in dealt.items()
            }
        )
        done: list = [None] * len(prompts)
        self._held = {}
        for place, rows in dealt.items():
            for row, completion in zip(rows, found[place]):
                done[row] = completion
                self._held[(*prompts[row], *completion.token_ids)] = place
        return done

    def update_weights(self, model: torch.nn.Module) -> None:
        """Give every engine the model's weights, adapters merged; nothing to do where they have not changed since the last time."""
        loaded = (
            weakref.ref(model),
            sum(parameter._version for parameter in model.parameters()),
        )  # torch counts every change in place
        if loaded == self._loaded:
            return
        self._weights = self._ray.put(
            {name: weight.cpu() for name, weight in merged_weights(model)}
        )
        self._all({place: ("load", [self._weights]) for place in range(len(self._engines))})
        self._loaded = loaded

    def rest(self) -> None:
        """The memory is the engines' own."""

    def close(self) -> None:
        for engine in self._engines:
            self._ray.kill(engine)

    def _deal(self, prompts: Sequence[Sequence[int]]) -> dict[int, list[int]]:
        """Engine -> the rows that it draws: those whose beginning it holds, and of the others so many that all have about as many."""
        lengths = sorted({len(tokens) for tokens in self._held}, reverse=True)
        dealt: dict[int, list[int]] = {place: [] for place in range(len(self._engines))}
        new = []
        for row, prompt in enumerate(prompts):
            place = next(
                (
                    self._held[start]
                    for n in lengths
                    if n <= len(prompt) and (start := tuple(prompt[:n])) in self._held
                ),
                None,
            )
            (new if place is None else dealt[place]).append(row)
        for row in new:
            dealt[min(dealt, key=lambda place: len(dealt[place]))].append(row)
        return {place: rows for place, rows in dealt.items() if rows}

    def _all(self, work: dict[int, tuple[str, list]]) -> dict[int, object]:
        """What the engines answer to (method, arguments), each at its own. A lost one is replaced and asked again."""
        running = {
            getattr(self._engines[place], method).remote(*arguments): (place, 1)
            for place, (method, arguments) in work.items()
        }
        found = {}
        while running:
            (done,), _ = self._ray.wait(list(running))
            place, tries = running.pop(done)
            try:
                found[place] = self._ray.get(done)
            except self._ray.exceptions.RayActorError as error:
                if tries == TRIES:
                    raise RuntimeError(
                        f"{TRIES} engines were lost one after the other: {str(error).splitlines()[0][:200]}"
                    ) from error
                self._engines[place] = self._start()
                self._engines[place].load.remote(
                    self._weights
                )  # an actor does what it is told in order
                method, arguments = work[place]
                running[getattr(self._engines[place], method).remote(*arguments)] = place, tries + 1
        return found
