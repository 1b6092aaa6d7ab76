"""The digest of the code behind a rule: its script and every library module that the script reaches by imports.

It changes when that code changes, not when a file's time, a comment or a docstring does; as a rule's parameter it makes
Snakemake run exactly the jobs whose numbers an edit can change.
"""

import ast
import hashlib
import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from robustlens.errors import InputError
from robustlens.files import write_text

ROOT = Path(__file__).resolve().parent.parent  # the scripts, and the package beside them
PACKAGE = Path(__file__).resolve().parent.name
KEPT = Path(PACKAGE, "__pycache__", f"code_digest.{sys.implementation.cache_tag}")  # relative to the root
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef  # what may have a docstring


def code_digest(script: str, *modules: str, root: Path = ROOT) -> str:
    """Hex digest (16 characters) of ``<root>/<script>``, of what it imports from the library, and of ``modules``.

    ``modules`` are dotted names of library modules that are only known at run time (a model's factory); names of other
    packages are passed over.
    """
    found: set[Path] = set()
    known = dict(_kept(root))
    waiting = [root / script, *(path for name in modules for path in _module_files(root, name))]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += imports(root, path)
    if known != _kept(root):
        _keep(root)
    parts = [f"{path.relative_to(root)} {_facts(root, path)[0]}" for path in sorted(found)]
    return _digest("\n".join(parts).encode())[:16]


def user_code_digest(architecture: str, python_path: str | None) -> str | None:
    """Hex digest (16 characters) of the user's module that builds an ``architecture`` (``package.module:factory``), and of all that it
    imports below the folder ``python_path``, or without one of its own package where that is installed in place (``pip install -e``).

    None where there is no such code: an architecture by name, of this library, or of an installed package. Comments, docstrings and layout
    do not count. Raises InputError for a file that is no Python.
    """
    module = architecture.partition(":")[0] if ":" in architecture.removeprefix("timm:") else ""
    package = module.partition(".")[0]
    root = Path(python_path).resolve() if python_path else _installed_in_place(package)
    if root is None:
        return None
    found: set[Path] = set()
    waiting = _files_of(root, module)
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            names = _read(root, path)[1]
            waiting += [file for name in names if python_path or name.partition(".")[0] == package for file in _files_of(root, name)]
    parts = [f"{path.relative_to(root)} {_read(root, path)[0]}" for path in sorted(found)]
    return _digest("\n".join(parts).encode())[:16] if parts else None


def _installed_in_place(package: str) -> Path | None:
    """The folder that holds a package which Python finds outside of the folders of installed packages; None for others."""
    spec = find_spec(package) if package and package != PACKAGE else None
    if spec is None or not spec.origin or {"site-packages", "dist-packages"} & set(Path(spec.origin).parts):
        return None
    return Path(spec.origin).resolve().parent.parent if spec.submodule_search_locations else Path(spec.origin).resolve().parent


def _read(root: Path, path: Path) -> tuple[str, list[str]]:
    """The same as ``_facts`` of a user's file, of which nothing is kept."""
    try:
        tree = ast.parse(path.read_bytes(), filename=str(path))
    except (SyntaxError, ValueError) as error:
        raise InputError(path, "a Python module", str(error)) from error
    names = _imported(tree, path.relative_to(root))
    return _digest(_normal(tree).encode()), names


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """A node and all statements in it; expressions, which are most of a tree and hold no statement, are not looked into."""
    yield node
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        inner = getattr(node, field, ())
        for statement in inner if isinstance(inner, list) else ():
            yield from _statements(statement)


@cache
def imports(root: Path, path: Path) -> tuple[Path, ...]:
    """The files of the library below ``root`` that importing ``path`` runs or reads, those of its own imports not among them."""
    if path.suffix != ".py":
        return ()
    files = [file for name in _facts(root, path)[1] for file in _module_files(root, name)]
    # A template belongs to the module that renders it: the file of the same stem beside it.
    return (*files, *(other for other in path.parent.glob(f"{path.stem}.*.j2") if path.stem != "__init__"))


@cache
def _facts(root: Path, path: Path) -> tuple[str, list[str]]:
    """The digest of a file's code, and the dotted names that it imports; of a file that is no Python the digest as it is."""
    text = path.read_bytes()
    digest = _digest(text)
    if path.suffix != ".py":
        return digest, []
    name = path.relative_to(root)
    if _kept(root).get(str(name), [None])[0] != digest:
        tree = ast.parse(text, filename=str(path))
        names = _imported(tree, name)  # first: the next call changes the tree
        _kept(root)[str(name)] = [digest, _digest(_normal(tree).encode()), names]
    _, code, names = _kept(root)[str(name)]
    return code, names


def _normal(tree: ast.Module) -> str:
    """The code without comments, layout and docstrings."""
    for node in _statements(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or ([] if isinstance(node, ast.Module) else [ast.Pass()])
    return ast.unparse(tree)


def _imported(tree: ast.Module, name: Path) -> list[str]:
    """The dotted names that the code of the file ``name``, relative to the root, imports."""
    found = []
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = name.parts[: -node.level] if node.level else ()  # of a relative import
            module = ".".join([*above, node.module] if node.module else above)
            found += [module, *(f"{module}.{alias.name}" for alias in node.names)]
    return found


@cache
def _kept(root: Path) -> dict[str, list]:
    """What earlier runs found in each file, after the digest of the text that they found it in; empty where it is not there or damaged.

    It lies beside Python's own compiled files: to look through all of the library takes seconds, at every start of Snakemake.
    """
    try:
        seal, _, found = (root / KEPT).read_text(encoding="utf-8").partition("\n")
    except (OSError, ValueError):
        return {}
    return json.loads(found) if seal == _digest(found.encode()) else {}


def _keep(root: Path) -> None:
    """Have later runs find it, where this folder can be written."""
    with suppress(OSError, InputError):
        found = json.dumps(_kept(root))
        write_text(root / KEPT, f"{_digest(found.encode())}\n{found}")


def _module_files(root: Path, name: str) -> list[Path]:
    """The files that importing a dotted name runs: the packages' ``__init__`` on the way and the module itself."""
    return _files_of(root, name) if name.split(".")[0] == PACKAGE else []


def _files_of(root: Path, name: str) -> list[Path]:
    """The same of a package of any name."""
    parts = name.split(".")
    files = [root.joinpath(*parts[:depth], "__init__.py") for depth in range(1, len(parts) + 1)]
    return [file for file in (*files, root.joinpath(*parts).with_suffix(".py")) if file.is_file()]
