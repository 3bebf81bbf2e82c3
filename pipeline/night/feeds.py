"""Whether everything that a night needs has been delivered, how far each table is complete for it,
and what the law may then read.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from features.days import date_of, day_number
from features.tables import FEEDS
from pipeline.law.overlay import law_of
from pipeline.law.question import Case
from pipeline.night.refusals import NightMissing
from pipeline.panel.view import View, quiet_through
from pipeline.params import Params
from pipeline.store.store import Store


def check_feeds(store: Store, as_of: dt.date, params: Params) -> list[str]:
    """Warnings of feeds that were quiet to the end. Raises NightMissing where a declared table is not there through the
    day before, or where nothing has happened yet.

    A table whose control file names its last day is late once that day is past. A feed without one may be quiet for
    ingest.quiet_days; accounts, charges and statements without one reach as far as the feeds.
    """
    night = day_number(as_of)
    known, by_portfolio, vouched = store.complete_through(), store.complete_by_portfolio(), store.declared_through()
    begun = store.first_day(FEEDS)
    if begun is not None and night <= begun:
        raise NightMissing.not_begun(as_of, begun)
    late, quiet = {}, {}
    for name in store.portfolios():
        for table in params.portfolio(name).delivers:
            day = by_portfolio.get(table, {}).get(name, known.get(table))
            told = vouched.get(table, {}).get(name) == day
            if (day is not None and day >= night - 1) or (table not in FEEDS and (day is None or not told)):
                continue
            may_be_quiet = day is not None and day + params.ingest.quiet_days >= night - 1 and not told
            (quiet if may_be_quiet else late).setdefault((name, day), []).append(table)
    if late:
        raise NightMissing.late(as_of, late)
    return [
        f"{', '.join(tables)} of {name}: nothing after {date_of(day)}, taken as quiet."
        for (name, day), tables in quiet.items()
    ]


def complete_on(store: Store, versions: Mapping[str, int], night: int, params: Params) -> dict[str, int]:
    """Table -> last complete day; one that nobody vouched for and that was quiet for a few
    days is complete through the day before.
    """
    days = {name: max(found.values()) for name, found in quiet_through(store, versions, params).items()}
    return {name: min(day, max(night - 1, store.complete_through(versions)[name])) for name, day in days.items()}


def case_of(seen: View, store: Store, versions: Mapping[str, int], night: int, params: Params) -> Case:
    """What the law reads of a view on its night."""
    return Case(seen.cohort.frame, seen.tables, law_of(params), params, complete_on(store, versions, night, params))
