"""What came of the messages of former nights, by debtor; and the shares of variants that a night goes by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from features.aliases import known_before
from features.settlements import net_payments, settlements
from features.tables import ANSWERS
from models.variants import OUTCOMES, shifted
from pipeline.law.rules import OPT_OUT
from pipeline.messages.texts import SILENT, Message, Messages
from pipeline.night.reminders import said_before
from pipeline.panel.engines import map_shards
from pipeline.params import Params
from pipeline.store.store import Store

WEEK = 7
EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday
OPTED_OUT = sorted(set(OPT_OUT.values()))


def matured(store: Store, versions: Mapping[str, int], night: int, params: Params) -> pd.DataFrame:
    """The first message of each key to each debtor, or that a lot kept from it, that has matured by a night: message,
    variant, probability, p_silent, debtor_id, as_of, and OUTCOMES (1 or 0) within the horizon, by what was known before
    the night. A debtor is counted as drawn, whatever was sent to it.
    """
    persons = store.persons(versions)
    said = said_before(store, known_before(persons.links, night) if persons is not None else {}, night)
    first = said.sort_values("as_of", kind="stable").drop_duplicates(["debtor_id", "message"])
    first = first[first["as_of"] + params.label.gap_days <= night]
    columns = ["debtor_id", "message", "variant", "probability", "p_silent", "as_of"]
    first = first[columns].sort_values(["debtor_id", "message"], ignore_index=True)
    if first.empty:
        return first.assign(**dict.fromkeys(OUTCOMES, 0.0))
    work = partial(_of_shard, store.path, dict(versions), night, params, first)
    return pd.concat(list(map_shards(work, range(store.shards), params.engine)), ignore_index=True)


def _of_shard(
    store_path: Path, versions: Mapping[str, int], night: int, params: Params, first: pd.DataFrame, shard: int
) -> pd.DataFrame:
    names = ["accounts", "payments", "contacts", "statuses"]
    there = [name for name in names if name in versions]
    tables = Store(store_path).tables(shard, there, versions=versions)
    tables = {name: frame[frame["known_on"].to_numpy() < night] for name, frame in tables.items()}
    owner = tables["accounts"].drop_duplicates("account_no", keep="last").set_index("account_no")["debtor_id"]
    own = first[first["debtor_id"].isin(owner)].reset_index(drop=True)
    told = {name: np.zeros(len(own)) for name in OUTCOMES}
    until = own["as_of"].to_numpy() + params.label.horizon_days
    for name, events in _events(tables, owner, night).items():
        met = own[["debtor_id", "as_of"]].reset_index().merge(events, on="debtor_id")
        inside = (met["on"] >= met["as_of"]) & (met["on"].to_numpy() < until[met["index"].to_numpy()])
        told[name][met.loc[inside, "index"].unique()] = 1.0
    return own.assign(**told)


def _events(tables: Mapping[str, pd.DataFrame], owner: pd.Series, night: int) -> dict[str, pd.DataFrame]:
    """Outcome -> debtor_id and day of everything that counts as it; a payment taken back whole by the night is none."""
    found: dict[str, pd.DataFrame] = {}

    def keep(name: str, rows: pd.DataFrame, day: str) -> None:
        told = pd.DataFrame({"debtor_id": rows["account_no"].map(owner).to_numpy(), "on": rows[day].to_numpy(np.int64)})
        found[name] = pd.concat([found[name], told]) if name in found else told

    if "payments" in tables:
        numbers = np.sort(owner.index.to_numpy(np.int64))
        keep("paid", net_payments(settlements(tables["payments"], numbers), night), "occurred_on")
    if "contacts" in tables:
        contacts, outcome = tables["contacts"], tables["contacts"]["outcome"].astype("str")
        answers = [name for name in ANSWERS if name != "complaint"]
        back = (contacts["direction"].astype("str") == "inbound") & ~outcome.isin(["complaint", "unsubscribed"])
        keep("answered", contacts[back | outcome.isin(answers)], "occurred_on")
        keep("complained", contacts[outcome == "complaint"], "occurred_on")
        keep("opted_out", contacts[outcome == "unsubscribed"], "occurred_on")
    if "statuses" in tables:
        statuses = tables["statuses"]
        keep("opted_out", statuses[statuses["status"].astype("str").isin(OPTED_OUT)], "from_on")
    return found


def with_shares(known: Messages, store: Store, versions: Mapping[str, int], night: int, params: Params) -> Messages:
    """The texts with the shares that a night goes by: those declared, or where `adapt` is on those that what had
    matured by the last Monday speaks for.
    """
    reminders = params.reminders
    if reminders is None or not reminders.adapt.on:
        return known
    monday = night - (night + EPOCH_WEEKDAY) % WEEK
    rows = matured(store, versions, monday, params)
    rows = rows[rows["variant"] != SILENT]

    def moved(message: Message) -> Message:
        own, adapt = rows[rows["message"] == message.key], reminders.adapt
        seed = f"{params.seed}|shares|{message.key}|{monday}"
        shares = shifted(own, message.shares, adapt.floor, adapt.matured_per_variant, seed)
        return replace(message, shares=shares)

    return replace(known, messages={key: moved(message) for key, message in known.messages.items()})
