"""Figures: drawn from short, empty and hostile records alike, fonts embedded, the same bytes twice."""
import warnings

import pytest
from matplotlib.text import Text

from fdcore.plots import (
    LOOKS, Alternative, TokenView, base_figure, figure_1, figure_1_html, figure_2, figure_2_rows, figure_3, figure_3_rows, layout, paper_curves, save,
)

ARMS = ["fd", "grpo", "grpo_from_fd_1", "grpo_from_fd_2", "grpo_from_fd_3"]
STARTS = {arm: int(arm[-1]) if arm[-1].isdigit() else 0 for arm in ARMS}
KS = (1, 2, 4, 8)


@pytest.fixture(autouse=True)
def warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def metrics(steps=4, arms=ARMS, accuracy=0.5):
    row = lambda step: {
        "step": step, "tokens_sampled": 100 * step, "test_accuracy": accuracy if step % 2 == 0 else None, "holdout_accuracy": None,
        "train_accuracy": accuracy, "entropy": 0.3, "lemmas_seen": step,
    }
    return {arm: [row(step) for step in range(1, steps + 1)] for arm in arms}


def evaluation(n, c=1):
    return [{"problem_id": str(i), "tier": 1 + i % 3, "unknown": bool(i % 2), "n": n, "c": c} for i in range(6)]


def view(tokens=("<tool_call>", "\n", "exact", " Nat", ".foo", "</tool_call>", "<|im_end|>", "ok"), mask=(1, 1, 1, 1, 1, 1, 0, 0)):
    options = (Alternative(text=" Nat", student=0.6, teacher=0.1), Alternative(text=" Or", student=0.1, teacher=0.8))
    return TokenView(
        statement="theorem thm (p : Prop) : p ↔ p := by", feedback="1. Use the lemma.\n2. Compile it.", verdict="failed", tokens=tokens, action_mask=mask,
        student=tuple(-0.5 * m for m in mask), teacher=tuple(-4.0 * m for m in mask), alternatives=tuple(options if m else () for m in mask), focus=mask.index(1),
    )


def words(figure):
    """All text in a figure."""
    return [text.get_text() for text in figure.findobj(Text)]


def test_every_figure_is_written_as_pdf_with_embedded_fonts_png_and_csv(tmp_path):
    runs, evaluations = metrics(), {"base": evaluation(8), **{arm: evaluation(4) for arm in ARMS}}
    drawn = {
        "figure_1": (figure_1(view()), [{"token": "x"}]),
        "figure_2": (figure_2(runs, STARTS), figure_2_rows(runs, STARTS)),
        "figure_2_tokens": (figure_2(runs, STARTS, x="tokens_sampled", paper=False), figure_2_rows(runs, STARTS)),
        "figure_3": (figure_3(runs, evaluations, STARTS, KS), figure_3_rows(runs, evaluations, STARTS, KS)),
        "base": (base_figure(evaluation(8), KS), evaluation(8)),
    }
    for name, (figure, rows) in drawn.items():
        pdf, png, table = save(figure, tmp_path, name, rows)
        assert b"/FontFile2" in pdf.read_bytes() and b"/Type3" not in pdf.read_bytes() and png.stat().st_size > 5000
        assert len(table.read_text().splitlines()) == len(rows) + 1


@pytest.mark.parametrize("runs", [metrics(1), metrics(3, ["fd"]), metrics(accuracy=0.0), {arm: [] for arm in ARMS}])
def test_short_missing_and_all_zero_runs_are_drawn(runs, tmp_path):
    save(figure_2(runs, STARTS), tmp_path, "two", [{"a": 1}])
    save(figure_3(runs, {"base": evaluation(2, 0), "fd": []}, STARTS, KS), tmp_path, "three", [{"a": 1}])


@pytest.mark.parametrize("rows", [[], evaluation(1, 0), evaluation(1)[:1]])
def test_a_base_with_few_problems_and_samples_is_drawn(rows, tmp_path):
    save(base_figure(rows, KS), tmp_path, "base", rows)


def test_a_panel_without_measurements_says_so():
    assert words(figure_2(metrics(), STARTS)).count("not measured") == 1


def test_nobody_takes_the_papers_curves_for_ours():
    assert sum("paper: Qwen3.5-9B, digitized" in text for text in words(figure_2(metrics(), STARTS))) == 4
    assert not any("paper" in text for text in words(figure_2(metrics(), STARTS, paper=False)))


def test_arms_differ_in_colour_line_and_marker():
    for aspect in zip(*LOOKS.values()):
        assert len(set(aspect)) == len(LOOKS)


def test_the_same_records_give_the_same_files(tmp_path):
    one, two = (save(figure_2(metrics(), STARTS), tmp_path / name, "figure_2", [{"a": 1}]) for name in ("a", "b"))
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


def test_a_saved_figure_still_holds_what_was_drawn(tmp_path):
    figure = figure_2(metrics(), STARTS)
    save(figure, tmp_path, "figure_2", [{"a": 1}])
    assert len(figure.axes) == 8


def test_arms_that_start_from_a_checkpoint_are_counted_from_the_base():
    rows = [row for row in figure_2_rows(metrics(), STARTS) if row["arm"] == "grpo_from_fd_3"]
    assert [row["step"] for row in rows] == [4, 5, 6, 7] and [row["tokens_sampled"] for row in rows] == [400, 500, 600, 700]


def test_without_fds_metrics_the_tokens_of_an_arm_over_fd_are_unknown():
    assert {row["tokens_sampled"] for row in figure_2_rows(metrics(arms=["grpo_from_fd_3"]), STARTS)} == {None}


@pytest.mark.parametrize("token", ["$x$", "\\frac{", "<b>", "\0\x1b[31m", "x" * 500, "\t\r\n", "💥", "\u202e"])
def test_hostile_tokens_do_not_break_figure_1(token, tmp_path):
    hostile = view(tokens=(token, "a"), mask=(1, 1))
    save(figure_1(hostile), tmp_path, "one", [{"token": token}])
    figure_1_html(hostile)


def test_a_hostile_statement_feedback_and_alternative_do_not_break_figure_1(tmp_path):
    odd = "$x$ \\frac{ <b> \0 💥\u202e\n" * 40
    options = (Alternative(text=odd, student=0.5, teacher=0.5),)
    save(figure_1(view().model_copy(update={"statement": odd, "feedback": odd, "alternatives": (options,) * 8})), tmp_path, "one", [{"a": 1}])


@pytest.mark.parametrize("empty", [view(tokens=("a",), mask=(1,)).model_copy(update={"alternatives": ((),)}), view(tokens=("", "a"), mask=(1, 0))])
def test_an_attempt_with_hardly_anything_in_it_is_drawn(empty, tmp_path):
    save(figure_1(empty), tmp_path, "one", [{"a": 1}])


def test_of_a_long_attempt_the_lines_around_the_focus_are_drawn_and_the_figure_says_so():
    long = view(tokens=tuple(f"line{i}\n" for i in range(100)), mask=(1,) * 100).model_copy(update={"focus": 70})
    text = words(figure_1(long, max_lines=10))
    assert "line70↵" in text and "line50↵" not in text and any("65 lines before and 25 after these are not drawn" in line for line in text)


def test_the_page_escapes_model_output_and_refers_to_nothing_outside():
    page = figure_1_html(view(tokens=("<script>alert(1)</script>", '" onmouseover="x'), mask=(1, 0)))
    assert "<script>" not in page and '" onmouseover' not in page and "http" not in page


def test_the_layout_loses_no_character_and_keeps_the_line_width():
    long = view(tokens=("abc " * 60, "x" * 230), mask=(1, 1))
    pieces = layout(long)
    assert "".join(text for *_, text in pieces) == "".join(long.tokens)
    assert max(column + len(text) for _, _, column, text in pieces) <= 104


def test_a_sampled_line_end_is_marked_so_that_its_colour_shows():
    assert [text for *_, text in layout(view(tokens=("a", "\n", "b", "\n", "c"), mask=(1, 1, 0, 0, 1)))] == ["a", "↵", "b", "c"]


def test_an_escaped_line_end_is_kept_and_starts_a_new_line():
    assert [(line, text) for _, line, _, text in layout(view(tokens=("by\\n  simp",), mask=(1,)))] == [(0, "by\\n"), (1, "  simp")]


def test_the_papers_curves_are_there_for_each_panel_of_figure_2():
    for panel in ("test accuracy", "train accuracy", "entropy", "MiniF2F accuracy"):
        assert {"Claude FD", "GRPO"} <= paper_curves("2", panel).keys()
