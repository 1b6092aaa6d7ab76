"""tabulate_training: the curves of all networks as one table."""

import pandas as pd

from tabulate_training import main


def test_curves_of_all_networks(tmp_path):
    paths = []
    for model, accuracy in (("s", 0.9), ("r", 0.7)):
        paths.append(str(tmp_path / f"{model}.parquet"))
        curve = pd.DataFrame({"model": [model] * 2, "epoch": [0, 1], "loss": [1.23456789, 0.5], "accuracy": [0.5, accuracy]})
        curve.to_parquet(paths[-1])
    main(paths, str(tmp_path / "training.csv"))
    text = "model,epoch,loss,accuracy\ns,0,1.23457,0.5\ns,1,0.5,0.9\nr,0,1.23457,0.5\nr,1,0.5,0.7\n"
    assert (tmp_path / "training.csv").read_text() == text


def test_no_network_was_trained(tmp_path):
    main([], str(tmp_path / "training.csv"))
    assert (tmp_path / "training.csv").read_text() == "model,epoch,loss,accuracy\n"
