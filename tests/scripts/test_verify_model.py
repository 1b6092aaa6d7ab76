"""verify_model: the accuracy of a user-supplied network on clean images against the one that the config expects."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from robustlens.errors import InputError
from robustlens.models.registry import load_model
from robustlens.stimuli import samples
from tiny import make_model, pictures
from verify_model import main

ASKED = {"expected": None, "classes": None, "sixteen_by": "mean", "n_images": None, "device": "cpu", "batch_size": 4, "seed": 0}


@pytest.fixture
def model(tmp_path):
    return make_model(tmp_path / "net")


@pytest.fixture
def source(tmp_path, model, monkeypatch):
    """12 images, listed by class; the network answers 0 and 8 of the list with another one. Four are read at a time."""
    monkeypatch.setattr(samples, "TOGETHER", 4)
    images = pictures(40)
    with torch.inference_mode():
        logits = load_model(*model, "cpu")(torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2) / 255)
    answers, n_classes = logits.argmax(1).tolist(), logits.shape[1]
    order = sorted(range(40), key=answers.__getitem__)
    chosen = order[:: len(order) // 12][:12]
    labels = sorted(answers[row] for row in chosen)
    labels[0], labels[8] = (labels[0] + 1) % n_classes, (labels[8] + 1) % n_classes
    for place, (row, label) in enumerate(zip(chosen, labels, strict=True)):
        path = tmp_path / f"clean/{place:02d}-class{label}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(images[row]).save(path)
    return {"kind": "image-folder", "root": str(tmp_path / "clean"), "n_images": 12, "labels": "class([0-9]+)"}


def verify(tmp_path, model, source, **asked):
    main(*model, str(tmp_path / "verified.json"), source=source, exclude=False, **ASKED | asked)
    return json.loads((tmp_path / "verified.json").read_text())


def test_all_images(tmp_path, model, source):
    found = verify(tmp_path, model, source, expected=0.85)
    assert found["n_images"] == 12 and found["top1"] == 10 / 12 and found["low"] < 10 / 12 < found["high"]


def test_some_of_them_spread_over_the_source(tmp_path, model, source):
    found = verify(tmp_path, model, source, n_images=3)  # rows 0, 4 and 8: 0 and 8 are the wrong ones
    assert found["n_images"] == 3 and found["n_correct"] == 1 and found["top1"] == 1 / 3


def test_image_files_that_are_excluded_do_not_count(tmp_path, model, source):
    (file,) = (tmp_path / "clean").glob("04-*")
    file.write_bytes(b"no image")
    with pytest.raises(InputError, match="04-class.*readable"):
        verify(tmp_path, model, source)
    main(*model, str(tmp_path / "verified.json"), source=source, exclude=True, **ASKED)
    assert json.loads((tmp_path / "verified.json").read_text())["n_images"] == 11


def test_synthetic_images_are_rendered(tmp_path, model):
    source = {"kind": "embedded", "n_images": 10}
    rows = samples.Sample("clean", source, 0, 5).rows
    assert rows["image_id"].tolist() == [f"clean-{number:06d}" for number in (0, 2, 4, 6, 8)]
    with pytest.raises(InputError, match="label below the 5 classes"):
        verify(tmp_path, model, source)


def test_another_accuracy_stops_and_leaves_nothing(tmp_path, model, source):
    with pytest.raises(InputError, match=r"models.net.top1: expected 0.2000 on clean, that is .*, got 0.8333 \(10 of 12 images"):
        verify(tmp_path, model, source, expected=0.2)
    assert not (tmp_path / "verified.json").exists()
