"""Where a record comes from: the commit of the code, the date, and the machine.

With another processor the last digits of a sum differ, and after some training steps all digits.
"""

from __future__ import annotations

import datetime
import functools
import os
import platform
import subprocess

from fdcore import REPOSITORY

SOURCES = ("fdcore", "lean_project", "notebooks")


def describe_origin() -> dict:
    """Of what is computed now."""
    date = datetime.date.today().isoformat()
    return {"commit": _describe_commit(), "date": date, "machine": _describe_machine()}


def _describe_commit() -> str:
    """The commit of the code, marked where files differ from it; or why nobody knows."""
    try:
        commit = _git("rev-parse", "HEAD")
        return commit + (" with changes" if _git("status", "--porcelain", "--", *SOURCES) else "")
    except FileNotFoundError:
        return "unknown: no git here"
    except subprocess.CalledProcessError as error:  # no repository, or another user's
        return f"unknown: {error.stderr.splitlines()[0].removeprefix('fatal: ')}"


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(REPOSITORY), *arguments]
    ended = subprocess.run(command, capture_output=True, check=True, encoding="utf-8")
    return ended.stdout.strip()


@functools.cache
def _describe_machine() -> dict[str, str | int]:
    import torch

    return {
        "system": platform.platform(),
        "processor": f"{platform.processor()}, {torch.backends.cpu.get_cpu_capability()}",
        "cores": os.cpu_count() or 0,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
