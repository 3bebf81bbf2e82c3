"""Rows that were scored and then judged, without a model."""

from __future__ import annotations

import numpy as np
import pandas as pd

from models.evaluate import Judged

DAY = 20_000  # 2024-10-04


def judged_rows(rows: int = 2_000, seed: int = 1, honest: float = 1.0) -> Judged:
    """Honest scores for honest=1; another value multiplies the log-odds, as an overconfident model does."""
    draw = np.random.default_rng(seed)
    chance = draw.beta(1.5, 5, rows)
    recovered = (draw.random(rows) < chance).astype(float)
    balance = np.round(np.exp(draw.normal(7, 1, rows)) * 100)
    level = np.log(chance / (1 - chance)) * honest
    p = 1 / (1 + np.exp(-level))
    cohort = pd.DataFrame(
        {
            "account_no": np.arange(rows),
            "debtor_id": [f"d{number}" for number in draw.integers(0, rows // 4, rows)],
            "as_of": DAY + 30 * draw.integers(0, 4, rows),
            "portfolio": np.where(draw.random(rows) < 0.3, "cards", "loans"),
            "currency": np.where(draw.random(rows) < 0.5, "EUR", "USD"),
            "days_past_due": draw.choice([0, 20, 45, 80, 400], rows),
            "balance": balance,
        }
    )
    scores = pd.DataFrame({"p_recovered": p, "expected_recovery": p * balance * 0.5})
    unit = np.where(cohort["currency"] == "EUR", 0.01, 0.0092)
    return Judged(cohort, scores, recovered, recovered * balance * 0.5 * unit, unit, draw.random(rows) < 0.8)
