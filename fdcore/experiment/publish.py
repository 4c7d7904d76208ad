"""What of a study is shipped with the repository: its figures, the compact records behind them, and where they come from.

Everything that a figure shows can be drawn anew from the shipped records, without training (`./run_all.sh --only figures`). Left out on
purpose: weights, and attempts beyond the first step's, which would weigh a thousand times as much.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from itertools import islice
from pathlib import Path

from fdcore import REPOSITORY
from fdcore.experiment.origin import origin
from fdcore.experiment.recorded import ORIGINS, SHIPPED
from fdcore.experiment.study import Study
from fdcore.profile import Profile, run_folders
from fdcore.records import read_jsonl, write_text

FIGURES = REPOSITORY / "figures"
README_MARK = "<!-- results: written by `fdcore publish` -->\n"
KEPT = (
    "run.json",
    "problems/*.json",
    "base/*.jsonl",
    "arms/**/metrics.jsonl",
    "arms/**/timing.jsonl",
    "arms/**/eval_*.jsonl",
    "arms/**/variant.json",
    "token_views.jsonl",
)
MEASURED = (
    "base/*.jsonl",
    "arms/**/metrics.jsonl",
    "arms/**/eval_*.jsonl",
)  # the records whose origin is told
FIRST = ("arms/fd/trajectories.jsonl", "arms/fd/feedback.jsonl")  # of these the first step only


def folders() -> list[Path]:
    """Where something is shipped: a second model size's folder first, `figures/` last."""
    return [
        path.parent
        for path in (*sorted(FIGURES.glob("*/provenance.json")), FIGURES / "provenance.json")
        if path.exists()
    ]


def target_of(profile: Profile) -> Path:
    """Where a profile publishes: `figures/`, or a folder of its own there for a second model size."""
    return FIGURES / profile.name if profile.second_size else FIGURES


def provenance(study: Study, target: Path | None = None) -> dict:
    """Where a study's numbers come from: by seed the `origins` of its records; of a study that was unpacked from shipped records, what these say.

    An origin is a commit, a date and a machine with the records that came from there. A seed that was made in pieces has several.
    """
    target = target or target_of(study.profile)
    if study.first.shipped:
        return {key: value for key, value in _told(target).items() if key != "files"}
    before, here = _others(study, target), origin()
    known = _told(target)["files"] if before else {}
    for run in study.runs:
        names = sorted(
            {
                str(path.relative_to(run.folder))
                for pattern in MEASURED
                for path in run.folder.glob(pattern)
            }
        )
        new = [
            name
            for name in names
            if known.get(f"records/seed-{run.seed}/{name}") != _digest(run.folder / name)
        ]
        pieces = [
            each | {"records": [name for name in each["records"] if name not in new]}
            for each in before.get(str(run.seed), [])
        ]
        noted = {row["record"]: row["origin"] for row in read_jsonl(run.folder / ORIGINS)}
        for name in new:
            where = noted.get(name, here)
            same = next(
                (each for each in pieces if each | {"records": []} == where | {"records": []}), None
            )
            if same is None:
                pieces.append(same := where | {"records": []})
            same["records"].append(name)
        before[str(run.seed)] = [each for each in pieces if each["records"]]
    seeds = sorted(map(int, before))
    return {
        "profile": study.profile.name,
        "profile_hash": study.profile.hash,
        "seeds": seeds,
        "origins": {str(seed): before[str(seed)] for seed in seeds},
    }


def publish(study: Study, target: Path | None = None) -> list[Path]:
    """Copy a study's figures and compact records to `target` (by default `target_of` its profile), with provenance.json, where the profile says so; the results go into the README.

    Part of a study joins the other parts' records there, which may come from other machines: then figures and README wait for
    `redraw`, which draws all of them. Of a study that was itself unpacked from shipped records, only what was drawn is new.
    Returns the figures' files. ValueError where an arm is there already and came out otherwise.
    """
    if not study.profile.publish_figures:
        return []
    target = target or target_of(study.profile)
    records, told, others = target / "records", provenance(study, target), {}
    if not study.first.shipped:
        others = _others(study, target)
        if not others:
            shutil.rmtree(records, ignore_errors=True)
        for run in study.runs:
            _keep(
                run.folder,
                records / f"seed-{run.seed}",
                run.profile.distillation.prompts * run.profile.distillation.samples,
            )
            write_text(records / f"seed-{run.seed}" / SHIPPED, "{}\n")
    if others:
        figures = [
            target / name for name in _told(target)["files"] if not name.startswith("records/")
        ]
    else:
        target.mkdir(parents=True, exist_ok=True)
        figures = [
            Path(shutil.copy2(path, target / path.name))
            for path in sorted(study.figures.iterdir())
            if path.is_file()
        ]
        executed = study.folder / "notebooks"
        if executed.exists():
            shutil.copytree(executed, target / "notebooks", dirs_exist_ok=True)
        if target == FIGURES:
            update_readme(REPOSITORY / "README.md", study.figures / "results.md", told)
    write_text(records / SHIPPED, json.dumps({"seeds": told["seeds"]}) + "\n")
    told["files"] = {
        str(path.relative_to(target)): _digest(path)
        for path in sorted([*records.rglob("*"), *figures])
        if path.is_file()
    }
    write_text(target / "provenance.json", json.dumps(told, indent=1) + "\n")
    return [] if others else figures


def update_readme(readme: Path, results: Path, told: dict) -> None:
    """Write results and their provenance between the README's two marks.

    Args:
        results: `results.md`, as notebook 13 writes it; nothing changes where it is missing.
        told: the content of provenance.json.

    Raises:
        ValueError: the README lacks a mark.
    """
    if not results.exists():
        return
    parts = readme.read_text(encoding="utf-8").split(README_MARK)
    if len(parts) != 3:
        raise ValueError(f"{readme} must hold the line {README_MARK.strip()!r} twice")
    seeds = [
        f"Seed {seed}: commit {', '.join(sorted({piece['commit'][:10] for piece in pieces}))}, "
        f"{', '.join(sorted({piece['date'] for piece in pieces}))}."
        for seed, pieces in told["origins"].items()
    ]
    parts[1] = f"{results.read_text(encoding='utf-8')}\n{' '.join(seeds)}\n"
    write_text(readme, README_MARK.join(parts))


def _others(study: Study, target: Path) -> dict[str, list[dict]]:
    """The origins, by seed, of the records in `target` that a study is to join: none where it is a whole one, or of another profile."""
    if (
        set(study.seeds) >= set(study.profile.seeds)
        or not (target / "provenance.json").exists()
        or _told(target)["profile_hash"] != study.profile.hash
    ):
        return {}
    for run in study.runs:
        for path in sorted(run.folder.glob("arms/**/metrics.jsonl")):
            there = target / "records" / f"seed-{run.seed}" / path.relative_to(run.folder)
            if there.exists() and not path.read_bytes().startswith(
                there.read_bytes()
            ):  # an arm that has gone on since is the same
                raise ValueError(
                    f"{there} is of another run of seed {run.seed}, which came out otherwise (another processor is enough for that); remove {target / 'records' / f'seed-{run.seed}'} to publish this one in its place"
                )
    return _told(target)["origins"]


def unpack(out: Path, source: Path = FIGURES) -> str:
    """Lay the shipped records out in `out` as a study's folder that is read and never trained. Returns the study's profile.

    ValueError where nothing is shipped, or a file is not the one that provenance.json names.
    """
    told = _told(source)
    check(source)
    shutil.rmtree(out, ignore_errors=True)
    for seed, folder in run_folders(told["seeds"], out).items():
        shutil.copytree(source / "records" / f"seed-{seed}", folder)
        write_text(folder / SHIPPED, "{}\n")
    write_text(out / SHIPPED, json.dumps({"seeds": told["seeds"]}) + "\n")
    return told["profile"]


def check(source: Path = FIGURES) -> None:
    """ValueError that names the first file that differs from what provenance.json says of it."""
    for name, digest in _told(source)["files"].items():
        path = source / name
        if not path.exists() or _digest(path) != digest:
            raise ValueError(
                f"{path} is {'not the file' if path.exists() else 'missing, a file'} that {source / 'provenance.json'} names; publish the run again"
            )


def _told(folder: Path) -> dict:
    try:
        return json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    except OSError:
        raise ValueError(
            f"{folder} holds no provenance.json: no run's records are shipped; run ./run_all.sh first"
        ) from None


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _keep(folder: Path, target: Path, first: int) -> None:
    for path in sorted({path for pattern in KEPT for path in folder.glob(pattern)}):
        (target / path.relative_to(folder)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target / path.relative_to(folder))
    for name in FIRST:
        if (folder / name).exists():
            with open(folder / name, encoding="utf-8") as file:
                write_text(target / name, "".join(islice(file, first)))
