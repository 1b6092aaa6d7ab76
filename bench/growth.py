"""How time and memory grow with the images: two points for each doubling, each job a process of its own, in one run.

    python bench/growth.py [--images 200 300 400 600 800] [--folder .]

AlexNet of torchvision with random weights, pictures of 112 px, five layers, label maps of 56 px; one CPU thread. Jobs of a whole set see
so many images in shards of 100. Jobs of a shard see one shard of half as many: that is images_per_shard of the config, whatever the set
has. Seconds are those of the process, with the start of Python; memory is its largest resident size. Growth is the slope of a straight
line by least squares. Linux only. Prints Markdown.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.append(str(REPOSITORY / "workflow_scripts"))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
from activations import prepare  # noqa: E402
from timing import state_goal  # noqa: E402

from robustlens.concepts import CONCEPT_COLUMNS  # noqa: E402
from robustlens.hdf5 import write_values, writing_hdf5  # noqa: E402
from robustlens.images import read_shard, write_manifest, write_parquet  # noqa: E402
from robustlens.job import limit_torch_threads  # noqa: E402

PICTURES, SIDE, LABELS, PER_SHARD = 112, 56, 1197, 100
MACHINE = {"device": "cpu", "batch_size": 200}
LAYERS = ["features.1", "features.4", "features.7", "features.9", "features.11"]
SEEN = {"image_set": "set", "scaling": "own", **MACHINE}
DECIDED = {"stimuli": ["set"], "classes": {"set": None}, "sixteen_by": "mean", "probabilities": True, **MACHINE}
ASKED = {"model": "net", "quantile": 0.005}
PROGRAM = f"""
import importlib, json, sys
sys.path.append({str(REPOSITORY / "workflow_scripts")!r})
from robustlens.concepts import CONCEPT_COLUMNS  # noqa: E402
from robustlens.images import read_shard, write_manifest, write_parquet  # noqa: E402
from robustlens.job import limit_torch_threads
limit_torch_threads()
importlib.import_module(sys.argv[1]).main(*json.loads(sys.argv[2]), **json.loads(sys.argv[3]))
print(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
"""


def run(script: str, *files: object, **values: object) -> tuple[float, float]:
    """Seconds and MB of ``script`` as a process of its own."""
    arguments = [script, json.dumps(files, default=str), json.dumps(values)]
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return time.perf_counter() - started, int(done.stdout.split()[-1]) * 1024 / 1e6


def write_labels(folder: Path, ids: list[str]) -> tuple[Path, Path]:
    """Labels of every image, of Broden's number, in 64 blocks; and the table of concepts."""
    draw = np.random.default_rng(0)
    with writing_hdf5(folder / "labels.h5", {"categories": ["color"]}) as file:
        planes = file.create_dataset("planes", (len(ids), 1, SIDE, SIDE), np.uint16, chunks=(8, 1, SIDE, SIDE), compression="gzip")
        for row in range(len(ids)):
            planes[row, 0] = draw.integers(0, LABELS + 1, (8, 8)).repeat(SIDE // 8, 0).repeat(SIDE // 8, 1)
        write_values(file, "image_labels", np.zeros((len(ids), 1), np.uint16))
        write_values(file, "image_id", np.array(ids))
    concepts = pd.DataFrame({"number": range(1, LABELS + 1), "category": "color"}).assign(name=lambda rows: rows["number"].astype(str))
    concepts = concepts.assign(n_images=len(ids), pixels=1, area=0.1, perimetric_complexity=1.0)[list(CONCEPT_COLUMNS)]
    write_parquet(folder / "concepts.parquet", concepts.astype(CONCEPT_COLUMNS))
    return folder / "labels.h5", folder / "concepts.parquet"


def list_ids(folder: Path, ids: list[str]) -> Path:
    """A manifest of these images."""
    write_manifest(folder / "manifest.parquet", pd.DataFrame({"image_id": ids, "label": 0, "shape": -1, "texture": -1, "path": ""}))
    return folder / "manifest.parquet"


def jobs_of_shard(folder: Path, shard: Path, made: Path, n_images: int, labels: tuple, thresholds: Path, call=run) -> dict:
    """What ``call`` says of each script that runs the network on one shard; their files lie in ``made``."""
    model = folder / "weights.safetensors", folder / "card.json"
    made.mkdir()
    dumped = {"image_sets": {"set": {"n_images": None, "scaling": "own"}}, "layers": LAYERS, "compression": "none", **MACHINE}
    found = {
        "dump_activations": call("dump_activations", *model, [shard], [made / "dump.h5"], **dumped),
        "predict": call("predict", *model, [shard], made / "predictions.parquet", **DECIDED),
        "count_values": call("count_values", *model, shard, made / "values.h5", layers=LAYERS, **SEEN),
    }
    if not thresholds.exists():
        run("find_thresholds", [made / "values.h5"], folder / "manifest.parquet", thresholds, **ASKED)
    counted = {"denominator": "paper", **SEEN}
    found["tally_concepts"] = call("tally_concepts", *model, shard, thresholds, *labels, made / "tallies.h5", **counted)
    compared = {"layers": LAYERS, "n_images": n_images, "k": 9, **MACHINE}
    return found | {"compare_maps": call("compare_maps", *model, shard, shard, made / "maps.h5", **compared)}


def jobs_of_set(folder: Path, shards: list[Path], ids: list[str], counted: Path) -> dict[str, tuple[float, float]]:
    """Seconds and MB of each script that sees all ``shards``, folders of files; ``counted``: the thresholds of their tallies."""
    manifest, labels, view = list_ids(folder, ids), write_labels(folder, ids), folder / "view.h5"
    tables = [folder / name for name in ("iou", "categories", "units")]
    maps, model = [folder / name for name in ("smoothness", "top-images", "top-maps.h5")], {"model": "net"}

    gathered = {"models": ["net"], "sources": {"set": 0}}

    def of(name: str) -> list[Path]:
        return [shard / name for shard in shards]

    return {
        "link_activations": run("link_activations", manifest, of("dump.h5"), view),
        "dissect": run("dissect", of("dump.h5"), manifest, *labels, *tables, **ASKED),
        "measure_maps": run("measure_maps", of("dump.h5"), of("dump.h5"), manifest, *maps, n_images=len(ids), k=9, **model),
        "find_thresholds": run("find_thresholds", of("values.h5"), manifest, folder / "own-thresholds.parquet", **ASKED),
        "add_tallies": run("add_tallies", of("tallies.h5"), manifest, counted, labels[1], *tables, denominator="paper", **model),
        "add_maps": run("add_maps", of("maps.h5"), manifest, *maps, n_images=len(ids), k=9, **model),
        "gather_predictions": run("gather_predictions", of("predictions.parquet"), [manifest], [folder / "gathered"], **gathered),
    }


def print_table(title: str, found: dict[int, dict[str, tuple[float, float]]]) -> None:
    """One row a script: seconds and MB at each number of images, and what an image adds."""
    sizes = list(found)
    print(f"\n| {title} | {' | '.join(f'{n}' for n in sizes)} | ms an image more | KB an image more |\n|---|{'---|' * (len(sizes) + 2)}")
    for script in found[sizes[0]]:
        seconds, held = np.array([found[n][script] for n in sizes]).T
        growth = [1000 * np.polyfit(sizes, values, 1)[0] for values in (seconds, held)]
        cells = " | ".join(f"{spent:.1f} s, {most:.0f} MB" for spent, most in zip(seconds, held, strict=True))
        print(f"| {script} | {cells} | {growth[0]:.1f} | {growth[1]:.1f} |")


def main(sizes: list[int], place: Path) -> None:
    limit_torch_threads()
    of_shard, of_set = {}, {}

    def call(script: str, *files: object, **values: object) -> None:
        import_module(script).main(*json.loads(json.dumps(files, default=str)), **values)

    with tempfile.TemporaryDirectory(dir=place) as temporary:
        folder = Path(temporary)
        shard = prepare(folder, sizes[-1], "alexnet", PICTURES)
        rows = read_shard(shard).rows
        ids = rows["image_id"].tolist()
        labels, thresholds = write_labels(folder, ids), folder / "thresholds.parquet"

        def cut(start: int, stop: int) -> Path:
            path = folder / f"shard-{start}-{stop}.parquet"
            pq.write_table(pq.read_table(shard).slice(start, stop - start), path, row_group_size=64)
            list_ids(folder, ids[start:stop])
            return path

        for n in sizes:
            of_shard[n // 2] = jobs_of_shard(folder, cut(0, n // 2), folder / f"one-{n}", n // 2, labels, thresholds)
        shards = [folder / f"shard-{number}" for number in range(sizes[-1] // PER_SHARD)]
        for number, made in enumerate(shards):
            jobs_of_shard(folder, cut(number * PER_SHARD, (number + 1) * PER_SHARD), made, PER_SHARD, labels, thresholds, call)
        for n in sizes:
            of_set[n] = jobs_of_set(folder, shards[: n // PER_SHARD], ids[:n], thresholds)
    print_table("jobs of one shard, images in it", of_shard)
    print_table(f"jobs of a whole set, images in it, {PER_SHARD} a shard", of_set)
    ratios = [of_set[sizes[-1]][script][1] / of_set[sizes[0]][script][1] for script in of_set[sizes[0]]]
    aim = f"memory with {sizes[-1]} / with {sizes[0]} images, the job of a whole set that grows most"
    state_goal(aim, np.array([max(ratios)]), at_most=1.1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="How time and memory grow with the images.")
    default = [200, 300, 400, 600, 800]
    parser.add_argument("--images", type=int, nargs="+", default=default, help="sizes of the set, hundreds (200 300 400 600 800)")
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="where the files go (the working directory)")
    arguments = parser.parse_args()
    main(arguments.images, arguments.folder)
