"""What going on is worth: shares that are known are found again, they never fall with the horizon, and the sum of one
account is that of a pocket calculator. What came of old nights is in liquidation.py. What was
learnt of offers and placements (experience.py) is kept beside it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.cohort import BUCKETS
from features.days import date_of
from models.belief import OFFERS, Belief, Curve
from models.boosting import FOLDS
from models.continuation import (
    AGREED,
    ALL,
    LEAST_PAYERS,
    PACE_COLUMNS,
    WORTH_COLUMNS,
    YEAR_SD,
    ContinuationHead,
    Fitted,
    fit_continuation,
    spread_of,
)
from models.experience import Experience, PartyRecord
from models.folder import BELIEFS_FILE, CONTINUATION_FILES, digest
from models.lesson import Teaching
from models.liquidation import HORIZONS, LOOKS, WIDE, Followed, vintages
from models.recovery import load_model
from models.routes import Bands, Party, Recovered
from models.split import debtor_folds
from tests.worlds.panels import SCALE, SETTINGS

NIGHTS = tuple(range(19_000, 19_600, 60))
THROUGH = NIGHTS[-1] + 44  # all that is known
TEACHING = Teaching(SETTINGS, 5, 44, 104, 90, SCALE, ("balance",))
MONTHLY = (0.02, 0.06, 0.15)  # share of what is left that an account of each kind brings in a month, on average
CALL, LETTER = 1.2, 1.0


def world(
    debtors: int = 900, seed: int = 3, shock: float = 0.0, leaves: float = 0.0
) -> tuple[pd.DataFrame, pd.DataFrame, Followed]:
    """matrix, cohort and what came by each look: every month an account pays half of what is left with twice its share
    of MONTHLY, and on a night of a bad month with less. leaves: chance that one that never paid is given away in a
    month."""
    draw = np.random.default_rng(seed)
    who, as_of = (each.ravel() for each in np.meshgrid(np.arange(debtors), np.array(NIGHTS, np.int32)))
    kind, rows = who % 3, who.size
    balance = draw.integers(10_000, 90_000, rows)
    luck = dict(zip(NIGHTS, np.exp(shock * draw.normal(size=len(NIGHTS))), strict=True))
    left, came, gone = balance.astype(float), [], []
    given = np.zeros(rows, bool)
    chance = 2 * np.array(MONTHLY)[kind] * np.array([luck[night] for night in as_of])
    for look in LOOKS:
        pays = draw.random(rows) < chance * (1.0 if look % 30 == 0 else 0.0)
        left = np.where(pays, left / 2, left)
        given |= (left == balance) & (draw.random(rows) < leaves)
        over = as_of + look + 14 <= THROUGH
        came.append(np.where(over & ~given, balance - left.astype(np.int64), np.nan))
        gone.append(over & given)
    cohort = pd.DataFrame(
        {
            "account_no": who.astype(np.int64),
            "debtor_id": [f"d{number}" for number in who],
            "as_of": as_of,
            "portfolio": np.where(who % 2, "old", "new"),
            "currency": "EUR",
            "balance": balance,
            "days_past_due": 10 + 60 * (who % 2),
        }
    )
    counts = {name: np.zeros(rows) for name in PACE_COLUMNS.values()}
    counts |= {PACE_COLUMNS["call"]: np.full(rows, 2.0), "contacts_count_30d": np.full(rows, 4.0)}
    matrix = pd.DataFrame({"kind": kind.astype(float), "balance": balance.astype(float), **counts})
    matrix["contacts_count_outbound_30d"] = 3.0
    return matrix, cohort, Followed(np.column_stack(came), np.column_stack(gone))


def vintages_of(cohort: pd.DataFrame, found: Fitted, followed: Followed) -> pd.DataFrame:
    rows = found.rows
    own = cohort.iloc[rows].reset_index(drop=True)
    unit = np.full(len(rows), 0.01)
    return vintages(own, found.share, found.low, found.high, followed.only(rows), unit, "debtors not seen")


def true_share(kind: np.ndarray, days: int) -> np.ndarray:
    return 1 - (1 - np.array(MONTHLY)[kind]) ** (days // 30)


@pytest.fixture(scope="module")
def told():
    matrix, cohort, came = world()
    found = fit_continuation(matrix, cohort, came, TEACHING)
    assert found.head is not None
    return matrix, cohort, came, found


def test_shares_that_are_known_are_found_again_and_never_fall(told):
    matrix, cohort, _, found = told
    share, kind = found.head.shares(matrix, cohort), matrix["kind"].to_numpy(int)
    assert (np.diff(share, axis=1) >= 0).all()
    for place, days in enumerate(HORIZONS):
        for each in range(3):
            mean = share[kind == each, place].mean()
            assert mean == pytest.approx(true_share(np.array([each]), days)[0], abs=0.035)


def test_a_horizon_that_is_not_over_teaches_the_shorter_heads_alone(told):
    matrix, cohort, came, found = told
    rows = found.head.facts["rows"]
    assert rows["365"] < rows["180"] < rows["90"] < rows["30"] == len(cohort)
    few = came.came.copy()
    few[(cohort["as_of"] > NIGHTS[0]).to_numpy() | (cohort.index % 20 != 0), LOOKS.index(120) :] = np.nan
    short = fit_continuation(matrix, cohort, Followed(few, came.left), TEACHING)
    assert short.head.reached_days == 90
    assert f"{LEAST_PAYERS} are needed" in short.head.facts["why"]
    worth = [short.head.worth(matrix, cohort, days, 0.08, {})["continuation"] for days in (90, 365)]
    pd.testing.assert_series_equal(*worth)  # beyond what is reached nothing is claimed
    nothing = Followed(np.full(came.came.shape, np.nan), came.left)
    assert fit_continuation(matrix, cohort, nothing, TEACHING).head is None


def test_those_who_leave_because_they_do_not_pay_do_not_make_the_others_seem_to_pay_more():
    matrix, cohort, followed = world(leaves=0.15)
    found, kind = fit_continuation(matrix, cohort, followed, TEACHING), matrix["kind"].to_numpy(int)
    gone = followed.left.any(axis=1)
    stayed = Followed(np.where(gone[:, None], np.nan, followed.came), np.zeros_like(followed.left))
    blind = fit_continuation(matrix, cohort, stayed, TEACHING)
    true = true_share(kind, 360).mean()
    assert found.head.shares(matrix, cohort)[:, -1].mean() == pytest.approx(true, abs=0.035)
    assert blind.head.shares(matrix, cohort)[:, -1].mean() > true + 0.045
    assert np.nanmean((followed.came[:, -1] / cohort["balance"])[kind == 0]) > 2 * true_share(np.array([0]), 360)[0]
    assert found.head.facts["left"]["365"] > 1_000
    told = vintages_of(cohort, found, followed)
    assert told["within"].mean() > 0.9


def test_a_night_teaches_a_horizon_as_far_as_it_has_lived(told):
    _, cohort, came, found = told
    whole = cohort["as_of"][~np.isnan(came.came[:, -1])].max()
    assert found.head.facts["last_nights"]["365"] > date_of(int(whole)).isoformat()
    assert found.head.facts["last_nights"]["365"] < found.head.facts["last_nights"]["90"]


def test_a_column_that_has_moved_since_the_nights_that_teach_a_horizon_is_kept_from_it(told):
    matrix, cohort, came, _ = told
    ever = matrix.assign(ever=(cohort["as_of"] - NIGHTS[0]) // 60 + matrix["kind"])
    head = fit_continuation(ever, cohort, came, TEACHING).head
    assert head.facts["moved"]["365"] + head.facts["moved"]["180"] + head.facts["moved"]["90"] == ["ever"]
    assert head.steps[-1].booster.feature_importance("gain")[head.columns.index("ever")] == 0


def test_accounts_with_a_plan_neither_lower_the_cost_nor_set_the_level_of_the_others(told):
    matrix, cohort, came, found = told
    on = np.arange(len(cohort)) % 3 == 0
    calls = np.where(on, 0.0, 2.0)
    other = matrix.assign(plan_on=on.astype(float), contacts_count_call_30d=calls)
    head = fit_continuation(other, cohort, came, TEACHING).head
    assert {f"{book}{AGREED}" for book in ("old", "new")} < set(head.steps[0].levels)
    free = np.flatnonzero(~on)[:50]
    asked = (365, 0.08, {"call": CALL})
    worth, before = (
        whole.worth(seen.iloc[free], cohort.iloc[free], *asked)["continuation"].mean()
        - whole.worth(seen.iloc[free], cohort.iloc[free], 365, 0.08, {})["continuation"].mean()
        for whole, seen in ((head, other), (found.head, matrix))
    )
    assert worth == pytest.approx(before, rel=0.05)  # as many calls as where nobody has a plan


def test_a_vintage_is_not_judged_by_what_it_taught(told):
    """Of debtors of one fold half as much comes: their own interval does not learn of it."""
    matrix, cohort, followed, found = told
    folds = debtor_folds(cohort["debtor_id"], FOLDS, TEACHING.seed)
    odd = Followed(np.where((folds == 0)[:, None], followed.came * 0.2, followed.came), followed.left)
    own = fit_continuation(matrix, cohort, odd, TEACHING)
    there = folds[own.rows] == 0
    assert own.low[there, -1].mean() > 0.6 * found.low[there, -1].mean()


def test_the_sum_of_one_account_is_that_of_a_pocket_calculator(told):
    matrix, cohort, _, found = told
    one = cohort.iloc[[7]]
    share = found.head.shares(matrix.iloc[[7]], one)[0]
    worth = found.head.worth(matrix.iloc[[7]], one, 365, 0.08, {"call": CALL, "letter": LETTER}).iloc[0]
    balance, money, cost, before, begun = one["balance"].iloc[0], 0.0, 0.0, 0.0, 0
    calls = 2 * 3 / 4  # of four contacts a month three were ours
    for days, through in zip(HORIZONS, share, strict=True):
        discount = 1.08 ** (-(begun + days) / 2 / 365)
        money += balance * (through - before) * discount
        cost += calls * CALL * 100 * (days - begun) / 30 * (1 - (through + before) / 2) * discount
        begun, before = days, through
    assert worth["continuation"] == round(money - cost)
    assert worth["continuation_low"] < worth["continuation"] < worth["continuation_high"]
    assert worth["continuation_high"] <= balance - cost + 1


def test_between_two_horizons_what_is_left_falls_at_an_even_pace(told):
    matrix, cohort, _, found = told
    worth = {days: found.head.worth(matrix, cohort, days, 0.0, {})["continuation"] for days in (90, 120, 150, 180)}
    balance = cohort["balance"]
    left = {days: 1 - each / balance for days, each in worth.items()}
    np.testing.assert_allclose(left[120] / left[90], left[150] / left[120], rtol=2e-3)
    assert all((worth[first] <= worth[then]).all() for first, then in ((90, 120), (120, 150), (150, 180)))


def test_nights_that_differ_widen_the_interval(told):
    _, _, _, found = told
    calm = found.head.spreads[0]
    matrix, cohort, came = world(shock=0.5)
    rough = fit_continuation(matrix, cohort, came, TEACHING).head.spreads[0]
    assert np.ptp(rough.parts[ALL], axis=1).min() > np.ptp(calm.parts[ALL], axis=1).max()


@pytest.mark.parametrize("shock", [0.0, 0.1, 0.3])
def test_the_interval_is_as_wide_as_nights_differ_beyond_their_debtors_chances(shock):
    """500 debtors of 100 nights, each of whom pays three times what is expected or nothing, all of a night a bit more
    or less. A book of one debtor a night, who paid twelve times as much, says nothing of the nights."""
    draw = np.random.default_rng(11)
    night, who = (each.ravel() for each in np.meshgrid(np.arange(100), np.arange(500), indexing="ij"))
    paid = np.where(draw.random(night.size) < 1 / 3, 3.0, 0.0) * (1 + shock * draw.choice([-1.0, 1.0], 100))[night]
    alone = pd.DataFrame({"debtor_id": ["X", "Y"], "as_of": [3, 4], "portfolio": "small"})
    cohort = pd.DataFrame({"debtor_id": who.astype(str), "as_of": night, "portfolio": "book"})
    whole = pd.concat([cohort, alone], ignore_index=True)
    expected = np.ones(len(whole))
    spread = spread_of(whole, whole["portfolio"], expected / 2, expected, np.append(paid, [12.0, 0.0]))
    low, high = (end[0] for end in spread.ends(np.array([0.5]), pd.Series(["book"])))
    assert (high - low) / 2 / WIDE == pytest.approx(np.hypot(shock, YEAR_SD), rel=0.15)


def test_nights_of_few_payers_do_not_seem_to_wander():
    """Twelve nights of twenty debtors, one in twenty of whom pays twenty times what is expected, in forty worlds."""
    night, who = (each.ravel() for each in np.meshgrid(np.arange(12), np.arange(20), indexing="ij"))
    cohort = pd.DataFrame({"debtor_id": [f"{a}-{b}" for a, b in zip(night, who, strict=True)], "as_of": night})
    parts, expected, wide = pd.Series("book", cohort.index), np.ones(len(cohort)), []
    for seed in range(40):
        paid = np.where(np.random.default_rng([seed, 5]).random(len(cohort)) < 0.05, 20.0, 0.0)
        spread = spread_of(cohort, parts, expected / 2, expected, paid)
        low, high = (end[0] for end in spread.ends(np.array([0.5]), pd.Series(["book"])))
        wide.append((high - low) / 2 / WIDE)
    assert np.mean(wide) < 0.45  # weighed by its own payments a night would make it 0.64


def test_vintages_lie_within_what_was_foretold_and_one_that_fails_is_seen(told):
    _, cohort, came, found = told
    told_of = vintages_of(cohort, found, came)
    assert set(told_of["horizon"]) == set(HORIZONS)
    assert told_of["within"].mean() > 0.9
    assert (told_of["came_low"] <= told_of["came"]).all()
    half = Followed(came.came / 2, came.left)
    assert vintages_of(cohort, found, half)["within"].mean() < 0.1


def test_a_vintage_counts_once_all_its_nights_have_lived_through(told):
    _, cohort, came, found = told
    told_of = vintages_of(cohort, found, came)
    whole = told_of[(told_of["book"] == ALL) & (told_of["horizon"] == 365)]
    over = cohort["as_of"][~np.isnan(came.came[:, -1])].nunique()
    assert whole["accounts"].max() == 900
    assert len(whole) <= over


def test_a_head_comes_back_from_its_folder_as_it_was(told):
    matrix, cohort, _, found = told
    files = found.head.files()
    assert tuple(files) == CONTINUATION_FILES
    back = ContinuationHead.from_card(found.head.card(), files)
    asked = {"horizon_days": 200, "annual_rate": 0.05, "costs": {"call": CALL}}
    pd.testing.assert_frame_equal(back.worth(matrix, cohort, **asked), found.head.worth(matrix, cohort, **asked))
    assert back.card() == found.head.card()


def test_the_order_of_rows_changes_nothing(told):
    matrix, cohort, came, found = told
    order = np.random.default_rng(1).permutation(len(cohort))
    shuffled = [frame.iloc[order].reset_index(drop=True) for frame in (matrix, cohort)]
    again = fit_continuation(*shuffled, came.only(order), TEACHING)
    assert again.head.files() == found.head.files()


def test_a_book_that_taught_nothing_has_the_level_of_all(told):
    matrix, cohort, _, found = told
    strange = cohort.assign(portfolio="never seen")
    worth = found.head.worth(matrix, strange, 365, 0.08, {"call": CALL})
    assert list(worth) == list(WORTH_COLUMNS)
    assert (worth.dtypes == np.int64).all()
    pace = {ALL: np.zeros((len(BUCKETS), len(PACE_COLUMNS)))}
    free = replace(found.head, pace=pace).worth(matrix, strange, 365, 0.08, {"call": CALL})
    assert (free["continuation"] > worth["continuation"]).all()


def test_a_model_carries_it_and_what_was_learnt_in_files_of_their_own(told, model, tmp_path):
    found = told[-1]
    belief = Belief(Curve((0.1, 0.4), (0.02, 0.05), (0.01, 0.04), (0.03, 0.06)), OFFERS, "", {0.1: 400, 0.4: 350})
    factor = Recovered(np.log(0.9), (-4.0, 6.0), (0.0, 0.0), {}, np.eye(3) * 1e-4)
    record = PartyRecord(Bands({}, Curve((0.0,), (0.02,), (0.01,), (0.03,))), 180, 512, factor)
    experience = Experience(belief, None, None, 30, None, {"north": record}, {"known_before": "2026-10-01"})
    whole = replace(model, continuation=found.head, experience=experience)
    files = whole.files()
    assert {*CONTINUATION_FILES, BELIEFS_FILE} <= set(files)
    assert not {*CONTINUATION_FILES, BELIEFS_FILE} & set(model.files())
    assert whole.version != model.version
    folder = tmp_path / whole.version
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    back = load_model(folder, digest(files))
    assert back.files() == files
    assert back.experience.acceptance == belief
    rows = pd.DataFrame({"kind": ["card"], "days_past_due": 0, "balance": 1_000, "unit": 0.01})
    party = Party("north", "agency", record.believed, None, {"EUR": 0}, 0.0, 60, 180, 0)
    np.testing.assert_allclose(back.experience.learned(rows, (party,))["north"].middle, 0.02 * 0.9)
    assert back.experience.learned(rows, (replace(party, horizon_days=90),)) == {}
