"""The JSON Schema of params.yaml: made from the declarations of params.py, each key told by the comment
of the default params.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from pipeline.params import Params, shipped

FILE = "params.schema.json"  # what `# yaml-language-server: $schema=` names beside a params file
_KEY = re.compile(r"( *)([\w-]+):(?:\s+(?:[^#\s][^#]*)?)?(?:#\s*(.*))?")


def params_schema() -> dict[str, Any]:
    """Draft 2020-12. A portfolio may leave out what portfolio_defaults has; no other key may be left out or added
    than `recoup` itself would refuse.
    """
    schema = Params.model_json_schema(mode="validation")
    parts = schema["$defs"]
    own = {key: value for key, value in parts["Portfolio"].items() if key != "required"}
    parts["OwnPortfolio"] = own | {"title": "OwnPortfolio"}
    books = {"anyOf": [{"$ref": "#/$defs/OwnPortfolio"}, {"type": "null"}]}
    schema["properties"]["portfolios"]["additionalProperties"] = books
    text = shipped("params.yaml").read_text(encoding="utf-8")
    defaults = yaml.load(text, Loader=yaml.BaseLoader)
    for place, comment in _comments(text).items():
        _tell(schema, parts, place, comment, defaults)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": "Printed by `recoup schema`.",
        **schema,
        "title": "params.yaml of recoup",
        "description": (Params.__doc__ or "").strip(),
    }


def _comments(text: str) -> dict[tuple[str, ...], str]:
    """Key path -> the comment on its line."""
    found: dict[tuple[str, ...], str] = {}
    open_keys: list[tuple[int, str]] = []
    for line in text.splitlines():
        key = _KEY.fullmatch(line)
        if key is None:
            continue
        depth, name, comment = len(key[1]), key[2], key[3]
        open_keys = [(at, above) for at, above in open_keys if at < depth] + [(depth, name)]
        if comment:
            found[tuple(above for _, above in open_keys)] = comment.strip()
    return found


def _tell(schema: dict[str, Any], parts: dict[str, Any], place: tuple[str, ...], comment: str, defaults: Any) -> None:
    """Put the comment on the key that it stands beside, where the schema declares that key."""
    at = schema
    for number, name in enumerate(place):
        declared = at.get("properties", {}).get(name)
        if declared is None:
            return
        defaults = defaults.get(name) if isinstance(defaults, dict) else None
        if number == len(place) - 1:
            declared["description"] = comment if not isinstance(defaults, str) else f"{comment} [shipped: {defaults}]"
        at = parts[declared["$ref"].rsplit("/", 1)[1]] if "$ref" in declared else declared
