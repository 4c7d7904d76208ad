"""Figure 1: drawn from short, long and hostile attempts alike; every character and every colour has its place."""

import warnings

import matplotlib.colors
import pytest
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from fdcore.figures.style import save
from fdcore.figures.token_figure import PALETTES, figure_1, layout
from fdcore.figures.token_view import Alternative, TokenView


@pytest.fixture(autouse=True)
def warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def view(
    tokens=("<tool_call>", "\n", "exact", " Nat", ".foo", "</tool_call>", "<|im_end|>", "ok"),
    mask=(1, 1, 1, 1, 1, 1, 0, 0),
    gap=-3.5,
):
    options = (
        Alternative(text=" Nat", student=0.6, teacher=0.1),
        Alternative(text=" Or", student=0.1, teacher=0.8),
    )
    column = lambda value: tuple(value * m for m in mask)
    return TokenView(
        problem_id="p",
        statement="theorem thm (p : Prop) : p ↔ p := by",
        feedback="1. Use the lemma.\n2. Compile it.",
        verdict="failed",
        source=None,
        tokens=tokens,
        action_mask=mask,
        student=column(-0.5),
        teacher=column(gap - 0.5),
        student_entropy=column(0.7),
        teacher_entropy=column(0.2),
        kl=column(9.5),
        alternatives=tuple(options if m else () for m in mask),
        focus=mask.index(1),
    )


def words(figure):
    """All text in a figure."""
    return [text.get_text() for text in figure.findobj(Text)]


def backgrounds(figure):
    """Colours behind the attempt's tokens."""
    return [
        matplotlib.colors.to_hex(patch.get_facecolor())
        for patch in figure.axes[0].patches
        if isinstance(patch, Rectangle)
    ]


def test_it_is_written_as_pdf_with_embedded_fonts_png_and_csv(tmp_path):
    pdf, png, table = save(figure_1(view()), tmp_path, "figure_1", view().rows())
    assert (
        b"/FontFile2" in pdf.read_bytes()
        and b"/Type3" not in pdf.read_bytes()
        and png.stat().st_size > 5000
    )
    assert (
        table.read_text().splitlines()[0]
        == "token,action,student,teacher,student_entropy,teacher_entropy,kl"
    )


@pytest.mark.parametrize("palette", PALETTES)
def test_the_colours_run_from_the_students_over_white_to_the_teachers_and_end_at_three_nats(
    palette,
):
    student, teacher = PALETTES[palette]
    for gap, colour in (
        (-9.0, student),
        (-3.0, student),
        (0.0, "#ffffff"),
        (3.0, teacher),
        (9.0, teacher),
    ):
        assert set(backgrounds(figure_1(view(gap=gap), palette=palette))) == {colour.lower()}


def test_tool_output_has_no_colour():
    assert len(backgrounds(figure_1(view()))) == sum(view().action_mask)


@pytest.mark.parametrize("palette", PALETTES)
def test_black_text_can_be_read_on_the_strongest_colours(palette):
    linear = lambda c: c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
    for colour in PALETTES[palette]:
        red, green, blue = map(linear, matplotlib.colors.to_rgb(colour))
        assert (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05) / 0.05 > 4.5, (
            "WCAG's least contrast for text"
        )


def test_an_unknown_palette_is_refused_by_name():
    with pytest.raises(ValueError, match="no palette 'rainbow'; there are: red-green, orange-blue"):
        figure_1(view(), palette="rainbow")


def test_the_numbers_at_the_boxed_token_stand_below_its_distributions():
    assert any(
        "log-ratio −3.50, KL 9.50; entropy 0.70 (student), 0.20 (teacher)" in text
        for text in words(figure_1(view()))
    )


def test_the_panels_along_the_attempt_hold_every_kl_and_entropy_whole():
    kl, entropy = figure_1(view()).axes[1:3]
    assert (
        kl.get_ylim()[1] > max(view().kl)
        and [round(bar.get_height(), 4) for bar in kl.patches] == [9.5] * 6
    )
    assert entropy.get_ylim()[1] > 0.7 and [line.get_ydata()[0] for line in entropy.lines[:2]] == [
        0.7,
        0.2,
    ]


@pytest.mark.parametrize(
    "token", ["$x$", "\\frac{", "<b>", "\0\x1b[31m", "x" * 500, "\t\r\n", "💥", "\u202e"]
)
def test_hostile_tokens_do_not_break_figure_1(token, tmp_path):
    hostile = view(tokens=(token, "a"), mask=(1, 1))
    save(figure_1(hostile), tmp_path, "one", [{"token": token}])


def test_a_hostile_statement_feedback_and_alternative_do_not_break_figure_1(tmp_path):
    odd = "$x$ \\frac{ <b> \0 💥\u202e\n" * 40
    options = (Alternative(text=odd, student=0.5, teacher=0.5),)
    save(
        figure_1(
            view().model_copy(
                update={"statement": odd, "feedback": odd, "alternatives": (options,) * 8}
            )
        ),
        tmp_path,
        "one",
        [{"a": 1}],
    )


@pytest.mark.parametrize(
    "empty",
    [
        view(tokens=("a",), mask=(1,)).model_copy(update={"alternatives": ((),)}),
        view(tokens=("", "a"), mask=(1, 0)),
    ],
)
def test_an_attempt_with_hardly_anything_in_it_is_drawn(empty, tmp_path):
    save(figure_1(empty), tmp_path, "one", [{"a": 1}])


def test_of_a_long_attempt_the_lines_around_the_focus_are_drawn_and_the_figure_says_so():
    long = view(tokens=tuple(f"line{i}\n" for i in range(100)), mask=(1,) * 100).model_copy(
        update={"focus": 70}
    )
    text = words(figure_1(long, max_lines=10))
    assert (
        "line70↵" in text
        and "line50↵" not in text
        and any("65 lines before and 25 after these are not drawn" in line for line in text)
    )


def test_the_layout_loses_no_character_and_keeps_the_line_width():
    long = view(tokens=("abc " * 60, "x" * 230), mask=(1, 1))
    pieces = layout(long)
    assert "".join(text for *_, text in pieces) == "".join(long.tokens)
    assert max(column + len(text) for _, _, column, text in pieces) <= 104


def test_a_sampled_line_end_is_marked_so_that_its_colour_shows():
    assert [
        text for *_, text in layout(view(tokens=("a", "\n", "b", "\n", "c"), mask=(1, 1, 0, 0, 1)))
    ] == ["a", "↵", "b", "c"]


def test_an_escaped_line_end_of_a_tool_call_is_kept_and_starts_a_new_line():
    pieces = layout(view(tokens=("<tool_call>", "by\\", "n  simp"), mask=(1, 1, 1)))
    assert [(line, text) for _, line, _, text in pieces] == [
        (0, "<tool_call>"),
        (0, "by\\"),
        (0, "n"),
        (1, "  simp"),
    ]


def test_a_part_of_a_character_is_marked_so_that_its_colour_shows():
    assert [text for *_, text in layout(view(tokens=("", "∀", ""), mask=(1, 1, 0)))] == ["▪", "∀"]
