"""Unusual cases planted into the sample: the same order gives the same bytes, the control files vouch for what was
added, and a night finds them. Also of benchmarks/unusual.py, which judges what is found.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.unusual import Counted, found_in, judge, params_in, sentences
from features.errors import UsageError
from features.unusual import KINDS
from pipeline.intake.ingest import ingest
from pipeline.simulate.unusual import EACH, plant

pytestmark = pytest.mark.slow

SAMPLE = Path(__file__).parents[2] / "data" / "sample"


@pytest.fixture(scope="module")
def planted(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("planted")
    shutil.copytree(SAMPLE, folder / "source")
    plant(folder / "source", 5, planted=True)
    return folder


def table(source: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(source / f"{name}.csv.gz", dtype="str", keep_default_na=False)


def test_the_same_order_gives_the_same_bytes_and_what_was_there_stays(planted, tmp_path):
    shutil.copytree(SAMPLE, tmp_path / "again")
    plant(tmp_path / "again", 5, planted=True)
    for place in sorted((planted / "source").rglob("*.*")):
        other = tmp_path / "again" / place.relative_to(planted / "source")
        assert hashlib.sha256(place.read_bytes()).digest() == hashlib.sha256(other.read_bytes()).digest()
    for name in ("payments", "contacts"):
        before, after = table(SAMPLE, name), table(planted / "source", name)
        pd.testing.assert_frame_equal(after.iloc[: len(before)][list(before)], before)
    untouched = (SAMPLE / "charges.csv.gz", planted / "source" / "charges.csv.gz")
    assert len({gzip.decompress(place.read_bytes()) for place in untouched}) == 1


def test_control_files_vouch_for_what_was_added(planted):
    source = planted / "source"
    currency = table(source, "accounts").drop_duplicates("account_id").set_index("account_id")["currency"]
    for name in ("payments", "contacts"):
        rows, control = table(source, name), json.loads((source / f"{name}.control.json").read_text())
        assert control["rows"] == len(rows)
    paid = table(source, "payments")
    sums = paid["amount"].map(Decimal).groupby(paid["account_id"].map(currency)).sum()
    control = json.loads((source / "payments.control.json").read_text())
    assert {code: Decimal(told) for code, told in control["sums"].items()} == sums.to_dict()


def test_nobody_takes_part_in_two_things_and_without_planting_the_innocent_remain(planted, tmp_path):
    truth = json.loads((planted / "source" / "truth" / "unusual.json").read_text())
    debtors = [name for case in (*truth["planted"], *truth["innocent"]) for name in case["debtor_ids"]]
    assert len(debtors) == len(set(debtors))
    assert {case["kind"] for case in truth["planted"]} == set(KINDS)
    assert len(truth["planted"]) == 6 * EACH  # rings of one debtor and of several
    shutil.copytree(SAMPLE, tmp_path / "none")
    plant(tmp_path / "none", 5, planted=False)
    truth = json.loads((tmp_path / "none" / "truth" / "unusual.json").read_text())
    assert (truth["planted"], len(truth["innocent"]) > 5) == ([], True)
    tokens = table(tmp_path / "none", "payments")
    assert (tokens.loc[tokens["kind"] == "reversal", "instrument"] == "").all()
    assert (tokens.loc[tokens["method"] == "cash", "instrument"] == "").all()


def test_a_folder_of_another_form_is_refused(tmp_path):
    (tmp_path / "accounts").mkdir()
    with pytest.raises(UsageError, match="one file of CSV a table"):
        plant(tmp_path, 1, planted=True)


def test_a_night_finds_what_was_planted(planted):
    params = params_in(planted)
    assert ingest(planted / "source", planted / "store", params, backfill=True)
    count = Counted()
    rows, truth = found_in(planted, params, count), json.loads((planted / "source/truth/unusual.json").read_text())
    judge(rows, truth, count)
    assert sum(count.found.values()) >= 0.9 * len(truth["planted"])
    assert set(count.found) == set(KINDS)
    assert sum(count.false.values()) + sum(count.found.values()) >= count.rows[0]
    said = sentences(count, 1)
    assert f"Planted {len(truth['planted'])}, found {sum(count.found.values())}" in said
    judge(rows.iloc[:0], truth, blind := Counted())
    assert (sum(blind.found.values()), sum(blind.planted.values())) == (0, len(truth["planted"]))
