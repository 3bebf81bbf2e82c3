"""Commercial debtors as one page for whoever watches over receivables: each with his open invoices, what is disputed,
unapplied or credited, how far dunning has come, and whether orders should stop.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from pipeline.pages.language import words
from pipeline.pages.publication import Night
from pipeline.pages.speech import DASH, Speech
from pipeline.pages.templating import night_head, template

OPENED = 200  # debtors with most past due; the tables hold all
MONEY = ("open_amount", "overdue", "disputed", "unapplied", "credit_notes", "balance")


def receivables_page(night: Night) -> str:
    """The whole page of a night that looks at receivables; it has no script and asks the network for nothing. A
    debtor's rows lie in one element that says whose they are (pipeline.pages.without).
    """
    spoken, speech = words(night.language), Speech(night.language)
    debtors = night.receivables if night.receivables is not None else pd.DataFrame()
    items = night.open_items if night.open_items is not None else pd.DataFrame()
    said = spoken["receivables"]
    return template("receivables.html").render(
        **night_head(night, speech, said["title"], "receivables.css"),
        said=said,
        lead=said["lead"].format(
            n=speech.count(len(debtors)),
            items=speech.count(len(items)),
            overdue=speech.count(int((items["days_past_due"] > 0).sum()) if len(items) else 0),
        ),
        cut=said["cut"].format(n=speech.count(OPENED)) if len(debtors) > OPENED else "",
        levels=_levels(debtors, said, speech),
        debtors=_debtors(debtors.head(OPENED), items, said, speech),
    )


def _levels(debtors: pd.DataFrame, said: Mapping[str, Any], speech: Speech) -> list[list[str]]:
    """Debtors by level and currency, with what is past due."""
    if debtors.empty:
        return []
    found = debtors.groupby(["dunning_level", "currency"], sort=True)["overdue"].agg(["size", "sum"])
    return [
        [
            speech.count(int(level)) if level else said["level_none"],
            speech.count(int(row["size"])),
            speech.money(int(row["sum"]), str(currency)),
        ]
        for (level, currency), row in found.iterrows()
    ]


def _debtors(
    debtors: pd.DataFrame, items: pd.DataFrame, said: Mapping[str, Any], speech: Speech
) -> list[dict[str, Any]]:
    items = items[items["debtor_id"].isin(debtors["debtor_id"])] if len(items) else items
    own = dict(tuple(items.groupby(["debtor_id", "currency"], sort=False))) if len(items) else {}
    found = []
    for row in debtors.itertuples():
        rows = own.get((row.debtor_id, row.currency))
        lines = [] if rows is None else [_line(item, said, speech) for item in rows.itertuples()]
        accounts = [] if rows is None else rows["account_id"].unique()
        found.append(
            {
                "ids": " ".join([row.debtor_id, *accounts]),
                "name": row.debtor_id,
                "level": speech.count(row.dunning_level) if row.dunning_level else said["level_none"],
                "money": [(said[name], speech.money(getattr(row, name), row.currency)) for name in MONEY],
                "notes": _notes(row, said, speech),
                "stop": bool(row.order_stop),
                "items": lines,
            }
        )
    return found


def _line(item: Any, said: Mapping[str, Any], speech: Speech) -> list[str]:
    disputed = f" ({said['is_disputed']})" if item.is_disputed else ""
    return [
        item.charge_id + disputed,
        item.account_id,
        speech.day(item.due_on, "medium"),
        speech.count(item.days_past_due) if item.days_past_due else DASH,
        speech.money(item.invoiced, item.currency),
        speech.money(item.open_amount, item.currency),
    ]


def _notes(row: Any, said: Mapping[str, Any], speech: Speech) -> list[str]:
    """What to know of a debtor before writing to him."""
    notes = []
    if "overdue" in row.order_stop:
        notes.append(said["stops"]["overdue"].format(days=speech.count(row.oldest_days)))
    if "limit" in row.order_stop:
        notes.append(said["stops"]["limit"].format(share=speech.share(row.limit_use)))
    if row.held:
        notes.append(said["held" if row.held == "excluded" else "left"])
    if pd.notna(row.usual_days):
        usual = round(row.usual_days)
        notes.append(said["usual" if usual >= 0 else "early"].format(days=speech.count(abs(usual))))
    if row.level_from > 1:
        notes.append(said["from_day"].format(days=speech.count(row.level_from)))
    return notes
