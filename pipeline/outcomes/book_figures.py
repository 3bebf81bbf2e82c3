"""What became of a book, by portfolio and currency: worked, answered, recovered, promised, owed, liquidated;
as known before a night.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.cohort import BUCKETS, REASONS, bucket, scorable
from features.days import day_number, day_text, first_of_month, month_texts
from features.evidence import Evidence
from features.labels import labels
from features.ledger import Ledger, history
from features.settlements import net_payments
from features.tables import NO_DAY, NO_MONEY, InnerTables
from features.terms import Terms
from features.versions import arranged, is_last_known, superseded_on
from features.vocabulary import PROMISE_STATES
from models.trade import liquidation
from pipeline.outcomes.refusals import ListMissing
from pipeline.panel.engines import map_shards
from pipeline.panel.view import terms_of
from pipeline.params import Params
from pipeline.store.store import Store

MONTHS_BACK = 12  # calendar months of recoveries shown, and placement months of the liquidation table
LISTS_SHOWN = 6  # matured lists shown one by one
STEPS = 12  # months of the liquidation curve that are read
WE_SPOKE = (
    "promise",
    "paid",
    "right_party",
    "dispute",
    "refusal",
    "complaint",
)  # we spoke to the debtor, the weightiest first
KEYS = ["portfolio", "currency"]


@dataclass(frozen=True)
class Span:
    """The days a report tells of: [first, as_of). as_of is the night: nothing known from it on is used."""

    first: int
    as_of: int


@dataclass(frozen=True)
class Known:
    """What was known of a shard before the night: its tables, their ledger, and each account as it was last told of."""

    tables: Mapping[str, pd.DataFrame]
    ledger: Ledger
    terms: Terms
    about: pd.DataFrame


def figures(store_path: Path, as_of: dt.date, days: int, params: Params) -> dict[str, Any]:
    """Every figure of the reports, money in minor units, keyed portfolio -> section; plain values, in a stable order.

    worked     listed (accounts put on a list), attempts (outbound contacts, one per contact_id), debtors, by_channel
    answers    outbound contacts by weightiest outcome; spoken = those in which we spoke to the debtor; inbound =
               contacts by debtors
    recovered  currency -> amount, payments, debtors of the span; months = the last twelve, currency -> [month, amount]
    lists      currency -> matured lists: [night, accounts, expected, recovered], and ratio over all of them
    promises   currency -> state -> [promises, amount] of those due in the span, as known before the night
    book       reason -> accounts; owed: currency -> bucket -> [accounts, balance] of scorable accounts
    liquidation  currency -> [placement month, accounts, amount placed, [share paid after 30, 60 ... days; null where
                 not yet known of all]]
    Raises InputMissing where the store knows no account.
    """
    store = Store(store_path)
    span = Span(day_number(as_of) - days, day_number(as_of))
    nights = _matured_nights(store, span, params)
    versions = store.versions()
    parts = list(
        map_shards(partial(_of_shard, store_path, span, nights, params, versions), range(store.shards), params.engine)
    )
    whole = {name: pd.concat([part[name] for part in parts], ignore_index=True) for name in parts[0]}
    portfolios = sorted(set(whole["counts"]["portfolio"]))
    if not portfolios:
        raise ListMissing.nobody(as_of)
    assigned = store.read(
        "assignments", ["account_id", "portfolio", "group", "as_of"], since=span.first, before=span.as_of
    )
    return {
        name: _of_portfolio(name, {key: rows[rows["portfolio"] == name] for key, rows in whole.items()}, assigned, span)
        for name in portfolios
    }


def complete_through(store_path: Path, as_of: dt.date) -> dict[str, str]:
    """Table -> last complete day that a report of the night may know of."""
    last = day_number(as_of) - 1
    return {name: day_text(min(day, last)) for name, day in sorted(Store(store_path).complete_through().items())}


def _matured_nights(store: Store, span: Span, params: Params) -> list[int]:
    """Lists whose outcome became known within the span: horizon and maturity have passed before the night."""
    assigned = store.read("assignments", ["account_id", "as_of"], before=span.as_of)
    paid = store.complete_through().get("payments")
    if assigned.empty or paid is None:
        return []
    known = min(paid, span.as_of - 1)
    return sorted(int(night) for night in assigned["as_of"].unique() if night + params.label.gap_days <= known)


# ---- one shard -------------------------------------------------------------------------------------------------------


def _of_shard(
    store_path: Path, span: Span, nights: Sequence[int], params: Params, versions: Mapping[str, int], shard: int
) -> dict[str, pd.DataFrame]:
    store = Store(store_path)
    held = _known(store, shard, span, params, versions)
    about, owing = held.about, scorable(held.tables, held.ledger, [span.as_of], held.terms)
    buckets = owing.frame.assign(bucket=bucket(owing.frame["days_past_due"]).astype("str"))
    return {
        "counts": owing.counts[["portfolio", "reason", "accounts"]].astype({"portfolio": "str"}),
        "owed": buckets.astype({"portfolio": "str", "currency": "str"})[[*KEYS, "bucket", "balance"]],
        "payments": net_payments(held.ledger.settlements, span.as_of).merge(about, on="account_no"),
        "contacts": _contacts(held, span),
        "promises": _promises(held, span),
        "lists": _lists(store, held, nights, params, span),
        "placed": about[
            (about["placed_on"] != NO_DAY) & (about["placed_on"] < span.as_of) & (about["placed_amount"] > 0)
        ],
    }


def _known(store: Store, shard: int, span: Span, params: Params, versions: Mapping[str, int]) -> Known:
    terms = terms_of(store, params, versions)
    tables = store.tables(shard, versions=versions)
    known = InnerTables(
        {
            name: frame[frame["known_on"].to_numpy() < span.as_of].reset_index(drop=True)
            for name, frame in tables.items()
        }
    )
    accounts = arranged(known["accounts"], "accounts").drop_duplicates("account_no", keep="last")
    about = accounts[["account_no", "account_id", "debtor_id", "portfolio", "currency", "placed_on", "placed_amount"]]
    about = about.astype({"portfolio": "str", "currency": "str"}).reset_index(drop=True)
    return Known(known, history(known, terms), terms, about)


def _contacts(held: Known, span: Span) -> pd.DataFrame:
    columns = ["contact_id", "channel", "direction", "outcome", "occurred_on", "debtor_id", *KEYS]
    if "contacts" not in held.tables:
        return pd.DataFrame(columns=columns)
    frame = held.tables["contacts"]
    gone = superseded_on(frame, ["contact_id", "account_no"], "contacts")
    days = frame["occurred_on"].to_numpy()
    seen = frame[
        is_last_known(frame["known_on"].to_numpy(), gone, span.as_of) & (days >= span.first) & (days < span.as_of)
    ]
    found = seen.merge(held.about, on="account_no")
    texts = dict.fromkeys(("channel", "direction", "outcome"), "str")
    return found.astype(texts)[columns]


def _promises(held: Known, span: Span) -> pd.DataFrame:
    """Promises due in the span, judged as known before the night. Settled accounts count:
    who kept a promise may owe nothing now.
    """
    about = held.about
    if "contacts" not in held.tables or about.empty:
        return pd.DataFrame(columns=[*KEYS, "state", "amount"])
    rows = (
        about[["account_no", "account_id"]]
        .sort_values("account_no", ignore_index=True)
        .assign(as_of=np.int32(span.as_of))
    )
    events = Evidence(rows, held.tables, held.terms, held.ledger, {}).events("promises", ("amount", "due_in", "state"))
    counts = events.last - events.first
    place = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(events.first, counts)
    due_in, amount = events.measures["due_in"][place], events.measures["amount"][place]
    state = np.array([*PROMISE_STATES, ""], dtype=object)[events.classes["state"].codes()[place]]
    frame = pd.DataFrame(
        {"account_no": np.repeat(rows["account_no"].to_numpy(), counts), "state": state, "amount": amount}
    )
    due = (due_in != NO_MONEY) & (due_in < 0) & (span.as_of + due_in >= span.first) & (frame["state"] != "unjudged")
    return frame[due].merge(about, on="account_no")[[*KEYS, "state", "amount"]]


def _lists(store: Store, held: Known, nights: Sequence[int], params: Params, span: Span) -> pd.DataFrame:
    """Accounts of matured lists (joined ones too), what was expected and what came within the horizon;
    unobservable ones are left out.
    """
    columns = [*KEYS, "as_of", "expected", "recovered"]
    if not nights:
        return pd.DataFrame(columns=columns)
    wanted = ["account_id", "group", "expected_recovery", "as_of"]
    listed = store.read("assignments", wanted, since=nights[0], before=nights[-1] + 1)
    listed = listed[listed["group"].isin(["worklist", "joined"])].merge(held.about, on="account_id")
    cohort = scorable(held.tables, held.ledger, list(nights), held.terms).frame
    complete = min(store.complete_through()["payments"], span.as_of - 1)
    told = labels(
        cohort, held.tables, held.ledger, params.label_terms(), complete, held.terms.decimals, held.terms.delivers
    )
    cohort = cohort[["account_id", "as_of"]].assign(
        seen=told["recovered"].to_numpy(), recovered=told["recovered_amount"].to_numpy()
    )
    found = listed.merge(cohort, on=["account_id", "as_of"])
    found = found[found["seen"].notna()].rename(columns={"expected_recovery": "expected"})
    return found[columns].astype({"recovered": np.int64, "expected": np.int64})


# ---- one portfolio ---------------------------------------------------------------------------------------------------


def _of_portfolio(name: str, rows: Mapping[str, pd.DataFrame], assigned: pd.DataFrame, span: Span) -> dict[str, Any]:
    own = assigned[assigned["portfolio"] == name] if len(assigned) else assigned
    listed = own.loc[own["group"].isin(["worklist", "joined"]), "account_id"].nunique() if len(own) else 0
    currencies = sorted({*rows["owed"]["currency"], *rows["payments"]["currency"], *rows["placed"]["currency"]})
    reasons = rows["counts"].groupby("reason")["accounts"].sum()
    return {
        "currencies": currencies,
        **_work(rows["contacts"], int(listed)),
        "recovered": {
            code: _recovered(rows["payments"][rows["payments"]["currency"] == code], span) for code in currencies
        },
        "lists": {
            code: found for code in currencies if (found := _by_list(rows["lists"][rows["lists"]["currency"] == code]))
        },
        "promises": {
            code: found
            for code in currencies
            if (found := _by_state(rows["promises"][rows["promises"]["currency"] == code]))
        },
        "book": {reason: int(reasons.get(reason, 0)) for reason in REASONS},
        "owed": {code: _owed(rows["owed"][rows["owed"]["currency"] == code]) for code in currencies},
        "liquidation": {code: found for code in currencies if (found := _liquidation(rows, code, span))},
    }


def _work(contacts: pd.DataFrame, listed: int) -> dict[str, Any]:
    """One contact about several accounts of the portfolio is one contact, with its weightiest outcome."""
    weight = {outcome: place for place, outcome in enumerate(WE_SPOKE)}
    ordered = contacts.assign(weight=contacts["outcome"].map(weight).fillna(len(weight))).sort_values(
        ["contact_id", "weight", "outcome"]
    )
    once = ordered.drop_duplicates("contact_id")
    ours = once[once["direction"] == "outbound"]
    channels, outcomes = ours["channel"].value_counts(), ours["outcome"].fillna("").value_counts()
    spoken = ours[ours["outcome"].isin(WE_SPOKE)]
    return {
        "worked": {
            "listed": listed,
            "attempts": len(ours),
            "debtors": int(ours["debtor_id"].nunique()),
            "by_channel": {
                channel: int(channels[channel])
                for channel in sorted(channels.index, key=lambda each: (-channels[each], each))
            },
        },
        "answers": {
            "by_outcome": {
                outcome: int(outcomes[outcome])
                for outcome in sorted(outcomes.index, key=lambda each: (-outcomes[each], each))
            },
            "spoken": len(spoken),
            "debtors_spoken": int(spoken["debtor_id"].nunique()),
            "promises": int((ours["outcome"] == "promise").sum()),
            "inbound": int((once["direction"] == "inbound").sum()),
        },
    }


def _recovered(payments: pd.DataFrame, span: Span) -> dict[str, Any]:
    inside = payments[payments["occurred_on"] >= span.first]
    months = _months_before(span.as_of)
    sums = payments["amount"].groupby(month_texts(payments["occurred_on"])).sum()
    return {
        "amount": int(inside["amount"].sum()),
        "payments": len(inside),
        "debtors": int(inside["debtor_id"].nunique()),
        "months": [[name, int(sums.get(name, 0))] for name in months],
    }


def _months_before(as_of: int) -> list[str]:
    """The last complete calendar months before the night, oldest first."""
    return month_texts([first_of_month(as_of, after=-back) for back in range(MONTHS_BACK, 0, -1)]).tolist()


def _by_list(rows: pd.DataFrame) -> dict[str, Any]:
    if rows.empty:
        return {}
    sums = rows.groupby("as_of").agg(
        accounts=("expected", "size"), expected=("expected", "sum"), recovered=("recovered", "sum")
    )
    expected = int(sums["expected"].sum())
    newest = sums.tail(LISTS_SHOWN)
    return {
        "count": len(sums),
        "ratio": round(int(sums["recovered"].sum()) / expected, 4) if expected else None,
        "newest": [
            [day_text(night), int(row.accounts), int(row.expected), int(row.recovered)]
            for night, row in newest.iterrows()
        ],
    }


def _by_state(rows: pd.DataFrame) -> dict[str, list[int]]:
    if rows.empty:
        return {}
    return {
        state: [int((rows["state"] == state).sum()), int(rows.loc[rows["state"] == state, "amount"].sum())]
        for state in ("kept", "broken", "open")
    }


def _owed(rows: pd.DataFrame) -> dict[str, Any]:
    groups = rows.groupby("bucket")["balance"]
    sizes, sums = groups.size(), groups.sum()
    return {
        "accounts": len(rows),
        "balance": int(rows["balance"].sum()),
        "by_days": {name: [int(sizes.get(name, 0)), int(sums.get(name, 0))] for name in BUCKETS},
    }


def _liquidation(rows: Mapping[str, pd.DataFrame], currency: str, span: Span) -> list[list[Any]]:
    """Share of the placed amount in by so many days after placement, per placement month;
    null while some accounts are younger.
    """
    placed = rows["placed"][rows["placed"]["currency"] == currency]
    if placed.empty:
        return []
    paid = rows["payments"][["account_no", "occurred_on", "amount"]]
    curve = liquidation(placed, paid, np.ones(len(placed)), span.as_of - 1)
    rates = dict(zip(zip(curve["placed_in"], curve["month"], strict=True), curve["rate"].tolist(), strict=True))
    table = []
    for month, accounts in sorted(placed.groupby(month_texts(placed["placed_on"])))[-MONTHS_BACK:]:
        shares = [round(rates[month, step], 4) if (month, step) in rates else None for step in range(1, STEPS + 1)]
        table.append([month, len(accounts), int(accounts["placed_amount"].sum()), shares])
    return table
