"""The miniature study itself: what must hold on every seed, its size, its memory. Minutes a seed: that of the config, or those of SEEDS."""

import os

import pandas as pd
import pytest
import yaml

from runs import REPOSITORY, snakemake

pytestmark = pytest.mark.study
SEEDS = [int(seed) for seed in os.environ.get("SEEDS", "0").split()]
PAIRS = ("alexnet", "googlenet", "resnet")
FILTERS = "results/neurons/filters.parquet"
DISTORTIONS = yaml.safe_load((REPOSITORY / "config.yaml").read_text())["claims"]["distortions"]
TABLES = ["results/reports/tables/accuracy.csv", "results/reports/tables/shape_bias.csv"]


@pytest.fixture(scope="module", params=SEEDS, ids="seed{}".format)
def study(request, tmp_path_factory):
    """The folder of a study: the whole of it for seed 0, as far as the behaviour and the filters for others."""
    if request.param == 0:
        return request.getfixturevalue("miniature")
    folder = tmp_path_factory.mktemp(f"seed{request.param}")
    changes = folder / "seed.yaml"  # the sweep over epsilon is not looked at here
    changes.write_text(f"seed: {request.param}\nrobustness: {{attack: null}}\n")
    snakemake(folder, *TABLES, FILTERS, config=[REPOSITORY / "config.yaml", changes], fresh=True)
    return folder


@pytest.fixture
def accuracy(study):
    """Top-1 accuracy by (model, stimulus)."""
    return pd.read_csv(study / TABLES[0]).set_index(["model", "stimulus"])["top1"]


@pytest.fixture
def shape_bias(study):
    """Shape bias by model, with its interval."""
    return pd.read_csv(study / TABLES[1]).set_index("model")[["shape_bias", "low", "high"]]


@pytest.mark.parametrize("pair", PAIRS)
def test_the_networks_work(accuracy, pair):
    assert accuracy[f"{pair}-s", "clean"] > 0.95 and accuracy[f"{pair}-r", "clean"] > 0.85
    assert accuracy[f"{pair}-r", "pgd"] > accuracy[f"{pair}-s", "pgd"] + 0.3


@pytest.mark.parametrize("pair", PAIRS)
def test_s_reads_texture_and_r_reads_shape(shape_bias, pair):
    of_s, of_r = shape_bias.loc[f"{pair}-s"], shape_bias.loc[f"{pair}-r"]
    assert of_s["shape_bias"] < 0.5 < of_r["shape_bias"] and of_s["high"] < of_r["low"]


@pytest.mark.parametrize("pair", PAIRS)
def test_r_beats_s_without_texture_and_s_beats_r_without_shape(accuracy, pair):
    for stimulus in ("silhouette", "stylized"):
        assert accuracy[f"{pair}-r", stimulus] > accuracy[f"{pair}-s", stimulus]
    for stimulus in ("scrambled-2", "scrambled-4"):
        assert accuracy[f"{pair}-s", stimulus] > accuracy[f"{pair}-r", stimulus]


@pytest.mark.parametrize("pair", PAIRS)
def test_first_filters_of_r_are_smoother(study, pair):
    filters = pd.read_parquet(study / FILTERS)
    first = filters[(filters["depth"] == 0) & (filters["weights"] == "trained")]
    means = first.groupby("model")["total_variation_unit_norm"].mean()
    assert means[f"{pair}-r"] < means[f"{pair}-s"]


@pytest.mark.parametrize("pair", PAIRS)
def test_distortions_leave_room_to_fall(accuracy, pair):
    """Six of different kinds, on each of which S loses at least ten points."""
    assert len(DISTORTIONS) >= 6
    lost = {name: accuracy[f"{pair}-s", "clean"] - accuracy[f"{pair}-s", name] for name in DISTORTIONS}
    assert {name: loss for name, loss in lost.items() if loss < 0.1} == {}


def test_controls_read_what_they_are(shape_bias):
    assert shape_bias["shape_bias"]["alexnet-texture-only"] < 0.1
    assert shape_bias["shape_bias"]["alexnet-shape-only"] > 0.9


def test_memory_of_two_jobs_at_a_time(study):
    peaks = [pd.read_csv(path, sep="\t", na_values="-")["max_rss"].max() for path in study.glob("benchmarks/**/*.tsv")]
    assert sum(sorted(peaks)[-2:]) < 2000  # MB, resident
