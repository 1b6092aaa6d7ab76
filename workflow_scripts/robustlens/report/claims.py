"""The claims C1 to C12 of the study (arXiv 2006.09373) put to this run: S, R, difference with interval, n, verdict.

A claim has one row an architecture and statistic. Differences of shares of images are bootstrapped over images, both networks on
the same resample; statistics of units or filters over the units of each network, apart. Definitions: docs/methods.md.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from robustlens.report import claims_units
from robustlens.report.behaviour import both_correct, conflicting
from robustlens.report.evidence import Evidence, Row, compared, of_pair
from robustlens.report.significance import ALPHA, holm, mcnemar, paired_t
from robustlens.statistics import interval, ratio, resampled, weighted_mean

COLUMNS = ["claim", "architecture", "statistic", "standard", "robust", "difference", "low", "high", "n", "verdict"]
CLAIM_TESTS = ["claim", "architecture", "statistic", "n", "verdict", "test", "p", "p_holm", "effect", "survives"]
NAMED = 5  # distortions that a statistic's name lists; of more it gives the number
NONE_CORRECT = "there is no image of which both networks label the original correctly"
CLAIMS = tuple(f"C{number}" for number in range(1, 13))


def judge(evidence: Evidence) -> pd.DataFrame:
    """The rows of ``claims.csv`` and ``claim_tests.csv`` in one: ``COLUMNS``, then what ``CLAIM_TESTS`` has besides.

    A claim of which nothing was measured has one row that says so, and no test; where the study has what the claim needs, its
    ``statistic`` says why, else it is empty. ``p_holm``: corrected for all rows that have a test;
    ``survives``: ``true`` or ``false`` where the verdict is supported or contradicted, else empty.
    """
    found: list[tuple[str, str, Row | None]] = []
    reasons: dict[str, str] = {}
    for claim in CLAIMS:
        said = [(name, row) for name, pair in evidence.study["pairs"].items() for row in MEASURES[claim](evidence, name, pair)]
        reasons[claim] = next((row for _, row in said if isinstance(row, str)), "")
        found += [(claim, name, row) for name, row in said if isinstance(row, Row)] or [(claim, "", None)]
    corrected = holm(np.array([np.nan if row is None else row.test.p for *_, row in found]))
    rows = []
    for (claim, architecture, row), p_holm in zip(found, corrected, strict=True):
        if row is None:
            rows.append((claim, "", reasons[claim], *[np.nan] * 5, "0", "not measured", "", *[np.nan] * 3, ""))
            continue
        survives = {True: "true", False: "false", None: ""}[row.survives(p_holm, ALPHA)]
        rows.append((claim, architecture, *row.values(), row.test.name, row.test.p, p_holm, row.test.effect, survives))
    return pd.DataFrame(rows, columns=[*COLUMNS, *(name for name in CLAIM_TESTS if name not in COLUMNS)])


def paired_accuracy(evidence: Evidence, pair: dict, stimuli: list[str], subset: pd.Index | None = None) -> list[np.ndarray]:
    """For S and R, whether each image is right, averaged over ``stimuli``: float64 [n_images], in the same order of image ids.

    Images that lack one of the stimuli, or the label, are left out.
    """
    scores = []
    for role in ("standard", "robust"):
        rows = evidence.of("predictions", pair[role])
        rows = rows[rows["stimulus"].isin(stimuli) & (rows["label"] >= 0)]
        if subset is not None:
            rows = rows[rows["image_id"].isin(subset)]
        of_image = rows.groupby("image_id", observed=True)["correct"].agg(["sum", "size"])
        of_image = of_image[of_image["size"] == len(stimuli)]
        scores.append((of_image["sum"] / len(stimuli)).astype(float).rename(index=str))
    common = scores[0].index.intersection(scores[1].index).sort_values()
    return [score.reindex(common).to_numpy() for score in scores]


def accuracy_row(evidence, architecture, pair, name, stimuli, expected, *, subset=None, margin=0.0) -> Iterator[Row | str]:
    """The row of an accuracy, nothing where the study lacks one of the stimuli, or why there is none where ``subset`` leaves no image.

    Only images on which S and R differ speak of a difference: with fewer than ``statistics.fewest`` of them it stays undecided.
    McNemar's test on one stimulus; on the mean over several, or with a margin, the t test of the images' differences.
    """
    standard, robust = paired_accuracy(evidence, pair, stimuli, subset)
    if not len(standard):
        if subset is not None and len(paired_accuracy(evidence, pair, stimuli)[0]):
            yield NONE_CORRECT
        return
    single = len(stimuli) == 1 and not margin
    test = mcnemar(standard > 0, robust > 0) if single else paired_t(robust - standard, -expected * margin)
    values = weighted_mean(standard), weighted_mean(robust)
    row = compared(name, *values, len(standard), expected, evidence, architecture, test=test, margin=margin)
    few = (standard != robust).sum() < evidence.study["statistics"]["fewest"]
    yield replace(row, verdict="undecided") if few and not margin else row


def attacked(evidence: Evidence, architecture: str, pair: dict) -> Iterator[Row | str]:
    """C1: R is far more accurate under attack and less accurate on clean images."""
    name = evidence.study["claims"]["adversarial"]
    if name:
        yield from accuracy_row(evidence, architecture, pair, f"accuracy under {name}", [name], 1)
    yield from accuracy_row(evidence, architecture, pair, "accuracy on clean", ["clean"], -1)


def shape_against_texture(evidence: Evidence, architecture: str, pair: dict) -> Iterator[Row]:
    """C2: S decides by texture and R by shape. Supported only if the interval of S is below 1/2 and that of R above.

    ``n``: images that S, and that R, decides by one of the two cues; with fewer than ``statistics.fewest`` of either it stays undecided.
    McNemar's test on the images that both networks decide so: by shape or not.
    """
    name = evidence.study["claims"]["cue_conflict"]
    tables = [conflicting(rows, name) for rows in of_pair(evidence, "predictions", pair)]
    tables = [table.set_index(table["image_id"].astype(str)) for table in tables]
    common = tables[0].index.intersection(tables[1].index).sort_values()
    if not len(common):
        return
    biases, marks = [], []
    for rows in (table.loc[common] for table in tables):
        shape, texture = ((rows["decision"] == rows[cue]).to_numpy() for cue in ("shape", "texture"))
        biases.append(ratio(shape.astype(float), (shape | texture).astype(float)))
        marks.append((shape, shape | texture))
    decided = marks[0][1] & marks[1][1]
    test = mcnemar(*(shape[decided] for shape, _ in marks))
    row = compared("shape bias", biases[0], biases[1], len(common), 1, evidence, architecture, test=test)
    (low_s, high_s), (low_r, high_r) = (
        interval(resampled(bias, len(common), evidence.count, architecture, role)) for role, bias in zip("sr", biases, strict=True)
    )
    answer = row.verdict
    if answer == "supported" and not (high_s < 0.5 < low_r):
        answer = "contradicted" if low_s > 0.5 or high_r < 0.5 else "undecided"
    n_decided = [int(either.sum()) for _, either in marks]
    if answer != "not measured" and min(n_decided) < evidence.study["statistics"]["fewest"]:
        answer = "undecided"
    yield replace(row, verdict=answer, n=f"{n_decided[0]}+{n_decided[1]}")


def tested(evidence: Evidence, pair: dict, stimuli: list[str]) -> tuple[pd.Index | None, str]:
    """The images that a pair is tested on, None for all of them, and the words that say so.

    With ``claims.only_both_correct`` those of which both networks label the original correctly. Images that have no original in
    ``clean`` (sketches, drawings of others) are tested all the same: all of them.
    """
    predictions = evidence.predictions
    members = predictions["model"].isin([pair["standard"], pair["robust"]])
    originals = predictions.loc[members & (predictions["stimulus"] == "clean"), "image_id"].astype(str).unique()
    made = predictions.loc[members & predictions["stimulus"].isin(stimuli), "image_id"]
    if evidence.study["claims"].get("only_both_correct", True) and made.isin(originals).any():
        return both_correct(predictions, pair), ""
    return None, " (all images)"


def modified(kind: str, expected: int):
    """C3, C4: accuracy on each stimulus that stands for ``kind``, on images of which both networks label the original correctly."""

    def measure(evidence: Evidence, architecture: str, pair: dict) -> Iterator[Row | str]:
        for name in evidence.study["claims"][kind]:
            subset, words = tested(evidence, pair, [name])
            yield from accuracy_row(evidence, architecture, pair, f"accuracy on {name}{words}", [name], expected, subset=subset)

    return measure


def distorted(evidence: Evidence, architecture: str, pair: dict) -> Iterator[Row | str]:
    """C5: on texture-preserving distortions R is on par or worse on average; "on par" within ``statistics.margin``."""
    names = evidence.study["claims"]["distortions"]
    if names:
        subset, words = tested(evidence, pair, names)
        title = f"mean accuracy on {', '.join(names) if len(names) <= NAMED else f'{len(names)} distortions'}{words}"
        margin = evidence.study["statistics"]["margin"]
        yield from accuracy_row(evidence, architecture, pair, title, names, -1, subset=subset, margin=margin)


def stimuli_asked(study: dict) -> list[str]:
    """The stimuli that the claims of a study speak of, ``clean`` among them: the only predictions that :func:`judge` looks at."""
    claims = study["claims"]
    single = [claims[key] for key in ("adversarial", "cue_conflict") if claims[key]]
    return list(dict.fromkeys(["clean", *single, *(name for key in ("scrambled", "texture_less", "distortions") for name in claims[key])]))


MEASURES = {
    "C1": attacked,
    "C2": shape_against_texture,
    "C3": modified("scrambled", -1),
    "C4": modified("texture_less", 1),
    "C5": distorted,
    "C6": claims_units.smooth_filters,
    "C7": claims_units.blocked_noise,
    "C8": claims_units.low_level,
    "C9": claims_units.simple_objects,
    "C10": claims_units.other_route,
    "C11": claims_units.fewer_concepts,
    "C12": claims_units.ablated,
}
