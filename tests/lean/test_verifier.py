"""The verifier: honest files pass, everything else does not, and limits hold. Real Lean."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fdcore.lean.library import core_library  # noqa: F401 - the started callers use it
from fdcore.lean.process import LeanProcess
from fdcore.lean.verifier import Verifier, normalize
from fdcore.records import Verdict
from tests.attacks import COMM, FALSE, FAMILIES, HEADER, HONEST, SETTINGS, table
from tests.benchmarks import verifier as verifier_benchmark
from tests.benchmarks.soak import soak
from tests.lean.test_judge import ONE, problem

ROOT_FOLDER = Path(__file__).parents[2]
ENDLESS = COMM + "\n  repeat (have h : 0 = 0 := rfl)\n"


def limited(**limits):
    """The settings of one worker with other limits."""
    return ONE.model_copy(update=limits)


@pytest.fixture(scope="module")
def verifier(library):
    with Verifier(library, SETTINGS, cache_dir=None) as one:
        yield one


@pytest.fixture(scope="module")
def fresh(library):
    with Verifier(library, SETTINGS, cache_dir=None) as one:
        forget(one)
        yield one


def forget(verifier: Verifier) -> None:
    """Let every request have a new elaborator."""
    for elaborator in verifier._elaborators:

        def ask(elaborator=elaborator, **request):
            elaborator.close()
            return LeanProcess.ask(elaborator, **request)

        elaborator.ask = ask


# -- what passes -----------------------------------------------------------------------------------

HONEST_FILES = {
    "one tactic": (COMM, HONEST),
    "with the header": (COMM, HEADER + HONEST),
    "with part of the header": (COMM, "import Fd\n" + HONEST),
    "a term": (COMM, "theorem t (a b : Nat) : a + b = b + a := Nat.add_comm a b\n"),
    "other binder names": (
        COMM,
        "theorem t (x y : Nat) : x + y = y + x := by\n  exact Nat.add_comm x y\n",
    ),
    "binders moved into the type": (
        COMM,
        "theorem t : ∀ a b : Nat, a + b = b + a := by\n  intro a b\n  exact Nat.add_comm a b\n",
    ),
    "lemmas of its own": (
        COMM,
        "theorem aux (a b : Nat) : a + b = b + a := Nat.add_comm a b\n\n"
        + COMM
        + "\n  exact aux a b\n",
    ),
    "a definition of its own": (COMM, "def twice (n : Nat) : Nat := n + n\n\n" + HONEST),
    "comments": (
        COMM,
        '/- a proof /- nested -/ " -/\n-- axiom "\n/-- doc: sorry -/\n' + HONEST + "-- sorry",
    ),
    "line ends of Windows": (COMM, HONEST.replace("\n", "\r\n")),
    "propositional extensionality": (
        "theorem t (p q : Prop) (h : p ↔ q) : p = q := by",
        "theorem t (p q : Prop) (h : p ↔ q) : p = q := by\n  exact propext h\n",
    ),
    "universes": (
        "theorem t {α : Type u_1} {β : Type _} (f : α → β) (a b : α) (h : a = b) : f a = f b := by",
        "theorem t {α : Type u_1} {β : Type _} (f : α → β) (a b : α) (h : a = b) : f a = f b"
        " := by\n  rw [h]\n",
    ),
    "a name in a namespace": (
        "theorem Nat.mine (a b : Nat) : a + b = b + a := by",
        "theorem Nat.mine (a b : Nat) : a + b = b + a := by\n  exact Nat.add_comm a b\n",
    ),
    "an instance argument": (
        "theorem t (p : Prop) [h : Decidable p] (x : p) : p := by",
        "theorem t (p : Prop) [h : Decidable p] (x : p) : p := by\n  exact x\n",
    ),
    "a hole that exact? fills": (COMM, COMM + "\n  exact?\n"),
    "a header in another order, with comments": (
        COMM,
        "-- a header\nprelude\nimport Fd\nopen Nat\nset_option maxHeartbeats 400000\n\n"
        "/- theorem -/\n" + HONEST,
    ),
    "a module of the library": (COMM, "import Fd.Nat.Basic\n\n" + HONEST),
    "no limit on heartbeats": (COMM, "set_option maxHeartbeats 0 in\n" + HONEST),
    "fewer heartbeats in a tactic block": (
        COMM,
        COMM + "\n  set_option maxHeartbeats 10000 in\n  rw [Nat.add_comm]\n",
    ),
    "options that change what is shown": (
        COMM,
        "set_option pp.all true\nset_option linter.unusedVariables false\n" + HONEST,
    ),
    "names with a root in them": (
        COMM,
        "theorem h_root_pos : 0 < 1 := Nat.zero_lt_one\n"
        "theorem cube_root_two : 1 = 1 := rfl\n" + HONEST,
    ),
    "names in namespaces, repeated": (
        COMM,
        "namespace A.B\ntheorem aux : 1 = 1 := rfl\nend A.B\nnamespace C\n"
        "theorem aux : 2 = 2 := rfl\ntheorem Inner.aux : 3 = 3 := rfl\nend C\n" + HONEST,
    ),
    "a comment that speaks of commands": (
        COMM,
        "/- theorem lemma example axiom\ntheorem t : False -/\n" + HONEST + "-- lemma\n",
    ),
    "an example": (COMM, "example : 1 + 1 = 2 := rfl\n" + HONEST),
    "a section with variables": (
        COMM,
        "section\nvariable (n : Nat)\ntheorem aux : n = n := rfl\nend\n" + HONEST,
    ),
    "universes and abbreviations": (
        COMM,
        "universe u\nabbrev Two : Nat := 2\ninstance : Inhabited Nat := ⟨0⟩\n" + HONEST,
    ),
    "strings, characters and quoted names": (
        COMM,
        'def s : String := "axiom -- /-"\ndef c : Char := \'"\'\ntheorem «a name» : 1 = 1 := rfl\n'
        + HONEST,
    ),
    "private and noncomputable": (COMM, "private noncomputable def x : Nat := 0\n" + HONEST),
    "a lemma": (COMM, HONEST.replace("theorem", "lemma")),
    "lemmas with modifiers": (
        COMM,
        "/-- It is equal. -/\nprivate lemma aux (a b : Nat) : a + b = b + a := Nat.add_comm a b\n"
        "namespace A\nlemma aux : ∀ n : Nat, n = n\n  | 0 => rfl\n  | _ + 1 => rfl\nend A\n"
        + COMM
        + "\n  exact aux a b\n",
    ),
    "a statement that is a lemma": (COMM.replace("theorem", "lemma"), HONEST),
    "an open that holds for one command": (COMM, "open Nat in\n" + HONEST),
    "a lemma in the root namespace": (COMM, "theorem _root_.Nat.mine : 1 = 1 := rfl\n" + HONEST),
}


@pytest.mark.parametrize("statement, source", HONEST_FILES.values(), ids=HONEST_FILES)
def test_an_honest_proof_is_verified(verifier, statement, source):
    verdict = verifier.check(problem(statement), source)
    assert verdict.status == "verified", verdict
    assert set(verdict.axioms) <= set(SETTINGS.axioms)


# -- what does not ---------------------------------------------------------------------------------

ATTACKS = [
    pytest.param(family, status, source, id=f"{family}: {name}")
    for family, found in FAMILIES.items()
    for name, (status, source) in found.attacks.items()
]


@pytest.mark.parametrize("family, status, source", ATTACKS)
def test_an_attack_is_not_verified_and_the_honest_proof_beside_it_is(
    verifier, family, status, source
):
    verdict = verifier.check(problem(COMM if "b = b + a" in source else FALSE), source)
    assert verdict.status == status, verdict
    assert verdict.detail and "\n" not in verdict.detail
    assert verifier.check(problem(), FAMILIES[family].honest).verified


def test_the_documents_table_is_the_suites(request):
    text = (request.config.rootpath / "lean_project" / "VERIFIER.md").read_text(encoding="utf-8")
    assert table() in text
    assert sum(len(found.attacks) for found in FAMILIES.values()) >= 80


def test_verdicts_of_the_judge_are_those_of_a_fresh_lean_word_for_word(verifier, fresh):
    pairs = [(problem(statement), source) for statement, source in HONEST_FILES.values()]
    for pair, warm, clean in zip(
        pairs, verifier.check_many(pairs), fresh.check_many(pairs), strict=True
    ):
        assert warm.model_copy(update={"seconds": 0}) == clean.model_copy(update={"seconds": 0}), (
            pair[1]
        )


# -- limits ----------------------------------------------------------------------------------------


def test_an_endless_proof_is_a_timeout_and_a_hungry_one_a_resource_verdict(library):
    with Verifier(library, limited(timeout_seconds=2), cache_dir=None) as short:
        assert short.check(problem(), ENDLESS).status == "timeout"
        assert short.check(problem(), HONEST).status == "verified"
    hungry = limited(memory_mb=256, heartbeats=10**9)
    doubling = "".join(f"  let p{n + 1} := (p{n}, p{n})\n" for n in range(60))
    with Verifier(library, hungry, cache_dir=None) as small:
        source = COMM + "\n  have p0 : Nat × Nat := (a, b)\n" + doubling + "  simp\n"
        assert small.check(problem(), source).status in ("resource", "timeout", "failed")
        assert small.check(problem(), HONEST).status == "verified"


def test_a_proof_out_of_time_costs_its_limit_once(library):
    with Verifier(library, limited(timeout_seconds=2, heartbeats=10**9), cache_dir=None) as short:
        short.check(problem(), HONEST)
        started = time.process_time()
        verdict = short.check(problem(), ENDLESS)
        assert verdict.status == "timeout" and time.process_time() - started < 2
        assert short._elaborators[0]._process is None  # no other process was asked


def test_long_texts_without_sense_are_refused_and_cost_the_next_file_nothing(verifier):
    for source in (" ''\n" * 9999, "a '' b " * 5700, "«" * 20_000, "/-" * 20_000):
        assert not verifier.check(problem(), source).verified
    assert normalize("._@." * 10_000)
    assert verifier.check(problem(), HONEST).verified


def test_closing_ends_what_runs_and_who_waits_has_a_verdict(library):
    before = {p.pid for p in psutil.Process().children(recursive=True)}
    slow = SETTINGS.model_copy(update={"timeout_seconds": 600, "heartbeats": 10**9})
    for is_new in (False, True):
        long = Verifier(library, slow, cache_dir=None)
        if is_new:
            forget(long)
        long.check(problem(), HONEST)
        with ThreadPoolExecutor(1) as one:
            pairs = [(problem(), f"{ENDLESS}-- {n}") for n in range(2)]
            waiting = one.submit(long.check_many, pairs)
            time.sleep(1)
            assert not waiting.done()
            long.close()
            assert [v.status for v in waiting.result(30)] == ["crash", "crash"]
        assert {p.pid for p in psutil.Process().children(recursive=True)} <= before


def start_caller(tmp_path: Path, then: str) -> subprocess.Popen:
    """A process that has judged a proof, says so, and goes on with `then`."""
    script = tmp_path / "caller.py"
    script.write_text(
        "import time\nfrom tests.lean.test_verifier import *\n"
        "slow = limited(timeout_seconds=600, heartbeats=10**9)\n"
        "if __name__ == '__main__':\n"
        "    with Verifier(core_library(), slow, cache_dir=None) as v:\n"
        "        v.check(problem(), HONEST)\n"
        f"        print('ready', flush=True)\n        {then}\n"
    )
    paths = os.pathsep.join([str(ROOT_FOLDER), *filter(None, sys.path)])
    caller = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT_FOLDER,
        env=os.environ | {"PYTHONPATH": paths, "TMPDIR": str(tmp_path)},
    )
    assert caller.stdout.readline() == b"ready\n"
    return caller


def test_an_interrupt_leaves_no_process(tmp_path):
    caller = start_caller(
        tmp_path, "v.check_many([(problem(), f'{ENDLESS} -- {n}') for n in range(9)])"
    )
    time.sleep(1)
    children = psutil.Process(caller.pid).children(recursive=True)
    assert len(children) >= 2
    caller.send_signal(signal.SIGINT)
    assert b"KeyboardInterrupt" in caller.communicate(timeout=60)[1]
    assert not psutil.wait_procs(children, timeout=10)[1] and not list(tmp_path.glob("fdcore-*"))


def test_a_lean_process_that_is_killed_is_a_verdict_or_is_asked_again(verifier):
    verifier.check(problem(), COMM + "\n  exact killed")
    victims = [p for p in psutil.Process().children(recursive=True) if "keep" in p.cmdline()]
    assert victims
    for victim in victims:
        with contextlib.suppress(psutil.NoSuchProcess):  # ended with the one before it
            victim.kill()
    assert verifier.check(problem(), HONEST + "-- after the kill").status == "verified"
    assert verifier.check(problem(), COMM + "\n  exact after_the_kill").status == "failed"


def test_nothing_is_left_behind(library, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    mine = {p.pid for p in psutil.Process().children(recursive=True)}
    with Verifier(library, SETTINGS, cache_dir=None) as one:
        one.check_many([(problem(), HONEST), (problem(), COMM + " rfl"), (problem(), "nonsense")])
        assert list(tmp_path.iterdir())
    assert not list(tmp_path.iterdir())
    assert {p.pid for p in psutil.Process().children(recursive=True)} <= mine


def test_lean_processes_end_when_the_caller_is_killed(library, tmp_path, monkeypatch):
    caller = start_caller(tmp_path, "time.sleep(60)")
    children = psutil.Process(caller.pid).children(recursive=True)
    assert len(children) >= 2
    caller.kill()
    caller.wait()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive
    left = list(tmp_path.glob("fdcore-verifier-*"))
    assert len(left) == 1  # nobody was there to remove it: the next verifier does
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Verifier(library, SETTINGS, cache_dir=None):
        assert left[0] not in tmp_path.glob("fdcore-*")
    assert not list(tmp_path.glob("fdcore-*"))


def test_mixed_requests_in_random_order_are_all_answered_rightly_and_leave_nothing():
    found = soak(60, 2, seed=3, kill=0.05, every=20)
    assert sum(found["verdicts"].values()) == 60


# -- messages --------------------------------------------------------------------------------------


def test_lines_count_in_the_text_that_the_model_wrote(verifier):
    wrong = COMM + "\n  exact foo\n"
    for above, line in (("", 2), (HEADER, 5), ("\n\n", 4), ("import Fd\n", 3)):
        message = verifier.check(problem(), above + wrong).messages[0]
        assert (message.line, message.column, message.severity) == (line, 8, "error")
        assert "foo" in message.text


def test_columns_count_code_points(verifier):
    message = verifier.check(
        problem(), COMM + "\n  have h : (fun 𝓝 : Nat => 𝓝) a = a := foo\n"
    ).messages[0]
    assert (message.line, message.column) == (2, 39)


@pytest.mark.parametrize(
    "source",
    [
        "def f (n : Nat) : Nat := if h : n = 0 then 0 else f (n / 2)\ntermination_by n\n",
        COMM + "\n  simp (config := {decide := true})",
        COMM + "\n  show_term rw [Nat.add_comm]",
    ],
)
def test_what_the_core_library_lacks_of_lean_is_said_in_the_first_line(verifier, source):
    verdict = verifier.check(problem(), source)
    assert verdict.status == "failed" and any(
        "the core library has no" in m.text for m in verdict.messages
    )


def test_an_open_comment_is_named_before_what_it_hides(verifier):
    assert "unterminated comment" in verifier.check(problem(), COMM + " /- open").detail


def test_a_sorry_is_reported_as_lean_says_it(verifier):
    verdict = verifier.check(problem(), COMM + " sorry")
    assert [(m.severity, m.line) for m in verdict.messages] == [
        ("warning", 1)
    ] and "sorry" in verdict.messages[0].text


TACTICS = """
rfl; simp; simp_all; omega; decide; exact foo; exact Nat.add_comm; exact (Nat.add_comm _ _ : _);
rw [Nat.add_comm, foo]; rw [Nat.mul_comm]; intro h; constructor; cases a; induction a; cases a
with | zero => rfl; induction a with | zero => simp | succ n ih => simp; apply Nat.add_comm; apply
foo; refine ⟨_, _⟩; refine ?_; exact ?_; have h := foo; have h : a = b := by simp; calc a + b = a
:= by rfl; show a = b; exists a; use a; left; exfalso; contradiction; assumption; trivial; simp
[foo]; simp only [Nat.add_comm]; simp at h; rw [h]; unfold foo; exact fun x => x; exact (· + 1);
exact Nat.add_comm a; subst a; revert a; generalize a + b = c; obtain ⟨x, y⟩ := foo; rcases a with
_ | n; match a with | 0 => rfl; nomatch a; first | rfl | simp; repeat rfl; all_goals rfl;
any_goals simp; (; ]; exact; by; foo bar; exact absurd rfl (by simp); exact @Nat.add_comm; exact
Nat.add_comm (b := 2) 1; apply?; exact?; rw?; simp?; norm_num; ring; linarith; aesop; exact
congrArg _ foo; exact Eq.trans _ _; apply Eq.trans; apply Eq.symm; symm; exact h.symm; specialize
h a; injection h; funext x; ext x; congr; split; injections; next => rfl; case zero => rfl; conv
=> lhs; exact (fun ⟨x, y⟩ => x); let x := 1; suffices h : a = b by simp; exact ⟨a, b⟩; exact {a :=
1}; rwa [Nat.add_comm]; dsimp; change b + a = _; rename_i x; sorry
"""


def mixed_sources(count: int, seed: int) -> list[str]:
    """Texts as a poor prover writes them: good and bad tactics in sequence, some cut short."""
    rng, tactics = (
        random.Random(seed),
        [t.strip().replace("\n", " ") for t in TACTICS.split(";") if t.strip()],
    )
    found = [f"{COMM}\n  {tactic}\n" for tactic in tactics]
    while len(found) < count:
        text = COMM + "".join(f"\n  {rng.choice(tactics)}" for _ in range(rng.randint(2, 4)))
        found.append(text if rng.random() < 0.8 else text[: rng.randrange(len(text))])
    return found[:count]


def test_the_warm_way_and_the_clean_way_give_the_same_verdicts_and_words(verifier, fresh):
    sources = mixed_sources(130, seed=1)
    order = random.Random(2).sample(sources, len(sources))
    warm = dict(zip(order, verifier.check_many([(problem(), s) for s in order]), strict=True))
    for source, clean in zip(
        sources, fresh.check_many([(problem(), s) for s in sources]), strict=True
    ):
        assert (warm[source].status, warm[source].messages, warm[source].detail) == (
            clean.status,
            clean.messages,
            clean.detail,
        ), source


def test_the_official_program_says_the_same_as_the_frontend_called_directly(
    verifier, library, tmp_path
):
    for source in [HONEST, COMM + " sorry", COMM + "\n  exact (𝓝 : foo)\n", *mixed_sources(12, 4)]:
        path = tmp_path / "Main.lean"
        path.write_text(HEADER + source + "\n")
        rows, _ = library.toolchain.run(path, "-DmaxHeartbeats=20000", path=library.path)
        above = HEADER.count("\n")
        official = {
            (r["pos"]["line"] - above, r["pos"]["column"], normalize(r["data"])) for r in rows
        }
        messages = verifier.check(problem(), source).messages
        assert {(m.line, m.column, m.text) for m in messages} == official, source


# -- many at once, and the cache -------------------------------------------------------------------


def test_many_checks_keep_their_order_and_repeat_nothing(verifier):
    sources = [HONEST, COMM + "\n  exact foo", HONEST, "axiom x : False", COMM + " sorry"] * 3
    verdicts = verifier.check_many([(problem(), s) for s in sources])
    assert [v.status for v in verdicts] == [
        "verified",
        "failed",
        "verified",
        "forbidden",
        "sorry",
    ] * 3
    assert verdicts[0] is verdicts[2]
    assert verifier.check_many([]) == []


def test_a_second_run_reads_its_verdicts_from_disk(library, tmp_path):
    pairs = [
        HONEST_FILES["propositional extensionality"],
        (COMM, COMM + "\n  exact foo"),
        (FALSE, FALSE + "\n  exact foo"),
    ]
    pairs = [(problem(statement), source) for statement, source in pairs]
    with Verifier(library, SETTINGS, cache_dir=tmp_path) as first:
        verdicts = first.check_many(pairs)
    running = {p.pid for p in psutil.Process().children(recursive=True)}
    assert len(list(tmp_path.rglob("*.json"))) == 3
    with Verifier(library, SETTINGS, cache_dir=tmp_path) as second:
        assert second.check_many(pairs) == verdicts
        # Lean was not asked
        assert {p.pid for p in psutil.Process().children(recursive=True)} <= running
    for file in tmp_path.rglob("*.json"):
        file.write_text("cut sho")
    with Verifier(library, limited(axioms=()), cache_dir=tmp_path) as third:
        statuses = [v.status for v in third.check_many(pairs)]
        assert statuses == ["forbidden", "failed", "failed"]  # propext is not allowed any more


def test_a_cache_that_cannot_be_written_stops_nothing(library, tmp_path):
    (tmp_path / "file").write_text("")
    with Verifier(library, SETTINGS, cache_dir=tmp_path / "file") as one:
        assert one.check(problem(), HONEST).verified


# -- any text --------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.one_of(
        st.text(max_size=60),
        st.binary(max_size=60).map(lambda b: b.decode("utf-8", "surrogateescape")),
    ).map(lambda s: HONEST + s)
)
def test_any_bytes_have_a_verdict_within_the_limit(verifier, source):
    verdict = verifier.check(problem(), source)
    assert isinstance(verdict, Verdict) and verdict.seconds <= 3 * SETTINGS.timeout_seconds + 1


PIECES = st.sampled_from(
    [
        "\n",
        " ",
        "  ",
        "theorem ",
        "t ",
        "u ",
        "(a b : Nat) ",
        ": ",
        "a + b = b + a ",
        ":= ",
        "by ",
        "\n  ",
        "rw [Nat.add_comm]",
        "exact ",
        "rfl ",
        "simp ",
        "have h := ",
        "repeat ",
        "(",
        ")",
        "⟨",
        "fun x => ",
        "sorry",
        "-- ",
        "/-",
        "-/",
        "·",
        "<;> ",
        "h",
        "a",
        "?_",
        "=> ",
        "| ",
        "match a with ",
        "induction a ",
    ]
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(PIECES, max_size=25).map("".join), st.booleans())
def test_any_pieces_of_lean_have_a_verdict_within_the_limit(quick, pieces, stated):
    verdict = quick.check(problem(), (COMM + "\n  " if stated else "") + pieces)
    assert isinstance(verdict, Verdict) and verdict.seconds <= 7


@pytest.fixture(scope="module")
def quick(library):
    with Verifier(library, limited(timeout_seconds=2), cache_dir=None) as one:
        yield one


def test_normalized_messages_do_not_depend_on_history():
    assert (
        normalize("?m.431 : ?m.12 → ?m.431")
        == normalize("?m.7 : ?m.9 → ?m.7")
        == "?m.1 : ?m.2 → ?m.1"
    )


def test_the_benchmark_runs_and_the_two_ways_agree():
    rows = verifier_benchmark.main(["--proofs=16", "--problems=4", "--workers=1", "--rounds=1"])
    assert rows["verdicts that differ"] == 0 and rows["ratio of CPU time"] > 1
