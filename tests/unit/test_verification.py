import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from robustlens.errors import InputError
from robustlens.verification import plausible, spread, verify


def predictions(n_right: int, n_images: int, unknown: int = 0) -> pd.DataFrame:
    labels = np.concatenate([np.zeros(n_right), np.ones(n_images - n_right), np.full(unknown, -1)]).astype(np.int32)
    return pd.DataFrame({"label": labels, "top5": [np.array([0, 1], np.int32)] * len(labels)})


def test_rows_lie_evenly_over_the_images():
    assert spread(10, None).tolist() == list(range(10))
    assert spread(10, 20).tolist() == list(range(10))
    assert spread(10, 5).tolist() == [0, 2, 4, 6, 8]
    assert spread(50_000, 3).tolist() == [0, 16_666, 33_333]


@pytest.mark.parametrize("n_right, fits", [(28_011, True), (28_010, False), (28_511, True), (28_512, False)])
def test_half_a_point_on_all_of_imagenet(n_right, fits):
    """AlexNet's 56.522 % +- 0.5 points of 50,000 images are 28,011 to 28,511 of them."""
    if fits:
        found = verify("alexnet-s", predictions(n_right, 50_000), 0.56522, 1000)
        assert found["top1"] == n_right / 50_000 and found["least"] == 0.56522 - 0.005
    else:
        with pytest.raises(InputError, match=r"models.alexnet-s.top1: expected 0.5652 on clean, that is 0.5602 to 0.5702, got"):
            verify("alexnet-s", predictions(n_right, 50_000), 0.56522, 1000)


@pytest.mark.parametrize("expected, n_images", [(0.5, 100), (0.9, 20), (0.05, 2000), (0.999, 10), (1.0, 30)])
def test_a_sample_is_held_against_the_exact_binomial_test(expected, n_images):
    """The ends are plausible at 0.1 % (0.05 % on either side) under an accuracy 0.005 off; the counts beyond them are not."""
    least, most = plausible(expected, n_images)
    k, shares = round(least * n_images), (max(0, expected - 0.005), min(1, expected + 0.005))
    assert binomtest(k, n_images, shares[0], "less").pvalue > 0.0005
    if k:
        assert binomtest(k - 1, n_images, shares[0], "less").pvalue <= 0.0005
    k = round(most * n_images)
    if k < n_images:
        assert binomtest(k + 1, n_images, shares[1], "greater").pvalue <= 0.0005


def test_without_a_number_only_guessing_is_refused():
    assert verify("m", predictions(18, 20), None, 1000)["least"] is None
    assert verify("m", predictions(0, 5), None, 10)["n_images"] == 5  # five images leave 43 % open
    with pytest.raises(InputError, match="models.m: expected more right answers on clean than by guessing among 1000 classes, got 0.0000"):
        verify("m", predictions(0, 50), None, 1000)
    with pytest.raises(InputError, match="guessing among 10 classes"):
        verify("m", predictions(110, 1000), None, 10)
    assert verify("m", predictions(200, 1000), None, 10)["top1"] == 0.2


def test_images_of_unknown_label_do_not_count():
    assert verify("m", predictions(10, 10, unknown=5), 1.0, 10)["n_images"] == 10
    with pytest.raises(InputError, match="models.m.top1: expected 1.0000 on clean, .*, got no labelled image"):
        verify("m", predictions(0, 0, unknown=5), 1.0, 10)
    assert verify("m", predictions(0, 0, unknown=5), None, 10)["top1"] is None
