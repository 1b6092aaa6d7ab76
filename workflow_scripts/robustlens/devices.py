"""The device that a job computes on: claimed for this job alone, described in its log, with float32 that is float32."""

import logging
import os
import re
import subprocess
from pathlib import Path

import torch

from robustlens.errors import InputError
from robustlens.locks import claim_some

log = logging.getLogger("robustlens")
LOCKS = Path("/tmp/robustlens-devices")  # the same for every user and job of a machine, which $TMPDIR need not be
WITHOUT_GPU = "without a GPU compute on the CPU: leave out --profile workstation, or what sets the device"
ON_SLURM = "on a cluster without GPUs set ROBUSTLENS_DEVICE=cpu and ROBUSTLENS_GPUS=0, on others gpus and gpu_partition (docs/cluster.md)"
NO_MEMORY = re.compile("STATUS_ALLOC_FAILED|CUDA error: out of memory")  # how libraries below torch say it


def claim_device(device: str) -> torch.device:
    """``device``, one of ``cpu``, ``cuda``, ``cuda:<number>``, as torch's; it is this process's until it ends, and the log names it.

    ``cuda``: the first visible GPU that no other job has claimed on this machine, waited for where all are taken; under Slurm the one
    that the job was given. ``cuda:<number>``: that one of the visible GPUs and no other. Nothing falls back to the CPU: raises
    InputError for a GPU that is not there.
    """
    claimed = claim_devices(device, 1)[0]
    use_device(claimed)
    return claimed


def claim_devices(device: str, n: int) -> list[torch.device]:
    """The same of ``n`` GPUs, for processes that this one starts, each of which calls :func:`use_device`; ``cpu`` is for any number."""
    if not re.fullmatch(r"cpu|cuda(:\d+)?", device):
        raise InputError("resource device", "cpu, cuda or cuda:<number>", device)
    return [torch.device("cpu")] * n if device == "cpu" else [torch.device("cuda", index) for index in _claim_gpus(device, n)]


def use_device(device: torch.device) -> None:
    """Compute on ``device``, in float32 that is float32; the log names it."""
    if device.type == "cuda":
        torch.cuda.set_device(device.index)
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = False
    log.info("device %s", describe_device(device))


def _claim_gpus(device: str, n: int) -> list[int]:
    n_visible = torch.cuda.device_count() if torch.cuda.is_available() else 0
    slurm_job = os.environ.get("SLURM_JOB_ID")
    if slurm_job and "CUDA_VISIBLE_DEVICES" not in os.environ:
        raise InputError("resource device", f"{device}, a device that Slurm gave to job {slurm_job}", "none", ON_SLURM)
    number = device.partition(":")[2]
    wanted = [int(number)] if number else list(range(n_visible))
    if not wanted or wanted[-1] >= n_visible:
        raise InputError(
            "resource device", f"{device}, a device that torch can use", "none of that name", ON_SLURM if slurm_job else WITHOUT_GPU
        )
    if len(wanted) < n:
        raise InputError(
            "resource gpu", f"at most {len(wanted)}, which torch can use", n, f"set ROBUSTLENS_TRAINING_GPUS={len(wanted)}, or fewer"
        )
    if slurm_job and n_visible == n:  # what Slurm gave to one job needs no lock, unless several processes share it
        return wanted
    names = [_identity(index) for index in wanted]
    return [wanted[names.index(name)] for name in claim_some(names, n, LOCKS)]


def _identity(index: int) -> str:
    """The name of a GPU that does not depend on which others are visible."""
    return str(torch.cuda.get_device_properties(index).uuid)


def describe_device(device: torch.device) -> str:
    """One line for the log: the device, its memory, driver, versions of torch and CUDA, and the precision that is set."""
    if device.type == "cpu":
        threads = torch.get_num_threads()
        return f"cpu, {threads} thread{'s' * (threads > 1)}, torch {torch.__version__}, float32"
    found = torch.cuda.get_device_properties(device)
    tf32 = "on" if torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32 else "off"
    versions = f"driver {_driver_version()}, torch {torch.__version__}, CUDA {torch.version.cuda}"
    return f"{device}, {found.name}, {found.uuid}, {found.total_memory / 2**30:.1f} GiB, {versions}, float32, TF32 {tf32}"


def _driver_version() -> str:
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(query, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()[0].strip()
    except (OSError, subprocess.SubprocessError, IndexError):
        return "unknown (nvidia-smi does not say)"


def out_of_memory(error: Exception) -> bool:
    """Whether ``error`` says that the memory of the device did not suffice."""
    return isinstance(error, torch.OutOfMemoryError) or bool(NO_MEMORY.search(str(error)))
