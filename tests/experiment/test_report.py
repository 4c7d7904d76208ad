"""The report and the README's results hold what the records say, and nothing that was typed in."""

import html
import json
import shutil
import subprocess

import pytest

from fdcore import REPOSITORY
from fdcore.experiment.publish import FIGURES
from fdcore.experiment.report import (
    README_MARKS,
    abstract,
    origins,
    other_sizes,
    results_table,
    update_readme,
    write_report,
)
from fdcore.experiment.study import Study
from fdcore.figures.claims import RULES, Claim
from fdcore.figures.style import new_figure, save

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))),
    None,
)
PIECE = {
    "commit": "0123456789abcdef",
    "date": "2026-01-02",
    "machine": {"cores": 2, "gpu": "none"},
    "records": ["arms/fd/metrics.jsonl"],
}
WHERE = {"origins": {"0": [PIECE]}, "files": {"x": "y"}}


@pytest.fixture
def study(tmp_path):
    """A finished run of which nothing but the records is there."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run/shipped.json").write_text("{}")
    found = Study("smoke", seed=0, out=tmp_path / "run")
    for arm in ("base", "arms/fd"):
        rows = [
            {"problem_id": str(i), "unknown": i % 2 == 0, "n": 4, "c": 4 * (i % 2)}
            for i in range(8)
        ]
        for split in ("test", "holdout"):
            path = tmp_path / "run" / arm / f"eval_{split}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "run/arms/fd/metrics.jsonl").write_text(
        json.dumps({"step": 1, "seed": 0, "entropy": 0.123}) + "\n"
    )
    save(new_figure(2, 2), found.figures, "figure_2", [{"a": 1}])
    return found


def claims():
    verdicts = ["reproduced", "not reproduced"] + ["undecided"] * (len(RULES) - 2)
    return [
        Claim(
            **rule.model_dump(),
            estimate=0.25,
            low=0.1,
            high=0.5,
            verdict=verdict,
            runs=2,
            detail="<b>told</b>",
        )
        for rule, verdict in zip(RULES, verdicts)
    ]


def test_the_table_is_read_from_the_evaluations_and_leaves_out_arms_without_any(study):
    lines = results_table(study).splitlines()
    assert (
        len(lines) == 4
        and lines[2].startswith("| base | 50.0% [")
        and "100.0% | 0.0%" in lines[2]
        and lines[3].startswith("| FD |")
        and lines[3].endswith("| 0.12 |")
    )


def test_the_abstract_counts_the_verdicts_and_names_the_claims(study):
    text = abstract(study, claims())
    assert (
        "1 reproduced (C1); 1 not reproduced (C2)" in text
        and f"It does not hold here that {RULES[1].claim} (C2)." in text
        and "one seed" in text
    )


def test_of_a_seed_made_in_pieces_each_piece_is_told_with_what_it_measured():
    other = {
        "commit": "fedcba9876543210",
        "date": "2026-01-03",
        "machine": {"cores": 2, "gpu": "none", "processor": "X"},
        "records": ["arms/a/b/eval_test.jsonl", "arms/fd/eval_test.jsonl"],
    }
    told = origins({"origins": {"0": [PIECE, other]}})["0"]
    assert told == (
        "commit 0123456789, 2026-01-02, 2 cores, GPU: none (training of fd); commit fedcba9876, 2026-01-03, 2 cores (X), GPU: none (evaluation of a/b, fd)"
    )
    short = origins({"origins": {"0": [PIECE, other]}}, records=False)["0"]
    assert (
        short
        == "commit 0123456789, 2026-01-02, 2 cores, GPU: none; commit fedcba9876, 2026-01-03, 2 cores (X), GPU: none"
    )


def test_the_page_is_one_file_without_network_and_with_its_text_escaped(study):
    (study.figures / "figure_2.md").write_text("Two runs fell.\n")
    page = write_report(study, claims(), WHERE).read_text()
    assert "Two runs fell." in page
    assert "&lt;b&gt;told&lt;/b&gt;" in page and "<b>told</b>" not in page
    assert (
        "data:image/png;base64," in page
        and 'src="http' not in page
        and "commit 0123456789, 2026-01-02" in page
    )


@pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on PATH (Debian, Ubuntu: apt-get install chromium)"
)
@pytest.mark.parametrize("width", [1200, 400])
def test_it_fits_a_desktop_and_a_phone(study, width, tmp_path):
    page = write_report(study, claims(), WHERE)
    probe = "<script>document.title = document.documentElement.scrollWidth <= window.innerWidth ? 'fits' : 'too wide'</script>"
    page.write_text(page.read_text().replace("</body>", probe + "</body>"))
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={tmp_path}/profile",
        f"--window-size={width},900",
        "--dump-dom",
        page.as_uri(),
    ]
    assert (
        "<title>fits</title>"
        in subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
    )


def test_the_readmes_results_are_written_between_its_marks(study, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{README_MARKS[0]}of yesterday\n{README_MARKS[1]}after\n")
    update_readme(readme, study, claims(), WHERE)
    text = readme.read_text()
    assert (
        text.startswith("before\n")
        and text.endswith("after\n")
        and "yesterday" not in text
        and results_table(study) in text
        and "Seed 0: commit 0123456789" in text
    )
    readme.write_text("no marks")
    with pytest.raises(ValueError, match="lacks the lines"):
        update_readme(readme, study, claims(), WHERE)


def test_the_repositorys_readme_has_the_marks():
    assert (
        all((REPOSITORY / "README.md").read_text().count(mark) == 1 for mark in README_MARKS)
        and FIGURES.name == "figures"
    )


def test_the_report_shows_what_is_published_of_another_model_size(study, tmp_path, monkeypatch):
    monkeypatch.setattr("fdcore.experiment.report.REPOSITORY", tmp_path)
    half = tmp_path / "figures" / "tiny-half"
    save(new_figure(2, 2), half, "figure_2", [{"a": 1}])
    (half / "provenance.json").write_text(json.dumps({"profile": "tiny-half"}))
    unmeasured = {"estimate": None, "low": None, "high": None, "runs": 0}
    (half / "claims.json").write_text(
        json.dumps(
            [claim.model_dump() | (unmeasured if claim.id == "C10" else {}) for claim in claims()]
        )
    )
    assert (
        "Figure 10" not in write_report(study, claims(), WHERE).read_text()
    )  # a run that publishes nothing shows its own alone
    object.__setattr__(study.profile, "publish_figures", True)
    page = write_report(study, claims(), WHERE).read_text()
    assert (
        "Another model size (Figure 10)" in page
        and "a student of 0.5 M parameters" in page
        and "Figure 11" not in page
    )
    told = other_sizes()
    assert told.endswith(
        "of 9 claims with data, 1 reproduced (C1); 1 not reproduced (C2); 7 undecided (C3, C4, C5, C6, C7, C8, C9)."
    ) and told in html.unescape(page)
