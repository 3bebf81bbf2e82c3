"""From the store to frames: what is read, how far each book reaches, and the picture of the labels."""

from __future__ import annotations

import numpy as np
import pandas as pd
from deliveries import PARAMS, charge, contact, day, payment, taken
from pandas.testing import assert_frame_equal

from features.declarations import Catalogue
from features.spec import Feature, Noun, Window
from features.vocabulary import Agg
from pipeline.dataset import _no_rate, features_of, payments_through, quiet_through, read, terms_of
from pipeline.label_charts import draw

OWN = Catalogue([Feature("payments", Agg.COUNT, Window(90), empty=0), Feature("contacts", Agg.COUNT, empty=0), Noun("portfolio")])
PAYMENTS = [payment(occurred_at="2026-03-20"), payment(payment_id="X2", account_id="J1", amount="5", occurred_at="2026-02-10")]


def test_a_book_whose_payments_stop_is_unknown_from_then_on_and_the_others_are_not(tmp_path):
    _, store = taken(tmp_path, payments=PAYMENTS, contacts=[contact(occurred_at="2026-03-20")])
    assert payments_through(store) == {"paris": day("2026-03-20"), "tokyo": day("2026-02-10"), "undeclared": day("2026-03-20")}
    assert payments_through(store, before=day("2026-03-01"))["paris"] == day("2026-02-28")
    quiet = PARAMS.ingest.quiet_days
    assert quiet_through(store, store.versions(), PARAMS)["payments"]["tokyo"] == day("2026-02-10") + quiet
    last = day("2026-02-10") + quiet + 1
    cohort, matrix = features_of(store, [last, last + 1], PARAMS, OWN, everyone=True)
    paid = matrix.assign(night=cohort["as_of"] - last).groupby(["portfolio", "night"], observed=True)["payments_count_90d"]
    known = paid.apply(lambda cells: cells.notna().all())
    assert known.to_dict() == {
        (book, night): (book, night) != ("tokyo", 1) for book in ("paris", "tokyo", "undeclared") for night in (0, 1)
    }
    assert matrix["contacts_count_ever"].notna().all()


def test_a_feed_that_a_control_file_ends_is_not_quiet_but_over(tmp_path):
    _, store = taken(tmp_path, payments=PAYMENTS, controls={"payments": {"rows": 2, "complete_through": "2026-03-25"}})
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
    assert "channel" not in tables["contacts"] and "person_id" not in tables["contacts"] and "charge_id" not in tables["payments"]


def test_the_picture_of_the_labels_is_the_same_bytes_and_shows_a_broken_feed(tmp_path):
    seen = pd.DataFrame({"month": ["2026-01", "2026-02"], "label": "recovered", "reason": "labelled", "accounts": 5, "share": 1.0})
    broken = pd.concat([seen.assign(share=[1.0, 0.4]), seen.tail(1).assign(reason="immature", share=0.6)])
    curve = pd.DataFrame({"currency": "EUR", "days": [1, 30], "accounts_share": [0.1, 1.0], "money_share": [0.1, 1.0]})
    pictures = []
    for number, (coverage, points) in enumerate(((seen, curve), (seen, curve), (broken, curve), (seen, curve.iloc[:0]))):
        draw(coverage, points, tmp_path / f"{number}.png")
        pictures.append((tmp_path / f"{number}.png").read_bytes())
    assert pictures[0] == pictures[1] and len(set(pictures)) == 3
    assert all(picture.startswith(b"\x89PNG") and np.frombuffer(picture, np.uint8).size > 10_000 for picture in pictures)


def test_a_currency_without_a_rate_is_said_where_a_debtor_owes_in_two(tmp_path):
    charges = [charge(charge_id="Z1", account_id="J1", amount="500", due_on="2026-01-10")]
    _, store = taken(tmp_path, payments=PAYMENTS, charges=charges)
    one, both = (
        terms_of(store, PARAMS.model_copy(update={"money": PARAMS.money.model_copy(update={"rates": rates})}))
        for rates in ({"EUR": 1.0}, {"EUR": 1.0, "JPY": 0.006})
    )
    cohort = pd.DataFrame({"debtor_id": ["d", "d", "e"], "as_of": 1, "currency": ["EUR", "JPY", "JPY"]})
    said = "No rate for JPY (1 rows): sums over all accounts of those debtors are missing. Add money.rates."
    assert (_no_rate(cohort, one), _no_rate(cohort, both)) == ([said], [])
