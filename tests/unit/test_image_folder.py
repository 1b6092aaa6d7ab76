"""Listing a folder of pictures: order, labels, and everything that is refused."""

import pytest

from robustlens.errors import InputError
from robustlens.stimuli.image_folder import list_image_folder


@pytest.fixture
def root(tmp_path):
    for path in ("n02/b.JPEG", "n02/a.png", "n01/deep/x.jpg", "n10/z.png"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"not opened here")
    (tmp_path / "n01/.hidden").write_bytes(b"")
    (tmp_path / ".DS_Store").write_bytes(b"")
    return tmp_path


def test_order_labels_and_ids(root):
    rows = list_image_folder(root, 4)
    assert rows["image_id"].tolist() == ["n01/deep/x.jpg", "n02/a.png", "n02/b.JPEG", "n10/z.png"]
    assert rows["path"].equals(rows["image_id"]) and rows["label"].tolist() == [0, 1, 1, 2]
    assert (rows[["shape", "texture"]] == -1).all(axis=None)


def test_labels_by_number(tmp_path):
    for name in ("7", "10", "007a"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").write_bytes(b"")
    with pytest.raises(InputError, match="007a: expected a class index"):
        list_image_folder(tmp_path, 3, labels="number")
    (tmp_path / "007a" / "x.png").unlink()
    (tmp_path / "007a").rmdir()
    rows = list_image_folder(tmp_path, 2, labels="number")
    assert dict(zip(rows["image_id"], rows["label"], strict=True)) == {"10/x.png": 10, "7/x.png": 7}


def test_labels_by_an_expression_on_the_path(tmp_path):
    for name in ("imagenet_1_388.png", "imagenet_0_12.png", "cifar_0_3.png", "README.txt"):
        (tmp_path / name).write_bytes(b"")
    rows = list_image_folder(tmp_path, 2, labels=r"imagenet_\d+_(\d+)\.png")
    assert rows["image_id"].tolist() == ["imagenet_0_12.png", "imagenet_1_388.png"] and rows["label"].tolist() == [12, 388]
    for labels in ("rank", "(a)(b)", "(a"):
        with pytest.raises(InputError, match="labels: expected sorted, number or a regular expression with one group"):
            list_image_folder(tmp_path, 2, labels=labels)
    with pytest.raises(InputError, match="expected a class index .*, got imagenet"):
        list_image_folder(tmp_path, 2, labels="(imagenet)_")
    with pytest.raises(InputError, match="README.txt: expected a picture"):
        list_image_folder(tmp_path, 2, labels=r"README(\d*)")


def test_linked_class_folders_are_followed(root, tmp_path_factory):
    linked = tmp_path_factory.mktemp("linked")
    (linked / "n02").symlink_to(root / "n02")
    assert list_image_folder(linked, 2)["image_id"].tolist() == ["n02/a.png", "n02/b.JPEG"]


def test_another_count_is_refused(root):
    with pytest.raises(InputError, match="expected 5 pictures, got 4"):
        list_image_folder(root, 5)


def test_a_missing_root_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        list_image_folder(tmp_path / "nowhere", 1)
    with pytest.raises(InputError, match="expected class folders and nothing else, got none"):
        list_image_folder(tmp_path, 1)


def test_other_files_are_refused_by_name(root):
    (root / "n02" / "notes.txt").write_text("")
    with pytest.raises(InputError, match=r"n02/notes\.txt: expected a picture"):
        list_image_folder(root, 4)


def test_files_outside_class_folders_are_refused(root):
    (root / "stray.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"got the file stray\.png"):
        list_image_folder(root, 4)


def test_empty_class_folders_are_refused(root):
    (root / "n05").mkdir()
    with pytest.raises(InputError, match="n05: expected at least one picture"):
        list_image_folder(root, 4)


def test_names_whose_accents_are_written_in_two_ways_are_refused(root):
    for name in ("caf\N{LATIN SMALL LETTER E WITH ACUTE}.png", "cafe\N{COMBINING ACUTE ACCENT}.png"):
        (root / "n02" / name).write_bytes(b"")
    with pytest.raises(InputError, match="expected one picture of the id n02/caf"):
        list_image_folder(root, 6)


def test_names_that_differ_in_case_alone_are_refused(root):
    (root / "n02" / "B.jpeg").write_bytes(b"")
    with pytest.raises(InputError, match=r"one picture of the id n02/B\.jpeg, got n02/B\.jpeg and n02/b\.JPEG"):
        list_image_folder(root, 5)
