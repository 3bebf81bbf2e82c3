"""The order of stored rows."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.store.form import in_order, sort_columns


@pytest.mark.parametrize(("table", "last"), [("payments", (-5, 1, 2, 10)), ("statuses", ("a", "b", "ba", "c"))])
@given(st.data())
@settings(max_examples=50, deadline=None)
def test_in_order_is_a_plain_sort(table, last, data):
    key = st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 2), st.sampled_from(last), st.integers(0, 1))
    rows = data.draw(st.lists(key, max_size=30))
    frame = pd.DataFrame(rows, columns=sort_columns(table)).assign(place=range(len(rows)))
    sorted_rows = sorted(range(len(rows)), key=lambda place: rows[place])
    assert in_order(table, frame)["place"].tolist() == sorted_rows
