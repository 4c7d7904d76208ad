"""Pretraining: resumes to the same weights, in batches of like length, with a recipe beside."""

import hashlib
import itertools
import json

import pytest
import torch

from fdcore.lean.library import PROJECT
from fdcore.worlds.student import build_student
from lean_project.generate import pretraining

SHAPE = {
    "hidden_size": 32,
    "layers": 1,
    "heads": 2,
    "kv_heads": 1,
    "head_dim": 16,
    "intermediate_size": 64,
    "vocab_size": 300,
    "max_positions": 64,
}


@pytest.fixture
def data():
    rng = torch.Generator().manual_seed(0)
    ids = torch.randint(0, 300, (40, 12), generator=rng).tolist()
    return [
        (row[: 10 + index % 3], [0] * 8 + [1] * (2 + index % 3)) for index, row in enumerate(ids)
    ]


@pytest.fixture
def settings():
    changes = {"batch": 8, "steps": 130, "full_share": 0.1}
    return pretraining.read_settings().model_copy(update=changes)


def train(model, data, settings, folder):
    return pretraining.train(model, data, [1, 2, 3], settings, folder, seed=0)


def test_interrupted_pretraining_ends_with_the_same_weights(data, settings, tmp_path, monkeypatch):
    whole = build_student(**SHAPE)
    rows = train(whole, data, settings, tmp_path / "whole")
    assert len(rows) == 130 and rows[-1]["loss"] < rows[0]["loss"]
    calls, update = [], pretraining.update

    def fail_once(*arguments):
        calls.append(0)
        if len(calls) == 120:
            raise KeyboardInterrupt
        return update(*arguments)

    monkeypatch.setattr(pretraining, "update", fail_once)
    with pytest.raises(KeyboardInterrupt):
        train(build_student(**SHAPE), data, settings, tmp_path / "cut")
    resumed = build_student(**SHAPE, seed=9)
    assert train(resumed, data, settings, tmp_path / "cut") == rows
    assert len(calls) == 120 + 30
    weights = zip(resumed.parameters(), whole.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in weights)


def test_batches_hold_sequences_of_like_length_and_each_once_an_epoch(data):
    long = [([0] * (10 * index), []) for index in range(1, 41)]
    batches = list(itertools.islice(pretraining.draw_batches(long, 8, seed=0), 10))
    assert sorted(len(ids) for batch in batches[:5] for ids, _ in batch) == [
        len(ids) for ids, _ in long
    ]
    for batch in batches:
        lengths = sorted(len(ids) for ids, _ in batch)
        assert lengths[-1] - lengths[0] <= 8 * 10 + 20
    assert batches[:5] != batches[5:]


def test_too_few_traces_name_the_setting(data, settings, tmp_path):
    with pytest.raises(ValueError, match="pretraining.corpus.traces"):
        train(build_student(**SHAPE), data[:7], settings, tmp_path)


def test_the_recipe_names_settings_and_hashes(settings, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    pretraining.write_recipe(tmp_path, settings, [], [{"loss": 1.0, "tokens": 5}])
    recipe = json.loads((tmp_path / "recipe.json").read_text())
    assert recipe["settings"]["seed"] == 0 and recipe["settings"]["batch"] == 8
    assert recipe["files"] == {"config.json": hashlib.sha256(b"{}").hexdigest()}


def test_the_shipped_student_is_the_recipes():
    student = PROJECT / "student"
    recipe = json.loads((student / "recipe.json").read_text())
    assert recipe["settings"] == json.loads(pretraining.read_settings().model_dump_json())
    for name, digest in recipe["files"].items():
        assert hashlib.sha256((student / name).read_bytes()).hexdigest() == digest, name
