"""Normalisers are recognised under the names, in the containers and on the scales that people save them in, or they are asked for."""

import re
import struct
from argparse import Namespace

import numpy as np
import pytest
import torch
from torch import nn

from robustlens.models.checkpoints import read_checkpoint
from robustlens.models.fitting import Fitted, fit_to_network
from robustlens.models.normalisers import of_network, role
from robustlens.models.plain_numbers import ARRAY, plain_numbers
from robustlens.models.unpickling import Left

MEAN, STD = [0.4914, 0.4822, 0.4465], [0.247, 0.2435, 0.2616]
STATE = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).state_dict()


def fit(folder, content, network=None, **options) -> Fitted:
    torch.save(content, folder / "net.pt", **options)
    return fit_to_network(read_checkpoint(str(folder / "net.pt")), network or nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)))


def tensors(names: str, mean=MEAN, std=STD) -> dict[str, torch.Tensor]:
    """Both under two names, as buffers of three maps of one pixel."""
    return {name: torch.tensor(values).view(-1, 1, 1) for name, values in zip(names.split(), (mean, std), strict=True)}


class Normalize:
    """As the transforms of torchvision keep it."""

    def __init__(self):
        self.mean, self.std, self.inplace = MEAN, STD, False


class Normalizing(nn.Module):
    """A module that has them as attributes."""

    def __init__(self):
        super().__init__()
        self.mean, self.std = MEAN, tuple(STD)


NAMES = [
    *("mean std", "means sds", "means stds", "_mean _std", "mean_tensor std_tensor"),
    *("mu sigma", "new_mean new_std", "image_mean image_std", "pixel_mean pixel_std", "data_mean data_std"),
    *("input_mean input_std", "mean_ std_", "MEAN STD", "norm_mean norm_stddev", "new_mean std"),
]
BESIDE = {  # the network's dictionary is in ``net``
    "tensors": tensors("mean std"),
    "lists": {"mean": MEAN, "std": STD},
    "tuples": {"means": tuple(MEAN), "sds": tuple(STD)},
    "arrays": {"mean": np.array(MEAN), "std": np.array(STD)},
    "float32": {"mean": np.array(MEAN, np.float32), "std": np.array(STD, np.float32)},
    "big-endian": {"mean": np.array(MEAN, ">f4"), "std": np.array(STD, ">f8")},
    "numpy-scalars": {"mean": [np.float64(value) for value in MEAN], "std": [np.float32(value) for value in STD]},
    "namespace": {"args": Namespace(lr=0.1, mean=MEAN, std=STD)},
    "nested": {"config": {"data": {"mean": MEAN, "std": STD, "crop": [224, 224]}}},
    "object": {"transform": Normalize()},
    "options": {"opt": Namespace(lr=0.1, mean=MEAN, std=STD)},
    "module": {"preprocess": nn.Sequential(Normalizing())},
    "composed": {"hparams": Namespace(transform=[Normalize()])},
    "on-255": {"mean": [255 * value for value in MEAN], "std": tuple(255 * value for value in STD)},
    "array-on-255": {"mean": np.array(MEAN) * 255, "std": np.array(STD) * 255},
    "tensors-on-255": tensors("mu sigma", [255 * value for value in MEAN], [255 * value for value in STD]),
}


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("place", ["", "module.normalizer.", "0."])
def test_names_of_tensors(tmp_path, names, place):
    beside = {f"{place}{name}": tensor for name, tensor in tensors(names).items()}
    for content in ({"state_dict": {**{f"module.model.{key}": value for key, value in STATE.items()}, **beside}}, {"net": STATE, **beside}):
        assert fit(tmp_path, content).normaliser == (MEAN, STD)


@pytest.mark.parametrize("name", list(BESIDE))
@pytest.mark.parametrize(
    "options", [{}, {"pickle_protocol": 4}, {"_use_new_zipfile_serialization": False}], ids=["zip", "protocol-4", "legacy"]
)
def test_containers_and_scales(tmp_path, name, options):
    found = fit(tmp_path, {"net": STATE, **BESIDE[name]}, **options)
    np.testing.assert_allclose(found.normaliser, (MEAN, STD), rtol=1e-6)
    assert not found.doubt


@pytest.mark.parametrize(
    "beside, mean, std",
    [
        (tensors("norm.mean norm.std", [0.1307], [0.3081]), [0.1307] * 3, [0.3081] * 3),  # a grey network's
        ({"mean": (0.5,), "std": (0.5,)}, [0.5] * 3, [0.5] * 3),
        ({"mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375]}, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ({"mean": [123.68, 116.779, 103.939], "std": [1.0, 1.0, 1.0]}, [0.4850196, 0.4579569, 0.4076039], [0.0039216] * 3),
        ({"mean": [0, 0, 0], "std": [255, 255, 255]}, [0.0] * 3, [1.0] * 3),
        ({"mean": [0, 0, 0], "std": [1, 1, 1]}, [0.0] * 3, [1.0] * 3),
    ],
)
def test_values(tmp_path, beside, mean, std):
    np.testing.assert_allclose(fit(tmp_path, {"net": STATE, **beside}).normaliser, (mean, std), atol=5e-8)


@pytest.mark.parametrize(
    "beside, doubt",
    [
        ({"norm.mean": torch.tensor(MEAN)}, "norm.mean without a std"),
        ({"args": Namespace(std=STD)}, "args.std without a mean"),
        ({**tensors("a.mean a.std"), **tensors("b.mean b.std", STD)}, "several normalisers .means 0.4914, 0.4822, 0.4465 and 0.247, "),
        ({**tensors("mean std"), "args": Namespace(mean=STD, std=STD)}, "several normalisers"),
        ({"cifar_mean": MEAN, "cifar_std": STD, "imagenet_mean": STD, "imagenet_std": STD}, "several normalisers"),
        (tensors("mean std", [-1.0, 0.5, 0.5]), "mean .-1, 0.5, 0.5 with std .*, which is for pixels neither on .0, 1. nor on 0 to 255"),
        (tensors("mean std", MEAN, [0.2, 0.0, 0.2]), "neither on"),
        (tensors("mean std", MEAN, [2.0, 2.0, 2.0]), "neither on"),
        (tensors("mean std", [300.0, 1.0, 1.0], [50.0] * 3), "neither on"),
        (tensors("mean std", [float("nan")] * 3), "neither on"),
        (tensors("mean std", [0.406, 0.456, 0.485]), "which is ImageNet's for B, G, R"),
        ({"mean": [103.53, 116.28, 123.675], "std": [1, 1, 1]}, "which is ImageNet's for B, G, R"),
    ],
)
def test_what_cannot_be_read_safely_is_a_doubt(tmp_path, beside, doubt):
    found = fit(tmp_path, {"net": STATE, **beside})
    assert found.normaliser is None and re.search(doubt, found.doubt), found.doubt


def test_what_is_no_normaliser(tmp_path):
    """Statistics of batch normalisation, single numbers of settings (how weights or noise were drawn), targets, parts of a loss."""
    beside = {
        "loss": {"mean": [0.0, 0.0, 0.0], "std": [0.1, 0.1, 0.1]},
        "args": Namespace(mean=0.0, std=0.02, mu=0.9, sigma=0.25),
        "target_mean": [0.0, 0.0, 0.0],
        "target_std": [0.1, 0.1, 0.2],
        "history": {"means": [1.0, 2.0, 3.0, 4.0], "stds": [0.1, 0.1, 0.1, 0.2]},
    }
    found = fit(tmp_path, {"net": STATE, **beside})
    assert found.normaliser is None and not found.doubt
    assert role("0.running_mean") is None and role("layer.moving_mean") is None and role("mean_std") is None and role("meaning") is None
    assert role("a.new_mean") == ("mean", "new") and role("_std") == ("std", "") and role("mean.weight") is None


def test_a_batch_normalisation_of_three_channels_in_front_is_a_layer():
    assert not of_network(nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3))).keys


class Normalising(nn.Module):
    """A network that normalises by itself, in one of three ways."""

    def __init__(self, way: str):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        for name, values in (("means", MEAN), ("sds", STD)):
            if way == "attribute":
                setattr(self, name, tuple(values))
            else:
                self.register_buffer(name, torch.tensor(values).view(3, 1, 1), persistent=way == "buffer")


def test_networks_that_normalise_by_themselves(tmp_path):
    """By a buffer: certain, in the file or not; by an attribute: asked for, since it may not be applied."""
    for way in ("buffer", "scratch"):
        network = Normalising(way)
        for content in (STATE, network.state_dict()):
            found = fit(tmp_path, content, network)
            assert found.normalises and found.normaliser is None and not found.doubt
    found = fit(tmp_path, STATE, Normalising("attribute"))
    assert not found.normalises and found.may_normalise == "its module has means"


def test_arrays_that_lie_are_not_read():
    """Of NumPy's pickles nothing is called: what is not three plain numbers in as many bytes is left."""
    dtype = Left("numpy.dtype", ("f4", False, True), (3, "<", None, None, None, -1, -1, 0))
    numbers = struct.pack("<3f", 0.5, 0.25, 1.0)
    assert plain_numbers(Left(ARRAY[0], state=(1, (3,), dtype, False, numbers))) == [0.5, 0.25, 1.0]
    assert plain_numbers(Left(ARRAY[1], state=(1, (3,), dtype, False, numbers.decode("latin1")))) == [
        0.5,
        0.25,
        1.0,
    ]  # as Python 2 keeps it
    for state in (
        (1, (3,), dtype, False, numbers[:-1]),
        (1, (4,), dtype, False, numbers + numbers),
        (1, (3,), Left("numpy.dtype", ("O8", False, True)), False, b"x" * 24),
        (1, (3,), Left("numpy.dtype", (["f4"],)), False, numbers),
        (1, (3,), None, False, numbers),
        (1, (3,), dtype, False, None),
        (dtype,),
        None,
    ):
        assert plain_numbers(Left(ARRAY[0], state=state)) is None
    assert plain_numbers(Left("numpy.other", state=(1, (3,), dtype, False, numbers))) is None
    assert plain_numbers([0.5, True, 0.1]) is None and plain_numbers(["0.5"]) is None and plain_numbers(0.5) is None


class Noisy(nn.Sequential):
    """A network that adds noise in training, of a spread that is a buffer."""

    def __init__(self, name, spread):
        super().__init__(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.noise = nn.Module()
        self.noise.register_buffer(name, torch.tensor(spread))


@pytest.mark.parametrize("name", ["std", "sigma"])
@pytest.mark.parametrize("spread", [0.1, [0.1, 0.2, 0.3]])
def test_a_deviation_alone_in_a_network_does_not_normalise(tmp_path, name, spread):
    network = Noisy(name, spread)
    fitted = fit(tmp_path, {"state_dict": network.state_dict()}, Noisy(name, spread))
    assert not fitted.normalises and bool(fitted.may_normalise) == isinstance(spread, list)
    if isinstance(spread, float):
        fitted = fit(tmp_path, {"state_dict": network.state_dict(), "mean": MEAN, "std": STD}, Noisy(name, spread))
        assert fitted.normaliser == (MEAN, STD) and not fitted.normalises and not fitted.doubt


def test_a_mean_and_a_deviation_of_different_modules_are_no_pair():
    network = Noisy("std", 0.1)
    network.other = nn.Module()
    network.other.register_buffer("mean", torch.tensor(0.5))
    assert of_network(network).normaliser is None and not of_network(network).keys
