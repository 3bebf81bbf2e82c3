"""A delivery that does not follow the last one of a book is refused, or accepted by name."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from features.days import day_number
from features.errors import ContractError
from pipeline.intake.delivery import Control
from pipeline.intake.gaps import Gap, accepted, gaps
from pipeline.intake.ingest import ingest
from pipeline.night.held_back import set_aside
from pipeline.store.record import Delivered, State
from pipeline.store.store import Store
from tests.worlds.deliveries import PARAMS, payment, refusal, world, write

pytestmark = pytest.mark.slow

MARCH = "2026-03-01"


def paid_on(tmp_path, name: str, since: str | None, through: str, **how):
    """A delivery of one payment that says which days are all there."""
    control = {"complete_through": through, **({} if since is None else {"complete_from": since})}
    row = payment(payment_id=name, occurred_at=f"{through}T10:00:00Z")
    source = write(tmp_path / name, {"payments": [row]}, controls={"payments": control})
    return ingest(source, tmp_path / "store", PARAMS, **how)


@pytest.fixture
def to_march(tmp_path):
    """A store whose payments are complete through 2026-03-01."""
    nothing = {"payments": {"rows": 0, "complete_through": MARCH}}
    source = write(tmp_path / "first", world(payments=[]), controls=nothing)
    ingest(source, tmp_path / "store", PARAMS)
    return tmp_path


@pytest.mark.parametrize("since", ["2026-03-02", "2026-02-15", None])
def test_an_increment_that_follows_the_last_or_overlaps_it_comes_in(to_march, since):
    assert paid_on(to_march, "P7", since, "2026-03-05").accepted_gap is None


def test_an_increment_that_leaves_days_out_is_refused_and_changes_nothing(to_march):
    match = (
        r"'payments': the delivery begins on 2026-03-05, and the store is complete through 2026-03-01 for "
        r"'paris', 'tokyo', 'undeclared': 3 days are missing between them\. "
        r"Deliver what lies between first, or accept that it is missing with --accept-gap WHY\."
    )
    with pytest.raises(ContractError, match=match):
        paid_on(to_march, "P7", "2026-03-05", "2026-03-06")
    assert len(Store(to_march / "store").deliveries()) == 1
    assert paid_on(to_march, "P8", "2026-03-02", "2026-03-04").accepted_gap is None  # the lost one came late
    assert paid_on(to_march, "P7", "2026-03-05", "2026-03-06").accepted_gap is None


def test_a_gap_that_somebody_accepts_is_kept_with_its_reason(to_march):
    found = paid_on(to_march, "P7", "2026-03-05", "2026-03-06", accept_gap="the bank was closed")
    days = ["2026-03-02", "2026-03-04"]
    books = dict.fromkeys(["paris", "tokyo", "undeclared"], days)
    told = {"why": "the bank was closed", "tables": {"payments": days}, "portfolios": {"payments": books}}
    assert found.accepted_gap == Store(to_march / "store").newest().accepted_gap == told
    assert "Missing days accepted: the bank was closed" in found.text()
    assert any(warning.endswith("Accepted: the bank was closed") for warning in found.warnings)
    again = paid_on(to_march, "P7", "2026-03-05", "2026-03-06")
    assert (again.already, again.accepted_gap) == (True, told)


def test_a_first_delivery_and_history_follow_nothing(tmp_path):
    first = write(tmp_path / "first", world(), controls={"charges": {"complete_from": MARCH} | THROUGH})
    assert ingest(first, tmp_path / "store", PARAMS).accepted_gap is None
    assert paid_on(tmp_path, "P7", "2026-08-05", "2026-08-06", backfill=True).accepted_gap is None


THROUGH = {"complete_through": "2026-03-06"}


@pytest.mark.parametrize("control", [{"complete_from": MARCH}, {"complete_from": "2026-03-07"} | THROUGH])
def test_a_first_day_needs_a_last_one_that_is_not_before_it(tmp_path, control):
    refusal(tmp_path, ContractError, "'charges.control.json' must read like", controls={"charges": control})


# Books that do not end on the same day


@pytest.fixture
def tokyo_behind(tmp_path):
    """A store whose payments are complete through 2026-03-10 for paris, and through 2026-03-05 for the other two."""
    nothing = {"payments": {"rows": 0, "complete_through": "2026-03-05"}}
    ingest(write(tmp_path / "first", world(payments=[]), controls=nothing), tmp_path / "store", PARAMS)
    row = payment(payment_id="P6", occurred_at="2026-03-10T10:00:00Z")
    ingest(write(tmp_path / "paris", {"payments": [row]}), tmp_path / "store", PARAMS)
    assert Store(tmp_path / "store").complete_by_portfolio()["payments"] == dict.fromkeys(
        ["tokyo", "undeclared"], number("2026-03-05")
    ) | {"paris": number("2026-03-10")}
    return tmp_path


def number(day: str) -> int:
    return day_number(dt.date.fromisoformat(day))


LOST = ["2026-03-06", "2026-03-10"]


def test_a_book_that_reaches_further_hides_no_gap_of_another(tokyo_behind):
    match = (
        r"the delivery begins on 2026-03-11, and the store is complete through 2026-03-05 for 'tokyo', 'undeclared': "
        r"5 days are missing between them\. Deliver what lies between first"
    )
    with pytest.raises(ContractError, match=match):
        paid_on(tokyo_behind, "P7", "2026-03-11", "2026-03-12")
    assert paid_on(tokyo_behind, "P7", "2026-03-06", "2026-03-12").accepted_gap is None


def test_an_accepted_gap_keeps_the_days_of_each_book(tokyo_behind):
    found = paid_on(tokyo_behind, "P7", "2026-03-11", "2026-03-12", accept_gap="the sender was away")
    told = {"tokyo": LOST, "undeclared": LOST}
    assert found.accepted_gap == {
        "why": "the sender was away",
        "tables": {"payments": LOST},
        "portfolios": {"payments": told},
    }
    assert Store(tokyo_behind / "store").newest().accepted_gap == found.accepted_gap
    assert paid_on(tokyo_behind, "P8", "2026-03-13", "2026-03-13").accepted_gap is None


def test_books_that_end_on_other_days_are_told_apart_and_kept_apart():
    through = dict(zip(["paris", "tokyo", "new"], map(number, ["2026-03-09", "2026-03-05", "2026-03-10"]), strict=True))
    state = State(complete_through={"payments": through})
    control = Control(1, None, dt.date(2026, 3, 12), complete_from=dt.date(2026, 3, 11))
    books = {"payments": [*through, "never delivered before"]}
    found = gaps({"payments": control}, books, state, PARAMS)
    assert found == [
        Gap("payments", number("2026-03-06"), number("2026-03-10"), ("tokyo",)),
        Gap("payments", number("2026-03-10"), number("2026-03-10"), ("paris",)),
    ]
    assert found[1].sentence(PARAMS).endswith("through 2026-03-09 for 'paris': 1 day is missing between them.")
    assert accepted(found, "why") == {
        "why": "why",
        "tables": {"payments": LOST},
        "portfolios": {"payments": {"tokyo": LOST, "paris": ["2026-03-10", "2026-03-10"]}},
    }
    assert accepted([], "why") is None
    assert (
        gaps({"payments": control}, {"payments": ["paris"]}, state, PARAMS) == found[1:]
    )  # of the others it says nothing


def test_a_book_that_does_not_deliver_the_table_lacks_nothing():
    state = State(complete_through={"payments": {"paris": number(MARCH)}})
    control = Control(1, None, dt.date(2026, 3, 12), complete_from=dt.date(2026, 3, 11))
    without = PARAMS.portfolios["paris"].model_copy(update={"delivers": ("accounts", "charges")})
    params = PARAMS.model_copy(update={"portfolios": {"paris": without}})
    assert len(gaps({"payments": control}, {"payments": ["paris"]}, state, PARAMS)) == 1
    assert gaps({"payments": control}, {"payments": ["paris"]}, state, params) == []


def test_a_sentence_names_five_books_and_counts_the_rest():
    gap = Gap("payments", number("2026-03-02"), number("2026-03-03"), tuple(f"b{at}" for at in range(7)))
    assert "'b4' and 2 more: 2 days are" in gap.sentence(PARAMS)


def test_a_record_that_names_no_books_is_read_as_it_was_written(to_march):
    record = Store(to_march / "store").newest()
    older = {**record.written(), "accepted_gap": {"why": "w", "tables": {"payments": LOST}}}
    found = Delivered.read(json.loads(json.dumps(older)))
    assert found.accepted_gap == older["accepted_gap"]


# Senders with control files of their own


def sent(folder, books: list[str], since: str, through: str, rows: list, **how):
    """A delivery of payments of one sender's books."""
    control = {"complete_from": since, "complete_through": through, "portfolios": books}
    source = write(folder / f"{books[0]}-{since}-{through}", {"payments": rows}, controls={"payments": control})
    return ingest(source, folder / "store", PARAMS, **how)


def test_a_control_file_of_one_sender_vouches_for_its_own_books_alone(to_march):
    def one(name, on, account):
        return [payment(payment_id=name, account_id=account, occurred_at=f"{on}T10:00:00Z", amount="1")]

    sent(to_march, ["paris"], "2026-03-02", "2026-03-05", one("P7", "2026-03-05", "A1"))
    reached = dict(Store(to_march / "store").complete_by_portfolio()["payments"])
    assert reached == {"paris": number("2026-03-05"), "tokyo": number(MARCH), "undeclared": number(MARCH)}
    match = r"begins on 2026-03-06, and the store is complete through 2026-03-01 for 'tokyo': 4 days are missing"
    with pytest.raises(ContractError, match=match):
        sent(to_march, ["tokyo"], "2026-03-06", "2026-03-07", one("P8", "2026-03-06", "J1"))
    sent(to_march, ["paris"], "2026-03-06", "2026-03-07", one("P9", "2026-03-06", "A1"))


def test_rows_of_a_book_that_is_not_named_and_names_that_no_book_has_are_refused(to_march):
    row = payment(payment_id="P7", account_id="A1", occurred_at="2026-03-02T10:00:00Z")
    with pytest.raises(
        ContractError, match="'payments' has rows of 'paris', for which its control file does not speak"
    ):
        sent(to_march, ["tokyo"], "2026-03-02", "2026-03-05", [row])
    with pytest.raises(ContractError, match=r"its control file names 'rome'.*, of which there is no account"):
        sent(to_march, ["paris", "rome"], "2026-03-02", "2026-03-05", [row])


@pytest.mark.parametrize("named", [[], ["paris", "paris"], [""], [7], "paris"])
def test_portfolios_of_a_control_file_are_names(tmp_path, named):
    control = {"portfolios": named} | THROUGH
    refusal(tmp_path, ContractError, "'charges.control.json' must read like", controls={"charges": control})
    alone = {"portfolios": ["paris"]}
    refusal(tmp_path / "b", ContractError, "'charges.control.json' must read like", controls={"charges": alone})


def test_the_usual_volume_is_that_of_the_same_books(to_march):
    """A large sender and a small one that deliver on the same weekday: neither is measured by the other."""

    def night(number_, book, account, count):
        on = dt.date(2026, 3, 4) + dt.timedelta(days=7 * number_)
        rows = [
            payment(payment_id=f"{book}{number_}-{each}", account_id=account, occurred_at=f"{on}T10:00:00Z", amount="1")
            for each in range(count)
        ]
        since = on - dt.timedelta(days=6 if number_ else 2)
        return [book], since.isoformat(), on.isoformat(), rows

    for number_ in range(4):
        sent(to_march, *night(number_, "paris", "A1", 300))
        sent(to_march, *night(number_, "tokyo", "J1", 60))
    with pytest.raises(ContractError, match="has 120 rows, 200% of the usual 60 for a Wednesday"):
        sent(to_march, *night(4, "tokyo", "J1", 120))
    assert sent(to_march, *night(4, "tokyo", "J1", 60)).number == 10
    with pytest.raises(ContractError, match="has 60 rows, 20% of the usual 300 for a Wednesday"):
        sent(to_march, *night(4, "paris", "A1", 60))


# What was lost, and is taken back later


def test_a_reversal_of_what_was_lost_waits_until_the_payment_is_delivered(to_march):
    """The lost payment never counted, so its reversal takes nothing off; somebody has to look all the same."""
    store = Store(to_march / "store")
    paid_on(to_march, "P7", "2026-03-05", "2026-03-06", accept_gap="the bank was closed")
    lost = payment(payment_id="LOST", occurred_at="2026-03-03T10:00:00Z")
    back = lost | {"payment_id": "BACK", "kind": "reversal", "reverses": "LOST", "occurred_at": "2026-03-07T10:00:00Z"}
    found = ingest(write(to_march / "back", {"payments": [back]}), store.path, PARAMS)
    assert found.tables[0].codes == {"REV_ORPHAN": 1}

    def waiting():
        return set_aside(store.tables(), store, store.versions())

    assert len(waiting()) == 1
    ingest(write(to_march / "both", {"payments": [lost, back]}), store.path, PARAMS)
    assert waiting() == frozenset()
