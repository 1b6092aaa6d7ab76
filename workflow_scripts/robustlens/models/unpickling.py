"""The tensors of torch's own file formats, read so that nothing a file names is imported or called.

A pickle is a program: it names functions and calls them. torch's reader of plain tensors refuses a file that holds anything else, as the
training checkpoints of most groups do (schedules, settings, NumPy's numbers). For those stands :class:`TensorUnpickler`: of everything
that a file names it knows the few functions of ``KNOWN``, puts a :class:`Left` in the place of all else, and calls nothing.
"""

import os
import pickle
import warnings
import zipfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import IO, Any, ClassVar

import torch
from torch import Tensor

from robustlens.errors import InputError, refusing
from robustlens.models.checkpoint_files import EXPECTED, SAVED
from robustlens.models.pickle_sizes import check_keys, is_archive

NOTHING = object()  # stands for what lies outside of the pickle and is no storage
LARGEST_RATIO = 20  # of what an archive inflates to and its size; one that was compressed later, with half its weights 0, has 4
# Modules of functions that act on the machine: no checkpoint names one in good faith.
ACTING_MODULES = frozenset(
    [
        *("os", "posix", "nt", "subprocess", "_posixsubprocess", "sys", "shutil", "pty", "runpy", "importlib", "imp", "ctypes", "_ctypes"),
        *("socket", "_socket", "urllib", "http", "ftplib", "smtplib", "webbrowser", "pdb", "bdb", "timeit", "cProfile", "platform"),
        *("pickle", "_pickle", "marshal", "io", "_io", "tempfile"),
    ]
)
HARMLESS = frozenset(f"{module}.{name}" for module in ("io", "_io") for name in ("BytesIO", "StringIO"))
CUT_OFF = ("central directory", "unexpected EOF", "requires a buffer", "truncated")  # in messages about a file without its end
ACTING_BUILTINS = frozenset(["eval", "exec", "execfile", "compile", "__import__", "open", "file", "input", "raw_input", "breakpoint"])


@dataclass(frozen=True, slots=True)
class Known:
    """A function of ``KNOWN``; frozen, so that no opcode can set anything on it."""

    function: Any


@dataclass(slots=True, eq=False)
class Left:
    """What stands for whatever a file names or makes that is not known: what the file says of it, to be looked at.

    ``name`` of what was named or called and its ``args``; ``state`` that it was to be given (an object's attributes, mostly); the
    ``items`` (of a dictionary of another class) and ``members`` (of a list of another class) that were put into it. Nothing is called.
    """

    name: str
    args: tuple = ()
    state: Any = None
    items: dict = field(default_factory=dict)
    members: list = field(default_factory=list)


def _tensor(storage: Any, offset: int, size: tuple, stride: tuple, *_: Any) -> Tensor:
    """The tensor of a storage; gradients, hooks and metadata are left."""
    return torch._utils._rebuild_tensor(storage, offset, size, stride)


def _data(data: Any, *_: Any) -> Any:
    """A parameter's tensor."""
    return data


def _of_type(function: Any, kind: Any, args: Any, *_: Any) -> Any:
    """The tensor of a subclass, as one of torch's own."""
    return function.function(*args) if type(function) is Known and isinstance(args, tuple) else Left("torch.Tensor")


def _mapping(*args: Any) -> dict:
    """A dictionary that makes or counts what it lacks, as a plain one."""
    return dict(next((value for value in args if isinstance(value, dict)), {}))


def _bytes(text: Any, encoding: Any = "") -> Any:
    """The bytes that Python 2's protocol keeps as text."""
    return text.encode("latin1") if isinstance(text, str) and encoding == "latin1" else Left("_codecs.encode")


KNOWN = {
    "torch._utils._rebuild_tensor": Known(_tensor),
    "torch._utils._rebuild_tensor_v2": Known(_tensor),
    "torch._utils._rebuild_parameter": Known(_data),
    "torch._utils._rebuild_parameter_with_state": Known(_data),
    "torch._tensor._rebuild_from_type_v2": Known(_of_type),
    "collections.OrderedDict": Known(OrderedDict),
    "collections.defaultdict": Known(_mapping),
    "collections.Counter": Known(_mapping),
    "_codecs.encode": Known(_bytes),
    "torch.Size": Known(tuple),
    "builtins.dict": Known(dict),
    "builtins.list": Known(list),
    "builtins.tuple": Known(tuple),
    "builtins.set": Known(set),
    "builtins.frozenset": Known(frozenset),
    "torch.storage.UntypedStorage": torch.UntypedStorage,  # not called: torch compares it where a file names a storage
}


def acts(module: str, name: str) -> bool:
    """Whether what a file names is a function that acts on the machine, or lies in a module of such functions."""
    if f"{module}.{name}" in HARMLESS:
        return False
    first, inner = module.partition(".")[0], name.partition(".")[0]
    return first in ACTING_MODULES or ("." in name and inner in ACTING_MODULES) or (first == "builtins" and inner in ACTING_BUILTINS)


class TensorUnpickler(pickle._Unpickler):
    """Python's own unpickler with every opcode that would import, call or change an object replaced.

    Attributes: ``path`` (the file, for messages), ``ignored`` (names of what is not known). What it gives holds plain values, plain
    containers, tensors, storages, :class:`Left` and ``NOTHING``. Raises InputError where the file names a function that acts on the
    machine.
    """

    path: str
    ignored: set[str]
    # Of Python's own unpickler; its stubs do not tell them.
    stack: list[Any]
    append: Callable[[Any], None]
    readline: Callable[[], bytes]
    pop_mark: Callable[[], list[Any]]
    dispatch: ClassVar[dict[int, Callable[..., None]]] = dict(pickle._Unpickler.dispatch)

    def find_class(self, module: str, name: str) -> Any:
        """What stands for a name; nothing is imported."""
        module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))  # as Python 2 called it
        full = f"{module}.{name}"
        if acts(module, name):
            mend = "nothing of it was run; a checkpoint needs no such thing, so do not read this file by other means either"
            raise InputError(self.path, EXPECTED, f"one that names {full}, which acts on the machine", mend)
        if full not in KNOWN:
            self.ignored.add(full)
        return KNOWN.get(full) or Left(full)

    def get_extension(self, code: int) -> None:
        raise pickle.UnpicklingError(f"an object by the number {code} of a registry")

    def make(self, callee: Any, args: tuple) -> None:
        """Push what ``callee`` makes of ``args``: of a known function its value, of all else what the file says of it."""
        if type(callee) is Known:
            self.append(callee.function(*args))
        else:
            self.append(Left(callee.name, args if isinstance(args, tuple) else ()) if type(callee) is Left else NOTHING)

    def load_reduce(self) -> None:
        args, callee = self.stack.pop(), self.stack.pop()
        self.make(callee, args)

    def load_newobj_ex(self) -> None:
        self.stack.pop()
        self.load_reduce()

    def load_inst(self) -> None:
        module, name = self.readline()[:-1].decode(), self.readline()[:-1].decode()
        self.make(self.find_class(module, name), tuple(self.pop_mark()))

    def load_obj(self) -> None:
        callee, *args = self.pop_mark()
        self.make(callee, tuple(args))

    def load_build(self) -> None:
        state = self.stack.pop()
        if type(self.stack[-1]) is Left:  # attributes of a container are left
            self.stack[-1].state = state

    def load_append(self) -> None:
        self.extend([self.stack.pop()])

    def load_appends(self) -> None:
        self.extend(self.pop_mark())

    def extend(self, items: list) -> None:
        """Put ``items`` into the list on top, or leave them."""
        top = self.stack[-1].members if type(self.stack[-1]) is Left else self.stack[-1]
        if isinstance(top, list):
            top.extend(items)

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.update([key, value])

    def load_setitems(self) -> None:
        self.update(self.pop_mark())

    def update(self, items: list) -> None:
        """Put ``items`` (key, value, key, ...) into the dictionary on top, or leave them."""
        top = self.stack[-1].items if type(self.stack[-1]) is Left else self.stack[-1]
        if isinstance(top, dict):
            top.update(zip(items[::2], items[1::2], strict=True))

    def load_additems(self) -> None:
        items = self.pop_mark()
        if isinstance(self.stack[-1], set):
            self.stack[-1].update(items)

    def load_binpersid(self) -> None:
        """A storage, by torch's own reader; of a module's class with its source code the class's name; all else is nothing."""
        match self.stack.pop():
            case ("storage", *_) as found:
                self.append(self.persistent_load(found))
            case ("module", Left() as named, *_):
                self.append(named)
            case _:
                self.append(NOTHING)

    def load_bytearray8(self) -> None:
        """As bytes: an array of bytes would take the memory that the file claims before one of them is read."""
        self.dispatch[pickle.BINBYTES8[0]](self)

    dispatch |= {
        pickle.BYTEARRAY8[0]: load_bytearray8,
        pickle.REDUCE[0]: load_reduce,
        pickle.NEWOBJ[0]: load_reduce,
        pickle.NEWOBJ_EX[0]: load_newobj_ex,
        pickle.INST[0]: load_inst,
        pickle.OBJ[0]: load_obj,
        pickle.BUILD[0]: load_build,
        pickle.APPEND[0]: load_append,
        pickle.APPENDS[0]: load_appends,
        pickle.SETITEM[0]: load_setitem,
        pickle.SETITEMS[0]: load_setitems,
        pickle.ADDITEMS[0]: load_additems,
        pickle.BINPERSID[0]: load_binpersid,
    }


def read_torch_file(path: str) -> tuple[Any, list[str]]:
    """What a file written by ``torch.save`` holds, and the sorted names of what in it was left out; tensors on the CPU.

    First torch's reader of plain tensors; where that stops at something else, :class:`TensorUnpickler`. Raises InputError for a file that
    names a function which acts on the machine, for an archive that is a program (TorchScript), and for what is cut off or no such file.
    """
    _check_archive(path)
    check_keys(path, EXPECTED)
    with open(path, "rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's advice on how to load such files with all that they hold
        try:
            return torch.load(file, map_location="cpu", weights_only=True), []
        except (RuntimeError, EOFError, OSError) as error:  # among them TorchScript and tar archives, which torch would execute or unpack
            raise InputError(path, EXPECTED, _reason(error), _mend(error)) from error
        except Exception:  # torch raises many kinds for what is no tensor
            file.seek(0)
        try:
            return _read_without_objects(path, file)
        except InputError:
            raise
        except Exception as error:
            raise InputError(path, EXPECTED, _reason(error), _mend(error)) from error


def _check_archive(path: str) -> None:
    """Raise InputError for an archive that torch did not write, and for one whose files would take far more room than it.

    torch compresses nothing, so weights never do.
    """
    if not is_archive(path):
        return
    with refusing(path, EXPECTED, "perhaps its end is missing: fetch it again"), zipfile.ZipFile(path) as archive:
        inflated, size, names = sum(entry.file_size for entry in archive.infolist()), os.path.getsize(path), archive.namelist()
    if inflated > LARGEST_RATIO * size:
        raise InputError(
            path, EXPECTED, f"an archive of {size:,} bytes that inflates to {inflated:,}", "do not unpack it by other means either"
        )
    if names and all(name.endswith(".npy") for name in names):
        raise InputError(path, EXPECTED, "arrays of NumPy (.npz)", SAVED)
    if names and not any(name.endswith((".pkl", "/version")) for name in names):
        raise InputError(
            path, EXPECTED, f"an archive of other files ({', '.join(names[:2])} ...)", "unpack it and name the file of the weights"
        )


def _read_without_objects(path: str, file: IO[bytes]) -> tuple[Any, list[str]]:
    class Unpickler(TensorUnpickler):
        ignored: set[str] = set()

    Unpickler.path = path

    def load(stream: IO[bytes], **options: Any) -> Any:
        return Unpickler(stream, **options).load()

    module = SimpleNamespace(__name__="tensors", Unpickler=Unpickler, load=load)
    found = torch.load(file, map_location="cpu", weights_only=False, pickle_module=module, encoding="latin1")
    return found, sorted(Unpickler.ignored)


def _reason(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def _mend(error: Exception) -> str:
    """What to do about a file that cannot be read, as far as the error tells."""
    text = str(error)
    if "TorchScript" in text:
        return "a TorchScript archive is a program: save its state_dict() where it was made"
    if "magic number" in text:
        return f"a pickle that torch.save did not write: {SAVED}"
    if "tar format" in text:
        return "save it anew where it was made, with torch 1.6 or later"
    if isinstance(error, EOFError) or any(said in text for said in CUT_OFF):
        return "perhaps its end is missing: fetch it again"
    return ""
