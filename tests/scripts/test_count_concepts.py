"""count_concepts: from the matrix to concepts per unit."""

import pandas as pd

from count_concepts import main


def test_concepts_per_unit(tmp_path):
    matrix = pd.DataFrame({"model": "net", "layer": "conv", "unit": [0, 0, 1, 1], "concept": [1, 2, 1, 2], "iou": [0.1, 0.02, 0.0, 0.04]})
    matrix.to_parquet(tmp_path / "iou.parquet")
    matrix[:2].assign(model="other").to_parquet(tmp_path / "other.parquet")
    main([str(tmp_path / "iou.parquet"), str(tmp_path / "other.parquet")], str(tmp_path / "complexity.parquet"), thresholds=[0.01, 0.04])
    table = pd.read_parquet(tmp_path / "complexity.parquet")
    assert list(table.itertuples(index=False, name=None)) == [
        ("net", "conv", 0, 0.01, 2),
        ("net", "conv", 1, 0.01, 1),
        ("net", "conv", 0, 0.04, 1),
        ("net", "conv", 1, 0.04, 1),
        ("other", "conv", 0, 0.01, 2),
        ("other", "conv", 0, 0.04, 1),
    ]
