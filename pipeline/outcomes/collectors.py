"""Who spoke to debtors, and what came of it: each collector against the others on contacts of the same kind. As known
before a night.
"""

from __future__ import annotations

import datetime as dt
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.cohort import bucket, scorable
from features.days import date_of, day_number
from features.evidence import Evidence
from features.settlements import net_payments
from features.versions import is_last_known, superseded_on
from models.like_for_like import like_for_like
from pipeline.outcomes.ahead import promises_of
from pipeline.outcomes.collected import NOT_WORK
from pipeline.outcomes.known import Known, known
from pipeline.outcomes.looked_back import LEAST_PEOPLE
from pipeline.panel.engines import map_shards
from pipeline.params import Params
from pipeline.store.store import Store

WE_SPOKE = ("promise", "paid", "right_party", "dispute", "refusal", "complaint")
LEAST_EVENTS = 10  # conversations, kept promises or payments that a comparison needs
GRID_DAYS = 7  # between the nights on which it is looked at how late accounts are
MOST_SCORED = 0.9  # share of a book's contacts that past lists scored, from which their scores tell what was alike
QUARTERS = 4
CONTACT = (
    *("contact_id", "account_no", "account_id", "debtor_id", "portfolio", "currency", "agent", "channel", "outcome"),
    *("occurred_on", "occurred_at"),
)
KIND = ["portfolio", "channel", "stage"]


def collectors(store_path: Path, as_of: dt.date, days: int, params: Params) -> dict[str, Any]:
    """Figures of the collectors' page, plain values in order of the collectors' ids; money in minor units.

    contacts   whether the log is delivered; made: contacts of collectors in the span, unnamed: our contacts of the span
               that name no collector
    rows       [collector, contacts, debtors, conversations, promises made] of the span
    spoken     collector -> [contacts compared, conversations of 1, expected, difference, low, high]
    kept       collector -> [promises that fell due in the span, kept, and the same of those compared], by who took them
    money      currency -> collector -> [contacts, came in, contacts compared, came per contact, expected, difference,
               low, high], of contacts from `money_from` until before `money_until`, whose outcome is known
    readings   of spoken, kept and each currency: how many more, less, not told apart, too few
    by_score   books of which past lists tell which contacts are alike
    Where too few contacts or events bear a difference, all but the counts is None: models.like_for_like.
    """
    night, gap = day_number(as_of), params.label.gap_days
    store = Store(store_path)
    reach = store.complete_through().get("payments")
    until = min(night if reach is None else reach + 1, night) - gap
    first = {"span": night - days, "money": until - days}
    scores = store.read(
        "assignments", ["account_id", "as_of", "expected_recovery"], since=min(first.values()) - GRID_DAYS, before=night
    ).reindex(columns=["account_id", "as_of", "expected_recovery"])
    work = partial(_of_shard, store_path, night, min(first.values()), params, store.versions(), scores)
    parts = list(map_shards(work, range(store.shards), params.engine))
    whole = {name: pd.concat([part[name] for part in parts], ignore_index=True) for name in parts[0]}
    rows, by_score = staged(whole["contacts"])
    inside = rows[rows["occurred_on"] >= first["span"]]
    named = once(inside[inside["agent"] != ""], [])
    seen = rows[(rows["occurred_on"] >= first["money"]) & (rows["occurred_on"] < until) & (rows["agent"] != "")]
    due = whole["promises"]
    due = due[(due["due_on"] >= first["span"]) & (due["due_on"] < night)]
    spoken = _compared(named.assign(value=named["outcome"].isin(WE_SPOKE).astype(np.float64)))
    kept = _summed(staged(due)[0].assign(is_kept=(due["state"] == "kept").astype(np.int64).to_numpy()), "is_kept", 4)
    money = {
        str(code): _summed(once(own, ["currency"]), "came", None) for code, own in seen.groupby("currency", sort=True)
    }
    return {
        "contacts": "contacts" in store.versions(),
        "made": len(named),
        "unnamed": int(inside.loc[inside["agent"] == "", "contact_id"].nunique()),
        "by_score": by_score,
        "rows": _counts(named),
        "spoken": spoken,
        "kept": kept,
        "money_from": date_of(first["money"]).isoformat(),
        "money_until": date_of(until - 1).isoformat(),
        "money": money,
        "readings": {"spoken": readings(spoken), "kept": readings(kept)}
        | {code: readings(found) for code, found in money.items()},
    }


def _of_shard(
    store_path: Path, night: int, first: int, params: Params, versions: dict[str, int], scores: pd.DataFrame, shard: int
) -> dict[str, pd.DataFrame]:
    held = known(Store(store_path), shard, night, params, versions)
    rows = _contacts(held, night)
    grid = list(range(first, night, GRID_DAYS))
    late = scorable(held.tables, held.ledger, grid, held.terms).frame[["account_no", "as_of", "days_past_due"]]
    late = late.assign(days=bucket(late["days_past_due"]).astype("str"))
    paid = net_payments(held.ledger.settlements, night)
    promised = _promises(held, rows, night)
    rows = rows[rows["occurred_on"] >= first].reset_index(drop=True)
    credit = credited(paid[paid["occurred_on"] >= first], rows[rows["agent"] != ""], params.label.horizon_days)
    rows = rows.merge(credit, on=["contact_id", "account_no"], how="left")
    rows = rows.assign(came=rows["came"].fillna(0).astype(np.int64), paid=rows["paid"].fillna(0).astype(np.int64))
    return {"contacts": _stages(rows, late, scores), "promises": _stages(promised, late, scores)}


def _contacts(held: Known, night: int) -> pd.DataFrame:
    """CONTACT of every contact of ours as last known before the night, but for debits; agent "" where none is named."""
    if "contacts" not in held.tables:
        texts = {name: pd.Series(dtype="str") for name in CONTACT}
        return pd.DataFrame(
            {**texts, **{name: pd.Series(dtype="int64") for name in ("account_no", "occurred_on", "occurred_at")}}
        )
    frame = held.tables["contacts"]
    gone = superseded_on(frame, ["contact_id", "account_no"], "contacts")
    days = frame["occurred_on"].to_numpy()
    ours = is_last_known(frame["known_on"].to_numpy(), gone, night) & (days < night)
    found = frame[ours & (frame["direction"] == "outbound").to_numpy() & (frame["channel"] != NOT_WORK).to_numpy()]
    found = found.merge(held.about[["account_no", "account_id", "debtor_id", "portfolio", "currency"]], on="account_no")
    texts = dict.fromkeys(("channel", "outcome", "agent"), "str")
    told = found.astype(texts)
    return told.assign(agent=told["agent"].fillna(""), outcome=told["outcome"].fillna(""))[list(CONTACT)]


def _promises(held: Known, contacts: pd.DataFrame, night: int) -> pd.DataFrame:
    """Promises that a named collector took and that are kept or broken, as rows of CONTACT with due_on and state."""
    columns = [*CONTACT, "due_on", "state"]
    if "contacts" not in held.tables or held.about.empty:
        return contacts.iloc[:0].assign(due_on=np.int64(0), state="")[columns]
    owners = held.about[["account_no", "account_id"]].sort_values("account_no", ignore_index=True)
    evidence = Evidence(owners.assign(as_of=np.int32(night)), held.tables, held.terms, held.ledger, {})
    made = promises_of(evidence, night)
    made = made[made["state"].isin(["kept", "broken"])].rename(columns={"made_on": "occurred_on"})
    took = contacts[(contacts["outcome"] == "promise") & (contacts["agent"] != "")]
    took = took.sort_values(["account_no", "occurred_at", "contact_id"]).drop_duplicates(
        ["account_no", "occurred_on"], keep="last"
    )
    found = took.merge(made[["account_no", "occurred_on", "due_on", "state"]], on=["account_no", "occurred_on"])
    return found.drop_duplicates(["contact_id", "account_no"], keep="last")[columns]


def credited(payments: pd.DataFrame, contacts: pd.DataFrame, days: int) -> pd.DataFrame:
    """contact_id, account_no, came (minor units), paid (payments): each payment stands with the last contact of its
    account by a named collector on its day or before, fewer than `days` days back; with nobody where there is none.
    """
    order = contacts.sort_values(["occurred_on", "occurred_at", "contact_id"], kind="stable")
    last = pd.merge_asof(
        payments.sort_values("occurred_on", kind="stable").astype({"occurred_on": "int64"}),
        order.assign(on=order["occurred_on"].astype("int64"))[["account_no", "contact_id", "on"]],
        left_on="occurred_on",
        right_on="on",
        by="account_no",
    )  # fmt: skip
    found = last[last["occurred_on"] - last["on"] < days]
    sums = found.groupby(["contact_id", "account_no"])["amount"].agg(came="sum", paid="size")
    return sums.reset_index()


def _stages(rows: pd.DataFrame, late: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """The rows with days, how late the account was, and score, what a list of those days expected of it."""
    order = rows.reset_index(drop=True).sort_values("occurred_on", kind="stable").astype({"occurred_on": "int64"})
    for by, table in (("account_no", late), ("account_id", scores)):
        right = table.sort_values("as_of", kind="stable").astype({"as_of": "int64", by: order[by].dtype})
        order = pd.merge_asof(
            order, right, left_on="occurred_on", right_on="as_of", by=by, tolerance=GRID_DAYS - 1
        ).drop(columns="as_of")  # fmt: skip
    return order.rename(columns={"expected_recovery": "score"}).assign(days=order["days"].fillna(""))


def staged(rows: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The rows with `stage`, which of them are alike, and the books of which it is told by scores: quarters of the
    money expected where lists scored nearly all, else how late the account was.
    """
    scored = rows["score"].notna().groupby(rows["portfolio"]).mean() if len(rows) else pd.Series(dtype="float64")
    by_score = sorted(scored[scored >= MOST_SCORED].index)
    place = rows.groupby(["portfolio", "currency"])["score"].rank(pct=True, method="average")
    quarter = np.minimum((place * QUARTERS).fillna(0).astype(int), QUARTERS - 1).astype("str")
    return rows.assign(stage=rows["days"].where(~rows["portfolio"].isin(by_score), "q" + quarter)), by_score


def once(rows: pd.DataFrame, apart: list[str]) -> pd.DataFrame:
    """One row for each contact (and each of `apart`) with its weightiest outcome and all that came of it."""
    weight = {outcome: place for place, outcome in enumerate(WE_SPOKE)}
    keys = ["contact_id", "agent", *apart]
    order = rows.assign(weight=rows["outcome"].map(weight).fillna(len(weight))).sort_values(
        ["contact_id", "weight", "outcome", "account_id"], kind="stable"
    )
    sums = order.groupby(keys, sort=False)[["came", "paid"]].transform("sum")
    return order.assign(**sums).drop_duplicates(keys).reset_index(drop=True)


def _counts(named: pd.DataFrame) -> list[list[Any]]:
    found = named.assign(spoke=named["outcome"].isin(WE_SPOKE), promised=named["outcome"] == "promise")
    by = found.groupby("agent", sort=True).agg(
        contacts=("contact_id", "size"),
        debtors=("debtor_id", "nunique"),
        spoken=("spoke", "sum"),
        promises=("promised", "sum"),
    )
    return [[str(who), *map(int, row)] for who, *row in by.itertuples(name=None)]


def _like(rows: pd.DataFrame) -> pd.DataFrame:
    kinds = rows[KIND].astype("str").agg("|".join, axis=1) if len(rows) else pd.Series(dtype="str")
    work = rows.assign(who=rows["agent"].astype("str"), kind=kinds)[["who", "debtor_id", "kind", "value"]]
    return like_for_like(work, LEAST_PEOPLE, LEAST_EVENTS).set_index("who")


def _compared(rows: pd.DataFrame) -> dict[str, list[Any]]:
    return {str(who): _told(row, 4) for who, row in _like(rows).iterrows()}


def _told(row: pd.Series, places: int | None) -> list[Any]:
    """Rows compared, then came and expected for each, the difference and its ends: nothing without an interval."""
    size = int(row["compared"])
    if not np.isfinite(row["difference"]):
        return [size, *[None] * 5]
    cells = (row["came"] / size, row["expected"] / size, *row[["difference", "low", "high"]])
    return [size, *(round(float(cell), places) for cell in cells)]


def readings(found: dict[str, list[Any]]) -> list[int]:
    """Of the compared, how many differences lie above nothing, below it, on both sides, and were not told."""
    ends = [row[-2:] for row in found.values() if row[-1] is not None]
    more, less = sum(low > 0 for low, _ in ends), sum(high < 0 for _, high in ends)
    return [more, less, len(ends) - more - less, len(found) - len(ends)]


def _summed(rows: pd.DataFrame, of: str, places: int | None) -> dict[str, list[Any]]:
    """Collector -> rows, the sum of a column over them, and the column compared."""
    like = _like(rows.assign(value=rows[of].astype(np.float64)))
    sums = rows.groupby("agent")[of].agg(["size", "sum"])
    return {
        str(who): [int(sums["size"][who]), int(sums["sum"][who]), *_told(row, places)] for who, row in like.iterrows()
    }
