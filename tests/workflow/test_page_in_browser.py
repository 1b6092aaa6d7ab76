"""The report as a reader sees it: a real browser opens the file, wide, narrow and dark."""

import re
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync", "--hide-scrollbars", "--enable-logging=stderr", "--log-level=0"]


def browse(page, folder, *arguments) -> subprocess.CompletedProcess:
    """What Chromium says on opening the page."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if not browser:
        pytest.skip("no Chromium on this machine")
    command = [browser, *FLAGS, f"--user-data-dir={folder}", *arguments, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_the_page_is_read_without_a_complaint(tiny_study, tmp_path):
    done = browse(tiny_study / "results/reports/index.html", tmp_path, "--dump-dom")
    assert "CONSOLE" not in done.stderr, done.stderr
    text = re.sub(r"<[^>]+>", " ", done.stdout)
    assert "What did robustness change?" in text
    assert {f"C{number} " for number in range(1, 13)} <= {f"{name} " for name in re.findall(r"\bC\d+\b", text)}


@pytest.mark.parametrize(("name", "arguments"), [("wide", []), ("dark", ["--force-dark-mode", "--blink-settings=preferredColorScheme=0"])])
def test_the_page_is_drawn(tiny_study, tmp_path, name, arguments):
    picture = tmp_path / f"{name}.png"
    browse(tiny_study / "results/reports/index.html", tmp_path / "user", f"--screenshot={picture}", "--window-size=1280,2400", *arguments)
    pixels = np.asarray(Image.open(picture).convert("L")).astype(int)
    assert pixels.shape == (2400, 1280)
    ground, rows = np.bincount(pixels.ravel()).argmax(), (pixels != np.bincount(pixels.ravel()).argmax()).any(1)
    assert rows.mean() > 0.3  # lines of text and tables
    assert (ground < 64) == (name == "dark")
