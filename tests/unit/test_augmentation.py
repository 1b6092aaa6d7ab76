"""Changes of training images: what each does on paper, how often, and that its draws are its own."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import functional as F

from robustlens.images import RESAMPLING
from robustlens.models import augmentation
from robustlens.models.augmentation import PAD, augment_picture, lighting, random_crop
from robustlens.models.loading import TrainingImages
from robustlens.randomness import generator
from tiny import coloured, make_shard
from tiny import pictures as noise_pictures

BILINEAR = RESAMPLING["bilinear"]
ALL = ["random-resized-crop", "pad-crop", "color-jitter", "lighting"]


@pytest.fixture
def batch():
    torch.manual_seed(0)
    return torch.rand(1000, 3, 2, 4)


def augment(pixels, names, random):
    return augmentation.augment(pixels, names, random, len(pixels), slice(0, len(pixels)))


# ------------------------------------------------------------------------------------------------------------------- of a batch
def test_no_augmentation(batch):
    assert torch.equal(augment(batch, [], generator(0)), batch)


def test_channels_are_exchanged_in_one_way_a_batch(batch):
    orders = set()
    for n in range(60):
        changed = augment(batch, ["permute-channels"], generator(0, n))
        order = tuple(next(k for k in range(3) if torch.equal(changed[0, c], batch[0, k])) for c in range(3))
        assert torch.equal(changed, batch[:, list(order)])
        orders.add(order)
    assert len(orders) == 6


@pytest.mark.parametrize(("name", "change"), [("invert", lambda x: 1 - x), ("flip", lambda x: x.flip(3))])
def test_half_of_the_images_are_changed_each_on_its_own(batch, name, change):
    found = augment(batch, [name], generator(0))
    same, turned = ((found == wanted).flatten(1).all(1) for wanted in (batch, change(batch)))
    assert (same ^ turned).all()
    assert 430 < turned.sum() < 570  # 4.5 standard deviations
    assert torch.equal(found, augment(batch, [name], generator(0)))
    assert not torch.equal(found, augment(batch, [name], generator(1)))


def test_augmentations_are_drawn_apart(batch):
    both = augment(batch, ["invert", "flip"], generator(0))
    kinds = [batch, 1 - batch, batch.flip(3), 1 - batch.flip(3)]
    counts = [int((both == kind).flatten(1).all(1).sum()) for kind in kinds]
    assert sum(counts) == 1000 and min(counts) > 190


def test_parts_of_a_batch_are_changed_as_the_whole(batch):
    names = ["permute-channels", "invert", "flip"]
    whole = augment(batch, names, generator(0))
    parts = [slice(0, 300), slice(300, 1000)]
    assert torch.equal(torch.cat([augmentation.augment(batch[part], names, generator(0), 1000, part) for part in parts]), whole)


# ------------------------------------------------------------------------------------------------------------- random resized crop
def test_crops_have_the_areas_and_ratios_of_the_rule():
    found = np.array([random_crop(400, 300, generator(0, n)) for n in range(4000)])
    left, top, width, height = found.T
    assert (left >= 0).all() and (top >= 0).all() and (left + width <= 400).all() and (top + height <= 300).all()
    area, ratio = width * height / 120_000, width / height
    assert 0.079 < area.min() < 0.09 and area.max() > 0.97  # large ones are tried again where they do not fit
    assert 0.74 < ratio.min() < 0.76 and 1.32 < ratio.max() < 1.35
    small = area < 0.4  # these fit at every ratio: log-uniform, and no place is preferred
    assert abs(np.log(ratio[small]).mean()) < 0.015
    free = small & (width < 400)
    assert abs((left[free] / (400 - width[free])).mean() - 0.5) < 0.02


def test_a_picture_too_long_for_any_ratio_is_cut_in_the_middle():
    assert random_crop(1000, 10, generator(0)) == (493, 0, 13, 10)
    assert random_crop(10, 1000, generator(0)) == (0, 493, 10, 13)


def test_a_crop_is_cut_and_resized():
    picture = Image.fromarray(noise_pictures(3, 40)[1])
    left, top, width, height = random_crop(40, 40, generator(5))
    expected = picture.crop((left, top, left + width, top + height)).resize((16, 16), BILINEAR)
    assert augment_picture(picture, ["random-resized-crop"], 16, BILINEAR, generator(5)).tobytes() == expected.tobytes()


# ------------------------------------------------------------------------------------------------------------------ other pictures
def test_pad_crop_moves_a_picture_by_up_to_four_px_over_black():
    pixels = 1 + np.arange(3 * 36, dtype=np.uint8).reshape(6, 6, 3)
    padded, places = np.pad(pixels, ((PAD, PAD), (PAD, PAD), (0, 0))), set()
    windows = {padded[top : top + 6, left : left + 6].tobytes(): (top, left) for top in range(9) for left in range(9)}
    assert len(windows) == 81
    for n in range(800):
        places.add(windows[augment_picture(Image.fromarray(pixels), ["pad-crop"], 6, BILINEAR, generator(0, n)).tobytes()])
    assert len(places) == 81


def test_color_jitter_keeps_grey_grey_and_changes_brightness_by_a_tenth():
    grey = Image.fromarray(coloured([(100, 100, 100)], 4)[0])
    found = [np.asarray(augment_picture(grey, ["color-jitter"], 4, BILINEAR, generator(0, n))) for n in range(400)]
    values = np.array([picture[0, 0, 0] for picture in found])
    assert all((picture == picture[0, 0, 0]).all() for picture in found)  # of one grey, contrast and saturation are nothing
    assert (values.min(), values.max()) == (90, 109) and abs(values.mean() - 99.5) < 1  # cut down to whole numbers


def test_color_jitter_is_torchvisions_in_some_order(monkeypatch):
    picture = Image.fromarray(noise_pictures(3, 8)[1])
    random = generator(7)
    brightness, contrast, saturation = random.uniform(0.9, 1.1, 3)
    changes = [
        lambda x: F.adjust_brightness(x, brightness),
        lambda x: F.adjust_contrast(x, contrast),
        lambda x: F.adjust_saturation(x, saturation),
    ]
    expected = picture
    for number in random.permutation(3):
        expected = changes[number](expected)
    assert augment_picture(picture, ["color-jitter"], 8, BILINEAR, generator(7)).tobytes() == expected.tobytes() != picture.tobytes()


def test_lighting_goes_along_the_principal_colours():
    """Its covariance is the one that the components and their spreads say, and most of it is grey."""
    found = np.array([lighting(generator(0, n)) for n in range(20_000)])
    components = augmentation.COMPONENTS
    np.testing.assert_allclose(components.T @ components, np.eye(3), atol=2e-3)  # four digits were published
    expected = components @ np.diag((0.05 * augmentation.SPREADS) ** 2) @ components.T
    np.testing.assert_allclose(np.cov(found.T), expected, atol=2e-6)
    assert found.dtype == np.float32 and np.abs(found.mean(axis=0)).max() < 2e-4
    assert np.corrcoef(found.T).min() > 0.95


# ------------------------------------------------------------------------------------------------------------------------- draws
def test_lighting_is_added_and_stays_on_the_scale(tmp_path):
    shard = make_shard(tmp_path / "shard.parquet", coloured([(0, 0, 0), (255, 255, 255), (128, 128, 128)] * 9))
    pixels, _ = TrainingImages([shard], ["lighting"]).batch(np.arange(27), lambda row: generator(3, row)).to(torch.device("cpu"))
    light = torch.from_numpy(np.stack([lighting(generator(3, row)) for row in range(27)]))
    expected = (torch.tensor([0, 1, 128 / 255] * 9).view(27, 1) + light).clamp(0, 1)
    torch.testing.assert_close(pixels[:, :, 0, 0], expected)
    assert pixels.min() == 0 and pixels.max() == 1


@pytest.mark.parametrize("names", [[name] for name in ALL] + [ALL])
def test_a_picture_is_changed_by_its_key_alone(tmp_path, names):
    """Not by the batch that it is in, nor by the others."""
    shard = make_shard(tmp_path / "shard.parquet", noise_pictures(12, 20))
    images = TrainingImages([shard], names)

    def pictures(rows, seed=0):
        return images.batch(np.array(rows), lambda row: generator(seed, row)).to(torch.device("cpu"))[0]

    whole = pictures(range(12))
    assert torch.equal(pictures([7, 3]), whole[[7, 3]])
    assert not torch.equal(pictures(range(12), seed=1), whole)
    assert not torch.equal(images.batch(np.arange(12)).to(torch.device("cpu"))[0], whole)
