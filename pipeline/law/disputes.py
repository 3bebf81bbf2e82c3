"""Disputes of single charges: the charge is left aside and its account may be worked, unless all else is paid."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from features.adjustments import adjusted
from features.settlements import named_charges, net_known, settlements
from features.statuses import lasts
from features.tables import NEVER, NO_NUMBER, numbered
from features.versions import arranged, key_of, lineage, spans
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


def disputed_arrears(tables: Mapping[str, pd.DataFrame], cohort: pd.DataFrame, sight: Sight) -> np.ndarray:
    """int64 minor units per row of the cohort: what is overdue and open of charges that are disputed. It stays in
    balance and arrears, and is not asked for.

    cohort: account_no, arrears of scorable accounts of one night. Never more than the arrears.
    """
    told = _disputed(tables, cohort, sight, due_only=True)
    return np.minimum(told, np.maximum(cohort["arrears"].to_numpy(np.int64), 0))


def disputed_balance(tables: Mapping[str, pd.DataFrame], cohort: pd.DataFrame, sight: Sight) -> np.ndarray:
    """The same of what is due later too, as part of what is owed in all. cohort: account_no, balance."""
    told = _disputed(tables, cohort, sight, due_only=False)
    return np.minimum(told, np.maximum(cohort["balance"].to_numpy(np.int64), 0))


def _disputed(tables: Mapping[str, pd.DataFrame], cohort: pd.DataFrame, sight: Sight, *, due_only: bool) -> np.ndarray:
    found = np.zeros(len(cohort), np.int64)
    statuses = tables.get("statuses")
    if statuses is None or statuses.empty:
        return found
    disputes = statuses[
        statuses["status"].isin(["dispute"]).to_numpy(dtype=bool) & (charges_named(statuses) != NO_NUMBER)
    ]
    if disputes.empty:
        return found
    disputes = arranged(disputes, "statuses")
    newest = sight.newest(disputes, key_of(disputes, "statuses"), "statuses")
    newest = newest[lasts(newest["until_on"].to_numpy(), sight.day) & (newest["from_on"].to_numpy() <= sight.day)]
    known = KnownAccounts.of(tables["accounts"], cohort, sight)
    newest = newest[newest["account_no"].isin(cohort["account_no"]).to_numpy()]
    overdue = _overdue(sorted(set(newest["account_no"].tolist())), tables, known, sight, due_only)
    open_of: dict[int, int] = {}
    for account, charge in sorted(set(zip(newest["account_no"].tolist(), charges_named(newest).tolist(), strict=True))):
        open_of[account] = open_of.get(account, 0) + overdue[account].get(charge, 0)
    return cohort["account_no"].map(open_of).fillna(0).to_numpy(np.int64)


def _overdue(
    accounts: list[int],
    tables: Mapping[str, pd.DataFrame],
    known: KnownAccounts,
    sight: Sight,
    due_only: bool = True,
) -> dict[int, dict[int, int]]:
    """Account -> number of each charge of it that is known -> minor units that are overdue (or else due later) and not
    settled.

    Money settles the charge that it names, an adjustment the one that it takes back; what is left over, the oldest due.
    """
    found: dict[int, dict[int, int]] = {account: {} for account in accounts}
    if "charges" not in tables or not accounts:
        return found
    numbers, owners = known.sharing_receipts(np.array(accounts, np.int64))
    payments = tables.get("payments")
    if payments is not None:
        payments = payments[sight.sees(payments) & payments["account_no"].isin(numbers).to_numpy()]
    paid = settlements(payments, numbers, lambda: owners).lines
    worth, names = net_known(paid, sight.before), paid.charge_no
    seen = tables["charges"][sight.sees(tables["charges"]) & tables["charges"]["account_no"].isin(numbers).to_numpy()]
    charges = arranged(seen, "charges").reset_index(drop=True)
    versions = lineage(charges, ["charge_id", "account_no"], "charges")
    low, high = spans(charges["account_no"].to_numpy(), numbers)
    taken_back = adjusted(
        charges, np.stack([low, high], axis=1), versions, paid, named_charges(paid, charges, versions.head)
    )
    charge_no, target = numbered(charges, "charge_id", "charges"), taken_back.target
    aims = np.where(target >= 0, charge_no[target], NO_NUMBER) if taken_back.some else np.full(len(charges), NO_NUMBER)
    amounts, due_days = charges["amount"].to_numpy(), charges["due_on"].to_numpy()
    for account in accounts:
        place = int(np.searchsorted(numbers, account))
        own = [row for row in range(low[place], high[place]) if versions.superseded_on[row] == NEVER]
        unpaid = {int(charge_no[row]): max(0, int(amounts[row])) for row in own}
        settled = [(int(worth[row]), int(names[row])) for row in range(paid.offsets[place], paid.offsets[place + 1])]
        settled += [
            (-int(amounts[row]), int(aims[row])) for row in own if amounts[row] < 0 and due_days[row] < sight.day
        ]
        pool = 0
        for money, charge in settled:
            settles = min(money, unpaid.get(charge, 0))
            if settles:
                unpaid[charge] -= settles
            pool += money - settles
        for row in own:
            charge, is_due = int(charge_no[row]), due_days[row] < sight.day
            settles = min(pool, unpaid[charge]) if is_due else 0
            pool -= settles
            found[account][charge] = unpaid[charge] - settles if is_due or not due_only else 0
    return found
