"""The claims on evidence made by hand (``tiny``), all of which speaks for them, and on parts of it."""

import copy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import tiny
from robustlens.report.behaviour import read_predictions
from robustlens.report.claims import CLAIM_TESTS, CLAIMS, COLUMNS, NONE_CORRECT, judge, stimuli_asked
from robustlens.report.claims_units import contrast_in_layers, unit_row
from robustlens.report.evidence import Evidence
from robustlens.report.significance import holm

COUNTS, RATES = (f"texture share of changed decisions, texture units, {unit}" for unit in ("counts", "rates"))
BEYOND = "shape decisions changed by a texture unit beyond a unit of no concept in its layer (share)"  # none here: all units alike


def evidence(study: dict | None = None, **tables) -> Evidence:
    """All of the evidence, or with other tables in place of some."""
    full = {
        "predictions": tiny.predictions_table(),
        "filters": tiny.filters_table(),
        "smoothness": tiny.smoothness_table(),
        "units": tiny.units_table(),
        "complexity": tiny.complexity_table(),
        "ablation": tiny.ablation_table(),
        "concepts": tiny.CONCEPTS,
    }
    return Evidence(study or tiny.STUDY, **{**full, **tables})


def changed(**changes) -> dict:
    """The study with other values of keys; ``section__key`` goes into a section."""
    study = copy.deepcopy(tiny.STUDY)
    for key, value in changes.items():
        *sections, last = key.split("__")
        place = study
        for section in sections:
            place = place[section]
        place[last] = value
    return study


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return judge(evidence())


def test_every_claim_is_measured_and_supported(table):
    assert table.columns.tolist() == [*COLUMNS, *CLAIM_TESTS[5:]] and set(CLAIM_TESTS[:5]) <= set(COLUMNS)
    assert table["claim"].unique().tolist() == list(CLAIMS) and len(CLAIMS) == 12
    assert (table["architecture"] == "net").all()
    contradicted = table["verdict"] == "contradicted"
    assert table["statistic"][contradicted].tolist() == [RATES]  # S loses more texture decisions because it makes more of them
    undecided = table["verdict"] == "undecided"
    assert table["statistic"][undecided].tolist() == [BEYOND]
    assert (table["verdict"][~contradicted & ~undecided] == "supported").all()
    np.testing.assert_allclose(table["difference"], table["robust"] - table["standard"])
    assert (table["low"] <= table["difference"] + 1e-12).all() and (table["difference"] <= table["high"] + 1e-12).all()


def test_behaviour_on_paper(table):
    """Both networks are right on the first 90 originals; on ``n`` of the modified images of those the first are right."""
    rows = table[table["claim"].isin(["C1", "C2", "C3", "C4", "C5"])]
    expected = [
        ("C1", "accuracy under pgd", 0.02, 0.60, "100"),
        ("C1", "accuracy on clean", 0.98, 0.90, "100"),
        ("C2", "shape bias", 20 / 90, 65 / 90, "90+90"),
        ("C3", "accuracy on scrambled-2", 80 / 90, 50 / 90, "90"),
        ("C3", "accuracy on scrambled-4", 60 / 90, 20 / 90, "90"),
        ("C4", "accuracy on silhouette", 30 / 90, 85 / 90, "90"),
        ("C5", "mean accuracy on blur, noise", 1.0, (85 + 80) / 180, "90"),
    ]
    assert rows[["claim", "statistic"]].to_numpy().tolist() == [list(row[:2]) for row in expected]
    assert rows["n"].tolist() == [row[4] for row in expected]
    np.testing.assert_allclose(rows[["standard", "robust"]], [row[2:4] for row in expected])


def test_units_on_paper(table):
    """Per layer five units above the cut and one below; unit 5 silent and without concepts."""
    expected = {
        "first-layer filter total variation, unit norm": (10.125, 5.125, "6+6"),
        "first-layer filter total variation, raw weights": (20.25, 10.25, "6+6"),
        "first-layer filter colour share": (0.5, 0.25, "6+6"),
        "network mean filter total variation, unit norm": (10.375, 5.375, "12+12"),
        "network mean filter total variation, raw weights": (20.75, 10.75, "12+12"),
        "first-layer map total variation, relative change under noise": (0.4, 0.1, "5+5"),
        "first-layer activation, relative change under noise": (0.52, 0.22, "5+5"),
        "conv2 map total variation on clean images": (5 * 40.2 / 6, 5 * 15.2 / 6, "6+6"),
        "share of low-level units, IoU >= 0.04": (1 / 6, 4 / 6, "12+12"),
        "share of low-level units, no IoU cut": (1 / 6, 5 / 6, "12+12"),
        "share of high-level units, IoU >= 0.04": (4 / 6, 1 / 6, "12+12"),
        "share of high-level units, no IoU cut": (5 / 6, 1 / 6, "12+12"),
        "perimetric complexity of detected objects": (5.0, 1.0, "6+2"),
        "share of low-level units, IoU >= 0.04, shape-only in place of R": (1 / 6, 5 / 6, "12+12"),
        "concepts per unit, IoU >= 0.01": (32 / 6, 17 / 6, "12+12"),
        "concepts per unit that has any, IoU >= 0.01": (6.4, 3.4, "10+10"),
        RATES: ((6 / 70) / (6 / 70 + 2 / 20), (5 / 25) / (5 / 25 + 5 / 65), "2+6"),
        COUNTS: (0.75, 0.5, "2+6"),
        BEYOND: (0, 0, "4+8"),
    }
    rows = table[table["claim"].isin([f"C{n}" for n in range(6, 13)])].set_index("statistic")
    assert rows.index.tolist() == list(expected)
    assert rows["n"].tolist() == [row[2] for row in expected.values()]
    np.testing.assert_allclose(rows[["standard", "robust"]], [row[:2] for row in expected.values()])


def test_with_the_networks_exchanged_every_verdict_turns(table):
    study = changed(pairs__net={"standard": "r", "robust": "s"})
    study["controls"]["shape-only"]["model"] = "s"
    turned = judge(evidence(study))
    rows = ~turned["statistic"].isin([BEYOND, RATES]) & (turned["claim"] != "C10")
    assert (turned["verdict"][rows] == "contradicted").all()
    assert turned["verdict"][turned["claim"] == "C10"].item() == "supported"  # both shifts turned: still the same
    assert turned["verdict"][turned["statistic"] == RATES].item() == "supported"
    others = turned["claim"] != "C10"
    np.testing.assert_allclose(turned["difference"][others], -table["difference"][others])


def test_a_network_against_itself_decides_nothing():
    study = changed(pairs__net={"standard": "s", "robust": "s"})
    study["controls"]["shape-only"]["model"] = "s"
    table = judge(evidence(study))
    answers = table.set_index("statistic")["verdict"].to_dict()
    assert answers.pop("mean accuracy on blur, noise") == "supported"  # on par is what it claims
    assert answers.pop("shape bias") == "undecided"
    assert set(answers.values()) == {"undecided"}


# ----------------------------------------------------------------------------------------------------------------- what is missing
def unmeasured(table: pd.DataFrame) -> set[str]:
    rows = table[table["verdict"] == "not measured"]
    assert (rows["n"] == "0").all() and rows[["standard", "robust", "difference", "low", "high"]].isna().all(axis=None)
    assert len(rows) == rows["claim"].nunique() and not set(rows["claim"]) & set(table["claim"][table["verdict"] != "not measured"])
    return set(rows["claim"])


def test_of_nothing_nothing_is_measured():
    empty = pd.DataFrame()
    nothing = Evidence(tiny.STUDY, read_predictions([]), empty, empty, empty, empty, empty, empty)
    assert unmeasured(judge(nothing)) == set(CLAIMS)
    assert unmeasured(judge(evidence(changed(pairs={})))) == set(CLAIMS)


@pytest.mark.parametrize(
    ("missing", "claims"),
    [
        ("predictions", {"C1", "C2", "C3", "C4", "C5"}),
        ("filters", {"C6"}),
        ("smoothness", {"C7"}),
        ("units", {"C8", "C9", "C10", "C11", "C12"}),
        ("complexity", {"C11"}),
        ("ablation", {"C12"}),
    ],
)
def test_a_table_that_is_missing_leaves_its_claims_open(missing, claims):
    empty = read_predictions([]) if missing == "predictions" else pd.DataFrame()
    assert unmeasured(judge(evidence(**{missing: empty}))) == claims
    full = getattr(evidence(), missing)
    assert unmeasured(judge(evidence(**{missing: full[full["model"] != "r"]}))) == claims


def test_what_the_study_does_not_ask_is_not_measured():
    nothing = {"adversarial": None, "cue_conflict": None, "scrambled": [], "texture_less": [], "distortions": []}
    table = judge(evidence(changed(claims=nothing, controls={})))
    assert unmeasured(table) == {"C2", "C3", "C4", "C5", "C10"}
    assert table["statistic"][table["claim"] == "C1"].tolist() == ["accuracy on clean"]


def test_a_stimulus_that_was_not_predicted_has_no_row():
    table = judge(evidence(changed(claims__scrambled=["scrambled-2", "scrambled-16"], claims__distortions=["blur", "fog"])))
    assert table["statistic"][table["claim"] == "C3"].tolist() == ["accuracy on scrambled-2"]
    assert unmeasured(table) == {"C5"}


def test_predictions_that_no_claim_speaks_of_are_not_needed(tmp_path, table):
    asked = stimuli_asked(tiny.STUDY)
    assert asked == ["clean", "pgd", "conflict", "scrambled-2", "scrambled-4", "silhouette", "blur", "noise"]
    full = tiny.predictions_table()
    more = pd.concat([full, full[full["stimulus"] == "clean"].assign(stimulus="elsewhere")])
    for rows in (more, more[more["stimulus"].isin(asked)]):
        pd.testing.assert_frame_equal(judge(evidence(predictions=rows)), table)
    read = read_predictions(tiny.write_predictions(tmp_path), asked)
    assert read["image_id"].dtype == "category"
    pd.testing.assert_frame_equal(judge(evidence(predictions=read)), table)
    nothing = {"adversarial": None, "cue_conflict": None, "scrambled": [], "texture_less": [], "distortions": []}
    assert stimuli_asked(changed(claims=nothing)) == ["clean"]


def test_two_architectures_and_two_concept_sets():
    study = changed(pairs__other={"standard": "s", "robust": "r"}, concepts={"scenes": {}, "photos": {}})
    photos = {
        "units": pd.concat([tiny.units_table(), tiny.units_table("photos")]),
        "complexity": pd.concat([tiny.complexity_table(), tiny.complexity_table("photos")]),
        "concepts": pd.concat([tiny.CONCEPTS, tiny.CONCEPTS.assign(concept_set="photos", perimetric_complexity=[1, 9, 7, 2, 2])]),
    }
    table = judge(evidence(study, **photos))
    assert table["architecture"].unique().tolist() == ["net", "other"]
    assert table["architecture"][table["claim"] == "C10"].unique().tolist() == ["net"]  # the control's own
    rows = table[(table["claim"] == "C9") & (table["architecture"] == "net")]
    assert rows["statistic"].tolist() == [f"perimetric complexity of detected objects{name}" for name in ("", " (photos)")]
    np.testing.assert_allclose(rows[["standard", "robust"]], [[5, 1], [7, 2]])
    assert (table["n"][table["claim"] == "C11"].isin(["12+12", "10+10"])).all()  # of one set at a time


# ------------------------------------------------------------------------------------------------------- the images that are tested
@pytest.mark.parametrize(("only", "n", "words"), [(True, "90", ""), (False, "100", " (all images)")])
def test_only_images_that_both_label_correctly(only, n, words):
    """Of the ten images that not both get right, S has five blurred and six noisy ones right, R none."""
    rows = judge(evidence(changed(claims__only_both_correct=only))).set_index("claim").loc[["C3", "C4", "C5"]]
    assert rows["n"].tolist() == [n] * 4
    names = [*(f"accuracy on {name}" for name in ("scrambled-2", "scrambled-4", "silhouette")), "mean accuracy on blur, noise"]
    assert rows["statistic"].tolist() == [name + words for name in names]
    blurred = {True: (1.0, (85 + 80) / 180), False: ((95 + 96) / 200, (85 + 80) / 200)}
    np.testing.assert_allclose(rows.loc["C5", ["standard", "robust"]].astype(float), blurred[only])


def other_images(*stimuli: str) -> pd.DataFrame:
    """The predictions with other images, of which there is no original, in place of those of some stimuli."""
    table = tiny.predictions_table()
    drawn = table["stimulus"].isin(stimuli)
    return table.assign(image_id=table["image_id"].where(~drawn, "drawn-" + table["image_id"]))


def test_images_without_an_original_are_all_tested():
    rows = judge(evidence(predictions=other_images("silhouette"))).set_index("claim")
    assert rows.loc["C3", "n"].tolist() == ["90", "90"] and rows.loc["C5", "n"] == "90"
    assert rows.loc["C4", ["statistic", "standard", "robust", "n"]].tolist() == ["accuracy on silhouette (all images)", 0.3, 0.85, "100"]
    rows = judge(evidence(predictions=other_images("blur", "noise"))).set_index("claim")
    assert rows.loc["C5", ["statistic", "n"]].tolist() == ["mean accuracy on blur, noise (all images)", "100"]
    np.testing.assert_allclose(rows.loc["C5", ["standard", "robust"]].astype(float), [(95 + 96) / 200, (85 + 80) / 200])


def test_some_of_the_originals_are_enough():
    """Silhouettes of the last 20 images: of their originals both networks have the first ten right."""
    table = tiny.predictions_table()
    late = table["image_id"].str.fullmatch(r"image-[89]\d")
    rows = judge(evidence(predictions=table[(table["stimulus"] != "silhouette") | late])).set_index("claim")
    assert rows.loc["C4", ["statistic", "standard", "robust", "n"]].tolist() == ["accuracy on silhouette", 0.0, 0.5, "10"]


def test_images_of_which_no_original_is_right_have_no_row():
    table = tiny.predictions_table()
    wrong = (table["stimulus"] == "clean") & (table["model"] == "r")
    rows = judge(evidence(predictions=table.assign(correct=table["correct"] & ~wrong)))
    assert {"C3", "C4", "C5"} == unmeasured(rows)
    assert set(rows["statistic"][rows["verdict"] == "not measured"]) == {NONE_CORRECT}


def test_where_no_unit_qualifies_the_reason_is_not_that_the_study_lacks_images():
    units = tiny.units_table()
    rows = judge(evidence(units=units.assign(category=units["category"].replace({"object": "part", "texture": "part"}))))
    assert unmeasured(rows) == {"C9", "C12"}
    said = rows.set_index("claim")["statistic"]
    assert said["C9"] == "S, R or both have no unit that detects an object"
    assert said["C12"] == "S, R or both have no ablated unit that detects a texture"


@pytest.mark.parametrize(("decided", "answer"), [((0, 9), "undecided"), ((0, 10), "supported")])
@pytest.mark.parametrize("exchanged", [False, True])
def test_a_shape_bias_counts_the_images_that_are_decided(monkeypatch, decided, answer, exchanged):
    """9 or 10 of 100 images decided by one of the two networks, at the default of 10."""
    of_s, of_r = ((20, 70), decided[::-1]) if exchanged else (decided, (70, 20))
    monkeypatch.setattr(tiny, "CONFLICT", {"s": of_s, "r": of_r})
    row = judge(evidence(changed(statistics__fewest=10))).set_index("claim").loc["C2"]
    assert row[["n", "verdict"]].tolist() == [f"{sum(of_s)}+{sum(of_r)}", answer]


def test_many_distortions_are_counted_and_not_listed():
    names = [f"fog-{level}" for level in range(6)]
    table = tiny.predictions_table()
    more = pd.concat([table, *(table[table["stimulus"] == "blur"].assign(stimulus=name) for name in names)])
    rows = judge(evidence(changed(claims__distortions=names), predictions=more)).set_index("claim")
    assert rows.loc["C5", ["statistic", "standard", "n"]].tolist() == ["mean accuracy on 6 distortions", 1.0, "90"]


# --------------------------------------------------------------------------------------------------------------------- verdicts
@pytest.mark.parametrize(
    ("standard", "robust", "answer"),
    [
        ((20, 70), (70, 20), "supported"),
        ((5, 85), (25, 65), "contradicted"),  # more shape, but R decides by texture
        ((65, 25), (85, 5), "contradicted"),  # more shape, but S decided by shape already
        ((20, 70), (47, 43), "undecided"),  # more shape, and R may be on either side
        ((45, 45), (48, 42), "undecided"),
        ((0, 0), (70, 20), "not measured"),  # S decides for neither cue
    ],
)
def test_from_texture_to_shape(monkeypatch, standard, robust, answer):
    monkeypatch.setattr(tiny, "CONFLICT", {"s": standard, "r": robust})
    table = judge(evidence())
    assert table["verdict"][table["claim"] == "C2"].tolist() == [answer]


@pytest.mark.parametrize(("right", "answer"), [(90, "supported"), (85, "supported"), (80, "undecided"), (60, "contradicted")])
def test_on_par_within_the_margin(monkeypatch, right, answer):
    """S is right on ``right`` of 90 distorted images, R on 85: R may be better by the margin of 0.02."""
    blurred = {"s": {**tiny.RIGHT["s"], "blur": right}, "r": {**tiny.RIGHT["r"], "blur": 85}}
    monkeypatch.setattr(tiny, "RIGHT", blurred)
    rows = judge(evidence(changed(claims__distortions=["blur"])))
    assert rows["verdict"][rows["claim"] == "C5"].tolist() == [answer]


def test_few_items_decide_nothing(table):
    """A bootstrap of a handful of items knows no spread."""
    few = judge(evidence(changed(statistics__fewest=6)))
    assert few.drop(columns=["verdict", "survives"]).equals(table.drop(columns=["verdict", "survives"]))
    assert (few["survives"][few["verdict"] == "undecided"] == "").all()
    smallest = few["n"].map(lambda n: min(map(int, n.split("+"))))
    assert set(smallest[smallest < 6]) == {2, 4, 5} and 6 in set(smallest)
    assert (few["verdict"] == np.where(smallest < 6, "undecided", "supported")).all()


def test_few_images_that_differ_decide_nothing(monkeypatch):
    """Two images of a hundred on which S and R differ: no difference, however sure the bootstrap is."""
    monkeypatch.setattr(tiny, "RIGHT", {"s": tiny.RIGHT["s"], "r": {**tiny.RIGHT["r"], "scrambled-2": tiny.RIGHT["s"]["scrambled-2"] - 8}})
    for fewest, answer in ((8, "supported"), (9, "undecided")):
        rows = judge(evidence(changed(statistics__fewest=fewest))).set_index("statistic")
        assert rows.loc["accuracy on scrambled-2", "verdict"] == answer


def test_a_texture_unit_beyond_a_unit_of_no_concept():
    """One layer, two textures that change 4 and 2 of 10, two units without a concept that change 1 and 1: 0.3 - 0.1."""
    statistic = contrast_in_layers(np.array([0.4, 0.2, 0.1, 0.1]), np.array([True, True, False, False]), np.array(["a"] * 4))
    np.testing.assert_allclose(statistic(np.array([[1.0, 1, 1, 1], [2, 0, 1, 1], [1, 1, 2, 0]])), [0.2, 0.3, 0.2])


def test_images_are_compared_with_themselves():
    """The rows of the two networks are matched by id: their order says nothing."""
    predictions = tiny.predictions_table()
    mixed = predictions.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(judge(evidence(predictions=mixed)), judge(evidence(predictions=predictions)))


def test_the_same_evidence_gives_the_same_table(table):
    pd.testing.assert_frame_equal(judge(evidence()), table)


# ----------------------------------------------------------------------------------------------------------------------- tests
def test_tests_on_paper(table):
    """McNemar: S alone right on 8 clean images, R alone on 58 attacked ones; filters of R all below those of S; units of conv1 and 2."""
    rows = table.set_index("statistic")
    assert rows.loc["accuracy on clean", ["test", "p", "effect"]].tolist() == ["mcnemar", pytest.approx(2 * 0.5**8), -1]
    assert rows.loc["accuracy under pgd", ["test", "p", "effect"]].tolist() == ["mcnemar", pytest.approx(2 * 0.5**58), 1]
    shape = rows.loc["shape bias", ["test", "p", "effect"]].tolist()  # 90 images decided by both, 45 by texture in S and by shape in R
    assert shape == ["mcnemar", pytest.approx(2 * 0.5**45), 1]
    assert rows.loc["mean accuracy on blur, noise", "test"] == "paired-t"
    first = rows.loc["first-layer filter total variation, unit norm", ["test", "p", "effect"]].tolist()
    assert first == ["mann-whitney", pytest.approx(stats.mannwhitneyu(range(6), range(6, 12), method="asymptotic").pvalue), -1]
    assert rows.loc["share of low-level units, IoU >= 0.04", "effect"] == pytest.approx(0.5)  # of 36 pairs a layer 20 with only R, 2 only S
    assert set(rows["test"]) == {"mcnemar", "paired-t", "mann-whitney"}


def test_the_family_is_the_whole_table(table):
    np.testing.assert_allclose(table["p_holm"], holm(table["p"]))
    first = table.sort_values("p").iloc[0]
    assert first["p_holm"] == pytest.approx(first["p"] * table["p"].notna().sum())
    reached = table["verdict"].isin(["supported", "contradicted"])
    assert (table["survives"][~reached] == "").all()
    expected = (table["p_holm"] < 0.05)[reached].map({True: "true", False: "false"})
    assert (table["survives"][reached] == expected).all()
    assert {"true", "false"} == set(table["survives"][reached])


def test_a_verdict_does_not_survive_by_a_test_that_points_elsewhere():
    """R's mean is higher by one wide unit, most of its units are lower."""
    values = [np.arange(40.0), np.append(np.arange(39.0) - 30, 3e5)]
    row = next(unit_row("made up", values, 1, evidence(), "net"))
    assert row.difference > 0 and row.test.effect < 0 and row.test.p < 1e-4
    assert replace(row, verdict="supported").survives(row.test.p, 0.05) is False
    assert replace(row, verdict="supported", leaning=-1.0).survives(row.test.p, 0.05) is True
    assert replace(row, verdict="undecided").survives(row.test.p, 0.05) is None
