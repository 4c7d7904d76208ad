"""Figures of variants: each metric in a panel, the paper's own curves below it where the paper has such a panel, and words only about what is drawn."""

import ast
from pathlib import Path

import nbformat
import pytest
from matplotlib.text import Text

from fdcore.figures.style import save
from fdcore.figures.variants import published, variant_figure, variant_rows

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
ROWS = [
    {
        "seed": 0,
        "step": step,
        "test_accuracy": 0.5 if step % 2 else None,
        "entropy": 0.3,
        "kl": 0.1,
        "response_tokens": 90.0,
        "tool_calls": 2.0,
    }
    for step in range(1, 7)
]


def titles(figure) -> list[str]:
    return [axes.get_title() for axes in figure.axes]


@pytest.mark.parametrize(
    "paper, key, number, panel",
    [
        ("4", "test_accuracy", "4", "test accuracy"),
        ("4", "lemmas_seen", "4", "cumulative lemmas"),
        ("5", "entropy", "5", "entropy"),
        ("7", "kl", "7", "KL(student||teacher)"),
        ("7", "response_tokens", "7", "mean response length"),
        ("12", "entropy", "12", "entropy"),
        ("13 and 14", "epistemic_words", "13", "epistemic total"),
        ("13 and 14", "response_tokens", "14", "response length"),
    ],
)
def test_a_metric_finds_the_papers_panel(paper, key, number, panel):
    assert published(paper, key)[:2] == (number, panel)


def test_a_metric_that_the_paper_does_not_show_has_no_panel():
    assert published("7", "train_accuracy") is None and published("13 and 14", "tool_calls") is None


@pytest.mark.parametrize(
    "labels",
    [
        ["a"],
        [
            "critique",
            "ground truth",
            "Lean output",
            "GRPO over critique",
            "GRPO over ground truth",
            "GRPO over Lean output",
        ],
    ],
)
def test_the_legend_fits_into_the_figure(labels):
    figure = variant_figure({label: ROWS for label in labels}, ["test_accuracy", "entropy"])
    figure.draw_without_rendering()
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert (
        {text.get_text() for text in legend.get_texts()} == set(labels)
        and box.x0 >= 0
        and box.x1 <= figure.bbox.width
    )


def calls():
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            for node in ast.walk(ast.parse(cell.source)) if cell.cell_type == "code" else ():
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "variant_figure":
                    for branch in (
                        "body",
                        "orelse",
                    ):  # one figure of the paper, or another for a second model size
                        yield pytest.param(
                            {
                                keyword.arg: ast.literal_eval(
                                    getattr(keyword.value, branch, keyword.value)
                                )
                                for keyword in node.keywords
                            },
                            id=f"{path.stem}-{branch}",
                        )


@pytest.mark.parametrize("call", list(calls()))
def test_every_name_that_a_notebook_gives_a_curve_is_one_of_the_papers(call):
    keys = (
        "test_accuracy",
        "train_accuracy",
        "holdout_accuracy",
        "entropy",
        "lemmas_seen",
        "response_tokens",
        "kl",
        "epistemic_words",
    )
    known = {
        name
        for key in keys
        if "paper" in call and (found := published(call["paper"], key))
        for name in found[2]
    }
    assert set(call.get("series", {}).values()) <= known and bool(known) == ("paper" in call)


def test_the_papers_curves_stand_below_and_are_told_from_ours(tmp_path):
    figure = variant_figure(
        {"critique": ROWS, "Be concise": ROWS}, ["response_tokens", "kl", "tool_calls"], paper="7"
    )
    assert [
        title for title in titles(figure) if title.startswith("the paper's Figure 7, digitized")
    ] and len(figure.axes) == 5
    said = [text.get_text() for text in figure.findobj(Text)]
    assert "Lower row: not ours, the paper's" in said and "tool calls an attempt" in said
    assert all(
        path.stat().st_size > 100
        for path in save(figure, tmp_path, "f", variant_rows({"critique": ROWS}, ["kl"]))
    )


def test_a_trailing_mean_is_spoken_of_only_where_one_is_drawn():
    words = lambda keys: " ".join(
        text.get_text() for text in variant_figure({"a": ROWS}, keys).findobj(Text)
    )
    assert "trailing mean" in words(["entropy"]) and "trailing mean" not in words(["kl"])


def test_more_variants_than_can_be_told_apart_are_refused():
    with pytest.raises(ValueError, match="7 variants in one figure; at most 6"):
        variant_figure({str(i): ROWS for i in range(7)}, ["kl"])
