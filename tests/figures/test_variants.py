"""Curves of several arms: a panel a metric, the paper's own panel below where there is one."""

import ast
from pathlib import Path

import nbformat
import pytest
from matplotlib.text import Text

from fdcore.figures.style import CURVES, save
from fdcore.figures.variants import PANELS, Curve, curve_rows, curves_figure, evaluation_rows

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
ROWS = [
    {
        "seed": 0,
        "step": step,
        "test_accuracy": 0.5 if step % 2 else None,
        "holdout_accuracy": None,
        "entropy": 0.3,
        "kl": 0.1,
        "response_tokens": 90.0,
        "tokens_sampled": 100 * step,
    }
    for step in range(1, 7)
]
CURVE = Curve("critique", "fd", "Be concise")


def words(figure):
    return [text.get_text() for text in figure.findobj(Text)]


def test_the_papers_panel_stands_below_and_is_told_from_ours(tmp_path):
    keys = ["response_tokens", "kl", "entropy"]
    figure = curves_figure([CURVE], {"critique": ROWS}, keys, papers=["7"])
    below = [axes for axes in figure.axes if axes.get_title().startswith("the paper's Figure 7")]
    assert [len(axes.lines) for axes in below] == [1, 1, 1]
    assert any("Lower row: not ours" in text for text in words(figure))
    png = save(figure, tmp_path, "f", curve_rows([CURVE], {"critique": ROWS}, keys))
    assert len(png.with_suffix(".csv").read_text().splitlines()) == 7


def test_a_panel_comes_from_the_first_figure_of_the_paper_that_has_it():
    figure = curves_figure(
        [CURVE], {"critique": ROWS}, ["entropy", "response_tokens"], papers=["12", "14"]
    )
    titles = [axes.get_title() for axes in figure.axes if "digitized" in axes.get_title()]
    assert ["Figure 12" in titles[0], "Figure 14" in titles[1]] == [True, True]


def test_without_the_paper_there_is_one_row():
    figure = curves_figure([CURVE], {"critique": ROWS}, ["entropy", "kl"])
    assert len(figure.axes) == 2


def test_a_trailing_mean_is_spoken_of_only_where_one_is_drawn():
    noted = [
        any("trailing mean" in text for text in words(curves_figure([CURVE], metrics, [key])))
        for metrics in ({"critique": ROWS},)
        for key in ("entropy", "kl")
    ]
    assert noted == [True, False]


def test_the_seeds_are_named_or_counted():
    one = words(curves_figure([CURVE], {"critique": ROWS}, ["kl"]))
    both = ROWS + [row | {"seed": 1} for row in ROWS]
    two = words(curves_figure([CURVE], {"critique": both}, ["kl"]))
    assert any("Seed 0 alone" in text for text in one)
    assert any("Mean of 2 seeds" in text for text in two)


def test_a_curve_and_a_panel_without_metrics_are_left_out(tmp_path):
    curves = [CURVE, Curve("other", "grpo")]
    figure = curves_figure(curves, {"critique": ROWS}, ["kl", "holdout_accuracy"])
    assert len(figure.axes[0].lines) == 1
    assert len(figure.axes) == 1
    save(curves_figure(curves, {}, ["kl"]), tmp_path, "empty", [])


def test_pass_at_k_is_compared_at_the_samples_that_all_have():
    row = {"problem_id": "a", "unknown": True}
    table = evaluation_rows({"A": [row | {"n": 8, "c": 2}], "B": [row | {"n": 2, "c": 0}]})
    assert table[0]["pass@2"] == "46.4%"
    assert table[1]["pass@2"] == "0.0%"


def curves_of(notebook):
    """The third argument of each `Curve(...)` that a notebook spells out."""
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type != "code":
            continue
        for node in ast.walk(ast.parse(cell.source)):
            is_curve = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Curve"
            if is_curve and len(node.args) == 3 and isinstance(node.args[2], ast.Constant):
                yield node.args[2].value


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_name_that_a_notebook_gives_a_curve_is_one_of_the_papers(notebook):
    series = {line.split(",")[2] for line in CURVES.read_text().splitlines()[1:]}
    assert set(curves_of(notebook)) <= series


def test_every_panel_of_the_paper_that_is_named_exists():
    panels = {line.split(",")[1] for line in CURVES.read_text().splitlines()[1:]}
    assert {title for _, title in PANELS.values() if title} <= panels
