"""Engines of their own: samplers as Ray actors, on GPUs and nodes that the trainer does not use. The same interface as every sampler.

The cluster is the verifier's (`fdcore.cluster`), at FD_RAY_ADDRESS. Nothing needs a shared file system: an engine gets the model's config,
the tokenizer and the weights through Ray's object store, once for all engines of a node. A lost engine is replaced, on another node if
need be, gets the newest weights, and its prompts are sampled again: seeds come with the prompts. With `training.staleness: 1` they
sample while the trainer learns.
Left out on purpose: tensor parallelism (an engine has one GPU, or none), and weights from GPU to GPU: they go through the host's memory.
"""
from __future__ import annotations

import os
import tempfile
from collections import deque
from pathlib import Path
from typing import Sequence

import torch

from fdcore.model import merged_weights, unwrapped
from fdcore.sampling import Completion, SamplingParams, TorchSampler

TRIES = 4  # prompts that have cost so many engines their life are at fault themselves


class EnginesLost(RuntimeError):
    """Engines are lost again and again; the message says over what."""


class Engine:
    """One engine, in a process of its own: `start` from a model's and a tokenizer's files, without weights; then as any sampler."""

    def __init__(self, files: dict[str, bytes], backend: str, dtype: str, settings: dict):
        from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

        with tempfile.TemporaryDirectory() as folder:
            for name, content in files.items():
                Path(folder, name).write_bytes(content)
            tokenizer, config = AutoTokenizer.from_pretrained(folder), AutoConfig.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_config(config, dtype=getattr(torch, dtype)).eval()
        self.model.tie_weights()
        if backend == "vllm":
            from fdcore.sampling_vllm import VLLMSampler

            self.sampler = VLLMSampler(self.model, tokenizer, **settings)
        else:
            device = "cuda" if torch.cuda.is_available() else "cpu"
            self.sampler = TorchSampler(self.model.to(device), tokenizer, max_batch=settings["max_batch"])

    def load(self, weights: dict[str, torch.Tensor]) -> None:
        with torch.no_grad():
            for name, weight in self.model.named_parameters():
                weight.copy_(weights[name])
        self.sampler.update_weights(self.model)

    def generate(self, prompts: list, params: list, seeds: list) -> list[Completion]:
        return self.sampler.generate(prompts, params, seeds)


class RayEngines:
    """`count` engines on the cluster at `address`, each on a GPU of its own where the cluster has any. `settings`: the sampler's own.

    Raises ValueError without ray, ConnectionError where the cluster has no room for them.
    """

    def __init__(self, address: str, model, tokenizer, *, count: int, backend: str, dtype: str, settings: dict):
        _, room, kind = cluster_room(address)
        if room < count:
            raise ConnectionError(f"sampler.engines is {count}, the Ray cluster at {address} has {room} {kind}; add nodes (`ray start --address=...`), or lower it")
        import ray

        gpus = int(kind == "GPUs")
        self._ray, self._weights = ray, None
        remote, files = ray.remote(num_gpus=gpus, num_cpus=0 if gpus else 1)(Engine), ray.put(_files(model, tokenizer))
        self._start = lambda: remote.options(scheduling_strategy="SPREAD").remote(files, backend, dtype, settings)
        self._engines = [self._start() for _ in range(count)]

    def update_weights(self, model: torch.nn.Module) -> None:
        """Hand the weights to all engines. An engine that is lost gets them with its place."""
        self._weights = self._ray.put({name: weight.cpu() for name, weight in merged_weights(model)})
        self._ray.wait([engine.load.remote(self._weights) for engine in self._engines], num_returns=len(self._engines))

    def generate(self, prompts: Sequence[Sequence[int]], params: Sequence[SamplingParams] | SamplingParams, seeds: Sequence[int]) -> list[Completion]:
        """One completion a prompt, in order: each engine has every n-th."""
        params = [params] * len(prompts) if isinstance(params, SamplingParams) else list(params)
        if not len(prompts) == len(params) == len(seeds):
            raise ValueError(f"generate: {len(prompts)} prompts, {len(params)} sampling parameters and {len(seeds)} seeds; the numbers must agree")
        rows = list(zip(map(list, prompts), params, seeds))
        parts = deque((place, 0, range(place, len(rows), len(self._engines))) for place in range(len(self._engines)))
        found: list[Completion | None] = [None] * len(rows)
        running = {}
        while parts or running:
            while parts:
                place, lost, part = parts.popleft()
                if part:
                    running[self._engines[place].generate.remote(*map(list, zip(*(rows[i] for i in part))))] = place, lost, part
            for done in self._ray.wait(list(running))[0] if running else ():
                place, lost, part = running.pop(done)
                try:
                    for i, completion in zip(part, self._ray.get(done)):
                        found[i] = completion
                except self._ray.exceptions.RayActorError as error:
                    if lost + 1 == TRIES:
                        raise EnginesLost(f"{TRIES} engines were lost over the same {len(part)} prompts ({str(error).splitlines()[0][:200]}); run the same command again to go on") from None
                    self._ray.kill(self._engines[place])
                    self._engines[place] = self._start()
                    self._engines[place].load.remote(self._weights)  # before what is asked next: an actor's calls keep their order
                    parts.append((place, lost + 1, part))
        return found

    def rest(self) -> None:
        """The memory is the engines' own."""

    def close(self) -> None:
        for engine in self._engines:
            self._ray.kill(engine)
        self._engines = []


def _files(model, tokenizer) -> dict[str, bytes]:
    """The config's and the tokenizer's files."""
    with tempfile.TemporaryDirectory() as folder:
        config = unwrapped(model).config
        config.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def cluster_room(address: str) -> tuple[int, int, str]:
    """(nodes, how many engines there is room for, of what) of the Ray cluster there. ValueError without ray, ConnectionError without a cluster."""
    try:
        import ray
    except ImportError:
        raise ValueError("ray is not installed; run `pip install ray` on every node, or unset FD_RAY_ADDRESS and sampler.engines") from None
    ray.init(address=address, ignore_reinit_error=True, log_to_driver=False, logging_level="error")
    there = ray.cluster_resources()
    kind = "GPU" if there.get("GPU") else "CPU"
    return sum(node["Alive"] for node in ray.nodes()), int(there.get(kind, 0)), {"GPU": "GPUs", "CPU": "CPU cores"}[kind]


def ray_address() -> str:
    """Of the cluster. ValueError where none is named."""
    address = os.environ.get("FD_RAY_ADDRESS")
    if not address:
        raise ValueError("sampler.engines is set, but FD_RAY_ADDRESS names no Ray cluster; run `ray start --head` and set it to HOST:6379, or unset sampler.engines")
    return address
