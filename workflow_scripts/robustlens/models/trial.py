"""What is tried on a network before anything is computed with it: two images, forward and backward, in evaluation mode.

All that follows takes for granted that a network gives logits, the same at each pass, of each image by itself, without changing itself, and
that the gradient of the logits reaches the image. What breaks one of these fails here, in one line, and not hours later.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

import torch
from torch import Tensor
from torch.nn import functional as F

from robustlens.errors import InputError
from robustlens.models.outputs import logits_of
from robustlens.models.registry import Classifier
from robustlens.randomness import generator

PASSES = 3  # of the same images, which give other logits where a network draws random numbers
RANDOM = 1e-5  # of the largest logit: more is no rounding, between passes of the same images ...
ALONE = 1e-3  # ... and between an image alone and beside another one, where rounding adds up through a deep network
PROBABILITIES = 1e-4  # from 1, of the sum of what is no logits then
DULL = (0.3, 0.4)  # pixels of the second image: least, largest, largest without sign and mean differ from the first's, whatever the mean
OTHER_SIDES = (28, 32, 64, 96, 128, 224, 256, 299, 384)  # px, tried where a network refuses the study's images, to say what it takes
Size = tuple[int, int]  # height and width, px
Sizes = Mapping[str, Size]  # of the images, by image set


def try_out(where: str, classifier: Classifier, sizes: Sizes, n_classes: int | None, *, trained: bool = True) -> None:
    """Try a network on two images of random pixels of the first of ``sizes``, and whether it takes those of the other sizes.

    ``where``: its key in the config; ``n_classes``: how many it must tell apart, None where that is not known; ``trained``: without, its
    weights are those before a training, whose logits may well be constant. The network is left as it was. Raises InputError for a size that
    is refused; outputs that are no finite logits of ``n_classes``; logits that are random, depend on the other image of the batch, or come
    without a gradient; and weights that a forward pass changes.
    """
    classifier.eval()
    with _kept(classifier) as before, torch.random.fork_rng(devices=[]):
        classifier.choose_order(sizes.values())
        size, *others = dict.fromkeys(sizes.values())
        images, logits = _images(size), _first_pass(where, classifier, sizes, size)
        _check_logits(where, logits, n_classes, trained)
        _check_kept(where, classifier, before)
        _check_repeated(where, classifier, images, logits)
        _check_alone(where, classifier, images, logits)
        _check_gradient(where, classifier, images, trained)
        for other in others:
            found = _first_pass(where, classifier, sizes, other, size)
            _check_other(where, found, logits.shape[1], _px(other), trained)


def _images(size: Size) -> Tensor:
    """float32 [2, 3, height, width] on [0, 1], channels last as the study's: random pixels, those of the second image all within DULL."""
    images = torch.from_numpy(generator(0, "import").random((2, 3, *size), dtype="float32"))
    images[1] = DULL[0] + (DULL[1] - DULL[0]) * images[1]
    return images.contiguous(memory_format=torch.channels_last)


@contextmanager
def _kept(classifier: Classifier) -> Iterator[dict[str, Tensor]]:
    """The tensors of the network, which are put back in the end."""
    before = {name: tensor.clone() for name, tensor in classifier.network.state_dict().items()}
    try:
        yield before
    finally:
        with torch.no_grad():
            for name, tensor in classifier.network.state_dict().items():
                if name in before:
                    tensor.copy_(before[name])
        classifier.eval()


def _check_kept(where: str, classifier: Classifier, before: dict[str, Tensor]) -> None:
    """Whole numbers may change: they count."""
    after = classifier.network.state_dict()
    changed = [name for name, tensor in before.items() if tensor.is_floating_point() and not torch.equal(after[name], tensor)]
    changed += [name for name in after if name not in before]
    if changed:
        what = "weights and statistics that stay as they are in evaluation mode"
        advice = "change them in training mode alone (if self.training)"
        raise InputError(where, what, f"a forward pass that changes {_some(changed)}", advice)


def _first_pass(where: str, classifier: Classifier, sizes: Sizes, size: Size, other: Size | None = None) -> Tensor:
    """Logits of two images of a size; ``other``: one that the network takes. Raises InputError for no logits, and with what it said."""
    images = _images(size)
    try:
        with torch.no_grad():
            output = classifier(images)
    except (Exception, SystemExit) as error:  # a network is anybody's code
        reason, refused = _reason(error), ", ".join(name for name, its in sizes.items() if its == size)
        if other is not None:
            taken = ", ".join(name for name, its in sizes.items() if its == other)
            what = f"a network that takes the images of every set, {_px(other)} of {taken} and {_px(size)} of {refused}"
            raise InputError(where, what, reason, f"give {refused} {_px(other)} as well, or leave it out") from error
        what = f"a network that takes images of {_px(size)}"
        raise InputError(where, what, reason, _advice(classifier, refused, reason, size)) from error
    if isinstance(output, Tensor) and not output.is_floating_point():
        raise InputError(where, "logits that are floating-point numbers", str(output.dtype).removeprefix("torch."))
    if not isinstance(output, Tensor) or output.ndim != 2 or len(output) != len(images):
        advice = "let its forward pass give the logits alone" if not isinstance(output, Tensor) else ""
        raise InputError(where, "logits [n_images, n_classes] for 2 images", _in_words(output), advice)
    return output


def _advice(classifier: Classifier, refused: str, reason: str, size: Size) -> str:
    """What to do about a network that refuses images, as far as the error of its module tells; and a size that it takes."""
    n_pixels = size[0] * size[1]
    channels = re.search(r"to have (\d+) channels, but got 3 ", reason)
    if f"x{3 * n_pixels} and {n_pixels}x" in reason or (channels and channels[1] == "1"):  # a linear layer of all pixels, a convolution
        grey = "images.mean(1, keepdim=True)"
        return f"it takes 1 channel and images have 3: a factory of your own (architecture, python_path) gives it {grey}"
    if channels:
        return f"it takes {channels[1]} channels and images have 3: say so in its arguments, or wrap it in a factory of your own"
    if not re.search(r"size|shape|height|width|dimension", reason, re.IGNORECASE):
        return "it is the module's own error: try it in Python"
    advice = f"give the images another size: sources.{refused.partition(',')[0]}.geometry"
    for side in OTHER_SIDES:
        with suppress(Exception), torch.no_grad():
            if len(logits_of(classifier(_images((side, side))))) == 2:
                return f"{advice} (it takes {side} px)"
    return advice


def _check_logits(where: str, logits: Tensor, n_classes: int | None, trained: bool) -> None:
    if n_classes is not None and logits.shape[1] != n_classes:
        raise InputError(where, f"a network that decides among the study's {n_classes} classes", f"one among {logits.shape[1]}")
    if trained and not torch.isfinite(logits).all():
        raise InputError(where, "finite logits", "NaN or inf", "check its weights and arguments; the images were random pixels")
    sums_to_one = logits.shape[1] > 1 and bool((logits >= 0).all()) and bool(((logits.double().sum(1) - 1).abs() < PROBABILITIES).all())
    if sums_to_one:
        raise InputError(where, "logits", "probabilities: they sum to 1 for each image", "leave out the softmax at its end")


def _check_other(where: str, logits: Tensor, n_classes: int, size: str, trained: bool) -> None:
    """Of images of another size."""
    if logits.shape[1] != n_classes:
        raise InputError(where, f"{n_classes} logits of an image of any size", f"{logits.shape[1]} at {size}", "give all images one size")
    if trained and not torch.isfinite(logits).all():
        raise InputError(where, f"finite logits of images of {size}", "NaN or inf", "give all images the size of clean")


def _check_repeated(where: str, classifier: Classifier, images: Tensor, logits: Tensor) -> None:
    with torch.no_grad():
        apart = max(_apart(classifier(images), logits) for _ in range(PASSES - 1))
    if apart > RANDOM:
        advice = "dropout and noise belong to training mode (F.dropout(x, training=self.training))"
        raise InputError(where, "the same logits at each pass of the same images", f"others, by {apart:.0%} of the largest", advice)


def _check_alone(where: str, classifier: Classifier, images: Tensor, logits: Tensor) -> None:
    try:
        with torch.no_grad():
            alone = torch.cat([classifier(images[:1]), classifier(images[1:])])
    except Exception as error:
        raise InputError(where, "a network that takes one image as well as two", _reason(error)) from error
    if alone.shape != logits.shape or (apart := _apart(alone, logits)) > ALONE:
        found = f"others, by {apart:.1%} of the largest" if alone.shape == logits.shape else f"{len(alone)} rows"
        advice = "in evaluation mode nothing may depend on the batch: batch normalisation needs its running statistics"
        raise InputError(where, "the same logits of an image alone and beside another one", found, advice)


def _check_gradient(where: str, classifier: Classifier, images: Tensor, trained: bool) -> None:
    """The gradient of the loss, as an attack takes it."""
    what = "a gradient of the logits that reaches the image"
    advice = "take no_grad, inference_mode, detach and NumPy out of its forward pass: attacks and the search for layers need it"
    point = images.clone().requires_grad_(True)
    try:
        with torch.inference_mode(False), torch.enable_grad():
            logits = classifier(point)
            gradient = None
            if logits.requires_grad:
                (gradient,) = torch.autograd.grad(F.cross_entropy(logits, logits.argmin(1), reduction="sum"), point, allow_unused=True)
    except Exception as error:
        in_place = "in place what autograd still needs must not be changed (inplace=True, x += y, x[...] = y)"
        raise InputError(where, what, _reason(error), in_place) from error
    if gradient is None:
        raise InputError(where, what, "none: its forward pass cuts it off", advice)
    if trained and not gradient.isfinite().all():
        raise InputError(where, what, "NaN or inf", "look for a root, a division or a logarithm of 0 in its forward pass")
    if trained and not gradient.any():
        raise InputError(where, what, "0 for every pixel", "rounding, thresholds and argmax in its forward pass have no gradient")


def _apart(found: Tensor, expected: Tensor) -> float:
    """The largest difference, as a share of the largest logit."""
    scale = max(float(expected.abs().max()), 1e-12)
    return float((found - expected).abs().max()) / scale if found.shape == expected.shape else 1.0


def _reason(error: BaseException) -> str:
    return " ".join((str(error) or type(error).__name__).split())[:200]


def _px(size: Size) -> str:
    return f"{size[0]} px" if size[0] == size[1] else f"{size[0]} x {size[1]} px"


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _in_words(output: object) -> str:
    """What is no logits, in short."""
    if isinstance(output, Tensor):
        return str(list(output.shape))
    if isinstance(output, Mapping):
        return f"{type(output).__name__} ({', '.join(map(str, list(output)[:5]))})"
    if isinstance(output, tuple | list):
        parts = [str(list(part.shape)) if isinstance(part, Tensor) else type(part).__name__ for part in output[:5]]
        return f"{type(output).__name__} ({', '.join(parts)})"
    return type(output).__name__
