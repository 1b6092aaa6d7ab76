"""A real browser for tests: Chromium over its debugging pipe, without any package."""

import base64
import io
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync", "--hide-scrollbars", "--remote-debugging-pipe"]
CONTRAST = """(selector) => {
  const linear = (c) => ((c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const colour = parts(getComputedStyle(node).backgroundColor);
      if (colour[3] !== 0) return colour;
    }
    return [255, 255, 255];
  };
  const ratios = [...document.querySelectorAll(selector)].filter((node) => node.innerText?.trim() && !node.disabled).map((node) => {
    const [a, b] = [light(parts(getComputedStyle(node).color)), light(ground(node))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  });
  return Math.min(...ratios);
}"""  # the least contrast of text with its ground among the elements of a selector, 1 to 21, by WCAG 2


class Leaving(Exception):
    """The page gave way to another while it was asked."""


class Chromium:
    """A running Chromium, with its profile in ``folder``: as many pages as are opened in it, each with a profile of its own."""

    def __init__(self, folder: Path):
        program = shutil.which("chromium") or shutil.which("google-chrome")
        if not program:
            pytest.skip("no Chromium on this machine")
        (theirs_in, self._to), (self._from, theirs_out) = os.pipe(), os.pipe()
        command = f"exec '{program}' {' '.join(FLAGS)} --user-data-dir='{folder}' 3<&{theirs_in} 4>&{theirs_out}"
        self._process = subprocess.Popen(["bash", "-c", command], pass_fds=(theirs_in, theirs_out), stderr=subprocess.DEVNULL)
        os.close(theirs_in), os.close(theirs_out)
        self._number, self._rest = 0, b""
        self.takers: dict[str, Callable[[dict], None]] = {}  # of what is reported of a page, by its session

    def __enter__(self) -> "Chromium":
        return self

    def __exit__(self, *_) -> None:
        os.close(self._to)
        self._process.kill()
        self._process.wait()
        os.close(self._from)

    def call(self, method: str, session: str | None = None, **parameters) -> dict:
        """The browser's answer to a command of its protocol; what it reports meanwhile goes to the pages."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        message |= {"sessionId": session} if session else {}
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != self._number:
            self.takers.get(answer.get("sessionId", ""), lambda event: None)(answer)
        if "navigated" in answer.get("error", {}).get("message", ""):
            raise Leaving(method)
        assert "error" not in answer, answer
        return answer["result"]

    def _read(self) -> dict:
        while b"\0" not in self._rest:
            part = os.read(self._from, 1 << 20)
            assert part, "Chromium ended"
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)


class Browser:
    """One page: what it loads (``requests``), what it complains of (``complaints``), and what one does in it.

    ``place``: the Chromium in which it is opened, with a profile that is new; or a folder for one of its own.
    """

    def __init__(self, place: Path | Chromium, width: int = 1280, height: int = 900, *, dark: bool = False):
        self._own = None if isinstance(place, Chromium) else Chromium(place)
        self._chromium = self._own or place
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._context = self._chromium.call("Target.createBrowserContext")["browserContextId"]
        target = self._chromium.call("Target.createTarget", url="about:blank", browserContextId=self._context)["targetId"]
        self._session = self._chromium.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._chromium.takers[self._session] = self._keep
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_) -> None:
        if self._own:
            self._own.__exit__()
            return
        del self._chromium.takers[self._session]
        self._chromium.call("Target.disposeBrowserContext", browserContextId=self._context)

    def call(self, method: str, **parameters) -> dict:
        """The answer to a command about this page."""
        return self._chromium.call(method, self._session, **parameters)

    def _keep(self, event: dict) -> None:
        method, values = event.get("method"), event.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(values["request"]["url"])
        elif method == "Log.entryAdded":
            self.complaints.append(values["entry"]["text"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(values["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled":
            self.complaints.append(json.dumps(values["args"]))

    def open(self, address: str) -> None:
        """Go to the address; returns when the document is there, with its scripts run."""
        answer = self.call("Page.navigate", url=address)
        assert "errorText" not in answer, answer
        self.wait("document.readyState === 'complete'")

    def ask(self, expression: str):
        """The value of an expression of JavaScript in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, expression: str, seconds: float = 20):
        """The value of the expression as soon as it is true, on this page or on one that a click on it leads to."""
        end = time.monotonic() + seconds
        while True:
            with suppress(Leaving):
                if value := self.ask(expression):
                    return value
            assert time.monotonic() < end, f"not within {seconds} s: {expression}"
            time.sleep(0.02)

    def press(self, key: str) -> None:
        """Press a key that stands for itself, such as ArrowRight."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key)

    def picture(self, *, whole: bool = False) -> np.ndarray:
        """uint8 [height, width]: what is seen, or the whole page, in grey."""
        png = base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=whole)["data"])
        return np.asarray(Image.open(io.BytesIO(png)).convert("L"))
