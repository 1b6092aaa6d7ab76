"""S against R over all pairs, and numbers in words. Networks are called different where their 95 % intervals do not overlap."""

from collections.abc import Callable
from dataclasses import dataclass

from robustlens.report.results import Reading, Results

PERCENT = "\u00a0%"
HIGHER, LOWER, ALIKE = "higher", "lower", "alike"
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
CATEGORY_WORDS = {"color": "a colour", "object": "an object", "none": "no concept"}


@dataclass(frozen=True)
class Contrast:
    """One quantity in S and R of every pair that has enough of it: rows of (pair, S, R)."""

    rows: list[tuple[str, Reading, Reading]]

    def pairs(self, status: str) -> list[str]:
        return [pair for pair, standard, robust in self.rows if status_of(standard, robust) == status]

    def agrees(self) -> str | None:
        """What R is against S in every pair: HIGHER, LOWER or ALIKE; None where pairs differ or there are none."""
        found = {status_of(standard, robust) for _, standard, robust in self.rows}
        return found.pop() if len(found) == 1 else None

    def span(self, role: int, is_share: bool = True) -> str:
        """The values of S (role 1) or R (role 2) over the pairs, ``14–32 %``."""
        return span([readings[role - 1].value for _, *readings in self.rows], is_share)

    def count(self) -> str:
        """What the values of S and R rest on, ``n = 328–331``."""
        return count_of([reading.n for _, *readings in self.rows for reading in readings])


def status_of(standard: Reading, robust: Reading) -> str:
    return HIGHER if robust.low > standard.high else LOWER if robust.high < standard.low else ALIKE


def contrast(results: Results, read: Callable[[str], Reading | None]) -> Contrast:
    """The readings of every pair of which both networks have one that rests on enough."""
    pairs = [panel for panel in results.panels() if len(panel.members) == 2]
    readings = ((panel.label, read(panel.members["standard"]), read(panel.members["robust"])) for panel in pairs)
    return Contrast([(label, s, r) for label, s, r in readings if s and r and s.enough and r.enough])


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
    unit = PERCENT if is_share else ""
    return f"{low}{unit}" if low == high else f"{low}–{high}{unit}"


def count_of(numbers: list[int]) -> str:
    """What several numbers rest on, lowest to highest: ``n = 328–331``."""
    return f"n = {min(numbers)}" + (f"–{max(numbers)}" if max(numbers) > min(numbers) else "")


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


def mixed(found: Contrast, more: str, less: str) -> str:
    """``R more in A; less in B; no clear difference in C``."""
    named = ((HIGHER, more), (LOWER, less), (ALIKE, "no clear difference"))
    return "; ".join(f"{words} in {joined(found.pairs(status))}" for status, words in named if found.pairs(status))
