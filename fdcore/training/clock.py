"""Where a training step's time goes: seconds by phase, each second in one phase only.

Left out on purpose: CPU time, and work that a GPU still has queued when a phase ends (the phases here end with numbers that are read).
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from fdcore.rollout.parallel import beside


class Clock:
    """Seconds of wall time by phase. A phase within another is taken off the outer one, also when it runs in threads that the outer one
    waits for; these share the time among them.

    >>> clock = Clock()
    >>> with clock.phase("train"):
    ...     with clock.phase("teacher"):
    ...         time.sleep(0.02)
    >>> clock.seconds["teacher"] >= 0.02 > clock.seconds["train"]
    True
    """

    def __init__(self):
        self.seconds: Counter[str] = Counter()
        self._within: dict[
            int, list[float]
        ] = {}  # by thread, of each phase under way: what inner phases have taken
        self._home, self._lock = threading.get_ident(), threading.Lock()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        own = self._within.setdefault(threading.get_ident(), [])
        own.append(0.0)
        start = time.perf_counter()
        try:
            yield
        finally:
            taken = (time.perf_counter() - start) / beside()
            with self._lock:
                self.seconds[name] += taken - own.pop()
                if outer := own or self._within.get(self._home):
                    outer[-1] += taken
