"""Which figures a report has: for each its name, title, drawing, caption and alternative text, or why it is left out."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from robustlens.files import replacing, write_json
from robustlens.images import Shard, read_shard
from robustlens.models.filters import read_filters
from robustlens.report import captions, figures, figures_behaviour, figures_curves, figures_neurons, figures_pictures, figures_top_images
from robustlens.report.captions import Inputs
from robustlens.report.figures import LeftOut
from robustlens.report.figures_pictures import Pictures
from robustlens.report.results import Results


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
    index: dict[str, list] = {"figures": [], "left_out": []}
    with replacing(folder) as temporary:
        temporary.mkdir()
        for entry in entries(inputs.results):
            try:
                figure = entry.draw(inputs)
            except LeftOut as reason:
                index["left_out"].append({"name": entry.name, "title": entry.title, "why": str(reason)})
                continue
            files = figures.save_figure(figure, temporary / entry.name)
            text = {"name": entry.name, "title": entry.title, "caption": entry.caption(inputs), "alt": entry.alt}
            index["figures"].append({**text, "files": files})
        write_json(temporary / "index.json", index)
    return index


def open_pictures(shards: list[str], weights: list[str]) -> Pictures:
    """The pictures behind the paths: ``.../{stimulus}/shard-*.parquet``, ``.../adversarial/{attack}/{model}/shard-*.parquet``."""
    stimuli: dict[str, Shard] = {}
    attacks: dict[tuple[str, str], Shard] = {}
    for path in map(Path, shards):
        shard = read_shard(path)
        if path.parents[2].name == "adversarial":
            attacks.setdefault((path.parents[1].name, path.parent.name), shard)
        else:
            stimuli.setdefault(path.parent.name, shard)
    banks = {Path(path).parent.name: _kernels(path) for path in weights}
    return Pictures(stimuli, attacks, banks)


def _kernels(weights: str) -> dict[str, np.ndarray]:
    """``<layer>.weight`` -> what the convolutions of a network convolve with; its card lies beside its weights."""
    kernels = read_filters(weights, str(Path(weights).with_name("card.json")))
    return {f"{layer}.weight": kernel for layer, kernel in kernels.items()}


def entries(results: Results) -> list[Entry]:
    """The gallery in the order of the report."""
    units = dissection_entries(results)
    return [*image_entries(), *curve_entries(), *bias_entries(), *filter_entries(), *noise_entries(), *units, *last_entries()]


def image_entries() -> list[Entry]:
    """What the networks see, and how much of it they recognise."""
    return [
        Entry(
            "stimuli",
            "The images under every condition",
            lambda i: figures_pictures.draw_stimuli(i.results, i.pictures),
            captions.of_stimuli,
            "Picture sheet: a few images, one a row, and what each condition leaves of them, one a column.",
        ),
        Entry(
            "accuracy",
            "Images recognised, condition by condition",
            lambda i: figures_behaviour.draw_accuracy(i.results),
            captions.of_accuracy,
            "Dot plot, one panel a network pair, one row a condition: the share of images that S and R recognise, with intervals.",
        ),
    ]


def bias_entries() -> list[Entry]:
    """What decides where shape and texture disagree."""
    return [
        Entry(
            "shape-bias",
            "Shape or texture, where they disagree",
            lambda i: figures_behaviour.draw_shape_bias(i.results),
            captions.of_bias,
            "Left, a dot plot of the shape bias of every network and control; right, bars of the shares decided as shape or texture.",
        ),
        Entry(
            "shape-bias-by-class",
            "Shape or texture, class by class",
            lambda i: figures_behaviour.draw_class_bias(i.results),
            captions.of_class_bias,
            "Dot plot, one panel a pair, one row a class: the shape bias of S and R from texture on the left to shape on the right.",
        ),
    ]


def filter_entries() -> list[Entry]:
    """Weights."""
    return [
        Entry(
            "filters",
            "Filters of the first layer",
            lambda i: figures_pictures.draw_filters(i.results, i.pictures),
            captions.of_filters,
            "Picture sheet: the filters of the first convolution as small colour pictures, S on the left and R on the right.",
        ),
        Entry(
            "matched-filters",
            "Filters of S and those of R that resemble them",
            lambda i: figures_pictures.draw_matched_filters(i.results, i.pictures),
            captions.of_matches,
            "Picture pairs: filters of the first convolution of S, each beside the filter of R that resembles it most.",
        ),
        Entry(
            "filter-variation",
            "How rough the filters are, layer by layer",
            lambda i: figures_neurons.draw_filter_variation(i.results),
            captions.of_variation,
            "Dot plot, one panel a pair, one row a convolution: mean total variation of filters of S, R and untrained networks.",
        ),
    ]


def noise_entries() -> list[Entry]:
    """Maps of units with and without noise."""
    return [
        Entry(
            "noise-maps",
            "First-layer maps with and without noise",
            lambda i: figures_neurons.draw_noise_maps(i.results, i.smoothness),
            captions.of_maps,
            "Scatter plot, one panel a pair, one point a unit: variation of its map on noisy against clean images, with the diagonal.",
        ),
        Entry(
            "noise-change",
            "What noise changes, layer by layer",
            lambda i: figures_neurons.draw_noise_change(i.results),
            captions.of_change,
            "Lines, one panel a pair: relative change of activations by pixel noise from the first to the last layer, S and R.",
        ),
    ]


def last_entries() -> list[Entry]:
    """What units are needed for, and how the networks were trained."""
    return [
        Entry(
            "ablation",
            "What single units are needed for",
            lambda i: figures_behaviour.draw_ablation(i.results),
            captions.of_ablation,
            "Scatter plot, one panel a pair: shares of shape and of texture decisions that change when one unit is zeroed.",
        ),
        Entry(
            "training",
            "Training",
            lambda i: figures_behaviour.draw_training(i.results),
            captions.of_training,
            "Lines, one panel a pair: accuracy above and loss below, by epoch of training, S and R.",
        ),
    ]


def curve_entries() -> list[Entry]:
    """Accuracy over the strength of a change."""
    return [
        Entry(
            "robustness-curve",
            "Images recognised under ever stronger attacks",
            lambda i: figures_curves.draw_robustness(i.results),
            captions.of_robustness,
            "Lines, one panel a pair: the share of images that S and R recognise over the radius of the attack, with intervals.",
        ),
        Entry(
            "corruptions",
            "Errors on ImageNet-C, corruption by corruption",
            lambda i: figures_curves.draw_corruptions(i.results),
            captions.of_corruptions,
            "Small panels, one a corruption: the share of images that S and R name wrongly over the severity, with intervals.",
        ),
    ]


def dissection_entries(results: Results) -> list[Entry]:
    """What units stand for; the shift of concepts once a concept set."""
    sets = list(results.table("concept_shift")["concept_set"].unique()) or [None]
    return [
        Entry(
            "dissection",
            "What the units stand for",
            lambda i: figures_neurons.draw_dissection(i.results),
            captions.of_dissection,
            "Stacked bars, one panel a pair, two bars a layer: shares of units that match a colour, texture, part, object or no concept.",
        ),
        *(shift_entry(name, first=number == 0, alone=len(sets) == 1) for number, name in enumerate(sets)),
        Entry(
            "top-images",
            "What drives the most telling units",
            lambda i: figures_top_images.draw_top_images(i.results, i.top_images, i.top_pictures),
            captions.of_top,
            "Picture sheet: for a few units of S and of R, a row of the images that drive them most.",
        ),
        Entry(
            "complexity",
            "Concepts per unit",
            lambda i: figures_neurons.draw_complexity(i.results),
            captions.of_complexity,
            "Lines, one panel a pair: mean number of concepts per unit by layer above, and over the IoU threshold below, S and R.",
        ),
    ]


def shift_entry(concept_set: str | None, *, first: bool, alone: bool) -> Entry:
    return Entry(
        "concept-shift" if first else f"concept-shift-{concept_set}",
        "Concepts gained and lost" if alone else f"Concepts gained and lost, by the concept set {concept_set}",
        lambda i: figures_neurons.draw_concept_shift(i.results, concept_set),
        captions.of_shift,
        "Bars, one panel a pair: the concepts that more units, and that fewer units, stand for in R than in S.",
    )
