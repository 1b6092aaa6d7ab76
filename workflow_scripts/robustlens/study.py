"""The config of a study: what the schema cannot say, checked before anything runs, each fault in one sentence."""

import os
import re
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from itertools import chain

from robustlens.errors import InputError
from robustlens.models.checkpoint_files import check_file
from robustlens.models.published import check_architecture
from robustlens.plausibility import check_plausible
from robustlens.shorthand import corruption_of, is_fetched

NAME = re.compile(r"[a-z0-9]+([.-][a-z0-9]+)*")
LONGEST = 80  # letters of a name: two of them and a number fit into the 255 bytes that a file's name may have
RESERVED = ("parquet", "h5", "json", "csv", "safetensors")  # endings of files, beside which folders of these names stand
MOST_PARTS = 300  # jobs of a training, one after the other; at 480 Snakemake's recursion ends
MOST_SHARDS = 10_000  # whose numbers have four digits
PARAMETERS = {  # of a kind of stimulus, beside kind, source and preserves: those it must have, those it may have
    "gaussian-blur": (("sigma",), ()),
    "gaussian-noise": (("sigma",), ()),
    "scrambled": (("grid",), ("permutation",)),
    "silhouette": ((), ("masks", "folder", "mask_values", "network", "weights", "polarity", "least", "most")),
    "stylized": ((), ("paintings",)),
    "adain": (("encoder", "decoder", "paintings"), ("alpha",)),
    "cue-conflict": ((), ("engine", "encoder", "decoder")),
    "black-and-white": ((), ("threshold", "smoothing", "outline")),
    "contour": ((), ("width", "sigma_edges")),
    "edges": ((), ("sigma", "low", "high", "polarity")),
    "corruption": (("corruption", "severity"), ("jpeg", "frost")),
}
LAYOUTS = {  # of a kind of source that is not drawn, beside root, n_images, geometry, images_per_shard, classes and preserves
    "image-folder": ((), ("labels",)),
    "imagenet": ((), ("devkit",)),
    "imagenet-c": (("corruption", "severity"), ()),
    "cue-conflict": ((), ()),
    "sixteen-classes": ((), ()),
    "parquet": ((), ()),
    "cifar": (("split",), ()),
    "idx": (("split",), ()),
}
MASK_KEYS = {  # of silhouettes, by where the object is known from: those it must have, those it may have
    "given": ((), ()),
    "folder": (("folder",), ("mask_values",)),
    "alpha": ((), ()),
    "segmenter": (("network", "weights"), ()),
    "grabcut": ((), ()),
}
OPAQUE = ("embedded", "imagenet", "imagenet-c", "cifar", "idx")  # kinds of sources whose images cannot have an alpha channel
FILES = ("root", "devkit", "folder", "weights", "paintings", "encoder", "decoder", "frost")  # keys whose values are files or folders


def check_study(config: dict) -> None:
    """Raise InputError for a name that stands for nothing, a set that is too small, or a folder that is not there."""
    images = [*config["sources"], *config["concepts"], *config["stimuli"], *config["attacks"]]
    check_names(config, images)
    check_images(config, images)
    check_training(config)
    check_models(config)
    check_questions(config)
    check_plausible(config)


def check_names(config: dict, images: list[str]) -> None:
    """Names become parts of paths: lower case, and each used once among the image sets."""
    sections = (
        "packages",
        "downloads",
        "corruptions",
        "sources",
        "concepts",
        "stimuli",
        "attacks",
        "models",
        "pairs",
        "suites",
        "training",
    )
    for section in (*sections, "controls"):
        for name in config[section]:
            _check_name(f"{section}.{name}", name)
    repeated = [name for name in images if images.count(name) > 1] or [name for name in config["corruptions"] if name in images]
    if repeated:
        raise InputError(repeated[0], "one image set of this name", "several of sources, concepts, stimuli, attacks")
    if repeated := [name for name in config["downloads"] if name in config["packages"]]:
        raise InputError(repeated[0], "one download of this name", "one of packages and one of downloads")
    for name, spec in config["packages"].items():
        if ("requirement" in spec) == ("npm" in spec):
            raise InputError(f"packages.{name}", "either requirement or npm", "both" if "npm" in spec else "neither")
    for name, spec in config["downloads"].items():
        if ("git" in spec) == ("files" in spec) or ("git" in spec and not {"commit", "folders"} <= set(spec)):
            raise InputError(f"downloads.{name}", "either files, or git with commit and folders", ", ".join(spec) or "nothing")
        for file in spec.get("files", []):
            if len(given := {"sha256", "md5", "pointer"} & set(file)) != 1:
                raise InputError(
                    f"downloads.{name}: {file['url']}", "one of sha256, md5 and pointer", " and ".join(sorted(given)) or "none"
                )
    levels: dict[tuple, str] = {}
    for name, level in corruption_of(config).items():
        other = levels.setdefault((level["corruption"], level["severity"]), name)
        if other != name:
            raise InputError(f"corruptions: {name}", "one image set of each corruption and severity", f"{other} too")
    for name, spec in config["corruptions"].items():
        idle = {"source", "jpeg", "frost"} & set(spec) if "root" in spec else {"n_images", "geometry", "images_per_shard"} & set(spec)
        if idle:
            raise InputError(f"corruptions.{name}", f"the keys of {'published' if 'root' in spec else 'made'} pictures", min(idle))
        if "root" in spec and not {"n_images", "geometry"} <= set(spec):
            raise InputError(f"corruptions.{name}", "the keys n_images and geometry beside root", ", ".join(spec))


def _check_name(where: str, name: str) -> None:
    if len(name) > LONGEST:
        raise InputError(where[:LONGEST], f"a name of at most {LONGEST} letters", f"{len(name)}")
    if not NAME.fullmatch(name):
        raise InputError(where, "lower-case letters and digits, joined by - or .", repr(name))
    if name.rpartition(".")[2] in RESERVED:
        raise InputError(where, f"a name that does not end as files do ({', '.join(RESERVED)})", repr(name))


def check_images(config: dict, images: list[str]) -> None:
    """Files and folders; sources and parameters of stimuli; members of suites."""
    for section in ("sources", "concepts", "stimuli"):
        for name, spec in config[section].items():
            for key in FILES:
                if key in spec:
                    what = "a folder of pictures" if key == "root" and spec["kind"] != "parquet" else "a file or folder"
                    _check_path(f"{section}.{name}.{key}", spec[key], what)
    for name, spec in config["sources"].items():
        if spec["kind"] != "embedded":
            _check_keys(f"sources.{name}", spec, LAYOUTS, ("root", "n_images", "geometry", "images_per_shard", "classes"))
    for section in ("sources", "concepts"):
        for name, spec in config[section].items():
            if spec["n_images"] > MOST_SHARDS * spec.get("images_per_shard", config["images_per_shard"]):
                raise InputError(f"{section}.{name}.n_images", f"images of at most {MOST_SHARDS:,} shards", spec["n_images"])
    for section in ("stimuli", "attacks"):
        for name, spec in config[section].items():
            _known(f"{section}.{name}.source", spec["source"], config["sources"])
    for name, spec in config["stimuli"].items():
        _check_keys(f"stimuli.{name}", spec, PARAMETERS)
        _check_masks(f"stimuli.{name}", spec, config["sources"][spec["source"]], config["on_bad_image"] == "exclude")
    suite_of: dict[str, str] = {}
    for suite, members in config["suites"].items():
        for name in members:
            _known(f"suites.{suite}", name, [name for name in images if name not in config["concepts"]])
            if name in suite_of:
                raise InputError(f"suites.{suite}", "each image set in one suite", f"{name}, which is in {suite_of[name]} too")
            suite_of[name] = suite


def _check_path(where: str, path: str, what: str, there: Callable[[str], bool] = os.path.exists) -> None:
    """A file or folder that is there, or that a rule will bring. ``os.path`` answers False where pathlib would raise."""
    if not there(path) and not is_fetched(path):
        raise InputError(where, what, f"{path}, which is not there")
    _check_brackets(where, path)


def _check_brackets(where: str, path: str) -> None:
    if set("{}<>") & set(path):
        raise InputError(where, "a path without { } < >, between which Snakemake sees a wildcard", path)


def _check_keys(where: str, spec: dict, kinds: dict, common: Iterable[str] = ()) -> None:
    """The keys that an entry of its kind must have and may have, beside ``common`` ones."""
    must, may = kinds[spec["kind"]]
    given = set(spec) - {"kind", "source", "preserves", *common}
    if missing := [key for key in must if key not in given]:
        raise InputError(where, f"the key {missing[0]} for a {spec['kind']}", "none")
    if idle := sorted(given - {*must, *may}):
        raise InputError(where, f"the parameters of {spec['kind']} alone ({', '.join((*must, *may)) or 'none'})", idle[0])


def _check_masks(where: str, spec: dict, source: dict, exclude: bool) -> None:
    """What the objects of silhouettes, and the engine of cue-conflict images, need; and the first masks, where they are there."""
    if spec["kind"] == "cue-conflict" and spec.get("engine") == "adain":
        _check_needed(where, spec, ("encoder", "decoder"), "adain")
    if spec["kind"] != "silhouette":
        return
    masks = spec.get("masks", "given")
    if (masks == "given" and source["kind"] != "embedded") or (masks == "alpha" and source["kind"] in OPAQUE):
        known = [other for other in MASK_KEYS if other != "given" and not (other == "alpha" and source["kind"] in OPAQUE)]
        raise InputError(f"{where}.masks", f"{', '.join(known)} for images of kind {source['kind']}", masks)
    needed, further = MASK_KEYS[masks]
    _check_needed(where, spec, needed, masks)
    idle = {key for keys in MASK_KEYS.values() for key in chain(*keys)} & set(spec) - {*needed, *further}
    if idle:
        raise InputError(f"{where}.{min(idle)}", f"none with masks: {masks}", spec[min(idle)])
    if masks == "folder" and source["kind"] == "image-folder":
        from robustlens.mask_files import check_sample  # which imports what reads images

        check_sample(source["root"], spec["folder"], spec.get("mask_values"), exclude)


def _check_needed(where: str, spec: dict, needed: Iterable[str], what: str) -> None:
    if missing := [key for key in needed if key not in spec]:
        raise InputError(where, f"the key {missing[0]} for {what}", "none")


def check_training(config: dict) -> None:
    """Keys of recipes that belong together, and the images that are held out for their curves."""
    for name, recipe in config["training"].items():
        for key, choice, needed in (("optimiser", "sgd", ("momentum",)), ("schedule", "step", ("step_epochs", "gamma"))):
            chosen, given = recipe[key] == choice, [other for other in needed if other in recipe]
            if len(given) != (len(needed) if chosen else 0):
                expected = f"{' and '.join(needed)} with {key}: {choice}, and with no other"
                raise InputError(f"training.{name}", expected, f"{key}: {recipe[key]} and {' and '.join(given) or 'none'}")
        if recipe["epochs"] > MOST_PARTS * (recipe["epochs_per_job"] or recipe["epochs"]):
            raise InputError(
                f"training.{name}.epochs_per_job", f"{recipe['epochs']} epochs in at most {MOST_PARTS} jobs", recipe["epochs_per_job"]
            )
        if wanted := recipe.get("validate"):
            _known(f"training.{name}.validate.source", wanted["source"], config["sources"])
            there = config["sources"][wanted["source"]]["n_images"]
            if wanted["n_images"] > there:
                raise InputError(f"training.{name}.validate.n_images", f"at most the {there} of {wanted['source']}", wanted["n_images"])


def check_models(config: dict) -> None:
    """Architectures, recipes, training sources and checkpoints of models; models of pairs and controls."""
    for name, spec in config["models"].items():
        _check_architecture(f"models.{name}", spec)
        if ("train" in spec) == ("weights" in spec):
            raise InputError(f"models.{name}", "either train or weights", "both" if "train" in spec else "neither")
        if "train" in spec:
            _known(f"models.{name}.train.source", spec["train"]["source"], config["sources"])
            _known(f"models.{name}.train.recipe", spec["train"]["recipe"], config["training"])
            if config["training"][spec["train"]["recipe"]].get("validate", {}).get("source") == spec["train"]["source"]:
                raise InputError(f"training.{spec['train']['recipe']}.validate.source", f"images that {name} is not trained on", "its own")
        else:
            _check_path(f"models.{name}.weights", spec["weights"], "a checkpoint file")
            if not is_fetched(spec["weights"]):
                check_file(spec["weights"])
        if "train" in spec and spec.get("trained"):
            raise InputError(f"models.{name}.trained", "no word on a network whose recipe says it", f"how: {spec['trained']['how']}")
        if (trained := spec.get("trained")) and (trained["how"] == "adversarial") != ({"norm", "eps"} <= set(trained)):
            raise InputError(f"models.{name}.trained", "norm and eps of adversarial training, and of no other", ", ".join(trained))
    for name, pair in config["pairs"].items():
        if "published" in pair:
            _check_path(f"pairs.{name}.published", pair["published"], "a list of pictures (.npy)", os.path.isfile)
        for role in ("standard", "robust"):
            _known(f"pairs.{name}.{role}", pair[role], config["models"])
        for key in ("architecture", "layers"):
            standard, robust = (config["models"][pair[role]].get(key) for role in ("standard", "robust"))
            if standard != robust:
                raise InputError(f"pairs.{name}", f"two networks of the same {key}", f"{standard} and {robust}")
        if (config["models"][pair["robust"]].get("trained") or {}).get("how") == "standard":
            raise InputError(f"pairs.{name}.robust", "a network that was not trained in the standard way", pair["robust"])
    for name, control in config["controls"].items():
        _known(f"controls.{name}.model", control["model"], config["models"])
        _known(f"controls.{name}.pair", control["pair"], config["pairs"])


def _check_architecture(where: str, spec: dict) -> None:
    """Whether there is such a network, by its name or the package of its factory; none is built."""
    module, _, factory = spec["architecture"].partition(":")
    if ":" not in spec["architecture"]:
        return check_architecture(f"{where}.architecture", spec["architecture"])
    names = module.split(".") + ([] if module == "timm" and factory else factory.split("."))
    if not all(name.isidentifier() for name in names):
        raise InputError(f"{where}.architecture", "package.module:factory", repr(spec["architecture"]))
    python_path = spec.get("python_path")
    if python_path:
        _check_path(f"{where}.python_path", python_path, "a folder", os.path.isdir)
    package = module.partition(".")[0]
    try:
        found = python_path or find_spec(module if package == __package__ else package)  # deeper would import others' packages
    except (ImportError, ValueError):  # ValueError: of __main__
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
    if (curve := config["robustness"])["attack"]:
        _known("robustness.attack", curve["attack"], config["attacks"])
        if not curve["eps"]:
            raise InputError("robustness.eps", f"radii of {curve['attack']}", "none")
    if config["ablation"]["stimulus"]:
        _known("ablation.stimulus", config["ablation"]["stimulus"], {**config["sources"], **config["stimuli"]})
    for name in config["ablation"]["pairs"] or []:
        _known("ablation.pairs", name, config["pairs"])
    if wanted := config["ablation"].get("concepts"):
        _known("concepts", next(iter(config["concepts"]), "none"), config["concepts"], "a concept set, where concepts are ablated")
        for name in wanted["stimuli"]:
            _known("ablation.concepts.stimuli", name, {**config["sources"], **config["stimuli"]})
    for name in config["activations"]["keep"]:
        _known("activations.keep", name, config["models"])
    if twice := config["dissection"]["scaled_twice"]:
        for name in twice:
            _known("dissection.scaled_twice", name, config["models"])
        if config["dissection"]["scaling"] != "lite":
            raise InputError("dissection.scaled_twice", "scaling: lite", f"scaling: {config['dissection']['scaling']}")
    if config["predictions"]["baseline"]:
        _known("predictions.baseline", config["predictions"]["baseline"], config["models"])
    for key, names in config["claims"].items():
        if isinstance(names, bool):
            continue
        for name in [names] if isinstance(names, str) else names or []:
            _known(f"claims.{key}", name, shown, "a stimulus of a suite")
    for name, folders in config["compare"]["runs"].items():
        for folder in [folders] if isinstance(folders, str) else folders:
            _check_brackets(f"compare.runs.{name}", folder)
    if config["claims"]["adversarial"]:
        _known("claims.adversarial", config["claims"]["adversarial"], config["attacks"])
    if config["pairs"] or config["activations"]["noise"]:
        _known("sources", "clean", config["sources"], "a source named clean, the unmodified images, beside the others")


def _known(where: str, name: str, known: Iterable[str], what: str = "") -> None:
    if name not in known:
        raise InputError(where, what or f"one of {', '.join(sorted(known))}", repr(name))
