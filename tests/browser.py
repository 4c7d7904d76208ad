"""A headless Chromium, driven over its DevTools protocol."""

import base64
import io
import itertools
import json
import shutil
import subprocess
import time
import urllib.request

import pytest
import websocket
from PIL import Image

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
browser_needed = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH")


class Page:
    """One page in a headless Chromium, its console and its requests recorded."""

    def __init__(self, url: str, folder):
        options = "--headless=new --no-sandbox --disable-gpu --no-first-run --disable-dev-shm-usage"
        options += " --disable-background-networking --window-size=1280,900"
        options += " --remote-debugging-port=0 --remote-allow-origins=*"
        command = [CHROMIUM, *options.split(), f"--user-data-dir={folder}", "about:blank"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, **quiet)
        port_file = folder / "DevToolsActivePort"
        self.wait_for(lambda: port_file.exists() and port_file.read_text().count("\n"))
        self.port = port_file.read_text().split("\n")[0]
        target = self.wait_for(self.targets)[0]
        self.socket = websocket.create_connection(target["webSocketDebuggerUrl"], timeout=60)
        self.numbers, self.errors, self.requests = itertools.count(1), [], []
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            self.send(f"{domain}.enable")
        self.send("Emulation.setFocusEmulationEnabled", enabled=True)
        rights = ["clipboardReadWrite", "clipboardSanitizedWrite"]
        self.send("Browser.grantPermissions", permissions=rights)
        self.send("Page.navigate", url=url)
        self.wait_for(lambda: self.js("document.readyState + location.href") == "complete" + url)

    def targets(self) -> list[dict]:
        answer = urllib.request.urlopen(f"http://127.0.0.1:{self.port}/json")
        return [target for target in json.load(answer) if target["type"] == "page"]

    @staticmethod
    def wait_for(ready, seconds=60):
        end = time.monotonic() + seconds
        while not (result := ready()):
            assert time.monotonic() < end, "Chromium did not get ready"
            time.sleep(0.05)
        return result

    def send(self, method: str, **params) -> dict:
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]
            self.record(message.get("method", ""), message.get("params", {}))

    def record(self, method: str, params: dict) -> None:
        if method in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled"):
            self.errors.append(params)
        if method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.errors.append(params)
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])

    def js(self, expression: str):
        settings = {"returnByValue": True, "awaitPromise": True, "userGesture": True}
        answer = self.send("Runtime.evaluate", expression=expression, **settings)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def text(self, selector: str) -> str:
        return self.js(f"document.querySelector({json.dumps(selector)}).textContent")

    def box(self, token: int) -> tuple[float, float, float, float]:
        """(left, top, right, bottom) of a token's first line box, scrolled into sight."""
        self.js(f"spans[{token}].scrollIntoView({{block: 'center'}})")
        box = f"spans[{token}].getClientRects()[0]"
        return tuple(self.js(f"(b => [b.left, b.top, b.right, b.bottom])({box})"))

    def mouse(self, kind: str, token: int) -> None:
        left, top, right, bottom = self.box(token)
        place = {"x": (left + right) / 2, "y": (top + bottom) / 2}
        button = {} if kind == "mouseMoved" else {"button": "left", "clickCount": 1}
        self.send("Input.dispatchMouseEvent", type=kind, **place, **button)

    def key(self, key: str) -> None:
        codes = ["Tab", "End", "Home", "ArrowLeft", "ArrowUp", "ArrowRight", "ArrowDown"]
        code = dict(zip(codes, (9, 35, 36, 37, 38, 39, 40), strict=True))[key]
        for kind in ("keyDown", "keyUp"):
            names = {"key": key, "code": key, "windowsVirtualKeyCode": code}
            self.send("Input.dispatchKeyEvent", type=kind, **names)

    def resize(self, width: int, height: int) -> None:
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 700,
        )

    def choose(self, key: str, value: str) -> None:
        """Choose in a list, where the page has it."""
        self.js(
            f"(s => {{ if (s) {{ s.value = {json.dumps(value)}; "
            "s.dispatchEvent(new Event('change')); } })"
            f"(document.querySelector('select[name={key}]'))"
        )

    def picture(self) -> Image.Image:
        data = base64.b64decode(self.send("Page.captureScreenshot")["data"])
        return Image.open(io.BytesIO(data)).convert("RGB")

    def close(self) -> None:
        self.socket.close()
        self.process.terminate()
        self.process.wait(timeout=30)
