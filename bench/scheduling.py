"""What scheduling costs: wall and CPU seconds a job over Slurm, beside the same jobs without it, in one run on one machine.

    python bench/scheduling.py [--jobs 40] [--study]

As root, with Slurm's packages: it starts the cluster of tests/cluster and stops it again. ``--study`` runs the embedded study both ways,
too, and holds the ratio against its limit. CPU seconds are those of the whole machine, so let nothing else run. Prints Markdown.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
CLUSTER = REPOSITORY / "tests/cluster/cluster"
LIMIT = 2.0  # wall time of the study over Slurm / without
WORKFLOW = """
rule all:
    localrule: True
    input:
        expand("results/{n}", n=range(%d)),

rule nothing:
    output:
        touch("results/{n}"),
    shell:
        "true"
"""
WAYS = {"without": ["--executor", "local", "--cores", "2"], "Slurm": ["--profile", str(REPOSITORY / "slurm")]}
SITE = {"ROBUSTLENS_DEVICE": "cpu", "ROBUSTLENS_POLL": "5", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def busy() -> float:
    """CPU seconds that this machine has spent since it started, without idling and waiting."""
    user, nice, system, _, _, irq, softirq, *_ = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def timed(folder: Path, arguments: list[str]) -> tuple[float, float]:
    """Wall and CPU seconds of Snakemake in ``folder``."""
    started, spent = time.monotonic(), busy()
    command = ["snakemake", "--directory", str(folder), "--quiet", "all", *arguments]
    done = subprocess.run(command, cwd=REPOSITORY, env={**os.environ, **SITE}, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return time.monotonic() - started, busy() - spent


def measure(title: str, n_jobs: int, arguments: list[str], place: Path) -> float:
    """Print one row for each way; returns wall time over Slurm / without."""
    seconds = {}
    for way, options in WAYS.items():
        wall, cpu = timed(place / f"{title} {way}", [*arguments, *options])
        seconds[way] = wall
        print(f"| {title} | {way} | {n_jobs} | {wall:.1f} | {cpu:.1f} | {wall / n_jobs:.2f} | {cpu / n_jobs:.2f} |", flush=True)
    return seconds["Slurm"] / seconds["without"]


def main(n_jobs: int, study: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "Snakefile").write_text(WORKFLOW % n_jobs)
        subprocess.run([CLUSTER, "up", place / "cluster"], check=True)
        try:
            print("| workflow | way | jobs | wall (s) | CPU (s) | wall (s) a job | CPU (s) a job |\n|---|---|---|---|---|---|---|")
            measure("nothing", n_jobs, ["--snakefile", str(place / "Snakefile")], place)
            if study:
                ratio = measure("embedded study", 150, [], place)
                print(f"\nembedded study over Slurm / without: {ratio:.2f} (limit {LIMIT:.1f})")
                if ratio > LIMIT:
                    sys.exit("over the limit")
        finally:
            subprocess.run([CLUSTER, "down"], check=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What scheduling costs a job.")
    parser.add_argument("--jobs", type=int, default=40, help="jobs that do nothing (40)")
    parser.add_argument("--study", action="store_true", help="run the embedded study both ways, too")
    arguments = parser.parse_args()
    main(arguments.jobs, arguments.study)
