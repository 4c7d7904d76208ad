"""The Lake project: its three files name one release, and another Mathlib than the pinned one is found out before hours are spent."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from fdcore.lean.lake import PROJECT, LakeError, check_mathlib, pins


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project's three files."""
    for name in ("lakefile.toml", "lean-toolchain", "lake-manifest.json"):
        shutil.copy(PROJECT / name, tmp_path)
    return tmp_path


def checked_out(project: Path, commit: str, *, compiled: bool) -> Path:
    """What `lake exe cache get` leaves, as far as it is looked at."""
    folder = project / ".lake/packages/mathlib"
    (folder / ".git").mkdir(parents=True)
    (folder / ".git/HEAD").write_text(commit + "\n")
    (folder / "lean-toolchain").write_text("leanprover/lean4:v4.9.0\n")
    if compiled:
        (folder / ".lake/build/lib").mkdir(parents=True)
        (folder / ".lake/build/lib/Mathlib.olean").touch()
    return folder


def test_the_three_files_name_one_release_and_every_package_a_full_commit():
    found = pins()
    assert found.release == found.lean
    packages = json.loads((PROJECT / "lake-manifest.json").read_text())["packages"]
    assert {
        "mathlib",
        "batteries",
        "aesop",
        "Qq",
        "proofwidgets",
        "importGraph",
        "LeanSearchClient",
        "plausible",
        "Cli",
    } == {p["name"] for p in packages}
    assert all(re.fullmatch("[0-9a-f]{40}", package["rev"]) for package in packages)


@pytest.mark.parametrize(
    "file, old, new",
    [
        ("lakefile.toml", 'rev = "v4.15.0"', 'rev = "v4.20.0"'),
        ("lean-toolchain", "v4.15.0", "v4.20.0"),
        ("lake-manifest.json", '"inputRev": "v4.15.0"', '"inputRev": "v4.20.0"'),
    ],
)
def test_files_that_name_different_releases_are_one_line_that_says_what_to_do(
    project, file, old, new
):
    (project / file).write_text((project / file).read_text().replace(old, new))
    with pytest.raises(LakeError, match="v4.20.0.*lake update mathlib") as error:
        pins(project)
    assert "\n" not in str(error.value)


def test_the_pinned_mathlib_compiled_is_accepted(project):
    checked_out(project, pins().commit, compiled=True)
    assert check_mathlib(project) == pins()


def test_a_missing_another_and_an_uncompiled_mathlib_are_told_apart(project):
    with pytest.raises(LakeError, match="is not there.*lake exe cache get"):
        check_mathlib(project)
    folder = checked_out(project, "0" * 40, compiled=True)
    with pytest.raises(
        LakeError,
        match=f"another Mathlib .commit 000000000000, for leanprover/lean4:v4.9.0.*{pins().release}",
    ):
        check_mathlib(project)
    shutil.rmtree(folder)
    checked_out(project, pins().commit, compiled=False)
    with pytest.raises(LakeError, match="not compiled"):
        check_mathlib(project)
