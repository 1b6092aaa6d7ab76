"""The config of a study: what the schema cannot say, checked before anything runs, each fault in one sentence."""

import re
from collections.abc import Iterable
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from robustlens.errors import InputError

NAME = re.compile(r"[a-z0-9]+([.-][a-z0-9]+)*")


def check_schema(config: dict, schema: str | Path) -> None:
    """Raise InputError for the most telling fault that the JSON schema finds: the key, what was expected, what was found."""
    error = best_match(Draft202012Validator(yaml.safe_load(Path(schema).read_text())).iter_errors(config))
    if error is None:
        return
    where = ".".join(str(part) for part in error.absolute_path) or "config"
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        unknown = sorted(set(error.instance) - set(known))
        raise InputError(f"{where}", f"only the keys {', '.join(known)}", f"{', '.join(unknown)}", "is it misspelt?")
    if error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        raise InputError(where, f"the key {missing[0]}", "none")
    raise InputError(where, f"{error.validator} {error.validator_value}", repr(error.instance)[:100])


def check_study(config: dict) -> None:
    """Raise InputError for a name that stands for nothing, a set that is too small, or a folder that is not there."""
    images = [*config["sources"], *config["concepts"], *config["stimuli"], *config["attacks"]]
    check_names(config, images)
    check_images(config, images)
    check_models(config)
    check_questions(config)


def check_names(config: dict, images: list[str]) -> None:
    """Names become parts of paths: lower case, and each used once among the image sets."""
    for section in ("sources", "concepts", "stimuli", "attacks", "models", "pairs", "suites", "training", "controls"):
        for name in config[section]:
            if not NAME.fullmatch(name):
                raise InputError(f"{section}.{name}", "lower-case letters and digits, joined by - or .", repr(name))
    repeated = [name for name in images if images.count(name) > 1]
    if repeated:
        raise InputError(repeated[0], "one image set of this name", "several of sources, concepts, stimuli, attacks")


def check_images(config: dict, images: list[str]) -> None:
    """Sources that stimuli, suites and the rest refer to; folders of pictures."""
    for section in ("stimuli", "attacks"):
        for name, spec in config[section].items():
            _known(f"{section}.{name}.source", spec["source"], config["sources"])
    for suite, members in config["suites"].items():
        for name in members:
            _known(f"suites.{suite}", name, [name for name in images if name not in config["concepts"]])
    for section in ("sources", "concepts"):
        for name, spec in config[section].items():
            root = spec.get("root")
            if root and not Path(root).is_dir() and not Path(root).parts[:2] == ("results", "fetched"):
                raise InputError(f"{section}.{name}.root", "a folder of pictures", f"{root}, which is not there")


def check_models(config: dict) -> None:
    """Recipes, training sources and checkpoints of models; models of pairs and controls."""
    for name, spec in config["models"].items():
        if ("train" in spec) == ("weights" in spec):
            raise InputError(f"models.{name}", "either train or weights", "both" if "train" in spec else "neither")
        if "train" in spec:
            _known(f"models.{name}.train.source", spec["train"]["source"], config["sources"])
            _known(f"models.{name}.train.recipe", spec["train"]["recipe"], config["training"])
        elif not Path(spec["weights"]).is_file() and Path(spec["weights"]).parts[:2] != ("results", "fetched"):
            raise InputError(f"models.{name}.weights", "a checkpoint file", f"{spec['weights']}, which is not there")
    for name, pair in config["pairs"].items():
        for role in ("standard", "robust"):
            _known(f"pairs.{name}.{role}", pair[role], config["models"])
        architectures = [config["models"][pair[role]]["architecture"] for role in ("standard", "robust")]
        layers = [config["models"][pair[role]]["layers"] for role in ("standard", "robust")]
        if architectures[0] != architectures[1] or layers[0] != layers[1]:
            raise InputError(f"pairs.{name}", "two networks of one architecture with the same layers", architectures)
    for name, control in config["controls"].items():
        _known(f"controls.{name}.model", control["model"], config["models"])
        _known(f"controls.{name}.pair", control["pair"], config["pairs"])


def check_questions(config: dict) -> None:
    """Stimuli that the measurements and claims refer to."""
    shown = {name for members in config["suites"].values() for name in members}
    if config["activations"]["noise"]:
        _known("activations.noise", config["activations"]["noise"], config["stimuli"])
    if config["ablation"]["stimulus"]:
        _known("ablation.stimulus", config["ablation"]["stimulus"], config["sources"])
    for key, names in config["claims"].items():
        for name in [names] if isinstance(names, str) else names or []:
            _known(f"claims.{key}", name, shown, "a stimulus of a suite")
    if config["pairs"] or config["activations"]["noise"]:
        _known("sources", "clean", config["sources"], "a source named clean, the unmodified images, beside the others")


def _known(where: str, name: str, known: Iterable[str], what: str = "") -> None:
    if name not in known:
        raise InputError(where, what or f"one of {', '.join(sorted(known))}", repr(name))
