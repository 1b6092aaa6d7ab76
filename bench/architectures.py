"""Every classification model of torchvision through the parts of the study, on two pictures of 224 px: the table of docs/architectures.md.

    python bench/architectures.py [names ...]

Each network has random weights, with the batch statistics of the two pictures. It predicts, its default layers are recorded on the pictures
and on noisy ones, and from the stored maps come total variation and dissection. The rows of the names that are given (of all without any)
are written into the page one by one, cheapest network first; what is refused stands there with the reason. One thread; the largest takes
4 GB of memory.
"""

import argparse
import os
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # before NumPy is imported
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.append(str(REPOSITORY / "workflow_scripts"))

import numpy as np  # noqa: E402 (after the number of threads)
import pandas as pd  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402

import dissect  # noqa: E402
import measure_maps  # noqa: E402
import pack_concepts  # noqa: E402
from robustlens.broden import LabelledImage, write_broden  # noqa: E402
from robustlens.errors import InputError  # noqa: E402
from robustlens.inference import recorded  # noqa: E402
from robustlens.models.architectures import build_network  # noqa: E402
from robustlens.models.convolutions import convolutions  # noqa: E402
from robustlens.models.layers import default_layers  # noqa: E402
from robustlens.models.outputs import layout_of  # noqa: E402
from robustlens.models.published import architectures  # noqa: E402
from robustlens.models.registry import Classifier  # noqa: E402
from robustlens.store import ActivationWriter  # noqa: E402

PAGE = REPOSITORY / "docs/architectures.md"
COLUMNS = ("architecture", "answer", "layers", "first", "last", "units", "output of the layers", "convolutions")
HEAD = f"| {' | '.join(COLUMNS)} |\n|---|---|--:|---|---|--:|---|--:|\n"
SIDE = 224  # px
IDS = ["square.png", "noise.png"]


def try_architecture(name: str, folder: Path) -> str:
    """The row of the table of one network."""
    try:
        found = measure(name, folder)
    except InputError as error:
        return f"| `{name}` | refused: {error} | | | | | | |\n"
    layers, kinds = found["layers"], ", ".join(found["kinds"])
    ends = f"{len(layers)} | `{layers[0]}` | `{layers[-1]}`"
    return f"| `{name}` | goes through | {ends} | {found['n_units']:,} | {kinds} | {found['n_convolutions']} |\n"


def measure(name: str, folder: Path) -> dict[str, Any]:
    """``layers`` by default, ``n_units`` of all of them, ``kinds`` of their outputs, ``n_convolutions``.

    Raises InputError where the study does, and for a result that is not there for every unit.
    """
    torch.manual_seed(0)
    network = build_network(name, name, {}).requires_grad_(False).eval()
    images = torch.from_numpy(pictures()).permute(0, 3, 1, 2).float().div(255)
    settle(network, images)
    layers = default_layers(network, name, SIDE)
    kinds: dict[str, None] = {}
    model = Classifier(network, [0.5] * 3, [0.25] * 3, layers, {"model": name}).eval().to(memory_format=torch.channels_last)

    def note(part: torch.nn.Module, _: object, output: object) -> None:
        if layout := layout_of(output, part):
            kinds.setdefault(layout.kind)

    for layer in layers:
        model.layer(layer).register_forward_hook(note)
    for image_set, batch in {"clean": images, "noisy": (images + 0.08 * torch.randn_like(images)).clamp(0, 1)}.items():
        with torch.inference_mode(), recorded(model, layers) as outputs:
            if not torch.isfinite(model(batch)).all():
                raise InputError(name, "finite logits", "NaN or inf")
            store(folder / f"{image_set}.h5", name, {layer: maps.numpy() for layer, maps in outputs.items()})
    n_units = sum(maps.shape[1] for maps in outputs.values())
    manifest = str(folder / "manifest.parquet")
    paths = {key: [str(folder / f"{key}.h5")] for key in ("clean", "noisy")}
    measure_maps.main(
        **paths,
        manifest=manifest,
        smoothness=str(folder / "smoothness.parquet"),
        top_images=str(folder / "top.parquet"),
        top_maps=str(folder / "top.h5"),
        model=name,
        n_images=len(images),
        k=9,
    )
    labels, concepts, units = str(folder / "labels.h5"), str(folder / "concepts.parquet"), str(folder / "units.parquet")
    iou, categories = (str(folder / f"{table}.parquet") for table in ("iou", "categories"))
    dissect.main(paths["clean"], manifest, labels, concepts, iou, categories, units, model=name, quantile=0.005)
    for table in ("smoothness", "units"):
        if (rows := len(pd.read_parquet(folder / f"{table}.parquet"))) != n_units:
            raise InputError(table, f"a row for each of {n_units} units", rows)
    return {"layers": layers, "n_units": n_units, "kinds": kinds, "n_convolutions": len(convolutions(network))}


def pictures(side: int = SIDE) -> np.ndarray:
    """uint8 [2, side, side, 3]: a white square on black, and noise."""
    square = np.zeros((side, side, 3), np.uint8)
    square[side // 4 : side // 2, side // 4 : side // 2] = 255
    return np.stack([square, np.random.default_rng(0).integers(0, 256, square.shape, dtype=np.uint8)])


def settle(network: nn.Module, images: torch.Tensor) -> None:
    """Give every batch normalisation the statistics of the images: without them the activations of a deep network grow beyond float16."""
    normalisations = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for module in normalisations:
        module.momentum = 1.0
        module.train()
    if normalisations:
        with torch.no_grad():
            network((images - 0.5) / 0.25)
    network.eval()


def store(path: Path, model: str, maps: dict[str, np.ndarray]) -> None:
    attributes = {"model": model, "image_set": path.stem, "weights_sha256": "0" * 64, "preprocessing": "none"}
    with ActivationWriter(path, IDS, {layer: found.shape[1:] for layer, found in maps.items()}, attributes, "none") as writer:
        for layer, found in maps.items():
            writer.write(layer, 0, found)


def make_concepts(folder: Path) -> None:
    """Two labelled pictures of 56 px: each half of a picture is a concept."""
    half = np.repeat([[1, 2]], 28, axis=1).repeat(56, axis=0)
    images = [LabelledImage(name, pixels, {"color": half}, {}) for name, pixels in zip(IDS, pictures(56), strict=True)]
    write_broden(folder / "broden", {"color": ["left", "right"]}, images)
    files = (str(folder / name) for name in ("labels.h5", "concepts.parquet", "manifest.parquet"))
    pack_concepts.main(str(folder / "broden"), *files, categories=["color"], n_images=2)


def update(page: Path, name: str, row: str) -> None:
    """Put the row in its place in the table; the other rows stay."""
    text, _, table = page.read_text().partition(HEAD)
    rows = {line.split("`")[1]: f"{line}\n" for line in table.splitlines() if line.startswith("| `")} | {name: row}
    page.write_text(text + HEAD + "".join(rows[key] for key in sorted(rows)))


def cost(name: str) -> float:
    """GFLOP of a forward pass as torchvision states it, at the smallest size of its weights."""
    from torchvision.models import get_model_weights

    return min(weights.meta["_ops"] for weights in get_model_weights(name))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="models of torchvision; all without any")
    names = parser.parse_args().names or architectures()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # of factories, about their random weights
    for name in sorted(names, key=cost):
        with tempfile.TemporaryDirectory() as folder:
            make_concepts(Path(folder))
            row = try_architecture(name, Path(folder))
        update(PAGE, name, row)
        print(row, end="", flush=True)


if __name__ == "__main__":
    main()
