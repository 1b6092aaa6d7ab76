"""Writes docs/config.md, the reference of config keys, from schemas/config.schema.yaml."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
HEAD = """# Config keys

Made from `schemas/config.schema.yaml` by `python docs/write_config.py`; edit the schema. Unknown keys are refused, defaults are filled in.
An optional key that is `null` is as if it was not there: so a second file takes back what the first one says. A number may be a
fraction, `8/255`. `<name>` is a name of your own: lower case, joined by `-` or `.`. `[]` is each entry of a
list.
"""
BOUNDS = {"minimum": "at least {}", "exclusiveMinimum": "more than {}", "maximum": "at most {}", "exclusiveMaximum": "less than {}"}


def resolve(node: dict, definitions: dict) -> dict:
    """The node itself, with what its ``$ref`` stands for."""
    return {**definitions[node["$ref"].rpartition("/")[2]], **node} if "$ref" in node else node


def code(value: object) -> str:
    return f"`{yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix('...' + chr(10)).strip()}`"


def value_of(node: dict, definitions: dict) -> str:
    """What a key may be, in words."""
    node = resolve(node, definitions)
    alternatives = node.get("oneOf", node.get("anyOf"))
    if alternatives:
        return " or ".join(value_of(one, definitions) for one in alternatives)
    if "const" in node:
        return code(node["const"])
    if "enum" in node:
        return ", ".join(map(code, node["enum"]))
    types = node.get("type", "object")
    words = " or ".join(types if isinstance(types, list) else [types])
    if "items" in node and value_of(node["items"], definitions) != "object":
        words = words.replace("array", f"list of {value_of(node['items'], definitions)}")
    return ", ".join([words.replace("array", "list"), *(text.format(node[bound]) for bound, text in BOUNDS.items() if bound in node)])


def rows(node: dict, path: str, definitions: dict, required: bool = False) -> dict[str, tuple[str, str, str]]:
    """Of the key at ``path`` and all below it: value, default and description."""
    node = resolve(node, definitions)
    default = "required" if required else code(node["default"]) if node.get("default") not in (None, {}) else ""
    found = {path: (value_of(node, definitions), default, node.get("description", ""))}
    needed = node.get("required", [])
    for key, inner in node.get("properties", {}).items():
        found |= rows(inner, f"{path}.{key}", definitions, key in needed)
    for branch in ("then", "else"):
        below = rows(node[branch], path, definitions) if branch in node else {}
        found |= {key: row for key, row in below.items() if key not in found}
    if isinstance(others := node.get("additionalProperties"), dict):
        found |= rows(others, f"{path}.<name>", definitions)
    items = node.get("items", {})
    for item in items.get("anyOf", [items]):
        item = resolve(item, definitions)
        if "properties" in item:
            found |= {key: row for key, row in rows(item, f"{path}[]", definitions).items() if key != f"{path}[]"}
    return found


def cell(text: str) -> str:
    """Text as it may stand in a table; angle brackets in words are no tags."""
    outside = re.split(r"(`[^`]*`)", text.replace("|", r"\|").replace("\n", " "))
    return "".join(part if part.startswith("`") else part.replace("<", "&lt;") for part in outside)


def reference(schema: dict) -> str:
    """The text of docs/config.md."""
    parts = [HEAD]
    for key, node in schema["properties"].items():
        table = rows(node, key, schema["$defs"], key in schema["required"])
        described = cell(table[key][2])
        if len(table) > 1:  # a section, described above its table, as are names of the user's own
            table = {path: row for path, row in table.items() if row[2] and path != key}
        parts += [f"## {key}\n", f"{described}\n" if key not in table else "", "| key | value | default | what |\n|---|---|---|---|"]
        parts += [f"| `{path}` | " + " | ".join(map(cell, row)) + " |" for path, row in table.items()] + [""]
    return "\n".join(parts).replace("\n\n\n", "\n\n").rstrip() + "\n"


if __name__ == "__main__":
    schema = yaml.safe_load((ROOT / "schemas/config.schema.yaml").read_text(encoding="utf-8"))
    (ROOT / "docs/config.md").write_text(reference(schema), encoding="utf-8")
