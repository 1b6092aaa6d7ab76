"""Print what the study of the config will cost: jobs, images, passes through networks, time, bytes (rule plan)."""

from pathlib import Path

from robustlens.plan.costs import Costs
from robustlens.plan.dry_run import DryRuns, command_for, taken_over
from robustlens.plan.rates import Rates, measured_rates, measured_sizes, read_rates
from robustlens.plan.table import notes, stages_of, table, unmeasured


def main(*, rates: str, config: dict, stages: list[str], snakefile: str, python: str, launched_in: str, arguments: list[str]) -> None:
    """``rates``: the table that ships; ``stages``: rules in the order of the table; ``python``: the interpreter that has Snakemake;
    ``launched_in`` and ``arguments``: where and with which command line the run was started."""
    here = Path.cwd()
    runs = DryRuns(config, snakefile=snakefile, python=python, launched_in=launched_in, folder=here, options=taken_over(arguments))
    everything, left = runs.jobs()
    print(plan(everything, left, config, stages, rates, here, arguments), flush=True)


def plan(everything: list, left: list, config: dict, order: list[str], rates: str, folder: Path, arguments: list[str]) -> str:
    """The text to print, of all jobs of a study and those that are ``left``, for results in ``folder``."""
    costs, to_do = Costs(config), {job.identity for job in left}
    jobs = [(job, costs.of(job), job.identity in to_do) for job in everything]
    finished = [(job, cost) for job, cost, waits in jobs if not waits]
    known = Rates([*measured_rates(finished, folder), *measured_sizes(finished, folder)], read_rates(rates))
    lines = [table(stages_of(jobs, order, known)), "", *notes(jobs, known, Path(rates).name)]
    if trials := unmeasured(jobs, known):
        rules = ", ".join(sorted({job.rule for job in trials}))
        lines += [
            f"GPU time of {rules}: not known before a job of each has run on the GPU (nothing is guessed). Run these, then plan again:"
        ]
        lines += [f"  {command_for(arguments, [job.output[0] for job in trials])}"]
    return "\n".join(lines)


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
