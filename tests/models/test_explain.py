"""Reasons are exact, true, short, in the debtor's own figures, with their direction; never our own attempts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.catalogue import CATALOGUE
from features.errors import ModelRefused
from features.spec import Debtor
from features.tables import NO_DAY
from models.baseline import AgeBandTable
from models.effect import fit_effect
from models.explain import (
    DOWN,
    EXACT,
    LEAST_STRENGTH,
    REASON_COLUMNS,
    STRENGTH_COLUMNS,
    UP,
    Sentences,
    Spoken,
    Told,
    checked_contributions,
    every_change,
    every_reason,
    kept_reasons,
    of_one_account,
    reasons,
    same_first_reason,
    set_apart,
    told,
    topic,
)
from models.lesson import Lesson
from models.phrases import ADDS_LESS, ADDS_MORE
from models.recovery import RecoveryModel
from pipeline.pages.language import voice
from tests.worlds.panels import COLUMNS, SCALE, SETTINGS, Column, made_panel, teaching
from tests.worlds.worked import worked_panel


@pytest.fixture(scope="module")
def panel():
    return made_panel(400)


@pytest.fixture(scope="module")
def model(panel):
    return RecoveryModel.fit(panel.matrix, panel.labels, panel.cohort, teaching())


@pytest.fixture(scope="module")
def said(panel, model):
    return reasons(model, panel.matrix[:800], panel.cohort[:800], COLUMNS)


class Tilted:
    """A model whose contributions do not add up to its score."""

    kind = "recovery"

    def __init__(self, model, tilt: float):
        self.model, self.tilt = model, tilt

    def raw(self, matrix, cohort):
        return self.model.raw(matrix, cohort)

    def contributions(self, matrix, cohort):
        found, base = self.model.contributions(matrix, cohort)
        base = base.copy()
        base[3] += self.tilt
        return found, base


def test_contributions_add_up_to_the_score_on_every_row(panel, model):
    """What is published: S30 in tests/promises/."""
    found, base = checked_contributions(model, panel.matrix[:800], panel.cohort[:800])
    np.testing.assert_allclose(found.sum(axis=1) + base, model.raw(panel.matrix[:800], panel.cohort[:800]), atol=1e-9)
    assert found["noise"].abs().mean() < found["days_past_due"].abs().mean()


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [1, 2])
def test_shap_s_own_code_finds_the_same_contributions(panel, seeds):
    """By default shap hands the question back to LightGBM; "internal" makes its own compiled code answer,
    which shares none with ours.
    """
    import shap

    settings = {**SETTINGS, "n_estimators": 30, "seeds": seeds}
    model = RecoveryModel.fit(panel.matrix, panel.labels, panel.cohort, teaching(settings=settings))
    rows, people = panel.matrix[:400], panel.cohort[:400]
    judge = shap.TreeExplainer(model.recovered.booster)
    judge.model.model_type = "internal"
    theirs = judge.shap_values(model.encoder.encode(rows, people))
    ours, base = checked_contributions(model, rows, people)
    np.testing.assert_allclose(ours.to_numpy(), theirs, atol=1e-9)
    np.testing.assert_allclose(base, float(judge.expected_value[0]), atol=1e-9)
    fast, _ = checked_contributions(model, rows, people, many=True)
    np.testing.assert_allclose(fast.to_numpy(), theirs, atol=EXACT)
    assert np.abs(theirs).max() > 0.1


@pytest.mark.parametrize("terminal", [True, False])
def test_contributions_that_do_not_add_up_are_refused_and_the_account_named_on_a_terminal(
    panel, model, monkeypatch, terminal
):
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    account = panel.cohort["account_id"][3] if terminal else "named on a terminal only"
    with pytest.raises(ModelRefused, match=rf"reasons of 1 accounts do not add up to their score \({account}\)"):
        reasons(Tilted(model, 1e-5), panel.matrix[:10], panel.cohort[:10], COLUMNS)
    with pytest.raises(ModelRefused, match="reasons of 1 accounts"):
        reasons(Tilted(model, np.nan), panel.matrix[:10], panel.cohort[:10], COLUMNS)
    assert len(reasons(Tilted(model, 1e-8), panel.matrix[:10], panel.cohort[:10], COLUMNS)) == 10


def test_reasons_come_strongest_first_and_say_their_direction(said):
    strengths = said[list(STRENGTH_COLUMNS)].abs().to_numpy()
    for first, second in ((0, 1), (1, 2)):
        both = ~np.isnan(strengths[:, second])
        assert (strengths[both, first] >= strengths[both, second]).all()
    for reason, strength in zip(REASON_COLUMNS, STRENGTH_COLUMNS, strict=True):
        given = said[said[reason] != ""]
        assert (given[reason].str[0] == np.where(given[strength] > 0, UP, DOWN)).all()
        assert (given[strength].abs() >= LEAST_STRENGTH).all()
        assert said[said[reason] == ""][strength].isna().all()
    assert (said["reason_1"] != "").mean() > 0.95


def test_a_group_speaks_once_and_silent_columns_never(panel, model, said):
    words = {
        "payments": ("payments in the last 30 days", "Last payment", "No payment yet", "Last paid by"),
        "promises": ("Kept",),
        "lateness": ("past due",),
    }
    for row in said[list(REASON_COLUMNS)].itertuples(index=False):
        for spoken in words.values():
            assert sum(any(word in reason for word in spoken) for reason in row) <= 1
    everything = " ".join(said[list(REASON_COLUMNS)].to_numpy().ravel())
    assert "contact" not in everything
    assert "noise" not in everything


def test_every_sentence_is_true_of_its_account(panel, said):
    kept = 0
    for place, row in enumerate(said[list(REASON_COLUMNS)].itertuples(index=False)):
        about = panel.matrix.iloc[place]
        for reason in row:
            if "past due" in reason:
                late = int(about["days_past_due"])
                assert reason[2:] == f"{late} day{'s' if late != 1 else ''} past due"
            if "Kept" in reason:
                kept += 1
                assert reason[2:] == (
                    f"Kept {about['promises_kept_365d']:.0f} of "
                    f"{about['promises_made_365d']:.0f} promises in the last year"
                )
                assert about["promises_made_365d"] > 0
            if "No payment yet" in reason:
                assert np.isnan(about["payments_days_since_last"])
            if "owed" in reason:
                yen = panel.cohort["currency"][place] == "JPY"
                assert reason[2:] == (
                    f"{about['balance']:,.0f} JPY owed" if yen else f"{about['balance'] / 100:,.2f} EUR owed"
                )
    assert kept > 20


def test_a_better_value_is_never_given_as_a_worse_direction(panel, model):
    """With a rising constraint, the account with the most kept promises is not pulled down by them."""
    best = panel.matrix["promises_kept_365d"].idxmax()
    told = every_reason(model, panel.matrix.loc[[best]], panel.cohort.loc[[best]], COLUMNS).set_index("feature")
    assert told.loc["promises_kept_365d", "contribution"] > 0


def test_every_reason_of_one_account_adds_up(panel, model):
    told = every_reason(model, panel.matrix[:1], panel.cohort[:1], COLUMNS)
    assert told["contribution"].sum() == pytest.approx(model.raw(panel.matrix[:1], panel.cohort[:1])[0])
    assert told["feature"].iloc[-1] == "(base)"
    assert len(told) == len(model.columns) + 1
    assert told["contribution"].iloc[:-1].abs().is_monotonic_decreasing
    assert told.set_index("feature").loc["contacts_count_30d", "says"] == ""


def test_columns_without_a_declaration_are_no_reason(panel, model):
    silent = reasons(model, panel.matrix[:50], panel.cohort[:50], ())
    assert (silent[list(REASON_COLUMNS)] == "").all().all()


def test_a_figure_that_is_missing_leaves_the_sentence_unsaid(panel, model):
    matrix = panel.matrix[:200].copy()
    matrix["promises_made_365d"] = np.nan
    told = reasons(model, matrix, panel.cohort[:200], COLUMNS)
    assert not told[list(REASON_COLUMNS)].apply(lambda column: column.str.contains("Kept")).any().any()


def test_nothing_of_nothing_is_not_said(panel, model):
    matrix = panel.matrix[:200].assign(promises_made_365d=0.0, promises_kept_365d=0.0)
    told = reasons(model, matrix, panel.cohort[:200], COLUMNS)
    assert not told[list(REASON_COLUMNS)].apply(lambda column: column.str.contains("Kept 0 of 0")).any().any()


def test_text_from_outside_stays_one_short_line(panel, model):
    hostile = "<script>\nalert(1)</script> " + "x" * 500
    matrix = panel.matrix[:300].assign(method_last=pd.Categorical([hostile] * 300))
    spoken = [Column("method_last", "class", says="Paid by {value:text}")]
    told = " ".join(reasons(model, matrix, panel.cohort[:300], spoken)["reason_1"])
    assert "\n" not in told
    assert "x" * 65 not in told


def test_reasons_in_french(panel, model):
    told = reasons(model, panel.matrix[:50], panel.cohort[:50], COLUMNS, voice("fr"))
    spoken = " ".join(told["reason_1"])
    assert "de retard" in spoken
    assert "past due" not in spoken


def test_our_own_attempts_have_no_words_in_the_catalogue():
    for entry in CATALOGUE:
        if (
            entry.name.startswith(("contacts_count", "contacts_days_since_last"))
            and "inbound" not in entry.name
            and "right_party" not in entry.name
        ):
            theirs = (
                entry.says is None or "touch" in entry.says or "Refusals" in entry.says or "Conversations" in entry.says
            )
            assert theirs, entry.name
    assert CATALOGUE["contacts_count_30d"].says is None
    assert CATALOGUE["contacts_days_since_last"].says is None


def test_the_age_band_table_gives_its_own_facts(panel):
    table = AgeBandTable.fit(panel.labels, panel.cohort, SCALE, default_dpd=90, horizon_days=30)
    told = reasons(table, panel.matrix[:300], panel.cohort[:300], COLUMNS)
    for place in range(300):
        late, placed = panel.cohort["days_past_due"][place], panel.cohort["placed_on"][place]
        rate = table.predict(panel.matrix, panel.cohort)["p_recovered"][place] if place < 5 else None
        for reason in told.loc[place, list(REASON_COLUMNS)]:
            if "past due" in reason:
                assert reason[2:].startswith(f"{late} day")
                assert rate is None or f"about {rate:.0%} paid within 30 days" in reason
            if "laced" in reason:
                assert ("Not yet placed" in reason) == (placed == NO_DAY)
    prior = reasons(AgeBandTable.prior(default_dpd=90, horizon_days=30), panel.matrix[:50], panel.cohort[:50], COLUMNS)
    assert not prior["reason_1"].str.contains("%").any()


def test_steadiness_of_reasons_between_two_models(panel, model, said):
    assert same_first_reason(said, said) == 1.0
    turned = said.assign(reason_1=said["reason_1"].where(said.index % 2 == 0, "other"))
    assert same_first_reason(said, turned) == pytest.approx(0.5, abs=0.01)
    swapped = said.rename(columns={"reason_1": "reason_2", "reason_2": "reason_1"})
    assert kept_reasons(said, swapped) == 1.0 > same_first_reason(said, swapped)
    lost = (said["reason_1"] != "")[said.index % 2 == 1].sum() / (said[list(REASON_COLUMNS)] != "").to_numpy().sum()
    assert kept_reasons(said, turned) == pytest.approx(1 - lost)


def test_reasons_of_no_rows_are_no_rows(panel, model):
    told = reasons(model, panel.matrix[:0], panel.cohort[:0], COLUMNS)
    assert list(told.columns) == [*REASON_COLUMNS, *STRENGTH_COLUMNS]
    assert told.empty


def test_the_prior_of_a_table_replaces_nothing_else(panel):
    table = AgeBandTable.fit(panel.labels, panel.cohort, SCALE, default_dpd=90, horizon_days=30)
    assert replace(table, is_prior=True).version == "age-band-prior"


def test_no_topic_is_said_twice_of_one_account_and_of_all():
    entries = {entry.says: entry for entry in CATALOGUE if entry.says}
    alike = [
        ("Last payment {value:days} ago", "Last payment on overdue or placed accounts {value:days} ago"),
        (
            "Worst days past due in the last year: {value:count}",
            "Most days past due today on overdue or placed accounts: {value:count}",
        ),
        ("Placed {value:months} ago", "Newest open placement {value:days} ago"),
        ("Arrears: {value:money}", "Arrears on overdue or placed accounts: {value:money}"),
    ]
    for one, of_all in alike:
        assert topic(entries[one]) == topic(entries[of_all])
    said = [entry.says for entry in CATALOGUE if isinstance(entry, Debtor) and entry.says]
    assert [says for says in said if " all " in says or " any " in says] == []
    assert sum("on overdue or placed accounts" in says for says in said) == 6
    assert topic(entries["Balance: {value:money}"]) != topic(entries["Arrears: {value:money}"])


def sentences(values: dict[str, list[float]], language: str = "en") -> Sentences:
    matrix = pd.DataFrame(values)
    return Sentences(matrix, pd.DataFrame({"currency": ["EUR"] * len(matrix)}), CATALOGUE, voice(language))


def test_of_a_debtor_with_one_account_nothing_is_said_of_several():
    entry = next(entry for entry in CATALOGUE if entry.name == "debtor_days_since_last_payment")
    told = sentences({entry.name: [3.0, 3.0], "debtor_accounts": [1.0, 2.0]})
    told = [told.said(entry.name, row) for row in (0, 1)]
    assert told == ["Last payment 3 days ago", "Last payment on overdue or placed accounts 3 days ago"]
    debtors = (entry for entry in CATALOGUE if entry.family == "debtor" and entry.says)
    assert all(of_one_account(entry.says) in voice("fr").sentences for entry in debtors)


@pytest.mark.parametrize(
    ("name", "value", "accounts", "language", "said"),
    [
        ("debtor_days_past_due_max", 7.0, 1.0, "en", "Days past due today: 7"),
        ("debtor_days_past_due_max", 7.0, 2.0, "en", "Most days past due today on overdue or placed accounts: 7"),
        ("debtor_days_past_due_max", 7.0, 1.0, "fr", "Retard actuel, en jours : 7"),
        (
            "debtor_days_past_due_max",
            7.0,
            2.0,
            "fr",
            "Plus long retard actuel sur les comptes en retard ou placés, en jours : 7",
        ),
        ("debtor_accounts", 1.0, 1.0, "en", ""),
        ("debtor_accounts", 3.0, 3.0, "en", "Overdue or placed accounts of the same debtor: 3"),
        ("debtor_accounts", 3.0, 3.0, "fr", "Comptes échus ou confiés du même débiteur : 3"),
    ],
)
def test_what_is_said_of_a_debtor_s_scorable_accounts_is_true_of_today(name, value, accounts, language, said):
    assert sentences({"debtor_accounts": [accounts], name: [value]}, language).said(name, 0) == said


def test_how_many_accounts_is_another_topic_than_how_late_they_are():
    entries = {entry.name: entry for entry in CATALOGUE}
    assert (
        topic(entries["debtor_accounts"])
        != topic(entries["debtor_days_past_due_max"])
        == topic(entries["days_past_due"])
    )


# What a call changes, beside why the account pays


@pytest.fixture(scope="module")
def with_effect(panel, model):
    lesson = Lesson.of(panel.matrix, panel.labels.assign(defaulted=np.nan), panel.cohort, teaching())
    head = fit_effect(lesson, worked_panel(panel, 1.5).landmarks, teaching())
    return replace(model, effect=head)


def test_both_bars_and_what_they_leave_add_up_to_the_whole(panel, with_effect):
    matrix, cohort = panel.matrix[:300], panel.cohort[:300]
    said, why, sums = set_apart([told(with_effect, matrix, cohort, COLUMNS, with_effect=True)])
    for frame, rest, whole in ((said, "chance_rest", "chance"), (why, "effect_rest", "effect")):
        shown = frame[list(STRENGTH_COLUMNS)].sum(axis=1).to_numpy()
        np.testing.assert_allclose(shown + sums[rest].to_numpy(), sums[whole].to_numpy(), atol=1e-9)
    np.testing.assert_allclose(sums["chance"], with_effect.raw(matrix, cohort), atol=1e-9)
    np.testing.assert_allclose(sums["effect"], with_effect.theta(matrix, cohort), atol=1e-9)
    assert why["strength_1"].abs().median() > LEAST_STRENGTH


def test_a_change_says_more_or_less_by_its_own_sign_and_never_a_harm(panel, with_effect):
    _, why, _ = set_apart([told(with_effect, panel.matrix[:300], panel.cohort[:300], COLUMNS, with_effect=True)])
    held = [
        (text, strength)
        for reason, size in zip(REASON_COLUMNS, STRENGTH_COLUMNS, strict=True)
        for text, strength in zip(why[reason], why[size], strict=True)
        if text
    ]
    assert {strength > 0 for _, strength in held} == {True, False}
    begins = {True: f"{UP} {ADDS_MORE.split('{')[0]}", False: f"{DOWN} {ADDS_LESS.split('{')[0]}"}
    assert all(text.startswith(begins[strength > 0]) for text, strength in held)
    assert not any("harm" in text.lower() for text, _ in held)


def test_without_the_head_or_where_it_is_not_asked_for_only_the_chance_is_explained(panel, model, with_effect):
    matrix, cohort = panel.matrix[:40], panel.cohort[:40]
    for other, asked in ((model, True), (with_effect, False)):
        said, why, sums = set_apart([told(other, matrix, cohort, COLUMNS, with_effect=asked)])
        assert why is None
        assert said["reason_1"].ne("").mean() > 0.9
        assert sums[["effect", "effect_rest"]].isna().all(axis=None)
        assert sums["chance"].notna().all()


def test_no_row_is_explained_as_no_row(panel, with_effect):
    said, why, sums = set_apart([told(with_effect, panel.matrix[:0], panel.cohort[:0], COLUMNS, with_effect=True)])
    assert (len(said), why, len(sums)) == (0, None, 0)


def test_contributions_of_a_call_that_do_not_add_up_are_refused(panel, with_effect):
    tilted = replace(with_effect, effect=replace(with_effect.effect, start=with_effect.effect.start))
    object.__setattr__(tilted.effect, "theta", lambda *asked: with_effect.effect.theta(*asked) + 1e-4)
    with pytest.raises(ModelRefused, match="do not add up to their score"):
        told(tilted, panel.matrix[:5], panel.cohort[:5], COLUMNS, with_effect=True)


def test_every_change_of_an_account_adds_up_to_theta_strongest_first(panel, model, with_effect):
    row, about = panel.matrix[7:8].reset_index(drop=True), panel.cohort[7:8].reset_index(drop=True)
    table = every_change(with_effect, row, about, COLUMNS)
    assert table["contribution"].sum() == pytest.approx(with_effect.theta(row, about)[0], abs=1e-9)
    assert table["feature"].iloc[-1] == "(base)"
    assert table["contribution"].iloc[:-1].abs().is_monotonic_decreasing
    assert set(table["feature"].iloc[:-1]) == set(every_reason(model, row, about, COLUMNS)["feature"].iloc[:-1])
    assert every_change(model, row, about, COLUMNS) is None
    band = AgeBandTable.fit(panel.labels.assign(defaulted=np.nan), panel.cohort, SCALE, default_dpd=90, horizon_days=30)
    assert every_change(band, row, about, COLUMNS) is None


def test_what_everybody_on_the_list_has_in_common_is_said_last(panel, model):
    """By the definition, account by account: how far beyond the list's mean a group pulls its way, by its spread."""
    matrix, cohort = panel.matrix[:300], panel.cohort[:300]
    spoken = told(model, matrix, cohort, COLUMNS).chance
    said, _, _ = set_apart(
        [told(model, matrix[:120], cohort[:120], COLUMNS), told(model, matrix[120:], cohort[120:], COLUMNS)]
    )
    usual, spread = spoken.pulls.mean(axis=0), spoken.pulls.std(axis=0)
    for row, held in enumerate(spoken.said):
        weak = {text: abs(pull) < 0.25 * abs(held[0][0]) for pull, text, _ in held}
        apart = {text: (1 if pull > 0 else -1) * (pull - usual[group]) / spread[group] for pull, text, group in held}
        shown = [said[name].iloc[row].split(" ", 1)[1] for name in REASON_COLUMNS if said[name].iloc[row]]
        wanted = sorted(apart, key=lambda text: (weak[text], -apart[text]))
        assert shown == wanted[:3]


def test_of_a_list_whose_accounts_have_one_topic_in_common_another_is_said_first():
    """Last payment pulls most on every account; what differs is how often they spoke, and one is paid far later."""
    pulls = np.array([[0.9, 0.5, 0.1], [0.9, -0.4, 0.1], [0.9, 0.1, 0.1], [-0.6, 0.1, 0.1]])
    names = ("paid", "spoke", "placed")
    said = [
        sorted(((pull, names[at], at) for at, pull in enumerate(row)), key=lambda one: -abs(one[0])) for row in pulls
    ]
    found, why, sums = set_apart([Told(Spoken(said, pulls, pulls.sum(axis=1) + 0.2), None)])
    assert found["reason_1"].tolist() == ["▲ spoke", "▼ spoke", "▲ paid", "▼ paid"]
    assert found["reason_2"].tolist() == ["▲ paid", "▲ paid", "▲ spoke", "▲ spoke"]
    assert why is None
    np.testing.assert_allclose(sums["chance_rest"], 0.2)


def test_the_strongest_reason_comes_first_where_nobody_else_is_on_the_list(panel, model):
    for row in range(10):
        matrix, cohort = panel.matrix[row : row + 1], panel.cohort[row : row + 1]
        said, _, _ = set_apart([told(model, matrix, cohort, COLUMNS)])
        assert said["reason_1"].tolist() == reasons(model, matrix, cohort, COLUMNS)["reason_1"].tolist()
