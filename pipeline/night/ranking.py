"""From scores and rulings to ranks: value, channel, control group, groups, part of the day, agents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals

from features.aliases import known_before, renamed
from features.currencies import DECIMALS
from features.tables import NO_DAY, NO_TIME
from models.agents import FAIR, shared_out, spread
from models.effect import BANDS
from models.ladder import Rung, said_bands
from models.prioritise import (
    ADDED,
    DRAWN,
    NO_RATE,
    TOTAL,
    VALUE_COLUMNS,
    ChannelRoom,
    ControlTerms,
    Floor,
    ValueTerms,
    draw_control,
    net_value,
    not_listed_before,
    overbooked,
    rank,
    worth,
)
from models.response import PARTS, ChannelTerms, channel_options, cut_to, planned_parts, segment_rates
from pipeline.law.overlay import law_of
from pipeline.law.rules import Pause
from pipeline.night.score import MONEY_SCORES, Job
from pipeline.night.shards import SAID, Worked
from pipeline.panel.queues import queue_of
from pipeline.panel.view import View
from pipeline.params import Params
from pipeline.store.store import Store

ORDERS = {"added": ADDED, "total": TOTAL}
WORKABLE = ("worklist", "joined", "below_capacity", "self_cure", "no_value")
PLANNED = [
    "channel",
    "attempts",
    "contacts_left",
    "response_rate",
    *PARTS,
    "permitted_from_minute",
    "permitted_until_minute",
]
REMEMBERED = ["debtor_id", "arm", "assigned_on", "until_on", "probability", "agent"]  # of former nights


@dataclass(frozen=True)
class Ranked:
    """All scorable accounts of the night with their group, value and planned channel; arms of the lot; the listed
    rows' keys; what each
    order would bring (see _both_orders)."""

    rows: pd.DataFrame
    arms: pd.DataFrame
    listed: pd.DataFrame
    warnings: list[str]
    orders: Mapping[str, Mapping[str, int]]


def rank_night(store: Store, job: Job, worked: list[Worked]) -> Ranked:
    """Value, channel, control group, groups, ranks and agents over all shards."""
    params, desk = job.params, job.params.worklist
    rows = _scored(worked, job.rung)
    terms = _value_terms(rows, worked, params)
    options = _options(rows, worked, terms, params)
    rows, lacking = _without_rate(_with_option(rows, options[options["place"] == 0], terms))
    rows["queue"] = queue_of(rows, desk)
    rows["self_cure"] = _pay_alone(rows, params)
    rows["waiting_since"] = _waiting_since(rows, job.as_of)
    earlier = store.read("assignments", [*REMEMBERED, "as_of"], before=job.as_of)
    persons = store.persons(job.versions)
    names = known_before(persons.links, job.as_of) if persons is not None else {}
    control = ControlTerms(desk.control_share, params.label.gap_days, params.seed, desk.worked_share)
    arms = draw_control(rows, standing_arms(earlier, names, job.as_of), job.as_of, control)
    capacity = {name: desk.capacity_of(name) for name in {*rows["queue"].unique(), *desk.capacity}}
    # pyrefly: ignore[bad-argument-type]
    room = ChannelRoom(desk.channel_capacity, options) if desk.channel_capacity else None
    if terms.of == ADDED:
        by_total = net_value(rows, replace(terms, of=TOTAL))["net_value"]
        rows["held_down"] = not_listed_before(rows, arms, capacity, by_total)
    ranks = rank(rows, arms, capacity, job.as_of, Floor(desk.floor.days, desk.floor.share), room)
    rows = _moved(rows, ranks, options, terms)
    rows = pd.concat([rows.drop(columns="group"), rows["group"].rename("verdict"), ranks], axis=1)
    both, orders = _both_orders(rows, terms, capacity)
    rows = pd.concat([rows, both], axis=1)
    rows = pd.concat([rows, _within_the_day(rows, capacity, desk.part_share)], axis=1)
    rows["agent"], unfair = _agents(rows, _last_agents(earlier, names), params)
    listed = rows.loc[
        rows["group"] == "worklist", ["account_no", "account_id", "debtor_id", "p_recovered", "channel", "shard"]
    ]
    return Ranked(rows, arms, listed, [*lacking, *overbooked(rows, ranks), *unfair], orders)


def _scored(worked: list[Worked], rung: Rung) -> pd.DataFrame:
    """The rows of all shards, with the band of what a call adds as it may be said; money rounded half-even to minor
    units."""
    plain = [one.rows.drop(columns=list(SAID)).assign(shard=np.int32(at)) for at, one in enumerate(worked)]
    rows = pd.concat(plain, ignore_index=True)
    for name in SAID:  # no text of a hundred letters for each account
        told = [one.rows[name] for one in worked if len(one.rows)]  # classes of no rows are of no type
        rows[name] = union_categoricals(told, sort_categories=True) if told else pd.Categorical([])
    rows["effect"] = said_bands(rows, rung).astype("str")
    for name in MONEY_SCORES:
        rows[name] = np.rint(rows[name]).astype(np.int64)
    return rows


def _pay_alone(rows: pd.DataFrame, params: Params) -> pd.Series:
    """Accounts that very likely pay without our contact and that a call changes little: by added value they leave the
    call list."""
    alone = (rows["p_if_left"] >= params.value.self_cure_from) & (rows["effect"] == BANDS[0])
    return alone & (params.value.mode == "added")


def _both_orders(
    rows: pd.DataFrame, terms: ValueTerms, capacity: Mapping[str, int]
) -> tuple[pd.DataFrame, dict[str, dict[str, int]]]:
    """(added_value and rank_total of the rows, what either order alone would bring within capacity).

    added_value  net value by what working adds, minor units of the reporting currency
    rank_total   place that the debtor would have in its queue by all that it returns, of those who may be worked; 0 for
                 anybody else The orders say debtors, returns (all that they are expected to return, our share,
                 discounted) and adds (what working adds to that).
    """
    unit = 10.0 ** terms.decimals[terms.reporting_currency]
    nets = {name: net_value(rows, replace(terms, of=of))["net_value"] for name, of in ORDERS.items()}
    sums = {name: worth(rows, replace(terms, of=of))["worth"] * unit for name, of in ORDERS.items()}
    able = rows.assign(**{f"net_{name}": nets[name] for name in ORDERS}, **sums)
    able = able[able["group"].isin(WORKABLE)]  # last: what is assigned to a frame without rows fills it
    place, brought = pd.Series(0, index=rows.index, dtype=np.int64), {}
    for name in ORDERS:
        keys = [f"net_{name}", "expected_recovery", "account_id"]
        first = able.sort_values(keys, ascending=[False, False, True]).drop_duplicates("debtor_id")
        turn = first.groupby("queue", observed=True).cumcount() + 1
        if name == "total":
            place = (
                rows["debtor_id"]
                .map(pd.Series(turn.to_numpy(), index=first["debtor_id"]))
                .where(rows["group"].isin(WORKABLE), 0)
            )
        if name == "added" and "held_down" in first:
            first, turn = first[~first["held_down"]], turn[~first["held_down"]]
        taken = first[turn.to_numpy() <= first["queue"].map(capacity).to_numpy()]
        brought[name] = {
            "debtors": len(taken),
            "returns": round(taken["total"].sum()),
            "adds": round(taken["added"].sum()),
        }
    return pd.DataFrame({"added_value": nets["added"], "rank_total": place.astype(np.int64)}), brought


def _without_rate(rows: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """(rows, a warning per currency without a rate): its accounts are excluded by name."""
    no_rate = rows["fx"].isna()
    told = ["excluded", NO_RATE, "money.rates", "The currency has no rate, so its value is not known."]
    if no_rate.any():
        for name, text in zip(SAID, told[1:], strict=True):
            rows[name] = rows[name].cat.set_categories(sorted({*rows[name].cat.categories, text}))
        rows.loc[no_rate, ["group", *SAID]] = told
    lacking = sorted(set(rows["currency"].astype("str")[no_rate]))
    return rows, [f"Currency {name} has no rate in money.rates; its accounts are excluded." for name in lacking]


def _options(rows: pd.DataFrame, worked: list[Worked], terms: ValueTerms, params: Params) -> pd.DataFrame:
    """Every permitted channel of every account, best first, with its net value: models.response.channel_options."""
    counts = pd.concat([one.answers for one in worked], ignore_index=True)
    unsaid = ["verdict", "rule", "citation", "first_permitted"]
    open_ones = [one.channels[one.channels["verdict"] == "permitted"].drop(columns=unsaid) for one in worked]
    channels = pd.concat(open_ones, ignore_index=True)
    channels["channel"] = channels["channel"].astype("str")
    # The same days to pay as in the value of the row: an option is worth what its row will say.
    about = rows[["account_no", "portfolio", "currency", terms.of, "appointment_at", "own_days_to_pay"]]
    permitted = channels.merge(about, on="account_no", validate="many_to_one")
    permitted["appointed"] = (permitted["appointment_at"] != NO_TIME) & (permitted["channel"] == "call")
    segments = segment_rates(counts, sorted(rows["portfolio"].astype("str").unique()))
    value = pd.Series(worth(rows, terms)["worth"].to_numpy(), index=rows["account_no"].to_numpy())
    pauses: dict[str, int] = {}
    for rule in law_of(params).all_rules.values():
        if isinstance(rule, Pause):
            pauses |= {name: max(rule.minutes, pauses.get(name, 0)) for name in rule.channels}
    # pyrefly: ignore[bad-argument-type]
    plan = ChannelTerms(params.worklist.costs, params.worklist.attempts, params.eligibility.channels, pauses)
    found = channel_options(permitted, value, counts, segments, plan)
    return found.drop(columns="contact_cost").assign(net_value=net_value(found, terms)["net_value"])


def _with_option(rows: pd.DataFrame, options: pd.DataFrame, terms: ValueTerms) -> pd.DataFrame:
    """The rows with the channel planned for them, if any, and the terms of their value."""
    named = options.rename(columns={"from_minute": "permitted_from_minute", "until_minute": "permitted_until_minute"})
    rows = rows.merge(named[["account_no", *PLANNED]], on="account_no", how="left", validate="one_to_one")
    rows = rows.fillna({"channel": "", "attempts": 0})
    return pd.concat([rows.drop(columns="attempts"), net_value(rows, terms)], axis=1)


def _moved(rows: pd.DataFrame, ranks: pd.DataFrame, options: pd.DataFrame, terms: ValueTerms) -> pd.DataFrame:
    """The rows with the channel that the ranking gave them where the best one had no room left."""
    if not (ranks["option"] > 0).any():
        return rows
    chosen = rows[["account_no"]].assign(place=ranks["option"].to_numpy()).merge(options, on=["account_no", "place"])
    return _with_option(rows.drop(columns=[*PLANNED, *VALUE_COLUMNS]), chosen, terms)


def _within_the_day(rows: pd.DataFrame, capacity: Mapping[str, int], share: float) -> pd.DataFrame:
    """part, contact_from_minute, contact_until_minute: the permitted window of each listed row,
    cut to the part it answers best in.
    """
    found = rows[["permitted_from_minute", "permitted_until_minute"]].set_axis(
        ["contact_from_minute", "contact_until_minute"], axis=1
    )
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
    """Day since which nobody has worked the debtor: our newest contact on any of its accounts,
    else the first day it could be worked (placed, or overdue).
    """
    worked = rows.groupby("debtor_id")["last_worked"].transform("max")
    placed = rows["placed_on"].where(rows["placed_on"] != NO_DAY, as_of - rows["days_past_due"])
    began = placed.groupby(rows["debtor_id"]).transform("min")
    return worked.where(worked != NO_DAY, began).astype(np.int32)


def _last_agents(earlier: pd.DataFrame, names: Mapping[str, str]) -> dict[str, str]:
    """Agent who last had each debtor on a list."""
    if earlier.empty:
        return {}
    had = earlier[earlier["agent"] != ""].sort_values("as_of", kind="stable")
    return dict(zip(renamed(had["debtor_id"], names), had["agent"], strict=True))  # the last one stays


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
            warnings.append(
                f"Queue {queue}: its agents' expected value lies {apart:.1%} apart; "
                "a few large debts allow no fairer split."
            )
    return agent, warnings


def standing_arms(earlier: pd.DataFrame, names: Mapping[str, str], as_of: int) -> pd.DataFrame:
    """The newest arm of each debtor. names: debtors that were found to be another one; of the spans of one person that
    still run, one over which the lot decided stands, of these the one that began first.
    """
    if earlier.empty:
        return pd.DataFrame({"debtor_id": pd.Series(dtype="str"), "until_on": pd.Series(dtype="int32")})
    armed = earlier[earlier["arm"] != ""].sort_values("as_of", kind="stable").drop_duplicates("debtor_id", keep="last")
    if not names:
        return armed
    runs = armed["until_on"] > as_of
    began = armed["assigned_on"].where(runs, -armed["assigned_on"])  # of those that have ended, the newest
    armed = armed.assign(ended=~runs, free=~armed["arm"].isin(DRAWN), began=began)
    armed = armed.sort_values(["ended", "free", "began", "debtor_id"])
    armed = armed.assign(debtor_id=renamed(armed["debtor_id"], names)).drop_duplicates("debtor_id")
    return armed.drop(columns=["ended", "free", "began"])


def held_out_on(store: Store, as_of: int, seen: View) -> pd.DataFrame:
    """The arms of the debtors of a view whom a lot holds out on a night, as that night and those before it drew."""
    earlier = store.read("assignments", [*REMEMBERED, "as_of"], before=as_of + 1)
    if earlier.empty:
        return pd.DataFrame({"debtor_id": pd.Series(dtype="str"), "arm": pd.Series(dtype="str")})
    persons = store.persons(store.versions())
    names = known_before(persons.links, as_of) if persons is not None else {}
    arms = standing_arms(earlier, names, as_of)
    own = arms["debtor_id"].isin(seen.cohort.frame["debtor_id"].astype("str")) & (arms["until_on"] > as_of)
    return arms[own]


def _value_terms(rows: pd.DataFrame, worked: list[Worked], params: Params) -> ValueTerms:
    """Days to pay: mean, weighted by money, over the last matured nights;
    half the horizon for a portfolio that recovered nothing then.
    """
    waits = pd.concat([one.waits for one in worked]).groupby("portfolio")[["money", "money_days"]].sum()
    names = sorted(rows["portfolio"].astype("str").unique())
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
        of=ADDED if params.value.mode == "added" else TOTAL,
    )
