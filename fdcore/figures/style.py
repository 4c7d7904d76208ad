"""The paper's figures from plain records, in one look: fonts embedded, colours that the colour-blind tell apart, one style an arm.

Every figure function returns a matplotlib Figure; `save` writes PDF, PNG and the drawn data as CSV, the same bytes for the same
records. Left out on purpose: reading runs (`fdcore.experiment.recorded`), statistics (`fdcore.experiment.evaluation`), Figure 1 (`fdcore.figures.token_figure`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator, StrMethodFormatter

from fdcore.experiment.evaluation import bootstrap_pass_at_k, pass_at_k_curve
from fdcore.figures.papercurves import paper_curves
from fdcore.records import write_text

STYLE = {
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "legend.fontsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "lines.linewidth": 1.3,
    "text.parse_math": False,
    "svg.hashsalt": "fdcore",
}
# Okabe and Ito's colours; line styles and markers differ too, so that grey print works.
LOOKS = {
    "base": ("#666666", ":", "x"),
    "fd": ("#0072B2", "-", "o"),
    "grpo": ("#D55E00", "--", "s"),
    "grpo_from_fd_1": ("#E69F00", "-.", "^"),
    "grpo_from_fd_2": ("#009E73", (0, (6, 1)), "D"),
    "grpo_from_fd_3": ("#CC79A7", (0, (4, 1, 1, 1, 1, 1)), "v"),
    "rft": ("#8C6D31", (0, (2, 1)), "P"),
}
ALL, KNOWN, UNKNOWN = (
    LOOKS["base"],
    ("#000000", "-", "o"),
    ("#56B4E9", "--", "s"),
)  # kinds of problem: no arm's colour
SERIES = {  # the paper's figure -> its names of the arms
    "2": {
        "fd": "Claude FD",
        "grpo": "GRPO",
        "grpo_from_fd_1": "GRPO over FD (100)",
        "grpo_from_fd_2": "GRPO over FD (200)",
        "grpo_from_fd_3": "GRPO over FD (300)",
    },
    "3": {"fd": "FD", "grpo": "GRPO"},
    "10": {"fd": "Claude FD", "grpo": "GRPO", "grpo_from_fd_1": "GRPO over Claude FD (120)"},
}
MODELS = {"2": "Qwen3.5-9B", "3": "Qwen3.5-9B", "10": "Qwen3-8B"}
PANELS = (
    ("test_accuracy", "test accuracy"),
    ("train_accuracy", "train accuracy"),
    ("entropy", "entropy (nats)"),
    ("holdout_accuracy", "hold-out accuracy"),
)
PAPER_PANELS = ("test accuracy", "train accuracy", "entropy", "MiniF2F accuracy")
LEMMA_ARMS = ("fd", "grpo", "rft")  # those that start from the base
WINDOW = 7  # steps of the trailing mean on noisy curves
SMOOTHED = {
    "train_accuracy": "train accuracy",
    "entropy": "entropy",
    "zero_spread": "groups without spread",
}  # which these are


def label(arm: str, starts: dict[str, int]) -> str:
    return {"fd": "FD", "grpo": "GRPO", "rft": "RFT", "base": "base"}.get(
        arm
    ) or f"GRPO over FD ({starts.get(arm, 0)})"


def new_figure(width: float, height: float) -> Figure:
    """A figure in inches, outside pyplot's global state, drawn by Agg."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def styled(function):
    def inside(*args, **kwargs):
        with matplotlib.rc_context(STYLE):
            return function(*args, **kwargs)

    inside.__name__, inside.__doc__ = function.__name__, function.__doc__
    return inside


@styled
def save(figure: Figure, folder: Path, name: str, rows: Sequence[dict]) -> list[Path]:
    """NAME.pdf, NAME.png (200 dpi) and NAME.csv (`rows`) in `folder`; no dates inside, so that a redrawn figure is the same file."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.{ending}" for ending in ("pdf", "png", "csv")]
    figure.savefig(paths[0], metadata={"CreationDate": None})
    figure.savefig(paths[1], dpi=200, metadata={"Software": None})
    text = io.StringIO()
    writer = csv.DictWriter(
        text, list(dict.fromkeys(key for row in rows for key in row)), lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(rows)
    write_text(paths[2], text.getvalue())
    return paths


def smooth(values: Sequence[float], window: int = WINDOW) -> np.ndarray:
    """Trailing mean over at most `window` values."""
    return np.array([np.mean(values[max(0, i - window + 1) : i + 1]) for i in range(len(values))])


def _line(axes, where: Sequence[float], values: Sequence[float], look: tuple, name: str) -> None:
    """One curve: every point marked where there are few, some where there are many."""
    colour, line, marker = look
    axes.plot(
        where,
        values,
        color=colour,
        linestyle=line,
        marker=marker,
        markersize=3,
        markevery=1 if len(values) <= 10 else len(values) // 6,
        label=name,
    )


def legend_above(figure: Figure) -> None:
    """One legend for all panels, above them, so that it covers no curve."""
    entries = {
        name: handle
        for axes in figure.axes
        for handle, name in zip(*axes.get_legend_handles_labels())
    }
    if entries:
        names = sorted(entries, key=lambda name: name != "base")  # the others keep the arms' order
        for rows in range(
            -(-len(names) // 6), len(names) + 1
        ):  # as few as there is room for, of about one length
            columns = -(-len(names) // rows)
            across = [
                name for column in range(columns) for name in names[column::columns]
            ]  # a legend is filled by columns and read by rows
            legend = figure.legend(
                [entries[name] for name in across],
                across,
                loc="outside upper center",
                ncols=columns,
                frameon=False,
                columnspacing=1.2,
                handlelength=3.2,
            )
            if columns == 1 or legend.get_window_extent().width <= figure.bbox.width:
                return
            legend.remove()


def footnote(figure: Figure, *sentences: str) -> None:
    """What the reader must know, below all panels, in as many lines as the width asks for."""
    told = figure.supxlabel("", fontsize=6.5, color="#555555")
    lines = [""]
    for word in ". ".join(filter(None, sentences)).split():
        told.set_text(f"{lines[-1]} {word}")
        if told.get_window_extent().width > 0.97 * figure.bbox.width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    told.set_text("\n".join(lines))


def axis(axes, x: str, values: Sequence[float], **settings) -> None:
    """Whole steps or short token counts below; heights from 0 to a little above `values`, also when all of them are 0."""
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    if x == "tokens_sampled":
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set(xlabel="step" if x == "step" else "tokens sampled", ylim=_heights(values), **settings)


def _heights(values: Sequence[float]) -> tuple[float, float]:
    """Limits that show 0 and the largest value with their markers."""
    top = max([0.1, *values])
    return -0.02 * top, 1.06 * top


# -- Figure 2 ----------------------------------------------------------------------------------------------------------


def figure_2_rows(metrics: dict[str, list[dict]], starts: dict[str, int]) -> list[dict]:
    """What Figure 2 draws: one row an arm, seed and step, with the step and tokens counted from the base model.

    An arm that starts from a checkpoint carries FD's tokens up to there; None where FD's metrics lack that step.
    """
    spent = {(row["seed"], row["step"]): row["tokens_sampled"] for row in metrics.get("fd", [])}
    rows = []
    for arm, row in ((arm, row) for arm, run in metrics.items() for row in run):
        start = starts.get(arm, 0)
        before = spent.get((row["seed"], start)) if start else 0
        tokens = None if before is None else row["tokens_sampled"] + before
        rows.append(
            {
                "arm": arm,
                "seed": row["seed"],
                "step": row["step"] + start,
                "tokens_sampled": tokens,
                **{key: row[key] for key, _ in PANELS},
            }
        )
    return rows


def over_seeds(rows: Sequence[dict]) -> list[dict]:
    """One row a step: the mean over seeds of every number that all of that step's rows hold."""
    steps: dict[int, list[dict]] = {}
    for row in rows:
        steps.setdefault(row["step"], []).append(row)
    return [
        {"step": step}
        | {
            key: float(np.mean([row[key] for row in same]))
            for key in same[0]
            if key not in ("step", "seed") and all(_number(row[key]) for row in same)
        }
        for step, same in sorted(steps.items())
    ]


def _number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


@styled
def figure_2(
    metrics: dict[str, list[dict]],
    starts: dict[str, int],
    *,
    x: Literal["step", "tokens_sampled"] = "step",
    paper: Literal["2", "10"] | None = "2",
) -> Figure:
    """Test and train accuracy, entropy and hold-out accuracy of all arms; below, small and faint, the paper's own curves, of its Figure 2 or 10."""
    figure = new_figure(7.0, 3.8 if paper else 2.3)
    rows = figure_2_rows(metrics, starts)
    grid = figure.add_gridspec(2 if paper else 1, 4, height_ratios=[1.5, 1] if paper else [1])
    first = None
    for column, (key, title) in enumerate(PANELS):
        axes = figure.add_subplot(grid[0, column], sharex=first)
        first = first or axes
        for arm in metrics:
            curve(
                axes,
                [row for row in rows if row["arm"] == arm],
                LOOKS[arm],
                key,
                x,
                label(arm, starts),
            )
        values = [row[key] for row in rows if row[key] is not None]
        axis(axes, x, values, title=title)
        if not values:
            axes.set_yticks([])
            axes.text(
                0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", color="#777777"
            )
        if paper:
            _paper_panel(figure.add_subplot(grid[1, column]), paper, PAPER_PANELS[column])
    legend_above(figure)
    footnote(
        figure,
        note(rows, [key for key, _ in PANELS]),
        f"Lower row: not ours, the paper's Figure {paper}" if paper else "",
    )
    return figure


def note(rows: list[dict], keys: Sequence[str]) -> str:
    """What the reader must know of the curves of these metrics; nothing where none is smoothed."""
    smoothed = [told for key, told in SMOOTHED.items() if key in keys]
    if not smoothed:
        return ""
    names = " and ".join(filter(None, (", ".join(smoothed[:-1]), smoothed[-1])))
    seeds = _spread(rows)
    return f"{names}: trailing mean of {WINDOW} steps" + (
        f"; all panels: {seeds}" if seeds else " over the raw values (faint)"
    )


def _spread(rows: list[dict]) -> str:
    """How curves show several seeds; nothing for one."""
    seeds = len({row["seed"] for row in rows})
    return f"mean of {seeds} seeds, bands from the lowest to the highest" if seeds > 1 else ""


def curve(axes, rows: list[dict], look: tuple, key: str, x: str, name: str) -> None:
    """The mean over seeds; with several seeds in a band from the lowest to the highest."""
    smoothed = key in SMOOTHED
    runs = {}
    for row in rows:
        if row[key] is not None and row[x] is not None:
            runs.setdefault(row["seed"], {})[row["step"]] = (row[x], row[key])
    steps = [
        step for step in next(iter(runs.values()), {}) if all(step in run for run in runs.values())
    ]
    where = [np.mean([run[step][0] for run in runs.values()]) for step in steps]
    raw = np.array([[run[step][1] for step in steps] for run in runs.values()])
    values = np.array([smooth(run) for run in raw]) if smoothed else raw
    if len(raw) == 1 and smoothed:
        axes.plot(where, raw[0], color=look[0], alpha=0.2, linewidth=0.6)
    elif len(raw) > 1:
        axes.fill_between(
            where, values.min(0), values.max(0), color=look[0], alpha=0.15, linewidth=0
        )
    _line(axes, where, values.mean(0) if len(values) else (), look, name)


def _paper_panel(axes, paper: str, panel: str) -> None:
    curves = paper_curves(paper, panel)
    if not curves:
        return axes.axis("off")
    for arm, series in SERIES[paper].items():
        if series in curves:
            axes.plot(
                *zip(*sorted(curves[series])),
                color=LOOKS[arm][0],
                linestyle=LOOKS[arm][1],
                linewidth=0.8,
                alpha=0.55,
            )
    axes.set_title(
        f"paper: {MODELS[paper]}, digitized\n{panel.partition(' (')[0]}",
        color="#666666",
        fontsize=6.5,
    )
    axes.set_xlabel("step", color="#666666", fontsize=6.5, labelpad=1)
    axes.tick_params(colors="#666666", labelsize=6)
    axes.set_ylim(bottom=0)


# -- Figure 3 and the base ----------------------------------------------------------------------------------------------


def figure_3_rows(
    metrics: dict, evaluations: dict, starts: dict[str, int], ks: Sequence[int]
) -> list[dict]:
    """What Figure 3 draws: lemmas a step, and pass@k with its interval."""
    lemmas = [
        {
            "panel": "lemmas",
            "arm": arm,
            "seed": row["seed"],
            "x": row["step"],
            "tokens_sampled": row["tokens_sampled"],
            "y": row["lemmas_seen"] / row["step"],
        }
        for arm in LEMMA_ARMS
        for row in metrics.get(arm, [])
    ]
    return lemmas + [
        {"panel": "pass@k", "arm": arm, "x": k, "y": y, "low": low, "high": high}
        for arm, rows in evaluations.items()
        for k, y, low, high in _pass_rows(rows, ks)
    ]


def _pass_rows(rows: list[dict], ks: Sequence[int]) -> list[tuple[int, float, float, float]]:
    """(k, pass@k, band's ends) for each k that the samples allow; no rows for no problems."""
    if not rows:
        return []
    usable = [k for k in ks if k <= min(row["n"] for row in rows)]
    curve, bands = pass_at_k_curve(rows, usable), bootstrap_pass_at_k(rows, usable)
    return [(k, curve[k], *bands[k]) for k in usable]


@styled
def figure_3(
    metrics: dict[str, list[dict]],
    evaluations: dict[str, list[dict]],
    starts: dict[str, int],
    ks: Sequence[int],
) -> Figure:
    """Lemma discovery by step and by sampled tokens, and pass@k on test with 95 % bootstrap bands over problems; below, the paper's own curves."""
    figure = new_figure(7.0, 4.0)
    (left, middle, right), below = figure.subplots(
        2, 3, width_ratios=[1, 1, 1.3], height_ratios=[1.7, 1]
    )
    rates, counts = [], []
    for arm in (arm for arm in LEMMA_ARMS if arm in metrics):
        rows, name = (
            [row | {"rate": row["lemmas_seen"] / row["step"]} for row in metrics[arm]],
            label(arm, starts),
        )
        curve(left, rows, LOOKS[arm], "rate", "step", name)
        curve(middle, rows, LOOKS[arm], "lemmas_seen", "tokens_sampled", name)
        # A long run's first steps, whose quotients dwarf the rest, may leave the panel (the paper starts at step 20 of 140).
        rates += [r["rate"] for r in rows if r["step"] > rows[-1]["step"] // 10]
        counts += [r["lemmas_seen"] for r in rows]
    axis(left, "step", [1, *rates], title="distinct lemmas ÷ step")
    axis(middle, "tokens_sampled", [1, *counts], title="distinct lemmas")
    tops = [
        _pass_curve(right, rows, ks, LOOKS[arm], label(arm, starts))
        for arm, rows in evaluations.items()
    ]
    _log_k(right, ks, tops, "pass@k on test, 95 % bands")
    for axes, panel in zip(below, ("cumulative lemmas per step", "", "pass@k (x = k)")):
        _paper_panel(axes, "3", panel)
    below[1].text(
        0.5,
        0.5,
        "not in the paper",
        transform=below[1].transAxes,
        ha="center",
        color="#777777",
        fontsize=6.5,
    )
    below[2].set_xscale("log", base=2)
    below[2].xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    below[2].set_xlabel("k", color="#666666", fontsize=6.5, labelpad=1)
    legend_above(figure)
    seeds = _spread([row for rows in metrics.values() for row in rows])
    footnote(
        figure, f"lemmas: {seeds}" if seeds else "", "Lower row: not ours, the paper's Figure 3"
    )
    return figure


def _pass_curve(axes, rows: list[dict], ks: Sequence[int], look: tuple, name: str) -> float:
    """Draw pass@k with its band; returns the band's top."""
    where, middle, low, high = zip(*_pass_rows(rows, ks)) if rows else ((),) * 4
    axes.fill_between(where, low, high, color=look[0], alpha=0.12, linewidth=0)
    _line(axes, where, middle, look, name)
    return max(high, default=0.0)


def _log_k(axes, ks: Sequence[int], tops: Sequence[float], title: str) -> None:
    axes.set_xscale("log", base=2)
    every = 1 if len(ks) <= 7 else 2
    axes.set_xticks(list(ks)[::every], [str(k) for k in ks[::every]])
    axes.minorticks_off()
    axes.set(title=title, xlabel="k", xlim=(min(ks) * 0.85, max(ks) * 1.18), ylim=_heights(tops))


@styled
def base_figure(rows: list[dict], ks: Sequence[int]) -> Figure:
    """pass@k of the base model on test: all problems, those whose lemmas are known, those that need an unknown one; and by tier."""
    figure = new_figure(6.0, 2.6)
    left, right = figure.subplots(1, 2)
    known, unknown = ([r for r in rows if r["unknown"] == kind] for kind in (False, True))
    kinds = (
        ("all", rows, ALL),
        ("lemmas known", known, KNOWN),
        ("an unknown lemma", unknown, UNKNOWN),
    )
    tops = [
        _pass_curve(left, some, ks, look, f"{name} ({len(some)})")
        for name, some, look in kinds
        if some
    ]
    _log_k(left, ks, tops, "base model, pass@k on test")
    tiers = {
        tier: [r for r in rows if r["tier"] == tier]
        for tier in sorted({row["tier"] for row in rows})
    }
    last = max((k for k in ks if k <= min((row["n"] for row in rows), default=0)), default=1)
    for shift, k, colour in ((-0.2, 1, "#333333"), (0.2, last, "#BBBBBB")):
        heights = [pass_at_k_curve(some, [k])[k] for some in tiers.values()]
        right.bar(
            [tier + shift for tier in tiers], heights, width=0.38, color=colour, label=f"pass@{k}"
        )
        tops += heights
    right.set(title="by tier", xlabel="tier (problems)", ylim=left.get_ylim())
    right.set_xticks(list(tiers), [f"{tier}\n({len(some)})" for tier, some in tiers.items()])
    right.grid(axis="x", visible=False)
    legend_above(figure)
    return figure
