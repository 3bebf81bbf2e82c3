"""How long a book may be silent before its silence is news: judged by its own rows on the days of the week.

Rows come in clumps (a batch, a debtor's story), so that their number makes a silence look rarer than it is. The days
with any row at all do not: of 13 weeks with a row on every Tuesday no Tuesday's silence is rarer than one in 28.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from features.days import weekdays
from pipeline.store.store import Store

USUAL_DAYS = 91  # days behind a book's last row that tell its usual rate: whole weeks
UNLIKELY = 1 / 1000  # a silence rarer than this is no chance


def quiet_until(store: Store, table: str, book: str, last: int, end: int, versions: Mapping[str, int]) -> int:
    """The last day through which no row of a book after its last one is likelier than 1 in 1,000; end at most.

    Both the rows and the days with any row, at their usual rate for each day of the week, must make it so.
    """
    rates = _rates(store.path, table, versions["accounts"], versions[table]).get(book)
    day, expected = last, 0.0
    while day < end:
        expected += 0.0 if rates is None else rates[int(weekdays(np.array([day + 1]))[0])]
        if math.exp(-expected) < UNLIKELY:
            break
        day += 1
    return day


@lru_cache(maxsize=16)
def _rates(store: Path, table: str, accounts: int, version: int) -> dict[str, np.ndarray]:
    """Book -> expected arrivals on each day of the week, Monday first, by the weeks that end with its last row: rows or
    what the share of days with a row makes of them, whichever is fewer."""
    held = Store(store)
    pinned = {"accounts": accounts, table: version}
    columns = {"accounts": ["account_no", "portfolio"], table: ["account_no", "known_on"]}
    books: dict[str, list[np.ndarray]] = {}
    for shard in range(held.shards):
        rows = held.tables(shard, list(columns), columns, pinned)
        owner = rows["accounts"].drop_duplicates("account_no", keep="last").set_index("account_no")["portfolio"]
        names = owner.reindex(rows[table]["account_no"]).astype("str").to_numpy()
        for name, days in pd.Series(rows[table]["known_on"].to_numpy()).groupby(names):
            books.setdefault(str(name), []).append(days.to_numpy())
    found = {}
    for name, parts in books.items():
        days = np.concatenate(parts)
        recent = days[days > days.max() - USUAL_DAYS].astype(np.int64)
        rows, active = (np.bincount(weekdays(of), minlength=7) for of in (recent, np.unique(recent)))
        weeks = USUAL_DAYS / 7
        found[name] = np.minimum(rows / weeks, -np.log1p(-(active + 0.5) / (weeks + 1)))
    return found
