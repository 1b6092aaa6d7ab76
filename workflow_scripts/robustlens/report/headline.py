"""The few numbers that a reader sees first, of every pair and control, beside the values to expect."""

from dataclasses import dataclass

import pandas as pd

from robustlens.report.results import Reading, Results, display, stimulus_label

SHAPE_BIAS, FILTERS = "shape-bias", "first-filter-tv"


@dataclass(frozen=True)
class Line:
    """One quantity of the headline: its key (a stimulus, or one of the two above), words, and the reading of each role."""

    key: str
    words: str
    is_share: bool
    readings: dict[str, Reading | None]


def quantities(results: Results) -> list[tuple[str, str]]:
    """Key and words of every headline quantity that the study names, measured or not."""
    study = results.study
    claims = study.get("claims") or {}
    kinds = {name: made.get("kind") for name, made in (study.get("stimuli") or {}).items()}
    found = [(name, "unchanged images" if name == "clean" else name) for name in results.stimuli("unchanged")[:1]]
    attacks = [claims["adversarial"]] if claims.get("adversarial") else results.stimuli("attack")[:1]
    found += [(name, f"attacked images ({stimulus_label(study, name).removeprefix('attack ')})") for name in attacks]
    found += [(name, f"{stimulus_label(study, name)} images") for name, kind in kinds.items() if kind in ("silhouette", "stylized")]
    scrambled = claims.get("scrambled") or [name for name, kind in kinds.items() if kind == "scrambled"]
    found += [(name, f"{stimulus_label(study, name)} images") for name in scrambled[:1]]
    return found + [(SHAPE_BIAS, "shape bias"), (FILTERS, "roughness of first filters")]


def read(results: Results, model: str, key: str) -> Reading | None:
    """One headline number of one model."""
    if key == SHAPE_BIAS:
        return results.bias(model)
    return results.filters(model) if key == FILTERS else results.accuracy(model, key)


def headline(results: Results, members: dict[str, str]) -> list[Line]:
    """The headline of a pair or single model; quantities that none of its members has are left out."""
    lines = [
        Line(key, words, key != FILTERS, {role: read(results, model, key) for role, model in members.items()})
        for key, words in quantities(results)
    ]
    return [line for line in lines if any(line.readings.values())]


def not_stated(results: Results) -> str:
    """Which numbers of the headline, and of controls, rest on too few items to be stated, with their n; empty where there are none."""
    found: dict[str, list[str]] = {}
    for panel in results.panels():
        for line in headline(results, panel.members):
            for role, reading in line.readings.items():
                if reading and not reading.enough:
                    who = panel.label if role == "single" else f"{panel.label} {role[0].upper()}"
                    found.setdefault(line.words, []).append(f"{who}: n = {reading.n}")
    for name, control in results.controls().items():
        reading = results.bias(control["model"])
        if reading and not reading.enough:
            found.setdefault("shape bias", []).append(f"control {display(name)}: n = {reading.n}")
    said = "; ".join(f"{words} ({', '.join(who)})" for words, who in found.items())
    return f"not stated, since fewer than {results.fewest} items speak of it: {said}" if said else ""


def compared_with_expected(results: Results, expected: pd.DataFrame) -> pd.DataFrame:
    """The headline of every pair, and the controls' shape bias, beside what to expect.

    Columns ``group, model, quantity, value, n, low, high, source, verdict``; ``value`` NaN where ``n`` items are too few; ``low, high`` the
    expected range, NaN where none is known; ``verdict`` ``as expected``, ``OUTSIDE`` or empty. The range is widened by half of the last
    digit it is printed with.
    """
    rows = []
    own = expected[expected["study"] == results.study.get("study")].set_index(["model", "statistic"])
    for panel in results.panels():
        for line in headline(results, panel.members):
            rows += [(panel.label, panel.members[role], line.key, *_shown(reading)) for role, reading in line.readings.items() if reading]
    for name, control in results.controls().items():
        reading = results.bias(control["model"])
        rows += [(f"control {display(name)}", control["model"], SHAPE_BIAS, *_shown(reading))] if reading else []
    return pd.DataFrame(
        [(*row, *_judged(own, row)) for row in rows],
        columns=["group", "model", "quantity", "value", "n", "low", "high", "source", "verdict"],
    )


def _shown(reading: Reading) -> tuple[float, int]:
    return reading.value if reading.enough else float("nan"), reading.n


def _judged(expected: pd.DataFrame, row: tuple) -> tuple[float, float, str, str]:
    _, model, key, value, _ = row
    if (model, key) not in expected.index or pd.isna(value):
        return float("nan"), float("nan"), "", ""
    low, high, source = expected.loc[(model, key), ["low", "high", "source"]]
    inside = low - 0.005 <= value <= high + 0.005
    return float(low), float(high), source, "as expected" if inside else "OUTSIDE"
