"""Seeds for every random choice, from its purpose and never from a generator's state."""

from __future__ import annotations

import hashlib


def seed_of(*parts: object) -> int:
    """A 48-bit seed from its purpose. The same parts give the same seed in every process.

    >>> seed_of(0, "order", 1) == seed_of(0, "order", 1) != seed_of(0, "order", 2)
    True
    """
    return int.from_bytes(hashlib.sha256("|".join(map(str, parts)).encode()).digest()[:6], "big")
