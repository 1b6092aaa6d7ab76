"""predict: all stimuli of a suite in one table, typed as docs/data.md says."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from predict import main
from robustlens.errors import InputError
from robustlens.imagenet import members, membership
from tiny import cut_shards, image_rows, make_model, make_shard, pictures, random_network, spec_of

LABELS = [[3, 500, 999, 0, 1, 2], [15, 0, 3, 8, 8, 1], [6, 11, 13, 15, 17, 22]]  # of 1000, of 16, of ImageNet-A


def asked(*stimuli: str, probabilities: bool = True, **classes: str) -> dict:
    """The values of a job on ``stimuli``; ``classes``: among which is decided, where not among all."""
    classes = {name: classes.get(name) for name in stimuli}
    return {"stimuli": list(stimuli), "classes": classes, "sixteen_by": "mean", "probabilities": probabilities, "device": "cpu"}


@pytest.fixture
def model(tmp_path):
    return make_model(tmp_path / "net")


def test_a_suite_in_one_table(tmp_path, model):
    rows = image_rows(7, labels=[0, 1, 2, 3, 4, -1, 0])
    shards = [str(make_shard(tmp_path / f"{n}.parquet", pictures(7, seed=n), rows).path) for n in range(2)]
    main(*model, shards, str(tmp_path / "p.parquet"), **asked("clean", "noise"), batch_size=3)
    table = pq.read_table(tmp_path / "p.parquet")
    types = {
        **dict.fromkeys(["model", "stimulus", "image_id"], pa.string()),
        **dict.fromkeys(["label", "shape", "texture"], pa.int32()),
        "top5": pa.list_(pa.int32()),
        "probabilities": pa.list_(pa.float32()),
        "loss": pa.float32(),
    }
    assert {field.name: field.type for field in table.schema} == types
    table = table.to_pandas()
    assert table["stimulus"].tolist() == ["clean"] * 7 + ["noise"] * 7
    assert table["image_id"].tolist() == 2 * rows["image_id"].tolist()
    probabilities = np.stack(table["probabilities"])
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
    assert np.array_equal(np.stack(table["top5"]), np.argsort(-probabilities, axis=1))
    known = table["label"] >= 0
    own = probabilities[known, table["label"][known]]
    np.testing.assert_allclose(table["loss"][known], -np.log(own), rtol=1e-4)
    assert table["loss"][~known].isna().all() and (~known).sum() == 2


def test_a_network_of_imagenet_decides_among_the_classes_of_the_set(tmp_path):
    model = make_model(tmp_path / "wide", "net", random_network(classes=1000, width=8), spec_of(classes=1000, width=8))
    shards = [str(make_shard(tmp_path / f"{n}.parquet", pictures(6), image_rows(6, labels=labels)).path) for n, labels in enumerate(LABELS)]
    job = asked("clean", "cues", "hard", cues="imagenet-16", hard="imagenet-a")
    main(*model, shards, str(tmp_path / "p.parquet"), **job, batch_size=3)
    table = pd.read_parquet(tmp_path / "p.parquet")
    own, sixteen, masked = (np.stack(rows["probabilities"]).astype(float) for _, rows in table.groupby("stimulus", sort=False))
    np.testing.assert_allclose(sixteen, own @ membership() / membership().sum(0), rtol=1e-5)
    kept = np.isin(np.arange(1000), members("imagenet-a"))
    np.testing.assert_allclose(masked, own * kept / own[:, kept].sum(1, keepdims=True), rtol=1e-5)
    for rows, scores in zip((table[6:12], table[12:]), (sixteen, masked), strict=True):
        assert np.array_equal(np.stack(rows["top5"]), np.argsort(-scores, axis=1, kind="stable")[:, :5])
        of_label = scores[np.arange(6), rows["label"]] / scores.sum(1)
        np.testing.assert_allclose(rows["loss"], -np.log(of_label), rtol=1e-4)
    job = asked("clean", "cues", "hard", cues="imagenet-16", hard="imagenet-a", probabilities=False)
    main(*model, shards, str(tmp_path / "bare.parquet"), **job, batch_size=3)
    bare = pd.read_parquet(tmp_path / "bare.parquet")
    assert bare.drop(columns=["probabilities", "top5"]).equals(table.drop(columns=["probabilities", "top5"]))
    assert not bare["probabilities"].map(len).any()


def test_sixteen_classes_need_a_network_of_imagenet(tmp_path, model):
    shard = str(make_shard(tmp_path / "a.parquet", pictures(3), image_rows(3)).path)
    with pytest.raises(InputError, match="classes imagenet-16: expected a network of the 1000 classes"):
        main(*model, [shard], str(tmp_path / "p.parquet"), **asked("cues", cues="imagenet-16"), batch_size=3)


def test_the_log_follows_the_whole_suite(tmp_path, model, caplog):
    caplog.set_level("INFO", "robustlens")
    shards = [str(make_shard(tmp_path / f"{n}.parquet", pictures(n), image_rows(n)).path) for n in (7, 4)]
    main(*model, shards, str(tmp_path / "p.parquet"), **asked("clean", "noise"), batch_size=3)
    device, progress, batch_size = caplog.messages
    assert device.startswith("device cpu, 1 thread, torch ") and progress.startswith("11 of 11 images, ")
    assert batch_size == "batch size 50 (asked for: 3)"


def test_neither_shards_nor_batches_change_a_bit(tmp_path, model):
    pixels, rows = pictures(30), image_rows(30, labels=np.arange(30) % 5)
    tables = []
    for size, batch_size in ((30, 50), (11, 4)):
        for shard in cut_shards(tmp_path / str(size), pixels, rows, size):
            main(*model, [str(shard.path)], str(shard.path.with_suffix(".out")), **asked("clean"), batch_size=batch_size)
        outputs = sorted((tmp_path / str(size)).glob("*.out"))
        tables.append(pd.concat([pd.read_parquet(path) for path in outputs], ignore_index=True))
    assert len(outputs) == 3
    one, other = (table.assign(probabilities=table["probabilities"].map(bytes), top5=table["top5"].map(bytes)) for table in tables)
    assert one.equals(other)


def test_a_stimulus_without_a_shard_is_refused(tmp_path, model):
    shard = str(make_shard(tmp_path / "a.parquet", pictures(3), image_rows(3)).path)
    with pytest.raises(ValueError, match="shorter"):
        main(*model, [shard], str(tmp_path / "p.parquet"), **asked("clean", "noise"), batch_size=3)
    foreign = make_shard(tmp_path / "b.parquet", pictures(3), image_rows(3, labels=[0, 5, 1]))
    with pytest.raises(InputError, match=r"b.parquet \[image-1\]: expected a label below the 5 classes of net, got 5"):
        main(*model, [str(foreign.path)], str(tmp_path / "p.parquet"), **asked("clean"), batch_size=3)
    assert not (tmp_path / "p.parquet").exists()
