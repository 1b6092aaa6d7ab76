"""How long ways of doing the same thing take, measured in turn."""

import time
from collections.abc import Callable, Mapping

REPEATS = 3


def fastest(ways: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Seconds of each way: the least of ``REPEATS`` runs; the ways take turns, so that a slow moment of the machine hits all."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(REPEATS):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - started)
    return {name: min(found) for name, found in seconds.items()}
