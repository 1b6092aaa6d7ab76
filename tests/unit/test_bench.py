"""The benches run, at the smallest size, and docs/performance.md says what they say."""

import os
import re
from functools import partial
from importlib import import_module
from pathlib import Path

import activations  # from bench/, as are the next six
import dissection
import numpy as np
import pandas as pd
import predictions
import pytest
import study
import stylization
from timing import spread, state_goal, take_turns

from robustlens import images

BENCH = Path(stylization.__file__).parent
page_writer = import_module("all")  # whose name Python has for a function
SECTIONS = page_writer.sections_of(page_writer.PAGE.read_text(encoding="utf-8"))


# ------------------------------------------------------------------------------------------------------------------- timing
def test_ways_take_turns():
    called, times = [], iter([0.0, 1.0, 1.0, 3.0, 10.0, 13.0, 20.0, 24.0])
    seconds = take_turns({way: lambda way=way: called.append(way) for way in ("a", "b")}, repeats=2, clock=lambda: next(times))
    assert called == ["a", "b", "a", "b"]
    assert {way: found.tolist() for way, found in seconds.items()} == {"a": [1.0, 3.0], "b": [2.0, 4.0]}


def test_a_spread_is_median_least_most():
    assert spread(np.array([3.0, 1.0, 2.5])) == "2.50 (1.00 to 3.00)" and spread(np.array([3.0]), 0) == "3 (3 to 3)"


@pytest.mark.parametrize(
    ("found", "limit", "said"),
    [
        ([0.5, 0.6, 0.9], {"at_least": 0.8}, "at least 0.8. Found: 0.60 (0.50 to 0.90): missed by 25 %. It rained."),
        ([0.796], {"at_least": 0.8}, "at least 0.8. Found: 0.80 (0.80 to 0.80): missed by 0.5 %. It rained."),
        ([0.5, 0.8, 0.9], {"at_least": 0.8}, "at least 0.8. Found: 0.80 (0.50 to 0.90): reached"),
        ([2.0, 3.0, 1.0], {"at_most": 1.0}, "at most 1. Found: 2.00 (1.00 to 3.00): missed by 100 %. It rained."),
        ([28.0, 30.0, 31.0], {"at_most": 30.0}, "at most 30. Found: 30 (28 to 31): reached"),
    ],
)
def test_a_goal_is_said_to_be_reached_or_missed(capsys, found, limit, said):
    state_goal("a / b", np.array(found), **limit, missed="It rained.")
    assert capsys.readouterr().out == f"\nGoal: a / b: {said}\n"
    assert page_writer.goals({"attacks.py": f"Goal: a / b: {said}\n"}).splitlines()[2:] == [
        "| a / b: {} | {} | {} | PGD |".format(*re.fullmatch(r"(.*)\. Found: (.*?\)): (.*)", said).groups())
    ]


# --------------------------------------------------------------------------------------------------------------------- page
def test_the_page_has_every_section_with_what_its_bench_says_of_itself():
    assert list(SECTIONS) == list(page_writer.SECTIONS)
    for script, text in SECTIONS.items():
        assert f"`: {page_writer.explanation(script)}\n\n" in text, f"bench/all.py --only {script} was not run since it changed"


def test_the_goals_of_the_page_are_those_of_its_sections():
    assert page_writer.goals(SECTIONS) in page_writer.PAGE.read_text(encoding="utf-8")


def test_every_bench_is_on_the_page_or_named_in_another():
    others = "".join(path.read_text(encoding="utf-8") for path in BENCH.parent.glob("docs/*.md") if path != page_writer.PAGE)
    benches = {path.name for path in BENCH.glob("*.py")} - {"all.py", "timing.py", *SECTIONS}
    assert {name for name in benches if f"bench/{name}" not in others} == set()


# ------------------------------------------------------------------------------------------------------------------ benches
def goals(capsys) -> list[str]:
    """What the goals are about in what was printed."""
    return [aim for aim, _ in re.findall(r"^Goal: (.*?): at (least|most) .* Found: ", capsys.readouterr().out, re.M)]


@pytest.fixture(autouse=True)
def once(monkeypatch):
    """Every way runs once, not five times."""
    for bench in (activations, dissection, predictions, stylization):
        monkeypatch.setattr(bench, "take_turns", lambda ways, *_, **how: take_turns(ways, 1, **how))


def test_dissection(capsys):
    """It stops where one of the ways counts otherwise."""
    dissection.main(n_images=2, n_units=4, lite=None, device=None)
    sums = [f"the common loop / tally, {kind} labels" for kind in ("sparse", "dense")]
    assert goals(capsys) == [*sums, "histogram / forward pass"]


def test_dissection_on_a_device(capsys, monkeypatch):
    monkeypatch.setattr(dissection, "PASSED", 2)
    dissection.main(n_images=2, n_units=4, lite=None, device="cpu")
    assert "| tally on cpu, dense labels |" in capsys.readouterr().out


def test_predictions(capsys, monkeypatch):
    monkeypatch.setattr(predictions, "N_FILES", 2)
    monkeypatch.setattr(images, "decoders", 1)
    predictions.main(n_images=2, decoders=2, device_name="cpu", batch_size=2)
    assert goals(capsys) == [f"the job's share of the limit, {network}" for network in ("resnet18, 224 px", "miniature, 48 px")]


def test_how_busy_a_gpu_is(tmp_path, monkeypatch):
    """By an nvidia-smi that says 40 and 60, and says nothing of use at first."""
    (tmp_path / "nvidia-smi").write_text('#!/bin/sh\n[ "$1" = --id=GPU-7 ] && printf "[N/A]\\n 40\\n60\\n" && exec sleep 60\n')
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert predictions.utilisation(lambda: None, "GPU-7", 0.5).tolist() == [40, 60]


def test_activations(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(activations, "SIDE", 64)
    monkeypatch.setattr(activations, "prepare", partial(activations.prepare, side=64))
    activations.main(n_images=2, architecture="resnet18", place=tmp_path)
    assert goals(capsys) == [
        "speed of an uncompressed activation file / speed of a plain file",
        "time of dump_activations / time of the plain loop",
    ]
    assert list(tmp_path.iterdir()) == []


def test_stylization(capsys):
    stylization.main(n_images=2, side=32, n_paintings=1, device_name="cpu", batch_size=2)
    assert capsys.readouterr().out.count("\n| AdaIN, here") == 2


def test_study(capsys, monkeypatch):
    """By benchmark files of a run that did not take place: 30 of 40 CPU seconds train; the whole tree took 700."""

    def run(command, **_):
        for rule, cpu in (("train_model", 30), ("predict", 10)):
            path = Path(command[command.index("--directory") + 1], "benchmarks", rule, "net.tsv")
            path.parent.mkdir(parents=True)
            pd.DataFrame({"s": [25.0], "cpu_time": [cpu], "max_pss": [800.0]}).to_csv(path, sep="\t", index=False)
        return study.subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(study.subprocess, "run", run)
    clock, used = iter([0.0, 400.0]), iter([(1, 1, 10, 5, 0), (1, 1, 650, 65, 400)])
    monkeypatch.setattr(study.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(study.os, "times", lambda: os.times_result(next(used)))
    study.main(2)
    printed = capsys.readouterr().out
    assert printed.startswith("2 cores: 700 CPU seconds, 400 s by the clock; 3 jobs\n")
    assert "Goal: CPU seconds of the miniature: at most 600. Found: 700 (700 to 700): missed by 17 %. Training eight networks" in printed
    assert "takes 75 % of what the jobs take." in printed and "GB of the two largest jobs of the miniature together: at most 2" in printed
