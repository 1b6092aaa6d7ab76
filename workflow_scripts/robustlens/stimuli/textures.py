"""The textures of the embedded study: eight that stand for a class and eight that no network was trained on.

A texture is fixed to the picture, not to the object: it neither turns nor scales with it. ``pattern`` gives a float32 array
``[side, side]`` of mean 0 and root mean square 1. Angles are those of the lines, counter-clockwise, in degrees.
"""

from functools import cache

import numpy as np

WAVELENGTH = 4.0  # px, of the class textures
WAVELENGTH_SPREAD = 0.12  # share: wavelengths are uniform within +- this
ANGLE_SPREAD = 7.0  # degrees: angles are uniform within +- this
DOTS_WAVELENGTH = 1.5  # wavelengths between dots
DOTS_LEVEL = 0.35  # of a product of two sines: dots are what rises above it
UNRELATED_WAVELENGTH = 2.2  # wavelengths: the unrelated textures are coarser
GRAIN_BAND = (0.30, 0.50)  # cycles per px
COARSE_GRAIN_BAND = (0.10, 0.16)
BLOTCHES_BAND = (0.04, 0.10)
CLOUDS_BAND = (0.01, 0.06)

UNRELATED = ("coarse-grain", "stripes-22", "stripes-112", "circles", "checker", "blotches", "waves", "clouds")


def pattern(name: str, random: np.random.Generator, side: int) -> np.ndarray:
    """The texture ``name``, one of ``cues.TEXTURES`` or ``UNRELATED``; its wavelength, angle, phases or noise come from ``random``."""
    wave = _Wave(random, side)
    coarse = UNRELATED_WAVELENGTH
    match name:
        case "stripes-0" | "stripes-90" | "stripes-45" | "stripes-135":
            values = wave.sine(float(name.removeprefix("stripes-")))
        case "plaid-0" | "plaid-45":
            angle = float(name.removeprefix("plaid-"))
            values = wave.sine(angle) + wave.sine(angle + 90)
        case "grain":
            values = _band_noise(random, side, GRAIN_BAND)
        case "dots":
            values = np.maximum(wave.sine(0, DOTS_WAVELENGTH) * wave.sine(90, DOTS_WAVELENGTH) - DOTS_LEVEL, 0)
        case "coarse-grain":
            values = _band_noise(random, side, COARSE_GRAIN_BAND)
        case "stripes-22" | "stripes-112":
            values = wave.sine(float(name.removeprefix("stripes-")) + 0.5, coarse)
        case "circles":
            values = wave.circles(coarse)
        case "checker":
            values = np.sign(wave.sine(67.5, coarse) * wave.sine(157.5, coarse))
        case "blotches":
            values = np.sign(_band_noise(random, side, BLOTCHES_BAND))
        case "waves":
            values = wave.sine(0, coarse, bend=wave.sine(90, 2 * coarse))
        case "clouds":
            values = _band_noise(random, side, CLOUDS_BAND)
        case _:
            raise KeyError(name)
    values = values - values.mean()
    return (values / np.sqrt(np.mean(values * values))).astype(np.float32)


class _Wave:
    """Sine patterns that share one picture's wavelength and angle jitter; each has a phase of its own."""

    def __init__(self, random: np.random.Generator, side: int):
        self.random = random
        self.side = side
        self.number = 2 * np.pi / (WAVELENGTH * random.uniform(1 - WAVELENGTH_SPREAD, 1 + WAVELENGTH_SPREAD))
        self.turn = random.uniform(-ANGLE_SPREAD, ANGLE_SPREAD)

    def sine(self, angle: float, wavelengths: float = 1.0, bend: np.ndarray | float = 0.0) -> np.ndarray:
        """Lines at ``angle`` degrees, ``wavelengths`` x the base wavelength; ``bend`` radians shift the phase from place to place."""
        across = np.deg2rad(angle + self.turn)
        positions = np.arange(self.side)
        x = self.number / wavelengths * np.sin(across) * positions + self.random.uniform(0, 2 * np.pi)
        y = self.number / wavelengths * np.cos(across) * positions
        return np.sin(x.astype(np.float32) + y.astype(np.float32)[:, None] + bend)

    def circles(self, wavelengths: float) -> np.ndarray:
        """Concentric circles about a random place of the picture."""
        column, row = self.random.uniform(0, self.side, 2)
        positions = np.arange(self.side, dtype=np.float32)
        radius = np.hypot(positions - np.float32(column), (positions - np.float32(row))[:, None])
        return np.sin(np.float32(self.number / wavelengths) * radius + np.float32(self.random.uniform(0, 2 * np.pi)))


def _band_noise(random: np.random.Generator, side: int, band: tuple[float, float]) -> np.ndarray:
    """White noise of which only the frequencies ``band`` (cycles per px, all directions alike) are kept."""
    spectrum = np.fft.rfft2(random.standard_normal((side, side), dtype=np.float32))
    return np.fft.irfft2(spectrum * _band(side, band), s=(side, side))


@cache
def _band(side: int, band: tuple[float, float]) -> np.ndarray:
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side))
    return ((frequency >= band[0]) & (frequency <= band[1])).astype(np.float32)
