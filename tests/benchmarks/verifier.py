"""The verifier against a fresh Lean process for each proof: the same proofs, half of them wrong.

    python -m tests.benchmarks.verifier [--proofs 2000] [--problems 120] [--workers 3] [--rounds 4]

The pool gets each part as training gives it, in one call. A fresh process is what one writes
first: `lean` on the file with the proof and `#print axioms`, `--workers` of them at a time. It
has no sandbox, no limits, and does not compare the statement, so it does less. "One by one" are
`--workers` callers that wait for each answer. The two run in turns, so that a machine that grows
slower spoils both alike; beside other load the ratio of CPU time says more. Every proof is
different, so no cache of verdicts helps; a problem comes back, as in training. Bars: a ratio of
10, p50 of 15 ms one by one, the same verdicts.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from fdcore.lean.library import Library, core_library
from fdcore.lean.source import theorem_name
from fdcore.lean.verifier import Verifier
from fdcore.profile import load_profile
from fdcore.records import Problem
from fdcore.worlds.problems import ROOT, read_problems

SETTINGS = load_profile("tiny").lean
TACTICS = ("rw [{}]", "exact {}", "simp [{}]", "apply {}", "rw [{}, foo]", "induction {}")
Pair = tuple[Problem, str]


def make_pairs(proofs: int, problems: int) -> list[Pair]:
    """Problems and files: reference proofs, and proofs as a poor prover writes them."""
    rng = random.Random(0)
    sets = [read_problems(ROOT / f"{name}.jsonl") for name in ("train", "test", "holdout")]
    solved = rng.sample([p for problems in sets for p in problems if p.proof], problems)
    lemmas = sorted({lemma for problem in solved for lemma in problem.lemmas})
    pairs = []
    for number in range(proofs):
        problem = rng.choice(solved)
        wrong = "\n  " + rng.choice(TACTICS).format(rng.choice(lemmas))
        proof = problem.proof if number % 2 else wrong
        pairs.append((problem, f"{problem.statement}{proof}\n-- {number}\n"))
    rng.shuffle(pairs)
    return pairs


def check_fresh(library: Library, pair: Pair) -> bool:
    """Is the proof right for a Lean process of its own?"""
    problem, source = pair
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "Main.lean"
        name = theorem_name(problem.statement)
        path.write_text(f"{SETTINGS.header}{source}\n#print axioms {name}\n")
        limit = f"-DmaxHeartbeats={SETTINGS.heartbeats}"
        rows, ended = library.toolchain.run(path, limit, path=library.path)
    faults = [row for row in rows if row["severity"] == "error" or "sorry" in row["data"]]
    return ended.returncode == 0 and not faults


def check_apart(check: Callable[[Pair], bool], part: Sequence[Pair], workers: int):
    """(verdicts, seconds of each) of so many callers that wait for each answer."""

    def timed(pair: Pair) -> tuple[bool, float]:
        start = time.perf_counter()
        return check(pair), time.perf_counter() - start

    with ThreadPoolExecutor(workers) as pool:
        rows = list(pool.map(timed, part))
    return [verdict for verdict, _ in rows], sorted(seconds for _, seconds in rows)


def cpu_seconds() -> float:
    """CPU time of this process, of those that have ended under it, and of those that run."""
    running = [process.cpu_times() for process in psutil.Process().children(recursive=True)]
    own = os.times()
    ended = own.user + own.system + own.children_user + own.children_system
    return ended + sum(spent.user + spent.system for spent in running)


def measure(pairs: list[Pair], workers: int, rounds: int) -> dict:
    """Ratios by time and by CPU time, seconds one by one, memory, verdicts that differ."""
    library = core_library()
    differ, spent = 0, {"pool": [0.0, 0.0], "fresh": [0.0, 0.0]}
    with Verifier(library, SETTINGS, workers=workers, cache_dir=None) as verifier:
        ways = {
            "pool": lambda part: [verdict.verified for verdict in verifier.check_many(part)],
            "fresh": lambda part: check_apart(
                lambda pair: check_fresh(library, pair), part, workers
            )[0],
        }
        verifier.check_many([(p, source + "-- start\n") for p, source in pairs[: 4 * workers]])
        for number in range(rounds):
            part, verdicts = pairs[number::rounds], {}
            for name, check in ways.items():
                start, before = time.perf_counter(), cpu_seconds()
                verdicts[name] = check(part)
                spent[name][0] += time.perf_counter() - start
                spent[name][1] += cpu_seconds() - before
            differ += sum(a != b for a, b in zip(*verdicts.values(), strict=True))
        again = [
            (p, source + "-- again\n") for p, source in pairs[: max(workers, len(pairs) // 10)]
        ]
        _, seconds = check_apart(lambda pair: verifier.check(*pair).verified, again, workers)
        memory = sum(p.memory_full_info().pss for p in psutil.Process().children(recursive=True))
    return {
        "proofs a second": round(len(pairs) / spent["pool"][0], 1),
        "ratio": round(spent["fresh"][0] / spent["pool"][0], 1),
        "ratio of CPU time": round(spent["fresh"][1] / spent["pool"][1], 1),
        "p50, ms": round(1e3 * statistics.median(seconds), 1),
        "p99, ms": round(1e3 * seconds[int(0.99 * len(seconds))], 1),
        "MB a worker": round(memory / 2**20 / workers),
        "verdicts that differ": differ,
    }


def main(words: Sequence[str] | None = None) -> dict:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--proofs", type=int, default=2000)
    parser.add_argument("--problems", type=int, default=120)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args(words)
    pairs = make_pairs(options.proofs, options.problems)
    return measure(pairs, options.workers, options.rounds)


if __name__ == "__main__":
    for what, value in main().items():
        print(f"{what:22} {value}")
