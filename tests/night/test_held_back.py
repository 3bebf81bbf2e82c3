"""Accounts that wait for what ingest set aside, and until when."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from features.tables import account_number
from pipeline.intake.ingest import ingest
from pipeline.night.held_back import asked_for, set_aside
from pipeline.night.reach import reach_of
from pipeline.night.score import job_for
from pipeline.panel.view import view
from pipeline.params import Reminders
from pipeline.store.store import Store
from tests.worlds.deliveries import (
    PARAMS,
    account,
    charge,
    contact,
    instalment,
    payment,
    placement,
    same,
    status,
    taken,
    world,
    write,
)


def waiting(store_path) -> set[str]:
    store = Store(store_path)
    tables, versions = store.tables(), store.versions()
    numbers = set_aside(tables, store, versions)
    return {name for name in tables["accounts"]["account_id"] if int(account_number([name])[0]) in numbers}


def next_delivery(store_path, **tables) -> None:
    ingest(write(store_path.parent / f"next-{len(list(store_path.parent.iterdir()))}", tables), store_path, PARAMS)


@pytest.fixture
def store_path(tmp_path):
    taken(tmp_path)
    return tmp_path / "store"


def test_nobody_waits_where_nothing_is_set_aside(store_path):
    assert waiting(store_path) == set()


def test_an_account_waits_until_its_payment_is_readable(store_path):
    next_delivery(store_path, payments=[payment(payment_id="N1", account_id="A2", amount="1.234,50")])
    assert waiting(store_path) == {"A2"}
    next_delivery(store_path, payments=[payment(payment_id="N2", account_id="A2", amount="5.00")])
    assert waiting(store_path) == {"A2"}
    next_delivery(store_path, payments=[payment(payment_id="N1", account_id="A2", amount="1234.50")])
    assert waiting(store_path) == set()


def test_a_receipt_that_contradicts_itself_waits_for_its_reversal(store_path):
    next_delivery(store_path, payments=[payment(payment_id="N1", amount="50.00")])
    next_delivery(store_path, payments=[payment(payment_id="N1", amount="60.00")])
    assert waiting(store_path) == {"A1"}
    back = payment(payment_id="N2", kind="reversal", reverses="N1", amount="50.00", occurred_at="2026-02-20")
    next_delivery(store_path, payments=[back])
    assert waiting(store_path) == set()


def test_an_account_waits_until_its_status_is_readable(store_path):
    next_delivery(store_path, statuses=[status(account_id="A2", status="deceased", from_on="03/04/2026")])
    assert waiting(store_path) == {"A2"}
    next_delivery(store_path, statuses=[status(account_id="A2", status="deceased", from_on="2026-04-03")])
    assert waiting(store_path) == set()


def test_an_account_waits_for_its_plan_and_its_placement_as_for_a_status(store_path):
    next_delivery(store_path, plans=[instalment(account_id="A2", total="91.00")])
    assert waiting(store_path) == {"A2"}
    next_delivery(store_path, plans=[instalment(account_id="A2")])
    assert waiting(store_path) == set()
    next_delivery(store_path, placements=[placement(account_id="J1", commission="18")])
    assert waiting(store_path) == {"J1"}
    next_delivery(store_path, placements=[placement(account_id="J1", commission="0.18")])
    assert waiting(store_path) == set()


def test_a_placement_makes_no_status_good_that_cannot_be_read(store_path):
    next_delivery(store_path, statuses=[status(account_id="A2", status="legal", from_on="03/04/2026"), status()])
    next_delivery(store_path, placements=[placement(account_id="A2", route="legal", recalled_on="2026-02-20")])
    assert waiting(store_path) == {"A2"}


def test_a_row_of_an_account_that_nobody_knows_holds_nobody(tmp_path):
    source = write(tmp_path / "in", world(payments=[payment(account_id="nobody")]))
    ingest(source, tmp_path / "store", PARAMS)
    assert waiting(tmp_path / "store") == set()


def test_what_is_asked_for_is_the_arrears_or_else_the_balance_less_what_is_disputed():
    rows = pd.DataFrame({"arrears": [300, 0, 100], "balance": [500, 500, 100]})
    assert asked_for(rows, np.array([120, 0, 100])).tolist() == [180, 500, 0]


def test_debtors_of_a_circle_wait_until_it_is_known_who_they_are(store_path):
    circle = [same("D1", "D2", "2026-02-01"), same("D2", "D1", "2026-02-02")]
    next_delivery(store_path, debtors=circle)
    assert waiting(store_path) == {"A1", "A2", "J1"}
    next_delivery(store_path, debtors=[same("D1", "D2", "2026-02-05")])
    assert waiting(store_path) == set()
    next_delivery(store_path, debtors=[same("D2", "D1", "2026-02-06")])  # they are one already
    assert waiting(store_path) == set()


def test_a_link_without_its_day_holds_both_until_the_debtor_stands_for_itself(store_path):
    next_delivery(store_path, debtors=[same("D1", "D3", "")])
    assert waiting(store_path) == {"A1", "A2", "K1"}
    next_delivery(store_path, debtors=[same("D1", "", "2026-02-05")])
    assert waiting(store_path) == set()


@pytest.mark.parametrize(
    ("stored", "set_aside_later", "who"),
    [
        ([same("D1", "D2", "2026-02-10")], same("D1", "", ""), {"A1", "A2", "J1"}),
        ([same("D1", "D2", "2026-02-10")], same("D1", "D3", ""), {"A1", "A2", "J1", "K1"}),
        ([same("D1", "", "2026-02-10")], same("D1", "D3", ""), {"A1", "A2", "K1"}),
        ([same("D1", "D3", "2026-02-10"), same("D1", "", "2026-02-12")], same("D3", "D1", ""), {"A1", "A2", "K1"}),
        ([same("D1", "D2", "2026-02-10")], same("D2", "D1", ""), set()),
        ([same("D1", "D2", "2026-02-10"), same("D1", "", "2026-02-12")], same("D1", "", ""), set()),
        ([same("D1", "D2", "2026-01-01")], same("D3", "D1", ""), {"A1", "A2", "J1", "K1"}),
    ],
)
def test_a_link_set_aside_waits_whatever_links_came_before_it(tmp_path, stored, set_aside_later, who):
    taken(tmp_path, debtors=stored)
    next_delivery(tmp_path / "store", debtors=[set_aside_later])
    assert waiting(tmp_path / "store") == who
    debtor_id = set_aside_later["debtor_id"]
    next_delivery(tmp_path / "store", debtors=[same(debtor_id, "D4", "2026-02-20")])
    assert waiting(tmp_path / "store") == set()


@pytest.mark.parametrize(("credit", "silent"), [("300.00", True), ("150.00", True), ("120.00", False)])
def test_nobody_is_written_to_before_the_due_day_of_what_his_credit_elsewhere_covers(tmp_path, credit, silent):
    lives = {"jurisdiction": "FR", "time_zone": "Europe/Paris", "debtor_id": "D9"}
    tables = {
        "accounts": [account(account_id=name, **lives) for name in ("B1", "B2")],
        "charges": [charge(charge_id="N1", account_id="B1", due_on="2026-02-09", amount="150.00")],
        "payments": [payment(account_id="B2", occurred_at="2026-01-20", amount=credit)],
        "contacts": [contact(account_id="B2", occurred_at="2026-01-10", channel="letter")],
        "statuses": [status(account_id="B1", status="consent_email")],
    }
    through = {name: {"complete_through": "2026-02-05"} for name in tables}
    step = {"name": "before", "day": -5, "channels": ["email"], "message": "due_soon", "open_days": 5}
    params = PARAMS.model_copy(update={"reminders": Reminders.model_validate({"steps": [step]})})
    params = params.model_copy(update={"worklist": params.worklist.model_copy(update={"defer_for_credit": True})})
    _, store = taken(tmp_path, params, controls=through, **tables)
    job = job_for(store, dt.date(2026, 2, 6), params)
    rows = reach_of(job, view(store, 0, [job.as_of], params, job.versions), store)
    rows = rows[rows["account_id"] == "B1"]
    assert rows["offset"].tolist() == [-3]
    told = list(zip(rows["verdict"], rows["rule"], strict=True))
    assert told == [("deferred", "debtor.credit") if silent else ("permitted", "")]


def test_another_line_of_the_same_receipt_makes_no_line_good(store_path):
    lines = [
        payment(payment_id="N1", account_id="A1", amount="50.00"),
        payment(payment_id="N1", account_id="A2", amount="1.234,50"),
    ]
    next_delivery(store_path, payments=lines)
    assert waiting(store_path) == {"A1", "A2"}  # the receipt waits whole
    next_delivery(store_path, payments=[payment(payment_id="N2", account_id="A2", amount="5.00"), lines[0]])
    assert waiting(store_path) == {"A1", "A2"}  # one of its lines is not the receipt
    mended = payment(payment_id="N1", account_id="A2", amount="1234.50")
    next_delivery(store_path, payments=[mended])
    assert waiting(store_path) == {"A1", "A2"}
    next_delivery(store_path, payments=[lines[0], mended])
    assert waiting(store_path) == set()


def test_a_receipt_applied_later_waits_for_its_new_lines(store_path):
    next_delivery(store_path, payments=[payment(payment_id="N1", amount="50.00", known_at="2026-02-05")])
    lines = [
        payment(payment_id="N1", charge_id=charge_id, amount=amount, known_at="2026-02-10")
        for charge_id, amount in (("C1", "30.00"), ("C2", "20,00"))
    ]
    next_delivery(store_path, payments=lines[1:])
    assert waiting(store_path) == {"A1"}
    next_delivery(store_path, payments=[lines[0], {**lines[1], "amount": "20.00"}])
    assert waiting(store_path) == set()


def test_a_status_waits_for_its_own_version(store_path):
    held = status(account_id="A2", status="dispute", from_on="2026-01-10", until_on="2026-02-01", known_at="2026-01-10")
    next_delivery(store_path, statuses=[held])
    longer = {**held, "until_on": "01/04/2026", "known_at": "2026-01-25"}
    next_delivery(store_path, statuses=[longer])
    assert waiting(store_path) == {"A2"}
    next_delivery(store_path, statuses=[{**longer, "until_on": "2026-04-01"}])
    assert waiting(store_path) == set()


def test_a_dispute_of_another_charge_makes_none_good(store_path):
    held = status(account_id="A2", status="dispute", from_on="2026-01-10", charge_id="C1")
    next_delivery(store_path, statuses=[held, {**held, "charge_id": "C2", "until_on": "31/12/2026"}])
    assert waiting(store_path) == {"A2"}
    next_delivery(store_path, statuses=[{**held, "charge_id": "C2", "until_on": "2026-12-31"}])
    assert waiting(store_path) == set()


def test_a_status_without_a_day_waits_for_one_that_was_not_there(store_path):
    former = status(account_id="A2", status="dispute", from_on="2026-01-10", until_on="2026-02-01")
    next_delivery(store_path, statuses=[former])
    next_delivery(store_path, statuses=[{**former, "from_on": "03/04/2026", "until_on": ""}])
    assert waiting(store_path) == {"A2"}
    next_delivery(store_path, statuses=[former])
    assert waiting(store_path) == {"A2"}
    next_delivery(store_path, statuses=[{**former, "from_on": "2026-04-03", "until_on": ""}])
    assert waiting(store_path) == set()
