"""Labels by class name: one list of classes in a study, whatever folders, names and numbers its sources have."""

import json
import logging
import pickle
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from torch import nn

import gather_predictions
import index_images
import list_images
import tabulate_classes
from robustlens.class_list import check_classes, list_for, n_classes
from robustlens.class_names import relabel
from robustlens.errors import InputError
from robustlens.imagenet import SIXTEEN, classes
from robustlens.images import read_classes, read_manifest, read_shard, write_manifest
from robustlens.inference import Blocks
from robustlens.models.registry import Classifier, check_labels
from robustlens.predictions import predict
from robustlens.report.findings import find_missing_classes
from robustlens.stimuli.adversarial import attack
from robustlens.stimuli.cues import SHAPES
from robustlens.stimuli.naming import own_names
from robustlens.stimuli.samples import Sample
from robustlens.stimuli.sources import list_labelled
from robustlens.verification import check_trained, measured

FRUIT = {"apple": (200, 0, 0), "cherry": (0, 200, 0), "grape": (0, 0, 200)}  # the colour of each, which the network below answers by


def folders(root, names, n_images=2, colours=FRUIT):
    """The entry of a source of so many images a class."""
    for name in names:
        (root / name).mkdir(parents=True)
        for number in range(n_images):
            Image.new("RGB", (8, 8), colours.get(name, (9, 9, 9))).save(root / name / f"{number}.png")
    return {"kind": "image-folder", "root": str(root), "n_images": n_images * len(names), "geometry": {"crop": 8}}


def study(classes=(), trained_on=None, **sources):
    models = {"net": {"train": {"source": trained_on}} if trained_on else {"weights": "net.pth"}}
    return {"classes": list(classes), "sources": sources, "models": models}


def refused(message, config):
    with pytest.raises(InputError, match=message):
        check_classes(config)


def network(**card):
    """Answers by the strongest colour."""
    net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Classifier(net, [0.0] * 3, [1.0] * 3, [], {"model": "net", **card}).eval()


def accuracy(config, name, model):
    """Of the network on a source, as ``verify_model`` reads it."""
    sample = Sample(name, config["sources"][name], 0, None, class_list=list_for(config, name))
    blocks = Blocks(model.device, 4, len(sample))
    found = pd.concat([predict(model, shard, stimulus=name, blocks=blocks) for shard in sample.shards()])
    return (found["label"] == found["top5"].str[0]).mean()


# ---------------------------------------------------------------------------------------------------------- folders and accuracies
@pytest.mark.parametrize("names", [["apple", "cherry", "grape"], ["apple", "grape"], ["grape"]])
def test_a_class_that_clean_lacks_moves_no_other(tmp_path, names):
    train = folders(tmp_path / "train", FRUIT)
    config = study(trained_on="train", train=train, clean=folders(tmp_path / "clean", names))
    assert accuracy(config, "clean", network(classes=list(FRUIT))) == 1.0
    said = check_classes(config)
    lacking = [name for name in FRUIT if name not in names]
    assert said == [f"sources.clean lacks {len(lacking)} of the study's 3 classes: {', '.join(lacking)}"] * bool(lacking)


def test_a_class_that_was_not_learned_is_refused_by_name(tmp_path):
    config = study(trained_on="train", train=folders(tmp_path / "train", FRUIT), clean=folders(tmp_path / "clean", ["apple", "melon"]))
    message = r"clean: expected classes among the 3 of the study \(apple, cherry, grape\), got 2 classes, of which melon is none of them"
    refused(message, config)
    with pytest.raises(InputError, match=message):
        list_labelled(config["sources"]["clean"], list_for(config, "clean"))


@pytest.mark.parametrize("name", ["clean", "sketch", "train"])
def test_every_source_is_compared_with_the_classes_of_the_config(tmp_path, name):
    sources = {other: folders(tmp_path / other, FRUIT) for other in ("train", "clean", "sketch")}
    config = study(["grape", "apple", "cherry"], "train", **sources)
    assert check_classes(config) == []
    rows, names = list_labelled(sources[name], list_for(config, name))
    assert names == ["grape", "apple", "cherry"] and rows["label"].tolist() == [1, 1, 2, 2, 0, 0]
    (tmp_path / name / "grape").rename(tmp_path / name / "melon")
    refused(f"sources.{name}: .*/{name}: expected classes among .*, got 3 classes, of which melon is none", config)
    refused("train: expected classes among .*, got 3 classes, of which apple, cherry, .* are none", {**config, "classes": ["a", "b"]})
    refused("classes: expected every class once, got a more than once", {**config, "classes": ["a", "b", "a"]})


def test_training_sources_that_disagree_are_refused(tmp_path):
    config = study(trained_on="train", train=folders(tmp_path / "train", ["apple"]), other=folders(tmp_path / "other", ["apple", "pear"]))
    config["models"]["second"] = {"train": {"source": "other"}}
    refused("other: expected classes among the 1 of the study .apple., got 2 classes, of which pear is none of them; .*`classes`", config)
    fewer = study(trained_on="train", train=folders(tmp_path / "more", FRUIT), other=config["sources"]["train"])
    fewer["models"]["second"] = {"train": {"source": "other"}}
    refused("sources.other: .*: expected the 3 classes of the first training images .*, got none of cherry, grape; list the", fewer)
    assert len(check_classes({**fewer, "classes": list(FRUIT)})) == 1


def test_how_many_outputs_a_user_supplied_network_needs(tmp_path):
    """At its import, before it decides on any image."""
    clean = folders(tmp_path / "clean", FRUIT, 1)
    numbers, known = {**clean, "labels": "number"}, {"kind": "imagenet", "root": "/nowhere"}
    assert n_classes(study(clean=clean)) == 3 and n_classes(study(["a", "b"], clean=clean)) == 2
    assert n_classes(study(clean={"kind": "embedded"})) == 8 and n_classes(study(clean=known)) == 1000
    assert n_classes(study(trained_on="train", train=clean, clean=known)) == 3
    assert n_classes(study(trained_on="train", train=numbers, clean=known)) == 1000
    for unknown in (numbers, {**clean, "root": "results/fetched/images/clean"}, parquet(tmp_path / "hub/a.parquet", [0], ["a"])):
        assert n_classes(study(clean=unknown)) is None
    assert n_classes(study()) is None


def test_two_classes_trained_here_are_verified_like_any_other(tmp_path):
    names = ["apple", "cherry"]
    config = study(trained_on="train", train=folders(tmp_path / "train", names), clean=folders(tmp_path / "clean", ["cherry"], 20))
    model = network(classes=names)
    assert accuracy(config, "clean", model) == 1.0
    by_rank = pd.Series([0] * 20)  # what the labels were, of the one folder that is there
    with pytest.raises(InputError, match="models.net: expected more correct answers on clean than by guessing among 2 classes"):
        check_trained(measured("net", by_rank, by_rank + 1, 2), 0.99)


def test_more_outputs_than_folders(tmp_path):
    """107 class folders of 200 classes: by rank 0.4 % was read where 51.4 % is true."""
    names = [f"n{number:08d}" for number in range(200)]
    clean, part = folders(tmp_path / "clean", names, 1), folders(tmp_path / "part", names[::2] + names[1:14:2], 1)
    config = study(clean=clean, part=part)
    assert check_classes(config) == [f"sources.part lacks 93 of the study's 200 classes: {', '.join(names[15:26:2])} ... {names[199]}"]
    rows, _ = list_labelled(part, list_for(config, "part"))
    assert [names[label] for label in rows["label"]] == [path.partition("/")[0] for path in rows["path"]]
    alone = study(clean=part)
    (shard,) = Sample("clean", part, 0, None, class_list=list_for(alone, "clean")).shards()
    with pytest.raises(
        InputError, match="models.net: expected a class name for each of its 200 outputs, got 107 classes .* in clean; list"
    ):
        check_labels(shard, 200, {"model": "net", "source": {"file": "net.pth"}})
    check_labels(shard, 200, {"model": "net", "source": "trained by this workflow"})
    alone["models"]["net"] |= {"architecture": "timm:resnet18", "arguments": {"num_classes": 200}}
    refused("models.net: expected a class name for each of its 200 outputs, got the 107 of .*part: n0.*; list the classes", alone)
    alone["models"]["net"] |= {"architecture": "resnet18", "arguments": {}}
    refused("models.net: expected a class name for each of its 1000 outputs, got the 107 of .*part", alone)
    model = Classifier(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 200)), [0.0] * 3, [1.0] * 3, [], {"model": "net"})
    model.card["source"] = {"file": "net.pth"}
    with pytest.raises(InputError, match="expected a class name for each of its 200 outputs, got 107 classes"):
        attack(model, shard, {"norm": "l2", "eps": 1.0, "step": 0.5, "steps": 1}, seed=0, batch_size=107)


def test_labels_by_another_list_than_was_learned_are_refused(tmp_path):
    config = study(clean=folders(tmp_path / "clean", FRUIT))
    for learned in (["apple", "grape", "cherry"], ["apple", "cherry", "grape", "plum"]):
        with pytest.raises(
            InputError, match=rf"labels by the {len(learned)} classes that it learned \(apple, .*got 3 classes \(apple, cherry"
        ):
            accuracy(config, "clean", network(classes=learned))
    assert accuracy(config, "clean", network()) == 1.0


# ------------------------------------------------------------------------------------------------------------------------ numbers
def test_folders_that_are_numbers_are_never_sorted_as_text(tmp_path):
    twelve = folders(tmp_path / "twelve", [str(number) for number in range(12)], 1)
    asked = "expected class folders whose names say their order, got numbers, .*0, 1, 10, 11, 2, 3 ... 9.*`labels: number`, or list"
    refused(asked, study(clean=twelve))
    with pytest.raises(InputError, match=asked):
        list_labelled(twelve)
    named = study([str(number) for number in range(12)], clean=twelve)
    assert check_classes(named) == []
    rows, _ = list_labelled(twelve, list_for(named, "clean"))
    assert rows["label"].astype(str).tolist() == rows["path"].str.split("/").str[0].tolist()
    numbered = {**twelve, "labels": "number"}
    assert check_classes(study(clean=numbered)) == [] and list_labelled(numbered)[1] is None


def test_numbers_that_are_in_order_as_text_stay_as_they_are(tmp_path):
    rows, names = list_labelled(folders(tmp_path / "padded", ["00", "01", "10", "09"], 1))
    assert names == ["00", "01", "09", "10"] and rows["label"].tolist() == [0, 1, 2, 3]


def test_names_beside_numbers_need_the_list(tmp_path):
    clean = {**folders(tmp_path / "clean", ["0", "1"]), "labels": "number"}
    config = study(clean=clean, sketch=folders(tmp_path / "sketch", ["apple", "grape"]))
    refused("clean: expected names of classes, by which the labels of other sources are found, got numbers; list the classes", config)
    config["classes"] = list(FRUIT)
    assert check_classes(config) == ["sources.sketch lacks 1 of the study's 3 classes: cherry"]
    assert list_labelled(config["sources"]["sketch"], list_for(config, "sketch"))[0]["label"].tolist() == [0, 0, 2, 2]
    assert list_for(config, "clean") is None


# ------------------------------------------------------------------------------------------------------------- names of other kinds
def parquet(path, labels, names=None):
    image = [{"bytes": b"x", "path": None}] * len(labels)
    feature = {"names": names, "_type": "ClassLabel"} if names else {"dtype": "int64", "_type": "Value"}
    notes = {"huggingface": json.dumps({"info": {"features": {"label": feature}}})}
    path.parent.mkdir(exist_ok=True)
    pq.write_table(pa.table({"image": image, "label": labels}).replace_schema_metadata(notes), path)
    return {"kind": "parquet", "root": str(path.parent), "n_images": len(labels), "geometry": {"crop": 8}}


def test_class_labels_of_hugging_face(tmp_path):
    source = parquet(tmp_path / "hub/a.parquet", [2, 0, 1], ["grape", "cherry", "apple"])
    assert list_labelled(source)[1] == ["grape", "cherry", "apple"]
    config = study(trained_on="train", train=folders(tmp_path / "train", FRUIT), hub=source)
    rows, names = list_labelled(source, list_for(config, "hub"))
    assert names == list(FRUIT) and rows["label"].tolist() == [0, 2, 1]
    backward = study(trained_on="hub", hub=source, sketch=folders(tmp_path / "sketch", ["apple", "grape"]))
    assert check_classes(backward) == []  # of a file nothing is read in a dry run
    assert list_labelled(backward["sources"]["sketch"], list_for(backward, "sketch"))[0]["label"].tolist() == [2, 2, 0, 0]
    parquet(tmp_path / "hub/b.parquet", [0], ["grape", "apple"])
    with pytest.raises(InputError, match=r"b.parquet: expected the class names of .*a.parquet, got others"):
        own_names(source)
    bare = parquet(tmp_path / "bare/a.parquet", [0, 3])
    assert list_labelled(bare)[1] is None
    with pytest.raises(InputError, match=r"expected labels of 3 classes \(apple, cherry, grape\), from 0, got 3"):
        list_labelled(bare, list(FRUIT))
    with pytest.raises(InputError, match="expected labels of 1 classes .plum., from 0, got 1"):
        list_labelled(parquet(tmp_path / "short/a.parquet", [1], ["plum"]))


def test_class_names_of_cifar(tmp_path):
    published = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    source = {"kind": "cifar", "root": str(tmp_path)}
    assert own_names(source) == published
    others = [f"thing {number}" for number in range(10)]
    (tmp_path / "batches.meta.txt").write_text("\n".join(others) + "\n\n")
    assert own_names(source) == others
    (tmp_path / "batches.meta").write_bytes(pickle.dumps({"label_names": published}, 2))
    assert own_names(source) == published
    (tmp_path / "batches.meta").write_bytes(pickle.dumps({"label_names": published[:9]}, 2))
    with pytest.raises(InputError, match="batches.meta: expected label_names: a list of 10 names, got 9"):
        own_names(source)


def test_names_of_the_other_kinds():
    assert own_names({"kind": "embedded"}) == list(SHAPES)
    assert own_names({"kind": "imagenet-c"})[:2] == ["n01440764", "n01443537"]
    assert own_names({"kind": "cue-conflict"}) == list(SIXTEEN) and own_names({"kind": "idx"}) is None


def test_embedded_sources_keep_their_classes(tmp_path):
    embedded, fruit = {"kind": "embedded"}, folders(tmp_path / "fruit", FRUIT)
    assert check_classes(study(SHAPES, clean=embedded)) == [] == check_classes(study(clean=embedded))
    refused("sources.clean: expected the classes disc, triangle, .*, in that order, got bowtie, ", study(SHAPES[::-1], clean=embedded))
    refused("sources.scenes: expected the classes disc, .*, got those of .*fruit", study(clean=fruit, scenes=embedded))


def test_labels_of_imagenet(tmp_path):
    """By WordNet id into whatever was learned; where that is numbers, or called otherwise, ImageNet's own numbers stay."""
    wnids = classes()["wnid"].tolist()
    train, imagenet = folders(tmp_path / "train", wnids[5:8], 1), {"kind": "imagenet", "root": str(tmp_path / "train"), "n_images": 3}
    assert list_labelled(imagenet)[0]["label"].tolist() == [5, 6, 7]
    few = study(trained_on="train", train=train, clean=imagenet)
    assert list_labelled(imagenet, list_for(few, "clean"))[0]["label"].tolist() == [0, 1, 2]
    other = study(clean=imagenet, folders=train)
    assert list_labelled(train, list_for(other, "folders"))[0]["label"].tolist() == [5, 6, 7]
    assert list_for(other, "clean") is None is list_for(study([f"class {n}" for n in range(1000)], clean=imagenet), "clean")
    assert list_for(study(clean={**train, "labels": "number"}, val=imagenet), "val") is None


def test_sources_that_are_decided_among_other_classes(tmp_path):
    cars = {**folders(tmp_path / "cars", ["car", "truck"], 1), "classes": "imagenet-16"}
    config = study(clean={"kind": "imagenet", "root": "/nowhere"}, cars=cars)
    assert list_labelled(cars, list_for(config, "cars"))[0]["label"].tolist() == [SIXTEEN.index("car"), SIXTEEN.index("truck")]
    refused("sources.clean.classes: expected imagenet-a, .*, got imagenet-16", study(clean={"kind": "imagenet", "classes": "imagenet-16"}))
    (shard,) = Sample("cars", cars, 0, None, class_list=list_for(config, "cars")).shards()
    model = Classifier(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 1000)), [0.0] * 3, [1.0] * 3, [], {"model": "net"})
    assert len(predict(model.eval(), shard, stimulus="cars", classes="imagenet-16", blocks=Blocks(model.device, 2, 2))) == 2
    model.card["classes"] = list(FRUIT)
    with pytest.raises(InputError, match="models.net: expected ImageNet's classes, for imagenet-16, got 3 others: apple"):
        predict(model, shard, stimulus="cars", classes="imagenet-16", blocks=Blocks(model.device, 2, 2))


def test_shape_and_texture_go_with_the_label_and_unknown_stays():
    rows = pd.DataFrame({"label": [0, 1, -1], "shape": [1, -1, -1], "texture": [-1, 0, -1]})
    found = relabel("x", rows, ["a", "b"], ["b", "c", "a"])
    assert np.array_equal(found, [[2, 0, -1], [0, -1, 2], [-1, -1, -1]])


# ------------------------------------------------------------------------------------------------------------- where names are kept
def test_manifest_and_shards_keep_the_names_and_the_log_says_what_was_found(tmp_path, caplog):
    caplog.set_level(logging.INFO, "robustlens")
    source = folders(tmp_path / "clean", ["apple", "grape"])
    (tmp_path / "clean/apple/1.png").unlink()
    Image.new("L", (9, 12)).save(tmp_path / "clean/grape/2.jpg")
    manifest, shard = str(tmp_path / "manifest.parquet"), str(tmp_path / "shard.parquet")
    list_images.main(manifest, name="clean", source=source, class_list=list(FRUIT))
    assert read_classes(manifest) == list(FRUIT) and read_manifest(manifest)["label"].tolist() == [0, 2, 2, 2]
    index_images.main(manifest, shard, name="clean", source=source, shard=0, images_per_shard=9)
    assert read_shard(shard).classes == list(FRUIT)
    said = [record.message for record in caplog.records]
    assert said == [
        "4 images, 2 classes: apple, grape",
        "images by class: fewest 1 (apple), most 3 (grape)",
        "1 of the 3 classes of the study have no image here: cherry",
        "of 4 images looked at: 3 PNG RGB, 1 JPEG L; sizes 8 x 8 px to 9 x 12 px",
    ]
    list_images.main(manifest, name="clean", source={**source, "labels": r"(\d)\.", "root": source["root"]})
    assert read_classes(manifest) is None
    assert any("which are numbers: 0, 1, 2" in record.message for record in caplog.records)


def test_predictions_are_gathered_over_one_list(tmp_path):
    rows = pd.DataFrame({"image_id": ["a"], "label": [0], "shape": [-1], "texture": [-1], "path": ["a"]})
    lists = {"clean": list(FRUIT), "sketch": list(FRUIT), "edges": list(SIXTEEN), "numbers": None, "later": ["apple", "grape"]}
    for name, names in lists.items():
        write_manifest(tmp_path / name, rows, names)
    gather_predictions.check_lists([str(tmp_path / name) for name in lists if name != "later"])
    with pytest.raises(InputError, match=r"later: expected labels by the list of .*clean: 3 classes .*, got 2: apple, grape; delete it"):
        gather_predictions.check_lists([str(tmp_path / name) for name in lists])


def test_classes_without_an_image_stand_in_a_table(tmp_path):
    rows = pd.DataFrame({"image_id": ["a", "b"], "label": [0, -1], "shape": [-1, -1], "texture": [-1, -1], "path": ["a", "b"]})
    for name, names in {"clean": list(FRUIT), "numbers": None, "whole": ["apple"]}.items():
        write_manifest(tmp_path / name, rows, names)
    sources = ["clean", "numbers", "whole"]
    tabulate_classes.main([str(tmp_path / name) for name in sources], str(tmp_path / "missing.csv"), sources=sources)
    table = pd.read_csv(tmp_path / "missing.csv")
    assert table.values.tolist() == [["clean", 3, "cherry"], ["clean", 3, "grape"]]
    found = find_missing_classes(SimpleNamespace(table={"missing_classes": table}.__getitem__))
    assert found == ["Clean has no image of 2 of the 3 classes: cherry, grape."]
