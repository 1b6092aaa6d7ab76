"""Whether the activations of a study are stored or only streamed: decided from the config alone, so that it never changes on the way."""

import hashlib
import json
from contextlib import suppress
from pathlib import Path

from robustlens.code_digest import user_code_digest
from robustlens.errors import InputError
from robustlens.files import write_json

BYTES = 2  # of a value, float16
MOST_VALUES = 300  # that a layer set gives for each pixel, as taken where this already settles it; all 53 convolutions of a ResNet-50: 221
USUAL_SIDE = 224  # px, taken where a size is not in the config: the folder of a concept set may not be there yet


def is_streamed(config: dict, cache: Path) -> bool:
    """Whether statistics of units are made without storing activations: ``activations.mode``, and for ``auto`` the size of all files.

    The size of a network's maps is counted without computing them, which takes torch some seconds, and only where it can matter; what was
    found is kept in ``cache``. Raises InputError for a network that cannot be built here.
    """
    asked = config["activations"]
    if asked["mode"] != "auto":
        return asked["mode"] == "streamed"
    sets = _image_sets(config)
    pixels = sum(n_images * side**2 for n_images, side in sets)
    if len(config["models"]) * pixels * MOST_VALUES * BYTES <= asked["largest_dump"]:
        return False
    known = _known(cache)
    before, total = dict(known), 0
    for model, spec in config["models"].items():
        for n_images, side in sets:
            key = _key(spec, side)
            if key not in known:
                known[key] = _cells(model, spec, side)
            total += n_images * known[key] * BYTES
    if known != before:
        with suppress(InputError):  # another run is writing the same
            write_json(cache, known)
    return total > asked["largest_dump"]


def largest_image(config: dict) -> int:
    """px of the largest image that a network of the study sees."""
    return max((_side(spec, USUAL_SIDE) for spec in {**config["sources"], **config["concepts"]}.values()), default=USUAL_SIDE) ** 2


def _known(cache: Path) -> dict[str, int]:
    """What was found before; nothing where it cannot be read, for it can be found again."""
    try:
        return json.loads(cache.read_text())
    except (OSError, ValueError):
        return {}


def _image_sets(config: dict) -> list[tuple[int, int]]:
    """Number and side in px of the images of each set that a network's activations are taken of."""
    sets = [(spec["n_images"], _side(spec, USUAL_SIDE)) for spec in config["concepts"].values()]
    clean = config["sources"].get("clean")
    if clean and config["activations"]["noise"]:
        sets += 2 * [(min(config["activations"]["n_images"], clean["n_images"]), _side(clean, USUAL_SIDE))]
    return sets


def _side(spec: dict, otherwise: int) -> int:
    if spec["kind"] == "embedded":
        from robustlens.stimuli.embedded import SIDE

        return SIDE
    return spec.get("geometry", {}).get("crop", otherwise)


def _key(spec: dict, side: int) -> str:
    told = {key: spec.get(key) for key in ("architecture", "arguments", "python_path", "layers")}
    told["code"] = user_code_digest(spec["architecture"], spec.get("python_path"))
    return hashlib.sha256(json.dumps([told, side], sort_keys=True).encode()).hexdigest()


def _cells(model: str, spec: dict, side: int) -> int:
    from robustlens.plan.networks import map_cells

    try:
        return map_cells(model, spec, side)
    except InputError:
        raise
    except Exception as error:  # whatever the factory of a package raises
        reason = f"auto, but the maps of {model} cannot be counted ({str(error).splitlines()[0][:150]})"
        raise InputError("activations.mode", "stored or streamed", reason) from error
