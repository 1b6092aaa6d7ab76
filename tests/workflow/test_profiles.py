"""The profiles for other machines: every rule that runs a network asks for a GPU there, and none falls back to the CPU."""

import re

import pytest
import yaml

from runs import REPOSITORY, TINY, snakemake, write_study


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch):
    """A Slurm of this machine would be asked for its limits."""
    monkeypatch.setenv("SLURM_CONF", "/dev/null")


def rules_of_networks() -> set[str]:
    """The rules that have the resource ``device``."""
    text = "".join(path.read_text() for path in (REPOSITORY / "rules").glob("*.smk"))
    return {name for name, body in re.findall(r"^rule (\w+):\n(.*?)(?=^\S|\Z)", text, re.M | re.S) if "device=NETWORK" in body}


def resources(text: str) -> dict[str, dict[str, str]]:
    """Rule -> the resources of its last job in a dry run."""
    found = {}
    for rule, said in re.findall(r"^rule (\w+):\n.*?^    resources: (.*?)$", text, re.M | re.S):
        found[rule] = dict(item.split("=", 1) for item in said.split(", "))
    return found


@pytest.mark.parametrize("profile", ["slurm", "workstation"])
def test_every_network_gets_a_gpu(tmp_path, monkeypatch, profile):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")  # as if there were two
    suite = yaml.safe_load(TINY.read_text())["suites"]["all"]
    fog = {"fogs": {"corruptions": ["fog"], "severities": [1]}}
    (tmp_path / "net.pt").write_bytes(b"PK")
    brought = {"architecture": "resnet18", "arguments": {"num_classes": 8}, "weights": str(tmp_path / "net.pt")}
    config = write_study(
        tmp_path / "study.yaml",
        corruptions=fog,
        suites__all=[*suite, "fogs"],
        models__brought=brought,
        ablation__concepts={"stimuli": ["clean"]},
    )
    found = {}
    for mode in ("stored", "streamed"):
        asked = ["--config", f"activations={{mode: {mode}}}"]
        done = snakemake(tmp_path, "--dry-run", "--profile", profile, "--quiet", "host", *asked, config=config)
        found |= resources(done.stdout + done.stderr)
    networks = rules_of_networks() - {"train_part"}  # of which the tiny study has none
    computing = {"attack_images", "attack_and_sweep", "compute_stimulus", "predict", "ablate_units", "ablate_concepts"}
    computing |= {"dump_activations", "dump_image_set", "count_values", "tally_concepts", "compare_maps"}
    assert networks == {*computing, "verify_model", "train_model"}
    for rule, asked in found.items():
        assert (asked.get("gpu"), asked.get("device")) == (("1", "cuda") if rule in networks else (None, None)), rule
    assert networks <= found.keys()
    text = (REPOSITORY / profile / "config.yaml").read_text()
    assert all(f"  {rule}:" in text for rule in rules_of_networks())


def test_what_a_site_sets(tmp_path, monkeypatch):
    for name, value in {"ACCOUNT": "us", "GPU_PARTITION": "fast", "GPU_MODEL": "a100", "CPU_PARTITION": "slow"}.items():
        monkeypatch.setenv(f"ROBUSTLENS_{name}", value)
    done = snakemake(tmp_path, "--dry-run", "--profile", "slurm", "--quiet", "host")
    found = resources(done.stdout + done.stderr)
    assert found["predict"]["slurm_partition"] == "fast" and found["predict"]["gpu_model"] == "a100"
    assert found["predict"]["mem_mb"] == "4244"  # for 256 images of 32 px a pass; for such of 224 px 16,000
    assert found["dissect"]["slurm_partition"] == "slow" and "gpu" not in found["dissect"]
    assert {asked["slurm_account"] for asked in found.values()} == {"us"}


def test_a_gpu_that_is_not_there_is_no_cpu(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    card = "results/models/alexnet-s/card.json"
    done = snakemake(tmp_path, card, "--set-resources", "train_model:device=cuda", check=False)
    assert done.returncode == 1
    assert "resource device: expected cuda, a device that torch can use, got none of that name" in done.stderr
    assert not (tmp_path / card).exists()


@pytest.mark.parametrize(("asked", "left"), [([], "no limit"), (["--max-jobs-per-timespan", "50/1s"], "50 in 1.0 s")])
def test_jobs_are_looked_at_when_one_ends_and_not_by_the_clock(tmp_path, asked, left):
    """Unless a number of jobs a second is asked for."""
    (tmp_path / "Snakefile").write_text(
        f'include: "{REPOSITORY}/Snakefile"\n\n'
        "onsuccess:\n"
        "    limit = workflow.scheduler.job_rate_limiter\n"
        '    print(f"{limit.max_jobs} in {limit.timespan} s" if limit else "no limit")\n'
    )
    done = snakemake(tmp_path, "--snakefile", tmp_path / "Snakefile", *asked, "results/stimuli/clean/manifest.parquet")
    assert done.stdout.splitlines()[-1] == left
