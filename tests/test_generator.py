"""The generator: parsing printed types, building statements, and telling variants of one statement apart from new ones."""
import random

from hypothesis import given
from hypothesis import strategies as st

from fdcore.generator import FAMILIES, TWO_FACTS, draft, normal_form, parse_fact, split_arrows, split_relation, substitute, tidy

COMM = parse_fact("Nat.add_comm", "∀ (n m : Nat), n + m = m + n")
TRANS = parse_fact("Nat.le_trans", "∀ {a b c : Nat}, a ≤ b → b ≤ c → a ≤ c")


def test_a_printed_type_becomes_variables_hypotheses_and_conclusion():
    assert COMM.variables == (("n", "Nat"), ("m", "Nat")) and COMM.explicit == 2 and COMM.conclusion == "n + m = m + n"
    assert TRANS.hypotheses == ("a ≤ b", "b ≤ c") and TRANS.explicit == 2 and TRANS.conclusion == "a ≤ c"


def test_instances_and_dependent_facts_are_left_out():
    assert parse_fact("x", "∀ {p : Prop} [Decidable p], p → p = True") is None
    assert parse_fact("x", "∀ {α : Type u_1} {β : α → Type u_2} {f : (x : α) → β x}, f = f") is None


def test_arrows_inside_brackets_and_binders_do_not_split():
    assert split_arrows("a ≤ b → ¬(p → q) → c") == ["a ≤ b", "¬(p → q)", "c"]
    assert split_arrows("p → ∃ x, q x → r") == ["p", "∃ x, q x → r"]


def test_only_a_top_level_relation_splits():
    assert split_relation("a + b = b + a", "=") == ("a + b", "b + a")
    assert split_relation("a = b ∧ c = d", "=") is None
    assert split_relation("(a = b) ↔ (b = a)", "↔") == ("(a = b)", "(b = a)")


def test_terms_are_put_in_parentheses_only_where_they_must():
    assert substitute("n + m = m", {"n": "x * y", "m": "z"}) == "(x * y) + z = z"
    assert substitute("n = m", {"n": "x * y", "m": "z"}) == "x * y = z"
    assert tidy("Nat.succ (a + b) = (c + d)") == "Nat.succ (a + b) = c + d"


@given(st.integers(0, 10_000), st.sampled_from(sorted(FAMILIES)))
def test_every_draft_is_a_theorem_that_names_its_lemmas(seed, family):
    made = draft([COMM, COMM] if family in TWO_FACTS else [COMM if seed % 2 else TRANS], family, random.Random(seed))
    if made is None:
        return
    assert made.statement.startswith("theorem thm ") and made.statement.endswith(" := by")
    assert 1 <= made.tier <= 5 and made.proofs
    assert all(any(lemma in proof for lemma in made.lemmas) for proof in made.proofs)


def test_renaming_variables_and_reordering_hypotheses_do_not_make_a_new_statement():
    one = "theorem thm (a b c : Nat) (h₁ : a ≤ b) (h₂ : b ≤ c) : a ≤ c := by"
    two = "theorem thm (z x y : Nat) (h₁ : y ≤ z) (h₂ : x ≤ y) : x ≤ z := by"
    other = "theorem thm (a b c : Nat) (h₁ : a ≤ b) (h₂ : a ≤ c) : a ≤ c := by"
    assert normal_form(one) == normal_form(two) != normal_form(other)
