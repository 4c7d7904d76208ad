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

from fdcore.lean.objects import NOTHING, TRUE, LeanError, Library, show_name
from fdcore.lean.screen import (
    COMMAND,
    SCOPE_COMMANDS,
    Refused,
    Tree,
    check_characters,
    check_command,
)

MODULE = "_stdin"  # the name of every file's module
HEADER_WORDS = ("prelude", "import", "module")
MAX_STATES = 128  # statements whose elaboration is kept, about 0.6 MB each


class Lean(Library):
    """The library with a header imported: parser and elaborator."""

    def __init__(self, path: str, header: str, heartbeats: int):
        super().__init__(path)
        self._kinds: dict[int, str] = {}  # pointer to a name that lives for ever -> its text
        self.environment = self._import(header)
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
        faulty = bool(self._messages(self.field(rest, 1)))
        self.drop(result)
        if faulty:
            raise Refused("the imports cannot be read", max(tree.start, 0))
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
                state = self.final_state(self.process(command + "\n", state))

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

    # -- the elaborator ------------------------------------------------------------------------

    def process(self, text: str, state: int, old: int | None = None) -> int:
        """Lean's `IncrementalState` of a text; it may go on from an `old` one."""
        before = NOTHING if old is None else self.make(1, self.keep(old))
        position = self.make(0, NOTHING, extra=0)
        arguments = (self._source(text), position, self.keep(state), before)
        return self.call("l_Lean_Elab_IO_processCommandsIncrementally", *arguments)

    def final_state(self, processed: int) -> int:
        """The `Command.State` behind the last command."""
        return self.keep(self.field(self.field(processed, 0), 0))

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

    def __init__(self, lean: Lean, heartbeats: int):
        self.lean, self.heartbeats = lean, heartbeats
        self._contexts: dict[str, int] = {"": lean.start}
        self._statements: dict[str, int] = {}

    def answer(self, text: str, context: str, statement: str, olean: str) -> dict:
        """Screen and elaborate a candidate's file.

        Args:
            text: the file, with or without a header of its own.
            context: what the problem's header holds behind its imports (`open …`).
            statement: how most files begin, up to `by`; what Lean makes of it is kept.
            olean: where the constants go.

        Returns:
            `refused`, `line`, `column` where the screen refuses it. Else `messages`, with lines of
            `text`, and `written`: there is neither an error nor a sorry.
        """
        try:
            check_characters(text)
            source, dropped = self._screen(text, context)
        except Refused as refused:
            before = text.encode("utf-8", "surrogatepass")[: refused.offset]
            column = len(before[before.rfind(b"\n") + 1 :].decode(errors="replace"))
            line = before.count(b"\n") + 1
            return {"refused": refused.reason, "line": line, "column": column}
        messages, written = self._elaborate(context + source, context + statement, olean)
        above = context.count("\n") - dropped
        for message in messages:
            message["pos"]["line"] = max(1, message["pos"]["line"] - above)
        return {"messages": messages, "written": written}

    def _screen(self, text: str, context: str) -> tuple[str, int]:
        """(the text to elaborate, how many empty lines above it were left out). Raises Refused.

        Blanks take the place of the header, of heartbeats, and of an `open` that the context has.
        What results is screened again: Lean elaborates nothing that was not seen as it stands.
        """
        data = bytearray(text.encode())
        if any(word in text for word in HEADER_WORDS):  # else there is none, for Lean too
            header = self.lean.parse_header(text)
            self._check_imports(header)
            _blank(data, header.start, header.stop)
        places = self._check_commands(data, context)
        if places:
            for start, stop in places:
                _blank(data, start, stop)
            if self._check_commands(data, context):
                raise Refused("'set_option' is not allowed here", places[0][0])
        source = data.decode()
        first = source.rfind("\n", 0, len(source) - len(source.lstrip())) + 1
        return source[first:], source.count("\n", 0, first)

    def _check_commands(self, data: bytearray, context: str) -> list[tuple[int, int]]:
        """The places to blank out. Raises Refused."""
        known = {" ".join(line.split()) for line in context.splitlines()}
        above, leading, blanks = len(context.encode()), True, []
        try:
            whole = context + data.decode()
            for command, _ in self.lean.parse(whole, self._context(context), above):
                places = check_command(command, self.heartbeats)
                command_text = data[command.start - above : command.stop - above]
                words = command_text.decode(errors="replace").split()
                leading = leading and words[:1] in (["open"], ["set_option"])
                if leading and " ".join(words) in known:
                    places = [(command.start, command.stop)]
                blanks += [(start - above, stop - above) for start, stop in places]
        except Refused as refused:
            raise Refused(refused.reason, max(0, refused.offset - above)) from None
        except (RecursionError, ctypes.ArgumentError):  # the second stands for the first
            raise Refused("the file is nested too deeply", 0) from None
        return blanks

    def _check_imports(self, header: Tree) -> None:
        """Refuse a module that the verifier's header does not bring."""
        for leaf in header.leaves():
            if leaf.kind == "atom" and leaf.text not in ("prelude", "import"):
                raise Refused(f"'{leaf.text}' is not allowed", leaf.start)
            name = self.lean.name(leaf.name)
            environment = self.lean.keep(self.lean.environment)
            index = "l_Lean_Environment_getModuleIdx_x3f___boxed"
            if leaf.kind == "ident" and self.lean.call(index, environment, name) == NOTHING:
                reason = f"'import {leaf.text}': the header of this problem does not bring it"
                raise Refused(reason, leaf.start)

    def _context(self, context: str) -> int:
        """Lean's state behind the problem's header."""
        if context not in self._contexts:
            processed = self.lean.process(context, self.lean.start)
            self._contexts[context] = self.lean.forever(self.lean.final_state(processed))
        return self._contexts[context]

    def _elaborate(self, text: str, stated: str, olean: str) -> tuple[list[dict], bool]:
        """(messages, whether the constants were written to `olean`).

        A text that begins with `stated` is elaborated as an edit of `stated` with a sorry, as
        Lean's server does with a file that changes: what the two share is done once.
        """
        lean, old = self.lean, None
        if stated and text.startswith(stated):
            old = self._statements.pop(stated, None)
            old = old or lean.process(stated + " sorry\n", lean.start)
            self._statements[stated] = old  # the newest stands last
            if len(self._statements) > MAX_STATES:
                lean.drop(self._statements.pop(next(iter(self._statements))))
        processed = lean.process(text + "\n", lean.start, old)
        state = lean.final_state(processed)
        messages = lean.messages(state)
        written = not any(m["severity"] == "error" or m.get("kind") == "hasSorry" for m in messages)
        if written:
            arguments = (lean.keep(lean.field(state, 0)), lean.string(olean), NOTHING, NOTHING)
            result = lean.call("l_Lean_writeModule___boxed", *arguments)
            written = lean.tag(result) == 0
            lean.drop(result)
        lean.drop(state)
        lean.drop(processed)
        return messages, written


def _blank(data: bytearray, start: int, stop: int) -> None:
    """Put spaces in the place of data[start:stop], so that all places behind stay the same."""
    for place in range(max(start, 0), stop):
        if data[place] != 10:  # a line's end
            data[place] = 32
