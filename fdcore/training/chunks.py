"""Functions of logits, computed a chunk of tokens at a time.

The logits of a batch (2.5 GB for 4,096 tokens of Qwen3's 151,936 words) are never held at once.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch
from torch.utils.checkpoint import checkpoint

CHUNK = 2**25  # logits in memory at once: 128 MB in float32, 220 tokens of Qwen3's vocabulary

P = ParamSpec("P")
R = TypeVar("R", bound=tuple)


def tokens_in_chunk(vocabulary: int) -> int:
    """How many tokens' logits are in memory at once."""
    return max(1, CHUNK // vocabulary)


def in_chunks(function: Callable[P, R]) -> Callable[P, R]:
    """Decorates a function of logits so that it works on `CHUNK` of them at a time.

    In the backward pass a chunk's logits are computed again, and then forgotten again (Chen et
    al., arXiv 1604.06174). Values without gradient that are computed last are not computed again.

    Args:
        function: takes (N, V) logits, more positional values with a row a token, and settings by
            keyword. It returns a named tuple of tensors with a row a token. A row depends on
            nothing but its own row of the arguments.

    Returns:
        The same function. Its positional arguments are tensors, named tuples of tensors, or
        `fdcore.training.logits.ActionLogits`.
    """

    @functools.wraps(function)
    def over_chunks(logits, *values, **settings):
        def on_rows(rows: slice):
            return function(logits[rows], *(_cut(value, rows) for value in values), **settings)

        count, vocabulary = logits.shape
        size = tokens_in_chunk(vocabulary)
        if count <= size:
            return on_rows(slice(0, count))
        compute = on_rows
        if torch.is_grad_enabled():
            compute = functools.partial(
                checkpoint, on_rows, use_reentrant=False, preserve_rng_state=False
            )
        results = [compute(slice(first, first + size)) for first in range(0, count, size)]
        return type(results[0])(*map(torch.cat, zip(*results, strict=True)))

    return over_chunks


def _cut(value, rows: slice):
    if isinstance(value, tuple):
        return type(value)(*(part[rows] for part in value))
    return value[rows]
