"""A policy as it was read, and how one account's proposal and routes come to their figures, in lines that add up."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping

import pandas as pd

from features.currencies import DECIMALS
from features.days import day_text
from models.belief import Curve
from models.routes import AGENCY, INTERNAL, REST, Bands, Party
from pipeline.law.rules import Rules
from pipeline.treatment.bans import ANY_PLACE, forbidden
from pipeline.treatment.policy import NOT_CHECKED, Policy
from pipeline.treatment.proposals import NOTHING, Proposals

BECAUSE = {
    "specialist": "a specialist decides",
    "status": "a status on record forbids offers",
    "no_contact": "the debtor may not be contacted",
    "not_offered": "the policy offers none",
    "support_unknown": "nothing shows what the debtor can pay",
    "nothing_to_spare": "what the debtor can pay goes to other plans",
    "outside_bounds": "nothing within the policy's bounds",
    "waiting_is_worth_more": "waiting is worth more",
    "barred": "the law or a status forbids it",
    "kind": "of this kind of debt nothing is believed, or it is not taken",
    "place": "not in this place",
    "currency": "no cost is known in this currency",
    "too_old": "the debt is too old",
    "too_soon": "we have not worked it for long enough",
    "no_offer_refused": "no offer was refused yet",
    "not_surely_best": "its low end does not beat every other route",
    "nothing_above_zero": "nothing is worth more than 0",
}
EVERY = {"month": "monthly", "fortnight": "fortnightly", "week": "weekly"}


def told(rows: pd.DataFrame, found: Proposals, place: int, decimals: Mapping[str, int]) -> list[str]:
    """Lines on the account at a position of the rows: the proposal, its plan with two others, its settlement, then each
    route, the one chosen first. decimals: of each currency's minor unit.
    """
    row, offer = rows.iloc[place], found.offers.iloc[place]
    money = _Money(str(row["currency"]), decimals[str(row["currency"])])
    chosen = found.routes.chosen.iloc[place]
    if offer["proposal"] == NOTHING:
        lines = [f"Proposal: none ({BECAUSE[offer['why']]})."]
    else:
        lines = [
            f"Proposal: {offer['proposal']}, worth {money(offer['value'])} ({money.ends(offer)}), "
            f"{money(offer['gain'])} more than waiting ({money(row['continuation'])}). Granted by: {offer['grants']}."
        ]
        if offer["variant"]:
            lines.append(f"  Drawn by lot: discount {offer['variant']}, probability {offer['probability']:.2f}.")
        lines += [*_plans(found, place, money), *_settlement(found, place, money)]
    names = sorted(found.routes.terms, key=lambda name: name != (chosen["route"], chosen["party"]))
    return [*lines, *(_route(found.routes.terms[name].iloc[place], name, money) for name in names)]


class _Money:
    """Minor units as text."""

    def __init__(self, currency: str, decimals: int):
        self.currency, self.decimals = currency, decimals

    def __call__(self, minor: float) -> str:
        return f"{minor / 10**self.decimals:,.{self.decimals}f} {self.currency}"

    def ends(self, of: pd.Series) -> str:
        return f"{self(of['value_low'])} to {self(of['value_high'])}"


def _plans(found: Proposals, place: int, money: _Money) -> list[str]:
    best = found.plans.best.iloc[place]
    if not best["instalments"]:
        return [f"  Plan: none ({BECAUSE[found.plans.why.iloc[place]]})."]
    lines = [
        f"  Plan: {_form(best, money)} from {day_text(best['first_on'])} to {day_text(best['last_on'])}; "
        f"supported {money(best['supported'])}, burden {best['burden']:.2f}, "
        f"breaks {best['p_break']:.1%} an instalment, kept to the end {best['p_kept']:.0%}.",
        f"    kept {money(best['kept_money'])} + after a break {money(best['broken_money'])} "
        f"- cost {money(best['cost'])} = {money(best['value'])} ({money.ends(best)})",
    ]
    offer = found.planned.iloc[place]
    lines.append(
        f"    as an offer: agreed {offer['p_agree']:.0%}, {money(offer['agreed_money'])} + refused "
        f"{money(offer['refused_money'])} - cost {money(offer['cost'])} = {money(offer['value'])} ({money.ends(offer)})"
    )
    for name in ("easier", "quicker"):
        other = getattr(found.plans, name).iloc[place]
        if other["instalments"]:
            lines.append(f"    or {_form(other, money)}, worth {money(other['value'])}")
    return lines


def _form(plan: pd.Series, money: _Money) -> str:
    each = f"{plan['instalments']} {EVERY[plan['unit']]} instalments of {money(plan['instalment'])}"
    return (
        each if plan["last_instalment"] == plan["instalment"] else f"{each}, the last {money(plan['last_instalment'])}"
    )


def _settlement(found: Proposals, place: int, money: _Money) -> list[str]:
    own = found.settlements.iloc[place]
    if not own["discount"]:
        return [f"  Settlement: none ({BECAUSE[own['why']]})."]
    return [
        f"  Settlement: {own['discount']:.0%} off, {money(own['amount'])} to pay, "
        f"accepted and paid {own['p_accept']:.1%}.",
        f"    paid {money(own['paid_money'])} + refused {money(own['refused_money'])} - cost {money(own['cost'])} "
        f"= {money(own['value'])} ({money.ends(own)})",
    ]


def _route(own: pd.Series, name: tuple[str, str], money: _Money) -> str:
    route, party = name
    who = f"{route}, {party}" if party else route
    if route == REST:
        return f"Route {who}: {money(0)}"
    closed = f"; not open: {BECAUSE[own['why_not']]}" if own["why_not"] else ""
    if route == INTERNAL:
        return f"Route {who}: {own['source']} {money(own['value'])} ({money.ends(own)})"
    fee = f" - commission {money(own['commission'])}" if route == AGENCY else ""
    return (
        f"Route {who}: ({own['share']:.1%} of the balance {money(own['gross'])}{fee}) x {own['discount']:.4f} "
        f"- cost {money(own['cost'])} = {money(own['value'])} ({money.ends(own)}), by {own['source']}{closed}"
    )


# ---- a policy --------------------------------------------------------------------------------------------------------


def policy_told(policy: Policy, law: Rules, places: Collection[str], day: dt.date) -> str:
    """What a policy that was read allows, what the law of the places that are worked sets against it, and what nobody
    has checked.
    """
    lines = [
        f"Treatment policy {policy.path} (sha256 {policy.digest[:16]}), by the law of {day}.",
        f"Waiting is valued over {policy.horizon_days} days at {policy.annual_rate:.1%} a year.",
        f"For a specialist: {', '.join(policy.specialist)}. Offered nothing: {', '.join(policy.never)}.",
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
        f"{own.share_of_usual:.0%} of what is usual, {own.share_of_income:.0%} of a known income.",
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
    return ", ".join(_Money(currency, DECIMALS[currency])(amount) for currency, amount in by.items())


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
