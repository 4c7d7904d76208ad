"""A run's folder as it can be read: problems, metrics, evaluations, attempts. Without torch, so that a figure is drawn in seconds.

Left out on purpose: making any of it (`fdcore.experiment.run`), and the runs of several seeds (`fdcore.experiment.study`).
"""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from pathlib import Path

from fdcore import REPOSITORY
from fdcore.experiment.arms import Arm, arm_of
from fdcore.profile import ADDED, TAKEN, Profile, load_profile
from fdcore.records import (
    Feedback,
    Problem,
    Trajectory,
    read_jsonl,
    read_records,
    write_jsonl,
    write_text,
)
from fdcore.worlds import problems as problem_sets

ORIGINS = "origins.jsonl"  # which code and machine made each record of a run's folder; the last line of a record counts
SHIPPED = "shipped.json"  # marks a folder of records without weights (`fdcore.experiment.publish`): read, never trained


class RecordedRun:
    """One run: a profile, a seed and a folder, by default runs/PROFILE-seedSEED in the repository."""

    def __init__(self, profile: str | Path, seed: int = 0, out: str | Path | None = None):
        self.profile: Profile = load_profile(profile)
        self.seed = seed
        self.folder = Path(out) if out else REPOSITORY / "runs" / f"{self.profile.name}-seed{seed}"
        self.figures = self.folder / "figures"
        if not self.shipped:  # records are read as they are
            self._claim_folder()
        self._problems  # read at once: a missing or faulty problem file should not be found out hours later

    @property
    def shipped(self) -> bool:
        """Whether the folder holds records alone: what would need weights cannot be had from it."""
        return (self.folder / SHIPPED).exists()

    def _claim_folder(self) -> None:
        """A run's folder belongs to one profile and seed: mixing two would spoil both. What a run takes may change while it is under way."""
        mark = self.folder / "run.json"
        mine = {"profile": self.profile.name, "profile_hash": self.profile.hash, "seed": self.seed}
        settings = {
            name: value
            for name, value in self.profile.leaves().items()
            if name.partition(".")[0] not in ADDED
        }
        if not mark.exists():
            return write_text(mark, json.dumps({**mine, "settings": settings}) + "\n")
        found = json.loads(mark.read_text())
        before = found.pop("settings", None)
        if found == mine:
            return
        other = sorted(
            name
            for name in settings.keys() | (before or {}).keys()
            if settings.get(name) != (before or {}).get(name)
        )
        if (
            before is None
            or found | {"profile_hash": ""} != mine | {"profile_hash": ""}
            or not TAKEN.issuperset(other)
        ):
            which = (
                f" ({', '.join(f'{name}: {before.get(name)}, not {settings.get(name)}' for name in other if name not in TAKEN)})"
                if before and other
                else ""
            )
            raise ValueError(
                f"{self.folder} holds a run of {found}, not of {mine}{which}; give another --out, or remove that folder"
            )
        print(
            f"begun with {', '.join(f'{name}: {before.get(name)}' for name in other)}; goes on with {', '.join(str(settings.get(name)) for name in other)}",
            flush=True,
        )

    # -- the world -----------------------------------------------------------------------------------------------

    @cached_property
    def _problems(self) -> dict[str, list[Problem]]:
        kept = self._kept_problems
        if all(
            path.exists() for path in kept.values()
        ):  # drawn before: neither the hub nor the draw is needed again
            return {split: problem_sets.read_problems(path) for split, path in kept.items()}
        return problem_sets.load_problems(self.profile, self.folder / "problems")

    @property
    def _kept_problems(self) -> dict[str, Path]:
        """Where a run keeps the problems that it has drawn. Those of files in this repository are read there."""
        return {
            split: self.folder / "problems" / f"{split}.jsonl"
            for split in ("train", "test", "holdout")
        }

    def problems(self) -> dict[str, list[Problem]]:
        """Problems by split. Problems that change within a run are an error."""
        stamp = self.folder / "problems" / "checked.json"
        found = {
            split: hashlib.sha256(
                "".join(p.model_dump_json() for p in problems).encode()
            ).hexdigest()
            for split, problems in self._problems.items()
        }
        if not stamp.exists():
            if self.profile.problems.source == "mathlib":
                for split, path in self._kept_problems.items():
                    write_jsonl(path, self._problems[split])
            write_text(stamp, json.dumps(found) + "\n")
        elif json.loads(stamp.read_text()) != found:
            raise ValueError(
                f"{self.folder} was begun with other problems than the profile's sources hold now; give another --out, or remove that folder"
            )
        return self._problems

    # -- arms ----------------------------------------------------------------------------------------------------

    @property
    def arms(self) -> list[str]:
        return self.profile.main_arms

    def start_step(self, arm: str) -> int:
        """The Feedback Distillation step that an arm starts from; 0 for one that starts from the base."""
        return 0 if arm == "base" else arm_of(self.profile, arm).start

    def base(self) -> Path:
        """The folder of the model that every arm starts from."""
        return self.folder / "base" / "model"

    def train(self, arm: str, steps: int | None = None) -> list[dict]:
        """An arm's metrics rows as they are; none where it was not trained. ValueError for an arm that the profile has not."""
        self._claim_arm(self.folder / "arms" / arm, arm, arm_of(self.profile, arm))
        return self.metrics(arm)

    def evaluate(self, arm: str, split: str) -> list[dict]:
        """The rows of an arm's samples for pass@k, one a problem; none where it was not evaluated."""
        return list(read_jsonl(self._evaluation(arm, split)))

    def _claim_arm(self, folder: Path, arm: str, plan: Arm) -> None:
        """A variant's folder belongs to its settings, which the hash of the run's profile leaves out."""
        if arm in self.arms or self.shipped:
            return
        decisive = {
            name: value
            for name, value in plan.profile.leaves(exclude_defaults=True).items()
            if name not in TAKEN and name.partition(".")[0] not in ADDED
        }
        mine = {
            "settings": hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:12],
            "after": plan.after,
        }
        mark = folder / "variant.json"
        if mark.exists() and json.loads(mark.read_text()) != mine:
            raise ValueError(
                f"{folder} was trained with other settings than the profile's ablation has now; remove that folder to train it anew"
            )
        if not mark.exists():
            write_text(mark, json.dumps(mine) + "\n")

    def metrics(self, arm: str) -> list[dict]:
        return list(read_jsonl(self.folder / "arms" / arm / "metrics.jsonl"))

    def _evaluation(self, arm: str, split: str) -> Path:
        return (
            self.folder / "base" if arm == "base" else self.folder / "arms" / arm
        ) / f"eval_{split}.jsonl"

    # -- for figures ---------------------------------------------------------------------------------------------

    def recorded(self, step: int, arm: str = "fd") -> list[tuple[Problem, Trajectory, Feedback]]:
        """The attempts of a training step that wrote a Lean file, each with its problem and the feedback that the run has kept.

        ValueError where the arm has recorded no such step, or no feedback (as GRPO).
        """
        folder, by_id = self.folder / "arms" / arm, {p.id: p for p in self._problems["train"]}
        attempts = [
            Trajectory.model_validate(row)
            for row in read_jsonl(folder / "trajectories.jsonl")
            if row["step"] == step
        ]
        feedback = [
            Feedback.model_validate({k: v for k, v in row.items() if k != "step"})
            for row in read_jsonl(folder / "feedback.jsonl")
            if row["step"] == step
        ]
        found = [(by_id[t.problem_id], t, f) for t, f in zip(attempts, feedback) if t.source]
        if not found:
            raise ValueError(
                f"{folder}: no attempt with feedback at step {step}; train the arm {arm!r} first (its feedback is needed)"
            )
        return found

    def given_feedback(self, arm: str = "fd") -> list[tuple[Problem, Feedback]]:
        """All feedback that an arm's training has kept, each with its problem; none for an arm that needs none."""
        by_id = {p.id: p for p in self._problems["train"]}
        rows = read_jsonl(self.folder / "arms" / arm / "feedback.jsonl")
        return [
            (
                by_id[row["problem_id"]],
                Feedback.model_validate({k: v for k, v in row.items() if k != "step"}),
            )
            for row in rows
        ]

    def token_views(self) -> list["TokenView"]:  # noqa: F821
        """Figure 1's data and its like, as they were made."""
        from fdcore.figures.token_view import TokenView

        return read_records(self.folder / "token_views.jsonl", TokenView)
