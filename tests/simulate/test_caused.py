"""The made-up book of sales: the same order gives the same bytes, its causes have the size that they are said to have,
and a book without causes has none.
"""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pandas as pd
import pytest

from features.errors import CannotWrite, UsageError
from pipeline.simulate.caused import LARGE, NONE, deliver, live
from tests.worlds.commands import exit_code


def test_the_same_order_gives_the_same_bytes_and_never_over_another(tmp_path):
    assert exit_code(
        *("simulate", "--causes", "planted", "--debtors", "60", "--seed", "3", "--out", str(tmp_path / "one"))
    ) == 0  # fmt: skip
    deliver(live(60, 3), tmp_path / "two")
    told = [
        {place.name: hashlib.sha256(place.read_bytes()).hexdigest() for place in (tmp_path / name).glob("*.*")}
        for name in ("one", "two")
    ]
    assert told[0] == told[1]
    assert len(told[0]) == 6
    truth = pd.read_parquet(tmp_path / "one" / "truth" / "chances.parquet")
    assert truth["account_id"].is_unique
    assert json.loads((tmp_path / "one" / "truth" / "causes.json").read_text())["causes"]["channel"] == 3.0
    with pytest.raises(CannotWrite, match="cannot be created"):
        deliver(live(60, 3), tmp_path / "one")
    with pytest.raises(UsageError, match="12 months or more"):
        live(10, 1, months=3)


def test_causes_have_their_size_and_a_book_without_has_none():
    sales = live(60_000, 2)
    online = (sales["x_sale_channel"] == "online") & (sales["principal"] >= LARGE) & (sales["x_deposit"] == "no")
    stopped = sales["stops"] > 1
    for member, size in ((online, 3.0), (sales["audit_age_band"] == "18-24", 1.8)):
        others = stopped[~member].mean()
        assert stopped[member].mean() / others == pytest.approx(size, rel=0.12)
    bike = sales["product"] == "bike"
    assert sales["first"][bike].mean() / sales["first"][~bike].mean() == pytest.approx(4.0, rel=0.12)
    rolled = (sales["stops"] > 0).mean()
    assert rolled == pytest.approx(sales["p_rolled"].mean(), rel=0.05)
    none = live(60_000, 2, causes=NONE)
    assert none.groupby("product")["p_first"].nunique().eq(1).all()
    assert none.groupby("portfolio")["p_stop"].nunique().eq(1).all()
    assert np.isclose(none["p_first"].mean(), 0.02)
