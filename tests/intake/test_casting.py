"""Amounts: forty forms, each its value or its code; the quick test of a row beside the whole; instants."""

from __future__ import annotations

import datetime as dt
import json

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.currencies import DECIMALS
from features.tables import DELIVERED, Kind, account_number
from pipeline.intake.casting import instant_read, is_zoned
from pipeline.intake.clocks import offsets
from pipeline.intake.sql import _sound, read_rows
from tests.worlds.deliveries import codes, day, statement, taken

AMOUNT_FORMS = [
    ("1234.50", 123450),
    ("1234.5", 123450),
    ("1234", 123400),
    ("0.01", 1),
    ("007.50", 750),
    (" 12.50 ", 1250),
    ("-12.50", -1250),
    ("-0", 0),
    ("0", 0),
    ("-0.00", 0),
    ("90000000000000.00", 9 * 10**15),
    ("12.345", "AMT_SCALE"),
    ("12.500", "AMT_SCALE"),
    ("0.001", "AMT_SCALE"),
    ("NaN", "AMT_NAN"),
    ("nan", "AMT_NAN"),
    ("-nan", "AMT_NAN"),
    ("inf", "AMT_NAN"),
    ("-inf", "AMT_NAN"),
    ("Infinity", "AMT_NAN"),
    ("NULL", "AMT_NAN"),
    ("None", "AMT_NAN"),
    ("N/A", "AMT_NAN"),
    ("#N/A", "AMT_NAN"),
    ("", "AMT_FORMAT"),
    ("1e5", "AMT_FORMAT"),
    ("1E-2", "AMT_FORMAT"),
    ("1,000.00", "AMT_FORMAT"),
    ("1.000,00", "AMT_FORMAT"),
    ("1 000.00", "AMT_FORMAT"),
    ("1_000", "AMT_FORMAT"),
    ("12,50", "AMT_FORMAT"),
    ("+12.50", "AMT_FORMAT"),
    ("12.", "AMT_FORMAT"),
    (".5", "AMT_FORMAT"),
    ("--5", "AMT_FORMAT"),
    ("12.50-", "AMT_FORMAT"),
    ("(12.50)", "AMT_FORMAT"),
    ("€12.50", "AMT_FORMAT"),
    ("12.50 EUR", "AMT_FORMAT"),
    ("٣٤", "AMT_FORMAT"),
    ("１２", "AMT_FORMAT"),
    ("\u221212", "AMT_FORMAT"),
    ("0x1F", "AMT_FORMAT"),
    ("\u00a012", 1200),
    ("1/2", "AMT_FORMAT"),
    ("twelve", "AMT_FORMAT"),
    ("12.5.0", "AMT_FORMAT"),
    ("90000000000000.01", "LIMIT_AMOUNT"),
    ("1000000000000000000", "LIMIT_AMOUNT"),
    ("9" * 60, "LIMIT_AMOUNT"),
]


def test_r17_every_form_of_an_amount_becomes_its_documented_value_or_code(attacks, tmp_path):
    """Statement balances may have either sign, so only the form decides."""
    rows = [
        statement(taken_on=f"2026-03-{number % 28 + 1:02}", account_id=("A1", "A2")[number // 28], balance=form)
        for number, (form, _) in enumerate(AMOUNT_FORMS)
    ]
    reports, store = taken(tmp_path, balances=rows)
    frame = store.tables()["balances"]
    values = dict(zip(zip(frame["account_no"], frame["taken_on"], strict=True), frame["balance"], strict=True))
    number = dict(zip(("A1", "A2"), account_number(["A1", "A2"]), strict=True))
    faulty = {
        (json.loads(raw)["account_id"], json.loads(raw)["taken_on"]): code
        for raw, code in codes(tmp_path / "store").items()
    }
    found = [
        values.get((number[row["account_id"]], day(row["taken_on"])), faulty.get((row["account_id"], row["taken_on"])))
        for row in rows
    ]
    assert len(AMOUNT_FORMS) >= 40
    for (form, expected), became in attacks.over(zip(AMOUNT_FORMS, found, strict=True)):
        assert became == expected, form


# ---- the quick test beside the whole ---------------------------------------------------------------------------------

CELLS = {
    Kind.ID: ["A1", "x" * 64, "x" * 65, "a b", "é", "~!", "", " A1 ", "\u00a0A1", "a\tb", "a\u200bb"],
    Kind.TEXT: ["a b", "é", "x" * 64, "x" * 65, "x" * 600, "a\x00b", " a ", ""],
    Kind.CURRENCY: ["EUR", "eur", "XXX", ""],
    Kind.ZONE: ["Europe/Paris", "Mars/Base", ""],
    Kind.DATE: [
        "2026-02-28",
        "2026-02-29",
        "1899-12-31",
        "9999-12-31",
        "2026-02-28 00:00",
        "2026-02-28T00:01",
        "",
        "x",
    ],
    Kind.TIME: [
        *("2026-02-28", "2026-02-28 10:15", "2026-02-28T10:15:09.123456Z", "2026-02-28 10:15+01:30", "2101-01-01"),
        *("1899-12-31T23:59Z", "2026-02-30", "2026-02-28 24:00", "28.02.2026", "", " 2026-02-28 "),
    ],
    Kind.MONEY: ["12.50", "-12.50", "0", "12.345", "nan", "1,0", "90000000000000.01", "9" * 60, "", " 7 ", ".5"],
    Kind.WHOLE: ["0", "7", "-1", "1.0", "1234567", "", "x"],
    Kind.SHARE: ["0", "0.25", "1", "1.01", "-0.1", "", "x"],
}


@pytest.mark.parametrize("name", list(DELIVERED))
def test_no_row_that_is_quickly_found_sound_shows_a_fault(name):
    """Each kind of cell beside each other of its row, in books with a declared zone and without; the faults are the
    same without the quick test, and some rows pass it.
    """
    table = DELIVERED[name]
    chance = np.random.default_rng(7)
    cells = {
        column.name: chance.choice([*CELLS.get(column.kind, []), *(column.values or ()), *column.values[:1] * 9], 4_000)
        if column.kind is Kind.ENUM
        else chance.choice([CELLS[column.kind][0]] * 20 + CELLS[column.kind], 4_000)
        for column in table.columns
    }
    extras = {"x_words": "str", "x_size": "float64"}
    cells |= {"x_words": chance.choice(["", "blue", "é", "x" * 65], 4_000)}
    cells |= {"x_size": chance.choice(["", "1.5", "nan", "x"], 4_000)}
    with duckdb.connect() as engine:
        engine.execute("SET TimeZone = 'UTC'")
        lags = ", ".join(f"0::BIGINT AS lag_{each}" for each in DELIVERED)
        owners = {"account_id": ["A1", "é", "~!"], "portfolio": ["b", "c", "c"], "currency": ["EUR", "JPY", "KWD"]}
        texts = {each: pa.array(values, pa.string()) for each, values in cells.items()}
        given = {
            f"raw_{name}": ("row_number() OVER () - 1 AS rid, *", pa.table(texts)),
            "books": (
                f"*, {lags}",
                pa.table({"portfolio": ["b", "c"], "zone_no": [0, 0], "zone_declared": [True, False]}),
            ),
            "currencies": (
                "*",
                pa.table({"code": list(DECIMALS), "decimals": pa.array(DECIMALS.values(), pa.int64())}),
            ),
            "owners": ("*, 'D1' AS debtor_id, 0 AS shard, 20000::BIGINT AS opened_day", pa.table(owners)),
            "offsets": ("*", offsets(["Europe/Paris"])),
        }
        for called, (columns, rows) in given.items():
            engine.register("rows", rows)
            engine.execute(f"CREATE TABLE {called} AS SELECT {columns} FROM rows")
        known = "SELECT o.*, o.rowid AS account_no, c.decimals FROM owners o JOIN currencies c ON c.code = o.currency"
        engine.execute(f"CREATE TABLE known_accounts AS {known}")
        statement = read_rows(name, list(cells), extras, shards=2)
        quick = f"CASE WHEN {' AND '.join(_sound(table, extras))} THEN 0\n"
        assert quick in statement
        slow = statement.replace(quick, "CASE WHEN false THEN 0\n")
        masks = [engine.sql(f"SELECT rid, mask FROM ({each}) ORDER BY rid").fetchall() for each in (statement, slow)]
    assert masks[0] == masks[1]
    assert 0 < sum(mask == 0 for _, mask in masks[0]) < 4_000


@given(
    st.datetimes(dt.datetime.fromisoformat("1900-01-02"), dt.datetime.fromisoformat("2100-12-30")),
    st.sampled_from(["days", "minutes", "seconds", "microseconds"]),
    st.sampled_from(["", "Z", "+01", "-0330", "+05:45"]),
)
def test_an_instant_is_read_to_the_microsecond_with_its_offset_or_without(moment, spec, offset):
    """By SQL as by Python, which adds the offset of a moment that carries one."""
    text = moment.date().isoformat() if spec == "days" else moment.isoformat(" ", spec) + offset
    read = dt.datetime.fromisoformat(text)
    read = read if read.tzinfo else read.replace(tzinfo=dt.UTC)
    cells = f"SELECT *, {is_zoned('at')} AS at_zoned, false AS at_plain FROM (SELECT ? AS at)"
    with duckdb.connect() as engine:
        engine.execute("SET TimeZone = 'UTC'")
        (found,) = engine.execute(f"SELECT {instant_read('at')} FROM ({cells})", [text]).fetchone()
    assert found == (read - dt.datetime.fromtimestamp(0, dt.UTC)) // dt.timedelta(microseconds=1)
