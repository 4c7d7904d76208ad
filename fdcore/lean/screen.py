"""What a candidate's file may contain, decided on the trees of Lean's own parser.

`fdcore.lean.kernel` parses a file command by command with the pristine parser and hands each tree
to `check_command`. Commands, modifiers and options are on lists of what is allowed. A short list of
tokens that run code or change the rules is refused wherever it stands. The screen protects the
elaborator's process and keeps odd files out. No verdict `verified` rests on it: see
lean_project/VERIFIER.md.

Standard library only: the sandboxed process imports this file. Left out on purpose: any reading of
text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

MAX_CHARS = 40_000
COMMAND = "Lean.Parser.Command."
DECLARATIONS = frozenset({"theorem", "definition", "abbrev", "example", "instance"})
SCOPE_COMMANDS = frozenset({"open", "namespace", "section", "end", "set_option", "universe"})
OTHER_COMMANDS = frozenset({"variable", "include", "omit", "moduleDoc", "eoi"})
ALLOWED_COMMANDS = SCOPE_COMMANDS | OTHER_COMMANDS
FORBIDDEN_TOKENS = frozenset(
    ("@[", "unsafe", "partial", "public", "meta", "deriving", "extern", "export", "initialize")
    + ("builtin_initialize", "native_decide", "run_tac", "run_elab", "run_meta", "run_cmd")
    + ("by_elab", "include_str", "include_bytes", "eval%", "sleep", "dbg_trace", "dbg_sleep")
    + ("dbg_stack_trace", "implemented_by")
)
BOUNDED_OPTIONS = frozenset({"maxHeartbeats", "synthInstance.maxHeartbeats"})
MAX_RECURSION = 10_000  # Lean watches its own stack besides
FREE_OPTIONS = frozenset({"autoImplicit", "relaxedAutoImplicit"})
FREE_OPTION_PREFIXES = ("pp.", "linter.")
RESERVED = frozenset({"fdPristine", "fdAccept"})  # the judge's own names
QUOTATION = re.compile(r"`\((?:[\w.]+\|)?")
INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


class Refused(Exception):
    """The file may not be elaborated. `offset`: bytes of the text before the reason."""

    def __init__(self, reason: str, offset: int):
        super().__init__(reason)
        self.reason, self.offset = reason, offset


class Tree(NamedTuple):
    """A syntax tree. A leaf has the kind "atom", "ident" or "missing"."""

    kind: str
    parts: tuple[Tree, ...] = ()
    text: str = ""  # of an atom or identifier
    start: int = -1  # offset of the first token in bytes; -1 where there is none
    stop: int = -1  # offset behind the last token
    name: tuple = ()  # of an identifier: its components

    def nodes(self) -> Iterator[Tree]:
        """The tree and all that it is made of, from left to right."""
        waiting = [self]
        while waiting:
            tree = waiting.pop()
            yield tree
            waiting.extend(reversed(tree.parts))

    def leaves(self) -> Iterator[Tree]:
        """The atoms and identifiers, from left to right."""
        return (tree for tree in self.nodes() if tree.text)


def check_characters(text: str) -> None:
    """Refuse texts that are too long, and characters that a reader cannot see.

    Lean itself refuses tabs, but in comments.

    Raises:
        Refused: with the offset in bytes of the first such character.
    """
    if len(text) > MAX_CHARS:
        raise Refused(f"the file has more than {MAX_CHARS} characters", 0)
    for number, char in enumerate(text):
        if char in "\n\t " or (char.isascii() and char.isprintable()):
            continue
        if unicodedata.category(char) in INVISIBLE or char.isspace():
            before = text[:number].encode("utf-8", "surrogatepass")
            raise Refused(f"the character U+{ord(char):04X} is not allowed", len(before))


def check_command(command: Tree, heartbeats: int) -> list[tuple[int, int]]:
    """Refuse a command that is not on the lists.

    Args:
        command: the tree of one command, as the pristine parser reads it.
        heartbeats: the profile's limit; larger ones are not obeyed.

    Returns:
        Places (start, stop) that the caller blanks out before Lean elaborates the text: `set_option
        maxHeartbeats` commands, whose limit is the profile's.

    Raises:
        Refused: with the token that is the reason.
    """
    kind = command.kind.removeprefix(COMMAND)
    if next(command.leaves(), None) is None:  # nothing was read
        return []
    if kind == "null":
        return [place for part in command.parts for place in check_command(part, heartbeats)]
    if kind == "in" and len(command.parts) == 3:
        return _check_in(*command.parts, heartbeats)
    is_declaration = kind == "declaration" and _declares_allowed_kind(command)
    is_command = command.kind.startswith(COMMAND) and kind in ALLOWED_COMMANDS
    if not (is_declaration or is_command or command.kind == "lemma"):
        raise Refused(f"'{_keyword(command)}' is not allowed", command.start)
    _check_tokens(command)
    blanks = []
    if is_limit(command):
        blanks.append((command.start, command.stop))
    _check_options(command, heartbeats, blanks)
    return blanks


def _check_in(first: Tree, word: Tree, second: Tree, heartbeats: int) -> list[tuple[int, int]]:
    """`first in second`: the option or `open` holds for one command."""
    blanks = check_command(first, heartbeats)
    if blanks == [(first.start, first.stop)]:
        blanks = [(first.start, word.stop)]
    return blanks + check_command(second, heartbeats)


def _declares_allowed_kind(command: Tree) -> bool:
    declared = command.parts[1].kind if len(command.parts) > 1 else "missing"
    return declared == "missing" or declared.removeprefix(COMMAND) in DECLARATIONS


def _keyword(command: Tree) -> str:
    """The token to name in a refusal: of a declaration, the one behind its modifiers."""
    tree = command
    if command.kind == COMMAND + "declaration" and len(command.parts) > 1:
        tree = command.parts[1]
    return next((leaf.text for leaf in tree.leaves()), "this command")


def _check_tokens(command: Tree) -> None:
    for leaf in command.leaves():
        token = leaf.text.strip()
        is_name = leaf.kind == "ident"
        if is_name and not RESERVED.isdisjoint(leaf.name):
            raise Refused(f"'{token}' is not allowed", leaf.start)
        if not is_name and (token in FORBIDDEN_TOKENS or QUOTATION.fullmatch(token)):
            raise Refused(f"'{token}' is not allowed", leaf.start)


def _check_options(command: Tree, heartbeats: int, blanks: list[tuple[int, int]]) -> None:
    """Look at every option that the command sets, inside terms and tactics too."""
    bounded = {"maxRecDepth": MAX_RECURSION} | dict.fromkeys(BOUNDED_OPTIONS, heartbeats)
    for tree in command.nodes():
        if tree.kind.endswith("ConfigItem") and any(p.text == "native" for p in tree.parts):
            raise Refused("'native' is not allowed", tree.start)
        if not tree.kind.endswith(".set_option") or (tree.start, tree.stop) in blanks:
            continue
        name, value = _option(tree)
        number = int(value) if value.isascii() and value.isdecimal() and len(value) < 12 else 0
        if name in FREE_OPTIONS or name.startswith(FREE_OPTION_PREFIXES):
            continue
        if name not in bounded:
            raise Refused(f"'set_option {name}' is not allowed", tree.start)
        if not 0 < number <= bounded[name]:
            limit = f"a number from 1 to {bounded[name]}"
            raise Refused(f"'set_option {name}' needs {limit}", tree.start)


def is_limit(command: Tree) -> bool:
    """Is it a `set_option maxHeartbeats` command?"""
    return command.kind == COMMAND + "set_option" and _option(command)[0] in BOUNDED_OPTIONS


def _option(tree: Tree) -> tuple[str, str]:
    """(name, value) of a `set_option` command, term or tactic."""
    texts = [leaf.text for leaf in tree.leaves()]
    return (texts[1], texts[2]) if len(texts) > 2 else ("", "")
