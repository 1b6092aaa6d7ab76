"""Adaptive instance normalisation, against the algorithm written out."""

import numpy as np
import pytest
import torch

from robustlens.errors import InputError
from robustlens.inference import BLOCK
from robustlens.stimuli import adain
from robustlens.stimuli.adain import ENCODER, adapt, build_decoder, build_encoder, make_adain, statistics_of
from robustlens.stimuli.make import make_stimulus
from robustlens.stimuli.paintings import choose_painting, list_paintings, read_painting
from styles import as_published, disc, write_pictures

pytestmark = pytest.mark.usefixtures("one_thread")


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
