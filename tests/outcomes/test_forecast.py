"""The forecast of a published night: a row a week for each book, from the scores of the night and what had come in."""

from __future__ import annotations

import csv
import dataclasses
import datetime as dt
import json

import numpy as np
import pandas as pd
import pytest

from features.days import day_number
from models.recovery import RecoveryModel, load_model
from models.timing import WEEKS
from pipeline.outcomes.book_pages import write_reports
from pipeline.outcomes.forecast import COLUMNS, forecast
from pipeline.params import load
from pipeline.store.champion import champion
from pipeline.store.store import Store
from tests.judges.client_judge import Delivery
from tests.judges.forecast_judge import weeks_of
from tests.worlds.commands import NIGHT
from tests.worlds.marked_pages import Marked, read

AS_OF = dt.date.fromisoformat(NIGHT)


@pytest.fixture(scope="module")
def params(house):
    return load(house / "params.yaml")


@pytest.fixture(scope="module")
def found(house, params) -> pd.DataFrame:
    return forecast(house / "store", AS_OF, params)


def test_each_book_has_its_next_weeks_and_each_expectation_its_interval(found, house):
    assert tuple(found.columns) == COLUMNS
    books = found.groupby(["portfolio", "currency"])
    assert (books.size() == WEEKS).all()
    assert set(found["portfolio"]) == set(Store(house / "store").portfolios())
    assert found["week_from"].min() == AS_OF
    assert (pd.to_datetime(found["week_until"]) - pd.to_datetime(found["week_from"])).dt.days.eq(6).all()
    for _, weeks in books:
        assert (pd.to_datetime(weeks["week_from"]).diff().dt.days.dropna() == 7).all()
    assert (found["cash_low"] <= found["cash_expected"]).all()
    assert (found["cash_expected"] <= found["cash_high"]).all()
    assert found["cash_expected"].min() >= 0
    assert (books["cash_expected"].sum() > 0).any()


def test_the_last_weeks_are_those_of_the_delivery(found, house):
    """Payments of the last eight weeks, less what was taken back of them before the night, by plain loops."""
    rows = {}
    for name in ("accounts", "payments"):
        frame = pd.read_csv(house / "source" / f"{name}.csv.gz", dtype=str, keep_default_na=False)
        rows[name] = frame.to_dict("records")
    book = {row["account_id"]: (row["portfolio"], row["currency"]) for row in rows["accounts"]}
    begin, night = (AS_OF - dt.timedelta(56)).isoformat(), AS_OF.isoformat()
    known = [row for row in rows["payments"] if (row["known_at"] or row["occurred_at"])[:10] < night]
    came: dict[tuple[str, str], float] = {}
    inside = {}
    for row in known:
        if row["kind"] == "payment" and begin <= row["occurred_at"][:10] < night:
            inside[row["payment_id"]] = row
            came[book[row["account_id"]]] = came.get(book[row["account_id"]], 0.0) + float(row["amount"])
    for row in known:
        if row["kind"] == "reversal" and row["reverses"] in inside:
            came[book[row["account_id"]]] -= float(row["amount"])
    shown = found.drop_duplicates(["portfolio", "currency"]).set_index(["portfolio", "currency"])["cash_last_weeks"]
    for pair, total in came.items():
        places = 0 if pair[1] == "JPY" else 2
        # days are those of the book's zone, and an instant near midnight may fall into the next
        assert shown[pair] / 10**places == pytest.approx(total / 8, rel=0.03, abs=1.0)


def test_what_scorable_accounts_bring_is_the_sum_of_their_own(found, house):
    store = Store(house / "store")
    model = load_model(champion(house / "store").folder, champion(house / "store").sha256)
    assert isinstance(model, RecoveryModel)
    night = day_number(AS_OF)
    scores = store.read("scores", since=night, before=night + 1)
    listed = pd.read_parquet(house / "out" / NIGHT / "worklist.parquet")
    rows = listed.merge(
        scores[["account_id", "p_recovered", "amount_if_recovered"]], on="account_id", suffixes=("", "_s")
    )
    rows = rows.assign(as_of=night)
    assert model.timing is not None
    money = model.timing.cash(rows["p_recovered_s"].to_numpy(), rows, rows["amount_if_recovered_s"].to_numpy())
    own = pd.Series(money.sum(axis=1)).groupby([rows["portfolio"], rows["currency"]]).sum()
    whole = found.groupby(["portfolio", "currency"])["cash_from_scorable"].sum()
    for pair, part in own.items():
        assert 0 < part <= whole[pair] * 1.001  # the listed are some of them
    assert np.isfinite(money).all()


def test_a_later_night_than_any_scored_has_none(house, params):
    assert forecast(house / "store", AS_OF + dt.timedelta(1), params).empty


def test_a_model_that_was_not_taught_when_money_comes_gives_none(house, params, monkeypatch):
    approved = champion(house / "store")
    model = dataclasses.replace(load_model(approved.folder, approved.sha256), forecast=None)
    monkeypatch.setattr("pipeline.outcomes.forecast.load_model", lambda *_: model)
    assert forecast(house / "store", AS_OF, params).empty


def test_the_summary_shows_it_and_the_file_holds_it(found, house, params, tmp_path):
    place = write_reports(house / "store", tmp_path / "out", AS_OF, 30, params)
    with (place / "forecast.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == len(found)
    assert float(rows[0]["cash_expected"]) > 0
    told = json.loads((place / "figures.json").read_text())
    page = (place / "summary.html").read_text()
    for portfolio, currency in found[["portfolio", "currency"]].drop_duplicates().itertuples(index=False):
        if currency in told["forecast"][portfolio]:
            assert f"{portfolio}: Money expected in the weeks to come, {currency}" in page
    assert 'class="span"' in page


def test_every_week_is_what_the_scores_the_card_and_the_delivery_tell(house, params, tmp_path):
    """Of figures.json, and of the weeks that a client's page shows, by loops of their own."""
    place = write_reports(house / "store", tmp_path / "out", AS_OF, 30, params, "en")
    told = json.loads((place / "figures.json").read_text())["forecast"]
    card = json.loads((champion(house / "store").folder / "card.json").read_text())
    delivered = Delivery.of(house / "source", params, AS_OF)
    judged = weeks_of(delivered, card, house / "out" / NIGHT)
    assert {(book, code) for book, by in told.items() for code in by} == set(judged)
    shown: dict[tuple, int | float | None] = {}
    for page in place.glob("client-*.html"):
        shown |= {at: read(*each) for at, each in Marked(page.read_text(encoding="utf-8")).found.items()}
    assert sum(at[0] == "forecast" for at in shown) == 4 * 3 * len(judged)
    for (book, code), weeks in judged.items():
        for week, (expected, found) in enumerate(zip(weeks, told[book][code], strict=True)):
            assert found[:2] == expected[:2]
            assert found[2:] == pytest.approx(expected[2:], abs=1)
            for cell in (2, 3, 4) if week < 4 else ():
                assert abs(shown[("forecast", book, code, week, cell)] - expected[cell]) <= (1 if code == "JPY" else 51)
    spoiled = {**card, "timing": {**card["timing"], "month": [0.0, 0.0]}}  # the canary: paydays that nobody knows of
    other = weeks_of(delivered, spoiled, house / "out" / NIGHT)
    assert any(abs(a[2] - b[2]) > 100 for book in judged for a, b in zip(other[book], judged[book], strict=True))


def test_what_becomes_known_later_changes_no_forecast(found, house, params, tmp_path, monkeypatch):
    """The shards' tables with every row of the night and after, and without them."""
    read = Store.tables

    def earlier(self, *args, **kwargs):
        held = read(self, *args, **kwargs)
        return {
            name: frame[frame["known_on"].to_numpy() < day_number(AS_OF)].reset_index(drop=True)
            for name, frame in held.items()
        }

    monkeypatch.setattr(Store, "tables", earlier)
    pd.testing.assert_frame_equal(forecast(house / "store", AS_OF, params), found)
