"""Warm processes, and one of them: the official server's file worker, which keeps the header imported and elaborates text after text.

It serves where Lean's library is not called directly (`fdcore.lean.host`): with a Lean from elan. It answers in the tenth part of the time of a fresh process, and its word counts only against a proof: what it finds no fault
with is checked again from nothing (`fdcore.lean.verifier`). Each text stands one line lower or higher than the one before, so
that the worker keeps the header but no part of the earlier text, and the answer does not depend on what came before.

Left out on purpose: everything of the language server protocol that is not needed to send a text and read its diagnostics.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

import psutil

from fdcore.lean import sandbox

URI = "file:///Main.lean"
MAX_ANSWER = 4 << 20  # bytes; more is left to a fresh process and its limits
POLL_SECONDS = 0.1  # how often memory and CPU time of a process that does not answer are looked at
START_SECONDS = 120  # to import the header: half a second for the core library, some seconds for Mathlib on a machine that has nothing else to do
MAX_TEXTS = 4000  # a process is replaced after so many
SEVERITIES = {1: "error", 2: "warning", 3: "info", 4: "info"}


class RawMessage(NamedTuple):
    """One message in Lean's own coordinates: lines from 1, columns from 0 in code points, of the whole file."""

    line: int
    column: int
    severity: str
    text: str
    sorry: bool = False


class WarmLeanFailed(RuntimeError):
    """No answer: the worker died, hung or said too much. Says nothing about the text."""


class WarmLeanLate(WarmLeanFailed):
    """No answer within the limits of time: the text takes too long, here as in a fresh process."""


class WarmProcess:
    """One process in the sandbox that answers requests. Not thread-safe. One that failed starts anew at the next request."""

    def __init__(
        self, argv: list[str], env: dict[str, str], folder: Path, *, memory_mb: int, seconds: float
    ):
        """`folder` is the only place where the process may write, `seconds` the CPU time for an answer (three times as much wall time)."""
        self.argv, self.env, self.folder, self.memory_mb, self.seconds = (
            argv,
            env,
            folder,
            memory_mb,
            seconds,
        )
        self._process: subprocess.Popen | None = None
        self._pid = 0  # of Lean itself
        self._buffer, self._asked, self._stopped = b"", 0, False
        self._spent: float | None = (
            None  # CPU time at the beginning of the request; None: not looked at yet
        )

    def ready(self) -> None:
        """Start the process where there is none, or where it died, has grown, or answered much."""
        if self._stopped:
            raise WarmLeanFailed("the verifier is closed")
        if (
            self._process is None
            or self._process.poll() is not None
            or self._asked > MAX_TEXTS
            or self.resident_mb() > self.memory_mb / 2
        ):
            self.close()
            self.folder.mkdir(parents=True, exist_ok=True)
            command = sandbox.inside(self.argv, self.folder, memory_mb=self.memory_mb)
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=self.env,
                start_new_session=True,
            )
            self._buffer, self._asked, self._spent = (
                b"",
                1,
                float("inf"),
            )  # importing counts for no text
            if self._stopped:  # meanwhile
                self.stop()
            self._pid = self._process.pid
            self._greet()
            self._pid = self._innermost()
        self._asked += 1
        self._spent = None

    def _greet(self) -> None:
        """What is said first."""

    def _write(self, content: bytes) -> None:
        self._process.stdin.write(content)
        self._process.stdin.flush()

    def _until(self, end: bytes, deadline: float, budget: list[int]) -> bytes:
        """What the process says up to `end`."""
        start = 0
        while (found := self._buffer.find(end, start)) < 0:
            start = max(0, len(self._buffer) - len(end))
            self._fill(deadline, budget)
        said, self._buffer = self._buffer[:found], self._buffer[found + len(end) :]
        return said

    def _deadline(self) -> float:
        return time.monotonic() + 3 * self.seconds

    def _fill(self, deadline: float, budget: list[int]) -> None:
        wait = min(POLL_SECONDS, deadline - time.monotonic())
        if wait <= 0:
            raise WarmLeanLate("no answer in time")
        ready, _, _ = select.select([self._process.stdout], [], [], wait)
        if not ready:
            if self.resident_mb() > self.memory_mb:
                raise WarmLeanFailed("the worker grew too large")
            if self._spent is None:  # most requests are answered before anybody looks
                self._spent = self.cpu_seconds()
            if self.cpu_seconds() - self._spent > self.seconds:
                raise WarmLeanLate(f"no answer within {self.seconds} s of CPU time")
            return
        part = os.read(self._process.stdout.fileno(), 1 << 16)
        budget[0] -= len(part)
        if not part or budget[0] < 0:
            raise WarmLeanFailed("the worker ended" if not part else "the answer is too long")
        self._buffer += part

    def _innermost(self) -> int:
        """The process at the end of the line that begins with ours: under bubblewrap two stand between."""
        try:
            return [self._process, *psutil.Process(self._process.pid).children(recursive=True)][
                -1
            ].pid
        except psutil.Error:
            raise WarmLeanFailed("the worker ended") from None

    def resident_mb(self) -> float:
        """Memory that the worker holds now, in MB (0 where it does not run)."""
        try:
            with open(f"/proc/{self._pid}/statm") as file:
                return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
        except (OSError, IndexError):
            return 0.0

    def cpu_seconds(self) -> float:
        """CPU time that the worker has spent, all threads (0 where it does not run)."""
        try:
            with open(f"/proc/{self._pid}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        except (OSError, IndexError):
            return 0.0

    def stop(self) -> None:
        """End the process from another thread, for good: who waits for it gets a WarmLeanFailed."""
        self._stopped, process = True, self._process
        if process is not None and process.poll() is None:
            process.kill()

    def close(self) -> None:
        process, self._process, self._pid = self._process, None, 0
        if process is not None:
            try:
                os.killpg(process.pid, 9)
            except ProcessLookupError:
                process.kill()
            for stream in (process.stdin, process.stdout):
                try:
                    stream.close()
                except OSError:
                    pass
            process.wait()


class WarmLean(WarmProcess):
    """One worker of the official server: for a Lean whose library we do not call ourselves."""

    def __init__(
        self,
        argv: list[str],
        env: dict[str, str],
        header: str,
        folder: Path,
        *,
        heartbeats: int,
        memory_mb: int,
        seconds: float,
    ):
        """`header` holds the imports, and what is to stand above every text."""
        super().__init__(
            [*argv, "--worker", "-Dserver.reportDelayMs=0", f"-DmaxHeartbeats={heartbeats}", URI],
            env,
            folder,
            memory_mb=memory_mb,
            seconds=seconds,
        )
        self.header = header

    def messages(self, body: str) -> list[RawMessage]:
        """Lean's messages on header + body. Raises WarmLeanFailed."""
        try:
            self.ready()
            shift = self._asked % 2
            text = self.header + "\n" * shift + body
            self._send(
                "textDocument/didChange",
                {
                    "textDocument": {"uri": URI, "version": self._asked},
                    "contentChanges": [{"text": text}],
                },
            )
            found = self._read_diagnostics(self._deadline())
        except (OSError, ValueError, KeyError) as error:
            self.close()
            raise WarmLeanFailed(str(error)) from None
        except WarmLeanFailed:
            self.close()
            raise
        lines = text.split("\n")
        return [
            _message(diagnostic, lines, self.header.count("\n"), shift)
            for diagnostic in found
            if not diagnostic.get("isSilent")
        ]

    def _greet(self) -> None:
        """Wait until the header is imported: that is not the next request's time."""
        self._send("initialize", {"processId": None, "rootUri": None, "capabilities": {}}, number=0)
        self._send(
            "textDocument/didOpen",
            {"textDocument": {"uri": URI, "languageId": "lean", "version": 1, "text": self.header}},
        )
        try:
            errors = [
                each["message"]
                for each in self._read_diagnostics(time.monotonic() + START_SECONDS)
                if each.get("severity") == 1
            ]
        except WarmLeanLate:
            raise WarmLeanFailed("the header is not imported in time") from None
        if errors:
            raise WarmLeanFailed(f"the header does not elaborate: {errors[0]}")

    def _read_diagnostics(self, deadline: float) -> list[dict]:
        """The last diagnostics of the text sent last, which all stand when the worker answers that it has no more."""
        self._send(
            "textDocument/waitForDiagnostics",
            {"uri": URI, "version": self._asked},
            number=self._asked,
        )
        budget, found = [MAX_ANSWER], []
        while True:
            answer = self._receive(deadline, budget)
            if (
                answer.get("method") == "textDocument/publishDiagnostics"
                and answer["params"].get("version") == self._asked
            ):
                found = answer["params"]["diagnostics"]
            if answer.get("id") == self._asked and "method" not in answer:
                if "result" not in answer:
                    raise WarmLeanFailed(f"the worker answered {answer.get('error')}")
                return found

    def _send(self, method: str, params: dict, number: int | None = None) -> None:
        message = {"jsonrpc": "2.0", "method": method, "params": params} | (
            {} if number is None else {"id": number}
        )
        content = json.dumps(message).encode()
        self._write(b"Content-Length: %d\r\n\r\n" % len(content) + content)

    def _receive(self, deadline: float, budget: list[int]) -> dict:
        head = self._until(b"\r\n\r\n", deadline, budget)
        length = int(
            next(
                line.split(b":")[1]
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length")
            )
        )
        while len(self._buffer) < length:
            self._fill(deadline, budget)
        content, self._buffer = self._buffer[:length], self._buffer[length:]
        return json.loads(content)


def _message(diagnostic: dict, lines: list[str], header_lines: int, shift: int) -> RawMessage:
    """A diagnostic as `lean --json` would have it. The protocol counts columns in UTF-16 units, Lean in code points."""
    start = diagnostic.get("fullRange", diagnostic["range"])["start"]
    line = start["line"]
    text = lines[line] if line < len(lines) else ""
    column = len(
        text.encode("utf-16-le")[: 2 * start["character"]].decode("utf-16-le", errors="ignore")
    )
    line += 1 if line < header_lines else 1 - shift
    said = diagnostic["message"]
    return RawMessage(
        line,
        column,
        SEVERITIES[diagnostic.get("severity", 1)],
        said,
        said.startswith("declaration uses `sorry`"),
    )
