"""Samplers and judges on the nodes of a Ray cluster, turned on by `hardware.engines`.

`ray start --head` on one machine and `ray start --address=HOST:6379` on the others, with this
repository and its environment on each; then FD_RAY_ADDRESS=HOST:6379 (or `auto`). What a lost node
was doing is done again elsewhere and comes out the same: a completion depends on its prompt and
seed alone, a verdict on problem and file alone.

Left out on purpose: starting nodes, nodes that join later, engines larger than one GPU, and several
training processes around one set of engines.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase

from fdcore import profile
from fdcore.lean.library import Library, open_library
from fdcore.lean.verifier import RULES, VerdictCache, Verifier
from fdcore.model import merged_weights, unwrapped
from fdcore.records import Problem, Verdict
from fdcore.rollout.sampler import Completion, SamplingParams, check_requests
from fdcore.rollout.torch_sampler import TorchSampler

TRIES = 4  # a job that has cost so many actors their life will cost more
DEPTH = 2  # jobs that wait at an actor: a slow node holds up no other
PASSING = ("timeout", "resource", "crash")  # verdicts that a machine's load may cause: not kept


class Job(NamedTuple):
    """A method call on an actor: on the one of this number, or on whichever has least to do."""

    method: str
    arguments: tuple
    place: int | None = None


class JobLost(RuntimeError):
    """TRIES actors were lost over one job."""


class Actors:
    """Ray actors that work in parallel. A lost one is replaced and its jobs are done again."""

    def __init__(self, address: str | None):
        """Connect to a cluster. ValueError without ray or an address."""
        try:
            import ray
        except ImportError:
            raise ValueError(
                "hardware.engines is set, but ray is not installed; run `pip install ray` on every "
                "node, or set hardware.engines: 0"
            ) from None
        if not address:
            raise ValueError(
                "hardware.engines is set, but FD_RAY_ADDRESS is not; set it to the Ray cluster's "
                "address, or set hardware.engines: 0"
            )
        options = {"ignore_reinit_error": True, "log_to_driver": False, "logging_level": "error"}
        ray.init(address=address, **options)
        self.ray = ray

    def start(self, make: Callable[[Any], Any], strategies: Sequence[Any]) -> None:
        """Start an actor for each scheduling strategy; `make` makes one from a strategy."""
        self.make = make
        self.handles = [make(strategy) for strategy in strategies]

    def run(self, jobs: Sequence[Job]) -> list[Any]:
        """The results in order, JobLost in place of one that cannot be had."""
        results: list[Any] = [None] * len(jobs)
        waiting, running, tries = deque(range(len(jobs))), {}, Counter()
        load = dict.fromkeys(range(len(self.handles)), 0)
        while waiting or running:
            while waiting:
                method, arguments, place = jobs[waiting[0]]
                place = min(load, key=load.get) if place is None else place
                if load[place] == DEPTH:
                    break
                handle = self.handles[place]
                running[getattr(handle, method).remote(*arguments)] = waiting[0], place, handle
                load[place] += 1
                waiting.popleft()
            (done,), _ = self.ray.wait(list(running))
            number, place, handle = running.pop(done)
            load[place] -= 1
            errors = self.ray.exceptions
            try:
                results[number] = self.ray.get(done)
            except (errors.RayActorError, errors.ActorUnschedulableError) as error:
                self._replace(place, handle)
                tries[number] += 1
                if tries[number] < TRIES:
                    waiting.appendleft(number)
                else:
                    reason = str(error).splitlines()[0][:200]
                    results[number] = JobLost(f"{TRIES} Ray actors were lost in turn: {reason}")
        return results

    def _replace(self, place: int, lost: Any) -> None:
        if self.handles[place] is lost:  # else another job at it has told already
            self.ray.kill(lost)
            self.handles[place] = self.make("SPREAD")

    def close(self) -> None:
        for handle in self.handles:
            self.ray.kill(handle)
        self.handles = []


class Engine:
    """What runs in an actor: an empty model of the student's shape, and the sampler over it."""

    def __init__(self, config, tokenizer, backend: str, device: str, settings: dict):
        self.model = AutoModelForCausalLM.from_config(config, dtype=config.dtype).eval()
        if backend == "vllm":
            from fdcore.rollout.vllm_sampler import VLLMSampler

            self.sampler = VLLMSampler(self.model, tokenizer, **settings)
        else:
            self.sampler = TorchSampler(self.model.to(device), **settings)

    def load(self, weights: dict[str, torch.Tensor]) -> None:
        self.model.load_state_dict(weights, strict=False)  # tied weights come once
        self.sampler.update_weights(self.model)

    def generate(self, prompts, params, seeds) -> list[Completion]:
        return self.sampler.generate(prompts, params, seeds)


class RaySampler:
    """A sampler over several engines, each on a GPU (or CPU) of its own."""

    def __init__(
        self,
        address: str | None,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase | None,
        *,
        engines: int,
        backend: str,
        device: str,
        **settings,
    ):
        """Start the engines; `settings` are those of the backend's sampler.

        Raises:
            ValueError: no ray, or no address.
            ConnectionError: the cluster has fewer GPUs (or CPUs) than `engines`.
        """
        self.actors, kind = Actors(address), {"cuda": "GPU", "cpu": "CPU"}[device]
        ray = self.actors.ray
        room = int(ray.cluster_resources().get(kind, 0))
        if room < engines:
            raise ConnectionError(
                f"hardware.engines is {engines}, but the Ray cluster at {address} has {room} "
                f"{kind}s; start more nodes, or set hardware.engines: {room}"
            )
        remote = ray.remote(**{f"num_{kind.lower()}s": 1})(Engine)
        arguments = unwrapped(model).config, tokenizer, backend, device, settings

        def make(strategy: Any) -> Any:
            handle = remote.options(scheduling_strategy=strategy).remote(*arguments)
            handle.load.remote(self._weights)  # an actor does its jobs in order
            return handle

        self._put(model)
        self.actors.start(make, ["SPREAD"] * engines)

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        params: Sequence[SamplingParams] | SamplingParams,
        seeds: Sequence[int],
    ) -> list[Completion]:
        """As `TorchSampler.generate`. All turns of an episode go to one engine, by its seed."""
        params, count = check_requests(prompts, params, seeds), len(self.actors.handles)
        rows: dict[int, list[int]] = {}
        for row, seed in enumerate(seeds):
            place = self._places.setdefault(seed // profile.MAX_TURNS, len(self._places) % count)
            rows.setdefault(place, []).append(row)
        jobs = []
        for place, numbers in rows.items():
            parts = ([values[n] for n in numbers] for values in (prompts, params, seeds))
            jobs.append(Job("generate", tuple(parts), place))
        completions: list = [None] * len(prompts)
        for numbers, part in zip(rows.values(), self._run(jobs), strict=True):
            for number, completion in zip(numbers, part, strict=True):
                completions[number] = completion
        return completions

    def update_weights(self, model: torch.nn.Module) -> None:
        """Give every engine the model's weights, adapters merged."""
        self._put(model)
        self._run([Job("load", (self._weights,), n) for n in range(len(self.actors.handles))])

    def close(self) -> None:
        self.actors.close()

    def _put(self, model: torch.nn.Module) -> None:
        weights = {name: weight.cpu() for name, weight in merged_weights(model)}
        self._weights = self.actors.ray.put(weights)
        self._places: dict[int, int] = {}  # episode -> engine

    def _run(self, jobs: list[Job]) -> list[Any]:
        results = self.actors.run(jobs)
        for result in results:
            if isinstance(result, JobLost):
                raise result
        return results


class NodeVerifier(Verifier):
    """What runs in an actor: a verifier over the library of this name as its node has it."""

    def __init__(self, library: str, settings: profile.Lean, workers: int):
        super().__init__(open_library(library), settings, workers=workers, cache_dir=None)


class RayVerifier:
    """Judges as `Verifier` does, on every node that has CPUs; the cache is on this machine."""

    def __init__(
        self,
        address: str | None,
        library: Library,
        settings: profile.Lean,
        *,
        workers: int,
        cache_dir: Path | None,
    ):
        """Start an actor with `workers` on each node. Raises as RaySampler."""
        self.actors, self._part = Actors(address), max(16, 2 * workers)
        limits = settings.model_dump(mode="json", exclude={"workers", "library"})
        self._cache = VerdictCache(cache_dir, [RULES, library.identity, limits])
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        ray = self.actors.ray
        alive = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
        if not alive:
            raise ConnectionError(f"the Ray cluster at {address} has no node with CPUs; start one")
        remote = ray.remote(max_concurrency=DEPTH, num_cpus=0)(NodeVerifier)
        arguments = library.name, settings, workers
        self.actors.start(
            lambda strategy: remote.options(scheduling_strategy=strategy).remote(*arguments),
            [NodeAffinitySchedulingStrategy(node["NodeID"], soft=False) for node in alive],
        )

    def check_many(self, pairs: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        """As `Verifier.check_many`."""
        keys = [self._cache.key(problem, source) for problem, source in pairs]
        verdicts = {key: self._cache.read(key) for key in dict.fromkeys(keys)}
        todo = [(k, p) for k, p in dict(zip(keys, pairs, strict=True)).items() if not verdicts[k]]
        parts = [todo[start : start + self._part] for start in range(0, len(todo), self._part)]
        jobs = [Job("check_many", ([pair for _, pair in part],)) for part in parts]
        for part, results in zip(parts, self.actors.run(jobs), strict=True):
            if isinstance(results, JobLost):
                results = [Verdict(status="crash", detail=str(results))] * len(part)
            for (key, _), verdict in zip(part, results, strict=True):
                verdicts[key] = verdict
                if verdict.status not in PASSING:
                    self._cache.write(key, verdict)
        return [verdicts[key] for key in keys]

    def close(self) -> None:
        """End the actors and every Lean process of theirs."""
        if ends := [handle.close.remote() for handle in self.actors.handles]:
            self.actors.ray.wait(ends, num_returns=len(ends), timeout=10)
        self.actors.close()
