"""Figure 1 on paper: an attempt whose tokens are coloured by what the teacher thinks of them, and both distributions at one of them.

Left out on purpose: the numbers themselves (`fdcore.figures.token_view`) and the page that shows all of them (`fdcore.figures.token_page`).
"""

from __future__ import annotations

import re
import textwrap
from functools import cache

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.patches import Rectangle

from fdcore.figures.style import styled
from fdcore.figures.token_view import TokenView, line_ends

SCALE = 3.0  # the colours end at −3 and +3 nats, as in the paper
# (student, teacher): the paper's red and green; and a pair that the colour-blind tell apart. Black text on each keeps a contrast of 4.5.
PALETTES = {"red-green": ("#E0433A", "#2CA25F"), "orange-blue": ("#E1700E", "#3A8FD0")}
COLUMNS, LINE = 104, 0.14  # characters a line, inches a line
WIDTH, CELL = 7.0, 7.0 / COLUMNS  # inches: the text's width, a character's width
TEXT = {
    "family": "DejaVu Sans Mono",
    "fontsize": 72 * CELL / 0.602,
    "va": "center",
}  # this face is 0.602 em wide
FAINT = "#8A8A8A"


def gap(view: TokenView, index: int) -> float:
    """log p_teacher − log p_student of a token, clipped to the colour scale."""
    return max(-SCALE, min(SCALE, view.teacher[index] - view.student[index]))


def colours(palette: str) -> LinearSegmentedColormap:
    """Student's colour, white, teacher's colour. ValueError for an unknown palette."""
    if palette not in PALETTES:
        raise ValueError(f"no palette {palette!r}; there are: {', '.join(PALETTES)}")
    student, teacher = PALETTES[palette]
    return LinearSegmentedColormap.from_list(
        palette, [student, "#FFFFFF", teacher], N=257
    )  # odd: white in the middle


@cache
def _glyphs() -> frozenset[int]:
    return frozenset(get_font(findfont("DejaVu Sans Mono")).get_charmap())


def drawn(text: str) -> str:
    """`text` as the figure can draw it, of the same length: what the font lacks and what cannot be printed is replaced."""
    return "".join(
        c if c == "\n" or c.isprintable() and ord(c) in _glyphs() else "␣" if c == "\t" else "�"
        for c in text
    )


def layout(view: TokenView) -> list[tuple[int, int, int, str]]:
    """(token, line, column, piece of text): the attempt laid out on lines of COLUMNS characters.

    A line end that the student sampled is marked ↵, and a token that is a part of a character ▪, so that their colours show. After an
    escaped line end in a tool call a new line starts too, so that Lean's indentation is seen.
    """
    pieces, line, column = [], 0, 0
    for index, (token, ends) in enumerate(zip(view.tokens, line_ends(view.tokens))):
        sampled = view.action_mask[index]
        for start, end in zip([0, *ends], [*ends, len(token)]):
            text = drawn(token[start:end]).replace("\n", "↵" if sampled else "") or (
                "▪" if sampled and not token else ""
            )
            while text:
                if (
                    len(text) > COLUMNS - column
                    and column
                    and len(text) <= COLUMNS
                    or column == COLUMNS
                ):
                    line, column = line + 1, 0
                pieces.append((index, line, column, text[: COLUMNS - column]))
                text, column = text[COLUMNS - column :], column + len(pieces[-1][3])
            if end in ends and start < end:
                line, column = line + 1, 0
    return pieces


def _window(pieces: list[tuple[int, int, int, str]], focus: int, most: int) -> tuple[int, int]:
    """The first and last line to draw: all, or `most` of them around the focus."""
    last = max((line for _, line, _, _ in pieces), default=0)
    middle = next((line for index, line, _, _ in pieces if index == focus), 0)
    first = max(0, min(middle - most // 2, last - most + 1))
    return first, min(last, first + most - 1)


def _paragraph(name: str, text: str, most: int) -> list[str]:
    """Wrapped lines, the name before the first; what is longer than `most` lines ends in an ellipsis."""
    lines = [
        piece
        for line in drawn(text).splitlines()
        for piece in textwrap.wrap(line, COLUMNS - 11, subsequent_indent="   ") or [""]
    ]
    lines = lines if len(lines) <= most else [*lines[: most - 1], "…"]
    return [
        f"{name if number == 0 else '':11}{line}" for number, line in enumerate(lines or [""])
    ] + [""]


@styled
def figure_1(view: TokenView, *, palette: str = "red-green", max_lines: int = 46) -> Figure:
    """Statement, feedback and the attempt, each of the student's tokens on the colour of log p_teacher − log p_student.

    Below: KL and both entropies along the attempt, both distributions at the boxed token, the scale. Of an attempt longer than `max_lines`
    the lines around the boxed token are drawn, and the figure says so. ValueError for an unknown palette.
    """
    colour, pieces = colours(palette), layout(view)
    first, last = _window(pieces, view.focus, max_lines)
    head = _paragraph("statement", view.statement, 6) + _paragraph("feedback", view.feedback, 14)
    hidden = (
        ""
        if last - first + 1 > max((piece[1] for piece in pieces), default=0)
        else f"; {first} lines before and {pieces[-1][1] - last} after these are not drawn"
    )
    head += [f"attempt    Lean's verdict: {view.verdict}{hidden}"]
    lines = len(head) + last - first + 1.3
    height = LINE * lines + 3.85
    figure = Figure(figsize=(WIDTH + 0.2, height))
    FigureCanvasAgg(figure)
    place = lambda x, y, width, high: figure.add_axes(
        (x / (WIDTH + 0.2), y / height, width / (WIDTH + 0.2), high / height)
    )
    axes = place(0.1, 3.8, WIDTH, LINE * lines)
    axes.set(xlim=(0, COLUMNS), ylim=(lines, 0))
    axes.axis("off")
    for row, words in enumerate(head):
        axes.text(0, row + 0.5, words, **TEXT, color="#333333")
    for index, line, column, words in pieces:
        if first <= line <= last:
            _piece(axes, view, index, column, line - first + len(head) + 0.2, words, colour)
    _along(place(0.5, 2.95, 6.5, 0.55), place(0.5, 1.95, 6.5, 0.6), view, palette)
    _bars(place(0.5, 0.45, 4.3, 0.9), view, palette)
    scale = figure.colorbar(
        ScalarMappable(Normalize(-SCALE, SCALE), colour),
        cax=place(5.2, 1.0, 1.75, 0.1),
        orientation="horizontal",
        ticks=range(-3, 4),
    )
    scale.ax.set_title("log p(teacher) − log p(student), nats", fontsize=6.5)
    scale.ax.set_xlabel(
        "student likelier        teacher likelier\ngrey text: a tool's, not coloured\nboxed: the largest KL(teacher ‖ student)",
        fontsize=6.5,
        linespacing=1.5,
    )
    return figure


def _piece(axes, view: TokenView, index: int, column: int, y: float, words: str, colour) -> None:
    """A token's text on its colour; tool output grey on nothing; the focus boxed."""
    sampled = bool(view.action_mask[index])
    if sampled:
        edge = (
            {"edgecolor": "black", "linewidth": 1.1, "zorder": 3}
            if index == view.focus
            else {"linewidth": 0}
        )
        axes.add_patch(
            Rectangle(
                (column, y),
                len(words),
                1,
                facecolor=colour((gap(view, index) + SCALE) / (2 * SCALE)),
                **edge,
            )
        )
    special = re.fullmatch(r"<\|\w+\|>|↵|▪", words)
    for word in re.finditer(r"\S+", words):
        axes.text(
            column + word.start(),
            y + 0.53,
            word[0],
            **TEXT,
            color="#000000" if sampled and not special else FAINT,
            zorder=4,
        )


def _along(above, below, view: TokenView, palette: str) -> None:
    """KL, and the entropy of both models, at each of the student's tokens; a line where the box is."""
    places = [index for index, sampled in enumerate(view.action_mask) if sampled]
    student, teacher = PALETTES[palette]
    values = lambda column: [column[index] for index in places]
    above.bar(range(len(places)), values(view.kl), width=1.0, color="#777777")
    below.plot(
        values(view.student_entropy),
        color=student,
        linewidth=1.0,
        marker="o",
        markersize=2,
        label="student",
    )
    below.plot(
        values(view.teacher_entropy),
        color=teacher,
        linewidth=1.0,
        linestyle="--",
        marker="s",
        markersize=1.6,
        label="teacher, with feedback",
    )
    for axes, columns in (
        (above, (view.kl,)),
        (below, (view.student_entropy, view.teacher_entropy)),
    ):
        if view.focus in places:
            axes.axvline(places.index(view.focus), color="black", linewidth=0.8, linestyle=":")
        top = 1.1 * max([1.0, *(value for column in columns for value in values(column))])
        axes.set(xlim=(-0.7, max(len(places), 12) - 0.3), ylim=(-0.02 * top, top))
    above.tick_params(labelbottom=False)
    above.set_title("KL(teacher ‖ student), nats; dotted: the boxed token", loc="left", pad=3)
    below.set_title("entropy, nats", loc="left", pad=3)
    below.set_xlabel("the student's tokens, in order", labelpad=1)
    below.legend(
        frameon=False,
        loc="lower right",
        bbox_to_anchor=(1.0, 0.98),
        ncols=2,
        borderaxespad=0,
        handlelength=1.8,
        fontsize=6,
    )


def _bars(axes, view: TokenView, palette: str) -> None:
    """The two distributions at the boxed token: the five tokens that either model finds likeliest."""
    options = view.alternatives[view.focus] if view.alternatives else ()
    likeliest = sorted(options, key=lambda a: -max(a.student, a.teacher))[:5]
    chosen = sorted(likeliest, key=lambda a: -a.teacher)
    for shift, key, colour, hatch in zip(
        (-0.2, 0.2), ("student", "teacher"), PALETTES[palette], ("", "////")
    ):
        heights = [getattr(a, key) for a in chosen]
        name = "teacher, with feedback" if key == "teacher" else key
        axes.bar(
            np.arange(len(chosen)) + shift,
            heights,
            width=0.38,
            color=colour,
            label=name,
            hatch=hatch,
            edgecolor="white",
            linewidth=0,
        )
        for place, height in enumerate(heights):
            axes.text(place + shift, height + 0.03, f"{height:.1%}", ha="center", fontsize=5.5)
    names = [drawn(a.text).replace("\n", "↵").replace(" ", "␣") for a in chosen]
    axes.set_xticks(
        range(len(chosen)),
        [name if len(name) <= 13 else name[:12] + "…" for name in names],
        family="DejaVu Sans Mono",
    )
    axes.set(ylim=(0, 1.2), yticks=(0, 0.5, 1))
    there = f"log-ratio {view.teacher[view.focus] - view.student[view.focus]:+.2f}, KL {view.kl[view.focus]:.2f}".replace(
        "-", "−"
    ).replace("log−", "log-")
    axes.set_xlabel(
        f"{there}; entropy {view.student_entropy[view.focus]:.2f} (student), {view.teacher_entropy[view.focus]:.2f} (teacher); nats",
        fontsize=6.5,
        labelpad=2,
    )
    axes.set_title("probabilities at the boxed token", loc="left", pad=3)
    axes.grid(axis="x", visible=False)
    axes.legend(
        frameon=False,
        loc="lower right",
        bbox_to_anchor=(1.0, 0.98),
        ncols=2,
        borderaxespad=0,
        handlelength=1.2,
        fontsize=6,
    )
