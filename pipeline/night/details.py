"""What an opened row of the list shows: every reason, and money,
contacts and promises of the last year as known before the night.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from features.catalogue import TREATED
from features.evidence import Evidence
from features.ledger import Ledger
from features.settlements import CASH, net_known
from features.tables import DISPLAY
from features.terms import Terms
from features.versions import is_last_known, superseded_on
from features.vocabulary import PROMISE_STATES
from models.explain import Told, set_apart, told
from models.ladder import PROVEN, UNPROVEN
from models.recovery import load_model
from pipeline.law.limits import limits_of
from pipeline.night.feeds import case_of
from pipeline.night.refusals import ScoresDiffer
from pipeline.night.score import Job, asked
from pipeline.pages.language import voice
from pipeline.pages.publication import Details
from pipeline.panel.engines import map_shards
from pipeline.panel.view import View, terms_of, view
from pipeline.store.store import Store

SHOWN_DAYS = 365
CONTACTS_SHOWN, PAYMENTS_SHOWN, PROMISES_SHOWN = 20, 24, 10
LEARNT = (UNPROVEN, PROVEN)  # states in which the order goes by a learnt effect
SHOWN_REASONS = ("reason_1", "reason_2", "reason_3")


def opened_rows(
    job: Job, listed: pd.DataFrame, language: str, waiting: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, Details]:
    """Reasons of the listed accounts, and of those that wait next in line; details of the listed ones. listed, waiting:
    account_no, account_id, debtor_id, p_recovered, channel, shard.

    Features of their debtors are made again from the same pinned versions; a probability that then differs by a bit is
    refused. What sets an account apart is told among those that it stands with: the list, or who waits.
    """
    both = pd.concat([listed.assign(waits=False), *([] if waiting is None else [waiting.assign(waits=True)])])
    by_shard = [(shard, part) for shard, part in both.groupby("shard", sort=True)]
    parts = list(map_shards(partial(_open_shard, job, language), by_shard, job.params.engine))
    if not parts:
        return pd.DataFrame(columns=["account_no", *SHOWN_REASONS]), Details()
    named, (said, why, sums), rows = _named([part[0] for part in parts])
    sums.insert(0, "account_id", rows["account_id"].to_numpy())
    frames = {"reasons": [_long(said, rows)], "effects": [_long(said.iloc[:0] if why is None else why, rows)]}
    frames["sums"] = [sums]
    for *_, details in parts:
        for name, frame in details.items():
            frames.setdefault(name, []).append(frame)
    beside, *_ = _named([part[1] for part in parts])
    return pd.concat([named, beside], ignore_index=True), Details(
        **{name: pd.concat(found, ignore_index=True) for name, found in frames.items()}
    )


# account_no and account_id of some accounts, and what may be said of them; None of none.
Spoken = tuple[pd.DataFrame, Told | None]


def _named(parts: Sequence[Spoken]) -> tuple[pd.DataFrame, tuple[pd.DataFrame, pd.DataFrame | None, pd.DataFrame], Any]:
    """SHOWN_REASONS and account_no of the accounts of all shards, `set_apart` of them, and who they are."""
    rows = pd.concat([rows for rows, _ in parts], ignore_index=True)
    said, why, sums = set_apart([told for _, told in parts if told is not None])
    named = (said if why is None else _why_first(why, said))[list(SHOWN_REASONS)]
    return named.assign(account_no=rows["account_no"].to_numpy()), (said, why, sums), rows


def _open_shard(
    job: Job, language: str, item: tuple[int, pd.DataFrame]
) -> tuple[Spoken, Spoken, dict[str, pd.DataFrame]]:
    """What may be said of the shard's listed accounts, and of those that wait; details of the listed ones."""
    shard, both = item
    store = Store(job.store_path)
    whole = view(store, shard, [job.as_of], job.params, job.versions, debtors=both["debtor_id"].drop_duplicates())
    model = load_model(job.model.folder, job.model.sha256)
    by_effect = job.params.value.mode == "added" and job.rung.state in LEARNT

    def spoken_of(rows: pd.DataFrame) -> tuple[View, Spoken]:
        seen = _of_debtors(whole, rows["account_no"])
        cohort, matrix = seen.cohort.frame, asked(model, seen.matrix)
        if cohort.empty:
            return seen, (cohort[["account_no", "account_id"]], None)
        again = model.predict(matrix, cohort)["p_recovered"].to_numpy()
        once = rows.set_index("account_no")["p_recovered"].reindex(cohort["account_no"]).to_numpy()
        differ = again != once
        if differ.any():
            raise ScoresDiffer.again(list(cohort["account_id"][differ]))
        found = told(model, matrix, cohort, TREATED, voice(language), by_effect)
        return seen, (cohort[["account_no", "account_id"]].reset_index(drop=True), found)

    listed, waiting = both[~both["waits"].to_numpy()], both[both["waits"].to_numpy()]
    seen, spoken = spoken_of(listed)
    _, beside = spoken_of(waiting)
    planned = dict(zip(listed["account_no"].tolist(), listed["channel"].astype("str"), strict=True))
    narrowed = limits_of(case_of(whole, store, job.versions, job.as_of, job.params), planned, job.as_of)
    details = details_of(seen, spoken[0]["account_no"].to_numpy(), terms_of(store, job.params, job.versions))
    shown = display_of(store, shard, pd.concat([spoken[0], beside[0]], ignore_index=True), job)
    return spoken, beside, {"limits": narrowed, "display": shown, **details}


def display_of(store: Store, shard: int, rows: pd.DataFrame, job: Job) -> pd.DataFrame:
    """account_id and the display_* columns of some accounts, as known before the night; "" where nothing is told."""
    names = sorted(name for name in store.extra_columns("accounts", job.versions) if name.startswith(DISPLAY))
    if not names:
        return rows[["account_id"]]
    columns = {"accounts": ["account_no", "known_at", "known_on", *names]}
    held = store.tables(shard, ["accounts"], columns, job.versions)["accounts"]
    held = held[held["account_no"].isin(rows["account_no"]) & (held["known_on"].to_numpy() < job.as_of)]
    last = held.sort_values("known_at", kind="stable").drop_duplicates("account_no", keep="last")
    told = last.set_index("account_no")[names].reindex(rows["account_no"]).reset_index(drop=True)
    return rows[["account_id"]].join(told.astype("str").where(told.notna(), ""))


def _long(said: pd.DataFrame, cohort: pd.DataFrame) -> pd.DataFrame:
    """account_id, reason, contribution: a row per reason, in the order of its place."""
    named = {place: {f"reason_{place}": "reason", f"strength_{place}": "contribution"} for place in (1, 2, 3)}
    owners = cohort["account_id"].iloc[: len(said)]
    long = [
        said[list(names)].rename(columns=names).assign(account_id=owners, place=place) for place, names in named.items()
    ]
    shown = pd.concat(long, ignore_index=True)[["account_id", "place", "reason", "contribution"]]
    return shown[shown["reason"] != ""].sort_values(["account_id", "place"], ignore_index=True).drop(columns="place")


def _why_first(why: pd.DataFrame, said: pd.DataFrame) -> pd.DataFrame:
    """Why a call changes something, where there is such a reason, and then why the account pays: that is what the
    order goes by."""
    moved = said.assign(reason_1=why["reason_1"], reason_2=said["reason_1"], reason_3=said["reason_2"])
    silent = moved["reason_1"] == ""
    moved.loc[silent, list(SHOWN_REASONS)] = said.loc[silent, list(SHOWN_REASONS)]
    return moved


def _of_debtors(seen: View, accounts: Sequence[int]) -> View:
    keep = seen.cohort.frame["account_no"].isin(accounts).to_numpy()
    frame = seen.cohort.frame[keep].reset_index(drop=True)
    return replace(seen, cohort=replace(seen.cohort, frame=frame), matrix=seen.matrix[keep].reset_index(drop=True))


def details_of(seen: View, listed: np.ndarray, terms: Terms) -> dict[str, pd.DataFrame]:
    """The frames `balances`, `payments`, `contacts` and `promises` of
    pipeline.pages.publication.Details for the listed account numbers.

    Rows of one night; nothing known on or after it is shown. Payments are net of reversals known by then; those taken
    back whole are left out.
    """
    cohort = seen.cohort.frame
    rows = cohort[cohort["account_no"].isin(listed)].sort_values(["account_no", "as_of"], ignore_index=True)
    names = rows.set_index("account_no")["account_id"]
    if rows.empty:
        return {}
    night = int(rows["as_of"].iloc[0])
    found = {"balances": _balances(seen.ledger, names, night), "payments": _payments(seen.ledger, names, night)}
    if "contacts" in seen.tables:
        found["contacts"] = _contacts(seen.tables, names, night)
        found["promises"] = _promises(rows, seen, terms)
    return found


def _balances(ledger: Ledger, names: pd.Series, night: int) -> pd.DataFrame:
    """One row per change of the balance in the last year, and the balance it began with."""
    owners, days, balances = [], [], []
    for account, place in zip(names.index, ledger.positions(names.index.to_numpy()), strict=True):
        first, last = ledger.offsets[place], ledger.offsets[place + 1]
        start, balance = ledger.start[first:last], ledger.balance[first:last]
        known = start <= night
        start, balance = start[known], balance[known]
        began = max(int(np.searchsorted(start, night - SHOWN_DAYS, side="right")) - 1, 0)
        start, balance = np.maximum(start[began:], night - SHOWN_DAYS), balance[began:]
        changed = np.ones(len(balance), dtype=bool)
        changed[1:] = balance[1:] != balance[:-1]
        owners += [names[account]] * int(changed.sum())
        days.append(start[changed])
        balances.append(balance[changed])
    return pd.DataFrame(
        {
            "account_id": pd.Series(owners, dtype="str"),
            "on": _joined(days, np.int32),
            "balance": _joined(balances, np.int64),
        }
    )


def _payments(ledger: Ledger, names: pd.Series, night: int) -> pd.DataFrame:
    held = ledger.settlements
    if held is None:
        return pd.DataFrame({"account_id": pd.Series(dtype="str"), "occurred_on": [], "amount": [], "kind": []})
    numbers = held.accounts[held.position]
    shown = (
        np.isin(numbers, names.index.to_numpy()) & (held.known_on < night) & (held.occurred_on >= night - SHOWN_DAYS)
    )
    net = net_known(held, night)
    rows = np.flatnonzero(shown & (net > 0))
    frame = pd.DataFrame(
        {
            "account_id": names.reindex(numbers[rows]).to_numpy(),
            "occurred_on": held.occurred_on[rows],
            "amount": net[rows],
            "kind": np.where(held.kind[rows] == CASH, "payment", "credit"),
        }
    )
    return frame.groupby("account_id", sort=False).tail(PAYMENTS_SHOWN).reset_index(drop=True)


def _contacts(tables: Mapping[str, pd.DataFrame], names: pd.Series, night: int) -> pd.DataFrame:
    frame = tables["contacts"]
    gone = superseded_on(frame, ["contact_id", "account_no"], "contacts")
    days = frame["occurred_on"].to_numpy()
    in_force = is_last_known(frame["known_on"].to_numpy(), gone, night) & (days < night) & (days >= night - SHOWN_DAYS)
    rows = frame[in_force & frame["account_no"].isin(names.index).to_numpy()].iloc[::-1]
    shown = rows[["occurred_on", "occurred_minute", "channel", "direction", "outcome"]].copy()
    shown.insert(0, "account_id", names.reindex(rows["account_no"]).to_numpy())
    return shown.groupby("account_id", sort=False).head(CONTACTS_SHOWN).reset_index(drop=True)


def _promises(rows: pd.DataFrame, seen: View, terms: Terms) -> pd.DataFrame:
    """Promises made in the last year; due_on follows from the days until it."""
    events = Evidence(rows, seen.tables, terms, seen.ledger, {}).events("promises", ("amount", "due_in", "state"))
    counts = events.last - events.first
    owner = np.repeat(np.arange(len(rows)), counts)
    place = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(events.first, counts)
    state = events.classes["state"].codes()[place]
    night = rows["as_of"].to_numpy()[owner]
    frame = pd.DataFrame(
        {
            "account_id": rows["account_id"].to_numpy()[owner],
            "made_on": events.day[place],
            "due_on": night + events.measures["due_in"][place],
            "amount": events.measures["amount"][place],
            "state": np.array([*PROMISE_STATES, ""], dtype=object)[state],
        }
    )
    judged = frame["state"].isin(["kept", "broken", "open"]) & (frame["made_on"] >= night - SHOWN_DAYS)
    newest = frame[judged].iloc[::-1]
    return newest.groupby("account_id", sort=False).head(PROMISES_SHOWN).reset_index(drop=True)


def _joined(parts: list[np.ndarray], dtype: type) -> np.ndarray:
    return np.concatenate(parts).astype(dtype) if parts else np.empty(0, dtype)
