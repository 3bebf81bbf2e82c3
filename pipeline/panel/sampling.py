"""Debtors drawn to be taught on (cohort.sample_debtors): which, and what is lost with the others.

A debtor is drawn where a hash of the debtor and the params' seed lies below the share: with all accounts, on all
nights, whoever else there is. As a book grows the share falls, and those who are drawn are some of those who were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.aliases import renamed
from features.tables import account_number
from pipeline.panel.engines import map_shards
from pipeline.params import Params
from pipeline.store.store import Store

OUTCOMES = ("recovered", "recovered_amount", "defaulted")
GROUP = ["portfolio", "currency", "outcome"]
SUMS = ["debtors", "rows", "total", "rows2", "cross", "total2"]  # over debtors: of n, y, n n, n y, y y
ALL = "all"


@dataclass(frozen=True)
class Sampled:
    """What a panel of drawn debtors is a sample of.

    asked   cohort.sample_debtors; share: of the debtors that were drawn
    lost    portfolio (ALL: of all), currency, outcome (OUTCOMES; money in minor units, not of ALL); of the whole and of
            the sample: debtors, rows whose outcome is known, total (those recovered or defaulted, or the money), mean
            a row and its standard error, debtors being independent of each other, rows of one not; wider: the sample's
            error over the whole's
    """

    asked: int
    share: float
    lost: pd.DataFrame

    def of_all(self, outcome: str = "recovered") -> Mapping[str, Any]:
        """The row of one outcome over all portfolios."""
        rows = self.lost[(self.lost["portfolio"] == ALL) & (self.lost["outcome"] == outcome)]
        return rows.iloc[0].to_dict() if len(rows) else dict.fromkeys(self.lost.columns, 0.0) | {"wider": np.nan}

    def facts(self) -> dict[str, Any]:
        """For the card: what was drawn of what, and how much wider intervals are."""
        found: dict[str, Any] = {"asked": self.asked, "share": self.share}
        for outcome in ("recovered", "defaulted"):
            row = self.of_all(outcome)
            told = ("debtors", "debtors_whole", "rows", "rows_whole", "total", "total_whole")
            wider = None if np.isnan(row["wider"]) else float(row["wider"])
            found[outcome] = {name: int(row[name]) for name in told} | {"wider": wider}
        return found

    def sentence(self) -> str:
        """What was lost, in a line."""
        row, late = self.of_all(), self.of_all("defaulted")
        return (
            f"Sampled by debtor (cohort.sample_debtors {self.asked:,}, {self.share:.1%} of them, by their hash): "
            f"{row['debtors']:,.0f} of {row['debtors_whole']:,.0f} debtors, {row['rows']:,.0f} of "
            f"{row['rows_whole']:,.0f} rows, {row['total']:,.0f} of {row['total_whole']:,.0f} that recovered, "
            f"{late['total']:,.0f} of {late['total_whole']:,.0f} that defaulted. "
            + (
                f"Intervals of recovery are {row['wider']:.1f} times as wide as those of all debtors."
                if row["wider"] == row["wider"]
                else "Too few outcomes are known to say how much wider intervals are."
            )
        )


def drawn(debtors: pd.Series, names: Mapping[str, str], seed: int, share: float) -> np.ndarray:
    """bool of each row: whether its debtor is drawn. names: debtors that are one person, each under one name."""
    codes, once = pd.factorize(debtors.astype("str"))
    whom = renamed(pd.Series(once, dtype="str"), names)
    return (account_number(whom + f"|{seed}") < share * 2.0**63)[codes]


def kept_share(store: Store, params: Params, versions: Mapping[str, int]) -> float:
    """Share of debtors that cohort.sample_debtors asks for. Debtors are counted by number, shard by shard."""
    if params.cohort.sample_debtors is None:
        return 1.0
    work = partial(_debtors_of, store.path, versions)
    found = list(map_shards(work, range(store.shards), params.engine, threads=True))
    held = len(np.unique(np.concatenate(found)))  # a person may once have had accounts in another shard
    return min(1.0, params.cohort.sample_debtors / max(held, 1))


def _debtors_of(store_path: Path, versions: Mapping[str, int], shard: int) -> np.ndarray:
    store = Store(store_path)
    held = store.tables(shard, ["accounts"], {"accounts": ["debtor_id"]}, versions)["accounts"]["debtor_id"]
    persons = store.persons(versions)
    once = pd.Series(held.astype("str").unique(), dtype="str")
    return np.unique(account_number(renamed(once, persons.names if persons is not None else {})))


def outcome_sums(cohort: pd.DataFrame, labels: pd.DataFrame, kept: np.ndarray) -> pd.DataFrame:
    """GROUP, kept, SUMS of one shard: kept False of all debtors, True of those drawn.

    cohort: debtor_id by person, portfolio, currency; labels, kept: the same rows.
    """
    rows = pd.DataFrame(
        {
            "debtor": pd.factorize(cohort["debtor_id"].astype("str"))[0],
            "portfolio": cohort["portfolio"].astype("str").to_numpy(),
            "currency": cohort["currency"].astype("str").to_numpy(),
            "drawn": kept,
        }
    )
    found = []
    for outcome in OUTCOMES:
        known = rows.assign(n=1.0, y=labels[outcome].to_numpy(np.float64))[labels[outcome].notna().to_numpy()]
        groups = [known] if outcome == "recovered_amount" else [known, known.assign(portfolio=ALL, currency="")]
        for group in groups:
            one = group.groupby(["portfolio", "currency", "debtor", "drawn"], observed=True)[["n", "y"]].sum()
            one = one.reset_index()
            n, y = one["n"], one["y"]
            each = one.assign(debtors=1.0, rows=n, total=y, rows2=n * n, cross=n * y, total2=y * y, outcome=outcome)
            for only in (False, True):
                part = each[each["drawn"]] if only else each
                found.append(part.groupby(GROUP, observed=True)[SUMS].sum().reset_index().assign(kept=only))
    return pd.concat(found, ignore_index=True)


def sampled(sums: Sequence[pd.DataFrame], asked: int, share: float) -> Sampled:
    """Of the `outcome_sums` of all shards."""
    added = pd.concat(sums, ignore_index=True).groupby([*GROUP, "kept"])[SUMS].sum().reset_index()
    added["mean"] = added["total"] / added["rows"]
    added["error"] = _error(added)
    told = ["debtors", "rows", "total", "mean", "error"]
    whole = added.loc[~added["kept"], [*GROUP, *told]]
    part = added.loc[added["kept"], [*GROUP, *told]]
    lost = whole.merge(part, on=GROUP, how="left", suffixes=("_whole", ""))
    counted = [f"{name}{end}" for name in ("debtors", "rows", "total") for end in ("", "_whole")]
    lost[counted] = lost[counted].fillna(0.0).round().astype("int64")  # 0: a book of whom nobody was drawn
    lost["wider"] = lost["error"] / lost["error_whole"].where(lost["error_whole"] > 0)
    order = [*GROUP, *(f"{name}{end}" for name in told for end in ("_whole", "")), "wider"]
    first = lost["portfolio"].eq(ALL) & lost["currency"].eq("")
    kinds = lost["outcome"].map({name: place for place, name in enumerate(OUTCOMES)})
    turn = np.lexsort((kinds, lost["currency"].astype(object), lost["portfolio"].astype(object), ~first))
    return Sampled(asked, share, lost[order].iloc[turn].reset_index(drop=True))


def _error(sums: pd.DataFrame) -> pd.Series:
    """Standard error of total / rows, a ratio of sums over independent debtors (Cochran, Sampling Techniques, 1977,
    section 6.4), by the linearised residuals y - ratio n of each debtor; missing of one debtor.
    """
    ratio, many = sums["total"] / sums["rows"], sums["debtors"]
    squares = (sums["total2"] - 2 * ratio * sums["cross"] + ratio * ratio * sums["rows2"]).clip(lower=0.0)
    return np.sqrt(squares * many / (many - 1).where(many > 1)) / sums["rows"]
