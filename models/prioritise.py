"""Values, verdicts and the lot in, ranked groups out: one row per debtor, capacity, channels, ties."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.errors import ContractError
from features.members import sortable
from features.tables import NEVER, NO_DAY, NO_TIME
from models.lot import CONTROL, DRAWN, TO_WORK, debtors_of, is_bound

GROUPS = ("excluded", "held_out", "deferred", "self_cure", "no_value", "worklist", "joined", "below_capacity")
BY_APPOINTMENT, BY_DEADLINE, BY_LOT, BY_WAITING, BY_VALUE = "appointment", "legal deadline", "lot", "waiting", "value"
LISTED_BY = ("", BY_APPOINTMENT, BY_DEADLINE, BY_LOT, BY_WAITING, BY_VALUE)
_CODE = {name: np.int8(place) for place, name in enumerate(GROUPS)}
# What the order is told by: nothing else of the rows is copied while they are put in it.
_KEYS = ("account_id", "queue", "appointment_at", "legal_deadline_on", "net_value", "expected_recovery")
_KEYS += ("waiting_since", "held_down", "account_no", "appointment")


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


def placed(
    rows: pd.DataFrame,
    arms: pd.DataFrame,
    capacity: Mapping[str, int],
    as_of: int = 0,
    floor: Floor | None = None,
    room: ChannelRoom | None = None,
) -> pd.DataFrame:
    """Put every account in exactly one of GROUPS, and the list in order: some twenty bytes an account. Index as the
    rows'.

    rows      account_id, debtor_id, queue, group (verdict: permitted, deferred, excluded), appointment_at,
              legal_deadline_on, fx, net_value, expected_recovery; waiting_since (day) for a floor; account_no and
              channel for channels with a limit; self_cure (bool) where those who very likely pay alone leave the list;
              held_down (bool) where the order of value may not list a debtor, as `not_listed_before` has it.
              account_id and debtor_id may both be whole numbers that rise as the ids do (features.members.in_numbers)
    arms      of models.lot.draw_control
    capacity  queue -> debtors a night; "default" for a queue not named

    Returns group and listed_by (what brought a row on the list) as classes, rank (1..n within the queue, 0 off the
    list), head (position of the debtor's row for worklist, joined and below_capacity; else -1), option (place of the
    planned channel among the account's options), would_rank (of the best account of a debtor over whom the lot
    decides, its place in the queue's order if nobody were drawn; else 0) and line (place in the order of the list among
    all rows of below_capacity, from 0; else -1). Decided in this order: excluded, held out (whole debtors, unless an
    appointment or a legal deadline binds tonight), deferred, self-cure, no value, then one row per debtor: appointments
    first, then legal deadlines (the nearest first), then those of the floor, then net_value, expected_recovery,
    account_id. Its other accounts follow it. The list itself is in order of appointments, deadlines and value.
    """
    many = len(rows)
    wanted, whose = _to_be_worked(rows, arms), debtors_of(rows)[0]
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


def not_listed_before(
    rows: pd.DataFrame, arms: pd.DataFrame, capacity: Mapping[str, int], before: pd.Series
) -> pd.Series:
    """Rows of debtors with hardship whom the queue's order by `before` (another net value) would not have listed: a new
    order moves them down and never up.

    rows, arms, capacity: of `placed`, with hardship.
    """
    former = rows.assign(net_value=before, self_cure=False)
    at = np.flatnonzero(_groups(former, arms, _to_be_worked(former, arms)) == _CODE["below_capacity"])
    keys = former[[name for name in _KEYS if name in former]]
    at, whose = at[order_of(keys.iloc[at])], debtors_of(rows)[0]
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
    found, whose = np.zeros(len(rows), np.int32), debtors_of(rows)[0]
    at = np.flatnonzero(_open(rows) == _CODE["below_capacity"])
    keys = rows[[name for name in _KEYS if name in rows]]
    at = at[order_of(keys.iloc[at])]
    at = at[~pd.Series(whose[at]).duplicated().to_numpy()]
    if "held_down" in rows:
        held = rows[["held_down"]].iloc[at].to_numpy(dtype=bool)[:, 0]
        at = at[~held | is_bound(keys.iloc[at]).to_numpy(dtype=bool)]
    drawn = rows["debtor_id"].iloc[at].isin(arms["debtor_id"][arms["arm"].isin(DRAWN)]).to_numpy()
    found[at[drawn]] = _turn(rows["queue"].iloc[at])[drawn]
    return found


def _turn(queue: pd.Series) -> np.ndarray:
    """1, 2, 3 ... within each queue."""
    return queue.groupby(queue, sort=False, observed=True).cumcount().to_numpy() + 1


def _allowed(queue: pd.Series, capacity: Mapping[str, int]) -> np.ndarray:
    """int64: debtors a night of each row's queue."""
    codes, names = pd.factorize(queue)
    return np.array([capacity.get(str(name), capacity["default"]) for name in names], np.int64)[codes]


def _to_be_worked(rows: pd.DataFrame, arms: pd.DataFrame) -> np.ndarray:
    """Rows of debtors whom the lot has chosen to be worked in their span and nobody has worked since, hardship and
    what is bound aside."""
    chosen = arms[arms["arm"] == TO_WORK] if "waiting_since" in rows else arms.iloc[:0]
    if chosen.empty:
        return np.zeros(len(rows), bool)
    since = rows["debtor_id"].map(chosen.set_index("debtor_id")["assigned_on"]).to_numpy(dtype=np.float64)
    spared = is_bound(rows) | rows["hardship"].astype(bool) if "hardship" in rows else is_bound(rows)
    spared = spared.groupby(rows["debtor_id"]).transform("any").to_numpy()
    return (rows["waiting_since"].to_numpy() < since) & ~spared


def _open(rows: pd.DataFrame) -> np.ndarray:
    """int8: groups as they would be without any arm, as places in GROUPS."""
    group = np.full(len(rows), _CODE["below_capacity"], np.int8)
    verdict = rows["group"]
    group[(rows["net_value"] <= 0).to_numpy()] = _CODE["no_value"]
    if "self_cure" in rows:
        group[(rows["self_cure"] & ~is_bound(rows)).to_numpy()] = _CODE["self_cure"]
    group[(verdict == "deferred").to_numpy()] = _CODE["deferred"]
    group[((verdict == "excluded") | rows["fx"].isna()).to_numpy()] = _CODE["excluded"]
    return group


def _groups(rows: pd.DataFrame, arms: pd.DataFrame, chosen: np.ndarray) -> np.ndarray:
    """chosen: rows of debtors whom the lot wants worked; whatever they are worth, they are in the order."""
    group = _open(rows)
    group[chosen & np.isin(group, [_CODE["self_cure"], _CODE["no_value"]])] = _CODE["below_capacity"]
    bound_debtors = rows["debtor_id"][is_bound(rows)].unique()
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
        sortable(rows["account_id"]),
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
    free = np.flatnonzero(((as_of - since >= floor.days) | chosen) & ~is_bound(heads).to_numpy())
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
    first = waited | is_bound(heads).to_numpy()
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
    of `placed`.
    """
    bound = (rows["appointment_at"] != NO_TIME) | (rows["legal_deadline_on"] != NO_DAY)
    first = ranks["head"] == np.arange(len(rows))
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
