"""The page of a run: it holds claims, figures, arms and attempts, and needs no network."""

import re

import pytest

from fdcore.figures.claims import Claim
from fdcore.figures.report import find_figures, write_report
from fdcore.figures.style import new_figure, save
from tests.browser import Page, browser_needed
from tests.figures.test_token_page import VIEWS

RULE = {"claim": "FD <beats> the base", "quantity": "pass@1", "unit": "of problems", "paper": ".6"}
CLAIMS = [
    Claim(id="P1", **RULE, verdict="reproduced", estimate=0.2, low=0.1, high=0.3, detail="FD 0.4")
    .model_copy(update={"seeds": {"0": 0.15, "1": 0.25}}),
    Claim(id="C7", **RULE, estimate=0.8, needs=0.9, seeds={"0": 0.8}, detail="one seed"),
    Claim(id="C10", **RULE, verdict="not testable here", detail="no prose"),
]  # fmt: skip
ARMS = [{"arm": "base", "pass@1 on test": "21.1%"}, {"arm": "FD", "pass@1 on test": "24.8%"}]


@pytest.fixture
def page(tmp_path):
    for name, title in (("b", "Figure 3: pass@k"), ("a", "Atlas: all"), ("c", "Figure 12: x")):
        save(new_figure(6, 2), tmp_path / "figures", name, [{"a": 1}], title, f"Seen in {name}.")
    save(new_figure(6, 2), tmp_path / "figures", "untitled", [])
    path = tmp_path / "report.html"
    words = {"summary": "Of 3 claims: 1 reproduced.", "arms": ARMS, "views": VIEWS}
    write_report(path, tmp_path / "figures", CLAIMS, **words)
    return path


def test_the_papers_figures_come_first_in_its_order(page):
    figures = find_figures(page.parent / "figures", "figures")
    assert [figure["name"] for figure in figures] == ["b", "c", "a"]
    assert figures[0]["caption"] == "Seen in b."


def test_it_refers_to_nothing_outside_but_pdf_and_csv_beside_it(page):
    text = page.read_text(encoding="utf-8")
    links = set(re.findall(r'(?:src|href)="([^"]*)"', text))
    files = {link for link in links if not link.startswith(("#", "data:"))}
    assert files == {f"figures/{n}.{kind}" for n in "abc" for kind in ("pdf", "csv")}
    assert all((page.parent / file).exists() for file in files)
    anchors = {link[1:] for link in links if link.startswith("#")}
    assert anchors <= set(re.findall(r'id="([^"]*)"', text))
    assert "<beats>" not in text
    assert len(text) < 3_000_000


def test_the_same_records_give_the_same_page(page, tmp_path):
    other = tmp_path / "other.html"
    words = {"summary": "Of 3 claims: 1 reproduced.", "arms": ARMS, "views": VIEWS}
    write_report(other, tmp_path / "figures", CLAIMS, **words)
    assert other.read_bytes() == page.read_bytes()


def test_without_attempts_and_arms_there_is_a_page(tmp_path):
    write_report(tmp_path / "r.html", tmp_path, [], summary="Nothing.", arms=[], views=[])
    assert "No arm has been evaluated" in (tmp_path / "r.html").read_text()


@browser_needed
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_window_and_a_claim_opens(page, width, tmp_path):
    browser = Page(page.as_uri(), tmp_path / "profile")
    try:
        browser.resize(width, 800)
        assert browser.js("document.documentElement.scrollWidth") <= width
        assert browser.js("document.querySelectorAll('.forest li').length") == 3
        assert browser.js("document.querySelector('.bar').getBoundingClientRect().width") > 9
        assert browser.text("#attempt") == "".join(VIEWS[0].tokens)
        assert not browser.errors
        assert all(url.startswith(("file:", "data:")) for url in browser.requests)
    finally:
        browser.close()
