"""gather_predictions: every image of every stimulus exactly once."""

import pandas as pd
import pytest

from gather_predictions import main
from robustlens.errors import InputError
from robustlens.images import write_manifest
from tiny import image_rows


@pytest.fixture
def gather(tmp_path):
    """A function that gathers predictions given as (stimulus, ids) a shard; sources: four plain and two conflict images."""
    manifests = []
    for name, n in (("image", 4), ("conflict", 2)):
        manifests.append(str(tmp_path / f"{name}.parquet"))
        write_manifest(manifests[-1], image_rows(n, prefix=name))

    def run(*shards, label=0):
        paths = []
        for number, parts in enumerate(shards):
            rows = [(stimulus, f"{source}-{n}") for stimulus, source, numbers in parts for n in numbers]
            paths.append(str(tmp_path / f"shard-{number}.parquet"))
            pd.DataFrame(rows, columns=["stimulus", "image_id"]).assign(model="net", number=number, label=label).to_parquet(paths[-1])
        out = tmp_path / "predictions.parquet"
        main(paths, manifests, [str(out)], models=["net"], sources={"clean": 0, "noise": 0, "conflict": 1})
        return pd.read_parquet(out)

    run.out = tmp_path / "predictions.parquet"
    return run


CLEAN, NOISE, CONFLICT = ("clean", "image", range(4)), ("noise", "image", range(4)), ("conflict", "conflict", range(2))


def test_shards_are_joined(gather):
    first, second = (
        [("clean", "image", [0, 1]), ("noise", "image", [0, 1]), CONFLICT],
        [("clean", "image", [2, 3]), ("noise", "image", [2, 3])],
    )
    table = gather(first, second)
    assert table["number"].tolist() == [0] * 6 + [1] * 4
    assert set(table["stimulus"]) == {"clean", "noise", "conflict"}


def test_each_model_gets_its_file(gather, tmp_path):
    gather([CLEAN, NOISE, CONFLICT])
    first = tmp_path / "shard-0.parquet"
    pd.read_parquet(first).assign(model="other").to_parquet(tmp_path / "other.parquet")
    manifests, outs = [str(tmp_path / f"{name}.parquet") for name in ("image", "conflict")], [str(tmp_path / name) for name in "ab"]
    sources = {"clean": 0, "noise": 0, "conflict": 1}
    main([str(first), str(tmp_path / "other.parquet")], manifests, outs, models=["net", "other"], sources=sources)
    assert [set(pd.read_parquet(path)["model"]) for path in outs] == [{"net"}, {"other"}]
    with pytest.raises(InputError, match="shard-0.parquet: expected predictions of other, got those of net; delete it and run again"):
        main([str(first)], manifests, [str(tmp_path / "c")], models=["other"], sources=sources)


@pytest.mark.parametrize(
    ("parts", "fault"),
    [
        ([CLEAN, ("noise", "image", range(3)), CONFLICT], r"\[noise\]: expected the 4 images .*, got 1 missing, first 'image-3'"),
        ([CLEAN, NOISE], r"\[conflict\]: expected the 2 images .*, got 2 missing"),
        ([CLEAN, ("clean", "image", [2]), NOISE, CONFLICT], r"\[clean\]: .* got 1 there more than once, first 'image-2'"),
        ([("clean", "image", range(5)), NOISE, CONFLICT], r"\[clean\]: .* got 1 not in the manifest, first 'image-4'"),
        (
            [CLEAN, NOISE, CONFLICT, ("fog", "image", range(4))],
            "shard-0.parquet: expected the stimuli clean, noise, conflict, got fog too",
        ),
    ],
)
def test_what_is_not_there_exactly_once_is_refused(gather, parts, fault):
    with pytest.raises(InputError, match=fault):
        gather(parts)
    assert not gather.out.exists()


def test_a_shard_that_was_cut_short_is_named(gather, tmp_path):
    gather([CLEAN, NOISE, CONFLICT])
    shard = tmp_path / "shard-0.parquet"
    shard.write_bytes(shard.read_bytes()[:-20])
    gather.out.unlink()
    with pytest.raises(InputError, match="shard-0.parquet: expected a complete Parquet file, got .*; delete it and run again"):
        main([str(shard)], [], [str(gather.out)], models=["net"], sources={})
    assert not gather.out.exists() and not list(tmp_path.glob(".predictions*"))


def test_a_stimulus_of_which_no_image_shows_anything_is_refused(gather):
    """Its labels are all -1, those of its source are not."""
    with pytest.raises(InputError, match="stimuli.clean: expected images that show something, 1% or more, got 0 of 4; logs/"):
        gather([CLEAN, NOISE, CONFLICT], label=-1)
    assert not gather.out.exists()
