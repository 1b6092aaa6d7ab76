"""How large the images of each set are, as far as the config and the files that are there tell before anything is listed."""

import csv
from pathlib import Path


def size_of(source: dict, what: str = "image") -> tuple[int, int] | str:
    """Height and width in px of the images of a source or concept set, or of its label maps (``what``: ``label map``); or why that is not
    known. ``source``: its entry in the config."""
    if source["kind"] == "embedded":
        from robustlens.stimuli.embedded import SIDE

        return SIDE, SIDE
    if "geometry" in source:
        return source["geometry"]["crop"], source["geometry"]["crop"]
    index = Path(source["root"], "index.csv")
    columns = ("sh", "sw") if what == "label map" else ("ih", "iw")
    try:
        with index.open(encoding="utf-8", newline="") as file:
            first = next(csv.DictReader(file))
        return int(first[columns[0]]), int(first[columns[1]])
    except (OSError, StopIteration, KeyError, TypeError, ValueError):
        return f"{index} cannot be read"


def seen_sizes(config: dict, model: str) -> dict[str, tuple[int, int]]:
    """Height and width in px of the images that a network of the study sees, by source and concept set, where they are known: those that it
    is trained on first, then clean."""
    sources, made = config["sources"], {**config["stimuli"], **config["attacks"]}
    trained = config["models"][model].get("train", {})
    validate = config["training"].get(trained.get("recipe"), {}).get("validate") or {}
    names = [trained.get("source"), validate.get("source"), "clean"]
    names += [name for members in config["suites"].values() for name in members]
    names += [config["activations"]["noise"], config["ablation"]["stimulus"], *config["ablation"].get("concepts", {}).get("stimuli", [])]
    seen = dict.fromkeys(made[name]["source"] if name in made else name for name in names if name)
    sets = {name: sources[name] for name in seen if name in sources} | config["concepts"]
    found = {name: size_of(spec) for name, spec in sets.items()}
    return {name: size for name, size in found.items() if not isinstance(size, str)}
