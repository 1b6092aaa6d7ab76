"""studies/imagenet.yaml: what it asks for, and the whole of it on tiny files in the real layouts, with real architectures.

But for two pairs and the second network of stylized training: their files have the layouts of others that are here. The same formats
with smaller networks: test_real_formats.py.
"""

import json

import pandas as pd
import pytest
import yaml
from shipped import attacks, merged, study, table

from imagenet_tree import PER_CLASS, write_tree
from robustlens.images import read_manifest
from robustlens.models.registry import load_model
from runs import REPOSITORY, jobs, snakemake

STUDY = REPOSITORY / "studies/imagenet.yaml"
N = 2 * PER_CLASS
LEFT_OUT = {"googlenet-s", "googlenet-r", "resnet50-s", "resnet50-r", "resnet50-sin-in"}
CORRUPTIONS = ["gaussian-noise", "fog", "jpeg-compression"]
SHORTER = {  # than the study in what takes time only: fewer corruptions, units to zero and steps, a small segmentation network
    "attacks": {"pgd-3": {"step": 1.5, "steps": 2}},
    "stimuli": {"silhouette": {"network": "lraspp_mobilenet_v3_large"}},
    "corruptions": {"imagenet-c": {"corruptions": CORRUPTIONS, "severities": [5]}},
    "robustness": {"eps": [1.0], "n_images": None},
    "activations": {"n_images": N, "mode": "streamed"},  # as the study at its size decides by itself
    "statistics": {"resamples": 100},
    "ablation": {"n_images": 2},
    "models": {name: {"layers": ["features.9", "features.11"]} for name in ("alexnet-s", "alexnet-r")},
}


def test_without_paths_it_says_what_to_bring(tmp_path):
    done = snakemake(tmp_path, "--dry-run", config=STUDY, check=False)
    text = done.stdout + done.stderr
    paths = study("imagenet")["paths"]
    lines = [line.strip() for line in text.splitlines() if line.strip().startswith("paths.")]
    assert done.returncode == 1 and "Traceback" not in text
    asked = {name for name, spec in paths.items() if spec["path"] is None}
    assert "paths: expected all that this study reads" in text
    assert {line.partition(".path: not given. ")[0].removeprefix("paths.") for line in lines if ".path:" in line} == asked
    assert all(paths[name]["get"] in text for name in asked) and {"imagenet", "imagenet-c", "alexnet-r"} <= asked


@pytest.mark.parametrize(
    ("per_shard", "n_indexed"),
    [(50_000, {"brought": 86, "made": 11}), pytest.param(5_000, {"brought": 786, "made": 36}, marks=pytest.mark.full)],
)
def test_what_is_public_is_fetched(tmp_path, per_shard, n_indexed):
    """With the rest given, and with all that can be made instead of brought, a dry run has a rule for every file; 5,000: of the study."""
    config = study("imagenet")
    (tmp_path / "brought.pt").write_bytes(b"PK")
    for name, spec in config["paths"].items():
        spec["path"] = spec["path"] or str(tmp_path / "brought.pt" if name in config["models"] else tmp_path)
    own = {
        "corruptions": {"imagenet-c": {"jpeg": True}},
        "stimuli": {"silhouette": {"kind": "silhouette", "masks": "grabcut", "preserves": "shape"}},
        "attacks": {"pgd-float": {"norm": "linf", "eps": 0.0157, "step": 0.004, "steps": 7, "store": "float"}},
    }
    own["stimuli"] |= {"stylized": {"kind": "stylized", "preserves": "shape"}, "crossed": {"kind": "cue-conflict", "preserves": "both"}}
    shards = 50_000 // per_shard
    for made, n_downloads in (({}, 10), (own, 8)):
        config |= {"images_per_shard": per_shard}
        config |= {"corruptions": made.get("corruptions", config["corruptions"]), "attacks": config["attacks"] | made.get("attacks", {})}
        config["stimuli"] |= made.get("stimuli", {})
        config["suites"]["all"] += ["crossed", "pgd-float"] if made else []
        (tmp_path / "study.yaml").write_text(yaml.safe_dump(config))
        found = jobs(tmp_path, config=tmp_path / "study.yaml")
        assert found["fetch_download"] == n_downloads and found["index_images"] == n_indexed["made" if made else "brought"]
    assert found["compute_stimulus"] == 75 * shards and attacks(found) == 2 * 8 * shards


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp("imagenet")
    mine = merged(write_tree(folder / "brought"), SHORTER)
    mine["models"] = {name: spec for name, spec in mine["models"].items() if name not in LEFT_OUT}
    (folder / "mine.yaml").write_text(yaml.safe_dump(mine))
    (folder / "study.yaml").write_text(yaml.safe_dump(shortened(study("imagenet")), sort_keys=False))
    snakemake(folder, "--quiet", "host", config=[folder / "study.yaml", folder / "mine.yaml"])
    return folder


def shortened(whole: dict) -> dict:
    """The study without five of its models, two pairs' among them; the control of one becomes that of the pair that is left."""
    models = {name: spec for name, spec in whole["models"].items() if name not in LEFT_OUT}
    pairs = {name: spec for name, spec in whole["pairs"].items() if name == "alexnet"}
    return {**whole, "models": models, "pairs": pairs, "controls": {"sin": {**whole["controls"]["sin"], "pair": "alexnet"}}}


@pytest.mark.full
def test_every_image_of_every_set_is_decided(run):
    accuracy = table(run, "accuracy")
    counts = accuracy.groupby("stimulus")["n_images"].agg(["min", "max", "size"])
    assert set(counts["size"]) == {3}  # models
    whole = ["clean", "gaussian-noise-0.08", "scrambled-2", "scrambled-4", "scrambled-8", "stylized", "black-and-white", "canny", "pgd-3"]
    whole += ["imagenet-a", "imagenet-r", "imagenet-sketch", "imagenetv2"]
    assert (counts.loc[whole, ["min", "max"]] == N).all(axis=None)
    corrupted = [name for name in counts.index if name.startswith("imagenet-c-")]
    assert len(corrupted) == len(CORRUPTIONS) and (counts.loc[corrupted, ["min", "max"]] == N).all(axis=None)
    assert counts.loc["cue-conflict", "max"] == 3 and counts.loc["edges", "max"] == counts.loc["filled-silhouettes", "max"] == 2
    labelled = accuracy[~accuracy["stimulus"].isin(["cue-conflict", "silhouette"])]
    assert (labelled["top1"] == 0.5).all()  # every network decides for the first of the two classes


@pytest.mark.full
def test_the_curve_over_the_radius_has_every_network_but_the_control(run):
    curve = table(run, "robustness")
    assert len(curve) == 2 * 2 and (curve["n_images"] == N).all() and (curve.loc[curve["eps"] == 0, "top1"] == 0.5).all()


@pytest.mark.full
def test_cues_are_decided_among_sixteen_classes(run):
    """Shapes of the first class: two of three; its texture: one."""
    bias = table(run, "shape_bias")
    assert len(bias) == 3 and (bias[["n_images", "n_decided"]] == 3).all(axis=None) and (bias["shape_bias"].round(4) == 0.6667).all()


@pytest.mark.full
def test_modified_images_have_the_ids_of_their_originals(run):
    clean = read_manifest(run / "results/stimuli/clean/manifest.parquet")["image_id"]
    assert list(clean) == [f"ILSVRC2012_val_{number:08d}" for number in range(1, N + 1)]
    for name in ("imagenet-c-fog-5", "imagenet-c-jpeg-compression-5"):
        assert list(read_manifest(run / f"results/stimuli/{name}/manifest.parquet")["image_id"]) == list(clean)


@pytest.mark.full
def test_the_networks_are_those_of_the_files(run):
    for model, architecture in (("alexnet-r", "AlexNet"), ("resnet50-sin", "ResNet")):
        folder = run / "results/models" / model
        loaded = load_model(str(folder / "weights.safetensors"), str(folder / "card.json"), "cpu")
        verified = json.loads((folder / "verified.json").read_text())
        assert verified["n_images"] == N and verified["top1"] == 0.5
        assert type(loaded.network).__name__ == architecture
        assert loaded.card["mean"] == [0.485, 0.456, 0.406]


@pytest.mark.full
def test_neurons_corruptions_and_the_report_are_there(run):
    assert set(table(run, "dissection")["model"]) == set(study("imagenet")["models"]) - LEFT_OUT
    assert set(table(run, "ablation")["model"]) == {"alexnet-s", "alexnet-r"}
    assert (table(run, "corruption_errors")["error"] == 0.5).all() and len(table(run, "corruption_errors")) == 3 * len(CORRUPTIONS)
    mce = table(run, "mce").set_index(["model", "statistic"])["value"]
    assert mce["resnet50-sin", "mean-error"] == 0.5 and pd.isna(mce["resnet50-sin", "mce"])  # of one severity
    claims = pd.read_csv(run / "results/reports/claims.csv")
    of_subset = claims[claims["claim"].isin(["C3", "C5"])]  # of the images that both networks get right: those of the first class
    assert (of_subset["n"] == str(PER_CLASS)).all() and (of_subset[["standard", "robust"]] == 1).all(axis=None) and len(of_subset) == 4
    assert set(claims["claim"]) == {f"C{number}" for number in range(1, 13)}
    assert (run / "results/reports/index.html").stat().st_size > 100_000
    selected = table(run, "both_correct")
    whole = selected[selected["class"] == "all"]
    assert (whole[["n_images", "n_published", "n_common"]] == [PER_CLASS, N - 1, PER_CLASS - 1]).all(axis=None) and len(selected) == 17
    assert set(read_manifest(run / "results/both_correct/alexnet/manifest.parquet").columns) > {"image_id", "label"}


@pytest.mark.full
def test_a_second_run_does_nothing(run):
    assert jobs(run, config=[run / "study.yaml", run / "mine.yaml"]) == {}
