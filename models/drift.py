"""Has the population moved? PSI of every feature and of the score against bins fixed at training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

BINS = 10
FLOOR = 1e-4  # share read for an empty bin: PSI takes logs
SHIFTED, MOVED = 0.25, 0.1  # the trade's thresholds: above 0.25 another population, 0.1 to 0.25 worth a look
SCORE = "p_recovered"
MOST_ROWS = 20_000  # evenly spaced rows of the fit window that fix the bins


@dataclass(frozen=True)
class Reference:
    """Ten bins per column (and the score) as training saw them: inner edges, and the share of rows in each bin,
    missing last.

    Edges are tenths of the fit rows; columns with few values have fewer bins. A value on an edge belongs to the bin
    above it.
    """

    edges: Mapping[str, tuple[float, ...]]
    shares: Mapping[str, tuple[float, ...]]

    @classmethod
    def learn(
        cls,
        numbers: np.ndarray,
        names: Sequence[str],
        score: np.ndarray,
        instead: Mapping[str, np.ndarray] | None = None,
    ) -> Reference:
        """numbers: [rows, columns] by `names`; instead: column -> other values of the same rows."""
        step = max(len(score) // MOST_ROWS, 1)
        columns = {name: numbers[::step, position] for position, name in enumerate(names)}
        columns |= {name: column[::step] for name, column in (instead or {}).items()} | {SCORE: score[::step]}
        edges = {name: _edges(column) for name, column in columns.items()}
        shares = {
            name: tuple(float(share) for share in binned_shares(column, edges[name]))
            for name, column in columns.items()
        }
        return cls(edges, shares)

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
        }

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> Reference:
        return cls(*({name: tuple(held) for name, held in card[part].items()} for part in ("edges", "shares")))


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


def _edges(column: np.ndarray) -> tuple[float, ...]:
    present = column[~np.isnan(column)]
    if not len(present):
        return ()
    inner = np.unique(np.quantile(present, np.linspace(0, 1, BINS + 1)[1:-1], method="higher"))
    return tuple(float(edge) for edge in inner[inner > present.min()])
