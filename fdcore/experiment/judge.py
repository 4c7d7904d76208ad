"""Judge one proof file against one statement file: `fdcore judge`."""

from __future__ import annotations

import re
from pathlib import Path

from fdcore import profile
from fdcore.lean.library import Library
from fdcore.lean.source import code, split_source
from fdcore.lean.verifier import Verifier
from fdcore.records import Problem, Verdict
from fdcore.rollout.tools import whole_source

BEHIND = re.compile(r"\s*(?:sorry)?(?:\s+end\b.*)*\s*")  # what may stand behind the statement


def judge_files(statement: Path, proof: Path, library: Library, settings: profile.Lean) -> Verdict:
    """The verdict on a proof file.

    Args:
        statement: one theorem that ends in `:= by`, with or without a sorry, below a header or
            none. It may import what the profile's header brings.
        proof: a whole Lean file, which may repeat the header, or only the tactics behind `by`.
        library: what both build on.
        settings: a profile's section `lean`.

    Raises:
        ValueError: a file is missing or no UTF-8; the statement is not of this form, or does not
            elaborate.
    """
    text, written = _read(statement), _read(proof)
    try:
        parts = split_source(text)
        states = re.search(r":=\s*by\s*\Z", code(parts.statement))
        if not states or not BEHIND.fullmatch(code(parts.proof)):
            raise ValueError("its theorem must end in ':= by', with no more than a sorry behind it")
        problem = Problem(
            id=statement.stem, header=parts.header, statement=parts.statement, split="test"
        )
        with Verifier(library, settings, workers=1, cache_dir=None) as verifier:
            stated = verifier.check(problem, None)
            if stated.status != "sorry":
                raise ValueError(stated.detail)
            return verifier.check(problem, whole_source(problem, written))
    except ValueError as error:
        raise ValueError(f"{statement}: {error}") from None


def _read(path: Path) -> str:
    if not path.is_file():
        raise ValueError(f"no file {path}")
    try:
        return path.read_text(encoding="utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: no UTF-8 at byte {error.start}") from None
