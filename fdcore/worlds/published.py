"""The rows of published Lean problem sets, through `datasets`, and the theorems that they hold, whatever their shape.

Assumed of the published files, by their documentation; other columns are ignored:

* step rows, `wkbk_1009.parquet` of `internlm/Lean-Workbook` (what the hub shows): `id, status, tactic, state_before, state_after,
  natural_language_statement, answer, formal_statement`. One row a tactic, several rows a theorem; status is proved or disproved;
* statement rows, `lean_workbook.json` of the same: `natural_language_statement, answer, tags, formal_statement, split, proof`, where
  `proof` is a list of tactic blocks, empty for most; the theorem's name is the id;
* whole files, `Goedel-LM/Lean-workbook-proofs`: `problem_id, full_proof`;
* file rows, MiniF2F's copies: `name, formal_statement` and, where they have it, `header, informal` (or `informal_prefix`), `split, proof`.

Left out on purpose: judgement. What a theorem is good for is decided in `fdcore.worlds.mathlib_problems`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from fdcore import REPOSITORY
from fdcore.lean.source import SourceError, theorem_name
from fdcore.profile import DataFile
from fdcore.records import Record
from fdcore.worlds.problems import ProblemError

BUILDERS = {".json": "json", ".jsonl": "json", ".parquet": "parquet"}
REMEDY = "name another source in the profile's problems, or set FD_LEAN_WORKBOOK or FD_MINIF2F to a file or folder that holds the rows"
STEPS = ("id", "status", "tactic", "state_before", "state_after", "formal_statement")


class Theorem(Record):
    """One published theorem, whatever the shape of its rows."""

    id: str
    text: str  # Lean: header, statement, and what follows it
    proved: bool
    apart: bool = False  # the proof is `tactics`, not what follows the statement
    tactics: str | None = None  # None: the published rows do not say in which order they come
    informal: str | None = None
    split: str | None = None
    fault: str | None = None  # why it is of no use


def read_rows(data: DataFile) -> Sequence[dict]:
    """The rows as published, through `datasets`: of a file, of a folder in a layout that `datasets` knows, or of the hub. Raises ProblemError."""
    from datasets import load_dataset  # here, because it takes seconds to import
    from datasets.exceptions import DatasetsError

    local, builder = REPOSITORY / data.name, BUILDERS.get(Path(data.name).suffix)
    if builder and "://" not in data.name and not local.is_file():
        raise ProblemError(f"no data file {local}; {REMEDY}")
    try:
        if builder:
            return load_dataset(
                builder, data_files=str(local) if local.is_file() else data.name, split=data.split
            )
        return load_dataset(
            str(local) if local.is_dir() else data.name,
            data_files=data.file,
            split=data.split,
            revision=data.revision,
        )
    except StopIteration:  # how `datasets` says that a JSON file is empty
        raise ProblemError(f"{data.name} holds no rows") from None
    except (OSError, ValueError, DatasetsError) as error:
        cause = error.__cause__ or error  # `datasets` wraps what went wrong
        raise ProblemError(
            f"{data.name} could not be loaded ({type(cause).__name__}: {first_line(cause)}); {REMEDY}"
        ) from None


def theorems(source: str, rows: Sequence[dict], header: str) -> Iterator[Theorem]:
    """The theorems of rows of any known shape; `header` goes before those that bring none. Raises ProblemError: no rows, unknown columns."""
    if not len(rows):
        raise ProblemError(f"{source} holds no rows")
    columns = set(rows[0])
    if set(STEPS) <= columns:
        return _of_steps(rows, header)
    if {"problem_id", "full_proof"} <= columns:
        return (
            Theorem(id=_id(row["problem_id"], number), text=row["full_proof"] or "", proved=True)
            for number, row in enumerate(rows, 1)
        )
    if {"name", "formal_statement"} <= columns:
        return (_of_file_row(row, number, header) for number, row in enumerate(rows, 1))
    if {"formal_statement", "proof", "natural_language_statement"} <= columns:
        return (_of_statement_row(row, number, header) for number, row in enumerate(rows, 1))
    raise ProblemError(
        f"{source}: unknown columns {', '.join(sorted(columns))}; those that can be read stand at the top of fdcore/worlds/published.py"
    )


def _id(given: str | None, number: int) -> str:
    return str(given or f"row {number}")


def _of_steps(rows: Sequence[dict], header: str) -> Iterator[Theorem]:
    found = defaultdict(list)
    for number, row in enumerate(rows, 1):
        found[_id(row["id"], number)].append(row)
    for name, steps in found.items():
        first, statuses = steps[0], {step["status"] for step in steps}
        fault = "published both as proved and as disproved" if len(statuses) > 1 else None
        fault = (
            "its rows state it in two ways"
            if len({step["formal_statement"] for step in steps}) > 1
            else fault
        )
        yield Theorem(
            id=name,
            text=header + (first["formal_statement"] or ""),
            proved="proved" in statuses,
            apart=True,
            tactics=_in_order(steps),
            informal=first.get("natural_language_statement"),
            fault=fault,
        )


def _in_order(steps: Sequence[dict]) -> str | None:
    """The tactics from the initial state to the end of the proof, whatever the order of the rows; None where the states form no single chain."""
    if any(step[column] is None for step in steps for column in STEPS):
        return None
    after = {step["state_before"]: step for step in steps}
    starts = set(after) - {step["state_after"] for step in steps}
    if len(after) != len(steps) or not starts:
        return None
    state, tactics = starts.pop(), []
    while state in after:
        step = after.pop(state)
        state, tactics = step["state_after"], [*tactics, step["tactic"]]
    return None if after or "⊢" in state else "\n".join(tactics)


def _of_statement_row(row: dict, number: int, header: str) -> Theorem:
    statement, proofs = row["formal_statement"] or "", row["proof"] or []
    try:
        name = theorem_name(statement) if proofs else None
    except SourceError:
        name = None
    return Theorem(
        id=_id(name, number),
        text=header + statement,
        proved=bool(proofs),
        apart=True,
        tactics=proofs[0] if proofs else None,
        informal=row["natural_language_statement"],
    )


def _of_file_row(row: dict, number: int, header: str) -> Theorem:
    statement, proof = row["formal_statement"] or "", row.get("proof") or ""
    above = row.get("header") or ("" if "import " in statement else header)
    above += "" if not above or above[-1].isspace() else "\n"
    informal = row.get("informal") or row.get("informal_prefix")
    return Theorem(
        id=_id(row["name"], number),
        text=above + statement + proof,
        proved=bool(proof),
        informal=informal,
        split=row.get("split"),
    )


def first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or ["no message"])[0][:200]
