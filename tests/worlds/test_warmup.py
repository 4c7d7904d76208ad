"""Warm-up: what traces show and what they never show, how they become tokens, and training that resumes."""

import re

import pytest
import torch

from fdcore.experiment.run import Run
from fdcore.feedback.form import form_errors
from fdcore.lean.library import INTERNAL, core_library
from fdcore.profile import load_profile
from fdcore.rollout.chat import Chat
from fdcore.rollout.tools import Tools
from fdcore.worlds import problems as problem_sets
from fdcore.worlds import warmup
from fdcore.worlds.corpus import encode, rename
from fdcore.worlds.student import build_student, train_tokenizer


@pytest.fixture(scope="module")
def world(library, tmp_path_factory):
    session = Run.create("smoke", out=tmp_path_factory.mktemp("world")).session
    known, unknown = problem_sets.partition()
    settings = session.profile.warmup.model_copy(update={"traces": 150})

    def traces(seed: int = 0):
        writer = warmup.TraceWriter(
            settings,
            seed,
            session.verifier,
            session.tools,
            unknown,
            sorted(known),
            [name for name in sorted(session.library.theorem_names) if not INTERNAL.search(name)],
        )
        return writer.write(problem_sets.read_problems(problem_sets.ROOT / "warmup.jsonl")[:200])

    return traces(), traces, unknown


@pytest.fixture(scope="module")
def chats(world):
    tokenizer = train_tokenizer([turn.text for trace in world[0] for turn in trace.turns], 600)
    return Chat(tokenizer, Tools.schemas, thinking=False), Chat(
        tokenizer, [], thinking=False, system=False
    )


def uses(text: str, lemma: str) -> bool:
    return re.search(rf"(?<![\w.']){re.escape(lemma)}(?![\w'])", text) is not None


def test_an_unknown_lemma_is_written_only_after_feedback(world):
    traces, _, unknown = world
    plain = [trace for trace in traces if trace.feedback is None]
    assert plain and not any(
        uses(turn.text, lemma) for trace in plain for turn in trace.turns for lemma in unknown
    )
    assert any(
        uses(trace.turns[0].text, lemma) for trace in traces if trace.feedback for lemma in unknown
    )


def test_what_is_written_after_feedback_is_what_the_feedback_names(world):
    told = [trace for trace in world[0] if trace.feedback and trace.problem.lemmas]
    assert len(told) > 50
    for trace in told:
        lines = trace.feedback.splitlines()
        orders = [line for line in lines if "Drop `" not in line and "`rg_" not in line]
        named = set(re.findall(r"`([^`]*)`", "\n".join(orders))) - {
            "lean_check_file",
            "lean_write_file",
            "rg_in_mathlib",
        }
        named = {name for name in named if name in core_library().theorem_names}
        assert all(uses(trace.turns[0].text, name) for name in named), (
            trace.feedback,
            trace.turns[0].text,
        )
        assert form_errors(trace.feedback) == []


def test_failed_tries_are_shown_and_not_taught(world):
    retries = [trace for trace in world[0] if len(trace.turns) == 4]
    assert retries and all(
        [turn.taught for turn in trace.turns] == [False, False, True, True] for trace in retries
    )
    assert all("error" in trace.turns[1].answer for trace in retries)


def test_the_same_seed_gives_the_same_traces(world):
    first, traces, _ = world
    assert traces() == first
    assert traces(1) != first


@pytest.mark.parametrize("short", [False, True])
def test_only_taught_calls_are_learnt_from(world, chats, short):
    chat = chats[short]
    for trace in world[0][:30]:
        ids, mask = encode(trace, chat)
        learnt = chat.decode([token for token, taught in zip(ids, mask) if taught])
        assert learnt == "".join(turn.text for turn in trace.turns if turn.taught)
        assert ("# Tools" in chat.decode(ids)) != short


def test_renaming_replaces_whole_names_only():
    assert (
        rename(
            "exact ⟨Nat.add, Nat.add_comm ..⟩.symm", {"Nat.add": "x.y", "Nat.add_comm": "Nat.add"}
        )
        == "exact ⟨x.y, Nat.add ..⟩.symm"
    )
    assert rename("exact a.mp (b.a h)", {"a": "z", "symm": "q"}) == "exact z.mp (b.a h)"


def test_an_interrupted_warm_up_ends_with_the_same_weights(tmp_path, monkeypatch):
    rng = torch.Generator().manual_seed(0)
    data = [
        (torch.randint(0, 300, (12,), generator=rng).tolist(), [0] * 8 + [1] * 4) for _ in range(40)
    ]
    settings = load_profile("smoke").warmup.model_copy(update={"batch": 8})
    shape = dict(
        hidden_size=32,
        layers=1,
        heads=2,
        kv_heads=1,
        head_dim=16,
        intermediate_size=64,
        vocab_size=300,
        max_positions=64,
    )

    def run(folder, model):
        return warmup.train(
            model, [(data, 52), (data[:20], 8)], settings, folder, seed=0, autocast=False
        )

    whole = build_student(**shape)
    rows = run(tmp_path / "whole", whole)
    assert len(rows) == 60 and rows[-1]["loss"] < rows[0]["loss"]
    calls = []
    real = warmup._batch
    monkeypatch.setattr(
        warmup,
        "_batch",
        lambda phases, seed, step, size: (
            calls.append(step)
            or (1 / 0 if step == 57 and len(calls) < 60 else real(phases, seed, step, size))
        ),
    )
    cut = build_student(**shape)
    with pytest.raises(ZeroDivisionError):
        run(tmp_path / "cut", cut)
    again = build_student(**shape, seed=9)  # what it held is read back
    assert run(tmp_path / "cut", again) == rows
    assert calls[58:] == list(range(50, 60))
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), whole.parameters()))


def test_too_few_traces_say_so(tmp_path):
    with pytest.raises(ValueError, match="raise warmup.traces"):
        warmup.train(
            None,
            [([([1], [1])], 5)],
            load_profile("smoke").warmup,
            tmp_path,
            seed=0,
            autocast=False,
        )
