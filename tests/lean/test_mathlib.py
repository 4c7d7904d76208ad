"""The same verdicts over Mathlib as over the core library. The PyPI Lean stands in for elan's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fdcore.lean.library import Library, mathlib_library
from fdcore.lean.screen import screen
from fdcore.lean.verifier import (
    Verifier,
    _Bench,
    _File,
    _rejection,
    _rows,
    header_for,
    split_header,
    split_imports,
)
from fdcore.records import Problem
from tests.attacks import COMM, FAMILIES, HONEST
from tests.lean.test_open_library import make_mathlib_project

HEADER = "prelude\nimport Mathlib\n\nset_option maxHeartbeats 20000\n\nopen Nat\n\n"
SETTINGS = dict(
    header=HEADER,
    axioms=("propext", "Quot.sound", "Classical.choice"),
    timeout_seconds=20,
    memory_mb=2048,
    heartbeats=20000,
    workers=1,
    cache_dir=None,
)
OPEN = "theorem t (a b : Nat) (h : a < b) : a + 1 ≤ b := by"
WORKBOOK = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "data" / "lean_workbook_solved.jsonl")
    .read_text(encoding="utf-8")
    .splitlines()
]


@pytest.fixture
def mathlib(library, tmp_path, monkeypatch) -> Library:
    return mathlib_library(make_mathlib_project(tmp_path, library, monkeypatch))


def problem(header: str = HEADER, statement: str = OPEN) -> Problem:
    return Problem(id="p", header=header, statement=statement, split="train")


def test_verdicts_in_a_lake_project(mathlib):
    mine = COMM.replace("Nat", "ℕℕ")
    with Verifier(mathlib, **SETTINGS) as verifier:
        bench = verifier._all[0]
        assert (bench.elaborator, bench.judged) == (None, None) and bench.server is not None
        attacks = [
            found.attacks[name]
            for family, name in (
                ("no proof", "sorry"),
                ("another statement", "a weaker statement"),
                ("new ground", "an axiom"),
            )
            for found in [FAMILIES[family]]
        ]
        sources = [
            HONEST,
            HEADER + HONEST,
            OPEN + "\n  exact succ_le_of_lt h\n",
            COMM + "\n  exact foo\n",
            mine + " rfl",
            *(source for _, source in attacks),
        ]
        verdicts = verifier.check_many(
            [
                (problem(statement=OPEN if source.startswith(OPEN) else COMM), source)
                for source in sources
            ]
        )
        assert [v.status for v in verdicts] == [
            "verified",
            "verified",
            "verified",
            "failed",
            "failed",
            *(status for status, _ in attacks),
        ]
        assert [(m.line, m.column) for m in verdicts[3].messages] == [(2, 8)]
        pid = bench.server._process.pid
        assert (
            not verifier.check(problem(), OPEN + "\n  exact bar\n").verified
            and bench.server._process.pid == pid
        )  # the header is held


def test_a_problem_is_judged_under_its_own_header(mathlib):
    """`open Nat` makes `succ_le_of_lt` known; without it the same proof fails."""
    with Verifier(mathlib, **SETTINGS) as verifier:
        source = OPEN + "\n  exact succ_le_of_lt h\n"
        closed, opened = (
            problem("prelude\nimport Mathlib\nset_option maxHeartbeats 0\nopen Function\n"),
            problem("prelude\nimport Mathlib\n\nopen Nat Function\n"),
        )
        assert [
            v.status
            for v in verifier.check_many([(problem(), source), (closed, source), (opened, source)])
        ] == ["verified", "failed", "verified"]
        failed = verifier.check(closed, source).messages[0]
        assert failed.line == 2 and "succ_le_of_lt" in failed.text


def test_a_header_keeps_the_verifiers_imports_and_limits():
    own = "import Mathlib\nimport Evil\nset_option maxHeartbeats 0\n\nopen Real\nopen scoped BigOperators\n"
    profile = "import Mathlib\nimport Aesop\n\nset_option maxHeartbeats 400000\n\nopen Nat\n\n"
    assert (
        header_for(problem(own), profile)
        == "import Mathlib\nimport Aesop\nset_option maxHeartbeats 400000\nopen Real\nopen scoped BigOperators\n"
    )
    assert (
        header_for(problem(profile.replace("\n\n", "\n")), profile)
        == header_for(problem(""), profile)
        == profile
    )
    assert split_imports(profile) == (
        "import Mathlib\nimport Aesop\n",
        "\nset_option maxHeartbeats 400000\n\nopen Nat\n\n",
    )


@pytest.mark.parametrize("row", WORKBOOK, ids=[row["name"] for row in WORKBOOK])
def test_recorded_answers_of_a_lean_with_mathlib_are_read_as_the_verifiers_own(row):
    """The REPL's messages have the shape of `lean --json` and count lines from the end of the last import's; their places must hit the text that the model wrote."""
    header = row["header"]
    stated = Problem(id="p", header=header, statement=row["formal_statement"], split="train")
    imports, context = split_imports(header_for(stated, header))
    source = header + stated.statement + row["proof"]
    body, dropped = split_header(source, header)
    assert (screen(body, row["name"]), imports + context) == (None, header)
    answer = row["repl_response"]["results"][0]
    raw = _rows((answer["response"] or {}).get("messages", []), above=imports.count("\n") - 1)
    messages = _Bench._messages(raw, _File(stated, imports, context, body, dropped))
    assert _rejection(messages, any(m.sorry for m in raw), 0.0) is None
    lines = source.splitlines()
    for message in messages:
        assert dropped < message.line <= len(lines)
        named = (
            message.text.split("`")[1] if message.text.startswith(("`", "unused variable")) else ""
        )
        assert lines[message.line - 1][message.column :].startswith(named), message
