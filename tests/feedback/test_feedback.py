"""The sources of feedback: each says what it is asked to say, in the form that it is asked for."""

import doctest

import pytest

from fdcore.feedback import form as feedback_form
from fdcore.feedback.form import (
    form_errors,
    report,
    shared_run,
)
from fdcore.feedback.scripted import ScriptedExpert
from fdcore.feedback.sources import (
    Answer,
    FeedbackError,
    Source,
    asked_by,
    make_producer,
    prompt_hash,
    request,
    strip_thoughts,
)
from fdcore.profile import load_profile
from fdcore.records import Feedback, LeanMessage, Problem, ToolCall, Trajectory, Verdict

PROOFS = (
    "\n  exact Nat.add_comm _ _",
    "\n  rw [Nat.add_comm]",
    "\n  constructor\n  · exact Nat.add_comm _ _\n  · exact h",
    "\n  intro h\n  exact h",
    "\n  cases h",
)
FAILURES = {
    "unknown": Verdict(
        status="failed",
        messages=(
            LeanMessage(severity="error", line=2, column=8, text="Unknown identifier `Nat.foo`"),
        ),
    ),
    "mismatch": Verdict(
        status="failed",
        messages=(LeanMessage(severity="error", line=2, column=8, text="type mismatch"),),
    ),
    "sorry": Verdict(status="sorry"),
    "forbidden": Verdict(status="forbidden", detail="axiom"),
    "verified": Verdict(status="verified"),
}


WRITTEN = (ToolCall(raw="{}", name="lean_write_file", ok=True),)


def attempt(
    verdict,
    seed=1,
    stop="turns",
    source="theorem thm : 1 = 1 := by rfl",
    calls=WRITTEN,
):
    return Trajectory(
        problem_id="p",
        seed=seed,
        step=1,
        prompt_length=0,
        token_ids=(),
        action_mask=(),
        logprobs=(),
        response_text="",
        tool_calls=calls,
        source=source,
        verdict=verdict,
        reward=float(verdict.verified),
        stop_reason=stop,
    )


def problem(proof):
    return Problem(
        id="p",
        header="",
        statement="theorem thm (a b : Nat) : a + b = b + a := by",
        split="train",
        proof=proof,
        lemmas=("Nat.add_comm",),
    )


@pytest.mark.parametrize("proof", PROOFS)
@pytest.mark.parametrize("kind", FAILURES)
@pytest.mark.parametrize("stop", ["turns", "length"])
def test_every_feedback_keeps_the_form_of_the_papers_fourth_prompt(proof, kind, stop):
    for seed in range(20):
        text = (
            ScriptedExpert(0).write([(problem(proof), attempt(FAILURES[kind], seed, stop))])[0].text
        )
        assert form_errors(text) == [], text
        assert proof.strip() not in text


def test_a_malformed_call_is_spoken_of():
    broken = attempt(FAILURES["mismatch"], source=None, calls=(ToolCall(raw="{"),))
    texts = [
        ScriptedExpert(seed).write([(problem(PROOFS[0]), broken)])[0].text for seed in range(10)
    ]
    assert any("JSON object" in text for text in texts)


def test_the_same_attempt_gets_the_same_feedback_and_another_seed_may_get_another():
    item = (problem(PROOFS[1]), attempt(FAILURES["unknown"]))
    assert ScriptedExpert(3).write([item]) == ScriptedExpert(3).write([item])
    assert len({ScriptedExpert(seed).write([item])[0].text for seed in range(20)}) > 1


def test_form_errors_find_each_fault():
    assert form_errors("Just prose without numbers, which is not the form that is asked for here.")
    assert form_errors("1. Too short.") == ["item 1 has 2 words"]
    for reader in (
        "You should look",
        "Have the student look",
        "Mend the attempt: look",
        "Let yourself look",
    ):
        assert form_errors(
            f"1. {reader} at the goal again and name the lemma in full before writing."
        ) == ["speaks of a reader or an attempt"]
    assert form_errors(
        "2. Look at the goal again and name the lemma in full before writing anything."
    ) == ["not one to three numbered lines"]


def test_claude_without_a_key_is_one_clear_line(monkeypatch, tmp_path):
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    with pytest.raises(FeedbackError, match="ANTHROPIC_API_KEY is not set"):
        make_producer(Source(load_profile("paper").feedback, 0, folder=tmp_path))


# -- the other sources -----------------------------------------------------------------------------


def settings(producer, **changes):
    return load_profile("smoke").feedback.model_copy(update={"producer": producer, **changes})


def written(producer, item, generate=None, **changes):
    return make_producer(Source(settings(producer, **changes), 0, generate)).write([item])[0]


FAILED, PROVED = (
    attempt(FAILURES["mismatch"]),
    attempt(Verdict(status="verified"), source="theorem thm : 1 = 1 := by rfl"),
)


def test_the_environment_says_what_lean_said_and_shows_the_proof_that_was_found():
    assert (
        written("environment", (problem(PROOFS[0]), FAILED)).text
        == "The Lean compiler said:\n2:8: error: type mismatch"
    )
    assert written("environment", (problem(PROOFS[0]), PROVED)).text.endswith(
        "theorem thm : 1 = 1 := by rfl"
    )
    assert written(
        "environment",
        (problem(PROOFS[0]), attempt(Verdict(status="failed", detail="no Lean file was written"))),
    ).text.endswith("no Lean file was written")


def test_ground_truth_shows_a_correct_proof_and_needs_one():
    assert written("ground_truth", (problem(PROOFS[0]), FAILED)).text.endswith(
        problem(PROOFS[0]).statement + PROOFS[0]
    )
    with pytest.raises(FeedbackError, match="problem p has no reference proof"):
        written("ground_truth", (problem(None), FAILED))


def test_constant_says_the_same_of_every_attempt_and_none_says_nothing():
    assert {
        written("constant", (problem(PROOFS[0]), one), text="Be concise.").text
        for one in (FAILED, PROVED)
    } == {"Be concise."}
    assert written("none", (problem(PROOFS[0]), FAILED)).text == ""


def test_self_feedback_asks_a_model_in_the_words_that_claude_is_asked_in():
    asked = []

    def generate(prompts, seeds):
        asked.extend([*prompts, seeds])
        return [Answer(" 1. Name the lemma.\n", 300, 7)]

    feedback = written("self", (problem(PROOFS[0]), FAILED), generate)
    assert (
        feedback.text == "1. Name the lemma."
        and feedback.prompt_hash == prompt_hash(*asked_by(4))
        and feedback.producer == "self"
    )
    assert (feedback.model, feedback.input_tokens, feedback.output_tokens, feedback.dollars) == (
        "base",
        300,
        7,
        0,
    ) and feedback.seconds > 0
    assert asked[0] == request(problem(PROOFS[0]), FAILED, 4) and asked[1] == [FAILED.seed]
    assert "rg_in_mathlib" in asked[0][0] and "type mismatch" in asked[0][1]


def test_each_formulation_adds_what_the_paper_adds():
    systems = [request(problem(PROOFS[0]), FAILED, level)[0] for level in (1, 2, 3, 4)]
    for words, first in (
        ("numbered", 2),
        ("stands by itself", 3),
        ("lean_check_file", 4),
        ("token limit", 4),
    ):
        assert [words in system for system in systems] == [
            level >= first for level in (1, 2, 3, 4)
        ], words
    assert len({prompt_hash(*asked_by(level)) for level in (1, 2, 3, 4)}) == 4


def test_what_is_written_from_a_template_names_its_wording():
    found = {
        producer: written(producer, (problem(PROOFS[0]), FAILED)).prompt_hash
        for producer in ("scripted", "environment", "ground_truth", "none")
    }
    assert len(set(found.values())) == 4 and found["none"] == ""


def test_the_scripted_expert_gives_up_structure_level_by_level():
    for seed in range(20):
        for verdict in FAILURES.values():
            texts = [
                ScriptedExpert(0, level)
                .write([(problem(PROOFS[0]), attempt(verdict, seed))])[0]
                .text
                for level in (1, 2, 3, 4)
            ]
            assert (
                form_errors(texts[2]) == []
                and not any("`lean_" in text for text in texts[:3])
                and not any("Nat." in text for text in texts[:2])
            )
            assert texts[1].startswith("1. ") and not texts[0].startswith("1. ") and all(texts)
    assert ScriptedExpert(0).write([(problem(PROOFS[0]), FAILED)]) == ScriptedExpert(0, 4).write(
        [(problem(PROOFS[0]), FAILED)]
    )


def test_what_a_text_gives_away_of_the_proof_is_counted():
    assert shared_run("1. Use the lemma Nat.add_comm.", PROOFS[0]) == pytest.approx(0.25)
    assert shared_run(f"1. Write {PROOFS[0].strip()} and compile.", PROOFS[0]) == 1.0
    assert shared_run("", PROOFS[0]) == shared_run("anything", "") == 0.0
    for hostile in (
        "1. Write 2x, then 0xzz /- and never",
        "a-- b",
        "`` \x00 \u202e",
    ):  # a model's text need not be Lean
        assert (
            shared_run(hostile, PROOFS[0]) == 0.0
            and shared_run(f"{hostile} {PROOFS[0]}", PROOFS[0]) == 1.0
        )
    items = [(problem(PROOFS[0]), FAILED)] * 2
    told = report(
        items,
        [
            Feedback(problem_id="p", text=text, producer="claude", dollars=0.5)
            for text in (f"write {PROOFS[0]}", "")
        ],
    )
    assert told == {
        "feedback_leak": 0.5,
        "feedback_whole_proofs": 1,
        "feedback_dollars": 1.0,
        "feedback_form_broken": 1.0,
    }


def test_feedback_is_dropped_at_random_where_the_settings_say_so():
    items = [(problem(PROOFS[0]), attempt(FAILURES["sorry"], seed)) for seed in range(400)]
    kept = make_producer(Source(settings("scripted", dropout=0.3), 0)).write(items)
    told = report(items, kept)
    assert 0.2 < told["feedback_withheld"] / 400 < 0.4
    assert [f.text for f in kept].count("") == told["feedback_withheld"]
    assert told["feedback_form_broken"] == 0


def test_thoughts_are_no_feedback():
    thinking, plain = "assistant\n<think>\n", "assistant\n<think>\n\n</think>\n\n"
    assert strip_thoughts(thinking, "Let me see") == ""
    assert strip_thoughts(plain, "<think>\nLet me see") == ""
    assert strip_thoughts(thinking, "Hm.\n</think>\n\n1. Use simp.").strip() == "1. Use simp."
    assert strip_thoughts(plain, "1. Use simp.") == "1. Use simp."
    assert strip_thoughts("assistant\n", "1. Use simp.") == "1. Use simp."
    nothing = written("self", (problem(PROOFS[0]), FAILED), lambda *_: [Answer("", 300, 30)])
    assert (nothing.text, nothing.reason) == ("", "empty")


def test_examples_in_docstrings_hold():
    assert doctest.testmod(feedback_form).failed == 0
