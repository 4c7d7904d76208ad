"""Feedback by a scripted expert: orders from Lean's messages and a reference proof, by rules. Needs no network."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from fdcore.feedback.sources import Item, prompt_hash
from fdcore.records import Feedback, Problem, Trajectory
from fdcore.rollout.chat import render


class ScriptedExpert:
    """Writes orders from Lean's messages and the reference proof, by rules. Same problem, attempt and seed: same text.

    It names the lemmas and the kind of proof, never the whole proof. `formulation` takes away what the paper's four prompts add one after
    the other: 4 all; 3 no order about tools or length; 2 names without their namespace, so that a reader must know what is meant; 1 no
    numbered list.
    """

    def __init__(self, seed: int, formulation: int = 4):
        self.seed, self.formulation, self.prompt_hash = (
            seed,
            formulation,
            prompt_hash("feedback_scripted.jinja"),
        )

    def write(self, items: Sequence[Item]) -> list[Feedback]:
        return [self._one(problem, trajectory) for problem, trajectory in items]

    def _one(self, problem: Problem, trajectory: Trajectory) -> Feedback:
        rng = random.Random(f"{self.seed}:{problem.id}:{trajectory.seed}")
        orders = (
            praise(problem, trajectory, rng)
            if trajectory.verdict.verified
            else critique(problem, trajectory, rng)
        )
        return Feedback(
            problem_id=problem.id,
            text=self._formulated(orders[:3]),
            producer="scripted",
            prompt_hash=self.prompt_hash,
        )

    def _formulated(self, orders: list[str]) -> str:
        if self.formulation < 4:
            orders = [order for order in orders if not ABOUT_WORK.search(order)] or [
                "Compare the goal with the facts of the library, and prove it by the one whose conclusion has its shape."
            ]
        if self.formulation < 3:
            orders = [NAMESPACE.sub("`", order) for order in orders]
        return (
            render("feedback_scripted.jinja", orders=orders)
            if self.formulation > 1
            else " ".join(orders)
        )


ABOUT_WORK = re.compile(r"`lean_|`rg_|^Be brief|\bcompile\b")  # orders about tools and length
NAMESPACE = re.compile(r"`(?:[A-Z]\w*\.)+")


def names(lemmas: Sequence[str]) -> str:
    return " and ".join(f"`{lemma}`" for lemma in lemmas)


LEMMA_ORDERS = (
    "Use the library lemma {lemmas}, which has just the shape of this goal, and write its name in full.",
    "Prove this with {lemmas} from the library; no other fact is needed, so leave out every other lemma name.",
    "Look at the goal again: it is an instance of {lemmas}, so name exactly that in the proof.",
    "Build the proof on {lemmas}, written with the full name, instead of any fact that resembles it.",
)
SHAPE_ORDERS = {
    "exact": "Close the goal in one step with `exact` and `..` for the arguments, which Lean fills in by unification.",
    "apply": "Start with `apply` and the name alone, since Lean finds all arguments from the goal by unification.",
    "rw": "Rewrite the goal with `rw` and the names in square brackets; afterwards both sides agree and Lean closes it.",
    "simp": "Give the names to `simp` in square brackets, so that it rewrites the goal to something evidently true.",
    "constructor": "Split the goal with `constructor` and prove each of its two parts on a line of its own.",
    "left": "Choose the side of the disjunction that can be proved with `left`, and then close what remains.",
    "right": "Choose the side of the disjunction that can be proved with `right`, and then close what remains.",
    "rcases": "Take the disjunction among the hypotheses apart with `rcases`, and close each of its cases on its own line.",
    "obtain": "Take the witness out of the hypothesis with `obtain`, and give it back in pointed brackets with its proof.",
    "intro": "Introduce the premises with `intro` before anything else, and then close the goal that remains.",
    "symm": "Turn the equation round with `symm` first, because the library states it in the other direction.",
    "other": "Work from the goal backwards, one tactic a line, and compile after each change with `lean_check_file`.",
}


def critique(problem: Problem, trajectory: Trajectory, rng: random.Random) -> list[str]:
    """Orders for a failed attempt: the lemma, the shape of the proof, and what went wrong."""
    orders = []
    if problem.lemmas:
        orders.append(rng.choice(LEMMA_ORDERS).format(lemmas=names(problem.lemmas)))
    if problem.proof:
        first = problem.proof.split()[0]
        orders.append(SHAPE_ORDERS.get(first, SHAPE_ORDERS["other"]))
    return (
        [*orders, error_order(trajectory)]
        if rng.random() < 0.4
        else orders or [error_order(trajectory)]
    )


def praise(problem: Problem, trajectory: Trajectory, rng: random.Random) -> list[str]:
    """Orders after a proof that Lean accepted: keep what worked."""
    used = [lemma for lemma in problem.lemmas if lemma in (trajectory.source or "")]
    kept = (
        f"Keep {names(used)} and the present shape of the proof"
        if used
        else "Keep the present proof as it stands"
    )
    return [
        f"{kept}, which Lean accepts without errors; write the file and compile it, and stop there."
    ]


def error_order(trajectory: Trajectory) -> str:
    """One order about the first thing that went wrong, as Lean or the tools reported it."""
    verdict = trajectory.verdict
    text = next((m.text for m in verdict.messages if m.severity == "error"), verdict.detail)
    if trajectory.source is None or any(call.name is None for call in trajectory.tool_calls):
        return "Write each tool call as one complete JSON object with `name` and `arguments`, beginning with `lean_write_file` and the tactics."
    if unknown := re.search(r"[Uu]nknown (?:identifier|constant) [`'«]?([\w.]+)", text):
        return f"Drop the name `{unknown[1]}`, which the library does not know, and search with `rg_in_mathlib` before naming a lemma."
    if verdict.status == "forbidden" or "statement" in verdict.detail:
        return "Copy the given statement letter for letter into the file, and add nothing to it but a proof after `by`."
    if verdict.status == "sorry":
        return "Replace `sorry` by a real proof, because a file that leaves a gap does not count as a proof."
    if trajectory.stop_reason == "length":
        return "Be brief: one short file and one check are enough, and a long text is cut before it is judged."
    if "did not find" in text or "pattern" in text:
        return "Leave out the rewriting rule whose left side does not occur in the goal, and compare its pattern with the goal."
    return "Read the first error of `lean_check_file` closely: the fact named in the file has another type than the goal asks for."
