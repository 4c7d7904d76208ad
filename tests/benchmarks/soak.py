"""Thousands of mixed requests in random order: every one answered, none wrong, no process or file left, memory flat.

    .venv/bin/python -m tests.benchmarks.soak [--requests 20000] [--workers 2]

Valid proofs, wrong ones, attacks, endless and memory-hungry ones, processes killed in the middle, and bytes that are no text.
"""

from __future__ import annotations

import argparse
import random
import threading
import time

import psutil

from fdcore.lean.library import core_library
from fdcore.lean.verifier import Verifier
from fdcore.records import Problem
from tests.attacks import COMM, FALSE, FAMILIES, HEADER, HONEST, SETTINGS

SOAKED = SETTINGS.model_copy(update={"timeout_seconds": 3, "memory_mb": 512})
RARE = {  # each costs seconds, so there are few
    "hanging": COMM + "\n  repeat (have h : 0 = 0 := rfl)",
    "crashing": COMM + "\n  exact " + "(" * 10_000 + "rfl" + ")" * 10_000,
    "memory-hungry": COMM
    + "\n  have h : 0 = 0 := rfl\n  iterate 100000 (have h2 := And.intro h h; have h := h2)\n  exact foo",
}


def requests(count: int, seed: int, rare: float = 0.002):
    """(file, statement, verdicts that are right) in random order; no two files are equal."""
    rng = random.Random(seed)
    attacks = [
        each
        for family in FAMILIES.values()
        for each in family.attacks.values()
        if len(each[1]) < 2000
    ]
    for number in range(count):
        note, kind = f"\n-- {number}", rng.random()
        if kind < rare:
            yield (
                rng.choice(list(RARE.values())) + note,
                COMM,
                {"failed", "timeout", "resource", "crash"},
            )  # which of them, the machine's load decides
        elif kind < 0.35:
            yield (
                rng.choice([HONEST, *(family.honest for family in FAMILIES.values())]) + note,
                COMM,
                {"verified"},
            )
        elif kind < 0.65:
            yield (
                COMM + f"\n  {rng.choice(['exact', 'rw', 'simp', 'apply'])} lemma_{number}" + note,
                COMM,
                {"failed"},
            )
        elif kind < 0.85:
            status, source = rng.choice(attacks)
            yield (
                source + (note if "\x00" not in source else ""),
                COMM if "b = b + a" in source else FALSE,
                {status, "forbidden", "timeout", "resource"},
            )
        else:
            junk = bytes(rng.randrange(256) for _ in range(rng.randrange(200))).decode(
                "utf-8", "surrogateescape"
            )
            yield COMM + junk + note, COMM, {"failed", "forbidden", "sorry"}


def kill_one(before: set[int], rng: random.Random, killed: list[int]) -> None:
    """Kill one of the verifier's processes, whatever it is doing."""
    try:
        victim = rng.choice(
            [p for p in psutil.Process().children(recursive=True) if p.pid not in before]
        )
        killed.append(victim.pid)
        victim.kill()
    except (IndexError, psutil.NoSuchProcess):
        pass


def soak(count: int, workers: int, seed: int = 0, kill: float = 0.001, every: int = 500) -> dict:
    """What happened. Raises AssertionError at the first wrong verdict. A fresh process that is killed is that file's crash: one a kill."""
    rng, before = (
        random.Random(seed + 1),
        {p.pid for p in psutil.Process().children(recursive=True)},
    )
    seconds, memory, longest, kinds, killed, crashed = time.perf_counter(), [], 0.0, {}, [], 0
    with Verifier(core_library(), SOAKED, workers=workers, cache_dir=None) as verifier:
        waiting = list(requests(count, seed))
        for start in range(0, count, every):
            part = [
                (Problem(id="p", header=HEADER, statement=statement, split="train"), source, right)
                for source, statement, right in waiting[start : start + every]
            ]
            if rng.random() < kill * every:
                threading.Timer(rng.random(), kill_one, [before, rng, killed]).start()
            for verdict, (_, source, right) in zip(
                verifier.check_many([(problem, source) for problem, source, _ in part]), part
            ):
                if verdict.status == "crash" and "crash" not in right:
                    crashed += 1
                    right = {"crash"} if crashed <= len(killed) else right
                assert verdict.status in right, (verdict, right, source)
                kinds[verdict.status] = kinds.get(verdict.status, 0) + 1
                longest = max(longest, verdict.seconds)
            memory.append(
                sum(
                    p.memory_full_info().pss
                    for p in [psutil.Process(), *psutil.Process().children(recursive=True)]
                )
                / 2**20
            )
        scratch = verifier._scratch
    left = {p.pid for p in psutil.Process().children(recursive=True)} - before
    assert not left and not scratch.exists(), (left, scratch)
    return {
        "requests": count,
        "seconds": round(time.perf_counter() - seconds, 1),
        "longest": longest,
        "memory_mb": [round(m) for m in memory],
        "verdicts": kinds,
        "killed": len(killed),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    found = soak(arguments.requests, arguments.workers)
    memory = found.pop("memory_mb")
    print(found)
    print(
        f"memory of all processes, MB: first {memory[0]}, median {sorted(memory)[len(memory) // 2]}, last {memory[-1]}"
    )
