"""Training: the same numbers from the same keys, a set that can be learnt, torch's own optimisers, precision, images held out."""

import numpy as np
import pandas as pd
import pytest
import torch

from robustlens.errors import InputError
from robustlens.models import loading, training
from robustlens.models.loading import TrainingImages
from robustlens.models.miniature import alexnet
from robustlens.models.optimisation import make_optimiser, make_schedule
from robustlens.models.registry import Classifier
from robustlens.models.training import CURVE, Training, curve, initialise
from robustlens.models.training_state import read_state
from robustlens.randomness import generator
from tiny import HALF, RECIPE_DEFAULTS, coloured, cut_shards, image_rows, make_shard

RECIPE = {"epochs": 3, "batch_size": 12, "learning_rate": 0.02, "weight_decay": 0.0005, **RECIPE_DEFAULTS}
PGD = {"norm": "l2", "eps": 0.5, "step": 0.25, "steps": 2, "random_start": True, "ramp_epochs": 1, "mode": "training", "use_best": False}
SGD = {"optimiser": "sgd", "momentum": 0.9, "schedule": "step", "step_epochs": 2, "gamma": 0.1}
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def shard(tmp_path_factory):
    """60 pictures of 12 px whose class is their strongest colour, under noise."""
    labels = np.arange(60) % 3
    levels = np.full((60, 3), 80)
    levels[np.arange(60), labels] = 170
    noise = np.random.default_rng(0).normal(0, 15, (60, 12, 12, 3))
    pixels = np.clip(coloured([tuple(level) for level in levels], 12) + noise, 0, 255).astype(np.uint8)
    return make_shard(tmp_path_factory.mktemp("shards") / "shard.parquet", pixels, labels=labels)


def trained(shards, recipe, seed=0, model="net", factory=None, held_out=None):
    """The history and the weights of a small AlexNet; whatever torch drew before."""
    torch.manual_seed(np.random.default_rng().integers(2**31))
    network = initialise(factory or small_network, seed, model)
    classifier = Classifier(network, HALF["mean"], HALF["std"], [], {"model": model})
    pictures = TrainingImages(shards, recipe["augmentation"])
    under_way = Training(classifier, pictures, recipe, seed=seed, model=model, device=CPU, held_out=held_out)
    under_way.run(recipe["epochs"])
    return pd.DataFrame(under_way.history), {name: tensor.clone() for name, tensor in network.state_dict().items()}


def small_network() -> torch.nn.Module:
    return alexnet(classes=3, width=8)


def with_dropout() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(), torch.nn.Linear(3 * 12 * 12, 3))


def same(one: dict, other: dict) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


# ---------------------------------------------------------------------------------------------------------------- reproducible
@pytest.mark.parametrize("attack", [None, PGD])
def test_the_same_keys_give_the_same_weights(shard, attack):
    recipe = {**RECIPE, "augmentation": ["permute-channels", "invert"], **({"attack": attack} if attack else {})}
    history, weights = trained([shard], recipe)
    again, weights_again = trained([shard], recipe)
    assert same(weights, weights_again) and history.equals(again)
    assert not same(weights, trained([shard], recipe, seed=1)[1])
    assert not same(weights, trained([shard], recipe, model="another")[1])


def test_shards_and_memory_change_no_weight(tmp_path, shard, monkeypatch):
    _, weights = trained([shard], RECIPE)
    parts = cut_shards(tmp_path, shard.pixels(), shard.rows.assign(path=""), 23)
    assert same(trained(parts, RECIPE)[1], weights)
    monkeypatch.setattr(loading, "CACHE_BYTES", 0)
    assert TrainingImages(parts).cache is None
    assert same(trained(parts, RECIPE)[1], weights)


@pytest.mark.parametrize("change", [{}, {"attack": PGD}, SGD, {**SGD, "momentum": 0}, {"precision": "bfloat16"}])
def test_a_training_that_was_put_down_and_taken_up_gives_the_same_weights(tmp_path, shard, change):
    recipe = {**RECIPE, "epochs": 5, "augmentation": ["pad-crop", "invert"], **change}
    history, weights = trained([shard], recipe)
    state = tmp_path / "state.safetensors"
    for last in (2, 3, 5):
        network = initialise(small_network, 0, "net")
        classifier = Classifier(network, HALF["mean"], HALF["std"], [], {"model": "net"})
        pictures = TrainingImages([shard], recipe["augmentation"])
        under_way = Training(classifier, pictures, recipe, seed=0, model="net", device=CPU)
        if state.exists():
            under_way.resume(state)
        under_way.run(last)
        under_way.save(state)
    assert same(weights, network.state_dict()) and history.equals(pd.DataFrame(under_way.history))
    assert same(weights, read_state(state)[0])


def test_a_file_that_is_no_training_is_refused(tmp_path, shard):
    classifier = Classifier(small_network(), HALF["mean"], HALF["std"], [], {"model": "net"})
    under_way = Training(classifier, TrainingImages([shard]), RECIPE, seed=0, model="net", device=CPU)
    for content in (b"", b"something else entirely"):
        (tmp_path / "state").write_bytes(content)
        with pytest.raises(InputError, match="state: expected a training that was put down, got .*; delete it and run again"):
            under_way.resume(tmp_path / "state")


def test_a_batch_too_large_for_the_gpu_is_another_training(shard, monkeypatch):
    def no_room(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(training.F, "cross_entropy", no_room)
    with pytest.raises(InputError, match="training of net: expected memory for a batch of 12 images, got CUDA out of memory; take"):
        trained([shard], RECIPE)


def test_dropout_is_keyed_too_and_leaves_torch_as_it_was(shard):
    _, weights = trained([shard], RECIPE, factory=with_dropout)
    assert same(weights, trained([shard], RECIPE, factory=with_dropout)[1])
    network = Classifier(with_dropout(), HALF["mean"], HALF["std"], [], {"model": "net"})
    before = torch.get_rng_state()
    Training(network, TrainingImages([shard]), RECIPE, seed=0, model="net", device=CPU).run(3)
    assert torch.equal(torch.get_rng_state(), before)


def test_initialisation_leaves_torch_as_it_was():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    first = initialise(small_network, 0, "net")
    assert torch.equal(torch.rand(2), expected)
    assert same(first.state_dict(), initialise(small_network, 0, "net").state_dict())
    assert not same(first.state_dict(), initialise(small_network, 1, "net").state_dict())


# -------------------------------------------------------------------------------------------------------------------- learning
def test_a_separable_set_is_learnt(shard):
    history, _ = trained([shard], {**RECIPE, "epochs": 6})
    assert history.columns.tolist() == ["model", "epoch", "loss", "accuracy"]
    assert history["model"].unique().tolist() == ["net"] and history["epoch"].tolist() == list(range(6))
    assert history["loss"].iloc[0] > 0.3
    assert history["loss"].iloc[-1] < 0.1 and history["accuracy"].iloc[-1] == 1


def test_adversarial_training_sees_harder_images(shard):
    plain, weights = trained([shard], RECIPE)
    hard, robust_weights = trained([shard], {**RECIPE, "attack": {**PGD, "eps": 3.0, "step": 1.5}})
    assert not same(weights, robust_weights)
    assert hard["loss"].iloc[-1] > plain["loss"].iloc[-1] + 0.1


def test_an_attack_without_strength_trains_as_without(shard):
    """The weights are those of standard training; the running statistics saw the images more than once."""
    _, weights = trained([shard], RECIPE)
    _, attacked = trained([shard], {**RECIPE, "attack": {**PGD, "eps": 0.0, "step": 0.0, "random_start": False}})
    learnt = [name for name in weights if "running" not in name and "num_batches" not in name]
    assert all(torch.equal(weights[name], attacked[name]) for name in learnt)


def test_the_attack_grows_over_the_ramp(shard, monkeypatch):
    seen = []

    def spy(logits, images, labels, *, norm, eps, step, steps, use_best, start, scale):
        seen.append((eps, step, float(start.flatten(1).norm(dim=1).max())))
        return images

    monkeypatch.setattr(training, "pgd", spy)
    trained([shard], {**RECIPE, "attack": {**PGD, "eps": 2.0, "step": 1.0, "ramp_epochs": 2}})
    eps, step, start = (np.array(column) for column in zip(*seen, strict=True))
    np.testing.assert_allclose(eps, np.minimum(2.0, np.arange(15) / 5))  # five steps an epoch
    np.testing.assert_allclose(step, eps / 2)
    assert (start <= eps + 1e-6).all() and start.max() > 1
    seen.clear()
    trained([shard], {**RECIPE, "attack": {**PGD, "eps": 2.0, "ramp_epochs": 0}})
    assert {found[0] for found in seen} == {2.0}


def test_every_image_is_seen_once_an_epoch(shard, monkeypatch):
    seen = []
    monkeypatch.setattr(TrainingImages, "batch", spy_on(TrainingImages.batch, seen))
    trained([shard], RECIPE)
    drawn = seen[1:]  # the first asks how many classes there are
    assert [len(rows) for rows in drawn] == [12] * 15
    epochs = [np.concatenate(drawn[start : start + 5]) for start in (0, 5, 10)]
    assert all(sorted(epoch) == list(range(60)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3


def spy_on(batch, seen):
    return lambda self, rows, draw=None: seen.append(rows) or batch(self, rows, draw)


# -------------------------------------------------------------------------------------------------------------------- optimising
def linear() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 12 * 12, 3))


def test_sgd_by_steps_is_torchs_own(shard):
    """The same network trained in a loop of ten lines; the rate falls after two epochs and after four."""
    recipe = {**RECIPE, **SGD, "epochs": 5}
    network, images = initialise(linear, 0, "net"), TrainingImages([shard])
    optimiser = torch.optim.SGD(network.parameters(), 0.02, momentum=0.9, weight_decay=0.0005)
    rates = []
    for epoch in range(5):
        for group in optimiser.param_groups:
            group["lr"] = 0.02 * 0.1 ** (epoch // 2)
        rates.append(optimiser.param_groups[0]["lr"])
        for batch in images.batches(steps_of(shard, epoch)):
            pixels, labels = batch.to(CPU)
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(network((pixels - 0.5) / 0.25), labels).backward()
            optimiser.step()
    np.testing.assert_allclose(rates, [0.02, 0.02, 0.002, 0.002, 0.0002])
    weights = trained([shard], recipe, factory=linear)[1]
    assert all(torch.allclose(weights[name], tensor, atol=1e-6) for name, tensor in network.state_dict().items())
    assert not torch.allclose(weights["1.weight"], initialise(linear, 0, "net").state_dict()["1.weight"], atol=1e-3)


def steps_of(shard, epoch):
    order = generator(0, "order", "net", epoch).permutation(len(shard))
    return order.reshape(-1, 12)


def test_one_cycle_rises_for_a_quarter_and_falls():
    optimiser = make_optimiser(RECIPE, linear())
    schedule, rates = make_schedule(RECIPE, optimiser, 8), []
    for _ in range(24):
        rates.append(schedule.get_last_lr()[0])
        optimiser.step()
        if len(rates) < 24:
            schedule.step()
    assert rates[0] == pytest.approx(0.002) and max(rates) == rates[5] == pytest.approx(0.02) and rates[-1] == pytest.approx(0.0002)


def test_bfloat16_is_another_training_of_weights_in_float32(shard):
    history, weights = trained([shard], {**RECIPE, "epochs": 6, "precision": "bfloat16", "attack": PGD})
    assert history["accuracy"].iloc[-1] > 0.9 and {tensor.dtype for tensor in weights.values()} <= {torch.float32, torch.int64}
    assert not same(weights, trained([shard], {**RECIPE, "epochs": 6, "attack": PGD})[1])


# ------------------------------------------------------------------------------------------------------------------ how it attacks
def running(weights: dict) -> dict:
    return {name: tensor for name, tensor in weights.items() if "num_batches" in name}


def test_an_attack_in_evaluation_mode_leaves_the_running_statistics_alone(shard):
    for mode, passes in (("evaluation", 15), ("training", 15 * 3)):
        weights = trained([shard], {**RECIPE, "attack": {**PGD, "mode": mode}})[1]
        assert {int(count) for count in running(weights).values()} == {passes}


def test_the_best_iterate_is_at_least_as_hard(shard):
    far = {**PGD, "eps": 2.0, "step": 4.0, "steps": 3, "mode": "evaluation"}  # steps that go too far
    plain, best = (trained([shard], {**RECIPE, "epochs": 1, "attack": {**far, "use_best": use}})[1] for use in (False, True))
    assert not same(plain, best)


# --------------------------------------------------------------------------------------------------------------------- held out
@pytest.fixture
def held_out(tmp_path, shard):
    """The pictures again, in other shards, in reverse."""
    rows = shard.rows.assign(path="").iloc[::-1]
    return TrainingImages(cut_shards(tmp_path, shard.pixels()[::-1], rows, 25))


@pytest.mark.parametrize("attack", [None, PGD])
def test_images_held_out_change_no_weight(shard, held_out, attack):
    recipe = {**RECIPE, "epochs": 8, "augmentation": ["flip"], **({"attack": attack} if attack else {})}
    history, weights = trained([shard], recipe)
    asked = {**recipe, "validate": {"source": "clean", "n_images": 60}}
    seen, weights_again = trained([shard], asked, held_out=held_out)
    assert same(weights, weights_again)
    assert seen[history.columns].equals(history)
    assert seen.columns.tolist() == CURVE[: 6 if attack else 5]
    assert seen["clean_accuracy"].iloc[-1] == 1
    if attack:
        assert (seen["robust_accuracy"] <= seen["clean_accuracy"]).all()


def test_accuracy_on_the_first_images_held_out(shard, held_out):
    """A network that always says 0, by a learning rate near 0 and a bias: right on the images of class 0 among the first n."""

    def constant():
        network = linear()
        with torch.no_grad():
            network[1].bias += torch.tensor([100.0, 0.0, 0.0])
        return network

    strong = {**PGD, "eps": 0.01, "random_start": False}
    for n_images in (1, 7, 53):
        recipe = {**RECIPE, "learning_rate": 1e-9, "attack": strong, "validate": {"source": "clean", "n_images": n_images}}
        history, _ = trained([shard], recipe, factory=constant, held_out=held_out)
        expected = (held_out.labels[:n_images] == 0).mean()
        assert set(history["clean_accuracy"]) == set(history["robust_accuracy"]) == {expected}


def test_a_curve_has_all_columns():
    table = curve([{"model": "net", "epoch": 0, "loss": 1.0, "accuracy": 0.5}])
    assert table.columns.tolist() == CURVE and table[CURVE[4:]].isna().all(axis=None)
    assert table.dtypes[CURVE[2:]].tolist() == [np.dtype("float64")] * 4


# ---------------------------------------------------------------------------------------------------------------------- images
def test_images_of_several_shards_in_any_order(tmp_path):
    pixels, rows = coloured([(10 * n, 0, 0) for n in range(10)]), image_rows(10, labels=range(10))
    images = TrainingImages(cut_shards(tmp_path, pixels, rows, 4))
    found, labels = images.batch(np.array([9, 0, 4, 3, 8])).to(CPU)
    assert len(images) == 10 and labels.tolist() == [9, 0, 4, 3, 8]
    assert found.shape == (5, 3, 4, 4) and found.dtype == torch.float32
    np.testing.assert_allclose(found[:, 0, 0, 0] * 255, [90, 0, 40, 30, 80], rtol=1e-6)
    assert not found[:, 1:].any()


# --------------------------------------------------------------------------------------------------------------------- refused
@pytest.mark.parametrize(("label", "fault"), [(-1, "got -1"), (3, "got 3")])
def test_images_without_a_class_of_the_network_are_refused(tmp_path, shard, label, fault):
    rows = shard.rows.assign(path="", label=np.where(np.arange(60) == 7, label, shard.rows["label"]))
    other = make_shard(tmp_path / "shard.parquet", shard.pixels(), rows)
    with pytest.raises(InputError, match=rf"shard.parquet \[image-7\]: expected a label below the 3 classes of net, {fault}"):
        trained([other], RECIPE)


def test_too_few_steps_are_refused(shard):
    with pytest.raises(InputError, match="training of net: expected at least 5 steps .*, got 2 epochs x 2 of 60 images in batches of 30"):
        trained([shard], {**RECIPE, "epochs": 2, "batch_size": 30})
    assert len(trained([shard], {**RECIPE, "epochs": 5, "batch_size": 500})[0]) == 5  # one batch of all images an epoch


def test_a_loss_that_is_not_finite_is_refused(shard):
    with pytest.raises(InputError, match="training of net: expected a finite loss, got (nan|inf) in epoch .*; lower the learning rate"):
        trained([shard], {**RECIPE, "learning_rate": 1e30})


def test_float16_needs_a_gpu(shard):
    with pytest.raises(InputError, match="training of net: expected float32 or bfloat16 on a CPU, got precision: float16; take a GPU"):
        trained([shard], {**RECIPE, "precision": "float16"})
