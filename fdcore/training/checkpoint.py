"""Checkpoints that survive `kill -9`: written beside, synced, renamed. The newest one counts.

A checkpoint holds everything that the next step depends on. Randomness is not among it: every
random choice is drawn from `fdcore.seeds.seed_of(run seed, purpose, step, …)`.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_state_dict,
    set_state_dict,
)

from fdcore.model import whole

FULL = StateDictOptions(full_state_dict=True, cpu_offload=True, ignore_frozen_params=True)
PARTIAL = StateDictOptions(full_state_dict=True, strict=False)


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
    for old in sorted(folder.glob("step-*.pt"))[:-keep]:
        old.unlink()


def load_checkpoint(folder: Path, newest: int | None = None) -> tuple[int, dict] | None:
    """The newest checkpoint as (step, state); one that is damaged is passed over.

    Args:
        newest: a later step does not count.
    """
    for path in sorted(folder.glob("step-*.pt"), reverse=True):
        step = int(re.search(r"(\d+)\.pt$", path.name)[1])
        if newest is None or step <= newest:
            with contextlib.suppress(RuntimeError, OSError, ValueError, EOFError, UnpicklingError):
                return step, torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    return None


def gather_training_state(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> dict:
    """Trained weights and the optimizer's state, whole, on the CPU. All processes must call it."""
    weights, moments = get_state_dict(model, optimizer, options=FULL)
    return {"model": _drop_frozen(model, weights), "optimizer": moments}


def restore_training_state(
    model: torch.nn.Module, optimizer: torch.optim.Optimizer, state: dict
) -> None:
    """Restores `gather_training_state`."""
    weights, moments = state["model"], state["optimizer"]
    set_state_dict(
        model, optimizer, model_state_dict=weights, optim_state_dict=moments, options=PARTIAL
    )


def _drop_frozen(model: torch.nn.Module, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict without what is not trained, also where its name is that of a tied weight."""
    variables = model.state_dict(keep_vars=True)
    frozen = {
        name
        for name, variable in variables.items()
        if isinstance(variable, torch.nn.Parameter) and not variable.requires_grad
    }
    return {name: weight for name, weight in weights.items() if name not in frozen}


def gather(weights: Mapping[str, Tensor], *, keep: bool = True) -> dict[str, Tensor]:
    """Tensors that processes share, whole, on the CPU of those that `keep` them; all must call."""
    gathered = ((name, whole(weight)) for name, weight in weights.items())  # one at a time
    return {name: weight.cpu() for name, weight in gathered if keep}
