"""Portfolios whose debtors forget: what is true of them, what is sent to them, and that nothing else changes."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.days import day_number
from features.errors import InputMissing, UsageError
from features.tables import account_number
from models.fatigue import BY, odds
from pipeline.intake.ingest import ingest
from pipeline.panel.fatigue import days_late
from pipeline.params import load
from pipeline.simulate.portfolio import Nature, simulate
from pipeline.store.store import Store
from tests.worlds.commands import recoup
from tests.worlds.params import written_params

pytestmark = pytest.mark.slow

FORGETS, MONTHS, DEBTORS = Nature(forgets=True), 10, 900
SENT_FROM, SENT_UNTIL = dt.date(2026, 9, 4), dt.date(2026, 9, 24)


def made(folder: Path, **how: object) -> Path:
    simulate(DEBTORS, 77, folder, MONTHS, file_format="parquet", nature=FORGETS, **how)
    return folder


def table(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(folder / f"{name}.parquet")


@pytest.fixture(scope="module")
def left(tmp_path_factory) -> Path:
    return made(tmp_path_factory.mktemp("left") / "source")


@pytest.fixture(scope="module")
def sent(left, tmp_path_factory) -> tuple[Path, pd.DataFrame]:
    """The same portfolio whose shop sends a message to each of 200 accounts, and nothing else from then on."""
    folder = tmp_path_factory.mktemp("sent")
    known = table(left, "accounts").drop_duplicates("account_id")["account_id"].astype("str")
    days = [SENT_FROM + dt.timedelta(place % 20) for place in range(200)]
    told = pd.DataFrame({"account_id": known.iloc[:200].to_numpy(), "as_of": [day.isoformat() for day in days]})
    told = told.assign(channel="email", language="en", variant="plain")
    told.to_csv(folder / "messages.csv", index=False)
    return made(folder / "source", send=folder / "messages.csv"), told


def ours(folder: Path) -> pd.DataFrame:
    contacts = table(folder, "contacts")
    contacts = contacts[(contacts["direction"] == "outbound") & contacts["channel"].isin(["sms", "email"])]
    return contacts.assign(day=contacts["occurred_at"].dt.strftime("%Y-%m-%d"))


def test_what_a_world_is_in_stands_in_its_truth_and_the_debtors_speak(left):
    world = json.loads((left / "truth" / "world.json").read_text())
    assert 0.3 <= world["forgotten"] <= 0.6
    assert 0.002 <= world["opts_out"] <= 0.01
    spoken = table(left, "accounts")["language"]
    assert {"en", "fr", "es", "de", "ja"} == set(spoken.dropna())
    assert 0.1 < spoken.isna().mean() < 0.3


def test_nothing_happens_that_the_truth_gave_no_chance(left):
    chances = pd.read_parquet(left / "truth" / "chances.parquet")
    assert chances["chance"].between(0, 1).all()
    payments = table(left, "payments")
    payments = payments[payments["kind"] == "payment"]
    assert len(chances) > 10 * len(payments)
    assert abs(chances["chance"].sum() - len(payments)) < 4 * np.sqrt(
        (chances["chance"] * (1 - chances["chance"])).sum()
    )


def test_the_shop_sends_what_it_is_told_and_nothing_of_its_own_from_then_on(left, sent):
    folder, told = sent
    first = SENT_FROM.isoformat()
    before = (ours(each)[lambda rows: rows["day"] < first].drop(columns="day") for each in (left, folder))
    pd.testing.assert_frame_equal(*(rows.reset_index(drop=True) for rows in before))
    asked = set(zip(told["account_id"], told["as_of"], strict=True))
    got = ours(folder)
    got = set(zip(got["account_id"].astype("str"), got["day"], strict=True))
    assert len(asked & got) > 0.8 * len(asked)  # accounts that are closed, or opened later, are sent nothing


def test_messages_change_nothing_before_they_are_sent(left, sent):
    folder, _ = sent
    first = pd.Timestamp(SENT_FROM, tz="UTC") - pd.Timedelta(1, "D")
    for name, at in (("payments", "occurred_at"), ("contacts", "occurred_at")):
        one, other = (table(place, name)[lambda rows, at=at: rows[at] < first] for place in (left, folder))
        pd.testing.assert_frame_equal(one.reset_index(drop=True), other.reset_index(drop=True))


def test_the_measured_curve_recovers_the_simulated_one(left, tmp_path):
    params = load(written_params(tmp_path / "params.yaml", tmp_path))
    ingest(left, tmp_path / "store", params)
    store = Store(tmp_path / "store")
    rows = days_late(store, store.versions(), day_number(dt.date(2026, 10, 1)), params)
    truth = pd.read_parquet(left / "truth" / "chances.parquet")
    days = pd.to_datetime(truth["day"]).to_numpy().astype("datetime64[D]").astype(np.int64)
    truth = truth.assign(account_no=account_number(truth["account_id"]), day=days)
    truth = truth.drop_duplicates(["account_no", "day"], keep="last")[["account_no", "day", "chance"]]
    rows = rows.merge(truth, on=["account_no", "day"], how="left")
    assert rows.loc[rows["chance"].isna(), "pays"].sum() == 0
    rows = rows.fillna({"chance": 0.0})
    held = []
    for by in BY:
        found, true = odds(rows, "pays", by), odds(rows, "chance", by)["log_odds"]
        held += ((found["low"] <= true) & (true <= found["high"])).tolist()
        assert true.iloc[0] > 0  # a message moves who forgot
    assert sum(held) >= len(held) - 2


def test_messages_need_a_world_that_forgets_and_their_columns(tmp_path):
    place = tmp_path / "messages.csv"
    with pytest.raises(InputMissing, match=r"Messages .* cannot be read"):
        made(tmp_path / "none", send=place)
    place.write_text("account_id,channel\nA0000001A,sms\n")
    with pytest.raises(UsageError, match="lack language, variant, as_of"):
        made(tmp_path / "lacking", send=place)
    with pytest.raises(UsageError, match="Messages are sent in a world that forgets"):
        simulate(9, 1, tmp_path / "usual", 3, send=place)


def test_the_command_makes_such_a_portfolio(tmp_path):
    written_params(tmp_path / "params.yaml", tmp_path)
    how = ["--debtors", "20", "--seed", "5", "--months", "3", "--forgets", "--out", str(tmp_path / "made")]
    assert recoup(tmp_path, "simulate", *how) == 0
    assert (tmp_path / "made" / "truth" / "world.json").exists()
