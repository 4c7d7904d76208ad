"""The core library is compiled once, whole; Mathlib is the pinned one, or an error says why."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fdcore.lean.library import (
    PROJECT,
    LibraryError,
    build_folder,
    core_library,
    declared_theorems,
    find_lemmas,
    mathlib_library,
    open_library,
    pinned_tag,
)
from fdcore.lean.toolchain import VERSION, LeanUnavailable, find_toolchain

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def own_project(tmp_path, monkeypatch) -> Path:
    """A library of four modules: B and C import A, Fd imports both."""
    monkeypatch.delenv("FD_CACHE", raising=False)
    project = tmp_path / "lean_project"
    (project / "Fd").mkdir(parents=True)
    (project / "Fd/A.lean").write_text("prelude\ninductive N where\n  | z : N\n  | s (n : N) : N\n")
    (project / "Fd/B.lean").write_text("prelude\nimport Fd.A\ndef one : N := N.s N.z\n")
    (project / "Fd/C.lean").write_text("prelude\nimport Fd.A\ndef two : N := N.s (N.s N.z)\n")
    (project / "Fd.lean").write_text("prelude\nimport Fd.B\nimport Fd.C\n")
    return project


# -- the core library ------------------------------------------------------------------------------


def test_the_core_library_names_its_theorems_and_its_sources(library):
    assert {"Nat.add_comm", "Prod.exists"} <= library.theorem_names
    assert library.sources == PROJECT / "Fd" and (library.sources / "Nat" / "Basic.lean").exists()
    assert open_library("core").identity == library.identity


THEOREMS = frozenset({"Nat.add_comm", "Nat.le_trans", "or_comm", "And.symm", "List.map_map"})


@pytest.mark.parametrize(
    "proof, used",
    [
        ("exact Nat.add_comm a b", {"Nat.add_comm"}),
        ("rw [Nat.add_comm, ← or_comm]", {"Nat.add_comm", "or_comm"}),
        ("exact (Nat.le_trans h k).symm", {"Nat.le_trans"}),
        ("exact And.symm.trans Nat.add_comm.symm", {"And.symm", "Nat.add_comm"}),
        ("-- or_comm\n  simp /- Nat.add_comm -/", set()),
        ("exact Nat.add_comm' a", set()),
        ("exact my.Nat.add_comm", set()),
        ("have or_comm' := h; exact h", set()),
    ],
)
def test_lemmas_are_the_library_theorems_that_the_proof_names(proof, used):
    assert find_lemmas("theorem thm (h : p) : q := by\n  " + proof, THEOREMS) == used


def test_a_second_build_compiles_nothing_and_a_change_makes_another_library(own_project, capfd):
    first = core_library(own_project)
    assert "4 files" in capfd.readouterr().err
    assert core_library(own_project).identity == first.identity and not capfd.readouterr().err
    source = own_project / "Fd/B.lean"
    source.write_text(source.read_text() + "def three : N := N.s one\n")
    second = core_library(own_project)
    assert second.identity != first.identity and second.path != first.path
    assert all(library.path[0].joinpath("Fd", "A.olean").exists() for library in (first, second))


def test_identity_does_not_depend_on_the_checkout(own_project, tmp_path):
    copied = shutil.copytree(own_project, tmp_path / "elsewhere")
    assert core_library(own_project).identity == core_library(copied).identity


def test_a_file_that_does_not_compile_is_named_with_its_line(own_project):
    (own_project / "Fd/C.lean").write_text("prelude\nimport Fd.A\n\ndef two : N := N.t\n")
    with pytest.raises(LibraryError, match=r"(?s)Fd/C\.lean:4: .*N\.t"):
        core_library(own_project)
    assert not list((own_project / ".build").glob("fd-*"))


def test_a_circle_and_an_unknown_module_are_named(own_project):
    (own_project / "Fd/A.lean").write_text("prelude\nimport Fd.B\n")
    with pytest.raises(LibraryError, match=r"Fd\.(A.*Fd\.B|B.*Fd\.A)"):
        core_library(own_project)
    (own_project / "Fd/A.lean").write_text("prelude\nimport Fd.Z\n")
    with pytest.raises(LibraryError, match=r"Fd/A\.lean:.*Fd\.Z"):
        core_library(own_project)


def test_builds_at_the_same_time_and_a_killed_one_leave_a_whole_library(own_project):
    program = (
        "import pathlib, sys; from fdcore.lean.library import core_library; "
        "print(core_library(pathlib.Path(sys.argv[1])).identity)"
    )
    command = [sys.executable, "-c", program, str(own_project)]
    killed = subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True)
    assert "4 files" in killed.stderr.readline()
    killed.kill()
    killed.communicate()
    with ThreadPoolExecutor(3) as pool:
        build = lambda _: subprocess.check_output(command, cwd=REPOSITORY, text=True)  # noqa: E731
        identities = list(pool.map(build, range(3)))
    assert set(identities) == {core_library(own_project).identity + "\n"}
    assert not list((own_project / ".build").glob("building-*"))


def test_compiled_files_go_to_fd_cache_or_the_users_cache_when_the_checkout_is_read_only(
    own_project, tmp_path, monkeypatch
):
    assert build_folder(own_project) == own_project / ".build"
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    assert build_folder(own_project).is_relative_to(tmp_path / "user")
    monkeypatch.setenv("FD_CACHE", str(tmp_path / "chosen"))
    assert core_library(own_project).path[0].is_relative_to(tmp_path / "chosen")


def test_a_place_that_cannot_be_written_is_named(own_project):
    (own_project / ".build").write_text("in the way")
    with pytest.raises(LibraryError, match=re.escape(str(own_project / ".build"))):
        core_library(own_project)


def test_theorems_with_a_docstring_are_read_from_a_source(tmp_path):
    source = tmp_path / "N.lean"
    source.write_text(
        "namespace N\n/-- d -/\n@[simp] protected theorem t : True := trivial\n"
        "theorem without : True := trivial\nend N\n/-- d -/\ntheorem «exists» : True := trivial\n"
    )
    assert declared_theorems(source) == ["N.t", "exists"]


# -- Mathlib ---------------------------------------------------------------------------------------


@pytest.fixture
def mathlib_project(library, tmp_path, monkeypatch) -> Path:
    """A Lake project as `lake exe cache get` leaves it.

    The core library stands in for Mathlib, the PyPI Lean for elan's.
    """
    return make_mathlib_project(tmp_path, library, monkeypatch)


def make_mathlib_project(tmp_path, library, monkeypatch) -> Path:
    project, version = tmp_path / "project", library.toolchain.version
    mathlib = project / ".lake/packages/mathlib"
    compiled = mathlib / ".lake/build/lib/lean"
    compiled.mkdir(parents=True)
    (project / "lean-toolchain").write_text(f"leanprover/lean4:v{version}\n")
    lakefile = f'[[require]]\nname = "mathlib"\nrev = "v{version}"\n'
    (project / "lakefile.toml").write_text(lakefile)
    locked = {"name": "mathlib", "inputRev": f"v{version}", "rev": "a" * 40}
    (project / "lake-manifest.json").write_text(json.dumps({"packages": [locked]}))
    (mathlib / ".git").mkdir()
    (mathlib / ".git/HEAD").write_text("a" * 40 + "\n")
    shutil.copytree(library.sources, mathlib / "Mathlib")
    (mathlib / "Mathlib.lean").write_text("prelude\nimport Fd\n")
    target = str(compiled / "Mathlib.olean")
    library.toolchain.run(mathlib / "Mathlib.lean", "-o", target, path=library.path)
    batteries = project / ".lake/packages/batteries/.lake/build/lib/lean"
    batteries.parent.mkdir(parents=True)
    batteries.symlink_to(library.path[0])
    lean = tmp_path / "bin/lean"
    lean.parent.mkdir()
    start = shlex.join(library.toolchain.argv)
    prefix = f'[ "$1" = --print-prefix ] && exec echo {shlex.quote(str(tmp_path))}'
    lean.write_text(f'#!/bin/sh\n{prefix}\nexec {start} "$@"\n')
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/lean").symlink_to(library.toolchain.shared.parent)
    lean.chmod(0o755)
    monkeypatch.setenv("PATH", f"{lean.parent}{os.pathsep}{os.environ['PATH']}")
    return project


def test_mathlib_is_its_own_folder_first_then_its_packages(mathlib_project):
    mathlib = mathlib_library(mathlib_project)
    packages = mathlib_project / ".lake/packages"
    assert [folder.relative_to(packages).parts[0] for folder in mathlib.path] == [
        "mathlib",
        "batteries",
    ]
    assert mathlib.sources == packages / "mathlib/Mathlib"
    assert mathlib.toolchain.version == find_toolchain().version


def test_the_project_pins_a_release_of_mathlib_for_the_lean_that_the_judge_reads():
    assert re.fullmatch(rf"v{re.escape(VERSION)}\.\d+", pinned_tag())


@pytest.mark.parametrize("file", ["lean-toolchain", "lakefile.toml"])
def test_files_that_name_different_releases_are_refused(mathlib_project, file):
    path, version = mathlib_project / file, find_toolchain().version
    path.write_text(path.read_text().replace(version, "4.9.0"))
    with pytest.raises(LeanUnavailable, match=r"v4\.9\.0.*one release for Lean 4\.35"):
        pinned_tag(mathlib_project)


def pin_another_lean(project: Path) -> None:
    for name in ("lean-toolchain", "lakefile.toml"):
        text = (project / name).read_text()
        (project / name).write_text(text.replace(find_toolchain().version, "4.15.0"))


MATHLIB = ".lake/packages/mathlib"
FETCH = "lake update mathlib && lake exe cache get"
MISSING = {
    "no manifest": (lambda project: (project / "lake-manifest.json").unlink(), FETCH),
    "no lakefile": (lambda project: (project / "lakefile.toml").unlink(), "lakefile.toml"),
    "no lean-toolchain": (lambda project: (project / "lean-toolchain").unlink(), "lean-toolchain"),
    "no Mathlib": (lambda project: shutil.rmtree(project / MATHLIB), f"not fetched.*{FETCH}"),
    "another Mathlib": (
        lambda project: (project / MATHLIB / ".git/HEAD").write_text("b" * 40),
        f"bbbbbbbbbbbb.*aaaaaaaaaaaa.*{FETCH}",
    ),
    "not compiled": (
        lambda project: next((project / MATHLIB).rglob("Mathlib.olean")).unlink(),
        "not compiled.*lake exe cache get",
    ),
    "another Lean": (pin_another_lean, r"v4\.15\.0.*4\.35"),
}


@pytest.mark.parametrize("what", MISSING)
def test_what_is_missing_is_one_line(mathlib_project, what):
    spoil, says = MISSING[what]
    spoil(mathlib_project)
    with pytest.raises(LeanUnavailable, match=says) as error:
        mathlib_library(mathlib_project)
    assert "\n" not in str(error.value)


def test_what_is_missing_is_named_in_the_order_of_the_commands(tmp_path, monkeypatch):
    """From the pin alone: elan first, then Mathlib."""
    for name in ("lean-toolchain", "lakefile.toml"):
        shutil.copy(PROJECT / name, tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(LeanUnavailable, match=f"{pinned_tag()}.*elan.*{FETCH}"):
        mathlib_library(tmp_path)
    (tmp_path / "lean").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LeanUnavailable, match=f"{pinned_tag()} is not fetched.*{FETCH}"):
        mathlib_library(tmp_path)


def test_identity_changes_with_the_projects_other_packages(mathlib_project):
    before, manifest = mathlib_library(mathlib_project), mathlib_project / "lake-manifest.json"
    assert before.identity == mathlib_library(mathlib_project).identity
    manifest.write_text(manifest.read_text().replace("{", '{"note": "other",', 1))
    assert mathlib_library(mathlib_project).identity != before.identity


def test_mathlibs_theorems_are_what_lean_lists(mathlib_project, tmp_path):
    lean, answer = tmp_path / "bin/lean", {"severity": "information"}
    answer["data"] = "mul_comm\nProd.«exists»\n"
    listing = f"printf '%s\\n' {shlex.quote(json.dumps(answer))}"
    case = f'\ncase "$*" in *Names.lean) exec {listing};; esac\nexec'
    lean.write_text(lean.read_text().replace("\nexec", case, 1))
    assert mathlib_library(mathlib_project).theorem_names == {"mul_comm", "Prod.exists"}


def test_a_lean_that_cannot_list_theorems_is_an_error(mathlib_project):
    with pytest.raises(LibraryError, match="theorems"):
        _ = mathlib_library(mathlib_project).theorem_names  # the stand-in has no Lean module
