"""What going on as today is worth: the share of a debt that comes in within a horizon, less what our contacts cost.

Each head tells of what was left at one horizon the share that comes by the next: what came ÷ what was left, each row
weighed by what was left of it. The product of what stays open is then the expected rest of the debt, and never rises
with the horizon, whatever the heads say. Nights whose horizon is not over teach the heads of shorter ones alone, so
that the late development of young debts is that of older ones, as in a chain ladder (Mack, ASTIN Bulletin, 1993). An
account that leaves the house teaches as long as it was there: mostly those leave who do not pay, and without them what
comes would seem more than it is.

The interval is one of the expectation. In each book and third of expected shares it spans how far debtors unseen by the
boosters were off (by debtor), drawn to none where few debtors speak, and how far one night was off against another,
beyond what chance explains. A shock that all nights of the history share is in no interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import lightgbm
import numpy as np
import pandas as pd

from features.cohort import BUCKETS, bucket
from features.days import date_of, day_text
from models.boosting import FitWindow, booster_of, raw_scores, row_weights
from models.calibration import expit
from models.encoding import Encoder
from models.folder import CONTINUATION_FILES
from models.lesson import Teaching, withheld_of

HORIZONS = (30, 90, 180, 365)  # days; of each a head that tells what comes since the one before
LOOKS = (*range(30, 361, 30), HORIZONS[-1])  # days at which it is looked how much has come
LEFT = ("agency", "sold", "recalled")  # of features.labels.WHY_MISSING: the account was no longer ours to follow
MONTH = 30
MOST_TREES = 120
OBJECTIVE = {"objective": "cross_entropy", "metric": "cross_entropy"}
LEAST_PAYERS = 100  # debtors of whom money came between two horizons: below, nothing is told of the later one
LEVEL_SD = 0.25  # how far a book, or a part of it, is believed to lie off before its own debtors prove it
THIRDS = (1 / 3, 2 / 3)
WIDE = 1.96  # standard errors to each side
BY_DEBTORS, BY_NIGHTS = "debtors not seen", "later nights"  # whom the boosters that foretold a vintage had not seen
ALL = ""  # of a book that taught nothing
OUTBOUND = ("contacts_count_outbound_30d", "contacts_count_30d")
PACE_COLUMNS = {
    name: f"contacts_count_{name}_30d" for name in ("call", "autodial", "sms", "email", "voicemail", "letter", "visit")
}
WORTH_COLUMNS = ("continuation", "continuation_low", "continuation_high")


@dataclass(frozen=True)
class Step:
    """Of what was left at one horizon, what comes by the next. books: book -> factor on that share."""

    booster: lightgbm.Booster
    trees: int
    books: Mapping[str, float]

    def share(self, raw: np.ndarray, books: pd.Series) -> np.ndarray:
        return np.minimum(expit(raw) * _by_book(self.books, books), 1.0)


@dataclass(frozen=True)
class Spread:
    """How far money through a horizon lies off what is expected: edges of the thirds of expected shares; parts: book ->
    [thirds, 2], the least and most that comes ÷ expected.
    """

    edges: tuple[float, ...]
    parts: Mapping[str, np.ndarray]

    def ends(self, share: np.ndarray, books: pd.Series) -> tuple[np.ndarray, np.ndarray]:
        third = np.searchsorted(self.edges, share, side="right")
        codes, names = pd.factorize(books.astype("str"))
        held = np.stack([self.parts.get(str(name), self.parts[ALL]) for name in names]) if len(names) else None
        found = np.ones((0, 2)) if held is None else held[codes, third]
        return found[:, 0], found[:, 1]


@dataclass(frozen=True)
class ContinuationHead:
    """steps and spreads: one for each of the first HORIZONS; pace: book -> [buckets, channels of PACE_COLUMNS], our
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
        numbers, books = self.encoder.encode(matrix, cohort), cohort["portfolio"]
        left = [1 - step.share(raw_scores(step.booster, numbers), books) for step in self.steps]
        return 1 - np.cumprod(np.stack(left, axis=1), axis=1)

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
        ends, share = _until(np.array([0, *HORIZONS[: len(self.steps)]]), share, days)
        discount = (1 + annual_rate) ** (-(ends[1:] + ends[:-1]) / 2 / 365.0)
        balance = cohort["balance"].to_numpy(np.float64)
        money = balance * (np.diff(share, axis=1) @ discount)
        open_ = 1 - (share[:, 1:] + share[:, :-1]) / 2
        cost = self._monthly_cost(cohort, costs) * (open_ @ (np.diff(ends) / MONTH * discount))
        spread = self.spreads[int(np.searchsorted(HORIZONS, days))]
        low, high = spread.ends(share[:, -1], cohort["portfolio"])
        worth = [money - cost, money * low - cost, np.minimum(money * high, balance) - cost]
        whole = [np.rint(each).astype(np.int64) for each in worth]
        told = dict(
            zip(WORTH_COLUMNS, (whole[0], np.minimum(whole[1], whole[0]), np.maximum(whole[2], whole[0])), strict=True)
        )
        return pd.DataFrame(told, index=cohort.index)

    def _monthly_cost(self, cohort: pd.DataFrame, costs: Mapping[str, float]) -> np.ndarray:
        """Minor units of the account."""
        each = np.array([costs.get(name, 0.0) for name in PACE_COLUMNS])
        codes, names = pd.factorize(cohort["portfolio"].astype("str"))
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
            "steps": [{"trees": step.trees, "books": dict(step.books)} for step in self.steps],
            "spreads": [
                {"edges": list(each.edges), "parts": {book: part.tolist() for book, part in each.parts.items()}}
                for each in self.spreads
            ],
            "channels": list(PACE_COLUMNS),
            "pace": {book: part.tolist() for book, part in self.pace.items()},
            "facts": dict(self.facts),
        }

    @classmethod
    def from_card(cls, card: Mapping[str, Any], files: Mapping[str, bytes]) -> ContinuationHead:
        texts = [files[name].decode() for name, _ in zip(CONTINUATION_FILES, card["steps"], strict=False)]
        return cls(
            Encoder.from_card(card["encoder"]),
            tuple(
                Step(booster_of(text), step["trees"], step["books"])
                for step, text in zip(card["steps"], texts, strict=True)
            ),
            tuple(
                Spread(tuple(each["edges"]), {book: np.array(part) for book, part in each["parts"].items()})
                for each in card["spreads"]
            ),
            {book: np.array(part) for book, part in card["pace"].items()},
            card["facts"],
        )


def _by_book(factors: Mapping[str, float], books: pd.Series) -> np.ndarray:
    codes, names = pd.factorize(books.astype("str"))
    return np.array([factors.get(str(name), factors[ALL]) for name in names])[codes] if len(names) else np.zeros(0)


def _until(ends: np.ndarray, share: np.ndarray, days: float) -> tuple[np.ndarray, np.ndarray]:
    """(ends, shares) through a day: between two horizons what is left falls at an even pace. share: [rows, ends]."""
    last = int(np.searchsorted(ends, days))
    if ends[last] == days:
        return ends[: last + 1], share[:, : last + 1]
    part = (days - ends[last - 1]) / (ends[last] - ends[last - 1])
    left = (1 - share[:, last - 1]) ** (1 - part) * (1 - share[:, last]) ** part
    return np.append(ends[:last], days), np.column_stack([share[:, :last], 1 - left])


# ---- teaching --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Followed:
    """came: float64[rows, LOOKS], minor units that came by then, NaN where not known; left: bool[rows, LOOKS], not
    known because the account left the house, although the day is over.
    """

    came: np.ndarray
    left: np.ndarray

    def only(self, rows: np.ndarray) -> Followed:
        return Followed(self.came[rows], self.left[rows])

    def known_by(self, as_of: np.ndarray, day: int, maturity_days: int) -> Followed:
        """The same as it was known on a day."""
        over = as_of[:, None] + np.array(LOOKS) + maturity_days <= day
        return Followed(np.where(over, self.came, np.nan), self.left & over)

    def through(self, balance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """([rows, horizons] share of the balance that came by each, days that it tells of: the horizon's, or those
        until the account left; both NaN where the horizon is not over).

        What was taken back later had not come before either, so that no share falls. An account that left between two
        looks is taken to have stayed half of the time between them, and to have paid nothing in it.
        """
        share = np.minimum(self.came / balance[:, None], 1.0)
        for place in range(share.shape[1] - 2, -1, -1):
            later = np.fmin(share[:, place], share[:, place + 1])
            share[:, place] = np.where(np.isnan(share[:, place]), np.nan, later)
        came, days = (np.full((len(share), len(HORIZONS)), np.nan) for _ in range(2))
        reached, told = np.zeros(len(share)), np.zeros(len(share))
        for place, look in enumerate(LOOKS):
            known, before = ~np.isnan(share[:, place]), LOOKS[place - 1] if place else 0
            stayed = self.left[:, place] & (reached == before)
            reached = np.where(known, look, np.where(stayed, (before + look) / 2, reached))
            told = np.where(known, share[:, place], told)
            if look in HORIZONS:
                own = known | self.left[:, place]
                column = HORIZONS.index(look)
                came[:, column], days[:, column] = np.where(own, told, np.nan), np.where(own, reached, np.nan)
        return came, days


def share_through(share: np.ndarray, days: np.ndarray) -> np.ndarray:
    """float64 per row: expected by so many days of its own (NaN: unknown). share: [rows, horizons]."""
    found = np.full(len(share), np.nan)
    for day in np.unique(days[~np.isnan(days)]):
        own = days == day
        ends = np.array([0, *HORIZONS[: share.shape[1]]])
        found[own] = _until(ends, np.concatenate([np.zeros((own.sum(), 1)), share[own]], axis=1), float(day))[1][:, -1]
    return found


@dataclass(frozen=True)
class Fitted:
    """head: None where nothing could be taught: why says so. rows: places of the rows that taught, share: what each is
    expected to bring by horizon, by boosters that had not seen its debtor, [rows, horizons reached].
    """

    head: ContinuationHead | None
    why: str = ""
    rows: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    share: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))


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
    came, days = followed.only(rows).through(balance[rows])
    encoder, window = _window(matrix, cohort, (came[:, 0] > 0).astype(float), teaching)
    money = balance[rows] * teaching.money.per_minor(cohort["currency"])
    steps: list[Step] = []
    left, shares, why, begun = np.ones(len(rows)), [], "", 0
    for place, horizon in enumerate(HORIZONS):
        before = came[:, place - 1] if place else np.zeros(len(rows))
        known = (days[:, place] > begun) & (before < 1)
        part = np.where(known, (days[:, place] - begun) / (horizon - begun), 1.0)  # of the days since, at an even pace
        since = (came[:, place] - before) / np.where(before < 1, 1 - before, 1.0) / part
        since = np.where(known, np.minimum(since, 1.0), 0.0)
        payers = cohort["debtor_id"][known & (since > 0)].nunique()
        if payers < LEAST_PAYERS:
            why = f"{payers} debtors are known to have paid in the days before {horizon}, {LEAST_PAYERS} are needed"
            break
        weighed = window.with_weight(window.weight * np.where(known, (1 - before) * part, 1.0))
        same = like.steps[place] if like is not None and place < len(like.steps) else None
        trees = same.trees if same else _trees(weighed, since, known, horizon)
        booster, raw = weighed.grow_and_score(OBJECTIVE, since, known, trees)
        at_stake = money * weighed.weight
        step = Step(booster, trees, _levels(cohort, known, at_stake * expit(raw), at_stake * since))
        steps.append(step)
        left = left * (1 - step.share(raw, cohort["portfolio"]))
        shares.append(1 - left)
        begun = horizon
    if not steps:
        return Fitted(None, why)
    share = np.stack(shares, axis=1)
    spreads = tuple(
        spread_of(cohort, share, came[:, place], days[:, place], money * window.weight, place)
        for place in range(len(steps))
    )
    facts = {
        "reached_days": HORIZONS[len(steps) - 1],
        "why": why,
        "rows": {str(HORIZONS[place]): int((~np.isnan(days[:, place])).sum()) for place in range(len(steps))},
        "left": {str(horizon): int((days[:, at] < horizon).sum()) for at, horizon in enumerate(HORIZONS[: len(steps)])},
        "debtors": int(cohort["debtor_id"].nunique()),
        "last_nights": {
            str(HORIZONS[place]): day_text(int(cohort["as_of"][~np.isnan(days[:, place])].max()))
            for place in range(len(steps))
        },
        "first_night": day_text(int(cohort["as_of"].min())),
    }
    return Fitted(ContinuationHead(encoder, tuple(steps), spreads, pace_of(matrix, cohort), facts), why, rows, share)


def _window(
    matrix: pd.DataFrame, cohort: pd.DataFrame, paid: np.ndarray, teaching: Teaching
) -> tuple[Encoder, FitWindow]:
    encoder, numbers = Encoder.learn(matrix, cohort, paid, teaching.money_columns, teaching.money, teaching.seed)
    withheld = withheld_of(numbers, encoder.names, cohort["as_of"].nunique())
    numbers[:, [encoder.names.index(name) for name in withheld]] = 0.0
    settings = {**teaching.settings, "n_estimators": min(int(teaching.settings["n_estimators"]), MOST_TREES)}
    weight = row_weights(cohort, teaching.settings.get("recency_half_life_days"))
    return encoder, FitWindow(numbers, cohort, weight, settings, teaching.seed, encoder.names)


def _trees(window: FitWindow, came: np.ndarray, known: np.ndarray, horizon: int) -> int:
    early, later = window.early_and_later(known, known & (came > 0), horizon)
    return window.count_trees(OBJECTIVE, came, early, later)[0]


def _levels(cohort: pd.DataFrame, known: np.ndarray, expected: np.ndarray, came: np.ndarray) -> dict[str, float]:
    """Book -> factor at which the shares expected bring what came, drawn to that of all books (ALL)."""
    books = cohort["portfolio"].astype("str").to_numpy()
    found = {ALL: _level(cohort["debtor_id"], known, expected, came)}
    for book in np.unique(books[known]):
        own = known & (books == book)
        found[str(book)] = found[ALL] * _level(cohort["debtor_id"], own, expected * found[ALL], came)
    return found


def _level(debtors: pd.Series, rows: np.ndarray, expected: np.ndarray, came: np.ndarray) -> float:
    ratio, error = _ratio(debtors, rows, expected, came)
    return max(1 + (ratio - 1) * _trust(error), 0.1)


def _trust(error: float) -> float:
    return LEVEL_SD**2 / (LEVEL_SD**2 + error**2)


def _ratio(debtors: pd.Series, rows: np.ndarray, expected: np.ndarray, came: np.ndarray) -> tuple[float, float]:
    """(came ÷ expected, its standard error by debtor); 1 and infinity where nothing is expected."""
    whole = expected[rows].sum()
    if whole <= 0:
        return 1.0, np.inf
    ratio = came[rows].sum() / whole
    apart = np.bincount(pd.factorize(debtors[rows])[0], weights=(came - ratio * expected)[rows])
    return float(ratio), float(np.sqrt((apart**2).sum()) / whole)


def spread_of(
    cohort: pd.DataFrame, share: np.ndarray, came: np.ndarray, days: np.ndarray, money: np.ndarray, place: int
) -> Spread:
    """Of the horizon at `place`. share: [rows, horizons], expected by boosters that had not seen the debtor; came,
    days: of Followed.through; money: of a share of 1.
    """
    known = ~np.isnan(days)
    edges = tuple(float(edge) for edge in np.unique(np.quantile(share[known, place], THIRDS)))
    third = np.searchsorted(edges, share[:, place], side="right")
    expected, real = money * np.nan_to_num(share_through(share, days)), money * np.nan_to_num(came)
    books = cohort["portfolio"].astype("str").to_numpy()
    wander = _wander(cohort, known, books, expected, real)
    parts = {}
    for book in (ALL, *np.unique(books[known])):
        own = known if book == ALL else known & (books == book)
        parts[str(book)] = np.array(
            [
                _ends(cohort["debtor_id"], own & (third == part), expected, real, wander)
                for part in range(len(edges) + 1)
            ]
        )
    return Spread(edges, parts)


def _ends(
    debtors: pd.Series, rows: np.ndarray, expected: np.ndarray, came: np.ndarray, wander: float
) -> tuple[float, float]:
    """The least and the most that comes ÷ expected, 1 between them."""
    ratio, error = _ratio(debtors, rows, expected, came)
    trust = _trust(error)
    middle = 1 + (ratio - 1) * trust
    # What debtors leave unsure of the level; LEVEL_SD itself where none speaks.
    unsure = LEVEL_SD if not np.isfinite(error) else LEVEL_SD * error / np.hypot(LEVEL_SD, error)
    wide = WIDE * float(np.hypot(unsure, wander))
    return max(min(middle - wide, 1.0), 0.0), max(middle + wide, 1.0)


def _wander(
    cohort: pd.DataFrame, known: np.ndarray, books: np.ndarray, expected: np.ndarray, came: np.ndarray
) -> float:
    """Standard deviation of a night's came ÷ expected in its book, beyond what its debtors' own chances explain."""
    night = cohort["as_of"].to_numpy()
    beyond, weight = [], []
    for book in np.unique(books[known]):
        own = known & (books == book)
        level, _ = _ratio(cohort["debtor_id"], own, expected, came)
        for one in np.unique(night[own]):
            rows = own & (night == one)
            ratio, error = _ratio(cohort["debtor_id"], rows, expected, came)
            if np.isfinite(error) and error < 1:
                beyond.append((ratio - level) ** 2 - error**2)
                weight.append(1 / (LEVEL_SD**2 + error**2))
    return float(np.sqrt(max(np.average(beyond, weights=weight), 0.0))) if weight else 0.0


def pace_of(matrix: pd.DataFrame, cohort: pd.DataFrame) -> dict[str, np.ndarray]:
    """Book -> [buckets, channels] of our own contacts with an account in a month; a bucket that a book did not show has
    those of all books. Without a log of contacts 0.
    """
    if OUTBOUND[0] not in matrix:
        return {ALL: np.zeros((len(BUCKETS), len(PACE_COLUMNS)))}
    counts = np.column_stack([np.nan_to_num(matrix[name].to_numpy(np.float64)) for name in PACE_COLUMNS.values()])
    ours, every = (np.nan_to_num(matrix[name].to_numpy(np.float64)) for name in OUTBOUND)
    place = np.asarray(bucket(cohort["days_past_due"]).codes)
    books = cohort["portfolio"].astype("str").to_numpy()
    newest = cohort["as_of"].to_numpy() > cohort["as_of"].max() - HORIZONS[-1]

    def paces(rows: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
        found = otherwise.copy()
        for at in range(len(BUCKETS)):
            own = rows & (place == at)
            if own.any():
                found[at] = counts[own].mean(axis=0) * ours[own].sum() / max(every[own].sum(), 1.0)
        return found

    whole = paces(newest, np.zeros((len(BUCKETS), len(PACE_COLUMNS))))
    return {ALL: whole, **{str(book): paces(newest & (books == book), whole) for book in np.unique(books[newest])}}


# ---- against what came -----------------------------------------------------------------------------------------------

VINTAGE_COLUMNS = (
    "seen",
    "vintage",
    "book",
    "horizon",
    "accounts",
    "debtors",
    "balance",
    "came",
    "came_low",
    "came_high",
    "foretold",
    "low",
    "high",
    "within",
)


def vintages(
    cohort: pd.DataFrame, share: np.ndarray, followed: Followed, spreads: Sequence[Spread], unit: np.ndarray, seen: str
) -> pd.DataFrame:
    """VINTAGE_COLUMNS: per quarter of nights and book (ALL: all of them) and horizon reached, what came ÷ balance, and
    what was foretold.

    share: [rows, horizons]; unit: reporting units per minor unit; seen: whom the boosters had seen. A vintage counts
    once each of its nights has lived through the horizon; an account that left, as long as it was there. came_low,
    came_high: 95 % by debtor. low, high: between what such a vintage is foretold to come, its own debtors' chances
    included; within: it came between them.
    """
    quarter = cohort["as_of"].map({int(night): _quarter(int(night)) for night in cohort["as_of"].unique()}).to_numpy()
    books = cohort["portfolio"].astype("str").to_numpy()
    owed = cohort["balance"].to_numpy(np.float64)
    came, days = followed.through(np.maximum(owed, 1.0))
    balance = owed * unit
    found = []
    for place in range(share.shape[1]):
        known = ~np.isnan(days[:, place])
        lived = cohort["as_of"][days[:, place] == HORIZONS[place]].unique()
        over = cohort["as_of"].isin(lived).groupby(quarter).transform("all").to_numpy()
        real = balance * np.nan_to_num(came[:, place])
        expected = balance * np.nan_to_num(share_through(share, days[:, place]))
        low, high = spreads[place].ends(share[:, place], cohort["portfolio"])
        for vintage in np.unique(quarter[known & over]):
            for book in (ALL, *np.unique(books[known])):
                rows = known & (quarter == vintage) & ((books == book) | (book == ALL))
                whole = balance[rows].sum()
                if whole <= 0 or expected[rows].sum() <= 0:
                    continue
                ratio, error = _ratio(cohort["debtor_id"], rows, balance, real)
                _, chance = _ratio(cohort["debtor_id"], rows, expected, real)
                foretold = expected[rows].sum()
                own = WIDE * chance * foretold
                least = foretold - float(np.hypot(foretold - (expected * low)[rows].sum(), own))
                most = foretold + float(np.hypot((expected * high)[rows].sum() - foretold, own))
                found.append(
                    {
                        "seen": seen,
                        "vintage": str(vintage),
                        "book": str(book),
                        "horizon": HORIZONS[place],
                        "accounts": int(cohort["account_no"][rows].nunique()),
                        "debtors": int(cohort["debtor_id"][rows].nunique()),
                        "balance": float(whole),
                        "came": ratio,
                        "came_low": max(ratio - WIDE * error, 0.0),
                        "came_high": ratio + WIDE * error,
                        "foretold": foretold / whole,
                        "low": max(least, 0.0) / whole,
                        "high": most / whole,
                        "within": bool(least <= real[rows].sum() <= most),
                    }
                )
    return pd.DataFrame(found, columns=list(VINTAGE_COLUMNS))


def _quarter(night: int) -> str:
    day = date_of(night)
    return f"{day.year}-Q{(day.month + 2) // 3}"
