"""What the house may offer and by whom it may have accounts worked: read whole from one file, or refused with every
fault, each with its line.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from features.currencies import DECIMALS
from features.errors import InputMissing, UsageError
from features.tables import STATUSES
from models.belief import Belief, Curve
from models.plans import PlanTerms
from models.routes import AGENCY, LEGAL, SALE, Bands, Party
from models.settlements import FULL, SettlementTerms
from pipeline.law.rule_file import Lines
from pipeline.law.rules import CONTACT_CHANNELS, Precondition, Rule, Rules, Stop, TimeBarred, nearest
from pipeline.law.stops import CALENDAR_YEAR_DAYS
from pipeline.params import MOST_BYTES

SHIPPED = Path(__file__).parent / "treatments.yaml"
HOURS_ONLY = "inconvenient"  # a status that names hours, and stops contact only in them
ANY_PLACE = ""
# What no rule of the file speaks of: said wherever a policy is told of, so that nobody takes silence for leave.
NOT_CHECKED = (
    "how large a discount, how long a plan or which fee the law of a place allows",
    "licences of agencies and buyers, and what they must tell the debtor",
    "what a court costs, and which claims it hears",
    "what must lie between a sale and the buyer's first contact",
    "what is let off as income of the debtor",
)


class PolicyMissing(InputMissing):
    """Without a policy nothing is proposed."""

    @classmethod
    def unreadable(cls, path: Path, error: OSError) -> PolicyMissing:
        return cls(f"Treatment policy {str(path)!r} cannot be read ({error.strerror}). Name one that is there.")


class PolicyRefused(UsageError):
    """A policy holds whole or not at all."""

    @classmethod
    def not_yaml(cls, path: Path, line: int | None, problem: str) -> PolicyRefused:
        at = "" if line is None else f" at line {line}"
        return cls(f"Treatment policy {str(path)!r} is no YAML in UTF-8{at}: {problem}. Mend it.")

    @classmethod
    def faulty(cls, path: Path, faults: Iterable[tuple[int, str]]) -> PolicyRefused:
        told = " ".join(f"Line {line}: {fault}" for line, fault in sorted(set(faults)))
        return cls(f"Treatment policy {str(path)!r} is refused whole. {told}")


# ---- what may stand in the file --------------------------------------------------------------------------------------


def _minor(raw: object) -> dict[str, int]:
    """Decimal units by currency as minor units."""
    if not isinstance(raw, dict) or not raw:
        raise ValueError("must map one currency or more to amounts")
    found = {}
    for code, amount in raw.items():
        if code not in DECIMALS:
            raise ValueError(f"must name currencies of ISO 4217{nearest(str(code), DECIMALS)}. Got {code!r}")
        try:
            minor = Decimal(str(amount)).scaleb(DECIMALS[code])
            whole = int(minor)
        except (InvalidOperation, ValueError, OverflowError):
            raise ValueError(f"{code} must be an amount") from None
        if isinstance(amount, bool) or minor < 0 or minor != whole or whole >= 2**53:
            raise ValueError(f"{code} must be an amount of {DECIMALS[code]} decimals, not below 0. Got {amount!r}")
        found[code] = whole
    return found


def _status(name: str) -> str:
    if name not in STATUSES:
        raise ValueError(f"must be a status of the contract{nearest(name, STATUSES)}")
    return name


def _bare_name(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name):
        raise ValueError("must be small letters, digits and _")
    return name


def _listed(value: float) -> float:
    if abs(value * FULL - round(value * FULL)) > 1e-9:
        raise ValueError("must be whole hundredths of a per cent")
    return value


Amounts = Annotated[dict[str, int], BeforeValidator(_minor)]
Share = Annotated[float, Field(ge=0, le=1, strict=True)]
Discount = Annotated[float, Field(gt=0, lt=1, strict=True), AfterValidator(_listed)]
Days = Annotated[int, Field(ge=0, le=36_500, strict=True)]
Count = Annotated[int, Field(ge=1, le=520, strict=True)]
Text = Annotated[str, Field(min_length=1, max_length=500)]
Name = Annotated[str, AfterValidator(_bare_name)]
Status = Annotated[str, AfterValidator(_status)]
Unit = Literal["month", "fortnight", "week"]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Believed(Section):
    """A share with its ends."""

    low: Share
    middle: Share
    high: Share

    @model_validator(mode="after")
    def _in_order(self) -> Believed:
        if not self.low <= self.middle <= self.high:
            raise ValueError("must have low <= middle <= high")
        return self


class AtBurden(Believed):
    burden: Annotated[float, Field(ge=0, le=10, strict=True)]


class AtDiscount(Believed):
    discount: Share


class OfKinds(Section):
    """From so many days past due, for some kinds of debt (products); without kinds for all that none names."""

    kinds: tuple[Text, ...] = ()
    from_days: Days


class Fixed(OfKinds):
    share: Share


class Foretold(OfKinds, Believed):
    pass


class Suit(OfKinds):
    """judged: judgments ÷ claims; paying: those with some cash ÷ judgments; paid: cash ÷ judgment of those."""

    judged: Believed
    paying: Believed
    paid: Believed


def _rising(points: tuple[Any, ...], name: str, never_fall: bool) -> None:
    """Raises ValueError where points do not rise in `name`, or what they say falls."""
    at = [getattr(point, name) for point in points]
    if any(one >= other for one, other in pairwise(at)):
        raise ValueError(f"must rise in {name}. Got {at}")
    for end in ("low", "middle", "high") if never_fall else ():
        said = [getattr(point, end) for point in points]
        if any(one > other for one, other in pairwise(said)):
            raise ValueError(f"{end} must never fall as {name} rises. Got {said}")


def _breaks(points: tuple[AtBurden, ...]) -> tuple[AtBurden, ...]:
    _rising(points, "burden", never_fall=True)
    return points


def _accepts(points: tuple[AtDiscount, ...]) -> tuple[AtDiscount, ...]:
    _rising(points, "discount", never_fall=True)
    return points


def _banded(bands: tuple[OfKinds, ...]) -> tuple[OfKinds, ...]:
    for kind, own in _by_kind(bands).items():
        days = [band.from_days for band in own]
        if any(one >= other for one, other in pairwise(days)):
            raise ValueError(f"must rise in from_days for {kind or 'all other kinds'}. Got {days}")
    return bands


def _by_kind(bands: Iterable[OfKinds]) -> dict[str, list[OfKinds]]:
    """Kind -> its bands; "" for those that name none."""
    found: dict[str, list[OfKinds]] = {}
    for band in bands:
        for kind in band.kinds or ("",):
            found.setdefault(kind, []).append(band)
    return found


FixedBands = Annotated[tuple[Fixed, ...], Field(min_length=1), AfterValidator(_banded)]
ForetoldBands = Annotated[tuple[Foretold, ...], Field(min_length=1), AfterValidator(_banded)]
SuitBands = Annotated[tuple[Suit, ...], Field(min_length=1), AfterValidator(_banded)]


class Instalments(Section):
    least: Annotated[int, Field(ge=2, le=520, strict=True)]
    most: Count

    @model_validator(mode="after")
    def _in_order(self) -> Instalments:
        if self.least > self.most:
            raise ValueError("least must not be above most")
        return self


class PlanSection(Section):
    units: Annotated[tuple[Unit, ...], Field(min_length=1)]
    instalments: Instalments
    least_instalment: Amounts
    step: Amounts
    first_after_days: Days
    first_within_days: Days
    share_of_usual: Annotated[float, Field(gt=0, le=2, strict=True)]
    share_of_income: Annotated[float, Field(gt=0, le=1, strict=True)]
    breaks: Annotated[tuple[AtBurden, ...], Field(min_length=1), AfterValidator(_breaks)]
    after_break: Share
    accept: Believed
    cost: Amounts

    @model_validator(mode="after")
    def _can_be(self) -> PlanSection:
        if self.first_within_days < self.first_after_days:
            raise ValueError("first_within_days must not be below first_after_days")
        if none := [code for code, amount in self.step.items() if amount < 1]:
            raise ValueError(f"step of {', '.join(none)} must be above 0")
        return self


class Notes(Section):
    """What whoever grants a settlement must know."""

    tax: Text
    write_off: Text


class SettlementSection(Section):
    discounts: Annotated[tuple[Discount, ...], Field(min_length=1)]
    largest: FixedBands
    floor: Share
    least_amount: Amounts
    pay_within_days: Annotated[int, Field(ge=1, le=365, strict=True)]
    months_of_support: Annotated[float, Field(gt=0, le=120, strict=True)] | None
    if_support_unknown: Literal["refer", "offer", "never"]
    accept: Annotated[tuple[AtDiscount, ...], Field(min_length=2), AfterValidator(_accepts)]
    cost: Amounts
    notes: Notes

    @model_validator(mode="after")
    def _can_be(self) -> SettlementSection:
        if list(self.discounts) != sorted(set(self.discounts)):
            raise ValueError("discounts must rise")
        return self


class DueDateMoves(Section):
    most_days: Annotated[int, Field(ge=1, le=92, strict=True)]
    most_in_a_year: Count


class EarlyDiscounts(Section):
    """For paying before the due day."""

    largest: Discount
    days_before_due: Annotated[int, Field(ge=1, le=366, strict=True)]


class Authority(Section):
    """Who may grant what: a discount up to here that lets off no more than that, a plan of so many instalments."""

    who: Text
    discount: Share
    let_off: Amounts
    instalments: Annotated[int, Field(ge=0, le=520, strict=True)]


class ExploreSection(Section):
    """Shares of debtors by lot: discount -> share, agency -> share; None: nothing is drawn."""

    discounts: dict[Discount, Annotated[float, Field(gt=0, lt=1, strict=True)]] | None
    parties: dict[Name, Annotated[float, Field(gt=0, lt=1, strict=True)]] | None

    @model_validator(mode="after")
    def _whole(self) -> ExploreSection:
        for name, shares in (("discounts", self.discounts), ("parties", self.parties)):
            if shares is not None and (len(shares) < 2 or abs(sum(shares.values()) - 1) > 1e-9):
                raise ValueError(f"{name} must be two or more whose shares add up to 1")
        return self


class RouteSection(Section):
    party: Name
    kinds: tuple[Text, ...]
    places: tuple[Text, ...]
    after_days: Days
    oldest_days: Days | None
    delay_days: Days
    fixed_cost: Amounts


class AgencySection(RouteSection):
    route: Literal["agency"]
    notice_days: Days
    horizon_days: Annotated[int, Field(ge=1, le=3_660, strict=True)]
    commission: FixedBands
    recovery: ForetoldBands

    @model_validator(mode="after")
    def _waits(self) -> AgencySection:
        if self.delay_days < self.notice_days:
            raise ValueError("delay_days must not be below notice_days: no money comes before the first contact")
        return self


class LegalSection(RouteSection):
    route: Literal["legal"]
    places: Annotated[tuple[Text, ...], Field(min_length=1)]
    horizon_days: Annotated[int, Field(ge=1, le=3_660, strict=True)]
    cost_share: Share
    suit: SuitBands


class SaleSection(RouteSection):
    route: Literal["sale"]
    price: ForetoldBands


AnyRoute = Annotated[AgencySection | LegalSection | SaleSection, Field(discriminator="route")]
Statuses = Annotated[tuple[Status, ...], Field(min_length=1)]
# Read apart, so that a fault of one hides none of another.
SECTIONS: dict[str, TypeAdapter[Any]] = {
    "schema_version": TypeAdapter(Literal[1]),
    "annual_rate": TypeAdapter(Annotated[float, Field(ge=0, le=1, strict=True)]),
    "horizon_days": TypeAdapter(Annotated[int, Field(ge=1, le=3_660, strict=True)]),
    "internal_days": TypeAdapter(Days),
    "specialist": TypeAdapter(Statuses),
    "never": TypeAdapter(Statuses),
    "plans": TypeAdapter(PlanSection | None),
    "settlements": TypeAdapter(SettlementSection | None),
    "due_date_moves": TypeAdapter(DueDateMoves | None),
    "early_discounts": TypeAdapter(EarlyDiscounts | None),
    "authority": TypeAdapter(tuple[Authority, ...]),
    "explore": TypeAdapter(ExploreSection),
    "routes": TypeAdapter(tuple[AnyRoute, ...]),
}
KEYS = sorted(
    {
        *SECTIONS,
        *(
            name
            for model in (
                *(PlanSection, Instalments, AtBurden, SettlementSection, AtDiscount, Notes, DueDateMoves, Suit, Fixed),
                *(EarlyDiscounts, Authority, ExploreSection, AgencySection, LegalSection, SaleSection),
            )
            for name in model.model_fields
        ),
    }
)


# ---- the policy as values --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Settling:
    """Settlements beside their terms: largest discount by kind and age; floor, share of the balance that must be paid;
    months_of_support: of what own payments support, the most that may be asked at once; if_unknown: where nothing shows
    what they support, `refer` to the last authority alone, `offer` as to others, or `never`.
    """

    terms: SettlementTerms
    largest: Bands
    floor: float
    least_amount: Mapping[str, int]
    months_of_support: float | None
    if_unknown: str
    cost: Mapping[str, int]
    notes: Notes


@dataclass(frozen=True)
class Policy:
    """All that may be offered, and the sha256 of the file that says it.

    plans, settling, moves, early: None where the house offers none
    p_plan          chance that a plan offered is agreed: low, middle, high
    discounts_drawn, parties_drawn   shares by lot, empty where nothing is drawn
    """

    path: Path
    digest: str
    annual_rate: float
    horizon_days: int
    internal_days: int
    specialist: tuple[str, ...]
    never: tuple[str, ...]
    plans: PlanTerms | None
    p_plan: Believed
    settling: Settling | None
    moves: DueDateMoves | None
    early: EarlyDiscounts | None
    authority: tuple[Authority, ...]
    discounts_drawn: Mapping[float, float]
    parties_drawn: Mapping[str, float]
    parties: tuple[Party, ...]


def policy_of(path: Path, law: Rules, places: Collection[str], day: dt.date) -> Policy:
    """The policy of a file, as the law of the places that are worked lets it stand on a day.

    Raises PolicyMissing where the file cannot be read, PolicyRefused with every fault of it, and with every rule that
    forbids what it allows. NOT_CHECKED says what no rule speaks of.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise PolicyMissing.unreadable(path, error) from None
    written = _written(path, raw)
    if written.faults:
        raise PolicyRefused.faulty(path, [*written.faults, *_unlawful(written, law, places, day)])
    if unlawful := _unlawful(written, law, places, day):
        raise PolicyRefused.faulty(path, unlawful)
    return _policy(path, raw, written.read)


@dataclass(frozen=True)
class _Written:
    """read: sections without a fault; root: the file as it is written, so that every fault knows its line."""

    read: Mapping[str, Any]
    faults: tuple[tuple[int, str], ...]
    root: yaml.Node | None

    def line(self, *where: object) -> int:
        """Of the value at this place; of the nearest one around it where that is not written."""
        node = self.root
        for part in where:  # the name of one of several forms is a part that nobody wrote
            if isinstance(node, yaml.MappingNode):
                node = next((value for key, value in node.value if key.value == str(part)), node)
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
                node = node.value[part]
        return 1 if node is None else node.start_mark.line + 1


@lru_cache(maxsize=8)
def _written(path: Path, raw: bytes) -> _Written:
    try:
        text = raw.decode("utf-8")
        if len(raw) > MOST_BYTES:
            raise PolicyRefused.not_yaml(path, None, "it is too large")
        root, tree = Lines(text).get_single_node(), Lines(text).get_single_data()
    except UnicodeDecodeError as error:
        raise PolicyRefused.not_yaml(path, raw.count(b"\n", 0, error.start) + 1, "no text") from None
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "it cannot be read"
        raise PolicyRefused.not_yaml(path, mark.line + 1 if mark else None, problem) from None
    if not isinstance(tree, dict):
        raise PolicyRefused.faulty(path, [(1, "The file must be a map of sections.")])
    bare = _Written({}, (), root)
    read: dict[str, Any] = {}
    faults = [(bare.line(name), _unknown("The file", str(name), SECTIONS)) for name in tree.keys() - SECTIONS.keys()]
    for name, kind in SECTIONS.items():
        if name not in tree:
            faults.append((1, f"The file lacks {name!r}."))
            continue
        try:
            read[name] = kind.validate_python(tree[name])
        except ValidationError as error:
            faults += [_fault(bare, name, each) for each in error.errors()]
    own = _Written(read, (), root)
    return _Written(read, (*faults, *_together(own)), root)


def _unknown(where: str, name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=1)
    return f"{where} has unknown {name!r}{f' (nearest: {near[0]!r})' if near else ''}. Correct or remove it."


def _fault(written: _Written, section: str, fault: Any) -> tuple[int, str]:
    place = (section, *fault["loc"])
    forms = ("agency", "legal", "sale", "function-after", "[key]")
    said = [str(part) for part in place if str(part) not in forms]
    if fault["type"] == "extra_forbidden":
        return written.line(*place), _unknown(".".join(said[:-1]), said[-1], KEYS)
    if fault["type"] == "missing":
        return written.line(*place), f"{'.'.join(said[:-1])} lacks {said[-1]!r}."
    value = fault["input"]
    got = f" Got {str(value)[:60]!r}{_meant(value, fault)}." if isinstance(value, str | int | float) else ""
    return written.line(*place), f"{'.'.join(said)}: {fault['msg'].removeprefix('Value error, ')}.{got}"


def _meant(value: object, fault: Any) -> str:
    """The nearest of the words that may stand there, where only some may."""
    if fault["type"] != "literal_error" or not isinstance(value, str):
        return ""
    return nearest(value, re.findall(r"'(\w+)'", fault["ctx"]["expected"]))


def _together(written: _Written) -> list[tuple[int, str]]:
    """What sections say against each other."""
    read, found = written.read, []
    for name in sorted(set(read.get("specialist", ())) & set(read.get("never", ()))):
        found.append((written.line("never"), f"never and specialist both name {name!r}. Leave it in one."))
    routes = read.get("routes", ())
    seen: set[str] = set()
    for number, route in enumerate(routes):
        if route.party in seen:
            told = f"routes.{number}: party {route.party!r} stands a second time."
            found.append((written.line("routes", number, "party"), told))
        seen.add(route.party)
    settling = read.get("settlements")
    if settling is not None and settling.months_of_support is not None and read.get("plans", settling) is None:
        told = "settlements.months_of_support needs plans, whose shares say what own payments support. Set it to null."
        found.append((written.line("settlements", "months_of_support"), told))
    explore = read.get("explore")
    if explore is None:
        return found
    agencies = [route.party for route in routes if route.route == AGENCY]
    for party in explore.parties or () if "routes" in read else ():
        if party not in agencies:
            told = f"explore.parties: {party!r} is no agency of routes{nearest(party, agencies)}."
            found.append((written.line("explore", "parties", party), told))
    for discount in explore.discounts or () if "settlements" in read else ():
        if settling is None or discount not in settling.discounts:
            told = f"explore.discounts: {discount:g} is none of settlements.discounts, and so outside the bounds."
            found.append((written.line("explore", "discounts", discount), told))
    return found


# ---- what the law of a place forbids ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Forbidden:
    """What a rule keeps from a route in a place (ANY_PLACE: everywhere): from so many days past due on, nothing goes
    there; or before a written notice is so many days old, nobody is contacted.
    """

    rule: Rule
    place: str
    route: str
    from_days: int | None = None
    notice_days: int | None = None


def forbidden(law: Rules, day: dt.date) -> tuple[Forbidden, ...]:
    """What the rules that bind on a day forbid to routes. A debt that ends with its years may go nowhere; one that is
    barred from suit not to court; an agency's first contact waits for the notice that a place wants.
    """
    found = []
    for code, rule in _binding(law, day):
        if isinstance(rule, TimeBarred) and rule.years is not None:
            gone = (LEGAL, AGENCY, SALE) if rule.effect == "extinguished" else (LEGAL,)
            found += [Forbidden(rule, code, route, from_days=int(rule.years * CALENDAR_YEAR_DAYS)) for route in gone]
        calls = isinstance(rule, Precondition) and "call" in rule.channels and "notice_sent" in rule.needs
        if calls and isinstance(rule, Precondition) and "third_party_collector" in rule.roles:
            found.append(Forbidden(rule, code, AGENCY, notice_days=rule.notice_days or 1))
    return tuple(found)


def stopping(law: Rules, day: dt.date) -> dict[str, Rule]:
    """Status -> the first rule for every place that stops all contact while it is recorded: nobody can be offered
    anything by then."""
    found: dict[str, Rule] = {}
    for code, rule in _binding(law, day):
        if isinstance(rule, Stop) and code == ANY_PLACE and rule.channels == CONTACT_CHANNELS:
            for status in rule.statuses if rule.statuses != "always" else ():
                found.setdefault(status, rule)
    found.pop(HOURS_ONLY, None)
    return found


def _binding(law: Rules, day: dt.date) -> list[tuple[str, Rule]]:
    """(place, rule) of all that is enforced on a day."""
    whole = [(ANY_PLACE, rule) for rule in (*law.product, *law.everywhere)]
    whole += [(code, rule) for code, place in law.places.items() for rule in place.rules]
    return [(code, rule) for code, rule in whole if rule.enforce == "hard" and rule.in_effect(day)]


def _unlawful(written: _Written, law: Rules, places: Collection[str], day: dt.date) -> list[tuple[int, str]]:
    """What the policy allows and a rule forbids, naming both; places of routes that are none."""
    read, found = written.read, []
    if "never" in read and "specialist" in read:
        for status, rule in stopping(law, day).items():
            if status not in (*read["never"], *read["specialist"]):
                told = (
                    f"never and specialist lack {status!r}, under which {rule.id} forbids all contact. Add it to one."
                )
                found.append((written.line("never"), told))
    bans = forbidden(law, day)
    for number, route in enumerate(read.get("routes", ())):
        for place in route.places:
            if place not in law.places and law.chain(place) is None:
                told = f"routes.{number}: {place!r} is no place of the rule file{nearest(place, law.places)}."
                found.append((written.line("routes", number, "places"), told))
        reached = {above for code in sorted(places) if _party(route).reaches(code) for above in law.reach(code)}
        for ban in bans:
            if ban.route == route.route and (ban.place == ANY_PLACE or ban.place in reached):
                found += _against(written, number, route, ban)
    return found


def _against(written: _Written, number: int, route: Any, ban: Forbidden) -> list[tuple[int, str]]:
    where = ban.place or "every place"
    if ban.from_days is not None and (route.oldest_days is None or route.oldest_days >= ban.from_days):
        limit = "any age" if route.oldest_days is None else f"{route.oldest_days} days past due"
        told = (
            f"routes.{number} ({route.party}, {route.route}) takes debts of {limit}, which {ban.rule.id} of {where} "
            f"forbids from {ban.from_days} days. Set oldest_days below that, or leave the place out."
        )
        return [(written.line("routes", number, "oldest_days"), told)]
    if ban.notice_days is not None and route.notice_days < ban.notice_days:
        told = (
            f"routes.{number} ({route.party}, {route.route}) begins after {route.notice_days} days of notice, where "
            f"{ban.rule.id} of {where} wants {ban.notice_days}. Raise notice_days, or leave the place out."
        )
        return [(written.line("routes", number, "notice_days"), told)]
    return []


# ---- from what is written to terms -----------------------------------------------------------------------------------


def _policy(path: Path, raw: bytes, read: Mapping[str, Any]) -> Policy:
    rate, plan, settling, explore = read["annual_rate"], read["plans"], read["settlements"], read["explore"]
    return Policy(
        path=path,
        digest=hashlib.sha256(raw).hexdigest(),
        annual_rate=rate,
        horizon_days=read["horizon_days"],
        internal_days=read["internal_days"],
        specialist=read["specialist"],
        never=read["never"],
        plans=None if plan is None else _plan_terms(plan, rate),
        p_plan=Believed(low=0.0, middle=0.0, high=0.0) if plan is None else plan.accept,
        settling=None if settling is None else _settling(settling, rate),
        moves=read["due_date_moves"],
        early=read["early_discounts"],
        authority=read["authority"],
        discounts_drawn=explore.discounts or {},
        parties_drawn=explore.parties or {},
        parties=tuple(_party(route) for route in read["routes"]),
    )


def _curve(at: Iterable[float], points: Iterable[Any]) -> Curve:
    points = list(points)
    ends = (tuple(getattr(point, end) for point in points) for end in ("middle", "low", "high"))
    return Curve(tuple(float(each) for each in at), *ends)


def _bands(bands: tuple[OfKinds, ...], believed: Any) -> Bands:
    """believed: a band -> what is believed of it (Believed)."""
    curves = {
        kind: _curve([band.from_days for band in own], [believed(band) for band in own])
        for kind, own in _by_kind(bands).items()
    }
    return Bands({kind: curve for kind, curve in curves.items() if kind}, curves.get(""))


def _certain(band: Fixed) -> Believed:
    return Believed(low=band.share, middle=band.share, high=band.share)


def _of_suit(band: Suit) -> Believed:
    ends = {
        end: getattr(band.judged, end) * getattr(band.paying, end) * getattr(band.paid, end)
        for end in ("low", "middle", "high")
    }
    return Believed(**ends)


def _plan_terms(plan: PlanSection, rate: float) -> PlanTerms:
    return PlanTerms(
        units=plan.units,
        least=plan.instalments.least,
        most=plan.instalments.most,
        least_instalment=plan.least_instalment,
        step=plan.step,
        cost=plan.cost,
        first_after_days=plan.first_after_days,
        first_within_days=plan.first_within_days,
        share_of_usual=plan.share_of_usual,
        share_of_income=plan.share_of_income,
        breaks=_curve((point.burden for point in plan.breaks), plan.breaks),
        after_break=plan.after_break,
        annual_rate=rate,
    )


def _settling(own: SettlementSection, rate: float) -> Settling:
    curve = _curve((point.discount for point in own.accept), own.accept)
    belief = Belief(curve, why="no offers were asked")
    return Settling(
        terms=SettlementTerms(own.discounts, own.pay_within_days, rate, belief),
        largest=_bands(own.largest, _certain),
        floor=own.floor,
        least_amount=own.least_amount,
        months_of_support=own.months_of_support,
        if_unknown=own.if_support_unknown,
        cost=own.cost,
        notes=own.notes,
    )


def _party(route: AgencySection | LegalSection | SaleSection) -> Party:
    if isinstance(route, AgencySection):
        recovery, commission = _bands(route.recovery, lambda band: band), _bands(route.commission, _certain)
    elif isinstance(route, LegalSection):
        recovery, commission = _bands(route.suit, _of_suit), None
    else:
        recovery, commission = _bands(route.price, lambda band: band), None
    return Party(
        name=route.party,
        route=route.route,
        recovery=recovery,
        commission=commission,
        fixed_cost=route.fixed_cost,
        cost_share=route.cost_share if isinstance(route, LegalSection) else 0.0,
        delay_days=route.delay_days,
        horizon_days=route.delay_days if isinstance(route, SaleSection) else route.horizon_days,
        after_days=route.after_days,
        oldest_days=route.oldest_days,
        kinds=route.kinds,
        places=route.places,
        notice_days=route.notice_days if isinstance(route, AgencySection) else 0,
    )
