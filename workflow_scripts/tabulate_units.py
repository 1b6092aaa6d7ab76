"""Tables of the hidden units: total variation, dissection, concept shift, complexity, ablation, and of the concepts themselves."""

import logging
from pathlib import Path

from robustlens.models.filters import read_filters
from robustlens.neurons.positions import has_positions, refused
from robustlens.report import unit_pairs
from robustlens.report import units as tables
from robustlens.report.tables import read_parquets, read_scores, write_csv

log = logging.getLogger("robustlens")


def main(
    filters: list[str],
    smoothness: list[str],
    units: list[str],
    complexity: list[str],
    ablation: list[str],
    concepts: list[str],
    weights: list[str],
    cards: list[str],
    written: list[str],
    *,
    pairs: dict,
    categories: list[str],
    iou: float,
    min_positions: dict[str, int],
    resamples: int,
):
    """One Parquet file a model, a concept set, or both in, of ``ablation`` one a shard; one CSV a table out.

    The first concept set labels the layers' tables.

    ``min_positions``: concept set -> positions above its threshold that a unit needs for a concept to be named; other units are listed, and
    in no other table on concepts. ``weights``, ``cards``: of the networks of pairs, in folders of their names; ``written``: one file a
    table, of its name.
    """
    all_units = tables.read_sets(units, tables.UNITS)
    all_units = all_units.assign(enough=has_positions(all_units, min_positions).astype(int))
    named = all_units[all_units["enough"] == 1]
    for row in refused(all_units, min_positions).itertuples():
        words = "%s, %s, %s: no concept is named of %d of %d units, which have at most %d positions above their threshold; %d are needed"
        log.info(words, row.concept_set, row.model, row.layer, row.n_too_few, row.n_units, row.n_above, row.needed)
    smooth, scores = read_parquets(smoothness), read_scores(ablation)
    counts = tables.first_set(tables.same_units(tables.read_sets(complexity), named))
    changes = unit_pairs.noise_changes(smooth, pairs)
    kernels = {Path(path).parent.name: read_filters(path, card, first=True) for path, card in zip(weights, cards, strict=True)}
    found = {
        "total_variation": tables.total_variation(read_parquets(filters), smooth, resamples),
        "dissection": tables.dissection(tables.first_set(named), categories, iou),
        "dissection_units": all_units,
        "concept_shift": tables.concept_shift(named, pairs, iou, resamples),
        "complexity": tables.complexity(counts, resamples),
        "complexity_distribution": tables.complexity_distribution(counts),
        "ablation": tables.ablation(scores, named, iou),
        "ablation_rates": tables.ablation_rates(scores, named, iou, resamples),
        "concepts": tables.read_sets(concepts, ["concept_set"]),
        "category_shares": tables.category_shares(named, categories, iou),
        "detectors": tables.detectors(all_units, iou),
        "category_shift": unit_pairs.category_shift(named, pairs, categories, iou, resamples),
        "noise_blocking": unit_pairs.noise_blocking(changes, resamples),
        "noise_outliers": unit_pairs.noise_outliers(changes),
        "filter_matches": unit_pairs.filter_matches(kernels, pairs),
    }
    for path in map(Path, written):
        write_csv(path, found[path.stem])


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
