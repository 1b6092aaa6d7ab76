"""The digest of the code behind a rule: its script and every library module that the script reaches by imports.

It changes when that code changes, not when a file's time, a comment or a docstring does; as a rule's parameter it makes
Snakemake run exactly the jobs whose numbers an edit can change.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent  # the scripts, and the package beside them
PACKAGE = Path(__file__).resolve().parent.name
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef  # what may have a docstring


def code_digest(script: str, *modules: str, root: Path = ROOT) -> str:
    """Hex digest (16 characters) of ``<root>/<script>``, of what it imports from the library, and of ``modules``.

    ``modules`` are dotted names of library modules that are only known at run time (a model's factory); names of other
    packages are passed over.
    """
    found: set[Path] = set()
    waiting = [root / script, *(path for name in modules for path in _module_files(root, name))]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += imports(root, path)
    parts = [f"{path.relative_to(root)}\n{_normal(path)}" for path in sorted(found)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """A node and all statements in it; expressions, which are most of a tree and hold no statement, are not looked into."""
    yield node
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        inner = getattr(node, field, ())
        for statement in inner if isinstance(inner, list) else ():
            yield from _statements(statement)


@cache
def _normal(path: Path) -> str:
    """The code without comments, layout and docstrings; other files (templates) as they are."""
    if path.suffix != ".py":
        return path.read_text(encoding="utf-8")
    tree = _tree(path)
    for node in _statements(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or ([] if isinstance(node, ast.Module) else [ast.Pass()])
    return ast.unparse(tree)


@cache
def imports(root: Path, path: Path) -> tuple[Path, ...]:
    """The files of the library below ``root`` that importing ``path`` runs or reads, those of its own imports not among them."""
    if path.suffix != ".py":
        return ()
    names = []
    for node in _statements(_tree(path)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = path.relative_to(root).parts[: -node.level] if node.level else ()  # of a relative import
            module = ".".join([*above, node.module] if node.module else above)
            names += [module, *(f"{module}.{alias.name}" for alias in node.names)]
    files = [file for name in names for file in _module_files(root, name)]
    # A template belongs to the module that renders it: the file of the same stem beside it.
    return (*files, *(other for other in path.parent.glob(f"{path.stem}.*.j2") if path.stem != "__init__"))


def _module_files(root: Path, name: str) -> list[Path]:
    """The files that importing a dotted name runs: the packages' ``__init__`` on the way and the module itself."""
    parts = name.split(".")
    if parts[0] != PACKAGE:
        return []
    files = [root.joinpath(*parts[:depth], "__init__.py") for depth in range(1, len(parts) + 1)]
    return [file for file in (*files, root.joinpath(*parts).with_suffix(".py")) if file.is_file()]
