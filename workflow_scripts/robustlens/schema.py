"""The config as the JSON schema wants it: numbers that YAML takes for text, keys that are null, defaults; each fault in one sentence."""

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match, relevance
from jsonschema.validators import extend

from robustlens.config import as_number, check_values
from robustlens.errors import InputError

WORDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "minLength": "text of at least {} letter",
    "minItems": "at least {} in the list",
    "maxItems": "at most {} in the list",
    "minProperties": "at least {} entry",
    "uniqueItems": "each once",
    "pattern": "text that matches {}",
    "const": "{}",
}

WHOLE = Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool))
STRICT = extend(Draft202012Validator, type_checker=WHOLE)  # JSON schema takes 5.0 for an integer; range() and slices do not


def _fill(validator: Any, properties: dict, instance: Any, schema: dict) -> Iterator[ValidationError]:
    """The keyword ``properties``, which also gives an object the defaults of the keys that it lacks, before these are looked into."""
    for key, inner in properties.items():
        if "default" in inner and isinstance(instance, dict):
            instance.setdefault(key, deepcopy(inner["default"]))
    yield from STRICT.VALIDATORS["properties"](validator, properties, instance, schema)


FILLING = extend(STRICT, {"properties": _fill})


def _plain(validator: Any, properties: dict, instance: Any, schema: dict) -> Iterator[ValidationError]:
    """The keyword ``properties``, which also takes out a key that is null where no null is meant, and makes numbers of texts."""
    for key, inner in properties.items() if isinstance(instance, dict) else ():
        if key in instance:
            _tidy(instance, key, inner, needed=key in schema.get("required", ()))
    yield from STRICT.VALIDATORS["properties"](validator, properties, instance, schema)


def _plain_entries(validator: Any, inner: Any, instance: Any, schema: dict) -> Iterator[ValidationError]:
    """The same of ``additionalProperties``, the entries of a section: one that is null is not there."""
    if isinstance(instance, dict) and isinstance(inner, dict):
        for key in set(instance) - set(schema.get("properties", {})):
            _tidy(instance, key, inner)
    yield from STRICT.VALIDATORS["additionalProperties"](validator, inner, instance, schema)


def _tidy(instance: dict, key: str, schema: dict, needed: bool = False) -> None:
    value, types = instance[key], schema.get("type", ())
    if value is None and not needed and "null" not in types:
        del instance[key]
    elif "number" in types or any(choice.get("type") == "number" for choice in schema.get("oneOf", ())):
        instance[key] = as_number(value)
    elif isinstance(value, list) and schema.get("items", {}).get("type") == "number":
        value[:] = map(as_number, value)


TIDYING = extend(STRICT, {"properties": _plain, "additionalProperties": _plain_entries})


def check_schema(config: dict, schema: str | Path) -> None:
    """Make numbers of texts such as ``8/255`` and ``1e-2``, take out keys that are null, and fill in the schema's defaults; or raise
    InputError for a value that is not plain (:func:`robustlens.config.check_values`), else for the most telling fault that the JSON
    schema finds: the key, what was expected, what was found."""
    check_values(config)
    rules = yaml.load(Path(schema).read_text(), Loader=yaml.CSafeLoader)
    list(TIDYING(rules).iter_errors(config))
    error = best_match(STRICT(rules).iter_errors(config), key=_telling)
    if error is None:
        list(FILLING(rules).iter_errors(config))
        return
    where = ".".join(str(part) for part in error.absolute_path) or "config"
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        unknown = sorted(str(key) for key in error.instance if key not in known)
        raise InputError(where, f"only the keys {', '.join(known)}", ", ".join(unknown)[:100], "is it misspelt?")
    if error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        raise InputError(where, f"the key {missing[0]}", "none")
    mend = _spelling(error.validator_value, error.instance) if error.validator == "type" else ""
    raise InputError(where, _expected(error.validator, error.validator_value), repr(error.instance)[:100], mend)


def _spelling(types: str | list[str], value: Any) -> str:
    """How YAML wants what was probably meant by a value of another type."""
    if "string" in types and isinstance(value, bool):
        return "YAML reads yes, no, on and off as true and false: put the text in quotes"
    if "string" in types and isinstance(value, int | float):
        return "put the text in quotes"
    if "boolean" in types and isinstance(value, str):
        return "write true or false, without quotes"
    if "number" in types and isinstance(value, str):
        return "write 0.01, 1e-2 or 8/255, without words or units"
    if "integer" in types and isinstance(number := as_number(value), float) and number is not value:
        return f"write {number:.0f}, in digits and without quotes" if number == int(number) else "write a whole number"
    return ""


def _telling(error: ValidationError) -> tuple:
    """Key of the most telling fault: a wrong kind before what the other kinds would need."""
    return list(error.absolute_path)[-1:] == ["kind"], relevance(error)


def _expected(validator: str, value: Any) -> str:
    """What a keyword of JSON schema asks for, in words."""
    if validator == "type":
        return "a value of type " + " or ".join([value] if isinstance(value, str) else value)
    if validator == "enum":
        return f"one of {', '.join(map(str, value))}"
    if validator in ("oneOf", "anyOf"):
        return " or ".join(_expected(*next(iter(choice.items()))) for choice in value)
    return WORDS.get(validator, f"{validator} {{}}").format(value)
