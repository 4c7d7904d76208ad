"""Lean's parser, elaborator and kernel inside a process of ours.

`fdcore.lean.process` starts two kinds of sandboxed processes with this file and talks to them, one JSON line
each way:

- the *elaborator* parses a candidate's file with the pristine parser, lets `fdcore.lean.screen` decide on the
  tree of each command, elaborates the file, and writes its constants to an object file where there is no fault;
- the *judge* runs, imports and maps nothing of a candidate. It elaborates the problem's statement, reads the
  object file as untrusted bytes, builds the theorem's term and all that it rests on anew, and hands each
  declaration to the kernel, last of all `theorem fdAccept : STATEMENT := @THEOREM`.

Why this is sound: lean_project/VERIFIER.md. Lean 4.35; standard library and three files of this folder only.
"""

from __future__ import annotations

import ctypes
import itertools
import json
import os
import sys
from collections.abc import Iterator
from ctypes import c_size_t, c_uint8, c_uint32
from typing import NamedTuple

from fdcore.lean.objects import NOTHING, TRUE, LeanError, Library
from fdcore.lean.olean import UNREADABLE, Constant, Name, Olean, Terms
from fdcore.lean.screen import (
    COMMAND,
    SCOPE_COMMANDS,
    Refused,
    Tree,
    check_characters,
    check_command,
)

MODULE = "_stdin"  # the name of every file's module
MAX_STATES = 128  # statements whose elaboration is kept, about 0.6 MB each
MAX_NODES = 500_000  # terms kept between two requests
MAX_DEPTH = 1 << 20  # no limit of ours: the kernel watches its stack
MAX_LEVELS = 3  # universe parameters whose order may differ from the statement's
ACCEPT = ("fdAccept", 0)  # a number in it: no text can declare this name
PRISTINE = "fdPristine"
AXIOMS = (
    "l_Lean_collectAxioms___at___00__private_Lean_Elab_Print_0__"
    "Lean_Elab_Command_printAxiomsOf_spec__0___redArg___boxed"
)


class Defective(LeanError):
    """The problem's own statement does not elaborate."""


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
        """The tree of what stands before the first command: `prelude` and imports. Raises Refused."""
        result = self.call("l_Lean_Parser_parseHeader___boxed", self._source(text), NOTHING)
        parsed = self.value(result)
        tree, rest = self._tree(self.field(parsed, 0)), self.field(parsed, 1)
        faulty = bool(self._messages(self.field(rest, 1)))
        self.drop(result)
        if faulty:
            raise Refused("the imports cannot be read", max(tree.start, 0))
        return tree

    def parse(self, text: str, state: int, start: int = 0) -> Iterator[tuple[Tree, int]]:
        """The commands of a text from the byte `start` on, the first one as it is parsed in `state`.

        A command that changes how the next is parsed (`open`, `namespace`, …) is elaborated by itself, but
        only when the caller asks for the next command, having seen this one.

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
                command = data[tree.start : tree.stop].decode()
                state = self.final_state(self.process(command + "\n", state))

    def _tree(self, pointer: int) -> Tree:
        """A syntax tree as Python's own."""
        if pointer & 1:
            return Tree("missing")
        tag = self.tag(pointer)
        if tag == 1:
            parts = []
            for part in self.array(self.field(pointer, 2)):  # a loop needs none of C's stack
                parts.append(self._tree(part))  # noqa: PERF401
            placed = [part for part in parts if part.start >= 0]
            start, stop = (placed[0].start, placed[-1].stop) if placed else (-1, -1)
            return Tree(self._kind(self.field(pointer, 1)), tuple(parts), "", start, stop)
        info, start, stop = self.field(pointer, 0), -1, -1
        if not info & 1 and self.tag(info) == 0:  # SourceInfo.original
            start, stop = self.field(info, 1) >> 1, self.field(info, 3) >> 1
        if tag == 2:
            return Tree("atom", (), self.text(self.field(pointer, 1)), start, stop)
        name = self.read_name(self.field(pointer, 2))
        return Tree("ident", (), _shown(name), start, stop, name)

    def _kind(self, pointer: int) -> str:
        kind = self._kinds.get(pointer)
        if kind is None:
            kind = ".".join(map(str, self.read_name(pointer)))
            if pointer & 1 or ctypes.c_int32.from_address(pointer).value == 0:
                self._kinds[pointer] = kind
        return kind

    # -- the elaborator ------------------------------------------------------------------------

    def process(self, text: str, state: int, old: int | None = None) -> int:
        """An `IncrementalState`, as `Lean.Elab.process` makes one; it may go on from an `old` one."""
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
            `refused`, `line`, `column` where the screen refuses it. Else `messages`, with lines of `text`, and
            `written`: there is neither an error nor a sorry.
        """
        try:
            check_characters(text)
            source, dropped = self._screen(text, context)
        except Refused as refused:
            before = text.encode("utf-8", "surrogatepass")[: refused.offset]
            column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "surrogatepass"))
            line = before.count(b"\n") + 1
            return {"refused": refused.reason, "line": line, "column": column}
        messages, written = self._elaborate(context + source, context + statement, olean)
        above = context.count("\n") - dropped
        for message in messages:
            message["pos"]["line"] = max(1, message["pos"]["line"] - above)
        return {"messages": messages, "written": written}

    def _screen(self, text: str, context: str) -> tuple[str, int]:
        """(the text to elaborate, how many empty lines above it were left out). Raises Refused.

        Blanks take the place of the header, of heartbeats, and of an `open` that the context has already.
        """
        data, above = bytearray(text.encode()), len(context.encode())
        header = self.lean.parse_header(text)
        self._check_imports(header)
        _blank(data, header.start, header.stop)
        known = {" ".join(line.split()) for line in context.splitlines()}
        leading = True
        try:
            whole = context + data.decode()
            for command, _ in self.lean.parse(whole, self._context(context), above):
                places = check_command(command, self.heartbeats)
                words = data[command.start - above : command.stop - above].decode().split()
                leading = leading and words[:1] in (["open"], ["set_option"])
                if leading and " ".join(words) in known:
                    places = [(command.start, command.stop)]
                for start, stop in places:
                    _blank(data, start - above, stop - above)
        except Refused as refused:
            raise Refused(refused.reason, max(0, refused.offset - above)) from None
        except RecursionError:
            raise Refused("the file is nested too deeply", 0) from None
        source = data.decode()
        first = source.rfind("\n", 0, len(source) - len(source.lstrip())) + 1
        return source[first:], source.count("\n", 0, first)

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

        A text that begins with `stated` is elaborated as an edit of `stated` with a sorry, as Lean's server
        does with a file that changes: what the two share is done once.
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


class Statement(NamedTuple):
    """A problem's statement as the judge elaborated it, its theorem under the name `fdPristine`."""

    state: int  # Lean's `Command.State`
    environment: int  # the kernel's, with all that the statement declares
    theorem: Name  # what the candidate must declare
    levels: tuple[Name, ...]
    type: int


class Judge:
    """The kernel's side. It alone can say yes."""

    def __init__(self, lean: Lean):
        self.lean, self.terms = lean, Terms()
        self._objects: dict[int | Name, int] = {}  # term, level or name -> Lean's object
        self._axioms: dict[Name, frozenset[Name]] = {}  # of library constants
        self._statements: dict[str, Statement] = {}

    def answer(self, statement: str, olean: str) -> dict:
        """Judge an object file against a statement, a text that ends in `by` or `:=`.

        Returns:
            `defective`: why the statement does not elaborate; or `refused`: why the theorem is not accepted;
            or `axioms`: the file proves the statement, and rests on these, each a list of components.
        """
        if len(self.terms.nodes) > MAX_NODES:
            for pointer in self._objects.values():
                self.lean.drop(pointer)
            self.terms, self._objects = Terms(), {}
        try:
            given = self._statement(statement)
        except Defective as error:
            return {"defective": str(error)}
        try:
            return self._judge(given, Olean.read(olean, self.terms))
        except UNREADABLE as error:
            return {"refused": f"the object file cannot be read: {error}"}

    def _judge(self, given: Statement, file: Olean) -> dict:
        plain = _public(given.theorem)
        theorem = next((name for name in (given.theorem, plain) if name in file.names), None)
        if theorem is None:
            return {"refused": f"the file does not state the theorem {_shown(plain)}"}
        for name in file.names:
            if file.kind(name) == "axiom" and not self._is_given(given, name):
                reason = f"the file declares the axiom {_shown(name)}"
                return {"refused": reason, "status": "forbidden"}
        order = self._order(given, file, theorem)
        environment = self.lean.keep(given.environment)
        for name, constant in order.items():
            environment, reason = self._add(environment, name, constant)
            if reason:
                return {"refused": reason}
        if theorem not in order or order[theorem].kind != "theorem":
            return {"refused": f"{_shown(plain)} is not declared as a theorem"}
        accepted = self._accepts(environment, given, theorem, order[theorem].levels)
        self.lean.drop(environment)
        if not accepted:
            return {"refused": f"the theorem {_shown(plain)} is not the statement that was given"}
        used = frozenset().union(*(constant.uses for constant in order.values())) - set(order)
        used |= self._constants_in(given.type)
        axioms = frozenset().union(*(self._axioms_of(given, name) for name in used))
        return {"axioms": sorted(map(list, axioms), key=str)}

    # -- the statement -------------------------------------------------------------------------

    def _statement(self, text: str) -> Statement:
        given = self._statements.pop(text, None) or self._elaborate_statement(text)
        self._statements[text] = given  # the newest stands last
        if len(self._statements) > MAX_STATES:
            oldest = self._statements.pop(next(iter(self._statements)))
            for pointer in (oldest.state, oldest.environment, oldest.type):
                self.lean.drop(pointer)
        return given

    def _elaborate_statement(self, text: str) -> Statement:
        """The statement with a sorry for its proof. Raises Defective."""
        lean, source, declared = self.lean, text.rstrip() + "\n  sorry\n", None
        for command, state in lean.parse(source, lean.start):
            identifier = _declared(command)
            if identifier is not None:
                declared, space = identifier, lean.field(lean.field(lean.field(state, 2), 0), 2)
                namespace = lean.read_name(space)
        if declared is None or not declared.name:
            raise Defective("it declares no theorem")
        data = source.encode()
        own = ".".join(f"«{part}»" if part != "_root_" else part for part in declared.name[:-1])
        own += "." if own else ""
        renamed = data[: declared.start] + (own + PRISTINE).encode() + data[declared.stop :]
        processed = lean.process(renamed.decode(), lean.start)
        state = lean.final_state(processed)
        lean.drop(processed)
        errors = [m["data"] for m in lean.messages(state) if m["severity"] == "error"]
        if errors:
            raise Defective(errors[0].partition("\n")[0])
        name = (*namespace, *declared.name[:-1], PRISTINE)
        if declared.name[0] == "_root_":
            name = (*declared.name[1:-1], PRISTINE)
        for pristine in (name, ("_private", MODULE, 0, *name)):
            info = self._find(lean.field(state, 0), pristine)
            if info != NOTHING:
                constant = lean.field(lean.field(lean.field(info, 0), 0), 0)
                levels = tuple(map(lean.read_name, lean.items(lean.field(constant, 1))))
                theorem = (*pristine[:-1], declared.name[-1])
                own_environment = lean.keep(lean.field(state, 0))
                environment = lean.call("lean_elab_environment_to_kernel_env", own_environment)
                given_type = lean.keep(lean.field(constant, 2))
                return Statement(state, environment, theorem, levels, given_type)
        raise Defective("it declares no theorem")

    def _find(self, environment: int, name: Name) -> int:
        """Lean's `Option ConstantInfo` of a name."""
        arguments = (self.lean.keep(environment), self._name(name), NOTHING)
        return self.lean.call("l_Lean_Environment_find_x3f___boxed", *arguments)

    def _is_given(self, given: Statement, name: Name) -> bool:
        """Does the library or the statement's file declare this name?"""
        info = self._find(self.lean.field(given.state, 0), name)
        self.lean.drop(info)
        return info != NOTHING

    def _constants_in(self, term: int) -> frozenset[Name]:
        """The constants in a term of Lean's."""
        names = self.lean.call("l_Lean_Expr_getUsedConstants", self.lean.keep(term))
        used = frozenset(map(self.lean.read_name, self.lean.array(names)))
        self.lean.drop(names)
        return used

    def _axioms_of(self, given: Statement, name: Name) -> frozenset[Name]:
        """The axioms that a constant of the library or of the statement's header rests on."""
        if name in self._axioms:
            return self._axioms[name]
        lean = self.lean
        in_library = self._find(lean.environment, name) != NOTHING
        state = lean.call("lean_st_mk_ref", lean.keep(lean.start if in_library else given.state))
        names = lean.value(lean.call(AXIOMS, self._name(name), state))
        axioms = frozenset(map(lean.read_name, lean.array(names)))
        if in_library:
            self._axioms[name] = axioms
        return axioms

    # -- the candidate -------------------------------------------------------------------------

    def _order(self, given: Statement, file: Olean, theorem: Name) -> dict[Name, Constant]:
        """The theorem and all constants of the file that it rests on, each behind those that it uses.

        A name that the library or the statement declares means theirs, whatever the file says of it.
        """
        read: dict[Name, Constant | None] = {}
        order: dict[Name, Constant] = {}
        waiting = [theorem]
        while waiting:
            name = waiting[-1]
            if name in read:
                if read[name] is not None:
                    order.setdefault(name, read[name])
                waiting.pop()
            elif self._is_given(given, name):
                read[name] = None
            else:
                constant = read[name] = file.constant(name)
                waiting += [use for use in constant.uses if use in file.names and use not in read]
        return order

    def _add(self, environment: int, name: Name, constant: Constant) -> tuple[int, str]:
        """(the environment with this declaration, "") where the kernel accepts it, else (0, why not)."""
        lean = self.lean
        if constant.kind not in ("theorem", "def"):
            return 0, f"the theorem rests on {_shown(name)}, of the kind {constant.kind}"
        levels = lean.list([self._name(level) for level in constant.levels])
        head = lean.make(0, self._name(name), levels, self._term(constant.type))
        value, own = self._term(constant.value), lean.list([self._name(name)])
        if constant.kind == "theorem":
            declaration = lean.make(2, lean.make(0, head, value, own))
        else:
            hints = 3  # box(1): always unfolded
            if constant.height >= 0:
                height = c_uint32(constant.height)
                hints = lean.call("lean_mk_reducibility_hints_regular", height)
            safe = 1
            declaration = lean.make(1, lean.make(0, head, value, hints, own, extra=safe))
        environment = self._declare(environment, declaration)
        return environment, "" if environment else f"the kernel does not accept {_shown(name)}"

    def _accepts(
        self, environment: int, given: Statement, theorem: Name, levels: tuple[Name, ...]
    ) -> bool:
        """Does the kernel accept `theorem fdAccept : STATEMENT := @THEOREM` for an order of universes?"""
        lean = self.lean
        if len(levels) != len(given.levels):
            return False
        orders = [given.levels]
        if len(levels) <= MAX_LEVELS:
            orders = itertools.permutations(given.levels)
        for order in orders:
            parameters = [lean.call("lean_level_mk_param", self._name(level)) for level in order]
            value = lean.call("lean_expr_mk_const", self._name(theorem), lean.list(parameters))
            names = lean.list([self._name(level) for level in given.levels])
            head = lean.make(0, self._name(ACCEPT), names, lean.keep(given.type))
            own = lean.list([self._name(ACCEPT)])
            declaration = lean.make(2, lean.make(0, head, value, own))
            accepted = self._declare(lean.keep(environment), declaration)
            if accepted:
                lean.drop(accepted)
                return True
        return False

    def _declare(self, environment: int, declaration: int) -> int:
        """The environment with the declaration, 0 where the kernel refuses it. Takes over both."""
        lean, no_heartbeats = self.lean, c_size_t(0)  # the caller looks at the clock
        depth = c_size_t(MAX_DEPTH)
        arguments = (environment, no_heartbeats, depth, declaration, NOTHING)
        result = lean.call("lean_add_decl", *arguments)
        accepted = lean.keep(lean.field(result, 0)) if lean.tag(result) == 1 else 0
        lean.drop(result)
        lean.drop(declaration)
        return accepted

    def _name(self, name: Name) -> int:
        if name not in self._objects:
            self._objects[name] = self.lean.name(name)
        return self.lean.keep(self._objects[name])

    def _term(self, root: int) -> int:
        """Lean's object for a term. Parts have lower numbers than what is made of them."""
        objects, nodes = self._objects, self.terms.nodes
        missing, waiting = set(), [root]
        while waiting:
            number = waiting.pop()
            if number not in objects and number not in missing:
                missing.add(number)
                waiting += _parts(nodes[number])
        for number in sorted(missing):
            objects[number] = self._make(*nodes[number])
        return self.lean.keep(objects[root])

    def _make(self, kind: str, *parts) -> int:
        """Lean's object for a node whose parts are there."""
        lean, call = self.lean, self.lean.call
        if kind == "const":
            levels = lean.list([self._part(level) for level in parts[1:]])
            return call("lean_expr_mk_const", self._name(parts[0]), levels)
        if kind in ("lam", "pi"):
            function = "lean_expr_mk_lambda" if kind == "lam" else "lean_expr_mk_forall"
            terms = [self._part(part) for part in parts]
            return call(function, self._name(("x",)), *terms, c_uint8(0))
        if kind == "bvar":
            return call("lean_expr_mk_bvar", lean.nat(parts[0]))
        if kind == "let":
            terms = [self._part(part) for part in parts[:3]]
            return call("lean_expr_mk_let", self._name(("x",)), *terms, c_uint8(parts[3]))
        if kind == "proj":
            place, term = lean.nat(parts[1]), self._part(parts[2])
            return call("lean_expr_mk_proj", self._name(parts[0]), place, term)
        if kind == "nat":
            return call("lean_expr_mk_lit", lean.make(0, lean.nat(parts[0])))
        if kind == "string":
            return call("lean_expr_mk_lit", lean.make(1, lean.string(parts[0])))
        if kind == "param":
            return call("lean_level_mk_param", self._name(parts[0]))
        if kind in ("app", "sort"):
            return call(f"lean_expr_mk_{kind}", *(self._part(part) for part in parts))
        levels = [self._part(part) for part in parts] or [NOTHING]
        return call(f"lean_level_mk_{kind}", *levels)

    def _part(self, number: int) -> int:
        return self.lean.keep(self._objects[number])


def _parts(node: tuple) -> tuple[int, ...]:
    """Numbers of the nodes that this one is made of."""
    kind = node[0]
    if kind in ("bvar", "nat", "string", "param", "zero"):
        return ()
    first = {"const": 2, "proj": 3}.get(kind, 1)
    return node[first:4] if kind == "let" else node[first:]


def _declared(command: Tree) -> Tree | None:
    """The identifier that a declaration declares."""
    waiting = [command]
    while waiting:
        tree = waiting.pop()
        if tree.kind == COMMAND + "declId":
            return tree.parts[0]
        waiting.extend(reversed(tree.parts))
    return None


def _public(name: Name) -> Name:
    """A name without the prefix of a private one, `_private.MODULE.0`."""
    return name[3:] if name[0] == "_private" else name


def _shown(name: Name) -> str:
    return ".".join(map(str, name))


def _blank(data: bytearray, start: int, stop: int) -> None:
    """Put spaces in the place of data[start:stop], so that all places behind stay the same."""
    for place in range(max(start, 0), stop):
        if data[place] != 10:  # a line's end
            data[place] = 32


def serve(role: str, library: str, header: str, heartbeats: int) -> None:
    """Answer requests, one JSON line each, until the input ends. What Lean itself prints goes nowhere."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.setrecursionlimit(20_000)
    lean = Lean(library, header, heartbeats)
    worker = Judge(lean) if role == "judge" else Elaborator(lean, heartbeats)
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        try:
            answer = worker.answer(**json.loads(line))
        except Exception as error:  # noqa: BLE001 - whatever a candidate brings about is an answer
            answer = {"error": f"{type(error).__name__}: {error}"[:500]}
        print(json.dumps(answer), file=answers, flush=True)
