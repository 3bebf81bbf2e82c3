"""The made-up book of old debts: what it tells is whole and comes in, and what it says is true is true of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.errors import CannotWrite, UsageError
from features.tables import NO_DAY
from pipeline.intake.ingest import ingest
from pipeline.params import load
from pipeline.simulate.treated import ARMS, PARTIES, born, deliver, live, true_values
from pipeline.store.store import Store
from tests.worlds.deliveries import HOUSE


@pytest.fixture(scope="module")
def lived():
    return live(400, seed=9101)


def file_bytes(folder: Path) -> dict[str, bytes]:
    return {place.relative_to(folder).as_posix(): place.read_bytes() for place in folder.rglob("*") if place.is_file()}


def test_the_same_order_gives_the_same_bytes_which_come_in_whole(lived, tmp_path):
    deliver(lived, tmp_path / "one", runs=2)
    deliver(live(400, seed=9101), tmp_path / "two", runs=2)
    assert file_bytes(tmp_path / "one") == file_bytes(tmp_path / "two")
    params = load(HOUSE / "params.yaml")
    book = params.portfolio_defaults.model_copy(update={"time_zone": "Europe/London"})
    params = params.model_copy(update={"portfolios": {"old_debts": book}})
    report = ingest(tmp_path / "one", tmp_path / "store", params)
    assert {table.name: table.quarantined for table in report.tables if table.quarantined} == {}
    found = Store(tmp_path / "store").tables()
    assert {"offers", "plans", "placements"} <= {name for name, frame in found.items() if len(frame) > 50}
    assert set(found["placements"]["party"].astype("str")) == {*PARTIES, "lex"}
    with pytest.raises(CannotWrite, match="Delivery .* cannot be created"):
        deliver(lived, tmp_path / "one", runs=2)


def test_nobody_pays_more_than_is_owed_and_every_plan_adds_up(lived):
    tables = lived.tables
    paid = tables["payments"].groupby("debtor")["amount"].sum()
    waived = tables["credits"].groupby("debtor")["amount"].sum()
    left = lived.debtors["principal"] - paid.reindex(lived.debtors.index).fillna(0)
    left -= waived.reindex(lived.debtors.index).fillna(0)
    assert (left == lived.book.balance).all()
    assert (left >= 0).all()


def test_those_who_arrive_are_known_from_that_month_on_and_young(tmp_path):
    book = live(800, seed=9105, arriving=0.5)
    deliver(book, tmp_path / "book", runs=1)
    accounts = pd.read_csv(tmp_path / "book" / "accounts.csv.gz", parse_dates=["opened_on", "placed_on", "known_at"])
    comes = (book.debtors["came_on"] != NO_DAY).to_numpy()
    assert 0.45 < comes.mean() < 0.55
    late = accounts["known_at"] > accounts["opened_on"]
    assert (late == comes).all()
    assert (accounts["placed_on"] == accounts["known_at"]).all()
    first = accounts.set_index("account_id")["known_at"]
    months = first[late.to_numpy()].dt.to_period("M").nunique()
    assert months >= 20  # of 24
    for table, when in (("payments", "occurred_at"), ("contacts", "occurred_at"), ("offers", "made_at")):
        rows = pd.read_csv(tmp_path / "book" / f"{table}.csv.gz", parse_dates=[when])
        assert (rows[when].dt.tz_localize(None) >= rows["account_id"].map(first)).all()
        assert rows["account_id"].isin(first.index[late.to_numpy()]).sum() > 50
    charges = pd.read_csv(tmp_path / "book" / "charges.csv.gz", parse_dates=["known_at"]).set_index("account_id")
    assert (charges["known_at"] == first.reindex(charges.index)).all()
    # Three months since default when they come: younger in the end, the later they came.
    age = (pd.Timestamp("2026-09-30") - accounts["opened_on"]).dt.days - 400
    assert age[comes].max() <= 30 * (3 + 24)
    assert age[comes].median() < age[~comes].median()
    params = load(HOUSE / "params.yaml")
    book_params = params.portfolio_defaults.model_copy(update={"time_zone": "Europe/London"})
    params = params.model_copy(update={"portfolios": {"old_debts": book_params}})
    report = ingest(tmp_path / "book", tmp_path / "store", params)
    assert {table.name: table.quarantined for table in report.tables if table.quarantined} == {}


def test_a_better_offer_is_taken_no_less_often_and_a_heavier_instalment_kept_no_longer():
    draw = np.random.default_rng(9102)
    book = born(500, draw, live(10, seed=9103).book.world)
    chances = np.array([book.chance_to_accept(np.full(500, discount)) for discount in ARMS])
    assert (np.diff(chances, axis=0) >= 0).all()
    breaks = np.array([book.chance_to_break(book.balance / terms) for terms in (24, 12, 6, 3)])
    assert (np.diff(breaks, axis=0) >= 0).all()


def offered(lived) -> pd.DataFrame:
    offers = lived.tables["offers"]
    settled = offers[offers["kind"] == "settlement"].set_index("number")
    return settled.assign(chance=lived.truth["accepts"].set_index("number")["chance"])


def test_collectors_follow_the_will_where_they_are_confounded_and_the_lot_never_does():
    for confounded, follows in ((0.0, False), (1.0, True)):
        lived = live(3_000, seed=9104, confounded=confounded)
        told = offered(lived)
        told["will"] = lived.book.will[told["debtor"]]
        by_lot = told["probability"].notna()
        own = np.corrcoef(told["will"][~by_lot], told["discount"][~by_lot])[0, 1]
        lot = np.corrcoef(told["will"][by_lot], told["discount"][by_lot])[0, 1]
        assert (own > 0.5) == follows
        assert abs(lot) < 0.2
        assert set(told["discount"][by_lot]) == set(ARMS)


def test_as_many_offers_are_taken_as_their_chances_say():
    told = offered(live(6_000, seed=9105, explored=1.0))
    taken = (told["outcome"] == "accepted").to_numpy()
    spread = np.sqrt((told["chance"] * (1 - told["chance"])).sum())
    assert abs(taken.sum() - told["chance"].sum()) < 4 * spread


def test_what_a_settlement_is_worth_is_its_price_or_what_waiting_is_worth():
    book = live(60, seed=9106).book
    book = book.only(np.flatnonzero(book.balance > 0))
    worth = true_values(book, runs=1_500, seed=1)
    chance = book.chance_to_accept(np.full(book.balance.size, 0.4))
    expected = chance * np.round(0.6 * book.balance) + (1 - chance) * worth["internal"]
    assert worth["settlement_40"].sum() == pytest.approx(expected.sum(), rel=0.03)
    assert (worth["north"] > worth["south"])[book.kind == 0].mean() > 0.8  # north is better at cards


def test_an_order_for_nobody_is_refused():
    with pytest.raises(UsageError, match="A book of old debts needs a debtor or more, and 3 months or more"):
        live(0, seed=1)
