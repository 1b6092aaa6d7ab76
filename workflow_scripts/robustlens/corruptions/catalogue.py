"""Every corruption by its name: what to prepare on the CPU, and the mathematics."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from robustlens.corruptions import blur, digital, noise, weather
from robustlens.corruptions.blur import no_draws
from robustlens.errors import InputError

Prepare = Callable[..., dict[str, np.ndarray]]  # (generator, pixels, severity)
Change = Callable[..., Tensor]

COMMON: dict[str, tuple[Prepare, Change]] = {  # the 15 of the benchmark, in its order
    "gaussian-noise": (noise.prepare_normal, noise.gaussian_noise),
    "shot-noise": (noise.prepare_shot_noise, noise.shot_noise),
    "impulse-noise": (noise.prepare_impulse_noise, noise.impulse_noise),
    "defocus-blur": (no_draws, blur.defocus_blur),
    "glass-blur": (blur.prepare_glass_blur, blur.glass_blur),
    "motion-blur": (blur.prepare_motion_blur, blur.motion_blur),
    "zoom-blur": (no_draws, blur.zoom_blur),
    "snow": (weather.prepare_snow, weather.snow),
    "frost": (weather.prepare_frost, weather.frost),
    "fog": (weather.prepare_fog, weather.fog),
    "brightness": (no_draws, weather.brightness),
    "contrast": (no_draws, digital.contrast),
    "elastic-transform": (digital.prepare_elastic_transform, digital.elastic_transform),
    "pixelate": (no_draws, digital.pixelate),
    "jpeg-compression": (no_draws, digital.jpeg_compression),
}
EXTRA: dict[str, tuple[Prepare, Change]] = {  # the four for validation
    "speckle-noise": (noise.prepare_normal, noise.speckle_noise),
    "gaussian-blur": (no_draws, blur.gaussian_blur),
    "spatter": (weather.prepare_spatter, weather.spatter),
    "saturate": (no_draws, digital.saturate),
}
CORRUPTIONS = COMMON | EXTRA
SEVERITIES = (1, 2, 3, 4, 5)
LEAST_SIDE = 32  # px, below which the blurs would reach beyond the mirrored picture


def find_corruption(name: str, severity: int, frost: tuple[np.ndarray, ...] = ()) -> tuple[Prepare, Change]:
    """The two functions of a corruption; ``frost``: the pictures of frost. Raises InputError for another name or severity."""
    if name not in CORRUPTIONS:
        raise InputError("corruption: corruption", f"one of {', '.join(CORRUPTIONS)}", name)
    if isinstance(severity, bool) or severity not in SEVERITIES:
        raise InputError("corruption: severity", "an integer from 1 to 5", severity)
    prepare, change = CORRUPTIONS[name]
    return (partial(prepare, pictures=frost) if name == "frost" else prepare), change


def stack(prepared: list[dict[str, np.ndarray]], device: torch.device) -> dict[str, Tensor]:
    """What was prepared for each image, as tensors ``[n_images, ...]`` on ``device``."""
    together = {}
    for name in prepared[0]:
        parts = [np.asarray(one[name]) for one in prepared]
        joined = np.ascontiguousarray(parts[0])[None] if len(parts) == 1 else np.stack(parts)
        together[name] = torch.from_numpy(joined).to(device)
    return together
