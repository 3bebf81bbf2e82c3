"""Landmark rows against hand-made cases and plain loops; what is known too late changes none,
and no day of theirs reaches a feature.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from features.build import build
from features.catalogue import CATALOGUE
from features.cohort import scorable
from features.errors import ContractError
from features.labels import labels
from features.ledger import history
from features.terms import LabelTerms, Terms
from models.landmarks import landmark
from tests.judges.oracle_landmarks import landmark as oracle
from tests.judges.oracle_ledger import labels as oracle_labels
from tests.worlds.worlds import SPAN, START, World, day, later_rows, worlds

DECIMALS = {"EUR": 2, "JPY": 0}
LABEL = LabelTerms(horizon_days=30, maturity_days=14)
SHORT = LabelTerms(horizon_days=12, maturity_days=5)
NIGHT, FAR = day("2024-03-01"), day("2025-01-01")
some_nights = st.lists(st.integers(START, START + SPAN - 15), min_size=1, max_size=3)


def cohort_of(world: World, nights):
    tables = world.tables()
    ledger = history(tables, Terms())
    return scorable(tables, ledger, nights, Terms()).frame, tables, ledger


def landmarks_of(world: World, nights=(NIGHT,), label=LABEL, permitted=None, through=FAR, days=7, **more):
    frame, tables, ledger = cohort_of(world, nights)
    told = labels(frame, tables, ledger, label, FAR, DECIMALS)
    allowed = np.ones(len(frame), bool) if permitted is None else permitted(frame)
    return frame, landmark(frame, told, tables, ledger, label, through, allowed, days=days, **more)


def owing() -> World:
    world = World().account(opened_on="2024-01-01", placed_on="2024-02-01", principal=100_000)
    return world.charge("2024-02-01", 100_000).deliver("payments", "contacts", "statuses")


def one(world: World, **terms) -> tuple[float, float, str]:
    _, found = landmarks_of(world, **terms)
    row = found.iloc[0]
    return row["worked"], row["paid"], row["missing"]


# By hand


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        (lambda w: w, (0.0, 0.0, "")),
        (lambda w: w.contact("2024-03-01 09:00"), (1.0, 0.0, "")),
        (lambda w: w.contact("2024-03-07 23:59"), (1.0, 0.0, "")),
        (lambda w: w.contact("2024-02-29 23:59"), (0.0, 0.0, "")),
        (lambda w: w.contact("2024-03-05", "sms", "delivered"), (1.0, 0.0, "")),
        (lambda w: w.contact("2024-03-05", direction="inbound"), (0.0, 0.0, "")),
        (lambda w: w.contact("2024-03-05", "debit", "rejected"), (0.0, 0.0, "")),
        (lambda w: w.contact("2024-03-08 00:00"), (None, None, "worked_later")),
        (lambda w: w.contact("2024-03-30 23:00"), (None, None, "worked_later")),
        (lambda w: w.contact("2024-03-31 00:01"), (0.0, 0.0, "")),
        (lambda w: w.contact("2024-03-02").contact("2024-03-20"), (1.0, 0.0, "")),
        (lambda w: w.payment("2024-03-08 10:00", 500), (0.0, 1.0, "")),
        (lambda w: w.contact("2024-03-03").payment("2024-03-30 10:00", 500), (1.0, 1.0, "")),
        (lambda w: w.payment("2024-03-31 10:00", 500), (0.0, 0.0, "")),
        (lambda w: w.payment("2024-03-07 23:00", 500), (None, None, "paid_early")),
        (lambda w: w.credit("2024-03-07 23:00", 500), (0.0, 0.0, "")),
        (
            lambda w: w.payment("2024-03-02", 500, payment_id="p").reversal("2024-03-09", 500, "p"),
            (None, None, "paid_early"),
        ),
        (lambda w: w.payment("2024-03-10", 500, payment_id="p").reversal("2024-03-20", 500, "p"), (0.0, 0.0, "")),
        (lambda w: w.contact("2024-03-03", known_at="2024-04-14 00:00"), (0.0, 0.0, "")),
        (lambda w: w.contact("2024-03-03", known_at="2024-04-13 23:59"), (1.0, 0.0, "")),
        (
            lambda w: w.contact("2024-03-12", contact_id="k").contact(
                "2024-03-03", contact_id="k", known_at="2024-03-20"
            ),
            (1.0, 0.0, ""),
        ),
        (lambda w: w.payment("2024-03-03", 500, known_at="2024-04-14 00:00"), (0.0, 0.0, "")),
        (lambda w: w.status("sold", "2024-03-20"), (None, None, "sold")),
    ],
)
def test_hand_made(events, expected):
    found = one(events(owing()))
    assert tuple(None if value != value else value for value in found) == expected


@pytest.mark.parametrize(
    ("events", "promised"),
    [
        (lambda w: w, 0.0),
        (lambda w: w.contact("2024-03-02", outcome="promise"), 1.0),
        (lambda w: w.contact("2024-03-02").contact("2024-03-30 23:59", outcome="promise"), 1.0),
        (lambda w: w.contact("2024-03-02").contact("2024-03-31 00:01", outcome="promise"), 0.0),
        (lambda w: w.contact("2024-02-29 23:59", outcome="promise"), 0.0),
        (lambda w: w.contact("2024-03-02", direction="inbound", outcome="promise"), 0.0),
        (lambda w: w.contact("2024-03-02", outcome="promise", known_at="2024-04-14 00:00"), 0.0),
        (lambda w: w.contact("2024-03-02", outcome="refusal"), 0.0),
        (lambda w: w.contact("2024-03-02", outcome="promise").payment("2024-03-03", 500), None),
    ],
)
def test_promises_by_hand(events, promised):
    found = landmarks_of(events(owing()))[1]["promised"].iloc[0]
    assert (None if found != found else found) == promised


def test_why_a_row_does_not_teach_is_said_in_one_order():
    world = owing().payment("2024-03-02", 500).contact("2024-03-20")
    assert one(world)[2] == "paid_early"
    assert one(world, through=NIGHT + 28)[2] == "immature"
    assert one(owing().contact("2024-03-20"), through=NIGHT + 29)[2] == "worked_later"
    assert one(world, delivers={"book": frozenset({"payments"})})[2] == "no_contacts"
    assert one(world, in_arm=np.array([True]))[2] == "in_arm"
    assert one(world, in_arm=np.array([True]), permitted=lambda frame: np.zeros(len(frame), bool))[2] == "not_permitted"
    assert one(world.only(lambda name, _: name != "contacts"))[2] == "paid_early"
    silent = owing()
    del silent.rows["contacts"]
    assert one(silent)[2] == "no_contacts"
    assert one(silent, through={})[2] == "no_contacts"  # no portfolio ever delivered a log


@pytest.mark.parametrize("days", [0, 30])
def test_a_landmark_outside_the_horizon_is_refused(days):
    with pytest.raises(ContractError, match=rf"inside the horizon of 30 days\. Got {days} days"):
        one(owing(), days=days)


# Against plain loops


@settings(max_examples=30, deadline=None)
@given(worlds(), some_nights, st.integers(1, 11), st.integers(START, START + SPAN + 40))
def test_equals_the_oracle(world: World, nights, days: int, through: int):
    def even(frame):
        return (frame["balance"].to_numpy() % 2 == 0) | (frame["as_of"].to_numpy() % 3 > 0)

    frame, found = landmarks_of(
        world, nights, SHORT, even, through, days, delivers={"book": _all(world), "shop": frozenset()}
    )
    assert list(found["account_no"]) == list(frame["account_no"])
    assert list(found["as_of"]) == list(frame["as_of"])
    for row, allowed, values in zip(frame.itertuples(), even(frame), found.itertuples(), strict=True):
        told = oracle_labels(world.rows, row.account_id, row.as_of, Terms(), SHORT, FAR, DECIMALS)
        expected = oracle(
            world.rows, row.account_id, row.portfolio, row.as_of, SHORT, through, allowed, told, days, ("shop",)
        )
        told = (values.worked, values.paid, values.promised, values.missing)
        assert tuple(None if value != value else value for value in told) == expected


def _all(world: World) -> frozenset[str]:
    return frozenset(world.rows)


# What may not be seen


@st.composite
def worlds_with_a_later_one(draw):
    world, night = draw(worlds(max_rows=5, absent=False)), draw(st.integers(START, START + SPAN - 25))
    return world, draw(later_rows(world, night + SHORT.horizon_days + SHORT.maturity_days)), night


@settings(max_examples=25, deadline=None)
@given(worlds_with_a_later_one())
def test_what_is_known_after_maturity_changes_no_landmark(case):
    world, larger, night = case
    _check_no_leak(landmarks_of, world, larger, night)


def _check_no_leak(make, world: World, larger: World, night: int) -> None:
    """An unknown outcome is the one thing that is heard of late by its nature, so statuses stay as they were."""
    larger.rows["statuses"] = world.rows["statuses"]
    assert_frame_equal(make(larger, [night], SHORT)[1], make(world, [night], SHORT)[1])


def test_the_leak_test_catches_a_leak():
    world, night = owing(), NIGHT
    late = f"2024-03-{1 + SHORT.horizon_days + SHORT.maturity_days:02d}"
    larger = world.only(lambda *_: True).contact("2024-03-03", known_at=late)

    def hasty(told: World, nights, label):
        return landmarks_of(told, nights, replace(label, maturity_days=label.maturity_days + 1))

    _check_no_leak(landmarks_of, world, larger, night)
    with pytest.raises(AssertionError, match="are different"):
        _check_no_leak(hasty, world, larger, night)


def test_the_landmarks_own_days_touch_no_feature():
    """What happened from the night on tells who was worked and who paid, and nothing else of the row."""
    seen = owing().contact("2024-02-20 10:00", "call", "right_party").payment("2024-02-10", 700)
    later = seen.only(lambda *_: True).contact(
        "2024-03-02 10:00", "call", "promise", promise_amount=900, promise_due_on="2024-03-20"
    )
    later = (
        later.payment("2024-03-20", 900)
        .status("dispute", "2024-03-04", "2024-03-06")
        .contact("2024-03-05", direction="inbound")
    )

    def matrix(world: World, night: int):
        frame, tables, ledger = cohort_of(world, [night])
        return build(frame, tables, CATALOGUE, Terms(), ledger)

    assert one(seen)[:2] == (0.0, 0.0)
    assert one(later)[:2] == (1.0, 1.0)
    assert_frame_equal(matrix(later, NIGHT), matrix(seen, NIGHT))
    with pytest.raises(AssertionError, match="are different"):  # the canary: features of the landmark's day do see them
        assert_frame_equal(matrix(later, NIGHT + 7), matrix(seen, NIGHT + 7))
