"""Stand-ins at the edges of a paper profile: GPUs, the hub, Mathlib, data sets, Claude.

Everything between the edges is the real code with the profile's own settings. The rows have the
published files' names and columns, the model lies in a hub's cache with Qwen3's template, and the
stand-in for Claude is a server on loopback that the real SDK talks to.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import textwrap
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from fdcore.profile import Profile, load_profile
from fdcore.records import Problem, write_text
from fdcore.worlds.problems import ROOT, read_problems

STUDENT = ROOT.parent / "student"

FEEDBACK = (
    "1. Begin with `lean_write_file` and one short file that holds only the tactics.\n"
    "2. Compile the file with `lean_check_file`, and read its first error before the next try."
)
ARMS = [
    {"name": "fd", "method": "fd", "steps": 3},
    {"name": "grpo", "method": "grpo", "steps": 2},
    {"name": "over", "method": "grpo", "steps": 1, "start": {"arm": "fd", "step": 2}},
]
SMALL: dict[str, Any] = {
    "arms": ARMS,
    "problems.train": 24,
    "problems.test": 8,
    "problems.holdout": 4,
    "episode.max_response_tokens": 160,
    "episode.max_turns": 4,
    "episode.tool_output_chars": 160,
    "sampler.max_batch": 64,
    "distillation.prompts": 8,
    "grpo.prompts": 2,
    "training.checkpoint_every": 1,
    "evaluation.every": 2,
    "evaluation.during_problems": 4,
    "evaluation.samples": 2,
    "evaluation.base_samples": 4,
    "evaluation.holdout_samples": 1,
    "evaluation.ks": (1, 2, 4),
    "feedback.retries": 1,
}


def shrink_profile(name: str) -> Profile:
    """A paper profile on two CPU processes with the core library, small enough for minutes."""
    edges = {
        "sampler.backend": "torch",
        "lean.library": "core",
        "lean.header": load_profile("smoke").lean.header,
        "lean.workers": 2,
        "threads": 1,
        "hardware.device": "cpu",
        "hardware.gpus": 2,
    }
    return load_profile(name).varied(edges | SMALL)


@contextlib.contextmanager
def stand_in(folder: Path) -> Iterator[list[str]]:
    """Hub, data sets and Claude are the stand-ins in a folder. Yields the calls to Claude."""
    places = {
        "FD_LEAN_WORKBOOK": str(folder / "lean_workbook"),
        "FD_MINIF2F": str(folder / "minif2f.jsonl"),
        "HF_HUB_CACHE": str(folder / "hub"),
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "ANTHROPIC_API_KEY": "rehearsal",
    }
    before = dict(os.environ)
    with serve_claude(folder / "claude-is-down") as (url, calls):
        os.environ |= {**places, "ANTHROPIC_BASE_URL": url}
        try:
            yield calls
        finally:
            os.environ.clear()
            os.environ |= before


def make_model(folder: Path, profile: Profile) -> None:
    """The shipped student for longer prompts, as the hub's client keeps a model."""
    place = folder / "hub" / f"models--{profile.model.source.replace('/', '--')}"
    commit = "0" * 40
    student = place / "snapshots" / commit
    shutil.copytree(STUDENT, student)
    config = json.loads((student / "config.json").read_text())
    write_text(student / "config.json", json.dumps(config | {"max_position_embeddings": 4096}))
    write_text(place / "refs" / "main", commit)


# -- the data sets ---------------------------------------------------------------------------------


def write_rows(folder: Path) -> None:
    """Files with the names and columns of the published ones, over the core library.

    Half of the train problems as step rows (`wkbk_1009.parquet`), half as statement rows
    (`lean_workbook.json`), the hold-out as file rows (`minif2f.jsonl`).
    """
    train = read_problems(ROOT / "train.jsonl")[:80]
    holdout = read_problems(ROOT / "holdout.jsonl")[:8]
    workbook = folder / "lean_workbook"
    workbook.mkdir(parents=True)
    steps = [row for problem in train[::2] for row in _step_rows(problem)]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(steps), workbook / "wkbk_1009.parquet")
    statements = [
        {
            "natural_language_statement": problem.statement,
            "answer": "",
            "tags": [],
            "formal_statement": _rename(problem),
            "split": "lean_workbook",
            "proof": [problem.proof],
        }
        for problem in train[1::2]
    ]
    write_text(workbook / "lean_workbook.json", json.dumps(statements))
    header = load_profile("smoke").lean.header
    held = [
        {
            "name": _name(problem),
            "split": "test",
            "informal": problem.informal,
            "header": header,
            "formal_statement": _rename(problem),
        }
        for problem in holdout
    ]
    write_text(folder / "minif2f.jsonl", "".join(json.dumps(row) + "\n" for row in held))


def _step_rows(problem: Problem) -> list[dict]:
    tactics = textwrap.dedent(problem.proof).strip("\n").splitlines()
    states = [f"⊢ {_name(problem)}, {number} tactics in" for number in range(len(tactics))]
    return [
        {
            "id": _name(problem),
            "status": "proved",
            "tactic": tactic,
            "state_before": before,
            "state_after": after,
            "natural_language_statement": problem.statement,
            "answer": "",
            "formal_statement": _rename(problem),
        }
        for tactic, before, after in zip(tactics, states, [*states[1:], "no goals"], strict=True)
    ]


def _name(problem: Problem) -> str:
    return problem.id.replace("-", "_")


def _rename(problem: Problem) -> str:
    return problem.statement.replace("theorem thm", f"theorem {_name(problem)}", 1)


# -- Claude ----------------------------------------------------------------------------------------


@contextlib.contextmanager
def serve_claude(down: Path | None = None) -> Iterator[tuple[str, list[str]]]:
    """A server that speaks the Messages API and gives one answer.

    As long as there is a file `down` it gives the error of an overloaded service. Yields its URL
    and the models that it was asked for.
    """
    calls: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            calls.append(request["model"])
            overloaded = down is not None and down.exists()
            error = {"type": "error", "error": {"type": "overloaded_error", "message": "later"}}
            answer = {
                "id": f"msg_{len(calls)}",
                "type": "message",
                "role": "assistant",
                "model": request["model"],
                "content": [{"type": "text", "text": FEEDBACK}],
                "stop_reason": "end_turn",
                "stop_sequence": None,
                "usage": {"input_tokens": 100, "output_tokens": len(FEEDBACK.split())},
            }
            body = json.dumps(error if overloaded else answer).encode()
            self.send_response(529 if overloaded else 200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", calls
    finally:
        server.shutdown()
