"""The manipulations, by cases that can be worked out on paper."""

import numpy as np
import pytest

from robustlens.errors import InputError
from robustlens.images import read_shard, write_shard
from robustlens.stimuli.black_and_white import black_and_white
from robustlens.stimuli.contour import contour
from robustlens.stimuli.cues import list_scenes
from robustlens.stimuli.embedded import render_scene
from robustlens.stimuli.gaussian_blur import gaussian_blur
from robustlens.stimuli.gaussian_noise import gaussian_noise
from robustlens.stimuli.make import make_stimulus
from robustlens.stimuli.pixels import ink_on_paper, to_uint8, to_unit
from robustlens.stimuli.scrambled import scrambled
from robustlens.stimuli.silhouette import silhouette
from tiny import make_shard

EMBEDDED = {"kind": "embedded", "seed": 0}
PARAMETERS = {
    "gaussian-blur": {"sigma": 1.0},
    "gaussian-noise": {"sigma": 0.1},
    "scrambled": {"grid": 4},
    "silhouette": {},
    "stylized": {},
    "black-and-white": {},
    "contour": {},
}


@pytest.fixture
def picture():
    return np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)


def half_mask():
    """Object = the left half of 20 x 40 px."""
    mask = np.zeros((20, 40), np.uint8)
    mask[:, :20] = 255
    return mask


# --------------------------------------------------------------------------------------------------------------------- pixels
def test_every_stored_value_survives_the_unit_scale():
    stored = np.arange(256, dtype=np.uint8)
    assert np.array_equal(to_uint8(to_unit(stored)), stored)


def test_rounding_is_half_to_even_and_clipped():
    assert to_uint8(np.array([-1, 0.5 / 255, 1.5 / 255, 2.5 / 255, 1, 7])).tolist() == [0, 0, 2, 2, 255, 255]


def test_ink_is_black():
    assert ink_on_paper(np.array([[0.0, 1.0]])).tolist() == [[[255] * 3, [0] * 3]]


# ----------------------------------------------------------------------------------------------------------------------- blur
def test_blur_of_sigma_zero_is_the_identity(picture):
    assert np.array_equal(gaussian_blur(picture, sigma=0), picture)


def test_blur_keeps_a_constant_picture_and_the_mean_of_any(picture):
    even = np.full((48, 48, 3), (10, 100, 200), np.uint8)
    assert np.array_equal(gaussian_blur(even, sigma=3), even)
    blurred = gaussian_blur(picture, sigma=2)
    assert np.abs(blurred.mean(axis=(0, 1)) - picture.mean(axis=(0, 1))).max() < 0.1
    assert blurred.std() < picture.std() / 4


def test_blur_of_a_grating_has_the_gaussian_transfer():
    wave = 0.4 * np.cos(2 * np.pi * (np.arange(64) + 0.5) / 8)  # mirrors into itself at both borders
    pixels = np.repeat(to_uint8(0.5 + np.tile(wave, (16, 1)))[..., None], 3, axis=2)
    left = to_unit(gaussian_blur(pixels, sigma=1.5))[8, :, 0] - 0.5
    assert left == pytest.approx(wave * np.exp(-2 * (np.pi * 1.5 / 8) ** 2), abs=0.006)


def test_blur_does_not_mix_channels():
    red = np.zeros((16, 16, 3), np.uint8)
    red[4:8, 4:8, 0] = 255
    assert gaussian_blur(red, sigma=2)[..., 1:].max() == 0


# ---------------------------------------------------------------------------------------------------------------------- noise
def test_noise_of_sigma_zero_is_the_identity(picture):
    assert np.array_equal(gaussian_noise(picture, "a", 0, sigma=0), picture)


def test_noise_has_its_deviation_and_is_the_images_own():
    grey = np.full((64, 64, 3), 128, np.uint8)
    noisy = gaussian_noise(grey, "a", 0, sigma=0.08)
    deviation = to_unit(noisy) - to_unit(grey)
    assert deviation.std() == pytest.approx(0.08, rel=0.03) and abs(deviation.mean()) < 0.003
    channels = deviation.reshape(-1, 3).T
    assert np.abs(np.corrcoef(channels) - np.eye(3)).max() < 0.06
    assert np.array_equal(noisy, gaussian_noise(grey, "a", 0, sigma=0.08))
    assert not np.array_equal(noisy, gaussian_noise(grey, "b", 0, sigma=0.08))
    assert not np.array_equal(noisy, gaussian_noise(grey, "a", 1, sigma=0.08))


def test_noise_is_clipped_at_black_and_white():
    black = np.zeros((64, 64, 3), np.uint8)
    assert (gaussian_noise(black, "a", 0, sigma=0.2) == 0).mean() == pytest.approx(0.5, abs=0.02)


# ------------------------------------------------------------------------------------------------------------------- scramble
def tiles(pixels, grid):
    side = pixels.shape[0] // grid
    return [pixels[r * side : (r + 1) * side, c * side : (c + 1) * side] for r in range(grid) for c in range(grid)]


@pytest.mark.parametrize("grid", [2, 4, 8])
def test_scrambling_permutes_whole_blocks_and_never_keeps_the_order(picture, grid):
    before = [tile.tobytes() for tile in tiles(picture, grid)]
    orders = set()
    for i in range(60):
        after = [tile.tobytes() for tile in tiles(scrambled(picture, f"x-{i}", 0, grid=grid), grid)]
        assert sorted(after) == sorted(before) and after != before
        orders.add(tuple(before.index(tile) for tile in after))
    assert len(orders) == (60 if grid > 2 else 23) or (grid == 2 and 18 <= len(orders) <= 23)


def test_the_shared_permutation_is_the_studys(picture):
    before, after = tiles(picture, 2), tiles(scrambled(picture, "any", 5, grid=2, permutation="shared"), 2)
    assert all(np.array_equal(after[place], before[source]) for place, source in enumerate([2, 3, 1, 0]))
    again = scrambled(picture, "other", 6, grid=4, permutation="shared")
    assert np.array_equal(again, scrambled(picture, "any", 5, grid=4, permutation="shared"))


def test_scrambling_a_picture_that_is_not_square():
    wide = np.arange(4 * 8 * 3, dtype=np.uint8).reshape(4, 8, 3)
    assert sorted(scrambled(wide, "x", 0, grid=4).ravel()) == sorted(wide.ravel())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"grid": 5}, "x-1: expected sides that 5 blocks divide, got 48 x 48 px"),
        ({"grid": 1}, "grid: expected 2 or more"),
        ({"grid": 2, "permutation": "none"}, "permutation: expected image or shared"),
    ],
)
def test_scrambling_refuses(picture, options, message):
    with pytest.raises(InputError, match=message):
        scrambled(picture, "x-1", 0, **options)


# ------------------------------------------------------------------------------------------------- silhouette, ink and contour
def test_silhouette_is_the_mask_in_black():
    made = silhouette(half_mask(), "x")
    assert made.shape == (20, 40, 3) and (made[:, :20] == 0).all() and (made[:, 20:] == 255).all()
    assert np.array_equal(silhouette(half_mask(), "x", polarity="white-on-black"), 255 - made)


def test_silhouette_refuses_an_image_without_a_mask():
    with pytest.raises(InputError, match="x-7: expected a mask"):
        silhouette(None, "x-7")
    with pytest.raises(InputError, match="polarity"):
        silhouette(half_mask(), "x-7", polarity="red")


def test_black_and_white_cuts_the_mean_of_the_channels_at_the_threshold():
    colours = np.array([[[255, 0, 0], [255, 255, 0], [127, 127, 127], [128, 128, 128]]], np.uint8)
    made = black_and_white(colours, threshold=0.5, smoothing=0)
    assert made[0, :, 0].tolist() == [0, 255, 0, 255]
    assert set(np.unique(made)) <= {0, 255}


def test_black_and_white_by_otsu_parts_two_greys():
    pixels = np.full((8, 8, 3), 20, np.uint8)
    pixels[:, 4:] = 60  # both below one half
    made = black_and_white(pixels, threshold="otsu", smoothing=0)
    assert (made[:, :4] == 0).all() and (made[:, 4:] == 255).all()
    assert (black_and_white(pixels, smoothing=0) == 0).all()
    assert (black_and_white(pixels[:, :4], threshold="otsu") == 255).all()  # an even picture has no ink
    with pytest.raises(InputError, match="otsu"):
        black_and_white(pixels, threshold="mean")


def test_black_and_white_smoothing_drops_single_dots():
    pixels = np.full((9, 9, 3), 255, np.uint8)
    pixels[4, 4] = 0
    assert (black_and_white(pixels, smoothing=0) == 0).any() and (black_and_white(pixels, smoothing=1) == 255).all()


@pytest.mark.parametrize("width", [2, 4])
def test_contour_of_a_mask_has_its_width(width):
    made = contour(np.zeros((20, 40, 3), np.uint8), half_mask(), width=width)
    profile = made[10, :, 0]
    assert np.flatnonzero(profile == 0).tolist() == list(range(20 - width // 2, 20 + width // 2))
    assert set(np.unique(profile)) == {0, 255}


def test_contour_of_an_empty_or_full_mask_is_blank():
    for value in (0, 255):
        assert (contour(np.zeros((8, 8, 3), np.uint8), np.full((8, 8), value, np.uint8)) == 255).all()


def test_contour_without_a_mask_finds_the_edges_of_the_picture():
    pixels = np.zeros((40, 40, 3), np.uint8)
    pixels[:, 20:] = 255
    made = contour(pixels, None, width=1, sigma_edges=1)
    columns = np.flatnonzero((made[10:30] == 0).any(axis=(0, 2)))
    assert set(columns) <= {19, 20} and len(columns)
    assert (contour(np.full((20, 20, 3), 90, np.uint8), None) == 255).all()


# ------------------------------------------------------------------------------------------------------------------- dispatch
def write_scenes(path, rows, *, masks=True):
    scenes = [render_scene(row.image_id, row.shape, row.texture, 0) for row in rows.itertuples()]
    drawn = [scene.mask for scene in scenes] if masks else None
    write_shard(path, rows, pixels=iter([scene.pixels for scene in scenes]), masks=drawn, origin=EMBEDDED)
    return read_shard(path)


@pytest.mark.parametrize("kind", PARAMETERS)
def test_every_kind_makes_one_picture_an_image_whatever_the_shard(kind, tmp_path):
    rows = list_scenes("clean", 6, "both", 0)
    whole = write_scenes(tmp_path / "all.parquet", rows)
    made = [one.image for one in make_stimulus(kind, whole, 0, **PARAMETERS[kind])]
    assert len(made) == 6 and all(picture.dtype == np.uint8 and picture.shape == (32, 32, 3) for picture in made)
    assert any(not np.array_equal(picture, before) for picture, before in zip(made, whole.pixels(), strict=True))
    for start in (0, 2, 4):
        part = write_scenes(tmp_path / "part.parquet", rows.iloc[start : start + 2].reset_index(drop=True))
        for picture, expected in zip(make_stimulus(kind, part, 0, **PARAMETERS[kind]), made[start:], strict=False):
            assert np.array_equal(picture.image, expected)


def test_masks_stay_unless_the_object_moves(tmp_path):
    shard = write_scenes(tmp_path / "all.parquet", list_scenes("clean", 2, "both", 0))
    bare = write_scenes(tmp_path / "bare.parquet", list_scenes("clean", 2, "both", 0), masks=False)
    _, blurred = make_stimulus("gaussian-blur", shard, 0, sigma=1.0)
    assert np.array_equal(blurred.mask, shard.mask(1))
    for kind, source in (("scrambled", shard), ("gaussian-blur", bare)):
        assert [one.mask for one in make_stimulus(kind, source, 0, **PARAMETERS[kind])] == [None, None]


@pytest.mark.parametrize(
    ("kind", "parameters", "message"),
    [
        ("fog", {}, "stimulus kind: expected the name of a module .* got fog"),
        ("gaussian-blur", {}, "gaussian-blur: expected the parameter sigma, got none"),
        ("gaussian-blur", {"sigma": 1, "width": 2}, "gaussian-blur: expected parameters among sigma, got width"),
        ("stylized", {"sigma": 1}, "expected parameters among .*, got sigma"),
    ],
)
def test_faulty_requests_are_refused_before_the_first_picture(kind, parameters, message, tmp_path):
    shard = write_scenes(tmp_path / "all.parquet", list_scenes("clean", 1, "both", 0))
    with pytest.raises(InputError, match=message):
        make_stimulus(kind, shard, 0, **parameters)


@pytest.mark.parametrize("kind", ["edges", "contour", "black-and-white"])
def test_an_image_that_is_made_blank_has_no_label(kind, tmp_path):
    """An even image has no edge and no ink, as an empty silhouette has no object: no accuracy counts it."""
    images = [np.full((16, 16, 3), 200, np.uint8), np.full((16, 16, 3), 200, np.uint8)]
    images[1][4:12, 4:12] = 0
    shard = make_shard(tmp_path / "shard.parquet", np.stack(images))
    assert [one.unusable for one in make_stimulus(kind, shard, 0)] == ["of one colour all over", None]
