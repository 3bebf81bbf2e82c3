"""What the list of the test nights would have brought in, against a count by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.evaluate import MODEL
from pipeline.params import load
from pipeline.training.report import the_list
from pipeline.training.run_evidence import ORDER, RunEvidence
from pipeline.training.worklists import ALL_QUEUES, LIST, as_worked
from tests.worlds.params import written_params


@pytest.fixture(scope="module")
def params(tmp_path_factory):
    folder = tmp_path_factory.mktemp("params")
    worklist = {"capacity": {"default": 1, "loan_eu": 2}}
    return load(written_params(folder / "params.yaml", folder, worklist=worklist, value={"mode": "total"}))


#  account, debtor, night, book, may be worked, foretold, came in, an order of somebody else
ROWS = [
    ("A1", "D1", 10, "loan_eu", True, 50.0, 40.0, 1.0),
    ("A2", "D1", 10, "loan_eu", True, 30.0, 9.0, 9.0),  # of the same debtor: one row a night
    ("A3", "D2", 10, "loan_eu", True, 20.0, 0.0, 2.0),
    ("A4", "D3", 10, "loan_eu", True, 10.0, 70.0, 8.0),
    ("A5", "D4", 10, "loan_eu", False, 99.0, 99.0, 99.0),  # the law forbids it
    ("A6", "D5", 10, "invoices_jp", True, 10.0, 100.0, 1.0),  # worked for a client: a fifth is ours
    ("A7", "D6", 10, "invoices_jp", True, 5.0, 50.0, 2.0),
    ("A1", "D1", 40, "loan_eu", True, 5.0, 6.0, 1.0),
    ("A3", "D2", 40, "loan_eu", True, 6.0, 0.0, 1.0),
]


def evidence(told: list[tuple] = ROWS) -> tuple[RunEvidence, np.ndarray]:
    names = ["account_id", "debtor_id", "as_of", "portfolio", "able", "foretold", "money", "other"]
    rows = pd.DataFrame(told, columns=names)
    cohort = rows[["account_id", "debtor_id", "as_of", "portfolio"]].assign(
        account_no=np.arange(len(rows)), product="", currency="EUR", debtor_type="consumer", jurisdiction="FR"
    )
    rankings = pd.DataFrame(
        {
            "recovered": (rows["money"] > 0).astype(float),
            "money": rows["money"],
            "unit": 1.0,
            "seen": True,
            "theta": np.nan,
            "p_recovered": 0.5,
            "amount_if_recovered": rows["foretold"] * 2,
            "expected_recovery": rows["foretold"],
            "p_defaulted": np.nan,
            f"{ORDER}somebody's": rows["other"],
        }
    )
    return RunEvidence(pd.DataFrame(index=rows.index), cohort, rankings), rows["able"].to_numpy(bool)


def test_each_queue_is_filled_to_its_capacity_with_what_may_be_worked(params):
    found = as_worked(*evidence(), params).set_index(["queue", "order"])
    loans = found.loc[("loan_eu", LIST)]
    # A1 and A3 on both nights: 40 + 0 and 6 + 0; all that could be worked paid 40 + 9 + 70 + 6.
    assert (loans["nights"], loans["listed"], loans["workable"], loans["capacity"]) == (2, 2.0, 3.0, 2)
    assert (loans["money"], loans["whole"], loans["predicted"]) == (23.0, 62.5, 40.5)
    assert loans["share"] == pytest.approx(46 / 125)
    other = found.loc[("loan_eu", "somebody's")]
    assert other["money"] == pytest.approx((9 + 70 + 6 + 0) / 2)  # A2 stands for D1
    clients = found.loc[("invoices_jp", LIST)]
    assert (clients["money"], clients["whole"]) == (pytest.approx(10.0), pytest.approx(15.0))
    whole = found.loc[(ALL_QUEUES, LIST)]
    assert whole["money"] == pytest.approx(loans["money"] + clients["money"])
    assert (whole["capacity"], whole["workable"]) == (3, 4.0)
    pd.testing.assert_series_equal(whole, found.loc[(ALL_QUEUES, MODEL)], check_names=False)


def test_a_sample_of_debtors_fills_its_part_of_the_capacity_and_tells_of_the_whole_book(tmp_path):
    """A capacity of 45 filled from a tenth of 2,000 debtors would list ten times as large a part of them."""
    chance = np.random.default_rng(8)
    foretold = chance.lognormal(3, 1, 2_000)
    came = foretold * (chance.random(2_000) < 0.3)
    book = [
        (f"A{at}", f"D{at}", 10, "loan_eu", True, worth, money, 0.0)
        for at, (worth, money) in enumerate(zip(foretold, came, strict=True))
    ]
    worklist, totals = {"capacity": {"default": 45}, "agents": {}}, {"mode": "total"}
    params = load(written_params(tmp_path / "params.yaml", tmp_path, worklist=worklist, value=totals))
    told = []
    for turn in range(40):
        own = params.model_copy(update={"seed": turn})
        part = [row for row, lot in zip(book, chance.random(2_000), strict=True) if lot < 0.1]
        found = as_worked(*evidence(part), own, drawn=0.1).set_index(["queue", "order"])
        told.append(found.loc[("loan_eu", LIST), ["listed", "workable", "money", "whole", "share"]])
    means = pd.DataFrame(told).astype(float).mean()
    whole = as_worked(*evidence(book), params).set_index(["queue", "order"]).loc[("loan_eu", LIST)]
    assert means["listed"] == pytest.approx(45, rel=0.1)
    assert means["workable"] == pytest.approx(2_000, rel=0.05)
    for name in ("money", "whole", "share"):
        assert means[name] == pytest.approx(whole[name], rel=0.25), name
    assert set(np.unique([row["listed"] for row in told])) == {
        40.0,
        50.0,
    }  # four or five of a tenth: half the times each


def test_where_nothing_could_be_worked_no_list_is_told(params):
    made, able = evidence()
    assert as_worked(made, np.zeros(len(able), bool), params).empty


def test_the_headline_names_all_queues_first_and_the_strongest_other_order(params):
    class Evaluated:
        frames = {"worked_list": as_worked(*evidence(), params)}

    found = the_list(Evaluated())
    assert [row["queue"] for row in found] == [ALL_QUEUES, "invoices_jp", "loan_eu"]
    assert (found[0]["strongest"], found[2]["strongest_row"]["money"]) == ("somebody's", 42.5)
