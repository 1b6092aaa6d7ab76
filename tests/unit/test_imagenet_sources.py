"""Published sets in their own layouts, on small trees: ids, labels, and one test for each kind of fault."""

import numpy as np
import pytest

from robustlens.errors import InputError
from robustlens.imagenet import SIXTEEN, classes, index_of, members, membership
from robustlens.stimuli.published import read_devkit
from robustlens.stimuli.sources import list_source

TENCH, SHARK, BEAR, TOILET = "n01440764", "n01491361", "n02133161", "n15075141"  # classes 0, 3, 295 and 999
ID = {name: index for index, name in enumerate(SIXTEEN)}


def touch(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"not opened here")


def listed(root, n_images, kind="imagenet", **keys):
    return list_source({"kind": kind, "root": str(root), "n_images": n_images, **keys})


def refused(message, *arguments, **keys):
    with pytest.raises(InputError, match=message):
        listed(*arguments, **keys)


# ------------------------------------------------------------------------------------------------------------------- the classes
def test_classes_are_in_order_of_their_wordnet_ids():
    table = classes()
    assert table["wnid"].is_monotonic_increasing and table["wnid"].is_unique and table["index"].tolist() == list(range(1000))
    known = {0: "tench", 65: "sea snake", 140: "red-backed sandpiper", 388: "giant panda", 404: "airliner", 999: "toilet tissue"}
    assert table["name"].loc[list(known)].tolist() == list(known.values())
    assert [index_of(wnid) for wnid in (TENCH, SHARK, BEAR, TOILET, "n00000000")] == [0, 3, 295, 999, None]


def test_sixteen_classes_hold_207_of_them():
    matrix = membership()
    assert matrix.shape == (1000, 16) and matrix.sum() == 207 and matrix.sum(axis=1).max() == 1 and list(SIXTEEN) == sorted(SIXTEEN)
    counts = [1, 4, 2, 49, 5, 7, 3, 6, 4, 3, 109, 2, 2, 1, 1, 8]  # as published
    assert matrix.sum(axis=0).tolist() == counts
    assert np.flatnonzero(matrix[:, ID["bear"]]).tolist() == [294, 295, 296, 297]
    assert np.flatnonzero(matrix[:, ID["truck"]]).tolist() == [555, 569, 656, 675, 717, 734, 864, 867]


def test_subsets_hold_200_classes():
    for name, first in (("imagenet-a", [6, 11, 13]), ("imagenet-r", [1, 2, 4])):
        assert len(members(name)) == 200 and members(name)[:3].tolist() == first and members(name).dtype == np.int64
    with pytest.raises(InputError, match="expected imagenet-a or imagenet-r, got imagenet-b"):
        members("imagenet-b")


# ------------------------------------------------------------------------------------------------------------------ class folders
def test_labels_come_from_the_wordnet_id_and_ids_from_the_validation_image(tmp_path):
    touch(tmp_path / "val", f"{TOILET}/ILSVRC2012_val_00000007.JPEG", f"{SHARK}/ILSVRC2012_val_00050000.JPEG")
    touch(tmp_path / "stylized", f"{TOILET}/ILSVRC2012_val_00000007.png", f"{SHARK}/ILSVRC2012_val_00050000.png")
    plain, stylized = listed(tmp_path / "val", 2), listed(tmp_path / "stylized", 2)
    assert plain["image_id"].tolist() == ["ILSVRC2012_val_00050000", "ILSVRC2012_val_00000007"] and plain["label"].tolist() == [3, 999]
    assert stylized.drop(columns="path").equals(plain.drop(columns="path"))  # one id for the same original, whatever its suffix
    assert (plain[["shape", "texture"]] == -1).all(axis=None) and stylized["path"][1] == f"{TOILET}/ILSVRC2012_val_00000007.png"


def test_images_of_other_sets_are_named_by_their_path(tmp_path):
    paths = ["n01443537/art_0.jpg", "n01484850/sketch_36.JPEG", "n01514859/0.000348_hen _ hen_0.9.jpg"]
    touch(tmp_path, *paths, "README.txt")  # the archives of -A and -R hold one
    rows = listed(tmp_path, 3)
    assert rows["image_id"].tolist() == paths and rows["path"].tolist() == paths and rows["label"].tolist() == [1, 2, 8]


def test_a_subset_refuses_other_classes(tmp_path):
    touch(tmp_path, "n01443537/art_0.jpg", f"{TENCH}/art_0.jpg")
    assert len(listed(tmp_path, 2)) == 2
    refused(f"{TENCH}: expected one of the 200 classes of imagenet-r", tmp_path, 2, classes="imagenet-r")


@pytest.mark.parametrize(("n_images", "keys", "n_classes"), [(7500, {"classes": "imagenet-a"}, 200), (50000, {}, 1000)])
def test_a_whole_set_has_all_its_classes(tmp_path, n_images, keys, n_classes):
    wnid = classes()["wnid"][members("imagenet-a")[0]]
    touch(tmp_path, f"{wnid}/a.JPEG")
    refused(f"expected all {n_classes} class folders of the whole set of {n_images} images, got 1", tmp_path, n_images, **keys)
    refused("expected 7501 pictures, got 1", tmp_path, 7501, **keys)


def test_faulty_class_folders_are_refused(tmp_path):
    touch(tmp_path, f"{TENCH}/a.JPEG", "n12345678/b.JPEG")
    refused(r"n12345678: expected a folder named by the WordNet id", tmp_path, 2)
    (tmp_path / "n12345678").rename(tmp_path / "goldfish")
    refused(r"goldfish: expected a folder named by the WordNet id", tmp_path, 2)
    (tmp_path / "goldfish/b.JPEG").unlink()
    refused(r"goldfish: expected at least one picture, got an empty class folder", tmp_path, 1)
    (tmp_path / "goldfish").rmdir()
    touch(tmp_path, f"{TENCH}/a.txt")
    refused(rf"{TENCH}/a\.txt: expected a picture", tmp_path, 2)
    refused("nowhere: expected a folder of pictures, got no such folder", tmp_path / "nowhere", 1)


def test_two_images_of_one_id_are_refused(tmp_path):
    name = "ILSVRC2012_val_00000001"
    touch(tmp_path, f"{TENCH}/{name}.JPEG", f"{SHARK}/{name}.JPEG")
    refused(rf"one picture of the id {name}, got {TENCH}/{name}\.JPEG and {SHARK}/{name}\.JPEG", tmp_path, 2)


def test_names_that_are_no_text_are_refused(tmp_path):
    (tmp_path / TENCH).mkdir()
    with open(bytes(tmp_path / TENCH) + b"/caf\xe9.JPEG", "wb"):
        pass
    refused(r"expected a name in UTF-8", tmp_path, 1)


def test_imagenet_v2_is_labelled_by_number(tmp_path):
    touch(tmp_path, "0/a.jpeg", "10/a.jpeg", "2/a.jpeg", "999/a.jpeg")
    rows = listed(tmp_path, 4, "image-folder", labels="number")
    assert rows["label"].tolist() == [0, 10, 2, 999] and rows["image_id"][1] == "10/a.jpeg"


# --------------------------------------------------------------------------------------------------------- flat folder and devkit
@pytest.fixture
def devkit(tmp_path):
    """A development kit of four images: class numbers that do not follow the sorted ids, an inner node, in MATLAB's structure."""
    from scipy.io import savemat

    rows = [(1, TOILET, 0), (2, TENCH, 0), (3, SHARK, 0), (1001, "n00001740", 2)]
    synsets = np.zeros((len(rows), 1), [("ILSVRC2012_ID", object), ("WNID", object), ("words", object), ("num_children", object)])
    for row, (number, wnid, children) in zip(synsets[:, 0], rows, strict=True):
        row["ILSVRC2012_ID"], row["WNID"], row["words"], row["num_children"] = float(number), wnid, "a word", float(children)
    data = tmp_path / "devkit/data"
    data.mkdir(parents=True)
    savemat(data / "meta.mat", {"synsets": synsets})
    (data / "ILSVRC2012_validation_ground_truth.txt").write_text("3\n1\n1\n2\n")
    return data.parent


def flat(number):
    return f"ILSVRC2012_val_{number:08d}.JPEG"


def test_a_flat_folder_is_labelled_by_the_development_kit(tmp_path, devkit):
    assert read_devkit(devkit).tolist() == [3, 999, 999, 0]
    touch(tmp_path / "val", flat(1), flat(2), flat(4))  # a part of the set, by number
    rows = listed(tmp_path / "val", 3, devkit=str(devkit))
    assert rows["label"].tolist() == [3, 999, 0] and rows["path"].tolist() == [flat(1), flat(2), flat(4)]
    assert rows["image_id"].tolist() == [f"ILSVRC2012_val_0000000{number}" for number in (1, 2, 4)]
    refused(r"expected class folders, got validation images in one flat folder; give the source a `devkit`", tmp_path / "val", 3)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (flat(5), r"00000005\.JPEG: expected a number from 1 to 4, .* got 5"),
        (flat(0), r"expected a number from 1 to 4, .* got 0"),
        (f"{TENCH}/{flat(1)}", r"expected ILSVRC2012_val_<8 digits> in one flat folder"),
        ("holiday.jpg", r"holiday\.jpg: expected ILSVRC2012_val_<8 digits>"),
        ("list.txt", r"list\.txt: expected a picture"),
        (flat(1).replace(".JPEG", ".png"), r"one picture of the id ILSVRC2012_val_00000001, got"),
    ],
)
def test_faulty_flat_folders_are_refused(tmp_path, devkit, name, message):
    touch(tmp_path / "val", flat(1), name)
    refused(message, tmp_path / "val", 2, devkit=str(devkit))


def test_faulty_development_kits_are_refused(tmp_path, devkit):
    truth, meta = devkit / "data/ILSVRC2012_validation_ground_truth.txt", devkit / "data/meta.mat"
    for line in ("1001", "0", "x"):
        truth.write_text(f"3\n{line}\n")
        with pytest.raises(InputError, match=rf"truth\.txt, line 2: expected the number of a class of meta\.mat, got {line}"):
            read_devkit(devkit)
    truth.write_bytes(b"3\n\xff\n")
    with pytest.raises(InputError, match=r"truth\.txt: expected lines of numbers, got .*utf-8"):
        read_devkit(devkit)
    meta.write_text("no table")
    with pytest.raises(InputError, match=r"meta\.mat: expected `synsets` with"):
        read_devkit(devkit)
    meta.unlink()
    with pytest.raises(InputError, match=r"meta\.mat: .* got no such file; check `devkit`"):
        read_devkit(devkit)


# -------------------------------------------------------------------------------------------------------------------- ImageNet-C
def test_imagenet_c_has_a_folder_for_each_severity(tmp_path):
    for severity in (1, 2):
        touch(tmp_path, f"gaussian_noise/{severity}/{BEAR}/{flat(9)}")
    rows = listed(tmp_path, 1, "imagenet-c", corruption="gaussian-noise", severity=2)
    assert rows.iloc[0].tolist() == ["ILSVRC2012_val_00000009", 295, -1, -1, f"gaussian_noise/2/{BEAR}/{flat(9)}"]
    refused(r"gaussian_noise/3: expected a folder", tmp_path, 1, "imagenet-c", corruption="gaussian-noise", severity=3)


# -------------------------------------------------------------------------------------------------------- stimuli of Geirhos et al.
def test_cue_conflict_drops_what_has_no_conflict(tmp_path):
    touch(tmp_path, "cat/cat7-elephant1.png", "cat/cat1-cat2.png", "airplane/airplane10-truck3.png", "dog/dog1-dog2.png")
    rows = listed(tmp_path, 2, "cue-conflict")
    assert rows["image_id"].tolist() == ["airplane10-truck3", "cat7-elephant1"]
    assert rows[["label", "shape", "texture"]].to_numpy().tolist() == [[0, 0, ID["truck"]], [ID["cat"], ID["cat"], ID["elephant"]]]
    refused("expected 4 pictures, got 2", tmp_path, 4, "cue-conflict")
    refused("expected all 16 classes of the whole set of 1200 images, got 2", tmp_path, 1200, "cue-conflict")


def test_the_published_cue_conflict_set_has_1200_images(tmp_path):
    """80 images a shape, 5 of each pair of classes: of 1,280 files, 16 * 5 have no conflict."""
    for shape in SIXTEEN:
        touch(tmp_path, *[f"{shape}/{shape}{1 + number % 10}-{SIXTEEN[number // 5]}{number % 5}.png" for number in range(80)])
    rows = listed(tmp_path, 1200, "cue-conflict")
    assert rows["label"].value_counts().tolist() == [75] * 16 and (rows["shape"] != rows["texture"]).all()


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("cat/dog1-cat2.png", r"dog1-cat2\.png: expected a name that begins with its folder's class, cat, got dog"),
        ("cat/cat1-cow2.png", r"expected a name <shape><number>-<texture><number> of the 16 classes, got cat1-cow2\.png"),
        ("cat/cat1.png", r"expected a name <shape><number>"),
        ("cow/cow1-cat1.png", r"cow: expected a folder named by one of the 16 classes"),
        ("cat1-dog1.png", r"expected class folders and nothing else"),
    ],
)
def test_faulty_cue_conflict_sets_are_refused(tmp_path, path, message):
    touch(tmp_path, "cat/cat7-elephant1.png", path)
    refused(message, tmp_path, 2, "cue-conflict")


def test_edges_and_silhouettes_are_of_sixteen_classes(tmp_path):
    touch(tmp_path, *[f"{name}/{name}{number}.png" for name in SIXTEEN for number in range(1, 11)])
    rows = listed(tmp_path, 160, "sixteen-classes")
    assert rows["label"].value_counts(sort=False).to_dict() == dict.fromkeys(range(16), 10)
    assert rows.iloc[1].tolist() == ["airplane/airplane10", 0, -1, -1, "airplane/airplane10.png"]
    touch(tmp_path, "knife/oven1.png")
    refused(r"knife/oven1\.png: expected a name knife<number>, got oven1\.png", tmp_path, 161, "sixteen-classes")
    touch(tmp_path, "cow/cow1.png")
    refused(r"cow: expected a folder named by one of the 16 classes", tmp_path, 161, "sixteen-classes")


def test_an_unknown_kind_is_refused(tmp_path):
    refused("kind: expected cifar, .* or sixteen-classes, got web", tmp_path, 1, "web")
