"""import_model: a checkpoint becomes safetensors and a card; nothing in it is executed."""

import json

import pandas as pd
import pytest
import torch

from import_model import main
from robustlens.checksum import file_sha256
from robustlens.errors import InputError
from robustlens.models.registry import load_model
from tiny import random_network, spec_of


def run(folder, checkpoint, spec=None):
    files = [str(folder / name) for name in ("weights.safetensors", "card.json", "training.parquet")]
    main(*files, model="net", spec={**(spec or spec_of(classes=5, width=8)), "weights": str(checkpoint)})
    return files


def test_an_imported_network_decides_as_before(tmp_path):
    network = random_network(classes=5, width=8).eval()
    torch.save({"state_dict": network.state_dict(), "epoch": 90}, tmp_path / "brought.pth")
    weights, card, training = run(tmp_path / "net", tmp_path / "brought.pth")
    images = torch.rand(3, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(load_model(weights, card, "cpu")(images), network((images - 0.5) / 0.25))
    description = json.loads((tmp_path / "net" / "card.json").read_text())
    assert description["source"] == {"file": "brought.pth", "sha256": file_sha256(tmp_path / "brought.pth")}
    assert description["training"] is None and description["convolutions"][0] == "conv1.0"
    table = pd.read_parquet(training)
    assert table.columns.tolist() == ["model", "epoch", "loss", "accuracy"] and not len(table)


def test_an_architecture_in_a_folder_is_found_again(tmp_path):
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "a_users_networks.py").write_text("from robustlens.models.miniature import alexnet as net\n")
    torch.save(random_network(classes=5, width=8).state_dict(), tmp_path / "brought.pth")
    spec = {**spec_of(classes=5, width=8), "architecture": "a_users_networks:net", "python_path": str(folder)}
    weights, card, _ = run(tmp_path / "net", tmp_path / "brought.pth", spec)
    assert json.loads((tmp_path / "net" / "card.json").read_text())["python_path"] == str(folder)
    assert load_model(weights, card, "cpu").network.conv1[0].out_channels == 4


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return exec, (f"open({str(self.path)!r}, 'w').close()",)


def test_what_is_no_checkpoint_of_the_network_is_refused(tmp_path):
    state = random_network(classes=5, width=8).state_dict()
    torch.save({f"other.{name}": tensor for name, tensor in state.items()}, tmp_path / "foreign.pth")
    torch.save({name: tensor for name, tensor in state.items() if "conv1" not in name}, tmp_path / "part.pth")
    torch.save(random_network(classes=6, width=8).state_dict(), tmp_path / "classes.pth")
    torch.save({"state_dict": state, "epoch": Hostile(tmp_path / "trap")}, tmp_path / "hostile.pth")
    faults = {
        "foreign.pth": "expected the weights of .*:alexnet, got .*Missing key.*conv1.0.weight",
        "part.pth": "expected the weights of .*:alexnet, got .*Missing key.*conv1.0.weight",
        "classes.pth": "expected the weights of .*:alexnet, got .*size mismatch for head.2.weight",
        "hostile.pth": "expected a checkpoint of plain tensors",
        "gone.pth": "expected a checkpoint file, got no such file",
    }
    for name, fault in faults.items():
        with pytest.raises(InputError, match=f"{name}: {fault}"):
            run(tmp_path / "net", tmp_path / name)
    assert not (tmp_path / "trap").exists() and not (tmp_path / "net").exists()
