"""Pages in a browser, for tests of what draws them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]


def browser_or_skip() -> str:
    """Where a browser is, and a driver for it; the test is skipped without."""
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("no Chromium or Chrome was found")
    return found


@contextmanager
def shown(page: Path, width: int, height: int) -> Iterator[tuple[Any, list[tuple[str, str]]]]:
    """A file in a browser, and what it asked for and complained about."""
    browser = browser_or_skip()
    from playwright.sync_api import ConsoleMessage, sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=FLAGS)
        tab = chromium.new_page(viewport={"width": width, "height": height})
        events: list[tuple[str, str]] = []

        def hear(message: ConsoleMessage) -> None:
            if message.type == "error":
                events.append(("error", message.text))

        tab.on("request", lambda request: events.append(("request", request.url)))
        tab.on("pageerror", lambda error: events.append(("error", str(error))))
        tab.on("console", hear)
        tab.goto(page.as_uri())
        yield tab, events
        chromium.close()
