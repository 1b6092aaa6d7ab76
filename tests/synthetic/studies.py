"""Studies whose results are made up: the one that ships, a smaller one, and one that lacks nearly everything."""

from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
N_IMAGES = 8  # of the one image set of a study of a single network


def embedded_study() -> dict:
    """The config that ships, as a dictionary."""
    return yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))


def small_study() -> dict:
    """The config that ships, cut down to one pair and its controls, of two layers: quicker to draw."""
    study = embedded_study()
    study["pairs"] = {"alexnet": study["pairs"]["alexnet"]}
    study["models"] = {name: spec for name, spec in study["models"].items() if name.startswith("alexnet")}
    for spec in study["models"].values():
        spec["layers"] = spec["layers"][:2]
    return study


def single_study() -> dict:
    """A study of one imported network on photographs: no pairs, controls, concepts, conflict images, attacks or noise."""
    return {
        "study": "photographs",
        "seed": 0,
        "sources": {"photographs": {"kind": "image-folder", "n_images": N_IMAGES, "root": "somewhere"}},
        "classes": None,
        "stimuli": {"scrambled-4": {"kind": "scrambled", "grid": 4, "preserves": "texture", "source": "photographs"}},
        "attacks": {},
        "concepts": {},
        "training": {},
        "models": {"lite": {"architecture": "package:factory", "weights": "lite.pth", "layers": ["stem"]}},
        "pairs": {},
        "controls": {},
        "suites": {"all": ["photographs", "scrambled-4"]},
        "activations": {"noise": None, "n_images": 0},
        "ablation": {"stimulus": None, "n_images": 0},
        "claims": {"adversarial": None, "cue_conflict": None, "scrambled": [], "texture_less": [], "distortions": []},
    }


def roles(study: dict) -> dict[str, str]:
    """What a model is: ``standard`` or ``robust`` in a pair, the truth of a control, or ``single``."""
    found = {pair[role]: role for pair in study["pairs"].values() for role in ("standard", "robust")}
    found |= {control["model"]: control["truth"] for control in study["controls"].values()}
    return {model: found.get(model, "single") for model in study["models"]}
