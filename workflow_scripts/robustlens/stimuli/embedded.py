"""The pictures of the embedded study: one textured shape on a clouded ground, drawn from nothing but a seed and an image id.

Each component of a scene (geometry, colours, ground, texture, sensor) has random numbers of its own, so that the same scene drawn
with another texture, or with none, keeps every other component bit for bit. Images are drawn one by one: no batch changes a pixel.
Arrays inside are float32, channel first ``[3, height, width]``, on [0, 1]; what comes out is uint8 ``[height, width, 3]``, RGB.
"""

from dataclasses import dataclass
from functools import cache, reduce

import numpy as np
from PIL import Image

from robustlens.errors import InputError
from robustlens.randomness import generator
from robustlens.stimuli.cues import SHAPES, TEXTURES
from robustlens.stimuli.pixels import to_uint8, to_unit
from robustlens.stimuli.shapes import OUTLINES
from robustlens.stimuli.textures import UNRELATED, pattern

SIDE = 32  # px, height and width of a picture
SUPERSAMPLING = 2  # samples a px, each way, of the outline
EDGE = 0.35  # px, softness of the outline
GEOMETRY = {  # (lowest, highest) of uniform draws; canvas units are half-widths of the object's own canvas
    "scale": (0.55, 0.85),  # half-width of the object's canvas in half-widths of the picture
    "rotation": (-25.0, 25.0),  # degrees
    "shift_x": (-0.18, 0.18),  # half-widths of the picture
    "shift_y": (-0.18, 0.18),
    "aspect": (0.85, 1.18),  # width over height
    "shear": (-0.15, 0.15),
    "warp": (0.0, 0.06),  # canvas units, amplitude of a sine that bends both coordinates
    "frequency_u": (2.0, 4.0),  # radians per canvas unit
    "frequency_v": (2.0, 4.0),
    "phase_u": (0.0, 2 * np.pi),  # radians
    "phase_v": (0.0, 2 * np.pi),
}
COLOUR_RANGE = (0.08, 0.92)  # of every channel of a base colour
CONTRAST = 0.65  # least RGB distance between the base colours of object and ground ...
CONTRAST_DRAWS = 16  # ... which this many draws look for; if none has it, the most distant pair is taken
AMPLITUDE = 0.125  # rms of the texture, mean over the channels
AMPLITUDE_SPREAD = 0.30  # share: amplitudes are uniform within +- this
TINT = 0.5  # standard deviation of a channel's share of the texture, about 1
GROUND_KNOTS, GROUND_CLOUDS = 5, 0.10  # knots a side and standard deviation of the ground's smooth colour noise
OBJECT_KNOTS, OBJECT_CLOUDS = 3, 0.04  # the same of the object's
BLOBS, BLOB_CHANCE = 3, 0.6  # small ellipses on the ground: how many at most, chance of each
BLOB_AXES = (1.4, 3.4)  # px, semi-axes
SENSOR = 0.015  # standard deviation of the noise of every pixel and channel


@dataclass(frozen=True)
class Scene:
    """One drawn picture and what is known about it."""

    pixels: np.ndarray  # uint8 [32, 32, 3], RGB
    mask: np.ndarray  # uint8 [32, 32], 255 = object, between on its outline
    shape: int  # index into SHAPES
    texture: str  # name of the pattern on the object, "" for none
    object_colour: np.ndarray  # float32 [3], base colour on [0, 1]
    ground_colour: np.ndarray
    blobs: np.ndarray  # bool [n_blobs, 32, 32], where each blob of the ground is, also behind the object


def render_scene(image_id: str, shape: int, texture: int, seed: int, *, texture_kind: str = "own") -> Scene:
    """The picture of one image id.

    ``shape`` and ``texture`` are class indices. ``texture_kind``: ``own`` (of class ``texture``), ``unrelated`` (drawn per image
    from the eight textures of no class) or ``none`` (object of even colour).
    """
    mask = to_uint8(_object_mask(SHAPES[shape], generator(seed, "geometry", image_id)))
    random = generator(seed, "colours", image_id)
    object_colour, ground_colour = _base_colours(random)
    tint = _tint(random)
    surface = object_colour[:, None, None] + _clouds(random, OBJECT_KNOTS, OBJECT_CLOUDS)
    ground, blobs = _ground(ground_colour, generator(seed, "ground", image_id))

    name = ""
    if texture_kind == "own":
        name = TEXTURES[texture]
        surface = surface + tint * pattern(name, generator(seed, "texture", image_id), SIDE)
    elif texture_kind == "unrelated":
        random = generator(seed, "unrelated-texture", image_id)
        name = UNRELATED[random.integers(len(UNRELATED))]
        surface = surface + tint * pattern(name, random, SIDE)
    elif texture_kind != "none":
        raise InputError("texture_kind", "own, unrelated or none", texture_kind)

    noise = generator(seed, "sensor", image_id).standard_normal((3, SIDE, SIDE), dtype=np.float32)
    picture = ground + to_unit(mask) * (surface - ground) + np.float32(SENSOR) * noise  # where the stored mask is 0, ground only
    pixels = np.ascontiguousarray(to_uint8(picture).transpose(1, 2, 0))
    return Scene(pixels, mask, shape, name, object_colour, ground_colour, blobs)


def _object_mask(shape: str, random: np.random.Generator) -> np.ndarray:
    """float32 ``[32, 32]``: share of each px that the object covers."""
    low, high = np.array(list(GEOMETRY.values())).T
    draw = dict(zip(GEOMETRY, random.uniform(low, high), strict=True))
    place = _sample_places()
    x = ((place - draw["shift_x"]) / draw["scale"]).astype(np.float32)
    y = ((-place - draw["shift_y"]) / draw["scale"]).astype(np.float32)[:, None]
    bent_x = x + (draw["warp"] * np.sin(draw["frequency_u"] * y + draw["phase_u"])).astype(np.float32)
    bent_y = y + (draw["warp"] * np.sin(draw["frequency_v"] * x + draw["phase_v"])).astype(np.float32)

    angle, stretch = np.deg2rad(draw["rotation"]), np.sqrt(draw["aspect"])
    turned = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    matrix = np.array([[1 / stretch, draw["shear"]], [0, stretch]]) @ turned
    (uu, uv), (vu, vv) = matrix.astype(np.float32)
    outline = OUTLINES[shape](uu * bent_x + uv * bent_y, vu * bent_x + vv * bent_y)

    softness = np.float32(EDGE / (draw["scale"] * SIDE / 2))  # canvas units
    covered = np.float32(0.5) - np.float32(0.5) * np.tanh(outline / (2 * softness))  # the logistic function, without overflow
    rows = reduce(np.add, (covered[k::SUPERSAMPLING] for k in range(SUPERSAMPLING)))
    return reduce(np.add, (rows[:, k::SUPERSAMPLING] for k in range(SUPERSAMPLING))) / np.float32(SUPERSAMPLING**2)


@cache
def _sample_places() -> np.ndarray:
    """Centres of the samples along one side, in half-widths of the picture."""
    n = SIDE * SUPERSAMPLING
    return (np.arange(n) + 0.5) / n * 2 - 1


def _base_colours(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """float32 ``[3]`` twice: object and ground, at least CONTRAST apart unless no draw is."""
    pairs = random.uniform(*COLOUR_RANGE, size=(CONTRAST_DRAWS, 2, 3)).astype(np.float32)
    distance = np.sqrt(((pairs[:, 0] - pairs[:, 1]) ** 2).sum(axis=1))
    chosen = np.argmax(distance >= CONTRAST) if distance.max() >= CONTRAST else np.argmax(distance)
    return pairs[chosen, 0], pairs[chosen, 1]


def _tint(random: np.random.Generator) -> np.ndarray:
    """float32 ``[3, 1, 1]``: amplitude of the texture in each channel, of root mean square AMPLITUDE +- its spread."""
    amplitude = AMPLITUDE * random.uniform(1 - AMPLITUDE_SPREAD, 1 + AMPLITUDE_SPREAD)
    direction = 1 + TINT * random.standard_normal(3)
    return (amplitude * direction / np.sqrt(np.mean(direction**2))).astype(np.float32)[:, None, None]


def _clouds(random: np.random.Generator, knots: int, deviation: float) -> np.ndarray:
    """float32 ``[3, 32, 32]``: normal noise at ``knots`` x ``knots`` places, bicubic between them."""
    values = np.float32(deviation) * random.standard_normal((3, knots, knots), dtype=np.float32)
    spread = _bicubic(knots)
    return spread @ values @ spread.T


@cache
def _bicubic(knots: int) -> np.ndarray:
    """float32 ``[32, knots]``: weights of the knots at each px of a side."""
    identity = Image.fromarray(np.eye(knots, dtype=np.float32))
    return np.asarray(identity.resize((knots, SIDE), Image.Resampling.BICUBIC))


def _ground(colour: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """float32 ``[3, 32, 32]``: the ground with its blobs, and bool ``[n_blobs, 32, 32]``: where each blob is."""
    ground = colour[:, None, None] + _clouds(random, GROUND_KNOTS, GROUND_CLOUDS)
    place = np.arange(SIDE, dtype=np.float32)
    blobs = []
    for present, *centre, major, minor, turn, red, green, blue in random.random((BLOBS, 9), dtype=np.float32):
        if present >= BLOB_CHANCE:
            continue
        x, y = place - SIDE * centre[0], (place - SIDE * centre[1])[:, None]
        cosine, sine = np.cos(np.pi * turn), np.sin(np.pi * turn)
        axes = BLOB_AXES[0] + (BLOB_AXES[1] - BLOB_AXES[0]) * np.array([major, minor], np.float32)
        radius = np.hypot((cosine * x + sine * y) / axes[0], (cosine * y - sine * x) / axes[1])
        covered = np.float32(0.5) - np.float32(0.5) * np.tanh((radius - 1) * (axes.min() / np.float32(2 * EDGE)))
        paint = COLOUR_RANGE[0] + (COLOUR_RANGE[1] - COLOUR_RANGE[0]) * np.array([red, green, blue], np.float32)
        ground = ground + covered * (paint[:, None, None] - ground)
        blobs.append(covered > 0.5)
    return ground, np.array(blobs, dtype=bool).reshape(-1, SIDE, SIDE)
