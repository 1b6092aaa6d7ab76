"""docs/extend.md is followed, step by step, in a copy of the repository: its code is written where it says, and used."""

import os
import re
import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import pytest

from robustlens.images import read_shard
from runs import REPOSITORY, TINY, jobs, snakemake

PAGE = (REPOSITORY / "docs/extend.md").read_text(encoding="utf-8")
ON_PAPER = """
import numpy as np
from robustlens.neurons.sparsity import Sparsity

maps = np.array([[[[0, 1], [2, 3]], [[0, 0], [0, -1]]], [[[1, 1], [0, 1]], [[5, 0], [0, 0]]]], np.float16)  # 2 images, 2 units
whole, first, second = Sparsity(2), Sparsity(2), Sparsity(2)
whole.add(maps), first.add(maps[:1]), second.add(maps[1:])
first.merge(second)
assert whole.result()["sparsity"].tolist() == first.result()["sparsity"].tolist() == [2 / 8, 7 / 8]

import pandas as pd
from measure_sparsity import main
from robustlens.store import ActivationWriter, link_shards

attributes = {"model": "net", "image_set": "clean", "weights_sha256": "abc", "preprocessing": "[0,1]"}
with ActivationWriter("shard.h5", ["a", "b"], {"conv": (2, 2, 2)}, attributes, "none") as writer:
    writer.write("conv", 0, maps)
link_shards(["shard.h5"], "view.h5", ["a", "b"])
main("view.h5", "sparsity.parquet", model="net")
assert pd.read_parquet("sparsity.parquet")["sparsity"].tolist() == [2 / 8, 7 / 8]
"""
LOGITS = """
import torch
from robustlens.models.two_layers import TwoLayers

assert TwoLayers(classes=8)(torch.zeros(2, 3, 48, 48)).shape == (2, 8)
"""


def steps(title: str) -> list[tuple[str, dict[str, str]]]:
    """Of each numbered step of a section: its text, and its blocks of code by language."""
    section = PAGE.split(f"## {title}\n")[1].split("\n## ")[0]
    found = []
    for step in re.findall(r"^\d\. (.*?)(?=^\d\. |^\S|\Z)", section, re.M | re.S):
        blocks = {language: textwrap.dedent(body) for language, body in re.findall(r"^   ```(\w+)\n(.*?)^   ```$", step, re.M | re.S)}
        found.append((step, blocks))
    return found


def config(folder, title):
    """The page's own config, after the tiny study."""
    (text,) = [blocks["yaml"] for _, blocks in steps(title) if "yaml" in blocks]
    (folder / "mine.yaml").write_text(text)
    return [TINY, folder / "mine.yaml"]


def code_of(step) -> tuple[str, str]:
    """The file that a step names first, and its code."""
    text, blocks = step
    return re.match(r"`([\w/.]+)`", text)[1], blocks["python"]


def write(clone, step):
    """Put a step's code into its file: at the end of one that is there."""
    file, code = code_of(step)
    with (clone / file).open("a") as target:
        target.write(f"\n\n{code}" if target.tell() else code)


def insert(clone, step, table):
    """Put a step's line into the table of its file that begins with ``table``."""
    file, code = code_of(step)
    text, n = re.subn(rf"^{re.escape(table)}.*$", lambda line: f"{line[0]}\n    {code.strip()}", (clone / file).read_text(), flags=re.M)
    assert n == 1
    (clone / file).write_text(text)


def run_python(clone, text, cwd=None):
    env = {**os.environ, "PYTHONPATH": str(clone / "workflow_scripts")}
    done = subprocess.run([sys.executable, "-c", text], env=env, cwd=cwd or clone, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("title", ["A stimulus", "A model", "A statistic of units", "A concept set"])
def test_each_has_five_steps(title):
    assert len(steps(title)) == 5


def test_a_stimulus(clone, tmp_path):
    module, parameters, schema, _, _ = steps("A stimulus")
    write(clone, module)
    insert(clone, parameters, "PARAMETERS = {")
    assert schema[0].startswith("`schemas/config.schema.yaml`")
    text = (clone / "schemas/config.schema.yaml").read_text()
    (clone / "schemas/config.schema.yaml").write_text(text.replace("enum: [gaussian-blur, ", "enum: [sharpen, gaussian-blur, "))
    use = {"repository": clone, "config": config(tmp_path, "A stimulus")}
    snakemake(tmp_path, "results/stimuli/sharpen-2/shard-0000.parquet", **use)
    before = read_shard(tmp_path / "results/stimuli/clean/shard-0000.parquet").pixels().astype(int)
    after = read_shard(tmp_path / "results/stimuli/sharpen-2/shard-0000.parquet").pixels().astype(int)
    assert np.abs(np.diff(after, axis=2)).mean() > 1.2 * np.abs(np.diff(before, axis=2)).mean()
    planned = jobs(tmp_path, **use)
    assert planned["predict"] == 3 * (2 + 2)  # of three networks and shards, now in two suites


def test_a_model(clone, tmp_path):
    write(clone, steps("A model")[0])
    planned = jobs(tmp_path, repository=clone, config=config(tmp_path, "A model"))
    assert planned["train_model"] == 3 + 2 and planned["ablate_units"] == 2 * jobs(tmp_path)["ablate_units"]
    run_python(clone, LOGITS)


def test_a_statistic(clone, tmp_path):
    module, script, rule, files, _ = steps("A statistic of units")
    write(clone, module)
    write(clone, script)
    write(clone, rule)
    insert(clone, files, "NEURONS = {")
    assert jobs(tmp_path, "neurons", repository=clone)["measure_sparsity"] == 2  # of S and R, not of the control
    run_python(clone, ON_PAPER, cwd=tmp_path)


def test_a_concept_set(clone, tmp_path):
    run_python(clone, steps("A concept set")[1][1]["python"], cwd=tmp_path)
    (target,) = re.findall(r"results/concepts/\S+", steps("A concept set")[4][0])
    snakemake(tmp_path, target, repository=clone, config=config(tmp_path, "A concept set"))
    assert set(pd.read_parquet(tmp_path / target)["name"]) == {"block", "red", "grey"}
