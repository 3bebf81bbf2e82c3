"""What going on as today is worth: the share of a debt that comes in within a horizon, less what our contacts cost.

Each head tells of what was left at one horizon the share that comes by the next: what came ÷ what was left, each row
weighed by what was left of it. The product of what stays open is then the expected rest of the debt, and never rises
with the horizon, whatever the heads say. Nights whose horizon is not over teach as far as they have lived, so that the
late development of young debts is that of older ones, as in a chain ladder (Mack, ASTIN Bulletin, 1993); what came of
accounts that left the house is in models.liquidation. A column that has moved since the nights that teach a head is
kept from it: what a debtor "ever" did says more in a long history than in a short one. The level is that of the newest
money, in each book, and apart where something is agreed: whoever keeps a plan says nothing of who has none.

The interval is one of the expectation. In each part and third of expected shares it spans how far debtors unseen by the
boosters were off (by debtor), drawn to none where few debtors speak; how far one night was off against another, beyond
what chance explains; and how far the year ahead is believed to lie off the history (YEAR_SD), which no history shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from features.cohort import BUCKETS, bucket
from features.days import day_text
from models.bare import lightgbm
from models.boosting import FitWindow, booster_of, raw_scores, row_weights
from models.calibration import expit
from models.drift import SHIFTED, Reference
from models.encoding import Encoder
from models.folder import CONTINUATION_FILES
from models.lesson import Teaching, withheld_of
from models.liquidation import HORIZONS, LOOKS, WIDE, Followed, ratio_by_debtor, until

MONTH = 30
MOST_TREES = 120
OBJECTIVE = {"objective": "cross_entropy", "metric": "cross_entropy"}
LEAST_PAYERS = 100  # debtors of whom money came between two horizons: below, nothing is told of the later one
LEVEL_SD = 0.25  # how far a book, or a part of it, is believed to lie off before its own debtors prove it
YEAR_SD = 0.15  # how far a year is believed to lie off those before it: ours, for a history shows one or two
THIRDS = (1 / 3, 2 / 3)
NEWEST_DAYS = 90  # nights that say how a column lies today
LEVEL_DAYS = 365  # whose money says how much comes, all seasons in it
ALL = ""  # of a part that taught nothing
AGREED = " (agreed)"  # of a book, its accounts with a plan that runs or a promise that is open
AGREED_COLUMNS = ("plan_on", "promise_open")
OUTBOUND = ("contacts_count_outbound_30d", "contacts_count_30d")
PACE_COLUMNS = {
    name: f"contacts_count_{name}_30d" for name in ("call", "autodial", "sms", "email", "voicemail", "letter", "visit")
}
WORTH_COLUMNS = ("continuation", "continuation_low", "continuation_high")


@dataclass(frozen=True)
class Step:
    """Of what was left at one horizon, what comes by the next. levels: part -> factor on that share."""

    booster: lightgbm.Booster
    trees: int
    levels: Mapping[str, float]

    def share(self, raw: np.ndarray, parts: pd.Series) -> np.ndarray:
        return np.minimum(expit(raw) * _by_part(self.levels, parts), 1.0)


@dataclass(frozen=True)
class Spread:
    """How far money through a horizon lies off what is expected: edges of the thirds of expected shares; parts: part ->
    [thirds, 2], the least and most that comes ÷ expected.
    """

    edges: tuple[float, ...]
    parts: Mapping[str, np.ndarray]

    def ends(self, share: np.ndarray, parts: pd.Series) -> tuple[np.ndarray, np.ndarray]:
        third = np.searchsorted(self.edges, share, side="right")
        codes, names = pd.factorize(parts)
        held = np.stack([self.parts.get(str(name), self.parts[ALL]) for name in names]) if len(names) else None
        found = np.ones((0, 2)) if held is None else held[codes, third]
        return found[:, 0], found[:, 1]


@dataclass(frozen=True)
class ContinuationHead:
    """steps and spreads: one for each of the first HORIZONS; pace: part -> [buckets, channels of PACE_COLUMNS], our
    contacts with an account in a month.
    """

    encoder: Encoder
    steps: tuple[Step, ...]
    spreads: tuple[Spread, ...]
    pace: Mapping[str, np.ndarray]
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def reached_days(self) -> int:
        """The longest horizon that history could teach."""
        return HORIZONS[len(self.steps) - 1]

    @property
    def columns(self) -> tuple[str, ...]:
        return self.encoder.names

    def shares(self, matrix: pd.DataFrame, cohort: pd.DataFrame) -> np.ndarray:
        """float64[rows, horizons reached]: share of the balance that comes within each; it never falls."""
        numbers, parts = self.encoder.encode(matrix, cohort), parts_of(matrix, cohort, self.columns)
        left = [1 - step.share(raw_scores(step.booster, numbers), parts) for step in self.steps]
        return 1 - np.cumprod(np.stack(left, axis=1), axis=1)

    def between(self, matrix: pd.DataFrame, cohort: pd.DataFrame, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The ends of the same shares, [rows, horizons reached] each."""
        parts = parts_of(matrix, cohort, self.columns)
        ends = [spread.ends(share[:, place], parts) for place, spread in enumerate(self.spreads)]
        low, high = (share * np.stack(each, axis=1) for each in zip(*ends, strict=True))
        return low, high

    def worth(
        self,
        matrix: pd.DataFrame,
        cohort: pd.DataFrame,
        horizon_days: int,
        annual_rate: float,
        costs: Mapping[str, float],
    ) -> pd.DataFrame:
        """WORTH_COLUMNS, int64 minor units of the account: what comes within horizon_days (within those reached, where
        they are fewer), discounted to the night, less our contacts at the pace of today while the debt is open.

        costs: channel -> reporting units of one attempt. Money comes in the middle between two horizons. Below 0 where
        the contacts cost more than what comes.
        """
        share = np.concatenate([np.zeros((len(cohort), 1)), self.shares(matrix, cohort)], axis=1)
        days = min(horizon_days, self.reached_days)
        ends, share = until(np.array([0, *HORIZONS[: len(self.steps)]]), share, days)
        discount = (1 + annual_rate) ** (-(ends[1:] + ends[:-1]) / 2 / 365.0)
        balance = cohort["balance"].to_numpy(np.float64)
        money = balance * (np.diff(share, axis=1) @ discount)
        open_ = 1 - (share[:, 1:] + share[:, :-1]) / 2
        parts = parts_of(matrix, cohort, self.columns)
        cost = self._monthly_cost(cohort, parts, costs) * (open_ @ (np.diff(ends) / MONTH * discount))
        spread = self.spreads[int(np.searchsorted(HORIZONS, days))]
        low, high = spread.ends(share[:, -1], parts)
        worth = [money - cost, money * low - cost, np.minimum(money * high, balance) - cost]
        whole = [np.rint(each).astype(np.int64) for each in worth]
        told = dict(
            zip(WORTH_COLUMNS, (whole[0], np.minimum(whole[1], whole[0]), np.maximum(whole[2], whole[0])), strict=True)
        )
        return pd.DataFrame(told, index=cohort.index)

    def _monthly_cost(self, cohort: pd.DataFrame, parts: pd.Series, costs: Mapping[str, float]) -> np.ndarray:
        """Minor units of the account."""
        each = np.array([costs.get(name, 0.0) for name in PACE_COLUMNS])
        codes, names = pd.factorize(parts)
        if not len(names):
            return np.zeros(0)
        pace = np.stack([self.pace.get(str(name), self.pace[ALL]) for name in names]) @ each
        place = bucket(cohort["days_past_due"]).codes
        return pace[codes, place] / self.encoder.money.per_minor(cohort["currency"])

    def files(self) -> dict[str, bytes]:
        texts = [step.booster.model_to_string().encode() for step in self.steps]
        return dict(zip(CONTINUATION_FILES, texts, strict=False))

    def card(self) -> dict[str, Any]:
        return {
            "encoder": self.encoder.card(),
            "steps": [{"trees": step.trees, "levels": dict(step.levels)} for step in self.steps],
            "spreads": [
                {"edges": list(each.edges), "parts": {part: ends.tolist() for part, ends in each.parts.items()}}
                for each in self.spreads
            ],
            "channels": list(PACE_COLUMNS),
            "pace": {part: pace.tolist() for part, pace in self.pace.items()},
            "facts": dict(self.facts),
        }

    @classmethod
    def from_card(cls, card: Mapping[str, Any], files: Mapping[str, bytes]) -> ContinuationHead:
        texts = [files[name].decode() for name, _ in zip(CONTINUATION_FILES, card["steps"], strict=False)]
        return cls(
            Encoder.from_card(card["encoder"]),
            tuple(
                Step(booster_of(text), step["trees"], step["levels"])
                for step, text in zip(card["steps"], texts, strict=True)
            ),
            tuple(
                Spread(tuple(each["edges"]), {part: np.array(ends) for part, ends in each["parts"].items()})
                for each in card["spreads"]
            ),
            {part: np.array(pace) for part, pace in card["pace"].items()},
            card["facts"],
        )


def parts_of(matrix: pd.DataFrame, cohort: pd.DataFrame, columns: Sequence[str]) -> pd.Series:
    """str per row: its book, AGREED apart, by those of AGREED_COLUMNS that the head was taught (columns)."""
    agreed = np.zeros(len(cohort), bool)
    for name in AGREED_COLUMNS:
        if name in columns:
            agreed |= matrix[name].to_numpy(np.float64) > 0
    return pd.Series(cohort["portfolio"].astype("str").to_numpy(object) + np.where(agreed, AGREED, ""), dtype="str")


def _by_part(factors: Mapping[str, float], parts: pd.Series) -> np.ndarray:
    codes, names = pd.factorize(parts)
    return np.array([factors.get(str(name), factors[ALL]) for name in names])[codes] if len(names) else np.zeros(0)


# ---- teaching --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fitted:
    """head: None where nothing could be taught: why says so.

    rows: places of the rows that taught, parts: of each; share, low, high: what each is expected to bring by horizon,
    by boosters, levels and spreads that had not seen its debtor, [rows, horizons reached].
    """

    head: ContinuationHead | None
    why: str = ""
    rows: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    share: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    low: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    high: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))


def fit_continuation(
    matrix: pd.DataFrame,
    cohort: pd.DataFrame,
    followed: Followed,
    teaching: Teaching,
    like: ContinuationHead | None = None,
) -> Fitted:
    """The head, taught on the rows that were followed for the first horizon.

    Rows are aligned by position, their order is free. A horizon is taught where LEAST_PAYERS debtors brought money
    since the one before; the first that is not ends them. like: an earlier fit whose numbers of trees are kept.
    """
    balance = cohort["balance"].to_numpy(np.float64)
    first = LOOKS.index(HORIZONS[0])
    rows = np.flatnonzero((~np.isnan(followed.came[:, first]) | followed.left[:, first]) & (balance > 0))
    rows = rows[np.lexsort((cohort["account_no"].to_numpy()[rows], cohort["as_of"].to_numpy()[rows]))]
    if not len(rows):
        return Fitted(None, "no night's first 30 days are over")
    matrix, cohort = (frame.iloc[rows].reset_index(drop=True) for frame in (matrix, cohort))
    followed = followed.only(rows)
    lived = followed.lived(balance[rows], cohort["portfolio"])
    encoder, window = _window(matrix, cohort, (lived.came[:, 0] > 0).astype(float), teaching)
    parts, debtors = parts_of(matrix, cohort, encoder.names), cohort["debtor_id"]
    money = balance[rows] * teaching.money.per_minor(cohort["currency"])
    as_of = cohort["as_of"].to_numpy(np.int64)
    newest = lived.newest(as_of, LEVEL_DAYS)
    steps: list[Step] = []
    left, shares, why, facts = np.ones(len(rows)), [], "", _Facts()
    for horizon in HORIZONS:
        before, stake, came = lived.step(horizon, money * window.weight)
        known = (stake > 0) & (before < 1)
        payers = debtors[known & (came > 0)].nunique()
        if payers < LEAST_PAYERS:
            why = f"{payers} debtors are known to have paid in the days before {horizon}, {LEAST_PAYERS} are needed"
            break
        window, moved = _without_moved(window, as_of, known & (stake > (1 - before) / 2), horizon)
        # Whoever paid in the part that was seen may have paid more than is expected of that part.
        weight = np.where(known, np.maximum(stake, came), 1.0)
        weighed, since = window.with_weight(window.weight * weight), np.where(known, came / weight, 0.0)
        same = like.steps[len(steps)] if like is not None and len(steps) < len(like.steps) else None
        trees = same.trees if same else _trees(weighed, since, known, horizon)
        booster, raw = weighed.grow_and_score(OBJECTIVE, since, known, trees)
        _, lately, money_lately = lived.step(horizon, money * window.weight, newest)
        worth = money * window.weight
        of_parts = (debtors, parts, known, worth * lately * expit(raw), worth * money_lately)
        steps.append(Step(booster, trees, _levels(*of_parts)))
        left = left * (1 - _unseen_share(window.folds, raw, *of_parts))
        shares.append(1 - left)
        facts.add(horizon, known, followed, as_of, moved)
    if not steps:
        return Fitted(None, why)
    share, worth = np.stack(shares, axis=1), money * window.weight
    spreads, low, high = [], np.zeros(share.shape), np.zeros(share.shape)
    for place in range(len(steps)):
        of_rows = (cohort, parts, share[:, place], *lived.against(share, place, worth))
        spreads.append(spread_of(*of_rows))
        for fold in np.unique(window.folds):
            own = window.folds == fold
            unseen = spread_of(*of_rows, rows=~own)
            ends = unseen.ends(share[own, place], parts[own])
            low[own, place], high[own, place] = (share[own, place] * end for end in ends)
    told = {
        "reached_days": HORIZONS[len(steps) - 1],
        "why": why,
        **facts.told,
        "debtors": int(debtors.nunique()),
        "first_night": day_text(int(as_of.min())),
    }
    head = ContinuationHead(encoder, tuple(steps), tuple(spreads), pace_of(matrix, cohort, parts), told)
    return Fitted(head, why, rows, share, low, high)


class _Facts:
    """By horizon: rows that taught it, accounts that left before, the last night, columns kept from it."""

    def __init__(self) -> None:
        self.told: dict[str, dict[str, Any]] = {name: {} for name in ("rows", "left", "last_nights", "moved")}

    def add(self, horizon: int, known: np.ndarray, followed: Followed, as_of: np.ndarray, moved: list[str]) -> None:
        name = str(horizon)
        self.told["rows"][name] = int(known.sum())
        self.told["left"][name] = int(followed.left[:, LOOKS.index(horizon)].sum())
        self.told["last_nights"][name] = day_text(int(as_of[known].max()))
        self.told["moved"][name] = moved


def _window(
    matrix: pd.DataFrame, cohort: pd.DataFrame, paid: np.ndarray, teaching: Teaching
) -> tuple[Encoder, FitWindow]:
    encoder, numbers = Encoder.learn(matrix, cohort, paid, teaching.money_columns, teaching.money, teaching.seed)
    withheld = withheld_of(numbers, encoder.names, cohort["as_of"].nunique())
    numbers[:, [encoder.names.index(name) for name in withheld]] = 0.0
    settings = {**teaching.settings, "n_estimators": min(int(teaching.settings["n_estimators"]), MOST_TREES)}
    weight = row_weights(cohort, teaching.settings.get("recency_half_life_days"))
    return encoder, FitWindow(numbers, cohort, weight, settings, teaching.seed, encoder.names)


def _without_moved(
    window: FitWindow, as_of: np.ndarray, taught: np.ndarray, horizon: int
) -> tuple[FitWindow, list[str]]:
    """The window without the columns that lie otherwise on the newest nights than on the rows that teach a horizon, and
    these. A column that is kept from one horizon is kept from the later ones: it only moves further."""
    newest = as_of > as_of.max() - NEWEST_DAYS
    if horizon == HORIZONS[0] or not taught.any():
        return window, []
    names, none = list(window.names), np.zeros(len(as_of))
    apart = Reference.learn(window.numbers[taught], names, none[taught], as_of[taught]).psi(
        window.numbers[newest], names, none[newest]
    )
    moved = [name for name in names if apart[name] > SHIFTED]
    if not moved:
        return window, []
    window.numbers[:, [names.index(name) for name in moved]] = 0.0
    return replace(window), moved


def _trees(window: FitWindow, came: np.ndarray, known: np.ndarray, horizon: int) -> int:
    early, later = window.early_and_later(known, known & (came > 0), horizon)
    return window.count_trees(OBJECTIVE, came, early, later)[0]


def _levels(
    debtors: pd.Series, parts: pd.Series, known: np.ndarray, expected: np.ndarray, came: np.ndarray
) -> dict[str, float]:
    """Part -> factor at which the shares expected bring what came, drawn to that of all parts (ALL)."""
    found = {ALL: _level(debtors, known, expected, came)}
    names = parts.to_numpy(object)
    for part in np.unique(names[known]):
        own = known & (names == part)
        found[str(part)] = found[ALL] * _level(debtors, own, expected * found[ALL], came)
    return found


def _unseen_share(
    folds: np.ndarray,
    raw: np.ndarray,
    debtors: pd.Series,
    parts: pd.Series,
    known: np.ndarray,
    expected: np.ndarray,
    came: np.ndarray,
) -> np.ndarray:
    """The share of each row at the levels of debtors of other folds."""
    found = np.zeros(len(raw))
    for fold in np.unique(folds):
        own = folds == fold
        levels = _levels(debtors, parts, known & ~own, expected, came)
        found[own] = np.minimum(expit(raw[own]) * _by_part(levels, parts[own]), 1.0)
    return found


def _level(debtors: pd.Series, rows: np.ndarray, expected: np.ndarray, came: np.ndarray) -> float:
    ratio, error = ratio_by_debtor(debtors, rows, expected, came)
    return max(1 + (ratio - 1) * _trust(error), 0.1)


def _trust(error: float) -> float:
    return LEVEL_SD**2 / (LEVEL_SD**2 + error**2)


def spread_of(
    cohort: pd.DataFrame,
    parts: pd.Series,
    share: np.ndarray,
    expected: np.ndarray,
    came: np.ndarray,
    rows: np.ndarray | None = None,
) -> Spread:
    """Of one horizon. share: what is expected by it, by boosters that had not seen the debtor; expected, came: money of
    the days that were seen (Lived.against); rows: which speak, those of whom something is expected if None."""
    known = expected > 0 if rows is None else rows & (expected > 0)
    edges = tuple(float(edge) for edge in np.unique(np.quantile(share[known], THIRDS)))
    third = np.searchsorted(edges, share, side="right")
    names = parts.to_numpy(object)
    wander = _wander(cohort, known, names, expected, came)
    found = {}
    for part in (ALL, *np.unique(names[known])):
        own = known if part == ALL else known & (names == part)
        found[str(part)] = np.array(
            [
                _ends(cohort["debtor_id"], own & (third == each), expected, came, wander)
                for each in range(len(edges) + 1)
            ]
        )
    return Spread(edges, found)


def _ends(
    debtors: pd.Series, rows: np.ndarray, expected: np.ndarray, came: np.ndarray, wander: float
) -> tuple[float, float]:
    """The least and the most that comes ÷ expected, 1 between them."""
    ratio, error = ratio_by_debtor(debtors, rows, expected, came)
    trust = _trust(error)
    middle = 1 + (ratio - 1) * trust
    # What debtors leave unsure of the level; LEVEL_SD itself where none speaks.
    unsure = LEVEL_SD if not np.isfinite(error) else LEVEL_SD * error / np.hypot(LEVEL_SD, error)
    wide = WIDE * float(np.sqrt(unsure**2 + wander**2 + YEAR_SD**2))
    return max(min(middle - wide, 1.0), 0.0), max(middle + wide, 1.0)


def _wander(
    cohort: pd.DataFrame, known: np.ndarray, parts: np.ndarray, expected: np.ndarray, came: np.ndarray
) -> float:
    """Standard deviation of a night's came ÷ expected in its part, beyond what its debtors' own chances explain.

    A night's deviation is held against its debtors' own from the same level: the sum of their squares is what chance
    makes of it, and of a common shock as much as one of them is of the night (Σ of squared parts of the expectation).
    So a night of one debtor says nothing, whatever he paid. Nights weigh by what chance makes of their like in all of
    the part: by their own, those with a large payment would weigh least, and the others seem to wander.
    """
    night = cohort["as_of"].to_numpy()
    debtors, _ = pd.factorize(cohort["debtor_id"])
    beyond, weight = 0.0, 0.0
    for part in np.unique(parts[known]):
        own = known & (parts == part)
        level = came[own].sum() / expected[own].sum()
        whose = pd.DataFrame({"night": night[own], "who": debtors[own], "told": expected[own], "came": came[own]})
        each = whose.groupby(["night", "who"])[["told", "came"]].sum()
        nights = each["told"].groupby("night").transform("sum")
        told, apart = each["told"] / nights, (each["came"] - level * each["told"]) / nights
        squares = pd.DataFrame({"told": told**2, "chance": apart**2, "apart": apart}).groupby("night").sum()
        usual = (squares["chance"] / squares["told"]).mean()
        trust = 1 / (LEVEL_SD**2 + usual * squares["told"])
        beyond += float((trust * (squares["apart"] ** 2 - squares["chance"])).sum())
        weight += float((trust * (1 - squares["told"])).sum())
    return float(np.sqrt(max(beyond / weight, 0.0))) if weight > 0 else 0.0


def pace_of(matrix: pd.DataFrame, cohort: pd.DataFrame, parts: pd.Series) -> dict[str, np.ndarray]:
    """Part -> [buckets, channels] of our own contacts with an account in a month; a bucket that a part did not show has
    those of all. Without a log of contacts 0.
    """
    if OUTBOUND[0] not in matrix:
        return {ALL: np.zeros((len(BUCKETS), len(PACE_COLUMNS)))}
    counts = np.column_stack([np.nan_to_num(matrix[name].to_numpy(np.float64)) for name in PACE_COLUMNS.values()])
    ours, every = (np.nan_to_num(matrix[name].to_numpy(np.float64)) for name in OUTBOUND)
    place = np.asarray(bucket(cohort["days_past_due"]).codes)
    names = parts.to_numpy(object)
    newest = cohort["as_of"].to_numpy() > cohort["as_of"].max() - HORIZONS[-1]

    def paces(rows: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
        found = otherwise.copy()
        for at in range(len(BUCKETS)):
            own = rows & (place == at)
            if own.any():
                found[at] = counts[own].mean(axis=0) * ours[own].sum() / max(every[own].sum(), 1.0)
        return found

    whole = paces(newest, np.zeros((len(BUCKETS), len(PACE_COLUMNS))))
    return {ALL: whole, **{str(part): paces(newest & (names == part), whole) for part in np.unique(names[newest])}}
