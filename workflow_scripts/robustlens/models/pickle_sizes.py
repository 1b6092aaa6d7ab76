"""How long the keys of a pickle take to hash, told from its opcodes, without making them.

Python hashes a tuple value by value, as often as each stands in it: one that holds itself twice, forty times over, as the key of a
dictionary takes 2^40 steps, from a file of 200 bytes.
"""

import io
import mmap
import pickletools
import zipfile
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from robustlens.errors import InputError, refusing
from robustlens.models.checkpoint_files import EXPECTED

MOST_VALUES = 1_000_000
PICKLES = 5  # of a file in torch's older format, before its numbers
PUT, GET = ("PUT", "BINPUT", "LONG_BINPUT"), ("GET", "BINGET", "LONG_BINGET")
TUPLES, CALLS = ("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"), ("REDUCE", "NEWOBJ", "NEWOBJ_EX", "OBJ", "INST")
PAIRS, MEMBERS = ("SETITEM", "SETITEMS", "DICT"), ("ADDITEMS", "FROZENSET")
HELD = (*TUPLES, *CALLS, *PAIRS, *MEMBERS, "APPEND", "APPENDS", "LIST")


@dataclass
class Size:
    """Of a value: ``hashed``, how many values its hash reads; ``whole``, how many it holds; ``largest``, the most that one in it reads."""

    hashed: int = 1
    whole: int = 1
    largest: int = 1

    def hold(self, sizes: list["Size"]) -> None:
        """Take in what a container holds, up to a little more than is allowed."""
        self.whole = min(self.whole + sum(size.whole for size in sizes), MOST_VALUES + 1)
        self.largest = max([self.largest, *(max(size.hashed, size.largest) for size in sizes)])


def check_keys(path: str, expected: str) -> None:
    """Raise InputError for a torch file that makes keys of more than ``MOST_VALUES`` values, and for a damaged archive.

    What is no pickle is left to its reader.
    """
    if is_archive(path):
        with refusing(path, expected, "perhaps its end is missing: fetch it again"), zipfile.ZipFile(path) as archive:
            endless = any(_is_endless(io.BytesIO(archive.read(name))) for name in archive.namelist() if name.endswith(".pkl"))
    elif Path(path).stat().st_size:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            endless = any(_is_endless(mapped) for _ in range(PICKLES))
    else:
        endless = False
    if endless:
        raise InputError(path, expected, f"one with a key of more than {MOST_VALUES:,} values", "do not read it by other means either")


def is_archive(path: str) -> bool:
    """Whether a file is a ZIP archive. Raises InputError for one that is damaged where it says so."""
    with refusing(path, EXPECTED, "perhaps its end is missing: fetch it again"):
        return zipfile.is_zipfile(path)


def _is_endless(file: Any) -> bool:
    """Whether the next pickle of an open file asks for the hash of more than ``MOST_VALUES`` values, or for a call that might."""
    stack: list[Size] = []
    marks: list[int] = []
    memo: dict[object, Size] = {}
    try:
        for opcode, argument, _ in pickletools.genops(file):
            name = opcode.name
            if name in PUT or name == "MEMOIZE":
                memo[len(memo) if name == "MEMOIZE" else argument] = stack[-1]
            elif name in GET or name == "DUP":
                stack.append(stack[-1] if name == "DUP" else memo[argument])
            elif name == "MARK":
                marks.append(len(stack))
            elif name in HELD:
                taken = _take(opcode, stack, marks)
                if _hashes(name, taken) > MOST_VALUES:
                    return True
                stack.append(_made(name, taken))
            else:
                _take(opcode, stack, marks)
                stack += [Size() for _ in opcode.stack_after]
    except Exception:  # no pickle, or one that is cut off
        return False
    return False


def _take(opcode: pickletools.OpcodeInfo, stack: list[Size], marks: list[int]) -> list[Size]:
    """What an opcode takes from the stack, lowest first."""
    before = opcode.stack_before
    marked = pickletools.markobject in before
    start = marks.pop() - before.index(pickletools.markobject) if marked else len(stack) - len(before)
    if start < 0:
        raise IndexError
    taken = stack[start:]
    del stack[start:]
    return taken


def _hashes(name: str, taken: list[Size]) -> int:
    """The most values that one hash of an opcode reads."""
    if name in PAIRS:
        return max((size.hashed for size in islice(taken, 0 if name == "DICT" else 1, None, 2)), default=0)
    if name in MEMBERS:
        return max((size.hashed for size in taken), default=0)
    return max((size.largest for size in taken), default=0) if name in CALLS else 0  # set, dict and frozenset are called, too


def _made(name: str, taken: list[Size]) -> Size:
    """What an opcode leaves; a list, set or dictionary that is added to stays the same."""
    if name in ("APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS"):
        made, taken = taken[0], taken[1:]
    else:
        made = Size()
    made.hold(taken)
    if name in TUPLES or name == "FROZENSET":
        made.hashed = min(1 + sum(size.hashed for size in taken), MOST_VALUES + 1)
    elif name in CALLS:  # tuple is called, too
        made.hashed = made.whole
    return made
