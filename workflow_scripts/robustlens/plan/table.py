"""The plan as a table that a person reads: one row a stage, all of them in the last one, and where the times come from."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from robustlens.plan.costs import Cost
from robustlens.plan.jobs import Job
from robustlens.plan.rates import Rates, device_of, n_cores, n_gpus

TIMES = ((3600.0, "h"), (60.0, "min"), (1.0, "s"))
BYTES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


@dataclass
class Sum:
    """A number added up over jobs, and for how many of them it is not known."""

    total: float = 0.0
    unknown: int = 0
    n: int = 0

    def add(self, value: float | None) -> None:
        self.n += 1
        self.unknown += value is None
        self.total += value or 0.0

    def text(self, unit: float = 1.0, digits: int = 0) -> str:
        """In units of ``unit``; ``-`` where nothing is known, ``> x`` where a part is not, and nothing where there is nothing."""
        if self.unknown and not self.total:
            return "-"
        if not self.total:
            return ""
        value = self.total / unit
        known = f"{value:,.{digits}f}" if value >= 0.5 * 10**-digits else f"<{10**-digits:.{digits}f}"
        return f"> {known}" if self.unknown else known


@dataclass
class Stage:
    """What is to do of one rule, or of all. Times in seconds of one core or one GPU."""

    name: str
    to_do: int = 0
    built: int = 0
    images: Sum = field(default_factory=Sum)
    forward: Sum = field(default_factory=Sum)
    backward: Sum = field(default_factory=Sum)
    cpu: Sum = field(default_factory=Sum)
    gpu: Sum = field(default_factory=Sum)
    longest: Sum = field(default_factory=Sum)  # the job that takes the longest time
    n_bytes: Sum = field(default_factory=Sum)

    def add(self, job: Job, cost: Cost, rates: Rates) -> None:
        """Count a job that is to do."""
        self.to_do += 1
        self.images.add(cost.images)
        self.forward.add(cost.forward)
        self.backward.add(cost.backward)
        self.n_bytes.add(rates.n_bytes(job, cost))
        if not job.output:
            return  # a target, which runs nothing
        seconds = rates.seconds(job, cost)
        self.longest.add(None if seconds is None else max(seconds - self.longest.total, 0.0))
        if device_of(job) == "cpu":
            self.cpu.add(None if seconds is None else seconds * n_cores(job))
        else:
            self.gpu.add(None if seconds is None else seconds * n_gpus(job))


def stages_of(jobs: Sequence[tuple[Job, Cost, bool]], order: Sequence[str], rates: Rates) -> list[Stage]:
    """A stage for each rule of ``jobs`` (job, cost, whether it is to do), in ``order``, and one for all of them."""
    names = sorted({job.rule for job, _, _ in jobs}, key=lambda name: (order.index(name) if name in order else len(order), name))
    stages = {name: Stage(name) for name in names}
    everything = Stage("in all")
    for job, cost, to_do in jobs:
        for stage in (stages[job.rule], everything):
            if to_do:
                stage.add(job, cost, rates)
            else:
                stage.built += 1
    return [*stages.values(), everything]


def table(stages: Sequence[Stage]) -> str:
    """The stages in aligned columns, with units that suit the sums in the header; no column of GPUs where no job asks for one."""
    everything = stages[-1]
    second, time = _unit(max(everything.cpu.total, everything.gpu.total), TIMES)
    byte, size = _unit(everything.n_bytes.total, BYTES)
    rows: list[tuple[str, ...]] = [
        ("", "jobs", "already", "", "forward", "backward", "CPU", "GPU", "longest", "to write"),
        ("stage", "to do", "built", "images", "passes", "passes", time, time, f"job, {time}", size),
    ]
    for stage in stages:
        counts = (f"{stage.to_do:,}", f"{stage.built:,}", stage.images.text(), stage.forward.text(), stage.backward.text())
        times = (total.text(second, 1) for total in (stage.cpu, stage.gpu, stage.longest))
        rows.append((stage.name, *counts, *times, stage.n_bytes.text(byte, 1)))
    if not everything.gpu.n:  # none is asked for
        rows = [(*row[:7], *row[8:]) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [_row(row, widths) for row in rows]
    line = "-" * max(map(len, lines))
    return "\n".join([*lines[:2], line, *lines[2:-1], line, lines[-1]])


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    """The first cell to the left, the others to the right of their columns."""
    return "  ".join(
        [f"{cells[0]:<{widths[0]}}", *(f"{cell:>{width}}" for cell, width in zip(cells[1:], widths[1:], strict=True))]
    ).rstrip()


def _unit(value: float, units: Sequence[tuple[float, str]]) -> tuple[float, str]:
    """The largest unit of which there are at least two; else the smallest."""
    return next((unit for unit in units if value >= 2 * unit[0]), units[-1])


# --------------------------------------------------------------------------------------------------------------------- notes
def notes(jobs: Sequence[tuple[Job, Cost, bool]], rates: Rates, table_name: str) -> list[str]:
    """Sentences under the table: where the times come from, and what is not known, and why."""
    found, left = [], ""
    for source in (rates.measured, rates.shipped):
        used = {rule: those for rule, those in rates.used.items() if those & set(source)}
        if not used:
            continue
        everything = set().union(*used.values())
        where = _list(sorted({rate.measured_on for rate in everything}))
        origin = f"measured here, on {where} ({sum(rate.n for rate in everything):,} finished jobs)"
        if source is rates.shipped:
            origin = f"{table_name}, measured on {where}; this machine may differ"
        found.append(f"Times of {left}{len(used)} stage{'s' * (len(used) > 1)}: {origin}.")
        left = "the other "
    if any(rate.unit == "job" for those in rates.used.values() for rate in those):
        found.append("Tables and figures are taken to last as long as those measured; they grow with the study.")
    if rules := sorted({job.rule for job, cost, to_do in jobs if to_do and _without_a_rate(job, cost, rates)}):
        found.append(f"No time is known for {_list(rules)}: measured neither here nor in {table_name}. One job that has run here tells.")
    unknown: dict[str, set[str]] = {}
    for job, cost, to_do in jobs:
        if to_do and cost.unknown:
            unknown.setdefault(cost.unknown, set()).add(job.rule)
    found += [f"Unknown for {_list(sorted(rules))}: {reason}." for reason, rules in sorted(unknown.items())]
    return found


def _without_a_rate(job: Job, cost: Cost, rates: Rates) -> bool:
    """Whether a job of the CPU, whose work is known, has no time; those of a GPU are listed by themselves."""
    return bool(job.output) and cost.amount is not None and device_of(job) == "cpu" and rates.seconds(job, cost) is None


def unmeasured(jobs: Sequence[tuple[Job, Cost, bool]], rates: Rates) -> list[Job]:
    """For each rule of which jobs are to do on a GPU without a rate, one of them: the first of a first shard."""
    found: dict[str, Job] = {}
    for job, cost, to_do in sorted(jobs, key=lambda row: (row[0].wildcards.get("shard", ""), row[0].output)):
        if to_do and cost.amount is not None and device_of(job) != "cpu" and rates.seconds(job, cost) is None:
            found.setdefault(job.rule, job)
    return list(found.values())


def _list(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else "".join(names)
