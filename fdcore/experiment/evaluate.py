"""What is measured on trained models: samples for pass@k, and Figure 1's token views.

Left out on purpose: what is computed from the rows (`fdcore.figures.statistics`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from fdcore.experiment.session import Session
from fdcore.figures.style import arm_label
from fdcore.figures.token_view import TokenView, token_view
from fdcore.records import Feedback, Problem, Trajectory, append_jsonl
from fdcore.seeds import seed_of
from fdcore.worlds.problems import read_familiarity

Item = tuple[Problem, Trajectory, Feedback]


def evaluate(session: Session, arm: str, split: str) -> list[dict]:
    """Sample an arm on a split for pass@k, from the problem where an earlier call was stopped.

    Returns:
        One row a problem: samples `n`, verified samples `c`, distinct proofs, tokens.
    """
    run, problems = session.run, session.checked_problems()
    rows = run.evaluation(arm, split)
    if len(rows) >= len(problems[split]):
        return rows
    folder = session.base() if arm == "base" else run.model_folder(arm)
    if session.launch("evaluate", arm, split):
        return run.evaluation(arm, split)
    model = session.load_to_sample(folder)
    samples = run.profile.samples_of(arm, split)
    sample = session.sampling(model, session.settings(arm))
    path, todo = run.evaluation_file(arm, split), problems[split]
    size = max(1, run.profile.sampler.max_batch // samples)
    title = f"{arm} on {split}, {samples} samples each"
    with (
        run.lock() if session.first else contextlib.nullcontext(),
        tqdm(total=len(todo), initial=len(rows), desc=title, disable=not session.first) as bar,
    ):
        session.note_origin(path)
        for first in range(len(rows), len(todo), size):
            batch = todo[first : first + size]
            numbers = [(problem, index) for problem in batch for index in range(samples)]
            seeds = [seed_of(run.seed, "eval", problem.id, index) for problem, index in numbers]
            trajectories = sample([problem for problem, _ in numbers], seeds)
            if session.first:
                own = (trajectories[i * samples : (i + 1) * samples] for i in range(len(batch)))
                append_jsonl(path, map(_count_proofs, batch, own))
            bar.update(len(batch))
    session.processes.wait()  # until all is written
    return run.evaluation(arm, split)


def _count_proofs(problem: Problem, trajectories: Sequence[Trajectory]) -> dict:
    """The row of a problem's samples."""
    known = read_familiarity().familiarity
    familiarity = min([known.get(lemma, 1.0) for lemma in problem.lemmas], default=1.0)
    verified = [trajectory for trajectory in trajectories if trajectory.verdict.verified]
    return {
        "problem_id": problem.id,
        "tier": problem.tier,
        "unknown": familiarity == 0,
        "n": len(trajectories),
        "c": len(verified),
        "proofs": sorted({trajectory.source for trajectory in verified}),
        "tokens": sum(sum(trajectory.action_mask) for trajectory in trajectories),
    }


def make_token_views(session: Session) -> list[TokenView]:
    """Figure 1's data: a few attempts, read by every model that the run has saved.

    They are of the first Feedback Distillation step, one failed, one repaired and one proved at
    once, and one of the last step whose weights are kept. The first view is Figure 1: the base
    reads the failed one. Student and teacher always have the same weights, so that every
    difference is the feedback's.
    """
    base = session.load(session.base())
    readers = _find_readers(session)
    last = max([step for name, step, _ in readers if name == "FD"], default=1)
    picked = _pick_attempts(session, base, 1)
    picked += _pick_attempts(session, base, last)[:1] if last > 1 else []
    views: list[list[TokenView]] = [[] for _ in picked]
    for name, step, folder in readers:
        model = session.load(folder)
        for own, (problem, attempt, feedback) in zip(views, picked, strict=True):
            labels = {
                "attempt": f"step {attempt.step}, {problem.id}, {_outcome(attempt)}",
                "arm": name,
                "step": str(step),
            }
            text = feedback.text
            own.append(
                token_view(model, model, session.chat, problem, attempt, text, labels=labels)
            )
    return [view for own in views for view in own]


def _find_readers(session: Session) -> list[tuple[str, int, Path]]:
    """(label, step from the base, folder) of every model that the run has saved."""
    run = session.run
    starts = {arm: run.start_step(arm) for arm in run.profile.main_arms}
    kept = sorted(run.profile.kept_steps("fd"))
    folders = {("FD", step): run.kept_model("fd", step) for step in kept}
    for arm in run.profile.main_arms:
        if run.metrics(arm):
            step = starts[arm] + run.metrics(arm)[-1]["step"]
            folders[(arm_label(arm, starts), step)] = run.model_folder(arm)
    saved = [(*key, folder) for key, folder in folders.items() if folder.exists()]
    return [("base", 0, session.base()), *saved]


def _pick_attempts(session: Session, model, step: int) -> list[Item]:
    """Of each outcome of a step the attempt where feedback moves most at one token."""

    def moved(item: Item) -> float:
        problem, attempt, feedback = item
        view = token_view(model, model, session.chat, problem, attempt, feedback.text)
        options = view.alternatives[view.focus]
        return sum(abs(option.teacher - option.student) for option in options)

    outcomes: dict[str, list[Item]] = {"failed": [], "repaired": [], "proved": []}
    for item in session.run.recorded(step):
        outcomes[_outcome(item[1])].append(item)
    return [max(items, key=moved) for items in outcomes.values() if items]


def _outcome(attempt: Trajectory) -> str:
    """What became of an attempt; one that wrote several files before Lean agreed is repaired."""
    if not attempt.verdict.verified:
        return "failed"
    writes = sum(call.name == "lean_write_file" for call in attempt.tool_calls)
    return "repaired" if writes > 1 else "proved"
