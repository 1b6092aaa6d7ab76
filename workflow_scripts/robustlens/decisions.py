"""Among which classes a network of ImageNet decides: all of its own, the 16 of Geirhos et al., or the 200 of ImageNet-A or -R.

Every sum runs along one image, in one order, so neither the other images of a batch nor their number change a bit.
"""

from functools import cache

import numpy as np

from robustlens.errors import InputError
from robustlens.imagenet import members, membership

SETS = ("imagenet-16", "imagenet-a", "imagenet-r")
AGGREGATES = ("mean", "sum", "max")
N_CLASSES = 1000  # of ImageNet


def decide(probabilities: np.ndarray, classes: str | None, aggregate: str = "mean") -> np.ndarray:
    """Scores [n_images, n_scored], dtype of ``probabilities``, in [0, 1], whose largest is the decision.

    ``probabilities``: float [n_images, n_classes], each row a distribution. ``classes`` None: they themselves. ``imagenet-16``: n_scored
    = 16, the classes of Geirhos et al. (arXiv 1811.12231) in alphabetical order; the score is the ``aggregate`` of the probabilities of
    the members. ``imagenet-a``, ``imagenet-r``: n_scored = 1000; the classes that are not of the set score 0, those of the set their share
    of what is left (Hendrycks et al., arXiv 1907.07174 and 2006.16241). Raises InputError for another set or aggregate, a network of
    other than 1000 classes, and an image of which nothing falls on the set.
    """
    if classes is None:
        return probabilities
    if classes not in SETS:
        raise InputError("classes", f"{', '.join(SETS)} or none", repr(classes))
    if probabilities.ndim != 2 or probabilities.shape[1] != N_CLASSES:
        raise InputError(f"classes {classes}", "a network of the 1000 classes of ImageNet", f"probabilities {list(probabilities.shape)}")
    scores = _sixteen(probabilities, aggregate) if classes == "imagenet-16" else _masked(probabilities, classes)
    return scores.astype(probabilities.dtype)


def first_classes(scores: np.ndarray, count: int = 5) -> np.ndarray:
    """int32 [n_images, min(count, n_scored)]: the classes of largest score, best first; of equal ones the first."""
    return np.argsort(-scores, axis=1, kind="stable")[:, :count].astype(np.int32)


def _sixteen(probabilities: np.ndarray, aggregate: str) -> np.ndarray:
    """float64 [n_images, 16]."""
    if aggregate not in AGGREGATES:
        raise InputError("predictions.sixteen_by", ", ".join(AGGREGATES), repr(aggregate))
    number, starts, sizes = _members_of_sixteen()
    found = np.take(probabilities, number, axis=1).astype(np.float64)
    if aggregate == "max":
        return np.maximum.reduceat(found, starts, axis=1)
    sums = np.add.reduceat(found, starts, axis=1)
    return sums if aggregate == "sum" else sums / sizes


def _masked(probabilities: np.ndarray, classes: str) -> np.ndarray:
    """float64 [n_images, 1000]."""
    kept = _members_of(classes)
    found = np.take(probabilities, kept, axis=1).astype(np.float64)
    total = np.add.reduce(found, axis=1)
    if not (total > 0).all():
        got = f"none for image {int(np.argmin(total > 0))} of the batch"
        raise InputError(f"classes {classes}", "a probability above 0 for a class of the set", got)
    scores = np.zeros(probabilities.shape)
    scores[:, kept] = found / total[:, None]
    return scores


@cache
def _members_of_sixteen() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Class numbers of ImageNet, the members of a class side by side; where each of the 16 begins; how many each has."""
    of_class, number = np.nonzero(membership().T)
    return number, np.searchsorted(of_class, np.arange(16)), np.bincount(of_class, minlength=16)


@cache
def _members_of(classes: str) -> np.ndarray:
    return np.sort(members(classes))
