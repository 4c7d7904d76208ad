"""The command line: `python -m fdcore COMMAND`. Each command is a few lines around one function of the package."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fdcore import REPOSITORY

if TYPE_CHECKING:  # each command imports what it needs, no other's
    from fdcore.profile import Profile

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def main() -> None:
    """Feedback Distillation for Lean 4."""
    # Set before torch loads OpenMP, and inherited by every kernel and training process:
    # threads that spin while they wait starve each other where cores are shared.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


Notebooks = Annotated[
    list[str] | None, typer.Argument(help="names in notebooks/; all when none is given")
]
ProfileName = Annotated[str, typer.Option(help="a name in fdcore/profiles, or a .yaml file")]
Seed = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="one run of the profile's, or another one; without it all of the profile's seeds",
    ),
]
Folder = Annotated[Path | None, typer.Option(help="folder of the run")]


@contextlib.contextmanager
def _one_line_each() -> Iterator[None]:
    """Ctrl-C, wrong input and a failed notebook end the command with one line."""
    from fdcore.experiment import notebooks as runner

    try:
        yield
    except KeyboardInterrupt:
        _stop(runner.INTERRUPTED, 130)
    except (ValueError, runner.NotebookFailed) as error:
        _stop(str(error), 1)


@app.command()
def run(
    notebooks: Notebooks = None,
    profile: ProfileName = "tiny",
    seed: Seed = None,
    out: Folder = None,
) -> None:
    """Run notebooks in order (run_all.sh sets up an environment, then calls this)."""
    from fdcore.experiment import notebooks as runner
    from fdcore.profile import default_folder, load_profile

    with _one_line_each():
        out, settings = (out or default_folder(profile, seed)).resolve(), load_profile(profile)
        if settings.feedback.producer == "claude" and not os.environ.get(
            "ANTHROPIC_API_KEY"
        ):  # told at once, not after a day; drawing needs none
            print(
                "ANTHROPIC_API_KEY is not set: the run will stop where Claude is first asked for feedback",
                flush=True,
            )
        chosen = runner.find_notebooks(notebooks or settings.notebooks or [])
        _foretell(_of_seed(settings, seed), out, [path.stem for path in chosen])
        runner.run(chosen, profile=profile, seed=seed, out=out)


def _of_seed(settings: Profile, seed: int | None) -> Profile:
    return settings if seed is None else settings.model_copy(update={"seeds": (seed,)})


def _foretell(settings: Profile, out: Path, notebooks: list[str]) -> None:
    """One line on what is ahead, where something is to be made; nothing where the size of the model is not known before it is fetched."""
    from fdcore.experiment.plan import make_plan
    from fdcore.experiment.plantables import summary
    from fdcore.experiment.recorded import SHIPPED

    if (out / SHIPPED).exists():
        return
    with contextlib.suppress(ValueError):
        plan = make_plan(settings, out, notebooks)
        if any(work.left > 0 for work in plan.works):
            print(f"{summary(plan)[0]} --plan says more.", flush=True)


@app.command()
def figures() -> None:
    """Draw the figures of figures/ anew from the published records, into runs/published."""
    from fdcore.experiment import notebooks as runner
    from fdcore.experiment import publish as published
    from fdcore.profile import load_profile

    with _one_line_each():
        for source in published.folders() or [published.FIGURES]:
            out = REPOSITORY / "runs" / "published" / source.name
            profile = published.unpack(out, source)
            names = runner.find_notebooks(load_profile(profile).notebooks or [])
            drawing = [path for path in names if not path.stem.endswith(("lean_world", "explore"))]
            runner.run(drawing, profile=profile, seed=None, out=out)
            print(f"drawn in {out / 'figures'}; fdcore publish copies them into the repository")


@app.command()
def publish(profile: ProfileName = "tiny", seed: Seed = None, out: Folder = None) -> None:
    """Copy a run's figures and compact records into figures/, and its results into the README."""
    from fdcore.experiment.publish import publish, target_of
    from fdcore.experiment.study import Study

    with _one_line_each():
        study = Study(profile, seed=seed, out=out)
        files = publish(study)
        print(f"{len(files)} figures and notebooks published in {target_of(study.profile)}")


@app.command()
def plan(
    notebooks: Notebooks = None,
    profile: ProfileName = "tiny",
    seed: Seed = None,
    out: Folder = None,
) -> None:
    """What a run will need and what of it is done: memory, tokens, checks, feedback calls, dollars, hours. Needs no GPU."""
    from fdcore.experiment.notebooks import find_notebooks
    from fdcore.experiment.plan import make_plan
    from fdcore.experiment.plantables import console, show
    from fdcore.profile import default_folder, load_profile

    with _one_line_each():
        settings, out = load_profile(profile), (out or default_folder(profile, seed)).resolve()
        show(
            make_plan(
                _of_seed(settings, seed),
                out,
                [path.stem for path in find_notebooks(notebooks or settings.notebooks or [])],
            ),
            console(),
        )


@app.command()
def check(profile: ProfileName = "tiny", seed: Seed = None, out: Folder = None) -> None:
    """Whether this machine has what a run needs, each row with its remedy; exit code 1 when something is missing."""
    from fdcore.experiment.check import examine, show
    from fdcore.profile import default_folder, load_profile

    try:
        out = (out or default_folder(profile, seed)).resolve()
        ready = show(examine(load_profile(profile), out), f"This machine, for profile {profile}")
    except ValueError as error:
        _stop(str(error), 2)
    raise typer.Exit(0 if ready else 1)


@app.command()
def rehearse(
    notebooks: Notebooks = None,
    profile: ProfileName = "paper",
    out: Folder = None,
    seed: Annotated[int, typer.Option(min=0, help="not used: a rehearsal has seed 0")] = 0,
) -> None:
    """Run a paper profile's notebooks on a CPU, with stand-ins for model, Mathlib, data and Claude."""
    from fdcore.experiment.rehearsal import rehearse
    from fdcore.profile import load_profile

    with _one_line_each():
        rehearse(
            load_profile(profile),
            (out or Path("runs") / f"{Path(profile).stem}-rehearsal").resolve(),
            notebooks or [],
        )


@app.command()
def judge(
    statement: Annotated[
        Path, typer.Option(help="a Lean file: header and a theorem that ends in `:= by`")
    ],
    proof: Annotated[
        Path, typer.Option(help="a whole Lean file that states the theorem, or only the tactics")
    ],
) -> None:
    """Judge one proof: the verdict as JSON, exit code 0 only when verified."""
    from fdcore.experiment.judge import judge_files
    from fdcore.lean.library import LibraryError, open_library
    from fdcore.lean.toolchain import LeanUnavailable
    from fdcore.profile import load_profile

    settings = load_profile("tiny").lean
    try:
        verdict = judge_files(statement, proof, open_library(settings.library), settings)
    except (ValueError, LeanUnavailable, LibraryError) as error:
        _stop(str(error), 2)
    print(verdict.model_dump_json(indent=1))
    code = 0 if verdict.verified else 1
    raise typer.Exit(code)


@app.command()
def build() -> None:
    """Compile what changed of the core library."""
    from fdcore.lean.library import LibraryError, core_library
    from fdcore.lean.toolchain import LeanUnavailable

    try:
        print(core_library().path[0])
    except (LeanUnavailable, LibraryError) as error:
        _stop(str(error), 1)


@app.command(hidden=True)
def share_train(
    arm: str, steps: int, profile: ProfileName = "tiny", seed: Seed = 0, out: Folder = None
) -> None:
    """One process's share of `Experiment.train`, started by `fdcore.training.distributed.launch`."""
    with _joined(profile, seed, out) as run:
        run.train(arm, steps)


@app.command(hidden=True)
def share_evaluate(
    arm: str, splits: list[str], profile: ProfileName = "tiny", seed: Seed = 0, out: Folder = None
) -> None:
    """One process's share of `Experiment.evaluate`, started by `fdcore.training.distributed.launch`."""
    with _joined(profile, seed, out) as run:
        for split in splits:
            run.evaluate(arm, split)


@contextlib.contextmanager
def _joined(profile: str, seed: int | None, out: Path | None) -> Iterator:
    """The experiment, in this process among its like."""
    import torch
    from torch.distributed.elastic.multiprocessing.errors import get_error_handler

    from fdcore.experiment.run import Experiment, device_of
    from fdcore.profile import load_profile
    from fdcore.training.distributed import join_processes

    processes = join_processes(device_of(load_profile(profile)))
    try:
        with contextlib.closing(Experiment(profile, seed or 0, out, processes)) as run:
            yield run
    except Exception as error:
        get_error_handler().record_exception(error)  # for the process that launched this one
        raise
    finally:
        torch.distributed.destroy_process_group() if torch.distributed.is_initialized() else None


def _stop(message: str, code: int) -> None:
    print(f"\nfdcore: {message}", file=sys.stderr, flush=True)
    raise typer.Exit(code)


if __name__ == "__main__":
    app()
