"""Errors on ImageNet-C: published numbers, small tables reckoned by a loop, and what the bootstrap must know of severities."""

import numpy as np
import pandas as pd
import pytest

from robustlens.errors import InputError
from robustlens.report.behaviour import accuracy
from robustlens.report.corruptions import (
    ALEXNET,
    CORRUPTION_ERRORS,
    MCE,
    SEVERITIES,
    corruption_errors,
    corruption_scores,
    image_errors,
    read_alexnet,
    severities,
)
from robustlens.shorthand import COMMON
from robustlens.statistics import wilson

PUBLISHED = {  # mean errors of AlexNet as the authors give them, beside those by severity
    **{"gaussian-noise": 0.886428, "shot-noise": 0.894468, "impulse-noise": 0.922640, "defocus-blur": 0.819880, "glass-blur": 0.826268},
    **{"motion-blur": 0.785948, "zoom-blur": 0.798360, "snow": 0.866816, "frost": 0.826572, "fog": 0.819324, "brightness": 0.564592},
    **{"contrast": 0.853204, "elastic-transform": 0.646056, "pixelate": 0.717840, "jpeg-compression": 0.606500},
}
SETS = {f"made-{kind}-{level}": {"corruption": kind, "severity": level} for kind in COMMON for level in SEVERITIES}


def some(kinds: list[str], levels: list[int] = SEVERITIES) -> dict[str, dict]:
    return {name: entry for name, entry in SETS.items() if entry["corruption"] in kinds and entry["severity"] in levels}


def decisions(model: str, chance: dict[str, float], n: int = 60, seed: int = 0) -> pd.DataFrame:
    """Predictions of a model that errs on a stimulus with a given chance, image by image and set by set apart."""
    random = np.random.default_rng([seed, len(model)])
    parts = [
        pd.DataFrame({"image_id": [f"i{k:03d}" for k in range(n)], "correct": random.random(n) >= p}).assign(stimulus=name)
        for name, p in chance.items()
    ]
    return pd.concat(parts, ignore_index=True).assign(model=model, label=0, in_top5=True)


def table_of(*tables: pd.DataFrame, sets: dict, baseline: str | None = None, count: int = 50) -> pd.DataFrame:
    """The scores of the models of ``tables``, by model and statistic."""
    errors = {table["model"].iloc[0]: image_errors(table, sets) for table in tables}
    return corruption_scores(errors, sets, baseline=baseline, count=count).set_index(["model", "statistic"])


# -------------------------------------------------------------------------------------------------------------- AlexNet's table
def test_the_published_means_are_those_of_the_severities():
    assert {kind: round(error, 6) for kind, error in read_alexnet().items()} == PUBLISHED
    assert set(PUBLISHED) == set(COMMON) and len(pd.read_csv(ALEXNET)) == 75


def test_the_table_is_read_by_name(tmp_path):
    pd.read_csv(ALEXNET).sample(frac=1, random_state=0).to_csv(tmp_path / "mixed.csv", index=False)
    assert read_alexnet(tmp_path / "mixed.csv") == pytest.approx(read_alexnet(), abs=1e-15)
    table = pd.read_csv(ALEXNET)
    table[table["severity"] * (table["corruption"] == "fog") != 3].to_csv(tmp_path / "short.csv", index=False)
    with pytest.raises(InputError, match=r"short.csv: expected severities 1 to 5 of fog, each once, got \[1, 2, 4, 5\]"):
        read_alexnet(tmp_path / "short.csv")


def test_alexnet_has_an_mce_of_one():
    """Errors on so many of the 50,000 images as the table says: every CE and their mean are 100 %."""
    table = pd.read_csv(ALEXNET)
    wrong = (50_000 * table["error"]).round().astype(int)
    np.testing.assert_allclose(wrong / 50_000, table["error"], rtol=1e-12)
    images = np.arange(50_000)
    columns = {kind: sum((images < n) / 5 for n in wrong[table["corruption"] == kind]) for kind in COMMON}
    index = pd.Index([f"i{k:05d}" for k in images])
    scores = corruption_scores({"alexnet": pd.DataFrame({**columns, "clean": 0.5}, index=index)}, SETS, baseline=None, count=8)
    scores = scores.set_index("statistic")["value"]
    assert scores["mce"] == pytest.approx(1, abs=1e-12)
    assert all(scores[f"ce-{kind}"] == pytest.approx(1, abs=1e-12) for kind in COMMON)
    assert scores["mean-error"] == pytest.approx(sum(PUBLISHED.values()) / 15, abs=1e-12)


# -------------------------------------------------------------------------------------------------------------------- by hand
def test_image_errors_on_paper():
    """Image a errs on fog 2 alone, b on both and on clean, c lacks fog 2, d has no label."""
    sets = some(["fog"], [1, 2])
    rows = [
        ("a", 1, 1),
        ("b", 1, 0),
        ("c", 1, 1),
        ("d", 1, 0),
        ("a", 2, 0),
        ("b", 2, 0),
        ("d", 2, 0),
        ("a", 0, 1),
        ("b", 0, 0),
        ("z", 0, 0),
    ]
    table = pd.DataFrame(rows, columns=["image_id", "level", "correct"]).astype({"correct": bool})
    table["stimulus"] = ["made-fog-" + str(level) if level else "clean" for level in table["level"]]
    table["label"] = np.where(table["image_id"] == "d", -1, 0)
    found = image_errors(table, sets)
    assert found.index.tolist() == ["a", "b"] and found.columns.tolist() == ["fog", "clean"]
    assert found.to_numpy().tolist() == [[0.5, 0], [1, 1]]
    pd.testing.assert_frame_equal(image_errors(table[::-1].astype({"stimulus": "category", "image_id": "category"}), sets), found)
    assert image_errors(table[table["stimulus"] != "clean"], sets)["clean"].isna().all()
    assert image_errors(table[:0], sets).shape == (0, 2) and image_errors(table, {}).shape[1] == 1


def test_errors_by_severity():
    chance = {"clean": 0.1, "made-fog-2": 0.4, "made-fog-1": 0.2, "made-snow-5": 0.8}
    predictions = pd.concat([decisions("s", chance), decisions("rr", chance)], ignore_index=True)
    sets = some(["fog"], [1, 2, 3]) | some(["snow"], [5])  # fog 3 was not predicted
    table = corruption_errors(accuracy(predictions), sets)
    assert table.columns.tolist() == CORRUPTION_ERRORS
    assert table[["model", "corruption", "severity"]].to_numpy().tolist() == [
        [model, *level] for model in ("s", "rr") for level in (("snow", 5), ("fog", 1), ("fog", 2))
    ]
    for row in table.itertuples():
        of_set = predictions[(predictions["model"] == row.model) & (predictions["stimulus"] == f"made-{row.corruption}-{row.severity}")]
        wrong = int((~of_set["correct"]).sum())
        assert row.n_images == 60
        np.testing.assert_allclose([row.error, row.low, row.high], [wrong / 60, *wilson(wrong, 60)], rtol=1e-12)


def test_scores_against_a_loop():
    kinds, random = list(COMMON), np.random.default_rng(3)
    chances = [{"clean": 0.1, **{name: random.uniform(0.3, 0.9) for name in SETS}} for _ in range(2)]
    tables = {model: decisions(model, chance) for model, chance in zip(("net", "base-line"), chances, strict=True)}
    error = {}
    for model, table in tables.items():
        for name in (*SETS, "clean"):
            correct = table["correct"][table["stimulus"] == name].tolist()
            error[model, name] = correct.count(False) / len(correct)
    scores = table_of(*tables.values(), sets=SETS, baseline="base-line")["value"]
    published = pd.read_csv(ALEXNET)
    for model in tables:
        of_kind = {kind: [error[model, f"made-{kind}-{level}"] for level in SEVERITIES] for kind in kinds}
        of_base = {kind: [error["base-line", f"made-{kind}-{level}"] for level in SEVERITIES] for kind in kinds}
        ce = {kind: sum(of_kind[kind]) / published["error"][published["corruption"] == kind].sum() for kind in kinds}
        own = {kind: sum(of_kind[kind]) / sum(of_base[kind]) for kind in kinds}
        relative = {
            kind: sum(e - error[model, "clean"] for e in of_kind[kind]) / sum(e - error["base-line", "clean"] for e in of_base[kind])
            for kind in kinds
        }
        expected = {"mean-error": sum(map(sum, of_kind.values())) / 75}
        for name, found in (("ce", ce), ("ce-baseline", own), ("relative-ce-baseline", relative)):
            expected |= {f"{name}-{kind}": value for kind, value in found.items()}
            expected[name.replace("ce", "mce") if name != "relative-ce-baseline" else "relative-mce-baseline"] = sum(found.values()) / 15
        assert scores[model].to_dict() == pytest.approx(expected)


def test_a_network_against_itself():
    """The same images are drawn for both: the ratio does not move."""
    chance = {"clean": 0.1, **{name: 0.5 for name in SETS}}
    scores = table_of(decisions("net", chance), sets=SETS, baseline="net")
    rows = scores[scores.index.get_level_values("statistic").str.contains("baseline")]
    assert len(rows) == 2 * 16 and (rows[["value", "low", "high"]] == 1).all(axis=None)


# ---------------------------------------------------------------------------------------------------------------- what is missing
def test_without_a_baseline_or_originals():
    chance = {name: 0.5 for name in SETS}
    for baseline, table in ((None, decisions("net", {"clean": 0.1, **chance})), ("net", decisions("net", chance))):
        scores = table_of(table, sets=SETS, baseline=baseline)
        assert scores.loc[("net", "mce"), ["value", "low", "high"]].notna().all()
        assert scores.loc[("net", "relative-mce-baseline"), ["value", "low", "high"]].isna().all()
        assert scores.loc[("net", "mce-baseline"), "value"] == pytest.approx(1, nan_ok=True) or baseline is None
        assert np.isnan(scores.loc[("net", "mce-baseline"), "value"]) == (baseline is None)


def test_only_a_complete_set_gives_mce():
    """Fog complete, snow of two severities: one CE, no mCE, and the mean error over what is there; gaussian blur is not of the 15."""
    blur = {f"blur-{level}": {"corruption": "gaussian-blur", "severity": level} for level in SEVERITIES}
    sets = {**some(["fog"]), **some(["snow"], [1, 4]), **blur}
    table = decisions("net", {"clean": 0.1, **{name: 0.2 if "fog" in name else 0.6 for name in sets}})
    scores = table_of(table, sets=sets, baseline="net")
    error = {name: 1 - rows["correct"].mean() for name, rows in table.groupby("stimulus")}
    fog, snow = (np.mean([error[name] for name in some([kind]) if name in error]) for kind in ("fog", "snow"))
    assert scores.loc[("net", "mean-error"), ["n_images", "n_corruptions"]].tolist() == [60, 2]
    assert scores.loc[("net", "mean-error"), "value"] == pytest.approx((fog + snow) / 2)
    assert scores.loc[("net", "mce"), "n_corruptions"] == 1
    assert scores.loc[("net", ["mce", "mce-baseline", "relative-mce-baseline"]), ["value", "low", "high"]].isna().all(axis=None)
    assert scores.loc[("net", "ce-fog"), "value"] == pytest.approx(fog / PUBLISHED["fog"])
    names = set(scores.loc["net"].index)
    assert "ce-snow" not in names and "ce-gaussian-blur" not in names and "ce-baseline-gaussian-blur" in names


def test_nothing_to_score():
    assert corruption_scores({}, SETS, baseline=None, count=5).columns.tolist() == MCE
    assert not len(corruption_scores({"net": image_errors(decisions("net", {"clean": 0.1}), {})}, {}, baseline=None, count=5))
    nothing = table_of(decisions("net", {"clean": 0.1}), sets=SETS)
    assert (nothing["n_images"] == 0).all() and nothing["value"].isna().all()
    assert corruption_errors(accuracy(decisions("net", {"clean": 0.1})), SETS).columns.tolist() == CORRUPTION_ERRORS


def test_the_baseline_does_no_worse_on_corrupted_images():
    """Then there is nothing to be relative to, rather than a ratio to a negative number."""
    sets = some(["fog"])
    base = decisions("base-line", {"clean": 1.0, **{name: 0.5 for name in sets}})
    scores = table_of(decisions("net", {"clean": 0.1, **{name: 0.5 for name in sets}}), base, sets=sets, baseline="base-line")
    assert scores.loc[("net", "relative-ce-baseline-fog"), ["value", "low", "high"]].isna().all()


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ({"a": {"corruption": "rain", "severity": 1}}, "corruption of a: expected one of ImageNet-C, got rain"),
        (
            {"a": {"corruption": "fog", "severity": 6}},
            "corruption of a: expected severity 1 to 5, .*, got fog of severity 6",
        ),
        ({name: {"corruption": "fog", "severity": 2} for name in "ab"}, "corruption of b: expected severity .*, got fog of severity 2"),
    ],
)
def test_levels_that_are_refused(sets, message):
    with pytest.raises(InputError, match=message):
        severities(sets)


# ----------------------------------------------------------------------------------------------------------------- the bootstrap
def test_an_image_is_drawn_with_all_its_severities():
    """Errors that are the same at all severities leave an interval wider by sqrt(5) than errors that have nothing to do with each other."""
    sets, n = some(["fog"]), 400
    apart = decisions("net", {name: 0.5 for name in sets}, n)
    together = apart.assign(correct=np.tile(apart["correct"][:n].to_numpy(), 5))
    for table, deviation in ((apart, 0.5 / np.sqrt(5 * n)), (together, 0.5 / np.sqrt(n))):
        row = table_of(table, sets=sets, count=2000).loc[("net", "mean-error")]
        assert row["high"] - row["low"] == pytest.approx(2 * 1.96 * deviation, rel=0.1)
        assert row["low"] < row["value"] < row["high"]


def test_neither_rows_nor_other_models_move_an_interval():
    chance = {"clean": 0.1, **{name: 0.5 for name in SETS}}
    one, other = decisions("net", chance), decisions("other", chance)
    alone = table_of(one, sets=SETS)
    pd.testing.assert_frame_equal(table_of(other, one.sample(frac=1, random_state=0), sets=SETS).loc[["net"]], alone)
    assert not alone.equals(table_of(other, sets=SETS).rename(index={"other": "net"}))
