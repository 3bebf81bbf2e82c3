"""What was learnt holds only while the policy means the same by it."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from models.belief import OFFERS, PLANS, POLICY, Belief, Curve
from models.experience import Experience, PartyRecord
from models.recovery import RecoveryModel
from models.routes import Recovered
from pipeline.law.rule_file import load_rules
from pipeline.treatment.learnt import Learnt, learnt
from pipeline.treatment.policy import SHIPPED, policy_of
from tests.worlds.panels import made_panel, teaching

ROWS = pd.DataFrame(
    {"kind": ["card", "loan"], "days_past_due": [10, 400], "balance": [50_000, 100_000], "currency": ["EUR", "XYZ"]}
)
# Of 500.00 EUR what is believed x 0.8, of a loan 1.1 / 0.8 times that, and of twice the sum half of the share.
FACTOR = Recovered(np.log(0.8), (-2.0, np.log(500)), (0.0, -1.0), {"loan": np.log(1.1 / 0.8)}, np.eye(4) * 1e-4)
CURVE = Curve((0.1, 0.4), (0.02, 0.05), (0.01, 0.04), (0.03, 0.06))


@pytest.fixture(scope="module")
def policy():
    return policy_of(SHIPPED, load_rules(), ["FR"], dt.date(2026, 10, 1))


@pytest.fixture(scope="module")
def plain():
    panel = made_panel(300)
    return RecoveryModel.fit(panel.matrix, panel.labels, panel.cohort, teaching())


@pytest.fixture(scope="module")
def taught(plain, policy):
    agency = policy.parties[0]
    record = PartyRecord(agency.recovery, agency.horizon_days, 400, FACTOR)
    held = Experience(
        Belief(CURVE, OFFERS), Belief(CURVE, OFFERS), Belief(CURVE, PLANS), 30, 1.0, {agency.name: record}
    )
    return replace(plain, experience=held)


def test_what_was_learnt_stands_in_the_place_of_the_policys_tables(taught, policy):
    found = learnt(taught, policy, ROWS)
    assert (found.acceptance, found.breaks) == (taught.experience.acceptance, taught.experience.breaks)
    assert found.agreement == taught.experience.agreement
    believed = policy.parties[0].recovery.of(ROWS["kind"].to_numpy(object), ROWS["days_past_due"].to_numpy())
    # A currency without a rate counts its minor units.
    np.testing.assert_allclose(found.shares["agency_a"].middle, believed * [0.8, 1.1 * 500 / 100_000])
    assert (found.shares["agency_a"].low < found.shares["agency_a"].middle).all()


def test_it_gives_way_where_the_policy_now_means_something_else(taught, policy):
    assert policy.settling is not None
    assert policy.plans is not None
    slower = replace(policy.settling, terms=replace(policy.settling.terms, pay_within_days=31))
    assert learnt(taught, replace(policy, settling=slower), ROWS).acceptance is None
    bolder = replace(policy.plans, share_of_usual=1.2)
    assert learnt(taught, replace(policy, plans=bolder), ROWS).breaks is None
    assert learnt(taught, replace(policy, plans=None, settling=None), ROWS).acceptance is None
    longer = tuple(replace(party, horizon_days=party.horizon_days + 1) for party in policy.parties)
    assert learnt(taught, replace(policy, parties=longer), ROWS).shares == {}


def test_a_model_that_learnt_nothing_leaves_the_policys_tables(plain, policy):
    assert learnt(plain, policy, ROWS) == Learnt()
    kept = Experience(Belief(CURVE, POLICY, "too few"), None, None, 30, 1.0)
    assert learnt(replace(plain, experience=kept), policy, ROWS) == Learnt()
