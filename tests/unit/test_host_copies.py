"""Copies through a ring of buffers, with a GPU that is made up: what is copied, what waits for what, and how buffers come back."""

from contextlib import contextmanager
from threading import Thread
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from robustlens import host_copies
from robustlens.errors import InputError
from robustlens.host_copies import PinnedRing
from robustlens.store import ActivationWriter, open_store

ATTRIBUTES = {"model": "net", "image_set": "clean", "weights_sha256": "abc", "preprocessing": "[0,1]"}


@pytest.fixture
def calls(monkeypatch):
    """What the ring asks of the GPU, in order; its buffers are those of the machine."""
    made: list = []

    class Stream:
        def wait_stream(self, other):
            made.append(f"wait for {other}")

        def record_event(self):
            return SimpleNamespace(synchronize=lambda: made.append("arrived"))

    @contextmanager
    def stream(_):
        made.append("copy")
        yield

    def empty(n, dtype, pin_memory=False):
        made.append(("pinned", n)) if pin_memory else None
        return torch.empty(n, dtype=dtype)

    cuda = SimpleNamespace(Stream=lambda _: Stream(), current_stream=lambda _: "the network", stream=stream)
    monkeypatch.setattr(host_copies, "torch", SimpleNamespace(cuda=cuda, empty=empty, uint8=torch.uint8))
    monkeypatch.setattr(torch.Tensor, "record_stream", lambda *_: None)
    return made


def test_values_arrive_and_buffers_are_used_again(calls):
    ring = PinnedRing("cuda", 2)
    large, small = torch.rand(2, 3, 4, 4).half(), torch.rand(1, 3, 4, 4).half()
    first = ring.copy(large.contiguous(memory_format=torch.channels_last))
    assert calls == [("pinned", 192), "wait for the network", "copy"] and first.shape == (2, 3, 4, 4) and len(first) == 2
    assert np.array_equal(first.wait(), large.numpy()) and calls[-1] == "arrived"
    second = ring.copy(small)
    for copy in (first, second):
        copy.release()
    again = [ring.copy(small), ring.copy(large)]  # the first buffer is large enough for one, the second grows for the other
    assert [call for call in calls if call[0] == "pinned"] == [("pinned", 192), ("pinned", 96), ("pinned", 192)]
    assert all(np.array_equal(copy.wait(), values.numpy()) for copy, values in zip(again, (small, large), strict=True))


def test_a_copy_waits_for_a_free_buffer(calls):
    ring = PinnedRing("cuda", 1)
    first = ring.copy(torch.ones(1, 1, 1, 1))
    waiting = Thread(target=ring.copy, args=(torch.ones(1, 1, 1, 1),), daemon=True)
    waiting.start()
    waiting.join(0.2)
    assert waiting.is_alive()
    first.release()
    waiting.join(10)
    assert not waiting.is_alive()


def test_a_file_is_written_through_the_ring(calls, tmp_path):
    """40 blocks through four buffers, also behind an error of the writer."""
    maps, ids = torch.rand(40, 3, 4, 4).half(), [f"i{number}" for number in range(40)]
    ring = PinnedRing("cuda", 4)
    with ActivationWriter(tmp_path / "a.h5", ids, {"conv": (3, 4, 4)}, ATTRIBUTES, "none") as writer:
        for row in range(40):
            writer.write("conv", row, ring.copy(maps[row : row + 1]), checked=True)
    with open_store(tmp_path / "a.h5") as store:
        assert np.array_equal(store.images("conv", ids), maps.numpy())
    with (
        pytest.raises(InputError, match="full"),
        ActivationWriter(tmp_path / "b.h5", ids, {"conv": (3, 4, 4)}, ATTRIBUTES, "none") as writer,
    ):
        writer._store = lambda *_: (_ for _ in ()).throw(InputError("disk", "room", "full"))
        for row in range(40):
            writer.write("conv", row, ring.copy(maps[row : row + 1]), checked=True)
    assert not (tmp_path / "b.h5").exists()


def test_a_copy_that_nobody_has_checked_is_checked_when_it_has_arrived(calls, tmp_path):
    layers, ring = {"conv": (3, 4, 4)}, PinnedRing("cuda", 1)
    with pytest.raises(InputError, match="image i0, unit 0: expected finite values"):  # noqa: SIM117
        with ActivationWriter(tmp_path / "a.h5", ["i0"], layers, ATTRIBUTES, "none") as writer:
            writer.write("conv", 0, ring.copy(torch.full((1, 3, 4, 4), torch.inf)))
    assert "arrived" in calls
