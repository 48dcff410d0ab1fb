"""Debian's Chromium, as browser tests use it: with an empty profile, and with an eye on what a page must never do."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

_NAMES = (
    os.environ.get("MONGOJOBS_TEST_CHROMIUM", ""),
    *("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"),
)
_ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-site-isolation-trials",
    "--renderer-process-limit=1",
]
_WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(
  `${event.effectiveDirective}: ${event.blockedURI} ${event.sample}`));
"""
SECONDS = 10

HURRY = "const set = setInterval; window.setInterval = (act, time) => set(act, time >= 3000 ? 100 : time)"
"""A script that makes pages look for news ten times a second."""


def find_chromium() -> str:
    """Return the path of Chromium. Raises AssertionError where there is none."""
    found = next((path for name in _NAMES if name and (path := shutil.which(name))), None)
    if found is None:
        raise AssertionError("the browser tests need Chromium: on Debian, apt-get install chromium as root")
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Chromium."""
    path = find_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Tab:
    """A tab of the browser at the dashboard that is served at *base*, and all that went wrong in it."""

    page: Page
    base: str = ""
    complaints: list[str] = field(default_factory=list)

    @contextmanager
    def at(self, base: str) -> Iterator[Self]:
        """Look at *base* in the block; fail if a page broke its policy, raised an error or asked another host.

        Nothing is left of it: what pages store belongs to their address, and each test serves at one of its own.
        """
        self.base = base
        self.complaints.clear()
        try:
            yield self
            self.complaints += self.violations()
        finally:
            self.page.goto("about:blank")
            self.page.context.clear_cookies()
        assert not self.complaints, "\n".join(self.complaints)

    def open(self, path: str) -> Page:
        """Open a page of the dashboard and wait until its scripts have run."""
        self.page.goto(f"{self.base}{path}", wait_until="load")
        return self.page

    def violations(self) -> list[str]:
        """Return what the page tried that its policy forbids."""
        found: list[str] = self.page.evaluate("window.violations ?? []")
        return found

    def forgive(self) -> None:
        """Forget what the page has tried so far."""
        self.page.evaluate("window.violations = []")
        self.complaints.clear()

    def faults(self) -> list[str]:
        """Return the serious faults in accessibility, each with where it is."""
        found: Any = Axe().run(self.page).response["violations"]
        return [
            f"{fault['id']}: {node['html'][:200]} {node.get('failureSummary', '')}"
            for fault in found
            if fault["impact"] in ("serious", "critical")
            for node in fault["nodes"]
        ]


@contextmanager
def tab(browser: Browser, base: str, **options: Any) -> Iterator[Tab]:
    """Open a tab at *base*."""
    with empty_tab(browser, **options) as opened, opened.at(base):
        yield opened


@contextmanager
def empty_tab(browser: Browser, **options: Any) -> Iterator[Tab]:
    """Open a tab with nothing stored, which tests may use one after another: opening one takes a process."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
    context.set_default_timeout(SECONDS * 1000)
    context.add_init_script(_WATCH)
    opened = Tab(context.new_page())

    def look_at_request(request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "about") and parts.netloc != urlsplit(opened.base).netloc:
            opened.complaints.append(f"asked {request.url}")

    def look_at_console(message: Any) -> None:
        if message.type in ("error", "warning") and "status of" not in message.text:
            opened.complaints.append(f"console: {message.text}")

    context.on("request", look_at_request)
    opened.page.on("console", look_at_console)
    opened.page.on("pageerror", lambda error: opened.complaints.append(f"error: {error}"))
    try:
        yield opened
    finally:
        context.close()
