"""The judge of features: plain loops over a world's rows, straight from the words of the
contract and of each declaration.

Takes `world.rows` (lists of dictionaries in the inner form). Slow and obvious; shares with features/ only the
declarations, the order of the contract's values and the meaning of an empty cell. What the ledger shows comes from its
own judge, night by night.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import statistics
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import pandas as pd

from features.spec import Attribute, Band, Debtor, Difference, Feature, Noun, Ratio
from features.tables import CHANNELS, CHARGE_KINDS, DIRECTIONS, NO_DAY, NO_MONEY, OUTCOMES, STATUSES
from features.terms import Terms
from features.vocabulary import Agg
from tests.judges import oracle_ledger as books
from tests.judges import oracle_rhythm

EPOCH = dt.date(1970, 1, 1)
OF_ALL_ACCOUNTS = (
    "debtor_accounts_ever",
    "debtor_accounts_settled",
    "debtor_accounts_settled_dated",
    "debtor_accounts_settled_late",
    "debtor_settled_days_late_mean",
    "debtor_settled_days_late_max",
    "debtor_last_settled_days_late",
    "debtor_days_since_last_settled",
    "debtor_largest_settled_principal",
    "debtor_days_past_due_max_ever",
    "debtor_accounts_90_days_ever",
    "debtor_days_since_first_opened",
    "debtor_credit",
)
MONTH_PARTS = {"start": 5, "early": 13, "middle": 16, "late": 24, "end": 31}  # last day of each


class Judge:
    """The value of any declaration for (account_id, as_of) pairs of one cohort; None is missing."""

    def __init__(
        self, rows: dict, cohort: list[tuple[str, int]], terms: Terms, catalogue, complete: dict | None = None
    ):
        """complete: table -> portfolio -> last day that was all delivered."""
        self.rows, self.cohort, self.terms, self.catalogue, self.complete = (
            rows,
            cohort,
            terms,
            catalogue,
            complete or {},
        )
        self._figures: dict = {}
        self._values: dict = {}
        self._events: dict = {}
        self._first_known: dict = {}

    def value(self, name: str, account_id: str, as_of: int):
        key = name, account_id, as_of
        if key not in self._values:
            self._values[key] = self._judge(self.catalogue[name], account_id, as_of)
        return self._values[key]

    def _judge(self, entry, account_id: str, as_of: int):
        account = books.account_row(self.rows, account_id, as_of)
        if isinstance(entry, Attribute):
            return _given(account.get(entry.called))
        if isinstance(entry, Feature | Noun) and not all(
            self.delivered(table, account["portfolio"], as_of) for table in entry.needs
        ):
            return None
        if isinstance(entry, Noun):
            return self.fact(entry.called, account, as_of)
        if isinstance(entry, Feature):
            if entry.event == "ledger":
                return self.standing(entry, account_id, as_of)
            return aggregate(entry, self.events(entry.event, account_id, as_of), as_of)
        if isinstance(entry, Debtor):
            return self.over_debtor(entry, account, as_of)
        parts = [self.value(part, account_id, as_of) for part in entry.parts]
        if any(part is None for part in parts):
            return None
        if isinstance(entry, Difference):
            return parts[0] - parts[1]
        if isinstance(entry, Band):
            return sum(1 for edge in entry.edges if parts[0] >= edge)
        assert isinstance(entry, Ratio)
        a, b = entry.prior or (0, 0)
        over, under = parts[0] + a, sum(parts[1:]) + b
        return over / under if under != 0 else _given(entry.empty)

    def delivered(self, table: str, portfolio: str, as_of: int) -> bool:
        if table == "ledger":
            made_of = [name for name in ("charges", "balances", "payments") if self.declared(name, portfolio)]
            owed = "charges" in made_of or "balances" in made_of
            return owed and all(self.delivered(name, portfolio, as_of) for name in made_of)
        return self.declared(table, portfolio) and self.complete.get(table, {}).get(portfolio, as_of) >= as_of - 1

    def declared(self, table: str, portfolio: str) -> bool:
        return table in self.rows and table in self.terms.delivers.get(portfolio, (table,))

    # What happened, as it may be known before as_of: one list of plain events per kind, oldest first.

    def events(self, kind: str, account_id: str, as_of: int) -> list[dict]:
        key = kind, account_id, as_of
        if key not in self._events:
            self._events[key] = sorted(getattr(self, f"_{kind}")(account_id, as_of), key=lambda event: event["order"])
        return self._events[key]

    def _settled(self, account_id: str, as_of: int, kind: str) -> list[dict]:
        found, done = [], set()
        for row in books.rows_of(self.rows, "payments", account_id):
            lines = [line for line in books.set_of(row, self.rows) if line["account_id"] == account_id]
            key = row["payment_id"], row["known_at"]
            if row["kind"] == kind and row["known_on"] < as_of and key not in done:
                done.add(key)
                worth = sum(books.net(line, self.rows, as_of) for line in lines)
                if worth > 0:
                    due = self.figures(account_id, row["known_on"])[1]
                    of_month = date(row["occurred_on"]).day
                    part = next(part for part, last in MONTH_PARTS.items() if of_month <= last)
                    found.append(
                        {
                            "day": row["occurred_on"],
                            "order": (row["occurred_at"], books.number_of(row["payment_id"])),
                            "amount": worth,
                            "method": row["method"],
                            "month_part": part,
                            "covers": "nothing_due"
                            if due <= 0
                            else "part"
                            if sum(line["amount"] for line in lines) < due
                            else "full",
                        }
                    )
        return found

    def _payments(self, account_id: str, as_of: int) -> list[dict]:
        return self._settled(account_id, as_of, "payment")

    def _credits(self, account_id: str, as_of: int) -> list[dict]:
        return self._settled(account_id, as_of, "credit")

    def _withheld(self, account_id: str, as_of: int) -> list[dict]:
        return self._settled(account_id, as_of, "withheld")

    def _reversals(self, account_id: str, as_of: int) -> list[dict]:
        found = []
        for row in books.of_the_debtor(self.rows, account_id):
            of_it = [
                other
                for other in books.of_the_debtor(self.rows, account_id)
                if other["payment_id"] == row["reverses"] and other["kind"] == "payment"
            ]
            if row["kind"] != "reversal" or not of_it:
                continue
            both_known = max(row["known_on"], min(other["known_on"] for other in of_it))
            if both_known >= as_of:
                continue
            # Told with the set of lines that was in force when both were known: what it takes back of this account.
            newest = max(other["known_at"] for other in of_it if other["known_on"] <= both_known)
            part = sum(
                amount
                for line in of_it
                if line["account_id"] == account_id and line["known_at"] == newest
                for back, amount in books.parts_taken_back(line, self.rows, as_of)
                if back is row
            )
            if part:
                order = row["occurred_at"], row["known_at"], part
                found.append({"day": row["occurred_on"], "order": order, "amount": part})
        return found

    def _charges(self, account_id: str, as_of: int) -> list[dict]:
        known = books.in_force(books.rows_of(self.rows, "charges", account_id), ("charge_id",), as_of)
        return [
            {
                "day": row["due_on"],
                "order": (row["due_on"], row["amount"], CHARGE_KINDS.index(row["kind"])),
                "amount": row["amount"],
                "kind": row["kind"],
            }
            for row in known
            if not books.is_cancelled(row, self.rows, as_of)
        ]

    _upcoming_charges = _charges

    def _statements(self, account_id: str, as_of: int) -> list[dict]:
        known = books.in_force(books.rows_of(self.rows, "balances", account_id), ("taken_on",), as_of)
        return [{**row, "day": row["taken_on"], "order": row["taken_on"]} for row in known]

    def _contacts(self, account_id: str, as_of: int) -> list[dict]:
        found = []
        for row in books.in_force(books.rows_of(self.rows, "contacts", account_id), ("contact_id",), as_of):
            hour = row["occurred_minute"] // 60
            day_part = (
                "night"
                if hour < 8 or hour >= 22
                else "morning"
                if hour < 12
                else "afternoon"
                if hour < 18
                else "evening"
            )
            classes = (
                CHANNELS.index(row["channel"]),
                DIRECTIONS.index(row["direction"]),
                OUTCOMES.index(row["outcome"]) if row["outcome"] else len(OUTCOMES),
            )
            found.append(
                {
                    "day": row["occurred_on"],
                    "order": (row["occurred_at"], row["known_at"], *classes),
                    "channel": row["channel"],
                    "direction": row["direction"],
                    "outcome": row["outcome"],
                    "cost": None if row["cost"] == NO_MONEY else row["cost"],
                    "day_part": "unknown" if row["occurred_minute"] < 0 else day_part,
                    "week_part": "weekend" if date(row["occurred_on"]).isoweekday() >= 6 else "weekday",
                }
            )
        return found

    def _promises(self, account_id: str, as_of: int) -> list[dict]:
        found = []
        for row in books.in_force(books.rows_of(self.rows, "contacts", account_id), ("contact_id",), as_of):
            amount = None if row["promise_amount"] == NO_MONEY else row["promise_amount"]
            due_on = None if row["promise_due_on"] == NO_DAY else row["promise_due_on"]
            if row["outcome"] == "promise" and row["occurred_on"] < as_of:
                state, paid, late = self._promise(row, account_id, amount, due_on, as_of)
                found.append(
                    {
                        "day": row["occurred_on"],
                        "order": (row["occurred_at"], row["known_at"], row["promise_amount"], row["promise_due_on"]),
                        "amount": amount,
                        "state": state,
                        "paid": paid,
                        "days_late": late,
                        "due_in": None if due_on is None else due_on - as_of,
                    }
                )
        return found

    def _promise(self, row: dict, account_id: str, amount: int | None, due_on: int | None, as_of: int, rest: int = 0):
        """rest: what was asked for before it, all of which comes first."""
        if amount is None or due_on is None:
            return "unjudged", None, None
        place = books.account_row(self.rows, account_id, as_of)["jurisdiction"]
        due_on, last_day = last_day_that_keeps(due_on, self.terms, place)
        paid, kept_on = 0, None
        done = self.events("payments", account_id, as_of) + self.events("withheld", account_id, as_of)
        for payment in sorted(done, key=lambda payment: payment["order"]):
            if row["occurred_on"] <= payment["day"] <= last_day and payment["day"] < as_of:
                paid += payment["amount"]
                if kept_on is None and paid >= rest + Fraction(str(self.terms.promise_kept_share)) * amount:
                    kept_on = payment["day"]
        if kept_on is not None:
            return "kept", min(paid, amount), kept_on - due_on
        return ("broken" if last_day < as_of else "open"), min(paid, amount), None

    def _statuses(self, account_id: str, as_of: int) -> list[dict]:
        found = []
        for row in books.in_force(books.rows_of(self.rows, "statuses", account_id), books.STATUS_KEY, as_of):
            if row["from_on"] <= as_of:
                active = row["until_on"] == NO_DAY or row["until_on"] >= as_of
                found.append(
                    {
                        "day": min(row["from_on"], as_of - 1),
                        "order": (row["from_on"], STATUSES.index(row["status"])),
                        "status": row["status"],
                        "state": "active" if active else "ended",
                        "days_in": (as_of if active else row["until_on"]) - row["from_on"],
                    }
                )
        return found

    def _offers(self, account_id: str, as_of: int) -> list[dict]:
        found = []
        for row in books.in_force(books.rows_of(self.rows, "offers", account_id), ("offer_id",), as_of):
            if row["made_on"] < as_of:
                lapsed = row["valid_until"] != NO_DAY and row["valid_until"] < as_of
                found.append(
                    {
                        "day": row["made_on"],
                        "order": (row["made_at"], books.number_of(row["offer_id"])),
                        "kind": row["kind"],
                        "outcome": row["outcome"] or ("lapsed" if lapsed else "open"),
                        "amount": None if row["amount"] == NO_MONEY else row["amount"],
                        "discount": None if row["discount"] < 0 else Fraction(row["discount"], 10**6),
                    }
                )
        return found

    def _agreed(self, account_id: str, as_of: int) -> dict[str, list[dict]]:
        """Plan -> its instalments, as they were known, by due day."""
        plans: dict[str, list[dict]] = {}
        for row in books.in_force(books.rows_of(self.rows, "plans", account_id), ("plan_id", "due_on"), as_of):
            if row["agreed_on"] < as_of:
                plans.setdefault(row["plan_id"], []).append(row)
        return {plan: sorted(rows, key=lambda row: row["due_on"]) for plan, rows in plans.items()}

    def _ended(self, rows: list[dict], as_of: int) -> tuple[int, str] | None:
        """The day on which a plan ended, and how; None while it goes on."""
        ended = [row for row in rows if row["ended_on"] != NO_DAY and row["ended_on"] < as_of]
        if not ended:
            return None
        day = min(row["ended_on"] for row in ended)
        said = {row["how"] for row in ended if row["ended_on"] == day}
        return day, next((how for how in ("kept", "broken") if how in said), "ended")

    def _instalments(self, account_id: str, as_of: int) -> list[dict]:
        found = []
        for plan, rows in self._agreed(account_id, as_of).items():
            ended, asked = self._ended(rows, as_of), 0
            for row in rows:
                asked += row["amount"]
                if row["amount"] == 0:
                    continue
                promised = {"occurred_on": row["agreed_on"]}
                rest = asked - row["amount"]
                state, _, late = self._promise(promised, account_id, row["amount"], row["due_on"], as_of, rest)
                if ended and row["due_on"] >= ended[0]:
                    state = "unjudged"
                order = row["due_on"], books.number_of(plan)
                told = {"amount": row["amount"], "state": state, "days_late": late, "plan": plan}
                found.append({"day": row["due_on"], "order": order, **told})
        return found

    def _plans(self, account_id: str, as_of: int) -> list[dict]:
        found = []
        instalments = self.events("instalments", account_id, as_of)
        place = books.account_row(self.rows, account_id, as_of)["jurisdiction"]
        for plan, rows in self._agreed(account_id, as_of).items():
            own = sorted((each for each in instalments if each["plan"] == plan), key=lambda each: each["day"])
            ended = self._ended(rows, as_of)
            judged = [each for each in own if each["state"] in ("kept", "broken")]
            over = [each for each in judged if last_day_that_keeps(each["day"], self.terms, place)[1] < as_of]
            state, caught_up = "running", False
            if over and over[-1]["state"] == "broken":
                rest = sum(row["amount"] for row in rows if row["due_on"] < over[-1]["day"])
                done = self.events("payments", account_id, as_of) + self.events("withheld", account_id, as_of)
                paid = sum(each["amount"] for each in done if rows[0]["agreed_on"] <= each["day"] < as_of)
                caught_up = paid >= rest + Fraction(str(self.terms.promise_kept_share)) * over[-1]["amount"]
                state = "running" if caught_up else "behind"
            if not own or own[-1]["state"] == "kept" or (over and over[-1] is own[-1] and caught_up):
                state = "kept"
            state = ended[1] if ended else state
            found.append(
                {
                    "day": rows[0]["agreed_on"],
                    "order": (rows[0]["agreed_on"], books.number_of(plan)),
                    "state": state,
                    "total": rows[0]["total"],
                    "largest": max(row["amount"] for row in rows),
                }
            )
        return found

    def _placements(self, account_id: str, as_of: int) -> list[dict]:
        found = []
        for row in books.in_force(books.rows_of(self.rows, "placements", account_id), ("placement_id",), as_of):
            if row["placed_on"] <= as_of:
                active = row["recalled_on"] == NO_DAY or row["recalled_on"] >= as_of
                found.append(
                    {
                        "day": min(row["placed_on"], as_of - 1),
                        "order": (row["placed_on"], books.number_of(row["placement_id"])),
                        "route": row["route"],
                        "state": "active" if active else "ended",
                        "days_in": (as_of if active else row["recalled_on"]) - row["placed_on"],
                    }
                )
        return found

    def _rolls(self, account_id: str, as_of: int) -> list[dict]:
        found = []
        for night in self.nights(account_id, as_of):
            before, now = self.figures(account_id, night - 1)[2], self.figures(account_id, night)[2]
            found += [
                {"day": night - 1, "order": (night, edge), "to": str(edge)}
                for edge in (30, 60, 90)
                if before < edge <= now
            ]
        return found

    def _cures(self, account_id: str, as_of: int) -> list[dict]:
        found = []
        for night in self.nights(account_id, as_of):
            news = [
                row
                for row in books.rows_of(self.rows, "payments", account_id)
                if row["kind"] in ("payment", "withheld")
                and max(row["known_on"], row["occurred_on"]) == night - 1
                and books.net(row, self.rows, night) > 0
            ]
            running = dataclasses.replace(self.terms, pauses=frozenset())  # a paused count is no cure
            if news and books.figures(self.rows, account_id, night - 1, running)[2] > 0:
                left = books.figures(self.rows, account_id, night, running, charges_day=night - 1)[2]
                found += [{"day": night - 1, "order": night}] if left == 0 else []
        return found

    # Figures of the ledger, one night at a time.

    def figures(self, account_id: str, night: int) -> tuple[int, int, int]:
        if night not in self.nights(account_id, night + 1):
            return 0, 0, 0
        if (account_id, night) not in self._figures:
            self._figures[account_id, night] = books.figures(self.rows, account_id, night, self.terms)
        return self._figures[account_id, night]

    def nights(self, account_id: str, as_of: int) -> range:
        """All nights through as_of on which anything of the account can have been known."""
        if account_id not in self._first_known:
            known = [
                row["known_on"]
                for table in ("charges", "balances", "payments")
                for row in books.rows_of(self.rows, table, account_id)
            ]
            self._first_known[account_id] = min(known, default=None)
        first = self._first_known[account_id]
        return range(0) if first is None else range(first + 1, as_of + 1)

    def standing(self, entry: Feature, account_id: str, as_of: int):
        place = ("balance", "arrears", "days_past_due").index(entry.of)
        days = entry.window.days if entry.window else None
        if entry.agg is Agg.AT:
            night = as_of - (days or 0)
            known = books.account_row(self.rows, account_id, night) is not None
            return self.figures(account_id, night)[place] if known else None
        first = self.nights(account_id, as_of).start - 1 if days is None else as_of - days
        if days is None and not self.nights(account_id, as_of):
            return 0
        if entry.agg is Agg.DAYS and days is not None:
            first += 1
        figures = [self.figures(account_id, night)[place] for night in range(first, as_of + 1)]
        return max(figures) if entry.agg is Agg.MAX else sum(1 for figure in figures if figure > 0)

    # Facts of the account.

    def fact(self, name: str, account: dict, as_of: int):
        account_id = account["account_id"]
        placed_on = account["placed_on"] if account["placed_on"] != NO_DAY and account["placed_on"] < as_of else None
        opened_on = account["opened_on"] if account["opened_on"] != NO_DAY and account["opened_on"] < as_of else None
        today = date(as_of)
        if name in ("product", "portfolio", "debtor_type"):
            return account[name]
        if name in ("principal", "placed_amount"):
            return None if account[name] == NO_MONEY else account[name]
        if name in ("months_since_opened", "months_since_placed"):
            return complete_months(opened_on if name.endswith("opened") else placed_on, as_of)
        if name in ("days_since_opened", "days_since_placed"):
            since = opened_on if name.endswith("opened") else placed_on
            return None if since is None else as_of - since
        if name == "days_from_opening_to_placement":
            return None if opened_on is None or placed_on is None else placed_on - opened_on
        if name == "first_payment_default":
            return self._first_payment_default(account_id, as_of)
        if name in OF_ALL_ACCOUNTS:
            return self._of_all_accounts(name, account, as_of)
        if name in oracle_rhythm.FIGURES:
            return oracle_rhythm.figure(self, name, account, as_of)
        if name.startswith("next_due_"):
            ahead = [event["day"] for event in self.events("charges", account_id, as_of) if event["day"] >= as_of]
            if not ahead:
                return None
            due = date(min(ahead))
            left = (due.replace(day=28) + dt.timedelta(4)).replace(day=1) - dt.timedelta(1) - due
            told = {"day_of_month": due.day, "weekday": due.weekday(), "days_to_month_end": left.days}
            return told[name.removeprefix("next_due_")]
        if name == "credit_limit_use":
            limit = account.get("x_credit_limit")
            if limit is None or limit <= 0:
                return None
            return self.figures(account_id, as_of)[0] / (limit * 10 ** {"EUR": 2, "JPY": 0}[account["currency"]])
        calendar = {"month": today.month, "day_of_month": today.day, "weekday": today.weekday()}
        if name in calendar:
            return calendar[name]
        if name == "days_to_month_end":
            return next(days for days in range(31) if date(as_of + days + 1).day == 1)
        return self._following(name, account_id, opened_on, as_of)

    def _first_payment_default(self, account_id: str, as_of: int):
        billed = [
            event
            for event in self.events("charges", account_id, as_of)
            if event["kind"] in ("principal", "instalment", "invoice")
        ]
        if not billed:
            return None
        last_day = min(event["day"] for event in billed) + 30
        if any(
            event["day"] <= last_day and event["day"] < as_of for event in self.events("payments", account_id, as_of)
        ):
            return 0
        return 1 if last_day < as_of else None

    def _of_all_accounts(self, name: str, account: dict, as_of: int):
        own = [
            books.account_row(self.rows, other, as_of)
            for other in sorted({row["account_id"] for row in self.rows["accounts"]})
        ]
        own = [row for row in own if row is not None and row["debtor_id"] == account["debtor_id"]]
        if name == "debtor_accounts_ever":
            return len(own)
        if name == "debtor_days_since_first_opened":
            opened = [row["opened_on"] for row in own if row["opened_on"] != NO_DAY and row["opened_on"] < as_of]
            return as_of - min(opened) if opened else None
        if not all(self.delivered("ledger", row["portfolio"], as_of) for row in own):
            return None
        if name == "debtor_credit":
            return self._credit_of_others(own, account, as_of)
        worst = {}
        for row in own:
            past_due = [self.figures(row["account_id"], night)[2] for night in self.nights(row["account_id"], as_of)]
            worst[row["account_id"]] = max(past_due, default=0)
        if name == "debtor_days_past_due_max_ever":
            return max(worst.values())
        if name == "debtor_accounts_90_days_ever":
            return sum(1 for days in worst.values() if days >= 90)
        settled = []
        for row in own:
            balances = {
                night: self.figures(row["account_id"], night)[0] for night in self.nights(row["account_id"], as_of)
            }
            owed = [night for night, balance in balances.items() if balance > 0]
            if not owed or balances[as_of] > 0:
                continue
            if not books.settled_by_the_debtor(self.rows, row["account_id"], as_of):
                continue
            billed = [
                event["day"]
                for event in self.events("charges", row["account_id"], as_of)
                if event["kind"] in ("principal", "instalment", "invoice")
            ]
            settled.append((max(owed), max(owed) - max(billed) if billed else None, row))
        if name == "debtor_accounts_settled":
            return len(settled)
        billed_everywhere = all(self.declared("charges", row["portfolio"]) for _, _, row in settled)
        if ("late" in name or "dated" in name) and not billed_everywhere:
            return None
        late = [days for _, days, _ in settled if days is not None]
        if name == "debtor_accounts_settled_dated":
            return len(late)
        if name == "debtor_accounts_settled_late":
            return sum(1 for days in late if days > 0)
        if name == "debtor_settled_days_late_mean":
            return sum(late) / len(late) if late else None
        if name == "debtor_settled_days_late_max":
            return max(late, default=None)
        if name == "debtor_days_since_last_settled":
            return as_of - max(day for day, _, _ in settled) if settled else None
        if name == "debtor_last_settled_days_late":
            newest = max((day for day, _, _ in settled), default=None)
            return max((days for day, days, _ in settled if day == newest and days is not None), default=None)
        assert name == "debtor_largest_settled_principal"
        own_currency = [row["principal"] for _, _, row in settled if row["currency"] == account["currency"]]
        return max((amount for amount in own_currency if amount != NO_MONEY), default=None)

    def _credit_of_others(self, own: list[dict], account: dict, as_of: int):
        total, minor = Fraction(0), self.terms.decimals
        for row in own:
            credit = -min(0, self.figures(row["account_id"], as_of)[0])
            if row["account_id"] == account["account_id"] or credit == 0:
                continue
            if row["currency"] == account["currency"]:
                total += credit
            elif {row["currency"], account["currency"]} <= set(self.terms.rates):
                rate = [Fraction(str(self.terms.rates[each["currency"]])) for each in (row, account)]
                scale = [Fraction(10) ** minor[each["currency"]] for each in (row, account)]
                total += credit * rate[0] / scale[0] / rate[1] * scale[1]
            else:
                return None
        return round(total)

    def _following(self, name: str, account_id: str, opened_on: int | None, as_of: int):
        attempts = [
            event["day"]
            for event in self.events("contacts", account_id, as_of)
            if event["direction"] == "outbound" and event["day"] < as_of
        ]
        payments = [event["day"] for event in self.events("payments", account_id, as_of) if event["day"] < as_of]
        if name == "attempts_since_last_payment":
            return sum(1 for day in attempts if not payments or day > max(payments))
        if name == "payments_after_contact_180d":
            return sum(
                1 for day in payments if day >= as_of - 180 and any(0 <= day - attempt <= 7 for attempt in attempts)
            )
        span = range(max(as_of - 180, opened_on if opened_on is not None else 0), as_of)
        after = sum(1 for day in span if any(0 <= day - attempt <= 7 for attempt in attempts))
        return after if name == "days_after_contact_180d" else len(span) - after

    # The debtor.

    def over_debtor(self, entry: Debtor, account: dict, as_of: int):
        own, books_of_own = [], set()
        for account_id, night in self.cohort:
            other = books.account_row(self.rows, account_id, as_of)
            if night == as_of and other["debtor_id"] == account["debtor_id"]:
                books_of_own.add(other["portfolio"])
                own.append((other["currency"], None if entry.of is None else self.value(entry.of, account_id, as_of)))
        if entry.agg is Agg.COUNT:
            return len(own)
        currencies = {currency for currency, _ in own}
        is_money = entry.unit == "money" and len(currencies) > 1
        if entry.agg in (Agg.MAX, Agg.MIN):
            if not all(
                self.delivered(table, book, as_of) for book in books_of_own for table in self.tables_behind(entry.of)
            ):
                return None
            given = [value for _, value in own if value is not None]
            return None if not given or is_money else (max if entry.agg is Agg.MAX else min)(given)
        if any(value is None for _, value in own):
            return None
        if not is_money:
            return sum(value for _, value in own)
        if not currencies <= set(self.terms.rates):
            return None
        total = Decimal(0)
        for currency, value in own:
            total += Decimal(int(value)) * Decimal(str(self.terms.rates[currency])).scaleb(
                -self.terms.decimals[currency]
            )
        exact = Fraction(total) / Fraction(
            Decimal(str(self.terms.rates[account["currency"]])).scaleb(-self.terms.decimals[account["currency"]])
        )
        return int((Decimal(exact.numerator) / Decimal(exact.denominator)).to_integral_value(ROUND_HALF_EVEN))

    def tables_behind(self, name: str) -> set[str]:
        """The tables that a column, or any column it derives from, cannot do without."""
        entry = self.catalogue[name]
        found = set(entry.needs) if isinstance(entry, Feature | Noun) else set()
        return found.union(*(self.tables_behind(part) for part in entry.parts))


def differences(
    matrix: pd.DataFrame,
    world,
    pairs: list[tuple[str, int]],
    terms: Terms,
    catalogue,
    complete: dict | None = None,
) -> list[str]:
    """Every cell that is not the judge's, in words."""
    judge = Judge(world.rows, pairs, terms, catalogue, complete)
    found = []
    for name in matrix.columns:
        for (account_id, night), value in zip(pairs, matrix[name], strict=True):
            expected = judge.value(name, account_id, night)
            if expected is None or isinstance(expected, str) or pd.isna(value):
                same = pd.isna(value) if expected is None else value == expected
            else:
                same = math.isclose(value, expected, rel_tol=1e-9, abs_tol=1e-9)
            if not same:
                found.append(f"{name} of {account_id} on {date(night)}: {value!r}, not {expected!r}")
    return found


def last_day_that_keeps(due_on: int, terms: Terms, place: str | None) -> tuple[int, int]:
    """The day on which a promise is due, and the last on which money still keeps it; day by day."""
    in_bank_days = terms.promise_grace_unit == "bank_days"
    closed = set(terms.holidays.get(place, ()))

    def is_open(day: int) -> bool:
        return not in_bank_days or (date(day).isoweekday() <= 5 and day not in closed)

    while not is_open(due_on):
        due_on += 1
    last_day, left = due_on, terms.promise_grace_days
    while left:
        last_day += 1
        left -= is_open(last_day)
    return due_on, last_day


def aggregate(entry: Feature, events: list[dict], as_of: int):
    """The declared aggregate of events given oldest first."""
    ahead = entry.event == "upcoming_charges"
    days = entry.window.days if entry.window else math.inf
    if ahead:
        inside = [event for event in events if as_of <= event["day"] < as_of + days]
    else:
        inside = [event for event in events if as_of - days <= event["day"] < as_of]
    counted = [event for event in inside if passes(event, entry.where)]
    if entry.agg is Agg.STREAK:
        streak = 0
        for event in reversed(inside):
            if passes(event, entry.until):
                break
            streak += passes(event, entry.where)
        return streak if streak else _given(entry.empty)
    if not counted:
        return _given(entry.empty)
    dates = [event["day"] for event in counted]
    if entry.agg is Agg.COUNT:
        return len(counted)
    if entry.agg is Agg.ANY:
        return 1
    if entry.agg is Agg.MONTHS:
        return len({(date(day).year, date(day).month) for day in dates})
    if entry.agg is Agg.DAYS_SINCE_LAST:
        return min(abs(as_of - day) for day in dates)
    if entry.agg is Agg.DAYS_SINCE_FIRST:
        return max(abs(as_of - day) for day in dates)
    if entry.agg in (Agg.GAP_MEAN, Agg.GAP_STD):
        values = [later - earlier for earlier, later in zip(dates, dates[1:], strict=False)]
    else:
        values = [event[entry.measure] for event in counted if event[entry.measure] is not None]
        values = values[::-1] if ahead else values
    if entry.agg is Agg.SUM:
        return sum(values)
    if entry.agg in (Agg.STD, Agg.GAP_STD):
        return statistics.stdev(values) if len(values) > 1 else _given(entry.empty)
    if not values:
        return _given(entry.empty)
    if entry.agg in (Agg.MEAN, Agg.GAP_MEAN):
        return float(Fraction(sum(values), len(values)))
    return {Agg.MAX: max, Agg.MIN: min, Agg.LAST: lambda given: given[-1]}[entry.agg](values)


def passes(event: dict, clause) -> bool:
    return clause is None or all(event[column] in values for column, values in clause.columns)


def complete_months(since: int | None, until: int) -> int | None:
    """Counted one by one."""
    if since is None:
        return None
    first, last = date(since), date(until)
    months = 0
    while True:
        year, month = first.year + (first.month + months) // 12, (first.month + months) % 12 + 1
        if (last.year, last.month, last.day) < (year, month, first.day):
            return months
        months += 1


def date(day: int) -> dt.date:
    return EPOCH + dt.timedelta(days=int(day))


def _given(value):
    return None if value is None or (isinstance(value, float) and math.isnan(value)) else value
