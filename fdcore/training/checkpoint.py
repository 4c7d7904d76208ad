"""Checkpoints that survive `kill -9`: written beside, synced, renamed. The newest whole one is the truth.

A checkpoint holds everything that the next step depends on; randomness is not among it, since every random choice is drawn
from `fdcore.seeds.seed_of(run seed, purpose, step, …)` and never from a generator's state.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from fdcore.model import whole


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


def own_weights(model: torch.nn.Module) -> dict[str, Tensor]:
    """What a checkpoint holds of a model: all its weights; under LoRA the adapters alone, since the base below them stays as it is."""
    weights = model.state_dict()
    return (
        {name: weight for name, weight in weights.items() if "lora_" in name}
        if hasattr(model, "peft_config")
        else weights
    )


@torch.no_grad()
def load_own_weights(model: torch.nn.Module, weights: Mapping[str, Tensor], whose: str) -> None:
    """Restore what `own_weights` gave, whole. ValueError when it is another model's; the model is then untouched."""
    mine = own_weights(model)
    check_weights(mine, weights, whose)
    for name, weight in mine.items():
        weight.copy_(placed(weights[name], weight))


def placed(tensor: Tensor, like: Tensor) -> Tensor:
    """This process's part of a whole tensor, where `like` is one that processes share; else the tensor."""
    if not hasattr(like, "full_tensor"):
        return tensor
    from torch.distributed.tensor import (
        distribute_tensor,
    )  # here, because one process alone never needs it

    return distribute_tensor(
        tensor.to(like.device), like.device_mesh, like.placements, src_data_rank=None
    )


def gathered(state):
    """The same state with every tensor whole and on the CPU. All processes must call it with the same keys in the same order."""
    if isinstance(state, dict):
        return {name: gathered(value) for name, value in state.items()}
    if isinstance(state, (list, tuple)):
        return [gathered(value) for value in state]
    return whole(state).cpu() if isinstance(state, Tensor) else state


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict) -> None:
    """Restore `gathered(optimizer.state_dict())`, each process its part."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    own = {
        i: {
            name: placed(value, weights[i]) if value.shape == weights[i].shape else value
            for name, value in held.items()
        }
        for i, held in state["state"].items()
    }
    optimizer.load_state_dict(state | {"state": own})


def check_weights(mine: Mapping[str, Tensor], other: Mapping[str, Tensor], whose: str) -> None:
    """ValueError when `other` is another model's: different names or shapes. To be asked before anything is loaded, since torch's
    `load_state_dict` copies what fits before it complains."""
    here, there = (
        {name: tuple(weight.shape) for name, weight in weights.items()} for weights in (mine, other)
    )
    wrong = sorted(name for name in here.keys() | there.keys() if here.get(name) != there.get(name))
    if wrong:
        raise ValueError(
            f"{whose} is another model: {len(wrong)} weights differ in name or shape, first {wrong[0]} ({here.get(wrong[0])} here, {there.get(wrong[0])} there)"
        )


def _whole(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*.pt"))
