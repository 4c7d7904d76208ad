"""The verifier against a fresh Lean process for each proof: the same proofs, half of them wrong, verdict for verdict the same.

    .venv/bin/python -m tests.benchmarks.verifier [--proofs 2000] [--problems 120] [--workers 3] [--rounds 4]

The pool is given each part as training gives it, in one call. A fresh process is what one writes first: `lean` on the file with
the proof and `#print axioms`, `--workers` of them at a time. It does not compare the statement, has no sandbox and no limits, so it
does less. "One by one" are `--workers` callers that wait for each answer. The two run in turns, a part of the proofs each, so that a
machine that grows slower in between spoils both alike; on a machine that does other work too, the ratio of CPU time says more than
that of wall time. Every proof is different, so no cache of verdicts helps; a problem comes back, as it does in training, so that its
statement is elaborated once.
"""

import argparse
import os
import random
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from fdcore.lean.library import core_library
from fdcore.lean.source import theorem_name
from fdcore.lean.verifier import Verifier
from fdcore.profile import load_profile
from fdcore.worlds.problems import ROOT, read_problems

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--proofs", type=int, default=2000)
parser.add_argument("--problems", type=int, default=120)
parser.add_argument("--workers", type=int, default=3)
parser.add_argument("--rounds", type=int, default=4)
arguments = parser.parse_args()

lean, library = load_profile("tiny").lean, core_library()
random_ = random.Random(0)
solved = [
    p
    for name in ("train", "test", "holdout")
    for p in read_problems(ROOT / f"{name}.jsonl")
    if p.proof
]
solved = random_.sample(solved, arguments.problems)
lemmas = sorted({lemma for p in solved for lemma in p.lemmas})


def wrong(problem) -> str:
    """A proof as a poor prover writes it: a lemma from elsewhere, a tactic that does not fit, a word that is no lemma."""
    tactic = random_.choice(
        ["rw [{}]", "exact {}", "simp [{}]", "apply {}", "rw [{}, foo]", "induction {}"]
    )
    return "\n  " + tactic.format(random_.choice(lemmas))


pairs = []
for number in range(arguments.proofs):
    problem = random_.choice(solved)
    pairs.append(
        (
            problem,
            f"{problem.statement}{problem.proof if number % 2 else wrong(problem)}\n-- {number}\n",
        )
    )
random_.shuffle(pairs)


def fresh(pair) -> bool:
    problem, source = pair
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "Main.lean"
        path.write_text(f"{lean.header}{source}\n#print axioms {theorem_name(problem.statement)}\n")
        rows, done = library.toolchain.run(
            path, f"-DmaxHeartbeats={lean.heartbeats}", path=library.path
        )
    return done.returncode == 0 and not any(
        row["severity"] == "error" or "sorry" in row["data"] for row in rows
    )


def cpu_seconds() -> float:
    """CPU time of this process, of the processes that have ended under it, and of those that run."""
    running = [p.cpu_times() for p in psutil.Process().children(recursive=True)]
    own = os.times()
    return (
        own.user
        + own.system
        + own.children_user
        + own.children_system
        + sum(t.user + t.system for t in running)
    )


def callers(check, part) -> tuple[list[bool], list[float]]:
    """(verdicts, seconds of each), `--workers` at a time."""

    def one(pair):
        start = time.perf_counter()
        return check(pair), time.perf_counter() - start

    with ThreadPoolExecutor(arguments.workers) as pool:
        found = list(pool.map(one, part))
    return [verdict for verdict, _ in found], [seconds for _, seconds in found]


verifier = Verifier(library, lean, workers=arguments.workers, cache_dir=None)
ways = {
    "warm pool": lambda part: [verdict.verified for verdict in verifier.check_many(part)],
    "fresh processes": lambda part: callers(fresh, part)[0],
}
verifier.check_many(
    [(p, f"{p.statement}{p.proof}") for p in solved[: 4 * arguments.workers]]
)  # start every process
verdicts, total, cpu = ({name: [] for name in ways} for _ in range(3))
for number in range(arguments.rounds):
    for name, check in ways.items():
        start, before = time.perf_counter(), cpu_seconds()
        verdicts[name] += check(pairs[number :: arguments.rounds])
        total[name].append(time.perf_counter() - start)
        cpu[name].append(cpu_seconds() - before)
single = {"warm pool": lambda pair: verifier.check(*pair).verified, "fresh processes": fresh}
each = {
    name: sorted(
        callers(
            check, [(p, source + "-- again\n") for p, source in pairs[: arguments.proofs // 10]]
        )[1]
    )
    for name, check in single.items()
}
processes = [
    p for p in psutil.Process().children(recursive=True) if p.memory_full_info().pss > 1 << 20
]
megabytes = sum(p.memory_full_info().pss for p in processes) / 2**20
verifier.close()

for name in ways:
    print(
        f"{name:16} {len(pairs) / sum(total[name]):7.1f} proofs/s   CPU {1e3 * sum(cpu[name]) / len(pairs):5.1f} ms a proof"
        f"   {sum(verdicts[name])} of {len(pairs)} verified   one by one: p50 {1e3 * statistics.median(each[name]):6.1f} ms"
        f"   p99 {1e3 * each[name][int(0.99 * len(each[name]))]:6.1f} ms"
    )
for what, spent in (("proofs/s", total), ("CPU time", cpu)):
    rounds = [slow / fast for fast, slow in zip(spent["warm pool"], spent["fresh processes"])]
    print(
        f"ratio of {what}: {sum(spent['fresh processes']) / sum(spent['warm pool']):.1f} (by round {', '.join(f'{r:.1f}' for r in rounds)})"
    )
print(
    f"memory per worker {megabytes / arguments.workers:.0f} MB (proportional share, {len(processes)} processes)"
)
different = [
    pair[1]
    for pair, fast, slow in zip(
        [p for n in range(arguments.rounds) for p in pairs[n :: arguments.rounds]],
        *verdicts.values(),
    )
    if fast != slow
]
print(f"verdicts that differ: {len(different)}", *different[:3], sep="\n")
