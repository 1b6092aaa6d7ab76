"""The script that draws the figures, on made-up results."""

import json
import subprocess
import sys
from pathlib import Path

import draw_figures
import synthetic


def test_draws_every_figure_and_an_index(tmp_path):
    run = synthetic.make_results(tmp_path, synthetic.small_study())
    inputs = (run.tables, run.smoothness, run.weights, run.top_images, run.shards, run.concept_shards)
    draw_figures.main(*inputs, run.figures, study=run.study)
    index = json.loads((Path(run.figures) / "index.json").read_text(encoding="utf-8"))
    assert index["left_out"] == []
    files = {name for figure in index["figures"] for name in figure["files"]} | {"index.json"}
    assert {path.name for path in Path(run.figures).iterdir()} == files


def test_lists_may_be_empty(tmp_path):
    study = synthetic.single_study()
    draw_figures.main([], [], [], [], [], [], str(tmp_path), study=study)
    index = json.loads((tmp_path / "index.json").read_text(encoding="utf-8"))
    assert index["figures"] == []
    assert all(figure["why"] for figure in index["left_out"])


def test_report_scripts_import_no_torch():
    code = (
        "import sys; sys.path.append('workflow_scripts'); import draw_figures, write_page, show_headline; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False).returncode == 0
