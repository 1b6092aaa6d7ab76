"""Keys of pickles whose hash would never end are found by their opcodes; what is large and harmless is not taken for one."""

import io
import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch

from robustlens.errors import InputError
from robustlens.models import pickle_sizes
from robustlens.models.pickle_sizes import _is_endless, check_keys
from robustlens.models.unpickling import read_torch_file

TIMES = 40
DOUBLED = b"K\x01\x85" + b"2\x86" * TIMES  # (1,), then DUP, TUPLE2: a tuple of itself and itself


def doubled_by(call: bytes) -> bytes:
    """A list of one value twice, of which ``call`` makes a tuple or a frozen set, forty times."""
    return b"K\x01" + b"".join(b"q\x010" + call + b"](h\x01h\x01e\x85R" for _ in range(TIMES))


KEYS = {
    "one key": b"\x80\x02}" + DOUBLED + b"K\x01s.",
    "one of many": b"\x80\x02}(K\x01K\x02" + DOUBLED + b"K\x01u.",
    "a dictionary at once": b"\x80\x02(" + DOUBLED + b"K\x01d.",
    "in a set": b"\x80\x04\x8f(" + DOUBLED + b"\x90.",
    "in a frozen set": b"\x80\x04(" + DOUBLED + b"\x91.",
    "by memory": b"\x80\x02}K\x01\x85" + b"q\x010h\x01h\x01\x86" * TIMES + b"K\x01s.",
    "of tuples that are called": b"\x80\x02}" + doubled_by(b"c__builtin__\ntuple\n") + b"K\x01s.",
    "in a set that is called": b"\x80\x02c__builtin__\nset\n](" + DOUBLED + b"e\x85R.",
}


@pytest.mark.parametrize("name", KEYS)
def test_a_key_without_end_is_found(name):
    assert _is_endless(io.BytesIO(KEYS[name]))


@pytest.mark.parametrize("name", KEYS)
def test_the_same_but_few_times_is_read(name):
    few = KEYS[name].replace(b"2\x86" * TIMES, b"2\x86" * 5).replace(b"q\x010h\x01h\x01\x86" * TIMES, b"q\x010h\x01h\x01\x86" * 5)
    few = few.replace(doubled_by(b"c__builtin__\ntuple\n"), b"K\x01")
    assert not _is_endless(io.BytesIO(few))
    pickle.loads(few)


def test_a_tuple_without_end_that_is_no_key_is_left_to_the_reader():
    assert not _is_endless(io.BytesIO(b"\x80\x02" + DOUBLED + b"."))


@pytest.mark.parametrize(
    "value",
    [
        {"losses": [0.5] * 12_000, "best": tuple(range(1000))},
        {"history": np.zeros(1000), "names": {(1, 2): "a", frozenset([3, 4]): "b"}, "set": {1, 2}},
        OrderedDict((f"layer{k}", (torch.zeros(2), [k] * 10)) for k in range(2000)),
    ],
    ids=["a long list", "keys", "many tensors"],
)
@pytest.mark.parametrize("protocol", range(6))
def test_what_is_large_and_harmless_is_not_refused(monkeypatch, value, protocol):
    """Of more values than a key may have, where a key may have a hundredth of what it may."""
    monkeypatch.setattr(pickle_sizes, "MOST_VALUES", pickle_sizes.MOST_VALUES // 100)
    assert not _is_endless(io.BytesIO(pickle.dumps(value, protocol)))


@pytest.mark.parametrize("broken", [b"", b".", b"\x80\x02}", b"h\x07.", b"(((", b"u.", b"not a pickle at all"])
def test_what_is_no_pickle_is_left_to_the_reader(broken):
    assert not _is_endless(io.BytesIO(broken))


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_a_file_that_would_never_be_read_is_refused(tmp_path, legacy):
    """With the key in place of a mark in a good file's pickle, and the good file itself."""
    mark = "a key that stands for another"
    torch.save({mark: 1, "weight": torch.zeros(2)}, tmp_path / "good.pth", _use_new_zipfile_serialization=not legacy)
    check_keys(str(tmp_path / "good.pth"), "weights")
    read_torch_file(str(tmp_path / "good.pth"))
    text = b"X" + len(mark).to_bytes(4, "little") + mark.encode()
    if legacy:
        data = (tmp_path / "good.pth").read_bytes()
        assert text in data
        (tmp_path / "bad.pth").write_bytes(data.replace(text, DOUBLED))
    else:
        import zipfile

        with zipfile.ZipFile(tmp_path / "good.pth") as good, zipfile.ZipFile(tmp_path / "bad.pth", "w") as bad:
            for name in good.namelist():
                bad.writestr(name, good.read(name).replace(text, DOUBLED))
    with pytest.raises(InputError, match=r"bad.pth: .*, got one with a key of more than 1,000,000 values"):
        read_torch_file(str(tmp_path / "bad.pth"))
