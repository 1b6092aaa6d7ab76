"""Draw every figure of the report that the study has data for, and the explorer of single units."""

import logging
from pathlib import Path

from robustlens.report.explorer import write_explorer
from robustlens.report.explorer_data import Files
from robustlens.report.figures_top_images import TopPictures
from robustlens.report.gallery import Inputs, draw_gallery, open_pictures
from robustlens.report.results import Results, read_tables
from robustlens.report.tables import read_parquets

log = logging.getLogger("robustlens")


def main(
    tables: list[str],
    smoothness: list[str],
    weights: list[str],
    top_images: list[str],
    shards: list[str],
    dumped: list[str],
    units: list[str],
    complexity: list[str],
    iou: list[str],
    ablation: list[str],
    top_maps: list[str],
    figures: str,
    explorer: str,
    *,
    study: dict,
) -> None:
    """Write ``<name>.svg``, ``<name>.pdf`` and ``index.json`` (what was drawn, captions, what was left out and why) into ``figures``.

    ``tables``: CSV files of results/reports/tables; ``smoothness``, ``weights``, ``top_images``: one a model; ``shards``: the first
    shard of each stimulus and attack; ``dumped``: the shards of the images of ``top_images``; ``top_maps``: the maps on them; ``units``:
    with the thresholds. For the folder ``explorer`` also the other tables on units. Lists may be empty.
    """
    results = Results(study, read_tables(tables))
    inputs = Inputs(
        results,
        open_pictures(shards, weights),
        read_parquets(smoothness, ["model", "layer", "unit", "n_images", "tv_clean", "tv_noisy"]),
        read_parquets(top_images, ["model", "layer", "unit", "rank", "image_id"]),
        TopPictures(dumped, units, top_maps),
    )
    index = draw_gallery(inputs, Path(figures))
    for figure in index["figures"]:
        log.info("drew %s", figure["name"])
    for figure in index["left_out"]:
        log.info("left out %s: %s", figure["name"], figure["why"])
    write_explorer(Path(explorer), results, Files(smoothness, top_images, units, complexity, iou, ablation, top_maps), dumped)


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
