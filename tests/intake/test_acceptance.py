"""A history stamped with its load time, and a volume outside the usual, are refused."""

from __future__ import annotations

import datetime as dt

import pytest

from features.errors import ContractError
from features.tables import TABLES
from pipeline.intake.ingest import ingest
from pipeline.store.store import Store
from tests.worlds.deliveries import (
    PARAMS,
    account,
    charge,
    contact,
    instalment,
    offer,
    params_with,
    payment,
    placement,
    refusal,
    statement,
    status,
    taken,
    world,
    write,
)

pytestmark = pytest.mark.slow


def dated(table: str, number: int, on: str, **cells) -> dict:
    """A row of any table, the number-th, that lies on a day."""
    return {
        "accounts": lambda: account(account_id=f"H{number}", opened_on=on, **cells),
        "charges": lambda: charge(charge_id=f"H{number}", issued_on=on if number % 2 else "", due_on=on, **cells),
        "balances": lambda: statement(taken_on=on, **cells),
        "payments": lambda: payment(payment_id=f"H{number}", occurred_at=on, **cells),
        "contacts": lambda: contact(contact_id=f"H{number}", occurred_at=on, **cells),
        "statuses": lambda: status(from_on=on, **cells),
        "offers": lambda: offer(offer_id=f"H{number}", made_at=on, **cells),
        "plans": lambda: instalment(plan_id=f"H{number}", agreed_on=on, due_on="2026-12-01", **cells),
        "placements": lambda: placement(placement_id=f"H{number}", placed_on=on, recalled_on=on, **cells),
    }[table]()


YEAR = [f"2025-{number % 12 + 1:02}-{number // 12 + 3:02}" for number in range(60)]


STAMP = {"known_at": "2026-06-01T03:00:00Z"}


@pytest.mark.parametrize("table", TABLES)
def test_history_stamped_with_its_load_time_is_refused_with_the_remedy(tmp_path, table):
    rows = [dated(table, number, on, **STAMP) for number, on in enumerate(YEAR)]
    sentence = (
        rf"Table '{table}': 60 rows that happened over \d+ days "
        "all became known within 1 days.*Empty known_at.*--backfill"
    )
    refusal(tmp_path, ContractError, sentence, **{table: rows})


@pytest.mark.parametrize("table", TABLES)
def test_a_history_known_as_it_happened_comes_in(tmp_path, table):
    rows = [dated(table, number, on, known_at=f"{on}T22:00:00Z") for number, on in enumerate(YEAR)]
    assert taken(tmp_path, **{table: rows})[0][table].accepted >= 60


def test_rows_as_new_as_the_night_are_no_load_stamp(tmp_path):
    """Accounts placed yesterday with what was owed on them for a year; a plan whose days are to come."""
    placed = [
        account(account_id=f"H{number}", opened_on=on, placed_on="2026-05-31", **STAMP)
        for number, on in enumerate(YEAR)
    ]
    owed = [dated("charges", number, on, account_id=f"H{number}", **STAMP) for number, on in enumerate(YEAR)]
    plan = [
        charge(charge_id=f"F{number}", issued_on="", due_on=f"2027-{number % 12 + 1:02}-03", **STAMP)
        for number in range(60)
    ]
    reports, _ = taken(tmp_path, accounts=placed, charges=[*owed, *plan])
    assert [reports[name].accepted - len(rows) for name, rows in world().items()] == [60, 120]


def test_versions_and_late_finds_beside_a_longer_record_are_no_load_stamp(tmp_path):
    rows = [dated("statuses", number, on, known_at=on) for number, on in enumerate(YEAR)]
    _, store = taken(tmp_path, statuses=rows)
    ended = [{**row, "until_on": "2026-05-30", **STAMP} for row in rows]
    found = [dated("statuses", number, on, account_id="A2", **STAMP) for number, on in enumerate(YEAR[:30])]
    report = ingest(write(tmp_path / "next", {"statuses": [*ended, *found]}), store.path, PARAMS)
    assert report.tables[0].accepted == 90


def test_late_rows_in_a_live_feed_are_no_load_stamp(tmp_path):
    rows = [
        payment(
            payment_id=f"H{number}",
            occurred_at=f"2025-{number % 12 + 1:02}-03",
            known_at=f"2025-{number % 12 + 1:02}-04",
        )
        for number in range(60)
    ]
    late = [payment(payment_id="L1", occurred_at="2025-01-03", known_at="2026-06-01")]
    reports, _ = taken(tmp_path, payments=[*rows, *late])
    assert reports["payments"].accepted == 61


# Volume


def nightly(number: int, count: int) -> dict:
    """Payments of one Wednesday each."""
    on = dt.date(2026, 1, 7) + dt.timedelta(days=7 * number)
    return {"payments": [payment(payment_id=f"V{number}-{each}", occurred_at=on.isoformat()) for each in range(count)]}


def test_a_volume_outside_the_usual_is_refused_unless_accepted(tmp_path):
    ingest(write(tmp_path / "base", world()), tmp_path / "store", PARAMS)
    for number in range(4):
        ingest(write(tmp_path / f"night-{number}", nightly(number, 100)), tmp_path / "store", PARAMS)
    for count, share in ((69, "69%"), (151, "151%")):
        source = write(tmp_path / f"odd-{count}", nightly(4, count))
        with pytest.raises(
            ContractError,
            match=rf"Table 'payments' has {count} rows, {share} of the usual 100 for a Wednesday.*--accept-volume",
        ):
            ingest(source, tmp_path / "store", PARAMS)
    report = ingest(tmp_path / "odd-69", tmp_path / "store", PARAMS, accept_volume="bank holiday")
    assert report.accepted_volume == "bank holiday"
    assert any("Accepted: bank holiday" in warning for warning in report.warnings)
    assert "Unusual volume accepted: bank holiday" in report.text()
    assert Store(tmp_path / "store").deliveries()[-1].accepted_volume == "bank holiday"
    assert ingest(write(tmp_path / "next", nightly(5, 130)), tmp_path / "store", PARAMS).number == 7


def test_a_delivery_that_comes_in_again_under_other_limits_is_one_for_the_usual_volume(tmp_path):
    store = tmp_path / "store"
    ingest(write(tmp_path / "base", world()), store, PARAMS)
    for number in range(4):
        ingest(write(tmp_path / f"night-{number}", nightly(number, 100)), store, PARAMS)
    few = write(tmp_path / "few", nightly(4, 60))
    for limit in (1.0, 0.9, 0.8, 0.7, 0.6, 0.5):
        report = ingest(few, store, params_with(max_fault_rows=limit), accept_volume="bank holiday")
        assert report.already is False
    assert Store(store).deliveries()[-1].number == 11
    assert ingest(write(tmp_path / "next", nightly(5, 100)), store, PARAMS).number == 12


def test_too_few_earlier_nights_or_rows_say_nothing_about_volume(tmp_path):
    ingest(write(tmp_path / "base", world()), tmp_path / "store", PARAMS)
    for number, count in enumerate((10, 40, 10, 40, 90)):  # a usual of 25 swings by chance
        ingest(write(tmp_path / f"night-{number}", nightly(number, count)), tmp_path / "store", PARAMS)


def daily(first: dt.date, days: int, count: int) -> dict:
    """So many payments on each day, weekends none."""
    found = [first + dt.timedelta(days=number) for number in range(days)]
    return {
        "payments": [
            payment(payment_id=f"{on}-{each}", occurred_at=on.isoformat(), amount="1.00")
            for on in found
            if on.weekday() < 5
            for each in range(count)
        ]
    }


MONDAY = dt.date(2026, 2, 2)


def test_a_full_extract_and_several_days_at_once_are_judged_by_what_is_new(tmp_path):
    store = tmp_path / "store"
    ingest(write(tmp_path / "base", world(**daily(MONDAY, 19, 80))), store, PARAMS)
    whole = world(**daily(MONDAY, 26, 80))
    assert ingest(write(tmp_path / "whole", whole), store, PARAMS).number == 2
    cut = world(payments=[*daily(MONDAY, 26, 80)["payments"], *daily(MONDAY + dt.timedelta(26), 7, 50)["payments"]])
    with pytest.raises(ContractError, match=r"Table 'payments' has 250 rows for 7 new days, 62% of the usual 400"):
        ingest(write(tmp_path / "cut", cut), store, PARAMS)


def test_bounds_that_the_params_declare_go_before_what_is_learnt(tmp_path):
    store = tmp_path / "store"
    ingest(write(tmp_path / "base", world(**daily(MONDAY, 12, 80))), store, PARAMS)
    odd = write(tmp_path / "odd", daily(MONDAY + dt.timedelta(14), 1, 55))
    bounds = {"payments": (10.0, 60.0)}
    declared = PARAMS.model_copy(update={"ingest": PARAMS.ingest.model_copy(update={"rows_a_day": bounds})})
    assert ingest(odd, store, declared).number == 2
    few = write(tmp_path / "few", daily(MONDAY + dt.timedelta(15), 1, 9))
    with pytest.raises(ContractError, match=r"has 9 rows for 1 new days, outside the 10 to 60 that ingest.rows_a_day"):
        ingest(few, store, declared)


def test_a_table_that_is_vouched_to_be_empty_is_judged_by_nobody_s_days(tmp_path):
    store = tmp_path / "store"
    ingest(write(tmp_path / "base", world(**daily(MONDAY, 12, 80))), store, PARAMS)
    place = write(tmp_path / "none", {"payments": [payment()]})
    header = (place / "payments.csv").read_text().splitlines(keepends=True)[0]
    (place / "payments.csv").write_text(header)
    (place / "payments.control.json").write_text('{"rows": 0, "complete_through": "2026-02-16"}')
    assert ingest(place, store, PARAMS).number == 2


def test_a_table_that_the_book_is_not_said_to_deliver_is_said_to_count_for_nothing(tmp_path):
    told = [name for name in PARAMS.portfolio("books").delivers if name != "contacts"]
    book = PARAMS.portfolio_defaults.model_copy(update={"delivers": tuple(told)})
    params = PARAMS.model_copy(update={"portfolio_defaults": book, "portfolios": {}})
    source = write(tmp_path / "source", world(contacts=[contact()]))
    sentence = (
        "sent contacts, which its `delivers` in the params does not name: the rows are kept and count for nothing"
    )
    assert sentence in " ".join(ingest(source, tmp_path / "store", params).warnings)
    assert "count for nothing" not in " ".join(ingest(source, tmp_path / "other", PARAMS).warnings)


def test_a_book_that_the_params_do_not_name_is_told_with_the_nearest(tmp_path):
    mine = account(account_id="A9", portfolio="Paris")
    found = ingest(write(tmp_path / "source", world(accounts=[mine])), tmp_path / "store", PARAMS).warnings
    assert [text for text in found if "'Paris' is not named under portfolios of the params (nearest: 'paris')" in text]
    rows = [payment(payment_id=f"N{at}", account_id="A9", occurred_at="2026-03-01T10:00:00") for at in range(40)]
    source = write(tmp_path / "naive", world(accounts=[mine], payments=rows))
    with pytest.raises(ContractError, match=r"(?s)TS_NAIVE.*'Paris' is not named under portfolios of the params"):
        ingest(source, tmp_path / "other", params_with(max_fault_rows=0.01))
