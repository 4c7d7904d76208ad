"""The token view: numbers of the sampler and of a plain forward pass, the attempt's own text."""

import doctest
import json
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fdcore.experiment.run import Run
from fdcore.figures import token_view as tokenview
from fdcore.figures.token_view import (
    STUDENT,
    TEACHER,
    TokenView,
    lay_out,
    pieces,
    token_view,
)
from fdcore.model import save_model
from fdcore.profile import load_profile
from fdcore.records import Feedback, Problem, Trajectory, Verdict, read_records, write_jsonl
from fdcore.rollout.chat import Chat
from fdcore.rollout.sampler import SamplingParams
from fdcore.rollout.tools import Tools
from fdcore.rollout.torch_sampler import TorchSampler
from fdcore.worlds.student import build_student, train_tokenizer
from lean_project.generate.corpus import call_text

PROBLEM = Problem(
    id="p", header="", statement="theorem thm (a b : Nat) : a + b = b + a := by", split="train"
)
ADVICE = "1. Prove this with `Nat.add_comm` and nothing else, which closes the goal in one step."


@pytest.fixture(scope="module")
def chat():
    texts = [
        call_text("lean_write_file", path="Main.lean", content="by\n  exact Nat.add_comm a b"),
        PROBLEM.statement,
        ADVICE,
    ]
    return Chat(train_tokenizer(texts * 20, 500), Tools.schemas, thinking=False)


@pytest.fixture(scope="module")
def model():
    student = build_student(
        hidden_size=32,
        layers=2,
        heads=4,
        kv_heads=2,
        head_dim=8,
        intermediate_size=64,
        vocab_size=500,
        max_positions=2048,
    )
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.mul_(
                3.0
            )  # sharper than at birth: the two contexts give different distributions
    return student


@pytest.fixture(scope="module")
def trajectory(chat, model) -> Trajectory:
    """Two sampled turns with a tool's answer between them."""
    prompt, sampler = chat.prompt(PROBLEM), TorchSampler(model)
    tokens, mask, logprobs = list(prompt), [0] * len(prompt), [0.0] * len(prompt)
    for turn in range(2):
        (done,) = sampler.generate(
            [tokens], SamplingParams(temperature=1.0, max_new_tokens=25), [turn]
        )
        answer = chat.tool_answer("wrote Main.lean") if turn == 0 else []
        tokens += [*done.token_ids, *answer]
        mask += [1] * 25 + [0] * len(answer)
        logprobs += [*done.logprobs, *[0.0] * len(answer)]
    return attempt(chat, tokens, mask, len(prompt), tuple(logprobs))


def attempt(chat, tokens, mask, start, logprobs=(), **others) -> Trajectory:
    fields = {
        "problem_id": PROBLEM.id,
        "seed": 0,
        "step": 1,
        "tool_calls": (),
        "source": "theorem",
        "verdict": Verdict(status="failed"),
        "reward": 0.0,
        "stop_reason": "end",
    }
    text = chat.decode(tokens[start:])
    return Trajectory(
        **fields | others,
        prompt_length=start,
        token_ids=tokens,
        action_mask=mask,
        logprobs=logprobs,
        response_text=text,
    )


def plain(model, prompt, response):
    """Log-distributions that predict each token of the response, from one plain forward."""
    with torch.no_grad():
        logits = model(torch.tensor([[*prompt, *response]])).logits[0]
    return logits[len(prompt) - 1 : -1].log_softmax(-1)


def test_log_probs_are_the_samplers(chat, model, trajectory):
    view = token_view(model, model, chat, PROBLEM, trajectory, ADVICE)
    assert view.student == pytest.approx(trajectory.logprobs[trajectory.prompt_length :], abs=2e-4)


def test_the_numbers_are_those_of_a_plain_forward_in_each_context(chat, model, trajectory):
    start = trajectory.prompt_length
    response, mask = trajectory.token_ids[start:], trajectory.action_mask[start:]
    view = token_view(model, model, chat, PROBLEM, trajectory, ADVICE)
    student, teacher = (
        plain(model, trajectory.token_ids[:start], response),
        plain(model, chat.prompt(PROBLEM, ADVICE), response),
    )

    def entropy(rows):
        return torch.distributions.Categorical(logits=rows).entropy()

    taken, keep = torch.tensor(response)[:, None], torch.tensor(mask)
    expected = {
        "student": student.gather(1, taken)[:, 0],
        "teacher": teacher.gather(1, taken)[:, 0],
        "student_entropy": entropy(student),
        "teacher_entropy": entropy(teacher),
        "kl": torch.nn.functional.kl_div(student, teacher, log_target=True, reduction="none").sum(
            -1
        ),
    }
    for name, values in expected.items():
        assert getattr(view, name) == pytest.approx((values * keep).tolist(), abs=2e-4), name
    kl = expected["kl"] * keep
    assert view.focus == int((kl >= kl.max() / 2).nonzero()[0])
    for place, options in enumerate(view.alternatives):
        best = (
            {
                chat.decode([i])
                for rows in (student, teacher)
                for i in rows[place].topk(5).indices.tolist()
            }
            if mask[place]
            else set()
        )
        assert {option.text for option in options} == best


def test_a_long_attempt_is_measured_in_parts_with_the_same_numbers(
    chat, model, trajectory, monkeypatch
):
    whole = token_view(model, model, chat, PROBLEM, trajectory, ADVICE)
    monkeypatch.setattr("fdcore.training.chunks.CHUNK", 7 * 500)
    parts = token_view(model, model, chat, PROBLEM, trajectory, ADVICE)
    for name in ("student", "teacher", "student_entropy", "teacher_entropy", "kl"):
        assert getattr(parts, name) == pytest.approx(getattr(whole, name), abs=2e-4)
    assert parts.tokens == whole.tokens and [
        [a.text for a in options[:1]] for options in parts.alternatives
    ] == [[a.text for a in options[:1]] for options in whole.alternatives]


def test_without_feedback_in_its_context_the_same_model_agrees_with_itself(chat, model, trajectory):
    view = token_view(
        model, model, chat, PROBLEM, trajectory, ""
    )  # the template leaves empty feedback out
    assert max(map(abs, view.kl)) < 1e-4 and view.student == view.teacher


def test_the_tokens_joined_are_the_responses_text(chat, model, trajectory):
    assert (
        "".join(token_view(model, model, chat, PROBLEM, trajectory, ADVICE).tokens)
        == trajectory.response_text
    )


@given(st.data())
def test_whatever_bytes_the_tokens_hold_their_pieces_joined_are_the_text(chat, data):
    ids = data.draw(
        st.lists(st.integers(0, len(chat.tokenizer) - 1), max_size=30)
        | st.text(max_size=12).map(chat.encode)
    )
    found = pieces(chat, ids)
    assert len(found) == len(ids) and "".join(found) == chat.decode(ids)


def test_a_character_of_several_tokens_belongs_to_the_one_that_completes_it(chat):
    ids = chat.encode("a💥b")
    assert len(ids) == 6 and pieces(chat, ids) == ("a", "", "", "", "💥", "b")


def test_examples_in_docstrings_hold():
    assert doctest.testmod(tokenview).failed == 0


def test_an_escaped_backslash_and_text_outside_a_tool_call_end_no_line():
    assert tokenview.line_ends(
        ["\\nabla ", "<tool_call>", "\\\\nabla", "\\", "n", "</tool_call>\\n"]
    ) == [[], [], [], [], [1], []]


def test_a_view_read_back_is_the_same(chat, model, trajectory, tmp_path):
    view = token_view(
        model, model, chat, PROBLEM, trajectory, ADVICE, labels={"arm": "FD", "step": "2"}
    )
    write_jsonl(tmp_path / "views.jsonl", [view])
    assert read_records(tmp_path / "views.jsonl", TokenView) == [view]


# ---- which attempts of a run are looked at -------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory, chat, model) -> Run:
    """A run's saved records and models, with a model that never trained."""
    base = tmp_path_factory.mktemp("base")
    save_model(model, chat.tokenizer, base)
    profile = load_profile("smoke").varied({"model.source": str(base)})
    run = Run.create(profile, out=tmp_path_factory.mktemp("run"))
    problem, folder = run.problems()["train"][0], run.folder / "arms" / "fd"
    prompt, rows, advice = chat.prompt(problem), [], []
    for step, status in ((1, "verified"), (1, "failed"), (2, "verified")):
        response = chat.encode(
            call_text("lean_write_file", path="Main.lean", content=f"  exact {status}")
        )
        made = attempt(
            chat,
            [*prompt, *response],
            [0] * len(prompt) + [1] * len(response),
            len(prompt),
            problem_id=problem.id,
            step=step,
            verdict=Verdict(status=status),
        )
        rows.append(made.model_dump_json() + "\n")
        advice.append(
            json.dumps(
                {
                    "step": step,
                    **Feedback(
                        problem_id=problem.id, text=ADVICE, producer="scripted"
                    ).model_dump(),
                }
            )
            + "\n"
        )
    save_model(
        model,
        chat.tokenizer,
        folder / f"model-step-{min(load_profile('smoke').kept_steps('fd')):06d}",
    )
    (folder / "trajectories.jsonl").write_text("".join(rows), encoding="utf-8")
    (folder / "feedback.jsonl").write_text("".join(advice), encoding="utf-8")
    return run


def test_figure_1_shows_a_failed_attempt_of_the_first_step_read_by_the_base(run):
    first = run.token_views()[0]
    assert (
        (first.verdict, first.feedback) == ("failed", ADVICE)
        and first.labels["arm"] == "base"
        and first.labels["attempt"].startswith("step 1, ")
    )


def test_every_saved_model_reads_the_attempts_of_the_first_step_and_of_the_last_checkpoint(run):
    labels = [
        (*view.labels["attempt"].split(", ")[::2], view.labels["arm"], view.labels["step"])
        for view in run.token_views()
    ]
    assert labels == [
        (step, outcome, arm, at)
        for step, outcome in (("step 1", "failed"), ("step 1", "proved"), ("step 2", "proved"))
        for arm, at in (("base", "0"), ("FD", "2"))
    ]


def test_a_step_without_feedback_is_refused_with_what_to_do(run):
    with pytest.raises(ValueError, match="no attempt with feedback at step 9; train 'fd'"):
        run.recorded(9)


def attempt_of(tokens, mask):
    return SimpleNamespace(tokens=tokens, action_mask=mask)


def test_black_text_can_be_read_on_the_strongest_colours():
    """The contrast is above 4.5, WCAG's least for text."""

    def linear(value):
        return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4

    for colour in (STUDENT, TEACHER):
        red, green, blue = map(linear, (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)))
        assert (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05) / 0.05 > 4.5


def text_of(lines):
    return ["".join(character for character, _ in line) for line in lines]


def test_the_layout_loses_no_character_and_keeps_the_line_width():
    long = attempt_of(("abc " * 60, "x" * 230), (1, 1))
    lines = text_of(lay_out(long, 100))
    assert "".join(lines) == "".join(long.tokens)
    assert max(map(len, lines)) == 100


def test_what_has_no_width_is_marked_so_that_its_colour_shows():
    tokens = ("a", "\n", "", "∀", "b", "\n", "c")
    lines = text_of(lay_out(attempt_of(tokens, (1, 1, 1, 1, 0, 0, 1)), 100))
    assert lines == ["a↵", "▪∀b", "c"]


def test_an_escaped_line_end_of_a_tool_call_is_kept_and_starts_a_new_line():
    lines = text_of(lay_out(attempt_of(("<tool_call>", "by\\", "n  simp"), (1, 1, 1)), 100))
    assert lines == ["<tool_call>by\\n", "  simp"]
