"""The explorer of single units: a page with its data beside it, a file a layer, that needs nothing else."""

import json
import logging
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from robustlens.files import replacing, write_text
from robustlens.neurons.positions import min_positions
from robustlens.neurons.top_maps import open_top_maps
from robustlens.report.explorer_data import BEST, Files, Tables, add_masks, choose_images, layer_data, read_model
from robustlens.report.explorer_pictures import PER_ROW, write_sheets
from robustlens.report.results import Results

log = logging.getLogger("robustlens")
TEMPLATES = {"units.html": "explorer.html.j2", "explorer.js": "explorer.js.j2"}


def write_explorer(folder: Path, results: Results, files: Files, shards: list[str]) -> dict:
    """Write the page and its data into ``folder``; returns the index that the page carries.

    ``units.html`` with ``explorer.js``; ``sheets/<n>.webp``: the images, each once; ``layers/<n>.js``: the units of a layer of a model;
    ``concepts.js``: the units of every concept, for the search. ``shards``: of the images of top_images.parquet. One layer is held in
    memory at a time.
    """
    shown, wanted = choose_images(files.top_images)
    with replacing(folder) as temporary:
        temporary.mkdir()
        pictures, tile = write_sheets(temporary / "sheets", shards, wanted)
        concepts: dict[tuple, int] = {}
        found: dict[int, list] = {}
        index: dict = {"models": [], "tile": tile, "per_row": PER_ROW, "cut": results.complexity_threshold(), "best": BEST, "shown": shown}
        index["least"] = min_positions(results.study)
        number = 0
        for model in results.study.get("models") or {}:
            layers = []
            for layer, data in layers_of(model, results, files, concepts, pictures, shown):
                write_script(temporary / "layers" / f"{number}.js", "layer", number, data)
                gather(found, number, data)
                layers.append({"name": layer, "number": number, "n_units": len(data["units"])})
                number += 1
            index["models"] += [{"name": model, **role_of(results, model), "layers": layers}] if layers else []
        index["concepts"] = [[name, category, concept_set] for concept_set, _, name, category in concepts]
        write_script(temporary / "concepts.js", "found", [flat(found.get(place, [])) for place in range(len(concepts))])
        write_pages(temporary, results, index)
    log.info("explorer: %s layers, %s images, %s concepts", number, len(pictures), len(concepts))
    return index


def layers_of(
    model: str, results: Results, files: Files, concepts: dict[tuple, int], pictures: dict[str, int], shown: int
) -> Iterator[tuple[str, dict]]:
    """Each layer of a model with its data, with the cells where units are on if it has images."""
    tables: Tables = read_model(files, model, results.complexity_threshold(), shown, min_positions(results.study))
    path = files.of_model("top_maps", model)
    with ExitStack() as stack:
        maps = stack.enter_context(open_top_maps(path)) if path else {}
        for layer in tables.layers():
            data = layer_data(tables, layer, concepts, pictures)
            if layer in maps:
                add_masks(data, tables, layer, maps[layer])
            yield layer, data


def gather(found: dict[int, list], layer: int, data: dict) -> None:
    """Add to ``found`` (place of a concept -> (layer, unit, IoU)) the best concepts of a layer's units."""
    for concept_set in data["sets"].values():
        for unit, best in zip(data["units"], concept_set["best"], strict=True):
            for place, iou in zip(best[::2], best[1::2], strict=True):
                found.setdefault(place, []).append((layer, unit, iou))


def flat(rows: list[tuple[int, int, float]]) -> list:
    """(layer, unit, IoU) of all rows one after the other, largest IoU first."""
    return [value for row in sorted(rows, key=lambda row: (-row[2], row[0], row[1])) for value in row]


def role_of(results: Results, model: str) -> dict:
    """What a model is to the page: its role, the other network of its pair and what it is called."""
    for panel in results.panels():
        roles = {name: role for role, name in panel.members.items()}
        if model in roles:
            partner = next((name for name in roles if name != model), None)
            return {"role": roles[model], "pair": panel.label, "partner": partner}
    return {"role": "control", "pair": model, "partner": None}


# ------------------------------------------------------------------------------------------------------------------- writing
def write_script(path: Path, name: str, *arguments: object) -> None:
    """A script that hands the arguments to the page: a page that lies on a disk may load scripts, but no data."""
    text = ",".join(json.dumps(argument, ensure_ascii=False, separators=(",", ":"), allow_nan=False) for argument in arguments)
    write_text(path, f"explorer.{name}({text});\n")


def write_pages(folder: Path, results: Results, index: dict) -> None:
    """Write ``units.html``, which carries ``index``, and its script."""
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    quantile = (results.study.get("dissection") or {}).get("quantile") if index["concepts"] else None
    n_sets = {concept_set for _, _, concept_set in index["concepts"]}
    for name, template in TEMPLATES.items():
        text = environment.get_template(template).render(study=results.study, index=index, quantile=quantile, n_sets=len(n_sets))
        write_text(folder / name, text)
