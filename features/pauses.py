"""Payment holidays: days on which the count of days past due stands still, in the books whose params say so.

Days past due of D count the days from the oldest unpaid due day up to D on which no moratorium stood, by the statuses
known before D. A statement states what its own count had come to: of it, only days from `taken_on` on can be paused.
Arrears, cures and what is owed stay as they are.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from features.replay import Entries
from features.tables import NEVER, NO_DAY
from features.versions import arranged, column, key_of, spans, superseded_on

PAUSES = ("moratorium",)


class Replayed(NamedTuple):
    """What features.replay.segments hands back."""

    offsets: np.ndarray
    start: np.ndarray
    balance: np.ndarray
    arrears: np.ndarray
    overdue_since: np.ndarray
    cure_offsets: np.ndarray
    cures: np.ndarray


def with_pauses(
    replayed: Replayed,
    accounts: np.ndarray,
    entries: Entries,
    tables: Mapping[str, pd.DataFrame],
    books: Collection[str],
) -> Replayed:
    """The segments with days past due that stand still while a moratorium does, for the accounts of these books.

    An account is of the book that it was first known in. Nothing changes where no such status is delivered.
    """
    if not books or "statuses" not in tables:
        return replayed
    frame = arranged(tables["statuses"], "statuses")
    gone = superseded_on(frame, key_of(frame, "statuses"), "statuses")
    held = frame["status"].isin(PAUSES).to_numpy()
    frame, gone = frame[held], gone[held].astype(np.int64)
    known = tables["accounts"].sort_values("known_at", kind="stable").drop_duplicates("account_no")
    paused = known["account_no"].to_numpy()[known["portfolio"].isin(list(books)).to_numpy()]
    asked = np.intersect1d(np.intersect1d(frame["account_no"].to_numpy(), paused), accounts)
    if not asked.size:
        return replayed
    first, last = spans(frame["account_no"].to_numpy(), asked)
    days = [column(frame, name, np.int32, "statuses").astype(np.int64) for name in ("known_on", "from_on", "until_on")]
    parts: list[np.ndarray] = []
    counts = np.diff(replayed.offsets)
    written = 0
    for place, low, high in zip(np.searchsorted(accounts, asked).tolist(), first.tolist(), last.tolist(), strict=True):
        begin, end = int(replayed.offsets[place]), int(replayed.offsets[place + 1])
        own = [_Pause(*row) for row in zip(*(values[low:high] for values in days), gone[low:high], strict=True)]
        segments = np.stack([np.asarray(values[begin:end], np.int64) for values in replayed[1:5]], axis=1)
        told = _of_account(segments, own, _stated(entries, place))
        parts += [np.stack([np.asarray(values[written:begin], np.int64) for values in replayed[1:5]], axis=1), told]
        counts[place] = len(told)
        written = end
    parts.append(np.stack([np.asarray(values[written:], np.int64) for values in replayed[1:5]], axis=1))
    whole = np.concatenate(parts)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    columns = (np.ascontiguousarray(whole[:, place], values.dtype) for place, values in enumerate(replayed[1:5]))
    return Replayed(offsets, *columns, replayed.cure_offsets, replayed.cures)


class _Pause(NamedTuple):
    """A moratorium from a day on, through until_on (NO_DAY: open), for nights after known_on through gone_on."""

    known_on: int
    from_on: int
    until_on: int
    gone_on: int

    def covers(self, day: int) -> bool:
        return self.from_on <= day and (self.until_on == NO_DAY or day <= self.until_on)


class _Stated(NamedTuple):
    """A statement that counts for nights after seen_on through gone_on."""

    taken_on: int
    seen_on: int
    gone_on: int


def _stated(entries: Entries, place: int) -> list[_Stated]:
    statements = entries.statements
    rows = range(int(statements.spans[place, 0]), int(statements.spans[place, 1]))
    return [
        _Stated(
            int(statements.taken_on[row]),
            max(int(statements.known_on[row]), int(statements.taken_on[row])),
            int(statements.superseded_on[row]),
        )
        for row in rows
    ]


def _of_account(segments: np.ndarray, pauses: Sequence[_Pause], stated: Sequence[_Stated]) -> np.ndarray:
    """int64[n, 4]: start, balance, arrears, overdue_since of one account, cut where the count begins to stand still or
    goes on.
    """
    if not len(segments):
        return segments
    turns = {int(start) for start in segments[:, 0]}
    for pause in pauses:
        turns |= {pause.known_on + 1, pause.gone_on + 1, pause.from_on + 1}
        turns |= {pause.until_on + 2} if pause.until_on != NO_DAY else set()
    for statement in stated:
        turns |= {statement.seen_on + 1, statement.gone_on + 1}
    found: list[tuple[int, int, int, int]] = []
    for day in sorted(turn for turn in turns if segments[0, 0] <= turn < NEVER):
        _, balance, arrears, since = (
            int(value) for value in segments[np.searchsorted(segments[:, 0], day, "right") - 1]
        )
        if since != NO_DAY:
            seen = [pause for pause in pauses if pause.known_on < day <= pause.gone_on]
            taken_on = max(
                (statement.taken_on for statement in stated if statement.seen_on < day <= statement.gone_on),
                default=since,
            )
            counted = max(since, taken_on)
            since = _since(day, since, _days_paused(seen, counted, day), any(pause.covers(day - 1) for pause in seen))
        if not found or found[-1][1:] != (balance, arrears, since):
            found.append((day, balance, arrears, since))
    return np.array(found, np.int64)


def _since(day: int, since: int, days_paused: int, stands_still: bool) -> int:
    """overdue_since as features.kernel.days_past_due reads it: a day, or how many days past due it stands still at."""
    if stands_still:
        return NO_DAY + max(day - since - days_paused, 0)
    return since + days_paused


def _days_paused(pauses: Sequence[_Pause], first: int, day: int) -> int:
    """Days of [first, day) that one of the pauses covers."""
    found, free = 0, first  # days before `free` are counted
    for pause in sorted(pauses, key=lambda pause: pause.from_on):
        begin = max(pause.from_on, free)
        end = day if pause.until_on == NO_DAY else min(pause.until_on + 1, day)
        if end > begin:
            found, free = found + end - begin, end
    return found
