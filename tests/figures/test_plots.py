"""Figures: drawn from short, empty and hostile records alike, fonts embedded, the same bytes twice."""

import warnings

import pytest
from matplotlib.text import Text

from fdcore.figures.style import (
    LOOKS,
    base_figure,
    figure_2,
    figure_2_rows,
    figure_3,
    figure_3_rows,
    over_seeds,
    paper_curves,
    save,
)

ARMS = ["fd", "grpo", "grpo_from_fd_1", "grpo_from_fd_2", "grpo_from_fd_3"]
STARTS = {arm: int(arm[-1]) if arm[-1].isdigit() else 0 for arm in ARMS}
KS = (1, 2, 4, 8)


@pytest.fixture(autouse=True)
def warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def metrics(steps=4, arms=ARMS, accuracy=0.5, seed=0):
    row = lambda step: {
        "step": step,
        "seed": seed,
        "tokens_sampled": 100 * step,
        "test_accuracy": accuracy if step % 2 == 0 else None,
        "holdout_accuracy": None,
        "train_accuracy": accuracy,
        "entropy": 0.3,
        "lemmas_seen": step,
    }
    return {arm: [row(step) for step in range(1, steps + 1)] for arm in arms}


def evaluation(n, c=1):
    return [
        {"problem_id": str(i), "tier": 1 + i % 3, "unknown": bool(i % 2), "n": n, "c": c}
        for i in range(6)
    ]


def words(figure):
    """All text in a figure."""
    return [text.get_text().replace("\n", " ") for text in figure.findobj(Text)]


def test_every_figure_is_written_as_pdf_with_embedded_fonts_png_and_csv(tmp_path):
    runs, evaluations = metrics(), {"base": evaluation(8), **{arm: evaluation(4) for arm in ARMS}}
    drawn = {
        "figure_2": (figure_2(runs, STARTS), figure_2_rows(runs, STARTS)),
        "figure_2_tokens": (
            figure_2(runs, STARTS, x="tokens_sampled", paper=None),
            figure_2_rows(runs, STARTS),
        ),
        "figure_3": (
            figure_3(runs, evaluations, STARTS, KS),
            figure_3_rows(runs, evaluations, STARTS, KS),
        ),
        "base": (base_figure(evaluation(8), KS), evaluation(8)),
    }
    for name, (figure, rows) in drawn.items():
        pdf, png, table = save(figure, tmp_path, name, rows)
        assert (
            b"/FontFile2" in pdf.read_bytes()
            and b"/Type3" not in pdf.read_bytes()
            and png.stat().st_size > 5000
        )
        assert len(table.read_text().splitlines()) == len(rows) + 1


def test_several_seeds_are_drawn_as_their_mean_in_a_band_from_the_lowest_to_the_highest():
    runs = {
        "fd": metrics(4, ["fd"], accuracy=0.2)["fd"]
        + metrics(6, ["fd"], accuracy=0.6, seed=1)["fd"]
    }
    figure = figure_2(runs, STARTS, paper=None)
    test = figure.axes[0]
    assert list(test.lines[0].get_xdata()) == [2, 4] and list(test.lines[0].get_ydata()) == [
        0.4,
        0.4,
    ]  # steps that every seed has reached
    band = test.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (0.2, 0.6)
    assert any("mean of 2 seeds" in word for word in words(figure))


def test_rows_over_seeds_hold_the_mean_of_what_all_of_a_step_have_measured():
    rows = [
        {"step": 1, "seed": s, "entropy": e, "test_accuracy": t, "arm": "fd"}
        for s, e, t in ((0, 0.25, 0.5), (1, 0.75, None))
    ]
    assert over_seeds(rows) == [{"step": 1, "entropy": 0.5}]


@pytest.mark.parametrize(
    "runs", [metrics(1), metrics(3, ["fd"]), metrics(accuracy=0.0), {arm: [] for arm in ARMS}]
)
def test_short_missing_and_all_zero_runs_are_drawn(runs, tmp_path):
    save(figure_2(runs, STARTS), tmp_path, "two", [{"a": 1}])
    save(
        figure_3(runs, {"base": evaluation(2, 0), "fd": []}, STARTS, KS),
        tmp_path,
        "three",
        [{"a": 1}],
    )


@pytest.mark.parametrize("rows", [[], evaluation(1, 0), evaluation(1)[:1]])
def test_a_base_with_few_problems_and_samples_is_drawn(rows, tmp_path):
    save(base_figure(rows, KS), tmp_path, "base", rows)


def test_a_panel_without_measurements_says_so():
    assert words(figure_2(metrics(), STARTS)).count("not measured") == 1


def test_nobody_takes_the_papers_curves_for_ours():
    assert (
        sum("paper: Qwen3.5-9B, digitized" in text for text in words(figure_2(metrics(), STARTS)))
        == 4
    )
    assert not any("paper" in text for text in words(figure_2(metrics(), STARTS, paper=None)))
    second = words(figure_2(metrics(), STARTS, paper="10"))  # of which the paper shows two panels
    assert sum("paper: Qwen3-8B, digitized" in text for text in second) == 2 and any(
        "the paper's Figure 10" in text for text in second
    )


def test_figure_3_has_the_papers_curves_below_where_the_paper_has_the_panel():
    figure = figure_3(metrics(), {"base": evaluation(8)}, STARTS, KS)
    told, drawn = words(figure), [len(axes.lines) for axes in figure.axes[3:]]
    assert (
        sum("paper: Qwen3.5-9B, digitized" in text for text in told) == 2
        and drawn == [2, 0, 2]
        and "not in the paper" in told
    )
    assert "RFT" not in told  # an arm that the run has not


def test_what_is_said_below_stays_inside_the_figure():
    runs = {arm: [row for seed in range(3) for row in metrics(seed=seed)[arm]] for arm in ARMS}
    figure = figure_2(runs, STARTS)
    figure.draw_without_rendering()
    box = figure._supxlabel.get_window_extent()
    assert (
        "\n" in figure._supxlabel.get_text()
        and box.x0 >= 0
        and box.x1 <= figure.bbox.width
        and box.y0 >= 0
    )


def test_a_legend_of_two_rows_is_read_by_rows():
    arms = ["fd", "grpo", "rft", *ARMS[2:]]
    figure = figure_3(
        metrics(arms=arms), {arm: evaluation(8) for arm in ["base", *arms]}, STARTS, KS
    )
    figure.draw_without_rendering()
    (legend,) = figure.legends
    placed = sorted(
        legend.get_texts(),
        key=lambda text: (-round(text.get_window_extent().y0), text.get_window_extent().x0),
    )
    assert [text.get_text() for text in placed] == [
        "base",
        "FD",
        "GRPO",
        "RFT",
        "GRPO over FD (1)",
        "GRPO over FD (2)",
        "GRPO over FD (3)",
    ]


def test_arms_differ_in_colour_line_and_marker():
    for aspect in zip(*LOOKS.values()):
        assert len(set(aspect)) == len(LOOKS)


def test_the_same_records_give_the_same_files(tmp_path):
    one, two = (
        save(figure_2(metrics(), STARTS), tmp_path / name, "figure_2", [{"a": 1}])
        for name in ("a", "b")
    )
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


def test_a_saved_figure_still_holds_what_was_drawn(tmp_path):
    figure = figure_2(metrics(), STARTS)
    save(figure, tmp_path, "figure_2", [{"a": 1}])
    assert len(figure.axes) == 8


def test_arms_that_start_from_a_checkpoint_are_counted_from_the_base():
    rows = [row for row in figure_2_rows(metrics(), STARTS) if row["arm"] == "grpo_from_fd_3"]
    assert [row["step"] for row in rows] == [4, 5, 6, 7] and [
        row["tokens_sampled"] for row in rows
    ] == [400, 500, 600, 700]


def test_without_fds_metrics_the_tokens_of_an_arm_over_fd_are_unknown():
    assert {
        row["tokens_sampled"] for row in figure_2_rows(metrics(arms=["grpo_from_fd_3"]), STARTS)
    } == {None}


def test_the_papers_curves_are_there_for_each_panel_of_figure_2():
    for panel in ("test accuracy", "train accuracy", "entropy", "MiniF2F accuracy"):
        assert {"Claude FD", "GRPO"} <= paper_curves("2", panel).keys()
