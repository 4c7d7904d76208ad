"""Lean on theorems of ours, many in one process: references, and what an automatic tactic closes.

For trusted text only: what a model wrote goes to `fdcore.lean.verifier`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fdcore.lean.library import core_library
from fdcore.records import Problem

HEADER = "prelude\nimport Fd\n\n"
CHUNK = 200  # theorems a process
# Automatic tactics: they name no lemma.
NAMES = "rfl trivial assumption contradiction decide omega ac_rfl simp norm_cast simp_all"
TACTICS = tuple(NAMES.split())


def alone(*tactics: str) -> str:
    """A proof by one of the tactics alone, after `intros`; by `simp` and `decide` before it too.

    `done` is there because some tactics succeed and leave a goal.
    """
    before = "".join(f"({tactic}; done) | " for tactic in tactics if tactic in ("simp", "decide"))
    after = " | ".join(f"({tactic}; done)" for tactic in tactics)
    return f"\n  first | {before}(intros; first | {after})"


AUTOMATIC = alone(*TACTICS)


def compile_many(theorems: Sequence[tuple[str, str]], header: str = HEADER) -> list[bool]:
    """For each (statement, proof): does Lean accept it without error or sorry?"""
    chunks = [theorems[start : start + CHUNK] for start in range(0, len(theorems), CHUNK)]
    with ThreadPoolExecutor(2) as pool:
        answers = pool.map(lambda chunk: _compile_chunk(chunk, header), chunks)
        return [accepted for chunk in answers for accepted in chunk]


def _compile_chunk(theorems: Sequence[tuple[str, str]], header: str) -> list[bool]:
    text, ends = header, []
    for number, (statement, proof) in enumerate(theorems):
        text += f"namespace T{number}\n{statement}{proof}\nend T{number}\n\n"
        ends.append(text.count("\n") + 1)
    library = core_library()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "Batch.lean"
        source.write_text(text, encoding="utf-8")
        options = ("-DmaxHeartbeats=20000", "-DmaxErrors=0")
        messages, ended = library.toolchain.run(source, *options, path=library.path)
    if ended.returncode not in (0, 1) or (ended.returncode == 1 and not messages):
        raise ValueError(f"Lean could not check a batch of theorems: {ended.stderr.strip()[-300:]}")
    ends[-1] += 1  # an error at the end of the file is the last theorem's
    accepted = [True] * len(theorems)
    for message in messages:
        if message["severity"] == "error" or "sorry" in message["data"]:
            line = message["pos"]["line"]
            accepted[next(number for number, end in enumerate(ends) if line < end)] = False
    return accepted


def verify_references(problems: Iterable[Problem]) -> None:
    """Raise ValueError with the id of the first problem whose reference proof Lean refuses."""
    problems = list(problems)
    answers = compile_many([(problem.statement, problem.proof) for problem in problems])
    for problem, accepted in zip(problems, answers, strict=True):
        if not accepted:
            raise ValueError(f"problem {problem.id}: Lean refuses its proof {problem.proof!r}")
