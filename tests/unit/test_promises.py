"""No promise of the README and of docs/reliability.md is held by `make test-all` alone (docs/testing.md says which test holds which)."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE, README, RELIABILITY = ((ROOT / name).read_text(encoding="utf-8") for name in ("docs/testing.md", "README.md", "docs/reliability.md"))
NAMED = r"\btests/[\w/]+(?:\.py(?:::\w+)?)?"  # a folder, a file or a test


def is_full(nodes: list[ast.AST]) -> bool:
    return any(getattr(node, "attr", "") == "full" and ast.unparse(node) == "pytest.mark.full" for top in nodes for node in ast.walk(top))


@cache
def functions_of(file: Path) -> dict[str, bool]:
    """Test function -> whether it is marked ``full`` as a whole, itself or with its file."""
    body = ast.parse(file.read_text(encoding="utf-8")).body
    of_all = [node.value for node in body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"]
    found = {}
    for node in body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            own = [mark for mark in node.decorator_list if not isinstance(mark, ast.Call)]  # in a call it marks some of the parameters
            found[node.name] = is_full(of_all + own)
    return found


def in_make_test(name: str) -> bool:
    """Whether a folder, file or test that a page names has a test which `make test` runs."""
    path, _, function = name.partition("::")
    files = sorted((ROOT / path).rglob("test_*.py")) if (ROOT / path).is_dir() else [ROOT / path]
    found = {test: full for file in files if file.is_file() for test, full in functions_of(file).items()}
    return not found[function] if function in found else not function and not all(found.values())


def rows(page: str, title: str = "") -> list[list[str]]:
    """The cells of the rows of all tables, or of those of one section, without their heads."""
    section = page.split(f"## {title}\n")[1].split("\n## ")[0] if title else page
    tables = re.findall(r"^\|.*\n\|[-| ]+\n((?:\|.*\n)+)", section, re.M)
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for table in tables for line in table.splitlines()]


PROMISES, REPEATED = rows(PAGE, "Which promise is held where"), rows(PAGE, "What only `make test-all` repeats")


@pytest.mark.parametrize("page", [PAGE, RELIABILITY], ids=["testing", "reliability"])
def test_what_a_row_names_is_in_make_test(page):
    found = [(row, name) for row in rows(page) if row not in REPEATED for name in re.findall(NAMED, row[-1])]
    assert len(found) > 25
    assert [(row[0], name) for row, name in found if not (name == "tests/corpus" or in_make_test(name))] == []


def test_every_row_names_a_test():
    assert [row[0] for row in PROMISES if not re.search(NAMED, row[-1])] == []
    assert [row[0] for row in rows(RELIABILITY) if not re.search(NAMED, row[-1]) and row[-1] != "none: Snakemake's own"] == []


def test_every_section_of_the_readme_has_its_tests():
    assert {row[0] for row in PROMISES} == set(re.findall(r"^## (.+)$", README, re.M))


def test_what_is_marked_full_has_its_row_and_a_smaller_test():
    files = {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "tests").rglob("test_*.py")}
    listed = {name: row[-1] for row in REPEATED for name in re.findall(NAMED, row[0])}
    assert sorted(listed) == sorted(name for name, tree in files.items() if is_full([tree]))
    for name, small in listed.items():
        assert re.search(NAMED, small) and all(in_make_test(other) for other in re.findall(NAMED, small)), name


def test_the_checks_find_what_is_wrong(tmp_path):
    assert in_make_test("tests/unit/test_promises.py::test_every_row_names_a_test") and in_make_test("tests/unit")
    assert not in_make_test("tests/unit/test_promises.py::test_nothing") and not in_make_test("tests/unit/test_nothing.py")
    (tmp_path / "test_a.py").write_text("pytestmark = [pytest.mark.packages, pytest.mark.full]\n\ndef test_a(): pass\n")
    some = '@pytest.mark.parametrize("n", [1, pytest.param(2, marks=pytest.mark.full)])'
    (tmp_path / "test_b.py").write_text(f"@pytest.mark.full\ndef test_a(): pass\n\n{some}\ndef test_b(n): pass\n")
    assert functions_of(tmp_path / "test_a.py") == {"test_a": True} and functions_of(tmp_path / "test_b.py") == {
        "test_a": True,
        "test_b": False,
    }
