"""What is asked of the law: which accounts, on which channels, by which rules, and what may be seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from features.errors import ContractError, some
from pipeline.law.log import Sight
from pipeline.law.rules import Rules
from pipeline.params import Params


@dataclass(frozen=True)
class KnownAccounts:
    """Every known account of the shard, scorable or not: caps and stops reach across all accounts of a debtor.

    numbers    account_no, ascending; debtor: code of each one's debtor; debtors: how many
    scorable   per row of the cohort its place among the known accounts
    """

    numbers: np.ndarray
    debtor: np.ndarray
    debtors: int
    scorable: np.ndarray

    @classmethod
    def of(cls, accounts: pd.DataFrame, cohort: pd.DataFrame) -> KnownAccounts:
        """Raises ContractError where a scorable account is not among the accounts."""
        numbers, last = np.unique(accounts["account_no"].to_numpy()[::-1], return_index=True)
        owners = accounts["debtor_id"].to_numpy()[::-1][last]
        debtor, names = pd.factorize(pd.Series(owners).astype("str"))
        asked = cohort["account_no"].to_numpy()
        strange = ~np.isin(asked, numbers)
        if strange.any():
            ids = cohort["account_id"].to_numpy()[strange]
            raise ContractError(
                f"{int(strange.sum()):,} scorable accounts are not in the accounts table of the shard ({some(list(ids))}). "
                "Pass the tables of whole debtors."
            )
        return cls(numbers, debtor.astype(np.int64), len(names), np.searchsorted(numbers, asked))

    def find(self, account_no: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(place of each account number among the known ones, whether it is there at all)."""
        rows = np.minimum(np.searchsorted(self.numbers, account_no), max(self.numbers.size - 1, 0))
        return rows, self.numbers[rows] == account_no if self.numbers.size else np.zeros(len(account_no), bool)

    @cached_property
    def owner(self) -> np.ndarray:
        """Code of the debtor per scorable account."""
        return self.debtor[self.scorable]

    def keys(self, per: str) -> np.ndarray:
        """Per scorable account its place in what is counted per account, or (any other grain) per debtor."""
        return self.scorable if per == "account" else self.owner


@dataclass(frozen=True)
class Question:
    """Which scorable accounts may be contacted, and how, given what is in sight.

    cohort            one row per scorable account of one night; tables: the inner form, whole debtors
    complete_through  last complete day per table
    channels          in the order in which a list prefers them
    """

    cohort: pd.DataFrame
    tables: Mapping[str, pd.DataFrame]
    rules: Rules
    params: Params
    sight: Sight
    complete_through: Mapping[str, int]
    channels: tuple[str, ...]

    @property
    def day(self) -> int:
        return self.sight.day

    @property
    def size(self) -> int:
        return len(self.cohort)

    @cached_property
    def known(self) -> KnownAccounts:
        return KnownAccounts.of(self.tables["accounts"], self.cohort)

    def per_account(self, value: int, dtype: type) -> np.ndarray:
        return np.full(self.size, value, dtype)

    def per_channel(self, value: int, dtype: type) -> np.ndarray:
        """One row per channel, one column per scorable account."""
        return np.full((len(self.channels), self.size), value, dtype)


class Settled:
    """What a step hands on is done: its arrays refuse to be written."""

    def __post_init__(self) -> None:
        for values in vars(self).values():
            if isinstance(values, np.ndarray):
                values.flags.writeable = False
