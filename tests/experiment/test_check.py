"""`fdcore check`: what is missing on a machine is found before hours are spent."""

from __future__ import annotations

import sys

import pytest

from fdcore.experiment.check import examine_machine
from fdcore.model import save_model
from fdcore.profile import load_profile
from fdcore.worlds.student import build_student, train_tokenizer

SHAPE = dict(
    hidden_size=16,
    layers=1,
    heads=2,
    kv_heads=1,
    head_dim=8,
    intermediate_size=16,
    vocab_size=300,
    max_positions=64,
    seed=0,
)


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")


def rows(profile, folder) -> dict:
    return {row.check: row for row in examine_machine(profile, [folder])}


def test_this_machine_has_all_that_the_tiny_profile_needs(library, tmp_path):
    found = rows(load_profile("tiny"), tmp_path / "run")
    assert [row for row in found.values() if row.missing] == []
    assert "verified" in found["Lean judges a theorem"].found
    assert not (tmp_path / "run").exists()


def test_what_a_paper_run_lacks_here_is_named_line_by_line(tmp_path, monkeypatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    profile = load_profile("paper").varied({"tracker": "wandb"})
    found = rows(profile, tmp_path)
    named = {
        "GPUs": "torch",
        "vLLM": "vllm",
        "Claude": "ANTHROPIC_API_KEY",
        "Lean judges a theorem": "lean_project",
        "model and chat template": profile.model.source,
        "tracker": "wandb",
    }
    for check, name in named.items():
        assert found[check].missing and name in found[check].found, found[check]
        assert "\n" not in found[check].found
    assert not found["fits"].missing


def test_problems_that_the_hub_does_not_give_can_be_named_by_a_variable(tmp_path, monkeypatch):
    row = rows(load_profile("paper"), tmp_path)["problems"]
    assert row.missing and "FD_LEAN_WORKBOOK" in row.found
    monkeypatch.setenv("FD_LEAN_WORKBOOK", "tests/data/lean_workbook_solved.jsonl")
    assert not rows(load_profile("paper"), tmp_path)["problems"].missing


def test_a_run_that_has_drawn_its_problems_asks_nobody_for_them(tmp_path):
    (tmp_path / "problems").mkdir()
    (tmp_path / "problems/checked.json").write_text("{}")
    assert not rows(load_profile("paper"), tmp_path)["problems"].missing


@pytest.mark.parametrize(
    "key, mode, missing", [("k", "", 0), ("", "online", 1), ("", "offline", 0)]
)
def test_a_tracker_without_anybody_logged_in_is_found_at_the_start(
    tmp_path, monkeypatch, key, mode, missing
):
    (tmp_path / "wandb.py").write_text(f"class api: api_key = {key!r}")
    (tmp_path / "wandb-1.0.dist-info").mkdir()
    (tmp_path / "wandb-1.0.dist-info/METADATA").write_text("Name: wandb\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    monkeypatch.setenv("WANDB_MODE", mode or "online")
    row = rows(load_profile("smoke").varied({"tracker": "wandb"}), tmp_path)["tracker"]
    assert row.missing == bool(missing) and "wandb" in row.found


def test_a_model_folder_is_looked_at(tmp_path):
    tokenizer = train_tokenizer(["theorem a : True := by"], 300)
    save_model(build_student(**SHAPE), tokenizer, tmp_path / "model")
    changes = {"model.source": str(tmp_path / "model")}
    row = rows(load_profile("smoke").varied(changes), tmp_path)["model and chat template"]
    assert not row.missing and str(tmp_path) in row.found
