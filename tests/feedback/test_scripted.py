"""The scripted expert reads the attempt: its orders follow from the file and Lean's answer."""

import itertools

import pytest

from fdcore.feedback.form import form_errors
from fdcore.feedback.scripted import ORDERS, ScriptedExpert, named_lemmas
from fdcore.records import LeanMessage, Problem, ToolCall, Trajectory, Verdict

STATEMENT = "theorem thm (a b c : Nat) (h : a = b) : a * (b - c) = a * b - a * c := by"
WRITE = ToolCall(raw="", name="lean_write_file", ok=True)
CHECK = ToolCall(raw="", name="lean_check_file", ok=True)
SEARCH = ToolCall(raw="", name="rg_in_mathlib", ok=True)

LEAN_SAYS = {
    "Unknown constant `Nat.sub_mul`": "does not have",
    "Tactic `rewrite` failed: Did not find an occurrence of the pattern": "left side",
    "`simp` made no progress": "simpler",
    "Tactic `apply` failed: could not unify the conclusion": "conclusion",
    "Function expected at": "no such arguments",
    "Invalid projection": "this place",
    "typeclass instance problem is stuck": "structure",
    "unsolved goals": "leaves goals open",
    "Application type mismatch: The argument": "hypotheses",
    "Type mismatch": "another one",
    "something else": "does not accept",
}


def problem(proof="\n  exact Nat.mul_sub ..", lemmas=("Nat.mul_sub",)):
    return Problem(
        id="p", header="", statement=STATEMENT, split="train", proof=proof, lemmas=lemmas
    )


def attempt(tactics, error="Type mismatch", status="failed", calls=(WRITE, CHECK), seed=0):
    messages = (LeanMessage(severity="error", line=2, column=2, text=error),) if error else ()
    return Trajectory(
        problem_id="p",
        seed=seed,
        step=0,
        prompt_length=0,
        token_ids=(),
        action_mask=(),
        logprobs=(),
        response_text="",
        tool_calls=calls,
        source=None if tactics is None else STATEMENT + tactics,
        verdict=Verdict(status=status, messages=messages),
        reward=float(status == "verified"),
        stop_reason="turns",
    )


def feedback(trajectory, told=None, formulation=4, seed=0):
    expert = ScriptedExpert(seed, formulation)
    return expert.write([(told or problem(), trajectory)])[0].text


def said(order):
    """The part of an order's text before its first placeholder."""
    return order.split("{}")[0]


@pytest.mark.parametrize("error", LEAN_SAYS)
def test_a_wrong_lemma_is_named_with_leans_reason(error):
    text = feedback(attempt("\n  exact Nat.sub_mul ..", error))
    assert text.startswith("1. Drop `Nat.sub_mul`") and LEAN_SAYS[error] in text


def test_each_reason_of_lean_has_its_own_order():
    orders = {feedback(attempt("\n  exact Nat.sub_mul ..", e)).splitlines()[0] for e in LEAN_SAYS}
    assert len(orders) == len(LEAN_SAYS) == len(ORDERS["unneeded"])


def test_a_missing_lemma_is_named_or_described_for_a_search():
    texts = [feedback(attempt("\n  exact Nat.sub_mul ..", seed=seed)) for seed in range(200)]
    named = [text for text in texts if "`Nat.mul_sub`" in text]
    searched = [text for text in texts if "`rg_in_mathlib` for `mul_sub`" in text]
    assert len(named) + len(searched) == 200 and 10 < len(searched) < 60
    assert not set(named) & set(searched)


def test_of_two_lemmas_the_one_that_stands_is_kept():
    two = problem("\n  rw [Nat.mul_sub, Nat.add_comm]", ("Nat.mul_sub", "Nat.add_comm"))
    text = feedback(attempt("\n  rw [Nat.mul_sub, Nat.sub_sub]"), two)
    assert ORDERS["kept"].format("`Nat.mul_sub`") in text and "Drop `Nat.sub_sub`" in text


@pytest.mark.parametrize(
    ("kind", "proof", "tactics"),
    [
        ("direction", "\n  rw [← Nat.mul_sub]", "\n  rw [Nat.mul_sub]"),
        ("sides", "\n  exact (Nat.mul_sub ..).symm", "\n  exact Nat.mul_sub .."),
        ("step", "\n  intro h\n  exact Nat.mul_sub ..", "\n  exact Nat.mul_sub .."),
        ("tactic", "\n  rw [Nat.mul_sub]", "\n  exact Nat.mul_sub .."),
        ("premises", "\n  exact Nat.mul_sub h", "\n  exact Nat.mul_sub .."),
        ("rest", "\n  exact Nat.mul_sub h", "\n  exact Nat.mul_sub h h"),
    ],
)
def test_a_right_lemma_in_a_wrong_use_is_kept_and_the_use_corrected(kind, proof, tactics):
    text = feedback(attempt(tactics), problem(proof))
    order = ORDERS["misused"][kind].split("{}")
    assert all(part in text for part in order[:2]) and "`Nat.mul_sub`" in text


@pytest.mark.parametrize(
    ("kind", "trajectory"),
    [
        ("broken", attempt(None, calls=(ToolCall(raw="{"),))),
        ("nothing", attempt(None, calls=(SEARCH,))),
        ("refused", attempt("\n  rfl", calls=(WRITE, ToolCall(raw="", name="lean_check_file")))),
        ("sorry", attempt("\n  sorry", status="sorry")),
        ("forbidden", attempt("\n  rfl", status="forbidden")),
    ],
)
def test_a_call_or_file_gone_wrong_comes_first(kind, trajectory):
    text = feedback(trajectory)
    assert text.startswith("1. " + said(ORDERS["calls"][kind]))
    assert "mul_sub`" in text


def test_after_a_proof_it_keeps_what_worked_and_names_the_detour():
    proof = "\n  exact Nat.mul_sub .."
    plain = feedback(attempt(proof, None, "verified"))
    assert plain.startswith("1. Keep `Nat.mul_sub`") and len(plain.splitlines()) == 1
    searched = feedback(attempt(proof, None, "verified", (SEARCH, WRITE, CHECK)))
    assert ORDERS["detours"]["search"] in searched
    retried = feedback(attempt(proof, None, "verified", (WRITE, CHECK, WRITE, CHECK)))
    assert ORDERS["detours"]["retry"] in retried


@pytest.mark.parametrize("seed", range(3))
def test_all_orders_keep_the_papers_form(seed):
    tactics = ("\n  exact Nat.sub_mul ..", "\n  rw [Nat.mul_sub]", "\n  rfl", None)
    errors = ("Unknown constant", "Did not find", "unsolved goals", "no progress")
    for tactic, error in itertools.product(tactics, errors):
        assert form_errors(feedback(attempt(tactic, error, seed=seed))) == []


def test_formulations_take_away_one_thing_after_the_other():
    trajectory = attempt("\n  exact Nat.sub_mul ..", calls=(ToolCall(raw="{"), WRITE))
    texts = {n: feedback(trajectory, formulation=n) for n in (4, 3, 2, 1)}
    assert "JSON" in texts[4] and "lean_" not in texts[3] + texts[2] + texts[1]
    assert "`Nat.mul_sub`" in texts[3] and "`mul_sub`" in texts[2]
    assert texts[2].startswith("1. ") and not texts[1].startswith("1. ")


def test_library_names_are_told_from_hypotheses():
    tactics = "\n  exact Or.inl ⟨h₁.1, (Nat.mul_sub ..).symm, h.mp (pow_mul' a)⟩"
    assert named_lemmas(tactics) == ["Nat.mul_sub", "pow_mul'"]
