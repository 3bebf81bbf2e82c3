"""A published night as the terminal tells it: the groups, the warnings, the first rows or why there are none."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from features.currencies import DECIMALS
from models.ladder import DISPROVEN, NO_LOG, PROVEN, UNPROVEN
from pipeline.night.alarm import STOP, WARN
from pipeline.pages.parts import parts_of
from pipeline.pages.publication import Night

SHOWN_ROWS, SHOWN_RULES = 10, 3
STATES_SAID = {
    NO_LOG: "not taught, the same for all is assumed",
    UNPROVEN: "from the contact log, not yet proven",
    PROVEN: "proven by draws",
    DISPROVEN: "disproven by draws, the same for all is assumed",
}


@dataclass(frozen=True)
class Published:
    """A published night, and its first rows for the terminal. Made while tables that are read in parts are there still;
    what it tells rests on none of them.
    """

    folder: Path
    night: Night
    why_empty: list[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "why_empty", [] if len(self.night.worklist) else _why_empty(self.night))

    def text(self, rows: bool = False) -> str:
        """rows: whether the first of the list may be shown, which name accounts: on a terminal, in no log."""
        listed, counts = self.night.worklist, self.night.counts
        groups = ", ".join(f"{counts[name]:,} {name.replace('_', ' ')}" for name in counts if name != "scorable")
        lines = [f"{counts['scorable']:,} scorable accounts as of {self.night.as_of}: {groups}"]
        lines += [f"Warning: {warning}" for warning in self.night.manifest["warnings"]]
        lines += _of_the_monitor(self.night)
        lines += _of_the_order(self.night)
        shown = ["The list is empty.", *self.why_empty] if not len(listed) else []
        if rows and len(listed):
            shown = [_first_rows(listed, self.night.reporting_currency)]
        return "\n".join(
            [
                *lines,
                *_watched(self.night),
                *_messages(self.night),
                *_treated(self.night),
                *_receivables(self.night),
                *shown,
                f"List: {self.folder / 'worklist.html'}",
            ]
        )


def _of_the_monitor(night: Night) -> list[str]:
    """The verdict, and each finding that is not as it should be."""
    told = night.manifest.get("monitor")
    if told is None:
        return []
    loud = [each for each in told["findings"] if each["verdict"] in (WARN, STOP)]
    return [f"Monitor: {told['verdict']}", *(f"  {each['verdict']}: {each['name']}: {each['says']}" for each in loud)]


def _of_the_order(night: Night) -> list[str]:
    """What ranks the list, how far the effect is to be trusted, and what either order would bring."""
    value = night.manifest.get("value")
    if value is None:
        return []
    money, said = 10 ** DECIMALS[night.reporting_currency], STATES_SAID[value["rung"]["state"]]
    brought = [
        f"{name} value: {told['debtors']:,} debtors return {told['returns'] / money:,.2f}, "
        f"of which {told['adds'] / money:,.2f} is added"
        for name, told in value["orders"].items()
    ]
    lines = [f"Ranked by {value['mode']} value. The effect of work is {said}, since {value['rung']['since']}."]
    return [*lines, f"What each order alone would bring, {night.reporting_currency}, foretold: {'; '.join(brought)}."]


def _watched(night: Night) -> list[str]:
    """Accounts before their due day and their money at risk; the books of which no due day is known."""
    told = night.manifest.get("watch")
    if told is None:
        return []
    money_at_risk = [
        f"{money['money_at_risk'] / 10 ** DECIMALS[currency]:,.{DECIMALS[currency]}f} {currency}"
        for currency, money in told["money"].items()
        if "money_at_risk" in money
    ]
    risk = f": {', '.join(money_at_risk)} at risk" if money_at_risk else ""
    lines = [f"{told['accounts']:,} accounts before their due day{risk}."]
    silent = ", ".join(told["no_charges"])
    return [*lines, *([f"Not watched: {silent}, of which no charges are delivered."] if silent else [])]


def _messages(night: Night) -> list[str]:
    told = night.manifest.get("messages")
    if told is None:
        return []
    steps = ", ".join(f"{many:,} {step}" for step, many in told["steps"].items() if many)
    return [f"{told['messages']:,} messages beside the list{f': {steps}' if steps else ''}."]


def _treated(night: Night) -> list[str]:
    """How many offers, accounts by another route than ours, and accounts for a specialist."""
    told = night.manifest.get("treatments")
    if told is None:
        return []
    for_specialist = f"{told['specialist']:,} accounts for a specialist."
    by_day = told.get("due_day")
    around = []
    if by_day is not None:
        counts = f"{by_day['moves']:,} to be moved, {by_day['discounts']:,} discounts for paying early"
        around = [f"Around due days: {counts}."]
    if not told["valued"]:
        return [for_specialist, *around]
    offers = ", ".join(f"{many:,} {kind}s" for kind, many in told["proposals"].items())
    away = [f"{each['accounts']:,} {each['route']} {each['party']}".strip() for each in told["routes"]]
    return [f"Offers: {offers}. Routes: {', '.join(away)}. {for_specialist}", *around]


def _receivables(night: Night) -> list[str]:
    told = night.manifest.get("receivables")
    if told is None:
        return []
    silent, stops = ", ".join(told["without_items"]), told["order_stops"]
    return [
        f"{told['debtors']:,} commercial debtors with {told['items']:,} open items, {stops:,} to stop orders of.",
        *([f"No items told of {silent}: charges or payments are not delivered, or late."] if silent else []),
    ]


def _why_empty(night: Night) -> list[str]:
    """The rules that keep most accounts off an empty list, a line for each group that has any."""
    told = []
    for group, frame in (("Excluded", night.excluded), ("Deferred", night.deferred)):
        rules = Counter[str](rule for part in parts_of(frame) for rule in part["rule"].dropna())
        found = pd.DataFrame(list(rules.items()), columns=["rule", "accounts"])
        most = found.sort_values(["accounts", "rule"], ascending=[False, True]).head(SHOWN_RULES)
        if len(most):
            told.append(
                f"{group} most often by: " + ", ".join(f"{row.rule} ({row.accounts:,})" for row in most.itertuples())
            )
    return told


def _first_rows(listed: pd.DataFrame, reporting: str) -> str:
    """The first rows of the list, in the order of every face, as a person reads them."""
    first = listed.head(SHOWN_ROWS)
    money = 10 ** DECIMALS[reporting]
    shown = pd.DataFrame(
        {
            "queue": first["queue"],
            "rank": first["rank"],
            "account": first["account_id"],
            "balance": [_money(row.balance, row.currency) for row in first.itertuples()],
            "p": first["p_recovered"].map("{:.0%}".format),
            f"net value, {reporting}": (first["net_value"] / money).map("{:,.2f}".format),
            "by": first["channel"],
            "between": first["contact_from"] + "-" + first["contact_until"],
            "first reason": first["reason_1"].fillna(""),
        }
    )
    return shown.to_string(index=False)


def _money(minor: int, currency: str) -> str:
    return f"{minor / 10 ** DECIMALS[currency]:,.{DECIMALS[currency]}f} {currency}"
