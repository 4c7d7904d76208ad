"""The training core against its bars: exactness, the loss in memory and time, a step, sampling.

    python -m tests.benchmarks.training [--quick]

Each part is a benchmark with its own options: `tests.benchmarks.exactness`, `.distillation_loss`,
`.grpo_step`, `.sampling`. Exit code 1 when a bar is missed. Needs 12 GB of memory, TRL, and some
five minutes on two idle cores; --quick: a minute, with sizes that prove nothing. Beside other load
look at the ratios in CPU time.
"""

from __future__ import annotations

import argparse
import sys
from typing import NamedTuple

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


class Bar(NamedTuple):
    """A measured value, and the range that it has to lie in."""

    what: str
    value: float
    cpu: float | None = None  # the same by CPU time
    at_least: float = 0.0
    at_most: float = float("inf")

    @property
    def met(self) -> bool:
        return self.at_least <= self.value <= self.at_most

    def __str__(self) -> str:
        bound = f"at least {self.at_least:g}" if self.at_least else f"at most {self.at_most:g}"
        cpu = f"by CPU time {self.cpu:.3g}" if self.cpu else ""
        return (
            f"{self.what:40}{self.value:10.3g}   {bound:14}{'met' if self.met else 'MISSED':8}{cpu}"
        )


def measure(sizes: dict[str, list[str]]) -> list[Bar]:
    print("\nLoss and gradient against independent formulas and TRL, float64", flush=True)
    exact = exactness.compare()
    print("\nThe Feedback Distillation loss: chunked against plain", flush=True)
    loss = distillation_loss.compare(distillation_loss.parse_arguments(sizes["loss"]))
    print("\nA GRPO step of a small student: TRL's GRPOTrainer against fdcore", flush=True)
    step = grpo_step.compare(grpo_step.parse_arguments(sizes["step"]))
    print("\nSampling prompts of mixed length: TorchSampler against generate()", flush=True)
    sampler = sampling.compare(sampling.arguments(sizes["sampler"]))
    return [
        Bar("largest difference from a formula", exact["formula"], at_most=1e-6),
        Bar("largest difference from TRL", exact["TRL"], at_most=1e-6),
        Bar("loss: peak memory, chunked / plain", loss["megabytes"], at_most=0.25),
        Bar("loss: seconds, chunked / plain", loss["seconds"], loss["cpu"], at_most=1.3),
        Bar("GRPO step: seconds, TRL / fdcore", step["seconds"], step["cpu"], at_least=4.5),
        Bar("sampler: tokens/s against generate()", sampler["seconds"], sampler["cpu"], 1.5),
    ]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--quick", action="store_true")
    bars = measure(QUICK if options.parse_args().quick else FULL)
    print("\nBars", *bars, sep="\n")
    sys.exit(not all(bar.met for bar in bars))


if __name__ == "__main__":
    main()
