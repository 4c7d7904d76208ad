"""The common look: fonts embedded, the same bytes twice, arms that differ in grey print."""

import warnings

import pytest
from matplotlib.text import Text

from fdcore.figures.style import (
    LOOKS,
    add_legend,
    add_note,
    draw_line,
    draw_pass_at_k,
    draw_seeds,
    looks_of,
    new_figure,
    paper_curves,
    save,
    set_k_axis,
)


@pytest.fixture(autouse=True)
def warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def figure_of(names, width=6.0):
    figure = new_figure(width, 2.0)
    axes = figure.subplots()
    for place, name in enumerate(names):
        draw_line(axes, [0, 1], [place, place], LOOKS["fd"], name)
    add_legend(figure)
    return figure


def rows_of(values, seed=0, step=1):
    return [
        {"seed": seed, "step": place, "entropy": value}
        for place, value in enumerate(values, start=step)
    ]


def test_a_figure_is_written_as_pdf_with_embedded_fonts_png_and_csv(tmp_path):
    png = save(figure_of(["α = 0.9"]), tmp_path, "f", [{"a": 1}, {"a": 2, "b": 3}])
    pdf = png.with_suffix(".pdf").read_bytes()
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf
    assert png.stat().st_size > 5000
    assert png.with_suffix(".csv").read_text() == "a,b\n1,\n2,3\n"


def test_the_same_records_give_the_same_files(tmp_path):
    for name in ("one", "two"):
        save(figure_of(["a", "b"]), tmp_path / name, "f", [{"a": 1}])
    for ending in ("pdf", "png", "csv"):
        one, two = (tmp_path / name / f"f.{ending}" for name in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()


def test_arms_differ_in_colour_line_and_marker():
    for aspect in zip(*LOOKS.values(), strict=True):
        assert len(set(aspect)) == len(LOOKS)


def test_an_arm_keeps_its_look_and_a_variant_takes_another():
    looks = looks_of(["constant/Think", "grpo", "constant/Be_concise"])
    assert looks[1] == LOOKS["grpo"]
    assert len(set(looks)) == 3
    with pytest.raises(ValueError):
        looks_of([f"v/{i}" for i in range(7)])


@pytest.mark.parametrize("names", [["a"], [f"GRPO over something long {i}" for i in range(6)]])
def test_the_legend_fits_into_the_figure(names):
    figure = figure_of(names)
    figure.draw_without_rendering()
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert {text.get_text() for text in legend.get_texts()} == set(names)
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width


def test_a_legend_of_two_rows_is_read_by_rows():
    names = [f"a name of some length {i}" for i in range(6)]
    figure = figure_of(names)
    figure.draw_without_rendering()
    texts = figure.legends[0].get_texts()
    boxes = {text.get_text(): text.get_window_extent() for text in texts}
    assert sorted(names, key=lambda name: (-round(boxes[name].y0), boxes[name].x0)) == names


def test_a_note_stays_inside_the_figure():
    figure = figure_of(["a"], width=4.0)
    add_note(figure, "A sentence that is too long for one line " * 4, "", "Another")
    figure.draw_without_rendering()
    box = figure.findobj(lambda a: isinstance(a, Text) and "Another" in a.get_text())[0]
    box = box.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width


def test_seeds_are_drawn_as_their_mean_in_a_band_from_the_lowest_to_the_highest():
    axes = new_figure(3, 2).subplots()
    rows = rows_of([0.2, 0.2]) + rows_of([0.6, 0.6, 0.6], seed=1)
    draw_seeds(axes, rows, "entropy", LOOKS["fd"], "FD", x="step", window=1)
    assert list(axes.lines[0].get_xdata()) == [1, 2]  # steps that every seed has reached
    assert list(axes.lines[0].get_ydata()) == [0.4, 0.4]
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (0.2, 0.6)


def test_rows_without_the_metric_are_left_out():
    axes = new_figure(3, 2).subplots()
    rows = rows_of([0.1, None, 0.3]) + [{"seed": 0, "step": 4}]
    draw_seeds(axes, rows, "entropy", LOOKS["fd"], "FD", x="step", window=7)
    assert list(axes.lines[-1].get_xdata()) == [1, 3]
    draw_seeds(axes, [], "entropy", LOOKS["grpo"], "GRPO", x="step", window=1)


def test_pass_at_k_is_drawn_for_few_samples_and_for_none(tmp_path):
    figure = new_figure(3, 2)
    axes = figure.subplots()
    rows = [{"problem_id": "a", "n": 2, "c": 1}]
    draw_pass_at_k(axes, rows, [1, 2, 4], LOOKS["fd"], "FD")
    draw_pass_at_k(axes, [], [1, 2, 4], LOOKS["grpo"], "GRPO")
    set_k_axis(axes, [1, 2, 4])
    assert list(axes.lines[0].get_xdata()) == [1, 2]
    save(figure, tmp_path, "f", rows)


def test_the_papers_curves_are_there_for_each_panel_of_figure_2():
    for panel in ("test accuracy", "train accuracy", "entropy", "MiniF2F accuracy"):
        assert {"Claude FD", "GRPO"} <= paper_curves("2", panel).keys()
    assert paper_curves("2", "no such panel") == {}


def test_a_collapsed_curve_of_the_paper_does_not_rise_again():
    for panel in ("test accuracy", "train accuracy", "MiniF2F accuracy"):
        points = paper_curves("2", panel)["GRPO over FD (100)"]
        assert max(y for x, y in points if x > 310) < 0.1
