"""Header, statement and proof of any Lean text: nothing lost, and only code counts as code."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fdcore.lean.source import SourceError, code, split_source, theorem_name, words

DATA = Path(__file__).parents[1] / "data"
MINIF2F = [
    json.loads(line) for line in (DATA / "minif2f.jsonl").read_text(encoding="utf-8").splitlines()
]
WORKBOOK = [
    json.loads(line)
    for line in (DATA / "lean_workbook_solved.jsonl").read_text(encoding="utf-8").splitlines()
]


def test_every_minif2f_row_comes_apart_where_the_file_says():
    assert len(MINIF2F) == 488
    for row in MINIF2F:
        stated = row["informal"] + row["formal_statement"].removesuffix("\n")
        assert split_source(
            row["header"] + row["informal"] + row["formal_statement"] + "  sorry -- -/"
        ) == (row["header"], stated, "\n  sorry -- -/"), row["name"]
        assert theorem_name(stated) == row["name"]


def test_every_lean_workbook_row_comes_apart_where_the_file_says():
    assert len(WORKBOOK) == 50
    for row in WORKBOOK:
        assert split_source(row["header"] + row["formal_statement"] + row["proof"]) == (
            row["header"],
            row["formal_statement"],
            row["proof"],
        ), row["name"]
        assert theorem_name(row["formal_statement"]) == row["name"]


HEADER = "import Mathlib\n\nopen Real\n\n"


@pytest.mark.parametrize(
    "statement, name",
    [
        ("theorem t : let x := 1; x = 1 := by", "t"),
        ("theorem t : have h := 1\n  let y := h; y = 1 := by", "t"),
        ('theorem t (x : Nat := 2) {s : String := ":= by"} : x = 2 := by', "t"),
        ("theorem t : (let x := 1; x) = 1 := by", "t"),
        ("theorem t : f (n := 1) ⟨rfl⟩ [a := 2] = {x := 3} := by", "t"),
        ("theorem t : -- not yet := by\n  True := by", "t"),
        ("theorem t /- a /- nested := by -/ still := by -/ : True :=\n  by", "t"),
        ("/-- Pythagoras' theorem x := by, that lemma -/\ntheorem t : True := by", "t"),
        ("/--/ theorem x : True := by -/\nlemma t : True := by", "t"),
        ("/-- one -/\n@[simp, foo [a]] private theorem A.t' : True := by", "A.t'"),
        ("set_option maxRecDepth 1 in\nopen Nat in\n-- why\ntheorem t : True := by", "t"),
        ("theorem «odd := by» : True := by", "«odd := by»"),
        ("theorem t (f : ℕ → ℕ) (s) : f '' s = f '' s ∧ x' = 'a' ∧ '\"' = '\\'' := by", "t"),
        ('theorem t : s!"{x} := by" = r#""" := by"# := by', "t"),
        ("theorem t\r\n  (α β : ℝ) ⦃γ : ℝ⦄ :\r\n  α ≤ β := by", "t"),
        ("theorem t.{u, v} (α : Type u) (β : Type v) : α = α := by", "t"),
        ("lemma A.t'.{u} : True := by", "A.t'"),
        ("theorem outlet (letter : ℕ) (h : letter.let = 1) : letter = 1 := by", "outlet"),
    ],
)
@pytest.mark.parametrize(
    "header",
    [
        "",
        HEADER,
        HEADER
        + "def f := 1\n\nlemma before : f = 1 := by\n  rfl\n\n/- theorem no : 1 = 1 := by -/\n\n",
    ],
)
@pytest.mark.parametrize(
    "proof",
    [
        "",
        " sorry",
        "\n  let y := 1\n  have h : y = 1 := by rfl\n  exact h -- theorem\n",
        "\r\n  trivial",
    ],
)
def test_parts_are_found_whatever_stands_in_them(header, statement, name, proof):
    assert split_source(header + statement + proof) == (header, statement, proof)
    assert theorem_name(header + statement + proof) == name


def test_a_proof_that_is_a_term_begins_behind_the_sign():
    assert split_source("theorem t : True := trivial") == ("", "theorem t : True :=", " trivial")
    assert split_source("theorem t : True := bye") == ("", "theorem t : True :=", " bye")


def test_the_last_theorem_is_the_one():
    first, second = "theorem a : True := by\n  trivial\n\n", "theorem b : True := by"
    assert split_source(first + second) == (first, second, "")


@pytest.mark.parametrize(
    "text, reason",
    [
        ("def x := 1", "theorem"),
        ("-- theorem t : True := by", "theorem"),
        ("example : True := by trivial", "theorem"),
        ("theorem t : True", ":="),
        ("theorem t : ∀ n, P n\n  | 0 => a", ":="),
        ("theorem t : let x := 1; x = 1", ":="),
        ("theorem t\n (x) ) := by", r"line 2.*\)"),
        ("theorem t : (x] := by", r"\]"),
        ("theorem t : True := by\n /- a /- b -/", "line 2.*comment"),
        ("/--/ theorem t : True := by", "line 1.*comment"),
        ('theorem t : "a\\" := by', "string"),
    ],
)
def test_a_text_without_such_parts_is_refused_with_the_reason(text, reason):
    with pytest.raises(SourceError, match=reason):
        split_source(text)


@given(st.text(st.sampled_from(list("theorm lab:=y()/-\"'«»\n\r\\{}ℝ⟨⟩")), max_size=80))
def test_no_text_loses_a_character_or_breaks_the_splitter(text):
    source = "lemma a : b := by" + text
    try:
        blanked = code(source)
        parts = split_source(source)
    except SourceError:
        return
    assert "".join(parts) == source
    assert len(blanked) == len(source)


def test_blanking_leaves_code_and_line_ends_where_they_were():
    text = "a -- b\n/- c\r\nd -/ e \"f\" «g» /-- h -/ 'i' j'"
    blanked = code(text)
    assert blanked == 'a     \n    \r\n     e """ xxx ' + "\x00" * 8 + ' """ j\''


def test_nested_comments_take_linear_time():
    with pytest.raises(SourceError, match="comment"):
        code("/- " * 3000 + "-/ " * 2999)


def test_what_never_closes_costs_linear_time():
    started = time.monotonic()
    for text in ("«" * 200_000, 'r#"' * 60_000, "« " * 100_000):
        words(text)
    assert time.monotonic() - started < 5
