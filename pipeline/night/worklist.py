"""From scores and verdicts to the published frames: value, control group, groups and ranks; the columns of the contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from features.currencies import DECIMALS
from features.days import date_of
from features.tables import NO_DAY, NO_TIME
from models.agents import FAIR, shared_out, spread
from models.prioritise import (
    NO_RATE,
    VALUE_COLUMNS,
    ChannelRoom,
    ControlTerms,
    Floor,
    ValueTerms,
    counted,
    draw_control,
    net_value,
    overbooked,
    rank,
    worth,
)
from models.response import PARTS, ChannelTerms, channel_options, cut_to, planned_parts, segment_rates
from pipeline.columns import PUBLISHED_SCORES, WORKLIST_COLUMNS
from pipeline.law.decision import NO_LIMIT
from pipeline.law.rule_file import load_rules
from pipeline.law.rules import Pause
from pipeline.night.queues import queue_of
from pipeline.night.score import Job
from pipeline.night.shards import Worked
from pipeline.pages.publication import Details, Night
from pipeline.params import Params
from pipeline.store.store import Store

VALUED = ["expected_recovery", "net_value"]
PLANNED = ["channel", "attempts", "contacts_left", "response_rate", *PARTS, "permitted_from_minute", "permitted_until_minute"]
REMEMBERED = ["debtor_id", "arm", "assigned_on", "until_on", "probability", "agent"]  # of former nights
ABOUT = ["debtor_id", "portfolio", "product", "currency", "balance", "arrears", "days_past_due"]


@dataclass(frozen=True)
class Ranked:
    """All scorable accounts of the night with their group, value and planned channel; arms of the control group; the listed rows' keys."""

    rows: pd.DataFrame
    arms: pd.DataFrame
    listed: pd.DataFrame
    warnings: list[str]


def rank_night(store: Store, job: Job, worked: list[Worked]) -> Ranked:
    """Value, channel, control group, groups, ranks and agents over all shards."""
    params = job.params
    rows = pd.concat([one.rows.assign(shard=np.int32(shard)) for shard, one in enumerate(worked)], ignore_index=True)
    for name in ("expected_recovery", "amount_if_recovered"):
        rows[name] = np.rint(rows[name]).astype(np.int64)
    waits = pd.concat([one.waits for one in worked]).groupby("portfolio")[["money", "money_days"]].sum()
    terms = _value_terms(rows, waits, params)
    options = _options(rows, worked, terms, params)
    best = options[options["place"] == 0]
    rows = _with_option(rows, best, terms)
    no_rate = rows["fx"].isna()
    told = ["excluded", NO_RATE, "money.rates", "The currency has no rate, so its value is not known."]
    rows.loc[no_rate, ["group", "rule", "citation", "reason"]] = told
    rows["queue"] = queue_of(rows, params.worklist)
    rows["waiting_since"] = _waiting_since(rows, job.as_of)
    control = ControlTerms(params.worklist.control_share, params.label.gap_days, params.seed)
    earlier = store.read("assignments", [*REMEMBERED, "as_of"], before=job.as_of)
    newest = _newest(earlier)
    arms = draw_control(rows, newest, job.as_of, control)
    capacity = {name: params.worklist.capacity_of(name) for name in {*rows["queue"].unique(), *params.worklist.capacity}}
    limits = params.worklist.channel_capacity
    floor = Floor(params.worklist.floor.days, params.worklist.floor.share)
    ranks = rank(rows, arms, capacity, job.as_of, floor, ChannelRoom(limits, options) if limits else None)
    if (ranks["option"] > 0).any():
        chosen = rows[["account_no"]].assign(place=ranks["option"].to_numpy()).merge(options, on=["account_no", "place"])
        rows = _with_option(rows.drop(columns=[*PLANNED, *VALUE_COLUMNS]), chosen, terms)
    rows = pd.concat([rows.drop(columns="group"), rows["group"].rename("verdict"), ranks], axis=1)
    rows = pd.concat([rows, _within_the_day(rows, capacity, params.worklist.part_share)], axis=1)
    rows["agent"], unfair = _agents(rows, _last_agents(earlier), params)
    listed = rows.loc[rows["group"] == "worklist", ["account_no", "account_id", "debtor_id", "p_recovered", "channel", "shard"]]
    lacking = sorted(set(rows["currency"].astype("str")[no_rate]))
    warnings = [f"Currency {name} has no rate in money.rates; its accounts are excluded." for name in lacking]
    return Ranked(rows, arms, listed, [*warnings, *overbooked(rows, ranks), *unfair])


def _options(rows: pd.DataFrame, worked: list[Worked], terms: ValueTerms, params: Params) -> pd.DataFrame:
    """Every permitted channel of every account, best first, with its net value: models.response.channel_options."""
    counts = pd.concat([one.answers for one in worked], ignore_index=True)
    channels = pd.concat([one.channels[one.channels["verdict"] == "permitted"] for one in worked], ignore_index=True)
    channels["channel"] = channels["channel"].astype("str")
    about = rows[["account_no", "portfolio", "currency", "expected_recovery", "appointment_at"]]
    permitted = channels.drop(columns=["verdict", "rule", "citation", "first_permitted"]).merge(
        about, on="account_no", validate="many_to_one"
    )
    permitted["appointed"] = (permitted["appointment_at"] != NO_TIME) & (permitted["channel"] == "call")
    segments = segment_rates(counts, sorted(set(rows["portfolio"].astype("str"))))
    value = pd.Series(worth(rows, terms)["worth"].to_numpy(), index=rows["account_no"].to_numpy())
    pauses: dict[str, int] = {}
    for rule in load_rules().all_rules.values():
        if isinstance(rule, Pause):
            pauses |= {name: max(rule.minutes, pauses.get(name, 0)) for name in rule.channels}
    plan = ChannelTerms(params.worklist.costs, params.worklist.attempts, params.eligibility.channels, pauses)
    found = channel_options(permitted, value, counts, segments, plan)
    return found.drop(columns="contact_cost").assign(net_value=net_value(found, terms)["net_value"])


def _with_option(rows: pd.DataFrame, options: pd.DataFrame, terms: ValueTerms) -> pd.DataFrame:
    """The rows with the channel planned for them, if any, and the terms of their value."""
    named = options.rename(columns={"from_minute": "permitted_from_minute", "until_minute": "permitted_until_minute"})
    rows = rows.merge(named[["account_no", *PLANNED]], on="account_no", how="left", validate="one_to_one")
    rows = rows.fillna({"channel": "", "attempts": 0})
    return pd.concat([rows.drop(columns="attempts"), net_value(rows, terms)], axis=1)


def _within_the_day(rows: pd.DataFrame, capacity: Mapping[str, int], share: float) -> pd.DataFrame:
    """part, contact_from_minute, contact_until_minute: the permitted window of each listed row, cut to the part it answers best in."""
    found = rows[["permitted_from_minute", "permitted_until_minute"]].set_axis(["contact_from_minute", "contact_until_minute"], axis=1)
    found.insert(0, "part", "")
    for queue, own in rows[rows["group"] == "worklist"].sort_values("rank").groupby("queue"):
        part = pd.Series(planned_parts(own, int(np.ceil(share * capacity[queue]))), index=own.index, dtype="str")
        found.loc[own.index, "part"] = part
        for name in PARTS:
            held = own.index[part == name]
            window = own.loc[held, ["permitted_from_minute", "permitted_until_minute"]].to_numpy().T
            found.loc[held, "contact_from_minute"], found.loc[held, "contact_until_minute"] = cut_to(name, *window)
    return found


def _waiting_since(rows: pd.DataFrame, as_of: int) -> pd.Series:
    """Day since which nobody has worked the debtor: our newest contact on any of its accounts, else the first day it could be worked
    (placed, or overdue)."""
    worked = rows.groupby("debtor_id")["last_worked"].transform("max")
    placed = rows["placed_on"].where(rows["placed_on"] != NO_DAY, as_of - rows["days_past_due"])
    began = placed.groupby(rows["debtor_id"]).transform("min")
    return worked.where(worked != NO_DAY, began).astype(np.int32)


def _last_agents(earlier: pd.DataFrame) -> dict[str, str]:
    """Agent who last had each debtor on a list."""
    if earlier.empty:
        return {}
    had = earlier[earlier["agent"] != ""].sort_values("as_of", kind="stable")
    return dict(zip(had["debtor_id"], had["agent"], strict=True))  # the last one stays


def _agents(rows: pd.DataFrame, before: Mapping[str, str], params: Params) -> tuple[pd.Series, list[str]]:
    """(agent of every listed row of a queue that agents work, a warning per queue that cannot be split fairly)."""
    agent, warnings = pd.Series("", index=rows.index, dtype="str"), []
    for queue, places in sorted(params.worklist.agents.items()):
        own = rows[(rows["group"] == "worklist") & (rows["queue"] == queue)].sort_values("rank")
        if own.empty:
            continue
        values = own["net_value"].tolist()
        shared = shared_out(values, [before.get(name, "") for name in own["debtor_id"]], places)
        agent[own.index] = shared
        if (apart := spread(values, shared, places)) > FAIR:
            warnings.append(f"Queue {queue}: its agents' expected value lies {apart:.1%} apart; a few large debts allow no fairer split.")
    return agent, warnings


def _newest(earlier: pd.DataFrame) -> pd.DataFrame:
    if earlier.empty:
        return pd.DataFrame({"debtor_id": pd.Series(dtype="str"), "until_on": pd.Series(dtype="int32")})
    return earlier[earlier["arm"] != ""].sort_values("as_of", kind="stable").drop_duplicates("debtor_id", keep="last")


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
    audit = _audit(listed, job)
    shut = rows[rows["group"].isin(["excluded", "deferred"])].sort_values("account_id", ignore_index=True)
    held = rows[rows["group"] == "held_out"].merge(ranked.arms, on="debtor_id", how="left").sort_values("account_id", ignore_index=True)
    held = held.assign(assigned_on=_dates(held["assigned_on"]), held_out_until=_dates(held["until_on"]))
    scores = pd.concat([_scores(one, job) for one in worked], ignore_index=True).sort_values("account_id", ignore_index=True)
    opened = replace(details, channels=_channels(worked, listed), appointments=_appointments(listed))
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


def _audit(listed: pd.DataFrame, job: Job) -> pd.DataFrame:
    """Every term of the net value, what chose channel and window, and what brought the row on the list."""
    audit = listed.assign(
        rates_date=job.params.money.rates_date,
        permitted_from=_clock(listed["permitted_from_minute"]),
        permitted_until=_clock(listed["permitted_until_minute"]),
        part_of_day=listed["part"],
        last_worked=_dates(listed["last_worked"]),
    )
    about = ["account_id", "queue", "rank", "agent", "listed_by", "portfolio", "currency", "expected_recovery", "reporting_currency"]
    planned = ["channel", "response_rate", "part_of_day", "permitted_from", "permitted_until", "last_worked"]
    return audit[[*about, "fx", "rates_date", *VALUE_COLUMNS[1:], *planned]]


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
    figures = ["p_recovered", "expected_recovery", "net_value", "fx", "channel", "agent", "model_version"]
    kept = pd.concat([kept, rows[figures]], axis=1).astype(dict.fromkeys(("portfolio", "currency", "queue", "group"), "str"))
    return kept.assign(as_of=np.int32(job.as_of)).sort_values("account_id", ignore_index=True)


def _of_group(rows: pd.DataFrame, group: str, columns: list[str]) -> pd.DataFrame:
    return rows.loc[rows["group"] == group, ["account_id", *columns]].reset_index(drop=True)


def _scores(one: Worked, job: Job) -> pd.DataFrame:
    amounts = {name: np.rint(one.rows[name]).astype(np.int64) for name in ("amount_if_recovered", "expected_recovery")}
    return one.rows.assign(as_of=date_of(job.as_of), **amounts)[list(PUBLISHED_SCORES)]


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
