"""Which debtors are one person: chains of `same_as`, each link from the day on which it became known.

Resolution in one place. The store keeps accounts and aliases as delivered; where accounts are read (pipeline.store), a
link becomes a version of each account of its debtor, known when the link was, that names the last debtor of the chain.
Whose an account is as delivered stays beside it, and changes on no day: receipts are told within that debtor.
Whoever asks for the debtor of an account on a night takes its last version known before it, and so sees two people
before the link was known and one afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

ALIAS_COLUMNS = ("debtor_id", "same_as", "known_at", "known_on")
AS_DELIVERED = "delivered_debtor_id"  # of accounts, only where a link names one of their debtors


class Link(NamedTuple):
    """From known_at on, and so on nights after known_on, the debtor is the same as another; as itself: nobody else."""

    debtor_id: str
    same_as: str
    known_at: int
    known_on: int


def links_of(aliases: pd.DataFrame) -> list[Link]:
    """The links of a table of aliases (ALIAS_COLUMNS), in the order in which they became known.
    An empty same_as is the debtor itself.
    """
    same = aliases["same_as"].where(aliases["same_as"].notna(), aliases["debtor_id"])
    rows = zip(aliases["debtor_id"], same, aliases["known_at"], aliases["known_on"], strict=True)
    found = [Link(str(debtor), str(other), int(at), int(on)) for debtor, other, at, on in rows]
    return sorted(found, key=lambda link: (link.known_at, link.debtor_id))


def last_of(debtor_id: str, same_as: Mapping[str, str]) -> str:
    """The last debtor of the chain that begins here. same_as: the links in force, without a circle."""
    for _ in range(len(same_as)):
        following = same_as.get(debtor_id, debtor_id)
        if following == debtor_id:
            break
        debtor_id = following
    return debtor_id


def persons(links: Sequence[Link]) -> dict[str, str]:
    """Every debtor that a link ever named -> one debtor that stands for all whom links ever joined, taken back or not:
    the last of their chain, the first by name where there are several.

    What must hold a person whole at all times asks here: shards, splits, folds, samples.
    """
    joined: dict[str, str] = {}
    for link in links:
        one, other = (_root(name, joined) for name in (link.debtor_id, link.same_as))
        joined[one] = other
    in_force = {link.debtor_id: link.same_as for link in links}
    ends: dict[str, str] = {}
    for name in sorted(joined):
        root, end = _root(name, joined), last_of(name, in_force)
        ends[root] = min(ends.get(root, end), end)
    return {name: ends[_root(name, joined)] for name in joined}


def _root(name: str, joined: dict[str, str]) -> str:
    joined.setdefault(name, name)
    while joined[name] != name:
        joined[name] = joined[joined[name]]
        name = joined[name]
    return name


def known_before(links: Sequence[Link], as_of: int) -> dict[str, str]:
    """Every debtor with a link known before the night -> the last debtor of its chain on that night."""
    in_force = {link.debtor_id: link.same_as for link in links if link.known_on < as_of}
    return {name: last_of(name, in_force) for name in in_force}


def renamed(debtor_id: pd.Series, names: Mapping[str, str]) -> pd.Series:
    """Debtors under the names of `known_before` or `persons`; others keep theirs."""
    if not names:
        return debtor_id
    told = debtor_id.astype("str")
    return told.map(names).where(told.isin(list(names)), told).astype("str")


def with_aliases(accounts: pd.DataFrame, links: Sequence[Link]) -> pd.DataFrame:
    """The accounts with a version for each time at which the last debtor of an account changed, in the order of
    account_no, opened_on, known_at.

    accounts: the inner form with debtor_id, known_at and known_on. A version that an account gets later names the
    debtor of its own time. AS_DELIVERED: its debtor before any link.
    """
    import pandas as pd

    turns = _turns(links)
    mine = np.flatnonzero(accounts["debtor_id"].isin(list(turns)).to_numpy())
    if not mine.size:
        return accounts
    account_no, known_at = accounts["account_no"].to_numpy(), accounts["known_at"].to_numpy()
    mine = mine[np.lexsort((known_at[mine], account_no[mine]))]
    first_of = np.flatnonzero(np.append(True, np.diff(account_no[mine]) != 0))
    accounts = accounts.assign(**{AS_DELIVERED: accounts["debtor_id"].astype("str")})
    debtor = accounts["debtor_id"].astype("str").to_numpy(dtype=object).copy()
    copied: list[tuple[int, int, int, str]] = []  # row, known_at, known_on, debtor
    for rows in np.split(mine, first_of[1:]):
        times = known_at[rows]
        own = turns[debtor[rows[0]]]
        for at, on, name in own:
            before = int(np.searchsorted(times, at))
            if before and not (before < rows.size and times[before] == at):
                copied.append((int(rows[before - 1]), at, on, name))
            debtor[rows[before:]] = name
    more = accounts.iloc[[row for row, *_ in copied]].assign(
        known_at=np.array([at for _, at, _, _ in copied], np.int64),
        known_on=np.array([on for _, _, on, _ in copied], np.int32),
        debtor_id=pd.array([name for *_, name in copied], dtype="str"),
    )
    whole = pd.concat([accounts.assign(debtor_id=pd.array(debtor, dtype="str")), more], ignore_index=True)
    keys = [name for name in ("known_at", "opened_on", "account_no") if name in whole]
    return whole.iloc[np.lexsort([whole[name].to_numpy() for name in keys])].reset_index(drop=True)


def _turns(links: Sequence[Link]) -> dict[str, list[tuple[int, int, str]]]:
    """Debtor -> (known_at, known_on, last debtor) of each time at which the last debtor of its chain changed."""
    groups: dict[str, list[Link]] = {}
    person = persons(links)
    for link in links:
        groups.setdefault(person[link.debtor_id], []).append(link)
    found: dict[str, list[tuple[int, int, str]]] = {}
    for own in groups.values():
        names = sorted({name for link in own for name in (link.debtor_id, link.same_as)})
        in_force: dict[str, str] = {}
        last = {name: name for name in names}
        for place, link in enumerate(own):
            in_force[link.debtor_id] = link.same_as
            if place + 1 < len(own) and own[place + 1].known_at == link.known_at:
                continue  # what becomes known at one time holds together
            for name in names:
                now = last_of(name, in_force)
                if now != last[name]:
                    found.setdefault(name, []).append((link.known_at, link.known_on, now))
                    last[name] = now
    return found


def in_circles(links: Sequence[Link], is_new: Sequence[bool]) -> list[int]:
    """Places of the new links that would close a circle at some time; all those of a circle that are new.

    The other links are without a circle. What counts at a time is each debtor's newest link known by then.
    """
    refused: set[int] = set()
    while found := _circle_links(links, is_new, refused):
        refused |= found
    return sorted(refused)


def _circle_links(links: Sequence[Link], is_new: Sequence[bool], refused: set[int]) -> set[int]:
    order = sorted(range(len(links)), key=lambda place: links[place].known_at)
    standing: dict[str, int] = {}
    found: set[int] = set()
    changed: list[str] = []
    left_over = [place for place in order if place not in refused]
    for turn, place in enumerate(left_over):
        link = links[place]
        standing[link.debtor_id] = place
        changed.append(link.debtor_id)
        if turn + 1 < len(left_over) and links[left_over[turn + 1]].known_at == link.known_at:
            continue
        for name in changed:
            circle = _circle_through(name, links, standing)
            for member in circle:
                if is_new[standing[member]]:
                    found.add(standing[member])
            for member in circle:  # the walk goes on as if none of the circle had come
                del standing[member]
        changed = []
    return found


def _circle_through(name: str, links: Sequence[Link], standing: Mapping[str, int]) -> list[str]:
    """The debtors of the circle in which the chain from here ends; none where it ends at a debtor."""
    seen: list[str] = []
    while name in standing and links[standing[name]].same_as != name:
        if name in seen:
            return seen[seen.index(name) :]
        seen.append(name)
        name = links[standing[name]].same_as
    return []
