"""The token view's page in a real browser: its text is the attempt's, its numbers the record's, hostile text stays text, and no mouse is needed.

Chromium is driven over its DevTools protocol; where none is on PATH the browser's part is skipped (`.ci/run` installs one where it can).
"""

import base64
import html
import io
import itertools
import json
import math
import re
import shutil
import subprocess
import time
import urllib.request
from collections import Counter

import pytest
import websocket
from PIL import Image

from fdcore.experiment.publish import FIGURES
from fdcore.figures.token_figure import STUDENT, TEACHER
from fdcore.figures.token_page import show_in_notebook, token_page
from fdcore.figures.token_view import Alternative, TokenView
from fdcore.records import read_records

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))),
    None,
)
browser_needed = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on PATH (Debian, Ubuntu: apt-get install chromium)"
)

HOSTILE = (
    "<tool_call>",
    "\n",
    '{"content": "',
    "by\\",
    "n  exact",
    " h₁",
    ' </script><script>document.title="owned"</script>',
    "<img src=x onerror=alert(1)>",
    "</pre>",
    "&lt;b&gt;",
    " ‮evil‬ ",
    "\t",
    "\r\n",
    "\0",
    "\u00a0\u2028",
    "",
    "",
    "💥",
    "∀ε",
    "  trailing  ",
    "\n\n",
    "</tool_call>",
    "<|im_end|>",
    "\n<tool_response>\n",
    "error: <b>no</b>",
    "\n",
    " {{ 7 * 7 }}",
    "'\"`${1}",
    "end",
)
TOOL = range(22, 26)


def view(
    arm="base",
    step="0",
    shift=0.0,
    tokens=HOSTILE,
    attempt="first",
    feedback="1. Use <i>this</i> & `that`.\n2. </script> \ud800 stop.",
):
    mask = tuple(int(index not in TOOL) for index in range(len(tokens)))
    column = lambda function: tuple(round(function(index), 4) * m for index, m in enumerate(mask))
    options = lambda index: tuple(
        Alternative(
            text=f"<u>{index}.{k}\n",
            student=round(0.5 / (k + 1), 6),
            teacher=round(0.3 / (k + 1), 6),
        )
        for k in range(3)
    )
    return TokenView(
        labels={"attempt": attempt, "arm": arm, "step": step},
        problem_id="p-1",
        statement="theorem thm : <script> ∧ True := by",
        feedback=feedback,
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
        focus=17,
    )


VIEWS = [
    view(),
    view("FD", "2", 0.5),
    view("FD", "6", 1.5),
    view("GRPO", "6", -1.5),
    view("FD", "6", tokens=("other", " attempt", "\n"), attempt="second").model_copy(
        update={"focus": 1}
    ),
]


# ---- without a browser -----------------------------------------------------------------------------------------------


def test_the_page_refers_to_nothing_outside_and_escapes_what_models_wrote():
    page = token_page(VIEWS)
    assert (
        not re.search(r"https?:|//\w|@import|url\(", page.replace("// ", ""))
        and "default-src 'none'" in page
    )
    assert page.count("<script") == 2 and "<img" not in page and "<i>" not in page
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


# ---- in Chromium -----------------------------------------------------------------------------------------------------


class Page:
    """One page in a headless Chromium, its console and its requests recorded."""

    def __init__(self, url: str, folder):
        self.process = subprocess.Popen(
            [
                CHROMIUM,
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
                "--disable-dev-shm-usage",
                "--disable-background-networking",
                "--window-size=1280,900",
                "--remote-debugging-port=0",
                "--remote-allow-origins=*",
                f"--user-data-dir={folder}",
                "about:blank",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        port_file = folder / "DevToolsActivePort"
        self.until(lambda: port_file.exists() and port_file.read_text().count("\n"))
        port = port_file.read_text().split("\n")[0]
        targets = lambda: [
            t
            for t in json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/json"))
            if t["type"] == "page"
        ]
        self.socket = websocket.create_connection(
            self.until(targets)[0]["webSocketDebuggerUrl"], timeout=60
        )
        self.numbers, self.errors, self.requests = itertools.count(1), [], []
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            self.send(f"{domain}.enable")
        self.send("Emulation.setFocusEmulationEnabled", enabled=True)
        self.send(
            "Browser.grantPermissions",
            permissions=["clipboardReadWrite", "clipboardSanitizedWrite"],
        )
        self.send("Page.navigate", url=url)
        self.until(
            lambda: self.js("document.readyState") == "complete" and self.js("location.href") == url
        )

    @staticmethod
    def until(ready, seconds=60):
        end = time.monotonic() + seconds
        while not (found := ready()):
            assert time.monotonic() < end, "Chromium did not get ready"
            time.sleep(0.05)
        return found

    def send(self, method: str, **params) -> dict:
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]
            self._record(
                message["method"] if "method" in message else "", message.get("params", {})
            )

    def _record(self, method: str, params: dict) -> None:
        if method == "Runtime.exceptionThrown" or (
            method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning")
        ):
            self.errors.append(params)
        if method == "Runtime.consoleAPICalled":
            self.errors.append(params)
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])

    def js(self, expression: str):
        answer = self.send(
            "Runtime.evaluate",
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
            userGesture=True,
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def text(self, selector: str) -> str:
        return self.js(f"document.querySelector({json.dumps(selector)}).textContent")

    def middle(self, token: int) -> tuple[float, float]:
        """The middle of a token's first line box, scrolled into sight."""
        return tuple(
            self.js(
                f"(() => {{ const s = spans[{token}]; s.scrollIntoView({{block: 'center'}}); const b = s.getClientRects()[0]; return [b.left + b.width / 2, b.top + b.height / 2]; }})()"
            )
        )

    def hover(self, token: int) -> None:
        x, y = self.middle(token)
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def click(self, x: float, y: float) -> None:
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def key(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            self.send(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                **({"text": "\r"} if key == "Enter" and kind == "keyDown" else {}),
                windowsVirtualKeyCode={
                    "Tab": 9,
                    "Enter": 13,
                    "End": 35,
                    "Home": 36,
                    "ArrowLeft": 37,
                    "ArrowUp": 38,
                    "ArrowRight": 39,
                    "ArrowDown": 40,
                }[key],
            )

    def choose(self, key: str, value: str) -> None:
        self.js(
            f"(() => {{ const s = document.querySelector('select[name={key}]'); s.value = {json.dumps(value)}; s.dispatchEvent(new Event('change')); }})()"
        )

    def picture(self) -> Image.Image:
        return Image.open(
            io.BytesIO(base64.b64decode(self.send("Page.captureScreenshot")["data"]))
        ).convert("RGB")

    def close(self) -> None:
        self.socket.close()
        self.process.terminate()
        self.process.wait(timeout=30)


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
    for key, value in (("attempt", "first"), ("arm", "base")):
        browser.choose(key, value)
    browser.js("getSelection().removeAllRanges(); select(17); document.activeElement.blur()")
    return browser


def percent(p: float) -> str:
    return f"{100 * p:.1f} %"


def nats(x: float) -> str:
    return f"{x:z.2f}".replace("-", "−")  # z: no minus before a zero


def numbers(v: TokenView, index: int) -> list[str]:
    """What the panel must say about a token."""
    return [
        f"log p(teacher) − log p(student) = {'+' if v.teacher[index] > v.student[index] else ''}{nats(v.teacher[index] - v.student[index])} nats",
        f"KL(teacher ‖ student) = {nats(v.kl[index])} nats",
        percent(math.exp(v.student[index])) + percent(math.exp(v.teacher[index])),
        nats(v.student[index]) + nats(v.teacher[index]),
        nats(v.student_entropy[index]) + nats(v.teacher_entropy[index]),
    ]


@browser_needed
def test_the_text_is_the_attempts_character_by_character(page):
    assert page.text("#attempt") == "".join(HOSTILE)
    for place, part in (("#statement", VIEWS[0].statement), ("#source", VIEWS[0].source)):
        assert page.text(place) == part


@browser_needed
@pytest.mark.parametrize("way", ["keys", "button"])
@pytest.mark.parametrize("attempt", ["first", "second"])
def test_copying_puts_the_attempt_on_the_clipboard_character_by_character(page, attempt, way):
    page.choose("attempt", attempt)
    page.js("navigator.clipboard.writeText('nothing')")
    if way == "keys":
        page.js("getSelection().selectAllChildren(attempt)")
        page.send(
            "Input.dispatchKeyEvent",
            type="keyDown",
            key="c",
            code="KeyC",
            windowsVirtualKeyCode=67,
            modifiers=2,
            commands=["copy"],
        )
        page.send(
            "Input.dispatchKeyEvent",
            type="keyUp",
            key="c",
            code="KeyC",
            windowsVirtualKeyCode=67,
            modifiers=2,
        )
    else:
        page.click(
            *page.js(
                "(() => { const b = document.getElementById('copy').getBoundingClientRect(); return [b.left + 5, b.top + 5]; })()"
            )
        )
    expected = "".join(HOSTILE) if attempt == "first" else "other attempt\n"
    page.until(lambda: page.js("navigator.clipboard.readText()") != "nothing")
    assert page.js("navigator.clipboard.readText()") == expected


@browser_needed
def test_hostile_text_stays_text_and_nothing_is_requested_or_reported(page):
    assert page.js("document.title") == "Token view: p-1"
    assert page.js("document.querySelectorAll('img, i, b, u, script:not(#data)').length") == 1, (
        "the page's own script"
    )
    assert page.requests and all(
        url.startswith("file:") and url.endswith("page.html") for url in page.requests
    )
    assert page.errors == []


@browser_needed
@pytest.mark.parametrize("index", [0, 7, 15, 18, 28])
def test_hovering_a_token_shows_the_records_numbers_and_both_models_likeliest_tokens(page, index):
    page.hover(index)
    shown = page.text("#numbers")
    for number in numbers(VIEWS[0], index):
        assert number in shown
    assert page.text("#options tbody") == "".join(
        f"<u>{index}.{k}↵{percent(a.student)}{percent(a.teacher)}"
        for k, a in enumerate(VIEWS[0].alternatives[index])
    )


@browser_needed
def test_hovering_tool_output_says_that_it_is_a_tools(page):
    page.hover(24)
    assert "is a tool's text" in page.text("#numbers")


@browser_needed
def test_a_click_chooses_a_token_and_its_numbers_stay_when_the_mouse_has_gone(page):
    page.click(*page.middle(5))
    page.send("Input.dispatchMouseEvent", type="mouseMoved", x=1, y=1)
    assert page.js("current") == 5 and numbers(VIEWS[0], 5)[0] in page.text("#ratio")


@browser_needed
def test_arrow_keys_walk_over_the_students_tokens_and_a_screen_reader_is_told(page):
    page.js("document.getElementById('copy-file').focus()")
    page.key("Tab")
    assert page.js("spans.indexOf(document.activeElement)") == 17, (
        "one tab stop, at the chosen token"
    )
    walked = []
    for key in ("ArrowRight", "End", "Home", "ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp"):
        page.key(key)
        walked.append(page.js("spans.indexOf(document.activeElement)"))
    assert walked[:5] == [18, 28, 0, 1, 0] and walked[5] > 1 and walked[6] in (0, 1)
    page.key("End")
    v, last = VIEWS[0], 28
    assert (
        page.text("#live")
        == f"end: student {percent(math.exp(v.student[last]))}, teacher {percent(math.exp(v.teacher[last]))}, log-ratio {nats(v.teacher[last] - v.student[last])} nats".replace(
            "log-ratio ", "log-ratio +" if v.teacher[last] > v.student[last] else "log-ratio "
        )
    )


@browser_needed
@pytest.mark.parametrize("index, boxes", [(1, 1), (3, 1), (4, 2), (20, 2), (12, 1)])
def test_the_outline_of_a_chosen_token_ends_where_its_line_does(page, index, boxes):
    page.js(f"select({index})")
    assert page.js(f"spans[{index}].querySelectorAll('.ink').length") == 1
    assert (
        page.js(
            f"[...spans[{index}].firstChild.getClientRects()].filter((box) => box.width > 0).length"
        )
        == page.js(f"spans[{index}].firstChild.getClientRects().length")
        == boxes
    )
    assert page.js(f"getComputedStyle(spans[{index}].firstChild).outlineWidth") == "3px"


@browser_needed
def test_the_buttons_jump_between_wide_differences(page):
    wide = [
        i
        for i, m in enumerate(HOSTILE)
        if i not in TOOL and abs(VIEWS[0].teacher[i] - VIEWS[0].student[i]) >= 1
    ]
    for button, expected in (
        ("next", min(i for i in wide if i > 17)),
        ("previous", max(i for i in wide if i < min(j for j in wide if j > 17))),
    ):
        page.js(f"document.getElementById('{button}').click()")
        assert page.js("current") == expected


@browser_needed
def test_every_control_has_a_name_and_news_is_announced(page):
    nodes = page.send("Accessibility.getFullAXTree")["nodes"]
    named = {
        (n["role"]["value"], n["name"]["value"].strip())
        for n in nodes
        if n.get("role") and n.get("name")
    }
    assert {("combobox", name) for name in ("attempt", "arm", "step")} <= named
    assert {("button", "Copy attempt"), ("button", "Copy Lean file"), ("heading", "Token")} <= named
    assert any(n["role"]["value"] == "status" for n in nodes if n.get("role"))


@browser_needed
def test_the_table_holds_every_token_of_the_students(page):
    page.js(
        "document.getElementById('table').open = true; new Promise((done) => setTimeout(done, 100))"
    )
    assert page.js("document.querySelectorAll('#table tbody tr').length") == sum(
        VIEWS[0].action_mask
    )
    assert page.js("document.querySelectorAll('#table thead th[scope=col]').length") == 7
    page.js("document.getElementById('table').open = false")


@browser_needed
def test_lists_switch_arm_step_and_attempt_and_keep_the_chosen_token(page):
    page.js("select(8)")
    page.choose("arm", "FD")
    assert page.js(
        "[...document.querySelector('select[name=step]').options].map((o) => o.value)"
    ) == ["2", "6"]
    assert page.js("current") == 8 and numbers(VIEWS[1], 8)[0] in page.text("#ratio")
    page.choose("step", "6")
    assert numbers(VIEWS[2], 8)[0] in page.text("#ratio")
    page.choose("arm", "GRPO")
    assert numbers(VIEWS[3], 8)[0] in page.text("#ratio")
    page.choose("attempt", "second")
    assert page.text("#attempt") == "other attempt\n" and page.js("current") == 1


@browser_needed
def test_a_picture_shows_each_token_on_the_colour_of_its_log_ratio_and_tool_output_grey_on_white(
    page,
):
    page.js("document.activeElement.blur()")
    for index in (3, 4, 18, 19, 24):
        left, top, right, bottom = page.js(
            f"(() => {{ spans[{index}].scrollIntoView({{block: 'center'}}); const b = spans[{index}].getClientRects()[0]; return [b.left, b.top, b.right, b.bottom]; }})()"
        )
        inside = page.picture().crop(
            (math.ceil(left), math.ceil(top) + 1, math.floor(right), math.floor(bottom) - 1)
        )
        found, v = Counter(inside.get_flattened_data()), VIEWS[0]
        ratio = (v.teacher[index] - v.student[index]) * v.action_mask[index]
        end = [int((STUDENT, TEACHER)[ratio > 0][at : at + 2], 16) for at in (1, 3, 5)]
        colour = tuple(math.floor(255 + (c - 255) * min(1, abs(ratio) / 3) + 0.5) for c in end)
        assert found.most_common(1)[0][0] == colour, (index, ratio)
        darkest = min(found)
        assert darkest[0] == darkest[1] == darkest[2] and (0x50 < darkest[0] < 0x90) == (
            index in TOOL
        )


@browser_needed
def test_of_a_real_run_every_view_shows_its_records_text_and_numbers(tmp_path):
    views = [
        shown
        for path in sorted(FIGURES.glob("records/seed-*/token_views.jsonl"))[:1]
        for shown in read_records(path, TokenView)
    ]
    if not views:
        pytest.skip("no run has been published with its records yet")
    (tmp_path / "page.html").write_text(token_page(views), encoding="utf-8")
    page = Page((tmp_path / "page.html").as_uri(), tmp_path / "profile")
    try:
        for shown in views:
            for key, value in shown.labels.items():
                page.js(
                    f"(() => {{ const s = document.querySelector('select[name={key}]'); if (s) {{ s.value = {json.dumps(value)}; s.dispatchEvent(new Event('change')); }} }})()"
                )
            assert (
                page.text("#attempt") == "".join(shown.tokens)
                and page.text("#feedback") == shown.feedback
            )
            said = page.js(
                "own.map((index) => { detail(index); return document.getElementById('numbers').textContent; })"
            )
            places = [index for index, sampled in enumerate(shown.action_mask) if sampled]
            assert len(said) == len(places)
            for index, words in zip(places, said):
                likeliest = [
                    percent(a.student) + percent(a.teacher) for a in shown.alternatives[index]
                ]
                assert [
                    number for number in [*numbers(shown, index), *likeliest] if number not in words
                ] == [], (shown.labels, index, words)
        assert page.errors == [] and page.requests == [(tmp_path / "page.html").as_uri()]
    finally:
        page.close()


@browser_needed
def test_inside_a_notebooks_frame_the_page_paints_its_colours(browser, tmp_path):
    shown = show_in_notebook(token_page(VIEWS[:2])).data
    (tmp_path / "notebook.html").write_text(f"<!doctype html>{shown}", encoding="utf-8")
    frame = Page((tmp_path / "notebook.html").as_uri(), tmp_path / "profile")
    try:
        frame.until(
            lambda: any(
                abs(red - blue) > 60 for red, _, blue in frame.picture().get_flattened_data()
            )
        )
        assert not frame.errors
    finally:
        frame.close()
