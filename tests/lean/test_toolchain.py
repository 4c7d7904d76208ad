"""Lean is found or its absence is told in one line; the library is built incrementally and never left half built."""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fdcore.lean import toolchain
from fdcore.lean.toolchain import (
    LeanUnavailable,
    LibraryError,
    build_library,
    declared,
    find_toolchain,
    imports,
)

REPOSITORY = Path(__file__).resolve().parents[2]
pypi_only = pytest.mark.skipif(
    find_toolchain().kind != "pypi", reason="the machine has a Lean of its own"
)


def started(argv, *arguments, cwd, lean_path="", stdin=None):
    return subprocess.run(
        [*argv, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        input=stdin,
        env={**find_toolchain().env, "LEAN_PATH": str(lean_path)},
        timeout=60,
    )


@pytest.fixture
def own_project(tmp_path, monkeypatch):
    """A small library of four modules (A; B and C import A; Fd imports both) in place of the real one."""
    find_toolchain()  # before BUILD moves: the launcher stays where it is
    project = tmp_path / "lean_project"
    (project / "Fd").mkdir(parents=True)
    (project / "Fd" / "A.lean").write_text(
        "prelude\ninductive N where\n  | z : N\n  | s (n : N) : N\n"
    )
    (project / "Fd" / "B.lean").write_text("prelude\nimport Fd.A\ndef one : N := N.s N.z\n")
    (project / "Fd" / "C.lean").write_text("prelude\nimport Fd.A\ndef two : N := N.s (N.s N.z)\n")
    (project / "Fd.lean").write_text("prelude\nimport Fd.B\nimport Fd.C\n")
    monkeypatch.setattr(toolchain, "PROJECT", project)
    monkeypatch.setattr(toolchain, "LIBRARY_ROOT", project / "Fd")
    monkeypatch.setattr(toolchain, "BUILD", project / ".build")
    return project


def built():
    """(the modules that this build compiled, the folder)."""
    lines = []
    folder = build_library(log=lines.append)
    return {line.rpartition(": ")[2] for line in lines}, folder


# -- finding ------------------------------------------------------------------------------------------------------------


def test_the_lean_that_is_found_is_the_version_of_the_library():
    assert find_toolchain().version.startswith("4.35.")


def launchers():
    found = {"found": find_toolchain().argv}
    if find_toolchain().kind == "pypi":
        found["ctypes"] = (
            sys.executable,
            "-I",
            "-S",
            "-c",
            toolchain.STARTER,
            str(toolchain.BUILD / "lean" / "lib" / "lean" / "libleanshared.so"),
        )
    return found


@pytest.mark.parametrize("launcher", launchers())
def test_each_launcher_checks_a_proof(launcher, library, tmp_path):
    (tmp_path / "T.lean").write_text(
        "prelude\nimport Fd\ntheorem t (a b : Nat) : a + b = b + a := by rw [Nat.add_comm]\n#print axioms t\n"
    )
    done = started(launchers()[launcher], "--json", "T.lean", cwd=tmp_path, lean_path=library)
    assert [json.loads(line)["data"] for line in done.stdout.splitlines()] == [
        "'t' does not depend on any axioms"
    ] and done.returncode == 0
    (tmp_path / "T.lean").write_text(
        "prelude\nimport Fd\ntheorem t (a b : Nat) : a = b := by rfl\n"
    )
    assert (
        started(
            launchers()[launcher], "--json", "T.lean", cwd=tmp_path, lean_path=library
        ).returncode
        == 1
    )


@pytest.mark.parametrize("launcher", launchers())
def test_each_launcher_runs_a_file_worker_that_answers(launcher, library, tmp_path):
    uri, text = "file:///T.lean", "prelude\nimport Fd\nexample : 2 + 2 = 5 := by decide\n"
    messages = [
        {
            "id": 0,
            "method": "initialize",
            "params": {"processId": None, "rootUri": None, "capabilities": {}},
        },
        {
            "method": "textDocument/didOpen",
            "params": {
                "textDocument": {"uri": uri, "languageId": "lean", "version": 1, "text": text}
            },
        },
        {
            "id": 1,
            "method": "textDocument/waitForDiagnostics",
            "params": {"uri": uri, "version": 1},
        },
    ]
    frames = [json.dumps({"jsonrpc": "2.0", **message}) for message in messages]
    command = [*launchers()[launcher], "--worker", "-Dserver.reportDelayMs=0", uri]
    worker = subprocess.Popen(
        command,
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**find_toolchain().env, "LEAN_PATH": str(library)},
    )
    try:
        worker.stdin.write(
            "".join(
                f"Content-Length: {len(frame.encode())}\r\n\r\n{frame}" for frame in frames
            ).encode()
        )
        worker.stdin.flush()
        heard, deadline = b"", time.monotonic() + 60
        while b'"id":1' not in heard.replace(b" ", b"") and time.monotonic() < deadline:
            heard += os.read(worker.stdout.fileno(), 1 << 16)
        assert "2 + 2 = 5" in heard.decode()
    finally:
        worker.kill()
        worker.wait()
        worker.stdin.close()
        worker.stdout.close()


@pypi_only
@pytest.mark.parametrize(
    "system, machine, libc",
    [
        ("linux", "aarch64", ("glibc", "2.36")),
        ("linux", "x86_64", ("glibc", "2.31")),
        ("linux", "x86_64", ("", "")),
        ("darwin", "arm64", ("", "")),
    ],
)
def test_a_machine_without_a_wheel_is_told_about_elan_in_one_line(
    system, machine, libc, monkeypatch
):
    monkeypatch.setattr(toolchain.sys, "platform", system)
    monkeypatch.setattr(toolchain.platform, "machine", lambda: machine)
    monkeypatch.setattr(toolchain.platform, "libc_ver", lambda: libc)
    with pytest.raises(LeanUnavailable) as raised:
        find_toolchain.__wrapped__()
    assert (
        "elan" in str(raised.value)
        and machine in str(raised.value)
        and "\n" not in str(raised.value)
    )


@pypi_only
def test_asking_for_elan_without_it_is_told_in_one_line(monkeypatch):
    monkeypatch.setenv("FD_LEAN", "elan")
    with pytest.raises(
        LeanUnavailable,
        match=r"FD_LEAN=elan, but there is no lean on PATH; install Lean with elan \(https://",
    ):
        find_toolchain.__wrapped__()
    monkeypatch.setenv("FD_LEAN", "nix")
    with pytest.raises(LeanUnavailable, match="FD_LEAN=nix is unknown; use elan, pypi"):
        find_toolchain.__wrapped__()


def a_lean_that_says(version, folder, monkeypatch):
    folder.mkdir()
    (folder / "lean").write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && echo "Lean (version {version}, x86_64-unknown-linux-gnu, Release)" || echo {folder}\n'
    )
    (folder / "lean").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pypi_only
def test_a_lean_of_another_version_is_passed_over_with_a_notice(tmp_path, monkeypatch, capsys):
    a_lean_that_says("4.20.1", tmp_path / "bin", monkeypatch)
    assert find_toolchain.__wrapped__().kind == "pypi"
    assert (
        "is Lean 4.20.1, and the core library is written for 4.35; using the one from PyPI"
        in capsys.readouterr().err
    )
    monkeypatch.setenv("FD_LEAN", "elan")
    with pytest.raises(LeanUnavailable, match="elan default leanprover/lean4:v4.35.0"):
        find_toolchain.__wrapped__()


def test_a_lean_of_the_right_version_on_path_is_used(tmp_path, monkeypatch):
    a_lean_that_says("4.35.0", tmp_path / "bin", monkeypatch)
    found = find_toolchain.__wrapped__()
    assert (found.kind, found.version, found.argv) == (
        "elan",
        "4.35.0",
        (str(tmp_path / "bin" / "lean"),),
    )


@pypi_only
def test_without_a_compiler_python_starts_lean(monkeypatch, tmp_path):
    monkeypatch.setattr(toolchain.shutil, "which", lambda name: None)
    found = find_toolchain.__wrapped__()
    assert found.argv[0] == sys.executable and found.version.startswith("4.35.")


# -- building -----------------------------------------------------------------------------------------------------------


def test_only_what_changed_and_what_imports_it_is_compiled(own_project):
    assert built()[0] == {"Fd.A", "Fd.B", "Fd.C", "Fd"}
    assert built()[0] == set()
    (own_project / "Fd" / "B.lean").write_text(
        "prelude\nimport Fd.A\ndef one : N := N.s N.z\ndef three : N := N.s N.z\n"
    )
    assert built()[0] == {"Fd.B", "Fd"}
    (own_project / "Fd" / "B.lean").write_text("prelude\nimport Fd.A\ndef one : N := N.s N.z\n")
    assert built()[0] == set()  # that state was there before


def test_force_compiles_everything_again(own_project):
    folder, lines = build_library(log=lambda _: None), []
    assert build_library(force=True, log=lines.append) == folder and len(lines) == 4


def test_a_file_that_does_not_compile_stops_the_build_with_its_line_and_leans_words(own_project):
    (own_project / "Fd" / "C.lean").write_text("prelude\nimport Fd.A\n\ndef two : N := N.t\n")
    with pytest.raises(LibraryError, match=r"(?s)Fd/C\.lean:4: .*N\.t"):
        build_library(log=lambda _: None)
    (own_project / "Fd" / "C.lean").write_text("prelude\nimport Fd.A\ndef two : N := N.s N.z\n")
    assert "Fd.A" not in built()[0]  # what was good is kept


def test_a_cycle_and_a_missing_module_are_named(own_project):
    (own_project / "Fd" / "A.lean").write_text("prelude\nimport Fd.B\n")
    with pytest.raises(LibraryError, match="import each other"):
        build_library(log=lambda _: None)
    (own_project / "Fd" / "A.lean").write_text("prelude\nimport Fd.Z\n")
    with pytest.raises(LibraryError, match=r"A\.lean: imports Fd\.Z, which is no module"):
        build_library(log=lambda _: None)


BUILD_HERE = """import sys, pathlib
from fdcore.lean import toolchain
toolchain.find_toolchain()
toolchain.PROJECT = pathlib.Path(sys.argv[1]); toolchain.LIBRARY_ROOT = toolchain.PROJECT / "Fd"; toolchain.BUILD = toolchain.PROJECT / ".build"
print(toolchain.build_library(log=lambda line: print(line, flush=True)))
"""


def test_builds_at_the_same_time_and_killed_ones_leave_a_library_that_works(own_project, tmp_path):
    command = [sys.executable, "-c", BUILD_HERE, str(own_project)]
    for heard in (1, 2):  # killed after that many modules were begun
        process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
        for _ in range(heard):
            process.stdout.readline()
        process.kill()
        process.wait()
        process.stdout.close()
    with ThreadPoolExecutor(3) as pool:
        done = list(
            pool.map(
                lambda _: subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True),
                range(3),
            )
        )
    assert [each.returncode for each in done] == [0, 0, 0], [each.stderr for each in done]
    assert len({each.stdout.splitlines()[-1] for each in done}) == 1
    assert not list((own_project / ".build").glob("building-*"))
    (tmp_path / "T.lean").write_text("prelude\nimport Fd\n#check one\n#check two\n")
    assert (
        started(
            find_toolchain().argv,
            "T.lean",
            cwd=tmp_path,
            lean_path=build_library(log=lambda _: None),
        ).returncode
        == 0
    )


def test_a_place_that_cannot_be_written_is_told(own_project):
    (own_project / ".build").write_text("in the way")
    with pytest.raises(LibraryError, match="cannot be built under"):
        build_library(log=lambda _: None)


def test_old_states_are_removed_and_the_current_one_stays(own_project):
    for i in range(toolchain.KEPT_BUILDS + 3):
        (own_project / "Fd.lean").write_text(f"prelude\nimport Fd.B\nimport Fd.C\n-- {i}\n")
        folder = build_library(log=lambda _: None)
    assert (
        folder.exists()
        and len(list((own_project / ".build").glob("fd-*"))) == toolchain.KEPT_BUILDS + 1
    )
    assert not list((own_project / ".build").glob("building-*"))


def test_imports_and_declarations_are_read_from_a_source():
    assert imports("prelude\nimport Fd.A\nimport Fd.B\ntheorem import_x : True := trivial\n") == [
        "Fd.A",
        "Fd.B",
    ]
    text = "namespace N\n/-- d -/\n@[simp] protected theorem t : True := trivial\ntheorem without : True := trivial\nend N\n/-- d -/\ntheorem u : True := trivial\n"
    assert declared(text) == ["N.t", "u"]


@pypi_only
def test_the_layout_holds_links_and_no_copies():
    libraries = list((toolchain.BUILD / "lean" / "lib" / "lean").glob("*.so"))
    assert libraries and all(each.is_symlink() and each.exists() for each in libraries)
