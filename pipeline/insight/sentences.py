"""Findings in sentences that a credit manager can act on, and refusals to say more than is known."""

from __future__ import annotations

from features.days import date_of
from models.segments import BELOW, FROM, IS, Condition, Segment
from pipeline.insight.causes import OPENING, Causes, Cut, Finding
from pipeline.insight.openings import FIRST_PAYMENT, ROLLED, Openings
from pipeline.params import Params

ASSOCIATION = (
    "All of this is association: nobody drew by lot who was sold what. A segment says where to look, not what would "
    "have happened; a rule that keeps people out also changes who comes."
)


def outcome_said(name: str, of: Openings) -> str:
    return {
        ROLLED: f"roll ({of.bad_dpd} days past due within {of.within_days} days of opening)",
        FIRST_PAYMENT: "default on their first payment (nothing within 30 days of its due day)",
    }[name]


def segment_said(segment: Segment, params: Params) -> str:
    return ", ".join(_condition(condition, params) for condition in segment)


def _condition(condition: Condition, params: Params) -> str:
    name = condition.column.removeprefix("x_").replace("_", " ")
    if condition.column == OPENING:
        return f"{OPENING} {condition.value}"
    if condition.kind == IS:
        return f"{name} {condition.value}"
    if condition.kind in (FROM, BELOW):
        unit = f" {params.money.reporting_currency}" if condition.column == "principal" else ""
        return f"{name} {'from' if condition.kind == FROM else 'below'} {float(condition.value):,.10g}{unit}"
    return f"{name} not told"


def said(finding: Finding, of: Openings, params: Params) -> str:
    """One sentence: what, how many times as often and as what, with its interval, and how much of accounts and
    losses.
    """
    others = {
        "facts": "other accounts of their book and quarter of opening",
        "months": "accounts of the same book and product opened in other months",
    }[finding.family]
    ratio = finding.ratio
    losses = "" if finding.loss_share is None else f", {finding.loss_share:.1%} of losses".replace("%", " %")
    share = f"{finding.account_share:.1%} of accounts, {finding.event_share:.1%} of those that did".replace("%", " %")
    return (
        f"Accounts with {segment_said(finding.segment, params)} " if finding.family == "facts" else
        f"Accounts {segment_said(finding.segment, params)} "
    ) + (
        f"{outcome_said(finding.outcome, of)} {ratio.value:.1f} times as often as {others} "
        f"[{ratio.low:.1f}, {ratio.high:.1f}]: {share}{losses}."
    )  # fmt: skip


def avoided_said(finding: Finding, params: Params) -> str:
    """What refusing the segment would have meant for the accounts that it was judged on."""
    own = params.money.reporting_currency
    loss = "losses are not said" if finding.loss is None else f"{finding.loss:,.0f} {own} of losses avoided"
    margin = "no margin is stated" if finding.margin is None else f"{finding.margin:,.0f} {own} of margin lost"
    good = finding.ratio.inside - finding.ratio.inside_events
    return f"Refused: {finding.ratio.inside:,} accounts, {good:,} of them for nothing; {loss}, {margin}."


def cut_said(cut: Cut, of: Openings, params: Params) -> str:
    name, low, high = cut.events
    return (
        f"Refusing {_condition(cut.condition, params)} would have refused {cut.accounts:.1%} of the later accounts and "
        f"{name:.1%} [{low:.1%}, {high:.1%}] of those that {outcome_said(cut.outcome, of)}."
    ).replace("%", " %")


def limits_said(found: Causes, of: Openings, params: Params) -> list[str]:
    """What the reader must know of how far this reaches, and what is not said and why."""
    told = []
    for outcome, (earlier, bad, later, later_bad, left) in found.halves.items():
        told.append(
            f"Of those that {outcome_said(outcome, of)}: proposed on {earlier:,} earlier accounts ({bad:,} did), "
            f"judged on {later:,} later ones ({later_bad:,} did); {left:,} are left out, so that no "
            "debtor is on both sides."
        )
    for book, days in sorted(of.followed.items()):
        told.append(
            f"{book}: none of its accounts was opened within what is delivered. By a lot of its debtor each is "
            f"followed from {date_of(days[0])} or {date_of(days[1])}, which stands for its opening, if it was not late."
        )
    if found.tests:
        told.append(
            f"{_many(found.tests['facts'], 'segment')} and {_many(found.tests['months'], 'month')} were judged. The "
            "intervals of each of both kinds hold together with 95 %: of books in which nothing is to be found, one in "
            "twenty at most has a sentence."
        )
    few = sum(each.state == "too few" for each in found.findings)
    if few:
        told.append(f"{few:,} more are not said: too few of their accounts went bad to judge them.")
    not_held = sum(each.state == "not held" and each.family == "facts" for each in found.findings)
    if not_held:
        told.append(f"{_many(not_held, 'segment')} that stood out earlier did not hold later: not said.")
    for column, (group, auc) in sorted(found.silenced.items()):
        told.append(f"{column} gives no sentence: it tells {group} (AUC {auc:.2f}; the bound of the audit is 0.60).")
    told += [f"{count:,} accounts are left out: {reason}." for reason, count in sorted(of.left_out.items())]
    told += found.unsaid
    if len({*of.accounts["currency"]}) > 1:
        told.append(f"Money of several currencies is compared at the rates of {params.money.rates_date}.")
    return [*told, ASSOCIATION]


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"
