"""How ways of doing one thing compare: each runs several times, in turn, and two of them are compared run by run."""

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np

REPEATS = 5
Way = TypeVar("Way")


def take_turns(
    ways: Mapping[Way, Callable[[], object]], repeats: int = REPEATS, clock: Callable[[], float] = time.perf_counter
) -> dict[Way, np.ndarray]:
    """Seconds of each run of each way, float64 [repeats]; the ways take turns, so that a slow moment of the machine hits all."""
    seconds: dict[Way, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            started = clock()
            way()
            seconds[name].append(clock() - started)
    return {name: np.array(found) for name, found in seconds.items()}


def spread(values: np.ndarray, digits: int = 2) -> str:
    """``median (least to most)`` of runs or of ratios of runs."""
    return f"{np.median(values):.{digits}f} ({np.min(values):.{digits}f} to {np.max(values):.{digits}f})"


def state_goal(aim: str, found: np.ndarray, *, at_least: float | None = None, at_most: float | None = None, missed: str = "") -> None:
    """Print one line on whether the median of ``found`` reaches a goal; ``missed``: why it does not, where it does not."""
    value, limit = float(np.median(found)), (at_most or 0.0) if at_least is None else at_least
    reached = value >= limit if at_least is not None else value <= limit
    digits = 0 if value >= 20 else 2
    percent = 100 * abs(value - limit) / limit
    said = "reached" if reached else f"missed by {percent:.{0 if percent >= 1 else 1}f} %. {missed}".strip()
    bound = f"at {'least' if at_least is not None else 'most'} {limit:g}"
    print(f"\nGoal: {aim}: {bound}. Found: {spread(found, digits)}: {said}", flush=True)
