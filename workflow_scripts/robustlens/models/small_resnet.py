"""Residual networks for 32 x 32 images, after He et al. (2016), arXiv 1512.03385, section 4.2: a 3x3 convolution, three stages of basic
blocks on maps of 32, 16 and 8 px, the mean over all positions, one linear layer.

Each takes float32 ``[n_images, 3, height, width]`` of any size and gives logits ``[n_images, classes]``. ``conv1, layer1, layer2, layer3``
are the layers that a study looks at; the output of each is taken after its last ReLU.
"""

from torch import Tensor, nn

from robustlens.errors import InputError
from robustlens.models.miniature import Residual, convolution


class SmallResNet(nn.Module):
    """A network of ``6 blocks + 2`` weight layers; ``width`` units in the first stage, twice and four times as many in the next two.

    ``stride`` of the first convolution: 1 in the paper; 2 makes every map half as wide and an image four times as cheap. Shortcuts that
    change the number of units are 1x1 convolutions (option B of the paper). Raises InputError for fewer than one block or unit.
    """

    def __init__(self, classes: int, blocks: int, width: int = 16, stride: int = 1):
        super().__init__()
        if min(blocks, width, stride) < 1:
            raise InputError("small_resnet: blocks, width, stride", "1 or more each", f"{blocks}, {width}, {stride}")
        self.conv1 = convolution(3, width, 3, stride)
        self.layer1 = _stage(width, width, blocks, 1)
        self.layer2 = _stage(width, 2 * width, blocks, 2)
        self.layer3 = _stage(2 * width, 4 * width, blocks, 2)
        self.head = nn.Linear(4 * width, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.layer3(self.layer2(self.layer1(self.conv1(images)))).mean((2, 3)))


def _stage(n_inputs: int, n_outputs: int, blocks: int, stride: int) -> nn.Sequential:
    return nn.Sequential(Residual(n_inputs, n_outputs, stride), *(Residual(n_outputs, n_outputs) for _ in range(blocks - 1)))


def resnet8(classes: int, **arguments) -> SmallResNet:
    """A :class:`SmallResNet` of one block a stage with random weights; 0.08 million at width 16."""
    return SmallResNet(classes, 1, **arguments)


def resnet20(classes: int, **arguments) -> SmallResNet:
    """A :class:`SmallResNet` of three blocks a stage with random weights, the smallest of the paper; 0.27 million at width 16."""
    return SmallResNet(classes, 3, **arguments)
