"""How everything was measured: one sentence and one formula a definition, with the values of this study."""

import platform
from dataclasses import dataclass
from importlib import metadata

from robustlens.report.results import Results, stimulus_label

PACKAGES = ("torch", "torchvision", "numpy", "pandas", "pyarrow", "h5py", "matplotlib", "snakemake")


@dataclass(frozen=True)
class Definition:
    """A term, its meaning in one sentence, and its formula (may be empty)."""

    term: str
    meaning: str
    formula: str = ""


def definitions(results: Results) -> list[Definition]:
    """Every number of the report, in the order of the page; what the study does not measure is left out."""
    study = results.study
    found = [
        Definition("accuracy", "Share of images whose most probable class is the label.", "correct / n"),
        Definition(
            "95 % interval of a share",
            "Wilson's score interval of a binomial share.",
            "(p + z²/2n ± z √(p(1 − p)/n + z²/4n²)) / (1 + z²/n), z = 1.96",
        ),
        Definition(
            "95 % interval of a difference or mean",
            f"Percentile bootstrap with {(study.get('statistics') or {}).get('resamples', 'the set number of')} resamples: over images, the same for S and R, "
            "for shares of images; over units or filters, apart for S and R, for the rest.",
        ),
        Definition(
            "verdict",
            "Supported where the whole interval of R − S lies on the side that the claim says, contradicted where it lies wholly on the other, "
            "undecided where it holds zero; an “on par” claim allows the margin of "
            f"{(study.get('statistics') or {}).get('margin', 0):g} in accuracy; “from texture to shape” further asks that S is below and R above one half.",
        ),
    ]
    if study.get("stimuli"):
        words = [f"{stimulus_label(study, name)} ({made.get('preserves', 'other')})" for name, made in study["stimuli"].items()]
        found.append(Definition("modified images", f"Made from the unchanged ones; in brackets the cue that each keeps: {', '.join(words)}."))
    found += [attack_definition(name, spec) for name, spec in (study.get("attacks") or {}).items()]
    if results.conflict():
        meaning = "Decisions for the shape's class among the decisions for the class of either cue, on images whose two cues belong to different classes."
        found.append(Definition("shape bias", meaning, "shape / (shape + texture)"))
    found.append(
        Definition(
            "total variation of a filter or map",
            "Sum of the absolute differences of vertical and horizontal neighbours, over all input channels; filters are compared after scaling "
            "each to norm 1, since a larger filter is not a rougher one.",
            "Σ |w[c, y + 1, x] − w[c, y, x]| + |w[c, y, x + 1] − w[c, y, x]|",
        )
    )
    if (study.get("activations") or {}).get("noise"):
        n = study["activations"].get("n_images")
        meaning = f"How much noise changes a unit's map, relative to the map itself, over {n} images ({stimulus_label(study, study['activations']['noise'])})."
        found.append(Definition("change by noise", meaning, "Σ |a(noisy) − a(clean)| / Σ |a(clean)|"))
    return found + unit_definitions(study)


def attack_definition(name: str, spec: dict) -> Definition:
    start = " from a random start" if spec.get("random_start") else ""
    meaning = (
        f"Projected gradient ascent of the loss against the network's own gradients: {spec.get('steps')} steps of {spec.get('step')}{start}, "
        f"kept within an {str(spec.get('norm', '')).upper()} distance of {spec.get('eps')} of the image; pixels on [0, 1]."
    )
    return Definition(f"attack {name}", meaning, "x ← project(x + step · g / ‖g‖)")


def unit_definitions(study: dict) -> list[Definition]:
    found = []
    dissection, complexity, ablation = (study.get(key) or {} for key in ("dissection", "complexity", "ablation"))
    if study.get("concepts"):
        found.append(
            Definition(
                "what a unit stands for",
                f"The concept of largest IoU between its label and the places where the unit is among its strongest {100 * dissection.get('quantile', 0.005):g} % of "
                f"activations (map enlarged bilinearly to the size of the labels), summed over all images; no concept below {dissection.get('iou', 0.04):g}.",
                "IoU = |active ∩ label| / |active ∪ label|",
            )
        )
        found.append(Definition("concepts per unit", f"Number of concepts that a unit overlaps with an IoU of at least {complexity.get('iou', 0.01):g}."))
    if ablation.get("stimulus"):
        n = ablation.get("n_images")
        found.append(
            Definition(
                "shape and texture score of a unit",
                f"Of {n} cue-conflict images, how many that were decided by shape, and by texture, are decided otherwise once the unit's map is set to zero.",
                "rate = score / decisions by that cue",
            )
        )
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
        return "weights as they were given"
    recipe = (study.get("training") or {}).get(spec["train"]["recipe"], {})
    attack = recipe.get("attack")
    how = (
        f"against {attack['steps']}-step {str(attack['norm']).upper()} attacks of size {attack['eps']:g}" if attack else "on unchanged images"
    )
    return f"{recipe.get('epochs')} epochs of {spec['train']['source']}, {how}"
