"""How a script runs as a job: what main is called with, what the log says, how it ends."""

import logging
from types import SimpleNamespace

import pytest
import torch

from robustlens.errors import InputError
from robustlens.job import log, run_job


@pytest.fixture
def job(tmp_path):
    """A function that runs main as the job of a rule, and gives the text of its log."""
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
    assert "predict {'model': 'net'} on " in first and "Python 3" in first
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


def test_torch_keeps_to_the_threads_of_the_job(job):
    seen = []
    job(lambda: seen.append(torch.get_num_threads()), threads=2)
    job(lambda: seen.append(torch.get_num_threads()), threads=1)
    assert seen == [2, 1]
