"""A paper profile run to its last notebook without GPU, hub, Mathlib or Claude: stand-ins at the edges, everything else as it is.

The profile's copy differs in the settings of `edges` (what stands for something that is not here) and of `SIZES` (how much of it), and
in no others; both lists are printed, and so is each setting that this does not exercise. The stand-in rows go through the same reading,
drawing and decontamination as the published ones, the stand-in model is found in a hub's cache and has Qwen3's architecture, special
tokens and chat template, and the stand-in for Claude is a server on loopback that the real SDK talks to.
Left out on purpose: judgement of the numbers that come out. They mean nothing.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import textwrap
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from fdcore.experiment import notebooks as runner
from fdcore.experiment import plantables
from fdcore.profile import Profile, load_profile
from fdcore.records import Problem, write_text
from fdcore.worlds.problems import ROOT, read_problems

FEEDBACK = """1. Begin with `lean_write_file` and one short file that holds only the tactics, and keep the statement just as it is given.
2. Compile the file with `lean_check_file` before the end, and read the first error of the compiler closely before the next try."""
ARMS = [
    {"name": "fd", "method": "fd", "steps": 3},
    {"name": "grpo", "method": "grpo", "steps": 2},
    *(
        {
            "name": f"grpo_from_fd_{step}",
            "method": "grpo",
            "steps": 1,
            "start": {"arm": "fd", "step": step},
        }
        for step in (1, 2, 3)
    ),
]
SIZES: dict[str, Any] = {
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
IDLE = {  # settings that are as in the profile and that nothing here depends on
    "model.source": "its files are the stand-in's",
    "problems.lean_workbook": "FD_LEAN_WORKBOOK takes its place",
    "problems.minif2f": "FD_MINIF2F takes its place",
    "hardware.gpu_memory_gb": "no GPU",
    "sampler.memory_share": "no GPU",
    "lean.axioms": "the core library has its own",
    "lean.memory_mb": "far from reached by the core library",
    "lean.timeout_seconds": "the same",
    "lean.heartbeats": "the same",
    "feedback.budget_dollars": "far from spent",
    "feedback.timeout_seconds": "the stand-in answers at once",
    "distillation.beta": "for direction jsd only",
}
WARM_UP = {
    "traces": 400,
    "short_steps": 60,
    "full_steps": 30,
}  # of the smoke profile's stand-in model: enough to write files


def edges(profile: Profile) -> dict[str, tuple[Any, str]]:
    """Setting -> (its value here, what stands in for what)."""
    vllm = importlib.util.find_spec("vllm") is not None
    found = {
        "sampler.backend": (
            "vllm" if vllm else "torch",
            "vLLM on the CPU in place of vLLM on a GPU"
            if vllm
            else "the torch sampler in place of vLLM, which is not installed",
        ),
        "lean.library": ("core", "the core library and its Lean in place of Mathlib"),
        "lean.header": ("prelude\nimport Fd\n\n", "the same"),
        "lean.workers": (2, "two cores"),
        "threads": (2, "the same"),
        "publish_figures": (False, "nothing is copied to figures/"),
    }
    if profile.hardware:
        gpus = profile.hardware.gpus
        count = min(2, gpus)
        found["hardware.device"] = ("cpu", "CPU cores in place of GPUs, gloo in place of NCCL")
        found["hardware.gpus"] = (
            count,
            f"{'two processes' if count > 1 else 'one process'} in place of {gpus} GPU{'s' * (gpus > 1)}",
        )
    return found


def rehearse(profile: Profile, folder: Path, notebooks: Sequence[str]) -> None:
    """Run these notebooks on stand-ins in `folder` (again: go on). Raises ValueError for a profile without edges, NotebookFailed."""
    if (
        profile.model.source is None
        or profile.problems.source != "mathlib"
        or profile.feedback.producer != "claude"
    ):
        raise ValueError(
            f"profile {profile.name} needs no rehearsal: it has no model from the hub, Mathlib problems and Claude; run it as it is"
        )
    standins = folder / "standins"
    replaced = edges(profile)
    _announce(profile, replaced)
    write_rows(standins)
    put_in_cache(_warm_up(profile, standins), standins / "hub", profile.model.source)
    small = profile.varied({name: value for name, (value, _) in replaced.items()} | SIZES)
    settings = folder / "rehearsal.yaml"
    write_text(
        settings, yaml.safe_dump(small.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    )
    load_profile(settings)  # as any profile file is read
    with standing_in(standins) as calls:
        runner.run(
            runner.find_notebooks(notebooks), profile=str(settings), seed=0, out=folder / "run"
        )
    print(
        f"\nrehearsed: {len(notebooks) or 'all'} notebooks, {len(calls)} calls to the stand-in for Claude in this go; everything is in {folder}",
        flush=True,
    )


@contextlib.contextmanager
def environment(**values: str) -> Iterator[None]:
    """These environment variables within the body."""
    before = {name: os.environ.get(name) for name in values}
    os.environ |= values
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


@contextlib.contextmanager
def standing_in(standins: Path) -> Iterator[list[str]]:
    """Within the body the made stand-ins in that folder are what hub, data sets and Claude are looked for at; yields the calls to Claude."""
    places = {
        "FD_LEAN_WORKBOOK": str(standins / "lean_workbook"),
        "FD_MINIF2F": str(standins / "minif2f.jsonl"),
        "HF_HUB_CACHE": str(standins / "hub"),
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "VLLM_CPU_KVCACHE_SPACE": "1",
    }
    with (
        loopback_claude(standins / "claude-is-down") as (url, asked),
        environment(**places, ANTHROPIC_BASE_URL=url, ANTHROPIC_API_KEY="rehearsal"),
    ):
        yield asked


def _announce(profile: Profile, replaced: dict[str, tuple[Any, str]]) -> None:
    out = plantables.console()
    made = plantables.table("Stand-ins", "setting", "what stands in", terminal=out.is_terminal)
    for name, (_, what) in replaced.items():
        made.add_row(name, what)
    made.add_row(
        "HF_HUB_CACHE, HF_ENDPOINT",
        f"a cache that holds a Qwen3 of 1 M parameters, warmed up here, in place of {profile.model.source}; and a hub that does not answer",
    )
    made.add_row(
        "FD_LEAN_WORKBOOK, FD_MINIF2F",
        "problems over the core library, in the published files' names and columns, in place of Lean Workbook and MiniF2F",
    )
    made.add_row(
        "ANTHROPIC_BASE_URL",
        f"a server on loopback with one answer in place of {profile.feedback.model}",
    )
    plantables.put(made, out)
    kinds = sort_settings(profile, replaced)
    plantables.put(
        f"\nCut short: {', '.join(f'{name} {SIZES[name]}' for name in kinds['cut short'])}", out
    )
    plantables.put(
        f"\nNot exercised: {', '.join(f'{name} ({IDLE[name]})' for name in kinds['idle'])}; nor the values that stand-ins replace, nor Lean over Mathlib",
        out,
    )
    plantables.put(
        f"\nNot in this profile, so off, and not exercised either: {', '.join(kinds['off'])}", out
    )
    plantables.put(
        f"\nAs in the profile, {len(kinds['as it is'])} settings: {', '.join(kinds['as it is'])}\n",
        out,
    )


def sort_settings(profile: Profile, replaced: dict[str, tuple[Any, str]]) -> dict[str, list[str]]:
    """Every setting of the profile, by what the rehearsal makes of it."""
    kinds: dict[str, list[str]] = {
        "stand-in": [],
        "cut short": [],
        "idle": [],
        "off": [],
        "as it is": [],
    }
    for name, value in profile.leaves().items():
        kind = (
            "stand-in"
            if name in replaced
            else "cut short"
            if name in SIZES
            else "idle"
            if name in IDLE
            else "off"
            if _is_off(profile, name, value)
            else "as it is"
        )
        kinds[kind].append(name)
    return kinds


def _is_off(profile: Profile, name: str, value: Any) -> bool:
    """Whether the profile's file does not name it: a variant of a method that is off unless a file asks for it."""
    section, _, key = name.rpartition(".")
    return (
        value is None
        or key not in (getattr(profile, section) if section else profile).model_fields_set
    )


def put_in_cache(model: Path, cache: Path, name: str) -> None:
    """The model's folder as the hub's client keeps it: the files of a commit, and which commit `main` is."""
    place = cache / f"models--{name.replace('/', '--')}"
    snapshot = place / "snapshots" / ("0" * 40)
    if not snapshot.exists():
        shutil.copytree(model, partial := snapshot.with_suffix(".partial"), dirs_exist_ok=True)
        partial.rename(snapshot)
        write_text(place / "refs" / "main", snapshot.name)


def _warm_up(profile: Profile, standins: Path) -> Path:
    """The folder of the stand-in model: the smoke profile's student, briefly warmed up in the profile's own chat mode."""
    from fdcore.experiment.run import Experiment

    smoke = load_profile("smoke")
    settings = standins / "warm-up.yaml"
    small = smoke.varied(
        {"model.thinking": profile.model.thinking, "model.student.max_positions": 4096}
        | {f"warmup.{name}": value for name, value in WARM_UP.items()}
    )
    write_text(
        settings, yaml.safe_dump(small.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    )
    return Experiment(settings, seed=0, out=standins / "warm-up").base()


# -- the data sets ---------------------------------------------------------------------------------------------------


def write_rows(folder: Path) -> None:
    """Files with the names and columns of the published ones, and theorems over the core library in them.

    Half of the train problems as step rows (`wkbk_1009.parquet`), half as statement rows (`lean_workbook.json`), the hold-out as file
    rows (`minif2f.jsonl`).
    """
    import pyarrow
    import pyarrow.parquet

    train, holdout = (
        read_problems(ROOT / "train.jsonl")[:80],
        read_problems(ROOT / "holdout.jsonl")[:8],
    )
    workbook = folder / "lean_workbook"
    workbook.mkdir(parents=True, exist_ok=True)
    steps = []
    for problem in train[::2]:
        tactics = textwrap.dedent(problem.proof).strip("\n").splitlines()
        states = [
            *(f"⊢ {_name(problem)}, {number} tactics in" for number in range(len(tactics))),
            "no goals",
        ]
        steps += [
            {
                "id": _name(problem),
                "status": "proved",
                "tactic": tactic,
                "state_before": before,
                "state_after": after,
                "natural_language_statement": problem.statement,
                "answer": "",
                "formal_statement": _renamed(problem),
            }
            for tactic, before, after in zip(tactics, states, states[1:])
        ]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(steps), workbook / "wkbk_1009.parquet")
    rows = [
        {
            "natural_language_statement": p.statement,
            "answer": "",
            "tags": [],
            "formal_statement": _renamed(p),
            "split": "lean_workbook",
            "proof": [p.proof],
        }
        for p in train[1::2]
    ]
    write_text(workbook / "lean_workbook.json", json.dumps(rows, ensure_ascii=False))
    held = [
        {
            "name": _name(p),
            "split": "test",
            "informal": p.informal,
            "header": "prelude\nimport Fd\n\n",
            "formal_statement": _renamed(p),
        }
        for p in holdout
    ]
    write_text(
        folder / "minif2f.jsonl",
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in held),
    )


def _name(problem: Problem) -> str:
    return problem.id.replace("-", "_")


def _renamed(problem: Problem) -> str:
    return problem.statement.replace("theorem thm", f"theorem {_name(problem)}", 1)


# -- Claude ----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def loopback_claude(down: Path | None = None) -> Iterator[tuple[str, list[str]]]:
    """A server on loopback that speaks the Messages API and gives one answer, or, as long as there is a file `down`, the error of an
    overloaded service; yields its URL and the models that it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            asked.append(request["model"])
            words = len(json.dumps(request["messages"]).split())
            overloaded = down is not None and down.exists()
            body = json.dumps(
                {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
                if overloaded
                else {
                    "id": f"msg_{len(asked)}",
                    "type": "message",
                    "role": "assistant",
                    "model": request["model"],
                    "content": [{"type": "text", "text": FEEDBACK}],
                    "stop_reason": "end_turn",
                    "stop_sequence": None,
                    "usage": {"input_tokens": words, "output_tokens": len(FEEDBACK.split())},
                }
            ).encode()
            self.send_response(529 if overloaded else 200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_): ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
