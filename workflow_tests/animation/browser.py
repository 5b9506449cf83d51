"""Headless Chromium, steered by its driver over the WebDriver protocol."""

import base64
import contextlib
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests


class Browser:
    """A page in a browser."""

    def __init__(self, session: str):
        self.session = session

    def _post(self, path: str, body: dict) -> Any:
        answer = requests.post(f"{self.session}/{path}", json=body, timeout=120).json()["value"]
        assert not (isinstance(answer, dict) and "error" in answer), answer
        return answer

    def open(self, page: Path, query: str = "") -> None:
        self.visit(page.resolve().as_uri() + query)

    def visit(self, address: str) -> None:
        self._post("url", {"url": address})

    def run(self, script: str, *arguments: Any) -> Any:
        """The value that a script returns, or that its promise keeps."""
        return self._post("execute/sync", {"script": script, "args": list(arguments)})

    def command(self, name: str, **parameters: Any) -> Any:
        """What a command of Chrome's DevTools Protocol answers."""
        return self._post("goog/cdp/execute", {"cmd": name, "params": parameters})

    def requests(self) -> list[str]:
        """Addresses outside the browser that pages asked for since the last call."""
        entries = self._post("se/log", {"type": "performance"})
        messages = [json.loads(entry["message"])["message"] for entry in entries]
        sent = [message for message in messages if message["method"] == "Network.requestWillBeSent"]
        addresses = [message["params"]["request"]["url"] for message in sent]
        return [address for address in addresses if not address.startswith(("chrome:", "data:", "blob:"))]

    def screenshot(self) -> bytes:
        return base64.b64decode(requests.get(f"{self.session}/screenshot", timeout=120).json()["value"])


@contextlib.contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """A browser with a new profile in a folder; skips the test where there is none."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not program or not driver:
        pytest.skip("Chromium and its driver are missing: apt install chromium chromium-driver")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([driver, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            with contextlib.suppress(requests.ConnectionError):
                requests.get(f"{address}/status", timeout=10)
                break
            time.sleep(0.1)
        switches = ["--headless=new", "--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader", "--mute-audio",
                    "--window-size=1200,800", "--disable-dev-shm-usage", f"--user-data-dir={profile}",
                    "--autoplay-policy=no-user-gesture-required"]  # fmt: skip
        wanted = {"browserName": "chrome", "goog:chromeOptions": {"binary": program, "args": switches},
                  "goog:loggingPrefs": {"performance": "ALL"}}  # fmt: skip
        body = {"capabilities": {"alwaysMatch": wanted}}
        answer = requests.post(f"{address}/session", json=body, timeout=120).json()["value"]
        assert "sessionId" in answer, answer
        session = f"{address}/session/{answer['sessionId']}"
        yield Browser(session)
        requests.delete(session, timeout=60)
    finally:
        process.terminate()
        process.wait()
