"""What was recovered and what defaulted after a night: only where it is mature and could be seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np
import pandas as pd

from features.compiled import compiled
from features.doors import for_labels
from features.errors import ContractError
from features.ledger import Ledger, worst_days_past_due
from features.settlements import CASH, Settlements
from features.statuses import StatusLog
from features.terms import LabelTerms, Reach, WatchTerms, reaches
from features.versions import still

DEFAULT_STATUSES = ("default", "charged_off")
LABELS = ("recovered", "defaulted")
WATCH_LABELS = ("late", "rolled")

# Why a label is missing; a row has the first that holds. in_default concerns `defaulted` only.
WHY_MISSING = ("not_delivered", "in_default", "immature", "sold", "recalled", "outcome_unknown", "agency")


def labels(
    cohort_frame: pd.DataFrame,
    tables: Mapping[str, pd.DataFrame],
    ledger: Ledger,
    terms: LabelTerms,
    complete_through: Reach,
    decimals: Mapping[str, int],
    delivers: Mapping[str, frozenset[str]] | None = None,
) -> pd.DataFrame:
    """The labels of a cohort, aligned to its rows.

    recovered          1.0 if recovered_amount reaches max(1, min_amount, min_share x balance), else 0.0
    recovered_amount   float64 minor units: payments that occurred in [as_of, as_of + horizon), less their own
                       reversals, all known before as_of + horizon + maturity, at most the balance on as_of; credits
                       never count
    defaulted          1.0 if days past due reach default_dpd on a day of [as_of, as_of + default_horizon), as known
                       that day, or a default or charged_off status begins in it
    recovered_missing, defaulted_missing   '' where there is a label, else one of WHY_MISSING; the label is then NaN. A
                                           sale, recall or
                       agency counts if known before maturity, an unknown outcome whenever it came to be known

    complete_through   last day whose payments are all known, one for all or one per portfolio: a label of a later
                       maturity is immature
    ledger             must reach the last day of every mature default window (make it without last_day)
    decimals           currency -> decimals; needed only with min_amount
    delivers           portfolio -> tables; payments outside it are not delivered, as when there is no payments table
    tables             checked here against the inner form, unless they are InnerTables already
    Raises ContractError for all that is wrong with the frames or a currency without decimals, UsageError for a ledger
    that ends too early.
    """
    return labels_by_terms(cohort_frame, tables, ledger, [terms], complete_through, decimals, delivers)[0]


def labels_by_terms(
    cohort_frame: pd.DataFrame,
    tables: Mapping[str, pd.DataFrame],
    ledger: Ledger,
    terms: Sequence[LabelTerms],
    complete_through: Reach,
    decimals: Mapping[str, int],
    delivers: Mapping[str, frozenset[str]] | None = None,
) -> list[pd.DataFrame]:
    """`labels` under several terms in one pass over the payments, each with its own horizon and maturity."""
    tables = for_labels(cohort_frame, tables, terms, complete_through, delivers is not None)
    rows = _Rows(cohort_frame, tables, ledger, complete_through, delivers)
    amounts = rows.recovered(terms)
    found = []
    for term, amount in zip(terms, amounts, strict=True):
        recovered_missing = rows.missing(term.horizon_days, term.maturity_days)
        defaulted_missing = rows.missing(term.default_horizon_days, term.maturity_days, default_dpd=term.default_dpd)
        recovered = (amount >= least_recovered(cohort_frame, term, decimals)).astype(np.float64)
        defaulted = rows.defaulted(term, defaulted_missing == "")
        found.append(
            pd.DataFrame(
                {
                    "recovered": np.where(recovered_missing == "", recovered, np.nan),
                    "recovered_amount": np.where(recovered_missing == "", amount.astype(np.float64), np.nan),
                    "defaulted": np.where(defaulted_missing == "", defaulted, np.nan),
                    "recovered_missing": pd.Series(recovered_missing, dtype="str", index=cohort_frame.index),
                    "defaulted_missing": pd.Series(defaulted_missing, dtype="str", index=cohort_frame.index),
                },
                index=cohort_frame.index,
            )
        )
    return found


def watch_labels(
    cohort_frame: pd.DataFrame,
    tables: Mapping[str, pd.DataFrame],
    ledger: Ledger,
    watch: WatchTerms,
    complete_through: Reach,
    delivers: Mapping[str, frozenset[str]] | None = None,
) -> pd.DataFrame:
    """The labels of a watch cohort, aligned to its rows.

    late     1.0 if days past due, as known on each day, reach watch.late_days of the row's debtor_type on a day of
             [as_of, as_of + days_ahead + late_days), else 0.0: what falls due on the last day of the window counts no
             less than what falls due on the first
    rolled   the same with rolled_days
    late_missing, rolled_missing   '' where there is a label, else one of WHY_MISSING; the label is then NaN

    Other arguments and errors as of `labels`.
    """
    tables = for_labels(cohort_frame, tables, (), complete_through, delivers is not None)
    rows = _Rows(cohort_frame, tables, ledger, complete_through, delivers)
    late_days = cohort_frame["debtor_type"].astype("str").map(watch.late_days).fillna(max(watch.late_days.values()))
    found = {}
    for name, days in (
        ("late", still(late_days.to_numpy(), np.int32)),
        ("rolled", np.full(len(cohort_frame), watch.rolled_days, np.int32)),
    ):
        horizon_days = days + np.int32(watch.days_ahead)
        missing = rows.missing(horizon_days, watch.maturity_days)
        labelled = missing == ""
        reached = np.full(len(cohort_frame), np.nan)
        worst = worst_days_past_due(
            ledger, rows.account_no[labelled], rows.as_of[labelled], (rows.as_of + horizon_days - 1)[labelled]
        )
        reached[labelled] = worst >= days[labelled]
        found[name], found[f"{name}_missing"] = reached, pd.Series(missing, dtype="str", index=cohort_frame.index)
    return pd.DataFrame(found, index=cohort_frame.index)[[*WATCH_LABELS, *(f"{name}_missing" for name in WATCH_LABELS)]]


def weekly_recovered(
    cohort_frame: pd.DataFrame,
    tables: Mapping[str, pd.DataFrame],
    ledger: Ledger,
    weeks: int,
    maturity_days: int,
    complete_through: Reach,
    delivers: Mapping[str, frozenset[str]] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """(int64[rows, weeks] what was recovered through the end of each week from the night on, int64[rows] how many of
    the weeks have a label), aligned to the cohort's rows.

    Each is the recovered_amount of `labels` under that horizon; other arguments and errors as there.
    """
    tables = for_labels(cohort_frame, tables, (), complete_through, delivers is not None)
    rows = _Rows(cohort_frame, tables, ledger, complete_through, delivers)
    horizons = [7 * week for week in range(1, weeks + 1)]
    seen = np.zeros(len(cohort_frame), np.int64)
    for horizon_days in horizons:  # a week without a label has none after it
        seen += rows.missing(horizon_days, maturity_days) == ""
    amounts = rows.recovered_within(np.array([(days, days + maturity_days) for days in horizons], np.int64))
    return amounts.T, seen


def complete_for(cohort_frame: pd.DataFrame, complete_through: Reach) -> np.ndarray:
    """int64 per row: the last day whose payments of its portfolio are all known."""
    if not isinstance(complete_through, Mapping):
        return np.full(len(cohort_frame), complete_through, np.int64)
    codes, names = pd.factorize(cohort_frame["portfolio"].astype("str"))
    return np.array(reaches(complete_through, names), np.int64)[codes]


def least_recovered(cohort_frame: pd.DataFrame, terms: LabelTerms, decimals: Mapping[str, int]) -> np.ndarray:
    """int64 minor units: the smallest amount that counts as recovered, per row; exact,
    whatever the thresholds' binary form.
    """
    least = np.ones(len(cohort_frame), np.int64)
    if terms.min_amount > 0:
        currency = cohort_frame["currency"].astype("str")
        unknown = sorted(set(currency.unique()) - set(decimals))
        if unknown:
            raise ContractError(
                "min_amount needs each currency's decimals. "
                f"Got none for {', '.join(unknown)}. Add them, or set it to 0."
            )
        units = {name: _ceiling(Fraction(str(terms.min_amount)) * 10 ** decimals[name]) for name in currency.unique()}
        least = np.maximum(least, currency.map(units).to_numpy(np.int64))
    if terms.min_share > 0:
        share, balance = Fraction(str(terms.min_share)), cohort_frame["balance"].to_numpy(np.int64)
        if share.denominator > 10**9:
            balance = balance.astype(object)  # the products below would not fit
        whole, rest = balance // share.denominator, balance % share.denominator
        least = np.maximum(
            least, (whole * share.numerator - (-rest * share.numerator // share.denominator)).astype(np.int64)
        )
    return least


class _Rows:
    """The cohort's rows beside the events their labels are read from."""

    def __init__(self, cohort_frame, tables, ledger: Ledger, complete_through: Reach, delivers):
        self.ledger, self.complete_through = ledger, complete_for(cohort_frame, complete_through)
        self.account_no = cohort_frame["account_no"].to_numpy(np.int64)
        self.as_of = still(cohort_frame["as_of"].to_numpy(), np.int32)
        self.balance = cohort_frame["balance"].to_numpy(np.int64)
        self.days_past_due = cohort_frame["days_past_due"].to_numpy()
        self.statuses = StatusLog(tables, self.account_no)
        self.delivered = np.full(self.as_of.size, "payments" in tables)
        if delivers is not None:
            without = [name for name, names in delivers.items() if "payments" not in names]
            self.delivered &= ~cohort_frame["portfolio"].isin(without).to_numpy()

    def recovered(self, terms: Sequence[LabelTerms]) -> np.ndarray:
        """int64[terms, rows]."""
        return self.recovered_within(
            np.array([(term.horizon_days, term.horizon_days + term.maturity_days) for term in terms], np.int64)
        )

    def recovered_within(self, windows: np.ndarray) -> np.ndarray:
        """int64[windows, rows], at most the balance."""
        amounts = recovered_in(
            self.ledger.settlements, still(self.ledger.positions(self.account_no), np.int64), self.as_of, windows
        )
        return np.minimum(amounts, self.balance)

    def missing(self, horizon_days: int | np.ndarray, maturity_days: int, default_dpd: int | None = None) -> np.ndarray:
        """Why each row has no label, '' where it has one."""
        last, matured = self.as_of + (horizon_days - 1), self.as_of + (horizon_days + maturity_days)
        found = np.full(self.as_of.size, "", dtype=object)
        for reason in ("agency", "outcome_unknown", "recalled", "sold"):
            status, detail = ("closed", "recalled") if reason == "recalled" else (reason, None)
            # That an outcome stays unknown is known late by its nature, so all that the deliveries say of it counts.
            known_before = np.maximum(matured, self.complete_through + 1) if reason == "outcome_unknown" else matured
            found[self.statuses.between(self.as_of, last, known_before, [status], detail=detail)] = reason
        found[matured > self.complete_through] = "immature"
        if default_dpd is not None:
            found[self.statuses.in_force(self.as_of, DEFAULT_STATUSES) | (self.days_past_due >= default_dpd)] = (
                "in_default"
            )
        found[~self.delivered] = "not_delivered"
        return found

    def defaulted(self, term: LabelTerms, labelled: np.ndarray) -> np.ndarray:
        """float64 0/1; means nothing where there is no label."""
        last = self.as_of + (term.default_horizon_days - 1)
        matured = last + (1 + term.maturity_days)
        found = self.statuses.between(self.as_of, last, matured, DEFAULT_STATUSES, begins=True)
        worst = worst_days_past_due(self.ledger, self.account_no[labelled], self.as_of[labelled], last[labelled])
        found[labelled] |= worst >= term.default_dpd
        return found.astype(np.float64)


def recovered_in(paid: Settlements, position: np.ndarray, as_of: np.ndarray, windows: np.ndarray) -> np.ndarray:
    """int64[windows, rows]: net payments that occurred in [as_of, as_of + days), as known before as_of + known_days.

    windows: int64[windows, 2] of (days, known_days). Not capped at the balance.
    """
    return _recovered(
        paid.offsets,
        paid.occurred_on,
        paid.known_on,
        paid.amount,
        paid.kind,
        paid.reversal_offsets,
        paid.reversal_known_on,
        paid.reversal_amount,
        position,
        as_of,
        windows,
    )


def _ceiling(value: Fraction) -> int:
    return -(-value.numerator // value.denominator)


@compiled
def _recovered(
    offsets,
    occurred_on,
    known_on,
    amount,
    kind,
    reversal_offsets,
    reversal_known_on,
    reversal_amount,
    position,
    as_of,
    windows,
):
    found = np.zeros((windows.shape[0], as_of.size), np.int64)
    for row in range(as_of.size):
        for payment in range(offsets[position[row]], offsets[position[row] + 1]):
            if kind[payment] != CASH or occurred_on[payment] < as_of[row]:
                continue
            for window in range(windows.shape[0]):
                known_before = as_of[row] + windows[window, 1]
                if occurred_on[payment] >= as_of[row] + windows[window, 0] or known_on[payment] >= known_before:
                    continue
                net = amount[payment]
                for reversal in range(reversal_offsets[payment], reversal_offsets[payment + 1]):
                    if reversal_known_on[reversal] < known_before:
                        net -= reversal_amount[reversal]
                found[window, row] += net
    return found
