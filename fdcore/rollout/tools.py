"""The paper's three tools for one episode: `lean_write_file`, `lean_check_file`, `rg_in_mathlib` (arXiv 2605.30861, environment).

One thing is ours: a file may hold the tactics alone, and the statement is then put before them. A model of a million parameters
would spend most of its training on learning to copy the statement.

A call arrives as the text between `<tool_call>` and `</tool_call>`; whatever is wrong with it becomes the tool's answer and
the episode goes on. Written files live in memory. A check is handed back as a `PendingCheck`, so that the checks of many
episodes can be judged together. Left out on purpose: any knowledge of tokens or prompts.
"""

from __future__ import annotations

import functools
import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from fdcore.lean.library import Library
from fdcore.lean.screen import MAX_CHARS
from fdcore.lean.verifier import whole_source
from fdcore.records import Problem, ToolCall, Verdict

MAX_RAW, MAX_FILES, MAX_PATTERN = 4 * MAX_CHARS, 16, 200
SEARCH_LINES, SEARCH_SECONDS, SEARCH_COLUMNS = 5, 10.0, 240  # five lines: the paper's tool server
DECLARATION = re.compile(
    r"\s*(?:@\[[^\]]*\] *)*(?:(?:protected|private|noncomputable) +)*(theorem|lemma|def|abbrev|axiom|inductive|structure|class) +([^\s:({\[]+)"
)
NAME = re.compile(
    r"(?:(?:theorem|lemma|def) +)?((?:[\w'!?]|\\?\.)+)"
)  # a pattern that is a plain name
PATH = re.compile(r"[A-Za-z0-9_-]{1,40}(?:/[A-Za-z0-9_-]{1,40}){0,3}\.lean")


def _schema(
    name: str, description: str, parameters: dict[str, str], optional: tuple[str, ...] = ()
) -> dict:
    properties = {
        key: {"type": "string"} | ({"description": text} if text else {})
        for key, text in parameters.items()
    }
    required = [key for key in parameters if key not in optional]
    return {
        "type": "function",
        "function": {
            "name": name,
            "description": description,
            "parameters": {"type": "object", "properties": properties, "required": required},
        },
    }


class ToolError(ValueError):
    """A call that cannot be carried out; the message is the answer that the model gets."""


@dataclass(frozen=True)
class PendingCheck:
    """A `lean_check_file` call that waits for its verdict on (problem, source)."""

    problem: Problem
    source: str
    raw: str
    arguments: dict


class Tools:
    """The tools of one episode, with its private files.

    `library` is what `rg_in_mathlib` searches, `output_chars` the longest answer. `verifier` is used by `call` alone.
    """

    schemas = [
        _schema(
            "lean_write_file",
            "Write a Lean file: all of it, or only the tactics after `by`.",
            {"path": "", "content": ""},
        ),
        _schema("lean_check_file", "Compile a written file.", {"path": ""}),
        _schema(
            "rg_in_mathlib",
            "Search the library by regex.",
            {"pattern": "", "glob": ""},
            optional=("glob",),
        ),
    ]

    def __init__(self, problem: Problem, verifier=None, *, library: Library, output_chars: int):
        self.problem, self.verifier, self.library, self.output_chars = (
            problem,
            verifier,
            library,
            output_chars,
        )
        self.files: dict[str, str] = {}
        self.last_source: str | None = None  # the file written last: what the episode is judged by

    def begin(self, raw: str) -> ToolCall | PendingCheck:
        """Carry out a call, or as much of it as needs no Lean. Never raises."""
        name = arguments = None
        try:
            name, arguments = parse_call(raw)
            _check_arguments(name, arguments)
            if name == "lean_check_file":
                return PendingCheck(
                    self.problem, self._file(arguments["path"]), _clean(raw), arguments
                )
            answer = (
                self._write(**arguments) if name == "lean_write_file" else self._search(**arguments)
            )
        except ToolError as error:
            return ToolCall(
                raw=_clean(raw),
                name=name,
                arguments=arguments,
                output=self._cut(f"error: {error}"),
                ok=False,
            )
        return ToolCall(
            raw=_clean(raw), name=name, arguments=arguments, output=self._cut(answer), ok=True
        )

    def finish(self, pending: PendingCheck, verdict: Verdict) -> ToolCall:
        """The answer to a check, from its verdict."""
        return ToolCall(
            raw=pending.raw,
            name="lean_check_file",
            arguments=pending.arguments,
            output=self._cut(report(verdict)),
            ok=True,
        )

    def call(self, raw: str) -> ToolCall:
        """`begin`, the check where one is wanted, and `finish`."""
        started = self.begin(raw)
        return (
            self.finish(started, self.verifier.check(started.problem, started.source))
            if isinstance(started, PendingCheck)
            else started
        )

    def _write(self, path: str, content: str) -> str:
        if not PATH.fullmatch(path):
            raise ToolError("path must be a short relative path that ends in .lean")
        if len(content) > MAX_CHARS:
            raise ToolError(
                f"content has {len(content)} characters; at most {MAX_CHARS} are allowed"
            )
        if path not in self.files and len(self.files) >= MAX_FILES:
            raise ToolError(f"there are {MAX_FILES} files already; write one of them again")
        self.files[path] = self.last_source = whole_source(self.problem, content)
        return f"wrote {path}"

    def _file(self, path: str) -> str:
        if path not in self.files:
            raise ToolError(f"no file {path[:60]}; write it first")
        return self.files[path]

    def _search(self, pattern: str, glob: str | None = None) -> str:
        """The first lines of the library that match, each as `file: line`: what is named so, then other statements, shorter ones first, then the rest."""
        if not pattern or len(pattern) > MAX_PATTERN or len(glob or "") > MAX_PATTERN:
            raise ToolError(f"pattern must have 1 to {MAX_PATTERN} characters")
        if "\0" in pattern + (glob or ""):
            raise ToolError("pattern holds a null character")
        named = NAME.fullmatch(pattern)
        wanted = named[1].replace("\\.", ".") if named else ""
        hits = self._ripgrep(pattern, glob)
        if (
            "." in wanted
        ):  # in the sources a full name stands apart: `namespace Nat`, then `theorem add_comm`
            last = wanted.rsplit(".", 1)[1]
            hits |= {
                place: text
                for place, text in self._ripgrep(rf" {re.escape(last)}([\s:({{\[]|$)", glob).items()
                if self._name(*place, text).endswith(wanted)
            }

        def rank(hit: tuple[tuple[str, int], str]) -> tuple[int, int]:
            name = self._name(*hit[0], hit[1])
            kind = (
                3
                if not name
                else 0
                if name == wanted
                else 1
                if wanted and name.endswith("." + wanted)
                else 2
            )
            return kind, len(
                self._result(*hit[0], hit[1])
            ) if name else 0  # the sort is stable: other lines stay in their files' order

        return (
            "\n".join(
                self._result(*place, text)
                for place, text in sorted(hits.items(), key=rank)[:SEARCH_LINES]
            )
            or "no match"
        )

    def _ripgrep(self, pattern: str, glob: str | None) -> dict[tuple[str, int], str]:
        """(file, line number) -> line, of all lines that match."""
        command = [ripgrep(), "--no-config", "--no-ignore", "--no-heading", "--with-filename", "--line-number", "--color=never", "--sort=path",
                   "--max-columns=400", "--max-count=50", "--type=lean"]  # fmt: skip
        command += ([f"--glob={glob}"] if glob else []) + [
            *(f"--glob=!{name}" for name in self.library.unsearched),
            "--glob=!.*",
            "-e",
            pattern,
            "--",
            ".",
        ]
        try:
            done = subprocess.run(
                command,
                cwd=self.library.sources,
                capture_output=True,
                timeout=SEARCH_SECONDS,
                env={},
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired:
            raise ToolError(f"the search took more than {SEARCH_SECONDS:.0f} s") from None
        if done.returncode == 2 and not done.stdout:
            raise ToolError(_regex_error(done.stderr.decode(errors="replace")))
        hits = (
            line.removeprefix("./").split(":", 2)
            for line in done.stdout.decode(errors="replace").splitlines()
        )
        return {(path, int(number)): text for path, number, text in hits}

    def _name(self, path: str, number: int, text: str) -> str:
        """The full name that a line declares, or nothing."""
        match = DECLARATION.match(text)
        return (
            ".".join([*_namespaces(self.library.sources / path)[number - 1], match[2]])
            if match
            else ""
        )

    def _result(self, path: str, number: int, text: str) -> str:
        """One line of a search. A statement is given under its full name and without its proof, so that it says enough by itself.

        Example: "Nat/Basic.lean: theorem Nat.add_comm (n m : Nat) : n + m = m + n".
        """
        if match := DECLARATION.match(text):
            text = f"{match[1]} {self._name(path, number, text)}{re.split(r' :=(?: |$)', text[match.end() :])[0]}"
        return f"{path}: {text.strip()}"[:SEARCH_COLUMNS]

    def _cut(self, text: str) -> str:
        text = _clean(text)
        return text if len(text) <= self.output_chars else text[: self.output_chars - 1] + "…"


def parse_call(raw: str) -> tuple[str, dict]:
    """(name, arguments) of a call in Qwen3's form, `{"name": …, "arguments": {…}}`. Raises ToolError with a message for the model."""
    if len(raw) > MAX_RAW:
        raise ToolError("the call is too long")
    try:
        call = json.loads(raw, strict=False, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise ToolError(f"not valid JSON: {error.msg} at character {error.pos}") from None
    except (ValueError, RecursionError):
        raise ToolError("not valid JSON") from None
    if (
        not isinstance(call, dict)
        or not isinstance(call.get("name"), str)
        or not isinstance(call.get("arguments"), dict)
    ):
        raise ToolError("a call is a JSON object with name (a string) and arguments (an object)")
    try:
        json.dumps(call, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ToolError("not valid Unicode") from None
    return call["name"], call["arguments"]


def report(verdict: Verdict) -> str:
    """What `lean_check_file` says: `ok` for a proof of the problem, else Lean's messages, else the reason.

    Example: "2:6: error: Unknown constant `Nat.foo`".
    """
    lines = [f"{m.line}:{m.column}: {m.severity}: {m.text}" for m in verdict.messages]
    if verdict.verified:
        return "\n".join(["ok", *lines])
    if verdict.status == "sorry" and lines:
        return "\n".join(lines)
    said = any(message.severity == "error" for message in verdict.messages)
    return "\n".join(lines if said else [f"error: {verdict.detail}", *lines])


def ripgrep() -> str:
    """The path of `rg`: beside this Python (the PyPI package ripgrep), else on PATH. Raises FileNotFoundError."""
    beside = Path(sys.executable).with_name("rg")
    found = str(beside) if beside.exists() else shutil.which("rg")
    if not found:
        raise FileNotFoundError("ripgrep is missing; install it with: pip install ripgrep")
    return found


def _check_arguments(name: str, arguments: dict) -> None:
    schema = next(
        (s["function"]["parameters"] for s in Tools.schemas if s["function"]["name"] == name), None
    )
    if schema is None:
        raise ToolError(
            f"no tool {name[:40]!r}; there are lean_write_file, lean_check_file, rg_in_mathlib"
        )
    for key in schema["required"]:
        if key not in arguments:
            raise ToolError(f"{name} needs {key}")
    for key, value in arguments.items():
        if key not in schema["properties"]:
            raise ToolError(f"{name} takes no {key[:40]!r}")
        if not isinstance(value, str):
            raise ToolError(f"{key} must be a string")


@functools.lru_cache(maxsize=256)
def _namespaces(path: Path) -> list[tuple[str, ...]]:
    """For each line of a file the namespaces that are open there."""
    opened: list[str] = []
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
        found.append(tuple(opened))
        word, _, name = line.strip().partition(" ")
        if word == "namespace":
            opened.append(name)
        elif word == "end" and opened and name == opened[-1]:
            opened.pop()
    return found


def _regex_error(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    said = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return f"bad pattern: {(said or lines or ['it cannot be read'])[-1][:120]}"


def _no_constant(word: str) -> None:
    raise ValueError(word)


def _clean(text: str) -> str:
    return text.encode("utf-8", errors="replace").decode()
