"""A mistake in the config is one sentence in a dry run, and names the key."""

import pytest

from runs import snakemake, write_study


@pytest.mark.parametrize(
    ("change", "key", "sentence"),
    [
        ({"sed": 1}, "config", "expected only the keys"),
        ({"stimuli__silhouette__polarty": "white-on-black"}, "stimuli.silhouette", "got polarty"),
        ({"sources__clean__n_image": 3}, "sources.clean", "got n_image"),
        ({"pairs__alexnet__robust": "alexnet-x"}, "pairs.alexnet.robust", "got 'alexnet-x'"),
        ({"attacks__pgd-2__eps": -1}, "attacks.pgd-2.eps", "got -1"),
        (
            {"sources__clean": {"kind": "image-folder", "root": "nowhere", "n_images": 3, "geometry": {"resize": 9, "crop": 8}}},
            "sources.clean.root",
            "nowhere, which is not there",
        ),
        ({"suites__all": ["clean", "fog"]}, "suites.all", "got 'fog'"),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value else "",
)
def test_one_sentence(tmp_path, change, key, sentence):
    done = snakemake(tmp_path, "--dry-run", config=write_study(tmp_path / "study.yaml", **change), check=False)
    text = done.stdout + done.stderr
    assert done.returncode == 1
    assert "Traceback" not in text
    lines = [line for line in text.splitlines() if "expected" in line]
    assert len(lines) == 1 and lines[0].startswith(f"{key}: expected") and sentence in lines[0], text
