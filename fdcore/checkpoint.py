"""Checkpoints that survive `kill -9`: written beside, synced, renamed. The newest whole one is the truth.

A checkpoint holds everything that the next step depends on; randomness is not among it, since every random choice is drawn
from `seed_of(run seed, purpose, step, …)` and never from a generator's state.
"""
from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import torch


def seed_of(*parts) -> int:
    """A 48-bit seed from what it is for: the same parts, the same seed, in every process."""
    return int.from_bytes(hashlib.sha256("|".join(map(str, parts)).encode()).digest()[:6], "big")


def save_checkpoint(folder: Path, step: int, state: dict, keep: int = 2) -> None:
    """Write `step-000042.pt` atomically and drop all but the newest `keep`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step-{step:06d}.pt"
    partial = path.with_suffix(".partial")
    with open(partial, "wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    for old in _whole(folder)[:-keep]:
        old.unlink()


def load_checkpoint(folder: Path) -> tuple[int, dict] | None:
    """The newest checkpoint as (step, state), or None where there is none."""
    found = _whole(folder)
    if not found:
        return None
    step = int(re.search(r"(\d+)\.pt$", found[-1].name)[1])
    return step, torch.load(found[-1], map_location="cpu", weights_only=True)


def _whole(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*.pt"))
