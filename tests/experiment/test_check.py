"""`fdcore check`: what is missing on a machine is found before hours are spent."""

from __future__ import annotations

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
    return {row.check: row for row in examine_machine(profile, folder)}


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
    }
    for check, name in named.items():
        assert found[check].missing and name in found[check].found, found[check]
        assert "\n" not in found[check].found
    assert not found["fits"].missing


def test_a_model_folder_is_looked_at(tmp_path):
    tokenizer = train_tokenizer(["theorem a : True := by"], 300)
    save_model(build_student(**SHAPE), tokenizer, tmp_path / "model")
    changes = {"model.source": str(tmp_path / "model"), "model.student": None, "warmup": None}
    row = rows(load_profile("smoke").varied(changes), tmp_path)["model and chat template"]
    assert not row.missing and str(tmp_path) in row.found
