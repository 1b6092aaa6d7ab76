"""The evidence of the report, one section a question: what was asked, and which figures, tables, claims and findings answer it."""

from collections.abc import Callable
from dataclasses import dataclass

from robustlens.report import findings, findings_units
from robustlens.report.results import Results


@dataclass(frozen=True)
class Section:
    """One question. ``figures`` are names in the gallery (or their beginnings, where there is one a concept set)."""

    key: str
    question: str
    asked: str
    figures: tuple[str, ...]
    tables: tuple[str, ...]
    claims: tuple[str, ...]
    find: Callable[[Results], list[str]]


SECTIONS = (
    Section(
        "pictures",
        "What were the networks shown?",
        "Every network had to name the same images again and again, each time with something taken away or added: the texture, "
        "the shape, the sharpness, or a change of a few pixels made to mislead it. What a network can spare tells what it goes "
        "by.",
        ("stimuli",),
        ("excluded_images", "missing_classes"),
        (),
        findings.find_images,
    ),
    Section(
        "recognition",
        "Which images do S and R still recognise?",
        "Accuracy is the share of images that a network names rightly. If a network needs texture, it fails where only the shape "
        "is left; if it needs shape, it fails where the image is cut up and shuffled.",
        ("accuracy", "robustness-curve", "corruptions"),
        ("accuracy", "accuracy_both_correct"),
        ("C1", "C3", "C4", "C5"),
        findings.find_accuracy,
    ),
    Section(
        "cues",
        "Do they go by shape or by texture?",
        "In a cue-conflict image the outline belongs to one class and the surface to another. The shape bias is the share of "
        "decisions for the outline among the decisions for either. Networks that could only learn one of the two, the controls, "
        "show whether the measurement reads what is true.",
        ("shape-bias", "shape-bias-by-class"),
        ("shape_bias",),
        ("C2",),
        findings.find_bias,
    ),
    Section(
        "filters",
        "What do their first filters look for?",
        "The first layer looks at the image through small filters. Total variation adds up how much a filter changes from each "
        "pixel to the next: a smooth filter has little of it, a fine-grained one much.",
        ("filters", "matched-filters", "filter-variation"),
        ("total_variation",),
        ("C6",),
        findings_units.find_filters,
    ),
    Section(
        "noise",
        "Do they let noise through?",
        "The same images went in once clean and once with weak random noise on every pixel. If the first layer blocks the noise, "
        "its maps are as smooth as without, and the layers behind it hardly notice.",
        ("noise-maps", "noise-change"),
        (),
        ("C7",),
        findings_units.find_noise,
    ),
    Section(
        "units",
        "What do single units stand for?",
        "A unit is one channel of a layer. On images whose every pixel is labelled with objects, parts, textures and colours, a "
        "unit is named after the label that overlaps best with the places where it is most active.",
        ("dissection", "concept-shift", "top-images"),
        ("dissection", "concept_shift", "concepts"),
        ("C8", "C9", "C10"),
        lambda results: findings_units.find_units(results) + findings_units.find_shift(results),
    ),
    Section(
        "complexity",
        "Are the units of R simpler?",
        "A unit that responds to one thing only is simpler than one that responds to many. Counted is with how many labels a unit "
        "overlaps to at least a given degree.",
        ("complexity",),
        ("complexity",),
        ("C11",),
        findings_units.find_complexity,
    ),
    Section(
        "ablation",
        "What are single units needed for?",
        "Each unit was switched off alone, and the cue-conflict images were decided again. A unit that matters for shape flips "
        "decisions that had been made by shape; one that matters for texture flips the others.",
        ("ablation",),
        ("ablation",),
        ("C12",),
        findings_units.find_ablation,
    ),
    Section(
        "training",
        "How did the training go?",
        "S was trained on the images as they are, R on images that were changed to mislead it while it learnt.",
        ("training",),
        ("training",),
        (),
        findings.find_training,
    ),
)
