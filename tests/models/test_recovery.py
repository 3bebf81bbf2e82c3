"""Scores against a known truth, the same bits every time, and what is refused: at scoring, at a fit, in the folder."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from pandas.testing import assert_frame_equal

from features.errors import ContractError, InputMissing, ModelRefused, UsageError
from models.lesson import Lesson
from models.recovery import RecoveryModel, load_model
from pipeline.store.files import write_model
from tests.worlds.panels import SCALE, SETTINGS, made_panel, teaching
from tests.worlds.taught import taught

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
    assert (scores["amount_if_recovered"] <= cohort["balance"]).all()
    assert (scores["amount_if_recovered"] > 0).all()


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


def test_r18_permuted_columns_score_bit_equal_and_others_are_refused_by_name(attacks, model, later):
    """By turns permuted, and then one column missing, renamed, too many or of another type, each by its name."""
    matrix, _, cohort, _ = later
    few, people = matrix[:200], cohort[:200]
    scores = model.predict(few, people)
    for number, chance in enumerate(attacks):
        names = list(few.columns)
        chance.shuffle(names)
        name = names[0]
        if number % 2 == 0:
            assert_frame_equal(model.predict(few[names], people), scores, check_exact=True)
            continue
        other = few[name].cat.codes if name == "method_last" else few[name].astype("str")  # text and classes are one
        harmed, said = {
            1: (few[names[1:]], f"lacks '{name}'"),
            3: (few[names].rename(columns={name: f"{name}_x"}), f"lacks '{name}'"),
            5: (few[names].assign(surprise=1.0), "unknown 'surprise'"),
            7: (few[names].assign(**{name: other}), f"taught on: '{name}'"),
        }[number % 8]
        with pytest.raises(ContractError, match=said):
            model.predict(harmed, people)


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
    sha256 = write_model(tmp_path / "model", model.files())
    again = load_model(tmp_path / "model", sha256)
    assert_frame_equal(again.predict(matrix, cohort), model.predict(matrix, cohort), check_exact=True)
    assert again.files() == model.files()
    assert again.version == model.version == f"recovery-{sha256[:12]}"
    assert write_model(tmp_path / "model", model.files()) == sha256  # again: nothing to do
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == [
        "amount.txt",
        "card.json",
        "defaulted.txt",
        "model.txt",
    ]


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


@pytest.mark.parametrize(
    ("name", "values"), [("noise", "int64"), ("noise", "float32"), ("noise", "str"), ("method_last", "float64")]
)
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
    assert (absent[:, place] == model.encoder.fills["days_past_due"]).all()
    assert model.encoder.fills["days_past_due"] > 5
    assert "payments_days_since_last" not in model.encoder.fills


def test_text_and_category_columns_are_the_same(model, later):
    matrix, _, cohort, _ = later
    text = matrix.assign(method_last=matrix["method_last"].astype("str").where(matrix["method_last"].notna()))
    assert_frame_equal(model.predict(text, cohort), model.predict(matrix, cohort), check_exact=True)


# What a fit needs


def test_audit_columns_can_never_be_features(panel):
    with pytest.raises(UsageError, match="audit_age are for audits or for show"):
        RecoveryModel.fit(panel.matrix.assign(audit_age=1.0), taught(panel), panel.cohort, teaching())


@pytest.mark.parametrize(
    ("outcome", "seen"), [(0.0, "one outcome only"), (1.0, "one outcome only"), (np.nan, "no mature label")]
)
def test_one_outcome_only_cannot_be_taught(panel, outcome, seen):
    labels = panel.labels.assign(recovered=outcome)
    with pytest.raises(InputMissing, match=seen):
        RecoveryModel.fit(panel.matrix, labels, panel.cohort, teaching())


def test_a_book_without_defaults_has_no_default_head(tmp_path):
    panel = made_panel(400, defaults=False)
    model = RecoveryModel.fit(panel.matrix, panel.labels, panel.cohort, teaching())
    assert model.defaulted is None
    assert model.predict(panel.matrix, panel.cohort)["p_defaulted"].isna().all()
    sha256 = write_model(tmp_path / "model", model.files())
    assert not (tmp_path / "model" / "defaulted.txt").exists()
    assert load_model(tmp_path / "model", sha256).defaulted is None


def test_a_refit_keeps_the_numbers_of_trees(panel, model):
    refit = RecoveryModel.fit(panel.matrix, panel.labels, panel.cohort, teaching(), like=model)
    assert refit.recovered.trees == model.recovered.trees == refit.recovered.booster.num_trees()
    assert refit.amount.kind == model.amount.kind
    assert refit.version != model.version


def test_monotone_directions_hold(model, later):
    matrix, _, cohort, _ = later
    for name, sign in (("payments_count_30d", 1), ("days_past_due", -1)):
        steps = [model.raw(matrix.assign(**{name: float(value)}), cohort) for value in (0, 1, 5, 30, 90, 300)]
        for lower, upper in zip(steps[:-1], steps[1:], strict=True):
            assert (sign * (upper - lower) >= -1e-12).all()


def test_the_number_of_cores_changes_no_byte(panel, model, monkeypatch):
    cores = []
    monkeypatch.setattr("os.sched_getaffinity", lambda _: cores.append(1) or {0})
    assert RecoveryModel.fit(panel.matrix, taught(panel), panel.cohort, teaching()).files() == model.files()
    assert cores
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2, 3})
    assert RecoveryModel.fit(panel.matrix, taught(panel), panel.cohort, teaching()).files() == model.files()


def test_a_lesson_without_columns_is_the_lesson_of_the_others(panel):
    whole = Lesson.of(panel.matrix, taught(panel), panel.cohort, teaching())
    fewer = whole.without(["noise", "arrears"], teaching())
    fresh = Lesson.of(panel.matrix.drop(columns=["noise", "arrears"]), taught(panel), panel.cohort, teaching())
    assert fewer.encoder == fresh.encoder
    assert_array_equal(fewer.window.numbers, fresh.window.numbers)


@pytest.mark.slow
def test_a_column_of_the_calendar_is_taught_only_from_nights_that_show_its_values(panel, monkeypatch):
    night = panel.cohort["as_of"].to_numpy() // 30
    labels = taught(panel)
    labels["recovered"] = labels["recovered"].where(labels["recovered"].isna(), night % 2)  # the calendar tells all
    few = panel.matrix.assign(days_to_month_end=27.0 + night % 2, weekday=1.0 * (night % 4))

    def fitted():
        model = RecoveryModel.fit(few, labels, panel.cohort, teaching())
        return model, dict(zip(model.encoder.names, model.recovered.booster.feature_importance(), strict=True))

    model, used = fitted()
    assert model.facts["withheld"] == {"days_to_month_end": 2}
    assert used["days_to_month_end"] == 0
    assert used["weekday"] > 0
    assert_frame_equal(
        model.predict(few.assign(days_to_month_end=3.0), panel.cohort),
        model.predict(few, panel.cohort),
        check_exact=True,
    )
    often = few.assign(weekday=1.0 * (night % 7))  # all seven, some of them on two nights only
    withheld = RecoveryModel.fit(often, labels, panel.cohort, teaching()).facts["withheld"]
    assert withheld == {"days_to_month_end": 2, "weekday": 7}
    monkeypatch.setattr("models.lesson.CALENDAR_VALUES", {})
    assert fitted()[1]["days_to_month_end"] > 0


# The folder


@pytest.fixture
def folder(model, tmp_path):
    return tmp_path / "model", write_model(tmp_path / "model", model.files())


@pytest.mark.parametrize("name", ["model.txt", "amount.txt", "defaulted.txt", "card.json"])
def test_a_changed_byte_is_refused_before_parsing(folder, name):
    place, sha256 = folder
    content = bytearray((place / name).read_bytes())
    content[len(content) // 2] ^= 1
    (place / name).write_bytes(content)
    with pytest.raises(ModelRefused, match=f"sha256 .*approved was {sha256[:12]}"):
        load_model(place, sha256)


def test_a_folder_is_parsed_once_and_held_against_its_sha256_every_time(folder):
    place, sha256 = folder
    first = load_model(place, sha256)
    assert load_model(place, sha256) is first
    (place / "card.json").write_bytes((place / "card.json").read_bytes() + b" ")
    with pytest.raises(ModelRefused, match="approved was"):
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


def test_the_card_is_plain_and_stable(model):
    card = json.loads(model.files()["card.json"])
    assert card["encoder"]["names"] == list(model.columns)
    assert card["kind"] == "recovery"
    assert "NaN" not in model.files()["card.json"].decode()


def test_settings_of_lightgbm_pass_through(panel):
    stumps = RecoveryModel.fit(
        panel.matrix, taught(panel), panel.cohort, teaching(settings={**SETTINGS, "num_leaves": 2})
    )
    assert stumps.recovered.booster.trees_to_dataframe().groupby("tree_index")["node_depth"].max().max() == 2
