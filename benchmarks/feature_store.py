"""A made-up store of a given size, written shard by shard: events uniform in time,
without meaning beyond their number.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.days import DAY_SECONDS, DAY_US
from features.tables import (
    CHANNELS,
    DIRECTIONS,
    NO_DAY,
    NO_MONEY,
    NUMBERS,
    OUTCOMES,
    account_number,
    numbered,
)
from pipeline.intake.quarantine import RULE_VERSION
from pipeline.store import commit
from pipeline.store.files import FileWriter
from pipeline.store.form import disk_schema
from pipeline.store.locks import only_run
from pipeline.store.record import Delivered, State
from pipeline.store.store import Store

NIGHT = 20_000  # day number of the newest night asked for
HISTORY_DAYS = 730
PAYMENTS_EACH, CONTACTS_EACH, CHARGES_EACH = 20, 30, 6
ACCOUNTS_PER_SHARD, LEAST_SHARDS = 50_000, 4  # the product's own params say 4
EMPTY = {pa.date32(): NO_DAY, pa.int64(): NO_MONEY}


def stored(place: Path, accounts: int, seed: int) -> Store:
    """The store, written once; a run that was cut off is begun again."""
    if not (place / "deliveries").exists():
        shards = max(LEAST_SHARDS, accounts // ACCOUNTS_PER_SHARD)
        store = commit.create(place, shards)
        debtors = np.array([f"D{number}" for number in range(accounts)], object)
        owner = account_number(debtors) % shards
        files: dict[str, list] = {}
        with only_run(place), commit.staged(store) as staging:
            for shard in range(shards):
                frames = made_up(debtors[owner == shard], np.random.default_rng((seed, shard)), f"{shard}-")
                for name, frame in frames.items():
                    schema = disk_schema(name, {})
                    writer = FileWriter(staging / f"{name}-{shard}.parquet", str(shard), schema)
                    writer.write(_on_disk(frame, schema))
                    files.setdefault(name, []).append(writer.close())
            reach = {name: dict.fromkeys(PORTFOLIOS, NIGHT) for name in files}
            spans = dict.fromkeys(files, (NIGHT - HISTORY_DAYS, NIGHT - 1))
            state = State(reach, reach, spans, dict.fromkeys(PORTFOLIOS, "UTC"), ["EUR"])
            record = Delivered(
                ingest_id=f"{accounts}-{seed}",
                number=1,
                content_id="",
                settings="",
                backfill=False,
                accepted_volume=None,
                files={},
                tables=[],
                warnings=[],
                rule_version=RULE_VERSION,
                loaded_at="",
                state=state,
            )
            commit.deliver(store, files, {}, record)
    return Store(place)


PORTFOLIOS = ("cards", "loans", "energy")


def made_up(debtors: np.ndarray, random: np.random.Generator, prefix: str) -> dict[str, pd.DataFrame]:
    """As many accounts as debtors, some of whom own several, with their events in the inner form."""
    accounts = debtors.size
    ids = _ids(f"A{prefix}", np.arange(accounts))
    numbers = account_number(ids)
    order = np.argsort(numbers)
    numbers, ids = numbers[order], ids.iloc[order].reset_index(drop=True)
    opened = (NIGHT - HISTORY_DAYS - random.integers(0, 300, accounts)).astype(np.int32)
    principal = random.integers(100_000, 1_000_000, accounts)
    known = pd.DataFrame(
        {
            "account_no": numbers,
            "account_id": ids,
            "debtor_id": pd.Series(debtors[random.integers(0, accounts, accounts)], dtype="str"),
            "portfolio": _classes(random, accounts, PORTFOLIOS),
            "product": _classes(random, accounts, ("x", "y", "z")),
            "debtor_type": _classes(random, accounts, ("consumer",)),
            "currency": _classes(random, accounts, ("EUR",)),
            "opened_on": opened,
            "placed_on": opened + np.int32(300),
            "principal": principal,
            "jurisdiction": _classes(random, accounts, ("FR",)),
            "time_zone": _classes(random, accounts, ("Europe/Paris",)),
            "known_at": opened.astype(np.int64) * DAY_US,
            "known_on": opened,
        }
    )
    who, which = np.repeat(np.arange(accounts), CHARGES_EACH), np.tile(np.arange(CHARGES_EACH), accounts)
    charges = pd.DataFrame(
        {
            "account_no": numbers[who],
            "charge_id": _ids("C", which),
            "issued_on": opened[who],
            "due_on": (opened[who] + which * 60 + 30).astype(np.int32),
            "amount": principal[who] // CHARGES_EACH,
            "kind": pd.Categorical.from_codes(np.zeros(who.size, np.int8), ["instalment"]),
            "known_at": opened[who].astype(np.int64) * DAY_US,
            "known_on": opened[who],
        }
    )
    number, at = _moments(random, accounts, PAYMENTS_EACH)
    reverses = (random.random(at.size) < 0.02) & (np.append(-1, number[:-1]) == number)  # of the payment before
    reverses &= ~np.append(False, reverses[:-1])
    lag = random.integers(0, 3, at.size) * DAY_US
    amount = random.integers(500, 30_000, at.size)
    amount[reverses] = np.minimum(amount, np.append(amount[:1], amount[:-1]))[reverses]
    payments = pd.DataFrame(
        {
            "account_no": numbers[number],
            "payment_id": _ids(f"P{prefix}", np.arange(at.size)),
            "occurred_at": at,
            "occurred_on": _day(at),
            "amount": amount,
            "kind": pd.Categorical.from_codes(reverses.astype(np.int8), ["payment", "reversal"]),
            "reverses": _ids(f"P{prefix}", np.where(reverses, np.arange(at.size) - 1, -1)),
            "method": _classes(random, at.size, ("card", "debit", "transfer")),
            "known_at": at + lag,
            "known_on": _day(at + lag),
        }
    )
    number, at = _moments(random, accounts, CONTACTS_EACH)
    promised = random.random(at.size) < 0.03
    outcome = np.where(promised, OUTCOMES.index("promise"), random.integers(-1, 7, at.size)).astype(np.int8)
    contacts = pd.DataFrame(
        {
            "account_no": numbers[number],
            "contact_id": _ids(f"K{prefix}", np.arange(at.size)),
            "occurred_at": at,
            "occurred_on": _day(at),
            "occurred_minute": (at // 60_000_000 % 1440).astype(np.int16),
            "channel": _classes(random, at.size, CHANNELS),
            "direction": pd.Categorical.from_codes((random.random(at.size) < 0.1).astype(np.int8), DIRECTIONS),
            "outcome": pd.Categorical.from_codes(outcome, OUTCOMES),
            "promise_amount": np.where(promised, 10_000, NO_MONEY),
            "promise_due_on": np.where(promised, _day(at) + 10, NO_DAY).astype(np.int32),
            "cost": np.full(at.size, 120),
            "known_at": at,
            "known_on": _day(at),
        }
    )
    contacts = _corrected(contacts, random)
    planned = np.arange(0, accounts, 10)
    since = opened[planned] + np.int32(400)
    statuses = pd.DataFrame(
        {
            "account_no": numbers[planned],
            "status": pd.Categorical(["plan"] * planned.size),
            "from_on": since,
            "known_at": since.astype(np.int64) * DAY_US,
            "known_on": since,
        }
    )
    return {"accounts": known, "charges": charges, "payments": payments, "contacts": contacts, "statuses": statuses}


def _corrected(contacts: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """One contact in a hundred is delivered again some days later, under another channel:
    the later row replaces the earlier.
    """
    again = contacts[random.random(len(contacts)) < 0.01].copy()
    lag = random.integers(1, 6, len(again))
    again["known_at"] += lag * DAY_US
    again["known_on"] += lag.astype(np.int32)
    again["channel"] = _classes(random, len(again), CHANNELS)
    whole = pd.concat([contacts, again], ignore_index=True)
    return whole.iloc[
        np.lexsort([whole[name].to_numpy() for name in ("known_at", "occurred_at", "account_no")])
    ].reset_index(drop=True)


def _moments(random: np.random.Generator, accounts: int, each: int) -> tuple[np.ndarray, np.ndarray]:
    """Account and instant of events, sorted by both."""
    number = np.sort(random.integers(0, accounts, accounts * each))
    at = random.integers((NIGHT - HISTORY_DAYS) * DAY_SECONDS, NIGHT * DAY_SECONDS, number.size) * 1_000_000
    return number, at[np.lexsort((at, number))]


def _day(at: np.ndarray) -> np.ndarray:
    return (at // DAY_US).astype(np.int32)


def _ids(letter: str, numbers: np.ndarray) -> pd.Series:
    """Letter and number; -1 gives an empty cell."""
    texts = pc.binary_join_element_wise(letter, pa.array(numbers).cast(pa.string()), "")
    return pd.Series(pc.if_else(pa.array(numbers >= 0), texts, None).to_pandas(), dtype="str")


def _classes(random: np.random.Generator, size: int, values: tuple[str, ...]) -> pd.Categorical:
    return pd.Categorical.from_codes(random.integers(0, len(values), size).astype(np.int8), list(values))


def _on_disk(frame: pd.DataFrame, schema: pa.Schema) -> pa.Table:
    """The inner form as the store keeps it: empty days and amounts are nulls, columns left out are empty."""
    arrays = []
    frame = frame.assign(**{number: numbered(frame, ids, "made up") for ids, number in NUMBERS.items() if ids in frame})
    for field in schema:
        if field.name not in frame:
            arrays.append(pa.nulls(len(frame), field.type))
            continue
        values = frame[field.name]
        if isinstance(values.dtype, pd.CategoricalDtype):
            values = values.astype("str")
        empty = EMPTY.get(field.type)
        array = pa.array(values, mask=None if empty is None else (values == empty).to_numpy(), from_pandas=True)
        arrays.append(
            array.cast(pa.int32()).cast(field.type) if pa.types.is_date(field.type) else array.cast(field.type)
        )
    return pa.table(arrays, schema=schema)
