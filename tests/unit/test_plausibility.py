"""Values of the right type that cannot be meant: each is refused in one sentence, and what is near it is taken."""

import copy
import re
from functools import cache
from pathlib import Path

import pytest
import yaml

from robustlens.errors import InputError
from robustlens.plausibility import EMBEDDED_CLASSES, EMBEDDED_SIDE
from robustlens.schema import check_schema
from robustlens.shorthand import write_out
from robustlens.stimuli.cues import SHAPES
from robustlens.stimuli.embedded import SIDE
from robustlens.study import check_study

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "schemas" / "config.schema.yaml"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder with a file that begins as a checkpoint does."""
    (tmp_path / "net.pt").write_bytes(b"PK")
    monkeypatch.chdir(tmp_path)


@cache
def miniature() -> dict:
    """The study that ships, with photographs of 224 px and a network from a file beside."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    config["sources"]["photos"] = {"kind": "image-folder", "root": ".", "n_images": 20, "geometry": {"resize": 256, "crop": 224}}
    network = {key: value for key, value in config["models"]["alexnet-s"].items() if key != "train"}
    config["models"]["file-s"] = {**network, "weights": "net.pt"}
    config["models"]["file-r"] = {**network, "weights": "net.pt", "part": "ema"}
    return config


def changed(changes: dict) -> dict:
    """The miniature with values, by ``section/name/key``, set."""
    config = copy.deepcopy(miniature())
    for key, value in changes.items():
        *path, last = key.split("/")
        place = config
        for part in path:
            place = place.setdefault(part, {})
        place[last] = copy.deepcopy(value)
    return config


def check(changes: dict) -> dict:
    """What a dry run does, in its order; the config as the rules see it."""
    config = changed(changes)
    check_schema(config, SCHEMA)
    write_out(config)
    check_study(config)
    return config


def linf(**changes) -> dict:
    """An attack of 8 levels of 255 in ten steps of two."""
    return {"attacks/linf": {"norm": "linf", "eps": 8 / 255, "step": 2 / 255, "steps": 10, **changes}}


def test_what_a_dry_run_takes_is_what_the_renderer_draws():
    assert (SIDE, len(SHAPES)) == (EMBEDDED_SIDE, EMBEDDED_CLASSES)


ATTACKS = [
    (linf(eps=8), "attacks.linf.eps: expected an linf radius above 0 and at most 0.5, ..., got 8; in units of 0 to 255 write 8/255"),
    (linf(eps=0.6, step=0.1), "attacks.linf.eps: expected an linf radius above 0 and at most 0.5, ..., got 0.6; ..."),
    (linf(eps=0.03, step=1), "attacks.linf.step: expected at most 2 x eps, 0.06, got 1; in units of 0 to 255 write 1/255"),
    (linf(step=0), "attacks.linf.step: expected more than 0, got 0"),
    (linf(eps=0), "attacks.linf.eps: expected more than 0, got 0"),
    (linf(steps=0), "attacks.linf.steps: expected at least 1, got 0"),
    (linf(steps=2), "attacks.linf: expected steps that reach eps, 0.03137, got 2 x 0.007843 = 0.01569; raise step or steps"),
    ({"attacks/pgd/steps": 0}, "attacks.pgd.steps: expected at least 1, got 0"),  # of the sweep
    ({"attacks/pgd/eps": 28, "attacks/pgd/step": 5}, "attacks.pgd.eps: expected an l2 radius above 0 and at most 27.71, ... 32 px ..."),
    (
        {"attacks/far": {"norm": "l2", "eps": 195, "step": 50, "steps": 10, "source": "photos"}},
        "attacks.far.eps: expected an l2 radius above 0 and at most 194, at which any image of 224 px ..., got 195; ... write 195/255",
    ),
    ({"robustness/eps": [0.35, 64]}, "robustness.eps: expected an l2 radius above 0 and at most 27.71, ..., got 64; ..."),
    (
        {"training/adversarial/attack/eps": 128},
        "training.adversarial.attack.eps: expected an l2 radius above 0 and at most 27.71, ..., got 128; ... write 128/255",
    ),
    ({"training/adversarial/attack/step": 3}, "training.adversarial.attack.step: expected at most 2 x eps, 2.8, got 3; ..."),
    (
        {"training/adversarial/attack/step": 0.6},
        "training.adversarial.attack: expected steps that reach half of eps, 0.7, got 1 x 0.6 = 0.6; ...",
    ),
    (
        {"models/file-r/trained": {"how": "adversarial", "norm": "linf", "eps": 4}},
        "models.file-r.trained.eps: expected an linf radius above 0 and at most 0.5, ..., got 4; in units of 0 to 255 write 4/255",
    ),
    ({"stimuli/gaussian-noise-0.2/sigma": 51}, "stimuli.gaussian-noise-0.2.sigma: expected above 0 and at most 1: ..., got 51; ... 51/255"),
    ({"stimuli/gaussian-noise-0.2/sigma": 0}, "stimuli.gaussian-noise-0.2.sigma: expected above 0 and at most 1: pixels ..., got 0"),
]
IMAGES = [
    ({"stimuli/gaussian-blur-1/sigma": 0}, "stimuli.gaussian-blur-1.sigma: expected above 0 and below the 32 px of the image, got 0"),
    ({"stimuli/gaussian-blur-1/sigma": 32}, "stimuli.gaussian-blur-1.sigma: expected above 0 and below the 32 px of the image, got 32"),
    ({"stimuli/scrambled-4/grid": 5}, "stimuli.scrambled-4.grid: expected a number that divides the 32 px of clean, got 5"),
    ({"stimuli/scrambled-4/grid": 64}, "stimuli.scrambled-4.grid: expected a number that divides the 32 px of clean, got 64"),
    ({"stimuli/e": {"kind": "edges", "low": 0.95, "preserves": "shape"}}, "stimuli.e.low: expected at most high, 0.9, got 0.95"),
    ({"stimuli/silhouette/least": 0.96}, "stimuli.silhouette.least: expected below most, 0.95, got 0.96"),
    ({"sources/photos/geometry": {"resize": 64, "crop": 224}}, "sources.photos.geometry.crop: expected at most the 64 px of ..., got 224"),
    ({"classes": ["disc"] * 2}, "classes: expected each name once, got 'disc' again; tell them apart, as in crane (bird)"),
    ({"classes": ["disc", ""]}, "classes.1: expected text of at least 1 letter, got ''"),
    ({"classes": ["a", "b", "c"]}, "classes: expected the names of 8 classes, which clean (embedded) has, got 3; give all, or none"),
    ({"classes": ["yes", "no", True]}, "classes.2: expected a value of type string, got True; YAML reads yes, no, on and off as ..."),
    ({"classes": ["0", 1]}, "classes.1: expected a value of type string, got 1; put the text in quotes"),
    ({"sources/photos/classes": "imagenet-r"}, "sources.photos.classes: expected none in a study that ..., got imagenet-r"),
    (
        {"claims/cue_conflict": "clean"},
        "claims.cue_conflict: expected images whose shape and texture are of two classes ..., got clean, ...",
    ),
    ({"ablation/stimulus": "photos"}, "ablation.stimulus: expected cue-conflict images (...), got photos, of kind image-folder"),
]
COUNTS = [
    ({"verification/n_images": 401}, "verification.n_images: expected at most the 400 images of clean, got 401; lower it, or leave it out"),
    ({"activations/n_images": 401}, "activations.n_images: expected at most the 400 images of clean, got 401; ..."),
    ({"robustness/n_images": 401}, "robustness.n_images: expected at most the 400 images of clean, got 401; ..."),
    ({"ablation/n_images": 393}, "ablation.n_images: expected at most the 392 images of cue-conflict, got 393; ..."),
    (
        {"ablation/concepts": {"stimuli": ["clean", "photos"], "n_images": 21}},
        "ablation.concepts.n_images: expected at most the 20 images of photos, got 21; ...",
    ),
    ({"top_images": 401}, "top_images: expected at most the 400 images whose activations are taken, got 401"),
    ({"training/standard/batch_size": 4001}, "training.standard.batch_size: expected at most the 4000 images of train, got 4001"),
    ({"training/adversarial/attack/ramp_epochs": 7}, "training.adversarial.attack.ramp_epochs: expected at most the 6 epochs, got 7"),
    (
        {"training/standard/schedule": "step", "training/standard/step_epochs": 7, "training/standard/gamma": 0.1},
        "training.standard.step_epochs: expected at most the 6 epochs, got 7",
    ),
    ({"dissection/iou": 0}, "dissection.iou: expected more than 0, got 0"),
    ({"complexity/curve": [0.01, 4]}, "complexity.curve.1: expected at most 1, got 4"),
    ({"dissection/categories": []}, "dissection.categories: expected at least 1 in the list, got []"),
    ({"statistics/margin": 2}, "statistics.margin: expected less than 1, got 2"),
    ({"statistics/resamples": 10**9}, "statistics.resamples: expected at most 1000000, got 1000000000"),
    ({"claims/scrambled": ["scrambled-2", "scrambled-2"]}, "claims.scrambled: expected each once, got ..."),
    ({"study": ""}, "study: expected text of at least 1 letter, got ''"),
]
NETWORKS = [
    (
        {
            "models/photo-net": {"architecture": "resnet50", "train": {"source": "photos", "recipe": "texture"}},
            "training/texture": {"epochs": 1, "batch_size": 4, "learning_rate": 0.1, "labels": "texture"},
        },
        "training.texture.labels: expected label for photos, of kind image-folder, whose images know no cue, got texture, from which ...",
    ),
    ({"pairs/alexnet/robust": "alexnet-s"}, "pairs.alexnet: expected two networks, got alexnet-s twice"),
    (
        {"pairs/files": {"standard": "file-s", "robust": "file-r"}, "models/file-s/part": "ema"},
        "pairs.files: expected two networks of different weights, got net.pt of both",
    ),
    (
        {"pairs/alexnet": {"standard": "alexnet-r", "robust": "alexnet-s"}},
        "pairs.alexnet: expected robust: the network that was trained against an attack, got standard: alexnet-r, ...; exchange the two",
    ),
    (
        {"controls/shape-only/model": "alexnet-r"},
        "controls.shape-only.model: expected a third network beside the pair alexnet, got alexnet-r",
    ),
    (
        {"models/file-s/mean": [123.675, 116.28, 103.53]},
        "models.file-s.mean: expected numbers from 0 to 1: ..., got [123.675, 116.28, 103.53]; ... divide by 255, as in 123.675/255",
    ),
    ({"models/file-s/std": [58.4, 57.1, 57.4]}, "models.file-s.std: expected numbers from 0 to 1: ..., got [58.4, 57.1, 57.4]; ..."),
    ({"models/alexnet-s/part": "ema"}, "models.alexnet-s.part: expected none for a network that is trained here, got ema"),
    ({"models/file-s/top1": 76.1}, "models.file-s.top1: expected at most 1, got 76.1"),
]
SPELLING = [
    (
        linf(eps="8 / 0"),
        "attacks.linf.eps: expected a value of type number, got '8 / 0'; write 0.01, 1e-2 or 8/255, without words or units",
    ),
    (
        linf(eps="eight"),
        "attacks.linf.eps: expected a value of type number, got 'eight'; write 0.01, 1e-2 or 8/255, without words or units",
    ),
    (linf(steps="1e1"), "attacks.linf.steps: expected a value of type integer, got '1e1'; write 10, in digits and without quotes"),
    (linf(steps="5/2"), "attacks.linf.steps: expected a value of type integer, got '5/2'; write a whole number"),
    (linf(random_start="ja"), "attacks.linf.random_start: expected a value of type boolean, got 'ja'; write true or false, without quotes"),
]


@pytest.mark.parametrize(("changes", "sentence"), [*ATTACKS, *IMAGES, *COUNTS, *NETWORKS, *SPELLING])
def test_what_cannot_be_meant_is_one_sentence(changes, sentence):
    with pytest.raises(InputError) as error:
        check(changes)
    assert re.fullmatch(re.escape(sentence).replace(r"\.\.\.", ".+"), str(error.value)), str(error.value)


@pytest.mark.parametrize(
    "changes",
    [
        linf(),
        linf(eps=0.5, step=0.5, steps=1),
        linf(eps=0.3, step=0.1, steps=3),  # 0.30000000000000004
        linf(eps=4 / 255, step=8 / 255, steps=1),
        {"attacks/far": {"norm": "l2", "eps": 128, "step": 25, "steps": 10, "source": "photos"}},
        {"pairs/files": {"standard": "file-s", "robust": "file-r"}},  # one file that holds two networks
        {"activations/n_images": 400, "robustness/n_images": 400, "ablation/n_images": 392, "top_images": 400},
        {"training/standard/batch_size": 4000, "training/adversarial/attack/ramp_epochs": 6},
        {"models/file-s/mean": [0.485, 0.456, 0.406], "models/file-s/std": [1 / 255] * 3},  # a network that takes 0 to 255
    ],
)
def test_what_is_just_plausible_is_taken(changes):
    check(changes)


def test_a_fraction_and_a_text_are_the_number():
    """As YAML hands them over: 1e-2 is text there, and so is 8/255."""
    text = "{norm: linf, eps: 8/255, step: 2e-3, steps: 1_6}"
    assert yaml.safe_load(text) == {"norm": "linf", "eps": "8/255", "step": "2e-3", "steps": 16}
    written = check(
        {"attacks/linf": yaml.safe_load(text), "stimuli/gaussian-noise-0.2/sigma": "51/255", "robustness/eps": ["64/255", "5e-1"]}
    )
    number = check(linf(step=0.002, steps=16) | {"stimuli/gaussian-noise-0.2/sigma": 0.2, "robustness/eps": [64 / 255, 0.5]})
    assert written == number and written["attacks"]["linf"]["eps"] == 8 / 255
    means = check({"models/file-s/mean": ["123.675/255", "116.28/255", "103.53/255"], "stimuli/black-and-white/threshold": "1/2"})
    assert means["models"]["file-s"]["mean"] == [123.675 / 255, 116.28 / 255, 103.53 / 255]
    assert means["stimuli"]["black-and-white"]["threshold"] == 0.5


def test_null_takes_back_what_an_earlier_file_said():
    """Of every key that may be left out; of those of which null means something, it is that."""
    top1 = check({"models/file-s/top1": None, "models/file-s/trained": None, "sources/photos/images_per_shard": None})
    assert top1 == check({})
    assert check({"seed": None, "dissection": None, "statistics/margin": None})["seed"] == 0
    assert "photos" not in check({"sources/photos": None})["sources"]
    assert check({"models/file-s/arguments": {"classes": None}})["models"]["file-s"]["arguments"] == {"classes": None}  # of the user's code
    with pytest.raises(InputError, match=r"^attacks.pgd.eps: expected a value of type number, got None"):
        check({"attacks/pgd/eps": None})
    with pytest.raises(InputError, match=r"^suites.generalisation.0: expected a value of type string, got None"):
        check({"suites/generalisation": [None]})
