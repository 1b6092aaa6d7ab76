"""Which layers are found in a network, against lists worked out from its definition; and which layout their outputs have."""

import warnings

import pytest
import torch
from torch import nn

from robustlens.errors import InputError
from robustlens.models.architectures import build_network, default_arguments
from robustlens.models.layers import default_layers, find_layers, repeatable, trace_pass
from robustlens.models.outputs import Layout, layout_of, maps_of
from tiny import Channels, equal_weights

VIT = {"image_size": 48, "patch_size": 8, "num_layers": 2, "num_heads": 2, "hidden_dim": 16, "mlp_dim": 32, "num_classes": 4}


def build(name: str, **arguments) -> nn.Module:
    with warnings.catch_warnings(), equal_weights():
        warnings.simplefilter("ignore")  # of torchvision, about slow random weights
        return build_network(f"models.{name}", name, arguments)


def dotted(start: str, *counts: int, first: int = 1) -> list[str]:
    """``layer1.0, layer1.1, layer2.0 ...`` of so many blocks a stage."""
    return [f"{start}{stage}.{block}" for stage, count in enumerate(counts, first) for block in range(count)]


# ------------------------------------------------------------------------------------------------------------ layers, by torchvision
PAPER = {
    "alexnet": ["features.1", "features.4", "features.7", "features.9", "features.11"],
    "googlenet": ["conv1", "conv2", "conv3", *(f"inception{name}" for name in ["3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"])],
    "resnet50": ["relu", "layer1", "layer2", "layer3", "layer4"],
}
FOUND = {
    "vgg11": [f"features.{k}" for k in (1, 4, 7, 9, 12, 14, 17, 19)],  # ReLU behind each convolution; 2, 5, 10, 15 and 20 are pooling
    "vgg11_bn": [f"features.{k}" for k in (2, 6, 10, 13, 17, 20, 24, 27)],
    "resnet18": ["relu", *dotted("layer", 2, 2, 2, 2)],
    "squeezenet1_1": ["features.1", *(f"features.{k}" for k in (3, 4, 6, 7, 9, 10, 11, 12))],  # the last convolution gives the logits
    "mobilenet_v2": [f"features.{k}" for k in range(19)],
    "mobilenet_v3_small": [f"features.{k}" for k in range(13)],
    "shufflenet_v2_x0_5": ["conv1", *dotted("stage", 4, 8, 4, first=2), "conv5"],
    "densenet121": [
        "features.relu0",
        *[f"features.{kind}{k}" for k in (1, 2, 3) for kind in ("denseblock", "transition")],
        "features.denseblock4",
    ],
    "efficientnet_b0": ["features.0", *dotted("features.", 1, 2, 2, 3, 3, 4, 1), "features.8"],
    "regnet_y_400mf": ["stem", *(f"trunk_output.block{k}.block{k}-{j}" for k, n in enumerate((1, 3, 6, 6), 1) for j in range(n))],
    "swin_t": [
        *("features.0", "features.1.0", "features.1.1", "features.2", "features.3.0", "features.3.1", "features.4"),
        *(f"features.5.{k}" for k in range(6)),
        *("features.6", "features.7.0", "features.7.1"),
    ],
}


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_layers(name):
    assert default_layers(nn.Identity(), name, 224) == default_layers(nn.Identity(), f"torchvision.models:{name}", 224) == PAPER[name]


@pytest.mark.parametrize("name", ["alexnet", "googlenet"])
def test_what_the_rule_finds_is_what_the_paper_names(name):
    assert find_layers(build(name), 64) == PAPER[name]


@pytest.mark.parametrize("name", FOUND)
def test_blocks_are_found(name):
    assert default_layers(build(name), name, 64) == FOUND[name]


def test_blocks_of_a_vision_transformer_and_no_others():
    network = build("torchvision.models:VisionTransformer", **VIT)
    layers = [f"encoder.layers.encoder_layer_{k}" for k in range(2)]
    assert default_layers(network, "any", 48) == layers
    assert trace_pass(network, 48).layouts[layers[0]] == Layout("tokens", 2, 16, 6, 6)
    assert not repeatable(network, "conv_proj", 48) and repeatable(network, layers[0], 48)  # it counts its images before it


def test_timm_blocks():
    pytest.importorskip("timm")
    network = build("timm:vit_tiny_patch16_224", depth=2, img_size=32)
    assert default_layers(network, "timm:vit_tiny_patch16_224", 32) == ["patch_embed", "blocks.0", "blocks.1"]


# ------------------------------------------------------------------------------------------------------------- layers, on paper
class Residual(nn.Module):
    """A body and a way round it, if asked for."""

    def __init__(self, skip: bool):
        super().__init__()
        self.body, self.skip = nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU(), nn.Conv2d(4, 4, 1)), skip

    def forward(self, maps):
        return maps + self.body(maps) if self.skip else self.body(maps)


def stack(*parts: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), *parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))


def test_a_block_without_a_way_round_is_one_where_another_of_its_class_has_it():
    assert find_layers(stack(Residual(True), Residual(False)), 4) == ["1", "2", "3"]
    assert find_layers(stack(Residual(False)), 4) == ["1", "2.body.1", "2.body.2"]


def test_what_information_passes_by_and_what_runs_twice_is_no_layer():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.act, self.head = nn.Conv2d(3, 3, 1), nn.ReLU(), nn.Linear(3, 2)

        def forward(self, images):
            return self.head(self.act(self.conv(self.act(self.conv(images)))).mean((2, 3)))

    assert find_layers(Twice(), 4) == []
    with pytest.raises(InputError, match="the default layers of my:net: expected a layer through which everything passes, got none"):
        default_layers(Twice(), "my:net", 4)
    trace = trace_pass(Twice(), 4)
    assert trace.runs["conv"] == 2 and not trace.carries_all("conv") and trace.carries_all("head")


def test_maps_that_are_the_logits_and_maps_of_one_cell_are_no_layers():
    assert find_layers(Channels(), 4) == []
    assert find_layers(stack(), 1) == []


def test_a_pass_leaves_the_network_as_it_was():
    network = stack(nn.BatchNorm2d(4)).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    find_layers(network, 4)
    assert network.training and all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())


# --------------------------------------------------------------------------------------------------------------------- layouts
@pytest.mark.parametrize(
    ("shape", "module", "layout"),
    [
        ((2, 8, 6, 6), nn.ReLU(), Layout("maps", 1, 8, 6, 6)),
        ((2, 8, 4, 6), nn.ReLU(), Layout("maps", 1, 8, 4, 6)),
        ((2, 6, 6, 8), nn.ReLU(), Layout("channels-last", 3, 8, 6, 6)),
        ((2, 6, 6, 6), nn.Conv2d(6, 6, 1), Layout("maps", 1, 6, 6, 6)),
        ((2, 6, 6, 6), nn.Linear(6, 6), Layout("channels-last", 3, 6, 6, 6)),
        ((2, 9, 8), nn.Linear(8, 8), Layout("tokens", 2, 8, 3, 3)),
        ((2, 10, 8), nn.Linear(8, 8), Layout("tokens", 2, 8, 3, 3)),
        ((2, 201, 8), nn.Linear(8, 8), Layout("tokens", 2, 8, 14, 14)),
        ((2, 12, 8), nn.Linear(8, 8), None),
        ((2, 8), nn.Linear(8, 8), Layout("vector", 1, 8)),
        ((2,), nn.Linear(8, 8), None),
    ],
)
def test_layouts(shape, module, layout):
    assert layout_of(torch.zeros(shape), module) == layout
    assert layout_of((torch.zeros(shape),), module) is None


def test_maps_of_all_layouts_are_the_same():
    maps = torch.arange(2 * 5 * 3 * 3.0).view(2, 5, 3, 3)
    tokens = torch.cat([torch.full((2, 1, 5), -1.0), maps.flatten(2).transpose(1, 2)], 1)  # a class token before them
    for output in (maps, maps.permute(0, 2, 3, 1), tokens):
        assert torch.equal(maps_of(output, nn.ReLU()), maps)
    assert maps_of(torch.zeros(2, 5), nn.ReLU()) is None and maps_of(None, nn.ReLU()) is None


# --------------------------------------------------------------------------------------------------------------- architectures
def test_arguments_that_torchvision_needs():
    assert default_arguments("googlenet", brought=True) == {"aux_logits": False, "init_weights": False, "transform_input": True}
    assert default_arguments("inception_v3", brought=False) == {"aux_logits": False, "init_weights": False}
    assert default_arguments("resnet50", brought=True) == default_arguments("timm:googlenet", brought=True) == {}
    network = build("googlenet", num_classes=5)
    assert network.aux1 is None and network.fc.out_features == 5 and not network.transform_input
    assert build("googlenet", transform_input=True).transform_input
