"""What became of a book, by portfolio and currency: worked, answered, recovered, promised, owed, liquidated;
as known before a night.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.cohort import BUCKETS, REASONS, bucket, scorable
from features.days import date_of, day_number, day_text, first_of_month, month_texts
from features.evidence import Evidence
from features.labels import labels
from features.settlements import net_payments
from features.tables import NO_DAY
from features.versions import is_last_known, superseded_on
from models.trade import liquidation
from pipeline.outcomes.ahead import by_week, counted, disputed, falls_due, promises_of, published_cases
from pipeline.outcomes.annex import annex
from pipeline.outcomes.collected import NOT_WORK, Remembered, added, of_sources, outbound, remembered, sources
from pipeline.outcomes.commission import Standing, added_up, at_agencies, commission, placed
from pipeline.outcomes.known import Known, Span, known
from pipeline.outcomes.refusals import ListMissing
from pipeline.panel.engines import map_shards
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
OWED = [*KEYS, "account_id", "balance", "days_past_due"]
TOLD_COLUMNS = {"account_id": "str", "as_of": "int32", "seen": "float64", "money": "float64"}


def figures(store_path: Path, out: Path, as_of: dt.date, days: int, params: Params) -> dict[str, Any]:
    """Every figure of the reports, money in minor units, keyed portfolio -> section; plain values, in a stable order.
    out: folder of published nights, of which the night's own cases are read.

    worked     listed (accounts put on a list), attempts (outbound contacts but for direct debits, one per contact_id),
               debtors, by_channel
    answers    these attempts by weightiest outcome; spoken = those in which we spoke to the debtor; inbound =
               contacts by debtors
    recovered  currency -> amount, payments, debtors of the span; months = the last twelve, currency -> [month, amount]
    source     currency -> pipeline.outcomes.collected.of_sources: of worked accounts, and ordinary payments
    added      currency -> pipeline.outcomes.collected.added: against the debtors whom the lot held out
    commission currency -> pipeline.outcomes.commission.commission
    due        currency -> pipeline.outcomes.ahead.by_week; cases: currency -> pipeline.outcomes.ahead.counted
    annex      currency -> pipeline.outcomes.annex.annex
    added_up   pipeline.outcomes.commission.added_up
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
    past = remembered(store, span.first, span.as_of, params.label.horizon_days)
    work = partial(_of_shard, store_path, span, nights, past, params, versions)
    parts = list(map_shards(work, range(store.shards), params.engine))
    whole = {name: pd.concat([part[name] for part in parts], ignore_index=True) for name in parts[0]}
    portfolios = sorted(set(whole["counts"]["portfolio"]))
    if not portfolios:
        raise ListMissing.nobody(as_of)
    assigned = store.read(
        "assignments", ["account_id", "portfolio", "group", "as_of"], since=span.first, before=span.as_of
    )
    published = published_cases(out / as_of.isoformat())
    if published is not None:
        whole["cases"] = pd.concat([whole["cases"], published], ignore_index=True)
    return {
        name: {
            **_of_portfolio(name, rows, assigned, span),
            **_for_client(name, rows, span, params),
            "cases_published": published is not None,
            **{f"has_{table}": table in versions and table in delivers for table in ("contacts", "plans")},
            "has_lists": bool((past.groups["portfolio"] == name).any()),
        }
        for name in portfolios
        for rows in [{key: frame[frame["portfolio"] == name] for key, frame in whole.items()}]
        for delivers in [params.portfolios.get(name, params.portfolio_defaults).delivers]
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
    store_path: Path,
    span: Span,
    nights: Sequence[int],
    past: Remembered,
    params: Params,
    versions: Mapping[str, int],
    shard: int,
) -> dict[str, pd.DataFrame]:
    store = Store(store_path)
    held = known(store, shard, span.as_of, params, versions)
    about, owing = held.about, scorable(held.tables, held.ledger, [span.as_of], held.terms)
    buckets = owing.frame.assign(bucket=bucket(owing.frame["days_past_due"]).astype("str"))
    told = _told(store, held, nights, params, span)
    evidence = _evidence(held, span)
    due_before = scorable(held.tables, held.ledger, [span.first], held.terms).frame["account_no"].to_numpy()
    paid = net_payments(held.ledger.settlements, span.as_of).merge(about, on="account_no")
    ours = outbound(held.tables.get("contacts"), span.as_of)
    agencies, unnamed = placed(held.tables, span.as_of), at_agencies(held.tables, span.as_of)
    source = sources(paid, ours, past.groups, agencies, unnamed, due_before, params.label.horizon_days)
    return {
        "counts": owing.counts[["portfolio", "reason", "accounts"]].astype({"portfolio": "str"}),
        "owed": buckets.astype({"portfolio": "str", "currency": "str"})[[*OWED, "bucket"]],
        "payments": paid.assign(source=source),
        "payments_before": net_payments(held.ledger.settlements, span.first).merge(about, on="account_no"),
        "contacts": _contacts(held, span),
        "promises": _promises(held, evidence, span),
        "lists": _lists(store, held, nights, told),
        "placed": about[
            (about["placed_on"] != NO_DAY) & (about["placed_on"] < span.as_of) & (about["placed_amount"] > 0)
        ],
        "ours": ours[ours["occurred_on"] >= span.first].merge(about, on="account_no"),
        "drawn": _drawn(held, past.drawn, nights, told),
        "due": falls_due(evidence, span.as_of).merge(about, on="account_no"),
        "cases": disputed(held.tables, owing.frame),
        "placements": agencies.merge(about, on="account_no"),
        "placements_before": placed(held.tables, span.first).merge(about, on="account_no"),
        "unnamed": unnamed.merge(about, on="account_no"),
        "unnamed_before": at_agencies(held.tables, span.first).merge(about, on="account_no"),
    }


def _evidence(held: Known, span: Span) -> Evidence:
    """Of every account that is known, whatever it owes."""
    rows = held.about[["account_no", "account_id"]].sort_values("account_no", ignore_index=True)
    return Evidence(rows.assign(as_of=np.int32(span.as_of)), held.tables, held.terms, held.ledger, {})


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


def _promises(held: Known, evidence: Evidence, span: Span) -> pd.DataFrame:
    """Promises due in the span, judged as known before the night. Settled accounts count:
    who kept a promise may owe nothing now.
    """
    if "contacts" not in held.tables or held.about.empty:
        return pd.DataFrame(columns=[*KEYS, "state", "amount"])
    made = promises_of(evidence, span.as_of)
    due = (made["due_on"] < span.as_of) & (made["due_on"] >= span.first) & (made["state"] != "unjudged")
    return made[due].merge(held.about, on="account_no")[[*KEYS, "state", "amount"]]


def _told(store: Store, held: Known, nights: Sequence[int], params: Params, span: Span) -> pd.DataFrame:
    """account_id, as_of, seen (1, 0, or NaN where nobody can see it), money: what came of every scorable account of
    matured nights within the horizon.
    """
    if not nights:
        return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in TOLD_COLUMNS.items()})
    cohort = scorable(held.tables, held.ledger, list(nights), held.terms).frame
    complete = min(store.complete_through()["payments"], span.as_of - 1)
    told = labels(
        cohort, held.tables, held.ledger, params.label_terms(), complete, held.terms.decimals, held.terms.delivers
    )
    return cohort[["account_id", "as_of"]].assign(
        seen=told["recovered"].to_numpy(), money=told["recovered_amount"].to_numpy()
    )


def _lists(store: Store, held: Known, nights: Sequence[int], told: pd.DataFrame) -> pd.DataFrame:
    """Accounts of matured lists (joined ones too), what was expected and what came within the horizon;
    unobservable ones are left out.
    """
    columns = [*KEYS, "as_of", "expected", "recovered"]
    if not nights:
        return pd.DataFrame(columns=columns)
    wanted = ["account_id", "group", "expected_recovery", "as_of"]
    listed = store.read("assignments", wanted, since=nights[0], before=nights[-1] + 1)
    listed = listed[listed["group"].isin(["worklist", "joined"])].merge(held.about, on="account_id")
    found = listed.merge(told, on=["account_id", "as_of"])
    found = found[found["seen"].notna()].rename(columns={"expected_recovery": "expected", "money": "recovered"})
    return found[columns].astype({"recovered": np.int64, "expected": np.int64})


def _drawn(held: Known, drawn: pd.DataFrame, nights: Sequence[int], told: pd.DataFrame) -> pd.DataFrame:
    """Those over whom the lot fell, with what came of them where their night has matured: see collected.added."""
    rows = drawn.drop(columns="debtor_id").merge(held.about, on="account_id")
    rows = rows.merge(told.rename(columns={"seen": "recovered"}), on=["account_id", "as_of"], how="left")
    return rows.assign(matured=rows["as_of"].isin(list(nights)), expected=rows["expected_recovery"])


# ---- one portfolio ---------------------------------------------------------------------------------------------------


def _of_portfolio(name: str, rows: Mapping[str, pd.DataFrame], assigned: pd.DataFrame, span: Span) -> dict[str, Any]:
    own = assigned[assigned["portfolio"] == name] if len(assigned) else assigned
    listed = own.loc[own["group"].isin(["worklist", "joined"]), "account_id"].nunique() if len(own) else 0
    currencies = _currencies(rows)
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


def _currencies(rows: Mapping[str, pd.DataFrame]) -> list[str]:
    return sorted(
        {code for name in ("owed", "payments", "payments_before", "placed") for code in rows[name]["currency"]}
    )


def _for_client(name: str, rows: Mapping[str, pd.DataFrame], span: Span, params: Params) -> dict[str, Any]:
    """What only the client's page tells, by currency."""
    inside = rows["payments"][rows["payments"]["occurred_on"] >= span.first]
    currencies = _currencies(rows)
    found: dict[str, dict[str, Any]] = {part: {} for part in ("source", "added", "commission", "due", "cases", "annex")}
    for code in currencies:
        own = {key: frame[frame["currency"] == code] for key, frame in rows.items() if "currency" in frame}
        paid = inside[inside["currency"] == code]
        found["source"][code] = of_sources(paid)
        found["added"][code] = added(own["drawn"], params.label.gap_days)
        then, now = (
            Standing(*(own[f"{part}{when}"] for part in ("payments", "placements", "unnamed")))
            for when in ("_before", "")
        )
        found["commission"][code] = commission(name, then, now, span.first, params)
        found["due"][code] = by_week(own["due"], span.as_of)
        found["cases"][code] = counted(own["cases"])
        found["annex"][code] = annex(paid, own["ours"], own["owed"], own["cases"])
    sums = {
        "worked": {code: told["worked"] for code, told in found["source"].items()},
        "ordinary": {code: told["ordinary"] for code, told in found["source"].items()},
        "remitted": {code: told["remitted"] for code, told in found["commission"].items()},
    }
    return {**found, "added_up": added_up(sums, date_of(span.as_of), params)}


def _work(contacts: pd.DataFrame, listed: int) -> dict[str, Any]:
    """One contact about several accounts of the portfolio is one contact, with its weightiest outcome."""
    weight = {outcome: place for place, outcome in enumerate(WE_SPOKE)}
    ordered = contacts.assign(weight=contacts["outcome"].map(weight).fillna(len(weight))).sort_values(
        ["contact_id", "weight", "outcome"]
    )
    once = ordered.drop_duplicates("contact_id")
    ours = once[(once["direction"] == "outbound") & (once["channel"] != NOT_WORK)]
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
