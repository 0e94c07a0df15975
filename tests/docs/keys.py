"""The keys of suite files as Markdown tables, from the JSON Schema; `docs/suites.md` holds them between two marks."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import softal_bench.suite

Schema = dict[str, Any]
START, END = "<!-- keys -->\n", "<!-- end of keys -->\n"
SECTIONS = {
    "Suite_of_trials": "Of a suite of trials",
    "StartSet": "`initial`",
    "ValidationSet": "`validation`",
    "TargetSet": "`targets`",
    "TrainingRegime": "`training`",
    "TrialLimits": "`limits` of a suite of trials",
    "Resources": "`resources`",
    "ReportOptions": "`report` of a suite of trials",
    "Override": "`overrides`, each",
    "Cost_suite": "Of a cost suite",
    "Measurement": "`measurement`",
    "Limits": "`limits` of a cost suite",
    "CostReportOptions": "`report` of a cost suite",
    "Ratio": "`report.ratio`",
}


def schema() -> Schema:
    text = Path(softal_bench.suite.__file__).with_name("suite.schema.json").read_text(encoding="utf-8")
    loaded: Schema = json.loads(text)
    return loaded


def tables() -> str:
    """Return the tables of all sections."""
    definitions = schema()["$defs"]
    return "\n".join("\n".join(_table(title, definitions[name])) for name, title in SECTIONS.items())


def filled(text: str) -> str:
    """Return the page with the tables between its marks."""
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n{tables()}\n{END}{after}"


def _table(title: str, definition: Schema) -> Iterator[str]:
    yield f"### {title}\n"
    yield "| key | takes | default | meaning |"
    yield "| :-- | :-- | :-- | :-- |"
    for key, field in definition["properties"].items():
        required = key in definition.get("required", [])
        default = "required" if required else _default(field)
        yield f"| `{key}` | {_type(field)} | {default} | {_meaning(field)} |"
    yield ""


def _meaning(field: Schema) -> str:
    """Return the description of the field or, if it has none, that of the mapping that it contains."""
    mapping = schema()["$defs"].get(str(field.get("$ref")).rpartition("/")[2], {})
    return str(field.get("description") or mapping.get("description", ""))


def _default(field: Schema) -> str:
    value = field.get("default")
    if isinstance(value, dict) and value:
        return "its own"
    if value in (None, "", [], {}):
        return ""
    return f"`{json.dumps(value, ensure_ascii=False)}`"


def _type(field: Schema) -> str:
    options = [option for option in field.get("anyOf", [field]) if option.get("type") != "null"]
    if {"string", "object"} == {option.get("type") for option in options}:
        return "a name, or a name with parameters"
    return " or ".join(_one_type(option) for option in options)


def _one_type(field: Schema) -> str:
    if "$ref" in field:
        return "mapping, see below"
    if "const" in field or "enum" in field:
        return ", ".join(f"`{value}`" for value in field.get("enum", [field.get("const")]))
    kind = field.get("type")
    if kind == "array":
        return f"list: each {_one_type(field['items'])}" if field.get("items") else "list"
    names = {"integer": "whole number", "number": "number", "boolean": "true or false", "string": "text"}
    return names.get(str(kind), "mapping") + _bounds(field)


def _bounds(field: Schema) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {re.sub(r'[.]0$', '', str(field[key]))}" for key, sign in signs.items() if key in field]
    return f" {', '.join(bounds)}" if bounds else ""
