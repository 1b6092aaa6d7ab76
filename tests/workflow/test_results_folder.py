"""One folder, one study: what Snakemake says where another one comes, and what does not count as another one."""

import json

from runs import snakemake, write_study

MANIFEST = "results/stimuli/clean/manifest.parquet"


def test_another_study_is_refused_before_anything_runs(tmp_path):
    snakemake(tmp_path, MANIFEST)
    assert json.loads((tmp_path / "results/study.json").read_text()) == {"study": "tiny"}
    for target in (MANIFEST, "plan", "--dry-run"):
        done = snakemake(tmp_path, target, config=write_study(tmp_path / "other.yaml", study="other"), check=False)
        said = done.stdout + done.stderr
        assert done.returncode and "results: expected results of the study 'other', got those of 'tiny'; give each study a folder" in said
    snakemake(tmp_path, "--unlock", config=None)
    changed = write_study(tmp_path / "changed.yaml", seed=1)
    assert not snakemake(tmp_path, MANIFEST, "--dry-run", config=changed).returncode  # the same study, another seed


def test_looking_at_a_study_binds_no_folder(tmp_path):
    for look in ("--dry-run", "plan"):
        snakemake(tmp_path, look)
        assert not (tmp_path / "results").exists()
