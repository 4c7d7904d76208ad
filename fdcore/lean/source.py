"""Where the parts of a Lean 4 file are: its header, the last theorem's statement, and the proof.

Nothing is rewritten. Comments, strings, characters and «names» are told from code; brackets and
`let` are counted. A text that this cannot place is refused with the reason. Left out: parsing.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import regex

# Block comments nest. A doc comment opens with three characters, so that "/--/" does not close it.
SKIPPED = regex.compile(
    r"""
    (?P<doc> /--(?&inside)-/ )
  | (?P<comment> --[^\n]* | /-(?!-)!?(?&inside)-/ )
  | (?P<string> (?<![\w'!?])r(?P<hashes>\#*)"(?s:.*?)"(?P=hashes) | "(?>[^"\\]|\\(?s:.))*+" )
  | (?P<character> (?<![\w'!?])'(?:[^\\'\n]|\\[^\n']+|\\')' )
  | (?P<quoted> «[^»\n]*+»? )
  | (?P<open> /- | (?:(?<![\w'!?])r\#*)?" )
  (?(DEFINE) (?P<inside> (?>/-(?&inside)-/ | (?!/-|-/)(?s:.))*+ ) )
    """,
    regex.VERBOSE,
)
STAND_IN = {"doc": "\x00", "comment": " ", "string": '"', "character": '"', "quoted": "x"}
# Group 1 is the name, without explicit universes: `theorem t.{u} …` declares t.
DECLARATION = regex.compile(r"(?<![\w.'!?])(?:theorem|lemma)\s+((?:[^\s:.({\[⦃]|\.(?!\{))+)")
# What may stand before `theorem` and belongs to it.
BEFORE = regex.compile(
    r"""(?:
    (?<![\w.'!?])(?:open|set_option|omit|include|variable)\b[^\n]*?\bin\s+
  | \x00+\s*                                         # a doc comment, blanked
  | @\[(?:[^\[\]]|\[[^\[\]]*\])*\]\s*                # attributes
  | (?<![\w.'!?])(?:private|protected|noncomputable|nonrec|local|scoped)\s+
    )*\Z""",
    regex.VERBOSE,
)
CLOSED_BY = dict(zip("([{⟨⦃", ")]}⟩⦄", strict=True))
LET = "let|letI|let_fun|have|haveI"
MARK = regex.compile(rf":=|[()\[\]{{}}⟨⟩⦃⦄]|(?<![\w.'!?])(?:{LET})(?![\w.'!?])")
BY = regex.compile(r"\s*by(?![\w.'!?])")
# A word as a human reads it; Lean alone decides what an identifier is.
WORD = r"[^\W\d][\w'!?]*(?:\.[^\W\d][\w'!?]*)*"


class SourceError(ValueError):
    """A Lean text whose parts cannot be told; one line says why."""


class Parts(NamedTuple):
    """`header + statement + proof` is the text, character for character."""

    header: str  # everything before the statement: imports, opens, earlier declarations
    statement: str  # from its doc comment and attributes to `:= by`, or `:=` before a term
    proof: str  # the rest


def code(text: str) -> str:
    """The text with comments and literals blanked out. Every position stays the same.

    A doc comment becomes NULs, another comment blanks, a string quotes, a «name» the letter x.
    Raises SourceError where a comment or a string is never closed.

    >>> code('x -- theorem' + chr(10) + '"a" y')
    'x           \\n\"\"\" y'
    """

    def blank(match: regex.Match) -> str:
        if match.lastgroup == "open":
            kind = "string" if match[0].endswith('"') else "comment"
            raise SourceError(f"{_line(text, match.start())}: a {kind} is never closed")
        stand_in = STAND_IN[next(kind for kind in STAND_IN if match[kind] is not None)]
        return stand_in * len(match[0]) if stand_in != " " else regex.sub(r"[^\r\n]", " ", match[0])

    return SKIPPED.sub(blank, text)


def words(text: str) -> list[str]:
    """The words of a Lean text's code; none where a comment or a string is never closed.

    >>> words("rw [Nat.add_comm] -- or_comm")
    ['rw', 'Nat.add_comm']
    """
    try:
        return regex.findall(WORD, code(text))
    except SourceError:
        return []


@functools.lru_cache(8192)
def theorem_name(text: str) -> str:
    """The name that the last `theorem` or `lemma` of the text declares, as written.

    Raises SourceError where there is none.

    >>> theorem_name("/-- The theorem of Pythagoras -/ lemma A.t'.{u} (α : Type u) : True := by")
    "A.t'"
    """
    start, end = _last_declaration(code(text)).span(1)
    return text[start:end]


def split_source(text: str) -> Parts:
    """The parts of a Lean text around its last `theorem` or `lemma`. Raises SourceError.

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
    declarations = list(DECLARATION.finditer(blanked))
    if not declarations:
        raise SourceError("it declares no theorem or lemma")
    return declarations[-1]


def _end_of_type(blanked: str, start: int) -> int:
    """The offset behind the `:=` that ends the type.

    It stands outside all brackets, and belongs to no `let` or `have` of the type.
    """
    awaited, lets = [], 0
    for mark in MARK.finditer(blanked, start):
        if mark[0] in CLOSED_BY:
            awaited.append(CLOSED_BY[mark[0]])
        elif mark[0] in CLOSED_BY.values():
            if not awaited or awaited.pop() != mark[0]:
                raise SourceError(f"{_line(blanked, mark.start())}: '{mark[0]}' closes nothing")
        elif awaited:
            continue
        elif mark[0] != ":=":
            lets += 1
        elif lets:
            lets -= 1
        else:
            return mark.end()
    raise SourceError("its statement does not end in ':='")


def _line(text: str, offset: int) -> str:
    return f"line {text.count(chr(10), 0, offset) + 1}"
