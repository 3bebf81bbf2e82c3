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
