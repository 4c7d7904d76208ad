"""Tokens a second of the torch sampler and of `generate()`: same model, prompts and new tokens.

    python -m tests.benchmarks.sampling [--batch 256] [--rounds 3] [--threads 2] [--profile]

The prompts share a prefix and end differently, with different lengths, as those of a training step.
No stop token: both sides sample exactly `--new` tokens a row, so `generate()` loses nothing to rows
that finish early.
"""

from __future__ import annotations

import argparse
import random
import time

import torch

from fdcore.rollout.sampler import SamplingParams
from fdcore.rollout.torch_sampler import TorchSampler
from fdcore.worlds.student import build_student


def prompts_of(batch: int, shared: int, own: int, vocabulary: int) -> list[list[int]]:
    """`batch` prompts: the same `shared` tokens, then half to one and a half times `own` tokens."""
    rng = random.Random(0)
    prefix = [rng.randrange(vocabulary) for _ in range(shared)]
    return [
        prefix + [rng.randrange(vocabulary) for _ in range(rng.randint(own // 2, own + own // 2))]
        for _ in range(batch)
    ]


def with_generate(model, prompts: list[list[int]], new: int, batch: int) -> int:
    total = 0
    for start in range(0, len(prompts), batch):
        part = prompts[start : start + batch]
        width = max(map(len, part))
        ids = torch.tensor([[0] * (width - len(p)) + p for p in part])
        mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in part])
        out = model.generate(
            ids,
            attention_mask=mask,
            do_sample=True,
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            max_new_tokens=new,
            min_new_tokens=new,
            pad_token_id=0,
        )
        total += (out.shape[1] - width) * len(part)
    return total


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in dict(
        batch=256,
        shared=300,
        own=60,
        new=100,
        rounds=3,
        threads=2,
        vocabulary=1500,
        hidden=128,
        layers=4,
        kv_heads=2,
    ).items():
        options.add_argument(f"--{name.replace('_', '-')}", type=int, default=value)
    options.add_argument(
        "--profile", action="store_true", help="show where the sampler's time goes"
    )
    return options.parse_args(given)


def compare(args: argparse.Namespace) -> dict[str, float]:
    """Print both sides; return the sampler's rates over `generate()`'s, by wall and CPU time."""
    torch.set_num_threads(args.threads)
    model = build_student(
        hidden_size=args.hidden,
        layers=args.layers,
        heads=args.hidden // 32,
        kv_heads=args.kv_heads,
        head_dim=32,
        intermediate_size=3 * args.hidden,
        vocab_size=args.vocabulary,
        max_positions=4096,
    ).eval()
    prompts = prompts_of(args.batch, args.shared, args.own, args.vocabulary)
    params, sampler = (
        SamplingParams(max_new_tokens=args.new),
        TorchSampler(model, max_batch=args.batch),
    )
    sides = {
        "generate()": lambda: with_generate(model, prompts, args.new, args.batch),
        "TorchSampler": lambda: sum(
            len(c.token_ids) for c in sampler.generate(prompts, params, range(len(prompts)))
        ),
    }
    rates: dict[str, list[float]] = {name: [] for name in sides}
    work: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(args.rounds):  # in turns, so that another process' load meets both
        for name, run in sides.items():
            start, cpu = time.perf_counter(), time.process_time()
            tokens = run()
            rates[name].append(tokens / (time.perf_counter() - start))
            work[name].append(tokens / (time.process_time() - cpu))
    parameters = sum(p.numel() for p in model.parameters())
    print(
        f"{parameters / 1e6:.2f} M parameters, batch {args.batch}, {args.shared} shared + about "
        f"{args.own} own + {args.new} new tokens, {args.threads} threads"
    )
    for name, values in rates.items():
        rounds = ", ".join(f"{value:,.0f}" for value in values)
        print(
            f"{name:<14}{max(values):>9,.0f} tokens/s (best of {args.rounds}: {rounds}), "
            f"{max(work[name]):,.0f} a second of CPU time"
        )
    if args.profile:
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            sampler.generate(prompts, SamplingParams(max_new_tokens=20), range(len(prompts)))
        print(
            profile.key_averages().table(
                sort_by="self_cpu_time_total", row_limit=25, max_name_column_width=40
            )
        )
    return {
        what: max(values["TorchSampler"]) / max(values["generate()"])
        for what, values in (("seconds", rates), ("cpu", work))
    }


if __name__ == "__main__":
    for name, ratio in compare(arguments()).items():
        print(f"TorchSampler / generate() in tokens by {name}: {ratio:.2f}")
