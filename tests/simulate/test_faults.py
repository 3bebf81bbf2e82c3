"""Dirty rows, each in the answer key."""

from __future__ import annotations

import gzip

import pandas as pd
import pytest

from pipeline.intake.ingest import ingest
from pipeline.params import load
from pipeline.simulate.faults import COPIES, FAULTS
from pipeline.simulate.portfolio import simulate
from pipeline.store.store import Store
from tests.judges.naive_books import TABLES
from tests.worlds.sample import HOUSE

pytestmark = pytest.mark.slow


def test_the_answer_key_names_every_dirty_row_and_its_code(tmp_path):
    simulate(debtors=500, seed=4, out=tmp_path / "dirty", faults=True)
    simulate(debtors=500, seed=4, out=tmp_path / "clean")
    ingest(tmp_path / "dirty", tmp_path / "store", load(HOUSE / "params.yaml"))
    found = Store(tmp_path / "store").frame("quarantine")
    answers = pd.read_csv(tmp_path / "dirty" / "truth" / "faults.csv", keep_default_na=False)
    assert len(answers) == COPIES * (len(FAULTS) + 1)  # a DUP_CONFLICT is a pair of rows
    both = answers.merge(found, on=["table", "file", "line"], how="outer", indicator=True)
    assert set(both["_merge"]) == {"both"}
    assert all(code in codes.split() for code, codes in zip(both["code"], both["codes"], strict=True))
    for name in TABLES:
        dirty = gzip.decompress((tmp_path / "dirty" / f"{name}.csv.gz").read_bytes()).decode().split("\n")
        planted = set(answers["line"][answers["table"] == name])
        kept = [line.replace('"', "") for number, line in enumerate(dirty, start=1) if number not in planted]
        assert kept == gzip.decompress((tmp_path / "clean" / f"{name}.csv.gz").read_bytes()).decode().split("\n")


def test_every_reason_code_of_the_trade_is_planted():
    codes = (
        "AMT_NAN AMT_SCALE AMT_FORMAT CCY_UNKNOWN TS_NAIVE TS_FORMAT "
        "TS_FUTURE TS_KNOWN_BEFORE_EVENT KEY_NULL KEY_FORMAT DUP_CONFLICT "
    )
    codes += "REV_ORPHAN ACCT_UNKNOWN ENUM_UNKNOWN TEXT_TOO_LONG"
    assert {fault.code for fault in FAULTS} == set(codes.split())
