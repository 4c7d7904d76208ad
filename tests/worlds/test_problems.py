"""The problem sets: sizes and shares, disjoint splits, graded tiers; bad files are named."""

from collections import Counter

import pytest

from fdcore.lean.library import core_library
from fdcore.records import Problem
from fdcore.worlds.problems import ROOT, ProblemError, read_familiarity, read_problems
from lean_project.generate.facts import canonical_form, find_theorem_modules
from lean_project.generate.generate import grade, length
from lean_project.generate.page import read_partition


@pytest.fixture(scope="module")
def sets():
    return {
        name: read_problems(ROOT / f"{name}.jsonl")
        for name in ("train", "test", "holdout", "warmup")
    }


def needs_unknown(problem):
    return bool(set(problem.lemmas) & read_partition()[1])


# -- what is there ---------------------------------------------------------------------------------


def test_the_sets_are_large_enough(sets):
    assert len(sets["train"]) >= 4000 and len(sets["test"]) >= 400 and len(sets["holdout"]) >= 120


def test_no_statement_stands_in_two_sets_up_to_names_and_order_of_hypotheses(sets):
    forms = {
        name: {canonical_form(problem.statement) for problem in found}
        for name, found in sets.items()
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
    known, unknown = read_partition()
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


def test_every_lemma_has_a_familiarity_and_confusions_that_are_other_names(sets):
    table, theorems = read_familiarity(), core_library().theorem_names
    lemmas = {
        lemma for name in ("train", "test", "warmup") for p in sets[name] for lemma in p.lemmas
    }
    assert lemmas == table.familiarity.keys() == table.confusions.keys()
    unknown = {lemma for lemma, share in table.familiarity.items() if share == 0}
    assert len(unknown) == 8 and max(table.familiarity.values()) == 0.5
    for lemma, names in table.confusions.items():
        assert len(set(names) - {lemma} - unknown) == 7
        assert len(theorems & {*names}) == 5


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


# -- bad files -------------------------------------------------------------------------------------


def problem(
    name,
    statement="theorem thm (a b : Nat) : a + b = b + a := by",
    proof="\n  exact Nat.add_comm a b",
):
    return Problem(
        id=name, header="prelude\nimport Fd\n\n", statement=statement, split="train", proof=proof
    )


def test_a_duplicate_id_is_refused_by_id(tmp_path):
    path = tmp_path / "twice.jsonl"
    path.write_text(
        "".join(problem(name).model_dump_json() + "\n" for name in ("one", "two", "one"))
    )
    with pytest.raises(ProblemError, match="twice.jsonl.*'one'"):
        read_problems(path)


@pytest.mark.parametrize(
    "statement, said",
    [("theorem thm : True := by simp", ":= by"), ("example : True := by", "odd")],
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
