"""Has the population moved? PSI of every feature and of the score against bins fixed at training, beyond what nights
that lie as far apart in the calendar showed of each other in training: a book ages, and a column such as the days
since the first payment only ages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

BINS = 10
FLOOR = 1e-4  # share read for an empty bin: PSI takes logs
SHIFTED, MOVED = 0.25, 0.1  # the trade's thresholds: above 0.25 another population, 0.1 to 0.25 worth a look
SCORE = "p_recovered"
MOST_ROWS = 20_000  # evenly spaced rows of the fit window that fix the bins
MONTH, MONTHS = 28, 7  # days of a training month, whole weeks, counted back from the last night; how many are kept
PAIRS = 3  # newest pairs of training months of a distance that say what is usual
# PSI of two samples of one population is about chi-square with BINS - 1 degrees of freedom, times 1/n + 1/m: what one
# in 50,000 exceeds, for a night looks at hundreds of columns.
BY_CHANCE = 38.0


@dataclass(frozen=True)
class Reference:
    """Ten bins per column (and the score) as training saw them: inner edges, and the share of rows in each bin,
    missing last; of all rows, and of each of the last training months, newest first.

    Edges are tenths of the fit rows; columns with few values have fewer bins. A value on an edge belongs to the bin
    above it. months: column -> shares month by month; rows: of each month; last: the last training night. A reference
    of an earlier version has none.
    """

    edges: Mapping[str, tuple[float, ...]]
    shares: Mapping[str, tuple[float, ...]]
    months: Mapping[str, tuple[tuple[float, ...], ...]] = field(default_factory=dict)
    places: tuple[int, ...] = ()  # how many months back each of them lies
    rows: tuple[int, ...] = ()
    last: int = 0

    @classmethod
    def learn(
        cls,
        numbers: np.ndarray,
        names: Sequence[str],
        score: np.ndarray,
        nights: np.ndarray,
        instead: Mapping[str, np.ndarray] | None = None,
        rows: np.ndarray | None = None,
    ) -> Reference:
        """numbers: [rows, columns] by `names`; nights: as_of of the rows, days; instead: column -> other values of the
        same rows. rows: places in numbers of those that score, nights and instead are of, taken column by column; all
        if None.
        """
        step, other = max(len(score) // MOST_ROWS, 1), {**(instead or {}), SCORE: score}
        edges, shares, months = {}, {}, {}
        last = int(nights.max()) if len(nights) else 0
        back = (last - nights) // MONTH
        places = np.unique(back)[:MONTHS]
        of_month = [np.flatnonzero(back == place) for place in places]
        of_month = [own[:: max(len(own) // MOST_ROWS, 1)] for own in of_month]
        for position, name in enumerate((*names, SCORE)):
            column = other.get(name)
            if column is None:
                column = numbers[:, position] if rows is None else numbers[rows, position]
            edges[name] = _edges(column[::step])
            shares[name] = _told(binned_shares(column[::step], edges[name]))
            months[name] = tuple(_told(binned_shares(column[own], edges[name])) for own in of_month)
        return cls(edges, shares, months, tuple(map(int, places)), tuple(map(len, of_month)), last)

    def moved(self, name: str, share: np.ndarray, rows: int, night: int) -> float:
        """PSI of a night's shares against the last training month, less what chance shows of so many rows, and less
        what training months as far apart showed of each other: the most of the newest PAIRS; of a night that is further
        from training than any two of its months, that of the longest distance, growing with its square as a steady
        ageing does. Below 0 where it is as usual.
        """
        if not self.rows:
            return psi(np.array(self.shares[name]), share) - BY_CHANCE / rows
        months = [np.array(own) for own in self.months[name]]
        return _beyond_chance(months[0], share, self.rows[0], rows) - self._usual(months, night)

    def _usual(self, months: Sequence[np.ndarray], night: int) -> float:
        asked = (night - self.last) / MONTH
        apart: dict[int, list[tuple[int, int]]] = {}
        for newer, place in enumerate(self.places):
            for older in range(newer + 1, len(self.places)):
                apart.setdefault(self.places[older] - place, []).append((newer, older))
        if not apart:
            return 0.0
        far = min((each for each in apart if each >= asked), default=max(apart))
        usual = max(
            _beyond_chance(months[newer], months[older], self.rows[newer], self.rows[older])
            for newer, older in apart[far][:PAIRS]
        )
        return max(usual, 0.0) * max(asked / far, 1.0) ** 2

    def psi(self, numbers: np.ndarray, names: Sequence[str], score: np.ndarray) -> dict[str, float]:
        """PSI per column, the score under its own name; 0 for no rows."""
        columns = {**{name: numbers[:, position] for position, name in enumerate(names)}, SCORE: score}
        if not len(score):
            return dict.fromkeys(columns, 0.0)
        return {
            name: psi(np.array(self.shares[name]), binned_shares(column, self.edges[name]))
            for name, column in columns.items()
        }

    def card(self) -> dict[str, Any]:
        return {
            "edges": {name: list(held) for name, held in self.edges.items()},
            "shares": {name: list(held) for name, held in self.shares.items()},
            "months": {name: [list(own) for own in held] for name, held in self.months.items()},
            "places": list(self.places),
            "rows": list(self.rows),
            "last": self.last,
        }

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> Reference:
        edges, shares = ({name: tuple(held) for name, held in card[part].items()} for part in ("edges", "shares"))
        months = {name: tuple(map(tuple, held)) for name, held in card.get("months", {}).items()}
        return cls(
            edges, shares, months, tuple(card.get("places", ())), tuple(card.get("rows", ())), card.get("last", 0)
        )


def psi(expected: np.ndarray, actual: np.ndarray) -> float:
    """Population stability index of two vectors of bin shares: sum of (actual - expected) x ln(actual / expected)."""
    expected, actual = np.maximum(expected, FLOOR), np.maximum(actual, FLOOR)
    return float(((actual - expected) * np.log(actual / expected)).sum())


def binned_shares(column: np.ndarray, edges: Sequence[float]) -> np.ndarray:
    """Share of rows per bin, the missing in a bin of their own at the end."""
    return bin_counts(column, edges) / max(len(column), 1)


def bin_counts(column: np.ndarray, edges: Sequence[float]) -> np.ndarray:
    """Rows per bin, the missing in a bin of their own at the end."""
    inner = np.array(edges, dtype=np.float64)
    bins = np.where(np.isnan(column), len(inner) + 1, np.searchsorted(inner, column, side="right"))
    return np.bincount(bins, minlength=len(inner) + 2)


def _beyond_chance(expected: np.ndarray, actual: np.ndarray, rows: int, others: int) -> float:
    return psi(expected, actual) - BY_CHANCE * (1 / rows + 1 / others)


def _told(shares: np.ndarray) -> tuple[float, ...]:
    return tuple(round(float(share), 5) for share in shares)


def _edges(column: np.ndarray) -> tuple[float, ...]:
    present = column[~np.isnan(column)]
    if not len(present):
        return ()
    inner = np.unique(np.quantile(present, np.linspace(0, 1, BINS + 1)[1:-1], method="higher"))
    return tuple(float(edge) for edge in inner[inner > present.min()])
