"""Three heads against a known truth: level, money, order of columns and rows, what is refused, and the folder they live in."""

from __future__ import annotations

import json
import math
import threading
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from scipy.optimize import minimize
from sklearn.isotonic import IsotonicRegression

from features.errors import ContractError, InputMissing, ModelRefused, UsageError
from features.tables import NO_DAY
from models.amount import LOG, MEAN_SHARE, AmountHead
from models.baseline import DPD_NAMES, AgeBandTable, Scorecard, arrears_bucket, placement_band, plain_orders
from models.boosting import booster_of, exact_contributions, raw_scores, row_weights, side_by_side
from models.calibration import KINDS, MIN_SLOPE, Calibrator, bounded_logit, choose_map, expit, fit_map, log_loss, with_recent_levels
from models.drift import Reference, psi
from models.encoding import Encoder
from models.folder import digest_of, write_folder
from models.lesson import Lesson
from models.money import MoneyScale
from models.recovery import RecoveryModel, load_model
from models.split import debtor_folds
from tests.worlds.panels import FIRST_NIGHT, SCALE, SETTINGS, made_panel, teaching

LAST_FIT, FIRST_TEST = FIRST_NIGHT + 390, FIRST_NIGHT + 450


@pytest.fixture(scope="module")
def panel():
    return made_panel(800)


@pytest.fixture(scope="module")
def model(panel):
    return RecoveryModel.fit(panel.matrix, taught(panel), panel.cohort, teaching())


@pytest.fixture(scope="module")
def later(panel):
    """Matrix, labels, cohort, truth of nights after the fit window."""
    rows = (panel.cohort["as_of"] >= FIRST_TEST).to_numpy()
    return tuple(frame[rows].reset_index(drop=True) for frame in (panel.matrix, panel.labels, panel.cohort, panel.truth))


def taught(panel) -> pd.DataFrame:
    labels = panel.labels.copy()
    labels[(panel.cohort["as_of"] > LAST_FIT).to_numpy()] = np.nan
    return labels


# Level and money against the truth


def test_probability_and_money_are_right_on_later_nights(model, later):
    matrix, labels, cohort, truth = later
    scores = model.predict(matrix, cohort)
    unit = SCALE.per_minor(cohort["currency"])
    assert abs(scores["p_recovered"].mean() / truth["p_recovered"].mean() - 1) < 0.08
    assert np.abs(scores["p_recovered"] - truth["p_recovered"]).mean() < 0.06
    predicted, expected = (scores["expected_recovery"] * unit).sum(), (truth["expected"] * unit).sum()
    assert abs(predicted / expected - 1) < 0.1
    for book in ("book_eu", "book_jp"):
        rows = (cohort["portfolio"] == book).to_numpy()
        assert abs((scores["expected_recovery"] * unit)[rows].sum() / (truth["expected"] * unit)[rows].sum() - 1) < 0.2
    below = (cohort["days_past_due"] < 90).to_numpy()
    assert abs(scores["p_defaulted"][below].mean() / truth["p_defaulted"][below].mean() - 1) < 0.15


def test_the_list_reaches_nearly_the_best_possible_money(model, later):
    matrix, labels, cohort, truth = later
    unit = SCALE.per_minor(cohort["currency"])
    expected, best = model.predict(matrix, cohort)["expected_recovery"] * unit, truth["expected"] * unit
    listed = int(len(cohort) * 0.1)
    assert best[np.argsort(-expected)[:listed]].sum() > 0.93 * best[np.argsort(-best)[:listed]].sum()


def test_expected_recovery_is_the_product_and_at_most_the_balance(model, later):
    matrix, _, cohort, _ = later
    scores = model.predict(matrix, cohort)
    assert_array_equal(scores["expected_recovery"], scores["p_recovered"] * scores["amount_if_recovered"])
    assert scores["p_recovered"].between(0, 1, inclusive="neither").all()
    assert (scores["amount_if_recovered"] <= cohort["balance"]).all() and (scores["amount_if_recovered"] > 0).all()


def test_p_defaulted_is_missing_exactly_where_an_account_is_in_default(model, later):
    matrix, _, cohort, _ = later
    assert_array_equal(model.predict(matrix, cohort)["p_defaulted"].isna(), cohort["days_past_due"] >= 90)


def test_the_interval_of_the_amount_covers_what_it_says(model, later):
    matrix, labels, cohort, _ = later
    band, won = model.amount_interval(matrix, cohort), (labels["recovered"] == 1).to_numpy()
    inside = band["amount_low"].le(labels["recovered_amount"]) & band["amount_high"].ge(labels["recovered_amount"])
    assert 0.72 < inside[won].mean() < 0.9


def test_money_in_another_currency_scores_alike(model, later):
    """The same account owing the same value in yen and in euro: amounts follow the rate, not the minor units."""
    matrix, _, cohort, _ = later
    euro = (cohort["currency"] == "EUR").to_numpy()
    matrix, cohort = matrix[euro].head(50).copy(), cohort[euro].head(50).copy()
    numbers = model.encoder.encode(matrix, cohort)
    yen, factor = cohort.assign(currency="JPY"), 0.01 / 0.0061
    moved = matrix.assign(balance=matrix["balance"] * factor, arrears=matrix["arrears"] * factor)
    np.testing.assert_allclose(model.encoder.encode(moved, yen), numbers, rtol=1e-12)


# Same inputs, same bits


def test_permuted_columns_score_bit_equal(model, later):
    matrix, _, cohort, _ = later
    assert_frame_equal(model.predict(matrix[matrix.columns[::-1]], cohort), model.predict(matrix, cohort), check_exact=True)


def test_the_booster_alone_would_not_notice_permuted_columns(model, later):
    matrix, _, cohort, _ = later
    numbers = model.encoder.encode(matrix, cohort)
    turned = model.recovered.booster.predict(numbers[:, ::-1], raw_score=True)
    assert np.abs(turned - model.recovered.booster.predict(numbers, raw_score=True)).max() > 0.5


def test_the_order_of_rows_changes_neither_fit_nor_scores(panel, model, later):
    turned = [frame[::-1].reset_index(drop=True) for frame in (panel.matrix, taught(panel), panel.cohort)]
    assert RecoveryModel.fit(*turned, teaching()).files() == model.files()
    matrix, _, cohort, _ = later
    alone = model.predict(matrix[:7], cohort[:7])
    assert_frame_equal(alone, model.predict(matrix, cohort)[:7], check_exact=True)


def test_another_seed_gives_another_model(panel, model):
    assert RecoveryModel.fit(panel.matrix, taught(panel), panel.cohort, teaching(seed=6)).version != model.version


def test_a_model_survives_its_folder_bit_for_bit(model, later, tmp_path):
    matrix, _, cohort, _ = later
    sha256 = model.save(tmp_path / "model")
    again = load_model(tmp_path / "model", sha256)
    assert_frame_equal(again.predict(matrix, cohort), model.predict(matrix, cohort), check_exact=True)
    assert again.files() == model.files() and again.version == model.version == f"recovery-{sha256[:12]}"
    assert model.save(tmp_path / "model") == sha256  # again: nothing to do
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["amount.txt", "card.json", "defaulted.txt", "model.txt"]


def test_scores_of_no_rows_are_no_rows(model, later):
    matrix, _, cohort, _ = later
    assert len(model.predict(matrix[:0], cohort[:0])) == 0


# What is refused at scoring


def test_a_missing_column_is_refused_by_name(model, later):
    matrix, _, cohort, _ = later
    with pytest.raises(ContractError, match="lacks 'payments_count_30d'"):
        model.predict(matrix.drop(columns="payments_count_30d"), cohort)


def test_a_renamed_column_is_refused_with_the_nearest(model, later):
    matrix, _, cohort, _ = later
    with pytest.raises(ContractError, match=r"lacks 'payments_count_30d' \(nearest: 'payments_count_31d'\)"):
        model.predict(matrix.rename(columns={"payments_count_30d": "payments_count_31d"}), cohort)


def test_an_unknown_or_repeated_column_is_refused(model, later):
    matrix, _, cohort, _ = later
    with pytest.raises(ContractError, match="unknown 'surprise'"):
        model.predict(matrix.assign(surprise=1.0), cohort)
    with pytest.raises(ContractError, match="'noise' more than once"):
        model.predict(pd.concat([matrix, matrix[["noise"]]], axis=1), cohort)


@pytest.mark.parametrize(("name", "values"), [("noise", "int64"), ("noise", "float32"), ("noise", "str"), ("method_last", "float64")])
def test_a_column_of_another_type_is_refused(model, later, name, values):
    matrix, _, cohort, _ = later
    column = matrix[name].cat.codes if name == "method_last" else matrix[name]
    with pytest.raises(ContractError, match=f"another type than the model was taught on: '{name}'"):
        model.predict(matrix.assign(**{name: column.astype(values)}), cohort)


def test_a_currency_without_a_rate_is_refused(model, later):
    matrix, _, cohort, _ = later
    with pytest.raises(ContractError, match="KWD have no rate to EUR in this model"):
        model.predict(matrix, cohort.assign(currency="KWD"))


def test_an_unseen_class_reads_as_missing_and_is_counted(model, later):
    matrix, _, cohort, _ = later
    strange = matrix.assign(method_last=pd.Categorical(["cheque"] * len(matrix)))
    absent = matrix.assign(method_last=pd.Categorical([None] * len(matrix), categories=["cash"]))
    assert_frame_equal(model.predict(strange, cohort), model.predict(absent, cohort), check_exact=True)
    assert model.encoder.unseen(strange) == {"method_last": len(matrix)}
    assert model.encoder.unseen(matrix) == {}


def test_a_column_never_missing_before_reads_its_median_and_not_zero(model, later):
    matrix, _, cohort, _ = later
    absent = model.encoder.encode(matrix.assign(days_past_due=np.nan), cohort)
    place = model.encoder.names.index("days_past_due")
    assert (absent[:, place] == model.encoder.fills["days_past_due"]).all() and model.encoder.fills["days_past_due"] > 5
    assert "payments_days_since_last" not in model.encoder.fills


def test_text_and_category_columns_are_the_same(model, later):
    matrix, _, cohort, _ = later
    text = matrix.assign(method_last=matrix["method_last"].astype("str").where(matrix["method_last"].notna()))
    assert_frame_equal(model.predict(text, cohort), model.predict(matrix, cohort), check_exact=True)


# What a fit needs


def test_audit_columns_can_never_be_features(panel):
    with pytest.raises(UsageError, match="audit_age are for audits only"):
        RecoveryModel.fit(panel.matrix.assign(audit_age=1.0), taught(panel), panel.cohort, teaching())


@pytest.mark.parametrize(("outcome", "seen"), [(0.0, "one outcome only"), (1.0, "one outcome only"), (np.nan, "no mature label")])
def test_one_outcome_only_cannot_be_taught(panel, outcome, seen):
    labels = panel.labels.assign(recovered=outcome)
    with pytest.raises(InputMissing, match=seen):
        RecoveryModel.fit(panel.matrix, labels, panel.cohort, teaching())


def test_a_book_without_defaults_has_no_default_head(tmp_path):
    panel = made_panel(400, defaults=False)
    model = RecoveryModel.fit(panel.matrix, panel.labels, panel.cohort, teaching())
    assert model.defaulted is None and model.predict(panel.matrix, panel.cohort)["p_defaulted"].isna().all()
    sha256 = model.save(tmp_path / "model")
    assert not (tmp_path / "model" / "defaulted.txt").exists()
    assert load_model(tmp_path / "model", sha256).defaulted is None


def test_a_refit_keeps_the_numbers_of_trees(panel, model):
    refit = RecoveryModel.fit(panel.matrix, panel.labels, panel.cohort, teaching(), like=model)
    assert refit.recovered.trees == model.recovered.trees == refit.recovered.booster.num_trees()
    assert refit.amount.kind == model.amount.kind and refit.version != model.version


def test_monotone_directions_hold(model, later):
    matrix, _, cohort, _ = later
    for name, sign in (("payments_count_30d", 1), ("days_past_due", -1)):
        steps = [model.raw(matrix.assign(**{name: float(value)}), cohort) for value in (0, 1, 5, 30, 90, 300)]
        for lower, upper in zip(steps[:-1], steps[1:], strict=True):
            assert (sign * (upper - lower) >= -1e-12).all()


def test_several_seeds_are_their_mean_in_one_booster(panel):
    settings = teaching().settings
    lesson = Lesson.of(panel.matrix, taught(panel), panel.cohort, teaching())
    rows, target = lesson.known, np.where(lesson.known, lesson.recovered, 0.0)

    def grown(seed, **more):
        return lesson.window.with_settings({**settings, **more}, seed).grow({"objective": "binary"}, target, rows, 20)

    alone = [raw_scores(grown(seed), lesson.window.numbers) for seed in (5, 6, 7)]
    one = grown(5, seeds=3)
    mean = raw_scores(one, lesson.window.numbers)
    assert one.num_trees() == 60 and np.abs(alone[0] - alone[1]).max() > 0.01
    assert_allclose(mean, np.mean(alone, axis=0), atol=1e-12)
    assert_allclose(exact_contributions(one, lesson.window.numbers[:50]).sum(axis=1), mean[:50], atol=1e-9)
    assert_array_equal(raw_scores(booster_of(one.model_to_string()), lesson.window.numbers), mean)


def test_the_number_of_cores_changes_no_byte(panel, model, monkeypatch):
    cores = []
    monkeypatch.setattr("os.sched_getaffinity", lambda _: cores.append(1) or {0})
    assert RecoveryModel.fit(panel.matrix, taught(panel), panel.cohort, teaching()).files() == model.files() and cores
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2, 3})
    assert RecoveryModel.fit(panel.matrix, taught(panel), panel.cohort, teaching()).files() == model.files()


def test_what_fails_side_by_side_is_raised():
    assert side_by_side(lambda: 1, lambda: 2, lambda: 3) == [1, 2, 3]
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        side_by_side(lambda: 1, lambda: 1 / 0)


def test_an_interrupt_drops_what_waits_and_stops_what_grows(panel, monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    window, grown, ended = Lesson.of(panel.matrix, taught(panel), panel.cohort, teaching()).window, [], threading.Event()
    rows = np.ones(len(window.numbers), bool)

    def grow():
        try:
            grown.append(window.grow({"objective": "binary"}, np.arange(len(rows)) % 2.0, rows, 5_000))
        except RuntimeError:
            ended.set()
            raise

    def interrupt():
        time.sleep(0.2)
        raise KeyboardInterrupt("by the user")

    with pytest.raises(KeyboardInterrupt, match="by the user"):
        side_by_side(interrupt, grow, grow, grow)
    assert ended.wait(30) and not grown


def test_calls_inside_calls_share_the_threads(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(16)))
    most, running = [], []

    def leaf():
        running.append(1)
        time.sleep(0.01)
        most.append(len(running))
        running.pop()

    def inner():
        side_by_side(*[leaf] * 8)

    side_by_side(*[lambda: side_by_side(*[inner] * 4)] * 8)
    assert 1 < max(most) <= 8


def test_a_lesson_without_columns_is_the_lesson_of_the_others(panel):
    whole = Lesson.of(panel.matrix, taught(panel), panel.cohort, teaching())
    fewer = whole.without(["noise", "arrears"], teaching())
    fresh = Lesson.of(panel.matrix.drop(columns=["noise", "arrears"]), taught(panel), panel.cohort, teaching())
    assert fewer.encoder == fresh.encoder
    assert_array_equal(fewer.window.numbers, fresh.window.numbers)


def test_a_column_of_the_calendar_is_taught_only_from_nights_that_show_its_values(panel, monkeypatch):
    night = panel.cohort["as_of"].to_numpy() // 30
    labels = taught(panel)
    labels["recovered"] = labels["recovered"].where(labels["recovered"].isna(), night % 2)  # the calendar tells all
    few = panel.matrix.assign(days_to_month_end=27.0 + night % 2, weekday=1.0 * (night % 4))

    def fitted():
        model = RecoveryModel.fit(few, labels, panel.cohort, teaching())
        return model, dict(zip(model.encoder.names, model.recovered.booster.feature_importance(), strict=True))

    model, used = fitted()
    assert model.facts["withheld"] == {"days_to_month_end": 2} and used["days_to_month_end"] == 0 and used["weekday"] > 0
    assert_frame_equal(model.predict(few.assign(days_to_month_end=3.0), panel.cohort), model.predict(few, panel.cohort), check_exact=True)
    often = few.assign(weekday=1.0 * (night % 7))  # all seven, some of them on two nights only
    withheld = RecoveryModel.fit(often, labels, panel.cohort, teaching()).facts["withheld"]
    assert withheld == {"days_to_month_end": 2, "weekday": 7}
    monkeypatch.setattr("models.lesson.CALENDAR", {})
    assert fitted()[1]["days_to_month_end"] > 0


def test_sampling_and_recency_weigh_rows():
    cohort = pd.DataFrame({"as_of": [0, 100], "weight": [3.0, 1.0]})
    assert_array_equal(row_weights(cohort, None), [1.5, 0.5])
    assert_array_equal(row_weights(cohort[["as_of"]], 100.0), [2 / 3, 4 / 3])


# The folder


@pytest.fixture
def folder(model, tmp_path):
    return tmp_path / "model", model.save(tmp_path / "model")


@pytest.mark.parametrize("name", ["model.txt", "amount.txt", "defaulted.txt", "card.json"])
def test_a_changed_byte_is_refused_before_parsing(folder, name):
    place, sha256 = folder
    content = bytearray((place / name).read_bytes())
    content[len(content) // 2] ^= 1
    (place / name).write_bytes(content)
    with pytest.raises(ModelRefused, match=f"sha256 .*approved was {sha256[:12]}"):
        load_model(place, sha256)


def test_a_folder_with_a_file_too_many_or_too_few_is_refused(folder):
    place, sha256 = folder
    (place / "defaulted.txt").rename(place.parent / "away")
    with pytest.raises(ModelRefused, match="approved was"):
        load_model(place, sha256)
    (place / "evil.pkl").write_bytes(b"")
    with pytest.raises(ModelRefused, match="no part of a model: 1"):
        load_model(place, sha256)
    (place / "evil.pkl").unlink()
    (place / "card.json").unlink()
    with pytest.raises(ModelRefused, match="has no card.json"):
        load_model(place, sha256)


def test_links_and_missing_folders_are_refused(folder):
    place, sha256 = folder
    (place / "model.txt").rename(place.parent / "elsewhere")
    (place / "model.txt").symlink_to(place.parent / "elsewhere")
    with pytest.raises(ModelRefused, match="model.txt must be a plain file"):
        load_model(place, sha256)
    with pytest.raises(ModelRefused, match="is missing"):
        load_model(place.parent / "nowhere", sha256)


def test_the_same_name_with_other_content_is_refused(tmp_path):
    write_folder(tmp_path / "model", {"card.json": b"{}"})
    with pytest.raises(ModelRefused, match="holds other files than its name says"):
        write_folder(tmp_path / "model", {"card.json": b"[]"})
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_the_card_is_plain_and_stable(model):
    card = json.loads(model.files()["card.json"])
    assert card["encoder"]["names"] == list(model.columns) and card["kind"] == "recovery"
    assert "NaN" not in model.files()["card.json"].decode()


# Calibration


def skewed(rows: int = 4_000, seed: int = 3):
    draw = np.random.default_rng(seed)
    raw = draw.normal(-1.5, 1.2, rows)
    outcome = (draw.random(rows) < expit(0.4 + 0.6 * raw)).astype(float)
    return raw, outcome, np.ones(rows), debtor_folds([f"d{number}" for number in range(rows)], 3, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_every_map_is_strictly_increasing_and_honest(kind):
    raw, outcome, weight, _ = skewed()
    found = fit_map(kind, raw, outcome, weight)
    grid = np.linspace(-60, 60, 4_001)
    assert (np.diff(found.logit(grid)) > 0).all() and min(found.slopes) >= MIN_SLOPE
    assert abs(found.probability(raw).mean() - outcome.mean()) < 1e-3
    assert abs(found.probability(np.array([-1.0]))[0] - expit(np.array([-0.2]))[0]) < 0.04


def test_distinct_scores_stay_distinct_where_isotonic_loses_most(model, later):
    matrix, labels, cohort, _ = later
    raw = model.raw(matrix, cohort)
    for book in ("book_eu", "book_jp"):
        rows = (cohort["portfolio"] == book).to_numpy()
        score = model.predict(matrix, cohort)["p_recovered"].to_numpy()[rows]
        assert_array_equal(np.argsort(raw[rows], kind="stable"), np.argsort(score, kind="stable"))
        assert len(np.unique(score)) == len(np.unique(raw[rows]))
    isotonic = IsotonicRegression().fit(raw, labels["recovered"]).predict(raw)
    assert len(np.unique(isotonic)) < 0.2 * len(np.unique(raw))


def test_the_simplest_map_wins_unless_another_is_worth_it():
    raw, outcome, weight, folds = skewed()
    assert choose_map(raw, outcome, weight, folds).kind == "sigmoid"
    draw = np.random.default_rng(1)
    raw = draw.normal(0, 2.5, 12_000)
    bent = np.where(raw < 0, 0.1 * raw - 1, 2.0 * raw - 1)  # two straight pieces: no sigmoid fits
    outcome = (draw.random(len(raw)) < expit(bent)).astype(float)
    folds = np.arange(len(raw)) % 3
    chosen = choose_map(raw, outcome, np.ones(len(raw)), folds)
    assert chosen.kind != "sigmoid"
    assert log_loss(chosen.logit(raw), outcome, np.ones(len(raw))) < log_loss(
        fit_map("sigmoid", raw, outcome, np.ones(len(raw))).logit(raw), outcome, np.ones(len(raw))
    )


def test_newest_nights_move_a_portfolio_and_few_debtors_hardly():
    rows = 3_000
    raw, draw = np.full(rows, -1.0), np.random.default_rng(5)
    outcome = (draw.random(rows) < expit(np.full(rows, -0.5))).astype(float)
    plain = Calibrator("sigmoid", (), 0.0, (1.0,))
    cohort = pd.DataFrame({"as_of": 1_000, "portfolio": "one", "debtor_id": [f"d{row}" for row in range(rows)]})
    shift = with_recent_levels(plain, raw, outcome, np.ones(rows), cohort, 1_000).intercepts["one"]
    assert abs(shift - 0.5) < 0.12
    few = with_recent_levels(plain, raw, outcome, np.ones(rows), cohort.assign(debtor_id="d"), 1_000).intercepts["one"]
    assert 0 < few < 0.1  # one debtor three thousand times is one debtor
    assert with_recent_levels(plain, raw, outcome, np.ones(rows), cohort.assign(as_of=500), 1_000).intercepts == {}


def test_the_logistic_fit_is_the_optimum():
    """Against a general optimiser on the same penalised loss."""
    draw = np.random.default_rng(2)
    columns = draw.normal(size=(3, 800))
    outcome = (draw.random(800) < expit(0.3 + columns[0] - 0.5 * columns[1])).astype(float)
    weight = draw.random(800) + 0.5

    def loss(theta):
        level = theta[0] + theta[1:] @ columns
        return ((np.logaddexp(0, level) - outcome * level) * weight).sum() + 0.5 * 2.0 * (theta[1:] ** 2).sum()

    for least in (-np.inf, 0.05):
        intercept, slopes = bounded_logit(columns, outcome, weight, usual=np.zeros(3), pull=2.0, least=least)
        bounds = [(None, None)] + [(None if least == -np.inf else least, None)] * 3
        oracle = minimize(loss, np.zeros(4) + 0.1, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-14, "gtol": 1e-10}).x
        np.testing.assert_allclose([intercept, *slopes], oracle, atol=2e-4)
    assert slopes[1] == 0.05  # its own answer is negative: held at the bound


# Classes, money, drift


def test_a_common_class_has_one_rate_and_a_rare_one_never_its_own_outcome():
    rows = 2_000
    debtors = [f"d{row}" for row in range(rows)]
    names = ["big"] * (rows - 30) + ["rare"] * 30
    outcome = np.array([0.0] * (rows - 30) + [1.0] * 30)
    outcome[: rows // 4] = 1.0
    cohort = pd.DataFrame({"debtor_id": debtors, "currency": "EUR"})
    matrix = pd.DataFrame({"word": pd.Categorical(names)})
    encoder, numbers = Encoder.learn(matrix, cohort, outcome, (), SCALE, seed=1)
    assert len(np.unique(numbers[: rows - 30])) == 1  # five values would tell the fold
    flipped = outcome.copy()
    flipped[-1] = 0.0
    _, other = Encoder.learn(matrix, cohort, flipped, (), SCALE, seed=1)
    assert numbers[-1, 0] == pytest.approx(other[-1, 0], abs=0.01)  # hardly: only through the overall rate
    assert encoder.rates["word"]["rare"] > encoder.rates["word"]["big"]


def test_rates_are_asked_for_when_currencies_differ():
    with pytest.raises(ContractError, match="CHF, USD have no rate to EUR"):
        MoneyScale.resolve(["EUR", "USD", "CHF"], {}, {"EUR": 2, "USD": 2, "CHF": 2}, "EUR")
    alone = MoneyScale.resolve(["NGN"], {}, {"NGN": 2}, "EUR")
    assert alone.reporting == "NGN" and alone.per_minor(pd.Series(["NGN"]))[0] == 0.01
    both = MoneyScale.resolve(["EUR", "JPY"], {"JPY": 0.0061}, {"EUR": 2, "JPY": 0, "USD": 2}, "EUR")
    assert_array_equal(both.per_minor(pd.Series(["JPY", "EUR"])), [0.0061, 0.01])


def test_psi_is_the_textbook_sum():
    assert psi(np.array([0.5, 0.5]), np.array([0.25, 0.75])) == pytest.approx(0.25 * math.log(2) + 0.25 * math.log(1.5))
    assert psi(np.array([0.3, 0.7]), np.array([0.3, 0.7])) == 0


def test_drift_sees_a_shift_and_missing_values():
    draw = np.random.default_rng(1)
    numbers = np.stack([draw.normal(size=5_000), draw.normal(size=5_000), np.zeros(5_000)], axis=1)
    score = expit(numbers[:, 0])
    reference = Reference.from_card(Reference.learn(numbers, ("still", "moved", "flat"), score).card())
    later = np.stack([draw.normal(size=3_000), draw.normal(0.8, 1, 3_000), np.full(3_000, np.nan)], axis=1)
    found = reference.psi(later, ("still", "moved", "flat"), expit(later[:, 0]))
    assert found["still"] < 0.02 < 0.25 < found["moved"] and found["flat"] > 5 and found["p_recovered"] < 0.02
    assert set(reference.psi(later[:0], ("still", "moved", "flat"), score[:0]).values()) == {0.0}


# Amount


def test_mean_share_adds_up_to_the_money(panel):
    model = RecoveryModel.fit(panel.matrix, taught(panel), panel.cohort, teaching())
    head = replace(model.amount, kind=MEAN_SHARE, factor=1.0)
    rows = (panel.cohort["as_of"] <= LAST_FIT).to_numpy() & (panel.labels["recovered"] == 1).to_numpy()
    share = head.share(np.zeros((int(rows.sum()), 0)), panel.cohort["portfolio"][rows])
    unit = SCALE.per_minor(panel.cohort["currency"])[rows]
    predicted = (share * panel.cohort["balance"][rows] * unit).sum()
    assert predicted / (panel.labels["recovered_amount"][rows] * unit).sum() == pytest.approx(1, abs=0.02)


def test_an_unnamed_portfolio_reads_the_overall_share():
    head = AmountHead(MEAN_SHARE, {"": 0.4, "known": 0.9}, None)
    assert head.share(np.zeros((2, 0)), pd.Series(["known", "other"])).tolist() == [0.9, 0.4]


def test_every_way_of_the_amount_is_tried_and_reported(model):
    assert set(model.amount_choice["trial"]) == {MEAN_SHARE, "gamma", "tweedie", LOG}
    assert all(0 < entry["captured"] <= 1 for entry in model.amount_choice["trial"].values())


# Without a booster


def test_age_bands_at_their_edges():
    assert [DPD_NAMES[place] for place in arrears_bucket(np.array([0, 1, 30, 31, 60, 61, 90, 91, 180, 181, 365, 366]))] == [
        "0", "1-30", "1-30", "31-60", "31-60", "61-90", "61-90", "91-180", "91-180", "181-365", "181-365", "366+",
    ]  # fmt: skip
    cohort = pd.DataFrame({"as_of": [100] * 4, "placed_on": [NO_DAY, 100, 93, 92]})
    assert placement_band(cohort).tolist() == [0, 1, 1, 2]


def test_the_age_band_table_finds_the_rates_of_large_cells_and_leans_in_small_ones(panel):
    table = AgeBandTable.fit(panel.labels, panel.cohort, SCALE, default_dpd=90, horizon_days=30)
    scores = table.predict(panel.matrix, panel.cohort)
    held = pd.DataFrame({"book": panel.cohort["portfolio"], "bucket": arrears_bucket(panel.cohort["days_past_due"])})
    held["rate"], held["p"] = panel.labels["recovered"], scores["p_recovered"]
    for _, rows in held.groupby(["book", "bucket"]):
        if len(rows) > 1_000:
            assert rows["p"].mean() == pytest.approx(rows["rate"].mean(), abs=0.02)
    lonely = AgeBandTable.fit(panel.labels[:1], panel.cohort[:1], SCALE, default_dpd=90, horizon_days=30)
    assert lonely.predict(panel.matrix, panel.cohort)["p_recovered"].between(0, 1).all()


def test_the_age_band_table_is_named_and_survives_its_folder(panel, tmp_path):
    table = AgeBandTable.fit(panel.labels, panel.cohort, SCALE, default_dpd=90, horizon_days=30)
    sha256 = table.save(tmp_path / "table")
    again = load_model(tmp_path / "table", sha256)
    assert table.version == again.version == f"age-band-{sha256[:8]}"
    assert_frame_equal(again.predict(panel.matrix, panel.cohort), table.predict(panel.matrix, panel.cohort), check_exact=True)
    assert list((tmp_path / "table").iterdir()) == [tmp_path / "table" / "card.json"]
    other = panel.cohort.assign(portfolio="new_book")
    assert table.predict(panel.matrix, other)["p_recovered"].notna().all()


def test_without_any_label_a_documented_prior_scores(panel):
    table = AgeBandTable.prior(default_dpd=90, horizon_days=30)
    scores = table.predict(panel.matrix, panel.cohort)
    assert table.version == "age-band-prior" and scores["p_defaulted"].isna().all()
    fresh, old = (scores["p_recovered"][(panel.cohort["days_past_due"] == late).to_numpy()].mean() for late in (20, 200))
    assert fresh > old > 0
    assert digest_of_saved(table) == digest_of_saved(AgeBandTable.prior(default_dpd=90, horizon_days=30))


def digest_of_saved(table: AgeBandTable) -> bytes:
    return table.files()["card.json"]


def test_contributions_of_the_table_add_up(panel):
    table = AgeBandTable.fit(panel.labels, panel.cohort, SCALE, default_dpd=90, horizon_days=30)
    found, base = table.contributions(panel.matrix, panel.cohort)
    np.testing.assert_allclose(found.sum(axis=1) + base, table.raw(panel.matrix, panel.cohort), atol=1e-12)


def test_plain_orders_put_first_what_their_names_say():
    cohort = pd.DataFrame(
        {
            "balance": [10, 30, 20],
            "days_past_due": [5, 1, 9],
            "placed_on": [100, NO_DAY, 120],
            "opened_on": [50, 60, 70],
            "as_of": [130] * 3,
        }
    )
    orders = plain_orders(cohort, np.ones(3))
    assert {name: int(np.argmax(order)) for name, order in orders.items()} == {
        "balance first": 1, "oldest first": 2, "newest placement first": 2,
    }  # fmt: skip
    assert np.argmin(orders["newest placement first"]) == 1  # never placed comes last


def test_the_scorecard_ranks_and_takes_missing_values(panel, model):
    numbers = model.encoder.encode(panel.matrix, panel.cohort)
    outcome = panel.labels["recovered"].to_numpy()
    card = Scorecard.fit(numbers, model.encoder.names, outcome, np.ones(len(outcome)))
    chance = card.probability(numbers, model.encoder.names)
    assert np.isfinite(chance).all() and abs(chance.mean() - outcome.mean()) < 0.01
    assert chance[outcome == 1].mean() > chance[outcome == 0].mean() + 0.05


@given(st.floats(-700, 700))
def test_expit_never_overflows(level):
    chance = expit(np.array([level]))[0]
    assert 0 <= chance <= 1 and chance + expit(np.array([-level]))[0] == pytest.approx(1)


def test_settings_of_lightgbm_pass_through(panel):
    stumps = RecoveryModel.fit(panel.matrix, taught(panel), panel.cohort, teaching(settings={**SETTINGS, "num_leaves": 2}))
    assert stumps.recovered.booster.trees_to_dataframe().groupby("tree_index")["node_depth"].max().max() == 2


def test_class_weights_are_put_right_by_our_maps(panel, later):
    """The classic way to ruin the level: every recovery counted twelve times."""
    weighted = RecoveryModel.fit(panel.matrix, taught(panel), panel.cohort, teaching(settings={**SETTINGS, "scale_pos_weight": 12.0}))
    matrix, labels, cohort, _ = later
    assert weighted.predict(matrix, cohort)["p_recovered"].mean() == pytest.approx(labels["recovered"].mean(), rel=0.12)
    assert expit(weighted.raw(matrix, cohort)).mean() > 1.2 * labels["recovered"].mean()


def test_digest_knows_the_names(tmp_path):
    one = write_folder(tmp_path / "one", {"card.json": b"{}", "model.txt": b"x", "amount.txt": b"y"})
    other = write_folder(tmp_path / "other", {"card.json": b"{}", "model.txt": b"y", "amount.txt": b"x"})
    assert one != other and digest_of(tmp_path / "one") == one


def test_the_fast_contributions_are_the_exact_ones(panel, model):
    """Against LightGBM's own, on every row of the panel, missing values among them."""
    exact, base = model.contributions(panel.matrix, panel.cohort)
    fast, same_base = model.contributions(panel.matrix, panel.cohort, many=True)
    assert np.abs(fast.to_numpy() - exact.to_numpy()).max() < 1e-6
    assert_array_equal(base, same_base)
    assert list(fast.columns) == list(exact.columns) and fast.index.equals(exact.index)
