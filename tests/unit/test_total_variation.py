"""Total variation, worked out on paper, and smoothness in any order of the images."""

import numpy as np
import pandas as pd
import pytest

from robustlens.errors import InputError
from robustlens.neurons.total_variation import SmoothnessAccumulator, filter_statistics, total_variation


def checkerboard(height, width):
    return (np.indices((height, width)).sum(axis=0) % 2).astype(np.float32)


def test_total_variation_on_paper():
    assert total_variation(np.full((2, 5, 5), 3.0)).tolist() == [0, 0]
    assert total_variation(np.array([[7.0]])) == 0
    # every pair of neighbours differs by 1: 3 x 4 pairs across, 2 x 5 down
    assert total_variation(checkerboard(3, 5)) == 3 * 4 + 2 * 5
    assert total_variation(np.array([[0.0, 2.0], [-1.0, 5.0]])) == (1 + 3) + (2 + 6)  # down, then across
    assert total_variation(-4 * checkerboard(3, 5)) == 4 * 22
    assert total_variation(np.zeros((2, 3, 4, 4), np.float16)).shape == (2, 3)


def test_filters_on_paper():
    board = checkerboard(2, 2)  # total variation 4, energy 2
    grey = np.stack([np.stack([board] * 3), np.stack([2 * board] * 3)])
    colour = np.stack([np.stack([board, -board, 0 * board]), np.zeros((3, 2, 2), np.float32)])
    table = filter_statistics({"conv1": np.concatenate([grey, colour]), "deep.conv2": np.ones((2, 4, 1, 1), np.float32)})
    assert table.columns.tolist() == [
        *("layer", "depth", "unit", "kernel_height", "kernel_width", "n_inputs"),
        *("total_variation", "total_variation_unit_norm", "colour_share"),
    ]
    assert table["layer"].tolist() == ["conv1"] * 4 + ["deep.conv2"] * 2
    assert table["depth"].tolist() == [0] * 4 + [1] * 2
    assert table["unit"].tolist() == [0, 1, 2, 3, 0, 1]
    assert table["n_inputs"].tolist() == [3] * 4 + [4] * 2
    np.testing.assert_array_equal(table["total_variation"], [12, 24, 8, 0, 0, 0])
    # scale does not matter once the norm is 1: sqrt(3 channels x energy 2)
    np.testing.assert_allclose(table["total_variation_unit_norm"], [12 / 6**0.5, 12 / 6**0.5, 8 / 2, np.nan, 0, 0])
    np.testing.assert_allclose(table["colour_share"], [0, 0, 1, np.nan, np.nan, np.nan], atol=1e-12)
    assert {str(table[name].dtype) for name in ("depth", "unit", "kernel_height", "kernel_width", "n_inputs")} == {"int32"}


def test_bad_weights_are_refused():
    with pytest.raises(InputError, match="weights of layer fc: .* got 2 dimensions"):
        filter_statistics({"fc": np.zeros((3, 4))})
    with pytest.raises(InputError, match="NaN or inf"):
        filter_statistics({"conv": np.full((1, 1, 3, 3), np.nan)})


def test_smoothness_on_paper():
    clean = np.zeros((2, 2, 2, 2), np.float16)
    clean[:, 0] = checkerboard(2, 2)  # unit 1 is silent on clean images
    noisy = clean.copy()
    noisy[0, 0] *= 3  # total variation 12 instead of 4; two cells change by 2
    noisy[1, 1, 0, 0] = 5
    accumulator = SmoothnessAccumulator(2)
    accumulator.add(clean, noisy)
    expected = pd.DataFrame(
        {
            "unit": np.array([0, 1], np.int32),
            "n_images": np.array([2, 2], np.int32),
            "tv_clean": [4.0, 0.0],
            "tv_noisy": [8.0, 5.0],
            "relative_change": [4 / 4, np.nan],
        }
    )
    pd.testing.assert_frame_equal(accumulator.result(), expected)


def test_cutting_the_images_otherwise_changes_no_bit():
    draw = np.random.default_rng(0)
    clean = (draw.normal(size=(40, 5, 6, 7)) * 10 ** draw.uniform(-4, 3, (40, 5, 1, 1))).astype(np.float16)
    noisy = (clean + draw.normal(size=clean.shape)).astype(np.float16)
    whole = SmoothnessAccumulator(5)
    whole.add(clean, noisy)
    order = draw.permutation(40)
    parts = []
    for rows in (order[:1], order[1:18], order[18:]):
        parts.append(SmoothnessAccumulator(5))
        for row in np.array_split(rows, 3 if len(rows) > 2 else 1):
            parts[-1].add(clean[row], noisy[row])
    merged = parts[2]
    merged.merge(parts[0])
    merged.merge(parts[1])
    pd.testing.assert_frame_equal(merged.result(), whole.result(), check_exact=True)


def test_sums_of_maps_by_numpy_in_any_layout():
    draw = np.random.default_rng(3)
    for shape in [(3, 2, 9, 4), (2, 3, 1, 1), (2, 2, 1, 6)]:
        clean, noisy = (draw.normal(0, 50, shape).astype(np.float16) for _ in range(2))
        noisy[:, 0] = -0.0
        expected = SmoothnessAccumulator(shape[1])
        expected.add(clean, noisy)
        found = SmoothnessAccumulator(shape[1])
        found.add(*(np.ascontiguousarray(maps.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2) for maps in (clean, noisy)))
        pd.testing.assert_frame_equal(found.result(), expected.result(), check_exact=True)
        wide = [maps.astype(np.float64) for maps in (clean, noisy)]
        result = expected.result()
        for column, maps in zip(("tv_clean", "tv_noisy"), wide, strict=True):
            assert result[column].tolist() == (total_variation(maps).sum(axis=0) / shape[0]).tolist()
        change, magnitude = (np.abs(maps).sum(axis=(0, 2, 3)) for maps in (wide[1] - wide[0], wide[0]))
        assert result["relative_change"].tolist() == (change / magnitude).tolist()


def test_no_image_and_unpaired_images_are_refused():
    with pytest.raises(InputError, match="at least one image"):
        SmoothnessAccumulator(3).result()
    with pytest.raises(InputError, match="noisy activations"):
        SmoothnessAccumulator(3).add(np.zeros((2, 3, 4, 4), np.float16), np.zeros((1, 3, 4, 4), np.float16))
