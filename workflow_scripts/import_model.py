"""Bring a network that was trained elsewhere: its checkpoint becomes safetensors and a card; nothing in it is executed."""

from pathlib import Path

import pandas as pd

from robustlens.checksum import file_sha256
from robustlens.errors import InputError
from robustlens.images import write_parquet
from robustlens.models.checkpoints import fit_to_network, read_checkpoint
from robustlens.models.registry import build_network, save_model


def main(weights: str, card: str, training: str, *, model: str, spec: dict):
    """``spec``: the model's entry in the config, with ``weights`` (a file) and perhaps ``python_path``."""
    where = f"models.{model}"
    network = build_network(where, spec["architecture"], spec["arguments"], spec.get("python_path"))
    state = read_checkpoint(spec["weights"])
    try:
        network.load_state_dict(fit_to_network(spec["weights"], state, set(network.state_dict()), spec["mean"], spec["std"]))
    except RuntimeError as error:
        raise InputError(spec["weights"], f"the weights of {spec['architecture']}", " ".join(str(error).split())[:300]) from error
    description = {
        "model": model,
        **{key: spec[key] for key in ("architecture", "arguments", "mean", "std")},
        "python_path": spec.get("python_path"),
        "input": "[0,1] RGB",
        "training": None,
        "source": {"file": Path(spec["weights"]).name, "sha256": file_sha256(spec["weights"])},
    }
    save_model(Path(card).parent, network.eval(), description)
    write_parquet(training, pd.DataFrame({"model": [], "epoch": [], "loss": [], "accuracy": []}))


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
