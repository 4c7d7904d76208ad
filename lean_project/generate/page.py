"""`figures/library.md`: what the core library and its problems hold, counted from their sources.

Each part is a function that returns a few lines of Markdown.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import yaml

from fdcore import REPOSITORY
from fdcore.lean.library import declared_theorems, find_modules
from fdcore.records import Problem, markdown_table, read_records, write_text
from lean_project.generate.check import AUTOMATIC, HEADER, TACTICS, alone, compile_many
from lean_project.generate.generate import PROBLEMS, Checker

PAGE = REPOSITORY / "figures" / "library.md"
SPLITS = ("train", "test", "holdout")
GENERATED = ("Fd.Syntax", "Fd.Unexpand")  # by generate_syntax.py
KINDS = {"definitions": "def|abbrev|instance", "types and classes": "inductive|structure|class"}
BEFORE = r"^(?:@\[[^\]]*\] *)*(?:(?:protected|private|noncomputable) )*"
Sets = dict[str, list[Problem]]


def write_page(path: Path = PAGE) -> None:
    """Count everything anew. Lean tries every automatic tactic on every problem: minutes."""
    problems = read_sets()
    parts = (
        "# The tiny world: its library and its problems\n\nWritten by "
        "`python -m lean_project.generate page`; `lean_project/README.md` explains the terms.",
        count_declarations(),
        list_tactics(find_working_tactics()),
        count_tiers(problems),
        count_families(problems),
        count_lemmas(problems),
        show_automation(close_alone(problems, Checker())),
    )
    write_text(path, "\n\n".join(parts) + "\n")


def read_sets() -> Sets:
    """The committed problems by split."""
    return {split: read_records(PROBLEMS / f"{split}.jsonl", Problem) for split in SPLITS}


def read_examples() -> dict:
    """The tactics' examples: `setting`, `proofs` by name, `failures` (proof, message) by name."""
    return yaml.safe_load(Path(__file__).with_name("tactics.yaml").read_text(encoding="utf-8"))


def read_partition() -> tuple[set[str], set[str]]:
    """(known, unknown) lemmas."""
    recorded = json.loads((PROBLEMS / "partition.json").read_text(encoding="utf-8"))
    return set(recorded["known"]), set(recorded["unknown"])


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; all columns but the first are aligned to the right."""
    text = markdown_table(head, [[str(cell) for cell in row] for row in rows])
    return text.replace("| --- " * len(head), "| --- " + "| ---: " * (len(head) - 1), 1)


def share(part: int, whole: int) -> str:
    """A count and its share. Example: share(1, 8) is "1 (12.5%)"."""
    return f"{part} ({part / whole:.1%})" if whole else f"{part} (–)"


def count_declarations() -> str:
    """Documented theorems, definitions and types of each module."""
    rows = []
    for name, path in find_modules().items():
        if name in (*GENERATED, "Fd"):
            continue
        source = path.read_text(encoding="utf-8")
        patterns = [rf"{BEFORE}(?:{words})\b" for words in KINDS.values()]
        counts = [len(re.findall(pattern, source, re.MULTILINE)) for pattern in patterns]
        rows.append((f"`{name}`", len(declared_theorems(path)), *counts))
    sums = [sum(column) for column in list(zip(*rows, strict=True))[1:]]
    head = ("module", "theorems with a docstring", *KINDS)
    return "## Declarations by module\n\n" + table(head, [*rows, ("in all", *sums)])


def find_working_tactics() -> set[str]:
    """The examples that Lean accepts."""
    examples = read_examples()
    proofs = [(f"example {proof}", "") for proof in examples["proofs"].values()]
    answers = compile_many(proofs, header=HEADER + examples["setting"])
    return {name for name, works in zip(examples["proofs"], answers, strict=True) if works}


def list_tactics(working: set[str]) -> str:
    """Every tactic that has an example, and whether a failing one is tested for its message."""
    examples, rows = read_examples(), []
    for name in examples["proofs"]:
        fails = "✓" if name in examples["failures"] else ""
        shown = name if " " in name else f"`{name}`"
        rows.append((shown, "✓" if name in working else "✗", fails))
    return (
        "## Tactics and forms\n\nThe examples of `lean_project/generate/tactics.yaml`: a tick where"
        " Lean accepts the proof, and where a failing one is tested for its message.\n\n"
    ) + table(("tactic or form", "proves", "fails in plain words"), rows)


def count_tiers(problems: Sets) -> str:
    """Problems by split and tier, and how many need an unknown lemma."""
    unknown, rows = read_partition()[1], []
    for split, members in problems.items():
        count = Counter(problem.tier for problem in members)
        new = sum(bool(set(problem.lemmas) & unknown) for problem in members)
        size, counts = len(members), [*(count[tier] for tier in range(1, 6)), new]
        rows.append((split, size, *(share(part, size) for part in counts)))
    head = ("split", "problems", *(f"tier {tier}" for tier in range(1, 6)), "need an unknown lemma")
    return (
        "## Problems by split and tier\n\nTier 1: an automatic tactic closes it alone. Tiers 2 to "
        "5: by length and depth of the shortest known proof "
        "(`lean_project.generate.generate.effort`).\n\n"
    ) + table(head, rows)


def count_families(problems: Sets) -> str:
    """Generated problems by family."""
    train, test = (
        Counter(problem.source.removeprefix("generated: ") for problem in problems[split])
        for split in ("train", "test")
    )
    names = sorted(train | test, key=lambda name: (-train[name], name))
    rows = [(name, train[name], test[name]) for name in names]
    return "## Generated problems by family\n\n" + table(("family", "train", "test"), rows)


def count_lemmas(problems: Sets) -> str:
    """How many reference proofs name each lemma of the partition."""
    known, unknown = read_partition()
    uses = {
        split: Counter(lemma for problem in members for lemma in problem.lemmas)
        for split, members in problems.items()
    }
    rows = [
        (
            f"`{name}`",
            "known" if name in known else "unknown",
            *(uses[split][name] for split in uses),
        )
        for name in sorted(known | unknown)
    ]
    return (
        f"## Lemmas\n\n{len(known)} known, {len(unknown)} unknown; "
        "how many reference proofs name each.\n\n"
    ) + table(("lemma", "part", *problems), rows)


def close_alone(problems: Sets, check=compile_many) -> dict[str, dict[str, int]]:
    """Split -> tactic -> how many of its statements the tactic closes alone, by Lean.

    What all tactics together do not close, none does alone.
    """
    closed = {}
    for split, members in problems.items():
        answers = check([(problem.statement, AUTOMATIC) for problem in members])
        easy = [problem for problem, ok in zip(members, answers, strict=True) if ok]
        closed[split] = {
            tactic: sum(check([(problem.statement, alone(tactic)) for problem in easy]))
            for tactic in TACTICS
        } | {"any of them": len(easy)}
    return closed


def show_automation(closed: dict[str, dict[str, int]]) -> str:
    """The counts of `close_alone` as a table."""
    sizes = {split: len(members) for split, members in read_sets().items()}
    rows = [
        (
            f"`{tactic}`" if tactic in TACTICS else tactic,
            *(share(counts[tactic], sizes[split]) for split, counts in closed.items()),
        )
        for tactic in (*TACTICS, "any of them")
    ]
    return (
        "## What an automatic tactic closes alone\n\n"
        "After `intros`, by `simp` and `decide` before it too.\n\n"
    ) + table(("tactic", *closed), rows)
