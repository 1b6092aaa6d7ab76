"""Networks that were trained elsewhere: a checkpoint becomes a network that has been tried, and the card that says how."""

from pathlib import Path
from typing import Any

from torch import nn

from robustlens.checksum import file_sha256
from robustlens.code_digest import user_code_digest
from robustlens.errors import InputError
from robustlens.models.architectures import build_network, default_arguments
from robustlens.models.checkpoints import read_checkpoint
from robustlens.models.fitting import Fitted, fit_to_network
from robustlens.models.normalisers import CLOSE
from robustlens.models.published import IMAGENET_MEAN, IMAGENET_STD, TIMM, preprocessing, torchvision_weights
from robustlens.models.registry import Classifier
from robustlens.models.trial import Sizes, try_out

RESCALED = ("GoogLeNet_Weights.", "Inception_V3_Weights.")  # converted from TensorFlow: trained on pixels on [-1, 1]


def import_network(model: str, spec: dict, n_classes: int | None = None, sizes: Sizes | None = None) -> tuple[nn.Module, dict]:
    """The network of a model's entry in the config with the weights of its checkpoint, in evaluation mode, and its card (docs/data.md).

    ``n_classes``: how many it must tell apart; ``sizes``: of the images that it will see, by set, those of clean first; None: not
    checked. Raises InputError for a checkpoint that is refused (:mod:`robustlens.models.fitting`), a normalisation that disagrees with the
    config's, and a network that :func:`robustlens.models.trial.try_out` refuses.
    """
    where, path = f"models.{model}", spec["weights"]
    checkpoint, sha256 = read_checkpoint(path), file_sha256(path)
    name = spec.get("weights_name") or _name_of(sha256)
    arguments = _arguments(where, spec, name)
    network = build_network(where, spec["architecture"], arguments, spec.get("python_path")).eval()
    fitted = fit_to_network(checkpoint, network, part=spec.get("part"), kind=spec["architecture"])
    for key, tensor in network.state_dict().items():
        tensor.copy_(fitted.tensors[key])
    prepared = normalisation(where, spec, fitted, name, _of_timm(spec, network))
    classifier = Classifier(network, prepared["mean"], prepared["std"], [], {"model": model})
    if sizes:
        try_out(where, classifier, sizes, n_classes)
    card = {
        "model": model,
        **{"architecture": spec["architecture"], "arguments": arguments, "python_path": spec.get("python_path")},
        "code": user_code_digest(spec["architecture"], spec.get("python_path")),
        **{"mean": prepared["mean"], "std": prepared["std"], "input": "[0,1] RGB", "training": spec.get("trained")},
        "source": {"file": Path(path).name, "sha256": sha256, "format": checkpoint.format, "name": name, "part": fitted.part},
        "shards": {Path(file).name: file_sha256(file) for file in checkpoint.files[1:]},
        "statistics": fitted.statistics,
        **{"renamed": fitted.renamed, "dropped": fitted.dropped, "filled": fitted.filled, "ignored": checkpoint.ignored},
        "normaliser": fitted.normaliser and dict(zip(("mean", "std"), fitted.normaliser, strict=True)),
        "preprocessing": prepared,
        **classifier.order(),
    }
    return network, card


def normalisation(where: str, spec: dict, fitted: Fitted, name: str | None, timm: tuple | None = None) -> dict[str, Any]:
    """``mean``, ``std`` (R, G, B, pixels on [0, 1]) that are applied before the network, and their ``source``.

    Of the config, else of the checkpoint, else of the published weights ``name``, else ``timm``'s for the tag of the architecture;
    ``network``: it normalises by itself, and nothing is applied before it. Raises InputError where none of these says it, and where the
    config's are others than those in the checkpoint or the network.
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
    doubt = "" if fitted.normalises else fitted.doubt or fitted.may_normalise
    if given[0]:
        source, (mean, std) = "config", given
    elif doubt or not (inside or name or timm):
        raise InputError(where, "mean and std, which its pixels are normalised with", *_not_said(spec, doubt))
    elif inside:
        source, (mean, std) = "network" if fitted.normalises else "checkpoint", inside
    else:
        source, (mean, std) = ("weights", preprocessing(name)) if name else ("timm", timm or ())
    return {"mean": list(mean), "std": list(std), "source": source}


def _not_said(spec: dict, doubt: str) -> tuple[str, str]:
    """Why nobody knows what pixels are normalised with, and what to do."""
    file = Path(spec["weights"]).name
    found = f"{doubt} ({file})" if doubt else f"neither in the config nor in {file}, which is no published file"
    tag = "name timm's tag (timm:<model>.<tag>), or " if spec["architecture"].startswith(TIMM) and "." not in spec["architecture"] else ""
    imagenet = f"ImageNet's are {IMAGENET_MEAN} and {IMAGENET_STD}"
    return found, f"{tag}give both for R, G, B on [0, 1]: {imagenet}; [0, 0, 0] and [1, 1, 1] where the network normalises by itself"


def _of_timm(spec: dict, network: nn.Module) -> tuple[list[float], list[float]] | None:
    """What timm says of the weights that an architecture ``timm:<model>.<tag>`` names; None for any other."""
    if not (spec["architecture"].startswith(TIMM) and "." in spec["architecture"]):
        return None
    about: dict = network.pretrained_cfg  # type: ignore[assignment]
    return list(about["mean"]), list(about["std"])


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
