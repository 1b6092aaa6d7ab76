"""What came out, in sentences that are made from the numbers of this run and from nothing else.

Two networks are called different where their 95 % intervals do not overlap.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from robustlens.report.figures_neurons import complexity_threshold, layers_of
from robustlens.report.headline import quantities
from robustlens.report.results import GROUPS, Reading, Results, stimulus_label

HIGHER, LOWER, ALIKE = "higher", "lower", "alike"
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
CATEGORY_WORDS = {"color": "a colour", "object": "an object", "none": "no concept"}


@dataclass(frozen=True)
class Contrast:
    """One quantity in S and R of every pair that has it: rows of (pair, S, R)."""

    rows: list[tuple[str, Reading, Reading]]

    def pairs(self, status: str) -> list[str]:
        return [pair for pair, standard, robust in self.rows if status_of(standard, robust) == status]

    def agrees(self) -> str | None:
        """What R is against S in every pair: HIGHER, LOWER or ALIKE; None where pairs differ or there are none."""
        found = {status_of(standard, robust) for _, standard, robust in self.rows}
        return found.pop() if len(found) == 1 else None

    def span(self, role: int, is_share: bool = True) -> str:
        """The values of S (role 1) or R (role 2) over the pairs, ``14–32 %``."""
        return span([row[role].value for row in self.rows], is_share)


def status_of(standard: Reading, robust: Reading) -> str:
    return HIGHER if robust.low > standard.high else LOWER if robust.high < standard.low else ALIKE


def contrast(results: Results, read: Callable[[str], Reading | None]) -> Contrast:
    """The readings of every pair of which both networks have one."""
    pairs = [panel for panel in results.panels() if len(panel.members) == 2]
    readings = [(panel.label, read(panel.members["standard"]), read(panel.members["robust"])) for panel in pairs]
    return Contrast([row for row in readings if row[1] and row[2]])


# --------------------------------------------------------------------------------------------------------------------- words
def number(n: int) -> str:
    return NUMBERS[n] if n < len(NUMBERS) else str(n)


def percent(value: float) -> str:
    """``37 %``; one decimal near the ends, so that 99.6 % is not called 100 %."""
    shown = 100 * value
    return f"{shown:.0f}" if 1 <= shown <= 99 or shown in (0, 100) else f"{shown:.1f}"


def span(values: list[float], is_share: bool = True) -> str:
    """``12–15 %`` or, where lowest and highest read the same, ``12 %``."""
    low, high = (percent(value) if is_share else f"{value:.3g}" for value in (min(values), max(values)))
    unit = " %" if is_share else ""
    return f"{low}{unit}" if low == high else f"{low}–{high}{unit}"


def joined(words: list[str]) -> str:
    """``a, b and c``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def everywhere(n: int) -> str:
    return "" if n == 1 else " in both pairs" if n == 2 else f" in all {number(n)} pairs"


def article(category: str) -> str:
    return CATEGORY_WORDS.get(category, f"a {category}")


def sentence(text: str) -> str:
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


# -------------------------------------------------------------------------------------------------------------------- answer
def answer(results: Results, claims: pd.DataFrame) -> list[str]:
    """The paragraph at the top: the question answered from the numbers."""
    if not results.pairs():
        what = "It compares no standard with a robust network, so the question stays open here"
        return [f"{what}; what single networks show is below.", *single_accuracy(results, "unchanged")]
    found = [answer_bias(results), answer_attack(results), answer_stimuli(results), answer_filters(results)]
    return [sentence(text) for text in [*found, tally(claims)] if text]


def answer_bias(results: Results) -> str:
    bias = contrast(results, results.bias)
    if not bias.rows:
        return ""
    numbers = f"the standard networks follow the shape in {bias.span(1)} of the images they decide by either, the robust ones in {bias.span(2)}"
    text = f"where shape and texture of an image disagree, {numbers}"
    if bias.agrees() == HIGHER:
        crossed = all(standard.high < 0.5 < robust.low for _, standard, robust in bias.rows)
        turn = "turned decisions from texture to shape" if crossed else "moved decisions towards shape"
        return f"{text}: robust training {turn}{everywhere(len(bias.rows))}"
    return f"{text}: {mixed(bias, 'more by shape', 'more by texture')}"


def answer_attack(results: Results) -> str:
    named = [key for key, _ in quantities(results)]
    clean, attacks = next(iter(results.stimuli("unchanged")), None), [key for key in named if results.group(key) == "attack" and key in results.stimuli()]
    price = contrast(results, lambda model: results.accuracy(model, clean))
    gain = contrast(results, lambda model: results.accuracy(model, attacks[0])) if attacks else Contrast([])
    parts = []
    if gain.rows:
        parts.append(f"under attack R still names {gain.span(2)} of the images rightly, S {gain.span(1)}")
    if price.rows:
        verdict = {LOWER: "fewer than S", HIGHER: "more than S", ALIKE: "as many as S within the intervals"}.get(price.agrees() or "", "mixed against S")
        parts.append(f"of unchanged images R names {price.span(2)}, {verdict} ({price.span(1)})")
    return "; ".join(parts)


def answer_stimuli(results: Results) -> str:
    parts = []
    for group, words in (("shape", "keep the shape and lose the texture"), ("texture", "keep the texture and lose the shape")):
        found = {name: contrast(results, lambda model, name=name: results.accuracy(model, name)) for name in results.stimuli(group)}
        found = {name: rows for name, rows in found.items() if rows.rows}
        if not found:
            continue
        ahead = {HIGHER: "R is ahead", LOWER: "S is ahead"}
        counts = [(side, sum(rows.agrees() == status for rows in found.values())) for status, side in ahead.items()]
        said = [f"{side}{everywhere(len(results.pairs()))} on {number(n)} of {number(len(found))}" for side, n in counts if n]
        parts.append(f"of the conditions that {words}, {' and '.join(said) or 'none gives the same answer in all pairs'}")
    return "; ".join(parts)


def answer_filters(results: Results) -> str:
    filters = contrast(results, results.filters)
    if not filters.rows:
        return ""
    smooth = {LOWER: "smoother", HIGHER: "rougher", ALIKE: "as smooth as those of S, within the intervals"}.get(filters.agrees() or "")
    how = f"{smooth}{everywhere(len(filters.rows))}" if smooth else mixed(filters, "rougher", "smoother")
    return f"the first filters of R are {how} (total variation {filters.span(2, False)} against {filters.span(1, False)})"


def tally(claims: pd.DataFrame) -> str:
    """How the comparisons with the claims came out."""
    counts = claims["verdict"].value_counts()
    measured = int(counts.drop("not measured", errors="ignore").sum())
    if not measured:
        return "no claim could be put to a measurement in this study"
    parts = [f"{counts[verdict]} {words}" for verdict, words in (("supported", "support the claim they test"), ("contradicted", "contradict it"), ("undecided", "cannot tell")) if verdict in counts]
    return f"of {measured} comparisons, {joined(parts)}"


def mixed(found: Contrast, more: str, less: str) -> str:
    """``R more in A; less in B; no clear difference in C``."""
    named = ((HIGHER, more), (LOWER, less), (ALIKE, "no clear difference"))
    return "; ".join(f"{words} in {joined(found.pairs(status))}" for status, words in named if found.pairs(status))


# ----------------------------------------------------------------------------------------------------------------- behaviour
def find_accuracy(results: Results) -> list[str]:
    found = [group_sentence(results, group) for group in GROUPS]
    return [text for text in found if text] + single_accuracy(results)


def group_sentence(results: Results, group: str) -> str:
    """What one group of stimuli shows in all pairs."""
    found = {name: contrast(results, lambda model, name=name: results.accuracy(model, name)) for name in results.stimuli(group)}
    found = {name: rows for name, rows in found.items() if rows.rows}
    if not found:
        return ""
    parts = []
    for status, words in ((HIGHER, "R names more rightly"), (LOWER, "S names more rightly"), (ALIKE, "no clear difference")):
        same = {name: rows for name, rows in found.items() if rows.agrees() == status}
        if same:
            named = [f"{stimulus_label(results.study, name)} (S {rows.span(1)}, R {rows.span(2)})" for name, rows in same.items()]
            parts.append(f"{words}{everywhere(max(len(rows.rows) for rows in same.values()))} on {joined(named)}")
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
            readings = [(name, results.accuracy(model, name)) for name in results.stimuli(group)]
            parts = [
                f"{percent(reading.value)} % of {stimulus_label(results.study, name)} (interval {percent(reading.low)} to {percent(reading.high)} %, n = {reading.n})"
                for name, reading in readings
                if reading
            ]
            found += [f"{panel.label} names rightly {joined(parts)}."] if parts else []
    return found


def find_bias(results: Results) -> list[str]:
    bias = contrast(results, results.bias)
    found = [answer_bias(results)]
    for control in results.controls().values():
        reading = results.bias(control["model"])
        if reading:
            found.append(f"the control trained with {control['truth']} as the only cue reads {percent(reading.value)} %, and should read {100 if control['truth'] == 'shape' else 0} %")
    table = results.table("shape_bias").set_index("model")
    if bias.rows:
        shares = table.loc[[model for panel in results.panels() for model in panel.members.values() if model in table.index]]
        found.append(f"shape or texture decide {span(list(shares['shape'] + shares['texture']))} of all conflict images; the rest is decided as neither")
    return [sentence(text) for text in found if text]


def find_ablation(results: Results) -> list[str]:
    """The deepest layer in which both networks have texture units."""
    table = results.table("ablation")
    table = table[table["category"] == "texture"].dropna(subset=["shape_rate", "texture_rate"])
    found = []
    for panel in results.panels():
        rows = {role: table[table["model"] == model].set_index("layer") for role, model in panel.members.items()}
        if len(rows) != 2:
            continue
        layers = [layer for layer in rows["standard"].index if layer in rows["robust"].index]
        if layers:
            said = [
                f"{role[0].upper()} {one['texture_rate']:.1%} of texture decisions and {one['shape_rate']:.1%} of shape decisions".replace("%", " %")
                for role, one in ((role, rows[role].loc[layers[-1]]) for role in ("standard", "robust"))
            ]
            found.append(f"{panel.label}, {layers[-1]}: switching off one texture unit changes in {said[0]}, in {said[1]}.")
    return found


def find_training(results: Results) -> list[str]:
    table = results.table("training")
    last = table.groupby("model", sort=False).tail(1).set_index("model")["accuracy"]
    found = []
    for role, words in (("standard", "S on unchanged"), ("robust", "R on attacked"), ("single", "the network on its")):
        values = [last[panel.members[role]] for panel in results.panels() if panel.members.get(role) in last.index]
        found += [f"{words} training images {span(values)}"] if values else []
    return [sentence(f"accuracy in the last epoch: {joined(found)}")] if found else []


# --------------------------------------------------------------------------------------------------------------------- units
def find_filters(results: Results) -> list[str]:
    found = [answer_filters(results)]
    initial = contrast(results, lambda model: results.filters(model, "filter-unit-norm-initial"))
    if initial.rows:
        found.append(f"before training they read {span([row[place].value for row in initial.rows for place in (1, 2)], False)}")
    deeper = layer_statuses(results, results.table("total_variation").query("statistic == 'filter-unit-norm'"), skip=1)
    if deeper:
        counts = [f"{deeper.count(status)} {words}" for status, words in ((LOWER, "smoother"), (HIGHER, "rougher"), (ALIKE, "without clear difference")) if status in deeper]
        found.append(f"of the {len(deeper)} later convolutions of all pairs R is in {joined(counts)}")
    return [sentence(text) for text in found if text] + single_filters(results)


def single_filters(results: Results) -> list[str]:
    singles = [(panel.label, results.filters(panel.members["single"])) for panel in results.panels() if "single" in panel.members]
    return [f"{label}: total variation of the first filters {reading.value:.3g} ({reading.low:.3g} to {reading.high:.3g})." for label, reading in singles if reading]


def layer_statuses(results: Results, table: pd.DataFrame, skip: int = 0) -> list[str]:
    """What R is against S in every layer of every pair, by the intervals of ``mean``; the first ``skip`` layers are left out."""
    found = []
    for panel in results.panels():
        if len(panel.members) < 2:
            continue
        sides = [table[table["model"] == panel.members[role]].set_index("layer") for role in ("standard", "robust")]
        for layer in layers_of(table, panel)[skip:]:
            if all(layer in side.index for side in sides):
                found.append(status_of(*(Reading(row["mean"], row["low"], row["high"], row["n_units"]) for row in (side.loc[layer] for side in sides))))
    return found


def find_noise(results: Results) -> list[str]:
    table = results.table("total_variation").query("statistic == 'relative-change'")
    first = contrast(results, lambda model: results.filters(model, "relative-change"))
    if not first.rows:
        return []
    statuses = layer_statuses(results, table)
    return [
        sentence(f"noise changes the first layer of S by {first.span(1)} and that of R by {first.span(2)}"),
        sentence(f"the change is smaller in R in {statuses.count(LOWER)} of the {len(statuses)} layers of all pairs, larger in {statuses.count(HIGHER)}"),
    ]


def find_units(results: Results) -> list[str]:
    """What the deepest layer's units stand for, and in how many layers the shares moved."""
    table = results.table("dissection")
    found = []
    for panel in [panel for panel in results.panels() if set(panel.members.values()) <= set(table["model"])]:
        layer = layers_of(table, panel)[-1]
        said = [f"{'' if role == 'single' else role[0].upper() + ' '}{most_common(table, model, layer)}" for role, model in panel.members.items()]
        found.append(f"{panel.label}, {layer}: {'; '.join(said)}.")
    moved = share_changes(results, table)
    for words, changes in moved.items():
        if changes:
            found.append(f"The share of {words} units is higher in R in {sum(c > 0 for c in changes)} and lower in {sum(c < 0 for c in changes)} of {len(changes)} layers of all pairs.")
    return found


def most_common(table: pd.DataFrame, model: str, layer: str) -> str:
    """The two largest categories of a layer in words."""
    rows = table[(table["model"] == model) & (table["layer"] == layer) & (table["share"] > 0)]
    rows = rows.sort_values("share", ascending=False, kind="stable").head(2)
    return "mostly " + ", then ".join(f"{article(row.category)} ({percent(row.share)} % of units)" for row in rows.itertuples())


def share_changes(results: Results, table: pd.DataFrame) -> dict[str, list[float]]:
    """R minus S of the shares of colour and texture, and of object and part units, of every layer of every pair."""
    groups = {"colour and texture": ("color", "texture"), "object and part": ("object", "part")}
    sums = {words: table[table["category"].isin(kinds)].groupby(["model", "layer"])["share"].sum() for words, kinds in groups.items()}
    found: dict[str, list[float]] = {words: [] for words in groups}
    for panel in results.panels():
        if len(panel.members) == 2:
            for layer in layers_of(table, panel):
                keys = [(panel.members[role], layer) for role in ("standard", "robust")]
                for words, values in sums.items():
                    found[words] += [values[keys[1]] - values[keys[0]]] * all(key in values.index for key in keys)
    return found


def find_shift(results: Results) -> list[str]:
    table, found = results.table("concept_shift"), []
    for panel in results.panels():
        rows = table[table["pair"] == panel.name].sort_values("difference", kind="stable")
        ends = [("lost most", rows.head(1)[rows.head(1)["difference"] < 0]), ("gained most", rows.tail(1)[rows.tail(1)["difference"] > 0])]
        said = [f"{words}: {one['name'].iloc[0]} ({int(one['standard'].iloc[0])} → {int(one['robust'].iloc[0])} units)" for words, one in ends if len(one)]
        found += [f"{panel.label}, {', '.join(said)}."] if said else []
    return found


def find_complexity(results: Results) -> list[str]:
    table = results.table("complexity")
    if table.empty:
        return []
    cut = complexity_threshold(results, table)
    statuses = layer_statuses(results, table[table["threshold"] == cut])
    if not statuses:
        return []
    counts = [f"{words} in {statuses.count(status)}" for status, words in ((LOWER, "fewer"), (HIGHER, "more"), (ALIKE, "not clearly different"))]
    return [sentence(f"at an IoU of {cut:g}, R's units respond to {joined(counts)} of {len(statuses)} layers of all pairs (fewer or more concepts than S's)")]
