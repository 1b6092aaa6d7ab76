"""Packed labels and the table of concepts, on sets whose numbers can be counted by hand."""

import h5py
import numpy as np
import pytest
from skimage.measure import perimeter_crofton

from robustlens import concepts
from robustlens.broden import LabelledImage, read_broden, write_broden
from robustlens.concepts import ConceptTally, label_perimeters, open_labels, pack_labels
from robustlens.errors import InputError
from robustlens.stimuli.concept_scenes import COLOURS, EDGES, LABELS, label_scene
from robustlens.stimuli.cues import SHAPES
from robustlens.stimuli.embedded import Scene, render_scene

NAMES = {"object": ["cup", "hat"], "part": ["rim"], "scene": ["day-s"]}


def images():
    """Three of 8 x 8 px: a cup of 4 x 4 with a rim of 2 px; a hat of 2 x 8; a day without an object."""
    blank = np.zeros((8, 8, 3), np.uint8)
    cup, rim, hat = np.zeros((3, 8, 8), int)
    cup[2:6, 2:6], rim[2, 2:4], hat[:2] = 1, 1, 2
    yield LabelledImage("0.png", blank, {"object": cup, "part": rim}, {})
    yield LabelledImage("1.png", blank, {"object": hat}, {"scene": ["day-s"]})
    yield LabelledImage("2.png", blank, {}, {"scene": ["day-s"]})


@pytest.fixture
def packed(tmp_path):
    write_broden(tmp_path / "broden", NAMES, images())
    pack_labels(read_broden(tmp_path / "broden", NAMES), tmp_path / "labels.h5", tmp_path / "concepts.parquet")
    return tmp_path / "labels.h5", tmp_path / "concepts.parquet"


def test_the_table_of_concepts(packed):
    table = open_labels(*packed).concepts.set_index("name")
    assert table["number"].tolist() == [1, 2, 3, 4] and table["category"].tolist() == ["object", "object", "part", "scene"]
    assert table["n_images"].to_dict() == {"cup": 1, "hat": 1, "rim": 1, "day-s": 2}
    assert table["pixels"].to_dict() == {"cup": 16, "hat": 16, "rim": 2, "day-s": 128}
    assert table["area"].to_dict() == {"cup": 0.25, "hat": 0.25, "rim": 2 / 64, "day-s": 1.0}
    assert table["perimetric_complexity"].isna().to_dict() == {"cup": False, "hat": False, "rim": False, "day-s": True}
    assert [str(kind) for kind in table.dtypes[["n_images", "pixels", "area"]]] == ["int32", "int64", "float64"]


def test_labels_by_image_id_row_and_slice(packed):
    with open_labels(*packed) as labels:
        assert labels.image_ids == ["0.png", "1.png", "2.png"] and len(labels) == 3
        assert (labels.height, labels.width, labels.n_planes) == (8, 8, 2) and labels.categories == ["object", "part", "scene"]
        assert labels.planes("0.png").dtype == np.uint16 and labels.planes("0.png")[1, 2, 2:4].tolist() == [3, 3]
        assert np.array_equal(labels.planes(1), labels.planes("1.png")) and labels.planes(slice(0, 3)).shape == (3, 2, 8, 8)
        assert [labels.image_labels(i).tolist() for i in ("0.png", "1.png", 2)] == [[0], [4], [4]]
        assert not labels.planes("2.png").any()
        with pytest.raises(InputError, match=r"expected labels of 9\.png, got none"):
            labels.planes("9.png")


def test_the_size_of_the_blocks_changes_nothing(packed, tmp_path, monkeypatch):
    monkeypatch.setattr(concepts, "CHUNK_BYTES", 1)
    pack_labels(read_broden(tmp_path / "broden", NAMES), tmp_path / "again.h5", tmp_path / "again.parquet")
    with h5py.File(packed[0]) as one, h5py.File(tmp_path / "again.h5") as other:
        assert other["planes"].chunks == (1, 2, 8, 8) and np.array_equal(one["planes"], other["planes"])
    assert (tmp_path / "again.parquet").read_bytes() == packed[1].read_bytes()


def test_a_set_of_labels_of_whole_images_only(packed, tmp_path):
    pack_labels(read_broden(tmp_path / "broden", ["scene"]), tmp_path / "scene.h5", tmp_path / "scene.parquet")
    with open_labels(tmp_path / "scene.h5", tmp_path / "scene.parquet") as labels:
        assert labels.image_ids == ["1.png", "2.png"] and labels.planes("1.png").shape == (0, 8, 8)
        assert labels.concepts["name"].tolist() == ["day-s"]


@pytest.mark.parametrize(("what", "columns", "size"), [("images", "ih, iw", "4,5,8,8"), ("label maps", "sh, sw", "8,8,8,9")])
def test_images_and_label_maps_of_two_sizes_are_refused(tmp_path, what, columns, size):
    write_broden(tmp_path / "broden", NAMES, images())
    index = tmp_path / "broden" / "index.csv"
    head, _, last = index.read_text().rstrip().rpartition("8,8,8,8")
    index.write_text(f"{head}{size}{last}\n")
    said = (
        rf"index\.csv: expected {what} of one size \({columns}\), 8 x 8 px as at first, got {'4 x 5' if what == 'images' else '8 x 9'} px"
    )
    with pytest.raises(InputError, match=said):
        pack_labels(read_broden(tmp_path / "broden", NAMES), tmp_path / "labels.h5", tmp_path / "concepts.parquet")


def test_a_failed_pack_leaves_nothing(tmp_path):
    write_broden(tmp_path / "broden", NAMES, images())
    (tmp_path / "broden" / "images" / "1_object.png").unlink()
    with pytest.raises(InputError, match=r"1_object\.png"):
        pack_labels(read_broden(tmp_path / "broden", NAMES), tmp_path / "labels.h5", tmp_path / "concepts.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["broden"]


def test_other_files_are_refused(packed, tmp_path):
    with pytest.raises(InputError, match="an HDF5 file of labels"):
        open_labels(packed[1], packed[1])
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["planes"] = np.zeros((1, 1, 2, 2), np.uint16)
    with pytest.raises(InputError, match="expected packed labels, got no image_id, image_labels"):
        open_labels(tmp_path / "other.h5", packed[1])


# ------------------------------------------------------------------------------------------------------------------ complexity
def complexity(mask):
    return label_perimeters(mask.astype(np.uint16), 1)[1] ** 2 / (4 * np.pi * mask.sum())


def test_perimetric_complexity_of_a_disc_is_one():
    place = np.arange(101) - 50
    assert complexity(np.hypot(place, place[:, None]) <= 40) == pytest.approx(1, abs=0.02)


def test_perimeter_of_a_square_by_croftons_formula():
    side = 30
    plane = np.zeros((40, 40), np.uint16)
    plane[5:35, 5:35] = 1
    # Lines along rows and columns cross it 2 x side times each way, the 2 x side - 1 diagonals of either direction twice each.
    expected = np.pi / 8 * (4 * side + 2 * 2 * (2 * side - 1) / np.sqrt(2))
    assert label_perimeters(plane, 1)[1] == pytest.approx(expected)
    assert complexity(plane > 0) == pytest.approx(1.13, abs=0.01)  # 4 / pi, less the 5 % by which the formula is short here, squared


def test_perimeters_of_many_labels_at_once_are_those_of_each_alone():
    plane = np.kron(np.random.default_rng(0).integers(0, 5, (8, 9)), np.ones((3, 2))).astype(np.uint16)  # touches the border
    lengths = label_perimeters(plane, 6)
    assert lengths[0] == lengths[5] == lengths[6] == 0
    for number in range(1, 5):
        assert lengths[number] == pytest.approx(perimeter_crofton(plane == number, directions=4))


def test_a_label_in_two_planes_counts_its_pixels_twice_and_its_area_once():
    planes = np.zeros((2, 6, 6), np.uint16)
    planes[0, 1:3, 1:5], planes[1, 2:5, 1:5] = 1, 1  # together a square of 4 x 4
    tally, alone = ConceptTally(1), ConceptTally(1)
    tally.add(planes, np.array([], np.uint16), 36)
    alone.add(planes.max(axis=0, keepdims=True), np.array([], np.uint16), 36)
    assert tally.pixels[1] == 20 and alone.pixels[1] == 16
    assert tally.images[1] == 1 and tally.shares[1] == alone.shares[1] == 16 / 36
    assert tally.complexity[1] == pytest.approx(alone.complexity[1])


# -------------------------------------------------------------------------------------------------------- the miniature's labels
def square_scene(pixels=None, blobs=()):
    mask = np.zeros((48, 48), np.uint8)
    mask[12:36, 12:36] = 255
    pixels = np.zeros((48, 48, 3), np.uint8) if pixels is None else pixels
    black = np.zeros(3, np.float32)
    return Scene(pixels, mask, SHAPES.index("square"), "dots", black, black, np.array(blobs, bool).reshape(-1, 48, 48))


def names(maps, category):
    return {LABELS[category][code - 1] for code in np.unique(maps[category]) if code}


def test_object_and_texture_lie_on_the_mask():
    maps, _ = label_scene(square_scene())
    assert names(maps, "object") == {"square"} and names(maps, "texture") == {"dots"}
    assert maps["object"].astype(bool).sum() == 24 * 24 and np.array_equal(maps["object"] > 0, maps["texture"] > 0)


def test_parts_are_the_sides_by_their_direction():
    part = label_scene(square_scene())[0]["part"]
    lying, standing = EDGES.index("edge-0") + 1, EDGES.index("edge-90") + 1
    assert (part[11:13, 20:28] == lying).all() and (part[35:37, 20:28] == lying).all()
    assert (part[20:28, 11:13] == standing).all() and not part[20:28, 16:32].any() and not part[:8].any()


@pytest.mark.parametrize("angle", [45, 135])
def test_parts_of_slanting_sides(angle):
    scene = square_scene()
    row, column = np.mgrid[:48, :48]
    mask = np.where((row + column if angle == 45 else row - column + 48) > 48, 255, 0).astype(np.uint8)  # / rises to the right
    scene = Scene(scene.pixels, mask, 0, "dots", scene.object_colour, scene.ground_colour, scene.blobs)
    part = label_scene(scene)[0]["part"][12:36, 12:36]
    assert set(np.unique(part)) == {0, EDGES.index(f"edge-{angle}") + 1}


def test_every_prototype_has_its_own_colour_and_a_far_one_has_none():
    pixels = np.zeros((48, 48, 3), np.uint8)
    pixels[0, : len(COLOURS)] = np.rint(255 * np.array(list(COLOURS.values())))
    pixels[1] = (0, 255, 255)  # farther than the radius from all eleven
    color = label_scene(square_scene(pixels))[0]["color"]
    assert color[0, : len(COLOURS)].tolist() == list(range(1, 12)) and not color[1].any()


def test_blobs_count_where_they_are_seen():
    seen, hidden = np.zeros((2, 48, 48), bool)
    seen[2:5, 2:5], hidden[20:24, 20:24] = True, True
    maps, whole = label_scene(square_scene(blobs=[seen, hidden]))
    assert whole == {"scene": ["one-blob-s"]} and np.array_equal(maps["material"] > 0, seen)
    assert label_scene(square_scene())[1] == {"scene": ["no-blob-s"]}


def test_a_drawn_scene_is_labelled_in_every_category():
    maps, whole = label_scene(render_scene("x-1", 5, 6, 0))
    assert {*maps, *whole} == set(LABELS) and names(maps, "object") == {"ring"} and names(maps, "texture") == {"grain"}
