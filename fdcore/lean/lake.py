"""The Lake project for Mathlib: which release is pinned, and whether that one is checked out and compiled here.

Three files name the release: `lakefile.toml` (the tag), `lean-toolchain` (the Lean that goes with it) and `lake-manifest.json` (the
commits, of Mathlib and of what it needs). Left out on purpose: running Lake, and the core library, which has nothing to do with it.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from fdcore.lean.toolchain import PROJECT
from fdcore.records import Record

GET = "run `lake exe cache get` in lean_project"


class LakeError(ValueError):
    """The project's files contradict each other, or what is checked out is not what they name; the message says what to do."""


class Pins(Record):
    release: str  # Mathlib's tag
    lean: str  # the version in lean-toolchain, with its v
    commit: str  # Mathlib's, 40 hexadecimal digits


def pins(project: Path = PROJECT) -> Pins:
    """The pinned release. Raises LakeError where the three files do not name the same one."""
    (mathlib,) = [
        package
        for package in tomllib.loads((project / "lakefile.toml").read_text(encoding="utf-8"))[
            "require"
        ]
        if package["name"] == "mathlib"
    ]
    lean = (project / "lean-toolchain").read_text(encoding="utf-8").strip().rpartition(":")[2]
    manifest = json.loads((project / "lake-manifest.json").read_text(encoding="utf-8"))
    (locked,) = [package for package in manifest["packages"] if package["name"] == "mathlib"]
    if not mathlib["rev"] == lean == locked["inputRev"]:
        raise LakeError(
            f"{project}: lakefile.toml asks for Mathlib {mathlib['rev']}, lake-manifest.json holds {locked['inputRev']}, lean-toolchain is {lean}; "
            "set one release in lakefile.toml and lean-toolchain, then run `lake update mathlib` there"
        )
    return Pins(release=mathlib["rev"], lean=lean, commit=locked["rev"])


def check_mathlib(project: Path = PROJECT) -> Pins:
    """The pins, when just that Mathlib is checked out and compiled under `project`. Raises LakeError: none, another version, not compiled."""
    wanted, folder = pins(project), project / ".lake" / "packages" / "mathlib"
    if not folder.is_dir():
        raise LakeError(f"Mathlib {wanted.release} is not there ({folder}); {GET}")
    found = _checked_out(folder)
    if found != wanted.commit:
        lean = (
            (folder / "lean-toolchain").read_text(encoding="utf-8").strip()
            if (folder / "lean-toolchain").exists()
            else "an unknown Lean"
        )
        raise LakeError(
            f"{folder} is another Mathlib (commit {found[:12]}, for {lean}), pinned is {wanted.release} ({wanted.commit[:12]}); remove that folder and {GET}"
        )
    if not (compiled(folder) / "Mathlib.olean").exists():
        raise LakeError(f"Mathlib {wanted.release} is there and not compiled ({folder}); {GET}")
    return wanted


def compiled(package: Path) -> Path:
    """Where Lake puts a package's compiled files: .lake/build/lib/lean, before Lean 4.18 .lake/build/lib."""
    library = package / ".lake" / "build" / "lib"
    return library / "lean" if (library / "lean").is_dir() else library


def _checked_out(folder: Path) -> str:
    """The commit of a git checkout, as its files say (Lake leaves HEAD detached)."""
    git = folder / ".git"
    try:
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
        return (
            (git / head[5:]).read_text(encoding="utf-8").strip()
            if head.startswith("ref: ")
            else head
        )
    except OSError:
        return "unknown"
