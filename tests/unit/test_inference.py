"""Predictions and recorded layers: numbers worked out on paper, and the same bits however the images are cut."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from robustlens.errors import InputError
from robustlens.inference import BLOCK, image_blocks, predict, recorded
from tiny import HALF, Channels, classifier, coloured, cut_shards, image_rows, make_shard, pictures, random_network

CPU = torch.device("cpu")
N = 57  # more than a block


@pytest.fixture(scope="module")
def images():
    return pictures(N), image_rows(N, labels=np.arange(N) % 5)


@pytest.fixture(params=["alexnet", "googlenet", "resnet"])
def network(request):
    width = {"width": 12} if request.param == "alexnet" else {}
    return classifier(random_network(request.param, classes=5, **width), ["conv1"], **HALF)


# ------------------------------------------------------------------------------------------------------------------- on paper
def test_predictions_on_paper(tmp_path):
    """Logits are twice the channel means: (2, 0, 0) for red, (0, 1, 2) for (0, 0.5, 1)."""
    rows = image_rows(2, labels=[0, 1], shape=[0, 2], texture=[2, 0])
    shard = make_shard(tmp_path / "shard.parquet", coloured([(255, 0, 0), (0, 51, 255)]), rows)
    table = predict(classifier(Channels(scale=2)), shard, stimulus="plain", batch_size=10)
    assert table.columns.tolist() == ["model", "stimulus", "image_id", "label", "shape", "texture", "top5", "probabilities", "loss"]
    assert table.iloc[:, :6].to_numpy().tolist() == [["net", "plain", "image-0", 0, 0, 2], ["net", "plain", "image-1", 1, 2, 0]]
    e = np.exp
    np.testing.assert_allclose(table["probabilities"][0], np.array([e(2), 1, 1]) / (e(2) + 2), rtol=1e-6)
    total = 1 + e(0.4) + e(2)
    np.testing.assert_allclose(table["probabilities"][1], np.array([1, e(0.4), e(2)]) / total, rtol=1e-6)
    assert table["top5"][0][0] == 0 and table["top5"][1].tolist() == [2, 1, 0]
    np.testing.assert_allclose(table["loss"], [np.log((e(2) + 2) / e(2)), np.log(total / e(0.4))], rtol=1e-6)


def test_normalisation_happens_inside(tmp_path):
    shard = make_shard(tmp_path / "shard.parquet", coloured([(255, 51, 0)]), labels=[0])
    table = predict(classifier(Channels(), mean=[0.5, 0.1, 0.0], std=[0.5, 0.2, 1.0]), shard, stimulus="plain", batch_size=1)
    e = np.exp
    np.testing.assert_allclose(table["probabilities"][0], np.array([e(1), e(0.5), 1]) / (e(1) + e(0.5) + 1), rtol=1e-6)


def test_an_unknown_label_has_no_loss(tmp_path):
    shard = make_shard(tmp_path / "shard.parquet", coloured([(255, 0, 0), (0, 0, 255)]), labels=[-1, 2])
    table = predict(classifier(Channels()), shard, stimulus="plain", batch_size=10)
    assert np.isnan(table["loss"]).tolist() == [True, False]
    assert [top[0] for top in table["top5"]] == [0, 2]


# ---------------------------------------------------------------------------------------------------------------- bit for bit
@pytest.mark.parametrize("batch_size", [1, 7, 200])
def test_predictions_are_the_same_bits_whatever_the_batch(tmp_path, network, images, batch_size):
    shard = make_shard(tmp_path / "shard.parquet", *images)
    whole = predict(network, shard, stimulus="plain", batch_size=50)
    other = predict(network, shard, stimulus="plain", batch_size=batch_size)
    assert same_bits(whole, other)
    assert len({tuple(p) for p in whole["probabilities"]}) == N


def test_predictions_are_the_same_bits_whatever_the_shards_and_threads(tmp_path, network, images):
    whole = predict(network, make_shard(tmp_path / "shard.parquet", *images), stimulus="plain", batch_size=50)
    parts = [predict(network, shard, stimulus="plain", batch_size=50) for shard in cut_shards(tmp_path, *images, 13)]
    assert same_bits(whole, pd.concat(parts, ignore_index=True))
    torch.set_num_threads(3)
    try:
        threaded = predict(network, make_shard(tmp_path / "shard.parquet", *images), stimulus="plain", batch_size=50)
    finally:
        torch.set_num_threads(1)
    assert same_bits(whole, threaded)


def same_bits(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    lists = all(np.array_equal(np.stack(one[name]), np.stack(other[name])) for name in ("top5", "probabilities"))
    return lists and one.drop(columns=["top5", "probabilities"]).equals(other.drop(columns=["top5", "probabilities"]))


def test_blocks_have_one_shape_on_a_cpu(tmp_path, images):
    shard = make_shard(tmp_path / "shard.parquet", *images)
    for batch_size in (1, 20, 50, 200):
        covered = []
        for rows, block, n in image_blocks(shard, batch_size, CPU):
            assert block.shape == (BLOCK, 3, 16, 16) and block.dtype == torch.float32
            np.testing.assert_array_equal((block[:n] * 255).round().permute(0, 2, 3, 1).numpy(), images[0][rows])
            assert not block[n:].any()
            covered += range(rows.start, rows.stop)
        assert covered == list(range(N))


# --------------------------------------------------------------------------------------------------------------------- refused
def test_a_label_beyond_the_classes_is_refused_by_name(tmp_path):
    shard = make_shard(tmp_path / "shard.parquet", coloured([(255, 0, 0)] * 3), labels=[0, 3, 1])
    with pytest.raises(InputError, match=r"shard.parquet \[image-1\]: expected a label below the 3 classes of net, got 3"):
        predict(classifier(Channels()), shard, stimulus="plain", batch_size=10)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_logits_that_are_not_finite_are_refused_by_name(tmp_path, value):
    class Breaks(Channels):
        def forward(self, images):
            return torch.where(images[:, :, 0, 0] == 1, value, super().forward(images))

    shard = make_shard(tmp_path / "shard.parquet", coloured([(0, 0, 0)] * 52 + [(9, 255, 9), (255, 0, 0)]))
    with pytest.raises(InputError, match="model net: expected finite logits, got NaN or inf for image image-52"):
        predict(classifier(Breaks()), shard, stimulus="plain", batch_size=10)


# ------------------------------------------------------------------------------------------------------------- recorded layers
def test_recorded_layers_are_what_the_layers_give(images):
    network = random_network(classes=5, width=12)
    model = classifier(network, ["conv1", "conv2"])
    pixels = torch.from_numpy(images[0][:4]).permute(0, 3, 1, 2).float() / 255
    with recorded(model, model.layers) as outputs:
        model(pixels)
        model(pixels)  # another pass replaces them
    with torch.no_grad():
        first = network.conv1(pixels)
        second = network.conv2(F.max_pool2d(first, 2))
    assert list(outputs) == ["conv1", "conv2"]
    torch.testing.assert_close(outputs["conv1"], first)
    torch.testing.assert_close(outputs["conv2"], second)
    outputs.clear()
    model(pixels)
    assert not outputs  # nothing is recorded outside


def test_recorded_layers_keep_what_a_later_layer_overwrites():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(inplace=True), nn.Flatten())
    with torch.no_grad():
        network[0].bias.fill_(-5)
    model = classifier(network)
    with recorded(model, ["0"]) as outputs, torch.no_grad():
        model(torch.rand(2, 3, 4, 4))
    assert outputs["0"].min() < -3


def test_layers_without_maps_that_repeat_or_do_not_run_are_refused():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.relu, self.spare, self.lstm = nn.Conv2d(3, 3, 1), nn.ReLU(), nn.Conv2d(3, 3, 1), nn.LSTM(3, 3)

        def forward(self, images):
            maps = self.relu(self.conv(self.relu(images)))
            return self.lstm(maps.mean((2, 3)))[0]

    model = classifier(Odd())
    faults = {
        "relu": "expected a layer that runs once in a forward pass, got relu, which runs again",
        "spare": "expected a layer that runs in a forward pass, got spare, which does not",
        "lstm": r"expected a layer of maps .*, got lstm, which gives tuple",
        "nowhere": "models.net.layers: expected a module such as conv, relu, spare, lstm, got nowhere",
    }
    for layer, fault in faults.items():
        with pytest.raises(InputError, match=fault), recorded(model, [layer]):
            model(torch.rand(2, 3, 4, 4))
    model = classifier(random_network(classes=5, width=8))
    with pytest.raises(InputError, match=r"got head, which gives \[2, 5\]"), recorded(model, ["head"]):
        model(torch.rand(2, 3, 16, 16))
