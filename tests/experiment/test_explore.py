"""Notebook 14 in a real browser: a statement and feedback are typed, buttons are clicked."""

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time

import pytest

from fdcore import REPOSITORY
from tests.browser import Page, browser_needed

pytestmark = [
    browser_needed,
    pytest.mark.skipif(not importlib.util.find_spec("jupyterlab"), reason="no JupyterLab"),
]
SECONDS = 120
ORDER = "1. Prove this with `Nat.mul_comm` from the library."
FRAME = "document.querySelector('iframe[title=\"Token view\"]')"


@pytest.fixture
def lab(tmp_path):
    """A browser with the notebook open in JupyterLab, all its cells being run."""
    shutil.copy(REPOSITORY / "notebooks/14_explore.ipynb", tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {"ServerApp.token": "t", "ServerApp.port": port, "ServerApp.root_dir": tmp_path}
    options |= {"LabApp.expose_app_in_browser": True, "ServerApp.open_browser": False}
    command = [sys.executable, "-m", "jupyterlab", "--allow-root", "--ip=127.0.0.1"]
    command += [f"--{name}={value}" for name, value in options.items()]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "JUPYTER_PREFER_ENV_PATH": "1"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen(command, env=environment, **quiet)
    page = Page("about:blank", tmp_path / "browser")
    try:
        page.resize(1300, 1000)
        Page.wait_for(lambda: _answers(port), SECONDS)
        url = f"http://127.0.0.1:{port}/doc/tree/14_explore.ipynb?token=t"
        page.send("Page.navigate", url=url)
        page.wait_for(lambda: page.js("document.querySelectorAll('.jp-Cell').length > 9"), SECONDS)
        time.sleep(1)  # the kernel is being connected
        page.js("window.jupyterapp.commands.execute('notebook:run-all-cells') && 1")
        yield page
    finally:
        page.close()
        server.terminate()
        server.wait(timeout=30)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def type_into(page: Page, number: int, text: str) -> None:
    page.js(f"document.querySelectorAll('.widget-textarea textarea')[{number}].select()")
    page.send("Input.insertText", text=text)
    page.js("document.activeElement.blur()")
    time.sleep(0.5)  # the value travels to the kernel


def click(page: Page, name: str) -> None:
    buttons = "[...document.querySelectorAll('.jupyter-button')]"
    page.js(f"{buttons}.find((button) => button.textContent.includes('{name}')).click()")


def test_a_typed_statement_gets_an_attempt_and_typed_feedback_moves_its_tokens(lab):
    lab.wait_for(lambda: lab.js(f"!!{FRAME}"), SECONDS)
    type_into(lab, 0, "theorem mine (a b : Nat) : a * b = b * a := by")
    click(lab, "Try it")
    said = "[...document.querySelectorAll('.jp-OutputArea-output pre')].map((p) => p.textContent)"

    def answered():
        text = lab.js(f"{said}.join('')")
        return "theorem mine" in text and "Lean's verdict" in text.split("theorem mine")[1]

    lab.wait_for(answered, SECONDS)
    pages = []
    for text in ("1. Be concise.", ORDER):
        type_into(lab, 1, text)
        click(lab, "Read it")
        wanted = text[3:20]
        lab.wait_for(lambda wanted=wanted: wanted in (lab.js(f"{FRAME}.srcdoc") or ""), SECONDS)
        pages.append(lab.js(f"{FRAME}.srcdoc"))
    teachers = [page.partition('"teacher":[')[2].partition("]")[0] for page in pages]
    assert teachers[0] != teachers[1]
