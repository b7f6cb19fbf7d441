"""A real headless Chromium, driven over its remote debugging port: open, read, press, photograph. No tests here."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--hide-scrollbars", "--remote-debugging-port=0",
)  # fmt: skip


def find_chromium() -> str | None:
    """Return the path of the system's Chromium, None without one."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Page:
    """One tab, spoken to in the Chrome DevTools protocol.

    Parameters
    ----------
    socket : ClientConnection
        The open connection to the tab's debugging address.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._count = 0
        self.call("Page.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result; events that come between are dropped."""
        self._count += 1
        self._socket.send(json.dumps({"id": self._count, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(timeout=60))
            if answer.get("id") == self._count:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]

    def resize(self, width: int, height: int) -> None:
        """Give the window a size in pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)

    def open(self, address: str) -> None:
        """Go to an address; a page that differs only behind the # is loaded anew too."""
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=address)

    def evaluate(self, script: str) -> Any:
        """Return the value of a JavaScript expression, awaited."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def text(self) -> str:
        """Return what a person can read on the page."""
        return self.evaluate("document.body ? document.body.innerText : ''") or ""

    def wait(self, *wanted: str, seconds: float = 40) -> str:
        """Return the page's text once it holds all the texts; whatever else the page shows first is waited out."""
        end = time.monotonic() + seconds
        while True:
            text = self.text()
            missing = [w for w in wanted if w not in text]
            if not missing:
                return text
            assert time.monotonic() < end, f"the page never showed {missing}; it shows: {text[:3000]}"
            time.sleep(0.25)

    def press(self, label: str) -> bool:
        """Press the button or link of this label; returns whether there was one."""
        return self.evaluate(
            "(() => { const b = [...document.querySelectorAll('button, a, [role=button]')]"
            f".find(e => e.innerText.trim() === {json.dumps(label)}); if (b) b.click(); return !!b; }})()"
        )

    def scroll_to(self, heading: str) -> None:
        """Bring a text to the top of the window."""
        script = (
            "(wanted => { const said = e => (e.innerText || '').trim();"
            " const found = [...document.querySelectorAll('h1, h2, h3')].find(e => said(e).includes(wanted))"
            " || [...document.querySelectorAll('div, span')].filter(e => said(e) === wanted).pop();"
            " if (found) found.scrollIntoView(); return !!found; })"
        )
        found = self.evaluate(f"{script}({json.dumps(heading)})")
        assert found, f"nothing on the page says {heading}"

    def photograph(self, path: Path) -> None:
        """Write what is seen as a PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))


@contextmanager
def chromium(width: int = 1400, height: int = 900) -> Iterator[Page]:
    """Start Chromium with a fresh profile, give its one tab, and end it."""
    command = find_chromium()
    assert command, "no Chromium"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        log = Path(profile, "stderr")
        with log.open("w") as stderr:
            process = subprocess.Popen(
                [command, *FLAGS, f"--window-size={width},{height}", f"--user-data-dir={profile}/data", "about:blank"],
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )
        try:
            with connect(_tab(process, log), max_size=None, open_timeout=30) as socket:
                page = Page(socket)
                page.resize(width, height)
                yield page
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _tab(process: subprocess.Popen[bytes], log: Path) -> str:
    """Return the address of the first tab, once the browser said its port."""
    end = time.monotonic() + 60
    while not (said := re.search(r"DevTools listening on ws://([^/]+)/", log.read_text(errors="replace"))):
        going = process.poll() is None and time.monotonic() < end
        assert going, log.read_text(errors="replace")[-2000:]
        time.sleep(0.1)
    with urllib.request.urlopen(f"http://{said[1]}/json/list", timeout=30) as answer:
        tabs = json.load(answer)
    return next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
