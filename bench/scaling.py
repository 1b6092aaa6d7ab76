"""How the time of a fixed amount of work falls with a second process: strong scaling, in one run.

    python bench/scaling.py [--shards 4] [--images 48]

Shards of pictures of 224 px, each the work of one job with a process of its own, as Snakemake starts them: predictions of a ResNet-18,
activations of it in HDF5. One process after the other, then two at a time, three times, in turn. Efficiency is the time of one divided by
twice the time of two: 1 if the second core does as much as the first. Prints Markdown.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.append(str(REPOSITORY / "workflow_scripts"))

from activations import prepare  # noqa: E402
from growth import DECIDED, MACHINE, PROGRAM  # noqa: E402
from timing import spread, state_goal, take_turns  # noqa: E402

REPEATS, PROCESSES = 3, (1, 2)
LAYERS = ["layer1", "layer2", "layer3", "layer4"]
MISSED = "Both cores share caches, memory and clock; the start of each process reads the same files."


def commands(folder: Path, shard: Path, n_shards: int, script: str, asked: dict) -> Iterator[list[str]]:
    """What starts ``script`` on each shard."""
    model = str(folder / "weights.safetensors"), str(folder / "card.json")
    for number in range(n_shards):
        shards = [str(shard)] if script == "predict" else str(shard)
        files = [*model, shards, str(folder / f"{script}-{number}")]
        yield [sys.executable, "-c", PROGRAM, script, json.dumps(files), json.dumps(asked)]


def work(started: list[list[str]], n_processes: int) -> None:
    with ThreadPoolExecutor(n_processes) as pool:
        for done in pool.map(partial(subprocess.run, capture_output=True, text=True), started):
            if done.returncode:
                sys.exit(done.stderr)


def main(n_shards: int, n_images: int) -> None:
    dumped = {"image_set": "set", "layers": LAYERS, "n_images": None, "compression": "none", **MACHINE}
    print(f"{n_shards} shards of {n_images} pictures\n\n| script | processes | seconds | speed-up | efficiency |\n|---|---|---|---|---|")
    goals = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        shard = prepare(folder, n_images, "resnet18")
        for script, asked in (("predict", DECIDED), ("dump_activations", dumped)):
            jobs = list(commands(folder, shard, n_shards, script, asked))
            seconds = take_turns({n: partial(work, jobs, n) for n in PROCESSES}, REPEATS)
            for n, found in seconds.items():
                speedup = seconds[1] / found
                print(f"| {script} | {n} | {spread(found)} | {spread(speedup)} | {spread(speedup / n)} |", flush=True)
            goals[script] = seconds[1] / seconds[2] / 2
    for script, efficiency in goals.items():
        state_goal(f"efficiency of two processes, {script}", efficiency, at_least=0.9, missed=MISSED)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="How the time of a fixed amount of work falls with a second process.")
    parser.add_argument("--shards", type=int, default=4, help="jobs (4)")
    parser.add_argument("--images", type=int, default=48, help="pictures of each (48)")
    arguments = parser.parse_args()
    main(arguments.shards, arguments.images)
