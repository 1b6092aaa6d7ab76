"""The reference is whole: every page is in the site, every config key, target and make target is described."""

import re
import sys
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "docs"))

from write_config import reference, rows  # noqa: E402

SCHEMA = yaml.safe_load((ROOT / "schemas/config.schema.yaml").read_text(encoding="utf-8"))
TARGETS = (ROOT / "docs/targets.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def test_the_reference_of_config_keys_is_the_schema():
    assert (ROOT / "docs/config.md").read_text(encoding="utf-8") == reference(SCHEMA), "run python docs/write_config.py"


def test_every_key_of_the_studies_that_ship_is_in_the_reference():
    known = set().union(*(rows(node, key, SCHEMA["$defs"]) for key, node in SCHEMA["properties"].items()))
    patterns = [re.compile(re.escape(path).replace("<name>", "[^.]+").replace(r"\[\]", "")) for path in known]
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    named = {
        f"{section}.{key}.{leaf}" for section in ("sources", "attacks", "models") for key, spec in config[section].items() for leaf in spec
    }
    assert {name for name in named | set(config) if not any(pattern.fullmatch(name) for pattern in patterns)} == set()


def test_a_row_says_value_default_and_meaning():
    schema = {
        "type": "object",
        "required": ["a"],
        "properties": {
            "a": {"type": "integer", "minimum": 1, "description": "An a."},
            "b": {"enum": ["x", "y"], "default": "x", "description": "A b."},
            "c": {"type": "array", "items": {"$ref": "#/$defs/n"}, "description": "Cs."},
        },
    }
    assert rows(schema, "s", {"n": {"type": "number", "exclusiveMinimum": 0}}) == {
        "s": ("object", "", ""),
        "s.a": ("integer, at least 1", "required", "An a."),
        "s.b": ("`x`, `y`", "`x`", "A b."),
        "s.c": ("list of number, more than 0", "", "Cs."),
    }


def test_every_page_is_in_the_site_once():
    index = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    listed = [line for block in re.findall(r"^```{toctree}\n(.*?)^```", index, re.M | re.S) for line in re.findall(r"^\w+$", block, re.M)]
    assert sorted(listed) == sorted(path.stem for path in (ROOT / "docs").glob("*.md") if path.stem != "index")


def test_every_make_target_is_described_and_there():
    phony = set(
        re.search(r"^\.PHONY: (.+)$", MAKEFILE, re.M)[1].replace("$(SUITES)", re.search(r"^SUITES := (.+)$", MAKEFILE, re.M)[1]).split()
    )
    assert set(re.findall(r"`make ([\w-]+)`", TARGETS)) == phony


def test_every_target_rule_is_described_and_there():
    table = TARGETS[TARGETS.index("| target | what is there afterwards |") :].split("\n\n")[0]
    rules = set(re.findall(r"^rule (\w+):", (ROOT / "Snakefile").read_text(encoding="utf-8"), re.M)) | {"plan"}
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.M)) == rules


def test_citation_and_project_agree():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith(f"{citation['license']} License")


def test_every_link_of_the_pages_beside_the_readme_is_there():
    for page in ("README.md", "CONTRIBUTING.md", "config/README.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        links = [link.partition("#")[0] for link in re.findall(r"\]\((?!http)([^)]+)\)", text)]
        assert links and [link for link in links if not ((ROOT / page).parent / link).exists()] == []
