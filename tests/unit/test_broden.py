"""Broden's layout, read from trees that are written by hand here, and written and read back."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from robustlens.broden import SIZES, LabelledImage, read_broden, write_broden
from robustlens.concepts import open_labels, pack_labels
from robustlens.errors import InputError
from robustlens.images import read_shard, write_shard

CATEGORIES = ["object", "part", "scene", "texture", "color", "material"]


def save_label(path, numbers):
    """A label PNG as Broden has it: label number = R + 256 * G, and B that means nothing."""
    pixels = np.zeros((*np.shape(numbers), 3), np.uint8)
    pixels[..., 0], pixels[..., 1], pixels[..., 2] = np.mod(numbers, 256), np.floor_divide(numbers, 256), 77
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def tree(tmp_path):
    """Two images of 4 x 6 px with label maps of 2 x 3; columns out of order; names, numbers and quirks as in the released set."""
    images = tmp_path / "images"
    save_label(images / "a" / "one_object.png", [[3, 3, 0], [300, 300, 300]])
    save_label(images / "a" / "one_part_1.png", [[5, 0, 0], [0, 0, 0]])
    save_label(images / "a" / "one_part_2.png", [[0, 3, 0], [5, 0, 0]])
    for name in ("a/one.jpg", "two.jpg", "empty.jpg"):
        Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(images / name)
    (tmp_path / "index.csv").write_text(
        "scene,image,part,split,sw,sh,iw,ih,object,texture,unused\n"
        "9,a/one.jpg,a/one_part_1.png;a/one_part_2.png,train,3,2,6,4,a/one_object.png,7;8,x\n"
        "9,two.jpg,,val,3,2,6,4,,,\n"
        ",empty.jpg,,val,3,2,6,4,,,\n"
    )
    (tmp_path / "category.csv").write_text(
        "name,first,last,count,frequency\npart,5,5,2,4\nscene,9,9,1,2\nobject,3,300,2,2\ntexture,7,8,2,2\nmaterial,3,3,1,1\n"
    )
    (tmp_path / "label.csv").write_text(
        "number,name,category,frequency,coverage,syns\n0,-,,0,0,\n"
        '3,door,part(1);object(1),2,0.5,\n5,"knob, round",part(1),1,0.3,\n7,null,texture(1),1,1,\n8,NA,texture(1),1,1,\n'
        "9,street-s,scene(2),2,2,\n300,wall,object(1);material(1),2,1,\n"
    )
    (tmp_path / "c_object.csv").write_text("code,number,name,frequency,coverage\n1,300,wall,1,0.5\n2,3,door,1,0.33\n")
    (tmp_path / "c_part.csv").write_text("code,number,name,frequency,coverage\n1,5,knob,1,0.33\n2,3,door,1,0.17\n")
    (tmp_path / "c_scene.csv").write_text("code,number,name,frequency,coverage\n1,9,street-s,2,2.0\n")
    (tmp_path / "c_texture.csv").write_text("code,number,name,frequency,coverage\n1,7,null,1,1.0\n2,8,NA,1,1.0\n")
    (tmp_path / "c_material.csv").write_text("code,number,name,frequency,coverage\n1,3,door,1,0.33\n2,300,wall,1,0.1\n")
    return tmp_path


def test_cells_hold_maps_and_labels_of_the_whole_image(tree):
    broden = read_broden(tree, ["object", "part", "scene", "texture"])
    assert broden.categories == ["object", "part", "texture", "scene"]  # by first label number
    assert broden.index["image_id"].tolist() == ["a/one.jpg", "two.jpg"]  # the image without labels is left out
    assert broden.index[["split", "ih", "iw", "sh", "sw"]].iloc[0].tolist() == ["train", 4, 6, 2, 3]
    (_, planes, whole), (_, no_planes, one_label) = broden
    assert planes.dtype == np.uint16 and planes.tolist() == [
        [[3, 3, 0], [300, 300, 300]],
        [[5, 0, 0], [0, 0, 0]],
        [[0, 3, 0], [5, 0, 0]],
    ]
    assert whole.tolist() == [7, 8, 9]
    assert no_planes.shape == (0, 2, 3) and one_label.tolist() == [9]


def test_only_the_selected_categories_are_read(tree):
    broden = read_broden(tree, ["part"])
    assert len(broden) == 1 and broden.planes(0).shape == (2, 2, 3) and broden.image_labels(0).size == 0


def test_names_are_text_even_if_they_look_like_missing_values(tree):
    labels = read_broden(tree, ["texture"]).labels.set_index("number")["name"]
    assert labels.to_dict() == {3: "door", 5: "knob, round", 7: "null", 8: "NA", 9: "street-s", 300: "wall"}


def test_the_primary_category_is_that_of_largest_coverage_and_ties_go_to_the_last(tree):
    def primary(*categories):
        return read_broden(tree, categories).labels.set_index("number")["category"]

    assert primary("object", "part")[3] == "object" and primary("object", "part")[5] == "part"
    (tree / "index.csv").write_text((tree / "index.csv").read_text().replace("unused", "material"))
    (tree / "index.csv").write_text((tree / "index.csv").read_text().replace(",x\n", ",3\n"))
    (tree / "category.csv").write_text((tree / "category.csv").read_text().replace("material,3", "material,4"))
    assert primary("object", "material")[3] == "material"  # .33 in both: the last of object, material
    assert primary("object", "material")[300] == "object"
    assert primary("object", "part", "scene")[7] == "scene"  # covered in none of them: the last


def test_a_missing_table_or_column_is_refused(tree):
    (tree / "c_part.csv").unlink()
    with pytest.raises(InputError, match=r"c_part\.csv: .* no such file"):
        read_broden(tree, ["part"])
    with pytest.raises(InputError, match=r"category\.csv: expected the category colour"):
        read_broden(tree, ["colour"])
    with pytest.raises(InputError, match=r"index\.csv: expected the columns .* got no material"):
        read_broden(tree, ["material"])
    (tree / "c_scene.csv").write_text("code,number,coverage\n1,nine,2\n")
    with pytest.raises(InputError, match=r"c_scene\.csv: expected numbers"):
        read_broden(tree, ["scene"])


def test_a_label_beyond_the_table_is_refused(tree):
    save_label(tree / "images" / "a" / "one_object.png", [[3, 3, 0], [300, 301, 300]])
    with pytest.raises(InputError, match=r"one_object\.png: expected label numbers of label\.csv \(up to 300\), got 301"):
        read_broden(tree, ["object"]).planes(0)
    (tree / "index.csv").write_text((tree / "index.csv").read_text().replace("9,two", "4,two"))
    with pytest.raises(InputError, match=r"index\.csv \[two\.jpg\]: .* got 4"):
        read_broden(tree, ["scene"])


def test_a_label_map_of_the_wrong_size_is_refused(tree):
    save_label(tree / "images" / "a" / "one_object.png", [[3, 3], [3, 3], [3, 3]])
    with pytest.raises(InputError, match=r"one_object\.png: expected 2 x 3 px .* got 3 x 2 px"):
        read_broden(tree, ["object"]).planes(0)
    (tree / "images" / "a" / "one_object.png").unlink()
    with pytest.raises(InputError, match=r"one_object\.png: expected a readable label PNG"):
        read_broden(tree, ["object"]).planes(0)


def test_a_missing_or_repeated_image_is_refused(tree):
    (tree / "images" / "two.jpg").unlink()
    with pytest.raises(InputError, match=r"two\.jpg: expected the image .* no such file"):
        read_broden(tree, ["scene"])
    (tree / "index.csv").write_text((tree / "index.csv").read_text().replace("two.jpg", "a/one.jpg"))
    with pytest.raises(InputError, match="every image once"):
        read_broden(tree, ["scene"])


def test_a_set_without_a_label_of_the_categories_is_refused(tree):
    (tree / "index.csv").write_text("image,split,ih,iw,sh,sw,object\ntwo.jpg,val,4,6,2,3,\n")
    with pytest.raises(InputError, match="expected images with a label of object, got none"):
        read_broden(tree, ["object"])


@pytest.mark.parametrize(("side", "map_side"), [(224, 112), (227, 113), (384, 192)])
def test_each_released_size_is_read_and_packed(tmp_path, side, map_side):
    """A tree as broden1_<side>: maps of half the side, rounded down; a colour map, four maps of parts, numbers of scene and texture."""
    images = tmp_path / "images/pascal"
    rng = np.random.default_rng(side)
    colour = rng.integers(0, 12, (map_side, map_side))
    parts = np.zeros((4, map_side, map_side), int)
    for layer, number in enumerate((1197, 513, 256, 1197)):  # beyond 255: G counts
        parts[layer, layer * 20 : layer * 20 + 10, -7:] = number
    save_label(images / "a_color.png", colour)
    for layer, plane in enumerate(parts):
        save_label(images / f"a_part_{layer + 1}.png", plane)
    Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)).save(images / "a.jpg")
    part_cell = ";".join(f"pascal/a_part_{layer}.png" for layer in (1, 2, 3, 4))
    (tmp_path / "index.csv").write_text(
        "image,split,ih,iw,sh,sw,color,object,part,material,scene,texture\n"
        f"pascal/a.jpg,train,{side},{side},{map_side},{map_side},pascal/a_color.png,,{part_cell},,300;301,400\n"
    )
    first = {"color": 1, "part": 256, "scene": 300, "texture": 400}
    (tmp_path / "category.csv").write_text("name,first,last,count,frequency\n" + "".join(f"{c},{n},{n},1,1\n" for c, n in first.items()))
    labels = "".join(f"{number},label {number},x(1),1,1,\n" for number in range(1, 1198))
    (tmp_path / "label.csv").write_text("number,name,category,frequency,coverage,syns\n0,-,,0,0,\n" + labels)
    for category, number in first.items():
        (tmp_path / f"c_{category}.csv").write_text(f"code,number,name,frequency,coverage\n1,{number},n,1,1\n")

    broden = read_broden(tmp_path, first)
    assert broden.index[SIZES].iloc[0].tolist() == [side, side, map_side, map_side] and len(broden.labels) == 1197
    assert np.array_equal(broden.planes(0), [colour, *parts]) and broden.image_labels(0).tolist() == [300, 301, 400]
    pack_labels(broden, tmp_path / "labels.h5", tmp_path / "concepts.parquet")
    with open_labels(tmp_path / "labels.h5", tmp_path / "concepts.parquet") as packed:
        assert (packed.n_planes, packed.height, packed.width) == (5, map_side, map_side)
        assert np.array_equal(packed.planes("pascal/a.jpg"), [colour, *parts])
        assert packed.image_labels("pascal/a.jpg").tolist() == [300, 301, 400]
        pixels = packed.concepts.set_index("number")["pixels"]
    assert pixels[1197] == 140 and pixels[513] == 70 and pixels[301] == map_side**2 and pixels[11] == (colour == 11).sum()
    rows = pd.DataFrame({"image_id": ["pascal/a.jpg"], "label": -1, "shape": -1, "texture": -1, "path": "pascal/a.jpg"})
    write_shard(tmp_path / "shard.parquet", rows, root=tmp_path / "images", origin={})
    assert read_shard(tmp_path / "shard.parquet").pixels().shape == (1, side, side, 3)


# -------------------------------------------------------------------------------------------------------------------- writing
NAMES = {"color": [f"c{i}-c" for i in range(300)], "object": ["cup", "hat"], "scene": ["day-s", "night-s"]}


def some_images():
    pixels = np.random.default_rng(1).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    colours = np.zeros((4, 6), int)
    colours[0, 0], colours[1] = 300, 1
    hat = np.zeros((4, 6), int)
    hat[:2] = 2
    yield LabelledImage("x-0.png", pixels, {"color": colours, "object": hat}, {"scene": ["night-s"]})
    yield LabelledImage("x-1.png", 255 - pixels, {"object": hat > 0}, {"scene": ["day-s", "night-s"]})


def test_what_is_written_is_read_back(tmp_path):
    write_broden(tmp_path, NAMES, some_images())
    broden = read_broden(tmp_path, NAMES)
    assert broden.categories == list(NAMES) and broden.labels["number"].tolist() == list(range(1, 305))
    (first, planes, whole), (second, other, both) = broden
    assert (first, second) == ("x-0.png", "x-1.png")
    assert planes[0, 0, 0] == 300 and (planes[0, 1] == 1).all() and (planes[1, :2] == 302).all() and (other == 301)[:, :2].all()
    assert whole.tolist() == [304] and both.tolist() == [303, 304]
    pixels = next(some_images()).pixels
    assert np.array_equal(np.asarray(Image.open(tmp_path / "images" / "x-0.png")), pixels)


def test_written_tables_count_images_and_coverage(tmp_path):
    write_broden(tmp_path, NAMES, some_images())
    rows = (tmp_path / "c_scene.csv").read_text().splitlines()
    assert rows == ["code,number,name,frequency,coverage", "1,304,night-s,2,2.0", "2,303,day-s,1,1.0"]
    assert "302,hat,object(1),1,0.5," in (tmp_path / "label.csv").read_text().splitlines()
    assert (tmp_path / "category.csv").read_text().splitlines()[0] == "name,first,last,count,frequency"
    assert "object,301,302,2,2" in (tmp_path / "category.csv").read_text().splitlines()


def test_a_name_in_two_categories_is_refused(tmp_path):
    with pytest.raises(InputError, match="expected every name once, got cup"):
        write_broden(tmp_path, {"object": ["cup"], "part": ["cup"]}, [])
