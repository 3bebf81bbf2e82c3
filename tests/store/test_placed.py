"""Placements stand among the statuses: who is at an agency, or sold, is not worked."""

from __future__ import annotations

import numpy as np

from features.statuses import StatusLog
from features.tables import NO_DAY, NO_NUMBER, account_number
from tests.worlds.deliveries import day, placement, status, taken


def told(store) -> list[tuple[str, int, int, int]]:
    """Status, first and last day, day known, of each row in the store's order."""
    rows = store.tables()["statuses"]
    names = ("from_on", "until_on", "known_on")
    return list(zip(rows["status"].astype("str"), *(rows[name].tolist() for name in names), strict=True))


def test_a_placement_is_a_status_from_its_day_until_its_recall(tmp_path):
    first = placement(placement_id="X1")
    recalled = {**first, "recalled_on": "2026-04-30", "known_at": "2026-05-02"}
    sale = placement(placement_id="X2", route="sale", party="buyer", placed_on="2026-06-01")
    _, store = taken(tmp_path, statuses=[status()], placements=[first, recalled, sale])
    agency, sold = day("2026-02-03"), day("2026-06-01")
    assert told(store) == [
        ("plan", day("2026-02-01"), NO_DAY, day("2026-02-01")),
        ("agency", agency, NO_DAY, agency),
        ("agency", agency, day("2026-04-30"), day("2026-05-02")),
        ("sold", sold, NO_DAY, sold),
    ]
    assert store.tables()["statuses"]["status"].dtype.categories.tolist() == ["agency", "plan", "sold"]


def test_a_version_of_another_day_or_route_ends_what_was_said_before(tmp_path):
    first = placement()
    moved = {**first, "placed_on": "2026-03-01", "known_at": "2026-03-05"}
    _, store = taken(tmp_path, statuses=[status()], placements=[first, moved])
    begun, later = day("2026-02-03"), day("2026-03-01")
    assert [row for row in told(store) if row[0] == "agency"] == [
        ("agency", begun, NO_DAY, begun),
        ("agency", begun, begun - 1, day("2026-03-05")),
        ("agency", later, NO_DAY, day("2026-03-05")),
    ]


def test_a_placement_replaces_itself_alone(tmp_path):
    """One that was a mistake and was recalled on its day takes nothing from the one that began on that day."""
    wrong = placement(placement_id="X1")
    recalled = {**wrong, "recalled_on": "2026-02-03", "known_at": "2026-02-05"}
    right = placement(placement_id="X2", party="south")
    own = status(status="agency", from_on="2026-02-03", known_at="2026-02-04")
    _, store = taken(tmp_path, statuses=[own], placements=[wrong, recalled, right])
    log = StatusLog(store.tables(), account_number(["A1"]))
    assert log.in_force(np.array([day("2026-03-01")], np.int32), ["agency"]).tolist() == [True]
    statuses = store.tables()["statuses"]
    assert (statuses["charge_no"] == NO_NUMBER).sum() == 1
    assert statuses["charge_no"].nunique() == 3


def test_the_same_status_delivered_stands_once(tmp_path):
    _, store = taken(tmp_path, statuses=[status(status="agency", from_on="2026-02-03")], placements=[placement()])
    assert [row[0] for row in told(store)] == ["agency"]
    columns = {"statuses": ["account_no", "status"]}
    assert store.tables(names=["statuses"], columns=columns)["statuses"].columns.tolist() == columns["statuses"]


def test_tables_for_people_hold_them_too(tmp_path):
    _, store = taken(tmp_path, statuses=[status()], placements=[placement(account_id="J1")])
    shown = store.frame("statuses")
    assert dict(zip(shown["account_id"], shown["status"], strict=True)) == {"J1": "agency", "A1": "plan"}
