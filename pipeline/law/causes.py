"""Why an account is not worked: every cause that is no rule of the file, in its own words;
and the numbers by which arrays name causes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipeline.law.rules import Rule

if TYPE_CHECKING:
    import pandas as pd

OURS = "product rule, not law"


class Cause(NamedTuple):
    """An English sentence and where it comes from; pages/words says it in other languages, found by its form."""

    rule: str
    citation: str
    reason: str

    @classmethod
    def of(cls, rule: Rule) -> Cause:
        return cls(rule.id, rule.citation, rule.says)

    @classmethod
    def place_unknown(cls, place: str, needs_part: bool) -> Cause:
        why = "needs its state or province" if needs_part else "is not in the rule file"
        return cls("place.unknown", OURS, f"The place {place} {why}, so the law that binds is not known.")

    @classmethod
    def not_signed_off(cls, place: str) -> Cause:
        return cls("place.not_signed_off", OURS, f"The contact law of {place} is not signed off.")

    @classmethod
    def sign_off_stale(cls, place: str, signed_on: str) -> Cause:
        why = f"The contact law of {place} changed since it was signed off on {signed_on}."
        return cls("place.sign_off_stale", OURS, why)

    @classmethod
    def holidays_unknown(cls, name: str, through: dt.date | None) -> Cause:
        why = f"The holidays of {name} are known through {through} only, so whether this day is one is not known."
        return cls("holidays.unknown", OURS, why)


NO_CAUSE = Cause("", "", "")

# Excluded: whose law binds, or which clock, is not known.
NO_PLACE = Cause("place.unknown", OURS, "No jurisdiction is recorded, so the law that binds is not known.")
NO_ROLE = Cause(
    "role.unknown", OURS, "The portfolio is not named in the params, so in which role it is worked is not known."
)
NO_DEBTOR_TYPE = Cause("debtor_type.unknown", OURS, "Whether the debtor is a consumer is not recorded.")
NO_ZONE = Cause("zone.unknown", OURS, "No known time zone is recorded, so the debtor's clock is not known.")

# Deferred: what was recorded is not known, or something holds.
UNKNOWN_FEED = {
    "statuses": Cause(
        "statuses.unknown",
        OURS,
        "Whether a stop is recorded is not known: the statuses are late, absent, or not in `delivers` of the book.",
    ),
    "contacts": Cause(
        "contacts.unknown",
        OURS,
        "How often the debtor was contacted is not known: the contact log is late, absent, not in `delivers` of the "
        "book, or dated to months.",
    ),
}
# Deferred by what other rooms know of the accounts: see question.Case.held_back.
HELD_BACK = {
    cause.rule: cause
    for cause in (
        Cause(
            "row.set_aside",
            OURS,
            "A payment, a status or a link to another debtor was set aside by ingest, so what is paid or stopped, "
            "or who owes, is not known.",
        ),
        Cause("feed.late", OURS, "What the book should have delivered by now is late, so what happened is not known."),
        Cause("debtor.credit", OURS, "The debtor's other accounts hold a credit as large as what is asked for."),
        Cause("settlement.accepted", OURS, "A settlement was accepted, and the days to pay it are not over."),
        Cause("settlement.paid", OURS, "A settlement was paid, and what it let off is not yet written off."),
    )
}
# Of these, those by which it is not known what is recorded of the account.
NOT_KNOWN = frozenset({UNKNOWN_FEED["statuses"].rule, "row.set_aside", "feed.late"})
PLAN = Cause("plan", OURS, "A payment plan is in force.")
PROMISE = Cause("promise", OURS, "A promise to pay is not yet due, or within its days of grace.")
PAID_LATELY = Cause("payment.recent", OURS, "A payment came in a few days ago, and the list rests after one.")
LATER_APPOINTMENT = Cause("appointment.later", OURS, "The debtor agreed to be called on a later day.")

# Deferred: not at this hour.
NO_COMMON_HOURS = Cause(
    "hours.none_in_common", OURS, "The hours of the rules and zones that may apply have none in common today."
)
UNWELCOME_HOURS = Cause("hours.unwelcome", OURS, "What is left of today is inconvenient to the debtor.")
OUTSIDE_HOURS = Cause(
    "appointment.outside_hours", OURS, "The agreed time lies outside the hours in which the debtor may be called."
)
OTHER_TIME = Cause(
    "appointment", OURS, "The debtor agreed to be called at another time of the day, or named this one as inconvenient."
)
NOT_THIS_MINUTE = Cause(
    "hours.none_in_common", OURS, "The hours of the rules and zones that may apply do not hold this minute."
)


class Causes:
    """Each cause kept once; arrays refer to it by its number, 0 being no cause. It only grows."""

    def __init__(self) -> None:
        self._causes = [NO_CAUSE]
        self._code = {NO_CAUSE: 0}

    def code(self, cause: Cause) -> int:
        if cause not in self._code:
            self._code[cause] = len(self._causes)
            self._causes.append(cause)
        return self._code[cause]

    def name(self, named: np.ndarray, rows: np.ndarray, cause: Cause | Rule) -> None:
        """Names the cause of those rows that have none yet: rules come nearest first, and what was found first stays.

        named: int32 numbers of causes, one per account.
        """
        if rows.size:
            named[rows[named[rows] == 0]] = self.code(cause if isinstance(cause, Cause) else Cause.of(cause))

    def cause(self, code: int) -> Cause:
        return self._causes[code]

    def columns(self, codes: np.ndarray, names: Sequence[str]) -> dict[str, pd.Categorical]:
        """Columns named among rule, citation, reason for an array of numbers."""
        import pandas as pd

        columns = {}
        for name in names:
            distinct, place = np.unique([getattr(cause, name) for cause in self._causes], return_inverse=True)
            columns[name] = pd.Categorical.from_codes(place.astype(np.int32)[codes], list(distinct))
        return columns
