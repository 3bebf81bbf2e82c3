"""Rates between currencies."""

from __future__ import annotations

import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from features.errors import ContractError
from models.money import MoneyScale


def test_rates_are_asked_for_when_currencies_differ():
    with pytest.raises(ContractError, match="CHF, USD have no rate to EUR"):
        MoneyScale.resolve(["EUR", "USD", "CHF"], {}, {"EUR": 2, "USD": 2, "CHF": 2}, "EUR")
    alone = MoneyScale.resolve(["NGN"], {}, {"NGN": 2}, "EUR")
    assert alone.reporting == "NGN"
    assert alone.per_minor(pd.Series(["NGN"]))[0] == 0.01
    both = MoneyScale.resolve(["EUR", "JPY"], {"JPY": 0.0061}, {"EUR": 2, "JPY": 0, "USD": 2}, "EUR")
    assert_array_equal(both.per_minor(pd.Series(["JPY", "EUR"])), [0.0061, 0.01])
