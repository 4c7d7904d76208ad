"""Episodes: student and tools write into one row of tokens; only the student's are actions.

The policy is a script of fixed turns. Tools, tokenizer and Lean are the real ones.
"""

import itertools

import pytest

from fdcore.lean.verifier import Verifier
from fdcore.profile import load_profile
from fdcore.records import Problem
from fdcore.rollout.chat import Chat
from fdcore.rollout.episode import Environment, epistemic_words, rollout
from fdcore.rollout.sampler import Completion
from fdcore.rollout.tool_format import JSONCalls
from fdcore.rollout.tools import Tools
from fdcore.worlds.student import train_tokenizer
from tests.attacks import SETTINGS

CALLS = JSONCalls()
HEADER = "prelude\nimport Fd\n\n"
PROBLEM = Problem(
    id="p", header=HEADER, statement="theorem thm (a b : Nat) : a + b = b + a := by", split="test"
)
RIGHT, WRONG = (
    PROBLEM.statement + "\n  exact Nat.add_comm a b",
    PROBLEM.statement + "\n  exact Nat.mul_comm a b",
)
CHECK = CALLS.write("lean_check_file", {"path": "Main.lean"})


def write(source):
    return CALLS.write("lean_write_file", {"path": "Main.lean", "content": source})


class Script:
    """A policy that says the given turns, whatever it is asked."""

    def __init__(self, chat, turns):
        self.chat, self.turns, self.prompts = chat, list(turns), []

    def generate(self, prompts, params, seeds):
        self.prompts.append(prompts[0])
        ids = self.chat.encode(self.turns.pop(0))[: params[0].max_new_tokens]
        stopped = ids[-1] in params[0].stop_token_ids
        return [
            Completion(
                token_ids=tuple(ids),
                logprobs=(-0.5,) * len(ids),
                finish_reason="stop" if stopped else "length",
            )
        ]

    def update_weights(self, model): ...


@pytest.fixture(scope="module")
def chat():
    tokenizer = train_tokenizer(
        [write(RIGHT), write(WRONG), CHECK, "Prove: theorem error wrote Main.lean ok"] * 20, 700
    )
    return Chat(tokenizer, Tools.schemas, thinking=False)


@pytest.fixture(scope="module")
def verifier(library, tmp_path_factory):
    with Verifier(
        library,
        SETTINGS,
        workers=1,
        cache_dir=tmp_path_factory.mktemp("verdicts"),
    ) as found:
        yield found


@pytest.fixture
def play(chat, verifier, library):
    def run(*turns, **limits):
        script = Script(chat, turns)
        limits = load_profile("smoke").episode.model_copy(
            update={
                "max_response_tokens": 2000,
                "max_prompt_tokens": 4000,
                "tool_output_chars": 200,
            }
            | limits
        )
        (trajectory,) = rollout(
            [PROBLEM],
            [7],
            sampler=script,
            environment=Environment(chat, verifier, library, limits),
            sampling=load_profile("smoke").sampler,
            step=3,
        )
        return trajectory, script

    return run


def test_a_written_and_checked_proof_earns_the_reward_and_ends_the_episode(play):
    trajectory, _ = play(write(RIGHT), CHECK, "never said")
    assert (
        trajectory.verdict.verified and trajectory.reward == 1.0 and trajectory.stop_reason == "end"
    )
    assert [call.name for call in trajectory.tool_calls] == [
        "lean_write_file",
        "lean_check_file",
    ] and trajectory.source == RIGHT


def test_only_the_students_tokens_are_actions(play, chat):
    trajectory, _ = play(write(RIGHT), CHECK)
    said = [t for t, m in zip(trajectory.token_ids, trajectory.action_mask, strict=True) if m]
    assert chat.decode(said) == write(RIGHT) + CHECK
    assert not any(trajectory.action_mask[: trajectory.prompt_length])
    assert all(
        (p != 0.0) == bool(m)
        for p, m in zip(trajectory.logprobs, trajectory.action_mask, strict=True)
    )


def test_what_came_before_is_never_tokenised_again(play):
    trajectory, script = play(write(WRONG), CHECK, write(RIGHT), CHECK)
    for earlier, later in itertools.pairwise(script.prompts):
        assert later[: len(earlier)] == earlier
    assert list(trajectory.token_ids[: len(script.prompts[-1])]) == script.prompts[-1]


def test_an_error_of_lean_is_the_tools_answer_and_the_episode_goes_on(play):
    trajectory, _ = play(write(WRONG), CHECK, write(RIGHT), CHECK)
    assert "error" in trajectory.tool_calls[1].output and trajectory.verdict.verified


def test_a_malformed_call_gets_an_error_and_the_episode_goes_on(play):
    trajectory, _ = play(
        '<tool_call>\n{"name": "lean_write_file", "argu</tool_call>', write(RIGHT), CHECK
    )
    assert (
        trajectory.tool_calls[0].name is None
        and "JSON" in trajectory.tool_calls[0].output
        and trajectory.verdict.verified
    )


def test_a_file_that_was_never_checked_is_judged_all_the_same(play):
    trajectory, _ = play(write(RIGHT), "Done.<|im_end|>")
    assert trajectory.verdict.verified and trajectory.stop_reason == "end"


def test_both_ends_of_qwen3_end_an_episode(play):
    for end in ("<|im_end|>", "<|endoftext|>"):
        trajectory, _ = play(write(RIGHT), "Done." + end, "never said")
        assert trajectory.verdict.verified and trajectory.stop_reason == "end"


def test_no_file_no_reward(play):
    trajectory, _ = play("It is obvious.<|im_end|>")
    assert (
        trajectory.source is None
        and trajectory.reward == 0.0
        and trajectory.verdict.status == "failed"
    )


def test_turns_and_tokens_are_limited(play):
    many, _ = play(*[write(WRONG), CHECK] * 5, max_turns=4)
    assert many.stop_reason == "turns" and len(many.tool_calls) == 4
    long, _ = play(write(RIGHT), max_response_tokens=10)
    assert long.stop_reason == "length" and sum(long.action_mask) == 10


def test_a_prompt_over_the_limit_is_refused_by_name(play):
    with pytest.raises(ValueError, match="problem p: .*episode.max_prompt_tokens is 20"):
        play("x", max_prompt_tokens=20)


def test_words_of_doubt_in_tool_output_are_not_the_students():
    said = "Wait.<tool_response>\nmaybe likely check\n</tool_response>Perhaps `lean_check_file`."
    assert epistemic_words(said) == 2
