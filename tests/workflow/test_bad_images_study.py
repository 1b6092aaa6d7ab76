"""A study with pictures that cannot be read: it stops, or no network is shown them and the report counts them."""

import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from runs import snakemake, write_study

CLASSES = ("disc", "ring")  # of those that the networks learned


@pytest.fixture
def photographs(tmp_path):
    """A source of seven pictures, of which the third is cut short and the last is empty."""
    for number, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (7, 48, 48, 3), dtype=np.uint8)):
        path = tmp_path / f"pictures/{CLASSES[number % 2]}/{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    (tmp_path / "pictures/disc/4.png").write_bytes((tmp_path / "pictures/disc/4.png").read_bytes()[:900])
    (tmp_path / "pictures/ring/5.png").write_bytes(b"")
    return {"kind": "image-folder", "root": str(tmp_path / "pictures"), "n_images": 7, "geometry": {"crop": 48}, "images_per_shard": 3}


def test_excluded_pictures_are_listed_and_counted_for_all_networks(tiny_study, tmp_path, photographs):
    shutil.copytree(tiny_study, tmp_path / "run", symlinks=True)
    changes = {"sources__photographs": photographs | {"images_per_shard": 4}, "on_bad_image": "exclude"}
    changes |= {"stimuli__noisy": {"kind": "gaussian-noise", "source": "photographs", "sigma": 0.1, "preserves": "both"}}
    study = write_study(tmp_path / "study.yaml", suites__photographs=["photographs", "noisy"], **changes)
    snakemake(tmp_path / "run", "results/reports/index.html", config=study)
    tables = tmp_path / "run/results/reports/tables"
    excluded = pd.read_csv(tables / "excluded_images.csv")
    assert excluded[["source", "path"]].values.tolist() == [["photographs", "disc/4.png"], ["photographs", "ring/5.png"]]
    accuracy = pd.read_csv(tables / "accuracy.csv").set_index("stimulus")["n_images"]
    assert set(accuracy["photographs"]) == set(accuracy["noisy"]) == {5} and set(accuracy["clean"]) == {60}
    assert len(accuracy["photographs"]) == len(accuracy["clean"])
    page = (tmp_path / "run/results/reports/index.html").read_text()
    assert "2 of the 7 pictures of photographs could not be read" in page


def test_a_picture_that_cannot_be_read_stops_the_study(tmp_path, photographs):
    study = write_study(tmp_path / "study.yaml", sources__photographs=photographs)
    done = snakemake(tmp_path, *(f"results/stimuli/photographs/shard-000{n}.parquet" for n in range(3)), "-k", config=study, check=False)
    assert done.returncode == 1 and "disc/4.png: expected a readable picture, got" in done.stderr
    assert [path.name for path in (tmp_path / "results/stimuli/photographs").glob("shard*")] == ["shard-0001.parquet"]
