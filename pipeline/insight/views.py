"""What a question may be asked of: the tables of the contract as they were known, the panel, the rates."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.aliases import ALIAS_COLUMNS, AS_DELIVERED
from features.catalogue import CATALOGUE, with_treatments
from features.currencies import DECIMALS
from features.days import date_of, dates, day_number
from features.errors import InputMissing
from features.tables import (
    NEVER,
    NO_DAY,
    NO_MONEY,
    NO_SHARE,
    NO_TIME,
    NUMBERS,
    TABLES,
    WHOLE_SHARE,
    Kind,
    Table,
)
from features.versions import is_last_known, key_of, lineage
from models.split import split_by_time
from pipeline.panel.panel import panel
from pipeline.params import Params
from pipeline.store.form import to_inner
from pipeline.store.store import Store

LOCAL_DAY = "occurred_on"  # of what happened at an instant, in the zone of its book
AUDITED = "audits"  # protected facts stand apart, so that nobody takes them along by asking for all columns
AHEAD_READS_AS_EMPTY = ("placed_on", "until_on")  # a day that had not come is not known


@dataclass(frozen=True)
class Source:
    """What views are made of: a store at pinned versions, as it was known before a night, or now where as_of is None.

    places: decimals of money columns, the most that a currency of the store has.
    """

    store: Store
    versions: Mapping[str, int]
    params: Params
    as_of: dt.date | None

    @classmethod
    def of(cls, store: Store, params: Params, as_of: dt.date | None) -> Source:
        versions = store.versions()
        return cls(Store(store.path, versions), versions, params, as_of)

    @property
    def night(self) -> int:
        return NEVER if self.as_of is None else day_number(self.as_of)

    @property
    def places(self) -> int:
        return max(DECIMALS[code] for code in (*self.store.currencies(), self.params.money.reporting_currency))

    @cached_property
    def currencies(self) -> pd.DataFrame:
        """account_no, account_id and currency of every account, as last known."""
        columns = {"accounts": ["account_no", "account_id", "currency", "known_at"]}
        accounts = self.store.tables(names=["accounts"], columns=columns)["accounts"]
        accounts = accounts.sort_values("known_at", kind="stable").drop_duplicates("account_no", keep="last")
        return accounts[["account_no", "account_id", "currency"]].astype({"account_id": "str", "currency": "str"})

    def currency_of(self, accounts: Sequence[object] | np.ndarray, by: str = "account_no") -> np.ndarray:
        """The currency of each of these accounts, missing where the store has none of them."""
        return self.currencies.set_index(by)["currency"].reindex(list(accounts)).to_numpy()


def views_of(source: Source) -> dict[str, Callable[[], pa.Table]]:
    """View -> what makes its rows. Tables that were not delivered are not among them."""
    named = {name: partial(delivered, source, name) for name in TABLES if name in source.versions}
    if "debtors" in source.versions:
        named["debtors"] = partial(_debtors, source)
    if any(name.startswith("audit_") for name in source.store.extra_columns("accounts")):
        named[AUDITED] = partial(_audits, source)
    if "payments" in source.versions:
        named["panel"] = partial(_panel, source)
    return {**named, "rates": partial(_rates, source)}


def delivered(source: Source, name: str) -> pa.Table:
    """The rows of a delivered table in the newest version known before the night, under the contract's names.

    Days are dates, instants timestamps of UTC, shares float64, money decimal in whole units of `currency`, which
    stands last in every table; what happened at an instant has its local day beside it (LOCAL_DAY). Of accounts, the
    sender's own x_* stand with them.
    """
    frame = _known(source, name)
    table, extras = TABLES[name], [column for column in frame if column.startswith("x_")]
    units = (
        frame["currency"].astype("str").to_numpy() if "currency" in frame else source.currency_of(frame["account_no"])
    )
    told = {
        column.name: _cells(frame[column.name], column.kind, units, source.places)
        for column in table.columns
        if column.name in frame and column.name != "currency"
    }
    if LOCAL_DAY in frame:
        told[LOCAL_DAY] = _cells(frame[LOCAL_DAY], Kind.DATE, units, source.places)
    for column in AHEAD_READS_AS_EMPTY:
        if source.as_of is not None and column in told:
            days = frame[column].to_numpy()
            told[column] = _days(np.where(days >= source.night, NO_DAY, days))
    told |= {column: pa.array(frame[column], from_pandas=True) for column in extras}
    return pa.table({**told, "currency": pa.array(units, pa.string(), from_pandas=True)})


def _known(source: Source, name: str) -> pd.DataFrame:
    """The inner form of the rows that stand, read whole with their ids."""
    table = TABLES[name]
    schema = source.store.delta.schema(name, source.versions[name])
    extras = [column for column in schema.names if column.startswith("x_")]
    wanted = [*(column for column in table.names if column in schema.names), *extras, "account_no", "known_on"]
    numbers = [NUMBERS[column] for column in table.key if column in NUMBERS]
    wanted += [column for column in (LOCAL_DAY, *numbers) if column in schema.names]
    frame = source.store.tables(names=[name], columns={name: list(dict.fromkeys(wanted))})[name]
    night = source.night
    if not table.versioned:
        return _last_sets(source, frame[(frame["known_on"] < night).to_numpy()].reset_index(drop=True))
    frame = _by_account(frame, table)
    following = lineage(frame, key_of(frame, name), name).superseded_on
    stands = is_last_known(frame["known_on"].to_numpy(), following, night)
    return frame[stands].reset_index(drop=True)


def _by_account(frame: pd.DataFrame, table: Table) -> pd.DataFrame:
    """Shards follow one another: their rows by account, as all versions of a key must lie together."""
    numbers = frame["account_no"].to_numpy()
    if (numbers[1:] >= numbers[:-1]).all():
        return frame
    times = frame[table.position].to_numpy()
    return frame.iloc[np.lexsort((times, numbers))].reset_index(drop=True)


def _last_sets(source: Source, payments: pd.DataFrame) -> pd.DataFrame:
    """Of receipts that came in several sets of lines, the last one; other payments as they are."""
    is_line = (payments["kind"] != "reversal").to_numpy()
    again = payments.loc[is_line, "payment_id"].duplicated(keep=False)
    if not again.any():
        return payments
    rows = again.index[again]
    lines = payments.loc[rows, ["payment_id", "account_no", "known_at"]]
    accounts = source.store.tables(names=["accounts"], columns={"accounts": ["account_no", "debtor_id"]})["accounts"]
    owner = AS_DELIVERED if AS_DELIVERED in accounts else "debtor_id"
    owners = accounts.drop_duplicates("account_no").set_index("account_no")[owner].astype("str")
    of_whom = owners.reindex(lines["account_no"]).to_numpy()
    newest = lines.groupby([lines["payment_id"].astype("str"), of_whom])["known_at"].transform("max")
    replaced = rows[(lines["known_at"] < newest).to_numpy()]
    return payments.drop(index=replaced).reset_index(drop=True)


def _cells(values: pd.Series, kind: Kind, units: np.ndarray, places: int) -> pa.Array:
    if kind is Kind.DATE:
        return _days(values.to_numpy())
    if kind is Kind.TIME:
        held = values.to_numpy()
        return pa.array(held, mask=held == NO_TIME).cast(pa.timestamp("us"))
    if kind is Kind.MONEY:
        return decimals(values.to_numpy(), units, places)
    if kind is Kind.SHARE:
        held = values.to_numpy()
        return pa.array(held / WHOLE_SHARE, pa.float64(), mask=held == NO_SHARE)
    if kind is Kind.WHOLE:
        held = values.to_numpy()
        return pa.array(held, mask=held == NO_SHARE)
    return pa.array(values.astype("str"), pa.string(), from_pandas=True)


def _days(days: np.ndarray) -> pa.Array:
    return pa.array(days.astype(np.int32), mask=days == NO_DAY).cast(pa.date32())


def decimals(minor: np.ndarray, units: Sequence[str] | np.ndarray, places: int) -> pa.Array:
    """Minor units of each row's currency as exact decimals with `places` decimals; NO_MONEY is null.

    minor int64; units: ISO 4217, where it is none the amount is null. places: at least the decimals of each.
    """
    missing = (minor == NO_MONEY) | ~np.isin(np.asarray(units, dtype=str), list(DECIMALS))
    lift = [0 if gone else 10 ** (places - DECIMALS[unit]) for gone, unit in zip(missing, units, strict=True)]
    whole = pa.array(np.where(missing, 0, minor)).cast(pa.decimal128(19, 0))
    lifted = pc.multiply(whole, pa.array(lift, pa.int64()).cast(pa.decimal128(19, 0)).cast(pa.decimal128(5, 0)))
    moved = pa.Array.from_buffers(pa.decimal128(lifted.type.precision, places), len(lifted), lifted.buffers())
    told = moved.cast(pa.decimal128(18 if places <= 2 else 23, places))
    return pc.if_else(pa.array(~missing), told, pa.scalar(None, told.type))


def _debtors(source: Source) -> pa.Table:
    """The aliases in force: the last one of each debtor that was known before the night."""
    frame = to_inner(source.store.raw_rows("debtors", source.versions["debtors"], ALIAS_COLUMNS, 0))
    frame = frame[(frame["known_on"] < source.night).to_numpy()].sort_values("known_at", kind="stable")
    frame = frame.drop_duplicates("debtor_id", keep="last")
    kinds = {"debtor_id": Kind.ID, "same_as": Kind.ID, "known_at": Kind.TIME}
    none = np.full(len(frame), "")
    return pa.table({name: _cells(frame[name], kind, none, source.places) for name, kind in kinds.items()})


def _audits(source: Source) -> pa.Table:
    schema = source.store.delta.schema("accounts", source.versions["accounts"])
    names = [name for name in schema.names if name.startswith("audit_")]
    wanted = ["account_no", "account_id", "opened_on", "known_at", "known_on", *names]
    frame = source.store.tables(names=["accounts"], columns={"accounts": wanted})["accounts"]
    frame = frame[(frame["known_on"] < source.night).to_numpy()].sort_values("known_at", kind="stable")
    frame = frame.drop_duplicates("account_id", keep="last")
    return pa.Table.from_pandas(frame[["account_id", *names]], preserve_index=False)


def _panel(source: Source) -> pa.Table:
    """The labelled panel as `recoup dataset` writes it; money in whole units of `currency`, float64 as all features.
    Before a night, only labels that had matured then.
    """
    before = None if source.as_of is None else source.night
    whole = panel(source.store, source.params, before)
    try:
        part = split_by_time(whole.cohort, source.params.split, source.params.label).part
    except InputMissing:  # too short a history to be taught on is not too short to be asked of
        part = pd.Series(None, index=whole.cohort.index, dtype="str")
    units = whole.cohort["currency"].astype("str")
    scale = 10.0 ** -units.map(DECIMALS).to_numpy(dtype="float64")
    catalogue = with_treatments(CATALOGUE, source.versions)
    matrix = whole.matrix.copy()
    for entry in catalogue:
        if entry.unit == "money" and entry.name in matrix:
            matrix[entry.name] = matrix[entry.name] * scale
    labels = whole.labels.assign(recovered_amount=whole.labels["recovered_amount"] * scale)
    nights = pd.Series(dates(whole.cohort["as_of"]), name="as_of")
    who = [name for name in ("account_id", "debtor_id", "weight") if name in whole.cohort]
    named = {"currency": units} | ({} if "portfolio" in matrix else {"portfolio": whole.cohort["portfolio"]})
    frame = pd.concat([whole.cohort[who], nights, matrix, labels, part.rename("split")], axis=1).assign(**named)
    told = pa.Table.from_pandas(frame, preserve_index=False)
    return told.set_column(
        told.column_names.index("as_of"), "as_of", pa.array([date_of(int(day)) for day in whole.cohort["as_of"]])
    )


def _rates(source: Source) -> pa.Table:
    money = source.params.money
    names = sorted(money.rates)
    return pa.table(
        {
            "currency": pa.array(names, pa.string()),
            "rate": pa.array([float(money.rates[name]) for name in names], pa.float64()),
            "reporting_currency": pa.array([money.reporting_currency] * len(names), pa.string()),
            "rates_date": pa.array([money.rates_date] * len(names), pa.date32()),
        }
    )
