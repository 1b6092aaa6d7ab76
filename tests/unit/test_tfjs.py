"""A ResNet of Keras, written as TensorFlow.js writes one: the tensors under torchvision's names, and what is refused."""

import json

import numpy as np
import pytest
import torch
from keras_files import arrays_of, write, write_json
from torch import nn

from robustlens.errors import InputError
from robustlens.models.checkpoints import read_checkpoint
from robustlens.models.tfjs import read_tfjs
from robustlens.models.variants import VariantResNet


@pytest.fixture
def network():
    """A ResNet with a block a stage, whose every convolution adds a bias, as Keras' do; the biases are in ``biases``."""
    torch.manual_seed(0)
    network = VariantResNet([1, 1, 1, 1], 3, stride_in_1x1=True, epsilon=1e-3, bgr=False).eval().requires_grad_(False)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.bias, module.running_mean):
                tensor.copy_(torch.randn_like(tensor) * 0.2 + 0.5)
            module.running_var.copy_(torch.rand_like(module.running_var) + 0.5)
        if isinstance(module, nn.Conv2d):
            module.bias = nn.Parameter(torch.randn(module.out_channels) * 0.3, requires_grad=False)
    return network


def test_the_network_gives_the_same_logits(network, tmp_path):
    path = write(tmp_path, arrays_of(network), shard=9_999_999)  # shards end within values
    assert len(list(tmp_path.glob("*.bin"))) > 2
    plain = VariantResNet([1, 1, 1, 1], 3, stride_in_1x1=True, epsilon=1e-3, bgr=False).eval()
    plain.load_state_dict(read_tfjs(path))
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(plain(images), network(images), rtol=1e-4, atol=1e-4)
        network.conv1.bias += 1
        assert not torch.allclose(plain(images), network(images), rtol=1e-2, atol=1e-2)  # a bias that was lost would be seen


def test_a_checkpoint_of_this_form_is_known_by_its_name(tmp_path):
    kernel = np.arange(12, dtype=np.float32).reshape(4, 3)
    path = write(tmp_path, {"fc1000/kernel": kernel, "fc1000/bias": kernel[:1].ravel()})
    (state,) = read_checkpoint(str(path)).parts.values()
    assert state["fc.weight"].tolist() == kernel.T.tolist() and state["fc.bias"].tolist() == [0, 1, 2]


def refused(message, path):
    with pytest.raises(InputError, match=message):
        read_tfjs(path)


def test_faulty_files_are_refused(tmp_path):
    path = tmp_path / "model.json"
    for text in ("{}", "[", "[]", '{"weightsManifest": [{"paths": []}]}'):
        path.write_text(text)
        refused("expected the model.json of a layers model of TensorFlow.js", path)
    entry = {"name": "fc1000/bias", "shape": [2], "dtype": "float32"}
    write_json(tmp_path, ["a.bin"], [entry])
    refused("expected its weights beside it, got .*a.bin", path)
    for size, message in ((4, "expected 8 bytes or more in a.bin .*, got 4"), (12, "expected 8 bytes in a.bin .*, got 12")):
        (tmp_path / "a.bin").write_bytes(bytes(size))
        refused(message, path)
    write_json(tmp_path, ["../a.bin"], [entry])
    refused("expected names of files beside it, got ../a.bin", path)
    write_json(tmp_path, ["a.bin"], [{**entry, "quantization": {"dtype": "uint8", "scale": 1, "min": 0}}])
    refused("expected fc1000/bias in float32, got quantised", path)
    write_json(tmp_path, ["a.bin"], [{**entry, "dtype": "int32"}])
    refused("expected fc1000/bias in float32, got int32", path)


ENTRY = {"name": "conv1/bias", "shape": [2], "dtype": "float32"}


@pytest.mark.parametrize(
    "text",
    [
        '{"weightsManifest": ' + "[" * 100_000,
        *(
            json.dumps({"weightsManifest": groups})
            for groups in (
                7,
                ["a"],
                [{"paths": [7], "weights": []}],
                [{"paths": "a.bin", "weights": []}],
                [{"paths": ["a.bin"] * 1_000_000, "weights": []}],
                *([{"paths": ["a.bin"], "weights": [weight]}] for weight in (7, "abc", {**ENTRY, "name": 7})),
                *([{"paths": ["a.bin"], "weights": [{**ENTRY, "shape": shape}]}] for shape in ([-2], [2.0], "2", 2, [True], [1] * 70)),
            )
        ),
    ],
    ids=lambda text: text[20:80],
)
def test_a_list_of_weights_that_is_none(tmp_path, text):
    (tmp_path / "a.bin").write_bytes(bytes(8))
    (tmp_path / "model.json").write_text(text)
    refused("model.json: expected the model.json of a layers model of TensorFlow.js, got .*", tmp_path / "model.json")


def test_weights_that_are_no_file(tmp_path):
    write_json(tmp_path, ["a\0b"], [ENTRY])
    refused("expected its weights beside it, got embedded null byte", tmp_path / "model.json")
    write_json(tmp_path, ["a.bin"], [ENTRY])
    (tmp_path / "a.bin").symlink_to("/dev/zero")
    refused("a.bin: expected weights, got a pipe, socket or device", tmp_path / "model.json")


@pytest.mark.parametrize("name, shape", [("conv1/kernel", (2, 4, 7)), ("fc1000/kernel", (3,)), ("conv1/bias", (2, 2))])
def test_weights_of_another_shape_than_any_layer_has(tmp_path, name, shape):
    refused(f"expected {name} of a ResNet, got the shape", write(tmp_path, {name: np.zeros(shape)}))


def test_a_bias_of_another_size_than_its_normalisation(tmp_path):
    arrays = {"conv1/bias": np.zeros(10), "bn_conv1/moving_mean": np.zeros(46)}
    refused("a bias of the size of the mean of bn1, got 10 numbers", write(tmp_path, arrays))


@pytest.mark.parametrize("name", ["block1_conv1/kernel", "res2a_branch2d/kernel", "conv1/depthwise", "res6a_branch1/kernel"])
def test_another_network_is_refused(tmp_path, name):
    refused(f"expected the layers of a ResNet of Keras .*, got {name}", write(tmp_path, {name: np.zeros((1, 1, 1, 1))}))


def test_a_bias_without_normalisation_is_refused(tmp_path):
    refused("expected the mean of layer1.0.bn1, .*, got none", write(tmp_path, {"res2a_branch2a/bias": np.zeros(4)}))
