"""How far a job is: a line in its log now and then."""

import logging
import time
from collections.abc import Callable

log = logging.getLogger("robustlens")


class Meter:
    """Says ``1,200 of 5,000 images, 312 images/s, 12 s left``, at most every ``every`` seconds and at the end."""

    def __init__(self, total: int, every: float = 10.0, clock: Callable[[], float] = time.monotonic):
        self.total, self.done = total, 0
        self._every, self._clock = every, clock
        self._started = self._said = clock()

    def add(self, n_images: int) -> None:
        """Count ``n_images`` more that are done."""
        self.done += n_images
        now = self._clock()
        if now - self._said < self._every and self.done < self.total:
            return
        self._said = now
        rate = self.done / max(now - self._started, 1e-3)
        left = duration((self.total - self.done) / rate)
        speed = f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"
        log.info("%s of %s images, %s images/s, %s left", f"{self.done:,}", f"{self.total:,}", speed, left)


def duration(seconds: float) -> str:
    """``12 s``, ``4 min``, ``2 h 05 min``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
