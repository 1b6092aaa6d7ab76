"""Masks of the object in a photograph: from a folder, from a segmentation network, by GrabCut."""

from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torchvision.models import segmentation

from robustlens.errors import InputError
from robustlens.images import read_shard, write_shard
from robustlens.mask_files import read_mask
from robustlens.stimuli import masks as masks_module
from robustlens.stimuli.made import write_made
from robustlens.stimuli.make import make_stimulus
from robustlens.stimuli.masks import folder_masks, grabcut, grabcut_masks, load_segmenter, segmenter_masks
from tiny import equal_weights

NETWORK = "lraspp_mobilenet_v3_large"


def rows_of(names):
    facts = {"label": range(len(names)), "shape": -1, "texture": -1}
    return pd.DataFrame({"image_id": names, **facts, "path": names})


def stored(path, pictures, *, masks=None):
    names = [f"cat/{index}.png" for index in range(len(pictures))]
    write_shard(path, rows_of(names), pixels=iter(pictures), masks=masks, origin={"kind": "image-folder"})
    return read_shard(path)


def disc(side=64, radius=16, centre=(32, 30)):
    """bool ``[side, side]``."""
    y, x = np.mgrid[:side, :side]
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2


def save_mask(path, mask, size=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(mask.astype(np.uint8) * 255)
    (picture if size is None else picture.resize(size, Image.Resampling.NEAREST)).save(path)


# --------------------------------------------------------------------------------------------------------------------- a folder
@pytest.mark.parametrize("name", ["cat/0.png.png", "cat/0.png", "cat/0.jpg", "cat/0.JPEG"])
def test_a_mask_by_the_id_or_the_path_without_ending(name, tmp_path):
    shard = stored(tmp_path / "a.parquet", [np.zeros((64, 64, 3), np.uint8)])
    save_mask(tmp_path / "masks" / name, disc())
    (mask,) = folder_masks(shard, str(tmp_path / "masks"))
    assert mask.dtype == np.uint8 and np.array_equal(mask, disc() * np.uint8(255))


def test_a_missing_mask_is_named_before_the_first_picture(tmp_path):
    shard = stored(tmp_path / "a.parquet", [np.zeros((64, 64, 3), np.uint8)] * 2)
    save_mask(tmp_path / "masks/cat/0.png", disc())
    with pytest.raises(InputError, match=r"^silhouette: cat/1.png: expected a mask .*masks/cat/1\.png, got none; add it"):
        make_stimulus("silhouette", shard, 0, masks="folder", folder=str(tmp_path / "masks"))
    with pytest.raises(InputError, match="expected a folder of masks, got no such folder"):
        make_stimulus("silhouette", shard, 0, masks="folder", folder=str(tmp_path / "none"))


@pytest.fixture
def photographs(tmp_path):
    """A shard of one picture of 60 x 90 px (height x width) that is used as the central 40 x 40 px of 40 x 60."""
    (tmp_path / "root").mkdir()
    Image.fromarray(np.zeros((60, 90, 3), np.uint8)).save(tmp_path / "root/x.png")
    geometry = {"resize": 40, "crop": 40}
    write_shard(tmp_path / "x.parquet", rows_of(["x.png"]), root=tmp_path / "root", geometry=geometry, origin={"kind": "image-folder"})
    return read_shard(tmp_path / "x.parquet")


@pytest.mark.parametrize("enlarged", [1, 2, 5.7])
def test_a_mask_gets_the_geometry_of_its_picture(enlarged, photographs, tmp_path):
    mask = np.zeros((60, 90), bool)
    mask[15:45, 30:60] = True  # resized: rows 10 to 30, columns 20 to 40; of the crop, which begins at column 10: columns 10 to 30
    save_mask(tmp_path / "masks/x.png", mask, (round(90 * enlarged), round(60 * enlarged)))
    (found,) = folder_masks(photographs, str(tmp_path / "masks"))
    expected = np.zeros((40, 40), np.uint8)
    expected[10:30, 10:30] = 255
    assert np.array_equal(found, expected)


def test_a_mask_of_the_picture_as_it_is_used_is_taken_as_it_is(photographs, tmp_path):
    mask = disc(40, 9, (20, 12))
    save_mask(tmp_path / "masks/x.png", mask)
    assert np.array_equal(*folder_masks(photographs, str(tmp_path / "masks")), mask * np.uint8(255))


def test_a_mask_of_another_picture_is_refused(photographs, tmp_path):
    save_mask(tmp_path / "masks/x.png", disc())
    with pytest.raises(InputError, match=r"x.png: expected the proportions of its picture, 90 x 60 px, got 64 x 64 px"):
        list(folder_masks(photographs, str(tmp_path / "masks")))
    bare = stored(tmp_path / "a.parquet", [np.zeros((32, 32, 3), np.uint8)])
    save_mask(tmp_path / "other/cat/0.png", disc())
    with pytest.raises(InputError, match=r"0.png: expected a mask of 32 x 32 px, got 64 x 64 px"):
        list(folder_masks(bare, str(tmp_path / "other")))
    (tmp_path / "other/cat/0.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"0.png: expected a readable mask"):
        list(folder_masks(bare, str(tmp_path / "other")))


# ------------------------------------------------------------------------------------------------------ conventions of mask files
VOC = (
    [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0] + [90, 30, 60] * 3 + [128] * 3 + [90, 30, 60] * 247 + [224, 224, 192]
)  # the palette's colours; the last one is the border's


def classes_of_voc(number=15):
    """uint8 [64, 64]: a disc of a class, and a border of 255 around it, as in Pascal VOC."""
    values = np.where(disc(radius=18), 255, 0).astype(np.uint8)
    values[disc(radius=16)] = number
    return values


def palette(values, colours=VOC):
    image = Image.fromarray(values, "P")
    image.putpalette(colours)
    return image


def clear(image):
    """The palette's first colour transparent, as editors write it."""
    image.info["transparency"] = 0
    return image


def transparent(alpha, mode):
    image = Image.new(mode.rstrip("A"), alpha.shape[::-1], "white")
    image.putalpha(Image.fromarray(alpha))
    return image


OBJECT = disc(radius=16)
CONVENTIONS = {
    "0 and 255": (Image.fromarray(OBJECT.astype(np.uint8) * 255), None),
    "0 and 1": (Image.fromarray(OBJECT.astype(np.uint8)), None),
    "1 bit": (Image.fromarray(OBJECT), None),
    "16 bits": (Image.fromarray(OBJECT.astype(np.uint16) * 65535), None),
    "grey in three channels": (Image.fromarray(OBJECT.astype(np.uint8) * 255).convert("RGB"), None),
    "1 in a border of 255": (Image.fromarray(classes_of_voc(1)), None),
    "palette of Pascal VOC": (palette(classes_of_voc()), None),
    "a class whose colour is grey": (palette(np.where(OBJECT, 7, 0).astype(np.uint8)), None),
    "palette with a transparent background": (clear(palette(classes_of_voc())), None),
    "palette of greys": (palette(OBJECT.astype(np.uint8), [0, 0, 0, 255, 255, 255]), None),
    "palette, one of two classes": (palette(np.where(disc(radius=6, centre=(5, 5)), 7, classes_of_voc(3)).astype(np.uint8)), [3]),
    "class numbers in grey": (Image.fromarray(classes_of_voc()), "nonzero"),
    "class number in grey": (Image.fromarray(classes_of_voc()), [15]),
    "object is black": (Image.fromarray(np.where(OBJECT, 0, 255).astype(np.uint8)), [0]),
    "RGBA": (transparent(OBJECT.astype(np.uint8) * 255, "RGBA"), None),
    "LA": (transparent(OBJECT.astype(np.uint8) * 255, "LA"), None),
    "RGBA that is opaque": (Image.fromarray(OBJECT.astype(np.uint8) * 255).convert("RGBA"), None),
}


@pytest.mark.parametrize("name", CONVENTIONS)
def test_the_object_of_every_convention(name, tmp_path):
    image, values = CONVENTIONS[name]
    image.save(tmp_path / "mask.png")
    assert np.array_equal(read_mask(tmp_path / "mask.png", values), OBJECT)


def test_soft_edges_are_cut_at_one_half(tmp_path):
    fine = Image.fromarray(disc(512, 128, (256, 240)).astype(np.uint8) * 255).resize((64, 64), Image.Resampling.BOX)
    for ending in ("png", "jpg"):
        fine.save(tmp_path / f"mask.{ending}")
        assert (read_mask(tmp_path / f"mask.{ending}") != (np.asarray(fine) > 127)).mean() < (0.001 if ending == "png" else 0.01)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (Image.fromarray(classes_of_voc()), "got the values 0, 15, 255; set mask_values"),
        (Image.fromarray(np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)), r"got the values 0, 1, 2, 3, 4, 5, ... \(4096 values\)"),
        (Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)), "alpha channel, got a colour image"),
    ],
    ids=["class numbers in grey", "16 bits of all values", "colours"],
)
def test_what_could_mean_two_things_is_asked_for(image, said, tmp_path):
    image.save(tmp_path / "mask.png")
    with pytest.raises(InputError, match=rf"mask\.png: expected a mask.*{said}"):
        read_mask(tmp_path / "mask.png")


def test_a_palette_whose_first_colour_is_not_black_is_asked_for(tmp_path):
    palette((~OBJECT).astype(np.uint8), [128, 0, 0, 0, 0, 0]).save(tmp_path / "a.png")  # as an adaptive palette may have it
    with pytest.raises(InputError, match="number 0, the background, is black"):
        read_mask(tmp_path / "a.png")
    assert np.array_equal(read_mask(tmp_path / "a.png", [0]), OBJECT)


def test_few_soft_levels_are_no_class_numbers(tmp_path):
    fine = disc(128, 40, (64, 64)).astype(np.uint8) * 255
    image = Image.fromarray(fine).resize((64, 64), Image.Resampling.BOX)  # 0, 64, 128, 191, 255
    image.save(tmp_path / "a.png")
    for values in (None, "above-half"):
        assert np.array_equal(read_mask(tmp_path / "a.png", values), np.asarray(image) > 127)
    with pytest.raises(InputError, match="set it to above-half"):
        read_mask(tmp_path / "a.png", "nonzero")


def test_silhouettes_of_masks_in_a_folder_and_in_the_images_own_alpha(tmp_path):
    """A VOC mask: the border is ground, so that the silhouette has the disc's area."""
    (tmp_path / "root/cat").mkdir(parents=True)
    transparent(OBJECT.astype(np.uint8) * 255, "RGBA").save(tmp_path / "root/cat/0.png")
    (tmp_path / "masks/cat").mkdir(parents=True)
    palette(classes_of_voc()).save(tmp_path / "masks/cat/0.png")
    rows, geometry = rows_of(["cat/0.png"]), {"crop": 64}
    write_shard(tmp_path / "a.parquet", rows, root=tmp_path / "root", geometry=geometry, origin={"kind": "image-folder"})
    for parameters in ({"masks": "folder", "folder": str(tmp_path / "masks")}, {"masks": "alpha"}):
        (made,) = make_stimulus("silhouette", read_shard(tmp_path / "a.parquet"), 0, **parameters)
        assert np.array_equal(made.image[..., 0] == 0, OBJECT) and made.unusable is None
    with pytest.raises(InputError, match=r"cat/0.png\]: expected an image with an alpha channel for `masks: alpha`, got none \(mode RGB\)"):
        list(make_stimulus("silhouette", stored(tmp_path / "b.parquet", [np.zeros((64, 64, 3), np.uint8)]), 0, masks="alpha"))


def test_an_alpha_channel_that_says_nothing(tmp_path):
    """Opaque or clear all over: of a mask file its grey levels count, of an image itself there is nothing else, and it has no label."""
    (tmp_path / "root/cat").mkdir(parents=True)
    for number, alpha in enumerate((255, 0)):
        image = Image.fromarray(OBJECT.astype(np.uint8) * 255).convert("RGBA")
        image.putalpha(alpha)
        image.save(tmp_path / f"root/cat/{number}.png")
        assert np.array_equal(read_mask(tmp_path / f"root/cat/{number}.png"), OBJECT)
    rows = rows_of(["cat/0.png", "cat/1.png"])
    write_shard(tmp_path / "a.parquet", rows, root=tmp_path / "root", geometry={"crop": 64}, origin={"kind": "image-folder"})
    made = make_stimulus("silhouette", read_shard(tmp_path / "a.parquet"), 0, masks="alpha")
    assert [one.unusable for one in made] == ["all object", "without an object"]


def test_a_mask_file_that_cannot_be_read_stops_or_has_no_object(tmp_path):
    """``exclude`` comes from on_bad_image: then the image has no silhouette, and no label."""
    shard = stored(tmp_path / "a.parquet", [np.zeros((64, 64, 3), np.uint8)])
    (tmp_path / "masks/cat").mkdir(parents=True)
    (tmp_path / "masks/cat/0.png").write_bytes(b"no image")
    parameters = {"masks": "folder", "folder": str(tmp_path / "masks")}
    with pytest.raises(InputError, match=r"masks/cat/0.png: expected a readable mask"):
        list(make_stimulus("silhouette", shard, 0, **parameters))
    (made,) = make_stimulus("silhouette", shard, 0, exclude=True, **parameters)
    assert made.unusable == "without an object" and (made.image == 255).all()
    Image.fromarray(classes_of_voc()).save(tmp_path / "masks/cat/0.png")
    with pytest.raises(InputError, match="got the values 0, 15, 255"):  # can be read: no file is left out for a key that is missing
        list(make_stimulus("silhouette", shard, 0, exclude=True, **parameters))


@pytest.mark.parametrize(("n_images", "few", "stops"), [(9, 10, False), (10, 10, True), (10, None, False)])
def test_a_shard_without_one_usable_image_is_refused(n_images, few, stops, tmp_path):
    """With the reasons. Not where a network or ``mask_values`` may know no object of the shard's classes: then the whole set counts."""
    masks = [np.zeros((64, 64), np.uint8)] * (n_images - 2) + [np.full((64, 64), 255, np.uint8), disc(radius=2).astype(np.uint8) * 255]
    shard = stored(tmp_path / "a.parquet", [np.zeros((64, 64, 3), np.uint8)] * n_images, masks=masks)
    made = make_stimulus("silhouette", shard, 0, least=0.01)
    said = "images that show something, got none of 10: 8 without an object, 1 all object, 1 with an object on less than 0.01 of the image"
    with pytest.raises(InputError, match=said) if stops else nullcontext():
        write_made(tmp_path / "made.parquet", shard.rows, made, origin={}, few=few)
    assert (tmp_path / "made.parquet").exists() != stops
    if not stops:
        assert (read_shard(tmp_path / "made.parquet").rows["label"] == -1).all()


# -------------------------------------------------------------------------------------------------------------------- a network
@pytest.fixture(scope="module")
def random_state():
    """The state of a segmentation network of 5 classes with random weights, and of an auxiliary head that is not used."""
    torch.manual_seed(0)
    state = segmentation.lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=5).state_dict()
    for part in ("low", "high"):  # else they alone decide
        state[f"classifier.{part}_classifier.bias"].zero_()
    return state | {"aux_classifier.0.weight": torch.zeros(3)}


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_random_weights_run_and_no_neighbour_changes_a_mask(ending, random_state, tmp_path, monkeypatch):
    monkeypatch.setattr(masks_module, "SIDE", 96)  # time
    path = str(tmp_path / f"weights{ending}")
    save_file(random_state, path) if ending == ".safetensors" else torch.save(random_state, path)
    pictures = list(np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), np.uint8))
    whole = list(segmenter_masks(stored(tmp_path / "a.parquet", pictures), "cpu", 200, NETWORK, path))
    assert len(whole) == 5 and all(mask.shape == (64, 64) and mask.dtype == np.uint8 and set(np.unique(mask)) <= {0, 255} for mask in whole)
    assert 0 < np.mean(whole) < 255  # both object and ground
    alone = [next(segmenter_masks(stored(tmp_path / "b.parquet", [picture]), "cpu", 1, NETWORK, path)) for picture in pictures]
    assert np.array_equal(whole, alone)


def test_the_foreground_is_what_is_not_class_0_on_normalised_pictures_of_the_networks_size(tmp_path, monkeypatch):
    """A network that scores the sum of the normalised channels against nought: object where red is above ImageNet's mean."""

    class Sum(torch.nn.Module):
        def forward(self, images):
            assert images.shape == (1, 3, 520, 780)
            bright = images[:, :1]
            return {"out": torch.cat([torch.zeros_like(bright), bright], dim=1)}

    monkeypatch.setattr(masks_module, "load_segmenter", lambda network, weights: Sum())
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[:, :30, 0], picture[:, 30:, 0] = 123, 124  # 0.4824 and 0.4863 about the mean of red, 0.485
    (mask,) = segmenter_masks(stored(tmp_path / "a.parquet", [picture]), "cpu", 1, NETWORK, "")
    assert (mask[:, :29] == 0).all() and (mask[:, 31:] == 255).all()


def test_weights_that_are_not_the_networks_are_named(random_state, tmp_path):
    path = str(tmp_path / "weights.pth")

    def save(state):
        torch.save(state, path)

    save({f"module.{name}": tensor for name, tensor in random_state.items()})
    assert load_segmenter(NETWORK, path).classifier.low_classifier.weight.shape[0] == 5
    with pytest.raises(InputError, match="weights.pth: expected the .* tensors of fcn_resnet50, got no backbone.conv1.weight"):
        load_segmenter("fcn_resnet50", path)
    with pytest.raises(InputError, match="silhouette: network: expected one of deeplabv3_resnet50, .*, got deeplabv2"):
        load_segmenter("deeplabv2", path)
    name = "backbone.0.0.weight"
    save({key: tensor for key, tensor in random_state.items() if key != name})
    with pytest.raises(InputError, match=f"expected the .* tensors of {NETWORK}, got no {name}"):
        load_segmenter(NETWORK, path)
    save(random_state | {name: torch.zeros(1, 2)})
    with pytest.raises(InputError, match=rf"expected {name} of \(16, 3, 3, 3\) as in {NETWORK}, got \(1, 2\)"):
        load_segmenter(NETWORK, path)
    save(random_state | {"other.weight": torch.zeros(1)})
    with pytest.raises(InputError, match="got also other.weight"):
        load_segmenter(NETWORK, path)
    save(random_state | {name: torch.full((16, 3, 3, 3), torch.nan)})
    with pytest.raises(InputError, match=f"got NaN or inf in {name}"):
        load_segmenter(NETWORK, path)
    with pytest.raises(InputError, match="none.pth: expected a checkpoint file, got no such file"):
        load_segmenter(NETWORK, str(tmp_path / "none.pth"))


@pytest.mark.parametrize("network", ["deeplabv3_resnet50", "fcn_resnet50"])
def test_networks_with_another_last_layer(network, tmp_path):
    """Their number of classes is that of the weights, and their auxiliary head is left out."""
    with equal_weights():
        net = getattr(segmentation, network)(weights=None, weights_backbone=None, num_classes=3, aux_loss=True)
        torch.save(net.state_dict(), tmp_path / "weights.pth")
        assert load_segmenter(network, str(tmp_path / "weights.pth")).classifier[-1].weight.shape[0] == 3


# ---------------------------------------------------------------------------------------------------------------------- GrabCut
@pytest.mark.parametrize("noise", [0, 10])
def test_grabcut_finds_a_disc_on_a_plain_ground(noise):
    object_ = disc()
    picture = np.where(object_[..., None], (200, 40, 40), (40, 90, 160)) + np.random.default_rng(0).normal(0, noise or 1e-9, (64, 64, 3))
    mask = grabcut(np.clip(np.rint(picture), 0, 255).astype(np.uint8))
    assert mask.dtype == np.uint8 and set(np.unique(mask)) <= {0, 255}
    found = mask == 255
    assert (found & object_).sum() / (found | object_).sum() > 0.9


def test_grabcut_says_the_same_again_whatever_was_cut_before(tmp_path):
    rough = np.random.default_rng(1).integers(-40, 40, (3, 48, 48, 3))
    pictures = list(np.clip(rough + np.where(disc(48, 14, (22, 25))[..., None], 150, 90), 0, 255).astype(np.uint8))
    whole = list(grabcut_masks(stored(tmp_path / "a.parquet", pictures)))
    assert np.array_equal(whole[2], grabcut(pictures[2])) and np.array_equal(whole[0], grabcut(pictures[0]))
    assert 0 < np.mean(whole) < 255


@pytest.mark.parametrize("shape", [(40, 40, 3), (3, 3, 3), (2, 50, 3)])
def test_grabcut_of_what_has_no_object_in_it(shape):
    assert not grabcut(np.full(shape, 90, np.uint8)).any()


def test_the_outer_tenth_is_ground():
    picture = np.zeros((50, 50, 3), np.uint8)
    picture[:, 20:30] = 255
    mask = grabcut(picture)
    assert not mask[:5].any() and not mask[-5:].any() and not mask[:, :5].any() and not mask[:, -5:].any()
