"""Torchvision's networks with what other libraries do otherwise, for weights that come from there."""

from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck, ResNet


class VariantResNet(ResNet):
    """A ResNet of bottlenecks, torchvision's module names, ``[n_images, 3, height, width]`` in, logits out; ``layers`` blocks a stage.

    ``stride_in_1x1``: a stage halves the maps in its first 1x1 convolution, as the original ResNet of Caffe and Keras' (v1), instead of in
    its 3x3 convolution, as torchvision's (v1.5). ``epsilon``: of the batch normalisation (Keras: 1e-3, torchvision: 1e-5). ``bgr``: the
    weights are for blue, green, red; images come as red, green, blue and are turned round before the first convolution.
    """

    def __init__(self, layers: list[int], classes: int, *, stride_in_1x1: bool, epsilon: float, bgr: bool):
        super().__init__(Bottleneck, layers, num_classes=classes)
        self.bgr = bgr
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = epsilon
            if isinstance(module, Bottleneck) and stride_in_1x1:
                module.conv1.stride, module.conv2.stride = module.conv2.stride, module.conv1.stride

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images.flip(1) if self.bgr else images)


def resnet50(classes: int = 1000, *, stride_in_1x1: bool = False, epsilon: float = 1e-5, bgr: bool = False) -> nn.Module:
    """ResNet-50; by default torchvision's own. Of Keras: ``stride_in_1x1: true, epsilon: 0.001, bgr: true``."""
    return VariantResNet([3, 4, 6, 3], classes, stride_in_1x1=stride_in_1x1, epsilon=epsilon, bgr=bgr)
