"""What networks are tried for before anything is computed with them: what is refused, in which words; and what is taken as it is."""

from collections import OrderedDict

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from robustlens.errors import InputError
from robustlens.models.architectures import build_network
from robustlens.models.attacks import pgd
from robustlens.models.importing import import_network
from robustlens.models.layers import find_layers
from robustlens.models.parallel import Task, train
from robustlens.models.registry import load_model, save_model
from robustlens.models.trial import try_out
from robustlens.neurons.tails import COPIES, Tails
from tiny import classifier, random_network, spec_of

SIZE = {"clean": (16, 16)}


class Changed(nn.Module):
    """A small network whose images, maps or logits are changed on the way by ``change``."""

    def __init__(self, before=lambda self, x: x, after=lambda self, x: x):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm, self.head = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 3)
        self.before, self.after = before, after

    def forward(self, images):
        maps = torch.relu(self.norm(self.conv(self.before(self, images))))
        return self.after(self, self.head(maps.mean((2, 3))))


def batch_statistics(self, images):
    return (images - images.mean((0, 2, 3), keepdim=True)) / images.std((0, 2, 3), keepdim=True)


def learn(self, images):
    with torch.no_grad():
        self.norm.running_mean += 0.1
    return images


def without_gradient(self, images):
    with torch.no_grad():
        return 1 - images


def overwritten(self, logits):
    found = logits.sigmoid()
    found += 1  # of which the sigmoid needs what it was
    return found


def grow(self, images):
    self.more = nn.Parameter(torch.ones(1))
    return images * self.more


REFUSED = {  # what a network does before and after -> the line
    "random": (lambda _, x: F.dropout(x, 0.5), None, "the same logits at each pass of the same images, got others, by .*; dropout"),
    "peak": (lambda _, x: x / x.abs().amax(), None, "the same logits of an image alone and beside another one"),
    "noise": (lambda _, x: x + 0.01 * torch.randn_like(x), None, "the same logits at each pass of the same images"),
    "batch": (batch_statistics, None, "the same logits of an image alone and beside another one, got others.*; in evaluation mode nothing"),
    "changes": (learn, None, "weights .* stay as they are in evaluation mode, got a forward pass that changes norm.running_mean; change"),
    "grows": (grow, None, "weights .* stay as they are in evaluation mode, got a forward pass that changes more; change"),
    "no_grad": (without_gradient, None, "a gradient of the logits that reaches the image, got none: .* cuts it off; take no_grad"),
    "detach": (None, lambda _, x: x.detach(), "a gradient of the logits that reaches the image, got none"),
    "rounded": (lambda _, x: (x * 255).round() / 255, None, "a gradient .*, got 0 for every pixel; rounding"),
    "in place": (None, overwritten, "a gradient .*, got one of the variables .* modified by an inplace operation: .*; in place what"),
    "softmax": (None, lambda _, x: x.softmax(1), "logits, got probabilities: they sum to 1 for each image; leave out the softmax"),
    "complex": (None, lambda _, x: x.to(torch.complex64), "logits that are floating-point numbers, got complex64"),
    "whole": (None, lambda _, x: x.long(), "logits that are floating-point numbers, got int64"),
    "tuple": (None, lambda _, x: (x, x[:, :1]), r"logits .*, got tuple \(\[2, 3\], \[2, 1\]\); let its forward pass give the logits alone"),
    "dict": (None, lambda _, x: {"scores": x}, r"logits .*, got dict \(scores\); let"),
    "maps": (None, lambda _, x: x[:, :, None], r"logits .*, got \[2, 3, 1\]"),
    "one row": (None, lambda _, x: x.mean(0, keepdim=True), r"logits .*, got \[1, 3\]"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_breaks_later_is_refused(case):
    before, after, said = REFUSED[case]
    network = Changed(**{key: change for key, change in (("before", before), ("after", after)) if change})
    with pytest.raises(InputError, match=f"^models.net: expected {said}"):
        try_out("models.net", classifier(network), SIZE, 3)


def test_a_detached_backbone_is_refused_and_its_layers_are_not_looked_for_in_vain():
    class Detached(Changed):
        def forward(self, images):
            return self.head(self.conv(images).mean((2, 3)).detach())

    with pytest.raises(InputError, match="reaches the image, got none"):
        try_out("models.net", classifier(Detached()), SIZE, 3)
    with pytest.raises(InputError, match="layers of Changed: expected logits whose way from the image autograd can follow"):
        find_layers(Changed(after=lambda _, x: x.detach()), 8)


def test_the_network_is_left_as_it_was():
    network = Changed(before=learn)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    state = torch.get_rng_state()
    with pytest.raises(InputError, match="running_mean"):
        try_out("models.net", classifier(network), SIZE, 3)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state) and not network.training


# -------------------------------------------------------------------------------------------------------- what is taken as it is
def in_place(self, images):
    return images.sub_(0.5).relu_()


def copied(self, images):
    return (images - 0.5).relu()


def test_a_network_may_change_its_images_in_place():
    """Logits, adversarial images and layers are those of the same network that copies them, and no image changes."""
    first, second = (classifier(Changed(before)) for before in (in_place, copied))
    images, labels = torch.rand(4, 3, 16, 16), torch.tensor([0, 1, 2, 0])
    kept = images.clone()
    try_out("models.net", first, SIZE, 3)
    strength = {"norm": "l2", "eps": 1.0, "step": 0.5, "steps": 3}
    moved = [pgd(model, images, labels, **strength) for model in (first, second)]
    with torch.no_grad():
        torch.testing.assert_close(first(images), second(images), rtol=0, atol=0)
    assert torch.equal(images, kept) and torch.equal(*moved) and not torch.equal(moved[0], images)
    sequence = [nn.Sequential(nn.ReLU(at_once), nn.Conv2d(3, 4, 1), nn.ReLU(at_once), nn.Conv2d(4, 2, 1)) for at_once in (True, False)]
    heads = [nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2)) for body in sequence]
    assert find_layers(heads[0], 8) == find_layers(heads[1], 8) == ["0.2", "0.3"]


def counted(self, images):
    self.passes = getattr(self, "passes", torch.zeros(1))
    self.passes += 1
    return images


def test_a_network_may_keep_a_tensor_of_its_first_pass():
    """As caches of positions do; one of inference mode could not be used with a gradient."""
    try_out("models.net", classifier(Changed(counted)), SIZE, 3)


def test_logits_in_a_mapping_are_found():
    plain, wrapped = (classifier(Changed(after=after)) for after in (lambda _, x: x, lambda _, x: OrderedDict(loss=None, logits=x)))
    try_out("models.net", wrapped, SIZE, 3)
    images = torch.rand(3, 3, 16, 16)
    assert torch.equal(plain(images), wrapped(images))
    assert find_layers(wrapped.network, 8) == find_layers(plain.network, 8)


def test_a_network_that_flattens_with_view_is_imported_loaded_traced_and_trained(tmp_path):
    """As LeNet and AlexNet usually do; channels last, maps of more than one cell have no such view."""
    (tmp_path / "with_a_view.py").write_text(
        "from torch import nn\n\n\nclass Net(nn.Module):\n    def __init__(self, classes):\n        super().__init__()\n"
        "        self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4 * 14 * 14, classes)\n\n    def forward(self, images):\n"
        "        maps = self.conv(images).relu()\n        return self.head(maps.view(maps.size(0), -1))\n"
    )
    where = {"architecture": "with_a_view:Net", "arguments": {"classes": 3}, "python_path": str(tmp_path)}
    spec = {**where, "weights": str(tmp_path / "w.pt"), "mean": [0.5] * 3, "std": [0.25] * 3}
    torch.save(build_network("models.net", *where.values()).state_dict(), tmp_path / "w.pt")
    network, card = import_network("net", spec, 3, SIZE)
    save_model(tmp_path, network, card)
    assert card["memory_format"] == "contiguous"
    model = load_model(str(tmp_path / "weights.safetensors"), str(tmp_path / "card.json"), "cpu", ["conv"])
    images = torch.rand(4, 3, 16, 16)
    with torch.inference_mode():
        expected = network((images - 0.5) / 0.25)
        given = images.contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(model(given), expected)
        assert torch.isfinite(Tails(model, ["conv"])(given).zeroed("conv", [[0], *[[]] * (COPIES - 1)])).all()
    trained = Task([], "net", spec, {}, 0, 1).classifier()
    trained.choose_order([(16, 16)])
    trained(given).sum().backward()
    assert trained.order() == {"memory_format": "contiguous"}
    plain = classifier(Changed())
    plain.choose_order([(16, 16)])
    assert plain.order() == {} and plain.network.conv.weight.is_contiguous(memory_format=torch.channels_last)


# -------------------------------------------------------------------------------------------------------------- sizes of images
def test_every_size_is_tried():
    network = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(2 * 30 * 30, 4))
    net, sizes = classifier(network), {"clean": (32, 32), "sketches": (32, 32), "scenes": (48, 48)}
    said = r"models.net: expected a network that takes the images of every set, 32 px of clean, sketches and 48 px of scenes, got .*shapes"
    with pytest.raises(InputError, match=rf"{said} cannot be multiplied .*; give scenes 32 px as well, or leave it out"):
        try_out("models.net", net, sizes, 4)
    with pytest.raises(InputError, match=r"takes images of 48 x 40 px, got .*; give .* size: sources.clean.geometry .it takes 32 px"):
        try_out("models.net", net, {"clean": (48, 40)}, 4)
    grey = classifier(nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    with pytest.raises(InputError, match="to have 1 channels, but got 3 channels instead; it takes 1 channel and images have 3"):
        try_out("models.net", grey, SIZE, 2)
    try_out("models.net", classifier(random_network(classes=5, width=8)), {"clean": (16, 16), "scenes": (24, 20)}, 5)


@pytest.mark.parametrize(
    ("change", "said"),
    [(lambda x: x[:, :2], "3 logits of an image of any size, got 2 at 24 px"), (lambda x: x / 0, "finite logits of images of 24")],
)
def test_logits_of_every_size_are_looked_at(change, said):
    class Sized(Changed):
        def forward(self, images):
            return super().forward(images) if images.shape[2] == 16 else change(super().forward(images))

    with pytest.raises(InputError, match=f"models.net: expected {said}"):
        try_out("models.net", classifier(Sized()), {**SIZE, "scenes": (24, 24)}, 3)


# --------------------------------------------------------------------------------------------------------------------- training
def test_a_network_is_tried_before_its_training(tmp_path):
    """Without an image read: the shards are not there."""
    (tmp_path / "nets_of_mine.py").write_text(
        "import torch\nfrom robustlens.models.miniature import AlexNet\n\n\nclass Net(AlexNet):\n"
        "    def forward(self, images):\n        return super().forward(torch.nn.functional.dropout(images))\n"
    )
    spec = {**spec_of(classes=5, width=8), "architecture": "nets_of_mine:Net", "python_path": str(tmp_path)}
    task = Task([str(tmp_path / "none")], "net", spec, {}, 0, 1, sizes=SIZE)
    with pytest.raises(InputError, match="^models.net: expected the same logits at each pass"):
        train(task, tmp_path / "after", device="cpu")


def test_a_network_may_begin_with_logits_of_zero():
    """As torchvision's vision transformers do: no gradient is no fault before the training."""
    network = Changed()
    nn.init.zeros_(network.head.weight)
    try_out("models.net", classifier(network), SIZE, None, trained=False)
    with pytest.raises(InputError, match="0 for every pixel"):
        try_out("models.net", classifier(network), SIZE, None)
