"""The typed records that pass between stages. Each is saved as one JSON line, so that a notebook can start from any stage.

Left out on purpose: behaviour. A record holds what was seen; functions elsewhere decide what it means.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeVar

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
    proof: str | None = (
        None  # reference proof: what follows `:= by`, starting with a newline; None: none is known
    )
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
    """One message of Lean. `line` counts from 1 in the text that the model wrote (the header is not counted)."""

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
    """One tool call as the model wrote it (`raw`), what was understood, and what the tool answered."""

    raw: str
    name: str | None = None  # None: the call could not be parsed
    arguments: dict | None = None
    output: str = ""
    ok: bool = False  # the call was well formed and ran (a proof with errors still counts as ok)


class Trajectory(Record):
    """One episode of the student. `token_ids` is prompt + response; masks and log-probs have its length.

    action_mask is 1 on tokens that the student sampled, 0 on the prompt and on tool output;
    logprobs (nats) are the sampler's, 0.0 where action_mask is 0.
    """

    problem_id: str
    seed: int
    step: int
    prompt_length: int
    token_ids: tuple[int, ...]
    action_mask: tuple[int, ...]
    logprobs: tuple[float, ...]
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
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                records.append(kind.model_validate_json(line))
            except ValidationError as error:
                first = error.errors()[0]
                where, named = (
                    ".".join(map(str, first["loc"])),
                    re.search(r'"(?:problem_)?id": ?"([^"]*)"', line),
                )
                raise ValueError(
                    f"{path}:{number}{f' ({named[1]})' if named else ''}: {where or 'line'}: {first['msg']}"
                ) from None
    return records


def write_records(path: Path, records: Iterable[Record]) -> None:
    """Write a JSON-lines file in one atomic step: after a kill the file is the old one or the new one."""
    write_text(path, "".join(record.model_dump_json() + "\n" for record in records))


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table as GitHub and Jupyter read it. The cells are Markdown."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))


def write_text(path: Path, text: str) -> None:
    """Replace a file's content atomically (temporary file in the same folder, fsync, rename)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with open(partial, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def read_jsonl(path: Path) -> Iterator[dict]:
    """Plain rows of a metrics file; a last line cut short by a kill is left out."""
    if not path.exists():
        return
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if line.endswith("\n"):
                yield json.loads(line)
