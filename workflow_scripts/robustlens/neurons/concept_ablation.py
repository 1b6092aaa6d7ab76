"""What the units that carry a concept are worth: zero them together and count the images that are decided wrongly then."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from robustlens.images import Shard
from robustlens.inference import Blocks
from robustlens.models.registry import Classifier, check_names
from robustlens.neurons.ablation import check_ablated, decided_class
from robustlens.neurons.concept_units import ROLES, WHOLE, UnitSet
from robustlens.neurons.tails import COPIES, Pass, Tails, zeroed_logits
from robustlens.predictions import check_finite

Units = tuple[tuple[str, int], ...]


class ConceptAblation:
    """Counts for one pair of networks; ``sets`` of :func:`robustlens.neurons.concept_units.concept_units`, ``models``: role -> network.

    Sets of the same units are tried once. ``batch_size``: images a block on a GPU.
    """

    def __init__(self, models: dict[str, Classifier], sets: list[UnitSet], batch_size: int):
        self.models, self.sets, self.batch_size = models, sets, batch_size
        self._tried = {role: _by_place([found for found in sets if found.role == role]) for role in ROLES}
        self._tails = {role: Tails(model, [place for place in self._tried[role] if place != WHOLE]) for role, model in models.items()}

    def count(self, shard: Shard, *, n_images: int | None = None, classes: str | None = None, sixteen_by: str = "mean") -> pd.DataFrame:
        """One row a set: its columns, ``n_units, n_images, n_wrong, n_wrong_control`` (docs/data.md).

        Of the first ``n_images`` images, ``n_images`` of the table are those that both intact networks decide rightly; ``n_wrong`` of
        them are decided wrongly without the units, ``n_wrong_control`` without the units by chance. ``classes``, ``sixteen_by``:
        :func:`robustlens.decisions.decide`.
        """
        n_images = len(shard) if n_images is None else min(n_images, len(shard))
        labels, n_right = shard.rows["label"].to_numpy(), 0
        wrong = {(role, units): 0 for role in ROLES for tried in self._tried[role].values() for units in tried}

        def block(images: Tensor, rows: slice) -> tuple[int, dict]:
            truth = labels[rows]
            passed, ids = {role: self._tails[role](images) for role in ROLES}, shard.rows["image_id"].iloc[rows].tolist()
            for one in passed.values():
                check_finite(one.model, shard, rows, one.logits[: len(truth)])
                check_names(shard, one.logits.shape[1], one.model.card, classes)
            intact = [decided_class(one.logits, classes, sixteen_by)[: len(truth)] == truth for one in passed.values()]
            right = np.logical_and(*intact)
            if not right.any():
                return 0, {}
            decided = (
                (role, units, decision) for role in ROLES for units, decision in self._decided(role, passed[role], ids, classes, sixteen_by)
            )
            return right.sum(), {(role, units): int(((found[: len(truth)] != truth) & right).sum()) for role, units, found in decided}

        with torch.inference_mode():
            for _, (n, counts) in Blocks(next(iter(self.models.values())).device, self.batch_size, n_images).run(shard, block, n_images):
                n_right += n
                for key, count in counts.items():
                    wrong[key] += count
        return self._table(n_right, wrong)

    def _decided(
        self, role: str, passed: Pass, image_ids: list[str], classes: str | None, sixteen_by: str
    ) -> Iterable[tuple[Units, np.ndarray]]:
        """Each set of units of a network and the classes [n_images] decided without it."""
        for place, tried in self._tried[role].items():
            for first in range(0, len(tried), COPIES):
                group = tried[first : first + COPIES]
                if place == WHOLE:
                    layers = {layer for units in group for layer, _ in units}
                    logits = zeroed_logits(passed.model, passed.images, {layer: [_of(layer, units) for units in group] for layer in layers})
                else:
                    logits = passed.zeroed(place, [_of(place, units) for units in group])
                check_ablated(passed.model, place, logits, image_ids)
                decided = decided_class(logits.flatten(0, 1), classes, sixteen_by).reshape(COPIES, -1)
                yield from zip(group, decided, strict=False)

    def _table(self, n_images: int, wrong: dict) -> pd.DataFrame:
        columns = ["layer", "concept", "name", "category", "select"]
        rows = [
            {
                "model": self.models[found.role].card["model"],
                **{column: getattr(found, column) for column in columns},
                "n_units": len(found.chosen),
                "n_images": n_images,
                "n_wrong": wrong[found.role, found.chosen],
                "n_wrong_control": wrong[found.role, found.control],
            }
            for found in self.sets
        ]
        table = pd.DataFrame(rows, columns=["model", *columns, *COUNTS])
        return table.astype(dict.fromkeys(["concept", *COUNTS], np.int32))


COUNTS = ["n_units", "n_images", "n_wrong", "n_wrong_control"]


def _by_place(sets: list[UnitSet]) -> dict[str, list[Units]]:
    """The sets of units to be tried, each once, by layer."""
    found: dict[str, dict[Units, None]] = {}
    for one in sets:
        found.setdefault(one.layer, {}).update(dict.fromkeys((one.chosen, one.control)))
    return {place: list(units) for place, units in found.items()}


def _of(layer: str, units: Units) -> list[int]:
    return [unit for place, unit in units if place == layer]
