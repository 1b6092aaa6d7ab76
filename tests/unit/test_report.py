"""The report: what is read from finished results, the words made of numbers, the figures, the page, and a study that lacks much."""

import json
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import synthetic
from robustlens.errors import InputError
from robustlens.report import captions, contrast, figures_pictures, findings, findings_units, gallery, headline, methods, page
from robustlens.report.figures import LeftOut, save_figure
from robustlens.report.figures_behaviour import draw_accuracy
from robustlens.report.figures_top_images import TopPictures
from robustlens.report.results import RESOURCES, Reading, Results, read_cards, read_table, read_tables, stimulus_label

CLAIMS = [f"C{number}" for number in range(1, 14)]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Complete made-up results of the study that ships, with their figures."""
    made = synthetic.make_results(tmp_path_factory.mktemp("embedded"))
    draw(made)
    return made


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    """Made-up results of one network on photographs: no pair, control, concept, conflict, attack or noise."""
    made = synthetic.make_results(tmp_path_factory.mktemp("single"), synthetic.single_study())
    draw(made)
    return made


def draw(made: synthetic.Run) -> dict:
    results = results_of(made)
    inputs = gallery.Inputs(
        results,
        gallery.open_pictures(made.shards, made.weights),
        gallery.read_parquets(made.smoothness, ["model", "n_images"]),
        gallery.read_parquets(made.top_images, ["model"]),
        TopPictures(made.drawn_from["dumped"], made.units, made.top_maps),
    )
    return gallery.draw_gallery(inputs, made.folder / "reports" / "figures")


def results_of(made: synthetic.Run) -> Results:
    return Results(made.study, read_tables(made.tables))


def write(made: synthetic.Run, *, results: Results | None = None, claims: pd.DataFrame | None = None) -> str:
    wording, facts = (read_table(RESOURCES / f"{name}.csv", kind) for name, kind in (("claims", "wording"), ("published", "published")))
    claims = read_table(made.claims, "claims") if claims is None else claims
    target = made.folder / "written.html"
    page.write_page(
        target, results or results_of(made), claims, wording, facts, made.folder / "reports" / "figures", read_cards(made.cards)
    )
    return target.read_text(encoding="utf-8")


class Outline(HTMLParser):
    """What a page is made of: ids, addresses, images with their names, headings, tags that were left open."""

    VOID = {"meta", "br", "link", "img", "hr", "input"}

    def __init__(self, text: str):
        super().__init__()
        self.ids, self.addresses, self.pictures, self.headings, self.open, self.tags = [], [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.tags.append(tag)
        self.ids += [values["id"]] if "id" in values else []
        self.addresses += [values[name] for name in ("src", "href", "xlink:href", "data", "action", "poster", "srcset") if values.get(name)]
        if tag in ("img", "svg"):
            self.pictures.append(values.get("alt") or values.get("aria-label") or "")
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


# ------------------------------------------------------------------------------------------------------------------- results
def test_panels_are_the_pairs_then_models_on_their_own_without_controls(run):
    study = {**run.study, "models": {**run.study["models"], "extra": {}}}
    panels = Results(study).panels()
    assert [panel.name for panel in panels] == [*run.study["pairs"], "extra"]
    assert panels[-1].members == {"single": "extra"}


def test_stimuli_are_grouped_by_the_cue_they_keep_and_conflict_has_no_accuracy(run):
    results = results_of(run)
    assert results.stimuli("texture") == ["scrambled-2", "scrambled-4", "scrambled-8"]
    assert results.stimuli("unchanged") == ["clean"]
    assert results.conflict() not in results.stimuli()
    assert results.chance() == 1 / 8


def test_stimulus_labels_name_strength_and_unit():
    study = {
        "stimuli": {"a": {"kind": "gaussian-blur", "sigma": 2.0}, "b": {"kind": "scrambled", "grid": 4}, "black-and-white": {}},
        "attacks": {"pgd-3": {"norm": "l2", "eps": 3.0}},
    }
    assert [stimulus_label(study, name) for name in ("a", "b", "black-and-white", "pgd-3")] == [
        "blur 2 px",
        "scrambled 4×4",
        "black and white",
        "attack L2 ≤ 3",
    ]


def test_a_table_without_a_column_is_refused_and_an_empty_one_is_taken(tmp_path):
    (tmp_path / "accuracy.csv").write_text("model,stimulus\nm,clean\n")
    with pytest.raises(InputError, match="accuracy.csv: expected the columns model, .*, got no n_images, top1"):
        read_table(tmp_path / "accuracy.csv")
    (tmp_path / "concepts.csv").write_text("concept_set,name\n")
    assert read_table(tmp_path / "concepts.csv").empty
    (tmp_path / "ablation.csv").write_text("")
    assert "shape_rate" in read_table(tmp_path / "ablation.csv")


# --------------------------------------------------------------------------------------------------------------------- words
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


def test_answer_follows_the_numbers_not_the_paper(run):
    claims = read_table(run.claims, "claims")
    text = " ".join(findings.answer(results_of(run), claims))
    assert "turned decisions from texture to shape in all three pairs" in text
    assert "Of 33 comparisons, 24 support the claim they test, 4 contradict it and 5 cannot tell." in text
    turned = results_of(run)
    bias = turned.tables["shape_bias"]
    standard = bias["model"].str.endswith("-s")
    bias.loc[standard, ["shape_bias", "low", "high"]] = [0.95, 0.94, 0.96]
    text = findings.answer_bias(turned)
    assert "texture in AlexNet, GoogLeNet and ResNet" in text and "turned" not in text


def test_findings_count_layers(run):
    text = " ".join(findings_units.find_noise(results_of(run)))
    assert "first layer of S by 50\u00a0% and that of R by 20\u00a0%" in text
    assert "smaller in R in 14 and larger in 0 of 14 layers" in text
    assert "higher in R in 14 and lower in 0 of 14 layers" in " ".join(findings_units.find_units(results_of(run)))


def test_findings_tell_what_the_training_ended_with(run):
    results = results_of(run)
    text = findings.find_training(results)
    assert text[0].startswith("Accuracy in the last epoch: S on unchanged training images ")
    assert text[1:] == ["On images that were held out: R 62\u00a0%.", "On the same images, attacked as in the training: R 38\u00a0%."]
    none = results.table("training").assign(clean_accuracy=np.nan, robust_accuracy=np.nan)
    assert findings.find_training(Results(run.study, {"training": none})) == text[:1]


def test_the_caption_of_the_curves_names_what_is_drawn(run):
    index = json.loads((run.folder / "reports" / "figures" / "index.json").read_text(encoding="utf-8"))
    caption = next(figure["caption"] for figure in index["figures"] if figure["name"] == "training")
    assert "Thin lines: accuracy on images that were held out" in caption
    none = results_of(run).table("training").assign(clean_accuracy=np.nan, robust_accuracy=np.nan)
    inputs = SimpleNamespace(results=Results(run.study, {"training": none}))
    assert "Thin lines" not in captions.of_training(inputs)


def test_findings_are_silent_where_nothing_was_measured(single):
    results = results_of(single)
    found = [find for find in (findings.find_bias, findings.find_training, findings_units.find_noise, findings_units.find_units)]
    found += [findings_units.find_shift, findings_units.find_complexity, findings_units.find_ablation]
    assert [find(results) for find in found] == [[]] * len(found)
    assert "lite names rightly" in findings.find_accuracy(results)[0]
    assert "no claim could be" not in " ".join(findings.answer(results, read_table(single.claims, "claims")))


# ------------------------------------------------------------------------------------------------------------------ headline
def test_headline_reads_first_filters_and_the_scrambled_stimulus_of_the_claims(run):
    results = results_of(run)
    lines = {line.key: line for line in headline.headline(results, results.panels()[0].members)}
    assert list(lines) == ["clean", "pgd-2", "silhouette", "stylized", "scrambled-2", "shape-bias", "first-filter-tv"]
    assert lines["first-filter-tv"].readings["robust"].value == 12
    assert lines["shape-bias"].readings["standard"].value == 0.2


def test_values_are_judged_against_the_study_they_belong_to(run):
    expected = pd.DataFrame(
        [("embedded", "alexnet-s", "shape-bias", 0.1, 0.3, "x"), ("embedded", "alexnet-r", "shape-bias", 0.1, 0.3, "x")]
        + [("another", "resnet-r", "shape-bias", 0.1, 0.3, "x")],
        columns=["study", "model", "statistic", "low", "high", "source"],
    )
    table = headline.compared_with_expected(results_of(run), expected)
    judged = table[table["verdict"] != ""].set_index("model")["verdict"].to_dict()
    assert judged == {"alexnet-s": "as expected", "alexnet-r": "OUTSIDE"}


# ------------------------------------------------------------------------------------------------------------------- figures
def test_every_figure_of_a_complete_study_is_drawn(run):
    index = json.loads((run.folder / "reports" / "figures" / "index.json").read_text(encoding="utf-8"))
    assert index["left_out"] == []
    assert len(index["figures"]) == 17
    for figure in index["figures"]:
        assert figure["alt"] and figure["caption"].endswith(".")
        for name in figure["files"]:
            assert (run.folder / "reports" / "figures" / name).stat().st_size > 1000


def test_captions_tell_n(run):
    index = json.loads((run.folder / "reports" / "figures" / "index.json").read_text(encoding="utf-8"))
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


def test_equal_tables_give_equal_files(run, tmp_path):
    for stem in ("one", "two"):
        save_figure(draw_accuracy(results_of(run)), tmp_path / stem)
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


# ---------------------------------------------------------------------------------------------------------------------- page
def test_page_needs_nothing_from_elsewhere(run):
    text = write(run)
    outline = Outline(text)
    beside = ("#", "data:image/png;base64,", "explorer/units.html")
    assert not [address for address in outline.addresses if not address.startswith(beside)]
    assert not {"script", "link", "iframe", "object", "embed"} & set(outline.tags)
    assert "@import" not in text and "@font-face" not in text
    assert not re.findall(r"url\((?!#)", text)


def test_page_is_well_formed_and_its_links_arrive(run):
    outline = Outline(write(run))
    assert outline.open == []
    assert len(outline.ids) == len(set(outline.ids))
    assert not {address[1:] for address in outline.addresses if address.startswith("#")} - set(outline.ids)
    assert outline.headings[0] == 1 and outline.headings.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(outline.headings, outline.headings[1:], strict=False))


def test_every_figure_has_an_alternative_text(run):
    outline = Outline(write(run))
    assert len(outline.pictures) == 17
    assert all(len(text) > 30 for text in outline.pictures)


def test_every_claim_appears_with_its_verdict_in_words(run):
    text = write(run)
    wording = read_table(RESOURCES / "claims.csv", "wording")
    assert list(wording["claim"]) == CLAIMS
    for claim in CLAIMS:
        assert f'id="{claim}"' in text
    for verdict in ("supported", "contradicted", "undecided", "not measured"):
        assert re.search(rf"</span>\s*(\d+ )?{verdict}</span>", text)
    assert "Needs a third network" in text  # C10, not measured here


def test_published_values_stand_beside_the_comparisons_they_are_of():
    facts = read_table(RESOURCES / "published.csv", "published").astype(object).fillna("").to_dict("records")
    assert page.publication(facts, "C1", "alexnet", "accuracy on clean") == "S 0.565, R 0.398"
    assert page.publication(facts, "C2", "resnet50", "shape bias") == "S 0.222"
    assert page.publication(facts, "C4", "googlenet", "accuracy on stylized") == "R higher"
    for other in (("C1", "densenet", "accuracy on clean"), ("C1", "alexnet", "accuracy under pgd-3"), ("C2", "googlenet", "shape bias")):
        assert page.publication(facts, *other) == ""
    assert {row["source"] != "" for row in facts} == {True}


def test_what_fails_is_listed_with_the_known_reason(run):
    text = write(run)
    failing = text[text.index('<section id="failing"') : text.index('<section id="limits"')]
    assert "C5 No gain on everyday distortions" in failing and "C8 More units" in failing
    assert "C1 " not in failing
    wording = read_table(RESOURCES / "claims.csv", "wording").set_index("claim")
    assert page.Markup.escape(wording.loc["C8", "embedded_note"]) in failing


def test_notes_on_the_miniature_stay_out_of_other_studies(run):
    study = {**run.study, "sources": {name: {"kind": "image-folder"} for name in run.study["sources"]}}
    text = write(run, results=Results(study, read_tables(run.tables)))
    assert 'id="limits"' not in text
    assert "No reason is known for this study." in text


def test_claims_text_is_escaped(run):
    claims = read_table(run.claims, "claims")
    claims.loc[0, "statistic"] = "<script>alert(1)</script>"
    text = write(run, claims=claims)
    assert "<script>" not in text and "&lt;script&gt;" in text


def test_a_verdict_that_a_correction_takes_is_marked_and_stays(run):
    """Of C5, of one row a pair; beside its badge, and nowhere else."""
    text = write(run)
    marks = text.count("not after Holm’s correction")
    assert marks == len(run.study["pairs"]) == len(re.findall(r"contradicted</span> <span class=\"small\">not after Holm", text))
    results = results_of(run)
    without = Results(results.study, {name: table for name, table in results.tables.items() if name != "claim_tests"})
    assert "not after Holm" not in write(run, results=without)


def test_an_unknown_verdict_is_refused(run):
    claims = read_table(run.claims, "claims")
    claims.loc[0, "verdict"] = "maybe"
    with pytest.raises(InputError, match="claims.csv: expected a verdict of supported, .*, got maybe"):
        write(run, claims=claims)


def test_single_network_gives_a_page_that_says_what_was_not_measured(single):
    text = write(single)
    outline = Outline(text)
    assert outline.open == []
    assert "This study has none" in text and "the question stays open here" in text
    assert text.count('class="badge not-measured"') >= 12
    assert "the study has no concept-labelled images" in text
    assert "the study trains no network of which the truth is known" in text
    assert "Wilson" in text and "shape and texture score" not in text


@pytest.mark.parametrize("table", ["accuracy", "shape_bias", "total_variation", "dissection", "complexity", "ablation", "training"])
def test_page_stands_without_any_one_table(run, table):
    kept = {name: rows for name, rows in read_tables(run.tables).items() if name != table}
    assert Outline(write(run, results=Results(run.study, kept))).open == []


@pytest.mark.parametrize("missing", ["controls", "concepts", "attacks", "stimuli"])
def test_study_without_a_part_still_gives_a_report(tmp_path, missing):
    study = {**synthetic.small_study(), missing: {}}
    kept = [*study["sources"], *study["stimuli"], *study["attacks"]]
    study["suites"] = {"all": [name for name in study["suites"]["generalisation"] if name in kept]}
    if missing == "controls":
        study["models"] = {name: study["models"][name] for name in ("alexnet-s", "alexnet-r")}
    made = synthetic.make_results(tmp_path, study)
    draw(made)
    assert Outline(write(made)).open == []


def test_figures_folder_without_index_is_refused(run, tmp_path):
    with pytest.raises(InputError, match="index.json: expected the index of a folder of figures"):
        page.read_gallery(tmp_path)


def test_numbers_of_a_claim_share_their_decimals():
    row = {"architecture": "alexnet", "standard": 0.00125, "robust": 0.7, "difference": -0.69875, "low": -0.7, "high": -0.6}
    assert [page.printed(row)[key] for key in ("standard", "difference", "pair")] == ["0.001", "−0.699", "AlexNet"]
    row = {**row, "standard": 19.4, "robust": float("nan")}
    assert [page.printed(row)[key] for key in ("standard", "robust")] == ["19.4", "–"]


def test_methods_state_the_values_of_the_study(run):
    text = " ".join(definition.meaning for definition in methods.definitions(results_of(run)))
    assert "0.5 % of activations" in text and "2000 resamples" in text and "20 steps of 0.25 from a random start" in text
    assert "1-step L2 attacks of size 2" in methods.describe_training(run.study, "alexnet-r")
