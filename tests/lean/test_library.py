"""The core library feels like ordinary Lean 4, and nothing in it rests on a hidden axiom."""

import itertools
import re
import subprocess
import sys

import pytest

from fdcore.lean.library import PROJECT, core_library, declared_theorems, find_modules
from lean_project.generate.facts import print_theorems
from lean_project.generate.page import read_examples

HEADER = "prelude\nimport Fd\n\n"
EXAMPLES = read_examples()


def lean(body, folder):
    """Lean's messages on a file with the library's header: [(severity, line in the body, text)]."""
    path = folder / "Test.lean"
    path.write_text(HEADER + body, encoding="utf-8")
    library = core_library()
    messages, _ = library.toolchain.run(path, path=library.path)
    return [(m["severity"], m["pos"]["line"] - HEADER.count("\n"), m["data"]) for m in messages]


@pytest.fixture(scope="module")
def proof_messages(tmp_path_factory):
    text, lines = EXAMPLES["setting"], {}
    for name, proof in EXAMPLES["proofs"].items():
        lines[text.count("\n") + 1] = name
        text += f"example {proof}\n"
    found = {name: [] for name in EXAMPLES["proofs"]}
    starts = sorted(lines)
    for severity, line, said in lean(text + "end\n", tmp_path_factory.mktemp("proofs")):
        found[lines[max(start for start in starts if start <= line)]].append((severity, said))
    return found


@pytest.mark.parametrize("tactic", EXAMPLES["proofs"])
def test_the_tactic_proves_something(tactic, proof_messages):
    assert [said for severity, said in proof_messages[tactic] if severity == "error"] == []


def test_exact_with_a_question_mark_names_a_lemma(proof_messages):
    assert re.search(r"exact Nat\.\w+ h", proof_messages["exact?"][0][1])


@pytest.fixture(scope="module")
def failure_messages(tmp_path_factory):
    text, lines = EXAMPLES["setting"], {}
    for name, failure in EXAMPLES["failures"].items():
        lines[text.count("\n") + 1] = name
        text += f"example {failure['proof']}\n"
    found, starts = {name: "" for name in EXAMPLES["failures"]}, sorted(lines)
    for severity, line, said in lean(text + "end\n", tmp_path_factory.mktemp("failures")):
        if severity == "error":
            found[lines[max(start for start in starts if start <= line)]] += said + "\n"
    return found


@pytest.mark.parametrize("case", EXAMPLES["failures"])
def test_a_failing_proof_is_told_why(case, failure_messages):
    for words in EXAMPLES["failures"][case]["message"]:
        assert words in failure_messages[case]


def test_what_a_model_must_not_do_is_seen_by_lean(tmp_path):
    messages = lean("theorem t (a b : Nat) : a = b := by sorry\n#print axioms t\n", tmp_path)
    assert any("declaration uses `sorry`" in said for _, _, said in messages)
    assert any(said == "'t' depends on axioms: [sorryAx]" for _, _, said in messages)


# -- the library's own theorems --------------------------------------------------------------------


def test_every_theorem_rests_on_the_three_axioms_at_most(tmp_path):
    names = sorted(core_library().theorem_names)
    said = [
        text for _, _, text in lean("".join(f"#print axioms {name}\n" for name in names), tmp_path)
    ]
    assert len(said) == len(names) >= 150
    used = {
        axiom
        for text in said
        for axiom in re.findall(r"[\w.]+", (re.search(r"\[(.*)\]", text, re.DOTALL) or [""])[0])
    }
    assert used <= {"propext", "Quot.sound", "Classical.choice"}


def test_the_sources_contain_no_sorry_and_no_axiom_outside_the_core():
    for name, path in find_modules().items():
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\bsorry\b", text), name
        if name not in ("Fd.Basis", "Fd.Syntax", "Fd.Core", "Fd.Unexpand"):
            assert not re.search(r"^axiom\b", text, re.MULTILINE), name


def test_theorems_come_with_one_line_of_explanation():
    for name, path in find_modules().items():
        if name in ("Fd.Basis", "Fd.Internal", "Fd.AC", "Fd.Omega"):
            continue  # what Lean's own tactics ask for
        text = path.read_text(encoding="utf-8")
        all_of_them = re.findall(
            r"^(?:@\[[^\]]*\] )?(?:protected )?theorem «?([^\s»]+)", text, re.MULTILINE
        )
        without = set(all_of_them) - {
            each.removeprefix(space)
            for each in declared_theorems(path)
            for space in _prefixes(each)
        }
        assert [each for each in without if not re.search(r"\.go|subNatNat", each)] == [], (
            name
        )  # how something is computed


def _prefixes(name):
    parts = name.split(".")
    return [".".join(parts[:i]) + "." if i else "" for i in range(len(parts))]


@pytest.mark.parametrize(
    "name, type_",
    [
        ("Nat.add_comm", "∀ (n m : Nat), n + m = m + n"),
        ("Nat.le_antisymm", "∀ {n m : Nat}, n ≤ m → m ≤ n → n = m"),
        ("Classical.em", "∀ (p : Prop), p ∨ ¬p"),
        ("not_exists", "∀ {α : Sort u} {p : α → Prop}, (¬∃ x, p x) ↔ ∀ (x : α), ¬p x"),
        (
            "List.reverse_reverse",
            "∀ {α : Type u} (as : List α), List.reverse (List.reverse as) = as",
        ),
    ],
)
def test_theorems_are_listed_as_lean_prints_them(name, type_):
    assert print_theorems()[name].replace("u_1", "u") == type_


# -- soundness: what the kernel computes by name ---------------------------------------------------

BINARY = [
    "add",
    "sub",
    "mul",
    "div",
    "mod",
    "gcd",
    "pow",
    "land",
    "lor",
    "xor",
    "shiftLeft",
    "shiftRight",
    "beq",
    "ble",
]
NUMBERS = [0, 1, 2, 3, 7, 8, 13]
OPERATIONS = (
    "ble|beq|add|mul|pow|pred|sub|div|mod|gcd|log2|shiftLeft|shiftRight|bitwise|land|lor|xor"
)


def twins():
    """Renamed copies of the Nat operations, which the kernel must compute as they are written."""
    source = "".join(
        (PROJECT / "Fd" / name).read_text(encoding="utf-8") for name in ("Basis.lean", "Data.lean")
    )
    found = {}
    for match in re.finditer(
        rf"^(?:@\[extern[^\]]*\] )?def Nat\.((?:{OPERATIONS})(?:\.go)?)\b.*\n(?:  .*\n)*",
        source,
        re.MULTILINE,
    ):
        found[match[1]] = re.sub(r"^@\[[^\]]*\] ", "", match[0])
    assert set(BINARY) < set(found)
    names = "|".join(sorted({name.split(".")[0] for name in found}))

    def rename(text: str) -> str:
        return re.sub(rf"\bNat\.(?=(?:{names})\b)", "Twin.", text)

    text = "noncomputable section\n"
    for name in [
        "ble",
        "beq",
        "add",
        "mul",
        "pow",
        "pred",
        "sub",
        "div.go",
        "div",
        "mod.go",
        "mod",
        "gcd.go",
        "gcd",
        "log2.go",
        "log2",
        "shiftLeft",
        "shiftRight",
        "bitwise.go",
        "land",
        "lor",
        "xor",
    ]:
        text += rename(found[name])
    return text


def test_what_the_kernel_computes_natively_is_what_the_library_defines(tmp_path):
    text = twins()
    for name, x, y in [
        (n, x, y)
        for n in BINARY
        for x, y in itertools.product(NUMBERS, NUMBERS)
        if n not in ("pow", "shiftLeft") or x * y < 30
    ]:
        text += f"example : Twin.{name} {x} {y} = Nat.{name} {x} {y} := by decide +kernel\n"
    for x in [*NUMBERS, 31, 32, 100]:
        text += f"example : Twin.log2 {x} = Nat.log2 {x} := by decide +kernel\n"
    assert [said for severity, _, said in lean(text, tmp_path) if severity == "error"] == []
    # and the comparison can fail
    assert (
        lean(twins() + "example : Twin.log2 8 = Nat.log2 16 := by decide +kernel\n", tmp_path)[-1][
            0
        ]
        == "error"
    )


def test_operations_are_what_their_names_say(tmp_path):
    facts = (
        "gcd 12 18 = 6;div 17 5 = 3;mod 17 5 = 2;div 7 0 = 0;mod 7 0 = 7;log2 100 = 6;"
        "pow 2 10 = 1024;land 12 10 = 8;lor 12 10 = 14;xor 12 10 = 6;shiftLeft 3 4 = 48;"
        "shiftRight 48 4 = 3;sub 3 5 = 0"
    )
    examples = [f"example : Nat.{fact} := by decide +kernel\n" for fact in facts.split(";")]
    assert lean("".join(examples), tmp_path) == []


def test_integer_operations_are_what_their_names_say(tmp_path):
    facts, numbers = [], range(-5, 6)
    for x, y in itertools.product(numbers, numbers):
        quotient = 0 if y == 0 else (x - x % abs(y)) // y
        facts += [
            f"({x} : Int) + {y} = {x + y}",
            f"({x} : Int) - {y} = {x - y}",
            f"({x} : Int) * {y} = {x * y}",
        ]
        facts += [
            f"({x} : Int) / {y} = {quotient}",
            f"({x} : Int) % {y} = {x - y * quotient}",
            f"max ({x} : Int) ({y}) = {max(x, y)}",
        ]
        facts += [
            f"{'' if x <= y else '¬'}({x} : Int) ≤ {y}",
            f"{'' if x < y else '¬'}({x} : Int) < {y}",
            f"{'' if x == y else '¬'}({x} : Int) = {y}",
        ]
    facts += [
        f"Int.natAbs ({x}) = {abs(x)} ∧ Int.toNat ({x}) = {max(x, 0)} "
        f"∧ -({x} : Int) = {-x} ∧ ({x} : Int) ^ 3 = {x**3}"
        for x in numbers
    ]
    text = "".join(f"example : {fact} := by decide +kernel\n" for fact in facts)
    assert [said for severity, _, said in lean(text, tmp_path) if severity == "error"] == []


def test_different_strings_cannot_be_proved_equal(tmp_path):
    assert any(
        severity == "error" for severity, _, _ in lean('example : "a" = "b" := rfl\n', tmp_path)
    )
    assert lean('theorem t : "a" ≠ "b" := by decide\n', tmp_path) == []


# -- the registry ----------------------------------------------------------------------------------


def test_the_registry_is_what_the_generator_writes(tmp_path):
    if core_library().toolchain.shared is None:
        pytest.skip("the generator reads the shared library of the PyPI wheel")
    script = tmp_path / "generate_syntax.py"
    script.write_text(
        (PROJECT / "generate_syntax.py").read_text(encoding="utf-8"), encoding="utf-8"
    )
    (tmp_path / "Fd").mkdir()
    subprocess.run([sys.executable, str(script)], check=True, capture_output=True)
    for name in ("Syntax.lean", "Unexpand.lean"):
        assert (tmp_path / "Fd" / name).read_text(encoding="utf-8") == (
            PROJECT / "Fd" / name
        ).read_text(encoding="utf-8")
