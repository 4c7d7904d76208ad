"""A training run of seconds for tests: the real trainer, methods and torch sampler; the reward is counted from the tokens, without Lean."""

from __future__ import annotations

import copy
from pathlib import Path

import torch

from fdcore.model import add_adapters, checkpoint_activations, whole
from fdcore.profile import load_profile
from fdcore.records import Feedback, Problem, Trajectory, Verdict
from fdcore.rollout.chat import Chat
from fdcore.rollout.sampler import SamplingParams
from fdcore.rollout.torch_sampler import TorchSampler
from fdcore.training.ahead import Rollouts
from fdcore.training.checkpoint import gathered
from fdcore.training.clock import Clock
from fdcore.training.distributed import Processes
from fdcore.training.loop import Run
from fdcore.training.methods import FeedbackDistillation, GroupRelativePolicyOptimization
from fdcore.training.teacher import shared_copy
from fdcore.worlds.student import build_student, train_tokenizer

PROBLEMS = [
    Problem(id=name, header="", statement=f"theorem {name} : True := by", split="train")
    for name in "abcdef"
]
NEW = 6


def student(lora: bool = False, checkpointing: bool = False):
    shape = dict(
        hidden_size=16,
        layers=2,
        heads=2,
        kv_heads=1,
        head_dim=8,
        intermediate_size=32,
        vocab_size=300,
        max_positions=256,
    )
    model = build_student(**shape, seed=1).eval()
    model = add_adapters(model, rank=2, alpha=4, seed=3) if lora else model
    return checkpoint_activations(model) if checkpointing else model


class Advice:
    def write(self, items):
        return [
            Feedback(problem_id=problem.id, text=f"Try {'rfl ' * (t.seed % 4)}.", producer="test")
            for problem, t in items
        ]


class Small:
    """`Small(folder, "fd").train(4)`: 4 problems a step (fd) or 2 x 2 samples (grpo), in micro-batches of 2."""

    def __init__(
        self,
        folder: Path,
        method: str,
        *,
        lora: bool = False,
        checkpointing: bool = False,
        arm: str | None = None,
        learning_rate: float = 0.01,
        fail_at: int | None = None,
        cap: float | None = None,
        processes: Processes = Processes(),
        engines=None,
        **training,
    ):
        self.model, self.fail_at, self.processes = student(lora, checkpointing), fail_at, processes
        stale = bool(training.get("staleness"))
        self.talk = processes.aside() if stale else processes
        self.tokenizer = train_tokenizer(["theorem a : True := by"], 300)
        self.sampler = (
            engines(self.model, self.tokenizer)
            if engines
            else TorchSampler(
                copy.deepcopy(self.model) if stale or processes.shards(self.model) else self.model
            )
        )
        self.chat = Chat(self.tokenizer, [], thinking=False, system=False)
        profile, clock = load_profile("smoke"), Clock()
        settings = profile.training.model_copy(
            update={"micro_batch": 2, "checkpoint_every": 2, "warmup_steps": 2} | training
        )
        if method == "fd":
            how = FeedbackDistillation(
                profile.distillation.model_copy(update={"ema_every": 2, "importance_cap": cap}),
                self.model,
                self.chat,
                Advice(),
                autocast=False,
                processes=processes,
                clock=clock,
            )
        else:
            how = GroupRelativePolicyOptimization(
                profile.grpo.model_copy(
                    update={"kl_coefficient": 0.1, "updates": 2, "importance_cap": cap}
                ),
                processes.shard(shared_copy(self.model)),
                max_tokens=NEW,
                autocast=False,
            )
        processes.shard(self.model)
        count = {"fd": (4, 1), "grpo": (2, 2)}[method]
        self.run = Run(
            folder,
            arm or method,
            0,
            self.model,
            how,
            settings,
            learning_rate=learning_rate,
            prompts=count[0],
            samples=count[1],
            processes=processes,
            clock=clock,
        )

    def push(self) -> None:
        self.sampler.update_weights(self.model)

    def roll(self, problems, seeds, step, prompts=None) -> list[Trajectory]:
        if step == self.fail_at:
            raise KeyboardInterrupt
        problems, seeds = self.talk.part(problems), self.talk.part(seeds)
        prompts = [self.chat.prompt(problem) for problem in problems]
        found = self.sampler.generate(
            prompts, [SamplingParams(max_new_tokens=2 + seed % NEW) for seed in seeds], seeds
        )
        return self.talk.gather(
            [self._trajectory(step, *row) for row in zip(problems, seeds, prompts, found)]
        )

    def _trajectory(self, step, problem, seed, prompt, found) -> Trajectory:
        solved, before = sum(found.token_ids) % 2 == 0, len(prompt)
        return Trajectory(
            problem_id=problem.id,
            seed=seed,
            step=step,
            prompt_length=before,
            token_ids=(*prompt, *found.token_ids),
            action_mask=(*[0] * before, *[1] * len(found.token_ids)),
            logprobs=(*[0.0] * before, *found.logprobs),
            response_text="",
            tool_calls=(),
            source=None,
            verdict=Verdict(status="verified" if solved else "failed"),
            reward=float(solved),
            stop_reason="length",
        )

    def train(self, steps: int, **how) -> list[dict]:
        how = dict(look=None, look_every=1, keep={}, save=lambda folder: None) | how
        return self.run.train(
            steps,
            PROBLEMS,
            sample=Rollouts(self.push, self.roll),
            lemmas_of=lambda source: set(),
            **how,
        )

    def weights(self) -> dict[str, torch.Tensor]:
        return {name: whole(weight).clone() for name, weight in self.model.state_dict().items()}

    def state(self) -> dict:
        return gathered(self.run.method.state_dict())
