"""Offers as they came (settling.py): what a night takes for accepted and paid is what a training learns from, day by
day."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
import yaml

from features.tables import NO_DAY, NO_MONEY, TREATMENTS
from pipeline.law.rule_file import load_rules
from pipeline.night.former_offers import accepted_settlements, closed_by_settlement, refused_since
from pipeline.panel.settling import came_of, charged_since
from pipeline.panel.view import view
from pipeline.params import Treatments
from pipeline.training.experience import past_of
from pipeline.treatment.policy import SHIPPED, policy_of
from tests.worlds.deliveries import PARAMS, account, charge, day, offer, payment, taken

NIGHT = "2026-09-01"


def of(made: int, kind: str = "settlement", amount: int = 5_000, **cells: object) -> dict[str, object]:
    told = {"account_no": 7, "offer_id": "O1", "made_on": made, "kind": kind, "amount": amount, "outcome": "accepted"}
    return {**told, "valid_until": NO_DAY, "first_due_on": NO_DAY, "known_on": made + 2, **cells}


def told(*rows: dict[str, object], paid: dict[int, int] | None = None) -> pd.Series:
    """came_of the last version; paid: day -> minor units."""
    frame = pd.DataFrame(rows)
    money = pd.DataFrame({"account_no": 7, "occurred_on": list(paid or {}), "amount": list((paid or {}).values())})
    newest = frame.iloc[[-1]]
    return came_of(newest, frame, money.astype("int64"), 30).iloc[0]


@pytest.mark.parametrize(
    ("row", "taken", "until", "over"),
    [
        (of(100), 130, 132, 161),  # known to be accepted on day 102
        (of(100, valid_until=110), 110, 132, 141),
        (of(100, valid_until=150), 150, 150, 181),  # named longer than thirty days
        (of(100, valid_until=110, known_on=125), 110, 140, 141),  # known late: accepted on its last day at the latest
        (of(100, outcome="refused", valid_until=110), 110, NO_DAY, 141),
        (of(100, "plan", first_due_on=120), 120, 120, 121),
        (of(100, "plan", outcome=None), 130, NO_DAY, 131),
    ],
)
def test_the_days_of_an_offer(row, taken, until, over):
    came = told(row)
    assert (came["taken_until"], came["paid_until"], came["over_on"], came["paid_on"]) == (taken, until, over, NO_DAY)


def test_an_accepted_offer_ripens_no_later_than_one_that_is_refused():
    for valid in (NO_DAY, 105, 131, 200):
        one, other = (told(of(100, outcome=outcome, valid_until=valid)) for outcome in ("accepted", "refused"))
        assert one["over_on"] == other["over_on"] > max(one["paid_until"], 0)


@pytest.mark.parametrize(
    ("paid", "on"),
    [
        ({99: 5_000}, NO_DAY),  # before it was made
        ({100: 5_000}, 100),
        ({132: 5_000}, 132),
        ({133: 5_000}, NO_DAY),  # a day late
        ({110: 4_999}, NO_DAY),
        ({110: 2_000, 120: 2_999, 121: 1, 125: 500}, 121),
    ],
)
def test_the_day_on_which_it_was_paid(paid, on):
    assert told(of(100), paid=paid)["paid_on"] == on
    assert told(of(100, outcome="refused"), paid=paid)["paid_on"] == NO_DAY
    assert told(of(100, amount=NO_MONEY), paid=paid)["paid_on"] == NO_DAY  # nobody said how much


def test_a_later_version_does_not_make_it_accepted_anew():
    again = of(100, known_on=160)
    assert told(of(100, outcome=None, known_on=100), of(100), again)["paid_until"] == 132


MONEY = {
    "1": ("2026-07-05", "50.00"),  # in time
    "2": ("2026-08-20", "50.00"),  # late
    "3": ("2026-07-05", "49.99"),
    "4": ("2026-07-05", "50.00"),  # taken back, below
    "5": ("2026-07-05", "50.00"),  # and something was offered since
    "6": ("2026-07-05", "50.00"),  # and what was let off was written off; a new charge is open
}


@pytest.fixture
def house(tmp_path):
    """Six accounts of six debtors: 100.00 owed on each, half let off on 1 July, accepted on 2 July."""
    accounts = [account(account_id=f"S{each}", debtor_id=f"E{each}", principal="100.00") for each in MONEY]
    charges = [charge(charge_id=f"C{each}", account_id=f"S{each}", amount="100.00") for each in MONEY]
    new = {"issued_on": "2026-08-01", "due_on": "2026-08-15", "known_at": "2026-08-01T10:00:00+01:00"}
    charges.append(charge(charge_id="N6", account_id="S6", amount="20.00", **new))
    offers, payments = [], []
    for each, (on, amount) in MONEY.items():
        made = {"account_id": f"S{each}", "offer_id": f"O{each}", "made_at": "2026-07-01", "amount": "50.00"}
        made |= {"discount": "0.5", "variant": "0.5 of 0.25+0.5", "probability": "0.5", "valid_until": "2026-07-10"}
        offers += [offer(**made), offer(**made, outcome="accepted", known_at="2026-07-02T10:00:00+01:00")]
        told = {"payment_id": f"Q{each}", "account_id": f"S{each}", "occurred_at": f"{on}T10:00:00+01:00"}
        payments.append(payment(**told, amount=amount))
    payments.append(
        payment(payment_id="R4", account_id="S4", occurred_at="2026-07-08T10:00:00+01:00", kind="reversal",
                reverses="Q4", amount="50.00")
    )  # fmt: skip
    payments.append(
        payment(
            payment_id="W6", account_id="S6", occurred_at="2026-07-20T10:00:00+01:00", kind="credit", amount="50.00"
        )
    )
    since = {"account_id": "S5", "offer_id": "O9", "made_at": "2026-08-20", "amount": "30.00", "outcome": "refused"}
    offers.append(offer(**since))
    raw = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    (tmp_path / "t.yaml").write_text(yaml.safe_dump(raw, sort_keys=False), encoding="utf-8")
    books = {
        name: book.model_copy(update={"delivers": (*book.delivers, *TREATMENTS)})
        for name, book in PARAMS.portfolios.items()
    }
    update = {"portfolios": books, "store": PARAMS.store.model_copy(update={"shards": 1})}
    params = PARAMS.model_copy(update={**update, "treatments": Treatments(policy=str(tmp_path / "t.yaml"))})
    _, store = taken(tmp_path, params, accounts=accounts, charges=charges, offers=offers, payments=payments)
    return params, store


def test_a_night_and_a_training_mean_the_same_by_paid_in_time(house, tmp_path):
    """Whom a night does not work for a settlement that was paid is of those of whom the training learns that they took
    it; it works again whom something was offered since, and who owes nothing but what was charged since."""
    params, store = house
    night = day(NIGHT)
    seen = view(store, 0, [night], params, store.versions())
    rows, came = seen.cohort.frame, (seen.tables, seen.ledger.settlements)
    ids = rows["account_id"].astype("str").to_numpy()
    closed = set(ids[closed_by_settlement(*came, rows, night, params)])
    assert closed == {"S1"}
    policy = policy_of(tmp_path / "t.yaml", load_rules(), ["FR"], dt.date(2026, 9, 1))
    offers = past_of(store, params, policy, night).offers
    offers = offers[(offers["made_on"] == day("2026-07-01")).to_numpy()]
    numbers = dict(zip(rows["account_no"], ids, strict=True))
    assert {numbers[each] for each in offers.loc[offers["accepted"], "account_no"]} == {"S1", "S5", "S6"}
    assert offers["matured"].all()
    # Within the days to pay, all but those who paid are waited for.
    early = day("2026-07-12")
    seen = view(store, 0, [early], params, store.versions())
    rows, came = seen.cohort.frame, (seen.tables, seen.ledger.settlements)
    ids = dict(zip(rows["account_no"], rows["account_id"].astype("str"), strict=True))
    assert {ids[each] for each in accepted_settlements(*came, early, params)} == {"S2", "S3", "S4"}
    closed = closed_by_settlement(*came, rows, early, params)
    assert {ids[each] for each in rows["account_no"][closed]} == {"S1", "S5", "S6"}


def test_what_was_charged_since_counts_from_the_day_after_as_it_was_known(house):
    params, store = house
    tables = view(store, 0, [day(NIGHT)], params, store.versions()).tables
    known = tables["accounts"].drop_duplicates("account_no")
    number = known.loc[known["account_id"].astype("str") == "S6", "account_no"].to_numpy(np.int64)
    for since, on, new in (("2026-07-31", NIGHT, 2_000), ("2026-08-01", NIGHT, 0), ("2026-07-31", "2026-08-01", 0)):
        assert charged_since(tables, number, np.array([day(since)]), day(on)).tolist() == [new]


def test_what_was_refused_counts_where_it_was_a_way_to_pay_what_is_owed_now(house):
    """A court waits for a plan or a settlement that was refused since the debt fell overdue, or was placed."""
    params, store = house
    tables = view(store, 0, [day(NIGHT)], params, store.versions()).tables
    offers, known = tables["offers"], tables["accounts"].drop_duplicates("account_no")
    number = known.loc[known["account_id"].astype("str") == "S5", "account_no"].to_numpy(np.int64)
    for since, on, many in (("2026-08-20", NIGHT, 1), ("2026-08-21", NIGHT, 0), ("2026-01-01", "2026-08-20", 0)):
        assert refused_since(tables, number, np.array([day(since)]), day(on)).tolist() == [many]
    about_days = {**tables, "offers": offers.assign(kind="due_date_move")}
    assert refused_since(about_days, number, np.array([day("2026-01-01")]), day(NIGHT)).tolist() == [0]
