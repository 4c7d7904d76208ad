"""The verifier on a Ray cluster of two worker nodes, one of which is killed in the middle."""

from __future__ import annotations

import sys
import threading
import time

import psutil
import pytest

from fdcore.lean.verifier import StatementError, Verifier
from fdcore.rollout.remote_verifier import RayVerifier, open_verifier
from tests.attacks import COMM, FAMILIES, HONEST
from tests.lean.test_verifier import SETTINGS, mixed_sources, problem


def test_without_an_address_it_stays_in_this_process(monkeypatch):
    monkeypatch.delenv("FD_RAY_ADDRESS", raising=False)
    monkeypatch.delitem(sys.modules, "ray", raising=False)
    with open_verifier(**SETTINGS) as one:
        assert isinstance(one, Verifier) and "ray" not in sys.modules
    monkeypatch.setenv("FD_RAY_ADDRESS", "auto")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match="ray is not installed; run `pip install ray`"):
        open_verifier(**SETTINGS)


def kill(node) -> None:
    """All at once, as a machine that loses its power."""
    raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
    for each in [raylet, *raylet.children(recursive=True)]:
        each.kill()


def test_a_node_that_is_killed_in_the_middle_changes_no_verdict_and_loses_none(
    cluster, monkeypatch, tmp_path
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
    limits = SETTINGS | {"timeout_seconds": 4}
    with Verifier(**limits) as local:
        expected = [(v.status, v.messages, v.axioms) for v in local.check_many(pairs)]
    monkeypatch.setenv("FD_RAY_ADDRESS", cluster.address)
    with open_verifier(**limits | {"workers": 1, "cache_dir": tmp_path}) as spread:
        assert isinstance(spread, RayVerifier) and len(spread._actors) == 2
        assert all(
            v.verified
            for v in spread.check_many([(problem(), f"{HONEST}\n-- begun {n}") for n in range(40)])
        )  # both have started
        started, began = time.monotonic(), list(spread._actors)
        killer = threading.Timer(1, kill, [cluster.workers[0]])
        killer.start()
        found = [(v.status, v.messages, v.axioms) for v in spread.check_many(pairs)]
        killer.join()
        assert found == expected and time.monotonic() - started > 1
        assert [old is new for old, new in zip(began, spread._actors)] in (
            [False, True],
            [True, False],
        )  # one was lost, and one only
        with pytest.raises(StatementError, match="bad-7"):
            spread.check(
                problem("theorem t (a : Nat) : a + = a := by", id="bad-7"),
                "theorem t : True := trivial",
            )
    with open_verifier(**limits | {"workers": 1, "cache_dir": tmp_path}) as again:
        monkeypatch.setattr(again, "_ray", None)  # all verdicts are in the cache
        assert [
            (v.status, v.messages, v.axioms) for v in again.check_many(pairs[2:-2])
        ] == expected[2:-2]
        monkeypatch.undo()
