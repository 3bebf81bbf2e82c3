"""How much money a book is expected to bring in each of the next weeks, with an interval; as known before a night."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from features.cohort import scorable
from features.currencies import DECIMALS
from features.days import date_of, day_number
from features.ledger import history
from features.tables import InnerTables
from models.forecast import Book
from models.recovery import RecoveryModel, load_model
from models.timing import WEEKS
from pipeline.pages.csv_file import csv_text
from pipeline.panel.engines import map_shards
from pipeline.panel.panel import cash_of_books
from pipeline.panel.view import terms_of
from pipeline.params import Params
from pipeline.store.champion import champion
from pipeline.store.store import Store

FORECAST_FILE = "forecast.csv"
COLUMNS = (
    "portfolio",
    "currency",
    "week",
    "week_from",
    "week_until",
    "cash_expected",
    "cash_low",
    "cash_high",
    "cash_from_scorable",
    "cash_last_weeks",
)


def forecast(store_path: Path, as_of: dt.date, params: Params) -> pd.DataFrame:
    """COLUMNS, a row for each book and week of the next WEEKS; money in minor units of the currency.

    cash_expected, cash_low, cash_high   what is expected to come in, and between what four of five such weeks came in
    cash_from_scorable   what the accounts that were scored on the night are expected to bring
    cash_last_weeks      mean of the last BACK weeks

    Empty where the night was not scored by the champion, or the champion was not taught when money comes.
    """
    store, night = Store(store_path), day_number(as_of)
    versions, approved = store.versions(), champion(store_path)
    scores = store.read("scores", since=night, before=night + 1)
    if approved is None or scores.empty or set(scores["model_version"].astype("str")) != {approved.version}:
        return pd.DataFrame(columns=list(COLUMNS))
    model = load_model(approved.folder, approved.sha256)
    if not isinstance(model, RecoveryModel) or model.timing is None or model.forecast is None:
        return pd.DataFrame(columns=list(COLUMNS))
    scores = scores[["account_id", "p_recovered", "amount_if_recovered"]].astype({"account_id": "str"})
    work = partial(_of_shard, store_path, night, params, versions, model, scores)
    parts = list(map_shards(work, range(store.shards), params.engine))
    books = sorted({book for part in parts for book in part})
    rows = []
    for book in books:
        came, foretold = (np.sum([part[book][place] for part in parts if book in part], axis=0) for place in range(2))
        usual = float(came.mean())
        expected, low, high = model.forecast.weeks(foretold, came, night, book)
        for week in range(WEEKS):
            begin = night + 7 * week
            money = (expected[week], low[week], high[week], foretold[week], usual)
            days = date_of(begin), date_of(begin + 6)
            rows.append((*book, week + 1, *days, *(round(float(of)) for of in money)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _of_shard(
    store_path: Path,
    night: int,
    params: Params,
    versions: Mapping[str, int],
    model: RecoveryModel,
    scores: pd.DataFrame,
    shard: int,
) -> dict[Book, tuple[np.ndarray, np.ndarray]]:
    """Book -> what came in the last BACK weeks, and what its scorable accounts are expected to bring in the next."""
    store = Store(store_path)
    terms = terms_of(store, params, versions)
    tables = InnerTables(store.tables(shard, versions=versions))
    ledger = history(tables, terms)
    cohort = scorable(tables, ledger, [night], terms).frame
    rows = cohort.astype({"account_id": "str"}).merge(scores, on="account_id")
    assert model.timing is not None
    money = model.timing.cash(rows["p_recovered"].to_numpy(), rows, rows["amount_if_recovered"].to_numpy())
    names = list(zip(rows["portfolio"].astype("str"), rows["currency"].astype("str"), strict=True))
    accounts = tables["accounts"]
    known = {"accounts": accounts[accounts["known_on"].to_numpy() < night]}
    came = cash_of_books(known, ledger, [night], 0, params.label.maturity_days)
    return {
        book: (past[0], money[[name == book for name in names]].sum(axis=0) if len(rows) else np.zeros(WEEKS))
        for book, past in came.items()
    }


def told(found: pd.DataFrame, portfolio: str) -> dict[str, list[list[str | int]]]:
    """Currency -> [first day, last day, expected, low, high] of each week, for figures.json; without currencies of
    which nothing is expected."""
    own = found[found["portfolio"] == portfolio]
    columns = ["week_from", "week_until", "cash_expected", "cash_low", "cash_high"]
    return {
        str(currency): [[begin.isoformat(), end.isoformat(), *map(int, money)] for begin, end, *money in weeks]
        for currency, rows in own.groupby("currency", sort=True)
        if rows["cash_expected"].sum() > 0
        for weeks in [rows[columns].itertuples(index=False)]
    }


def as_csv(found: pd.DataFrame, params: Params) -> str:
    return csv_text(found, DECIMALS, params.money.reporting_currency)
