"""Rows leave a published file of any form, and nothing else of it changes."""

from __future__ import annotations

import csv
import datetime as dt

import pandas as pd
import pytest

from features.errors import ContractError
from pipeline.columns import WATCHED_COLUMNS
from pipeline.pages.publish import publish
from pipeline.pages.without import Whose, mentions, without
from tests.worlds.paper_nights import night as paper_night


def test_a_page_keeps_its_shape_whoever_goes(tmp_path):
    """Of a night with everything on it, each debtor in turn."""
    made = paper_night(12)
    folder = publish(made, tmp_path)
    for debtor in [*made.worklist["debtor_id"][:3], *made.deferred["debtor_id"][:1]]:
        own = made.worklist.loc[made.worklist["debtor_id"] == debtor, ["account_id", "joined_accounts"]]
        accounts = {debtor, *own["account_id"], *" ".join(own["joined_accounts"]).split()}
        whose = Whose(frozenset({debtor}), frozenset(accounts))
        for name in ("worklist.html", "worklist.xlsx", "worklist.csv", "deferred.csv", "worklist.parquet"):
            found = without(folder / name, whose)
            if found is not None:
                assert not mentions(found[0], whose.all)
                assert found[1] >= 1
        assert without(folder / "worklist.html", whose) is not None


@pytest.mark.parametrize("cell", ['a "quoted"\r\ncell', "two\nlines", "plain"])
def test_records_of_a_csv_stay_byte_for_byte(tmp_path, cell):
    rows = [["account_id", "note"], ["GOES-1", cell], ["STAYS-1", cell], ["STAYS-2", "GOES-1"]]
    with (tmp_path / "list.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    content, gone = without(tmp_path / "list.csv", Whose(frozenset(), frozenset({"GOES-1"})))
    with (tmp_path / "list.csv").open("w", newline="") as file:
        csv.writer(file).writerows([rows[0], *rows[2:]])
    assert (content, gone) == ((tmp_path / "list.csv").read_bytes(), 1)


def test_a_person_leaves_the_list_of_accounts_before_their_due_day(tmp_path):
    rows = watch_rows(["W1", "W2", "W3"])
    folder = publish(paper_night(6, watch=rows), tmp_path)
    whose = Whose(frozenset({"d-W2"}), frozenset({"W2"}))
    for name in ("watch.csv", "watch.parquet"):
        found, gone = without(folder / name, whose)
        assert gone == 1
        assert not mentions(found, whose.all)
        assert mentions(found, {"W1"})


def test_a_watch_list_that_names_an_account_twice_or_holds_no_minor_units_is_refused(tmp_path):
    twice = watch_rows(["W1", "W1"])
    for rows, match in ((twice, "name each account once"), (halved(twice), "due_amount must be integer minor units")):
        with pytest.raises(ContractError, match=match):
            publish(paper_night(6, watch=rows), tmp_path)


def watch_rows(accounts: list[str]) -> pd.DataFrame:
    count = len(accounts)
    cells = {
        "account_id": accounts,
        "rank": range(1, count + 1),
        "debtor_id": [f"d-{name}" for name in accounts],
        "portfolio": "book",
        "currency": "EUR",
        "next_due_on": dt.date(2026, 11, 25),
        "due_amount": 10_000,
        "p_late": 0.25,
        "money_at_risk": 2_500,
        "model_version": "m",
        "as_of": dt.date(2026, 11, 20),
        **dict.fromkeys(("reason_1", "reason_2", "reason_3"), ""),
    }
    return pd.DataFrame(cells)[list(WATCHED_COLUMNS)]


def halved(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(due_amount=rows["due_amount"] / 2)
