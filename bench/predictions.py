"""What a prediction job costs beside the bare forward pass and beside bare decoding, in one run.

    python bench/predictions.py [--images 192] [--decoders N] [--device cpu] [--batch 200]

Pictures are JPEG files of 500 x 375 px, read in place. ResNet-18 at 224 px, where the passes bind, and the miniature AlexNet at
48 px, where decoding does; random weights, torch on one thread. The bare pass: the network on one block that lies in memory, as often as
the pictures fill it. Bare decoding: Pillow opens, decodes, resizes and crops each file, in so many threads. The job: predict.py, with
checksums of the files, blocks, decisions and the table on the disk, without the start of Python. The limit is the slower of the first
two. Each runs five times, in turn. On a GPU also how busy it is meanwhile, as nvidia-smi says every 0.1 s. Prints Markdown.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # before NumPy is imported
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.append(str(REPOSITORY / "workflow_scripts"))

import numpy as np  # noqa: E402 (after the number of threads)
import pandas as pd  # noqa: E402
import torch  # noqa: E402
from PIL import Image  # noqa: E402
from timing import spread, state_goal, take_turns  # noqa: E402
from torch import nn  # noqa: E402
from torchvision import models  # noqa: E402

import predict  # noqa: E402
from robustlens import images as image_sets  # noqa: E402
from robustlens.devices import claim_device, describe_device  # noqa: E402
from robustlens.images import write_shard  # noqa: E402
from robustlens.inference import block_size  # noqa: E402
from robustlens.models import miniature  # noqa: E402
from robustlens.models.registry import load_model, save_model  # noqa: E402
from robustlens.stimuli.paintings import draw_painting  # noqa: E402

N_FILES, HEIGHT, WIDTH = 64, 375, 500
CARD = {"model": "net", "mean": [0.5] * 3, "std": [0.25] * 3, "input": "[0,1] RGB"}
MISSED = "On a CPU the passes run on the cores that decode; checksums of the pictures, decisions and the table come on top."
WATCHED = 5.0  # seconds of each way on a GPU


def write_pictures(folder: Path) -> list[Path]:
    """``N_FILES`` JPEG files."""
    paths = [folder / f"{number:02d}.jpeg" for number in range(N_FILES)]
    for path in paths:
        Image.fromarray(draw_painting(path.name, 0, HEIGHT, WIDTH)).save(path, quality=90)
    return paths


def prepare(folder: Path, architecture: str, network: nn.Module, geometry: dict, n_images: int) -> tuple[str, str, str]:
    """Weights, card and a shard of ``n_images`` pictures in place; those beyond the first ``N_FILES`` are these again."""
    names = [f"picture-{number:05d}" for number in range(n_images)]
    paths = [f"{number % N_FILES:02d}.jpeg" for number in range(n_images)]
    rows = pd.DataFrame({"image_id": names, "label": 0, "shape": -1, "texture": -1, "path": paths})
    place = folder / architecture.rpartition(".")[2]
    place.mkdir()
    write_shard(place / "shard.parquet", rows, root=folder, geometry=geometry, origin={"kind": "image-folder"})
    arguments = {"classes": 8} if ":" in architecture else {}
    save_model(place, network, {**CARD, "architecture": architecture, "arguments": arguments})
    return str(place / "weights.safetensors"), str(place / "card.json"), str(place / "shard.parquet")


def utilisation(run: Callable[[], None], gpu: str, seconds: float) -> np.ndarray:
    """Share of the time in which a kernel ran on ``gpu``, percent, as nvidia-smi says every 0.1 s while ``run`` is repeated."""
    query = ["nvidia-smi", f"--id={gpu}", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "--loop-ms=100"]
    with subprocess.Popen(query, stdout=subprocess.PIPE, text=True) as watch:
        try:
            started = time.monotonic()
            while time.monotonic() - started < seconds:
                run()
        finally:
            watch.terminate()
        return np.array([int(line) for line in watch.stdout or () if line.strip().isdigit()])


def measure(
    files: tuple[str, str, str], paths: list[Path], geometry: dict, device: torch.device, batch_size: int
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Images a second of each way and turn; and how busy a GPU is by two of the ways, in percent."""
    weights, card, shard = files
    n_images, side = image_sets.count_rows(shard), geometry["crop"]
    network = load_model(weights, card, str(device))
    size = block_size(side, side) if device.type == "cpu" else batch_size
    block = torch.rand(size, 3, side, side, device=device).to(memory_format=torch.channels_last)
    chosen = [paths[number % N_FILES] for number in range(n_images)]

    def passes() -> None:
        with torch.inference_mode():
            for _ in range(-(-n_images // size)):
                network(block)
        if device.type == "cuda":
            torch.cuda.synchronize()

    def decoded(path: Path) -> np.ndarray:
        with Image.open(path) as picture:
            scale = geometry["resize"] / HEIGHT
            small = picture.convert("RGB").resize((round(WIDTH * scale), geometry["resize"]), Image.Resampling.BILINEAR)
        top, left = (small.height - side) // 2, (small.width - side) // 2
        return np.asarray(small.crop((left, top, left + side, top + side)))

    def decoding() -> None:
        with ThreadPoolExecutor(image_sets.decoders) as pool:
            for _ in pool.map(decoded, chosen):
                pass

    def job() -> None:
        asked: dict[str, Any] = {"stimuli": ["clean"], "classes": {"clean": None}, "sixteen_by": "mean", "probabilities": True}
        predict.main(weights, card, [shard], f"{shard}.predictions", **asked, device=str(device), batch_size=batch_size)

    seconds = take_turns({"forward pass alone": passes, "decoding alone": decoding, "the job": job})
    on_gpu = {"forward pass alone": passes, "the job": job} if device.type == "cuda" else {}
    gpu = f"GPU-{torch.cuda.get_device_properties(device).uuid}" if on_gpu else ""
    busy = {way: utilisation(run, gpu, WATCHED) for way, run in on_gpu.items()}
    return {way: n_images / found for way, found in seconds.items()}, busy


def main(n_images: int, decoders: int, device_name: str, batch_size: int) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    image_sets.decoders = decoders
    device = claim_device(device_name)
    cases = {
        "resnet18, 224 px": ("resnet18", models.resnet18(weights=None), {"resize": 256, "crop": 224}, n_images),
        "miniature, 48 px": ("robustlens.models.miniature:alexnet", miniature.alexnet(classes=8), {"resize": 54, "crop": 48}, 8 * n_images),
    }
    print(f"{describe_device(device)}; {decoders} threads decode\n")
    print("| network | way | images/s | share of the limit | GPU busy (%) |\n|---|---|---|---|---|")
    shares = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        paths = write_pictures(folder)
        for title, (architecture, network, geometry, n_pictures) in cases.items():
            files = prepare(folder, architecture, network.eval(), geometry, n_pictures)
            rates, busy = measure(files, paths, geometry, device, batch_size)
            limit = np.minimum(rates["forward pass alone"], rates["decoding alone"])
            shares[title] = rates["the job"] / limit
            for way, rate in rates.items():
                said = spread(busy[way], 0) if len(busy.get(way, ())) else ""
                print(f"| {title} | {way} | {spread(rate, 1)} | {spread(rate / limit)} | {said} |", flush=True)
    for title, share in shares.items():
        state_goal(f"the job's share of the limit, {title}", share, at_least=0.9, missed=MISSED)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What a prediction job costs beside the bare forward pass and bare decoding.")
    parser.add_argument("--images", type=int, default=192, help="pictures of 224 px; eight times as many of 48 px (192)")
    parser.add_argument("--decoders", type=int, default=os.cpu_count() or 1, help="threads that decode (one a core)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:<number> (cpu)")
    parser.add_argument("--batch", type=int, default=200, help="pictures a pass on a GPU (200)")
    arguments = parser.parse_args()
    main(arguments.images, arguments.decoders, arguments.device, arguments.batch)
