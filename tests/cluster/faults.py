"""A network that makes chosen jobs fail, for tests: `faults:alexnet` in place of `robustlens.models.miniature:alexnet`.

A job looks in the folder `faults` of the working directory for a file named after it, such as `predict-alexnet-s-generalisation-0001`,
whose text says what shall happen:

hold        the job stands still until something ends it; once: it renames the file to `<name>.taken` first
allocate N  the job takes N MB of memory and holds them for some seconds, at every attempt
"""

import sys
import time
from pathlib import Path

from robustlens.models import miniature


def alexnet(**arguments):
    """The same network, after what was planned for this job."""
    job = getattr(sys.modules["__main__"], "snakemake", None)
    if job is not None:
        commit(Path("faults") / "-".join([job.rule, *map(str, job.wildcards)]))
    return miniature.alexnet(**arguments)


def commit(plan: Path) -> None:
    """Do what the file says, if there is one."""
    if not plan.exists():
        return
    kind, _, megabytes = plan.read_text().partition(" ")
    if kind == "hold":
        plan.rename(plan.with_name(f"{plan.name}.taken"))
        time.sleep(600)
        raise RuntimeError("nothing ended this job")
    taken = []
    for _ in range(int(megabytes) // 100):
        taken.append(b"x" * 100_000_000)  # written, so that it is in memory and not only promised
        time.sleep(0.1)
    time.sleep(8)  # the cluster measures every two seconds
