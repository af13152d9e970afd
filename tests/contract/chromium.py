"""A headless Chromium that opens one page, spoken to by its own DevTools protocol."""

import base64
import itertools
import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import requests
import websocket

__all__ = ["Chromium", "program"]

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
LIMIT = 60.0


def program() -> str:
    """Where Chromium is; "" where it is not."""
    return next((path for name in NAMES if (path := shutil.which(name))), "")


class Chromium:
    """One browser with one page; whatever the page complains about is kept in ``complaints``."""

    def __init__(self) -> None:
        self._profile = Path(tempfile.mkdtemp(prefix="svcproof-chromium-"))
        self.complaints: list[str] = []
        self._numbers = itertools.count(1)
        self._process = subprocess.Popen(
            [
                program(),
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--remote-debugging-port=0",
                "--remote-allow-origins=*",
                f"--user-data-dir={self._profile}",
                "about:blank",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            self._socket = websocket.create_connection(self._address(), timeout=LIMIT)
        except BaseException:
            self._end()
            raise

    def __enter__(self) -> "Chromium":
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._end()

    def open(self, page: Path, *, width: int, dark: bool) -> None:
        """Open a file, as on a screen of this width and in this colour scheme."""
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url=page.resolve().as_uri())
        while True:
            if self._receive().get("method") == "Page.loadEventFired":
                return

    def ask(self, expression: str) -> Any:
        """What a JavaScript expression says on the page."""
        said = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in said, said
        return said["result"].get("value")

    def press_tab(self) -> None:
        """The key that leads from one control to the next."""
        for kind in ("rawKeyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key="Tab", windowsVirtualKeyCode=9)

    def picture(self) -> bytes:
        """The whole page as a PNG."""
        data = self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        return base64.b64decode(data)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One call of the protocol; what comes meanwhile is looked at."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            said = self._receive()
            if said.get("id") == number:
                assert "error" not in said, f"{method}: {said['error']}"
                return said["result"]

    def _receive(self) -> dict[str, Any]:
        said = json.loads(self._socket.recv())
        method, values = said.get("method"), said.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.complaints.append(str(values["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and values["type"] in ("error", "warning"):
            self.complaints.append(str(values["args"]))
        elif method == "Log.entryAdded" and values["entry"]["level"] in ("error", "warning"):
            self.complaints.append(values["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            url = values["request"]["url"]
            if not url.startswith(("file:", "data:", "about:")):
                self.complaints.append(f"the page asked the network for {url}")
        return said

    def _address(self) -> str:
        """Of the page's own socket, once the browser says on which port it listens."""
        said, end = self._profile / "DevToolsActivePort", time.monotonic() + LIMIT
        while not (said.exists() and said.read_text().strip()):
            assert self._process.poll() is None, "Chromium ended at once"
            assert time.monotonic() < end, "Chromium does not listen"
            time.sleep(0.05)
        port = said.read_text().split()[0]
        pages = requests.get(f"http://127.0.0.1:{port}/json/list", timeout=LIMIT).json()
        return next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")

    def _end(self) -> None:
        self._process.terminate()
        self._process.wait(LIMIT)
        shutil.rmtree(self._profile, ignore_errors=True)
