"""A training run of seconds for tests: the real trainer, methods and torch sampler.

The reward is counted from the tokens, without Lean.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import torch

from fdcore.model import add_adapters, checkpoint_activations, whole
from fdcore.profile import Profile, load_profile
from fdcore.records import Feedback, Problem, Trajectory, Verdict
from fdcore.rollout.chat import Chat
from fdcore.rollout.sampler import SamplingParams
from fdcore.rollout.torch_sampler import TorchSampler
from fdcore.training.checkpoint import gather
from fdcore.training.distributed import Processes
from fdcore.training.loop import Trainer
from fdcore.training.methods import FeedbackDistillation, GroupRelativePolicyOptimization
from fdcore.training.teacher import EMATeacher, shared_copy
from fdcore.worlds.student import build_student, train_tokenizer

PROBLEMS = [
    Problem(id=name, header="", statement=f"theorem {name} : True := by", split="train")
    for name in "abcdef"
]
NEW = 6  # most tokens of a response
SHAPE = dict(
    hidden_size=16,
    layers=2,
    heads=2,
    kv_heads=1,
    head_dim=8,
    intermediate_size=32,
    vocab_size=300,
    max_positions=256,
)


def student(lora: bool = False, checkpointing: bool = False):
    model = build_student(**SHAPE, seed=1).eval()
    model = add_adapters(model, rank=2, alpha=4, seed=3) if lora else model
    return checkpoint_activations(model) if checkpointing else model


class Advice:
    """Feedback whose length depends on the attempt's seed."""

    def write(self, items: Sequence[tuple[Problem, Trajectory]]) -> list[Feedback]:
        return [
            Feedback(problem_id=problem.id, text=f"Try {'rfl ' * (t.seed % 4)}.", producer="test")
            for problem, t in items
        ]


class CountedTrainer(Trainer):
    """A trainer whose episodes are one completion; an even sum of tokens is a proof."""

    fail_at: int | None = None

    def roll_out(self, problems, seeds, step) -> list[Trajectory]:
        if step == self.fail_at:
            raise KeyboardInterrupt
        self.sampler.update_weights(self.model)
        problems, seeds = self.processes.part(problems), self.processes.part(seeds)
        prompts = [self.environment.chat.prompt(problem) for problem in problems]
        params = [SamplingParams(max_new_tokens=2 + seed % NEW) for seed in seeds]
        completions = self.sampler.generate(prompts, params, seeds)
        rows = zip(problems, seeds, prompts, completions, strict=True)
        return self.processes.gather([make_trajectory(step, *row) for row in rows])


def make_trajectory(step: int, problem: Problem, seed: int, prompt, completion) -> Trajectory:
    ids, before = completion.token_ids, len(prompt)
    solved = sum(ids) % 2 == 0
    return Trajectory(
        problem_id=problem.id,
        seed=seed,
        step=step,
        prompt_length=before,
        token_ids=(*prompt, *ids),
        action_mask=(*[0] * before, *[1] * len(ids)),
        logprobs=(*[0.0] * before, *completion.logprobs),
        response_text="",
        tool_calls=(),
        source="",
        verdict=Verdict(status="verified" if solved else "failed"),
        reward=float(solved),
        stop_reason="length",
    )


def small_profile(
    cap: float | None = None, learning_rate: float = 0.01, every: int = 10**6, **training
) -> Profile:
    """The smoke profile with steps of 4 attempts: 4 x 1 (fd), or 2 x 2 (grpo)."""
    settings = {
        "training.micro_batch": 2,
        "training.checkpoint_every": 2,
        "training.warmup_steps": 2,
        "evaluation.every": every,
        "evaluation.during": ("test", "holdout"),
        "distillation.ema_every": 2,
        "distillation.prompts": 4,
        "distillation.learning_rate": learning_rate,
        "distillation.importance_cap": cap,
        "grpo.prompts": 2,
        "grpo.samples": 2,
        "grpo.learning_rate": learning_rate,
        "grpo.kl_coefficient": 0.1,
        "grpo.updates": 2,
        "grpo.importance_cap": cap,
    }
    settings |= {f"training.{name}": value for name, value in training.items()}
    return load_profile("smoke").varied(settings)


def small_trainer(
    folder: Path,
    method: str,
    *,
    lora: bool = False,
    checkpointing: bool = False,
    arm: str | None = None,
    processes: Processes | None = None,
    **settings,
) -> CountedTrainer:
    """`small_trainer(folder, "fd").train(4, SPLITS)`; `settings`: those of `small_profile`."""
    model, processes = student(lora, checkpointing), processes or Processes()
    chat = Chat(train_tokenizer(["theorem a : True := by"], 300), [], thinking=False, system=False)
    sampled = copy.deepcopy(model) if processes.shards(model) else model
    profile = small_profile(**settings)
    teacher = None
    if method == "fd":
        teacher = EMATeacher(model, alpha=0.9, every=profile.distillation.ema_every)
        processes.shard(teacher.model)
        learner = FeedbackDistillation(profile.distillation, teacher.model)
    else:
        reference = processes.shard(shared_copy(model))
        learner = GroupRelativePolicyOptimization(profile.grpo, reference, max_tokens=NEW)
    processes.shard(model)
    library = SimpleNamespace(lemmas_in=lambda source: set())
    return CountedTrainer(
        folder=folder,
        arm=arm or method,
        seed=0,
        profile=profile,
        model=model,
        method=learner,
        sampler=TorchSampler(sampled),
        environment=SimpleNamespace(chat=chat, library=library),
        producer=Advice() if method == "fd" else None,
        teacher=teacher,
        processes=processes,
    )


SPLITS = {"train": PROBLEMS}


def weights_of(trainer: Trainer) -> dict[str, torch.Tensor]:
    weights = trainer.model.state_dict()
    return {name: whole(weight).detach().clone() for name, weight in weights.items()}


def teacher_of(trainer: Trainer) -> dict[str, torch.Tensor]:
    averages = gather(trainer.teacher.state_dict()) if trainer.teacher else {}
    return {name: weight.clone() for name, weight in averages.items()}
