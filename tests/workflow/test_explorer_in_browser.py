"""The unit explorer as a reader uses it: a real browser opens it from the disk, searches, filters, steps and reads the numbers."""

import json

import pandas as pd
import pytest

from browser import CONTRAST, Browser
from robustlens.report.page import number
from robustlens.report.tables import read_scores

READY = "document.documentElement.dataset.drawn"
ADDRESSED = "document.querySelector('.addressed')"
UNIT = f"{ADDRESSED}?.querySelector('h3').textContent"
LISTED = f"[...{ADDRESSED}.querySelectorAll('.units a')].map((node) => Number(node.textContent.match(/\\d+/)[0]))"


@pytest.fixture(scope="module")
def results(tiny_study):
    return tiny_study / "results"


@pytest.fixture
def browser(results, chromium):
    """The explorer, open; whatever the test does, nothing complains and nothing but files of its folder is asked for."""
    folder = results / "reports/explorer"
    with Browser(chromium) as browser:
        browser.open((folder / "units.html").as_uri())
        browser.wait(READY)
        yield browser
        browser.ask("new Promise((done) => setTimeout(done, 200))")
        assert browser.complaints == []
        assert [address for address in browser.requests if not address.startswith(folder.as_uri())] == []


def go(browser, *address):
    browser.ask(f"location.hash = {json.dumps('/'.join(map(str, address)))}")
    browser.wait(
        f"{UNIT}?.match(/^Unit (\\d+)/)[1] === '{address[2]}' && {ADDRESSED}.querySelector('h2').textContent.includes('{address[0]}')"
    )


def set_field(browser, name, value):
    browser.ask(f"""(() => {{ const node = document.getElementById('{name}'); node.value = {json.dumps(value)};
      for (const kind of ['input', 'change']) node.dispatchEvent(new Event(kind)); }})()""")


def rows(browser, caption) -> dict[str, str]:
    """Last cell of each row of a table of the addressed unit, by its first."""
    tables = f"[...{ADDRESSED}.querySelectorAll('table')]"
    found = f"{tables}.find((table) => table.caption.textContent === '{caption}').tBodies[0].rows"
    return dict(browser.ask(f"[...{found}].map((row) => [row.cells[0].textContent, [...row.cells].at(-1).textContent])"))


def unit_of(path, layer, unit):
    """Of a file, or of a folder of shards."""
    table = read_scores(sorted(map(str, path.glob("shard-*.parquet")))) if path.is_dir() else pd.read_parquet(path)
    return table[(table["layer"] == layer) & (table["unit"] == unit)]


@pytest.mark.parametrize("address", [("alexnet-s", "conv1", 3), ("alexnet-r", "conv3", 5), ("alexnet-shape-only", "conv3", 0)])
def test_the_numbers_of_a_unit_are_those_of_the_tables(browser, results, address):
    go(browser, *address)
    model, layer, unit = address
    iou = unit_of(results / f"neurons/{model}/scenes/iou.parquet", layer, unit).sort_values(["iou", "concept"], ascending=[False, True])
    best = iou[iou["iou"] > 0].head(5)
    assert list(rows(browser, "Best concepts").items())[: len(best)] == [
        (row.name, number(row.iou)) for row in best.itertuples(index=False)
    ]
    found = rows(browser, "Measurements")
    row = unit_of(results / f"neurons/{model}/scenes/units.parquet", layer, unit).iloc[0]
    assert found.pop("threshold of its mask") == number(row["threshold"])
    assert found.pop("positions above it") == str(row["n_above"])
    assert found.pop("concepts with IoU ≥ 0.01") == str((iou["iou"] >= 0.01).sum())
    if model == "alexnet-shape-only":  # a control: smoothness and ablation are not measured
        assert found == {}
        return
    row = unit_of(results / f"neurons/{model}/smoothness.parquet", layer, unit).iloc[0]
    maps = "total variation of its maps"
    assert found.pop(f"{maps}, clean") == number(row["tv_clean"]) and found.pop(f"{maps}, noisy") == number(row["tv_noisy"])
    assert found.pop("relative change by noise") == number(row["relative_change"])
    row = unit_of(results / f"ablation/{model}", layer, unit).iloc[0]
    assert found == {
        "shape decisions that change without it": f"{row['shape_score']} of {row['n_shape']}",
        "texture decisions that change without it": f"{row['texture_score']} of {row['n_texture']}",
        "decisions that change without it": f"{row['n_changed']} of {row['n_images']}",
    }
    top = unit_of(results / f"neurons/{model}/top_images.parquet", layer, unit).sort_values("rank")
    labels = browser.ask(f"[...{ADDRESSED}.querySelectorAll('canvas')].map((node) => node.ariaLabel)")
    assert [label.split(", on in")[0] for label in labels] == [
        f"{row.rank + 1}. {row.image_id}: activation {number(row.activation)}" for row in top.itertuples(index=False)
    ]


def test_a_search_leads_to_the_units_of_a_concept(browser, results):
    tables = [pd.read_parquet(path).assign(model=path.parts[-3]) for path in results.glob("neurons/*/scenes/units.parquet")]
    units = pd.concat(tables).sort_values("iou", ascending=False)
    first = units.iloc[0]
    set_field(browser, "search", first["name"])
    browser.wait("document.querySelectorAll('#hits a').length")
    assert number(first["iou"]) in browser.ask("document.querySelector('#hits li').textContent")
    browser.ask("document.querySelector('#hits a').click()")
    browser.wait(f"{UNIT} === 'Unit {first['unit']}: {first['name']}'")
    assert browser.ask("location.hash") == f"#{first['model']}/{first['layer']}/{first['unit']}"
    set_field(browser, "search", "no such concept")
    browser.wait("document.getElementById('result-title').textContent.startsWith('0 units')")


def test_filter_and_order_choose_the_units_of_the_list(browser, results):
    units = pd.read_parquet(results / "neurons/alexnet-s/scenes/units.parquet")
    units = units[units["layer"] == "conv1"].sort_values(["iou", "unit"], ascending=[False, True])
    category = units["category"].iloc[0]
    set_field(browser, "order", "iou")
    browser.wait(f"{LISTED}[0] === {units['unit'].iloc[0]}")
    assert browser.ask(LISTED) == units["unit"].tolist()
    set_field(browser, "category", category)
    wanted = units[units["category"] == category]["unit"].tolist()
    browser.wait(f"{LISTED}.length === {len(wanted)}")
    assert browser.ask(LISTED) == wanted


def test_the_list_shows_the_unit_of_the_address(browser):
    go(browser, "alexnet-r", "conv3", browser.ask("models.get('alexnet-r').layers[1].n_units - 1"))
    place = f"{ADDRESSED}.querySelector('.units{{}}').getBoundingClientRect()"
    shown = f"(({{top, bottom}}, list) => top >= list.top && bottom <= list.bottom)({place.format(' [aria-current]')}, {place.format('')})"
    assert browser.ask(shown)
    assert browser.ask(f"{ADDRESSED}.querySelector('.units').scrollTop") > 0


def test_a_name_in_full_finds_that_concept_alone_a_part_of_it_all(browser):
    names = "[...document.querySelectorAll('#hits .small')].map((node) => node.textContent.split(' ')[0])"
    known = browser.ask("index.concepts.map(([name]) => name)")
    set_field(browser, "search", known[0])
    browser.wait("document.querySelectorAll('#hits a').length")
    assert set(browser.ask(names)) == {known[0]}
    set_field(browser, "search", "-c")  # white-c, black-c ...: the colours
    browser.wait(f"new Set({names}).size > 1")
    assert all("-c" in name for name in browser.ask(names))


def test_keys_step_through_the_units_and_back_returns(browser):
    go(browser, "alexnet-s", "conv1", 3)
    browser.press("ArrowRight")
    browser.wait(f"{UNIT}.startsWith('Unit 4')")
    assert browser.ask("location.hash") == "#alexnet-s/conv1/4"
    browser.ask("history.back()")
    browser.wait(f"{UNIT}.startsWith('Unit 3')")


def test_a_pair_stands_side_by_side_s_first(browser):
    go(browser, "alexnet-r", "conv3", 2, 7)
    titles = browser.ask("[...document.querySelectorAll('.card h2')].map((node) => node.innerText).filter(Boolean)")
    assert titles[0].startswith("S alexnet-s conv3") and titles[1].startswith("R alexnet-r conv3")
    assert browser.ask("[...document.querySelectorAll('.panels h3')].map((node) => node.textContent.match(/\\d+/)[0])") == ["7", "2"]


@pytest.mark.parametrize("address", ["#nowhere/conv1/0", "#alexnet-s/nowhere", "#alexnet-s/conv1/9999", "#%E0%A4%A"])
def test_an_address_of_nothing_is_said_to_be_one(browser, address):
    assert browser.ask("document.getElementById('astray').hidden")
    browser.ask(f"location.hash = {json.dumps(address)}")
    browser.wait("!document.getElementById('astray').hidden")
    assert browser.ask(UNIT).startswith("Unit 0")
    go(browser, "alexnet-s", "conv1", 2)
    assert browser.ask("document.getElementById('astray').hidden")


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False)], ids=["wide", "dark", "narrow"])
def test_it_can_be_read(results, chromium, width, dark):
    with Browser(chromium, width, dark=dark) as browser:
        browser.open((results / "reports/explorer/units.html").as_uri())
        browser.wait(READY)
        assert browser.ask("document.documentElement.scrollWidth") <= width
        assert browser.ask(f"({CONTRAST})('p, td, th, h1, h2, h3, a, a span, abbr, label, select, figcaption, button, .small')") >= 4.5
        assert browser.ask("[...document.querySelectorAll('canvas, button')].every((node) => node.ariaLabel)")
        levels = browser.ask(
            "[...document.querySelectorAll('h1, h2, h3')].filter((n) => n.checkVisibility()).map((n) => Number(n.tagName[1]))"
        )
        assert levels == [1, 2, 3, 2, 3]
        ground = pd.Series(browser.picture(whole=True).ravel()).mode()[0]
    assert (ground < 64) == dark


def test_the_report_leads_to_it(results, chromium):
    with Browser(chromium) as browser:
        browser.open((results / "reports/index.html").as_uri())
        browser.ask("document.querySelector('#units a[href^=explorer]').click()")
        browser.wait("location.href.endsWith('explorer/units.html') && document.documentElement?.dataset.drawn")
        browser.ask("document.querySelector('header a').click()")
        browser.wait("location.href.endsWith('index.html#units')")


def test_a_file_that_is_missing_is_named(results, chromium, tmp_path):
    folder = results / "reports/explorer"
    for name in ("units.html", "explorer.js"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with Browser(chromium) as browser:
        browser.open((tmp_path / "units.html").as_uri())
        assert "is not beside this page" in browser.wait("document.querySelector('[role=alert]')?.textContent")
