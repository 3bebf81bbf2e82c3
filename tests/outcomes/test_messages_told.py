"""What the monitor tells of messages, from outcomes by debtor. Of message_findings.py."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.night.alarm import OK, WARN
from pipeline.outcomes.message_findings import messages


def outcomes(many: int, opted_out: tuple[float, float] = (0.01, 0.01), p_silent: float = 0.2, added: float = 0.1):
    draw = np.random.default_rng(3)
    variant = draw.choice(["plain", "named", "silent"], many, p=[0.4, 0.4, 0.2])
    spoken = variant != "silent"
    return pd.DataFrame(
        {
            "debtor_id": [f"d{number}" for number in range(many)],
            "message": "overdue",
            "variant": variant,
            "probability": np.where(spoken, 0.5, 0.2),
            "p_silent": p_silent,
            "as_of": 20_000,
            "paid": (draw.random(many) < 0.3 + added * spoken).astype(float),
            "answered": (draw.random(many) < 0.05).astype(float),
            "complained": 0.0,
            "opted_out": (draw.random(many) < np.where(variant == "plain", *opted_out)).astype(float),
        }
    )


def test_every_variant_is_told_with_intervals_and_what_messages_add():
    variants, adds = messages(outcomes(8000))
    assert (variants.name, variants.verdict) == ("variants of overdue", OK)
    assert "named (" in variants.says
    assert "opted out" in variants.says
    assert (adds.name, adds.verdict) == ("what messages add", OK)
    assert adds.figures["low"] < 0.1 < adds.figures["high"]
    assert adds.figures["low"] > 0


def test_a_variant_that_more_opt_out_of_is_a_warning():
    found = messages(outcomes(8000, opted_out=(0.06, 0.01)))[0]
    assert found.verdict == WARN
    assert "plain is opted out by more than another, surely" in found.says


def test_messages_that_make_fewer_pay_are_a_warning():
    assert messages(outcomes(8000, added=-0.1))[1].verdict == WARN


def test_a_changed_share_of_the_silent_does_not_bend_what_messages_add():
    """In a bad season half are silent, in a good one a twentieth; messages add nothing in either."""
    draw, parts = np.random.default_rng(5), []
    for season, (p_silent, pays) in enumerate(((0.5, 0.1), (0.05, 0.6))):
        rows = outcomes(6000).assign(p_silent=p_silent, paid=(draw.random(6000) < pays).astype(float))
        silent = draw.random(6000) < p_silent
        variant = np.where(silent, "silent", "plain")
        parts.append(rows.assign(variant=variant, debtor_id=[f"{season}-{name}" for name in rows["debtor_id"]]))
    adds = messages(pd.concat(parts, ignore_index=True))[-1]
    assert adds.name == "what messages add"
    assert adds.figures["low"] < 0 < adds.figures["high"]
    assert abs(adds.figures["added"]) < 0.05


def test_where_no_lot_of_the_messages_decided_nothing_is_said_of_what_they_add():
    adds = messages(outcomes(800, p_silent=0.0))[1]
    assert adds.says == "0 silent and 0 written to have matured; 30 each are needed."


def test_a_store_without_messages_says_nothing_of_them():
    assert messages(None) == []
    assert messages(outcomes(5).iloc[:0])[0].says == "No message has matured yet. Nothing can be said."
