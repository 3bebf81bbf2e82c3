"""How a proposal and each route of one account come to their figures, in lines that add up as they are read."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from features.days import day_text
from models.routes import AGENCY, INTERNAL, REST
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
