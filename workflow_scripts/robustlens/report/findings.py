"""What came out, in sentences made from the numbers of this run and from nothing else: the answer, and behaviour."""

from functools import partial

import pandas as pd

from robustlens.class_names import shown
from robustlens.report.contrast import (
    ALIKE,
    HIGHER,
    LOWER,
    PERCENT,
    Contrast,
    contrast,
    count_of,
    everywhere,
    joined,
    mixed,
    number,
    percent,
    sentence,
    span,
)
from robustlens.report.findings_units import answer_filters
from robustlens.report.headline import not_stated, quantities
from robustlens.report.results import GROUPS, Reading, Results, stimulus_label


# -------------------------------------------------------------------------------------------------------------------- answer
def answer(results: Results, claims: pd.DataFrame) -> list[str]:
    """The paragraph at the top: the question answered from the numbers."""
    if not results.pairs():
        what = "This study compares no standard with a robust network, so the question stays open here"
        return [f"{what}; what single networks show is below.", *single_accuracy(results, "unchanged")]
    found = [answer_bias(results), answer_attack(results), answer_stimuli(results), answer_filters(results), not_stated(results)]
    return [sentence(text) for text in [*found, tally(claims)] if text]


def answer_bias(results: Results) -> str:
    bias = contrast(results, results.bias)
    if not bias.rows:
        return ""
    decided = f"the standard networks follow the shape in {bias.span(1)} of the images they decide by either"
    text = f"where shape and texture of an image disagree, {decided}, the robust ones in {bias.span(2)} ({bias.count()})"
    if bias.agrees() == HIGHER:
        crossed = all(standard.high < 0.5 < robust.low for _, standard, robust in bias.rows)
        turn = "turned decisions from texture to shape" if crossed else "moved decisions towards shape"
        return f"{text}: robust training {turn}{everywhere(len(bias.rows))}"
    return f"{text}: {mixed(bias, 'more by shape', 'more by texture')}"


def answer_attack(results: Results) -> str:
    named = [key for key, _ in quantities(results)]
    clean = next(iter(results.stimuli("unchanged")), None)
    attacks = [key for key in named if results.group(key) == "attack" and key in results.stimuli()]
    price = contrast(results, lambda model: results.accuracy(model, clean))
    gain = contrast(results, lambda model: results.accuracy(model, attacks[0])) if attacks else Contrast([])
    parts = []
    if gain.rows:
        parts.append(f"under attack R still names {gain.span(2)} of the images rightly, S {gain.span(1)} ({gain.count()})")
    if price.rows:
        verdict = {LOWER: "fewer", HIGHER: "more", ALIKE: "no clear difference"}.get(price.agrees() or "", "the pairs differ")
        parts.append(f"of unchanged images R names {price.span(2)} and S {price.span(1)} ({verdict}, {price.count()})")
    return "; ".join(parts)


def answer_stimuli(results: Results) -> str:
    parts = []
    for group, words in (("shape", "keep the shape and lose the texture"), ("texture", "keep the texture and lose the shape")):
        found = {name: contrast(results, partial(results.accuracy, stimulus=name)) for name in results.stimuli(group)}
        found = {name: rows for name, rows in found.items() if rows.rows}
        if not found:
            continue
        ahead = {HIGHER: "R is ahead", LOWER: "S is ahead"}
        counts = [(side, sum(rows.agrees() == status for rows in found.values())) for status, side in ahead.items()]
        said = [f"{side}{everywhere(len(results.pairs()))} on {number(n)} of {number(len(found))}" for side, n in counts if n]
        parts.append(f"of the conditions that {words}, {' and '.join(said) or 'none gives the same answer in all pairs'}")
    return "; ".join(parts)


def tally(claims: pd.DataFrame) -> str:
    """How the comparisons with the claims came out."""
    counts = claims["verdict"].value_counts()
    measured = int(counts.drop("not measured", errors="ignore").sum())
    if not measured:
        return "no claim could be put to a measurement in this study"
    parts = [
        f"{counts[verdict]} {words}"
        for verdict, words in (
            ("supported", "support the claim they test"),
            ("contradicted", "contradict it"),
            ("undecided", "cannot tell"),
        )
        if verdict in counts
    ]
    return f"of {measured} comparisons, {joined(parts)}"


# ------------------------------------------------------------------------------------------------------------------ pictures
def find_images(results: Results) -> list[str]:
    """What is not as the config says: image files that could not be read, classes without an image."""
    return find_exclusions(results) + find_missing_classes(results)


def find_missing_classes(results: Results) -> list[str]:
    """Of which classes each source has no image."""
    groups = results.table("missing_classes").groupby("source", sort=False)
    return [
        sentence(f"{name} has no image of {len(rows)} of the {rows['n_classes'].iloc[0]} classes: {shown([*map(str, rows['class'])])}")
        for name, rows in groups
    ]


def find_exclusions(results: Results) -> list[str]:
    """How many pictures of each source could not be read, where the study excludes them."""
    counts = results.table("excluded_images")["source"].value_counts(sort=False)
    sources = results.study.get("sources", {})
    rest = "no network was shown them, and every n counts the others alone"
    return [sentence(f"{n} of the {sources[name]['n_images']} pictures of {name} could not be read: {rest}") for name, n in counts.items()]


# ----------------------------------------------------------------------------------------------------------------- behaviour
def find_accuracy(results: Results) -> list[str]:
    found = [group_sentence(results, group) for group in GROUPS]
    return [text for text in found if text] + single_accuracy(results)


def group_sentence(results: Results, group: str) -> str:
    """What one group of stimuli shows in all pairs."""
    found = {name: contrast(results, partial(results.accuracy, stimulus=name)) for name in results.stimuli(group)}
    found = {name: rows for name, rows in found.items() if rows.rows}
    if not found:
        return ""
    parts = []
    for status, words in ((HIGHER, "R names more rightly"), (LOWER, "S names more rightly"), (ALIKE, "no clear difference")):
        same = {name: rows for name, rows in found.items() if rows.agrees() == status}
        if same:
            named = [
                f"{stimulus_label(results.study, name)} (S {rows.span(1)}, R {rows.span(2)}, {rows.count()})" for name, rows in same.items()
            ]
            n = max(len(rows.rows) for rows in same.values())
            where = everywhere(n) if status != ALIKE else " in any pair" if n > 1 else ""
            parts.append(f"{words}{where} on {joined(named)}")
    for name, rows in found.items():
        if rows.agrees() is None:
            parts.append(f"the pairs differ on {stimulus_label(results.study, name)}: {mixed(rows, 'R names more', 'S names more')}")
    return sentence(f"{GROUPS[group]}: {'; '.join(parts)}")


def single_accuracy(results: Results, group: str | None = None) -> list[str]:
    """What networks outside pairs recognise."""
    found = []
    for panel in results.panels():
        if len(panel.members) == 1:
            model = panel.members["single"]
            known = {name: results.accuracy(model, name) for name in results.stimuli(group)}
            readings = {name: reading for name, reading in known.items() if reading and reading.enough}
            parts = [f"{with_interval(reading)} of {stimulus_label(results.study, name)}" for name, reading in readings.items()]
            found += [f"{panel.label} names rightly {joined(parts)}."] if parts else []
    return found


def with_interval(reading: Reading) -> str:
    interval = f"{percent(reading.low)} to {percent(reading.high)}{PERCENT}"
    return f"{percent(reading.value)}{PERCENT} (interval {interval}, n = {reading.n})"


def find_bias(results: Results) -> list[str]:
    bias = contrast(results, results.bias)
    found = [answer_bias(results)]
    for control in results.controls().values():
        reading = results.bias(control["model"])
        if reading and reading.enough:
            truth = f"{100 if control['truth'] == 'shape' else 0}{PERCENT}"
            text = f"the control trained with {control['truth']} as the only cue reads {percent(reading.value)}{PERCENT} (n = {reading.n})"
            found.append(f"{text}, and should read {truth}")
    table = results.table("shape_bias").set_index("model")
    if bias.rows:
        shares = table.loc[[model for panel in results.panels() for model in panel.members.values() if model in table.index]]
        decided, counts = span(list(shares["shape"] + shares["texture"])), count_of(list(shares["n_images"]))
        found.append(f"shape or texture decide {decided} of all conflict images ({counts}); the rest is decided as neither")
    return [sentence(text) for text in found if text]


LAST_EPOCH = {  # of the learning curves: what is said of the last epoch, and of whom
    "accuracy": (
        "accuracy in the last epoch",
        {
            "standard": "S on unchanged training images",
            "robust": "R on attacked training images",
            "single": "the network on its training images",
        },
    ),
    "clean_accuracy": ("on images that were held out", {"standard": "S", "robust": "R", "single": "the network"}),
    "robust_accuracy": ("on the same images, attacked as in the training", {"robust": "R", "single": "the network"}),
}


def find_training(results: Results) -> list[str]:
    last = results.table("training").groupby("model", sort=False).tail(1).set_index("model")
    found = []
    for column, (what, roles) in LAST_EPOCH.items():
        known = last[column].dropna()
        values = {role: [known[p.members[role]] for p in results.panels() if p.members.get(role) in known.index] for role in roles}
        if said := [f"{words} {span(values[role])}" for role, words in roles.items() if values[role]]:
            found.append(sentence(f"{what}: {joined(said)}"))
    return found
