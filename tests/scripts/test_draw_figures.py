"""The script that draws the figures, on made-up results."""

import json
from pathlib import Path

import draw_figures
import synthetic


def test_draws_every_figure_and_an_index(embedded):
    index = json.loads((Path(embedded.figures) / "index.json").read_text(encoding="utf-8"))
    assert index["left_out"] == []
    files = {name for figure in index["figures"] for name in figure["files"]}
    assert {path.name for path in Path(embedded.figures).iterdir()} == {*files, "index.json"}
    assert {Path(name).suffix for name in files} == {".svg", ".pdf"}


def test_lists_may_be_empty(tmp_path):
    study = synthetic.single_study()
    nothing = dict.fromkeys(synthetic.Run(tmp_path, study).drawn_from, [])
    draw_figures.main(**nothing, figures=str(tmp_path / "figures"), explorer=str(tmp_path / "explorer"), study=study)
    assert "Nothing was measured of single units" in (tmp_path / "explorer/units.html").read_text(encoding="utf-8")
    index = json.loads((tmp_path / "figures/index.json").read_text(encoding="utf-8"))
    assert index["figures"] == []
    assert all(figure["why"] for figure in index["left_out"])
