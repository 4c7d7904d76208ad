"""Lean's kernel, and the judge's role: the only process that says yes.

The judge runs, imports and maps nothing of a candidate. It elaborates the problem's statement,
reads the candidate's object file as untrusted bytes, builds the theorem's term and all that it
rests on anew, and hands each declaration to the kernel, last of all `theorem fdAccept : STATEMENT
:= @THEOREM`.

`fdcore.lean.process` starts `serve` in the sandbox, and talks to it, one JSON line each way. Why
this is sound: lean_project/VERIFIER.md. Lean 4.35; standard library and files of this folder only.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
from ctypes import c_size_t, c_uint8, c_uint32
from typing import NamedTuple

from fdcore.lean.frontend import MODULE, Defective, Elaborator, Lean
from fdcore.lean.objects import NOTHING, show_name
from fdcore.lean.olean import UNREADABLE, Constant, Name, Olean
from fdcore.lean.screen import COMMAND

MAX_STATES = 128  # statements whose elaboration is kept, about 0.6 MB each
MAX_DEPTH = 1 << 20  # no limit of ours: the kernel watches its stack
MAX_LEVELS = 3  # universe parameters whose order may differ from the statement's
ACCEPT = ("fdAccept", 0)  # a number in it: no text can declare this name
PRISTINE = "fdPristine"
AXIOMS = (
    "l_Lean_collectAxioms___at___00__private_Lean_Elab_Print_0__"
    "Lean_Elab_Command_printAxiomsOf_spec__0___redArg___boxed"
)


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
        self.lean = lean
        self._made: list[int] = []  # Lean's objects for the terms and levels of this request
        self._names: dict[Name, int] = {}  # and for its names
        self._axioms: dict[Name, frozenset[Name]] = {}  # of library constants
        self._statements: dict[tuple[str, str], Statement] = {}

    def answer(self, header: str, statement: str, olean: str) -> dict:
        """Judge an object file against a statement, a text that ends in `by` or `:=`.

        Returns:
            `defective`: why the statement does not elaborate; or `refused`: why the theorem is not
            accepted; or `axioms`: the file proves the statement, and rests on these, each a list of
            components.
        """
        try:
            given = self._statement(header, statement)
            return self._judge(given, Olean.read(olean, self._make))
        except Defective as error:
            return {"defective": str(error)}
        except UNREADABLE as error:
            return {"refused": f"the object file cannot be read: {error}"}
        finally:
            for pointer in (*self._made, *self._names.values()):
                self.lean.drop(pointer)
            self._made, self._names = [], {}

    def _judge(self, given: Statement, file: Olean) -> dict:
        plain = _public(given.theorem)
        theorem = next((name for name in (given.theorem, plain) if name in file.names), None)
        if theorem is None:
            return {"refused": f"the file does not state the theorem {show_name(plain)}"}
        for name in file.names:
            if file.kind(name) == "axiom" and not self._is_given(given, name):
                reason = f"the file declares the axiom {show_name(name)}"
                return {"refused": reason, "status": "forbidden"}
        order = self._order(given, file, theorem)
        environment = self.lean.keep(given.environment)
        for name, constant in order.items():
            environment, reason = self._add(environment, name, constant)
            if reason:
                return {"refused": reason}
        if theorem not in order or order[theorem].kind != "theorem":
            return {"refused": f"{show_name(plain)} is not declared as a theorem"}
        accepted = self._accepts(environment, given, theorem, order[theorem].levels)
        self.lean.drop(environment)
        if not accepted:
            return {
                "refused": f"the theorem {show_name(plain)} is not the statement that was given"
            }
        used = frozenset().union(*(constant.uses for constant in order.values())) - set(order)
        used |= self._constants_in(given.type)
        axioms = frozenset().union(*(self._axioms_of(given, name) for name in used))
        return {"axioms": sorted(map(list, axioms), key=str)}

    # -- the statement -------------------------------------------------------------------------

    def _statement(self, header: str, text: str) -> Statement:
        key = header, text
        given = self._statements.pop(key, None) or self._elaborate_statement(header, text)
        self._statements[key] = given  # the newest stands last
        if len(self._statements) > MAX_STATES:
            oldest = self._statements.pop(next(iter(self._statements)))
            for pointer in (oldest.state, oldest.environment, oldest.type):
                self.lean.drop(pointer)
        return given

    def _elaborate_statement(self, header: str, text: str) -> Statement:
        """The statement with a sorry for its proof. Raises Defective."""
        lean, source, declared = self.lean, text.rstrip() + "\n  sorry\n", None
        start = lean.context(header).state
        for command, state in lean.parse(source, start):
            for tree in command.nodes():
                if tree.kind == COMMAND + "declId":
                    declared, scope = tree.parts[0], lean.field(lean.field(state, 2), 0)
                    namespace = lean.read_name(lean.field(scope, 2))
        if declared is not None and declared.name:
            data = source.encode()
            own = ".".join(f"«{part}»" if part != "_root_" else part for part in declared.name[:-1])
            new = f"{own}.{PRISTINE}" if own else PRISTINE
            source = (data[: declared.start] + new.encode() + data[declared.stop :]).decode()
        state = lean.process(source, start)
        errors = [m["data"] for m in lean.messages(state) if m["severity"] == "error"]
        if errors or declared is None or not declared.name:
            raise Defective([*errors, "it declares no theorem"][0].partition("\n")[0])
        name = (*namespace, *declared.name[:-1], PRISTINE)
        if declared.name[0] == "_root_":
            name = (*declared.name[1:-1], PRISTINE)
        for pristine in (name, ("_private", MODULE, 0, *name)):
            info = self._find(lean.field(state, 0), pristine)
            if info == NOTHING:
                continue
            constant = lean.field(lean.field(lean.field(info, 0), 0), 0)
            levels = tuple(map(lean.read_name, lean.items(lean.field(constant, 1))))
            theorem = (*pristine[:-1], declared.name[-1])
            environment = lean.keep(lean.field(state, 0))
            environment = lean.call("lean_elab_environment_to_kernel_env", environment)
            given_type = lean.keep(lean.field(constant, 2))
            given = Statement(state, environment, theorem, levels, given_type)
            if self._is_given(given, theorem):
                raise Defective(f"{show_name(theorem)} is declared already")
            return given
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
        """The axioms that a constant of library or statement rests on."""
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
        """The theorem and what it rests on in the file, each constant behind those it uses.

        A name that the library or the statement declares means theirs, whatever the file says of
        it.
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
        """(the environment with this declaration, "") or (0, why the kernel refuses it)."""
        lean = self.lean
        if constant.kind not in ("theorem", "def"):
            return 0, f"the theorem rests on {show_name(name)}, of the kind {constant.kind}"
        levels = lean.list([self._name(level) for level in constant.levels])
        head = lean.make(0, self._name(name), levels, lean.keep(constant.type))
        value, own = lean.keep(constant.value), lean.list([self._name(name)])
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
        return environment, "" if environment else f"the kernel does not accept {show_name(name)}"

    def _accepts(
        self, environment: int, given: Statement, theorem: Name, levels: tuple[Name, ...]
    ) -> bool:
        """Does the kernel accept `theorem fdAccept : STATEMENT := @THEOREM`?

        Universe parameters may stand in another order than the statement's.
        """
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
        if name not in self._names:
            self._names[name] = self.lean.name(name)
        return self.lean.keep(self._names[name])

    def _make(self, kind: str, *parts) -> int:
        """Lean's object for a node; the nodes among its parts are Lean's objects already."""
        lean, call, keep = self.lean, self.lean.call, self.lean.keep
        if kind == "const":
            levels = lean.list([keep(level) for level in parts[1:]])
            made = call("lean_expr_mk_const", self._name(parts[0]), levels)
        elif kind in ("lam", "pi"):
            function = "lean_expr_mk_lambda" if kind == "lam" else "lean_expr_mk_forall"
            made = call(function, self._name(("x",)), *map(keep, parts), c_uint8(0))
        elif kind == "let":
            terms, is_plain = map(keep, parts[:3]), c_uint8(parts[3])
            made = call("lean_expr_mk_let", self._name(("x",)), *terms, is_plain)
        elif kind == "bvar":
            made = call("lean_expr_mk_bvar", lean.nat(parts[0]))
        elif kind == "proj":
            made = call(
                "lean_expr_mk_proj", self._name(parts[0]), lean.nat(parts[1]), keep(parts[2])
            )
        elif kind in ("nat", "string"):
            tag, content = (0, lean.nat) if kind == "nat" else (1, lean.string)
            made = call("lean_expr_mk_lit", lean.make(tag, content(parts[0])))
        elif kind == "param":
            made = call("lean_level_mk_param", self._name(parts[0]))
        elif kind in ("app", "sort"):
            made = call(f"lean_expr_mk_{kind}", *map(keep, parts))
        else:
            made = call(f"lean_level_mk_{kind}", *(map(keep, parts) if parts else [NOTHING]))
        self._made.append(made)
        return made


def _public(name: Name) -> Name:
    """A name without the prefix of a private one, `_private.MODULE.0`."""
    return name[3:] if name[0] == "_private" else name


def serve(role: str, library: str, header: str, heartbeats: int) -> None:
    """Answer requests, one JSON line each, until the input ends.

    What Lean itself prints goes to standard error.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.setrecursionlimit(20_000)
    lean = Lean(library, header, heartbeats)
    worker = Judge(lean) if role == "judge" else Elaborator(lean)
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        try:
            answer = worker.answer(**json.loads(line))
        except Exception as error:  # noqa: BLE001 - whatever a candidate brings about is an answer
            answer = {"error": f"{type(error).__name__}: {error}"[:500]}
        print(json.dumps(answer), file=answers, flush=True)
