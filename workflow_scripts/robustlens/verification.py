"""Whether a network that is brought shows, on the unmodified images, the accuracy that it is known to have."""

import numpy as np
import pandas as pd

from robustlens.errors import InputError
from robustlens.statistics import wilson

TOLERANCE = 0.005  # of the accuracy, for other decoders and resizing than the publisher's
FULL = 50_000  # images from which only the tolerance counts: ImageNet's whole validation set, which is no sample
RARE = 0.001  # share of right networks that a sample of images stops
FAR = 0.25  # accuracy above chance that must be out of reach before a network counts as one that guesses


def spread(n_images: int, wanted: int | None) -> np.ndarray:
    """int64 [min(n_images, wanted)]: rows that lie evenly over ``n_images`` (a folder lists class after class); all for None."""
    wanted = n_images if wanted is None else min(wanted, n_images)
    return np.arange(wanted) * n_images // max(wanted, 1)


def verify(model: str, predictions: pd.DataFrame, expected: float | None, n_classes: int) -> dict[str, object]:
    """What ``verified.json`` holds (docs/data.md), of the images of clean whose label is known.

    ``predictions``: rows of :func:`robustlens.predictions.predict`. Raises InputError for an accuracy outside of
    :func:`plausible`, and, where nothing is ``expected``, for one that does not differ from guessing among ``n_classes``.
    """
    known = predictions[predictions["label"] >= 0]
    n_images, correct = len(known), int((known["top5"].str[0] == known["label"]).sum())
    top1, (low, high) = correct / n_images if n_images else None, wilson(correct, n_images)
    bounds = None if expected is None else plausible(expected, n_images)
    said = f"{top1:.4f} ({correct:,} of {n_images:,} images; 95 % interval {low:.4f} to {high:.4f})" if n_images else "no labelled image"
    mend = "check weights, mean, std, arguments (such as transform_input) and the labels of clean"
    if bounds and (top1 is None or not bounds[0] <= top1 <= bounds[1]):
        asked = f"{expected:.4f} on clean, that is {bounds[0]:.4f} to {bounds[1]:.4f}"
        raise InputError(f"models.{model}.top1", asked, said, f"{mend}, or top1")
    if expected is None and n_images and low <= 1 / n_classes and high < 1 / n_classes + FAR:
        raise InputError(f"models.{model}", f"more right answers on clean than by guessing among {n_classes} classes", said, mend)
    least, most = bounds or (None, None)
    numbers = {"top1": top1, "low": low, "high": high} if n_images else dict.fromkeys(("top1", "low", "high"))
    return {"model": model, "n_images": n_images, **numbers, "expected": expected, "least": least, "most": most, "n_classes": n_classes}


def plausible(expected: float, n_images: int) -> tuple[float, float]:
    """The accuracies on ``n_images`` that do not speak against ``expected``: within 0.005 of it; for fewer than 50,000 images, which are
    a sample, from the 0.05 % quantile of the binomial distribution of ``expected - 0.005`` to the 99.95 % quantile of that of ``+ 0.005``.
    """
    low, high = max(0.0, expected - TOLERANCE), min(1.0, expected + TOLERANCE)
    if n_images >= FULL:
        return low, high
    from scipy.stats import binom  # slow to import

    n_images = max(n_images, 1)
    return float(binom.ppf(RARE / 2, n_images, low)) / n_images, float(binom.ppf(1 - RARE / 2, n_images, high)) / n_images
