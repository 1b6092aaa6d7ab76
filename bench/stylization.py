"""What a stylized picture costs: seconds a picture, here and by AdaIN one picture at a time as it is commonly run, in one run.

    python bench/stylization.py [--images 8] [--side 224] [--paintings 2] [--device cpu] [--batch 64]

The common way encodes the content, encodes the painting and decodes, each in a batch of one, also where a painting comes again. Weights
and pictures are random, which costs the same. On a CPU all run on one thread. Each way runs three times, in turn: medians, with the least
and the most, of times and of the ratios of one turn. Prints Markdown.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.append(str(REPOSITORY / "workflow_scripts"))

import numpy as np  # noqa: E402 (after the number of threads)
import pandas as pd  # noqa: E402
import torch  # noqa: E402
from PIL import Image  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from timing import spread, take_turns  # noqa: E402
from torch import nn  # noqa: E402

from robustlens.devices import claim_device, describe_device  # noqa: E402
from robustlens.images import Shard, read_shard, write_shard  # noqa: E402
from robustlens.stimuli.adain import Stylizer, adapt, build_decoder, build_encoder, statistics_of  # noqa: E402
from robustlens.stimuli.paintings import choose_painting, draw_painting, list_paintings, read_painting  # noqa: E402
from robustlens.stimuli.stylized import stylized  # noqa: E402

REPEATS = 3
COMMON = "AdaIN, one by one, 3 passes"


def common_networks(device: torch.device) -> tuple[nn.Module, nn.Module]:
    """Encoder and decoder as the common port builds them: each relu with memory of its own, channels first."""
    networks = build_encoder().to(device).eval(), build_decoder().to(device).eval()
    for module in (*networks[0], *networks[1]):
        if isinstance(module, nn.ReLU):
            module.inplace = False
    return networks


def common_way(shard: Shard, chosen: list[Path], encoder: nn.Module, decoder: nn.Module, device: torch.device) -> None:
    """Three passes a picture, in batches of one; the pictures are brought back as uint8."""

    def tensor(pixels: np.ndarray) -> torch.Tensor:
        return (torch.tensor(pixels).to(device).permute(2, 0, 1)[None].float() / 255).contiguous()

    with torch.inference_mode():
        for row, path in enumerate(chosen):
            content = tensor(shard.pixels(row, row + 1)[0])
            features, style = encoder(content), encoder(tensor(read_painting(path, *content.shape[2:])))
            made = decoder(adapt(features, statistics_of(style), 1.0))
            (made[0].clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()


def prepare(folder: Path, n_images: int, side: int, n_paintings: int) -> Shard:
    """Weights, paintings and a shard of pictures."""
    torch.manual_seed(0)
    for name, network in (("encoder", build_encoder()), ("decoder", build_decoder())):
        save_file(network.state_dict(), folder / f"{name}.safetensors")
    for name, number in (("few", n_paintings), ("many", n_images)):
        (folder / name).mkdir()
        for k in range(number):
            Image.fromarray(draw_painting(f"{name} {k}", 0, side, side)).save(folder / name / f"{k:04d}.png")
    rows = pd.DataFrame([(f"i-{k}", 0, -1, -1) for k in range(n_images)], columns=["image_id", "label", "shape", "texture"])
    pictures = (draw_painting(f"content {k}", 1, side, side) for k in range(n_images))
    write_shard(folder / "shard.parquet", rows, pixels=pictures, origin={"kind": "image-folder"})
    return read_shard(folder / "shard.parquet")


def main(n_images: int, side: int, n_paintings: int, device_name: str, batch_size: int) -> None:
    torch.set_num_threads(1)
    device = claim_device(device_name)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        shard = prepare(folder, n_images, side, n_paintings)
        few = [choose_painting(list_paintings(str(folder / "few")), image_id, 0) for image_id in shard.rows["image_id"]]
        many = list(list_paintings(str(folder / "many")))
        files = str(folder / "encoder.safetensors"), str(folder / "decoder.safetensors")

        def adain(chosen: list[Path]) -> None:
            list(Stylizer(*files, device).pictures(shard, chosen, read_painting, batch_size))

        def patches(paintings: str | None) -> None:
            for row, image_id in enumerate(shard.rows["image_id"]):
                stylized(shard.pixels(row, row + 1)[0], image_id, -1, -1, 0, shard.origin, paintings=paintings)

        networks = common_networks(device)
        ways: dict[str, Callable[[], None]] = {
            COMMON: lambda: common_way(shard, few, *networks, device),
            f"AdaIN, here, {len(set(few))} paintings": lambda: adain(few),
            f"AdaIN, here, {n_images} paintings, none twice": lambda: adain(many),
            "patches, paintings drawn": lambda: patches(None),
            "patches, paintings from files": lambda: patches(str(folder / "many")),
        }
        if device.type == "cuda":
            for way in ways.values():
                way()  # once, to warm up
        seconds = {name: found / n_images for name, found in take_turns(ways, REPEATS).items()}
    print(f"{describe_device(device)}; {n_images} pictures of {side} px, patches always on one CPU thread\n")
    print("| way | seconds a picture | time of the common way / this |\n|---|---|---|")
    for name, found in seconds.items():
        print(f"| {name} | {spread(found, 3)} | {spread(seconds[COMMON] / found)} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What a stylized picture costs.")
    parser.add_argument("--images", type=int, default=8, help="pictures (8)")
    parser.add_argument("--side", type=int, default=224, help="their size, px (224)")
    parser.add_argument("--paintings", type=int, default=2, help="paintings among which one is drawn for each picture (2)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:<number> (cpu)")
    parser.add_argument("--batch", type=int, default=64, help="pictures a batch on a GPU (64)")
    arguments = parser.parse_args()
    main(arguments.images, arguments.side, arguments.paintings, arguments.device, arguments.batch)
