"""Paintings whose style is taken: those of a folder that a user brings, or drawn from nothing but a seed and an image id.

A drawn painting is one of :data:`STROKES` bent by a slow warp, with a second one laid over it and slow drifts of tone, coloured by a
palette of its own. Lengths inside are shares of the longer side, so that a painting looks alike at any size.
"""

import logging
import os
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image

from robustlens.errors import InputError
from robustlens.images import to_rgb
from robustlens.picture_files import EXTENSIONS, opened_picture
from robustlens.randomness import generator
from robustlens.stimuli.pixels import to_uint8

log = logging.getLogger("robustlens")
STROKES_A_SIDE = (9.0, 26.0)  # lowest, highest number of strokes along the longer side
STRETCH = 6.0  # length of a brush stroke in its widths
WARP = (0.01, 0.07)  # amplitude of the bending, shares of the longer side
WARP_CYCLES, DRIFT_CYCLES = 3.5, 5.0  # cycles a side, at most, of bending and drift
SECOND, DRIFT = 0.45, 0.9  # root mean square of the second layer and of the drift of tone; the first layer's is 1
GRAIN = 0.03  # standard deviation of the canvas, pixels on [0, 1]
N_COLOURS = (4, 8)  # of a palette: lowest, and one more than the highest
TRIES = 20  # style images that are drawn for one image until one can be read
HUE_SPREAD = (0.05, 0.4)  # standard deviation of the hues of a palette, turns of the colour wheel


# ------------------------------------------------------------------------------------------------------------- a folder of them
@cache
def list_paintings(folder: str) -> tuple[Path, ...]:
    """The pictures below a folder, sorted by their path; names that begin with a dot are not looked at.

    Raises InputError for a folder that is not there or has no picture, and for a file that is none.
    """
    root, found = Path(folder), []
    if not root.is_dir():
        raise InputError(root, "a folder of paintings", "no such folder", "check `paintings` of the stimulus")
    for place, folders, files in os.walk(root, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place, name).relative_to(root).as_posix() for name in files if not name.startswith(".")]
    for path in found:
        if not path.lower().endswith(EXTENSIONS):
            raise InputError(root / path, f"a picture ({', '.join(EXTENSIONS)})", "another file", "move it out of `paintings`")
    if not found:
        raise InputError(root, "at least one painting", "an empty folder")
    return tuple(root / path for path in sorted(found))


def choose_painting(paintings: tuple[Path, ...], image_id: str, seed: int, exclude: bool = False) -> Path:
    """The style image of an image: each as likely as any other, whatever the shard.

    ``exclude``: one that cannot be read is passed over, and another one drawn. Raises InputError where ``TRIES`` in a row cannot be read.
    """
    random = generator(seed, "painting", image_id)
    for _ in range(TRIES if exclude else 1):
        path = paintings[random.integers(len(paintings))]
        if not exclude or (fault := _fault(path)) is None:
            return path
    raise InputError(path, "a style image that can be read", fault, f"the last of {TRIES} that {image_id} was given")


@cache
def _fault(path: Path) -> str | None:
    """Why a style image cannot be read, which is logged once; None for a sound one."""
    try:
        with opened_picture(path, path) as picture:
            to_rgb(picture, path)
    except InputError as error:
        log.warning("passed over a style image: %s", error)
        return str(error)
    return None


def read_painting(path: Path, height: int, width: int) -> np.ndarray:
    """uint8 ``[height, width, 3]`` of a picture file: scaled to cover that size, the rest cut off evenly. Raises InputError."""
    with opened_picture(path, path, mend="take it out of `paintings`") as picture:
        return cover(to_rgb(picture, path), height, width)


def cover(picture: Image.Image, height: int, width: int) -> np.ndarray:
    """uint8 ``[height, width, 3]``: the picture scaled (bilinear) until it covers that size, cut around its centre."""
    scale = max(width / picture.width, height / picture.height)
    size = max(width, round(picture.width * scale)), max(height, round(picture.height * scale))
    left, top = round((size[0] - width) / 2), round((size[1] - height) / 2)
    if picture.size != size:
        picture = picture.resize(size, Image.Resampling.BILINEAR)
    return np.asarray(picture.crop((left, top, left + width, top + height)))


# ------------------------------------------------------------------------------------------------------------------ drawn ones
def draw_painting(image_id: str, seed: int, height: int, width: int) -> np.ndarray:
    """uint8 ``[height, width, 3]``: the painting of an image, drawn from nothing but its id and the seed."""
    random = generator(seed, "drawn-painting", image_id)
    side = max(height, width)
    first, second = random.permutation(len(STROKES))[:2]
    tone = STROKES[first](*_bent(random, side), random)
    tone = tone + SECOND * STROKES[second](*_bent(random, side), random) + DRIFT * _smooth(random, side, DRIFT_CYCLES)
    tone = np.argsort(np.argsort(tone, axis=None, kind="stable"), kind="stable").reshape(side, side) / (side * side - 1)  # even on [0, 1]
    palette = _palette(random)
    stops = np.linspace(0, 1, len(palette))
    colour = np.stack([np.interp(tone, stops, channel) for channel in palette.T], axis=-1)
    colour = colour + GRAIN * random.standard_normal((side, side, 1), dtype=np.float32)
    return to_uint8(colour[:height, :width])


def _palette(random: np.random.Generator) -> np.ndarray:
    """float ``[n_colours, 3]`` on [0, 1]: random hues, mostly saturated, from dark to light."""
    n = random.integers(*N_COLOURS)
    hues = (random.uniform() + random.uniform(*HUE_SPREAD) * random.standard_normal(n)) % 1
    saturation = random.uniform(0.25, 1.0, n)
    pure = np.clip(np.abs((hues[:, None] + np.array([1, 2 / 3, 1 / 3])) % 1 * 6 - 3) - 1, 0, 1)
    colours = 1 - saturation[:, None] * (1 - pure)
    light = np.linspace(random.uniform(0.03, 0.15), random.uniform(0.85, 0.97), n)
    luminance = colours @ np.array([0.299, 0.587, 0.114])
    darker = colours * (light / luminance)[:, None]
    lighter = 1 - (1 - colours) * ((1 - light) / np.maximum(1 - luminance, 1e-9))[:, None]
    return np.clip(np.where((light < luminance)[:, None], darker, lighter), 0, 1)


def _bent(random: np.random.Generator, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates ``u, v`` ``[side, side]`` in strokes: turned at random, and bent by a slow warp."""
    place = (np.arange(side, dtype=np.float32) + 0.5) / side
    amount = np.float32(random.uniform(*WARP))
    x = place + amount * _smooth(random, side, WARP_CYCLES)
    y = place[:, None] + amount * _smooth(random, side, WARP_CYCLES)
    angle, number = random.uniform(0, np.pi), random.uniform(*STROKES_A_SIDE)
    across, along = np.float32(number * np.cos(angle)), np.float32(number * np.sin(angle))
    return across * x + along * y, across * y - along * x


def _smooth(random: np.random.Generator, side: int, cycles: float) -> np.ndarray:
    """float32 ``[side, side]``, noise of at most ``cycles`` a side, mean 0, root mean square 1."""
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)) * side
    spectrum = np.fft.rfft2(random.standard_normal((side, side), dtype=np.float32)) * ((frequency > 0) & (frequency <= cycles))
    return _normal(np.fft.irfft2(spectrum, s=(side, side)))


def _normal(values: np.ndarray) -> np.ndarray:
    values = values - values.mean()
    return (values / max(values.std(), 1e-9)).astype(np.float32)


# -------------------------------------------------------------- strokes: from coordinates as above to tones of mean 0, root mean square 1
def _lines(u: np.ndarray, v: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return _normal(np.sin(2 * np.pi * u))


def _weave(u: np.ndarray, v: np.ndarray, random: np.random.Generator) -> np.ndarray:
    over = (np.floor(u) + np.floor(v)) % 2 == 0
    return _normal(np.where(over, np.abs(np.sin(np.pi * u)), 0.8 * np.abs(np.sin(np.pi * v)) - 0.4))


def _rings(u: np.ndarray, v: np.ndarray, random: np.random.Generator) -> np.ndarray:
    distances, _ = _cells(u / 5, v / 5, random)
    return _normal(np.sin(2 * np.pi * 5 * distances[0]))


def _dots(u: np.ndarray, v: np.ndarray, random: np.random.Generator) -> np.ndarray:
    distances, _ = _cells(u, v, random)
    return _normal(np.tanh(8 * (distances[0] - 0.4)))


def _mosaic(u: np.ndarray, v: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Cells of one tone each, with dark seams."""
    (nearest, second), value = _cells(u, v, random)
    return _normal(np.where(second - nearest < 0.1, -0.4, value))


def _brush(u: np.ndarray, v: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Cells drawn out along v, each of one tone with bristles in it."""
    _, value = _cells(u, v / STRETCH, random)
    return _normal(value + 0.12 * np.sin(2 * np.pi * (3 * u + 7 * value)))


def _scales(u: np.ndarray, v: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Rows of arcs, each row half a scale further."""
    row = np.floor(v)
    inside, depth = (u + row % 2 / 2) % 1 - 0.5, v - row
    return _normal(np.cos(2 * np.pi * 1.2 * np.hypot(inside, depth - 0.1)) + 0.3 * depth)


def _marble(u: np.ndarray, v: np.ndarray, random: np.random.Generator) -> np.ndarray:
    veins = _smooth(random, len(u), 8.0) + 0.5 * _smooth(random, len(u), 20.0)
    return _normal(1 - np.abs(np.sin(0.8 * u + 1.4 * veins)) ** 0.5)


def _cells(u: np.ndarray, v: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Distances ``[2, side, side]`` to the nearest and the next of points, one at random in each unit square; a number of the nearest."""
    column, row = np.floor(u).astype(int), np.floor(v).astype(int)
    points = random.uniform(0, 1, (3, 64, 64)).astype(np.float32)  # place in the square, number; comes again after 64 squares
    distances, values = [], []
    for right, down in product((-1, 0, 1), repeat=2):
        point_u, point_v, value = points[:, (row + down) % 64, (column + right) % 64]
        distances.append(np.hypot(u - column - right - point_u, v - row - down - point_v))
        values.append(value)
    order = np.argsort(distances, axis=0, kind="stable")[:2]
    return np.take_along_axis(np.stack(distances), order, 0), np.take_along_axis(np.stack(values), order[:1], 0)[0]


STROKES = (_lines, _weave, _rings, _dots, _mosaic, _brush, _scales, _marble)
