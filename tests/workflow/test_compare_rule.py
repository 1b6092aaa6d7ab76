"""The target that compares runs, on the tiny study and a copy of its results."""

import json
import shutil

from runs import jobs, snakemake


def test_a_study_beside_a_copy_of_its_results(tiny_study, tmp_path):
    shutil.copytree(tiny_study / "results/reports", tmp_path / "results/reports", ignore=shutil.ignore_patterns("comparison"))
    lay = ["compare", "--config", f'compare={{"runs": {{"this": "results", "copy": "{tmp_path}/results"}}}}']
    assert jobs(tiny_study, *lay) == {"compare": 1, "compare_runs": 1}  # what it is compared with makes no other job run again
    snakemake(tiny_study, *lay)
    assert jobs(tiny_study, *lay) == {}
    table = (tiny_study / "results/reports/comparison/changes.csv").read_text()
    assert ",false\n" in table and ",true\n" not in table
    assert json.loads((tiny_study / "results/reports/study.json").read_text())["study"] == "tiny"
