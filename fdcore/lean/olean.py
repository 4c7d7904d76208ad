"""Read constants from a Lean object file without trusting it: every offset, tag and length is checked, nothing is executed.

An object file is a memory image: a header, then objects, each behind those that it points to, so that no cycle can be read. Terms
become numbered nodes, equal terms the same number; names of bound variables and annotations, which mean nothing to the
kernel, are left out. Checked against Lean 4.35. Standard library only.

Left out on purpose: everything in the file that is no constant (extension entries, compiled code), and fvars and mvars in terms.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

HEADER, ARRAY, STRING, BIG = (
    96,
    246,
    249,
    250,
)  # bytes of the file's header, which ends with its base address and the root; tags of objects that are no constructor
KINDS = ("axiom", "def", "theorem", "opaque", "quot", "inductive", "constructor", "recursor")
FIELDS = (
    1,
    1,
    1,
    1,
    2,
    2,
    3,
    3,
    4,
    1,
    2,
    3,
)  # of a term by its tag: bvar, fvar, mvar, sort, const, app, lam, pi, let, literal, mdata, proj
PARTS = (
    (),
    (),
    (),
    (),
    (),
    (1, 2),
    (2, 3),
    (2, 3),
    (2, 3, 4),
    (),
    (2,),
    (3,),
)  # its words that point to terms, counted from its first
Name = tuple  # of str and int: ("Nat", "add_comm")


class OleanError(ValueError):
    """The file is not what Lean writes."""


UNREADABLE = (
    OleanError,
    UnicodeDecodeError,
    RecursionError,
    struct.error,
    IndexError,
)  # what reading hostile bytes may raise


class Constant(NamedTuple):
    kind: str
    levels: tuple[Name, ...]
    type: int  # a node of Terms
    value: int | None
    uses: frozenset[Name]  # constants in type and value
    height: int = -1  # of a definition: how far it is from what it is made of (-1: always unfolded)


class Terms:
    """Numbered nodes. A node is a tuple: its kind, then numbers of other nodes, names, integers or strings."""

    def __init__(self):
        self.nodes: list[tuple] = []
        self._number: dict[tuple, int] = {}

    def number(self, node: tuple) -> int:
        found = self._number.setdefault(node, len(self.nodes))
        if found == len(self.nodes):
            self.nodes.append(node)
        return found


class Olean:
    """The constants of one file. `names` is what it declares; `constant` reads one."""

    def __init__(self, data: bytes, terms: Terms):
        if data[:5] != b"olean" or len(data) < HEADER + 8:
            raise OleanError("not an object file")
        self._data, self._terms = data, terms
        self._words = memoryview(data[: len(data) & ~7]).cast(
            "Q"
        )  # an object's first: number of fields at bit 48, tag at bit 56
        self._base = self._words[HEADER // 8 - 2]
        if self._base & 7:
            raise OleanError("a base address that is no multiple of 8")
        self._names: dict[int, Name] = {}
        self._made: dict[int, int] = {}  # offset of a term -> its node
        self._levels: dict[
            int, int
        ] = {}  # offset of a level -> its node; apart, so that no level can pass for a term
        names, constants = self._module()
        self.names: dict[Name, int] = {self._name(n): c for n, c in zip(names, constants)}

    @classmethod
    def read(cls, path: Path | str, terms: Terms) -> Olean:
        with open(path, "rb") as file:
            return cls(file.read(), terms)

    def constant(self, name: Name) -> Constant:
        info = self._at(self.names[name], len(self._data))
        tag, (body,) = self._object(info, 1)
        body = self._at(body, info)
        fields = self._fields(body)
        _, (declared, levels, type_) = self._object(self._at(fields[0], body), 3)
        if tag >= len(KINDS) or self._name(declared) != name:
            raise OleanError("a constant under another name")
        kind, used = KINDS[tag], set()
        if (
            kind == "def" and self._data[body + 8 + 8 * len(fields)] != 1
        ):  # DefinitionSafety: unsafe, safe, partial
            kind = "unsafe"
        value = self._term(fields[1], body, used) if kind in ("def", "theorem", "opaque") else None
        height = -1
        if kind == "def" and not fields[2] & 1:
            height = struct.unpack_from("<I", self._data, self._at(fields[2], body) + 8)[0]
        return Constant(
            kind,
            tuple(self._name(n) for n in self._list(levels)),
            self._term(type_, body, used),
            value,
            frozenset(used),
            height,
        )

    # -- objects -----------------------------------------------------------------------------------------------------

    def _at(self, pointer: int, below: int) -> int:
        offset = pointer - self._base
        if pointer & 7 or not HEADER <= offset < below or offset + 8 > len(self._data):
            raise OleanError("a pointer that leads nowhere")
        return offset

    def _fields(self, offset: int) -> tuple[int, ...]:
        at, head = offset >> 3, self._words[offset >> 3]
        count = head >> 48 & 255
        fields = tuple(self._words[at + 1 : at + 1 + count])
        if head >> 56 > 243 or len(fields) < count:
            raise OleanError("an object of another kind was expected")
        return fields

    def _object(self, offset: int, count: int) -> tuple[int, tuple[int, ...]]:
        fields = self._fields(offset)
        if len(fields) < count:
            raise OleanError("an object is too small")
        return self._data[offset + 7], fields[:count]

    def _module(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Pointers to the names and the constants: of the root object's arrays the second and the third."""
        offset = self._at(self._words[HEADER // 8 - 1], len(self._data))
        arrays = self._fields(offset)
        if len(arrays) < 3:
            raise OleanError("no module")
        names, constants = (self._array(self._at(p, offset)) for p in arrays[1:3])
        if len(names) != len(constants):
            raise OleanError("names and constants differ in number")
        return names, constants

    def _array(self, offset: int) -> tuple[int, ...]:
        size = (
            struct.unpack_from("<Q", self._data, offset + 8)[0]
            if self._data[offset + 7] == ARRAY
            else -1
        )
        if not 0 <= size <= (len(self._data) - offset - 24) // 8:
            raise OleanError("an array was expected")
        return struct.unpack_from(f"<{size}Q", self._data, offset + 24)

    def _string(self, pointer: int) -> str:
        offset = self._at(pointer, len(self._data))
        size = (
            struct.unpack_from("<Q", self._data, offset + 8)[0]
            if self._data[offset + 7] == STRING
            else 0
        )
        if not 1 <= size <= len(self._data) - offset - 32:
            raise OleanError("a string was expected")
        return self._data[offset + 32 : offset + 31 + size].decode("utf-8")

    def _nat(self, pointer: int) -> int:
        if pointer & 1:
            return pointer >> 1
        offset = self._at(pointer, len(self._data))
        _, size, limbs = struct.unpack_from("<iiQ", self._data, offset + 8)
        start = self._at(limbs, len(self._data))
        if self._data[offset + 7] != BIG or size <= 0 or start + 8 * size > len(self._data):
            raise OleanError("a natural number was expected")
        return int.from_bytes(self._data[start : start + 8 * size], "little")

    def _name(self, pointer: int) -> Name:
        parts, first = [], pointer
        while pointer != 1:
            if pointer in self._names:
                parts.append(self._names[pointer])
                break
            offset = self._at(pointer, len(self._data))
            tag, (prefix, part) = self._object(offset, 2)
            parts.append((self._string(part) if tag == 1 else self._nat(part),))
            if prefix != 1:
                self._at(prefix, offset)
            pointer = prefix
        self._names[first] = found = tuple(x for part in reversed(parts) for x in part)
        return found

    def _list(self, pointer: int) -> list[int]:
        found = []
        while pointer != 1:
            offset = self._at(pointer, len(self._data))
            _, (head, rest) = self._object(offset, 2)
            if rest != 1:
                self._at(rest, offset)
            found.append(head)
            pointer = rest
        return found

    # -- terms -------------------------------------------------------------------------------------------------------

    def _term(self, pointer: int, below: int, used: set[Name]) -> int:
        """The node of a term; the constants in it go into `used`."""
        words, base = self._words, self._base
        root = self._at(pointer, below)
        reached, waiting = {root}, [root]
        while waiting:
            offset = waiting.pop()
            at, head = offset >> 3, words[offset >> 3]
            tag = head >> 56
            if tag > 11 or head >> 48 & 255 != FIELDS[tag]:
                raise OleanError("a term was expected")
            for place in PARTS[tag]:
                child = words[at + place] - base
                if child not in reached:
                    if child & 7 or not HEADER <= child < offset:
                        raise OleanError("a pointer that leads nowhere")
                    reached.add(child)
                    waiting.append(child)
            if tag == 4:
                used.add(self._name(words[at + 1]))
        made = self._made
        for offset in sorted(reached):  # what a term is made of stands before it
            if offset not in made:
                made[offset] = self._node(offset)
        return made[root]

    def _node(self, offset: int) -> int:
        words, made, at, number = self._words, self._made, offset >> 3, self._terms.number
        tag = words[at] >> 56
        children = [made[words[at + place] - self._base] for place in PARTS[tag]]
        if tag == 5:
            return number(("app", *children))
        if tag in (6, 7):
            return number(("lam" if tag == 6 else "pi", *children))
        if tag == 0:
            return number(("bvar", self._nat(words[at + 1])))
        if tag == 4:
            return number(
                (
                    "const",
                    self._name(words[at + 1]),
                    *(self._level(each, offset) for each in self._list(words[at + 2])),
                )
            )
        if tag == 3:
            return number(("sort", self._level(words[at + 1], offset)))
        if tag == 8:
            return number(("let", *children, self._data[offset + 8 + 8 * 4 + 8] & 1))
        if tag == 9:
            kind, (literal,) = self._object(self._at(words[at + 1], offset), 1)
            return number(
                ("nat", self._nat(literal)) if kind == 0 else ("string", self._string(literal))
            )
        if tag == 10:
            return children[0]
        if tag == 11:
            return number(("proj", self._name(words[at + 1]), self._nat(words[at + 2]), *children))
        raise OleanError("a term with free or meta variables")

    def _level(self, pointer: int, below: int) -> int:
        if pointer == 1:
            return self._terms.number(("zero",))
        offset = self._at(pointer, below)
        if offset not in self._levels:
            tag, fields = self._data[offset + 7], self._fields(offset)
            if tag > 4 or len(fields) != (9, 1, 2, 2, 1)[tag]:
                raise OleanError("a universe level was expected")
            parts = (
                (self._name(fields[0]),)
                if tag == 4
                else tuple(self._level(each, offset) for each in fields)
            )
            self._levels[offset] = self._terms.number(
                (("zero", "succ", "max", "imax", "param")[tag], *parts)
            )
        return self._levels[offset]
