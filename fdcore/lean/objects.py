"""Lean's shared library through its C interface: calls, and the objects that they take and give.

For a reader who knows C: an `int` called pointer is a `lean_object *`, or a boxed scalar where its
lowest bit is set (`box(n)` is 2 n + 1). An object begins with 8 bytes: the count of references (0:
lives for ever; negative: shared between threads), at byte 6 the number of fields, at byte 7 the
tag. Fields of 8 bytes follow.

Standard library only. Left out on purpose: other Leans than 4.35, whose objects may look otherwise.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from ctypes import c_size_t, c_uint8, c_uint32, c_uint64, c_void_p
from pathlib import Path

from fdcore.lean.olean import Name

NOTHING, TRUE = 1, 3  # box(0): unit, none, [], false, Name.anonymous; box(1)
MAX_SMALL = 1 << 63  # numbers below are boxed, others are big


class LeanError(RuntimeError):
    """Lean answered with an error where it should not."""


class Library:
    """The loaded library. A call takes over the references that it is given."""

    def __init__(self, path: str):
        self._library = ctypes.CDLL(path, mode=os.RTLD_NOW | os.RTLD_GLOBAL)
        self._called: dict[str, ctypes._CFuncPtr] = {}
        self._library.lean_initialize()
        self.call("lean_init_task_manager_using", c_uint32(1), result=None)
        self.call("lean_enable_initializer_execution", NOTHING)
        prefix = self.string(str(Path(path).parents[2]))  # of PREFIX/lib/lean/libleanshared.so
        self.value(self.call("l_Lean_initSearchPath___boxed", prefix, NOTHING, NOTHING))
        self.call("lean_io_mark_end_initialization", result=None)

    def constant(self, symbol: str) -> int:
        """A value that the library holds."""
        return c_void_p.in_dll(self._library, symbol).value

    def forever(self, pointer: int) -> int:
        """The object, never to be freed: giving it away then costs no reference."""
        self.call("lean_mark_persistent", pointer, result=None)
        return pointer

    def call(self, function: str, *arguments, result=c_void_p):
        """Call a function; plain ints are pointers. Later calls must pass the same kinds."""
        called = self._called.get(function)
        if called is None:
            called = self._called[function] = getattr(self._library, function)
            called.restype = result
            called.argtypes = [
                type(argument) if isinstance(argument, ctypes._SimpleCData) else c_void_p
                for argument in arguments
            ]
        return called(*arguments)

    # -- objects -------------------------------------------------------------------------------

    @staticmethod
    def tag(pointer: int) -> int:
        return c_uint8.from_address(pointer + 7).value

    @staticmethod
    def field(pointer: int, place: int) -> int:
        return c_uint64.from_address(pointer + 8 + 8 * place).value

    @staticmethod
    def words(pointer: int, count: int) -> tuple[int, ...]:
        """The first words of an object; the tag is the highest byte of the first."""
        return struct.unpack(f"<{count}Q", ctypes.string_at(pointer, 8 * count))

    @staticmethod
    def keep(pointer: int) -> int:
        """Add a reference, before an object is given away that is still needed."""
        if not pointer & 1:
            count = ctypes.c_int32.from_address(pointer)
            # No other thread runs now, so a shared object needs no atomic step
            count.value += (count.value > 0) - (count.value < 0)
        return pointer

    def drop(self, pointer: int) -> None:
        """Give a reference back."""
        if not pointer & 1:
            count = ctypes.c_int32.from_address(pointer)
            if count.value > 1:
                count.value -= 1
            elif count.value:
                self.call("lean_dec_ref_cold", pointer, result=None)

    def make(self, tag: int, *fields: int, extra: int | None = None) -> int:
        """A constructor's object; `extra` is the byte behind the fields."""
        words = [*fields, *([] if extra is None else [extra])]
        size = 8 + 8 * len(words)
        pointer = self.call("lean_alloc_object", c_size_t(size))
        head = 1 | size << 32 | len(fields) << 48 | tag << 56
        c_uint64.from_address(pointer).value = head
        for place, word in enumerate(words):
            c_uint64.from_address(pointer + 8 + 8 * place).value = word
        return pointer

    def list(self, pointers: list[int]) -> int:
        made = NOTHING
        for pointer in reversed(pointers):
            made = self.make(1, pointer, made)
        return made

    def items(self, pointer: int) -> Iterator[int]:
        """The members of a list."""
        while pointer != NOTHING:
            yield self.field(pointer, 0)
            pointer = self.field(pointer, 1)

    @staticmethod
    def array(pointer: int) -> tuple[int, ...]:
        """The members of an array: word 1 is its length, word 3 its first member."""
        size = c_uint64.from_address(pointer + 8).value
        return struct.unpack(f"<{size}Q", ctypes.string_at(pointer + 24, 8 * size))

    def string(self, text: str) -> int:
        data = text.encode()
        start = ctypes.cast(ctypes.c_char_p(data), c_void_p)  # `data` lives until the call is over
        return self.call("lean_mk_string_from_bytes", start.value, c_size_t(len(data)))

    @staticmethod
    def text(pointer: int) -> str:
        size = c_uint64.from_address(pointer + 8).value - 1  # the last byte is a zero
        return ctypes.string_at(pointer + 32, size).decode(errors="replace")

    def nat(self, number: int) -> int:
        """A natural number of any length: a big one is put together from its halves."""
        if number < MAX_SMALL:
            return 2 * number + 1
        half = number.bit_length() // 2
        high, places = self.nat(number >> half), self.nat(half)
        low = self.nat(number & (1 << half) - 1)
        shifted = self.call("lean_nat_shiftl", high, places)
        made = self.call("lean_nat_big_add", shifted, low)
        for pointer in (high, low, shifted):
            self.drop(pointer)
        return made

    def name(self, name: Name) -> int:
        made = NOTHING
        for part in name:
            if isinstance(part, str):
                made = self.call("lean_name_mk_string", made, self.string(part))
            else:
                made = self.call("lean_name_mk_numeral", made, self.nat(part))
        return made

    def read_name(self, pointer: int) -> Name:
        parts = []
        while pointer != NOTHING:
            part = self.field(pointer, 1)
            parts.append(self.text(part) if self.tag(pointer) == 1 else part >> 1)
            pointer = self.field(pointer, 0)
        return tuple(reversed(parts))

    def value(self, result: int) -> int:
        """What an IO action gave. Raises LeanError."""
        if self.tag(result):
            raise LeanError("an IO action failed")
        return self.field(result, 0)


def show_name(name: Name) -> str:
    """A name for a reader. Never compare names so: «a.b» is not a.b."""
    return ".".join(map(str, name))
