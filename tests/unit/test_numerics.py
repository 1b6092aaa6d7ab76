"""Numbers that are none end in a sentence with model, layer and image; subnormal numbers and the number of threads change nothing."""

import numpy as np
import pytest
import torch
from torchvision import models

from robustlens.devices import claim_device
from robustlens.errors import InputError
from robustlens.inference import Blocks
from robustlens.neurons.ablation import ablate_units
from robustlens.neurons.dissection import ThresholdAccumulator
from robustlens.predictions import predict
from robustlens.stimuli.adversarial import attack, decide_by_epsilon
from robustlens.streaming import as_float16, streamed
from tiny import HALF, Channels, classifier, coloured, image_rows, make_shard, pictures, random_network

PGD = {"norm": "l2", "eps": 1.0, "step": 0.3, "steps": 2, "random_start": False, "use_best": False}
COLOURS = [(90, 20, 20), (20, 90, 20), (250, 20, 20), (20, 20, 90)]  # the third is where the networks below fail


class Faulty(Channels):
    """Channels whose logits, gradients, or maps are no numbers where an image is very red."""

    def __init__(self, fault: str):
        super().__init__()
        self.fault = fault

    def forward(self, images):
        red = images[:, 0].amax((1, 2))[:, None] > 0.95
        maps = self.maps(torch.where(red[:, :, None, None], torch.inf, images) if self.fault == "maps" else images)
        mean = maps.mean((2, 3))
        if self.fault == "logits":
            return torch.where(red, torch.nan, mean)
        if self.fault == "gradients":  # the root of 0 has a value and no slope
            return mean + torch.where(red, mean - mean.detach(), 1).abs().sqrt()
        if self.fault == "without a unit":
            return mean / torch.where(red, maps[:, 1:2].sum((2, 3)), torch.ones_like(mean))
        return mean


@pytest.fixture
def shard(tmp_path):
    return make_shard(tmp_path / "shard.parquet", coloured(COLOURS), image_rows(4, shape=[0, 1, 0, 2], texture=[1, 2, 1, 0]))


@pytest.mark.parametrize("fault", ["logits", "maps"])
def test_predictions(shard, fault):
    with pytest.raises(InputError, match="model net: expected finite logits, got NaN or inf for image image-2"):
        predict(classifier(Faulty(fault)), shard, stimulus="clean", blocks=Blocks(torch.device("cpu"), 2, 4))


@pytest.mark.parametrize("fault", ["logits", "gradients"])
@pytest.mark.parametrize("changes", [{}, {"use_best": True}, {"norm": "linf"}, {"steps": 1}], ids=str)
def test_attacks(shard, fault, changes):
    sentence = "model net: expected finite logits and gradients under attack, got NaN or inf for image image-2"
    with pytest.raises(InputError, match=sentence):
        attack(classifier(Faulty(fault)), shard, PGD | changes, seed=0, batch_size=2)
    if fault == "gradients":
        with pytest.raises(InputError, match=sentence):
            decide_by_epsilon(classifier(Faulty(fault)), shard, PGD | changes, [0.5], seed=0, batch_size=2, n_images=4)


def test_activations(shard):
    model = classifier(Faulty("maps"), ["maps"])
    with pytest.raises(InputError, match="net.*maps.*image-2"):
        for _ in streamed(model, [shard], 4, 2):
            pass


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("logits", "model net: expected finite logits, got NaN or inf for image image-2"),
        ("without a unit", "model net, layer maps: expected finite logits without some of its units, got NaN or inf for image image-2"),
    ],
)
def test_ablation(shard, fault, sentence):
    with pytest.raises(InputError, match=sentence):
        ablate_units(classifier(Faulty(fault), ["maps"]), shard, batch_size=2)


# ------------------------------------------------------------------------------------------------------------- subnormal numbers
def test_subnormal_values_are_values_whatever_the_processor_does_with_them():
    """The threshold lies among values below 2^-14, the least normal number of float16; those below 2^-25 are 0 there."""
    values = np.array([0, 1, 2, 3, 5, 8], np.float32) * 2.0**-24
    maps = torch.from_numpy(np.concatenate([values, [1e-40, 2.0**-26]]).astype(np.float32).reshape(1, 1, 2, 4))
    found = []
    for flush in (False, True):
        torch.set_flush_denormal(flush)
        try:
            stored = as_float16(maps, "net", "maps", ["image"])
            accumulator = ThresholdAccumulator(1)
            accumulator.add(stored.numpy())
            found.append((stored.view(torch.int16).tolist(), accumulator.result(0.25)))
        finally:
            torch.set_flush_denormal(False)
    assert found[0] == found[1]
    assert found[0][0] == [[[[0, 1, 2, 3], [5, 8, 0, 0]]]]
    assert found[0][1].threshold[0] == np.float32(3 * 2.0**-24) and found[0][1].n_above[0] == 2


# -------------------------------------------------------------------------------------------------------------------- threads
@pytest.fixture
def with_threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def test_the_number_of_threads_changes_no_decision_and_logits_by_rounding_alone(tmp_path, with_threads):
    shard = make_shard(tmp_path / "s.parquet", pictures(12, 48), image_rows(12))
    model = classifier(random_network(classes=5, width=12), **HALF)
    found = []
    for n_threads in (1, 2):
        with_threads(n_threads)
        found.append(predict(model, shard, stimulus="clean", blocks=Blocks(torch.device("cpu"), 4, 12)))
    one, two = (np.stack(table["probabilities"]) for table in found)
    np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-7)
    assert [list(top) for top in found[0]["top5"]] == [list(top) for top in found[1]["top5"]]


# --------------------------------------------------------------------------------------------------------------------- devices
@pytest.mark.gpu
@pytest.mark.parametrize("architecture", ["alexnet", "googlenet", "resnet50"])
def test_a_gpu_gives_what_a_cpu_gives_within_the_tolerance_that_is_promised(architecture, tmp_path):
    """Probabilities within 1e-4 of their value, and a decision differs only where two classes are that near."""
    torch.manual_seed(0)
    network = models.get_model(architecture, weights=None, **({"init_weights": True} if architecture == "googlenet" else {})).eval()
    shard = make_shard(tmp_path / "s.parquet", pictures(16, 224), image_rows(16))
    found = {}
    for name in ("cpu", "cuda"):
        device = claim_device(name)
        model = classifier(network, **HALF).to(device)
        table = predict(model, shard, stimulus="clean", blocks=Blocks(device, 4, 16))
        found[name] = np.stack(table["probabilities"]).astype(np.float64)
    np.testing.assert_allclose(found["cuda"], found["cpu"], rtol=1e-4, atol=1e-7)
    first, second = -np.sort(-found["cpu"], axis=1)[:, :2].T
    decided = found["cuda"].argmax(1) == found["cpu"].argmax(1)
    assert (decided | (first - second < 2e-4 * first)).all()
