"""Lean's frontend and Lean's kernel inside a process of ours, through the C interface of Lean's shared library, version 4.35.

Two roles, each alone in a sandboxed process (`fdcore.lean.host` starts them and talks to them, one JSON line each way):
the *elaborator* runs candidates' files, and writes the constants of one without errors to an object file; the *judge* runs no
candidate: it elaborates the problem's statement, reads the object file as untrusted bytes, builds the theorem's term and all
that it rests on anew, and gives each declaration to the kernel. Why this is sound: lean_project/VERIFIER.md.

Standard library and `fdcore.lean.olean` only. Left out on purpose: versions other than 4.35, whose objects may look otherwise.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from ctypes import c_size_t, c_uint8, c_uint32, c_void_p

from fdcore.lean.olean import UNREADABLE, Constant, Name, Olean, OleanError, Terms

NOTHING, TRUE = 1, 3  # box(0): unit, none, [], false, 0; box(1)
MAX_STATES = 128  # statements whose elaboration is kept, about 0.6 MB each
MAX_NODES = 500_000  # terms kept between two requests
MAX_DEPTH = 1 << 20  # no limit of ours: the kernel watches its stack


class LeanError(RuntimeError):
    """Lean answered with an error where it should not."""


class Lean:
    """The library, with the header imported. An `int` here is a pointer to a Lean object; calls take over what they are given."""

    def __init__(self, library: str, header: str, heartbeats: int):
        self._library = ctypes.CDLL(library, mode=os.RTLD_NOW | os.RTLD_GLOBAL)
        self._called: dict[str, ctypes._CFuncPtr] = {}
        self._library.lean_initialize()
        self.call("lean_init_task_manager_using", c_uint32(1), result=None)
        self.call("lean_enable_initializer_execution", NOTHING)
        self.value(
            self.call(
                "l_Lean_initSearchPath___boxed",
                self.string(os.path.dirname(library)),
                NOTHING,
                NOTHING,
            )
        )
        self.call("lean_io_mark_end_initialization", result=None)
        self.options = self.call("lean_options_get_empty", NOTHING)
        self._states: dict[str, int] = {}
        self.environment = self._import(header)
        number = c_void_p.in_dll(self._library, "l_Lean_KVMap_instValueNat").value
        self.options = self.call(
            "l_Lean_Options_set___redArg",
            number,
            self.options,
            self.name(("maxHeartbeats",)),
            2 * heartbeats + 1,
        )
        self.call("lean_mark_persistent", self.options, result=None)

    def _import(self, header: str) -> int:
        """The environment behind the header, made by the same function as in `lean FILE`."""
        none, empty = NOTHING, [self.call("lean_array_mk", NOTHING) for _ in range(2)]
        arguments = [
            self.string(header),
            self.options,
            self.string("Main.lean"),
            self.name(("_stdin",)),
            NOTHING,
            none,
            none,
            NOTHING,
        ]
        arguments += [*empty, NOTHING, none, none, none, none]
        self.call("lean_mark_persistent", self.options, result=None)
        found = self.value(self.call("l_Lean_Elab_runFrontend___boxed", *arguments))
        if found == none:
            raise LeanError("the header does not elaborate")
        environment = self.field(found, 0)
        self.call("lean_mark_persistent", environment, result=None)
        return environment

    def call(self, function: str, *arguments, result=c_void_p):
        """Call a function of the library; an argument that is no ctypes value is a pointer. Each function takes the same kinds at every call."""
        called = self._called.get(function)
        if called is None:
            called = self._called[function] = getattr(self._library, function)
            called.restype = result
            called.argtypes = [
                type(each) if isinstance(each, ctypes._SimpleCData) else c_void_p
                for each in arguments
            ]
        return called(*arguments)

    # -- objects: a header of 8 bytes (count of references, number of fields at 6, tag at 7), then fields of 8 bytes ------

    @staticmethod
    def tag(pointer: int) -> int:
        return c_uint8.from_address(pointer + 7).value

    @staticmethod
    def field(pointer: int, place: int) -> int:
        return ctypes.c_uint64.from_address(pointer + 8 + 8 * place).value

    @staticmethod
    def keep(pointer: int) -> int:
        """One more reference: before an object is given away that is still needed."""
        if not pointer & 1:
            count = ctypes.c_int32.from_address(pointer)
            count.value += (count.value > 0) - (
                count.value < 0
            )  # 0 is for ever; negative: shared between threads, none of which runs now
        return pointer

    def drop(self, pointer: int) -> None:
        if not pointer & 1:
            count = ctypes.c_int32.from_address(pointer)
            if count.value > 1:
                count.value -= 1
            elif count.value:
                self.call("lean_dec_ref_cold", pointer, result=None)

    def make(self, tag: int, *fields: int, extra: int | None = None) -> int:
        """A constructor's object; `extra` is the byte behind the fields."""
        size = 8 + 8 * len(fields) + (0 if extra is None else 8)
        made = self.call("lean_alloc_object", c_size_t(size))
        ctypes.c_uint64.from_address(made).value = 1 | size << 32 | len(fields) << 48 | tag << 56
        for place, each in enumerate([*fields, *([] if extra is None else [extra])]):
            ctypes.c_uint64.from_address(made + 8 + 8 * place).value = each
        return made

    def list(self, pointers: list[int]) -> int:
        made = NOTHING
        for each in reversed(pointers):
            made = self.make(1, each, made)
        return made

    def string(self, text: str) -> int:
        data = text.encode()
        return self.call(
            "lean_mk_string_from_bytes",
            ctypes.cast(ctypes.c_char_p(data), c_void_p).value,
            c_size_t(len(data)),
        )

    @staticmethod
    def text(pointer: int) -> str:
        return ctypes.string_at(
            pointer + 32, ctypes.c_uint64.from_address(pointer + 8).value - 1
        ).decode()

    def nat(self, number: int) -> int:
        return (
            2 * number + 1
            if number < 1 << 62
            else self.call(
                "lean_cstr_to_nat", ctypes.cast(ctypes.c_char_p(b"%d" % number), c_void_p).value
            )
        )

    def name(self, name: Name) -> int:
        made = NOTHING
        for part in name:
            made = (
                self.call("lean_name_mk_string", made, self.string(part))
                if isinstance(part, str)
                else self.call("lean_name_mk_numeral", made, self.nat(part))
            )
        return made

    def value(self, result: int) -> int:
        """What an IO action gave. Raises LeanError."""
        if self.tag(result):
            raise LeanError("an IO action failed")
        return self.field(result, 0)

    # -- the frontend ------------------------------------------------------------------------------------------------

    def elaborate(
        self, text: str, olean: str, *, stated: str = "", sorry: bool = False
    ) -> tuple[list[dict], bool]:
        """(messages as `lean --json` prints them, whether the constants were written to `olean`) of a text behind the header.

        They are written where there is no error and, unless `sorry`, no sorry. A text that begins with `stated`, which ends in `by`, is
        elaborated as an edit of `stated` with a sorry, as Lean's server does with a file that changes: what the two share is done once.
        """
        result = self._process(
            text, self._begun(stated) if stated and text.startswith(stated) else None
        )
        state = self.field(self.field(result, 0), 0)
        messages = self._messages(self.field(state, 1))
        write = not any(
            m["severity"] == "error" or (m.get("kind") == "hasSorry" and not sorry)
            for m in messages
        )
        if write:
            written = self.call(
                "l_Lean_writeModule___boxed",
                self.keep(self.field(state, 0)),
                self.string(olean),
                NOTHING,
                NOTHING,
            )
            write = self.tag(written) == 0
            self.drop(written)
        self.drop(result)
        return messages, write

    def _begun(self, stated: str) -> int:
        """Lean's state behind `stated` with a sorry: always of that text, so that no answer depends on the files before it."""
        found = self._states.pop(stated, None) or self._process(stated + " sorry\n", None)
        self._states[stated] = found  # the newest stands last
        if len(self._states) > MAX_STATES:
            self.drop(self._states.pop(next(iter(self._states))))
        return found

    def _process(self, text: str, old: int | None) -> int:
        """An `IncrementalState`, as `Lean.Elab.process` makes one, but that it may go on from an `old` one."""
        end = 2 * len(text.encode()) + 1
        source = self.call(
            "l_Lean_Parser_mkInputContext___redArg___boxed",
            self.string(text),
            self.string("<input>"),
            TRUE,
            end,
        )
        command = self.call(
            "l_Lean_Elab_Command_mkState",
            self.environment,
            c_void_p.in_dll(self._library, "l_Lean_MessageLog_empty"),
            self.options,
        )
        before = NOTHING if old is None else self.make(1, self.keep(old))
        return self.call(
            "l_Lean_Elab_IO_processCommandsIncrementally",
            source,
            self.make(0, NOTHING, extra=0),
            command,
            before,
        )

    def _messages(self, log: int) -> list[dict]:
        first = rest = self.call("l_Lean_MessageLog_toList___boxed", self.keep(log))
        found = []
        while rest != NOTHING:
            json_ = self.call("l_Lean_Message_toJson", self.keep(self.field(rest, 0)), NOTHING)
            said = self.call("l_Lean_Json_compress", json_)
            found.append(json.loads(self.text(said)))
            self.drop(said)
            rest = self.field(rest, 1)
        self.drop(first)
        return found


class Judge:
    """The kernel's side: terms are built anew from an object file's bytes, and each declaration is checked."""

    def __init__(self, lean: Lean, library: list[str]):
        self.lean, self.terms = lean, Terms()
        self.environment = lean.call("lean_elab_environment_to_kernel_env", lean.environment)
        lean.call("lean_mark_persistent", self.environment, result=None)
        self._library = {
            name: file
            for file in (Olean.read(path, Terms()) for path in library)
            for name in file.names
        }
        self._axioms: dict[Name, frozenset[Name]] = {}  # of library constants
        self._below: dict[
            Name, frozenset[Name]
        ] = {}  # of library constants: what they use themselves
        self._objects: dict[int | Name, int] = {}  # term, level or name -> Lean's object
        self._statements: dict[str, Constant] = {}

    def judge(self, statement: str, pristine: Name, theorem: Name, olean: str) -> dict:
        """`refused`: why the kernel does not accept this file's theorem. `same`: its type is, term for term, the statement's."""
        if len(self.terms.nodes) > MAX_NODES:
            for each in self._objects.values():
                self.lean.drop(each)
            self.terms, self._objects, self._statements = Terms(), {}, {}
        if statement not in self._statements:
            self._statements[statement] = self._statement(statement, pristine)
        given = self._statements[statement]
        try:
            file = Olean.read(olean, self.terms)
            order = self._order(file, theorem)
            axioms = {name for name, constant in order if constant.kind == "axiom"}
            axioms.update(
                *(
                    self._axioms_of(each)
                    for _, constant in order
                    for each in constant.uses
                    if each not in file.names
                )
            )
        except UNREADABLE as error:
            return {"refused": f"the object file cannot be read: {error}"}
        environment = self.environment
        for name, constant in order:
            environment, refused = self._add(environment, name, constant)
            if refused:
                return {"refused": refused}
        self.lean.drop(environment)
        found = order[-1][1]
        same = found.kind == "theorem" and (found.type, found.levels) == (given.type, given.levels)
        return {"same": same, "axioms": sorted(".".join(map(str, name)) for name in axioms)}

    def _statement(self, text: str, pristine: Name) -> Constant:
        messages, written = self.lean.elaborate(text, "statement.olean", sorry=True)
        if not written:
            raise LeanError(f"the statement does not elaborate: {messages}")
        return Olean.read("statement.olean", self.terms).constant(pristine)

    def _order(self, file: Olean, theorem: Name) -> list[tuple[Name, Constant]]:
        """The theorem and all constants of the file that it rests on, each behind those that it uses."""
        found: dict[Name, Constant] = {}
        done: dict[Name, Constant] = {}
        waiting = [theorem]
        while waiting:
            name = waiting[-1]
            if name not in file.names:
                raise OleanError(f"there is no {'.'.join(map(str, name))}")
            if name not in found:
                found[name] = file.constant(name)
                waiting += [
                    each for each in found[name].uses if each in file.names and each not in found
                ]
            else:
                done.setdefault(name, found[name])
                waiting.pop()
        return list(done.items())

    def _axioms_of(self, name: Name) -> frozenset[Name]:
        """Axioms that a library constant rests on."""
        if name in self._axioms:
            return self._axioms[name]
        waiting, seen, found = [name], {name}, set()
        while waiting:
            each = waiting.pop()
            if each in self._axioms:
                found |= self._axioms[each]
                continue
            uses = self._uses(each)
            if each in uses:  # only an axiom is noted as using itself
                found.add(each)
            waiting += uses - seen
            seen |= uses
        self._axioms[name] = frozenset(found)
        return self._axioms[name]

    def _uses(self, name: Name) -> frozenset[Name]:
        """What a library constant uses; an axiom, itself too; an inductive type, its constructors too."""
        if name not in self._below:
            file = self._library.get(name)
            if file is None:
                raise OleanError(f"there is no {'.'.join(map(str, name))}")
            constant, more = file.constant(name), set()
            if constant.kind == "axiom":
                more = {name}
            elif constant.kind == "inductive":
                more = {
                    each
                    for each in file.names
                    if each[:-1] == name and file.constant(each).kind == "constructor"
                }
            self._below[name] = (constant.uses - {name}) | more
        return self._below[name]

    # -- the kernel --------------------------------------------------------------------------------------------------

    def _add(self, environment: int, name: Name, constant: Constant) -> tuple[int, str]:
        """(the environment with this declaration, "") where the kernel accepts it, else (0, why not). Takes over `environment`."""
        lean = self.lean
        if constant.kind not in ("theorem", "def", "axiom"):
            return (
                0,
                f"the theorem rests on {'.'.join(map(str, name))}, of the kind {constant.kind}",
            )
        head = lean.make(
            0,
            self._name(name),
            lean.list([self._name(each) for each in constant.levels]),
            self._term(constant.type),
        )
        if constant.kind == "axiom":
            declaration = lean.make(0, lean.make(0, head, extra=0))
        elif constant.kind == "theorem":
            declaration = lean.make(
                2, lean.make(0, head, self._term(constant.value), lean.list([self._name(name)]))
            )
        else:
            hints = (
                3
                if constant.height < 0
                else lean.call("lean_mk_reducibility_hints_regular", c_uint32(constant.height))
            )  # 3: box(1), always unfolded
            declaration = lean.make(
                1,
                lean.make(
                    0,
                    head,
                    self._term(constant.value),
                    hints,
                    lean.list([self._name(name)]),
                    extra=1,
                ),
            )  # 1: safe
        added = lean.call(
            "lean_add_decl", environment, c_size_t(0), c_size_t(MAX_DEPTH), declaration, NOTHING
        )  # 0: no heartbeats; the caller looks at the clock
        accepted = lean.tag(added) == 1
        environment = lean.keep(lean.field(added, 0)) if accepted else 0
        lean.drop(added)
        lean.drop(declaration)
        return (
            environment,
            "" if accepted else f"the kernel does not accept {'.'.join(map(str, name))}",
        )

    def _name(self, name: Name) -> int:
        if name not in self._objects:
            self._objects[name] = self.lean.name(name)
        return self.lean.keep(self._objects[name])

    def _term(self, root: int) -> int:
        """Lean's object for a term; parts have lower numbers than what is made of them, so those come first."""
        objects, nodes = self._objects, self.terms.nodes
        missing, waiting = set(), [root]
        while waiting:
            each = waiting.pop()
            if each not in objects and each not in missing:
                missing.add(each)
                waiting += _parts(nodes[each])
        for each in sorted(missing):
            objects[each] = self._make(*nodes[each])
        return self.lean.keep(objects[root])

    def _make(self, kind: str, *parts) -> int:
        lean, call = self.lean, self.lean.call

        def made(number: int) -> int:
            return lean.keep(self._objects[number])

        if kind == "app":
            return call("lean_expr_mk_app", made(parts[0]), made(parts[1]))
        if kind == "const":
            return call(
                "lean_expr_mk_const",
                self._name(parts[0]),
                lean.list([made(each) for each in parts[1:]]),
            )
        if kind in ("lam", "pi"):
            return call(
                "lean_expr_mk_lambda" if kind == "lam" else "lean_expr_mk_forall",
                self._name(("x",)),
                made(parts[0]),
                made(parts[1]),
                c_uint8(0),
            )
        if kind == "bvar":
            return call("lean_expr_mk_bvar", lean.nat(parts[0]))
        if kind == "sort":
            return call("lean_expr_mk_sort", made(parts[0]))
        if kind == "let":
            return call(
                "lean_expr_mk_let",
                self._name(("x",)),
                made(parts[0]),
                made(parts[1]),
                made(parts[2]),
                c_uint8(parts[3]),
            )
        if kind == "proj":
            return call(
                "lean_expr_mk_proj", self._name(parts[0]), lean.nat(parts[1]), made(parts[2])
            )
        if kind in ("nat", "string"):
            return call(
                "lean_expr_mk_lit",
                lean.make(0, lean.nat(parts[0]))
                if kind == "nat"
                else lean.make(1, lean.string(parts[0])),
            )
        if kind == "param":
            return call("lean_level_mk_param", self._name(parts[0]))
        return call(f"lean_level_mk_{kind}", *([made(each) for each in parts] or [NOTHING]))


def _parts(node: tuple) -> tuple[int, ...]:
    """Numbers of the nodes that this one is made of."""
    kind = node[0]
    if kind in ("bvar", "nat", "string", "param", "zero"):
        return ()
    return (
        node[2:]
        if kind == "const"
        else node[3:]
        if kind == "proj"
        else node[1:4]
        if kind == "let"
        else node[1:]
    )


def serve(role: str, library: str, header: str, heartbeats: int, oleans: list[str]) -> None:
    """Answer requests, one JSON line each, until the input ends. What Lean itself prints goes nowhere."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    lean = Lean(library, header, heartbeats)
    judge = Judge(lean, oleans) if role == "judge" else None
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if judge:
                answer = judge.judge(
                    request["statement"],
                    tuple(request["pristine"]),
                    tuple(request["theorem"]),
                    request["olean"],
                )
            else:
                messages, written = lean.elaborate(
                    request["text"], request["olean"], stated=request["stated"]
                )
                answer = {"messages": messages, "written": written}
        except (LeanError, OSError) as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), file=answers, flush=True)
