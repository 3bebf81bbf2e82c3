"""Reading of the contact rule file: whole, or refused whole with every fault, each naming its rule and line."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from pathlib import Path
from typing import get_args

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError

from features.errors import InputMissing, UsageError
from pipeline.law.holidays import HolidayList
from pipeline.law.rules import (
    CONTACT_CHANNELS,
    RULE_KINDS,
    AnyRule,
    DebtorType,
    Hours,
    OptOut,
    Place,
    Rule,
    Rules,
    Stop,
    TimeBarred,
    nearest,
    parent,
)  # fmt: skip
from pipeline.params import Role

RULES_FILE = Path(__file__).parent / "contact_rules.yaml"
SECTIONS = ("schema_version", "as_of", "holidays", "product", "places")
ALWAYS_STOP = (
    "cease_contact", "attorney", "bankruptcy", "moratorium", "deceased", "minor", "identity_theft", "dispute", "wrong_party", "litigation",
    "vulnerable", "hardship", "emergency", "inconvenient",
)  # fmt: skip
_KINDS = {get_args(kind.model_fields["kind"].annotation)[0]: kind for kind in RULE_KINDS}
_RULE = TypeAdapter(AnyRule)


def load_rules(path: Path = RULES_FILE) -> Rules:
    """Read the rule file whole or refuse it whole.

    Raises InputMissing where it cannot be read, UsageError with every fault, each naming its rule and line.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputMissing(f"Rule file {str(path)!r} cannot be read ({error.strerror}). Without it no account may be worked.") from None
    faults: list[str] = []
    try:
        lines = _Lines(raw.decode("utf-8"))
        tree = lines.get_single_data()
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        fault = getattr(error, "problem", None) or "it is not UTF-8"
        raise UsageError(f"Rule file {str(path)!r} is not YAML{f' at line {mark.line + 1}' if mark else ''}: {fault}. Mend it.") from None
    rules = _read(tree, lines.line_of, faults, hashlib.sha256(raw).hexdigest())
    if faults:
        raise UsageError(f"Rule file {str(path)!r} is refused whole: " + " ".join(faults))
    return rules


class _Lines(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """Plain YAML without dates (they are checked as text), with the line of every mapping and no key twice."""

    yaml_implicit_resolvers = {
        key: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:timestamp"]
        for key, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, text: str):
        super().__init__(text)
        self.line_of: dict[int, int] = {}
        self._kept: list[dict] = []

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key.value!r} stands twice", key.start_mark)
            seen.add(key.value)
        mapping = super().construct_mapping(node, deep=True)
        self.line_of[id(mapping)] = node.start_mark.line + 1
        self._kept.append(mapping)  # keeps id() unique while lines are asked for
        return mapping

    def construct_yaml_map(self, node: yaml.MappingNode) -> dict:
        return self.construct_mapping(node)


_Lines.add_constructor("tag:yaml.org,2002:map", _Lines.construct_yaml_map)


def _read(tree: object, line_of: dict[int, int], faults: list[str], digest: str) -> Rules | None:
    if not isinstance(tree, dict):
        faults.append("It must hold schema_version, as_of, holidays, product and places.")
        return None
    if set(tree) - set(SECTIONS):
        faults.append(str(UsageError.unknown_keys("The top level", sorted(set(tree) - set(SECTIONS)), SECTIONS)))
    if tree.get("schema_version") != 1:
        faults.append(f"schema_version must be 1. Got {tree.get('schema_version')!r}.")
    shapes = {"holidays": dict, "product": list, "places": dict}
    missing = [name for name in SECTIONS[1:] if not tree.get(name)]
    missing += [name for name, shape in shapes.items() if name not in missing and not isinstance(tree[name], shape)]
    if missing:
        faults.append(f"It lacks {', '.join(missing)}, or they have not the form of a list of rules or a map of names.")
        return None
    lists = {name: _parsed(HolidayList, body, f"holidays.{name}", faults) for name, body in tree["holidays"].items()}
    seen: dict[str, int] = {}
    product = _rules_of(tree["product"], "", lists, line_of, faults, seen)
    faults += _missing_of_ours(product)
    places = {}
    for code, body in tree["places"].items():
        where = f"Place {code} (line {line_of.get(id(body), 0)})"
        if not isinstance(body, dict):
            faults.append(f"{where}: must have a name and rules.")
            continue
        if not re.fullmatch(r"[A-Z]{2}(-[A-Z0-9]{1,3}(/[A-Z]+)?)?", str(code)):
            faults.append(f"{where}: must be named like FR, US-MA or US-NY/NYC.")
        elif parent(code) is not None and parent(code) not in tree["places"]:
            faults.append(f"{where}: {parent(code)}, in which it lies, is not in the file.")
        own = _rules_of(body.get("rules") or [], f"{code}.", lists, line_of, faults, seen)
        place = _parsed(Place, {key: value for key, value in body.items() if key != "rules"}, where, faults)
        if place is None:
            continue
        for name in place.holidays or ():
            if name not in lists:
                faults.append(f"{where}: holidays names an unknown list {name!r}{nearest(name, lists)}.")
        places[code] = place.model_copy(update={"rules": tuple(own)})
    try:
        as_of = dt.date.fromisoformat(str(tree["as_of"]))
    except ValueError:
        faults.append(f"as_of must be a date such as 2026-11-21. Got {tree['as_of']!r}.")
        return None
    return None if faults else Rules(as_of, tuple(product), places, {name: found for name, found in lists.items() if found}, digest)


def _missing_of_ours(product: list[Rule]) -> list[str]:
    """Without these no place is safe, whatever its own law says."""

    def everywhere(rule: Rule) -> bool:
        return rule.enforce == "hard" and set(rule.roles) == set(get_args(Role)) and set(rule.binds) == set(get_args(DebtorType))

    def in_every_channel(rule: Rule) -> bool:
        return isinstance(rule, TimeBarred) or getattr(rule, "channels", ()) == CONTACT_CHANNELS

    whole = [rule for rule in product if everywhere(rule) and in_every_channel(rule)]
    stopped = {name for rule in whole if isinstance(rule, Stop) and rule.statuses != "always" for name in rule.statuses}
    missing = [f"a stop for {name}" for name in ALWAYS_STOP if name not in stopped]
    missing += [] if any(isinstance(rule, OptOut) for rule in whole) else ["an opt_out"]
    missing += [] if any(isinstance(rule, TimeBarred) for rule in whole) else ["a time_barred rule"]
    return [f"product must hold {', '.join(missing)} that binds every role and debtor type on any channel."] if missing else []


def _rules_of(
    bodies: list, prefix: str, lists: dict[str, HolidayList | None], line_of: dict[int, int], faults: list[str], seen: dict[str, int]
) -> list[Rule]:
    rules = []
    for body in bodies:
        line = line_of.get(id(body), 0)
        name = str(body.get("id", "?")) if isinstance(body, dict) else "?"
        where = f"Rule {name} (line {line})"
        if name in seen:
            faults.append(f"{where}: the id stands already at line {seen[name]}.")
        seen[name] = line
        if prefix and not name.startswith(prefix):
            faults.append(f"{where}: its id must begin with {prefix!r}.")
        if not isinstance(body, dict) or body.get("kind") not in _KINDS:
            got = body.get("kind") if isinstance(body, dict) else body
            faults.append(f"{where}: kind must be one of {', '.join(_KINDS)}. Got {got!r}.")
            continue
        rule = _parsed(_RULE, body, where, faults, _KINDS[body["kind"]])
        if isinstance(rule, Hours) and isinstance(rule.holidays, tuple):
            for unknown in (name for name in rule.holidays if name not in lists):
                faults.append(f"{where}: holidays names an unknown list {unknown!r}{nearest(unknown, lists)}.")
        if rule is not None:
            rules.append(rule)
    return rules


def _parsed(model, body: object, where: str, faults: list[str], known: type[BaseModel] | None = None):
    try:
        return model.validate_python(body) if isinstance(model, TypeAdapter) else model.model_validate(body)
    except ValidationError as error:
        for fault in error.errors():
            path = [str(part) for part in fault["loc"] if str(part) not in _KINDS]
            if fault["type"] == "extra_forbidden":
                names = list((known or model).model_fields) if not isinstance(model, TypeAdapter) or known else []
                faults.append(f"{where}: unknown key {path[-1]!r}{nearest(path[-1], names)}.")
            elif fault["type"] == "missing":
                faults.append(f"{where}: {path[-1]!r} is missing.")
            else:
                got = "" if fault["type"] == "value_error" else f". Got {fault['input']!r}"
                faults.append(f"{where}: {'.'.join(path) or 'it'}: {fault['msg'].removeprefix('Value error, ')}{got}.")
        return None
