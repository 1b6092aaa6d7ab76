"""How a script runs as a job: what main is called with, what the log says, how it ends."""

import datetime
import logging
import os
from types import SimpleNamespace

import pytest
import torch

from robustlens import images
from robustlens.errors import InputError
from robustlens.job import describe_allocation, log, run_job


@pytest.fixture
def job(tmp_path, monkeypatch):
    """A function that runs main as the job of a rule, and gives the text of its log."""
    for name in ("SLURM_JOB_ID", "SLURMD_NODENAME", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(images, "decoders", 1)
    handlers, propagate, level, threads = log.handlers, log.propagate, log.level, torch.get_num_threads()
    path = tmp_path / "logs" / "rule" / "a.log"

    def run(main, inputs=None, outputs=None, params=None, resources=None, threads=1, with_log=True):
        named = {"input": inputs or {}, "output": outputs or {}, "params": params or {}, "resources": resources or {}}
        rule = {"rule": "predict", "wildcards": {"model": "net"}, "threads": threads, "log": [str(path)] if with_log else []}
        run_job(main, SimpleNamespace(**named, **rule))
        return path.read_text() if with_log else ""

    run.log = path
    yield run
    for handler in log.handlers:
        handler.close()
    log.handlers, log.propagate = handlers, propagate
    log.setLevel(level)
    torch.set_num_threads(threads)


def test_main_gets_what_the_rule_names(job):
    got = {}

    def main(shards, table, *, names, seed):
        local = 1  # a variable of main is no parameter
        got.update(shards=shards, table=table, names=names, seed=seed, local=local)

    text = job(main, {"shards": ["a", "b"]}, {"table": "c"}, {"names": ["x"], "seed": 3, "code": "0123"}, {"device": "cpu", "mem_mb": 9})
    assert got == {"shards": ["a", "b"], "table": "c", "names": ["x"], "seed": 3, "local": 1}
    first, second, last = text.splitlines()
    assert "predict {'model': 'net'} on " in first and "Python 3" in first and str(datetime.date.today()) in first
    assert second.endswith('threads 1, parameters {"shards": ["a", "b"], "table": "c", "names": ["x"], "seed": 3}')
    assert "done in 0." in last


def test_one_file_is_a_string_and_none_an_empty_list(job):
    got = {}
    job(lambda one, several, none: got.update(one=one, several=several, none=none), {"one": "a", "several": ["b"], "none": []})
    assert got == {"one": "a", "several": ["b"], "none": []}


def test_the_machine_is_told_to_those_who_ask(job):
    got = {}

    def main(*, device, batch_size):
        got.update(device=device, batch_size=batch_size)

    job(main, resources={"device": "cpu", "batch_size": 7})
    assert got == {"device": "cpu", "batch_size": 7}

    job(main, resources={"mem_mb": 9})  # of a rule that says nothing
    assert got == {"device": "cpu", "batch_size": 200}

    def device_inside():
        device = "mine"
        got["device"] = device

    job(device_inside, resources={"device": "cpu", "batch_size": 7})
    assert got["device"] == "mine"


def test_a_name_that_stands_twice_is_a_fault_of_the_rule(job):
    with pytest.raises(TypeError, match="weights"):
        job(lambda weights: None, {"weights": "a"}, {"weights": "b"})


def test_bad_input_is_one_sentence(job):
    def main():
        raise InputError("models.net", "a recipe", "none")

    with pytest.raises(SystemExit) as stop:
        job(main)
    assert stop.value.code == "Error in predict: models.net: expected a recipe, got none"
    text = job.log.read_text()
    assert text.splitlines()[-1].endswith("models.net: expected a recipe, got none")
    assert "Traceback" not in text and "done" not in text


def test_any_other_failure_leaves_its_trace(job):
    def main():
        raise KeyError("gone")

    with pytest.raises(KeyError):
        job(main)
    text = job.log.read_text()
    assert "Traceback" in text and "KeyError: 'gone'" in text and "done" not in text


def test_the_library_writes_into_the_log_and_nowhere_else(job, capsys, caplog):
    text = job(lambda: logging.getLogger("robustlens").info("epoch %d", 3))
    assert "epoch 3" in text
    assert capsys.readouterr() == ("", "") and not caplog.records
    job(lambda: logging.getLogger("robustlens").info("epoch %d", 4), with_log=False)
    assert "epoch 4" in capsys.readouterr().err
    assert "epoch 4" not in job.log.read_text()


def test_the_threads_of_a_job_decode_and_torch_has_one(job):
    seen = []

    def main():
        seen.append((torch.get_num_threads(), images.decoders))

    torch.set_num_threads(2)
    texts = [job(main, threads=3), job(main, threads=3, resources={"cpus_per_task": 4}), job(main)]
    assert seen == [(1, 3), (1, 4), (1, 1)]
    assert "threads 4, parameters" in texts[1]


# -------------------------------------------------------------------------------------------------------------------- attempts
def fails():
    raise InputError("models.net", "a recipe", "none")


def test_the_log_of_attempts_that_failed_is_kept_though_snakemake_deletes_it(job):
    for _ in range(2):
        with pytest.raises(SystemExit):
            job(fails)
        job.log.unlink()  # as Snakemake does before each attempt
    text = job(lambda: log.info("now it works"))
    assert text.count("predict {'model': 'net'} on ") == 3
    assert text.count("expected a recipe") == 2 and text.index("expected a recipe") < text.index("now it works")
    job.log.unlink()
    assert "expected a recipe" not in job(lambda: None)  # that job was done: another run of it begins anew
    assert list(job.log.parent.iterdir()) == [job.log]


def test_a_log_that_is_still_there_is_continued(job):
    job(lambda: log.info("first"))
    text = job(lambda: log.info("second"))
    assert text.index("first") < text.index("second") and text.count("done in") == 2


def test_where_a_log_cannot_have_two_names_the_last_attempt_stays(job, monkeypatch):
    def refuse(*_):
        raise OSError("no hard links here")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(SystemExit):
        job(fails)
    assert job.log.read_text().splitlines()[-1].endswith("expected a recipe, got none")
    job.log.unlink()
    assert "done in" in job(lambda: None)


# ------------------------------------------------------------------------------------------------------------------- schedulers
def test_what_the_scheduler_gave_is_in_the_log(job, monkeypatch):
    assert describe_allocation() == "" and "Slurm" not in job(lambda: None)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,2")
    assert describe_allocation() == "CUDA_VISIBLE_DEVICES 0,2"
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv("SLURMD_NODENAME", "gpu0")
    assert job(lambda: None).splitlines()[-3].endswith(" Slurm job 12 on node gpu0, CUDA_VISIBLE_DEVICES 0,2")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert describe_allocation() == "Slurm job 12 on node gpu0, CUDA_VISIBLE_DEVICES none"
