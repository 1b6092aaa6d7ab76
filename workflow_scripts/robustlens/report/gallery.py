"""Which figures a report has: for each its name, title, drawing, caption and alternative text, or why it is left out."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from safetensors import SafetensorError
from safetensors.numpy import load_file

from robustlens.errors import InputError
from robustlens.images import Shard, read_shard
from robustlens.report import figures, figures_neurons, figures_pictures
from robustlens.report.figures import LeftOut
from robustlens.report.figures_pictures import GAIN, UNIT_IMAGES, Pictures
from robustlens.report.results import Results, stimulus_label


@dataclass(frozen=True)
class Inputs:
    """All that figures read."""

    results: Results
    pictures: Pictures
    smoothness: pd.DataFrame
    top_images: pd.DataFrame


@dataclass(frozen=True)
class Entry:
    """One figure of the gallery."""

    name: str
    title: str
    draw: Callable[[Inputs], Figure]
    caption: Callable[[Inputs], str]
    alt: str


def draw_gallery(inputs: Inputs, folder: Path) -> dict:
    """Draw every figure that the study has data for into ``folder``; returns, and writes as index.json, what was drawn.

    ``{"figures": [{name, title, caption, alt, files}], "left_out": [{name, title, why}]}``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    index: dict[str, list] = {"figures": [], "left_out": []}
    for entry in entries(inputs.results):
        try:
            figure = entry.draw(inputs)
        except LeftOut as reason:
            index["left_out"].append({"name": entry.name, "title": entry.title, "why": str(reason)})
            continue
        files = figures.save_figure(figure, folder / entry.name)
        text = {"name": entry.name, "title": entry.title, "caption": entry.caption(inputs), "alt": entry.alt}
        index["figures"].append({**text, "files": files})
    (folder / "index.json").write_text(json.dumps(index, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return index


def open_pictures(results: Results, shards: list[str], concept_shards: list[str], weights: list[str]) -> Pictures:
    """The pictures behind the paths: ``.../{stimulus}/shard-*.parquet``, ``.../adversarial/{attack}/{model}/shard-*.parquet``."""
    stimuli: dict[str, Shard] = {}
    attacks: dict[tuple[str, str], Shard] = {}
    plain = []
    for path in map(Path, shards):
        shard = read_shard(path)
        if path.parents[2].name == "adversarial":
            attacks.setdefault((path.parents[1].name, path.parent.name), shard)
        else:
            stimuli.setdefault(path.parent.name, shard)
            plain += [shard] * (results.group(path.parent.name) == "unchanged" and path.parent.name != results.conflict())
    banks = {Path(path).parent.name: _load(path) for path in weights}
    return Pictures(stimuli, attacks, plain, [read_shard(path) for path in concept_shards], banks)


def _load(path: str) -> dict:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(path, "a safetensors file", str(error).splitlines()[0]) from error


def read_parquets(paths: list[str], columns: list[str]) -> pd.DataFrame:
    """Several Parquet tables under each other; an empty one with ``columns`` where there are none."""
    try:
        return pd.concat([pd.read_parquet(path) for path in paths], ignore_index=True) if paths else pd.DataFrame(columns=columns)
    except (OSError, ValueError) as error:
        raise InputError(", ".join(map(str, paths)), "Parquet tables", str(error).splitlines()[0]) from error


# ------------------------------------------------------------------------------------------------------------------ captions
def counts(values: pd.Series) -> str:
    """``800`` or ``24 to 96``: a count that may differ between rows."""
    low, high = int(values.min()), int(values.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def of_models(results: Results, name: str) -> pd.DataFrame:
    """The rows of a table that belong to the panels."""
    table = results.table(name)
    return table[table["model"].isin([model for panel in results.panels() for model in panel.members.values()])]


def stimuli_caption(inputs: Inputs) -> str:
    text = "The same images under every condition, one of each of several classes; each must be named as in the first column."
    if inputs.results.conflict() in inputs.pictures.stimuli:
        text += " On cue-conflict images, made separately, outline and surface belong to different classes."
    if inputs.pictures.attacks:
        attack, model = next(iter(inputs.pictures.attacks))
        limit = stimulus_label(inputs.results.study, attack).removeprefix("attack ")
        text += f" Attacked images are aimed at the network named above them ({limit}, pixels on [0, 1]); their change is shown {GAIN} times enlarged, mid grey being none."
    return text


def accuracy_caption(inputs: Inputs) -> str:
    rows = of_models(inputs.results, "accuracy")
    chance = inputs.results.chance()
    guess = f" Dashed: guessing, {100 * chance:.1f} %." if chance else ""
    return f"Share of images named rightly, with 95 % Wilson intervals; n = {counts(rows['n_images'])} images a point.{guess}"


def bias_caption(inputs: Inputs) -> str:
    rows = inputs.results.table("shape_bias")
    return (
        f"Left: shape decisions among the decisions for either cue, with 95 % Wilson intervals; n = {counts(rows['n_decided'])} decided "
        f"images a network. Right: all {counts(rows['n_images'])} images by decision. The upright strokes mark what a control, trained so "
        "that only one cue tells the class, should read."
    )


def filters_caption(inputs: Inputs) -> str:
    rows = of_models(inputs.results, "total_variation")
    first = rows[rows["statistic"] == "filter"].drop_duplicates("model")
    n = f" n = {counts(first['n_units'])} filters a network." if len(first) else ""
    return f"Every filter of the first convolution as a colour picture, scaled on its own: mid grey is zero.{n}"


def variation_caption(inputs: Inputs) -> str:
    rows = of_models(inputs.results, "total_variation")
    n = counts(rows[rows["statistic"] == "filter-unit-norm"]["n_units"])
    return (
        "Mean total variation of the filters of each convolution, every filter scaled to norm 1, with 95 % intervals; smaller is smoother. "
        f"Grey strokes: the same networks before training. 1×1 kernels have none and are left out. n = {n} filters a point."
    )


def maps_caption(inputs: Inputs) -> str:
    n = counts(inputs.smoothness["n_images"])
    return f"One point a unit of the first layer; mean over n = {n} images. On the dashed diagonal, noise changes nothing. Units that stay silent are not drawn."


def change_caption(inputs: Inputs) -> str:
    rows = of_models(inputs.results, "total_variation")
    n = counts(rows[rows["statistic"] == "relative-change"]["n_units"])
    noise = stimulus_label(inputs.results.study, (inputs.results.study.get("activations") or {}).get("noise", "noise"))
    return f"Mean over units of Σ|noisy − clean| / Σ|clean| ({noise}), with 95 % intervals; n = {n} units a point."


def dissection_caption(inputs: Inputs) -> str:
    cut = (inputs.results.study.get("dissection") or {}).get("iou", 0.04)
    n = counts(of_models(inputs.results, "dissection")["n_units"])
    return f"Each unit is named after the concept that its strongest activations overlap best; below an IoU of {cut:g} it stands for no concept. n = {n} units a row or category."


def shift_caption(inputs: Inputs) -> str:
    cut = (inputs.results.study.get("dissection") or {}).get("iou", 0.04)
    return f"Units of all layers whose best concept it is (IoU ≥ {cut:g}); the numbers beside the bars are units of S → units of R. The {figures_neurons.CHANGES} largest rises and falls."


def complexity_caption(inputs: Inputs) -> str:
    n = counts(of_models(inputs.results, "complexity")["n_units"])
    return f"Concepts that a unit overlaps with at least the given IoU, mean over units with 95 % intervals; n = {n} units a point. Dashed: the threshold of the upper row."


def ablation_caption(inputs: Inputs) -> str:
    n = counts(of_models(inputs.results, "ablation")["n_units"])
    return (
        "One point a layer and category of units: how many of the decisions by shape, and by texture, change when one such unit is set to "
        f"zero, mean over units; the larger the point, the more units (n = {n}). Above the diagonal, units matter more for shape."
    )


def training_caption(inputs: Inputs) -> str:
    return "On the images trained on, by epoch. For R these are attacked images, so that its curves lie lower without R being worse."


def top_caption(inputs: Inputs) -> str:
    return f"The {UNIT_IMAGES} images, strongest left, that drive a unit most. Shown are the units of each network that match a concept best, each with another concept."


def entries(results: Results) -> list[Entry]:
    """The gallery in the order of the report; dissection figures once a concept set."""
    fixed = [
        Entry("stimuli", "The images under every condition", lambda i: figures_pictures.draw_stimuli(i.results, i.pictures), stimuli_caption,
              "Picture sheet: a few images, one a row, and what each condition leaves of them, one a column."),
        Entry("accuracy", "Images recognised, condition by condition", lambda i: figures.draw_accuracy(i.results), accuracy_caption,
              "Dot plot, one panel a network pair, one row a condition: the share of images that S and R recognise, with intervals."),
        Entry("shape-bias", "Shape or texture, where they disagree", lambda i: figures.draw_shape_bias(i.results), bias_caption,
              "Left, a dot plot of the shape bias of every network and control; right, bars of the shares decided as shape, texture or neither."),
        Entry("filters", "Filters of the first layer", lambda i: figures_pictures.draw_filters(i.results, i.pictures), filters_caption,
              "Picture sheet: the filters of the first convolution as small colour pictures, S on the left and R on the right."),
        Entry("filter-variation", "How rough the filters are, layer by layer", lambda i: figures_neurons.draw_filter_variation(i.results),
              variation_caption, "Dot plot, one panel a pair, one row a convolution: mean total variation of filters of S, R and untrained networks."),
        Entry("noise-maps", "First-layer maps with and without noise", lambda i: figures_neurons.draw_noise_maps(i.results, i.smoothness),
              maps_caption, "Scatter plot, one panel a pair, one point a unit: variation of its map on noisy against clean images, with the diagonal."),
        Entry("noise-change", "What noise changes, layer by layer", lambda i: figures_neurons.draw_noise_change(i.results), change_caption,
              "Lines, one panel a pair: relative change of activations by pixel noise from the first to the last layer, S and R."),
    ]
    last = [
        Entry("ablation", "What single units are needed for", lambda i: figures.draw_ablation(i.results), ablation_caption,
              "Scatter plot, one panel a pair: share of shape decisions against share of texture decisions that change when one unit is zeroed."),
        Entry("training", "Training", lambda i: figures.draw_training(i.results), training_caption,
              "Lines, one panel a pair: accuracy above and loss below, by epoch of training, S and R."),
    ]
    top = Entry("top-images", "What drives the most telling units", lambda i: figures_pictures.draw_top_images(i.results, i.top_images, i.pictures),
                top_caption, "Picture sheet: for a few units of S and of R, a row of the images that drive them most.")
    return fixed + [entry for concept_set in concept_sets(results) for entry in dissection_entries(concept_set)] + [top] + last


def concept_sets(results: Results) -> list[str | None]:
    """The concept sets of the dissection table; [None] where it does not tell them apart."""
    table = results.table("dissection")
    return list(table["concept_set"].unique()) if "concept_set" in table and len(table) else [None]


def of_set(table: pd.DataFrame, concept_set: str | None) -> pd.DataFrame:
    return table[table["concept_set"] == concept_set] if concept_set and "concept_set" in table else table


def dissection_entries(concept_set: str | None) -> list[Entry]:
    name, title = (f"-{concept_set}", f" ({concept_set})") if concept_set else ("", "")

    def table(inputs: Inputs, kind: str) -> pd.DataFrame:
        return of_set(inputs.results.table(kind), concept_set)

    return [
        Entry(f"dissection{name}", f"What the units stand for{title}", lambda i: figures_neurons.draw_dissection(i.results, table(i, "dissection")),
              dissection_caption, "Stacked bars, one panel a pair, two bars a layer: shares of units that match a colour, texture, part, object or no concept."),
        Entry(f"concept-shift{name}", f"Concepts gained and lost{title}",
              lambda i: figures_neurons.draw_concept_shift(i.results, table(i, "concept_shift")), shift_caption,
              "Bars, one panel a pair: the concepts that more units, and that fewer units, stand for in R than in S."),
        Entry(f"complexity{name}", f"Concepts per unit{title}", lambda i: figures_neurons.draw_complexity(i.results, table(i, "complexity")),
              complexity_caption, "Lines, one panel a pair: mean number of concepts per unit by layer above, and over the IoU threshold below, S and R."),
    ]
