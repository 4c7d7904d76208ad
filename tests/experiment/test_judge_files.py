"""`fdcore judge`: one proof file against one statement file. Real Lean."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from fdcore.__main__ import app
from fdcore.experiment.judge import judge_files
from tests.attacks import COMM, HEADER, HONEST, SETTINGS


def judge(library, folder: Path, statement: str, proof: str):
    """The verdict on two files with these contents."""
    (folder / "S.lean").write_text(statement)
    (folder / "P.lean").write_text(proof)
    return judge_files(folder / "S.lean", folder / "P.lean", library, SETTINGS)


@pytest.mark.parametrize(
    "statement, proof, status",
    [
        (HEADER + COMM + " sorry\n", HONEST, "verified"),
        (HEADER + COMM, HEADER + HONEST, "verified"),
        (COMM, "rw [Nat.add_comm]", "verified"),
        (COMM, "\n  rw [Nat.add_comm]\n", "verified"),
        ("open Nat\n" + COMM, "rw [Nat.add_comm]", "verified"),
        ("\ufeff-- a note\n/-- theorem x -/\n" + COMM, "\ufeffrw [Nat.add_comm]", "verified"),
        (
            "prelude\nimport Fd\n/-\nimport note: see below\n-/\nopen Nat\n" + COMM,
            HONEST,
            "verified",
        ),
        ("import Fd\n" + COMM, HONEST, "verified"),
        ("namespace A\n" + COMM + " sorry -- here\nend A", HONEST, "verified"),
        (COMM + " -- sorry", "\nhave h := Nat.add_comm a b\nexact h\n", "verified"),
        (COMM, "open Nat in\nexact Nat.add_comm a b", "verified"),
        (COMM, "set_option maxRecDepth 1000 in\nrw [Nat.add_comm]", "verified"),
        (COMM, "open Nat in " + HONEST, "verified"),
        (COMM, HONEST + "-- a\ttab", "verified"),
        (COMM, "rfl", "failed"),
        (COMM, "", "failed"),
        (COMM, "sorry", "sorry"),
        (COMM, "axiom cheat : False\n" + HONEST, "forbidden"),
    ],
)
def test_a_proof_is_a_whole_file_or_the_tactics(library, tmp_path, statement, proof, status):
    verdict = judge(library, tmp_path, statement, proof)
    assert verdict.status == status, verdict


@pytest.mark.parametrize(
    "header",
    ["def f (n : Nat) : Nat :=\n  n\n\n/-- doc -/\ndef g : Nat := 1\n", "namespace Foo\n\n"],
)
def test_the_statements_own_file_with_the_sorry_replaced_is_a_proof(library, tmp_path, header):
    whole = header + COMM + "\n  exact Nat.add_comm a b\n"
    assert judge(library, tmp_path, header + COMM + " sorry\n", whole).verified
    if "Foo" in header:
        assert judge(library, tmp_path, header + COMM, whole + "end Foo\n").verified
    assert not judge(library, tmp_path, header + COMM, header + COMM + "\n  rfl").verified


@pytest.mark.parametrize(
    "statement",
    [
        "theorem Nat.add_comm (a b : Nat) : a + b = b + a := by",
        "def t : Nat := 1\n" + COMM,
        COMM + " rfl",
        "def x := 1",
        "theorem t : True := trivial",
        "theorem t (a : Nat) : a + = a := by",
        "import Mathlib\n" + COMM,
    ],
)
def test_a_faulty_statement_is_an_error_that_names_its_file(library, tmp_path, statement):
    with pytest.raises(ValueError, match="S.lean"):
        judge(library, tmp_path, statement, HONEST)


RIGHT = "exact Nat.add_comm a b\n"
FORMS = {
    "line ends of Windows": HEADER.replace("\n", "\r\n") + COMM + "\r\n  sorry\r\n",
    "by on a line of its own": HEADER + COMM.removesuffix(" by") + "\n  by\n  sorry\n",
    "another theorem above": HEADER + "theorem a : True := trivial\n\n" + COMM,
    "an own definition above": HEADER + "def two := 2\n\n" + COMM,
    "a byte-order mark": "\ufeff" + HEADER + COMM,
    "no header": COMM,
    "an import without prelude": "import Fd\n\n" + COMM,
    "another library's header": "import Mathlib\n\n" + COMM.replace("Nat", "ℕ"),
    "a comment behind": HEADER + COMM + " sorry -- TODO\n",
    "sorry as a term": HEADER + COMM.removesuffix(" by") + " sorry\n",
    "an attribute": HEADER + "@[simp] " + COMM,
    "two attributes": HEADER + "@[simp]\n@[reducible]\n" + COMM,
    "indented": HEADER + "  " + COMM,
    "a doc comment that states a theorem": HEADER + "/-- theorem t (n) -/ " + COMM,
    "private": HEADER + "private " + COMM,
    "a universe": HEADER + COMM.replace("theorem t", "theorem t.{u}"),
    "the library's own name": HEADER + COMM.replace("theorem t", "theorem Nat.add_comm"),
    "open in": HEADER + "open Nat in\n" + COMM,
    "a tab": HEADER + COMM.replace(") : ", ") :\t"),
}


@pytest.mark.parametrize("statement", FORMS.values(), ids=FORMS)
def test_a_right_proof_of_any_form_of_statement_is_verified_or_the_form_is_refused(
    library, tmp_path, statement
):
    """Never `failed`: that would say that the proof is wrong."""
    try:
        verdict = judge(library, tmp_path, statement, RIGHT)
    except ValueError as error:
        assert "S.lean" in str(error) and "\n" not in str(error)
    else:
        assert verdict.verified, verdict


def test_a_file_that_is_no_utf_8_is_an_error_that_names_it(library, tmp_path):
    (tmp_path / "S.lean").write_text(COMM)
    (tmp_path / "P.lean").write_bytes(b"rw [\xff]")
    with pytest.raises(ValueError, match="P.lean.*UTF-8 at byte 4"):
        judge_files(tmp_path / "S.lean", tmp_path / "P.lean", library, SETTINGS)


def test_a_missing_file_is_an_error_that_names_it(library, tmp_path):
    with pytest.raises(ValueError, match="S.lean"):
        judge_files(tmp_path / "S.lean", tmp_path / "P.lean", library, SETTINGS)


@pytest.mark.parametrize(
    "statement, proof, code",
    [(COMM, HONEST, 0), (COMM, "rfl", 1), ("import Mathlib\n" + COMM, HONEST, 2), ("", "", 2)],
)
def test_the_exit_code_tells_a_wrong_proof_from_a_fault(tmp_path, statement, proof, code):
    paths = tmp_path / "S.lean", tmp_path / "P.lean"
    for path, text in zip(paths, (statement, proof), strict=True):
        path.write_text(text)
    words = ["judge", "--statement", str(paths[0]), "--proof", str(paths[1])]
    assert CliRunner().invoke(app, words).exit_code == code
