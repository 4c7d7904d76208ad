"""The paper's Figure 1: an attempt whose tokens are coloured by what the teacher thinks of them.

Below the attempt stand both distributions at one token. The numbers come from
`fdcore.figures.token_view`; `fdcore.figures.token_page` shows all of them.
"""

from __future__ import annotations

import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from fdcore.figures.style import new_figure
from fdcore.figures.token_view import TokenView, line_ends

SCALE = 3.0  # nats: the colours end at -3 and +3, as in the paper
STUDENT, TEACHER = "#E1700E", "#3A8FD0"  # the colour-blind tell them apart; black text is legible
COLOURS = LinearSegmentedColormap.from_list("gap", [STUDENT, "#FFFFFF", TEACHER], N=257)
COLUMNS = 100  # characters a line
WIDTH, LINE = 7.0, 0.15  # inches: of a line. A character is 0.602 em, and 14 whole pixels, wide
MONO = {"family": "DejaVu Sans Mono", "fontsize": 72 * WIDTH / COLUMNS / 0.602, "va": "center"}


def gap(view: TokenView, index: int) -> float:
    """Return log p_teacher - log p_student of a token, clipped to the colour scale, in nats."""
    return max(-SCALE, min(SCALE, view.teacher[index] - view.student[index]))


def lay_out(view: TokenView) -> list[list[tuple[str, int]]]:
    """Return the attempt's lines, each a list of (character, its token).

    A line end that the student sampled shows as ↵, a token that is part of a character as ▪, and
    a character that cannot be printed as ·. A new line starts also behind an escaped line end in
    a tool call, so that Lean's indentation is seen.
    """
    lines: list[list[tuple[str, int]]] = [[]]
    for index, (token, ends) in enumerate(zip(view.tokens, line_ends(view.tokens), strict=True)):
        sampled = view.action_mask[index]
        for place, character in enumerate(token or "▪" * sampled, 1):
            shown = ("↵" if sampled else "") if character == "\n" else printable(character)
            lines[-1] += [(shown, index)] if shown else []
            if place in ends or len(lines[-1]) == COLUMNS:
                lines.append([])
    return lines if lines[-1] else lines[:-1]


def printable(text: str) -> str:
    """Return the text with a · in place of each character that cannot be printed."""
    return "".join(c if c.isprintable() or c == "\n" else "·" for c in text)


def figure_1(view: TokenView, *, max_lines: int = 46) -> Figure:
    """Draw statement, feedback and attempt; below, both distributions at the box.

    Of an attempt longer than `max_lines`, the lines around the boxed token are drawn.
    """
    lines = lay_out(view)
    middle = next(i for i, line in enumerate(lines) if any(at == view.focus for _, at in line))
    first = max(0, min(middle - max_lines // 2, len(lines) - max_lines))
    shown = lines[first : first + max_lines]
    part = f", lines {first + 1} to {first + len(shown)} of {len(lines)}"
    head = [
        *_paragraph("statement", view.statement, 6),
        *_paragraph("feedback", view.feedback, 14),
        f"attempt    Lean's verdict: {view.verdict}{part if len(shown) < len(lines) else ''}",
    ]
    rows = len(head) + len(shown) + 1.5
    figure = new_figure(WIDTH + 0.2, rows * LINE + 1.6)
    above, below = figure.subfigures(2, 1, height_ratios=[rows * LINE, 1.6])
    axes = above.add_axes((0.1 / (WIDTH + 0.2), 0.0, WIDTH / (WIDTH + 0.2), 1.0))
    axes.set(xlim=(0, COLUMNS), ylim=(rows, -0.5))
    axes.axis("off")
    for row, text in enumerate(head):
        axes.text(0, row + 0.5, text, **MONO, color="#333333")
    for row, line in enumerate(shown):
        _draw_line(axes, view, line, len(head) + row + 0.3)
    bars, scale = below.subplots(1, 2, width_ratios=[2.4, 1])
    _draw_bars(bars, view)
    _draw_scale(below, scale)
    return figure


def _paragraph(name: str, text: str, most: int) -> list[str]:
    """Wrapped lines with the name before the first, an empty one behind; at most `most` lines."""
    wrapped = [
        part
        for line in printable(text).splitlines()
        for part in textwrap.wrap(line, COLUMNS - 11, subsequent_indent="   ") or [""]
    ]
    wrapped = wrapped if len(wrapped) <= most else [*wrapped[: most - 1], "…"]
    names = [name, *[""] * len(wrapped)]
    return [f"{start:11}{line}" for start, line in zip(names, wrapped, strict=False)] + [""]


def _draw_line(axes: Axes, view: TokenView, line: list[tuple[str, int]], y: float) -> None:
    """Draw one line: the student's tokens black on their colours, a tool's text grey."""
    for column, (_, index) in enumerate(line):
        if view.action_mask[index]:
            colour = COLOURS((gap(view, index) + SCALE) / (2 * SCALE))
            axes.add_patch(Rectangle((column, y), 1, 1, facecolor=colour, linewidth=0))
    focus = [column for column, (_, index) in enumerate(line) if index == view.focus]
    if focus:
        box = Rectangle((focus[0], y), len(focus), 1, fill=False, linewidth=1.1, zorder=3)
        axes.add_patch(box)
    for sampled, colour in ((1, "#000000"), (0, "#8A8A8A")):
        text = "".join(c if view.action_mask[index] == sampled else " " for c, index in line)
        axes.text(0, y + 0.53, text.rstrip(), **MONO, color=colour, zorder=4)


def _draw_scale(figure, axes: Axes) -> None:
    """Draw what a colour means."""
    axes.axis("off")
    bar = figure.colorbar(
        ScalarMappable(Normalize(-SCALE, SCALE), COLOURS),
        cax=axes.inset_axes((0.05, 0.55, 0.9, 0.12)),
        orientation="horizontal",
        ticks=range(-3, 4),
    )
    bar.ax.set_title("log p(teacher) − log p(student), nats", fontsize=6.5)
    words = "student likelier      teacher likelier\ngrey text: a tool's, not coloured"
    bar.ax.set_xlabel(words, fontsize=6.5)


def _draw_bars(axes: Axes, view: TokenView) -> None:
    """Draw both probabilities of the five tokens that either model finds likeliest at the box."""
    options = sorted(view.alternatives[view.focus], key=lambda a: -max(a.student, a.teacher))[:5]
    options = sorted(options, key=lambda a: -a.teacher)
    bars = (("student", STUDENT, ""), ("teacher", TEACHER, "////"))
    for shift, (name, colour, hatch) in zip((-0.2, 0.2), bars, strict=True):
        heights = [getattr(option, name) for option in options]
        places = np.arange(len(options)) + shift
        look = {"color": colour, "hatch": hatch, "edgecolor": "white", "linewidth": 0}
        drawn = axes.bar(places, heights, width=0.38, label=name, **look)
        axes.bar_label(drawn, [f"{height:.1%}" for height in heights], fontsize=5.5, padding=1)
    names = [printable(a.text).replace("\n", "↵").replace(" ", "␣") for a in options]
    shown = [name if len(name) <= 13 else name[:12] + "…" for name in names]
    axes.set_xticks(range(len(options)), shown, family="DejaVu Sans Mono")
    axes.set(ylim=(0, 1.35), yticks=(0, 0.5, 1))
    axes.set_title(
        "probabilities at the boxed token; the teacher has read the feedback", loc="left"
    )
    axes.grid(axis="x", visible=False)
    axes.legend(frameon=False, ncols=2, loc="upper right")
