"""What became of debtors in their spans, worked against held out: of all of them, and of those whom the list had by
value or would have had.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from models.effect import Guard, added_scores
from models.ladder import POWER80, Z95
from models.lot import CONTROL, TO_WORK, WORKED

FORETOLD = {"money": "expected", "recovered": "p_recovered"}  # outcome of a span -> the score of its first night
NIGHT_LIST = ["assigned_on", "queue"]


def spans_of(matured: pd.DataFrame) -> pd.DataFrame:
    """One row per matured span of a debtor: arm, probability of being held out, outcome over all its accounts from the
    first night on, and what the scores of that night foretold.

    A debtor is counted as assigned, whatever was done in its span; accounts whose outcome cannot be seen are left out.
    """
    columns = ["debtor_id", "assigned_on", "arm", "probability", "recovered", "money", *FORETOLD.values()]
    first = matured[
        (matured["as_of"] == matured["assigned_on"])
        & matured["arm"].isin([CONTROL, WORKED])
        & matured["recovered"].notna()
    ]
    if first.empty:
        return pd.DataFrame(columns=columns)
    keys = ["debtor_id", "assigned_on"]
    spans = first.groupby(keys, sort=True).agg(
        arm=("arm", "first"),
        probability=("probability", "first"),
        recovered=("recovered", "max"),
        money=("money", "sum"),
        expected=("expected", "sum"),
        p_recovered=("p_recovered", "max"),
    )
    return spans.reset_index()[columns]


def less_foretold(spans: pd.DataFrame) -> pd.DataFrame:
    """The spans with what the scores foretold taken off both outcomes.

    outcome - slope x (foretold - its mean), slope of least squares over both arms. The scores were known before the
    draw, so this takes away noise and no effect (CUPED: Deng, Xu, Kohavi and Walker, WSDM 2013).
    """
    found = spans.copy()
    for outcome, foretold in FORETOLD.items():
        known, value = spans[foretold].to_numpy(dtype=np.float64), spans[outcome].to_numpy(dtype=np.float64)
        spread = known.var() if known.size else 0.0
        if spread > 0:
            found[outcome] = value - np.mean((known - known.mean()) * (value - value.mean())) / spread * (
                known - known.mean()
            )
    return found


def difference(spans: pd.DataFrame, outcome: str) -> tuple[float, float]:
    """(worked minus control, its standard error by debtor) of `spans_of`: see `_apart`."""
    is_control = (spans["arm"] == CONTROL).to_numpy()
    chance = 1 - spans["probability"].to_numpy(np.float64)
    return _apart(~is_control, chance, spans[outcome].to_numpy(np.float64), spans["debtor_id"])


def _apart(worked: np.ndarray, chance: np.ndarray, value: np.ndarray, debtors: pd.Series) -> tuple[float, float]:
    """(worked less held out, its standard error): means weighted by the inverse chance of the arm, so that changed
    shares do no harm. chance: of being worked.

    Hajek estimator; variance by linearisation. What a debtor's spans pull at the difference is added up before it is
    squared, over both arms where it was drawn to both: thirty draws of one debtor are one debtor (Liang and Zeger,
    Biometrika 1986; of an arm of n debtors times n / (n - 1)).
    """
    effect, pulls = 0.0, np.zeros(len(value))
    codes = pd.factorize(debtors)[0]
    for side, own, of_arm in ((1.0, worked, chance), (-1.0, ~worked, 1 - chance)):
        share = np.divide(1.0, of_arm, where=own, out=np.zeros(len(value)))
        share /= share.sum()
        mean = float((share * value).sum())
        many = len(np.unique(codes[own]))
        effect += side * mean
        pulls += side * share * (value - mean) * math.sqrt(many / max(many - 1, 1))
    return effect, math.sqrt(float((np.bincount(codes, weights=pulls) ** 2).sum()))


def listed_spans(matured: pd.DataFrame, drawn: pd.DataFrame, guard: Guard) -> pd.DataFrame:
    """One row per matured span of a debtor whom the list of its first night had by value, or would have had, had the
    lot not held it out: debtor_id, assigned_on, worked (1 or 0), chance (of being worked), recovered, money (up to the
    foretold amount of each account), expected, p_recovered, added (to the chance of paying, as foretold; NaN where only
    the draws of a night tell it).

    matured  see LookedBack, with queue; drawn: of pipeline.panel.draws.fresh_draws; guard: what is believed of theta

    A held-out debtor would have had its place less those of the held-out ones before it, for they left the list too; so
    it is one of the list's where a worked one of its place is.
    """
    columns = ["debtor_id", "assigned_on", "worked", "chance", "recovered", "money", *FORETOLD.values(), "added"]
    first = matured[(matured["as_of"] == matured["assigned_on"]) & matured["recovered"].notna()]
    if first.empty or drawn.empty:
        return pd.DataFrame(columns=columns)
    held = drawn[drawn["would_rank"] > 0].sort_values([*NIGHT_LIST, "would_rank"], ignore_index=True)
    control = held["arm"] == CONTROL
    before = control.groupby([held["assigned_on"], held["queue"]]).cumsum() - control
    scores = added_scores(
        held["p_recovered"].to_numpy(), np.ones(len(held)), held["theta"].fillna(0.0).to_numpy(), guard
    )
    of_work = np.where(control, 1.0, held["chance_of_work"])  # the lot held out so many more than it worked
    of_control = held["probability"] * np.where(control, 1.0, (1 - of_work) / of_work)
    held = held.assign(
        place=held["would_rank"] - before,
        worked=(held["arm"] == TO_WORK).astype(np.float64),
        chance=1 - of_control,
        added=scores["added_recovery"].to_numpy(),
    )
    rows = first[(first["arm"] == WORKED) & (first["group"] == "worklist")]
    rows = rows.assign(place=rows["rank"], worked=1.0, chance=1 - rows["probability"], added=np.nan)
    rows = rows.merge(drawn.drop_duplicates(NIGHT_LIST)[[*NIGHT_LIST, "places"]], on=NIGHT_LIST)
    keys = ["debtor_id", "assigned_on"]
    kept = [*keys, "place", "places", "worked", "chance", "added"]
    both = pd.concat([rows[kept], held[kept]], ignore_index=True)
    both = both[both["place"] <= both["places"]].drop_duplicates(keys)
    amount = first["expected"] / first["p_recovered"].clip(lower=1e-9)
    told = first.assign(money=np.minimum(first["money"], amount)).groupby(keys)
    outcomes = told.agg(
        recovered=("recovered", "max"),
        money=("money", "sum"),
        expected=("expected", "sum"),
        p_recovered=("p_recovered", "max"),
    )
    return both.merge(outcomes.reset_index(), on=keys).sort_values(keys, ignore_index=True)[columns]


def listed_difference(spans: pd.DataFrame, outcome: str) -> tuple[float, float]:
    """(worked less held out, its standard error by debtor) of `listed_spans`: see `_apart`."""
    worked, chance, value = (spans[name].to_numpy(dtype=np.float64) for name in ("worked", "chance", outcome))
    return _apart(worked == 1, chance, value, spans["debtor_id"])


def power_reached_on(spans: pd.DataFrame, foretold: float, error: float, gap_days: int) -> int | None:
    """Day on which a difference as large as foretold is seen 4 times in 5, at the pace so far; None where nothing is
    foretold. gap_days: from a draw until it has matured.

    Who is in a span is drawn once in it, so the first night's draw stands for the pace of a whole span.
    """
    if foretold <= 0:
        return None
    first, last = int(spans["assigned_on"].min()), int(spans["assigned_on"].max())
    days = last - first + gap_days
    return last + gap_days + max(0, math.ceil(days * (error * (Z95 + POWER80) / foretold) ** 2 - days))
