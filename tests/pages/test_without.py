"""Rows leave a published file of any form, and nothing else of it changes."""

from __future__ import annotations

import csv

import pytest

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
