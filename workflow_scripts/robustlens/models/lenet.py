"""LeNet for MNIST (after LeCun et al. 1998), in the form and with the names that the package advertorch trained and published."""

from torch import Tensor, nn


class LeNet(nn.Module):
    """Two 3x3 convolutions of 32 and 64 maps, each with ReLU and 2x2 pooling, and two linear layers (200, ``classes``), of the grey image.

    Takes float32 ``[n_images, 3, 28, 28]`` and averages the channels, so that one grey image in R, G and B gives the logits of that image.
    The gradient of the loss is then the same in every channel, a third of that by the grey value: an Linf step, which takes its sign
    alone, moves the channels together and as far as it moves the grey image, and so a PGD attack that starts at the image is the one on
    the grey image. From a random start, drawn a channel, the mean stays in the ball too.
    """

    def __init__(self, classes: int = 10):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, padding=1)
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(32, 64, 3, padding=1)
        self.relu2 = nn.ReLU()
        self.pool2 = nn.MaxPool2d(2)
        self.linear1 = nn.Linear(64 * 7 * 7, 200)
        self.relu3 = nn.ReLU()
        self.linear2 = nn.Linear(200, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.of_grey(images.mean(1, keepdim=True))

    def of_grey(self, grey: Tensor) -> Tensor:
        """Logits of ``[n_images, 1, 28, 28]``."""
        maps = self.pool1(self.relu1(self.conv1(grey)))
        maps = self.pool2(self.relu2(self.conv2(maps)))
        return self.linear2(self.relu3(self.linear1(maps.flatten(1))))
