"""What the report says, and sums that do not add up."""

from __future__ import annotations

import pytest

from features.errors import RecoupError
from pipeline.intake.report import TableReport
from tests.worlds.deliveries import PAYMENTS, payment, taken


def test_the_report_says_where_the_first_five_rows_set_aside_stand(tmp_path):
    reports, store = taken(
        tmp_path, payments=[*PAYMENTS, *(payment(payment_id=f"B{number}", kind="x") for number in range(7))]
    )
    places = ", ".join(f"'payments.csv' line {line}" for line in (4, 5, 6, 7, 8))
    assert reports["payments"].text().endswith(f"quarantined: ENUM_UNKNOWN 7; first in {places}")
    (record,) = store.deliveries()
    earlier = [{name: value for name, value in table.items() if name != "places"} for table in record.tables]
    assert TableReport(**earlier[0]).places == ()  # a record from before


@pytest.mark.parametrize("broken", [{"accepted": 3}, {"money": {"EUR": (3, 1, 1, 0)}}])
def test_sums_that_do_not_add_up_stop_everything(broken):
    """The canary of the reconciliation."""
    good = {"name": "payments", "files": 1, "rows_in": 4, "accepted": 2, "quarantined": 1, "duplicates": 1, "codes": {}}
    TableReport(**good).check_adds_up()
    with pytest.raises(RecoupError, match=r"Table 'payments' does not add up"):
        TableReport(**{**good, **broken}).check_adds_up()
