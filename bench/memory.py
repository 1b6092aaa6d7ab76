"""Whether memory grows with the images: the most that each script of a network holds, at several sizes of its set, in one run.

    python bench/memory.py [--images 100 200 400 800] [--folder .]

AlexNet of torchvision with random weights, pictures of 224 px in one shard, five layers, label maps of 112 px; one CPU thread. Each script
runs in a process of its own, whose largest resident size is what is printed: MB at each size, and KB for each image more, from the smallest
to the largest size. Linux only. Prints Markdown.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.append(str(REPOSITORY / "workflow_scripts"))

import h5py  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from activations import prepare  # noqa: E402

SIDE, LABELS = 112, 1197
MACHINE = {"device": "cpu", "batch_size": 200}
LAYERS = ["features.1", "features.4", "features.7", "features.9", "features.11"]


def write_labels(folder: Path, ids: list[str]) -> list[str]:
    """Labels of every image: one of Broden's number of colours in each of 64 blocks."""
    draw = np.random.default_rng(0)
    with h5py.File(folder / "labels.h5", "w") as file:
        planes = file.create_dataset("planes", (len(ids), 1, SIDE, SIDE), np.uint16)
        for row in range(len(ids)):
            planes[row, 0] = draw.integers(0, LABELS + 1, (8, 8)).repeat(SIDE // 8, 0).repeat(SIDE // 8, 1)
        file["image_labels"] = np.zeros((len(ids), 1), np.uint16)
        file.create_dataset("image_id", data=ids, dtype=h5py.string_dtype())
        file.attrs["categories"] = json.dumps(["color"])
    concepts = pd.DataFrame({"number": range(1, LABELS + 1), "category": "color"}).assign(name=lambda rows: rows["number"].astype(str))
    concepts.assign(n_images=len(ids), pixels=1, area=0.1, perimetric_complexity=1.0).to_parquet(folder / "concepts.parquet")
    return [str(folder / "labels.h5"), str(folder / "concepts.parquet")]


def megabytes(script: str, *files: str | list[str], **values: object) -> float:
    """MB that ``script`` holds at most, as a process of its own."""
    program = (
        f"import json, sys; sys.path.append({str(REPOSITORY / 'workflow_scripts')!r})\n"
        f"from robustlens.job import limit_torch_threads; limit_torch_threads()\nimport {script}\n"
        f"{script}.main(*json.loads(sys.argv[1]), **json.loads(sys.argv[2]))\n"
        "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
    )
    done = subprocess.run([sys.executable, "-c", program, json.dumps(files), json.dumps(values)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return int(done.stdout.split()[-1]) * 1024 / 1e6


def measure(folder: Path, n_images: int) -> dict[str, float]:
    shard = str(prepare(folder, n_images, "alexnet"))
    ids, model = [f"i-{k:04d}" for k in range(n_images)], (str(folder / "weights.safetensors"), str(folder / "card.json"))
    pd.DataFrame({"image_id": ids, "label": 0, "shape": -1, "texture": -1, "path": ""}).to_parquet(folder / "manifest.parquet")
    files = {name: str(folder / name) for name in ("dump.h5", "view.h5", "values.h5", "thresholds", "tallies.h5", "maps.h5", "out")}
    tables, labels = [str(folder / name) for name in ("iou", "categories", "units")], write_labels(folder, ids)
    manifest, seen = str(folder / "manifest.parquet"), {"image_set": "set", "scaling": "own", **MACHINE}
    asked = {"model": "net", "quantile": 0.005}
    found = {
        "dump_activations": megabytes(
            "dump_activations", *model, shard, files["dump.h5"], layers=LAYERS, n_images=None, compression="none", **seen
        )
    }
    megabytes("link_activations", manifest, [files["dump.h5"]], files["view.h5"])
    found["dissect"] = megabytes("dissect", files["view.h5"], *labels, *tables, **asked)
    found["measure_maps"] = megabytes(
        "measure_maps", files["view.h5"], files["view.h5"], *[files["out"] + end for end in "abc"], model="net", k=9
    )
    found["count_values"] = megabytes("count_values", *model, shard, files["values.h5"], layers=LAYERS, **seen)
    found["find_thresholds"] = megabytes("find_thresholds", [files["values.h5"]], manifest, files["thresholds"], **asked)
    found["tally_concepts"] = megabytes(
        "tally_concepts", *model, shard, files["thresholds"], *labels, files["tallies.h5"], denominator="paper", **seen
    )
    found["compare_maps"] = megabytes(
        "compare_maps", *model, shard, shard, files["maps.h5"], layers=LAYERS, n_images=n_images, k=9, **MACHINE
    )
    return found


def main(sizes: list[int], place: Path) -> None:
    found = {}
    for n_images in sizes:
        with tempfile.TemporaryDirectory(dir=place) as folder:
            found[n_images] = measure(Path(folder), n_images)
    print(f"| script | {' | '.join(f'{n} images, MB' for n in sizes)} | KB an image more |\n|---|{'---|' * (len(sizes) + 1)}")
    for script in found[sizes[0]]:
        held = [found[n][script] for n in sizes]
        growth = 1000 * (held[-1] - held[0]) / (sizes[-1] - sizes[0])
        print(f"| {script} | {' | '.join(f'{value:.0f}' for value in held)} | {growth:.1f} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Whether memory grows with the images.")
    parser.add_argument("--images", type=int, nargs="+", default=[100, 200, 400, 800], help="sizes of the set (100 200 400 800)")
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="where the files go (the working directory)")
    arguments = parser.parse_args()
    main(arguments.images, arguments.folder)
