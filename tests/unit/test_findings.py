"""The words made of numbers: what the report says of finished results, its captions and headline."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import yaml

from robustlens.report import captions, contrast, findings, findings_units, headline
from robustlens.report.results import FEWEST, Reading, Results, read_table
from synthetic.report import results_of

ROOT = Path(__file__).resolve().parents[2]


def test_networks_differ_where_intervals_do_not_overlap():
    low, high = Reading(0.2, 0.1, 0.3, 10), Reading(0.5, 0.4, 0.6, 10)
    assert contrast.status_of(low, high) == contrast.HIGHER
    assert contrast.status_of(high, low) == contrast.LOWER
    assert contrast.status_of(low, Reading(0.35, 0.3, 0.4, 10)) == contrast.ALIKE


def test_contrast_agrees_only_if_all_pairs_do():
    low, high = Reading(0.2, 0.1, 0.3, 10), Reading(0.5, 0.4, 0.6, 10)
    assert contrast.Contrast([("a", low, high), ("b", low, high)]).agrees() == contrast.HIGHER
    mixed = contrast.Contrast([("a", low, high), ("b", high, low)])
    assert mixed.agrees() is None
    assert contrast.mixed(mixed, "more", "less") == "more in a; less in b"
    assert contrast.Contrast([]).agrees() is None


def test_numbers_in_words():
    assert contrast.span([0.142, 0.318]) == "14–32\u00a0%"
    assert contrast.span([0.14, 0.1401]) == "14\u00a0%"
    assert contrast.percent(0.996) == "99.6"  # not 100
    assert contrast.percent(1.0) == "100"
    assert contrast.joined(["a", "b", "c"]) == "a, b and c"
    assert [contrast.everywhere(n) for n in (1, 2, 3)] == ["", " in both pairs", " in all three pairs"]


def test_answer_follows_the_numbers_not_the_paper(embedded):
    claims = read_table(embedded.claims, "claims")
    text = " ".join(findings.answer(results_of(embedded), claims))
    assert "turned decisions from texture to shape in all three pairs" in text
    assert "Of 33 comparisons, 24 support the claim they test, 4 contradict it and 5 cannot tell." in text
    turned = results_of(embedded)
    bias = turned.tables["shape_bias"]
    standard = bias["model"].str.endswith("-s")
    bias.loc[standard, ["shape_bias", "low", "high"]] = [0.95, 0.94, 0.96]
    text = findings.answer_bias(turned)
    assert "texture in AlexNet, GoogLeNet and ResNet" in text and "turned" not in text


def few(results: Results, *models: str) -> Results:
    """The same where so many of the conflict images are decided by a cue: 3 of 5 by shape."""
    table = results.table("shape_bias")
    columns = ["n_decided", "shape_bias", "low", "high"]
    table.loc[table["model"].isin(models), columns] = [5, 0.6, 0.23, 0.88]
    return results


def test_a_shape_bias_of_five_images_is_no_answer(embedded):
    """Neither in the answer nor in the findings, of a control neither; n is said. The other pairs keep their numbers, with theirs."""
    claims = read_table(embedded.claims, "claims")
    results = few(results_of(embedded), "alexnet-s", "alexnet-shape-only")
    said = " ".join(findings.answer(results, claims))
    assert "(n = 700)" in said and "in both pairs" in said
    assert "Not stated, since fewer than 10 items speak of it: shape bias (AlexNet S: n = 5, control shape-only: n = 5)." in said
    found = " ".join(findings.find_bias(results))
    assert "the control trained with texture" in found.lower() and "the control trained with shape" not in found.lower()
    everyone = few(results_of(embedded), *results.table("shape_bias")["model"])
    assert findings.answer_bias(everyone) == "" and "60" not in " ".join(findings.find_bias(everyone))
    assert "AlexNet R: n = 5" in headline.not_stated(everyone)
    assert headline.not_stated(results_of(embedded)) == ""
    assert "fewer than 10 decided images has no point" in captions.of_bias(SimpleNamespace(results=everyone))
    everyone = Results({**everyone.study, "statistics": {"fewest": 5}}, everyone.tables)
    assert "60\u00a0%" in findings.answer_bias(everyone) and headline.not_stated(everyone) == ""


def test_the_default_of_fewest_is_the_schemas():
    schema = yaml.safe_load((ROOT / "schemas" / "config.schema.yaml").read_text(encoding="utf-8"))
    assert schema["properties"]["statistics"]["properties"]["fewest"]["default"] == FEWEST == Results({}).fewest


def test_findings_count_layers(embedded):
    text = " ".join(findings_units.find_noise(results_of(embedded)))
    assert "first layer of S by 50\u00a0% and that of R by 20\u00a0%" in text
    assert "smaller in R in 14 and larger in 0 of 14 layers" in text
    assert "higher in R in 14 and lower in 0 of 14 layers" in " ".join(findings_units.find_units(results_of(embedded)))


def test_findings_inside_the_networks_have_n_and_say_where_it_is_too_few(embedded):
    """10 units in every layer of the dissection; of the filters and maps ``n_units`` as the table has it."""
    results = results_of(embedded)
    results = Results({**results.study, "statistics": {"fewest": 9}}, results.tables)  # the texture units of a layer
    text = " ".join(findings_units.find_units(results) + findings_units.find_noise(results) + findings_units.find_ablation(results))
    assert "(n = 10) of the units of S" in text and text.count("(n = ") >= 7 and "too few" not in text
    few = Results({**results.study, "statistics": {"fewest": 10_000}}, results.tables)
    text = " ".join(findings_units.find_units(few))
    assert "too few (n = 10) of the units of S" in text and "The share of" not in text
    assert findings_units.find_noise(few) == []
    assert "in 0 of the" in findings_units.find_complexity(few)[0] and "fewer than 10000 units" in findings_units.find_complexity(few)[0]
    assert all("too few texture units" in said for said in findings_units.find_ablation(few))


def test_findings_tell_what_the_training_ended_with(embedded):
    results = results_of(embedded)
    text = findings.find_training(results)
    assert text[0].startswith("Accuracy in the last epoch: S on unchanged training images ")
    assert text[1:] == ["On images that were held out: R 62\u00a0%.", "On the same images, attacked as in the training: R 38\u00a0%."]
    none = results.table("training").assign(clean_accuracy=np.nan, robust_accuracy=np.nan)
    assert findings.find_training(Results(embedded.study, {"training": none})) == text[:1]


def test_the_caption_of_the_curves_names_what_is_drawn(embedded):
    index = json.loads((embedded.folder / "reports" / "figures" / "index.json").read_text(encoding="utf-8"))
    caption = next(figure["caption"] for figure in index["figures"] if figure["name"] == "training")
    assert "Thin lines: accuracy on images that were held out" in caption
    none = results_of(embedded).table("training").assign(clean_accuracy=np.nan, robust_accuracy=np.nan)
    inputs = SimpleNamespace(results=Results(embedded.study, {"training": none}))
    assert "Thin lines" not in captions.of_training(inputs)


def test_findings_are_silent_where_nothing_was_measured(single):
    results = results_of(single)
    found = [find for find in (findings.find_bias, findings.find_training, findings_units.find_noise, findings_units.find_units)]
    found += [findings_units.find_shift, findings_units.find_complexity, findings_units.find_ablation]
    assert [find(results) for find in found] == [[]] * len(found)
    assert "lite names rightly" in findings.find_accuracy(results)[0]
    assert "no claim could be" not in " ".join(findings.answer(results, read_table(single.claims, "claims")))


# ------------------------------------------------------------------------------------------------------------------ headline
def test_headline_reads_first_filters_and_the_scrambled_stimulus_of_the_claims(embedded):
    results = results_of(embedded)
    lines = {line.key: line for line in headline.headline(results, results.panels()[0].members)}
    assert list(lines) == ["clean", "pgd", "silhouette", "stylized", "scrambled-2", "shape-bias", "first-filter-tv"]
    assert lines["first-filter-tv"].readings["robust"].value == 12
    assert lines["shape-bias"].readings["standard"].value == 0.2


def test_values_are_judged_against_the_study_they_belong_to(embedded):
    expected = pd.DataFrame(
        [("embedded", "alexnet-s", "shape-bias", 0.1, 0.3, "x"), ("embedded", "alexnet-r", "shape-bias", 0.1, 0.3, "x")]
        + [("another", "resnet-r", "shape-bias", 0.1, 0.3, "x")],
        columns=["study", "model", "statistic", "low", "high", "source"],
    )
    table = headline.compared_with_expected(results_of(embedded), expected)
    judged = table[table["verdict"] != ""].set_index("model")["verdict"].to_dict()
    assert judged == {"alexnet-s": "as expected", "alexnet-r": "OUTSIDE"}
