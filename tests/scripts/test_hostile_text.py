"""Names of concepts, classes and layers, titles and labels that HTML, JSON in a page, LaTeX or Matplotlib would act on stay text."""

import json
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest

import compare_runs
import synthetic
import write_page
from synthetic import tables
from synthetic.report import draw, page_of

MARKS = "</script><script>trap()</script><img src=x onerror=trap()> & \"' $\\frac{$ \\input{trap} % _ ^ ~ {{ 7 * 7 }} ]]> </title></svg>"
NAMES = ["</script><b>&\"'", "$\\frac{$", "\\input{trap}", "[1ex] %_^", "*~\\end{x}", "red\\\\ {{ 7 * 7 }}"]
LAYER = "<i>$\\frac{$&"


class Elements(HTMLParser):
    """Names of the elements of a page, and of their attributes that hold a script."""

    def __init__(self, text: str):
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found += [tag, *(name for name, _ in attributes if name.startswith("on"))]


@pytest.fixture(scope="module")
def made(tmp_path_factory, embedded):
    """A report, its figures, explorer and tables in LaTeX, of a study that is harmless, and of one all of whose texts are hostile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "CONCEPTS", dict(zip(NAMES, tables.CONCEPTS.values(), strict=False)))
        study = synthetic.small_study()
        study |= {"study": MARKS, "classes": [f"<u>$\\frac{{$ {number}" for number in range(8)]}
        for spec in study["models"].values():
            spec |= {"label": MARKS, "layers": [layer + LAYER for layer in spec["layers"]]}
        run = synthetic.make_results(tmp_path_factory.mktemp("hostile"), study)
        draw(run, lightly=True)
        write_page.main(**page_of(run, run.page), study=study, command=f"snakemake {MARKS}")
        return embedded, run


@pytest.mark.parametrize("name", ["index.html", "explorer/units.html"])
def test_pages_hold_no_other_elements_than_those_of_a_harmless_study(made, name):
    plain, hostile = ((run.folder / "reports" / name).read_text(encoding="utf-8") for run in made)
    assert set(Elements(hostile).found) <= set(Elements(plain).found)
    assert Elements(hostile).found.count("script") == Elements(plain).found.count("script")
    assert f"“{MARKS}”" in unescape(hostile) and "<script>trap" not in hostile


def test_the_data_of_the_explorer_are_the_names_and_nothing_else(made):
    folder = Path(made[1].explorer)
    page = (folder / "units.html").read_text(encoding="utf-8")
    index = json.loads(re.search(r'<script type="application/json" id="index">(.*?)</script>', page, re.DOTALL)[1])
    assert {name for name, _, _ in index["concepts"]} <= set(NAMES) and index["concepts"]
    assert all(LAYER in layer["name"] for model in index["models"] for layer in model["layers"])
    assert 'http-equiv="Content-Security-Policy"' in page and "innerHTML" not in (folder / "explorer.js").read_text(encoding="utf-8")
    for script in folder.rglob("layers/*.js"):
        assert json.loads("[" + re.fullmatch(r"explorer\.layer\((.*)\);\n", script.read_text(encoding="utf-8"), re.DOTALL)[1] + "]")
    names = {path.name for path in folder.rglob("*") if path.is_file()}
    assert all(re.fullmatch(r"[a-z0-9]+\.(html|js|webp)", name) for name in names)


def test_figures_are_drawn_and_show_the_text(made):
    plain, hostile = ({path.name: path.read_text(encoding="utf-8") for path in Path(run.figures).glob("*.svg")} for run in made)
    assert plain.keys() == hostile.keys()
    everything = "".join(hostile.values())
    assert all(name in unescape(everything) for name in ("<u>$\\frac{$", LAYER, *NAMES))
    assert not re.search("<(script|img|b|i|u)\\b", everything)


def test_tables_in_latex_hold_no_command_of_theirs(made):
    text = "".join(path.read_text(encoding="utf-8") for path in (made[1].folder / "reports/latex").glob("*.tex"))
    assert r"\textbackslash{}input\{trap\}" in text and "\\input" not in text and "\\frac" not in text
    rows = [line for line in text.splitlines() if line.endswith(r" \\")]
    assert len(rows) > 50 and not [row for row in rows if row.lstrip()[0] in "[*"]
    assert set(re.findall(r"\\[a-zA-Z]+", text)) <= {
        *(r"\begin", r"\end", r"\toprule", r"\midrule", r"\bottomrule", r"\times"),
        *(r"\textbackslash", r"\textasciitilde", r"\textasciicircum", r"\textless", r"\textgreater", r"\textbar"),
    }
    assert text.count(r"\end{tabular}") == len(list((made[1].folder / "reports/latex").glob("*.tex")))


def test_the_comparison_of_runs(made, tmp_path):
    paths = [str(tmp_path / f"{name}.csv") for name in ("comparison", "changes", "quantities", "seeds", "settings")]
    runs = {MARKS: [str(made[1].folder)], "plain": [str(made[0].folder)]}
    compare_runs.main(*paths, str(tmp_path / "index.html"), runs=runs, tables=["accuracy", "concept_shift", "total_variation"])
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert not {"script", "img", "onerror", "svg"} & set(Elements(page).found) and MARKS in unescape(page)
