"""Reading of the contact rule file: whole, or refused whole with every fault, each naming its rule and line."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

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
)
from pipeline.params import Role

RULES_FILE = Path(__file__).parent / "contact_rules.yaml"
SECTIONS = ("schema_version", "as_of", "holidays", "product", "places")
ALWAYS_STOP = (
    "cease_contact",
    "attorney",
    "bankruptcy",
    "moratorium",
    "deceased",
    "minor",
    "identity_theft",
    "dispute",
    "wrong_party",
    "litigation",
    "vulnerable",
    "hardship",
    "emergency",
    "inconvenient",
)
KINDS = {get_args(kind.model_fields["kind"].annotation)[0]: kind for kind in RULE_KINDS}
RULE = TypeAdapter(AnyRule)


class RulesMissing(InputMissing):
    """No rules, no work."""

    @classmethod
    def unreadable(cls, path: Path, error: OSError) -> RulesMissing:
        return cls(f"Rule file {str(path)!r} cannot be read ({error.strerror}). Without it no account may be worked.")


class RulesRefused(UsageError):
    """A rule file holds whole or not at all."""

    @classmethod
    def not_yaml(cls, path: Path, error: yaml.YAMLError | UnicodeDecodeError) -> RulesRefused:
        mark = getattr(error, "problem_mark", None)
        fault = getattr(error, "problem", None) or "it is not UTF-8"
        return cls(
            f"Rule file {str(path)!r} is not YAML{f' at line {mark.line + 1}' if mark else ''}: {fault}. Mend it."
        )

    @classmethod
    def faulty(cls, path: Path, faults: Sequence[str]) -> RulesRefused:
        return cls(f"Rule file {str(path)!r} is refused whole: " + " ".join(faults))


def load_rules(path: Path = RULES_FILE) -> Rules:
    """The rules of a file, parsed once per process for as long as no byte of it changes.

    Raises RulesMissing where it cannot be read, RulesRefused with every fault, each naming its rule and line.
    """
    try:
        rules, faults = _read(bytes_of(path))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RulesRefused.not_yaml(path, error) from None
    if rules is None:
        raise RulesRefused.faulty(path, faults)
    return rules


def bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RulesMissing.unreadable(path, error) from None


@lru_cache(maxsize=4)
def _read(raw: bytes) -> tuple[Rules | None, tuple[str, ...]]:
    """(the rules, or None where there are faults; the faults)."""
    lines = Lines(raw.decode("utf-8"))
    reading = Reading(lines.line_of)
    rules = reading.rules(lines.get_single_data(), hashlib.sha256(raw).hexdigest())
    return None if reading.faults else rules, tuple(reading.faults)


class Lines(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """Plain YAML with the line of every mapping and no key twice. Dates are checked as text;
    only true and false are truth values, so that NO is Norway.
    """

    yaml_implicit_resolvers = {
        first: [
            (tag, pattern)
            for tag, pattern in found
            if tag not in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:bool")
        ]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, text: str):
        super().__init__(text)
        self.line_of: dict[int, int] = {}
        self._kept: list[dict[Any, Any]] = []

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} stands twice", key.start_mark
                )
            seen.add(key.value)
        mapping = super().construct_mapping(node, deep=True)
        self.line_of[id(mapping)] = node.start_mark.line + 1
        self._kept.append(mapping)  # keeps id() unique while lines are asked for
        return mapping

    def construct_yaml_map(self, node: yaml.MappingNode) -> dict[Any, Any]:  # pyrefly: ignore[bad-override]: its parent makes it in two steps
        return self.construct_mapping(node)


Lines.add_constructor("tag:yaml.org,2002:map", Lines.construct_yaml_map)
Lines.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("true|false"), ["t", "f"])


class Reading:
    """One walk over a parsed file: what it finds wrong, and the line of every rule id and mapping so far."""

    def __init__(self, line_of: dict[int, int]):
        self.line_of = line_of
        self.faults: list[str] = []
        self.lists: dict[str, HolidayList | None] = {}
        self.line_of_rule: dict[str, int] = {}
        self.bodies: dict[str, Mapping[str, Any]] = {}

    def rules(self, tree: object, digest: str) -> Rules | None:
        """None where the file is too faulty to go on."""
        if not isinstance(tree, dict):
            self.faults.append("It must hold schema_version, as_of, holidays, product and places.")
            return None
        if set(tree) - set(SECTIONS):
            self.faults.append(
                str(UsageError.unknown_keys("The top level", sorted(set(tree) - set(SECTIONS)), SECTIONS))
            )
        if tree.get("schema_version") != 1:
            self.faults.append(f"schema_version must be 1. Got {tree.get('schema_version')!r}.")
        shapes = {"holidays": dict, "product": list, "places": dict}
        missing = [name for name in SECTIONS[1:] if not tree.get(name)]
        missing += [name for name, shape in shapes.items() if name not in missing and not isinstance(tree[name], shape)]
        if missing:
            self.faults.append(
                f"It lacks {', '.join(missing)}, or they have not the form of a list of rules or a map of names."
            )
            return None
        self.lists = {
            name: self.typed(HolidayList, body, f"holidays.{name}") for name, body in tree["holidays"].items()
        }
        product = self.rules_of(tree["product"], "")
        self.faults += _missing_of_ours(product)
        places = {code: self.place(code, body, tree["places"]) for code, body in tree["places"].items()}
        try:
            as_of = dt.date.fromisoformat(str(tree["as_of"]))
        except ValueError:
            self.faults.append(f"as_of must be a date such as 2026-11-21. Got {tree['as_of']!r}.")
            return None
        # pyrefly: ignore[bad-argument-type]
        return Rules(as_of, tuple(product), places, self.lists, digest, self.bodies)

    def place(self, code: str, body: object, places: dict[str, Any]) -> Place | None:
        where = f"Place {code} (line {self.line_of.get(id(body), 0)})"
        if not isinstance(body, dict):
            self.faults.append(f"{where}: must have a name and rules.")
            return None
        if not re.fullmatch(r"[A-Z]{2}(-[A-Z0-9]{1,3}(/[A-Z]+)?)?", str(code)):
            self.faults.append(f"{where}: must be named like FR, US-MA or US-NY/NYC.")
        elif parent(code) is not None and parent(code) not in places:
            self.faults.append(f"{where}: {parent(code)}, in which it lies, is not in the file.")
        own = self.rules_of(body.get("rules") or [], f"{code}.")
        place = self.typed(Place, {key: value for key, value in body.items() if key != "rules"}, where)
        if place is None:
            return None
        self.known_lists(place.holidays or (), where)
        return place.model_copy(update={"rules": tuple(own)})

    def rules_of(self, bodies: list[Any], prefix: str) -> list[Rule]:
        """Rules whose ids begin with the prefix."""
        found = []
        for body in bodies:
            where = self.told(body)
            if isinstance(body, dict) and "loosens" in body:
                self.faults.append(f"{where}: loosens belongs into an overlay (eligibility.rules of the params).")
            found.append(self.rule(body, where, prefix))
        return [rule for rule in found if rule is not None]

    def told(self, body: object) -> str:
        """How a rule is named in a fault. Tells of an id that stands twice."""
        line = self.line_of.get(id(body), 0)
        name = str(body.get("id", "?")) if isinstance(body, dict) else "?"
        where = f"Rule {name} (line {line})"
        if name in self.line_of_rule:
            self.faults.append(f"{where}: the id stands already at line {self.line_of_rule[name]}.")
        self.line_of_rule[name] = line
        return where

    def rule(self, body: object, where: str, prefix: str) -> Rule | None:
        if not isinstance(body, dict) or body.get("kind") not in KINDS:
            got = body.get("kind") if isinstance(body, dict) else body
            self.faults.append(f"{where}: kind must be one of {', '.join(KINDS)}. Got {got!r}.")
            return None
        if prefix and not str(body.get("id", "?")).startswith(prefix):
            self.faults.append(f"{where}: its id must begin with {prefix!r}.")
        rule = self.typed(RULE, body, where, KINDS[body["kind"]])
        if isinstance(rule, Hours) and isinstance(rule.holidays, tuple):
            self.known_lists(rule.holidays, where)
        if rule is not None:
            self.bodies[rule.id] = body
        return rule

    def known_lists(self, names: Sequence[str], where: str) -> None:
        for name in names:
            if name not in self.lists:
                self.faults.append(f"{where}: holidays names an unknown list {name!r}{nearest(name, self.lists)}.")

    def typed(self, model: Any, body: object, where: str, known: type[BaseModel] | None = None):
        """The body as the model types it; None where it has faults. known:
        the model whose keys are named as the nearest.
        """
        try:
            return model.validate_python(body) if isinstance(model, TypeAdapter) else model.model_validate(body)
        except ValidationError as error:
            for fault in error.errors():
                path = [str(part) for part in fault["loc"] if str(part) not in KINDS]
                if fault["type"] == "extra_forbidden":
                    self.faults.append(
                        f"{where}: unknown key {path[-1]!r}{nearest(path[-1], (known or model).model_fields)}."
                    )
                elif fault["type"] == "missing":
                    self.faults.append(f"{where}: {path[-1]!r} is missing.")
                else:
                    got = "" if fault["type"] == "value_error" else f". Got {fault['input']!r}"
                    self.faults.append(
                        f"{where}: {'.'.join(path) or 'it'}: {fault['msg'].removeprefix('Value error, ')}{got}."
                    )
            return None


def _missing_of_ours(product: list[Rule]) -> list[str]:
    """Without these no place is safe, whatever its own law says."""

    def everywhere(rule: Rule) -> bool:
        return (
            rule.enforce == "hard"
            and set(rule.roles) == set(get_args(Role))
            and set(rule.binds) == set(get_args(DebtorType))
        )

    def in_every_channel(rule: Rule) -> bool:
        return isinstance(rule, TimeBarred) or getattr(rule, "channels", ()) == CONTACT_CHANNELS

    whole = [rule for rule in product if everywhere(rule) and in_every_channel(rule)]
    stopped = {name for rule in whole if isinstance(rule, Stop) and rule.statuses != "always" for name in rule.statuses}
    missing = [f"a stop for {name}" for name in ALWAYS_STOP if name not in stopped]
    missing += [] if any(isinstance(rule, OptOut) for rule in whole) else ["an opt_out"]
    missing += [] if any(isinstance(rule, TimeBarred) for rule in whole) else ["a time_barred rule"]
    return (
        [f"product must hold {', '.join(missing)} that binds every role and debtor type on any channel."]
        if missing
        else []
    )
