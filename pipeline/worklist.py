"""From scores and verdicts to the published frames: value, control group, groups and ranks; the columns of the contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from features.currencies import DECIMALS
from features.tables import NO_DAY, NO_TIME
from models.prioritise import (
    NO_RATE,
    VALUE_COLUMNS,
    ControlTerms,
    ValueTerms,
    counted,
    draw_control,
    net_value,
    overbooked,
    rank,
)
from pipeline.dataset import date_of
from pipeline.deciding import NO_LIMIT
from pipeline.params import Params
from pipeline.publication import WORKLIST_COLUMNS, Details, Night
from pipeline.score import SCORE_COLUMNS, Job
from pipeline.shards import Worked
from pipeline.store import Store

VALUED = ["expected_recovery", "net_value"]
ABOUT = ["debtor_id", "portfolio", "product", "currency", "balance", "arrears", "days_past_due"]


@dataclass(frozen=True)
class Ranked:
    """All scorable accounts of the night with their group, value and planned channel; arms of the control group; the listed rows' keys."""

    rows: pd.DataFrame
    arms: pd.DataFrame
    listed: pd.DataFrame
    warnings: list[str]


def rank_night(store: Store, job: Job, worked: list[Worked]) -> Ranked:
    """Value, control group, groups and ranks over all shards."""
    params = job.params
    rows = pd.concat([one.rows.assign(shard=np.int32(shard)) for shard, one in enumerate(worked)], ignore_index=True)
    planned = pd.concat([_planned(one) for one in worked], ignore_index=True)
    rows = rows.merge(planned, on="account_no", how="left", validate="one_to_one")
    rows["channel"] = rows["channel"].fillna("")
    for name in ("expected_recovery", "amount_if_recovered"):
        rows[name] = np.rint(rows[name]).astype(np.int64)
    waits = pd.concat([one.waits for one in worked]).groupby("portfolio")[["money", "money_days"]].sum()
    rows = pd.concat([rows, net_value(rows, _value_terms(rows, waits, params))], axis=1)
    no_rate = rows["fx"].isna()
    told = ["excluded", NO_RATE, "money.rates", "The currency has no rate, so its value is not known."]
    rows.loc[no_rate, ["group", "rule", "citation", "reason"]] = told
    rows["queue"] = rows[params.worklist.queue_by].astype("str")
    control = ControlTerms(params.worklist.control_share, params.label.gap_days, params.seed)
    earlier = store.read("assignments", ["debtor_id", "arm", "assigned_on", "until_on", "probability", "as_of"], before=job.as_of)
    arms = draw_control(rows, _newest(earlier), job.as_of, control)
    ranks = rank(rows, arms, params.worklist.capacity)
    rows = pd.concat([rows.drop(columns="group"), rows["group"].rename("verdict"), ranks], axis=1)
    listed = rows.loc[rows["group"] == "worklist", ["account_no", "account_id", "debtor_id", "p_recovered", "shard"]]
    lacking = sorted(set(rows["currency"].astype("str")[no_rate]))
    warnings = [f"Currency {name} has no rate in money.rates; its accounts are excluded." for name in lacking]
    return Ranked(rows, arms, listed, [*warnings, *overbooked(rows, ranks)])


def _planned(one: Worked) -> pd.DataFrame:
    """The channel to use of each permitted account: the first permitted one in the order of eligibility.channels, with its window."""
    permitted = one.channels[one.channels["verdict"] == "permitted"]
    first = permitted.drop_duplicates("account_no")
    named = {"from_minute": "contact_from_minute", "until_minute": "contact_until_minute"}
    kept = first[["account_no", "channel", "from_minute", "until_minute", "contacts_left"]].rename(columns=named)
    return kept.assign(channel=kept["channel"].astype("str"))


def _newest(earlier: pd.DataFrame) -> pd.DataFrame:
    if earlier.empty:
        return pd.DataFrame({"debtor_id": pd.Series(dtype="str"), "until_on": pd.Series(dtype="int32")})
    return earlier.sort_values("as_of", kind="stable").drop_duplicates("debtor_id", keep="last")


def _value_terms(rows: pd.DataFrame, waits: pd.DataFrame, params: Params) -> ValueTerms:
    """Days to pay: mean, weighted by money, over the last matured nights; half the horizon for a portfolio that recovered nothing then."""
    names = sorted(set(rows["portfolio"].astype("str")))
    days = dict.fromkeys(names, params.label.horizon_days / 2)
    days |= {name: float(row["money_days"] / row["money"]) for name, row in waits.iterrows() if row["money"] > 0}
    return ValueTerms(
        reporting_currency=params.money.reporting_currency,
        fx={**params.money.rates, params.money.reporting_currency: 1.0},
        decimals=DECIMALS,
        share={name: params.portfolio(name).share for name in names},
        annual_rate={name: params.portfolio(name).annual_rate for name in names},
        days_to_pay=days,
        costs=params.worklist.costs,
    )


def night_of(store: Store, job: Job, worked: list[Worked], ranked: Ranked, said: pd.DataFrame, details: Details) -> Night:
    """The published frames, each in its order."""
    rows, as_of = ranked.rows, date_of(job.as_of)
    listed = rows[rows["group"] == "worklist"].merge(said, on="account_no", how="left", validate="one_to_one")
    listed = listed.sort_values(["queue", "rank"], ignore_index=True)
    listed = listed.assign(
        as_of=as_of,
        valid_until=as_of,
        reporting_currency=job.params.money.reporting_currency,
        contact_from=_clock(listed["contact_from_minute"]),
        contact_until=_clock(listed["contact_until_minute"]),
        time_zone=listed["time_zone"].fillna(listed["portfolio"].map(lambda name: job.params.portfolio(name).time_zone)),
        contacts_left=listed["contacts_left"].where(listed["contacts_left"] < NO_LIMIT).astype("Int64"),
        last_right_party=_dates(listed["last_right_party"]),
        last_payment=_dates(listed["last_payment"]),
    )
    audit = listed[["account_id", "queue", "rank", "portfolio", "currency", "expected_recovery", "reporting_currency", *VALUE_COLUMNS]]
    shut = rows[rows["group"].isin(["excluded", "deferred"])].sort_values("account_id", ignore_index=True)
    held = rows[rows["group"] == "held_out"].merge(ranked.arms, on="debtor_id", how="left").sort_values("account_id", ignore_index=True)
    held = held.assign(assigned_on=_dates(held["assigned_on"]), held_out_until=_dates(held["until_on"]))
    scores = pd.concat([_scores(one, job) for one in worked], ignore_index=True).sort_values("account_id", ignore_index=True)
    opened = replace(details, channels=_channels(worked, listed), appointments=_appointments(listed), limits=details.limits)
    return Night(
        as_of=as_of,
        valid_until=as_of,
        reporting_currency=job.params.money.reporting_currency,
        worklist=listed[list(WORKLIST_COLUMNS)],
        deferred=_of_group(shut, "deferred", ["rule", "citation", "first_permitted", "reason", *ABOUT, "time_zone"]),
        excluded=_of_group(shut, "excluded", ["rule", "citation", "reason", *ABOUT]),
        held_out=held[["account_id", "probability", "assigned_on", "held_out_until", "p_recovered", *VALUED, *ABOUT]],
        scores=scores,
        counts=counted(rows["group"]),
        model={"version": job.model.version, **_said_of(job.model.record)},
        complete_through={name: date_of(day) for name, day in sorted(store.complete_through(job.versions).items())},
        manifest={},
        details=opened,
        audit=audit,
        language=job.params.worklist.language,
    )


def assignments(ranked: Ranked, job: Job) -> pd.DataFrame:
    """What became of every scorable account of the night, for the control group and for what later nights are measured by.

    arm is "" for debtors that never were workable; until_on is the first day on which the debtor may be drawn again.
    """
    rows = ranked.rows.merge(ranked.arms, on="debtor_id", how="left")
    kept = rows[["account_id", "debtor_id", "portfolio", "currency", "queue", "group", "rank", "head", "balance"]].copy()
    kept["arm"] = rows["arm"].fillna("").astype("str")
    for name in ("assigned_on", "until_on"):
        kept[name] = rows[name].fillna(NO_DAY).astype(np.int32)
    kept["probability"] = rows["probability"].fillna(0.0).astype(np.float64)
    figures = ["p_recovered", "expected_recovery", "net_value", "fx", "channel", "model_version"]
    kept = pd.concat([kept, rows[figures]], axis=1).astype(dict.fromkeys(("portfolio", "currency", "queue", "group"), "str"))
    return kept.assign(as_of=np.int32(job.as_of)).sort_values("account_id", ignore_index=True)


def _of_group(rows: pd.DataFrame, group: str, columns: list[str]) -> pd.DataFrame:
    return rows.loc[rows["group"] == group, ["account_id", *columns]].reset_index(drop=True)


def _scores(one: Worked, job: Job) -> pd.DataFrame:
    amounts = {name: np.rint(one.rows[name]).astype(np.int64) for name in ("amount_if_recovered", "expected_recovery")}
    return one.rows.assign(as_of=date_of(job.as_of), **amounts)[list(SCORE_COLUMNS)]


def _channels(worked: list[Worked], listed: pd.DataFrame) -> pd.DataFrame:
    names = listed.set_index("account_no")["account_id"]
    shown = pd.concat([one.channels[one.channels["account_no"].isin(names.index)] for one in worked], ignore_index=True)
    shown.insert(0, "account_id", names.reindex(shown["account_no"]).to_numpy())
    return shown.drop(columns="account_no").astype({"channel": "str", "verdict": "str"})


def _appointments(listed: pd.DataFrame) -> pd.DataFrame:
    return listed.loc[listed["appointment_at"] != NO_TIME, ["account_id", "appointment_at"]].reset_index(drop=True)


def _clock(minutes: pd.Series) -> list[str]:
    """HH:MM; the end of the day is 24:00, and "" stands where there is no window."""
    return ["" if np.isnan(minute) or minute < 0 else f"{int(minute) // 60:02d}:{int(minute) % 60:02d}" for minute in minutes]


def _dates(days: pd.Series) -> pd.Series:
    return pd.Series([None if day == NO_DAY else date_of(day) for day in days], index=days.index, dtype=object)


def _said_of(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: record[name] for name in ("run_id", "approved_by", "approved_at", "why") if record.get(name)}
