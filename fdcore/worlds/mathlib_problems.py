"""Published theorems as `Problem` records, each told apart into header, statement and proof; what does not fit is named and counted.

A statement must end in `:= by` (with or without a `sorry` behind it). Three things are not taken over as they stand: the marks of a doc
comment come off `informal`, a `sorry` is no proof, and a tactic block that does not begin with a newline is put on lines of its own,
indented by two.
"""

from __future__ import annotations

import textwrap
from collections import Counter

from fdcore.lean.source import code, split_source
from fdcore.profile import DataFile
from fdcore.records import Problem, Record
from fdcore.worlds.problems import ProblemError
from fdcore.worlds.published import Theorem, first_line, read_rows, theorems


class Rejected(Record):
    id: str
    reason: str


class Loaded(Record):
    """What a data file holds: each theorem of the rows wanted is a problem, rejected, not proved, or a repetition."""

    source: str
    problems: tuple[Problem, ...]
    rejected: tuple[Rejected, ...]
    unproved: int  # left out because proved ones are wanted and no proof is published
    repeated: int  # the same id and statement again

    @property
    def summary(self) -> str:
        first = (
            f" (first: {self.rejected[0].id}: {self.rejected[0].reason})" if self.rejected else ""
        )
        without = sum(p.proof is None for p in self.problems)
        return (
            f"{self.source}: {len(self.problems)} problems ({without} without a usable proof text), {self.unproved} not proved, "
            f"{self.repeated} repeated, {len(self.rejected)} rejected{first}"
        )


def load_data(
    data: DataFile, *, header: str, split: str, proved: bool = False, rows_of: str | None = None
) -> Loaded:
    """The problems of one data file, for our `split`; only those with a published proof where `proved`.

    `header` stands before statements that bring none, and is what the verifier puts before every file: a row whose own header opens,
    sets or declares something else is rejected, since its statement could mean something else there. `rows_of` keeps rows whose column
    `split` says so. Raises ProblemError: nothing there, no rows, unknown columns, one id for two statements.
    """
    source = "/".join(filter(None, (data.name, data.file))) + (
        f"@{data.revision}" if data.revision else ""
    )
    found: dict[str, Problem] = {}
    rejected, counts = [], Counter()
    for theorem in theorems(source, read_rows(data), header):
        if rows_of and theorem.split and theorem.split != rows_of:
            continue
        if proved and not theorem.proved:
            counts["unproved"] += 1
            continue
        try:
            problem = _problem(theorem, header, split, source)
        except ValueError as error:
            rejected.append(Rejected(id=theorem.id, reason=first_line(error)))
            continue
        if problem.id in found and found[problem.id].statement != problem.statement:
            raise ProblemError(
                f"{source}: problem id {problem.id!r} stands for two statements; remove one of them"
            )
        counts["repeated"] += problem.id in found
        found.setdefault(problem.id, problem)
    return Loaded(
        source=source,
        problems=tuple(found.values()),
        rejected=tuple(rejected),
        unproved=counts["unproved"],
        repeated=counts["repeated"],
    )


def _problem(theorem: Theorem, header: str, split: str, source: str) -> Problem:
    if theorem.fault:
        raise ValueError(theorem.fault)
    parts = split_source(theorem.text)
    if strange := _context(parts.header) ^ _context(header):
        raise ValueError(
            f"its header is not the profile's lean.header, they differ in: {' '.join(sorted(strange))[:80]}"
        )
    if not parts.statement.endswith("by"):
        raise ValueError("its statement does not end in ':= by'")
    proof = (theorem.tactics or "") if theorem.apart else parts.proof
    if code(proof).split() in ([], ["sorry"]):
        proof = None
    elif not proof.startswith(("\n", "\r\n")):
        proof = "\n" + textwrap.indent(proof.lstrip(" "), "  ")
    informal = (
        theorem.informal and theorem.informal.strip().removeprefix("/--").removesuffix("-/").strip()
    )
    return Problem(
        id=theorem.id,
        header=parts.header,
        statement=parts.statement,
        split=split,
        informal=informal,
        proof=proof,
        source=source,
    )


def _context(header: str) -> set[str]:
    """The words of a header that a statement's meaning may hang on: all but Mathlib's imports and the limit of heartbeats."""
    lines = code(header).splitlines()
    return {
        word
        for line in lines
        if not line.startswith(("import Mathlib", "import Aesop", "set_option maxHeartbeats "))
        for word in line.split()
    }
