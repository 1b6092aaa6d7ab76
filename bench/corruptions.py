"""What a corrupted image costs: CPU milliseconds an image on one core, here and by the package imagecorruptions, in one run.

    python bench/corruptions.py [--images 20] [--severity 3 | --all] [--peer <folder>] [--device cpu]

Pictures of 224 px. The package (1.1.2) is fetched, or taken from the folder into which it was unpacked; for today's NumPy, SciPy and
scikit-image four names in it are put right, and nothing else. Its glass blur is a Python loop, so it is timed on one image. The two take
turns, five times: medians, with the least and the most of the ratios. On another device than the CPU time is by the clock. Prints
Markdown, the ratio of the summed times, and the mean, the geometric mean and the median of the ratios.
"""

import argparse
import os
import sys
import tempfile
import time
import types
from importlib import import_module
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # before NumPy is imported
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.append(str(REPOSITORY / "workflow_scripts"))

import numpy as np  # noqa: E402 (after the number of threads)
from timing import spread, state_goal, take_turns  # noqa: E402

PEER = ("imagecorruptions==1.1.2", "d0e4bf529ba6fbb27d8aba1bde7c5db43bf2b969b2c767c11419e939e3e365b8")
SLOW = ("glass-blur",)  # of the package: timed on one image


def load_peer(folder: Path) -> Any:
    """The package's module of corruptions, from ``folder`` or fetched into it; with names that later versions of others took away."""
    import scipy.ndimage

    from robustlens.packages import fetch_package

    if not (folder / "imagecorruptions").is_dir():
        fetch_package(*PEER, folder)
    resources: Any = types.ModuleType("pkg_resources")
    resources.resource_filename = lambda module, name: str(Path(str(sys.modules[module].__file__)).parent / name)
    interpolation: Any = types.ModuleType("scipy.ndimage.interpolation")
    interpolation.map_coordinates = scipy.ndimage.map_coordinates
    replaced = {"pkg_resources": resources, "scipy.ndimage.interpolation": interpolation}
    before = {name: sys.modules.get(name) for name in replaced}
    sys.modules.update(replaced)
    sys.path.insert(0, str(folder))
    try:
        peer: Any = import_module("imagecorruptions.corruptions")
    finally:
        sys.path.remove(str(folder))
        for name, module in before.items():
            sys.modules.pop(name)
            if module is not None:
                sys.modules[name] = module
    smooth = peer.gaussian

    def gaussian(image, sigma, multichannel=False, **others):
        return smooth(image, sigma=sigma, channel_axis=-1 if multichannel else None, **others)

    peer.gaussian = gaussian
    peer.np = types.SimpleNamespace(**{**vars(np), "random": np.random, "float_": np.float64})
    return peer


def by_peer(peer: types.ModuleType, pixels: np.ndarray, corruption: str, severity: int) -> np.ndarray:
    """uint8 ``[height, width, 3]``: one image as the package's own ``corrupt`` does it."""
    from PIL import Image

    return np.asarray(getattr(peer, corruption.replace("-", "_"))(Image.fromarray(pixels), severity)).astype(np.uint8)


def pictures(n_images: int) -> np.ndarray:
    """uint8 ``[n_images, 224, 224, 3]``: parts of scikit-image's photograph of an astronaut."""
    from skimage.data import astronaut

    corners = np.random.default_rng(0).integers(0, 512 - 224, (n_images, 2))
    return np.stack([astronaut()[top : top + 224, left : left + 224] for top, left in corners])


def compare(peer: types.ModuleType, pixels: np.ndarray, corruption: str, severity: int, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Milliseconds an image of each turn, by the package and here: of the CPU, or by the clock where another device works."""

    from robustlens.devices import claim_device
    from robustlens.stimuli.corruption import BLOCK, corrupt

    image_ids = [f"image-{i}" for i in range(len(pixels))]
    device = claim_device(name)

    def ours() -> None:
        for start in range(0, len(pixels), BLOCK):
            part = slice(start, start + BLOCK)
            corrupt(pixels[part], image_ids[part], corruption, severity, seed=0, device=device)

    def theirs(few: np.ndarray) -> None:
        for picture in few:
            by_peer(peer, picture, corruption, severity)

    ours()  # tables and imports
    theirs(pixels[:1])
    few = pixels[:1] if corruption in SLOW else pixels
    seconds = take_turns({"theirs": lambda: theirs(few), "ours": ours}, clock=time.process_time if name == "cpu" else time.perf_counter)
    return 1000 * seconds["theirs"] / len(few), 1000 * seconds["ours"] / len(pixels)


def main(n_images: int, severities: list[int], folder: Path, device: str) -> None:
    import torch

    from robustlens.corruptions.catalogue import COMMON

    torch.set_num_threads(1)
    peer, pixels, rows = load_peer(folder), pictures(n_images), []
    peer.cv2.setNumThreads(1)
    print("| corruption | severity | imagecorruptions (ms) | here (ms) | ratio |\n|---|---|---|---|---|")
    for severity in severities:
        for corruption in COMMON:
            theirs, ours = compare(peer, pixels, corruption, severity, device)
            rows.append((corruption, np.median(theirs), np.median(ours), np.median(theirs / ours)))
            ratio = spread(theirs / ours, 1)
            print(f"| {corruption} | {severity} | {np.median(theirs):.2f} | {np.median(ours):.2f} | {ratio} |", flush=True)
    for title, left_out in (("all", ()), ("without glass blur", ("glass-blur",))):
        theirs, ours, ratios = np.array([row[1:] for row in rows if row[0] not in left_out]).T
        print(
            f"\n{title}: {theirs.sum():.1f} ms / {ours.sum():.1f} ms = {theirs.sum() / ours.sum():.1f}; ratios: "
            f"mean {ratios.mean():.1f}, geometric mean {np.exp(np.log(ratios).mean()):.1f}, median {np.median(ratios):.1f}"
        )
        state_goal(f"imagecorruptions / here, mean of the ratios, {title}", ratios.mean(keepdims=True), at_least=5)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What a corrupted image costs, beside imagecorruptions.")
    parser.add_argument("--images", type=int, default=20, help="images a corruption (20)")
    parser.add_argument("--severity", type=int, default=3, help="1 to 5 (3)")
    parser.add_argument("--all", action="store_true", help="all five severities")
    parser.add_argument("--peer", type=Path, help="folder into which imagecorruptions 1.1.2 was unpacked (default: fetch it)")
    parser.add_argument("--device", default="cpu", help="on which ours work: cpu, cuda or cuda:<number> (cpu)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        severities = [1, 2, 3, 4, 5] if arguments.all else [arguments.severity]
        main(arguments.images, severities, arguments.peer or Path(temporary), arguments.device)
