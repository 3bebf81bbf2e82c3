"""The rows of a shard with what each is worth and the channel planned for it: what a night ranks. They wait on the
disk; of all accounts at once a night holds only the numbers by which they are ordered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from pyarrow import feather

from features.currencies import DECIMALS
from features.tables import CHANNELS, NO_DAY, NO_TIME
from models.effect import BANDS
from models.ladder import said_bands
from models.response import PARTS, ChannelTerms, channel_options, segment_rates
from models.value import ADDED, NO_RATE, TOTAL, ValueTerms, net_value, worth
from pipeline.law.overlay import law_of
from pipeline.law.rules import Pause
from pipeline.night.score import MONEY_SCORES, Job
from pipeline.night.shards import SAID, Finished
from pipeline.panel.queues import queue_of
from pipeline.params import Params

ORDERS = {"added": ADDED, "total": TOTAL}
PLANNED = [
    "channel",
    "attempts",
    "contacts_left",
    "response_rate",
    *PARTS,
    "permitted_from_minute",
    "permitted_until_minute",
]
RANKED = "ranked"  # folder of the shelf
VERDICTS = ("permitted", "deferred", "excluded")
OF_ORDERS = [f"{what}_{name}" for name in ORDERS for what in ("net", "worth")]
# What of an account takes part in the ranking of all; two texts beside it, its own id and the debtor's.
CORE = {
    "appointment_at": "int64",
    "legal_deadline_on": "int32",
    "appointment": "bool",
    "hardship": "bool",
    "net_value": "int64",
    "expected_recovery": "int64",
    "fx": "float32",
    "days_past_due": "int32",
    "waiting_since": "int32",
    "self_cure": "bool",
}
CLASSES = ("queue", "portfolio", "group")


@dataclass(frozen=True)
class NightTerms:
    """What values an account and plans its channel on a night. told: whether any attempt at all is on record."""

    value: ValueTerms
    segments: pd.Series
    plan: ChannelTerms
    told: bool


def night_terms(worked: Sequence[Finished], params: Params) -> NightTerms:
    """From all shards: days to pay, and how the segments answer."""
    names = sorted({name for one in worked for name in one.read("rows", ["portfolio"])["portfolio"].unique()})
    counts = pd.concat([_summed(one.answers) for one in worked], ignore_index=True)
    told = any(one.sizes["answers"] for one in worked)
    pauses: dict[str, int] = {}
    for rule in law_of(params).all_rules.values():
        if isinstance(rule, Pause):
            pauses |= {name: max(rule.minutes, pauses.get(name, 0)) for name in rule.channels}
    # pyrefly: ignore[bad-argument-type]
    plan = ChannelTerms(params.worklist.costs, params.worklist.attempts, params.eligibility.channels, pauses)
    return NightTerms(_value_terms(names, worked, params), segment_rates(counts, names), plan, told)


def _summed(answers: pd.DataFrame) -> pd.DataFrame:
    """Attempts and answers of a shard's segments."""
    keys = ["portfolio", "channel", "part"]
    plain = answers.astype(dict.fromkeys(keys, "str"))
    return plain.groupby(keys, as_index=False)[["attempts", "answers"]].sum()


def _value_terms(names: Sequence[str], worked: Sequence[Finished], params: Params) -> ValueTerms:
    """Days to pay: mean, weighted by money, over the last matured nights;
    half the horizon for a portfolio that recovered nothing then.
    """
    waits = pd.concat([one.waits for one in worked]).groupby("portfolio")[["money", "money_days"]].sum()
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


def valued(one: Finished, at: int, terms: NightTerms, job: Job) -> tuple[pd.DataFrame, pd.DataFrame, set[str]]:
    """(the rows of the shard with PLANNED, VALUE_COLUMNS, OF_ORDERS, queue, self_cure and waiting_since; every
    permitted channel of every account, best first, with its net value; currencies without a rate).

    Its place among the shards stands beside each row, and the band of what a call adds as it may be said; money is
    rounded half-even to minor units.
    """
    rows = one.rows.assign(shard=np.int32(at))
    if rows.empty:
        rows = rows.assign(**{name: pd.Categorical([]) for name in SAID})  # classes of no rows are of no type
    rows["effect"] = said_bands(rows, job.rung).astype("str")
    for name in MONEY_SCORES:
        rows[name] = np.rint(rows[name]).astype(np.int64)
    options = _options(rows, one, terms)
    rows, lacking = _without_rate(with_option(rows, options[options["place"] == 0], terms.value))
    rows["queue"] = queue_of(rows, job.params.worklist)
    rows["self_cure"] = _pay_alone(rows, job.params)
    rows["waiting_since"] = _waiting_since(rows, job.as_of)
    return with_orders(rows, terms.value), options, lacking


def with_orders(rows: pd.DataFrame, terms: ValueTerms) -> pd.DataFrame:
    """The rows with OF_ORDERS: by what working adds and by all that it returns, net value in minor units of the
    reporting currency, and worth in the same, not rounded.
    """
    unit = 10.0 ** terms.decimals[terms.reporting_currency]
    told: dict[str, object] = {}
    for name, of in ORDERS.items():
        found = worth(rows, replace(terms, of=of))
        told[f"net_{name}"] = net_value(rows, replace(terms, of=of), found)["net_value"]
        told[f"worth_{name}"] = found["worth"] * unit
    return rows.assign(**told)


def core_of(rows: pd.DataFrame) -> pd.DataFrame:
    """CORE and CLASSES of valued rows, forty bytes each."""
    lacking = {name: np.zeros(len(rows), bool) for name in ("appointment", "hardship") if name not in rows}
    core = rows.assign(**lacking)[[*CORE, *CLASSES]].astype(CORE)
    core["group"] = pd.Categorical(core["group"].astype("str"), categories=list(VERDICTS))
    return core.astype({name: "category" for name in CLASSES if name != "group"})


def keep(rows: pd.DataFrame, worked: Sequence[Finished], at: int) -> Path:
    """Lays valued rows beside the finished shards; where they lie."""
    folder = worked[at].place.parent / RANKED
    folder.mkdir(mode=0o700, exist_ok=True)
    place = folder / f"{at:05d}.arrow"
    feather.write_feather(rows, place, compression="lz4")
    return place


def narrowed(options: pd.DataFrame) -> pd.DataFrame:
    """What models.prioritise.ChannelRoom asks of options, some twenty bytes each."""
    channel = pd.Categorical(options["channel"].astype("str"), categories=list(CHANNELS))
    kinds = {"account_no": "int64", "place": "int32", "attempts": "int64", "net_value": "int64"}
    return options[list(kinds)].astype(kinds).assign(channel=channel)


def lay_options(options: pd.DataFrame, place: Path) -> None:
    """Lays every option of a shard beside its valued rows."""
    feather.write_feather(options, place.with_suffix(".options"), compression="lz4")


def laid_options(place: Path) -> pd.DataFrame:
    """The options of `lay_options`."""
    return feather.read_feather(place.with_suffix(".options"), use_threads=False, memory_map=False)


def kept(place: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Valued rows, or these columns of them, in memory of their own."""
    wanted = None if columns is None else list(columns)
    return feather.read_feather(place, wanted, use_threads=False, memory_map=False)


def _pay_alone(rows: pd.DataFrame, params: Params) -> pd.Series:
    """Accounts that very likely pay without our contact and that a call changes little: by added value they leave the
    call list."""
    alone = (rows["p_if_left"] >= params.value.self_cure_from) & (rows["effect"] == BANDS[0])
    return alone & (params.value.mode == "added")


def _without_rate(rows: pd.DataFrame) -> tuple[pd.DataFrame, set[str]]:
    """(rows, currencies without a rate): their accounts are excluded by name."""
    no_rate = rows["fx"].isna()
    told = ["excluded", NO_RATE, "money.rates", "The currency has no rate, so its value is not known."]
    if no_rate.any():
        for name, text in zip(SAID, told[1:], strict=True):
            rows[name] = rows[name].cat.set_categories(sorted({*rows[name].cat.categories, text}))
        rows.loc[no_rate, ["group", *SAID]] = told
    return rows, set(rows["currency"].astype("str")[no_rate])


def _options(rows: pd.DataFrame, one: Finished, terms: NightTerms) -> pd.DataFrame:
    """Every permitted channel of every account, best first, with its net value: models.response.channel_options."""
    channels = one.channels
    unsaid = ["verdict", "rule", "citation", "first_permitted"]
    channels = channels[channels["verdict"] == "permitted"].drop(columns=unsaid)
    channels["channel"] = channels["channel"].astype("str")
    # The same days to pay as in the value of the row: an option is worth what its row will say.
    about = rows[["account_no", "portfolio", "currency", terms.value.of, "appointment_at", "own_days_to_pay"]]
    permitted = channels.merge(about, on="account_no", validate="many_to_one")
    permitted["appointed"] = (permitted["appointment_at"] != NO_TIME) & (permitted["channel"] == "call")
    value = pd.Series(worth(rows, terms.value)["worth"].to_numpy(), index=rows["account_no"].to_numpy())
    found = channel_options(permitted, value, one.answers, terms.segments, terms.plan, terms.told)
    return found.drop(columns="contact_cost").assign(net_value=net_value(found, terms.value)["net_value"])


def with_option(rows: pd.DataFrame, options: pd.DataFrame, terms: ValueTerms) -> pd.DataFrame:
    """The rows with the channel planned for them, if any, and the terms of their value. Index 0, 1, 2 ..."""
    named = options.rename(columns={"from_minute": "permitted_from_minute", "until_minute": "permitted_until_minute"})
    rows = rows.merge(named[["account_no", *PLANNED]], on="account_no", how="left", validate="one_to_one")
    rows = rows.fillna({"channel": "", "attempts": 0})
    return pd.concat([rows.drop(columns="attempts"), net_value(rows, terms)], axis=1)


def _waiting_since(rows: pd.DataFrame, as_of: int) -> pd.Series:
    """Day since which nobody has worked the debtor: our newest contact on any of its accounts,
    else the first day it could be worked (placed, or overdue).
    """
    worked = rows.groupby("debtor_id")["last_worked"].transform("max")
    placed = rows["placed_on"].where(rows["placed_on"] != NO_DAY, as_of - rows["days_past_due"])
    began = placed.groupby(rows["debtor_id"]).transform("min")
    return worked.where(worked != NO_DAY, began).astype(np.int32)
