"""Persons of several debtors: whose shard their accounts are read in, and the rows that lie elsewhere.

The shard of an account is the hash of its debtor as delivered. Debtors that a link ever joined (features.aliases) are
read together, in the shard of the one that stands for them: the hash is taken after the resolution, and the files stay
where they are. Without links nothing here is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from features.aliases import Link, persons
from features.tables import account_number

# Where accounts are read: (the shard of their file, the shard they are read in) -> their numbers.
Moves = Mapping[tuple[int, int], np.ndarray]


@dataclass(frozen=True, eq=False)
class Persons:
    """links: known links in order; names: features.aliases.persons of them; moves: accounts read in another shard."""

    links: Sequence[Link]
    names: Mapping[str, str]
    moves: Moves

    def leaving(self, home: int, shards: Collection[int]) -> np.ndarray:
        """Numbers of the accounts of a shard's files that are read in none of these shards."""
        return _joined([numbers for (one, to), numbers in self.moves.items() if one == home and to not in shards])

    def coming(self, shards: Collection[int]) -> dict[int, np.ndarray]:
        """Shard of other files -> numbers of its accounts that are read in one of these shards."""
        homes = sorted({home for home, to in self.moves if to in shards and home not in shards})
        return {
            home: _joined([numbers for (one, to), numbers in self.moves.items() if one == home and to in shards])
            for home in homes
        }


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([*parts, np.empty(0, np.int64)])


def persons_of(links: Sequence[Link], shards: int, accounts_of: Callable[[int], pa.Table]) -> Persons:
    """accounts_of: a shard's rows of accounts as its files hold them, with account_no and debtor_id."""
    names = persons(links)
    ids = sorted(names)
    homes = account_number(ids) % shards if ids else np.empty(0, np.int64)
    goals = account_number([names[name] for name in ids]) % shards if ids else homes
    goal_of = {name: int(goal) for name, home, goal in zip(ids, homes, goals, strict=True) if home != goal}
    found: dict[tuple[int, int], np.ndarray] = {}
    for home in sorted({int(home) for home, goal in zip(homes, goals, strict=True) if home != goal}):
        rows = accounts_of(home)
        numbers = rows.column("account_no").to_numpy()
        to = np.array([goal_of.get(name, home) for name in rows.column("debtor_id").to_pylist()], np.int64)
        for goal in np.unique(to[to != home]).tolist():
            found[home, int(goal)] = np.unique(numbers[to == goal])
    return Persons(links, names, found)


def only(rows: pa.Table, numbers: np.ndarray, among: bool = True) -> pa.Table:
    """The rows whose account is among these numbers, or is not."""
    return rows.filter(pa.array(np.isin(rows.column("account_no").to_numpy(), numbers, invert=not among)))
