"""Counter-based random numbers, keyed by (seed, purpose, image id): no batch, worker or shard changes one."""

import hashlib

import numpy as np


def random_key(seed: int, *what: object) -> int:
    """A 128-bit integer that stands for ``seed`` and ``what`` (strings or integers), equal on every machine."""
    text = "\x1f".join(str(part) for part in (seed, *what))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "little")


def generator(seed: int, *what: object) -> np.random.Generator:
    """NumPy generator (Philox 4x64) of its own for each ``(seed, *what)``, e.g. ``generator(0, "noise", image_id)``."""
    return np.random.Generator(np.random.Philox(key=random_key(seed, *what)))


def torch_seed(seed: int, *what: object) -> int:
    """A non-negative 63-bit seed for ``torch.Generator.manual_seed``."""
    return random_key(seed, *what) >> 65
