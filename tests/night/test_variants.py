"""Shares of variants that a night goes by: moved once a week, by what had matured by Monday, and only where asked."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from features.days import day_number
from pipeline.messages.texts import SILENT, messages_of
from pipeline.night import variants
from pipeline.night.variants import _events, with_shares
from pipeline.params import Adaptation, Params, Reminders
from tests.worlds.eligibility_worlds import PARAMS
from tests.worlds.worlds import World, day

STEPS = [{"name": "third_day", "day": 3, "channels": ["sms"], "message": "overdue"}]


def params_with(**adapt: object) -> Params:
    said = Reminders.model_validate({"steps": STEPS, "adapt": adapt})
    return PARAMS.model_copy(update={"reminders": said})


@pytest.fixture
def asked(monkeypatch) -> list[int]:
    """Nights of which what had matured was asked; of 400 debtors a variant the named one moved more to pay."""
    nights: list[int] = []

    def found(store, versions, night, params) -> pd.DataFrame:
        nights.append(night)
        variant = np.repeat(["plain", "named", SILENT], 400)
        paid = np.concatenate([np.arange(400) < payers for payers in (100, 150, 390)]).astype(float)
        return pd.DataFrame({"message": "overdue", "variant": variant, "probability": 0.5, "paid": paid})

    monkeypatch.setattr(variants, "matured", found)
    return nights


def test_shares_move_with_what_had_matured_by_the_last_monday_and_stay_all_week(asked):
    params = params_with(on=True)
    known = messages_of(params)
    monday = day_number(dt.date(2026, 11, 16))
    moved = [with_shares(known, None, {}, monday + day, params).messages["overdue"].shares for day in range(8)]
    assert asked == [*[monday] * 7, monday + 7]
    assert all(shares == moved[0] for shares in moved[:7])
    assert moved[0]["named"] == pytest.approx(0.9, abs=0.02)
    assert moved[0]["plain"] >= 0.1
    assert with_shares(known, None, {}, monday, params).messages["due_soon"].shares == {"plain": 0.5, "named": 0.5}


def test_shares_stay_as_declared_where_nobody_asks_to_move_them(asked):
    params = params_with()
    known = messages_of(params)
    assert with_shares(known, None, {}, 20_000, params) is known
    assert asked == []


def test_the_floor_and_the_least_debtors_cannot_be_set_below_those_of_the_design():
    with pytest.raises(ValueError, match=r"greater than or equal to 0\.1"):
        Adaptation(on=True, floor=0.05)
    with pytest.raises(ValueError, match="greater than or equal to 300"):
        Adaptation(on=True, matured_per_variant=100)


@pytest.mark.parametrize(("taken_back", "known_at", "payers"), [(100, 30, 0), (100, 40, 1), (60, 30, 1)])
def test_whoever_has_all_of_a_payment_taken_back_has_not_paid(taken_back, known_at, payers):
    first = day("2024-02-01")
    world = World().account(opened_on="2024-01-01").payment(first, 100, payment_id="p")
    world.reversal(first + 5, taken_back, "p", known_at=first + known_at)
    owner = pd.Series(["d"], index=world.tables()["accounts"]["account_no"])
    assert len(_events(world.tables(), owner, first + 40)["paid"]) == payers
