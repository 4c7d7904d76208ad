"""Looks at this machine before a run does: one row for each thing that the profile needs.

Everything is tried for real: Lean judges a theorem, the tokenizer is loaded, the API is asked for
the model (which costs nothing). A run looks first, and touches nothing where something is missing.
Left out on purpose: what the run will cost (`fdcore.experiment.plan`).
"""

from __future__ import annotations

import importlib
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path

import torch

from fdcore.experiment.plan import GB, count_problems, find_misfits, make_plan
from fdcore.experiment.session import make_verifier
from fdcore.lean.sandbox import active_protections
from fdcore.profile import Profile
from fdcore.records import Problem, Record

NETWORK_SECONDS = 10
STATEMENT = "theorem check_add (a b : Nat) : a + b = b + a := by"


class Row(Record):
    check: str
    missing: bool
    found: str  # what is there, or what is wrong and how to mend it


class Missing(Exception):
    """What is not there, and what to do about it, in one line."""


def examine_machine(profile: Profile, folders: Sequence[Path]) -> Iterator[Row]:
    """One row for each need of a profile's runs in these folders. Nothing in them is touched."""
    logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL)  # its retries say the same
    checks: dict[str, Callable[[Profile, Sequence[Path]], str]] = {
        "CPU cores": _check_cores,
        "disk": _check_disk,
        "sandbox": lambda *_: "; ".join(active_protections()) or "none: proofs run unprotected",
        "Lean judges a theorem": _check_judge,
        "problems": _check_problems,
        "model and chat template": _check_model,
    }
    if profile.hardware and profile.hardware.device == "cuda":
        checks |= {"GPUs": _check_gpus, "fits": _check_fit}
    if profile.sampler.backend == "vllm":
        checks["vLLM"] = lambda *_: _check_package("vllm", "environment.yml installs it")
    if profile.tracker:
        checks["tracker"] = _check_tracker
    if profile.feedback.producer == "claude":
        checks["Claude"] = _check_claude
    for name, check in checks.items():
        try:
            yield Row(check=name, missing=False, found=check(profile, folders))
        except Exception as error:  # noqa: BLE001 - one failed check does not hide the others
            reason = str(error).strip() or type(error).__name__
            yield Row(check=name, missing=True, found=reason.splitlines()[0])


def _check_cores(profile: Profile, folders: Sequence[Path]) -> str:
    cores, workers = len(os.sched_getaffinity(0)), profile.lean.workers
    if cores < workers:
        return f"{cores}; checks wait for each other, set lean.workers: {cores}"
    return f"{cores} for {workers} Lean workers"


def _check_disk(profile: Profile, folders: Sequence[Path]) -> str:
    place = next(path for path in (folders[0], *folders[0].absolute().parents) if path.exists())
    free = shutil.disk_usage(place).free
    if free < 3 * GB:
        raise Missing(f"{free / GB:.1f} GB free at {place}; give a folder on another disk: --out")
    return f"{free / GB:,.0f} GB free at {place}"


def _check_judge(profile: Profile, folders: Sequence[Path]) -> str:
    """A right and a wrong proof before the run's own judge."""
    problem = Problem(id="check", header=profile.lean.header, statement=STATEMENT, split="test")
    proofs = ("exact Nat.add_comm a b", "exact Nat.mul_comm a b")
    pairs = [(problem, f"{STATEMENT}\n  {proof}") for proof in proofs]
    with tempfile.TemporaryDirectory() as cache, make_verifier(profile, Path(cache)) as verifier:
        right, wrong = verifier.check_many(pairs)
    if not right.verified or wrong.verified:
        raise Missing(f"a right proof is {right.status} ({right.detail}), a wrong {wrong.status}")
    return f"verified in {right.seconds:.1f} s; a wrong proof is {wrong.status}"


def _check_problems(profile: Profile, folders: Sequence[Path]) -> str:
    if profile.problems.source == "core":
        return ", ".join(f"{size} {split}" for split, size in count_problems(profile).items())
    if all((folder / "problems" / "checked.json").exists() for folder in folders):
        return "drawn already"
    from fdcore.worlds.lean_workbook import locate_files

    names = {}
    sources = {
        "FD_LEAN_WORKBOOK": profile.problems.lean_workbook,
        "FD_MINIF2F": (profile.problems.minif2f,),
    }
    for variable, files in sources.items():
        for data in locate_files(files, variable):
            if not Path(data.name).exists() and data.name.count("/") == 1:
                _ask_hub("dataset_info", data.name, f"set {variable} to its folder")
            names[data.name] = None
    return ", ".join(names)


def _ask_hub(question: str, name: str, remedy: str) -> None:
    from huggingface_hub import HfApi

    try:
        getattr(HfApi(), question)(name, timeout=NETWORK_SECONDS)
    except Exception as error:  # noqa: BLE001 - the client raises errors of three libraries
        raise Missing(
            f"the hub does not give {name} ({type(error).__name__}); "
            f"download it elsewhere with `hf download {name}` and {remedy}"
        ) from None


def _check_model(profile: Profile, folders: Sequence[Path]) -> str:
    from transformers import AutoTokenizer

    from fdcore.model import find_folder
    from fdcore.rollout.chat import Chat
    from fdcore.rollout.tools import Tools

    source = profile.model.source
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            find_folder(source) or source, local_files_only=True
        )
    except (OSError, ValueError):
        _ask_hub("model_info", source, "set model.source to its folder")
        return f"{source}: on the hub, which answers"
    chat = Chat(tokenizer, Tools.schemas, thinking=profile.model.thinking)
    chat.tool_answer("ok")
    return f"{source}: here, its template knows tools"


def _check_gpus(profile: Profile, folders: Sequence[Path]) -> str:
    if torch.version.cuda is None:
        raise Missing(f"torch {torch.__version__} is a build without CUDA; use environment.yml")
    count, hardware = torch.cuda.device_count(), profile.hardware
    if count < hardware.gpus:
        raise Missing(f"{count} GPUs, the profile asks for {hardware.gpus}; set hardware.gpus")
    free = min(torch.cuda.mem_get_info(index)[0] for index in range(hardware.gpus))
    if free < 0.9 * hardware.gpu_memory_gb * GB:
        raise Missing(f"{free / GB:.0f} GB free of {hardware.gpu_memory_gb}; see `nvidia-smi`")
    return f"{count} x {torch.cuda.get_device_name()}, {free / GB:.0f} GB free"


def _check_fit(profile: Profile, folders: Sequence[Path]) -> str:
    if misfits := find_misfits(make_plan(profile, [])):
        raise Missing(misfits[0])
    return "by the plan (--plan)"


def _check_package(name: str, remedy: str) -> str:
    try:
        return f"{name} {metadata.version(name)}"
    except metadata.PackageNotFoundError:
        raise Missing(f"{name} is not installed; {remedy}") from None


def _check_tracker(profile: Profile, folders: Sequence[Path]) -> str:
    """The tracker's package, and for Weights & Biases somebody who is logged in."""
    name = profile.tracker
    found = _check_package(name, f"`pip install {name}`, or leave the setting tracker out")
    offline = os.environ.get("WANDB_MODE", "online") != "online"
    if name == "wandb" and not offline and not importlib.import_module(name).api.api_key:
        raise Missing(f"{found}: nobody is logged in; `wandb login`, or set WANDB_MODE=offline")
    return found


def _check_claude(profile: Profile, folders: Sequence[Path]) -> str:
    """The key and the model's name, by asking for the model's record, which is not charged."""
    import anthropic

    if not os.environ.get("ANTHROPIC_API_KEY"):
        raise Missing("ANTHROPIC_API_KEY is not set; export it")
    try:
        with anthropic.Anthropic(max_retries=1, timeout=NETWORK_SECONDS) as client:
            return f"{client.models.retrieve(profile.feedback.model).id} answers"
    except anthropic.APIError as error:
        raise Missing(f"{profile.feedback.model}: {type(error).__name__}; see the key") from None
