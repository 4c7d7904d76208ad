"""Lean Workbook and MiniF2F as `Problem` records: what fits is kept, the rest is named and counted.

`datasets` reads the files. Three kinds of rows are known, by their columns:

* steps, `wkbk_1009.parquet` of `internlm/Lean-Workbook`: one row a tactic, several a theorem;
* statements, its `lean_workbook.json`: `proof` is a list of tactic blocks, empty for most;
* files, MiniF2F's copies: `name, formal_statement`, some with `header, informal, proof`.
"""

from __future__ import annotations

import os
import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from fdcore import REPOSITORY
from fdcore.lean.source import SourceError, code, split_source, theorem_name
from fdcore.profile import DataFile
from fdcore.records import Problem, Record

BUILDERS = {".json": "json", ".jsonl": "json", ".parquet": "parquet"}
REMEDY = "set FD_LEAN_WORKBOOK or FD_MINIF2F to a file or folder that holds the rows"
STEP = {"id", "status", "tactic", "state_before", "state_after", "formal_statement"}
STATEMENT = {"formal_statement", "proof", "natural_language_statement"}
FILE = {"name", "formal_statement"}
# Lines of a header that change no statement's meaning.
NEUTRAL = ("import Mathlib", "import Aesop", "set_option maxHeartbeats ")


SplitName = Literal["train", "test", "holdout"]


class ProblemError(ValueError):
    """Problems that cannot be used; one line names the file and the problem."""


class Theorem(NamedTuple):
    """One published theorem, whatever the kind of its rows."""

    id: str
    text: str  # Lean: header, statement, and what follows it
    proved: bool
    tactics: str | None  # the proof, empty: unknown; None: it follows the statement in `text`
    informal: str | None
    split: str | None = None
    fault: str | None = None  # why it is of no use


class Rejected(Record):
    """A theorem that is left out, and why."""

    id: str
    reason: str


class Loaded(Record):
    """The problems of one data file, and how many of its theorems are none."""

    source: str
    problems: tuple[Problem, ...]
    rejected: tuple[Rejected, ...]
    unproved: int  # no proof is published, and proved ones are wanted
    repeated: int  # the same id and statement again

    @property
    def summary(self) -> str:
        first = [f" (first: {row.id}: {row.reason})" for row in self.rejected[:1]]
        without = sum(problem.proof is None for problem in self.problems)
        return (
            f"{self.source}: {len(self.problems)} problems ({without} without a usable proof text)"
            f", {self.unproved} not proved, {self.repeated} repeated, {len(self.rejected)} rejected"
        ) + "".join(first)


def locate_files(files: Sequence[DataFile], variable: str) -> Sequence[DataFile]:
    """The data files, or what the environment variable puts in their place.

    It names a folder that holds files of these names, or any one file, folder or hub data set.
    """
    given = os.environ.get(variable)
    if not given:
        return files
    names = [str(Path(given).resolve()) if Path(given).exists() else given]
    paths = [Path(given, data.file) for data in files if data.file]
    if len(paths) == len(files) and all(path.is_file() for path in paths):
        names = [str(path.resolve()) for path in paths]
    return [DataFile(name=name, file=None, revision=None, split="train") for name in names]


def load_data(
    data: DataFile,
    *,
    header: str,
    split: SplitName,
    proved: bool = False,
    rows_of: str | None = None,
) -> Loaded:
    """The problems of one data file.

    Args:
        header: what the verifier puts before every file. A row whose own header opens, sets or
            declares something else is rejected: its statement could mean something else there.
        split: the split of our problems.
        proved: keep theorems with a published proof only.
        rows_of: keep rows whose column `split` is this, or that have none.

    Raises:
        ProblemError: no data, no rows, unknown columns, or one id for two statements.
    """
    revision = f"@{data.revision}" if data.revision else ""
    source = "/".join(filter(None, (data.name, data.file))) + revision
    problems: dict[str, Problem] = {}
    rejected: list[Rejected] = []
    counts: Counter[str] = Counter()
    for theorem in read_theorems(source, _read_rows(data), header):
        if rows_of and theorem.split not in (None, "", rows_of):
            continue
        if proved and not theorem.proved:
            counts["unproved"] += 1
            continue
        try:
            problem = _problem(theorem, header, split, source)
        except ValueError as error:
            rejected.append(Rejected(id=theorem.id, reason=_first_line(error)))
            continue
        known = problems.setdefault(problem.id, problem)
        if known.statement != problem.statement:
            raise ProblemError(f"{source}: problem id {problem.id!r} stands for two statements")
        counts["repeated"] += known is not problem
    return Loaded(
        source=source,
        problems=tuple(problems.values()),
        rejected=tuple(rejected),
        unproved=counts["unproved"],
        repeated=counts["repeated"],
    )


def read_theorems(source: str, rows: Sequence[dict], header: str) -> Iterator[Theorem]:
    """The theorems of rows of any known kind; `header` goes before those that bring none.

    Raises ProblemError for no rows and for unknown columns.
    """
    if not len(rows):
        raise ProblemError(f"{source} holds no rows")
    columns = set(rows[0])
    if columns >= STEP:
        return _of_steps(rows, header)
    for kind, read in ((FILE, _of_file), (STATEMENT, _of_statement)):
        if columns >= kind:
            return (read(row, f"row {number}", header) for number, row in enumerate(rows, 1))
    raise ProblemError(
        f"{source}: unknown columns {', '.join(sorted(columns))}; "
        "fdcore/worlds/lean_workbook.py lists those that are known"
    )


def _read_rows(data: DataFile) -> Sequence[dict]:
    """The rows of a file, of a folder or of the hub. Raises ProblemError."""
    from datasets import load_dataset  # here, because it takes seconds to import
    from datasets.exceptions import DatasetsError

    local, builder = REPOSITORY / data.name, BUILDERS.get(Path(data.name).suffix)
    if builder and "://" not in data.name and not local.is_file():
        raise ProblemError(f"no data file {local}; {REMEDY}")
    name = str(local) if local.exists() else data.name
    try:
        if builder:
            return load_dataset(builder, data_files=name, split=data.split)
        return load_dataset(name, data_files=data.file, split=data.split, revision=data.revision)
    except StopIteration:  # how `datasets` says that a JSON file is empty
        raise ProblemError(f"{data.name} holds no rows") from None
    except (OSError, ValueError, DatasetsError) as error:
        reason = _first_line(error.__cause__ or error)  # `datasets` wraps what went wrong
        raise ProblemError(f"{data.name} could not be loaded: {reason}; {REMEDY}") from None


def _of_steps(rows: Sequence[dict], header: str) -> Iterator[Theorem]:
    theorems = defaultdict(list)
    for number, row in enumerate(rows, 1):
        theorems[row["id"] or f"row {number}"].append(row)
    for name, steps in theorems.items():
        first, statuses = steps[0], {step["status"] for step in steps}
        fault = "published both as proved and as disproved" if len(statuses) > 1 else None
        if len({step["formal_statement"] for step in steps}) > 1:
            fault = "its rows state it in two ways"
        text, informal = first["formal_statement"] or "", first.get("natural_language_statement")
        proof = _join_steps(steps)
        yield Theorem(name, header + text, "proved" in statuses, proof, informal, fault=fault)


def _join_steps(steps: Sequence[dict]) -> str:
    """The tactics from first state to last, whatever the rows' order; empty: they form no chain."""
    if any(step[column] is None for step in steps for column in STEP):
        return ""
    after = {step["state_before"]: step for step in steps}
    starts = set(after) - {step["state_after"] for step in steps}
    if len(after) != len(steps) or not starts:
        return ""
    state, proof = starts.pop(), ""
    while state in after:
        step = after.pop(state)
        state, proof = step["state_after"], f"{proof}\n{step['tactic']}"
    return "" if after or "⊢" in state else proof.removeprefix("\n")


def _of_statement(row: dict, number: str, header: str) -> Theorem:
    statement, proofs = row["formal_statement"] or "", row["proof"] or [""]
    try:
        name = theorem_name(statement)
    except SourceError:
        name = number
    informal = row["natural_language_statement"]
    return Theorem(name, header + statement, bool(row["proof"]), proofs[0], informal)


def _of_file(row: dict, number: str, header: str) -> Theorem:
    statement, proof = row["formal_statement"] or "", row.get("proof") or ""
    above = row.get("header") or ("" if "import " in statement else header)
    above += "" if not above or above[-1].isspace() else "\n"
    informal = row.get("informal") or row.get("informal_prefix")
    name, text = row["name"] or number, above + statement + proof
    return Theorem(name, text, bool(proof), None, informal, row.get("split"))


def _problem(theorem: Theorem, header: str, split: SplitName, source: str) -> Problem:
    """The theorem, told apart into header, statement and proof. Raises ValueError.

    A `sorry` is no proof. A tactic block without a first newline is put on lines of its own.
    """
    if theorem.fault:
        raise ValueError(theorem.fault)
    parts = split_source(theorem.text)
    if strange := _context(parts.header) ^ _context(header):
        difference = " ".join(sorted(strange))[:80]
        raise ValueError(
            f"its header is not the profile's lean.header, they differ in: {difference}"
        )
    if not parts.statement.endswith("by"):
        raise ValueError("its statement does not end in ':= by'")
    proof = parts.proof if theorem.tactics is None else theorem.tactics
    is_proof = code(proof).split() not in ([], ["sorry"])
    if not proof.startswith(("\n", "\r\n")):
        proof = "\n" + textwrap.indent(proof.lstrip(" "), "  ")
    informal = (theorem.informal or "").strip().removeprefix("/--").removesuffix("-/").strip()
    return Problem(
        id=theorem.id,
        header=parts.header,
        statement=parts.statement,
        split=split,
        informal=informal if theorem.informal is not None else None,
        proof=proof if is_proof else None,
        source=source,
    )


def _context(header: str) -> set[str]:
    """The words of a header that a statement's meaning may hang on."""
    lines = code(header).splitlines()
    return {word for line in lines if not line.startswith(NEUTRAL) for word in line.split()}


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
