"""From the feature matrix to numbers a booster reads: columns by name, money on one scale,
classes by the recovery they showed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from features.errors import ContractError, UsageError
from models.money import MoneyScale
from models.split import debtor_folds

NUMBER, MONEY, CLASS = "number", "money", "class"
PRIOR_ROWS = 20.0  # rows of the overall rate mixed into the rate of a class: a class seen twice says little
COMMON_DEBTORS = 100  # a class with as many has one rate for all rows: a debtor's own share of it is below 1 %
LEAST_DEBTORS = 20  # a class of fewer is not named in the model: its name might point at a person
FEW = "*"  # all classes of too few debtors together
ENCODING_FOLDS = 5
PROTECTED, OWN = ("audit_", "display_"), "x_"
MOST_OWN = 20  # classes that may be as many as their debtors
_EMAIL, _PHONE = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]"), re.compile(r"\+?[\d ()/.-]{7,24}")


@dataclass(frozen=True)
class Encoder:
    """How each column of the matrix becomes a number.

    names    columns in the booster's order
    kinds    number (as it is), money (minor units, scaled to reporting units by the account's currency), class
    rates    class column -> class -> log-odds of recovery; classes of too few debtors, and those unseen in the fit
             window, read what FEW holds, or as missing where these too were of too few
    fills    column -> value read where the fit window never had a missing one: LightGBM would read 0 there, which is a
             statement
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    rates: Mapping[str, Mapping[str, float]]
    fills: Mapping[str, float]
    money: MoneyScale
    medians: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def learn(
        cls,
        matrix: pd.DataFrame,
        cohort: pd.DataFrame,
        recovered: np.ndarray,
        money_columns: Sequence[str],
        money: MoneyScale,
        seed: int,
        least_debtors: int = LEAST_DEBTORS,
        rows: np.ndarray | None = None,
    ) -> tuple[Encoder, np.ndarray]:
        """The encoder, and the encoded fit rows, where the rate of a rare class comes from debtors of other folds only.

        recovered: 0, 1 or NaN per row; rows with NaN take no part in the rates. least_debtors: of a class that is named
        at all. rows: places in the matrix of the rows that cohort and recovered are of, read column by column so that
        no second matrix of them stands in memory; all if None. Returns float64 [rows, columns]. Raises ContractError
        where a column's classes look like people.
        """
        names = tuple(matrix.columns)
        protected = [name for name in names if name.startswith(PROTECTED)]
        if protected:
            raise UsageError(
                f"Columns {', '.join(protected)} are for audits or for show, and can never be features. "
                "Remove them from the matrix."
            )
        kinds = tuple(_kind(matrix[name], name in set(money_columns)) for name in names)
        numbers = _numbers(matrix, cohort, names, kinds, money, rows)
        folds, debtors = debtor_folds(cohort["debtor_id"], ENCODING_FOLDS, seed), pd.factorize(cohort["debtor_id"])[0]
        rates = {}
        for position, (name, kind) in enumerate(zip(names, kinds, strict=True)):
            if kind == CLASS:
                column = _at(matrix[name], rows)
                _refuse_people(column, debtors)
                rates[name], numbers[:, position] = _learned_rates(column, recovered, debtors, folds, least_debtors)
        fills, medians = {}, {}
        for position, name in enumerate(names):
            column = numbers[:, position]
            missing = np.isnan(column)
            medians[name] = 0.0 if missing.all() else float(np.median(column[~missing]))
            if not missing.any():
                fills[name] = medians[name]
        return cls(names, kinds, rates, fills, money, medians), numbers

    def classes(self, matrix: pd.DataFrame, rows: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Class column -> the number each row reads for it. rows: places of those asked for; all if None."""
        return {name: _coded(_at(matrix[name], rows), rates) for name, rates in self.rates.items()}

    def only(self, places: Sequence[int]) -> Encoder:
        """The encoder of some of the columns."""
        names = tuple(self.names[place] for place in places)
        rates, fills, medians = (
            {name: held[name] for name in names if name in held} for held in (self.rates, self.fills, self.medians)
        )
        return replace(
            self,
            names=names,
            kinds=tuple(self.kinds[place] for place in places),
            rates=rates,
            fills=fills,
            medians=medians,
        )

    def check(self, matrix: pd.DataFrame) -> None:
        """Refuse a matrix whose columns differ from those the model was taught on, by name; their order is free."""
        present = list(matrix.columns)
        held, known = set(present), set(self.names)
        missing = [name for name in self.names if name not in held]
        if missing:
            raise ContractError.missing_columns("features", missing, present)
        extra = [name for name in present if name not in known]
        if extra:
            raise ContractError.unknown_columns("features", extra, self.names)
        if len(present) != len(self.names):
            twice = sorted({name for name in present if present.count(name) > 1})
            raise ContractError(f"Table 'features' holds {', '.join(map(repr, twice))} more than once. Keep one.")
        types = dict(zip(present, matrix.dtypes, strict=True))
        drifted = [
            f"{name!r} ({types[name]})"
            for name, kind in zip(self.names, self.kinds, strict=True)
            if (kind == CLASS) != _is_class(types[name]) or (kind != CLASS and types[name] != np.float64)
        ]
        if drifted:
            raise ContractError(
                f"Table 'features' has columns of another type than the model was taught on: {', '.join(drifted)}. "
                "Numbers must be float64 and classes text or category; build the features with the same catalogue."
            )

    def encode(self, matrix: pd.DataFrame, cohort: pd.DataFrame) -> np.ndarray:
        """float64 [rows, columns] in the booster's order; ContractError where `check` refuses
        or a currency has no rate.
        """
        self.check(matrix)
        numbers = _numbers(matrix, cohort, self.names, self.kinds, self.money)
        for position, (name, kind) in enumerate(zip(self.names, self.kinds, strict=True)):
            if kind == CLASS:
                numbers[:, position] = _coded(matrix[name], self.rates[name])
            if name in self.fills:
                column = numbers[:, position]
                column[np.isnan(column)] = self.fills[name]
        return numbers

    def unseen(self, matrix: pd.DataFrame) -> dict[str, int]:
        """Rows per class column whose class the model does not name: of too few debtors in the fit window, or none."""
        counts = {}
        for name, known in self.rates.items():
            codes, names = _classes(matrix[name])
            strange = np.array([*(each not in known for each in names), False])  # the code of a missing one is -1
            counts[name] = int(strange[codes].sum())
        return {name: count for name, count in counts.items() if count}

    def card(self) -> dict[str, Any]:
        """As plain values for card.json."""
        return {
            "names": list(self.names),
            "kinds": list(self.kinds),
            "rates": {name: dict(known) for name, known in self.rates.items()},
            "fills": dict(self.fills),
            "medians": dict(self.medians),
            "money": {
                "reporting": self.money.reporting,
                "rates": dict(self.money.rates),
                "decimals": dict(self.money.decimals),
            },
        }

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> Encoder:
        money = MoneyScale(**card["money"])
        return cls(tuple(card["names"]), tuple(card["kinds"]), card["rates"], card["fills"], money, card["medians"])


def _is_class(dtype: Any) -> bool:
    return isinstance(dtype, pd.CategoricalDtype | pd.StringDtype) or dtype == np.dtype(object)


def _kind(column: pd.Series, is_money: bool) -> str:
    if _is_class(column.dtype):
        return CLASS
    if column.dtype != np.float64:
        raise ContractError(f"Table 'features' column {column.name!r} must be float64 or category. Got {column.dtype}.")
    return MONEY if is_money else NUMBER


def _at(column: pd.Series, rows: np.ndarray | None) -> pd.Series:
    return column if rows is None else column.iloc[rows].reset_index(drop=True)


def _numbers(
    matrix: pd.DataFrame,
    cohort: pd.DataFrame,
    names: Sequence[str],
    kinds: Sequence[str],
    money: MoneyScale,
    rows: np.ndarray | None = None,
) -> np.ndarray:
    """float64 [rows, columns], columns contiguous; class columns are left for the caller to fill."""
    numbers = np.empty((len(matrix) if rows is None else len(rows), len(names)), order="F")
    for position, (name, kind) in enumerate(zip(names, kinds, strict=True)):
        if kind == CLASS:
            numbers[:, position] = np.nan
        else:
            column = matrix[name].to_numpy(np.float64)
            numbers[:, position] = column if rows is None else column[rows]
    if MONEY in kinds:
        unit = money.per_minor(cohort["currency"])
        for position in np.flatnonzero(np.array(kinds) == MONEY):
            numbers[:, position] *= unit
    return numbers


def _refuse_people(column: pd.Series, debtors: np.ndarray) -> None:
    """ContractError where the classes of an own column (x_) look like names, addresses or numbers of people."""
    if not str(column.name).startswith(OWN):
        return
    codes, names = _classes(column)
    used = np.unique(codes[codes >= 0])
    if not used.size:
        return
    people = np.unique(np.stack([codes, debtors])[:, codes >= 0], axis=1).shape[1]
    texts = [names[code].strip() for code in used]
    if any(_EMAIL.search(text) for text in texts):
        raise ContractError.of_people(str(column.name), "hold e-mail addresses")
    if np.mean([bool(_PHONE.fullmatch(text)) for text in texts]) > 0.5:
        raise ContractError.of_people(str(column.name), "look like telephone numbers")
    if used.size >= MOST_OWN and used.size > people / 2:
        raise ContractError.of_people(str(column.name), f"are almost one for each debtor ({used.size:,})")


def _learned_rates(
    column: pd.Series, recovered: np.ndarray, debtors: np.ndarray, folds: np.ndarray, least_debtors: int
) -> tuple[dict[str, float], np.ndarray]:
    """Log-odds of recovery per class (sorted, so that the card is stable), and the coded fit rows.

    Classes of fewer than least_debtors are taken together as FEW, and are missing where even these have fewer.
    A common class has one rate for every row. Only a rare one is coded out of fold: five rates of a common class would
    differ by the outcomes of the fold left out alone, which is a feature that tells the fold, and trees take it (a book
    of one class got the sixth-largest gain from its constant name).
    """
    codes, names = _classes(column)
    known = ~np.isnan(recovered) & (codes >= 0)
    overall = float(np.clip(recovered[known].mean(), 1e-4, 1 - 1e-4)) if known.any() else 0.5
    few = _debtors_of(codes, debtors, known, len(names)) < least_debtors
    codes, names = np.where(np.append(few, False)[codes], len(names), codes), [*names, FEW]
    people = _debtors_of(codes, debtors, known, len(names))
    codes = np.where(np.append(people >= least_debtors, False)[codes], codes, -1)
    known &= codes >= 0
    seen, rates = _rates(codes, len(names), recovered, known, overall)
    coded = np.append(rates, np.nan)[codes]
    rare = (codes >= 0) & ~np.append(people >= COMMON_DEBTORS, True)[codes]
    for fold in np.unique(folds[rare]):
        held = rare & (folds == fold)
        coded[held] = _rates(codes, len(names), recovered, known & (folds != fold), overall)[1][codes[held]]
    return {
        name: float(rates[place]) for name, place in sorted(zip(names, range(len(names)), strict=True)) if seen[place]
    }, coded


def _debtors_of(codes: np.ndarray, debtors: np.ndarray, rows: np.ndarray, classes: int) -> np.ndarray:
    """Debtors of each class among the rows."""
    return np.bincount(np.unique(np.stack([codes[rows], debtors[rows]]), axis=1)[0], minlength=classes)


def _rates(
    codes: np.ndarray, classes: int, recovered: np.ndarray, rows: np.ndarray, overall: float
) -> tuple[np.ndarray, np.ndarray]:
    """Per class whether `rows` hold it, and its log-odds mixed with the overall ones; NaN where they do not."""
    size, won = (np.bincount(codes[rows], weights=weights, minlength=classes) for weights in (None, recovered[rows]))
    rate = (won + PRIOR_ROWS * overall) / (size + PRIOR_ROWS)
    return size > 0, np.where(size > 0, np.log(rate / (1 - rate)), np.nan)


def _coded(column: pd.Series, rates: Mapping[str, float]) -> np.ndarray:
    codes, names = _classes(column)
    few = rates.get(FEW, np.nan)
    return np.array([rates.get(name, few) for name in names] + [np.nan])[codes]


def _classes(column: pd.Series) -> tuple[np.ndarray, list[str]]:
    """(code per row, -1 where missing; the class of each code as text)."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes, names = column.cat.codes.to_numpy().astype(np.int64), column.cat.categories
    else:
        codes, names = pd.factorize(column.astype("str").where(column.notna().to_numpy()))
    return codes, [str(name) for name in names]
