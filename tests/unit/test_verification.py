import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from robustlens.errors import InputError
from robustlens.stimuli.samples import spread
from robustlens.verification import check_accuracy, check_trained, measured, plausible


def predictions(n_correct: int, n_images: int, unknown: int = 0) -> tuple[pd.Series, pd.Series]:
    """Labels and answers, which are always 0."""
    labels = np.concatenate([np.zeros(n_correct), np.ones(n_images - n_correct), np.full(unknown, -1)]).astype(np.int32)
    return pd.Series(labels), pd.Series(np.zeros_like(labels))


def verify(model: str, answers: tuple[pd.Series, pd.Series], expected: float | None, n_classes: int) -> dict:
    found = measured(model, *answers, n_classes)
    check_accuracy(found, expected)
    return found


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
        assert found["top1"] == n_right / 50_000
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
    assert verify("m", predictions(18, 20), None, 1000)["top1"] == 0.9
    assert verify("m", predictions(0, 5), None, 10)["n_images"] == 5  # five images leave 43 % open
    with pytest.raises(
        InputError, match="models.m: expected more correct answers on clean than by guessing among 1000 classes, got 0.0000"
    ):
        verify("m", predictions(0, 50), None, 1000)
    with pytest.raises(InputError, match="guessing among 10 classes"):
        verify("m", predictions(110, 1000), None, 10)
    assert verify("m", predictions(200, 1000), None, 10)["top1"] == 0.2


def test_images_of_unknown_label_do_not_count():
    assert verify("m", predictions(10, 10, unknown=5), 1.0, 10)["n_images"] == 10
    with pytest.raises(InputError, match="models.m.top1: expected 1.0000 on clean, .*, got no labelled image"):
        verify("m", predictions(0, 0, unknown=5), 1.0, 10)
    assert verify("m", predictions(0, 0, unknown=5), None, 10)["top1"] is None


def test_a_network_that_learned_its_images_and_guesses_on_clean_ones_is_refused():
    """Two classes: 0.5 is chance. One that did not learn guesses with good reason."""
    with pytest.raises(InputError, match=r"models.m: expected more .* among 2 classes, after 0.9800 in training, got 0.5000 \(100 of 200"):
        check_trained(measured("m", *predictions(100, 200), 2), 0.98)
    check_trained(measured("m", *predictions(100, 200), 2), 0.6)
    check_trained(measured("m", *predictions(150, 200), 2), 0.98)


@pytest.mark.parametrize(("expected", "n_correct"), [(0.0101, 755), (0.0102, 260), (0.0105, 275)])
def test_the_bounds_themselves_are_plausible(expected, n_correct):
    """Half a point from the known accuracy exactly, which floating point puts a little beyond."""
    assert verify("m", predictions(n_correct, 50_000), expected, 1000)["n_correct"] == n_correct
