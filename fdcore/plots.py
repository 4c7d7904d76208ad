"""The paper's figures from plain records, in one look: fonts embedded, colours that the colour-blind tell apart, one style an arm.

Every figure function returns a matplotlib Figure; `save` writes PDF, PNG and the drawn data as CSV, the same bytes for the same
records. Left out on purpose: reading runs (`fdcore.experiment`), statistics (`fdcore.evaluation`).
"""
from __future__ import annotations

import csv
import html
import io
import textwrap
from pathlib import Path
from typing import Literal, Sequence

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from fdcore.evaluation import bootstrap_pass_at_k, pass_at_k_curve
from fdcore.records import Record, write_text

STYLE = {
    "pdf.fonttype": 42, "ps.fonttype": 42, "font.family": "DejaVu Sans", "font.size": 8, "axes.titlesize": 8, "axes.labelsize": 8, "legend.fontsize": 7,
    "xtick.labelsize": 7, "ytick.labelsize": 7, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.25,
    "lines.linewidth": 1.3, "text.parse_math": False, "svg.hashsalt": "fdcore",
}
# Okabe and Ito's colours; line styles and markers differ too, so that grey print works.
LOOKS = {
    "base": ("#666666", ":", "x"), "fd": ("#0072B2", "-", "o"), "grpo": ("#D55E00", "--", "s"), "grpo_from_fd_1": ("#E69F00", "-.", "^"),
    "grpo_from_fd_2": ("#009E73", "-.", "D"), "grpo_from_fd_3": ("#CC79A7", "-.", "v"),
}
SERIES = {"fd": "Claude FD", "grpo": "GRPO", "grpo_from_fd_1": "GRPO over FD (100)", "grpo_from_fd_2": "GRPO over FD (200)", "grpo_from_fd_3": "GRPO over FD (300)"}
PANELS = (("test_accuracy", "test accuracy"), ("train_accuracy", "train accuracy"), ("entropy", "entropy (nats)"), ("holdout_accuracy", "hold-out accuracy"))
PAPER_PANELS = ("test accuracy", "train accuracy", "entropy", "MiniF2F accuracy")
WINDOW = 7  # steps of the trailing mean on noisy curves
SCALE = 3.0  # Figure 1's colours end at −3 and +3 nats, as in the paper
GAP = LinearSegmentedColormap.from_list("gap", ["#D55E00", "#FFFFFF", "#0072B2"])


class Alternative(Record):
    """One token that could stand at a place, with both models' probabilities."""

    text: str
    student: float
    teacher: float


class TokenView(Record):
    """An attempt, token by token: log-probs (nats) of the taken token, 0.0 where action_mask is 0 (tool output)."""

    statement: str
    feedback: str
    verdict: str
    tokens: tuple[str, ...]
    action_mask: tuple[int, ...]
    student: tuple[float, ...]
    teacher: tuple[float, ...]
    alternatives: tuple[tuple[Alternative, ...], ...]
    focus: int  # the token where the two differ most


def label(arm: str, starts: dict[str, int]) -> str:
    return {"fd": "FD", "grpo": "GRPO", "base": "base"}.get(arm) or f"GRPO over FD ({starts.get(arm, 0)})"


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
    writer = csv.DictWriter(text, list(dict.fromkeys(key for row in rows for key in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(paths[2], text.getvalue())
    return paths


def smooth(values: Sequence[float], window: int = WINDOW) -> np.ndarray:
    """Trailing mean over at most `window` values."""
    return np.array([np.mean(values[max(0, i - window + 1) : i + 1]) for i in range(len(values))])


# -- Figure 2 ----------------------------------------------------------------------------------------------------------


def figure_2_rows(metrics: dict[str, list[dict]], starts: dict[str, int]) -> list[dict]:
    """What Figure 2 draws: one row an arm and step, with the step and tokens counted from the base model."""
    spent = {row["step"]: row["tokens_sampled"] for row in metrics.get("fd", [])}
    return [
        {"arm": arm, "step": row["step"] + starts.get(arm, 0), "tokens_sampled": row["tokens_sampled"] + spent.get(starts.get(arm, 0), 0), **{key: row[key] for key, _ in PANELS}}
        for arm, rows in metrics.items() for row in rows
    ]


@styled
def figure_2(metrics: dict[str, list[dict]], starts: dict[str, int], *, x: Literal["step", "tokens_sampled"] = "step", paper: bool = True) -> Figure:
    """Test and train accuracy, entropy and hold-out accuracy of all arms; below, small and grey, the paper's own curves."""
    figure = new_figure(7.0, 3.6 if paper else 2.2)
    rows = figure_2_rows(metrics, starts)
    grid = figure.add_gridspec(2 if paper else 1, 4, height_ratios=[1.5, 1] if paper else [1])
    for column, (key, title) in enumerate(PANELS):
        axes = figure.add_subplot(grid[0, column])
        for arm in metrics:
            _curve(axes, [row for row in rows if row["arm"] == arm], arm, key, x, label(arm, starts))
        axes.set(title=title, xlabel="step" if x == "step" else "tokens sampled")
        axes.set_ylim(bottom=0)
        if x == "tokens_sampled":
            axes.ticklabel_format(axis="x", style="sci", scilimits=(0, 0))
        if paper:
            _paper_panel(figure.add_subplot(grid[1, column]), PAPER_PANELS[column])
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=5, frameon=False)
    note = f"train accuracy and entropy: trailing mean of {WINDOW} steps over the raw values (faint)"
    figure.supxlabel(note + ("; lower row: the paper's Figure 2 (Qwen3.5-9B), digitized" if paper else ""), fontsize=6.5, color="#555555")
    return figure


def _curve(axes, rows: list[dict], arm: str, key: str, x: str, name: str) -> None:
    colour, line, marker = LOOKS[arm]
    points = [(row[x], row[key]) for row in rows if row[key] is not None]
    if not points:
        axes.plot([], [], color=colour, linestyle=line, label=name)
        return
    where, values = zip(*points)
    if key in ("train_accuracy", "entropy"):
        axes.plot(where, values, color=colour, alpha=0.2, linewidth=0.7)
        axes.plot(where, smooth(values), color=colour, linestyle=line, label=name)
    else:
        axes.plot(where, values, color=colour, linestyle=line, marker=marker, markersize=2.5, label=name)


def paper_curves(figure: str, panel: str) -> dict[str, list[tuple[float, float]]]:
    """The digitized points of one panel of the paper, by series."""
    found: dict[str, list[tuple[float, float]]] = {}
    with open(Path(__file__).parent / "paper_curves.csv", encoding="utf-8") as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            if row["figure"] == figure and row["panel"] == panel:
                found.setdefault(row["series"], []).append((float(row["x"]), float(row["y"])))
    return found


def _paper_panel(axes, panel: str) -> None:
    curves = paper_curves("2", panel)
    for arm, series in SERIES.items():
        if series in curves:
            axes.plot(*zip(*sorted(curves[series])), color=LOOKS[arm][0], linestyle=LOOKS[arm][1], linewidth=0.8, alpha=0.55)
    axes.set_title(f"paper: {panel}", color="#777777", fontsize=7)
    axes.tick_params(colors="#777777", labelsize=6)
    axes.set_ylim(bottom=0)


# -- Figure 3 and the base ----------------------------------------------------------------------------------------------


def figure_3_rows(metrics: dict, evaluations: dict, starts: dict[str, int], ks: Sequence[int]) -> list[dict]:
    """What Figure 3 draws: lemmas a step, and pass@k with its interval."""
    lemmas = [
        {"panel": "lemmas", "arm": arm, "x": row["step"], "tokens_sampled": row["tokens_sampled"], "y": row["lemmas_seen"] / row["step"]}
        for arm in ("fd", "grpo") for row in metrics.get(arm, [])
    ]
    return lemmas + [{"panel": "pass@k", "arm": arm, "x": k, "y": y, "low": low, "high": high} for arm, rows in evaluations.items() for k, y, low, high in _pass_rows(rows, ks)]


def _pass_rows(rows: list[dict], ks: Sequence[int]) -> list[tuple[int, float, float, float]]:
    usable = [k for k in ks if k <= min(row["n"] for row in rows)]
    curve, bands = pass_at_k_curve(rows, usable), bootstrap_pass_at_k(rows, usable)
    return [(k, curve[k], *bands[k]) for k in usable]


@styled
def figure_3(metrics: dict[str, list[dict]], evaluations: dict[str, list[dict]], starts: dict[str, int], ks: Sequence[int]) -> Figure:
    """Lemma discovery by step and by sampled tokens, and pass@k on test with 95 % bootstrap bands over problems."""
    figure = new_figure(7.0, 2.6)
    left, middle, right = figure.subplots(1, 3, width_ratios=[1, 1, 1.3])
    for arm in ("fd", "grpo"):
        rows, (colour, line, _) = metrics.get(arm, []), LOOKS[arm]
        left.plot([r["step"] for r in rows], [r["lemmas_seen"] / r["step"] for r in rows], color=colour, linestyle=line, label=label(arm, starts))
        middle.plot([r["tokens_sampled"] for r in rows], [r["lemmas_seen"] for r in rows], color=colour, linestyle=line, label=label(arm, starts))
    left.set(title="distinct lemmas ÷ step", xlabel="step", ylim=(0, None))
    middle.set(title="distinct lemmas", xlabel="tokens sampled", ylim=(0, None))
    middle.ticklabel_format(axis="x", style="sci", scilimits=(0, 0))
    left.legend(frameon=False)
    for arm, rows in evaluations.items():
        _pass_curve(right, rows, ks, LOOKS[arm], label(arm, starts))
    _log_k(right, ks, "pass@k on test, 95 % bands")
    right.legend(frameon=False, fontsize=6)
    return figure


def _pass_curve(axes, rows: list[dict], ks: Sequence[int], look: tuple[str, str, str], name: str) -> None:
    where, middle, low, high = zip(*_pass_rows(rows, ks))
    axes.fill_between(where, low, high, color=look[0], alpha=0.12, linewidth=0)
    axes.plot(where, middle, color=look[0], linestyle=look[1], marker=look[2], markersize=3, label=name)


def _log_k(axes, ks: Sequence[int], title: str) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xticks(list(ks), [str(k) for k in ks])
    axes.minorticks_off()
    axes.set(title=title, xlabel="k", ylim=(0, 1))


@styled
def base_figure(rows: list[dict], ks: Sequence[int]) -> Figure:
    """pass@k of the base model on test: all problems, those whose lemmas are known, those that need an unknown one; and by tier."""
    figure = new_figure(5.5, 2.4)
    left, right = figure.subplots(1, 2)
    kinds = {"all": (rows, LOOKS["base"]), "lemmas known": ([r for r in rows if not r["unknown"]], LOOKS["fd"]), "an unknown lemma": ([r for r in rows if r["unknown"]], LOOKS["grpo"])}
    for name, (some, look) in kinds.items():
        if some:
            _pass_curve(left, some, ks, look, name)
    _log_k(left, ks, "base model, pass@k on test")
    left.legend(frameon=False)
    tiers = sorted({row["tier"] for row in rows})
    last = max(k for k in ks if k <= min(row["n"] for row in rows))
    for shift, k, colour in ((-0.2, 1, "#0072B2"), (0.2, last, "#999999")):
        heights = [pass_at_k_curve([r for r in rows if r["tier"] == tier], [k])[k] for tier in tiers]
        right.bar([tier + shift for tier in tiers], heights, width=0.38, color=colour, label=f"pass@{k}")
    right.set(title="by tier", xlabel="tier", xticks=tiers, ylim=(0, 1))
    right.legend(frameon=False)
    return figure


# -- Figure 1 ----------------------------------------------------------------------------------------------------------

COLUMNS, LINE = 104, 0.165  # characters a line, inches a line


def gap(view: TokenView, index: int) -> float:
    """log p_teacher − log p_student of a token, clipped to the colour scale."""
    return max(-SCALE, min(SCALE, view.teacher[index] - view.student[index]))


def shown(token: str) -> str:
    """A token as it can be drawn: line ends kept, other unprintable characters replaced."""
    return "".join(c if c.isprintable() or c == "\n" else "␣" if c == "\t" else "�" for c in token.replace("\r", ""))


def layout(view: TokenView) -> list[tuple[int, int, int, str]]:
    """(token, line, column, piece of text): the attempt laid out on lines of COLUMNS characters."""
    pieces, line, column = [], 0, 0
    for index, token in enumerate(view.tokens):
        for part in shown(token).replace("\\n", "\n").splitlines(keepends=True):
            text = part.rstrip("\n")
            while text:
                room = COLUMNS - column
                if len(text) > room and column:
                    line, column, room = line + 1, 0, COLUMNS
                pieces.append((index, line, column, text[:room]))
                column, text = column + len(text[:room]), text[room:]
            if part.endswith("\n"):
                line, column = line + 1, 0
    return pieces


@styled
def figure_1(view: TokenView, *, max_lines: int = 46) -> Figure:
    """Statement, feedback and the attempt, each of the student's tokens on the colour of log p_teacher − log p_student."""
    head = textwrap.wrap(shown(view.statement), COLUMNS - 2) + [""]
    for number, order in enumerate(shown(view.feedback).splitlines()):
        head += textwrap.wrap(order, COLUMNS - 12, initial_indent="feedback  " if number == 0 else " " * 10, subsequent_indent=" " * 13)
    pieces = [piece for piece in layout(view) if piece[1] < max_lines]
    lines = len(head) + 2 + max(piece[1] for piece in pieces)
    figure = new_figure(7.4, LINE * lines + 2.0)
    text, below = figure.subplots(2, 1, height_ratios=[LINE * lines, 1.6])
    text.set(xlim=(0, COLUMNS), ylim=(lines, 0))
    text.axis("off")
    font = {"family": "DejaVu Sans Mono", "fontsize": 6.3, "va": "center"}
    for row, words in enumerate(head):
        text.text(0, row + 0.5, words, **font, color="#333333")
    for index, line, column, words in pieces:
        y = line + len(head) + 0.5
        if view.action_mask[index]:
            edge = {"edgecolor": "black", "linewidth": 1.0, "zorder": 3} if index == view.focus else {"linewidth": 0}
            text.add_patch(Rectangle((column, y), len(words), 1, facecolor=GAP((gap(view, index) + SCALE) / (2 * SCALE)), **edge))
        for offset, character in enumerate(words):
            text.text(column + offset + 0.5, y + 0.5, character, **font, ha="center", color="#000000" if view.action_mask[index] else "#999999", zorder=4)
    figure.colorbar(ScalarMappable(Normalize(-SCALE, SCALE), GAP), ax=text, location="right", shrink=min(1.0, 2.2 / (LINE * lines)), pad=0.01, label="log p(teacher) − log p(student)")
    _bars(below, view)
    return figure


def _bars(axes, view: TokenView) -> None:
    """The two distributions at the boxed token."""
    chosen = view.alternatives[view.focus][:6]
    places = np.arange(len(chosen))
    axes.bar(places - 0.2, [a.student for a in chosen], width=0.38, color="#D55E00", label="student")
    axes.bar(places + 0.2, [a.teacher for a in chosen], width=0.38, color="#0072B2", label="teacher, with feedback", hatch="//", edgecolor="white", linewidth=0)
    for place, alternative in zip(places, chosen):
        axes.text(place - 0.2, alternative.student + 0.02, f"{alternative.student:.1%}", ha="center", fontsize=6)
        axes.text(place + 0.2, alternative.teacher + 0.02, f"{alternative.teacher:.1%}", ha="center", fontsize=6)
    axes.set_xticks(places, [repr(shown(a.text))[1:-1] for a in chosen], family="DejaVu Sans Mono")
    axes.set(ylim=(0, 1.15), title="probabilities at the boxed token")
    axes.legend(frameon=False)


PAGE = """<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Token view</title>
<style>.fdcore{{font:14px/1.5 system-ui,sans-serif;max-width:60em;margin:1em auto;padding:0 1em;color:#222;background:#fff}}
.fdcore pre{{font:13px/1.6 monospace;white-space:pre-wrap;overflow-wrap:anywhere;background:#fff;color:#111}}
.fdcore .tool{{color:#888}} .fdcore .focus{{outline:2px solid #000}} .fdcore span[title]:hover{{outline:1px solid #555}}</style>
<div class="fdcore"><p>Each token that the student sampled, on the colour of log p(teacher) − log p(student): blue where the teacher, who has read the
feedback, finds it likelier, orange where less likely; the scale ends at ±3 nats. Grey: tool output. Lean: {verdict}.</p>
<pre>{statement}</pre><pre>{feedback}</pre><pre>{tokens}</pre></div>
"""


def figure_1_html(view: TokenView) -> str:
    """Figure 1 as a page of its own: hovering over a token shows both probabilities and the likeliest alternatives. Escapes all text."""
    spans = []
    for index, token in enumerate(view.tokens):
        text = html.escape(shown(token))
        if not view.action_mask[index]:
            spans.append(f'<span class="tool">{text}</span>')
            continue
        colour = matplotlib.colors.to_hex(GAP((gap(view, index) + SCALE) / (2 * SCALE)))
        others = ", ".join(f"{shown(a.text)!r} {a.student:.1%} / {a.teacher:.1%}" for a in view.alternatives[index][:4])
        title = html.escape(f"student {np.exp(view.student[index]):.1%}, teacher {np.exp(view.teacher[index]):.1%}; student / teacher: {others}", quote=True)
        spans.append(f'<span{" class=focus" if index == view.focus else ""} style="background:{colour}" title="{title}">{text}</span>')
    return PAGE.format(verdict=html.escape(view.verdict), statement=html.escape(shown(view.statement)), feedback=html.escape(shown(view.feedback)), tokens="".join(spans))
