"""The report as a reader sees it: a real browser opens the file, wide, narrow and dark."""

import numpy as np
import pytest

from browser import CONTRAST, Browser


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False)], ids=["wide", "dark", "narrow"])
def test_the_page_is_read_without_a_complaint(tiny_study, chromium, width, dark):
    page = tiny_study / "results/reports/index.html"
    with Browser(chromium, width, dark=dark) as browser:
        browser.open(page.as_uri())
        assert browser.complaints == []
        assert [address for address in browser.requests if not address.startswith("data:")] == [page.as_uri()]
        assert browser.ask("document.querySelector('h1').textContent") == "What did robustness change?"
        assert {f"C{number}" for number in range(1, 13)} <= set(
            browser.ask("[...document.querySelectorAll('[id]')].map((node) => node.id)")
        )
        assert browser.ask("document.documentElement.scrollWidth") <= width
        assert browser.ask(f"({CONTRAST})('main p, main td, main th, main a')") >= 4.5
        pixels = browser.picture(whole=True).astype(int)
    ground = np.bincount(pixels.ravel()).argmax()
    assert (pixels != ground).any(1).mean() > 0.3  # rows of lines of text and tables
    assert (ground < 64) == dark
