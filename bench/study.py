"""What the miniature takes from its config to the report, in a folder of its own, and which rules take it.

    python bench/study.py [--cores 2]

CPU seconds are user and system time of the whole process tree, Snakemake's main process among it. Those of each rule, and the largest
memory of its jobs, are from the benchmark files that Snakemake writes, which look at a job every few seconds and so miss a part. Prints
Markdown.
"""

import argparse
import os
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
        started, before = time.monotonic(), os.times()
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
        wall, after = time.monotonic() - started, os.times()
        if done.returncode:
            sys.exit(done.stderr[-4000:])
        files = sorted(Path(folder, "benchmarks").rglob("*.tsv"))
        names = [file.relative_to(Path(folder, "benchmarks")).parts[0].removesuffix(".tsv") for file in files]
        jobs = pd.concat([pd.read_csv(file, sep="\t", na_values="-") for file in files], keys=names, names=["rule"])
    rules = jobs.groupby(level="rule").agg(jobs=("s", "size"), wall=("s", "sum"), cpu=("cpu_time", "sum"), memory=("max_pss", "max"))
    rules = rules.sort_values("wall", ascending=False)
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    n_jobs = len(jobs) + 1  # `all` has no benchmark
    print(f"{cores} cores: {spent:.0f} CPU seconds, {wall:.0f} s by the clock; {n_jobs} jobs\n")
    print("| rule | jobs | seconds in all | CPU seconds | most memory of a job (MB) |\n|---|---|---|---|---|")
    for rule, row in rules.head(SHOWN).iterrows():
        print(f"| {rule} | {row['jobs']:.0f} | {row['wall']:.1f} | {row['cpu']:.1f} | {row['memory']:.0f} |")
    print(f"| {len(rules) - SHOWN} others | {rules['jobs'][SHOWN:].sum():.0f} | {rules['wall'][SHOWN:].sum():.1f} | | |")
    missed = f"Training eight networks takes {100 * rules.loc['train_model', 'cpu'] / jobs['cpu_time'].sum():.0f} % of what the jobs take."
    state_goal("CPU seconds of the miniature", np.array([spent]), at_most=600, missed=missed)
    state_goal("jobs of the miniature", np.array([n_jobs]), at_most=90)
    state_goal("GB of the two largest jobs of the miniature together", np.array([jobs["max_pss"].nlargest(2).sum() / 1000]), at_most=2)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What the miniature takes.")
    parser.add_argument("--cores", type=int, default=2, help="(2)")
    main(parser.parse_args().cores)
