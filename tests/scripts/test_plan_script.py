"""The script that prints the plan: which jobs are left, what it says of times, and the one sentence where a dry run fails."""

import sys
from pathlib import Path

import pytest

import plan
from robustlens.errors import InputError
from robustlens.plan.dry_run import DryRuns
from robustlens.plan.jobs import Job
from robustlens.plan.rates import Rate, write_rates

STUDY = {
    "images_per_shard": 30,
    "sources": {"clean": {"kind": "embedded", "n_images": 60}},
    "stimuli": {},
    "attacks": {},
    "concepts": {},
    "models": {"net": {"architecture": "robustlens.models.miniature:alexnet", "arguments": {"classes": 8}, "layers": ["conv1"]}},
    "suites": {"all": ["clean"]},
    "predictions": {"probabilities": True},
}


def jobs(device):
    resources = {"device": device, "batch_size": 9, "images": 30}
    return [
        Job("predict", {"model": "net", "suite": "all", "shard": f"000{shard}"}, resources, 1, [f"results/{shard}"], None, None)
        for shard in (0, 1)
    ]


@pytest.fixture
def rates(tmp_path) -> str:
    """A table by which the miniature AlexNet, 0.0075 GFLOP an image, handles an image a second."""
    write_rates(tmp_path / "rates.csv", [Rate("predict", "cpu", "", 1.0, "GFLOP", 0.0075, 0.0, 1, "paper")])
    return str(tmp_path / "rates.csv")


def cells(text: str, name: str) -> list[str]:
    return next(line for line in text.splitlines() if line.startswith(name)).split()


def test_what_is_left_is_counted_and_what_is_built(rates, tmp_path):
    everything = jobs("cpu")
    text = plan.plan(everything, everything[1:], STUDY, ["predict"], rates, tmp_path, ["plan"])
    assert cells(text, "predict") == ["predict", "1", "1", "30", "30", "30.0", "30.0", "1.7"]  # 30 s; 30 x (8 classes x 4 + 24) bytes
    assert "paper" in text and "snakemake" not in text


def test_no_gpu_time_is_guessed(rates, tmp_path):
    text = plan.plan(jobs("cuda"), jobs("cuda"), STUDY, [], rates, tmp_path, ["plan", "--profile", "slurm"])
    assert cells(text, "predict")[5] == "-"
    assert text.endswith("  snakemake results/0 --profile slurm")


def test_main_prints_what_two_dry_runs_list(rates, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(DryRuns, "jobs", lambda self: (jobs("cpu"), jobs("cpu")))
    plan.main(rates=rates, config=STUDY, stages=[], snakefile="", python="", launched_in="", arguments=["plan"])
    assert cells(capsys.readouterr().out, "in all")[:4] == ["in", "all", "2", "0"]


def test_a_dry_run_that_fails_is_quoted(tmp_path):
    missing = str(tmp_path / "Snakefile")
    runs = DryRuns({}, snakefile=missing, python=sys.executable, launched_in=str(Path.cwd()), folder=tmp_path, options=[])
    with pytest.raises(InputError, match=f"(?s)plan: expected a dry run of this study, got an error.*{missing}"):
        runs.jobs()
