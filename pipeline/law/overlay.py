"""Rules of your own laid over the rule file: added, or tightened by id. What loosens ours says why, who and when."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from features.errors import UsageError
from pipeline.law.binding import GIVING_WAY
from pipeline.law.holidays import HolidayList
from pipeline.law.loosening import loosened
from pipeline.law.rule_file import RULES_FILE, Lines, Reading, RulesRefused, bytes_of, load_rules
from pipeline.law.rules import Place, Rule, Rules, nearest, parent
from pipeline.params import Params

SHAPES: Mapping[str, type] = {"portfolios": list, "holidays": dict, "everywhere": list, "places": dict}
OF_A_KNOWN_PLACE = ("rules", "holidays")
OF_A_KNOWN_LIST = ("source", "days", "known_through")


def law_of(params: Params) -> Rules:
    """The rule file under the overlays that the params name.

    Raises RulesMissing where one cannot be read, RulesRefused with every fault of the first that has any.
    """
    files = tuple((name, bytes_of(params.file(name))) for name in params.eligibility.rules)
    return _laid(load_rules(), files, frozenset(params.portfolios)) if files else load_rules()


def law_files(params: Params) -> tuple[Path, ...]:
    """Every file that decisions of the law are read from: the rule file, the overlays, the signatures, the policy."""
    named = [*params.eligibility.rules, params.eligibility.sign_offs]
    named += [params.treatments.policy] if params.treatments is not None else []
    return RULES_FILE, *(params.file(name) for name in named if name is not None)


@lru_cache(maxsize=8)
def _laid(rules: Rules, files: tuple[tuple[str, bytes], ...], portfolios: frozenset[str]) -> Rules:
    for name, raw in files:
        rules = _over(rules, name, raw, portfolios)
    return rules


def _over(rules: Rules, name: str, raw: bytes, portfolios: frozenset[str]) -> Rules:
    try:
        lines = Lines(raw.decode("utf-8"))
        tree = lines.get_single_data()
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RulesRefused.not_yaml(Path(name), error) from None
    laying = _Laying(lines.line_of, rules, name, portfolios)
    if Path(name).stem in {Path(other).stem for other in rules.overlays}:
        laying.faults.append("Another overlay has the same name. Rename one: causes and limits are told by it.")
    over = laying.over(tree)
    if laying.faults:
        raise RulesRefused.faulty(Path(name), laying.faults)
    return replace(over, overlays={**rules.overlays, name: hashlib.sha256(raw).hexdigest()})


class _Laying(Reading):
    """One overlay as it is laid over the rules beneath; scoped: its name where it binds some portfolios only."""

    def __init__(self, line_of: dict[int, int], beneath: Rules, name: str, portfolios: frozenset[str]):
        super().__init__(line_of)
        self.beneath, self.portfolios = beneath, portfolios
        self.name, self.scoped = Path(name).stem, False
        self.lists = dict(beneath.holidays)
        self.bodies: dict[str, Mapping[str, Any]] = dict(beneath.bodies)
        self.home = {rule.id: code for code, place in beneath.places.items() for rule in place.rules}
        self.home |= {rule.id: "" for rule in (*beneath.product, *beneath.everywhere)}
        self.added, self.only, self.unless = set(beneath.added), dict(beneath.only), dict(beneath.unless)

    def over(self, tree: object) -> Rules:
        """The rules beneath and above; those beneath where faults were found."""
        if not isinstance(tree, dict) or not tree.keys() & {"holidays", "everywhere", "places"}:
            self.faults.append("It must hold schema_version, and holidays, everywhere or places.")
            return self.beneath
        known = ("schema_version", *SHAPES)
        if set(tree) - set(known):
            strange = sorted(map(str, set(tree) - set(known)))
            self.faults.append(str(UsageError.unknown_keys("The top level", strange, known)))
        if tree.get("schema_version") != 1:
            self.faults.append(f"schema_version must be 1. Got {tree.get('schema_version')!r}.")
        wrong = [
            part
            for part, shape in SHAPES.items()
            if part in tree and not (isinstance(tree[part], shape) and tree[part])
        ]
        if wrong:
            self.faults.append(f"{', '.join(wrong)} must hold something: a list of rules or names, or a map of names.")
            return self.beneath
        scopes = self._scopes(tree.get("portfolios"))
        for name, body in tree.get("holidays", {}).items():
            self.lists[name] = self._list(name, body)
        every = self._changed(tree.get("everywhere", []), "", (*self.beneath.product, *self.beneath.everywhere))
        places = dict(self.beneath.places)
        for code, body in tree.get("places", {}).items():
            places[code] = self._laid_on(code, body, {**places, **tree["places"]})  # pyrefly: ignore[unsupported-operation]
        ours = {rule.id for rule in self.beneath.product}
        product = tuple(rule for rule in every if rule.id.split("@")[0] in ours)
        return replace(
            self.beneath,
            product=product,
            everywhere=tuple(rule for rule in every if rule not in product),
            places=places,
            holidays=self.lists,  # pyrefly: ignore[bad-argument-type]
            bodies=self.bodies,
            added=frozenset(self.added),
            scopes=scopes,
            only=self.only,
            unless=self.unless,
        )

    def _scopes(self, named: list[str] | None) -> Mapping[str, frozenset[str]]:
        if named is None:
            if self.beneath.scopes:
                self.faults.append("It binds every portfolio: name it before the files of single portfolios.")
            return self.beneath.scopes
        self.scoped = True
        for portfolio in map(str, named):
            if portfolio not in self.portfolios:
                told = f"portfolios names {portfolio!r}, which the params do not{nearest(portfolio, self.portfolios)}."
                self.faults.append(told)
        return {**self.beneath.scopes, self.name: frozenset(map(str, named))}

    def _list(self, name: str, body: object) -> HolidayList | None:
        """A list of holidays; one that is there takes in further days, and may be known for longer."""
        where = f"holidays.{name}"
        there = self.beneath.holidays.get(name)
        if there is None or not isinstance(body, dict):
            return self.typed(HolidayList, body, where)
        if self.scoped:
            self.faults.append(f"{where}: a day is a holiday for every portfolio: say it in a file without portfolios.")
        if set(body) - set(OF_A_KNOWN_LIST) or "source" not in body:
            self.faults.append(f"{where}: the list is there: add days and known_through, and name their source.")
            return there
        days = body.get("days", [])
        merged = {
            "source": f"{there.source}; {body['source']}",
            "days": [*there.days, *(days if isinstance(days, list) else [days])],
            "known_through": body.get("known_through", there.known_through),
        }
        return self.typed(HolidayList, merged, where)

    def _laid_on(self, code: str, body: object, places: dict[str, Any]) -> Place | None:
        there = self.beneath.places.get(code)
        where = f"Place {code} (line {self.line_of.get(id(body), 0)})"
        if there is None:
            return self._new_place(code, body, places, where)
        if not isinstance(body, dict) or set(body) - set(OF_A_KNOWN_PLACE):
            told = f"{where}: the place is there: an overlay gives it rules, and further lists of holidays, no more."
            self.faults.append(told)
            return there
        lists = tuple(body.get("holidays") or ())
        self.known_lists(lists, where)
        if lists and self.scoped:
            self.faults.append(
                f"{where}: holidays are those of every portfolio: name them in a file without portfolios."
            )
        holidays = tuple(dict.fromkeys((*self.beneath.holidays_of(code), *lists))) if lists else there.holidays
        rules = self._changed(self._listed(body, where), code, there.rules)
        return there.model_copy(update={"holidays": holidays, "rules": rules})

    def _new_place(self, code: str, body: object, places: dict[str, Any], where: str) -> Place | None:
        if self.scoped:
            self.faults.append(
                f"{where}: a new place has its law for every portfolio: put it in a file without portfolios."
            )
        bare = {key: value for key, value in body.items() if key != "rules"} if isinstance(body, dict) else body
        place = self.place(code, bare, places)
        if place is None or not isinstance(code, str):
            return None
        above = parent(code)
        if not place.zones and not place.overlay_on and (above is None or not self._zoned(above)):
            self.faults.append(f"{where}: zones must name the clocks of the place.")
        rules = self._changed(self._listed(body, where), code, ())
        return place.model_copy(update={"rules": rules})

    def _listed(self, body: object, where: str) -> list[Any]:
        rules = body.get("rules", []) if isinstance(body, dict) else []
        if not isinstance(rules, list):
            self.faults.append(f"{where}: rules must be a list of rules.")
            return []
        return rules

    def _zoned(self, code: str) -> bool:
        return code in self.beneath.places and bool(self.beneath.places[code].zones)

    def _changed(self, bodies: list[Any], code: str, there: Iterable[Rule]) -> tuple[Rule, ...]:
        """The rules of a section under an overlay's: each in the place of the one it changes, new ones last."""
        rules = {rule.id: [rule] for rule in there}
        for body in bodies:
            where = self.told(body)
            name = str(body.get("id", "?")) if isinstance(body, dict) else "?"
            if name in self.home and self.home[name] != code:
                home = f"places.{self.home[name]}" if self.home[name] else "everywhere"
                self.faults.append(f"{where}: the rule stands under {home}: change it there.")
                continue
            rule = self._change(body, where, rules[name][0]) if name in self.home else self._new(body, where, code)
            if rule is not None:
                # A rule for some portfolios stands beside the one it changes, which binds the others.
                rules[name] = [*rules.get(name, []), rule] if self.scoped else [rule]
        return tuple(rule for same in rules.values() for rule in same)

    def _new(self, body: object, where: str, code: str) -> Rule | None:
        rule = self.rule(body, where, f"{code}." if code else "")
        if rule is None:
            return None
        ours = {other.id.split(".")[0] for other in self.beneath.product} | self.beneath.places.keys()
        if not code and ("." not in rule.id or rule.id.split(".")[0] in ours):
            self.faults.append(f"{where}: its id must begin with a name of yours and a dot, such as client.calls.")
        if "@" in rule.id:
            self.faults.append(f"{where}: its id must not hold @, which stands before the name of an overlay.")
        if rule.loosens is None:
            self.added.add(rule.id)
        elif not (code and rule.verified and isinstance(rule, GIVING_WAY)):
            told = "a new rule loosens ours only as hours, cap, wait or time_barred of a place, with verified: true"
            self.faults.append(f"{where}: {told}. Change ours by its id, or take loosens out.")
        if self.scoped:
            self.only[rule.id] = self.name
        return rule

    def _change(self, body: dict[str, Any], where: str, there: Rule) -> Rule | None:
        """A rule that is there with what the overlay says otherwise."""
        beneath = self.beneath.bodies[there.id]
        if body.get("kind", beneath["kind"]) != beneath["kind"]:
            self.faults.append(f"{where}: a rule keeps its kind, {beneath['kind']}. Got {body['kind']!r}.")
            return None
        if "citation" not in body:
            self.faults.append(f"{where}: a changed rule needs a citation of its own: who sets it, and where.")
        rule = self.rule({**beneath, **body}, where, "")
        if rule is None:
            return None
        wider = loosened(there, rule)
        if wider and "loosens" not in body:
            told = f"it loosens ours: {'; '.join(wider)}. Tighten it, or say why, who and date under loosens"
            self.faults.append(f"{where}: {told}.")
        if "loosens" in body and not wider:
            self.faults.append(f"{where}: it loosens nothing of ours: take loosens out.")
        if not self.scoped:
            return rule
        own = rule.model_copy(update={"id": f"{rule.id}@{self.name}"})
        self.bodies[own.id], self.bodies[there.id] = self.bodies[there.id], beneath
        self.only[own.id] = self.name
        if wider:
            self.unless[there.id] = self.unless.get(there.id, frozenset()) | {self.name}
        return own
