"""Read constants from a Lean object file without trusting, mapping or executing any of it.

An object file is an image of memory: a header, then objects. Each object stands behind those that
it points to, so no cycle can be read. Every offset, tag and length is checked. The caller makes a
term's nodes, from the leaves up. Names of bound variables and annotations mean nothing to the
kernel and are left out. Written for Lean 4.35, standard library only.

Left out on purpose: everything in the file that is no constant (extension entries, compiled code),
and free variables and metavariables in terms.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

HEADER = 96  # bytes before the first object; the last 16 are the base address and the root
ARRAY, STRING, BIG = 246, 249, 250  # tags of objects that are no constructor
KINDS = ("axiom", "def", "theorem", "opaque", "quot", "inductive", "constructor", "recursor")
# A term's fields by tag: bvar, fvar, mvar, sort, const, app, lam, pi, let, literal, mdata, proj
FIELDS = (1, 1, 1, 1, 2, 2, 3, 3, 4, 1, 2, 3)
# The words of each that point to terms; word 0 is the object's own header
PARTS = ((), (), (), (), (), (1, 2), (2, 3), (2, 3), (2, 3, 4), (), (2,), (3,))
LEVELS = ("zero", "succ", "max", "imax", "param")
LEVEL_FIELDS = (0, 1, 2, 2, 1)
MAX_BVAR = (1 << 20) - 2  # Lean's own limit; one more ends its process
Name = tuple  # of str and int: ("Nat", "add_comm")


class OleanError(ValueError):
    """The file is not what Lean writes."""


# What reading hostile bytes may raise
UNREADABLE = (
    OleanError,
    UnicodeError,
    RecursionError,
    struct.error,
    IndexError,
    KeyError,
    OverflowError,
    MemoryError,
    OSError,
)


class Constant(NamedTuple):
    kind: str
    levels: tuple[Name, ...]
    type: int  # what `make` gave
    value: int | None
    uses: frozenset[Name]  # constants in type and value
    height: int = -1  # of a definition: how far it is from what it is made of (-1: always unfolded)


class Olean:
    """The constants of one file. `names` is what it declares; `constant` reads one.

    Args:
        data: the file.
        make: called once for each node of a term or universe level, with its kind and parts: what
            `make` gave for the nodes in it, names, integers or strings.

    Raises:
        one of UNREADABLE, here and in every method.
    """

    def __init__(self, data: bytes, make: Callable[..., int]):
        if data[:5] != b"olean" or len(data) < HEADER + 8:
            raise OleanError("not an object file")
        self._data, self._make = data, make
        # An object's first word holds its number of fields at bit 48 and its tag at bit 56
        self._words = memoryview(data[: len(data) & ~7]).cast("Q")
        self._base = self._words[HEADER // 8 - 2]
        if self._base & 7:
            raise OleanError("a base address that is no multiple of 8")
        self._names: dict[int, Name] = {}
        self._made: dict[int, int] = {}  # offset of a term -> what `make` gave
        # Levels apart from terms, so that no level can pass for a term
        self._levels: dict[int, int] = {}
        names, constants = self._module()
        self.names: dict[Name, int] = {
            self._name(n): c for n, c in zip(names, constants, strict=True)
        }

    @classmethod
    def read(cls, path: Path | str, make: Callable[..., int]) -> Olean:
        """Read a regular file; a link or a pipe in its place is not followed."""
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(number).st_mode):
            os.close(number)
            raise OleanError("not a regular file")
        with open(number, "rb") as file:
            return cls(file.read(), make)

    def kind(self, name: Name) -> str:
        """One of KINDS."""
        tag = self._data[self._at(self.names[name], len(self._data)) + 7]
        if tag >= len(KINDS):
            raise OleanError("a constant of no known kind")
        return KINDS[tag]

    def constant(self, name: Name) -> Constant:
        info = self._at(self.names[name], len(self._data))
        kind = self.kind(name)
        (body,) = self._object(info, 1)
        body = self._at(body, info)
        fields = self._fields(body)
        declared, levels, type_ = self._object(self._at(fields[0], body), 3)
        if self._name(declared) != name:
            raise OleanError("a constant under another name")
        if kind == "def" and self._data[body + 8 + 8 * len(fields)] != 1:
            kind = "unsafe"  # DefinitionSafety: unsafe, safe, partial
        uses: set[Name] = set()
        value = None
        if kind in ("def", "theorem", "opaque"):
            value = self._term(fields[1], body, uses)
        height = -1
        if kind == "def" and not fields[2] & 1:
            (height,) = struct.unpack_from("<I", self._data, self._at(fields[2], body) + 8)
        level_names = tuple(self._name(level) for level in self._list(levels))
        type_node = self._term(type_, body, uses)
        return Constant(kind, level_names, type_node, value, frozenset(uses), height)

    # -- objects -------------------------------------------------------------------------------

    def _at(self, pointer: int, below: int) -> int:
        """The offset that a pointer means. It must lie below the object that holds the pointer."""
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

    def _object(self, offset: int, count: int) -> tuple[int, ...]:
        fields = self._fields(offset)
        if len(fields) < count:
            raise OleanError("an object is too small")
        return fields[:count]

    def _module(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Pointers to the names and to the constants: the second and third array of the root."""
        offset = self._at(self._words[HEADER // 8 - 1], len(self._data))
        arrays = self._fields(offset)
        if len(arrays) < 3:
            raise OleanError("no module")
        names, constants = (self._array(self._at(p, offset)) for p in arrays[1:3])
        if len(names) != len(constants):
            raise OleanError("names and constants differ in number")
        return names, constants

    def _size(self, offset: int, tag: int) -> int:
        """The length that an array or string states; -1 for an object of another kind."""
        if self._data[offset + 7] != tag:
            return -1
        return struct.unpack_from("<Q", self._data, offset + 8)[0]

    def _array(self, offset: int) -> tuple[int, ...]:
        size = self._size(offset, ARRAY)
        if not 0 <= size <= (len(self._data) - offset - 24) // 8:
            raise OleanError("an array was expected")
        return struct.unpack_from(f"<{size}Q", self._data, offset + 24)

    def _string(self, pointer: int) -> str:
        offset = self._at(pointer, len(self._data))
        size = self._size(offset, STRING)
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
            prefix, part = self._object(offset, 2)
            is_string = self._data[offset + 7] == 1
            parts.append((self._string(part) if is_string else self._nat(part),))
            if prefix != 1:
                self._at(prefix, offset)
            pointer = prefix
        name = tuple(component for part in reversed(parts) for component in part)
        self._names[first] = name
        return name

    def _list(self, pointer: int) -> list[int]:
        heads = []
        while pointer != 1:
            offset = self._at(pointer, len(self._data))
            head, rest = self._object(offset, 2)
            if rest != 1:
                self._at(rest, offset)
            heads.append(head)
            pointer = rest
        return heads

    # -- terms ---------------------------------------------------------------------------------

    def _term(self, pointer: int, below: int, uses: set[Name]) -> int:
        """A term, made; the constants in it go into `uses`."""
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
                uses.add(self._name(words[at + 1]))
        made = self._made
        for offset in sorted(reached):  # what a term is made of stands before it
            if offset not in made:
                made[offset] = self._node(offset)
        return made[root]

    def _node(self, offset: int) -> int:
        words, made, at, make = self._words, self._made, offset >> 3, self._make
        tag = words[at] >> 56
        children = [made[words[at + place] - self._base] for place in PARTS[tag]]
        if tag in (5, 6, 7):
            return make(("app", "lam", "pi")[tag - 5], *children)
        if tag == 0:
            return make("bvar", self._bvar(words[at + 1]))
        if tag == 3:
            return make("sort", self._level(words[at + 1], offset))
        if tag == 4:
            levels = [self._level(level, offset) for level in self._list(words[at + 2])]
            return make("const", self._name(words[at + 1]), *levels)
        if tag == 8:
            return make("let", *children, self._data[offset + 8 + 8 * 4 + 8] & 1)
        if tag == 9:
            return self._literal(self._at(words[at + 1], offset))
        if tag == 10:  # an annotation: the term itself
            return children[0]
        if tag == 11:
            return make("proj", self._name(words[at + 1]), self._nat(words[at + 2]), *children)
        raise OleanError("a term with free or meta variables")

    def _literal(self, offset: int) -> int:
        (content,) = self._object(offset, 1)
        if self._data[offset + 7] == 0:
            return self._make("nat", self._nat(content))
        return self._make("string", self._string(content))

    def _bvar(self, pointer: int) -> int:
        index = self._nat(pointer)
        if index > MAX_BVAR:
            raise OleanError("a bound variable out of range")
        return index

    def _level(self, pointer: int, below: int) -> int:
        if pointer == 1:
            return self._make("zero")
        offset = self._at(pointer, below)
        if offset not in self._levels:
            tag, fields = self._data[offset + 7], self._fields(offset)
            if not 1 <= tag <= 4 or len(fields) != LEVEL_FIELDS[tag]:
                raise OleanError("a universe level was expected")
            if tag == 4:
                parts = (self._name(fields[0]),)
            else:
                parts = tuple(self._level(field, offset) for field in fields)
            self._levels[offset] = self._make(LEVELS[tag], *parts)
        return self._levels[offset]
