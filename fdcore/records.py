"""The typed records that pass between stages. Each is one JSON line of a file.

Left out on purpose: behaviour. A record holds what was seen; its meaning is decided elsewhere.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator


class Record(BaseModel):
    """Base of all records: immutable, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Problem(Record):
    """A theorem to prove. The file that Lean sees is `header + statement + proof`."""

    id: str
    header: str  # "prelude\nimport Fd\n\n" in the tiny world, "import Mathlib\n..." in the paper's
    statement: str  # "theorem NAME (binders) : TYPE := by"
    split: Literal["train", "test", "holdout"]
    tier: int = 1  # 1 (one lemma) .. 5 (several steps); Mathlib's problems are not graded: all 1
    informal: str | None = None
    proof: str | None = None  # the reference: what follows `:= by`, from a newline on
    lemmas: tuple[str, ...] = ()  # library lemmas that the reference proof names
    source: str = ""

    @field_validator("statement")
    @classmethod
    def _ends_in_by(cls, value: str) -> str:
        value = value.rstrip()
        if not re.search(r":=\s*by$", value):
            raise ValueError("a statement must end in ':= by'")
        return value


class LeanMessage(Record):
    """One message of Lean. `line` counts from 1 in the model's text, without the header."""

    severity: Literal["error", "warning", "info"]
    line: int
    column: int
    text: str


class Verdict(Record):
    """Lean's judgement of one source text for one problem. Only `verified` earns a reward."""

    status: Literal["verified", "failed", "sorry", "forbidden", "timeout", "resource", "crash"]
    messages: tuple[LeanMessage, ...] = ()
    axioms: tuple[str, ...] = ()
    seconds: float = 0.0
    detail: str = ""  # one line: why it is not verified

    @property
    def verified(self) -> bool:
        return self.status == "verified"


class ToolCall(Record):
    """One tool call and its answer."""

    raw: str  # as the model wrote it
    name: str | None = None  # None: the call could not be parsed
    arguments: dict | None = None
    output: str = ""
    ok: bool = False  # the call was well formed and ran (a proof with errors still counts as ok)


class Trajectory(Record):
    """One episode of the student. Ids, mask and log-probs have one length."""

    problem_id: str
    seed: int
    step: int
    prompt_length: int
    token_ids: tuple[int, ...]  # prompt and response
    action_mask: tuple[int, ...]  # 1 where the student sampled, 0 on prompt and tool output
    logprobs: tuple[float, ...]  # the sampler's, in nats; 0.0 where the mask is 0
    response_text: str
    tool_calls: tuple[ToolCall, ...]
    source: str | None  # the last Lean file that the student wrote
    verdict: Verdict
    reward: float
    stop_reason: Literal["end", "length", "turns"]


class Feedback(Record):
    """Feedback on one trajectory, with where it came from."""

    problem_id: str
    text: str
    producer: str
    model: str = ""
    prompt_hash: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    dollars: float = 0.0
    seconds: float = 0.0
    reason: str = ""  # why the text is empty or cut: refused, empty, too long, or what failed


R = TypeVar("R", bound=Record)


def read_records(path: Path, kind: type[R]) -> list[R]:
    """All records of a JSON-lines file. A bad line is an error that names file, line and field."""
    records = []
    with open(path, "rb") as lines:  # framed before decoded: a line may hold broken UTF-8
        for number, line in enumerate(lines, 1):
            try:
                records.append(kind.model_validate_json(line))
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join(map(str, first["loc"])) or "line"
                named = re.search(rb'"(?:problem_)?id": ?"([^"]*)"', line)
                name = f" ({named[1].decode(errors='replace')})" if named else ""
                raise ValueError(f"{path}:{number}{name}: {where}: {first['msg']}") from None
    return records


def write_jsonl(path: Path, rows: Iterable[dict | Record]) -> None:
    """Write a file of rows in one atomic step."""
    write_text(path, "".join(map(_write_line, rows)))


def _write_line(row: dict | Record) -> str:
    text = row.model_dump_json() if isinstance(row, Record) else json.dumps(row, ensure_ascii=False)
    return text + "\n"


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table as GitHub and Jupyter read it. The cells are Markdown."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))


def write_text(path: Path, text: str) -> None:
    """Replace a file's content atomically: after a kill it is the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with open(partial, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def read_json(path: Path) -> Any:
    """The content of a JSON file. ValueError that names it where it cannot be read."""
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: not a JSON file: {error}") from None


def read_jsonl(path: Path) -> Iterator[dict]:
    """The rows of a file that only grows; a last line cut short by a kill is left out.

    Raises:
        ValueError: another line cannot be read; the message names file and line.
    """
    if not path.exists():
        return
    with open(path, "rb") as lines:  # framed before decoded: a kill cuts inside a character too
        for number, line in enumerate(lines, 1):
            if line.endswith(b"\n"):
                try:
                    yield json.loads(line.decode("utf-8"))
                except ValueError as error:
                    raise ValueError(f"{path}:{number}: not a JSON line: {error}") from None


def append_jsonl(path: Path, rows: Iterable[dict | Record]) -> None:
    """Add rows to a file and wait until they are on disk. A torn last line is dropped first."""
    text = "".join(map(_write_line, rows))
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+b") as file:
        _drop_torn_line(file)
        file.write(text.encode("utf-8"))
        file.flush()
        os.fsync(file.fileno())


def _drop_torn_line(file: BinaryIO) -> None:
    end = file.seek(0, os.SEEK_END)
    while end and (file.seek(end - 1), file.read(1))[1] != b"\n":
        end -= 1
    file.truncate(end)


def cut_jsonl(path: Path, keep: Callable[[dict], bool]) -> None:
    """Cut a file behind its first rows that are to be kept. A row at a time is in memory."""
    if not path.exists():
        return
    end = 0
    with open(path, "r+b") as file:
        for line in file:
            if not (line.endswith(b"\n") and keep(json.loads(line))):
                break
            end += len(line)
        file.truncate(end)
