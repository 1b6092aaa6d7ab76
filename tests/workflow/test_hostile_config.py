"""Paths, titles and names that a shell, Snakemake, HTML or LaTeX would act on: a study of them runs, and nothing else does."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from runs import REPOSITORY, snakemake

HOSTILE = "a b;$(touch TRAP)`touch TRAP`'\"&|*?~%n\\ü"  # a legal name of a file or folder
MARKUP = "<script>touch('TRAP')</script> & $x^ \\input{TRAP} %s {model} \"'"
NETWORK = """
from torch import nn


def make(classes):
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes))
"""


@pytest.fixture
def study(tmp_path, monkeypatch) -> Path:
    """The config file of a study of two brought networks; it, and all that it names, lies in a hostile folder."""
    home = tmp_path / HOSTILE
    (home / HOSTILE / "hostilenet").mkdir(parents=True)
    (home / HOSTILE / "hostilenet/__init__.py").write_text(NETWORK)
    space: dict = {}
    exec(NETWORK, space)
    models = {}
    for seed, name in enumerate("sr"):
        torch.manual_seed(seed)
        torch.save(space["make"](2).state_dict(), home / f"{HOSTILE}{name}.pth")
        models[name] = {
            "architecture": "hostilenet:make",
            "arguments": {"classes": 2},
            "python_path": str(home / HOSTILE),
            "weights": str(home / f"{HOSTILE}{name}.pth"),
            "layers": ["0"],
            "mean": [0.0, 0.0, 0.0],
            "std": [1.0, 1.0, 1.0],
            "label": MARKUP,
        }
    for number, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)):
        path = home / f"pictures {HOSTILE}/{number % 2}{HOSTILE}/{number}{HOSTILE}{{x}}<b>\n.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    np.save(home / f"{HOSTILE}.npy", [f"{number}{HOSTILE}{{x}}<b>\n.png" for number in range(6)])
    config = {
        "study": f"{MARKUP}\nsecond line",
        "sources": {"clean": {"kind": "image-folder", "root": str(path.parents[1]), "n_images": 6, "geometry": {"crop": 32}}},
        "classes": [f"0{HOSTILE}", f"1{HOSTILE}"],
        "paths": {"idle": {"path": HOSTILE, "get": MARKUP}},
        "models": models,
        "pairs": {"net": {"standard": "s", "robust": "r", "published": str(home / f"{HOSTILE}.npy")}},
        "suites": {"all": ["clean"]},
        "statistics": {"resamples": 100},
        "compare": {"runs": {MARKUP: [str(home), "results"]}},
    }
    file = home / f"st{{udy}}{HOSTILE}.yaml"
    file.write_text(yaml.safe_dump(config, allow_unicode=True))
    return file


@pytest.fixture
def clone(tmp_path) -> Path:
    """The workflow, in a folder whose name a shell would act on."""
    folder = tmp_path / f"clone {HOSTILE}"
    for name in ("Snakefile", "rules", "workflow_scripts", "schemas", "envs", "profiles", "resources", "slurm"):
        copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copy
        folder.mkdir(exist_ok=True)
        copy(REPOSITORY / name, folder / name)
    return folder


def check_no_trap(*folders: Path) -> None:
    assert not [path for folder in folders for path in folder.rglob("TRAP*")]
    assert not list(REPOSITORY.glob("TRAP*"))


def test_a_study_of_hostile_names_runs_and_nothing_else_does(study, clone, tmp_path):
    snakemake(study.parent, repository=clone, config=study)
    page = (study.parent / "results/reports/index.html").read_text()
    assert "<script" not in page and "&lt;script&gt;" in page
    command = re.search(r"<dt>command</dt><dd><code>(.*)</code>", page)[1]
    assert command.startswith("snakemake --configfile &#39;st{udy}a b;")
    latex = (study.parent / "results/reports/latex/both_correct.tex").read_text()
    assert "net & all & " in latex
    assert "in all" in snakemake(study.parent, "plan", repository=clone, config=study).stdout
    check_no_trap(tmp_path)


def test_what_follows_a_failure_is_called_by_its_name(study, clone, tmp_path):
    """``slurm/cancel``, with the path of Snakemake's log."""
    (clone / "slurm/cancel").write_text('#!/bin/sh\ntouch "$1.read"\n')
    config = yaml.safe_load(study.read_text())
    config["sources"]["clean"]["n_images"] = 7
    study.write_text(yaml.safe_dump(config, allow_unicode=True))
    done = snakemake(study.parent, "stimuli", repository=clone, config=study, check=False)
    assert done.returncode == 1 and "expected 7" in done.stderr
    assert len(list((study.parent / ".snakemake/log").glob("*.log.read"))) == 1
    check_no_trap(tmp_path)
