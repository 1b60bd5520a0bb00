"""Look at every page of the site in a real browser, as wide as a desk's screen and as a phone.

`make docs`, then `python docs/look.py docs/_build/html --pictures /tmp/pages`. It prints what is
wrong (pages that scroll sideways, dead links within the site, images that are not there, errors of
scripts, and whatever a page wants from the network) and ends with status 1 if anything is. The
pictures are for you to look at. Needs playwright, and a Chromium or Chrome on the path or of
playwright's own.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Request, Route

WIDTHS = (1280, 390)
"""Pixels: of a desk's screen, and of a phone's."""
HEIGHT = 844
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
TALLEST = 16_000
"""Pixels of a picture; a browser draws no more."""

TOO_WIDE = """() => {
  const room = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= room) return [];
  const clipped = element => {
    for (let up = element.parentElement; up; up = up.parentElement)
      if (getComputedStyle(up).overflowX !== 'visible' && up !== document.body
          && up !== document.documentElement) return true;
    return false;
  };
  const wide = [...document.body.querySelectorAll('*')].filter(
    element => element.getBoundingClientRect().right > room + 1 && !clipped(element));
  const told = element => element.tagName.toLowerCase()
    + (element.className && element.className.split ? '.' + element.className.split(' ')[0] : '')
    + ` "${(element.textContent || '').trim().slice(0, 40)}"`;
  return [`${document.documentElement.scrollWidth} px wide`, ...wide.slice(0, 1).map(told)];
}"""
LOST_IMAGES = """async () => {
  const lost = await Promise.all([...document.images].map(async image => {
    image.loading = 'eager';
    try { await image.decode(); } catch { return image.getAttribute('src') || '(no src)'; }
    return null;
  }));
  return lost.filter(source => source !== null);
}"""


@dataclass(frozen=True)
class Fault:
    """Something wrong with a page; ``width`` where it depends on that."""

    page: str
    what: str
    width: int | None = None

    def __str__(self) -> str:
        where = self.page if self.width is None else f"{self.page} at {self.width} px"
        return f"{where}: {self.what}"


@dataclass
class Anchors(HTMLParser):
    """What a page links to, and what on it can be linked to."""

    links: list[str] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value is None:
                continue
            if name == "id" or (name == "name" and tag == "a"):
                self.names.add(value)
            elif name == "href" and tag in ("a", "link"):
                self.links.append(value)


def dead_links(site: Path, pages: list[Path]) -> Iterator[Fault]:
    """Links within the site to files, or to places on pages, that are not there."""
    read: dict[Path, Anchors] = {}

    def anchors(page: Path) -> Anchors:
        if page not in read:
            read[page] = Anchors()
            read[page].feed(page.read_text(encoding="utf-8"))
        return read[page]

    for page in pages:
        for link in dict.fromkeys(anchors(page).links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = page
            if parts.path:
                target = (page.parent / unquote(parts.path)).resolve()
            if target.is_dir():
                target /= "index.html"
            name = unquote(parts.fragment)
            there = target.is_file() and target.is_relative_to(site.resolve())
            if there and name and target.suffix == ".html":
                there = name in anchors(target).names
            if not there:
                yield Fault(str(page.relative_to(site.resolve())), f"dead link {link}")


def in_a_browser(
    site: Path, pages: list[Path], widths: tuple[int, ...], pictures: Path | None
) -> Iterator[Fault]:
    """What only a browser finds, and pictures of the pages."""
    from playwright.sync_api import sync_playwright

    own = next(filter(None, map(shutil.which, BROWSERS)), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=own, args=FLAGS)
        for width in widths:
            for page in pages:
                name = str(page.relative_to(site.resolve()))
                for what in _looked_at(browser, page, width, _picture(pictures, name, width)):
                    yield Fault(name, what, width)
        browser.close()


def _picture(folder: Path | None, name: str, width: int) -> Path | None:
    if folder is None:
        return None
    return folder / f"{name.removesuffix('.html').replace('/', '.')}.{width}.png"


def _looked_at(browser: Browser, page: Path, width: int, picture: Path | None) -> list[str]:
    faults: list[str] = []
    tab = browser.new_page(viewport={"width": width, "height": HEIGHT})

    def hear(message: ConsoleMessage) -> None:
        # What a missing file says of itself names no file; the checks below do.
        if message.type == "error" and "Failed to load resource" not in message.text:
            faults.append(f"console: {message.text}")

    def lost(request: Request) -> None:
        if request.url.startswith("file:") and request.resource_type != "image":
            faults.append(
                f"{request.resource_type} {Path(urlsplit(request.url).path).name} is lost"
            )

    def refuse(route: Route) -> None:
        faults.append(f"asks the network for {route.request.url}")
        route.abort()

    tab.on("console", hear)
    tab.on("pageerror", lambda error: faults.append(f"script: {error}"))
    tab.on("requestfailed", lost)
    tab.route(re.compile("^https?:"), refuse)
    tab.goto(page.as_uri())
    faults += [f"image {source} is not there" for source in tab.evaluate(LOST_IMAGES)]
    too_wide: list[Any] = tab.evaluate(TOO_WIDE)
    if too_wide:
        faults.append("scrolls sideways: " + ", ".join(too_wide))
    if picture is not None:
        tall = min(tab.evaluate("document.documentElement.scrollHeight"), TALLEST)
        tab.set_viewport_size({"width": width, "height": tall})
        tab.screenshot(path=picture)
    tab.close()
    return faults


def main(arguments: list[str] | None = None) -> int:
    """0 if all is well."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("site", type=Path, help="folder of HTML pages")
    parser.add_argument("pages", nargs="*", help="some of them, such as quickstart.html; else all")
    parser.add_argument("--pictures", type=Path, help="folder for a picture of each at each width")
    parser.add_argument("--widths", type=int, nargs="+", default=WIDTHS, help="in pixels")
    options = parser.parse_args(arguments)
    site = options.site.resolve()
    pages = [site / name for name in options.pages] or sorted(site.rglob("*.html"))
    missing = [page for page in pages if not page.is_file()]
    if missing or not pages:
        parser.error(f"there is no page {missing[0]}" if missing else f"{site} holds no pages")
    if options.pictures is not None:
        options.pictures.mkdir(parents=True, exist_ok=True)
    faults = [*dead_links(site, pages)]
    faults += in_a_browser(site, pages, tuple(options.widths), options.pictures)
    for fault in faults:
        print(fault)
    widths = " and ".join(map(str, options.widths))
    print(f"{len(pages)} pages at {widths} px: {len(faults)} faults", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
