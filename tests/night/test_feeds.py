"""Which books a night may count on: quiet by their own rhythm, late, or late with too much money."""

from __future__ import annotations

import pandas as pd
import pytest

from features.days import date_of
from pipeline.night.feeds import check_feeds, check_late_money, late_books
from pipeline.night.refusals import NightMissing
from pipeline.store.store import Store
from tests.worlds.deliveries import PARAMS, day, payment, same, taken

NIGHT = day("2026-03-21")
LAST = day("2026-02-10")  # of the book of Tokyo: it was paid once a day for thirteen weeks before
BUSY = [payment(payment_id=f"J{back}", account_id="J1", amount="5", occurred_at=str(date_of(LAST - back)))
        for back in range(91)]  # fmt: skip
SMALL = BUSY[:1]
YESTERDAY = payment(occurred_at="2026-03-20")


def params(**ingest):
    """Books of accounts, charges and payments alone."""
    told = {"delivers": ("accounts", "charges", "payments")}
    books = {name: book.model_copy(update=told) for name, book in PARAMS.portfolios.items()}
    limits = PARAMS.ingest.model_copy(update=ingest)
    defaults = PARAMS.portfolio_defaults.model_copy(update=told)
    return PARAMS.model_copy(update={"portfolios": books, "portfolio_defaults": defaults, "ingest": limits})


def test_a_quiet_small_book_does_not_stop_the_night_of_the_others(tmp_path):
    _, store = taken(tmp_path, payments=[YESTERDAY, *SMALL])
    assert check_feeds(store, date_of(NIGHT), params()) == [
        "payments of tokyo: nothing after 2026-02-10, taken as quiet."
    ]


def test_a_busy_book_that_falls_silent_is_late_and_named(tmp_path):
    _, store = taken(tmp_path, payments=[YESTERDAY, *BUSY])
    late, quiet = late_books(store, NIGHT, params())
    assert (late, quiet) == ({("tokyo", LAST): ["payments"]}, {})
    assert check_feeds(store, date_of(NIGHT), params()) == [
        "payments of tokyo: late, its accounts are deferred. Complete through 2026-02-10 only."
    ]


def test_the_night_is_refused_where_all_books_are_late(tmp_path):
    _, store = taken(tmp_path, payments=[YESTERDAY, *BUSY])
    with pytest.raises(NightMissing, match="needs every declared table through 2026-04-19: payments of paris"):
        check_feeds(store, date_of(day("2026-04-20")), params())


def test_the_night_is_refused_above_the_share_of_money_that_may_be_late(tmp_path):
    taken(tmp_path, payments=[YESTERDAY, *BUSY])
    store = Store(tmp_path / "store")
    rows = pd.DataFrame({"portfolio": ["paris", "tokyo"], "currency": ["EUR", "EUR"], "balance": [900, 100]})
    check_late_money(store, store.versions(), NIGHT, params(max_late_share=0.1), rows)
    with pytest.raises(NightMissing, match="payments of tokyo complete through 2026-02-10"):
        check_late_money(store, store.versions(), NIGHT, params(max_late_share=0.09), rows)


def test_a_book_that_declares_the_table_of_debtors_is_late_with_it_once_a_control_file_vouched_for_it(tmp_path):
    """Without links a person would be called under two caps: whoever promises the table must deliver it."""
    told = params()
    own = told.portfolios["tokyo"]
    declares = own.model_copy(update={"delivers": (*own.delivers, "debtors")})
    told = told.model_copy(update={"portfolios": {**told.portfolios, "tokyo": declares}})
    links = {"rows": 1, "complete_through": "2026-03-19"}
    _, store = taken(
        tmp_path,
        payments=[YESTERDAY, *SMALL],
        debtors=[same("D2", "D3", "2026-02-01")],
        controls={"debtors": links},
    )
    late, _ = late_books(store, NIGHT, told)
    assert late == {("tokyo", day("2026-03-19")): ["debtors"]}
    assert late_books(store, day("2026-03-20"), told)[0] == {}
