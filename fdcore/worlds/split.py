"""The draw of train and test from Lean Workbook's proved theorems, apart from MiniF2F.

`split.json` records it. A theorem's rank is a hash of the seed and its id: the rows' order does not
matter. Statements count as the same up to names and whitespace, not up to the order of hypotheses.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import regex

from fdcore.lean.library import PROJECT
from fdcore.lean.source import DECLARATION, WORD, code
from fdcore.lean.verifier import Verifier
from fdcore.profile import MathlibProblems
from fdcore.records import Problem, Record, write_text
from fdcore.seeds import seed_of
from fdcore.worlds.lean_workbook import Loaded, ProblemError, Rejected, load_data, locate_files

DEFECTS = PROJECT / "problems" / "defects.json"
GRAM = 8  # tokens
CHECKED = 500  # statements that Lean reads between two lines of progress
SHARED = 0.8  # of a held-out statement's n-grams; no two of MiniF2F share more than 0.75
TOKEN = regex.compile(rf"{WORD}|\d+|\S")


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
    holdout_defects: tuple[Rejected, ...]  # kept: the numbers are over the paper's problems


def load_mathlib(
    settings: MathlibProblems,
    header: str,
    folder: Path | None = None,
    verifier: Verifier | None = None,
) -> dict[str, list[Problem]]:
    """Mathlib problems by split, under the verifier's header.

    With a `folder` the draw is recorded there; a record that is there must say the same. With a
    `verifier` Lean reads every statement: the draw takes others in the place of those that do not
    elaborate, and takes the place of a draw without. Of the hold-out they are named and stay.

    Raises:
        ProblemError: no data, unusable rows, another draw, or fewer theorems than asked for.
    """
    (minif2f,) = locate_files((settings.minif2f,), "FD_MINIF2F")
    held = load_data(minif2f, header=header, split="holdout", rows_of="test")
    all_held = load_data(minif2f, header=header, split="holdout")
    files = locate_files(settings.lean_workbook, "FD_LEAN_WORKBOOK")
    pool = [load_data(data, header=header, split="train", proved=True) for data in files]
    if len(held.problems) < settings.holdout:
        raise ProblemError(
            f"{settings.holdout} hold-out problems are asked for, "
            f"{len(held.problems)} can be used: {held.summary}"
        )
    defects = read_defects()
    train, test, excluded = draw(
        pool,
        all_held.problems,
        defects,
        train=settings.train,
        test=settings.test,
        seed=settings.seed,
        verifier=verifier,
    )
    problems = {"train": train, "test": test, "holdout": list(held.problems[: settings.holdout])}
    if verifier is not None:
        known = {row.id for row in defects}
        defective = find_defects(problems["holdout"], verifier)
        defects += tuple(defective[name] for name in defective if name not in known)
    ids = {split: tuple(problem.id for problem in problems[split]) for split in problems}
    counts = {split: len(ids[split]) for split in ids} | {"excluded": len(excluded)}
    split = Split(
        seed=settings.seed,
        sources=tuple(loaded.summary for loaded in (*pool, held)),
        counts={**counts, **Counter(row.reason.split(" (")[0] for row in excluded)},
        excluded=excluded,
        rejected=tuple(row for loaded in (*pool, held) for row in loaded.rejected),
        holdout_defects=tuple(row for row in defects if row.id in ids["holdout"]),
        **ids,
    )
    print(*split.sources, f"draw with seed {split.seed}: {split.counts}", sep="\n")
    print(f"known defects among the hold-out: {len(split.holdout_defects)}")
    if folder is not None:
        _record(split, folder / "split.json", is_final=verifier is not None)
    return problems


def read_defects(path: Path = DEFECTS) -> tuple[Rejected, ...]:
    """The known defects: a list of {id, reason}. Raises ProblemError."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return tuple(Rejected.model_validate(row) for row in rows)
    except (OSError, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise ProblemError(f"{path}: not a list of objects with id and reason: {reason}") from None


def draw(
    pool: Sequence[Loaded],
    held_out: Sequence[Problem],
    defects: Sequence[Rejected],
    *,
    train: int,
    test: int,
    seed: int,
    verifier: Verifier | None = None,
) -> tuple[list[Problem], list[Problem], tuple[Rejected, ...]]:
    """(train, test, excluded with reasons).

    Excluded are listed defects, what a source rejects, what sources state in different ways, what
    overlaps with `held_out`, all but one of those that state the same, and of those that would be
    drawn what does not elaborate for `verifier`.
    Raises ProblemError where too few theorems are left.
    """
    candidates, reasons = _merge(pool)
    refused = [row for loaded in pool for row in loaded.rejected]
    reasons |= {row.id: row.reason for row in refused if row.id in candidates}
    reasons |= {row.id: f"listed ({row.reason})" for row in defects if row.id in candidates}
    forms = {name: normal_form(candidates[name].statement) for name in sorted(candidates)}
    closest = Overlap(held_out)
    first: dict[tuple[str, ...], str] = {}
    for name, form in forms.items():
        if name not in reasons and (reason := closest(form)):
            reasons[name] = reason
        if name not in reasons and first.setdefault(form, name) != name:
            reasons[name] = f"states the same as another ({first[form]})"
    ranks = {name: (seed_of(seed, "lean workbook", name), name) for name in forms}
    order = sorted((name for name in forms if name not in reasons), key=ranks.__getitem__)
    drawn = [candidates[name] for name in order[: train + test]]
    while verifier is not None and (defective := find_defects(drawn, verifier)):
        reasons |= {name: row.reason for name, row in defective.items()}
        order = [name for name in order if name not in defective]
        drawn = [candidates[name] for name in order[: train + test]]
    if len(order) < train + test:
        sources = "; ".join(loaded.summary for loaded in pool)
        raise ProblemError(
            f"{train} train and {test} test theorems are asked for, {len(order)} of Lean Workbook "
            f"can be used: {sources}"
        )
    tests = [candidates[name].model_copy(update={"split": "test"}) for name in order[:test]]
    trains = [candidates[name] for name in order[test : test + train]]
    return trains, tests, tuple(Rejected(id=name, reason=reasons[name]) for name in sorted(reasons))


def find_defects(problems: Sequence[Problem], verifier: Verifier) -> dict[str, Rejected]:
    """The problems whose statement does not elaborate, by id. The verifier keeps its verdicts."""
    defects = {}
    for start in range(0, len(problems), CHECKED):
        part = problems[start : start + CHECKED]
        verdicts = verifier.check_many([(problem, None) for problem in part])
        for problem, verdict in zip(part, verdicts, strict=True):
            if verdict.status != "sorry":
                reason = f"its statement does not elaborate ({verdict.detail})"
                defects[problem.id] = Rejected(id=problem.id, reason=reason)
                print(f"problem {problem.id}: {reason}", flush=True)
        done = start + len(part)
        print(f"statements: {done} of {len(problems)}, {len(defects)} defective", flush=True)
    return defects


def _merge(pool: Iterable[Loaded]) -> tuple[dict[str, Problem], dict[str, str]]:
    """Candidates by id, of the first source that has a proof, and reasons against some."""
    candidates: dict[str, Problem] = {}
    reasons = {}
    for problem in (problem for loaded in pool for problem in loaded.problems):
        known = candidates.setdefault(problem.id, problem)
        if known is problem:
            continue
        if normal_form(known.statement) != normal_form(problem.statement):
            reasons[problem.id] = "stated in different ways by its sources"
        if known.proof is None and problem.proof is not None:
            candidates[problem.id] = problem
    return candidates, reasons


def _record(split: Split, path: Path, *, is_final: bool) -> None:
    text = split.model_dump_json(indent=1) + "\n"
    if is_final or not path.exists():
        write_text(path, text)
    elif path.read_text(encoding="utf-8") != text:
        raise ProblemError(f"{path} records another draw; give another --out, or remove its folder")


# -- when two statements say the same --------------------------------------------------------------


def normal_form(statement: str) -> tuple[str, ...]:
    """Tokens behind the declared name, without comments; bound names are numbered as they come.

    >>> one = normal_form("theorem a (x y : ℕ) (h : x < y) : x ≤ y := by")
    >>> one == normal_form("lemma b (m n:ℕ)(hmn : m < n) : m ≤ n  := by")
    True
    """
    blanked = code(statement)
    words = TOKEN.findall(blanked, DECLARATION.search(blanked).end())
    numbers: dict[str, str] = {}
    for start, opener in enumerate(words):
        end = start + 1
        while end < len(words) and regex.match(WORD, words[end]):
            end += 1
        typed = opener in "({⦃" and words[end : end + 1] == [":"]
        if opener in "∀∃∑∏λ" or opener == "fun" or typed:
            for name in words[start + 1 : end]:
                numbers.setdefault(name, f"#{len(numbers)}")
    parts = (word.partition(".") for word in words)
    return tuple(numbers.get(head, head) + dot + rest for head, dot, rest in parts)


class Overlap:
    """Says of a normal form which held-out problem it repeats, or None."""

    def __init__(self, held_out: Sequence[Problem]):
        self.forms = {normal_form(problem.statement): problem.id for problem in held_out}
        self.sizes = {name: len(_grams(form)) for form, name in self.forms.items()}
        self.holders = defaultdict(list)
        for form, name in self.forms.items():
            for gram in _grams(form):
                self.holders[gram].append(name)

    def __call__(self, form: tuple[str, ...]) -> str | None:
        if form in self.forms:
            return f"states the same as a MiniF2F problem ({self.forms[form]})"
        shared = Counter(name for gram in _grams(form) for name in self.holders.get(gram, ()))
        close = [name for name, count in shared.items() if count >= SHARED * self.sizes[name]]
        if not close:
            return None
        return f"shares most of its n-grams with a MiniF2F problem ({min(close)})"


def _grams(form: tuple[str, ...]) -> set[tuple[str, ...]]:
    return {form[start : start + GRAM] for start in range(len(form) - GRAM + 1)}
