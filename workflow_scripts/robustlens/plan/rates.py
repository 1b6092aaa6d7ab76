"""How fast jobs of each rule run and how large pictures get: measured in this folder, else as the table that ships says.

A job takes ``start`` seconds (starting Python, importing torch) and then handles ``rate`` of its rule's units a second. The first is
what its benchmark file has beyond the time that its log gives for the work itself.
"""

import csv
import re
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, fields
from math import inf, log
from pathlib import Path
from typing import get_type_hints

from robustlens.errors import InputError
from robustlens.files import replacing
from robustlens.plan.costs import UNITS, Cost
from robustlens.plan.jobs import Job

SAME_WORK = {  # rules whose rate is that of another one
    "train_part": "train_model",
    "verify_model": "predict",
    **dict.fromkeys(("dump_image_set", "count_values", "tally_concepts", "compare_maps"), "dump_activations"),
    "render_source": "render_images",
    "attack_and_sweep": "attack_images",
}  # rules whose rate is that of another one
DONE = re.compile(r" done in ([0-9.]+) s$", re.M)
DEVICE = re.compile(r"^[0-9:]+ device (cpu|cuda)[^,\n]*, ([^,\n]*)", re.M)
PICTURE = "byte/pixel"  # the unit of the size of pictures


@dataclass(frozen=True)
class Rate:
    """``rate``: units a second (of the unit ``byte/pixel``: bytes of a pixel); ``start``: seconds of a job beside; ``n``: jobs measured.

    ``kind`` and ``size``: as of :class:`robustlens.plan.costs.Cost`; ``measured_on``: the device in words.
    """

    rule: str
    device: str
    kind: str
    size: float
    unit: str
    rate: float
    start: float
    n: int
    measured_on: str


def read_rates(path: str | Path) -> list[Rate]:
    """The table of rates that ships. Raises InputError for a table with other columns."""
    numbers = get_type_hints(Rate)
    with open(path, encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        if rows.fieldnames != list(numbers):
            raise InputError(path, f"the columns {','.join(numbers)}", ",".join(rows.fieldnames or []))
        return [Rate(**{key: numbers[key](value) for key, value in row.items()}) for row in rows]


def write_rates(path: str | Path, rates: Iterable[Rate]) -> None:
    """Write a table that :func:`read_rates` reads, numbers to three digits."""
    names = [field.name for field in fields(Rate)]
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(names)
        for rate in rates:
            values = (getattr(rate, name) for name in names)
            rows.writerow([f"{value:.3g}" if isinstance(value, float) else value for value in values])


# ----------------------------------------------------------------------------------------------------------------- measuring
def measured_rates(jobs: Iterable[tuple[Job, Cost]], folder: str | Path) -> list[Rate]:
    """The rates of finished jobs, from their benchmark files and logs in the working directory ``folder``.

    A job without a benchmark file, or one whose work is not known, is passed over, and one of a network whose log names no device.
    """
    found = defaultdict(list)
    for job, cost in jobs:
        run = _read_run(job, Path(folder)) if cost.amount is not None else None
        if run is not None:
            device, name, seconds, work = run
            found[job.rule, device, cost.kind, cost.size].append((name, seconds, work, cost.amount))
    rates = []
    for (rule, device, kind, size), runs in found.items():
        names, lasted, worked, amounts = zip(*runs, strict=True)
        if rule not in UNITS:
            worked = lasted
        rate = sum(amounts) / max(sum(worked), 1e-3)
        start = (sum(lasted) - sum(worked)) / len(runs)
        rates.append(Rate(rule, device, kind, size, UNITS.get(rule, "job"), rate, start, len(runs), " or ".join(sorted(set(names)))))
    return rates


def _read_run(job: Job, folder: Path) -> tuple[str, str, float, float] | None:
    """Of a finished job: device, its name, seconds in all and seconds of the work alone; None where its files do not say."""
    if not job.benchmark or not job.log:
        return None
    try:
        seconds = _seconds(folder / job.benchmark)
        said = (folder / job.log).read_text(encoding="utf-8", errors="replace")
    except (OSError, KeyError, ValueError):
        return None
    devices, works = DEVICE.findall(said), DONE.findall(said)  # of all attempts; the last one ended well
    if not seconds or ("device" in job.resources and not devices):
        return None
    device, name = devices[-1] if devices else ("cpu", "")
    total = sum(seconds) / len(seconds)
    return device, name if device == "cuda" else "cpu", total, min(total, float(works[-1])) if works else total


def measured_sizes(jobs: Iterable[tuple[Job, Cost]], folder: str | Path) -> list[Rate]:
    """Bytes a pixel of the pictures that finished jobs wrote."""
    found = defaultdict(list)
    for job, cost in jobs:
        if cost.pixels and job.output and (n_bytes := _size(Path(folder, job.output[0]))):
            found[job.rule, cost.kind, cost.size].append((n_bytes, cost.pixels * 1e6))
    rates = []
    for (rule, kind, size), files in found.items():
        sizes, pixels = zip(*files, strict=True)
        rates.append(Rate(rule, "", kind, size, PICTURE, sum(sizes) / sum(pixels), 0.0, len(files), ""))
    return rates


def _size(path: Path) -> int:
    """Bytes of a file, or of all files of a folder; 0 where there is none."""
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())


def usual_seconds(rule: str, table: str | Path) -> float | None:
    """Mean seconds of a job of a rule: of those that have run in the working directory, else as ``table`` has it of a job; else None."""
    seconds = []
    for path in [*Path("benchmarks", rule).rglob("*.tsv"), Path("benchmarks", f"{rule}.tsv")]:
        with suppress(OSError, KeyError, ValueError):
            seconds += _seconds(path)
    if seconds:
        return sum(seconds) / len(seconds)
    return next((1 / rate.rate for rate in read_rates(table) if (rate.rule, rate.device, rate.unit) == (rule, "cpu", "job")), None)


def _seconds(path: Path) -> list[float]:
    """What a benchmark file says, one number a repetition."""
    with path.open(encoding="utf-8", newline="") as file:
        return [float(row["s"]) for row in csv.DictReader(file, delimiter="\t")]


# ----------------------------------------------------------------------------------------------------------------- estimating
class Rates:
    """Rates by rule: those ``measured`` here, and where they say nothing of a rule those that ``ship``."""

    def __init__(self, measured: list[Rate], shipped: list[Rate]):
        self.measured, self.shipped = measured, shipped
        self.used: dict[str, set[Rate]] = {}  # by rule: where its times came from

    def seconds(self, job: Job, cost: Cost) -> float | None:
        """How long the job takes; None where its work or the rate of its device is not known."""
        rule, device = SAME_WORK.get(job.rule, job.rule), device_of(job)
        rates = self._rates(rule, device, UNITS.get(rule, "job"), cost)
        if cost.amount is None or not rates:
            return None
        self.used.setdefault(job.rule, set()).update(rates)
        return sum(rate.start + cost.amount / rate.rate for rate in rates) / len(rates)

    def n_bytes(self, job: Job, cost: Cost) -> float | None:
        """What the job writes; None where it is not known. Pictures by the size of others of their kind."""
        if not cost.pixels:
            return cost.n_bytes
        rates = self._rates(job.rule, "", PICTURE, cost)
        return sum(rate.rate for rate in rates) / len(rates) * cost.pixels * 1e6 if rates else None

    def _rates(self, rule: str, device: str, unit: str, cost: Cost) -> list[Rate]:
        """The rates that fit: of the same kind, else those nearest in size; of this folder, else shipped."""
        for table in (self.measured, self.shipped):
            fitting = [rate for rate in table if (rate.rule, rate.device, rate.unit) == (rule, device, unit)]
            same = [rate for rate in fitting if rate.kind == cost.kind]
            if same or fitting:
                nearest = min(_distance(rate.size, cost.size) for rate in fitting)
                return same or [rate for rate in fitting if _distance(rate.size, cost.size) == nearest]
        return []


def _distance(one: float, other: float) -> float:
    return abs(log(one / other)) if one > 0 and other > 0 else (0.0 if one == other else inf)


def device_of(job: Job) -> str:
    """``cpu`` or ``cuda``."""
    return str(job.resources.get("device", "cpu")).partition(":")[0]


def n_cores(job: Job) -> int:
    """Cores that the job holds while it runs."""
    asked = job.resources.get("cpus_per_task", job.threads)
    return asked if type(asked) is int and asked > 0 else job.threads


def n_gpus(job: Job) -> int:
    """GPUs that the job holds while it runs."""
    if device_of(job) == "cpu":
        return 0
    asked = job.resources.get("gpu", 1)
    return asked if type(asked) is int and asked > 0 else 1
