"""MNIST's test files with drawn digits, and LeNets in the checkpoint files that advertorch carries.

One LeNet learnt exactly these digits and is right on all of them; the other has a bias that no image outweighs.
"""

from pathlib import Path

import numpy as np
import torch

from robustlens.models.lenet import LeNet

BIAS = 1000.0  # of the class 0 in the one that always decides for it


def digits(n_images: int) -> tuple[np.ndarray, np.ndarray]:
    """uint8 ``[n_images, 28, 28]``: a bright square at a place of the class, with noise; labels 0 to 9 in turn."""
    labels = np.arange(n_images, dtype=np.uint8) % 10
    drawn = np.random.default_rng(0).integers(0, 40, (n_images, 28, 28), dtype=np.uint8)
    for picture, label in zip(drawn, labels, strict=True):
        top, left = 3 + 12 * (int(label) // 5), 1 + 5 * (int(label) % 5)
        picture[top : top + 8, left : left + 6] += 200
    return drawn, labels


def idx(values: np.ndarray) -> bytes:
    """An idx file of whole bytes."""
    return bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes() + values.tobytes()


def files(n_images: int) -> dict[str, bytes]:
    """The two files of the test images, by the publisher's names."""
    pixels, labels = digits(n_images)
    return {"t10k-images-idx3-ubyte": idx(pixels), "t10k-labels-idx1-ubyte": idx(labels)}


def save_lenets(learnt: Path, biased: Path, n_images: int) -> None:
    """Both networks, as torch of 2019 saved them."""
    torch.manual_seed(0)
    pixels, labels = digits(n_images)
    images, wanted = torch.tensor(pixels)[:, None].expand(-1, 3, -1, -1) / 255, torch.tensor(labels).long()
    network = LeNet()
    steps = torch.optim.Adam(network.parameters(), 0.002)
    for _ in range(20):
        steps.zero_grad()
        torch.nn.functional.cross_entropy(network(images), wanted).backward()
        steps.step()
    assert (network(images).argmax(1) == wanted).all()
    torch.save(network.state_dict(), learnt, _use_new_zipfile_serialization=False)
    with torch.no_grad():
        network.linear2.bias[0] = BIAS
    torch.save(network.state_dict(), biased, _use_new_zipfile_serialization=False)
