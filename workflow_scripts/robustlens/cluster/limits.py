"""What Slurm allows a job of a partition, asked once when the profile is read, and requests that keep to it.

Runs in Snakemake's main process before anything else; needs nothing but Python.
"""

import math
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from robustlens.errors import InputError

PARTITIONS = ("scontrol", "--all", "--oneliner", "show", "partition")
NODES = ("sinfo", "--all", "--noheader", "--Node", "--format=%R|%m|%c|%G")
QOS = ("sacctmgr", "--noheader", "--parsable2", "show", "qos", "format=Name,MaxWall,MaxTRES,Flags", "where")
PIXELS = "ROBUSTLENS_PIXELS"  # of the environment: px of the study's largest image, as the workflow finds it in the config
USUAL_PIXELS = 256 * 224**2  # px of all images of a pass for which what a network job has always asked for was found to be enough
PATIENCE = 10.0  # seconds that a command of Slurm's may take
UNITS = {"": 1, "K": 1 / 1024, "M": 1, "G": 1024, "T": 1024**2}  # of memory, in MB
_said: set[str] = set()


@dataclass(frozen=True)
class Limits:
    """Of one job in ``partition``: minutes, MB of memory and CPUs on a node; infinite where nothing bounds them."""

    partition: str
    minutes: float = math.inf
    mem_mb: float = math.inf
    n_cpus: float = math.inf

    def runtime(self, minutes: int) -> str:
        """Snakemake's expression of the minutes of an attempt: so many times ``minutes``, within the limit."""
        self._say_where(self.minutes < 3 * minutes)
        return f"{minutes} * attempt" if self.minutes == math.inf else f"min({minutes} * attempt, {self.minutes:.0f})"

    def memory(self, mem_mb: int, most: int) -> str:
        """The same of memory in MB; ``most``: where a request ends to grow in any case."""
        self._say_where(self.mem_mb < min(3 * mem_mb, most))
        return f"min({mem_mb} * attempt, {min(most, self.mem_mb):.0f})"

    def network_memory(self, mem_mb: int, most: int, batch_size: int) -> str:
        """The same of a job that runs a network: a quarter of ``mem_mb`` in any case, and of the rest as much as its images need.

        All of it for a pass of ``USUAL_PIXELS`` or more. How large an image is the workflow says when the expression is evaluated.
        """
        self._say_where(self.mem_mb < min(3 * mem_mb, most))
        base = mem_mb // 4
        first = f"int({base} + {mem_mb - base} * min(1, {batch_size} * ${PIXELS} / {USUAL_PIXELS}))"
        return f"min({first} * attempt, {min(most, self.mem_mb):.0f})"

    def cpus(self, n: int) -> int:
        """``n``, or what the nodes have."""
        self._say_where(self.n_cpus < n)
        return int(min(n, self.n_cpus))

    def _say_where(self, cut: bool) -> None:
        if cut:
            say(self.sentence())

    def sentence(self) -> str:
        """The limits in words."""
        parts = [f"{self.minutes:,.0f} min"] if self.minutes < math.inf else []
        parts += [f"{self.mem_mb:,.0f} MB"] if self.mem_mb < math.inf else []
        parts += [f"{self.n_cpus:,.0f} CPUs a node"] if self.n_cpus < math.inf else []
        longer = "; a training that takes longer needs epochs_per_job in its recipe" if self.minutes < math.inf else ""
        return (
            f"Slurm, partition {self.partition}: a job may have {', '.join(parts)}; no attempt asks for more "
            f"(max_runtime and max_mem in slurm/config.yaml set it){longer}"
        )


def say(sentence: str) -> None:
    """Print a sentence to standard error, once in a process: the profile is read more than once."""
    if sentence not in _said:
        _said.add(sentence)
        print(sentence, file=sys.stderr, flush=True)


def ask_slurm(command: Sequence[str]) -> str | None:
    """What a command of Slurm's prints; None where there is none, or where it fails."""
    if not shutil.which(command[0]):
        return None
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if not done.returncode else None


def limits_of(
    partition: str,
    *,
    key: str,
    qos: str = "",
    gpu_model: str = "",
    max_runtime: int = 0,
    max_mem: int = 0,
    ask: Callable[[Sequence[str]], str | None] = ask_slurm,
) -> Limits:
    """The limits of a job in ``partition`` (several, with commas: what all of them allow), which the profile's ``key`` names.

    ``max_runtime`` (minutes) and ``max_mem`` (MB) take the place of what Slurm says where they are not 0. Without Slurm's commands, or
    where they do not answer, nothing is known. Raises InputError for a partition, or a GPU of this model in it, that is not there.
    """
    limits = Limits(partition)
    known = partitions(ask(PARTITIONS) or "")
    if not known and shutil.which(PARTITIONS[0]):
        say("Slurm does not say what its partitions allow: requests are as slurm/config.yaml has them")
    for name in partition.split(",") if known else ():
        if name not in known:
            mend = f"set {key} at the top of slurm/config.yaml, or ROBUSTLENS_{key.upper()}"
            raise InputError("slurm/config.yaml", f"{key}, one of {', '.join(sorted(known))}", repr(name), mend)
        limits = _narrower(limits, _of_partition(name, known[name], ask(NODES) or "", gpu_model, qos, ask))
    return replace(limits, minutes=max_runtime or limits.minutes, mem_mb=max_mem or limits.mem_mb)


def _of_partition(name: str, fields: dict[str, str], nodes: str, gpu_model: str, qos: str, ask) -> Limits:
    rows = [row.split("|") for row in nodes.splitlines() if row.count("|") == 3 and row.startswith(f"{name}|")]
    if gpu_model and rows:
        models = sorted({model for row in rows for model in _models(row[3])})
        rows = [row for row in rows if gpu_model in _models(row[3])]
        if not rows:
            mend = "set gpu_model at the top of slurm/config.yaml, or ROBUSTLENS_GPU_MODEL; empty for any"
            raise InputError("slurm/config.yaml", f"gpu_model, a GPU of partition {name} ({', '.join(models) or 'none'})", gpu_model, mend)
    mem_mb = max((float(row[1].rstrip("+")) for row in rows), default=math.inf)
    n_cpus = max((float(row[2].rstrip("+")) for row in rows), default=math.inf)
    minutes, flags = minutes_in(fields.get("MaxTime", "")), ""
    mem_mb = min(mem_mb, megabytes_in(fields.get("MaxMemPerNode", "")))
    names = [word for word in (qos, fields.get("QoS", "N/A")) if word and word != "N/A"]
    for row in (ask([*QOS, f"name={','.join(names)}"]) or "").splitlines() if names else ():
        _, wall, tres, flags = (*row.split("|"), "", "", "")[:4]
        minutes = minutes_in(wall) if "PartitionTimeLimit" in flags and wall else min(minutes, minutes_in(wall))
        most = dict(part.split("=", 1) for part in tres.split(",") if "=" in part)
        mem_mb, n_cpus = min(mem_mb, megabytes_in(most.get("mem", ""))), min(n_cpus, float(most.get("cpu", "inf")))
    return Limits(name, minutes, mem_mb, n_cpus)


def _models(gres: str) -> set[str]:
    """``a100`` of ``gpu:a100:2(S:0-1)``; none of ``gpu:2``."""
    parts = [part.split(":") for part in re.sub(r"\(.*?\)", "", gres).split(",")]
    return {part[1] for part in parts if len(part) == 3 and part[0] == "gpu"}


def _narrower(one: Limits, other: Limits) -> Limits:
    return Limits(one.partition, min(one.minutes, other.minutes), min(one.mem_mb, other.mem_mb), min(one.n_cpus, other.n_cpus))


def partitions(text: str) -> dict[str, dict[str, str]]:
    """Name -> fields, of what ``scontrol --oneliner show partition`` prints."""
    rows = [dict(field.split("=", 1) for field in line.split() if "=" in field) for line in text.splitlines()]
    return {row["PartitionName"]: row for row in rows if "PartitionName" in row}


def minutes_in(text: str) -> float:
    """Minutes of Slurm's ``days-hours:minutes:seconds``, without the seconds; infinite for ``UNLIMITED``, ``infinite`` or nothing."""
    found = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d+):\d+", text)
    if not found:
        return math.inf
    days, hours, minutes = (int(part or 0) for part in found.groups())
    return 1440 * days + 60 * hours + minutes


def megabytes_in(text: str) -> float:
    """Whole MB of Slurm's ``64000``, ``12G`` or ``1.50T``; infinite for ``UNLIMITED`` or nothing."""
    found = re.fullmatch(r"([\d.]+)([KMGT]?)B?", text)
    return math.floor(float(found[1]) * UNITS[found[2]]) if found else math.inf
