"""What goes wrong while a run is under way, as one line that says what to do: a call that never ends, memory that runs out, a lost process.

What a process cannot tell by an exception, because it ends at once, it leaves in the file that FD_ERROR names; who started it reads it.
Left out on purpose: trying again. A run goes on from its newest checkpoint when the same command is run again.
"""

from __future__ import annotations

import contextlib
import errno
import faulthandler
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

ERROR = "FD_ERROR"  # names the file for the line of the first process that fails
HANGS = "an engine or another process hangs"
AGAIN = "run the same command again, it goes on from the newest checkpoint"


class RunFault(RuntimeError):
    """The run stopped for a reason outside of it; the message says which and what to do."""


def leave(line: str) -> None:
    """Write the line where the process that started this one looks for it. The first line stays: what follows follows from it."""
    if path := os.environ.get(ERROR):
        with contextlib.suppress(FileExistsError), open(path, "x", encoding="utf-8") as file:
            file.write(line)


def left(path: Path) -> str | None:
    """The line that was left there."""
    return path.read_text(encoding="utf-8") if path.exists() else None


@contextlib.contextmanager
def limited(seconds: float | None, what: str) -> Iterator[None]:
    """End this process, with a line and all threads' stacks, when the body takes longer (None: never): an engine or another process that
    hangs does not answer a signal, and would be waited for in vain."""
    if seconds is None:
        yield
        return

    def end() -> None:
        line = f"{what} has not ended after {seconds:,.0f} s: {HANGS}; {AGAIN}. If it is only slow, raise training.stall_seconds"
        faulthandler.dump_traceback(all_threads=True)
        print(f"\nfdcore: {line}", file=sys.__stderr__, flush=True)
        leave(line)
        os._exit(1)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextlib.contextmanager
def explained(where: str) -> Iterator[None]:
    """Memory that runs out in the body, a GPU's or the machine's, becomes a RunFault with the settings that need less; all else passes."""
    try:
        yield
    except (MemoryError, RuntimeError, OSError) as error:
        if not _out_of_memory(error):
            raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise RunFault(
            f"{where}: out of memory ({reason}); weights and files are as they were. Set training.micro_batch lower, training.activation_checkpointing: true, or "
            f"sampler.memory_share lower in a copy of the profile (--plan says what fits), or free memory that others hold and {AGAIN}"
        ) from error


def _out_of_memory(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    told = (
        "can't allocate memory",
        "can't start new thread",
    )  # torch's words on a CPU; a thread needs a stack
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or any(words in str(error) for words in told)
    )


def lost(rank: int, count: int, signal: str) -> str:
    """The line for a process that a signal ended.

    >>> lost(1, 8, "SIGKILL")
    'process 1 of 0 to 7 was ended by SIGKILL: by hand, with its machine, or by the system for want of memory (`dmesg` says so); run the same command again, ...
    """
    return f"process {rank} of 0 to {count - 1} was ended by {signal}: by hand, with its machine, or by the system for want of memory (`dmesg` says so); {AGAIN}"


@contextlib.contextmanager
def environment(**values: str) -> Iterator[None]:
    """These environment variables within the body."""
    before = {name: os.environ.get(name) for name in values}
    os.environ |= values
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
