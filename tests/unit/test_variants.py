"""Variants of torchvision's networks: each argument changes what it says and nothing else."""

import torch
from torch import nn
from torchvision.models import resnet50 as published

from robustlens.models.variants import resnet50
from tiny import equal_weights


def of(weights, **arguments):
    with equal_weights():
        network = resnet50(8, **arguments).eval()
    network.load_state_dict(weights)
    return network


def test_variants_of_resnet50():
    torch.manual_seed(0)
    plain = published(num_classes=8).eval()
    state, images = plain.state_dict(), torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = plain(images)
        assert torch.equal(of(state)(images), expected)
        assert torch.equal(of(state, bgr=True)(images.flip(1)), expected)
        caffe = of(state, stride_in_1x1=True)
        assert caffe(images).shape == expected.shape and not torch.allclose(caffe(images), expected)
    strides = [(stage[0].conv1.stride, stage[0].conv2.stride) for stage in (caffe.layer1, caffe.layer2, caffe.layer3, caffe.layer4)]
    assert strides == [((1, 1), (1, 1))] + [((2, 2), (1, 1))] * 3
    assert all(block.conv1.stride == block.conv2.stride == (1, 1) for block in caffe.layer2[1:])
    assert caffe.layer2[0].downsample[0].stride == (2, 2)
    assert {module.eps for module in of(state, epsilon=1e-3).modules() if isinstance(module, nn.BatchNorm2d)} == {1e-3}
