"""P(late): calibrated on later nights, kept in the model folder, judged against the debtor's own rhythm.

Also of probability.py.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.catalogue import WATCH
from features.errors import ModelRefused
from features.terms import WatchTerms
from models.drift import SCORE
from models.explain import REASON_COLUMNS, Sentences, every_reason, reasons
from models.folder import LATE_FILE, digest, read_folder
from models.phrases import ENGLISH
from models.recovery import RecoveryModel
from models.watch import MODEL, RHYTHMS, RhythmTable, WatchHead, beaten, judge_watch
from tests.worlds.panels import SCALE, teaching

NIGHTS = tuple(range(19_000, 19_600, 30))
LAST_FIT = 19_360


@pytest.fixture(scope="module")
def watched():
    """Debtors who are late by habit, and where much else of theirs is open: matrix, labels, cohort, true chance."""
    draw = np.random.default_rng(5)
    debtors, nights = 500, np.array(NIGHTS)
    habit = draw.normal(size=debtors)
    who, as_of = (values.ravel() for values in np.meshgrid(np.arange(debtors), nights))
    due = np.round(np.exp(draw.normal(5.0, 0.4, who.size)) * 100).astype(np.int64)
    strain = draw.poisson(2.0, who.size)
    chance = 1 / (1 + np.exp(-(-3.2 + 1.0 * habit[who] + 0.8 * strain)))
    late = (draw.random(who.size) < chance).astype(float)
    matrix = pd.DataFrame(
        {
            "last_item_days_late": np.where(
                draw.random(who.size) < 0.1, np.nan, draw.poisson(4 + 5 * chance).astype(float)
            ),
            "items_late_share_365d": np.clip(chance + draw.normal(0, 0.3, who.size), 0, 1),
            "days_after_due_mean_365d": 10 * habit[who] + draw.normal(0, 14, who.size),
            "upcoming_charges_sum_30d": due.astype(float),
            "open_items": strain.astype(float),
        }
    )
    cohort = pd.DataFrame(
        {
            "account_no": who.astype(np.int64),
            "account_id": [f"a{number}" for number in who],
            "debtor_id": [f"d{number}" for number in who],
            "as_of": as_of.astype(np.int32),
            "portfolio": np.where(who % 3 == 0, "shop", "book"),
            "currency": "EUR",
            "due_amount": due,
        }
    )
    return matrix, pd.DataFrame({"late": late}), cohort, chance


@pytest.fixture(scope="module")
def head(watched) -> WatchHead:
    matrix, labels, cohort, _ = watched
    kept = labels.assign(late=labels["late"].where(cohort["as_of"] <= LAST_FIT))
    own = replace(teaching(), money_columns=("upcoming_charges_sum_30d",), monotone={})
    return WatchHead.fit(matrix, kept, cohort, own)


def later(watched):
    matrix, labels, cohort, chance = watched
    rows = (cohort["as_of"] >= LAST_FIT + 60).to_numpy()
    kept = (frame[rows].reset_index(drop=True) for frame in (matrix, labels, cohort))
    return (*kept, chance[rows])


def test_the_chance_is_calibrated_on_later_nights_and_beats_the_rhythm(head, watched):
    matrix, labels, cohort, chance = later(watched)
    found = head.predict(matrix, cohort)
    assert np.corrcoef(found["p_late"], chance)[0, 1] > 0.75
    assert found["p_late"].mean() == pytest.approx(labels["late"].mean(), abs=0.02)
    assert found["money_at_risk"].to_numpy() == pytest.approx((found["p_late"] * cohort["due_amount"]).to_numpy())
    chances = {MODEL: found["p_late"].to_numpy(), **{name: own.chance(matrix) for name, own in head.rhythms.items()}}
    quality, top = judge_watch(cohort, labels["late"].to_numpy(), chances, SCALE, 60, 3)
    slope = quality[(quality["metric"] == "calibration_slope") & (quality["ranking"] == MODEL)].iloc[0]
    assert slope["value"] == pytest.approx(1, abs=0.15)
    assert set(quality["scope"]) == {"all", "book", "amount"}
    assert beaten(top) == []
    assert top.set_index("ranking").loc[MODEL, "share"] > 0.4
    noise = {**chances, MODEL: np.random.default_rng(1).random(len(cohort))}
    assert set(beaten(judge_watch(cohort, labels["late"].to_numpy(), noise, SCALE, 60, 3)[1])) == set(RHYTHMS)


def test_the_order_of_rows_and_what_is_not_known_teach_nothing(head, watched):
    matrix, labels, cohort, _ = watched
    kept = labels.assign(late=labels["late"].where(cohort["as_of"] <= LAST_FIT))
    order = np.random.default_rng(2).permutation(len(cohort))
    own = replace(teaching(), money_columns=("upcoming_charges_sum_30d",), monotone={})
    again = WatchHead.fit(*(frame.iloc[order] for frame in (matrix, kept, cohort)), own)
    assert again.files() == head.files()
    assert again.card() == head.card()


def test_a_model_keeps_its_watch_head_under_its_hash_and_without_one_its_bytes(head, model, watched):
    matrix, _, cohort, _ = later(watched)
    assert "watch" not in model.files()["card.json"].decode()
    both = replace(model, watch=head)
    files = both.files()
    assert LATE_FILE in files
    assert {name: files[name] for name in model.files() if name != "card.json"} == {
        name: content for name, content in model.files().items() if name != "card.json"
    }
    assert both.version != model.version
    back = RecoveryModel.from_files(files)
    assert back.watch.predict(matrix, cohort).equals(head.predict(matrix, cohort))
    assert digest(back.files()) == digest(files)
    assert RecoveryModel.from_files(model.files()).watch is None


def test_reasons_add_up_to_the_raw_score_and_speak_of_the_account(watched, head):
    matrix, _, cohort, _ = later(watched)
    found, base = head.contributions(matrix, cohort)
    raw = head.raw(matrix, cohort)
    np.testing.assert_allclose(found.to_numpy().sum(axis=1) + base, raw, rtol=0, atol=1e-9)
    calibrated = head.late.calibrator.probability(raw, cohort["portfolio"])
    np.testing.assert_array_equal(calibrated, head.predict(matrix, cohort)["p_late"])
    spoken = [entry for entry in WATCH if entry.name in ("open_items", "last_item_days_late")]
    said = reasons(head, matrix, cohort, spoken)
    strained = (matrix["open_items"] >= 5).to_numpy()
    assert said.loc[strained, list(REASON_COLUMNS)].agg(" ".join, axis=1).str.contains("▲ Open invoices").all()
    whole = every_reason(head, matrix.iloc[[7]], cohort.iloc[[7]], spoken)
    assert whole["contribution"].sum() == pytest.approx(raw[7], abs=1e-9)


@pytest.mark.parametrize(("never_late", "sentence"), [(1.0, "Never late so far"), (0.0, ""), (np.nan, "")])
def test_what_is_not_so_is_not_said(never_late, sentence):
    matrix, cohort = pd.DataFrame({"never_late": [never_late]}), pd.DataFrame({"currency": ["EUR"]})
    assert Sentences(matrix, cohort, WATCH, ENGLISH).said("never_late", 0) == sentence


def test_the_head_keeps_how_its_rows_were_spread(watched, head):
    matrix, _, cohort, _ = watched
    early = (cohort["as_of"] <= LAST_FIT).to_numpy()
    numbers = head.encoder.encode(matrix[early], cohort[early])
    score = head.predict(matrix[early], cohort[early])["p_late"].to_numpy()
    moved = WatchHead.from_card(head.card(), head.files()).reference.psi(numbers, head.columns, score)
    assert moved["open_items"] < 0.01
    assert moved[SCORE] < 0.05
    assert head.reference.psi(numbers * 3 + 5, head.columns, score)["open_items"] > 0.25


def test_a_changed_head_is_refused(head, model, tmp_path):
    files = replace(model, watch=head).files()
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    assert read_folder(tmp_path, digest(files)) == files
    (tmp_path / LATE_FILE).write_bytes(files[LATE_FILE] + b"\n")
    with pytest.raises(ModelRefused, match="has sha256"):
        read_folder(tmp_path, digest(files))


def test_a_rhythm_is_a_table_of_rates_and_the_unknown_have_one_of_their_own():
    values = np.array([0.0, 3.0, 7.0, 8.0, 20.0, np.nan, np.nan])
    late = np.array([0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0])
    table = RhythmTable.fit("last_item_days_late", values, late)
    assert table.bands(values).tolist() == [0, 0, 0, 1, 1, 2, 2]
    smoothed = [(events + 20 * 3 / 7) / (rows + 20) for events, rows in ((0, 3), (2, 2), (1, 2))]
    assert table.rates == pytest.approx(smoothed)


def test_a_value_that_many_share_is_a_band_of_its_own():
    values = np.array([0.0] * 90 + [5.0] * 10)
    table = RhythmTable.fit("days_after_due_mean_365d", values, (values > 0).astype(float))
    assert table.edges == (2.5,)
    assert table.rates[:2] == pytest.approx((2 / 110, 12 / 30))
    assert RhythmTable.fit("days_after_due_mean_365d", np.full(5, np.nan), np.zeros(5)).edges == ()


def test_a_head_fits_only_the_terms_that_its_labels_were_made_by(head):
    terms = WatchTerms(days_ahead=30)
    taught = head.taught_for(terms)
    again = WatchHead.from_card(taught.card(), taught.files())
    assert again.fits(terms)
    assert not again.fits(replace(terms, days_ahead=90))
    assert not again.fits(replace(terms, late_days={"consumer": 3, "commercial": 15}))
    assert not head.fits(terms)  # it does not say
