"""A finished run as the report reads it: exported tables, claims, cards, and the names that the config gives to things."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from robustlens.errors import InputError
from robustlens.imagenet import SIXTEEN
from robustlens.shorthand import in_sets

RESOURCES = Path(__file__).resolve().parents[3] / "resources"
FEWEST = 10  # the default of statistics.fewest
VERDICTS = ("supported", "contradicted", "undecided", "not measured")
COLUMNS = {
    "accuracy": ["model", "stimulus", "n_images", "top1", "low", "high"],
    "shape_bias": ["model", "n_images", "n_decided", "shape", "texture", "shape_bias", "low", "high"],
    "shape_bias_by_class": ["model", "class", "n_images", "n_decided", "shape", "texture", "shape_bias", "low", "high"],
    "total_variation": ["model", "layer", "statistic", "n_units", "mean", "low", "high"],
    "excluded_images": ["source", "image_id", "path", "fault"],
    "missing_classes": ["source", "n_classes", "class"],
    "filter_matches": ["pair", "layer", "unit_standard", "unit_robust", "rho", "n_weights"],
    "dissection": ["model", "layer", "category", "n_units", "share"],
    "dissection_units": ["concept_set", "model", "layer", "unit", "name", "category", "iou"],
    "concept_shift": ["concept_set", "pair", "name", "category", "standard", "robust", "difference"],
    "complexity_distribution": ["model", "threshold", "at_least", "n_units", "share", "low", "high"],
    "complexity": ["model", "layer", "threshold", "n_units", "mean", "low", "high"],
    "ablation": ["model", "layer", "category", "n_units", "shape_score", "texture_score", "shape_rate", "texture_rate"],
    "training": ["model", "epoch", "loss", "accuracy", "clean_accuracy", "robust_accuracy"],
    "concepts": ["name", "category", "n_images", "area"],
    "claims": ["claim", "architecture", "statistic", "standard", "robust", "difference", "low", "high", "n", "verdict"],
    "robustness": ["model", "eps", "n_images", "top1", "low", "high"],
    "corruption_errors": ["model", "corruption", "severity", "n_images", "error", "low", "high"],
    "mce": ["model", "statistic", "n_images", "n_corruptions", "value", "low", "high"],
    "published": ["claim", "architecture", "statistic", "standard", "robust", "direction", "source"],
    "claim_tests": ["claim", "architecture", "statistic", "test", "p", "p_holm", "effect", "survives"],
    "wording": ["claim", "title", "sentence", "expected", "needs", "embedded_note"],
    "expected": ["study", "model", "statistic", "low", "high", "source"],
}
GROUPS = {  # what a stimulus keeps of the two cues -> words of the report
    "unchanged": "Unchanged",
    "both": "Both cues kept",
    "texture": "Texture kept, shape destroyed",
    "shape": "Shape kept, texture removed",
    "other": "Other",
    "attack": "Attacked",
}
DISPLAY = {"alexnet": "AlexNet", "googlenet": "GoogLeNet", "resnet": "ResNet", "resnet18": "ResNet-18", "resnet50": "ResNet-50"}


@dataclass(frozen=True)
class Reading:
    """A number with its 95 % interval and the count it rests on; ``enough``: whether that is ``statistics.fewest`` or more;
    with less it is not stated."""

    value: float
    low: float
    high: float
    n: int
    enough: bool = True


@dataclass(frozen=True)
class Panel:
    """What one panel of a figure compares: a pair (roles ``standard`` and ``robust``) or one model alone (``single``)."""

    name: str
    members: dict[str, str]

    @property
    def label(self) -> str:
        return display(self.name)


@dataclass(frozen=True)
class Results:
    """The tables of a run by name, and its config; a table that the run does not have is empty."""

    study: dict
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)

    def table(self, name: str) -> pd.DataFrame:
        return self.tables[name] if name in self.tables else pd.DataFrame(columns=COLUMNS[name])

    def panels(self) -> list[Panel]:
        """The pairs, then every model that is neither in a pair nor a control."""
        pairs = [Panel(name, {role: pair[role] for role in ("standard", "robust")}) for name, pair in self.pairs().items()]
        taken = {model for panel in pairs for model in panel.members.values()} | {c["model"] for c in self.controls().values()}
        return pairs + [Panel(model, {"single": model}) for model in self.study.get("models", {}) if model not in taken]

    def pairs(self) -> dict[str, dict]:
        return self.study.get("pairs") or {}

    def controls(self) -> dict[str, dict]:
        return self.study.get("controls") or {}

    def is_embedded(self) -> bool:
        """Whether the images are the generated ones, for which the notes on the miniature hold."""
        return any(source.get("kind") == "embedded" for source in self.study.get("sources", {}).values())

    def conflict(self) -> str | None:
        """Name of the cue-conflict images, whose accuracy means nothing."""
        named = (self.study.get("claims") or {}).get("cue_conflict") or (self.study.get("ablation") or {}).get("stimulus")
        made = (name for name, source in self.study.get("sources", {}).items() if source.get("cues") == "conflict")
        return named or next(made, None)

    def stimuli(self, group: str | None = None) -> list[str]:
        """Stimuli that the accuracy table holds, of one group of ``GROUPS`` or of all, in the order of the table.

        Without the cue-conflict images and the sets of ImageNet-C, which have tables of their own.
        """
        apart = {self.conflict(), *in_sets(self.study)}
        found = [name for name in self.table("accuracy")["stimulus"].unique() if name not in apart]
        return [name for name in found if group in (None, self.group(name))]

    def group(self, stimulus: str) -> str:
        """The key of ``GROUPS`` that a stimulus belongs to."""
        if stimulus in (self.study.get("attacks") or {}):
            return "attack"
        made = (self.study.get("stimuli") or {}).get(stimulus)
        if made is None:
            return (self.study.get("sources") or {}).get(stimulus, {}).get("preserves", "unchanged")
        return made["preserves"] if made.get("preserves") in GROUPS else "other"

    def chance(self) -> float | None:
        """Accuracy of guessing; None where the config does not list the classes."""
        classes = self.study.get("classes")
        return 1 / len(classes) if isinstance(classes, list) and classes else None

    def conflict_classes(self) -> list[str]:
        """Names of the classes of the cue-conflict images, in order of their numbers; empty where the study does not know them."""
        if (self.study.get("sources") or {}).get(self.conflict(), {}).get("kind") == "cue-conflict":
            return list(SIXTEEN)
        classes = self.study.get("classes")
        return classes if isinstance(classes, list) else []

    def complexity_threshold(self) -> float:
        """The IoU threshold of the study, or the nearest to it that was measured."""
        wanted = (self.study.get("complexity") or {}).get("iou", 0.01)
        return min(self.table("complexity")["threshold"].unique(), key=lambda threshold: abs(threshold - wanted), default=wanted)

    def accuracy(self, model: str, stimulus: str | None) -> Reading | None:
        rows = self.table("accuracy")
        return self._reading(rows[(rows["model"] == model) & (rows["stimulus"] == stimulus)], "top1", "n_images")

    def bias(self, model: str) -> Reading | None:
        rows = self.table("shape_bias")
        return self._reading(rows[rows["model"] == model], "shape_bias", "n_decided")

    def filters(self, model: str, statistic: str = "filter-unit-norm") -> Reading | None:
        """Mean total variation of the filters of the first convolution: the model's first row of that statistic."""
        rows = self.table("total_variation")
        return self._reading(rows[(rows["model"] == model) & (rows["statistic"] == statistic)], "mean", "n_units")

    @property
    def fewest(self) -> int:
        """Images, units or filters that a number must rest on to be stated."""
        return (self.study.get("statistics") or {}).get("fewest", FEWEST)

    def _reading(self, rows: pd.DataFrame, value: str, n: str) -> Reading | None:
        if rows.empty or (pd.isna(rows[value].iloc[0]) and rows[n].iloc[0]):
            return None
        row = rows.iloc[0]
        return Reading(float(row[value]), float(row["low"]), float(row["high"]), int(row[n]), int(row[n]) >= self.fewest)


def layers_of(table: pd.DataFrame, panel: Panel) -> list[str]:
    """The layers of a panel's models, in the order of the table, which is the order of depth."""
    return list(table[table["model"].isin(panel.members.values())]["layer"].unique())


# -------------------------------------------------------------------------------------------------------------------- files
def read_table(path: str | Path, kind: str | None = None) -> pd.DataFrame:
    """A CSV table of the report. Raises InputError where it is not one or lacks the columns of its kind.

    A table without rows is taken whatever its columns: nothing was measured.
    """
    wanted = COLUMNS.get(kind or Path(path).stem, [])
    try:
        table = pd.read_csv(path)
    except pd.errors.EmptyDataError:
        table = pd.DataFrame()
    except (OSError, ValueError) as error:
        raise InputError(path, "a CSV table", str(error).splitlines()[0]) from error
    if table.empty:
        return table.reindex(columns=list(dict.fromkeys([*table.columns, *wanted])))
    missing = [name for name in wanted if name not in table.columns]
    if missing:
        raise InputError(path, f"the columns {', '.join(wanted)}", f"no {', '.join(missing)}")
    return table


def read_tables(paths: list[str] | str) -> dict[str, pd.DataFrame]:
    """The tables by file stem; ``paths`` are CSV files, or the folder that holds them."""
    folder = [paths] if isinstance(paths, str | Path) else paths
    files = [file for path in folder for file in (sorted(Path(path).glob("*.csv")) if Path(path).is_dir() else [Path(path)])]
    return {file.stem: read_table(file) for file in files if file.suffix == ".csv"}


def read_cards(paths: list[str]) -> list[dict]:
    """The ``card.json`` of every model."""
    cards = []
    for path in paths:
        try:
            cards.append(json.loads(Path(path).read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise InputError(path, "a model's card (JSON)", str(error).splitlines()[0]) from error
    return cards


# -------------------------------------------------------------------------------------------------------------------- names
def display(name: str) -> str:
    """A name as a person writes it."""
    return DISPLAY.get(name, name)


def stimulus_label(study: dict, name: str) -> str:
    """A stimulus or attack in a few words, with its strength and unit."""
    made = {**(study.get("stimuli") or {}), **(study.get("attacks") or {})}.get(name, {})
    kind = made.get("kind", "")
    if kind == "gaussian-blur":
        return f"blur {made['sigma']:g} px"
    if kind == "gaussian-noise":
        return f"noise sd {made['sigma']:g}"
    if kind == "scrambled":
        return f"scrambled {made['grid']}×{made['grid']}"
    if "eps" in made:
        return f"attack {str(made.get('norm', '')).upper()} ≤ {made['eps']:g}".replace("  ", " ")
    return name.replace("-", " ")
