"""Warm processes of `fdcore.lean.kernel`: start, ask, limit and replace one in the sandbox.

A process answers requests one after another, a JSON line each way. One that dies, hangs or grows
too large is ended, and the next request starts a new one. What that costs is the verdict of the
file that was asked about.

Left out on purpose: what an answer means (`fdcore.lean.verifier`).
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

import psutil

from fdcore.lean import sandbox

MAX_ANSWER = 4 << 20  # bytes
POLL_SECONDS = 0.1  # how often a process that does not answer is looked at
START_SECONDS = 120  # to import the header: half a second for the core library, more for Mathlib
ERRORS = "stderr.txt"  # in the process's folder
MAX_REQUESTS = 1000  # a process is replaced after so many: see sandbox.WRITTEN_MB
# Packages by hand: inside, the repository's folder cannot be read
START = """
import json, sys, types
for name, path in (("fdcore", sys.argv[1]), ("fdcore.lean", sys.argv[1] + "/lean")):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [path]
from fdcore.lean.kernel import serve
serve(*json.loads(sys.argv[2]))
"""


class NoAnswer(RuntimeError):
    """The process died, hung or said too much. `status`: crash, timeout or resource."""

    def __init__(self, status: str, reason: str):
        super().__init__(reason)
        self.status = status


def remove_folder(folder: Path) -> None:
    """Remove a folder as far as it can be removed, whatever a candidate left in it."""
    with contextlib.suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)


class Limits(NamedTuple):
    seconds: float  # CPU time for an answer; three times as much wall time
    memory_mb: int  # resident memory
    heartbeats: int  # Lean's own measure of work


class LeanProcess:
    """One process. Several threads may ask; they wait for each other.

    Args:
        role: "elaborate" or "judge".
        library: Lean's shared library.
        path: folders of compiled Lean modules.
        header: what the process imports at its start.
        folder: the only place where the process may write.
        readable: what else it may read.
        limits: per request.
    """

    def __init__(
        self,
        role: str,
        library: Path,
        path: tuple[Path, ...],
        header: str,
        *,
        folder: Path,
        readable: tuple[Path, ...],
        limits: Limits,
    ):
        self.folder, self.limits = folder, limits
        arguments = json.dumps([role, str(library), header, limits.heartbeats])
        package = str(Path(__file__).parents[1])
        self._argv = [sys.executable, "-I", "-S", "-c", START, package, arguments]
        self._environment = {"LEAN_PATH": os.pathsep.join(map(str, path))}
        self._readable = (library.parent, *path, *readable)
        self._process: subprocess.Popen | None = None
        self._pid = 0  # of Lean itself
        self._buffer, self._requests, self._stopped = b"", 0, False
        self._one = threading.Lock()

    def ask(self, **request) -> dict:
        """The answer to a request. Raises NoAnswer."""
        with self._one:
            try:
                self._make_ready()
                self._process.stdin.write(json.dumps(request).encode() + b"\n")
                self._process.stdin.flush()
                return json.loads(self._read_line(3 * self.limits.seconds))
            except (OSError, ValueError, RecursionError):
                reason = self._reason_of_death()
                self.close()
                raise reason from None
            except NoAnswer:
                self.close()
                raise

    def _make_ready(self) -> None:
        """Start a process where there is none, or where it died, has grown, or answered much."""
        if self._stopped:
            raise NoAnswer("crash", "the verifier is closed")
        self._requests += 1
        running = self._process is not None and self._process.poll() is None
        grown = running and self._used()[0] > self.limits.memory_mb / 2
        if running and not grown and self._requests <= MAX_REQUESTS:
            return
        self.close()
        remove_folder(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        memory_mb, readable = self.limits.memory_mb, self._readable
        with (self.folder / ERRORS).open("wb") as errors:
            self._process = subprocess.Popen(
                sandbox.inside(self._argv, self.folder, memory_mb=memory_mb, readable=readable),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=self._environment,
                start_new_session=True,
            )
        self._buffer, self._requests = b"", 1
        if self._stopped:  # meanwhile
            self.stop()
        self._pid = self._process.pid
        try:
            self._read_line(START_SECONDS, cpu_seconds=START_SECONDS)
        except NoAnswer as error:
            lines = (self.folder / ERRORS).read_text(errors="replace").splitlines()
            reason = next((line for line in lines if "error" in line.lower()), str(error))
            raise NoAnswer("crash", f"the header is not imported: {reason[:200]}") from None
        self._pid = self._innermost()

    def _read_line(self, seconds: float, cpu_seconds: float | None = None) -> bytes:
        """What the process says up to the next line's end. Raises NoAnswer."""
        deadline, spent, start = time.monotonic() + seconds, None, 0
        limit = self.limits.seconds if cpu_seconds is None else cpu_seconds
        while (end := self._buffer.find(b"\n", start)) < 0:
            start = len(self._buffer)
            wait = min(POLL_SECONDS, deadline - time.monotonic())
            if wait <= 0:
                raise NoAnswer("timeout", "out of time")
            if select.select([self._process.stdout], [], [], wait)[0]:
                self._read_part()
                continue
            if self._process.poll() is not None:  # the keeper: nobody watches the process
                raise self._reason_of_death()
            _, now = self._used()
            spent = now if spent is None else spent  # most answers come earlier
            if now - spent > limit:
                raise NoAnswer("timeout", "out of time")
        line, self._buffer = self._buffer[:end], self._buffer[end + 1 :]
        return line

    def _read_part(self) -> None:
        part = os.read(self._process.stdout.fileno(), 1 << 16)
        if not part:
            raise self._reason_of_death()
        self._buffer += part
        if len(self._buffer) > MAX_ANSWER:
            raise NoAnswer("resource", "too much output")

    def _reason_of_death(self) -> NoAnswer:
        """Why there is no more output, as the keeper's exit code says."""
        try:
            code = self._process.wait(1)
        except (AttributeError, subprocess.TimeoutExpired):
            code = None
        if code == sandbox.TOO_MUCH_MEMORY:
            return NoAnswer("resource", "too much memory")
        if code == sandbox.TOO_MUCH_DISK:
            return NoAnswer("resource", "too much on disk")
        return NoAnswer("crash", f"the process ended ({code})")

    def _innermost(self) -> int:
        """The process at the end of the line that begins with ours: the sandbox stands between."""
        try:
            children = psutil.Process(self._process.pid).children(recursive=True)
            return children[-1].pid if children else self._process.pid
        except psutil.Error:
            raise NoAnswer("crash", "the process ended") from None

    def _used(self) -> tuple[float, float]:
        """(resident memory in MB, CPU seconds of all threads); zeros where it does not run."""
        try:
            process = psutil.Process(self._pid)
            return process.memory_info().rss / 2**20, sum(process.cpu_times()[:2])
        except psutil.Error:
            return 0.0, 0.0

    def stop(self) -> None:
        """End the process from another thread, for good: who waits for it gets NoAnswer."""
        self._stopped, process = True, self._process
        if process is not None and process.poll() is None:
            process.kill()

    def close(self) -> None:
        """End the process. The next request starts another."""
        process, self._process, self._pid = self._process, None, 0
        if process is None:
            return
        try:
            os.killpg(process.pid, 9)
        except ProcessLookupError:
            process.kill()
        for stream in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):  # what was not written yet has no reader
                stream.close()
        process.wait()
