"""Where the parts of a Lean 4 file are: its header, the last theorem's statement, and the proof. Nothing is rewritten.

Left out on purpose: parsing. Comments, strings, character literals and «names» are told from code, brackets and `let` are counted; the
rest is Lean's business. A text that this cannot place is refused with the reason.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import regex

# Block comments nest. A doc comment opens with three characters, so that "/--/" is not closed; inside another comment "/--/" is.
SKIPPED = regex.compile(
    r"""
    (?P<doc> /--(?&inside)-/ )
  | (?P<comment> --[^\n]* | /-(?!-)!?(?&inside)-/ )
  | (?P<string> (?<![\w'!?])r(?P<hashes>\#*)"(?s:.*?)"(?P=hashes) | "(?>[^"\\]|\\(?s:.))*+" )
  | (?P<character> (?<![\w'!?])'(?:[^\\'\n]|\\[^\n']+|\\')' )
  | (?P<quoted> «[^»\n]*» )
  | (?P<open> /- | " )
  (?(DEFINE) (?P<inside> (?>/-(?&inside)-/ | (?!/-|-/)(?s:.))*+ ) )
    """,
    regex.VERBOSE,
)
DOC = "\x00"
STAND_IN = {"doc": DOC, "comment": " ", "string": '"', "character": '"', "quoted": "x"}
DECLARATION = regex.compile(r"(?<![\w.'!?])(?:theorem|lemma)\s+([^\s:({\[⦃]+)")
BEFORE = regex.compile(  # what may stand before `theorem` and belongs to it: `open … in`, the doc comment, attributes, modifiers
    r"(?:(?<![\w.'!?])(?:open|set_option|omit|include|variable)\b[^\n]*?\bin\s+|\x00+\s*|@\[(?:[^\[\]]|\[[^\[\]]*\])*\]\s*"
    r"|(?<![\w.'!?])(?:private|protected|noncomputable|nonrec|local|scoped)\s+)*\Z"
)
CLOSED_BY = dict(zip("([{⟨⦃", ")]}⟩⦄"))
MARK = regex.compile(r":=|[()\[\]{}⟨⟩⦃⦄]|(?<![\w.'!?])(?:let|letI|let_fun|have|haveI)(?![\w.'!?])")
BY = regex.compile(r"\s*by(?![\w.'!?])")


class SourceError(ValueError):
    """A Lean text whose parts cannot be told; one line says why."""


class Parts(NamedTuple):
    """`header + statement + proof` is the text, character for character."""

    header: str  # everything before the statement: imports, opens, options, earlier declarations
    statement: str  # from its doc comment, attributes and modifiers up to `:= by`, or `:=` where the proof is a term
    proof: str  # the rest


def code(text: str) -> str:
    """The text with comments and literals blanked out, same length: positions in it are positions in the text.

    A doc comment becomes NULs, another comment blanks, a string or character quotes, a «name» the letter x.
    Raises SourceError where a comment or a string is never closed.

    >>> code('x -- theorem' + chr(10) + '"a" y')
    'x           \\n\"\"\" y'
    """

    def blank(match: regex.Match) -> str:
        if match.lastgroup == "open":
            line = text.count("\n", 0, match.start()) + 1
            raise SourceError(
                f"line {line}: a {'string' if match[0] == chr(34) else 'comment'} is never closed"
            )
        stand_in = STAND_IN[next(kind for kind in STAND_IN if match[kind] is not None)]
        return stand_in * len(match[0]) if stand_in != " " else regex.sub(r"[^\r\n]", " ", match[0])

    return SKIPPED.sub(blank, text)


@functools.lru_cache(8192)
def theorem_name(text: str) -> str:
    """The name that the last `theorem` or `lemma` of the text declares, as written. Raises SourceError where there is none."""
    start, end = _last_declaration(code(text)).span(1)
    return text[start:end]


def split_source(text: str) -> Parts:
    """The parts of a Lean text around its last `theorem` or `lemma`. Raises SourceError with the reason.

    >>> split_source("import Mathlib\\n\\ntheorem t : 1 = 1 := by\\n  rfl")
    Parts(header='import Mathlib\\n\\n', statement='theorem t : 1 = 1 := by', proof='\\n  rfl')
    """
    blanked = code(text)
    declaration = _last_declaration(blanked)
    start = BEFORE.search(blanked, endpos=declaration.start()).start()
    end = _end_of_type(blanked, declaration.end())
    if by := BY.match(blanked, end):
        end = by.end()
    return Parts(text[:start], text[start:end], text[end:])


def _last_declaration(blanked: str) -> regex.Match:
    found = None
    for found in DECLARATION.finditer(blanked):
        pass
    if found is None:
        raise SourceError("it declares no theorem or lemma")
    return found


def _end_of_type(blanked: str, start: int) -> int:
    """The offset behind the `:=` that ends the type: outside all brackets, and not the one of a `let` or `have` in the type."""
    awaited, lets = [], 0
    for mark in MARK.finditer(blanked, start):
        if mark[0] in CLOSED_BY:
            awaited.append(CLOSED_BY[mark[0]])
        elif mark[0] in CLOSED_BY.values():
            if not awaited or awaited.pop() != mark[0]:
                raise SourceError(
                    f"line {blanked.count(chr(10), 0, mark.start()) + 1}: '{mark[0]}' closes nothing"
                )
        elif not awaited and mark[0] != ":=":
            lets += 1
        elif not awaited and lets:
            lets -= 1
        elif not awaited:
            return mark.end()
    raise SourceError("its statement does not end in ':='")
