"""predict: all stimuli of a suite in one table, typed as docs/data.md says."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from predict import main
from robustlens.errors import InputError
from tiny import cut_shards, image_rows, make_model, make_shard, pictures


@pytest.fixture
def model(tmp_path):
    return make_model(tmp_path / "net")


def test_a_suite_in_one_table(tmp_path, model):
    rows = image_rows(7, labels=[0, 1, 2, 3, 4, -1, 0])
    shards = [str(make_shard(tmp_path / f"{n}.parquet", pictures(7, seed=n), rows).path) for n in range(2)]
    main(*model, shards, str(tmp_path / "p.parquet"), stimuli=["clean", "noise"], device="cpu", batch_size=3)
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


def test_the_log_follows_the_whole_suite(tmp_path, model, caplog):
    caplog.set_level("INFO", "robustlens")
    shards = [str(make_shard(tmp_path / f"{n}.parquet", pictures(n), image_rows(n)).path) for n in (7, 4)]
    main(*model, shards, str(tmp_path / "p.parquet"), stimuli=["clean", "noise"], device="cpu", batch_size=3)
    device, progress, batch_size = caplog.messages
    assert device.startswith("device cpu, 1 thread, torch ") and progress.startswith("11 of 11 images, ")
    assert batch_size == "batch size 50 (asked for: 3)"


def test_neither_shards_nor_batches_change_a_bit(tmp_path, model):
    pixels, rows = pictures(30), image_rows(30, labels=np.arange(30) % 5)
    tables = []
    for size, batch_size in ((30, 50), (11, 4)):
        for shard in cut_shards(tmp_path / str(size), pixels, rows, size):
            main(*model, [str(shard.path)], str(shard.path.with_suffix(".out")), stimuli=["clean"], device="cpu", batch_size=batch_size)
        outputs = sorted((tmp_path / str(size)).glob("*.out"))
        tables.append(pd.concat([pd.read_parquet(path) for path in outputs], ignore_index=True))
    assert len(outputs) == 3
    one, other = (table.assign(probabilities=table["probabilities"].map(bytes), top5=table["top5"].map(bytes)) for table in tables)
    assert one.equals(other)


def test_a_stimulus_without_a_shard_is_refused(tmp_path, model):
    shard = str(make_shard(tmp_path / "a.parquet", pictures(3), image_rows(3)).path)
    with pytest.raises(ValueError, match="shorter"):
        main(*model, [shard], str(tmp_path / "p.parquet"), stimuli=["clean", "noise"], device="cpu", batch_size=3)
    foreign = make_shard(tmp_path / "b.parquet", pictures(3), image_rows(3, labels=[0, 5, 1]))
    with pytest.raises(InputError, match=r"b.parquet \[image-1\]: expected a label below the 5 classes of net, got 5"):
        main(*model, [str(foreign.path)], str(tmp_path / "p.parquet"), stimuli=["clean"], device="cpu", batch_size=3)
    assert not (tmp_path / "p.parquet").exists()
