"""Several processes that train one network, on CPUs: what they agree on, what they share, and how they end.

A job's processes start Python and import torch, as those of the first test do; to the others a server forks theirs, which has imported it.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from robustlens.errors import InputError
from robustlens.models import parallel
from robustlens.models.parallel import Task, train
from robustlens.models.training_state import read_state
from tiny import HALF, RECIPE_DEFAULTS, coloured, cut_shards, image_rows, spec_of

LIBRARY = Path(parallel.__file__).parents[2]
SGD = {"optimiser": "sgd", "momentum": 0.9, "schedule": "step", "step_epochs": 2, "gamma": 0.1}
RECIPE = {"epochs": 3, "batch_size": 12, "learning_rate": 0.02, "weight_decay": 0.0005, **RECIPE_DEFAULTS}
PGD = {"norm": "l2", "eps": 0.5, "step": 0.25, "steps": 2, "random_start": True, "ramp_epochs": 1, "mode": "evaluation", "use_best": True}
ROBUST = {**RECIPE, **SGD, "augmentation": ["pad-crop", "lighting", "invert", "flip"], "attack": PGD, "validate": {"n_images": 30}}


@pytest.fixture
def forked(server, monkeypatch):
    """Trainings have their processes from the server, whose process id it gives, rather than from a start of Python each."""
    start = parallel.start_processes
    monkeypatch.setattr(parallel, "start_processes", lambda *arguments, start_method: start(*arguments, start_method="forkserver"))
    return server


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """48 noisy pictures of 12 px, of three colours."""
    rows = image_rows(48, labels=np.arange(48) % 3)
    pixels = coloured([((170, 80, 80), (80, 170, 80), (80, 80, 170))[label] for label in rows["label"]], 12)
    noise = np.random.default_rng(0).normal(0, 15, pixels.shape)
    shards = cut_shards(tmp_path_factory.mktemp("shards"), np.clip(pixels + noise, 0, 255).astype(np.uint8), rows, 20)
    return [str(shard.path) for shard in shards]


@pytest.fixture
def linear(tmp_path):
    """What the config says of a network without batch normalisation, in a package of its own."""
    (tmp_path / "plain_networks.py").write_text(
        "from torch import nn\n\n\ndef linear():\n    return nn.Sequential(nn.Flatten(), nn.Linear(432, 8), nn.ReLU(), nn.Linear(8, 3))\n"
    )
    yield {"architecture": "plain_networks:linear", "arguments": {}, "python_path": str(tmp_path), **HALF}
    sys.modules.pop("plain_networks", None)
    if str(tmp_path) in sys.path:
        sys.path.remove(str(tmp_path))


def task_of(shards, spec, recipe, last=3, before=""):
    return Task(shards, "net", spec, recipe, 0, last, before, shards if "validate" in recipe else [])


def test_two_processes_train_as_one_does(tmp_path, shards, linear):
    """Attack, random starts, augmentation and accuracy on images held out included; without batch normalisation."""
    for n in (1, 2):
        train(task_of(shards, linear, ROBUST), tmp_path / f"{n}", device="cpu", n_processes=n)
    (one, _, alone), (two, _, together) = (read_state(tmp_path / f"{n}") for n in (1, 2))
    start = task_of(shards, linear, ROBUST).network().state_dict()
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=1e-4, atol=1e-5)
        assert (tensor - start[name]).abs().max() > 1e-3
    for one_epoch, other in zip(alone["history"], together["history"], strict=True):
        assert one_epoch.pop("loss") == pytest.approx(other.pop("loss"), rel=1e-4)
        assert one_epoch == pytest.approx(other) and {"clean_accuracy", "robust_accuracy"} <= set(other)


def test_a_training_of_two_processes_is_taken_up_bit_for_bit(forked, tmp_path, shards):
    """With batch normalisation, whose running statistics the attack reads."""
    spec = spec_of(classes=3, width=8)
    train(task_of(shards, spec, ROBUST), tmp_path / "whole", device="cpu", n_processes=2)
    train(task_of(shards, spec, ROBUST, 1), tmp_path / "first", device="cpu", n_processes=2)
    train(task_of(shards, spec, ROBUST, 3, str(tmp_path / "first")), tmp_path / "second", device="cpu", n_processes=2)
    digests = [hashlib.sha256((tmp_path / name).read_bytes()).digest() for name in ("whole", "second", "first")]
    assert digests[0] == digests[1] != digests[2]


def test_a_batch_that_cannot_be_shared_is_refused(forked, tmp_path, shards):
    task = task_of(shards, spec_of(classes=3, width=8), {**RECIPE, "batch_size": 15})
    with pytest.raises(
        InputError, match="training of net: expected a batch that 2 processes can share evenly, got 15 images; ask for"
    ) as error:
        train(task, tmp_path / "state", device="cpu", n_processes=2)
    assert "Traceback" not in str(error.value) and not (tmp_path / "state").exists()


FAULTY = """
import os
import time
from torch import distributed, nn


class Faulty(nn.Module):
    def __init__(self, how):
        super().__init__()
        self.how, self.passes = how, 0
        self.last = nn.Linear(432, 3)

    def forward(self, images):
        self.passes += 1
        if self.passes == 3 and distributed.get_rank() == 1:
            if self.how == "killed":
                os.kill(os.getpid(), 9)
            raise RuntimeError("the second process cannot go on")
        return self.last(images.flatten(1))
"""


FAILURES = {"raises": "the second process cannot go on", "killed": "process 1 terminated with signal SIGKILL"}


@pytest.mark.parametrize(("how", "said"), FAILURES.items())
def test_the_failure_of_one_process_ends_all(forked, tmp_path, shards, how, said):
    (tmp_path / f"faulty_{how}.py").write_text(FAULTY)
    spec = {"architecture": f"faulty_{how}:Faulty", "arguments": {"how": how}, "python_path": str(tmp_path), **HALF}
    started = time.monotonic()
    with pytest.raises(Exception, match=said):
        train(task_of(shards, spec, RECIPE), tmp_path / "state", device="cpu", n_processes=2)
    assert time.monotonic() - started < 60 and not (tmp_path / "state").exists()
    assert not children(forked)


def children(pid: int) -> list[int]:
    """Processes that another one started and that still run."""
    found = subprocess.run(["ps", "--ppid", str(pid), "-o", "pid=,stat="], capture_output=True, text=True).stdout.splitlines()
    return [int(line.split()[0]) for line in found if not line.split()[1].startswith("Z")]


ENDLESS = """
import json, os, sys
from pathlib import Path
from robustlens.models import parallel
from torch import nn, _dynamo


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(432, 3))
        self.passes = 0

    def forward(self, images):
        self.passes += 1
        if self.passes == 20:
            Path(f"busy-{os.getpid()}").touch()
        return super().forward(images)


if __name__ == "__main__":
    start = parallel.start_processes
    parallel.start_processes = lambda *arguments, start_method: start(*arguments, start_method="fork")
    parallel.train(parallel.Task(**json.load(open("task.json"))), "state", device="cpu", n_processes=2)
"""


def test_the_processes_end_when_their_parent_is_killed(tmp_path, shards):
    """The parent forks them here, so that torch is imported once."""
    (tmp_path / "endless.py").write_text(ENDLESS)
    spec = {"architecture": "endless:Net", "arguments": {}, "python_path": str(tmp_path), **HALF}
    recipe = {**RECIPE, "epochs": 100_000}
    values = {"shards": shards, "model": "net", "spec": spec, "recipe": recipe, "seed": 0, "last": 100_000}
    (tmp_path / "task.json").write_text(json.dumps(values))
    environment = {**os.environ, "PYTHONPATH": str(LIBRARY), "TMPDIR": str(tmp_path)}
    parent = subprocess.Popen([sys.executable, "endless.py"], env=environment, cwd=tmp_path)
    try:
        working = wait_for(lambda: len(busy := list(tmp_path.glob("busy-*"))) == 2 and [int(path.name[5:]) for path in busy])
        assert sorted(working) == sorted(children(parent.pid))
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        wait_for(lambda: not [pid for pid in working if alive(pid)])
    finally:
        parent.kill()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(answer, seconds: float = 60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := answer():
            return found
        time.sleep(0.1)
    raise TimeoutError
