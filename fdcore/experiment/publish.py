"""Copies the compact records of a study into figures/, where the repository shows them.

Every figure can be drawn from published records without training (`fdcore figures`). Publishing is
a command of its own: a run never touches what is published. Left out on purpose: weights, and
attempts beyond the first step's, which would weigh a thousand times as much.
"""

from __future__ import annotations

import json
import shutil
from itertools import islice
from pathlib import Path

from fdcore.experiment.run import ORIGINS, PROVENANCE, Run
from fdcore.experiment.study import FIGURES, Study
from fdcore.profile import Profile
from fdcore.records import read_json, read_jsonl, write_text

README_MARK = "<!-- results: written by `fdcore figures` -->\n"
RECORDS = (
    "run.json",
    "profile.yaml",
    "problems/*.json",
    "base/*.jsonl",
    "arms/**/arm.json",
    "arms/**/metrics.jsonl",
    "arms/**/timing.jsonl",
    "arms/**/eval_*.jsonl",
    "token_views.jsonl",
)
FIRST_STEP = ("arms/fd/trajectories.jsonl", "arms/fd/feedback.jsonl")


def published_folders() -> list[Path]:
    """Where something is published: a second model size's folder first, `figures/` last."""
    marks = [*sorted(FIGURES.glob(f"*/{PROVENANCE}")), FIGURES / PROVENANCE]
    return [mark.parent for mark in marks if mark.exists()]


def target_folder(profile: Profile) -> Path:
    """Where a profile publishes: `figures/`, or a folder of its own for a second model size."""
    return FIGURES / profile.name if profile.second_size else FIGURES


def publish(study: Study, target: Path | None = None) -> Path:
    """Copy the records of a study's runs, with provenance. Runs of other seeds stay.

    Returns:
        The folder that now holds the records.

    Raises:
        ValueError: the study is itself of published records, or its folder holds another profile's.
    """
    if study.published:
        raise ValueError(f"{study.folder} holds published records already")
    target = target or target_folder(study.profile)
    provenance = _read_provenance(target)
    if provenance["profile"] not in (None, study.profile.name):
        raise ValueError(
            f"{target} holds records of the profile {provenance['profile']}, "
            f"not of {study.profile.name}; remove {target / 'records'} and {target / PROVENANCE}"
        )
    for run in study.runs:
        _copy_records(run, target / "records" / f"seed-{run.seed}")
        provenance["origins"][str(run.seed)] = _collect_origins(run)
    provenance["profile"] = study.profile.name
    write_text(target / PROVENANCE, json.dumps(provenance, indent=1) + "\n")
    return target


def _read_provenance(target: Path) -> dict:
    mark = target / PROVENANCE
    if not mark.exists():
        return {"profile": None, "origins": {}}
    return read_json(mark)


def _copy_records(run: Run, target: Path) -> None:
    """A run's records in place of those that are there. Nothing is removed before all is copied."""
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    for path in sorted({path for pattern in RECORDS for path in run.folder.glob(pattern)}):
        place = partial / path.relative_to(run.folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, place)
    attempts = run.profile.distillation.attempts
    for name in FIRST_STEP:
        if (run.folder / name).exists():
            with open(run.folder / name, encoding="utf-8") as file:
                write_text(partial / name, "".join(islice(file, attempts)))
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)


def _collect_origins(run: Run) -> list[dict]:
    """Commit, date and machine of a run's records. One that was made in pieces has several."""
    noted = {row["record"]: row["origin"] for row in read_jsonl(run.folder / ORIGINS)}
    origins: dict[str, dict] = {}
    for record, origin in sorted(noted.items()):
        entry = origins.setdefault(json.dumps(origin), origin | {"records": []})
        entry["records"].append(record)
    return list(origins.values())


def update_readme(readme: Path, figures: Path) -> None:
    """Write the results and their provenance between the README's two marks.

    Args:
        figures: the folder of `results.md`, which notebook 13 writes, and of the provenance.

    Raises:
        ValueError: the README lacks a mark.
    """
    parts = readme.read_text(encoding="utf-8").split(README_MARK)
    if len(parts) != 3:
        raise ValueError(f"{readme} must hold the line {README_MARK.strip()!r} twice")
    seeds = []
    for seed, origins in _read_provenance(figures)["origins"].items():
        commits = sorted({origin["commit"][:10] for origin in origins})
        dates = sorted({origin["date"] for origin in origins})
        seeds.append(f"Seed {seed}: commit {', '.join(commits)}, {', '.join(dates)}.")
    results = (figures / "results.md").read_text(encoding="utf-8")
    parts[1] = f"{results}\n{' '.join(seeds)}\n"
    write_text(readme, README_MARK.join(parts))
