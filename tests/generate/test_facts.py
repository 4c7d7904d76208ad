"""Facts and families: printed types are parsed, statements are built, variants are recognised."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lean_project.generate.facts import (
    binder_groups,
    canonical_form,
    matched,
    parse_fact,
    split_arrows,
    split_relation,
    substitute,
    tidy,
)
from lean_project.generate.families import FACTS, FAMILIES, draft

COMM = parse_fact("Nat.add_comm", "∀ (n m : Nat), n + m = m + n")
TRANS = parse_fact("Nat.le_trans", "∀ {a b c : Nat}, a ≤ b → b ≤ c → a ≤ c")
IFF = parse_fact("Nat.dvd_one", "∀ {n : Nat}, n ∣ 1 ↔ n = 1")
POWER = parse_fact("Odd.pow", "∀ {m : Nat}, Odd m → ∀ (n : Nat), Odd (m ^ n)")


def test_a_printed_type_becomes_variables_hypotheses_and_conclusion():
    assert (
        COMM.variables == (("n", "Nat"), ("m", "Nat"))
        and COMM.explicit == (False, False)
        and COMM.conclusion == "n + m = m + n"
    )
    assert (
        TRANS.hypotheses == ("a ≤ b", "b ≤ c")
        and TRANS.explicit == (True, True)
        and TRANS.conclusion == "a ≤ c"
    )


def test_variables_behind_hypotheses_are_found():
    assert (
        POWER.variables == (("m", "Nat"), ("n", "Nat"))
        and POWER.explicit == (True, False)
        and POWER.conclusion == "Odd (m ^ n)"
    )


def test_an_algebra_fact_keeps_its_class():
    fact = parse_fact("mul_one", "∀ {M : Type u_1} [inst : Monoid M] (a : M), a * 1 = a")
    assert fact.variables == (("M", "Monoid"), ("a", "M")) and fact.explicit == (False,)
    made = draft([fact], "direct", random.Random(0))
    assert " : Type} [Monoid " in made.statement


@pytest.mark.parametrize(
    "printed",
    [
        "∀ {p : Prop} [Decidable p], p → p = True",
        "∀ {α : Type u_1} {β : α → Type u_2} {f : (x : α) → β x}, f = f",
        "∀ (n : Nat), ↑n = ↑n",
        "∀ {α β : Type} (p : α × β), p = p",
    ],
)
def test_other_instances_dependent_binders_casts_and_products_are_left_out(printed):
    assert parse_fact("x", printed) is None


def test_arrows_inside_brackets_and_binders_do_not_split():
    assert split_arrows("a ≤ b → ¬(p → q) → c") == ["a ≤ b", "¬(p → q)", "c"]
    assert split_arrows("p → ∃ x, q x → r") == ["p", "∃ x, q x → r"]
    assert split_arrows("p → q ↔ r") == ["p → q ↔ r"]


def test_only_a_top_level_relation_splits():
    assert split_relation("a + b = b + a", "=") == ("a + b", "b + a")
    assert split_relation("a = b ∧ c = d", "=") is None
    assert split_relation("(a = b) ↔ (b = a)", "↔") == ("(a = b)", "(b = a)")


def test_terms_are_put_in_parentheses_only_where_they_must():
    assert substitute("n + m = m", {"n": "x * y", "m": "z"}) == "(x * y) + z = z"
    assert substitute("n = m", {"n": "x * y", "m": "z"}) == "x * y = z"
    assert tidy("Nat.succ (a + b) = (c + d)") == "Nat.succ (a + b) = c + d"


@pytest.mark.parametrize(
    "pattern, text, terms",
    [
        ("a ∣ b", "x ∣ y * z", {"a": "x", "b": "y * z"}),
        ("Even a", "Even (m + n)", {"a": "m + n"}),
        ("a = a", "x + y = x + y", {"a": "x + y"}),
        ("a = a", "x = y", None),
        ("a", "x = y", None),
        ("0 < a", "x < y", None),
        ("Even a", "Even (m) ∨ (n)", {"a": "(m) ∨ (n)"}),
        ("f (a)", "f (x) + (y)", None),
    ],
)
def test_a_premise_is_matched_with_a_conclusion(pattern, text, terms):
    assert matched(pattern, {"a", "b"}, text) == terms


@given(st.integers(0, 10_000), st.sampled_from(sorted(FAMILIES)))
def test_every_draft_is_a_theorem_that_names_its_lemmas(seed, family):
    rng = random.Random(seed)
    made = draft(rng.choices([COMM, TRANS, IFF, POWER], k=FACTS[family]), family, rng)
    if made is None:
        return
    assert (
        made.statement.startswith("theorem thm ")
        and made.statement.endswith(" := by")
        and made.proofs
    )
    assert all(lemma in proof for proof in made.proofs for lemma in made.lemmas)
    bound = " ".join(names for names, _ in binder_groups(made.statement)[0])
    assert len(set(bound.split())) == len(bound.split())


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_fits_some_facts(family):
    sums = (
        parse_fact("Nat.add_zero", "∀ (n : Nat), n + 0 = n"),
        parse_fact("Nat.dvd_mul", "∀ {a b : Nat} (c : Nat), a ∣ b → a ∣ b * c"),
    )
    facts = [
        COMM,
        IFF,
        POWER,
        parse_fact("Nat.pos", "∀ {n m : Nat}, n ∣ m → n ≤ m"),
        *sums,
        parse_fact("Nat.dvd_self", "∀ (n : Nat), n ∣ n"),
    ]
    facts.append(parse_fact("Nat.dvd_iff", "∀ {a b : Nat}, a ∣ b ↔ b % a = 0"))
    rng = random.Random(0)
    assert any(draft(rng.choices(facts, k=FACTS[family]), family, rng) for _ in range(2000))


def test_there_are_at_least_25_families():
    assert len(FAMILIES) >= 25


def test_renaming_variables_and_reordering_hypotheses_do_not_make_a_new_statement():
    one = "theorem thm (a b c : Nat) (h₁ : a ≤ b) (h₂ : b ≤ c) : a ≤ c := by"
    two = "theorem thm (z x y : Nat) (hyz : y ≤ z) (k : x ≤ y) : x ≤ z := by"
    other = "theorem thm (a b c : Nat) (h₁ : a ≤ b) (h₂ : a ≤ c) : a ≤ c := by"
    assert canonical_form(one) == canonical_form(two) != canonical_form(other)


def test_names_of_bound_variables_and_of_what_only_hypotheses_hold_make_no_new_statement():
    one = (
        "theorem thm {G : Type} [Group G] (p q : Prop) (P : G → Prop) (h : p → q) (k : ∀ x, P x) : "
        "∃ y : G, P y := by"
    )
    two = (
        "theorem thm {H : Type} [Group H] (s r : Prop) (Q : H → Prop) (h : ∀ z, Q z) (k : r → s) : "
        "∃ x : H, Q x := by"
    )
    assert (
        canonical_form(one) == canonical_form(two) != canonical_form(one.replace("p → q", "p ∨ q"))
    )
