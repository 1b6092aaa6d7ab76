"""Pictures of frost, for the corruption of that name: those of ImageNet-C where a folder holds them, drawn ones where none does.

The drawn ones are feathers of ice, large ones that grow from the borders or many small ones: curved stems, branches to both sides at 60
degrees, as ice crystals have them, and twigs on those, over a haze that is thickest at the border. Their means and deviations are close
to those of the five published pictures.
"""

import re
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from robustlens.errors import InputError
from robustlens.picture_files import opened_picture
from robustlens.randomness import generator

PUBLISHED = 5  # pictures in use: the published code draws one of the first five of its six
AT = 224  # px, shorter side of the images for which the pictures have their own scale
HEIGHT, WIDTH = 400, 560  # px, of a drawn picture
LOOKS = (  # of the drawn pictures: mean of R, G and B, deviation (grey levels), stems, longest (px), px between branches, share of haze
    ((78, 149, 166), 20, 34, 380, 9, 0.5),
    ((201, 205, 214), 22, 420, 90, 6, 0.8),
    ((190, 200, 212), 24, 60, 380, 8, 0.7),
    ((138, 153, 165), 28, 26, 380, 7, 0.6),
    ((112, 123, 135), 42, 300, 70, 5, 0.3),
)
SCATTERED = 100  # px: stems whose longest is shorter grow anywhere, not from the border
GENERATIONS = (  # of branches: points a line, width (half px), grey level, length in those of the rest of the line that they are on
    (24, 3, 255, 0.0),
    (8, 2, 190, 0.42),
    (4, 1, 140, 0.45),
)
BRANCH_ANGLE = np.deg2rad(60)


@cache
def frost_pictures(folder: str | None, height: int, width: int) -> tuple[np.ndarray, ...]:
    """Five pictures of frost, uint8 RGB, each larger than ``height`` x ``width``.

    From ``folder``: the first five of ``frost1`` to ``frost6`` (.png, .jpg or .jpeg); None: drawn. They have the scale of images of 224
    px; for others they are resized alike, and enlarged until an image fits in. Raises InputError where one of the five is not there.
    """
    whole = drawn_pictures() if folder is None else read_pictures(Path(folder))
    return tuple(_fitted(picture, height, width) for picture in whole)


def read_pictures(folder: Path) -> tuple[np.ndarray, ...]:
    """The first five of the published pictures of frost, uint8 ``[rows, columns, 3]``. Raises InputError for missing or unreadable ones."""
    named: dict[int, Path] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if found := re.fullmatch(r"frost([1-6])\.(png|jpe?g)", path.name, re.IGNORECASE):
            named.setdefault(int(found[1]), path)
    missing = [f"frost{number}" for number in range(1, PUBLISHED + 1) if number not in named]
    if missing:
        raise InputError(folder, f"the pictures frost1 to frost{PUBLISHED} (.png or .jpg)", f"no {', '.join(missing)}", "leave `frost` out")
    pictures = []
    for number in range(1, PUBLISHED + 1):
        with opened_picture(named[number], named[number]) as picture:
            pictures.append(np.asarray(picture.convert("RGB")))
    return tuple(pictures)


def _fitted(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    rows, columns = picture.shape[:2]
    scale = max(min(height, width) / AT, (height + 1) / rows, (width + 1) / columns)
    if scale == 1:
        return picture
    size = (int(np.ceil(columns * scale)), int(np.ceil(rows * scale)))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR))


# ------------------------------------------------------------------------------------------------------------------- drawing
@cache
def drawn_pictures() -> tuple[np.ndarray, ...]:
    """Five pictures of frost, uint8 ``[400, 560, 3]``, the same ones always."""
    return tuple(_draw(generator(0, "frost-picture", number), *look) for number, look in enumerate(LOOKS))


def _draw(
    random: np.random.Generator, colour: tuple, deviation: float, n_stems: int, longest: float, spacing: float, haze: float
) -> np.ndarray:
    from scipy.ndimage import gaussian_filter  # slow to import

    ice = _feathers(random, n_stems, longest, spacing)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    depth = np.minimum(np.minimum(y, HEIGHT - 1 - y) / HEIGHT, np.minimum(x, WIDTH - 1 - x) / WIDTH)  # 0 at the border, .5 within
    clouds = sum(weight * _unit(gaussian_filter(random.standard_normal((HEIGHT, WIDTH)), sigma)) for sigma, weight in ((40, 1), (12, 0.6)))
    grain = _unit(gaussian_filter(random.standard_normal((HEIGHT, WIDTH)), 0.7))
    breath = np.exp(-depth / 0.12) * (1 + 0.35 * clouds) + 0.2 * clouds
    look = 1.6 * ice + 2.2 * gaussian_filter(ice, 5) + haze * breath + 0.05 * grain * (0.4 + ice)
    light = _unit(gaussian_filter(look, 0.5)) * deviation
    light += np.minimum(0, 2.2 * deviation - light) * 0.5  # the brightest ice keeps its structure
    warm = 1 - 0.15 * (np.arange(3) == 0)  # red varies less: shadows are blue
    return (np.array(colour) + light[..., None] * warm).clip(0, 255).astype(np.uint8)


def _unit(field: np.ndarray) -> np.ndarray:
    """The field with mean 0 and deviation 1."""
    return (field - field.mean()) / field.std()


def _feathers(random: np.random.Generator, n_stems: int, longest: float, spacing: float) -> np.ndarray:
    """float ``[400, 560]`` on [0, 1]: how much ice lies on each px."""
    canvas = Image.new("L", (2 * WIDTH, 2 * HEIGHT))
    lines = _stems(random, n_stems, longest)
    layers = []
    for generation, (_, line_width, grey, _) in enumerate(GENERATIONS):
        if generation:
            lines = _branches(random, lines, GENERATIONS[generation], spacing / generation)
        layers.append((lines, line_width, grey))
    draw = ImageDraw.Draw(canvas)
    for lines, line_width, grey in reversed(layers):  # stems last, on top
        for line in (2 * lines).round().astype(int):
            draw.line([tuple(point) for point in line.tolist()], fill=grey, width=line_width)
    return np.asarray(canvas.reduce(2)) / 255


def _stems(random: np.random.Generator, n_stems: int, longest: float) -> np.ndarray:
    """float ``[n_stems, n_points, 2]``: px (x, y) of curved lines that grow inwards from the border or, if short, anywhere."""
    length = random.uniform(0.25, 1, n_stems) * longest
    bend = random.normal(0, 0.9, n_stems)
    if longest < SCATTERED:
        x, y = random.uniform(0, WIDTH, n_stems), random.uniform(0, HEIGHT, n_stems)
        return _lines(x, y, random.uniform(0, 2 * np.pi, n_stems), length, bend, GENERATIONS[0][0])
    along = random.uniform(0, 2 * (WIDTH + HEIGHT), n_stems)
    side = np.searchsorted(np.cumsum([WIDTH, HEIGHT, WIDTH]), along, side="right")  # top, right, bottom, left
    along -= np.array([0, WIDTH, WIDTH + HEIGHT, 2 * WIDTH + HEIGHT])[side]
    x = np.choose(side, [along, np.full(n_stems, WIDTH + 4.0), along, np.full(n_stems, -4.0)])
    y = np.choose(side, [np.full(n_stems, -4.0), along, np.full(n_stems, HEIGHT + 4.0), along])
    inwards = np.array([90, 180, 270, 0])[side] + random.uniform(-55, 55, n_stems)
    return _lines(x, y, np.deg2rad(inwards), length, bend, GENERATIONS[0][0])


def _lines(x: np.ndarray, y: np.ndarray, angle: np.ndarray, length: np.ndarray, bend: np.ndarray, n_points: int) -> np.ndarray:
    """float ``[n_lines, n_points, 2]``: arcs that begin at (x, y) towards ``angle`` and turn by ``bend`` (radians) up to their end."""
    share = (np.arange(n_points - 1) + 0.5) / (n_points - 1)
    heading = angle[:, None] + bend[:, None] * share
    steps = np.stack([np.cos(heading), np.sin(heading)], axis=2) * (length / (n_points - 1))[:, None, None]
    start = np.stack([x, y], axis=1)[:, None]
    return np.concatenate([start, start + np.cumsum(steps, axis=1)], axis=1)


def _branches(random: np.random.Generator, lines: np.ndarray, generation: tuple, spacing: float) -> np.ndarray:
    """The branches of ``lines`` to both sides, the longer the farther they are from the tip; about one each ``spacing`` px."""
    n_points, _, _, ratio = generation
    steps = np.diff(lines, axis=1)
    length = np.linalg.norm(steps, axis=2).sum(axis=1)
    number = np.maximum((length / spacing).astype(int), 1)
    which = np.repeat(np.arange(len(lines)), 2 * number)
    share = random.uniform(0.04, 0.97, len(which))
    at = share * (lines.shape[1] - 1)
    low = at.astype(int)
    start = lines[which, low] + steps[which, low] * (at - low)[:, None]
    heading = np.arctan2(steps[which, low, 1], steps[which, low, 0])
    turn = np.where(np.arange(len(which)) % 2, BRANCH_ANGLE, -BRANCH_ANGLE) + random.normal(0, 0.07, len(which))
    rest = length[which] * (1 - share) * ratio * random.uniform(0.5, 1.0, len(which))
    kept = rest > 1.5
    return _lines(start[:, 0], start[:, 1], heading + turn, rest, -0.35 * np.sign(turn), n_points)[kept]
