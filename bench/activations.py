"""What storing activations costs, beside the disk and beside the forward pass that makes them, in one run.

    python bench/activations.py [--images 48] [--network resnet50] [--folder .]

Pictures of 224 px, the paper's layers of the network, random weights, one CPU thread. Ways: the same bytes written one after the other to a
plain file and forced to the disk; the activation file, from values that lie in memory (float16 check and conversion among it) and forced
to the disk, by each filter; the same read again once the system has forgotten them; the forward pass alone; the whole job of
dump_activations.py; and a plain loop of hooks that writes each block to an h5py dataset without chunks, names, checks or checksums (what
thingsvision comes to, whose packages do not go with today's NumPy). The last two load the network first, without the start of Python. Each
way runs five times, in turn; ratios are those of one turn. Prints Markdown.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
WHOLE = {"n_images": None, "scaling": "own"}  # an image set as it is
sys.path.append(str(REPOSITORY / "workflow_scripts"))

import h5py  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import torch  # noqa: E402
from timing import spread, state_goal, take_turns  # noqa: E402
from torch import Tensor  # noqa: E402
from torchvision import models  # noqa: E402

import dump_activations  # noqa: E402 (after the path)
from robustlens.images import Shard, read_shard, write_shard  # noqa: E402
from robustlens.inference import Blocks, recorded  # noqa: E402
from robustlens.job import limit_torch_threads  # noqa: E402
from robustlens.models.layers import default_layers  # noqa: E402
from robustlens.models.registry import Classifier, load_model, save_model  # noqa: E402
from robustlens.stimuli.paintings import draw_painting  # noqa: E402
from robustlens.store import COMPRESSION, ActivationWriter, open_store  # noqa: E402

SIDE, PIECE = 224, 4_000_000
MISSED = "Beside the writing stand a check of every value, the turn of the units outward, and a checksum of each chunk."
ATTRIBUTES = {"model": "net", "image_set": "clean", "weights_sha256": "", "preprocessing": ""}


def prepare(folder: Path, n_images: int, architecture: str, side: int = SIDE) -> Path:
    """A shard of pictures, and the network's weights and card beside it."""
    rows = pd.DataFrame([(f"i-{k:04d}", 0, -1, -1) for k in range(n_images)], columns=["image_id", "label", "shape", "texture"])
    pictures = (draw_painting(f"picture {k}", 0, side, side) for k in range(n_images))
    write_shard(folder / "shard.parquet", rows, pixels=pictures, origin={"kind": "image-folder"})
    torch.manual_seed(0)
    network = models.get_model(architecture, weights=None).eval()
    card = {"model": "net", "architecture": architecture, "arguments": {}, "mean": [0.5] * 3, "std": [0.25] * 3, "input": "[0,1] RGB"}
    save_model(folder, network, card)
    return folder / "shard.parquet"


def settle(path: Path) -> None:
    """Force a file to the disk and let the system forget what it holds."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def write_plain(path: Path, n_bytes: int) -> None:
    piece = os.urandom(PIECE)
    with path.open("wb", buffering=0) as file:
        for start in range(0, n_bytes, PIECE):
            file.write(piece[: min(PIECE, n_bytes - start)])
    settle(path)


def read_plain(path: Path) -> None:
    with path.open("rb", buffering=0) as file:
        while file.read(PIECE):
            pass


def write_store(path: Path, values: dict[str, np.ndarray], ids: list[str], compression: str) -> None:
    """Blocks of four images, as a CPU job has them."""
    with ActivationWriter(path, ids, {name: maps.shape[1:] for name, maps in values.items()}, ATTRIBUTES, compression) as writer:
        for start in range(0, len(ids), 4):
            for name, maps in values.items():
                writer.write(name, start, maps[start : start + 4])
    settle(path)


def read_store(path: Path) -> None:
    with open_store(path) as store:
        for layer in store.layers:
            for _ in store.blocks(layer):
                pass


def measure_files(values: dict[str, np.ndarray], ids: list[str], folder: Path) -> dict[str, np.ndarray]:
    """Seconds of each way to write and read float16 [n_images, n_units, height, width] of each layer, and turn."""
    n_bytes = sum(maps.nbytes for maps in values.values())
    ways: dict[str, Callable[[], None]] = {
        "plain file, written": lambda: write_plain(folder / "plain", n_bytes),
        "plain file, read": lambda: read_plain(folder / "plain"),
    }
    for name in COMPRESSION:
        path = folder / f"{name}.h5"
        ways[f"activations, {name}, written"] = partial(write_store, path, values, ids, name)
        ways[f"activations, {name}, read"] = partial(read_store, path)
    return take_turns(ways)


def measure_passes(files: tuple[str, str], model: Classifier, layers: list[str], shard: Shard, folder: Path) -> dict[str, np.ndarray]:
    """Seconds of the forward pass alone, of the job, and of the plain loop, and turn."""
    n_images = len(shard)

    def forward() -> None:
        with torch.inference_mode():
            for _ in Blocks(model.device, 4, n_images).run(shard, lambda images, _: model(images)):
                pass

    def dump() -> None:
        asked: dict[str, Any] = {"image_sets": {"clean": WHOLE}, "layers": layers, "compression": "none"}
        dump_activations.main(*files, [str(shard.path)], [str(folder / "dump.h5")], **asked, device="cpu", batch_size=4)

    def plain_loop() -> None:
        path, loaded = folder / "loop.h5", load_model(*files, "cpu")
        with h5py.File(path, "w") as file, torch.inference_mode(), recorded(loaded, layers, lambda _, maps: maps) as outputs:

            def write(images: Tensor, rows: slice) -> None:
                loaded(images)
                for name, maps in outputs.items():
                    if name not in file:
                        file.create_dataset(name, (n_images, *maps.shape[1:]), np.float16)
                    file[name][rows] = maps[: rows.stop - rows.start].half().numpy()

            for _ in Blocks(model.device, 4, n_images).run(shard, write):
                pass
        settle(path)

    return take_turns({"forward pass alone": forward, "dump_activations": dump, "plain loop": plain_loop})


def main(n_images: int, architecture: str, place: Path) -> None:
    limit_torch_threads()
    with tempfile.TemporaryDirectory(dir=place) as temporary:
        folder = Path(temporary)
        shard = read_shard(prepare(folder, n_images, architecture))
        files = str(folder / "weights.safetensors"), str(folder / "card.json")
        model = load_model(*files, "cpu")
        layers = default_layers(model.network, architecture, SIDE)
        with torch.inference_mode(), recorded(model, layers) as outputs:

            def kept(images: Tensor, rows: slice) -> dict[str, np.ndarray]:
                model(images)
                return {name: maps[: rows.stop - rows.start].half().numpy() for name, maps in outputs.items()}

            blocks = [found for _, found in Blocks(model.device, 4, n_images).run(shard, kept)]
        values = {name: np.concatenate([block[name] for block in blocks]) for name in layers}
        found = measure_files(values, shard.rows["image_id"].tolist(), folder)
        passes = measure_passes(files, model, layers, shard, folder)
    n_bytes = sum(maps.nbytes for maps in values.values())
    print(f"{architecture}, {n_images} pictures, {len(layers)} layers, {n_bytes / 1e6:.0f} MB of float16\n")
    print("| way | MB/s of activations | share of the plain file's |\n|---|---|---|")
    for name, seconds in found.items():
        plain = found[f"plain file, {name.rsplit(', ')[-1]}"]
        print(f"| {name} | {spread(n_bytes / 1e6 / seconds, 0)} | {spread(plain / seconds)} |")
    print("\n| way | images/s | time / forward pass | time / dump_activations |\n|---|---|---|---|")
    for name, seconds in passes.items():
        ratios = spread(seconds / passes["forward pass alone"]), spread(seconds / passes["dump_activations"])
        print(f"| {name} | {spread(n_images / seconds)} | {' | '.join(ratios)} |")
    share = found["plain file, written"] / found["activations, none, written"]
    state_goal("speed of an uncompressed activation file / speed of a plain file", share, at_least=0.7, missed=MISSED)
    state_goal(
        "time of dump_activations / time of the plain loop", passes["dump_activations"] / passes["plain loop"], at_most=1, missed=MISSED
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What storing activations costs.")
    parser.add_argument("--images", type=int, default=48, help="pictures (48)")
    parser.add_argument("--network", default="resnet50", help="of torchvision (resnet50)")
    parser.add_argument("--folder", type=Path, default=Path(), help="on the disk that is measured (here)")
    arguments = parser.parse_args()
    main(arguments.images, arguments.network, arguments.folder)
