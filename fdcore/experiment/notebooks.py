"""Runs notebooks one after the other and keeps the executed copies.

Left out on purpose: any memory of what is done. Each stage inside a notebook returns at once when
its output is complete, so that "go on" is simply "run again".
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from fdcore import REPOSITORY
from fdcore.records import read_json

NOTEBOOKS = REPOSITORY / "notebooks"
LONGEST_SOCKET = 70  # characters of a folder of sockets: their paths end at 107
PARTIAL = ".partial.json"  # a copy under way; papermill wants this ending
INTERRUPTED = "interrupted; run the same command again to go on"


class NotebookFailed(RuntimeError):
    """One line: which notebook, what went wrong, where its executed copy is."""


def find_notebooks(names: Sequence[str]) -> list[Path]:
    """The notebooks of these names, in their order; a number such as 03 is enough.

    Raises:
        ValueError: a name fits no notebook, or several.
    """
    paths = sorted(NOTEBOOKS.glob("*.ipynb"))
    chosen = set()
    for name in names:
        stem = Path(name).name.removesuffix(".ipynb")
        fitting = [path for path in paths if path.stem == stem]
        fitting = fitting or [path for path in paths if stem and path.stem.startswith(stem)]
        if len(fitting) != 1:
            stems = ", ".join(path.stem for path in paths) or "none"
            raise ValueError(f"no notebook {name!r}; there are: {stems}")
        chosen.add(fitting[0])
    return [path for path in paths if path in chosen or not names]


def needs_weights(notebook: Path) -> bool:
    """Whether records alone do not serve a notebook. Its metadata says so."""
    metadata = read_json(notebook)["metadata"]
    return metadata.get("fdcore", {}).get("needs") == "weights"


def run_notebooks(notebooks: Sequence[Path], *, profile: str, seed: int | None, out: Path) -> None:
    """Execute notebooks with the papermill parameters (profile, seed, out).

    The kernels run this very Python. All that they started is dead when this function is left.

    Raises:
        NotebookFailed: a cell raised an error, or a kernel died.
    """
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"  # this environment's kernel, not a global one
    os.environ.setdefault("TQDM_MININTERVAL", "1")  # each refresh of a bar is kept in the copy
    (out / "notebooks").mkdir(parents=True, exist_ok=True)
    inside = out.is_relative_to(REPOSITORY)  # then a copy names no place of this machine
    place = os.path.relpath(out, NOTEBOOKS) if inside else str(out)
    parameters = {"profile": profile, "seed": seed, "out": place}
    with _kernel_folder(out / "notebooks") as folder:
        for number, notebook in enumerate(notebooks, 1):
            title = f"[{number}/{len(notebooks)}] {notebook.stem}"
            print(f"\n{title}", flush=True)
            started = time.monotonic()
            _execute(notebook, out / "notebooks" / notebook.name, parameters, folder)
            print(f"{title}: done in {time.monotonic() - started:.0f} s", flush=True)


def _execute(notebook: Path, copy: Path, parameters: dict, folder: Path) -> None:
    import papermill  # here, because it takes a second to import
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError
    from traitlets.config import Config

    # Sockets are files that only this user can open, in place of TCP ports.
    manager = {"transport": "ipc", "ip": str(folder / "kernel")}
    client = {"extra_arguments": ["--IPKernelApp.log_level=CRITICAL"]}
    partial = copy.with_suffix(PARTIAL)  # an earlier run's copy stays until this one ends
    try:
        papermill.execute_notebook(
            *(str(path).replace("{", "{{").replace("}", "}}") for path in (notebook, partial)),
            parameters,
            kernel_name="python3",
            cwd=str(notebook.parent),
            progress_bar=False,
            stdout_file=sys.stdout,
            stderr_file=sys.stderr,
            coalesce_streams=True,
            config=Config({"KernelManager": manager, "NotebookClient": client}),
        )
    except PapermillExecutionError as error:
        reason = (str(error.evalue).strip().splitlines() or [""])[0]
        raise NotebookFailed(
            f"{notebook.stem} failed in cell [{error.exec_count}]: {error.ename}: {reason} "
            f"(executed copy: {copy})"
        ) from None
    except DeadKernelError:
        raise NotebookFailed(
            f"{notebook.stem}: its process was ended by a signal, most likely for want of memory "
            "(`dmesg` says so); run the same command again, it goes on from the newest checkpoint"
        ) from None
    finally:
        if partial.exists():
            partial.replace(copy)


def strip_traces(copy: Path) -> None:
    """Take times, paths and progress bars out of an executed copy, which is to be published."""
    import nbformat

    notebook = nbformat.read(copy, as_version=4)
    for part in [notebook, *notebook.cells]:
        part.metadata.pop("papermill", None)
        part.metadata.pop("execution", None)
    for number, cell in enumerate(notebook.cells):
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.id = f"parameters-{number}"  # papermill draws one at random
        if cell.cell_type == "code":
            cell.outputs = [one for one in cell.outputs if one.get("name") != "stderr"]
    nbformat.write(notebook, copy)


@contextlib.contextmanager
def _kernel_folder(copies: Path) -> Iterator[Path]:
    """A folder for the kernels' sockets. Kernels end with the body, and on Ctrl-C or SIGTERM."""
    place = tempfile.gettempdir()
    place = place if len(place) < LONGEST_SOCKET else "/tmp"
    folder = Path(tempfile.mkdtemp(prefix="fdcore-kernels-", dir=place))

    def clean_up() -> None:
        _end_children()
        shutil.rmtree(folder, ignore_errors=True)
        for partial in copies.glob(f"*{PARTIAL}"):
            partial.unlink()

    def interrupt(*_) -> None:
        # At once: an exception would surface inside the notebook client's event loop.
        clean_up()
        print(f"\nfdcore: {INTERRUPTED}", file=sys.stderr, flush=True)
        os._exit(130)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    try:
        yield folder
    finally:
        clean_up()


def _end_children() -> None:
    """Kill every process below this one. Kernels have sessions of their own: Ctrl-C misses them."""
    import psutil

    children = psutil.Process().children(recursive=True)
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    psutil.wait_procs(children, timeout=5)
