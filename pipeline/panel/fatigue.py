"""The days on which debtors were late, with the messages that they had had and what they did: what models.fatigue.odds
looks at, from the store.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd

from features.ledger import Ledger, figures_at, history
from features.settlements import CASH, net_known
from features.tables import ANSWERS, NOT_ATTEMPTS, InnerTables, account_number
from features.versions import arranged
from models.fatigue import COUNTED_DAYS, STRATA, stratum_of
from pipeline.law.question import Sight
from pipeline.panel.engines import map_shards
from pipeline.panel.view import View, known_before, terms_of
from pipeline.params import MessageChannel, Params
from pipeline.store.store import Store

DAYS_BACK, MOST_DEBTORS = 365, 20_000  # looked at: days before the night, and debtors, by a hash of the seed
# What models.fatigue asks of a day, in few bytes: one row per late account and day.
DAY_KINDS = {"debtor": "int64", "stratum": "int8", "age": "int32", "number": "int32", "spacing": "int32"}
DAY_KINDS |= {"pays": "int8", "answers": "int8"}
NOT_SENT = (*NOT_ATTEMPTS, "bounced")
LATE_COLUMNS = ("account_no", "debtor", "day", "stratum", "age", "number", "spacing", "pays", "answers")


def days_late(
    store: Store, versions: Mapping[str, int], night: int, params: Params, debtors: int = MOST_DEBTORS
) -> pd.DataFrame:
    """LATE_COLUMNS: one row per account and day of the last DAYS_BACK on which it was 1 to 60 days past due as known on
    that day; debtor is the account's. Nothing known from the night on is read. A day on which a payment had been made
    and was not known yet is left out.
    """
    work = partial(_of_shard, store.path, dict(versions), night, params, kept_share(store, versions, debtors))
    return pd.concat(list(map_shards(work, range(store.shards), params.engine)), ignore_index=True)


def kept_share(store: Store, versions: Mapping[str, int], debtors: int = MOST_DEBTORS) -> float:
    """Share of debtors that are looked at, so that they are about so many."""
    return min(1.0, debtors / max(store.delta.rows("accounts", versions["accounts"]), 1))


def days_of_view(seen: View, store: Store, versions: Mapping[str, int], night: int, params: Params) -> pd.DataFrame:
    """DAY_KINDS of the shard of a view that shows every table whole: `days_late` in few bytes, the debtor's number in
    the place of his id.
    """
    if "accounts" not in seen.tables:
        return no_days()
    tables, ledger = known_before(seen, night, terms_of(store, params, versions))
    found = late_days(tables, ledger, night, kept_share(store, versions), params.seed)
    return found.assign(debtor=account_number(found["debtor"])).astype(DAY_KINDS)[list(DAY_KINDS)]


def no_days() -> pd.DataFrame:
    """DAY_KINDS without a row."""
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in DAY_KINDS.items()})


def _of_shard(
    store_path: Path, versions: Mapping[str, int], night: int, params: Params, keep: float, shard: int
) -> pd.DataFrame:
    store = Store(store_path)
    read = ("accounts", "charges", "balances", "payments", "contacts", "statuses")
    names = [name for name in read if name in versions]
    tables = store.tables(shard, names, versions=versions)
    known = InnerTables({name: frame[frame["known_on"].to_numpy() < night] for name, frame in tables.items()})
    return late_days(known, history(known, terms_of(store, params, versions)), night, keep, params.seed)


def late_days(
    tables: Mapping[str, pd.DataFrame], ledger: Ledger, night: int, keep: float = 1.0, seed: int = 0
) -> pd.DataFrame:
    """LATE_COLUMNS of tables that hold nothing known from the night on. keep: share of debtors."""
    accounts = tables["accounts"].drop_duplicates("account_no", keep="last")
    drawn = account_number(accounts["debtor_id"].astype("str") + f"|{seed}") < keep * 2.0**63
    accounts = accounts[drawn].sort_values("account_no")
    numbers, owner = accounts["account_no"].to_numpy(), pd.factorize(accounts["debtor_id"].astype("str"))[0]
    days = np.arange(night - DAYS_BACK, night, dtype=np.int32)
    place, day = np.repeat(np.arange(numbers.size), days.size), np.tile(days, numbers.size)
    _, arrears, days_past_due = figures_at(ledger, numbers[place], day)
    late = (arrears > 0) & (days_past_due >= 1) & (days_past_due <= STRATA[-1])
    place, day, days_past_due = place[late], day[late], days_past_due[late]
    pays, hidden = _paid(ledger, numbers, place, day, night)
    shown = ~hidden
    place, day = place[shown], day[shown]
    age, number, spacing, answers = _heard(tables, numbers, owner, place, day, night)
    return pd.DataFrame(
        {
            "account_no": numbers[place],
            "debtor": accounts["debtor_id"].astype("str").to_numpy()[place],
            "day": day,
            "stratum": stratum_of(days_past_due[shown]),
            "age": age,
            "number": number,
            "spacing": spacing,
            "pays": pays[shown].astype(np.float64),
            "answers": answers.astype(np.float64),
        }
    )


def _keys(place: np.ndarray, day: np.ndarray) -> np.ndarray:
    return place.astype(np.int64) * 10**6 + day


def _paid(
    ledger: Ledger, numbers: np.ndarray, place: np.ndarray, day: np.ndarray, night: int
) -> tuple[np.ndarray, np.ndarray]:
    """(whether cash came in on the day and was not taken back whole by the night, whether some had come in before it
    and was not known yet), per row.
    """
    paid = ledger.settlements
    cash = (paid.kind == CASH) & (paid.known_on < night)
    account, on, known = paid.accounts[paid.position[cash]], paid.occurred_on[cash], paid.known_on[cash]
    row = np.searchsorted(numbers, account).clip(max=max(numbers.size - 1, 0))
    mine = numbers[row] == account if numbers.size else np.zeros(account.size, bool)
    row, on, known = row[mine], on[mine].astype(np.int64), known[mine].astype(np.int64)
    stayed = net_known(paid, night)[cash][mine] > 0
    unseen = np.maximum(known - on, 0)
    step = np.arange(unseen.sum()) - np.repeat(np.cumsum(unseen) - unseen, unseen) + 1
    waiting = _keys(np.repeat(row, unseen), np.repeat(on, unseen) + step)
    own = _keys(place, day)
    return np.isin(own, _keys(row[stayed], on[stayed])), np.isin(own, waiting)


def _heard(
    tables: Mapping[str, pd.DataFrame],
    numbers: np.ndarray,
    owner: np.ndarray,
    place: np.ndarray,
    day: np.ndarray,
    night: int,
) -> tuple[np.ndarray, ...]:
    """(age, number and spacing of the debtor's newest message up to the day, whether it answered on it), per row."""
    if "contacts" not in tables:
        nothing = np.full(day.size, -1, np.int64)
        return nothing, np.zeros(day.size, np.int64), nothing, np.zeros(day.size, bool)
    contacts = arranged(tables["contacts"], "contacts")
    contacts = Sight(night).newest(contacts, ["contact_id", "account_no"], "contacts")
    row = np.searchsorted(numbers, contacts["account_no"].to_numpy()).clip(max=max(numbers.size - 1, 0))
    mine = numbers[row] == contacts["account_no"].to_numpy() if numbers.size else np.zeros(len(contacts), bool)
    contacts, who = contacts[mine], owner[row[mine]]
    on, outcome = contacts["occurred_on"].to_numpy().astype(np.int64), contacts["outcome"].astype("str")
    ours = (contacts["direction"].astype("str") != "inbound").to_numpy()
    sent = ours & contacts["channel"].astype("str").isin(get_args(MessageChannel)).to_numpy()
    sent &= ~outcome.isin(NOT_SENT).to_numpy()
    messages = pd.DataFrame({"who": who, "on": on, "id": contacts["contact_id"].to_numpy()})[sent]
    once = messages.drop_duplicates()
    times = np.sort(_keys(once["who"].to_numpy(), once["on"].to_numpy()))
    own = _keys(owner[place], day)
    last = np.searchsorted(times, own, side="right") - 1
    first_of = np.searchsorted(times, own - day)  # the debtor's first
    has, before = last >= first_of, last - 1 >= first_of
    newest = np.where(has, times[last] if times.size else 0, 0)
    since = np.searchsorted(times, newest - COUNTED_DAYS, side="right")
    number = np.where(has, last - np.maximum(since, first_of) + 1, 0)
    gap = np.where(before, newest - (times[last - 1] if times.size else 0), -1)
    answered = ~ours | outcome.isin(ANSWERS).to_numpy()
    return (
        np.where(has, own - newest, -1),
        number,
        np.where((gap < 0) | (gap > COUNTED_DAYS), -1, gap),
        np.isin(own, _keys(who[answered], on[answered])),
    )
