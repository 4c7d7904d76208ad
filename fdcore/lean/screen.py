"""The textual screen: what a model's file may not contain, decided before Lean sees it.

Lean's own verdict decides what is proved; the screen keeps out text that could change the rules (new axioms, notation, attributes,
options, commands that run code) or that another reader of the file could take for something else. It is stricter than Lean
where that costs a prover nothing: no string literals, no quotations, a space before each comment, plain names for new lemmas.

Left out on purpose: any judgement on the proof itself, and a full parser. Where Lean's tokens could be read in two ways, the
text is refused instead of understood.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from dataclasses import dataclass

MAX_CHARS = 40_000
ALLOWED_COMMANDS = ("theorem", "lemma", "def", "example")

# Words that begin a command, modify one, or run code. All are reserved by Lean or by Mathlib, so no honest proof uses them as a name.
FORBIDDEN_WORDS = frozenset(
    """
    axiom axioms constant constants opaque unsafe partial extern export import prelude public meta
    abbrev structure class inductive coinductive instance deriving mutual alias irreducible_def notation_class
    namespace section end open universe universes variable variables include omit local scoped nonrec
    attribute set_option macro macro_rules syntax notation notation3 infix infixl infixr prefix postfix mixfix declare_syntax_cat
    elab elab_rules elab_stx binder_predicate declare_config_elab declare_simp_like_tactic unif_hint simproc dsimproc simproc_decl dsimproc_decl
    builtin_simproc builtin_dsimproc builtin_initialize initialize builtin_facet run_cmd run_elab run_meta run_tac by_elab eval%
    include_str include_bytes init_quot add_decl_doc add_tactic_doc library_note suppress_compilation unsuppress_compilation
    compile_inductive compile_def register_option register_builtin_option register_simp_attr register_label_attr register_tactic_tag
    register_error_explanation register_parser_alias register_linter_set register_hint
    tactic_extension recommended_spelling assert_not_exists assert_not_imported assert_exists grind_pattern grind_propagator
    builtin_grind_propagator docs_to_verso deprecated_module deprecated_syntax deprecate to_additive initialize_simps_projections
    native_decide unseal seal whatsnew show_panel_widgets end_local_scope implemented_by csimp private_decl% add_aesop_rules erase_aesop_rules
    declare_aesop_rule_sets declare_uint_theorems declare_int_theorems gen_injective_theorems% extends where_finally
    """.split()
)
FORBIDDEN_STARTS = ("register_", "declare_", "builtin_")
# Names that no proof needs, wherever they stand inside a longer name.
FORBIDDEN_PART = re.compile(
    "sorryAx|lcProof|lcUnreachable|lcErased|lcAny|lcVoid|reduceBool|reduceNat|ofReduce|trustCompiler"
    "|skipKernelTC|implemented_by|unsafe|native_decide|eagerReduce|_root_|_private|fdPristine|fdAccept"
)
COMMENT_START = ("--", "/-")
WORD = re.compile(r"[^\W\d][\w'!?₀-₉]*(?:\.[^\W\d][\w'!?₀-₉]*)*%?")
NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO][0-7]+|\d+(?:[eE][+-]?\d+)?")
AUXILIARY_NAME = re.compile(r"[a-z][A-Za-z0-9_']{0,63}")
UNUSUAL = re.compile(r"[^\n -~]")
INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@dataclass(frozen=True)
class Refusal:
    """Why a text is refused. `line` and `column` count as Lean's do: lines from 1, columns from 0, in the text given."""

    reason: str
    line: int = 1
    column: int = 0


class _Refused(Exception):
    def __init__(self, reason: str, offset: int):
        super().__init__(reason)
        self.reason, self.offset = reason, offset


@dataclass(frozen=True)
class Token:
    kind: str  # "word" or "symbol" (one character)
    text: str
    offset: int


@functools.lru_cache(256)  # the screen reads a text, and then the search for the theorem
def tokens(text: str) -> tuple[Token, ...]:
    """Words, numbers and single symbols of a Lean text without its comments. Raises _Refused where Lean could read it in another way.

    Example: tokens("theorem t : 1 = 1 := rfl -- yes") has the words theorem, t, rfl and the symbols between.
    """
    found, i = [], 0
    while i < len(text):
        char = text[i]
        if char in " \n":
            i += 1
        elif text.startswith(COMMENT_START, i):
            if i and not text[i - 1].isspace():
                raise _Refused("a comment must have a space before it", i)
            i = _after_comment(text, i)
        elif match := NUMBER.match(text, i):
            i = match.end()
            if i < len(text) and (text[i].isalnum() or text[i] == "_"):
                raise _Refused("a number runs into a word", i)
            found.append(Token("symbol", match[0], match.start()))
        elif match := WORD.match(text, i):
            found.append(Token("word", match[0], i))
            i = match.end()
        else:
            found.append(Token("symbol", char, i))
            i += 1
    return tuple(found)


def _after_comment(text: str, start: int) -> int:
    """The offset behind the comment that starts here. Block comments nest; doc comments open with three characters, as in Lean."""
    if text.startswith("--", start):
        end = text.find("\n", start)
        return len(text) if end < 0 else end
    depth, i = 1, start + (3 if text.startswith(("/--", "/-!"), start) else 2)
    while i < len(text):
        if text.startswith("-/", i):
            depth, i = depth - 1, i + 2
            if depth == 0:
                return i
        elif text.startswith("/-", i):
            depth, i = depth + 1, i + 2
        else:
            i += 1
    raise _Refused("a comment is never closed", start)


def screen(text: str, name: str) -> Refusal | None:
    """None where the file may go to Lean; else the first reason against it. `name` is the theorem that the problem states.

    `text` has no header. Whether the theorem is there and proved is not asked here.
    """
    try:
        _characters(text)
        read = tokens(text)
        _words(read)
        _symbols(text, read)
        _declared_names(read, name)
    except _Refused as refused:
        before = text[: refused.offset]
        return Refusal(
            refused.reason, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1)
        )
    return None


def declares(text: str, name: str) -> bool:
    """Does the file hold `theorem NAME` or `lemma NAME` as code? False for a text that cannot be read."""
    try:
        read = tokens(text)
    except _Refused:
        return False
    return any(a.text in ("theorem", "lemma") and b.text == name for a, b in zip(read, read[1:]))


def _characters(text: str) -> None:
    if len(text) > MAX_CHARS:
        raise _Refused(f"the file has {len(text)} characters; at most {MAX_CHARS} are allowed", 0)
    for match in UNUSUAL.finditer(text):
        if unicodedata.category(match[0]) in INVISIBLE or match[0].isspace():
            raise _Refused(f"the character U+{ord(match[0]):04X} is not allowed", match.start())


def _words(read: tuple[Token, ...]) -> None:
    for token in read:
        if token.kind != "word":
            continue
        first = token.text.split(".", 1)[0]
        if (
            token.text in FORBIDDEN_WORDS
            or first in FORBIDDEN_WORDS
            or first.rstrip("%") in FORBIDDEN_WORDS
            or first.startswith(FORBIDDEN_STARTS)
        ):
            raise _Refused(f"'{first}' is not allowed", token.offset)
        if part := FORBIDDEN_PART.search(token.text):
            raise _Refused(f"'{part[0]}' is not allowed", token.offset)


def _symbols(text: str, read: tuple[Token, ...]) -> None:
    for token in read:
        if token.kind != "symbol":
            continue
        after = text[token.offset + 1 : token.offset + 2]
        if token.text == '"':
            raise _Refused("string literals are not allowed", token.offset)
        if token.text in "`«»":
            raise _Refused(f"'{token.text}' is not allowed", token.offset)
        if token.text == "@" and after == "[":
            raise _Refused("attributes '@[' are not allowed", token.offset)
        if token.text == "#" and (after.isalpha() or after == "_"):
            raise _Refused("commands that begin with '#' are not allowed", token.offset)
        if token.text == "'" and not _image_sign(text, token.offset):
            raise _Refused("character literals are not allowed", token.offset)


def _image_sign(text: str, offset: int) -> bool:
    """Is this quote part of Mathlib's image notation `f '' s`?"""
    return (
        re.search(r"(?:^|\s)''?$", text[: offset + 1]) is not None
        and re.match(r"'?'\s", text[offset:]) is not None
        and "''" in text[max(0, offset - 1) : offset + 2]
    )


def _declared_names(read: tuple[Token, ...], name: str) -> None:
    """New names are the problem's own or plain lower-case ones, so that nothing lands in a library namespace."""
    for token, after in zip(read, read[1:]):
        if token.text not in ("theorem", "lemma", "def"):
            continue
        if after.text != name and not (
            after.kind == "word" and AUXILIARY_NAME.fullmatch(after.text)
        ):
            raise _Refused(
                f"a new lemma needs a plain lower-case name, not '{after.text}'", after.offset
            )
