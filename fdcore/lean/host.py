"""The caller's side of `fdcore.lean.kernel`: an elaborator for candidates' files, and a judge that asks the kernel. Each is one sandboxed process.

The elaborator's word counts only against a proof. It keeps nothing of one file for the next but what Lean derives from the
library alone, and even a wrong answer of it could not make the judge say yes: see lean_project/VERIFIER.md.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

from fdcore import REPOSITORY
from fdcore.lean.process import MAX_ANSWER, START_SECONDS, WarmLeanFailed, WarmLeanLate, WarmProcess

START = f"import sys; sys.path.insert(0, {str(REPOSITORY)!r}); import json; from fdcore.lean.kernel import serve; serve(*json.loads(sys.argv[1]))"


class Judgement(NamedTuple):
    refused: str  # why the kernel does not accept the theorem, or ""
    same: bool  # its type is the statement's, term for term
    axioms: tuple[str, ...]


class _Host(WarmProcess):
    def __init__(
        self,
        role: str,
        shared: Path,
        library: Path,
        env: dict[str, str],
        header: str,
        folder: Path,
        *,
        heartbeats: int,
        memory_mb: int,
        seconds: float,
    ):
        oleans = sorted(map(str, library.rglob("*.olean"))) if role == "judge" else []
        argv = [
            sys.executable,
            "-I",
            "-S",
            "-c",
            START,
            json.dumps([role, str(shared), header, heartbeats, oleans]),
        ]
        super().__init__(
            argv, env | {"LEAN_PATH": str(library)}, folder, memory_mb=memory_mb, seconds=seconds
        )

    def _greet(self) -> None:
        """Wait until the header is imported: that is not the next request's time."""
        try:
            self._until(b"\n", time.monotonic() + START_SECONDS, [MAX_ANSWER])
        except WarmLeanLate:
            raise WarmLeanFailed("the header is not imported in time") from None

    def _ask(self, **request) -> dict:
        try:
            self.ready()
            self._write(json.dumps(request).encode() + b"\n")
            answer = json.loads(self._until(b"\n", self._deadline(), [MAX_ANSWER]))
        except (OSError, ValueError) as error:
            self.close()
            raise WarmLeanFailed(str(error)) from None
        except WarmLeanFailed:
            self.close()
            raise
        if "error" in answer:
            raise WarmLeanFailed(answer["error"])
        return answer


class Elaborator(_Host):
    def __init__(self, *arguments, **limits):
        super().__init__("elaborate", *arguments, **limits)

    def elaborate(self, text: str, stated: str = "") -> tuple[list[dict], Path | None]:
        """(messages as `lean --json` prints them, of the text alone; the file with its constants where there is no fault). Raises WarmLeanFailed.

        `stated`: how most texts of a problem begin, up to `by`; it is elaborated once."""
        answer = self._ask(text=text, stated=stated, olean="candidate.olean")
        return answer["messages"], self.folder / "candidate.olean" if answer["written"] else None


class Judge(_Host):
    """Several threads may ask; they wait for each other, so that what it has learned of statements and library is learned once."""

    def __init__(self, *arguments, **limits):
        super().__init__("judge", *arguments, **limits)
        self._one = threading.Lock()

    def judge(self, statement: str, pristine: str, theorem: str, olean: Path) -> Judgement:
        """What the kernel says of `theorem` in the object file, beside `statement`, a text that declares `pristine`. Raises WarmLeanFailed."""
        with self._one:
            answer = self._ask(
                statement=statement,
                pristine=pristine.split("."),
                theorem=theorem.split("."),
                olean=str(olean),
            )
        return Judgement(
            answer.get("refused", ""), answer.get("same", False), tuple(answer.get("axioms", ()))
        )
