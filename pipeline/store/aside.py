"""Rows that ingest set aside: what each is about, and whether what the store holds by now makes it good."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from features.days import day_of_text, instant_of
from features.tables import DELIVERED, NO_DAY, NO_NUMBER, account_number
from pipeline.store.form import DECISIONS, QUARANTINED, row_name, to_inner
from pipeline.store.store import Store

# Table -> the columns by which a stored row is the one that was set aside, on its account; and that of its own day,
# which stands in for an empty known_at.
_SAME = {
    "accounts": ((), "opened_on"),
    "charges": (("charge_no",), "issued_on"),
    "balances": (("taken_on",), "taken_on"),
    "payments": (("payment_no",), "occurred_at"),
    "contacts": (("contact_no",), "occurred_at"),
    "statuses": (("status", "from_on", "charge_no"), "from_on"),
    "offers": (("offer_no",), "made_at"),
    "plans": (("plan_no", "due_on"), "agreed_on"),
    "placements": (("placement_no",), "placed_on"),
}
_NUMBERED = {
    "payment_no": "payment_id",
    "charge_no": "charge_id",
    "contact_no": "contact_id",
    "offer_no": "offer_id",
    "plan_no": "plan_id",
    "placement_no": "placement_id",
}
_DAYS = ("from_on", "taken_on", "due_on")
_CONTRADICTS = "DUP_CONFLICT|ACCT_CHANGED"
_UNTIMED = ("TS_FORMAT", "TS_NAIVE", "TS_KNOWN_BEFORE_EVENT", "TS_FUTURE")
_BADLY_DATED = "TS_FUTURE|TS_KNOWN_BEFORE_EVENT"  # what known_at says is the fault itself
QUARANTINED_COLUMNS = ["table", "codes", "raw", "ingest_id"]  # that `of_accounts` asks for
_NO_TIME = np.iinfo(np.int64).min


def needed(name: str) -> list[str]:
    """The columns of a table that `made_good` asks for."""
    columns = ["account_no", *_SAME[name][0], "known_at", "known_on"]
    return columns + (["charge_no", "reverses_no"] if name == "payments" else [])


def of_accounts(held: pd.DataFrame) -> pd.DataFrame:
    """Rows of the quarantine (QUARANTINE) that name an account: row (its name), table, codes, ingest_id, account_no,
    the columns of _SAME, known_on (NO_DAY: not told) and known_at (microseconds where an offset tells them).
    """
    held = held[held["table"].isin(list(_SAME))] if len(held) else pd.DataFrame(columns=QUARANTINED_COLUMNS)
    cells = [{name: cell.strip() for name, cell in json.loads(raw).items()} for raw in held["raw"]]
    names = [row.get("account_id", "") for row in cells]
    told = pd.DataFrame(
        {
            "row": [row_name(*named) for named in zip(held["table"], held["codes"], held["raw"], strict=True)],
            "table": held["table"].to_numpy(),
            "codes": held["codes"].to_numpy(),
            "ingest_id": held["ingest_id"].to_numpy(),
            "account_no": _numbers(names),
            **{number: _numbers([row.get(name, "") for row in cells]) for number, name in _NUMBERED.items()},
            **{day: np.array([_day(row.get(day, "")) for row in cells], np.int64) for day in _DAYS},
            "status": [row.get("status", "") for row in cells],
        }
    )
    known = [
        row.get("known_at") or row.get(_SAME[table][1], "") for table, row in zip(told["table"], cells, strict=True)
    ]
    is_told = ~told["codes"].str.contains(_BADLY_DATED).to_numpy(dtype=bool) if len(told) else np.array([], bool)
    told["known_on"] = np.where(is_told, np.array([_day(text) for text in known], np.int64), NO_DAY)
    told["known_at"] = np.where(is_told, np.array([_instant(text) for text in known], np.int64), _NO_TIME)
    return told[np.array([bool(name) for name in names], bool)].reset_index(drop=True)


def waiting_lines(store: Store) -> pa.Table | None:
    """Payments set aside on which nobody decided: payment_id, account_no, line (what one set of a receipt holds once),
    known (the text of its time, null where that is a fault) and ingest_id; None where there are none.
    """
    held = store.read(QUARANTINED, QUARANTINED_COLUMNS)
    if held.empty:
        return None
    told = store.read(DECISIONS, ["row"])
    decided = set() if told.empty else set(told["row"])
    found, names = [], []
    for table, codes, raw, ingest_id in held[held["table"] == "payments"].itertuples(index=False):
        if row_name(table, codes, raw) in decided:
            continue
        cells = {name: cell.strip() for name, cell in json.loads(raw).items()}
        account, charge = cells.get("account_id", ""), cells.get("charge_id", "")
        timed = not set(_UNTIMED) & set(codes.split())
        names.append(account)
        found.append(
            {
                "payment_id": cells.get("payment_id", ""),
                "line": json.dumps([account, charge]),
                "known": (cells.get("known_at") or cells.get("occurred_at", "")) if timed else None,
                "ingest_id": ingest_id,
            }
        )
    if not found:
        return None
    known = pa.array([row["known"] for row in found], pa.string())  # of nulls alone Arrow knows no text
    lines = pa.Table.from_pylist(found).drop_columns("known").append_column("known", known)
    return lines.append_column("account_no", pa.array(_numbers(names), pa.int64()))


def made_good(rows: pd.DataFrame, tables: Mapping[str, pd.DataFrame], store: Store) -> np.ndarray:
    """bool for each row of `of_accounts`: whether the store holds it as it should have been, or something newer in its
    place; a row that was known before it does not count, for that is what the row was to change.

    A row that contradicts a stored one (DUP_CONFLICT, ACCT_CHANGED) is made good by a later version, or, of payments,
    by a reversal of what it contradicts; a status whose first day cannot be read, by one of its kind that the store did
    not hold after the delivery that set it aside. tables: with the columns of `needed`.
    """
    good = np.zeros(len(rows), bool)
    for name in _SAME:
        own = (rows["table"] == name).to_numpy(dtype=bool)
        if own.any() and name in tables:
            good[own] = _of_table(rows[own], tables[name], name)
    undated = np.flatnonzero((rows["table"] == "statuses") & (rows["from_on"] == NO_DAY))
    if undated.size and "statuses" in tables:
        after = {record.ingest_id: record.versions.get("statuses") for record in store.deliveries()}
        for place in undated:
            row = rows.iloc[place]
            version = after.get(row["ingest_id"])
            then = set() if version is None else _like(row, _statuses(store.path, version))
            good[place] = bool(_like(row, tables["statuses"]) - then)
    return good


def _with_charges(rows: pd.DataFrame) -> pd.DataFrame:
    """Stores of before knew no charge of a status."""
    return rows if "charge_no" in rows else rows.assign(charge_no=np.int64(NO_NUMBER))


def _like(row: pd.Series, statuses: pd.DataFrame) -> set[tuple[int, int]]:
    """First day and known_at of the statuses of a row's kind, account and charge."""
    statuses = _with_charges(statuses)
    is_alike = (statuses["account_no"] == row["account_no"]) & (statuses["charge_no"] == row["charge_no"])
    alike = statuses[is_alike & (statuses["status"].astype("str") == row["status"])]
    return set(zip(alike["from_on"].tolist(), alike["known_at"].tolist(), strict=True))


@lru_cache(maxsize=4)
def _statuses(path: Path, version: int) -> pd.DataFrame:
    """The statuses of a version, whichever shard they lie in."""
    store = Store(path)
    there = store.delta.schema("statuses", version).names
    columns = [name for name in ("account_no", "status", "from_on", "charge_no", "known_at") if name in there]
    parts = [store.raw_rows("statuses", version, columns, shard) for shard in range(store.shards)]
    return to_inner(pa.concat_tables(parts))


def _of_table(rows: pd.DataFrame, table: pd.DataFrame, name: str) -> np.ndarray:
    columns = ["account_no", *_SAME[name][0]]
    held = _with_charges(table[table["account_no"].isin(rows["account_no"])])
    held = held[sorted({*columns, "known_at", "known_on", *({"charge_no"} if name == "payments" else ())})]
    if "status" in columns:
        held = held.assign(status=held["status"].astype("str"))
    pairs = rows.assign(place=np.arange(len(rows))).merge(held, on=columns, suffixes=("", "_held"))
    timed = (pairs["known_at"] != _NO_TIME).to_numpy(dtype=bool)
    newer = np.where(timed, pairs["known_at_held"] > pairs["known_at"], pairs["known_on_held"] > pairs["known_on"])
    as_new = np.where(timed, pairs["known_at_held"] >= pairs["known_at"], pairs["known_on_held"] >= pairs["known_on"])
    contradicts = pairs["codes"].str.contains(_CONTRADICTS).to_numpy(dtype=bool)
    if name == "payments":  # another line of the receipt is another payment, unless a later set replaced it
        as_new &= (pairs["charge_no"] == pairs["charge_no_held"]).to_numpy(dtype=bool) | newer
    stands = np.where(contradicts, newer & DELIVERED[name].versioned, as_new)
    good = np.isin(np.arange(len(rows)), pairs["place"].to_numpy()[stands])
    if name == "payments":
        reversed_ = np.isin(rows["payment_no"].to_numpy(), table["reverses_no"].to_numpy())
        good |= rows["codes"].str.contains(_CONTRADICTS).to_numpy(dtype=bool) & reversed_
    return good


def _numbers(ids: Sequence[str]) -> np.ndarray:
    if not ids:
        return np.array([], np.int64)
    return np.where([bool(name) for name in ids], account_number([name or "?" for name in ids]), NO_NUMBER)


def _day(text: str) -> int:
    try:
        return day_of_text(text[:10])
    except ValueError:
        return NO_DAY


def _instant(text: str) -> int:
    """Microseconds of a time with an offset; _NO_TIME for any other text."""
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return _NO_TIME
    if moment.tzinfo is None:
        return _NO_TIME
    return (moment - instant_of(0)) // dt.timedelta(microseconds=1)
