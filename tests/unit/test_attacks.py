"""Projected gradient descent: closed forms on a linear network, the ball, and a second implementation."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn
from torch.nn import functional as F

from robustlens.models.attacks import pgd, project, random_start
from robustlens.randomness import generator
from tiny import classifier, random_network


@pytest.fixture
def linear():
    """Two classes; the weights of class 1 minus those of class 0 are v."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 4, 2))


@pytest.fixture
def network():
    return classifier(random_network(classes=4, width=8))


@pytest.fixture
def images():
    torch.manual_seed(1)
    pixels = torch.rand(12, 3, 16, 16)
    pixels[0], pixels[1] = 0, 1  # where every step leaves the pixel range
    return pixels


LABELS = torch.arange(12) % 4


def losses(network, images, labels):
    with torch.no_grad():
        return F.cross_entropy(network(images), labels, reduction="none")


# --------------------------------------------------------------------------------------------------------------- closed forms
@pytest.mark.parametrize(("step", "steps"), [(0.3, 1), (0.05, 6), (0.02, 40)])
def test_a_linear_network_is_attacked_along_its_weights(linear, step, steps):
    """The gradient points along +-v wherever one is: L2 ends at eps v / |v|, Linf at eps sign(v)."""
    grey = torch.full((2, 3, 4, 4), 0.5)
    v = (linear[1].weight[1] - linear[1].weight[0]).detach().view(3, 4, 4)
    ways = torch.stack([v, -v])  # away from label 0 is towards class 1
    moved = pgd(linear, grey, torch.tensor([0, 1]), norm="l2", eps=0.3, step=step, steps=steps)
    torch.testing.assert_close(moved, 0.5 + 0.3 * ways / v.norm(), atol=1e-6, rtol=0)
    moved = pgd(linear, grey, torch.tensor([0, 1]), norm="linf", eps=0.3, step=step, steps=steps)
    torch.testing.assert_close(moved, 0.5 + 0.3 * ways.sign(), atol=1e-6, rtol=0)


def test_too_few_steps_end_short_of_the_ball(linear):
    grey = torch.full((1, 3, 4, 4), 0.5)
    moved = pgd(linear, grey, torch.tensor([0]), norm="l2", eps=0.3, step=0.05, steps=3)
    assert (moved - grey).norm().item() == pytest.approx(0.15, abs=1e-6)


def test_pixels_stay_in_range_on_paper(linear):
    v = (linear[1].weight[1] - linear[1].weight[0]).detach().view(1, 3, 4, 4)
    black = torch.zeros(1, 3, 4, 4)
    moved = pgd(linear, black, torch.tensor([0]), norm="linf", eps=0.1, step=0.1, steps=3)
    torch.testing.assert_close(moved, torch.where(v > 0, 0.1, 0.0))


def test_projection_on_paper():
    change = torch.zeros(3, 3, 1, 1)
    change[0, :2, 0, 0] = torch.tensor([3.0, 4.0])  # norm 5
    change[1, 0] = 0.5
    torch.testing.assert_close(project(change, "l2", 2.0)[:2, :2, 0, 0], torch.tensor([[1.2, 1.6], [0.5, 0.0]]))
    assert not project(change, "l2", 2.0)[2].any()
    assert project(change, "linf", 2.0)[0, :2, 0, 0].tolist() == [2, 2]
    assert not project(change, "l2", 0.0).any()


# ------------------------------------------------------------------------------------------------------------------ the ball
@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("use_best", [False, True])
def test_stays_in_the_ball_and_in_range(network, images, norm, use_best):
    eps = 1.5 if norm == "l2" else 0.07
    starts = [random_start(generator(0, i), (3, 16, 16), norm, eps) for i in range(12)]
    start = torch.from_numpy(np.stack(starts)) * 10  # outside: it must be pulled back
    moved = pgd(network, images, LABELS, norm=norm, eps=eps, step=eps / 2, steps=5, start=start, use_best=use_best)
    change = (moved - images).flatten(1)
    size = change.norm(dim=1) if norm == "l2" else change.abs().amax(1)
    assert size.max() <= eps * (1 + 1e-5)
    assert size[2:].min() > 0.9 * eps  # and it uses the ball where the range of pixels lets it
    assert moved.min() >= 0 and moved.max() <= 1


@pytest.mark.parametrize("use_best", [False, True])
def test_no_steps_or_no_radius_change_nothing(network, images, use_best):
    assert torch.equal(pgd(network, images, LABELS, norm="l2", eps=1.0, step=0.1, steps=0, use_best=use_best), images)
    assert torch.equal(pgd(network, images, LABELS, norm="linf", eps=0.0, step=0.1, steps=3, use_best=use_best), images)


def test_neither_images_nor_network_are_touched(images):
    network = random_network(classes=4, width=8).eval()
    before = images.clone()
    pgd(network, images, LABELS, norm="l2", eps=1.0, step=0.3, steps=2, use_best=True)
    assert torch.equal(images, before)
    assert all(parameter.grad is None for parameter in network.parameters())


# ------------------------------------------------------------------------------------------------------------- the best iterate
def test_the_best_iterate_is_the_best(network, images):
    """With a step as long as the ball is wide the last iterate is often not the worst for the network."""
    how = {"norm": "l2", "eps": 1.0, "step": 2.0}
    last = [losses(network, pgd(network, images, LABELS, steps=steps, **how), LABELS) for steps in range(7)]
    best = losses(network, pgd(network, images, LABELS, steps=6, use_best=True, **how), LABELS)
    torch.testing.assert_close(best, torch.stack(last).amax(0))
    assert (best > last[-1] + 1e-4).any()


# ------------------------------------------------------------------------------------------------------ another implementation
def plain_pgd(network, image, label, norm, eps, step, steps, start):
    """The last iterate of one image, and the one of highest loss; one number at a time where it can be."""
    point, seen = np.clip(image + start, 0, 1), []
    for taken in range(steps + 1):
        x = torch.from_numpy(point)[None].requires_grad_(True)
        loss = F.cross_entropy(network(x), torch.tensor([label]))
        seen.append((loss.item(), point))
        if taken == steps:
            break
        loss.backward()
        gradient = x.grad[0].numpy()
        length = np.sqrt(np.sum(gradient.astype(float) ** 2))
        step_taken = np.sign(gradient) if norm == "linf" else gradient / length if length else gradient
        change = point + step * step_taken - image
        if norm == "l2":
            length = np.sqrt(np.sum(change.astype(float) ** 2))
            change = change if length <= eps else change * (eps / length)
        else:
            change = np.minimum(np.maximum(change, -eps), eps)
        point = np.clip(image + change, 0, 1).astype(np.float32)
    return point, max(seen, key=lambda pair: pair[0])[1]


@pytest.mark.parametrize(("norm", "eps", "step"), [("l2", 1.0, 0.3), ("linf", 0.05, 0.02), ("l2", 1.0, 2.0)])
@pytest.mark.parametrize("started", [False, True])
def test_agrees_with_a_plain_loop(network, images, norm, eps, step, started):
    """The last of it: steps as long as the ball is wide, with which the best iterate is not the last one for some image."""
    starts = np.stack([random_start(generator(0, i), (3, 16, 16), norm, eps) for i in range(12)]) * started
    how = {"norm": norm, "eps": eps, "step": step, "steps": 4, "start": torch.from_numpy(starts) if started else None}
    last, best = (pgd(network, images, LABELS, use_best=use_best, **how) for use_best in (False, True))
    for i in range(12):
        expected = plain_pgd(network, images[i].numpy(), int(LABELS[i]), norm, eps, step, 4, starts[i])
        for found, image in zip((last[i], best[i]), expected, strict=True):
            unlike = np.abs(found.numpy() - image) > 1e-4
            assert unlike.mean() < 0.005  # the sign of a gradient that is nearly 0 may differ in the last bit
    if step > eps:
        assert (last != best).flatten(1).any(1).any()


# --------------------------------------------------------------------------------------------------------------- random starts
def test_random_starts_fill_the_ball():
    """L2: the radius is uniform on (0, eps) and the direction has no favourite; Linf: every pixel is uniform."""
    starts = np.stack([random_start(generator(0, "attack", i), (3, 4, 4), "l2", 2.0) for i in range(500)])
    assert starts.dtype == np.float32
    radius = np.sqrt((starts.astype(float) ** 2).sum((1, 2, 3)))
    assert stats.kstest(radius, stats.uniform(0, 2).cdf).pvalue > 0.01
    direction = (starts / radius[:, None, None, None]).reshape(500, -1)
    assert np.abs(direction.mean(0)).max() < 4 * np.sqrt(1 / 48 / 500)
    starts = np.stack([random_start(generator(0, "attack", i), (3, 4, 4), "linf", 0.1) for i in range(50)])
    assert stats.kstest(starts.ravel(), stats.uniform(-0.1, 0.2).cdf).pvalue > 0.01


def test_a_random_start_is_the_images_own():
    first, again, other = (random_start(generator(0, "attack", name), (3, 4, 4), "l2", 1.0) for name in ("a", "a", "b"))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
    assert not random_start(generator(0), (3, 2, 2), "l2", 0.0).any()
