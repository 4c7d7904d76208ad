"""The same judge over Mathlib as over the core library. The PyPI Lean stands in for elan's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fdcore.lean.library import Library, mathlib_library
from fdcore.lean.verifier import Verifier, _read_messages
from fdcore.records import Problem
from tests.attacks import COMM, FAMILIES, HONEST
from tests.attacks import SETTINGS as CORE
from tests.lean.test_open_library import make_mathlib_project

HEADER = "prelude\nimport Mathlib\n\nset_option maxHeartbeats 20000\n\nopen Nat\n\n"
SETTINGS = CORE.model_copy(update={"header": HEADER, "workers": 1})
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
    attacks = [
        attack for name in ("no proof", "extensions") for attack in FAMILIES[name].attacks.values()
    ]
    unchecked = "/-/-/ set_option debug.skipKernelTC true\n-- -/ -/\n"
    expected = {
        HONEST: "verified",
        HEADER + HONEST: "verified",
        "import Mathlib\nopen Nat\nset_option maxHeartbeats 0\n" + HONEST: "verified",
        "import Fd.Nat.Basic\n" + HONEST: "verified",
        "import Lean\n" + HONEST: "forbidden",
        OPEN + "\n  exact succ_le_of_lt h\n": "verified",
        COMM + "\n  exact foo\n": "failed",
        COMM.replace("Nat", "ℕℕ") + " rfl": "failed",
        unchecked + COMM + "\n  decide +kernel": "forbidden",
    }
    expected |= {source: status for status, source in attacks}
    with Verifier(mathlib, SETTINGS, cache_dir=None) as verifier:
        pairs = [
            (problem(statement=OPEN if source.startswith(OPEN) else COMM), source)
            for source in expected
        ]
        verdicts = verifier.check_many(pairs)
        assert dict(zip(expected, [v.status for v in verdicts], strict=True)) == expected
        failed = verdicts[list(expected).index(COMM + "\n  exact foo\n")]
        assert [(m.line, m.column) for m in failed.messages] == [(2, 8)]


def test_a_problem_is_judged_under_its_own_header(mathlib):
    """`open Nat` makes `succ_le_of_lt` known; without it the same proof fails."""
    source = OPEN + "\n  exact succ_le_of_lt h\n"
    closed = problem("prelude\nimport Mathlib\nset_option maxHeartbeats 0\nopen Function\n")
    opened = problem("prelude\nimport Mathlib\n\nopen Nat Function\n")
    with Verifier(mathlib, SETTINGS, cache_dir=None) as verifier:
        pairs = [(problem(), source), (closed, source), (opened, source)]
        statuses = [v.status for v in verifier.check_many(pairs)]
        assert statuses == ["verified", "failed", "verified"]
        failed = verifier.check(closed, source).messages[0]
        assert failed.line == 2 and "succ_le_of_lt" in failed.text


def test_what_a_header_imports_beyond_the_profiles_is_a_fault_of_the_problem(mathlib):
    evil = problem("import Mathlib\nimport Evil\nset_option maxHeartbeats 0\nopen Nat\n")
    with Verifier(mathlib, SETTINGS, cache_dir=None) as verifier:
        assert "import Evil" in verifier.check(evil, None).detail
        with pytest.warns(UserWarning, match="import Evil"):
            assert verifier.check(evil, OPEN + "\n  exact succ_le_of_lt h").status == "failed"


@pytest.mark.parametrize("row", WORKBOOK, ids=[row["name"] for row in WORKBOOK])
def test_recorded_answers_of_a_lean_with_mathlib_hold_nothing_against_a_proof(row):
    """The REPL's messages have the shape of `lean --json`; all the recorded proofs were right."""
    answer = row["repl_response"]["results"][0]
    messages, has_sorry = _read_messages((answer["response"] or {}).get("messages", []))
    assert not has_sorry and all(message.severity != "error" for message in messages)


def test_the_screen_refuses_none_of_the_recorded_proofs(library):
    """Without Mathlib they fail, but for what they name, and not for what they are."""
    pairs = []
    for row in WORKBOOK:
        stated = problem("prelude\nimport Fd\n", row["formal_statement"])
        pairs.append((stated, stated.statement + row["proof"]))
    with Verifier(library, CORE, cache_dir=None) as verifier:
        verdicts = verifier.check_many(pairs)
    assert {verdict.status for verdict in verdicts} <= {"failed", "verified"}
