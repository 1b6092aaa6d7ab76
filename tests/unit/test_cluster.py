"""What Slurm allows, says and keeps waiting, read from what its commands print: requests that keep to it, and what to change."""

import math
import os
import sys
from pathlib import Path

import pytest
import yte

from robustlens.cluster import limits
from robustlens.cluster.limits import Limits, limits_of, megabytes_in, minutes_in
from robustlens.cluster.messages import advice_for_waiting, said_of_failure
from robustlens.cluster.watching import Waiting
from robustlens.errors import InputError

PARTITIONS = """\
PartitionName=cpu AllowGroups=ALL QoS=N/A MaxMemPerNode=UNLIMITED MaxTime=UNLIMITED Nodes=c[0-1] State=UP
PartitionName=gpu AllowGroups=ALL QoS=N/A MaxMemPerNode=UNLIMITED MaxTime=01:00:00 Nodes=g[0-2] State=UP
PartitionName=long AllowGroups=ALL QoS=part MaxMemPerNode=8000 MaxTime=2-00:00:00 Nodes=g[0-2] State=UP
"""
NODES = """\
cpu|64000|4|(null)
gpu|12000|8|gpu:a100:2(S:0-1)
gpu|11000+|8|gpu:a100:2
gpu|24000|16|gpu:2080ti:4
long|12000|8|gpu:2
"""
QOS = {"short": "short|00:30:00|cpu=2,mem=6G|\n", "over": "over|1-00:00:00||PartitionTimeLimit\n", "part": "part|10:00:00||\n"}


def ask(command):
    """In place of Slurm."""
    if command[0] == "sacctmgr":
        return "".join(QOS.get(name, "") for name in command[-1].removeprefix("name=").split(","))
    return {"scontrol": PARTITIONS, "sinfo": NODES}[command[0]]


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch):
    monkeypatch.setattr(limits, "_said", set())


def of(partition="gpu", **options):
    return limits_of(partition, key="gpu_partition", ask=ask, **options)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"partition": "cpu"}, (math.inf, 64000, 4)),
        ({}, (60, 24000, 16)),
        ({"gpu_model": "a100"}, (60, 12000, 8)),
        ({"partition": "long"}, (600, 8000, 8)),  # by its own QOS, and its MaxMemPerNode
        ({"partition": "gpu,long"}, (60, 8000, 8)),
        ({"qos": "short"}, (30, 6144, 2)),
        ({"qos": "over"}, (1440, 24000, 16)),
        ({"max_runtime": 240, "max_mem": 100}, (240, 100, 16)),
    ],
)
def test_what_a_partition_allows(options, expected):
    found = of(**options)
    assert (found.minutes, found.mem_mb, found.n_cpus) == expected


def test_without_slurm_nothing_is_known_and_requests_are_what_they_were(capsys, monkeypatch):
    monkeypatch.setattr(limits.shutil, "which", lambda name: None)
    found = limits_of("gpu", key="gpu_partition")
    assert (found.memory(16000, 128000), found.runtime(120), found.cpus(4)) == ("min(16000 * attempt, 128000)", "120 * attempt", 4)
    assert capsys.readouterr().err == ""


def test_a_slurm_that_does_not_answer_is_said(capsys, monkeypatch):
    monkeypatch.setattr(limits.shutil, "which", lambda name: "/usr/bin/" + name)
    assert limits_of("gpu", key="gpu_partition", ask=lambda command: None) == Limits("gpu")
    assert capsys.readouterr().err == "Slurm does not say what its partitions allow: requests are as slurm/config.yaml has them\n"


def test_requests_keep_to_the_limits_at_every_attempt_and_it_is_said_once(capsys):
    found = of(gpu_model="a100")
    asked = [found.memory(16000, 128000), found.runtime(1440), found.runtime(15)]
    values = [[eval(expression, {"attempt": attempt}) for attempt in (1, 2, 3)] for expression in asked]
    assert values == [[12000, 12000, 12000], [60, 60, 60], [15, 30, 45]]
    assert (found.cpus(4), found.cpus(20)) == (4, 8)
    said = capsys.readouterr().err
    assert said.startswith("Slurm, partition gpu: a job may have 60 min, 12,000 MB, 8 CPUs a node; no attempt asks for more")
    assert said.count("\n") == 1 and "max_runtime" in said and "epochs_per_job" in said


@pytest.mark.parametrize(("side", "mb"), [(32, 4244), (64, 4979), (224, 16000), (448, 16000)])
def test_a_network_job_asks_for_what_its_images_need(side, mb, monkeypatch):
    monkeypatch.setenv(limits.PIXELS, f"{side**2}")
    asked = os.path.expandvars(Limits("gpu").network_memory(16000, 128000, batch_size=256))  # as Snakemake evaluates it
    assert [eval(asked, {"attempt": attempt}) for attempt in (1, 2, 3)] == [mb, 2 * mb, 3 * mb]


def test_requests_within_the_limits_are_not_spoken_of(capsys):
    found = Limits("gpu", 360, 48000, 4)
    found.memory(16000, 128000), found.runtime(120), found.cpus(4)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"partition": "gpus"}, r"gpu_partition, one of cpu, gpu, long, got 'gpus'; set gpu_partition .* ROBUSTLENS_GPU_PARTITION"),
        ({"gpu_model": "h100"}, r"gpu_model, a GPU of partition gpu \(2080ti, a100\), got h100; .*ROBUSTLENS_GPU_MODEL"),
        ({"partition": "long", "gpu_model": "a100"}, r"gpu_model, a GPU of partition long \(none\), got a100"),
    ],
)
def test_a_partition_or_gpu_that_is_not_there_is_refused_when_the_profile_is_read(options, words):
    with pytest.raises(InputError, match=rf"^slurm/config.yaml: expected {words}"):
        of(**options)


def test_slurms_times_and_sizes():
    times = {"UNLIMITED": math.inf, "": math.inf, "00:30:00": 30, "01:00:00": 60, "2-00:00:00": 2880, "1-02:03:04": 1563}
    assert {text: minutes_in(text) for text in times} == times
    sizes = {"UNLIMITED": math.inf, "": math.inf, "64000": 64000, "12G": 12288, "1.50T": 1572864, "512M": 512}
    assert {text: megabytes_in(text) for text in sizes} == sizes


PROFILE = Path(__file__).resolve().parents[2] / "slurm/config.yaml"


def read_profile(monkeypatch, folder, *words):
    """The profile as ``snakemake <words>`` reads it in ``folder``, on a machine without Slurm."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["snakemake", *map(str, words)])
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("SLURM_CONF", "/dev/null")
    monkeypatch.setenv(limits.PIXELS, "1")
    return yte.process_yaml(PROFILE.read_text())


@pytest.mark.parametrize(
    "words", [("--profile", PROFILE.parent), (f"--profile={PROFILE.parent}",), ("-s", PROFILE.parents[1] / "Snakefile")]
)
def test_the_profile_is_read_in_any_folder(tmp_path, monkeypatch, words):
    for name, value in {"QOS": "short", "CONSTRAINT": "all", "RESERVATION": "course", "MAX_RUNTIME": "60", "MAX_MEM": "12000"}.items():
        monkeypatch.setenv(f"ROBUSTLENS_{name}", value)
    found = read_profile(monkeypatch, tmp_path, *words)
    usual, training = found["default-resources"], found["set-resources"]["train_model"]
    assert (usual["qos"], usual["constraint"], found["slurm-reservation"]) == ("'short'", "'all'", "course")
    assert (usual["runtime"], training["runtime"]) == ("min(60 * attempt, 60)", "min(1440 * attempt, 60)")
    assert usual["mem_mb"] == "min(4000 * attempt, 12000)" and training["mem_mb"].endswith(", 12000)") and training["qos"] == "'short'"


def test_a_profile_that_does_not_find_its_clone_says_so(tmp_path, monkeypatch):
    with pytest.raises(
        SystemExit, match=rf"expected a clone of robustlens in {tmp_path}, got none; call snakemake there, or name its Snakefile"
    ):
        read_profile(monkeypatch, tmp_path, "--profile", "slurm")


# -------------------------------------------------------------------------------------------------------------------- messages
SBATCH = (
    "SLURM sbatch failed. The error message was 'sbatch: error: Batch job submission failed: {}'.\n    sbatch call:\n  sbatch\nFor further"
)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("Invalid partition name specified", "ROBUSTLENS_GPU_PARTITION"),
        ("Invalid account or account/partition combination specified", "ROBUSTLENS_ACCOUNT|account and the partitions"),
        ("Invalid qos specification", "ROBUSTLENS_QOS"),
        ("Requested time limit is invalid (missing or exceeds some limit)", "ROBUSTLENS_MAX_RUNTIME"),
        ("Invalid generic resource (gres) specification", "ROBUSTLENS_GPU_MODEL"),
        ("Memory required by task is not available", "ROBUSTLENS_MAX_MEM"),
        ("Requested node configuration is not available", "max_mem, gpus, gpu_model and constraint"),
        ("Invalid feature specification", "ROBUSTLENS_CONSTRAINT"),
        ("Requested reservation is invalid", "ROBUSTLENS_RESERVATION"),
    ],
)
def test_a_refusal_names_what_to_set_and_is_for_good(words, named):
    said = said_of_failure(SBATCH.format(words))
    assert said.refused and not said.began
    assert said.sentence.startswith(f"Slurm refused it: {words}: set ") and any(name in said.sentence for name in named.split("|"))


def test_an_account_that_the_executor_refuses_itself():
    said = said_of_failure(
        "Job submission failed with exception: The given account x appears to be invalid. Available accounts:\nusFor further error"
    )
    assert said.refused and "account x appears to be invalid. Available accounts; us" in said.sentence.replace(":;", ";")
    assert "ROBUSTLENS_ACCOUNT" in said.sentence


@pytest.mark.parametrize(
    "words",
    ["Unable to contact slurm controller (connect failure)", "Socket timed out on send/recv operation", "Resource temporarily unavailable"],
)
def test_a_controller_that_is_away_is_asked_again(words):
    assert not said_of_failure(SBATCH.format(words)).refused


def test_a_full_queue_is_asked_again_with_what_helps():
    said = said_of_failure(SBATCH.format("Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"))
    assert "Slurm refused it" in said.sentence


def test_what_other_executors_say_is_not_lost():
    message = (
        "Job 7 killed by the batch system.\nFor further error details see the cluster/cloud log and the log files of the involved rule(s)."
    )
    assert said_of_failure(message).sentence == "the executor says: Job 7 killed by the batch system."
    for nothing in (None, "", message.partition("\n")[2], "SLURM-job '3' failed, SLURM status is: 'FAILED'. For further error details"):
        assert said_of_failure(nothing) is None


@pytest.mark.parametrize(
    ("reason", "named"),
    [
        ("PartitionTimeLimit", "max_runtime"),
        ("QOSMaxWallDurationPerJobLimit", "max_runtime"),
        ("AssocMaxWallDurationPerJobLimit", "max_runtime"),
        ("QOSMaxMemoryPerJob", "max_mem"),
        ("QOSMaxCpuPerJobLimit", "cpus_per_task"),
        ("AssocGrpCpuLimit", "when they end"),
        ("QOSMaxGRESPerUser", "when they end"),
        ("ReqNodeNotAvail, UnavailableNodes:g[0-1]", "max_runtime"),
        ("ReqNodeNotAvail,_Reserved_for_maintenance", "max_runtime"),
        ("InvalidQOS", "ROBUSTLENS_QOS"),
        ("InvalidAccount", "ROBUSTLENS_ACCOUNT"),
        ("Job's account not permitted to use this partition (gpu allows project not unpaid)", "ROBUSTLENS_ACCOUNT"),
        ("Job's QOS not permitted to use this partition (gpu allows study not normal)", "ROBUSTLENS_QOS"),
        ("PartitionConfig", "sinfo -N -l"),
        ("BadConstraints", "ROBUSTLENS_CONSTRAINT"),
        ("JobHeldUser", "scontrol release"),
        ("SomethingNew", "scontrol show job"),
    ],
)
def test_every_reason_to_wait_for_ever_has_an_advice(reason, named):
    assert named in advice_for_waiting(reason)


@pytest.mark.parametrize("reason", ["Priority", "Resources", "(None)", "Dependency"])
def test_reasons_that_pass_are_not_spoken_of(reason):
    assert advice_for_waiting(reason) is None


def test_what_waits_is_said_once_in_ten_minutes():
    lines, now, queue = (
        [],
        [0.0],
        ["7|PartitionTimeLimit|rule_predict_wildcards_net_0001", "8|PartitionTimeLimit|rule_predict_wildcards_net_0002"],
    )
    queue += ["9|Priority|rule_dissect_wildcards_net"]
    watching = Waiting(lines.append, ask=lambda command: "\n".join(queue), clock=lambda: now[0])
    for now[0] in (0.0, 60.0, 120.0):
        watching.look("run")
    assert len(lines) == 1 and lines[0].startswith("WAITING predict (2 jobs, such as 7): PartitionTimeLimit: set max_runtime")
    queue.append("10|JobHeldAdmin|rule_all")
    watching.look("run")
    assert lines[1].startswith("WAITING all (1 job, such as 10): JobHeldAdmin: `scontrol release 10`")
    now[0] = 601.0
    watching.look("run")
    assert len(lines) == 3
