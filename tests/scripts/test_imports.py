"""Scripts that only draw pictures, gather, tabulate or draw figures start without torch, whose import takes seconds.

All are imported in one process, after one another, each as if it were the first: the library and whatever of torch a former one
brought in are forgotten in between. (One process a script would take 20 s.)
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "workflow_scripts"
NEED_TORCH = {
    "train_model",
    "train_part",
    "import_model",
    "verify_model",
    "list_layers",
    "attack_images",
    "attack_and_sweep",
    "predict",
    "dump_activations",
    "ablate_units",
    "ablate_concepts",
    "count_values",
    "tally_concepts",
    "compare_maps",
}
NAMES = sorted(path.stem for path in SCRIPTS.glob("*.py"))
PROGRAM = """
import importlib, json, sys
found = {}
for name in sys.argv[1:]:
    importlib.import_module(name)
    found[name] = "torch" in sys.modules
    for module in [m for m in sys.modules if m.split(".")[0] in ("robustlens", "safetensors", "torch", "torchvision", *sys.argv[1:])]:
        del sys.modules[module]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def brings_torch():
    """Whether importing a script imports torch; those that need it come last, since torch comes but once."""
    order = sorted(NAMES, key=lambda name: name in NEED_TORCH)[: len(NAMES) - len(NEED_TORCH) + 1]
    done = subprocess.run([sys.executable, "-c", PROGRAM, *order], cwd=SCRIPTS, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", sorted(set(NAMES) - NEED_TORCH))
def test_starts_without_torch(brings_torch, name):
    assert not brings_torch[name]


def test_a_script_that_needs_torch_is_noticed(brings_torch):
    assert [name for name, found in brings_torch.items() if found] == ["ablate_concepts"]
