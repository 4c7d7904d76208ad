"""Mathlib mode: what is looked for in a Lake project, and the same verdicts with a project as without. The PyPI Lean stands in for elan's."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest

from fdcore.lean.mathlib import find_mathlib
from fdcore.lean.screen import screen
from fdcore.lean.toolchain import LeanUnavailable, find_toolchain
from fdcore.lean.verifier import (
    Verifier,
    _Bench,
    _File,
    _rejection,
    _rows,
    header_for,
    split_header,
    split_imports,
)
from fdcore.records import Problem
from tests.attacks import COMM, FAMILIES, HONEST

HEADER = "prelude\nimport Mathlib\n\nset_option maxHeartbeats 20000\n\nopen Nat\n\n"
SETTINGS = dict(
    header=HEADER,
    axioms=("propext", "Quot.sound", "Classical.choice"),
    timeout_seconds=20,
    memory_mb=2048,
    heartbeats=20000,
    workers=1,
    cache_dir=None,
)
OPEN = "theorem t (a b : Nat) (h : a < b) : a + 1 ≤ b := by"
WORKBOOK = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "data" / "lean_workbook_solved.jsonl")
    .read_text(encoding="utf-8")
    .splitlines()
]


@pytest.fixture(params=["lib/lean", "lib"])
def project(request, library, tmp_path, monkeypatch) -> Path:
    """A Lake project as `lake exe cache get` leaves it, new and old layout, whose Mathlib is the core library; and a `lean` on PATH."""
    folder, toolchain = tmp_path / "project", find_toolchain()
    mathlib = folder / ".lake/packages/mathlib"
    compiled = mathlib / ".lake/build" / request.param
    compiled.mkdir(parents=True)
    (folder / "lakefile.toml").write_text('name = "x"\n')
    (folder / "lake-manifest.json").write_text("{}")
    for each in (folder, mathlib):
        (each / "lean-toolchain").write_text(f"leanprover/lean4:v{toolchain.version}\n")
    (mathlib / "Mathlib.lean").write_text("prelude\nimport Fd\n")
    batteries = (
        folder / ".lake/packages/batteries/.lake/build" / request.param
    )  # another package, found beside Mathlib
    batteries.parent.mkdir(parents=True)
    batteries.symlink_to(library)
    environment = toolchain.env | {"LEAN_PATH": str(library)}
    subprocess.run(
        [*toolchain.argv, "-o", str(compiled / "Mathlib.olean"), str(mathlib / "Mathlib.lean")],
        env=environment,
        cwd="/",
        check=True,
    )
    (tmp_path / "bin").mkdir()
    lean = tmp_path / "bin/lean"
    lean.write_text("#!/bin/sh\nexec " + shlex.join(toolchain.argv) + ' "$@"\n')
    lean.chmod(0o755)
    monkeypatch.setenv("PATH", f"{lean.parent}{os.pathsep}{os.environ['PATH']}")
    return folder


def problem(header: str = HEADER, statement: str = OPEN) -> Problem:
    return Problem(id="p", header=header, statement=statement, split="train")


def test_verdicts_in_a_lake_project(project):
    mine = COMM.replace("Nat", "ℕℕ")
    with Verifier(**SETTINGS, project=project) as verifier:
        bench = verifier._all[0]
        assert (bench.elaborator, bench.judged) == (None, None) and bench.server is not None
        attacks = [
            found.attacks[name]
            for family, name in (
                ("no proof", "sorry"),
                ("another statement", "a weaker statement"),
                ("new ground", "an axiom"),
            )
            for found in [FAMILIES[family]]
        ]
        sources = [
            HONEST,
            HEADER + HONEST,
            OPEN + "\n  exact succ_le_of_lt h\n",
            COMM + "\n  exact foo\n",
            mine + " rfl",
            *(source for _, source in attacks),
        ]
        verdicts = verifier.check_many(
            [
                (problem(statement=OPEN if source.startswith(OPEN) else COMM), source)
                for source in sources
            ]
        )
        assert [v.status for v in verdicts] == [
            "verified",
            "verified",
            "verified",
            "failed",
            "failed",
            *(status for status, _ in attacks),
        ]
        assert [(m.line, m.column) for m in verdicts[3].messages] == [(2, 8)]
        pid = bench.server._process.pid
        assert (
            not verifier.check(problem(), OPEN + "\n  exact bar\n").verified
            and bench.server._process.pid == pid
        )  # the header is held


def test_a_problem_is_judged_under_its_own_header(project):
    """`open Nat` makes `succ_le_of_lt` known; without it the same proof fails."""
    with Verifier(**SETTINGS, project=project) as verifier:
        source = OPEN + "\n  exact succ_le_of_lt h\n"
        closed, opened = (
            problem("prelude\nimport Mathlib\nset_option maxHeartbeats 0\nopen Function\n"),
            problem("prelude\nimport Mathlib\n\nopen Nat Function\n"),
        )
        assert [
            v.status
            for v in verifier.check_many([(problem(), source), (closed, source), (opened, source)])
        ] == ["verified", "failed", "verified"]
        failed = verifier.check(closed, source).messages[0]
        assert failed.line == 2 and "succ_le_of_lt" in failed.text


def test_a_header_keeps_the_verifiers_imports_and_limits():
    own = "import Mathlib\nimport Evil\nset_option maxHeartbeats 0\n\nopen Real\nopen scoped BigOperators\n"
    profile = "import Mathlib\nimport Aesop\n\nset_option maxHeartbeats 400000\n\nopen Nat\n\n"
    assert (
        header_for(problem(own), profile)
        == "import Mathlib\nimport Aesop\nset_option maxHeartbeats 400000\nopen Real\nopen scoped BigOperators\n"
    )
    assert (
        header_for(problem(profile.replace("\n\n", "\n")), profile)
        == header_for(problem(""), profile)
        == profile
    )
    assert split_imports(profile) == (
        "import Mathlib\nimport Aesop\n",
        "\nset_option maxHeartbeats 400000\n\nopen Nat\n\n",
    )


@pytest.mark.parametrize(
    "spoil, says",
    [
        (
            lambda folder: (folder / "lakefile.toml").unlink(),
            "is no Lake project: it needs a lakefile.toml .*lean-toolchain",
        ),
        (lambda folder: (folder / "lean-toolchain").unlink(), "is no Lake project"),
        (
            lambda folder: next(
                folder.glob(".lake/packages/mathlib/.lake/build/**/Mathlib.olean")
            ).unlink(),
            "Mathlib is not built in .*lake exe cache get",
        ),
        (
            lambda folder: (folder / ".lake/packages/mathlib/lean-toolchain").write_text(
                "leanprover/lean4:v4.9.0-rc1\n"
            ),
            "asks for Lean v4.35.* and Mathlib .* for v4.9.0-rc1; set the same",
        ),
        (
            lambda folder: [
                f.write_text("leanprover/lean4:v4.15.0\n")
                for f in (
                    folder / "lean-toolchain",
                    folder / ".lake/packages/mathlib/lean-toolchain",
                )
            ],
            "asks for Lean v4.15.0, but .* is 4.35",
        ),
    ],
)
def test_what_is_missing_is_one_line(project, spoil, says):
    find_mathlib(project)
    spoil(project)
    with pytest.raises(LeanUnavailable, match=says) as raised:
        find_mathlib(project)
    assert "\n" not in str(raised.value)


def test_without_elan_the_message_says_so(project, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(LeanUnavailable, match="no lean on PATH; install Lean with elan"):
        find_mathlib(project)


def test_the_cache_forgets_when_the_project_moves_to_other_revisions(project):
    before = find_mathlib(project)
    assert (
        before == find_mathlib(project)
        and before.path[0].parts[-5:][0] != "batteries"
        and len(before.path) == 2
    )
    (project / "lake-manifest.json").write_text('{"rev": "other"}')
    assert find_mathlib(project).identity != before.identity


@pytest.mark.parametrize("row", WORKBOOK, ids=[row["name"] for row in WORKBOOK])
def test_recorded_answers_of_a_lean_with_mathlib_are_read_as_the_verifiers_own(row):
    """The REPL's messages have the shape of `lean --json` and count lines from the end of the last import's; their places must hit the text that the model wrote."""
    header = row["header"]
    stated = Problem(id="p", header=header, statement=row["formal_statement"], split="train")
    imports, context = split_imports(header_for(stated, header))
    source = header + stated.statement + row["proof"]
    body, dropped = split_header(source, header)
    assert (screen(body, stated.name), imports + context) == (None, header)
    answer = row["repl_response"]["results"][0]
    raw = _rows((answer["response"] or {}).get("messages", []), above=imports.count("\n") - 1)
    messages = _Bench._messages(raw, _File(stated, imports, context, body, dropped))
    assert _rejection(messages, any(m.sorry for m in raw), 0.0) is None
    lines = source.splitlines()
    for message in messages:
        assert dropped < message.line <= len(lines)
        named = (
            message.text.split("`")[1] if message.text.startswith(("`", "unused variable")) else ""
        )
        assert lines[message.line - 1][message.column :].startswith(named), message
