"""Images that both networks label correctly, beside a published list: small lists counted by hand."""

import numpy as np
import pandas as pd
import pytest

from robustlens.errors import InputError
from robustlens.imagenet import SIXTEEN
from robustlens.report.selection import SELECTION, compare, read_published, select

KNIFE, AIRPLANE, GOLDFISH, BEAR = 499, 404, 1, 294


@pytest.fixture
def manifest() -> pd.DataFrame:
    """Six pictures of four classes, in class folders."""
    labels = [GOLDFISH, BEAR, BEAR, BEAR, AIRPLANE, KNIFE]
    paths = [f"n{label:08d}/ILSVRC2012_val_{number:08d}.JPEG" for number, label in enumerate(labels)]
    return pd.DataFrame({"image_id": paths, "label": labels, "shape": -1, "texture": -1, "path": paths})


def save(folder, numbers: list[int]) -> str:
    np.save(folder / "list.npy", np.array([f"ILSVRC2012_val_{number:08d}.JPEG" for number in numbers]))
    return str(folder / "list.npy")


def test_the_images_that_both_get_right_in_the_order_of_the_manifest(manifest):
    clean = manifest[["image_id"]][::-1].assign(stimulus="clean", correct=[True, True, False, True, True, True])
    other = clean.assign(model="r", correct=[True, True, True, False, True, True])
    noise = clean.assign(model="s", stimulus="noise", correct=True)
    predictions = pd.concat([clean.assign(model="s"), other, noise], ignore_index=True)
    found = select(predictions, manifest, {"standard": "s", "robust": "r"})
    pd.testing.assert_frame_equal(found, manifest.iloc[[0, 1, 4, 5]].reset_index(drop=True))


def test_against_a_published_list_on_paper(tmp_path, manifest):
    """Here 0 1 2 4; published 1 2 3 5, and one picture that the study does not have."""
    table = compare("net", manifest, manifest.iloc[[0, 1, 2, 4]], save(tmp_path, [1, 2, 3, 5, 77]))
    assert table.columns.tolist() == SELECTION
    assert table["class"].tolist() == ["all", *SIXTEEN] and (table["pair"] == "net").all()
    counts = table.drop(columns="pair").set_index("class").astype(int)
    assert counts.loc["all"].tolist() == [4, 4, 2, 2, 2]
    assert counts.loc[["bear", "airplane", "knife"]].to_numpy().tolist() == [[2, 3, 2, 0, 1], [1, 0, 0, 1, 0], [0, 1, 0, 0, 1]]
    assert not counts.drop(index=["all", "bear", "airplane", "knife"]).to_numpy().any()


def test_names_are_matched_without_folder_and_ending(tmp_path, manifest):
    """A flat folder, class folders, PNG in place of JPEG, or no files at all: the same pictures."""
    expected = compare("net", manifest, manifest.iloc[:3], save(tmp_path, [1, 2, 3]))
    flat = [path.split("/")[1] for path in manifest["path"]]
    for ids, paths in ((flat, flat), (flat, [name.replace("JPEG", "png") for name in flat]), (flat, ""), (flat, None)):
        same = manifest.assign(image_id=ids, path=paths)
        pd.testing.assert_frame_equal(compare("net", same, same.iloc[:3], save(tmp_path, [1, 2, 3])), expected)


def test_without_a_list(manifest):
    table = compare("net", manifest, manifest.iloc[[0, 2]])
    assert table[["pair", "class", "n_images"]].to_numpy().tolist() == [["net", "all", 2]]
    assert table[SELECTION[3:]].isna().all(axis=None)
    assert compare("net", manifest, manifest[:0])["n_images"].tolist() == [0]


def test_lists_that_are_refused(tmp_path, manifest):
    np.save(tmp_path / "objects.npy", np.array(["a", None]), allow_pickle=True)
    (tmp_path / "text.npy").write_text("ILSVRC2012_val_00000001.JPEG")
    (tmp_path / "empty.npy").write_bytes(b"")
    for name in ("objects", "text", "empty", "missing"):
        with pytest.raises(InputError, match=f"{name}.npy: expected a NumPy file of picture names, got"):
            read_published(tmp_path / f"{name}.npy")
    np.save(tmp_path / "numbers.npy", np.arange(3))
    with pytest.raises(InputError, match=r"numbers.npy: expected .*, one dimension of text, got int64 \[3\]"):
        read_published(tmp_path / "numbers.npy")
    np.savez(tmp_path / "several.npz", a=np.array(["a"]), b=np.array(["b"]))
    with pytest.raises(InputError, match="several.npz: expected .*, one dimension of text, got several arrays"):
        read_published(tmp_path / "several.npz")
    with pytest.raises(InputError, match="list.npy: expected every name once, got ILSVRC2012_val_00000001.JPEG more than once"):
        read_published(save(tmp_path, [1, 2, 1]))
    with pytest.raises(InputError, match="expected names of pictures of the source, got none of its pictures, but ILSVRC2012_val_00000077"):
        compare("net", manifest, manifest[:2], save(tmp_path, [77, 78]))
    twice = pd.concat([manifest, manifest[:1].assign(image_id="again", path="elsewhere/ILSVRC2012_val_00000000.JPEG")])
    with pytest.raises(InputError, match="expected pictures of different names in the source, got ILSVRC2012_val_00000000 more than once"):
        compare("net", twice, manifest[:2], save(tmp_path, [1]))


@pytest.mark.parametrize("shape, text", [("(100000000000,)", b""), ("(1,)", b"\xff" * 4)], ids=["too many", "signs that are none"])
def test_a_list_that_is_not_what_it_claims(tmp_path, shape, text):
    header = f"{{'descr': '<U1', 'fortran_order': False, 'shape': {shape}}}".ljust(117) + "\n"
    (tmp_path / "names.npy").write_bytes(b"\x93NUMPY\x01\x00" + bytes([118, 0]) + header.encode() + text)
    with pytest.raises(InputError, match=r"names\.npy: expected a NumPy file of picture names, got "):
        read_published(tmp_path / "names.npy")
