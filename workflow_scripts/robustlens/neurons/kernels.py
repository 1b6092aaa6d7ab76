"""Compiled loops over float16 maps: histograms of values, labels under the masks of units, total variation. One thread each.

Floating point is as written: no operation is fused or reordered, so that masks are those of :func:`robustlens.neurons.dissection.upsample`
to the bit.
"""

import numpy as np

from robustlens.compiled import compiled

N_KEYS = 1 << 16
SIGN = 0x8000


@compiled
def count_keys(counts, maps, keys):
    """Add to ``counts`` (uint32 or uint64 [n_units, 65536]) the values of ``maps``, bits of float16.

    ``maps``: uint16 [n_images, n_units, height, width]; ``keys`` uint16 [65536]: where the value of each bit pattern is counted.
    """
    n_images, n_units, height, width = maps.shape
    for unit in range(n_units):
        for image in range(n_images):
            for y in range(height):
                for x in range(width):
                    counts[unit, keys[maps[image, unit, y, x]]] += np.uint32(1)


@compiled
def list_labels(planes):
    """``(first int32 [n_pixels + 1], label uint16 [n])``: the labels above 0 of pixel p are ``label[first[p] : first[p + 1]]``.

    ``planes``: uint16 [n_planes, n_pixels].
    """
    n_planes, n_pixels = planes.shape
    first = np.zeros(n_pixels + 1, np.int32)
    for plane in range(n_planes):
        for pixel in range(n_pixels):
            first[pixel + 1] += np.int32(planes[plane, pixel] > 0)
    for pixel in range(n_pixels):
        first[pixel + 1] += first[pixel]
    label = np.empty(first[n_pixels], np.uint16)
    place = first.copy()
    for plane in range(n_planes):
        for pixel in range(n_pixels):
            if planes[plane, pixel] > 0:
                label[place[pixel]] = planes[plane, pixel]
                place[pixel] += np.int32(1)
    return first, label


@compiled
def count_masks(maps, values, thresholds, rows, columns, row_weight, column_weight, first, label, category, counts, area, seen):
    """Count one image: where a map, resampled bilinearly, lies strictly above the unit's threshold.

    ``maps``: bits of float16, uint16 [n_units, height, width], and ``values`` float32 [65536], what they mean; ``thresholds`` float32
    [n_units]. ``rows, columns`` int64 [height + 1], [width + 1]: pixels ``rows[c]`` to ``rows[c + 1]`` lie between cell c and the next one,
    whose share is ``row_weight`` float32 [n_rows]. ``first, label``: of :func:`list_labels`; ``category`` int64 [n_numbers].

    Adds to ``counts`` int64 [n_units, n_numbers] the pixels of each label in the mask; writes ``area`` int64 [n_units], the pixels of the
    mask, and ``seen`` bool [n_units, n_categories], whether a label of the category lies in it. No pixel lies above the highest of the four
    cells around it, so that only pixels beside a cell above the threshold are looked at.
    """
    n_units, height, width = maps.shape
    n_columns = len(column_weight)
    cells = np.empty((height, width), np.float32)
    for unit in range(n_units):
        threshold, pixels, peak = thresholds[unit], 0, np.float32(-np.inf)
        for y in range(height):
            for x in range(width):
                cells[y, x] = values[maps[unit, y, x]]
                peak = max(peak, cells[y, x])
        if peak > threshold:
            for y in range(height):
                below = min(y + 1, height - 1)
                for x in range(width):
                    right = min(x + 1, width - 1)
                    a, b, c, d = cells[y, x], cells[y, right], cells[below, x], cells[below, right]
                    if a > threshold or b > threshold or c > threshold or d > threshold:
                        for row in range(rows[y], rows[y + 1]):
                            for column in range(columns[x], columns[x + 1]):
                                top = a + column_weight[column] * (b - a)
                                bottom = c + column_weight[column] * (d - c)
                                if top + row_weight[row] * (bottom - top) > threshold:
                                    pixels += 1
                                    pixel = row * n_columns + column
                                    for place in range(first[pixel], first[pixel + 1]):
                                        number = label[place]
                                        counts[unit, number] += 1
                                        seen[unit, category[number]] = True
        area[unit] = pixels


@compiled
def map_sums(clean, noisy, values):
    """float64 [4, n_images, n_units] of each pair of maps: total variation of both, sum of |noisy - clean|, sum of |clean|.

    ``clean, noisy``: bits of float16, uint16 [n_images, n_units, height, width], and ``values`` float64 [65536], what they mean.
    """
    n_images, n_units, height, width = clean.shape
    sums = np.zeros((4, n_images, n_units))
    for image in range(n_images):
        for unit in range(n_units):
            of_clean, of_noisy, change, magnitude = 0.0, 0.0, 0.0, 0.0
            for y in range(height):
                for x in range(width):
                    a, b = values[clean[image, unit, y, x]], values[noisy[image, unit, y, x]]
                    change += abs(b - a)
                    magnitude += abs(a)
                    if y:
                        of_clean += abs(a - values[clean[image, unit, y - 1, x]])
                        of_noisy += abs(b - values[noisy[image, unit, y - 1, x]])
                    if x:
                        of_clean += abs(a - values[clean[image, unit, y, x - 1]])
                        of_noisy += abs(b - values[noisy[image, unit, y, x - 1]])
            sums[0, image, unit], sums[1, image, unit] = of_clean, of_noisy
            sums[2, image, unit], sums[3, image, unit] = change, magnitude
    return sums
