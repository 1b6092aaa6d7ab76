"""Whether a network shows, on the unmodified images, the accuracy that it is known to have."""

import pandas as pd

from robustlens.errors import InputError
from robustlens.statistics import wilson

TOLERANCE = 0.005  # of the accuracy, for other decoders and resizing than the publisher's
FULL = 50_000  # images from which only the tolerance counts: ImageNet's whole validation set, which is no sample
RARE = 0.001  # share of correct networks that a sample of images stops
EXACT = 1e-9  # by which a share may pass a bound: 755 of 50,000 is 0.0051 + 0.01, and a little more in floating point
FAR = 0.25  # accuracy above chance that must be out of reach before a network counts as one that guesses
ADVICE = "check weights, mean, std, arguments (such as transform_input) and the labels of clean"


def measured(model: str, labels: pd.Series, answers: pd.Series, n_classes: int) -> dict[str, object]:
    """What ``verified.json`` holds (docs/data.md): accuracy and interval on the images whose label is known (not -1).

    ``labels``, ``answers``: int [n_images], the class of each image and the one that the network gives it; ``n_classes``: of how many.
    """
    known = labels >= 0
    n_images, correct = int(known.sum()), int((labels == answers)[known].sum())
    numbers = dict.fromkeys(("top1", "low", "high"))
    if n_images:
        numbers = dict(zip(numbers, (correct / n_images, *wilson(correct, n_images)), strict=True))
    return {"model": model, "n_images": n_images, "n_correct": correct, **numbers, "n_classes": n_classes}


def check_accuracy(found: dict, expected: float | None) -> None:
    """Raise InputError for an accuracy (:func:`measured`) outside of :func:`plausible`, and, where nothing is ``expected``, for one that
    cannot be told from guessing."""
    where = f"models.{found['model']}"
    if expected is not None:
        low, high = plausible(expected, found["n_images"])
        if found["top1"] is None or not low - EXACT <= found["top1"] <= high + EXACT:
            asked = f"{expected:.4f} on clean, that is {low:.4f} to {high:.4f}"
            raise InputError(f"{where}.top1", asked, _in_words(found), f"{ADVICE}, or top1")
    elif _guesses(found):
        asked = f"more correct answers on clean than by guessing among {found['n_classes']} classes"
        raise InputError(where, asked, _in_words(found), ADVICE)


def check_trained(found: dict, training: float) -> None:
    """Raise InputError for a network that learned its training images, to the accuracy ``training``, and guesses on clean ones."""
    if training >= 1 / found["n_classes"] + FAR and _guesses(found):
        asked = f"more correct answers on clean than by guessing among {found['n_classes']} classes, after {training:.4f} in training"
        advice = "do clean and the training images have the same classes? If it is right, state it as top1"
        raise InputError(f"models.{found['model']}", asked, _in_words(found), advice)


def _guesses(found: dict) -> bool:
    chance = 1 / found["n_classes"]
    return found["n_images"] > 0 and found["low"] <= chance and found["high"] < chance + FAR


def _in_words(found: dict) -> str:
    if not found["n_images"]:
        return "no labelled image"
    interval = f"95 % interval {found['low']:.4f} to {found['high']:.4f}"
    return f"{found['top1']:.4f} ({found['n_correct']:,} of {found['n_images']:,} images; {interval})"


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
