"""What the tests share: the real Lean library, built once, and the order of the tests."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings

settings.register_profile(
    "unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)  # a busy machine is no failure
settings.load_profile("unhurried")

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as `fdcore` sets it
if os.environ.get("PYTEST_XDIST_WORKER"):
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # one core a worker; before torch is imported


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory):
    """The core library. Workers build it one after the other, so the first does the work."""
    from fdcore.lean.library import core_library

    with FileLock(tmp_path_factory.getbasetemp().parent / "library.lock"):
        return core_library()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(
        key=lambda item: not any(item.get_closest_marker(mark) for mark in ("smoke", "rehearsal"))
    )  # the longest first; the sort is stable


@pytest.fixture(scope="module")
def cluster():
    """A Ray cluster of two nodes with two CPUs each, `workers`, beside a head without any."""
    from ray.cluster_utils import Cluster

    before, os.environ["PYTHONPATH"] = (
        os.environ.get("PYTHONPATH"),
        os.pathsep.join([str(Path(__file__).parent.parent), *filter(None, sys.path)]),
    )
    one = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": 100 << 20}
    )
    one.workers = [one.add_node(num_cpus=2, object_store_memory=100 << 20) for _ in range(2)]
    one.wait_for_nodes(timeout=120)
    yield one
    import ray

    ray.shutdown()
    one.shutdown()
    os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)
