"""Networks by name: building an architecture, loading its weights, and the card that says what they are."""

import json
import logging
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from robustlens import imagenet
from robustlens.checksum import file_sha256
from robustlens.class_names import LIST, shown
from robustlens.code_digest import user_code_digest
from robustlens.devices import claim_device
from robustlens.errors import InputError, refusing
from robustlens.files import replacing, write_json
from robustlens.images import Shard
from robustlens.models.architectures import build_network
from robustlens.models.convolutions import describe_kernels
from robustlens.models.outputs import evaluating, logits_of

log = logging.getLogger("robustlens")

CONTIGUOUS = "contiguous"


class Classifier(nn.Module):
    """A network that takes pixels: float32 [n_images, 3, height, width] on [0, 1]; it normalises inside, and only here.

    Attributes: ``network``, ``layers`` (names of the layers studied, paths of modules of ``network``), ``card``, ``contiguous`` (whether
    images and weights lie in torch's own order and not channels last, as the card's ``memory_format`` says).
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, mean: list[float], std: list[float], layers: list[str], card: dict | None = None):
        super().__init__()
        self.network, self.layers, self.card = network, layers, card or {}
        self.contiguous = self.card.get("memory_format") == CONTIGUOUS
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.mean.device

    def forward(self, images: Tensor) -> Tensor:
        normalised = (images - self.mean) / self.std  # a copy, which the network may change in place
        return logits_of(self.network(normalised.contiguous() if self.contiguous else normalised))

    def arranged(self) -> "Classifier":
        """Itself, its weights in the order in memory that it computes in."""
        return self.to(memory_format=torch.contiguous_format if self.contiguous else torch.channels_last)

    def choose_order(self, sizes: Iterable[tuple[int, int]]) -> None:
        """Compute channels last, which is faster; but contiguous where only so it takes images of each of ``sizes`` (height, width; px),
        as a network does that flattens its maps with ``view``. Changes neither mode nor numbers."""
        sides, taken = set(sizes), []
        for self.contiguous in (False, True):
            self.arranged()
            taken.append(sum(self._takes(size) for size in sides))
            if taken[0] == len(sides):
                return
        self.contiguous = taken[1] > taken[0]
        self.arranged()

    def _takes(self, size: tuple[int, int]) -> bool:
        images = torch.zeros(2, 3, *size, device=self.device).contiguous(memory_format=torch.channels_last)
        with evaluating(self), torch.no_grad(), suppress(Exception, SystemExit):  # a network is anybody's code
            self(images)
            return True
        return False

    def order(self) -> dict[str, str]:
        """What the card says of it: ``memory_format`` where it is contiguous, else nothing."""
        return {"memory_format": CONTIGUOUS} if self.contiguous else {}

    def layer(self, name: str) -> nn.Module:
        """The module of a layer. Raises InputError for an unknown one."""
        try:
            return self.network.get_submodule(name)
        except AttributeError:
            known = ", ".join(list(dict(self.network.named_children()))[:12])
            raise InputError(f"models.{self.card.get('model', '?')}.layers", f"a module such as {known}", name) from None


LITE_MEAN, LITE_STD = (124.69 / 255, 118.69 / 255, 109.54 / 255), 0.224  # R, G, B on [0, 1]; one deviation


def scale_as_lite(model: Classifier, twice: bool) -> None:
    """Let the network see what NetDissect-Lite feeds it: pixels minus a mean of its own, over 0.224; ``twice``: then normalised as its own.

    The second is what the released code of arXiv 2006.09373 does to networks that are wrapped with their normaliser.
    """
    mean = torch.tensor(LITE_MEAN, device=model.device).view(1, 3, 1, 1)
    std = torch.full_like(mean, LITE_STD)
    model.mean, model.std = (mean + std * model.mean, std * model.std) if twice else (mean, std)


def check_labels(shard: Shard, n_classes: int, card: dict, *, known: bool = True, classes: str | None = None) -> None:
    """Raise InputError for labels that are not among the ``n_classes`` that the network of ``card`` decides among.

    For names of classes as :func:`check_names` does; and for an image whose label is no such class. Without ``known`` -1 (unknown) passes.
    """
    check_names(shard, n_classes, card, classes)
    labels = shard.rows["label"].to_numpy()
    wrong = np.flatnonzero((labels < (0 if known else -1)) | (labels >= n_classes))
    if len(wrong):
        where = f"{shard.path} [{shard.rows['image_id'].iloc[wrong[0]]}]"
        raise InputError(where, f"a label below the {n_classes} classes of {card['model']}", f"{labels[wrong[0]]}")


def check_names(shard: Shard, n_classes: int, card: dict, classes: str | None = None) -> None:
    """Raise InputError for labels by other class names than the network of ``card`` learned here, and for other than ``n_classes`` names
    where it learned elsewhere. ``classes``: a set of ImageNet's among which is decided instead, for networks of ImageNet's classes alone.
    """
    names, learned = shard.classes, card.get("classes")
    if classes is not None:
        if learned and learned != imagenet.classes()["wnid"].tolist():
            raise InputError(f"models.{card['model']}", f"ImageNet's classes, for {classes}", f"{len(learned)} others: {shown(learned)}")
        return
    if names is None or names == learned:
        return
    found = f"{len(names)} classes ({shown(names)}) in {source_of(shard)}"
    if learned:
        asked = f"labels by the {len(learned)} classes that it learned ({shown(learned)})"
        raise InputError(f"models.{card['model']}", asked, found, f"{LIST}, and run again")
    if isinstance(card.get("source"), dict) and len(names) != n_classes:  # a file: it learned elsewhere
        raise InputError(f"models.{card['model']}", f"a class name for each of its {n_classes} outputs", found, LIST)


def source_of(shard: Shard) -> object:
    """What to call the images of a shard in messages: the source in the config that they come from; else the file."""
    origin = shard.origin
    while "made_from" in origin:
        origin = origin["made_from"]
    return origin.get("source", shard.path)


def check_layers(model: str, network: nn.Module, layers: Iterable[str]) -> None:
    """Raise InputError for a name that is no module of ``network``: asked before anything is computed with it."""
    known = [name for name, _ in network.named_modules() if name]
    for layer in layers:
        if layer not in known:
            like = get_close_matches(layer, known, 3) or [name for name in known if "." not in name][:12]
            mend = "leave layers out, and `snakemake layers` lists all"
            raise InputError(f"models.{model}.layers", f"a module of the network such as {', '.join(like)}", layer, mend)


def save_model(folder: Path, network: nn.Module, card: dict) -> None:
    """Write ``weights.safetensors`` and ``card.json`` (with the weights' sha256 and what is known of the convolutions) into ``folder``."""
    save_weights(folder / "weights.safetensors", network)
    described = describe_kernels(network)
    if described["unmeasured"]:
        log.info("no filters are measured of %s: not one kernel of its own", ", ".join(described["unmeasured"]))
    card = {**card, **described, "sha256": file_sha256(folder / "weights.safetensors")}
    write_json(folder / "card.json", card)


def save_weights(path: Path, network: nn.Module) -> None:
    """Write a state dict as safetensors; tensors that share memory (tied weights) are written each."""
    with replacing(path) as temporary:
        save_file({name: tensor.contiguous().clone() for name, tensor in network.state_dict().items()}, temporary)


def load_model(weights: str, card: str, device: str, layers: Sequence[str] = ()) -> Classifier:
    """The classifier of a ``weights.safetensors`` and its ``card.json``, in evaluation mode on ``device``; ``layers`` to be studied.

    Claims the device for this process (:func:`robustlens.devices.claim_device`). Raises InputError for a weights file that is not
    the card's, for code of the user's that was edited since, and for a device that is not there.
    """
    network, description = load_network(weights, card)
    found = file_sha256(weights)
    if found != description["sha256"]:
        raise InputError(weights, f"sha256 {description['sha256'][:16]}... of {card}", f"{found[:16]}...")
    classifier = Classifier(network, description["mean"], description["std"], list(layers), description)
    return classifier.eval().requires_grad_(False).to(claim_device(device)).arranged()


def load_network(weights: str, card: str) -> tuple[nn.Module, dict]:
    """The network of a card with the tensors of a safetensors file, which need not be those of the card, and the card's content.

    Raises InputError for a file that does not fit, and for code of the user's that was edited since.
    """
    with refusing(card, "a model's card (JSON)"):
        description = json.loads(Path(card).read_text())
        if missing := [key for key in ("model", "architecture", "arguments", "mean", "std", "sha256") if key not in description]:
            raise InputError(card, "a model's card", f"no {', '.join(missing)}")
    where = f"models.{description['model']}"
    code = user_code_digest(description["architecture"], description.get("python_path"))
    if code != description.get("code", code):
        what = f"the code of {description['architecture']} as it was when {Path(card).name} was written"
        raise InputError(f"{where}.architecture", what, "code that was edited since", "run again: the network is imported or trained again")
    network = build_network(where, description["architecture"], description["arguments"], description.get("python_path"))
    load_weights(network, weights)
    return network, description


def load_weights(network: nn.Module, weights: str) -> None:
    """Load a safetensors file into ``network``. Raises InputError where the two do not fit."""
    try:
        state = OrderedDict(load_file(weights))
        # Versions of modules, without which MNASNet loads nothing; the types of torch do not tell this attribute.
        state._metadata = network.state_dict()._metadata  # type: ignore[attr-defined]
        network.load_state_dict(state)
    except (SafetensorError, OSError) as error:
        raise InputError(weights, "a safetensors file", str(error).splitlines()[0]) from error
    except RuntimeError as error:
        raise InputError(weights, f"the weights of {type(network).__name__}", " ".join(str(error).split())[:300]) from error
