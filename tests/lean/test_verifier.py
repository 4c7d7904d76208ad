"""The judge: honest proofs pass, everything else does not, and the fast way never differs from the clean one. Real Lean."""

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

from fdcore.lean.host import Elaborator
from fdcore.lean.library import core_library
from fdcore.lean.olean import UNREADABLE, Olean, OleanError, Terms
from fdcore.lean.process import WarmLean
from fdcore.lean.screen import declares, screen, tokens
from fdcore.lean.verifier import (
    StatementError,
    Verifier,
    _Benches,
    _File,
    _rows,
    check_command,
    normalize,
    split_header,
    split_imports,
)
from fdcore.records import Problem, Verdict
from fdcore.worlds.problems import ROOT, read_problems
from tests.attacks import COMM, FALSE, FAMILIES, HONEST, table
from tests.benchmarks.soak import soak

HEADER = "prelude\nimport Fd\n\n"
SETTINGS = dict(
    library=core_library(),
    header=HEADER,
    axioms=("propext", "Quot.sound", "Classical.choice"),
    timeout_seconds=20,
    memory_mb=2048,
    heartbeats=20000,
    workers=2,
    cache_dir=None,
)


def problem(statement: str = COMM, **fields) -> Problem:
    return Problem(
        **({"id": "p", "header": HEADER, "statement": statement, "split": "train"} | fields)
    )


@pytest.fixture(scope="module")
def verifier():
    with Verifier(**SETTINGS) as one:
        yield one


@pytest.fixture(scope="module")
def fresh():
    with Verifier(**SETTINGS, warm=False) as one:
        yield one


# -- what passes -------------------------------------------------------------------------------------------------------

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
        "theorem t {α : Type u_1} {β : Type _} (f : α → β) (a b : α) (h : a = b) : f a = f b := by\n  rw [h]\n",
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
}


@pytest.mark.parametrize("statement, source", HONEST_FILES.values(), ids=HONEST_FILES)
def test_an_honest_proof_is_verified(verifier, statement, source):
    verdict = verifier.check(problem(statement), source)
    assert verdict.status == "verified", verdict
    assert set(verdict.axioms) <= set(SETTINGS["axioms"])


# -- what does not -----------------------------------------------------------------------------------------------------

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


def test_what_the_screen_would_miss_is_still_caught_by_the_axioms_of_the_accepted_theorem(
    verifier, monkeypatch
):
    monkeypatch.setattr("fdcore.lean.verifier.screen", lambda text, name: None)
    cheat = (
        "axiom cheat (a b : Nat) : a + b = a\n" + FALSE + "\n  exact cheat a b -- past the screen"
    )
    assert verifier.check(problem(FALSE), cheat).detail == "the proof uses the axiom cheat"
    local = (
        "local instance (priority := 10000) odd : HAdd Nat Nat Nat := ⟨fun a _ => a⟩\n"
        + FALSE
        + "\n  rfl -- past the screen"
    )
    assert verifier.check(problem(FALSE), local).status == "failed"
    exits = "#exit\n" + HONEST + " -- past the screen"
    assert not verifier.check(problem(), exits).verified


def test_the_documents_table_is_the_suites(request):
    text = (request.config.rootpath / "lean_project" / "VERIFIER.md").read_text(encoding="utf-8")
    assert table() in text
    assert sum(len(found.attacks) for found in FAMILIES.values()) >= 80


# -- the judge: what holds even where everything before it has been talked round -----------------------------------------

UNCHECKED = "set_option debug.skipKernelTC true in\ntheorem t : 1 + 1 = 3 := by\n  decide +kernel\n"


def test_a_proof_that_was_never_checked_by_the_kernel_is_refused_by_the_judge(
    verifier, fresh, monkeypatch
):
    monkeypatch.setattr("fdcore.lean.verifier.screen", lambda text, name: None)
    for one in (verifier, fresh):
        verdict = one.check(problem("theorem t : 1 + 1 = 3 := by"), UNCHECKED)
        assert verdict.status == "failed" and verdict.detail.startswith(
            "the kernel does not accept t"
        ), verdict
        assert one.check(
            problem("theorem t : 1 + 1 = 2 := by"), UNCHECKED.replace("3", "2")
        ).verified


def test_an_elaborator_that_lies_cannot_make_a_wrong_proof_pass(verifier, monkeypatch, tmp_path):
    honest = Elaborator.elaborate

    def lie(self, text, stated):
        return [], honest(self, HONEST)[1]

    monkeypatch.setattr(Elaborator, "elaborate", lie)
    assert (
        verifier.check(
            problem(FALSE), FALSE + "\n  exact rfl -- the constants of another theorem"
        ).status
        == "failed"
    )
    (tmp_path / "x.olean").write_bytes(b"olean" + bytes(range(250)) * 40)
    monkeypatch.setattr(
        Elaborator, "elaborate", lambda self, text, stated: ([], tmp_path / "x.olean")
    )
    assert (
        verifier.check(problem(FALSE), FALSE + "\n  exact rfl -- no object file").status == "failed"
    )


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "x",
        [1],
        [{}],
        [{"pos": 1, "severity": "error", "data": None}],
        [{"pos": {"line": 1, "column": 0}, "severity": "info", "data": 5}],
    ],
)
def test_an_elaborator_that_answers_nonsense_is_not_believed(verifier, monkeypatch, answer):
    monkeypatch.setattr(Elaborator, "elaborate", lambda *_: (answer, None))
    assert verifier.check(problem(), f"{HONEST}\n-- answered {answer}").verified


def test_verdicts_of_the_judge_are_those_of_a_fresh_lean_word_for_word(verifier, fresh):
    pairs = [(problem(statement), source) for statement, source in HONEST_FILES.values()]
    for pair, warm, clean in zip(pairs, verifier.check_many(pairs), fresh.check_many(pairs)):
        assert warm.model_copy(update={"seconds": 0}) == clean.model_copy(update={"seconds": 0}), (
            pair[1]
        )


@pytest.fixture(scope="module")
def object_file(verifier):
    """The bytes that the elaborator writes for a proof with lemmas, axioms and a match."""
    verifier.check(problem(), HONEST)
    source = "def f (n : Nat) : Nat := match n with\n  | 0 => 1\n  | k + 1 => f k\n\ntheorem t (a b : Nat) : a + b = b + a ∨ f 1000000000000000000000 = 2 := by\n  simp [Nat.add_comm]\n"
    messages, path = verifier._all[0].elaborator.elaborate(source)
    assert path is not None, messages
    return path.read_bytes()


def test_the_reader_finds_what_lean_wrote(object_file):
    file = Olean(object_file, terms := Terms())
    theorem = file.constant(("t",))
    assert (theorem.kind, theorem.levels) == ("theorem", ()) and ("propext",) not in file.names
    assert {("f",), ("Nat", "add_comm")} & theorem.uses and file.constant(("f",)).kind == "def"
    assert ("nat", 10**21) in terms.nodes  # larger than a machine word


def test_a_universe_level_in_the_place_of_a_term_is_refused_even_when_it_was_read_before(
    object_file,
):
    file = Olean(object_file, Terms())
    file.constant(("f",))
    level = next(
        offset for offset in file._levels if object_file[offset + 7] == 1
    )  # a successor: as many fields as a free variable
    read = set(file._made)
    file.constant(("t",))
    application = max(offset for offset in set(file._made) - read if object_file[offset + 7] == 5)
    data = bytearray(object_file)
    data[application + 16 : application + 24] = (file._base + level).to_bytes(8, "little")
    forged = Olean(bytes(data), Terms())
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
        file = Olean(data, Terms())
        for name in file.names:
            file.constant(name)
    except UNREADABLE:
        pass


def test_the_judge_answers_on_an_object_file_of_any_bytes(verifier, object_file, tmp_path):
    rng, judge = random.Random(0), verifier._all[0].judged
    path = tmp_path / "x.olean"
    for _ in range(40):
        data = bytearray(object_file)
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(96, len(data))] = rng.randrange(256)
        path.write_bytes(data)
        found = judge.judge("theorem fdPristine : 1 = 2 := by sorry\n", "fdPristine", "t", path)
        assert not found.same, found


# -- limits ------------------------------------------------------------------------------------------------------------


def test_a_proof_that_never_ends_is_a_timeout_and_one_that_eats_memory_is_a_resource_verdict():
    endless = COMM + "\n  repeat (have h : 0 = 0 := rfl)\n"
    with Verifier(**SETTINGS | {"timeout_seconds": 2, "workers": 1}) as short:
        assert short.check(problem(), endless).status == "timeout"
        assert short.check(problem(), HONEST).status == "verified"
    with Verifier(**SETTINGS | {"memory_mb": 40, "workers": 1}) as small:
        assert small.check(problem(), endless).status == "resource"


def test_a_proof_out_of_time_costs_its_limit_once():
    endless = COMM + "\n  repeat (have h : 0 = 0 := rfl)\n"
    with Verifier(**SETTINGS | {"timeout_seconds": 2, "workers": 1}) as short:
        short.check(problem(), HONEST)
        bench = short._all[0]
        assert short.check(problem(), endless).status == "timeout"
        assert (
            bench.sandbox._keeper is None and bench.elaborator._process is None
        )  # no fresh process was asked, the warm one is gone


def test_closing_ends_what_runs_and_who_waits_has_a_verdict():
    endless = COMM + "\n  repeat (have h : 0 = 0 := rfl)\n"
    mine = {p.pid for p in psutil.Process().children(recursive=True)}
    for warm in (True, False):
        long = Verifier(**SETTINGS | {"timeout_seconds": 600, "warm": warm})
        long.check(problem(), HONEST)
        with ThreadPoolExecutor(1) as one:
            waiting = one.submit(
                long.check_many, [(problem(), f"{endless}-- {n}") for n in range(2)]
            )
            time.sleep(1)
            assert not waiting.done()
            long.close()
            assert [v.status for v in waiting.result(30)] == ["crash", "crash"]
        assert {p.pid for p in psutil.Process().children(recursive=True)} <= mine


def test_an_interrupt_leaves_no_process(tmp_path):
    script = tmp_path / "caller.py"
    script.write_text(
        "from tests.lean.test_verifier import *\nendless = COMM + '\\n  repeat (have h : 0 = 0 := rfl)'\n"
        "with Verifier(**SETTINGS | {'timeout_seconds': 600}) as v:\n    v.check(problem(), HONEST)\n    print('ready', flush=True)\n"
        "    v.check_many([(problem(), f'{endless} -- {n}') for n in range(9)])\n"
    )
    root = Path(__file__).parents[2]
    paths = os.pathsep.join([str(root), *filter(None, sys.path)])
    caller = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=root,
        env=os.environ | {"PYTHONPATH": paths, "TMPDIR": str(tmp_path)},
    )
    assert caller.stdout.readline() == b"ready\n"
    time.sleep(1)
    children = psutil.Process(caller.pid).children(recursive=True)
    assert len(children) >= 2
    caller.send_signal(signal.SIGINT)
    assert b"KeyboardInterrupt" in caller.communicate(timeout=60)[1]
    assert not psutil.wait_procs(children, timeout=10)[1] and not list(tmp_path.glob("fdcore-*"))


def test_a_lean_process_that_is_killed_is_a_verdict_or_is_asked_again(verifier):
    verifier.check(problem(), COMM + "\n  exact killed")
    victims = [
        p
        for p in psutil.Process().children(recursive=True)
        if {"--worker", "keep"} & set(p.cmdline()) or "leancore" in " ".join(p.cmdline())
    ]
    assert victims
    for victim in victims:
        with contextlib.suppress(psutil.NoSuchProcess):  # ended with the one before it
            victim.kill()
    assert verifier.check(problem(), HONEST + "-- after the kill").status == "verified"
    assert verifier.check(problem(), COMM + "\n  exact after_the_kill").status == "failed"


def test_nothing_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    mine = {p.pid for p in psutil.Process().children(recursive=True)}
    with Verifier(**SETTINGS) as one:
        one.check_many([(problem(), HONEST), (problem(), COMM + " rfl"), (problem(), "nonsense")])
        assert list(tmp_path.iterdir())
    assert not list(tmp_path.iterdir())
    assert {p.pid for p in psutil.Process().children(recursive=True)} <= mine


def test_lean_processes_end_when_the_caller_is_killed(tmp_path, monkeypatch):
    script = tmp_path / "caller.py"
    script.write_text(
        "import sys, time\nfrom tests.lean.test_verifier import *\nv = Verifier(**SETTINGS)\nv.check_many([(problem(), COMM + ' exact no'), (problem(), HONEST)])\nprint('ready', flush=True)\ntime.sleep(60)\n"
    )
    root = Path(__file__).parents[2]
    paths = [str(root), *filter(None, sys.path)]
    caller = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        cwd=root,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "TMPDIR": str(tmp_path)},
    )
    assert caller.stdout.readline() == b"ready\n"
    children = psutil.Process(caller.pid).children(recursive=True)
    assert len(children) >= 2
    caller.kill()
    caller.wait()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive
    left = list(tmp_path.glob("fdcore-verifier-*"))
    assert len(left) == 1  # nobody was there to remove it: the next verifier does
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Verifier(**SETTINGS):
        assert left[0] not in tmp_path.glob("fdcore-*")
    assert not list(tmp_path.glob("fdcore-*"))


def test_mixed_requests_in_random_order_are_all_answered_rightly_and_leave_nothing():
    found = soak(60, 2, seed=3, kill=0.05, every=20)
    assert sum(found["verdicts"].values()) == 60


# -- messages ----------------------------------------------------------------------------------------------------------


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


def test_a_sorry_is_reported_as_lean_says_it(verifier):
    verdict = verifier.check(problem(), COMM + " sorry")
    assert [(m.severity, m.line) for m in verdict.messages] == [
        ("warning", 1)
    ] and "sorry" in verdict.messages[0].text


TACTICS = """rfl; simp; simp_all; omega; decide; exact foo; exact Nat.add_comm; exact (Nat.add_comm _ _ : _); rw [Nat.add_comm, foo]; rw [Nat.mul_comm]; intro h;
constructor; cases a; induction a; cases a with | zero => rfl; induction a with | zero => simp | succ n ih => simp; apply Nat.add_comm; apply foo; refine ⟨_, _⟩; refine ?_;
exact ?_; have h := foo; have h : a = b := by simp; calc a + b = a := by rfl; show a = b; exists a; use a; left; exfalso; contradiction; assumption; trivial;
simp [foo]; simp only [Nat.add_comm]; simp at h; rw [h]; unfold foo; exact fun x => x; exact (· + 1); exact Nat.add_comm a; subst a; revert a; generalize a + b = c;
obtain ⟨x, y⟩ := foo; rcases a with _ | n; match a with | 0 => rfl; nomatch a; first | rfl | simp; repeat rfl; all_goals rfl; any_goals simp; (; ]; exact; by; foo bar;
exact absurd rfl (by simp); exact @Nat.add_comm; exact Nat.add_comm (b := 2) 1; apply?; exact?; rw?; simp?; norm_num; ring; linarith; aesop; exact congrArg _ foo;
exact Eq.trans _ _; apply Eq.trans; apply Eq.symm; symm; exact h.symm; specialize h a; injection h; funext x; ext x; congr; split; injections; next => rfl; case zero => rfl;
conv => lhs; exact (fun ⟨x, y⟩ => x); let x := 1; suffices h : a = b by simp; exact ⟨a, b⟩; exact {a := 1}; rwa [Nat.add_comm]; dsimp; change b + a = _; rename_i x; sorry"""


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
    warm = dict(zip(order, verifier.check_many([(problem(), s) for s in order])))
    for source, clean in zip(sources, fresh.check_many([(problem(), s) for s in sources])):
        assert (warm[source].status, warm[source].messages, warm[source].detail) == (
            clean.status,
            clean.messages,
            clean.detail,
        ), source


def test_a_file_read_as_an_edit_of_its_statement_gets_the_words_that_it_gets_by_itself(verifier):
    elaborator, rng = verifier._all[0].elaborator, random.Random(3)
    problems = rng.sample(read_problems(ROOT / "test.jsonl"), 25)
    for each in problems * 2:  # the second time the statement's state is there
        ending = rng.choice(
            [
                each.proof,
                " sorry",
                f"\n  exact {rng.choice(problems).lemmas[0]}",
                "\n  intro h\n  foo",
                "\n",
                " rfl\n\ntheorem u : 1 = 2 := rfl",
                f"{each.proof}\n\n#",
            ]
        )
        text, above = (
            each.statement + ending + "\n",
            "theorem v : True := trivial\n\n" if rng.random() < 0.2 else "",
        )
        (alone, no_file), (edited, file) = (
            elaborator.elaborate(above + text),
            elaborator.elaborate(above + text, each.statement),
        )
        assert alone == edited and (no_file is None) == (file is None), text


def test_the_official_server_says_the_same_as_the_frontend_called_directly(
    verifier, library, tmp_path
):
    toolchain, bench = library.toolchain, verifier._all[0]
    server = WarmLean(
        list(toolchain.argv),
        dict(toolchain.env) | {"LEAN_PATH": str(library.path[0])},
        split_imports(HEADER)[0],
        tmp_path / "server",
        heartbeats=20000,
        memory_mb=2048,
        seconds=60,
    )
    try:
        for source in [
            HONEST,
            COMM + " sorry",
            "\n-- 𝓝\n" + COMM + "\n  exact (𝓝 : foo)\n",
            *mixed_sources(12, seed=4),
        ]:
            file = _File(problem(), *split_imports(HEADER), source + "\n", 0)
            rows = _rows(
                bench.elaborator.elaborate(file.context + file.body)[0], file.imports.count("\n")
            )
            said = server.messages(file.context + file.body)
            assert bench._messages(rows, file) == bench._messages(said, file) and [
                m.sorry for m in rows
            ] == [m.sorry for m in said], source
    finally:
        server.close()


# -- many at once, and the cache ---------------------------------------------------------------------------------------


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


def test_a_second_run_reads_its_verdicts_from_disk(tmp_path):
    pairs = [
        HONEST_FILES["propositional extensionality"],
        (COMM, COMM + "\n  exact foo"),
        (FALSE, FALSE + "\n  exact foo"),
    ]
    pairs = [(problem(statement), source) for statement, source in pairs]
    with Verifier(**SETTINGS | {"cache_dir": tmp_path}) as first:
        verdicts = first.check_many(pairs)
    running = {p.pid for p in psutil.Process().children(recursive=True)}
    assert len(list(tmp_path.rglob("*.json"))) == 3
    with Verifier(**SETTINGS | {"cache_dir": tmp_path}) as second:
        assert second.check_many(pairs) == verdicts
        assert {
            p.pid for p in psutil.Process().children(recursive=True)
        } <= running  # Lean was not asked
    for file in tmp_path.rglob("*.json"):
        file.write_text("cut sho")
    with Verifier(**SETTINGS | {"cache_dir": tmp_path, "axioms": ()}) as third:
        assert [v.status for v in third.check_many(pairs)] == [
            "forbidden",
            "failed",
            "failed",
        ]  # propext is not allowed any more


def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    with Verifier(**SETTINGS | {"cache_dir": tmp_path / "file"}) as one:
        assert one.check(problem(), HONEST).verified


def test_a_statement_that_does_not_elaborate_is_an_error_of_the_problem(verifier):
    bad = problem("theorem t (a : Nat) : a + = a := by", id="bad-7")
    with pytest.raises(StatementError, match="bad-7.*"):
        verifier.check(bad, "theorem t : True := trivial")


# -- any text ----------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.one_of(
        st.text(max_size=60),
        st.binary(max_size=60).map(lambda b: b.decode("utf-8", "surrogateescape")),
    ).map(lambda s: HONEST + s)
)
def test_any_bytes_have_a_verdict_within_the_limit(verifier, source):
    verdict = verifier.check(problem(), source)
    assert isinstance(verdict, Verdict) and verdict.seconds <= 3 * SETTINGS["timeout_seconds"] + 1


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
def quick():
    with Verifier(**SETTINGS | {"timeout_seconds": 2, "workers": 1}) as one:
        yield one


@settings(max_examples=500, deadline=None)
@given(st.text(alphabet=" \n-/!axiomt:='#@[`\"«»0.1_\u202e", max_size=60))
def test_the_screen_reads_any_text_and_never_lets_an_axiom_through(text):
    assert screen(text + "\naxiom x : False\n", "t") is not None
    declares(text, "t")


def test_tokens_are_words_and_symbols_without_comments():
    text = "theorem t.x : 1 = h.1 := rfl -- end"
    assert [t.text for t in tokens(text)] == [
        "theorem",
        "t.x",
        ":",
        "1",
        "=",
        "h",
        ".",
        "1",
        ":",
        "=",
        "rfl",
    ]


def test_normalized_messages_do_not_depend_on_history():
    assert (
        normalize("?m.431 : ?m.12 → ?m.431")
        == normalize("?m.7 : ?m.9 → ?m.7")
        == "?m.1 : ?m.2 → ?m.1"
    )


def test_a_header_of_the_models_own_is_recognized():
    assert split_header("prelude\nimport Fd\n\ntheorem t", HEADER) == ("theorem t", 3)
    assert split_header("import Evil\ntheorem t", HEADER) == ("import Evil\ntheorem t", 0)


# -- the command -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "proof, code",
    [
        ("\n  rw [Nat.add_comm]", 0),
        (HONEST, 0),
        (HEADER + HONEST, 0),
        ("  rw [Nat.add_comm]\n", 0),
        ("rfl", 1),
        ("sorry", 1),
        (COMM + " sorry", 1),
        ("", 1),
    ],
)
def test_the_check_command_takes_a_whole_file_or_a_tactic_block(tmp_path, proof, code):
    statement, written = tmp_path / "S.lean", tmp_path / "P.lean"
    statement.write_text(HEADER + COMM + (" sorry\n" if code else "\n"))
    written.write_text(proof)
    verdict, found = check_command(
        statement,
        written,
        **{
            k: v
            for k, v in SETTINGS.items()
            if k not in ("library", "header", "cache_dir", "workers")
        },
    )
    assert (found, verdict.verified) == (code, code == 0), verdict


def test_the_check_command_says_what_is_wrong_with_its_files(tmp_path):
    (tmp_path / "S.lean").write_text("def x := 1")
    with pytest.raises(ValueError, match="S.lean: .*:= by"):
        check_command(tmp_path / "S.lean", tmp_path / "S.lean", axioms=())
    with pytest.raises(ValueError, match="no file .*P.lean"):
        check_command(tmp_path / "S.lean", tmp_path / "P.lean", axioms=())


def test_a_bench_goes_to_a_file_of_a_statement_it_has_then_to_a_new_one():
    first, second = object(), object()
    benches = _Benches([first, second])
    assert [benches.take("A"), benches.take("B")] == [first, second]
    with ThreadPoolExecutor(8) as pool:
        waiting = []
        for statement in "BCAAC":
            waiting.append(pool.submit(benches.take, statement))
            wait_until(lambda: len(benches._waiting) == len(waiting))
        benches.give(first)  # has A: the third of those who wait
        assert waiting[2].result(10) is first and not any(
            each.done() for each in (*waiting[:2], *waiting[3:])
        )
        benches.give(first)
        assert waiting[3].result(10) is first
        benches.give(first)  # nobody waits for A any more: C is new to both, B is not
        assert waiting[1].result(10) is first and not waiting[0].done()
        benches.give(second)
        assert waiting[0].result(10) is second
        benches.give(second)  # has only B, but nothing else waits
        assert waiting[4].result(10) is second
    benches.give(second), benches.give(first)
    assert benches.take("A") is first  # though the other was free before


def test_a_file_is_passed_over_so_often_and_no_more(monkeypatch):
    monkeypatch.setattr("fdcore.lean.verifier.MAX_PASSED", 3)
    bench = object()
    benches = _Benches([bench])
    benches.take("A")
    with ThreadPoolExecutor(8) as pool:
        other = pool.submit(benches.take, "B")
        wait_until(lambda: benches._waiting)
        for _ in range(3):
            again = pool.submit(benches.take, "A")
            wait_until(lambda: len(benches._waiting) == 2)
            benches.give(bench)
            assert again.result(10) is bench and not other.done()
        last = pool.submit(benches.take, "A")
        wait_until(lambda: len(benches._waiting) == 2)
        benches.give(bench)
        assert other.result(10) is bench and not last.done()
        benches.give(bench)
        assert last.result(10) is bench


def wait_until(holds):
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.001)
