"""Which slow modules each script brings: when it is imported, and in its jobs of the miniature. Of 100 jobs each second counts.

The table is what is expected. An import that sneaks in fails with the modules through which it came; one that goes is taken out here.
"""

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "workflow_scripts"
RECORDER = ROOT / "tests/recorder"

TABLES, FILES = "pandas pyarrow", "pandas pyarrow PIL"
MAPS, NETWORK = f"{FILES} h5py", f"{FILES} torch"
COMPILED = "numba"
TRACED = "torch._dynamo"  # make_fx, by which a network is cut behind a layer
TABLE: dict[str, tuple[str, str | None]] = {  # script (of which image): importing it brings, its jobs in the miniature bring beside that
    "ablate_concepts": (NETWORK, None),
    "ablate_units": (NETWORK, TRACED),
    "add_maps": (MAPS, None),
    "add_tallies": (MAPS, None),
    "attack_and_sweep": (NETWORK, ""),
    "attack_images": (NETWORK, ""),
    "compare_maps": (f"{NETWORK} h5py", None),
    "compare_runs": (f"{TABLES} jinja2 scipy.stats scipy.ndimage", None),
    "count_concepts": (FILES, ""),
    "count_values": (f"{NETWORK} h5py", None),
    "dissect": (MAPS, COMPILED),
    "draw_figures": (f"{MAPS} matplotlib jinja2", ""),
    "dump_activations": (f"{NETWORK} h5py", f"{COMPILED} cv2"),
    "fetch_download": ("", None),
    "fetch_package": ("", None),
    "find_thresholds": (MAPS, None),
    "gather_predictions": (FILES, ""),
    "import_model": (NETWORK, None),
    "index_concepts": (FILES, ""),
    "index_images": (FILES, None),
    "judge_claims": (TABLES, "scipy.stats scipy.ndimage"),
    "link_activations": (MAPS, None),
    "list_images": (FILES, None),
    "list_layers": (NETWORK, None),
    "make_stimulus": (FILES, None),
    "make_stimulus black-and-white": (FILES, "scipy.ndimage skimage"),
    "make_stimulus contrast": (FILES, "torch"),  # corruptions are arithmetic of torch, on any device
    "make_stimulus fog": (FILES, "torch"),
    "make_stimulus gaussian-blur": (FILES, "scipy.ndimage"),
    "make_stimulus gaussian-noise": (FILES, ""),
    "make_stimulus impulse-noise": (FILES, "torch"),
    "make_stimulus pixelate": (FILES, "torch"),
    "make_stimulus scrambled": (FILES, ""),
    "make_stimulus silhouette": (FILES, ""),
    "make_stimulus stylized": (FILES, ""),
    "measure_filters": (FILES, ""),
    "measure_maps": (MAPS, COMPILED),
    "pack_concepts": (MAPS, ""),
    "plan": ("", None),
    "predict": (NETWORK, ""),
    "render_concepts": (f"{FILES} scipy.ndimage", ""),
    "render_images": (FILES, None),
    "render_source": (FILES, ""),
    "show_headline": (TABLES, None),
    "sift_images": (FILES, None),
    "tabulate_behaviour": (FILES, "scipy.stats scipy.ndimage"),
    "tabulate_concept_ablation": (TABLES, None),
    "tabulate_classes": (FILES, None),
    "tabulate_exclusions": (FILES, None),
    "tabulate_units": (TABLES, ""),
    "tally_concepts": (f"{NETWORK} h5py", None),
    "train_model": (NETWORK, ""),
    "train_part": (NETWORK, None),
    "verify_model": (NETWORK, None),
    "write_page": (f"{TABLES} jinja2", ""),
}
STARTS = {name: start for name, (start, _) in TABLE.items() if " " not in name}
RUNS = {name: f"{start} {more}" for name, (start, more) in TABLE.items() if more is not None}


def differences(found: dict[str, dict[str, list[str]]], expected: dict[str, str]) -> str:
    """A line for each module that a script brings and should not, or does not bring and should."""
    lines = []
    for name in sorted(found.keys() | expected.keys()):
        wanted, brought = set(expected.get(name, "").split()), found.get(name, {})
        for module in sorted(brought.keys() - wanted):
            lines.append(f"{name}: {' > '.join(part for part in brought[module] if part not in ('__main__', name))}")
        lines += [f"{name}: not {module}" for module in sorted(wanted - brought.keys())]
    return "\n".join(lines)


def starts(scripts: Path, groups: list) -> dict[str, dict[str, list[str]]]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (RECORDER, scripts)))}
    words = [sys.executable, RECORDER / "starts.py", *map(json.dumps, groups)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return json.loads(done.stdout)


def test_the_table_has_every_script():
    assert sorted(STARTS) == sorted(path.stem for path in SCRIPTS.glob("*.py"))


def test_what_importing_a_script_brings():
    with_torch = [name for name, modules in STARTS.items() if "torch" in modules.split()]
    others = [name for name in STARTS if name not in with_torch]
    if wrong := differences(starts(SCRIPTS, [(["pandas"], others), (["torch"], with_torch)]), STARTS):
        pytest.fail(wrong)


@pytest.mark.study
def test_what_the_jobs_of_the_miniature_bring(miniature):
    found: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for path in (miniature / "imports").iterdir():
        job = json.loads(path.read_text())
        found[f"{job['script']} {job['kind']}".strip()] |= job["chains"]
    if wrong := differences(found, RUNS):
        pytest.fail(wrong)


def test_an_import_that_sneaks_in_is_named_with_its_chain(tmp_path):
    """Whether it is loaded already or not, by a statement or by its name."""
    (tmp_path / "first.py").write_text("import helper\n")
    (tmp_path / "second.py").write_text("import importlib\n\nimportlib.import_module('helper')\nimportlib.import_module('jinja2.ext')\n")
    (tmp_path / "helper.py").write_text("from pandas import DataFrame\n")
    found = starts(tmp_path, [(["pandas"], ["first", "second"])])
    assert differences(found, {"first": "pandas PIL", "second": TABLES}).splitlines() == [
        "first: helper > pandas > pandas.compat > pandas.compat.pyarrow > pyarrow",
        "first: not PIL",
        "second: jinja2",
    ]
