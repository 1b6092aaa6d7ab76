"""Files that are damaged in every which way: each reader gives what it read, or one sentence (InputError), and nothing else.

Damage is drawn from a seed: cut ends, flipped bits, bytes that are spliced, zero or there twice. ``ROBUSTLENS_FUZZ`` in the environment is
how many of each file are read, 10 by itself. A file that breaks a reader is left in tests/corpus, to be kept: it is read in every run.
"""

import hashlib
import io
import json
import os
import re
import shutil
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from cifar_tree import write_tree
from PIL import Image
from safetensors.torch import save_file
from scipy.io import savemat

from robustlens.broden import LabelledImage, read_broden, write_broden
from robustlens.concepts import open_labels, pack_labels
from robustlens.counts import add_counts, write_counts
from robustlens.errors import InputError
from robustlens.idx_files import read_idx
from robustlens.images import read_manifest, read_shard, write_manifest, write_parquet, write_shard
from robustlens.models.checkpoints import read_checkpoint
from robustlens.models.filters import read_filters
from robustlens.models.training_state import read_state, write_state
from robustlens.neurons.top_maps import open_top_maps, write_top_maps
from robustlens.neurons.total_variation import SmoothnessAccumulator
from robustlens.report.behaviour import read_predictions
from robustlens.report.explorer_data import read
from robustlens.report.explorer_pictures import masks
from robustlens.report.results import read_cards, read_table
from robustlens.report.selection import read_published
from robustlens.report.tables import read_parquets
from robustlens.stimuli.cifar import list_cifar
from robustlens.stimuli.packed import list_parquet
from robustlens.stimuli.published import read_devkit
from robustlens.store import ActivationWriter, link_shards, open_store

CORPUS = Path(__file__).parents[1] / "corpus"
N_TRIALS = int(os.environ.get("ROBUSTLENS_FUZZ", 10))
SLOW = {"development-kit": 5}  # each of its trials starts a process: one in so many
IDENTITY = {"model": "net", "image_set": "clean", "weights_sha256": "abc", "preprocessing": "[0,1] RGB"}
RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
IDS = [f"i{number}" for number in range(6)]
WEIGHTS = {"maps.weight": torch.eye(3), "maps.bias": torch.arange(3.0)}


def damaged(data: bytes, random: np.random.Generator) -> bytes:
    """``data`` after one to three faults."""
    for _ in range(random.integers(1, 4)):
        start = int(random.integers(len(data) + 1))
        length = int(random.integers(1, 33))
        match random.integers(6):
            case 0:
                data = data[:start]
            case 1 if data:
                place = start % len(data)
                data = data[:place] + bytes([data[place] ^ 1 << int(random.integers(8))]) + data[place + 1 :]
            case 2:
                data = data[:start] + random.bytes(length) + data[start + length :]
            case 3:
                data = data[:start] + bytes(length) + data[start + length :]
            case 4:
                data = data[:start] + data[start // 2 : start // 2 + length] + data[start:]
            case 5:
                data = data[:start] + data[start + length :]
    return data


# ------------------------------------------------------------------------------------------------------ files, and their readers
def rows() -> pd.DataFrame:
    return pd.DataFrame({"image_id": IDS, "label": range(6), "shape": -1, "texture": -1, "path": [f"{name}.png" for name in IDS]})


def manifest(folder: Path) -> tuple[Path, Callable]:
    write_manifest(folder / "manifest.parquet", rows())
    return folder / "manifest.parquet", read_manifest


def shard(folder: Path) -> tuple[Path, Callable]:
    masks = [np.full((8, 8), 255, np.uint8)] * 6
    write_shard(folder / "shard.parquet", rows(), pixels=iter(PIXELS), masks=masks, origin={"kind": "test"})
    return folder / "shard.parquet", read_pictures


def float_shard(folder: Path) -> tuple[Path, Callable]:
    write_shard(folder / "shard.parquet", rows(), pixels=iter((PIXELS / 255).astype(np.float32)), origin={"kind": "test"})
    return folder / "shard.parquet", read_pictures


def read_pictures(path: Path) -> None:
    found = read_shard(path)
    for _ in found.batches(4):
        pass
    for row in range(len(found)):
        found.mask(row), found.original_size(row)


def picture(ending: str) -> Callable:
    def make(folder: Path) -> tuple[Path, Callable]:
        for name, pixels in zip(IDS, PIXELS, strict=True):
            Image.fromarray(pixels).save(folder / f"{name}.{ending}")
        table = rows().assign(path=[f"{name}.{ending}" for name in IDS])
        write_shard(folder / "shard.parquet", table, root=folder, geometry={"crop": 8}, origin={})
        return folder / f"{IDS[0]}.{ending}", lambda path: read_pictures(path.parent / "shard.parquet")

    return make


def packed(folder: Path) -> tuple[Path, Callable]:
    encoded = io.BytesIO()
    Image.fromarray(PIXELS[0]).save(encoded, "PNG")
    write_parquet(folder / "set.parquet", pd.DataFrame({"image": [{"bytes": encoded.getvalue(), "path": None}] * 3, "label": [0, 1, 2]}))

    def read_set(path: Path) -> None:
        listed = list_parquet(path, 3)
        write_shard(folder / "shard", listed, root=path, origin={})
        read_pictures(folder / "shard")

    return folder / "set.parquet", read_set


def activations(compression: str) -> Callable:
    def make(folder: Path) -> tuple[Path, Callable]:
        with ActivationWriter(folder / "acts.h5", IDS, {"conv": (3, 4, 4)}, IDENTITY, compression) as writer:
            writer.write("conv", 0, RANDOM.random((6, 3, 4, 4), np.float32))

        return folder / "acts.h5", read_activations

    return make


def view(folder: Path) -> tuple[Path, Callable]:
    for number, ids in enumerate((IDS[:3], IDS[3:])):
        with ActivationWriter(folder / f"shard-{number}.h5", ids, {"conv": (3, 4, 4)}, IDENTITY, "none") as writer:
            writer.write("conv", 0, RANDOM.random((3, 3, 4, 4), np.float32))
    link_shards([folder / "shard-0.h5", folder / "shard-1.h5"], folder / "view.h5", IDS)
    return folder / "view.h5", read_activations


def read_activations(path: Path) -> None:
    with open_store(path) as store:
        for layer in store.layers:
            for _ in store.blocks(layer):
                pass
            store.images(layer, store.image_ids[::2])


def counts(folder: Path) -> tuple[Path, Callable]:
    maps = RANDOM.random((6, 600, 2, 2), np.float32).astype(np.float16)
    accumulator = SmoothnessAccumulator(600)
    accumulator.add(maps, maps)
    write_counts(folder / "counts.h5", {"conv": {"smoothness": accumulator}}, IDS, IDENTITY)

    def start(layer: str, arrays: dict) -> dict:
        return {"smoothness": SmoothnessAccumulator(600)}

    return folder / "counts.h5", lambda path: add_counts([str(path)], IDS, {"smoothness"}, start)


def top_maps(folder: Path) -> tuple[Path, Callable]:
    write_top_maps(folder / "maps.h5", {"conv": RANDOM.random((20, 5, 4, 4)).astype(np.float16)})

    def read_maps(path: Path) -> None:
        with open_top_maps(path) as layers:
            top = pd.DataFrame({"unit": range(20), "rank": 0, "threshold": 0.5})
            for maps in layers.values():
                masks(maps, top)

    return folder / "maps.h5", read_maps


def broden_tree(folder: Path) -> Path:
    labels = np.repeat(np.arange(4), 16).reshape(8, 8) % 3
    images = [
        LabelledImage(f"{name}.png", pixels, {"object": labels}, {"scene": ["street"]}) for name, pixels in zip(IDS, PIXELS, strict=True)
    ]
    write_broden(folder, {"object": ["door", "wall"], "scene": ["street"]}, images)
    return folder


def broden(name: str) -> Callable:
    def make(folder: Path) -> tuple[Path, Callable]:
        def read_set(path: Path) -> None:
            found = read_broden(folder, ["object", "scene"])
            for _ in found:
                pass
            pack_labels(found, folder / "labels.h5", folder / "concepts.parquet")

        return broden_tree(folder) / name, read_set

    return make


def labels(name: str) -> Callable:
    def make(folder: Path) -> tuple[Path, Callable]:
        pack_labels(read_broden(broden_tree(folder), ["object", "scene"]), folder / "labels.h5", folder / "concepts.parquet")

        def read_labels(path: Path) -> None:
            with open_labels(folder / "labels.h5", folder / "concepts.parquet") as found:
                found.planes(slice(0, len(found))), found.image_labels(0)

        return folder / name, read_labels

    return make


def checkpoint(name: str, content: object = WEIGHTS, **options: object) -> Callable:
    def make(folder: Path) -> tuple[Path, Callable]:
        save_file(content, folder / name) if name.endswith("safetensors") else torch.save(content, folder / name, **options)
        return folder / name, lambda path: read_checkpoint(str(path))

    return make


def index(name: str) -> Callable:
    def make(folder: Path) -> tuple[Path, Callable]:
        save_file(WEIGHTS, folder / "shard.safetensors")
        (folder / "net.index.json").write_text(json.dumps({"weight_map": dict.fromkeys(WEIGHTS, "shard.safetensors")}))
        return folder / name, lambda path: read_checkpoint(str(folder / "net.index.json"))

    return make


def tfjs(name: str) -> Callable:
    def make(folder: Path) -> tuple[Path, Callable]:
        shapes = {"conv1/kernel": [2, 2, 3, 4], "conv1/bias": [4], "bn_conv1/moving_mean": [4]}
        weights = [{"name": key, "shape": shape, "dtype": "float32"} for key, shape in shapes.items()]
        (folder / "model.json").write_text(json.dumps({"weightsManifest": [{"paths": ["group1-shard1of1"], "weights": weights}]}))
        (folder / "group1-shard1of1").write_bytes(np.arange(56, dtype="<f4").tobytes())
        return folder / name, lambda path: read_checkpoint(str(folder / "model.json"))

    return make


def state(folder: Path) -> tuple[Path, Callable]:
    write_state(folder / "state", WEIGHTS, {"state": {0: {"momentum": torch.ones(3)}}, "param_groups": [{"lr": 0.1}]}, epoch=3)
    return folder / "state", read_state


def filters(name: str) -> Callable:
    def make(folder: Path) -> tuple[Path, Callable]:
        save_file({"conv.weight": torch.ones(2, 3, 3, 3)}, folder / "weights.safetensors")
        (folder / "card.json").write_text(json.dumps({"convolutions": ["conv"], "model": "net"}))
        return folder / name, lambda path: read_filters(str(folder / "weights.safetensors"), str(folder / "card.json"))

    return make


def idx(packed: bool) -> Callable:
    def make(folder: Path) -> tuple[Path, Callable]:
        import gzip

        data = bytes([0, 0, 8, 3, 0, 0, 0, 6, 0, 0, 0, 8, 0, 0, 0, 8]) + PIXELS[..., 0].tobytes()
        path = folder / ("images.gz" if packed else "images")
        path.write_bytes(gzip.compress(data) if packed else data)
        return path, lambda path: read_idx(path, 3)

    return make


def cifar(layout: str, name: str) -> Callable:
    def make(folder: Path) -> tuple[Path, Callable]:
        write_tree(folder, layout, 2)
        return folder / name, lambda path: list_cifar(folder, 2, split="test")

    return make


def predictions(folder: Path) -> tuple[Path, Callable]:
    table = (
        rows()
        .drop(columns="path")
        .assign(model="net", stimulus="clean", top5=[[0, 1, 2, 3, 4]] * 6, probabilities=[[0.5, 0.5]] * 6, loss=0.1)
    )
    table = table.astype({"label": "int32", "shape": "int32", "texture": "int32"})
    write_parquet(folder / "predictions.parquet", table)
    return folder / "predictions.parquet", lambda path: read_predictions([str(path)])


def top_images(folder: Path) -> tuple[Path, Callable]:
    columns = {"layer": "conv", "unit": range(6), "rank": 0, "image_id": IDS, "activation": 0.5, "row": 1, "column": 2}
    write_parquet(folder / "top_images.parquet", pd.DataFrame(columns))
    return folder / "top_images.parquet", lambda path: (read(str(path), "top_images"), read_parquets([str(path)]))


def table(folder: Path) -> tuple[Path, Callable]:
    columns = {"claim": ["a", "b"], "value": [0.25, 1.5], "text": ["on, and", 'off "x"']}
    pd.DataFrame(columns).to_csv(folder / "table.csv", index=False)
    return folder / "table.csv", read_table


def card(folder: Path) -> tuple[Path, Callable]:
    (folder / "card.json").write_text(json.dumps({"model": "net", "mean": [0.5] * 3}))
    return folder / "card.json", lambda path: read_cards([str(path)])


def development_kit(folder: Path) -> tuple[Path, Callable]:
    (folder / "data").mkdir()
    (folder / "data/ILSVRC2012_validation_ground_truth.txt").write_text("1\n")
    synset = np.array([(1, "n01440764", 0)], [(name, object) for name in ("ILSVRC2012_ID", "WNID", "num_children")])
    savemat(folder / "data/meta.mat", {"synsets": synset})
    return folder / "data/meta.mat", lambda path: read_devkit(folder)


def names(folder: Path) -> tuple[Path, Callable]:
    np.save(folder / "names.npy", np.array(IDS))
    return folder / "names.npy", read_published


FILES = {
    "manifest": manifest,
    "shard": shard,
    "float shard": float_shard,
    **{f"{ending} picture": picture(ending) for ending in ("png", "jpg", "webp", "bmp", "tif", "gif")},
    "packed": packed,
    **{f"activations {compression}": activations(compression) for compression in ("none", "lzf", "gzip")},
    "view": view,
    "counts": counts,
    "top maps": top_maps,
    **{f"broden {name}": broden(name) for name in ("index.csv", "label.csv", "category.csv", "c_object.csv", "images/i0_object.png")},
    **{f"packed {name}": labels(name) for name in ("labels.h5", "concepts.parquet")},
    "state dict": checkpoint("net.pth"),
    "state dict with objects": checkpoint("net.pth", {"model": WEIGHTS, "path": Path("x"), "mean": np.arange(3.0)}),
    "legacy state dict": checkpoint("net.pth", _use_new_zipfile_serialization=False),
    "legacy with objects": checkpoint("net.pth", {"model": WEIGHTS, "path": Path("x")}, _use_new_zipfile_serialization=False),
    "safetensors": checkpoint("net.safetensors"),
    "index of shards": index("net.index.json"),
    "shard of an index": index("shard.safetensors"),
    **{f"tfjs {name}": tfjs(name) for name in ("model.json", "group1-shard1of1")},
    "training state": state,
    **{f"filters {name}": filters(name) for name in ("weights.safetensors", "card.json")},
    "idx": idx(False),
    "packed idx": idx(True),
    "cifar pickle": cifar("py", "test_batch"),
    "cifar binary": cifar("bin", "test_batch.bin"),
    "cifar png": cifar("png", "test_batch.png"),
    "cifar labels": cifar("png", "test_lables.json"),
    "predictions": predictions,
    "top images": top_images,
    "table": table,
    "card": card,
    "names": names,
    "development kit": development_kit,
}


SLUGS = {re.sub(r"\W+", "-", kind): kind for kind in FILES}


def is_refused(read_file: Callable, path: Path) -> bool:
    """Whether the file is refused, in one sentence, or read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of readers, on what they find
        try:
            read_file(path)
        except InputError as error:
            assert "\n" not in str(error)
            return True
    return False


@pytest.mark.parametrize("slug", SLUGS)
def test_what_is_damaged_is_read_or_refused(tmp_path, slug):
    path, read_file = FILES[SLUGS[slug]](tmp_path)
    whole, n_refused = path.read_bytes(), 0
    read_file(path)
    for trial in range(N_TRIALS // SLOW.get(slug, 1)):
        path.write_bytes(damaged(whole, np.random.default_rng([zlib.crc32(slug.encode()), trial])))
        try:
            n_refused += is_refused(read_file, path)
        except Exception:
            kept = CORPUS / f"{slug}.{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}"
            kept.parent.mkdir(exist_ok=True)
            shutil.copy(path, kept)
            raise
    assert n_refused, "nothing was noticed"


@pytest.mark.parametrize("name", sorted(path.name for path in CORPUS.iterdir()))
def test_what_once_broke_a_reader(tmp_path, name):
    path, read_file = FILES[SLUGS[name.partition(".")[0]]](tmp_path)
    shutil.copy(CORPUS / name, path)
    is_refused(read_file, path)
