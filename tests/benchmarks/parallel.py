"""Gradients of a batch: one backward on all cores against parts side by side on one core each. Same model, same rows, same sums.

    .venv/bin/python -m tests.benchmarks.parallel [--rows 32] [--own 200] [--shared 400] [--rounds 5]

The two are timed in turns, so that a machine that grows slower in between spoils both alike; printed are medians and their ratio.
"""

import argparse
import statistics
import time

import torch

from fdcore.rollout.parallel import accumulate
from fdcore.training.logits import action_logits, action_values
from fdcore.worlds.student import build_student

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--rows", type=int, default=32, help="sequences in the batch")
parser.add_argument(
    "--own",
    type=int,
    default=200,
    help="tokens of each sequence behind the shared prefix; a quarter are action tokens",
)
parser.add_argument("--shared", type=int, default=400, help="tokens that all sequences begin with")
parser.add_argument("--rounds", type=int, default=5)
arguments = parser.parse_args()

model = build_student(
    hidden_size=128,
    layers=4,
    heads=4,
    kv_heads=2,
    head_dim=32,
    intermediate_size=384,
    vocab_size=2048,
    max_positions=2048,
)
random = torch.Generator().manual_seed(0)
prefix = torch.randint(0, 2048, (arguments.shared,), generator=random).tolist()
rows = [
    prefix + torch.randint(0, 2048, (arguments.own,), generator=random).tolist()
    for _ in range(arguments.rows)
]
masks = [[0] * (len(row) - arguments.own // 4) + [1] * (arguments.own // 4) for row in rows]


def part(first: int, last: int):
    def loss():
        logits = action_logits(model, rows[first:last], masks[first:last])
        return torch.nn.functional.cross_entropy(
            logits, action_values(rows[first:last], masks[first:last]), reduction="sum"
        ), None

    return loss


def seconds(parts) -> float:
    model.zero_grad()
    start = time.perf_counter()
    accumulate(model, parts)
    return time.perf_counter() - start


cores, size = torch.get_num_threads(), arguments.rows
bounds = [size * i // cores for i in range(cores + 1)]
ways = {
    "one backward on all cores": [part(0, size)],
    f"{cores} parts side by side": [part(a, b) for a, b in zip(bounds, bounds[1:])],
}
times = {name: [] for name in ways}
for _ in range(arguments.rounds + 1):  # the first round warms up
    for name, parts in ways.items():
        times[name].append(seconds(parts))
medians = {name: statistics.median(found[1:]) for name, found in times.items()}
for name, median in medians.items():
    print(f"{name:28} {median:.3f} s  {arguments.rows * arguments.own / median:,.0f} own tokens/s")
print(f"ratio {medians['one backward on all cores'] / medians[f'{cores} parts side by side']:.2f}")
