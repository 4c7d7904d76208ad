"""The library that proofs build on: the core library of this repository, or Mathlib.

`Library` is the one object that knows which of the two it is. The core library is compiled here, at
its first use. Mathlib comes compiled by `lake exe cache get`; Lake itself is not started.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from fdcore import REPOSITORY
from fdcore.lean.source import words
from fdcore.lean.toolchain import (
    ELAN,
    VERSION,
    LeanUnavailable,
    Toolchain,
    elan_toolchain,
    find_toolchain,
)

PROJECT = REPOSITORY / "lean_project"
# Names of the core library's theorems that serve Lean's own machinery.
INTERNAL = re.compile(r"let_|ite_|heq|noConfusion|beq|ble|RecOn|choose|skolem")
MATHLIB_NAMES = """import Mathlib
open Lean in
#eval show CoreM Unit from do
  for (name, info) in (← getEnv).constants.toList do
    if info matches .thmInfo _ then
      unless name.isInternal do IO.println name
"""


class LibraryError(RuntimeError):
    """The core library cannot be built, or Lean cannot list a library's theorems."""


@dataclass(frozen=True, eq=False)
class Library:
    """A compiled library and the Lean that it belongs to."""

    name: str  # "core" or "mathlib"
    toolchain: Toolchain
    path: tuple[Path, ...]  # LEAN_PATH: folders of compiled files, the library's own first
    sources: Path  # the folder that the search tool reads
    identity: str  # a hash of what verdicts rest on
    unsearched: tuple[str, ...] = ()  # globs of sources that the search tool leaves out

    @cached_property
    def theorem_names(self) -> frozenset[str]:
        """Full names of the theorems.

        Of the core library those with a docstring: the others serve Lean's tactics or its proofs.
        Of Mathlib all that `import Mathlib` brings, by Lean's own list (seconds).
        """
        if self.name == "core":
            sources = find_modules(self.sources.parent).values()
            return frozenset(name for source in sources for name in declared_theorems(source))
        with tempfile.TemporaryDirectory() as folder:
            query = Path(folder) / "Names.lean"
            query.write_text(MATHLIB_NAMES, encoding="utf-8")
            messages, ended = self.toolchain.run(query, path=self.path)
        if ended.returncode or not messages:
            reason = messages[0]["data"] if messages else ended.stderr[-300:]
            raise LibraryError(f"Lean does not list Mathlib's theorems: {reason.strip()}")
        return frozenset(_plain(name) for message in messages for name in message["data"].split())

    def lemmas_in(self, source: str) -> set[str]:
        """The library's theorems that a proof names."""
        return find_lemmas(source, self.theorem_names)


def open_library(name: str) -> Library:
    """The library of a profile's `lean.library`. Raises LeanUnavailable, LibraryError."""
    return {"core": core_library, "mathlib": mathlib_library}[name]()


def find_lemmas(source: str, theorems: frozenset[str]) -> set[str]:
    """The theorems that a proof names, at any position of its code.

    The paper's counter looks at qualified names, at items in `[…]`, and behind exact, apply,
    refine and use. A suffix is cut until a theorem fits: `Nat.add_comm.symm` names Nat.add_comm.

    >>> proof = "rw [Nat.add_comm] -- not or_comm\\n  exact And.symm h"
    >>> sorted(find_lemmas(proof, frozenset({"Nat.add_comm", "or_comm", "And.symm"})))
    ['And.symm', 'Nat.add_comm']
    """
    lemmas = set()
    for name in words(source):
        while name and name not in theorems:
            name = name.rpartition(".")[0]
        lemmas.add(name)
    return lemmas - {""}


# -- the core library ------------------------------------------------------------------------------


def core_library(project: Path = PROJECT) -> Library:
    """The core library, compiled when its sources are new (about 20 seconds).

    Raises:
        LeanUnavailable: no Lean that compiles it.
        LibraryError: a file does not compile, with path, line and Lean's message; or nothing can be
            written to `build_folder`.
    """
    toolchain = find_toolchain()
    try:
        folder = _build(toolchain, project)
    except OSError as error:
        raise LibraryError(
            f"the core library cannot be built under {build_folder(project)}: "
            f"{error.strerror or error}; set FD_CACHE to a folder that can be written"
        ) from error
    files = sorted(folder.rglob("*.olean"))
    parts = [part for file in files for part in (str(file.relative_to(folder)), file.read_bytes())]
    identity = _hash(toolchain.version, *parts)
    generated = ("Syntax.lean",)  # tables for Lean's parser, no statements
    return Library("core", toolchain, (folder,), project / "Fd", identity, generated)


def build_folder(project: Path = PROJECT) -> Path:
    """Where compiled files go: FD_CACHE, the checkout's .build, or the user's cache folder."""
    if given := os.environ.get("FD_CACHE"):
        return Path(given) / "lean"
    own = project / ".build"
    if os.access(own if own.exists() else project, os.W_OK):
        return own
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fdcore" / "lean"


def find_modules(project: Path = PROJECT) -> dict[str, Path]:
    """Module name -> source, of the core library: `Fd` and everything under Fd/."""
    sources = [project / "Fd.lean", *sorted((project / "Fd").rglob("*.lean"))]
    return {".".join(path.relative_to(project).with_suffix("").parts): path for path in sources}


def declared_theorems(source: Path) -> list[str]:
    """Full names of the theorems with a docstring that a core library's file declares, in order.

    Example: "namespace N\\n/-- d -/\\ntheorem t : …" gives ["N.t"].
    """
    names, spaces, documented = [], [], False
    for line in source.read_text(encoding="utf-8").splitlines():
        if opened := re.match(r"namespace (\S+)", line):
            spaces.append(opened[1])
        elif spaces and line == f"end {spaces[-1]}":
            spaces.pop()
        elif documented:
            theorem = re.match(r"(?:@\[[^\]]*\] )?(?:protected )?theorem (\S+)", line)
            names += [_plain(".".join([*spaces, theorem[1]]))] if theorem else []
        documented = line.startswith("/--") or (documented and line.startswith("set_option"))
    return names


def _plain(name: str) -> str:
    """A name without the quotes of keywords. Example: "Prod.«exists»" gives "Prod.exists"."""
    return name.replace("«", "").replace("»", "")


def _build(toolchain: Toolchain, project: Path) -> Path:
    """The folder of the compiled library. It appears by rename, complete, and never changes."""
    sources = find_modules(project)
    texts = [path.read_bytes() for path in sources.values()]
    build = build_folder(project)
    state = build / f"fd-{toolchain.version}-{_hash(*sources, *texts)[:12]}"
    if state.exists():
        return state
    build.mkdir(parents=True, exist_ok=True)
    with open(build / "lock", "w") as lock:  # one build at a time; a kill opens the lock
        fcntl.flock(lock, fcntl.LOCK_EX)
        if state.exists():
            return state
        for unfinished in build.glob("building-*"):
            shutil.rmtree(unfinished)
        count = len(sources)
        print(f"Lean {toolchain.version} compiles the core library: {count} files", file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix="building-", dir=build) as folder:
            _compile_all(toolchain, project, Path(folder) / "library")
            Path(folder, "library").rename(state)
    return state


def _compile_all(toolchain: Toolchain, project: Path, folder: Path) -> None:
    """Compile every module behind its imports, two at once."""
    sources = find_modules(project)
    order: TopologicalSorter[str] = TopologicalSorter()
    for name, source in sources.items():
        imports = re.findall(r"^import (\S+)", source.read_text(encoding="utf-8"), re.MULTILINE)
        order.add(name, *(module for module in imports if module in sources))
    try:
        order.prepare()
    except CycleError as error:
        raise LibraryError(f"modules import each other: {' -> '.join(error.args[1])}") from None
    with ThreadPoolExecutor(2) as pool:
        while ready := order.get_ready():
            jobs = [pool.submit(_compile, toolchain, sources[n], folder, project) for n in ready]
            for job in jobs:
                job.result()
            order.done(*ready)


def _compile(toolchain: Toolchain, source: Path, folder: Path, project: Path) -> None:
    olean = folder / source.relative_to(project).with_suffix(".olean")
    olean.parent.mkdir(parents=True, exist_ok=True)
    messages, ended = toolchain.run(source, "-o", str(olean), path=[folder], root=project)
    for message in messages:
        if message["severity"] == "error":
            raise LibraryError(f"{source}:{message['pos']['line']}: {message['data']}")
    if ended.returncode or not olean.exists():
        raise LibraryError(f"{source}: Lean ended with {ended.returncode}: {ended.stderr[-300:]}")


def _hash(*parts: str | bytes) -> str:
    digests = (hashlib.sha256(part.encode() if isinstance(part, str) else part) for part in parts)
    return hashlib.sha256(b"".join(digest.digest() for digest in digests)).hexdigest()


# -- Mathlib ---------------------------------------------------------------------------------------


def pinned_tag(project: Path = PROJECT) -> str:
    """Mathlib's tag, such as "v4.35.0", which lakefile.toml and lean-toolchain name together.

    Raises:
        LeanUnavailable: a file is missing, they name two releases, or one for another Lean.
    """
    try:
        lean = (project / "lean-toolchain").read_text(encoding="utf-8").strip().rpartition(":")[2]
        lakefile = tomllib.loads((project / "lakefile.toml").read_text(encoding="utf-8"))
        (tag,) = (need["rev"] for need in lakefile["require"] if need["name"] == "mathlib")
    except (OSError, ValueError, KeyError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise LeanUnavailable(f"{project} is no Lake project with Mathlib ({reason})") from None
    if lean != tag or not tag.startswith(f"v{VERSION}."):
        raise LeanUnavailable(
            f"{project} pins Mathlib {tag} (lakefile.toml) and Lean {lean} (lean-toolchain): both "
            f"must be one release for Lean {VERSION}, whose objects the judge reads"
        )
    return tag


def mathlib_library(project: Path = PROJECT) -> Library:
    """Mathlib as the Lake project in `project` has it.

    Raises:
        LeanUnavailable: the pinned Mathlib or its Lean is not here. The message names the first
            thing that is missing and the commands from there on.
    """
    tag, lean = pinned_tag(project), shutil.which("lean")
    fetch = f"run `lake update mathlib && lake exe cache get` in {project}"
    if lean is None:
        raise LeanUnavailable(f"Mathlib {tag} needs Lean from elan: {ELAN}, then {fetch}")
    package, manifest = project / ".lake" / "packages" / "mathlib", project / "lake-manifest.json"
    head = package / ".git" / "HEAD"  # Lake leaves it detached
    try:
        packages = {row["name"]: row for row in json.loads(manifest.read_bytes())["packages"]}
        locked = packages["mathlib"]
        here = locked["inputRev"], head.read_text(encoding="utf-8").strip()
    except (OSError, ValueError, KeyError):
        raise LeanUnavailable(f"Mathlib {tag} is not fetched; {fetch}") from None
    if here != (tag, locked["rev"]):
        raise LeanUnavailable(
            f"{package} holds commit {here[1][:12]}, lake-manifest.json Mathlib {here[0]} "
            f"({locked['rev'][:12]}), pinned is {tag}; {fetch}"
        )
    folders = [package, *sorted(set(package.parent.glob("*")) - {package}), project]
    compiled = [folder / ".lake" / "build" / "lib" / "lean" for folder in folders]
    module = compiled[0] / "Mathlib.olean"
    if not module.is_file():
        raise LeanUnavailable(
            f"Mathlib {tag} is not compiled; run `lake exe cache get` in {project}"
        )
    toolchain = elan_toolchain(lean, project)
    if toolchain.version != tag.lstrip("v").partition("-")[0]:
        raise LeanUnavailable(
            f"{project / 'lean-toolchain'} asks for Lean {tag}, but {toolchain.argv[0]} is "
            f"{toolchain.version}; put elan's lean first on PATH ({ELAN})"
        )
    identity = _hash(toolchain.version, manifest.read_bytes(), module.read_bytes())
    path = tuple(folder for folder in compiled if folder.is_dir())
    return Library("mathlib", toolchain, path, package / "Mathlib", identity)
