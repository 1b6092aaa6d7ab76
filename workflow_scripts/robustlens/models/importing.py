"""Networks that were trained elsewhere: a checkpoint becomes a network that has been tried, and the card that says how."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from robustlens.checksum import file_sha256
from robustlens.code_digest import user_code_digest
from robustlens.errors import InputError
from robustlens.models.architectures import build_network, default_arguments
from robustlens.models.checkpoints import read_checkpoint
from robustlens.models.fitting import Fitted, fit_to_network
from robustlens.models.published import IMAGENET_MEAN, IMAGENET_STD, preprocessing, torchvision_weights
from robustlens.models.registry import Classifier
from robustlens.randomness import generator

CLOSE = 1e-3  # of the normalisation that a checkpoint holds to that of the config
RESCALED = ("GoogLeNet_Weights.", "Inception_V3_Weights.")  # converted from TensorFlow: trained on pixels on [-1, 1]


def import_network(model: str, spec: dict, n_classes: int | None = None, input_size: int | None = None) -> tuple[nn.Module, dict]:
    """The network of a model's entry in the config with the weights of its checkpoint, in evaluation mode, and its card (docs/data.md).

    ``n_classes``: how many it must tell apart; ``input_size``: side in px of the images that it is tried on; None: not checked. Raises
    InputError for a checkpoint that is refused (:mod:`robustlens.models.fitting`), a normalisation that disagrees with the config's, and a
    network that refuses the images or gives no finite ``[n_images, n_classes]``.
    """
    where, path = f"models.{model}", spec["weights"]
    checkpoint, sha256 = read_checkpoint(path), file_sha256(path)
    name = spec.get("weights_name") or _name_of(sha256)
    arguments = _arguments(where, spec, name)
    network = build_network(where, spec["architecture"], arguments, spec.get("python_path")).eval()
    fitted = fit_to_network(checkpoint, network, part=spec.get("part"), kind=spec["architecture"])
    for key, tensor in network.state_dict().items():
        tensor.copy_(fitted.tensors[key])
    prepared = normalisation(where, spec, fitted, name)
    if input_size is not None:
        classifier = Classifier(network, prepared["mean"], prepared["std"], [], {"model": model})
        try_out(where, classifier, input_size, n_classes)
    card = {
        "model": model,
        **{"architecture": spec["architecture"], "arguments": arguments, "python_path": spec.get("python_path")},
        "code": user_code_digest(spec["architecture"], spec.get("python_path")),
        **{"mean": prepared["mean"], "std": prepared["std"], "input": "[0,1] RGB", "training": spec.get("trained")},
        "source": {"file": Path(path).name, "sha256": sha256, "format": checkpoint.format, "name": name, "part": fitted.part},
        **{"renamed": fitted.renamed, "dropped": fitted.dropped, "filled": fitted.filled, "ignored": checkpoint.ignored},
        "normaliser": fitted.normaliser and dict(zip(("mean", "std"), fitted.normaliser, strict=True)),
        "preprocessing": prepared,
    }
    return network, card


def normalisation(where: str, spec: dict, fitted: Fitted, name: str | None) -> dict[str, Any]:
    """``mean``, ``std`` (R, G, B, pixels on [0, 1]) that are applied before the network, and their ``source``.

    Of the config, else of the checkpoint, else of the published weights ``name``, else ImageNet's; ``network``: it normalises by itself,
    and nothing is applied before it. Raises InputError where the config's are others than those in the checkpoint or the network.
    """
    given: list[Any] = [spec.get("mean"), spec.get("std")]
    if given.count(None) == 1:
        raise InputError(where, "both mean and std, or neither", "mean" if given[0] else "std")
    inside = ([0.0] * 3, [1.0] * 3) if fitted.normalises else fitted.normaliser
    if given[0] and inside:
        for key, values, found in zip(("mean", "std"), given, inside, strict=True):
            if max(abs(a - b) for a, b in zip(values, found, strict=True)) > CLOSE:
                what = "for a network that normalises by itself" if fitted.normalises else "as in the checkpoint"
                mend = "leave out mean and std, or give those"
                raise InputError(f"{where}.{key}", f"{_shown(found)} {what} {spec['weights']}", _shown(values), mend)
    source = "config" if given[0] else "network" if fitted.normalises else "checkpoint" if inside else "weights" if name else "imagenet"
    mean, std = given if given[0] else inside or (preprocessing(name) if name else (IMAGENET_MEAN, IMAGENET_STD))
    return {"mean": list(mean), "std": list(std), "source": source}


def try_out(where: str, classifier: Classifier, input_size: int, n_classes: int | None) -> torch.Tensor:
    """Logits float32 [2, n_classes] of two images of random pixels, ``input_size`` px wide and high.

    Raises InputError for a network that refuses that size, and for other or more or fewer outputs, and NaN or inf among them.
    """
    images = torch.from_numpy(generator(0, "import").random((2, 3, input_size, input_size), dtype="float32"))
    try:
        with torch.inference_mode():
            logits = classifier.eval()(images)
    except Exception as error:  # a network is anybody's code
        reason = " ".join((str(error) or type(error).__name__).split())[:200]
        mend = "give the images another size: sources.clean.geometry"
        raise InputError(where, f"a network that takes images of {input_size} px", reason, mend) from error
    if not isinstance(logits, torch.Tensor) or logits.ndim != 2 or len(logits) != 2:
        found = list(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise InputError(where, "logits [n_images, n_classes] for 2 images", found)
    if n_classes is not None and logits.shape[1] != n_classes:
        raise InputError(where, f"a network that decides among the study's {n_classes} classes", f"one among {logits.shape[1]}")
    if not torch.isfinite(logits).all():
        raise InputError(where, "finite logits", "NaN or inf", "check its weights and arguments; the images were random pixels")
    return logits


def _arguments(where: str, spec: dict, name: str | None) -> dict:
    """Arguments of the architecture, those that a bare name has by itself and that published weights demand among them."""
    arguments = {**default_arguments(spec["architecture"], brought=True), **spec["arguments"]}
    demanded = name is not None and name.startswith(RESCALED)
    if demanded and not arguments.setdefault("transform_input", True):
        raise InputError(f"{where}.arguments.transform_input", f"true, as {name} demands", "false")
    return arguments


def _name_of(sha256: str) -> str | None:
    """Of which weights of torchvision a file is, by its digest, whose first digits stand in their addresses; None for none."""
    rows = torchvision_weights()
    digits = rows["url"].str.extract(r"-([0-9a-f]{8,})\.pth$", expand=False)
    found = rows["weights"][[sha256.startswith(start) for start in digits]]
    return found.iloc[0] if len(found) else None


def _shown(values: list[float]) -> str:
    return ", ".join(f"{value:.3f}" for value in values)
