"""count_values, find_thresholds, tally_concepts, add_tallies, compare_maps, add_maps: the tables of stored activations, to the byte."""

import json

import h5py
import numpy as np
import pandas as pd
import pytest

import add_maps
import add_tallies
import compare_maps
import count_values
import dissect
import dump_activations
import find_thresholds
import measure_maps
import tally_concepts
from robustlens.errors import InputError
from robustlens.images import write_manifest
from tiny import cut_shards, image_rows, make_model, pictures

N, SIDE, LAYERS = 37, 9, ["conv1", "conv3"]
MACHINE = {"device": "cpu", "batch_size": 20}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Weights, card, manifest, labels and concepts of a random network and of random pictures; the tables by stored activations."""
    folder = tmp_path_factory.mktemp("streamed")
    found = {"folder": folder, "model": make_model(folder / "net"), "rows": image_rows(N)}
    found["pixels"] = {"clean": pictures(N), "noisy": pictures(N, seed=1)}
    write_manifest(folder / "manifest.parquet", found["rows"].assign(path=""))
    draw = np.random.default_rng(0)
    with h5py.File(folder / "labels.h5", "w") as file:
        file["planes"] = draw.integers(0, 4, (N, 2, SIDE, SIDE)).astype(np.uint16)
        file["image_labels"] = draw.integers(3, 5, (N, 1)).astype(np.uint16)
        file.create_dataset("image_id", data=found["rows"]["image_id"].tolist(), dtype=h5py.string_dtype())
        file.attrs["categories"] = json.dumps(["color", "object"])
    concepts = pd.DataFrame({"number": [1, 2, 3, 4], "name": list("abcd"), "category": ["color", "color", "object", "scene"]})
    concepts.assign(n_images=N, pixels=1, area=0.1, perimetric_complexity=1.0).to_parquet(folder / "concepts.parquet")
    found["labels"] = [str(folder / "labels.h5"), str(folder / "concepts.parquet")]
    stored(found, folder / "stored")
    return found


def shards_of(made, folder, name, size):
    (folder / name).mkdir(parents=True)
    return [str(shard.path) for shard in cut_shards(folder / name, made["pixels"][name], made["rows"], size)]


def dissected(folder):
    return [str(folder / table) for table in ("iou", "categories", "units")]


def stored(made, folder):
    names, manifest = ("clean", "noisy"), str(made["folder"] / "manifest.parquet")
    parts: dict[str, list[str]] = {name: [] for name in names}
    sets = {name: {"n_images": None, "scaling": "own"} for name in names}
    for number, shards in enumerate(zip(*(shards_of(made, folder, name, 20) for name in names), strict=True)):
        for name in names:
            parts[name].append(str(folder / f"{name}-{number}.h5"))
        dump_activations.main(
            *made["model"], list(shards), [parts[name][-1] for name in names], image_sets=sets, layers=LAYERS, compression="none", **MACHINE
        )
    asked = {"model": "net", "quantile": 0.05, "denominator": "lite"}
    dissect.main(parts["clean"], manifest, *made["labels"], *dissected(folder), **asked)
    tables = [str(folder / name) for name in ("smoothness", "top", "top_maps")]
    measure_maps.main(parts["clean"], parts["noisy"], manifest, *tables, model="net", n_images=N, k=4)


def streamed(made, folder, size, order):
    """The same tables from parts of ``size`` images, which are added in the order of ``order``."""
    manifest, shards = str(made["folder"] / "manifest.parquet"), shards_of(made, folder, "clean", size)
    noisy = shards_of(made, folder, "noisy", size)
    common = {"image_set": "clean", "scaling": "own", **MACHINE}
    parts = {kind: [str(folder / f"{kind}-{number}.h5") for number in range(len(shards))] for kind in ("values", "tallies", "maps")}
    thresholds = str(folder / "thresholds")
    for shard, counts in zip(shards, parts["values"], strict=True):
        count_values.main(*made["model"], shard, counts, layers=LAYERS, **common)
    find_thresholds.main(parts["values"][::order], manifest, thresholds, model="net", quantile=0.05)
    for shard, counts in zip(shards, parts["tallies"], strict=True):
        tally_concepts.main(*made["model"], shard, thresholds, *made["labels"], counts, denominator="lite", **common)
    tables = dissected(folder)
    add_tallies.main(parts["tallies"][::order], manifest, thresholds, made["labels"][1], *tables, model="net", denominator="lite")
    for clean, other, counts in zip(shards, noisy, parts["maps"], strict=True):
        compare_maps.main(*made["model"], clean, other, counts, layers=LAYERS, n_images=N, k=4, **MACHINE)
    tables = [str(folder / name) for name in ("smoothness", "top", "top_maps")]
    add_maps.main(parts["maps"][::order], manifest, *tables, model="net", n_images=N, k=4)
    return parts


@pytest.mark.parametrize(("size", "order"), [(37, 1), (10, -1), (9, 1)])  # the last shard of 9 has one image
def test_any_cut_gives_the_tables_of_stored_activations(made, tmp_path, size, order):
    streamed(made, tmp_path, size, order)
    for table in ("iou", "categories", "units", "smoothness", "top", "top_maps"):
        assert (tmp_path / table).read_bytes() == (made["folder"] / "stored" / table).read_bytes(), table
    assert pd.read_parquet(tmp_path / "iou")["intersection"].sum() > 100
    units, thresholds = pd.read_parquet(tmp_path / "units"), pd.read_parquet(tmp_path / "thresholds")
    pd.testing.assert_frame_equal(units[thresholds.columns], thresholds)


def test_parts_that_do_not_belong_together_are_refused(made, tmp_path):
    parts = streamed(made, tmp_path, 20, 1)
    manifest, target = str(made["folder"] / "manifest.parquet"), str(tmp_path / "again")
    with pytest.raises(InputError, match="expected the 37 images of the manifest, each once, got 17 missing"):
        find_thresholds.main(parts["values"][:1], manifest, target, model="net", quantile=0.05)
    with pytest.raises(InputError, match="20 there more than once"):
        find_thresholds.main([*parts["values"], parts["values"][0]], manifest, target, model="net", quantile=0.05)
    other = str(tmp_path / "other.h5")
    shard = str(tmp_path / "clean/shard-1.parquet")
    common = {"image_set": "clean", **MACHINE}
    count_values.main(*made["model"], shard, other, layers=LAYERS, scaling="lite", **common)
    expected = r"other.h5: expected preprocessing '\[0,1\] RGB, .*' as in .*values-0.h5, got '.*scaled as lite'; delete"
    with pytest.raises(InputError, match=expected):
        find_thresholds.main([parts["values"][0], other], manifest, target, model="net", quantile=0.05)
    (tmp_path / "cut.h5").write_bytes((tmp_path / "values-1.h5").read_bytes()[:-1000])
    with pytest.raises(InputError, match="cut.h5: expected a complete file of counts"):
        find_thresholds.main([parts["values"][0], str(tmp_path / "cut.h5")], manifest, target, model="net", quantile=0.05)
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["x"] = [1]
    with pytest.raises(InputError, match="foreign.h5: expected attribute format 'robustlens-counts-1', got 'another kind of HDF5 file'"):
        find_thresholds.main([str(tmp_path / "foreign.h5")], manifest, target, model="net", quantile=0.05)
    with pytest.raises(InputError, match="maps-0.h5: expected counts of values, got smoothness, top; delete"):
        find_thresholds.main(parts["maps"], manifest, target, model="net", quantile=0.05)


def test_noisy_images_are_those_of_the_clean_ones(made, tmp_path):
    clean, *_ = shards_of(made, tmp_path, "clean", 20)
    _, noisy = shards_of(made, tmp_path, "noisy", 20)
    with pytest.raises(InputError, match="noisy/shard-1.parquet: expected the images of .*clean/shard-0.parquet in their order"):
        compare_maps.main(*made["model"], clean, noisy, str(tmp_path / "maps.h5"), layers=LAYERS, n_images=5, k=4, **MACHINE)
