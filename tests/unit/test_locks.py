"""Locks among real processes: one at a time on a name, a killed one frees its own, and other users may lock too."""

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from robustlens import locks
from robustlens.locks import claim_some

SCRIPTS = Path(__file__).resolve().parents[2] / "workflow_scripts"
PROGRAM = """
import os, sys, time
from pathlib import Path
from robustlens.locks import claim_some
folder, seconds, names = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]
[name] = claim_some(names, 1, folder / "locks", poll=0.02)
assert claim_some(names, 1, folder / "locks") == [name]  # as often as one likes
alone = folder / f"{name}.in-use"
os.close(os.open(alone, os.O_CREAT | os.O_EXCL))  # fails where somebody else is on that name
print(name, flush=True)
time.sleep(seconds)
alone.unlink()
"""


@pytest.fixture
def start(tmp_path):
    """A function that starts a process which claims one of some names, uses it for a while and ends."""
    started = []

    def run(seconds, *names):
        command = [sys.executable, "-c", PROGRAM, str(tmp_path), str(seconds), *names]
        environment = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
        started.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


def test_never_two_on_one_name(start):
    processes = [start(0.3, "gpu-a", "gpu-b") for _ in range(6)]
    found = [process.communicate(timeout=60) for process in processes]
    assert [(process.returncode, errors) for process, (_, errors) in zip(processes, found, strict=True)] == [(0, "")] * 6
    names = [name.strip() for name, _ in found]
    assert set(names) == {"gpu-a", "gpu-b"} and 2 <= names.count("gpu-a") <= 4  # both are used


def test_a_process_that_is_killed_frees_its_name(start, tmp_path):
    first = start(600, "gpu")
    assert first.stdout.readline() == "gpu\n"
    second = start(0, "gpu")
    time.sleep(0.5)
    assert second.poll() is None  # it waits
    (tmp_path / "gpu.in-use").unlink()  # of the first, while it still has the name
    first.kill()
    first.wait()
    assert second.communicate(timeout=60) == ("gpu\n", "") and second.returncode == 0


def test_who_wants_one_name_gets_no_other(start):
    holder = start(600, "b", "a")
    assert holder.stdout.readline() == "b\n"
    assert start(0, "a").communicate(timeout=60)[0] == "a\n"
    waiting = start(0, "b")
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(0.5)


def test_waiting_is_said_once(start, tmp_path, caplog, monkeypatch):
    caplog.set_level("INFO", "robustlens")
    monkeypatch.setattr(locks, "_held", {})
    holder = start(600, "gpu")
    holder.stdout.readline()
    polls = []

    def kill_at_the_third(seconds):
        polls.append(seconds)
        if len(polls) == 3:
            holder.kill()
            holder.wait()

    monkeypatch.setattr(locks.time, "sleep", kill_at_the_third)
    assert claim_some(["gpu"], 1, tmp_path / "locks", poll=0.5) == ["gpu"]
    assert polls == [0.5] * 3
    assert caplog.messages == ["waiting: other jobs have taken gpu"]
    os.close(locks._held[tmp_path / "locks" / "gpu"])


def test_files_that_every_user_may_lock_and_none_but_the_owner_delete(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "_held", {})
    umask = os.umask(0o077)
    try:
        claim_some(["gpu"], 1, tmp_path / "locks")
        assert os.umask(0o077) == 0o077  # as it was
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / "locks").stat().st_mode) == 0o1777
    assert stat.S_IMODE((tmp_path / "locks" / "gpu").stat().st_mode) == 0o444
    os.close(locks._held[tmp_path / "locks" / "gpu"])
