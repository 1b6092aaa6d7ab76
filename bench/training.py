"""What training costs beside the network's own passes: images a second, and memory with the number of images, in one run.

    python bench/training.py [--images 128] [--network resnet18] [--batch 32] [--steps 7] [--device cpu] ...

Pictures are JPEG files of 500 x 375 px with ImageNet's augmentation, as in studies/train-imagenet.yaml; weights are random. Three ways, in
turn: reading and changing the pictures alone; the passes alone, on one batch that lies in memory, in a plain loop; the training itself,
which can be as fast as the slower of the two. ``--steps``: of the attack; 0 trains as usual. Memory: the high-water mark of a process of
its own that reads twelve batches of a set of so many pictures, at three sizes of the set. Prints Markdown.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.append(str(REPOSITORY / "workflow_scripts"))

import numpy as np  # noqa: E402 (after the path)
import pandas as pd  # noqa: E402
import torch  # noqa: E402
from PIL import Image  # noqa: E402
from timing import REPEATS, spread, take_turns  # noqa: E402
from torch.nn import functional as F  # noqa: E402
from torchvision import models  # noqa: E402

from robustlens import images as image_sets  # noqa: E402
from robustlens.devices import claim_device, describe_device  # noqa: E402
from robustlens.images import read_shard, write_shard  # noqa: E402
from robustlens.job import limit_torch_threads  # noqa: E402
from robustlens.models.attacks import pgd  # noqa: E402
from robustlens.models.loading import TrainingImages  # noqa: E402
from robustlens.models.published import IMAGENET_MEAN, IMAGENET_STD  # noqa: E402
from robustlens.models.registry import Classifier  # noqa: E402
from robustlens.models.training import PRECISIONS, Training  # noqa: E402
from robustlens.randomness import generator  # noqa: E402
from robustlens.stimuli.paintings import draw_painting  # noqa: E402

AUGMENTATION = ["random-resized-crop", "flip", "color-jitter", "lighting"]
SGD = {"optimiser": "sgd", "momentum": 0.9, "weight_decay": 0.0001, "learning_rate": 0.001}
STEP = {"schedule": "step", "step_epochs": 9, "gamma": 0.1}
ATTACK = {"norm": "l2", "eps": 3.0, "step": 0.5, "random_start": False, "use_best": True, "mode": "evaluation", "ramp_epochs": 0}
N_FILES, SIZES = 64, (10_000, 100_000, 200_000)


def write_pictures(folder: Path, n_images: int) -> Path:
    """A shard of ``n_images`` pictures; files beyond the first ``N_FILES`` are those again."""
    for number in range(N_FILES):
        path = folder / f"{number:02d}.jpeg"
        if not path.exists():
            Image.fromarray(draw_painting(f"picture {number}", 0, 375, 500)).save(path, quality=90)
    names = [f"picture-{number:07d}" for number in range(n_images)]
    paths = [f"{number % N_FILES:02d}.jpeg" for number in range(n_images)]
    rows = pd.DataFrame({"image_id": names, "label": np.arange(n_images) % 1000, "shape": -1, "texture": -1, "path": paths})
    write_shard(folder / f"{n_images}.parquet", rows, root=folder, geometry={"resize": 256, "crop": 224}, origin={})
    return folder / f"{n_images}.parquet"


def speed(shard: Path, network: str, batch_size: int, n_steps: int, precision: str, device: torch.device) -> dict[str, np.ndarray]:
    """Images a second of each way and turn."""
    pictures = TrainingImages([read_shard(shard)], AUGMENTATION)
    attack = {"attack": {**ATTACK, "steps": n_steps}} if n_steps else {}
    recipe = {**SGD, **STEP, **attack, "epochs": REPEATS, "batch_size": batch_size, "augmentation": AUGMENTATION, "precision": precision}
    classifier = Classifier(models.get_model(network, weights=None), IMAGENET_MEAN, IMAGENET_STD, layers=[], card={})
    training = Training(classifier, pictures, recipe, seed=0, model="net", device=device)
    pixels, labels = pictures.batch(np.arange(batch_size), lambda row: generator(0, row)).to(device)
    pixels = pixels.to(memory_format=torch.channels_last)

    def read() -> None:
        rows = np.arange(training.n_steps * batch_size).reshape(training.n_steps, batch_size)
        for batch in pictures.batches(rows, lambda row: generator(0, row)):
            batch.to(device)

    def passes() -> None:
        kind = PRECISIONS[precision]
        with torch.autocast(device.type, kind, enabled=kind is not None):
            for _ in range(training.n_steps):
                moved = pixels
                if n_steps:
                    strength: dict[str, Any] = {key: ATTACK[key] for key in ("norm", "eps", "step", "use_best")}
                    moved = pgd(lambda x: classifier.eval()(x).float(), pixels, labels, steps=n_steps, **strength)
                training.optimiser.zero_grad()
                F.cross_entropy(classifier.train()(moved).float(), labels).backward()
                training.optimiser.step()
        if device.type == "cuda":
            torch.cuda.synchronize()

    ways = {"reading alone": read, "passes alone": passes, "training": lambda: training.run(len(training.history) + 1)}
    return {name: training.n_steps * batch_size / seconds for name, seconds in take_turns(ways).items()}


def peak(shard: Path, batch_size: int) -> None:
    """Print the most MB that this process had in memory after twelve batches."""
    pictures = TrainingImages([read_shard(shard)], AUGMENTATION)
    order = generator(0, "order").permutation(len(pictures))
    for _ in pictures.batches(order[: 12 * batch_size].reshape(12, batch_size), lambda row: generator(0, row)):
        pass
    print(int(re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[0]) / 1024)


def main(arguments: argparse.Namespace) -> None:
    limit_torch_threads()
    image_sets.decoders = arguments.decoders
    if arguments.peak:
        peak(arguments.peak, arguments.batch)
        return
    device = claim_device(arguments.device)
    with tempfile.TemporaryDirectory() as temporary:
        shard = write_pictures(Path(temporary), arguments.images)
        rates = speed(shard, arguments.network, arguments.batch, arguments.steps, arguments.precision, device)
        limit = np.minimum(rates["reading alone"], rates["passes alone"])
        print(f"{describe_device(device)}; {arguments.network}, {arguments.precision}, batches of {arguments.batch} pictures,")
        print(f"{arguments.steps} steps of the attack, {arguments.decoders} threads read\n")
        print("| way | images/s | share of the limit |\n|---|---|---|")
        for name, rate in rates.items():
            print(f"| {name} | {spread(rate)} | {spread(rate / limit)} |")
        print("\n| pictures in the set | most memory (MB) |\n|---|---|")
        for size in SIZES:
            command = [sys.executable, __file__, "--batch", str(arguments.batch), "--peak", str(write_pictures(Path(temporary), size))]
            print(f"| {size:,} | {float(subprocess.run(command, check=True, capture_output=True, text=True).stdout):.0f} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What training costs beside the network's own passes.")
    parser.add_argument("--images", type=int, default=128, help="pictures of an epoch (128)")
    parser.add_argument("--network", default="resnet18", help="of torchvision (resnet18)")
    parser.add_argument("--batch", type=int, default=32, help="pictures a step (32)")
    parser.add_argument("--steps", type=int, default=7, help="of the attack; 0: standard training (7)")
    parser.add_argument("--precision", default="float32", choices=PRECISIONS, help="(float32)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:<number> (cpu)")
    parser.add_argument("--decoders", type=int, default=2, help="threads that read pictures (2)")
    parser.add_argument("--peak", type=Path, help=argparse.SUPPRESS)
    main(parser.parse_args())
