"""The manifest of each kind of source."""

import pytest

from list_images import main
from robustlens.errors import InputError
from robustlens.images import read_manifest


def test_an_image_folder(tmp_path, folder):
    main(str(tmp_path / "manifest.parquet"), name="real", source=folder)
    rows = read_manifest(tmp_path / "manifest.parquet")
    assert rows["path"].tolist() == ["cat/a.png", "cat/b.png", "dog/c.png"] and rows["label"].tolist() == [0, 0, 1]


def test_another_kind_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"sources\.x\.kind: expected cifar, .*, got web"):
        main(str(tmp_path / "manifest.parquet"), name="x", source={"kind": "web"})
