"""`figures/library.md`: what the tiny world holds, counted from its sources: declarations, tactics, problems, and what automation closes alone.

Each part is a function that returns a few lines of Markdown; those that ask Lean say so.
"""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from fdcore import REPOSITORY
from fdcore.lean.library import declared_theorems, find_modules
from fdcore.records import Problem, read_records, write_text
from lean_project.generate.check import AUTOMATIC, HEADER, TACTICS, alone, compile_many
from lean_project.generate.generate import PROBLEMS, Judge

TESTS = REPOSITORY / "tests" / "lean" / "test_library.py"
SPLITS = ("train", "test", "holdout")
GENERATED = ("Fd.Syntax", "Fd.Unexpand")  # by generate_syntax.py
KINDS = {"definitions": "def|abbrev|instance", "types and classes": "inductive|structure|class"}


def write_library_page(path: Path = REPOSITORY / "figures" / "library.md") -> str:
    """Write the page; its text. Asks Lean about every tactic of the tests and every problem: minutes."""
    problems = {split: read_records(PROBLEMS / f"{split}.jsonl", Problem) for split in SPLITS}
    parts = (
        "# The tiny world: its library and its problems\n\nWritten by `python -m fdcore library` from the sources; `lean_project/README.md` explains them.",
        declarations(),
        tactics(tactics_that_work()),
        tiers(problems),
        families(problems),
        lemmas(problems),
        automation(closed_alone(problems, Judge())),
    )
    text = "\n\n".join(parts) + "\n"
    write_text(path, text)
    return text


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "–"


def declarations() -> str:
    rows = []
    for name, path in find_modules().items():
        source = path.read_text(encoding="utf-8")
        if name not in GENERATED and name != "Fd":
            before = r"^(?:@\[[^\]]*\] *)*(?:(?:protected|private|noncomputable) )*"
            counts = [
                len(re.findall(rf"{before}(?:{words})\b", source, re.MULTILINE))
                for words in KINDS.values()
            ]
            rows.append((f"`{name}`", len(declared_theorems(path)), *counts))
    total = ("in all", *(sum(row[i] for row in rows) for i in (1, 2, 3)))
    return "## Declarations by module\n\n" + table(
        ("module", "theorems with a docstring", *KINDS), [*rows, total]
    )


def test_tables() -> dict[str, object]:
    """The literal tables of tests/test_library.py: PROOFS, FAILURES and the variables they stand under, SETTING."""
    found = {}
    for node in ast.parse(TESTS.read_text(encoding="utf-8")).body:
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id in ("PROOFS", "FAILURES", "SETTING")
        ):
            found[node.targets[0].id] = ast.literal_eval(node.value)
    return found


def tactics_that_work() -> set[str]:
    """The entries of PROOFS that Lean accepts."""
    tables = test_tables()
    answers = compile_many(
        [(f"example {proof}", "") for proof in tables["PROOFS"].values()],
        header=HEADER + tables["SETTING"],
    )
    return {name for name, ok in zip(tables["PROOFS"], answers) if ok}


def tactics(working: set[str]) -> str:
    tables = test_tables()
    rows = [
        (
            f"`{name}`" if " " not in name else name,
            "✓" if name in working else "✗",
            "✓" if name in tables["FAILURES"] else "",
        )
        for name in tables["PROOFS"]
    ]
    return (
        "## Tactics and forms\n\nThe proofs of `tests/test_library.py`: a tick where Lean accepts the one that uses it, and where a failing one is tested for its message.\n\n"
        + table(("tactic or form", "proves", "fails in plain words"), rows)
    )


def partition() -> tuple[set[str], set[str]]:
    """(known, unknown) lemmas."""
    recorded = json.loads((PROBLEMS / "partition.json").read_text(encoding="utf-8"))
    return set(recorded["known"]), set(recorded["unknown"])


def tiers(problems: dict[str, list[Problem]]) -> str:
    unknown = partition()[1]
    rows = []
    for split, found in problems.items():
        count = Counter(problem.tier for problem in found)
        new = sum(bool(set(problem.lemmas) & unknown) for problem in found)
        rows.append(
            (
                split,
                len(found),
                *(f"{count[tier]} ({share(count[tier], len(found))})" for tier in range(1, 6)),
                f"{new} ({share(new, len(found))})",
            )
        )
    return (
        "## Problems by split and tier\n\nTier 1: an automatic tactic closes it alone. Tiers 2 to 5: by length and depth of the shortest known proof (`lean_project.generate.generate.effort`).\n\n"
        + table(
            (
                "split",
                "problems",
                *(f"tier {tier}" for tier in range(1, 6)),
                "need an unknown lemma",
            ),
            rows,
        )
    )


def families(problems: dict[str, list[Problem]]) -> str:
    counts = {
        split: Counter(problem.source.removeprefix("generated: ") for problem in problems[split])
        for split in ("train", "test")
    }
    names = sorted(
        counts["train"] | counts["test"], key=lambda name: (-counts["train"][name], name)
    )
    return "## Generated problems by family\n\n" + table(
        ("family", "train", "test"),
        [(name, counts["train"][name], counts["test"][name]) for name in names],
    )


def lemmas(problems: dict[str, list[Problem]]) -> str:
    known, unknown = partition()
    rows = [
        (
            f"`{name}`",
            "known" if name in known else "unknown",
            *(sum(name in problem.lemmas for problem in found) for found in problems.values()),
        )
        for name in sorted(known | unknown)
    ]
    return (
        f"## Lemmas\n\n{len(known)} known, {len(unknown)} unknown; how many reference proofs name each.\n\n"
        + table(("lemma", "part", *problems), rows)
    )


def closed_alone(
    problems: dict[str, list[Problem]], judge=compile_many
) -> dict[str, tuple[int, dict[str, int]]]:
    """Split -> (its size, tactic -> how many of its statements it closes alone), by Lean. What all of them together do not close, none does."""
    found = {}
    for split, rows in problems.items():
        easy = [p for p, ok in zip(rows, judge([(p.statement, AUTOMATIC) for p in rows])) if ok]
        counts = {
            tactic: sum(judge([(p.statement, alone(tactic)) for p in easy])) for tactic in TACTICS
        }
        found[split] = len(rows), counts | {"any of them": len(easy)}
    return found


def automation(closed: dict[str, tuple[int, dict[str, int]]]) -> str:
    rows = []
    for tactic in (*TACTICS, "any of them"):
        shares = (
            f"{counts[tactic]} ({share(counts[tactic], size)})" for size, counts in closed.values()
        )
        rows.append((f"`{tactic}`" if tactic in TACTICS else tactic, *shares))
    return (
        "## What an automatic tactic closes alone\n\nAfter `intros`, by `simp` and `decide` before it too.\n\n"
        + table(("tactic", *closed), rows)
    )
