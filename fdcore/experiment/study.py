"""The runs that make up an experiment: one a seed. Notebooks ask a study; each answer joins the runs' rows, marked with their seed.

`runs/PROFILE-seedN` holds a profile of one seed. A profile of several keeps run N in `runs/PROFILE/seed-N`, and what is drawn of all
in `runs/PROFILE`; `seed` picks one of them, so that a long experiment can be made in pieces, and on several machines.
"""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from fdcore import REPOSITORY
from fdcore.experiment.recorded import SHIPPED, RecordedRun
from fdcore.profile import default_folder, load_profile, run_folders
from fdcore.records import Feedback, Problem

PUBLISHED = REPOSITORY / "figures" / "records"


class Study:
    """`Study("tiny")`: every seed of the profile; `Study("tiny", seed=1)`: that one alone. `out`: another folder than the above."""

    def __init__(self, profile: str | Path, seed: int | None = None, out: str | Path | None = None):
        self.profile = load_profile(profile)
        self.folder = Path(out) if out else default_folder(profile, seed)
        self.seeds = self._shipped_seeds or (self.profile.seeds if seed is None else (seed,))
        self.figures = self.folder / "figures"
        self.runs = [
            _opened(profile, each, folder)
            for each, folder in run_folders(self.seeds, self.folder).items()
        ]

    @property
    def _shipped_seeds(self) -> tuple[int, ...]:
        """The seeds of a folder of shipped records: those that have been made so far."""
        mark = self.folder / SHIPPED
        return tuple(json.loads(mark.read_text()).get("seeds", ())) if mark.exists() else ()

    @property
    def first(self) -> RecordedRun:
        """The run that single examples are shown of."""
        return self.runs[0]

    @property
    def folders(self) -> list[Path]:
        return [run.folder for run in self.runs]

    @property
    def arms(self) -> list[str]:
        return self.first.arms

    @cached_property
    def starts(self) -> dict[str, int]:
        """The Feedback Distillation step that each arm starts from."""
        return {arm: self.first.start_step(arm) for arm in self.arms}

    def train(self, arm: str) -> list[dict]:
        """Train an arm in every run; its metrics rows, which name their seed."""
        return [row for run in self.runs for row in run.train(arm)]

    def evaluate(self, arm: str, split: str) -> list[dict]:
        """Evaluate an arm in every run: one row a seed and problem."""
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
        trained = [
            {label: arm for label, arm in wanted.items() if run.metrics(arm)}
            if run.shipped
            else wanted
            for run in self.runs
        ]
        run, there = max(zip(self.runs, trained), key=lambda pair: len(pair[1]))
        if set(there.values()) - set(self.arms) or self.folder == PUBLISHED:
            return Comparison(run, there)
        mark = json.loads((PUBLISHED.parent / "provenance.json").read_text(encoding="utf-8"))
        return Study(mark["profile"], out=PUBLISHED).compare(arms)


def _opened(profile: str | Path, seed: int, folder: Path) -> RecordedRun:
    """A run that is made where it is not yet; of shipped records one that is only read, without the seconds that importing torch takes."""
    if (folder / SHIPPED).exists():
        return RecordedRun(profile, seed, folder)
    from fdcore.experiment.run import Experiment

    return Experiment(profile, seed, folder)


class Comparison(NamedTuple):
    """Arms of one run, side by side."""

    run: RecordedRun
    arms: dict[str, str]  # label -> arm

    @property
    def source(self) -> str:
        """Whose arms they are, in words."""
        where = f"profile {self.run.profile.name}, seed {self.run.seed}"
        if PUBLISHED in self.run.folder.parents:
            return f"This profile has no such arms. Shown are the published records of {where}."
        return f"Arms of {where}."

    def settings(self) -> list[dict[str, str]]:
        """What each arm changes in the profile."""
        changes = {label: self.run.profile.arm(arm).settings for label, arm in self.arms.items()}
        return [
            {"arm": label, "settings": ", ".join(f"{k}: {v}" for k, v in own.items()) or "as is"}
            for label, own in changes.items()
        ]

    def train(self) -> dict[str, list[dict]]:
        """Label -> metrics rows, with steps counted from the base."""
        return {
            label: [
                row | {"step": row["step"] + self.run.start_step(arm)}
                for row in self.run.train(arm)
            ]
            for label, arm in self.arms.items()
        }

    def evaluate(self) -> dict[str, list[dict]]:
        """Label -> the evaluation on test."""
        return {label: self.run.evaluate(arm, "test") for label, arm in self.arms.items()}

    def feedback(self) -> dict[str, list[tuple[Problem, Feedback]]]:
        """Label -> the feedback that training has kept."""
        return {label: self.run.given_feedback(arm) for label, arm in self.arms.items()}
