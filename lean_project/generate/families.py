"""Families of theorems: each builds a statement and proofs around one, two or three facts.

A family is a function of a sheet and its facts; it returns the goal and tactic proofs. One that the
facts do not fit raises LookupError. Nothing here is trusted: Lean decides what is kept.
"""

from __future__ import annotations

import inspect
import random
import re
import textwrap
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
    """One candidate of a family from as many facts as it takes; None where they do not fit."""
    sheet = Sheet(rng)
    try:
        goal, proofs = FAMILIES[family](sheet, *facts)
    except LookupError:
        return None
    proofs = tuple(textwrap.indent(f"\n{proof}", "  ") for proof in dict.fromkeys(proofs))
    return Draft(family, sheet.statement(goal), proofs, tuple(dict.fromkeys(sheet.lemmas)))


def enclose(text: str, signs: str) -> str:
    """The text in parentheses where one of the signs occurs in it.

    Example: enclose("a + b", " ") gives "(a + b)".
    """
    return f"({text})" if re.search(f"[{signs}]", text) else text


def part(use: Use) -> str:
    """The goal as a part of a larger one."""
    return enclose(use.goal, CONNECTIVES)


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
    number = str(sheet.rng.randint(1, 9))
    frames = ["{} + " + other, other + " + {}", "{} * " + other, other + " * {}", "{} + " + number]
    return sheet.rng.choice(frames)


# -- one fact --------------------------------------------------------------------------------------


def direct(sheet, fact):
    use = sheet.use(fact)
    return use.goal, closers(use)


def compound(sheet, fact):
    use = sheet.use(fact, 0.7)
    return use.goal, closers(use)


def symmetric(sheet, fact):
    use = sheet.use(fact, 0.4)
    relation = "=" if " ↔ " not in use.goal else "↔"
    left, right = use.sides(relation)
    goal = f"{right} {relation} {left}"
    return goal, [
        f"exact ({use.term}).symm",
        f"symm\nexact {use.term}",
        *([] if use.given else [f"rw [{fact.name}]"]),
    ]


def in_context(sheet, fact):
    use = plain(sheet, fact, 0.2)
    left, right = use.sides("=")
    around = frame(sheet, sheet.value_sort(left))
    goal = f"{around.format(enclose(left, ' '))} = {around.format(enclose(right, ' '))}"
    return goal, [f"rw [{fact.name}]", f"simp only [{fact.name}]", f"simp [{fact.name}]"]


def under_function(sheet, fact):
    use = sheet.use(fact, 0.3)
    left, right = use.sides("=")
    sort = sheet.value_sort(left)
    refuse_unless(sort.count(" ") < 2 and not sort.startswith("Option"))
    f = sheet.fresh(f"{sort} → Nat")
    goal = f"{f} {enclose(left, ' ')} = {f} {enclose(right, ' ')}"
    rule = use.term.removesuffix(" ..")
    return goal, [f"rw [{use.term}]" if use.given else f"rw [{fact.name}]", f"simp only [{rule}]"]


def in_predicate(sheet, fact):
    use = sheet.use(fact, 0.3)
    left, right = use.sides("=")
    sort = sheet.value_sort(left)
    refuse_unless(sort.count(" ") < 2 and not sort.startswith("Option"))
    p = sheet.fresh(f"{sort} → Prop")
    h = sheet.suppose(f"{p} {enclose(left, ' ')}")
    rule = use.term.removesuffix(" ..")
    return f"{p} {enclose(right, ' ')}", [
        f"rw [{rule}] at {h}\nexact {h}",
        f"rw [← {rule}]\nexact {h}",
    ]


def use_equation(sheet, fact):
    use = sheet.use(fact, 0.2)
    left, right = use.sides("=")
    sort = sheet.value_sort(left)
    orders = ["≤", "<", "∣"] if sort in ("Nat", "Int") else []
    relation = sheet.rng.choice(["=", "=", "≠", *orders])
    target = sheet.fresh(sort)
    h, rule = sheet.suppose(f"{right} {relation} {target}"), use.term.removesuffix(" ..")
    proofs = [f"rw [{rule}]\nexact {h}"]
    if relation == "=":
        proofs = [f"exact ({use.term}).trans {h}", f"rw [{rule}, {h}]", *proofs]
    return f"{left} {relation} {target}", proofs


def sandwich(sheet, fact):
    use = plain(sheet, fact, 0.1)
    left, right = use.sides("=")
    sort = sheet.value_sort(left)
    one, two = sheet.fresh(sort), sheet.fresh(sort)
    h, k = sheet.suppose(f"{one} = {left}"), sheet.suppose(f"{right} = {two}")
    goal = f"{one} = {two}"
    return goal, [
        f"rw [{h}, {fact.name}, {k}]",
        f"rw [{h}, {fact.name}]\nexact {k}",
        f"exact {h}.trans (({use.term}).trans {k})",
    ]


def use_iff(sheet, fact):
    use = plain(sheet, fact, 0.25)
    sides = use.sides("↔")
    forward = sheet.rng.random() < 0.5
    given, wanted = sides if forward else sides[::-1]
    h, way, arrow = sheet.suppose(given), "mp" if forward else "mpr", "" if forward else "← "
    whole = enclose(use.term, " ")
    return wanted, [
        f"exact {whole}.{way} {h}",
        f"rw [{arrow}{fact.name}] at {h}\nexact {h}",
        f"apply {whole}.{way}\nexact {h}",
    ]


def iff_in_context(sheet, fact):
    use = plain(sheet, fact, 0.2)
    left, right = (enclose(side, CONNECTIVES) for side in use.sides("↔"))
    s = sheet.fresh("Prop")
    around = sheet.rng.choice(["{} ∧ " + s, s + " ∧ {}", "{} ∨ " + s, "{} → " + s, s + " → {}"])
    goal = f"({around.format(left)}) ↔ ({around.format(right)})"
    return goal, [f"rw [{fact.name}]", f"simp only [{fact.name}]", f"simp [{fact.name}]"]


def iff_onward(sheet, fact):
    use = sheet.use(fact, 0.2)
    left, right = use.sides("↔")
    s = sheet.fresh("Prop")
    h = sheet.suppose(f"{enclose(right, CONNECTIVES)} ↔ {s}")
    return f"{enclose(left, CONNECTIVES)} ↔ {s}", [
        f"exact ({use.term}).trans {h}",
        f"rw [{fact.name}]\nexact {h}",
    ]


def implication(sheet, fact):
    use = sheet.use(fact, 0.3)
    refuse_unless(use.given)
    premises, names = list(sheet.hypotheses), " ".join(use.given)
    sheet.hypotheses.clear()
    return (
        " → ".join(enclose(part, "→∀∃↔") for part in (*premises, use.goal)),
        [
            f"intro {names}\nexact {use.term}",
            f"exact fun {names} => {use.term}",
            f"intro {names}\napply {fact.name} <;> assumption",
        ],
    )


def weaken(sheet, fact):
    use = sheet.use(fact, 0.3)
    goal, s = part(use), sheet.fresh("Prop")
    if sheet.rng.random() < 0.5:
        return f"{goal} ∨ {s}", [
            f"exact Or.inl ({use.term})",
            *(f"left\n{t}" for t in closers(use)),
        ]
    return f"{s} ∨ {goal}", [f"exact Or.inr ({use.term})", *(f"right\n{t}" for t in closers(use))]


def under_premise(sheet, fact):
    use = sheet.use(fact, 0.3)
    return f"{sheet.fresh('Prop')} → {part(use)}", [
        f"intro h\nexact {use.term}",
        f"exact fun _ => {use.term}",
    ]


def beside(sheet, fact):
    use = sheet.use(fact, 0.3)
    s = sheet.fresh("Prop")
    h, goal = sheet.suppose(s), part(use)
    if sheet.rng.random() < 0.5:
        return f"{goal} ∧ {s}", [
            f"exact ⟨{use.term}, {h}⟩",
            f"constructor\n· exact {use.term}\n· exact {h}",
        ]
    return f"{s} ∧ {goal}", [
        f"exact ⟨{h}, {use.term}⟩",
        f"constructor\n· exact {h}\n· exact {use.term}",
    ]


def packed(sheet, fact):
    refuse_unless(fact.hypotheses)
    last = max(len(fact.hypotheses) - 1, 1)
    count = len(fact.hypotheses)
    given = {i: "h₁" + ".2" * i + (".1" if i < last else "") for i in range(count)}
    use = sheet.use(fact, 0.2, given=given)
    premises = [enclose(premise, CONNECTIVES) for premise in use.premises]
    sheet.suppose(" ∧ ".join(premises if len(premises) > 1 else [*premises, sheet.fresh("Prop")]))
    return use.goal, [f"exact {use.term}"]


def contrapositive(sheet, fact):
    use = sheet.use(fact, 0.2)
    refuse_unless(use.given)
    premise = sheet.hypotheses.pop()
    h = sheet.suppose(negated(use.goal))
    renamed = Use(fact, use.goal, (*use.given[:-1], "k"))
    return negated(premise), [
        f"intro k\nexact {h} ({renamed.term})",
        f"exact fun k => {h} ({renamed.term})",
    ]


def negated(text: str) -> str:
    return f"¬{enclose(text, ' ¬')}" if not text.startswith("¬") else f"¬({text})"


def refute(sheet, fact):
    use = sheet.use(fact, 0.3)
    h = sheet.suppose(negated(use.goal))
    s = sheet.rng.choice(["False", sheet.fresh("Prop")])
    return s, [f"exact {h} ({use.term})"] if s == "False" else [
        f"exact absurd ({use.term}) {h}",
        f"exfalso\nexact {h} ({use.term})",
    ]


def consequence(sheet, fact):
    use = sheet.use(fact, 0.2)
    s = sheet.fresh("Prop")
    h = sheet.suppose(f"{part(use)} → {s}")
    return s, [f"exact {h} ({use.term})", f"apply {h}\nexact {use.term}"]


def double_negation(sheet, fact):
    use = sheet.use(fact, 0.2)
    return f"¬{negated(use.goal)}", [
        f"exact fun h => h ({use.term})",
        f"intro h\nexact h ({use.term})",
    ]


def one_of_two(sheet, fact):
    refuse_unless(fact.hypotheses)
    use = sheet.use(fact, 0.1, given={len(fact.hypotheses) - 1: "h"})
    premise, s = enclose(use.premises[-1], CONNECTIVES), sheet.fresh("Prop")
    h = sheet.suppose(f"{premise} ∨ {s}")
    return f"{part(use)} ∨ {s}", [
        f"rcases {h} with h | h\n· exact Or.inl ({use.term})\n· exact Or.inr h"
    ]


def for_all(sheet, fact):
    use = sheet.use(fact, 0.3)
    supposed = " ".join(sheet.hypotheses)
    numbers = sheet.numbers(use.goal)
    free = [name for name in numbers if not re.search(rf"\b{name}\b", supposed)]
    refuse_unless(free)
    name = sheet.rng.choice(free)
    goal = f"∀ {name} : {sheet.variables.pop(name)}, {use.goal}"
    return goal, [f"intro {name}\nexact {use.term}", f"exact fun {name} => {use.term}"]


def for_all_premise(sheet, fact):
    refuse_unless(len(fact.hypotheses) == 1)
    use = sheet.use(fact, 0.2, given={0: "(h₁ x)"})
    (premise,) = use.premises
    name = _shared_number(sheet, premise, use.goal)
    sort = sheet.variables.pop(name)
    sheet.suppose(f"∀ {name} : {sort}, {premise}")
    use = Use(fact, use.goal, (f"(h₁ {name})",))
    return f"∀ {name} : {sort}, {use.goal}", [
        f"intro {name}\nexact {use.term}",
        f"exact fun {name} => {use.term}",
    ]


def from_exists(sheet, fact):
    refuse_unless(len(fact.hypotheses) == 1)
    use = sheet.use(fact, 0.2, given={0: "h"})
    (premise,) = use.premises
    name = _shared_number(sheet, premise, use.goal)
    sort = sheet.variables.pop(name)
    k = sheet.suppose(f"∃ {name} : {sort}, {premise}")
    return f"∃ {name} : {sort}, {use.goal}", [
        f"obtain ⟨{name}, h⟩ := {k}\nexact ⟨{name}, {use.term}⟩"
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
    new = sheet.fresh(sheet.variables[name])
    words = re.split(r"[()\s]+", " ".join(sheet.hypotheses))
    at = name if name in words else sheet.rng.choice("0123")
    goal = f"∃ {new} : {sheet.variables.pop(new)}, {substitute(use.goal, {name: new})}"
    return goal, [f"exact ⟨{at}, {use.term}⟩", f"exists {at}\nexact {use.term}"]


def extensional(sheet, fact):
    use = plain(sheet, fact, 0.1)
    left, right = use.sides("=")
    refuse_unless(sheet.numbers(left))
    name = sheet.rng.choice(sheet.numbers(left))
    goal = f"(fun {name} : {sheet.variables.pop(name)} => {left}) = fun {name} => {right}"
    return goal, [f"funext {name}\nexact {use.term}", f"simp only [{fact.name}]"]


def under_sum(sheet, fact):
    use = plain(sheet, fact, 0.1)
    left, right = use.sides("=")
    refuse_unless(sheet.value_sort(left) == "Nat" and sheet.numbers(left))
    name = sheet.rng.choice(sheet.numbers(left))
    refuse_unless(sheet.variables.pop(name) == "Nat")
    n = sheet.fresh("Nat")
    goal = f"sumRange {n} (fun {name} => {left}) = sumRange {n} (fun {name} => {right})"
    return goal, [f"simp only [{fact.name}]", f"congr\nfunext {name}\nexact {use.term}"]


def under_map(sheet, fact):
    use = plain(sheet, fact, 0.1)
    left, right = use.sides("=")
    refuse_unless(sheet.value_sort(left) in ("Nat", "Int") and sheet.numbers(left))
    name = sheet.rng.choice(sheet.numbers(left))
    xs = sheet.fresh(f"List {sheet.variables.pop(name)}")
    goal = f"List.map (fun {name} => {left}) {xs} = List.map (fun {name} => {right}) {xs}"
    return goal, [f"simp only [{fact.name}]", f"congr\nfunext {name}\nexact {use.term}"]


# -- two facts -------------------------------------------------------------------------------------


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
        f"rw [{one.name}, {two.name}]",
        f"rw [{two.name}, {one.name}]",
        f"simp [{one.name}, {two.name}]",
    ]


def both(sheet, one, two):
    use1, use2 = (sheet.use(fact, 0.15) for fact in (one, two))
    halves = zip(closers(use1)[:2], closers(use2)[:2], strict=True)
    proofs = [
        f"exact ⟨{use1.term}, {use2.term}⟩",
        *(f"constructor\n· {one}\n· {two}" for one, two in halves),
    ]
    return f"{part(use1)} ∧ {part(use2)}", proofs


def both_lead_on(sheet, one, two):
    use1, use2 = (sheet.use(fact, 0.1) for fact in (one, two))
    s = sheet.fresh("Prop")
    h = sheet.suppose(f"{part(use1)} → {part(use2)} → {s}")
    return s, [
        f"exact {h} ({use1.term}) ({use2.term})",
        f"apply {h}\n· exact {use1.term}\n· exact {use2.term}",
    ]


def chain(sheet, one, two):
    """A hypothesis joins the right sides of two equations; the goal joins their left sides."""
    (left1, right1), (left2, right2) = (plain(sheet, fact, 0.1).sides("=") for fact in (one, two))
    refuse_unless(sheet.value_sort(left1) == sheet.value_sort(left2))
    h = sheet.suppose(f"{right1} = {right2}")
    goal = f"{left1} = {left2}"
    return goal, [
        f"rw [{one.name}, {h}, {two.name}]",
        f"rw [{one.name}, {two.name}]\nexact {h}",
        f"rw [{one.name}, {two.name}, {h}]",
    ]


def choice(sheet, one, two):
    use1, use2 = (sheet.use(fact, 0.0) for fact in (one, two))
    s, t = sheet.fresh("Prop"), sheet.fresh("Prop")
    h = sheet.suppose(f"{s} ∨ {t}")
    goal = f"({s} ∧ {part(use1)}) ∨ ({t} ∧ {part(use2)})"
    return goal, [
        f"rcases {h} with h | h\n· exact Or.inl ⟨h, {use1.term}⟩\n· exact Or.inr ⟨h, {use2.term}⟩"
    ]


def composed(sheet, one, two):
    """The first fact's conclusion is a premise of the second."""
    refuse_unless(two.hypotheses)
    use = _onto(sheet, two, sheet.use(one, 0.1))
    rest = " <;> first | assumption | " if len(use.given) > 1 else "\n"
    return use.goal, [f"exact {use.term}", f"apply {two.name}{rest}exact {one.name} .."]


def fitted(sheet, fact: Fact, pattern: str, text: str) -> dict[str, str] | None:
    """The terms at which a part of the fact reads as the text, or None.

    Their sorts are right as far as variables show.
    """
    terms = matched(pattern, {name for name, _ in fact.variables}, text) or {}
    chosen = [(sort, terms[name]) for name, sort in fact.variables if name in terms]
    return terms if terms and all(sheet.may_be(*pair) for pair in chosen) else None


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
    """One side of the first fact, an iff, is supposed; the other is a premise of the second."""
    refuse_unless(two.hypotheses)
    use = plain(sheet, one, 0.1)
    sides = use.sides("↔")
    forward = sheet.rng.random() < 0.5
    given, other = sides if forward else sides[::-1]
    h, way = sheet.suppose(given), "mp" if forward else "mpr"
    last = _onto(sheet, two, Use(one, other), f"{enclose(use.term, ' ')}.{way} {h}")
    return last.goal, [f"exact {last.term}"]


def into_iff(sheet, one, two):
    """The first fact's conclusion is one side of the second, an iff; the goal is the other."""
    refuse_unless(not two.hypotheses)
    pattern, use = Use(two, two.conclusion).sides("↔"), sheet.use(one, 0.1)
    forward = sheet.rng.random() < 0.5
    terms = fitted(sheet, two, pattern[0 if forward else 1], use.goal)
    refuse_unless(terms)
    last = sheet.use(two, 0.0, terms=terms)
    whole = f"{enclose(last.term, ' ')}.{'mp' if forward else 'mpr'}"
    return last.sides("↔")[1 if forward else 0], [
        f"exact {whole} ({use.term})",
        f"apply {whole}\nexact {use.term}",
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
        f"rw [{one.name}, {two.name}]",
        f"exact ({use.term}).trans ({last.term})",
    ]


# -- three facts -----------------------------------------------------------------------------------


def three(sheet, one, two, last):
    uses = [sheet.use(fact, 0.0) for fact in (one, two, last)]
    return " ∧ ".join(part(use) for use in uses), [f"exact ⟨{', '.join(use.term for use in uses)}⟩"]


def composed_twice(sheet, one, two, last):
    """Each fact's conclusion is a premise of the next."""
    refuse_unless(two.hypotheses and last.hypotheses)
    use = _onto(sheet, last, _onto(sheet, two, sheet.use(one, 0.0)))
    return use.goal, [f"exact {use.term}"]


def composed_beside(sheet, one, two, last):
    """Of two facts one follows from the other; the third stands beside."""
    refuse_unless(two.hypotheses)
    use, other = _onto(sheet, two, sheet.use(one, 0.0)), sheet.use(last, 0.0)
    return f"{part(use)} ∧ {part(other)}", [f"exact ⟨{use.term}, {other.term}⟩"]


NAMES = (
    "direct compound symmetric in_context under_function in_predicate use_equation sandwich "
    "use_iff iff_in_context iff_onward implication weaken under_premise beside packed "
    "contrapositive refute consequence double_negation one_of_two for_all for_all_premise "
    "from_exists witness extensional under_sum under_map sum_of_two both both_lead_on chain "
    "choice composed from_iff into_iff two_steps three composed_twice composed_beside"
)
FAMILIES = {name: globals()[name] for name in NAMES.split()}
# How many facts a family takes.
FACTS = {name: len(inspect.signature(f).parameters) - 1 for name, f in FAMILIES.items()}
