"""Network Dissection: thresholds and upsampling against numpy and torch, counts against a plain loop over pixels."""

import numpy as np
import pandas as pd
import pytest
import torch

from robustlens.compiled import contiguous
from robustlens.errors import InputError
from robustlens.neurons.device_counts import DeviceTally, DeviceThresholds
from robustlens.neurons.dissection import (
    ConceptIndex,
    TallyAccumulator,
    ThresholdAccumulator,
    best_by_category,
    best_concepts,
    key_values,
    order_keys,
    unit_table,
    upsample,
)

CONCEPTS = pd.DataFrame(
    [(1, "red", "color"), (2, "blue", "color"), (4, "disc", "object"), (5, "stripes", "texture"), (9, "street", "scene")],
    columns=["number", "name", "category"],
)
NO_LABELS = np.zeros(0, np.uint16)


# ---------------------------------------------------------------------------------------------------------------- thresholds
def test_keys_order_all_finite_values():
    values = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    values = values[np.isfinite(values)]
    keys = order_keys(values.view(np.uint16))
    assert keys.dtype == np.uint16
    by_value = np.argsort(values, kind="stable")
    steps = np.diff(keys[by_value].astype(int))
    assert (steps >= 0).all()
    assert (steps == 0).sum() == 1  # -0 and +0
    np.testing.assert_array_equal(key_values(keys), values.astype(np.float32))


@pytest.mark.parametrize("quantile", [0, 0.005, 0.1, 0.5, 0.999])
@pytest.mark.parametrize("kind", ["normal", "ties", "relu", "constant", "zeros of both signs"])
def test_threshold_is_the_exact_order_statistic(quantile, kind):
    draw = np.random.default_rng(3)
    maps = draw.normal(size=(25, 3, 6, 4)).astype(np.float16)
    maps = {
        "normal": maps * np.float16(100),
        "ties": draw.integers(-3, 3, maps.shape).astype(np.float16),
        "relu": np.maximum(maps - 1, 0),
        "constant": np.full_like(maps, -2.5),
        "zeros of both signs": np.where(maps > 0, np.float16(0), np.float16(-0.0)),
    }[kind]
    accumulator = ThresholdAccumulator(3)
    accumulator.add(maps)
    found = accumulator.result(quantile)
    descending = -np.sort(-maps.transpose(1, 0, 2, 3).reshape(3, -1).astype(np.float32), axis=1)
    allowed = int(quantile * 600 + 1e-9)
    np.testing.assert_array_equal(found.threshold, descending[:, allowed])
    np.testing.assert_array_equal(found.n_above, (descending > found.threshold[:, None]).sum(axis=1))
    assert (found.n_above <= allowed).all()
    assert found.n_cells == 600
    assert (found.threshold.dtype, found.n_above.dtype) == (np.float32, np.int64)


def test_the_quantile_is_decimal():
    """0.035 * 200 is 7.000000000000001 and 0.29 * 100 is 28.999999999999996 in floating point; 7 and 29 cells are meant."""
    for quantile, n_cells, allowed in [(0.035, 200, 7), (0.29, 100, 29)]:
        accumulator = ThresholdAccumulator(1)
        accumulator.add(np.arange(n_cells, dtype=np.float16).reshape(n_cells, 1, 1, 1))
        assert accumulator.result(quantile).n_above[0] == allowed


def test_cutting_the_images_otherwise_changes_no_threshold():
    maps = np.random.default_rng(4).normal(size=(30, 2, 5, 5)).astype(np.float16)
    whole, first, second = ThresholdAccumulator(2), ThresholdAccumulator(2), ThresholdAccumulator(2)
    whole.add(maps)
    for part in np.array_split(maps[::-1], 7):
        second.add(part)
    first.add(maps[:0])
    first.merge(second)
    for one, other in zip(whole.result(0.02), first.result(0.02), strict=True):
        np.testing.assert_array_equal(one, other)


def test_thresholds_refuse_what_they_cannot_answer():
    with pytest.raises(InputError, match="dissection.quantile"):
        ThresholdAccumulator(1).result(0.005)
    for bad in (np.nan, -np.nan, np.inf, -np.inf):
        accumulator = ThresholdAccumulator(1)
        accumulator.add(np.array([1, bad], np.float16).reshape(1, 1, 2, 1))
        with pytest.raises(InputError, match="NaN or inf"):
            accumulator.result(0.5)
        with pytest.raises(InputError, match="dissection.quantile"):
            accumulator.result(1.0)


@pytest.mark.parametrize("kind", [ThresholdAccumulator, DeviceThresholds])
def test_one_value_may_occur_more_than_2_32_times(kind):
    """2**32 - 1 ones, and then two more of them with a two: as parts, merged, and put down and taken up."""
    ones = {"unit": [0], "key": order_keys(np.array([1], np.float16).view(np.uint16)), "count": np.array([(1 << 32) - 1], np.uint32)}
    accumulator, merged, again = kind(1), kind(1), kind(1)
    accumulator.restore({**ones, "n_cells": np.array((1 << 32) - 1), "n_units": np.array(1)})
    few = np.array([1, 2, 1], np.float16).reshape(3, 1, 1, 1)
    accumulator.add(torch.from_numpy(few) if kind is DeviceThresholds else few)
    merged.merge(accumulator)
    again.restore(accumulator.arrays())
    for each in (accumulator, merged, again):
        assert each.arrays()["count"].tolist() == [(1 << 32) + 1, 1]
        found = each.result(0)
        assert (found.threshold.tolist(), found.n_above.tolist(), found.n_cells) == ([2], [0], (1 << 32) + 2)
        found = each.result(0.5)
        assert (found.threshold.tolist(), found.n_above.tolist()) == ([1], [1])


# ----------------------------------------------------------------------------------------------------------------- upsampling
@pytest.mark.parametrize("size", [(12, 12), (24, 24), (6, 6), (3, 3), (1, 1), (5, 7), (48, 48), (60, 55)])
def test_upsampling_is_that_of_torch(size):
    """Computed by torch in float64: in float32 it rounds the positions, which costs up to 1e-5 where the sizes do not divide."""
    maps = np.random.default_rng(5).normal(size=(4, *size)).astype(np.float16)
    expected = torch.nn.functional.interpolate(torch.from_numpy(maps).double()[None], (48, 40), mode="bilinear", align_corners=False)
    found = upsample(maps, 48, 40)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected[0].numpy(), atol=1e-6, rtol=0)


def test_upsampling_never_rises_above_the_cells():
    maps = np.random.default_rng(6).normal(size=(200, 3, 3)).astype(np.float16)
    maps[:100] = maps[:100, :1, :1]  # constant maps keep exactly their value
    large = upsample(maps, 113, 97)
    np.testing.assert_array_equal(large[:100], np.broadcast_to(maps[:100, :1, :1], (100, 113, 97)))
    assert (large.max(axis=(1, 2)) <= maps.max(axis=(1, 2))).all()
    assert (large.min(axis=(1, 2)) >= maps.min(axis=(1, 2))).all()


# -------------------------------------------------------------------------------------------------------------------- tallies
def tally_of(maps, thresholds, planes, whole, concepts=CONCEPTS, cuts=None, denominator="paper", kind=TallyAccumulator):
    """The result of a tally over [n_images, ...] arrays, in one block or merged from blocks cut at ``cuts``."""
    index = ConceptIndex(concepts)
    labels = [index.labels(f"i{n}", *each) for n, each in enumerate(zip(planes, whole, strict=True))]
    parts = []
    for rows in np.split(np.arange(len(maps)), cuts or []):
        parts.append(kind(np.asarray(thresholds, np.float32), index, *planes.shape[2:], denominator))
        found = maps[rows]
        parts[-1].add(torch.from_numpy(found) if kind is DeviceTally else found, [labels[row] for row in rows])
    first, *others = parts
    for other in others:
        first.merge(other)
    return first.result()


def test_a_unit_equal_to_a_concept_has_iou_1():
    disc = np.zeros((6, 6), np.uint16)
    disc[1:4, 2:5] = 4
    planes = np.stack([disc, np.zeros_like(disc)])[None]
    table = tally_of((planes[:, :1] > 0).astype(np.float16), [0], planes, [NO_LABELS])
    row = table[table["concept"] == 4].iloc[0]
    assert (row["intersection"], row["activated"], row["concept_pixels"], row["iou"]) == (9, 9, 9, 1.0)
    assert best_concepts(table).to_dict("records") == [{"unit": 0, "concept": 4, "name": "disc", "category": "object", "iou": 1.0}]


def test_denominators_by_hand():
    """Three images of 2 x 2; the unit is on everywhere (4 pixels an image)."""
    planes = np.zeros((3, 2, 2, 2), np.uint16)
    planes[0, 0] = [[1, 1], [0, 2]]  # colours on image 0
    planes[1, 0] = [[4, 0], [0, 0]]  # an object on image 1 ...
    planes[1, 1] = [[4, 2], [0, 0]]  # ... in two planes, and a colour
    whole = np.array([[0, 0], [0, 0], [9, 0]], np.uint16)  # a scene on image 2
    table = tally_of(np.ones((3, 1, 2, 2), np.float16), [0.5], planes, whole).set_index("concept")
    # activated: colours are on images 0 and 1, the object on image 1, the scene on image 2, no image has a texture
    assert table["activated"].to_dict() == {1: 8, 2: 8, 4: 4, 5: 0, 9: 4}
    assert table["concept_pixels"].to_dict() == {1: 2, 2: 2, 4: 2, 5: 0, 9: 4}  # the object's pixel counts twice
    assert table["intersection"].to_dict() == {1: 2, 2: 2, 4: 2, 5: 0, 9: 4}
    assert table["iou"].to_dict() == {1: 2 / 8, 2: 2 / 8, 4: 2 / 4, 5: 0, 9: 1}


@pytest.mark.parametrize("kind", [TallyAccumulator, DeviceTally])
@pytest.mark.parametrize("denominator", ["paper", "lite"])
def test_labels_of_whole_images_need_no_label_map(kind, denominator):
    maps, planes, whole = np.ones((2, 1, 1, 1), np.float16), np.zeros((2, 0, 2, 3), np.uint16), np.array([[9], [0]], np.uint16)
    table = tally_of(maps, [0], planes, whole, denominator=denominator, kind=kind).set_index("concept")
    assert table.loc[9, ["intersection", "activated", "concept_pixels"]].tolist() == [6, 6, 6]
    assert table["iou"].to_dict() == {1: 0, 2: 0, 4: 0, 5: 0, 9: 6 / (6 + 1e-10) if denominator == "lite" else 1}


def test_a_unit_at_its_threshold_has_no_mask():
    planes = np.full((1, 1, 4, 4), 4, np.uint16)
    table = tally_of(np.full((1, 1, 2, 2), 0.1, np.float16), [np.float16(0.1)], planes, [NO_LABELS])
    assert table["intersection"].sum() == table["activated"].sum() == table["iou"].sum() == 0
    assert best_concepts(table)["concept"].tolist() == [1]  # ties go to the lowest number


def test_ties_go_to_the_lowest_number():
    planes = np.array([[[[4, 4]], [[5, 5]]]], np.uint16)
    table = tally_of(np.ones((1, 1, 1, 2), np.float16), [0], planes, [NO_LABELS], CONCEPTS.iloc[::-1])
    assert best_concepts(table)["concept"].tolist() == [4]


def test_best_concepts_by_category():
    """Unit 0 is red and, less so, a disc, on the left; unit 1 the same; unit 2 is dead. No image has a texture or a scene."""
    planes = np.array([[[[1, 2]], [[4, 4]]]], np.uint16)
    maps = np.array([[[[1, 0]], [[1, 0]], [[0, 0]]]], np.float16)
    table = tally_of(maps, [0.5] * 3, planes, [NO_LABELS])
    best = best_by_category(table)
    assert best.columns.tolist() == ["unit", "category", "concept", "name", "iou"]
    one = [("color", 1, "red", 1.0), ("object", 4, "disc", 0.5), ("scene", 9, "street", 0.0), ("texture", 5, "stripes", 0.0)]
    none = [(category, concept, name, 0.0) for category, concept, name, _ in one]  # the lowest number, with IoU 0
    expected = [(unit, *row) for unit, rows in enumerate((one, one, none)) for row in rows]
    assert list(best.itertuples(index=False, name=None)) == expected
    pd.testing.assert_frame_equal(best_by_category(table.astype({"name": str, "category": str})), best)


def test_unknown_labels_are_refused():
    for planes, whole in [
        (np.full((1, 2, 2), 3, np.uint16), NO_LABELS),
        (np.full((1, 2, 2), 70, np.uint16), NO_LABELS),
        (np.zeros((1, 2, 2), np.uint16), np.array([70], np.uint16)),
    ]:
        with pytest.raises(InputError, match="labels of image i7: .* got (3|70)$"):
            ConceptIndex(CONCEPTS).labels("i7", planes, whole)


def by_pixel(maps, thresholds, planes, whole, denominator="paper"):
    """Intersection, activated and concept pixels as dictionaries, pixel by pixel: slow, plain, and with torch's upsampling in float64."""
    category = dict(zip(CONCEPTS["number"], CONCEPTS["category"], strict=True))
    intersection, activated, pixels = {}, {}, dict.fromkeys(category, 0)
    height, width = planes.shape[2:]
    for image in range(len(maps)):
        on = torch.nn.functional.interpolate(torch.from_numpy(maps[image]).double()[None], (height, width), mode="bilinear")[0]
        here = {category[int(n)] for n in (*planes[image].ravel(), *whole[image]) if n}
        for unit, threshold in enumerate(thresholds):
            mask = (on[unit] > threshold).numpy()
            under = {category[int(n)] for n in (*planes[image][:, mask].ravel(), *whole[image]) if n}
            for name in here if denominator == "paper" else under:
                activated[unit, name] = activated.get((unit, name), 0) + int(mask.sum())
            for y in range(height):
                for x in range(width):
                    labels = [int(n) for n in planes[image, :, y, x] if n] + [int(n) for n in whole[image] if n]
                    for number in labels:
                        pixels[number] += unit == 0
                        intersection[unit, number] = intersection.get((unit, number), 0) + int(mask[y, x])
    return intersection, activated, pixels, category


@pytest.fixture(scope="module")
def random_case():
    draw = np.random.default_rng(7)
    maps = np.maximum(draw.normal(size=(9, 4, 5, 3)), -0.2).astype(np.float16)
    maps[:, 3] = 0  # a dead unit
    numbers = np.array([0, 0, 1, 2, 4, 5], np.uint16)
    planes = numbers[draw.integers(0, len(numbers), (9, 3, 13, 11))]
    planes[0] = 0  # an image without a label map ...
    planes[2] *= planes[2] < 3  # ... one with colours only
    planes[3, 1] = planes[3, 0]  # ... one with all labels twice
    whole = np.zeros((9, 2), np.uint16)
    whole[[1, 5], 0] = 9
    whole[4] = 9, 5
    return maps, planes, whole


@pytest.mark.parametrize("kind", [TallyAccumulator, DeviceTally])
@pytest.mark.parametrize("denominator", ["paper", "lite"])
def test_the_whole_dissection_equals_a_loop_over_pixels(random_case, denominator, kind):
    maps, planes, whole = random_case
    accumulator = ThresholdAccumulator(4)
    accumulator.add(maps)
    thresholds = accumulator.result(0.2)
    table = tally_of(maps, thresholds.threshold, planes, whole, denominator=denominator, kind=kind)
    assert len(table) == 4 * len(CONCEPTS)
    intersection, activated, pixels, category = by_pixel(maps, thresholds.threshold, planes, whole, denominator)
    for row in table.itertuples():
        i, a = intersection.get((row.unit, row.concept), 0), activated.get((row.unit, category[row.concept]), 0)
        assert (row.intersection, row.activated, row.concept_pixels) == (i, a, pixels[row.concept])
        union = a + pixels[row.concept] - i
        assert row.iou == (i / (union + 1e-10) if denominator == "lite" else i / union if union else 0)
        assert row.category == category[row.concept]
    assert table["intersection"].sum() > 1000
    units = unit_table(thresholds, table)
    assert units.columns.tolist() == ["unit", "threshold", "n_above", "n_cells", "concept", "name", "category", "iou"]
    np.testing.assert_array_equal(units["iou"], table.groupby("unit")["iou"].max())
    assert units["iou"].iloc[3] == 0


def test_lite_leaves_out_images_without_the_category_under_the_mask():
    """Two images with an object; the unit is on beside it on the second one: 2 pixels of activation instead of 4."""
    planes = np.array([[[[4, 0]]], [[[4, 0]]]], np.uint16)
    maps = np.array([[[[1, 1]]], [[[0, 1]]]], np.float16)
    found = {
        name: tally_of(maps, [0.5], planes, [NO_LABELS] * 2, denominator=name).set_index("concept").loc[4] for name in ("paper", "lite")
    }
    assert found["paper"]["activated"] == 3 and found["paper"]["iou"] == 1 / (3 + 2 - 1)
    assert found["lite"]["activated"] == 2 and found["lite"]["iou"] == 1 / (2 + 2 - 1 + 1e-10)
    with pytest.raises(InputError, match="dissection.denominator: expected paper or lite, got other"):
        TallyAccumulator(np.zeros(1, np.float32), ConceptIndex(CONCEPTS), 1, 2, "other")


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 7), (13, 13), (14, 14), (28, 28), (55, 55), (112, 112), (120, 100)])
@pytest.mark.parametrize("kind", [TallyAccumulator, DeviceTally])
def test_masks_are_those_of_upsampling_to_the_bit(size, kind):
    """Each pixel has a label of its own, so that the counts are the masks; thresholds are values that occur."""
    draw = np.random.default_rng(8)
    maps = draw.normal(size=(1, 6, *size)).astype(np.float16)
    maps[0, 5] = maps[0, 5, 0, 0]  # a constant map
    thresholds = np.quantile(maps[0].astype(np.float32), 0.9, axis=(1, 2), method="nearest")
    concepts = pd.DataFrame([(n, f"pixel {n}", "object") for n in range(1, 31 * 29 + 1)], columns=["number", "name", "category"])
    planes = np.arange(1, 31 * 29 + 1, dtype=np.uint16).reshape(1, 1, 31, 29)
    found = tally_of(maps, thresholds, planes, [NO_LABELS], concepts, kind=kind)["intersection"].to_numpy().reshape(6, 31, 29)
    expected = upsample(maps[0], 31, 29) > thresholds[:, None, None]
    np.testing.assert_array_equal(found, expected)
    assert size == (1, 1) or (0 < expected[:5].mean() < 0.5 and not expected[5].any())


def test_what_is_put_down_is_taken_up_again(random_case):
    """Of both accumulators: parts that are written and read are those that are merged."""
    maps, planes, whole = random_case
    parts, accumulator, device = [ThresholdAccumulator(4) for _ in range(2)], ThresholdAccumulator(4), DeviceThresholds(4)
    for part, rows in zip(parts, (slice(0, 4), slice(4, 9)), strict=True):
        part.add(maps[rows])
        accumulator.restore(part.arrays())
        device.add(torch.from_numpy(maps[rows]))
    parts[0].merge(parts[1])
    thresholds = accumulator.result(0.2)
    for one, other, third in zip(thresholds, parts[0].result(0.2), device.result(0.2), strict=True):
        assert np.array_equal(one, other) and np.array_equal(one, third)
    index = ConceptIndex(CONCEPTS)
    whole_tally, again = (TallyAccumulator(thresholds.threshold, index, 13, 11) for _ in range(2))
    whole_tally.add(maps, [index.labels("i", *each) for each in zip(planes, whole, strict=True)])
    again.restore(whole_tally.arrays())
    pd.testing.assert_frame_equal(again.result(), whole_tally.result(), check_exact=True)
    with pytest.raises(InputError, match="counts of another part of the images, thresholds: expected those of this part"):
        TallyAccumulator(thresholds.threshold + 1, index, 13, 11).restore(whole_tally.arrays())
    with pytest.raises(InputError, match="n_units"):
        ThresholdAccumulator(3).restore(accumulator.arrays())


def test_cutting_the_images_otherwise_changes_no_count(random_case):
    maps, planes, whole = random_case
    thresholds = [0.3, 0.5, 1.0, 0]
    expected = tally_of(maps, thresholds, planes, whole)
    for order, cuts in [(np.arange(9), [1, 4, 4, 8]), (np.arange(9)[::-1], [5]), (np.roll(np.arange(9), 4), list(range(9)))]:
        found = tally_of(maps[order], thresholds, planes[order], whole[order], cuts=cuts)
        pd.testing.assert_frame_equal(found, expected, check_exact=True)


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (1, 70, 33, 31), (3, 1, 2, 2), (2, 5, 1, 1), (0, 3, 4, 4)])
def test_maps_of_any_layout_in_order(shape):
    maps = np.random.default_rng(0).normal(size=shape).astype(np.float16)
    innermost = np.ascontiguousarray(maps.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    for given in (maps, innermost, innermost[:1], np.asfortranarray(maps)):
        found = contiguous(given)
        assert found.flags.c_contiguous and found.dtype == np.float16 and np.array_equal(found, given)
