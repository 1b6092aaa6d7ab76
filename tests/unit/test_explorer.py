"""The unit explorer: what stands in its files is what stands in the tables; masks and choices by cases worked out on paper."""

import base64
import json
import re

import h5py
import numpy as np
import pandas as pd
import pytest

import synthetic
from robustlens.errors import InputError
from robustlens.neurons.top_maps import open_top_maps, write_top_maps
from robustlens.report import explorer_data
from robustlens.report.explorer import write_explorer
from robustlens.report.explorer_data import Files, best_concepts, choose_images
from robustlens.report.explorer_pictures import PER_SHEET, masks, write_sheets
from robustlens.report.results import Results, read_tables


def data_of(path, name: str) -> list:
    """The arguments that a script of data hands to the page."""
    return json.loads(f"[{re.fullmatch(rf'explorer[.]{name}[(](.*)[)];', path.read_text(encoding='utf-8').strip())[1]}]")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The explorer of made-up results: the run, the folder and the index."""
    run = synthetic.make_results(tmp_path_factory.mktemp("run"), synthetic.small_study())
    files = Files(run.smoothness, run.top_images, run.units, run.complexity, run.iou, run.ablation, run.top_maps)
    folder = run.folder / "explorer"
    index = write_explorer(folder, Results(run.study, read_tables(run.tables)), files, run.drawn_from["dumped"])
    return run, folder, index


def layers(index):
    return [(model["name"], layer["name"], layer["number"]) for model in index["models"] for layer in model["layers"]]


def test_every_unit_of_every_layer_has_the_numbers_of_the_tables(site):
    run, folder, index = site
    assert [entry[:2] for entry in layers(index)] == [
        (model, layer) for model, spec in run.study["models"].items() for layer in spec["layers"]
    ]
    for model, layer, number in layers(index):
        _, data = data_of(folder / f"layers/{number}.js", "layer")
        for paths, columns, found in (
            (run.smoothness, ["tv_clean", "tv_noisy", "relative_change"], data),
            (run.ablation, ["n_shape", "n_texture", "shape_score", "texture_score", "n_changed", "n_images"], data),
            (run.units, ["threshold"], data["sets"]["scenes"]),
        ):
            for path in (path for path in paths if f"/{model}/" in path):
                table = pd.read_parquet(path)
                table = table[table["layer"] == layer].sort_values("unit")
                assert data["units"] == table["unit"].tolist()
                for column in columns:
                    assert found[column] == [float(f"{value:.6g}") for value in table[column]]


def test_best_concepts_and_their_number_are_those_of_the_matrix(site):
    run, folder, index = site
    _, layer, number = layers(index)[0]
    found = data_of(folder / f"layers/{number}.js", "layer")[1]["sets"]["scenes"]
    matrix = pd.read_parquet(run.iou[0])
    for unit, rows in matrix[matrix["layer"] == layer].groupby("unit"):
        best = rows.sort_values("iou", ascending=False).head(explorer_data.BEST)
        wanted = [value for row in best.itertuples() for value in ([row.name, row.category, "scenes"], float(f"{row.iou:.6g}"))]
        places = found["best"][unit]
        assert [value for k in range(0, len(places), 2) for value in (index["concepts"][places[k]], places[k + 1])] == wanted
        assert found["n_concepts"][unit] == (rows["iou"] >= index["cut"]).sum()


def test_the_search_knows_every_best_concept_of_every_unit(site):
    _, folder, index = site
    (concepts,) = data_of(folder / "concepts.js", "found")
    hits = {
        (layer, unit, place, iou)
        for _, _, layer in layers(index)
        for entry in [data_of(folder / f"layers/{layer}.js", "layer")[1]]
        for unit, best in zip(entry["units"], entry["sets"]["scenes"]["best"], strict=True)
        for place, iou in zip(best[::2], best[1::2], strict=True)
    }
    found = {
        (*row[:2], place, row[2]) for place, rows in enumerate(concepts) for row in np.reshape(np.array(rows, object), (-1, 3)).tolist()
    }
    assert found == hits
    assert all(np.all(np.diff(rows[2::3]) <= 0) for rows in concepts)


def test_roles_and_partners_are_those_of_the_pairs(site):
    assert [(model["name"], model["role"], model["partner"]) for model in site[2]["models"][:2]] == [
        ("alexnet-s", "standard", "alexnet-r"),
        ("alexnet-r", "robust", "alexnet-s"),
    ]


def test_masks_are_the_cells_strictly_above_the_threshold(tmp_path):
    """Unit 0 on its first image: 2 3 / 1 2, threshold 2: only the second cell, 0100 0000. Unit 1 on its second: all, 1111 0000."""
    write_top_maps(tmp_path / "maps.h5", {"x/y": np.array([[[[2, 3], [1, 2]], [[0] * 2] * 2], [[[0] * 2] * 2, [[5] * 2] * 2]], np.float16)})
    top = pd.DataFrame({"unit": [1, 0], "rank": [1, 0], "threshold": [4.0, 2.0]})
    with open_top_maps(tmp_path / "maps.h5") as maps:
        assert masks(maps["x/y"], top).tolist() == [[0b11110000], [0b01000000]]


def test_masks_of_the_page_are_those_of_the_maps(site):
    run, folder, index = site
    _, layer, number = layers(index)[0]
    _, data = data_of(folder / f"layers/{number}.js", "layer")
    assert data["grid"] == [4, 4]
    with open_top_maps(run.top_maps[0]) as maps:
        for unit in data["units"]:
            n_shown = len(data["top"][unit]) // 4
            bits = np.unpackbits(np.frombuffer(base64.b64decode(data["masks"][unit]), np.uint8).reshape(n_shown, -1), axis=1)
            assert (bits == (maps[layer][unit, :n_shown].reshape(n_shown, -1) > 0.5)).all()


def test_another_file_than_that_of_maps_is_refused(tmp_path):
    (tmp_path / "cut.h5").write_bytes(b"abc")
    with pytest.raises(InputError, match="cut.h5: expected a complete file of maps"), open_top_maps(tmp_path / "cut.h5"):
        pass
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = [1]
    with (
        pytest.raises(InputError, match="other.h5: expected attribute format 'robustlens-top-maps-1'"),
        open_top_maps(tmp_path / "other.h5"),
    ):
        pass


def test_ties_go_to_the_lowest_number_and_nothing_met_is_left_out(tmp_path):
    rows = [("l", 0, n, f"c{n}", "object", iou) for n, iou in ((1, 0.1), (2, 0.2), (3, 0.2), (4, 0.0))]
    columns = ["layer", "unit", "concept", "name", "category", "iou"]
    pd.DataFrame(rows, columns=columns).to_parquet(tmp_path / "iou.parquet")
    assert best_concepts(str(tmp_path / "iou.parquet"))["concept"].tolist() == [2, 3, 1]
    pd.DataFrame(rows, columns=columns).drop(columns="iou").to_parquet(tmp_path / "iou.parquet")
    with pytest.raises(InputError, match="expected the columns layer, .*iou, got no iou"):
        best_concepts(str(tmp_path / "iou.parquet"))


def test_as_many_images_of_each_unit_as_the_budget_allows(tmp_path, monkeypatch):
    """Rank 0 shows a and b, rank 1 adds c, rank 2 adds d: three images allow two a unit, one image allows none but one is shown."""
    rows = [("l", unit, rank, name, 1.0, 0, 0) for unit, names in ((0, "acd"), (1, "bac")) for rank, name in enumerate(names)]
    columns = ["layer", "unit", "rank", "image_id", "activation", "row", "column"]
    pd.DataFrame(rows, columns=columns).to_parquet(tmp_path / "top_images.parquet")
    chosen = {}
    for budget in (4, 3, 1):
        monkeypatch.setattr(explorer_data, "MOST_IMAGES", budget)
        chosen[budget] = choose_images([str(tmp_path / "top_images.parquet")])
    assert chosen == {4: (explorer_data.SHOWN, set("abcd")), 3: (2, set("abc")), 1: (1, set("ab"))}


def test_an_image_that_no_shard_has_is_named(site, tmp_path):
    with pytest.raises(InputError, match="the image nowhere of top_images.parquet"):
        write_sheets(tmp_path, site[0].drawn_from["dumped"], {"clean-000001", "nowhere"})


def test_sheets_hold_each_image_once(site):
    run, folder, _ = site
    numbers, (width, height) = write_sheets(folder / "again", run.drawn_from["dumped"], {f"clean-{i:06d}" for i in range(3)})
    assert numbers == {"clean-000000": 0, "clean-000001": 1, "clean-000002": 2}
    assert (width, height) == (synthetic.SIDE, synthetic.SIDE) and len(list((folder / "again").iterdir())) == 1 <= PER_SHEET
