"""Where a record comes from: the commit of the code, the date, and what of the machine a number may depend on."""

from __future__ import annotations

import datetime
import functools
import os
import platform
import shutil
import subprocess
from pathlib import Path

from fdcore import REPOSITORY


def origin() -> dict:
    """Of what is computed now."""
    return {"commit": _commit(), "date": datetime.date.today().isoformat(), "machine": _machine()}


def _commit() -> str:
    """The commit of the code, marked when files differ from it."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(REPOSITORY), *arguments], capture_output=True, text=True
        ).stdout.strip()

    if shutil.which("git") is None:
        return "unknown: no git here"
    return (git("rev-parse", "HEAD") or "no repository") + (
        ""
        if not git("status", "--porcelain", "--", "fdcore", "lean_project", "notebooks")
        else " with changes"
    )


@functools.cache
def _machine() -> dict[str, str | int]:
    """What a number may depend on: with another processor the last digits of a sum differ, and with them, after some steps, all."""
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    processor = f"{_processor()}, {torch.backends.cpu.get_cpu_capability()}"
    return {
        "system": platform.platform(),
        "processor": processor,
        "cores": os.cpu_count() or 0,
        "gpu": gpu,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def _processor() -> str:
    """The processor's name with its family, model and stepping, as Linux knows them; elsewhere what Python knows."""
    try:
        rows = [
            line.partition(":")[::2]
            for line in Path("/proc/cpuinfo").read_text().partition("\n\n")[0].splitlines()
        ]
        known = {key.strip(): value.strip() for key, value in rows}
        return f"{known['model name']} ({known['cpu family']}/{known['model']}/{known['stepping']})"
    except (OSError, KeyError):
        return platform.processor() or platform.machine()
