"""The corruptions of ImageNet-C (its weather: test_weather.py), by cases on paper and plain implementations of the published formulas."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from corrupted import CPU, SEVERITIES, apply, even, farthest, scene
from PIL import Image
from scipy import ndimage, stats

from robustlens import shorthand
from robustlens.corruptions import blur, digital, draws, noise
from robustlens.corruptions.catalogue import COMMON, CORRUPTIONS, EXTRA, find_corruption
from robustlens.errors import InputError
from robustlens.images import read_shard, write_shard
from robustlens.randomness import generator
from robustlens.stimuli.corruption import corrupt, make_corruption
from robustlens.stimuli.make import make_stimulus


def shard_of(path, pictures, image_ids):
    rows = pd.DataFrame({"image_id": image_ids, "label": 0, "shape": -1, "texture": -1})
    write_shard(path, rows, pixels=iter(pictures), origin={"kind": "test"})
    return read_shard(path)


# --------------------------------------------------------------------------------------------------------------- the stimulus
def test_there_are_15_and_4():
    assert len(COMMON) == 15 and len(EXTRA) == 4 and len(CORRUPTIONS) == 19


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_picture_does_not_depend_on_its_batch(name, tmp_path):
    pictures, ids = [scene(seed=i) for i in range(7)], [f"x-{i}" for i in range(7)]
    whole = [made.image for made in make_corruption(shard_of(tmp_path / "a", pictures, ids), 3, "cpu", 200, corruption=name, severity=3)]
    assert all(picture.dtype == np.uint8 and picture.shape == (56, 48, 3) for picture in whole)
    assert sum(not np.array_equal(*pair) for pair in zip(whole, pictures, strict=True)) == 7
    order = [4, 0, 6]
    other = shard_of(tmp_path / "b", [pictures[i] for i in order], [ids[i] for i in order])
    again = [made.image for made in make_stimulus("corruption", other, 3, batch_size=1, corruption=name, severity=3)]
    assert all(np.array_equal(whole[i], picture) for i, picture in zip(order, again, strict=True))


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_batch_as_on_a_gpu_gives_the_same_pictures_within_rounding(name):
    pictures, ids = np.stack([scene(seed=i) for i in range(3)]), ["a", "b", "c"]
    for severity in SEVERITIES:
        together = corrupt(pictures, ids, name, severity, seed=0, device=CPU)
        alone = np.concatenate([corrupt(pictures[i : i + 1], ids[i : i + 1], name, severity, seed=0, device=CPU) for i in range(3)])
        assert farthest(together, alone) <= (2 if name == "snow" else 1)


def test_draws_belong_to_the_image_the_seed_and_the_severity():
    pictures = np.stack([even(128), even(128)])
    first, second = corrupt(pictures, ["a", "b"], "gaussian-noise", 1, seed=0, device=CPU)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, corrupt(pictures[:1], ["a"], "gaussian-noise", 1, seed=1, device=CPU)[0])
    stronger = corrupt(pictures[:1], ["a"], "gaussian-noise", 2, seed=0, device=CPU)[0]
    signs = np.sign(first.astype(int) - 128) * np.sign(stronger.astype(int) - 128)
    assert abs(signs.mean()) < 0.05


def test_files_are_jpeg_of_quality_85_with_their_own_tables(tmp_path):
    shard = shard_of(tmp_path / "a", [scene()], ["x"])
    plain = next(make_corruption(shard, 0, "cpu", 1, corruption="contrast", severity=1)).image
    data = next(make_corruption(shard, 0, "cpu", 1, corruption="contrast", severity=1, jpeg=True)).image
    expected = io.BytesIO()
    Image.fromarray(plain).save(expected, "JPEG", quality=85, optimize=True)
    assert data == expected.getvalue()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"corruption": "gaussian_noise"}, "corruption: corruption: expected one of gaussian-noise, "),
        ({"severity": 6}, "corruption: severity: expected an integer from 1 to 5, got 6"),
        ({"severity": True}, "corruption: severity: expected an integer from 1 to 5, got True"),
        ({"corruption": "frost", "frost": "nowhere"}, "nowhere: expected the pictures frost1 to frost5"),
    ],
)
def test_what_does_not_exist_is_named(wrong, said, tmp_path):
    with pytest.raises(InputError, match=said):
        list(make_corruption(shard_of(tmp_path / "a", [scene()], ["x"]), 0, "cpu", 1, **{"corruption": "fog", "severity": 1} | wrong))


def test_too_small_a_picture_is_refused():
    with pytest.raises(InputError, match="x: expected a picture of 32 px a side or more, got 31 x 48 px"):
        corrupt(even(0, 31, 48)[None], ["x"], "fog", 1, seed=0, device=CPU)


# ---------------------------------------------------------------------------------------------------------------------- draws
def test_normal_and_uniform_numbers_are_that():
    random = generator(0, "test")
    assert stats.kstest(draws.normal(random, (200, 501)).reshape(-1), "norm").pvalue > 0.01
    assert stats.kstest(draws.uniform(random, (200, 501)).reshape(-1), "uniform", (-1, 2)).pvalue > 0.01
    found = draws.normal(random, (3, 3))
    assert found.shape == (3, 3) and found.dtype == np.float32 and np.isfinite(found).all()


@pytest.mark.parametrize("photons", noise.PHOTONS)
def test_photons_are_poisson_numbers(photons):
    levels = np.repeat(np.array([0, 1, 128, 255], np.uint8), 100_000)
    counts = draws.poisson(generator(0, "test", photons), levels, photons).reshape(4, -1)
    assert counts[0].max() == 0
    for level, found in zip((1, 128, 255), counts[1:], strict=True):
        mean = photons * level / 255
        assert found.mean() == pytest.approx(mean, abs=4 * np.sqrt(mean / found.size))
        assert found.var() == pytest.approx(mean, abs=5 * mean * np.sqrt((2 + 1 / mean) / found.size))
        expected = stats.poisson.pmf(np.arange(200), mean) * found.size
        common = expected > 10
        seen = np.bincount(found, minlength=200)
        pair = [np.append(values[common], values[~common].sum()) for values in (seen, expected)]
        assert stats.chisquare(*pair, sum_check=False).pvalue > 1e-3


# ---------------------------------------------------------------------------------------------------------------------- noise
def test_noise_formulas_on_paper():
    ones = np.ones((48, 48, 3), np.float32)
    assert (apply(noise.gaussian_noise, even(100), 1, noise=ones) == 120).all()  # 100 + .08 * 255 = 120.4
    assert (apply(noise.gaussian_noise, even(10), 1, noise=-ones) == 0).all()
    assert (apply(noise.speckle_noise, even(100), 2, noise=ones) == 120).all()  # 100 * 1.2, whole
    assert (apply(noise.shot_noise, even(9), 5, counts=even(1)) == 85).all()  # 255 / 3
    assert (apply(noise.shot_noise, even(9), 5, counts=even(4)) == 255).all()


@pytest.mark.parametrize("severity", SEVERITIES)
def test_the_share_of_impulses_half_of_them_white(severity):
    found = corrupt(even(100, 224, 224)[None], ["x"], "impulse-noise", severity, seed=0, device=CPU)
    share = noise.IMPULSE[severity - 1] / 2
    for level in (0, 255):
        assert (found == level).mean() == pytest.approx(share, abs=4 * np.sqrt(share / found.size))
    assert set(np.unique(found)) == {0, 100, 255}


def test_gaussian_noise_has_its_deviation():
    found = corrupt(even(128, 224, 224)[None], ["x"], "gaussian-noise", 1, seed=0, device=CPU) / 255
    assert found.std() == pytest.approx(0.08, rel=0.01)
    assert found.mean() == pytest.approx(127.5 / 255, abs=0.001)  # half a level lost by cutting off


# ----------------------------------------------------------------------------------------------------------------------- blur
@pytest.mark.parametrize(
    "name", ["defocus-blur", "glass-blur", "motion-blur", "zoom-blur", "gaussian-blur", "elastic-transform", "pixelate"]
)
def test_blur_keeps_a_constant_picture(name):
    for severity in SEVERITIES:
        found = corrupt(even((10, 100, 200))[None], ["x"], name, severity, seed=0, device=CPU)
        # the published disks of 8 and 10 px touch the border of their kernel, whose sum is then 1.013 and 1.011
        gain = blur.disk(*blur.DEFOCUS[severity - 1]).sum() if name == "defocus-blur" else 1
        assert (found == np.floor(np.array([10, 100, 200]) * gain + 1e-3)).all(), severity
    assert [round(float(blur.disk(*one).sum()), 4) for one in blur.DEFOCUS] == [1, 1, 1, 1.013, 1.0108]


@pytest.mark.parametrize("severity", SEVERITIES)
def test_defocus_and_gaussian_blur_are_correlations(severity):
    picture = scene()
    kernel, sigma = blur.disk(*blur.DEFOCUS[severity - 1])[..., None], blur.GAUSSIAN[severity - 1]
    expected = ndimage.correlate(picture.astype(float), kernel, mode="mirror").clip(0, 255)
    assert farthest(apply(blur.defocus_blur, picture, severity), expected) <= 1
    expected = ndimage.gaussian_filter(picture.astype(float), (sigma, sigma, 0), mode="nearest")
    assert farthest(apply(blur.gaussian_blur, picture, severity), expected) <= 1


@pytest.mark.parametrize("severity", SEVERITIES)
def test_zoom_blur_is_the_mean_of_zooms(severity):
    picture = scene().astype(float)
    layers = [picture]
    for factor in np.arange(1, *blur.ZOOM[severity - 1]):
        (top, height), (left, width) = ((side - int(np.ceil(side / factor))) // 2 * np.array([1, 0]) for side in (56, 48))
        height, width = int(np.ceil(56 / factor)), int(np.ceil(48 / factor))
        zoomed = ndimage.zoom(picture[top : top + height, left : left + width], (factor, factor, 1), order=1)
        y, x = (zoomed.shape[0] - 56) // 2, (zoomed.shape[1] - 48) // 2
        layers.append(zoomed[y : y + 56, x : x + 48])
    assert len(layers) == (13, 17, 12, 14, 12)[severity - 1]
    assert farthest(apply(blur.zoom_blur, scene(), severity), np.mean(layers, axis=0)) <= 1


@pytest.mark.parametrize("severity", SEVERITIES)
def test_glass_moves_px_as_the_published_loop(severity):
    _, reach, passes = blur.GLASS[severity - 1]
    height, width = 26, 21
    random = np.random.default_rng(severity)
    moves = random.integers(-reach, reach, (passes, height - 2 * reach, width - 2 * reach, 2))
    expected = np.arange(height * width).reshape(height, width)
    for one in moves:
        for i, y in enumerate(range(height - reach, reach, -1)):
            for j, x in enumerate(range(width - reach, reach, -1)):
                right, down = one[i, j]
                expected[y, x] = expected[y + down, x + right]
    found = blur.glass_sources(moves[..., 1] * width + moves[..., 0], height, width).reshape(height, width)
    assert np.array_equal(found, expected)
    assert (found != np.arange(height * width).reshape(height, width)).mean() > 0.3


def test_glass_moves_px_by_little():
    sources = blur.prepare_glass_blur(generator(0, "test"), scene(), 1)["sources"].reshape(56, 48)
    y, x = np.mgrid[:56, :48]
    for moved in (sources // 48 - y, sources % 48 - x):
        assert moved.min() == -2 and moved.max() == 0  # two passes of -1 or 0


def test_motion_is_half_a_gaussian_along_its_angle():
    point = even(0)
    point[24, 24] = 255
    weights = np.exp(-(np.arange(21) ** 2) / (2 * 3**2))
    expected = np.floor(255 * weights / weights.sum() + 1e-3)
    flat = apply(blur.motion_blur, point, 1, angle=np.array(0.0))
    assert np.array_equal(flat[24, 24:3:-1, 0], expected) and flat.any(axis=(1, 2)).sum() == 1
    slanting = apply(blur.motion_blur, point, 1, angle=np.array(45.0))
    assert all(slanting[24 - k, 24 - k, 0] > 0 for k in range(3)) and slanting[24, 20, 0] == 0
    angles = [float(blur.prepare_motion_blur(generator(0, i), point, 1)["angle"]) for i in range(300)]
    assert stats.kstest(angles, "uniform", (-45, 90)).pvalue > 0.01


# -------------------------------------------------------------------------------------------------------------------- digital
def test_contrast_on_paper():
    picture = even(0)
    picture[:24] = 255
    found = apply(digital.contrast, picture, 1)  # 127.5 +- .4 * 127.5
    assert (found[:24] == 178).all() and (found[24:] == 76).all()
    assert (apply(digital.contrast, even((7, 77, 177)), 5) == (7, 77, 177)).all()


@pytest.mark.parametrize("severity", SEVERITIES)
def test_saturation_is_that_of_hsv(severity):
    from skimage.color import hsv2rgb, rgb2hsv

    picture = scene()
    stronger = rgb2hsv(picture)
    factor, summand = digital.SATURATE[severity - 1]
    stronger[..., 1] = np.clip(stronger[..., 1] * factor + summand, 0, 1)
    assert farthest(apply(digital.saturate, picture, severity), hsv2rgb(stronger) * 255) <= 1


def test_elastic_transform_without_displacement_is_the_identity():
    picture = scene()
    still = {"corners": np.zeros((3, 2), np.float32), "field": np.zeros((2, 56, 48), np.float32)}
    for severity in SEVERITIES:
        assert np.array_equal(apply(digital.elastic_transform, picture, severity, **still), picture)


def test_elastic_displacement_on_a_ramp():
    ramp = np.repeat(np.tile(np.arange(224, dtype=np.uint8), (224, 1))[..., None], 3, axis=2)
    right = np.stack([np.ones((224, 224), np.float32), np.zeros((224, 224), np.float32)])
    moved = apply(digital.elastic_transform, ramp, 3, corners=np.zeros((3, 2), np.float32), field=right)
    assert (moved[:, :200, 0] == np.arange(200) + 12).all()  # an even field stays even: 244 * .05 = 12.2 px
    down = apply(digital.elastic_transform, ramp, 3, corners=np.zeros((3, 2), np.float32), field=right[::-1])
    assert np.array_equal(down, ramp)


def test_the_affine_part_moves_its_three_points():
    moves = np.array([[[3.0, -2], [0, 1], [5, 5]]])
    found = digital.affine_maps(moves, 224, 224)[0]
    points = np.array([[186, 186], [186, 38], [38, 38]])
    to_places = lambda px: px * 2 / 223 - 1  # noqa: E731
    sources = np.column_stack([to_places(points + moves[0]), np.ones(3)]) @ found.T
    assert sources == pytest.approx(to_places(points))


def test_pixelate_repeats_the_mean_of_boxes():
    picture = scene(64, 64)
    means = picture.reshape(32, 2, 32, 2, 3).mean(axis=(1, 3))
    found = apply(digital.pixelate, picture, 2)
    assert np.abs(found[::2, ::2] - means).max() <= 1
    assert all(np.array_equal(found[::2, ::2], found[i::2, j::2]) for i in (0, 1) for j in (0, 1))
    assert len(np.unique(apply(digital.pixelate, scene(224, 224), 5)[0, :, 0])) <= 56


def test_compression_is_a_jpeg_of_its_quality():
    for severity, quality in zip(SEVERITIES, (25, 18, 15, 10, 7), strict=True):
        buffer = io.BytesIO()
        Image.fromarray(scene()).save(buffer, "JPEG", quality=quality)
        assert np.array_equal(apply(digital.jpeg_compression, scene(), severity), np.asarray(Image.open(buffer)))


def test_the_config_knows_the_corruptions_that_are_made():
    """It is read where torch is not imported, so the names stand there a second time."""
    schema = yaml.safe_load((Path(__file__).resolve().parents[2] / "schemas/config.schema.yaml").read_text())
    assert list(COMMON) == list(shorthand.COMMON) and list(EXTRA) == list(shorthand.EXTRA)
    assert list(CORRUPTIONS) == schema["$defs"]["corruption"]["enum"]


def test_unknown_names_are_refused_by_the_catalogue():
    with pytest.raises(InputError, match="got blur"):
        find_corruption("blur", 1)
