"""The command line: `fdcore COMMAND`. Each command is a few lines around one function.

Exit codes: 0 done, and the answer is yes; 1 the answer is no (not verified, something is missing),
or a notebook failed; 2 nothing was done, for the input is wrong; 130 interrupted.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fdcore import REPOSITORY

if TYPE_CHECKING:  # each command imports what it needs, and no other's
    from fdcore.profile import Profile

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)

UsageError = typer.BadParameter.__mro__[1]  # click's own, or that of the copy that typer carries
ProfileName = Annotated[
    str | None, typer.Option(help="a name in fdcore/profiles, or a .yaml file; else tiny")
]
Seed = Annotated[int | None, typer.Option(min=0, help="this seed alone; else all of the profile's")]
Folder = Annotated[Path | None, typer.Option(help="folder of the run; else runs/PROFILE-seedN")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="section.setting=value, or arms.fd.steps=10")
]


def main() -> None:
    """The command `fdcore`. Options that cannot be read end in one line."""
    # Set before torch loads OpenMP, and inherited by every kernel and training process:
    # threads that spin while they wait starve each other where cores are shared.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        sys.exit(app(standalone_mode=False))
    except UsageError as error:
        print(f"fdcore: {error.format_message().rstrip('.')}. See --help.", file=sys.stderr)
        sys.exit(2)


@app.callback(epilog="Exit codes: 0 yes, done; 1 no, or failed; 2 wrong input; 130 interrupted.")
def describe() -> None:
    """Feedback Distillation for Lean 4."""


@contextlib.contextmanager
def _errors_in_one_line() -> Iterator[None]:
    """Wrong input, a path that cannot be used and a failed notebook end in one line and a code."""
    from fdcore.experiment.notebooks import INTERRUPTED, NotebookFailed
    from fdcore.lean.library import LibraryError
    from fdcore.lean.toolchain import LeanUnavailable

    try:
        yield
    except KeyboardInterrupt:
        _stop(INTERRUPTED, 130)
    except OSError as error:
        _stop(f"{error.filename or 'a file'}: {error.strerror or error}; give another path", 2)
    except NotebookFailed as error:
        _stop(str(error), 1)
    except (ValueError, LeanUnavailable, LibraryError) as error:
        _stop(str(error), 2)


@app.command()
def run(
    notebooks: Annotated[list[str] | None, typer.Argument(help="as --only")] = None,
    profile: ProfileName = None,
    only: Annotated[
        list[str] | None, typer.Option(help="these notebooks; 03 is enough; or `figures`")
    ] = None,
    first: Annotated[
        str | None, typer.Option("--from", help="this notebook and those after it")
    ] = None,
    seed: Seed = None,
    out: Folder = None,
    settings: Settings = None,
) -> None:
    """Run notebooks in order, from the problems to the figures. Run it again to go on."""
    names = [*(only or []), *(notebooks or [])]
    if names and first is not None:
        _stop("--only and --from exclude each other; give one of them", 2)
    if "figures" in names:
        if len(names) > 1 or profile or seed is not None or out or settings:
            _stop("--only figures draws the published records; it goes with no other option", 2)
        return figures()
    with _errors_in_one_line():
        from fdcore.experiment.notebooks import find_notebooks

        values = _load(profile, settings)
        chosen = find_notebooks(names)
        if first is not None:
            (start,) = find_notebooks([first])
            chosen = [path for path in chosen if path >= start]
        _run(values, chosen, seed, out)


def _load(profile: str | None, settings: list[str] | None = None) -> Profile:
    from fdcore.profile import load_profile, parse_settings

    name = profile or os.environ.get("FD_PROFILE") or "tiny"
    return load_profile(name).varied(parse_settings(settings or []))


def _run(profile: Profile, chosen: list[Path], seed: int | None, out: Path | None) -> None:
    """Run notebooks, after all that can be refused was looked at: nothing is touched before."""
    from fdcore.experiment.check import examine_machine
    from fdcore.experiment.notebooks import run_notebooks
    from fdcore.experiment.plan import make_plan, summarize
    from fdcore.experiment.run import Run, dump_profile
    from fdcore.experiment.study import Study, run_folders
    from fdcore.records import write_text

    folders = run_folders(profile, seed, out)
    for number, place in folders.items():
        Run(place, profile, number).check_folder()
    plan = None
    with contextlib.suppress(ValueError):  # the model's size is not known before it is fetched
        plan = make_plan(profile, [*folders.values()])
    rows = [] if plan and plan.is_done else examine_machine(profile, [*folders.values()])
    missing = [row for row in rows if row.missing]
    for row in missing:
        print(f"MISSING  {row.check:24} {row.found}", file=sys.stderr)
    if missing:
        _stop("this machine lacks what the profile needs; nothing was started", 1)
    folder = Study(profile, seed=seed, out=out and out.absolute()).folder
    file = folder / "profile.yaml"
    write_text(file, dump_profile(profile))
    if plan:
        print(summarize(plan), flush=True)
    run_notebooks(chosen, profile=str(file), seed=seed, out=folder)


@app.command()
def plan(
    profile: ProfileName = None, seed: Seed = None, out: Folder = None, settings: Settings = None
) -> None:
    """What a run will need and what of it is done: memory, attempts, feedback calls, hours."""
    with _errors_in_one_line():
        from fdcore.experiment.plan import describe, make_plan
        from fdcore.experiment.study import run_folders

        values = _load(profile, settings)
        print(describe(make_plan(values, [*run_folders(values, seed, out).values()])))


@app.command()
def check(
    profile: ProfileName = None, seed: Seed = None, out: Folder = None, settings: Settings = None
) -> None:
    """Whether this machine has what a run needs; exit code 1 when something is missing."""
    with _errors_in_one_line():
        from fdcore.experiment.check import examine_machine
        from fdcore.experiment.study import run_folders

        values, missing = _load(profile, settings), 0
        for row in examine_machine(values, [*run_folders(values, seed, out).values()]):
            missing += row.missing
            print(f"{'MISSING' if row.missing else 'ok':8} {row.check:24} {row.found}", flush=True)
        raise typer.Exit(1 if missing else 0)


@app.command()
def figures() -> None:
    """Draw what figures/ shows anew from the published records; nothing is trained."""
    from fdcore.experiment import notebooks
    from fdcore.experiment.publish import published_folders, update_readme
    from fdcore.experiment.study import FIGURES, Study

    with _errors_in_one_line():
        for folder in published_folders():
            profile = Study("", out=folder).profile
            chosen = notebooks.find_notebooks([])
            drawing = [path for path in chosen if not notebooks.needs_weights(path)]
            notebooks.run_notebooks(drawing, profile=profile.name, seed=None, out=folder)
            for path in drawing:
                notebooks.strip_traces(folder / "notebooks" / path.name)
        update_readme(REPOSITORY / "README.md", FIGURES)


@app.command()
def publish(profile: ProfileName = None, seed: Seed = None, out: Folder = None) -> None:
    """Copy a run's compact records into figures/; `fdcore figures` then draws them."""
    from fdcore.experiment.publish import publish
    from fdcore.experiment.study import Study

    with _errors_in_one_line():
        target = publish(Study(_load(profile), seed=seed, out=out))
        print(f"the records are in {target / 'records'}; `fdcore figures` draws them")


@app.command()
def judge(
    statement: Annotated[Path, typer.Option(help="a Lean file: a theorem that ends in `:= by`")],
    proof: Annotated[Path, typer.Option(help="a whole Lean file, or only the tactics")],
    profile: ProfileName = None,
) -> None:
    """Judge one proof: the verdict as JSON. Exit code 0: verified, 1: not, 2: not judged.

    Lines are those of the proof file; of tactics alone, those of the statement with them behind it.
    """
    with _errors_in_one_line():
        from fdcore.experiment.judge import judge_files
        from fdcore.lean.library import open_library

        settings = _load(profile).lean
        verdict = judge_files(statement, proof, open_library(settings.library), settings)
        print(verdict.model_dump_json(indent=1))
        raise typer.Exit(0 if verdict.verified else 1)


@app.command(hidden=True)
def share(folder: Path, task: str, arm: str, value: str) -> None:
    """One process's part in training ARM for VALUE steps, or evaluating it on the split VALUE."""
    from torch.distributed.elastic.multiprocessing.errors import get_error_handler

    from fdcore.experiment.evaluate import evaluate
    from fdcore.experiment.run import Run
    from fdcore.experiment.session import Session, find_device
    from fdcore.training.distributed import join_processes, leave_processes

    run = Run.open(folder)
    run.session = Session(run, join_processes(find_device(run.profile)))
    try:
        with contextlib.closing(run.session) as session:
            if task == "train":
                session.train(arm, int(value))
            else:
                evaluate(session, arm, value)
    except Exception as error:
        get_error_handler().record_exception(error)  # for the process that launched this one
        raise
    leave_processes()


def _stop(message: str, code: int) -> None:
    print(f"fdcore: {message}", file=sys.stderr, flush=True)
    raise typer.Exit(code)


if __name__ == "__main__":
    main()
