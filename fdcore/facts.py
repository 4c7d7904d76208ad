"""Generate theorems from the library's own facts: each library theorem is a lemma that some problem needs.

The library is the single source of truth: a fact's type, as Lean prints it, is parsed, its variables are replaced by small
terms, and families (in context, chained, conjoined, under hypotheses …) build a statement and several proofs around it.
Nothing here is trusted: a statement or a proof counts only after Lean has accepted it (`fdcore.problems`).

Left out on purpose: facts about instances, dependent binders, or sorts that are not listed in POOLS.
"""
from __future__ import annotations

import itertools
import random
import re
from dataclasses import dataclass, field

# Names a problem's variables may have, by the sort as Lean prints it.
POOLS = {
    "Type": ["α", "β", "γ"],
    "Nat": ["a", "b", "c", "d", "m", "n", "k", "x", "y", "z"],
    "Prop": ["p", "q", "r", "s"],
    "List": ["xs", "ys", "zs", "ws"],
    "element": ["u", "v", "w"],
    "function": ["f", "g", "h"],
    "predicate": ["P", "Q", "R"],
    "Bool": ["s", "t"],
    "Option": ["o", "o'"],
}
IDENTIFIER = re.compile(r"(?<![\w.'✝₀-₉])([A-Za-zα-ωΑ-Ω_][\w'✝₀-₉]*)(?![\w'✝₀-₉]|\.\w)")
CONNECTIVES = "→∀∃↔∧∨"
RELATIONS = re.compile(r"[=≤<≥>≠∣∧∨¬↔∈∃∀]|Injective|Surjective|Even|Odd|\bTrue\b|\bFalse\b")


@dataclass(frozen=True)
class Fact:
    """A library theorem, parsed: `variables` are (name, sort), `hypotheses` and `conclusion` are Lean text."""

    name: str
    variables: tuple[tuple[str, str], ...]
    explicit: int  # number of explicit arguments, hypotheses included
    hypotheses: tuple[str, ...]
    conclusion: str


def split_arrows(text: str) -> list[str]:
    """Split at top-level arrows: 'a ≤ b → ¬(p → q) → c' gives ['a ≤ b', '¬(p → q)', 'c']."""
    parts, depth, start, i = [], 0, 0, 0
    while i < len(text):
        char = text[i]
        if char in "([{⟨":
            depth += 1
        elif char in ")]}⟩":
            depth -= 1
        elif depth == 0 and text[i:].startswith(("∀ ", "∃ ", "fun ", "∃! ")):
            break  # a binder takes everything to its right
        elif depth == 0 and char == "→":
            parts.append(text[start:i].strip())
            start = i + 1
        i += 1
    return [*parts, text[start:].strip()]


def split_relation(text: str, relation: str) -> tuple[str, str] | None:
    """The two sides of a top-level ` = ` or ` ↔ `, or None. Binders and lower connectives at the top refuse the split."""
    depth, hits = 0, []
    for i, char in enumerate(text):
        if char in "([{⟨":
            depth += 1
        elif char in ")]}⟩":
            depth -= 1
        elif depth == 0 and char in "∀∃λ":
            return None
        elif depth == 0 and text.startswith(f" {relation} ", i):
            hits.append(i)
        elif depth == 0 and relation == "=" and (char in "∧∨→↔≤<≥>∣" or text.startswith(("¬", "≠"), i)):
            return None
    if len(hits) != 1:
        return None
    return text[: hits[0]].strip(), text[hits[0] + len(relation) + 2 :].strip()


def parse_fact(name: str, printed: str) -> Fact | None:
    """A fact from its printed type, or None when it lies outside what the generator handles."""
    variables, hypotheses, explicit, text = [], [], 0, " ".join(printed.split())
    while text.startswith("∀ "):
        text = text[2:].strip()
        while text and text[0] in "({[⦃":
            depth = 0
            for end, char in enumerate(text):
                depth += (char in "({[⦃") - (char in ")}]⦄")
                if depth == 0:
                    break
            group, text, opening = text[1:end], text[end + 1 :].strip(), text[0]
            if opening == "[" or ":" not in group:
                return None
            names, kind = (part.strip() for part in group.split(":", 1))
            kind = re.sub(r"^(Type|Sort)\b.*", "Type", kind)
            if RELATIONS.search(kind) and kind not in ("Prop",):
                hypotheses.extend([kind] * len(names.split()))
            else:
                variables.extend((variable, kind) for variable in names.split())
            explicit += len(names.split()) * (opening == "(")
        if not text.startswith(","):
            return None
        text = text[1:].strip()
    *premises, conclusion = split_arrows(text)
    if "✝" in printed or any(pool_of(kind) is None for _, kind in variables):
        return None
    if any(not RELATIONS.search(p) and p not in dict(variables) for p in premises):
        return None
    return Fact(name, tuple(variables), explicit + len(premises), (*hypotheses, *premises), conclusion)


def pool_of(sort: str) -> str | None:
    """The key of POOLS for a sort as Lean prints it, or None."""
    if sort in ("Type", "Nat", "Prop", "Bool"):
        return sort
    if re.fullmatch(r"List (\w+|\(.*\))", sort):
        return "List"
    if re.fullmatch(r"Option \w+", sort):
        return "Option"
    if re.fullmatch(r"(\w+) → Prop", sort):
        return "predicate"
    if re.fullmatch(r"\w+ → \w+( → \w+)?", sort):
        return "function"
    return "element" if re.fullmatch(r"[α-ω]", sort) else None


def substitute(text: str, terms: dict[str, str]) -> str:
    """Replace variables by terms, in parentheses where a term is not atomic."""
    def term(match: re.Match) -> str:
        new = terms.get(match[1])
        if new is None:
            return match[1]
        return new if re.fullmatch(r"[\w'₀-₉]+|\[\]", new) else f"({new})"

    return tidy(IDENTIFIER.sub(term, text))


def tidy(text: str) -> str:
    """Drop parentheses round a term that stands whole on a side of a relation: '(a + b) = c' gives 'a + b = c'."""
    return re.sub(r"(^|[=≤<≥>∣≠∧∨→↔] |[(])\(([^()=≤<≥>∣≠∧∨→↔¬∀∃,:]*)\)(?=$| [=≤<≥>∣≠∧∨→↔]|\))", r"\1\2", text)


@dataclass
class Sheet:
    """The variables, hypotheses and lemmas of a problem under construction."""

    rng: random.Random
    variables: dict[str, str] = field(default_factory=dict)  # name -> sort
    hypotheses: list[str] = field(default_factory=list)
    lemmas: list[str] = field(default_factory=list)

    def fresh(self, sort: str, reuse: float = 0.0) -> str:
        """A variable of that sort: an old one with probability `reuse`, else a new name from the sort's pool."""
        old = [name for name, kind in self.variables.items() if kind == sort]
        if old and self.rng.random() < reuse:
            return self.rng.choice(old)
        free = [name for name in POOLS[pool_of(sort)] if name not in self.variables]
        if not free:
            if not old:
                raise LookupError(sort)
            return self.rng.choice(old)
        name = self.rng.choice(free)
        self.variables[name] = sort
        return name

    def term(self, sort: str, compound: float) -> str:
        """A term of that sort: mostly a variable; with probability `compound` a small compound term."""
        if sort not in ("Type", "Nat", "Prop") and not sort.startswith("List "):
            return self.fresh(sort)
        if sort == "Type" or self.rng.random() >= compound:
            return self.fresh(sort, reuse=0.15 if sort != "Type" else 0.0)
        one, two = self.fresh(sort, reuse=0.3), self.fresh(sort, reuse=0.3)
        if sort == "Nat":
            return self.rng.choice([f"{one} + {two}", f"{one} * {two}", f"{one} + {self.rng.randint(1, 5)}", f"{self.rng.randint(2, 5)} * {one}", f"{one} + {two}"])
        if sort == "Prop":
            return self.rng.choice([f"{one} ∧ {two}", f"{one} ∨ {two}", f"¬{one}", f"{one} → {two}"])
        return f"{one} ++ {two}"

    def instance(self, fact: Fact, compound: float) -> tuple[str, list[str]]:
        """Instantiate a fact. Returns (conclusion, names of the hypotheses added for its premises)."""
        terms: dict[str, str] = {}
        for variable, sort in fact.variables:
            sort = re.sub(r"[α-ω]", lambda m: terms.get(m[0], m[0]), sort)
            if sort == "Type":
                types = [n for n, s in self.variables.items() if s == "Type" and n not in terms.values()]
                terms[variable] = types[0] if types else self.fresh("Type")
            else:
                terms[variable] = self.term(sort, compound)
        names = []
        for premise in fact.hypotheses:
            self.hypotheses.append(substitute(premise, terms))
            names.append(self.label(len(self.hypotheses)))
        self.lemmas.append(fact.name)
        return substitute(fact.conclusion, terms), names

    @staticmethod
    def label(index: int) -> str:
        return "h" + "".join("₀₁₂₃₄₅₆₇₈₉"[int(digit)] for digit in str(index))

    def statement(self, goal: str) -> str:
        """`theorem thm {types} (variables) (hypotheses) : goal := by`"""
        parts = []
        for sort in dict.fromkeys(sorted(self.variables.values(), key=lambda s: (s != "Type", "→" in s, s))):
            names = " ".join(name for name, kind in self.variables.items() if kind == sort)
            parts.append(f"{{{names} : Type}}" if sort == "Type" else f"({names} : {sort})")
        parts += [f"({self.label(i)} : {text})" for i, text in enumerate(self.hypotheses, 1)]
        return f"theorem thm {' '.join(parts)} : {tidy(goal)} := by".replace("  ", " ")


@dataclass(frozen=True)
class Draft:
    """A candidate problem: unchecked statement, unchecked proofs, the lemmas they name."""

    family: str
    tier: int
    statement: str
    proofs: tuple[str, ...]
    lemmas: tuple[str, ...]


def arguments(fact: Fact, names: list[str]) -> str:
    """Explicit arguments for `exact`: `..` where Lean finds all of them; else underscores for variables, then the hypotheses' names."""
    if not names:
        return " .." if fact.explicit else ""
    return "".join([" _"] * (fact.explicit - len(names)) + [f" {name}" for name in names])


def closers(fact: Fact, names: list[str], goal: str) -> list[str]:
    """Tactics that close a goal which is an instance of the fact."""
    exact = f"exact {fact.name}{arguments(fact, names)}"
    if names:
        return [exact, f"apply {fact.name} <;> assumption"]
    rewriting = [f"rw [{fact.name}]", f"simp [{fact.name}]"] if split_relation(goal, "=") else []
    return [exact, f"apply {fact.name}", *rewriting]


def enclose(text: str, signs: str) -> str:
    """The text in parentheses where one of the signs occurs in it: enclose("a + b", " ") gives "(a + b)"."""
    return f"({text})" if re.search(f"[{signs}]", text) else text


def lines(*tactics: str) -> str:
    return "".join(f"\n  {tactic}" for tactic in tactics)


def draft(facts: list[Fact], family: str, rng: random.Random) -> Draft | None:
    """One candidate of a family from the given facts (as many as the family takes), or None where they do not fit."""
    sheet = Sheet(rng)
    try:
        return FAMILIES[family](sheet, facts)
    except LookupError:
        return None


def made(sheet: Sheet, family: str, tier: int, goal: str, proofs: list[str]) -> Draft:
    return Draft(family, tier, sheet.statement(goal), tuple(dict.fromkeys(proofs)), tuple(dict.fromkeys(sheet.lemmas)))


def direct(sheet, facts):
    goal, names = sheet.instance(facts[0], 0.0)
    return made(sheet, "direct", 1, goal, [lines(t) for t in closers(facts[0], names, goal)])


def compound(sheet, facts):
    goal, names = sheet.instance(facts[0], 0.7)
    return made(sheet, "compound", 2, goal, [lines(t) for t in closers(facts[0], names, goal)])


def symmetric(sheet, facts):
    (fact,) = facts
    goal, names = sheet.instance(fact, 0.4)
    for relation in ("=", "↔"):
        if sides := split_relation(goal, relation):
            whole = f"{fact.name}{arguments(fact, names)}"
            proofs = [lines(f"exact ({whole}).symm"), lines("symm", f"exact {whole}")]
            if not names:
                proofs += [lines(f"rw [{fact.name}]")]
            return made(sheet, "symmetric", 2, f"{sides[1]} {relation} {sides[0]}", proofs)


def in_context(sheet, facts):
    (fact,) = facts
    goal, names = sheet.instance(fact, 0.2)
    sides = split_relation(goal, "=")
    if not sides or names:
        return None
    left, right = (enclose(side, " ") for side in sides)
    frame = frames(sheet, fact, goal)
    if frame is None:
        return None
    proofs = [lines(f"rw [{fact.name}]"), lines(f"simp only [{fact.name}]"), lines(f"simp [{fact.name}]")]
    return made(sheet, "in_context", 2, f"{frame.format(left)} = {frame.format(right)}", proofs)


def frames(sheet, fact, goal) -> str | None:
    """A context with one hole for a term of the fact's sort, or None where the sort is not plainly Nat or List."""
    if fact.name.startswith("Nat."):
        other = sheet.fresh("Nat", reuse=0.3)
        return sheet.rng.choice(["{} + " + other, other + " + {}", "{} * " + other, "Nat.succ {}", "{} + " + str(sheet.rng.randint(1, 9))])
    if fact.name.startswith("List."):
        lists = [name for name, sort in sheet.variables.items() if sort.startswith("List")]
        is_list = not re.search(r"length|∈|count|sum|all|any|isEmpty|head|get", goal)
        return "{} ++ " + sheet.rng.choice(lists) if lists and is_list else None
    return None


def use_equation(sheet, facts):
    (fact,) = facts
    goal, names = sheet.instance(fact, 0.2)
    sides = split_relation(goal, "=")
    if not sides or names or not fact.name.startswith("Nat."):
        return None
    target = sheet.fresh("Nat")
    sheet.hypotheses.append(f"{sides[1]} = {target}")
    h = sheet.label(len(sheet.hypotheses))
    proofs = [lines(f"rw [{fact.name}]", f"exact {h}"), lines(f"rw [{fact.name}, {h}]"), lines(f"exact ({fact.name}{arguments(fact, names)}).trans {h}")]
    return made(sheet, "use_equation", 3, f"{sides[0]} = {target}", proofs)


def use_iff(sheet, facts):
    (fact,) = facts
    goal, names = sheet.instance(fact, 0.25)
    sides = split_relation(goal, "↔")
    if not sides or names:
        return None
    forward = sheet.rng.random() < 0.5
    given, wanted = sides if forward else sides[::-1]
    sheet.hypotheses.append(given)
    h, way, arrow = sheet.label(len(sheet.hypotheses)), "mp" if forward else "mpr", "" if forward else "← "
    whole = f"({fact.name}{arguments(fact, names)})" if fact.explicit else fact.name
    proofs = [lines(f"exact {whole}.{way} {h}"), lines(f"rw [{arrow}{fact.name}] at {h}", f"exact {h}"), lines(f"apply {whole}.{way}", f"exact {h}")]
    return made(sheet, "use_iff", 3, wanted, proofs)


def implication(sheet, facts):
    (fact,) = facts
    goal, names = sheet.instance(fact, 0.3)
    if not names:
        return None
    premises = [sheet.hypotheses.pop() for _ in names][::-1]
    whole = f"{fact.name}{arguments(fact, names)}"
    proofs = [lines(f"intro {' '.join(names)}", f"exact {whole}"), lines(f"exact fun {' '.join(names)} => {whole}"), lines(f"intro {' '.join(names)}", f"apply {fact.name} <;> assumption")]
    return made(sheet, "implication", 2, " → ".join(enclose(part, "→∀∃↔") for part in (*premises, goal)), proofs)


def guarded(sheet, facts):
    (fact,) = facts
    goal, names = sheet.instance(fact, 0.3)
    if names:
        return None
    prop = sheet.fresh("Prop", reuse=0.0)
    close = closers(fact, names, goal)
    term = close[0].removeprefix("exact ")
    wrapped = enclose(goal, CONNECTIVES)
    shape = sheet.rng.choice(["and", "or", "imp"])
    if shape == "or":
        return made(sheet, "guarded", 3, f"{wrapped} ∨ {prop}", [lines("left", close[0]), lines(f"exact Or.inl ({term})"), *(lines("left", c) for c in close[1:])])
    if shape == "imp":
        return made(sheet, "guarded", 3, f"{prop} → {wrapped}", [lines("intro h", close[0]), lines(f"exact fun _ => {term}"), *(lines("intro h", c) for c in close[1:])])
    sheet.hypotheses.append(prop)
    h = sheet.label(len(sheet.hypotheses))
    return made(sheet, "guarded", 3, f"{wrapped} ∧ {prop}", [lines(f"exact ⟨{term}, {h}⟩"), lines("constructor", f"· {close[0]}", f"· exact {h}"), lines("constructor", f"· {close[-1]}", f"· exact {h}")])


def sum_of_two(sheet, facts):
    one, two = facts
    goals = [sheet.instance(fact, 0.1) for fact in (one, two)]
    sides = [split_relation(goal, "=") for goal, _ in goals]
    if None in sides or any(names for _, names in goals) or not all(f.name.startswith("Nat.") for f in facts):
        return None
    operator = sheet.rng.choice("+*")
    left, right = (f" {operator} ".join(enclose(side, " ") for side in pair) for pair in zip(*sides))
    goal = f"{left} = {right}"
    return made(sheet, "sum_of_two", 4, goal, [lines(f"rw [{one.name}, {two.name}]"), lines(f"rw [{one.name}]", f"rw [{two.name}]"), lines(f"simp [{one.name}, {two.name}]"), lines(f"rw [{two.name}, {one.name}]")])


def both(sheet, facts):
    one, two = facts
    (goal1, names1), (goal2, names2) = (sheet.instance(fact, 0.15) for fact in (one, two))
    closers1, closers2 = closers(one, names1, goal1), closers(two, names2, goal2)
    terms = [c[0].removeprefix("exact ") for c in (closers1, closers2)]
    proofs = [lines(f"exact ⟨{terms[0]}, {terms[1]}⟩")] + [lines("constructor", f"· {c}", f"· {d}") for c, d in zip(closers1, closers2)]
    return made(sheet, "both", 4, f"{enclose(goal1, CONNECTIVES)} ∧ {enclose(goal2, CONNECTIVES)}", proofs)


def chain(sheet, facts):
    """From `left = middle` (first fact) and `right = middle'` (second), under a hypothesis that joins the middles."""
    one, two = facts
    (goal1, names1), (goal2, names2) = (sheet.instance(fact, 0.1) for fact in (one, two))
    sides1, sides2 = split_relation(goal1, "="), split_relation(goal2, "=")
    if not sides1 or not sides2 or names1 or names2 or not all(f.name.startswith("Nat.") for f in facts):
        return None
    sheet.hypotheses.append(f"{sides1[1]} = {sides2[1]}")
    h = sheet.label(len(sheet.hypotheses))
    proofs = [lines(f"rw [{one.name}, {h}, {two.name}]"), lines(f"rw [{one.name}, {two.name}]", f"exact {h}"), lines(f"rw [{one.name}, {two.name}, {h}]"), lines(f"rw [{two.name}, {one.name}, {h}]")]
    return made(sheet, "chain", 5, f"{sides1[0]} = {sides2[0]}", proofs)


FAMILIES = {f.__name__: f for f in (direct, compound, symmetric, in_context, use_equation, use_iff, implication, guarded, sum_of_two, both, chain)}
TWO_FACTS = {"sum_of_two", "both", "chain"}


def normal_form(statement: str) -> str:
    """The statement with variables renamed and hypotheses sorted: equal for two that differ in names and order alone.

    Variables are numbered as they appear in the goal; for those that only hypotheses hold, the least of all numberings is taken.
    """
    groups, goal = binder_groups(re.sub(r"^theorem \S+ |:= by$", "", statement))
    variables = [(name, kind) for names, kind in groups for name in names.split() if not re.fullmatch("h[₀-₉]+", names)]
    hypotheses = [kind for names, kind in groups if re.fullmatch("h[₀-₉]+", names)]
    named = dict(variables)
    seen = list(dict.fromkeys(name for name in IDENTIFIER.findall(goal) if name in named))
    rest = [name for name in named if name not in seen]
    return min(_numbered([*seen, *others], named, hypotheses, goal) for others in itertools.permutations(rest[:5]))


def binder_groups(text: str) -> tuple[list[tuple[str, str]], str]:
    """'(a b : Nat) (h : a ≤ b) : goal' gives ([('a b', 'Nat'), ('h', 'a ≤ b')], 'goal')."""
    groups, depth, start = [], 0, 0
    for i, char in enumerate(text):
        if depth == 0 and char == ":":
            return groups, text[i + 1 :].strip()
        if char in "({[⟨":
            start, depth = (i if depth == 0 else start), depth + 1
        elif char in ")}]⟩":
            depth -= 1
            if depth == 0:
                names, _, kind = text[start + 1 : i].partition(" : ")
                groups.append((names, kind))
    raise ValueError(f"no goal in {text!r}")


def _numbered(order: list[str], named: dict[str, str], hypotheses: list[str], goal: str) -> str:
    new = {name: f"v{index}" for index, name in enumerate(order)}
    rename = lambda text: IDENTIFIER.sub(lambda match: new.get(match[1], match[1]), text)
    sorts = sorted(f"{new[name]}: {rename(kind)}" for name, kind in named.items() if name in new)
    return f"{', '.join(sorts)} | {', '.join(sorted(map(rename, hypotheses)))} ⊢ {rename(goal)}"
