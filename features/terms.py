"""The terms under which figures are computed: plain values that the rooms below pipeline may know of the params."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

BANK_DAYS, DAYS = "bank_days", "days"  # units of promise_grace_days: see features.bank_days
Reach = int | Mapping[str, int]  # last day of a table that is all there: one for all portfolios, or portfolio -> day


def reaches(reach: Mapping[str, int], portfolios: Iterable[str]) -> list[int]:
    """The last complete day for each portfolio. One that the mapping does not name has sent no row yet:
    it reaches as far as the others.
    """
    newest = max(reach.values())
    return [int(reach.get(name, newest)) for name in portfolios]


@dataclass(frozen=True)
class Terms:
    """What the ledger and the features need besides the tables.

    promise_grace_days   days after promise_due_on in which money still keeps a promise
    promise_grace_unit   bank_days or days: see features.bank_days
    holidays             place -> day numbers on which its banks are closed besides weekends
    promise_kept_share   share of the promised amount that keeps it
    dpd_tolerance        (portfolio, currency) -> minor units; days past due is 0 while arrears are at or below it
    pauses               portfolios in which a moratorium lets days past due stand still (features.pauses)
    delivers             portfolio -> tables it declares; a table outside it is unknown: missing, never 0
    rates                currency -> reporting units per one unit; empty when none are given
    decimals             currency -> decimals of its minor unit
    """

    promise_grace_days: int = 3
    promise_grace_unit: str = BANK_DAYS
    holidays: Mapping[str, Sequence[int]] = field(default_factory=dict)
    promise_kept_share: float = 0.9
    dpd_tolerance: Mapping[tuple[str, str], int] = field(default_factory=dict)
    pauses: frozenset[str] = frozenset()
    delivers: Mapping[str, frozenset[str]] = field(default_factory=dict)
    rates: Mapping[str, float] = field(default_factory=dict)
    decimals: Mapping[str, int] = field(default_factory=dict)

    @property
    def knows_holidays(self) -> bool:
        """Whether it matters where a debtor lives."""
        return self.promise_grace_unit == BANK_DAYS and bool(self.holidays)


@dataclass(frozen=True)
class LabelTerms:
    """What a label means. Days are whole days; min_amount is in decimal units of the account's currency."""

    horizon_days: int = 30
    maturity_days: int = 14
    default_dpd: int = 90
    default_horizon_days: int = 90
    min_amount: float = 0.0
    min_share: float = 0.0


@dataclass(frozen=True)
class WatchTerms:
    """What is watched before its due day, and what late means. Days are whole days.

    days_ahead    what falls due in [as_of, as_of + days_ahead) is watched
    late_days     debtor_type -> days past due that count as late
    rolled_days   days past due that count as rolled
    maturity_days after the last day that counts
    """

    days_ahead: int = 30
    late_days: Mapping[str, int] = field(default_factory=lambda: {"consumer": 7, "commercial": 15})
    rolled_days: int = 30
    maturity_days: int = 14

    @property
    def gap_days(self) -> int:
        """Days after a night until it is known whether what fell due was late."""
        return self.days_ahead + max(self.late_days.values()) + self.maturity_days
