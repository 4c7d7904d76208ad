"""Samplers and judges on a Ray cluster of two nodes, one of which is killed in the middle."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import closing

import psutil
import pytest
import torch

from fdcore.lean.verifier import Verifier
from fdcore.rollout.remote import RaySampler, RayVerifier
from fdcore.rollout.sampler import SamplingParams
from fdcore.rollout.torch_sampler import TorchSampler
from tests.attacks import COMM, FAMILIES, HONEST, SETTINGS
from tests.lean.test_verifier import mixed_sources, problem
from tests.smallrun import SPLITS, small_trainer, student

PROMPTS = [[1, 2, 3, *range(10, 10 + i)] for i in range(1, 10)]
SEEDS = [64 * episode for episode in range(9)]
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
    first = engines.generate(PROMPTS, PARAMS, SEEDS)
    same(first, alone.generate(PROMPTS, PARAMS, SEEDS))
    later = [prompt + list(c.token_ids) + [7] for prompt, c in zip(PROMPTS, first, strict=True)][
        ::-1
    ]
    same(engines.generate(later, PARAMS, SEEDS[::-1]), alone.generate(later, PARAMS, SEEDS[::-1]))
    with torch.no_grad():
        for weight in filter(lambda p: p.requires_grad, model.parameters()):
            weight += 0.3
    engines.update_weights(model)
    changed = engines.generate(PROMPTS, PARAMS, SEEDS)
    same(changed, alone.generate(PROMPTS, PARAMS, SEEDS))
    assert [c.token_ids for c in changed] != [c.token_ids for c in first]
    ray.kill(engines.actors.handles[1])
    same(engines.generate(PROMPTS, PARAMS, SEEDS), changed)
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
        match="hardware.engines is 9, .* 4 CPUs",
    ):
        RaySampler(address, student(), None, engines=9, backend="torch", device="cpu")


def kill(node) -> None:
    """All at once, as a machine that loses its power."""
    raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
    for each in [raylet, *raylet.children(recursive=True)]:
        each.kill()


def test_a_node_that_is_killed_in_the_middle_changes_no_verdict_and_loses_none(
    library, cluster, monkeypatch, tmp_path
):
    attacks = [
        FAMILIES["no proof"].attacks["sorry"][1],
        FAMILIES["new ground"].attacks["an axiom"][1],
    ]
    sources = [
        *(
            f"{source}\n-- {n}\n"
            for n in range(40)
            for source in (HONEST, COMM + f"\n  exact foo_{n}")
        ),
        *attacks,
        *mixed_sources(60, seed=5),
    ]
    endless = [
        f"{COMM}\n  repeat (have h : 0 = 0 := rfl)\n-- {n}" for n in range(4)
    ]  # the run lasts until the kill is noticed
    pairs = [(problem(), source) for source in (*endless[:2], *sources, *endless[2:])]
    limits = SETTINGS.model_copy(update={"timeout_seconds": 4})
    with Verifier(library, limits, cache_dir=None) as local:
        expected = [(v.status, v.messages, v.axioms) for v in local.check_many(pairs)]
    address = cluster.address
    settings = {"workers": 1, "cache_dir": tmp_path}
    with closing(RayVerifier(address, library, limits, **settings)) as spread:
        assert len(spread.actors.handles) == 2
        assert all(
            v.verified
            for v in spread.check_many([(problem(), f"{HONEST}\n-- begun {n}") for n in range(40)])
        )  # both have started
        started, began = time.monotonic(), list(spread.actors.handles)
        killer = threading.Timer(1, kill, [cluster.workers[0]])
        killer.start()
        found = [(v.status, v.messages, v.axioms) for v in spread.check_many(pairs)]
        killer.join()
        assert found == expected and time.monotonic() - started > 1
        assert [old is new for old, new in zip(began, spread.actors.handles, strict=True)] in (
            [False, True],
            [True, False],
        )  # one was lost, and one only
    with closing(RayVerifier(address, library, limits, **settings)) as again:
        monkeypatch.setattr(again.actors, "handles", [])  # all verdicts are in the cache
        assert [
            (v.status, v.messages, v.axioms) for v in again.check_many(pairs[2:-2])
        ] == expected[2:-2]
        monkeypatch.undo()
