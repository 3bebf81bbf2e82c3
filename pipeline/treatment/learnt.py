"""What a model was taught of offers, plans and placements, as far as the policy still means the same by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from models.belief import POLICY, Belief
from models.recovery import AnyModel, RecoveryModel
from models.routes import Share
from pipeline.treatment.policy import Policy


@dataclass(frozen=True)
class Learnt:
    """The last arguments of `propose`: None, and no party, where the policy's own tables hold."""

    acceptance: Belief | None = None
    breaks: Belief | None = None
    shares: Mapping[str, Share] = field(default_factory=dict)
    agreement: Belief | None = None


def learnt(model: AnyModel, policy: Policy, rows: pd.DataFrame) -> Learnt:
    """rows: kind, days_past_due, balance, currency. A curve of acceptance was learnt for a number of days to pay
    within, one of breaks for a share of the usual payment, a party's share for a horizon: where the policy has another
    now, its own table holds.
    """
    if not isinstance(model, RecoveryModel) or model.experience is None:
        return Learnt()
    held = model.experience
    settling, plans = policy.settling, policy.plans
    settles = settling is not None and settling.terms.pay_within_days == held.pay_within_days
    spreads = plans is not None and plans.share_of_usual == held.share_of_usual
    return Learnt(
        _taught(held.acceptance) if settles else None,
        _taught(held.breaks) if spreads else None,
        held.learned(rows.assign(unit=_units(model, rows)), policy.parties),
        _taught(held.agreement) if plans is not None else None,
    )


def _taught(belief: Belief | None) -> Belief | None:
    return None if belief is None or belief.source == POLICY else belief


def _units(model: RecoveryModel, rows: pd.DataFrame) -> np.ndarray:
    """Reporting units per minor unit; 1 for a currency without a rate, which no night values."""
    money = model.encoder.money
    known = rows["currency"].astype("str").isin(list(money.rates)).to_numpy()
    found = np.ones(len(rows))
    found[known] = money.per_minor(rows["currency"][known])
    return found
