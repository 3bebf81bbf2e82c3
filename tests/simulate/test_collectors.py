"""Whom the collectors choose, what they sense, what a coin or an order decides in their stead."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.errors import InputMissing, UsageError
from pipeline.simulate.portfolio import Nature, simulate
from tests.judges.naive_books import TABLES, day_of, read
from tests.worlds.markets import log_odds, market

pytestmark = pytest.mark.slow


def test_what_collectors_sense_raises_whom_they_contact_and_who_pays():
    sensing = {}
    for factor in (0.0, 1.0, 6.0):
        rows = market(2_500, 44, Nature(hidden=factor))
        rows = rows[rows["drawable"] == 1]
        paying = np.corrcoef(rows["sensed"], log_odds(rows["if_left"].clip(0.001, 0.999)))[0, 1]
        assert paying > 0.08  # the chance of paying without any contact
        sensing[factor] = np.corrcoef(rows["sensed"], log_odds(rows["chosen"]))[0, 1]
        free = rows[rows["heads"] < 0]
        contacted = free.groupby(free["sensed"] > 0)["touched"].mean()
        if factor:
            assert contacted[True] > contacted[False] + 0.04 * factor
    assert abs(sensing[0.0]) < 0.05 < 0.3 < sensing[1.0] < 0.7 < 0.85 < sensing[6.0]


@pytest.mark.parametrize("share", [0.1, 0.6])
def test_arms_have_their_probabilities_and_decide_who_is_contacted(tmp_path, share):
    simulate(600, 45, tmp_path, months=14, nature=Nature(slice=share))
    arms = pd.read_parquet(tmp_path / "truth" / "arms.parquet")
    assert not arms.duplicated(["debtor_id", "assigned_on"]).any()
    assert arms["probability"].equals(arms["arm"].map({"worked": share / 2, "left": share / 2, "chosen": 1 - share}))
    for arm, chance in arms.groupby("arm")["probability"].first().items():
        drawn = (arms["arm"] == arm).sum()
        assert abs(drawn - chance * len(arms)) < 4 * np.sqrt(chance * (1 - chance) * len(arms)), arm
    tables = read(tmp_path)
    owner = tables["accounts"].drop_duplicates("account_id").set_index("account_id")["debtor_id"]
    contacts = tables["contacts"].query("direction == 'outbound'")
    contacts = contacts.assign(debtor_id=contacts["account_id"].map(owner))
    spans = arms.assign(begin=arms["assigned_on"].map(day_of), end=arms["until_on"].map(day_of))
    spans = spans[spans["begin"] <= day_of("2026-09-01")]  # the last night's have not been lived
    met = spans.merge(contacts[["debtor_id", "occurred_at_day"]], on="debtor_id")
    met = met[(met["occurred_at_day"] >= met["begin"]) & (met["occurred_at_day"] < met["end"])]
    met = met[["debtor_id", "assigned_on"]].drop_duplicates().assign(met=True)
    spans = spans.merge(met, on=["debtor_id", "assigned_on"], how="left")
    reached = spans["met"].notna().groupby(spans["arm"]).mean()
    assert reached["worked"] > 0.99  # a lawyer may write before the first working day
    assert 0.2 < reached["chosen"] < 0.9
    # Accounts in good order beside the worked ones, and direct debits, are the only outbound lines of those left alone.
    left = spans[(spans["arm"] == "left") & spans["met"].notna()]
    lines = left.merge(contacts[["debtor_id", "occurred_at_day", "channel"]], on="debtor_id")
    lines = lines[(lines["occurred_at_day"] >= lines["begin"]) & (lines["occurred_at_day"] < lines["end"])]
    assert set(lines["channel"]) <= {"debit"}


def test_orders_are_followed_and_change_nothing_before_them(tmp_path):
    order = {"debtors": 150, "seed": 48, "months": 8}
    ids = [f"D{number:07d}" for number in range(150)]
    orders = pd.DataFrame(
        {"debtor_id": ids, "arm": ["left", "worked"] * 75, "assigned_on": "2026-06-01", "until_on": "2026-07-15"}
    )
    orders.to_csv(tmp_path / "orders.csv", index=False)
    simulate(**order, out=tmp_path / "free")
    simulate(**order, out=tmp_path / "bound", follow=tmp_path / "orders.csv")
    orders.assign(**{name: pd.to_datetime(orders[name]) for name in ("assigned_on", "until_on")}).to_parquet(
        tmp_path / "orders.parquet"
    )
    simulate(**order, out=tmp_path / "again", follow=tmp_path / "orders.parquet", shards=2)
    free, bound, again = (read(tmp_path / name) for name in ("free", "bound", "again"))
    for name in TABLES:
        pd.testing.assert_frame_equal(bound[name], again[name])
        before = [
            rows[rows["known"] < day_of("2026-06-01")].reset_index(drop=True) for rows in (free[name], bound[name])
        ]
        pd.testing.assert_frame_equal(*before)
    truth = pd.read_parquet(tmp_path / "bound" / "truth" / "expectations.parquet")
    bidden = truth[truth["random_contact_probability"].isin([0.0, 1.0])]
    assert {str(night) for night in bidden["as_of"]} == {"2026-06-01", "2026-07-01"}
    assert (bidden["random_contact"].astype(float) == bidden["random_contact_probability"]).all()
    for heads, said in ((True, "p_recovered_if_contacted"), (False, "p_recovered_if_left")):
        rows = bidden[bidden["random_contact"] == heads]
        assert len(rows) > 40
        assert (rows["p_recovered"] - rows[said]).abs().max() < 2e-4
    arms = pd.read_parquet(tmp_path / "bound" / "truth" / "arms.parquet")
    assert not arms["assigned_on"].astype(str).isin(["2026-06-01", "2026-07-01"]).any()  # nobody drew them


def test_orders_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(InputMissing, match="cannot be read"):
        simulate(10, 1, tmp_path / "out", follow=tmp_path / "none.csv")
    place = tmp_path / "orders.csv"
    place.write_text("debtor_id,arm\nD0000001,left\n")
    with pytest.raises(UsageError, match="lack assigned_on, until_on"):
        simulate(10, 1, tmp_path / "out", follow=place)
    place.write_text("debtor_id,arm,assigned_on,until_on\nD0000001,control,2026-01-01,2026-02-01\n")
    with pytest.raises(UsageError, match="neither worked nor left"):
        simulate(10, 1, tmp_path / "out", follow=place)
    assert not (tmp_path / "out").exists()
