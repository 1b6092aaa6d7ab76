"""Scores over other classes than the network's own: cases worked out by hand, a slow loop, and what masking must keep."""

import numpy as np
import pytest

from robustlens.decisions import AGGREGATES, SETS, decide, first_classes
from robustlens.errors import InputError
from robustlens.imagenet import SIXTEEN, members, membership


def distribution(**shares) -> np.ndarray:
    """float64 [1, 1000]: ``n<class>`` = share, zero elsewhere."""
    found = np.zeros((1, 1000))
    for name, share in shares.items():
        found[0, int(name[1:])] = share
    return found


@pytest.fixture(scope="module")
def probabilities() -> np.ndarray:
    """float32 [60, 1000], peaked as those of a trained network are."""
    logits = 4 * np.random.default_rng(0).normal(size=(60, 1000))
    found = np.exp(logits - logits.max(1, keepdims=True))
    return (found / found.sum(1, keepdims=True)).astype(np.float32)


# --------------------------------------------------------------------------------------------------------------- by hand
def test_the_network_s_own_classes_are_left_alone(probabilities):
    assert decide(probabilities, None) is probabilities
    three = np.array([[0.2, 0.5, 0.3]])
    assert decide(three, None) is three


def test_sixteen_classes_on_paper():
    """One knife (499) of 0.2; four bears (294 to 297) of 0.15, 0.15, 0.1 and 0: mean 0.1, sum 0.4, largest 0.15; a goldfish (1) is none."""
    found = distribution(n499=0.2, n294=0.15, n295=0.15, n296=0.1, n1=0.4)
    knife, bear = SIXTEEN.index("knife"), SIXTEEN.index("bear")
    expected = {"mean": (0.2, 0.1, knife), "sum": (0.2, 0.4, bear), "max": (0.2, 0.15, knife)}
    for aggregate, (of_knife, of_bear, decision) in expected.items():
        scores = decide(found, "imagenet-16", aggregate)
        assert scores.shape == (1, 16)
        np.testing.assert_allclose(scores[0, [knife, bear]], [of_knife, of_bear], rtol=1e-15)
        assert np.delete(scores, [knife, bear]).tolist() == [0] * 14
        assert first_classes(scores)[0, 0] == decision
    np.testing.assert_array_equal(decide(found, "imagenet-16"), decide(found, "imagenet-16", "mean"))


@pytest.mark.parametrize("classes", ["imagenet-a", "imagenet-r"])
def test_masking_on_paper(classes):
    inside, outside = members(classes)[[0, -1]], np.setdiff1d(np.arange(1000), members(classes))[0]
    found = distribution(**{f"n{inside[0]}": 0.1, f"n{inside[1]}": 0.3, f"n{outside}": 0.6})
    scores = decide(found, classes)
    assert found.argmax() == outside and scores.argmax() == inside[1]
    np.testing.assert_allclose(scores[0, inside], [0.25, 0.75], rtol=1e-15)
    assert np.count_nonzero(scores) == 2


def test_ties_go_to_the_first_class():
    scores = np.array([[0.1, 0.3, 0.3, 0.0, 0.3, 0.0, 0.0], [0.0] * 7], np.float32)
    found = first_classes(scores)
    assert found.tolist() == [[1, 2, 4, 0, 3], [0, 1, 2, 3, 4]] and found.dtype == np.int32
    assert first_classes(scores[:, :3]).tolist() == [[1, 2, 0], [0, 1, 2]]
    tie = decide(distribution(n404=0.3, n499=0.3, n1=0.4), "imagenet-16")
    assert first_classes(tie)[0, :2].tolist() == [SIXTEEN.index("airplane"), SIXTEEN.index("knife")]


# ------------------------------------------------------------------------------------------------------------ by other ways
@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_sixteen_classes_against_a_loop(probabilities, aggregate):
    how = {"mean": lambda values: sum(values) / len(values), "sum": sum, "max": max}[aggregate]
    table = membership()
    scores = decide(probabilities, "imagenet-16", aggregate)
    assert scores.shape == (60, 16) and scores.dtype == np.float32
    for row, found in zip(probabilities, scores, strict=True):
        expected = [how([float(row[k]) for k in range(1000) if table[k, number]]) for number in range(16)]
        np.testing.assert_allclose(found, expected, rtol=1e-6)
        assert first_classes(found[None])[0, 0] == expected.index(max(expected))


def test_mean_and_sum_are_a_matrix_product(probabilities):
    table = (membership() > 0).astype(float)
    np.testing.assert_allclose(decide(probabilities, "imagenet-16", "sum"), probabilities @ table, rtol=1e-5)
    np.testing.assert_allclose(decide(probabilities, "imagenet-16"), probabilities @ (table / table.sum(0)), rtol=1e-5)


@pytest.mark.parametrize("classes", ["imagenet-a", "imagenet-r"])
def test_masking_keeps_the_order_and_the_odds_within_the_set(probabilities, classes):
    kept = np.sort(members(classes))
    scores = decide(probabilities, classes)
    assert scores.dtype == np.float32 and len(kept) == 200
    np.testing.assert_allclose(scores.sum(1), 1, rtol=1e-5)
    assert not np.delete(scores, kept, axis=1).any()
    np.testing.assert_array_equal(first_classes(scores), kept[first_classes(probabilities[:, kept])])
    ratios = scores[:, kept] / probabilities[:, kept]
    np.testing.assert_allclose(ratios, np.broadcast_to(ratios[:, :1], ratios.shape), rtol=1e-5)
    np.testing.assert_allclose(decide(scores, classes), scores, rtol=1e-6)  # doing it again changes nothing


@pytest.mark.parametrize("classes", SETS)
@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_the_other_images_of_a_batch_change_no_bit(probabilities, classes, aggregate):
    whole = decide(probabilities, classes, aggregate)
    for size in (1, 7, 50):
        parts = [decide(probabilities[start : start + size], classes, aggregate) for start in range(0, 60, size)]
        assert np.concatenate(parts).tobytes() == whole.tobytes()
    assert decide(np.asfortranarray(probabilities), classes, aggregate).tobytes() == whole.tobytes()


def test_no_image_gives_no_score():
    assert decide(np.zeros((0, 1000), np.float32), "imagenet-16").shape == (0, 16)
    assert decide(np.zeros((0, 1000), np.float32), "imagenet-a").shape == (0, 1000)
    assert first_classes(np.zeros((0, 16))).shape == (0, 5)


# ---------------------------------------------------------------------------------------------------------------- refused
def test_what_is_refused(probabilities):
    with pytest.raises(InputError, match="classes imagenet-16: expected a network of the 1000 classes of ImageNet, got probabilities"):
        decide(np.ones((2, 8)) / 8, "imagenet-16")
    with pytest.raises(InputError, match="classes: expected imagenet-16, imagenet-a, imagenet-r or none, got 'imagenet-x'"):
        decide(probabilities, "imagenet-x")
    with pytest.raises(InputError, match=r"predictions\.sixteen_by: expected mean, sum, max, got 'median'"):
        decide(probabilities, "imagenet-16", "median")
    outside = np.setdiff1d(np.arange(1000), members("imagenet-r"))[0]
    nothing = np.concatenate([distribution(**{f"n{members('imagenet-r')[0]}": 1}), distribution(**{f"n{outside}": 1})])
    with pytest.raises(InputError, match="classes imagenet-r: expected a probability above 0 for a class of the set, got none for image 1"):
        decide(nothing, "imagenet-r")
