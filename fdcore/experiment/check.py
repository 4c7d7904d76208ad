"""Looks at this machine before a run does: one row a thing that the profile needs, and what to do where it is missing.

Everything is tried for real: Lean judges a theorem, the tokenizer is loaded, the API is asked for the model (which costs nothing).
Left out on purpose: whether the settings fit the GPUs' size is `fdcore.experiment.plan`'s answer, repeated here in one row.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from fdcore import REPOSITORY
from fdcore.experiment import plan, plantables
from fdcore.experiment.shapes import shape_of
from fdcore.lean.library import PROJECT, mathlib_library, pinned_release
from fdcore.profile import DataFile, Profile
from fdcore.records import Problem, Record

GB = 1e9
NETWORK_SECONDS = 10
MATHLIB_THEOREM = (
    "theorem mathd_algebra_462 : ((1 : ℚ) / 2 + 1 / 3) * (1 / 2 - 1 / 3) = 5 / 36 := by"  # MiniF2F
)
CORE_THEOREM = "theorem doctor (a b : Nat) : a + b = b + a := by"


class Row(Record):
    check: str
    state: Literal["ok", "warning", "missing"]  # what is missing stops a run
    found: str
    remedy: str = ""


class Missing(Exception):
    """What was found in place of what is needed, and the remedy."""

    def __init__(self, found: str, remedy: str):
        super().__init__(found)
        self.found, self.remedy = found, remedy


class Warn(Missing):
    """As Missing, but a run can go on."""


def examine(profile: Profile, folder: Path) -> Iterator[Row]:
    """The rows for a run of this profile into `folder`, each as soon as it is known. Nothing in `folder` is touched."""
    for name, check in _checks(profile, folder):
        try:
            yield Row(check=name, state="ok", found=check())
        except Missing as missing:
            yield Row(
                check=name,
                state="warning" if isinstance(missing, Warn) else "missing",
                found=missing.found,
                remedy=missing.remedy,
            )
        except Exception as error:  # noqa: BLE001 - one row that cannot be looked at must not hide the others
            text = (str(error).strip() or type(error).__name__).splitlines()[0]
            found, _, remedy = text.partition("; ")  # this package's errors end in what to do
            yield Row(
                check=name,
                state="missing",
                found=found,
                remedy=remedy
                or "mend what it says; ./run_all.sh --test tries the installation itself",
            )


def show(rows: Iterator[Row], title: str) -> bool:
    """Print the table; whether nothing is missing."""
    out, rows = plantables.console(), list(rows)
    made = plantables.table(
        title, "check", "state", "found", "what to do", terminal=out.is_terminal
    )
    for row in rows:
        made.add_row(row.check, row.state, row.found, row.remedy)
    plantables.put(made, out)
    missing, warnings = (
        sum(row.state == state for row in rows) for state in ("missing", "warning")
    )
    plantables.put(
        f"\n{len(rows)} checks, {missing} missing, {warnings} warnings: {'a run would stop' if missing else 'ready'}",
        out,
    )
    return not missing


def _checks(profile: Profile, folder: Path) -> list[tuple[str, Callable[[], str]]]:
    found: list[tuple[str, Callable[[], str]]] = []
    if profile.hardware is not None and profile.hardware.device == "cuda":
        found += [
            ("GPUs", lambda: gpus(profile)),
            ("GPU memory", lambda: gpu_memory(profile)),
            ("driver, CUDA and torch", cuda),
            ("settings fit the GPUs", lambda: fits(profile)),
        ]
    if profile.sampler.backend == "vllm":
        found.append(("vLLM", vllm))
    if (profile.hardware and profile.hardware.engines) or os.environ.get("FD_RAY_ADDRESS"):
        found.append(("Ray cluster", lambda: ray_cluster(profile)))
    found += [
        ("CPU cores", lambda: cores(profile)),
        ("disk", lambda: disk(profile, folder)),
        ("sandbox", lambda: sandbox(profile)),
    ]
    if profile.lean.library == "mathlib":
        found += [
            ("elan and Lake", elan),
            (
                "Mathlib",
                lambda: f"{pinned_release().tag}, {len(mathlib_library().path)} folders compiled",
            ),
        ]
    found.append(("Lean judges a theorem", lambda: judge(profile)))
    found += [
        ("problems", lambda: problems(profile)),
        ("model", lambda: model(profile)),
        ("chat template", lambda: chat_template(profile)),
    ]
    if profile.feedback.producer == "claude":
        found.append(("Claude", lambda: claude(profile)))
    return found


# -- GPUs ------------------------------------------------------------------------------------------------------------


class GPU(Record):
    name: str
    total: float  # bytes
    free: float


def _nvidia_smi(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["nvidia-smi", *arguments], capture_output=True, text=True, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        done = None
    if done is None or done.returncode:
        reason = (done.stdout + done.stderr).strip().splitlines()[:1] if done else []
        raise Missing(
            f"nvidia-smi does not answer{': ' + reason[0] if reason else ''}",
            "install NVIDIA's driver, or take a profile for this machine: ./run_all.sh --profile tiny",
        )
    return done.stdout


def visible_gpus() -> list[GPU]:
    """The GPUs that this process may use (CUDA_VISIBLE_DEVICES by number)."""
    rows = [
        line.split(",")
        for line in _nvidia_smi(
            "--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits"
        ).splitlines()
        if line.strip()
    ]
    found = [
        GPU(name=name.strip(), total=float(total) * 2**20, free=float(free) * 2**20)
        for name, total, free in rows
    ]
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    return (
        found
        if chosen is None
        else [
            found[int(number)]
            for number in chosen.split(",")
            if number.strip().isdigit() and int(number) < len(found)
        ]
    )


def gpus(profile: Profile) -> str:
    found, asked = visible_gpus(), profile.hardware.gpus
    if len(found) < asked:
        raise Missing(
            f"{len(found)}, the profile asks for {asked}",
            f"use a machine with {asked}, or set hardware.gpus: {len(found)} in a copy of the profile and see ./run_all.sh --plan; one GPU: --profile paper-lora",
        )
    return f"{len(found)} x {found[0].name}"


def gpu_memory(profile: Profile) -> str:
    found, asked = visible_gpus()[: profile.hardware.gpus], profile.hardware.gpu_memory_gb * GB
    if not found:
        raise Missing("no GPU", "see the row above")
    total, free = min(gpu.total for gpu in found), min(gpu.free for gpu in found)
    if total < 0.97 * asked:  # an 80 GB card shows a little less than its name says, or more
        raise Missing(
            f"{total / GB:.0f} GB, the profile counts on {asked / GB:.0f}",
            f"set hardware.gpu_memory_gb: {total / GB:.0f} in a copy of the profile and see ./run_all.sh --plan",
        )
    if free < 0.9 * asked:
        raise Missing(
            f"{free / GB:.0f} of {total / GB:.0f} GB free",
            "another process holds the rest: `nvidia-smi` names it",
        )
    return f"{free / GB:.0f} of {total / GB:.0f} GB free on each"


def cuda() -> str:
    import torch

    driver = re.search(r"CUDA (?:UMD )?Version:\s*(\d+)\.(\d+)", _nvidia_smi())
    if torch.version.cuda is None:
        raise Missing(
            f"torch {torch.__version__} is a build without CUDA",
            "remove .venv and run ./run_all.sh again on this machine, or use environment.yml",
        )
    built = tuple(map(int, torch.version.cuda.split(".")[:2]))
    if driver and (int(driver[1]), int(driver[2])) < built and int(driver[1]) < built[0]:
        raise Missing(
            f"the driver knows CUDA {driver[1]}.{driver[2]}, torch {torch.__version__} is built for {torch.version.cuda}",
            f"update NVIDIA's driver to one for CUDA {built[0]}",
        )
    if not torch.cuda.is_available():
        raise Missing(
            f"torch {torch.__version__} for CUDA {torch.version.cuda} finds no GPU",
            "check CUDA_VISIBLE_DEVICES, then the driver: `nvidia-smi`, `dmesg | grep -i nvrm`",
        )
    return (
        f"driver for CUDA {driver[1]}.{driver[2]}" * bool(driver)
        + f", torch {torch.__version__}, {torch.cuda.device_count()} seen"
    )


def fits(profile: Profile) -> str:
    shape = shape_of(profile.model)
    faults = [
        problem
        for column in ("fd", "grpo")
        for problem in plan.memory_plan(profile, shape, column).problems
    ]
    if faults:
        raise Missing(
            faults[0], " or ".join(plan.remedies(profile, shape)) or "see ./run_all.sh --plan"
        )
    return "by the plan"


def vllm() -> str:
    done = subprocess.run(
        [sys.executable, "-c", "import vllm; print(vllm.__version__)"],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise Missing(
            reason,
            "install it: conda env create -f environment.yml, or remove .venv and run ./run_all.sh again on the GPU box",
        )
    return done.stdout.strip().splitlines()[-1]


def ray_cluster(profile: Profile) -> str:
    asked, address = (
        profile.hardware.engines if profile.hardware else 0,
        os.environ.get("FD_RAY_ADDRESS"),
    )
    if not address:
        raise Missing(
            f"hardware.engines is {asked}, FD_RAY_ADDRESS is not set",
            "`ray start --head`, then export FD_RAY_ADDRESS=HOST:6379; or set hardware.engines: 0",
        )
    try:
        import ray
    except ImportError:
        raise Missing(
            "ray is not installed", "`pip install ray` on every node, or unset FD_RAY_ADDRESS"
        ) from None
    ray.init(address=address, ignore_reinit_error=True, log_to_driver=False, logging_level="error")
    kind = "CPU" if profile.hardware is None or profile.hardware.device == "cpu" else "GPU"
    nodes, room = (
        sum(node["Alive"] for node in ray.nodes()),
        int(ray.cluster_resources().get(kind, 0)),
    )
    if asked > room:
        raise Missing(
            f"{room} {kind}s for {asked} engines",
            f"add nodes (`ray start --address={address}`), or set hardware.engines: {room}",
        )
    return f"{nodes} nodes with {room} {kind}s"


# -- the machine -----------------------------------------------------------------------------------------------------


def cores(profile: Profile) -> str:
    there, workers = len(os.sched_getaffinity(0)), profile.lean.workers
    if there < workers:
        raise Warn(
            f"{there}, lean.workers is {workers}",
            f"checks will wait for each other; set lean.workers: {there}",
        )
    return f"{there} for {workers} Lean workers"


def disk(profile: Profile, folder: Path) -> str:
    there = next(path for path in [folder, *folder.parents] if path.exists())
    free, needed = (
        shutil.disk_usage(there).free,
        plan.disk_bytes(profile, shape_of(profile.model)) + 2 * GB,
    )
    if free < needed:
        raise Missing(
            f"{free / GB:.0f} GB free at {there}, a run leaves about {needed / GB:.0f}",
            "free some, or give a folder on another disk: --out DIR",
        )
    return f"{free / GB:.0f} GB free at {there}, {needed / GB:.0f} needed"


def sandbox(profile: Profile) -> str:
    from fdcore.lean.sandbox import active_protections, require_protection

    active = active_protections()
    if profile.lean.library == "mathlib":
        require_protection(active)
    if not active:
        raise Warn(
            "none",
            "allow user namespaces and Landlock (Linux 5.13 or newer); files that a model writes run unprotected",
        )
    return "; ".join(active)


# -- Lean ------------------------------------------------------------------------------------------------------------


def elan() -> str:
    wanted = pinned_release()
    if not shutil.which("lake"):
        raise Missing(
            "no lake on PATH",
            "install elan (https://lean-lang.org/install), then `lake exe cache get` in lean_project",
        )
    done = subprocess.run(
        ["lake", "env", "lean", "--version"], cwd=PROJECT, capture_output=True, text=True
    )
    version = re.search(r"version (\d+\.\d+\.\d+)", done.stdout)
    if not version or f"v{version[1]}" != wanted.tag:
        raise Missing(
            f"lean_project asks for Lean {wanted.tag}, `lake env lean` gives {version[1] if version else 'nothing'}",
            "run lake through elan: no other Lean before ~/.elan/bin on PATH",
        )
    return f"Lean {version[1]}"


def judge(profile: Profile) -> str:
    """A theorem with a right proof and with a wrong one, before the run's own verifier."""
    from fdcore.experiment.run import make_verifier

    statement, right = (
        (MATHLIB_THEOREM, "norm_num")
        if profile.lean.library == "mathlib"
        else (CORE_THEOREM, "exact Nat.add_comm a b")
    )
    problem = Problem(id="doctor", header=profile.lean.header, statement=statement, split="test")
    with tempfile.TemporaryDirectory() as cache, make_verifier(profile, Path(cache)) as verifier:
        good, bad = verifier.check_many(
            [(problem, f"{statement}\n  {proof}") for proof in (right, "exact absurd")]
        )
    if not good.verified or bad.verified:
        raise Missing(
            f"a right proof is {good.status}, a wrong one {bad.status}: {good.detail or [m.text for m in good.messages[:1]]}",
            "run ./run_all.sh --test; the verifier is not to be trusted here",
        )
    return f"{problem.id}: verified in {good.seconds:.1f} s; a wrong proof is not"


# -- model, problems, feedback ---------------------------------------------------------------------------------------


def problems(profile: Profile) -> str:
    if profile.problems.source == "core":
        from fdcore.worlds.problems import load_problems

        return ", ".join(f"{len(found)} {split}" for split, found in load_problems(profile).items())
    from fdcore.worlds.lean_workbook import locate_files

    said = []
    for files, variable in (
        (profile.problems.lean_workbook, "FD_LEAN_WORKBOOK"),
        ((profile.problems.minif2f,), "FD_MINIF2F"),
    ):
        said += [f"{data.name}: {_reach(data, variable)}" for data in locate_files(files, variable)]
    return "; ".join(dict.fromkeys(said))


def _reach(data: DataFile, variable: str) -> str:
    if (REPOSITORY / data.name).exists():
        return "on disk"
    if data.name.startswith("/") or data.name.count("/") != 1:
        raise Missing(f"no {data.name}", f"correct {variable}")
    return _on_hub(
        "dataset",
        data.name,
        data.revision,
        (data.file,) if data.file else (),
        f"download it where there is network and set {variable} to the folder",
    )


def model(profile: Profile) -> str:
    source = profile.model.source
    if source is None:
        return "built by this run"
    if Path(source).is_dir():
        if (
            not any(Path(source).glob("*.safetensors"))
            or not (Path(source) / "config.json").exists()
        ):
            raise Missing(
                f"{source} has no config.json or no *.safetensors",
                "give a folder that save_pretrained or `hf download` wrote",
            )
        return f"folder {source}"
    return _on_hub(
        "model",
        source,
        None,
        ("config.json", "tokenizer_config.json"),
        f"`hf download {source}` where there is network, then set model.source to the folder, or HF_HOME to a cache that holds it",
    )


def _on_hub(kind: str, name: str, revision: str | None, files: tuple[str, ...], remedy: str) -> str:
    """In the hub's cache, or to be had from the hub; raises Missing."""
    from huggingface_hub import HfApi, try_to_load_from_cache

    if files and all(
        isinstance(try_to_load_from_cache(name, file, repo_type=kind, revision=revision), str)
        for file in files
    ):
        return "in the hub's cache"
    try:
        getattr(HfApi(), f"{kind}_info")(name, revision=revision, timeout=NETWORK_SECONDS)
    except Exception as error:  # noqa: BLE001 - the client raises errors of three libraries
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:120]
        raise Missing(
            f"{name} is not in the hub's cache and the hub does not give it ({type(error).__name__}: {reason})",
            remedy,
        ) from None
    return "on the hub, which answers"


def chat_template(profile: Profile) -> str:
    if profile.model.source is None:
        return "Qwen3's, shipped"
    try:
        model(profile)
    except Missing:
        raise Missing("not looked at: no model", "see the row above") from None
    from fdcore.model import load_tokenizer
    from fdcore.rollout.chat import Chat

    tokenizer = load_tokenizer(profile.model.source)
    try:
        chat = Chat(tokenizer, [], thinking=profile.model.thinking)
        chat.tool_answer("ok")
    except ValueError as error:
        raise Missing(str(error), "take a model of Qwen3's or Qwen3.5's tool protocol") from None
    return f"there; tool calls in {chat.format.name}, read back"


def claude(profile: Profile) -> str:
    """The key and the model's name, by asking for the model's record: a call that is not charged."""
    import anthropic

    if not os.environ.get("ANTHROPIC_API_KEY"):
        raise Missing(
            "ANTHROPIC_API_KEY is not set",
            "export it, or take feedback.producer: scripted (the core library only)",
        )
    try:
        with anthropic.Anthropic(max_retries=1, timeout=NETWORK_SECONDS) as client:
            return f"{client.models.retrieve(profile.feedback.model).id} answers"
    except anthropic.AuthenticationError:
        raise Missing("the key in ANTHROPIC_API_KEY is refused", "export a valid key") from None
    except anthropic.NotFoundError:
        raise Missing(f"no model {profile.feedback.model}", "correct feedback.model") from None
    except anthropic.APIError as error:
        raise Missing(
            f"no answer ({type(error).__name__})",
            "check the network, a proxy, and status.anthropic.com",
        ) from None
