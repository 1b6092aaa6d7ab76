"""Packed labels, against the set that they come from."""

import numpy as np
import pytest

from pack_concepts import main
from robustlens.broden import read_broden
from robustlens.concepts import open_labels
from robustlens.errors import InputError
from robustlens.images import read_manifest

CATEGORIES = ["object", "part", "scene", "texture", "color", "material"]


def test_labels_table_and_manifest_agree_with_the_set(broden, tmp_path):
    labels_path, concepts_path, manifest = (str(tmp_path / name) for name in ("labels.h5", "concepts.parquet", "manifest.parquet"))
    main(str(broden), labels_path, concepts_path, manifest, categories=CATEGORIES, n_images=24)
    opened, rows = read_broden(broden, CATEGORIES), read_manifest(manifest)
    with open_labels(labels_path, concepts_path) as labels:
        assert labels.image_ids == rows["image_id"].tolist() == opened.index["image_id"].tolist()
        for row, (image_id, planes, whole) in enumerate(opened):
            assert np.array_equal(labels.planes(image_id), planes) and np.array_equal(labels.image_labels(row), whole)
        counts = np.bincount(labels.planes(slice(None)).ravel(), minlength=100)
        mapped = labels.concepts[labels.concepts["category"] != "scene"]
    assert (counts[mapped["number"]] == mapped["pixels"]).all() and counts[1:].sum() == mapped["pixels"].sum()
    assert (rows[["label", "shape", "texture"]] == -1).all(axis=None) and rows["path"].equals(rows["image_id"])


def test_another_count_is_refused(broden, tmp_path):
    with pytest.raises(InputError, match="expected 25 images with labels, got 24"):
        main(str(broden), *(str(tmp_path / name) for name in "abc"), categories=CATEGORIES, n_images=25)
