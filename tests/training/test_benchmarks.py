"""The benchmarks of the training core run, at sizes that take seconds."""

import math

import pytest

pytest.importorskip("trl", reason="the benchmarks compare with TRL: pip install trl==1.16.0")

from tests.benchmarks import training

TOY = {
    "loss": ["--tokens=32", "--vocabulary=3000", "--hidden=32", "--rounds=1"],
    "step": ["--prompts=2", "--samples=2", "--new=8", "--rounds=1"],
    "sampler": ["--batch=4", "--new=8", "--rounds=1"],
}


def test_every_part_measures_something_and_the_losses_are_exact():
    bars = training.measure(TOY)
    assert all(math.isfinite(bar.value) and bar.value > 0 for bar in bars)
    assert all(bar.met for bar in bars if "difference" in bar.what)
