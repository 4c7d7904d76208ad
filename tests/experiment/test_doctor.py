"""`./run_all.sh --check`: what is missing on a machine is found before hours are spent, each time with what to do.

Lean, the sandbox, torch, the tokenizer and the hub's client are the real ones; `nvidia-smi` and Anthropic's API stand at the edge.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from fdcore.experiment import check as doctor
from fdcore.experiment.plan import disk_bytes
from fdcore.experiment.shapes import shape_of
from fdcore.profile import load_profile
from fdcore.worlds.student import train_tokenizer

ROOT = Path(__file__).resolve().parents[2]
PAPER = load_profile("paper")
MIB = 2**20


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Puts an `nvidia-smi` on PATH that shows these GPUs: (number, total MiB, free MiB), and a driver for that CUDA."""

    def put(
        number: int, total: int = 81559, free: int = 81000, driver: str = "13.0"
    ) -> dict[str, str]:
        program = tmp_path / "bin/nvidia-smi"
        program.parent.mkdir(exist_ok=True)
        rows = "".join(f"NVIDIA H100 80GB HBM3, {total}, {free}\n" for _ in range(number))
        program.write_text(
            f"#!/bin/sh\ncase $1 in --query*) printf '{rows}' ;; *) echo '| Driver Version: 580.0   CUDA Version: {driver} |' ;; esac\n"
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        return dict(os.environ)

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return put


def changed(section: str, **settings):
    return PAPER.model_copy(update={section: getattr(PAPER, section).model_copy(update=settings)})


def test_this_machine_has_all_that_the_tiny_profile_needs(library, tmp_path):
    rows = list(doctor.examine(load_profile("tiny"), tmp_path / "run"))
    assert [row for row in rows if row.state == "missing"] == [] and "Lean judges a theorem" in {
        row.check for row in rows
    }
    assert not (tmp_path / "run").exists()


def test_two_gpus_where_eight_are_asked_are_told_what_to_change(machine):
    machine(2)
    with pytest.raises(doctor.Missing, match="^2, the profile asks for 8$") as missing:
        doctor.gpus(PAPER)
    assert (
        "hardware.gpus: 2" in missing.value.remedy
        and "--plan" in missing.value.remedy
        and "paper-lora" in missing.value.remedy
    )


def test_gpus_are_counted_and_their_memory_is_looked_at(machine, monkeypatch):
    machine(8)
    assert (
        doctor.gpus(PAPER) == "8 x NVIDIA H100 80GB HBM3"
        and doctor.gpu_memory(PAPER) == "85 of 86 GB free on each"
    )
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with pytest.raises(doctor.Missing, match="^2, the profile asks for 8$"):
        doctor.gpus(PAPER)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    machine(8, total=40_960, free=40_000)
    with pytest.raises(doctor.Missing, match="43 GB, the profile counts on 80"):
        doctor.gpu_memory(PAPER)
    machine(8, free=30_000)
    with pytest.raises(doctor.Missing, match="31 of 86 GB free") as missing:
        doctor.gpu_memory(PAPER)
    assert "nvidia-smi" in missing.value.remedy


@pytest.mark.skipif(torch.version.cuda is not None, reason="this torch is built for CUDA")
def test_a_torch_without_cuda_beside_gpus_is_found(machine):
    machine(8)
    with pytest.raises(doctor.Missing, match="is a build without CUDA") as missing:
        doctor.cuda()
    assert "environment.yml" in missing.value.remedy


def test_a_driver_older_than_torchs_cuda_is_found(machine, monkeypatch):
    machine(8, driver="12.4")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    with pytest.raises(
        doctor.Missing, match=r"the driver knows CUDA 12.4, torch .* is built for 13.0"
    ):
        doctor.cuda()


def test_settings_that_do_not_fit_and_a_disk_that_is_too_small_are_found(tmp_path, monkeypatch):
    with pytest.raises(doctor.Missing, match="the trainer needs") as missing:
        doctor.fits(changed("hardware", gpus=2))
    assert "hardware.gpus: 8" in missing.value.remedy
    needed = disk_bytes(PAPER, shape_of(PAPER.model))
    assert needed > 1e12
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: SimpleNamespace(free=needed))
    with pytest.raises(
        doctor.Missing, match=f"GB free at {tmp_path}, a run leaves about {needed / 1e9 + 2:.0f}"
    ) as missing:
        doctor.disk(PAPER, tmp_path / "not/yet/there")
    assert "--out" in missing.value.remedy
    monkeypatch.setattr(
        doctor.shutil, "disk_usage", lambda path: SimpleNamespace(free=needed + 3e9)
    )
    assert doctor.disk(PAPER, tmp_path / "not/yet/there").endswith("needed")


def test_a_model_folder_without_a_chat_template_is_found(tmp_path):
    tokenizer = train_tokenizer(["theorem t : True := by trivial"], 300)
    folder, profile = tmp_path / "model", changed("model", source=str(tmp_path / "model"))
    tokenizer.save_pretrained(folder)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").touch()
    assert doctor.chat_template(profile) == "there; tool calls are tokens of their own"
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(
        Exception, match="the tokenizer has no chat template; take an instruction-tuned model"
    ):
        doctor.chat_template(profile)
    (folder / "model.safetensors").unlink()
    with pytest.raises(doctor.Missing, match="no config.json or no .*safetensors"):
        doctor.model(profile)


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """An empty hub cache, and a hub that does not answer."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_an_empty_hub_cache_without_network_is_one_line_and_a_filled_one_will_do(
    offline, monkeypatch
):
    with pytest.raises(
        doctor.Missing,
        match="Qwen/Qwen3.5-9B is not in the hub's cache and the hub does not give it",
    ) as missing:
        doctor.model(PAPER)
    assert "hf download Qwen/Qwen3.5-9B" in missing.value.remedy and "\n" not in missing.value.found
    with pytest.raises(doctor.Missing, match="internlm/Lean-Workbook") as missing:
        doctor.problems(PAPER)
    assert "FD_LEAN_WORKBOOK" in missing.value.remedy
    snapshot = offline / "models--Qwen--Qwen3.5-9B/snapshots/0123"
    snapshot.mkdir(parents=True)
    (offline / "models--Qwen--Qwen3.5-9B/refs").mkdir()
    (offline / "models--Qwen--Qwen3.5-9B/refs/main").write_text("0123")
    for name in ("config.json", "tokenizer_config.json"):
        (snapshot / name).write_text("{}")
    assert doctor.model(PAPER) == "in the hub's cache"
    monkeypatch.setenv("FD_LEAN_WORKBOOK", str(ROOT / "tests/data/lean_workbook_solved.jsonl"))
    assert doctor.problems(PAPER).count("on disk") == 2


@pytest.fixture
def anthropic_api(monkeypatch):
    """A server on loopback that answers every request with one status."""
    answer = {"status": 200}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = {
                "id": self.path.rpartition("/")[2],
                "type": "model",
                "display_name": "m",
                "created_at": "2026-02-05T00:00:00Z",
            }
            body = (
                body
                if answer["status"] == 200
                else {"type": "error", "error": {"type": "error", "message": "no"}}
            )
            self.send_response(answer["status"])
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_): ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("ANTHROPIC_BASE_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret")
    yield answer
    server.shutdown()


def test_the_key_and_the_models_name_are_tried_without_a_charge(anthropic_api, monkeypatch):
    assert doctor.claude(PAPER) == "claude-opus-4-6 answers"
    for status, told in (
        (401, "is refused"),
        (404, "no model claude-opus-4-6"),
        (500, "no answer"),
    ):
        anthropic_api["status"] = status
        with pytest.raises(doctor.Missing, match=told) as missing:
            doctor.claude(PAPER)
        assert "sk-secret" not in missing.value.found + missing.value.remedy
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    with pytest.raises(doctor.Missing, match="ANTHROPIC_API_KEY is not set"):
        doctor.claude(PAPER)


def test_the_command_shows_every_row_on_one_line_and_ends_with_1_when_something_is_missing(
    machine, tmp_path
):
    environment = machine(2) | {
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "HF_HOME": str(tmp_path / "hf"),
        "ANTHROPIC_API_KEY": "",
    }
    answer = subprocess.run(
        [
            sys.executable,
            "-m",
            "fdcore",
            "doctor",
            "--profile",
            "paper",
            "--out",
            str(tmp_path / "run"),
        ],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert answer.returncode == 1, answer.stdout + answer.stderr
    lines = answer.stdout.splitlines()
    for check in (
        "GPUs ",
        "Mathlib ",
        "model ",
        "chat template ",
        "problems ",
        "Claude ",
        "elan and Lake ",
    ):
        (row,) = [line for line in lines if line.startswith(check)]
        assert "missing" in row
    assert (
        "a run would stop" in lines[-1]
        and "Traceback" not in answer.stdout + answer.stderr
        and not (tmp_path / "run").exists()
    )
