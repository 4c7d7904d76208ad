"""The paper's own curves, digitized from its figures (`paper_curves.csv`, whose head says how): to be shown beside ours, never in their place."""

from __future__ import annotations

import csv

from fdcore import PACKAGE

CURVES = PACKAGE / "paper_curves.csv"


def paper_curves(figure: str, panel: str) -> dict[str, list[tuple[float, float]]]:
    """The points (x, y) of one panel, by series, in the units of its axes; empty where nothing was digitized."""
    found: dict[str, list[tuple[float, float]]] = {}
    with open(CURVES, encoding="utf-8") as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            if row["figure"] == figure and row["panel"] == panel:
                found.setdefault(row["series"], []).append((float(row["x"]), float(row["y"])))
    return found
