"""Random numbers by key: the same on every machine, and apart for whatever is keyed apart."""

import hashlib

import numpy as np

from robustlens.randomness import generator, random_key, torch_seed


def test_keys_on_every_machine():
    digest = hashlib.blake2b(b"7\x1fnoise\x1fimage-1", digest_size=16).digest()
    assert random_key(7, "noise", "image-1") == int.from_bytes(digest, "little")
    assert generator(0, "noise", "a").integers(0, 1000, 4).tolist() == [787, 357, 305, 161]  # NumPy keeps Philox's stream
    assert torch_seed(0, "noise", "a") == 2421785378089428436


def test_numbers_do_not_depend_on_what_was_drawn_before():
    first = generator(0, "noise", "b").random(3)
    generator(0, "noise", "a").random(100)
    np.random.default_rng().random(3)
    np.testing.assert_array_equal(generator(0, "noise", "b").random(3), first)


def test_what_is_keyed_apart_differs():
    keys = [(0,), (1,), (0, "a"), (0, "a", "b"), (0, "ab"), (0, "b", "a"), (0, "a", 1), (0, "a1"), (1, "a"), (10, "a")]
    keys += [(0, "a", 10), (0, "a", 1, 0)]
    assert len({random_key(*key) for key in keys}) == len(keys)
    streams = np.array([generator(*key).random(200) for key in keys])
    unlike = np.abs(np.corrcoef(streams) - np.eye(len(keys)))
    assert unlike.max() < 0.3


def test_seeds_for_torch_fit_into_63_bits():
    seeds = [torch_seed(0, "order", n) for n in range(200)]
    assert len(set(seeds)) == 200
    assert min(seeds) >= 0 and 2**62 < max(seeds) < 2**63
