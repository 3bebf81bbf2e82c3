"""Every figure of the collectors' page, told again by plain loops in the shape of figures.json: client_judge.py has the
list.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from statistics import NormalDist
from typing import Any

from tests.judges.book_judge import SPOKE, bucket
from tests.judges.client_judge import Delivery, promises

WEEK = 7  # days between the nights on which it is looked at how late accounts are, and that a list may be old
OTHERS = 20  # contacts of others that a kind needs
SCORED = 0.9  # part of a book's contacts that lists must have scored


@dataclass(frozen=True)
class Row:
    """A contact by us about one account."""

    contact: str
    account: str
    debtor: str
    book: str
    code: str
    who: str
    channel: str
    outcome: str
    day: dt.date
    moment: dt.datetime
    late: str  # bucket of days past due on the last night looked at, "" where it was not to be worked
    score: int | None  # what a list of those days expected of the account


@dataclass
class Collectors:
    """Of a report: `days` days before told.night. lists: night -> account -> money expected of it, as published;
    people, events, others: what a comparison needs.
    """

    told: Delivery
    lists: Mapping[dt.date, Mapping[str, int]]
    days: int
    params: Any
    people: int
    events: int
    others: int = OTHERS

    def __post_init__(self) -> None:
        label, night = self.params.label, self.told.night
        self.until = night - dt.timedelta(label.horizon_days + label.maturity_days)  # all are delivered through the eve
        self.first, self.since = night - dt.timedelta(self.days), self.until - dt.timedelta(self.days)
        weeks = (night - self.since).days // WEEK + 1
        grid = [self.since + dt.timedelta(WEEK * step) for step in range(weeks)]
        self.grid = [day for day in grid if day < night]  # nights on which it is looked at how late accounts are
        self.rows = [
            self._row(row)
            for row in self.told.contacts()
            if row["direction"] == "outbound" and row["channel"] != "debit"
        ]

    def _row(self, row: dict[str, str]) -> Row:
        account, told = row["account_id"], self.told
        about, day = told.accounts[account], told.day(row, "occurred_at")
        looked = [night for night in self.grid if 0 <= (day - night).days < WEEK]
        held = told.standing(account, looked[0]) if looked else None
        late = bucket(held.days_past_due) if held and held.reason == "scorable" else ""
        scores = [of[account] for night, of in self.lists.items() if 0 <= (day - night).days < WEEK and account in of]
        return Row(
            row["contact_id"], account, about["debtor_id"], about["portfolio"], about["currency"], row["agent"],
            row["channel"], row["outcome"], day, told.moment(row, "occurred_at"), late, scores[-1] if scores else None,
        )  # fmt: skip

    # ---- the page ----

    def whole(self) -> dict[str, Any]:
        seen = [row for row in self.rows if row.day >= min(self.first, self.since)]
        kinds, by_score = staged(seen)
        inside = [row for row in seen if row.day >= self.first]
        named = once([row for row in inside if row.who])
        spoken = self._compared([(row, kinds[row], float(row.outcome in SPOKE)) for row, _ in named], 4)
        due = self.kept()
        of_due, _ = staged([row for row, _ in due])
        kept = self._summed([(row, of_due[row], value) for row, value in due], 4)
        money = self._money([row for row in seen if row.who and self.since <= row.day < self.until], kinds)
        return {
            "contacts": True,
            "made": len(named),
            "unnamed": len({row.contact for row in inside if not row.who}),
            "by_score": by_score,
            "rows": counts([row for row, _ in named]),
            "spoken": spoken,
            "kept": kept,
            "money_from": self.since.isoformat(),
            "money_until": (self.until - dt.timedelta(1)).isoformat(),
            "money": money,
            "readings": {name: readings(found) for name, found in {"spoken": spoken, "kept": kept, **money}.items()},
        }

    def kept(self) -> list[tuple[Row, float]]:
        """Promises that a named collector took, that fell due in the span and are kept or broken, and whether they were
        kept: the last of a day, of whoever spoke last to the debtor about the account that day.
        """
        promise = self.params.promise
        taken = {}
        for row in sorted(self.rows, key=lambda row: (row.moment, row.contact)):
            if row.outcome == "promise" and row.who:
                taken[row.account, row.day] = row
        found: dict[tuple[str, str], tuple[Row, dt.date, str]] = {}
        made = promises(self.told, Decimal(str(promise.kept_share)), promise.grace_days)
        for one in sorted(made, key=lambda one: (one.at, one.amount, one.due)):
            if one.state in ("kept", "broken") and (one.account, one.made) in taken:
                row = taken[one.account, one.made]
                found[row.contact, row.account] = (row, one.due, one.state)
        return [
            (row, float(state == "kept")) for row, due, state in found.values() if self.first <= due < self.told.night
        ]

    def _money(self, rows: list[Row], kinds: Mapping[Row, str]) -> dict[str, dict[str, list[Any]]]:
        """Each payment with the last collector who spoke of its account on its day or before, within the horizon."""
        came: dict[tuple[str, str], int] = defaultdict(int)
        horizon, by_account = self.params.label.horizon_days, defaultdict(list)
        for row in sorted(self.rows, key=lambda row: (row.day, row.moment, row.contact)):
            if row.who and row.day >= min(self.first, self.since):
                by_account[row.account].append(row)
        for account, day, left in self.told.payments():
            before = [row for row in by_account[account] if row.day <= day]
            if before and (day - before[-1].day).days < horizon:
                came[before[-1].contact, account] += left
        found = {}
        for code in sorted({row.code for row in rows}):
            units = [
                (row, kinds[row], float(sum(came[each.contact, each.account] for each in own)))
                for row, own in once([row for row in rows if row.code == code])
            ]
            found[code] = self._summed(units, None)
        return found

    # ---- against the others ----

    def _summed(self, units: list[tuple[Row, str, float]], places: int | None) -> dict[str, list[Any]]:
        """The same, after how many rows each has, and their sum."""
        told = self._compared(units, places)
        sums = {who: [value for row, _, value in units if row.who == who] for who in told}
        return {who: [len(sums[who]), int(sum(sums[who])), *cells] for who, cells in told.items()}

    def _compared(self, units: list[tuple[Row, str, float]], places: int | None) -> dict[str, list[Any]]:
        """Who -> rows compared, came and expected a row, the difference and its range; nothing but rows of too few."""
        found = {who: compared(units, who, self.others) for who in sorted({row.who for row, *_ in units})}
        told = [
            who for who, (_, people, events, *_) in found.items() if people >= self.people and events >= self.events
        ]
        wide = NormalDist().inv_cdf(1 - (1 - 0.95 ** (1 / max(len(told), 1))) / 2)
        cells: dict[str, list[Any]] = {}
        for who, (size, _, _, came, expected, error) in found.items():
            apart = came - expected
            ends = (came, expected, apart, apart - wide * error, apart + wide * error)
            cells[who] = [size, *((round(end, places) for end in ends) if who in told else [None] * 5)]
        return cells


def staged(rows: Iterable[Row]) -> tuple[dict[Row, str], list[str]]:
    """Which are alike, and the books of which scores tell it: the quarter by the score among those of the book."""
    rows, kinds = list(rows), {}
    by_book = defaultdict(list)
    for row in rows:
        by_book[row.book].append(row)
    by_score = [book for book, own in by_book.items() if sum(row.score is not None for row in own) >= SCORED * len(own)]
    for row in rows:
        stage = row.late
        if row.book in by_score:
            scores = [other.score for other in by_book[row.book] if other.score is not None and other.code == row.code]
            if row.score is None:
                place = 0.0
            else:
                below, same = (sum(each < row.score for each in scores), sum(each == row.score for each in scores))
                place = (below + (same + 1) / 2) / len(scores)
            stage = f"q{min(int(4 * place), 3)}"
        kinds[row] = f"{row.book}|{row.channel}|{stage}"
    return kinds, sorted(by_score)


def once(rows: Iterable[Row]) -> list[tuple[Row, list[Row]]]:
    """Each contact of each collector by its weightiest outcome, with all its rows."""
    weight = {name: place for place, name in enumerate(SPOKE)}
    by: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        by[row.contact, row.who].append(row)
    return [
        (min(own, key=lambda row: (weight.get(row.outcome, 99), row.outcome, row.account)), own) for own in by.values()
    ]


def counts(named: list[Row]) -> list[list[Any]]:
    """Collector, contacts, debtors, conversations, promises; in order of the ids."""
    found = []
    for who in sorted({row.who for row in named}):
        own = [row for row in named if row.who == who]
        spoke, promised = sum(row.outcome in SPOKE for row in own), sum(row.outcome == "promise" for row in own)
        found.append([who, len(own), len({row.debtor for row in own}), spoke, promised])
    return found


def compared(units: list[tuple[Row, str, float]], who: str, least: int) -> tuple[int, int, float, float, float, float]:
    """Rows compared, their debtors, events (the worker's, or those that as many rows of the others would have), came
    and expected a row, and the error of the difference: by the words of models/like_for_like.py.
    """
    others: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for row, kind, value in units:
        if row.who != who:
            others[kind].append((row.debtor, value))
    own = [(row.debtor, kind, value) for row, kind, value in units if row.who == who and len(others[kind]) >= least]
    if not own:
        return 0, 0, 0.0, 0.0, 0.0, 0.0
    size, kinds = len(own), {kind: sum(each == kind for _, each, _ in own) for _, kind, _ in own}
    mean = {kind: sum(value for _, value in others[kind]) / len(others[kind]) for kind in kinds}
    rate = {kind: sum(value > 0 for _, value in others[kind]) / len(others[kind]) for kind in kinds}
    came, expected = sum(value for *_, value in own), sum(mean[kind] for _, kind, _ in own)
    apart = (came - expected) / size
    pulls: dict[str, float] = defaultdict(float)
    for debtor, kind, value in own:
        pulls[debtor] += value - mean[kind] - apart
    for kind, many in kinds.items():
        for debtor, value in others[kind]:
            pulls[debtor] -= many / len(others[kind]) * (value - mean[kind])
    error = max(_spread(pulls.values()), _as_theirs(own, others, kinds)) ** 0.5 / size
    events = max(sum(value > 0 for *_, value in own), sum(rate[kind] for _, kind, _ in own))
    return size, len({debtor for debtor, *_ in own}), events, came / size, expected / size, error


def _spread(sums: Iterable[float]) -> float:
    sums = list(sums)
    return len(sums) / max(len(sums) - 1, 1) * sum(each**2 for each in sums)


def _as_theirs(own: list[tuple], others: Mapping[str, list[tuple]], kinds: Mapping[str, int]) -> float:
    """What the sum would spread if the worker's rows spread as all rows of their kind do, those of a debtor together as
    they do there.
    """
    every = {kind: [(who, value) for who, each, value in own if each == kind] + others[kind] for kind in kinds}
    means = {kind: sum(value for _, value in rows) / len(rows) for kind, rows in every.items()}
    sums: dict[str, float] = defaultdict(float)
    sizes: dict[str, int] = defaultdict(int)
    own_sizes: dict[str, int] = defaultdict(int)
    plain = sampled = 0.0
    for kind, rows in every.items():
        squares = 0.0
        for debtor, value in rows:
            sums[debtor] += value - means[kind]
            sizes[debtor] += 1
            squares += (value - means[kind]) ** 2
        plain += squares
        sampled += squares / (len(rows) - 1) * kinds[kind] * (1 + kinds[kind] / len(others[kind]))
    for debtor, *_ in own:
        own_sizes[debtor] += 1
    together = _spread(sums.values()) / plain if plain > 0 else 1.0
    of_all, of_own = (sum(n**2 for n in each.values()) / sum(each.values()) for each in (sizes, own_sizes))
    alike = max(together - 1, 0.0) / (of_all - 1) if of_all > 1 else 0.0
    return (1 + alike * (of_own - 1)) * sampled


def readings(found: Mapping[str, list[Any]]) -> list[int]:
    """More, less, not told apart, too few: by the last two cells of each row."""
    more = sum(row[-1] is not None and row[-2] > 0 for row in found.values())
    less = sum(row[-1] is not None and row[-1] < 0 for row in found.values())
    few = sum(row[-1] is None for row in found.values())
    return [more, less, len(found) - more - less - few, few]
