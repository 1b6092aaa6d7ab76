"""The figures over the strength of a change: accuracy over the radius of an attack, errors over the severity of a corruption."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from robustlens.report.figures import LeftOut, panel_grid, panels_with, percent_axis, role_legend, roles_of, styled, whiskers
from robustlens.report.palette import MUTED
from robustlens.report.results import Panel, Results

DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 2, 1, 2)))  # one a pair, where pairs share a panel
NUDGE = 0.09  # severities between the points of two pairs, so that their intervals stand apart
SMALL = 5  # panels in a row


@styled
def draw_robustness(results: Results) -> Figure:
    """Accuracy of S and R over the radius of the attack, from unchanged images on, with intervals; one panel a pair."""
    table = results.table("robustness")
    panels = panels_with(results, table["model"], "the study names no attack of several radii (robustness in the config)")
    if table["eps"].nunique() < 3:
        raise LeftOut("a curve needs two radii at least beside the unchanged images")
    spec = (results.study.get("attacks") or {}).get((results.study.get("robustness") or {}).get("attack"), {})
    figure, axes = panel_grid(len(panels), 1.9, sharex=True, sharey=True)
    for axis, panel in zip(axes, panels, strict=True):
        axis.set_title(panel.label)
        axis.grid(axis="y")
        if chance := results.chance():
            axis.axhline(chance, color=MUTED, linestyle=(0, (2, 2)), linewidth=0.9, zorder=1)
        if "eps" in spec:
            axis.axvline(spec["eps"], color=MUTED, linestyle=(0, (1, 1.5)), linewidth=0.9, zorder=1)
        for role, model in panel.members.items():
            rows = table[table["model"] == model].sort_values("eps")
            whiskers(axis, rows, "top1", list(rows["eps"]), role, vertical=True, linestyle="-")
        percent_axis(axis.yaxis)
        axis.set(ylim=(-0.03, 1.03), xlabel=f"radius ε, {str(spec.get('norm', '')).upper()}".removesuffix(", "))
    axes[0].set_ylabel("images recognised, %")
    extra = [Line2D([], [], color=MUTED, linestyle=(0, (2, 2)), linewidth=0.9, label="guessing")] if results.chance() else []
    extra += [Line2D([], [], color=MUTED, linestyle=(0, (1, 1.5)), linewidth=0.9, label="the study’s attack")] if "eps" in spec else []
    role_legend(figure, roles_of(panels), tuple(extra))
    return figure


@styled
def draw_corruptions(results: Results) -> Figure:
    """Top-1 error of S and R over the severity, one small panel a corruption; pairs share a panel and differ by their line."""
    table = results.table("corruption_errors")
    panels = panels_with(results, table["model"], "the study has no corrupted images of ImageNet-C")
    kinds = list(table["corruption"].unique())
    figure, axes = panel_grid(len(kinds), 1.35, per_row=SMALL, sharex=True, sharey=True)
    for axis, kind in zip(axes, kinds, strict=True):
        axis.set_title(kind.replace("-", " "), fontsize=8)
        axis.grid(axis="y")
        _of_corruption(axis, table[table["corruption"] == kind], panels)
        axis.tick_params(labelbottom=True)
        percent_axis(axis.yaxis)
        axis.set(xlim=(0.6, 5.4), xticks=[1, 2, 3, 4, 5], ylim=(-0.03, 1.03))
    figure.supxlabel("severity", fontsize=8.5)
    figure.supylabel("images named wrongly, %", fontsize=8.5)
    pairs = [Line2D([], [], color=MUTED, linestyle=_dashes(number), label=panel.label) for number, panel in enumerate(panels)]
    role_legend(figure, roles_of(panels), tuple(pairs) if len(panels) > 1 else ())
    return figure


def _of_corruption(axis: Axes, rows: pd.DataFrame, panels: list[Panel]) -> None:
    for number, panel in enumerate(panels):
        shift = NUDGE * (number - (len(panels) - 1) / 2)
        for role, model in panel.members.items():
            own = rows[rows["model"] == model].sort_values("severity")
            style = {"linestyle": _dashes(number), "markersize": 2.8, "linewidth": 1.0, "elinewidth": 0.8}
            whiskers(axis, own, "error", list(own["severity"] + shift), role, vertical=True, **style)


def _dashes(number: int) -> Any:
    return DASHES[number % len(DASHES)]
