"""Projected gradient descent on pixels in [0, 1], as in arXiv 2006.09373: ascend the loss, project to the ball, clip to [0, 1].

L2 steps follow the gradient scaled to norm 1 per image, Linf steps its sign (Madry et al., arXiv 1706.06083). Nothing here
draws random numbers of its own: a random start is handed in.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


def norms(change: Tensor) -> Tensor:
    """L2 norm of each image of ``change`` [n_images, ...], shape [n_images, 1, 1, 1], at least 1e-12."""
    return change.flatten(1).norm(dim=1).clamp_min(1e-12).view(-1, 1, 1, 1)


def project(change: Tensor, norm: str, eps: float) -> Tensor:
    """``change`` pulled back into the ball of radius ``eps``."""
    if norm == "l2":
        return change * (eps / norms(change)).clamp_max(1.0)
    return change.clamp(-eps, eps)


def pgd(
    logits: Callable[[Tensor], Tensor],
    images: Tensor,
    labels: Tensor,
    *,
    norm: str,
    eps: float,
    step: float,
    steps: int,
    start: Tensor | None = None,
    use_best: bool = False,
    scale: float = 1.0,
) -> Tensor:
    """Adversarial images in [0, 1], same shape and dtype as ``images`` float32 [n_images, 3, height, width].

    ``labels`` int64 [n_images]. ``start``: a change inside the ball to begin from (None: the images themselves). ``use_best``:
    return for each image the iterate of highest loss (the last iterate needs one more forward pass), as the robustness package does.
    ``scale``: what the loss is multiplied by for networks in float16, so that small gradients do not vanish; where it is not 1, a gradient
    that has become too large for float16 counts as 0. Otherwise an image whose gradient is not finite becomes NaN.
    """
    change = torch.zeros_like(images) if start is None else start
    change = (images + project(change, norm, eps)).clamp(0, 1) - images
    best, best_loss = images + change, torch.full((len(images),), -torch.inf, device=images.device)
    for _ in range(steps):
        point = (images + change).detach().requires_grad_(True)
        losses = F.cross_entropy(logits(point), labels, reduction="none")
        (gradient,) = torch.autograd.grad(scale * losses.sum(), point)
        if scale != 1:
            gradient = torch.where(gradient.isfinite(), gradient, 0)
        if use_best:
            best, best_loss = _keep_best(best, best_loss, point.detach(), losses.detach())
        direction = gradient / norms(gradient) if norm == "l2" else gradient.sign() + 0 * gradient  # whose sign alone would hide NaN
        change = project(change + step * direction, norm, eps)
        change = (images + change).clamp(0, 1) - images
    last = (images + change).detach()
    if use_best:
        with torch.no_grad():
            losses = F.cross_entropy(logits(last), labels, reduction="none")
        return _keep_best(best, best_loss, last, losses)[0]
    return last


def _keep_best(best: Tensor, best_loss: Tensor, point: Tensor, losses: Tensor) -> tuple[Tensor, Tensor]:
    better = losses > best_loss
    return torch.where(better.view(-1, 1, 1, 1), point, best), torch.where(better, losses, best_loss)


def random_start(random: np.random.Generator, shape: tuple[int, ...], norm: str, eps: float) -> np.ndarray:
    """A random change of one image, float32 ``shape``: random direction with radius U(0, eps) for L2, U(-eps, eps) for Linf."""
    if norm == "linf":
        return random.uniform(-eps, eps, shape).astype(np.float32)
    direction = random.standard_normal(shape, dtype=np.float32)
    return direction * np.float32(eps * random.random() / max(float(np.linalg.norm(direction)), 1e-12))
