"""The three tools with real Lean and ripgrep: their answers, and calls that are none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fdcore.lean.library import core_library
from fdcore.lean.verifier import Verifier
from fdcore.records import LeanMessage, Problem, ToolCall, Verdict
from fdcore.rollout.tools import PendingCheck, Tools, report, whole_source
from tests.attacks import SETTINGS

HEADER = "prelude\nimport Fd\n\n"
LIBRARY = core_library()
PROBLEM = Problem(
    id="p", header=HEADER, statement="theorem t (a b : Nat) : a + b = b + a := by", split="train"
)


@pytest.fixture(scope="module")
def verifier():
    with Verifier(
        core_library(),
        SETTINGS,
        workers=1,
        cache_dir=None,
    ) as one:
        yield one


class Judged(Tools):
    """Tools whose checks are judged at once."""

    def __init__(self, output_chars: int, verifier: Verifier | None = None):
        super().__init__(PROBLEM, LIBRARY, output_chars=output_chars)
        self.verifier = verifier

    def call(self, raw: str) -> ToolCall:
        return super().call(raw, self.verifier)


@pytest.fixture
def tools(verifier):
    return Judged(400, verifier)


def raw(name: str, **arguments) -> str:
    return "\n" + json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False) + "\n"


def check(tools: Tools, proof: str, statement: str = PROBLEM.statement) -> str:
    assert (
        tools.call(raw("lean_write_file", path="Main.lean", content=statement + proof)).output
        == "wrote Main.lean"
    )
    return tools.call(raw("lean_check_file", path="Main.lean")).output


# -- writing and checking --------------------------------------------------------------------------


def test_a_written_proof_checks_as_ok(tools):
    assert check(tools, "\n  rw [Nat.add_comm]") == "ok"


def test_a_wrong_proof_gets_leans_messages_with_their_places(tools):
    assert check(tools, "\n  exact foo") == "2:8: error: Unknown identifier `foo`"


def test_a_file_with_sorry_gets_leans_warning_and_no_ok(tools):
    assert check(tools, " sorry") == "1:8: warning: declaration uses `sorry`"


@pytest.mark.parametrize(
    "tactics",
    ["exact Nat.add_comm a b", "\n  rw [Nat.add_comm]", "  have h := Nat.add_comm a b\n  exact h"],
)
def test_tactics_alone_are_put_behind_the_statement(tools, tactics):
    assert (
        tools.call(raw("lean_write_file", path="Main.lean", content=tactics)).output
        == "wrote Main.lean"
    )
    assert tools.last_source.startswith(PROBLEM.statement + "\n  ")
    assert tools.call(raw("lean_check_file", path="Main.lean")).output == "ok"


@pytest.mark.parametrize(
    "text, source",
    [
        ("\nexact h", "S\n  exact h"),
        ("\n\n  exact h", "S\n  exact h"),
        ("/-\ntheorem of old\n-/\nsimp", "S\n  /-\n  theorem of old\n  -/\n  simp"),
        ("-- theorem\nexact h", "S\n  -- theorem\n  exact h"),
        ("theorem t : True := trivial", "theorem t : True := trivial"),
        ('exact "theorem', 'S\n  exact "theorem'),
    ],
)
def test_tactics_are_told_from_files_by_their_code_and_indented(text, source):
    whole = whole_source(PROBLEM, text)
    assert whole == source.replace("S", PROBLEM.statement, 1)


def test_a_changed_statement_is_reported_though_lean_finds_no_error(tools):
    assert (
        check(tools, " trivial", "theorem t : True := by")
        == "error: the theorem t is not the statement that was given"
    )
    assert (
        check(tools, " trivial", "theorem s : True := by")
        == "error: the file does not state the theorem t"
    )


def test_what_is_forbidden_is_named_with_its_place(tools):
    assert (
        check(tools, "\n  exact h", "axiom h : 1 = 2\n" + PROBLEM.statement)
        == "1:0: error: 'axiom' is not allowed"
    )


def test_each_file_is_kept_and_the_last_one_written_is_judged(tools):
    for path in ("A.lean", "b/B.lean", "A.lean"):
        tools.call(raw("lean_write_file", path=path, content=f"-- {path}"))
    assert (
        set(tools.files) == {"A.lean", "b/B.lean"}
        and tools.last_source == PROBLEM.statement + "\n  -- A.lean"
    )
    assert Judged(100).last_source is None


def test_a_check_is_handed_back_and_finished_with_its_verdict(tools):
    tools.call(raw("lean_write_file", path="Main.lean", content="text"))
    pending = tools.begin(raw("lean_check_file", path="Main.lean"))
    assert isinstance(pending, PendingCheck) and (pending.problem, pending.source) == (
        PROBLEM,
        PROBLEM.statement + "\n  text",
    )
    done = tools.finish(pending, Verdict(status="timeout", detail="Lean was stopped: out of time"))
    assert (done.output, done.ok, done.name) == (
        "error: Lean was stopped: out of time",
        True,
        "lean_check_file",
    )


def test_an_answer_is_cut_at_the_limit():
    short = Judged(40)
    messages = tuple(
        LeanMessage(severity="error", line=i, column=0, text="long " * 50) for i in range(9)
    )
    done = short.finish(
        PendingCheck(PROBLEM, "", "", {}), Verdict(status="failed", messages=messages, detail="x")
    )
    assert (
        len(done.output) == 40
        and done.output.startswith("0:0: error: long")
        and done.output.endswith("…")
    )


def test_what_lean_says_beside_a_proof_is_kept():
    note = LeanMessage(severity="info", line=2, column=1, text="Try this: rfl")
    assert report(Verdict(status="verified", messages=(note,))) == "ok\n2:1: info: Try this: rfl"


@pytest.mark.parametrize(
    "path",
    [
        "/etc/x.lean",
        "../x.lean",
        "a/../x.lean",
        "x",
        "x.txt",
        ".lean",
        "x.lean\n",
        "a b.lean",
        "x" * 99 + ".lean",
        "",
        "ü.lean",
    ],
)
def test_a_path_that_is_not_short_relative_and_lean_is_refused(tools, path):
    done = tools.call(raw("lean_write_file", path=path, content=""))
    assert (done.ok, done.output) == (
        False,
        "error: path must be a short relative path that ends in .lean",
    ) and tools.last_source is None


# -- searching -------------------------------------------------------------------------------------


def test_a_search_gives_statements_under_their_full_names(tools):
    answer = tools.call(raw("rg_in_mathlib", pattern="theorem add_comm"))
    integers, naturals = answer.output.splitlines()
    assert (
        answer.ok and integers == "Int/Basic.lean: theorem Int.add_comm (a b : Int) : a + b = b + a"
    )
    assert naturals == "Nat/Basic.lean: theorem Nat.add_comm (n m : Nat) : n + m = m + n"


def test_a_search_gives_at_most_five_lines_and_statements_come_first(tools):
    lines = Judged(4000).call(raw("rg_in_mathlib", pattern="reverse")).output.splitlines()
    assert len(lines) == 5 and all(" theorem " in line or " def " in line for line in lines)


@pytest.mark.parametrize("pattern", ["Nat.add_comm", r"Nat\.add_comm", "theorem Nat.add_comm"])
def test_a_search_for_a_full_name_shows_it_first(tools, pattern):
    assert (
        tools.call(raw("rg_in_mathlib", pattern=pattern)).output.splitlines()[0]
        == "Nat/Basic.lean: theorem Nat.add_comm (n m : Nat) : n + m = m + n"
    )


def test_a_search_for_the_end_of_a_name_shows_what_is_named_so_before_longer_names():
    wide = Judged(4000)
    names = [
        line.split()[2]
        for line in wide.call(raw("rg_in_mathlib", pattern="mul_pos")).output.splitlines()
    ]
    assert sorted(names[:2]) == ["Int.mul_pos", "Nat.mul_pos"] and not any(
        name.endswith("mul_pos") for name in names[2:]
    )


def test_a_search_that_is_no_name_shows_short_statements_first():
    wide = Judged(4000)
    lines = wide.call(raw("rg_in_mathlib", pattern="gcd.*∣")).output.splitlines()
    assert [len(line) for line in lines] == sorted(
        len(line) for line in lines
    ) and "Nat.gcd_dvd_left" in lines[0] + lines[1]


def test_a_search_can_be_kept_to_some_files(tools):
    lines = tools.call(raw("rg_in_mathlib", pattern="trans", glob="Nat/*.lean")).output.splitlines()
    assert lines and all(line.startswith("Nat/") or "…" in line for line in lines)
    assert tools.call(raw("rg_in_mathlib", pattern="trans", glob="../*")).output == "no match"


def test_a_search_never_shows_the_generated_syntax_or_a_path_outside(tools):
    wide = Judged(4000)
    for pattern in (".", "parser", "lean_nat"):
        for arguments in ({}, {"glob": "*.lean"}, {"glob": "Syntax.lean"}):
            output = wide.call(raw("rg_in_mathlib", pattern=pattern, **arguments)).output
            assert "Syntax.lean:" not in output and str(LIBRARY.sources.parent) not in output


@pytest.mark.parametrize("pattern", ["--files", "-e", "--pre=sh", "-"])
def test_a_pattern_is_never_an_option(tools, pattern):
    assert "error" not in tools.call(raw("rg_in_mathlib", pattern=pattern)).output


@pytest.mark.parametrize("pattern", ["(", "a{99999999}", "", "x" * 300, "\0", "[z-a]"])
def test_a_bad_pattern_gets_one_line_of_error(tools, pattern):
    done = tools.call(raw("rg_in_mathlib", pattern=pattern))
    assert not done.ok and done.output.startswith("error: ") and "\n" not in done.output


# -- calls that are none ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "not valid JSON"),
        ('{"name": "lean_check_file"', "not valid JSON"),
        ("lean_check_file(Main.lean)", "not valid JSON"),
        ("[]", "a call is"),
        ('{"name": "lean_check_file"}', "a call is"),
        ('{"name": 1, "arguments": {}}', "a call is"),
        ('{"name": "rm", "arguments": {}}', "no tool 'rm'"),
        ('{"name": "lean_check_file", "arguments": {}}', "needs path"),
        ('{"name": "lean_check_file", "arguments": {"path": 1}}', "must be a string"),
        ('{"name": "lean_check_file", "arguments": {"path": "A.lean", "x": ""}}', "takes no 'x'"),
        ('{"name": "lean_check_file", "arguments": {"path": "A.lean"}}', "no file A.lean"),
        ('{"name": "a", "arguments": {"x": NaN}}', "not valid JSON"),
        ('{"name": "\\ud800", "arguments": {}}', "not valid Unicode"),
        ("[" * 100_000, "not valid JSON"),
        ('{"name": "a", "arguments": {"x": ' + "9" * 5000 + "}}", "not valid JSON"),
        ("x" * 1_000_000, "too long"),
    ],
)
def test_a_malformed_call_gets_an_error_as_its_answer(tools, text, said):
    done = tools.call(text)
    assert (
        not done.ok
        and said in done.output
        and done.output.startswith("error: ")
        and len(done.output) <= 400
    )
    done.model_dump_json()


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(
        st.text(),
        st.recursive(
            st.none() | st.floats() | st.text(),
            lambda c: st.lists(c) | st.dictionaries(st.text(), c),
        ).map(json.dumps),
    )
)
def test_any_text_as_a_call_has_an_answer(text):
    done = Judged(100).begin(text)
    assert isinstance(done, ToolCall) and len(done.output) <= 100
    done.model_dump_json().encode()


def test_the_schemas_are_short_and_name_every_argument():
    assert [s["function"]["name"] for s in Tools.schemas] == [
        "lean_write_file",
        "lean_check_file",
        "rg_in_mathlib",
    ]
    assert Tools.schemas[2]["function"]["parameters"]["required"] == ["pattern"]
    assert len(json.dumps(Tools.schemas)) < 900
