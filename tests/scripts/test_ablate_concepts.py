"""ablate_concepts and tabulate_concept_ablation: from a pair's networks and their units to the table, whatever the shards."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tabulate_concept_ablation
from ablate_concepts import main
from robustlens.errors import InputError
from robustlens.images import write_parquet
from robustlens.report.concept_ablation import CONCEPT_ABLATION
from tiny import cut_shards, image_rows, make_model, pictures, random_network

ROWS = image_rows(30, np.arange(30) % 5)


@pytest.fixture
def ablate(tmp_path):
    """A function that ablates the concepts of 30 images of two stimuli in shards of a size, and gives the table."""
    nets = [make_model(tmp_path / name, name, random_network(classes=5, width=8, seed=seed)) for seed, name in enumerate(("s", "r"))]
    tables = []
    for number, name in enumerate(("s", "r")):
        rng = np.random.default_rng(number)
        units = pd.DataFrame({"layer": ["conv1"] * 4 + ["conv2"] * 8, "unit": [*range(4), *range(8)], "iou": rng.random(12)})
        units["concept"] = rng.integers(1, 4, 12)
        units["n_above"] = [25] * 4 + [100] * 8
        tables.append(str(tmp_path / name / "scenes" / "units.parquet"))
        Path(tables[-1]).parent.mkdir()
        write_parquet(tables[-1], units.assign(name="c", category="color", model=name))

    def run(size=30, select=("all", "top-k", "equal"), scope="layer", fewest=1, least=1):
        clean = cut_shards(tmp_path / f"clean-{size}", pictures(30), ROWS, size)
        noisy = cut_shards(tmp_path / f"noisy-{size}", pictures(30, seed=1), ROWS, size)
        selection = {"stimuli": ["clean", "noisy"], "select": list(select), "k": 2, "scope": scope, "fewest": fewest, "n_images": None}
        counts = []
        for number, shards in enumerate(zip(clean, noisy, strict=True)):
            counts.append(str(tmp_path / f"counts-{number}.parquet"))
            files = [weights for weights, _ in nets], [card for _, card in nets], tables, [str(shard.path) for shard in shards], counts[-1]
            asked = {"pair": "net", "stimuli": {"clean": None, "noisy": None}, "n_images": {"clean": 30, "noisy": 30}, "seed": 0}
            asked |= {"min_positions": {"scenes": least}}
            main(*files, **asked, selection=selection, sixteen_by="mean", device="cpu", batch_size=20)
        tabulate_concept_ablation.main(counts, str(tmp_path / "table.csv"))
        return pd.read_csv(tmp_path / "table.csv")

    return run


@pytest.mark.parametrize("scope", ["layer", "network"])
def test_shards_change_no_row(ablate, scope):
    whole = ablate(scope=scope)
    pd.testing.assert_frame_equal(whole, ablate(16, scope=scope))
    assert whole.columns.tolist() == CONCEPT_ABLATION
    assert set(whole["stimulus"]) == {"clean", "noisy"} and set(whole["model"]) == {"s", "r"}
    assert set(whole["layer"]) == ({"all"} if scope == "network" else {"conv1", "conv2"})
    assert (whole.groupby("stimulus")["n_images"].nunique() == 1).all() and (whole["n_wrong"] <= whole["n_images"]).all()
    assert (whole[whole["n_images"] > 0]["drop"].between(whole["drop_low"], whole["drop_high"])).all()


def test_equal_takes_as_many_units_of_both(ablate):
    table = ablate(select=["equal"])
    counted = table[table["stimulus"] == "clean"].pivot(index=["layer", "concept"], columns="model", values="n_units")
    assert len(counted) and (counted["s"] == counted["r"]).all()


def test_networks_that_share_no_concept_are_refused(ablate):
    expected = "ablation.concepts: expected a concept that 9 units carry in both networks of net, got none"
    with pytest.raises(InputError, match=expected):
        ablate(fewest=9)


def test_units_with_too_few_positions_carry_no_concept(ablate):
    """Those of conv1 have 25 positions above their threshold, those of conv2 100."""
    assert ablate(least=80)["layer"].unique().tolist() == ["conv2"]
    with pytest.raises(InputError, match="a concept that 1 units carry in both networks of net, got none"):
        ablate(least=101)
