"""What a file of treatments may say: its sections, each with its bounds and units."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, model_validator

from features.currencies import DECIMALS
from features.tables import STATUSES
from models.settlements import FULL
from pipeline.law.rules import nearest


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
Allowed = Literal["all", "plans", "nothing"]


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
    for kind, own in by_kind(bands).items():
        days = [band.from_days for band in own]
        if any(one >= other for one, other in pairwise(days)):
            raise ValueError(f"must rise in from_days for {kind or 'all other kinds'}. Got {days}")
    return bands


def by_kind(bands: Iterable[OfKinds]) -> dict[str, list[OfKinds]]:
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
    least_kept: Share = 0.0

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
    """helps: share of the chance of being late that goes where the payday comes first; late_cost: of being late, in
    contacts; late_days: after which late money comes, where the debtor's own are not known."""

    most_days: Annotated[int, Field(ge=1, le=92, strict=True)]
    most_in_a_year: Count
    overdue_days: Days = 0
    helps: Believed = Believed(low=0.0, middle=0.0, high=0.0)
    late_cost: Amounts = {}
    late_days: Days = 30


class EarlyDiscounts(Section):
    """For paying before the due day. takes: chance by discount that it is taken and paid by then."""

    largest: Discount
    days_before_due: Annotated[int, Field(ge=1, le=366, strict=True)]
    discounts: tuple[Discount, ...] = ()
    overdue_days: Days = 0
    takes: Annotated[tuple[AtDiscount, ...], AfterValidator(_accepts)] = ()
    late_days: Days = 30

    @model_validator(mode="after")
    def _whole(self) -> EarlyDiscounts:
        if list(self.discounts) != sorted(set(self.discounts)) or any(each > self.largest for each in self.discounts):
            raise ValueError(f"discounts must rise, and none may be above largest. Got {list(self.discounts)}")
        if bool(self.discounts) != bool(self.takes):
            raise ValueError("discounts and takes go together: what is offered needs a chance, and else neither")
        return self


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

    @model_validator(mode="after")
    def _has_its_price(self) -> AgencySection:
        asked, brings = by_kind(self.commission), by_kind(self.recovery)
        for kind in sorted(self.kinds or {*asked, *brings}):
            from_days = [named.get(kind, named.get("", [])) for named in (asked, brings)]
            if not from_days[1]:
                continue
            if not from_days[0] or from_days[0][0].from_days > from_days[1][0].from_days:
                raise ValueError(
                    f"commission must begin where recovery does, at {from_days[1][0].from_days} days, for "
                    f"{kind or 'all other kinds'}: without its price nothing would be given there"
                )
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


class Roles(Section):
    """What may be done with the debts of books in a role: `all`, `plans` alone, or `nothing`."""

    creditor: Allowed = "all"
    debt_buyer: Allowed = "all"
    third_party_collector: Allowed = "plans"


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
    "roles": TypeAdapter(Roles),
}
UNWRITTEN: dict[str, Any] = {"roles": Roles()}  # sections that a file may lack
KEYS = sorted(
    {
        *SECTIONS,
        *(
            name
            for model in (
                *(PlanSection, Instalments, AtBurden, SettlementSection, AtDiscount, Notes, DueDateMoves, Suit, Fixed),
                *(EarlyDiscounts, Authority, ExploreSection, AgencySection, LegalSection, SaleSection, Roles),
            )
            for name in model.model_fields
        ),
    }
)
