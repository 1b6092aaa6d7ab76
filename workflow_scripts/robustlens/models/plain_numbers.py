"""One to three plain numbers beside the tensors of a torch file, in lists, tuples or arrays of NumPy; no function of theirs is called."""

from typing import Any

import numpy as np

from robustlens.models.unpickling import Left

MOST = 3
CODES = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")  # of NumPy's types
ARRAY, SCALAR = (tuple(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core")) for name in ("_reconstruct", "scalar"))
BUFFER = ("numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer")


def plain_numbers(value: Any) -> list[float] | None:
    """The numbers of a list, tuple or NumPy array of one to three; None for anything else, a single number among it."""
    if isinstance(value, Left):
        return _of_array(value)
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= MOST:
        return None
    numbers = [_number(member) for member in value]
    return None if None in numbers else numbers  # type: ignore[return-value]


def _number(value: Any) -> float | None:
    if isinstance(value, Left) and value.name in SCALAR and len(value.args) == 2:
        found = _decoded(value.args[0], value.args[1])
        return found[0] if found and len(found) == 1 else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _of_array(left: Left) -> list[float] | None:
    if left.name in ARRAY and isinstance(left.state, tuple) and len(left.state) == 5:
        return _decoded(left.state[2], left.state[4])
    if left.name in BUFFER and len(left.args) >= 2:
        return _decoded(left.args[1], left.args[0])
    return None


def _decoded(dtype: Any, data: Any) -> list[float] | None:
    """What bytes of a NumPy type say, up to three numbers."""
    data = data.encode("latin1", "replace") if isinstance(data, str) else data
    code = dtype.args[0] if isinstance(dtype, Left) and dtype.name == "numpy.dtype" and dtype.args else None
    if code not in CODES or not isinstance(data, bytes | bytearray) or len(data) not in [n * int(code[1]) for n in range(1, MOST + 1)]:
        return None
    order = dtype.state[1] if isinstance(dtype.state, tuple) and len(dtype.state) > 1 and dtype.state[1] in ("<", ">") else "<"
    return np.frombuffer(data, f"{order}{code}").astype(float).tolist()
