"""Judge one proof file against one statement file: `fdcore judge`."""

from __future__ import annotations

import re
from pathlib import Path

from fdcore import profile
from fdcore.lean.library import Library
from fdcore.lean.source import split_source
from fdcore.lean.verifier import Verifier
from fdcore.records import Problem, Verdict
from fdcore.rollout.tools import whole_source


def judge_files(statement: Path, proof: Path, library: Library, settings: profile.Lean) -> Verdict:
    """The verdict on a proof file.

    Args:
        statement: one theorem that ends in `:= by`, with or without a sorry, below a header or
        none.
        proof: a whole Lean file, or only the tactics behind `by`.
        library: what both build on.
        settings: a profile's section `lean`. Its header holds where the statement's imports
        nothing.

    Raises:
        ValueError: a file is missing; the statement is not of this form, or does not elaborate.
    """
    for path in (statement, proof):
        if not path.is_file():
            raise ValueError(f"no file {path}")
    text = statement.read_text(encoding="utf-8-sig").replace("\r\n", "\n")
    try:
        parts = split_source(text)
    except ValueError as error:
        raise ValueError(f"{statement}: {error}") from None
    if not re.search(r":=\s*by\s*\Z", parts.statement) or parts.proof.strip() not in ("", "sorry"):
        raise ValueError(f"{statement}: its theorem must end in ':= by' or ':= by sorry'")
    if re.search(r"^(?:prelude|import)\b", parts.header, re.MULTILINE):
        settings = settings.model_copy(update={"header": parts.header})
    problem = Problem(
        id=statement.stem, header=parts.header, statement=parts.statement, split="test"
    )
    text = proof.read_bytes().decode("utf-8", errors="surrogateescape").removeprefix("\ufeff")
    with Verifier(library, settings, workers=1, cache_dir=None) as verifier:
        stated = verifier.check(problem, None)
        if stated.status != "sorry":
            raise ValueError(f"{statement}: {stated.detail}")
        return verifier.check(problem, whole_source(problem, text))
