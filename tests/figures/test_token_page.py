"""The token view's page in a real browser: text and numbers are the record's, hostile text too.

Chromium is driven over its DevTools protocol. Where none is on PATH the browser's part is skipped
(`.ci/run` installs one where it can).
"""

import html
import math
import re
from collections import Counter
from decimal import ROUND_HALF_UP, Decimal

import pytest

from fdcore import REPOSITORY
from fdcore.figures.token_page import show_in_notebook, token_page
from fdcore.figures.token_view import STUDENT, TEACHER, Alternative, TokenView
from fdcore.records import read_records
from tests.browser import Page, browser_needed

HOSTILE = (
    *("<tool_call>", "\n", '{"content": "', "by\\", "n  exact", " h₁"),
    ' </script><script>document.title="owned"</script>',
    *("<img src=x onerror=alert(1)>", "</pre>", "&lt;b&gt;", " \u202eevil\u202c ", "\t", "\r\n"),
    *("\0", "\u00a0\u2028", "", "", "💥", "∀ε", "  trailing  ", "\n\n", "</tool_call>"),
    *("<|im_end|>", "\n<tool_response>\n", "error: <b>no</b>", "\n", " {{ 7 * 7 }}", "'\"`${1}"),
    "end",
)
TOOL = range(22, 26)
FOCUS, LAST = 17, len(HOSTILE) - 1


def view(arm="base", step="0", shift=0.0, tokens=HOSTILE, attempt="first", focus=FOCUS):
    mask = tuple(int(index not in TOOL) for index in range(len(tokens)))

    def column(function):
        return tuple(round(function(index), 4) * m for index, m in enumerate(mask))

    def options(index):
        texts = [f"<u>{index}.{k}\n" for k in range(3)]
        return tuple(
            Alternative(text=text, student=round(0.5 / k, 6), teacher=round(0.3 / k, 6))
            for k, text in enumerate(texts, 1)
        )

    return TokenView(
        labels={"attempt": attempt, "arm": arm, "step": step},
        problem_id="p-1",
        statement="theorem thm : <script> ∧ True := by",
        feedback="1. Use <i>this</i> & `that`.\n2. </script> \ud800 stop.",
        verdict="failed",
        source="theorem thm := by\n  exact <b>h</b>\n",
        tokens=tokens,
        action_mask=mask,
        student=column(lambda i: -0.37 - 0.1 * i),
        teacher=column(lambda i: -0.37 - 0.1 * i + (-1) ** i * 0.31 * (i % 14) + shift),
        student_entropy=column(lambda i: 0.011 * i),
        teacher_entropy=column(lambda i: 1.5 - 0.01 * i),
        kl=column(lambda i: 0.07 * i),
        alternatives=tuple(options(index) if m else () for index, m in enumerate(mask)),
        focus=focus,
    )


OTHER = ("other", " attempt", "\n")
VIEWS = [
    view(),
    view("FD", "2", 0.5),
    view("FD", "6", 1.5),
    view("GRPO", "6", -1.5),
    view("FD", "6", tokens=OTHER, attempt="second", focus=1),
]


# ---- without a browser ---------------------------------------------------------------------------


def test_the_page_refers_to_nothing_outside_and_escapes_what_models_wrote():
    page = token_page(VIEWS)
    words = re.sub(r"// |'sha256-[^']*'", "", page)  # comments, and digests that may hold anything
    assert not re.search(r"https?:|//\w|@import|url\(", words)
    assert "default-src 'none'" in page
    assert page.count("<script") == 2
    assert "<img" not in page
    assert "<i>" not in page
    assert page.encode("utf-8")


def test_no_views_and_views_that_no_list_can_tell_apart_are_refused():
    with pytest.raises(ValueError):
        token_page([])
    with pytest.raises(ValueError, match="feedback"):
        token_page([view(), view().model_copy(update={"labels": {"feedback": "mine"}})])


def test_in_a_notebook_it_stands_in_a_frame_that_cannot_reach_the_notebook():
    shown = show_in_notebook(token_page(VIEWS)).data
    assert html.unescape(re.search(r'srcdoc="([^"]*)"', shown)[1]) == token_page(VIEWS)
    assert 'sandbox="allow-scripts"' in shown


# ---- in Chromium ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    (folder / "page.html").write_text(token_page(VIEWS), encoding="utf-8")
    page = Page((folder / "page.html").as_uri(), folder / "profile")
    yield page
    page.close()


@pytest.fixture
def page(browser):
    """The page as it opens: the first view, its focus chosen."""
    browser.choose("attempt", "first")
    browser.choose("arm", "base")
    browser.js(f"pinned = -1; select({FOCUS}); document.activeElement.blur()")
    return browser


def rounded(x: float, digits: int) -> str:
    """As JavaScript's toFixed, which rounds a tie away from zero; no minus before a zero."""
    unit = Decimal(1).scaleb(-digits)
    return f"{Decimal(x).quantize(unit, ROUND_HALF_UP):z}".replace("-", "−")


def percent(p: float) -> str:
    return f"{rounded(100 * p, 1)} %"


def nats(x: float) -> str:
    return rounded(x, 2)


def signed(x: float) -> str:
    return ("+" if x > 0 else "") + nats(x)


def numbers(v: TokenView, index: int) -> list[str]:
    """What the panel must say about a token."""
    ratio = v.teacher[index] - v.student[index]
    return [
        f"log p(teacher) − log p(student) = {signed(ratio)} nats",
        f"KL(teacher ‖ student) = {nats(v.kl[index])} nats",
        percent(math.exp(v.student[index])) + percent(math.exp(v.teacher[index])),
        nats(v.student[index]) + nats(v.teacher[index]),
        nats(v.student_entropy[index]) + nats(v.teacher_entropy[index]),
    ]


@browser_needed
def test_the_text_is_the_attempts_character_by_character(page):
    assert page.text("#attempt") == "".join(HOSTILE)
    assert page.text("#statement") == VIEWS[0].statement
    assert page.text("#source") == VIEWS[0].source


@browser_needed
@pytest.mark.parametrize("attempt, tokens", [("first", HOSTILE), ("second", OTHER)])
def test_the_copy_button_gives_the_attempt_character_by_character(page, attempt, tokens):
    page.choose("attempt", attempt)
    page.js("navigator.clipboard.writeText('nothing')")
    page.js("document.getElementById('copy').click()")
    page.wait_for(lambda: page.js("navigator.clipboard.readText()") != "nothing")
    assert page.js("navigator.clipboard.readText()") == "".join(tokens)


@browser_needed
def test_hostile_text_stays_text_and_nothing_is_requested_or_reported(page):
    assert page.js("document.title") == "Token view: p-1"
    elements = "document.querySelectorAll('img, i, b, u, script:not(#data)').length"
    assert page.js(elements) == 1  # the page's own script
    assert {url.rpartition("/")[2] for url in page.requests} == {"page.html"}
    assert page.errors == []


@browser_needed
@pytest.mark.parametrize("index", [0, 7, 15, 18, LAST])
def test_hovering_a_token_shows_the_records_numbers_and_both_models_likeliest_tokens(page, index):
    page.mouse("mouseMoved", index)
    shown = page.text("#numbers")
    assert [number for number in numbers(VIEWS[0], index) if number not in shown] == []
    assert page.text("#options tbody") == "".join(
        f"{a.text[:-1]}↵{percent(a.student)}{percent(a.teacher)}"
        for a in VIEWS[0].alternatives[index]
    )


@browser_needed
def test_hovering_tool_output_says_that_it_is_a_tools(page):
    page.mouse("mouseMoved", 24)
    assert "is a tool's text" in page.text("#numbers")


@browser_needed
def test_a_click_chooses_a_token_and_its_numbers_stay_when_the_mouse_has_gone(page):
    page.mouse("mousePressed", 5)
    page.mouse("mouseReleased", 5)
    page.send("Input.dispatchMouseEvent", type="mouseMoved", x=1, y=1)
    assert page.js("current") == 5
    assert numbers(VIEWS[0], 5)[0] in page.text("#ratio")


@browser_needed
def test_a_pinned_token_stays_while_the_mouse_passes_others(page):
    page.mouse("mousePressed", 5)
    page.mouse("mouseReleased", 5)
    before = page.text("#ratio")
    page.mouse("mouseMoved", FOCUS)
    assert page.text("#ratio") == before
    page.mouse("mousePressed", 5)  # once more: no longer pinned
    page.mouse("mouseReleased", 5)
    page.mouse("mouseMoved", FOCUS)
    assert page.text("#ratio") != before


@browser_needed
def test_an_address_names_attempt_arm_step_and_token(page):
    page.js("location.hash = '#attempt=second&arm=FD&step=6&token=1'")
    page.wait_for(lambda: page.text("#attempt") == "".join(OTHER))
    assert page.js("[chosen.arm, chosen.step, current]") == ["FD", "6", 1]
    page.choose("attempt", "first")
    assert "attempt=first" in page.js("location.hash")
    page.js("pinned = -1")


@browser_needed
def test_keys_work_before_anything_is_clicked(page):
    page.js("select(own[0])")
    page.key("ArrowRight")
    assert page.js("current") == 1


@browser_needed
def test_arrow_keys_walk_over_the_students_tokens_and_a_screen_reader_is_told(page):
    page.js("document.getElementById('copy-file').focus()")
    walked = []
    keys = ("Tab", "ArrowRight", "End", "Home", "ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp")
    for key in keys:  # one tab stop, at the chosen token
        page.key(key)
        walked.append(page.js("spans.indexOf(document.activeElement)"))
    assert walked[:6] == [FOCUS, FOCUS + 1, LAST, 0, 1, 0]
    assert walked[6] > 1
    assert walked[7] in (0, 1)
    page.key("End")
    q, p = VIEWS[0].student[LAST], VIEWS[0].teacher[LAST]
    both = f"student {percent(math.exp(q))}, teacher {percent(math.exp(p))}"
    assert page.text("#live") == f"end: {both}, log-ratio {signed(p - q)} nats"


@browser_needed
def test_the_buttons_jump_between_wide_differences(page):
    far = [abs(p - q) >= 1 for p, q in zip(VIEWS[0].teacher, VIEWS[0].student, strict=True)]
    following = far.index(True, FOCUS + 1)
    page.js("document.getElementById('next').click()")
    assert page.js("current") == following
    page.js("document.getElementById('previous').click()")
    assert page.js("current") == max(i for i in range(following) if far[i])


@browser_needed
def test_every_control_has_a_name_and_news_is_announced(page):
    nodes = page.send("Accessibility.getFullAXTree")["nodes"]
    nodes = [node for node in nodes if node.get("role") and node.get("name")]
    named = {(node["role"]["value"], node["name"]["value"].strip()) for node in nodes}
    assert {("combobox", name) for name in ("attempt", "arm", "step")} <= named
    assert {("button", "Copy attempt"), ("button", "Copy Lean file"), ("heading", "Token")} <= named
    assert "status" in {role for role, _ in named}


@browser_needed
def test_the_table_holds_every_token_of_the_students(page):
    page.js("document.getElementById('table').open = true")
    rows = "document.querySelectorAll('#table tbody tr').length"
    assert page.wait_for(lambda: page.js(rows)) == sum(VIEWS[0].action_mask)
    page.js("document.getElementById('table').open = false")


@browser_needed
def test_lists_switch_arm_step_and_attempt_and_keep_the_chosen_token(page):
    page.js("select(8)")
    page.choose("arm", "FD")
    options = "[...document.querySelector('select[name=step]').options].map((o) => o.value)"
    assert page.js(options) == ["2", "6"]
    assert page.js("current") == 8
    assert numbers(VIEWS[1], 8)[0] in page.text("#ratio")
    page.choose("step", "6")
    assert numbers(VIEWS[2], 8)[0] in page.text("#ratio")
    page.choose("arm", "GRPO")
    assert numbers(VIEWS[3], 8)[0] in page.text("#ratio")
    page.choose("attempt", "second")
    assert page.text("#attempt") == "".join(OTHER)
    assert page.js("current") == 1


@browser_needed
@pytest.mark.parametrize("index", [3, 4, 18, 19, 24])
def test_a_token_stands_on_the_colour_of_its_log_ratio_and_tool_output_grey_on_white(page, index):
    left, top, right, bottom = page.box(index)
    inside = (math.ceil(left), math.ceil(top) + 1, math.floor(right), math.floor(bottom) - 1)
    colours = Counter(page.picture().crop(inside).get_flattened_data())
    ratio = (VIEWS[0].teacher[index] - VIEWS[0].student[index]) * VIEWS[0].action_mask[index]
    end = [int((STUDENT, TEACHER)[ratio > 0][at : at + 2], 16) for at in (1, 3, 5)]
    expected = (255 + (value - 255) * min(1, abs(ratio) / 3) for value in end)
    assert colours.most_common(1)[0][0] == tuple(math.floor(value + 0.5) for value in expected)
    darkest = min(colours)
    assert (0x50 < darkest[0] < 0x90) == (index in TOOL)


@browser_needed
def test_of_a_published_run_every_view_shows_its_records_text_and_numbers(tmp_path):
    paths = sorted((REPOSITORY / "figures").glob("records/seed-*/token_views.jsonl"))[:1]
    views = [shown for path in paths for shown in read_records(path, TokenView)]
    if not views:
        pytest.skip("no run has been published with its records yet")
    (tmp_path / "page.html").write_text(token_page(views), encoding="utf-8")
    page = Page((tmp_path / "page.html").as_uri(), tmp_path / "profile")
    read = "detail(index); return document.getElementById('numbers').textContent;"
    try:
        for shown in views:
            for key, value in shown.labels.items():
                page.choose(key, value)
            assert page.text("#attempt") == "".join(shown.tokens)
            assert page.text("#feedback") == shown.feedback
            texts = page.js(f"own.map((index) => {{ {read} }})")
            places = [index for index, sampled in enumerate(shown.action_mask) if sampled]
            for index, text in zip(places, texts, strict=True):
                options = shown.alternatives[index]
                likely = [percent(a.student) + percent(a.teacher) for a in options]
                wanted = [*numbers(shown, index), *likely]
                assert [number for number in wanted if number not in text] == []
        assert page.errors == []
    finally:
        page.close()


@browser_needed
def test_inside_a_notebooks_frame_the_page_paints_its_colours(tmp_path):
    shown = show_in_notebook(token_page(VIEWS[:2])).data
    (tmp_path / "notebook.html").write_text(f"<!doctype html>{shown}", encoding="utf-8")
    frame = Page((tmp_path / "notebook.html").as_uri(), tmp_path / "profile")

    def has_colour():
        pixels = frame.picture().get_flattened_data()
        return any(abs(red - blue) > 60 for red, _, blue in pixels)

    try:
        frame.wait_for(has_colour)
        assert not frame.errors
    finally:
        frame.close()
