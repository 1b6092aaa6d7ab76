"""What people give in place of a checkpoint is told by what it is, with what to do; an index of shards is read as one file."""

import json
import os
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from robustlens.errors import InputError
from robustlens.models.checkpoint_files import check_file, files_of
from robustlens.models.checkpoints import read_checkpoint, read_tensors
from robustlens.models.fitting import fit_to_network

WEIGHTS = {"conv.weight": torch.rand(4, 3, 3, 3), "conv.bias": torch.rand(4), "fc.weight": torch.rand(2, 4), "fc.bias": torch.rand(2)}
FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"


def network() -> nn.Module:
    return nn.ModuleDict({"conv": nn.Conv2d(3, 4, 3), "fc": nn.Linear(4, 2)})


def write_index(folder: Path, write=save_file, names=(FIRST, SECOND), index="model.safetensors.index.json", **changes) -> str:
    """A network in two shards, as hubs hold large ones."""
    weight_map = {name: names[name.startswith("fc")] for name in WEIGHTS}
    for name in names:
        write({key: tensor for key, tensor in WEIGHTS.items() if weight_map[key] == name}, folder / name)
    (folder / index).write_text(json.dumps({"metadata": {"total_size": 536}, "weight_map": weight_map | changes}))
    return str(folder / index)


# ---------------------------------------------------------------------------------------------------------------------- shards
def test_an_index_of_shards_is_read_as_one_checkpoint(tmp_path):
    files = ("pytorch_model-1.bin", "pytorch_model-2.bin")
    for path, words in (
        (write_index(tmp_path), "index of 2 shards, safetensors"),
        (write_index(tmp_path, torch.save, files, "pytorch_model.bin.index.json"), "index of 2 shards, torch file"),
    ):
        checkpoint = read_checkpoint(path)
        assert checkpoint.format == words and len(checkpoint.files) == 3 and checkpoint.files == files_of(path)
        fitted = fit_to_network(checkpoint, network())
        assert all(torch.equal(tensor, WEIGHTS[name]) for name, tensor in fitted.tensors.items()) and len(fitted.tensors) == 4


@pytest.mark.parametrize(
    "changes, said",
    [
        (
            {"more.weight": "model-00003-of-00003.safetensors"},
            "its shard model-00003-of-00003.safetensors beside it, got no such file; fetch it",
        ),
        ({"more.weight": FIRST}, f"the 3 tensors that it lists in {FIRST}, got a file that differs in more.weight; fetch both again"),
        ({"conv.bias": SECOND}, f"the 1 tensors that it lists in {FIRST}, got a file that differs in conv.bias"),
        ({"more.weight": "../secret.safetensors"}, "names of files beside it, got ../secret.safetensors"),
        ({"more.weight": "/etc/passwd"}, "names of files beside it, got /etc/passwd"),
        ({"more.weight": 3}, "a weight_map from names of tensors to names of files, got none"),
        ({"more.weight": "model.safetensors.index.json"}, "tensors in model.safetensors.index.json, got JSON"),
    ],
)
def test_an_index_that_is_not_of_its_shards_is_refused(tmp_path, changes, said):
    with pytest.raises(InputError, match=f"model.safetensors.index.json: expected {said}"):
        read_checkpoint(write_index(tmp_path, **changes))


def test_files_that_belong_to_a_checkpoint(tmp_path):
    """What a rule must see change; of what cannot be read the file alone."""
    path = write_index(tmp_path, **{"more.weight": "../secret.safetensors"})
    assert files_of(path) == [path] and files_of(str(tmp_path / FIRST)) == [str(tmp_path / FIRST)] and files_of("gone.pt") == ["gone.pt"]
    listed = [{"paths": ["group1-shard1of2", "gone", "../x", 3], "weights": []}, {"paths": None}, None]
    (tmp_path / "group1-shard1of2").write_bytes(b"1234")
    (tmp_path / "model.json").write_text(json.dumps({"weightsManifest": listed}))
    assert files_of(str(tmp_path / "model.json")) == [str(tmp_path / name) for name in ("model.json", "group1-shard1of2")]


# ------------------------------------------------------------------------------------------------------------- what is no checkpoint
@pytest.mark.parametrize(
    "content, said",
    [
        (
            {"architectures": ["ResNet"], "num_classes": 3},
            r"got JSON of something else \(architectures, num_classes\); name the file of the w",
        ),
        ({}, r"got JSON of something else \(empty\)"),
        ('{"weight_map": ', "got Expecting value"),
        ('{"a": ' * 100_000, "got .*recursion"),
    ],
)
def test_json_of_something_else(tmp_path, content, said):
    (tmp_path / "config.json").write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(InputError, match=rf"expected an index of shards \(weight_map\) or a model.json of TensorFlow.js .*, {said}"):
        check_file(str(tmp_path / "config.json"))


def test_a_folder_says_what_in_it_may_be_meant(tmp_path):
    with pytest.raises(InputError, match=f"{tmp_path.name}: expected a checkpoint file, got a folder without one; name a file"):
        check_file(str(tmp_path))
    write_index(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match=f"got a folder; name the file in it: {FIRST}, {SECOND}, model.safetensors.index.json$"):
        check_file(str(tmp_path))
    (tmp_path / "__0_0.distcp").write_bytes(b"")
    with pytest.raises(InputError, match="got a folder of a distributed checkpoint; merge it: python -m torch.distributed.checkpoint"):
        check_file(str(tmp_path))


def written(path: Path, kind: str) -> None:
    match kind:
        case "npz":
            np.savez(path.with_suffix(".npz"), **{"conv.weight": np.ones(3)})
            os.replace(path.with_suffix(".npz"), path)
        case "zip":
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("net.pth", b"PK and more")
        case "pickle":
            path.write_bytes(pickle.dumps({"a": [1, 2]}))
        case _:
            path.write_bytes({"hdf5": b"\x89HDF\r\n\x1a\n", "gzip": b"\x1f\x8b\x08", "npy": b"\x93NUMPY\x01"}[kind] + bytes(100))


@pytest.mark.parametrize(
    "kind, said",
    [
        ("hdf5", "an HDF5 file, as Keras writes one; convert it"),
        ("gzip", "a file packed by gzip; unpack it"),
        ("npy", "an array of NumPy; save its tensors where it was made: torch.save"),
        ("npz", r"arrays of NumPy \(.npz\); save its tensors where it was made: torch.save"),
        ("zip", r"an archive of other files \(net.pth ...\); unpack it and name the file of the weights"),
        ("pickle", "Invalid magic number; .*; a pickle that torch.save did not write: save its tensors where it was made"),
    ],
)
def test_files_of_other_programs(tmp_path, kind, said):
    written(tmp_path / "net.pth", kind)
    with pytest.raises(InputError, match=f"net.pth: expected a checkpoint of plain tensors, got {said}"):
        read_checkpoint(str(tmp_path / "net.pth"))


def test_an_archive_whose_end_is_of_several_disks(tmp_path):
    """Python's own look at an archive raises there."""
    torch.save(WEIGHTS, tmp_path / "whole.pth")
    whole = (tmp_path / "whole.pth").read_bytes()
    end = whole.rindex(b"PK\x05\x06")
    (tmp_path / "net.pth").write_bytes(whole[:end] + struct.pack("<4sLQL", b"PK\x06\x07", 0, 0, 9) + whole[end:])
    with pytest.raises(InputError, match="net.pth: expected a checkpoint of plain tensors, got .*disks"):
        read_checkpoint(str(tmp_path / "net.pth"))


def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "net.pth")
    with pytest.raises(InputError, match="net.pth: expected a checkpoint file, got a pipe, socket or device"):
        check_file(str(tmp_path / "net.pth"))


def test_safetensors_that_are_whole_are_not_called_cut_off(tmp_path):
    header = json.dumps({"a": {"dtype": "F3", "shape": [1], "data_offsets": [0, 4]}}).encode()
    (tmp_path / "net.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(InputError, match="unknown variant `F3`") as caught:
        read_checkpoint(str(tmp_path / "net.safetensors"))
    assert "fetch it again" not in str(caught.value)


def test_one_networks_tensors_beside_its_average(tmp_path):
    """Of a segmenter, an encoder, a decoder: two sets of other values are refused there, too, and equal ones and training's own are not."""
    optimiser = {"state": {0: {"exp_avg": torch.ones(4)}}}
    torch.save({"model": WEIGHTS, "optimizer": optimiser, "ema": {"conv.bias": WEIGHTS["conv.bias"]}}, tmp_path / "net.pth")
    assert set(read_tensors(str(tmp_path / "net.pth"))) == set(WEIGHTS)
    torch.save({"model": WEIGHTS, "ema": {"conv.bias": torch.zeros(4)}}, tmp_path / "net.pth")
    with pytest.raises(
        InputError, match=r"net.pth: expected one network, that of model, got others in ema \(conv.bias\); save the one that is"
    ):
        read_tensors(str(tmp_path / "net.pth"))
