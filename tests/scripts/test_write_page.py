"""The script that writes the page, on made-up results."""

import json
from pathlib import Path

import pytest

import synthetic
import write_page
from robustlens.errors import InputError
from synthetic.report import COMMAND, page_of


@pytest.mark.parametrize("study", ["embedded", "single"])
def test_writes_the_same_page_each_time(request, tmp_path, study):
    run = request.getfixturevalue(study)
    write_page.main(**page_of(run, str(tmp_path / "again.html")), study=run.study, command=COMMAND)
    page = (tmp_path / "again.html").read_bytes()
    assert page == Path(run.page).read_bytes() and b"<code>snakemake --configfile a&lt;b.yaml</code>" in page
    assert json.loads((run.folder / "reports/study.json").read_text()) == run.study
    assert b"<h1>What did robustness change?</h1>" in page


def test_claims_without_a_column_are_refused(tmp_path):
    run = synthetic.make_results(tmp_path, synthetic.small_study())
    Path(run.claims).write_text("claim,verdict\nC1,supported\n")
    with pytest.raises(InputError, match="claims.csv: expected the columns claim, architecture"):
        write_page.main(**page_of(run, run.page), study=run.study)
