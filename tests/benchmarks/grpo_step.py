"""Seconds of one GRPO step of the tiny student: `fdcore.training.loop` against TRL's GRPOTrainer, side by side in one process.

    .venv/bin/python -m tests.benchmarks.grpo_step [--prompts 16] [--samples 4] [--new 128] [--rounds 5] [--threads 1]

Both get the same weights, prompts (with the system prompt and tool list of a run), group size, micro-batches, reward and optimizer
settings, a KL penalty to a reference, and sample exactly `--new` tokens a row: no stop token, so that neither gains by ending early.
The reward is computed here from the tokens: no Lean on either side. Steps go in turns, so that another process' load meets both.
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


def theirs(
    args, profile, model, tokenizer, chat: Chat, problems, folder: Path, callback
) -> GRPOTrainer:
    settings, training = profile.grpo, profile.training
    batch = args.prompts * args.samples
    micro = min(training.micro_batch, batch)
    config = GRPOConfig(
        output_dir=str(folder),
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
    rows = [{"prompt": chat.text(chat.messages(problem))} for problem in problems]
    return GRPOTrainer(
        model=model,
        reward_funcs=reward,
        args=config,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        callbacks=[callback],
    )


def compare(args: argparse.Namespace) -> dict[str, float]:
    """Prints both sides; returns TRL's seconds and CPU seconds over ours."""
    torch.set_num_threads(args.threads)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    profile = load_profile("tiny")
    problems = read_problems(ROOT / "train.jsonl")[: args.prompts]
    tokenizer = train_tokenizer(
        [problem.statement for problem in problems] + [str(Tools.schemas)] * 50,
        profile.model.student.vocab_size,
    )
    chat = Chat(tokenizer, Tools.schemas, thinking=False)
    shape = profile.model.student.model_dump(exclude={"vocab_size"})
    with tempfile.TemporaryDirectory() as folder:
        save_model(
            build_student(**shape, vocab_size=profile.model.student.vocab_size, seed=0),
            tokenizer,
            Path(folder) / "model",
        )
        one, other = (
            load_model(Path(folder) / "model") for _ in range(2)
        )  # TRL reads its reference from the folder
        ours = make_trainer(args, profile, one, chat, Path(folder) / "ours")
        turns = InTurns(ours, problems)
        trainer = theirs(
            args, profile, other, tokenizer, chat, problems, Path(folder) / "theirs", turns
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    lengths = [len(chat.prompt(problem)) for problem in problems]
    print(
        f"{args.prompts} prompts of {min(lengths)} to {max(lengths)} tokens x {args.samples} samples x {args.new} new tokens, {args.threads} threads; each side's first step is left out"
    )
    mean = {
        row["completions/mean_length"]
        for row in trainer.state.log_history
        if "completions/mean_length" in row
    }
    print(
        f"new tokens a step: TRL {', '.join(f'{m * args.prompts * args.samples:,.0f}' for m in mean)}, fdcore {ours.tokens / (args.rounds + 1):,.0f}"
    )
    for who, seconds in turns.seconds.items():
        print(
            f"{who:8}{statistics.median(seconds[1:]):7.2f} s a step ({', '.join(f'{s:.2f}' for s in seconds[1:])}), {statistics.median(turns.cpu[who][1:]):.2f} s of CPU time"
        )
    return {
        what: statistics.median(values["TRL"][1:]) / statistics.median(values["fdcore"][1:])
        for what, values in (("seconds", turns.seconds), ("cpu", turns.cpu))
    }


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in dict(prompts=16, samples=4, new=128, rounds=5, threads=1).items():
        options.add_argument(f"--{name}", type=int, default=value)
    return options.parse_args(given)


if __name__ == "__main__":
    for name, ratio in compare(arguments()).items():
        print(f"TRL / fdcore in {name}: {ratio:.2f}")
