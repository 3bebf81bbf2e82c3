"""A night says which accounts before their due day are at risk, in the same manifest and proof as the list."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from features.days import day_number
from models.money import MoneyScale
from models.recovery import load_model
from pipeline.columns import WATCHED_COLUMNS
from pipeline.params import load
from pipeline.store.champion import champion
from pipeline.store.store import Store
from tests.worlds.commands import NIGHT, recoup
from tests.worlds.params import written_params

pytestmark = pytest.mark.slow


def watch_of(folder) -> pd.DataFrame:
    return pd.read_parquet(folder / "out" / NIGHT / "watch.parquet")


def test_the_list_is_in_order_of_money_at_risk_and_nobody_on_it_is_scorable(house):
    rows, params = watch_of(house), load(house / "params.yaml")
    assert tuple(rows.columns) == WATCHED_COLUMNS
    assert len(rows) > 50
    money = params.money
    scale = MoneyScale.resolve(sorted(set(rows["currency"])), money.rates, {"EUR": 2, "GBP": 2, "USD": 2, "JPY": 0},
                               money.reporting_currency)  # fmt: skip
    risk = rows["money_at_risk"] * scale.per_minor(rows["currency"])
    assert rows["rank"].tolist() == list(range(1, len(rows) + 1))
    assert (np.diff(risk) < 0.02).all()  # rounded to minor units
    assert rows["p_late"].between(0, 1).all()
    assert (rows["money_at_risk"] - rows["p_late"] * rows["due_amount"]).abs().max() <= 0.5
    assert pd.to_datetime(rows["next_due_on"]).between(NIGHT, pd.Timestamp(NIGHT) + pd.Timedelta(days=29)).all()
    scores = pd.read_parquet(house / "out" / NIGHT / "scores.parquet")
    assert not set(rows["account_id"]) & set(scores["account_id"])


def test_the_manifest_counts_it_and_vouches_for_both_files(house):
    manifest, rows = json.loads((house / "out" / NIGHT / "manifest.json").read_text()), watch_of(house)
    said = manifest["watch"]
    assert said["has_head"]
    assert said["accounts"] == len(rows) == said["accounts_known"]["watch"]
    assert sum(said["accounts_known"].values()) == sum(manifest["accounts_known"].values())
    for name in ("watch.csv", "watch.parquet"):
        assert manifest["outputs"][name]["rows"] == len(rows)
    assert recoup(house, "verify") == 0


def test_score_writes_the_same_rows_as_the_night(house, tmp_path):
    assert recoup(house, "score", "--as-of", NIGHT, "--out", str(tmp_path), "--cohort", "watch") == 0
    written = pd.read_parquet(tmp_path / "watch.parquet")
    pd.testing.assert_frame_equal(written, watch_of(house), check_dtype=False)


def test_the_head_is_the_approved_model_s_and_was_taught_on_what_had_matured(house):
    approved = champion(house / "store")
    head = load_model(approved.folder, approved.sha256).watch
    assert head.facts["fit_last"] + head.facts["gap_days"] <= max(Store(house / "store").span("payments"))
    assert head.facts["fit_last"] < day_number(pd.Timestamp(NIGHT).date())
    assert "Before the due day" in next((house / "store" / "runs").glob("*/report.html")).read_text()


def test_the_summary_counts_them(house):
    assert recoup(house, "report", "--as-of", NIGHT) == 0
    page = (house / "out" / "reports" / NIGHT / "summary.html").read_text()
    assert "Before their due day" in page
    told = json.loads((house / "out" / "reports" / NIGHT / "figures.json").read_text())
    assert told["night"]["counts"]["watched"] == len(watch_of(house))


def test_a_night_that_watches_nothing_has_the_list_it_had(copied, house):
    place = written_params(copied / "params.yaml", copied)
    assert recoup(copied, "run", "--as-of", NIGHT) == 0
    folder = copied / "out" / NIGHT
    assert not list(folder.glob("watch.*"))
    assert "watch" not in json.loads((folder / "manifest.json").read_text())
    before = house / "out" / NIGHT
    for name in ("worklist.csv", "deferred.csv", "excluded.csv", "held_out.csv", "scores.parquet"):
        assert (folder / name).read_bytes() == (before / name).read_bytes(), name
    assert load(place).watch is None


def test_without_a_head_what_falls_due_is_told_and_no_chance(copied):
    (copied / "store" / "models" / "champion.json").rename(copied / "gone.json")
    (copied / "store" / "models" / "approvals.jsonl").unlink()
    assert recoup(copied, "run", "--as-of", NIGHT) == 0
    manifest, rows = json.loads((copied / "out" / NIGHT / "manifest.json").read_text()), watch_of(copied)
    assert not manifest["watch"]["has_head"]
    assert rows["p_late"].isna().all()
    assert rows["due_amount"].gt(0).all()
    assert any("was not taught of accounts before their due day" in said for said in manifest["warnings"])
    assert recoup(copied, "score", "--as-of", NIGHT, "--out", str(copied), "--cohort", "watch") == 66
