"""By which channel and in which part of the day debtors answer: counts, rates, the choice made of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.days import DAY_US
from features.errors import ContractError
from features.tables import NO_MINUTE
from models.response import PARTS, ChannelTerms, answer_counts, channel_options, cut_to, planned_parts, segment_rates

TERMS = ChannelTerms({"call": 1.2, "sms": 0.1, "email": 0.02}, {"call": 2}, ("call", "sms", "email"))


def a_log(*rows: tuple) -> pd.DataFrame:
    """(account_no, day, minute of the UTC day, channel, outcome), each its own contact of ours."""
    frame = pd.DataFrame(list(rows), columns=["account_no", "occurred_on", "occurred_minute", "channel", "outcome"])
    at = (
        frame["occurred_on"].astype("int64") * DAY_US
        + frame["occurred_minute"].clip(lower=0).astype("int64") * 60_000_000
    )
    frame = frame.assign(direction="outbound", known_on=frame["occurred_on"], occurred_at=at, known_at=at)
    frame["contact_id"] = [f"k{place}" for place in range(len(frame))]
    return frame.sort_values(["account_no", "occurred_at"], ignore_index=True)


BOOK = pd.DataFrame({"account_no": [1, 2], "portfolio": ["own", "own"], "time_zone": ["UTC", "UTC"]})


def permitted(numbers=(1, 2), channels=("call", "sms", "email"), **columns) -> pd.DataFrame:
    rows = [(number, channel) for number in numbers for channel in channels]
    frame = pd.DataFrame(rows, columns=["account_no", "channel"]).assign(
        portfolio="own", from_minute=480, until_minute=1200, contacts_left=5, appointed=False
    )
    return frame.assign(**columns)


def options(log: pd.DataFrame, worth: dict[int, float], rows: pd.DataFrame | None = None) -> pd.DataFrame:
    counts = answer_counts(log, BOOK, 100)
    rows = permitted() if rows is None else rows
    return channel_options(rows, pd.Series(worth), counts, segment_rates(counts, ["own"]), TERMS)


def best(found: pd.DataFrame) -> pd.DataFrame:
    return found[found["place"] == 0].set_index("account_no")


# --- answers ----------------------------------------------------------------------------------------------------------


def test_answers_are_counted_by_channel_and_part_of_day():
    log = a_log(
        (1, 90, 600, "call", "right_party"), (1, 91, 700, "call", "no_answer"), (1, 92, 1080, "call", "promise"),
        (1, 93, 1080, "call", "busy"), (2, 94, NO_MINUTE, "email", "opened"), (2, 100, 600, "call", "paid"),
        (2, -100, 600, "call", "paid"), (7, 95, 600, "call", "paid"), (1, 94, 600, "legal", "delivered"),
    )  # fmt: skip
    assert answer_counts(log, BOOK, 100).values.tolist() == [
        [1, "own", "call", "morning", 2, 1], [1, "own", "call", "evening", 1, 1], [2, "own", "email", "", 1, 0],
    ]  # fmt: skip


def test_the_part_is_read_on_the_debtors_clock():
    log = a_log((1, 90, 14 * 60, "call", "right_party"), (2, 90, 14 * 60, "call", "right_party"))
    book = BOOK.assign(time_zone=["America/Los_Angeles", "Asia/Tokyo"])
    assert answer_counts(log, book, 100)["part"].tolist() == ["morning", "evening"]
    assert answer_counts(log, book.assign(time_zone=["Nowhere/Land", None]), 100)["part"].tolist() == [
        "afternoon",
        "afternoon",
    ]


def test_who_comes_back_within_three_days_has_answered_whatever_the_channel():
    log = a_log(*((1, day, 600, "sms", "delivered") for day in (80, 85, 90)))
    replies = a_log((1, 82, 700, "portal", "paid"), (1, 88, 700, "call", "right_party")).assign(
        direction="inbound", contact_id=["r1", "r2"]
    )
    both = pd.concat([log, replies]).sort_values(["account_no", "occurred_at"], ignore_index=True)
    found = answer_counts(both, BOOK, 100)
    # the 82nd answers the 80th; the 88th is three days after the 85th
    assert found[["attempts", "answers"]].sum().tolist() == [3, 1]


def test_the_last_version_known_before_the_night_counts():
    log = a_log((1, 90, 600, "call", "right_party"), (1, 90, 600, "call", "no_answer"), (1, 90, 600, "call", "promise"))
    log = log.assign(contact_id="k", known_on=[90, 95, 100], known_at=[90 * DAY_US, 95 * DAY_US, 100 * DAY_US])
    assert answer_counts(log, BOOK, 100)["answers"].tolist() == [0]


def test_the_rates_by_hand():
    """Channel: (2 + 1) / (4 + 10); segment: (2 + 50 x that) / (4 + 50); own: (2 + 10 x that) / (4 + 10)."""
    log = a_log(*((1, 90 + number, 600, "call", "right_party" if number < 2 else "no_answer") for number in range(4)))
    segment = (2 + 50 * 3 / 14) / 54
    counts = answer_counts(log, BOOK, 100)
    rates = segment_rates(counts, ["own", "other"])
    assert rates["own", "call", ""] == pytest.approx(segment)
    assert rates["own", "call", "morning"] == pytest.approx((2 + 50 * segment) / 54)
    assert rates["other", "call", ""] == pytest.approx(3 / 14)
    assert rates["own", "sms", ""] == pytest.approx(0.1)
    found = best(options(log, {1: 1000.0, 2: 1000.0}))
    assert found["response_rate"].tolist() == pytest.approx([(2 + 10 * segment) / 14, segment])


def test_the_example_of_docs_value_by_hand():
    """Segment (30 + 50 x 0.28) / 150; own (2 + 10 x that) / 14; two calls good for 9.21 of 20, a text for 0.72."""
    counts = pd.DataFrame(
        {"account_no": [1], "portfolio": "own", "channel": "call", "part": "", "attempts": 4, "answers": 2}
    )
    rates = {("own", channel, part): 0.01 for channel in ("call", "sms") for part in ("", *PARTS)}
    rates |= {("own", "call", ""): (30 + 50 * 0.28) / 150, ("own", "sms", ""): 0.04}
    segments = pd.Series(list(rates.values()), pd.MultiIndex.from_tuples(list(rates)))
    terms = ChannelTerms({"call": 1.2, "sms": 0.08}, {"call": 2}, ("sms", "call"))
    found = channel_options(permitted((1,), ("sms", "call")), pd.Series({1: 20.0}), counts, segments, terms)
    assert found["channel"].tolist() == ["call", "sms"]
    assert found["response_rate"].round(4).tolist() == [0.3524, 0.04]
    assert 1 - (1 - found["response_rate"][0]) ** 2 == pytest.approx(0.5806, abs=5e-5)
    assert pytest.approx(9.21, abs=0.005) == 0.5806 * 20 - 2 * 1.2
    assert pytest.approx(0.72) == 0.04 * 20 - 0.08
    poor = channel_options(permitted((1,), ("sms", "call")), pd.Series({1: 3.0}), counts, segments, terms)
    assert poor["channel"].tolist() == ["sms", "call"]  # 0.5806 x 3 - 2.40 is less than 0.04 x 3 - 0.08


def test_the_account_itself_outweighs_its_segment_once_it_has_said_enough():
    days = range(50, 80)
    log = a_log(
        *((1, day, 600, "call", "right_party") for day in days),
        *((2, day, 600, "call", "no_answer") for day in days),
        *((2, day, 600, "sms", "paid") for day in days),
    )
    assert best(options(log, {1: 500.0, 2: 500.0}))["channel"].tolist() == ["call", "sms"]


def test_a_small_debt_gets_a_cheap_channel_and_one_that_costs_more_than_the_debt_comes_last():
    log = a_log(*((1, day, 600, "call", "right_party") for day in range(50, 80)))
    found = options(log, {1: 500.0, 2: 1.0})
    assert best(found)["channel"].tolist()[0] == "call"
    assert found[found["account_no"] == 2]["channel"].tolist()[-1] == "call"


def test_attempts_are_planned_as_the_params_say_and_never_more_than_the_caps_leave():
    found = options(a_log(), {1: 5.0, 2: 5.0}, permitted(contacts_left=[1, 9, 9, 2, 9, 9]))
    assert found[found["channel"] == "call"]["attempts"].tolist() == [1, 2]
    assert found[found["channel"] == "call"]["contact_cost"].tolist() == pytest.approx([1.2, 2.4])
    assert found[found["channel"] == "sms"]["attempts"].tolist() == [1, 1]


def test_attempts_and_their_pauses_must_fit_the_window_and_the_part():
    log = a_log(*((1, day, 1100, "call", "right_party") for day in range(20, 80)))
    counts = answer_counts(log, BOOK, 100)

    def planned(until: int, attempts: int) -> pd.Series:
        terms = ChannelTerms({"call": 1.2}, {"call": attempts}, ("call",), {"call": 240})
        rows = permitted(numbers=(1,), channels=("call",), until_minute=until)
        return channel_options(rows, pd.Series({1: 500.0}), counts, segment_rates(counts, ["own"]), terms).iloc[0]

    assert [planned(until, 3)["attempts"] for until in (480 + 240, 480 + 241, 480 + 480, 480 + 481)] == [1, 2, 2, 3]
    assert not np.isnan(planned(1200, 1)["evening"])
    assert np.isnan(planned(1200, 2)["evening"])  # two calls four hours apart do not fit three hours


def test_without_any_attempt_the_preferred_permitted_channel_is_taken():
    assert best(options(a_log(), {1: 5.0, 2: 5.0}))["channel"].tolist() == ["call", "call"]
    texts = permitted(channels=("email", "sms"))
    assert best(options(a_log(), {1: 5.0, 2: 5.0}, texts))["channel"].tolist() == ["sms", "sms"]


def test_an_agreed_call_leaves_no_choice():
    log = a_log(*((1, day, 600, "sms", "paid") for day in range(50, 80)))
    rows = permitted(numbers=(1,), appointed=[True, False, False])
    found = best(options(log, {1: 500.0}, rows))
    assert found["channel"].tolist() == ["call"]
    assert found[list(PARTS)].isna().all(axis=None)


def test_a_channel_without_a_cost_is_refused():
    with pytest.raises(ContractError, match=r"Channel 'visit' has no cost\. Add it to worklist\.costs\."):
        options(a_log(), {1: 5.0}, permitted(numbers=(1,), channels=("visit",)))


# --- the part of the day ----------------------------------------------------------------------------------------------


def test_the_part_in_which_the_debtor_answers_is_planned_while_it_has_room():
    days = range(20, 80)
    log = a_log(
        *((1, day, 600, "call", "no_answer") for day in days), *((1, day, 1100, "call", "right_party") for day in days)
    )
    found = best(options(log, {1: 500.0, 2: 500.0}))
    assert planned_parts(found, 2) == ["evening", "evening"]
    assert planned_parts(found, 1) == ["evening", ""]  # the morning is worse than the day as a whole


def test_a_part_that_is_not_open_for_an_hour_is_not_chosen():
    log = a_log(
        *((1, day, 1100, "call", "right_party") for day in range(20, 80)),
        *((1, day, 600, "call", "busy") for day in range(20, 80)),
    )
    rows = permitted(until_minute=17 * 60 + 59)
    assert options(log, {1: 500.0, 2: 500.0}, rows)["evening"].isna().all()
    assert options(log, {1: 500.0, 2: 500.0}, rows.assign(until_minute=18 * 60))["evening"].notna().all()


@settings(deadline=None, max_examples=30)
@given(st.sampled_from(("", *PARTS)), st.integers(0, 1439), st.integers(1, 600))
def test_a_part_only_ever_narrows_what_the_law_permits(part, first, length):
    begins, ends = cut_to(part, np.array([first]), np.array([first + length]))
    assert begins[0] >= first
    assert ends[0] <= first + length
