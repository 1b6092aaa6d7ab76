"""The figures of the report: which are drawn of made-up results, and pictures worked out on paper."""

import json

import numpy as np
import pytest

from robustlens.report import figures_pictures
from robustlens.report.figures import LeftOut, save_figure
from robustlens.report.figures_behaviour import draw_accuracy
from robustlens.report.results import Results
from synthetic.report import results_of


def test_every_figure_of_a_complete_study_is_drawn(embedded):
    index = json.loads((embedded.folder / "reports" / "figures" / "index.json").read_text(encoding="utf-8"))
    assert index["left_out"] == []
    assert len(index["figures"]) == 17
    for figure in index["figures"]:
        assert figure["alt"] and figure["caption"].endswith(".")
        for name in figure["files"]:
            assert (embedded.folder / "reports" / "figures" / name).stat().st_size > 1000


def test_captions_tell_n(embedded):
    index = json.loads((embedded.folder / "reports" / "figures" / "index.json").read_text(encoding="utf-8"))
    without = {figure["name"] for figure in index["figures"] if "n = " not in figure["caption"]}
    assert without == {"stimuli", "training", "top-images", "concept-shift"}


def test_missing_measurements_leave_figures_out_with_the_reason(single):
    index = json.loads((single.folder / "reports" / "figures" / "index.json").read_text(encoding="utf-8"))
    assert {figure["name"] for figure in index["figures"]} == {"stimuli", "accuracy", "filters", "filter-variation"}
    reasons = {figure["name"]: figure["why"] for figure in index["left_out"]}
    assert reasons["shape-bias"] == "the study has no cue-conflict images"
    assert reasons["dissection"] == "the study has no concept-labelled images"


def test_a_study_without_any_predictions_has_no_accuracy_figure():
    with pytest.raises(LeftOut, match="no predictions"):
        draw_accuracy(Results({"models": {"m": {}}}))


def test_equal_tables_give_equal_files(embedded, tmp_path):
    for stem in ("one", "two"):
        save_figure(draw_accuracy(results_of(embedded)), tmp_path / stem)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert (tmp_path / "one.pdf").read_bytes() == (tmp_path / "two.pdf").read_bytes()


def test_mosaic_puts_tiles_where_they_belong_and_leaves_the_rest_clear():
    white = np.full((2, 2, 3), 255, np.uint8)
    sheet = figures_pictures.mosaic([[white, None], [None, white]], 4)
    side = 2 * (figures_pictures.TILE // 2)
    assert sheet.shape == (2 * side + 4, 2 * side + 4, 4)
    assert sheet[0, 0].tolist() == [255] * 4
    assert sheet[-1, -1].tolist() == [255] * 4
    assert sheet[0, -1, 3] == sheet[side + 1, 0, 3] == 0


def test_filter_picture_has_zero_at_mid_grey_and_does_not_break_on_zeros():
    weights = np.zeros((3, 5, 5), np.float32)
    assert set(figures_pictures.filter_picture(weights).ravel()) == {128}
    weights[:, 0] = 1
    weights[:, 4] = -1
    picture = figures_pictures.filter_picture(weights)
    assert picture[0].min() == 255 and picture[4].max() == 0 and picture[2, 2, 0] == 128


def test_amplified_difference_is_grey_where_nothing_changed():
    clean = np.full((2, 2, 3), 100, np.uint8)
    changed = clean.copy()
    changed[0, 0] = 110
    picture = figures_pictures.amplified(changed, clean)
    assert picture[1, 1].tolist() == [127] * 3
    assert picture[0, 0].tolist() == [177] * 3


def test_groups_stay_together_in_bands():
    columns = [figures_pictures.Column(str(i), group, []) for i, group in enumerate("abbbccccccccc")]
    bands = figures_pictures.pack(columns)
    assert ["".join(column.group for column in band) for band in bands] == ["abbb", "ccccccccc"]
