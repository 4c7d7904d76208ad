"""What is measured of a base model alone, before any training: its skill, its variety, its teacher.

By these numbers a base is chosen, on validation problems, and never by how the arms fare.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Sequence
from math import comb
from pathlib import Path

import torch

from fdcore.feedback.scripted import ScriptedExpert
from fdcore.figures.statistics import pass_at_k
from fdcore.lean.library import core_library
from fdcore.lean.verifier import Verifier
from fdcore.model import load_model, load_tokenizer
from fdcore.profile import load_profile
from fdcore.records import Problem, Trajectory, write_text
from fdcore.rollout.chat import Chat
from fdcore.rollout.episode import Environment, rollout
from fdcore.rollout.tools import Tools
from fdcore.rollout.torch_sampler import TorchSampler
from fdcore.training.logits import action_logits, entropy
from fdcore.worlds.problems import load_problems

AT_ONCE = 400  # episodes
Roll = Callable[..., list[Trajectory]]  # (problems, seeds, prompts=None)


def measure_student(name: str, student: Path, verdicts: Path) -> Path:
    """Measure a student on the validation problems of a profile: writes `measurements.json`."""
    profile = load_profile(name)
    model, tokenizer = load_model(student, profile.model.dtype), load_tokenizer(student)
    chat = Chat(tokenizer, Tools.schemas, thinking=profile.model.thinking)
    problems = load_problems(profile)["validation"]
    library, sampler = core_library(), TorchSampler(model, max_batch=profile.sampler.max_batch)
    with Verifier(library, profile.lean, cache_dir=verdicts) as verifier:
        world = Environment(chat, verifier, library, profile.episode)
        roll = functools.partial(
            rollout, sampler=sampler, environment=world, sampling=profile.sampler
        )
        numbers = measure_base(model, roll, chat, problems, profile.evaluation.base_samples)
    write_text(student / "measurements.json", json.dumps(numbers, indent=1) + "\n")
    return student / "measurements.json"


def measure_base(
    model: torch.nn.Module, roll: Roll, chat: Chat, problems: Sequence[Problem], samples: int
) -> dict[str, float]:
    """The base's numbers on these problems.

    Args:
        roll: samples episodes of `model`, one a problem; `prompts` replace its own.

    Returns:
        pass@k for k up to `samples`; the share of groups of 4 and of 8 with spread; entropy (nats a
        token) and tokens of the first attempts; the pass rate with the scripted expert's feedback
        on a failed attempt, for each formulation.
    """
    attempts = sample_attempts(roll, problems, samples)
    counts = [sum(attempt.verdict.verified for attempt in row) for row in attempts]
    numbers = {"problems": len(problems), "samples": samples}
    for k in (2**power for power in range(samples.bit_length())):
        values = [pass_at_k(samples, count, k) for count in counts]
        numbers[f"pass@{k}"] = sum(values) / len(values)
    for size in (size for size in (4, 8) if size <= samples):
        shares = [spread_probability(samples, count, size) for count in counts]
        numbers[f"spread@{size}"] = sum(shares) / len(shares)
    first = [row[0] for row in attempts]
    numbers["entropy"] = mean_entropy(model, first)
    numbers["tokens"] = sum(sum(attempt.action_mask) for attempt in first) / len(first)
    failed = [next((a for a in row if not a.verdict.verified), row[0]) for row in attempts]
    for formulation in (4, 3, 2, 1):
        items = list(zip(problems, failed, strict=True))
        told = ScriptedExpert(0, formulation).write(items)
        prompts = [chat.prompt(p, f.text) for p, f in zip(problems, told, strict=True)]
        taught = roll(problems, [10**6 + index for index in range(len(problems))], prompts=prompts)
        verified = sum(attempt.verdict.verified for attempt in taught)
        numbers[f"feedback_{formulation}"] = verified / len(problems)
    return numbers


def sample_attempts(
    roll: Roll, problems: Sequence[Problem], samples: int
) -> list[list[Trajectory]]:
    """`samples` attempts at each problem, with seeds of their own."""
    asked = [
        (index, 1000 * index + number)
        for number in range(samples)
        for index in range(len(problems))
    ]
    attempts: list[list[Trajectory]] = [[] for _ in problems]
    for part in split(asked, AT_ONCE):
        done = roll([problems[index] for index, _ in part], [seed for _, seed in part])
        for (index, _), trajectory in zip(part, done, strict=True):
            attempts[index].append(trajectory)
    return attempts


def spread_probability(n: int, c: int, size: int) -> float:
    """How likely a group of `size` out of n samples, c of them right, holds right and wrong ones.

    >>> spread_probability(4, 2, 2)
    0.6666666666666667
    """
    return 1 - (comb(c, size) + comb(n - c, size)) / comb(n, size)


@torch.no_grad()
def mean_entropy(model: torch.nn.Module, attempts: Sequence[Trajectory]) -> float:
    """Entropy over all action tokens, nats a token."""
    parts = []
    for part in split(attempts, 16):
        logits = action_logits(model, [a.token_ids for a in part], [a.action_mask for a in part])
        parts.append(entropy(logits))
    return torch.cat(parts).mean().item()


def split(rows: Sequence, size: int) -> Iterator[Sequence]:
    return (rows[first : first + size] for first in range(0, len(rows), size))
