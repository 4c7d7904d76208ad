"""Thousands of mixed requests in random order: all answered, none wrong, nothing left, memory flat.

    python -m tests.benchmarks.soak [--requests 20000] [--workers 2]

Valid proofs, wrong ones, attacks, endless and memory-hungry ones, processes killed in the middle,
and bytes that are no text.
"""

from __future__ import annotations

import argparse
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import psutil

from fdcore.lean.library import core_library
from fdcore.lean.verifier import Verifier
from fdcore.records import Problem
from tests.attacks import COMM, FALSE, FAMILIES, HEADER, HONEST, SETTINGS

SOAKED = SETTINGS.model_copy(update={"timeout_seconds": 3, "memory_mb": 512})
HUNGRY = "iterate 100000 (have h2 := And.intro h h; have h := h2)"
RARE = {  # each costs seconds, so there are few
    "endless": COMM + "\n  repeat (have h : 0 = 0 := rfl)",
    "deep": COMM + "\n  exact " + "(" * 10_000 + "rfl" + ")" * 10_000,
    "memory-hungry": f"{COMM}\n  have h : 0 = 0 := rfl\n  {HUNGRY}\n  exact foo",
}
LOAD = {"failed", "timeout", "resource", "crash"}  # which of them, the machine's load decides


class Request(NamedTuple):
    problem: Problem
    source: str
    right: set[str]  # verdicts that are right


def make_request(number: int, rng: random.Random, rare: float) -> Request:
    """One request; no two sources are equal."""
    note, kind = f"\n-- {number}", rng.random()
    statement = COMM
    if kind < rare:
        source, right = rng.choice(list(RARE.values())), LOAD
    elif kind < 0.35:
        source = rng.choice([HONEST, *(family.honest for family in FAMILIES.values())])
        right = {"verified"}
    elif kind < 0.65:
        tactic = rng.choice(["exact", "rw", "simp", "apply"])
        source, right = f"{COMM}\n  {tactic} lemma_{number}", {"failed"}
    elif kind < 0.85:
        attacks = [a for family in FAMILIES.values() for a in family.attacks.values()]
        status, source = rng.choice([attack for attack in attacks if len(attack[1]) < 2000])
        statement = COMM if "b = b + a" in source else FALSE
        right = {status, "forbidden", "timeout", "resource"}
    else:
        junk = bytes(rng.randrange(256) for _ in range(rng.randrange(200)))
        source = COMM + junk.decode("utf-8", "surrogateescape")
        right = {"failed", "forbidden", "sorry"}
    problem = Problem(id="p", header=HEADER, statement=statement, split="train")
    return Request(problem, source + note, right)


def children() -> Iterator[psutil.Process]:
    yield from psutil.Process().children(recursive=True)


def kill_one(before: set[int], rng: random.Random, killed: list[int]) -> None:
    """Kill one of the verifier's processes, whatever it is doing."""
    try:
        victim = rng.choice([process for process in children() if process.pid not in before])
        killed.append(victim.pid)
        victim.kill()
    except (IndexError, psutil.NoSuchProcess):
        pass


def soak(count: int, workers: int, seed: int = 0, kill: float = 0.001, every: int = 500) -> dict:
    """What happened. Raises AssertionError at the first wrong verdict.

    A process that is killed may cost the file that it works on its verdict: one a kill.
    """
    rng, before = random.Random(seed + 1), {process.pid for process in children()}
    started, memory, kinds, longest = time.perf_counter(), [], Counter(), 0.0
    killed: list[int] = []
    requests = [make_request(number, rng, 0.002) for number in range(count)]
    with Verifier(core_library(), SOAKED, workers=workers, cache_dir=None) as verifier:
        for start in range(0, count, every):
            if rng.random() < kill * every:
                threading.Timer(rng.random(), kill_one, [before, rng, killed]).start()
            part = requests[start : start + every]
            verdicts = verifier.check_many([(each.problem, each.source) for each in part])
            for verdict, request in zip(verdicts, part, strict=True):
                is_lost = verdict.status == "crash" and kinds["crash"] < len(killed)
                assert is_lost or verdict.status in request.right, (verdict, request)
                kinds[verdict.status] += 1
                longest = max(longest, verdict.seconds)
            processes = [psutil.Process(), *children()]
            memory.append(sum(p.memory_full_info().pss for p in processes) / 2**20)
        scratch = verifier._scratch
    left = {process.pid for process in children()} - before
    assert not left and not scratch.exists(), (left, scratch)
    return {
        "requests": count,
        "seconds": round(time.perf_counter() - started, 1),
        "longest": longest,
        "verdicts": dict(kinds),
        "killed": len(killed),
        "memory, MB": [round(m) for m in memory],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    for what, value in soak(options.requests, options.workers).items():
        print(f"{what:12} {value}")
