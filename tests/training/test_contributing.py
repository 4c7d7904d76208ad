"""The examples of CONTRIBUTING.md work as they stand."""

import re
from pathlib import Path

import pytest
import torch

from fdcore.profile import Recipe
from fdcore.training.distillation import DIVERGENCES, token_kl
from tests.smallrun import SPLITS, small_trainer

PAGE = Path(__file__).parents[2] / "CONTRIBUTING.md"


@pytest.fixture(scope="module")
def examples():
    """What the page's blocks define."""
    names: dict = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        exec(block, names)
    yield names
    DIVERGENCES.pop("total_variation")


def test_the_divergence_is_one_of_token_kl(examples):
    sure, even = torch.tensor([[0.0, -1e9]]), torch.zeros(1, 2)
    assert token_kl(even, sure, direction="total_variation").kl.tolist() == [0.5]


def test_the_method_trains(examples, tmp_path):
    trainer = small_trainer(tmp_path, "grpo")
    recipe = Recipe(prompts=2, samples=2, learning_rate=0.01)
    trainer.method = examples["Reinforce"](recipe)
    rows = trainer.train(2, SPLITS)
    assert rows[0]["entropy"] > 0 and any(row["grad_norm"] > 0 for row in rows)


def test_the_feedback_source_reaches_the_teacher(examples, tmp_path):
    trainer = small_trainer(tmp_path, "fd")
    trainer.producer = examples["FirstError"]()
    trainer.train(1, SPLITS)
    assert (tmp_path / "feedback.jsonl").read_text().count("first_error") == 4


def test_the_places_that_the_page_names_are_there():
    text = PAGE.read_text(encoding="utf-8")
    root = PAGE.parent
    for path in re.findall(r"`((?:fdcore|tests)/[\w/]+\.py)`", text):
        assert (root / path).exists(), path
