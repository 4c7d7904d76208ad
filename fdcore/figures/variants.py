"""Training curves of several arms side by side: the paper's Figures 2, 4 to 9 and 12 to 14.

Each metric has a panel. Below it stands the paper's own panel, small and faint, where there is one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.figure import Figure

from fdcore.figures.statistics import mean_pass_at_k, pass_at_k_curve
from fdcore.figures.style import (
    add_legend,
    add_note,
    draw_paper_panel,
    draw_seeds,
    looks_of,
    new_figure,
    paper_curves,
    set_step_axis,
)

WINDOW = 7  # steps of the trailing mean on noisy curves
SMOOTHED = ("train_accuracy", "entropy", "zero_spread")
PANELS = {  # metric: (our title, the paper's)
    "test_accuracy": ("test accuracy", "test accuracy"),
    "validation_accuracy": ("validation accuracy", "test accuracy"),
    "train_accuracy": ("train accuracy", "train accuracy"),
    "entropy": ("entropy (nats)", "entropy"),
    "holdout_accuracy": ("hold-out accuracy", "MiniF2F accuracy"),
    "lemmas_seen": ("distinct lemmas", "cumulative lemmas"),
    "response_tokens": ("tokens an attempt", "response length"),
    "kl": ("KL to the teacher (nats)", "KL(student||teacher)"),
    "epistemic_words": ("epistemic words an attempt", "epistemic total"),
    "tool_calls": ("tool calls an attempt", ""),
    "zero_spread": ("groups without spread", ""),
}


class Curve(NamedTuple):
    """One curve of a figure."""

    label: str  # in the legend
    arm: str  # its colour
    paper: str = ""  # the paper's name of its own curve


def curves_figure(
    curves: Sequence[Curve],
    metrics: Mapping[str, Sequence[dict]],
    keys: Sequence[str],
    *,
    papers: Sequence[str] = (),
    titles: Mapping[str, str] = {},
) -> Figure:
    """Draw one panel a metric, one curve an arm.

    Args:
        curves: a curve without metrics is named in the note alone.
        metrics: label -> metrics rows, of several seeds.
        keys: the metrics. One that no row has is left out.
        papers: the paper's figures; a panel is taken from the first that has it.
        titles: metric -> a title in place of the one in PANELS.
    """
    absent = [curve.label for curve in curves if curve.label not in metrics]
    curves = [curve for curve in curves if curve.label in metrics]
    looks = looks_of([curve.arm for curve in curves])
    measured = [row for curve in curves for row in metrics[curve.label]]
    keys = [key for key in keys if any(_has(row, key) for row in measured)] or keys[:1]
    sources = {key: _source(papers, PANELS[key][1]) for key in keys}
    below = any(sources.values())
    figure = new_figure(max(3.7, 1.85 * len(keys)), 3.8 if below else 2.4)
    grid = figure.subplots(1 + below, len(keys), squeeze=False, height_ratios=[1.5, 1][: 1 + below])
    for axes, key in zip(grid[0], keys, strict=True):
        window = WINDOW if key in SMOOTHED else 1
        for curve, look in zip(curves, looks, strict=True):
            rows, name = metrics[curve.label], curve.label
            draw_seeds(axes, rows, key, look, name, x="step", window=window)
        values = [row[key] for curve in curves for row in metrics[curve.label] if _has(row, key)]
        set_step_axis(axes, "step", values, titles.get(key, PANELS[key][0]))
    for axes, key in zip(grid[1] if below else (), keys, strict=False):
        papers_looks = {curve.paper: look for curve, look in zip(curves, looks, strict=True)}
        draw_paper_panel(axes, sources[key], PANELS[key][1], papers_looks)
    add_legend(figure)
    missing = f"Not trained in these records: {', '.join(absent)}" if absent else ""
    below_is = "Lower row: not ours, the paper's" if below else ""
    add_note(figure, *_notes(measured, keys), missing, below_is)
    return figure


def look_key(metrics: Mapping[str, Sequence[dict]]) -> str:
    """Return the metric of the looks during training: validation accuracy, else test accuracy."""
    rows = (row for own in metrics.values() for row in own)
    return (
        f"{'validation' if any(_has(r, 'validation_accuracy') for r in rows) else 'test'}_accuracy"
    )


def _has(row: dict, key: str) -> bool:
    return row.get(key) is not None


def _source(papers: Sequence[str], panel: str) -> str:
    """The first of these figures of the paper that has the panel; nothing where none has."""
    return next((number for number in papers if paper_curves(number, panel)), "")


def _notes(rows: Sequence[dict], keys: Sequence[str]) -> list[str]:
    """What a reader must know of the curves."""
    seeds = sorted({row["seed"] for row in rows})
    smoothed = [PANELS[key][0].partition(" (")[0] for key in keys if key in SMOOTHED]
    notes = [f"{', '.join(smoothed)}: trailing mean of {WINDOW} steps"] if smoothed else []
    if len(seeds) > 1:
        return [*notes, f"Mean of {len(seeds)} seeds, bands from the lowest to the highest"]
    return [*notes, *(f"Seed {seed} alone" for seed in seeds)]


def curve_rows(
    curves: Sequence[Curve], metrics: Mapping[str, Sequence[dict]], keys: Sequence[str]
) -> list[dict]:
    """Return what `curves_figure` draws: one row a curve, seed and step."""
    return [
        {"variant": curve.label, "seed": row["seed"], "step": row["step"]}
        | {key: row.get(key) for key in keys}
        for curve in curves
        for row in metrics.get(curve.label, ())
    ]


def evaluation_rows(evaluations: Mapping[str, Sequence[dict]]) -> list[dict[str, str]]:
    """Return pass@1 with its 95 % interval over lemmas, and pass@k, by label.

    k is the number of samples that all have. The last column is pass@1 of the problems that need
    an unknown lemma.
    """
    table = []
    most = min((row["n"] for rows in evaluations.values() for row in rows), default=1)
    for label, rows in evaluations.items():
        [(_, _, low, high)] = pass_at_k_curve(rows, [1])
        unknown = [row for row in rows if row["unknown"]]
        table.append(
            {
                "arm": label,
                "pass@1": f"{mean_pass_at_k(rows, 1):.1%} [{low:.1%}, {high:.1%}]",
                f"pass@{most}": f"{mean_pass_at_k(rows, most):.1%}",
                "an unknown lemma, pass@1": f"{mean_pass_at_k(unknown, 1):.1%}" if unknown else "—",
            }
        )
    return table
