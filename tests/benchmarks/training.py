"""The training core against its bars, side by side in one run: exactness, memory and time of the loss, a GRPO step, the sampler.

    .venv/bin/python tests/benchmarks/training.py [--quick]

Each part is a benchmark of its own with options of its own: `python -m tests.benchmarks.exactness`, `.distillation_loss`, `.grpo_step`, `.sampling`.
Exit code 1 when a bar is missed. Needs 12 GB of memory, TRL, and some five minutes on two idle cores; --quick: a minute, with small sizes that
prove nothing. Beside other load look at the ratios in CPU time.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this file is run as a script, too

from tests.benchmarks import distillation_loss, exactness, grpo_step, sampling

QUICK = {
    "loss": ["--tokens=1024", "--hidden=64", "--rounds=1"],
    "step": ["--prompts=4", "--new=32", "--rounds=2"],
    "sampler": ["--batch=64", "--new=30", "--rounds=1"],
}
FULL = {
    "loss": ["--threads=2", "--rounds=1"],
    "step": ["--rounds=2"],
    "sampler": ["--rounds=1", "--new=60"],
}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--quick", action="store_true")
    sizes = QUICK if options.parse_args().quick else FULL
    part("Loss and gradient against independent formulas and TRL, float64")
    exact = exactness.compare()
    part("The Feedback Distillation loss at Qwen3's vocabulary: chunked against plain")
    loss = distillation_loss.compare(distillation_loss.arguments(sizes["loss"]))
    part("A GRPO step of the tiny student: TRL's GRPOTrainer against fdcore")
    step = grpo_step.compare(grpo_step.arguments(sizes["step"]))
    part("Sampling prompts of mixed length: TorchSampler against generate()")
    sampler = sampling.compare(sampling.arguments(sizes["sampler"]))
    part("Bars")
    met = [
        bar("largest difference from a formula", exact["formula"], at_most=1e-6),
        bar("largest difference from TRL", exact["TRL"], at_most=1e-6),
        bar("loss: peak memory, chunked / plain", loss["megabytes"], at_most=0.25),
        bar("loss: seconds, chunked / plain", loss["seconds"], at_most=1.3, cpu=loss["cpu"]),
        bar("GRPO step: seconds, TRL / fdcore", step["seconds"], at_least=1.5, cpu=step["cpu"]),
        bar(
            "sampler: tokens/s, fdcore / generate()",
            sampler["seconds"],
            at_least=1.5,
            cpu=sampler["cpu"],
        ),
    ]
    sys.exit(not all(met))


def part(title: str) -> None:
    print(f"\n{title}", flush=True)


def bar(
    what: str,
    value: float,
    *,
    at_most: float = float("inf"),
    at_least: float = 0.0,
    cpu: float | None = None,
) -> bool:
    """Prints one row; whether the bar is met."""
    met = at_least <= value <= at_most
    asked = f"at least {at_least:g}" if at_least else f"at most {at_most:g}"
    print(
        f"{what:40}{value:10.3g}   {asked:14}{'met' if met else 'MISSED':8}"
        + (f"by CPU time {cpu:.3g}" if cpu else "")
    )
    return met


if __name__ == "__main__":
    main()
