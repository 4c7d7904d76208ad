"""Feedback by a scripted expert that reads the attempt.

An order follows from what the attempt did and what Lean answered: a call that the tools refuse, a
lemma in place of the one that is needed, or the right lemma in a wrong use. The expert knows a
reference proof. The texts are in `fdcore/prompts/scripted_orders.yaml`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

import yaml

from fdcore.feedback.sources import Item, prompt_hash
from fdcore.records import Feedback, Problem, Trajectory
from fdcore.rollout.chat import PROMPTS, render

ORDERS = yaml.safe_load((PROMPTS / "scripted_orders.yaml").read_text(encoding="utf-8"))
ABOUT_WORK = re.compile(r"`lean_|`rg_|^Be brief|\bcompile\b")  # orders about tools and length
NAMESPACE = re.compile(r"`(?:[A-Z]\w*\.)+")
LEMMA = re.compile(r"(?<![\w.'])(?!(?:Or|And|Iff|Exists)\.)[A-Za-z][\w']*(?:\.[\w']+)*")
FIELD = re.compile(r"(?:\.(?:mp|mpr|symm|trans|elim|\d))+$")
SEARCHED = 0.15  # share of orders that describe the lemma for a search, and do not name it


class ScriptedExpert:
    """Writes one to three orders. The same problem, attempt and seed give the same text.

    Args:
        formulation: what is left of the paper's four prompts. 4: all; 3: no order about tools or
            length; 2: names without their namespace; 1: no numbered list.
    """

    def __init__(self, seed: int, formulation: int = 4):
        self.seed, self.formulation = seed, formulation
        self.prompt_hash = prompt_hash("feedback_scripted.jinja", "scripted_orders.yaml")

    def write(self, items: Sequence[Item]) -> list[Feedback]:
        return [self._write_one(problem, trajectory) for problem, trajectory in items]

    def _write_one(self, problem: Problem, trajectory: Trajectory) -> Feedback:
        rng = random.Random(f"{self.seed}:{problem.id}:{trajectory.seed}")
        if trajectory.verdict.verified:
            orders = praise(problem, trajectory)
        else:
            searched = SEARCHED if self.formulation == 4 else 0.0
            orders = critique(problem, trajectory, rng, searched)
        return Feedback(
            problem_id=problem.id,
            text=self._formulate(orders),
            producer="scripted",
            prompt_hash=self.prompt_hash,
        )

    def _formulate(self, orders: list[str]) -> str:
        if self.formulation < 4:
            orders = [order for order in orders if not ABOUT_WORK.search(order)]
            orders = orders or [ORDERS["unknown"]]
        if self.formulation < 3:
            orders = [NAMESPACE.sub("`", order) for order in orders]
        if self.formulation == 1:
            return " ".join(orders)
        return render("feedback_scripted.jinja", orders=orders)


def named_lemmas(tactics: str) -> list[str]:
    """The library names in tactics, in order, each once: those that hold a dot or an underscore.

    >>> named_lemmas("exact (Nat.add_comm h).symm")
    ['Nat.add_comm']
    """
    names = [FIELD.sub("", name) for name in LEMMA.findall(tactics)]
    return [name for name in dict.fromkeys(names) if "." in name or "_" in name]


def critique(
    problem: Problem, trajectory: Trajectory, rng: random.Random, searched: float
) -> list[str]:
    """Orders for a failed attempt: about its calls, its lemmas, or the use of the right ones."""
    tactics = (trajectory.source or "").removeprefix(problem.statement)
    messages = trajectory.verdict.messages
    error = next((m.text for m in messages if m.severity == "error"), "")
    used = named_lemmas(tactics)
    missing = [lemma for lemma in problem.lemmas if lemma not in used]
    orders = order_calls(trajectory)
    if wrong := [name for name in used if missing and name not in problem.lemmas]:
        said = next(text for word, text in ORDERS["unneeded"].items() if re.search(word, error))
        orders.append(said.format(quote(wrong)))
    if kept := [lemma for lemma in problem.lemmas if missing and lemma not in missing]:
        orders.append(ORDERS["kept"].format(quote(kept)))
    if len(missing) == 1 and rng.random() < searched:
        words = missing[0].rsplit(".", 1)[-1].split("_")[:3]
        orders.append(ORDERS["search"].format("_".join(words)))
    elif missing:
        orders.append(rng.choice(ORDERS["needed"]).format(quote(missing)))
    elif problem.lemmas and tactics:
        orders.append(correct_use(problem, tactics, error))
    return orders[-3:] or [ORDERS["unread"]]


def correct_use(problem: Problem, tactics: str, error: str) -> str:
    """An order on the right lemma in a wrong use: how the reference proof differs, without it."""
    name, proof, misused = quote(problem.lemmas), problem.proof or "", ORDERS["misused"]
    steps, head = split_at_lemma(tactics, problem.lemmas[0])
    wanted_steps, wanted = split_at_lemma(proof, problem.lemmas[0])
    if omitted := [step for step in wanted_steps if step in ORDERS["steps"] and step not in steps]:
        return misused["step"].format(name, ORDERS["steps"][omitted[0]])
    if ("←" in tactics) != ("←" in proof):
        return misused["direction"].format(name)
    if ("symm" in tactics) != ("symm" in proof):
        return misused["sides"].format(name)
    if wanted != head:
        return misused["tactic"].format(name, head)
    if ".." in tactics and ".." not in proof:
        return misused["premises"].format(name)
    if re.search(r"unsolved|no goals", error):
        return misused["count"].format(name)
    return misused["rest"].format(name, head)


def split_at_lemma(tactics: str, lemma: str) -> tuple[list[str], str]:
    """The first words of the lines before the one that names the lemma, and of that line.

    >>> split_at_lemma("\\n  intro h\\n  exact pow_mul ..", "pow_mul")
    (['intro'], 'exact')
    """
    steps = []
    for line in filter(str.strip, tactics.splitlines()):
        word = next(iter(re.findall(r"\w+", line)), "")
        if lemma in line:
            return steps, word
        steps.append(word)
    return steps, ""


def order_calls(trajectory: Trajectory) -> list[str]:
    """At most one order: on a call, a file or a length that cannot lead to a proof."""
    calls, orders = trajectory.tool_calls, ORDERS["calls"]
    if any(call.name is None for call in calls):
        return [orders["broken"]]
    if trajectory.source is None:
        return [orders["nothing"]]
    if refused := [call.name for call in calls if not call.ok]:
        return [orders["refused"].format(refused[0])]
    if trajectory.verdict.status in orders:
        return [orders[trajectory.verdict.status]]
    return [orders["long"]] if trajectory.stop_reason == "length" else []


def praise(problem: Problem, trajectory: Trajectory) -> list[str]:
    """Orders after a proof that Lean accepted: keep what worked, leave out what was not needed."""
    used = [lemma for lemma in problem.lemmas if lemma in (trajectory.source or "")]
    kept = f"Keep {quote(used)} and the present shape" if used else "Keep the present shape"
    calls = [call.name for call in trajectory.tool_calls]
    orders = [ORDERS["accepted"].format(kept)]
    if "rg_in_mathlib" in calls:
        orders.append(ORDERS["detours"]["search"])
    elif calls.count("lean_write_file") > 1:
        orders.append(ORDERS["detours"]["retry"])
    return orders


def quote(names: Sequence[str]) -> str:
    return " and ".join(f"`{name}`" for name in names)
