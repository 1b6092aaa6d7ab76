"""The documents say what is there: files, rules, functions, tests, columns and config keys that they name exist."""

import ast
import re
from pathlib import Path

import pytest
import yaml

from robustlens.report import behaviour, claims, concept_ablation, corruptions, selection, unit_pairs, units
from robustlens.study import PARAMETERS as KINDS

ROOT = Path(__file__).resolve().parents[2]
DOCS = {path.name: path.read_text(encoding="utf-8") for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])}
SCHEMA = yaml.safe_load((ROOT / "schemas/config.schema.yaml").read_text(encoding="utf-8"))
SUFFIXES = ("csv", "parquet", "json", "h5", "safetensors", "html", "py", "md", "smk", "yaml")  # of files, not names of config keys
WRITTEN = {  # tables whose columns the code names
    "accuracy.csv": behaviour.ACCURACY,
    "top5.csv": behaviour.TOP5,
    "shape_bias.csv": behaviour.SHAPE_BIAS,
    "shape_bias_by_class.csv": behaviour.BY_CLASS,
    "accuracy_paired.csv": behaviour.PAIRED,
    "claim_tests.csv": claims.CLAIM_TESTS,
    "both_correct.csv": selection.SELECTION,
    "corruption_errors.csv": corruptions.CORRUPTION_ERRORS,
    "mce.csv": corruptions.MCE,
    "total_variation.csv": units.TOTAL_VARIATION,
    "dissection.csv": units.DISSECTION,
    "concept_shift.csv": units.SHIFT,
    "detectors.csv": units.DETECTORS,
    "category_shift.csv": unit_pairs.CATEGORY_SHIFT,
    "noise_blocking.csv": unit_pairs.NOISE_BLOCKING,
    "noise_outliers.csv": unit_pairs.NOISE_OUTLIERS,
    "filter_matches.csv": unit_pairs.FILTER_MATCHES,
    "complexity.csv": units.COMPLEXITY,
    "complexity_distribution.csv": units.DISTRIBUTION,
    "ablation.csv": units.ABLATION,
    "ablation_rates.csv": units.ABLATION_RATES,
    "category_shares.csv": units.CATEGORY_SHARES,
    "concept_ablation.csv": concept_ablation.CONCEPT_ABLATION,
}


def in_backticks(text: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", text)


# ---------------------------------------------------------------------------------------------------------------- data.md
def same_wildcards(path: str) -> str:
    return re.sub(r"{{?\w+}}?", "{}", path)


def outputs() -> dict[str, set[str]]:
    """Rule -> its output files, wildcards without names; read from the text of the rules."""
    found = {}
    for path in sorted((ROOT / "rules").glob("*.smk")):
        for name, body in re.findall(r"^rule (\w+):\n(.*?)(?=^\S|\Z)", path.read_text(encoding="utf-8"), re.M | re.S):
            block = re.search(r"^    output:\n((?:^        .*\n)+)", body, re.M)
            found[name] = {same_wildcards(file) for file in re.findall(r'"(results/[^"]+)"', block[1])} if block else set()
    return found


def described() -> list[tuple[list[str], list[str]]]:
    """Of each row of data.md's table of files: the files (siblings are named without their folder) and the rules."""
    rows = []
    for files, rules in re.findall(r"^\| (`results/.*?) \| (.*?) \|", DOCS["data.md"], re.M):
        first, *others = in_backticks(files)
        rows.append((list(map(same_wildcards, [first, *(f"{first.rpartition('/')[0]}/{other}" for other in others)])), in_backticks(rules)))
    return rows


def test_every_described_file_is_the_output_of_its_rules():
    made = outputs()
    assert len(described()) > 15
    for files, rules in described():
        assert set(files) <= set().union(*(made[rule] for rule in rules)), (files, rules)
        assert all(made[rule] & set(files) for rule in rules), (files, rules)


def test_every_output_is_described():
    files = {file for row, _ in described() for file in row}
    assert {rule: made - files for rule, made in outputs().items() if made - files} == {}


def test_columns_of_tables_are_those_of_the_code():
    said = dict(re.findall(r"^\| (\w+\.csv) \| `([\w,]+)`", DOCS["data.md"], re.M))
    assert {table: said[table].split(",") for table in WRITTEN} == WRITTEN
    assert f"`{','.join(claims.COLUMNS)}`" in DOCS["data.md"]


# ------------------------------------------------------------------------------------------------------------- methods.md
def test_every_table_claim_and_kind_of_stimulus_has_its_methods():
    tables = {Path(file).name for made in outputs().values() for file in made if file.endswith(".csv")}
    assert {table for table in tables if table not in DOCS["methods.md"]} == set()
    rows = re.findall(r"^\| (C\d+) \|", DOCS["methods.md"], re.M)
    assert set(rows) == set(claims.CLAIMS)
    assert [kind for kind in KINDS if f"* **{kind}**" not in DOCS["methods.md"]] == []


# ------------------------------------------------------------------------------------------------------------- cluster.md
def test_the_table_of_requests_has_every_rule_where_it_runs():
    """Beside the main process, on the GPU partition, or on the other."""
    texts = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "rules").glob("*.smk"))]
    bodies = dict(pair for text in texts for pair in re.findall(r"^rule (\w+):\n(.*?)(?=^\S|\Z)", text, re.M | re.S))
    local = {name for name, body in bodies.items() if "localrule: True" in body}
    local |= {
        name for text in texts for block in re.findall(r"^localrules:\n((?: +.*\n)+)", text, re.M) for name in re.findall(r"\w+", block)
    }
    networks = {name for name, body in bodies.items() if "device=NETWORK" in body}
    expected = {"none": local, "GPU": networks, "CPU": bodies.keys() - local - networks}
    section = DOCS["cluster.md"].split("## What a job asks for\n")[1].split("\n## ")[0]
    found: dict[str, list[str]] = {}
    for line in re.findall(r"^\| `.*", section, re.M):
        rules, where = line.strip("| ").split(" | ")[:2]
        found.setdefault(where.split(":")[0], []).extend(in_backticks(rules))
    assert {where: sorted(rules) for where, rules in found.items()} == {where: sorted(rules) for where, rules in expected.items()}


def test_the_table_of_settings_is_the_top_of_the_profile():
    top = re.findall(r'^    (\w+) = site\("(\w+)"', (ROOT / "slurm/config.yaml").read_text(encoding="utf-8"), re.M)
    table = re.findall(r"^\| (\w+) \| `ROBUSTLENS_(\w+)` \|", DOCS["cluster.md"], re.M)
    assert len(top) > 12 and sorted(table) == sorted(top)


# -------------------------------------------------------------------------------------------------------------- all pages
def is_there(name: str) -> bool:
    """Whether a dotted name is a module of the library, or something that one defines; nothing is imported."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        module = ROOT.joinpath("workflow_scripts", *parts[:cut])
        if module.is_dir():
            return cut == len(parts)
        if module.with_suffix(".py").is_file():
            tree = ast.parse(module.with_suffix(".py").read_text(encoding="utf-8"))
            return all(tree := defined(tree, part) for part in parts[cut:]) if parts[cut:] else True
    return False


def defined(scope: ast.AST, name: str) -> ast.AST | None:
    """The function, class or constant of that name in a module or class."""
    for node in getattr(scope, "body", []):
        targets = [target.id for target in getattr(node, "targets", []) if isinstance(target, ast.Name)]
        if name in (getattr(node, "name", None), *targets):
            return node
    return None


@pytest.mark.parametrize("page", DOCS)
def test_every_function_that_is_named_exists(page):
    names = set(re.findall(r"`(robustlens(?:\.\w+)+)", DOCS[page]))
    assert {name for name in names if not is_there(name)} == set()


@pytest.mark.parametrize("page", DOCS)
def test_every_test_and_page_that_is_named_exists(page):
    files = set(re.findall(r"\btests/[\w/]+\.\w+", DOCS[page]))
    files |= set(re.findall(r"\bdocs/\w+\.md", DOCS[page]))
    here = "" if (ROOT / page).is_file() else "docs/"
    files |= {here + name for name in re.findall(r"\]\(([\w./-]+)(?:#[\w-]+)?\)", DOCS[page])}
    assert {file for file in files if not (ROOT / file).is_file()} == set()


@pytest.mark.parametrize("page", [page for page in DOCS if page != "extend.md"])  # which names files that are yet to be written
def test_every_source_file_that_is_named_exists(page):
    named = [name for name in in_backticks(DOCS[page]) if re.fullmatch(r"[\w/]+\.(py|smk|yaml)", name)]
    folders = (ROOT, ROOT / "workflow_scripts", ROOT / "workflow_scripts/robustlens", ROOT / "workflow_scripts/robustlens/stimuli")
    assert [name for name in named if not any((folder / name).is_file() for folder in folders)] == []


def below(nodes: list[dict], key: str) -> list[dict]:
    """The schemas of ``key`` under any of ``nodes``, through references and conditions; any name stands for a name of the user's."""
    found = []
    for node in nodes:
        if "$ref" in node:
            found += below([SCHEMA["$defs"][node["$ref"].rpartition("/")[2]]], key)
        found += below([node[branch] for branch in ("then", "else") if branch in node], key)
        others = node.get("additionalProperties", {} if "properties" not in node and node.get("type") == "object" else False)
        if key in node.get("properties", {}):
            found.append(node["properties"][key])
        elif isinstance(others, dict):
            found.append(others)
    return found


def unknown_keys(nodes: list[dict], value: object, where: str = "") -> list[str]:
    """The keys of a piece of a config that the schema does not know."""
    found = []
    for key, inner in value.items() if isinstance(value, dict) else ():
        deeper = below(nodes, key)
        found += unknown_keys(deeper, inner, f"{where}{key}.") if deeper else [f"{where}{key}"]
    return found


@pytest.mark.parametrize("page", DOCS)
def test_every_config_key_that_is_named_exists(page):
    for block in re.findall(r"^```yaml\n(.*?)^```", DOCS[page], re.M | re.S):
        assert unknown_keys([SCHEMA], yaml.safe_load(block)) == []
    named = {name for name in in_backticks(DOCS[page]) if re.fullmatch(r"\w+(\.(<name>|\w+))+", name)}
    for name in named:
        first, *parts = name.split(".")
        if first in SCHEMA["properties"] and parts[-1] not in SUFFIXES:
            nodes = [SCHEMA]
            for part in (first, *parts):
                nodes = below(nodes, part)
            assert nodes, name


WORDS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen"]


def test_numbers_of_things_are_those_that_there_are():
    """Counts in the pages that begin with the miniature, derived from what they count."""
    study = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    n_listed = len((ROOT / "resources/claims.csv").read_text(encoding="utf-8").splitlines()) - 1
    n_expected = len((ROOT / "resources/expected.csv").read_text(encoding="utf-8").splitlines()) - 1
    said = {(page, line, int(n)) for page in DOCS for line in DOCS[page].splitlines() for n in re.findall(r"C1 to C(\d+)", line)}
    assert {(page, n) for page, line, n in said if n != (len(claims.CLAIMS) if "claims.csv" in line else n_listed)} == set() != said
    assert f"study's {WORDS[n_listed]} that a number answers" in DOCS["README.md"]
    clean, conflict = (study["sources"][name]["n_images"] for name in ("clean", "cue-conflict"))
    networks = f"trains {WORDS[len(study['models'])]} small networks"
    made = f"renders {clean + conflict} test images, changes {clean} of them in {WORDS[len(study['stimuli'])]} ways, {networks}"
    roles = f"({WORDS[len(study['pairs'])]} S/R pairs and\n{WORDS[len(study['controls'])]} controls"
    assert networks in DOCS["README.md"] and roles in DOCS["README.md"] and made in DOCS["tutorial.md"]
    for page in ("README.md", "tutorial.md"):
        assert f"{n_expected} of {n_expected} numbers are in the range to expect" in DOCS[page]


def test_the_checks_find_what_is_wrong():
    assert not is_there("robustlens.statistics.wilsen") and not is_there("robustlens.report.statistics")
    assert unknown_keys([SCHEMA], {"stimuli": {"a": {"kind": "contour", "widht": 1}}}) == ["stimuli.a.widht"]
    assert unknown_keys([SCHEMA], {"models": {"a": {"arguments": {"anything": 1}}}}) == []
    assert unknown_keys([SCHEMA], {"sources": {"a": {"geometry": {"crop": 1, "crob": 1}}}}) == ["sources.a.geometry.crob"]
