"""The problem sets: their sizes and shares, disjoint splits, graded tiers, references that Lean accepts, and bad files refused by name."""

import random
from collections import Counter, defaultdict

import pytest

from fdcore import REPOSITORY
from fdcore.lean.library import core_library
from fdcore.records import Problem
from fdcore.worlds.problems import (
    AUTOMATIC,
    HEADER,
    ROOT,
    ProblemError,
    alone,
    compile_many,
    partition,
    read_problems,
    verify_references,
)
from lean_project.generate import generate as generator
from lean_project.generate import page as library_page
from lean_project.generate.facts import find_theorem_modules, normal_form
from lean_project.generate.families import FAMILIES
from lean_project.generate.generate import drafts, effort, even, grade, length, library_facts


@pytest.fixture(scope="module")
def sets():
    return {
        name: read_problems(ROOT / f"{name}.jsonl")
        for name in ("train", "test", "holdout", "warmup")
    }


def needs_unknown(problem):
    return bool(set(problem.lemmas) & partition()[1])


# -- what is there -------------------------------------------------------------------------------------------------------


def test_the_sets_are_large_enough(sets):
    assert len(sets["train"]) >= 4000 and len(sets["test"]) >= 400 and len(sets["holdout"]) >= 120


def test_no_statement_stands_in_two_sets_up_to_names_and_order_of_hypotheses(sets):
    forms = {
        name: {normal_form(problem.statement) for problem in found} for name, found in sets.items()
    }
    for name in ("train", "test", "holdout"):
        assert len(forms[name]) == len(sets[name])
        assert not any(forms[name] & forms[other] for other in forms if other != name)


@pytest.mark.parametrize("split", ["train", "test", "holdout"])
def test_every_tier_is_there_and_what_is_closed_alone_is_a_tenth_at_most(sets, split):
    share = {
        tier: count / len(sets[split])
        for tier, count in Counter(problem.tier for problem in sets[split]).items()
    }
    assert share[1] <= 0.1 and set(share) == {1, 2, 3, 4, 5} and min(share.values()) > 0.03
    assert share[2] + share[3] >= 0.5


@pytest.mark.parametrize("split", ["train", "test", "holdout", "warmup"])
def test_a_tier_says_how_long_and_deep_the_shortest_known_proof_is(sets, split):
    shortest = {}
    for problem in sets[split]:
        tier = grade(problem.proof, problem.lemmas)
        shortest[problem.statement] = min(tier, shortest.get(problem.statement, 5))
    assert [
        problem.id
        for problem in sets[split]
        if problem.tier > 1 and problem.tier != shortest[problem.statement]
    ] == []


@pytest.mark.parametrize("split", ["train", "test", "holdout"])
def test_many_problems_need_an_unknown_lemma(sets, split):
    assert sum(map(needs_unknown, sets[split])) >= 0.4 * len(sets[split])


def test_lemmas_are_library_theorems_from_many_modules_and_each_has_its_problems(sets):
    known, unknown = partition()
    assert (
        not known & unknown
        and len({find_theorem_modules()[name] for name in known | unknown}) >= 15
    )
    assert {
        lemma
        for name in ("train", "test", "warmup")
        for problem in sets[name]
        for lemma in problem.lemmas
    } <= known | unknown
    assert {
        lemma for problem in sets["holdout"] for lemma in problem.lemmas
    } <= core_library().theorem_names
    used = Counter(lemma for problem in sets["train"] for lemma in problem.lemmas)
    assert sum(used.values()) / len(used) >= 50


def test_no_family_dominates(sets):
    families = Counter(problem.source for problem in sets["train"])
    assert len(families) >= 25 and max(families.values()) <= 0.12 * len(sets["train"])


@pytest.mark.parametrize(
    "split, first", [("train", 200), ("test", 48), ("test", 100), ("holdout", 63)]
)
def test_a_beginning_of_a_file_has_the_shares_of_the_whole(sets, split, first):
    whole, part = sets[split], sets[split][:first]
    for property_ in (
        needs_unknown,
        *(lambda problem, tier=tier: problem.tier == tier for tier in range(1, 6)),
    ):
        assert (
            abs(sum(map(property_, part)) / first - sum(map(property_, whole)) / len(whole)) <= 0.08
        )


def test_statements_are_short(sets):
    assert max(length(problem.statement) for name in sets for problem in sets[name]) <= 62


# -- what Lean says ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", ["train", "test", "holdout"])
def test_lean_accepts_every_reference(sets, split, library):
    verify_references(sets[split])


def test_what_an_automatic_tactic_closes_alone_is_tier_1(sets, library):
    some = [*sets["test"], *sets["holdout"], *random.Random(0).sample(sets["train"], 200)]
    closed = compile_many([(problem.statement, AUTOMATIC) for problem in some])
    assert [
        problem.id for problem, is_closed in zip(some, closed) if is_closed != (problem.tier == 1)
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


# -- bad files -----------------------------------------------------------------------------------------------------------


def problem(
    name,
    statement="theorem thm (a b : Nat) : a + b = b + a := by",
    proof="\n  exact Nat.add_comm a b",
):
    return Problem(id=name, header=HEADER, statement=statement, split="train", proof=proof)


def test_a_reference_that_fails_and_a_statement_that_lean_cannot_read_are_refused_by_id(library):
    with pytest.raises(
        ProblemError, match="problem second: Lean does not accept its reference proof"
    ):
        verify_references(
            [
                problem("first"),
                problem("second", proof="\n  exact Nat.mul_comm a b"),
                problem("third"),
            ]
        )
    with pytest.raises(ProblemError, match="problem odd: Lean does not accept"):
        verify_references(
            [
                problem("first"),
                problem("odd", statement="theorem thm (a b : Nat : a + b = := by"),
                problem("third"),
            ]
        )


def test_a_duplicate_id_is_refused_by_id(tmp_path):
    path = tmp_path / "twice.jsonl"
    path.write_text(
        "".join(problem(name).model_dump_json() + "\n" for name in ("one", "two", "one"))
    )
    with pytest.raises(ProblemError, match=r"twice.jsonl: problem id 'one' appears more than once"):
        read_problems(path)


@pytest.mark.parametrize(
    "statement, said",
    [("theorem thm : True := by simp", "must end in ':= by'"), ("example : True := by", "odd")],
)
def test_a_statement_that_is_none_is_refused_by_id(tmp_path, statement, said):
    path = tmp_path / "odd.jsonl"
    path.write_text(
        problem("fine").model_dump_json()
        + "\n"
        + problem("odd")
        .model_dump_json()
        .replace("theorem thm (a b : Nat) : a + b = b + a := by", statement)
        + "\n"
    )
    with pytest.raises(ValueError, match="odd.*" + said if said != "odd" else said):
        read_problems(path)


def test_an_empty_and_a_missing_file_are_refused_by_name(tmp_path):
    (tmp_path / "empty.jsonl").write_text("")
    for name in ("empty", "missing"):
        with pytest.raises(ProblemError, match=f"{name}.jsonl"):
            read_problems(tmp_path / f"{name}.jsonl")


# -- how they are made ---------------------------------------------------------------------------------------------------


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
    assert generator.Judge()(pairs) == [True, False]
    monkeypatch.setattr(generator, "compile_many", lambda pairs: pytest.fail("asked again"))
    assert generator.Judge()(pairs[::-1]) == [False, True]


def test_too_few_theorems_of_a_tier_say_what_to_do():
    with pytest.raises(
        ProblemError,
        match="train: tier 5 with an unknown lemma: .* theorems too few; raise per_family",
    ):
        generator.draw(defaultdict(list), 100, "train")


def test_every_key_has_its_turn():
    assert even("aaabbc", str) == list("abcaba")


# -- the page ------------------------------------------------------------------------------------------------------------


def test_the_committed_page_is_what_the_sources_give(sets):
    page = (REPOSITORY / "figures" / "library.md").read_text(encoding="utf-8")
    splits = {split: sets[split] for split in library_page.SPLITS}
    for part in (
        library_page.declarations(),
        library_page.tiers(splits),
        library_page.families(splits),
        library_page.lemmas(splits),
        library_page.tactics(set(library_page.test_tables()["PROOFS"])),
    ):
        assert part in page


def test_the_page_counts_what_is_closed_alone(sets, library):
    page = (REPOSITORY / "figures" / "library.md").read_text(encoding="utf-8")
    size, counts = library_page.closed_alone({"holdout": sets["holdout"]})["holdout"]
    for tactic, count in counts.items():
        row = next(
            line
            for line in page.splitlines()
            if line.startswith((f"| `{tactic}` | ", f"| {tactic} | "))
            and line.count("|") == 5
            and "%" in line
        )
        assert row.split(" | ")[3].startswith(f"{count} (")
