"""The study as it ships over Slurm, from a clone to the report: the tables of a run without, one GPU a job."""

import re
import shutil
from datetime import datetime
from itertools import pairwise

import pytest

from runs import REPOSITORY, tables
from slurm_runs import Study, call, clone

pytestmark = pytest.mark.study
ON_GPUS = ("train_model", "attack_images", "trace_robustness", "predict", "dump_activations", "ablate_units")
GIVEN = re.compile(r"Slurm job (\d+) on node (\w+), CUDA_VISIBLE_DEVICES (\S+)")


@pytest.fixture(scope="module")
def over_slurm(slurm, tmp_path_factory) -> Study:
    """The study, finished."""
    folder = clone(tmp_path_factory.mktemp("embedded") / "clone")
    shutil.copy(REPOSITORY / "config.yaml", folder)
    study = Study(folder, ROBUSTLENS_POLL="5", ROBUSTLENS_BATCH_SIZE="200")
    with study.make() as run:
        run.end(limit=2400)
    return study


@pytest.fixture(scope="module")
def jobs(over_slurm) -> list[dict[str, str]]:
    """What the accounting database knows of each job of the study, with the name of its rule."""
    rules = {number: name.partition("-")[0] for name, numbers in over_slurm.attempts().items() for number in numbers}
    fields = ("JobID", "State", "Partition", "NodeList", "AllocTRES", "Start", "End")
    text = call(
        "sacct", "--allocations", "--noheader", "--parsable2", f"--jobs={','.join(map(str, rules))}", f"--format={','.join(fields)}"
    )
    found = [dict(zip(fields, line.split("|"), strict=True)) for line in text.splitlines()]
    return [{**job, "Rule": rules[int(job["JobID"])]} for job in found]


def test_its_tables_are_those_of_a_run_without_slurm(over_slurm, miniature):
    expected, found = tables(miniature), tables(over_slurm.folder)
    assert expected.keys() == found.keys()
    assert {name for name in expected if expected[name] != found[name]} == set()
    assert (over_slurm.folder / "results/reports/index.html").stat().st_size > 1_000_000


def test_every_job_ran_once_and_where_it_belongs(jobs):
    assert len(jobs) > 100 and {job["Rule"] for job in jobs} > set(ON_GPUS)
    for job in jobs:
        on_gpu = job["Rule"] in ON_GPUS
        assert job["State"] == "COMPLETED", job
        assert job["Partition"] == ("gpu" if on_gpu else "cpu"), job
        assert ("gres/gpu=1" in job["AllocTRES"].split(",")) == on_gpu, job


def test_never_two_jobs_on_one_device(over_slurm, jobs):
    times = {job["JobID"]: (datetime.fromisoformat(job["Start"]), datetime.fromisoformat(job["End"])) for job in jobs}
    devices: dict[tuple[str, str], list] = {}
    for rule in ON_GPUS:
        for log in (over_slurm.folder / "logs" / rule).glob("*.log"):
            number, node, device = GIVEN.search(log.read_text()).groups()
            devices.setdefault((node, device), []).append(times[number])
    assert {node for node, _ in devices} == {"gpu0", "gpu1"} and {device for _, device in devices} == {"0", "1"}
    assert sum(map(len, devices.values())) == sum(job["Rule"] in ON_GPUS for job in jobs)
    for intervals in devices.values():
        assert all(end <= start for (_, end), (start, _) in pairwise(sorted(intervals)))
