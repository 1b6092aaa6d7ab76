"""Pictures for the tests of stylization, and AdaIN written out."""

import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F

from robustlens.images import read_shard, write_shard

EMBEDDED = {"kind": "embedded", "seed": 0}
PHOTOGRAPHS = {"kind": "image-folder"}
GREY = np.array([0.299, 0.587, 0.114])


def disc(side, inside=(230, 220, 200), outside=(30, 40, 60)):
    """A disc of half the picture's width: uint8 [side, side, 3]."""
    place = np.arange(side) - (side - 1) / 2
    within = np.hypot(place, place[:, None]) < side / 4
    return np.where(within[..., None], np.uint8(inside), np.uint8(outside))


def write_pictures(path, rows, pictures, origin=PHOTOGRAPHS):
    table = pd.DataFrame(rows, columns=["image_id", "label", "shape", "texture"])
    write_shard(path, table, pixels=iter(pictures), origin=origin)
    return read_shard(path)


def as_published(weights, content, style):
    """The result for one picture, written out with torch's functions alone."""
    encoder = torch.load(weights["encoder"], weights_only=True)
    from safetensors.torch import load_file

    decoder = load_file(weights["decoder"])

    def convolve(x, state, k, relu=True):
        x = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), state[f"{k}.weight"], state[f"{k}.bias"])
        return x.relu() if relu else x

    def encode(pixels):
        x = torch.tensor(pixels).permute(2, 0, 1)[None] / 255
        x = F.conv2d(x, encoder["0.weight"], encoder["0.bias"])
        for k in (2, 5, 9, 12, 16, 19, 22, 25, 29):
            if k in (9, 16, 29):
                x = F.max_pool2d(x, 2)
            x = convolve(x, encoder, k)
        return x

    features, wanted = encode(content), encode(style)
    (s, m), (t, n) = ([(x.var((2, 3), keepdim=True) + 1e-5).sqrt(), x.mean((2, 3), keepdim=True)] for x in (features, wanted))
    x = (features - m) / s * t + n
    for k in (1, 5, 8, 11, 14, 18, 21, 25, 28):
        if k in (5, 18, 25):
            x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
        x = convolve(x, decoder, k, relu=k != 28)
    return x[0].permute(1, 2, 0).numpy()
