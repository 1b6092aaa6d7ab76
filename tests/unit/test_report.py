"""The report: what is read from finished results, the page, and a study that lacks much. Its words: test_findings.py."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

import synthetic
from robustlens.errors import InputError
from robustlens.report import methods, page
from robustlens.report.claims import NONE_CORRECT
from robustlens.report.results import RESOURCES, Results, read_table, read_tables, stimulus_label
from synthetic.report import draw, results_of, write

CLAIMS = [f"C{number}" for number in range(1, 14)]


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
def test_panels_are_the_pairs_then_models_on_their_own_without_controls(embedded):
    study = {**embedded.study, "models": {**embedded.study["models"], "extra": {}}}
    panels = Results(study).panels()
    assert [panel.name for panel in panels] == [*embedded.study["pairs"], "extra"]
    assert panels[-1].members == {"single": "extra"}


def test_stimuli_are_grouped_by_the_cue_they_keep_and_conflict_has_no_accuracy(embedded):
    results = results_of(embedded)
    assert results.stimuli("texture") == ["scrambled-2", "scrambled-4"]
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


# ---------------------------------------------------------------------------------------------------------------------- page
@pytest.fixture
def text(embedded) -> str:
    """The page of a complete study."""
    return Path(embedded.page).read_text(encoding="utf-8")


def test_page_needs_nothing_from_elsewhere(text):
    outline = Outline(text)
    beside = ("#", "data:image/png;base64,", "explorer/units.html")
    assert not [address for address in outline.addresses if not address.startswith(beside)]
    assert not {"script", "link", "iframe", "object", "embed"} & set(outline.tags)
    assert "@import" not in text and "@font-face" not in text
    assert not re.findall(r"url\((?!#)", text)


def test_page_is_well_formed_and_its_links_arrive(text):
    outline = Outline(text)
    assert outline.open == []
    assert len(outline.ids) == len(set(outline.ids))
    assert not {address[1:] for address in outline.addresses if address.startswith("#")} - set(outline.ids)
    assert outline.headings[0] == 1 and outline.headings.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(outline.headings, outline.headings[1:], strict=False))


def test_every_figure_has_an_alternative_text(text):
    outline = Outline(text)
    assert len(outline.pictures) == 17
    assert all(len(text) > 30 for text in outline.pictures)


def test_every_claim_appears_with_its_verdict_in_words(text):
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


def test_what_fails_is_listed_with_the_known_reason(text):
    failing = text[text.index('<section id="failing"') : text.index('<section id="limits"')]
    assert "C5 No gain on everyday distortions" in failing and "C8 More units" in failing
    assert "C1 " not in failing
    wording = read_table(RESOURCES / "claims.csv", "wording").set_index("claim")
    assert page.Markup.escape(wording.loc["C8", "embedded_note"]) in failing


def test_notes_on_the_miniature_stay_out_of_other_studies(embedded):
    study = {**embedded.study, "sources": {name: {"kind": "image-folder"} for name in embedded.study["sources"]}}
    text = write(embedded, results=Results(study, read_tables(embedded.tables)))
    assert 'id="limits"' not in text
    assert "No reason is known for this study." in text


def test_claims_text_is_escaped(embedded):
    claims = read_table(embedded.claims, "claims")
    claims.loc[0, "statistic"] = "<script>alert(1)</script>"
    text = write(embedded, claims=claims)
    assert "<script>" not in text and "&lt;script&gt;" in text


def test_a_claim_that_was_not_measured_says_why(embedded):
    """C2 where the study lacks what it needs, C3 where no image counts, C9 where one network's number has no interval."""
    claims = read_table(embedded.claims, "claims")
    rest = claims[~claims["claim"].isin(["C2", "C3", "C9"])]
    none = [(name, "", why, *[float("nan")] * 5, "0", "not measured") for name, why in (("C2", None), ("C3", NONE_CORRECT))]
    none.append(("C9", "resnet", "size", *[float("nan")] * 5, "3+0", "not measured"))
    text = write(embedded, claims=pd.concat([rest, pd.DataFrame(none, columns=claims.columns)], ignore_index=True))
    assert "Needs a pair of networks and cue-conflict images." in text and "Needs a pair of networks and scrambled images." not in text
    assert f"Not measured: {NONE_CORRECT}." in text and "Not measured: size of ResNet has no interval (n 3+0)." in text


def test_a_verdict_that_a_correction_takes_is_marked_and_stays(embedded, text):
    """Of C5, of one row a pair; beside its badge, and nowhere else."""
    marks = text.count("not after Holm’s correction")
    assert marks == len(embedded.study["pairs"]) == len(re.findall(r"contradicted</span> <span class=\"small\">not after Holm", text))
    results = results_of(embedded)
    without = Results(results.study, {name: table for name, table in results.tables.items() if name != "claim_tests"})
    assert "not after Holm" not in write(embedded, results=without)


def test_an_unknown_verdict_is_refused(embedded):
    claims = read_table(embedded.claims, "claims")
    claims.loc[0, "verdict"] = "maybe"
    with pytest.raises(InputError, match="claims.csv: expected a verdict of supported, .*, got maybe"):
        write(embedded, claims=claims)


def test_single_network_gives_a_page_that_says_what_was_not_measured(single):
    text = Path(single.page).read_text(encoding="utf-8")
    outline = Outline(text)
    assert outline.open == []
    assert "This study has none" in text and "the question stays open here" in text
    assert text.count('class="badge not-measured"') >= 12
    assert "the study has no concept-labelled images" in text
    assert "the study trains no network of which the truth is known" in text
    assert "Wilson" in text and "shape and texture score" not in text


@pytest.mark.parametrize("table", ["accuracy", "shape_bias", "total_variation", "dissection", "complexity", "ablation", "training"])
def test_page_stands_without_any_one_table(embedded, table):
    kept = {name: rows for name, rows in read_tables(embedded.tables).items() if name != table}
    assert Outline(write(embedded, results=Results(embedded.study, kept))).open == []


@pytest.mark.parametrize("missing", ["controls", "concepts", "attacks", "stimuli"])
def test_study_without_a_part_still_gives_a_report(tmp_path, missing):
    study = {**synthetic.small_study(), missing: {}}
    kept = [*study["sources"], *study["stimuli"], *study["attacks"]]
    study["suites"] = {"all": [name for name in study["suites"]["generalisation"] if name in kept]}
    if missing == "controls":
        study["models"] = {name: study["models"][name] for name in ("alexnet-s", "alexnet-r")}
    made = synthetic.make_results(tmp_path, study)
    draw(made, lightly=True)
    assert Outline(write(made)).open == []


def test_figures_folder_without_index_is_refused(embedded, tmp_path):
    with pytest.raises(InputError, match="index.json: expected the index of a folder of figures"):
        page.read_gallery(tmp_path)


def test_numbers_of_a_claim_share_their_decimals():
    row = {"architecture": "alexnet", "standard": 0.00125, "robust": 0.7, "difference": -0.69875, "low": -0.7, "high": -0.6}
    assert [page.printed(row)[key] for key in ("standard", "difference", "pair")] == ["0.001", "−0.699", "AlexNet"]
    row = {**row, "standard": 19.4, "robust": float("nan")}
    assert [page.printed(row)[key] for key in ("standard", "robust")] == ["19.4", "–"]


def test_methods_state_the_values_of_the_study(embedded):
    text = " ".join(definition.meaning for definition in methods.definitions(results_of(embedded)))
    assert "0.5 % of activations" in text and "2000 resamples" in text and "10 steps of 0.3 from a random start" in text
    assert "1-step L2 attacks of size 1.4" in methods.describe_training(embedded.study, "alexnet-r")
