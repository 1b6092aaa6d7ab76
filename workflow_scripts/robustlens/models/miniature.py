"""Small networks after AlexNet, GoogLeNet and ResNet for 32 x 32 images, trained on a laptop in seconds to a minute.

Each takes float32 ``[n_images, 3, height, width]`` and gives logits ``[n_images, n_classes]``. Named children are the layers that the
study looks at; the output of each is taken after its last ReLU. Recipe and measured behaviour: docs/miniature.md.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def convolution(n_inputs: int, n_outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution without bias, batch normalisation, ReLU; ``same`` padding."""
    return nn.Sequential(
        nn.Conv2d(n_inputs, n_outputs, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(n_outputs),
        nn.ReLU(),
    )


class AlexNet(nn.Module):
    """Five convolutions (7x7 stride 2, 5x5, three 3x3), three poolings, one hidden linear layer; 0.1 million weights."""

    def __init__(self, classes: int, width: int = 48):
        super().__init__()
        self.conv1 = convolution(3, width // 2, 7, 2)
        self.conv2 = convolution(width // 2, width, 5)
        self.conv3 = convolution(width, width, 3)
        self.conv4 = convolution(width, width, 3)
        self.conv5 = convolution(width, width, 3)
        self.head = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, classes))

    def forward(self, images: Tensor) -> Tensor:
        maps = F.max_pool2d(self.conv1(images), 2)
        maps = F.max_pool2d(self.conv2(maps), 2)
        maps = self.conv5(self.conv4(self.conv3(maps)))
        return self.head(maps.mean((2, 3)))


class Inception(nn.Module):
    """Four branches side by side (1x1; 1x1 then 3x3; 1x1 then 5x5 as one 3x3; pooling then 1x1), joined over channels."""

    def __init__(self, n_inputs: int, n_outputs: int):
        super().__init__()
        quarter, eighth = n_outputs // 4, n_outputs // 8
        self.branch1 = convolution(n_inputs, quarter, 1)
        self.branch2 = nn.Sequential(convolution(n_inputs, quarter, 1), convolution(quarter, n_outputs // 2, 3))
        self.branch3 = nn.Sequential(convolution(n_inputs, eighth, 1), convolution(eighth, eighth, 3))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, 1), convolution(n_inputs, eighth, 1))

    def forward(self, maps: Tensor) -> Tensor:
        return torch.cat([self.branch1(maps), self.branch2(maps), self.branch3(maps), self.branch4(maps)], 1)


class GoogLeNet(nn.Module):
    """Two convolutions (7x7 stride 2, 3x3) and three inception blocks; 0.05 million weights."""

    def __init__(self, classes: int):
        super().__init__()
        self.conv1 = convolution(3, 24, 7, 2)
        self.conv2 = convolution(24, 48, 3)
        self.inception3 = Inception(48, 64)
        self.inception4 = Inception(64, 64)
        self.inception5 = Inception(64, 96)
        self.head = nn.Linear(96, classes)

    def forward(self, images: Tensor) -> Tensor:
        maps = F.max_pool2d(self.conv1(images), 2)
        maps = F.max_pool2d(self.conv2(maps), 2)
        return self.head(self.inception5(self.inception4(self.inception3(maps))).mean((2, 3)))


class Residual(nn.Module):
    """Basic block: two 3x3 convolutions beside a shortcut, ReLU after the sum."""

    def __init__(self, n_inputs: int, n_outputs: int, stride: int = 1):
        super().__init__()
        self.first = convolution(n_inputs, n_outputs, 3, stride)
        self.second = nn.Sequential(nn.Conv2d(n_outputs, n_outputs, 3, padding=1, bias=False), nn.BatchNorm2d(n_outputs))
        same = stride == 1 and n_inputs == n_outputs
        self.shortcut = (
            nn.Identity() if same else nn.Sequential(nn.Conv2d(n_inputs, n_outputs, 1, stride, bias=False), nn.BatchNorm2d(n_outputs))
        )

    def forward(self, maps: Tensor) -> Tensor:
        return F.relu(self.second(self.first(maps)) + self.shortcut(maps))


class ResNet(nn.Module):
    """A 7x7 stride-2 convolution and three residual blocks; 0.13 million weights."""

    def __init__(self, classes: int):
        super().__init__()
        self.conv1 = convolution(3, 24, 7, 2)
        self.layer1 = Residual(24, 24)
        self.layer2 = Residual(24, 48, 2)
        self.layer3 = Residual(48, 72)
        self.head = nn.Linear(72, classes)

    def forward(self, images: Tensor) -> Tensor:
        maps = F.max_pool2d(self.conv1(images), 2)
        return self.head(self.layer3(self.layer2(self.layer1(maps))).mean((2, 3)))


def alexnet(classes: int, **arguments) -> AlexNet:
    """An :class:`AlexNet` with random weights."""
    return AlexNet(classes, **arguments)


def googlenet(classes: int) -> GoogLeNet:
    """A :class:`GoogLeNet` with random weights."""
    return GoogLeNet(classes)


def resnet(classes: int) -> ResNet:
    """A :class:`ResNet` with random weights."""
    return ResNet(classes)
