"""Every figure of the collectors' page, told again from the delivery by loops of its own."""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from pathlib import Path

import pandas as pd
import pytest

from pipeline.outcomes import collectors as room
from pipeline.outcomes.book_pages import collectors_page, write_reports
from pipeline.outcomes.collectors import collectors, credited, readings, staged
from tests.judges.client_judge import Delivery
from tests.worlds.afterwards import NIGHT, House
from tests.worlds.marked_pages import Marked, read

DAYS = 60
FIRST = NIGHT - dt.timedelta(DAYS)
SPOKEN = {"promise", "paid", "right_party", "dispute", "refusal", "complaint"}


@pytest.fixture(scope="module")
def house(two_nights) -> House:
    return two_nights


@pytest.fixture(scope="module")
def report(house, tmp_path_factory) -> Path:
    """With so little asked of a comparison that this small book bears some, and all contacts of a book and channel
    taken for alike: how late an account was is judged elsewhere.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "LEAST_PEOPLE", 2)
        patch.setattr(room, "LEAST_EVENTS", 1)
        patch.setattr(room, "staged", lambda rows: (rows.assign(stage=""), []))
        return write_reports(house.store, tmp_path_factory.mktemp("out"), NIGHT, DAYS, house.params, "en")


@pytest.fixture(scope="module")
def told(report) -> dict:
    return json.loads((report / "figures.json").read_text())


@pytest.fixture(scope="module")
def shown(report) -> dict:
    """Every figure of the page by its place after `collectors`, as it stands there."""
    page = (report / "collectors.html").read_text(encoding="utf-8")
    return {at[1:]: read(*found) for at, found in Marked(page).found.items()}


@pytest.fixture(scope="module")
def delivery(house) -> Delivery:
    zones = {name: book.time_zone for name, book in house.params.portfolios.items()}
    return Delivery(house.folder / "source", zones, NIGHT)


@pytest.fixture(scope="module")
def contacts(delivery) -> list[dict]:
    """Every contact by us, once for each collector who is on it."""
    found: dict[tuple[str, str], dict] = {}
    for row in delivery.contacts():
        if row["direction"] != "outbound":
            continue
        account, key = delivery.accounts[row["account_id"]], (row["contact_id"], row["agent"])
        told = {"id": row["contact_id"], "who": row["agent"], "channel": row["channel"], "book": account["portfolio"]}
        moment = dt.datetime.fromisoformat(row["occurred_at"])
        when = {"day": delivery.day(row, "occurred_at"), "moment": moment, "debtor": account["debtor_id"]}
        one = found.setdefault(key, {**told, **when, "accounts": [], "outcomes": set()})
        one["accounts"].append(row["account_id"])
        one["outcomes"].add(row["outcome"])
    return list(found.values())


def test_what_each_did_is_what_the_log_says(contacts, told, shown):
    inside = [one for one in contacts if one["day"] >= FIRST]
    named = [one for one in inside if one["who"]]
    assert shown[("made",)] == len(named) > 300
    assert shown[("unnamed",)] == len(inside) - len(named)
    names = sorted({one["who"] for one in named})
    assert [row[0] for row in told["collectors"]["rows"]] == names  # by id, whatever they brought
    for place, who in enumerate(names):
        own = [one for one in named if one["who"] == who]
        spoke = [one for one in own if one["outcomes"] & SPOKEN]
        promised = [one for one in own if "promise" in one["outcomes"]]
        figures = [len(own), len({one["debtor"] for one in own}), len(spoke), len(promised)]
        assert [shown[("rows", place, column)] for column in range(1, 5)] == figures


def compared(units: list[tuple[str, tuple, float]], who: str) -> tuple[int, float, float]:
    """Rows compared, came and expected a row, of (who, kind, value): others' means of kinds of which they have 20."""
    others: dict[tuple, list[float]] = defaultdict(list)
    for name, kind, value in units:
        if name != who:
            others[kind].append(value)
    own = [(kind, value) for name, kind, value in units if name == who and len(others[kind]) >= 20]
    size = max(len(own), 1)
    expected = sum(sum(others[kind]) / len(others[kind]) for kind, _ in own)
    return len(own), sum(value for _, value in own) / size, expected / size


def test_conversations_are_set_beside_those_of_the_others(contacts, told, shown):
    named = [one for one in contacts if one["who"] and one["day"] >= FIRST]
    units = [
        (one["who"], (one["book"], one["channel"]), float(bool(one["outcomes"] & SPOKEN)))
        for one in named
    ]  # fmt: skip
    bearing = 0
    for who in {one["who"] for one in named}:
        size, came, expected = compared(units, who)
        assert shown[("spoken", who, 0)] == size
        if ("spoken", who, 1) in shown:
            bearing += 1
            figures = [shown[("spoken", who, place)] for place in (1, 2, 3)]
            assert figures == pytest.approx([came, expected, came - expected], abs=0.00056)
            assert shown[("spoken", who, 4)] < shown[("spoken", who, 3)] < shown[("spoken", who, 5)]
    assert bearing > 20


def test_money_stands_with_the_last_who_asked_for_it(contacts, delivery, house, told, shown):
    horizon, gap = house.params.label.horizon_days, house.params.label.gap_days
    until = NIGHT - dt.timedelta(gap)
    since = until - dt.timedelta(DAYS)
    named = sorted((one for one in contacts if one["who"]), key=lambda one: (one["day"], one["moment"], one["id"]))
    by_account: dict[str, list[dict]] = defaultdict(list)
    for one in named:
        for account in one["accounts"]:
            by_account[account].append(one)
    came: dict[tuple[str, str, str], int] = defaultdict(int)
    for account, day, left in delivery.payments():
        before = [one for one in by_account[account] if one["day"] <= day]
        if before and (day - before[-1]["day"]).days < horizon and before[-1]["day"] >= since:
            came[(before[-1]["id"], before[-1]["who"], delivery.accounts[account]["currency"])] += left
    units: dict[str, list] = defaultdict(list)
    for one in named:
        if since <= one["day"] < until:
            for code in {delivery.accounts[account]["currency"] for account in one["accounts"]}:
                units[code].append(
                    (one["who"], (one["book"], one["channel"]), float(came[(one["id"], one["who"], code)]))
                )
    assert told["collectors"]["money_until"] == (until - dt.timedelta(1)).isoformat()
    assert set(told["collectors"]["money"]) == set(units)
    bearing = 0
    for code, rows in units.items():
        for who in {name for name, *_ in rows}:
            own = [value for name, _, value in rows if name == who]
            assert shown[("money", code, who, 0)] == len(own)
            assert shown[("money", code, who, 1)] == sum(own)
            size, each, expected = compared(rows, who)
            assert shown[("money", code, who, 2)] == size
            if ("money", code, who, 3) in shown:
                bearing += 1
                assert shown[("money", code, who, 3)] == pytest.approx(each, abs=1)
                assert shown[("money", code, who, 4)] == pytest.approx(expected, abs=1)
                assert shown[("money", code, who, 6)] < shown[("money", code, who, 5)] < shown[("money", code, who, 7)]
    assert bearing > 10


def test_promises_are_of_who_took_them(contacts, delivery, house, told, shown):
    """Kept or broken is what the books say: here only whose they are, and how many fell due."""
    due: dict[str, set] = defaultdict(set)
    for row in delivery.contacts():
        day = row["promise_due_on"] and dt.date.fromisoformat(row["promise_due_on"])
        if row["outcome"] == "promise" and row["agent"] and day and row["promise_amount"] and FIRST <= day < NIGHT:
            due[row["agent"]].add((row["contact_id"], row["account_id"]))
    assert set(told["collectors"]["kept"]) <= set(due)
    for who, found in told["collectors"]["kept"].items():
        assert found[0] <= len(due[who])
    assert len(told["collectors"]["kept"]) > 10


def test_nothing_that_is_asked_for_is_told_of_so_small_a_book(house):
    found = collectors(house.store, NIGHT, DAYS, house.params)
    assert all(row[1:] == [None] * 5 for row in found["spoken"].values())
    assert all(row[3:] == [None] * 5 for own in found["money"].values() for row in own.values())
    more, less, alike, few = found["readings"]["spoken"]
    assert (more, less, alike) == (0, 0, 0)
    assert few == len(found["rows"])


def test_before_a_night_nothing_later_is_known(house):
    """The same figures from a store in which the night is long past; and of an earlier night, other ones."""
    early = NIGHT - dt.timedelta(50)
    found = collectors(house.store, early, 30, house.params)
    assert found["money_until"] == (early - dt.timedelta(house.params.label.gap_days + 1)).isoformat()
    assert found["made"] < collectors(house.store, NIGHT, 80, house.params)["made"]


# ---- by hand ---------------------------------------------------------------------------------------------------------


def test_a_payment_stands_with_the_last_contact_within_its_days():
    contacts = pd.DataFrame(
        {"contact_id": ["a", "b", "c"], "account_no": [1, 1, 2], "occurred_on": [10, 20, 10], "occurred_at": [1, 2, 1]}
    )
    payments = pd.DataFrame(
        {"account_no": [1, 1, 1, 1, 2, 3], "occurred_on": [9, 19, 20, 50, 39, 11], "amount": [1, 2, 4, 8, 16, 32]}
    )
    found = credited(payments, contacts, 30).set_index("contact_id")
    assert found["came"].to_dict() == {"a": 2, "b": 4, "c": 16}  # 30 days on, the last of account 1 is nobody's
    assert found["paid"].to_dict() == {"a": 1, "b": 1, "c": 1}


def test_contacts_are_alike_by_scores_where_lists_told_nearly_all():
    size = 20
    rows = pd.DataFrame({"portfolio": ["p"] * size + ["q"] * size, "currency": "EUR", "days": "30-59"})
    rows["score"] = [*range(size), *[None] * 3, *range(size - 3)]
    found, by_score = staged(rows)
    assert by_score == ["p"]  # 85 % of q's are scored
    assert found.loc[: size - 1, "stage"].value_counts().sort_index().to_dict() == {"q0": 4, "q1": 5, "q2": 5, "q3": 6}
    assert set(found.loc[size:, "stage"]) == {"30-59"}


def test_readings_count_each_once():
    ends = {"a": [9, 0.2, 0.1, 0.1, 0.05, 0.2], "b": [9, 0, 0, -0.1, -0.2, -0.01], "c": [9, 0, 0, 0.0, -1.0, 1.0]}
    assert readings({**ends, "d": [1, None, None, None, None, None]}) == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"contacts": False}, "No contact log is delivered: nothing can be said of collectors."),
        ({"rows": [], "money": {}, "unnamed": 7}, "The contact log names no collector (column agent)."),
        ({"money": {}}, "No contact of a collector is old enough yet"),
        ({"kept": {}}, "No promise that a collector took fell due in these days."),
        ({"by_score": ["card_gb"]}, "of the same quarter by the money that the lists expected, or as late"),
    ],
)
def test_what_lacks_is_said(told, part, said):
    assert said in collectors_page({**told, "collectors": {**told["collectors"], **part}}, "en")


def test_a_difference_is_read_by_its_interval_alone(told):
    row = ["ann", 400, 300, 100, 20]
    for ends, word in (((0.01, 0.2), "<strong>more"), ((-0.2, -0.01), "<strong>less"), ((-0.1, 0.2), "not told apart")):
        held = {**told["collectors"], "rows": [row], "spoken": {"ann": [400, 0.3, 0.2, 0.1, *ends]}, "kept": {}}
        assert word in collectors_page({**told, "collectors": {**held, "money": {}}}, "en")
    few = {**told["collectors"], "rows": [row], "spoken": {"ann": [4, *[None] * 5]}, "kept": {}, "money": {}}
    page = collectors_page({**told, "collectors": few}, "en")
    assert "<td>too few</td>" in page
