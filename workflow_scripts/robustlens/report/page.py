"""The report as one HTML file that needs nothing else: figures inlined, no scripts, no fonts, no addresses to fetch."""

import json
import re
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from robustlens.errors import InputError
from robustlens.files import write_text
from robustlens.report import findings, methods, palette
from robustlens.report.headline import headline
from robustlens.report.results import VERDICTS, Results, display, stimulus_label
from robustlens.report.sections import SECTIONS, Section
from robustlens.report.style import number, render

TEMPLATE = Path(__file__).with_suffix(".html.j2")
MOST_ROWS = 300  # of a table on the page; the CSV has all
INKS = {palette.INK: "ink", palette.MUTED: "muted", palette.GRID: "line", palette.FAINT: "faint"}
INKS |= {palette.COLOURS["standard"]: "standard", palette.COLOURS["robust"]: "robust", palette.COLOURS["single"]: "single"}


def write_page(
    page: Path,
    results: Results,
    claims: pd.DataFrame,
    wording: pd.DataFrame,
    published: pd.DataFrame,
    folder: Path,
    cards: list[dict],
    command: str = "",
) -> None:
    """Write the report of a finished run to ``page``.

    ``claims``: claims.csv; ``wording``, ``published``: resources/claims.csv and published.csv; ``folder``: figures and their
    index.json; ``cards``: card.json of the models; ``command``: what made the run.
    """
    gallery = read_gallery(folder)
    facts = published.astype(object).fillna("").to_dict("records")
    shown = claim_groups(claims, wording.fillna(""), facts, results)
    text = render(
        TEMPLATE,
        study=results.study,
        results=results,
        embedded=results.is_embedded(),
        panels=[{"panel": panel, "lines": headline(results, panel.members)} for panel in results.panels()],
        answer=findings.answer(results, claims),
        claims=shown,
        counts={verdict: int((claims["verdict"] == verdict).sum()) for verdict in VERDICTS},
        controls=control_rows(results),
        control_stimuli=[stimulus_label(results.study, name) for name in control_stimuli(results)],
        sections=[section_context(section, results, gallery, shown) for section in SECTIONS],
        failing=[claim for claim in shown if claim["failing"]],
        published=facts,
        definitions=methods.definitions(results),
        versions=methods.versions(),
        command=command,
        models=[{**card, "how": methods.describe_training(results.study, card["model"])} for card in in_order(cards, results)],
    )
    write_text(page, text)


def in_order(cards: list[dict], results: Results) -> list[dict]:
    """The cards in the order of the config."""
    names = list(results.study.get("models") or {})
    return sorted(cards, key=lambda card: names.index(card["model"]) if card["model"] in names else len(names))


# -------------------------------------------------------------------------------------------------------------------- claims
def claim_groups(claims: pd.DataFrame, wording: pd.DataFrame, published: list[dict], results: Results) -> list[dict]:
    """Every claim of the resource table with its rows of this run, its verdicts, and what failed."""
    unknown = sorted(set(claims["verdict"]) - set(VERDICTS))
    if unknown:
        raise InputError("claims.csv", f"a verdict of {', '.join(VERDICTS)}", unknown[0])
    keys, tests = ["claim", "architecture", "statistic"], results.table("claim_tests")
    fallen = set(tests.loc[tests["survives"].eq(False), keys].itertuples(index=False, name=None))
    groups = []
    for claim in wording.itertuples(index=False):
        rows = claims[(claims["claim"] == claim.claim) & (claims["verdict"] != "not measured")]
        found = list(rows[keys].itertuples(index=False, name=None))
        reasons = why_not(claims[(claims["claim"] == claim.claim) & (claims["verdict"] == "not measured")])
        rows = rows.assign(falls=[key in fallen for key in found], published=[publication(published, *key) for key in found])
        counts = {verdict: int((rows["verdict"] == verdict).sum()) for verdict in VERDICTS if (rows["verdict"] == verdict).any()}
        groups.append(
            {
                **claim._asdict(),
                "rows": rows.to_dict("records"),
                "statistics": statistics(rows),
                "why_not": f"Needs {claim.needs}." if not reasons else f"Not measured: {'; '.join(reasons)}.",
                "counts": counts or {"not measured": 0},
                "failing": {
                    verdict: statistics(rows[rows["verdict"] == verdict]) for verdict in ("contradicted", "undecided") if verdict in counts
                },
                "note": claim.embedded_note if results.is_embedded() else "",
            }
        )
    return groups


def why_not(rows: pd.DataFrame) -> list[str]:
    """Why the rows of a claim that were not measured were not; empty where the study lacks what the claim needs."""
    named = rows.dropna(subset="statistic")
    named = named[named["statistic"] != ""].astype({"architecture": object}).fillna({"architecture": ""})
    keys = named[["architecture", "statistic", "n"]].itertuples(index=False, name=None)
    return [f"{statistic} of {display(pair)} has no interval (n {n})" if pair else statistic for pair, statistic, n in keys]


def statistics(rows: pd.DataFrame) -> list[dict]:
    """The rows of a claim by statistic, each with its numbers as strings of equally many decimals."""
    return [
        {"name": name.replace(">=", "≥"), "rows": [printed(row) for row in group.to_dict("records")]}
        for name, group in rows.groupby("statistic", sort=False)
    ]


def publication(published: list[dict], claim: str, architecture: str, statistic: str) -> str:
    """What is published of a comparison, for the ImageNet networks of that name: ``S 0.565, R 0.398``, a direction, or empty."""
    for row in published:
        if row["claim"] == claim and architecture.startswith(row["architecture"]) and statistic.startswith(row["statistic"]):
            values = {"S": row["standard"], "R": row["robust"]}
            return row["direction"] or ", ".join(f"{role} {float(value):.3f}" for role, value in values.items() if value != "")
    return ""


def printed(row: dict) -> dict:
    """A row of claims.csv with its numbers as strings: three decimals below 2, three digits above."""
    numbers = {key: float(row[key]) for key in ("standard", "robust", "difference", "low", "high")}
    largest = max((abs(value) for value in numbers.values() if not pd.isna(value)), default=0)
    decimals = 3 if largest < 2 else 2 if largest < 10 else 1 if largest < 1000 else 0
    text = {key: "–" if pd.isna(value) else f"{value:,.{decimals}f}".replace("-", "−") for key, value in numbers.items()}
    return {**row, **text, "pair": display(str(row["architecture"]))}


def control_stimuli(results: Results) -> list[str]:
    """Two stimuli beside the shape bias of a control: the first that keeps only shape, and only texture."""
    return [names[0] for names in (prefer(results.stimuli("shape"), "silhouette"), results.stimuli("texture")) if names]


def prefer(names: list[str], wanted: str) -> list[str]:
    return sorted(names, key=lambda name: name != wanted)


def control_rows(results: Results) -> list[dict]:
    """What the instrument reads where the truth is known."""
    rows = []
    for name, control in results.controls().items():
        bias = results.bias(control["model"])
        if bias is None:
            continue
        truth = 1.0 if control["truth"] == "shape" else 0.0
        readings = [results.accuracy(control["model"], stimulus) for stimulus in control_stimuli(results)]
        rows.append(
            {
                "name": name,
                "truth": control["truth"],
                "should": truth,
                "bias": bias,
                "readings": readings,
                "right": abs(bias.value - truth) < 0.1,
            }
        )
    return rows


# ------------------------------------------------------------------------------------------------------------------ sections
def section_context(section: Section, results: Results, gallery: dict, claims: list[dict]) -> dict:
    """A section with its figures (or why one is missing), findings, tables and the verdicts of its claims."""

    def belongs(name: str) -> bool:
        known = {entry.removesuffix("-") for other in SECTIONS for entry in other.figures}
        return name in section.figures or (name not in known and name.startswith(tuple(f"{own}-" for own in section.figures)))

    return {
        "key": section.key,
        "question": section.question,
        "asked": section.asked,
        "figures": [figure for figure in gallery["figures"] if belongs(figure["name"])],
        "missing": [figure for figure in gallery["left_out"] if belongs(figure["name"])],
        "findings": section.find(results),
        "tables": [table_context(name, results) for name in section.tables if len(results.tables.get(name, ()))],
        "claims": [claim for claim in claims if claim["claim"] in section.claims],
    }


def table_context(name: str, results: Results) -> dict:
    """A table as strings, cut at MOST_ROWS."""
    table = results.tables[name]
    numeric = [pd.api.types.is_numeric_dtype(table[column]) for column in table]
    rows = [
        [number(cell) if is_number else str(cell) for cell, is_number in zip(row, numeric, strict=True)]
        for row in table.head(MOST_ROWS).itertuples(index=False)
    ]
    return {"name": name, "columns": list(zip(table.columns, numeric, strict=True)), "rows": rows, "n": len(table)}


# ------------------------------------------------------------------------------------------------------------------- figures
def read_gallery(folder: Path) -> dict:
    """``index.json`` of the figures, each with its picture as ``svg`` markup ready for the page."""
    index = folder / "index.json"
    try:
        gallery = json.loads(index.read_text(encoding="utf-8"))
        for figure in gallery["figures"]:
            picture = next(name for name in figure["files"] if name.endswith(".svg"))
            figure["svg"] = inline_svg((folder / picture).read_text(encoding="utf-8"), figure["name"], figure["alt"])
    except (OSError, ValueError, KeyError, StopIteration) as error:
        raise InputError(index, "the index of a folder of figures", repr(error), "run the rule draw_figures") from error
    return gallery


def inline_svg(text: str, name: str, alt: str) -> Markup:
    """An SVG file as an element of a page: ids unique or gone, text in the page's font, line colours those of light or dark."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', text))
    text = re.sub(r' id="([^"]+)"', lambda found: f' id="{name}-{found[1]}"' if found[1] in used else "", text)
    text = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", text)
    text = re.sub(r"'DejaVu Sans'[^;\"]*", "var(--sans)", text)
    for colour, variable in INKS.items():
        text = text.replace(colour, f"var(--figure-{variable})")
    width = re.search(r'<svg[^>]*?width="([\d.]+)pt"', text)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    style = f"--natural: {float(width.group(1)) * 4 / 3:.0f}px" if width else ""
    label = Markup('<svg role="img" aria-label="{}" style="{}"').format(alt, style)
    return Markup(text.replace("<svg", label, 1).strip())
