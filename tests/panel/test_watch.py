"""The watch cohort from the store: a training night shows what the night itself shows, and a book without charges
says so.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from features.days import date_of
from features.errors import UsageError
from models.watch import meaning_of
from pipeline.night.watch import WATCHED_KEPT
from pipeline.outcomes.monitor import look_back
from pipeline.panel.panel import training_nights
from pipeline.panel.view import view
from pipeline.panel.watch import watch_panel, write_watch_panel
from pipeline.params import Watch
from pipeline.store.commit import replace_night
from pipeline.store.form import WATCHED
from pipeline.store.store import Store
from tests.worlds.commands import exit_code
from tests.worlds.deliveries import PARAMS, account, charge, day, payment, statement, taken

pytestmark = pytest.mark.slow

NIGHTS = PARAMS.cohort.model_copy(update={"first": dt.date(2026, 3, 2)})
SPLIT = PARAMS.split.model_copy(update={"test_days": 40})
WATCHING = PARAMS.model_copy(update={"watch": Watch(every=10), "cohort": NIGHTS, "split": SPLIT})


@pytest.fixture(scope="module")
def instalments(tmp_path_factory):
    """Eight loans due on each 15th from February to August: half pay on the day, the others three weeks late; and a
    card that is told by statements.
    """
    loans = [f"L{number}" for number in range(8)]
    dues = [dt.date(2026, month, 15) for month in range(2, 9)]
    rows = [(loan, number, due) for loan in loans for number, due in enumerate(dues)]
    paid = [due + dt.timedelta(days=0 if int(loan[1]) % 2 else 21) for loan, _, due in rows]
    accounts = [account(account_id=loan, debtor_id=f"D-{loan}") for loan in loans]
    charges = [
        charge(charge_id=f"{loan}-{number}", account_id=loan, due_on=str(due), amount="100.00")
        for loan, number, due in rows
    ]
    payments = [
        payment(payment_id=f"p-{loan}-{number}", account_id=loan, occurred_at=str(on), amount="100.00")
        for (loan, number, _), on in zip(rows, paid, strict=True)
    ]
    book = PARAMS.portfolio("paris").model_copy(update={"delivers": ("accounts", "balances", "payments")})
    params = WATCHING.model_copy(update={"portfolios": {**PARAMS.portfolios, "card": book}})
    accounts.append(account(account_id="S1", debtor_id="D-S1", portfolio="card"))
    _, store = taken(
        tmp_path_factory.mktemp("watched"),
        params,
        accounts=accounts,
        charges=charges,
        payments=payments,
        balances=[statement(account_id="S1", taken_on="2026-02-20")],
    )
    return store, params


def test_a_training_night_is_the_night_itself(instalments):
    store, params = instalments
    whole = watch_panel(store, params)
    assert whole.cohort["as_of"].nunique() > 5
    for night in (day("2026-03-12"), day("2026-05-11")):
        held = whole.cohort["as_of"] == night
        seen = [view(store, shard, [night], params, store.versions(), watch=True) for shard in range(store.shards)]
        cohort = pd.concat([one.cohort.frame for one in seen]).sort_values("account_no", ignore_index=True)
        assert_frame_equal(whole.cohort[held].reset_index(drop=True), cohort)
        numbers = whole.matrix[held].select_dtypes("number").assign(account_no=whole.cohort["account_no"])
        alone = pd.concat(
            [
                one.matrix.select_dtypes("number").assign(account_no=one.cohort.frame["account_no"])
                for one in seen
                if len(one.matrix)
            ]
        )
        assert_frame_equal(
            numbers.reset_index(drop=True), alone.sort_values("account_no").reset_index(drop=True), check_dtype=False
        )


def test_the_nights_that_teach_it_are_its_own_and_by_default_visit_every_part_of_the_month(instalments):
    store, params = instalments
    assert set(np.diff(watch_panel(store, params).counts["as_of"].unique())) == {10}
    usual = params.model_copy(update={"watch": Watch()})
    nights = training_nights(store, usual, every=usual.watch.every)
    assert set(np.diff(nights)) == {19}
    apart = np.arange(nights[0], nights[0] + 365, 19)
    days = np.sort([date_of(int(night)).day for night in apart])
    assert max(np.diff([0, *days, 31])) <= 4
    assert len({date_of(int(night)).weekday() for night in apart}) == 7
    assert training_nights(store, usual) == training_nights(store, usual, every=usual.cohort.every)


def test_whoever_pays_three_weeks_late_is_late_and_not_rolled(instalments):
    whole = watch_panel(*instalments)
    rows = whole.cohort.assign(**whole.labels)
    rows = rows[rows["account_id"].str.startswith("L") & rows["late"].notna()]
    punctual = rows["account_id"].str[1:].astype(int) % 2 == 1
    assert set(rows.loc[punctual, "late"]) == {0.0}
    assert set(rows.loc[~punctual, "late"]) == {1.0}
    assert set(rows["rolled"].dropna()) == {0.0}
    assert set(rows["due_amount"]) == {10_000}


def test_what_nights_said_is_held_against_what_came_though_no_list_was_ever_made(instalments, tmp_path):
    store, params = instalments
    folder = tmp_path / "store"
    shutil.copytree(store.path, folder)
    whole, night = watch_panel(store, params), day("2026-03-12")
    rows = whole.cohort.assign(late=whole.labels["late"])[whole.cohort["as_of"] == night]
    rows = rows.assign(p_late=0.5, meaning=json.dumps(meaning_of(params.watch_terms()), sort_keys=True))
    told = rows[list(WATCHED_KEPT)].astype({"account_id": "str", "debtor_id": "str", "portfolio": "str"})
    replace_night(Store(folder), WATCHED, told, night)
    seen = look_back(folder, dt.date(2026, 9, 10), params).watched
    assert len(seen.matured) == len(rows) == 8
    found = seen.matured.set_index("account_id")["late"]
    assert found.to_dict() == dict(zip(rows["account_id"], rows["late"], strict=True))
    assert set(seen.matured["due"]) == {100.0}
    too_early = look_back(folder, date_of(night + params.watch_terms().gap_days), params).watched
    assert (too_early.nights, len(too_early.matured)) == (1, 0)


def test_the_file_and_what_is_said(instalments, tmp_path):
    store, params = instalments
    said = write_watch_panel(store.path, tmp_path / "panel.parquet", params)
    written = pd.read_parquet(tmp_path / "panel.parquet")
    assert {"account_id", "debtor_id", "as_of", "next_due_on", "due_amount", "late", "rolled", "split"} <= set(written)
    assert "No watch cohort in card: no charges are delivered, so no due day is known." in said
    assert set(written["next_due_on"].dt.day) == {15}


def test_params_that_watch_nothing_refuse_and_keep_their_name(instalments, tmp_path, capsys):
    store, params = instalments
    with pytest.raises(UsageError, match="There is no watch cohort: the params have no section `watch`"):
        watch_panel(store, params.model_copy(update={"watch": None}))
    assert '"watch"' not in PARAMS.model_copy(update={"watch": None}).kept()
    assert params.digest() != params.model_copy(update={"watch": None}).digest()
    assert params.of_kept(params.kept()).watch == params.watch
    place = str(tmp_path / "x.parquet")
    assert exit_code("dataset", "--out", place, "--cohort", "watch", "--horizons", "30") == 2
    assert "--horizons are of the scorable cohort" in capsys.readouterr().err
