"""Every tensor of a checkpoint is taken, a copy, training's own, or refused by name; prefixes are found in the file and in the network."""

import copy
from collections import Counter, OrderedDict, defaultdict

import pytest
import torch
from torch import nn

from robustlens.errors import InputError
from robustlens.models.checkpoints import read_checkpoint
from robustlens.models.fitting import Fitted, fit_to_network


class Net(nn.Module):
    """Three classes, from the means of four maps; six tensors to learn, three of statistics."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3)
        self.bn1 = nn.BatchNorm2d(4)
        self.fc = nn.Linear(4, 3)

    def forward(self, images):
        return self.fc(self.bn1(self.conv1(images)).mean((2, 3)))


def random_net(seed: int = 0) -> Net:
    torch.manual_seed(seed)
    network = Net()
    network.bn1.running_mean.normal_()
    network.bn1.running_var.uniform_(0.5, 1)
    return network.eval()


def prefixed(state: dict, prefix: str) -> dict:
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


def fit(folder, content, network=None, **options) -> Fitted:
    torch.save(content, folder / "net.pt")
    return fit_to_network(read_checkpoint(str(folder / "net.pt")), network or Net(), **options)


STATE = random_net().state_dict()
PARAMETERS = [name for name, _ in Net().named_parameters()]
IMAGES = torch.rand(40, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def is_taken(fitted: Fitted, state: dict) -> bool:
    return set(fitted.tensors) == set(state) and all(torch.equal(tensor, state[name]) for name, tensor in fitted.tensors.items())


# ------------------------------------------------------------------------------------------------------- in front and behind
class Framed(nn.Module):
    """A network behind a trained normalisation of its input and in front of a trained head."""

    def __init__(self):
        super().__init__()
        self.front, self.model, self.head = nn.BatchNorm2d(3), Net(), nn.Linear(3, 3)

    def forward(self, images):
        return self.head(self.model(self.front(images)))


def framed() -> Framed:
    """Of which the inner network alone decides otherwise."""
    torch.manual_seed(0)
    network = Framed()
    network.model.load_state_dict(STATE)
    with torch.no_grad():
        network.front.running_mean.copy_(torch.tensor([0.1, 0.0, -0.1]))
        network.head.weight.copy_(torch.eye(3).roll(1, 0))
        network.head.bias.zero_()
    return network.eval()


def test_what_was_trained_in_front_or_behind_is_refused_by_name(tmp_path):
    """Left out, it would be another network: here one that decides as the whole does on none of 40 images."""
    network = framed()
    with torch.no_grad():
        assert not (network(IMAGES).argmax(1) == network.model(IMAGES).argmax(1)).any()
    state = network.state_dict()
    with pytest.raises(
        InputError, match=r"the 9 tensors of Net, got 6 unknown \(front.weight, front.bias, front.running_mean, \.\.\.\); a netw"
    ):
        fit(tmp_path, {"state_dict": state})
    bare = prefixed(STATE, "1.")
    for more, names in (
        ({"0.weight": torch.ones(3), "0.running_mean": torch.ones(3)}, "2 unknown .0.weight, 0.running_mean."),
        ({"denoiser.conv.weight": torch.ones(3, 3, 1, 1)}, "1 unknown .denoiser.conv.weight."),
        ({"head.weight": torch.eye(3), "temperature": torch.tensor(2.0)}, "2 unknown .head.weight, temperature."),
    ):
        with pytest.raises(
            InputError, match=f"{names}; a network that has them needs a factory of your own .*; part: 1 takes this one with"
        ):
            fit(tmp_path, {**bare, **more})
        assert is_taken(fit(tmp_path, {**bare, **more}, part="1"), STATE)
    with pytest.raises(InputError, match=r"2 unknown \(denoiser.0.weight, denoiser.0.bias\); .*part: model takes this one without them"):
        fit(tmp_path, {"model": STATE, "denoiser": nn.Sequential(nn.Conv2d(3, 3, 1)).state_dict()})


def test_a_network_of_ones_own_takes_them_all(tmp_path):
    network, own = framed(), Framed().eval()
    own.load_state_dict(fit(tmp_path, {"state_dict": prefixed(network.state_dict(), "module.")}, own).tensors)
    with torch.no_grad():
        assert torch.equal(own(IMAGES), network(IMAGES))


def test_what_belongs_to_training_alone_is_left(tmp_path):
    optimiser = {"state": {number: {"exp_avg": STATE[name] + 1} for number, name in enumerate(PARAMETERS)}, "param_groups": [{"lr": 0.1}]}
    beside = {
        "optimizer": optimiser,
        "optimizer_states": [optimiser],
        "solver": optimiser,
        "opt": {"exp_avg": {name: tensor for name, tensor in STATE.items()}},
        "lr_schedulers": [{"_last_lr": torch.ones(1)}],
        "scaler": {"scale": torch.tensor(65536.0), "_growth_tracker": torch.tensor(3)},
        "rng_state": torch.get_rng_state(),
        "criterion": nn.CrossEntropyLoss(torch.ones(3)).state_dict(),
        "best_prec1": torch.tensor(57.9),
        "adv_prec1": torch.tensor(36.1),
        "epoch": torch.tensor(90),
        "train_losses": torch.rand(90),
        "val_acc": torch.rand(90),
    }
    own = {
        "loss.weight": torch.ones(3),
        "criterion.centers": torch.rand(3, 4),
        "n_averaged": torch.tensor(5),
        "model.total_ops": torch.zeros(1),
    }
    fitted = fit(tmp_path, {"state_dict": {**prefixed(STATE, "model."), **own}, **beside})
    assert is_taken(fitted, STATE) and fitted.dropped == {
        "loss.*": 1,
        "criterion.*": 1,
        "n_averaged": 1,
        "model.total_ops": 1,
        "beside it: *": 6,
        **{f"solver.state.{number}: *": 1 for number in range(len(PARAMETERS))},
    }


@pytest.mark.parametrize("name", ["scaler", "input_scaler", "metric", "criterion", "opt", "schedule"])
def test_a_layer_that_is_called_as_trainings_own_is_refused_by_name(tmp_path, name):
    """In front of the network, or behind it, in the state dict or beside it: what it learned is no gradient scale and no loss."""
    front, head = nn.BatchNorm2d(3).state_dict(), nn.Linear(3, 3).state_dict()
    for layer in (front, head):
        for content in ({"state_dict": {**prefixed(STATE, "model."), **prefixed(layer, f"{name}.")}}, {"model": STATE, name: layer}):
            with pytest.raises(InputError, match=rf"unknown \(.*{name}.(weight|bias)"):
                fit(tmp_path, content)


def test_the_scores_that_lightning_keeps_are_trainings_own(tmp_path):
    kept = {"monitor": "val_loss", "kth_value": torch.tensor(0.4), "best_k_models": {"/d/epoch=3.ckpt": torch.tensor(0.4)}}
    checkpoint = {"state_dict": prefixed(STATE, "model."), "callbacks": {"ModelCheckpoint{'monitor': 'val_loss'}": kept}, "epoch": 3}
    assert is_taken(fit(tmp_path, checkpoint), STATE)


def test_single_numbers_within_the_network_are_learned(tmp_path):
    """Beside it a ``decay`` is that of an average, and mean and std are a normaliser's; in one of its layers they are the layer's."""
    beside = {"model_ema.decay": torch.tensor(0.9), "queue": torch.zeros(0), "norm.mean": torch.tensor(0.5), "norm.std": torch.tensor(0.5)}
    fitted = fit(tmp_path, prefixed(STATE, "model.") | beside)
    assert is_taken(fitted, STATE) and fitted.normaliser == ([0.5] * 3, [0.5] * 3)
    assert is_taken(fit(tmp_path, STATE | beside), STATE)
    for prefix in ("", "model."):
        for name in ("bn1.decay", "fc.mean", "conv1.step"):
            with pytest.raises(InputError, match=rf"got \d unknown \({prefix}{name}"):
                fit(tmp_path, prefixed(STATE | {name: torch.tensor(0.5), "fc.std": torch.tensor(0.5)}, prefix))


def test_a_copy_is_no_loss_and_another_network_is(tmp_path):
    copies = prefixed(STATE, "module.attacker.model.")
    assert is_taken(fit(tmp_path, {"model": prefixed(STATE, "module.model.") | copies, "net": dict(STATE)}), STATE)
    part = {name: tensor for name, tensor in STATE.items() if name.startswith("conv1")}
    assert is_taken(fit(tmp_path, {"model": STATE, "backbone": part}), STATE)
    part["conv1.bias"] = part["conv1.bias"] + 1
    with pytest.raises(InputError, match=r"got 1 unknown \(backbone.conv1.bias\); .*part: model"):
        fit(tmp_path, {"model": STATE, "backbone": part})


# ------------------------------------------------------------------------------------------------------------- sets of weights
AVERAGE = {name: STATE[name] * 0.5 for name in PARAMETERS}
AVERAGES = {  # of the parameters alone, as they are kept beside the raw weights, and the place of either
    "dictionary": ({"model": STATE, "ema": AVERAGE}, "model", "ema"),
    "shadow": ({"model": STATE, "ema": {"decay": 0.9, "shadow": AVERAGE}}, "model", "ema.shadow"),
    "list": ({"model": STATE, "ema": {"decay": 0.9, "shadow_params": list(AVERAGE.values())}}, "model", "ema.shadow_params"),
    "tuple": ({"net": STATE, "ema_params": tuple(AVERAGE.values())}, "net", "ema_params"),
    "no-dots": (
        {"state_dict": prefixed(STATE, "model.") | {f"model_ema.{name.replace('.', '')}": tensor for name, tensor in AVERAGE.items()}},
        *("state_dict.model", "state_dict.model_ema"),
    ),
    "underscores": ({"model": STATE, "ema": {name.replace(".", "_"): tensor for name, tensor in AVERAGE.items()}}, "model", "ema"),
    "prefix": ({**prefixed(STATE, "module."), **prefixed(AVERAGE, "module_ema.")}, "module", "module_ema"),
    "beside": ({**STATE, "ema_state_dict": prefixed(AVERAGE, "module.")}, "", "ema_state_dict.module"),
    "within": ({**STATE, **prefixed(AVERAGE, "ema.")}, "", "ema"),
}


@pytest.mark.parametrize("name", list(AVERAGES))
def test_an_average_of_the_parameters_alone_is_a_second_set_of_weights(tmp_path, name):
    content, raw, average = AVERAGES[name]
    with pytest.raises(
        InputError, match=f"expected one network, got two with other weights, {raw or 'the file itself'} and {average}; say which"
    ):
        fit(tmp_path, content)
    assert is_taken(fit(tmp_path, content, part=raw), STATE)
    fitted = fit(tmp_path, content, part=average)
    assert is_taken(fitted, STATE | AVERAGE) and fitted.statistics == raw and fitted.part == average


def test_equal_averages_are_copies(tmp_path):
    equal = {name: STATE[name].clone() for name in PARAMETERS}
    assert is_taken(fit(tmp_path, {"model": STATE, "ema": {"shadow_params": list(equal.values())}}), STATE)


def test_an_average_with_statistics_takes_its_own(tmp_path):
    whole = {name: tensor * 0.5 if tensor.is_floating_point() else tensor for name, tensor in STATE.items()}
    fitted = fit(tmp_path, {"model": STATE, "model_ema": whole}, part="model_ema")
    assert is_taken(fitted, whole) and fitted.statistics is None


def test_statistics_that_nobody_has_are_missing(tmp_path):
    with pytest.raises(InputError, match=r"got 2 missing \(bn1.running_mean, bn1.running_var\)"):
        fit(tmp_path, {"ema": AVERAGE})


# ---------------------------------------------------------------------------------------------------------------------- prefixes
class Wrapper(nn.Module):
    """A user's module around a network, with what it is called there."""

    def __init__(self, name: str, network: nn.Module, **buffers):
        super().__init__()
        setattr(self, name, network)
        for key, value in buffers.items():
            self.register_buffer(key, torch.tensor(value).view(-1, 1, 1))


@pytest.mark.parametrize("inner", ["net.", "model.", "net.module.", "module.model.0."])
@pytest.mark.parametrize("outer", ["", "module.", "net.", "student.backbone."])
def test_prefixes_in_the_network_and_in_the_file(tmp_path, inner, outer):
    network = Net()
    for name in inner.split(".")[-2::-1]:
        network = Wrapper(name, network)
    fitted = fit(tmp_path, {"state_dict": prefixed(STATE, outer)}, network)
    assert is_taken(fitted, prefixed(STATE, inner))
    if not outer or outer not in inner:
        assert fitted.renamed == {f"{outer}* -> {inner}*": len(STATE)} and fitted.part == f"state_dict.{outer}".rstrip(".")


def test_a_wrapper_that_normalises_keeps_its_own_values(tmp_path):
    network = Wrapper("net", Net(), mean=[0.5, 0.4, 0.3], std=[0.2, 0.2, 0.2])
    fitted = fit(tmp_path, STATE, network)
    assert fitted.normalises and fitted.normaliser is None and torch.equal(fitted.tensors["mean"], network.mean)
    empty = Wrapper("net", Net(), mean=[0.0, 0.0, 0.0], std=[0.0, 0.0, 0.0])
    with pytest.raises(InputError, match=r"of Wrapper, got 2 missing \(mean, std\)"):
        fit(tmp_path, STATE, empty)
    beside = {"normalize.mean": torch.tensor([0.1, 0.2, 0.3]), "normalize.std": torch.tensor([0.2, 0.2, 0.2])}
    with pytest.raises(InputError, match=r"one normaliser, that of the file with the mean \[0.1, 0.2, 0.3\], got another one in Wrapper"):
        fit(tmp_path, {**prefixed(STATE, "model."), **beside}, network)


def test_wanted_names_are_shown_where_nothing_fits(tmp_path):
    network = Wrapper("net", Net())
    with pytest.raises(
        InputError, match=r"the 9 tensors of Wrapper \(net.conv1.weight, net.conv1.bias, .*\), got none of them, but stem.weight"
    ):
        fit(tmp_path, {"stem.weight": torch.ones(3)}, network)
    network.head = nn.Linear(3, 3)
    with pytest.raises(InputError, match=r"of Wrapper, got 2 missing \(head.weight, head.bias\)"):
        fit(tmp_path, prefixed(STATE, "net."), network)


# ------------------------------------------------------------------------------------------------------- dictionaries of other classes
class AttrDict(dict):
    """As many training scripts have it."""

    __getattr__ = dict.__getitem__


class Ordered(OrderedDict):
    """A state dict of a class of its own."""


class Ema:
    """An average that was saved as an object, with its tensors in attributes."""

    def __init__(self, state):
        self.decay, self.shadow = 0.9, state


def test_state_dicts_in_dictionaries_of_other_classes(tmp_path):
    default = defaultdict(list)
    default.update(STATE)
    for content in (
        default,
        AttrDict(STATE),
        Ordered(STATE),
        Counter(STATE),
        AttrDict(model=Ordered(STATE)),
        [STATE, 90],
        {"nets": [STATE]},
    ):
        for options in ({}, {"_use_new_zipfile_serialization": False}, {"pickle_protocol": 4}):
            torch.save(content, tmp_path / "net.pt", **options)
            assert is_taken(fit_to_network(read_checkpoint(str(tmp_path / "net.pt")), Net()), STATE)


def test_tensors_in_objects_count(tmp_path):
    with pytest.raises(InputError, match="two with other weights, model and ema.shadow"):
        fit(tmp_path, {"model": STATE, "ema": Ema(AVERAGE)})


def test_a_network_that_was_saved_whole(tmp_path):
    """Its tensors are read, its code is not run."""
    network = random_net()
    network.bn1.register_buffer("scratch", torch.ones(2), persistent=False)
    for content, is_zip in ((network, True), (network, False), ({"model": network, "epoch": 3}, False), (nn.Sequential(network), True)):
        torch.save(content, tmp_path / "net.pt", _use_new_zipfile_serialization=is_zip)
        checkpoint = read_checkpoint(str(tmp_path / "net.pt"))
        assert is_taken(fit_to_network(checkpoint, Net()), STATE) and "test_leftovers.Net" in checkpoint.ignored
    other = copy.deepcopy(network)
    other.fc.bias.data += 1
    with pytest.raises(InputError, match="two with other weights, model and teacher"):
        fit(tmp_path, {"model": STATE, "teacher": other})


@pytest.mark.parametrize(
    "content",
    [
        lambda other: {"optimizer": {"ema": other}},
        lambda other: {"optimizer_states": [{"ema": tuple(other[name] for name in PARAMETERS)}]},
        lambda other: {"ema_scheduler": {"shadow": other}},
        lambda other: {"metrics": {"best_model": other}},
    ],
)
def test_an_average_within_what_belongs_to_training_asks_for_the_part(tmp_path, content):
    with pytest.raises(InputError, match="two with other weights.*say which as models.<name>.part"):
        fit(tmp_path, {"state_dict": STATE, **content(random_net(1).state_dict())})
    assert is_taken(fit(tmp_path, {"state_dict": STATE, **content(STATE)}), STATE)  # a copy


def test_moments_of_an_optimiser_by_name_are_no_second_network(tmp_path):
    moments = {"exp_avg": {name: torch.rand_like(STATE[name]) for name in PARAMETERS}}
    assert is_taken(fit(tmp_path, {"state_dict": STATE, "optimizer": moments}), STATE)


@pytest.mark.parametrize("dtype", [torch.int8, torch.int64])
def test_weights_in_integers_are_refused_as_their_scale_is_unknown(tmp_path, dtype):
    with pytest.raises(InputError, match="floating-point numbers in conv1.weight"):
        fit(tmp_path, {name: (100 * tensor).to(dtype) for name, tensor in STATE.items()})
