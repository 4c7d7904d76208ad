"""Curves of one arm's variants side by side: the look of the paper's ablations (Figures 4 to 9 and 12 to 14).

Left out on purpose: the five arms' own figures (`fdcore.figures.style`), whose colours mean arms; here a colour means a variant.
"""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from fdcore.experiment.evaluation import bootstrap_pass_at_k, pass_at_k_curve
from fdcore.figures.papercurves import paper_curves
from fdcore.figures.style import (
    LOOKS,
    PANELS,
    PAPER_PANELS,
    axis,
    curve,
    footnote,
    legend_above,
    new_figure,
    note,
    styled,
)
from fdcore.profile import Profile
from fdcore.records import markdown_table

NO_ABLATION = "This profile has no such ablation."
TITLES = dict(PANELS) | {
    "lemmas_seen": "distinct lemmas of the arm",
    "response_tokens": "tokens an attempt",
    "kl": "KL to the teacher (nats)",
    "epistemic_words": "epistemic words an attempt",
    "tool_calls": "tool calls an attempt",
    "zero_spread": "groups without spread (share)",
}
PAPER_TITLES = {key: (title,) for (key, _), title in zip(PANELS, PAPER_PANELS)} | {
    "lemmas_seen": ("cumulative lemmas",),
    "response_tokens": ("response length", "mean response length"),
    "kl": ("KL(student||teacher)",),
    "epistemic_words": ("epistemic total",),
}


def looks(labels: Sequence[str]) -> dict[str, tuple]:
    """A colour, line and marker for each label. ValueError for more labels than can be told apart."""
    styles = [look for arm, look in LOOKS.items() if arm != "base"]
    if len(labels) > len(styles):
        raise ValueError(
            f"{len(labels)} variants in one figure; at most {len(styles)} can be told apart, draw two figures"
        )
    return dict(zip(labels, styles))


@styled
def variant_figure(
    metrics: dict[str, list[dict]],
    keys: Sequence[str],
    *,
    paper: str | None = None,
    series: dict[str, str] | None = None,
    titles: dict[str, str] = {},
) -> Figure:
    """One panel a metric of `keys`, one curve a variant; below, small and faint, the paper's own curves where it has the panel.

    `metrics`: label -> metrics rows (of several seeds). `paper`: the paper's figure, or two of them ("13 and 14"); `series`: label -> its
    name there, where they differ. `titles`: metric -> what stands above its panel, where it is not the usual.
    """
    curves = {key: found for key in keys if paper and (found := published(paper, key))}
    figure = new_figure(max(3.6, 1.85 * len(keys)), 3.8 if curves else 2.4)
    grid = figure.add_gridspec(
        2 if curves else 1, len(keys), height_ratios=[1.5, 1] if curves else [1]
    )
    styles = looks(list(metrics))
    for column, key in enumerate(keys):
        axes = figure.add_subplot(grid[0, column])
        for label, rows in metrics.items():
            curve(axes, [row for row in rows if key in row], styles[label], key, "step", label)
        axis(
            axes,
            "step",
            [row[key] for rows in metrics.values() for row in rows if row.get(key) is not None],
            title=titles.get(key, TITLES.get(key, key)),
        )
        if key in curves:
            number, title, points = curves[key]
            below = figure.add_subplot(grid[1, column])
            for label in metrics:
                if (name := (series or {}).get(label, label)) in points:
                    below.plot(
                        *zip(*sorted(points[name])),
                        color=styles[label][0],
                        linestyle=styles[label][1],
                        linewidth=0.8,
                        alpha=0.55,
                    )
            below.set_title(
                f"the paper's Figure {number}, digitized\n{title}", color="#666666", fontsize=6.5
            )
            below.tick_params(colors="#666666", labelsize=6)
            below.set_ylim(bottom=0)
    legend_above(figure)
    footnote(
        figure,
        note([row for rows in metrics.values() for row in rows], keys),
        "Lower row: not ours, the paper's" if curves else "",
    )
    return figure


def published(paper: str, key: str) -> tuple[str, str, dict] | None:
    """(figure, panel, curves by series) of the paper's panel for a metric, in the first of these figures that has one; None where none has."""
    there = (
        (number, title, paper_curves(number, title))
        for number in paper.split(" and ")
        for title in PAPER_TITLES.get(key, ())
    )
    return next((found for found in there if found[2]), None)


def variant_rows(metrics: dict[str, list[dict]], keys: Sequence[str]) -> list[dict]:
    """What `variant_figure` draws, one row a variant, seed and step."""
    return [
        {
            "variant": label,
            "seed": row["seed"],
            "step": row["step"],
            **{key: row.get(key) for key in keys},
        }
        for label, rows in metrics.items()
        for row in rows
    ]


def settings_table(profile: Profile, arms: dict[str, str]) -> str:
    """What each arm changes in the profile, as a Markdown table.

    Args:
        arms: label -> name of an arm. Without arms the table is one sentence.
    """
    changes = {label: profile.arm(arm).settings for label, arm in arms.items()}
    rows = [
        (label, ", ".join(f"`{key}` {value}" for key, value in settings.items()))
        for label, settings in changes.items()
    ]
    told = [(label, changed or "as in the profile") for label, changed in rows]
    return markdown_table(["variant", "settings"], told) if rows else NO_ABLATION


def variant_table(evaluations: dict[str, list[dict]]) -> str:
    """pass@1 of each variant with its 95 % bootstrap interval over problems, and pass@k at the most samples, as a Markdown table."""
    found = []
    for label, rows in evaluations.items():
        most = min(row["n"] for row in rows)
        one, many = pass_at_k_curve(rows, [1])[1], pass_at_k_curve(rows, [most])[most]
        low, high = bootstrap_pass_at_k(rows, [1])[1]
        unknown = [row for row in rows if row["unknown"]]
        share = f"{pass_at_k_curve(unknown, [1])[1]:.1%}" if unknown else "—"
        found.append(
            (label, f"{one:.1%} [{low:.1%}, {high:.1%}]", f"{many:.1%} (k = {most})", share)
        )
    return markdown_table(["variant", "pass@1", "pass@k", "an unknown lemma needed, pass@1"], found)
