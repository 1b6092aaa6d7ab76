"""How a script runs as a Snakemake job: its log file, its threads, and the call of ``main`` with named files and values."""

import ctypes
import gc
import json
import logging
import os
import platform
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from robustlens.errors import LACKING, InputError, lack

log = logging.getLogger("robustlens")
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of mallopt in the C library GNU
MACHINE = {"device": "cpu", "batch_size": 200, "gpu": 1, "command": ""}  # resources that main may take, unless the rule gives others


def run_job(main: Callable, snakemake) -> None:
    """Call ``main(**inputs, **outputs, **params)`` of a rule, with its messages and any failure in the rule's log.

    Named inputs and outputs become strings (lists of strings where a rule gives several), those without a name are only waited
    for; no name may stand twice. The parameter ``code`` only tells Snakemake when to run again and is dropped. Resources
    ``device``, ``batch_size``, ``gpu`` and ``command`` are passed on where ``main`` takes them; the resource ``cpus_per_task``,
    or else the rule's threads, is how many threads decode pictures.
    """
    path = Path(snakemake.log[0]) if snakemake.log else None
    start_log(path, f"{snakemake.rule} {dict(snakemake.wildcards.items())}")
    threads = snakemake.resources.get("cpus_per_task") or snakemake.threads
    keep_memory()
    limit_torch_threads()
    decode_with(threads)
    named = dict(**_named(snakemake.input), **_named(snakemake.output), **dict(snakemake.params.items()))
    named.pop("code", None)
    wanted = main.__code__.co_varnames[: main.__code__.co_argcount + main.__code__.co_kwonlyargcount]
    machine = {key: snakemake.resources.get(key, default) for key, default in MACHINE.items() if key in wanted}
    log.info("threads %s, parameters %s", threads, json.dumps(named, default=str)[:2000])
    started = time.monotonic()
    try:
        main(**named, **machine)
    except InputError as error:
        log.error("%s", error)
        sys.exit(f"Error in {snakemake.rule}: {error}")
    except Exception as error:
        log.error("%s", traceback.format_exc())
        if not (number := lack(error)):
            raise
        where = next(iter(_named(snakemake.output).values()), snakemake.rule)
        said = InputError(where, "a machine on which it can be made", os.strerror(number), f"{LACKING[number]} and run again")
        log.error("%s", said)
        sys.exit(f"Error in {snakemake.rule}: {said}")
    log.info("done in %.1f s", time.monotonic() - started)
    gc.freeze()  # the interpreter looks through everything again when it ends, for 0.4 CPU s where torch is loaded
    if path:
        _second_name(path).unlink(missing_ok=True)


def start_log(path: Path | None, title: str) -> None:
    """Send the messages of ``robustlens`` to ``path`` (or standard error), behind those of failed attempts; first what runs where."""
    if path:
        _take_up(path)
    handler = logging.FileHandler(path, mode="a") if path else logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    for former in log.handlers:
        former.close()
    log.handlers, log.propagate = [handler], False
    log.setLevel(logging.INFO)
    log.info("%s on %s, Python %s, %s", title, platform.node(), platform.python_version(), time.strftime("%Y-%m-%d"))
    if given := describe_allocation():
        log.info(given)


def add_to_log(path: str | Path, sentence: str, anew: bool) -> None:
    """Write into the log of a job that runs elsewhere, or never began, behind what its failed attempts wrote. ``anew``: it did not begin;
    what an earlier success left there is of another job, and goes."""
    path = Path(path)
    with suppress(OSError):
        if anew:
            path.unlink(missing_ok=True)
        _take_up(path)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%H:%M:%S')} {sentence}\n")


def state_of(path: str | Path) -> tuple[int, ...] | None:
    """What changes when a log is written or made anew; None where there is none. Opened for it: a shared file system then looks again."""
    try:
        with open(path, "rb") as file:
            found = os.fstat(file.fileno())
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def describe_allocation() -> str:
    """What a scheduler gave to this process, such as ``Slurm job 12 on node gpu0, CUDA_VISIBLE_DEVICES 1``; empty without one."""
    parts = []
    if job := os.environ.get("SLURM_JOB_ID"):
        parts.append(f"Slurm job {job} on node {os.environ.get('SLURMD_NODENAME') or platform.node()}")
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        parts.append(f"CUDA_VISIBLE_DEVICES {os.environ['CUDA_VISIBLE_DEVICES'] or 'none'}")
    return ", ".join(parts)


def keep_memory() -> None:
    """Let the C library (glibc; others are left alone) reuse memory of up to 32 MB a piece instead of returning it to the system.

    A network allocates its activations anew in every pass; the system clears each page that it hands out again, which took a fifth of a
    training of the miniature.
    """
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        for parameter, value in ((M_MMAP_THRESHOLD, 1 << 25), (M_TRIM_THRESHOLD, 1 << 30)):
            libc.mallopt(parameter, value)


def limit_torch_threads() -> None:
    """Keep torch, imported already or later, on one thread: with their number the last bits of its results change.

    What runs in parallel are shards.
    """
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"  # where a script imports torch later, with what it runs
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def decode_with(threads: int) -> None:
    """Let image shards, where the script reads any, be decoded by so many threads."""
    if "robustlens.images" in sys.modules:
        vars(sys.modules["robustlens.images"])["decoders"] = threads


def _take_up(path: Path) -> None:
    """Make a log, or bring back what failed attempts wrote into it.

    Snakemake deletes it before each attempt; so until one ends well it has a second name (on a file system with hard links).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(OSError):
        if _second_name(path).exists() and not path.exists():
            os.link(_second_name(path), path)
        path.touch()
        if not _second_name(path).exists():
            os.link(path, _second_name(path))


def _second_name(path: Path) -> Path:
    return path.with_name(f".{path.name}.attempts")


def _named(files) -> dict[str, str | list[str]]:
    return {name: value if isinstance(value, str) else [str(item) for item in value] for name, value in files.items()}
