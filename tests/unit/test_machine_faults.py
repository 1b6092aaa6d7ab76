"""A machine that lacks something while a job runs: one sentence that says what and where, no half file, no advice to delete a good one."""

import errno
import multiprocessing
import os
import re
import textwrap
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from robustlens.errors import InputError, lack, refusing
from robustlens.images import write_parquet, write_shard
from robustlens.writable import check_writable

SCRIPTS = Path(__file__).resolve().parents[2] / "workflow_scripts"
JOB = """
import os, resource, signal, sys
from pathlib import Path
from types import SimpleNamespace
import numpy as np, pandas as pd
from robustlens import images
from robustlens.job import run_job
from robustlens.images import read_shard, read_table, write_parquet
from robustlens.store import ActivationWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

def limit(name, value):
    resource.setrlimit(getattr(resource, name), (value, resource.getrlimit(getattr(resource, name))[1]))

def address_space():
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()

def main(made):
    values = np.random.default_rng(0).random(100_000, np.float32)
{body}

rule = dict(rule="predict", wildcards={{}}, threads={threads}, log=["job.log"], input={{}}, params={{}}, resources={{}})
run_job(main, SimpleNamespace(output={{"made": "made"}}, **rule))
"""
ACTIVATIONS = """
about = dict(model="net", image_set="clean", weights_sha256="a", preprocessing="p")
with ActivationWriter(made, [str(n) for n in range(50)], {"conv": (8, 16, 16)}, about, "none") as writer:
    for start in range(0, 50, 10):
        writer.write("conv", start, np.resize(values, (10, 8, 16, 16)))
"""


def work(folder: Path, text: str) -> None:
    """What the process of a job does."""
    os.chdir(folder)
    os.dup2(os.open(f"{folder}.stderr", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    exec(text, {})


@pytest.fixture
def run(server):
    """A function that runs a job in a folder, in a process of its own."""

    def run(folder: Path, body: str, threads: int = 1) -> SimpleNamespace:
        text = JOB.format(body=textwrap.indent(body, "    "), threads=threads)
        job = multiprocessing.get_context("forkserver").Process(target=work, args=(folder, text))
        job.start()
        job.join()
        return SimpleNamespace(returncode=job.exitcode, stderr=Path(f"{folder}.stderr").read_text())

    return run


def last_words(folder: Path) -> str:
    return re.sub(r"^\d\d:\d\d:\d\d ", "", (folder / "job.log").read_text().splitlines()[-1])


# ---------------------------------------------------------------------------------------------------------------------- disk
@pytest.mark.parametrize(
    "write",
    [
        "write_parquet(made, pd.DataFrame({'x': values}))",
        ACTIVATIONS,
        "from robustlens.models.training_state import write_state\nimport torch\nfrom robustlens.models.registry import save_file\n"
        "with images.replacing(made) as path:\n    save_file({'a': torch.from_numpy(values)}, path)",
        "with images.replacing(made) as path:\n    path.write_text('x' * 50_000)",
    ],
    ids=["table", "activations", "weights", "text"],
)
def test_a_disk_that_takes_no_more_leaves_no_file(run, tmp_path, write):
    """The limit on the size of files stands for the disk: the same calls fail in the same places, with another number."""
    done = run(tmp_path, f"limit('RLIMIT_FSIZE', 20_000)\n{write}")
    assert done.returncode
    assert not (tmp_path / "made").exists()
    assert last_words(tmp_path).startswith(
        "made: expected a machine on which it can be made, got File too large; raise the limit on the size"
    )
    assert f"Error in predict: {last_words(tmp_path)}" in done.stderr


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), errno.ENOSPC),
        (OSError(errno.ENOSPC, "Error writing bytes to file. Detail: [errno 28]"), errno.ENOSPC),
        (
            RuntimeError("Can't decrement id ref count (file write failed: errno = 28, error message = 'No space left on device')"),
            errno.ENOSPC,
        ),
        (RuntimeError("Error while serializing: I/O error: Disk quota exceeded (os error 122)"), errno.EDQUOT),
        (PermissionError(errno.EACCES, "Permission denied"), errno.EACCES),
        (OSError(errno.EROFS, "Read-only file system"), errno.EROFS),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: 8 bytes"), errno.ENOMEM),
        (MemoryError(), errno.ENOMEM),
        (RuntimeError("can't start new thread"), errno.EAGAIN),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), None),
        (KeyError("gone"), None),
    ],
)
def test_what_is_the_fault_of_the_machine(error, number):
    assert lack(error) == number
    outer = ValueError("a library gives up")
    outer.__cause__ = error
    assert lack(outer) == number


# ------------------------------------------------------------------------------------------------------- memory, open files
def test_a_job_without_memory_says_so_and_leaves_no_file(run, tmp_path):
    body = "limit('RLIMIT_AS', address_space() + 300_000_000)\nwith images.replacing(made) as path:\n"
    done = run(tmp_path, body + "    path.write_text('half')\n    values = np.ones(10**9)")
    assert done.returncode == 1 and os.listdir(tmp_path) in (
        ["job.log"],
        [".job.log.attempts", "job.log"],
        ["job.log", ".job.log.attempts"],
    )
    assert last_words(tmp_path).startswith(
        "made: expected a machine on which it can be made, got Cannot allocate memory; give the job more"
    )


def test_a_table_for_which_there_is_no_memory_is_not_called_damaged(run, tmp_path):
    write_parquet(tmp_path / "large.parquet", pd.DataFrame({"x": np.zeros(20_000_000)}))
    done = run(tmp_path, "limit('RLIMIT_AS', address_space() + 100_000_000)\nread_table('large.parquet')")
    assert done.returncode == 1 and "give the job more memory" in last_words(tmp_path) and "delete" not in last_words(tmp_path)


def test_what_no_memory_raises_passes_as_it_is():
    with pytest.raises(MemoryError), refusing("a.parquet", "a complete Parquet file", "delete it"):
        raise MemoryError


@pytest.fixture
def folder_of_pictures(tmp_path):
    """A shard of 300 pictures that stay where they are."""
    rows = pd.DataFrame({"image_id": [f"i{n}" for n in range(300)], "label": 0, "shape": -1, "texture": -1})
    rows["path"] = rows["image_id"] + ".png"
    (tmp_path / "pictures").mkdir()
    for number, name in enumerate(rows["path"]):
        Image.fromarray(np.full((8, 8, 3), number % 256, np.uint8)).save(tmp_path / "pictures" / name)
    write_shard(tmp_path / "shard.parquet", rows, root=tmp_path / "pictures", geometry={"crop": 8}, origin={})
    return tmp_path


def test_loaders_live_with_few_open_files(run, folder_of_pictures):
    body = "limit('RLIMIT_NOFILE', 64)\nfrom robustlens.models import loading\nshard = read_shard('shard.parquet')\n"
    body += "assert sum(len(pixels) for _, pixels in shard.batches(50)) == 300\n"
    body += "steps = np.arange(300).reshape(10, 30)\nloading.CACHE_BYTES = 0\n"
    body += "assert sum(len(batch.labels) for batch in loading.TrainingImages([shard]).batches(steps)) == 300"
    done = run(folder_of_pictures, body, threads=16)
    assert done.returncode == 0, done.stderr


def test_too_many_open_files_are_not_the_fault_of_a_picture(run, folder_of_pictures):
    body = "shard = read_shard('shard.parquet')\nfree = os.dup(2)\nos.close(free)\nlimit('RLIMIT_NOFILE', free)\n"
    done = run(folder_of_pictures, body + "for _ in shard.batches(50): pass", threads=4)
    assert done.returncode == 1
    assert "Too many open files" in last_words(folder_of_pictures) and "raise the limit on open files" in last_words(folder_of_pictures)
    assert "delete" not in last_words(folder_of_pictures)


def test_loaders_are_threads_and_take_no_shared_memory():
    """So that a small /dev/shm, as of containers, is of no matter."""
    found = [
        path.name
        for path in SCRIPTS.rglob("*.py")
        if re.search(r"\b(DataLoader|num_workers|SharedMemory|share_memory_?)\b", path.read_text())
    ]
    assert found == []


# --------------------------------------------------------------------------------------------------------------- read only
def test_where_a_run_can_write_is_asked_before_it_starts(tmp_path):
    check_writable(tmp_path)
    (tmp_path / "results" / "stimuli").mkdir(parents=True)
    check_writable(tmp_path)
    (tmp_path / "logs").write_text("no folder")
    with pytest.raises(InputError, match="logs: expected a folder, or nothing yet, got another thing; move it away"):
        check_writable(tmp_path)
