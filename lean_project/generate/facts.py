"""Facts of the library as material for problems: parsed types, and instances over fresh variables.

A fact's type, as Lean prints it, is parsed, and its variables are replaced by small terms. Lean
checks the result (`lean_project.generate.check`). Left out on purpose: dependent binders, casts,
products, classes other than CLASSES, and sorts that POOLS does not list.
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
    r"[=≤<≥>≠∣∧∨¬↔∈∃∀]|Injective|Surjective|Bijective|Involutive|Inverse|Commute|Even|Odd"
    r"|\bTrue\b|\bFalse\b"
)
# Parentheses round a term that stands whole on a side of a relation.
NEEDLESS = re.compile(r"(^|[=≤<≥>∣≠∧∨→↔] |[(])\(([^()=≤<≥>∣≠∧∨→↔¬∀∃,:]*)\)(?=$| [=≤<≥>∣≠∧∨→↔]|\))")


@dataclass(frozen=True)
class Fact:
    """A library theorem, parsed."""

    name: str
    variables: tuple[tuple[str, str], ...]  # (name, sort)
    explicit: tuple[bool, ...]  # of each explicit argument: is it a hypothesis?
    hypotheses: tuple[str, ...]  # Lean text
    conclusion: str  # Lean text


@dataclass(frozen=True)
class Use:
    """A fact at chosen terms."""

    fact: Fact
    goal: str  # the conclusion
    given: tuple[str, ...] = ()  # proofs of the premises: names or terms
    premises: tuple[str, ...] = ()  # at these terms

    @property
    def term(self) -> str:
        """A proof of the goal: "Nat.le_trans h₁ h₂"; `..` stands for what Lean finds by itself."""
        given = iter(self.given)
        words = [next(given) if hypothesis else "_" for hypothesis in self.fact.explicit]
        while words and words[-1] == "_":
            words.pop()
        rest = [".."] if len(words) < len(self.fact.explicit) else []
        return " ".join([self.fact.name, *words, *rest])

    def sides(self, relation: str) -> tuple[str, str]:
        """Both sides of the goal; LookupError where the goal is no such relation."""
        sides = split_relation(self.goal, relation)
        if sides is None:
            raise LookupError(relation)
        return sides


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
    """Split at top-level arrows: 'a ≤ b → ¬(p → q) → c' gives ['a ≤ b', '¬(p → q)', 'c'].

    An ↔ binds less and keeps the text whole.
    """
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
    """The two sides of a top-level ` = ` or ` ↔ `, or None.

    Binders and lower connectives at the top refuse the split.
    """
    hits = []
    for i, (char, depth) in enumerate(zip(text, _depths(text), strict=True)):
        if depth or char in ")]}⟩":
            continue
        if char in "∀∃λ" or text.startswith("fun ", i):
            return None
        if text.startswith(f" {relation} ", i):
            hits.append(i)
        elif relation == "=" and char in "∧∨→↔≤<≥>∣¬≠":
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
    """The binders of a printed type, as (bracket, names, kind), and the rest.

    '(a b : Nat) {c : Nat}, rest' gives ([('(', ['a', 'b'], 'Nat'), ('{', ['c'], 'Nat')], 'rest').
    Of '[Group G]' the class is the kind.
    """
    groups = []
    while text[0] in "({[⦃":
        end = _depths(text).index(0)
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
    """Drop needless parentheses: '(a + b) = c' gives 'a + b = c'."""
    return NEEDLESS.sub(r"\1\2", text)


def matched(pattern: str, variables: set[str], text: str) -> dict[str, str] | None:
    """Terms for which the pattern reads as the text, or None.

    Example: matched("a ∣ b", {"a", "b"}, "x ∣ y * z") gives {"a": "x", "b": "y * z"}.
    A pattern that is one variable matches nothing. Sorts and precedence are left to Lean.
    """
    if pattern in variables:
        return None
    keys: dict[str, str] = {}
    expression, end = "", 0
    for word in IDENTIFIER.finditer(pattern):
        if word[1] not in variables:
            continue
        known = word[1] in keys
        key = keys.setdefault(word[1], f"v{len(keys)}")
        group = f"(?P={key})" if known else f"(?P<{key}>.+)"
        expression += re.escape(pattern[end : word.start()]) + group
        end = word.end()
    match = re.fullmatch(expression + re.escape(pattern[end:]), text)
    if not match:
        return None
    terms = {name: match[key].strip() for name, key in keys.items()}
    for name, term in terms.items():
        depths = _depths(term)
        if not depths or min(depths) < 0 or depths[-1]:
            return None
        if term[0] == "(" and 0 not in depths[:-1]:
            terms[name] = term[1:-1]
    return terms


def _depths(text: str) -> list[int]:
    """The depth of brackets after each character."""
    return list(itertools.accumulate((char in "([{⟨⦃") - (char in ")]}⟩⦄") for char in text))


@dataclass
class Sheet:
    """A problem under construction: variables, hypotheses, and the lemmas that its proofs name."""

    rng: random.Random
    variables: dict[str, str] = field(default_factory=dict)  # name -> sort
    hypotheses: list[str] = field(default_factory=list)
    lemmas: list[str] = field(default_factory=list)

    def fresh(self, sort: str, reuse: float = 0.0) -> str:
        """A variable of that sort: an old one with probability `reuse`, else a new one."""
        old = [name for name, kind in self.variables.items() if kind == sort]
        if old and self.rng.random() < reuse:
            return self.rng.choice(old)
        free = [name for name in POOLS[pool_of(sort)] if name not in self.variables]
        if not free and not old:
            raise LookupError(sort)
        if not free:
            return self.rng.choice(old)
        name = self.rng.choice(free)
        self.variables[name] = sort
        return name

    def term(self, sort: str, compound: float) -> str:
        """A term of that sort: a variable, or with probability `compound` a small compound term."""
        group = self.variables.get(sort) in CLASSES
        simple = not (sort in ("Nat", "Int", "Prop") or sort.startswith("List ") or group)
        if simple or self.rng.random() >= compound:
            return self.fresh(sort, reuse=0.15)
        one, two = self.fresh(sort, reuse=0.3), self.fresh(sort, reuse=0.3)
        sums = [f"{one} + {two}", f"{one} * {two}"]
        if sort == "Nat":
            added, factor = self.rng.randint(1, 5), self.rng.randint(2, 5)
            choices = [*sums, f"{one} + {added}", f"{factor} * {one}", f"{one} + {two}"]
        elif sort == "Int":
            choices = [*sums, f"{one} - {two}", f"{one} + {self.rng.randint(1, 5)}"]
        elif sort == "Prop":
            choices = [f"{one} ∧ {two}", f"{one} ∨ {two}", f"¬{one}", f"{one} → {two}"]
        else:
            return f"{one} * {two}" if group else f"{one} ++ {two}"
        return self.rng.choice(choices)

    def use(
        self,
        fact: Fact,
        compound: float = 0.0,
        *,
        terms: dict[str, str] | None = None,
        given: dict[int, str] | None = None,
    ) -> Use:
        """The fact at new terms, of which `terms` fixes some.

        Its premises become hypotheses, but for those that `given` proves, by their index.
        """
        terms, given = dict(terms or {}), given or {}
        for variable, sort in fact.variables:
            sort = TYPE_NAME.sub(lambda name: terms.get(name[0], name[0]), sort)
            if sort == "Type" or sort in CLASSES:
                old = [name for name, kind in self.variables.items() if kind == sort]
                unused = [name for name in old if name not in terms.values()]
                terms.setdefault(variable, unused[0] if unused else self.fresh(sort))
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
        return _hypothesis(len(self.hypotheses))

    def value_sort(self, text: str) -> str:
        """A guess at the sort of a side of an equation, from its variables.

        LookupError where there is none. Lean refuses a wrong guess.
        """
        if re.search(r"length|gcd|sum|natAbs", text):
            return "Nat"
        if "List.range" in text:
            return "List Nat"
        sorts = self._sorts(text)
        for pool in ("Int", "List", "Option", "element", "Nat", "Bool"):
            for sort in sorts:
                if pool_of(sort) == pool:
                    repeated = pool == "element" and "List.replicate" in text
                    return f"List {sort}" if repeated else sort
        raise LookupError(text)

    def _sorts(self, text: str) -> list[str]:
        names = IDENTIFIER.findall(text)
        return [self.variables[name] for name in names if name in self.variables]

    def may_be(self, sort: str, text: str) -> bool:
        """Whether the text may be a term of the sort, by its variables."""
        kinds = set(map(pool_of, self._sorts(text)))
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
        names = dict.fromkeys(IDENTIFIER.findall(text))
        return [name for name in names if self.variables.get(name) in ("Nat", "Int")]

    def statement(self, goal: str) -> str:
        """`theorem thm {types} (variables) (hypotheses) : goal := by`, for variables that occur."""
        used = set(IDENTIFIER.findall(" ".join([*self.hypotheses, goal])))
        sorts = [self.variables[name] for name in used if name in self.variables]
        used.update(name for sort in sorts for name in TYPE_NAME.findall(sort))
        order = lambda sort: (sort != "Type", sort not in CLASSES, "→" in sort, sort)  # noqa: E731
        parts = []
        for sort in sorted(set(self.variables.values()), key=order):
            names = [name for name, kind in self.variables.items() if kind == sort and name in used]
            if sort in CLASSES:
                parts += [f"{{{name} : Type}} [{sort} {name}]" for name in names]
            elif names:
                kind = "{%s : Type}" if sort == "Type" else f"(%s : {sort})"
                parts.append(kind % " ".join(names))
        supposed = enumerate(self.hypotheses, 1)
        parts += [f"({_hypothesis(number)} : {text})" for number, text in supposed]
        return f"theorem thm {' '.join(parts)} : {tidy(goal)} := by".replace("  ", " ")


def _hypothesis(number: int) -> str:
    """Its name: "h₁", "h₂"."""
    return "h" + "".join("₀₁₂₃₄₅₆₇₈₉"[int(digit)] for digit in str(number))


def canonical_form(statement: str) -> str:
    """The statement with names replaced and hypotheses sorted.

    It is the same for two that differ in names and order alone. Variables are numbered as they
    appear in the goal; those that only hypotheses hold get the least numbering.
    """
    groups, goal = binder_groups(re.sub(r"^theorem \S+ |:= by$", "", statement))
    named: dict[str, str] = {}
    hypotheses = []
    for names, kind in groups:
        sorts = {named.get(word) for word in IDENTIFIER.findall(kind)} - {None, "Type"}
        if not names or (kind != "Prop" and (RELATIONS.search(kind) or sorts)):
            hypotheses += [kind] * (len(names.split()) or 1)
        else:
            named |= dict.fromkeys(names.split(), kind)
    seen = list(dict.fromkeys(name for name in IDENTIFIER.findall(goal) if name in named))
    others = [name for name in named if name not in seen]
    rest = {name: _surroundings(name, seen, named, hypotheses) for name in others}
    alike = itertools.groupby(sorted(rest, key=rest.get), key=rest.get)
    orders = itertools.product(*[list(itertools.permutations(group)) for _, group in alike])
    return min(
        _numbered([*seen, *itertools.chain(*order)], named, hypotheses, goal)
        for order in itertools.islice(orders, 720)
    )


def _surroundings(name: str, seen: list[str], named: dict[str, str], hypotheses: list[str]) -> str:
    """The sorts and hypotheses that hold a variable, whatever the names not numbered yet."""
    numbers = {other: f"v{index}" for index, other in enumerate(seen)}
    names = dict.fromkeys(named, "_") | numbers | {name: "#"}
    texts = [_rename(text, names) for text in (*named.values(), *hypotheses)]
    return " & ".join([named[name], *sorted(text for text in texts if "#" in text)])


def _rename(text: str, names: dict[str, str]) -> str:
    return IDENTIFIER.sub(lambda match: names.get(match[1], match[1]), text)


def binder_groups(text: str) -> tuple[list[tuple[str, str]], str]:
    """(names, kind) of a statement's binders, and its goal.

    '(a b : Nat) [Group G] : goal' gives ([('a b', 'Nat'), ('', 'Group G')], 'goal').
    """
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
        bound = " ".join(re.findall(r"(?:[∀∃] \(?|fun \(?)([\w ]+?)(?= :|,| =>)", text)).split()
        inner = {name: f"b{index}" for index, name in enumerate(dict.fromkeys(bound))}
        return _rename(text, new | inner)

    sorts = sorted(f"{new[name]}: {rename(kind)}" for name, kind in named.items())
    return f"{', '.join(sorts)} | {', '.join(sorted(map(rename, hypotheses)))} ⊢ {rename(goal)}"
