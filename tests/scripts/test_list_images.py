"""The manifest of each kind of source."""

import pytest

from list_images import main
from robustlens.errors import InputError
from robustlens.images import read_manifest


def test_a_drawn_source_has_both_cues_unless_it_says_otherwise(tmp_path):
    path = str(tmp_path / "manifest.parquet")
    main(path, name="clean", source={"kind": "embedded", "n_images": 10}, seed=0)
    assert read_manifest(path)["label"].tolist() == [*range(8), 0, 1]
    assert read_manifest(path)["texture"].tolist() == [*range(8), 0, 1]
    main(path, name="conflict", source={"kind": "embedded", "n_images": 10, "cues": "conflict"}, seed=0)
    assert (read_manifest(path)["texture"] != read_manifest(path)["shape"]).all()


def test_an_image_folder(tmp_path, folder):
    main(str(tmp_path / "manifest.parquet"), name="real", source=folder, seed=0)
    rows = read_manifest(tmp_path / "manifest.parquet")
    assert rows["path"].tolist() == ["cat/a.png", "cat/b.png", "dog/c.png"] and rows["label"].tolist() == [0, 0, 1]


def test_another_kind_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"sources\.x\.kind: expected embedded, .*, got web"):
        main(str(tmp_path / "manifest.parquet"), name="x", source={"kind": "web"}, seed=0)
