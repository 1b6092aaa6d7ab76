"""The eight outlines of the embedded study, as implicit functions on a canvas of half-width 1.

Each function takes float32 arrays ``u, v`` (canvas position, v upwards) and gives a float32 array of their shape: negative inside,
positive outside, 0 on the outline, and near the outline about the distance to it in canvas units.
"""

import math
from collections.abc import Callable

import numpy as np


def _half_planes(u: np.ndarray, v: np.ndarray, sides: int) -> np.ndarray:
    """``[sides, ...]``: position along the outward normals of a regular polygon that stands on a side (the first points down)."""
    angles = [math.tau * (k / sides - 1 / 4) for k in range(sides)]
    return np.stack([math.cos(angle) * u + math.sin(angle) * v for angle in angles])


def disc(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.hypot(u, v) - 0.80


def triangle(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return _half_planes(u, v, 3).max(axis=0) - 0.52


def square(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.maximum(np.abs(u), np.abs(v)) - 0.72


def star(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Five tips at 1.05, one of them up, notches at .40: inside at least four of the five half-planes of the notches' pentagon."""
    highest, *others = _half_planes(u, -v, 5)
    second = np.full_like(highest, -np.inf)
    for position in others:
        second = np.maximum(second, np.minimum(highest, position))
        highest = np.maximum(highest, position)
    return second - 0.40 * math.cos(math.pi / 5)


def cross(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    u, v = np.abs(u), np.abs(v)
    return np.minimum(np.maximum(u - 0.95, v - 0.26), np.maximum(u - 0.26, v - 0.95))


def ring(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.abs(np.hypot(u, v) - 0.68) - 0.22


def crescent(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.maximum(np.hypot(u, v) - 0.90, 0.68 - np.hypot(u - 0.48, v))


def bowtie(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    u, v = np.abs(u), np.abs(v)
    return np.maximum(0.8 * v - 0.8 * u - 0.06, u - 0.85)


OUTLINES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "disc": disc,
    "triangle": triangle,
    "square": square,
    "star": star,
    "cross": cross,
    "ring": ring,
    "crescent": crescent,
    "bowtie": bowtie,
}
