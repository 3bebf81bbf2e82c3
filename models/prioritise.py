"""Scores and verdicts in, ranked groups out: net value, the control group, one row per debtor, capacity, ties."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.errors import ContractError
from features.tables import NEVER, NO_DAY, NO_TIME

GROUPS = ("excluded", "held_out", "deferred", "no_value", "worklist", "joined", "below_capacity")
NO_RATE = "money.no_rate"
WORKED, CONTROL = "worked", "control"
VALUE_COLUMNS = ("fx", "share", "annual_rate", "days_to_pay", "discount", "contact_cost", "net_value")


@dataclass(frozen=True)
class ValueTerms:
    """What turns expected recovery into net value.

    fx            currency -> reporting units per one unit; a currency without one cannot be valued
    decimals      currency -> decimals of its minor unit, the reporting currency's too
    share, annual_rate, days_to_pay   by portfolio
    costs         channel -> reporting units of one attempt
    """

    reporting_currency: str
    fx: Mapping[str, float]
    decimals: Mapping[str, int]
    share: Mapping[str, float]
    annual_rate: Mapping[str, float]
    days_to_pay: Mapping[str, float]
    costs: Mapping[str, float]


@dataclass(frozen=True)
class ControlTerms:
    """A share of workable debtors is held out, each for `span_days` from the night it was drawn."""

    share: float
    span_days: int
    seed: int


def net_value(rows: pd.DataFrame, terms: ValueTerms) -> pd.DataFrame:
    """VALUE_COLUMNS per row: net_value = fx x share x expected_recovery / (1 + annual_rate)^(days_to_pay / 365) - contact_cost.

    rows: currency, portfolio, channel ("" where nothing is planned: no cost), expected_recovery (int64 minor units of the currency).
    contact_cost and net_value are int64 minor units of the reporting currency, rounded half-even. Without a rate fx is NaN, net_value 0.
    It is total, not incremental, value: what the account returns, not what working it adds.
    """
    currency, portfolio = rows["currency"].astype("str"), rows["portfolio"].astype("str")
    unit = 10.0 ** terms.decimals[terms.reporting_currency]
    fx = currency.map({name: float(rate) for name, rate in terms.fx.items()}).to_numpy(dtype=np.float64)
    minor = currency.map({name: 10.0**decimals for name, decimals in terms.decimals.items()}).to_numpy(dtype=np.float64)
    share, annual_rate, days = (
        portfolio.map(dict(by)).to_numpy(dtype=np.float64) for by in (terms.share, terms.annual_rate, terms.days_to_pay)
    )
    discount = (1.0 + annual_rate) ** (-days / 365.0)
    cost = np.rint(rows["channel"].astype("str").map({"": 0.0, **terms.costs}).to_numpy(dtype=np.float64) * unit)
    if np.isnan(cost).any():
        lacking = sorted(set(rows["channel"].astype("str")[np.isnan(cost)]))
        raise ContractError(f"Channels {', '.join(lacking)} have no cost. Add worklist.costs for them.")
    recovered = rows["expected_recovery"].to_numpy(dtype=np.float64) / minor * unit
    net = np.rint(fx * share * recovered * discount - cost)
    return pd.DataFrame(
        {
            "fx": fx,
            "share": share,
            "annual_rate": annual_rate,
            "days_to_pay": days,
            "discount": discount,
            "contact_cost": cost.astype(np.int64),
            "net_value": np.where(np.isnan(net), 0.0, net).astype(np.int64),
        },
        index=rows.index,
    )


def draw_control(rows: pd.DataFrame, earlier: pd.DataFrame, as_of: int, terms: ControlTerms) -> pd.DataFrame:
    """Arm of every debtor that is in a span or workable tonight: debtor_id, arm, assigned_on, until_on, probability; sorted by debtor_id.

    rows     debtor_id, verdict group, appointment_at, legal_deadline_on of every scorable account; where known `appointment`: a time is
             agreed for today, whether it can be kept or not
    earlier  arms of former nights (debtor_id, arm, assigned_on, until_on, probability), the newest per debtor; may be empty

    A debtor keeps the arm of its span, [assigned_on, until_on); a workable one without a span is drawn by a hash of seed, debtor and night,
    so the draw depends on nobody else. One with an appointment or a legal deadline is never drawn.
    """
    running = earlier[earlier["until_on"] > as_of] if len(earlier) else pd.DataFrame(columns=["debtor_id"])
    bound = (rows["appointment_at"] != NO_TIME) | (rows["legal_deadline_on"] != NO_DAY)
    if "appointment" in rows:
        bound |= rows["appointment"].astype(bool)
    by_debtor = pd.DataFrame({"debtor_id": rows["debtor_id"], "workable": rows["group"] == "permitted", "bound": bound})
    by_debtor = by_debtor.groupby("debtor_id", sort=True)[["workable", "bound"]].any()
    drawn = by_debtor[by_debtor["workable"] & ~by_debtor["bound"] & ~by_debtor.index.isin(running["debtor_id"])].index
    control = np.array([_hash(f"{terms.seed}|{as_of}|{name}") for name in drawn], dtype=np.float64) < terms.share
    fresh = pd.DataFrame(
        {
            "debtor_id": pd.Series(drawn.to_numpy(), dtype="str"),
            "arm": pd.Series(np.where(control, CONTROL, WORKED), dtype="str"),
            "assigned_on": np.int32(as_of),
            "until_on": np.int32(as_of + terms.span_days),
            "probability": float(terms.share),
        }
    )
    known = running[list(fresh.columns)] if len(running) else fresh.iloc[:0]
    return pd.concat([known, fresh], ignore_index=True).sort_values("debtor_id", ignore_index=True)


def rank(rows: pd.DataFrame, arms: pd.DataFrame, capacity: Mapping[str, int]) -> pd.DataFrame:
    """Put every account in exactly one of GROUPS, and the list in order. Index as the rows'.

    rows      account_id, debtor_id, queue, group (verdict: permitted, deferred, excluded), appointment_at, legal_deadline_on, fx,
              net_value, expected_recovery
    arms      of `draw_control`
    capacity  queue -> debtors a night; "default" for a queue not named

    Returns group, rank (1..n within the queue, 0 off the list), head (account_id of the debtor's row for worklist, joined and
    below_capacity; "" otherwise) and joined_accounts (ids joined by one blank, on the list's rows). Decided in this order: excluded, held
    out (whole debtors, unless an appointment or a legal deadline binds tonight), deferred, no value, then one row per debtor: appointments
    first, then legal deadlines (the nearest first), then net_value, expected_recovery, account_id. Its other accounts follow it.
    """
    found = pd.DataFrame({"group": "below_capacity", "rank": 0, "head": "", "joined_accounts": ""}, index=rows.index)
    group = found["group"].to_numpy(dtype=object).copy()
    bound = (rows["appointment_at"] != NO_TIME) | (rows["legal_deadline_on"] != NO_DAY)
    if "appointment" in rows:
        bound |= rows["appointment"]
    bound_debtors = rows["debtor_id"][bound].unique()
    held = rows["debtor_id"].isin(arms["debtor_id"][arms["arm"] == CONTROL]) & ~rows["debtor_id"].isin(bound_debtors)
    verdict = rows["group"].astype("str")
    group[(rows["net_value"] <= 0).to_numpy()] = "no_value"
    group[(verdict == "deferred").to_numpy()] = "deferred"
    group[held.to_numpy()] = "held_out"
    group[((verdict == "excluded") | rows["fx"].isna()).to_numpy()] = "excluded"

    open_rows = rows[group == "below_capacity"]
    appointed = (open_rows["appointment_at"] != NO_TIME).to_numpy()
    deadline = open_rows["legal_deadline_on"].to_numpy().astype(np.int64)
    order = np.lexsort(
        (
            open_rows["account_id"].to_numpy(dtype="U"),
            -open_rows["expected_recovery"].to_numpy(),
            -open_rows["net_value"].to_numpy(),
            np.where(deadline == NO_DAY, NEVER, deadline),
            ~appointed,
        )
    )
    ordered = open_rows.iloc[order]
    heads = ordered.drop_duplicates("debtor_id")
    places = heads.groupby("queue", sort=False, observed=True).cumcount() + 1
    allowed = heads["queue"].astype("str").map(lambda queue: capacity.get(queue, capacity["default"])).to_numpy(dtype=np.int64)
    listed = heads[(places <= allowed).to_numpy()]
    head_of = dict(zip(heads["debtor_id"], heads["account_id"], strict=True))
    followers = ordered[~ordered["account_id"].isin(heads["account_id"])]
    on_list = followers["debtor_id"].isin(listed["debtor_id"])

    found["group"] = group
    found.loc[listed.index, "group"] = "worklist"
    found.loc[listed.index, "rank"] = places[listed.index]
    found.loc[followers.index[on_list], "group"] = "joined"
    found.loc[ordered.index, "head"] = ordered["debtor_id"].map(head_of)
    joined: dict[str, list[str]] = {}
    for debtor, account in zip(followers["debtor_id"][on_list], followers["account_id"][on_list], strict=True):
        joined.setdefault(debtor, []).append(account)
    found.loc[listed.index, "joined_accounts"] = [" ".join(sorted(joined.get(debtor, ()))) for debtor in listed["debtor_id"]]
    return found


def overbooked(rows: pd.DataFrame, ranks: pd.DataFrame) -> list[str]:
    """A warning per queue whose capacity does not hold its appointments and legal deadlines. rows and ranks: of `rank`."""
    bound = (rows["appointment_at"] != NO_TIME) | (rows["legal_deadline_on"] != NO_DAY)
    left = rows[bound & (ranks["group"] == "below_capacity") & (ranks["head"] == rows["account_id"])]
    sizes = left.groupby(left["queue"].astype("str"), sort=True).size()
    return [
        f"Queue {name}: {size:,} debtors with an appointment or a legal deadline do not fit its capacity. Raise worklist.capacity.{name}."
        for name, size in sizes.items()
    ]


def counted(groups: pd.Series) -> dict[str, int]:
    """{"scorable": all, group: accounts...}; ContractError should they not add up."""
    counts = {name: int((groups == name).sum()) for name in GROUPS}
    if sum(counts.values()) != len(groups):
        raise ContractError(f"The groups hold {sum(counts.values()):,} accounts and {len(groups):,} are scorable. Report it.")
    return {"scorable": len(groups), **counts}


def _hash(text: str) -> float:
    """Uniform in [0, 1), the same on every machine."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") / 2.0**64
