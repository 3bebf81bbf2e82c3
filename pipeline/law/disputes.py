"""Disputes of single charges: the charge is left aside and its account may be worked, unless all else is paid."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from features.settlements import net_known, settlements
from features.tables import NO_NUMBER, numbered
from features.versions import arranged
from pipeline.law.question import KnownAccounts, Sight


def charges_named(statuses: pd.DataFrame) -> np.ndarray:
    """int64 per status: number of the charge it is about, NO_NUMBER where it is about the account."""
    if not {"charge_id", "charge_no"} & set(statuses.columns):
        return np.full(len(statuses), NO_NUMBER, np.int64)
    return numbered(statuses, "charge_id", "statuses")


def hold_the_account(
    account_no: np.ndarray,
    charge_no: np.ndarray,
    tables: Mapping[str, pd.DataFrame],
    known: KnownAccounts,
    sight: Sight,
) -> np.ndarray:
    """bool per dispute of a charge: whether it holds its account, because the charge is not known, or because all the
    charges of the account that are overdue are disputed.
    """
    disputed: dict[int, set[int]] = {}
    for account, charge in zip(account_no.tolist(), charge_no.tolist(), strict=True):
        disputed.setdefault(account, set()).add(charge)
    overdue = _overdue(sorted(disputed), tables, known, sight)
    held = {
        account: not named <= overdue[account].keys()
        or (bool(late := {charge for charge, unpaid in overdue[account].items() if unpaid}) and late <= named)
        for account, named in disputed.items()
    }
    return np.array([held[account] for account in account_no.tolist()], bool)


def _overdue(
    accounts: list[int], tables: Mapping[str, pd.DataFrame], known: KnownAccounts, sight: Sight
) -> dict[int, dict[int, bool]]:
    """Account -> number of each charge of it that is known -> whether it is overdue and not settled in full.

    Money settles the charge that it names, else the oldest due.
    """
    found: dict[int, dict[int, bool]] = {account: {} for account in accounts}
    if "charges" not in tables:
        return found
    charges = tables["charges"][tables["charges"]["account_no"].isin(accounts)]
    charges = sight.newest(arranged(charges, "charges"), ["charge_id", "account_no"], "charges")
    numbers = known.with_debtors(np.array(accounts, np.int64))
    payments = tables.get("payments")
    if payments is not None:
        payments = payments[sight.sees(payments) & payments["account_no"].isin(numbers).to_numpy()]
    paid = settlements(payments, numbers, lambda: known.debtor[known.find(numbers)[0]]).lines
    worth, names = net_known(paid, sight.before), paid.charge_no
    for account in accounts:
        place = int(np.searchsorted(numbers, account))
        own = charges[(charges["account_no"] == account).to_numpy()].sort_values("due_on", kind="stable")
        ids = numbered(own, "charge_id", "charges").tolist()
        unpaid = {charge: max(0, int(amount)) for charge, amount in zip(ids, own["amount"], strict=True)}
        pool = -int(own["amount"].clip(upper=0)[(own["due_on"] < sight.day).to_numpy()].sum())
        for row in range(paid.offsets[place], paid.offsets[place + 1]):
            settles = min(int(worth[row]), unpaid.get(int(names[row]), 0))
            if settles:
                unpaid[int(names[row])] -= settles
            pool += int(worth[row]) - settles
        for charge, due_on in zip(ids, own["due_on"], strict=True):
            settles = min(pool, unpaid[charge]) if due_on < sight.day else 0
            pool -= settles
            found[account][charge] = due_on < sight.day and unpaid[charge] > settles
    return found
