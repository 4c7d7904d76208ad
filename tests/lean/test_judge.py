"""The process that can say yes, under hostile object files and a lying elaborator. Real Lean."""

from __future__ import annotations

import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fdcore.lean import process
from fdcore.lean.olean import UNREADABLE, Olean, OleanError
from fdcore.lean.process import LeanProcess
from fdcore.lean.verifier import Verifier
from fdcore.records import Problem
from tests.attacks import COMM, FALSE, FAMILIES, HEADER, HONEST, SETTINGS

ONE = SETTINGS.model_copy(update={"workers": 1})
UNSCREENED = process.START.replace(
    "serve(*json",
    "from fdcore.lean import frontend\nfrontend.check_command = lambda *_: []\nserve(*json",
)
BOOLS = "theorem t (a b : Bool) : (match a, b with | true, true => 1 | _, _ => 2)"


def problem(statement: str = COMM, **fields) -> Problem:
    """A problem of the core library."""
    given = {"id": "p", "header": HEADER, "statement": statement, "split": "train"}
    return Problem(**(given | fields))


@pytest.fixture(scope="module")
def verifier(library):
    with Verifier(library, ONE, cache_dir=None) as one:
        yield one


@pytest.fixture(scope="module")
def unscreened(library):
    """A verifier whose elaborator lets every command pass."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "START", UNSCREENED)
        with Verifier(library, ONE, cache_dir=None) as one:
            yield one


@pytest.fixture
def lying(verifier, unscreened, monkeypatch):
    """Judge the constants of any file, as if the elaborator found no fault with `source`."""

    def judge(statement: str, hostile: str):
        elaborator = unscreened._elaborators[0]
        answer = elaborator.ask(text=hostile, header="", olean="candidate.olean")
        assert answer.get("written"), answer
        olean = (elaborator.folder / "candidate.olean").read_bytes()

        def lie(self, **request):
            if "text" not in request:
                return honest(self, **request)
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / "candidate.olean").write_bytes(olean)
            return {"messages": [], "written": True}

        honest = LeanProcess.ask
        with monkeypatch.context() as patch:
            patch.setattr(LeanProcess, "ask", lie)
            return verifier.check(problem(statement), f"-- {hash(hostile)}")

    return judge


# -- without the screen ------------------------------------------------------------------------

WITHOUT_SCREEN = {
    "an axiom": (FALSE, "axiom cheat (a b : Nat) : a + b = a\n" + FALSE + "\n  exact cheat a b"),
    "an axiom behind a comment": (
        FALSE,
        "/-/-/ axiom cheat : False\n-- -/ -/\n" + FALSE + "\n  exact cheat.elim",
    ),
    "an axiom named like a listed one": (
        "theorem t : False := by",
        "axiom «Classical.choice» : False\ntheorem t : False := «Classical.choice»",
    ),
    "the statement's own match, declared anew": (
        BOOLS + " = 2 := by",
        "def fdPristine.match_1.{u_1} (motive : Bool → Bool → Sort u_1) (a b : Bool)\n"
        "  (h_1 : Unit → motive true true) (h_2 : ∀ x y : Bool, motive x y) : motive a b :="
        " h_2 a b\n"
        "theorem t (a b : Bool) : fdPristine.match_1.{1} (fun _ _ => Nat) a b (fun _ => 1)\n"
        "  (fun _ _ => 2) = 2 := rfl",
    ),
    "the kernel turned off": (
        "theorem t : 1 + 1 = 3 := by",
        "set_option debug.skipKernelTC true in\ntheorem t : 1 + 1 = 3 := by\n  decide +kernel",
    ),
    "the kernel turned off, with a large number": (
        "theorem t : 4611686018427387904 = 0 := by",
        "set_option debug.skipKernelTC true in\n"
        "theorem t : 4611686018427387904 = 0 := by\n  decide +kernel",
    ),
    "the statement itself as its proof": (
        FALSE,
        "theorem fdPristine (a b : Nat) : a + b = a := sorry\n"
        + FALSE
        + "\n  exact fdPristine a b",
    ),
    "the judge's own statement as a lemma": (
        FALSE,
        "axiom fdPristine (a b : Nat) : a + b = a\n" + FALSE + "\n  exact fdPristine a b",
    ),
    "a definition in the place of a theorem": ("theorem t : True := by", "def t : True := trivial"),
    "an opaque constant": (
        "theorem t : 2 = 1 := by",
        "class Has (p : Prop) where\n  proof : p\nopaque t : 2 = 1",
    ),
    "an instance": (
        FALSE,
        "instance (priority := 10000) : HAdd Nat Nat Nat := ⟨fun a _ => a⟩\n" + FALSE + "\n  rfl",
    ),
    "notation": (FALSE, 'notation a " = " b => True\n' + FALSE + "\n  trivial"),
    "a macro": (FALSE, "macro_rules | `($a = $b) => `(True)\n" + FALSE + "\n  trivial"),
}


@pytest.mark.parametrize("statement, source", WITHOUT_SCREEN.values(), ids=WITHOUT_SCREEN)
def test_without_the_screen_no_false_statement_is_verified(unscreened, statement, source):
    assert not unscreened.check(problem(statement), source).verified


def test_without_the_screen_no_attack_on_a_false_statement_is_verified(unscreened):
    sources = [
        source
        for family in FAMILIES.values()
        for _, source in family.attacks.values()
        if "b = b + a" not in source and len(source) < 2000
    ]
    verdicts = unscreened.check_many([(problem(FALSE), source) for source in sources])
    assert len(sources) > 50
    assert not [source for source, v in zip(sources, verdicts, strict=True) if v.verified]
    assert unscreened.check(problem(), HONEST).verified


# -- an elaborator in an attacker's hands ------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "an axiom named like a listed one",
        "the statement's own match, declared anew",
        "the kernel turned off",
        "the kernel turned off, with a large number",
        "an axiom",
        "the judge's own statement as a lemma",
        "a definition in the place of a theorem",
    ],
)
def test_constants_of_an_attacker_prove_nothing_false(lying, name):
    statement, hostile = WITHOUT_SCREEN[name]
    assert not lying(statement, hostile).verified


def test_constants_of_another_file_prove_that_file_s_statement_alone(lying):
    assert lying(COMM, HONEST).verified
    assert not lying(FALSE, HONEST).verified


@pytest.mark.parametrize(
    "answer",
    [
        *(None, "x", [1], {}, {"messages": 1}, {"messages": [{}], "written": True}),
        *({"refused": 1}, {"refused": "\ud800"}, {"messages": [], "written": False}),
    ],
)
def test_an_answer_of_no_known_shape_is_a_crash(library, monkeypatch, answer):
    with Verifier(library, ONE, cache_dir=None) as one:
        monkeypatch.setattr(LeanProcess, "ask", lambda self, **_: answer)
        assert one.check(problem(), HONEST).status == "crash"


# -- object files of any bytes -----------------------------------------------------------------


@pytest.fixture(scope="module")
def object_file(verifier) -> bytes:
    """What the elaborator writes for a proof with lemmas, axioms, a match and a large number."""
    source = (
        "def f (n : Nat) : Nat := match n with\n  | 0 => 1\n  | k + 1 => f k\n\n"
        "theorem t (a b : Nat) : a + b = b + a ∨ f 1000000000000000000000 = 2 := by\n"
        "  simp [Nat.add_comm]\n"
    )
    elaborator = verifier._elaborators[0]
    answer = elaborator.ask(text=source, header="", olean="candidate.olean")
    assert answer["written"], answer
    return (elaborator.folder / "candidate.olean").read_bytes()


def number(*node) -> int:
    """A `make` for the reader's sake alone."""
    return hash(node)


def test_the_reader_finds_what_lean_wrote(object_file):
    nodes = []
    file = Olean(object_file, lambda *node: nodes.append(node) or len(nodes))
    theorem = file.constant(("t",))
    assert (theorem.kind, theorem.levels) == ("theorem", ())
    assert ("propext",) not in file.names
    assert {("f",), ("Nat", "add_comm")} & theorem.uses
    assert file.kind(("f",)) == "def"
    assert ("nat", 10**21) in nodes  # larger than a machine word


def test_a_universe_level_in_the_place_of_a_term_is_refused(object_file):
    file = Olean(object_file, number)
    file.constant(("f",))
    # A successor has as many fields as a free variable
    level = next(offset for offset in file._levels if object_file[offset + 7] == 1)
    before = set(file._made)
    file.constant(("t",))
    application = max(o for o in set(file._made) - before if object_file[o + 7] == 5)
    data = bytearray(object_file)
    data[application + 16 : application + 24] = (file._base + level).to_bytes(8, "little")
    forged = Olean(bytes(data), number)
    forged.constant(("f",))
    assert level in forged._levels
    with pytest.raises(OleanError):
        forged.constant(("t",))


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.integers(0, 2**30), st.integers(0, 255)), min_size=1, max_size=8),
    st.integers(0, 2**30),
)
def test_the_reader_reads_any_bytes_or_says_that_it_cannot(object_file, changes, length):
    data = bytearray(object_file)
    for place, byte in changes:
        data[place % len(data)] = byte
    data = bytes(data[: len(data) - length % 5000 if length % 3 == 0 else len(data)])
    try:
        file = Olean(data, number)
        for name in file.names:
            file.constant(name)
    except UNREADABLE:
        pass


def test_the_judge_answers_on_mutated_object_files(verifier, object_file):
    rng, judge = random.Random(0), verifier._judges[0]
    path = verifier._elaborators[0].folder / "candidate.olean"
    for _ in range(60):
        data = bytearray(object_file)
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(96, len(data))] = rng.randrange(256)
        path.write_bytes(data)
        answer = judge.ask(header="", statement="theorem t : 1 = 2 := by", olean=str(path))
        assert set(answer) & {"refused", "error"}, answer


def test_a_link_or_a_pipe_is_no_object_file(verifier):
    folder, judge = verifier._elaborators[0].folder, verifier._judges[0]
    verifier.check(problem(), HONEST)
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to(folder / "candidate.olean")
    for name in ("pipe", "link", "missing"):
        assert "refused" in judge.ask(header="", statement=COMM, olean=str(folder / name))
        (folder / name).unlink(missing_ok=True)
    (folder / "folder").mkdir()
    for _ in range(300):  # more than the descriptors that the judge may have
        assert "refused" in judge.ask(header="", statement=COMM, olean=str(folder / "folder"))
    (folder / "folder").rmdir()
    assert verifier.check(problem(), HONEST + "-- again").verified


def make_deep(folder):
    for name in ["d"] * 1500:
        os.mkdir(name, dir_fd=folder)
        folder = os.open(name, os.O_RDONLY, dir_fd=folder)
        yield folder


def test_whatever_lies_in_a_process_folder_costs_no_later_file(library):
    """A sandbox without seccomp lets folders be made; the next file is judged all the same."""
    with Verifier(library, ONE, cache_dir=None) as one:
        assert one.check(problem(), HONEST).verified
        folder = one._elaborators[0].folder
        (folder / "candidate.olean").unlink()
        (folder / "candidate.olean").mkdir()
        assert one.check(problem(), HONEST + "-- 2").verified
        place = os.open(folder, os.O_RDONLY)
        for descriptor in [*make_deep(place), place]:
            os.close(descriptor)
        one._elaborators[0].close()
        assert one.check(problem(), HONEST + "-- 3").verified


# -- the problem's header ------------------------------------------------------------------------

SUCC, FOO = "def f (n : Nat) : Nat := n + 1\n", "namespace Foo\ndef f (n : Nat) : Nat := n\n"
ZERO, ONE_ = "theorem t : f 0 = 0 := by", "theorem t : f 0 = 1 := by"
SCOPE, SECRET = "open Nat\nvariable (n : Nat)\n", "private def secret : Nat := 3\n"
FIRST = "instance : Add Bool := ⟨fun a _ => a⟩\n"
# name -> (the problem's header, statement, file, is it proved?)
CONTEXTS = {
    "the header repeated": (SUCC, ONE_, SUCC + ONE_ + " rfl", True),
    "a structure repeated": (
        "structure P where\n  x : Nat\n",
        "theorem t (p : P) : p.x = p.x := by",
        "structure P where\n  x : Nat\ntheorem t (p : P) : p.x = p.x := by rfl",
        True,
    ),
    "closed and opened again": (FOO, ZERO, f"end Foo\nnamespace Foo\n{ZERO} rfl", True),
    "its full name": (FOO, ZERO, "end Foo\ntheorem Foo.t : Foo.f 0 = 0 := rfl", True),
    "a private definition": (
        SECRET,
        "theorem t : secret = 3 := by",
        SECRET + "theorem t : secret = 3 := rfl",
        True,
    ),
    "a variable": (SCOPE, "theorem t : n = n := by", SCOPE + "theorem t : n = n := rfl", True),
    "an instance": (
        FIRST,
        "theorem t (a b : Bool) : a + b = a := by",
        "theorem t (a b : Bool) : a + b = a := rfl",
        True,
    ),
    "repeated, then shadowed": (
        SUCC,
        ZERO,
        f"{SUCC}namespace Q\ndef f (n : Nat) : Nat := n\ntheorem _root_.t : f 0 = 0 := rfl\nend Q",
        False,
    ),
    "shadowed by open": (SUCC, ZERO, f"def Z.f (n : Nat) : Nat := n\nopen Z\n{ZERO} rfl", False),
    "the namespace closed": (FOO, ZERO, "end Foo\ntheorem t : Foo.f 0 = 0 := rfl", False),
    "a namespace in it of its name": (
        FOO,
        "theorem t : f 0 = 1 := by",
        "def Foo.f (n : Nat) : Nat := 1\ntheorem t : f 0 = 1 := rfl",
        False,
    ),
    "a false hypothesis beside its variable": (
        SCOPE,
        "theorem t : n = 0 := by",
        "variable (h : False)\ninclude h\ntheorem t : n = 0 := h.elim",
        False,
    ),
    "its variable with another type": (
        SCOPE,
        "theorem t : n = 0 := by",
        "variable (n : Unit)\ntheorem t : n = () := rfl",
        False,
    ),
    "another private definition": (
        SECRET,
        "theorem t : secret = 4 := by",
        "namespace X\nprivate def secret : Nat := 4\ntheorem _root_.t : secret = 4 := rfl\nend X",
        False,
    ),
    "another instance": (
        FIRST,
        "theorem t (a b : Bool) : a + b = b := by",
        "instance : Add Bool := ⟨fun _ b => b⟩\ntheorem t (a b : Bool) : a + b = b := rfl",
        False,
    ),
    "all of the core library's code": (
        SUCC,
        ONE_,
        "import all Fd\ntheorem t : f 0 = 1 := rfl",
        False,
    ),
    "a module": (SUCC, ONE_, "module\ntheorem t : f 0 = 1 := rfl", False),
    "an import of the judge's own module": (SUCC, ONE_, "import _stdin\n" + ONE_ + " rfl", False),
}


@pytest.mark.parametrize("header, statement, source, proves", CONTEXTS.values(), ids=CONTEXTS)
def test_a_file_stands_in_the_problems_context_and_cannot_change_it(
    verifier, header, statement, source, proves
):
    verdict = verifier.check(problem(statement, header=HEADER + header), source)
    assert verdict.verified == proves, verdict


@pytest.mark.parametrize(
    "header, reason",
    [
        ("import Evil\n", "import Evil"),
        ("open Nowhere\n", "Nowhere"),
        ("def x : Nat := y\n", "y"),
        ("/- open", "unterminated comment"),
    ],
)
def test_a_faulty_header_is_a_fault_of_the_problem(verifier, header, reason):
    odd = problem(header=header)
    assert reason in verifier.check(odd, None).detail
    with pytest.warns(UserWarning, match="p: its statement"):
        assert verifier.check(odd, HONEST).status == "failed"


@pytest.mark.parametrize("name", ["Nat.add_comm", "f"])
def test_a_name_that_is_taken_is_a_fault_of_the_problem(verifier, name):
    odd = problem(COMM.replace("theorem t", f"theorem {name}"), header=HEADER + SUCC)
    assert f"{name} is declared already" in verifier.check(odd, None).detail


# -- statements --------------------------------------------------------------------------------

STATEMENTS = {
    "its name in a comment": (
        "",
        "/-- theorem t says that. -/\n-- theorem t\ntheorem t (a b : Nat) : a + b = b + a := by",
        HONEST,
    ),
    "a private theorem": ("", "private " + COMM, "private " + HONEST),
    "a private theorem, proved in public": ("", "private " + COMM, HONEST),
    "a universe of its own": (
        "",
        "theorem t.{u} {α : Type u} (a : α) : a = a := by",
        "theorem t.{u} {α : Type u} (a : α) : a = a := by\n  rfl",
    ),
    "universes in another order": (
        "",
        "theorem t.{u, v} {α : Type u} {β : Type v} (f : α → β) (a : α) : f a = f a := by",
        "theorem t.{v, u} {α : Type u} {β : Type v} (f : α → β) (a : α) : f a = f a := by\n  rfl",
    ),
    "a definition in the header": (
        "def foo : Nat := 3\n",
        "theorem t : foo = 3 := by",
        "theorem t : foo = 3 := by\n  rfl",
    ),
    "a type in the header": (
        "structure Point where\n  x : Nat\n",
        "theorem t (p : Point) : p.x = p.x := by",
        "theorem t (p : Point) : p.x = p.x := by\n  rfl",
    ),
    "a match": ("", BOOLS + " ≠ 0 := by", BOOLS + " ≠ 0 := by\n  cases a <;> cases b <;> decide"),
    "a namespace in its name": (
        "",
        "theorem Nat.mine (a b : Nat) : a + b = b + a := by",
        "namespace Nat\ntheorem mine (a b : Nat) : a + b = b + a := Nat.add_comm a b\nend Nat",
    ),
}


@pytest.mark.parametrize("header, statement, source", STATEMENTS.values(), ids=STATEMENTS)
def test_an_honest_proof_of_an_odd_statement_is_verified(verifier, header, statement, source):
    verdict = verifier.check(problem(statement, header=HEADER + header), source)
    assert verdict.verified, verdict


@pytest.mark.parametrize(
    "number", [2**62, 2**62 + 1, 2**63 - 1, 2**63, 2**64, 10**19, 10**30, 10**60, 10**4000]
)
def test_numbers_of_any_length_are_what_they_are(verifier, unscreened, number):
    true, false = (
        f"theorem t : {number} = {number - 1} + 1 := by",
        f"theorem t : {number} = 0 := by",
    )
    assert verifier.check(problem(true), true + "\n  decide").verified
    unchecked = "set_option debug.skipKernelTC true in\n" + false + "\n  decide +kernel"
    assert not unscreened.check(problem(false), unchecked).verified


def test_a_number_of_five_thousand_digits_is_no_death(verifier):
    number = "1" + "0" * 5000
    source = f"theorem aux (n : Nat) : n + {number} = {number} + n := Nat.add_comm _ _\n{HONEST}"
    assert verifier.check(problem(), source).verified


@pytest.mark.parametrize("tactics", ["· " * 10_000 + "omega", "(" * 9000 + "omega" + ")" * 9000])
def test_tactics_that_are_nested_deeply_are_refused(verifier, tactics):
    assert verifier.check(problem(), f"{COMM}\n  {tactics}").status in ("forbidden", "failed")


def test_an_axiom_in_the_header_is_forbidden(verifier):
    odd = problem(FALSE, header=HEADER + "axiom cheat (a b : Nat) : a + b = a\n")
    assert verifier.check(odd, FALSE + "\n  exact cheat a b").status == "forbidden"


def test_a_defective_statement_is_a_verdict_and_a_warning(verifier):
    bad = problem("theorem t (a : Nat) : a + = a := by", id="bad-7")
    assert verifier.check(bad, None).status == "failed" and verifier.check(bad, None).detail
    assert verifier.check(problem(), None).status == "sorry"
    with pytest.warns(UserWarning, match="bad-7"):
        verdict = verifier.check(bad, "theorem t : True := trivial")
    assert verdict.status == "failed" and "bad-7" in verdict.detail
    assert verifier.check(problem(), HONEST).verified
