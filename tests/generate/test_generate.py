"""Problems are made from a seed, every reference passes Lean, and the page counts what is there."""

import random
from collections import defaultdict

import pytest

from fdcore import REPOSITORY
from fdcore.records import Problem
from fdcore.worlds.problems import ROOT, read_problems
from lean_project.generate import generate as generator
from lean_project.generate import page as library_page
from lean_project.generate.check import (
    AUTOMATIC,
    HEADER,
    alone,
    compile_many,
    verify_references,
)
from lean_project.generate.families import FAMILIES
from lean_project.generate.generate import drafts, effort, library_facts, take_turns


@pytest.fixture(scope="module")
def sets():
    names = ("train", "test", "holdout", "warmup")
    return {name: read_problems(ROOT / f"{name}.jsonl") for name in names}


def problem(
    name,
    statement="theorem thm (a b : Nat) : a + b = b + a := by",
    proof="\n  exact Nat.add_comm a b",
):
    return Problem(id=name, header=HEADER, statement=statement, split="train", proof=proof)


# -- what Lean says --------------------------------------------------------------------------------


@pytest.mark.parametrize("split", ["train", "test", "holdout", "warmup"])
def test_lean_accepts_every_reference(sets, split, library):
    verify_references(sets[split])


def test_what_an_automatic_tactic_closes_alone_is_tier_1(sets, library):
    some = [*sets["test"], *sets["holdout"], *random.Random(0).sample(sets["train"], 200)]
    closed = compile_many([(problem.statement, AUTOMATIC) for problem in some])
    assert [
        problem.id
        for problem, is_closed in zip(some, closed, strict=True)
        if is_closed != (problem.tier == 1)
    ] == []


def test_each_automatic_tactic_counts_only_where_it_leaves_no_goal(library):
    statements = [
        "theorem t (a b : Nat) (h : a < b) : a + 1 ≤ b := by",
        "theorem t (a b : Nat) : a * b = b * a := by",
        "theorem t (a b : Nat) : a ∣ b := by",
    ]
    assert compile_many([(statement, alone("omega")) for statement in statements]) == [
        True,
        False,
        False,
    ]
    assert compile_many([(statement, alone("ac_rfl")) for statement in statements]) == [
        False,
        True,
        False,
    ]
    assert compile_many([(statement, alone("norm_cast")) for statement in statements[1:]]) == [
        False,
        False,
    ]
    assert compile_many([(statement, AUTOMATIC) for statement in statements]) == [True, True, False]


def test_errors_in_great_number_do_not_hide_the_last_one(library):
    answers = compile_many(
        [("theorem t (a b : Nat) : a = b := by", " omega")] * 150
        + [("theorem t : True := by", " trivial")]
    )
    assert answers == [False] * 150 + [True]


def test_a_reference_that_fails_and_a_statement_that_lean_cannot_read_are_refused_by_id(library):
    with pytest.raises(ValueError, match="second"):
        verify_references(
            [
                problem("first"),
                problem("second", proof="\n  exact Nat.mul_comm a b"),
                problem("third"),
            ]
        )
    with pytest.raises(ValueError, match="odd"):
        verify_references(
            [
                problem("first"),
                problem("odd", statement="theorem thm (a b : Nat : a + b = := by"),
                problem("third"),
            ]
        )


# -- how they are made -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "proof, steps",
    [
        ("exact L ..", 2),
        ("rw [L]", 2),
        ("exact (L ..).symm", 4),
        ("rw [L]\n  exact h", 4),
        ("exact ⟨L .., M ..⟩", 6),
        ("exact M (L h) k", 8),
        ("simp [L]", 2),
    ],
)
def test_effort_counts_words_depth_and_further_lemmas(proof, steps):
    assert effort(proof, ["L", "M"]) == steps


def test_a_seed_makes_the_same_drafts():
    facts = [
        fact
        for fact in library_facts()
        if fact.name in ("Nat.mul_pos", "pow_succ'", "Nat.gcd_assoc", "Option.ext")
    ]
    assert len(facts) == 4
    made = drafts(facts, 2, 0, list(FAMILIES))
    assert (
        made == drafts(facts, 2, 0, list(FAMILIES)) != drafts(facts, 2, 1, list(FAMILIES))
        and len(made) > 40
    )


def test_what_lean_answered_is_not_asked_again(library, tmp_path, monkeypatch):
    monkeypatch.setenv("FD_CACHE", str(tmp_path))
    pairs = [
        ("theorem t (a b : Nat) : a + b = b + a := by", " omega"),
        ("theorem t (a b : Nat) : a * b = b * a := by", " omega"),
    ]
    assert generator.Checker()(pairs) == [True, False]
    monkeypatch.setattr(generator, "compile_many", lambda pairs: pytest.fail("asked again"))
    assert generator.Checker()(pairs[::-1]) == [False, True]


def test_too_few_theorems_of_a_tier_say_what_to_do():
    with pytest.raises(
        ValueError,
        match="train: tier 5 .*per_family",
    ):
        generator.draw(defaultdict(list), 100, "train")


def test_every_key_has_its_turn():
    assert take_turns("aaabbc", str) == list("abcaba")


# -- the page --------------------------------------------------------------------------------------


def test_the_committed_page_is_what_the_sources_give(sets):
    page = (REPOSITORY / "figures" / "library.md").read_text(encoding="utf-8")
    splits = {split: sets[split] for split in library_page.SPLITS}
    for part in (
        library_page.count_declarations(),
        library_page.count_tiers(splits),
        library_page.count_families(splits),
        library_page.count_lemmas(splits),
        library_page.list_tactics(set(library_page.read_examples()["proofs"])),
    ):
        assert part in page


def test_the_page_counts_what_is_closed_alone(sets, library):
    page = (REPOSITORY / "figures" / "library.md").read_text(encoding="utf-8")
    counts = library_page.close_alone({"holdout": sets["holdout"]})["holdout"]
    for tactic, count in counts.items():
        row = next(
            line
            for line in page.splitlines()
            if line.startswith((f"| `{tactic}` | ", f"| {tactic} | "))
            and line.count("|") == 5
            and "%" in line
        )
        assert row.split(" | ")[3].startswith(f"{count} (")
