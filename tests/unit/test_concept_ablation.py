"""Units of a concept that are zeroed together: which ones, and the images that are decided wrongly without them."""

import numpy as np
import pandas as pd
import pytest
import torch

from robustlens.neurons.concept_ablation import ConceptAblation
from robustlens.neurons.concept_units import UnitSet, concept_units
from robustlens.report.concept_ablation import CONCEPT_ABLATION, concept_ablation
from robustlens.statistics import wilson
from tiny import HALF, Channels, classifier, coloured, cut_shards, image_rows, make_shard, pictures, random_network

RED, GREEN, BLUE = 0, 1, 2


def labelled(*rows) -> pd.DataFrame:
    """units.parquet as far as it is read, from (layer, unit, concept, iou)."""
    table = pd.DataFrame(rows, columns=["layer", "unit", "concept", "iou"])
    return table.assign(name=[f"c{concept}" for concept in table["concept"]], category="object")


S = labelled(
    ("conv2", 0, 1, 0.1), ("conv2", 1, 1, 0.3), ("conv2", 2, 1, 0.3), ("conv2", 3, 2, 0.2), ("conv1", 0, 1, 0.9), ("conv1", 1, 3, 0.1)
)
R = labelled(
    ("conv2", 0, 2, 0.1), ("conv2", 1, 1, 0.1), ("conv2", 2, 1, 0.2), ("conv2", 3, 2, 0.2), ("conv1", 0, 3, 0.0), ("conv1", 1, 1, 0.4)
)


def sets(select=("all", "top-k", "equal"), k=1, scope="layer", fewest=1, seed=0, units=None) -> list[UnitSet]:
    return concept_units(units or {"standard": S, "robust": R}, list(select), k, scope, fewest, seed)


def numbers(found: list[UnitSet]) -> dict:
    return {(one.role[0], one.layer, one.concept, one.select): [unit for _, unit in one.chosen] for one in found}


def test_units_by_falling_iou_on_paper():
    """Of conv1 both networks share concept 1 alone: the unit of R with concept 3 has an IoU of 0, it carries none."""
    assert numbers(sets()) == {
        ("s", "conv2", 1, "all"): [1, 2, 0],
        ("s", "conv2", 1, "top-k"): [1],
        ("s", "conv2", 1, "equal"): [1, 2],
        ("r", "conv2", 1, "all"): [2, 1],
        ("r", "conv2", 1, "top-k"): [2],
        ("r", "conv2", 1, "equal"): [2, 1],
        ("s", "conv2", 2, "all"): [3],
        ("s", "conv2", 2, "top-k"): [3],
        ("s", "conv2", 2, "equal"): [3],
        ("r", "conv2", 2, "all"): [3, 0],
        ("r", "conv2", 2, "top-k"): [3],
        ("r", "conv2", 2, "equal"): [3],
        **{(role, "conv1", 1, select): [unit] for role, unit in (("s", 0), ("r", 1)) for select in ("all", "top-k", "equal")},
    }
    assert numbers(sets(["all"], fewest=2)) == {("s", "conv2", 1, "all"): [1, 2, 0], ("r", "conv2", 1, "all"): [2, 1]}
    assert numbers(sets(["top-k"], k=9))["s", "conv2", 1, "top-k"] == [1, 2, 0]


def test_units_of_all_layers_at_once():
    found = {(one.role, one.concept, one.select): one.chosen for one in sets(scope="network", k=2)}
    assert found["standard", 1, "all"] == (("conv1", 0), ("conv2", 1), ("conv2", 2), ("conv2", 0))
    assert found["standard", 1, "equal"] == found["standard", 1, "all"][:3]
    assert found["robust", 1, "top-k"] == (("conv1", 1), ("conv2", 2))
    assert {layer for one in sets(scope="network") for layer in [one.layer]} == {"all"}


def test_the_control_has_as_many_units_of_the_same_layer():
    for scope in ("layer", "network"):
        for one in sets(scope=scope):
            assert len(set(one.control)) == len(one.chosen) == len(one.control)
            assert scope == "network" or {layer for layer, _ in one.control} == {one.layer}
    assert sets() == sets()
    many = labelled(*[("conv1", unit, 1, 0.5) for unit in range(40)], *[("conv1", unit, 2, 0.5) for unit in range(40, 60)])
    first, second = (sets(["all"], seed=seed, units={"standard": many, "robust": many}) for seed in (0, 1))
    assert first[2].control != second[2].control
    assert not set(first[2].control) <= set(first[2].chosen) and first[2].control != first[3].control


# --------------------------------------------------------------------------------------------------------------------- counted
def unit_set(role, units, control, layer="maps", select="all") -> UnitSet:
    return UnitSet(role, layer, 1, "red", "color", select, tuple((layer, unit) for unit in units), tuple((layer, unit) for unit in control))


def pair(standard, robust, **arguments) -> dict:
    found = {"standard": classifier(standard, **arguments), "robust": classifier(robust, **arguments)}
    for role, model in found.items():
        model.card = {"model": role}
    return found


def test_wrong_decisions_on_paper(tmp_path):
    """Unit k carries class k alone. The last image is wrong for both, the fourth for the network that sees no more than red."""
    robust = Channels()
    with torch.no_grad():
        robust.maps.weight[GREEN] = 0
    pixels = coloured([(200, 100, 0), (200, 0, 100), (0, 100, 200), (0, 200, 100), (200, 100, 0)])
    shard = make_shard(tmp_path / "s.parquet", pixels, image_rows(5, [RED, RED, BLUE, GREEN, GREEN]))
    chosen = [unit_set("standard", [RED], [GREEN]), unit_set("standard", [RED, BLUE], [BLUE]), unit_set("robust", [RED], [GREEN])]
    table = ConceptAblation(pair(Channels(), robust), chosen, 2).count(shard)
    assert table[["model", "n_units", "n_images", "n_wrong", "n_wrong_control"]].to_numpy().tolist() == [
        ["standard", 1, 3, 2, 0],
        ["standard", 2, 3, 2, 1],  # the second is then 0, 0, 0, of which the first class is taken
        ["robust", 1, 3, 1, 0],  # and here the first
    ]
    assert ConceptAblation(pair(Channels(), robust), chosen, 2).count(shard, n_images=1)["n_images"].tolist() == [1, 1, 1]


def naive(models, one: UnitSet, units, images, labels) -> tuple[int, int]:
    """Images that both networks decide rightly, and how many of them are wrong without the units: by zeroing in a hook, one set a run."""
    right = np.logical_and(*(model(images).argmax(1).numpy() == labels for model in models.values()))
    handles = []
    for layer in {layer for layer, _ in units}:
        at = torch.tensor([unit for place, unit in units if place == layer])
        handles.append(models[one.role].layer(layer).register_forward_hook(lambda _, __, output, at=at: output.index_fill(1, at, 0)))
    wrong = models[one.role](images).argmax(1).numpy() != labels
    for handle in handles:
        handle.remove()
    return int(right.sum()), int((wrong & right).sum())


@pytest.mark.parametrize("scope", ["layer", "network"])
def test_counts_are_those_of_one_set_at_a_time_whatever_the_shards(tmp_path, scope):
    rng, layers = np.random.default_rng(0), {"conv1": 4, "conv3": 8}
    units = {
        role: labelled(*[(layer, unit, rng.integers(1, 4), rng.random()) for layer, n in layers.items() for unit in range(n)])
        for role in ("standard", "robust")
    }
    chosen = sets(k=2, scope=scope, units=units)
    models = pair(*(random_network(classes=5, width=8, seed=seed) for seed in (0, 0)), layers=list(layers), **HALF)
    with torch.no_grad():
        models["robust"].network.conv3[0].weight.mul_(1.2)
    images = torch.from_numpy(pictures(57)).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        labels = models["standard"](images).argmax(1).numpy()
        labels[::5] = 0
        rows = image_rows(57, labels)
        ablation = ConceptAblation(models, chosen, 50)
        whole = ablation.count(make_shard(tmp_path / "s.parquet", pictures(57), rows))
        for one, found in zip(chosen, whole.itertuples(), strict=True):
            assert (found.n_images, found.n_wrong) == naive(models, one, one.chosen, images, labels)
            assert found.n_wrong_control == naive(models, one, one.control, images, labels)[1]
    assert whole["n_wrong"].max() > whole["n_wrong"].min()
    parts = [ConceptAblation(models, chosen, 7).count(shard) for shard in cut_shards(tmp_path, pictures(57), rows, 20)]
    counts = ["n_images", "n_wrong", "n_wrong_control"]
    pd.testing.assert_frame_equal(sum(part[counts] for part in parts), whole[counts])


# -------------------------------------------------------------------------------------------------------------------- tabulated
def test_the_table_adds_shards_and_gives_intervals():
    key = {
        "pair": "net",
        "stimulus": "clean",
        "model": "s",
        "layer": "conv1",
        "concept": 1,
        "name": "red",
        "category": "color",
        "n_units": 2,
    }
    shards = [
        pd.DataFrame([{**key, "select": "all", "n_images": n, "n_wrong": wrong, "n_wrong_control": 1}, {**key, "select": "equal", **NONE}])
        for n, wrong in ((10, 3), (30, 7))
    ]
    table = concept_ablation(shards)
    assert table.columns.tolist() == CONCEPT_ABLATION and table["select"].tolist() == ["all", "equal"]
    first = table.iloc[0]
    assert (first["n_images"], first["drop"], first["control"]) == (40, 0.25, 0.05)
    assert (first["drop_low"], first["drop_high"]) == wilson(10, 40) and (first["control_low"], first["control_high"]) == wilson(2, 40)
    assert table.iloc[1][["drop", "drop_low", "control_high"]].isna().all()
    assert concept_ablation([]).columns.tolist() == CONCEPT_ABLATION


NONE = {"n_images": 0, "n_wrong": 0, "n_wrong_control": 0}
