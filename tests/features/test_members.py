"""Which texts are among others (features/members.py), against sets; missing cells are none, of whatever type."""

from __future__ import annotations

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from features.members import among, in_arrow, places_in

TEXTS = st.lists(st.sampled_from(["a", "b", "é", "", "ab"]) | st.none(), max_size=8)


@given(TEXTS, TEXTS)
def test_a_text_is_among_names_where_a_set_has_it(cells, names):
    told, known = (pd.Series(each, dtype="str") for each in (cells, names))
    wanted = [name is not None and name in names for name in cells]
    assert among(told, known).tolist() == wanted
    first = [names.index(name) if there else -1 for name, there in zip(cells, wanted, strict=True)]
    assert places_in(told, known).tolist() == first
    assert among(told.astype("category"), known).tolist() == wanted


def test_texts_of_several_pieces_come_in_one():
    whole = pd.concat([pd.Series(["a"], dtype="str"), pd.Series(["b", None], dtype="str")], ignore_index=True)
    assert in_arrow(whole).to_pylist() == ["a", "b", None]
