"""What goes wrong under way is one line that says what to do, also from a process that could not raise it."""

from __future__ import annotations

import doctest
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from fdcore.model import ModelUnavailable, load_model, model_folder, save_model
from fdcore.training import faults
from fdcore.training.distributed import _reason
from fdcore.training.faults import RunFault, explained, left, limited, lost
from fdcore.worlds.student import build_student, train_tokenizer

ROOT = Path(__file__).resolve().parents[2]


def test_the_docstring_examples_hold():
    assert doctest.testmod(faults, optionflags=doctest.ELLIPSIS).failed == 0


@pytest.mark.parametrize(
    "body", ["time.sleep(60)", "lock = threading.Lock(); lock.acquire(); lock.acquire()"]
)
def test_what_takes_too_long_ends_its_process_with_a_line_and_the_stacks(body, tmp_path):
    program = f"import threading, time; from fdcore.training.faults import limited\nwith limited(0.5, 'fd: step 3: learning'):\n    {body}\n"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"FD_ERROR": str(tmp_path / "error")},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 1 and "most recent call first" in done.stderr
    line = left(tmp_path / "error")
    assert (
        line.startswith("fd: step 3: learning has not ended after 0 s")
        and "run the same command again" in line
        and "training.stall_seconds" in line
        and line in done.stderr
    )


def test_what_ends_in_time_or_has_no_limit_is_left_alone():
    with limited(60.0, "this"), limited(None, "that"):
        pass
    with pytest.raises(KeyError), limited(60.0, "this"):
        raise KeyError


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore"),
        MemoryError(),
        OSError(12, "Cannot allocate memory"),
        RuntimeError("can't start new thread"),
    ],
)
def test_memory_that_runs_out_is_told_with_the_settings_that_need_less(error):
    with (
        pytest.raises(
            RunFault,
            match=r"grpo: step 7: out of memory \(.*training.micro_batch.*sampler.memory_share",
        ) as told,
        explained("grpo: step 7"),
    ):
        raise error
    assert "\n" not in str(told.value)


def test_a_real_allocation_that_cannot_be_had_is_out_of_memory():
    with pytest.raises(RunFault, match="out of memory"), explained("here"):
        torch.empty(2**60, dtype=torch.int8)


@pytest.mark.parametrize(
    "error", [ValueError("x"), RuntimeError("x"), OSError(28, "No space left on device")]
)
def test_other_errors_pass_as_they_are(error):
    with pytest.raises(type(error)) as told, explained("here"):
        raise error
    assert told.value is error


def test_the_first_line_that_is_left_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("FD_ERROR", str(tmp_path / "error"))
    faults.leave("the cause")
    faults.leave("what followed")
    assert left(tmp_path / "error") == "the cause" and left(tmp_path / "other") is None


def test_of_several_failed_processes_a_kill_is_the_reason_then_the_first_line_then_another_signal():
    def failure(rank, code, signal="<N/A>"):
        return SimpleNamespace(local_rank=rank, exitcode=code, signal_name=lambda: signal)

    killed, ended, aborted, raised = (
        failure(1, -9, "SIGKILL"),
        failure(0, -15, "SIGTERM"),
        failure(2, -6, "SIGABRT"),
        failure(0, 1),
    )
    assert _reason([ended, aborted, killed], 4, "Connection closed by peer") == lost(
        1, 4, "SIGKILL"
    )
    assert _reason([ended, raised], 4, "ValueError: x") == "ValueError: x"
    assert _reason([ended, aborted], 4, None) == lost(2, 4, "SIGABRT")
    hung = f"sampling has not ended after 9 s: {faults.HANGS}; try again"
    assert (
        _reason([raised, failure(1, -9, "SIGKILL")], 2, hung) == hung
    )  # one that is stopped does not heed SIGTERM, and the launcher kills it
    assert "what it printed says more" in _reason([raised, ended], 4, None)


def test_a_model_of_the_hub_is_found_in_the_cache_at_its_commit_and_one_line_says_so_where_it_is_not(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    place = tmp_path / "models--some--model"
    tokenizer = train_tokenizer(["theorem a : True"], 300)
    model = build_student(
        hidden_size=16,
        layers=1,
        heads=2,
        kv_heads=1,
        head_dim=8,
        intermediate_size=32,
        vocab_size=len(tokenizer),
        max_positions=64,
    )
    for commit in ("1" * 40, "2" * 40):
        save_model(model, tokenizer, place / "snapshots" / commit)
    (place / "refs").mkdir()
    (place / "refs/main").write_text("2" * 40)
    assert (
        model_folder("some/model").name == "2" * 40
        and model_folder("some/model", "1" * 40).name == "1" * 40
    )
    assert (
        load_model(model_folder("some/model")).num_parameters() == model.num_parameters()
        and model_folder(str(tmp_path)) == tmp_path
    )
    for commit in (None, "3" * 40):
        with pytest.raises(
            ModelUnavailable,
            match="another/model: the model could not be loaded .*check the spelling and the network.*or download it",
        ) as told:
            model_folder("another/model", commit)
        assert "\n" not in str(told.value)
