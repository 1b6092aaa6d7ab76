"""Values of a config that have the right type and cannot be meant: other units, more than there is, an attack that reaches nothing.

What is refused here would otherwise give numbers without a word, or stop a job hours after the dry run.
"""

import math
from collections.abc import Iterable

from robustlens.errors import InputError

EMBEDDED_SIDE = 32  # px, of drawn scenes; said here too, for a dry run imports nothing that draws
EMBEDDED_CLASSES = 8
CIFAR_SIDE = 32  # px
N_CLASSES = {"embedded": (EMBEDDED_CLASSES,), "imagenet": (1000,), "cifar": (10, 100)}  # of kinds of sources that say it
KNOW_CUES = ("embedded", "cue-conflict", "parquet")  # kinds of sources whose manifest may name the classes of shape and texture
LONGEST_STEP = 2.0  # radii: the way across the ball
ROUNDING = 1e-6  # of the radius, by which a path of equal steps may miss it


def check_plausible(config: dict) -> None:
    """Raise InputError for the first value that cannot be meant, with what to write instead. Names must be known to stand for something."""
    check_classes(config)
    check_geometry(config)
    check_strengths(config)
    check_attacks(config)
    check_recipes(config)
    check_networks(config)
    check_conflicts(config)
    check_counts(config)


# ------------------------------------------------------------------------------------------------------------------------ images
def source_of(config: dict, name: str) -> str:
    """The source (or concept set) behind an image set."""
    return {**config["stimuli"], **config["attacks"]}.get(name, {}).get("source", name)


def side_of(spec: dict) -> int:
    """px: height and width of the images of a source."""
    return EMBEDDED_SIDE if spec["kind"] == "embedded" else spec["geometry"]["crop"]


def check_classes(config: dict) -> None:
    """Names of the classes: each once, none empty, and as many as the kind of the clean images has."""
    names = config["classes"]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError("classes", "each name once", f"{twice[0]!r} again", "tell them apart, as in crane (bird)")
    clean = config["sources"].get("clean", {}).get("kind")
    if names and clean in N_CLASSES and len(names) not in N_CLASSES[clean]:
        expected = " or ".join(f"{n:,}" for n in N_CLASSES[clean])
        raise InputError("classes", f"the names of {expected} classes, which clean ({clean}) has", len(names), "give all, or none")
    for name, spec in config["sources"].items():
        if names and len(names) != 1000 and "classes" in spec:
            raise InputError(f"sources.{name}.classes", "none in a study that does not decide among ImageNet's 1000", spec["classes"])


def check_geometry(config: dict) -> None:
    """Crops that the resized image holds, and shorter sides that a scrambled image can be cut into."""
    for name, spec in config["sources"].items():
        if "geometry" not in spec:
            continue
        resize = spec["geometry"].get("resize", CIFAR_SIDE if spec["kind"] == "cifar" else math.inf)
        if spec["geometry"]["crop"] > resize:
            raise InputError(f"sources.{name}.geometry.crop", f"at most the {resize} px of the image's shorter side", side_of(spec))
    for name, spec in config["stimuli"].items():
        side = side_of(config["sources"][spec["source"]])
        if spec["kind"] == "scrambled" and side % spec["grid"]:
            raise InputError(f"stimuli.{name}.grid", f"a number that divides the {side} px of {spec['source']}", spec["grid"])


def check_strengths(config: dict) -> None:
    """Parameters of stimuli that change nothing, leave nothing, or exclude one another."""
    for name, spec in config["stimuli"].items():
        side, sigma = side_of(config["sources"][spec["source"]]), spec.get("sigma")
        if spec["kind"] == "gaussian-noise" and not 0 < sigma <= 1:
            raise InputError(f"stimuli.{name}.sigma", "above 0 and at most 1: pixels are on [0, 1]", sigma, _on_255(sigma))
        if spec["kind"] == "gaussian-blur" and not 0 < sigma < side:
            raise InputError(f"stimuli.{name}.sigma", f"above 0 and below the {side} px of the image", sigma)
        low, high = spec.get("low", 0.35), spec.get("high", 0.9)
        if spec["kind"] == "edges" and low > high:
            raise InputError(f"stimuli.{name}.low", f"at most high, {high}", low)
        if spec["kind"] == "silhouette" and spec.get("least", 0.01) >= spec.get("most", 0.95):
            raise InputError(f"stimuli.{name}.least", f"below most, {spec.get('most', 0.95)}", spec.get("least", 0.01))


def check_conflicts(config: dict) -> None:
    """Image sets whose decisions are counted by shape and by texture know both, of two classes."""
    for where, name in (("claims.cue_conflict", config["claims"]["cue_conflict"]), ("ablation.stimulus", config["ablation"]["stimulus"])):
        if not name or config["stimuli"].get(name, {}).get("kind") == "cue-conflict":
            continue
        spec = config["sources"][source_of(config, name)]
        if spec["kind"] not in KNOW_CUES:
            what = f"cue-conflict images (a source of kind {', '.join(KNOW_CUES)}, or a stimulus of kind cue-conflict)"
            raise InputError(where, what, f"{name}, of kind {spec['kind']}")
        if spec["kind"] == "embedded" and spec.get("cues", "both") == "both":
            raise InputError(where, "images whose shape and texture are of two classes (cues: conflict)", f"{name}, with cues: both")


# ------------------------------------------------------------------------------------------------------------------ perturbations
def check_attacks(config: dict) -> None:
    """Attacks of the study, of its recipes, and the radii of the sweep."""
    for name, attack in config["attacks"].items():
        _check_attack(f"attacks.{name}", attack, side_of(config["sources"][attack["source"]]))
    for name, model in config["models"].items():
        if "train" in model and (attack := config["training"][model["train"]["recipe"]].get("attack")):
            side = side_of(config["sources"][model["train"]["source"]])
            _check_attack(f"training.{model['train']['recipe']}.attack", attack, side)
        if trained := model.get("trained"):
            sides = [side_of(spec) for label, spec in config["sources"].items() if label == "clean"]
            if "eps" in trained and sides:
                _check_radius(f"models.{name}.trained.eps", trained.get("norm", "l2"), trained["eps"], sides[0])
    swept = config["attacks"].get(config["robustness"]["attack"])
    for eps in config["robustness"]["eps"] if swept else ():
        _check_radius("robustness.eps", swept["norm"], eps, side_of(config["sources"][swept["source"]]))


def _check_attack(where: str, attack: dict, side: int) -> None:
    """A radius that is plausible, and steps that reach it and do not leap over the ball."""
    eps, step, steps = attack["eps"], attack["step"], attack["steps"]
    _check_radius(f"{where}.eps", attack["norm"], eps, side)
    if step > LONGEST_STEP * eps:
        raise InputError(f"{where}.step", f"at most {LONGEST_STEP:g} x eps, {LONGEST_STEP * eps:.4g}", step, _on_255(step))
    reach, what = (eps / 2, "half of eps") if attack.get("random_start") else (eps, "eps")  # a random start is on its way already
    if steps * step < reach * (1 - ROUNDING):
        raise InputError(
            where, f"steps that reach {what}, {reach:.4g}", f"{steps} x {step:.4g} = {steps * step:.4g}", "raise step or steps"
        )


def _check_radius(where: str, norm: str, eps: float, side: int) -> None:
    """At half the range of the pixels every image can become plain grey: larger radii ask nothing."""
    most = 0.5 if norm == "linf" else 0.5 * math.sqrt(3) * side
    if not 0 < eps <= most:
        what = f"an {norm} radius above 0 and at most {most:.4g}, at which any image of {side} px on [0, 1] can become plain grey"
        raise InputError(where, what, f"{eps:g}", _on_255(eps))


def _on_255(value: float) -> str:
    return f"in units of 0 to 255 write {value:g}/255" if value > 0 else ""


# ---------------------------------------------------------------------------------------------------------------------- networks
def check_recipes(config: dict) -> None:
    """Batches, schedules and labels that the training images and the epochs allow."""
    for name, recipe in config["training"].items():
        for key, of in (("step_epochs", recipe), ("ramp_epochs", recipe.get("attack", {}))):
            if of.get(key, 0) > recipe["epochs"]:
                place = f"training.{name}.{'attack.' if of is not recipe else ''}{key}"
                raise InputError(place, f"at most the {recipe['epochs']} epochs", of[key])
    for name, model in config["models"].items():
        if "train" not in model:
            continue
        label, source = model["train"]["recipe"], model["train"]["source"]
        recipe, spec = config["training"][label], config["sources"][source]
        if recipe["batch_size"] > spec["n_images"]:
            raise InputError(f"training.{label}.batch_size", f"at most the {spec['n_images']} images of {source}", recipe["batch_size"])
        if recipe["labels"] != "label" and spec["kind"] not in KNOW_CUES:
            what = f"label for {source}, of kind {spec['kind']}, whose images know no cue"
            raise InputError(f"training.{label}.labels", what, f"{recipe['labels']}, from which {name} would learn")


def check_networks(config: dict) -> None:
    """Pairs of two networks, controls beside their pair, and normalisation of pixels on [0, 1]."""
    for name, spec in config["models"].items():
        for key, values in (("mean", spec["mean"]), ("std", spec["std"])):
            if values and not all(0 <= value <= 1 for value in values):
                mend = "on pixels of 0 to 255 divide by 255, as in 123.675/255"
                raise InputError(f"models.{name}.{key}", "numbers from 0 to 1: pixels are on [0, 1]", values, mend)
        if "train" in spec and "part" in spec:
            raise InputError(f"models.{name}.part", "none for a network that is trained here", spec["part"])
    for name, pair in config["pairs"].items():
        standard, robust = (config["models"][pair[role]] for role in ("standard", "robust"))
        if pair["standard"] == pair["robust"]:
            raise InputError(f"pairs.{name}", "two networks", f"{pair['robust']} twice")
        if "weights" in standard and all(standard.get(key) == robust.get(key) for key in ("weights", "part")):
            raise InputError(f"pairs.{name}", "two networks of different weights", f"{standard['weights']} of both")
        if _against_an_attack(config, standard) and not _against_an_attack(config, robust):
            what = "robust: the network that was trained against an attack"
            raise InputError(f"pairs.{name}", what, f"standard: {pair['standard']}, which was", "exchange the two")
    for name, control in config["controls"].items():
        pair = config["pairs"][control["pair"]]
        if control["model"] in pair.values():
            raise InputError(f"controls.{name}.model", f"a third network beside the pair {control['pair']}", control["model"])


def _against_an_attack(config: dict, spec: dict) -> bool:
    if "train" in spec:
        return "attack" in config["training"][spec["train"]["recipe"]]
    return (spec.get("trained") or {}).get("how") == "adversarial"


# ------------------------------------------------------------------------------------------------------------------------ counts
def check_counts(config: dict) -> None:
    """No more images than there are."""
    ablation, attack = config["ablation"], config["robustness"]["attack"]
    asked: list[tuple[str, int | None, Iterable[str]]] = [
        ("verification.n_images", config["verification"]["n_images"], ["clean"]),
        ("activations.n_images", config["activations"]["n_images"], ["clean"] if config["activations"]["noise"] else []),
        ("robustness.n_images", config["robustness"]["n_images"], [source_of(config, attack)] if attack else []),
        ("ablation.n_images", ablation["n_images"], [source_of(config, ablation["stimulus"])] if ablation["stimulus"] else []),
        ("ablation.concepts.n_images", ablation.get("concepts", {}).get("n_images"), _sources(config, ablation.get("concepts", {}))),
    ]
    for where, n_images, names in asked:
        for name in names:
            there = config["sources"].get(name, {}).get("n_images", math.inf)
            if n_images is not None and n_images > there:
                raise InputError(where, f"at most the {there} images of {name}", n_images, "lower it, or leave it out")
    if config["activations"]["noise"] and config["top_images"] > config["activations"]["n_images"]:
        there = config["activations"]["n_images"]
        raise InputError("top_images", f"at most the {there} images whose activations are taken", config["top_images"])


def _sources(config: dict, asked: dict) -> list[str]:
    return [source_of(config, name) for name in asked.get("stimuli", [])]
