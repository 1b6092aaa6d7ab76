"""Stylized and cue-conflict pictures: AdaIN on paper, patches on plain pictures, and which picture gets which style."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch.nn import functional as F

from robustlens.errors import InputError
from robustlens.images import read_shard, write_shard
from robustlens.inference import BLOCK
from robustlens.stimuli import adain
from robustlens.stimuli.adain import ENCODER, adapt, build_decoder, build_encoder, make_adain, statistics_of
from robustlens.stimuli.cue_conflict import make_cue_conflict
from robustlens.stimuli.cues import list_scenes
from robustlens.stimuli.embedded import render_scene
from robustlens.stimuli.make import make_stimulus
from robustlens.stimuli.paintings import STROKES, choose_painting, cover, draw_painting, list_paintings, read_painting
from robustlens.stimuli.patches import transfer_texture
from robustlens.stimuli.stylized import stylized

EMBEDDED = {"kind": "embedded", "seed": 0}
PHOTOGRAPHS = {"kind": "image-folder"}
GREY = np.array([0.299, 0.587, 0.114])


@pytest.fixture(autouse=True)
def one_thread():
    """As in a job."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def disc(side, inside=(230, 220, 200), outside=(30, 40, 60)):
    """A disc of half the picture's width: uint8 [side, side, 3]."""
    place = np.arange(side) - (side - 1) / 2
    within = np.hypot(place, place[:, None]) < side / 4
    return np.where(within[..., None], np.uint8(inside), np.uint8(outside))


def blurred_edges(pixels, sigma):
    """Size of the gradient of the blurred luminance, flat."""
    from scipy.ndimage import gaussian_gradient_magnitude

    return gaussian_gradient_magnitude(pixels @ GREY, sigma).ravel()


def write_pictures(path, rows, pictures, origin=PHOTOGRAPHS):
    table = pd.DataFrame(rows, columns=["image_id", "label", "shape", "texture"])
    write_shard(path, table, pixels=iter(pictures), origin=origin)
    return read_shard(path)


def labelled(folder, n, side, shard_size, n_classes=3, labels=None):
    """``n`` pictures, each of an even grey of its own (10 k) and so recognisable, in shards; returns the paths and the greys."""
    labels = [k % n_classes for k in range(n)] if labels is None else labels
    rows = [(f"i-{k}", labels[k], -1, -1) for k in range(n)]
    pictures = [np.full((side, side, 3), 10 * k, np.uint8) for k in range(n)]
    paths = []
    for start in range(0, n, shard_size):
        paths.append(str(folder / f"{shard_size}-{start}.parquet"))
        write_pictures(paths[-1], rows[start : start + shard_size], pictures[start : start + shard_size])
    return paths


# -------------------------------------------------------------------------------------------------------- scenes of this workflow
def test_scenes_keep_mask_and_ground_bit_for_bit():
    for i, row in enumerate(list_scenes("clean", 16, "both", 0).itertuples()):
        scene = render_scene(row.image_id, row.shape, row.texture, 0)
        made = stylized(scene.pixels, row.image_id, row.shape, row.texture, 5, EMBEDDED)
        assert np.array_equal(made, render_scene(row.image_id, row.shape, row.texture, 0, texture_kind="unrelated").pixels)
        outside, inside = scene.mask == 0, scene.mask == 255
        assert np.array_equal(made[outside], scene.pixels[outside]), i
        assert (made[inside] != scene.pixels[inside]).mean() > 0.5


def test_scenes_take_no_painting(tmp_path):
    with pytest.raises(InputError, match="stylized: paintings: expected none for an embedded source"):
        stylized(disc(48), "clean-000000", 0, 0, 0, EMBEDDED, paintings=str(tmp_path))


# --------------------------------------------------------------------------------------------------------------------- paintings
@pytest.fixture
def paintings(tmp_path):
    """Five paintings in two folders, one of them not square."""
    folder = tmp_path / "paintings"
    for name in ("b/1.png", "a/2.png", "a/1.jpg", "c.png", ".thumbnails/x.png", "b/wide.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw_painting(name, 0, 24, 40 if "wide" in name else 24)).save(folder / name)
    (folder / ".DS_Store").write_text("")
    return folder


def test_paintings_are_sorted_and_hidden_files_left_out(paintings):
    assert [path.relative_to(paintings).as_posix() for path in list_paintings(str(paintings))] == [
        "a/1.jpg",
        "a/2.png",
        "b/1.png",
        "b/wide.png",
        "c.png",
    ]


def test_every_painting_is_drawn_equally_often_and_by_the_image_alone(paintings):
    folder = list_paintings(str(paintings))
    chosen = [choose_painting(folder, f"i-{k}", 0) for k in range(2000)]
    counts = pd.Series(chosen).value_counts()
    assert len(counts) == 5 and counts.max() - counts.min() < 120  # 400 each, standard deviation 18
    assert [choose_painting(folder, f"i-{k}", 0) for k in (1999, 3)] == [chosen[1999], chosen[3]]
    assert [choose_painting(folder, f"i-{k}", 1) for k in range(50)] != chosen[:50]


def test_a_painting_covers_the_picture():
    ramp = np.repeat(np.arange(40, dtype=np.uint8)[None, :, None], 20, 0).repeat(3, 2)  # 20 x 40 px, the column's number
    assert np.array_equal(cover(Image.fromarray(ramp), 20, 40), ramp)
    assert cover(Image.fromarray(ramp), 20, 20)[0, :, 0].tolist() == list(range(10, 30))  # the centre, not squeezed
    assert cover(Image.fromarray(ramp), 10, 10).shape == cover(Image.fromarray(ramp), 10, 10).shape == (10, 10, 3)
    assert cover(Image.fromarray(ramp), 50, 30).shape == (50, 30, 3)


def test_faulty_folders_of_paintings_are_refused(paintings, tmp_path):
    with pytest.raises(InputError, match="gone: expected a folder of paintings, got no such folder"):
        list_paintings(str(tmp_path / "gone"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty: expected at least one painting"):
        list_paintings(str(tmp_path / "empty"))
    (paintings / "a/list.csv").write_text("x")
    with pytest.raises(InputError, match=r"list\.csv: expected a picture .* got another file"):
        list_paintings(str(paintings))
    (paintings / "c.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"c\.png: expected a readable picture"):
        read_painting(paintings / "c.png", 16, 16)


def test_drawn_paintings_are_many_coloured_and_unlike_each_other():
    drawn = [draw_painting(f"i-{k}", 0, 48, 64) for k in range(40)]
    assert all(painting.shape == (48, 64, 3) and painting.dtype == np.uint8 for painting in drawn)
    assert all((painting @ GREY).std() > 25 for painting in drawn)  # dark and light in each
    means = np.stack([painting.reshape(-1, 3).mean(0) for painting in drawn])
    assert (means.std(0) > 15).all()  # and no colour that all share
    assert np.array_equal(drawn[7], draw_painting("i-7", 0, 48, 64))
    assert not np.array_equal(drawn[7], draw_painting("i-7", 1, 48, 64))


@pytest.mark.parametrize("stroke", STROKES, ids=lambda stroke: stroke.__name__.strip("_"))
def test_every_kind_of_stroke_has_mean_0_and_deviation_1(stroke):
    place = np.arange(64, dtype=np.float32) / 5
    values = stroke(place - 3 * place[:, None] / 8, place[:, None] + 0 * place, np.random.default_rng(0))
    assert values.shape == (64, 64) and np.isfinite(values).all()
    assert (values.mean(), values.std()) == pytest.approx((0, 1), abs=1e-3)


# ----------------------------------------------------------------------------------------------------------------------- patches
@pytest.mark.parametrize("size", [(64, 64), (17, 40), (75, 100)])
def test_an_even_style_leaves_its_colour_and_nothing_else(size):
    content = np.asarray(Image.fromarray(disc(64)).resize(size[::-1]))
    made = transfer_texture(content, np.full((*size, 3), (200, 90, 30), np.uint8))
    assert np.abs(made.astype(int) - (200, 90, 30)).max() <= 1


def test_the_outline_of_a_disc_stays_in_any_painting():
    content = disc(128)
    outline = blurred_edges(content, 3)
    found, chance = [], []
    for k in range(6):
        made, painting = stylized(content, f"i-{k}", -1, -1, 0, PHOTOGRAPHS), draw_painting(f"i-{k}", 0, 128, 128)
        found.append(np.corrcoef(outline, blurred_edges(made, 3))[0, 1])
        chance.append(np.corrcoef(outline, blurred_edges(painting, 3))[0, 1])
    assert np.mean(found) > 0.95 and min(found) > 0.85 and max(np.abs(chance)) < 0.2


def test_texture_and_colours_are_the_styles():
    """Stripes across the picture: energy at their frequency and in their direction, none in the other, and no colour but theirs."""
    wave = 0.5 + 0.4 * np.sin(2 * np.pi * np.arange(128) / 8)
    style = np.rint(255 * wave[None, :, None] * np.array([1.0, 0.5, 0.1])).astype(np.uint8).repeat(128, 0)
    made = transfer_texture(disc(128), style)
    spectrum = np.abs(np.fft.fft2(made @ GREY))
    before = np.abs(np.fft.fft2(disc(128) @ GREY))
    assert spectrum[:2, 16].max() > 20 * before[:2, 16].max() and spectrum[:2, 16].max() > 4 * spectrum[16, :2].max()
    channels = made.reshape(-1, 3).mean(0) / style.reshape(-1, 3).mean(0)
    assert channels == pytest.approx(np.ones(3), abs=0.1)


def test_fine_texture_of_the_content_is_gone():
    """A checkerboard of 4 px a cycle on even grey, which is no shape: of its amplitude less than a thirtieth is left."""
    board = 90 + 60 * np.kron(np.indices((112, 112)).sum(0) % 2, np.ones((2, 2)))[..., None].repeat(3, 2)
    even, painting = np.full((224, 224, 3), 120, np.uint8), draw_painting("x", 0, 224, 224)
    before, after, without = (
        np.fft.fft2(x @ GREY)[56, 56] for x in (board, *(transfer_texture(c.astype(np.uint8), painting) for c in (board, even)))
    )
    assert abs(after - without) < abs(before) / 30


def test_equal_hues_apart_are_a_shape_even_where_they_are_equally_light():
    inside, outside = (200, 60, 60), (60, 131, 60)
    assert np.dot(GREY, inside) == pytest.approx(np.dot(GREY, outside), abs=2)
    content = disc(128, inside, outside)
    made = stylized(content, "i-0", -1, -1, 0, PHOTOGRAPHS) @ GREY
    within = (content == np.uint8(inside)).all(-1)
    assert abs(made[within].mean() - made[~within].mean()) > 40


@pytest.mark.parametrize("size", [(16, 16), (17, 40), (48, 48), (75, 100), (130, 90)])
def test_patches_take_any_size_and_repeat_themselves(size):
    content = np.asarray(Image.fromarray(disc(128)).resize(size[::-1]))
    made = stylized(content, "i", -1, -1, 0, PHOTOGRAPHS)
    assert made.shape == (*size, 3) and made.dtype == np.uint8
    assert np.array_equal(made, stylized(content, "i", -1, -1, 0, PHOTOGRAPHS))
    assert not np.array_equal(made, stylized(content, "j", -1, -1, 0, PHOTOGRAPHS))


def test_patches_use_the_paintings_of_a_folder(paintings):
    content = disc(32)
    chosen = choose_painting(list_paintings(str(paintings)), "i", 0)
    made = stylized(content, "i", -1, -1, 0, PHOTOGRAPHS, paintings=str(paintings))
    assert np.array_equal(made, transfer_texture(content, read_painting(chosen, 32, 32)))


def test_patches_refuse_pictures_that_are_too_small():
    with pytest.raises(InputError, match="at least 16 px a side, got 12 x 12 px and 12 x 12 px"):
        transfer_texture(disc(12), disc(12))


# ------------------------------------------------------------------------------------------------------------------------- AdaIN
@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Random weights in the layout of the published ones: the encoder's as a torch file, the decoder's as safetensors."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    states = {}
    for name, network in (("vgg_normalised", build_encoder()), ("decoder", build_decoder())):
        for module in network:
            if isinstance(module, torch.nn.Conv2d):
                torch.nn.init.normal_(module.weight, std=(2 / module.weight[0].numel()) ** 0.5)
                torch.nn.init.constant_(module.bias, 0.1)
        states[name] = network.state_dict()
    torch.save(states["vgg_normalised"] | {"51.bias": torch.zeros(512)}, folder / "vgg_normalised.pth")  # a layer beyond relu4_1
    save_file(states["decoder"], folder / "decoder.safetensors")
    return {"encoder": str(folder / "vgg_normalised.pth"), "decoder": str(folder / "decoder.safetensors")}


def test_statistics_of_two_values_on_paper():
    features = torch.tensor([1.0, 3.0, 1.0, 3.0, 0.0, 0.0, 0.0, 0.0]).view(1, 2, 2, 2)
    mean, deviation = statistics_of(features)[0]
    assert mean.tolist() == [2, 0]
    assert deviation.tolist() == pytest.approx([(4 / 3 + 1e-5) ** 0.5, 1e-5**0.5])  # of n - 1


def test_adapted_maps_have_the_statistics_of_the_style():
    content, style = torch.randn(3, 8, 6, 5) * 3 + 1, torch.randn(3, 8, 4, 4) + 2
    adapted = adapt(content, statistics_of(style), 1.0)
    assert torch.allclose(statistics_of(adapted), statistics_of(style), atol=1e-4)
    assert torch.allclose(adapt(content, statistics_of(content), 1.0), content, atol=1e-5)  # of themselves: nothing changes
    assert torch.equal(adapt(content, statistics_of(style), 0.0), content)
    half = adapt(content, statistics_of(style), 0.5)
    assert torch.allclose(half, (content + adapted) / 2, atol=1e-6)


def test_networks_have_the_published_layout():
    encoder, decoder = build_encoder(), build_decoder()
    assert len(encoder) == 31 and len(decoder) == 29
    convolutions = [0, 2, 5, 9, 12, 16, 19, 22, 25, 29]
    assert list(encoder.state_dict()) == [f"{k}.{part}" for k in convolutions for part in ("weight", "bias")]
    convolutions = [1, 5, 8, 11, 14, 18, 21, 25, 28]
    assert list(decoder.state_dict()) == [f"{k}.{part}" for k in convolutions for part in ("weight", "bias")]
    assert sum(p.numel() for p in encoder.parameters()) == 3_505_740 and sum(p.numel() for p in decoder.parameters()) == 3_505_219
    assert len(ENCODER) == 13 and decoder[-1].out_channels == 3
    with torch.inference_mode():
        assert encoder(torch.zeros(1, 3, 20, 16)).shape == (1, 512, 3, 2)  # rounded up


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


@pytest.fixture
def scenes(tmp_path):
    rows = [(f"i-{k}", k % 2, -1, -1) for k in range(5)]
    pictures = [np.random.default_rng(k).integers(0, 256, (16, 16, 3), dtype=np.uint8) for k in range(5)]
    return rows, pictures, write_pictures(tmp_path / "all.parquet", rows, pictures)


def test_a_picture_is_that_of_the_algorithm_written_out(weights, scenes, paintings):
    _, pictures, shard = scenes
    for made, content, image_id in zip(
        make_adain(shard, 3, "cpu", 200, **weights, paintings=str(paintings)), pictures, shard.rows["image_id"], strict=True
    ):
        style = read_painting(choose_painting(list_paintings(str(paintings)), image_id, 3), 16, 16)
        expected = as_published(weights, content, style) * 255
        assert np.abs(np.clip(expected, 0, 255) - made.image).max() <= 0.51
        assert expected.std() > 5  # not clipped away
        assert made.label is None and made.texture is None


def test_no_shard_changes_a_bit_of_a_picture(weights, scenes, paintings, tmp_path):
    rows, pictures, shard = scenes
    whole = [made.image for made in make_stimulus("adain", shard, 0, **weights, paintings=str(paintings), batch_size=3)]
    part = write_pictures(tmp_path / "part.parquet", rows[3:], pictures[3:])
    for made, expected in zip(make_adain(part, 0, "cpu", 200, **weights, paintings=str(paintings)), whole[3:], strict=True):
        assert np.array_equal(made.image, expected)


def test_without_a_share_of_the_style_the_painting_does_not_matter(weights, scenes, paintings):
    *_, shard = scenes
    a, b = ([made.image for made in make_adain(shard, seed, "cpu", 9, **weights, paintings=str(paintings), alpha=0.0)] for seed in (0, 1))
    assert np.array_equal(a, b)
    with pytest.raises(InputError, match=r"adain: alpha: expected a share of the style on \[0, 1\], got 2"):
        make_adain(shard, 0, "cpu", 9, **weights, paintings=str(paintings), alpha=2.0)


def test_a_painting_is_read_once_a_job(weights, paintings, tmp_path, monkeypatch):
    rows = [(f"i-{k}", 0, -1, -1) for k in range(BLOCK + 2)]
    shard = write_pictures(tmp_path / "blocks.parquet", rows, [disc(16)] * len(rows))
    read = []
    monkeypatch.setattr(adain, "read_painting", lambda path, *size: read.append(path) or read_painting(path, *size))
    assert len(list(make_adain(shard, 0, "cpu", 1, **weights, paintings=str(paintings)))) == len(rows)
    assert sorted(read) == list(list_paintings(str(paintings)))


def test_pictures_whose_sides_8_does_not_divide_keep_their_size(weights, paintings, tmp_path):
    shard = write_pictures(tmp_path / "odd.parquet", [("i", 0, -1, -1)], [disc(48)[:19, :21]])
    (made,) = make_adain(shard, 0, "cpu", 1, **weights, paintings=str(paintings))
    assert made.image.shape == (19, 21, 3)
    small = write_pictures(tmp_path / "small.parquet", [("i", 0, -1, -1)], [disc(48)[:9, :21]])
    with pytest.raises(InputError, match=r"small\.parquet: expected pictures of at least 16 px a side, got 9 x 21 px"):
        list(make_adain(small, 0, "cpu", 1, **weights, paintings=str(paintings)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda state: state.pop("16.weight"),
            r"expected the 20 tensors of AdaIN's vgg_normalised, got no 16\.weight; bring vgg_normalised\.pth",
        ),
        (
            lambda state: state.update({"0.weight": torch.zeros(64, 3, 3, 3)}),  # torchvision's VGG-19
            r"0\.weight of 3 x 3 x 1 x 1 as in AdaIN's vgg_normalised, got 64 x 3 x 3 x 3; .*torchvision",
        ),
        (lambda state: state.update({"classifier.0.bias": torch.zeros(2)}), r"got also classifier\.0\.bias"),
        (lambda state: state["29.bias"].fill_(torch.nan), r"finite weights of AdaIN's vgg_normalised, got NaN or inf in 29\.bias"),
    ],
)
def test_wrong_weights_are_named(weights, scenes, paintings, tmp_path, change, message):
    state = torch.load(weights["encoder"], weights_only=True)
    change(state)
    torch.save(state, tmp_path / "wrong.pth")
    with pytest.raises(InputError, match=rf"^{tmp_path}/wrong\.pth: .*{message}"):
        make_adain(scenes[2], 0, "cpu", 1, encoder=str(tmp_path / "wrong.pth"), decoder=weights["decoder"], paintings=str(paintings))


def test_weights_of_torch_7_and_missing_ones_are_refused(weights, scenes, paintings, tmp_path):
    (tmp_path / "decoder.t7").write_bytes(b"")
    for name, found in (("decoder.t7", "expected weights converted from Torch 7, got a .t7 file"), ("gone.pth", "got no such file")):
        with pytest.raises(InputError, match=rf"{name}: .*{found}; bring decoder\.pth, as a state dict or as safetensors"):
            make_adain(scenes[2], 0, "cpu", 1, encoder=weights["encoder"], decoder=str(tmp_path / name), paintings=str(paintings))


# ------------------------------------------------------------------------------------------------------------------ cue conflict
def conflicts(paths, textures, seed=0, **options):
    return [made for path in paths for made in make_stimulus("cue-conflict", read_shard(path), seed, textures=textures, **options)]


def test_texture_is_of_another_class_and_as_the_row_says(tmp_path):
    paths = labelled(tmp_path, 12, 16, 5)
    for k, made in enumerate(conflicts(paths, paths)):
        assert made.label == made.shape == k % 3 != made.texture
        greys = {10 * partner for partner in range(12) if partner % 3 == made.texture}
        assert len(np.unique(made.image)) == 1 and made.image[0, 0, 0] in greys  # an even style leaves its grey


def test_partners_do_not_depend_on_the_shards_but_on_the_seed(tmp_path):
    few, many = labelled(tmp_path, 12, 16, 12), labelled(tmp_path, 12, 16, 1)
    expected = conflicts(few, few)
    for one, other in zip(conflicts(many, many), expected, strict=True):
        assert np.array_equal(one.image, other.image) and one.texture == other.texture
    assert [made.image[0, 0, 0] for made in conflicts(few, few, seed=1)] != [made.image[0, 0, 0] for made in expected]


def test_classes_come_up_equally_often_however_large_they_are(tmp_path):
    paths = labelled(tmp_path, 20, 16, 20, labels=[0] * 10 + [1] + [2] * 9)
    drawn = [made.texture for seed in range(12) for made in conflicts(paths, paths, seed)[:10]]
    assert 40 < drawn.count(1) < 80 and drawn.count(1) + drawn.count(2) == 120  # 60 each, standard deviation 5.5


def test_cue_conflict_by_adain(tmp_path, weights):
    paths = labelled(tmp_path, 4, 16, 2, n_classes=2)
    by_patches, by_adain = conflicts(paths, paths), conflicts(paths, paths, engine="adain", **weights)
    assert [made.texture for made in by_adain] == [made.texture for made in by_patches] == [1, 0, 1, 0]
    content = read_shard(paths[0]).pixels()[0]
    partner = np.full_like(content, by_patches[0].image[0, 0, 0])
    assert np.abs(np.clip(as_published(weights, content, partner) * 255, 0, 255) - by_adain[0].image).max() <= 0.51


def test_scenes_of_this_workflow_can_be_crossed_and_keep_their_masks(tmp_path):
    rows = list_scenes("clean", 4, "both", 0)
    drawn = [render_scene(row.image_id, row.shape, row.texture, 0) for row in rows.itertuples()]
    path = tmp_path / "scenes.parquet"
    write_shard(path, rows, pixels=iter([scene.pixels for scene in drawn]), masks=[scene.mask for scene in drawn], origin=EMBEDDED)
    for made, scene in zip(conflicts([path], [str(path)]), drawn, strict=True):
        assert np.array_equal(made.mask, scene.mask) and made.image.shape == (48, 48, 3)


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        ([1, 1, 1], {}, r"0\.parquet: expected images of two classes or more, got class 1 alone"),
        ([0, -1, 1], {}, r"\[i-1\]: expected an image of a known class, got no label"),
        ([0, 1, 2], {"engine": "gatys"}, "engine: expected patches or adain, got gatys"),
        ([0, 1, 2], {"engine": "adain", "encoder": "x.pth"}, "cue-conflict: decoder: expected the file of AdaIN's weights"),
        ([0, 1, 2], {"encoder": "x.pth"}, "cue-conflict: encoder: expected no weights for the engine patches, got x.pth"),
    ],
)
def test_cue_conflict_refuses_before_the_first_picture(tmp_path, labels, options, message):
    paths = labelled(tmp_path, 3, 16, 3, labels=labels)
    with pytest.raises(InputError, match=message):
        make_cue_conflict(read_shard(paths[0]), 0, "cpu", 200, textures=paths, **options)
