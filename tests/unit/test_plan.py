"""What a study costs: operations and passes of cases that can be worked out on paper, rates from made-up benchmark files, the table."""

import json
import logging
import sys
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from torch import nn

from robustlens.errors import InputError
from robustlens.plan.costs import UNITS, Cost, Costs
from robustlens.plan.dry_run import command_for, taken_over
from robustlens.plan.jobs import Job, JobList, read_jobs
from robustlens.plan.networks import NetworkCost, network_cost
from robustlens.plan.rates import PICTURE, Rate, Rates, measured_rates, measured_sizes, read_rates, usual_seconds, write_rates
from robustlens.plan.table import Sum, notes, stages_of, table, unmeasured

SHIPPED = Path(__file__).resolve().parents[2] / "resources/rates.csv"
NETWORK = NetworkCost(forward=2, to_pixels=3, to_weights=5, ablation=70, layers={"a": (4, 2, 2)}, n_classes=10, weights=1000)
STUDY = {
    "images_per_shard": 30,
    "sources": {
        "clean": {"kind": "image-folder", "n_images": 70, "geometry": {"resize": 12, "crop": 10}},
        "train": {"kind": "embedded", "n_images": 400},
        "large": {"kind": "image-folder", "n_images": 70, "geometry": {"resize": 24, "crop": 20}},
    },
    "concepts": {"scenes": {"kind": "embedded", "n_images": 50}, "broden": {"kind": "broden", "root": "nowhere", "n_images": 9}},
    "stimuli": {"noisy": {"kind": "gaussian-noise", "sigma": 0.1, "source": "clean"}},
    "attacks": {"pgd": {"eps": 2, "steps": 5, "use_best": True, "source": "clean"}},
    "robustness": {"attack": "pgd", "eps": [1, 2, 4], "n_images": 70},
    "training": {"standard": {"epochs": 2}, "adversarial": {"epochs": 2, "attack": {"steps": 3}}},
    "models": {
        "net-s": {"architecture": "net:s", "train": {"source": "train", "recipe": "standard"}},
        "net-r": {"architecture": "net:s", "train": {"source": "train", "recipe": "adversarial"}},
    },
    "suites": {"all": ["clean", "noisy", "pgd"]},
    "predictions": {"probabilities": True},
    "activations": {"noise": "noisy", "n_images": 40},
    "ablation": {"stimulus": "clean"},
}


def job(rule, wildcards=None, threads=1, output=("out",), **resources) -> Job:
    return Job(rule, wildcards or {}, resources, threads, list(output), None, None)


def cost(rule, study=STUDY, network=NETWORK, resources=None, **wildcards) -> Cost:
    return Costs(study, lambda *_: network).of(job(rule, wildcards, **(resources or {})))


# --------------------------------------------------------------------------------------------------------------- operations
@pytest.fixture
def factory(monkeypatch):
    """A convolution of 3 to 8 channels, 3 x 3, at 6 x 6 px, and a linear layer of 8 to 4 classes."""

    def build():
        layers = {"conv": nn.Conv2d(3, 8, 3, padding=1), "pool": nn.AdaptiveAvgPool2d(1), "flat": nn.Flatten(), "head": nn.Linear(8, 4)}
        return nn.Sequential(OrderedDict(layers))

    module = ModuleType("paper_network")
    module.build = build
    monkeypatch.setitem(sys.modules, "paper_network", module)
    return {"architecture": "paper_network:build", "arguments": {}, "layers": ["conv"]}


def test_operations_of_a_convolution_and_a_linear_layer(factory):
    convolution, linear = 2 * 3 * 9 * 8 * 36, 2 * 8 * 4  # two operations a multiply-add
    found = network_cost("net", factory, 6)
    assert found.forward == pytest.approx((convolution + linear) / 1e9)
    assert found.to_pixels == pytest.approx((convolution + linear) / 1e9)  # back to the image, through both
    assert found.to_weights == pytest.approx((convolution + 2 * linear) / 1e9)  # the linear layer's input needs its gradient too
    assert found.ablation == pytest.approx(8 * linear / 1e9)  # 8 units: one pass of 8 copies behind the layer
    assert found.layers == {"conv": (8, 6, 6)} and found.n_units == 8 and found.n_cells == 8 * 36
    assert found.n_classes == 4 and found.weights == 4 * (3 * 9 * 8 + 8 + 8 * 4 + 4)


# -------------------------------------------------------------------------------------------------------------------- costs
def test_prediction_is_one_pass_an_image():
    found = cost("predict", resources={"images": 90}, model="net-s", suite="all", shard="0000")
    assert (found.images, found.forward, found.backward) == (90, 90, 0)
    assert found.amount == 90 * 2 and found.n_bytes == 90 * (4 * 10 + 24)
    assert found.kind == "net:s 10 px" and found.size == 2


def test_prediction_of_a_suite_of_two_image_sizes():
    study = {**STUDY, "suites": {"all": ["clean", "large"]}}
    sizes = {10: NETWORK, 20: replace(NETWORK, forward=8)}
    found = Costs(study, lambda _, __, side: sizes[side]).of(job("predict", {"model": "net-s", "suite": "all", "shard": "0002"}, images=20))
    assert found.amount == 10 * 2 + 10 * 8  # the last shard has 10 images of each


@pytest.mark.parametrize(("resources", "checked"), [({"device": "cpu", "batch_size": 4}, 20), ({"device": "cuda", "batch_size": 4}, 4)])
def test_an_attack_is_its_steps_and_the_last_look_and_the_first_block(resources, checked):
    found = cost("attack_images", resources={"images": 20, **resources}, attack="pgd", model="net-s", shard="0000")
    assert (found.forward, found.backward) == (20 * 6 + checked, 20 * 5)
    assert found.amount == found.forward * 2 + found.backward * 3
    assert found.pixels == pytest.approx(20 * 100 / 1e6)


@pytest.mark.parametrize(("epsilons", "attacks"), [([1, 3, 4], 3), ([1, 2, 4], 2)])
def test_a_sweep_is_an_attack_and_a_decision_for_each_other_epsilon_and_two_decisions_of_what_is_there(epsilons, attacks):
    """30 images are attacked, the first 20 swept: each is decided without attack and at each epsilon; the attack's own is there already."""
    study = STUDY | {"robustness": {**STUDY["robustness"], "eps": epsilons, "n_images": 20}}
    found = cost("attack_and_sweep", study, resources={"images": 30, "device": "cpu", "batch_size": 4}, model="net-s", shard="0000")
    forward = 30 * 6 + 30 + 20 * (1 + 3 + attacks * 6) + 20
    assert (found.forward, found.backward) == (forward, (30 + 20 * attacks) * 5)
    assert found.amount == found.forward * 2 + found.backward * 3


@pytest.mark.parametrize(("model", "passes", "operations"), [("net-s", 800, 2 + 5), ("net-r", 800 * 4, 2 + 5 + 3 * (2 + 3))])
def test_training_is_forward_and_backward_and_each_step_of_its_attack(model, passes, operations):
    found = cost("train_model", resources={"images": 800}, model=model)
    assert (found.images, found.forward, found.backward) == (800, passes, passes)
    assert found.amount == 800 * operations and found.n_bytes == 2000
    assert cost("train_part", resources={"images": 400}, model=model, epoch="0001").amount == 400 * operations


def test_training_that_takes_the_best_iterate_and_looks_on_images_held_out():
    """800 images are two epochs: each image 1 + 3 + 1 forward; 70 held out, twice, as they are and attacked."""
    more = {"attack": {"steps": 3, "use_best": True}, "validate": {"source": "clean", "n_images": 70}}
    study = STUDY | {"training": {"standard": {"epochs": 2, "validate": more["validate"]}, "adversarial": {"epochs": 2, **more}}}
    found = cost("train_model", study, resources={"images": 800}, model="net-r")
    assert (found.forward, found.backward) == (800 * 5 + 140 * (1 + 1 + 4), 800 * 4 + 140 * 3)
    assert found.amount == found.forward * 2 + 800 * 5 + (800 + 140) * 3 * 3
    assert cost("train_model", study, resources={"images": 800}, model="net-s").forward == 800 + 140


def test_ablation_is_a_decision_for_every_unit():
    found = cost("ablate_units", resources={"images": 30}, model="net-s", shard="0000")
    assert (found.forward, found.backward) == (30 * (1 + 4), 0)
    assert found.amount == 30 * (2 + 70)


def test_a_dump_writes_two_bytes_a_cell():
    found = cost("dump_image_set", resources={"images": 10}, model="net-s", image_set="noisy", shard="0001")
    assert (found.forward, found.amount, found.n_bytes) == (10, 20, 10 * 2 * 16)
    study = STUDY | {"concepts": {"scenes": STUDY["concepts"]["scenes"]}}
    found = cost("dump_activations", study, resources={"images": 40}, model="net-s", shard="0001")
    assert (found.forward, found.amount, found.n_bytes) == (40, 80, 40 * 2 * 16)  # 20 of 50 scenes, 10 of 40 clean and of 40 noisy images


def test_reading_activations():
    assert cost("measure_maps", model="net-s").amount == pytest.approx(2 * 40 * 2 * 16 / 1e9)
    assert cost("dissect", model="net-s", concept_set="scenes").amount == pytest.approx(50 * 4 * 32**2 / 1e6)
    assert cost("gather_predictions").amount == len(STUDY["models"]) * 3 * 70


def test_pictures():
    made = {**STUDY["stimuli"], "fog": {"kind": "corruption", "corruption": "fog", "severity": 3, "source": "clean"}}
    fog = cost("compute_stimulus", {**STUDY, "stimuli": made}, resources={"images": 30}, stimulus="fog", shard="0000")
    assert fog.kind == "corruption fog 10 px" and fog.amount == pytest.approx(30 * 100 / 1e6)
    found = cost("make_stimulus", resources={"images": 30}, stimulus="noisy", shard="0000")
    assert found.amount == found.pixels == pytest.approx(30 * 100 / 1e6)
    assert found.kind == "gaussian-noise 10 px" and found.n_bytes is None


def test_a_rule_that_nothing_is_said_of_is_counted_by_the_job():
    assert cost("draw_figures") == Cost()
    assert cost("new_rule", resources={"images": 7}) == Cost(images=7)


def test_a_network_that_is_not_there_is_unknown_and_its_passes_are_not():
    def missing(*_):
        raise ImportError("No module named 'timm'\nmore")

    costs = Costs(STUDY, missing)
    found = costs.of(job("predict", {"model": "net-s", "suite": "all", "shard": "0000"}, images=90))
    assert (found.images, found.forward, found.amount, found.n_bytes) == (90, 90, None, None)
    assert found.unknown == "the operations of net-s (No module named 'timm')"
    assert costs.of(job("ablate_units", {"model": "net-s", "shard": "0000"}, images=9)).forward is None


def test_concept_images_whose_size_cannot_be_read_are_unknown(tmp_path):
    where = {"model": "net-s", "image_set": "broden", "shard": "0000"}
    assert "image size of broden (nowhere/index.csv" in cost("dump_image_set", resources={"images": 9}, **where).unknown
    (tmp_path / "index.csv").write_text("image,ih,iw,sh,sw\na.jpg,10,10,5,5\n")
    study = {**STUDY, "concepts": {"broden": {"kind": "broden", "root": str(tmp_path), "n_images": 9}}}
    assert cost("dump_image_set", study, resources={"images": 9}, **where).amount == 18
    assert cost("dissect", study, model="net-s", concept_set="broden").amount == pytest.approx(9 * 4 * 25 / 1e6)


# -------------------------------------------------------------------------------------------------------------------- rates
def finished(folder, number, seconds, said, **resources) -> Job:
    """A job that has run: its benchmark file and its log."""
    paths = [folder / "benchmarks/predict" / f"{number}.tsv", folder / "logs/predict" / f"{number}.log"]
    for path, text in zip(paths, (f"s\th:m:s\tmax_rss\n{seconds}\t0:00:00\t-\n", said), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Job("predict", {"shard": str(number)}, resources, 1, ["out"], *(str(path.relative_to(folder)) for path in paths))


def log_text(device, seconds) -> str:
    return f"10:00:00 predict on node\n10:00:01 device {device}\n10:00:09 done in {seconds} s\n"


def test_a_rate_is_work_over_the_time_of_the_work_and_the_rest_is_the_start(tmp_path):
    device = {"device": "cuda"}
    first = finished(tmp_path, 0, 10.0, log_text("cuda:0, NVIDIA A100, 80 GiB", "8.0"), **device)
    second = finished(tmp_path, 1, 14.0, log_text("cuda:1, NVIDIA A100, 80 GiB", "12.0"), **device)
    retried = finished(tmp_path, 2, 5.0, log_text("cpu, 1 thread", "400.0") + log_text("cpu, 1 thread", "4.0"), **device)
    silent = finished(tmp_path, 3, 99.0, "10:00:00 predict on node\n", **device)
    gone = replace(first, benchmark="benchmarks/predict/9.tsv")
    jobs = [
        (first, Cost(amount=16, kind="a", size=2)),
        (second, Cost(amount=24, kind="a", size=2)),
        (retried, Cost(amount=8, kind="a", size=2)),
    ]
    found = measured_rates([*jobs, (silent, Cost()), (gone, Cost()), (first, Cost(amount=None))], tmp_path)
    gpu, cpu = found
    assert gpu == Rate("predict", "cuda", "a", 2, "GFLOP", rate=2.0, start=2.0, n=2, measured_on="NVIDIA A100")
    assert (cpu.device, cpu.rate, cpu.start, cpu.n) == ("cpu", 2.0, 1.0, 1)


def test_sizes_of_pictures(tmp_path):
    (tmp_path / "shard.parquet").write_bytes(bytes(300))
    found = measured_sizes([(job("make_stimulus", output=["shard.parquet"]), Cost(kind="noise", size=0.01, pixels=100 / 1e6))], tmp_path)
    assert [(rate.unit, rate.rate) for rate in found] == [(PICTURE, 3.0)]


def rate(rule="predict", device="cpu", kind="", size=1.0, value=10.0, start=0.0, unit=None) -> Rate:
    return Rate(rule, device, kind, size, unit or UNITS.get(rule, "job"), value, start, 3, "paper")


def test_time_is_start_and_work_at_the_rate_of_the_same_kind_or_the_nearest_in_size():
    rates = Rates([], [rate(kind="a", size=1, value=10, start=3), rate(kind="b", size=4, value=20), rate(kind="c", size=100, value=40)])
    assert rates.seconds(job("predict"), Cost(amount=50, kind="a", size=100)) == 3 + 5
    assert rates.seconds(job("predict"), Cost(amount=40, kind="new", size=5)) == 2
    assert rates.seconds(job("predict"), Cost(amount=40, kind="new", size=90)) == 1
    assert rates.seconds(job("predict"), Cost(amount=None, kind="a")) is None
    assert rates.seconds(job("predict", device="cuda"), Cost(amount=40, kind="a", size=1)) is None  # the CPU says nothing of a GPU


def test_what_is_measured_here_goes_before_what_ships():
    rates = Rates([rate(kind="far", size=1000, value=1)], [rate(kind="a", value=10)])
    assert rates.seconds(job("predict"), Cost(amount=10, kind="a", size=1)) == 10
    assert Rates([], [rate("train_model")]).seconds(job("train_part"), Cost(amount=10)) == 1


def test_pictures_as_large_as_others_of_their_kind():
    rates = Rates([], [rate("make_stimulus", "", "noise", 1, 3.0, unit=PICTURE), rate("make_stimulus", "", "blur", 1, 1.0, unit=PICTURE)])
    assert rates.n_bytes(job("make_stimulus"), Cost(n_bytes=None, kind="blur", size=1, pixels=2)) == 2e6
    assert rates.n_bytes(job("make_stimulus"), Cost(n_bytes=None, kind="new", size=1, pixels=2)) == 4e6  # both are as near: their mean
    assert rates.n_bytes(job("render_images"), Cost(n_bytes=None, pixels=2)) is None


def test_a_table_of_rates_comes_back_as_it_went_in(tmp_path):
    rates = [rate(), rate(device="cuda", kind="a, b", value=0.25)]
    write_rates(tmp_path / "rates.csv", rates)
    assert read_rates(tmp_path / "rates.csv") == rates
    (tmp_path / "rates.csv").write_text("rule,rate\n")
    with pytest.raises(InputError, match="expected the columns rule,device"):
        read_rates(tmp_path / "rates.csv")


def test_the_table_that_ships():
    rates = read_rates(SHIPPED)
    assert {rate.device for rate in rates} <= {"cpu", ""}  # no GPU time is guessed
    assert all(rate.rate > 0 and rate.start >= 0 and rate.n > 0 for rate in rates)
    times = [rate for rate in rates if rate.unit != PICTURE]
    assert all(rate.unit == UNITS.get(rate.rule, "job") for rate in times)
    assert len({(rate.rule, rate.device, rate.kind, rate.unit) for rate in rates}) == len(rates)


def test_usual_seconds_of_a_rule(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_rates("rates.csv", [rate("draw_figures", value=0.25), rate("predict")])
    assert usual_seconds("draw_figures", "rates.csv") == 4
    assert usual_seconds("predict", "rates.csv") is None  # depends on the work
    finished(tmp_path, 0, 10, ""), finished(tmp_path, 1, 20, "")
    assert usual_seconds("predict", "rates.csv") == 15


# -------------------------------------------------------------------------------------------------------------------- table
def test_a_sum_says_what_it_does_not_know():
    def text(*values, **options):
        total = Sum()
        for value in values:
            total.add(value)
        return total.text(**options)

    assert text(1000, 234) == "1,234"
    assert text(0, 0) == text() == ""
    assert text(None, None) == text(None, 0) == "-"
    assert text(None, 90, unit=60, digits=1) == "> 1.5"
    assert text(1, unit=3600, digits=1) == "<0.1"


def example():
    """Two jobs of the CPU, of which one is built, one of two GPUs, one of an unknown network, and the target."""
    rates = Rates([rate("make_stimulus", value=0.01)], [rate("predict", "cuda", value=0.001)])
    jobs = [
        (job("make_stimulus", {"shard": "0"}, threads=2, images=30), Cost(30, amount=36.0), True),
        (job("make_stimulus", {"shard": "1"}, images=30), Cost(30, amount=36.0), False),
        (job("predict", {"shard": "0"}, device="cuda", gpu=2, images=5000), Cost(5000, 5000, 0, 7.2, 3e9), True),
        (job("predict", {"shard": "1"}, device="cuda", gpu=2, images=5000), Cost(5000, 5000, 0, None, None, unknown="the network"), True),
        (job("all", output=()), Cost(), True),
    ]
    return jobs, rates


def test_the_table_adds_up():
    jobs, rates = example()
    lines = table(stages_of(jobs, ["predict", "make_stimulus"], rates)).splitlines()
    assert lines[0].split() == ["jobs", "already", "forward", "backward", "CPU", "GPU", "longest", "to", "write"]
    assert lines[1].split() == ["stage", "to", "do", "built", "images", "passes", "passes", "h", "h", "job,", "h", "GB"]
    assert lines[3].split() == ["predict", "2", "0", "10,000", "10,000", ">", "4.0", ">", "2.0", ">", "3.0"]  # 7,200 s on two GPUs
    assert lines[4].split() == ["make_stimulus", "1", "1", "30", "2.0", "1.0"]  # 3,600 s on two cores
    assert lines[5].split() == ["all", "1", "0"]
    assert lines[7].split() == ["in", "all", "4", "1", "10,030", "10,000", "2.0", ">", "4.0", ">", "2.0", ">", "3.0"]
    assert len({len(line) for line in lines[2:7:4]}) == 1 and max(map(len, lines)) <= 100


def test_without_a_gpu_there_is_no_column_of_its_time():
    _, rates = example()
    jobs = [(job("predict", device="cpu", images=30), Cost(30, amount=36.0), True)]
    assert "GPU" not in table(stages_of(jobs, [], rates))


def test_the_notes_say_where_times_come_from_and_what_is_unknown():
    jobs, rates = example()
    stages_of(jobs, [], rates)
    found = notes(jobs, rates, "rates.csv")
    assert found[0] == "Times of 1 stage: measured here, on paper (3 finished jobs)."
    assert found[1] == "Times of the other 1 stage: rates.csv, measured on paper; this machine may differ."
    assert found[-1] == "Unknown for predict: the network."


def test_a_stage_of_the_cpu_without_a_rate_is_named():
    """Corruptions, say: no rate of them ships, and a sum without them looks as one with them."""
    jobs, rates = example()
    jobs += [(job(rule, {"shard": "0"}, images=30), Cost(30, amount=36.0), rule != "done") for rule in ("compute_stimulus", "done")]
    stages_of(jobs, [], rates)
    (found,) = [line for line in notes(jobs, rates, "rates.csv") if line.startswith("No time")]
    assert found == "No time is known for compute_stimulus: measured neither here nor in rates.csv. One job that has run here tells."


def test_one_job_of_each_rule_without_a_rate_is_to_be_tried():
    jobs, rates = example()
    assert unmeasured(jobs, rates) == []
    assert [found.wildcards for found in unmeasured(jobs, Rates([], []))] == [{"shard": "0"}]


# ------------------------------------------------------------------------------------------------------------------ dry runs
def test_options_that_the_dry_runs_need_too():
    words = "plan --profile slurm --cores 2 --set-resources predict:device=cuda a:b=1 --config seed=1 --quiet --workflow-profile=none"
    kept = "--profile slurm --workflow-profile none --set-resources predict:device=cuda a:b=1"
    assert taken_over(words.split()) == kept.split()
    assert taken_over(["plan"]) == []


@pytest.mark.parametrize(
    ("words", "command"),
    [
        ("plan --profile slurm", "snakemake a b --profile slurm"),
        ("--directory plan plan", "snakemake a b --directory plan"),
        ("plan --directory plan", "snakemake a b --directory plan"),
        ("--quiet plan", "snakemake a b --quiet"),
    ],
)
def test_the_same_command_for_other_targets(words, command):
    assert command_for(words.split(), ["a", "b"]) == command


def test_a_list_of_jobs(tmp_path):
    logger = logging.Logger("snakemake")
    logger.addHandler(handler := JobList(tmp_path / "jobs"))
    named = {"wildcards": {"model": "net", "shard": "0001"}, "resources": {"images": 7, "tmpdir": SimpleNamespace()}}
    event = {"event": SimpleNamespace(value="job_info"), "rule_name": "predict", "threads": 1, "output": ["out"], "log": ["log"]}
    logger.info("said")
    logger.info("Rule", extra={**event, **named, "benchmark": None, "jobid": 3})
    handler.close()
    (found,) = read_jobs(tmp_path / "jobs")
    assert (found.rule, found.wildcards, found.resources["images"]) == ("predict", named["wildcards"], 7)
    assert (found.log, found.benchmark) == ("log", None)
    assert json.loads((tmp_path / "jobs").read_text())["output"] == ["out"]
