"""All real formats at once, on tiny files: the entries of the shipped studies, in one study of ImageNet's classes and one of ten classes.

The networks decide for one class whatever they are shown, so that each accuracy is known: a half, if labels are read as they should be.
What is shorter than in the shipped studies stands in this file, the rest is theirs. They are run whole with the marker ``full``.
"""

import json
from pathlib import Path

import mnist_tree
import pandas as pd
import pytest
import torchvision
import yaml
from cifar_tree import write_tree as write_cifar
from keras_files import arrays_of, write
from photographs_tree import write_packages
from shipped import merged, study, table

from imagenet_tree import PER_CLASS, biased, write_tree
from robustlens.imagenet import classes
from robustlens.images import read_manifest, read_shard
from robustlens.models.registry import load_model
from robustlens.models.variants import VariantResNet
from runs import jobs, snakemake

N = 2 * PER_CLASS
CORRUPTIONS = ["fog", "jpeg-compression"]  # brought
MADE = ["glass-blur", "jpeg-compression"]  # here
PHOTOGRAPHED = ["contour", "edges", "silhouette", "stylized", "cue-conflict"]
BROUGHT = ["alexnet-s", "alexnet-r", "resnet50-sin", "efficientnet-lite0", "resnet50-keras"]
TRAINED = ["trained-s", "trained-r"]
BLOCK = {"layers": [1, 1, 1, 1], "classes": 1000}  # a bottleneck a stage


# ------------------------------------------------------------------------------------------------------------- ImageNet's classes
def thousand_classes() -> dict:
    """What studies/imagenet.yaml asks for, with the photographs and their networks, and two of the trainings on ImageNet."""
    imagenet, photographs, training = study("imagenet"), study("photographs"), study("train-imagenet")
    left_out = {"scrambled-4", "scrambled-8"}
    members = [name for name in imagenet["suites"]["all"] if name not in left_out]
    made = {f"photographs-{name}": {**photographs["stimuli"][name], "source": "photographs"} for name in PHOTOGRAPHED}
    models = {**imagenet["models"], **photographs["models"]}
    models |= {"trained-s": training["models"]["resnet50-s"], "trained-r": training["models"]["alexnet-r"]}
    return imagenet | {
        "study": "thousand-classes",
        "classes": classes()["wnid"].tolist(),  # the folders of the training images are of two of them
        "paths": imagenet["paths"] | {"train": training["paths"]["train"]},
        "packages": {name: spec for name, spec in photographs["packages"].items() if "requirement" in spec},
        "sources": imagenet["sources"] | {"photographs": photographs["sources"]["clean"], "train": training["sources"]["train"]},
        "stimuli": {name: spec for name, spec in imagenet["stimuli"].items() if name not in left_out} | made,
        "corruptions": imagenet["corruptions"] | {"made-c": photographs["corruptions"]["imagenet-c"]},
        "training": training["training"],
        "models": {name: models[name] for name in (*BROUGHT, *TRAINED)},
        "pairs": {"alexnet": imagenet["pairs"]["alexnet"]},
        "controls": {"sin": {**imagenet["controls"]["sin"], "pair": "alexnet"}},
        "suites": {"all": [*members, "photographs", *made, "made-c"]},
        "claims": imagenet["claims"] | {"scrambled": ["scrambled-2"]},
    }


def shorter(keras: str) -> dict:
    """What takes time only: fewer corruptions, layers and steps, small networks in the layouts of large ones."""
    recipe = {"epochs": 2, "epochs_per_job": 1, "batch_size": 2, "step_epochs": 1, "validate": {"n_images": N}}
    attack = {"attack": {"step": 1.5, "steps": 2}}
    return {
        "sources": {"train": {"n_images": N, "images_per_shard": N - 1}},
        "attacks": {"pgd-3": {"step": 1.5, "steps": 2}},
        "stimuli": {"silhouette": {"network": "lraspp_mobilenet_v3_large"}},
        "corruptions": {"imagenet-c": {"corruptions": CORRUPTIONS, "severities": [5]}, "made-c": {"corruptions": MADE}},
        "training": {
            name: merged(recipe, attack if "attack" in spec else {}) for name, spec in study("train-imagenet")["training"].items()
        },
        "robustness": {"eps": [1.0], "n_images": None},
        "activations": {"n_images": N, "mode": "streamed"},  # as the study at its size decides by itself
        "statistics": {"resamples": 100},
        "dissection": {"min_positions": 1},  # of four images
        "ablation": {"n_images": 2},
        "models": {
            **{name: {"layers": ["features.11"]} for name in ("alexnet-s", "alexnet-r")},
            "resnet50-sin": {"architecture": "torchvision.models:resnet18", "layers": ["layer1"]},
            "efficientnet-lite0": {"top1": 0.5},
            "resnet50-keras": {"architecture": "robustlens.models.variants:VariantResNet", "arguments": BLOCK, "weights": keras}
            | {"layers": ["relu"], "top1": 0.5},
            **{name: {"architecture": "shufflenet_v2_x0_5", "layers": ["conv1"]} for name in TRAINED},
        },
    }


def write_keras(folder) -> str:
    """A small ResNet in the layout of Keras' ResNet-50."""
    entry = study("photographs")["models"]["resnet50-keras"]
    network = VariantResNet(**{**entry["arguments"], **BLOCK}).eval()
    folder.mkdir()
    return str(write(folder, arrays_of(biased(network, 1e6))))  # which takes pixels of 0 to 255


@pytest.fixture(scope="module")
def thousand(tmp_path_factory):
    """The folder of the finished study of ImageNet's classes."""
    folder = tmp_path_factory.mktemp("thousand")
    brought = folder / "brought"
    mine = write_tree(brought, kinds=CORRUPTIONS, severities=[5], names=BROUGHT[:3], resnet=torchvision.models.resnet18)
    packages = write_packages(folder / "packages")
    mine = merged(merged(mine, packages), shorter(write_keras(brought / "keras")))
    mine["paths"]["train"] = mine["paths"]["imagenet"]
    (folder / "study.yaml").write_text(yaml.safe_dump(thousand_classes(), sort_keys=False))
    (folder / "mine.yaml").write_text(yaml.safe_dump(mine))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(folder / "packages"))
        snakemake(folder, "--quiet", "host", config=[folder / "study.yaml", folder / "mine.yaml"])
    return folder


def test_every_image_of_every_set_is_decided(thousand):
    accuracy = table(thousand, "accuracy")
    assert set(accuracy["model"]) == {*BROUGHT, *TRAINED}
    counts = accuracy.groupby("stimulus")["n_images"].agg(["min", "max", "size"])
    assert set(counts["size"]) == {len(BROUGHT) + len(TRAINED)}
    cut = {"cue-conflict": 3, "edges": 2, "filled-silhouettes": 2}
    corrupted = [f"imagenet-c-{kind}-5" for kind in CORRUPTIONS] + [f"made-c-{kind}-3" for kind in MADE]
    made = [f"photographs-{name}" for name in PHOTOGRAPHED]
    whole = ["clean", "gaussian-noise-0.08", "scrambled-2", "stylized", "black-and-white", "canny", "pgd-3", "photographs"]
    whole += ["imagenet-a", "imagenet-r", "imagenet-sketch", "imagenetv2", *corrupted, *made]
    found = ["silhouette", "photographs-silhouette"]  # an object is not found in each
    assert set(counts.index) == {*whole, *cut, "silhouette"}
    assert (counts.loc[[name for name in whole if name not in found], ["min", "max"]] == N).all(axis=None)
    assert counts["max"][list(cut)].to_dict() == cut and (counts.loc[found, "min"] > 0).all()
    labelled = accuracy[accuracy["model"].isin(BROUGHT) & ~accuracy["stimulus"].isin(["cue-conflict", *found])]
    assert (labelled["top1"] == 0.5).all()  # every network decides for the first of the two classes


def test_the_curve_over_the_radius_has_every_network_but_the_control(thousand):
    curve = table(thousand, "robustness")
    assert set(curve["model"]) == {*BROUGHT, *TRAINED} - {"resnet50-sin"} and len(curve) == 6 * 2 and (curve["n_images"] == N).all()
    assert (curve.loc[(curve["eps"] == 0) & curve["model"].isin(BROUGHT), "top1"] == 0.5).all()


def test_cues_are_decided_among_sixteen_classes(thousand):
    """Shapes of the first class: two of three; its texture: one."""
    bias = table(thousand, "shape_bias").set_index("model").loc[BROUGHT]
    assert (bias[["n_images", "n_decided"]] == 3).all(axis=None) and (bias["shape_bias"].round(4) == 0.6667).all()


def test_modified_images_have_the_ids_of_their_originals(thousand):
    clean = read_manifest(thousand / "results/stimuli/clean/manifest.parquet")["image_id"]
    assert list(clean) == [f"ILSVRC2012_val_{number:08d}" for number in range(1, N + 1)]
    for kind in CORRUPTIONS:
        assert list(read_manifest(thousand / f"results/stimuli/imagenet-c-{kind}-5/manifest.parquet")["image_id"]) == list(clean)
    photographs = read_manifest(thousand / "results/stimuli/photographs/manifest.parquet")["image_id"]
    for source, ids in (("photographs-edges", photographs), *((f"made-c-{kind}-3", clean) for kind in MADE)):
        assert list(read_shard(thousand / f"results/stimuli/{source}/shard-0000.parquet").rows["image_id"]) == list(ids)


def test_the_networks_are_those_of_the_files(thousand, monkeypatch):
    monkeypatch.chdir(thousand)  # from which the folder of a package counts
    kinds = {"alexnet-r": "AlexNet", "resnet50-sin": "ResNet", "efficientnet-lite0": "EfficientNet", "resnet50-keras": "VariantResNet"}
    for model, architecture in kinds.items():
        folder = Path("results/models", model)
        loaded = load_model(str(folder / "weights.safetensors"), str(folder / "card.json"), "cpu")
        verified = json.loads((folder / "verified.json").read_text())
        assert verified["n_images"] == N and verified["top1"] == 0.5
        assert type(loaded.network).__name__ == architecture
        entry = thousand_classes()["models"][model]
        assert loaded.card["mean"] == entry.get("mean", [0.485, 0.456, 0.406])
    assert loaded.network.bgr and loaded.network.layer2[0].conv1.stride == (2, 2)  # as studies/photographs.yaml says of Keras'


def test_the_networks_are_trained_in_parts_with_a_curve_on_images_held_out(thousand):
    for name in TRAINED:
        folder = thousand / "results/models" / name
        curve = pd.read_parquet(folder / "training.parquet")
        assert list(curve["epoch"]) == [0, 1] and curve[["loss", "clean_accuracy"]].notna().all(axis=None)
        assert curve["robust_accuracy"].notna().all() == name.endswith("-r")
        card = json.loads((folder / "card.json").read_text())
        recipe = card["training"]["recipe"]
        assert (recipe["optimiser"], recipe["schedule"], recipe["precision"], recipe["step_epochs"]) == ("sgd", "step", "bfloat16", 1)
        assert recipe["augmentation"] == ["random-resized-crop", "flip", "color-jitter", "lighting"]
        assert recipe["learning_rate"] == (0.01 if name == "trained-r" else 0.1) and card["mean"] == [0.485, 0.456, 0.406]
        network = load_model(str(folder / "weights.safetensors"), str(folder / "card.json"), "cpu").network
        assert type(network).__name__ == "ShuffleNetV2"
        assert (thousand / f"benchmarks/train_part/{name}_0001.tsv").is_file()
    assert not list(thousand.glob("results/models/*/epoch-*"))


def test_neurons_corruptions_and_the_report_are_there(thousand):
    units = table(thousand, "dissection")
    assert set(units["model"]) == {*BROUGHT, *TRAINED} and set(table(thousand, "ablation")["model"]) == {"alexnet-s", "alexnet-r"}
    named = thousand_classes()["models"]["efficientnet-lite0"]["layers"]
    assert set(units.loc[units["model"] == "efficientnet-lite0", "layer"]) == set(named)
    errors = table(thousand, "corruption_errors")
    errors = errors[errors["model"].isin(BROUGHT)]
    assert (errors["error"] == 0.5).all() and len(errors) == len(BROUGHT) * (len(CORRUPTIONS) + len(MADE))
    mce = table(thousand, "mce").set_index(["model", "statistic"])
    for model in BROUGHT:
        assert tuple(mce.loc[(model, "mean-error"), ["value", "n_corruptions"]]) == (0.5, len({*CORRUPTIONS, *MADE}))
        assert pd.isna(mce.loc[(model, "mce"), "value"])  # of one severity
    claims = pd.read_csv(thousand / "results/reports/claims.csv")
    of_subset = claims[claims["claim"].isin(["C3", "C5"])]  # of the images that both networks get right: those of the first class
    assert (of_subset["n"] == str(PER_CLASS)).all() and (of_subset[["standard", "robust"]] == 1).all(axis=None) and len(of_subset) == 2
    assert set(claims["claim"]) == {f"C{number}" for number in range(1, 13)}
    page = (thousand / "results/reports/index.html").read_text()
    assert len(page) > 100_000 and all(model in page for model in (*BROUGHT, *TRAINED))
    selected = table(thousand, "both_correct")
    whole = selected[selected["class"] == "all"]
    assert (whole[["n_images", "n_published", "n_common"]] == [PER_CLASS, N - 1, PER_CLASS - 1]).all(axis=None) and len(selected) == 17
    assert set(read_manifest(thousand / "results/both_correct/alexnet/manifest.parquet").columns) > {"image_id", "label"}


def test_a_second_run_does_nothing(thousand):
    assert jobs(thousand, config=[thousand / "study.yaml", thousand / "mine.yaml"]) == {}


# ------------------------------------------------------------------------------------------------------------------- ten classes
DIGITS, PICTURES = 40, 60
ACCURACY = {
    "lenet-s": 1.0,
    "lenet-r": 0.1,
}  # of one that learnt these digits, and of one that always decides for 0
WHOLE = {"crop": 28}  # LeNet takes no others


def ten_classes() -> dict:
    """What studies/mnist.yaml asks for, with the pictures and trainings of studies/cifar10.yaml."""
    mnist, cifar = study("mnist"), study("cifar10")
    shown = ["clean", "gaussian-noise-0.2", "scrambled-4", "black-and-white", "cue-conflict", "pgd-linf-0.3", "cifar", "pgd-0.5"]
    return mnist | {
        "study": "ten-classes",
        "classes": [],  # MNIST's are numbers, CIFAR-10's have names
        "paths": cifar["paths"],
        "sources": mnist["sources"] | {"train": cifar["sources"]["train"], "cifar": cifar["sources"]["clean"]},
        "stimuli": {name: spec for name, spec in mnist["stimuli"].items() if name in shown},
        "attacks": {"pgd-linf-0.3": mnist["attacks"]["pgd-linf-0.3"], "pgd-0.5": {**cifar["attacks"]["pgd-0.5"], "source": "cifar"}},
        "training": cifar["training"],
        "models": mnist["models"] | cifar["models"],
        "pairs": mnist["pairs"] | cifar["pairs"],
        "suites": mnist["suites"] | {"digits": shown},
        "claims": mnist["claims"]
        | {"scrambled": ["scrambled-4"], "texture_less": ["black-and-white"], "distortions": ["gaussian-noise-0.2"]},
    }


@pytest.fixture(scope="module")
def ten(tmp_path_factory):
    """The folder of the finished study of ten classes."""
    folder = tmp_path_factory.mktemp("ten")
    for layout in ("py", "bin"):  # the same pictures
        write_cifar(folder / "cifar" / layout, layout, PICTURES)
    (folder / "mnist").mkdir()
    for name, content in mnist_tree.files(DIGITS).items():
        (folder / "mnist" / name).write_bytes(content)
    mnist_tree.save_lenets(folder / "learnt.pt", folder / "biased.pt", DIGITS)
    digits = {"root": str(folder / "mnist"), "n_images": DIGITS, "images_per_shard": DIGITS}
    mine = {
        "images_per_shard": PICTURES,
        "paths": {"cifar10": {"path": str(folder / "cifar/py")}},
        "sources": {
            "test": digits,
            "clean": digits,
            "train": {"n_images": 5 * PICTURES, "images_per_shard": 5 * PICTURES, "geometry": WHOLE},
            "cifar": {"root": str(folder / "cifar/bin"), "n_images": PICTURES, "geometry": WHOLE},
        },
        "attacks": {"pgd-0.5": {"step": 0.2, "steps": 3}},
        "training": {recipe: {"epochs": 3, "batch_size": 20} for recipe in ("standard", "adversarial")},
        "models": {f"resnet8-{role}": {"arguments": {"width": 8}, "top1": 0.1} for role in "sr"},  # on digits, which they never saw
        "robustness": {"eps": [0.3], "n_images": 20},
        "activations": {"n_images": 20},
        "ablation": {"n_images": 20},
        "statistics": {"resamples": 100},
    }
    for name, file in (("lenet-s", "learnt.pt"), ("lenet-r", "biased.pt")):
        mine["models"][name] = {"weights": str(folder / file), "top1": ACCURACY[name]}
    (folder / "study.yaml").write_text(yaml.safe_dump(ten_classes(), sort_keys=False))
    (folder / "mine.yaml").write_text(yaml.safe_dump(mine))
    snakemake(folder, "--quiet", "host", config=[folder / "study.yaml", folder / "mine.yaml"])
    return folder


def test_every_picture_is_decided_as_its_network_must(ten):
    accuracy = table(ten, "accuracy")
    assert set(accuracy["stimulus"]) == {name for members in ten_classes()["suites"].values() for name in members}
    accuracy = accuracy.set_index(["model", "stimulus"])
    for stimulus in ("test", "clean", "gaussian-noise-0.2", "scrambled-4", "black-and-white", "cue-conflict", "pgd-linf-0.3"):
        assert set(accuracy.xs(stimulus, level="stimulus")["n_images"]) == {DIGITS}
        assert accuracy.loc[("lenet-r", stimulus), "top1"] == 0.1
    for stimulus in ("cifar", "pgd-0.5"):
        assert set(accuracy.xs(stimulus, level="stimulus")["n_images"]) == {PICTURES}
        assert accuracy.loc[("lenet-r", stimulus), "top1"] == 0.1
    assert accuracy.loc[("lenet-s", "clean"), "top1"] == accuracy.loc[("lenet-s", "test"), "top1"] == 1
    assert accuracy.loc[("lenet-s", "pgd-linf-0.3"), "top1"] < 0.3  # a network that was not trained against it


def test_images_have_the_ids_of_their_files(ten):
    for source, prefix, n_images in (("clean", "idx-test-", DIGITS), ("cifar", "cifar10-test-", PICTURES)):
        ids = read_manifest(ten / f"results/stimuli/{source}/manifest.parquet")["image_id"]
        assert ids.tolist() == [f"{prefix}{number:05d}" for number in range(n_images)]


def test_the_networks_learnt_what_the_labels_say(ten):
    """Ten classes of stripes: with pictures and labels out of step nothing above one in ten could be learnt."""
    accuracy = table(ten, "accuracy").set_index(["model", "stimulus"])["top1"]
    assert accuracy["resnet8-s", "cifar"] >= 0.5 and accuracy["resnet8-r", "cifar"] >= 0.5


def test_the_claims_that_need_no_concepts_are_judged(ten):
    claims = pd.read_csv(ten / "results/reports/claims.csv")
    assert set(claims["claim"]) == {f"C{number}" for number in range(1, 13)} and set(claims["architecture"].dropna()) == {
        "lenet",
        "resnet8",
    }
    judged = claims[claims["verdict"] != "not measured"]
    assert {"C1", "C2", "C3", "C4", "C5", "C6"} <= set(judged["claim"])
    assert set(table(ten, "total_variation")["model"]) == set(ten_classes()["models"])
    assert (ten / "results/reports/index.html").stat().st_size > 100_000
