"""A study of user-supplied networks, built by a module of the user's: they are verified before anything is computed with them, and once."""

import json
import shutil
from pathlib import Path

import pytest

from runs import jobs, snakemake, write_study

TABLES = {"tabulate_behaviour", "draw_figures", "write_page", "all"}
FACTORY = "from robustlens.models.miniature import alexnet\n\n\ndef net(**arguments):\n    return alexnet(**arguments)\n"


def config(folder: Path, **changes) -> Path:
    """Two networks of the tiny study, brought by their files; one image set of each kind."""
    spec = {"architecture": "mine:net", "python_path": "code", "arguments": {"classes": 8, "width": 16}}
    spec |= {"mean": [0.5] * 3, "std": [0.25] * 3, "layers": ["conv1"], "top1": 0.15}
    study = {
        "sources": {
            "clean": {"kind": "embedded", "n_images": 40},
            "cue-conflict": {"kind": "embedded", "cues": "conflict", "n_images": 56},
        },
        "stimuli": {
            "silhouette": {"kind": "silhouette", "preserves": "shape"},
            "noise": {"kind": "gaussian-noise", "sigma": 0.08, "preserves": "both"},
        },
        "models": {f"alexnet-{role}": {**spec, "weights": f"{role}.safetensors"} for role in "sr"},
        "training": {},
        "controls": {},
        "suites": {"all": ["clean", "silhouette", "noise", "cue-conflict", "pgd-2"]},
        "activations": {"noise": "noise", "n_images": 20},
        "claims": {"adversarial": "pgd-2", "cue_conflict": "cue-conflict", "texture_less": ["silhouette"], "distortions": ["noise"]},
    }
    return write_study(folder / "study.yaml", **study | {"images_per_shard": 56} | changes)


@pytest.fixture(scope="module")
def finished(tiny_study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("verified")
    (folder / "code").mkdir()
    (folder / "code/mine.py").write_text(FACTORY)
    for role in "sr":
        shutil.copy(tiny_study / f"results/models/alexnet-{role}/weights.safetensors", folder / f"{role}.safetensors")
    snakemake(folder, config=config(folder))
    return folder


@pytest.fixture
def study(finished, tmp_path):
    """A copy that can be spoiled, of which every time stands."""
    folder = tmp_path / "study"
    shutil.copytree(finished, folder, symlinks=True)
    return folder


def found(folder: Path, **changes) -> dict:
    return jobs(folder, config=config(folder, **changes))


def test_networks_are_verified_before_anything_is_computed(finished):
    verified = json.loads((finished / "results/models/alexnet-s/verified.json").read_text())
    assert verified["n_images"] == 40 and verified["top1"] == 0.15 and verified["n_classes"] == 8
    first = min(path.stat().st_mtime_ns for path in (finished / "results").rglob("*") if "alexnet-s" in path.parts and path.suffix == ".h5")
    assert (finished / "results/models/alexnet-s/verified.json").stat().st_mtime_ns < first


def test_another_known_accuracy_is_checked_and_repeats_nothing(study):
    """The file of 40 images fits 0.2 as well, and cannot fit 0.9."""
    models = {"models__alexnet-s__top1": 0.2}
    assert set(found(study, **models)) == TABLES
    done = snakemake(study, config=config(study, **{"models__alexnet-s__top1": 0.9}), check=False)
    assert done.returncode and "models.alexnet-s.top1: expected 0.9000 on clean" in done.stderr
    snakemake(study, config=config(study, **models))
    assert found(study, **models) == {}


def test_an_edited_factory_is_noticed(study):
    """Also what it imports."""
    factory = study / "code/mine.py"
    factory.write_text("# a comment\n" + FACTORY)
    (study / "code/notes.txt").write_text("beside it")  # which gives the folder another time
    assert found(study) == {}
    factory.write_text(
        FACTORY.replace("return alexnet", "return hand_over").replace("import alexnet\n", "import alexnet\nfrom other import hand_over\n")
    )
    (study / "code/other.py").write_text("from robustlens.models.miniature import alexnet as hand_over\n")
    planned = found(study)
    assert planned["import_model"] == planned["verify_model"] == 2 and {"predict", "attack_and_sweep", "dump_activations"} <= set(planned)


def test_what_is_missing_is_made_whatever_else_is_to_be_done(study):
    """Every pair of one thing missing and another to be redone: what a dry run plans for both is no less than for each by itself."""
    missing = [
        "models/alexnet-s/verified.json",
        "reports/tables/accuracy.csv",
        "reports/tables/dissection.csv",
        "reports/index.html",
    ]
    changes = [{"models__alexnet-s__top1": 0.2}, {"stimuli__noise__sigma": 0.1}, {"verification": {"n_images": 20}}]
    alone = [set(found(study, **change)) for change in changes]
    assert alone[0] == TABLES and {"make_stimulus", "predict"} <= alone[1] and alone[2] <= TABLES
    needed = {}
    for path in missing:
        (study / "results" / path).rename(study / "aside")
        needed[path] = set(found(study))
        for change, others in zip(changes, alone, strict=True):
            assert set(found(study, **change)) >= needed[path] | others, (path, change)
        (study / "aside").rename(study / "results" / path)
    assert "tabulate_units" in needed["reports/tables/dissection.csv"]
