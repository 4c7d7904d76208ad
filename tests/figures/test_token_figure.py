"""Figure 1, from short, long and hostile attempts: each character and colour has its place."""

import warnings

import matplotlib.colors
import pytest
from matplotlib.text import Text

from fdcore.figures.style import save
from fdcore.figures.token_figure import STUDENT, TEACHER, figure_1, lay_out
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

    def column(value):
        return tuple(value * m for m in mask)

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
    """Colours behind the attempt's characters."""
    patches = [patch for patch in figure.axes[0].patches if patch.get_fill()]
    return [matplotlib.colors.to_hex(patch.get_facecolor()) for patch in patches]


def test_it_is_written_as_pdf_with_embedded_fonts_png_and_csv(tmp_path):
    png = save(figure_1(view()), tmp_path, "figure_1", view().rows())
    assert b"/FontFile2" in png.with_suffix(".pdf").read_bytes()
    columns = png.with_suffix(".csv").read_text().splitlines()[0]
    assert columns == "token,action,student,teacher,student_entropy,teacher_entropy,kl"


@pytest.mark.parametrize(
    "gap, colour",
    [(-9.0, STUDENT), (-3.0, STUDENT), (0.0, "#ffffff"), (3.0, TEACHER), (9.0, TEACHER)],
)
def test_the_colours_run_from_the_students_over_white_to_the_teachers(gap, colour):
    """They end at three nats."""
    assert set(backgrounds(figure_1(view(gap=gap)))) == {colour.lower()}


def test_tool_output_has_no_colour():
    letters = sum(len(t) for t, own in zip(view().tokens, view().action_mask, strict=True) if own)
    assert len(backgrounds(figure_1(view()))) == letters


def test_black_text_can_be_read_on_the_strongest_colours():
    """The contrast is above 4.5, WCAG's least for text."""

    def linear(value):
        return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4

    for colour in (STUDENT, TEACHER):
        red, green, blue = map(linear, matplotlib.colors.to_rgb(colour))
        assert (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05) / 0.05 > 4.5


def test_both_distributions_at_the_boxed_token_are_drawn():
    bars = figure_1(view()).axes[1]
    heights = [round(bar.get_height(), 4) for bar in bars.patches]
    assert heights == [0.1, 0.6, 0.8, 0.1]  # the student's, the teacher's, its favourite first


@pytest.mark.parametrize(
    "token", ["$x$", "\\frac{", "<b>", "\0\x1b[31m", "x" * 500, "\t\r\n", "\u202e"]
)
def test_hostile_text_does_not_break_the_figure(token, tmp_path):
    options = (Alternative(text=token, student=0.5, teacher=0.5),)
    hostile = view(tokens=(token, "a"), mask=(1, 1)).model_copy(
        update={"statement": token * 9, "feedback": token * 9, "alternatives": (options,) * 2}
    )
    save(figure_1(hostile), tmp_path, "one", [{"token": token}])


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
    tokens = tuple(f"line{i}\n" for i in range(100))
    long = view(tokens=tokens, mask=(1,) * 100).model_copy(update={"focus": 70})
    text = words(figure_1(long, max_lines=10))
    assert "line70↵" in text
    assert "line50↵" not in text
    assert any("lines 66 to 75 of 100" in line for line in text)


def text_of(lines):
    return ["".join(character for character, _ in line) for line in lines]


def test_the_layout_loses_no_character_and_keeps_the_line_width():
    long = view(tokens=("abc " * 60, "x" * 230), mask=(1, 1))
    lines = text_of(lay_out(long))
    assert "".join(lines) == "".join(long.tokens)
    assert max(map(len, lines)) == 100


def test_what_has_no_width_is_marked_so_that_its_colour_shows():
    tokens = ("a", "\n", "", "∀", "b", "\n", "c")
    lines = text_of(lay_out(view(tokens=tokens, mask=(1, 1, 1, 1, 0, 0, 1))))
    assert lines == ["a↵", "▪∀b", "c"]


def test_an_escaped_line_end_of_a_tool_call_is_kept_and_starts_a_new_line():
    lines = text_of(lay_out(view(tokens=("<tool_call>", "by\\", "n  simp"), mask=(1, 1, 1))))
    assert lines == ["<tool_call>by\\n", "  simp"]
