"""The micro study over Slurm from nothing, and beside it one whose jobs are cancelled, time out, and run out of memory and of disk."""

import re
import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from runs import REPOSITORY, tables
from slurm_runs import GATHERED, SUITE, Study, accounted, call, full_disk, job

ON_GPUS = ("train_model", "attack_images", "predict", "ablate_units")
GIVEN = re.compile(r"Slurm job (\d+) on node (\w+), CUDA_VISIBLE_DEVICES (\S+)")
CANCELLED, TOO_LONG, TOO_LARGE = (f"predict-alexnet-s-generalisation-{shard:04d}" for shard in range(3))
DISK_FULL = "predict-alexnet-s-hard-0000"


@pytest.fixture(scope="module")
def studies(slurm, source, reference, copy_of) -> tuple[Study, Study]:
    """The study from nothing, and the study with faults; both at a time on one cluster, finished."""
    whole, faulty = Study(Path(shutil.copytree(source, source.with_name("whole"))), fresh=False), copy_of("faulty", range(3))
    profile = faulty.folder / "slurm/config.yaml"
    asked = "gpu.network_memory(16000, most=128000, batch_size=batch_size)"
    assert asked in (text := profile.read_text())
    profile.write_text(text.replace(asked, "gpu.memory(1500, most=128000)"))
    for name, fault in {CANCELLED: "hold", TOO_LONG: "hold", TOO_LARGE: "allocate 1200"}.items():
        faulty.plan(name, fault)
    predictions = faulty.folder / "results/predictions/alexnet-s/hard"
    shutil.rmtree(predictions)
    faulty.missing.append(f"{predictions.relative_to(faulty.folder)}/shard-0000.parquet")
    with full_disk(predictions) as make_room, faulty.make() as faulty_run:
        call("scontrol", "update", f"jobid={faulty.held(TOO_LONG)}", "TimeLimit=1")
        call("scancel", faulty.held(CANCELLED))
        with whole.make() as whole_run:
            faulty.wait_for(lambda: DISK_FULL in faulty.attempts(), "the job with a full disk to start")
            faulty.wait_for(lambda: job(faulty.attempts()[DISK_FULL][0])["JobState"] == "FAILED", "the job with a full disk to fail")
            make_room()
            faulty_run.end()
            whole_run.end()
    return whole, faulty


def test_the_tables_are_those_of_a_run_without_slurm(studies, reference):
    assert studies[0].tables() == reference.tables()
    assert (studies[0].folder / "results/reports/index.html").stat().st_size > 100_000


def test_every_job_ran_once_where_it_belongs(studies):
    attempts = studies[0].attempts()
    assert sum(name.startswith(ON_GPUS) for name in attempts) == 14
    for name, numbers in attempts.items():
        assert len(numbers) == 1, name
        found = accounted(numbers[0])
        assert found["State"] == "COMPLETED"
        assert found["Partition"] == ("gpu" if name.startswith(ON_GPUS) else "cpu"), name
        assert ("gres/gpu=1" in found["AllocTRES"].split(",")) == name.startswith(ON_GPUS), name


def test_never_two_jobs_on_one_device(studies):
    """Of what each job's log says that it was given, and when Slurm says that it ran."""
    intervals: dict[tuple[str, str], list[tuple[str, str]]] = {}
    logs = [log for rule in ON_GPUS for log in (studies[0].folder / "logs" / rule).glob("*.log")]
    for log in logs:
        number, node, device = GIVEN.search(log.read_text()).groups()
        found = accounted(int(number))
        intervals.setdefault((node, device), []).append((found["Start"], found["End"]))
    assert len(logs) == 14 and len(intervals) > 1 and {device for _, device in intervals} <= {"0", "1"}
    for of_device in intervals.values():
        assert all(end <= start for (_, end), (start, _) in pairwise(sorted(of_device)))


def test_a_second_run_does_nothing(studies):
    assert "Nothing to be done" in studies[0].snakemake("--profile", "slurm")


def test_a_dry_run_announces_the_jobs(source, slurm):
    announced = Study(source).snakemake("--profile", "slurm", "-n")
    assert {tuple(line.split()) for line in announced.splitlines() if line.startswith("predict ")} == {("predict", "8")}


def test_a_cancelled_job_is_sent_again(studies):
    first, second = map(accounted, studies[1].attempts()[CANCELLED])
    assert first["State"].startswith("CANCELLED")
    assert second["State"] == "COMPLETED"


def test_a_job_at_its_time_limit_is_sent_again_with_more_time(studies):
    first, second = map(accounted, studies[1].attempts()[TOO_LONG])
    assert (first["State"], second["State"]) == ("TIMEOUT", "COMPLETED")
    assert second["TimelimitRaw"] == "240"  # minutes; the first was sent with 120


def test_a_job_beyond_its_memory_is_sent_again_with_more(studies):
    first, second = studies[1].attempts()[TOO_LARGE]
    assert "Exceeded job memory limit" in studies[1].log(first)
    assert accounted(first)["State"] in ("FAILED", "OUT_OF_MEMORY")
    assert accounted(second)["State"] == "COMPLETED"
    assert (accounted(first)["ReqMem"], accounted(second)["ReqMem"]) == ("1500M", "3000M")


def test_a_job_on_a_full_disk_is_sent_again_when_there_is_room(studies):
    first, *_, last = studies[1].attempts()[DISK_FULL]
    assert "No space left on device" in studies[1].log(first)
    assert (accounted(first)["State"], accounted(last)["State"]) == ("FAILED", "COMPLETED")


def test_a_fault_costs_its_own_shard_only(studies, reference):
    attempts = studies[1].attempts()
    assert all(len(numbers) > 1 for numbers in attempts.values())
    assert attempts.keys() == {CANCELLED, TOO_LONG, TOO_LARGE, DISK_FULL}  # and no other model's job
    assert studies[1].tables() == reference.tables()


def test_a_damaged_file_is_named_and_made_again_when_it_is_gone(slurm, copy_of, reference):
    study = copy_of("damaged", [], fresh=False)
    study.missing = [GATHERED]
    damaged = study.folder / SUITE / "shard-0002.parquet"
    damaged.write_bytes(damaged.read_bytes()[:1000])
    said = study.snakemake("--profile", "slurm", "--retries", "0", GATHERED, check=False)
    assert f"{SUITE}/shard-0002.parquet: expected a complete Parquet file" in said
    damaged.unlink()  # as the documentation says
    with study.make() as run:
        run.end()
    assert study.tables() == reference.tables()


@pytest.mark.full
def test_the_miniature_over_slurm(slurm, source, miniature):
    """The study that ships, in fresh interpreters: an hour of one core."""
    study = Study(Path(shutil.copytree(source, source.with_name("miniature"))))
    shutil.copy(REPOSITORY / "config.yaml", study.folder / "config.yaml")
    with study.make() as run:
        run.end(limit=7200)
    assert tables(study.folder) == tables(miniature)
