"""What the embedded study takes from its config to the report, in a folder of its own, and which rules take it.

    python bench/study.py [--cores 2]

Wall seconds by the clock; CPU seconds and the largest memory of each rule's jobs from the benchmark files that Snakemake writes. Prints
Markdown.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from timing import state_goal

REPOSITORY = Path(__file__).resolve().parents[1]
SHOWN = 12  # rules


def main(cores: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "snakemake", "--directory", folder, "--cores", str(cores), "--quiet", "all"]
        started = time.monotonic()
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
        wall = time.monotonic() - started
        if done.returncode:
            sys.exit(done.stderr[-4000:])
        files = sorted(Path(folder, "benchmarks").rglob("*.tsv"))
        names = [file.relative_to(Path(folder, "benchmarks")).parts[0].removesuffix(".tsv") for file in files]
        jobs = pd.concat([pd.read_csv(file, sep="\t", na_values="-") for file in files], keys=names, names=["rule"])
    rules = jobs.groupby(level="rule").agg(jobs=("s", "size"), wall=("s", "sum"), cpu=("cpu_time", "sum"), memory=("max_pss", "max"))
    rules = rules.sort_values("wall", ascending=False)
    print(f"{cores} cores: {wall:.0f} s; {len(jobs)} jobs of {jobs['s'].sum():.0f} s in all, {jobs['cpu_time'].sum():.0f} s of CPU\n")
    print("| rule | jobs | seconds in all | CPU seconds | most memory of a job (MB) |\n|---|---|---|---|---|")
    for rule, row in rules.head(SHOWN).iterrows():
        print(f"| {rule} | {row['jobs']:.0f} | {row['wall']:.1f} | {row['cpu']:.1f} | {row['memory']:.0f} |")
    print(f"| {len(rules) - SHOWN} others | {rules['jobs'][SHOWN:].sum():.0f} | {rules['wall'][SHOWN:].sum():.1f} | | |")
    spent = jobs["cpu_time"].sum()
    share, given = rules.loc["train_model", "cpu"] / spent, spent / jobs["s"].sum()
    missed = f"Training eight networks takes {100 * share:.0f} % of the CPU seconds; a job had {100 * given:.0f} % of a core while it ran."
    state_goal("seconds of the embedded study", np.array([wall]), at_most=300, missed=missed)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What the embedded study takes.")
    parser.add_argument("--cores", type=int, default=2, help="(2)")
    main(parser.parse_args().cores)
