"""What the verdict of a night is made from, and one thing found in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from models.ladder import Rung
from pipeline.outcomes.lateness import Lateness

LEAST_ROWS = 50  # rows below which a distribution says nothing
LEAST_PEOPLE = 30  # debtors an arm needs before its mean is compared


@dataclass(frozen=True)
class Finding:
    """One thing looked at: its verdict, and a sentence with the figures it rests on."""

    name: str
    verdict: str
    says: str
    figures: Mapping[str, float | int | str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class LookedBack:
    """What the verdict is made from.

    matured  one row per account and matured night: as_of, account_id, debtor_id, queue, group, rank, arm, assigned_on,
             probability, p_recovered, expected (money expected), recovered (1, 0 or NaN where unobservable), money
             (recovered); money in reporting units
    arms     current arm of every debtor in a span: debtor_id, arm, assigned_on, until_on, probability
    psi      models.drift.Reference.moved of every feature of tonight, and of the score; None where the model has no
             reference
    rows     scorable accounts tonight
    rung     where the learnt effect stood on the newest night that kept it; None where none did
    drawn    see pipeline.panel.draws.fresh_draws: over whom the lot decided, with the place that each would have had
    said     see pipeline.night.variants.matured: what came of messages; None where no night published any
    tired    models.fatigue.curves; None where the params have no reminders
    watched  see pipeline.outcomes.lateness; None where the params watch nothing
    tonight  every scorable account tonight: debtor_id, p_recovered, expected (reporting units); None of a night that
             no store remembers and nobody is about to publish
    early    of former nights a week apart, what came within EARLY_DAYS: as_of, debtor_id, p_recovered, early (1, 0 or
             NaN), matured (whether the whole label is known by now)
    taught_auc  of the model's chances out of fold when it was taught; None of one that has none
    unseen   class column -> accounts tonight of a class that the model does not know by name
    contacted  days on which a debtor was really contacted by us in its span: debtor_id, assigned_on, contacts (absent:
               none)
    """

    matured: pd.DataFrame
    arms: pd.DataFrame
    psi: Mapping[str, float] | None
    rows: int
    contacted: pd.DataFrame | None = None
    rung: Rung | None = None
    drawn: pd.DataFrame | None = None
    said: pd.DataFrame | None = None
    tired: pd.DataFrame | None = None
    watched: Lateness | None = None
    tonight: pd.DataFrame | None = None
    early: pd.DataFrame | None = None
    taught_auc: float | None = None
    unseen: Mapping[str, int] = field(default_factory=dict)
