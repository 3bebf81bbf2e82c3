"""What another capacity or another order of the list would bring."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from features.days import day_number
from features.errors import InputMissing
from models.whatif import BEST_ADDED, BEST_ORDER, BY_ADDED, BY_DOUBT, BY_TOTAL, ORDERS, RANKED, WORKABLE, what_if
from pipeline.night.whatif import draw_curve, table_of, text_of, with_truth
from tests.worlds.ranked import night


def test_what_if_counts_by_hand():
    rows = night(60)
    found = what_if(rows, [1, 5, 1000])
    assert list(found["order"].unique()) == list(ORDERS)
    ours = found[found["order"] == RANKED].set_index("capacity")
    best = (
        rows[(rows["queue"] == "a") & (rows["rank"] == 1)].iloc[0],
        rows[(rows["queue"] == "b") & (rows["rank"] == 1)].iloc[0],
    )
    worth = rows["fx"] * rows["share"] * rows["discount"] * rows["expected_recovery"]
    debtors = [row["debtor_id"] for row in best]
    workable = rows["group"].isin(WORKABLE)
    assert ours.loc[1, "debtors"] == 2
    assert ours.loc[1, "expected"] == pytest.approx(worth[workable & rows["debtor_id"].isin(debtors)].sum())
    assert (ours.loc[1, "cost"], ours.loc[1, "contacts"]) == (240, 2)
    assert ours.loc[5, "debtors"] == (rows["group"] == "worklist").sum()


def test_all_orders_agree_once_everybody_is_worked_and_ours_is_best_before():
    found = what_if(night(200), [3, 1000])
    whole = found[found["capacity"] == 1000]
    assert whole["net"].round(6).nunique() == 1
    assert whole["burden"].tolist() == [1.0] * len(ORDERS)
    assert whole["share_of_value"].tolist() == pytest.approx([1.0] * len(ORDERS))
    few = found[found["capacity"] == 3].set_index("order")["net"]
    assert few[RANKED] == few.drop(BY_TOTAL).max()  # which counts all accounts of a debtor, and the list its best one


def test_what_if_reads_as_a_table_and_a_curve(tmp_path):
    table = table_of(night(80), [50, 2, 2, 10], "EUR")
    assert table["capacity"].unique().tolist() == [2, 10, 50]
    text = text_of(table, "EUR")
    assert "balance first" in text
    assert "adds the part of it that working is foretold to add" in text
    assert "count the joined accounts' money too, which the page's net value does not." in text.splitlines()[0]
    draw_curve(table, "EUR", tmp_path / "curve.png")
    again = tmp_path / "again.png"
    draw_curve(table, "EUR", again)
    assert (tmp_path / "curve.png").read_bytes() == again.read_bytes()


def test_with_the_truth_the_best_order_is_best_and_what_contact_adds_is_told():
    rows = night(200)
    random = np.random.default_rng(5)
    left = random.uniform(0, 900, 200)
    rows = rows.assign(expected_amount_if_left=left, expected_amount_if_contacted=left + 50, expected_amount=left + 20)
    found = what_if(rows, [3, 1000])
    few, whole = (found[found["capacity"] == size].set_index("order") for size in (3, 1000))
    assert few["true"].idxmax() == BEST_ORDER
    assert (whole["true"].round(6) == whole["true"].iloc[0].round(6)).all()
    ours = rows["fx"] * rows["share"] * rows["discount"]
    workable = rows["group"].isin(WORKABLE)
    assert whole["added"].iloc[0] == pytest.approx((50 * ours)[workable].sum())
    text = text_of(table_of(rows, [3], "EUR"), "EUR")
    assert BEST_ORDER in text
    assert "added what contact really adds" in text


def test_each_order_lists_what_is_highest_by_it_and_tells_what_it_is_foretold_to_add():
    rows = night(200)
    rows = rows[~rows["debtor_id"].duplicated(keep=False)].reset_index(drop=True)
    truly = np.random.default_rng(3).uniform(0, 900, len(rows))
    rows = rows.assign(expected_amount=5.0, expected_amount_if_left=0.0, expected_amount_if_contacted=truly)
    ours, chance = rows["fx"] * rows["share"] * rows["discount"], rows["p_recovered"]
    added, total, best = (
        ours * rows[name] for name in ("added_recovery", "expected_recovery", "expected_amount_if_contacted")
    )
    doubt = ours * rows["amount_if_recovered"] * chance * (1 - chance)
    found, able = what_if(rows, [4]).set_index("order"), rows["group"].isin(WORKABLE)
    for order, values in {BY_ADDED: added, BY_TOTAL: total, BY_DOUBT: doubt, BEST_ADDED: best}.items():
        taken = values[able].groupby(rows["queue"][able]).nlargest(4).index.get_level_values(1)
        assert found.loc[order, "adds"] == pytest.approx(added[taken].sum())
        assert found.loc[order, "expected"] == pytest.approx(total[taken].sum())
        assert found.loc[order, "added"] == pytest.approx(best[taken].sum())
    assert found["adds"].idxmax() == BY_ADDED
    assert found["added"].idxmax() == BEST_ADDED


def test_a_night_without_truth_is_refused(tmp_path):
    rows = night(10)
    with pytest.raises(InputMissing, match="10 accounts of the night of 2026-10-01 have no truth"):
        with_truth(rows, day_number(dt.date(2026, 10, 1)), tmp_path)


def test_an_empty_night_has_a_what_if_too():
    found = what_if(night(10).iloc[:0], [5])
    assert found["debtors"].tolist() == [0] * len(ORDERS)
    assert found["burden"].isna().all()
