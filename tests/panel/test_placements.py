"""Placements with what came while their party had the account, by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.tables import NO_DAY, NO_SHARE
from models.belief import Curve
from models.routes import AGENCY, Bands, Party
from pipeline.panel import placements
from pipeline.panel.placements import came_between, placements_in

AGENCY_A = Party("a", AGENCY, Bands({}, Curve((0.0,), (0.1,), (0.1,), (0.1,))), None, {"EUR": 0}, 0.0, 90, 100, 0)
PAID = pd.DataFrame({"account_no": [1, 1, 1, 2], "occurred_on": [99, 100, 150, 120], "amount": [5, 7, 11, 13]})


def test_money_between_two_days_has_the_first_and_not_the_last():
    came = came_between(PAID, np.array([1, 1, 2, 3]), np.array([99, 100, 100, 0]), np.array([150, 151, 120, 900]))
    assert came.tolist() == [12, 18, 0, 0]


@pytest.fixture
def placed(monkeypatch) -> pd.DataFrame:
    owed = lambda ledger, number, day: (np.full(len(number), 1_000), number * 0, np.full(len(number), 40))  # noqa: E731
    monkeypatch.setattr(placements, "figures_at", owed)
    frame = pd.DataFrame(
        {
            "account_no": [1, 1, 2, 2],
            "party": ["a", "a", "a", "nobody"],
            "route": "agency",
            "placed_on": [90, 100, 110, 110],
            "recalled_on": [99, NO_DAY, 119, NO_DAY],
            "probability": [NO_SHARE, 400_000, NO_SHARE, NO_SHARE],
            "debtor_id": ["D1", "D1", "D2", "D2"],
            "product": "loan",
            "currency": "EUR",
        }
    )
    return placements_in(frame, PAID, None, [AGENCY_A], 300)


def test_what_came_counts_from_the_day_it_was_placed_through_the_day_it_was_recalled(placed):
    assert placed["recovered"].tolist() == [5, 18, 0]
    assert placed["lived_days"].tolist() == [210, 200, 190]
    assert placed["probability"].isna().tolist() == [True, False, True]
    assert placed["probability"][1] == 0.4
    assert placed["balance"].eq(1_000).all()


def test_no_placement_and_a_party_that_nobody_names_is_no_row():
    assert placements_in(pd.DataFrame(), PAID, None, [AGENCY_A], 300).empty
