"""Devices: asked for and there, or refused; each job its own. torch's view of the GPUs is made up, the locks are real."""

import os
import subprocess
from types import SimpleNamespace

import pytest
import torch

from robustlens import devices, locks
from robustlens.devices import claim_device, describe_device, out_of_memory
from robustlens.errors import InputError

CUDNN = torch.backends.cudnn
FLAGS = ((torch.backends.cuda.matmul, "allow_tf32"), (CUDNN, "allow_tf32"), (CUDNN, "benchmark"))  # what changes a bit


@pytest.fixture
def gpus(tmp_path, monkeypatch):
    """A function that lets torch see GPUs of these names; what was set current is noted in its ``current``."""
    for name in ("SLURM_JOB_ID", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    flags = [getattr(owner, name) for owner, name in FLAGS]
    for owner, name in FLAGS:
        setattr(owner, name, True)
    monkeypatch.setattr(devices, "LOCKS", tmp_path / "locks")
    monkeypatch.setattr(locks, "_held", {})
    current = []

    def see(*names, available=True):
        properties = [SimpleNamespace(name="Made-up GPU", uuid=name, total_memory=80 * 2**30) for name in names]
        monkeypatch.setattr(torch.cuda, "is_available", lambda: available and bool(names))
        monkeypatch.setattr(torch.cuda, "device_count", lambda: len(names))
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties[getattr(device, "index", device)])
        monkeypatch.setattr(torch.cuda, "set_device", current.append)

    see.current = current
    yield see
    forget_claims()
    for (owner, name), value in zip(FLAGS, flags, strict=True):
        setattr(owner, name, value)


def forget_claims():
    for descriptor in locks._held.values():
        os.close(descriptor)
    locks._held.clear()


@pytest.fixture
def taken(tmp_path):
    """A function by which another process, as it were, takes a GPU."""

    def take(name):
        locks.claim_some([name], 1, tmp_path / "locks")
        held.append(locks._held.pop(tmp_path / "locks" / name))

    held = []
    yield take
    for descriptor in held:
        os.close(descriptor)


def claimed(gpus, device="cuda"):
    """What a process of its own would claim."""
    found = claim_device(device)
    assert gpus.current[-1] == found.index
    forget_claims()
    return str(found)


# --------------------------------------------------------------------------------------------------------------------- refused
@pytest.mark.parametrize(("device", "visible"), [("cuda", ()), ("cuda:0", ()), ("cuda:1", ("a",)), ("cuda:2", ("a", "b"))])
def test_no_device_is_exchanged_for_another(gpus, device, visible):
    gpus(*visible)
    fault = f"resource device: expected {device}, a device that torch can use, got none of that name; without a GPU .*--profile workstation"
    with pytest.raises(InputError, match=fault):
        claim_device(device)
    assert not gpus.current


def test_a_gpu_that_torch_counts_and_cannot_use_is_none(gpus):
    gpus("a", available=False)  # a driver that is too old
    with pytest.raises(InputError, match="a device that torch can use, got none"):
        claim_device("cuda")


@pytest.mark.parametrize("device", ["gpu", "CUDA", "cuda:", "cuda:-1", "mps", ""])
def test_unknown_devices_are_refused(device):
    with pytest.raises(InputError, match=f"resource device: expected cpu, cuda or cuda:<number>, got {device}"):
        claim_device(device)


# --------------------------------------------------------------------------------------------------------------------- claimed
def test_the_cpu_is_no_ones(gpus, caplog, monkeypatch):
    gpus("a")
    caplog.set_level("INFO", "robustlens")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert claim_device("cpu") == torch.device("cpu")
    assert not gpus.current
    assert caplog.messages == [f"device cpu, 1 thread, torch {torch.__version__}, float32"]


def test_a_workstation_gives_the_first_free_gpu(gpus, taken):
    gpus("a", "b", "c")
    assert claimed(gpus) == "cuda:0"
    taken("a")
    assert claimed(gpus) == "cuda:1"
    taken("b")
    assert claimed(gpus) == "cuda:2"
    gpus("c", "b", "d")  # another mask: the same GPUs under other numbers
    taken("c")
    assert claimed(gpus) == "cuda:2"


def test_a_process_keeps_its_gpu(gpus, taken):
    gpus("a", "b")
    taken("a")
    assert [str(claim_device("cuda")) for _ in range(2)] == ["cuda:1"] * 2


def test_a_gpu_by_number_is_that_one(gpus, taken, monkeypatch):
    gpus("a", "b")
    assert claimed(gpus, "cuda:1") == "cuda:1"
    taken("b")

    def stop(_):
        raise TimeoutError

    monkeypatch.setattr(locks.time, "sleep", stop)
    with pytest.raises(TimeoutError):  # it waits, though the other is free
        claim_device("cuda:1")


def test_under_slurm_the_gpu_is_the_one_that_was_given(gpus, taken, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    gpus("a")
    with pytest.raises(
        InputError, match="cuda, a device that Slurm gave to job 12, got none; .*ROBUSTLENS_DEVICE=cpu and ROBUSTLENS_GPUS=0"
    ):
        claim_device("cuda")  # the node has one, but not for this job
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    taken("a")  # by somebody who does not keep to Slurm, or shares it with Slurm's knowledge
    assert claimed(gpus) == "cuda:0"
    gpus()
    with pytest.raises(InputError, match="a device that torch can use, got none"):
        claim_device("cuda")


def test_several_gpus_of_one_slurm_job_are_shared_out(gpus, taken, monkeypatch):
    """As where the whole workflow runs inside one job."""
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    gpus("c", "d")
    assert claimed(gpus) == "cuda:0"
    taken("c")
    assert claimed(gpus) == "cuda:1"


# ------------------------------------------------------------------------------------------------------------------- described
def test_a_gpu_computes_in_float32_and_the_log_says_so(gpus, caplog, monkeypatch):
    caplog.set_level("INFO", "robustlens")
    gpus("0bf3")
    answer = SimpleNamespace(stdout="580.65.06\n580.65.06\n")
    monkeypatch.setattr(subprocess, "run", lambda command, **_: answer if command[0] == "nvidia-smi" else None)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    assert describe_device(torch.device("cuda", 0)).endswith("TF32 on")
    claim_device("cuda")
    line = f"device cuda:0, Made-up GPU, 0bf3, 80.0 GiB, driver 580.65.06, torch {torch.__version__}, CUDA 13.0, float32, TF32 off"
    assert caplog.messages == [line]
    assert [getattr(owner, name) for owner, name in FLAGS] == [False] * 3


@pytest.mark.parametrize("fault", [FileNotFoundError("nvidia-smi"), subprocess.CalledProcessError(9, "nvidia-smi")])
def test_a_driver_that_does_not_answer_is_no_failure(gpus, fault, monkeypatch):
    def fail(*_, **__):
        raise fault

    monkeypatch.setattr(subprocess, "run", fail)
    gpus("a")
    assert "driver unknown" in describe_device(torch.device("cuda", 0))


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("The size of tensor a (8) must match the size of tensor b (64)"), False),
    ],
)
def test_errors_that_say_that_memory_did_not_suffice(error, answer):
    assert out_of_memory(error) is answer
