"""A cluster that asks for an account, a QOS and the model of a GPU, and bounds time and memory: what is cut, refused, and never starts."""

import shutil
import signal
import subprocess

import pytest

from slurm_runs import Study, accounted, call, job, queue, wait_for

HELD = "predict-alexnet-s-generalisation-0000"
LOG = "logs/predict/alexnet-s_generalisation_0000.log"
SITE = {"ROBUSTLENS_ACCOUNT": "project", "ROBUSTLENS_QOS": "study", "ROBUSTLENS_GPU_MODEL": "a100"}


@pytest.fixture(scope="module")
def runs(slurm_with_limits, copy_of):
    """Three runs at a time: one whose job is refused, one whose job waits for ever, and one whose job is cancelled and sent again.

    That which is ended by Ctrl-C is a process of its own: one that was preloaded does not get the signal.
    """
    refused = copy_of("refused", [0], fresh=False, **SITE | {"ROBUSTLENS_QOS": "nosuch"})
    waiting = copy_of("waiting", [0], **SITE | {"ROBUSTLENS_MAX_RUNTIME": "240"})
    limited = copy_of("limited", [0], fresh=False, **SITE, ROBUSTLENS_BATCH_SIZE="20000")  # of 32 px: they ask for as much as any
    limited.plan(HELD, "hold")
    with limited.make() as run, waiting.make() as stuck, refused.make() as failing:
        asked = job(limited.held(HELD))
        wait_for(lambda: "WAITING predict" in stuck.text(), "what is said of a job that never starts", 120)
        stuck.signal(signal.SIGINT)
        told = recover(limited), recover(limited, elsewhere=True)
        assert job(int(asked["JobId"]))["JobState"] == "RUNNING"
        call("scancel", asked["JobId"])
        failing.end(check=False)
        stuck.end(check=False)
        run.end()
    return refused, waiting, limited, asked, told


def recover(study, elsewhere=False):
    """What slurm/recover says of a run that goes on, as if it were on another host where ``elsewhere``; it must refuse."""
    record = study.folder / ".snakemake/robustlens-run"
    said = record.read_text()
    if elsewhere:
        record.write_text("".join("host login2\n" if line.startswith("host ") else f"{line}\n" for line in said.splitlines()))
    done = subprocess.run(["slurm/recover"], cwd=study.folder, env=study.environment, capture_output=True, text=True, timeout=60)
    record.write_text(said)
    assert done.returncode == 1
    return done.stderr


def test_requests_keep_to_partition_node_and_qos_at_every_attempt(runs):
    *_, limited, asked, _ = runs
    first, second = map(accounted, limited.attempts()[HELD])
    assert [found["TimelimitRaw"] for found in (first, second)] == ["45", "45"]  # of 120 and 240 minutes; the partition has 60, the QOS 45
    assert [found["ReqMem"] for found in (first, second)] == ["12000M", "12000M"]  # of 16,000 and 32,000 on nodes of 12,000
    assert first["State"].startswith("CANCELLED") and second["State"] == "COMPLETED"
    assert (asked["Account"], asked["QOS"], asked["TresPerJob"]) == ("project", "study", "gres:gpu:a100:1")


def test_that_requests_are_cut_is_said_once(runs):
    text = runs[2].run.text()
    assert text.count("Slurm, partition gpu: a job may have 45 min, 12,000 MB, 8 CPUs a node; no attempt asks for more") == 1


def test_a_refusal_is_told_once_with_what_to_set_and_not_tried_again(runs):
    refused = runs[0]
    (line,) = {line.strip() for line in refused.run.text().splitlines() if "FAILED predict" in line}
    assert "shard=0000: Slurm refused it: Invalid qos specification: set qos at the top of slurm/config.yaml (ROBUSTLENS_QOS)" in line
    assert "attempt" not in line and refused.attempts() == {}
    log = (refused.folder / LOG).read_text()
    assert log.count("\n") == 1 and "Slurm refused it: Invalid qos specification" in log  # and nothing of the earlier success


def test_a_job_that_never_starts_is_told_with_its_reason(runs):
    (line,) = [line for line in runs[1].run.text().splitlines() if line.startswith("WAITING")]
    assert line.startswith("WAITING predict (1 job, such as ") and "max_runtime" in line
    assert "PartitionTimeLimit" in line or "QOSMaxWallDurationPerJobLimit" in line


def test_recover_lets_a_run_be_that_lives_here_or_may_live_elsewhere(runs):
    here, elsewhere = runs[4]
    assert "lives here (process " in here
    assert "may live on login2: look there (ssh login2 ps -p " in elsewhere and "--lost" in elsewhere


def test_an_unknown_partition_or_gpu_is_refused_in_a_dry_run(slurm_with_limits, source, tmp_path):
    study = shutil.copytree(source, tmp_path / "dry")
    for name, words in {"GPU_PARTITION": "gpu_partition, one of cpu, gpu, scavenger, got 'none'", "GPU_MODEL": "(a100), got none"}.items():
        environment = {**Study(study).environment, **SITE, f"ROBUSTLENS_{name}": "none"}
        done = subprocess.run(["snakemake", "--profile", "slurm", "-n"], cwd=study, env=environment, capture_output=True, text=True)
        assert done.returncode and words in done.stderr and "Traceback" not in done.stderr


def test_nothing_of_these_runs_is_left(runs):
    wait_for(lambda: not queue(), "the job of the run that was ended by Ctrl-C to be cancelled", 60)
