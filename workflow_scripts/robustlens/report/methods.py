"""How everything was measured: one sentence and one formula a definition, with the values of this study."""

import platform
from dataclasses import dataclass
from importlib import metadata

from robustlens.neurons.positions import min_positions
from robustlens.report.results import FEWEST, Results, stimulus_label

PACKAGES = ("torch", "torchvision", "numpy", "pandas", "pyarrow", "h5py", "matplotlib", "snakemake")


@dataclass(frozen=True)
class Definition:
    """A term, its meaning in one sentence, and its formula (may be empty)."""

    term: str
    meaning: str
    formula: str = ""


def definitions(results: Results) -> list[Definition]:
    """Every number of the report, in the order of the page; what the study does not measure is left out."""
    return [*statistics(results.study), *stimuli(results), *total_variation(results.study), *units(results.study)]


def statistics(study: dict) -> list[Definition]:
    """Accuracy, intervals, verdicts."""
    settings = study.get("statistics") or {}
    bootstrap = (
        f"Percentile bootstrap with {settings.get('resamples', 'a set number of')} resamples: over images, the same for S and R, for "
        "shares of images; over units or filters, apart for S and R and within each layer, for the rest. Units are of one training "
        "run: what another seed would change is not in the interval."
    )
    verdict = (
        "Supported where the whole interval of R − S lies on the side that the claim says, contradicted where it lies wholly on the other, "
        f"undecided where it holds zero; an “on par” claim (C5) allows a margin of {settings.get('margin', 0):g} in accuracy, and C2 asks "
        f"further that the interval of S lies below one half and that of R above. Fewer than {settings.get('fewest', FEWEST)} "
        "items leave a question undecided, and a number that rests on them is not stated. Many questions are asked at 5 % each: a few "
        "verdicts are chance. The next line corrects for that."
    )
    tests = (
        "McNemar's exact test on the same images, Mann-Whitney's within each layer on units and filters, a t test against the margin for "
        "an “on par” claim; the p values corrected by Holm over all of them (claim_tests.csv). A verdict that does not hold with the "
        "corrected p below 0.05 is marked, and stays: its interval is as it is."
    )
    subset = "C3, C4 and C5 count the images of which both networks of the pair name the unchanged original rightly."
    return [
        Definition("accuracy", "Share of images whose most probable class is the label.", "correct / n"),
        Definition("95 % interval of a share", "Wilson's score interval.", "(p + z²/2n ± z √(p(1 − p)/n + z²/4n²)) / (1 + z²/n), z = 1.96"),
        Definition("95 % interval of a difference or mean", bootstrap),
        Definition("verdict", verdict),
        Definition("verdict after Holm's correction", tests),
        *([Definition("images behind a claim", subset)] if study.get("pairs") else []),
    ]


def stimuli(results: Results) -> list[Definition]:
    """Modified and attacked images, and cue conflict."""
    study, found = results.study, []
    words = [f"{stimulus_label(study, name)} ({made.get('preserves', 'other')})" for name, made in (study.get("stimuli") or {}).items()]
    if words:
        meaning = f"Made from the unchanged ones; in brackets the cue that each keeps: {', '.join(words)}."
        found.append(Definition("modified images", meaning))
    for name, spec in (study.get("attacks") or {}).items():
        start = " from a random start" if spec.get("random_start") else ""
        meaning = (
            f"Projected gradient ascent of the loss with the network's own gradients: {spec.get('steps')} steps of "
            f"{spec.get('step')}{start}, kept within an {str(spec.get('norm', '')).upper()} distance of {spec.get('eps')} of the "
            "image; pixels on [0, 1]."
        )
        found.append(Definition(f"attack {name}", meaning, "x ← project(x + step · g / ‖g‖)"))
    if results.conflict():
        meaning = (
            "Decisions for the shape's class among the decisions for the class of either cue, where the two belong to different classes."
        )
        found.append(Definition("shape bias", meaning, "shape / (shape + texture)"))
    return found


def total_variation(study: dict) -> list[Definition]:
    """Roughness of filters and maps, and what noise changes."""
    meaning = (
        "Sum of the absolute differences of vertical and horizontal neighbours, over all input channels; filters are compared after "
        "scaling each to norm 1, since a larger filter is not a rougher one."
    )
    formula = "Σ |w[c, y + 1, x] − w[c, y, x]| + |w[c, y, x + 1] − w[c, y, x]|"
    found = [Definition("total variation of a filter or map", meaning, formula)]
    activations = study.get("activations") or {}
    if activations.get("noise"):
        noise = stimulus_label(study, activations["noise"])
        meaning = f"How much noise ({noise}) changes a unit's map, relative to the map itself, over {activations.get('n_images')} images."
        found.append(Definition("change by noise", meaning, "Σ |a(noisy) − a(clean)| / Σ |a(clean)|"))
    return found


def units(study: dict) -> list[Definition]:
    """Dissection, complexity, ablation."""
    found = []
    dissection, complexity, ablation = (study.get(key) or {} for key in ("dissection", "complexity", "ablation"))
    if study.get("concepts"):
        needed = " or ".join(map(str, sorted(set(min_positions(study).values()))))
        meaning = (
            f"The concept of largest IoU between its label and the places where the unit is among its strongest "
            f"{100 * dissection.get('quantile', 0.005):g} % of activations (map enlarged bilinearly to the size of the labels), counted "
            f"over all images; active places count on images that carry the concept's category; no concept "
            f"below {dissection.get('iou', 0.04):g}. Of units with fewer than {needed} places above "
            "their threshold nothing is said."
        )
        found.append(Definition("what a unit stands for", meaning, "IoU = |active ∩ label| / |active ∪ label|"))
        meaning = f"Number of concepts that a unit overlaps with an IoU of at least {complexity.get('iou', 0.01):g}."
        found.append(Definition("concepts per unit", meaning))
    if ablation.get("stimulus"):
        meaning = (
            f"Of {ablation.get('n_images')} cue-conflict images, how many that were decided by shape, and by texture, are decided "
            "otherwise once the unit's map is set to zero."
        )
        found.append(Definition("shape and texture score of a unit", meaning, "rate = score / decisions by that cue"))
    return found


def versions() -> list[tuple[str, str]]:
    """Names and versions of what the numbers rest on, as installed where the page is written."""
    found = [("Python", platform.python_version())]
    for package in PACKAGES:
        try:
            found.append((package, metadata.version(package)))
        except metadata.PackageNotFoundError:
            continue
    return found


def describe_training(study: dict, model: str) -> str:
    """How a model came about, in one line."""
    spec = (study.get("models") or {}).get(model, {})
    if "train" not in spec:
        return f"weights as they were given ({spec['label']})" if spec.get("label") else "weights as they were given"
    recipe = (study.get("training") or {}).get(spec["train"]["recipe"], {})
    attack = recipe.get("attack")
    how = "on unchanged images"
    if attack:
        how = f"against {attack['steps']}-step {str(attack['norm']).upper()} attacks of size {attack['eps']:g}"
    return f"{recipe.get('epochs')} epochs of {spec['train']['source']}, {how}"
