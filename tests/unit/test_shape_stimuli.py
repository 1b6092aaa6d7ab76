"""Stimuli that keep the shape and lose the texture, and the other way round: silhouettes, black and white, edges, scrambled."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from robustlens.errors import InputError
from robustlens.images import read_shard, write_shard
from robustlens.stimuli.black_and_white import black_and_white, trace
from robustlens.stimuli.edges import edges
from robustlens.stimuli.make import make_stimulus
from robustlens.stimuli.scrambled import scrambled
from robustlens.stimuli.silhouette import silhouette


# -------------------------------------------------------------------------------------------------------------------- silhouette
def shard_with(path, masks):
    names = [f"x-{index}" for index in range(len(masks))]
    rows = pd.DataFrame({"image_id": names, "label": range(7, 7 + len(masks)), "shape": -1, "texture": -1, "path": names})
    pictures = (np.full((20, 20, 3), 90, np.uint8) for _ in masks)
    write_shard(path, rows, pixels=pictures, masks=masks, origin={"kind": "image-folder"})
    return read_shard(path)


def covering(n_rows):
    """A mask that covers so many of 20 rows."""
    mask = np.zeros((20, 20), np.uint8)
    mask[:n_rows] = 255
    return mask


def test_given_masks_are_drawn_and_kept_and_none_is_too_small(tmp_path):
    """But nothing at all, and nothing else, show no outline."""
    masks = [covering(0), covering(8), np.full((20, 20), 51, np.uint8), covering(20)]
    found = list(make_stimulus("silhouette", shard_with(tmp_path / "a.parquet", masks), 0))
    for made, mask in zip(found, masks, strict=True):
        assert np.array_equal(made.image, silhouette(mask, "x")) and np.array_equal(made.mask, mask)
    assert [one.unusable for one in found] == ["without an object", None, "without an object", "all object"]


def test_what_shows_no_silhouette_stays_without_a_label(tmp_path):
    shard = shard_with(tmp_path / "a.parquet", [covering(n) for n in (0, 2, 8, 18, 20)])
    made = list(make_stimulus("silhouette", shard, 0, least=0.1, most=0.9, polarity="white-on-black"))
    assert [one.unusable for one in made] == [
        "without an object",
        None,
        None,
        None,
        "all object",
    ]  # 2 and 18 are the limits
    assert all((one.image[..., 0] == one.mask).all() for one in made)


def test_found_masks_have_limits_of_their_own(tmp_path):
    shard = shard_with(tmp_path / "a.parquet", [None] * 4)
    for index, mask in enumerate((covering(0), covering(1), covering(19), covering(20))):
        Image.fromarray(mask).save(tmp_path / f"x-{index}.png")
    found = list(make_stimulus("silhouette", shard, 0, masks="folder", folder=str(tmp_path)))
    assert [one.unusable for one in found] == ["without an object", None, None, "all object"] and np.array_equal(found[1].mask, covering(1))
    found = list(make_stimulus("silhouette", shard, 0, masks="folder", folder=str(tmp_path), least=0, most=1))
    assert [one.unusable for one in found] == ["without an object", None, None, "all object"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"masks": "deeplab"}, "silhouette: masks: expected one of given, folder, segmenter, grabcut, alpha, got deeplab"),
        ({"masks": "folder"}, "silhouette: folder: expected a value for masks: folder, got none"),
        ({"masks": "segmenter", "network": "fcn_resnet50"}, "silhouette: weights: expected a value for masks: segmenter, got none"),
        ({"folder": "x"}, "silhouette: folder: expected none for masks: given, got x"),
        ({"polarity": "red"}, "silhouette: polarity: expected black-on-white or white-on-black, got red"),
        ({"least": 0.9, "most": 0.1}, "silhouette: least, most: expected shares of the picture, least below most, got 0.9, 0.1"),
    ],
)
def test_silhouettes_refuse_before_the_first_picture(parameters, message, tmp_path):
    shard = shard_with(tmp_path / "a.parquet", [covering(8)])
    with pytest.raises(InputError, match=message):
        make_stimulus("silhouette", shard, 0, **parameters)


# --------------------------------------------------------------------------------------------------------------- black and white
def ink_disc(side=64, radius=20.0):
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    return y**2 + x**2 <= radius**2


def test_straight_edges_stay_where_they_are():
    ink = np.zeros((12, 30), bool)
    ink[:, 7:19] = True
    assert np.array_equal(trace(ink), ink) and np.array_equal(trace(ink.T), ink.T)
    for plain in (np.zeros((5, 5), bool), np.ones((5, 5), bool)):
        assert np.array_equal(trace(plain), plain)


def test_a_line_of_one_px_is_not_lost():
    ink = np.zeros((9, 9), bool)
    ink[:, 4] = True
    traced = trace(ink)
    assert (traced[:, 4] >= 0.5).all() and (traced[:, :4] == 0).all() and (traced[:, 5:] == 0).all()


@pytest.mark.parametrize(
    ("speck", "stays"), [([(4, 4)], False), ([(4, 4), (4, 5)], False), ([(4, 4), (5, 5)], False), ([(4, 4), (4, 5), (5, 4)], True)]
)
@pytest.mark.parametrize("ink", [True, False])
def test_specks_of_two_px_go_and_of_three_stay(speck, stays, ink):
    picture = np.full((10, 10), not ink)
    picture[tuple(np.transpose(speck))] = ink
    assert (trace(picture) != (not ink)).any() == stays


def test_a_disc_is_smooth_and_keeps_its_area():
    ink = ink_disc()
    traced = trace(ink)
    assert abs(traced.sum() - (ink.sum() - np.pi * 0.6**2)) < 0.5  # of 1264: a Gaussian moves a circle in by sigma^2 / (2 radius)
    grey = (traced > 0) & (traced < 1)
    assert grey.any() and set(np.unique(traced * 16)) <= set(range(17))
    y, x = np.mgrid[:64, :64] - 31.5
    distance = 20 - np.hypot(y, x)
    exact = np.clip(distance + 0.5, 0, 1)  # share of ink in a px, nearly
    assert np.abs(traced - exact).mean() < 0.7 * np.abs(ink - exact).mean()  # the outline is nearer to the circle than the px are


def test_smoothing_agrees_with_the_plain_threshold_as_the_papers_sample_does():
    """On a random picture with structure of some px the two agree on about 98.7 % of the px, as was measured on the sample."""
    noise = np.stack([gaussian_filter(np.random.default_rng(channel).normal(size=(224, 224)), 5) for channel in range(3)], axis=2)
    pixels = np.clip(127 + 900 * noise, 0, 255).astype(np.uint8)
    plain = black_and_white(pixels, smoothing=0) < 128
    smooth = black_and_white(pixels, smoothing=0, outline="smooth") < 128
    assert 0.3 < plain.mean() < 0.7 and 0.985 < (plain == smooth).mean() < 1
    assert np.array_equal(plain[..., 0], pixels.astype(int).sum(axis=2) < 382.5)


def test_black_and_white_refuses_another_outline():
    with pytest.raises(InputError, match="black-and-white: outline: expected sharp or smooth, got round"):
        black_and_white(np.zeros((4, 4, 3), np.uint8), outline="round")


# ------------------------------------------------------------------------------------------------------------------------- edges
def step_of(height, ground=50):
    """A picture with one step of ``height`` grey levels between columns 19 and 20."""
    pixels = np.full((40, 40, 3), ground, np.uint8)
    pixels[:, 20:] += np.uint8(height)
    return pixels


def test_the_edge_of_a_step_is_one_line_at_the_step():
    made = edges(step_of(200))
    columns = np.flatnonzero((made[5:35] == 255).any(axis=(0, 2)))
    assert made.shape == (40, 40, 3) and set(np.unique(made)) == {0, 255}
    assert set(columns) <= {19, 20} and (made[5:35, columns] == 255).all(axis=(0, 2)).any()
    assert np.array_equal(edges(step_of(200), polarity="black-on-white"), 255 - made)
    assert not edges(np.full((20, 20, 3), 90, np.uint8)).any()


def test_the_upper_threshold_is_on_the_gradient_of_the_luminance():
    """Sobel's gradient beside a step by d is 4 d without a Gaussian before it; one of 0.4 px takes little of it."""
    for high, height, found in ((0.9, 64, True), (0.9, 50, False), (1.8, 64, False), (1.8, 128, True)):
        assert edges(step_of(height), sigma=0.1, low=0.1, high=high).any() == found  # 4 * 64 / 255 = 1.004; 4 * 50 / 255 = 0.78
    blue = step_of(0)
    blue[:, 20:, 2] = 255  # counts 0.0721
    assert not edges(blue).any() and edges(blue, low=0.1, high=0.2).any()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"polarity": "red"}, "edges: polarity: expected black-on-white or"),
        ({"low": 0.9, "high": 0.1}, "edges: low, high: .* got 0.9, 0.1"),
    ],
)
def test_edges_refuse(parameters, message):
    with pytest.raises(InputError, match=message):
        edges(step_of(9), **parameters)


# --------------------------------------------------------------------------------------------------------------------- scrambled
def blocks(pixels, grid):
    side = len(pixels) // grid
    return [
        pixels[row : row + side, column : column + side] for row in range(0, len(pixels), side) for column in range(0, len(pixels), side)
    ]


def test_the_papers_order_of_four_blocks_is_2_3_1_0():
    pixels = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
    before = blocks(pixels, 2)
    for image_id, seed in (("a", 0), ("b", 1)):
        after = blocks(scrambled(pixels, image_id, seed, grid=2, permutation="shared"), 2)
        assert all(np.array_equal(found, before[source]) for found, source in zip(after, (2, 3, 1, 0), strict=True))


@pytest.mark.parametrize("grid", [4, 8])
def test_larger_grids_take_the_order_of_the_same_seed(grid):
    """At 224 px, 4 x 4 and 8 x 8 blocks are of 56 and 28 px; the order is NumPy's permutation after seeding with 212, for every image."""
    pixels = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
    random = np.random.RandomState(212)
    order = np.arange(grid * grid)
    random.shuffle(order)  # what its permutation() does
    before, after = blocks(pixels, grid), blocks(scrambled(pixels, "a", 0, grid=grid, permutation="shared"), grid)
    assert before[0].shape == (224 // grid, 224 // grid, 3) and len(after) == grid * grid
    assert all(np.array_equal(found, before[source]) for found, source in zip(after, order, strict=True))
    assert (order == np.arange(grid * grid)).sum() == {4: 2, 8: 0}[grid]  # of 4 x 4 blocks, two stay
