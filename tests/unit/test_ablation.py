"""Scores of units: a network in which one unit alone carries one class, and the naive way as a second opinion."""

import numpy as np
import pytest
import torch
from torch import nn

from robustlens.errors import InputError
from robustlens.neurons.ablation import COPIES, ablate_units, changed_decisions
from robustlens.neurons.tails import Tails
from tiny import HALF, SCORES, Channels, classifier, coloured, cut_shards, image_rows, make_shard, pictures, random_network

RED, GREEN, BLUE = 0, 1, 2


def test_scores_on_paper(tmp_path):
    """Unit k is channel k and carries class k alone: it matters where its class is the strongest, and nowhere else."""
    pixels = coloured([(200, 100, 0), (200, 100, 0), (0, 100, 200), (50, 60, 200), (100, 200, 0)])
    rows = image_rows(5, shape=[RED, RED, BLUE, RED, BLUE], texture=[GREEN, BLUE, GREEN, BLUE, RED])
    # decisions: red = shape, red = shape, blue = shape, blue = texture, green = neither
    table = ablate_units(classifier(Channels(), ["maps"]), make_shard(tmp_path / "s.parquet", pixels, rows), batch_size=2)
    assert table.columns.tolist() == SCORES
    assert table.to_numpy().tolist() == [
        ["net", "maps", RED, 5, 3, 1, 2, 0, 2],
        ["net", "maps", GREEN, 5, 3, 1, 0, 0, 1],
        ["net", "maps", BLUE, 5, 3, 1, 1, 1, 2],
    ]
    assert {str(dtype) for dtype in table.dtypes[2:]} == {"int32"}


def test_images_whose_cues_agree_or_are_unknown_are_left_out(tmp_path):
    pixels = coloured([(200, 100, 0)] * 4)
    rows = image_rows(4, shape=[RED, RED, RED, -1], texture=[GREEN, RED, -1, RED])
    table = ablate_units(classifier(Channels(), ["maps"]), make_shard(tmp_path / "s.parquet", pixels, rows), batch_size=10)
    assert table.to_numpy()[0].tolist() == ["net", "maps", RED, 1, 1, 0, 1, 0, 1]


def test_cues_by_another_list_of_classes_are_refused(tmp_path):
    model = classifier(Channels(), ["maps"])
    model.card["classes"] = ["red", "green", "blue"]
    shard = make_shard(tmp_path / "s.parquet", coloured([(200, 100, 0)]), image_rows(1, shape=RED, texture=GREEN), ["red", "blue", "green"])
    with pytest.raises(
        InputError, match=r"labels by the 3 classes that it learned \(red, green, blue\), got 3 classes \(red, blue, green\)"
    ):
        ablate_units(model, shard, batch_size=2)


def test_only_the_first_images(tmp_path):
    pixels = coloured([(200, 100, 0)] * 60)
    shard = make_shard(tmp_path / "s.parquet", pixels, image_rows(60, shape=RED, texture=GREEN))
    for n_images, counted in ((None, 60), (57, 57), (3, 3), (99, 60)):
        table = ablate_units(classifier(Channels(), ["maps"]), shard, batch_size=10, n_images=n_images)
        assert table["n_images"].unique().tolist() == [counted]
        assert table["shape_score"].tolist() == [counted, 0, 0]


# ---------------------------------------------------------------------------------------------------------------- the naive way
def naive(model, layer, images):
    """bool [n_units, n_images]: one unit after the other is zeroed in the whole batch."""
    intact = model(images).argmax(1)
    units, changed = [None], []

    def zero(module, inputs, output):
        units[0] = output.shape[1]
        output = output.clone()
        output[:, len(changed)] = 0
        return output

    handle = model.layer(layer).register_forward_hook(zero)
    while units[0] is None or len(changed) < units[0]:
        changed.append((model(images).argmax(1) != intact).numpy())
    handle.remove()
    return np.stack(changed)


@pytest.mark.parametrize(
    ("architecture", "layers", "units"),
    [
        ("alexnet", ["conv1", "conv2", "conv5"], [10, 20, 20]),
        ("googlenet", ["inception3"], [64]),
        ("resnet", ["conv1", "layer2"], [24, 48]),
        ("resnet", ["layer1.second", "layer2.shortcut"], [24, 48]),  # a branch: what goes round it is kept
        ("googlenet", ["inception3.branch1"], [16]),
    ],
)
def test_agrees_with_zeroing_one_unit_at_a_time(architecture, layers, units):
    width = {"width": 20} if architecture == "alexnet" else {}
    model = classifier(random_network(architecture, classes=5, **width), layers, **HALF)
    images = torch.from_numpy(pictures(30)).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        passed = Tails(model, layers)(images)
        for layer, n_units in zip(layers, units, strict=True):
            changed = changed_decisions(passed, layer)
            assert changed.shape == (n_units, 30)
            np.testing.assert_array_equal(changed, naive(model, layer, images))
            assert 0 < changed.mean() < 1
    assert 10 % COPIES and 20 % COPIES  # the last pass is not full


def test_a_dead_unit_changes_nothing(tmp_path):
    network = random_network(classes=5, width=12)
    with torch.no_grad():
        network.conv2[1].weight[3] = 0  # batch normalisation: its scale and shift
        network.conv2[1].bias[3] = -1
    rows = image_rows(30, shape=np.arange(30) % 5, texture=np.arange(1, 31) % 5)
    table = ablate_units(classifier(network, ["conv2"], **HALF), make_shard(tmp_path / "s.parquet", pictures(30), rows), batch_size=10)
    scores = table[["shape_score", "texture_score", "n_changed"]]
    assert scores.iloc[3].tolist() == [0, 0, 0]
    assert scores["n_changed"].max() > 0


def test_neither_batches_nor_shards_change_a_count(tmp_path):
    pixels, rows = pictures(57), image_rows(57, shape=np.arange(57) % 5, texture=np.arange(2, 59) % 5)
    model = classifier(random_network(classes=5, width=12), ["conv1", "conv3"], **HALF)
    whole = ablate_units(model, make_shard(tmp_path / "s.parquet", pixels, rows), batch_size=50)
    assert ablate_units(model, make_shard(tmp_path / "s.parquet", pixels, rows), batch_size=7).equals(whole)
    parts = [ablate_units(model, shard, batch_size=50) for shard in cut_shards(tmp_path, pixels, rows, 20)]
    counts = whole.columns.drop(["model", "layer", "unit"])
    assert sum(part[counts] for part in parts).equals(whole[counts])


def test_copies_that_do_not_fit_into_memory_change_no_count(tmp_path, caplog):
    """A block of 50 fits, and its copies do not: the whole block is decided again in parts."""

    class Small(Channels):
        def forward(self, images):
            maps = self.maps(images)
            if len(maps) > 100:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return maps.mean((2, 3))

    caplog.set_level("INFO", "robustlens")
    rows = image_rows(57, shape=np.arange(57) % 3, texture=np.arange(2, 59) % 3)
    shard = make_shard(tmp_path / "s.parquet", pictures(57), rows)
    whole = ablate_units(classifier(Channels(), ["maps"]), shard, batch_size=50)
    assert ablate_units(classifier(Small(), ["maps"]), shard, batch_size=50).equals(whole)
    assert caplog.messages[-1] == "batch size 12 (asked for: 50)" and 12 * COPIES <= 100 < 25 * COPIES
    assert ablate_units(classifier(Small(), ["maps"]), shard, batch_size=50, n_images=20)["n_images"].tolist() == [20] * 3


# --------------------------------------------------------------------------------------------------------------------- refused
def test_layers_that_do_not_run_or_run_twice_are_refused(tmp_path):
    class Odd(Channels):
        def __init__(self):
            super().__init__()
            self.relu, self.spare = nn.ReLU(), nn.ReLU()

        def forward(self, images):
            return self.relu(super().forward(self.relu(images)))

    shard = make_shard(tmp_path / "s.parquet", pictures(3), image_rows(3, shape=0, texture=1))
    with pytest.raises(InputError, match=r"expected a layer that runs once and gives \[n_images, n_units, ...\], got relu"):
        ablate_units(classifier(Odd(), ["relu"]), shard, batch_size=10)
    with pytest.raises(InputError, match="expected a layer that runs once .*, got spare, which does not run"):
        ablate_units(classifier(Odd(), ["spare"]), shard, batch_size=10)


def test_a_failure_of_the_network_itself_is_not_hidden(tmp_path):
    class Fails(Channels):
        def forward(self, images):
            raise RuntimeError("broken")

    shard = make_shard(tmp_path / "s.parquet", pictures(3), image_rows(3, shape=0, texture=1))
    with pytest.raises(RuntimeError, match="broken"):
        ablate_units(classifier(Fails(), ["maps"]), shard, batch_size=10)


@pytest.mark.parametrize(("axis", "shape"), [(3, (0, 2, 3, 1)), (2, None)])
def test_units_of_channels_last_and_of_tokens(axis, shape):
    """The unit is the last axis: zeroing it everywhere is what ablation does, the class token included."""

    class Rearranged(nn.Module):
        def __init__(self):
            super().__init__()
            self.cells, self.head = nn.Linear(3, 6), nn.Linear(6, 4)

        def forward(self, images):
            maps = images.permute(0, 2, 3, 1)
            units = self.cells(maps if shape else torch.cat([maps[:, 0, :1], maps.flatten(1, 2)], 1))
            return self.head(units.flatten(1, -2).amax(1))

    torch.manual_seed(0)
    model, images = classifier(Rearranged(), ["cells"]), torch.rand(20, 3, 4, 4)
    intact, found = model(images).argmax(1), []
    for unit in range(6):
        with torch.no_grad():
            hook = model.network.cells.register_forward_hook(
                lambda _, __, output, unit=unit: output.index_fill(axis, torch.tensor(unit), 0)
            )
            found.append((model(images).argmax(1) != intact).numpy())
            hook.remove()
    with torch.inference_mode():
        changed = changed_decisions(Tails(model, ["cells"])(images), "cells")
    assert changed.shape == (6, 20) and changed.any() and np.array_equal(changed, np.stack(found))
