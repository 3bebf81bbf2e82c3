"""Days and instants on the portfolio's clock, and what is none."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from hypothesis import example, given, settings
from hypothesis import strategies as st

from features.tables import NO_DAY, NO_MINUTE
from tests.worlds.deliveries import charge, contact, day, micros, statement, status, taken

TIME_FORMS = [
    ("2026-02-03T10:00:00Z", "2026-02-03T10:00:00+00:00", "2026-02-03", 660),
    ("2026-02-03 10:00:00+01:00", "2026-02-03T09:00:00+00:00", "2026-02-03", 600),
    ("2026-02-03T10:00+0100", "2026-02-03T09:00:00+00:00", "2026-02-03", 600),
    ("2026-02-03T10:00:00+01", "2026-02-03T09:00:00+00:00", "2026-02-03", 600),
    ("2026-02-03T10:00:00.123456789Z", "2026-02-03T10:00:00+00:00", "2026-02-03", 660),
    ("2026-02-03T23:30:00Z", "2026-02-03T23:30:00+00:00", "2026-02-04", 30),
    ("2026-02-03T00:15:00+14:00", "2026-02-02T10:15:00+00:00", "2026-02-02", 675),
    ("2026-02-03T12:00:00-11:00", "2026-02-03T23:00:00+00:00", "2026-02-04", 0),
    ("2026-02-03T10:00:00", "2026-02-03T09:00:00+00:00", "2026-02-03", 600),  # naive: the clock of Paris
    ("2026-02-03", "2026-02-02T23:00:00+00:00", "2026-02-03", NO_MINUTE),
    ("2028-02-29", "2028-02-28T23:00:00+00:00", "2028-02-29", NO_MINUTE),
    ("2026-03-29T01:59:59", "2026-03-29T00:59:59+00:00", "2026-03-29", 119),  # the last second of winter
    ("2026-03-29T02:30:00", "2026-03-29T01:30:00+00:00", "2026-03-29", 150),  # never occurs: read with winter's offset
    ("2026-03-29T03:00:00", "2026-03-29T01:00:00+00:00", "2026-03-29", 180),
    ("2026-10-25T02:30:00", "2026-10-25T00:30:00+00:00", "2026-10-25", 150),  # occurs twice: the first
    ("2026-10-25T02:30:00+01:00", "2026-10-25T01:30:00+00:00", "2026-10-25", 150),  # the second
    ("2026-10-24T22:00:00Z", "2026-10-24T22:00:00+00:00", "2026-10-25", 0),
    ("2026-10-25T22:59:59Z", "2026-10-25T22:59:59+00:00", "2026-10-25", 1439),
    ("1969-12-31T23:30:00Z", "1969-12-31T23:30:00+00:00", "1970-01-01", 30),
]


def test_r15_instants_local_days_and_minutes_are_those_of_the_portfolios_clock(attacks, tmp_path):
    rows = [contact(contact_id=f"T{number:02}", occurred_at=form) for number, (form, *_) in enumerate(TIME_FORMS)]
    _, store = taken(tmp_path, contacts=rows)
    frame = store.tables()["contacts"].sort_values("contact_id")
    assert frame["contact_id"].tolist() == [row["contact_id"] for row in rows]
    for number, (_, utc, local, minute) in attacks.over(enumerate(TIME_FORMS)):
        row = frame.iloc[number]
        assert row["occurred_at"] // 1_000_000 * 1_000_000 == micros(utc)
        assert (row["occurred_on"], row["occurred_minute"]) == (day(local), minute)
    assert (frame["known_at"] == frame["occurred_at"]).all()
    assert (frame["known_on"] == frame["occurred_on"]).all()


BAD_TIMES = [
    "2026-02-03T24:00:00Z",
    "2026-02-03T10:60:00Z",
    "2026-02-30T10:00:00Z",
    "2026-2-3",
    "03/02/2026",
    "20260203",
    "2026-02-03T10Z",
    "2026-02-03T10:00:00 Europe/Paris",
    "infinity",
    "epoch",
    "now",
    "1770112800",
    "0001-01-01",
    "9999-12-31",
    "2026-02-03T10:00:00z",
    "2026-02-03T10:00:00 +01:00",
]


def test_what_is_no_instant_is_refused_whatever_the_engine_would_make_of_it(tmp_path):
    reports, _ = taken(
        tmp_path, contacts=[contact(contact_id=f"T{number}", occurred_at=form) for number, form in enumerate(BAD_TIMES)]
    )
    assert reports["contacts"].codes == {"TS_FORMAT": len(BAD_TIMES)}


ZONES = [
    "Europe/Paris",
    "America/Santiago",
    "Pacific/Apia",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "America/New_York",
]


@given(st.datetimes(dt.datetime(1971, 1, 1), dt.datetime(2099, 12, 30)), st.sampled_from(ZONES))
@example(dt.datetime(2000, 10, 29, 2, 0, fold=1), "Europe/Paris")
@settings(max_examples=150, deadline=None)
def test_offsets_are_those_of_the_time_zone_database(moment, name):
    from features.days import DAY_US
    from pipeline.intake.clocks import offsets

    zone, table = ZoneInfo(name), offsets([name])
    instant = round(moment.replace(tzinfo=dt.UTC).timestamp()) * 1_000_000
    row = table.slice(instant // DAY_US, 1).to_pylist()[0]
    utc = row["utc_before"] if instant < row["utc_change"] else row["utc_after"]
    local = row["local_before"] if instant < row["local_change"] else row["local_after"]
    assert utc == dt.datetime.fromtimestamp(instant // 1_000_000, zone).utcoffset().total_seconds() * 1_000_000
    assert local == zone.utcoffset(moment.replace(microsecond=0, fold=0)).total_seconds() * 1_000_000


def test_an_empty_known_at_is_what_the_contract_says(tmp_path):
    rows = [
        charge(charge_id="issued", issued_on="2026-01-20"),
        charge(charge_id="opened", issued_on=""),
        charge(charge_id="due", issued_on="", kind="fee"),
        charge(charge_id="given", known_at="2026-01-25T23:30:00Z"),
    ]
    _, store = taken(tmp_path, charges=rows, balances=[statement()], statuses=[status()])
    tables = store.tables()
    assert dict(zip(tables["charges"]["charge_id"], tables["charges"]["known_on"], strict=True)) == {
        "C1": day("2026-01-10"),
        "C2": day("2026-01-10"),
        "issued": day("2026-01-20"),
        "opened": day("2026-01-05"),
        "due": day("2026-02-01"),
        "given": day("2026-01-26"),
    }
    assert tables["balances"]["known_on"].tolist() == [day("2026-02-01")]
    assert tables["statuses"]["known_on"].tolist() == [day("2026-02-01")]
    opened = dict(zip(tables["accounts"]["account_id"], tables["accounts"]["known_on"], strict=True))
    assert opened["A1"] == day("2026-01-05")
    assert tables["accounts"]["placed_on"].eq(NO_DAY).all()


def test_dates_far_ahead_and_dates_with_midnight_are_dates(tmp_path):
    rows = [
        status(until_on="9999-12-31"),
        status(status="dispute", from_on="2026-02-01T00:00:00"),
        status(status="hardship", until_on="2026-02-03 09:00"),
    ]
    reports, store = taken(tmp_path, statuses=rows)
    assert reports["statuses"].codes == {"TS_FORMAT": 1}
    assert store.tables()["statuses"]["until_on"].tolist() == [NO_DAY, 2_932_896]
