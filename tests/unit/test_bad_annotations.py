"""Annotations of strangers, in Broden's layout: each fault ends in one sentence that names the file."""

import os

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from robustlens.broden import LabelledImage, read_broden, write_broden
from robustlens.concepts import open_labels, pack_labels
from robustlens.errors import InputError

NAMES = {"object": ["cup", "hat"], "part": ["rim", "brim"], "scene": ["day-s"]}
TABLES = {
    "index.csv": ["image", "split", "ih", "iw", "sh", "sw", "object"],
    "label.csv": ["number", "name"],
    "category.csv": ["name", "first"],
}
TABLES["c_object.csv"] = ["number", "coverage"]


@pytest.fixture
def tree(tmp_path):
    plane = np.ones((4, 6), int)
    images = [LabelledImage(f"{n}.png", np.zeros((4, 6, 3), np.uint8), {"object": plane * (1 + n)}, {"scene": ["day-s"]}) for n in range(2)]
    write_broden(tmp_path, NAMES, images)
    return tmp_path


def edit(path, change):
    change(pd.read_csv(path, dtype=str, keep_default_na=False)).to_csv(path, index=False)


def read_all(tree):
    return list(read_broden(tree, NAMES))


@pytest.mark.parametrize(("table", "column"), [(table, column) for table, columns in TABLES.items() for column in columns])
def test_each_missing_column_is_named(tree, table, column):
    edit(tree / table, lambda rows: rows.drop(columns=column))
    with pytest.raises(InputError, match=rf"{table}: expected the columns .*, got no {column}"):
        read_all(tree)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("fault", ["no bytes", "no text", "more cells in a row", "an open quote"])
def test_a_table_that_is_none_is_named(tree, table, fault):
    path = tree / table
    header = path.read_text().splitlines()[0]
    data = {"no bytes": b"", "no text": b"\xff\xfe\x00\x81", "more cells in a row": f"{header}\n{'1,' * 30}\n{'1,' * 40}\n".encode()}
    path.write_bytes(data.get(fault) if fault in data else f'{header}\n"1,2\n'.encode())
    with pytest.raises(InputError, match=rf"{table}: expected (a table|the columns|numbers)"):
        read_all(tree)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("more", [",1", ",1,2"])
def test_rows_that_are_all_longer_than_the_first_are_refused(tree, table, more):
    """pandas drops what is too much, or takes the first column for an index."""
    header, *rows = (tree / table).read_text().splitlines()
    (tree / table).write_text("\n".join([header, *(row + more for row in rows)]) + "\n")
    with pytest.raises(InputError, match=f"{table}: expected a table .* with as many cells in each row as in the first"):
        read_all(tree)


@pytest.mark.parametrize("table", TABLES)
def test_the_order_of_columns_means_nothing(tree, table):
    before = read_all(tree)
    edit(tree / table, lambda rows: rows[rows.columns[::-1]])
    for (name, planes, whole), (same, as_before, labels) in zip(read_all(tree), before, strict=True):
        assert name == same and np.array_equal(planes, as_before) and np.array_equal(whole, labels)


@pytest.mark.parametrize("n_planes", range(5))
def test_an_image_has_none_to_four_planes_of_parts(tree, n_planes):
    paths = []
    for layer in range(n_planes):
        paths.append(f"0_part_{layer + 1}.png")
        Image.fromarray(np.full((4, 6, 3), (3, 0, 0), np.uint8)).save(tree / "images" / paths[-1])
    edit(tree / "index.csv", lambda rows: rows.assign(part=[";".join(paths), ""]))
    broden = read_broden(tree, NAMES)
    assert broden.planes(0)[:, 0, 0].tolist() == [1] + [3] * n_planes and len(broden.planes(1)) == 1
    pack_labels(broden, tree / "labels.h5", tree / "concepts.parquet")
    with open_labels(tree / "labels.h5", tree / "concepts.parquet") as packed:
        assert packed.planes("0.png")[:, 0, 0].tolist() == [1] + [3] * n_planes
        assert packed.planes("1.png")[:, 0, 0].tolist() == [2] + [0] * n_planes


def test_an_image_without_labels_is_left_out(tree):
    edit(tree / "index.csv", lambda rows: rows.assign(object=["", rows["object"][1]], scene=""))
    assert [name for name, _, _ in read_all(tree)] == ["1.png"]


@pytest.mark.parametrize("fault", ["cut short", "zero bytes", "another size", "beyond the table", "floats"])
def test_a_faulty_label_picture_is_named(tree, fault):
    path = tree / "images/1_object.png"
    if fault == "another size":
        Image.fromarray(np.ones((6, 4, 3), np.uint8)).save(path)
    elif fault == "beyond the table":
        Image.fromarray(np.full((4, 6, 3), 255, np.uint8)).save(path)
    elif fault == "floats":
        Image.fromarray(np.full((4, 6), 99.0, np.float32)).save(path, "TIFF")
    else:
        path.write_bytes(b"" if fault == "zero bytes" else path.read_bytes()[:45])
    with pytest.raises(InputError, match=r"images/1_object\.png: expected "):
        read_all(tree)


@pytest.mark.parametrize("number", ["99", "-1", "1e3"])
def test_a_label_of_the_whole_image_beyond_the_table_is_named(tree, number):
    edit(tree / "index.csv", lambda rows: rows.assign(scene=[number, "5"]))
    with pytest.raises(InputError, match=rf"(index\.csv \[0\.png\]|images/{number}): expected "):
        read_all(tree)


@pytest.mark.parametrize("column", ["image", "object"])
@pytest.mark.parametrize("name", ["../../private.png", "{elsewhere}/private.png"])
def test_a_picture_elsewhere_on_the_machine_is_not_read(tree, tmp_path_factory, column, name):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for path in (elsewhere, tree.parent):
        Image.fromarray(np.full((4, 6, 3), (1, 0, 0), np.uint8)).save(path / "private.png")
    edit(tree / "index.csv", lambda rows: rows.assign(**{column: [name.format(elsewhere=elsewhere), rows[column][1]]}))
    with pytest.raises(InputError, match=r"index\.csv: expected the name of a file below .*images, got .*private\.png"):
        read_all(tree)


def test_a_label_picture_that_has_no_end_is_not_read(tree):
    (tree / "images/1_object.png").unlink()
    os.mkfifo(tree / "images/1_object.png")
    with pytest.raises(InputError, match=r"1_object\.png: expected a readable label PNG, got a pipe"):
        read_all(tree)


@pytest.mark.parametrize(
    ("table", "column", "values", "sentence"),
    [
        ("index.csv", "sh", ["0", "0"], r"index\.csv \[0\.png\]: expected sizes .* from 1 to 32768 px, got 4, 6, 0, 6"),
        ("index.csv", "sw", ["-6", "-6"], r"expected sizes .* got 4, 6, 4, -6"),
        ("index.csv", "sh", ["9999999", "4"], r"expected sizes .* got 4, 6, 9999999, 6"),
        ("index.csv", "image", ["1.png", "./1.png"], r"expected every image once, got 1\.png twice"),
        ("index.csv", "scene", ["9" * 5000, "5"], r"index\.csv: expected label numbers that the layout can hold"),
        ("label.csv", "number", ["1", "2", "3", "4", "4"], r"label\.csv: expected every number once, got 4"),
        ("label.csv", "number", ["1", "2", "3", "4", "65536"], r"label\.csv: expected label numbers up to 65535, got 65536"),
        ("category.csv", "name", ["object", "object", "scene"], r"category\.csv: expected every name once, got object"),
        ("c_object.csv", "number", ["1", "1"], r"c_object\.csv: expected every number once, got 1"),
        ("c_object.csv", "coverage", ["nan", "1"], r"c_object\.csv: expected finite coverages"),
    ],
)
def test_tables_with_numbers_that_cannot_be(tree, table, column, values, sentence):
    edit(tree / table, lambda rows: rows.assign(**{column: values}))
    with pytest.raises(InputError, match=sentence):
        read_all(tree)
