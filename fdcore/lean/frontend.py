"""Lean's parser and elaborator, and the elaborator's role: what it does with a candidate's file.

It parses the file with the pristine parser, lets `fdcore.lean.screen` decide on each command's
tree, elaborates the file, and writes its constants to an object file where there is no fault.

Lean 4.35; standard library and files of this folder only. Left out on purpose: any verdict for a
proof (`fdcore.lean.kernel`).
"""

from __future__ import annotations

import ctypes
import json
from collections.abc import Iterator
from typing import NamedTuple

from fdcore.lean.objects import NOTHING, TRUE, LeanError, Library, show_name
from fdcore.lean.screen import (
    COMMAND,
    SCOPE_COMMANDS,
    Refused,
    Tree,
    check_characters,
    check_command,
    is_limit,
)

MODULE = "_stdin"  # the name of every file's module
OPENING = (("open",), ("set_option",))  # commands that a header may begin with in any order


class Defective(LeanError):
    """The problem's own header or statement does not elaborate."""


class Context(NamedTuple):
    """What a problem's header holds behind its imports."""

    state: int  # Lean's `Command.State` behind it
    commands: frozenset[tuple[str, ...]]  # the words of each


class Lean(Library):
    """The library with the verifier's header imported: parser and elaborator."""

    def __init__(self, path: str, header: str, heartbeats: int):
        super().__init__(path)
        self.header, self.heartbeats = header, heartbeats
        self._kinds: dict[int, str] = {}  # pointer to a name that lives for ever -> its text
        self._contexts: dict[str, Context] = {}
        imports = max(0, self.parse_header(header).stop)
        self.environment = self._import(header.encode()[:imports].decode() + "\n")
        options = self.call("lean_options_get_empty", NOTHING)
        number, name = self.constant("l_Lean_KVMap_instValueNat"), self.name(("maxHeartbeats",))
        limit = self.nat(heartbeats)
        options = self.call("l_Lean_Options_set___redArg", number, options, name, limit)
        self.log = self.constant("l_Lean_MessageLog_empty")
        make_state = "l_Lean_Elab_Command_mkState"
        self.start = self.forever(self.call(make_state, self.environment, self.log, options))

    def _import(self, header: str) -> int:
        """The environment behind the header, made by the function that `lean FILE` uses."""
        empty = [self.call("lean_array_mk", NOTHING) for _ in range(2)]
        options = self.call("lean_options_get_empty", NOTHING)
        arguments = [self.string(header), options, self.string("Main.lean"), self.name((MODULE,))]
        arguments += [NOTHING] * 4 + empty + [NOTHING] * 5
        result = self.value(self.call("l_Lean_Elab_runFrontend___boxed", *arguments))
        if result == NOTHING:
            raise LeanError("the header does not elaborate")
        return self.forever(self.field(result, 0))

    # -- the parser ----------------------------------------------------------------------------

    def _source(self, text: str) -> int:
        """Lean's `InputContext` of a text."""
        end = self.nat(len(text.encode()))
        content, file = self.string(text), self.string("<input>")
        return self.call("l_Lean_Parser_mkInputContext___redArg___boxed", content, file, TRUE, end)

    def parse_header(self, text: str) -> Tree:
        """The tree of `prelude` and imports. Raises Refused."""
        result = self.call("l_Lean_Parser_parseHeader___boxed", self._source(text), NOTHING)
        parsed = self.value(result)
        tree, rest = self._tree(self.field(parsed, 0)), self.field(parsed, 1)
        faults = self._messages(self.field(rest, 1))
        self.drop(result)
        if faults:
            reason = f"the imports cannot be read: {faults[0]['data']}"
            raise Refused(reason, max(tree.start, 0))
        return tree

    def parse(self, text: str, state: int, start: int = 0) -> Iterator[tuple[Tree, int]]:
        """The commands of a text from the byte `start` on, parsed from `state` on.

        A command that changes how the next is parsed (`open`, `namespace`, …) is elaborated by
        itself, but only when the caller asks for the next command, having seen this one.

        Yields:
            each command's tree, and the `Command.State` that it was parsed in.
        """
        source, data = self._source(text), text.encode()
        position = self.make(0, self.nat(start), extra=0)
        while True:
            scope = self.field(self.field(state, 2), 0)  # of a State: environment, messages, scopes
            fields = (self.field(state, 0), *(self.field(scope, place) for place in (1, 2, 3)))
            context = self.make(0, *(self.keep(field) for field in fields))
            arguments = (self.keep(source), context, position, self.log)
            result = self.call("l_Lean_Parser_parseCommand", *arguments)
            tree, rest = self._tree(self.field(result, 0)), self.field(result, 1)
            position = self.keep(self.field(rest, 0))
            self.drop(result)
            yield tree, state
            kind = tree.kind.removeprefix(COMMAND)
            if kind == "eoi":
                return
            if kind in SCOPE_COMMANDS:
                command = data[tree.start : tree.stop].decode(errors="replace")
                state = self.process(command + "\n", state)

    def _tree(self, pointer: int) -> Tree:
        """A syntax tree as Python's own."""
        if pointer & 1:
            return Tree("missing")
        head, info, content = self.words(pointer, 3)
        if head >> 56 == 1:  # a node: information, kind, arguments
            parts, start, stop = [], -1, -1
            for argument in self.array(self.field(pointer, 2)):  # a loop needs none of C's stack
                part = self._tree(argument)
                parts.append(part)
                start = part.start if start < 0 else start
                stop = max(stop, part.stop)
            return Tree(self._kind(content), tuple(parts), "", start, stop)
        start, stop = -1, -1
        if not info & 1 and self.tag(info) == 0:  # SourceInfo.original
            _, _, first, _, last = self.words(info, 5)
            start, stop = first >> 1, last >> 1
        if head >> 56 == 2:
            return Tree("atom", (), self.text(content), start, stop)
        name = self.read_name(self.field(pointer, 2))
        return Tree("ident", (), show_name(name), start, stop, name)

    def _kind(self, pointer: int) -> str:
        kind = self._kinds.get(pointer)
        if kind is None:
            kind = ".".join(map(str, self.read_name(pointer)))
            if pointer & 1 or ctypes.c_int32.from_address(pointer).value == 0:
                self._kinds[pointer] = kind
        return kind

    # -- headers -------------------------------------------------------------------------------

    def context(self, header: str) -> Context:
        """What a problem's header, or the verifier's in place of an empty one, has behind imports.

        The imports are the verifier's. A limit on heartbeats is the profile's.

        Raises:
            Defective: it imports what the verifier's header does not bring, or cannot be read.
        """
        if header not in self._contexts:
            data, commands = bytearray(header.encode()), set()
            try:
                imports = self.blank_imports(data)
                for command, _ in self.parse(data.decode(), self.start):
                    if is_limit(command):
                        blank(data, command.start, command.stop)
                    elif words := tuple(data[command.start : command.stop].decode().split()):
                        commands.add(words)
            except Refused as refused:
                raise Defective(f"its header: {refused.reason}") from None
            if not imports and not commands and header != self.header:
                return self.context(self.header)
            state = self.start
            if commands:
                state = self.forever(self.process(data.decode() + "\n", state))
            for message in self.messages(state):
                if message["severity"] == "error":
                    first = message["data"].partition("\n")[0]
                    raise Defective(f"its header: {first}")
            self._contexts[header] = Context(state, frozenset(commands))
        return self._contexts[header]

    def blank_imports(self, data: bytearray) -> bool:
        """Blank out `prelude` and imports. Raises Refused for what the verifier does not import."""
        header = self.parse_header(data.decode())
        for leaf in header.leaves():
            if leaf.kind == "atom" and leaf.text not in ("prelude", "import"):
                raise Refused(f"'{leaf.text}' is not allowed", leaf.start)
            index = "l_Lean_Environment_getModuleIdx_x3f___boxed"
            arguments = (self.keep(self.environment), self.name(leaf.name))
            if leaf.kind == "ident" and self.call(index, *arguments) == NOTHING:
                reason = f"'import {leaf.text}': the profile's header does not bring it"
                raise Refused(reason, leaf.start)
        blank(data, header.start, header.stop)
        return header.start >= 0

    # -- the elaborator ------------------------------------------------------------------------

    def process(self, text: str, state: int) -> int:
        """Lean's `Command.State` behind the last command of a text."""
        position = self.make(0, NOTHING, extra=0)
        arguments = (self._source(text), position, self.keep(state), NOTHING)
        processed = self.call("l_Lean_Elab_IO_processCommandsIncrementally", *arguments)
        state = self.keep(self.field(self.field(processed, 0), 0))
        self.drop(processed)
        return state

    def messages(self, state: int) -> list[dict]:
        """What was said, as `lean --json` prints it."""
        return self._messages(self.field(state, 1))

    def _messages(self, log: int) -> list[dict]:
        first = self.call("l_Lean_MessageLog_toList___boxed", self.keep(log))
        messages = []
        for pointer in self.items(first):
            json_ = self.call("l_Lean_Message_toJson", self.keep(pointer), NOTHING)
            text = self.call("l_Lean_Json_compress", json_)
            messages.append(json.loads(self.text(text)))
            self.drop(text)
        self.drop(first)
        return messages


class Elaborator:
    """Runs candidates' files. Its word counts only against a proof."""

    def __init__(self, lean: Lean):
        self.lean = lean

    def answer(self, text: str, header: str, olean: str) -> dict:
        """Screen and elaborate a candidate's file.

        Args:
            text: the file, with or without a header of its own.
            header: the problem's.
            olean: where the constants go.

        Returns:
            `defective`: what is wrong with the problem's header; or `refused`, `line`, `column`
            where the screen refuses the file; or `messages`, with lines of `text`, and `written`:
            there is neither an error nor a sorry.
        """
        try:
            context = self.lean.context(header)
            check_characters(text)
            source = self._screen(text, context)
        except Defective as error:
            return {"defective": str(error)}
        except Refused as refused:
            before = text.encode("utf-8", "surrogatepass")[: refused.offset]
            column = len(before[before.rfind(b"\n") + 1 :].decode(errors="replace"))
            line = before.count(b"\n") + 1
            return {"refused": refused.reason, "line": line, "column": column}
        messages, written = self._elaborate(source, context, olean)
        return {"messages": messages, "written": written}

    def _screen(self, text: str, context: Context) -> str:
        """The text to elaborate. Raises Refused.

        Blanks take the place of imports, of heartbeats, and of what the file repeats of the
        context. What results is screened again: Lean elaborates nothing that was not seen as it
        stands.
        """
        data = bytearray(text.encode())
        self.lean.blank_imports(data)
        places = self._check_commands(data, context)
        if places:
            for start, stop in places:
                blank(data, start, stop)
            if self._check_commands(data, context):
                raise Refused("'set_option' is not allowed here", places[0][0])
        return data.decode()

    def _check_commands(self, data: bytearray, context: Context) -> list[tuple[int, int]]:
        """The places to blank out. Raises Refused."""
        leading, blanks = True, []
        try:
            for command, _ in self.lean.parse(data.decode(), context.state):
                words = tuple(data[command.start : command.stop].decode(errors="replace").split())
                leading = leading and (words in context.commands or words[:1] in OPENING)
                if leading and words in context.commands:
                    blanks.append((command.start, command.stop))
                else:
                    blanks += check_command(command, self.lean.heartbeats)
        except (RecursionError, ctypes.ArgumentError):  # the second stands for the first
            raise Refused("the file is nested too deeply", 0) from None
        return blanks

    def _elaborate(self, text: str, context: Context, olean: str) -> tuple[list[dict], bool]:
        """(messages, whether the constants were written to `olean`)."""
        lean = self.lean
        state = lean.process(text + "\n", context.state)
        messages = lean.messages(state)
        written = not any(m["severity"] == "error" or m.get("kind") == "hasSorry" for m in messages)
        if written:
            arguments = (lean.keep(lean.field(state, 0)), lean.string(olean), NOTHING, NOTHING)
            result = lean.call("l_Lean_writeModule___boxed", *arguments)
            written = lean.tag(result) == 0
            lean.drop(result)
        lean.drop(state)
        return messages, written


def blank(data: bytearray, start: int, stop: int) -> None:
    """Put spaces in the place of data[start:stop], so that all places behind stay the same."""
    for place in range(max(start, 0), stop):
        if data[place] != 10:  # a line's end
            data[place] = 32
