"""The sandbox, with Python in the place of Lean where a program must misbehave: what it cannot do, and what is left behind."""

from __future__ import annotations

import random
import socket
import sys
import time
from pathlib import Path

import psutil
import pytest

from fdcore.lean.sandbox import (
    Sandbox,
    SandboxError,
    active_protections,
    bubblewrap,
    require_protection,
)

LIMITS = dict(env={"WORD": "kept"}, cpu_seconds=20, wall_seconds=20, memory_mb=512, file_mb=4)


@pytest.fixture(params=["bubblewrap", "without"])
def python(request, tmp_path, monkeypatch):
    if request.param == "without":
        monkeypatch.setattr("fdcore.lean.sandbox._working_bubblewrap", lambda: None)
    elif not bubblewrap(tmp_path):
        pytest.skip("bubblewrap is not installed, or may not make namespaces here")
    one = Sandbox([sys.executable, "-I", "-S"], library=None, folder=tmp_path)
    yield one
    one.close()


def run(sandbox: Sandbox, folder: Path, code: str, **limits):
    return sandbox.run(["-c", code], folder=folder, **LIMITS | limits)


def needs(protection: str) -> None:
    if not any(protection in active for active in active_protections()):
        pytest.skip(f"this machine offers no {protection}: {active_protections()}")


def test_the_active_protections_are_reported():
    assert any("limits" in protection for protection in active_protections())


def test_mathlib_is_refused_where_nothing_keeps_lean_in(monkeypatch):
    monkeypatch.delenv("FD_SANDBOX", raising=False)
    require_protection(["no network (namespace)", "writing only in a private folder (Landlock)"])
    with pytest.raises(SandboxError, match="cannot keep Lean from the folder .*FD_SANDBOX=none"):
        require_protection(["no network (namespace)"])
    monkeypatch.setenv("FD_SANDBOX", "none")
    require_protection([])


def test_a_process_runs_in_its_folder_with_a_clean_environment(python, tmp_path):
    done = run(
        python,
        tmp_path,
        "import os, sys; print(os.getcwd(), *sorted(os.environ), sys.stdin.read()); print('x', file=sys.stderr); sys.exit(3)",
    )
    assert set(done.stdout.split()) - {"LC_CTYPE"} == {str(tmp_path), "HOME", "TMPDIR", "WORD"}
    assert (done.code, done.reason, done.stderr) == (3, "exit", "x\n")


def test_there_is_no_network(python, tmp_path):
    needs("network")
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = (
            f"import socket; socket.create_connection(('127.0.0.1', {server.getsockname()[1]}), 2)"
        )
        assert run(python, tmp_path, code).code == 1
    assert (
        "eth0"
        not in run(
            python, tmp_path, "print([l.split(':')[0].strip() for l in open('/proc/self/net/dev')])"
        ).stdout
    )


def test_files_are_written_in_the_folder_and_nowhere_else(python, tmp_path):
    needs("Landlock")
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    assert (
        run(
            python,
            inside,
            "open('new', 'w').write('x'); import os; os.mkdir('d'); os.rename('new', 'd/moved')",
        ).code
        == 0
    )
    assert (inside / "d" / "moved").exists()
    (tmp_path / "kept").write_text("kept")
    for code in (
        f"open({str(outside)!r}, 'w')",
        f"open({str(tmp_path / 'kept')!r}, 'a')",
        f"import os; os.remove({str(tmp_path / 'kept')!r})",
        f"import os; os.mkdir({str(outside)!r})",
    ):
        assert run(python, inside, code).code == 1
    assert (tmp_path / "kept").read_text() == "kept" and not outside.exists()


@pytest.mark.parametrize(
    "code, limits, reason",
    [
        ("while True: pass", {"cpu_seconds": 1}, "cpu"),
        ("import time; time.sleep(60)", {"wall_seconds": 0.3}, "wall"),
        ("x = []\nwhile True: x.append(bytearray(b'x' * 2**20))", {"memory_mb": 100}, "memory"),
        ("import sys\nwhile True: sys.stdout.write('x' * 65536)", {}, "output"),
        (
            "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass",
            {"cpu_seconds": 1},
            "cpu",
        ),
    ],
)
def test_a_process_over_a_limit_is_stopped_with_the_reason(python, tmp_path, code, limits, reason):
    if reason == "output":
        code = (
            "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_DFL)\n" + code
        )  # Python ignores the signal, Lean does not
    assert run(python, tmp_path, code, **limits).reason == reason
    assert run(python, tmp_path, "print(1)").stdout == "1\n"


def test_a_crash_is_reported_as_the_signal(python, tmp_path):
    assert run(python, tmp_path, "import os; os.abort()").code == -6


def test_what_a_process_starts_ends_with_it(python, tmp_path):
    mark = f"time.sleep(60 + {random.random()})"
    assert (
        run(
            python,
            tmp_path,
            f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'import time; {mark}'])",
        ).code
        == 0
    )
    end = time.monotonic() + 5
    while (
        left := [
            p.pid
            for p in psutil.process_iter(["cmdline"])
            if any(mark in word for word in p.info["cmdline"] or [])
        ]
    ) and time.monotonic() < end:
        time.sleep(0.02)
    assert not left


def test_a_keeper_that_was_killed_is_started_again_and_closing_leaves_no_process(tmp_path):
    one, before = (
        Sandbox([sys.executable, "-I", "-S"], library=None, folder=tmp_path),
        set(psutil.Process().children(recursive=True)),
    )
    assert run(one, tmp_path, "print(1)").stdout == "1\n"
    one._keeper.kill()
    assert run(one, tmp_path, "print(2)").stdout == "2\n"
    one.close()
    assert set(psutil.Process().children(recursive=True)) <= before


def test_lean_runs_in_it_with_and_without_the_library_loaded(library, tmp_path):
    toolchain, said = library.toolchain, set()
    (tmp_path / "A.lean").write_text(
        "prelude\nimport Fd\n\ntheorem t : 1 + 1 = 2 := rfl\n#print axioms t\n"
    )
    for loaded in {None, toolchain.shared}:
        one = Sandbox(list(toolchain.argv), library=loaded, folder=tmp_path)
        done = one.run(
            ["--json", "A.lean"],
            folder=tmp_path,
            **LIMITS | {"env": toolchain.env | {"LEAN_PATH": str(library.path[0])}},
        )
        one.close()
        assert (done.code, done.reason) == (0, "exit"), done.stderr
        said.add(done.stdout)
    assert len(said) == 1
