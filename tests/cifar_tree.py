"""Small sets of pictures in each of the three layouts in which CIFAR-10 is kept."""

import json
import struct
from pathlib import Path

import numpy as np
from PIL import Image

FILES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]


def pictures(n_images: int, seed: int = 0) -> tuple[np.ndarray, list[int]]:
    """uint8 ``[n_images, 32, 32, 3]``: stripes of a width and colour of the class, with noise; labels 0 to 9 in turn."""
    random = np.random.default_rng(seed)
    labels = [int(label) for label in np.arange(n_images) % 10]
    colours = np.random.default_rng(99).integers(60, 256, (10, 3))
    columns = np.arange(32)
    drawn = [(columns // (1 + label % 5) % 2)[None, :, None] * colours[label] * np.ones((32, 1, 1)) for label in labels]
    noisy = np.stack(drawn) + random.normal(0, 20, (n_images, 32, 32, 3)) if n_images else np.zeros((0, 32, 32, 3))
    return noisy.clip(0, 255).astype(np.uint8), labels


def planes(drawn: np.ndarray) -> np.ndarray:
    """uint8 ``[n_images, 3072]``: all of red, all of green, all of blue."""
    return drawn.transpose(0, 3, 1, 2).reshape(len(drawn), -1)


def write_tree(root: Path, layout: str, per_file: int) -> dict[str, tuple[np.ndarray, list[int]]]:
    """Six files of ``per_file`` pictures in ``layout`` (``py``, ``bin`` or ``png``), and what is in each."""
    root.mkdir(parents=True, exist_ok=True)
    made = {name: pictures(per_file, seed) for seed, name in enumerate(FILES)}
    for name, (drawn, labels) in made.items():
        if layout == "py":
            (root / name).write_bytes(python2_pickle({"batch_label": name, "labels": labels, "data": planes(drawn), "filenames": []}))
        elif layout == "bin":
            (root / f"{name}.bin").write_bytes(np.column_stack([np.array(labels, np.uint8), planes(drawn)]).tobytes())
        else:
            Image.fromarray(drawn.reshape(per_file, 1024, 3)).save(root / f"{name}.png")
    if layout == "png":
        (root / "train_lables.json").write_text(json.dumps([label for name in FILES[:5] for label in made[name][1]]))
        (root / "test_lables.json").write_text(json.dumps(made["test_batch"][1]))
    return made


def python2_pickle(value: dict, data_type: str = "u1") -> bytes:
    """A pickle of protocol 2 as Python 2 and its NumPy wrote those of CIFAR-10: text and pixels as byte strings."""
    return b"\x80\x02" + _opcodes(value, data_type) + b"."


def _opcodes(value: object, data_type: str) -> bytes:
    match value:
        case dict():
            return b"}(" + b"".join(_opcodes(part, data_type) for item in value.items() for part in item) + b"u"
        case list():
            return b"](" + b"".join(_opcodes(part, data_type) for part in value) + b"e"
        case tuple():
            return b"(" + b"".join(_opcodes(part, data_type) for part in value) + b"t"
        case bool():
            return b"\x89" if value is False else b"\x88"
        case None:
            return b"N"
        case int():
            return b"J" + struct.pack("<i", value)
        case str():
            return _opcodes(value.encode(), data_type)
        case bytes():
            return b"T" + struct.pack("<I", len(value)) + value
        case np.ndarray():
            begin = b"cnumpy.core.multiarray\n_reconstruct\n" + b"(cnumpy\nndarray\n" + _opcodes((0,), "") + _opcodes(b"b", "") + b"tR"
            kind = b"cnumpy\ndtype\n" + _opcodes((data_type, 0, 1), "") + b"R"
            kind += _opcodes((3, "|", None, None, None, -1, -1, 0), "") + b"b"
            return (
                begin
                + b"("
                + _opcodes(1, "")
                + _opcodes(value.shape, "")
                + kind
                + _opcodes(False, "")
                + _opcodes(value.tobytes(), "")
                + b"tb"
            )
    raise TypeError(value)
