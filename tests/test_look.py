"""The checks of docs/look.py find what is wrong with pages that were made bad on purpose."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from browsing import browser_or_skip
from PIL import Image

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def look() -> ModuleType:
    spec = importlib.util.spec_from_file_location("look", DOCS / "look.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["look"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GOOD = """<h1 id="top">Good</h1><p><a href="bad.html#there">there</a> <a href="#top">up</a>
<a href="folder/">a folder</a> <a href="https://nowhere.invalid/x">elsewhere</a></p>
<div style="overflow-x: auto"><pre style="width: 2000px">wide, and scrolls within</pre></div>
<img src="dot.png" alt="dot" loading="lazy">"""
BAD = {
    "wide": '<p style="width: 700px">too wide for a phone</p>',
    "dead": '<a href="gone.html">gone</a>',
    "place": '<a href="good.html#gone">gone</a>',
    "outside": '<a href="../secret.html">out</a>',
    "lost": '<div style="height: 9000px"></div><img loading="lazy" src="gone.png" alt="gone">',
    "script": "<script>undefined.oh</script>",
    "told": "<script>console.error('oh')</script>",
    "style": '<link rel="stylesheet" href="gone.css">',
    "network": '<script src="https://nowhere.invalid/lib.js"></script>',
}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    (folder / "folder").mkdir(parents=True)
    head = '<!doctype html><meta name="viewport" content="width=device-width">'
    head += '<link rel="icon" href="data:,">'
    texts = {"good": GOOD, "bad": '<i id="there"></i>', "folder/index": "here", "../secret": ""}
    for name, text in {**texts, **BAD}.items():
        (folder / f"{name}.html").write_text(head + text)
    Image.new("RGB", (3, 3)).save(folder / "dot.png")
    return folder


@pytest.mark.slow
def test_each_bad_page_is_told_and_no_good_one(look, site, tmp_path, capsys) -> None:
    browser_or_skip()
    pictures = tmp_path / "pictures"
    assert look.main([str(site), "--pictures", str(pictures)]) == 1
    told = capsys.readouterr()
    both = ("at 1280 px", "at 390 px")
    assert sorted(told.out.splitlines()) == sorted(
        [
            'wide.html at 390 px: scrolls sideways: 708 px wide, p "too wide for a phone"',
            "dead.html: dead link gone.html",
            "place.html: dead link good.html#gone",
            "outside.html: dead link ../secret.html",
            "style.html: dead link gone.css",
            *(f"lost.html {at}: image gone.png is not there" for at in both),
            *(
                f"script.html {at}: script: Cannot read properties of undefined (reading 'oh')"
                for at in both
            ),
            *(f"told.html {at}: console: oh" for at in both),
            *(f"style.html {at}: stylesheet gone.css is lost" for at in both),
            *(
                f"network.html {at}: asks the network for https://nowhere.invalid/lib.js"
                for at in both
            ),
        ]
    )
    assert (
        told.err
        == f"{len(BAD) + 3} pages at 1280 and 390 px: {len(told.out.splitlines())} faults\n"
    )
    assert len(list(pictures.iterdir())) == 2 * (len(BAD) + 3)
    with Image.open(pictures / "folder.index.390.png") as picture:
        assert picture.width == 390


@pytest.mark.slow
def test_good_pages_end_well(look, site, capsys) -> None:
    browser_or_skip()
    assert look.main([str(site), "good.html", "bad.html", "--widths", "320"]) == 0
    assert capsys.readouterr().out == ""


def test_pages_that_are_not_there_are_refused(look, tmp_path, capsys) -> None:
    with pytest.raises(SystemExit):
        look.main([str(tmp_path)])
    assert "holds no pages" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        look.main([str(tmp_path), "x.html"])
    assert "there is no page" in capsys.readouterr().err
