"""A policy as it was read, and how one account's proposal and routes come to their figures, in lines that add up."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from features.currencies import DECIMALS
from models.belief import Curve
from models.routes import AGENCY, INTERNAL, REST, Bands, Party
from pipeline.law.rules import Rules
from pipeline.treatment.bans import ANY_PLACE, forbidden
from pipeline.treatment.policy import NOT_CHECKED, Policy
from pipeline.treatment.proposals import NOTHING, SETTLEMENT, Proposals


@dataclass(frozen=True)
class Saying:
    """How one account's lines are said. words: section `treatment` of a language; money(minor units, currency),
    day(day number), share(part, decimals).
    """

    words: Mapping[str, Any]
    money: Callable[[int, str], str]
    day: Callable[[int], str]
    share: Callable[[float, int], str]

    def because(self, why: str) -> str:
        return self.words["because"][why]

    def ends(self, of: pd.Series, currency: str) -> str:
        low, high = (self.money(int(of[end]), currency) for end in ("value_low", "value_high"))
        return self.words["ends"].format(low=low, high=high)

    def plan(self, plan: pd.Series, currency: str) -> str:
        """So many instalments, and of how much."""
        each = self.words["every"][plan["unit"]].format(
            n=int(plan["instalments"]), amount=self.money(int(plan["instalment"]), currency)
        )
        if plan["last_instalment"] == plan["instalment"]:
            return each
        return self.words["last"].format(plan=each, amount=self.money(int(plan["last_instalment"]), currency))

    def route(self, route: str, party: str) -> str:
        return self.words["routes"][route] + (f", {party}" if party else "")


def told(rows: pd.DataFrame, found: Proposals, place: int, saying: Saying) -> list[str]:
    """Lines on the account at a position of the rows: the proposal, its plan with two others, its settlement, then each
    route, the one chosen first.
    """
    row, offer = rows.iloc[place], found.offers.iloc[place]
    account = _Account(saying, str(row["currency"]))
    chosen = found.routes.chosen.iloc[place]
    if offer["proposal"] == NOTHING:
        lines = [saying.words["nothing"].format(why=saying.because(offer["why"]))]
    else:
        here = "offer" if chosen["route"] == INTERNAL else "offer_elsewhere"
        lines = [
            saying.words[here].format(
                kind=saying.words["kinds"][offer["proposal"]],
                **account.money(offer, "value", "gain"),
                ends=account.ends(offer),
                waiting=account.one(row["continuation"]),
                who=offer["grants"],
            )
        ]
        lines += _stands(row, found, place, saying)
        if offer["variant"]:
            drawn = f"{offer['probability']:.2f}"
            lines.append("  " + saying.words["lot"].format(variant=offer["variant"], probability=drawn))
        lines += [*_plans(found, place, account), *_settlement(found, place, account)]
        if offer["proposal"] == SETTLEMENT and found.notes is not None:
            lines.append("    " + saying.words["settlement_notes"].format(**found.notes.model_dump()))
    names = sorted(found.routes.terms, key=lambda name: name != (chosen["route"], chosen["party"]))
    lines += [_route(found.routes.terms[name].iloc[place], name, account) for name in names]
    first = len(lines) - len(names)
    why = f": {saying.because(chosen['why'])}" if chosen["why"] else ""
    lines[first] = saying.words["chosen"].format(route=lines[first]) + why
    if row.get("is_disputed", False):
        lines.append("  " + saying.words["disputed"].format(amount=account.one(row["disputed_owed"])))
    return [*lines, *(_stands(row, found, place, saying) if offer["proposal"] == NOTHING else ())]


def _stands(row: pd.Series, found: Proposals, place: int, saying: Saying) -> list[str]:
    """That an offer made before is repeated, or still may be taken and is not; nothing where none was made."""
    if not row.get("offer_id", ""):
        return []
    said = saying.words["stands" if found.repeated.iloc[place] else "stands_unsaid"]
    return ["  " + said.format(day=saying.day(int(row["offered_on"])), until=saying.day(int(row["offer_until"])))]


@dataclass(frozen=True)
class _Account:
    """Its money in words."""

    saying: Saying
    currency: str

    def one(self, minor: float) -> str:
        return self.saying.money(round(minor), self.currency)

    def money(self, of: pd.Series, *names: str) -> dict[str, str]:
        return {name: self.one(of[name]) for name in names}

    def ends(self, of: pd.Series) -> str:
        return self.saying.ends(of, self.currency)


def _plans(found: Proposals, place: int, account: _Account) -> list[str]:
    best, saying = found.plans.best.iloc[place], account.saying
    said, share = saying.words, saying.share
    if not best["instalments"]:
        return ["  " + said["no_plan"].format(why=saying.because(found.plans.why.iloc[place]))]
    days = {name: saying.day(int(best[f"{name}_on"])) for name in ("first", "last")}
    offer = found.planned.iloc[place]
    lines = [
        "  "
        + said["plan"].format(
            plan=saying.plan(best, account.currency),
            **days,
            supported=account.one(best["supported"]),
            burden=f"{best['burden']:.2f}",
            breaks=share(best["p_break"], 1),
            kept=share(best["p_kept"], 0),
        ),
        "    "
        + said["plan_sum"].format(
            **account.money(best, "kept_money", "broken_money", "cost", "value"), ends=account.ends(best)
        ),
        "    "
        + said["plan_offer"].format(
            agreed=share(offer["p_agree"], 0),
            **account.money(offer, "agreed_money", "refused_money", "cost", "value"),
            ends=account.ends(offer),
        ),
    ]
    for name in ("easier", "quicker"):
        other = getattr(found.plans, name).iloc[place]
        if other["instalments"]:
            plan = saying.plan(other, account.currency)
            lines.append("    " + said["or_plan"].format(plan=plan, **account.money(other, "value")))
    return lines


def _settlement(found: Proposals, place: int, account: _Account) -> list[str]:
    own, saying = found.settlements.iloc[place], account.saying
    said, share = saying.words, saying.share
    if not own["discount"]:
        return ["  " + said["no_settlement"].format(why=saying.because(own["why"]))]
    chances = {"discount": share(own["discount"], 0), "accepted": share(own["p_accept"], 1)}
    return [
        "  " + said["settlement"].format(**chances, amount=account.one(own["amount"])),
        "    "
        + said["settlement_sum"].format(
            **account.money(own, "paid_money", "refused_money", "cost", "value"), ends=account.ends(own)
        ),
    ]


def _route(own: pd.Series, name: tuple[str, str], account: _Account) -> str:
    route, party = name
    said, who = account.saying.words, account.saying.route(route, party)
    if route == REST:
        return said["route_rest"].format(route=who, value=account.one(0))
    source = said["sources"][own["source"]]
    if route == INTERNAL:
        told = account.money(own, "value")
        return said["route_internal"].format(route=who, source=source, **told, ends=account.ends(own))
    fee = said["commission"].format(**account.money(own, "commission")) if route == AGENCY else ""
    line = said["route"].format(
        route=who,
        share=account.saying.share(own["share"], 1),
        fee=fee,
        **account.money(own, "gross", "cost", "value"),
        discount=f"{own['discount']:.4f}",
        ends=account.ends(own),
        source=source,
    )
    return line + (said["not_open"].format(why=account.saying.because(own["why_not"])) if own["why_not"] else "")


# ---- a policy --------------------------------------------------------------------------------------------------------


def policy_told(policy: Policy, law: Rules, places: Collection[str], day: dt.date) -> str:
    """What a policy that was read allows, what the law of the places that are worked sets against it, and what nobody
    has checked.
    """
    lines = [
        f"Treatment policy {policy.path} (sha256 {policy.digest[:16]}), by the law of {day}.",
        f"Waiting is valued over {policy.horizon_days} days at {policy.annual_rate:.1%} a year.",
        f"For a specialist: {', '.join(policy.specialist)}. Offered nothing: {', '.join(policy.never)}.",
        f"By the role of a book: {', '.join(f'{role} {what}' for role, what in policy.roles.items())}.",
        *_plans_allowed(policy),
        *_settlements_allowed(policy),
        *(
            f"{each.who} grants up to {each.discount:.0%} off, {_amounts(each.let_off)} let off, "
            f"{each.instalments} instalments."
            for each in policy.authority
        ),
        f"Discounts by lot: {_shares(policy.discounts_drawn)}. Agencies by lot: {_shares(policy.parties_drawn)}.",
        *(line for party in policy.parties for line in _party_told(party, policy, law, places, day)),
        f"Held against the law of {', '.join(sorted(places)) or 'no place, as none is signed off'}.",
        "NOT checked, as no rule speaks of it:",
        *(f"  {said}" for said in NOT_CHECKED),
    ]
    return "\n".join(lines)


def _plans_allowed(policy: Policy) -> list[str]:
    own = policy.plans
    if own is None:
        return ["Plans: none."]
    return [
        f"Plans: {own.least} to {own.most} instalments a {' or '.join(own.units)}, of {_amounts(own.least_instalment)} "
        f"or more, the first {own.first_after_days} to {own.first_within_days} days on; up to "
        f"{own.share_of_usual:.0%} of what is usual, {own.share_of_income:.0%} of a known income; none whose chance of "
        f"being kept to the end is below {own.least_kept:.0%}.",
        f"  breaks in a month, by burden: {_points(own.breaks, '{:.2f}')}",
    ]


def _settlements_allowed(policy: Policy) -> list[str]:
    own = policy.settling
    if own is None:
        return ["Settlements: none."]
    support = (
        "" if own.months_of_support is None else f", {own.months_of_support:g} months of what is supported at most"
    )
    return [
        f"Settlements: {', '.join(f'{each:.0%}' for each in own.terms.discounts)} off, paid within "
        f"{own.terms.pay_within_days} days, {own.floor:.0%} and {_amounts(own.least_amount)} at least{support}.",
        f"  largest, {_bands(own.largest)}",
        f"  accepted and paid, by discount, as the policy believes: {_points(own.terms.acceptance.curve, '{:.0%}')}",
        f"  tax: {own.notes.tax} Write-off: {own.notes.write_off}",
    ]


def _party_told(party: Party, policy: Policy, law: Rules, places: Collection[str], day: dt.date) -> list[str]:
    after = max(party.after_days, policy.internal_days) if party.route == "legal" else party.after_days
    oldest = "any age" if party.oldest_days is None else f"up to {party.oldest_days} days past due"
    where = ", ".join(party.places) or "everywhere"
    lines = [
        f"{party.route}, {party.name}: {', '.join(party.kinds) or 'all kinds'}, {where}, {oldest}, after {after} days "
        f"with us; costs {_amounts(party.fixed_cost)} and {party.cost_share:.0%}, money after {party.delay_days} days.",
        f"  brings in, {_bands(party.recovery)}",
    ]
    if party.commission is not None:
        lines.append(f"  commission, {_bands(party.commission)}")
    reached = {above for code in places if party.reaches(code) for above in law.reach(code)}
    for ban in forbidden(law, day):
        if ban.route == party.route and (ban.place == ANY_PLACE or ban.place in reached):
            what = f"{ban.notice_days} days of notice" if ban.from_days is None else f"not from {ban.from_days} days on"
            lines.append(f"  law of {ban.place or 'every place'}: {what} ({ban.rule.id})")
    return lines


def _amounts(by: Mapping[str, int]) -> str:
    return ", ".join(
        f"{amount / 10 ** DECIMALS[currency]:,.{DECIMALS[currency]}f} {currency}" for currency, amount in by.items()
    )


def _shares(drawn: Mapping[float, float] | Mapping[str, float]) -> str:
    return ", ".join(f"{name} {share:.0%}" for name, share in drawn.items()) or "none"


def _points(curve: Curve, form: str) -> str:
    parts = zip(curve.at, curve.low, curve.middle, curve.high, strict=True)
    return "; ".join(
        f"{form.format(at)}: {middle:.1%}" + (f" ({low:.1%} to {high:.1%})" if low < high else "")
        for at, low, middle, high in parts
    )


def _bands(bands: Bands) -> str:
    """By kind, from so many days past due."""
    named = [*bands.by_kind.items(), *([("any other kind", bands.default)] if bands.default is not None else [])]
    kinds = "any other kind" if bands.by_kind else "by age"
    return " | ".join(
        f"{kinds if kind == 'any other kind' else kind}: {_points(curve, 'from {:g} days')}" for kind, curve in named
    )
