"""How the code is cut: sizes of files and functions, what each layer knows, and which way the library's imports go (docs/design.md)."""

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from robustlens.code_digest import ROOT as SCRIPTS
from robustlens.code_digest import imports

REPOSITORY = SCRIPTS.parent
LIBRARY = SCRIPTS / "robustlens"
LONG_FILES: dict[str, str] = {}  # tracked Python or Snakemake file of more than 400 lines -> why
LONG_FUNCTIONS: dict[str, str] = {}  # <file>:<function> of more than 60 lines -> why


def tracked() -> list[Path]:
    """Python and Snakemake files of the repository."""
    listed = ["git", "ls-files", "*.py", "*.smk", "*Snakefile"]
    names = subprocess.run(listed, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.splitlines()
    return [REPOSITORY / name for name in names if (REPOSITORY / name).is_file()]


def short(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


# ----------------------------------------------------------------------------------------------------------------------- sizes
def test_no_file_is_longer_than_400_lines():
    files = {short(path): len(path.read_text(encoding="utf-8").splitlines()) for path in tracked()}
    assert len(files) > 300 and {name for name, n in files.items() if n > 400} == set(LONG_FILES)


def functions(node: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Those below a node; expressions, which hold none, are left out: they are most of a tree."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child
        if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
            yield from functions(child)


def test_no_function_is_longer_than_60_lines():
    found = {}
    for path in tracked():
        for node in functions(tree(path)) if path.suffix == ".py" else ():
            found[f"{short(path)}:{node.name}"] = node.end_lineno - node.lineno + 1
    assert len(found) > 2000 and {name for name, n in found.items() if n > 60} == set(LONG_FUNCTIONS)


def test_the_snakefile_is_an_index():
    """Its lines without the empty ones, which the formatter sets; rules that make something are elsewhere."""
    text = (REPOSITORY / "Snakefile").read_text(encoding="utf-8")
    assert len([line for line in text.splitlines() if line.strip()]) < 60
    assert not re.search(r"^    (output|shell|script|run):", text, re.M)


# ---------------------------------------------------------------------------------------------------------------------- layers
def imported(path: Path) -> set[str]:
    """First parts of the names of all modules that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module)
    return {name.partition(".")[0] for name in names}


def test_neither_the_library_nor_a_script_imports_snakemake():
    assert [short(path) for path in SCRIPTS.rglob("*.py") if any(name.startswith("snakemake") for name in imported(path))] == []


def test_nobody_imports_a_script():
    """The digest of a rule's code follows imports within the library alone."""
    scripts = {path.stem for path in SCRIPTS.glob("*.py")}
    assert len(scripts) > 30
    assert {short(path): imported(path) & scripts for path in SCRIPTS.rglob("*.py") if imported(path) & scripts} == {}


# --------------------------------------------------------------------------------------------------- imports within the library
def lines_of_the_page() -> list[list[set[str]]]:
    """The order of the library in docs/design.md, from the ground up: of each line the groups that know nothing of each other."""
    page = (REPOSITORY / "docs/design.md").read_text(encoding="utf-8")
    block = re.search(r"^## Imports go one way.*?^```text\n(.*?)^```", page, re.M | re.S)[1]
    lines = re.sub(r"\n +", " ", block).splitlines()  # a line may go on, indented
    return [[set(re.findall(r"\w+", group)) for group in line.split(":", 1)[1].split("|")] for line in lines]


def part(module: Path) -> str:
    """The folder of a module within the library, or its own name where it lies in none."""
    first, *deeper = module.relative_to(LIBRARY).parts
    return first if deeper else module.stem


def arrows(root: Path = SCRIPTS) -> dict[Path, set[Path]]:
    """Module of the library -> the modules that it imports."""
    modules = {path for path in (root / "robustlens").rglob("*.py") if path.name != "__init__.py"}
    return {path: {other for other in imports(root, path) if other in modules and other != path} for path in modules}


def wrong(found: dict[Path, set[Path]], lines: list[list[set[str]]]) -> list[str]:
    """Arrows that run to a line above, or between groups of one line."""
    place = {name: (number, group) for number, groups in enumerate(lines) for group, names in enumerate(groups) for name in names}
    pairs = sorted((part(module), part(other), module, other) for module, others in found.items() for other in others)
    return [
        f"{short(module)} -> {short(other)}"
        for here, there, module, other in pairs
        if place[there][0] > place[here][0] or (place[there][0] == place[here][0] and place[there] != place[here])
    ]


def test_every_module_of_the_library_has_one_place_in_the_order():
    named = [name for groups in lines_of_the_page() for group in groups for name in group]
    assert sorted(named) == sorted({part(module) for module in arrows()})


def test_imports_go_one_way():
    assert wrong(arrows(), lines_of_the_page()) == []


def test_no_modules_import_each_other():
    assert len(list(TopologicalSorter(arrows()).static_order())) > 140


@pytest.mark.parametrize(
    ("here", "there"), [("images", "stimuli/edges"), ("neurons/tails", "stimuli/edges"), ("report/page", "plan/costs")]
)
def test_an_import_the_other_way_is_noticed(here, there):
    module, other = LIBRARY / f"{here}.py", LIBRARY / f"{there}.py"
    assert module.is_file() and other.is_file()
    assert wrong({module: {other}}, lines_of_the_page()) == [f"{short(module)} -> {short(other)}"]


# ------------------------------------------------------------------------------------------------------------------ the layout
def layout() -> dict[Path, str]:
    """Folders and files at the beginning of the lines of docs/design.md's layout -> what is said of them; but what a run makes."""
    page = (REPOSITORY / "docs/design.md").read_text(encoding="utf-8")
    block = re.search(r"^## Layout.*?^```text\n(.*?)^```", page, re.M | re.S)[1]
    found, above = {}, {-1: REPOSITORY}
    for indent, names, said in re.findall(r"^( *)(\S+(?:,? \S+)*?)  +(.*(?:\n {20,}.*)*)$", block, re.M):
        for name in re.split(r",? ", names):
            depth = len(indent)
            above[depth] = above[max(level for level in above if level < depth)] / name
            found[above[depth]] = said
    return {path: said for path, said in found.items() if said != "generated"}


def test_the_layout_names_what_is_there():
    listed = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.splitlines()
    folders = {name.partition("/")[0] for name in listed if "/" in name and not name.startswith(".")}
    found = {short(path): said for path, said in layout().items()}
    assert [name for name in found if not (REPOSITORY / name).exists()] == []
    assert folders - set(found) == set()
    assert {path.parent.name for path in LIBRARY.glob("*/__init__.py")} == {
        Path(name).name for name in found if Path(name).parent == Path("workflow_scripts/robustlens")
    }


@pytest.mark.parametrize("folder", ["rules", "workflow_scripts/robustlens/neurons"])
def test_the_layout_names_every_file_of_a_folder(folder):
    said = {short(path): said for path, said in layout().items()}[folder]
    names = {path.stem for path in (REPOSITORY / folder).glob("*.*") if path.stem not in ("__init__", "common")}
    assert names and names <= set(re.findall(r"\w+", said))
