"""Every figure of the collectors' page, told again from the delivery by loops of its own."""

from __future__ import annotations

import copy
import dataclasses
import datetime as dt
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from features.days import day_number
from models import like_for_like
from pipeline.outcomes import collectors as room
from pipeline.outcomes.book_pages import collectors_page, write_reports
from pipeline.outcomes.collectors import collectors, credited, readings, staged
from pipeline.store.store import Store
from tests.judges.client_judge import Delivery, nights_before, published_scores, rows_of
from tests.judges.collector_judge import Collectors
from tests.worlds.afterwards import NIGHT, House
from tests.worlds.marked_pages import Marked, differences, read

DAYS = 120
FIRST = NIGHT - dt.timedelta(DAYS)
PEOPLE, EVENTS, OTHERS = 2, 1, 2


@pytest.fixture(scope="module")
def house(two_nights) -> House:
    plain = two_nights.params.promise.model_copy(update={"grace_unit": "days"})  # a judge needs no bank holidays
    return House(two_nights.folder, two_nights.params.model_copy(update={"promise": plain}))


def asking_little(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(room, "LEAST_PEOPLE", PEOPLE)
    patch.setattr(room, "LEAST_EVENTS", EVENTS)
    patch.setattr(like_for_like, "OTHERS_LEAST", OTHERS)


@pytest.fixture(scope="module")
def report(house, tmp_path_factory) -> Path:
    """With so little asked of a comparison that this small book bears some."""
    with pytest.MonkeyPatch.context() as patch:
        asking_little(patch)
        return write_reports(house.store, tmp_path_factory.mktemp("out"), NIGHT, DAYS, house.params, "en")


@pytest.fixture(scope="module")
def told(report) -> dict:
    return json.loads((report / "figures.json").read_text())


@pytest.fixture(scope="module")
def judge(house) -> Collectors:
    lists = {night: published_scores(folder) for night, folder in nights_before(house.out, NIGHT)}
    told = Delivery.of(house.folder / "source", house.params, NIGHT)
    return Collectors(told, lists, DAYS, house.params, PEOPLE, EVENTS, OTHERS)


@pytest.fixture(scope="module")
def judged(judge) -> dict:
    return judge.whole()


def test_every_figure_is_what_the_delivery_and_the_lists_tell(house, told, judged):
    assert differences(told["collectors"], judged) == []
    assert [row[0] for row in told["collectors"]["rows"]] == sorted(judged["spoken"])  # by id, whatever they brought
    assert judged["made"] > 300
    assert judged["unnamed"] > 100
    bearing = {name: sum(row[-1] is not None for row in judged[name].values()) for name in ("spoken", "kept")}
    assert bearing["spoken"] > 10
    assert bearing["kept"] > 5
    inside = [row for row in rows_of(house.folder / "source", "contacts") if row["occurred_at"] >= FIRST.isoformat()]
    assert sum(row["channel"] == "debit" for row in inside) > 5  # which are no contacts
    assert sum(row[-1] is not None for found in judged["money"].values() for row in found.values()) > 5


def test_every_figure_of_the_page_is_the_judge_s(report, judged):
    page = (report / "collectors.html").read_text(encoding="utf-8")
    shown = {at[1:]: read(*found) for at, found in Marked(page).found.items()}
    for at, value in shown.items():
        expected: Any = judged
        for part in at:
            expected = expected[part]
        if isinstance(expected, float):
            assert value == pytest.approx(expected, abs=0.00051), at
        else:
            assert value == expected, at
    assert {at[0] for at in shown} == {"made", "unnamed", "rows", "spoken", "kept", "money", "readings"}
    told = {(part, who) for part in ("spoken", "kept") for who in judged[part]}
    told |= {("money", code, who) for code, found in judged["money"].items() for who in found}
    assert {at[:-1] for at in shown if at[0] in ("spoken", "kept", "money")} == told
    assert sum(shown[("kept", who, 1)] for who in judged["kept"]) > 5


def test_a_figure_that_was_changed_is_noticed(told, judged):
    cells = [("spoken", who, cell) for who in list(judged["spoken"])[::9] for cell in (0, 5)]
    cells += [("kept", who, 0) for who in list(judged["kept"])[::5]]
    cells += [("money", code, who, 1) for code, found in judged["money"].items() for who in list(found)[:1]]
    for place in (*cells, ("made",), ("rows", 3, 2), ("readings", "spoken", 3), ("money_until",), ("by_score",)):
        spoiled = copy.deepcopy(told["collectors"])
        held: Any = spoiled
        for part in place[:-1]:
            held = held[part]
        held[place[-1]] = "another"
        assert differences(spoiled, judged) == [place]


def test_contacts_are_alike_by_scores_where_lists_told_of_nearly_all(house, judge, monkeypatch):
    """With scores of every account on every grid night, each book is divided into quarters."""
    seen = {night: {account: 100 + at for at, account in enumerate(judge.told.accounts)} for night in judge.grid}
    frame = pd.DataFrame(
        [(account, day_number(night), score) for night, of in seen.items() for account, score in of.items()],
        columns=["account_id", "as_of", "expected_recovery"],
    )
    read_as_stored = Store.read
    monkeypatch.setattr(
        Store,
        "read",
        lambda self, table, *rest, **more: (
            frame if table == "assignments" else read_as_stored(self, table, *rest, **more)
        ),
    )
    asking_little(monkeypatch)
    told = json.loads(json.dumps(collectors(house.store, NIGHT, DAYS, house.params)))
    scored = dataclasses.replace(judge, lists=seen).whole()
    assert len(told["by_score"]) == 5
    assert differences(told, scored) == []


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
