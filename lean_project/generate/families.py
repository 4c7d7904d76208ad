"""Families of theorems: each builds a statement and several proofs around one, two or three library facts.

Nothing here is trusted: a statement or a proof counts only after Lean has accepted it (`lean_project.generate.generate`), and its tier is that of
the shortest proof which Lean accepts. A family that the facts do not fit raises LookupError.
"""

from __future__ import annotations

import inspect
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from lean_project.generate.facts import Fact, Sheet, Use, matched, substitute

CONNECTIVES = "→∀∃↔∧∨"


@dataclass(frozen=True)
class Draft:
    """A candidate problem: unchecked statement, unchecked proofs, the lemmas they name."""

    family: str
    statement: str
    proofs: tuple[str, ...]
    lemmas: tuple[str, ...]


def draft(facts: Sequence[Fact], family: str, rng: random.Random) -> Draft | None:
    """One candidate of a family from the given facts (as many as the family takes), or None where they do not fit."""
    sheet = Sheet(rng)
    try:
        goal, proofs = FAMILIES[family](sheet, *facts)
    except LookupError:
        return None
    return Draft(
        family,
        sheet.statement(goal),
        tuple(dict.fromkeys(proofs)),
        tuple(dict.fromkeys(sheet.lemmas)),
    )


def lines(*tactics: str) -> str:
    return "".join(f"\n  {tactic}" for tactic in tactics)


def enclose(text: str, signs: str) -> str:
    """The text in parentheses where one of the signs occurs in it: enclose("a + b", " ") gives "(a + b)"."""
    return f"({text})" if re.search(f"[{signs}]", text) else text


def refuse_unless(fits: object) -> None:
    if not fits:
        raise LookupError("these facts do not fit")


def closers(use: Use) -> list[str]:
    """Tactics that close the fact's own conclusion."""
    if use.given:
        return [f"exact {use.term}", f"apply {use.fact.name} <;> assumption"]
    rewriting = [f"rw [{use.fact.name}]", f"simp [{use.fact.name}]"] if " = " in use.goal else []
    return [f"exact {use.term}", f"apply {use.fact.name}", *rewriting]


def plain(sheet: Sheet, fact: Fact, compound: float) -> Use:
    """The fact without premises."""
    refuse_unless(not fact.hypotheses)
    return sheet.use(fact, compound)


def frame(sheet: Sheet, sort: str) -> str:
    """A context with one hole, for a term of that sort."""
    if sort not in ("Nat", "Int") and not sort.startswith(("List", "Option")):
        other = sheet.fresh(sort, reuse=0.5)
        return sheet.rng.choice(["{} * " + other, other + " * {}"])
    if sort.startswith("List"):
        other = sheet.fresh(sort, reuse=0.5)
        return sheet.rng.choice(["{} ++ " + other, other + " ++ {}"])
    if sort.startswith("Option"):
        return "some {}"
    other = sheet.fresh(sort, reuse=0.3)
    return sheet.rng.choice(
        [
            "{} + " + other,
            other + " + {}",
            "{} * " + other,
            other + " * {}",
            "{} + " + str(sheet.rng.randint(1, 9)),
        ]
    )


# -- one fact ---------------------------------------------------------------------------------------------------------


def direct(sheet, fact):
    use = sheet.use(fact)
    return use.goal, [lines(t) for t in closers(use)]


def compound(sheet, fact):
    use = sheet.use(fact, 0.7)
    return use.goal, [lines(t) for t in closers(use)]


def symmetric(sheet, fact):
    use = sheet.use(fact, 0.4)
    relation = "=" if " ↔ " not in use.goal else "↔"
    left, right = use.sides(relation)
    goal = f"{right} {relation} {left}"
    return goal, [
        lines(f"exact ({use.term}).symm"),
        lines("symm", f"exact {use.term}"),
        *([] if use.given else [lines(f"rw [{fact.name}]")]),
    ]


def in_context(sheet, fact):
    use = plain(sheet, fact, 0.2)
    left, right = use.sides("=")
    around = frame(sheet, sheet.value_sort(left))
    goal = f"{around.format(enclose(left, ' '))} = {around.format(enclose(right, ' '))}"
    return goal, [
        lines(f"rw [{fact.name}]"),
        lines(f"simp only [{fact.name}]"),
        lines(f"simp [{fact.name}]"),
    ]


def under_function(sheet, fact):
    use = sheet.use(fact, 0.3)
    left, right = use.sides("=")
    sort = sheet.value_sort(left)
    refuse_unless(sort.count(" ") < 2 and not sort.startswith("Option"))
    f = sheet.fresh(f"{sort} → Nat")
    goal = f"{f} {enclose(left, ' ')} = {f} {enclose(right, ' ')}"
    rule = use.term.removesuffix(" ..")
    return goal, [
        lines(f"rw [{use.term}]") if use.given else lines(f"rw [{fact.name}]"),
        lines(f"simp only [{rule}]"),
    ]


def in_predicate(sheet, fact):
    use = sheet.use(fact, 0.3)
    left, right = use.sides("=")
    sort = sheet.value_sort(left)
    refuse_unless(sort.count(" ") < 2 and not sort.startswith("Option"))
    p = sheet.fresh(f"{sort} → Prop")
    h = sheet.suppose(f"{p} {enclose(left, ' ')}")
    rule = use.term.removesuffix(" ..")
    return f"{p} {enclose(right, ' ')}", [
        lines(f"rw [{rule}] at {h}", f"exact {h}"),
        lines(f"rw [← {rule}]", f"exact {h}"),
    ]


def use_equation(sheet, fact):
    use = sheet.use(fact, 0.2)
    left, right = use.sides("=")
    sort = sheet.value_sort(left)
    relation = sheet.rng.choice(
        ["=", "=", "≠"] + (["≤", "<", "∣"] if sort in ("Nat", "Int") else [])
    )
    target = sheet.fresh(sort)
    h, rule = sheet.suppose(f"{right} {relation} {target}"), use.term.removesuffix(" ..")
    proofs = [lines(f"rw [{rule}]", f"exact {h}")]
    if relation == "=":
        proofs = [lines(f"exact ({use.term}).trans {h}"), lines(f"rw [{rule}, {h}]"), *proofs]
    return f"{left} {relation} {target}", proofs


def sandwich(sheet, fact):
    use = plain(sheet, fact, 0.1)
    left, right = use.sides("=")
    sort = sheet.value_sort(left)
    one, two = sheet.fresh(sort), sheet.fresh(sort)
    h, k = sheet.suppose(f"{one} = {left}"), sheet.suppose(f"{right} = {two}")
    goal = f"{one} = {two}"
    return goal, [
        lines(f"rw [{h}, {fact.name}, {k}]"),
        lines(f"rw [{h}, {fact.name}]", f"exact {k}"),
        lines(f"exact {h}.trans (({use.term}).trans {k})"),
    ]


def use_iff(sheet, fact):
    use = plain(sheet, fact, 0.25)
    sides = use.sides("↔")
    forward = sheet.rng.random() < 0.5
    given, wanted = sides if forward else sides[::-1]
    h, way, arrow = sheet.suppose(given), "mp" if forward else "mpr", "" if forward else "← "
    whole = enclose(use.term, " ")
    return wanted, [
        lines(f"exact {whole}.{way} {h}"),
        lines(f"rw [{arrow}{fact.name}] at {h}", f"exact {h}"),
        lines(f"apply {whole}.{way}", f"exact {h}"),
    ]


def iff_in_context(sheet, fact):
    use = plain(sheet, fact, 0.2)
    left, right = (enclose(side, CONNECTIVES) for side in use.sides("↔"))
    s = sheet.fresh("Prop")
    around = sheet.rng.choice(["{} ∧ " + s, s + " ∧ {}", "{} ∨ " + s, "{} → " + s, s + " → {}"])
    goal = f"({around.format(left)}) ↔ ({around.format(right)})"
    return goal, [
        lines(f"rw [{fact.name}]"),
        lines(f"simp only [{fact.name}]"),
        lines(f"simp [{fact.name}]"),
    ]


def iff_onward(sheet, fact):
    use = sheet.use(fact, 0.2)
    left, right = use.sides("↔")
    s = sheet.fresh("Prop")
    h = sheet.suppose(f"{enclose(right, CONNECTIVES)} ↔ {s}")
    return f"{enclose(left, CONNECTIVES)} ↔ {s}", [
        lines(f"exact ({use.term}).trans {h}"),
        lines(f"rw [{fact.name}]", f"exact {h}"),
    ]


def implication(sheet, fact):
    use = sheet.use(fact, 0.3)
    refuse_unless(use.given)
    premises, names = list(sheet.hypotheses), " ".join(use.given)
    sheet.hypotheses.clear()
    return (
        " → ".join(enclose(part, "→∀∃↔") for part in (*premises, use.goal)),
        [
            lines(f"intro {names}", f"exact {use.term}"),
            lines(f"exact fun {names} => {use.term}"),
            lines(f"intro {names}", f"apply {fact.name} <;> assumption"),
        ],
    )


def weaken(sheet, fact):
    use = sheet.use(fact, 0.3)
    goal, s = enclose(use.goal, CONNECTIVES), sheet.fresh("Prop")
    if sheet.rng.random() < 0.5:
        return f"{goal} ∨ {s}", [
            lines(f"exact Or.inl ({use.term})"),
            *(lines("left", t) for t in closers(use)),
        ]
    return f"{s} ∨ {goal}", [
        lines(f"exact Or.inr ({use.term})"),
        *(lines("right", t) for t in closers(use)),
    ]


def under_premise(sheet, fact):
    use = sheet.use(fact, 0.3)
    return f"{sheet.fresh('Prop')} → {enclose(use.goal, CONNECTIVES)}", [
        lines("intro h", f"exact {use.term}"),
        lines(f"exact fun _ => {use.term}"),
    ]


def beside(sheet, fact):
    use = sheet.use(fact, 0.3)
    s = sheet.fresh("Prop")
    h, goal = sheet.suppose(s), enclose(use.goal, CONNECTIVES)
    if sheet.rng.random() < 0.5:
        return f"{goal} ∧ {s}", [
            lines(f"exact ⟨{use.term}, {h}⟩"),
            lines("constructor", f"· exact {use.term}", f"· exact {h}"),
        ]
    return f"{s} ∧ {goal}", [
        lines(f"exact ⟨{h}, {use.term}⟩"),
        lines("constructor", f"· exact {h}", f"· exact {use.term}"),
    ]


def packed(sheet, fact):
    refuse_unless(fact.hypotheses)
    last = max(len(fact.hypotheses) - 1, 1)
    use = sheet.use(
        fact,
        0.2,
        given={
            i: "h₁" + ".2" * i + (".1" if i < last else "") for i in range(len(fact.hypotheses))
        },
    )
    premises = [enclose(premise, CONNECTIVES) for premise in use.premises]
    sheet.suppose(" ∧ ".join(premises if len(premises) > 1 else [*premises, sheet.fresh("Prop")]))
    return use.goal, [lines(f"exact {use.term}")]


def contrapositive(sheet, fact):
    use = sheet.use(fact, 0.2)
    refuse_unless(use.given)
    premise = sheet.hypotheses.pop()
    h = sheet.suppose(negated(use.goal))
    renamed = Use(fact, use.goal, (*use.given[:-1], "k"))
    return negated(premise), [
        lines("intro k", f"exact {h} ({renamed.term})"),
        lines(f"exact fun k => {h} ({renamed.term})"),
    ]


def negated(text: str) -> str:
    return f"¬{enclose(text, ' ¬')}" if not text.startswith("¬") else f"¬({text})"


def refute(sheet, fact):
    use = sheet.use(fact, 0.3)
    h = sheet.suppose(negated(use.goal))
    s = sheet.rng.choice(["False", sheet.fresh("Prop")])
    return s, [lines(f"exact {h} ({use.term})")] if s == "False" else [
        lines(f"exact absurd ({use.term}) {h}"),
        lines("exfalso", f"exact {h} ({use.term})"),
    ]


def consequence(sheet, fact):
    use = sheet.use(fact, 0.2)
    s = sheet.fresh("Prop")
    h = sheet.suppose(f"{enclose(use.goal, CONNECTIVES)} → {s}")
    return s, [lines(f"exact {h} ({use.term})"), lines(f"apply {h}", f"exact {use.term}")]


def double_negation(sheet, fact):
    use = sheet.use(fact, 0.2)
    return f"¬{negated(use.goal)}", [
        lines(f"exact fun h => h ({use.term})"),
        lines("intro h", f"exact h ({use.term})"),
    ]


def one_of_two(sheet, fact):
    refuse_unless(fact.hypotheses)
    use = sheet.use(fact, 0.1, given={len(fact.hypotheses) - 1: "h"})
    premise, s = enclose(use.premises[-1], CONNECTIVES), sheet.fresh("Prop")
    h = sheet.suppose(f"{premise} ∨ {s}")
    return f"{enclose(use.goal, CONNECTIVES)} ∨ {s}", [
        lines(f"rcases {h} with h | h", f"· exact Or.inl ({use.term})", "· exact Or.inr h")
    ]


def for_all(sheet, fact):
    use = sheet.use(fact, 0.3)
    free = [
        name
        for name in sheet.numbers(use.goal)
        if not any(re.search(rf"\b{name}\b", text) for text in sheet.hypotheses)
    ]
    refuse_unless(free)
    name = sheet.rng.choice(free)
    goal = f"∀ {name} : {sheet.variables.pop(name)}, {use.goal}"
    return goal, [
        lines(f"intro {name}", f"exact {use.term}"),
        lines(f"exact fun {name} => {use.term}"),
    ]


def for_all_premise(sheet, fact):
    refuse_unless(len(fact.hypotheses) == 1)
    use = sheet.use(fact, 0.2, given={0: "(h₁ x)"})
    (premise,) = use.premises
    name = _shared_number(sheet, premise, use.goal)
    sort = sheet.variables.pop(name)
    sheet.suppose(f"∀ {name} : {sort}, {premise}")
    use = Use(fact, use.goal, (f"(h₁ {name})",))
    return f"∀ {name} : {sort}, {use.goal}", [
        lines(f"intro {name}", f"exact {use.term}"),
        lines(f"exact fun {name} => {use.term}"),
    ]


def from_exists(sheet, fact):
    refuse_unless(len(fact.hypotheses) == 1)
    use = sheet.use(fact, 0.2, given={0: "h"})
    (premise,) = use.premises
    name = _shared_number(sheet, premise, use.goal)
    sort = sheet.variables.pop(name)
    k = sheet.suppose(f"∃ {name} : {sort}, {premise}")
    return f"∃ {name} : {sort}, {use.goal}", [
        lines(f"obtain ⟨{name}, h⟩ := {k}", f"exact ⟨{name}, {use.term}⟩")
    ]


def _shared_number(sheet, premise: str, goal: str) -> str:
    """A number's variable of the premise and the goal."""
    shared = [name for name in sheet.numbers(premise) if name in sheet.numbers(goal)]
    refuse_unless(shared)
    return sheet.rng.choice(shared)


def witness(sheet, fact):
    use = sheet.use(fact, 0.2)
    refuse_unless(sheet.numbers(use.goal) and "∃" not in use.goal)
    name = sheet.rng.choice(sheet.numbers(use.goal))
    new, bound = (
        sheet.fresh(sheet.variables[name]),
        name in " ".join(sheet.hypotheses).replace("(", " ").replace(")", " ").split(),
    )
    at = name if bound else sheet.rng.choice("0123")
    goal = f"∃ {new} : {sheet.variables.pop(new)}, {substitute(use.goal, {name: new})}"
    return goal, [lines(f"exact ⟨{at}, {use.term}⟩"), lines(f"exists {at}", f"exact {use.term}")]


def extensional(sheet, fact):
    use = plain(sheet, fact, 0.1)
    left, right = use.sides("=")
    refuse_unless(sheet.numbers(left))
    name = sheet.rng.choice(sheet.numbers(left))
    goal = f"(fun {name} : {sheet.variables.pop(name)} => {left}) = fun {name} => {right}"
    return goal, [lines(f"funext {name}", f"exact {use.term}"), lines(f"simp only [{fact.name}]")]


def under_sum(sheet, fact):
    use = plain(sheet, fact, 0.1)
    left, right = use.sides("=")
    refuse_unless(sheet.value_sort(left) == "Nat" and sheet.numbers(left))
    name = sheet.rng.choice(sheet.numbers(left))
    refuse_unless(sheet.variables.pop(name) == "Nat")
    n = sheet.fresh("Nat")
    goal = f"sumRange {n} (fun {name} => {left}) = sumRange {n} (fun {name} => {right})"
    return goal, [
        lines(f"simp only [{fact.name}]"),
        lines("congr", f"funext {name}", f"exact {use.term}"),
    ]


def under_map(sheet, fact):
    use = plain(sheet, fact, 0.1)
    left, right = use.sides("=")
    refuse_unless(sheet.value_sort(left) in ("Nat", "Int") and sheet.numbers(left))
    name = sheet.rng.choice(sheet.numbers(left))
    xs = sheet.fresh(f"List {sheet.variables.pop(name)}")
    goal = f"List.map (fun {name} => {left}) {xs} = List.map (fun {name} => {right}) {xs}"
    return goal, [
        lines(f"simp only [{fact.name}]"),
        lines("congr", f"funext {name}", f"exact {use.term}"),
    ]


# -- two facts --------------------------------------------------------------------------------------------------------


def sum_of_two(sheet, one, two):
    (left1, right1), (left2, right2) = (plain(sheet, fact, 0.1).sides("=") for fact in (one, two))
    refuse_unless(sheet.value_sort(left1) == sheet.value_sort(left2) in ("Nat", "Int"))
    sign = sheet.rng.choice("+*")
    left, right = (
        f" {sign} ".join(enclose(side, " ") for side in sides)
        for sides in ((left1, left2), (right1, right2))
    )
    goal = f"{left} = {right}"
    return goal, [
        lines(f"rw [{one.name}, {two.name}]"),
        lines(f"rw [{two.name}, {one.name}]"),
        lines(f"simp [{one.name}, {two.name}]"),
    ]


def both(sheet, one, two):
    use1, use2 = (sheet.use(fact, 0.15) for fact in (one, two))
    halves = zip(closers(use1)[:2], closers(use2)[:2])
    proofs = [
        lines(f"exact ⟨{use1.term}, {use2.term}⟩"),
        *(lines("constructor", f"· {one}", f"· {two}") for one, two in halves),
    ]
    return f"{enclose(use1.goal, CONNECTIVES)} ∧ {enclose(use2.goal, CONNECTIVES)}", proofs


def both_lead_on(sheet, one, two):
    use1, use2 = (sheet.use(fact, 0.1) for fact in (one, two))
    s = sheet.fresh("Prop")
    h = sheet.suppose(
        f"{enclose(use1.goal, CONNECTIVES)} → {enclose(use2.goal, CONNECTIVES)} → {s}"
    )
    return s, [
        lines(f"exact {h} ({use1.term}) ({use2.term})"),
        lines(f"apply {h}", f"· exact {use1.term}", f"· exact {use2.term}"),
    ]


def chain(sheet, one, two):
    """From `left = middle` (first fact) and `left' = middle'` (second), under a hypothesis that joins the middles."""
    (left1, right1), (left2, right2) = (plain(sheet, fact, 0.1).sides("=") for fact in (one, two))
    refuse_unless(sheet.value_sort(left1) == sheet.value_sort(left2))
    h = sheet.suppose(f"{right1} = {right2}")
    goal = f"{left1} = {left2}"
    return goal, [
        lines(f"rw [{one.name}, {h}, {two.name}]"),
        lines(f"rw [{one.name}, {two.name}]", f"exact {h}"),
        lines(f"rw [{one.name}, {two.name}, {h}]"),
    ]


def choice(sheet, one, two):
    use1, use2 = (sheet.use(fact, 0.0) for fact in (one, two))
    s, t = sheet.fresh("Prop"), sheet.fresh("Prop")
    h = sheet.suppose(f"{s} ∨ {t}")
    goal = f"({s} ∧ {enclose(use1.goal, CONNECTIVES)}) ∨ ({t} ∧ {enclose(use2.goal, CONNECTIVES)})"
    return goal, [
        lines(
            f"rcases {h} with h | h",
            f"· exact Or.inl ⟨h, {use1.term}⟩",
            f"· exact Or.inr ⟨h, {use2.term}⟩",
        )
    ]


def composed(sheet, one, two):
    """The first fact's conclusion is a premise of the second."""
    refuse_unless(two.hypotheses)
    use = _onto(sheet, two, sheet.use(one, 0.1))
    rest = " <;> first | assumption | " if len(use.given) > 1 else "\n  "
    return use.goal, [
        lines(f"exact {use.term}"),
        lines(f"apply {two.name}{rest}exact {one.name} .."),
    ]


def fitted(sheet, fact: Fact, pattern: str, text: str) -> dict[str, str] | None:
    """The terms at which a part of the fact reads as the text, of the right sorts as far as variables show; None where there are none."""
    terms = matched(pattern, {name for name, _ in fact.variables}, text)
    return (
        terms
        if terms
        and all(sheet.may_be(sort, terms[name]) for name, sort in fact.variables if name in terms)
        else None
    )


def _onto(sheet, fact: Fact, use: Use, proof: str | None = None) -> Use:
    """The fact with one of its premises proved by the other fact's conclusion."""
    fits = [
        (index, terms)
        for index, premise in enumerate(fact.hypotheses)
        if (terms := fitted(sheet, fact, premise, use.goal))
    ]
    refuse_unless(fits)
    index, terms = sheet.rng.choice(fits)
    return sheet.use(fact, 0.0, terms=terms, given={index: f"({proof or use.term})"})


def from_iff(sheet, one, two):
    """One side of the first fact, an iff, is supposed; the other side is a premise of the second."""
    refuse_unless(two.hypotheses)
    use = plain(sheet, one, 0.1)
    sides = use.sides("↔")
    forward = sheet.rng.random() < 0.5
    given, found = sides if forward else sides[::-1]
    h = sheet.suppose(given)
    last = _onto(
        sheet, two, Use(one, found), f"{enclose(use.term, ' ')}.{'mp' if forward else 'mpr'} {h}"
    )
    return last.goal, [lines(f"exact {last.term}")]


def into_iff(sheet, one, two):
    """The first fact's conclusion is one side of the second, an iff; the goal is the other."""
    refuse_unless(not two.hypotheses)
    pattern, use = Use(two, two.conclusion).sides("↔"), sheet.use(one, 0.1)
    forward = sheet.rng.random() < 0.5
    terms = fitted(sheet, two, pattern[0 if forward else 1], use.goal)
    refuse_unless(terms)
    last = sheet.use(two, 0.0, terms=terms)
    way = "mp" if forward else "mpr"
    whole = f"{enclose(last.term, ' ')}.{way}"
    return last.sides("↔")[1 if forward else 0], [
        lines(f"exact {whole} ({use.term})"),
        lines(f"apply {whole}", f"exact {use.term}"),
    ]


def two_steps(sheet, one, two):
    """The first fact turns one term into another, the second this one into a third."""
    refuse_unless(not two.hypotheses)
    pattern = Use(two, two.conclusion).sides("=")[0]
    use = plain(sheet, one, 0.2)
    left, middle = use.sides("=")
    terms = fitted(sheet, two, pattern, middle)
    refuse_unless(terms)
    last = sheet.use(two, 0.0, terms=terms)
    refuse_unless(last.sides("=")[1] != left)
    return f"{left} = {last.sides('=')[1]}", [
        lines(f"rw [{one.name}, {two.name}]"),
        lines(f"exact ({use.term}).trans ({last.term})"),
    ]


# -- three facts ------------------------------------------------------------------------------------------------------


def three(sheet, one, two, last):
    uses = [sheet.use(fact, 0.0) for fact in (one, two, last)]
    return " ∧ ".join(enclose(use.goal, CONNECTIVES) for use in uses), [
        lines(f"exact ⟨{', '.join(use.term for use in uses)}⟩")
    ]


def composed_twice(sheet, one, two, last):
    """Each fact's conclusion is a premise of the next."""
    refuse_unless(two.hypotheses and last.hypotheses)
    use = _onto(sheet, last, _onto(sheet, two, sheet.use(one, 0.0)))
    return use.goal, [lines(f"exact {use.term}")]


def composed_beside(sheet, one, two, last):
    """Of two facts one follows from the other; the third stands beside."""
    refuse_unless(two.hypotheses)
    use, other = _onto(sheet, two, sheet.use(one, 0.0)), sheet.use(last, 0.0)
    return f"{enclose(use.goal, CONNECTIVES)} ∧ {enclose(other.goal, CONNECTIVES)}", [
        lines(f"exact ⟨{use.term}, {other.term}⟩")
    ]


FAMILIES = {
    f.__name__: f
    for f in (
        direct, compound, symmetric, in_context, under_function, in_predicate, use_equation, sandwich, use_iff, iff_in_context, iff_onward,
        implication, weaken, under_premise, beside, packed, contrapositive, refute, consequence, double_negation, one_of_two, for_all,
        for_all_premise, from_exists, witness, extensional, under_sum, under_map, sum_of_two, both, both_lead_on, chain, choice, composed,
        from_iff, into_iff, two_steps, three, composed_twice, composed_beside,
    )
}  # fmt: skip
FACTS = {
    name: len(inspect.signature(f).parameters) - 1 for name, f in FAMILIES.items()
}  # how many facts a family takes
