"""Predictions and recorded layers: numbers worked out on paper, the same bits however the images are cut, blocks that fit into memory."""

import weakref

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from robustlens.errors import InputError
from robustlens.inference import BLOCK, Blocks, recorded
from robustlens.predictions import predict
from tiny import HALF, Channels, classifier, coloured, cut_shards, image_rows, little_memory, make_shard, pictures, random_network

CPU = torch.device("cpu")
N = 57  # more than a block


@pytest.fixture(scope="module")
def images():
    return pictures(N), image_rows(N, labels=np.arange(N) % 5)


@pytest.fixture(params=["alexnet", "googlenet", "resnet"])
def network(request):
    width = {"width": 12} if request.param == "alexnet" else {}
    return classifier(random_network(request.param, classes=5, **width), ["conv1"], **HALF)


def predicted(model, shard, batch_size):
    """The table of a job that predicts one shard."""
    return predict(model, shard, stimulus="plain", blocks=Blocks(model.device, batch_size, len(shard)))


# ------------------------------------------------------------------------------------------------------------------- on paper
def test_predictions_on_paper(tmp_path):
    """Logits are twice the channel means: (2, 0, 0) for red, (0, 1, 2) for (0, 0.5, 1)."""
    rows = image_rows(2, labels=[0, 1], shape=[0, 2], texture=[2, 0])
    shard = make_shard(tmp_path / "shard.parquet", coloured([(255, 0, 0), (0, 51, 255)]), rows)
    table = predicted(classifier(Channels(scale=2)), shard, 10)
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
    table = predicted(classifier(Channels(), mean=[0.5, 0.1, 0.0], std=[0.5, 0.2, 1.0]), shard, 1)
    e = np.exp
    np.testing.assert_allclose(table["probabilities"][0], np.array([e(1), e(0.5), 1]) / (e(1) + e(0.5) + 1), rtol=1e-6)


def test_an_unknown_label_has_no_loss(tmp_path):
    shard = make_shard(tmp_path / "shard.parquet", coloured([(255, 0, 0), (0, 0, 255)]), labels=[-1, 2])
    table = predicted(classifier(Channels()), shard, 10)
    assert np.isnan(table["loss"]).tolist() == [True, False]
    assert [top[0] for top in table["top5"]] == [0, 2]


# ---------------------------------------------------------------------------------------------------------------- bit for bit
@pytest.mark.parametrize("batch_size", [1, 7, 200])
def test_predictions_are_the_same_bits_whatever_the_batch(tmp_path, network, images, batch_size):
    shard = make_shard(tmp_path / "shard.parquet", *images)
    whole = predicted(network, shard, 50)
    other = predicted(network, shard, batch_size)
    assert same_bits(whole, other)
    assert len({tuple(p) for p in whole["probabilities"]}) == N


def test_predictions_are_the_same_bits_whatever_the_shards(tmp_path, network, images):
    whole = predicted(network, make_shard(tmp_path / "shard.parquet", *images), 50)
    parts = [predicted(network, shard, 50) for shard in cut_shards(tmp_path, *images, 13)]
    assert same_bits(whole, pd.concat(parts, ignore_index=True))


def same_bits(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    lists = all(np.array_equal(np.stack(one[name]), np.stack(other[name])) for name in ("top5", "probabilities"))
    return lists and one.drop(columns=["top5", "probabilities"]).equals(other.drop(columns=["top5", "probabilities"]))


@pytest.mark.parametrize("n_images", [None, 57, 99, 51, 50, 7])
def test_blocks_have_one_shape_on_a_cpu(tmp_path, images, n_images):
    shard = make_shard(tmp_path / "shard.parquet", *images)
    for batch_size in (1, 20, 50, 75, 200):
        covered = []

        def look(block, rows):
            n = rows.stop - rows.start
            assert block.shape == (BLOCK, 3, 16, 16) and block.dtype == torch.float32
            np.testing.assert_array_equal((block[:n] * 255).round().permute(0, 2, 3, 1).numpy(), images[0][rows])
            assert not block[n:].any()
            return n

        for rows, n in Blocks(CPU, batch_size, N).run(shard, look, n_images):
            assert rows.stop - rows.start == n
            covered += range(rows.start, rows.stop)
        assert covered == list(range(min(n_images or N, N)))


# --------------------------------------------------------------------------------------------------------------- out of memory
@pytest.mark.parametrize(("fitting", "found"), [(50, 50), (49, 25), (13, 12), (2, 1)])
def test_a_block_that_does_not_fit_is_halved_and_no_number_changes(tmp_path, images, caplog, monkeypatch, fitting, found):
    caplog.set_level("INFO", "robustlens")
    shard = make_shard(tmp_path / "shard.parquet", images[0], images[1].assign(label=0))
    whole = predicted(classifier(Channels()), shard, 200)
    tried = little_memory(monkeypatch, fitting)
    caplog.clear()
    blocks = Blocks(CPU, 200, 2 * N)
    tables = [predict(classifier(Channels()), shard, stimulus="plain", blocks=blocks) for _ in range(2)]
    assert all(same_bits(table, whole) for table in tables)
    steps = [size for size in (50, 25, 12, 6, 3, 1) if size >= found]
    passes = [size for size in tried if size <= fitting]
    assert tried == steps[:-1] + passes and set(passes) == {found}  # found once, for all shards of the job
    said = [f"out of memory with {size} images a block: going on with {smaller}" for size, smaller in zip(steps, steps[1:], strict=False)]
    assert caplog.messages[:-2] == said
    assert caplog.messages[-2].startswith("114 of 114 images, ") and caplog.messages[-1] == f"batch size {found} (asked for: 200)"


def test_memory_that_runs_out_later_loses_no_image_and_counts_none_twice(tmp_path, images):
    shard, fitting, seen = make_shard(tmp_path / "shard.parquet", *images), iter([50, 5, 4] + [100] * 40), []

    def compute(block, rows):
        if len(block) > next(fitting):
            raise RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED")
        return block[: rows.stop - rows.start].clone()

    for rows, block in Blocks(torch.device("cpu"), 60, N).run(shard, compute):
        seen.append((block * 255).round().permute(0, 2, 3, 1).numpy())
        assert rows.start == sum(map(len, seen[:-1]))
    assert [len(part) for part in seen] == [50, 7]
    np.testing.assert_array_equal(np.concatenate(seen), images[0])


def test_a_pass_that_failed_holds_no_memory_when_it_is_tried_again(tmp_path, images):
    passes = []

    def compute(block, rows):
        assert [alive() for alive in passes] == [None] * len(passes)
        activations = block * 2
        passes.extend(map(weakref.ref, (block, activations)))
        if len(block) > 12:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return len(activations)

    assert [n for _, n in Blocks(CPU, 200, N).run(make_shard(tmp_path / "shard.parquet", *images), compute)] == [12] * 5
    assert len(passes) == 2 * (2 + 5)


def test_an_image_that_does_not_fit_alone_is_named(tmp_path, monkeypatch):
    shard = make_shard(tmp_path / "shard.parquet", coloured([(0, 0, 0)] * 3, side=6))
    tried = little_memory(monkeypatch, 0)
    fault = r"shard.parquet \[image-0\]: expected an image that fits into the memory of cpu .*, got 6 x 6 px, too large even alone; use a"
    with pytest.raises(InputError, match=fault):
        predicted(classifier(Channels()), shard, 200)
    assert tried == [50, 25, 12, 6, 3, 1]


def test_another_failure_is_not_tried_again(tmp_path):
    tried = []

    def compute(block, rows):
        tried.append(len(block))
        raise RuntimeError("broken")

    shard = make_shard(tmp_path / "shard.parquet", coloured([(0, 0, 0)] * 3))
    with pytest.raises(RuntimeError, match="broken"):
        list(Blocks(CPU, 10, 3).run(shard, compute))
    assert tried == [50]


# --------------------------------------------------------------------------------------------------------------------- refused
def test_a_label_beyond_the_classes_is_refused_by_name(tmp_path):
    shard = make_shard(tmp_path / "shard.parquet", coloured([(255, 0, 0)] * 3), labels=[0, 3, 1])
    with pytest.raises(InputError, match=r"shard.parquet \[image-1\]: expected a label below the 3 classes of net, got 3"):
        predicted(classifier(Channels()), shard, 10)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_logits_that_are_not_finite_are_refused_by_name(tmp_path, value):
    class Breaks(Channels):
        def forward(self, images):
            return torch.where(images[:, :, 0, 0] == 1, value, super().forward(images))

    shard = make_shard(tmp_path / "shard.parquet", coloured([(0, 0, 0)] * 52 + [(9, 255, 9), (255, 0, 0)]))
    with pytest.raises(InputError, match="model net: expected finite logits, got NaN or inf for image image-52"):
        predicted(classifier(Breaks()), shard, 10)


def test_a_batch_has_an_image():
    with pytest.raises(InputError, match="resource batch_size: expected at least 1 image, got 0"):
        Blocks(CPU, 0, 10)


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


def test_recorded_tokens_and_channels_last_are_maps(images):
    class Patches(nn.Module):
        def __init__(self):
            super().__init__()
            self.last, self.tokens, self.head = nn.Linear(3, 5), nn.Linear(5, 6), nn.Linear(6, 2)

        def forward(self, images):
            cells = self.last(images.permute(0, 2, 3, 1))
            tokens = torch.cat([cells[:, 0, :1], cells.flatten(1, 2)], 1)  # one before the cells
            return self.head(self.tokens(tokens)[:, 0])

    model = classifier(Patches())
    batch = torch.rand(2, 3, 4, 4)
    with torch.no_grad(), recorded(model, ["last", "tokens"]) as outputs:
        model(batch)
    with torch.no_grad():
        cells = model.network.last(batch.permute(0, 2, 3, 1))
        torch.testing.assert_close(outputs["last"], cells.permute(0, 3, 1, 2))
        torch.testing.assert_close(outputs["tokens"], model.network.tokens(cells).permute(0, 3, 1, 2))


def test_images_of_a_size_that_the_network_refuses_are_named(tmp_path):
    model = classifier(nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 4, 2)))
    shard = make_shard(tmp_path / "scenes.parquet", pictures(2, side=6))
    with pytest.raises(InputError, match=r"scenes.parquet: expected images that the network takes, got 6 x 6 px: mat1 and mat2 shapes"):
        predicted(model, shard, 2)
    broken = classifier(nn.Sequential(nn.Flatten(), nn.Unflatten(1, (2, 2)), nn.Linear(1, 1)))
    broken.network.forward = lambda images: 1 // 0
    with pytest.raises(ZeroDivisionError):
        predicted(broken, shard, 2)
