"""The config of a study: what the schema cannot say, checked before anything runs, each fault in one sentence."""

import re
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match, relevance

from robustlens.errors import InputError

NAME = re.compile(r"[a-z0-9]+([.-][a-z0-9]+)*")
PARAMETERS = {  # of a kind of stimulus, beside kind, source and preserves: those it must have, those it may have
    "gaussian-blur": (("sigma",), ()),
    "gaussian-noise": (("sigma",), ()),
    "scrambled": (("grid",), ("permutation",)),
    "silhouette": ((), ("polarity",)),
    "stylized": ((), ()),
    "black-and-white": ((), ("threshold", "smoothing")),
    "contour": ((), ("width", "sigma_edges")),
}
NEED_A_SCENE = ("silhouette", "stylized")  # kinds that only a source that this workflow draws can give
WORDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "minItems": "at least {} in the list",
    "maxItems": "at most {} in the list",
    "minProperties": "at least {} entry",
    "uniqueItems": "each once",
    "pattern": "text that matches {}",
    "const": "{}",
}


def check_schema(config: dict, schema: str | Path) -> None:
    """Raise InputError for the most telling fault that the JSON schema finds: the key, what was expected, what was found."""
    error = best_match(Draft202012Validator(yaml.safe_load(Path(schema).read_text())).iter_errors(config), key=_telling)
    if error is None:
        return
    where = ".".join(str(part) for part in error.absolute_path) or "config"
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        unknown = sorted(str(key) for key in error.instance if key not in known)
        raise InputError(where, f"only the keys {', '.join(known)}", ", ".join(unknown), "is it misspelt?")
    if error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        raise InputError(where, f"the key {missing[0]}", "none")
    raise InputError(where, _expected(error.validator, error.validator_value), repr(error.instance)[:100])


def _telling(error: ValidationError) -> tuple:
    """Key of the most telling fault: a wrong kind before what the other kinds would need."""
    return list(error.absolute_path)[-1:] == ["kind"], relevance(error)


def _expected(validator: str, value: object) -> str:
    """What a keyword of JSON schema asks for, in words."""
    if validator == "type":
        return "a value of type " + " or ".join([value] if isinstance(value, str) else value)
    if validator == "enum":
        return f"one of {', '.join(map(str, value))}"
    if validator in ("oneOf", "anyOf"):
        return " or ".join(_expected(*next(iter(choice.items()))) for choice in value)
    return WORDS.get(validator, f"{validator} {{}}").format(value)


def check_study(config: dict) -> None:
    """Raise InputError for a name that stands for nothing, a set that is too small, or a folder that is not there."""
    images = [*config["sources"], *config["concepts"], *config["stimuli"], *config["attacks"]]
    check_names(config, images)
    check_images(config, images)
    check_models(config)
    check_questions(config)


def check_names(config: dict, images: list[str]) -> None:
    """Names become parts of paths: lower case, and each used once among the image sets."""
    for section in ("packages", "sources", "concepts", "stimuli", "attacks", "models", "pairs", "suites", "training", "controls"):
        for name in config[section]:
            if not (isinstance(name, str) and NAME.fullmatch(name)):
                raise InputError(f"{section}.{name}", "lower-case letters and digits, joined by - or .", repr(name))
    repeated = [name for name in images if images.count(name) > 1]
    if repeated:
        raise InputError(repeated[0], "one image set of this name", "several of sources, concepts, stimuli, attacks")


def check_images(config: dict, images: list[str]) -> None:
    """Folders of pictures; sources and parameters of stimuli; members of suites."""
    for section in ("sources", "concepts"):
        for name, spec in config[section].items():
            root = spec.get("root")
            if root and not Path(root).is_dir() and not Path(root).parts[:2] == ("results", "fetched"):
                raise InputError(f"{section}.{name}.root", "a folder of pictures", f"{root}, which is not there")
    for section in ("stimuli", "attacks"):
        for name, spec in config[section].items():
            _known(f"{section}.{name}.source", spec["source"], config["sources"])
    for name, spec in config["stimuli"].items():
        _check_parameters(f"stimuli.{name}", spec, config["sources"][spec["source"]]["kind"])
    suite_of: dict[str, str] = {}
    for suite, members in config["suites"].items():
        for name in members:
            _known(f"suites.{suite}", name, [name for name in images if name not in config["concepts"]])
            if name in suite_of:
                raise InputError(f"suites.{suite}", "each image set in one suite", f"{name}, which is in {suite_of[name]} too")
            suite_of[name] = suite


def _check_parameters(where: str, spec: dict, source_kind: str) -> None:
    must, may = PARAMETERS[spec["kind"]]
    given = set(spec) - {"kind", "source", "preserves"}
    if missing := [key for key in must if key not in given]:
        raise InputError(where, f"the key {missing[0]} for a {spec['kind']}", "none")
    if idle := sorted(given - {*must, *may}):
        raise InputError(where, f"the parameters of {spec['kind']} alone ({', '.join((*must, *may)) or 'none'})", idle[0])
    if spec["kind"] in NEED_A_SCENE and source_kind != "embedded":
        raise InputError(f"{where}.source", f"drawn scenes (kind embedded) for {spec['kind']}", f"{spec['source']}, of kind {source_kind}")


def check_models(config: dict) -> None:
    """Architectures, recipes, training sources and checkpoints of models; models of pairs and controls."""
    for name, spec in config["models"].items():
        _check_architecture(f"models.{name}", spec)
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
        for key in ("architecture", "layers"):
            standard, robust = (config["models"][pair[role]][key] for role in ("standard", "robust"))
            if standard != robust:
                raise InputError(f"pairs.{name}", f"two networks of the same {key}", f"{standard} and {robust}")
    for name, control in config["controls"].items():
        _known(f"controls.{name}.model", control["model"], config["models"])
        _known(f"controls.{name}.pair", control["pair"], config["pairs"])


def _check_architecture(where: str, spec: dict) -> None:
    """The factory's form, and whether its package is there; no network is built."""
    module, _, factory = spec["architecture"].partition(":")
    if not (module and factory):
        raise InputError(f"{where}.architecture", "package.module:factory", repr(spec["architecture"]))
    python_path = spec.get("python_path")
    if python_path and Path(python_path).parts[:2] != ("results", "fetched") and not Path(python_path).is_dir():
        raise InputError(f"{where}.python_path", "a folder", f"{python_path}, which is not there")
    package = module.partition(".")[0]
    try:
        found = python_path or find_spec(module if package == __package__ else package)  # deeper would import others' packages
    except ModuleNotFoundError:
        found = None
    if not found:
        raise InputError(f"{where}.architecture", "a package that is installed, or its folder as python_path", module)


def check_questions(config: dict) -> None:
    """Stimuli that the measurements and claims refer to."""
    shown = {name for members in config["suites"].values() for name in members}
    if noise := config["activations"]["noise"]:
        _known("activations.noise", noise, config["stimuli"])
        if config["stimuli"][noise]["source"] != "clean":
            raise InputError("activations.noise", "a stimulus made from clean", f"{noise}, made from {config['stimuli'][noise]['source']}")
    if config["ablation"]["stimulus"]:
        _known("ablation.stimulus", config["ablation"]["stimulus"], config["sources"])
    for key, names in config["claims"].items():
        for name in [names] if isinstance(names, str) else names or []:
            _known(f"claims.{key}", name, shown, "a stimulus of a suite")
    if config["claims"]["adversarial"]:
        _known("claims.adversarial", config["claims"]["adversarial"], config["attacks"])
    if config["pairs"] or config["activations"]["noise"]:
        _known("sources", "clean", config["sources"], "a source named clean, the unmodified images, beside the others")


def _known(where: str, name: str, known: Iterable[str], what: str = "") -> None:
    if name not in known:
        raise InputError(where, what or f"one of {', '.join(sorted(known))}", repr(name))
