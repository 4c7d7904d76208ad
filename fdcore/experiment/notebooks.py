"""Runs notebooks one after the other, shows their output as it comes, and keeps the executed copies in the run's folder.

Left out on purpose: any memory of what is done. Each stage inside a notebook returns at once when its output is complete,
so that "go on" is simply "run again".
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from fdcore import REPOSITORY

NOTEBOOKS = REPOSITORY / "notebooks"
INTERRUPTED = "interrupted; run the same command again to go on"


def find_notebooks(names: Sequence[str]) -> list[Path]:
    """The notebooks of these names in their order, or all of them when there are no names. Raises ValueError."""
    there = {path.stem: path for path in sorted(NOTEBOOKS.glob("*.ipynb"))}
    for name in names:
        if name not in there:
            raise ValueError(f"no notebook {name!r}; there are: {', '.join(there) or 'none'}")
    return [there[name] for name in names or there]


class NotebookFailed(RuntimeError):
    """One line: which notebook, what went wrong, where its executed copy is."""


def run(notebooks: Sequence[Path], *, profile: str, seed: int | None, out: Path) -> None:
    """Execute `notebooks` in this order with the papermill parameters (profile, seed, out). Raises NotebookFailed.

    The kernels run this very Python. All that a notebook started is dead when this function is left, however it is left.
    """
    os.environ |= {
        "JUPYTER_PREFER_ENV_PATH": "1",  # the kernel of this environment, never one that the user has installed globally
        "TQDM_MININTERVAL": os.environ.get(
            "TQDM_MININTERVAL", "1"
        ),  # each refresh of a bar is kept in the executed copy
    }
    sockets = tempfile.mkdtemp(
        prefix="fdcore-kernels-"
    )  # the kernels' sockets: a short path, and out of notebooks/
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: _interrupted(sockets))
    (out / "notebooks").mkdir(parents=True, exist_ok=True)
    try:
        for number, notebook in enumerate(notebooks, 1):
            print(f"\n[{number}/{len(notebooks)}] {notebook.stem}", flush=True)
            started = time.monotonic()
            _execute(
                notebook,
                out / "notebooks" / notebook.name,
                {"profile": profile, "seed": seed, "out": str(out)},
                sockets,
            )
            print(
                f"[{number}/{len(notebooks)}] {notebook.stem}: done in {time.monotonic() - started:.0f} s",
                flush=True,
            )
    finally:
        _end_children()
        shutil.rmtree(sockets, ignore_errors=True)


def _execute(
    notebook: Path, copy: Path, parameters: dict[str, str | int | None], sockets: str
) -> None:
    import papermill  # here, because it takes a second to import
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError
    from traitlets.config import Config

    where = f"executed copy: {copy}"
    try:
        papermill.execute_notebook(
            notebook,
            copy,
            parameters,
            kernel_name="python3",
            cwd=str(notebook.parent),
            progress_bar=False,
            stdout_file=sys.stdout,
            stderr_file=sys.stderr,
            coalesce_streams=True,
            config=Config(
                {
                    "KernelManager": {
                        "transport": "ipc",
                        "ip": f"{sockets}/kernel",
                    },  # files that only this user can open, instead of TCP ports
                    "NotebookClient": {
                        "extra_arguments": ["--IPKernelApp.log_level=CRITICAL"]
                    },  # else a kernel that is told to end reports an error
                }
            ),
        )
    except PapermillExecutionError as error:
        if "No space left on device" in str(error.evalue):
            raise NotebookFailed(_disk_full(copy)) from None
        what = (str(error.evalue).strip().splitlines() or [""])[0]
        raise NotebookFailed(
            f"{notebook.stem} failed in cell [{error.exec_count}]: {error.ename}: {what} ({where})"
        ) from None
    except DeadKernelError:
        why = "its Python process was ended by a signal, most likely for want of memory (`dmesg` says so); run the same command again, it goes on from the newest checkpoint"
        raise NotebookFailed(f"{notebook.stem}: {why} ({where})") from None
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise NotebookFailed(_disk_full(copy)) from None


def _disk_full(copy: Path) -> str:
    folder = copy.parent.parent
    free = shutil.disk_usage(folder).free // 2**20
    return f"the disk is full ({free} MB left at {folder}); free some space and run the same command again, it goes on from here"


def _interrupted(sockets: str) -> None:
    """Leave at once: an exception would surface inside the notebook client's event loop, with pages of traceback."""
    _end_children()
    shutil.rmtree(sockets, ignore_errors=True)
    print(f"\nfdcore: {INTERRUPTED}", file=sys.stderr, flush=True)
    os._exit(130)


def _end_children() -> None:
    """Kill every process below this one: kernels have sessions of their own, so the terminal's Ctrl-C does not reach them."""
    import psutil

    children = psutil.Process().children(recursive=True)
    for child in children:
        try:
            child.kill()
        except psutil.NoSuchProcess:
            pass
    psutil.wait_procs(children, timeout=5)
