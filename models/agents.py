"""A fair split of a queue between its agents: each is to bring in the same money per place,
and keeps the debtors of the nights before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

FAIR = 0.02  # largest difference between two agents' expected value per place, as a share of the mean


def shared_out(values: Sequence[int], before: Sequence[str], capacity: Mapping[str, int]) -> list[str]:
    """Agent of each row of a queue; no agent has more rows than its capacity.
    Raises ValueError where the rows do not fit.

    values    expected value of each row, not negative, in list order
    before    agent who had the row's debtor last; "" or a name not in capacity where nobody has
    capacity  agent -> rows a night

    Rows stay with their agent, the others go to whoever has least value per place. Then rows are moved or swapped
    between two agents, new ones first, until all lie within FAIR of each other or nothing brings them closer.
    """
    names = sorted(name for name, places in capacity.items() if places > 0)
    places = np.array([capacity[name] for name in names], dtype=np.int64)
    worth = np.asarray(values, dtype=np.float64)
    if worth.size > places.sum():
        raise ValueError(f"{worth.size} rows do not fit {int(places.sum())} places")
    if not worth.size:
        return []
    number = {name: place for place, name in enumerate(names)}
    kept = np.array([number.get(name, -1) for name in before], dtype=np.int64)
    owner = _placed(worth, kept, places)
    for _ in range(4 * worth.size):
        step = _step(worth, owner, kept, places)
        if step is None:
            break
        for row, agent in step:
            owner[row] = agent
    return [names[agent] for agent in owner]


def spread(values: Sequence[int], agents: Sequence[str], capacity: Mapping[str, int]) -> float:
    """Largest difference between two agents' value per place, as a share of the mean;
    0 where there is nothing to share.
    """
    names = sorted(name for name, places in capacity.items() if places > 0)
    loads = np.array(
        [sum(value for value, agent in zip(values, agents, strict=True) if agent == name) for name in names],
        dtype=float,
    )
    return _spread(loads / [capacity[name] for name in names])


def _spread(per_place: np.ndarray) -> float:
    return (
        float((per_place.max() - per_place.min()) / per_place.mean())
        if per_place.size and per_place.mean() > 0
        else 0.0
    )


def _placed(worth: np.ndarray, kept: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Rows with an agent stay, dearest first, while there is room; the others, dearest first,
    go where there is least per place.
    """
    owner = np.full(worth.size, -1, np.int64)
    load, taken = np.zeros(places.size), np.zeros(places.size, np.int64)
    dearest = np.argsort(-worth, kind="stable")
    for row in dearest[kept[dearest] >= 0].tolist():
        if taken[kept[row]] < places[kept[row]]:
            owner[row] = kept[row]
            load[owner[row]] += worth[row]
            taken[owner[row]] += 1
        else:
            kept[row] = -1  # its agent is full: it is placed with the new ones
    for row in dearest[owner[dearest] < 0].tolist():
        owner[row] = int(np.where(taken < places, load / places, np.inf).argmin())
        load[owner[row]] += worth[row]
        taken[owner[row]] += 1
    return owner


def _step(worth: np.ndarray, owner: np.ndarray, kept: np.ndarray, places: np.ndarray) -> list[tuple[int, int]] | None:
    """The move or swap between two agents that brings them closest, of rows that are new where that is enough;
    None where all is fair.
    """
    load = np.bincount(owner, worth, places.size)
    taken = np.bincount(owner, minlength=places.size)
    per_place = load / places
    if _spread(per_place) <= FAIR:
        return None
    order = np.argsort(per_place, kind="stable")
    pairs = [(order[-1], low) for low in order[:-1]] + [(high, order[0]) for high in order[1:-1][::-1]]
    limit = FAIR * per_place.mean()
    for new_only in (True, False):
        for high, low in pairs:
            gap = per_place[high] - per_place[low]
            wanted = gap / (1 / places[high] + 1 / places[low])  # money that, moved over, would make the two equal
            found = _closest(worth, owner, kept, high, low, wanted, taken[low] < places[low], new_only)
            if found is None:
                continue
            moved, step = found
            left = abs(gap - moved * (1 / places[high] + 1 / places[low]))
            if left < gap * (1 - 1e-9) and (not new_only or left <= limit):
                return step
    return None


def _closest(
    worth: np.ndarray,
    owner: np.ndarray,
    kept: np.ndarray,
    high: int,
    low: int,
    wanted: float,
    room: bool,
    new_only: bool,
) -> tuple[float, list[tuple[int, int]]] | None:
    """(money moved, steps) of the one row, or the two rows against each other,
    that move nearest to `wanted` from high to low.
    """
    mine, theirs = np.flatnonzero(owner == high), np.flatnonzero(owner == low)
    if new_only:
        mine, theirs = mine[kept[mine] < 0], theirs[kept[theirs] < 0]
    theirs = theirs[np.argsort(worth[theirs], kind="stable")]
    best: tuple[float, float, list[tuple[int, int]]] | None = None
    for row in mine.tolist():
        options = [(worth[row], [(row, int(low))])] if room else []
        if theirs.size:
            near = int(np.searchsorted(worth[theirs], worth[row] - wanted))
            options += [
                (worth[row] - worth[theirs[place]], [(row, int(low)), (int(theirs[place]), int(high))])
                for place in {max(near - 1, 0), min(near, theirs.size - 1)}
            ]
        for moved, step in options:
            if moved > 0 and (best is None or abs(moved - wanted) < best[0]):
                best = abs(moved - wanted), moved, step
    return best[1:] if best else None
