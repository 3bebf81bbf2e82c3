"""Agencies set beside each other on a night: by hand, and by lot or not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.belief import Curve
from models.routes import AGENCY, SALE, Bands, Party
from pipeline.night.agencies import agencies_compared
from tests.worlds.params import quick_params


def party(name: str, share: float, route: str = AGENCY) -> Party:
    believed = Bands({"card": Curve((0.0, 365.0), (share, share / 2), (0.0, 0.0), (1.0, 1.0))})
    return Party(name, route, believed, None, {"EUR": 0}, 0.0, 90, 100, 0)


PARTIES = (party("a", 0.2), party("b", 0.4), party("buyer", 0.9, SALE))


def placed(name: str, many: int, recovered: int, probability: float = np.nan, lived: int = 100) -> pd.DataFrame:
    """Debts of 100.00, half of them a year old, of a kind that is believed in."""
    return pd.DataFrame(
        {
            "party": name,
            "route": AGENCY,
            "debtor_id": [f"{name}{number}" for number in range(many)],
            "kind": "card",
            "currency": "EUR",
            "days_past_due": np.where(np.arange(many) % 2, 400, 30),
            "balance": 10_000,
            "recovered": recovered,
            "lived_days": lived,
            "probability": probability,
        }
    )


def test_expected_is_the_same_whoever_got_the_account_and_the_ratio_is_recovered_by_it(tmp_path):
    parts = [placed("a", 40, 2_700), placed("b", 60, 1_800), placed("b", 5, 9_000, lived=99)]
    told = {row["party"]: row for row in agencies_compared(parts, PARTIES, quick_params(tmp_path))}
    assert (told["a"]["placed"], told["a"]["matured"]) == (40, 40)
    assert (told["b"]["placed"], told["b"]["matured"]) == (65, 60)
    each = (0.3 + 0.15) / 2 * 100  # the mean of what is believed of a and b, at either age
    assert told["a"]["expected"] == pytest.approx(40 * each)
    assert told["a"]["ratio"] == pytest.approx(27 / each)
    assert told["b"]["ratio"] == pytest.approx(18 / each)
    assert told["b"]["ratio_low"] <= told["b"]["ratio"] <= told["b"]["ratio_high"]
    assert not told["a"]["by_lot"]


def test_only_where_all_were_drawn_is_the_ratio_said_to_be_the_agency_s_own(tmp_path):
    parts = [placed("a", 40, 2_700, 0.5), placed("b", 30, 1_800, 0.5), placed("b", 30, 1_800)]
    told = {row["party"]: row["by_lot"] for row in agencies_compared(parts, PARTIES, quick_params(tmp_path))}
    assert told == {"a": True, "b": False}


def test_without_a_placement_whose_time_is_over_there_is_no_ratio(tmp_path):
    (told,) = agencies_compared([placed("a", 3, 500, lived=10)], PARTIES, quick_params(tmp_path))
    assert (told["placed"], told["matured"], told["ratio"]) == (3, 0, None)
    foreign = placed("a", 3, 500).assign(currency="XAU")
    assert agencies_compared([foreign], PARTIES, quick_params(tmp_path)) == []
