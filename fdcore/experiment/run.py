"""A run: a folder in which one profile is worked through with one seed.

    base/                  the model that every arm starts from, and its evaluations
    arms/NAME/             metrics, attempts, feedback, checkpoints, model, evaluations of an arm
    problems/, verdicts/   what was drawn, and what Lean said
    run.json, profile.yaml which run this is
    origins.jsonl          which code and machine made a record

`Run.open` reads a folder and never writes. `Run.create` begins a run or goes on with it. This file
imports no torch: what samples and trains is `run.session` (`fdcore.experiment.session`).
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from filelock import FileLock, Timeout

from fdcore import REPOSITORY
from fdcore.profile import Profile, load_profile
from fdcore.records import (
    Feedback,
    Problem,
    Trajectory,
    read_json,
    read_jsonl,
    read_records,
    write_jsonl,
    write_text,
)
from fdcore.worlds.problems import load_problems, read_problems

if TYPE_CHECKING:
    from fdcore.experiment.session import Session
    from fdcore.figures.token_view import TokenView
    from fdcore.lean.verifier import Verifier

R = TypeVar("R", Trajectory, Feedback)
ORIGINS = "origins.jsonl"
PROVENANCE = "provenance.json"  # beside published records (`fdcore.experiment.publish`)
LOCK_SECONDS = 10  # for a kernel that outlived a killed run to end
# Settings of what a run takes and not of what comes out: a run goes on with other values.
RESOURCES = {
    "threads",
    "hardware",
    "tracker",
    "lean.workers",
    "sampler.max_batch",
    "sampler.memory_share",
    "training.micro_batch",
    "training.activation_checkpointing",
    "feedback.concurrency",
    "feedback.budget_dollars",
    "feedback.timeout_seconds",
    "feedback.retries",
}
# Settings of what is shown and made, each piece of which has a check of its own.
CONTENTS = {"about", "second_size", "seeds", "arms"}


class Run:
    """One profile, one seed, one folder."""

    def __init__(self, folder: Path, profile: Profile, seed: int):
        self.folder, self.profile, self.seed = folder, profile, seed
        self.figures = folder / "figures"

    @classmethod
    def open(cls, folder: str | Path) -> Run:
        """The run in a folder, to be read. Raises ValueError where there is none."""
        folder = Path(folder)
        if not (folder / "run.json").exists():
            raise ValueError(f"{folder} holds no run: it has no run.json")
        mark = read_json(folder / "run.json")
        return cls(folder, load_profile(folder / "profile.yaml", unknown="ignore"), mark["seed"])

    @classmethod
    def create(
        cls, profile: str | Path | Profile, seed: int = 0, out: str | Path | None = None
    ) -> Run:
        """Begin a run, or go on with the one in its folder.

        Args:
            profile: a profile, its name or its file.
            out: the run's folder, by default runs/PROFILE-seedSEED in the repository.

        Raises:
            ValueError: the folder holds another run, or one of its arms was trained with other
                settings. Nothing in the folder has changed then.
        """
        settings = profile if isinstance(profile, Profile) else load_profile(profile)
        folder = Path(out or REPOSITORY / "runs" / f"{settings.name}-seed{seed}")
        run = cls(folder, settings, seed)
        run.check_folder()
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / "profile.yaml", dump_profile(settings))
        write_text(folder / "run.json", json.dumps(run._mark) + "\n")
        return run

    @property
    def _mark(self) -> dict:
        """What run.json says: which run this is."""
        settings = decisive_settings(self.profile)
        return {"profile": self.profile.name, "seed": self.seed, "settings": settings}

    def check_folder(self) -> None:
        """ValueError where the folder holds a run of another profile or seed, or another arm.

        OSError where there can be no such folder.
        """
        there = (path for path in (self.folder, *self.folder.absolute().parents) if path.exists())
        try:
            tempfile.TemporaryFile(dir=next(there)).close()
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.folder)) from None
        if (self.folder / "run.json").exists():
            _compare_marks(self.folder, read_json(self.folder / "run.json"), self._mark)
        for arm in self.profile.arms:
            mark = self.folder / "arms" / arm.name / "arm.json"
            if mark.exists():
                _compare_marks(mark.parent, read_json(mark), self._arm_mark(arm.name))

    def _arm_mark(self, name: str) -> dict:
        arm = self.profile.arm(name)
        start = arm.start.model_dump() if arm.start else None
        return {"method": arm.method, "start": start, "settings": arm.settings}

    def claim_arm(self, name: str) -> Path:
        """The folder of an arm, which says from now on how it is trained."""
        folder = self.folder / "arms" / name
        path, mark = folder / "arm.json", json.dumps(self._arm_mark(name)) + "\n"
        if not path.exists() or path.read_text(encoding="utf-8") != mark:
            write_text(path, mark)  # once: the processes that share an arm all come here
        return folder

    @cached_property
    def session(self) -> Session:
        """What samples, trains and evaluates in this run."""
        from fdcore.experiment.session import Session

        return Session(self)

    @property
    def published(self) -> bool:
        """Whether these are published records: read, never trained, without weights."""
        return any((folder / PROVENANCE).exists() for folder in self.folder.parents[:2])

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """One process at a time writes into a run's folder. RuntimeError where another does."""
        lock = FileLock(self.folder / "lock", timeout=LOCK_SECONDS)
        try:
            lock.acquire()
        except Timeout:
            raise RuntimeError(
                f"another process is writing into {self.folder}; "
                "wait for it or stop it, then run the same command again"
            ) from None
        try:
            yield
        finally:
            lock.release()

    # -- what is there -----------------------------------------------------------------------------

    def start_step(self, arm: str) -> int:
        """The step of another arm that an arm starts from; 0 for one that starts from the base."""
        start = None if arm == "base" else self.profile.arm(arm).start
        return start.step if start else 0

    def problems(self) -> dict[str, list[Problem]]:
        """Problems by split. Those that the run has drawn are read where it kept them."""
        return self._problems

    @cached_property
    def _problems(self) -> dict[str, list[Problem]]:
        kept = {split: self.folder / "problems" / f"{split}.jsonl" for split in SPLITS}
        if all(path.exists() for path in kept.values()):
            return {split: read_problems(path) for split, path in kept.items()}
        return load_problems(self.profile, self.folder / "problems")

    def draw_problems(self, verifier: Verifier) -> None:
        """Load the problems anew: Lean reads every statement, and a draw leaves out defective ones.

        A draw is kept in the run's folder.
        """
        folder = self.folder / "problems"
        self._problems = load_problems(self.profile, folder, verifier)
        if self.profile.problems.source == "mathlib":
            for split, rows in self._problems.items():
                write_jsonl(folder / f"{split}.jsonl", rows)

    def model_folder(self, arm: str) -> Path:
        """Where an arm's final model is. The base's is the session's to find."""
        return self.arm_folder(arm) / "model"

    def arm_folder(self, arm: str) -> Path:
        return self.folder / "base" if arm == "base" else self.folder / "arms" / arm

    def kept_model(self, arm: str, step: int) -> Path:
        """Where an arm's weights of a step are, if the profile keeps them."""
        return self.arm_folder(arm) / f"model-step-{step:06d}"

    def train(self, arm: str) -> list[dict]:
        """An arm's metrics rows. What is missing is trained first, where there are weights."""
        return self.metrics(arm) if self.published else self.session.train(arm)

    def evaluate(self, arm: str, split: str) -> list[dict]:
        """An arm's evaluation. What is missing is sampled first, where there are weights."""
        if self.published:
            return self.evaluation(arm, split)
        from fdcore.experiment.evaluate import evaluate

        return evaluate(self.session, arm, split)

    def metrics(self, arm: str) -> list[dict]:
        """An arm's metrics rows, one a step."""
        return list(read_jsonl(self.arm_folder(self.profile.arm(arm).name) / "metrics.jsonl"))

    def evaluation_file(self, arm: str, split: str) -> Path:
        return self.arm_folder(arm) / f"eval_{split}.jsonl"

    def evaluation(self, arm: str, split: str) -> list[dict]:
        """The rows of an arm's samples for pass@k, one a problem, with the problem's lemmas."""
        rows = list(read_jsonl(self.evaluation_file(arm, split)))
        if not rows or self.profile.problems.source != "core":
            return rows
        lemmas = {problem.id: list(problem.lemmas) for problem in self.problems()[split]}
        return [row | {"lemmas": lemmas.get(row["problem_id"], [])} for row in rows]

    def recorded(self, step: int, arm: str = "fd") -> list[tuple[Problem, Trajectory, Feedback]]:
        """The attempts of a training step that wrote a Lean file, with problem and feedback.

        Raises:
            ValueError: the arm has no such step, or was trained without feedback.
        """
        by_id = {problem.id: problem for problem in self.problems()["train"]}
        folder = self.arm_folder(arm)
        trajectories = _rows_of_step(folder / "trajectories.jsonl", Trajectory, step)
        feedback = _rows_of_step(folder / "feedback.jsonl", Feedback, step)
        pairs = zip(trajectories, feedback, strict=False)  # without feedback there are none
        triples = [(by_id[t.problem_id], t, text) for t, text in pairs if t.source]
        if not triples:
            raise ValueError(f"{folder}: no attempt with feedback at step {step}; train {arm!r}")
        return triples

    def token_views(self) -> list[TokenView]:
        """Figure 1's data: read where it was made, else made and kept."""
        from fdcore.figures.token_view import TokenView

        path = self.folder / "token_views.jsonl"
        if not path.exists() and not self.published:
            from fdcore.experiment.evaluate import make_token_views

            write_jsonl(path, make_token_views(self.session))
        return read_records(path, TokenView)


SPLITS = ("train", "test", "holdout")


def dump_profile(profile: Profile) -> str:
    """A profile as YAML, with all settings that are not at their defaults."""
    content = profile.model_dump(mode="json", exclude_defaults=True)
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def decisive_settings(profile: Profile) -> dict[str, Any]:
    """The settings that a run's numbers depend on, by full name. One at its default is left out."""
    settings: dict[str, Any] = {}
    contents = profile.model_dump(mode="json", exclude_defaults=True, exclude=CONTENTS)
    for section, content in contents.items():
        if isinstance(content, dict):
            settings |= {f"{section}.{name}": value for name, value in content.items()}
        else:
            settings[section] = content
    return {
        name: value
        for name, value in settings.items()
        if not {name, name.partition(".")[0]} & RESOURCES
    }


def _compare_marks(folder: Path, before: dict, now: dict) -> None:
    """ValueError that names the first difference, where a folder was made by another run or arm."""
    old, new = before | before["settings"], now | now["settings"]
    for name in sorted({*old, *new} - {"settings"}):
        if old.get(name) != new.get(name):
            raise ValueError(
                f"{folder} was begun with {name}: {old.get(name)}, the profile has "
                f"{new.get(name)}; give another --out"
            )


def _rows_of_step(path: Path, record: type[R], step: int | None = None) -> list[R]:
    """The records of a training file, of one step or of all."""
    rows = [row for row in read_jsonl(path) if step is None or row["step"] == step]
    if record is Feedback:  # its rows carry the step that they belong to
        rows = [{key: value for key, value in row.items() if key != "step"} for row in rows]
    return [record.model_validate(row) for row in rows]
