"""The scripted expert keeps the paper's form, never shows a whole proof, and reacts to what went wrong."""
import pytest

from fdcore.feedback import Claude, FeedbackError, ScriptedExpert, form_errors
from fdcore.profile import load_profile
from fdcore.records import LeanMessage, Problem, ToolCall, Trajectory, Verdict

PROOFS = ("\n  exact Nat.add_comm _ _", "\n  rw [Nat.add_comm]", "\n  constructor\n  · exact Nat.add_comm _ _\n  · exact h", "\n  intro h\n  exact h", "\n  cases h")
FAILURES = {
    "unknown": Verdict(status="failed", messages=(LeanMessage(severity="error", line=2, column=8, text="Unknown identifier `Nat.foo`"),)),
    "mismatch": Verdict(status="failed", messages=(LeanMessage(severity="error", line=2, column=8, text="type mismatch"),)),
    "sorry": Verdict(status="sorry"),
    "forbidden": Verdict(status="forbidden", detail="axiom"),
    "verified": Verdict(status="verified"),
}


def attempt(verdict, seed=1, stop="turns", source="theorem thm : 1 = 1 := by rfl", calls=(ToolCall(raw="{}", name="lean_write_file", ok=True),)):
    return Trajectory(
        problem_id="p", seed=seed, step=1, prompt_length=0, token_ids=(), action_mask=(), logprobs=(), response_text="", tool_calls=calls,
        source=source, verdict=verdict, reward=float(verdict.verified), stop_reason=stop,
    )


def problem(proof):
    return Problem(id="p", header="", statement="theorem thm (a b : Nat) : a + b = b + a := by", split="train", proof=proof, lemmas=("Nat.add_comm",))


@pytest.mark.parametrize("proof", PROOFS)
@pytest.mark.parametrize("kind", FAILURES)
@pytest.mark.parametrize("stop", ["turns", "length"])
def test_every_feedback_keeps_the_form_of_the_papers_fourth_prompt(proof, kind, stop):
    for seed in range(20):
        text = ScriptedExpert(0).write([(problem(proof), attempt(FAILURES[kind], seed, stop))])[0].text
        assert form_errors(text) == [], text
        assert proof.strip() not in text


def test_a_malformed_call_is_spoken_of():
    broken = attempt(FAILURES["mismatch"], source=None, calls=(ToolCall(raw="{"),))
    texts = [ScriptedExpert(seed).write([(problem(PROOFS[0]), broken)])[0].text for seed in range(10)]
    assert any("JSON object" in text for text in texts)


def test_the_same_attempt_gets_the_same_feedback_and_another_seed_may_get_another():
    item = (problem(PROOFS[1]), attempt(FAILURES["unknown"]))
    assert ScriptedExpert(3).write([item]) == ScriptedExpert(3).write([item])
    assert len({ScriptedExpert(seed).write([item])[0].text for seed in range(20)}) > 1


def test_form_errors_find_each_fault():
    assert form_errors("Just prose without numbers, which is not the form that is asked for here.")
    assert form_errors("1. Too short.") == ["item 1 has 2 words"]
    assert "speaks of a reader or an attempt" in form_errors("1. You should look at the goal again and name the lemma in full before writing.")


def test_claude_without_a_key_is_one_clear_line(monkeypatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    with pytest.raises(FeedbackError, match="ANTHROPIC_API_KEY is not set"):
        Claude(load_profile("paper").feedback)
