"""The truth of the made-up portfolio: chances that history bears out, and what contact really adds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipeline.simulate import response as simulated_response
from pipeline.simulate.portfolio import LAST_DAY
from tests.judges.naive_books import day_of
from tests.worlds.markets import market

pytestmark = pytest.mark.slow

# The truth


def misses(panel: pd.DataFrame, chance: str, groups: pd.Series) -> pd.Series:
    """Per group: recoveries more than expected, in standard deviations."""
    expected, spread = panel[chance], panel[chance] * (1 - panel[chance])
    return (panel["recovered"] - expected).groupby(groups).sum() / np.sqrt(spread.groupby(groups).sum().clip(lower=0.5))


def deciles(panel: pd.DataFrame) -> pd.Series:
    return pd.qcut(panel["p_recovered"].rank(method="first"), 10, labels=False)


def test_every_scorable_account_has_a_truth_and_every_decile_bears_it_out(panel):
    rows, untold = panel
    assert untold == 0
    assert len(rows) > 20_000
    assert misses(rows, "p_recovered", deciles(rows)).abs().max() < 3.5
    assert misses(rows, "p_recovered", rows["portfolio"]).abs().max() < 3.5
    assert misses(rows, "p_recovered", rows["as_of"]).abs().max() < 4
    assert (
        0.1
        < rows.groupby("portfolio")["recovered"].mean().min()
        < rows.groupby("portfolio")["recovered"].mean().max()
        < 0.45
    )


def test_the_deciles_would_show_a_wrong_truth(panel):
    """Canary: the chances with contact forced, and chances a tenth too high, are told from the truth."""
    rows, _ = panel
    assert misses(rows, "p_recovered_if_contacted", deciles(rows)).abs().max() > 3.5
    raised = rows.assign(p_recovered=rows["p_recovered"] * 1.1)
    assert misses(raised, "p_recovered", deciles(rows)).abs().max() > 3.5


def test_expected_amounts_come_in(panel):
    """Per book, money realised differs from money expected by less than four standard errors over debtors."""
    rows, _ = panel
    for _, book in rows.groupby("portfolio"):
        gaps = (book["amount"] - book["expected_amount"]).groupby(book["debtor_id"]).sum()
        assert abs(gaps.sum()) < 4 * np.sqrt((gaps**2).sum())
        assert np.sqrt((gaps**2).sum()) < 0.1 * book["amount"].sum()
    assert (rows["expected_amount"] <= rows["balance"] * 1.006).all()  # three significant figures


def test_means_and_habit_can_be_told_from_history_but_not_from_the_balance(panel):
    rows, _ = panel
    for _, book in rows.groupby("portfolio"):
        ranks = book["balance"].rank()
        paid, not_paid = ranks[book["recovered"] == 1], ranks[book["recovered"] == 0]
        assert (paid.sum() - len(paid) * (len(paid) + 1) / 2) / (
            len(paid) * len(not_paid)
        ) < 0.56  # AUC of balance first


# Contact


@pytest.fixture(scope="module")
def coins() -> pd.DataFrame:
    """Accounts over whose month a coin was thrown: the truth, the coin, and what came of it."""
    rows = market(16_000, 5)
    return rows[rows["heads"] >= 0].assign(heads=rows["heads"] == 1)


def test_the_coin_is_fair_and_decides_who_is_contacted(sample, truth):
    coin = truth.dropna(subset=["random_contact_probability"])
    assert len(coin) > 500
    assert (coin["random_contact_probability"] == 0.5).all()
    share = coin["random_contact"].astype(bool).mean()
    assert abs(share - 0.5) < 3.5 * 0.5 / np.sqrt(len(coin) / 1.4)  # the accounts of a debtor share one coin
    outbound = sample["contacts"][sample["contacts"]["direction"] == "outbound"]
    month = outbound["occurred_at"].str[:7]
    contacted = set(zip(outbound["account_id"], month, strict=True))
    seen = [
        (account, str(as_of)[:7]) in contacted for account, as_of in zip(coin["account_id"], coin["as_of"], strict=True)
    ]
    nights = coin["as_of"].map(day_of) < day_of(LAST_DAY)
    assert (pd.Series(seen, coin.index)[nights] == coin["random_contact"].astype(bool)[nights]).all()


def test_types_respond_to_contact_as_stated(truth):
    gain = (truth["p_recovered_if_contacted"] - truth["p_recovered_if_left"]).groupby(
        truth["response_type"], observed=True
    )
    assert gain.agg(["min", "max"]).loc[["pays_anyway", "never_pays"]].abs().max().max() == 0
    assert gain.min()["pays_if_contacted"] > -0.05
    assert gain.mean()["pays_if_contacted"] > 0.03
    assert gain.max()["pays_less_if_pressed"] < 0.05
    assert gain.mean()["pays_less_if_pressed"] < -0.01
    assert truth.groupby("response_type", observed=True)["p_recovered"].mean()["never_pays"] < 0.04
    between = truth["p_recovered"].between(
        truth[["p_recovered_if_contacted", "p_recovered_if_left"]].min(axis=1) - 0.02,
        truth[["p_recovered_if_contacted", "p_recovered_if_left"]].max(axis=1) + 0.02,
    )
    assert between.mean() > 0.95  # the usual contact lies between none and what is forced, unless it is heavier


def test_what_the_coin_decided_bears_out_both_chances(coins):
    """Contact causes what the truth says: heads pays like p_recovered_if_contacted, tails like p_recovered_if_left."""
    for heads, chance in ((True, "if_contacted"), (False, "if_left")):
        for kind, rows in coins[coins["heads"] == heads].groupby("type"):
            spread = np.sqrt((rows[chance] * (1 - rows[chance])).sum())
            assert abs((rows["paid"] - rows[chance]).sum()) < 3.5 * spread, (kind, heads)
    rate = coins.groupby(["type", "heads"])["paid"].mean()
    assert rate["pays_if_contacted", True] > rate["pays_if_contacted", False] + 0.04


def test_comparing_contacted_with_not_contacted_misleads(sample, panel):
    """Confounding: collectors choose accounts that would pay at another rate anyway,
    so the plain difference is not the effect.
    """
    rows, _ = panel
    outbound = sample["contacts"][sample["contacts"]["direction"] == "outbound"]
    contacted = set(zip(outbound["account_id"], outbound["occurred_at"].str[:7], strict=True))
    chosen = np.array(
        [(account, str(as_of)[:7]) in contacted for account, as_of in zip(rows.index, rows["as_of"], strict=True)]
    )
    plain = rows["recovered"].to_numpy()[chosen].mean() - rows["recovered"].to_numpy()[~chosen].mean()
    effect = (rows["p_recovered_if_contacted"] - rows["p_recovered_if_left"]).mean()
    assert 0.25 < chosen.mean() < 0.75
    assert plain < 0 < effect
    assert effect - plain > 0.03


def test_the_odds_of_the_model_are_odds():
    for shares in (simulated_response.KEPT_SHARE, simulated_response.CALL_SHARE, *simulated_response.MIX):
        assert abs(sum(shares) - 1) < 1e-9
    assert abs(sum(share for _, _, share in simulated_response.PARTS) - 1) < 1e-9
    assert (np.diff(simulated_response.REVERSAL_KNOWN) >= 0).all()
    assert simulated_response.REVERSAL_KNOWN[-1] == 1
