"""Seconds of one GRPO step of a small student: the trainer against TRL's GRPOTrainer.

    python -m tests.benchmarks.grpo_step [--prompts 16] [--samples 4] [--new 128] [--rounds 5]

Both get the same weights, prompts (with the system prompt and tools of a run), group size,
micro-batches, reward, optimizer settings and KL penalty, and sample exactly `--new` tokens a row.
The reward is computed from the tokens: no Lean on either side. Steps go in turns in one process, so
that other load meets both.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import torch
from datasets import Dataset
from transformers import PrinterCallback, TrainerCallback
from transformers.utils import logging
from trl import GRPOConfig, GRPOTrainer

from fdcore.model import load_model, save_model
from fdcore.profile import load_profile
from fdcore.records import Trajectory
from fdcore.rollout.chat import Chat
from fdcore.rollout.sampler import SamplingParams
from fdcore.rollout.tools import Tools
from fdcore.rollout.torch_sampler import TorchSampler
from fdcore.training.loop import Trainer
from fdcore.training.methods import GroupRelativePolicyOptimization
from fdcore.worlds.problems import ROOT, read_problems
from fdcore.worlds.student import build_student, train_tokenizer
from tests.smallrun import make_trajectory

SHAPE = dict(
    hidden_size=128,
    layers=4,
    heads=4,
    kv_heads=2,
    head_dim=32,
    intermediate_size=384,
    vocab_size=2048,
    max_positions=2048,
)


def reward(completion_ids: list[list[int]], **_) -> list[float]:
    """1 where the tokens' sum is even: about half of each group."""
    return [float(sum(ids) % 2 == 0) for ids in completion_ids]


class Ours(Trainer):
    """A trainer that samples with the torch sampler and gives the benchmark's reward."""

    new, tokens = 0, 0  # tokens a row; sampled so far

    def roll_out(self, problems, seeds, step) -> list[Trajectory]:
        self.sampler.update_weights(self.model)
        prompts = [self.environment.chat.prompt(problem) for problem in problems]
        params = SamplingParams(max_new_tokens=self.new)
        completions = self.sampler.generate(prompts, params, seeds)
        rewards = reward([completion.token_ids for completion in completions])
        self.tokens += sum(len(completion.token_ids) for completion in completions)
        rows = zip(problems, seeds, prompts, completions, strict=True)
        attempts = [make_trajectory(step, *row) for row in rows]
        return [
            one.model_copy(update={"reward": value})
            for one, value in zip(attempts, rewards, strict=True)
        ]


def make_trainer(args, profile, model, chat: Chat, folder: Path) -> Ours:
    changes = {"grpo.prompts": args.prompts, "grpo.samples": args.samples}
    profile = profile.varied(changes)
    trainer = Ours(
        folder=folder,
        arm="grpo",
        seed=0,
        profile=profile,
        model=model,
        method=GroupRelativePolicyOptimization(
            profile.grpo, copy.deepcopy(model), max_tokens=args.new
        ),
        sampler=TorchSampler(model, max_batch=args.prompts * args.samples),
        environment=SimpleNamespace(
            chat=chat, library=SimpleNamespace(lemmas_in=lambda source: set())
        ),
    )
    trainer.new = args.new
    trainer.resume()
    return trainer


class InTurns(TrainerCallback):
    """Times each of TRL's steps, and one of ours after each."""

    def __init__(self, ours: Ours, problems):
        self.ours, self.problems = ours, problems
        self.seconds, self.cpu = {"TRL": [], "fdcore": []}, {"TRL": [], "fdcore": []}

    def on_step_begin(self, *_, **__):
        self.start = time.perf_counter(), time.process_time()

    def on_step_end(self, _, state, __, **___):
        self._stop("TRL")
        self.start = time.perf_counter(), time.process_time()
        self.ours.train_step(state.global_step, self.problems)
        self._stop("fdcore")

    def _stop(self, who: str) -> None:
        self.seconds[who].append(time.perf_counter() - self.start[0])
        self.cpu[who].append(time.process_time() - self.start[1])


def make_trl_trainer(args, profile, model, tokenizer, prompts: list[str], turns) -> GRPOTrainer:
    settings, training = profile.grpo, profile.training
    batch = args.prompts * args.samples
    micro = min(training.micro_batch, batch)
    config = GRPOConfig(
        output_dir=str(turns.ours.folder.with_name("theirs")),
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
        logging_steps=1,
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=batch // micro,
        num_generations=args.samples,
        max_completion_length=args.new,
        max_steps=args.rounds + 1,
        beta=settings.kl_coefficient,
        epsilon=settings.clip_low,
        epsilon_high=settings.clip_high,
        loss_type="dapo",
        learning_rate=settings.learning_rate,
        temperature=1.0,
        top_p=1.0,
        top_k=0,
        max_grad_norm=training.max_grad_norm,
        weight_decay=training.weight_decay,
        generation_kwargs={"min_new_tokens": args.new},
        mask_truncated_completions=False,
    )
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=reward,
        args=config,
        train_dataset=Dataset.from_list([{"prompt": prompt} for prompt in prompts]),
        processing_class=tokenizer,
        callbacks=[turns],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def compare(args: argparse.Namespace) -> dict[str, float]:
    """Prints both sides; returns TRL's seconds and CPU seconds over ours."""
    torch.set_num_threads(args.threads)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    profile = load_profile("smoke")
    problems = read_problems(ROOT / "train.jsonl")[: args.prompts]
    texts = [problem.statement for problem in problems] + [str(Tools.schemas)] * 50
    tokenizer = train_tokenizer(texts, SHAPE["vocab_size"])
    chat = Chat(tokenizer, Tools.schemas, thinking=False)
    prompts = [chat.decode(chat.prompt(problem)) for problem in problems]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_model(build_student(**SHAPE, seed=0), tokenizer, folder / "model")
        model, other = (load_model(folder / "model") for _ in range(2))
        ours = make_trainer(args, profile, model, chat, folder / "ours")
        turns = InTurns(ours, problems)
        trainer = make_trl_trainer(args, profile, other, tokenizer, prompts, turns)
        trainer.train()
    logs = [row.get("completions/mean_length") for row in trainer.state.log_history]
    counts = {length * args.prompts * args.samples for length in logs if length is not None}
    print(
        f"{args.prompts} prompts x {args.samples} samples x {args.new} new tokens, {args.threads} "
        f"threads; each side's first step is left out. New tokens a step: TRL {counts}, "
        f"fdcore {ours.tokens / (args.rounds + 1):,.0f}"
    )
    ratios = {}
    for unit, values in (("seconds", turns.seconds), ("cpu", turns.cpu)):
        medians = {who: statistics.median(times[1:]) for who, times in values.items()}
        ratios[unit] = medians["TRL"] / medians["fdcore"]
        print(f"{unit:8} a step: TRL {medians['TRL']:.2f}, fdcore {medians['fdcore']:.2f}")
    return ratios


def parse_arguments(given: list[str] | None = None) -> argparse.Namespace:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in dict(prompts=16, samples=4, new=128, rounds=5, threads=1).items():
        options.add_argument(f"--{name}", type=int, default=value)
    return options.parse_args(given)


if __name__ == "__main__":
    for name, ratio in compare(parse_arguments()).items():
        print(f"TRL / fdcore in {name}: {ratio:.2f}")
