"""The verifier on several machines: a Ray actor on each node, which is a whole `Verifier`. With no FD_RAY_ADDRESS it stays in this process.

`ray start --head` on one machine, `ray start --address=HOST:6379` on the others, with this repository and its environment on each;
then FD_RAY_ADDRESS=HOST:6379 (or `auto`). A verdict depends on problem and file alone, so a part whose node is lost is judged
again elsewhere and comes out the same. The cache of verdicts is the caller's, on this machine.

Left out on purpose: starting nodes, and using nodes that join later.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from fdcore.lean.library import Library, open_library
from fdcore.lean.verifier import RULES, VerdictCache, Verifier
from fdcore.records import Problem, Verdict

TRIES = 4  # a part that has cost so many actors their life is a crash of its files
PASSING = (
    "timeout",
    "resource",
    "crash",
)  # verdicts that a machine's load may have caused: not kept


def open_verifier(library: Library, **settings) -> Verifier | RayVerifier:
    """A `Verifier(library, **settings)`: on every node of the cluster at FD_RAY_ADDRESS, or in this process where that is not set."""
    address = os.environ.get("FD_RAY_ADDRESS")
    return RayVerifier(address, library, **settings) if address else Verifier(library, **settings)


class NodeVerifier(Verifier):
    """A verifier over the library of this name as the actor's own node has it."""

    def __init__(self, library: str, **settings):
        super().__init__(open_library(library), **settings)


class RayVerifier:
    """Judges as `Verifier` does, on every node of a Ray cluster that has CPUs. A context manager; several threads may use it."""

    def __init__(
        self,
        address: str,
        library: Library,
        *,
        cache_dir: Path | None,
        workers: int,
        **settings,
    ):
        """The Verifier's settings; `workers` is on each node. Raises ValueError without ray, ConnectionError without a cluster."""
        try:
            import ray
            from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
        except ImportError:
            raise ValueError(
                "FD_RAY_ADDRESS is set, but ray is not installed; run `pip install ray` on every node, or unset it"
            ) from None
        self._cache = VerdictCache(
            cache_dir,
            [RULES, library.identity, sorted((key, str(value)) for key, value in settings.items())],
        )
        self._ray, self._part = ray, max(16, 2 * workers)
        ray.init(
            address=address, ignore_reinit_error=True, log_to_driver=False, logging_level="error"
        )
        remote, settings = (
            ray.remote(max_concurrency=2, num_cpus=0)(NodeVerifier),
            settings | {"cache_dir": None, "workers": workers, "library": library.name},
        )
        self._start = lambda where: remote.options(scheduling_strategy=where).remote(**settings)
        nodes = [
            node["NodeID"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")
        ]
        self._actors, self._lock = (
            [self._start(NodeAffinitySchedulingStrategy(node, soft=False)) for node in nodes],
            threading.Lock(),
        )
        if not self._actors:
            raise ConnectionError(
                f"the Ray cluster at {address} has no node with CPUs; run `ray start --address={address}` on one"
            )

    def check(self, problem: Problem, source: str) -> Verdict:
        return self.check_many([(problem, source)])[0]

    def check_many(self, pairs: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        """As `Verifier.check_many`. At most two parts wait at an actor, so that a slow node holds up none of the others."""
        keys = [self._cache.key(problem, source) for problem, source in pairs]
        found = {
            key: known
            for key in dict.fromkeys(keys)
            if (known := self._cache.read(key)) is not None
        }
        todo = [(key, pair) for key, pair in dict(zip(keys, pairs)).items() if key not in found]
        parts = deque(
            (0, todo[start : start + self._part]) for start in range(0, len(todo), self._part)
        )
        free, running = deque([*range(len(self._actors))] * 2), {}
        while parts or running:
            while parts and free:
                place, (lost, part) = free.popleft(), parts.popleft()
                actor = self._actors[place]
                running[actor.check_many.remote([pair for _, pair in part])] = (
                    place,
                    actor,
                    lost,
                    part,
                )
            for done in self._ray.wait(list(running))[0]:
                place, actor, lost, part = running.pop(done)
                free.append(place)
                try:
                    verdicts = self._ray.get(done)
                except (
                    self._ray.exceptions.RayActorError,
                    self._ray.exceptions.ActorUnschedulableError,
                ) as error:
                    self._replace(place, actor)
                    if lost + 1 < TRIES:
                        parts.appendleft((lost + 1, part))
                        continue
                    verdicts = [
                        Verdict(
                            status="crash",
                            detail=f"{TRIES} Ray actors were lost over these files: {str(error).splitlines()[0][:200]}",
                        )
                    ] * len(part)
                for (key, _), verdict in zip(part, verdicts):
                    found[key] = verdict
                    if verdict.status not in PASSING:
                        self._cache.write(key, verdict)
        return [found[key] for key in keys]

    def _replace(self, place: int, lost) -> None:
        """Another actor, on a node that Ray chooses, where none has taken the lost one's place yet."""
        with self._lock:
            if self._actors[place] is lost:
                self._ray.kill(lost)
                self._actors[place] = self._start("SPREAD")

    def close(self) -> None:
        """End the actors and every Lean process of theirs."""
        actors, self._actors = self._actors, []
        if actors:
            self._ray.wait(
                [actor.close.remote() for actor in actors], num_returns=len(actors), timeout=10
            )
        for actor in actors:
            self._ray.kill(actor)

    def __enter__(self) -> RayVerifier:
        return self

    def __exit__(self, *_) -> None:
        self.close()
