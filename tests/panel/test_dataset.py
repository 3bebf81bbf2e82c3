"""From the store to frames: what is read, how far each book reaches, and the picture of the labels.

Also of view.py.

Also of rhythm.py.
"""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from features.days import date_of
from features.declarations import Catalogue
from features.errors import InputMissing
from features.spec import Feature, Noun, Window
from features.vocabulary import Agg
from pipeline.panel import panel as panel_room
from pipeline.panel.dataset import _no_rate, explain_cell, write_panel
from pipeline.panel.panel import panel, payments_through, training_nights
from pipeline.panel.view import features_of, quiet_through, read, terms_of, view
from pipeline.store.store import Store
from tests.worlds.commands import exit_code
from tests.worlds.deliveries import PARAMS, account, charge, contact, day, payment, same, status, taken

pytestmark = pytest.mark.slow

OWN = Catalogue(
    [Feature("payments", Agg.COUNT, Window(90), empty=0), Feature("contacts", Agg.COUNT, empty=0), Noun("portfolio")]
)


LAST = day("2026-02-10")  # of a book that was paid once a day for thirteen weeks, and then no more
LIKELY = 6  # days of such a silence that are likelier than 1 in 1,000: exp(-6) is 0.0025, exp(-7) 0.0009
PAYMENTS = [
    payment(occurred_at="2026-03-20"),
    *(
        payment(payment_id=f"J{back}", account_id="J1", amount="5", occurred_at=str(date_of(LAST - back)))
        for back in range(91)
    ),
]

# Thirty on each of four days: as many rows as a busy book has, on as few days as a monthly one.
CLUMPS = [
    payment(payment_id=f"C{back}-{row}", account_id="J1", amount="5", occurred_at=str(date_of(LAST - back)))
    for back in (0, 30, 60, 90)
    for row in range(30)
]


def test_a_book_is_quiet_for_as_long_as_its_own_rhythm_makes_that_likely(tmp_path):
    """The feed goes on to 20 March, and may as a whole be silent for a few days more."""
    end = day("2026-03-20") + PARAMS.ingest.quiet_days
    for name, payments, through in (
        ("busy", PAYMENTS, LAST + LIKELY),
        ("small", [PAYMENTS[0], PAYMENTS[1]], end),
        ("monthly", [PAYMENTS[0], *PAYMENTS[1:91:30]], end),
        ("in clumps", [PAYMENTS[0], *CLUMPS], end),
    ):
        _, store = taken(tmp_path / name, payments=payments)
        assert quiet_through(store, store.versions(), PARAMS)["payments"]["tokyo"] == through, name


def test_a_book_whose_payments_stop_is_unknown_from_then_on_and_the_others_are_not(tmp_path):
    _, store = taken(tmp_path, payments=PAYMENTS, contacts=[contact(occurred_at="2026-03-20")])
    assert payments_through(store) == {
        "paris": day("2026-03-20"),
        "tokyo": day("2026-02-10"),
        "undeclared": day("2026-03-20"),
    }
    assert payments_through(store, before=day("2026-03-01"))["paris"] == day("2026-02-28")
    last = LAST + LIKELY + 1
    cohort, matrix = features_of(store, [last, last + 1], PARAMS, OWN, everyone=True)
    paid = matrix.assign(night=cohort["as_of"] - last).groupby(["portfolio", "night"], observed=True)[
        "payments_count_90d"
    ]
    known = paid.apply(lambda cells: cells.notna().all())
    assert known.to_dict() == {
        (book, night): (book, night) != ("tokyo", 1) for book in ("paris", "tokyo", "undeclared") for night in (0, 1)
    }
    assert matrix["contacts_count_ever"].notna().all()


def test_the_cell_explained_is_the_matrix_s_where_a_feed_is_late(tmp_path, monkeypatch):
    _, store = taken(tmp_path, payments=PAYMENTS)
    late = LAST + LIKELY + 2
    cohort, matrix = features_of(store, [late], PARAMS, OWN)
    row = int(np.flatnonzero(cohort["account_id"] == "J1")[0])
    assert np.isnan(matrix["payments_count_90d"].iloc[row])
    read_with, plainly = [], Store.tables
    monkeypatch.setattr(
        Store,
        "tables",
        lambda self, *rest, **more: read_with.append(more.get("versions") or rest[-1]) or plainly(self, *rest, **more),
    )
    value, reason = explain_cell(store.path, date_of(late), "payments_count_90d", "J1", PARAMS).splitlines()[1:]
    assert value.split()[2:3] == ["value"]
    assert value.split()[-1] == "NaN"
    assert f"payments complete through {date_of(late - 2)} only" in reason
    assert len(read_with) >= 2
    assert all(versions == store.versions() for versions in read_with)
    punctual = explain_cell(store.path, date_of(late - 1), "payments_count_90d", "J1", PARAMS).splitlines()
    assert "value" in punctual[1]
    assert str(float(len(punctual) - 2)) in punctual[1].split()


def test_a_feed_that_a_control_file_ends_is_not_quiet_but_over(tmp_path):
    _, store = taken(tmp_path, payments=PAYMENTS, controls={"payments": {"rows": 92, "complete_through": "2026-03-25"}})
    through = quiet_through(store, store.versions(), PARAMS)["payments"]
    assert set(through.values()) == {day("2026-03-25")}


def test_threads_and_shards_give_the_same_rows_and_only_needed_columns_are_read(tmp_path):
    _, store = taken(tmp_path, payments=PAYMENTS, contacts=[contact()])
    two = PARAMS.model_copy(update={"engine": PARAMS.engine.model_copy(update={"workers": 2})})
    one, both = (features_of(store, [day("2026-02-12")], params, OWN, everyone=True) for params in (PARAMS, two))
    assert_frame_equal(one[0], both[0])
    assert_frame_equal(one[1], both[1])
    tables = read(store, 0, OWN, store.versions(), scorable=False)
    assert set(tables) == {"accounts", "payments", "contacts"}
    assert "channel" not in tables["contacts"]
    assert "person_id" not in tables["contacts"]
    assert "charge_id" not in tables["payments"]


def test_a_currency_without_a_rate_is_said_where_a_debtor_owes_in_two(tmp_path):
    charges = [charge(charge_id="Z1", account_id="J1", amount="500", due_on="2026-01-10")]
    _, store = taken(tmp_path, payments=PAYMENTS, charges=charges)
    one, both = (
        terms_of(store, PARAMS.model_copy(update={"money": PARAMS.money.model_copy(update={"rates": rates})}))
        for rates in ({"EUR": 1.0}, {"EUR": 1.0, "JPY": 0.006})
    )
    cohort = pd.DataFrame({"debtor_id": ["d", "d", "e"], "as_of": 1, "currency": ["EUR", "JPY", "JPY"]})
    said = (
        "No rate for JPY (1 rows): sums over the overdue or placed "
        "accounts of those debtors are missing. Add money.rates."
    )
    assert (_no_rate(cohort, one), _no_rate(cohort, both)) == ([said], [])


def with_section(params, name: str, **values):
    """The params with some values of one section replaced."""
    return params.model_copy(update={name: getattr(params, name).model_copy(update=values)})


@pytest.fixture(scope="module")
def years(tmp_path_factory):
    """A store with payments from 10 January to 1 October, and an account of that debtor that is sold in August."""
    months = [f"2026-{month:02}" for month in range(1, 11)]
    paid = [
        payment(payment_id=f"M{month}", occurred_at=f"{month}-{10 if month == '2026-01' else 1:02}", amount="5.00")
        for month in months
    ]
    owed = [
        charge(
            charge_id=f"{name}-{month}", account_id=name, due_on=f"{month}-15", amount="50.00", issued_on="2026-01-08"
        )
        for name in ("A1", "A2")
        for month in months
    ]
    return taken(
        tmp_path_factory.mktemp("years"),
        payments=paid,
        charges=owed,
        statuses=[status(account_id="A2", status="sold", from_on="2026-08-20")],
    )[1]


def test_a_training_night_has_a_quarter_of_history_behind_it_and_a_mature_label_ahead(years):
    assert [str(date_of(night)) for night in training_nights(years, PARAMS)] == [
        "2026-05-01",
        "2026-06-01",
        "2026-07-01",
        "2026-08-01",
    ]
    daily = with_section(PARAMS, "cohort", every=1)
    nights = training_nights(years, daily)
    assert (nights[0], nights[-1]) == (day("2026-01-10") + 90, day("2026-10-01") - PARAMS.label.gap_days)
    assert training_nights(years, daily, before=day("2026-09-01"))[-1] == day("2026-08-31") - PARAMS.label.gap_days
    named = with_section(PARAMS, "cohort", every="week", first=dt.date(2026, 2, 3), last=dt.date(2026, 2, 17))
    assert [str(date_of(night)) for night in training_nights(years, named)] == ["2026-02-09", "2026-02-16"]
    with pytest.raises(
        InputMissing, match="No night has 90 days of history and a mature label: payments run from 2026-01-10"
    ):
        training_nights(years, PARAMS, before=day("2026-05-01"))


def test_several_horizons_are_labelled_in_one_pass_over_the_store(years, tmp_path, monkeypatch):
    seen, params = [], with_section(PARAMS, "split", test_days=40)
    # a picture of a file that is there itself
    others = {"panel-90d.parquet", "panel-90d.png", "panel-of-may.png", "panel-20d.csv"}
    for name in (*others, "panel.png", "panel-20d.png", "panel-30d.png"):
        (tmp_path / name).write_bytes(b"older")
    monkeypatch.setattr(
        panel_room, "view", lambda store, shard, *rest, **more: seen.append(shard) or view(store, shard, *rest, **more)
    )
    said = write_panel(years.path, tmp_path / "panel.parquet", params, [20, 60])
    assert sorted(seen) == list(range(years.shards))
    written = pd.read_parquet(tmp_path / "panel.parquet")
    nights = {"first": date_of(day("2026-05-01")), "last": date_of(day("2026-08-01"))}
    for days in (20, 60):
        alone = with_section(params, "label", horizon_days=days, default_horizon_days=days)
        expected = panel(years, with_section(alone, "cohort", **nights))
        own = written[[f"{name}_{days}d" for name in expected.labels]].set_axis(list(expected.labels), axis=1)
        held = written["as_of"] <= pd.Timestamp(date_of(expected.cohort["as_of"].max()))
        assert_frame_equal(own[held].reset_index(drop=True), expected.labels)
        assert (own[~held]["recovered_missing"].isin(["immature", "sold"])).all()
        assert (days == 60) == (~held).any()
    assert "A2" in set(written["account_id"][written["recovered_missing_60d"] == "sold"])
    plain = _plain(years, params, tmp_path)
    assert_frame_equal(written[list(plain)], plain)
    assert written.columns[len(plain.columns) :].tolist() == [
        f"{name}_{days}d" for days in (20, 60) for name in expected.labels
    ]
    for title in (
        "Rows with a label",
        "Label rates by night",
        "Label rates by days past due",
        "Label coverage by month",
        "Maturity",
    ):
        block = said[said.index(title) :].split("\n\n")[0].splitlines()
        place = block[1].split().index("horizon_days")
        assert {line.split()[place] for line in block[2:]} == {"20", "60"}, title
    assert any(line.split()[:3] == ["recovered", "60", "immature"] for line in said.splitlines())
    drawn = {"panel-20d.png", "panel-60d.png"}
    assert {found.name for found in tmp_path.glob("panel*")} == {"panel.parquet", *drawn, *others}
    assert b"older" not in {(tmp_path / name).read_bytes() for name in drawn}


def _plain(store, params, folder):
    """The panel of the params' own horizon, as always."""
    (folder / "plain-60d.png").write_bytes(b"older")
    said = write_panel(store.path, folder / "plain.parquet", params)
    assert "horizon_days" not in said
    assert {found.name for found in folder.glob("plain*")} == {"plain.parquet", "plain.png"}
    return pd.read_parquet(folder / "plain.parquet")


@pytest.mark.parametrize(
    "horizons", ["30,x", "30,30", "0,30", "", "30;60", "30,9999", "9" * 5000, "30," + "0" * 5000 + "60"]
)
def test_horizons_that_are_no_days_are_refused(horizons, tmp_path, capsys):
    assert exit_code("dataset", "--out", str(tmp_path / "x.parquet"), "--horizons", horizons) == 2
    assert (
        "--horizons must be different numbers of days, 1 to 3660, separated by commas, such as 30,60,90."
        in capsys.readouterr().err
    )


def test_a_person_is_one_debtor_in_the_whole_panel_and_two_in_the_features_of_earlier_nights(tmp_path):
    """Two records become one on 12 March: nights before it see two debtors, and yet no split may part them."""
    names = ("S0", "S1", "S2")
    _, store = taken(
        tmp_path,
        accounts=[account(account_id=name, debtor_id=f"D-{name}") for name in names],
        charges=[charge(charge_id=f"c-{name}", account_id=name) for name in names],
        payments=[*PAYMENTS, payment(payment_id="late", occurred_at="2026-05-30")],
        debtors=[same("D-S0", "D-S1", "2026-03-12")],
    )
    cohort = PARAMS.cohort.model_copy(update={"every": 10, "first": dt.date(2026, 3, 2)})
    whole = panel(store, PARAMS.model_copy(update={"cohort": cohort}))
    rows = whole.cohort.assign(accounts=whole.matrix["debtor_accounts"]).set_index("account_id")
    assert set(rows.loc[["S0", "S1"], "debtor_id"]) == {"D-S1"}
    assert set(rows.loc["S2", "debtor_id"]) == {"D-S2"}
    nights = rows.loc["S0"].set_index("as_of")["accounts"]
    assert nights[nights.index <= day("2026-03-12")].tolist() == [1, 1]
    assert set(nights[nights.index > day("2026-03-12")]) == {2}
    for keep in (0.3, 0.5, 0.7):
        drawn = [
            view(store, shard, [day("2026-03-02")], PARAMS, store.versions(), keep=keep)
            for shard in range(store.shards)
        ]
        ids = set(pd.concat([seen.cohort.frame for seen in drawn])["account_id"])
        assert len(ids & {"S0", "S1"}) in (0, 2)


def test_a_sample_keeps_or_drops_whole_debtors_by_the_seed_and_weighs_them(tmp_path):
    """Sixty debtors of three accounts: every account of a drawn debtor on every night, no account of another,
    weight 1 / share.
    """
    debtors, night = 60, day("2026-03-01")
    accounts = [
        account(account_id=f"S{number}-{which}", debtor_id=f"S{number}")
        for number in range(debtors)
        for which in range(3)
    ]
    charges = [charge(charge_id=f"c-{row['account_id']}", account_id=row["account_id"]) for row in accounts]
    _, store = taken(tmp_path, accounts=accounts, charges=charges, payments=PAYMENTS)

    def drawn(keep: float, seed: int = PARAMS.seed) -> pd.DataFrame:
        params = PARAMS.model_copy(update={"seed": seed})
        shards = [
            view(store, shard, [night, night + 1], params, store.versions(), keep=keep).cohort.frame
            for shard in range(store.shards)
        ]
        return pd.concat(shards).query("debtor_id.str.startswith('S')")

    whole, half, other = drawn(1.0), drawn(0.5), drawn(0.5, PARAMS.seed + 1)
    assert whole["debtor_id"].nunique() == debtors
    assert "weight" not in whole
    for part in (half, other):
        assert 15 < part["debtor_id"].nunique() < 45
        assert (part.groupby(["debtor_id", "as_of"])["account_id"].nunique() == 3).all()
        assert part.groupby("debtor_id").size().eq(6).all()
        assert part["weight"].unique().tolist() == [2.0]
    assert set(half["debtor_id"]) != set(other["debtor_id"])
    assert_frame_equal(half, drawn(0.5))
    assert set(drawn(0.2)["debtor_id"]) < set(half["debtor_id"])
