"""Mathlib in a Lake project: which Lean it belongs to, where its compiled files are, and whether the two fit.

Nothing is built and Lake is not started: `lake exe cache get` in the project makes what is looked for here. Left out on purpose:
packages outside the project's .lake/packages.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from fdcore.lean.lake import compiled
from fdcore.lean.toolchain import ELAN, PROJECT, LeanUnavailable, Toolchain, elan_toolchain


@dataclass(frozen=True)
class Mathlib:
    toolchain: Toolchain
    path: tuple[Path, ...]  # the folders of compiled files, Mathlib's first: Lean's LEAN_PATH
    identity: str  # a hash of what verdicts rest on: Lean's version, the packages' revisions, Mathlib's module file
    source: Path  # Mathlib's own folder of sources


def find_mathlib(project: Path = PROJECT) -> Mathlib:
    """Mathlib as the Lake project in `project` has it. Raises LeanUnavailable with one line that says what to do.

    The project's `lean-toolchain` decides which Lean of elan's is taken, and must be the one that Mathlib was written for.
    """
    pinned = project / "lean-toolchain"
    if not pinned.is_file() or not any(
        (project / name).is_file() for name in ("lakefile.toml", "lakefile.lean")
    ):
        raise LeanUnavailable(
            f"{project} is no Lake project: it needs a lakefile.toml (or lakefile.lean) and a lean-toolchain file"
        )
    lean = shutil.which("lean")
    if lean is None:
        raise LeanUnavailable(
            f"proofs over Mathlib need Lean from elan, and there is no lean on PATH; {ELAN}"
        )
    package = project / ".lake" / "packages" / "mathlib"
    folders = tuple(
        compiled(each)
        for each in (package, *sorted(set(package.parent.glob("*")) - {package}), project)
        if compiled(each).is_dir()
    )
    if not folders or not (folders[0] / "Mathlib.olean").is_file():
        raise LeanUnavailable(f"Mathlib is not built in {project}; run `lake exe cache get` there")
    wanted, own = _version(pinned), _version(package / "lean-toolchain")
    if wanted != own:
        raise LeanUnavailable(
            f"{pinned} asks for Lean {wanted} and Mathlib in {package} for {own}; set the same release in lakefile.toml and lean-toolchain, then run `lake update mathlib`"
        )
    toolchain = elan_toolchain(lean, project)
    if toolchain.version != wanted.lstrip("v").partition("-")[0]:
        raise LeanUnavailable(
            f"{pinned} asks for Lean {wanted}, but {toolchain.argv[0]} is {toolchain.version or 'silent'}; is {lean} elan's? ({ELAN})"
        )
    manifest = project / "lake-manifest.json"
    parts = [
        toolchain.version.encode(),
        manifest.read_bytes() if manifest.is_file() else b"",
        (folders[0] / "Mathlib.olean").read_bytes(),
    ]
    return Mathlib(
        toolchain,
        folders,
        hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest(),
        package,
    )


def _version(pinned: Path) -> str:
    """The version in a lean-toolchain file. Example: "leanprover/lean4:v4.15.0" gives "v4.15.0"."""
    text = pinned.read_text(encoding="utf-8").strip() if pinned.is_file() else ""
    return re.sub(r"^.*:", "", text) or "none"
