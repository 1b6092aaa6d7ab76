"""A config's mistakes: each is one sentence that names the key. And the schema and the configs that ship."""

import copy
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from snakemake.utils import validate

from robustlens.class_list import check_classes
from robustlens.errors import InputError
from robustlens.schema import check_schema
from robustlens.shorthand import write_out
from robustlens.stimuli.make import function_of, parameters_of
from robustlens.stimuli.silhouette import NEEDED
from robustlens.study import MASK_KEYS, NAME, PARAMETERS, check_study

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "schemas" / "config.schema.yaml"
CONFIGS = [ROOT / "config.yaml", *sorted((ROOT / "studies").glob("*.yaml"))]


def check(config: dict) -> None:
    """What a dry run does, in its order."""
    config = copy.deepcopy(config)
    check_schema(config, SCHEMA)
    write_out(config)
    check_study(config)
    check_classes(config)


@pytest.fixture
def config():
    return yaml.safe_load((ROOT / "config.yaml").read_text())


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_the_defaults_are_those_that_snakemake_fills_in(path):
    filled, peer = (yaml.safe_load(path.read_text()) for _ in range(2))
    check_schema(filled, SCHEMA)
    validate(peer, str(SCHEMA))
    assert filled == peer != yaml.safe_load(path.read_text())


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_the_studies_that_ship_are_valid(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    config = yaml.safe_load(path.read_text())
    for name, brought in config.get("paths", {}).items():
        brought["path"] = f"results/fetched/{name}"
    check(config)


GONE = object()
FOLDER = {"kind": "image-folder", "root": "/nowhere", "n_images": 3, "geometry": {"resize": 9, "crop": 8}}
SCHEMA_FAULTS = [
    ("modles", {}, "config: expected only the keys study, ..., got modles; is it misspelt?"),
    ("study", GONE, "config: expected the key study, got none"),
    (
        "sources/train/n_image",
        3,
        "sources.train: expected only the keys kind, cues, n_images, images_per_shard, got n_image; is it misspelt?",
    ),
    ("sources/train/kind", "embeded", "sources.train.kind: expected one of embedded, image-folder, ..., got 'embeded'"),
    ("sources/train/n_images", GONE, "sources.train: expected the key n_images, got none"),
    (
        "sources/train/n_images",
        "6",
        "sources.train.n_images: expected a value of type integer, got '6'; write 6, in digits ...",
    ),
    ("sources/train/n_images", 5.0, "sources.train.n_images: expected a value of type integer, got 5.0"),
    ("sources/train/n_images", 0, "sources.train.n_images: expected at least 1, got 0"),
    ("sources/train/cues", "none", "sources.train.cues: expected one of both, texture, shape, conflict, independent, got 'none'"),
    ("sources/photos", {**FOLDER, "geometry": {"resize": 9}}, "sources.photos.geometry: expected the key crop, got none"),
    ("stimuli/stylized/kind", "cartoon", "stimuli.stylized.kind: expected one of gaussian-blur, ..., got 'cartoon'"),
    ("stimuli/black-and-white/threshold", "otzu", "stimuli.black-and-white.threshold: expected a value of type number or otsu, got 'otzu'"),
    ("attacks/pgd/norm", "l1", "attacks.pgd.norm: expected one of l2, linf, got 'l1'"),
    ("attacks/pgd/eps", -1, "attacks.pgd.eps: expected more than 0, got -1"),
    ("training/standard/epocs", 1, "training.standard: expected only the keys epochs, ..., got epocs; is it misspelt?"),
    ("training/standard/learning_rate", 0, "training.standard.learning_rate: expected more than 0, got 0"),
    ("models", {}, "models: expected at least 1 entry, got {}"),
    ("models/alexnet-s/mean", [0.5], "models.alexnet-s.mean: expected at least 3 in the list, got [0.5]"),
    ("models/alexnet-s/layers", ["conv1", "conv1"], "models.alexnet-s.layers: expected each once, got ['conv1', 'conv1']"),
    ("pairs/alexnet/robst", "alexnet-r", "pairs.alexnet: expected only the keys standard, robust, published, got robst; is it misspelt?"),
]
ZEROS = "0" * 64
SCHEMA_FAULTS += [
    *(
        (section, {"x": {key: value, "sha256": ZEROS}}, f"{section}.x.{key}: expected text that matches ..., got {value!r}")
        for section, key, value in [
            *(("packages", "requirement", value) for value in ("--pre==1", "a==1 --no-deps", "a==1;x", "a @ https://b.c")),
            *(("packages", "npm", value) for value in ("--registry@1", "a@1 b", "a@file:/x", "@-a/b@1", "../a@1")),
        ]
    ),
    *(
        ("downloads", {"x": {"git": value, "commit": "0" * 40, "folders": ["a"]}}, f"downloads.x.git: expected text ..., got {value!r}")
        for value in ("ext::sh -c x", "--upload-pack=x", "ssh://-oProxyCommand=x/y", "a/b")
    ),
    *(
        ("downloads", {"x": {"files": [{"url": value, "md5": "0" * 32}]}}, f"downloads.x.files.0.url: expected text ..., got {value!r}")
        for value in ("file:///etc/passwd", "-o", "ftp://a/b", "a://b")
    ),
]
STUDY_FAULTS = [
    ("models/Alexnet", "=models/alexnet-s", "models.Alexnet: expected lower-case letters and digits, joined by - or ., got 'Alexnet'"),
    ("pairs/a_b", "=pairs/alexnet", "pairs.a_b: expected lower-case letters and digits, joined by - or ., got 'a_b'"),
    ("pairs/1", "=pairs/alexnet", "pairs: expected keys that are text, got 1; put it in quotes"),
    ("models/" + "a" * 81, "=models/alexnet-s", "models." + "a" * 73 + ": expected a name of at most 80 letters, got 81"),
    ("models/..", "=models/alexnet-s", "models...: expected lower-case letters and digits, joined by - or ., got '..'"),
    (
        "models/a;touch x",
        "=models/alexnet-s",
        "models.a;touch x: expected lower-case letters and digits, joined by - or ., got 'a;touch x'",
    ),
    (
        "suites/predictions.parquet",
        ["silhouette"],
        "suites.predictions.parquet: expected a name that does not end as files do (...), got ...",
    ),
    ("corruptions", {"clean": {"severities": [1]}}, "clean: expected one image set of this name, got several of ..."),
    ("sources/clean/n_images", 8000001, "sources.clean.n_images: expected images of at most 10,000 shards, got 8000001"),
    ("models/alexnet-s/architecture", "..:x", "models.alexnet-s.architecture: expected package.module:factory, got '..:x'"),
    (
        "stimuli/clean",
        "=stimuli/silhouette",
        "clean: expected one image set of this name, got several of sources, concepts, stimuli, attacks",
    ),
    ("attacks/scenes", "=attacks/pgd", "scenes: expected one image set of this name, got several of ..."),
    ("stimuli/silhouette/source", "cleen", "stimuli.silhouette.source: expected one of clean, cue-conflict, train..., got 'cleen'"),
    ("stimuli/gaussian-blur-1/sigma", GONE, "stimuli.gaussian-blur-1: expected the key sigma for a gaussian-blur, got none"),
    ("stimuli/gaussian-blur-1/grid", 4, "stimuli.gaussian-blur-1: expected the parameters of gaussian-blur alone (sigma), got grid"),
    ("stimuli/stylized/sigma", 4, "stimuli.stylized: expected the parameters of stylized alone (paintings), got sigma"),
    ("attacks/pgd/source", "silhouette", "attacks.pgd.source: expected one of clean, ..., got 'silhouette'"),
    ("sources/photos", FOLDER, "sources.photos.root: expected a folder of pictures, got /nowhere, which is not there"),
    (
        "concepts/broden",
        {"kind": "broden", "root": "/nowhere", "n_images": 3},
        "concepts.broden.root: expected a folder of pictures, got /nowhere, which is not there",
    ),
    ("suites/generalisation", ["clean", "mist"], "suites.generalisation: expected one of ..., got 'mist'"),
    ("suites/generalisation", ["clean", "scenes"], "suites.generalisation: expected one of ..., got 'scenes'"),
    ("suites/more", ["clean"], "suites.more: expected each image set in one suite, got clean, which is in generalisation too"),
    ("dissection/scaled_twice", ["alexnet-q"], "dissection.scaled_twice: expected one of ..., got 'alexnet-q'"),
    ("dissection/scaled_twice", ["alexnet-r"], "dissection.scaled_twice: expected scaling: lite, got scaling: own"),
    (
        "training/standard",
        {"epochs": 301, "epochs_per_job": 1, "batch_size": 50, "learning_rate": 0.1},
        "training.standard.epochs_per_job: expected 301 epochs in at most 300 jobs, got 1",
    ),
    ("models/alexnet-s/train/source", "trian", "models.alexnet-s.train.source: expected one of ..., got 'trian'"),
    ("models/alexnet-s/train/recipe", "usual", "models.alexnet-s.train.recipe: expected one of adversarial, ..., got 'usual'"),
    ("models/alexnet-s/train", GONE, "models.alexnet-s: expected either train or weights, got neither"),
    ("models/alexnet-s/weights", "a.pth", "models.alexnet-s: expected either train or weights, got both"),
    ("models/alexnet-s/architecture", "robustlens:", "models.alexnet-s.architecture: expected package.module:factory, got 'robustlens:'"),
    (
        "models/alexnet-s/architecture",
        "alexnett",
        "models.alexnet-s.architecture: expected a classification model of torchvision, ..., got alexnett; perhaps alexnet",
    ),
    ("models/alexnet-s/trained", {"how": "standard"}, "models.alexnet-s.trained: expected no word on a network whose recipe says it, ..."),
    (
        "models/alexnet-s/architecture",
        "robustlens.models.minature:alexnet",
        "models.alexnet-s.architecture: expected a package that is installed, ..., got robustlens.models.minature",
    ),
    (
        "models/alexnet-s/architecture",
        "notinstalled.deep.module:alexnet",
        "models.alexnet-s.architecture: expected a package that is installed, ..., got notinstalled.deep.module",
    ),
    ("models/alexnet-s/python_path", "/nowhere", "models.alexnet-s.python_path: expected a folder, got /nowhere, which is not there"),
    ("pairs/alexnet/robust", "alexnet-q", "pairs.alexnet.robust: expected one of alexnet-r, ..., got 'alexnet-q'"),
    (
        "pairs/alexnet/robust",
        "resnet-r",
        "pairs.alexnet: expected two networks of the same architecture, got robustlens.models.miniature:alexnet and ...:resnet",
    ),
    ("models/alexnet-r/layers", ["conv1"], "pairs.alexnet: expected two networks of the same layers, got ... and ['conv1']"),
    ("controls/shape-only/model", "alexnet-x", "controls.shape-only.model: expected one of ..., got 'alexnet-x'"),
    ("controls/shape-only/pair", "vgg", "controls.shape-only.pair: expected one of alexnet, googlenet, resnet, got 'vgg'"),
    ("activations/noise", "clean", "activations.noise: expected one of black-and-white, ..., got 'clean'"),
    (
        "stimuli/gaussian-noise-0.2/source",
        "train",
        "activations.noise: expected a stimulus made from clean, got ..., made from train",
    ),
    ("ablation/stimulus", "cues", "ablation.stimulus: expected one of ..., got 'cues'"),
    ("ablation/concepts", {"stimuli": ["pgd"]}, "ablation.concepts.stimuli: expected one of ..., got 'pgd'"),
    ("ablation/pairs", ["alexnet", "vgg"], "ablation.pairs: expected one of alexnet, googlenet, resnet, got 'vgg'"),
    ("compare", {"runs": {"a": "{model}"}}, "compare.runs.a: expected a path without { } < >, between which ..., got {model}"),
    ("predictions", {"baseline": "vgg"}, "predictions.baseline: expected one of ..., got 'vgg'"),
    ("predictions", {"sixteen_by": "median"}, "predictions.sixteen_by: expected one of mean, sum, max, got 'median'"),
    (
        "sources/photos",
        {**FOLDER, "root": ".", "devkit": "."},
        "sources.photos: expected the parameters of image-folder alone (labels), got devkit",
    ),
    (
        "sources/photos",
        {**FOLDER, "root": ".", "kind": "imagenet-c"},
        "sources.photos: expected the key corruption for a imagenet-c, got none",
    ),
    (
        "stimuli/silhouette/masks",
        "alpha",
        "stimuli.silhouette.masks: expected folder, segmenter, grabcut for images of kind embedded, got alpha",
    ),
    ("stimuli/silhouette/mask_values", [1], "stimuli.silhouette.mask_values: expected none with masks: given, got [1]"),
    ("stimuli/silhouette/masks", "segmenter", "stimuli.silhouette: expected the key network for segmenter, got none"),
    (
        "stimuli/cues",
        {"kind": "cue-conflict", "engine": "adain", "preserves": "both"},
        "stimuli.cues: expected the key encoder for adain, got none",
    ),
    (
        "corruptions",
        {"c": {"root": "/x", "corruptions": ["frost"]}},
        "corruptions.c: expected the keys n_images and geometry beside root, got root, corruptions",
    ),
    ("corruptions", {"c": {"n_images": 3, "corruptions": ["frost"]}}, "corruptions.c: expected the keys of made pictures, got n_images"),
    ("downloads", {"x": {"git": "https://a.b"}}, "downloads.x: expected either files, or git with commit and folders, got git"),
    ("downloads", {"x": {"files": [{"url": "https://a/b"}]}}, "downloads.x: https://a/b: expected one of ..., got none"),
    ("packages", {"x": {"sha256": "0" * 64}}, "packages.x: expected either requirement or npm, got neither"),
    (
        "packages",
        {"x": {"sha256": "0" * 64, "npm": "a@1", "requirement": "a==1"}},
        "packages.x: expected either requirement or npm, got both",
    ),
    ("claims/scrambled", ["scrambled-3"], "claims.scrambled: expected a stimulus of a suite, got 'scrambled-3'"),
    ("claims/adversarial", "clean", "claims.adversarial: expected one of pgd, got 'clean'"),
]


def edit(config: dict, key: str, value: object) -> None:
    """Set, copy (``=section/name``) or take away (``GONE``) what stands at ``key``."""
    *path, last = key.split("/")
    if isinstance(value, str) and value.startswith("="):
        section, name = value[1:].split("/")
        value = copy.deepcopy(config[section][name])
    place = config
    for part in path:
        place = place[part]
    if value is GONE:
        del place[last]
    else:
        place[int(last) if last.isdigit() else last] = value


@pytest.mark.parametrize(("key", "value", "sentence"), [*SCHEMA_FAULTS, *STUDY_FAULTS])
def test_every_mistake_is_one_sentence_that_names_the_key(config, key, value, sentence):
    edit(config, key, value)
    with pytest.raises(InputError) as error:
        check(config)
    assert re.fullmatch(re.escape(sentence).replace(r"\.\.\.", ".+"), str(error.value)), str(error.value)
    assert "\n" not in str(error.value)


def test_masks_that_are_there_are_read_before_anything_runs(config, tmp_path):
    """Class numbers in grey could mean anything, as does a mask that is none; on_bad_image: exclude is for the second alone."""
    for folder in ("images/disc", "masks/disc"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "images/disc/0.jpg").touch()
    config["sources"]["photos"] = {**FOLDER, "root": str(tmp_path / "images")}
    masks = {"masks": "folder", "folder": str(tmp_path / "masks")}
    config["stimuli"]["silhouette"] = {"kind": "silhouette", "source": "photos", "preserves": "shape", **masks}
    check(config)  # a missing mask is said by the job: the image may not be of the set
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(tmp_path / "masks/disc/0.png")
    config["on_bad_image"] = "exclude"
    with pytest.raises(InputError, match=r"masks/disc/0.png: expected a mask .* got the values 0, 1, .*; set mask_values of the stimulus"):
        check(config)
    check({**config, "stimuli": {**config["stimuli"], "silhouette": {**config["stimuli"]["silhouette"], "mask_values": [1, 2]}}})
    (tmp_path / "masks/disc/0.png").write_bytes(b"no image")
    check(config)
    config["on_bad_image"] = "stop"
    with pytest.raises(InputError, match="masks/disc/0.png: expected a readable mask"):
        check(config)


def test_mistakes_that_need_a_second_one(config, tmp_path):
    config["sources"]["photos"] = {**FOLDER, "root": str(tmp_path)}
    check(config)
    edit(config, "stimuli/silhouette/source", "photos")
    with pytest.raises(InputError, match="stimuli.silhouette.masks: expected folder, alpha, segmenter, grabcut .* image-folder, got given"):
        check(config)
    del config["stimuli"]["silhouette"]["source"], config["models"]["alexnet-s"]["train"]
    edit(config, "models/alexnet-s/weights", str(tmp_path / "weights.pth"))
    with pytest.raises(InputError, match=r"models.alexnet-s.weights: expected a checkpoint file, got .*weights.pth, which is not there"):
        check(config)
    (tmp_path / "weights.pth").write_bytes(b"PK")
    check(config)
    edit(config, "models/alexnet-s/weights", str(tmp_path))
    with pytest.raises(InputError, match=f"{tmp_path}: expected a checkpoint file, got a folder; name the file in it: weights.pth"):
        check(config)
    (tmp_path / "weights.pth").write_text("version https://git-lfs.github.com/spec/v1")
    edit(config, "models/alexnet-s/weights", str(tmp_path / "weights.pth"))
    with pytest.raises(InputError, match="weights.pth: expected a checkpoint of plain tensors, got a pointer of Git LFS"):
        check(config)


@pytest.mark.parametrize("path", ["a" * 5000, "a/" * 3000, "\udcff", "results/fetched/../../etc/passwd", "results/fetched"])
def test_a_path_that_the_system_refuses_is_not_there(config, path):
    config["sources"]["photos"] = {**FOLDER, "root": path}
    with pytest.raises(InputError, match="^sources.photos.root: expected "):
        check(config)


def test_a_file_that_is_waited_for_has_no_brackets(config, tmp_path):
    (tmp_path / "{shard}.pth").write_bytes(b"PK")
    network = {key: value for key, value in config["models"]["alexnet-s"].items() if key != "train"}
    config["models"]["brought"] = {**network, "weights": str(tmp_path / "{shard}.pth")}
    with pytest.raises(InputError, match=r"models.brought.weights: expected a path without { } < >, .*, got .*{shard}.pth$"):
        check(config)
    for path in ("results/fetched/{shard}/x", "results/fetched/<results>/x"):
        config["models"]["brought"]["weights"] = path
        with pytest.raises(InputError, match=rf"models.brought.weights: expected a path without {{ }} < >, .*, got {path}$"):
            check(config)


def test_what_a_rule_will_fetch_need_not_be_there(config):
    config["sources"]["photos"] = {**FOLDER, "root": "results/fetched/package/pictures"}
    network = {key: value for key, value in config["models"]["alexnet-s"].items() if key != "train"}
    fetched = {"python_path": "results/fetched/package", "weights": "results/fetched/package/a.pth", "architecture": "notinstalled:net"}
    config["models"]["brought"] = {**network, **fetched}
    check(config)


def test_pairs_need_the_unmodified_images(config):
    config["sources"]["plain"] = config["sources"].pop("clean")
    for section in ("stimuli", "attacks"):
        for spec in config[section].values():
            spec["source"] = "plain"
    config["suites"]["generalisation"][0] = "plain"
    config["activations"]["noise"] = None
    with pytest.raises(InputError, match="sources: expected a source named clean"):
        check(config)
    config["pairs"] = config["controls"] = {}
    check(config)


def test_parameters_are_those_of_the_functions():
    """The table that a dry run checks against, which must import no picture library, says what the functions take."""
    schema = yaml.safe_load(SCHEMA.read_text())["properties"]["stimuli"]["additionalProperties"]["properties"]["kind"]["enum"]
    assert set(PARAMETERS) == set(schema)
    for kind, (must, may) in PARAMETERS.items():
        known = parameters_of(function_of(kind)[0]).items()
        own = {name: needed for name, needed in known if name not in ("textures", "exclude")}  # of which the rules know
        assert own == {**dict.fromkeys(must, True), **dict.fromkeys(may, False)}, kind
    assert {masks: must for masks, (must, _) in MASK_KEYS.items()} == NEEDED


def test_names_that_stand_in_one_part_of_a_path_are_told_apart():
    """``a-b`` and ``c`` would meet ``a`` and ``b-c`` if names were joined by what names may hold."""
    rules = "".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    paths = re.findall(r'"((?:logs|benchmarks|results)/[^"]*)"', rules)
    joined = [between for path in paths for between in re.findall(r"\}([^{}/]*)\{", path)]
    assert set(joined) == {"_"} and len(joined) > 40 and not NAME.fullmatch("a_b")


# ---------------------------------------------------------------------------------------------------------------------- schema
def undescribed(schema: dict, where: str = "") -> list[str]:
    """Properties without a description, and objects that let unknown keys in."""
    found = []
    for key, part in schema.get("properties", {}).items():
        if "description" not in part and "$ref" not in part:
            found.append(f"{where}.{key}")
        found += undescribed(part, f"{where}.{key}")
    if "properties" in schema and schema.get("additionalProperties") is not False and "if" not in schema:
        found.append(f"{where} takes unknown keys")
    for key in ("additionalProperties", "items", "then", "else"):
        if isinstance(schema.get(key), dict):
            found += undescribed(schema[key], f"{where}.*")
    for name, part in schema.get("$defs", {}).items():
        found += undescribed(part, f"{where}.$defs.{name}") + ([] if "description" in part else [f"$defs.{name}"])
    return found


def test_every_key_of_the_schema_is_described_and_no_other_is_let_in():
    schema = yaml.safe_load(SCHEMA.read_text())
    assert undescribed(schema) == []
    del schema["properties"]["seed"]["description"], schema["properties"]["training"]["additionalProperties"]["additionalProperties"]
    assert undescribed(schema) == [".seed", ".training.* takes unknown keys"]
