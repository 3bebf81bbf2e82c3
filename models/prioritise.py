"""Scores and verdicts in, ranked groups out: net value, the drawn arms, one row per debtor, capacity, ties."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.cohort import bucket
from features.errors import ContractError
from features.members import among
from features.tables import NEVER, NO_DAY, NO_TIME
from models.response import attempt_cost

GROUPS = ("excluded", "held_out", "deferred", "self_cure", "no_value", "worklist", "joined", "below_capacity")
TOTAL, ADDED = (
    "expected_recovery",
    "added_recovery",
)  # what a value counts: all that an account returns, or what working it adds
NO_RATE = "money.no_rate"
WORKED, CONTROL = "worked", "control"
TO_WORK = "worked_by_lot"  # worked whatever the rank
DRAWN = (CONTROL, TO_WORK)  # arms in which the lot decides over contact
VALUE_COLUMNS = (
    "fx",
    "share",
    "annual_rate",
    "days_to_pay",
    "discount",
    "attempts",
    "cost_per_attempt",
    "contact_cost",
    "net_value",
)
BY_APPOINTMENT, BY_DEADLINE, BY_LOT, BY_WAITING, BY_VALUE = "appointment", "legal deadline", "lot", "waiting", "value"
LISTED_BY = ("", BY_APPOINTMENT, BY_DEADLINE, BY_LOT, BY_WAITING, BY_VALUE)
ARMS = (WORKED, CONTROL, TO_WORK)
_AT_ONCE = 100_000
_CODE = {name: np.int8(place) for place, name in enumerate(GROUPS)}
# What the order is told by: nothing else of the rows is copied while they are put in it.
_KEYS = ("account_id", "queue", "appointment_at", "legal_deadline_on", "net_value", "expected_recovery")
_KEYS += ("waiting_since", "held_down", "account_no", "appointment")


@dataclass(frozen=True)
class ValueTerms:
    """What turns an expected amount into net value.

    of            the column that is valued: TOTAL or ADDED

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
    of: str = TOTAL


@dataclass(frozen=True)
class Floor:
    """Places kept from the order of value: `share` of a queue's go first to debtors whom the lot has chosen to be
    worked and nobody has worked since, then to those nobody has worked for `days`.
    """

    days: int
    share: float


@dataclass(frozen=True)
class ChannelRoom:
    """What a night can do on each channel.

    capacity  channel -> attempts a night over all queues; a channel not named has no limit
    options   of models.response.channel_options with net_value in minor units: sorted by account_no and place; a debtor
              whose best channel is full is planned on the next one that is still worth it. An agreed call has no other.
    """

    capacity: Mapping[str, int]
    options: pd.DataFrame


@dataclass(frozen=True)
class ControlTerms:
    """Shares of workable debtors whose contact the lot decides, each for `span_days` from the night it was drawn:
    `share` is held out, `worked_share` is worked whatever its rank.
    """

    share: float
    span_days: int
    seed: int
    worked_share: float = 0.0


def worth(rows: pd.DataFrame, terms: ValueTerms) -> pd.DataFrame:
    """fx, share, annual_rate, days_to_pay, discount per row, and worth: fx x share x terms.of x discount, reporting
    units.

    rows: currency, portfolio, the column that terms.of names (int64 minor units of the currency),
    own_days_to_pay where a model tells when an account pays (NaN: its portfolio's mean). Without a rate fx and
    worth are NaN.
    """
    fx = _looked_up(rows["currency"], terms.fx)
    minor = _looked_up(rows["currency"], {name: 10.0**decimals for name, decimals in terms.decimals.items()})
    share, annual_rate, days = (
        _looked_up(rows["portfolio"], by) for by in (terms.share, terms.annual_rate, terms.days_to_pay)
    )
    if "own_days_to_pay" in rows:
        own = rows["own_days_to_pay"].to_numpy(dtype=np.float64)
        days = np.where(np.isnan(own), days, own)
    discount = (1.0 + annual_rate) ** (-days / 365.0)
    recovered = rows[terms.of].to_numpy(dtype=np.float64) / minor
    return pd.DataFrame(
        {
            "fx": fx,
            "share": share,
            "annual_rate": annual_rate,
            "days_to_pay": days,
            "discount": discount,
            "worth": fx * share * recovered * discount,
        },
        index=rows.index,
    )


def _looked_up(cells: pd.Series, told: Mapping[str, float]) -> np.ndarray:
    """float64: what is told of each cell's text, asked once for each that there is; NaN where nothing is."""
    codes, names = pd.factorize(cells)
    return np.array([*(told.get(str(name), np.nan) for name in names), np.nan], np.float64)[codes]


def net_value(rows: pd.DataFrame, terms: ValueTerms, found: pd.DataFrame | None = None) -> pd.DataFrame:
    """VALUE_COLUMNS per row: net_value = fx x share x terms.of / (1 + annual_rate)^(days_to_pay / 365) - contact_cost.

    rows: those of `worth`, channel ("" where nothing is planned: no cost), attempts (planned on it; 1 where the column
    is not there). cost_per_attempt, contact_cost (of all planned attempts) and net_value are int64 minor units of the
    reporting currency, rounded half-even. Without a rate net_value is 0. found: `worth` of the same, where it is known.
    """
    found = worth(rows, terms) if found is None else found
    unit = 10.0 ** terms.decimals[terms.reporting_currency]
    attempts = rows["attempts"].to_numpy(dtype=np.int64) if "attempts" in rows else np.ones(len(rows), np.int64)
    channel = rows["channel"]
    costs = {str(name): attempt_cost(str(name), terms.costs) for name in channel.unique()}
    cost = np.rint(_looked_up(channel, costs) * unit)
    spent = attempts * cost
    net = np.rint(found["worth"].to_numpy() * unit - spent)
    return found.drop(columns="worth").assign(
        attempts=np.where(channel == "", 0, attempts),
        cost_per_attempt=cost.astype(np.int64),
        contact_cost=spent.astype(np.int64),
        net_value=np.where(np.isnan(net), 0.0, net).astype(np.int64),
    )


def draw_control(
    rows: pd.DataFrame, earlier: pd.DataFrame, as_of: int, terms: ControlTerms, names: pd.Series | None = None
) -> pd.DataFrame:
    """Arm of every debtor that is in a span or workable tonight: debtor_id, arm, assigned_on, until_on, probability;
    sorted by debtor_id.

    rows     account_id, debtor_id, portfolio, days_past_due, group (verdict), appointment_at, legal_deadline_on of
             every scorable account; where known `appointment` (a time is agreed for today, whether it can be kept or
             not) and `hardship` (hardship or vulnerable is recorded on an account of the debtor)
    earlier  arms of former nights (debtor_id, arm, assigned_on, until_on, probability), the newest per debtor; may be
             empty
    names    ids of the debtors, sorted, where the rows name each by its place among them, as `in_numbers` does

    A debtor keeps the arm of its span, [assigned_on, until_on). Of the workable ones without a span, each stratum
    (portfolio and arrears bucket of the debtor's oldest debt) holds out share x debtors and works worked_share x
    debtors whatever their rank, rounded up or down by coins of its own, so that everybody's probability is the share.
    Who it is, a hash of seed, night and debtor decides: it knows neither score nor rank. One with an appointment, a
    legal deadline or hardship is never drawn. probability: of the drawn arm; of being held out for those that the lot
    left to their rank.
    """
    running = earlier[earlier["until_on"] > as_of] if len(earlier) else pd.DataFrame(columns=["debtor_id"])
    whose, names = _whose(rows) if names is None else (rows["debtor_id"].to_numpy(), names)
    spared = _bound(rows)
    if "hardship" in rows:
        spared |= rows["hardship"].astype(bool)
    free = np.zeros(len(names), bool)
    free[whose[(rows["group"] == "permitted").to_numpy()]] = True
    free[whose[spared.to_numpy(dtype=bool)]] = False
    if len(running):
        free &= ~among(names, running["debtor_id"])
    drawn = np.flatnonzero(free)  # sorted by debtor_id
    stratum, strata = _strata(rows, whose, drawn)
    hashed = (_hash(f"{terms.seed}|{as_of}|{name}") for part in _some(drawn) for name in names.iloc[part])
    chance = np.fromiter(hashed, np.float64, drawn.size)
    arm = np.full(drawn.size, ARMS.index(WORKED), np.int8)
    order = np.lexsort((chance, stratum))  # stable: those of equal chance by debtor_id
    ends = np.append(np.flatnonzero(np.diff(stratum[order])) + 1, drawn.size)
    for members in np.split(order, ends[:-1]) if drawn.size else ():
        name = strata[stratum[members[0]]]
        held = int(members.size * terms.share + _hash(f"{terms.seed}|{as_of}|stratum|{name}"))
        worked = int(members.size * terms.worked_share + _hash(f"{terms.seed}|{as_of}|worked|{name}"))
        arm[members[:held]] = ARMS.index(CONTROL)
        arm[members[held : held + worked]] = ARMS.index(TO_WORK)
    fresh = pd.DataFrame(
        {
            "debtor_id": names.iloc[drawn].astype("str").reset_index(drop=True),
            "arm": pd.Series(pd.Categorical.from_codes(arm, categories=list(ARMS))).astype("str"),
            "assigned_on": np.int32(as_of),
            "until_on": np.int32(as_of + terms.span_days),
            "probability": np.where(arm == ARMS.index(TO_WORK), float(terms.worked_share), float(terms.share)),
        }
    )
    if not len(running):
        return fresh
    return pd.concat([running[list(fresh.columns)], fresh], ignore_index=True).sort_values(
        "debtor_id", ignore_index=True
    )


def _strata(rows: pd.DataFrame, whose: np.ndarray, drawn: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """(place of each drawn debtor's stratum, their names): portfolio and arrears bucket of its oldest debt."""
    late = rows["days_past_due"].to_numpy(dtype=np.int64)
    order = np.lexsort((_sortable(rows["account_id"]), -late, whose))
    first = order[np.append(True, np.diff(whose[order]) != 0)] if order.size else order
    oldest = rows[["portfolio", "days_past_due"]].iloc[first[np.isin(whose[first], drawn)]]
    books, called = pd.factorize(oldest["portfolio"])
    buckets, spans = pd.factorize(bucket(oldest["days_past_due"]))
    return books * max(len(spans), 1) + buckets, [f"{book}|{span}" for book in called for span in spans]


def _some(places: np.ndarray) -> Iterator[np.ndarray]:
    """The places, as many at once as are held as text."""
    return (places[first : first + _AT_ONCE] for first in range(0, len(places), _AT_ONCE))


def rank(
    rows: pd.DataFrame,
    arms: pd.DataFrame,
    capacity: Mapping[str, int],
    as_of: int = 0,
    floor: Floor | None = None,
    room: ChannelRoom | None = None,
) -> pd.DataFrame:
    """Put every account in exactly one of GROUPS, and the list in order. Index as the rows'.

    rows      account_id, debtor_id, queue, group (verdict: permitted, deferred, excluded), appointment_at,
              legal_deadline_on, fx, net_value, expected_recovery; waiting_since (day) for a floor; account_no and
              channel for channels with a limit; self_cure (bool) where those who very likely pay alone leave the list;
              held_down (bool) where the order of value may not list a debtor, as `not_listed_before` has it
    arms      of `draw_control`
    capacity  queue -> debtors a night; "default" for a queue not named

    Returns group, rank (1..n within the queue, 0 off the list), head (account_id of the debtor's row for worklist,
    joined and below_capacity; "" otherwise), joined_accounts (ids joined by one blank, on the list's rows), option
    (place of the planned channel among the account's options), listed_by (what brought a row on the list) and
    would_rank (of the best account of a debtor over whom the lot decides, its place in the queue's order if nobody were
    drawn; 0 otherwise). Decided in this order: excluded, held out (whole debtors, unless an appointment or a legal
    deadline binds tonight), deferred, self-cure, no value, then one row per debtor: appointments first, then legal
    deadlines (the nearest first), then those of the floor, then net_value, expected_recovery, account_id. Its other
    accounts follow it. The list itself is in order of appointments, deadlines and value.
    """
    found = placed(rows, arms, capacity, as_of, floor, room)
    ids, head = rows["account_id"].astype(object).to_numpy(), found["head"].to_numpy()
    joined = joined_to(found, ids)
    told = {
        "group": found["group"].astype("str"),
        "rank": found["rank"].astype(np.int64),
        "head": pd.Series(np.where(head >= 0, ids[head], "") if len(ids) else ids, index=rows.index, dtype="str"),
        "joined_accounts": pd.Series([joined.get(at, "") for at in range(len(ids))], index=rows.index, dtype="str"),
        "option": found["option"].astype(np.int64),
        "listed_by": found["listed_by"].astype("str"),
        "would_rank": found["would_rank"].astype(np.int64),
    }
    return pd.DataFrame(told, index=rows.index)


def placed(
    rows: pd.DataFrame,
    arms: pd.DataFrame,
    capacity: Mapping[str, int],
    as_of: int = 0,
    floor: Floor | None = None,
    room: ChannelRoom | None = None,
) -> pd.DataFrame:
    """What `rank` decides, in numbers, some twenty bytes an account: group and listed_by as classes, rank, option and
    would_rank; head: position of the debtor's row among the rows, -1 where there is none; line: place in the order of
    the list among all rows of below_capacity, from 0, else -1.

    rows and arms: of `rank`; account_id and debtor_id may both be whole numbers that rise as the ids do (`in_numbers`).
    """
    many = len(rows)
    wanted, whose = _to_be_worked(rows, arms), _whose(rows)[0]
    group = _groups(rows, arms, wanted)
    would_rank = _would_be(rows, arms)
    keys = rows[[name for name in _KEYS if name in rows]]
    ordered = np.flatnonzero(group == _CODE["below_capacity"])
    ordered = ordered[order_of(keys.iloc[ordered])]
    heads_at = ordered[~pd.Series(whose[ordered]).duplicated().to_numpy()]
    heads = keys.iloc[heads_at]
    allowed = _allowed(heads["queue"], capacity)
    by_value = _turn(heads["queue"]) <= allowed
    chosen = wanted[heads_at]
    waited = _waited(heads, allowed, as_of, floor, chosen)
    option = _taken(heads, allowed, waited, chosen, room)
    on_list = np.flatnonzero(option >= 0)
    if room is not None:
        listed = heads.iloc[on_list].assign(option=option[on_list])
        on_list = on_list[order_of(listed.assign(net_value=_net_of(listed, room)))]
    listed_at = heads_at[on_list]
    found = {name: np.zeros(many, kind) for name, kind in (("rank", "i4"), ("option", "i2"), ("listed_by", "i1"))}
    group[listed_at] = _CODE["worklist"]
    found["rank"][listed_at] = _turn(heads["queue"].iloc[on_list])
    found["option"][listed_at] = option[on_list]
    appointed, deadline = heads["appointment_at"] != NO_TIME, heads["legal_deadline_on"] != NO_DAY
    kept = waited & ~by_value
    by_lot = chosen & (kept | (heads["net_value"].to_numpy() <= 0))  # no value of its own would bring it there
    whys = [LISTED_BY.index(why) for why in (BY_APPOINTMENT, BY_DEADLINE, BY_LOT, BY_WAITING, BY_VALUE)]
    found["listed_by"][listed_at] = np.select([appointed, deadline, by_lot, kept], whys[:-1], whys[-1])[on_list]
    head_of = np.full(whose.max(initial=-1) + 1, -1, np.int32)
    head_of[whose[heads_at]] = heads_at
    head = np.full(many, -1, np.int32)
    head[ordered] = head_of[whose[ordered]]
    joins = ordered[(head[ordered] != ordered) & (group[head[ordered]] == _CODE["worklist"])]
    group[joins] = _CODE["joined"]
    line, beyond = np.full(many, -1, np.int32), ordered[group[ordered] == _CODE["below_capacity"]]
    line[beyond] = np.arange(beyond.size)
    told = {
        "group": pd.Categorical.from_codes(group, categories=list(GROUPS)),
        "rank": found["rank"],
        "head": head,
        "option": found["option"],
        "listed_by": pd.Categorical.from_codes(found["listed_by"], categories=list(LISTED_BY)),
        "would_rank": would_rank,
        "line": line,
    }
    return pd.DataFrame(told, index=rows.index)


def joined_to(found: pd.DataFrame, ids: Sequence[str] | Mapping[int, str]) -> dict[int, str]:
    """Position of a listed row -> the ids of the accounts that join it, sorted, between blanks. found: of `placed`."""
    at = np.flatnonzero((found["group"] == "joined").to_numpy())
    told: dict[int, list[str]] = {}
    for place, head in zip(at.tolist(), found["head"].to_numpy()[at].tolist(), strict=True):
        told.setdefault(head, []).append(ids[place])
    return {head: " ".join(sorted(names)) for head, names in told.items()}


def in_numbers(ids: pa.ChunkedArray) -> tuple[np.ndarray, pd.Series]:
    """(int32: place of each cell among the distinct ids as they are sorted, those ids): numbers of four bytes that
    rise as the ids do.
    """
    coded = ids.combine_chunks().dictionary_encode()
    order = pc.array_sort_indices(coded.dictionary).to_numpy()
    place = np.empty(order.size, np.int32)
    place[order] = np.arange(order.size, dtype=np.int32)
    names = coded.dictionary.take(pa.array(order))
    return place[coded.indices.to_numpy()], pd.Series(names, dtype="str")


def not_listed_before(
    rows: pd.DataFrame, arms: pd.DataFrame, capacity: Mapping[str, int], before: pd.Series
) -> pd.Series:
    """Rows of debtors with hardship whom the queue's order by `before` (another net value) would not have listed: a new
    order moves them down and never up.

    rows, arms, capacity: of `rank`, with hardship.
    """
    former = rows.assign(net_value=before, self_cure=False)
    at = np.flatnonzero(_groups(former, arms, _to_be_worked(former, arms)) == _CODE["below_capacity"])
    keys = former[[name for name in _KEYS if name in former]]
    at, whose = at[order_of(keys.iloc[at])], _whose(rows)[0]
    at = at[~pd.Series(whose[at]).duplicated().to_numpy()]
    queue = rows["queue"].iloc[at]
    first, vulnerable = (np.zeros(whose.max(initial=-1) + 1, bool) for _ in range(2))
    first[whose[at[_turn(queue) <= _allowed(queue, capacity)]]] = True
    vulnerable[whose[rows["hardship"].to_numpy(dtype=bool)]] = True
    return pd.Series((vulnerable & ~first)[whose], index=rows.index)


def _would_be(rows: pd.DataFrame, arms: pd.DataFrame) -> np.ndarray:
    """int32: of the best account of each debtor over whom the lot decides, its place in the queue's order if none were
    drawn; else 0. Whom that order holds down has none.
    """
    found, whose = np.zeros(len(rows), np.int32), _whose(rows)[0]
    at = np.flatnonzero(_open(rows) == _CODE["below_capacity"])
    keys = rows[[name for name in _KEYS if name in rows]]
    at = at[order_of(keys.iloc[at])]
    at = at[~pd.Series(whose[at]).duplicated().to_numpy()]
    if "held_down" in rows:
        held = rows[["held_down"]].iloc[at].to_numpy(dtype=bool)[:, 0]
        at = at[~held | _bound(keys.iloc[at]).to_numpy(dtype=bool)]
    drawn = rows["debtor_id"].iloc[at].isin(arms["debtor_id"][arms["arm"].isin(DRAWN)]).to_numpy()
    found[at[drawn]] = _turn(rows["queue"].iloc[at])[drawn]
    return found


def _whose(rows: pd.DataFrame) -> tuple[np.ndarray, pd.Series]:
    """(debtor of each row as a whole number that rises as the ids do, the ids in that order)."""
    if pd.api.types.is_integer_dtype(rows["debtor_id"]):
        return rows["debtor_id"].to_numpy(), pd.Series(dtype="str")
    codes, names = pd.factorize(rows["debtor_id"], sort=True)
    return codes, pd.Series(names, dtype="str")


def _turn(queue: pd.Series) -> np.ndarray:
    """1, 2, 3 ... within each queue."""
    return queue.groupby(queue, sort=False, observed=True).cumcount().to_numpy() + 1


def _allowed(queue: pd.Series, capacity: Mapping[str, int]) -> np.ndarray:
    """int64: debtors a night of each row's queue."""
    codes, names = pd.factorize(queue)
    return np.array([capacity.get(str(name), capacity["default"]) for name in names], np.int64)[codes]


def _sortable(ids: pd.Series) -> np.ndarray:
    """What sorts as the ids do: themselves where they are numbers, else their letters."""
    return ids.to_numpy() if pd.api.types.is_integer_dtype(ids) else ids.to_numpy(dtype="U")


def _bound(rows: pd.DataFrame) -> pd.Series:
    """Accounts that an appointment or a legal deadline binds."""
    bound = (rows["appointment_at"] != NO_TIME) | (rows["legal_deadline_on"] != NO_DAY)
    return bound | rows["appointment"].astype(bool) if "appointment" in rows else bound


def _to_be_worked(rows: pd.DataFrame, arms: pd.DataFrame) -> np.ndarray:
    """Rows of debtors whom the lot has chosen to be worked in their span and nobody has worked since, hardship and
    what is bound aside."""
    chosen = arms[arms["arm"] == TO_WORK] if "waiting_since" in rows else arms.iloc[:0]
    if chosen.empty:
        return np.zeros(len(rows), bool)
    since = rows["debtor_id"].map(chosen.set_index("debtor_id")["assigned_on"]).to_numpy(dtype=np.float64)
    spared = _bound(rows) | rows["hardship"].astype(bool) if "hardship" in rows else _bound(rows)
    spared = spared.groupby(rows["debtor_id"]).transform("any").to_numpy()
    return (rows["waiting_since"].to_numpy() < since) & ~spared


def _open(rows: pd.DataFrame) -> np.ndarray:
    """int8: groups as they would be without any arm, as places in GROUPS."""
    group = np.full(len(rows), _CODE["below_capacity"], np.int8)
    verdict = rows["group"]
    group[(rows["net_value"] <= 0).to_numpy()] = _CODE["no_value"]
    if "self_cure" in rows:
        group[(rows["self_cure"] & ~_bound(rows)).to_numpy()] = _CODE["self_cure"]
    group[(verdict == "deferred").to_numpy()] = _CODE["deferred"]
    group[((verdict == "excluded") | rows["fx"].isna()).to_numpy()] = _CODE["excluded"]
    return group


def _groups(rows: pd.DataFrame, arms: pd.DataFrame, chosen: np.ndarray) -> np.ndarray:
    """chosen: rows of debtors whom the lot wants worked; whatever they are worth, they are in the order."""
    group = _open(rows)
    group[chosen & np.isin(group, [_CODE["self_cure"], _CODE["no_value"]])] = _CODE["below_capacity"]
    bound_debtors = rows["debtor_id"][_bound(rows)].unique()
    held = rows["debtor_id"].isin(arms["debtor_id"][arms["arm"] == CONTROL]) & ~rows["debtor_id"].isin(bound_debtors)
    group[held.to_numpy() & (group != _CODE["excluded"])] = _CODE["held_out"]
    return group


def in_order(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows in `order_of`."""
    return rows.iloc[order_of(rows)]


def order_of(rows: pd.DataFrame) -> np.ndarray:
    """Positions: appointments first, then legal deadlines (the nearest first), then net_value, expected_recovery,
    account_id: the one order of every list, within a queue and over all queues.
    """
    deadline = rows["legal_deadline_on"].to_numpy().astype(np.int64)
    keys = (
        _sortable(rows["account_id"]),
        -rows["expected_recovery"].to_numpy(),
        -rows["net_value"].to_numpy(),
        np.where(deadline == NO_DAY, NEVER, deadline),
        (rows["appointment_at"] == NO_TIME).to_numpy(),
    )
    return np.lexsort(keys)


def _waited(
    heads: pd.DataFrame, allowed: np.ndarray, as_of: int, floor: Floor | None, chosen: np.ndarray
) -> np.ndarray:
    """Debtors that have a place of the floor: per queue those the lot chose, by how long they wait, then the longest
    waiting ones, of
    those nobody has worked for floor.days."""
    kept = np.zeros(len(heads), bool)
    if floor is None or floor.share == 0 or heads.empty:
        return kept
    since = heads["waiting_since"].to_numpy(dtype=np.int64)
    free = np.flatnonzero(((as_of - since >= floor.days) | chosen) & ~_bound(heads).to_numpy())
    first = free[np.lexsort((since[free], ~chosen[free]))]  # stable: ties in the order of the list
    turn = _turn(heads["queue"].iloc[first]) - 1
    kept[first[turn < np.ceil(floor.share * allowed[first])]] = True
    return kept


def _taken(
    heads: pd.DataFrame, allowed: np.ndarray, waited: np.ndarray, chosen: np.ndarray, room: ChannelRoom | None
) -> np.ndarray:
    """Place of the planned channel of each head that finds room in its queue and on a channel; -1 where there is none.

    chosen: by the lot, so that a channel need not be worth its cost.
    """
    option = np.full(len(heads), -1, np.int64)
    queue = pd.factorize(heads["queue"])[0]
    left = np.zeros(queue.max(initial=-1) + 1, np.int64)
    left[queue] = allowed
    first = waited | _bound(heads).to_numpy()
    turn = np.lexsort((np.arange(len(heads)), ~first))
    if "held_down" in heads:
        turn = turn[(~heads["held_down"].to_numpy(dtype=bool) | first)[turn]]
    if room is None:
        place = pd.Series(queue[turn]).groupby(queue[turn]).cumcount().to_numpy()
        option[turn[place < allowed[turn]]] = 0
        return option
    channels = dict(room.capacity)
    numbers, first = np.unique(room.options["account_no"].to_numpy(), return_index=True)
    last = np.append(first[1:], len(room.options))
    at = np.searchsorted(numbers, heads["account_no"].to_numpy())
    names, attempts, net = (room.options[name].to_numpy() for name in ("channel", "attempts", "net_value"))
    agreed = (heads["appointment_at"] != NO_TIME).to_numpy()
    for head in turn.tolist():
        if not left[queue[head]]:
            continue
        start = first[at[head]]
        for row in range(start, start + 1 if agreed[head] else last[at[head]]):
            wanted = channels.get(names[row])
            if (net[row] > 0 or chosen[head]) and (wanted is None or wanted >= attempts[row]):
                option[head] = row - start
                left[queue[head]] -= 1
                if wanted is not None:
                    channels[names[row]] = wanted - attempts[row]
                break
    return option


def _net_of(listed: pd.DataFrame, room: ChannelRoom) -> np.ndarray:
    first = np.searchsorted(room.options["account_no"].to_numpy(), listed["account_no"].to_numpy())
    return room.options["net_value"].to_numpy()[first + listed["option"].to_numpy()]


def overbooked(rows: pd.DataFrame, ranks: pd.DataFrame) -> list[str]:
    """A warning per queue whose capacity does not hold its appointments and legal deadlines. rows and ranks:
    of `rank`, or of `placed`.
    """
    bound = (rows["appointment_at"] != NO_TIME) | (rows["legal_deadline_on"] != NO_DAY)
    numbers = pd.api.types.is_integer_dtype(ranks["head"])
    first = ranks["head"] == (np.arange(len(rows)) if numbers else rows["account_id"])
    left = rows[bound & (ranks["group"] == "below_capacity") & first]
    sizes = left["queue"].astype("str").groupby(left["queue"].astype("str"), sort=True).size()
    return [
        f"Queue {name}: {size:,} debtors with an appointment or a legal deadline do not fit its capacity. "
        f"Raise worklist.capacity.{name}, or that of the channel or the agents they need."
        for name, size in sizes.items()
    ]


def counted(groups: pd.Series) -> dict[str, int]:
    """{"scorable": all, group: accounts...}; ContractError should they not add up."""
    counts = {name: int((groups == name).sum()) for name in GROUPS}
    if sum(counts.values()) != len(groups):
        raise ContractError(
            f"The groups hold {sum(counts.values()):,} accounts and {len(groups):,} are scorable. Report it."
        )
    return {"scorable": len(groups), **counts}


def _hash(text: str) -> float:
    """Uniform in [0, 1), the same on every machine."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") / 2.0**64
