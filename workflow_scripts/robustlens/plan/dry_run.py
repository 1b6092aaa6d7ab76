"""Which jobs a study has, and which of them are still to do: two dry runs of Snakemake beside the run that asks."""

import argparse
import os
import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import yaml

from robustlens.errors import InputError
from robustlens.plan.jobs import VARIABLE, Job, read_jobs

TAKEN_OVER = {  # options of the run that asks which decide what a job is given, or whether it runs: how many values they take
    "--profile": None,
    "--workflow-profile": None,
    "--set-resources": "+",
    "--set-threads": "+",
    "--default-resources": "*",
    "--rerun-triggers": "+",
}


def taken_over(arguments: Sequence[str]) -> list[str]:
    """Of the command line of the run that asks, the options that its dry runs need too."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for name, nargs in TAKEN_OVER.items():
        parser.add_argument(name, nargs=nargs, action="append")
    found = vars(parser.parse_known_args(list(arguments))[0])
    options = []
    for name in TAKEN_OVER:
        for values in found[name.strip("-").replace("-", "_")] or []:
            options += [name, *([values] if isinstance(values, str) else values)]
    return options


def command_for(arguments: Sequence[str], targets: Sequence[str]) -> str:
    """The command line of the run that asks, for other targets than the plan."""
    places = [i for i, word in enumerate(arguments) if word == "plan"]
    bare = [i for i in places if i == 0 or not arguments[i - 1].startswith("-")]  # not the value of an option, if one can tell
    others = [word for i, word in enumerate(arguments) if i not in (bare or places)[-1:]]
    return shlex.join(["snakemake", *targets, *others])


class DryRuns:
    """Lists the jobs of ``config`` in the working directory ``folder``.

    ``python``: the interpreter that has Snakemake; ``launched_in``: the folder in which the run that asks was started, from which
    Snakemake looks for profiles; ``options``: what :func:`taken_over` gives.
    """

    def __init__(self, config: dict, *, snakefile: str, python: str, launched_in: str, folder: str | Path, options: Sequence[str]):
        self.config, self.launched_in = config, launched_in
        self.command = [python, "-m", "snakemake", "--dry-run", "--nolock", "--nocolor", "--snakefile", snakefile]
        self.command += ["--directory", str(folder), "--quiet", "rules", "host", "reason", *options]  # with `progress` none would be listed

    def jobs(self) -> tuple[list[Job], list[Job]]:
        """All jobs of the study, in the order of its stages, and those that are still to do."""
        with tempfile.TemporaryDirectory(prefix="robustlens-plan-") as name:
            config = Path(name, "config.yaml")
            config.write_text(yaml.safe_dump(self.config, sort_keys=False, allow_unicode=True), encoding="utf-8")
            lists = {"all": ["--forceall"], "to-do": []}
            runs = {key: self._start(Path(name, key), ["--configfile", str(config), *extra]) for key, extra in lists.items()}
            said = {key: run.communicate()[0] for key, run in runs.items()}
            for key, run in runs.items():
                if run.returncode:
                    raise InputError("plan", "a dry run of this study", f"an error:\n{said[key].strip()}")
            return read_jobs(Path(name, "all")), read_jobs(Path(name, "to-do"))

    def _start(self, path: Path, extra: list[str]) -> subprocess.Popen:
        path.touch()
        environment = {**os.environ, VARIABLE: str(path)}
        command, pipe = [*self.command, *extra], subprocess.PIPE
        return subprocess.Popen(command, cwd=self.launched_in, env=environment, stdout=pipe, stderr=subprocess.STDOUT, text=True)
