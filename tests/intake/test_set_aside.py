"""What becomes of rows set aside: each waits, is released mended, or is discarded, and none vanishes uncounted."""

from __future__ import annotations

import csv
import datetime as dt
import json
import re

import pytest

from features.tables import account_number
from pipeline.intake.ingest import ingest
from pipeline.intake.refusals import DeliveryRefused
from pipeline.intake.set_aside import (
    CAME,
    DISCARDED,
    RELEASED,
    WAITING,
    DecisionRefused,
    NotMended,
    NotSetAside,
    chosen,
    discard,
    listed,
    release,
    set_aside,
)
from pipeline.night.held_back import set_aside as waiting_accounts
from pipeline.store.form import DECISIONS
from pipeline.store.store import Store
from tests.worlds.commands import exit_code
from tests.worlds.deliveries import PARAMS, charge, payment, status, taken, write

NOW = dt.datetime(2026, 3, 1, 8, tzinfo=dt.UTC)
FAULTY = [
    payment(payment_id="N1", account_id="A2", amount="1.234,50"),
    payment(payment_id="N2", account_id="A1", amount="20.00", occurred_at="03/02/2026"),
    payment(payment_id="N3", account_id="J1", amount="500", kind="gift"),
]


@pytest.fixture
def store(tmp_path):
    """A store with three payments set aside, in two currencies, one of an amount that cannot be read."""
    taken(tmp_path)
    ingest(write(tmp_path / "faulty", {"payments": FAULTY}), tmp_path / "store", PARAMS)
    return Store(tmp_path / "store")


def mended(tmp_path, *rows):
    place = tmp_path / "mended.csv"
    with place.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return place


def named(store, payment_id):
    return [row for row in set_aside(store) if json.loads(row.raw).get("payment_id") == payment_id]


def held(store):
    again = Store(store.path)
    tables = again.tables()
    numbers = waiting_accounts(tables, again, again.versions())
    return {name for name in tables["accounts"]["account_id"] if int(account_number([name])[0]) in numbers}


def test_what_waits_is_told_by_table_code_and_delivery_with_its_money(store):
    told = listed(store, set_aside(store), each=False).splitlines()
    assert told[:3] == [
        "payments  AMT_FORMAT, delivery 2: 1 rows wait, 1 whose money cannot be read",
        "payments  ENUM_UNKNOWN, delivery 2: 1 rows wait, 500 JPY",
        "payments  TS_FORMAT, delivery 2: 1 rows wait, 20.00 EUR",
    ]
    assert told[3] == "delivery 2, payments: 3 rows set aside = 3 waiting + 0 released + 0 discarded"
    assert told[4:] == [
        "  20.00 EUR = 20.00 waiting + 0.00 released + 0.00 discarded",
        "  500 JPY = 500 waiting + 0 released + 0 discarded",
    ]


def test_a_mended_row_comes_in_as_a_delivery_of_its_own_and_its_account_waits_no_longer(store, tmp_path):
    assert held(store) == {"A1", "A2", "J1"}
    file = mended(tmp_path, {**FAULTY[1], "occurred_at": "2026-02-03"})
    told = release(store.path, named(store, "N2"), file, PARAMS, "A. Keeper", "day first", NOW)
    assert told.startswith("1 row of payments, 20.00 EUR released by A. Keeper as delivery 3: day first\n")
    assert held(store) == {"A2", "J1"}
    again = Store(store.path)
    assert len(again.deliveries()) == 3
    assert int(account_number(["N2"])[0]) in again.tables()["payments"]["payment_no"].to_numpy()
    (row,) = named(again, "N2")
    assert (row.fate, row.by, row.why, row.at) == (RELEASED, "A. Keeper", "day first", "2026-03-01T08:00:00+00:00")
    assert "  20.00 EUR = 0.00 waiting + 20.00 released + 0.00 discarded" in listed(again, set_aside(again), each=False)


def test_a_row_that_came_in_since_by_a_delivery_says_so(store, tmp_path):
    right = {**FAULTY[1], "occurred_at": "2026-02-03"}
    source = {"payments": [right], "charges": [charge(charge_id="C9", amount="7,00")]}
    ingest(write(tmp_path / "right", source), store.path, PARAMS)
    again = Store(store.path)
    told = listed(again, set_aside(again), each=False).splitlines()
    assert "payments  TS_FORMAT, delivery 2: 1 rows came in since, mended, 20.00 EUR" in told
    line = "delivery 2, payments: 3 rows set aside = 2 waiting + 1 came in since + 0 released + 0 discarded"
    assert line in told
    assert "  20.00 EUR = 0.00 waiting + 20.00 came in since + 0.00 released + 0.00 discarded" in told
    ingest(write(tmp_path / "charge", {"charges": [charge(charge_id="C9", amount="7.00")]}), store.path, PARAMS)
    again = Store(store.path)
    assert {row.table for row in set_aside(again) if row.fate == CAME} == {"payments", "charges"}
    assert held(again) == {"A2", "J1"}
    discard(store.path, named(again, "N2"), "A. Keeper", "came by the feed", NOW)
    assert [row.fate for row in named(Store(store.path), "N2")] == [DISCARDED]


def test_a_discarded_row_stays_counted_and_its_account_waits_no_longer(store):
    discard(store.path, named(store, "N1"), "A. Keeper", "a test of the bank", NOW)
    assert held(store) == {"A1", "J1"}
    again = Store(store.path)
    assert [row.fate for row in named(again, "N1")] == [DISCARDED]
    told = listed(again, set_aside(again), each=False)
    assert "3 rows set aside = 2 waiting + 0 released + 1 discarded" in told
    assert sum(row.rows for row in set_aside(again)) == 3


def test_a_row_that_is_still_faulty_changes_nothing(store, tmp_path):
    before = Store(store.path).versions()
    with pytest.raises(DeliveryRefused, match="AMT_FORMAT"):
        release(store.path, named(store, "N1"), mended(tmp_path, FAULTY[0]), PARAMS, "A. Keeper", "again", NOW)
    assert Store(store.path).versions() == before
    assert [row.fate for row in named(store, "N1")] == [WAITING]


def test_a_release_that_was_cut_off_after_its_delivery_is_ended_by_the_same_again(store, tmp_path, monkeypatch):
    rows, file = named(store, "N2"), mended(tmp_path, {**FAULTY[1], "occurred_at": "2026-02-03"})
    with monkeypatch.context() as cut:
        cut.setattr("pipeline.intake.set_aside.append", _killed)
        with pytest.raises(KeyboardInterrupt, match="cut off"):
            release(store.path, rows, file, PARAMS, "A. Keeper", "day first", NOW)
    release(store.path, named(store, "N2"), file, PARAMS, "A. Keeper", "day first", NOW)
    again = Store(store.path)
    assert [row.fate for row in named(again, "N2")] == [RELEASED]
    assert len(again.deliveries()) == 3


def _killed(*_):
    raise KeyboardInterrupt("cut off")


def test_what_stands_for_other_rows_is_refused(store, tmp_path):
    rows = named(store, "N2")
    with pytest.raises(NotMended, match="holds 2 rows for 1 set aside"):
        release(store.path, rows, mended(tmp_path, FAULTY[1], FAULTY[1]), PARAMS, "A", "b", NOW)
    with pytest.raises(NotMended, match="row 1, names another account"):
        release(store.path, rows, mended(tmp_path, {**FAULTY[1], "account_id": "A2"}), PARAMS, "A", "b", NOW)
    with pytest.raises(NotMended, match="is not a CSV file in UTF-8"):
        release(store.path, rows, tmp_path / "none.csv", PARAMS, "A", "b", NOW)
    with pytest.raises(DecisionRefused, match="both are recorded"):
        discard(store.path, rows, " ", "why", NOW)
    discard(store.path, rows, "A", "b", NOW)
    with pytest.raises(DecisionRefused, match="released or discarded already"):
        discard(store.path, named(store, "N2"), "A", "b", NOW)
    with pytest.raises(NotSetAside, match="No row 'nothing' is set aside"):
        chosen(set_aside(store), ["nothing"])


def test_of_two_who_looked_at_a_row_at_the_same_time_the_first_decides(store, tmp_path):
    rows, file = named(store, "N2"), mended(tmp_path, {**FAULTY[1], "occurred_at": "2026-02-03"})
    discard(store.path, rows, "A. Keeper", "montant faux\u00a0: voir banque", NOW)
    with pytest.raises(DecisionRefused, match="A decision stands"):
        discard(store.path, rows, "B. Keeper", "gone", NOW)
    with pytest.raises(DecisionRefused, match="A decision stands"):
        release(store.path, rows, file, PARAMS, "B. Keeper", "day first", NOW)
    again = Store(store.path)
    assert [(row.by, row.fate) for row in named(again, "N2")] == [("A. Keeper", DISCARDED)]
    assert (len(again.read(DECISIONS)), len(again.deliveries())) == (1, 2)


def test_the_same_faulty_row_in_a_later_delivery_is_counted_as_lying_there(store, tmp_path):
    ingest(write(tmp_path / "again", {"payments": [*FAULTY, payment(payment_id="N9")]}), store.path, PARAMS)
    again = Store(store.path)
    told = listed(again, set_aside(again), each=False)
    line = "delivery 3, payments: 3 rows set aside = 0 waiting + 0 released + 0 discarded + 3 that lay there before, "
    line += "or left with a forgotten debtor or by retention"
    assert line in told.splitlines()
    money = "  20.00 EUR = 0.00 waiting + 0.00 released + 0.00 discarded + 20.00 that lay there before, left since, "
    assert f"{money}or told no currency then" in told.splitlines()


def test_what_adds_up_is_all_rows_whichever_are_listed(store, capsys):
    where = ("--store", str(store.path))
    assert exit_code("quarantine", "list", *where) == 0
    whole = capsys.readouterr().out.splitlines()
    assert exit_code("quarantine", "list", "--code", "TS_FORMAT", *where) == 0
    assert capsys.readouterr().out.splitlines() == whole[2:]


def test_a_release_tells_what_came_in_and_for_how_many_rows(store, tmp_path):
    twins = [payment(payment_id="N5", account_id="A1", amount="30.00", occurred_at="03/02/2026")] * 2
    ingest(write(tmp_path / "twins", {"payments": twins}), store.path, PARAMS)
    again = Store(store.path)
    file = mended(tmp_path, {**twins[0], "occurred_at": "2026-02-03", "amount": "31.00"})
    told = release(store.path, named(again, "N5"), file, PARAMS, "A. Keeper", "day first", NOW)
    assert told.startswith("1 row of payments, 31.00 EUR released by A. Keeper as delivery 4 for 2 rows set aside: day")
    again = Store(store.path)
    last = listed(again, set_aside(again), each=False).splitlines()[-1]
    assert last == "  60.00 EUR = 0.00 waiting + 60.00 released + 0.00 discarded"


def test_the_lines_of_a_receipt_that_waits_whole_are_released_together(store, tmp_path):
    lines = [payment(payment_id="N6", amount="10.00"), payment(payment_id="N6", account_id="A2", amount="5,00")]
    ingest(write(tmp_path / "halved", {"payments": lines}), store.path, PARAMS)
    rows, right = named(store, "N6"), [lines[0], {**lines[1], "amount": "5.00"}]
    before = Store(store.path).versions()
    for row, cells in zip(rows, right, strict=True):
        with pytest.raises(DeliveryRefused, match="deliver or release all at once"):
            release(store.path, [row], mended(tmp_path, cells), PARAMS, "A. Keeper", "comma", NOW)
    assert Store(store.path).versions() == before
    told = release(store.path, rows, mended(tmp_path, *right), PARAMS, "A. Keeper", "comma", NOW)
    assert told.startswith("2 rows of payments, 15.00 EUR released by A. Keeper")


def test_a_line_of_a_receipt_comes_in_alone_once_the_other_is_discarded(store, tmp_path):
    lines = [payment(payment_id="N6", amount="10.00"), payment(payment_id="N6", account_id="A2", amount="5,00")]
    ingest(write(tmp_path / "halved", {"payments": lines}), store.path, PARAMS)
    right, none = named(store, "N6")
    discard(store.path, [none], "A. Keeper", "no line of it", NOW)
    told = release(store.path, [right], mended(tmp_path, lines[0]), PARAMS, "A. Keeper", "whole so", NOW)
    assert told.startswith("1 row of payments, 10.00 EUR released by A. Keeper")


def test_rows_are_chosen_by_table_code_and_delivery(store, tmp_path):
    ingest(
        write(tmp_path / "more", {"statuses": [status(status="deceased", from_on="03/04/2026")]}), store.path, PARAMS
    )
    rows = set_aside(Store(store.path))
    assert len(chosen(rows)) == 4
    assert {row.table for row in chosen(rows, table="statuses")} == {"statuses"}
    assert [row.codes for row in chosen(rows, code="AMT_FORMAT")] == [("AMT_FORMAT",)]
    assert len(chosen(rows, delivery=2)) == 3


def test_a_file_of_the_terminal_shows_ids_only_there_and_the_row_only_when_asked(store, capsys):
    (row,) = named(store, "N1")
    where = ("--store", str(store.path))
    assert exit_code("quarantine", "show", "--id", row.name, *where) == 0
    told = capsys.readouterr().out
    assert "AMT_FORMAT" in told
    assert re.search(r"\bA2\b|\bN1\b|1\.234", told) is None
    assert exit_code("quarantine", "list", "--rows", *where) == 0
    assert re.search(r"\bA2\b|\bN1\b|1\.234", capsys.readouterr().out) is None
    assert exit_code("quarantine", "show", "--id", row.name, "--raw", *where) == 0
    assert "amount = '1.234,50'" in capsys.readouterr().out
