"""One look for all figures: fonts, colours, axes, legends, files.

A colour belongs to an arm; line styles and markers differ too, so that a grey print works.
Layouts of single figures stand in their notebooks, statistics in `fdcore.figures.statistics`.
"""

from __future__ import annotations

import csv
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from fdcore import PACKAGE
from fdcore.figures.statistics import pass_at_k_curve
from fdcore.records import write_text

STYLE = {
    "pdf.fonttype": 42,  # fonts embedded as TrueType
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
}
LOOKS = {  # arm: colour (Okabe and Ito's), line, marker
    "base": ("#666666", ":", "x"),
    "fd": ("#0072B2", "-", "o"),
    "grpo": ("#D55E00", "--", "s"),
    "rft": ("#8C6D31", (0, (2, 1)), "P"),
    "grpo_from_fd_1": ("#E69F00", "-.", "^"),
    "grpo_from_fd_2": ("#009E73", (0, (6, 1)), "D"),
    "grpo_from_fd_3": ("#CC79A7", (0, (4, 1, 1, 1, 1, 1)), "v"),
}
FAINT = "#666666"
CURVES = PACKAGE / "paper_curves.csv"


def arm_label(arm: str, starts: dict[str, int]) -> str:
    """Return an arm's name for a legend. `starts`: arm -> FD step that it starts from."""
    names = {"fd": "FD", "grpo": "GRPO", "rft": "RFT", "base": "base"}
    return names.get(arm) or f"GRPO over FD ({starts.get(arm, 0)})"


def looks_of(arms: Sequence[str]) -> list[tuple]:
    """Return a look for each arm: its own, or for a variant one that no arm among them has.

    Raises:
        ValueError: more arms than can be told apart.
    """
    order = [*list(LOOKS)[3:], "grpo", "fd"]  # a variant should not look like a main arm
    free = [LOOKS[arm] for arm in order if arm not in arms]
    variants = [arm for arm in arms if arm not in LOOKS]
    if len(variants) > len(free):
        raise ValueError(f"{len(arms)} curves in one figure, at most {len(LOOKS) - 1} differ")
    own = LOOKS | dict(zip(variants, free, strict=False))
    return [own[arm] for arm in arms]


def new_figure(width: float, height: float, layout: str | None = "constrained") -> Figure:
    """Return a figure of this size in inches. Sets matplotlib's style in this process."""
    matplotlib.rcParams.update(STYLE)
    figure = Figure(figsize=(width, height), layout=layout)
    FigureCanvasAgg(figure)
    return figure


def save(
    figure: Figure,
    folder: Path,
    name: str,
    rows: Sequence[dict],
    title: str = "",
    caption: str = "",
) -> Path:
    """Write NAME.pdf, NAME.png (200 dpi) and NAME.csv (`rows`). Return the PNG's path.

    No file holds a date, so the same records give the same bytes. The PNG holds title and caption:
    `fdcore.figures.report` shows every figure that has a title.
    """
    folder.mkdir(parents=True, exist_ok=True)
    words = {"Title": title, "Description": caption} if title else {}
    figure.savefig(folder / f"{name}.pdf", metadata={"CreationDate": None})
    figure.savefig(folder / f"{name}.png", dpi=200, metadata={"Software": None, **words})
    table = pd.DataFrame(rows, dtype=object)  # numbers stay as they are
    write_text(folder / f"{name}.csv", table.to_csv(index=False, lineterminator="\n"))
    return folder / f"{name}.png"


def draw_line(axes: Axes, x: Sequence[float], y: Sequence[float], look: tuple, name: str) -> None:
    """Draw one curve; a long one has six markers, a short one a marker at each point."""
    colour, line, marker = look
    every = 1 if len(x) <= 10 else len(x) // 6
    style = {"color": colour, "linestyle": line, "marker": marker}
    axes.plot(x, y, **style, markersize=3, markevery=every, label=name)


def draw_seeds(
    axes: Axes, rows: Iterable[dict], key: str, look: tuple, name: str, *, x: str, window: int
) -> None:
    """Draw a metric's mean over seeds, with a band from the lowest seed to the highest.

    Args:
        rows: metrics rows. A row without the metric is left out.
        x: the key of the horizontal axis.
        window: steps of the trailing mean; above 1 a single seed's raw values are drawn faintly.
    """
    kept = [
        {"step": row["step"], "seed": row["seed"], "x": row[x], "y": row[key]}
        for row in rows
        if row.get(key) is not None and row.get(x) is not None
    ]
    if not kept:
        return draw_line(axes, [], [], look, name)
    table = pd.DataFrame(kept).pivot(index="step", columns="seed").dropna()
    where, raw = table["x"].mean(axis=1), table["y"]
    values = raw.rolling(window, min_periods=1).mean()
    if raw.shape[1] > 1:
        low, high = values.min(axis=1), values.max(axis=1)
        axes.fill_between(where, low, high, color=look[0], alpha=0.15, linewidth=0)
    elif window > 1:
        axes.plot(where, raw, color=look[0], alpha=0.2, linewidth=0.6)
    draw_line(axes, where, values.mean(axis=1), look, name)


def draw_pass_at_k(
    axes: Axes, rows: Sequence[dict], ks: Sequence[int], look: tuple, name: str
) -> None:
    """Draw pass@k with its 95 % bootstrap band over lemmas."""
    curve = pass_at_k_curve(rows, ks)
    where, middle, low, high = zip(*curve, strict=True) if curve else ((),) * 4
    axes.fill_between(where, low, high, color=look[0], alpha=0.12, linewidth=0)
    draw_line(axes, where, middle, look, name)


def set_step_axis(axes: Axes, x: str, values: Iterable[float], title: str) -> None:
    """Label the horizontal axis; let the vertical one run from 0 to a little above `values`."""
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True, steps=[1, 2, 5, 10]))
    if x == "tokens_sampled":
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set(xlabel=x.replace("tokens_sampled", "tokens sampled"), title=title)
    axes.set_xlim(left=0)
    set_heights(axes, values)


def set_k_axis(axes: Axes, ks: Sequence[int]) -> None:
    """Make the horizontal axis logarithmic, with a tick at each k or at each second one."""
    axes.set_xscale("log", base=2)
    shown = ks[:: 1 if len(ks) <= 7 else 2]
    axes.set_xticks(shown, [str(k) for k in shown])
    axes.minorticks_off()
    axes.set(xlabel="k", xlim=(min(ks) * 0.85, max(ks) * 1.18))


def set_heights(axes: Axes, values: Iterable[float]) -> None:
    """Show 0 and the largest value with their markers, also where all values are 0."""
    top = max([0.1, *values])
    axes.set_ylim(-0.02 * top, 1.06 * top)


def add_legend(figure: Figure) -> None:
    """Put one legend for all panels above them, read row by row."""
    entries = {
        name: handle
        for axes in figure.axes
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    if not entries:
        return
    names = list(entries)
    widest = 0.62 + 0.06 * max(map(len, names))  # inches: the line, and the characters
    rows = -(-len(names) // max(1, int(figure.get_figwidth() / widest)))
    columns = -(-len(names) // rows)
    names = [name for column in range(columns) for name in names[column::columns]]
    handles = [entries[name] for name in names]
    place = {"loc": "outside upper center", "frameon": False, "ncols": columns}
    figure.legend(handles, names, **place, columnspacing=1.2, handlelength=3.2)


def add_note(figure: Figure, *sentences: str) -> None:
    """Write below all panels what a reader must know."""
    text = ". ".join(filter(None, sentences))
    lines = textwrap.fill(text, int(19 * figure.get_figwidth()))
    figure.supxlabel(lines, fontsize=6.5, color=FAINT)


def paper_curves(figure: str, panel: str) -> dict[str, list[tuple[float, float]]]:
    """Return the paper's own points (x, y) of one panel, by series, in the units of its axes.

    They were digitized from the paper (the head of `paper_curves.csv` says how). Nothing is
    returned where nothing was digitized.
    """
    curves: dict[str, list[tuple[float, float]]] = {}
    with open(CURVES, encoding="utf-8") as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            if row["figure"] == figure and row["panel"] == panel:
                curves.setdefault(row["series"], []).append((float(row["x"]), float(row["y"])))
    return curves


def draw_paper_panel(axes: Axes, figure: str, panel: str, looks: dict[str, tuple]) -> None:
    """Draw the paper's panel, small and faint. `looks`: the paper's series -> its look."""
    curves = paper_curves(figure, panel)
    if not curves:
        axes.axis("off")
        return
    for name, (colour, line, _) in looks.items():
        if name in curves:
            x, y = zip(*sorted(curves[name]), strict=True)
            axes.plot(x, y, color=colour, linestyle=line, linewidth=0.8, alpha=0.55)
    title = f"the paper's Figure {figure}, digitized\n{panel.partition(' (')[0]}"
    axes.set_title(title, color=FAINT, fontsize=6.5)
    axes.set_xlabel("k" if "x = k" in panel else "step", color=FAINT, fontsize=6.5, labelpad=1)
    axes.tick_params(colors=FAINT, labelsize=6)
    axes.set_ylim(bottom=0)
