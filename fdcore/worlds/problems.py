"""The problem sets of a profile: files of this repository, or a draw from published problems.

`lean_project/problems/` holds train, test and warmup, made by `lean_project.generate`, and holdout,
written by hand. familiarity.json says how well the authors of the student's corpus know a lemma.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

from fdcore.lean.library import PROJECT
from fdcore.lean.source import SourceError, theorem_name
from fdcore.lean.verifier import Verifier
from fdcore.profile import MathlibProblems, Profile
from fdcore.records import Problem, Record, read_records
from fdcore.worlds.lean_workbook import ProblemError
from fdcore.worlds.split import find_defects, load_mathlib

ROOT = PROJECT / "problems"


def load_problems(
    profile: Profile, folder: Path | None = None, verifier: Verifier | None = None
) -> dict[str, list[Problem]]:
    """The profile's problems by split. A draw is recorded in `folder`.

    With a verifier, statements that do not elaborate are named, and in a draw replaced.
    Raises ProblemError.
    """
    settings = profile.problems
    if isinstance(settings, MathlibProblems):
        return load_mathlib(settings, profile.lean.header, folder, verifier)
    first, test = settings.validation, read_problems(ROOT / settings.test)
    lemmas = read_familiarity().familiarity.keys()  # train has problems of each
    learnable = [one for one in read_problems(ROOT / settings.holdout) if lemmas >= {*one.lemmas}]
    splits = {
        "train": read_problems(ROOT / settings.train)[: settings.max_train],
        "test": test[first:][: settings.max_test],
        "holdout": learnable[: settings.max_holdout],
    }
    if first:
        splits["validation"] = test[:first]
    if verifier is not None:
        find_defects([problem for split in splits.values() for problem in split], verifier)
    return splits


def read_problems(path: Path) -> list[Problem]:
    """A problem file. Raises ProblemError: missing, empty, a repeated id, or no theorem."""
    if not path.exists():
        raise ProblemError(f"no problem file {path}; `python -m lean_project.generate` makes them")
    problems = read_records(path, Problem)
    if not problems:
        raise ProblemError(f"{path} holds no problems")
    (name, count), *_ = Counter(problem.id for problem in problems).most_common(1)
    if count > 1:
        raise ProblemError(f"{path}: problem id {name!r} appears more than once")
    for problem in problems:
        try:
            theorem_name(problem.statement)
        except SourceError as error:
            raise ProblemError(f"{path}: problem {problem.id}: {error}") from None
    return problems


class Familiarity(Record):
    """What the authors know: `lean_project/problems/familiarity.json`."""

    seed: int
    familiarity: dict[str, float]  # lemma: how often it is named rightly
    confusions: dict[str, tuple[str, ...]]  # lemma: the names in its place, some of no lemma at all


@cache
def read_familiarity() -> Familiarity:
    return Familiarity.model_validate_json((ROOT / "familiarity.json").read_text(encoding="utf-8"))
