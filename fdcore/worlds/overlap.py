"""When two Mathlib statements say the same: a normal form up to names and whitespace, and shared n-grams of its tokens.

Left out on purpose: what Lean could say. Statements with hypotheses in another order, or equal by a lemma, count as different.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import regex

from fdcore.lean.source import DECLARATION, code
from fdcore.records import Problem

GRAM, SHARED = (
    8,
    0.8,
)  # tokens; the share of a held-out statement's n-grams. No two problems of MiniF2F share more than 0.75
TOKEN = regex.compile(r"[^\W\d][\w'!?]*(?:\.[^\W\d][\w'!?]*)*|\d+|\S")
WORD = regex.compile(r"[^\W\d]")


def normal_form(statement: str) -> tuple[str, ...]:
    """Tokens from the declared name on, without it, comments and whitespace; names that binders bind are numbered as they come.

    >>> normal_form("theorem a (x y : ℕ) (h : x < y) : x ≤ y := by") == normal_form("lemma b (m n:ℕ)(hmn : m < n) : m ≤ n  := by")
    True
    """
    blanked = code(statement)
    words = TOKEN.findall(blanked, DECLARATION.search(blanked).end())
    numbers: dict[str, str] = {}
    for start, opener in enumerate(words):
        end = start + 1
        while end < len(words) and WORD.match(words[end]):
            end += 1
        if (
            opener in "∀∃∑∏λ"
            or opener == "fun"
            or (opener in "({⦃" and words[end : end + 1] == [":"])
        ):
            for name in words[start + 1 : end]:
                numbers.setdefault(name, f"#{len(numbers)}")
    return tuple(
        "".join((numbers.get(head, head), *rest))
        for head, *rest in (word.partition(".") for word in words)
    )


def grams(form: tuple[str, ...]) -> set[tuple[str, ...]]:
    return {form[i : i + GRAM] for i in range(len(form) - GRAM + 1)}


class Overlap:
    """Says of a normal form which held-out problem it repeats, or None."""

    def __init__(self, held_out: Sequence[Problem]):
        self.forms = {normal_form(problem.statement): problem.id for problem in held_out}
        self.sizes = {name: len(grams(form)) for form, name in self.forms.items()}
        self.holders = defaultdict(list)
        for form, name in self.forms.items():
            for gram in grams(form):
                self.holders[gram].append(name)

    def __call__(self, form: tuple[str, ...]) -> str | None:
        if form in self.forms:
            return f"states the same as a MiniF2F problem ({self.forms[form]})"
        shared = Counter(name for gram in grams(form) for name in self.holders.get(gram, ()))
        close = [name for name, count in shared.items() if count >= SHARED * self.sizes[name]]
        return (
            f"shares most of its n-grams with a MiniF2F problem ({min(close)})" if close else None
        )
