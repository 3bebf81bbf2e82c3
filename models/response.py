"""Which channel a debtor answers, and in which part of the day: rates of the account and of its segment, smoothed,
set against the cost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from features.errors import ContractError
from features.tables import ANSWERS, CHANNELS, NO_MINUTE, NOT_ATTEMPTS
from features.versions import superseded_on

WINDOW_DAYS = 180
REPLY_DAYS = 3  # an inbound contact on the day of an attempt or the two after it answers it, whatever the channel
NOT_WORK = ("debit", "legal", "other")  # outbound rows that are no contact of a collector
PARTS = ("morning", "afternoon", "evening")
EVERY_PART = ("", *PARTS)
PART_ENDS = (12 * 60, 17 * 60, 24 * 60)  # minutes of the debtor's day
LEAST_MINUTES = 60  # of a part that must lie in the permitted window before it is chosen
OVERALL_PRIOR = (1.0, 10.0)  # answers, attempts that a channel starts with
SEGMENT_WEIGHT = 50.0  # attempts' worth of the channel's rate in a segment's
OWN_WEIGHT = 10.0  # attempts' worth of the segment's rate in an account's own
COUNT_COLUMNS = ["account_no", "portfolio", "channel", "part", "attempts", "answers"]
SEGMENT = COUNT_COLUMNS[1:4]


@dataclass(frozen=True)
class ChannelTerms:
    """What the choice of a channel is made from.

    costs     channel -> units of the reporting currency for one attempt
    attempts  channel -> attempts that a night plans for one account; 1 where a channel is not named
    order     channels, preferred first: decides ties, and everything while no attempt was ever made
    pauses    channel -> minutes that two attempts at a debtor keep apart; none where a channel is not named
    """

    costs: Mapping[str, float]
    attempts: Mapping[str, int]
    order: Sequence[str]
    pauses: Mapping[str, int] = field(default_factory=dict)


def answer_counts(contacts: pd.DataFrame, accounts: pd.DataFrame, as_of: int, days: int = WINDOW_DAYS) -> pd.DataFrame:
    """Our attempts in [as_of - days, as_of), known before as_of, and how many were answered: COUNT_COLUMNS.

    contacts: inner form, last versions count; accounts: account_no, portfolio, time_zone, one row each. One row per
    account, channel and part of the debtor's day ("" where only the day is known). Attempts that did not connect are
    left out.
    """
    known, happened = contacts["known_on"].to_numpy(), contacts["occurred_on"].to_numpy()
    near = contacts[(known < as_of) & (np.maximum(known, happened) >= as_of - days)]
    near = near[superseded_on(near, ["contact_id", "account_no"], "contacts") >= as_of]
    day = near["occurred_on"].to_numpy().astype(np.int64)
    near, day = near[inside := (day >= as_of - days) & (day < as_of)], day[inside]
    tried = worked_rows(near) & ~near["outcome"].isin(NOT_ATTEMPTS).to_numpy()
    inbound = near["direction"].isin(["inbound"]).to_numpy()
    answered = near["outcome"][tried].isin(ANSWERS).to_numpy() | _came_back(
        near["account_no"].to_numpy(), day, tried, inbound
    )
    book = accounts.sort_values("account_no", ignore_index=True)
    numbers, rows = book["account_no"].to_numpy(), near[tried]
    owner = np.searchsorted(numbers, rows["account_no"].to_numpy()).clip(max=max(numbers.size - 1, 0))
    known = numbers[owner] == rows["account_no"].to_numpy() if numbers.size else np.zeros(len(rows), bool)
    rows, owner, answered = rows[known], owner[known], answered[known]
    channel = pd.Categorical(rows["channel"], categories=CHANNELS).codes.astype(np.int64)
    part = _parts(rows, book["time_zone"].astype("str"), owner)
    keys, place = np.unique((owner * len(CHANNELS) + channel) * len(EVERY_PART) + part, return_inverse=True)
    owner, rest = np.divmod(keys, len(CHANNELS) * len(EVERY_PART))
    channel, part = np.divmod(rest, len(EVERY_PART))
    return pd.DataFrame(
        {
            "account_no": numbers[owner],
            "portfolio": book["portfolio"].astype("str").to_numpy()[owner],
            "channel": np.array(CHANNELS, dtype=object)[channel],
            "part": np.array(EVERY_PART, dtype=object)[part],
            "attempts": np.bincount(place, minlength=keys.size),
            "answers": np.bincount(place, answered, keys.size).astype(np.int64),
        }
    )


def worked_rows(contacts: pd.DataFrame) -> np.ndarray:
    """Rows of a contact log with which a collector worked the account: ours, and no debit,
    legal step or other measure.
    """
    return ~contacts["direction"].isin(["inbound"]).to_numpy() & ~contacts["channel"].isin(NOT_WORK).to_numpy()


def _came_back(account: np.ndarray, day: np.ndarray, tried: np.ndarray, inbound: np.ndarray) -> np.ndarray:
    """Whether the account was heard of from the day of each attempt on, within REPLY_DAYS.
    Rows are sorted by account_no.
    """
    place = np.concatenate([[0], np.cumsum(account[1:] != account[:-1])]) if account.size else np.zeros(0, np.int64)
    when = place * 2**32 + day
    heard = np.sort(when[inbound])
    asked = when[tried]
    return np.searchsorted(heard, asked, "left") < np.searchsorted(heard, asked + REPLY_DAYS, "left")


def _parts(rows: pd.DataFrame, zones: pd.Series, owner: np.ndarray) -> np.ndarray:
    """Place in EVERY_PART of each row on its debtor's clock; where that is not known, on the portfolio's. zones:
    of the accounts.
    """
    minute = rows["occurred_minute"].to_numpy().astype(np.int64)
    timed, at = minute != NO_MINUTE, rows["occurred_at"].to_numpy()
    codes, names = pd.factorize(zones)
    for number, zone in enumerate(names):
        chosen = np.flatnonzero(timed & (codes[owner] == number))
        try:
            local = pd.to_datetime(at[chosen], unit="us", utc=True).tz_convert(zone)
        except KeyError:
            continue  # no zone of the database: such an account is excluded anyway
        minute[chosen] = local.hour * 60 + local.minute
    part = np.searchsorted(PART_ENDS, np.maximum(minute, 0), side="right").clip(0, len(PARTS) - 1) + 1
    return np.where(timed, part, 0)


def segment_rates(counts: pd.DataFrame, portfolios: Sequence[str]) -> pd.Series:
    """Rate by (portfolio, channel, part), "" being the whole day,
    pulled to the channel's own rate where attempts are few.

    A part is pulled to its portfolio's rate of the whole day.
    """
    overall = counts.groupby("channel")[["attempts", "answers"]].sum().reindex(CHANNELS, fill_value=0)
    base = (overall["answers"] + OVERALL_PRIOR[0]) / (overall["attempts"] + OVERALL_PRIOR[1])
    names = sorted(set(portfolios))
    whole = counts.groupby(["portfolio", "channel"])[["attempts", "answers"]].sum()
    whole = whole.reindex(pd.MultiIndex.from_product([names, CHANNELS], names=["portfolio", "channel"]), fill_value=0)
    day = _pulled(whole, base.reindex(whole.index.get_level_values("channel")).to_numpy(), SEGMENT_WEIGHT)
    every = pd.MultiIndex.from_product([names, CHANNELS, PARTS], names=SEGMENT)
    parts = counts[counts["part"] != ""].groupby(SEGMENT)[["attempts", "answers"]].sum().reindex(every, fill_value=0)
    rates = _pulled(parts, day.reindex(parts.index.droplevel("part")).to_numpy(), SEGMENT_WEIGHT)
    whole_day = pd.Series(day.to_numpy(), pd.MultiIndex.from_tuples([(*key, "") for key in day.index], names=SEGMENT))
    return pd.concat([whole_day, rates])


def _pulled(found: pd.DataFrame, towards: np.ndarray, weight: float) -> pd.Series:
    return (found["answers"] + weight * towards) / (found["attempts"] + weight)


def channel_options(
    permitted: pd.DataFrame,
    worth: pd.Series,
    counts: pd.DataFrame,
    segments: pd.Series,
    terms: ChannelTerms,
    told: bool | None = None,
) -> pd.DataFrame:
    """Every permitted channel of every account, the best first:
    chance of an answer x worth - cost of the planned attempts.

    A channel that costs more than the account is worth comes after those that do not.

    permitted  account_no, portfolio, channel, from_minute, until_minute, contacts_left: one row per permitted channel;
               appointed: whether an agreed call is kept on it today, which leaves no choice
    worth      by account_no: discounted money expected, our share, in units of the reporting currency
    told       whether any attempt at all is on record, where these are a part of the accounts

    Returns the same rows sorted by account_no and place, with response_rate (of one attempt), attempts (planned, never
    more than the caps leave and, with their pauses, the window holds), contact_cost (units of the reporting currency,
    for all of them), the rate of each of PARTS (NaN where it is not open for all attempts and LEAST_MINUTES, or an
    agreed call has its own minute), place (from 0).
    """
    channel = permitted["channel"].astype("str").astype("category")  # few names: looked up once each
    rates = _rates(permitted, channel, counts, segments)
    pause, wanted = (
        _of_channel(channel, given, otherwise) for given, otherwise in ((terms.pauses, 0), (terms.attempts, 1))
    )
    first, last = (permitted[name].to_numpy(dtype=np.int64) for name in ("from_minute", "until_minute"))
    fit = np.where(pause > 0, 1 + (last - first - 1) // np.maximum(pause, 1), 2**31)
    planned = np.minimum(np.minimum(wanted, permitted["contacts_left"].to_numpy(dtype=np.int64)), fit)
    cost = planned * _of_channel(
        channel, {name: attempt_cost(name, terms.costs) for name in channel.cat.categories}, 0.0
    )
    whole = worth.reindex(permitted["account_no"]).to_numpy(dtype=np.float64)
    gain = (1 - (1 - rates[:, 0]) ** planned) * whole - cost
    if counts.empty if told is None else not told:
        gain = np.zeros(len(permitted))  # nothing tells the channels apart
    free = ~permitted["appointed"].to_numpy(dtype=bool)
    for place, part in enumerate(PARTS, start=1):
        begins, ends = cut_to(part, first, last)
        rates[~(free & (ends - begins >= LEAST_MINUTES + (planned - 1) * pause)), place] = np.nan
    preference = _of_channel(channel, {name: place for place, name in enumerate(terms.order)}, len(terms.order))
    order = np.lexsort((preference, -gain, whole <= cost, free, permitted["account_no"].to_numpy()))
    columns = dict(zip(("response_rate", *PARTS), rates.T, strict=True)) | {"attempts": planned, "contact_cost": cost}
    found = permitted.assign(**columns).iloc[order].reset_index(drop=True)
    return found.assign(place=found.groupby("account_no").cumcount())


def _of_channel(channel: pd.Series, given: Mapping[str, float], otherwise: float) -> np.ndarray:
    return np.array([given.get(name, otherwise) for name in channel.cat.categories] or [otherwise])[
        channel.cat.codes.to_numpy()
    ]


def _rates(permitted: pd.DataFrame, channel: pd.Series, counts: pd.DataFrame, segments: pd.Series) -> np.ndarray:
    """float64 (rows, EVERY_PART): the account's own attempts and OWN_WEIGHT attempts' worth of its segment's rate."""
    names = list(channel.cat.categories)
    numbers, owner = np.unique(permitted["account_no"].to_numpy(), return_inverse=True)
    portfolio, books = pd.factorize(permitted["portfolio"].astype("str"))
    found = counts[counts["channel"].isin(names) & counts["account_no"].isin(numbers)]
    at = (
        np.searchsorted(numbers, found["account_no"].to_numpy()),
        pd.Categorical(found["channel"], categories=names).codes,
        pd.Categorical(found["part"], categories=EVERY_PART).codes,
    )
    own = np.zeros((2, numbers.size, len(names), len(EVERY_PART)))
    for which, column in zip(own, ("attempts", "answers"), strict=True):
        np.add.at(which, at, found[column].to_numpy())
        which[:, :, 0] = which.sum(axis=2)  # the whole day: all parts, and what is dated to a day only
    every = pd.MultiIndex.from_product([books, names, EVERY_PART])
    pull = segments.reindex(every).to_numpy().reshape(len(books), len(names), len(EVERY_PART))
    code = channel.cat.codes.to_numpy()
    attempts, answers = own[:, owner, code]
    return (answers + OWN_WEIGHT * pull[portfolio, code]) / (attempts + OWN_WEIGHT)


def attempt_cost(channel: str, costs: Mapping[str, float]) -> float:
    """Units of the reporting currency for one attempt; nothing where no channel ("") is planned.
    ContractError without a cost.
    """
    if channel and channel not in costs:
        raise ContractError(f"Channel {channel!r} has no cost. Add it to worklist.costs.")
    return costs[channel] if channel else 0.0


def cut_to(part: str, first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Windows of minutes within a part of the day; the whole of them where the part is ""."""
    if not part:
        return first, last
    place = PARTS.index(part)
    return np.maximum(first, (0, *PART_ENDS)[place]), np.minimum(last, PART_ENDS[place])


def planned_parts(listed: pd.DataFrame, room: int) -> list[str]:
    """Part of the day of each row of a queue, in list order: the best one that is better than
    the day as a whole and has room.

    listed: response_rate and PARTS of `channel_options`. room: rows that one part may hold, so that a team does not
    stand idle until the evening. "" where no such part is left: the whole permitted window then.
    """
    rates, whole = listed[list(PARTS)].to_numpy(dtype=np.float64), listed["response_rate"].to_numpy(dtype=np.float64)
    left, found = dict.fromkeys(PARTS, room), []
    for row in range(len(listed)):
        better = [place for place in np.argsort(-rates[row], kind="stable").tolist() if rates[row, place] > whole[row]]
        part = next((PARTS[place] for place in better if left[PARTS[place]]), "")
        found.append(part)
        if part:
            left[part] -= 1
    return found
