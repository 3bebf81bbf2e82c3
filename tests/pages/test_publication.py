"""A night that does not fit together."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from features.errors import ContractError
from pipeline.columns import WORKLIST_COLUMNS
from pipeline.pages.publication import Details
from pipeline.pages.publish import publish
from tests.worlds.paper_nights import night

# ---- nights that do not fit together ---------------------------------------------------------------------------------------------------


def counts(**changed: int) -> dict[str, int]:
    return dict(night().counts) | changed


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"worklist": night().worklist.drop(columns="balance")}, "Table 'worklist' lacks 'balance'"),
        ({"worklist": night().worklist[list(reversed(WORKLIST_COLUMNS))]}, "'worklist' must have its columns in the published order"),
        ({"deferred": night().deferred[["rule", "account_id", "citation", "first_permitted"]]}, "'deferred' must begin with 'account_id'"),
        ({"worklist": night().worklist.astype({"balance": "float64"})}, "worklist.balance must be integer minor units. Got float64"),
        ({"worklist": night().worklist.assign(currency="XXX")}, "Currencies 'XXX' have no number of decimals"),
        ({"details": Details(limits=pd.DataFrame({"account_id": []}))}, "Table 'details.limits' lacks"),
        ({"audit": night().audit.iloc[1:]}, "'audit' must have one row for each listed account"),
        ({"counts": {"scorable": 0}}, "counts lack worklist, joined"),
        ({"counts": counts(scorable=1)}, "and 1 are scorable. Each must be in exactly one group"),
        ({"counts": counts(no_value=0, deferred=night().counts["deferred"] + 5)}, "'deferred' has 16 rows and is counted as 21"),
    ],
)
def test_a_night_that_does_not_fit_together_is_refused(tmp_path, changes, sentence):
    with pytest.raises(ContractError, match=sentence):
        publish(replace(night(), **changes), tmp_path / "out")
    assert not (tmp_path / "out").exists()
