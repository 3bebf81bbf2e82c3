"""How far the learnt effect may be trusted: a ladder of four states, moved by draws alone,
and what each state lets an order believe.

Every matured draw (worked or left, whatever the rank) is looked at every night. An interval that holds 95 times in 100
on one night does not hold over hundreds of looks, so a state is entered only where a confidence sequence clears 0: an
interval that holds on all nights at once (the normal mixture of Robbins, Annals of Mathematical Statistics 1970;
Howard, Ramdas, McAuliffe and Sekhon, Annals of Statistics 2021; for estimates in large samples Waudby-Smith, Arbour,
Sinha, Kennedy and Ramdas, Annals of Statistics 2024). It is left once the plain interval of the night no longer clears
0, so that a state does not flicker at its edge.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from models.calibration import expit
from models.effect import BANDS, PLAIN_GUARD, UNPROVEN_GUARD, Guard, added_scores, bands
from models.resampling import Z95, listed_shares

NO_LOG, UNPROVEN, PROVEN, DISPROVEN = STATES = ("no_log", "unproven", "proven", "disproven")
ERROR = 0.05  # of either end of an interval on any night, ever
POWER80 = 0.841621  # standard normal quantile: 80 % power
LEAST_PAYERS = 30  # debtors that paid in each arm before anything is concluded
SLOPE_SD = 0.5  # of the slope around 0 before any draw: where the sequence is narrowest
POLICY_SD = 1.0  # the same of the realised share of a foretold difference
BELIEVED = Guard(0.2, 0.4)  # standard deviations of level and slope around those of the guard before any draw
CAPACITY = 0.25  # share of a queue that an order lists where the two orders are compared
MONEY_CAP = 0.99  # quantile of the foretold amounts at which they are capped: a few large debts are not to decide


@dataclass(frozen=True)
class Rung:
    """Where an effect stands on a night. since: the night its state began; was: the state before that;
    '' for the first.
    """

    state: str
    since: int
    was: str
    guard: Guard
    figures: Mapping[str, float] = field(default_factory=dict)

    def changed_on(self, as_of: int) -> bool:
        return self.since == as_of and self.was != ""

    def card(self) -> dict[str, Any]:
        """As plain values: what a night keeps."""
        guard = {"level": self.guard.level, "slope": self.guard.slope}
        return {
            "state": self.state,
            "since": self.since,
            "was": self.was,
            "guard": guard,
            "figures": dict(self.figures),
        }

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> Rung:
        return cls(card["state"], card["since"], card["was"], Guard(**card["guard"]), card["figures"])


def tells_apart(rung: Rung) -> bool:
    """Whether it may be said that a call adds more to one account than to another: draws have proven it, or lean to it
    so far that on no night at all, in 95 of 100 worlds without an effect, they would.

    The contact log alone may not: on debtors that taught none of it a slope surely above 0 is seen in such worlds too,
    for it is also what collectors knew of whom they called.
    """
    return rung.state == PROVEN or rung.state == UNPROVEN and rung.figures.get("slope_low_said", math.nan) > 0


def said_bands(scores: pd.DataFrame, rung: Rung) -> pd.Categorical:
    """models.effect.bands of the scores as they may be said: the least for all while nothing tells them apart."""
    if tells_apart(rung):
        return bands(scores)
    return pd.Categorical.from_codes(np.zeros(len(scores), np.int8), categories=list(BANDS), ordered=True)


def next_rung(arms: pd.DataFrame, earlier: Rung | None, as_of: int, has_head: bool) -> Rung:
    """The rung of a night.

    arms      one row per matured draw, see `figures_of`; rows that matured on the night or later take no part
    earlier   of the night before; None on the first
    has_head  whether the model in use was taught what work adds

    No log: the model has no such head. Proven: the slope is surely above 0. Disproven: it is surely below 0, or the
    list by added value surely adds less than the one by amount x p(1 - p). Unproven otherwise. The guard is what the
    draws say of level and slope, held by what was believed before them; while the effect is unproven, no more than
    that.
    """
    figures = figures_of(arms[arms["matured_on"] < as_of])
    held = earlier.state if earlier else ""
    state = _state(figures, held) if has_head else NO_LOG
    learnt = _learnt(figures)
    cautious = Guard(min(learnt.level, UNPROVEN_GUARD.level), min(learnt.slope, UNPROVEN_GUARD.slope))
    guard = {UNPROVEN: cautious, PROVEN: learnt}.get(state, PLAIN_GUARD)
    if earlier and earlier.state == state:
        return Rung(state, earlier.since, earlier.was, guard, figures)
    return Rung(state, as_of, held, guard, figures)


def _state(figures: Mapping[str, float], held: str) -> str:
    if _surely(figures, "slope", -1, held == DISPROVEN) or _surely(figures, "policy", -1, held == DISPROVEN):
        return DISPROVEN
    return PROVEN if _surely(figures, "slope", 1, held == PROVEN) else UNPROVEN


def _surely(figures: Mapping[str, float], name: str, sign: int, held: bool) -> bool:
    """Whether a figure lies on one side of 0: on all nights at once,
    or tonight alone where the state is held already.
    """
    kind = "tonight" if held else "always"
    end = figures.get(f"{name}_{'low' if sign > 0 else 'high'}_{kind}", math.nan)
    return sign * end > 0


def figures_of(arms: pd.DataFrame) -> dict[str, float]:
    """What the draws say; empty figures (NaN) until LEAST_PAYERS debtors of each arm have paid.

    arms  debtor_id, assigned_on, matured_on (day from which the outcome is known), queue; worked (what was drawn) and
          probability (of being worked, given that one of the two was drawn); p_recovered, theta (centred, NaN where no
          model said it) and amount (expected if recovered, reporting units) as they stood on the night of the draw;
          recovered (0 or 1)

    draws, debtors, worked, left, payers   counts
    level, slope       of paid ~ expit(logit p_recovered + (worked - probability) x (level + slope x theta)): at 1 theta
                       is right as it is
    average            worked less left, share that pays, in points of it: by weights alone; average_robust: less what
                       p_recovered foretold
    policy             money that the list by added value adds less that of the list by amount x p(1 - p), realised over
                       foretold: 0 is no difference, 1 as foretold. Money is recovered x amount, amounts capped at their
                       MONEY_CAP quantile
    slope_low_said     lower end of the slope that holds on all nights at once in 95 of 100 worlds, see `tells_apart`
    each with _low_tonight, _high_tonight (95 %, by debtor) and, for slope and policy, _low_always, _high_always
    power_draws, power_days   further draws until a slope as large as the unproven guard's is proven 4 times in 5; days
                              at the pace so far
    """
    arms = arms[arms["recovered"].notna()]
    arms = arms.assign(debtor=pd.factorize(arms["debtor_id"])[0])
    found = _counts(arms)
    if min(found["payers_worked"], found["payers_left"]) < LEAST_PAYERS:
        return found
    found |= _averages(arms)
    told = arms[arms["theta"].notna()]
    if min(_payers(told, 1), _payers(told, 0)) >= LEAST_PAYERS and told["theta"].std() > 0:
        found |= _slopes(told) | _policy(told)
        found |= _power(told, found["slope_error"])
    return found


def _counts(arms: pd.DataFrame) -> dict[str, float]:
    return {
        "draws": len(arms),
        "debtors": int(arms["debtor"].nunique()),
        "worked": int((arms["worked"] == 1).sum()),
        "left": int((arms["worked"] == 0).sum()),
        "payers_worked": _payers(arms, 1),
        "payers_left": _payers(arms, 0),
    }


def _payers(arms: pd.DataFrame, side: int) -> int:
    return int(arms["debtor"][(arms["worked"] == side) & (arms["recovered"] == 1)].nunique())


def _columns(arms: pd.DataFrame) -> tuple[np.ndarray, ...]:
    names = ("worked", "probability", "p_recovered", "recovered")
    worked, probability, chance, paid = (arms[name].to_numpy(dtype=np.float64) for name in names)
    return worked, probability, np.clip(chance, 1e-6, 1 - 1e-6), paid


def _slopes(arms: pd.DataFrame) -> dict[str, float]:
    worked, probability, chance, paid = _columns(arms)
    theta = arms["theta"].to_numpy(dtype=np.float64)
    offset = np.log(chance / (1 - chance))
    columns = (worked - probability)[:, None] * np.stack([np.ones(len(theta)), theta], axis=1)
    found, spread = offset_logit(columns, offset, paid, arms["debtor"].to_numpy())
    (level, slope), (level_error, slope_error) = found.tolist(), np.sqrt(np.diag(spread)).tolist()
    return {
        "level": level,
        "level_low_tonight": level - Z95 * level_error,
        "level_high_tonight": level + Z95 * level_error,
        "level_slope_covariance": float(spread[0, 1]),
        **_ends("slope", slope, slope_error, SLOPE_SD),
        "slope_low_said": slope - sequence_width(slope_error, SLOPE_SD, 2 * ERROR),
        "slope_error": slope_error,
        "level_error": level_error,
    }


def _ends(name: str, value: float, error: float, around: float) -> dict[str, float]:
    wide = sequence_width(error, around)
    return {
        name: value,
        f"{name}_low_tonight": value - Z95 * error,
        f"{name}_high_tonight": value + Z95 * error,
        f"{name}_low_always": value - wide,
        f"{name}_high_always": value + wide,
    }


def sequence_width(error: float, around: float, chance: float = ERROR) -> float:
    """Half the width of a normal-mixture confidence sequence at a standard error. around:
    standard deviation of the mixture.

    With information v = 1 / error^2 and r = 1 / around^2: sqrt((v + r) log((v + r) / (r chance^2))) / v.
    """
    known, prior = 1 / error**2, 1 / around**2
    return math.sqrt((known + prior) * math.log((known + prior) / (prior * chance**2))) / known


def offset_logit(
    columns: np.ndarray, offset: np.ndarray, paid: np.ndarray, debtor: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of paid ~ expit(offset + columns @ coefficients), and their covariance by debtor (sandwich).
    debtor: a code per row.
    """
    found = np.zeros(columns.shape[1])
    for _ in range(50):
        chance = expit(offset + columns @ found)
        curve = (columns * (chance * (1 - chance))[:, None]).T @ columns
        step = np.linalg.solve(curve, columns.T @ (paid - chance))
        found = found + step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-300))
        if np.abs(step).max() < 1e-10:
            break
    scores = np.stack(
        [np.bincount(debtor, weights=part) for part in (columns * (paid - expit(offset + columns @ found))[:, None]).T]
    )
    inverse = np.linalg.inv(curve)
    return found, inverse @ (scores @ scores.T) @ inverse


def _averages(arms: pd.DataFrame) -> dict[str, float]:
    worked, probability, chance, paid = _columns(arms)
    weight = worked / probability - (1 - worked) / (1 - probability)
    found = {}
    for name, left_over in (("average", paid), ("average_robust", paid - chance)):
        value, error = mean_by_debtor(weight * left_over, arms["debtor"].to_numpy())
        found |= {name: value, f"{name}_low_tonight": value - Z95 * error, f"{name}_high_tonight": value + Z95 * error}
    return found


def mean_by_debtor(values: np.ndarray, debtor: np.ndarray) -> tuple[float, float]:
    """Mean over the rows and its standard error by debtor."""
    mean = float(values.mean())
    sums = np.bincount(debtor, weights=values - mean)
    return mean, math.sqrt(float((sums**2).sum())) / len(values)


def _policy(arms: pd.DataFrame) -> dict[str, float]:
    """Each order lists CAPACITY of its night and queue; what differs between the lists is judged by the draw."""
    worked, probability, chance, paid = _columns(arms)
    amount = arms["amount"].to_numpy(dtype=np.float64)
    amount = np.minimum(amount, np.quantile(amount, MONEY_CAP))
    added = added_scores(chance, amount, arms["theta"].to_numpy(dtype=np.float64), UNPROVEN_GUARD)[
        "added_recovery"
    ].to_numpy()
    night = pd.factorize(arms["assigned_on"].astype("str") + "|" + arms["queue"].astype("str"))[0]
    lists = [listed_shares(order, night, CAPACITY) for order in (added, amount * chance * (1 - chance))]
    differ = lists[0] - lists[1]
    gained = (worked / probability - (1 - worked) / (1 - probability)) * (paid - chance) * amount * differ
    foretold = float((added * differ).mean())
    value, error = mean_by_debtor(gained, arms["debtor"].to_numpy())
    figures = {"policy_money": value, "policy_money_error": error, "policy_foretold": foretold}
    if foretold <= 0 or error == 0:
        return figures
    return figures | _ends("policy", value / foretold, error / foretold, POLICY_SD)


def _power(arms: pd.DataFrame, error: float) -> dict[str, float]:
    """Information grows with the draws; the slope is proven 4 times in 5 once it exceeds the
    sequence by POWER80 standard errors.
    """
    wanted, low, high = UNPROVEN_GUARD.slope, 1e-4, 10.0
    for _ in range(80):  # the largest standard error at which that holds; both terms grow with it
        middle = math.sqrt(low * high)
        if sequence_width(middle, SLOPE_SD) + POWER80 * middle > wanted:
            high = middle
        else:
            low = middle
    more = max(0.0, len(arms) * (error**2 / low**2 - 1))
    spans = int((arms["matured_on"] - arms["assigned_on"]).max())  # in which nobody is drawn again
    days = int(arms["assigned_on"].max() - arms["assigned_on"].min()) + max(spans, 1)
    return {"power_draws": math.ceil(more), "power_days": math.ceil(more / (len(arms) / days))}


def _learnt(figures: Mapping[str, float]) -> Guard:
    """Level and slope of the draws, each way held by BELIEVED: the mean of the normal posterior."""
    if "slope_error" not in figures:
        return UNPROVEN_GUARD
    covariance = figures["level_slope_covariance"]
    spread = np.array([[figures["level_error"] ** 2, covariance], [covariance, figures["slope_error"] ** 2]])
    before = np.diag([1 / BELIEVED.level**2, 1 / BELIEVED.slope**2])
    centre, seen = (
        np.array([UNPROVEN_GUARD.level, UNPROVEN_GUARD.slope]),
        np.array([figures["level"], figures["slope"]]),
    )
    known = np.linalg.inv(spread)
    level, slope = np.linalg.solve(known + before, known @ seen + before @ centre).tolist()
    return Guard(max(level, 0.0), max(slope, 0.0))
