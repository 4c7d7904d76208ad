"""The judge: does this file prove this problem? Only Lean's kernel, in a process that runs no candidate, can say yes.

`verified` means: Lean compiled the file without an error or a sorry; a process that runs no candidate built the theorem's term,
and all that it rests on, anew from the compiled file's bytes, and its kernel accepted every declaration; the theorem's type is
the statement, elaborated there from the problem alone; and it depends on allowed axioms only. No exit code and no text of the
file decides. Everything before that step can only say no:

    text -> screen -> warm Lean elaborates ------------------------> the kernel judges        fault: rejected; no fault, same type: verified
                      no settled answer, or another type:
                      a fresh Lean compiles the file -> the kernel judges -> a fresh Lean compares by definitional equality

lean_project/VERIFIER.md says why this is sound, and lists the attacks. With a Lean from elan, whose library is not called
directly, the judge is the last step alone.

Left out on purpose: more than one machine (`fdcore.rollout.remote`).
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import tempfile
import textwrap
import threading
import time
import weakref
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from fdcore.lean.host import Elaborator, Judge, Judgement
from fdcore.lean.kernel import MAX_STATES
from fdcore.lean.library import Library, core_library
from fdcore.lean.process import RawMessage, WarmLean, WarmLeanFailed, WarmLeanLate
from fdcore.lean.sandbox import Finished, Sandbox, SandboxError
from fdcore.lean.screen import declares, screen
from fdcore.lean.source import theorem_name
from fdcore.records import LeanMessage, Problem, Verdict

BENCHES_A_JUDGE = 4  # a proof keeps the judge for a fifth of the time that it keeps the elaborator
WAITING_A_BENCH = 4  # files under way: more leave a choice of which comes next
MAX_PASSED = 64  # so many files may come before one that has waited longer
RULES = 4  # raised when a change here could change a verdict: part of every cache key
MAX_MESSAGES, MAX_MESSAGE_CHARS = 30, 1500
STANDARD_AXIOMS = ("propext", "Quot.sound", "Classical.choice")
PRISTINE, CANDIDATE, ACCEPT = "FdPristine", "FdCandidate", "FdAccept"
# What may come out differently in a warm process: such answers are asked of a fresh one.
UNSETTLED = re.compile(
    r"heartbeats|recursion depth|stack|memory|interrupt|internal exception|_uniq|_fvar"
)
AXIOMS = re.compile(r"'fdAccept' (?:does not depend on any axioms|depends on axioms: \[([^\]]*)\])")
COMMAND = re.compile(
    r"^(?:@\[|(?:theorem|lemma|def|example|axiom|import|prelude|open|namespace|section|private|protected|set_option)\b)",
    re.MULTILINE,
)


SETUP = re.compile(
    r"prelude\b|import\b|set_option\b"
)  # lines of a header that are the verifier's to choose, whatever header a problem brings


class StatementError(ValueError):
    """The problem's own statement does not elaborate: a fault of the problem set, not of a proof."""


class Verifier:
    """Judges files against problems, in parallel, with a cache. A context manager.

    `header` comes before every file; `heartbeats` is Lean's maxHeartbeats, which does not depend on the machine's load;
    `timeout_seconds` is CPU time (three times as much wall time); `memory_mb` is resident memory of one Lean process.
    A problem whose header opens other namespaces is judged under its own.
    """

    def __init__(
        self,
        library: Library,
        *,
        header: str,
        axioms: Sequence[str],
        timeout_seconds: float,
        memory_mb: int,
        heartbeats: int,
        workers: int,
        cache_dir: Path | None,
        warm: bool = True,
    ):
        self.header = header if header.endswith("\n") else header + "\n"
        self.imports, _ = split_imports(self.header)
        self.axioms, self.timeout_seconds, self.memory_mb, self.heartbeats = (
            frozenset(axioms),
            timeout_seconds,
            memory_mb,
            heartbeats,
        )
        self.warm = warm
        self._cache = VerdictCache(
            cache_dir,
            [
                RULES,
                library.identity,
                self.header,
                sorted(axioms),
                timeout_seconds,
                memory_mb,
                heartbeats,
            ],
        )
        self._scratch, held = scratch_folder()
        self._pool = ThreadPoolExecutor(WAITING_A_BENCH * workers, thread_name_prefix="verifier")
        judges = self._judges(library, (workers + BENCHES_A_JUDGE - 1) // BENCHES_A_JUDGE)
        self._all = [
            _Bench(self, library, self._scratch / str(i), judges[i // BENCHES_A_JUDGE])
            for i in range(workers)
        ]
        self._benches = _Benches(self._all)
        self._statements: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()
        self._end = weakref.finalize(self, _end, self._all, self._pool, self._scratch, held)

    def check(self, problem: Problem, source: str) -> Verdict:
        """The verdict on one file. Never raises for any string as `source`."""
        return self.check_many([(problem, source)])[0]

    def check_many(self, pairs: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        """Verdicts in the order of the pairs; equal pairs are checked once, a problem's one after another. Raises StatementError for a defective problem."""
        keys = [self._cache.key(problem, source) for problem, source in pairs]
        todo = sorted(dict(zip(keys, pairs)).items(), key=lambda item: item[1][0].statement)
        futures = {key: self._pool.submit(self._judge, key, *pair) for key, pair in todo}
        try:
            found = {key: future.result() for key, future in futures.items()}
        except BaseException:  # an error or Ctrl-C: what has not begun does not begin
            for future in futures.values():
                future.cancel()
            raise
        return [found[key] for key in keys]

    def _judges(self, library: Library, count: int) -> list[Judge | None]:
        shared, env = library.toolchain.shared, dict(library.toolchain.env)
        if shared is None:
            return [None] * count
        limits = {
            "heartbeats": 10 * self.heartbeats,
            "memory_mb": self.memory_mb,
            "seconds": self.timeout_seconds,
        }
        return [
            Judge(
                shared,
                library.path[0],
                env,
                self.imports,
                self._scratch / f"judge{i}",
                **limits,
            )
            for i in range(count)
        ]

    def close(self) -> None:
        """End every Lean process and remove every temporary file."""
        self._end()

    def __enter__(self) -> Verifier:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _judge(self, key: str, problem: Problem, source: str) -> Verdict:
        imports, context = split_imports(header_for(problem, self.header))
        body, dropped = split_header(source, imports + context)
        refusal = screen(body, theorem_name(problem.statement))
        if refusal is not None:
            where = LeanMessage(
                severity="error",
                line=refusal.line + dropped,
                column=refusal.column,
                text=refusal.reason,
            )
            return Verdict(status="forbidden", messages=(where,), detail=refusal.reason)
        if (known := self._cache.read(key)) is not None:
            return known
        bench = self._benches.take(context + problem.statement)
        try:
            verdict, lasting = bench.judge(_File(problem, imports, context, body, dropped))
        except SandboxError as error:
            verdict, lasting = Verdict(status="crash", detail=str(error)), False
        finally:
            self._benches.give(bench)
        if lasting:
            self._cache.write(key, verdict)
        return verdict

    def statement(self, file: _File, bench: _Bench) -> Path:
        """The folder with the problem's statement, compiled from the problem alone; made at its first use. Raises StatementError."""
        folder = (
            self._scratch
            / "statements"
            / hashlib.sha256((file.header + file.problem.statement).encode()).hexdigest()[:24]
        )
        with self._lock:
            lock = self._statements.setdefault(folder.name, threading.Lock())
        with lock:
            if not folder.exists():
                made = bench.compile_statement(file)
                folder.parent.mkdir(exist_ok=True)
                made.rename(folder)
        return folder


def check_command(
    statement: Path,
    proof: Path,
    *,
    axioms: Sequence[str] = STANDARD_AXIOMS,
    timeout_seconds: float = 60,
    memory_mb: int = 4096,
    heartbeats: int = 200_000,
) -> tuple[Verdict, int]:
    """(verdict, exit status: 0 only when verified) of `fdcore judge`.

    The statement file holds a header and one theorem that ends in `:= by`, with or without a `sorry`. The proof file holds the
    whole Lean file, or only the tactic block that goes behind `:= by` (`whole_source` tells them apart). Raises
    ValueError for a file that is missing or is not of this form, StatementError where the statement does not elaborate.
    """
    for path in (statement, proof):
        if not Path(path).is_file():
            raise ValueError(f"no file {path}")
    problem = read_statement(Path(statement))
    text = whole_source(problem, Path(proof).read_bytes().decode("utf-8", errors="surrogateescape"))
    with Verifier(
        core_library(),
        header=problem.header,
        axioms=axioms,
        timeout_seconds=timeout_seconds,
        memory_mb=memory_mb,
        heartbeats=heartbeats,
        workers=1,
        cache_dir=None,
        warm=False,
    ) as verifier:
        verdict = verifier.check(problem, text)
    return verdict, 0 if verdict.verified else 1


def whole_source(problem: Problem, text: str) -> str:
    """The Lean file that a text means: itself where a line begins with a command, else the statement with the text as its tactics.

    >>> whole_source(Problem(id="p", header="", statement="theorem t : True := by", split="test"), "trivial")
    'theorem t : True := by\\n  trivial'
    """
    if COMMAND.search(text):
        return text
    return (
        problem.statement
        + "\n"
        + (text.lstrip("\n") if text[:1] in (" ", "\n") else textwrap.indent(text, "  "))
    )


def read_statement(path: Path) -> Problem:
    """The problem that a Lean file with header and one unproved theorem states."""
    text = path.read_text(encoding="utf-8").replace("\r\n", "\n")
    match = re.search(
        r"^(?:theorem|lemma)\s.*:=\s*by(?=\s*(?:sorry\s*)?\Z)", text, re.DOTALL | re.MULTILINE
    )
    if match is None:
        raise ValueError(
            f"{path}: it must hold a header and a theorem that ends in ':= by' or ':= by sorry'"
        )
    return Problem(id=path.stem, header=text[: match.start()], statement=match[0], split="test")


class _File(NamedTuple):
    """A file to judge: `imports` + `context` + `body` is the text that Lean sees."""

    problem: Problem
    imports: str  # the first part of the header, which warm processes hold
    context: str  # the rest of it: what it opens
    body: str  # the model's text without a header of its own
    dropped: int  # lines of the model's text that were such a header

    @property
    def header(self) -> str:
        return self.imports + self.context


class _Benches:
    """Which bench judges what. A statement's files go to a bench that has elaborated the statement, where that keeps none waiting."""

    def __init__(self, benches: Sequence[_Bench]):
        self._free, self._lock = list(benches), threading.Lock()
        self._has: dict[_Bench, dict[str, None]] = {
            bench: {} for bench in benches
        }  # statements, the newest last
        self._waiting: list[tuple[str, Future]] = []
        self._passed = 0  # how often the first of those who wait was passed over

    def take(self, statement: str) -> _Bench:
        """A bench for a file of this statement; waits for one where none is free."""
        with self._lock:
            if self._free:
                bench = next(
                    (each for each in self._free if statement in self._has[each]), self._free[0]
                )
                self._free.remove(bench)
                return self._given(bench, statement)
            waiter: Future[_Bench] = Future()
            self._waiting.append((statement, waiter))
        return waiter.result()

    def give(self, bench: _Bench) -> None:
        """Back from who took it, and on to who waits: for a file of its own statements, for one that no bench has, or the longest."""
        with self._lock:
            if not self._waiting:
                return self._free.append(bench)
            own = (
                place
                for place, (statement, _) in enumerate(self._waiting)
                if statement in self._has[bench]
            )
            new = (
                place
                for place, (statement, _) in enumerate(self._waiting)
                if not any(statement in has for has in self._has.values())
            )
            place = next(own, next(new, 0)) if self._passed < MAX_PASSED else 0
            self._passed = self._passed + 1 if place else 0
            statement, waiter = self._waiting.pop(place)
            waiter.set_result(self._given(bench, statement))

    def _given(self, bench: _Bench, statement: str) -> _Bench:
        has = self._has[bench]
        has.pop(statement, None)
        has[statement] = None
        if len(has) > MAX_STATES:
            del has[next(iter(has))]
        return bench


class _Bench:
    """One worker's place: a sandbox for fresh processes, a warm Lean, and a folder. `judged` is shared by several."""

    def __init__(
        self,
        owner: Verifier,
        library: Library,
        folder: Path,
        judged: Judge | None,
    ):
        self.limits = {
            "cpu_seconds": owner.timeout_seconds,
            "wall_seconds": 3 * owner.timeout_seconds,
            "memory_mb": owner.memory_mb,
        }
        self.owner, self.folder, self.path, self.env = (
            weakref.proxy(owner),
            folder,
            library.path,
            dict(library.toolchain.env),
        )
        toolchain, path = library.toolchain, library.path
        self.options = ["--json", "-j", "1"]
        shared = toolchain.shared
        self.sandbox = Sandbox(list(toolchain.argv), library=shared, folder=folder)
        self.server = self.elaborator = None
        self.judged, limits = (
            judged,
            {
                "heartbeats": owner.heartbeats,
                "memory_mb": owner.memory_mb,
                "seconds": owner.timeout_seconds,
            },
        )
        if owner.warm and shared is not None:
            self.elaborator = Elaborator(
                shared, path[0], self.env, owner.imports, folder / "warm", **limits
            )
        elif owner.warm:
            self.server = WarmLean(
                list(toolchain.argv),
                self.env | {"LEAN_PATH": ":".join(map(str, path))},
                owner.imports,
                folder / "warm",
                **limits,
            )

    def judge(self, file: _File) -> tuple[Verdict, bool]:
        """(verdict, whether it would come out the same again) of a file that passed the screen."""
        settled = self._warm(file)
        if settled is not None:
            return settled
        ended = self._lean(
            CANDIDATE,
            file.header + file.body + "\n",
            self._fresh("candidate"),
            self.owner.heartbeats,
        )
        verdict, lasting = self._read(ended, file)
        if verdict is not None:
            return verdict, lasting
        if not declares(file.body, theorem_name(file.problem.statement)):
            return self._not_stated(file.problem, ended.seconds), True
        self.owner.statement(file, self)  # a defective problem is found out first
        if self.judged is not None:
            try:
                refused = self._judgement(
                    file, self.folder / "candidate" / f"{CANDIDATE}.olean"
                ).refused
            except WarmLeanFailed as error:
                return _no_answer(error, ended.seconds), False
            if refused:
                return Verdict(
                    status="failed",
                    messages=self._messages(_parse(ended.stdout)[0], file),
                    seconds=ended.seconds,
                    detail=refused,
                ), True
        return self._accept(file, ended)

    def _warm(self, file: _File) -> tuple[Verdict, bool] | None:
        """As `judge`, by warm processes: against the file from the elaborator, for it from the judge. None where neither is settled."""
        if self.elaborator is None and self.server is None:
            return None
        started, olean = time.monotonic(), None
        try:
            if self.elaborator is not None:
                rows, olean = self.elaborator.elaborate(
                    file.context + file.body + "\n", file.context + file.problem.statement
                )
                raw = _rows(rows, file.imports.count("\n"))
            else:
                raw = self.server.messages(file.context + file.body + "\n")
            if any(UNSETTLED.search(message.text) for message in raw):
                return None
            messages = self._messages(raw, file)
            rejection = _rejection(messages, any(m.sorry for m in raw), 0.0)
            if rejection is not None:
                return rejection, True
            if olean is None:
                return None
            if not declares(file.body, theorem_name(file.problem.statement)):
                return self._not_stated(file.problem, 0.0), True
            found = self._judgement(file, olean)
        except WarmLeanLate as error:  # a fresh process has no more time
            return _no_answer(error, round(time.monotonic() - started, 4)), False
        except (
            WarmLeanFailed,
            KeyError,
            TypeError,
            AttributeError,
        ):  # no answer, or one of no known shape: a candidate ran in that process
            return None
        if found.refused or not found.same or not self.owner.axioms.issuperset(found.axioms):
            return None
        return Verdict(
            status="verified",
            messages=messages,
            axioms=found.axioms,
            seconds=round(time.monotonic() - started, 4),
        ), True

    def _judgement(self, file: _File, olean: Path) -> Judgement:
        """Raises WarmLeanFailed."""
        return self.judged.judge(
            file.context + _stated(file.problem),
            pristine_name(file.problem),
            theorem_name(file.problem.statement),
            olean,
        )

    def _not_stated(self, problem: Problem, seconds: float) -> Verdict:
        return Verdict(
            status="failed",
            seconds=seconds,
            detail=f"the file does not state the theorem {theorem_name(problem.statement)}",
        )

    def _accept(self, file: _File, compiled: Finished) -> tuple[Verdict, bool]:
        """The step that can say yes: statement and candidate, both compiled, meet in a clean process."""
        problem, statement = file.problem, self.owner.statement(file, self)
        folder, name = self._fresh("accept"), theorem_name(problem.statement)
        (self.folder / "candidate" / f"{CANDIDATE}.olean").rename(folder / f"{CANDIDATE}.olean")
        imports = [
            line for line in file.imports.splitlines() if line.startswith(("prelude", "import "))
        ]
        lines = [
            *imports,
            f"import {PRISTINE}",
            f"import {CANDIDATE}",
            f"theorem fdAccept : type_of% @{pristine_name(problem)} := @_root_.{name}",
            "#print axioms fdAccept",
        ]
        ended = self._lean(
            ACCEPT, "\n".join(lines) + "\n", folder, 10 * self.owner.heartbeats, [statement, folder]
        )
        messages, _ = _parse(ended.stdout)
        seconds = round(compiled.seconds + ended.seconds, 4)
        own, _ = _parse(compiled.stdout)
        said = self._messages(own, file)
        if ended.reason != "exit" or ended.code not in (0, 1):
            return _abnormal(ended), False
        if (
            ended.code == 0
            and [(m.line, m.severity) for m in messages] == [(len(lines), "info")]
            and (match := AXIOMS.fullmatch(messages[0].text))
        ):
            axioms = tuple(
                sorted(name.strip() for name in (match[1] or "").split(",") if name.strip())
            )
            foreign = [name for name in axioms if name not in self.owner.axioms]
            if not foreign:
                return Verdict(
                    status="verified", messages=said, axioms=axioms, seconds=seconds
                ), True
            status = "sorry" if "sorryAx" in foreign else "forbidden"
            return Verdict(
                status=status,
                messages=said,
                axioms=axioms,
                seconds=seconds,
                detail=f"the proof uses the axiom {foreign[0]}",
            ), True
        return Verdict(
            status="failed",
            messages=said,
            seconds=seconds,
            detail=f"the theorem {theorem_name(problem.statement)} is not the statement that was given",
        ), True

    def compile_statement(self, file: _File) -> Path:
        """A new folder with FdPristine.olean. Raises StatementError with Lean's message, SandboxError where Lean did not end well."""
        problem, folder = file.problem, self._fresh("statement")
        ended = self._lean(
            PRISTINE, file.header + _stated(problem), folder, 10 * self.owner.heartbeats
        )
        messages, _ = _parse(ended.stdout)
        errors = [m.text for m in messages if m.severity == "error"]
        if errors:
            raise StatementError(
                f"problem {problem.id}: its statement does not elaborate: {errors[0].splitlines()[0]}"
            )
        if ended.code != 0 or not (folder / f"{PRISTINE}.olean").exists():
            raise SandboxError(
                f"problem {problem.id}: Lean did not end well on the statement ({ended.reason}, {ended.code})"
            )
        return folder

    def _lean(
        self, module: str, text: str, folder: Path, heartbeats: int, path: Sequence[Path] = ()
    ) -> Finished:
        (folder / f"{module}.lean").write_text(text, encoding="utf-8")
        arguments = [
            *self.options,
            f"-DmaxHeartbeats={heartbeats}",
            "-o",
            f"{module}.olean",
            f"{module}.lean",
        ]
        search = ":".join(
            map(str, (*self.path, *path))
        )  # the library first: nothing in a later folder can stand in for it
        return self.sandbox.run(
            arguments, folder=folder, env=self.env | {"LEAN_PATH": search}, **self.limits
        )

    def _read(self, ended: Finished, file: _File) -> tuple[Verdict | None, bool]:
        """The verdict of a fresh compilation, None where Lean found no fault; and whether it would come out the same again."""
        raw, readable = _parse(ended.stdout)
        if ended.reason != "exit" or ended.code not in (0, 1) or not readable:
            return _abnormal(ended), False
        rejection = _rejection(self._messages(raw, file), any(m.sorry for m in raw), ended.seconds)
        if rejection is None and ended.code == 1:
            return _abnormal(ended), False
        return rejection, True

    @staticmethod
    def _messages(raw: Sequence[RawMessage], file: _File) -> tuple[LeanMessage, ...]:
        """Messages in the coordinates of the text that the model wrote, free of what differs between runs.

        In the order of places; what is left open after an error comes last, since the error explains it."""
        above = file.header.count("\n") - file.dropped
        found = [
            LeanMessage(
                severity=m.severity,
                line=max(1, m.line - above),
                column=m.column,
                text=normalize(m.text),
            )
            for m in raw
        ]
        found = sorted(
            set(found),
            key=lambda m: (
                m.text.startswith("unsolved goals"),
                m.line,
                m.column,
                m.severity,
                m.text,
            ),
        )
        return tuple(found[:MAX_MESSAGES])

    def _fresh(self, name: str) -> Path:
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def stop(self) -> None:
        """From another thread: end what runs, for good."""
        for each in self._processes():
            each.stop()

    def close(self) -> None:
        for each in self._processes():
            each.close()

    def _processes(self):
        return [
            each
            for each in (self.sandbox, self.server, self.elaborator, self.judged)
            if each is not None
        ]


class VerdictCache:
    """Verdicts by content: in memory, and one small file each in `folder` (or None). Safe under concurrent runs."""

    def __init__(self, folder: Path | None, settings: list):
        self.folder = Path(folder) if folder is not None else None
        self._settings = json.dumps(settings)
        self._known: dict[str, Verdict] = {}

    def key(self, problem: Problem, source: str) -> str:
        parts = json.dumps([self._settings, problem.header, problem.statement, source])
        return hashlib.sha256(parts.encode()).hexdigest()

    def read(self, key: str) -> Verdict | None:
        if key in self._known or self.folder is None:
            return self._known.get(key)
        try:
            return Verdict.model_validate_json(self._path(key).read_bytes())
        except (OSError, ValidationError):
            return None

    def write(self, key: str, verdict: Verdict) -> None:
        if len(self._known) > 50_000:
            self._known.clear()
        self._known[key] = verdict
        if self.folder is None:
            return
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                "w", encoding="utf-8", dir=path.parent, suffix=".partial", delete=False
            ) as file:
                file.write(verdict.model_dump_json())
            Path(file.name).replace(path)
        except (
            OSError
        ):  # a cache that cannot be written (a full disk, a read-only folder) must not stop a run
            pass

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"


def split_header(source: str, header: str) -> tuple[str, int]:
    """(the text without a header of its own, lines dropped). Leading lines that stand in the header are the header's.

    Example: with header "prelude\\nimport Fd\\n", "import Fd\\n\\ntheorem t …" gives ("theorem t …", 2).
    """
    own = {line.strip() for line in header.splitlines()} | {""}
    lines = source.replace("\r\n", "\n").split("\n")
    dropped = 0
    while dropped < len(lines) and lines[dropped].strip() in own:
        dropped += 1
    return "\n".join(lines[dropped:]), dropped


def split_imports(header: str) -> tuple[str, str]:
    """(the header up to its last import, the rest).

    Example: "import A\\n\\nopen B\\n" gives ("import A\\n", "\\nopen B\\n")."""
    lines = header.splitlines(keepends=True)
    after = max(
        (number for number, line in enumerate(lines, 1) if re.match(r"prelude\b|import\b", line)),
        default=0,
    )
    return "".join(lines[:after]), "".join(lines[after:])


def header_for(problem: Problem, header: str) -> str:
    """The header above a problem's files: the verifier's own, or its imports and options with what the problem's header opens.

    Example: with header "import Mathlib\\nset_option maxHeartbeats 400000\\nopen Nat\\n" a problem's "import Mathlib\\nset_option
    maxHeartbeats 0\\nopen Real\\n" gives "import Mathlib\\nset_option maxHeartbeats 400000\\nopen Real\\n".
    """
    own = problem.header.splitlines()
    if not problem.header.strip() or problem.header.split() == header.split():
        return header
    return (
        "\n".join(
            [
                *(line for line in header.splitlines() if SETUP.match(line)),
                *(line for line in own if line.strip() and not SETUP.match(line)),
            ]
        )
        + "\n"
    )


def normalize(text: str) -> str:
    """A message without what depends on a process's history: metavariables are numbered anew, hygiene marks dropped, length limited.

    Example: "?m.431 : ?m.12 → ?m.431" becomes "?m.1 : ?m.2 → ?m.1".
    """
    numbers: dict[str, str] = {}

    def renumber(match: re.Match) -> str:
        return numbers.setdefault(match[0], f"{match[1]}.{len(numbers) + 1}")

    text = re.sub(r"(\?[mu])\.\d+", renumber, text)
    text = re.sub(r"\._@\.\S*?_hyg\.\d+", "", text)
    return text if len(text) <= MAX_MESSAGE_CHARS else text[:MAX_MESSAGE_CHARS] + " …"


def pristine_name(problem: Problem) -> str:
    """The name under which the statement itself is compiled: beside the problem's own, so that names in it resolve alike."""
    namespace, dot, _ = theorem_name(problem.statement).rpartition(".")
    return namespace + dot + "fdPristine"


def _stated(problem: Problem) -> str:
    """The statement alone, under the name of `pristine_name`, with a sorry for its proof."""
    return (
        re.sub(
            r"\b(?:theorem|lemma)\s+" + re.escape(theorem_name(problem.statement)),
            lambda _: f"theorem {pristine_name(problem)}",
            problem.statement,
            count=1,
        )
        + " sorry\n"
    )


def scratch_folder() -> tuple[Path, int]:
    """A new temporary folder and the lock that marks it as in use. Folders of killed processes, whose lock is free, are removed."""
    for old in Path(tempfile.gettempdir()).glob("fdcore-verifier-*/lock"):
        try:
            with open(old) as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(old.parent, ignore_errors=True)
        except OSError:  # in use, or another user's
            pass
    folder = Path(tempfile.mkdtemp(prefix="fdcore-new-"))
    held = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(held, fcntl.LOCK_EX)
    return folder.rename(
        folder.with_name(folder.name.replace("new", "verifier"))
    ), held  # only now can it be taken for an old one


def _parse(stdout: str) -> tuple[list[RawMessage], bool]:
    """(messages of `lean --json`, whether every line could be read)."""
    found = []
    for line in stdout.splitlines():
        try:
            found += _rows([json.loads(line)] if line.strip() else [])
        except (ValueError, KeyError, TypeError):
            return found, False
    return found, True


def _rows(rows: list[dict], above: int = 0) -> list[RawMessage]:
    """Messages from Lean's JSON; `above` is the number of lines that stand above the text."""
    shown, short = [row for row in rows if not row.get("isSilent")], {"information": "info"}
    return [
        RawMessage(
            row["pos"]["line"] + above,
            row["pos"]["column"],
            short.get(row["severity"], row["severity"]),
            row["data"],
            row.get("kind") == "hasSorry",
        )
        for row in shown
    ]


def _rejection(messages: tuple[LeanMessage, ...], sorry: bool, seconds: float) -> Verdict | None:
    """The verdict against a file that the messages give, or None where they hold nothing against it."""
    errors = [message for message in messages if message.severity == "error"]
    if errors:
        first = errors[0]
        late = any("heartbeats" in message.text for message in errors)
        detail = (
            f"{first.line}:{first.column}: {first.text.splitlines()[0][:200] if first.text else ''}"
        )
        return Verdict(
            status="timeout" if late else "failed",
            messages=messages,
            seconds=seconds,
            detail=detail,
        )
    if sorry:
        return Verdict(
            status="sorry", messages=messages, seconds=seconds, detail="the proof uses sorry"
        )
    return None


def _abnormal(ended: Finished) -> Verdict:
    """The verdict on a file over which Lean did not end by itself."""
    if ended.reason in ("cpu", "wall"):
        return Verdict(
            status="timeout", seconds=ended.seconds, detail="Lean was stopped: out of time"
        )
    if ended.reason in ("memory", "output"):
        return Verdict(
            status="resource",
            seconds=ended.seconds,
            detail=f"Lean was stopped: too much {ended.reason}",
        )
    last = (ended.stderr.strip().splitlines() or [""])[-1][:200]
    status = "resource" if "memory" in last or "bad_alloc" in last else "crash"
    return Verdict(
        status=status, seconds=ended.seconds, detail=f"Lean ended with status {ended.code}: {last}"
    )


def _no_answer(error: WarmLeanFailed, seconds: float) -> Verdict:
    return Verdict(
        status="timeout" if isinstance(error, WarmLeanLate) else "crash",
        seconds=seconds,
        detail=f"Lean was stopped: {error}",
    )


def _end(benches: list[_Bench], pool: ThreadPoolExecutor, scratch: Path, held: int) -> None:
    for bench in benches:  # whoever still waits for Lean, after Ctrl-C for example, waits no longer
        bench.stop()
    pool.shutdown(wait=True, cancel_futures=True)
    for bench in benches:
        bench.close()
    shutil.rmtree(scratch, ignore_errors=True)
    os.close(held)
