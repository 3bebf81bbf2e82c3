"""Every figure of the clients' pages, told again by plain loops in the shape of figures.json: client_judge.py has the
list.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.judges.client_judge import (
    Delivery,
    Promise,
    at_rate,
    difference,
    disputed,
    lists_before,
    nights_before,
    promises,
    published_scores,
    source_of,
    spells,
)

SPOKE = ("promise", "paid", "right_party", "dispute", "refusal", "complaint")  # the weightiest first
SOURCES = ("contacted", "listed", "agency", "agency_unnamed", "held_out", "not_due", "left")
OF_WORK = SOURCES[:4]
REASONS = ("closed", "sold", "agency", "no_balance", "not_due", "scorable")
BUCKETS = {"0": 0, "1-29": 1, "30-59": 30, "60-89": 60, "90-179": 90, "180+": 180}
MONTHS, STEPS, WEEKS, LISTS, ROWS, PEOPLE = 12, 12, 4, 6, 500, 30
CASES = ("dispute", "specialist", "offer", "route")


def bucket(days_past_due: int) -> str:
    return [name for name, least in BUCKETS.items() if least <= days_past_due][-1]


def part(amount: float, whole: float) -> float | None:
    return round(amount / whole, 4) if whole else None


def weightiest(rows: list[dict[str, str]]) -> dict[str, str]:
    """Of the rows of one contact, that of the weightiest outcome."""
    weight = {name: place for place, name in enumerate(SPOKE)}
    return min(rows, key=lambda row: (weight.get(row["outcome"], 99), row["outcome"], row["account_id"]))


@dataclass
class Books:
    """Of a report: the days [first, told.night). drawn: rows of the lot that the store keeps, as dictionaries; tables:
    specialist, proposals and routes of the night, none where it was published under no policy.
    """

    told: Delivery
    out: Path
    first: dt.date
    params: Any
    drawn: list[dict[str, Any]]
    tables: Mapping[str, list[dict[str, Any]]] | None
    people: int = PEOPLE

    def whole(self) -> dict[str, dict[str, Any]]:
        """Portfolio -> section -> figures."""
        names = sorted({row["portfolio"] for row in self.told.accounts.values()})
        return {name: self._of(name) for name in names}

    def _of(self, book: str) -> dict[str, Any]:
        codes = sorted({row["currency"] for row in self.told.accounts.values() if row["portfolio"] == book})
        by_code = {
            "recovered": self.recovered, "source": self.sources, "added": self.added, "commission": self.commission,
            "due": self.due, "cases": self.cases, "annex": self.annex, "lists": self.lists, "owed": self.owed,
            "promises": self.promised, "liquidation": self.liquidation,
        }  # fmt: skip
        found: dict[str, Any] = {
            name: {code: told for code in codes if (told := of(book, code)) is not None} for name, of in by_code.items()
        }
        return {
            "currencies": codes,
            **self.work(book),
            **found,
            "book": self.reasons(book),
            "added_up": self.added_up(found),
            "cases_published": self.tables is not None,
            "has_contacts": True,
            "has_plans": False,
            "has_lists": any(self.told.accounts[who]["portfolio"] == book for who, _ in self._lately_listed()),
        }

    def _own(self, book: str, code: str) -> list[str]:
        return [
            account
            for account, row in self.told.accounts.items()
            if (row["portfolio"], row["currency"]) == (book, code)
        ]

    # ---- what was done ----

    def work(self, book: str) -> dict[str, Any]:
        by_contact: dict[str, list[dict[str, str]]] = defaultdict(list)
        for row in self.told.contacts():
            own = self.told.accounts[row["account_id"]]["portfolio"] == book
            if own and self.told.day(row, "occurred_at") >= self.first:
                by_contact[row["contact_id"]].append(row)
        once = [weightiest(rows) for rows in by_contact.values()]
        ours = [row for row in once if row["direction"] == "outbound" and row["channel"] != "debit"]
        spoken = [row for row in ours if row["outcome"] in SPOKE]

        def debtors(rows: list[dict[str, str]]) -> int:
            return len({self.told.accounts[row["account_id"]]["debtor_id"] for row in rows})

        def tally(column: str) -> dict[str, int]:
            counts = Counter(row[column] for row in ours)
            return {name: counts[name] for name in sorted(counts, key=lambda name: (-counts[name], name))}

        listed = {
            account
            for account, night in lists_before(self.out, self.told.night)["listed"]
            if night >= self.first and self.told.accounts[account]["portfolio"] == book
        }
        return {
            "worked": {
                "listed": len(listed), "attempts": len(ours), "debtors": debtors(ours), "by_channel": tally("channel"),
            },
            "answers": {
                "by_outcome": tally("outcome"),
                "spoken": len(spoken),
                "debtors_spoken": debtors(spoken),
                "promises": sum(row["outcome"] == "promise" for row in ours),
                "inbound": sum(row["direction"] == "inbound" for row in once),
            },
        }  # fmt: skip

    # ---- what came ----

    @cached_property
    def paid(self) -> list[tuple[str, dt.date, int, str]]:
        """Account, day, money and source of every payment."""
        ours: dict[str, list[dt.date]] = defaultdict(list)
        for account, _, day in self.told.ours():
            ours[account].append(day)
        lists = lists_before(self.out, self.told.night)
        agencies = spells(self.told.source, self.told.night, "agency")
        due_before, horizon = set(self.told.scorable(self.first)), self.params.label.horizon_days
        return [
            (account, day, money, source_of(account, day, ours, lists, agencies, due_before, horizon))
            for account, day, money in self.told.payments()
        ]

    def _inside(self, book: str, code: str) -> list[tuple[str, dt.date, int, str]]:
        own = set(self._own(book, code))
        return [row for row in self.paid if row[0] in own and row[1] >= self.first]

    def recovered(self, book: str, code: str) -> dict[str, Any]:
        inside, own = self._inside(book, code), set(self._own(book, code))
        by_month: Counter = Counter()
        for account, day, money, _ in self.paid:
            if account in own:
                by_month[day.isoformat()[:7]] += money
        months, at = [], self.told.night.replace(day=1)
        for _ in range(MONTHS):
            at = (at - dt.timedelta(1)).replace(day=1)
            months.insert(0, [at.isoformat()[:7], by_month[at.isoformat()[:7]]])
        return {
            "amount": sum(money for _, _, money, _ in inside),
            "payments": len(inside),
            "debtors": len({self.told.accounts[account]["debtor_id"] for account, *_ in inside}),
            "months": months,
        }

    def sources(self, book: str, code: str) -> dict[str, Any]:
        inside = self._inside(book, code)
        whole = sum(money for _, _, money, _ in inside)
        by = {name: [money for _, _, money, source in inside if source == name] for name in SOURCES}
        worked = sum(sum(by[name]) for name in OF_WORK)
        return {
            "worked": worked,
            "worked_share": part(worked, whole),
            "ordinary": whole - worked,
            "ordinary_share": part(whole - worked, whole),
            "sources": {name: [len(own), sum(own), part(sum(own), whole)] for name, own in by.items()},
        }

    def commission(self, book: str, code: str) -> dict[str, Any]:
        """At the rate of the params, or, of accounts with an agency by their status, at one that is not known."""
        own = set(self._own(book, code))
        came = earlier = unnamed = 0
        for sign, before in ((1, self.told.night), (-1, self.first)):
            agencies = spells(self.told.source, before, "agency")
            for account, day, money in self.told.payments(before):
                if account in own:
                    came += sign * money
                    earlier += sign * money if day < self.first else 0
                    if any(first <= day.isoformat() <= last for first, last in agencies.get(account, [])):
                        unnamed += sign * money
        settings = self.params.portfolio(book)
        if settings.role == "third_party_collector":
            due = at_rate(came, str(settings.share))
            kind, rows = "share", [["", float(settings.share), came, due, 0]]
        else:
            due = 0
            kind, rows = ("placements", [["", None, unnamed, None, 0]]) if unnamed else ("none", [])
        return {
            "kind": kind, "rows": rows, "amount": came, "earlier": earlier, "commission": due, "fixed": 0,
            "remitted": came - due, "unknown": sum(row[1] is None for row in rows),
        }  # fmt: skip

    def added_up(self, found: Mapping[str, Mapping[str, Any]]) -> dict[str, Any] | None:
        """No book here has two currencies."""
        assert len(found["source"]) == 1
        return None

    # ---- against the held-out ----

    def added(self, book: str, code: str) -> dict[str, Any]:
        """Every draw of a matured night whose outcome can be seen."""
        own = set(self._own(book, code))
        rows = [row for row in self.drawn if row["account_id"] in own and row["arm"] in ("worked", "control")]
        if not any(row["arm"] == "control" for row in rows):
            return {"state": "no_lot"}
        label = self.params.label
        gap = label.horizon_days + label.maturity_days
        first = min(row["as_of"] for row in rows) + dt.timedelta(gap + 1)
        found: dict[str, Any] = {"from": first.isoformat(), "needed": self.people}
        spans: dict[tuple[str, dt.date], list[Any]] = {}
        for row in rows:
            if row["as_of"] + dt.timedelta(gap) >= self.told.night:
                continue
            came = self.told.came_of(row["account_id"], row["as_of"], label.horizon_days, label.maturity_days)
            if came is None:
                continue
            span = spans.setdefault((row["debtor_id"], row["as_of"]), [row["arm"], row["probability"], 0, 0, 0.0, 0.0])
            span[2], span[3] = span[2] + row["expected_recovery"], span[3] + came
            span[4], span[5] = max(span[4], row["p_recovered"]), max(span[5], float(came >= 1))
        sizes = {
            name: len({who for (who, _), span in spans.items() if span[0] == arm})
            for name, arm in (("worked", "worked"), ("held_out", "control"))
        }
        if not spans or min(sizes.values()) < self.people:
            return {"state": "few" if spans else "waiting", **found, **sizes}
        draws = sum(span[0] == "worked" for span in spans.values())
        chances = [
            (who, span[0] == "worked", 1 - span[1] if span[0] == "worked" else span[1], span)
            for (who, _), span in spans.items()
        ]
        money, share = (
            difference([(*chance, span[at], span[at + 1]) for *chance, span in chances]) for at in (2, 4)
        )  # fmt: skip
        return {
            "state": "told", **found, **sizes, "draws": draws, "paid": [round(each, 4) for each in share],
            "money": [round(each) for each in money], "total": [round(each * draws) for each in money],
        }  # fmt: skip

    def lists(self, book: str, code: str) -> dict[str, Any] | None:
        """Matured lists: money expected, as published, and what came of those whose outcome can be seen."""
        own, label = set(self._own(book, code)), self.params.label
        gap = dt.timedelta(label.horizon_days + label.maturity_days)
        rows = []
        for night, folder in nights_before(self.out, self.told.night):
            if night + gap >= self.told.night:
                continue
            expected = published_scores(folder)
            listed = [who for who, on in lists_before(self.out, self.told.night)["listed"] if on == night]
            came = {
                who: self.told.came_of(who, night, label.horizon_days, label.maturity_days)
                for who in listed
                if who in own
            }
            seen = {who: money for who, money in came.items() if money is not None}
            if seen:
                rows.append([night.isoformat(), len(seen), sum(expected[who] for who in seen), sum(seen.values())])
        if not rows:
            return None
        whole = sum(row[2] for row in rows)
        return {"count": len(rows), "ratio": part(sum(row[3] for row in rows), whole), "newest": rows[-LISTS:]}

    def _lately_listed(self) -> Iterable[tuple[str, dt.date]]:
        """Listed or held out in the days that a payment of the span may follow."""
        since = self.first - dt.timedelta(self.params.label.horizon_days)
        for found in lists_before(self.out, self.told.night).values():
            yield from ((who, night) for who, night in found if night >= since)

    # ---- what is owed ----

    def reasons(self, book: str) -> dict[str, int]:
        own = [account for account, row in self.told.accounts.items() if row["portfolio"] == book]
        counts = Counter(held.reason for account in own if (held := self.told.standing(account, self.told.night)))
        return {reason: counts[reason] for reason in REASONS}

    def owed(self, book: str, code: str) -> dict[str, Any]:
        scorable = self.told.scorable(self.told.night)
        own = [scorable[account] for account in self._own(book, code) if account in scorable]
        by_days = {name: [0, 0] for name in BUCKETS}
        for held in own:
            by_days[bucket(held.days_past_due)][0] += 1
            by_days[bucket(held.days_past_due)][1] += held.balance
        return {"accounts": len(own), "balance": sum(held.balance for held in own), "by_days": by_days}

    def liquidation(self, book: str, code: str) -> list[list[Any]] | None:
        """By month of placement, money of the first 30, 60 ... days over what was placed, once all have lived them."""
        told, by_month = self.told, defaultdict(list)
        for account in self._own(book, code):
            row = told.accounts[account]
            if row["placed_on"] and row["placed_amount"] and dt.date.fromisoformat(row["placed_on"]) < told.night:
                by_month[row["placed_on"][:7]].append(account)
        table = []
        for month in sorted(by_month)[-MONTHS:]:
            placed_on = {who: dt.date.fromisoformat(told.accounts[who]["placed_on"]) for who in by_month[month]}
            whole = sum(told.minor(told.accounts[who], "placed_amount") for who in placed_on)
            shares: list[float | None] = []
            for step in range(1, STEPS + 1):
                days = dt.timedelta(30 * step)
                came = sum(
                    money
                    for who, day, money, _ in self.paid
                    if who in placed_on and placed_on[who] <= day < placed_on[who] + days
                )
                shares.append(part(came, whole) if max(placed_on.values()) + days <= told.night else None)
            table.append([month, len(placed_on), whole, shares])
        return table or None

    # ---- what comes next ----

    @cached_property
    def made(self) -> list[Promise]:
        promise = self.params.promise
        return promises(self.told, Decimal(str(promise.kept_share)), promise.grace_days)

    def promised(self, book: str, code: str) -> dict[str, list[int]] | None:
        own = set(self._own(book, code))
        due = [each for each in self.made if each.account in own and self.first <= each.due < self.told.night]
        amounts = {state: [one.amount for one in due if one.state == state] for state in ("kept", "broken", "open")}
        return {state: [len(found), sum(found)] for state, found in amounts.items()} if due else None

    def due(self, book: str, code: str) -> list[list[Any]]:
        own, weeks = set(self._own(book, code)), []
        for week in range(WEEKS):
            begin = self.told.night + dt.timedelta(7 * week)
            last = begin + dt.timedelta(6)
            amounts = [
                one.amount
                for one in self.made
                if one.account in own and one.state == "open" and begin <= one.due <= last
            ]
            weeks.append([begin.isoformat(), last.isoformat(), len(amounts), sum(amounts), 0, 0])
        return weeks

    @cached_property
    def waiting(self) -> list[tuple[str, str, str, str, int]]:
        """Account, case, what, who and balance of everything that waits for a decision."""
        scorable = self.told.scorable(self.told.night)
        in_dispute = disputed(self.told.source, self.told.night) & scorable.keys()
        found = [(account, "dispute", "", "", scorable[account].balance) for account in in_dispute]
        tables = self.tables or {}
        for row in tables.get("specialist", ()):
            found.append((row["account_id"], "specialist", "", "", row["balance"]))
        for row in tables.get("proposals", ()):
            if row["grants"]:
                found.append((row["account_id"], "offer", row["proposal"], row["grants"], row["balance"]))
        for row in tables.get("routes", ()):
            if row["route"] in ("agency", "legal", "sale") and row["route"] != row["route_before"]:
                found.append((row["account_id"], "route", row["route"], row["party"] or "", row["balance"]))
        return found

    def cases(self, book: str, code: str) -> list[list[Any]]:
        own, by = set(self._own(book, code)), defaultdict(list)
        for account, *case, balance in self.waiting:
            if account in own:
                by[tuple(case)].append(balance)
        order = sorted(by, key=lambda case: (CASES.index(case[0]), *case[1:]))
        return [[*case, len(by[case]), sum(by[case])] for case in order]

    def annex(self, book: str, code: str) -> dict[str, Any]:
        own = set(self._own(book, code))
        paid: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for account, _, money, source in self._inside(book, code):
            paid[account][0 if source in OF_WORK else 1] += money
        met: dict[str, set[str]] = defaultdict(set)
        for account, contact, day in self.told.ours():
            if account in own and day >= self.first:
                met[account].add(contact)
        cases = {account: {case for who, case, *_ in self.waiting if who == account} for account, *_ in self.waiting}
        named = {*paid, *met, *(account for account in cases if account in own)}
        owes, rows = self.told.scorable(self.told.night), []
        for account in sorted(named, key=lambda who: (-sum(paid[who]), -len(met[who]), who)):
            held = owes.get(account)
            standing = [held.balance, held.days_past_due] if held else [None, None]
            waits = [case for case in CASES if case in cases.get(account, ())]
            rows.append([account, *paid[account], len(met[account]), *standing, waits])

        def sums(of: list[list[Any]]) -> list[int]:
            together = set().union(*(met[row[0]] for row in of))
            return [len(of), sum(row[1] for row in of), sum(row[2] for row in of), len(together)]

        return {"rows": rows[:ROWS], "rest": sums(rows[ROWS:]), "all": sums(rows)}
