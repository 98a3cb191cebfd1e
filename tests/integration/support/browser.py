"""A served dashboard, and a browser's tab on it."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import children
from axe_playwright_python.sync_playwright import Axe
from drills import eventually
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Page,
    Request,
    Response,
)


def is_answering(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except OSError:
        return False


BIN = Path(sys.executable).parent
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PAGES = ("Now", "Performance", "Journal", "Models", "Signals", "Operations")
TROUBLES = ("Not there yet", "No answer", "cannot be read")


@contextmanager
def served(programs: Path, *, env: dict[str, str], cwd: Path | None = None) -> Iterator[str]:
    """Where the command among these programs serves the dashboard; it ends by SIGTERM."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = children.Popen(
        [str(programs / "signal-marts"), "dashboard", "--port", str(port)],
        env=env,
        cwd=cwd,
        seconds=3600,  # all tests of a file look at it
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        eventually(lambda: is_answering(f"{url}/_stcore/health"))
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        told, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert told == b"", "stdout is for data"


class Tab:
    """A tab of the browser that remembers what went wrong in it."""

    def __init__(self, browser: Browser, *, width: int = 1280, scheme: str = "light") -> None:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if scheme == "dark" else "light",
        )
        self.page: Page = context.new_page()
        self.wrong: list[str] = []
        self.page.on("request", self._on_request)
        self.page.on("requestfailed", self._on_failure)
        self.page.on("response", self._on_response)
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.page.on("console", self._on_console)

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith(("http://127.0.0.1", "ws://127.0.0.1", "file:", "data:")):
            self.wrong.append(f"a stranger is asked: {request.url}")

    def _on_failure(self, request: Request) -> None:
        # A page fetches its downloads as it is drawn; who leaves it before they came ends that.
        if request.failure != "net::ERR_ABORTED":
            self.wrong.append(f"failed: {request.failure}: {request.url}")

    def _on_response(self, response: Response) -> None:
        # Streamlit looks for its own files beside a page's address first, then above it.
        if response.status >= 400 and "/_stcore/" not in response.url:
            self.wrong.append(f"{response.status}: {response.url}")

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and "404 (Not Found)" not in message.text:
            self.wrong.append(f"console: {message.text}")

    def open(self, url: str, heading: str) -> None:
        self.page.goto(url)
        self.settled(heading)

    def opened(self, url: str, heading: str) -> str:
        """The text of the page at an address."""
        self.open(url, heading)
        return self.text()

    def settled(self, heading: str) -> None:
        """Wait until the page with this heading is drawn to its end."""
        self.page.wait_for_selector(f"h1:has-text('{heading}')")
        self.page.wait_for_selector("[data-test-script-state='notRunning']")
        self.page.wait_for_function(
            "!document.querySelector('[data-testid=stSkeleton]')"
            " && !document.querySelector('[data-stale=true]')"
        )

    def text(self) -> str:
        return self.page.inner_text("[data-testid=stMain]")

    def faults(self) -> list[str]:
        """What axe finds serious."""
        found = Axe().run(self.page).response["violations"]
        return [
            f"{each['id']}: {each['nodes'][0]['html'][:200]}"
            for each in found
            if each["impact"] in ("serious", "critical")
        ]


@contextmanager
def tabs(browser: Browser) -> Iterator[Callable[..., Tab]]:
    """Opens tabs, and closes them in the end."""
    opened: list[Tab] = []

    def open_tab(**given: Any) -> Tab:
        opened.append(Tab(browser, **given))
        return opened[-1]

    yield open_tab
    for each in opened:
        each.page.context.close()
