"""The script that draws the figures, on made-up results."""

import json
import subprocess
import sys
from pathlib import Path

import draw_figures
import synthetic


def test_draws_every_figure_and_an_index(tmp_path):
    run = synthetic.make_results(tmp_path, synthetic.small_study())
    draw_figures.main(**run.drawn_from, figures=run.figures, explorer=run.explorer, study=run.study)
    index = json.loads((Path(run.figures) / "index.json").read_text(encoding="utf-8"))
    assert index["left_out"] == []
    files = {name for figure in index["figures"] for name in figure["files"]} | {"index.json"}
    assert {path.name for path in Path(run.figures).iterdir()} == files


def test_lists_may_be_empty(tmp_path):
    study = synthetic.single_study()
    nothing = dict.fromkeys(synthetic.Run(tmp_path, study).drawn_from, [])
    draw_figures.main(**nothing, figures=str(tmp_path / "figures"), explorer=str(tmp_path / "explorer"), study=study)
    assert "Nothing was measured of single units" in (tmp_path / "explorer/units.html").read_text(encoding="utf-8")
    index = json.loads((tmp_path / "figures/index.json").read_text(encoding="utf-8"))
    assert index["figures"] == []
    assert all(figure["why"] for figure in index["left_out"])


def test_report_scripts_import_no_torch():
    code = (
        "import sys; sys.path.append('workflow_scripts'); import draw_figures, write_page, show_headline; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False).returncode == 0
