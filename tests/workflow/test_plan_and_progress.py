"""`snakemake plan` before, during and after a run and at the size of ImageNet; the lines that a run writes, and a job that fails."""

import re
from pathlib import Path

import pytest
import yaml
from PIL import Image

from runs import TINY, jobs, snakemake, write_study

NETWORK = ("train_model", "attack_images", "attack_and_sweep", "predict", "dump_activations", "dump_image_set", "ablate_units")


def plan(folder, *arguments, **options) -> tuple[dict[str, list[int]], str]:
    """Of each stage and of all, the jobs to do and those built; and the text."""
    done = snakemake(folder, "plan", *arguments, **options)
    assert [line for line in done.stderr.splitlines() if not line.startswith("Using")] == []  # only the plan is printed
    text = done.stdout
    rows = re.findall(r"^(\w+|in all) +([\d,]+) +([\d,]+)(?: |$)", text, re.M)
    return {name: [int(number.replace(",", "")) for number in numbers] for name, *numbers in rows}, text


def row(text: str, name: str) -> list[str]:
    """The cells of a stage."""
    return next(line for line in text.splitlines() if line.startswith(name)).removeprefix(name).split()


# ------------------------------------------------------------------------------------------------------------------- the plan
def test_before_a_run_all_is_to_do(tmp_path):
    found, text = plan(tmp_path)
    everything = found.pop("in all")
    assert {name: counts[0] for name, counts in found.items()} == jobs(tmp_path)
    assert everything == [sum(counts[0] for counts in found.values()), 0]
    assert list(found)[0] == "render_source" and list(found)[-2:] == ["write_page", "all"]
    assert row(text, "predict")[:4] == ["6", "0", "1,068", "1,068"]  # of 3 models: 5 x 60 and 56 images
    assert row(text, "train_model")[:5] == ["3", "0", "2,400", "3,200", "3,200"]  # 3 x 400 x 2 epochs, once more in one of them
    assert row(text, "attack_images")[:5] == ["4", "0", "120", f"{120 * 7}", "600"]  # 5 steps, the last look, the labels
    assert row(text, "attack_and_sweep")[:5] == [
        "2",
        "0",
        "60",
        "1,020",
        "600",
    ]  # the same, two more decisions, and once more at another epsilon
    assert row(text, "ablate_units")[:4] == ["2", "0", "60", f"{60 * (1 + 8 + 16):,}"]  # 8 units of conv1, 16 of conv3
    assert "rates.csv, measured on" in text and not (tmp_path / "results").exists()


def test_after_a_part_of_a_run_the_rest_is_to_do(tmp_path):
    snakemake(tmp_path, *(f"results/stimuli/clean/shard-000{number}.parquet" for number in range(2)))
    found, text = plan(tmp_path)
    assert found["render_source"] == [3, 1] and found["render_images"] == [1, 1] and found["predict"] == [6, 0]
    assert found["in all"] == [sum(jobs(tmp_path).values()), 2]


def test_after_a_run_nothing_is_to_do(tiny_study):
    found, _ = plan(tiny_study)
    assert {counts[0] for counts in found.values()} == {0}
    assert found["in all"][1] == sum(jobs(tiny_study, "--forceall").values())


def test_times_come_from_the_jobs_that_have_run(tiny_study, tmp_path):
    study = write_study(tmp_path / "study.yaml", **{"stimuli__scrambled-2__grid": 4})
    found, text = plan(tiny_study, config=study)
    assert found["make_stimulus"] == [2, 4] and found["predict"] == [6, 0]
    assert re.search(r"Times of 1 stage: measured here, on cpu \(4 finished jobs\)", text)  # no other stage has jobs that are left alone


def test_the_config_is_taken_as_given(tmp_path):
    """Overrides on the command line, a study that stands alone, and keys that the schema fills in."""
    _, text = plan(tmp_path, "--config", "images_per_shard=60", config=write_study(tmp_path / "study.yaml", ablation__stimulus=None))
    assert row(text, "predict")[:3] == ["3", "0", "1,068"]
    assert "ablate_units" not in text
    found, text = plan(tmp_path, config=None)
    assert found["train_model"] == [8, 0]


def test_jobs_of_a_gpu_have_no_time_before_one_has_run(tmp_path):
    profile = tmp_path / "gpu/config.yaml"
    profile.parent.mkdir()
    resources = {"device": "cuda", "gpu": 1, "batch_size": 16}
    profile.write_text(yaml.safe_dump({"set-resources": {rule: resources for rule in NETWORK}}))
    _, text = plan(tmp_path, "--profile", profile.parent)
    assert row(text, "predict")[4] == "-"
    assert row(text, "attack_images")[3] == f"{120 * 6 + 4 * 16}"  # four jobs, blocks of 16 images
    command = text.rstrip().splitlines()[-1].split()
    assert command[0] == "snakemake" and "--profile" in command and "plan" not in command
    trials = [word for word in command if word.startswith("results/")]
    assert len(trials) == len(NETWORK)
    assert set(jobs(tmp_path, *trials)) > set(NETWORK)


NUMBERED = {"labels": "number"}  # the folder is empty


def imagenet(folder: Path) -> Path:
    """A config of the size of the paper's: 50,000 images, 75 corrupted copies, three pairs."""
    study = yaml.safe_load(TINY.read_text())
    (folder / "pictures").mkdir()
    for role in "sr":
        (folder / f"{role}.pt").write_bytes(b"PK")

    def source(n_images):
        return {
            "kind": "image-folder",
            "root": str(folder / "pictures"),
            "n_images": n_images,
            "geometry": {"resize": 256, "crop": 224},
        } | NUMBERED

    corrupted = [f"corruption{kind:02d}-{severity}" for kind in range(15) for severity in range(1, 6)]
    study["images_per_shard"], study["classes"] = 5000, []
    study["sources"] = {name: source(50_000) for name in ("clean", "stylized", *corrupted)} | {
        "cue-conflict": {key: value for key, value in source(1200).items() if key != "labels"} | {"kind": "cue-conflict"}
    }
    study["stimuli"].pop("silhouette")
    study["concepts"] = {"broden": {"kind": "broden", "root": str(folder / "pictures"), "n_images": 63_305}}
    study["training"], study["controls"] = {}, {}
    networks = {"alexnet": ["conv1", "conv5"], "googlenet": ["conv1", "inception5"], "resnet": ["conv1", "layer3"]}
    study["models"] = {
        f"{name}-{role}": {
            "architecture": f"robustlens.models.miniature:{name}",
            "arguments": {"classes": 1000},
            "weights": str(folder / f"{role}.pt"),
            "layers": layers,
        }
        for name, layers in networks.items()
        for role in "sr"
    }
    study["pairs"] = {name: {"standard": f"{name}-s", "robust": f"{name}-r"} for name in networks}
    study["suites"] = {"all": ["clean", *study["stimuli"], "stylized", "cue-conflict", "pgd-2"], "imagenet-c": corrupted}
    study["activations"]["n_images"], study["ablation"]["n_images"] = 5000, 1200
    study["claims"] |= {"texture_less": ["stylized"], "distortions": corrupted}
    (folder / "imagenet.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    return folder / "imagenet.yaml"


def test_a_study_of_the_size_of_imagenet(tmp_path):
    config = imagenet(tmp_path)
    found = jobs(tmp_path, "--quiet", "rules", config=config)
    assert sum(found.values()) > 1000
    text = snakemake(tmp_path, "--rulegraph", config=config).stdout
    names = [line.split('label = "')[1].split('"')[0] for line in text.splitlines() if 'label = "' in line]
    assert sorted(names) == sorted(found)
    planned, text = plan(tmp_path, config=config)
    assert planned["in all"] == [sum(found.values()), 0]
    n_predicted = 6 * (75 + 5) * 50_000 + 6 * 1200
    assert row(text, "predict")[2:4] == [f"{n_predicted:,}"] * 2
    assert "image size of broden" in text  # there is no index.csv to tell it
    assert max(map(len, text.splitlines()[:-3])) < 140


# --------------------------------------------------------------------------------------------------------------------- progress
def small_run(folder, *arguments, n_images=1):
    """Three shards of a drawn source, and a folder with one picture of which ``n_images`` are announced."""
    (folder / "pictures/disc").mkdir(parents=True)
    Image.new("RGB", (9, 9)).save(folder / "pictures/disc/one.png")
    photos = {"kind": "image-folder", "root": str(folder / "pictures"), "n_images": n_images, "geometry": {"resize": 9, "crop": 9}}
    study = write_study(folder / "study.yaml", images_per_shard=20, sources__photos=photos)
    targets = [f"results/stimuli/{name}.parquet" for name in ("clean/shard-0001", "clean/shard-0002", "photos/shard-0000")]
    return snakemake(folder, *targets, *arguments, config=study, check=False)


@pytest.mark.parametrize("quiet", [[], ["--quiet", "rules", "host"]], ids=["plain", "quiet"])
def test_a_run_says_how_far_it_is(tmp_path, quiet):
    done = small_run(tmp_path, *quiet)
    assert done.returncode == 0, done.stderr
    lines = [" ".join(line.split()) for line in done.stderr.splitlines()]
    assert any(re.fullmatch(r"render_images 2 of 2 jobs 40 images [\d,.]+ images/s \| all: \d of 5 jobs.*", line) for line in lines), (
        done.stderr
    )
    assert any(re.fullmatch(r"index_images 1 of 1 jobs 1 images [\d,.]+ images/s \| all: .*", line) for line in lines), done.stderr
    assert re.match(r"All 5 jobs done in \d+ s", next(line for line in lines if line.startswith("All")))
    assert "steps (" not in done.stderr
    assert ("Finished jobid" in done.stderr) == ("rule render_images:" in done.stderr) == (not quiet)


def test_a_job_that_fails_is_named_with_its_reason_and_its_log(tmp_path):
    done = small_run(tmp_path, "--quiet", "rules", "host", "--retries", 1, n_images=2)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    failures = [line for line in lines if line.startswith("FAILED")]
    reason = r"FAILED list_images source=photos( \(attempt 2\))?: .*expected 2 .*: see logs/list_images/photos.log"
    assert len(failures) == 2 and all(re.fullmatch(reason, line) for line in failures), done.stderr
    assert "attempt" not in failures[0] and "attempt 2" in failures[1]
    assert lines[-2:] == ["1 job failed:", f"  {failures[1]}"]
    assert any(line.startswith("render_images") for line in lines)  # the others went on
    assert (tmp_path / "logs/list_images/photos.log").is_file()
