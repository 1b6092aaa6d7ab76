"""Concept ablation in the workflow: only what is asked for, and the same table whatever the shards."""

import shutil

import pandas as pd
import pytest
import yaml

from robustlens.report.concept_ablation import CONCEPT_ABLATION
from runs import TINY, jobs, snakemake, write_study

ASKED = {"stimuli": ["clean", "gaussian-noise-0.08"], "k": 2, "n_images": 50}
TABLE = "results/reports/tables/concept_ablation.csv"


def test_only_where_the_config_asks_for_it(tmp_path):
    assert "ablate_concepts" not in jobs(tmp_path)
    found = jobs(tmp_path, config=write_study(tmp_path / "study.yaml", ablation__concepts=ASKED))
    assert (found["ablate_concepts"], found["tabulate_concept_ablation"]) == (2, 1)  # 30 and 20 images
    plan = snakemake(tmp_path, "--dry-run", TABLE, config=tmp_path / "study.yaml").stdout
    assert "adversarial" not in plan and "scrambled-2" not in plan  # nor what it does not need


@pytest.mark.parametrize("name", ["nothing", "pgd-2"])
def test_only_sources_and_stimuli(tmp_path, name):
    config = write_study(tmp_path / "study.yaml", ablation__concepts={"stimuli": [name]})
    done = snakemake(tmp_path, "--dry-run", config=config, check=False)
    assert done.returncode and "ablation.concepts.stimuli: expected one of clean, cue-conflict" in done.stdout + done.stderr


def test_the_table_of_a_finished_study(tiny_study, tmp_path):
    """S beside a copy of itself, since the tiny S and R may have no image that both decide rightly."""
    folder = tmp_path / "study"
    shutil.copytree(tiny_study, folder, symlinks=True)
    config = write_study(tmp_path / "study.yaml", ablation__concepts=ASKED)
    assert jobs(folder, TABLE, config=config) == {"ablate_concepts": 2, "tabulate_concept_ablation": 1}
    twin = {**yaml.safe_load(TINY.read_text())["models"]["alexnet-s"], "weights": "results/models/alexnet-s/weights.safetensors"}
    twin.pop("train")
    predictions = pd.read_parquet(folder / "results/predictions/alexnet-s/predictions.parquet")
    predictions["right"] = predictions["top5"].str[0] == predictions["label"]
    twin["top1"] = float(predictions.loc[predictions["stimulus"] == "clean", "right"].mean())  # which may be little better than by guessing
    pair = {"standard": "alexnet-s", "robust": "twin"}
    config = write_study(tmp_path / "study.yaml", ablation__concepts=ASKED, models__twin=twin, pairs__alexnet=pair)
    snakemake(folder, TABLE, config=config)
    table = pd.read_csv(folder / TABLE)
    assert table.columns.tolist() == CONCEPT_ABLATION
    assert set(table["model"]) == {"alexnet-s", "twin"} and set(table["stimulus"]) == set(ASKED["stimuli"])
    for stimulus, n_images in table.groupby("stimulus")["n_images"].first().items():
        assert n_images == predictions.loc[predictions["stimulus"] == stimulus, "right"].iloc[:50].sum() > 0
