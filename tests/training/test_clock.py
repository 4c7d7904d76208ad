"""Seconds by phase: each second is counted once, whatever is nested and in whichever thread."""

import doctest
import time

import pytest
import torch

from fdcore.rollout.parallel import side_by_side
from fdcore.training import clock as module
from fdcore.training.clock import Clock


def test_the_docstring_example_holds():
    assert doctest.testmod(module).failed == 0


def test_phases_add_up_to_the_whole_and_none_is_counted_twice():
    clock, start = Clock(), time.perf_counter()
    with clock.phase("outer"):
        time.sleep(0.03)
        for _ in range(2):
            with clock.phase("inner"):
                time.sleep(0.02)
                with clock.phase("innermost"):
                    time.sleep(0.01)
    whole = time.perf_counter() - start
    assert sum(clock.seconds.values()) == pytest.approx(whole, abs=0.002)
    assert (
        clock.seconds["inner"] >= 0.04
        and clock.seconds["innermost"] >= 0.02
        and clock.seconds["outer"] >= 0.03
    )


def test_threads_side_by_side_share_the_time_of_the_phase_that_waits_for_them():
    clock, threads = Clock(), torch.get_num_threads()

    def task():
        with clock.phase("teacher"):
            time.sleep(0.05)
        time.sleep(0.05)

    torch.set_num_threads(2)
    try:
        start = time.perf_counter()
        with clock.phase("train"):
            side_by_side([task] * 4)
        whole = time.perf_counter() - start
    finally:
        torch.set_num_threads(threads)
    assert sum(clock.seconds.values()) == pytest.approx(whole, abs=0.002)
    assert 0.1 <= clock.seconds["teacher"] <= whole - 0.05  # four times 0.05 s in two threads


def test_a_phase_that_fails_is_counted_and_left():
    clock = Clock()
    with pytest.raises(KeyboardInterrupt), clock.phase("sample"), clock.phase("verify"):
        raise KeyboardInterrupt
    with clock.phase("train"):
        time.sleep(0.01)
    assert clock.seconds.keys() == {"sample", "verify", "train"} and clock.seconds["train"] >= 0.01
