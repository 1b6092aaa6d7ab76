"""A file that a user brings executes nothing: hostile files are refused and their payloads do not run; what is harmless is left out."""

import argparse
import builtins
import io
import json
import os
import pickle
import struct
import subprocess
import tarfile
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch

from robustlens.errors import InputError
from robustlens.models import unpickling
from robustlens.models.checkpoints import read_checkpoint
from robustlens.models.fitting import fit_to_network
from robustlens.models.unpickling import KNOWN, Left, TensorUnpickler, read_torch_file

WEIGHTS = {"maps.weight": torch.eye(3), "maps.bias": torch.arange(3.0)}
ZIP, LEGACY = {}, {"_use_new_zipfile_serialization": False}


class Calls:
    """Pickled as the call of a function: where it is loaded, the function runs."""

    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


class Builds(Calls):
    """Pickled as an object whose state makes another call."""

    def __reduce__(self):
        return OrderedDict, (), {"hooks": Calls(*self.reduced[:1], *self.reduced[1])}


def payloads(trap: Path) -> dict[str, object]:
    """What an attacker writes; each of them makes the file ``trap`` where it runs."""
    touch = f"open({str(trap)!r}, 'w').close()"
    return {
        "posix.system": {"state_dict": WEIGHTS, "epoch": Calls(os.system, f"touch {trap}")},
        "builtins.eval": {"a": Calls(builtins.eval, touch), **WEIGHTS},
        "builtins.exec": Calls(builtins.exec, touch),
        "subprocess.Popen": {"model": {**WEIGHTS, "deep": [(1, {"x": Calls(subprocess.Popen, ["touch", str(trap)])})]}},
        "subprocess.run": {**WEIGHTS, "a": Builds(subprocess.run, ["touch", str(trap)])},
        "builtins.__import__": {**WEIGHTS, "a": Calls(builtins.__import__, "os")},
        "io.open": {**WEIGHTS, "a": Calls(open, str(trap), "w")},
        "builtins.getattr": {**WEIGHTS, "a": Calls(getattr, Calls(getattr, os.getpid, "__self__"), "system")},
    }


@pytest.mark.parametrize("written", [ZIP, LEGACY, {"pickle_protocol": 4}], ids=["zip", "legacy", "protocol-4"])
@pytest.mark.parametrize("name", list(payloads(Path("trap"))))
def test_hostile_files_are_refused_and_do_not_run(tmp_path, name, written):
    trap, path = tmp_path / "trap", tmp_path / "net.pth"
    torch.save(payloads(trap)[name], path, **written)
    said = name if name != "builtins.getattr" else "posix.getpid"
    with pytest.raises(InputError, match=rf"net.pth: expected a checkpoint of plain tensors, got one that names {said}, which acts on"):
        read_checkpoint(str(path))
    assert not trap.exists()


@pytest.mark.parametrize("name", ["posix.system", "builtins.eval", "builtins.exec"])
def test_the_traps_work(tmp_path, name):
    torch.save(payloads(tmp_path / "trap")[name], tmp_path / "net.pth")
    torch.load(tmp_path / "net.pth", weights_only=False)
    assert (tmp_path / "trap").exists()


def raw(opcodes: bytes) -> bytes:
    """A legacy torch file whose object is made by ``opcodes``."""
    parts = [pickle.dumps(value, 2) for value in (torch.serialization.MAGIC_NUMBER, torch.serialization.PROTOCOL_VERSION, {})]
    return b"".join([*parts, b"\x80\x04", opcodes, pickle.dumps([], 2)])


def text(value: str) -> bytes:
    """The opcode of a string."""
    return b"X" + struct.pack("<I", len(value)) + value.encode()


@pytest.mark.parametrize(
    "opcodes, named",
    [
        (b"(" + text("touch trap") + b"ios\nsystem\n.", "os.system"),  # INST
        (b"(cos\nsystem\n" + text("touch trap") + b"o.", "os.system"),  # OBJ
        (b"c__builtin__\neval\n(" + text("open('trap', 'w')") + b"tR.", "builtins.eval"),  # as Python 2 calls it
        (b"ccommands\ngetoutput\n(" + text("touch trap") + b"tR.", "subprocess.getoutput"),
        (text("torch.serialization") + text("os.system") + b"\x93(" + text("touch trap") + b"tR.", "torch.serialization.os.system"),
        (b"cos\nsystem\n(" + text("touch trap") + b"t\x81.", "os.system"),  # NEWOBJ
        (b"cimportlib.util\nfind_spec\n.", "importlib.util.find_spec"),
    ],
)
def test_every_opcode_that_calls(tmp_path, monkeypatch, opcodes, named):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.pth").write_bytes(raw(opcodes))
    with pytest.raises(InputError, match=f"names {named}, which acts on the machine"):
        read_checkpoint("net.pth")
    assert not Path("trap").exists()


class Recorder:
    """Stands for whatever a file might name that is not known here; a test sees whether anything is done to it."""

    def __init__(self, *args):
        raise AssertionError("constructed")

    def __setstate__(self, state):
        raise AssertionError("state was set")

    def __setitem__(self, key, value):
        raise AssertionError("item was set")

    append = extend = add = __setitem__


def test_nothing_is_done_to_what_is_not_known(tmp_path):
    """Construction by every opcode, state, items, members: of a class that this very process could import."""
    name = f"c{Recorder.__module__}\nRecorder\n".encode()
    made = [name + b"(tR", name + b")\x81", name + b")}\x92", b"(" + name + b"o", f"(i{Recorder.__module__}\nRecorder\n".encode()]
    used = [b"K\x01b", b"K\x01K\x02s", b"(K\x01K\x02u", b"K\x01a", b"(K\x01e", b"(K\x01\x90", b"N}K\x01K\x02s\x86b"]
    for start in made:
        for end in used:
            (tmp_path / "net.pth").write_bytes(raw(start + end + b"."))
            content, ignored = read_torch_file(str(tmp_path / "net.pth"))
            assert type(content) is Left and content.name == ignored[0] and ignored == [f"{Recorder.__module__}.Recorder"]


def test_what_is_known_cannot_be_changed(tmp_path):
    """A state for a known function or class, which would outlive the file, is left."""
    before = dict(vars(torch._utils._rebuild_tensor_v2))
    for named in ("torch._utils\n_rebuild_tensor_v2", "collections\nOrderedDict", "torch.storage\nUntypedStorage"):
        state = b"N}" + text("x") + b"K\x01s\x86"
        (tmp_path / "net.pth").write_bytes(raw(b"c" + named.encode() + b"\n" + state + b"b."))
        found, ignored = read_torch_file(str(tmp_path / "net.pth"))
        assert found is KNOWN[named.replace("\n", ".")] and not ignored
    assert vars(torch._utils._rebuild_tensor_v2) == before and not hasattr(OrderedDict, "x") and not hasattr(torch.UntypedStorage, "x")


def test_every_opcode_that_could_call_or_change_is_replaced():
    replaced = {code for code, function in TensorUnpickler.dispatch.items() if function is not pickle._Unpickler.dispatch[code]}
    assert replaced == set(b"R\x81\x92iobaesu\x90Q\x96")
    with pytest.raises(pickle.UnpicklingError, match="registry"):
        TensorUnpickler(io.BytesIO(b"\x80\x02\x82\x01.")).load()


# ------------------------------------------------------------------------------------------------------------ what is harmless
def test_objects_beside_the_tensors_are_left_out(tmp_path):
    content = {
        "model": WEIGHTS,
        "args": argparse.Namespace(eps=3.0, arch="resnet50"),
        "prec1": np.float64(57.9),
        "history": np.arange(3),
        "folder": Path("runs/1"),
        "kind": torch.float16,
    }
    for name, options in {"zip": ZIP, "legacy": LEGACY, "protocol-4": {"pickle_protocol": 4}}.items():
        path = tmp_path / f"{name}.pth"
        torch.save(content, path, **options)
        checkpoint = read_checkpoint(str(path))
        assert list(checkpoint.parts) == ["model"] and "argparse.Namespace" in checkpoint.ignored
        assert all(torch.equal(checkpoint.parts["model"][key], tensor) for key, tensor in WEIGHTS.items())
        assert checkpoint.format == "torch file, read without the objects in it" + (", legacy" if name == "legacy" else "")


def test_names_of_dill(tmp_path):
    """What torch.save(..., pickle_module=dill) writes for a lambda: its functions called on marshalled code, globals and a state."""
    code = b"cdill._dill\n_create_code\n(K\x01K\x00K\x00K\x01K\x02K\x53C\x04\x97\x00|\x00N)" + text("f.py") + text("<lambda>") + b"tR"
    function = b"cdill._dill\n_create_function\n(" + code + b"}" + text("<lambda>") + b"NNtR}(" + text("__doc__") + b"Nu}\x86b"
    loaded = (
        b"cdill._dill\n_load_type\n(" + text("MethodType") + b"tR(" + function + b"cdill._dill\n_import_module\n(" + text("os") + b"tRtR"
    )
    (tmp_path / "net.pth").write_bytes(raw(b"}(" + text("schedule") + loaded + text("epoch") + b"K\x5au."))
    content, ignored = read_torch_file(str(tmp_path / "net.pth"))
    assert content["epoch"] == 90 and type(content["schedule"]) is Left
    assert ignored == [f"dill._dill.{name}" for name in ("_create_code", "_create_function", "_import_module", "_load_type")]


def test_parameters_shared_storages_and_views(tmp_path):
    base = torch.arange(12.0)
    content = {"a": torch.nn.Parameter(base[2:8].view(2, 3)), "b": base.view(3, 4).t(), "c": base.half(), "x": argparse.Namespace()}
    for name, options in {"zip": ZIP, "legacy": LEGACY}.items():
        torch.save(content, tmp_path / f"{name}.pth", **options)
        found = read_checkpoint(str(tmp_path / f"{name}.pth"))
        assert found.ignored == ["argparse.Namespace"]
        tensors = found.parts[""]
        assert (
            torch.equal(tensors["a"], content["a"]) and torch.equal(tensors["b"], content["b"]) and torch.equal(tensors["c"], content["c"])
        )
        assert tensors["a"].untyped_storage().data_ptr() == tensors["b"].untyped_storage().data_ptr()
        assert not tensors["a"].requires_grad


# ------------------------------------------------------------------------------------------------------------- programs and rubbish
def test_torchscript_is_refused(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch advises other formats
        torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "net.pt"))
    with pytest.raises(InputError, match="net.pt: expected a checkpoint of plain .*TorchScript.*a TorchScript archive is a program"):
        read_checkpoint(str(tmp_path / "net.pt"))


def test_tar_is_refused(tmp_path):
    (tmp_path / "pickle").write_bytes(pickle.dumps(Calls(os.system, f"touch {tmp_path / 'trap'}")))
    with tarfile.open(tmp_path / "net.pth", "w") as archive:
        for name in ("storages", "tensors", "pickle"):
            archive.add(tmp_path / "pickle", name)
    with pytest.raises(InputError, match="net.pth: .*legacy .tar format.*; save it anew"):
        read_checkpoint(str(tmp_path / "net.pth"))
    assert not (tmp_path / "trap").exists()


@pytest.mark.parametrize(
    "content, said",
    [
        (b"", "an empty file; fetch it again"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n", "a pointer of Git LFS"),
        (b"\n<!DOCTYPE html><html><body>Sign in", "a web page"),
        (b"not a network", "neither a torch file nor safetensors: it begins with b'not a network'"),
        (b"\x00" * 50, "neither a torch file"),
        (pickle.dumps({"a": 1}), "Invalid magic number|magic"),
        (b"\x20\x00\x00\x00\x00\x00\x00\x00{}", "perhaps its end is missing"),
    ],
)
def test_what_is_no_checkpoint(tmp_path, content, said):
    (tmp_path / "net.pth").write_bytes(content)
    with pytest.raises(InputError, match=f"net.pth: expected a checkpoint of plain tensors, got .*({said})"):
        read_checkpoint(str(tmp_path / "net.pth"))


@pytest.mark.parametrize("extra", [{}, {"args": argparse.Namespace(a=1)}], ids=["plain", "objects"])
@pytest.mark.parametrize("written", [ZIP, LEGACY], ids=["zip", "legacy"])
def test_a_file_without_its_end(tmp_path, written, extra):
    torch.save({**WEIGHTS, **extra}, tmp_path / "whole.pth", **written)
    whole = (tmp_path / "whole.pth").read_bytes()
    for size in range(20, len(whole) - 1, 61):
        (tmp_path / "net.pth").write_bytes(whole[:size])
        with pytest.raises(InputError, match="net.pth: expected a checkpoint of plain tensors, got .+"):
            read_checkpoint(str(tmp_path / "net.pth"))
    with pytest.raises(InputError, match="perhaps its end is missing"):
        read_checkpoint(str(tmp_path / "net.pth"))


def test_the_library_loads_no_pickle_elsewhere():
    """``torch.load`` stands in one module, once for plain tensors and once with the reader that calls nothing."""
    sources = {path.name: path.read_text() for path in Path(unpickling.__file__).parents[2].rglob("*.py")}
    assert [name for name, source in sources.items() if "torch.load(" in source] == ["unpickling.py"]
    calls = [line for line in sources["unpickling.py"].splitlines() if "torch.load(" in line]
    assert len(calls) == 2 and "weights_only=True" in calls[0] and "pickle_module=module" in calls[1]
    assert not [name for name, source in sources.items() if "pickle.load" in source]


def test_dictionaries_that_hold_each_other(tmp_path):
    endless = dict(WEIGHTS)
    endless |= {f"key{number}": endless for number in range(20)}  # 20 places within each place
    torch.save(endless, tmp_path / "net.pth")
    with pytest.raises(InputError, match="at most 100000 dictionaries in each other, of .* members, got more"):
        read_checkpoint(str(tmp_path / "net.pth"))


def test_an_archive_that_inflates_is_not_unpacked(tmp_path):
    torch.save({"maps.weight": torch.zeros(5_000_000)}, tmp_path / "whole.pth")
    with zipfile.ZipFile(tmp_path / "whole.pth") as whole, zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as bomb:
        for name in whole.namelist():
            bomb.writestr(name, whole.read(name))
    with pytest.raises(InputError, match=r"an archive of \d\d,\d{3} bytes that inflates to 20,\d{3},\d{3}"):
        read_checkpoint(str(tmp_path / "bomb.pth"))
    assert len(read_checkpoint(str(tmp_path / "whole.pth")).parts[""]["maps.weight"]) == 5_000_000


def too_large_safetensors(path: Path) -> None:
    header = json.dumps({"maps.weight": {"dtype": "F32", "shape": [10**11], "data_offsets": [0, 4 * 10**11]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(64))


def too_large_torch(path: Path) -> None:
    """A tensor of three numbers whose record says that it has 10^11."""
    torch.save({"maps.weight": torch.arange(3.0)}, path.with_suffix(".whole"))
    with zipfile.ZipFile(path.with_suffix(".whole")) as whole, zipfile.ZipFile(path, "w") as changed:
        for name in whole.namelist():
            data = whole.read(name)
            if name.endswith("data.pkl"):
                assert data.count(b"K\x03") == 2  # its length in the storage, and its shape
                data = data.replace(b"K\x03", b"\x8a\x05" + (10**11).to_bytes(5, "little"))
            changed.writestr(name, data)


def test_an_array_of_bytes_is_read_as_bytes(tmp_path):
    """Python's reader fills the memory that such an array claims, of any size, before it looks whether the file has so much."""
    array = b"carg\nNamespace\n0}" + text("a") + b"\x96" + struct.pack("<Q", 8) + b"12345678s."
    (tmp_path / "net.pth").write_bytes(raw(array))
    assert type(read_torch_file(str(tmp_path / "net.pth"))[0]["a"]) is bytes
    (tmp_path / "net.pth").write_bytes(raw(array.replace(struct.pack("<Q", 8), struct.pack("<Q", 2**62))))
    with pytest.raises(InputError, match="net.pth: expected a checkpoint of plain tensors"):
        read_checkpoint(str(tmp_path / "net.pth"))


@pytest.mark.parametrize("name", ["x" * 501, "." * 100_000 + "maps.weight"])
def test_a_name_without_end(tmp_path, name):
    """Behind each of its dots the names of a network were looked for: minutes."""
    torch.save({**WEIGHTS, name: torch.zeros(1)}, tmp_path / "net.pth")
    with pytest.raises(InputError, match=r"expected names of at most 500 letters, got .*, which has [\d,]+"):
        read_checkpoint(str(tmp_path / "net.pth"))


def test_a_name_breaks_no_sentence_and_reaches_no_terminal(tmp_path):
    network = torch.nn.Sequential(OrderedDict(maps=torch.nn.Linear(3, 3)))
    torch.save({**WEIGHTS, "a\nb\x1b[2J\u202e": torch.zeros(1)}, tmp_path / "net.pth")
    with pytest.raises(InputError, match=r"1 unknown \(a\\nb\\x1b\[2J\\u202e\);"):
        fit_to_network(read_checkpoint(str(tmp_path / "net.pth")), network)


@pytest.mark.parametrize("write", [too_large_safetensors, too_large_torch])
def test_a_tensor_that_claims_more_than_the_file_has(tmp_path, write):
    write(tmp_path / "net.pth")
    with pytest.raises(InputError, match="net.pth: expected a checkpoint of plain tensors"):
        read_checkpoint(str(tmp_path / "net.pth"))
