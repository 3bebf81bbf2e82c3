"""What is refused before a training begins."""

from __future__ import annotations

from dataclasses import replace

import pytest

from features.errors import UsageError
from pipeline.training.trial import check_thresholds
from tests.worlds.panels import made_panel
from tests.worlds.params import quick_params


def test_thresholds_that_drop_more_than_a_hundredth_of_the_money_are_refused(tmp_path):
    panel, label = made_panel(50), quick_params(tmp_path).label
    check_thresholds(panel, label)
    labels, currency = panel.labels.copy(), panel.cohort["currency"].astype("str")
    paid = labels.index[(labels["recovered"] == 1.0) & (currency == currency.iloc[0])]
    least = labels.loc[paid, "recovered_amount"].sort_values()
    few = least.index[least.cumsum() <= 0.01 * least.sum()]
    labels.loc[few, "recovered"] = 0.0
    check_thresholds(replace(panel, labels=labels), label)
    labels.loc[least.index[: len(few) + 1], "recovered"] = 0.0
    high = label.model_copy(update={"min_share": 0.1})
    with pytest.raises(
        UsageError, match=rf"label\.min_share 0\.1 call money .* \(1\.\d% in {currency.iloc[0]}\); at most 1% may be"
    ):
        check_thresholds(replace(panel, labels=labels), high)
