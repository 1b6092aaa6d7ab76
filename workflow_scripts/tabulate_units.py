"""Tables of the hidden units: total variation, dissection, concept shift, complexity, ablation, and of the concepts themselves."""

from pathlib import Path

from robustlens.models.filters import read_filters
from robustlens.report import unit_pairs
from robustlens.report import units as tables
from robustlens.report.tables import read_parquets, read_scores, write_csv


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
    resamples: int,
):
    """One Parquet file a model, a concept set, or both in, of ``ablation`` one a shard; one CSV a table out.

    The first concept set labels the layers' tables.

    ``weights``, ``cards``: of the networks of pairs, in folders of their names; ``written``: one file a table, of its name.
    """
    all_units = tables.read_sets(units, tables.UNITS)
    smooth, scores = read_parquets(smoothness), read_scores(ablation)
    counts = tables.first_set(tables.read_sets(complexity))
    changes = unit_pairs.noise_changes(smooth, pairs)
    kernels = {Path(path).parent.name: read_filters(path, card, first=True) for path, card in zip(weights, cards, strict=True)}
    found = {
        "total_variation": tables.total_variation(read_parquets(filters), smooth, resamples),
        "dissection": tables.dissection(tables.first_set(all_units), categories, iou),
        "dissection_units": all_units,
        "concept_shift": tables.concept_shift(all_units, pairs, iou, resamples),
        "complexity": tables.complexity(counts, resamples),
        "complexity_distribution": tables.complexity_distribution(counts),
        "ablation": tables.ablation(scores, all_units, iou),
        "ablation_rates": tables.ablation_rates(scores, all_units, iou, resamples),
        "concepts": tables.read_sets(concepts, ["concept_set"]),
        "category_shares": tables.category_shares(all_units, categories, iou),
        "detectors": tables.detectors(all_units, iou),
        "category_shift": unit_pairs.category_shift(all_units, pairs, categories, iou, resamples),
        "noise_blocking": unit_pairs.noise_blocking(changes, resamples),
        "noise_outliers": unit_pairs.noise_outliers(changes),
        "filter_matches": unit_pairs.filter_matches(kernels, pairs),
    }
    for path in map(Path, written):
        write_csv(path, found[path.stem])


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
