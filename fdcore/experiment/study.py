"""The runs that make up an experiment, one a seed. Notebooks ask a study.

A profile of one seed has its run in runs/PROFILE-seedN. One of several seeds has run N in
runs/PROFILE/seed-N, and the figures of all in runs/PROFILE. Published records are the same, in the
folder `records` of a folder of figures: they are read, and nothing is trained.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from fdcore import REPOSITORY
from fdcore.experiment.run import PROVENANCE, Run
from fdcore.profile import Profile, load_profile
from fdcore.records import read_json

FIGURES = REPOSITORY / "figures"  # where the published records are


class Study:
    """`Study("tiny")`: every seed of the profile; `Study("tiny", seed=1)`: that one alone.

    Args:
        profile: by its name, without `out` and where nothing was run, the published records.
        out: the study's folder, or a folder of published figures.
    """

    def __init__(
        self,
        profile: str | Path | Profile,
        seed: int | None = None,
        out: str | Path | None = None,
    ):
        if out is None and isinstance(profile, str) and (FIGURES / PROVENANCE).exists():
            own = default_folder(load_profile(profile), seed)
            out = own if own.exists() else FIGURES
        self.published = out is not None and (Path(out) / PROVENANCE).exists()
        if out is not None and self.published:
            self.folder = self.figures = Path(out)
            records = sorted((self.folder / "records").glob("seed-*"))
            self.runs = [Run.open(folder) for folder in records]
        else:
            settings = profile if isinstance(profile, Profile) else load_profile(profile)
            self.folder = Path(out) if out else default_folder(settings, seed)
            self.figures = self.folder / "figures"
            folders = run_folders(settings, seed, self.folder)
            for number, place in folders.items():  # all are looked at before any is written
                Run(place, settings, number).check_folder()
            self.runs = [Run.create(settings, number, place) for number, place in folders.items()]
        self.first = self.runs[0]  # single examples are shown of it, and it has the variants
        self.profile: Profile = self.first.profile
        self.arms = self.profile.main_arms  # those that every run has
        # the step of another arm that each arm starts from
        self.starts = {arm: self.first.start_step(arm) for arm in self.arms}
        self.seeds = [run.seed for run in self.runs]
        self.folders = [run.folder for run in self.runs]

    @property
    def base_measurements(self) -> dict:
        """What was measured of the base alone (`measurements.json`); of a hub's model nothing."""
        from fdcore.model import find_folder  # here: it imports torch, which records do not need

        folder = find_folder(self.profile.model.source)
        path = folder and folder / "measurements.json"
        return read_json(path) if path and path.exists() else {}

    def train(self, arm: str) -> list[dict]:
        """An arm's metrics rows in every run. What is missing is trained first."""
        return [row for run in self.runs for row in run.train(arm)]

    def evaluate(self, arm: str, split: str) -> list[dict]:
        """An arm's evaluation, one row a seed and problem. What is missing is sampled first."""
        return [{"seed": run.seed, **row} for run in self.runs for row in run.evaluate(arm, split)]

    def compare(self, arms: dict[str, str]) -> Comparison:
        """Those of these arms that the profile has, side by side, in one run.

        Args:
            arms: label -> name of an arm. Arms that the profile lacks are left out.

        Returns:
            All arms of the study's first run; of published records those of the run that has most
            of them. Where the profile has none of the variants among them, the published records.
        """
        known = {arm.name for arm in self.profile.arms}
        wanted = {label: arm for label, arm in arms.items() if arm in known}
        if self.published:
            choices = [
                Comparison(run, {label: arm for label, arm in wanted.items() if run.metrics(arm)})
                for run in self.runs
            ]
            return max(choices, key=lambda choice: len(choice.arms))
        if set(wanted.values()) - set(self.arms):
            return Comparison(self.first, wanted)
        return Study(self.profile.name, out=FIGURES).compare(arms)


class Comparison(NamedTuple):
    """Arms of one run, side by side."""

    run: Run
    arms: dict[str, str]  # label -> arm

    @property
    def source(self) -> str:
        """Whose arms they are, in words."""
        where = f"profile {self.run.profile.name}, seed {self.run.seed}"
        return f"Published records of {where}." if self.run.published else f"Arms of {where}."

    def settings(self) -> list[dict[str, str]]:
        """What each arm changes in the profile."""
        changes = {label: self.run.profile.arm(arm).settings for label, arm in self.arms.items()}
        return [
            {"arm": label, "settings": ", ".join(f"{k}: {v}" for k, v in own.items()) or "as is"}
            for label, own in changes.items()
        ]

    def train(self) -> dict[str, list[dict]]:
        """Label -> metrics rows, with steps counted from the base."""
        rows = {}
        for label, arm in self.arms.items():
            start = self.run.start_step(arm)
            rows[label] = [row | {"step": row["step"] + start} for row in self.run.train(arm)]
        return rows

    def evaluate(self) -> dict[str, list[dict]]:
        """Label -> the evaluation on test."""
        return {label: self.run.evaluate(arm, "test") for label, arm in self.arms.items()}

    def evaluate_base(self) -> list[dict]:
        """The evaluation of the base on test."""
        return self.run.evaluate("base", "test")


def default_folder(profile: Profile, seed: int | None) -> Path:
    """Where a study is kept when nothing else is said; `seed` None: all of the profile's."""
    folder = REPOSITORY / "runs" / profile.name
    if len(profile.seeds) > 1:
        return folder if seed is None else folder / f"seed-{seed}"
    number = profile.seeds[0] if seed is None else seed
    return folder.with_name(f"{profile.name}-seed{number}")


def run_folders(profile: Profile, seed: int | None, out: Path | None) -> dict[int, Path]:
    """The folder of each seed's run in a study's folder, which one seed alone has for itself."""
    folder = (out or default_folder(profile, seed)).absolute()
    seeds = profile.seeds if seed is None else (seed,)
    if len(seeds) == 1:
        return {seeds[0]: folder}
    return {number: folder / f"seed-{number}" for number in seeds}
