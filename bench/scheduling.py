"""What the workflow itself costs: seconds to plan, and wall and CPU seconds a job, without Slurm and over it, in one run.

    python bench/scheduling.py [--jobs 40] [--slurm] [--study]

Planning: dry runs of the embedded study and of the paper's at its full size, with empty files in place of what a user brings. A job: one
that does nothing, by a shell, and by a script as the rules have them. ``--slurm``: the same jobs over the cluster of tests/cluster, which
it starts and stops again, as root, with Slurm's packages; ``--study``: the embedded study both ways, too, whose tables must be the same.
CPU seconds are those of the whole machine, so let nothing else run. Prints Markdown.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml
from timing import spread, state_goal

REPOSITORY = Path(__file__).resolve().parents[1]
CLUSTER = REPOSITORY / "tests/cluster/cluster"
LIMIT = 2.0  # wall time of the study over Slurm / without
REPEATS = 3
SCRIPT = "import robustlens.job\n\ndef main(): pass\n\nrobustlens.job.run_job(main, snakemake)\n"
WORKFLOW = """
rule all:
    localrule: True
    input:
        expand("results/{n}", n=range(%d)),

rule nothing:
    output:
        touch("results/{n}"),
    %s
"""
BODIES = {"shell": 'shell:\n        "true"', "script": 'script:\n        "nothing.py"'}
WAYS = {"without": ["--executor", "local", "--cores", "2"], "Slurm": ["--profile", str(REPOSITORY / "slurm")]}
SITE = {
    "ROBUSTLENS_DEVICE": "cpu",
    "ROBUSTLENS_POLL": "5",
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    "PYTHONPATH": str(REPOSITORY / "workflow_scripts"),  # for the script, which lies elsewhere
}
MISSED = "Snakemake starts twice for every job on its node, and reads the workflow each time."


def busy() -> float:
    """CPU seconds that this machine has spent since it started, without idling and waiting."""
    user, nice, system, _, _, irq, softirq, *_ = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def timed(folder: Path, arguments: list[str]) -> tuple[float, float, str]:
    """Wall and CPU seconds of Snakemake in ``folder``, and what it said."""
    started, spent = time.monotonic(), busy()
    command = [sys.executable, "-m", "snakemake", "--nocolor", "--directory", str(folder), *arguments]
    done = subprocess.run(command, cwd=REPOSITORY, env={**os.environ, **SITE}, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return time.monotonic() - started, busy() - spent, done.stdout + done.stderr


def paper(folder: Path) -> Path:
    """The study of the paper with a path for everything that a user brings."""
    study = yaml.safe_load((REPOSITORY / "studies/imagenet.yaml").read_text(encoding="utf-8"))
    (folder / "brought").mkdir(parents=True)
    (folder / "brought.pt").write_bytes(b"PK")  # as a torch file begins
    for name, spec in study["paths"].items():
        spec["path"] = spec["path"] or str(folder / ("brought.pt" if name in study["models"] else "brought"))
    (folder / "paper.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    return folder / "paper.yaml"


def plan(place: Path) -> None:
    """Print what dry runs take."""
    print("| dry run | jobs | seconds | ms a job |\n|---|---|---|---|")
    for title, options in (("embedded study", []), ("the paper's study", ["--configfile", str(paper(place / "paper"))])):
        found = [timed(place / f"plan {title}", ["--dry-run", *options]) for _ in range(REPEATS)]
        n_jobs = int(re.findall(r"^total +(\d+)$", found[0][2], re.M)[0])
        seconds = np.array([wall for wall, _, _ in found])
        print(f"| {title} | {n_jobs} | {spread(seconds)} | {spread(1000 * seconds / n_jobs, 1)} |", flush=True)


def measure(title: str, n_jobs: int, arguments: list[str], place: Path, ways: list[str]) -> dict[str, float]:
    """Print one row for each way; the wall time of each."""
    seconds = {}
    for way in ways:
        seconds[way], cpu, _ = timed(place / f"{title} {way}", ["--quiet", "all", *arguments, *WAYS[way]])
        numbers = f"{seconds[way]:.1f} | {cpu:.1f} | {seconds[way] / n_jobs:.2f} | {cpu / n_jobs:.2f}"
        print(f"| {title} | {way} | {n_jobs} | {numbers} |", flush=True)
    return seconds


def differing(one: Path, other: Path) -> list[str]:
    """Names of the report's tables that two folders do not have alike."""
    tables = [{path.name: path.read_bytes() for path in (folder / "results/reports").rglob("*.csv")} for folder in (one, other)]
    return sorted(name for name in tables[0].keys() | tables[1].keys() if tables[0].get(name) != tables[1].get(name))


def main(n_jobs: int, slurm: bool, study: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        plan(place)
        (place / "nothing.py").write_text(SCRIPT)
        if slurm:
            subprocess.run([CLUSTER, "up", place / "cluster"], check=True)
        try:
            print("\n| jobs | way | number | wall (s) | CPU (s) | wall (s) a job | CPU (s) a job |\n|---|---|---|---|---|---|---|")
            for body, text in BODIES.items():
                (place / body).write_text(WORKFLOW % (n_jobs, text))
                ways = ["without", "Slurm"] if slurm and body == "shell" else ["without"]
                measure(f"nothing, {body}", n_jobs, ["--snakefile", str(place / body)], place, ways)
            if study and slurm:
                seconds = measure("embedded study", 150, [], place, ["without", "Slurm"])
                if different := differing(*(place / f"embedded study {way}" for way in WAYS)):
                    sys.exit(f"over Slurm other tables: {', '.join(different)}")
                ratio = np.array([seconds["Slurm"] / seconds["without"]])
                state_goal("embedded study over Slurm / without", ratio, at_most=LIMIT, missed=MISSED)
        finally:
            if slurm:
                subprocess.run([CLUSTER, "down"], check=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What the workflow itself costs.")
    parser.add_argument("--jobs", type=int, default=40, help="jobs that do nothing (40)")
    parser.add_argument("--slurm", action="store_true", help="over a Slurm that it starts, too (as root)")
    parser.add_argument("--study", action="store_true", help="with --slurm: run the embedded study both ways, too")
    arguments = parser.parse_args()
    main(arguments.jobs, arguments.slurm, arguments.study)
