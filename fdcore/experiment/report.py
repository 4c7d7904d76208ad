"""The results as one reads them: a table, an abstract made of the verdicts, and a self-contained page with every figure.

No number is written here: all come from the study's records and claims. Left out on purpose: drawing (`fdcore.figures.style` and its
neighbours) and judging (`fdcore.figures.claims`).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path

from fdcore import REPOSITORY
from fdcore.experiment.evaluation import bootstrap_pass_at_k, pass_at_k_curve
from fdcore.experiment.study import Study
from fdcore.figures.claims import Claim
from fdcore.figures.style import label, over_seeds
from fdcore.figures.token_page import environment
from fdcore.profile import load_profile
from fdcore.records import markdown_table, write_text

README_MARKS = (
    "<!-- results: written by fdcore.experiment.report, do not edit -->\n",
    "<!-- end of results -->\n",
)
RESULTS = [
    "",
    "pass@1 on test",
    "pass@k",
    "lemmas known",
    "an unknown lemma",
    "pass@1 on hold-out",
    "entropy at the end (nats)",
]
CAPTIONS = {  # name of the file: heading, and what the figure shows
    "figure_3": (
        "Lemmas and pass@k (Figure 3)",
        "Distinct library lemmas in verified training proofs, by step and by sampled tokens; unbiased pass@k on test, with bands over problems (the claims compare arms problem by problem, so bands that overlap do not make a tie).",
    ),
    "figure_2": (
        "Training curves (Figure 2)",
        "Test, train and hold-out accuracy and entropy by training step, counted from the base model.",
    ),
    "figure_2_tokens": (
        "The same by sampled tokens",
        "The fairer picture: a step of one method need not cost what a step of another does.",
    ),
    "figure_1": (
        "What the teacher thinks of each token (Figure 1)",
        "One failed attempt: green where the teacher, who has read the feedback, finds a token more likely than the student did, red where less.",
    ),
    "base": (
        "The base model",
        "pass@k on test before training: all problems, those whose lemmas are known, and those that need an unknown one; and by tier.",
    ),
    "figure_4_feedback_sources": (
        "Who gives the feedback (Figure 4)",
        "Critique, a correct proof, or the compiler's output as the source, and GRPO over each.",
    ),
    "figure_5_self_feedback": (
        "Feedback by the student itself (Figure 5)",
        "A frozen copy of the base writes it; the tiny base was never taught to.",
    ),
    "figure_6_teacher_speed": (
        "How slow should the teacher be? (Figure 6)",
        "The share α of the teacher that is kept at each update.",
    ),
    "figure_7_constant_feedback": (
        "The same words to every attempt (Figure 7)",
        "Two constant texts with a frozen teacher, beside the critique with the moving one.",
    ),
    "figure_8_tools": (
        "With tools and without (Figure 8)",
        "Without tools the file that is written first is judged, and no tool's answer is seen.",
    ),
    "figure_9_learning_rates": (
        "The learning rate of GRPO (Figure 9)",
        "Multiples of the main run's rate.",
    ),
    "figure_12_prompts": (
        "How the feedback is asked for (Figure 12)",
        "The four formulations, from free advice to self-contained orders about tools.",
    ),
    "figures_13_14_words_and_length": (
        "Words of doubt, and length (Figures 13 and 14)",
        "By source of the feedback.",
    ),
    "grpo_collapse": (
        "Why GRPO collapses",
        "GRPO for longer, at higher rates, and with published remedies at the highest; a group without spread teaches nothing.",
    ),
    "sensitivity": ("Sensitivity of Feedback Distillation", "One choice changed at a time."),
}
SECOND_SIZE = {  # of a second model size
    "figure_2": ("Another model size (Figure 10)", CAPTIONS["figure_2"][1]),
    "figure_6_teacher_speed": (
        "How slow should its teacher be? (Figure 11)",
        CAPTIONS["figure_6_teacher_speed"][1],
    ),
}


def results_table(study: Study) -> str:
    """The arms side by side on test and hold-out, as a Markdown table: pass@1 with 95 % bootstrap intervals over problems, pass@k, entropy."""
    return markdown_table(RESULTS, _results(study))


def _results(study: Study) -> list[list[str]]:
    rows = {
        arm: (study.evaluate(arm, "test"), study.evaluate(arm, "holdout"))
        for arm in ("base", *study.arms)
    }
    rows, found = {arm: both for arm, both in rows.items() if all(both)}, []
    shared = min((row["n"] for test, _ in rows.values() for row in test), default=0)
    for arm, (test, holdout) in rows.items():
        most, wide = (
            max(k for k in study.profile.evaluation.ks if k <= n)
            for n in (shared, min(row["n"] for row in test))
        )
        known, unknown = ([row for row in test if row["unknown"] is flag] for flag in (False, True))
        entropy = "—" if arm == "base" else f"{over_seeds(study.train(arm))[-1]['entropy']:.2f}"
        shares = [
            f"{pass_at_k_curve(rows, [1])[1]:.1%}" if rows else "—" for rows in (known, unknown)
        ]
        many = "; ".join(
            f"{share:.1%} (k = {k})"
            for k, share in pass_at_k_curve(test, sorted({most, wide})).items()
        )
        found.append(
            [label(arm, study.starts), _interval(test), many, *shares, _interval(holdout), entropy]
        )
    return found


def abstract(study: Study, claims: Sequence[Claim]) -> str:
    """What the verdicts say, in a few sentences."""
    kinds, told = _by_verdict(claims)
    missing = set(study.profile.seeds) - set(study.seeds)
    seeds = (
        f"{len(study.seeds)} of {len(missing) + len(study.seeds)} seeds"
        if missing
        else f"{len(study.seeds)} seeds"
        if len(study.seeds) > 1
        else "one seed"
    )
    sentences = [
        f"Profile {study.profile.name}, {seeds}: of {len(claims)} claims of the paper {told}."
    ]
    for verdict, opening in (
        ("reproduced", "It holds here that"),
        ("not reproduced", "It does not hold here that"),
        ("undecided", "Left open is whether"),
    ):
        if kinds[verdict]:
            sentences.append(
                f"{opening} {'; '.join(f'{claim.claim} ({claim.id})' for claim in kinds[verdict])}."
            )
    return " ".join(sentences)


def _by_verdict(claims: Sequence[Claim]) -> tuple[dict[str, list[Claim]], str]:
    """The claims by verdict, and how many each has, in words."""
    kinds = {
        verdict: [claim for claim in claims if claim.verdict == verdict]
        for verdict in ("reproduced", "not reproduced", "undecided")
    }
    return kinds, "; ".join(
        f"{len(found)} {verdict} ({', '.join(c.id for c in found)})"
        for verdict, found in kinds.items()
        if found
    )


def other_sizes() -> str:
    """What the published runs of other model sizes say to the claims that they have data on; nothing where there are none."""
    sentences = []
    for folder, about in _published_sizes():
        claims = [
            claim
            for row in json.loads((folder / "claims.json").read_text(encoding="utf-8"))
            if (claim := Claim(**row)).estimate is not None
        ]
        sentences.append(
            f"Profile {folder.name}, {about}: of {len(claims)} claims with data, {_by_verdict(claims)[1]}."
        )
    return " ".join(sentences)


def _is_main(study: Study) -> bool:
    """Whether it is what `figures/` shows, beside which other model sizes stand."""
    return study.profile.publish_figures and not study.profile.second_size


def _opening(study: Study, claims: Sequence[Claim]) -> str:
    return " ".join(
        filter(None, (abstract(study, claims), other_sizes() if _is_main(study) else ""))
    )


def write_report(study: Study, claims: Sequence[Claim], provenance: dict) -> Path:
    """report.html beside the study's figures: everything in one file, no network, no script of its own."""
    captions = CAPTIONS | (SECOND_SIZE if study.profile.second_size else {})
    figures = [
        (study.figures / f"{name}.png", *words)
        for name, words in captions.items()
        if (study.figures / f"{name}.png").exists()
    ]
    figures += _second_sizes() if _is_main(study) else []
    told = {path: _note(path) for path, _, _ in figures}  # what a notebook says of its figure
    shown = [
        {
            "heading": heading,
            "caption": f"{caption} {told[path]}".strip(),
            "data": base64.b64encode(path.read_bytes()).decode(),
            "name": path.stem,
        }
        for path, heading, caption in figures
    ]
    tokens = study.figures / "figure_1.html"
    page = environment.get_template("report.html.jinja").render(
        abstract=_opening(study, claims),
        claims=claims,
        figures=shown,
        results=[RESULTS, *_results(study)],
        tokens=tokens.read_text(encoding="utf-8") if tokens.exists() else None,
        origins=origins(provenance),
        profile=study.profile,
    )
    write_text(study.figures / "report.html", page)
    return study.figures / "report.html"


def _second_sizes() -> list[tuple[Path, str, str]]:
    """(picture, heading, caption) of what is published of other model sizes."""
    found = []
    for folder, about in _published_sizes():
        found += [
            (path, heading, f"{about[0].upper()}{about[1:]}. {caption}")
            for name, (heading, caption) in SECOND_SIZE.items()
            if (path := folder / f"{name}.png").exists()
        ]
    return found


def _published_sizes() -> list[tuple[Path, str]]:
    """(folder, what its profile is) of each other model size in `figures/`."""
    marks = sorted((REPOSITORY / "figures").glob("*/provenance.json"))
    return [
        (mark.parent, load_profile(json.loads(mark.read_text(encoding="utf-8"))["profile"]).about)
        for mark in marks
    ]


def update_readme(readme: Path, study: Study, claims: Sequence[Claim], provenance: dict) -> None:
    """Write the results between the README's marks. ValueError where the marks are missing."""
    text = readme.read_text(encoding="utf-8")
    before, opening, rest = text.partition(README_MARKS[0])
    _, closing, after = rest.partition(README_MARKS[1])
    if not (opening and closing):
        raise ValueError(
            f"{readme} lacks the lines {README_MARKS[0].strip()!r} and {README_MARKS[1].strip()!r}, between which the results are written"
        )
    where = " ".join(
        f"Seed {seed}: {told}." for seed, told in origins(provenance, records=False).items()
    )
    verdicts = markdown_table(
        ["claim", "estimate [95 % interval]", "verdict", "seeds"],
        [(f"**{c.id}** {c.claim}", c.number, c.verdict, str(c.runs)) for c in claims],
    )
    write_text(
        readme,
        f"{before}{opening}{_opening(study, claims)}\n\n{verdicts}\n\n{results_table(study)}\n\n{where}\n{closing}{after}",
    )


def origins(provenance: dict, *, records: bool = True) -> dict[str, str]:
    """Where each seed's run comes from, by seed, in words; of one made in pieces, each piece with what it measured, unless not `records`."""
    return {
        seed: "; ".join(_origin(each, records and len(pieces) > 1) for each in pieces)
        for seed, pieces in provenance["origins"].items()
    }


def _origin(piece: dict, named: bool) -> str:
    machine = piece["machine"]
    told = (
        f"commit {piece['commit'][:10]}, {piece['date']}, {machine['cores']} cores"
        + (f" ({machine['processor']})" if "processor" in machine else "")
        + f", GPU: {machine['gpu']}"
    )
    kinds = {"training": "metrics", "evaluation": "eval_"}
    parts = [
        f"{kind} of {', '.join(found)}"
        for kind, mark in kinds.items()
        if (
            found := sorted(
                {
                    name.rpartition("/")[0].removeprefix("arms/")
                    for name in piece["records"]
                    if mark in name
                }
            )
        )
    ]
    return told + (f" ({'; '.join(parts)})" if named else "")


def _interval(rows: list[dict]) -> str:
    low, high = bootstrap_pass_at_k(rows, [1])[1]
    return f"{pass_at_k_curve(rows, [1])[1]:.1%} [{low:.1%}, {high:.1%}]"


def _note(path: Path) -> str:
    """The note beside a figure, where there is one."""
    note = path.with_suffix(".md")
    return note.read_text(encoding="utf-8") if note.exists() else ""
