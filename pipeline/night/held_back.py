"""Accounts that must wait for what the law does not read: rows that ingest set aside, credits on other accounts, and
settlements that were accepted or paid.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from features.aliases import ALIAS_COLUMNS, AS_DELIVERED, Link, last_of, links_of
from pipeline.law.disputes import disputed_arrears
from pipeline.law.question import Sight
from pipeline.night.former_offers import accepted_settlements, closed_by_settlement
from pipeline.panel.view import View
from pipeline.params import Params
from pipeline.store.aside import QUARANTINED_COLUMNS, made_good, of_accounts
from pipeline.store.form import DECISIONS, QUARANTINED, row_name, to_inner
from pipeline.store.store import Store

CREDIT = "debtor.credit"  # rule that defers for what the debtor's other accounts hold
SETTLED = "settlement.accepted"  # rule that defers for a settlement that is agreed and not yet paid
CLOSED = "settlement.paid"  # rule that defers for one that was paid, until what it let off is written off
TOLD = ("payments", "statuses", "plans", "placements")  # tables whose rows decide whether an account may be worked


def held_back(
    seen: View, store: Store, versions: Mapping[str, int], night: int, params: Params
) -> dict[str, frozenset[int]]:
    """Rule of law.causes.HELD_BACK -> numbers of the accounts of a view that it defers."""
    found = {"row.set_aside": set_aside(seen.tables, store, versions)}
    if params.treatments is not None:
        rows, came = seen.cohort.frame, (seen.tables, seen.ledger.settlements)
        found[SETTLED] = accepted_settlements(*came, night, params)
        closed = closed_by_settlement(*came, rows, night, params)
        found[CLOSED] = frozenset(rows["account_no"].to_numpy()[closed].tolist())
    if params.worklist.defer_for_credit:
        rows = seen.cohort.frame
        asked = asked_for(rows, disputed_arrears(seen.tables, rows, Sight(night)))
        held = seen.matrix["debtor_credit"].to_numpy()
        found[CREDIT] = frozenset(rows["account_no"].to_numpy()[(held > 0) & (held >= asked)].tolist())
    return found


def asked_for(rows: pd.DataFrame, disputed: np.ndarray) -> np.ndarray:
    """int64 minor units per scorable account: its arrears, or its balance where nothing is overdue, less disputes."""
    return rows["arrears"].where(rows["arrears"] > 0, rows["balance"]).to_numpy(np.int64) - disputed


def set_aside(tables: Mapping[str, pd.DataFrame], store: Store, versions: Mapping[str, int]) -> frozenset[int]:
    """Accounts with a payment, status, plan or placement that lies in the quarantine: not released, not discarded, and
    made good by no later delivery; and those of debtors that a link in the quarantine calls the same, while it is not
    known whether they are.

    What makes a row good: pipeline.store.aside.
    """
    if QUARANTINED not in versions:
        return frozenset()
    rows = _quarantined(store.path, versions[QUARANTINED])
    if DECISIONS in versions:
        rows = rows[~rows["row"].isin(_decided(store.path, versions[DECISIONS]))]
    rows = rows[rows["account_no"].isin(tables["accounts"]["account_no"])]
    good = made_good(rows, tables, store)
    accounts, doubtful = tables["accounts"], list(_links_in_doubt(store, versions))
    of_links = accounts["debtor_id"].isin(doubtful).to_numpy(dtype=bool)
    if AS_DELIVERED in accounts:
        of_links = of_links | accounts[AS_DELIVERED].isin(doubtful).to_numpy(dtype=bool)
    return frozenset([*rows["account_no"].to_numpy()[~good], *accounts["account_no"].to_numpy()[of_links]])


def _links_in_doubt(store: Store, versions: Mapping[str, int]) -> set[str]:
    """Debtors that a link in the quarantine names, and those whom the links in force make of them; not where these say
    the same as it, or a delivery after its own told another link of its debtor. An empty same_as is the debtor itself.
    """
    persons = store.persons(versions)
    links = list(persons.links) if persons is not None else []
    in_force = {link.debtor_id: link.same_as for link in links}
    decided = _decided(store.path, versions[DECISIONS]) if DECISIONS in versions else frozenset()
    found: set[str] = set()
    for row, debtor_id, same_as, held in _quarantined_links(store.path, versions[QUARANTINED]):
        other = same_as or debtor_id
        last = {last_of(name, in_force) for name in (debtor_id, other)}
        holds_already = in_force.get(debtor_id, debtor_id) == debtor_id if other == debtor_id else len(last) == 1
        told_later = any(link.debtor_id == debtor_id and link not in held for link in links)
        if row not in decided and not holds_already and not told_later:
            found |= {debtor_id, other, *last} - {""}
    return found


@lru_cache(maxsize=4)
def _quarantined_links(store: Path, version: int) -> list[tuple[str, str, str, frozenset[Link]]]:
    """Row, debtor_id and same_as of every link set aside, and the links that the store held after its delivery."""
    columns = ["table", "codes", "raw", "ingest_id"]
    whole = Store(store)
    rows = whole.read(QUARANTINED, columns, versions={QUARANTINED: version})
    rows = rows[rows["table"] == "debtors"] if len(rows) else pd.DataFrame(columns=columns)
    if rows.empty:
        return []
    after = {record.ingest_id: record.versions for record in whole.deliveries()}
    held = {name: _links_held(whole, after[name]) for name in rows["ingest_id"].unique()}
    found = []
    for table, codes, raw, ingest_id in rows[columns].itertuples(index=False):
        cells = json.loads(raw)
        told = cells.get("debtor_id", "").strip(), cells.get("same_as", "").strip()
        found.append((row_name(table, codes, raw), *told, held[ingest_id]))
    return found


def _links_held(store: Store, versions: Mapping[str, int]) -> frozenset[Link]:
    if "debtors" not in versions:
        return frozenset()
    return frozenset(links_of(to_inner(store.raw_rows("debtors", versions["debtors"], ALIAS_COLUMNS, 0))))


@lru_cache(maxsize=4)
def _decided(store: Path, version: int) -> frozenset[str]:
    """Names of the rows that are released or discarded."""
    return frozenset(Store(store).read(DECISIONS, ["row"], versions={DECISIONS: version})["row"])


@lru_cache(maxsize=4)
def _quarantined(store: Path, version: int) -> pd.DataFrame:
    """The rows of TOLD that are set aside (pipeline.store.aside)."""
    held = Store(store).read(QUARANTINED, QUARANTINED_COLUMNS, versions={QUARANTINED: version})
    return of_accounts(held[held["table"].isin(TOLD)] if len(held) else held)
