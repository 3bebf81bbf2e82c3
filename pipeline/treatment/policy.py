"""What the house may offer and by whom it may have accounts worked: read whole from one file, or refused with every
fault, each with its line.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from pydantic import (
    ValidationError,
)

from features.errors import InputMissing, UsageError
from models.belief import Belief, Curve
from models.due_day import EarlyTerms, MoveTerms
from models.plans import PlanTerms
from models.routes import AGENCY, Bands, Party
from models.settlements import SettlementTerms
from pipeline.law.overlay import law_of
from pipeline.law.rule_file import Lines
from pipeline.law.rules import Rules, nearest
from pipeline.law.sign_off import signed_by
from pipeline.params import MOST_BYTES, Params
from pipeline.treatment.bans import ANY_PLACE, Forbidden, forbidden, stopping
from pipeline.treatment.sections import (
    KEYS,
    SECTIONS,
    UNWRITTEN,
    AgencySection,
    Authority,
    Believed,
    DueDateMoves,
    EarlyDiscounts,
    Fixed,
    LegalSection,
    Notes,
    OfKinds,
    PlanSection,
    SaleSection,
    SettlementSection,
    Suit,
    by_kind,
)

SHIPPED = Path(__file__).parent / "treatments.yaml"
INCOME = "x_disposable_income"  # the sender's own column of accounts: units of the account's currency a month
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
    def stranger(cls, path: Path, party: str) -> PolicyRefused:
        return cls(
            f"Treatment policy {str(path)!r} gives accounts to {party!r}, which ingest.parties of the params does not "
            "name: a placement there would be set aside (PARTY_UNKNOWN). Add it there, or take it out of routes."
        )

    @classmethod
    def faulty(cls, path: Path, faults: Iterable[tuple[int, str]]) -> PolicyRefused:
        told = " ".join(f"Line {line}: {fault}" for line, fault in sorted(set(faults)))
        return cls(f"Treatment policy {str(path)!r} is refused whole. {told}")


# ---- the policy as values --------------------------------------------------------------------------------------------


def income_of(accounts: pd.DataFrame) -> pd.Series:
    """float64 per account: the delivered INCOME, NaN without one. A cell that is no number says nothing of others."""
    return pd.to_numeric(accounts[INCOME].astype(object), errors="coerce").astype("float64")


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
    roles           of a book -> what may be done with its debts: all, plans, nothing
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
    moves: MoveTerms | None
    early: EarlyTerms | None
    authority: tuple[Authority, ...]
    discounts_drawn: Mapping[float, float]
    parties_drawn: Mapping[str, float]
    parties: tuple[Party, ...]
    roles: Mapping[str, str] = field(default_factory=dict)


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


def policy_in(params: Params, day: dt.date) -> Policy | None:
    """The policy that the params name, as the law of the places signed off lets it stand on a day; None where they name
    none. Raises as `policy_of`, and PolicyRefused for a party whose placements the intake would set aside.
    """
    if params.treatments is None:
        return None
    places = sorted({*params.eligibility.signed_off, *signed_by(params)})
    policy = policy_of(params.file(params.treatments.policy), law_of(params), places, day)
    for party in policy.parties:
        if params.ingest.parties and party.name not in params.ingest.parties:
            raise PolicyRefused.stranger(policy.path, party.name)
    return policy


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
        if name not in tree and name in UNWRITTEN:
            read[name] = UNWRITTEN[name]
            continue
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
    granted = read.get("authority", ())
    for number, (least, more) in enumerate(pairwise(granted), start=1):
        money = {name for name in more.let_off if more.let_off[name] < least.let_off.get(name, 0)}
        if more.discount < least.discount or more.instalments < least.instalments or money:
            told = f"authority.{number}: {more.who!r} may grant less than {least.who!r} before. Name the least first."
            found.append((written.line("authority", number, "who"), told))
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
        moves=None if read["due_date_moves"] is None else _moves(read["due_date_moves"], rate),
        early=None if read["early_discounts"] is None else _early(read["early_discounts"], rate),
        authority=read["authority"],
        discounts_drawn=explore.discounts or {},
        parties_drawn=explore.parties or {},
        parties=tuple(_party(route) for route in read["routes"]),
        roles=read["roles"].model_dump(),
    )


def _curve(at: Iterable[float], points: Iterable[Any]) -> Curve:
    points = list(points)
    ends = (tuple(getattr(point, end) for point in points) for end in ("middle", "low", "high"))
    return Curve(tuple(float(each) for each in at), *ends)


def _bands(bands: tuple[OfKinds, ...], believed: Any) -> Bands:
    """believed: a band -> what is believed of it (Believed)."""
    curves = {
        kind: _curve([band.from_days for band in own], [believed(band) for band in own])
        for kind, own in by_kind(bands).items()
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
        least_kept=plan.least_kept,
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


def _moves(own: DueDateMoves, rate: float) -> MoveTerms:
    helps = (own.helps.low, own.helps.middle, own.helps.high)
    return MoveTerms(own.most_days, own.most_in_a_year, own.overdue_days, helps, own.late_cost, own.late_days, rate)


def _early(own: EarlyDiscounts, rate: float) -> EarlyTerms | None:
    """None where the house says no discount and no chance: nothing could be valued."""
    if not own.discounts:
        return None
    takes = _curve((point.discount for point in own.takes), own.takes)
    return EarlyTerms(own.discounts, own.days_before_due, own.overdue_days, takes, own.late_days, rate)


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
