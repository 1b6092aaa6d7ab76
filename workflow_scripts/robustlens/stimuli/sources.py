"""The pictures that a user has, by the kind of their source in the config."""

from typing import Any

import pandas as pd

from robustlens.class_names import check_range, relabel
from robustlens.errors import InputError
from robustlens.stimuli.cifar import list_cifar
from robustlens.stimuli.idx import list_idx
from robustlens.stimuli.image_folder import list_image_folder
from robustlens.stimuli.naming import check_order, own_names, resolve
from robustlens.stimuli.packed import list_parquet
from robustlens.stimuli.published import list_cue_conflict, list_flat_imagenet, list_imagenet, list_imagenet_c, list_sixteen_classes

KINDS = ("cifar", "cue-conflict", "idx", "image-folder", "imagenet", "imagenet-c", "parquet", "sixteen-classes")


def list_labelled(spec: dict, given: list[str] | dict | None = None) -> tuple[pd.DataFrame, list[str] | None]:
    """The manifest of a source (``list_source``), and the class names that its labels index; None where it has numbers alone.

    ``given``: the list in which the names are found (:func:`robustlens.stimuli.class_names.resolve`), None for the source's own. Raises
    InputError for a class that is not in that list, and for folders that are numbers sorted as text.
    """
    rows, own = list_source(spec), own_names(spec)
    if own is None:
        if isinstance(given, list):
            check_range(spec["root"], rows, given)
        return rows, None
    if (wanted := resolve(given)) is None:
        check_order(spec, own)
        check_range(spec["root"], rows, own)
        return rows, own
    return relabel(spec["root"], rows, own, wanted), wanted


def list_source(spec: dict) -> pd.DataFrame:
    """The manifest of a source that is read in place: ``image_id, label, shape, texture, path``; paths are relative to ``root``.

    ``spec``: its entry in the config. Raises InputError for an unknown kind, and all that the reader of the kind refuses.
    """
    root: Any = spec.get("root")
    n_images: Any = spec.get("n_images")
    match spec["kind"]:
        case "image-folder":
            return list_image_folder(root, n_images, labels=spec.get("labels", "sorted"))
        case "imagenet" if "devkit" in spec:
            return list_flat_imagenet(root, n_images, devkit=spec["devkit"])
        case "imagenet":
            return list_imagenet(root, n_images, classes=spec.get("classes"))
        case "imagenet-c":
            return list_imagenet_c(root, n_images, corruption=spec["corruption"], severity=spec["severity"])
        case "cue-conflict":
            return list_cue_conflict(root, n_images)
        case "sixteen-classes":
            return list_sixteen_classes(root, n_images)
        case "cifar":
            return list_cifar(root, n_images, split=spec["split"])
        case "idx":
            return list_idx(root, n_images, split=spec["split"])
        case "parquet":
            return list_parquet(root, n_images)
    raise InputError("kind", " or ".join((", ".join(KINDS[:-1]), KINDS[-1])), spec["kind"])
