"""The amount if recovered, as a share of the balance: one of four ways,
the simplest that is not worse in money on later nights.

A share has no currency: a yen book and a euro book teach one model. Every share is capped at 1, the balance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from models.bare import lightgbm
from models.boosting import FitWindow, booster_of, raw_scores, side_by_side

MEAN_SHARE, GAMMA, TWEEDIE, LOG = "mean_share", "gamma", "tweedie", "log"  # simplest first
OBJECTIVES = {
    GAMMA: {"objective": "gamma", "metric": "gamma_deviance"},
    TWEEDIE: {"objective": "tweedie", "tweedie_variance_power": 1.5, "metric": "tweedie"},
    LOG: {"objective": "regression", "metric": "l2"},
}
LEAST_SHARE = 1e-6  # keeps a share above 0: recovered money is never nothing
PRIOR_RECOVERIES = 20.0  # recovered rows of the whole mixed into the mean share of a portfolio
LEVEL_SD = 0.15  # log of predicted money: how far it is believed to be off before the data prove it
BIAS_SLACK = 0.05  # share of the money by which a simpler way may be further off per tenth
COVERAGE = 0.8  # of the interval around an amount
CAPTURE_SHARES = (0.05, 0.1, 0.2)


@dataclass(frozen=True)
class AmountHead:
    """E[recovered share | recovered].

    shares     mean_share: portfolio -> share, "" for a portfolio not named
    smearing   log: mean of exp(residual), which turns a mean of logs into a mean (Duan 1983); 1 otherwise
    factor     the money factor: predicted to realised money of the whole product P x amount, on rows not fitted on
    edges, low, high   interval: quantiles of realised ÷ predicted share by third of the predicted share
    """

    kind: str
    shares: Mapping[str, float]
    booster: lightgbm.Booster | None
    smearing: float = 1.0
    factor: float = 1.0
    edges: tuple[float, ...] = ()
    low: tuple[float, ...] = (0.0,)
    high: tuple[float, ...] = (1 / LEAST_SHARE,)

    def share(self, numbers: np.ndarray, portfolio: pd.Series, rows: np.ndarray | None = None) -> np.ndarray:
        """Share of the balance, in (0, 1]. rows: places in numbers of those that portfolio is of; all if None."""
        if self.kind == MEAN_SHARE or self.booster is None:
            plain = mean_shares(self.shares, portfolio)
        else:
            plain = np.exp(raw_scores(self.booster, numbers, rows)) * self.smearing
        return np.clip(plain * self.factor, LEAST_SHARE, 1.0)

    def interval(self, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Shares between which COVERAGE of the recoveries fell, for accounts of such a predicted share."""
        third = np.searchsorted(np.array(self.edges), share, side="right")
        return np.clip(share * np.array(self.low)[third], 0.0, 1.0), np.clip(
            share * np.array(self.high)[third], 0.0, 1.0
        )

    def card(self) -> dict[str, Any]:
        plain = {name: getattr(self, name) for name in ("kind", "smearing", "factor")}
        return {
            **plain,
            "shares": dict(self.shares),
            "edges": list(self.edges),
            "low": list(self.low),
            "high": list(self.high),
        }

    @classmethod
    def from_card(cls, card: Mapping[str, Any], text: str | None) -> AmountHead:
        bands = {name: tuple(card[name]) for name in ("edges", "low", "high")}
        booster = booster_of(text) if text is not None else None
        return cls(card["kind"], card["shares"], booster, card["smearing"], card["factor"], **bands)


@dataclass(frozen=True)
class Recoveries:
    """What the fit window recovered: share (NaN where not), money in reporting units per row,
    balance in reporting units.
    """

    share: np.ndarray
    money: np.ndarray
    balance: np.ndarray

    @property
    def rows(self) -> np.ndarray:
        return self.share > 0


@dataclass(frozen=True)
class Later:
    """The trial's nights: rows early enough to teach on, later rows to judge on,
    and P(recovered) of the later rows by an early booster.
    """

    early: np.ndarray
    later: np.ndarray
    chance: np.ndarray


def fit_amount(
    window: FitWindow, found: Recoveries, chance: np.ndarray, trial: Later | None, like: Mapping[str, Any] | None
) -> tuple[AmountHead, dict[str, Any]]:
    """The head, and how it was chosen: {"kind", "trees", "trial":
    per kind the money captured and the money off per tenth}.

    chance: calibrated out-of-fold P(recovered) of every row, for the money factor. like: an earlier choice to repeat
    without a trial.
    """
    portfolio = window.cohort["portfolio"].astype("str")
    chosen = dict(like) if like else _tried(window, found, portfolio, trial)  # pyrefly: ignore[bad-argument-type]: without `like` there is a trial
    head, unseen = _grown(window, found, portfolio, chosen["kind"], chosen["trees"])
    factor = _money_factor(chance, unseen, found, window.cohort["debtor_id"], window.weight)
    return _with_interval(replace(head, factor=factor), np.clip(unseen * factor, LEAST_SHARE, 1.0), found), chosen


def regrown(head: AmountHead, window: FitWindow, found: Recoveries, trees: int) -> AmountHead:
    """The head's way on other columns: its booster grown anew, smearing, factor and interval kept."""
    if head.kind == MEAN_SHARE:
        return head
    return replace(head, booster=window.grow(OBJECTIVES[head.kind], _target(head.kind, found), found.rows, trees))


def _grown(
    window: FitWindow, found: Recoveries, portfolio: pd.Series, kind: str, trees: int
) -> tuple[AmountHead, np.ndarray]:
    """The head on all rows, and the share of every row by a head that never saw its debtor."""
    rows = found.rows
    shares = _shares_by_portfolio(found, rows, portfolio, window.weight)
    if kind == MEAN_SHARE:
        unseen = np.zeros(len(rows))
        for fold in np.unique(window.folds):
            held = window.folds == fold
            unseen[held] = mean_shares(
                _shares_by_portfolio(found, rows & ~held, portfolio, window.weight), portfolio[held]
            )
        return AmountHead(kind, shares, None), unseen
    target = _target(kind, found)
    booster, logs = window.grow_and_score(OBJECTIVES[kind], target, rows, trees)
    smearing = _smearing(kind, found.share[rows], logs[rows], window.weight[rows])
    return AmountHead(kind, shares, booster, smearing), np.exp(logs) * smearing


def _tried(window: FitWindow, found: Recoveries, portfolio: pd.Series, trial: Later) -> dict[str, Any]:
    """Each way taught on early nights and judged on later ones:
    the simplest within one standard error of the most money captured.
    """
    early, later, rows = trial.early & found.rows, trial.later & found.rows, trial.later
    trees = {MEAN_SHARE: 0}
    shares = {MEAN_SHARE: mean_shares(_shares_by_portfolio(found, early, portfolio, window.weight), portfolio)[rows]}

    def tried(kind: str) -> tuple[int, np.ndarray]:
        counted, booster = window.count_trees(OBJECTIVES[kind], _target(kind, found), early, later)
        own = raw_scores(booster, window.numbers, np.flatnonzero(early)) if kind == LOG else np.zeros(0)
        smearing = _smearing(kind, found.share[early], own, window.weight[early])
        return counted, np.exp(raw_scores(booster, window.numbers, np.flatnonzero(rows))) * smearing

    for kind, (counted, share) in zip(
        OBJECTIVES, side_by_side(*(lambda kind=kind: tried(kind) for kind in OBJECTIVES)), strict=True
    ):
        trees[kind], shares[kind] = counted, share
    night = pd.factorize(window.as_of[rows], sort=True)[0]
    debtor = pd.factorize(window.cohort["debtor_id"][rows])[0]
    money = found.money[rows]
    report, taken = {}, {}
    for kind, share in shares.items():
        expected = trial.chance[rows] * np.clip(share, LEAST_SHARE, 1.0) * found.balance[rows]
        taken[kind] = _captured(expected, money, night)
        captured = float(taken[kind].sum() / max(money.sum(), 1e-12))
        report[kind] = {"captured": captured, "off": _money_off(expected, money), "trees": trees[kind]}
    best = max(report, key=lambda kind: report[kind]["captured"])
    least_off = min(entry["off"] for entry in report.values())
    for kind, entry in report.items():
        lost = np.bincount(debtor, weights=taken[best] - taken[kind])
        if lost.sum() <= np.sqrt((lost**2).sum()) and entry["off"] <= least_off + BIAS_SLACK:
            return {"kind": kind, "trees": trees[kind], "trial": report}
    return {"kind": best, "trees": trees[best], "trial": report}


def mean_shares(shares: Mapping[str, float], portfolio: pd.Series) -> np.ndarray:
    """The mean share of each row's portfolio, the overall one for a portfolio not named."""
    names = pd.Categorical(portfolio.astype("str"))
    values = np.array([shares.get(name, shares[""]) for name in names.categories] + [shares[""]])
    return values[names.codes]


def _shares_by_portfolio(
    found: Recoveries, rows: np.ndarray, portfolio: pd.Series, weight: np.ndarray
) -> dict[str, float]:
    """Recovered money ÷ balance of the recovered rows: the share that adds up to the money."""
    held = pd.DataFrame(
        {
            "portfolio": portfolio[rows].to_numpy(),
            "money": (found.money * weight)[rows],
            "balance": (found.balance * weight)[rows],
        }
    )
    overall = held["money"].sum() / held["balance"].sum() if held["balance"].sum() > 0 else 0.5
    sums = held.groupby("portfolio", sort=True).agg(
        money=("money", "sum"), balance=("balance", "sum"), rows=("money", "size")
    )
    mixed = PRIOR_RECOVERIES * sums["balance"] / sums["rows"]
    share = (sums["money"] + mixed * overall) / (sums["balance"] + mixed)
    return {"": float(overall), **{str(name): float(value) for name, value in share.items()}}


def _target(kind: str, found: Recoveries) -> np.ndarray:
    share = np.where(found.rows, np.maximum(found.share, LEAST_SHARE), 1.0)
    return np.log(share) if kind == LOG else share


def _smearing(kind: str, share: np.ndarray, logs: np.ndarray, weight: np.ndarray) -> float:
    if kind != LOG or not len(share):
        return 1.0
    return float((share / np.exp(logs) * weight).sum() / weight.sum())


def _captured(expected: np.ndarray, money: np.ndarray, night: np.ndarray) -> np.ndarray:
    """Money of each row that the lists of CAPTURE_SHARES reach, averaged over those capacities."""
    order = np.lexsort((-expected, night))
    size = np.bincount(night)
    place = np.empty(len(night))
    place[order] = np.arange(len(night)) - np.repeat(np.cumsum(size) - size, size)
    depth = (place + 1) / size[night]
    return money * np.mean([depth <= share for share in CAPTURE_SHARES], axis=0)


def _money_off(expected: np.ndarray, money: np.ndarray) -> float:
    """Sum over tenths of expected money of |realised - predicted|, as a share of the realised,
    once the whole agrees.
    """
    if expected.sum() <= 0 or money.sum() <= 0:
        return 0.0
    scaled = expected * (money.sum() / expected.sum())
    tenth = np.minimum(np.argsort(np.argsort(expected, kind="stable"), kind="stable") * 10 // len(expected), 9)
    gap = np.bincount(tenth, weights=money - scaled, minlength=10)
    return float(np.abs(gap).sum() / money.sum())


def _money_factor(
    chance: np.ndarray, share: np.ndarray, found: Recoveries, debtors: pd.Series, weight: np.ndarray
) -> float:
    """The factor on the share at which P x amount adds up to the realised money,
    drawn towards 1 by its own uncertainty.

    Uncertainty by debtor: the variance of log(realised ÷ predicted) from the debtors' own differences, against LEVEL_SD
    squared.
    """
    exposure, realised = chance * found.balance * weight, found.money * weight
    if realised.sum() <= 0 or exposure.sum() <= 0:
        return 1.0
    low, high = np.log(0.1), np.log(10.0)
    for _ in range(60):  # predicted money grows with the factor, up to the cap
        middle = (low + high) / 2
        if (exposure * np.minimum(share * np.exp(middle), 1.0)).sum() < realised.sum():
            low = middle
        else:
            high = middle
    predicted = exposure * np.minimum(share * np.exp(middle), 1.0)
    gaps = np.bincount(pd.factorize(debtors)[0], weights=realised - predicted)
    variance = (gaps**2).sum() / predicted.sum() ** 2
    return float(np.exp(middle * LEVEL_SD**2 / (LEVEL_SD**2 + variance)))


def _with_interval(head: AmountHead, unseen: np.ndarray, found: Recoveries) -> AmountHead:
    """Split-conformal: quantiles of realised ÷ predicted share on debtors not fitted on,
    by third of the predicted share.
    """
    rows = found.rows
    predicted, ratio = unseen[rows], found.share[rows] / unseen[rows]
    if len(predicted) < 60:
        return head
    edges = np.unique(np.quantile(predicted, (1 / 3, 2 / 3)))
    third = np.searchsorted(edges, predicted, side="right")
    tail = (1 - COVERAGE) / 2
    low, high = [], []
    for part in range(len(edges) + 1):
        inside = ratio[third == part] if (third == part).any() else ratio
        low.append(float(np.quantile(inside, tail, method="lower")))
        high.append(float(np.quantile(inside, 1 - tail, method="higher")))
    return replace(head, edges=tuple(float(edge) for edge in edges), low=tuple(low), high=tuple(high))
