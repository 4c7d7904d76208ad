"""One traced step of Feedback Distillation: few files, and none is called back by one it called."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import fdcore
from fdcore.profile import load_profile
from fdcore.records import Problem, Verdict
from fdcore.rollout.chat import Chat
from fdcore.rollout.episode import Environment
from fdcore.rollout.sampler import Completion
from fdcore.rollout.tools import Tools
from fdcore.rollout.torch_sampler import TorchSampler
from fdcore.training.loop import Trainer
from fdcore.training.methods import FeedbackDistillation
from fdcore.training.teacher import EMATeacher
from fdcore.worlds.student import build_student, train_tokenizer
from tests.smallrun import SHAPE, Advice

PACKAGE = Path(fdcore.__file__).parent
PROBLEM = Problem(id="a", header="", statement="theorem a : True := by", split="train")


class Scripted(TorchSampler):
    """Samples, and then says the next turn of a script: a file is written, then it is checked."""

    def say(self, chat: Chat):
        calls = [
            chat.format.write("lean_write_file", {"path": "A.lean", "content": "trivial"}),
            chat.format.write("lean_check_file", {"path": "A.lean"}),
        ]
        self.turns = iter([*map(chat.encode, calls), [chat.ends[0]]])

    def generate(self, prompts, params, seeds):
        super().generate(
            prompts, [p.model_copy(update={"max_new_tokens": 1}) for p in params], seeds
        )
        ids = next(self.turns)
        return [
            Completion(token_ids=ids, logprobs=[-1.0] * len(ids), finish_reason="stop")
            for _ in prompts
        ]


@pytest.fixture
def trainer(tmp_path) -> Trainer:
    profile = load_profile("smoke").varied(
        {"distillation.prompts": 2, "distillation.ema_every": 1, "training.micro_batch": 1}
    )
    chat = Chat(train_tokenizer([str(Tools.schemas)], 400), Tools.schemas, thinking=False)
    model = build_student(**SHAPE | {"vocab_size": 500, "max_positions": 4096}).eval()
    verifier = SimpleNamespace(check_many=lambda pairs: [Verdict(status="failed") for _ in pairs])
    library = SimpleNamespace(lemmas_in=lambda source: set())
    limits = profile.episode.model_copy(
        update={"max_prompt_tokens": 4000, "max_response_tokens": 400}
    )
    teacher = EMATeacher(model, every=1)
    sampler = Scripted(model)
    sampler.say(chat)
    return Trainer(
        folder=tmp_path,
        arm="fd",
        seed=0,
        profile=profile,
        model=model,
        method=FeedbackDistillation(profile.distillation, teacher.model),
        sampler=sampler,
        environment=Environment(chat, verifier, library, limits),
        producer=Advice(),
        teacher=teacher,
    )


def trace(action) -> tuple[set[str], set[tuple[str, str]]]:
    """The package's files that a call enters, and (caller, file) where a file is called back."""
    files, callbacks = set(), set()
    stack: list[str | None] = []  # of frames, the package's file or None

    def on_event(frame, event, argument):
        path = Path(frame.f_code.co_filename)
        inside = (
            path.suffix == ".py"
            and PACKAGE in path.parents
            and not frame.f_code.co_name.startswith("<")
        )
        name = str(path.relative_to(PACKAGE)) if inside else None
        if event == "call":
            callers = [file for file in stack if file is not None]
            if name is not None:
                files.add(name)
                if callers and callers[-1] != name and name in callers:
                    callbacks.add((callers[-1], name))
            stack.append(name)
        elif event == "return" and stack:
            stack.pop()

    sys.setprofile(on_event)
    try:
        action()
    finally:
        sys.setprofile(None)
    return files, callbacks


def test_a_step_enters_few_files_and_calls_none_back(trainer):
    torch.set_num_threads(1)
    trainer.resume()
    files, callbacks = trace(lambda: trainer.train_step(1, [PROBLEM, PROBLEM]))
    assert not callbacks
    assert len(files) <= 19, sorted(files)
