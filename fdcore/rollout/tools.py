"""The three tools of arXiv 2605.30861: `lean_write_file`, `lean_check_file`, `rg_in_mathlib`.

One thing is ours: a file may hold the tactics alone, and the statement is then put before them. A
model of a million parameters would spend most of its training on learning to copy the statement.

A call arrives as the text between `<tool_call>` and `</tool_call>`. A fault in it becomes the
tool's answer, and the episode goes on. Written files live in memory. A check comes back as a
`PendingCheck`, so that the checks of many episodes are judged together.
Left out on purpose: any knowledge of tokens or prompts.
"""

from __future__ import annotations

import functools
import heapq
import re
import shutil
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

from fdcore.lean.library import Library
from fdcore.lean.screen import MAX_CHARS
from fdcore.lean.source import SourceError, code
from fdcore.lean.verifier import Verifier
from fdcore.records import Problem, ToolCall, Verdict
from fdcore.rollout.tool_format import CallError, JSONCalls, ToolFormat

MAX_RAW, MAX_FILES, MAX_PATTERN = 4 * MAX_CHARS, 16, 200  # characters, files, characters
SEARCH_LINES, SEARCH_SECONDS, SEARCH_COLUMNS = 5, 10.0, 240  # five lines: the paper's tool server
LIKELY_HITS = 200  # hits whose files are looked at for their full names
# `open A in` and `set_option … in` begin a tactic as well, unless a declaration follows.
COMMAND = re.compile(
    r"^(?:@\[|(?:theorem|lemma|def|example|axiom|import|prelude|namespace|section|private|protected)"
    r"\b|(?:open|set_option)\b(?!.*?\bin\b(?!.*\b(?:theorem|lemma|def|example)\b)))",
    re.MULTILINE,
)
DECLARATION = re.compile(
    r"\s*(?:@\[[^\]]*\] *)*(?:(?:protected|private|noncomputable) +)*"
    r"(theorem|lemma|def|abbrev|axiom|inductive|structure|class) +([^\s:({\[]+)"
)
NAME = re.compile(r"(?:(?:theorem|lemma|def) +)?((?:[\w'!?]|\\?\.)+)")  # a pattern that is a name
PATH = re.compile(r"[A-Za-z0-9_-]{1,40}(?:/[A-Za-z0-9_-]{1,40}){0,3}\.lean")
RIPGREP = (
    "--no-config --no-ignore --no-heading --with-filename --line-number --color=never --sort=path "
    "--max-columns=400 --max-count=50 --type=lean"
)


@dataclass(frozen=True)
class PendingCheck:
    """A `lean_check_file` call that waits for its verdict on (problem, source)."""

    problem: Problem
    source: str
    raw: str
    arguments: dict


def _schema(name: str, description: str, arguments: tuple[str, ...]) -> dict:
    """A tool's JSON schema. All arguments are strings; only `glob` may be left out."""
    parameters = {
        "type": "object",
        "properties": {key: {"type": "string"} for key in arguments},
        "required": [key for key in arguments if key != "glob"],
    }
    function = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", "function": function}


class Tools:
    """The tools of one episode, with its private files."""

    schemas = [
        _schema(
            "lean_write_file",
            "Write a Lean file: all of it, or only the tactics after `by`.",
            ("path", "content"),
        ),
        _schema("lean_check_file", "Compile a written file.", ("path",)),
        _schema("rg_in_mathlib", "Search the library by regex.", ("pattern", "glob")),
    ]

    def __init__(
        self,
        problem: Problem,
        library: Library,
        *,
        output_chars: int,
        form: ToolFormat | None = None,
    ):
        """Args: `output_chars` is the longest answer; `form` is how calls are written (JSON)."""
        self.problem, self.library, self.output_chars = problem, library, output_chars
        self.form = form or JSONCalls()
        self.files: dict[str, str] = {}
        self.last_source: str | None = None  # the file written last: the episode is judged by it

    def begin(self, raw: str) -> ToolCall | PendingCheck:
        """Carry out a call, or as much of it as needs no Lean. Never raises."""
        name = arguments = None
        try:
            if len(raw) > MAX_RAW:
                raise CallError("the call is too long")
            name, arguments = self.form.read(raw)
            _check_arguments(name, arguments)
            if name == "lean_check_file":
                path = arguments["path"]
                if path not in self.files:
                    raise CallError(f"no file {path[:60]}; write it first")
                return PendingCheck(self.problem, self.files[path], _clean(raw), arguments)
            run = self._write if name == "lean_write_file" else self._search
            answer, ok = run(**arguments), True
        except CallError as error:
            answer, ok = f"error: {error}", False
        return self._record(raw, name, arguments, answer, ok)

    def finish(self, pending: PendingCheck, verdict: Verdict) -> ToolCall:
        """The answer to a check, from its verdict."""
        answer = report(verdict)
        return self._record(pending.raw, "lean_check_file", pending.arguments, answer, True)

    def call(self, raw: str, verifier: Verifier) -> ToolCall:
        """`begin`, the check where one is wanted, and `finish`."""
        started = self.begin(raw)
        if isinstance(started, PendingCheck):
            return self.finish(started, verifier.check(started.problem, started.source))
        return started

    def _write(self, path: str, content: str) -> str:
        if not PATH.fullmatch(path):
            raise CallError("path must be a short relative path that ends in .lean")
        if len(content) > MAX_CHARS:
            count = len(content)
            raise CallError(f"content has {count} characters; at most {MAX_CHARS} are allowed")
        if path not in self.files and len(self.files) >= MAX_FILES:
            raise CallError(f"there are {MAX_FILES} files already; write one of them again")
        self.files[path] = self.last_source = whole_source(self.problem, content)
        return f"wrote {path}"

    def _search(self, pattern: str, glob: str | None = None) -> str:
        if not pattern or len(pattern) > MAX_PATTERN or len(glob or "") > MAX_PATTERN:
            raise CallError(f"pattern must have 1 to {MAX_PATTERN} characters")
        if "\0" in pattern + (glob or ""):
            raise CallError("pattern holds a null character")
        return "\n".join(search(self.library, pattern, glob)) or "no match"

    def _record(
        self, raw: str, name: str | None, arguments: dict | None, answer: str, ok: bool
    ) -> ToolCall:
        answer = _clean(answer)
        if len(answer) > self.output_chars:
            answer = answer[: self.output_chars - 1] + "…"
        return ToolCall(raw=_clean(raw), name=name, arguments=arguments, output=answer, ok=ok)


def whole_source(problem: Problem, text: str) -> str:
    """The Lean file that a text means.

    A text in which a line of code begins with a command is the file itself. Any other text is the
    statement's tactics. Tactics that touch the first column are indented.

    >>> problem = Problem(id="p", header="", statement="theorem t : True := by", split="test")
    >>> whole_source(problem, "trivial")
    'theorem t : True := by\\n  trivial'
    """
    try:
        blanked = code(text)
    except SourceError:  # an open comment or string: Lean says so itself
        blanked = text
    if COMMAND.search(blanked):
        return text
    tactics = text.lstrip("\n")
    if re.search(r"^\S", tactics, re.MULTILINE):
        tactics = textwrap.indent(tactics, "  ")
    return f"{problem.statement}\n{tactics}"


def report(verdict: Verdict) -> str:
    """What `lean_check_file` says: `ok` for a proof, else Lean's messages, else the reason.

    Example: "2:6: error: Unknown constant `Nat.foo`".
    """
    lines = [f"{m.line}:{m.column}: {m.severity}: {m.text}" for m in verdict.messages]
    if verdict.verified:
        return "\n".join(["ok", *lines])
    if verdict.status == "sorry" and lines:
        return "\n".join(lines)
    has_error = any(message.severity == "error" for message in verdict.messages)
    return "\n".join(lines if has_error else [f"error: {verdict.detail}", *lines])


def search(library: Library, pattern: str, glob: str | None = None) -> list[str]:
    """The first lines of the library that match, each as `file: line`. Raises CallError.

    Declarations of the wanted name come first, then other declarations, shorter ones first, then
    the rest in the order of the files.
    """
    named = NAME.fullmatch(pattern)
    wanted = named[1].replace("\\.", ".") if named else ""
    last = wanted.rpartition(".")[2]
    patterns = [pattern]
    if last != wanted:  # in the sources it stands apart: `namespace Nat`, `theorem add_comm`
        patterns.append(rf" {re.escape(last)}([\s:({{\[]|$)")

    hits = [_Hit(library.sources, *place) for place in _run_ripgrep(library, patterns, glob)]
    if last != wanted:
        hits = [hit for hit in hits if hit.rank(wanted) < 2 or re.search(pattern, hit.text)]
    likely = heapq.nsmallest(LIKELY_HITS, hits, key=lambda hit: (hit.rank(wanted), hit.length))
    likely.sort(key=lambda hit: (hit.rank(wanted), len(hit.line) if hit.declares else 0, hit.place))
    return [hit.line[:SEARCH_COLUMNS] for hit in likely[:SEARCH_LINES]]


class _Hit:
    """A line of the library. Its namespaces, which cost a look at the file, are read when asked."""

    def __init__(self, sources: Path, path: str, number: int, text: str):
        self.sources, self.place, self.text = sources, (path, number), text
        self.declares = DECLARATION.match(text)
        self.type = re.split(r" :=(?: |$)", text[self.declares.end() :])[0] if self.declares else ""
        self.length = len(path + self.declares[0] + self.type) if self.declares else 0

    def rank(self, wanted: str) -> int:
        """0: declares the wanted full name, 1: one that ends so, 2: another, 3: declares none."""
        if self.declares is None:
            return 3
        if not wanted or self.declares[2].rpartition(".")[2] != wanted.rpartition(".")[2]:
            return 2
        if self.name == wanted:
            return 0
        return 1 if self.name.endswith("." + wanted) else 2

    @functools.cached_property
    def name(self) -> str:
        path, number = self.place
        return ".".join([*_namespaces(self.sources / path)[number - 1], self.declares[2]])

    @functools.cached_property
    def line(self) -> str:
        """A statement stands under its full name and without its proof.

        Example: "Nat/Basic.lean: theorem Nat.add_comm (n m : Nat) : n + m = m + n".
        """
        path = self.place[0]
        if self.declares is None:
            return f"{path}: {self.text.strip()}"
        return f"{path}: {self.declares[1]} {self.name}{self.type}".strip()


def ripgrep() -> str:
    """The path of `rg`: beside this Python (package ripgrep), else on PATH. FileNotFoundError."""
    beside = Path(sys.executable).with_name("rg")
    path = str(beside) if beside.exists() else shutil.which("rg")
    if not path:
        raise FileNotFoundError("ripgrep is missing; install it with: pip install ripgrep")
    return path


def _run_ripgrep(
    library: Library, patterns: list[str], glob: str | None
) -> list[tuple[str, int, str]]:
    """(file, line number, line) of all lines that match one of the patterns."""
    globs = [*([glob] if glob else []), *(f"!/{name}" for name in library.unsearched), "!.*"]
    command = [ripgrep(), *RIPGREP.split(), *(f"--glob={one}" for one in globs)]
    command += [*(f"--regexp={one}" for one in patterns), "--", "."]
    try:
        done = subprocess.run(
            command,
            cwd=library.sources,
            capture_output=True,
            timeout=SEARCH_SECONDS,
            env={},
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise CallError(f"the search took more than {SEARCH_SECONDS:.0f} s") from None
    if done.returncode == 2 and not done.stdout:
        reason = done.stderr.decode(errors="replace").strip().splitlines()[-1]
        raise CallError(f"bad pattern: {reason.removeprefix('error: ')[:120]}")
    lines = done.stdout.decode(errors="replace").splitlines()
    parts = (line.removeprefix("./").split(":", 2) for line in lines)
    return [(path, int(number), text) for path, number, text in parts]


@functools.lru_cache(maxsize=256)
def _namespaces(path: Path) -> list[tuple[str, ...]]:
    """For each line of a file the namespaces that are open there."""
    opened: list[str] = []
    lines = []
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
        lines.append(tuple(opened))
        word, _, name = line.strip().partition(" ")
        if word == "namespace":
            opened.append(name)
        elif word == "end" and opened and name == opened[-1]:
            opened.pop()
    return lines


def _check_arguments(name: str, arguments: dict) -> None:
    schemas = {tool["function"]["name"]: tool["function"]["parameters"] for tool in Tools.schemas}
    if name not in schemas:
        raise CallError(f"no tool {name[:40]!r}; there are {', '.join(schemas)}")
    for key in schemas[name]["required"]:
        if key not in arguments:
            raise CallError(f"{name} needs {key}")
    for key, value in arguments.items():
        if key not in schemas[name]["properties"]:
            raise CallError(f"{name} takes no {key[:40]!r}")
        if not isinstance(value, str):
            raise CallError(f"{key} must be a string")


def _clean(text: str) -> str:
    return text.encode("utf-8", errors="replace").decode()
