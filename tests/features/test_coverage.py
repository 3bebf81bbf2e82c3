"""What has a label, what has none and why, and how recoveries become known."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from features.cohort import scorable
from features.coverage import coverage, label_rates, maturity_curve, money_dropped, recoveries_by_day
from features.ledger import history
from features.terms import Terms
from tests.worlds.cases import FAR
from tests.worlds.labelled import MARCH, labelled, of_book
from tests.worlds.worlds import day


def test_label_rates_by_night_bucket_and_currency():
    frame, found = labelled(of_book(), [day("2024-03-01"), day("2024-04-01")], MARCH)
    rates = label_rates(frame, found)
    by_night = rates["Label rates by night"]
    assert by_night["as_of"].dt.strftime("%Y-%m-%d").tolist() == ["2024-03-01", "2024-04-01"]
    assert by_night["accounts"].tolist() == [4, 3]  # the sold one has left
    assert by_night["recovered_labelled"].tolist() == [3, 3]
    assert by_night["recovered_rate"].tolist() == [2 / 3, 0.0]
    by_bucket = rates["Label rates by days past due"]
    assert by_bucket["bucket"].tolist() == ["1-29", "30-59"]
    money = rates["Share of balances recovered by currency and days past due"].set_index(["currency", "bucket"])
    assert money.loc[("EUR", "1-29"), "balance_recovered_share"] == 400 / 2000
    assert money.loc[("JPY", "1-29"), "balance_recovered_share"] == 0.0


def test_coverage_says_by_month_what_has_a_label_and_why_the_rest_has_none():
    frame, found = labelled(
        of_book(), [day("2024-03-01"), day("2024-04-01")], MARCH, complete_through=day("2024-04-10")
    )
    table = coverage(frame, found)
    assert table.loc[table["label"] == "recovered", ["month", "reason", "accounts", "share"]].values.tolist() == [
        ["2024-03", "labelled", 3, 0.75],
        ["2024-03", "sold", 1, 0.25],
        ["2024-04", "immature", 3, 1.0],
    ]
    assert table.groupby(["month", "label"])["accounts"].sum().tolist() == [4, 4, 3, 3]


def test_maturity_curve_is_the_share_of_eventual_recoveries_known_by_then():
    world = (
        of_book()
        .payment("2024-03-02", 500, account_id="a", payment_id="p")
        .reversal("2024-03-05", 500, "p", account_id="a")
    )
    tables = world.tables()
    ledger = history(tables, Terms())
    frame = scorable(tables, ledger, [day("2024-03-01")], Terms()).frame
    sums = recoveries_by_day(frame, ledger, MARCH, FAR)
    curve = maturity_curve(pd.concat([sums, sums]))  # two equal shards have the same shares
    euros = curve[curve["currency"] == "EUR"].set_index("days")
    assert euros.index.tolist() == [1, 2, 3, 5, 7, 10]
    # 100 known on the night, 500 the next day and reversed on the fifth, 300 on the ninth: 400 in the end,
    # of two accounts
    assert euros["money_share"].tolist() == [0.25, 1.5, 1.5, 0.25, 0.25, 1.0]
    assert euros["accounts_share"].tolist() == [0.5, 0.5, 0.5, 0.5, 0.5, 1.0]
    assert curve.loc[curve["currency"] == "JPY", "money_share"].isna().all()


def test_maturity_curve_without_a_mature_row_is_empty():
    tables = of_book().tables()
    ledger = history(tables, Terms())
    frame = scorable(tables, ledger, [day("2024-03-01")], Terms()).frame
    assert maturity_curve(recoveries_by_day(frame, ledger, MARCH, day("2024-03-02"))).empty


def test_money_dropped_by_thresholds():
    frame, found = labelled(of_book(), [day("2024-03-01")], replace(MARCH, min_share=0.2))
    assert money_dropped(frame, found).to_dict() == {"EUR": 0.25, "JPY": 0.0}
    frame, found = labelled(of_book(), [day("2024-03-01")], MARCH)
    assert money_dropped(frame, found).to_dict() == {"EUR": 0.0, "JPY": 0.0}
