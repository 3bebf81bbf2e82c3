"""Rows of people who were forgotten come in no more: they are counted, their money too, and kept nowhere."""

from __future__ import annotations

import datetime as dt

from pipeline.intake.ingest import ingest
from pipeline.keeping.forget import forget
from pipeline.params import load
from pipeline.simulate.portfolio import simulate
from pipeline.store.forgotten import forgotten
from tests.worlds.deliveries import PARAMS, account, payment, world, write
from tests.worlds.params import written_params
from tests.worlds.traces import traces

ACT = {"who": "the privacy desk", "why": "case 17", "when": dt.datetime(2026, 10, 2, 9, tzinfo=dt.UTC)}


def test_a_new_account_of_a_forgotten_person_is_left_out_then_and_later(tmp_path):
    ingest(write(tmp_path / "source", world(accounts=[account(debtor_id="PERSON-7")])), tmp_path / "store", PARAMS)
    forget(tmp_path / "store", tmp_path / "out", "PERSON-7", PARAMS, **ACT)
    new = {"accounts": [account(account_id="ACCOUNT-NEW", debtor_id="PERSON-7")]}
    (first,) = ingest(write(tmp_path / "new", new), tmp_path / "store", PARAMS).tables
    paid = [payment(payment_id="P-NEW", account_id="ACCOUNT-NEW", amount="12.50"), payment(payment_id="P-OTHER")]
    sums = {"payments": {"rows": 2, "sums": {"EUR": "52.50"}}}
    (second,) = ingest(write(tmp_path / "paid", {"payments": paid}, controls=sums), tmp_path / "store", PARAMS).tables
    assert (first.rows_in, first.forgotten) == (1, 1)
    assert (second.rows_in, second.accepted, second.forgotten, second.quarantined) == (2, 1, 1, 0)
    assert second.money["EUR"] == (5250, 4000, 0, 0)
    assert second.money_forgotten == {"EUR": 1250}
    assert traces(["ACCOUNT-NEW", "PERSON-7"], tmp_path / "store") == []


def test_a_delivery_made_up_anew_without_a_tombstone_pays_nothing(tmp_path):
    """No table of hashes is handed to the engine where nobody was forgotten."""
    simulate(30, 5, tmp_path / "source", months=4)
    ingest(tmp_path / "source", tmp_path / "store", load(written_params(tmp_path / "p.yaml", tmp_path)))
    assert not (tmp_path / "store" / "forgotten").exists()
    assert forgotten(tmp_path / "store").accounts() == {}
