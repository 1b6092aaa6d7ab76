"""Python imports this first where PYTHONPATH names its folder: which slow modules a job imports, and through which modules they came.

At its end a job of Snakemake leaves ``<script>-<process>.json`` in the folder that ROBUSTLENS_IMPORTS names.
"""

import atexit
import json
import os
import sys
from pathlib import Path

SLOW = ("torch", "torchvision", "torch._dynamo", "scipy.stats", "scipy.ndimage", "skimage", "sklearn", "matplotlib", "cv2", "numba", "timm")
SLOW += ("pandas", "pyarrow", "jinja2", "PIL", "h5py")
chains: dict[str, list[str]] = {}  # slow module -> names of modules, each of which imports the next one; itself at the end


def note(name: str) -> None:
    """Keep how a slow module comes to be imported just now, if it is the first time."""
    if name not in SLOW or name in chains:
        return
    frame, chain = sys._getframe(1), [name]
    while frame:
        importer = frame.f_globals.get("__name__") or ""
        if importer not in (chain[0], __name__) and not importer.startswith("importlib"):
            chain.insert(0, importer)
        frame = frame.f_back
    chains[name] = chain


class Recorder:
    """A finder that finds nothing and sees what is looked for."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        note(name)


def found() -> dict[str, list[str]]:
    """The chains of what was not looked for in vain."""
    return {name: chain for name, chain in chains.items() if name in sys.modules}


def write_down() -> None:
    if job := getattr(sys.modules["__main__"], "snakemake", None):
        script = Path(sys.argv[0]).stem.partition(".")[2]  # Snakemake's copy, of which the name begins otherwise
        stimulus = job.params.get("stimulus", {}) if script == "make_stimulus" else {}
        done = {"script": script, "kind": stimulus.get("corruption", stimulus.get("kind", "")), "chains": found()}
        Path(os.environ["ROBUSTLENS_IMPORTS"], f"{script}-{os.getpid()}.json").write_text(json.dumps(done))


sys.meta_path.insert(0, Recorder)
if "ROBUSTLENS_IMPORTS" in os.environ:
    atexit.register(write_down)
