"""Several engines on a Ray cluster of two nodes draw what one sampler draws."""

from __future__ import annotations

import sys

import pytest
import torch

from fdcore.experiment import check as doctor
from fdcore.profile import load_profile
from fdcore.rollout.remote import RaySampler
from fdcore.rollout.sampler import SamplingParams
from fdcore.rollout.torch_sampler import TorchSampler
from tests.smallrun import SPLITS, small_trainer, student

PROMPTS = [[1, 2, 3, *range(10, 10 + i)] for i in range(1, 10)]
PARAMS = SamplingParams(max_new_tokens=8)


def test_without_ray_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match="ray is not installed; run `pip install ray`"):
        RaySampler("auto", student(), None, engines=2, backend="torch", device="cpu")


@pytest.fixture(scope="module")
def address(cluster):
    return cluster.address


def spread(address, model, tokenizer=None):
    return RaySampler(address, model, tokenizer, engines=2, backend="torch", device="cpu")


def same(ours, theirs) -> None:
    assert [c.token_ids for c in ours] == [c.token_ids for c in theirs]
    torch.testing.assert_close(
        [list(c.logprobs) for c in ours], [list(c.logprobs) for c in theirs], atol=1e-4, rtol=0
    )


def test_two_engines_draw_what_one_sampler_draws_also_after_a_step_and_after_a_loss(address):
    import ray

    model = student(lora=True)
    engines, alone = spread(address, model), TorchSampler(model)
    first = engines.generate(PROMPTS, PARAMS, range(9))
    same(first, alone.generate(PROMPTS, PARAMS, range(9)))
    where = dict(engines._held)
    assert sorted(where.values()) == [0] * 5 + [1] * 4
    later = [prompt + list(c.token_ids) + [7] for prompt, c in zip(PROMPTS, first)][::-1]
    same(engines.generate(later, PARAMS, range(9)), alone.generate(later, PARAMS, range(9)))
    assert [engines._held[tokens] for tokens in engines._held] and all(
        place == where[start]
        for tokens, place in engines._held.items()
        for start in where
        if tokens[: len(start)] == start
    )
    with torch.no_grad():
        for weight in filter(lambda p: p.requires_grad, model.parameters()):
            weight += 0.3
    engines.update_weights(model)
    changed = engines.generate(PROMPTS, PARAMS, range(9))
    same(changed, alone.generate(PROMPTS, PARAMS, range(9)))
    assert [c.token_ids for c in changed] != [c.token_ids for c in first]
    ray.kill(engines._engines[1])
    same(engines.generate(PROMPTS, PARAMS, range(9)), changed)
    engines.close()


def test_a_run_with_engines_on_the_cluster_has_the_metrics_of_one_without(address, tmp_path):
    alone, together = (small_trainer(tmp_path / name, "fd") for name in ("alone", "together"))
    together.sampler = spread(address, together.model, together.environment.chat.tokenizer)
    for mine, theirs in zip(alone.train(3, SPLITS), together.train(3, SPLITS), strict=True):
        assert {
            key: pytest.approx(value, rel=1e-4, abs=1e-6) if isinstance(value, float) else value
            for key, value in mine.items()
        } == theirs
    together.sampler.close()


def test_more_engines_than_the_cluster_has_room_for_are_refused(address):
    with pytest.raises(
        ConnectionError,
        match="hardware.engines is 9, but the Ray cluster at .* has 4 CPUs; start more nodes, or set hardware.engines: 4",
    ):
        RaySampler(address, student(), None, engines=9, backend="torch", device="cpu")


def test_the_check_counts_the_clusters_room_and_says_what_to_do_without_one(address, monkeypatch):
    profile = load_profile("paper-lora").varied({"hardware.engines": 4, "hardware.device": "cpu"})
    monkeypatch.setenv("FD_RAY_ADDRESS", address)
    assert doctor.ray_cluster(profile) == "3 nodes with 4 CPUs"
    with pytest.raises(doctor.Missing, match="^4 CPUs for 9 engines$") as missing:
        doctor.ray_cluster(profile.varied({"hardware.engines": 9}))
    assert "hardware.engines: 4" in missing.value.remedy
    monkeypatch.delenv("FD_RAY_ADDRESS")
    with pytest.raises(doctor.Missing, match="hardware.engines is 4, FD_RAY_ADDRESS is not set"):
        doctor.ray_cluster(profile)
