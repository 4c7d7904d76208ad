"""A run's results on one HTML page that needs no network: claims, token view, figures, arms."""

from __future__ import annotations

import base64
import io
import os
import re
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from fdcore.figures.claims import Claim
from fdcore.figures.token_page import render, view_data
from fdcore.figures.token_view import TokenView
from fdcore.records import write_text

WIDTH, COLOURS = 1300, 256  # pixels and colours of a figure on the page: the PDF has all


def write_report(
    path: Path,
    figures: Path,
    claims: Sequence[Claim],
    *,
    summary: str,
    arms: Sequence[dict[str, str]],
    views: Sequence[TokenView],
) -> None:
    """Write the page.

    Args:
        figures: the folder whose titled figures are shown, in the paper's order.
        summary: one sentence, what came out.
        arms: the rows of a table.
    """
    page = render(
        "report.html.jinja",
        summary=summary,
        claims=[_bar(claim) for claim in claims],
        figures=find_figures(figures, os.path.relpath(figures, path.parent)),
        arms=arms,
        data=view_data(views) if views else None,
    )
    write_text(path, page)


def find_figures(folder: Path, link: str) -> list[dict[str, str]]:
    """Every figure with a title: the paper's by number, then the others by name."""
    found = []
    for path in folder.glob("*.png"):
        with Image.open(path) as image:
            if not (title := image.info.get("Title")):
                continue
            number = re.match(r"Figures? (\d+)", title)
            entry = {
                "name": path.stem,
                "title": title,
                "caption": image.info.get("Description", ""),
                "link": f"{link}/{path.stem}".removeprefix("./"),
                "image": _embed(image),
                "width": str(image.width),
                "height": str(image.height),
            }
        found.append((int(number[1]) if number else 100, path.stem, entry))
    return [entry for *_, entry in sorted(found, key=lambda item: item[:2])]


def _embed(image: Image.Image) -> str:
    """The picture as a data URI, smaller than its file."""
    height = round(image.height * WIDTH / image.width)
    small = image.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS)
    data = io.BytesIO()
    small = small.quantize(COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    small.save(data, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(data.getvalue()).decode()}"


def _bar(claim: Claim) -> dict:
    """A claim and the places of its marks on its own axis, in percent of the width."""
    numbers = [claim.estimate, claim.low, claim.high, *claim.seeds.values()]
    reach = 1.1 * max([abs(x - claim.needs) for x in numbers if x is not None], default=0) or 1.0

    def place(number: float) -> float:
        return round(50 + 50 * (number - claim.needs) / reach, 2)

    marks = {name: getattr(claim, name) for name in ("estimate", "low", "high")}
    places = {name: place(number) for name, number in marks.items() if number is not None}
    return {"claim": claim, "seeds": [place(value) for value in claim.seeds.values()], **places}
