"""The draw of train and test from Lean Workbook's proved theorems, apart from MiniF2F, and the record of it, `split.json`.

The draw depends on the seed and on each theorem's id, not on the order of rows: a theorem's rank is a hash of both. Before it, these are
taken out, each with its reason: listed defects, what a source rejected, what sources state in different ways, what states the same as a MiniF2F
problem or shares most of its n-grams with one, and all but one of those that state the same.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from fdcore.profile import DataFile, Profile
from fdcore.records import Problem, Record, write_text
from fdcore.seeds import seed_of
from fdcore.worlds.mathlib_problems import Loaded, Rejected, load_data
from fdcore.worlds.overlap import Overlap, normal_form
from fdcore.worlds.problems import ROOT, ProblemError

DEFECTS = ROOT / "defects.json"


class Split(Record):
    """What was drawn from what, by which seed, and what was left out and why."""

    seed: int
    sources: tuple[str, ...]  # one summary a data file, with its revision
    counts: dict[str, int]
    train: tuple[str, ...]
    test: tuple[str, ...]
    holdout: tuple[str, ...]
    excluded: tuple[Rejected, ...]
    rejected: tuple[Rejected, ...]
    holdout_defects: tuple[
        Rejected, ...
    ]  # kept, so that numbers are over the same problems as the paper's


def load_mathlib(
    profile: Profile, folder: Path | None = None, log=print
) -> dict[str, list[Problem]]:
    """The profile's Mathlib problems by split. FD_LEAN_WORKBOOK and FD_MINIF2F name a file or folder to read in the hub's place.

    With a `folder` the draw is recorded there as split.json; one that is there must say the same. Raises ProblemError with one line: no
    data, rows that cannot be used, fewer theorems than the profile asks for.
    """
    settings, header = profile.problems, profile.lean.header
    (minif2f,) = located((settings.minif2f,), "FD_MINIF2F")
    held = load_data(minif2f, header=header, split="holdout", rows_of="test")
    published = load_data(minif2f, header=header, split="holdout")
    pool = [
        load_data(data, header=header, split="train", proved=True)
        for data in located(settings.lean_workbook, "FD_LEAN_WORKBOOK")
    ]
    if len(held.problems) < settings.holdout:
        raise ProblemError(
            f"{settings.holdout} hold-out problems are asked for and {len(held.problems)} can be used: {held.summary}"
        )
    defects = read_defects()
    train, test, excluded = draw(
        pool,
        published.problems,
        defects,
        train=settings.train,
        test=settings.test,
        seed=settings.seed,
    )
    holdout = list(held.problems[: settings.holdout])
    split = Split(
        seed=settings.seed,
        sources=tuple(loaded.summary for loaded in (*pool, held)),
        train=ids(train),
        test=ids(test),
        holdout=ids(holdout),
        excluded=excluded,
        counts={
            "train": len(train),
            "test": len(test),
            "holdout": len(holdout),
            "excluded": len(excluded),
            **Counter(row.reason.split(" (")[0] for row in excluded),
        },
        rejected=tuple(row for loaded in (*pool, held) for row in loaded.rejected),
        holdout_defects=tuple(d for d in defects if d.id in ids(holdout)),
    )
    for line in (
        *split.sources,
        f"draw with seed {split.seed}: {split.counts}; known defects among the hold-out: {len(split.holdout_defects)}",
    ):
        log(line)
    if folder is not None:
        record(split, folder / "split.json")
    return {"train": train, "test": test, "holdout": holdout}


def located(files: Sequence[DataFile], variable: str) -> Sequence[DataFile]:
    """The data files, or what the environment variable names: a folder that holds files of these names, or any one file, folder or hub id."""
    given = os.environ.get(variable)
    if not given:
        return files
    if all(data.file and (Path(given) / data.file).is_file() for data in files):
        return [
            DataFile(
                name=str(Path(given, data.file).resolve()), file=None, revision=None, split="train"
            )
            for data in files
        ]
    name = str(Path(given).resolve()) if Path(given).exists() else given
    return [DataFile(name=name, file=None, revision=None, split="train")]


def read_defects(path: Path = DEFECTS) -> tuple[Rejected, ...]:
    """The known defects: a list of {id, reason}. Raises ProblemError."""
    try:
        return tuple(
            Rejected.model_validate(entry) for entry in json.loads(path.read_text(encoding="utf-8"))
        )
    except (OSError, ValueError, TypeError) as error:
        raise ProblemError(
            f"{path}: it must be a list of objects with id and reason ({str(error).splitlines()[0]})"
        ) from None


def draw(
    pool: Sequence[Loaded],
    held_out: Sequence[Problem],
    defects: Sequence[Rejected],
    *,
    train: int,
    test: int,
    seed: int,
) -> tuple[list[Problem], list[Problem], tuple[Rejected, ...]]:
    """(train, test, excluded with reasons); the two share no statement with each other or with `held_out`, up to names and whitespace.

    Raises ProblemError where too few theorems are left.
    """
    candidates, reasons = merged(pool)
    reasons |= {
        row.id: row.reason for loaded in pool for row in loaded.rejected if row.id in candidates
    } | {d.id: f"listed ({d.reason})" for d in defects if d.id in candidates}
    forms = {name: normal_form(candidates[name].statement) for name in sorted(candidates)}
    closest = Overlap(held_out)
    first: dict[tuple, str] = {}
    for name, form in forms.items():
        if name not in reasons and (found := closest(form)):
            reasons[name] = found
        if name not in reasons and first.setdefault(form, name) != name:
            reasons[name] = f"states the same as another ({first[form]})"
    left = sorted(
        (name for name in forms if name not in reasons),
        key=lambda name: (seed_of(seed, "lean workbook", name), name),
    )
    if len(left) < train + test:
        raise ProblemError(
            f"{train} train and {test} test theorems are asked for and {len(left)} of Lean Workbook can be used: {'; '.join(loaded.summary for loaded in pool)}"
        )
    tests = [candidates[name].model_copy(update={"split": "test"}) for name in left[:test]]
    return (
        [candidates[name] for name in left[test : test + train]],
        tests,
        tuple(Rejected(id=name, reason=reasons[name]) for name in sorted(reasons)),
    )


def merged(pool: Sequence[Loaded]) -> tuple[dict[str, Problem], dict[str, str]]:
    """Candidates by id, of the first source that has a proof, and why some are out of the question already."""
    found: dict[str, Problem] = {}
    reasons = {}
    for problem in (problem for loaded in pool for problem in loaded.problems):
        known = found.get(problem.id)
        if known and normal_form(known.statement) != normal_form(problem.statement):
            reasons[problem.id] = "stated in different ways by its sources"
        if known is None or (known.proof is None and problem.proof is not None):
            found[problem.id] = problem
    return found, reasons


def ids(problems: Iterable[Problem]) -> tuple[str, ...]:
    return tuple(problem.id for problem in problems)


def record(split: Split, path: Path) -> None:
    """Write split.json once; ProblemError where it records another draw."""
    text = split.model_dump_json(indent=1) + "\n"
    if not path.exists():
        write_text(path, text)
    elif path.read_text(encoding="utf-8") != text:
        raise ProblemError(
            f"{path} records another draw than profile and data give now; give another --out, or remove that folder"
        )
