"""Accounts to be treated, drawn: every edge of payday, age, place, status and money that the policy knows."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd

from features.tables import NO_DAY
from pipeline.treatment.standing import nothing_stands

PLACES = ("GB-ENG", "GB-SCT", "FR", "DE", "ES", "US-MA", "US-NY/NYC", "JP")
CURRENCY = {"GB": "GBP", "FR": "EUR", "DE": "EUR", "ES": "EUR", "US": "USD", "JP": "JPY"}
KINDS = ("card", "loan", "invoices")


def drawn_accounts(seed: int, many: int, statuses: tuple[str, ...]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(rows, recorded) as pipeline.treatment.proposals asks for them; two accounts in three carry no status."""
    draw = np.random.default_rng(seed)
    place = draw.choice(PLACES, many)
    scale = np.where(place == "JP", 1.0, 100.0)  # minor units of a currency unit
    unit = np.where(place == "JP", 150.0, 1.0)  # currency units of a euro, about
    balance = np.maximum(np.rint(scale * unit * draw.lognormal(6.0, 1.4, many)), 1).astype(np.int64)
    worth = np.rint(balance * draw.choice([0.0, 0.02, 0.1, 0.3, 0.8], many) * draw.random(many))
    usual = np.rint(scale * unit * draw.lognormal(4.0, 1.0, many))
    rows = pd.DataFrame(
        {
            "account_id": [f"A{number:06}" for number in range(many)],
            "debtor_id": [f"D{number // 2:06}" for number in range(many)],
            "currency": [CURRENCY[name[:2]] for name in place],
            "kind": draw.choice(KINDS, many),
            "place": place,
            "days_past_due": draw.choice(
                [0, 30, 90, 91, 120, 121, 151, 364, 365, 700, 701, 1095, 1825, 1826, 3000], many
            ),
            "balance": balance,
            "continuation": worth,
            "continuation_low": worth * 0.6,
            "continuation_high": worth * 1.4,
            "usual_payment": np.where(draw.random(many) < 0.25, np.nan, usual),
            "usual_gap_days": np.where(draw.random(many) < 0.1, np.nan, draw.uniform(7, 60, many)),
            "payday": draw.choice([0, 1, 15, 28, 29, 30, 31], many),
            "other_plans": np.where(draw.random(many) < 0.8, np.nan, np.rint(usual / 4)),
            "disposable_income": np.where(draw.random(many) < 0.7, np.nan, np.rint(usual * draw.uniform(0, 4, many))),
            "in_house_days": draw.choice([0, 89, 90, 179, 180, 365, 1000], many),
            "offers_refused": draw.choice([0, 1, 3], many),
            "contact_open": draw.random(many) < 0.9,
            "legal_open": draw.random(many) < 0.7,
            "may_part": True,
        }
    )
    spared = draw.random(many) < 2 / 3
    recorded = pd.DataFrame({name: (draw.random(many) < 0.04) & ~spared for name in statuses})
    return rows, recorded


def drawn_standing(rows: pd.DataFrame, seed: int, as_of: int) -> pd.DataFrame:
    """STANDING_COLUMNS of the rows: a third of the debtors was offered something that still may be taken, on terms
    within, at and outside of bounds, of what was owed then or is owed now.
    """
    draw, many = np.random.default_rng([seed, 2]), len(rows)
    debtor = rows["debtor_id"].to_numpy(object)
    first = ~rows["debtor_id"].duplicated().to_numpy()
    places = {name: np.flatnonzero(debtor == name) for name in debtor[first & (draw.random(many) < 1 / 3)]}
    found = nothing_stands(rows.index)
    found["offer_binds"] = np.isin(debtor, list(places))
    for name, own in places.items():
        row = rows.index[draw.choice(own)]
        kind = str(draw.choice(["plan", "settlement", "settlement", "early_discount"]))
        owed = int(rows.loc[row, "balance"] * draw.choice([1.0, 1.0, 1.0, 0.98, 0.7, 1.05, 1.3]))
        discount = float(draw.choice([0.1, 0.15, 0.25, 0.4, 0.5])) if kind == "settlement" else np.nan
        plan = kind == "plan"
        found.loc[row, ["offer_id", "offer_kind", "offer_variant"]] = [
            f"O-{name}",
            kind,
            "" if plan else "0.1 of 0.1+0.25",
        ]
        found.loc[row, ["offered_on", "offer_until"]] = [
            as_of - int(draw.integers(1, 20)),
            as_of + int(draw.integers(0, 20)),
        ]
        found.loc[row, "offer_amount"] = owed if plan else owed - int(owed * np.nan_to_num(discount))
        found.loc[row, ["offer_discount", "offer_probability"]] = [discount, np.nan if plan else 0.5]
        found.loc[row, "offer_instalments"] = int(draw.integers(2, 30)) if plan else 0
        found.loc[row, "offer_first_on"] = as_of + int(draw.integers(-3, 40)) if plan else NO_DAY
    return found


def drawn_policy(shipped: dict, seed: int) -> dict:
    """The shipped policy, as written, with other bounds: narrow and wide ones, sections off, lots on."""
    draw = np.random.default_rng([seed, 1])
    raw = copy.deepcopy(shipped)
    plans, settling = raw["plans"], raw["settlements"]
    plans["units"] = [["month"], ["week", "month"], ["month", "fortnight"]][draw.integers(3)]
    plans["instalments"] = {"least": int(draw.integers(2, 5)), "most": int(draw.choice([6, 12, 24, 40]))}
    plans["first_within_days"] = int(draw.choice([7, 20, 40]))
    plans["share_of_usual"] = float(draw.choice([0.5, 1.0, 1.5]))
    plans["least_kept"] = float(np.random.default_rng([seed, 3]).choice([0.0, 0.5, 0.8]))
    settling["floor"] = float(draw.choice([0.0, 0.4, 0.7]))
    settling["months_of_support"] = [None, 3.0, 12.0][draw.integers(3)]
    settling["if_support_unknown"] = str(draw.choice(["refer", "offer", "never"]))
    settling["largest"].append({"kinds": ["invoices"], "from_days": int(draw.choice([0, 91])), "share": 0.3})
    raw["authority"] = raw["authority"][: int(draw.integers(0, 4))]
    raw["internal_days"] = int(draw.choice([0, 180, 400]))
    raw["routes"][0]["kinds"] = [[], ["card"], ["loan", "invoices"]][draw.integers(3)]
    raw["routes"][2]["after_days"] = int(draw.choice([0, 90, 365]))
    raw["routes"].append({**copy.deepcopy(raw["routes"][0]), "party": "agency_b", "kinds": [], "after_days": 0})
    # Suits that pay for themselves here and there, so that court is reached at all.
    raw["routes"][1]["suit"][0]["paying"] = {"low": 0.7, "middle": 0.8, "high": 0.9}
    raw["routes"][1]["suit"][0]["paid"] = {"low": 0.7, "middle": 0.8, "high": 0.9}
    if draw.random() < 0.5:
        raw["explore"]["discounts"] = {0.1: 0.2, 0.25: 0.4, 0.4: 0.4}
    if draw.random() < 0.5:
        raw["explore"]["parties"] = {"agency_a": 0.5, "agency_b": 0.5}
    return raw
