"""tabulate_training: the curves of all networks as one table."""

import pandas as pd

from tabulate_training import main

COLUMNS = "model,epoch,loss,accuracy,clean_accuracy,robust_accuracy"


def test_curves_of_all_networks(tmp_path):
    paths = []
    for model, accuracy in (("s", 0.9), ("r", 0.7)):
        paths.append(str(tmp_path / f"{model}.parquet"))
        curve = pd.DataFrame({"model": [model] * 2, "epoch": [0, 1], "loss": [1.23456789, 0.5], "accuracy": [0.5, accuracy]})
        held_out = {"clean_accuracy": [0.25, 0.5], "robust_accuracy": [float("nan")] * 2}
        curve.assign(**held_out).to_parquet(paths[-1])
    main(paths, str(tmp_path / "training.csv"))
    text = f"{COLUMNS}\ns,0,1.23457,0.5,0.25,\ns,1,0.5,0.9,0.5,\nr,0,1.23457,0.5,0.25,\nr,1,0.5,0.7,0.5,\n"
    assert (tmp_path / "training.csv").read_text() == text


def test_no_network_was_trained(tmp_path):
    main([], str(tmp_path / "training.csv"))
    assert (tmp_path / "training.csv").read_text() == f"{COLUMNS}\n"
