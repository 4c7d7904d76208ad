"""Memory and time of Feedback Distillation's loss and gradient over a large vocabulary: all logits at once against chunks. Same sums.

    .venv/bin/python -m tests.benchmarks.distillation_loss [--tokens 4096] [--vocabulary 151936] [--hidden 1024] [--direction forward] [--top-k 25] [--rounds 3]

"plain" holds student's and teacher's logits of all action tokens, as one writes the loss down; "chunked" is what `fdcore.training.methods` does.
Vocabulary and width are Qwen3-0.6B's, its layers are left out: what a model adds to both sides alike would only hide the difference.
Each runs in a process of its own (on Linux), whose peak is that of the resident set less what it was before the forward pass; in turns, so that another
process' load meets both. Plain needs about 2.5 MB a token at Qwen3's vocabulary, with --top-k 0 twice that: lower --tokens where that does not fit.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch

from fdcore import REPOSITORY as ROOT
from fdcore.profile import load_profile
from fdcore.records import Trajectory, Verdict
from fdcore.training import chunks
from fdcore.training.methods import Batch, FeedbackDistillation
from fdcore.worlds.student import build_student


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in dict(
        tokens=4096, vocabulary=151936, hidden=1024, prompt=64, rows=8, rounds=3, threads=1
    ).items():
        options.add_argument(f"--{name}", type=int, default=value)
    options.add_argument("--direction", choices=["forward", "reverse", "jsd"], default="forward")
    options.add_argument("--top-k", type=int, default=25, help="0: the whole vocabulary")
    options.add_argument(
        "--way",
        choices=["plain", "chunked"],
        help="run one of the two here and print what it took as JSON",
    )
    return options.parse_args(given)


def measure(args: argparse.Namespace) -> dict:
    """Loss, gradient norm, seconds, CPU seconds and peak growth in MB of one way."""
    torch.set_num_threads(args.threads)
    shape = dict(
        hidden_size=args.hidden,
        layers=1,
        heads=2,
        kv_heads=1,
        head_dim=32,
        intermediate_size=args.hidden,
        vocab_size=args.vocabulary,
        max_positions=8192,
    )
    student, teacher = (build_student(**shape, seed=seed) for seed in (0, 1))
    length = args.tokens // args.rows
    random = torch.Generator().manual_seed(0)
    sequences = torch.randint(
        0, args.vocabulary, (args.rows, args.prompt + length), generator=random
    ).tolist()
    masks = [[0] * args.prompt + [1] * length] * args.rows
    if args.way == "plain":
        chunks.CHUNK = args.tokens * args.vocabulary  # all at once
    settings = dict(direction=args.direction, beta=0.5, top_k=args.top_k or None, tail=False)
    recipe = load_profile("smoke").distillation.model_copy(update=settings)
    method = FeedbackDistillation(recipe, teacher)

    def loss(sequences, masks) -> torch.Tensor:
        """What a step of the trainer computes; both models read the same tokens."""
        attempts = [make_attempt(*pair) for pair in zip(sequences, masks, strict=True)]
        prompts = [ids[: mask.index(1)] for ids, mask in zip(sequences, masks, strict=True)]
        return method.loss(student, Batch([], attempts, contexts=prompts))[0]

    loss([s[:8] for s in sequences[:1]], [[0] * 7 + [1]]).backward()  # warm-up
    student.zero_grad()
    Path("/proc/self/clear_refs").write_text(
        "5"
    )  # the peak starts anew: building the models had one of its own
    before, start, cpu = resident_peak(), time.perf_counter(), time.process_time()
    value = loss(sequences, masks)
    value.backward()
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    norm = torch.nn.utils.get_total_norm([p.grad for p in student.parameters()]).item()
    return dict(
        loss=value.item(),
        gradient=norm,
        seconds=seconds,
        cpu=cpu,
        megabytes=resident_peak() - before,
    )


def make_attempt(ids: list[int], mask: list[int]) -> Trajectory:
    return Trajectory(
        problem_id="",
        seed=0,
        step=1,
        prompt_length=mask.index(1),
        token_ids=ids,
        action_mask=mask,
        logprobs=[0.0] * len(ids),
        response_text="",
        tool_calls=(),
        source=None,
        verdict=Verdict(status="failed"),
        reward=0.0,
        stop_reason="end",
    )


def resident_peak() -> float:
    """The largest resident set since the peak was last cleared, in MB."""
    (line,) = (
        line
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmHWM")
    )
    return int(line.split()[1]) / 1024


def compare(args: argparse.Namespace) -> dict[str, float]:
    """Prints both sides; returns chunked over plain in memory, seconds and CPU seconds."""
    found: dict[str, list[dict]] = {"plain": [], "chunked": []}
    settings = [
        f"--{name.replace('_', '-')}={value}" for name, value in vars(args).items() if name != "way"
    ]
    for _ in range(args.rounds):
        for way, rows in found.items():
            command = [
                sys.executable,
                "-m",
                "tests.benchmarks.distillation_loss",
                *settings,
                "--way",
                way,
            ]
            rows.append(
                json.loads(
                    subprocess.run(
                        command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT
                    ).stdout
                )
            )
    print(
        f"{args.tokens:,} action tokens, vocabulary {args.vocabulary:,}, width {args.hidden:,}, {args.direction}, "
        + (f"top {args.top_k}" if args.top_k else "whole vocabulary")
    )
    medians = {
        way: {name: statistics.median(row[name] for row in rows) for name in rows[0]}
        for way, rows in found.items()
    }
    for way, row in medians.items():
        print(
            f"{way:8} peak {row['megabytes']:8,.0f} MB  {row['seconds']:6.2f} s  {row['cpu']:6.2f} s of CPU time  loss {row['loss']:.8f}  gradient norm {row['gradient']:.8f}"
        )
    return {
        name: medians["chunked"][name] / medians["plain"][name]
        for name in ("megabytes", "seconds", "cpu")
    }


def main() -> None:
    args = arguments()
    if args.way:
        print(json.dumps(measure(args)))
        return
    for name, ratio in compare(args).items():
        print(f"chunked / plain in {name}: {ratio:.2f}")


if __name__ == "__main__":
    main()
