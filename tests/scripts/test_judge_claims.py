"""judge_claims: the claims on tables as they lie on disk are those on the tables themselves."""

import copy

import pandas as pd

import tiny
from judge_claims import main
from robustlens.report.behaviour import read_predictions
from robustlens.report.claims import CLAIM_TESTS, COLUMNS, judge
from robustlens.report.evidence import Evidence
from robustlens.report.tables import write_csv


def run(folder, files, predictions, study):
    tables = [files[name] for name in ("filters", "smoothness", "units", "concepts", "complexity", "ablation")]
    main(predictions, *tables, str(folder / "claims.csv"), str(folder / "tests.csv"), study=study)
    return (folder / "claims.csv").read_text()


def test_claims_from_files(tmp_path):
    files, predictions = tiny.write_units(tmp_path), tiny.write_predictions(tmp_path)
    text = run(tmp_path, files, predictions, tiny.STUDY)
    hand_made = [tiny.filters_table(), tiny.smoothness_table(), tiny.units_table(), tiny.complexity_table(), tiny.ablation_table()]
    write_csv(tmp_path / "expected.csv", judge(Evidence(tiny.STUDY, tiny.predictions_table(), *hand_made, tiny.CONCEPTS))[COLUMNS])
    assert text == (tmp_path / "expected.csv").read_text()
    table = pd.read_csv(tmp_path / "claims.csv")
    assert table.columns.tolist() == COLUMNS and table["claim"].nunique() == 12
    assert "not measured" not in set(table["verdict"])
    tests = pd.read_csv(tmp_path / "tests.csv")
    assert tests.columns.tolist() == CLAIM_TESTS and tests["statistic"].tolist() == table["statistic"].tolist()
    assert run(tmp_path, files, predictions[::-1], tiny.STUDY) == text
    names = dict.fromkeys(("model", "stimulus", "image_id"), str)
    read = read_predictions(predictions).astype(names)[list(tiny.predictions_table())]
    pd.testing.assert_frame_equal(read, tiny.predictions_table(), check_dtype=False)


def test_a_study_of_nothing(tmp_path):
    study = {**copy.deepcopy(tiny.STUDY), "pairs": {}, "controls": {}, "concepts": {}}
    files = dict.fromkeys(("filters", "smoothness", "units", "concepts", "complexity", "ablation"), [])
    lines = run(tmp_path, files, [], study).splitlines()
    assert lines == [",".join(COLUMNS), *(f"C{n},,,,,,,,0,not measured" for n in range(1, 13))]
    assert (tmp_path / "tests.csv").read_text().splitlines() == [",".join(CLAIM_TESTS)]
