"""The runs that make up an experiment: one a seed. Notebooks ask a study; each answer joins the runs' rows, marked with their seed.

`runs/PROFILE-seedN` holds a profile of one seed. A profile of several keeps run N in `runs/PROFILE/seed-N`, and what is drawn of all
in `runs/PROFILE`; `seed` picks one of them, so that a long experiment can be made in pieces, and on several machines.
"""
from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path

from fdcore.arms import variants
from fdcore.experiment import SHIPPED, Experiment
from fdcore.profile import default_folder, load_profile, run_folders


class Study:
    """`Study("tiny")`: every seed of the profile; `Study("tiny", seed=1)`: that one alone. `out`: another folder than the above."""

    def __init__(self, profile: str | Path, seed: int | None = None, out: str | Path | None = None):
        self.profile = load_profile(profile)
        self.folder = Path(out) if out else default_folder(profile, seed)
        self.seeds = self._shipped_seeds or (self.profile.seeds if seed is None else (seed,))
        self.figures = self.folder / "figures"
        self.runs = [Experiment(profile, each, folder) for each, folder in run_folders(self.seeds, self.folder).items()]

    @property
    def _shipped_seeds(self) -> tuple[int, ...]:
        """The seeds of a folder of shipped records: those that have been made so far."""
        mark = self.folder / SHIPPED
        return tuple(json.loads(mark.read_text()).get("seeds", ())) if mark.exists() else ()

    @property
    def first(self) -> Experiment:
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

    def variants(self, *ablations: str) -> dict[str, str]:
        """Label -> arm of those of these ablations that the profile has, the arms as the profile has them included; of shipped records, what is there."""
        found = {label: arm for name in ablations if name in self.profile.ablations for label, arm in variants(self.profile, name).items()}
        if self.first.shipped:
            found = {label: arm for label, arm in found.items() if self.first.metrics(arm)}
        return found if set(found.values()) - set(self.arms) else {}

    def train_variant(self, arm: str) -> list[dict]:
        """Train a variant in the first run, where ablations are; its metrics rows, with steps counted from the base."""
        return [row | {"step": row["step"] + self.first.start_step(arm)} for row in self.first.train(arm)]
