"""Memory and time of Feedback Distillation's loss over a large vocabulary: all at once, or chunked.

    python -m tests.benchmarks.distillation_loss [--tokens 4096] [--vocabulary 151936]
        [--hidden 1024] [--direction forward] [--top-k 25] [--rounds 3]

"plain" holds the logits of all action tokens, "chunked" is what trains. Vocabulary and width are
Qwen3-0.6B's. Its layers are left out: they cost both sides the same. Each side runs in a process of
its own (on Linux). The peak is the resident set's growth. Plain needs about 2.5 MB a token.
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

from fdcore.profile import load_profile
from fdcore.records import Trajectory, Verdict
from fdcore.training import chunks
from fdcore.training.methods import Batch, FeedbackDistillation
from fdcore.worlds.student import build_student

ROOT = Path(__file__).parents[2]
SIZES = dict(tokens=4096, vocabulary=151936, hidden=1024, prompt=64, rows=8, rounds=3, threads=1)


def parse_arguments(given: list[str] | None = None) -> argparse.Namespace:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in SIZES.items():
        options.add_argument(f"--{name}", type=int, default=value)
    options.add_argument("--direction", choices=["forward", "reverse", "jsd"], default="forward")
    options.add_argument("--top-k", type=int, default=25, help="0: the whole vocabulary")
    options.add_argument("--way", choices=["plain", "chunked"], help="run one side, print JSON")
    return options.parse_args(given)


def measure(args: argparse.Namespace) -> dict:
    """Loss, gradient norm, seconds, CPU seconds and peak growth in MB of one side."""
    torch.set_num_threads(args.threads)
    shape = dict(hidden_size=args.hidden, intermediate_size=args.hidden, vocab_size=args.vocabulary)
    shape |= dict(layers=1, heads=2, kv_heads=1, head_dim=32, max_positions=8192)
    student, teacher = (build_student(**shape, seed=seed) for seed in (0, 1))
    settings = dict(direction=args.direction, top_k=args.top_k or None)
    recipe = load_profile("smoke").distillation.model_copy(update=settings)
    method = FeedbackDistillation(recipe, teacher)
    random = torch.Generator().manual_seed(0)
    length = args.prompt + args.tokens // args.rows
    ids = torch.randint(0, args.vocabulary, (args.rows, length), generator=random).tolist()
    if args.way == "plain":
        chunks.CHUNK = args.tokens * args.vocabulary

    small = make_batch([row[: args.prompt + 1] for row in ids[:1]], args.prompt)
    method.loss(student, small)[0].backward()  # warm-up
    student.zero_grad()
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before, start, cpu = read_peak(), time.perf_counter(), time.process_time()
    loss, _ = method.loss(student, make_batch(ids, args.prompt))
    loss.backward()
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    norm = torch.nn.utils.get_total_norm([weight.grad for weight in student.parameters()])
    megabytes = read_peak() - before
    return dict(
        loss=loss.item(), gradient=norm.item(), seconds=seconds, cpu=cpu, megabytes=megabytes
    )


def make_batch(sequences: list[list[int]], prompt: int) -> Batch:
    """Attempts whose teacher reads the student's own prompt."""
    attempts = [
        Trajectory(
            problem_id="",
            seed=0,
            step=1,
            prompt_length=prompt,
            token_ids=ids,
            action_mask=[0] * prompt + [1] * (len(ids) - prompt),
            logprobs=[0.0] * len(ids),
            response_text="",
            tool_calls=(),
            source=None,
            verdict=Verdict(status="failed"),
            reward=0.0,
            stop_reason="end",
        )
        for ids in sequences
    ]
    return Batch([], attempts, contexts=[ids[:prompt] for ids in sequences])


def read_peak() -> float:
    """The largest resident set since the peak was last cleared, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def compare(args: argparse.Namespace) -> dict[str, float]:
    """Prints both sides; returns chunked over plain in memory, seconds and CPU seconds."""
    rows: dict[str, list[dict]] = {"plain": [], "chunked": []}
    values = {name.replace("_", "-"): value for name, value in vars(args).items() if name != "way"}
    settings = [f"--{name}={value}" for name, value in values.items()]
    command = [sys.executable, "-m", "tests.benchmarks.distillation_loss", *settings, "--way"]
    for _ in range(args.rounds):
        for way, results in rows.items():  # in turns, so that other load meets both
            done = subprocess.run(
                [*command, way], check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT
            )
            results.append(json.loads(done.stdout))
    print(
        f"{args.tokens:,} action tokens, vocabulary {args.vocabulary:,}, width {args.hidden:,}, "
        f"{args.direction}, top {args.top_k or 'all'}"
    )
    medians = {}
    for way, results in rows.items():
        row = {name: statistics.median(one[name] for one in results) for name in results[0]}
        medians[way] = row
        print(
            f"{way:8} peak {row['megabytes']:8,.0f} MB  {row['seconds']:6.2f} s  "
            f"{row['cpu']:6.2f} s of CPU  loss {row['loss']:.8f}  gradient {row['gradient']:.8f}"
        )
    names = ("megabytes", "seconds", "cpu")
    return {name: medians["chunked"][name] / medians["plain"][name] for name in names}


def main() -> None:
    args = parse_arguments()
    if args.way:
        print(json.dumps(measure(args)))
        return
    for name, ratio in compare(args).items():
        print(f"chunked / plain in {name}: {ratio:.2f}")


if __name__ == "__main__":
    main()
