"""Tables of what the networks decide: accuracy by stimulus, shape against texture. Definitions: docs/methods.md."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from robustlens.errors import InputError, refusing
from robustlens.randomness import generator
from robustlens.report.significance import holm, mcnemar_of_counts
from robustlens.statistics import interval, wilson

ACCURACY = ["model", "stimulus", "n_images", "top1", "low", "high"]
TOP5 = ["model", "stimulus", "n_images", "top5", "low", "high"]
BOTH_CORRECT = ["pair", *ACCURACY]
PAIRED = ["pair", "stimulus", "n_images", "standard", "robust", "difference", "low", "high", "only_standard", "only_robust"]
PAIRED += ["test", "p", "p_holm", "effect"]
ROBUSTNESS = ["model", "eps", "n_images", "top1", "low", "high"]
SHAPE_BIAS = ["model", "n_images", "n_decided", "shape", "texture", "shape_bias", "low", "high"]
BY_CLASS = ["model", "class", *SHAPE_BIAS[1:]]
NAMES = ["model", "stimulus", "image_id"]
NUMBERS = ["label", "shape", "texture"]
READ = [*NAMES, *NUMBERS, "decision", "correct", "in_top5"]
ROWS = 1 << 17  # read at a time


# ------------------------------------------------------------------------------------------------------------------- reading
def read_predictions(paths: list[str], stimuli: list[str] | None = None) -> pd.DataFrame:
    """Predictions of all models, on ``stimuli`` (all if None): the columns ``READ``, some 25 bytes a row.

    ``decision``: most probable class; ``correct``: whether it is the label; ``in_top5``: whether the label is among the five (or fewer)
    most probable. Names are categoricals whose categories are sorted, numbers int32, the others bool. Raises InputError for a file that
    is not of predictions, or was cut short.
    """
    known: dict[str, dict[str, int]] = {name: {} for name in NAMES}
    columns: dict[str, list[np.ndarray]] = {name: [] for name in READ}
    for path in paths:
        for batch in _batches(path, stimuli):
            for name, values in _decided(batch, known).items():
                columns[name].append(values)
    if not columns["model"]:
        return pd.DataFrame(columns=READ)
    return pd.DataFrame({name: _joined(columns.pop(name), known.get(name)) for name in READ}, copy=False)


def _batches(path: str, stimuli: list[str] | None) -> Iterator[pa.RecordBatch]:
    """The rows of one file, a part at a time: the lists of five classes take four times the room of what is made of them."""
    whole = refusing(path, "a complete Parquet file", "delete it and run again")
    with whole, pq.ParquetFile(path, read_dictionary=NAMES, page_checksum_verification=True) as file:
        columns = [*NAMES, *NUMBERS, "top5"]
        if missing := [name for name in columns if name not in file.schema_arrow.names]:
            raise InputError(path, f"predictions, with the columns {', '.join(columns)}", f"no {', '.join(missing)}")
        for batch in file.iter_batches(ROWS, columns=columns):
            batch.validate(full=True)
            if stimuli is not None:
                batch = batch.filter(pc.is_in(batch["stimulus"], pa.array(stimuli, pa.string())))
            if batch.num_rows:
                yield batch


def _decided(batch: pa.RecordBatch, known: dict[str, dict[str, int]]) -> dict[str, np.ndarray]:
    """The columns ``READ`` of a part; names as numbers, those that are new added to ``known``."""
    found = {}
    for name in NAMES:
        texts, places = batch[name].dictionary, batch[name].indices.to_numpy()
        used = np.bincount(places, minlength=len(texts)).nonzero()[0]
        new = [known[name].setdefault(text, len(known[name])) for text in texts.take(pa.array(used)).to_pylist()]
        numbers = np.zeros(len(texts), np.min_scalar_type(-len(known[name])))
        numbers[used] = new
        found[name] = numbers[places]
    found |= {name: batch[name].to_numpy().astype(np.int32) for name in NUMBERS}
    of_row, classes = pc.list_parent_indices(batch["top5"]).to_numpy(), batch["top5"].flatten().to_numpy()
    found["decision"] = pc.list_element(batch["top5"], 0).to_numpy().astype(np.int32)
    found["correct"] = found["decision"] == found["label"]
    found["in_top5"] = np.bincount(of_row[classes == found["label"][of_row]], minlength=batch.num_rows) > 0
    return found


def _joined(parts: list[np.ndarray], known: dict[str, int] | None) -> np.ndarray | pd.Categorical:
    """The parts of a column, one after another; of names their sorted list and, in as few bytes as it takes, the place in it."""
    if known is None:
        return np.concatenate(parts)
    names = sorted(known)
    place = np.empty(len(names), np.min_scalar_type(-len(names)))
    place[[known[name] for name in names]] = np.arange(len(names))
    return pd.Categorical.from_codes(np.concatenate([place[part] for part in parts]), names)


# ------------------------------------------------------------------------------------------------------------------ accuracy
def accuracy(predictions: pd.DataFrame) -> pd.DataFrame:
    """Top-1 accuracy per model and stimulus over the images with a known label, Wilson 95 %."""
    return _shares(predictions, "correct", ACCURACY)


def top5(predictions: pd.DataFrame) -> pd.DataFrame:
    """The same of the images whose label is among the five most probable classes."""
    return _shares(predictions, "in_top5", TOP5)


def _shares(predictions: pd.DataFrame, hit: str, columns: list[str]) -> pd.DataFrame:
    labelled = predictions.loc[predictions["label"] >= 0, ["model", "stimulus", hit]]
    counts = labelled.groupby(["model", "stimulus"], sort=False, observed=True)[hit].agg(["size", "sum"])
    rows = [
        (*key, n, hits / n, *wilson(hits, n)) for key, (n, hits) in zip(counts.index, counts.astype(int).to_numpy().tolist(), strict=True)
    ]
    return pd.DataFrame(rows, columns=columns)


def accuracy_by_radius(paths: list[str]) -> pd.DataFrame:
    """The columns ``ROBUSTNESS`` from tables of decisions by radius (docs/data.md): top-1 accuracy, Wilson 95 %; radius 0: unchanged."""
    if not paths:
        return pd.DataFrame(columns=ROBUSTNESS)
    decisions = pd.concat([pd.read_parquet(path) for path in paths], ignore_index=True)
    hits = (decisions["decision"] == decisions["label"]).groupby([decisions["model"], decisions["eps"]], sort=False).agg(["size", "sum"])
    rows = [(*key, n, right / n, *wilson(right, n)) for key, (n, right) in zip(hits.index, hits.to_numpy().tolist(), strict=True)]
    return pd.DataFrame(rows, columns=ROBUSTNESS)


def conflicting(predictions: pd.DataFrame, stimulus: str | None) -> pd.DataFrame:
    """The rows of the images of ``stimulus`` that carry two known cues of different classes."""
    rows = predictions[predictions["stimulus"] == stimulus]
    return rows[(rows["shape"] >= 0) & (rows["texture"] >= 0) & (rows["shape"] != rows["texture"])]


def both_correct(predictions: pd.DataFrame, pair: dict, original: str = "clean") -> pd.Index:
    """Ids of the original images that both networks of a pair label correctly (the paper's ImageNet-CL)."""
    clean = predictions[predictions["stimulus"] == original]
    correct = [clean["image_id"][(clean["model"] == pair[role]) & clean["correct"]] for role in ("standard", "robust")]
    return pd.Index(correct[0].astype(str)).intersection(pd.Index(correct[1].astype(str)))


def accuracy_both_correct(predictions: pd.DataFrame, pairs: dict[str, dict]) -> pd.DataFrame:
    """Accuracy of a pair's networks on the modified images of which both label the original correctly."""
    tables = []
    for name, pair in pairs.items():
        members = predictions["model"].isin([pair["standard"], pair["robust"]])
        kept = predictions[members & predictions["image_id"].isin(both_correct(predictions, pair))]
        table = accuracy(kept)
        table.insert(0, "pair", name)
        tables.append(table)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=BOTH_CORRECT)


def shape_bias(predictions: pd.DataFrame, stimulus: str | None) -> pd.DataFrame:
    """Shape and texture decisions on cue-conflict images (arXiv 2006.09373): shares of all images; bias = shape / (shape + texture)."""
    groups = conflicting(predictions, stimulus).groupby("model", sort=False, observed=True)
    return pd.DataFrame([(model, *_bias(group)) for model, group in groups], columns=SHAPE_BIAS)


def shape_bias_by_class(predictions: pd.DataFrame, stimulus: str | None) -> pd.DataFrame:
    """The same of the images of each class of the shape, by its number (Geirhos et al., arXiv 1811.12231)."""
    groups = conflicting(predictions, stimulus).groupby(["model", "shape"], sort=True, observed=True)
    return pd.DataFrame([(*key, *_bias(group)) for key, group in groups], columns=BY_CLASS)


def _bias(group: pd.DataFrame) -> tuple:
    """n_images, n_decided, shape, texture, shape_bias, low, high of the conflict images of one model."""
    shape, texture = (int((group["decision"] == group[cue]).sum()) for cue in ("shape", "texture"))
    n, decided = len(group), shape + texture
    return n, decided, shape / n, texture / n, shape / decided if decided else np.nan, *wilson(shape, decided)


def accuracy_paired(predictions: pd.DataFrame, pair: dict, count: int) -> pd.DataFrame:
    """S and R of a pair on the same labelled images of each stimulus: the columns ``PAIRED`` without ``pair`` and ``p_holm``.

    The interval is the paired bootstrap over images. Of a resample only the numbers of images that S alone, and that R alone, has right
    matter, so that these are drawn (multinomial) and not the images: the same distribution at any number of images.
    """
    labelled = predictions[predictions["label"] >= 0]
    rows = []
    for stimulus, group in labelled.groupby("stimulus", sort=False, observed=True):
        right = [group[group["model"] == pair[role]].set_index("image_id")["correct"].rename(index=str) for role in ("standard", "robust")]
        common = right[0].index.intersection(right[1].index)
        if not (n := len(common)):
            continue
        standard, robust = (of_model.reindex(common).to_numpy(bool) for of_model in right)
        only_s, only_r = int((standard & ~robust).sum()), int((robust & ~standard).sum())
        draws = generator(0, "paired bootstrap", pair["standard"], pair["robust"], stimulus).multinomial(
            n, [only_s / n, only_r / n, 1 - (only_s + only_r) / n], count
        )
        test = mcnemar_of_counts(only_s, only_r)
        span = interval((draws[:, 1] - draws[:, 0]) / n)
        shares = (standard.mean(), robust.mean(), (only_r - only_s) / n)
        rows.append((stimulus, n, *shares, *span, only_s, only_r, test.name, test.p, test.effect))
    return pd.DataFrame(rows, columns=[name for name in PAIRED if name not in ("pair", "p_holm")])


def accuracy_pairs(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The tables of :func:`accuracy_paired` of all pairs as one, corrected by Holm for the family of all its rows."""
    frames = [table.assign(pair=pair) for pair, table in tables.items() if len(table)]
    if not frames:
        return pd.DataFrame(columns=PAIRED)
    found = pd.concat(frames, ignore_index=True)
    return found.assign(p_holm=holm(found["p"]))[PAIRED]
