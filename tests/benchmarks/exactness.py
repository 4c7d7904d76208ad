"""How far every loss and its gradient are from an independent formula, and from TRL's, in float64.

    python -m tests.benchmarks.exactness

The formulas are loops over tokens and words (`by_hand` of the tests). TRL's GRPO losses run its
trainer on a model whose norms compute in float32, so that both sides are only so exact there.
"""

from __future__ import annotations

import functools
import math
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from fdcore.training.grpo import policy_loss
from tests.training import test_distillation, test_grpo
from tests.training.test_distillation import mean_kl


def distillation() -> Iterator[tuple[str, Tensor, Tensor, tuple]]:
    """(method, our loss, the formula's, what both are differentiated by)."""
    student, teacher, mask = test_distillation.logits_and_mask(0, batch=3, time=6, vocabulary=9)
    pair = functools.partial(test_distillation.by_hand, student, teacher, mask)
    for name, term, how in (
        ("forward KL", lambda p, q: p * (p / q).log(), dict(direction="forward")),
        ("reverse KL", lambda p, q: q * (q / p).log(), dict(direction="reverse")),
        (
            "generalized JSD",
            lambda p, q: (
                0.3 * p * (p / (0.3 * p + 0.7 * q)).log()
                + 0.7 * q * (q / (0.3 * p + 0.7 * q)).log()
            ),
            dict(direction="jsd", beta=0.3),
        ),
    ):
        yield name, mean_kl(student, teacher, mask, **how), pair(term), (student,)
    yield (
        "top 4",
        mean_kl(student, teacher, mask, top_k=4),
        top(student, teacher, mask, 4),
        (student,),
    )


def top(student: Tensor, teacher: Tensor, mask: Tensor, k: int) -> Tensor:
    values = []
    for row, column in mask.nonzero().tolist():
        p, q = teacher[row, column].softmax(-1), student[row, column].softmax(-1)
        kept = sorted(range(len(p)), key=lambda a: -p[a])[:k]
        values.append(sum(p[a] * (p[a] / q[a]).log() for a in kept))
    return torch.stack(values).mean()


def grpo() -> Iterator[tuple[str, Tensor, Tensor, tuple]]:
    new, old, advantages, mask = test_grpo.batch(0)
    for name, normalization, high in (
        ("GRPO", "sequence", 0.2),
        ("DAPO", "token", 0.28),
        ("Dr. GRPO", "constant", 0.2),
    ):
        ours = policy_loss(
            new,
            old,
            advantages,
            mask,
            clip=(0.2, high),
            normalization=normalization,
            length=50,
        )
        yield (
            name,
            ours,
            test_grpo.by_hand(new, old, advantages, mask, (0.2, high), normalization, 50),
            (new,),
        )


def trl() -> Iterator[tuple[str, Tensor, Tensor, tuple]]:
    from tests.training import test_trl

    for direction, beta, theirs in test_trl.DIRECTIONS:
        yield f"TRL: {direction}", *test_trl.divergences(direction, beta, theirs)
    with tempfile.TemporaryDirectory() as folder:
        trainer = test_trl.make_trainer(Path(folder))
        for loss_type, normalization in test_trl.LOSSES:
            yield (
                f"TRL: {loss_type}",
                *test_trl.policy_losses(trainer, loss_type, normalization, weighted=False),
            )


def compare() -> dict[str, float]:
    """Prints a line a method; returns the largest difference from the formulas and from TRL."""
    largest = {"formula": 0.0, "TRL": 0.0}
    for rows in (distillation, grpo, *([trl] if find_spec("trl") else [])):
        for name, ours, theirs, inputs in rows():
            slopes = [
                torch.autograd.grad(loss, inputs, retain_graph=True) for loss in (ours, theirs)
            ]
            loss, gradient = (
                (ours - theirs).abs().item(),
                max((a - b).abs().max().item() for a, b in zip(*slopes, strict=True)),
            )
            print(f"{name:22} loss {loss:.1e}  gradient {gradient:.1e}")
            against = "TRL" if rows is trl else "formula"
            largest[against] = max(largest[against], loss, gradient)
    return largest if find_spec("trl") else largest | {"TRL": math.nan}


if __name__ == "__main__":
    print(compare())
