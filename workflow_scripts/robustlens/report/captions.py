"""The captions of the figures: what is drawn, and the n of it. All from tables."""

from dataclasses import dataclass

import pandas as pd

from robustlens.report.figures_neurons import CHANGES
from robustlens.report.figures_pictures import GAIN, MOST_MATCHES, Pictures
from robustlens.report.figures_top_images import UNIT_IMAGES, TopPictures
from robustlens.report.results import Results, display, stimulus_label


@dataclass(frozen=True)
class Inputs:
    """All that figures read."""

    results: Results
    pictures: Pictures
    smoothness: pd.DataFrame
    top_images: pd.DataFrame
    top_pictures: TopPictures


def counts(values: pd.Series) -> str:
    """``800`` or ``24 to 96``: a count that may differ between rows."""
    low, high = int(values.min()), int(values.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def of_models(results: Results, name: str) -> pd.DataFrame:
    """The rows of a table that belong to the panels."""
    table = results.table(name)
    return table[table["model"].isin([model for panel in results.panels() for model in panel.members.values()])]


def of_stimuli(inputs: Inputs) -> str:
    text = "The same images under every condition, one of each of several classes; each must be named as in the first column."
    if inputs.results.conflict() in inputs.pictures.stimuli:
        text += " On cue-conflict images, made separately, outline and surface belong to different classes."
    if inputs.pictures.attacks:
        attack, _ = next(iter(inputs.pictures.attacks))
        limit = stimulus_label(inputs.results.study, attack).removeprefix("attack ")
        text += f" Attacked images are aimed at the network named above them ({limit}, pixels on [0, 1]); their change"
        text += f" is shown {GAIN} times enlarged, mid grey being none."
    return text


def of_accuracy(inputs: Inputs) -> str:
    rows = of_models(inputs.results, "accuracy")
    chance = inputs.results.chance()
    guess = f" Dashed: guessing, {100 * chance:.1f} %." if chance else ""
    return f"Share of images named rightly, with 95 % Wilson intervals; n = {counts(rows['n_images'])} images a point.{guess}"


def of_robustness(inputs: Inputs) -> str:
    results = inputs.results
    rows = results.table("robustness")
    name = (results.study.get("robustness") or {}).get("attack")
    steps = (results.study.get("attacks") or {}).get(name, {}).get("steps")
    text = "Share of images named rightly when each is attacked through the network’s own gradients, over the largest change allowed"
    text += f" (pixels on [0, 1]{f'; {steps} steps whose length grows with the radius' if steps else ''}); 0: unchanged images."
    return f"{text} 95 % Wilson intervals; n = {counts(rows['n_images'])} images a point. A longer attack can find more: an upper bound."


def of_corruptions(inputs: Inputs) -> str:
    results = inputs.results
    rows = results.table("corruption_errors")
    text = "Share of images named wrongly by corruption and severity of ImageNet-C (5: strongest), with 95 % Wilson intervals;"
    return f"{text} n = {counts(rows['n_images'])} images a point. {_summed_up(results)}".rstrip()


def _summed_up(results: Results) -> str:
    """mCE of every panel's networks, or, where not all of ImageNet-C is there, the mean error over the corruptions that are."""
    table = results.table("mce")
    for statistic, words in (
        ("mce", "mCE, relative to AlexNet’s published errors"),
        ("mean-error", "Mean error over {n} of the 15 corruptions"),
    ):
        found = table[(table["statistic"] == statistic) & table["value"].notna()].set_index("model")
        parts = [
            f"{display(panel.name)}{f' {role[0].upper()}' if role != 'single' else ''} {100 * row['value']:.1f} % "
            f"({100 * row['low']:.1f} to {100 * row['high']:.1f})"
            for panel in results.panels()
            for role, model in panel.members.items()
            if model in found.index
            for row in (found.loc[model],)
        ]
        if parts:
            return f"{words.format(n=found['n_corruptions'].iloc[0])} (95 % bootstrap intervals over images): {', '.join(parts)}."
    return ""


def of_bias(inputs: Inputs) -> str:
    rows, fewest = inputs.results.table("shape_bias"), inputs.results.fewest
    few = f" A network with fewer than {fewest} decided images has no point." if (rows["n_decided"] < fewest).any() else ""
    return (
        f"Left: shape decisions among the decisions for either cue, with 95 % Wilson intervals; n = {counts(rows['n_decided'])} decided "
        f"images a network. Right: all {counts(rows['n_images'])} images by decision. The upright strokes mark what a control, trained so "
        f"that only one cue tells the class, should read.{few}"
    )


def of_class_bias(inputs: Inputs) -> str:
    rows, overall, fewest = of_models(inputs.results, "shape_bias_by_class"), of_models(inputs.results, "shape_bias"), inputs.results.fewest
    few = f" A network with fewer than {fewest} decided images has no line." if (overall["n_decided"] < fewest).any() else ""
    return (
        "Shape decisions among the decisions for either cue, by the class of the shape, with 95 % Wilson intervals; "
        f"n = {counts(rows['n_decided'])} decided of {counts(rows['n_images'])} images a point. "
        f"The lines are the shape bias over all images, S solid and R dashed, the bands its intervals.{few}"
    )


def of_filters(inputs: Inputs) -> str:
    rows = of_models(inputs.results, "total_variation")
    first = rows[rows["statistic"] == "filter"].drop_duplicates("model")
    n = f" n = {counts(first['n_units'])} filters a network." if len(first) else ""
    return f"Every filter of the first convolution as a colour picture, scaled on its own: mid grey is zero.{n}"


def of_matches(inputs: Inputs) -> str:
    rows = inputs.results.table("filter_matches")
    text = "First filters of S, each beside the filter of R of the largest rank correlation of the weights (the number below);"
    text += f" the {MOST_MATCHES} best matches of a pair at most, best first. Each filter is scaled on its own: mid grey is zero."
    return f"{text} n = {counts(rows.groupby('pair').size())} filters of S a pair, {counts(rows['n_weights'])} weights each."


def of_variation(inputs: Inputs) -> str:
    rows = of_models(inputs.results, "total_variation")
    n = counts(rows[rows["statistic"] == "filter-unit-norm"]["n_units"])
    text = (
        "Mean total variation of the filters of each convolution, every filter scaled to norm 1, with 95 % intervals; smaller is smoother."
    )
    before = " Grey strokes: the same networks before training." if (rows["statistic"] == "filter-unit-norm-initial").any() else ""
    return f"{text}{before} 1×1 kernels have none and are left out. n = {n} filters a point."


def of_maps(inputs: Inputs) -> str:
    n = counts(inputs.smoothness["n_images"])
    text = f"One point a unit of the first layer; mean over n = {n} images. On the dashed diagonal, noise changes nothing."
    return f"{text} Units that stay silent are not drawn."


def of_change(inputs: Inputs) -> str:
    rows = of_models(inputs.results, "total_variation")
    n = counts(rows[rows["statistic"] == "relative-change"]["n_units"])
    noise = stimulus_label(inputs.results.study, (inputs.results.study.get("activations") or {}).get("noise", "noise"))
    return f"Mean over units of Σ|noisy − clean| / Σ|clean| ({noise}), with 95 % intervals; n = {n} units a point."


def of_dissection(inputs: Inputs) -> str:
    cut = (inputs.results.study.get("dissection") or {}).get("iou", 0.04)
    n = counts(of_models(inputs.results, "dissection").groupby(["model", "layer"])["n_units"].sum())
    text = f"Each unit is named after the concept that its strongest activations overlap best; below an IoU of {cut:g} it stands for"
    return f"{text} no concept. n = {n} units a bar."


def of_shift(inputs: Inputs) -> str:
    cut = (inputs.results.study.get("dissection") or {}).get("iou", 0.04)
    text = f"Units of all layers whose best concept it is (IoU ≥ {cut:g}); the numbers beside the bars are units of S → units of R."
    return f"{text} The {CHANGES} largest rises and falls."


def of_complexity(inputs: Inputs) -> str:
    n = counts(of_models(inputs.results, "complexity")["n_units"])
    text = f"Concepts that a unit overlaps with at least the given IoU, mean over units with 95 % intervals; n = {n} units a point."
    middle = "Middle: share of the units of all layers that overlap with at least so many concepts, with Wilson's 95 % interval."
    return f"{text} {middle} Dashed: the threshold of the rows above."


def of_ablation(inputs: Inputs) -> str:
    n = counts(of_models(inputs.results, "ablation")["n_units"])
    return (
        "One point a layer and category of units: how many of the decisions by shape, and by texture, change when one such unit is set to "
        f"zero, mean over units; the larger the point, the more units (n = {n}). Both axes are stretched near zero. Above the diagonal, "
        "units matter more for shape. Shares are of the decisions that the network makes by that cue; C12 counts changed decisions as they "
        "are, so that a network which decides by texture more often also loses more of these."
    )


def of_training(inputs: Inputs) -> str:
    text = "On the images trained on, by epoch. For R these are attacked images, so that its curves lie lower without R being worse."
    if inputs.results.table("training")["clean_accuracy"].notna().any():
        text += " Thin lines: accuracy on images that were held out, as they are and under the attack of the training."
    return text


def of_top(inputs: Inputs) -> str:
    text = f"The {UNIT_IMAGES} images, strongest left, that drive a unit most; dark: where it is off."
    return f"{text} Shown are the units of each network that match a concept best, each with another concept."
