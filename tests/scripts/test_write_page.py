"""The script that writes the page, on made-up results."""

import json
from pathlib import Path

import pytest

import draw_figures
import synthetic
import write_page
from robustlens.errors import InputError


@pytest.mark.parametrize("study", [synthetic.small_study(), synthetic.single_study()], ids=["pair", "single"])
def test_writes_the_same_page_each_time(tmp_path, study):
    run = synthetic.make_results(tmp_path, study)
    draw_figures.main(**run.drawn_from, figures=run.figures, explorer=run.explorer, study=study)
    pages, beside = [], (str(tmp_path / "study.json"), str(tmp_path / "latex"))
    for name in ("one.html", "two.html"):
        write_page.main(
            run.claims,
            run.tables,
            run.figures,
            run.cards,
            str(tmp_path / name),
            *beside,
            study=study,
            command="snakemake --configfile a<b.yaml",
        )
        pages.append((tmp_path / name).read_bytes())
    assert pages[0] == pages[1] and b"<code>snakemake --configfile a&lt;b.yaml</code>" in pages[0]
    assert json.loads((tmp_path / "study.json").read_text()) == study
    assert b"<h1>What did robustness change?</h1>" in pages[0]


def test_claims_without_a_column_are_refused(tmp_path):
    run = synthetic.make_results(tmp_path, synthetic.small_study())
    Path(run.claims).write_text("claim,verdict\nC1,supported\n")
    with pytest.raises(InputError, match="claims.csv: expected the columns claim, architecture"):
        write_page.main(
            run.claims, run.tables, run.figures, run.cards, run.page, str(tmp_path / "study.json"), str(tmp_path / "latex"), study=run.study
        )
