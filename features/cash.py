"""What came in to each book, week by week, before and after a night."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from features.compiled import compiled
from features.settlements import CASH, Settlements
from features.versions import still


def cash_by_week(
    paid: Settlements, books: np.ndarray, many: int, nights: Sequence[int], back: int, ahead: int, maturity_days: int
) -> np.ndarray:
    """int64[many, nights, back + ahead]: net payments in minor units; the first `back` weeks end with the night, the
    others begin with it.

    books: int[accounts of `paid`, nights], which of `many` the account belonged to on a night; below 0 it takes no
    part. A week behind is as it was known before the night, a week ahead as known maturity_days after its end. Credits
    and sums withheld are no cash.
    """
    return _cash(
        paid.position,
        paid.occurred_on,
        paid.known_on,
        paid.amount,
        paid.kind,
        paid.reversal_offsets,
        paid.reversal_known_on,
        paid.reversal_amount,
        still(np.ascontiguousarray(books), np.int64),
        np.zeros((many, len(nights), back + ahead), np.int64),
        still(np.asarray(nights), np.int64),
        back,
        maturity_days,
    )


@compiled
def _cash(
    position,
    occurred_on,
    known_on,
    amount,
    kind,
    reversal_offsets,
    reversal_known_on,
    reversal_amount,
    books,
    found,
    nights,
    back,
    maturity_days,
):
    weeks = found.shape[2]
    for row in range(amount.size):
        if kind[row] != CASH:
            continue
        for place in range(nights.size):
            night, book = nights[place], books[position[row], place]
            if book < 0:
                continue
            week = (occurred_on[row] - night) // 7 + back
            if week < 0 or week >= weeks:
                continue
            known_before = night if week < back else night + 7 * (week - back + 1) + maturity_days
            if known_on[row] >= known_before:
                continue
            net = amount[row]
            for reversal in range(reversal_offsets[row], reversal_offsets[row + 1]):
                if reversal_known_on[reversal] < known_before:
                    net -= reversal_amount[reversal]
            found[book, place, week] += net
    return found
