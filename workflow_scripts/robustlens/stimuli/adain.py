"""Stylized pictures by adaptive instance normalisation (Huang and Belongie, 2017), with the published weights.

The encoder is a VGG-19 whose activations were normalised, up to its relu4_1; the decoder mirrors it. Both were published for Torch 7 and
are brought here in the layout of the common PyTorch port, ``vgg_normalised`` and ``decoder``. The mean and the standard deviation of each
channel of relu4_1 are made those of a painting's, and the result is decoded: for Stylized-ImageNet with one painting an image.
Two passes a picture: what is kept of a painting are 1024 numbers, computed once a job.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from robustlens.devices import claim_device
from robustlens.errors import InputError
from robustlens.images import Shard
from robustlens.inference import Blocks
from robustlens.models.checkpoints import read_tensors
from robustlens.stimuli.made import Made
from robustlens.stimuli.paintings import choose_painting, list_paintings, read_painting

EPSILON = 1e-5  # added to the variance
Style = Path | tuple[int, int]  # what names a style: a file, or a place among image shards
SMALLEST = 16  # px a side: what relu4_1 has at least two values of, each way
# Convolutions (channels in, out, side of the kernel), each with its relu, "pool" and "upsample" in order; all of 3 px are padded.
ENCODER = [(3, 3, 1), (3, 64, 3), (64, 64, 3), "pool", (64, 128, 3), (128, 128, 3), "pool", (128, 256, 3), *[(256, 256, 3)] * 3, "pool"]
ENCODER += [(256, 512, 3)]
DECODER = [(512, 256, 3), "upsample", *[(256, 256, 3)] * 3, (256, 128, 3), "upsample", (128, 128, 3), (128, 64, 3), "upsample"]
DECODER += [(64, 64, 3), (64, 3, 3)]
WHOLE_ENCODER = range(32, 53)  # numbers of the published encoder's children behind relu4_1, which are not used
MEND = "bring {name}.pth, as a state dict or as safetensors, of the PyTorch port of AdaIN (a torchvision VGG-19 does not replace it)"


def make_adain(
    shard: Shard,
    seed: int,
    device: str,
    batch_size: int,
    *,
    encoder: str,
    decoder: str,
    paintings: str,
    alpha: float = 1.0,
    exclude: bool = False,
) -> Iterator[Made]:
    """Each picture of the shard in the style of a painting, drawn for it from the folder ``paintings``; mask and labels stay.

    ``encoder``, ``decoder``: the files of the weights. ``alpha``: share of the style on [0, 1]; 0 only encodes and decodes. On a CPU bit
    for bit the same in any shard; a GPU differs by rounding (a grey level). Raises InputError before the first picture.
    """
    folder = list_paintings(paintings)
    chosen = [choose_painting(folder, image_id, seed, exclude) for image_id in shard.rows["image_id"]]
    stylizer = Stylizer(encoder, decoder, claim_device(device), alpha)
    return (Made(image, shard.mask(row)) for row, image in enumerate(stylizer.pictures(shard, chosen, read_painting, batch_size)))


class Stylizer:
    """Encoder and decoder on ``device``, and the statistics of every style that the job has met: 4 kB each, kept."""

    def __init__(self, encoder: str, decoder: str, device: torch.device, alpha: float = 1.0):
        if not 0 <= alpha <= 1:
            raise InputError("adain: alpha", "a share of the style on [0, 1]", alpha)
        self.device, self.alpha = device, alpha
        self.encoder = (
            _loaded(build_encoder(), encoder, "vgg_normalised", beside=WHOLE_ENCODER).to(device).to(memory_format=torch.channels_last)
        )
        self.decoder = _loaded(build_decoder(), decoder, "decoder").to(device).to(memory_format=torch.channels_last)
        self._statistics: dict[Style, Tensor] = {}

    def pictures(
        self, shard: Shard, styles: Sequence[Style], read: Callable[[Any, int, int], np.ndarray], batch_size: int
    ) -> Iterator[np.ndarray]:
        """uint8 ``[height, width, 3]``, one a row of the shard, in order, in the style ``styles[row]``.

        ``read(style, height, width)`` gives uint8 ``[height, width, 3]`` of a style; it is asked once for each.
        """

        @torch.inference_mode()
        def restyle(images: Tensor, rows: slice) -> np.ndarray:
            height, width = images.shape[2:]
            if min(height, width) < SMALLEST:
                raise InputError(f"adain: {shard.path}", f"pictures of at least {SMALLEST} px a side", f"{height} x {width} px")
            wanted = styles[rows]
            self._meet(sorted(set(wanted) - set(self._statistics)), read, images)  # sorted: what lies together is read together
            statistics = torch.stack([self._statistics[style] for style in wanted])
            step = self._step(images)
            made = [self._restyled(images[k : k + step], statistics[k : k + step]) for k in range(0, len(wanted), step)]
            return np.concatenate(made)[:, :height, :width]

        for _, made in Blocks(self.device, batch_size, len(shard)).run(shard, restyle):
            yield from made

    def _step(self, images: Tensor) -> int:
        """Pictures a pass: on a CPU one, which is as fast as more and always of one shape; on a GPU the whole block."""
        return 1 if self.device.type == "cpu" else len(images)

    def _restyled(self, images: Tensor, statistics: Tensor) -> np.ndarray:
        """uint8, one picture for each of ``statistics``; there may be more ``images``, which fill up a block."""
        features = adapt(self.encoder(images)[: len(statistics)], statistics, self.alpha)
        return (self.decoder(features).clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()

    def _meet(self, styles: list[Style], read: Callable[[Any, int, int], np.ndarray], like: Tensor) -> None:
        """Encode styles, resized to the pictures ``like`` which they are wanted for."""
        step = self._step(like)
        for start in range(0, len(styles), step):
            part = styles[start : start + step]
            pixels = np.stack([read(style, *like.shape[2:]) for style in part])
            images = torch.from_numpy(pixels).to(self.device).permute(0, 3, 1, 2).to(torch.float32) / 255
            features = self.encoder(images.contiguous(memory_format=torch.channels_last))
            self._statistics |= zip(part, statistics_of(features), strict=True)


# ---------------------------------------------------------------------------------------------------------------- the algorithm
def statistics_of(features: Tensor) -> Tensor:
    """float32 ``[n_images, 2, n_units]``: mean and standard deviation of each map of ``features`` ``[n_images, n_units, height, width]``.

    The variance is the unbiased one plus ``EPSILON``.
    """
    return torch.stack([features.mean((2, 3)), (features.var((2, 3)) + EPSILON).sqrt()], 1)


def adapt(features: Tensor, statistics: Tensor, alpha: float) -> Tensor:
    """``features`` with the mean and standard deviation of each map made those of ``statistics`` (as above), mixed with themselves.

    ``alpha`` times the result plus ``1 - alpha`` times what it was.
    """
    mean, deviation = statistics_of(features)[..., None, None].unbind(1)
    new_mean, new_deviation = statistics[..., None, None].unbind(1)
    return alpha * ((features - mean) / deviation * new_deviation + new_mean) + (1 - alpha) * features


# ------------------------------------------------------------------------------------------------------------------ the networks
def build_encoder() -> nn.Sequential:
    """Pixels on [0, 1] ``[n_images, 3, height, width]`` to relu4_1 ``[n_images, 512, height / 8, width / 8]``, both rounded up."""
    return _sequence(ENCODER)


def build_decoder() -> nn.Sequential:
    """relu4_1 to pixels, about on [0, 1], eight times as high and wide."""
    return _sequence(DECODER)[:-1]  # no relu at the end


def _sequence(parts: list) -> nn.Sequential:
    modules: list[nn.Module] = []
    for part in parts:
        if part == "pool":
            modules.append(nn.MaxPool2d(2, 2, ceil_mode=True))
        elif part == "upsample":
            modules.append(nn.Upsample(scale_factor=2, mode="nearest"))
        elif part[2] == 1:
            modules.append(nn.Conv2d(*part))  # from RGB on [0, 1] to what VGG was trained on: no padding, no relu
        else:
            modules += [nn.ReflectionPad2d(1), nn.Conv2d(*part), nn.ReLU(inplace=True)]
    return nn.Sequential(*modules)


def _loaded(network: nn.Sequential, path: str, name: str, beside: range = range(0)) -> nn.Sequential:
    """``network`` with the weights of a file. ``beside``: numbers of children that the file may hold, too."""
    mend = MEND.format(name=name)
    if path.endswith(".t7"):
        raise InputError(path, "weights converted from Torch 7", "a .t7 file", mend)
    if not Path(path).is_file():
        raise InputError(path, f"the weights of AdaIN's {name}", "no such file", mend)
    found, wanted = read_tensors(path), network.state_dict()
    for key, tensor in wanted.items():
        if key not in found:
            raise InputError(path, f"the {len(wanted)} tensors of AdaIN's {name}", f"no {key}", mend)
        if found[key].shape != tensor.shape:
            shapes = " x ".join(map(str, tensor.shape)), " x ".join(map(str, found[key].shape))
            raise InputError(path, f"{key} of {shapes[0]} as in AdaIN's {name}", shapes[1], mend)
        if not torch.isfinite(found[key]).all():
            raise InputError(path, f"finite weights of AdaIN's {name}", f"NaN or inf in {key}", mend)
    for key in found:
        if key not in wanted and not (key.partition(".")[0].isdecimal() and int(key.partition(".")[0]) in beside):
            raise InputError(path, f"the {len(wanted)} tensors of AdaIN's {name}", f"also {key}", mend)
    network.load_state_dict({key: found[key].float() for key in wanted})
    return network.eval().requires_grad_(False)
