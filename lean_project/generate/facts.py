"""Facts of the library as material for problems: parsed types, instances over fresh variables, and the normal form of a statement.

The library is the single source of truth: a fact's type, as Lean prints it, is parsed, and its variables are replaced by small terms.
Nothing here is trusted: a statement or a proof counts only after Lean has accepted it (`lean_project.generate.generate`).

Left out on purpose: dependent binders, casts, products, classes other than CLASSES, and sorts that are not listed in POOLS.
"""

from __future__ import annotations

import functools
import itertools
import random
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from fdcore.lean.library import LibraryError, core_library, declared_theorems, find_modules

CLASSES = ("Semigroup", "Monoid", "CommMonoid", "Group", "CommGroup")
# Names a problem's variables may have, by the sort as Lean prints it.
POOLS = {
    "Type": ["α", "β", "γ"],
    "class": ["G", "H", "M", "N"],
    "Nat": ["a", "b", "c", "d", "m", "n", "k", "x", "y", "z"],
    "Int": ["i", "j", "x", "y", "z", "t"],
    "Prop": ["p", "q", "r", "s"],
    "List": ["xs", "ys", "zs", "ws"],
    "element": ["u", "v", "w", "a", "b", "c"],
    "function": ["f", "g", "h"],
    "predicate": ["P", "Q", "R"],
    "Bool": ["s", "t", "u", "v"],
    "Option": ["o", "o'"],
}
IDENTIFIER = re.compile(r"(?<![\w.'✝₀-₉])([A-Za-zα-ωΑ-Ω_][\w'✝₀-₉]*)(?![\w'✝₀-₉]|\.\w)")
TYPE_NAME = re.compile(r"(?<![\w.])[α-ωGHMN](?![\w.])")
RELATIONS = re.compile(
    r"[=≤<≥>≠∣∧∨¬↔∈∃∀]|Injective|Surjective|Bijective|Involutive|Inverse|Commute|Even|Odd|\bTrue\b|\bFalse\b"
)


@dataclass(frozen=True)
class Fact:
    """A library theorem, parsed: `variables` are (name, sort), `hypotheses` and `conclusion` are Lean text.

    `explicit` has one entry for each explicit argument, in order: True for a hypothesis, False for a variable.
    """

    name: str
    variables: tuple[tuple[str, str], ...]
    explicit: tuple[bool, ...]
    hypotheses: tuple[str, ...]
    conclusion: str


@dataclass(frozen=True)
class Use:
    """A fact at chosen terms: `goal` is its conclusion, `given` are the proofs of its premises (names or terms)."""

    fact: Fact
    goal: str
    given: tuple[str, ...] = ()
    premises: tuple[str, ...] = ()  # at these terms

    @property
    def term(self) -> str:
        """A proof of the goal: "Nat.le_trans h₁ h₂"; `..` stands for what Lean finds by itself."""
        given = iter(self.given)
        words = [next(given) if hypothesis else "_" for hypothesis in self.fact.explicit]
        while words and words[-1] == "_":
            words.pop()
        return " ".join(
            [self.fact.name, *words, *([".."] if len(words) < len(self.fact.explicit) else [])]
        )

    def sides(self, relation: str) -> tuple[str, str]:
        """Both sides of the goal; LookupError where the goal is no such relation."""
        found = split_relation(self.goal, relation)
        if found is None:
            raise LookupError(relation)
        return found


@functools.cache
def find_theorem_modules() -> dict[str, str]:
    """Theorem with a docstring -> the module that declares it, in the sources' order.

    Example: find_theorem_modules()["Nat.add_comm"] == "Fd.Nat.Basic".
    """
    modules = find_modules().items()
    return {name: module for module, path in modules for name in declared_theorems(path)}


@functools.cache
def print_theorems() -> dict[str, str]:
    """Theorem with a docstring -> its type as Lean prints it (notation on, `x.f` off).

    Example: print_theorems()["Nat.add_comm"] == "∀ (n m : Nat), n + m = m + n".
    """
    library = core_library()
    options = "set_option pp.fieldNotation false\nset_option pp.universes false\n"
    checks = "".join(f"#check @{name}\n" for name in find_theorem_modules())
    with tempfile.TemporaryDirectory() as folder:
        query = Path(folder) / "Query.lean"
        query.write_text("prelude\nimport Fd\n" + options + checks, encoding="utf-8")
        messages, _ = library.toolchain.run(query, path=library.path)
    theorems = {}
    for message in messages:
        name, _, printed = message["data"].partition(" : ")
        if message["severity"] != "information":
            raise LibraryError(f"Lean does not know a declared theorem: {message['data']}")
        theorems[name.lstrip("@")] = " ".join(printed.split())
    return theorems


def split_arrows(text: str) -> list[str]:
    """Split at top-level arrows: 'a ≤ b → ¬(p → q) → c' gives ['a ≤ b', '¬(p → q)', 'c']. An ↔ binds less and keeps the text whole."""
    parts, depth, start, i = [], 0, 0, 0
    while i < len(text):
        char = text[i]
        if char in "([{⟨":
            depth += 1
        elif char in ")]}⟩":
            depth -= 1
        elif depth == 0 and text[i:].startswith(("∀ ", "∃ ", "fun ", "∃! ")):
            break  # a binder takes everything to its right
        elif depth == 0 and char == "↔":
            return [text.strip()]
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
        elif depth == 0 and (char in "∀∃λ" or text.startswith("fun ", i)):
            return None
        elif depth == 0 and text.startswith(f" {relation} ", i):
            hits.append(i)
        elif (
            depth == 0
            and relation == "="
            and (char in "∧∨→↔≤<≥>∣" or text.startswith(("¬", "≠"), i))
        ):
            return None
    if len(hits) != 1:
        return None
    return text[: hits[0]].strip(), text[hits[0] + len(relation) + 2 :].strip()


def parse_fact(name: str, printed: str) -> Fact | None:
    """A fact from its printed type, or None when it lies outside what the generator handles."""
    text = " ".join(printed.split())
    if re.search("[✝↑×≍]|_inst|autoParam", text):
        return None
    variables, hypotheses, explicit = {}, [], []
    while True:
        if re.match(r"∀ [({\[⦃]", text):
            groups, text = _binders(text[2:])
            for opening, names, kind in groups:
                if opening == "[":
                    class_, _, carrier = kind.partition(" ")
                    if class_ not in CLASSES or carrier not in variables:
                        return None
                    variables[carrier] = class_
                    continue
                kind = re.sub(r"^(Type|Sort)\b.*", "Type", kind)
                is_hypothesis = kind != "Prop" and (
                    RELATIONS.search(kind)
                    or any(variables.get(word) == "Prop" for word in IDENTIFIER.findall(kind))
                )
                hypotheses += [kind] * len(names) if is_hypothesis else []
                variables |= {} if is_hypothesis else dict.fromkeys(names, kind)
                explicit += [bool(is_hypothesis)] * len(names) if opening == "(" else []
        else:
            *premises, text = split_arrows(text)
            hypotheses += premises
            explicit += [True] * len(premises)
            if not premises:
                break
    if any(pool_of(kind) is None for kind in variables.values()) or any(
        not RELATIONS.search(p) and p not in variables for p in hypotheses
    ):
        return None
    return Fact(name, tuple(variables.items()), tuple(explicit), tuple(hypotheses), text)


def _binders(text: str) -> tuple[list[tuple[str, list[str], str]], str]:
    """'(a b : Nat) {c : Nat}, rest' gives ([('(', ['a', 'b'], 'Nat'), ('{', ['c'], 'Nat')], 'rest'); of '[Group G]' the class is the kind."""
    groups = []
    while text[0] in "({[⦃":
        depth = 0
        for end, char in enumerate(text):
            depth += (char in "({[⦃") - (char in ")}]⦄")
            if depth == 0:
                break
        names, colon, kind = text[1:end].partition(" : ")
        groups.append((text[0], names.split() if colon else [], kind if colon else names))
        text = text[end + 1 :].lstrip()
    return groups, text.removeprefix(",").strip()


def pool_of(sort: str) -> str | None:
    """The key of POOLS for a sort as Lean prints it, or None."""
    if sort in ("Type", "Nat", "Int", "Prop", "Bool"):
        return sort
    if sort in CLASSES:
        return "class"
    if re.fullmatch(r"List (\w+|\(.*\))", sort):
        return "List"
    if re.fullmatch(r"Option \w+", sort):
        return "Option"
    if re.fullmatch(r"(List )?\w+ → Prop", sort):
        return "predicate"
    if re.fullmatch(r"(List )?\w+ → \w+( → \w+)?", sort):
        return "function"
    return "element" if TYPE_NAME.fullmatch(sort) else None


def substitute(text: str, terms: dict[str, str]) -> str:
    """Replace variables by terms, in parentheses where a term is not atomic."""

    def term(match: re.Match) -> str:
        new = terms.get(match[1])
        if new is None:
            return match[1]
        return new if re.fullmatch(r"[\w'₀-₉]+|\[\]|\(.*\)", new) else f"({new})"

    return tidy(IDENTIFIER.sub(term, text))


def tidy(text: str) -> str:
    """Drop parentheses round a term that stands whole on a side of a relation: '(a + b) = c' gives 'a + b = c'."""
    return re.sub(
        r"(^|[=≤<≥>∣≠∧∨→↔] |[(])\(([^()=≤<≥>∣≠∧∨→↔¬∀∃,:]*)\)(?=$| [=≤<≥>∣≠∧∨→↔]|\))", r"\1\2", text
    )


def matched(pattern: str, variables: set[str], text: str) -> dict[str, str] | None:
    """Terms for which the pattern reads as the text, or None: matched("a ∣ b", {"a", "b"}, "x ∣ y * z") gives {"a": "x", "b": "y * z"}.

    A pattern that is one variable alone matches nothing. Sorts and precedence are not looked at: Lean will.
    """
    if pattern in variables:
        return None
    keys: dict[str, str] = {}
    expression, end = "", 0
    for word in IDENTIFIER.finditer(pattern):
        if word[1] in variables:
            expression += re.escape(pattern[end : word.start()])
            expression += (
                f"(?P={keys[word[1]]})"
                if word[1] in keys
                else f"(?P<{keys.setdefault(word[1], f'v{len(keys)}')}>.+)"
            )
            end = word.end()
    found = re.fullmatch(expression + re.escape(pattern[end:]), text)
    if not found:
        return None
    terms = {name: found[key].strip() for name, key in keys.items()}
    if not all(
        _depths(term) and min(_depths(term)) >= 0 and _depths(term)[-1] == 0
        for term in terms.values()
    ):
        return None
    return {
        name: term[1:-1] if term[0] == "(" and 0 not in _depths(term)[:-1] else term
        for name, term in terms.items()
    }


def _depths(text: str) -> list[int]:
    """The depth of brackets after each character."""
    return list(itertools.accumulate((char in "([{⟨") - (char in ")]}⟩") for char in text))


@dataclass
class Sheet:
    """The variables and hypotheses of a problem under construction, and the lemmas that its proofs name."""

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
        group = sort in self.variables and self.variables[sort] in CLASSES
        if (
            not (sort in ("Nat", "Int", "Prop") or sort.startswith("List ") or group)
            or self.rng.random() >= compound
        ):
            return self.fresh(sort, reuse=0.15)
        one, two = self.fresh(sort, reuse=0.3), self.fresh(sort, reuse=0.3)
        if sort == "Nat":
            return self.rng.choice(
                [
                    f"{one} + {two}",
                    f"{one} * {two}",
                    f"{one} + {self.rng.randint(1, 5)}",
                    f"{self.rng.randint(2, 5)} * {one}",
                    f"{one} + {two}",
                ]
            )
        if sort == "Int":
            return self.rng.choice(
                [
                    f"{one} + {two}",
                    f"{one} * {two}",
                    f"{one} - {two}",
                    f"{one} + {self.rng.randint(1, 5)}",
                ]
            )
        if sort == "Prop":
            return self.rng.choice(
                [f"{one} ∧ {two}", f"{one} ∨ {two}", f"¬{one}", f"{one} → {two}"]
            )
        return f"{one} * {two}" if group else f"{one} ++ {two}"

    def use(
        self,
        fact: Fact,
        compound: float = 0.0,
        *,
        terms: dict[str, str] | None = None,
        given: dict[int, str] | None = None,
    ) -> Use:
        """The fact at new terms; its premises become hypotheses, but for those that `given` proves. `terms` fixes some of the variables."""
        terms, given = dict(terms or {}), given or {}
        for variable, sort in fact.variables:
            sort = TYPE_NAME.sub(lambda name: terms.get(name[0], name[0]), sort)
            if sort == "Type" or sort in CLASSES:
                old = [
                    name
                    for name, kind in self.variables.items()
                    if kind == sort and name not in terms.values()
                ]
                terms.setdefault(variable, old[0] if old else self.fresh(sort))
            elif variable not in terms:
                terms[variable] = self.term(sort, compound)
        premises = tuple(substitute(premise, terms) for premise in fact.hypotheses)
        proofs = tuple(
            given[index] if index in given else self.suppose(premise)
            for index, premise in enumerate(premises)
        )
        self.lemmas.append(fact.name)
        return Use(fact, substitute(fact.conclusion, terms), proofs, premises)

    def suppose(self, text: str) -> str:
        """Add a hypothesis; its name."""
        self.hypotheses.append(tidy(text))
        return "h" + "".join("₀₁₂₃₄₅₆₇₈₉"[int(digit)] for digit in str(len(self.hypotheses)))

    def value_sort(self, text: str) -> str:
        """A guess at the sort of a side of an equation, from its variables; LookupError without one. Lean refuses a wrong guess."""
        if re.search(r"length|gcd|sum|natAbs", text):
            return "Nat"
        if "List.range" in text:
            return "List Nat"
        sorts = [
            self.variables[name] for name in IDENTIFIER.findall(text) if name in self.variables
        ]
        for pool in ("Int", "List", "Option", "element", "Nat", "Bool"):
            for sort in sorts:
                if pool_of(sort) == pool:
                    return (
                        f"List {sort}" if pool == "element" and "List.replicate" in text else sort
                    )
        raise LookupError(text)

    def may_be(self, sort: str, text: str) -> bool:
        """Whether the text may be a term of the sort, by its variables."""
        kinds = {
            pool_of(self.variables[name])
            for name in IDENTIFIER.findall(text)
            if name in self.variables
        }
        if sort == "Prop":
            return bool(RELATIONS.search(text) or kinds & {"Prop", "predicate"})
        wanted = {
            "Nat": kinds <= {"Nat"},
            "Int": kinds == {"Int"},
            "List": "List" in kinds or "List." in text,
        }.get(pool_of(sort) or "", True)
        return wanted and not RELATIONS.search(text)

    def numbers(self, text: str) -> list[str]:
        """The variables for natural numbers and integers that occur in the text."""
        return [
            name
            for name in dict.fromkeys(IDENTIFIER.findall(text))
            if self.variables.get(name) in ("Nat", "Int")
        ]

    def statement(self, goal: str) -> str:
        """`theorem thm {types} (variables) (hypotheses) : goal := by`, with the variables that occur."""
        used = set(IDENTIFIER.findall(" ".join([*self.hypotheses, goal])))
        used |= {
            name
            for variable in used & set(self.variables)
            for name in TYPE_NAME.findall(self.variables[variable])
        }
        parts = []
        for sort in dict.fromkeys(
            sorted(
                self.variables.values(), key=lambda s: (s != "Type", s not in CLASSES, "→" in s, s)
            )
        ):
            names = " ".join(
                name for name, kind in self.variables.items() if kind == sort and name in used
            )
            if sort in CLASSES:
                parts += [f"{{{name} : Type}} [{sort} {name}]" for name in names.split()]
            elif names:
                parts.append(f"{{{names} : Type}}" if sort == "Type" else f"({names} : {sort})")
        parts += [
            f"(h{''.join('₀₁₂₃₄₅₆₇₈₉'[int(digit)] for digit in str(i))} : {text})"
            for i, text in enumerate(self.hypotheses, 1)
        ]
        return f"theorem thm {' '.join(parts)} : {tidy(goal)} := by".replace("  ", " ")


def normal_form(statement: str) -> str:
    """The statement with names replaced and hypotheses sorted: equal for two that differ in names and order alone.

    Variables are numbered as they appear in the goal; for those that only hypotheses hold, the least numbering is taken.
    """
    groups, goal = binder_groups(re.sub(r"^theorem \S+ |:= by$", "", statement))
    named: dict[str, str] = {}
    hypotheses = []
    for names, kind in groups:
        sorts = [named.get(word) for word in IDENTIFIER.findall(kind)]
        if not names or (
            kind != "Prop"
            and (RELATIONS.search(kind) or any(sort not in (None, "Type") for sort in sorts))
        ):
            hypotheses += [kind] * (len(names.split()) or 1)
        else:
            named |= dict.fromkeys(names.split(), kind)
    seen = list(dict.fromkeys(name for name in IDENTIFIER.findall(goal) if name in named))
    rest = {
        name: _surroundings(name, seen, named, hypotheses) for name in named if name not in seen
    }
    alike = [
        list(group) for _, group in itertools.groupby(sorted(rest, key=rest.get), key=rest.get)
    ]
    orders = itertools.islice(
        itertools.product(*(itertools.permutations(group) for group in alike)), 720
    )
    return min(
        _numbered([*seen, *itertools.chain(*order)], named, hypotheses, goal) for order in orders
    )


def _surroundings(name: str, seen: list[str], named: dict[str, str], hypotheses: list[str]) -> str:
    """The sorts and hypotheses that hold a variable, in words that do not depend on the names of it and of others still to be numbered."""
    names = (
        {other: "_" for other in named}
        | {other: f"v{index}" for index, other in enumerate(seen)}
        | {name: "#"}
    )
    texts = [
        IDENTIFIER.sub(lambda match: names.get(match[1], match[1]), text)
        for text in [*named.values(), *hypotheses]
    ]
    return " & ".join([named[name], *sorted(text for text in texts if "#" in text)])


def binder_groups(text: str) -> tuple[list[tuple[str, str]], str]:
    """'(a b : Nat) [Group G] (h : a ≤ b) : goal' gives ([('a b', 'Nat'), ('', 'Group G'), ('h', 'a ≤ b')], 'goal')."""
    groups, depth, start = [], 0, 0
    for i, char in enumerate(text):
        if depth == 0 and char == ":":
            return groups, text[i + 1 :].strip()
        if char in "({[⟨":
            start, depth = (i if depth == 0 else start), depth + 1
        elif char in ")}]⟩":
            depth -= 1
            if depth == 0:
                names, colon, kind = text[start + 1 : i].partition(" : ")
                groups.append((names, kind) if colon else ("", names))
    raise ValueError(f"no goal in {text!r}")


def _numbered(order: list[str], named: dict[str, str], hypotheses: list[str], goal: str) -> str:
    new = {name: f"v{index}" for index, name in enumerate(order)}

    def rename(text: str) -> str:
        bound = [
            name
            for names in re.findall(r"(?:[∀∃] \(?|fun \(?)([\w ]+?)(?= :|,| =>)", text)
            for name in names.split()
        ]
        names = new | {name: f"b{index}" for index, name in enumerate(dict.fromkeys(bound))}
        return IDENTIFIER.sub(lambda match: names.get(match[1], match[1]), text)

    sorts = sorted(f"{new[name]}: {rename(kind)}" for name, kind in named.items())
    return f"{', '.join(sorts)} | {', '.join(sorted(map(rename, hypotheses)))} ⊢ {rename(goal)}"
