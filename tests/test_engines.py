"""Engines of their own on a Ray cluster of two nodes: the completions of a sampler in this process, also when one is killed."""
from __future__ import annotations

import threading
import time

import psutil
import pytest

from fdcore import doctor
from fdcore.engines import RayEngines, ray_address
from fdcore.model import add_adapters, build_student, train_tokenizer
from fdcore.profile import load_profile
from fdcore.sampling import SamplingParams, TorchSampler

SHAPE = dict(hidden_size=64, layers=2, heads=4, kv_heads=2, head_dim=16, intermediate_size=128, vocab_size=400, max_positions=512)
PROMPTS = [list(range(20, 40)) + [100 + i, 200 - i] for i in range(13)]


@pytest.fixture(scope="module")
def engines(cluster):
    made = RayEngines(cluster.address, build_student(**SHAPE, seed=0), train_tokenizer(["theorem a b"], 400), count=2, backend="torch", dtype="float32", settings={"max_batch": 4})
    yield made
    made.close()


@pytest.mark.parametrize("lora", [False, True])
def test_engines_of_their_own_give_the_completions_of_a_sampler_here_with_the_newest_weights(engines, lora):
    params = SamplingParams(max_new_tokens=12, stop_token_ids=(7,))
    for seed in (1, 2):
        model = build_student(**SHAPE, seed=seed)
        if lora:
            model = add_adapters(model, rank=2, alpha=4, seed=seed)
        engines.update_weights(model)
        assert [c.token_ids for c in engines.generate(PROMPTS, params, range(13))] == [c.token_ids for c in TorchSampler(model).generate(PROMPTS, params, range(13))]
    assert engines.generate([], params, []) == []


def test_an_engine_that_is_killed_in_the_middle_changes_no_completion(engines):
    model, params = build_student(**SHAPE, seed=3), SamplingParams(max_new_tokens=300)
    engines.update_weights(model)
    before = list(engines._engines)
    actor = [p for p in psutil.process_iter(["cmdline"]) if "ray::Engine" in " ".join(p.info["cmdline"] or ())]
    assert len(actor) >= 2

    def kill() -> None:
        time.sleep(0.3)
        actor[0].kill()

    killer = threading.Thread(target=kill)
    killer.start()
    found = [c.token_ids for c in engines.generate(PROMPTS * 3, params, range(39))]
    killer.join()
    found_again = [c.token_ids for c in engines.generate(PROMPTS * 3, params, range(39))]
    assert found == found_again == [c.token_ids for c in TorchSampler(model).generate(PROMPTS * 3, params, range(39))]
    assert [old is new for old, new in zip(before, engines._engines)].count(False) == 1


def test_more_engines_than_the_cluster_has_room_for_are_refused_and_so_is_no_cluster(cluster, monkeypatch):
    with pytest.raises(ConnectionError, match="sampler.engines is 9, the Ray cluster at .* has 4 CPU cores"):
        RayEngines(cluster.address, None, None, count=9, backend="torch", dtype="float32", settings={})
    monkeypatch.setenv("FD_RAY_ADDRESS", cluster.address)
    profile = load_profile("paper").varied({"sampler.engines": 4})
    assert doctor.ray_cluster(profile) == "3 nodes, 4 CPU cores"
    with pytest.raises(doctor.Missing, match="room for 4 engines .*sampler.engines is 9"):
        doctor.ray_cluster(profile.varied({"sampler.engines": 9}))
    monkeypatch.delenv("FD_RAY_ADDRESS", raising=False)
    with pytest.raises(ValueError, match="FD_RAY_ADDRESS names no Ray cluster"):
        ray_address()
