"""The independent slow judge of eligibility: reads the rule file as plain YAML, loops over plain rows,
minute by minute.

It shares nothing with the engine but the contract: no schema, no arrays, its own holidays, its own clocks.
"""

from __future__ import annotations

import datetime as dt
from fractions import Fraction
from zoneinfo import ZoneInfo, available_timezones

from dateutil.easter import easter

from features.tables import NO_DAY, NO_MINUTE, NO_MONEY
from tests.judges import oracle_ledger as books
from tests.judges.oracle_ledger import person
from tests.worlds.worlds import World

EPOCH = dt.date(1970, 1, 1)
ZONES = available_timezones()  # read from the disk once
CALLS = ("call", "autodial", "voicemail")
EVERY = ("call", "autodial", "voicemail", "sms", "email", "letter", "visit", "chat", "portal", "social")
WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SPOKEN = {"right_party", "promise", "refusal", "dispute", "complaint", "paid", None}
NOT_COUNTED = {
    "attempts": {"not_connected", "busy"},
    "dials": set(),
    "contacts_made": {"not_connected", "busy", "no_answer", "bounced"},
}


def breaches(
    world: World, rules: dict, params, as_of: int, verdicts, scorable: set[str], overdue: dict[str, int] | None = None
) -> list[str]:
    """Every law, stop, cap, wait or hold that a permitted row of the verdicts breaks. Empty: nothing is wrong."""
    judge = Judge(world, rules, params, as_of, scorable, overdue or {})
    ids = {row["account_no"]: row["account_id"] for row in world.rows["accounts"]}
    found = []
    for row in verdicts.channels.to_dict("records"):
        if row["verdict"] == "permitted":
            found += [
                f"{ids[row['account_no']]} {row['channel']}: {what}"
                for what in judge.wrong(ids[row["account_no"]], row)
            ]
    return found


class Judge:
    def __init__(self, world: World, rules: dict, params, as_of: int, scorable: set[str], overdue: dict[str, int]):
        self.world, self.rules, self.params, self.as_of, self.overdue = world, rules, params, as_of, overdue
        self.scorable = scorable
        self.accounts = {
            row["account_id"]: {**row, "debtor_id": person(world.rows, row["debtor_id"], as_of)}
            for row in world.rows["accounts"]
        }
        self.contacts = newest(world.rows.get("contacts", []), ("contact_id", "account_id"), as_of)
        statuses = newest(world.rows.get("statuses", []), ("account_id", "status", "from_on", "charge_id"), as_of)
        self.lasting = [row for row in statuses if row["until_on"] == NO_DAY or row["until_on"] >= as_of]
        begun = [row for row in self.lasting if row["from_on"] <= as_of]
        aside = [row for row in begun if row["status"] == "dispute" and row["charge_id"] is not None]
        self.statuses = [row for row in begun if row not in aside or self._holds_the_account(row, aside)]

    def wrong(self, account_id: str, verdict: dict) -> list[str]:
        account = self.accounts[account_id]
        portfolio = self.params.portfolio(account["portfolio"])
        family = [row for row in self.accounts.values() if row["debtor_id"] == account["debtor_id"]]
        shown = [row for row in family if row["account_id"] in self.scorable]
        channel = verdict["channel"]
        found = [] if verdict["contacts_left"] >= 1 else ["no contact is left"]
        if account["time_zone"] not in ZONES:
            found.append("the zone is not known")
        if account["jurisdiction"] is None or account["debtor_type"] not in ("consumer", "commercial"):
            return [*found, "the place or the kind of debtor is not known"]
        places, chains = [], []
        for code in sorted({row["jurisdiction"] for row in shown if row["jurisdiction"]}):
            chain = self._chain(code)
            if chain is None:
                return [*found, f"the place {code} is not known"]
            found += [
                f"{place} is not signed off" for place in chain if place not in self.params.eligibility.signed_off
            ]
            places += [place for place in self._below(chain) if place not in places]
            chains += [chain, *(self._chain(place) for place in self._below(chain) if place not in chain)]
        for table in ("contacts", "statuses"):
            for row in family:
                own = self.params.portfolio(row["portfolio"])
                if table not in own.delivers or table not in self.world.rows or own.contact_precision == "month":
                    found.append(f"the {table} of a portfolio of the debtor are not known")
        law = [
            rule
            for place in places
            for rule in self.rules["places"][place]["rules"]
            if self._binds(rule, portfolio.role, account)
        ]
        ours = [rule for rule in self.rules["product"] if self._binds(rule, portfolio.role, account)]
        agreed = self._appointment(account, family, verdict) if channel == "call" else None
        if agreed == "missed":
            found.append("an appointment is not kept")
        found += self._stops(account, family, channel, law, ours, chains)
        found += self._holds(account, family)
        found += self._conditions(account, channel, law + ours)
        for kind, broken in (("cap", self._cap), ("wait", self._wait)):
            for rule in _law_and_ours(kind, channel, law, ours, chains):
                exempt = (
                    rule.get("requested_exempt_days")
                    and isinstance(agreed, int)
                    and agreed >= self.as_of - rule["requested_exempt_days"]
                )
                if not exempt and broken(rule, account, family, verdict):
                    found.append(rule["id"])
        zones = list(
            dict.fromkeys(
                [
                    account["time_zone"],
                    *(row["time_zone"] for row in shown if row["time_zone"] in ZONES),
                ]
            )
        )
        zones += [zone for zone in self._clocks(account) if zone not in zones]
        for rule in _law_and_ours("hours", channel, law, ours, chains):
            if self._outside(rule, zones, places, verdict):
                found.append(rule["id"])
        return found

    # --- places -------------------------------------------------------------------------------------------------------

    def _chain(self, code: str) -> list[str] | None:
        known = self.rules["places"]
        country = code.split("-")[0]
        if code not in known:
            if country not in known or known[country].get("subdivisions") != "uniform" or "-" not in code:
                return None
            code = country
        if known[code].get("subdivisions") == "required" or known[code].get("overlay_on"):
            return None
        chain = [code]
        while "/" in chain[-1] or "-" in chain[-1]:
            chain.append(chain[-1].split("/")[0] if "/" in chain[-1] else chain[-1].split("-")[0])
        return chain + [name for name, place in known.items() if country in place.get("overlay_on", [])]

    def _below(self, chain: list[str]) -> list[str]:
        if self.rules["places"][chain[0]].get("subdivisions") == "union":
            return chain + [name for name in self.rules["places"] if name.startswith(chain[0] + "-")]
        return chain

    def _clocks(self, account: dict) -> list[str]:
        """The clocks of the place, where none of them reads like the account's at noon of the day."""
        place = next(code for code in self._chain(account["jurisdiction"]) if self.rules["places"][code].get("zones"))
        noon = dt.datetime.combine(EPOCH + dt.timedelta(days=self.as_of), dt.time(12))
        own = noon.replace(tzinfo=ZoneInfo(account["time_zone"])).timestamp()
        zones = self.rules["places"][place]["zones"]
        return [] if any(noon.replace(tzinfo=ZoneInfo(zone)).timestamp() == own for zone in zones) else zones

    def _binds(self, rule: dict, role: str, account: dict) -> bool:
        today = (EPOCH + dt.timedelta(days=self.as_of)).isoformat()
        in_effect = rule.get("effective_from", "0000") <= today <= rule.get("effective_to", "9999")
        return (
            rule.get("enforce", "hard") == "hard"
            and role in rule["roles"]
            and account["debtor_type"] in rule["binds"]
            and in_effect
        )

    # --- statuses -----------------------------------------------------------------------------------------------------

    def _has(self, status: str, accounts: list[dict]) -> list[dict]:
        ids = {row["account_id"] for row in accounts}
        return [row for row in self.statuses if row["status"] == status and row["account_id"] in ids]

    def _holds_the_account(self, dispute: dict, aside: list[dict]) -> bool:
        """Whether a dispute of one charge stops its account: nobody knows the charge, or nothing else is overdue."""
        account_id = dispute["account_id"]
        overdue = books.overdue_charges(self.world.rows, account_id, self.as_of)
        named = {row["charge_id"] for row in aside if row["account_id"] == account_id}
        late = {charge for charge, unpaid in overdue.items() if unpaid > 0}
        return not named <= overdue.keys() or (bool(late) and late <= named)

    def _stops(
        self,
        account: dict,
        family: list[dict],
        channel: str,
        law: list[dict],
        ours: list[dict],
        chains: list[list[str]],
    ) -> list[str]:
        found = []
        for rule in law + ours:
            if rule["kind"] == "stop" and channel in _channels(rule):
                where = [account] if rule["per"] == "account" else family
                names = [] if rule["statuses"] == "always" else rule["statuses"]
                hit = rule["statuses"] == "always" or any(
                    self._has(name, where) for name in names if name != "inconvenient"
                )
                unclear = "inconvenient" in names and any(
                    ":" not in (row["detail"] or "") for row in self._has("inconvenient", where)
                )
                found += [rule["id"]] if hit or unclear else []
        for rule in _law_and_ours("time_barred", None, law, ours, chains):
            if not rule["contact_once_barred"]:
                found += [rule["id"]] if self._has("prescribed", [account]) else []
                if rule["effect"] == "extinguished" and self._gone(account, rule["years"]):
                    found.append(rule["id"] + " by age")
        out = "opt_out_call" if channel in CALLS else f"opt_out_{channel}"
        if self._has(out, family):
            found.append(out)
        ids = {row["account_id"] for row in family}
        left = [
            row["occurred_on"]
            for row in self.contacts
            if row["account_id"] in ids
            and row["outcome"] == "unsubscribed"
            and (row["channel"] in CALLS if channel in CALLS else row["channel"] == channel)
        ]
        consent = "consent_call" if channel in CALLS else f"consent_{channel}"
        again = [row["from_on"] for row in self._has(consent, family)]
        if left and max(left) >= max(again, default=-(10**9)):
            found.append("unsubscribed")
        return found

    def _gone(self, account: dict, years: int) -> bool:
        days = int(years * 365.25)
        paid = [
            row["occurred_on"]
            for row in self.world.rows.get("payments", [])
            if row["account_id"] == account["account_id"] and row["kind"] == "payment" and row["known_on"] < self.as_of
        ]
        return self.overdue.get(account["account_id"], 0) >= days and all(self.as_of - day >= days for day in paid)

    def _conditions(self, account: dict, channel: str, rules: list[dict]) -> list[str]:
        found = []
        for rule in rules:
            if rule["kind"] != "precondition" or channel not in _channels(rule):
                continue
            consent = "consent_call" if channel in CALLS else f"consent_{channel}"
            if "consent" in rule["needs"] and not self._has(consent, [account]):
                found.append(rule["id"])
            notices = [row["from_on"] for row in self._has("notice_sent", [account])]
            if "notice_sent" in rule["needs"] and not any(
                day + rule.get("notice_days", 0) <= self.as_of for day in notices
            ):
                found.append(rule["id"])
        return found

    def _holds(self, account: dict, family: list[dict]) -> list[str]:
        found = ["plan"] if self._has("plan", [account]) else []
        for row in self.contacts:
            if row["account_id"] == account["account_id"] and row["outcome"] == "promise" and self._is_open(row):
                found.append("promise")
        ids = {row["account_id"] for row in family}
        later = [
            row
            for row in self.lasting
            if row["status"] == "callback" and row["account_id"] in ids and row["from_on"] > self.as_of
        ]
        if later and not self._has("callback", family):
            found.append("appointment of a later day")
        return found

    def _is_bank_day(self, day: int, place: str | None) -> bool:
        """By the holidays of the country, or of the place where the country has none; any day where days are meant."""
        if self.params.promise.grace_unit == "days":
            return True
        date = dt.date(1970, 1, 1) + dt.timedelta(days=int(day))
        names: list[str] = []
        for code in (place or "").split("-")[0].split("/")[0], place:
            names = names or self.rules["places"].get(code, {}).get("holidays") or []
        closed = any(is_holiday(self.rules["holidays"][name]["days"], date) for name in names)
        return date.isoweekday() <= 5 and not closed

    def _is_open(self, promise: dict) -> bool:
        terms = self.params.promise
        if promise["promise_amount"] == NO_MONEY or promise["promise_due_on"] == NO_DAY:
            return False
        due_on, left = promise["promise_due_on"], terms.grace_days
        place = self.accounts[promise["account_id"]]["jurisdiction"]
        while not self._is_bank_day(due_on, place):
            due_on += 1
        while left:
            due_on += 1
            left -= self._is_bank_day(due_on, place)
        if due_on < self.as_of:
            return False
        paid = 0
        for row in self.world.rows.get("payments", []):
            own = (
                row["account_id"] == promise["account_id"]
                and row["kind"] in ("payment", "withheld")
                and row["known_on"] < self.as_of
            )
            if own and row["occurred_on"] >= promise["occurred_on"]:
                back = sum(
                    other["amount"]
                    for other in self.world.rows["payments"]
                    if other["kind"] == "reversal"
                    and other["reverses"] == row["payment_id"]
                    and other["known_on"] < self.as_of
                )
                paid += max(row["amount"] - back, 0)
        return paid < Fraction(str(terms.kept_share)) * promise["promise_amount"]

    def _appointment(self, account: dict, family: list[dict], verdict: dict) -> int | str | None:
        """The day on which the appointment kept by this row was agreed; "missed" where the row is another time;
        None without one.
        """
        today = []
        for row in self._has("callback", family):
            text = row["detail"] or ""
            if len(text) > 5 and text[:10] != (EPOCH + dt.timedelta(days=self.as_of)).isoformat():
                continue
            today.append((text[-5:], row["known_on"]))
        if not today:
            return None
        for text, known in sorted(today):
            if ":" not in text:
                return known
            hour, minute = (int(part) for part in text.split(":"))
            if verdict["from_minute"] == hour * 60 + minute and verdict["until_minute"] <= verdict["from_minute"] + 15:
                return known
        return "missed"

    # --- caps and waits -----------------------------------------------------------------------------------------------

    def _days(self, contact: dict, account: dict) -> set[int]:
        """Every local day the contact may have: on the portfolio's clock, on the debtor's,
        at either end of a day-precise day.
        """
        ends = [contact["occurred_at"]] + (
            [contact["occurred_at"] + 86_400_000_000 - 1] if contact["occurred_minute"] == NO_MINUTE else []
        )
        days = {contact["occurred_on"]}
        for at in ends:
            local = dt.datetime.fromtimestamp(at / 1e6, ZoneInfo(account["time_zone"]))
            days.add((local.date() - EPOCH).days)
        return days

    def _cap(self, rule: dict, account: dict, family: list[dict], verdict: dict) -> bool:
        ids = {account["account_id"]} if rule["per"] == "account" else {row["account_id"] for row in family}
        groups: dict[object, set[str]] = {}
        for row in self.contacts:
            if row["account_id"] not in ids or row["channel"] not in _channels(rule) or not self._counts(rule, row):
                continue
            if not any(self._inside(rule, day) for day in self._days(row, account)):
                continue
            who = row[f"{rule['per']}_id"] if rule["per"] in ("person", "endpoint") else None
            groups.setdefault(who, set()).add(row["contact_id"])
        nobody = groups.pop(None, set())
        most = max((len(group) for group in groups.values()), default=0) + len(nobody)
        return most + verdict["contacts_left"] > rule["max"]

    def _counts(self, rule: dict, row: dict) -> bool:
        if rule["counts"] == "conversations":
            return row["outcome"] in SPOKEN
        return row["direction"] == "outbound" and row["outcome"] not in NOT_COUNTED[rule["counts"]]

    def _inside(self, rule: dict, day: int) -> bool:
        if rule["window"] == "calendar_month":
            first, second = (EPOCH + dt.timedelta(days=number) for number in (day, self.as_of))
            return (first.year, first.month) == (second.year, second.month)
        return day > self.as_of - rule["window"]["days"]

    def _wait(self, rule: dict, account: dict, family: list[dict], verdict: dict) -> bool:
        ids = {account["account_id"]} if rule["per"] == "account" else {row["account_id"] for row in family}
        for row in self.contacts:
            if row["account_id"] not in ids or not self._met(rule, row):
                continue
            if any(self.as_of < day + rule["days"] for day in self._days(row, account)):
                return True
        return False

    def _met(self, rule: dict, row: dict) -> bool:
        if row["channel"] in ("call", "autodial"):
            return row["outcome"] in SPOKEN
        answered = row["outcome"] in (SPOKEN - {None}) | {"unsubscribed"} or row["direction"] == "inbound"
        return rule.get("after", "conversation") == "exchange" and answered

    # --- hours --------------------------------------------------------------------------------------------------------

    def _outside(self, rule: dict, zones: list[str], places: list[str], verdict: dict) -> bool:
        margin = self.params.eligibility.margin_minutes
        first, last = verdict["from_minute"], verdict["until_minute"]
        day = EPOCH + dt.timedelta(days=self.as_of)
        for minute in {first, (first + last) // 2, last - 1}:
            local = dt.datetime.combine(day, dt.time(minute // 60, minute % 60), ZoneInfo(zones[0]))
            for fold in (0, 1):
                at = local.replace(fold=fold).timestamp()
                for zone in dict.fromkeys([*zones, *([] if rule["clock"] == "debtor" else [rule["clock"]])]):
                    there = dt.datetime.fromtimestamp(at, ZoneInfo(zone))
                    if not self._open(rule, there, places, margin):
                        return True
        return False

    def _open(self, rule: dict, there: dt.datetime, places: list[str], margin: int) -> bool:
        if rule["holidays"] == "unknown":
            return False
        names = rule["holidays"] if isinstance(rule["holidays"], list) else []
        if rule["holidays"] == "place":
            names = [name for place in places for name in self._lists(place)]
        if any(is_holiday(self.rules["holidays"][name]["days"], there.date()) for name in names):
            return False
        if any(str(there.date()) > str(self.rules["holidays"][name].get("known_through", "9999")) for name in names):
            return False
        minute = there.hour * 60 + there.minute
        for days, windows in rule["windows"].items():
            if there.weekday() in _weekdays(days):
                for text in windows:
                    begins, ends = (int(part[:2]) * 60 + int(part[3:]) for part in text.split("-"))
                    if begins <= minute < (ends - margin if ends < 1440 else ends):
                        return True
        return False

    def _lists(self, place: str) -> list[str]:
        own = self.rules["places"][place].get("holidays")
        if own is not None:
            return own
        if "/" in place or "-" in place:
            return self._lists(place.split("/")[0] if "/" in place else place.split("-")[0])
        return []


def newest(rows: list[dict], key: tuple[str, ...], as_of: int) -> list[dict]:
    last: dict[tuple, dict] = {}
    for row in sorted(rows, key=lambda row: row["known_at"]):
        if row["known_on"] < as_of:
            last[tuple(row[name] for name in key)] = row
    return list(last.values())


def _law_and_ours(
    kind: str, channel: str | None, law: list[dict], ours: list[dict], chains: list[list[str]]
) -> list[dict]:
    """Rules of a kind that bind a channel; ours are left out only where in each chain somebody read such a law."""
    law, ours = (
        [rule for rule in rules if rule["kind"] == kind and (channel is None or channel in _channels(rule))]
        for rules in (law, ours)
    )
    read = {rule["id"].split(".")[0] for rule in law if rule["verified"]}
    return law if all(read & set(chain) for chain in chains) else law + ours


def _channels(rule: dict) -> tuple[str, ...]:
    names = rule["channels"]
    return EVERY if "any" in names else tuple(names) + (CALLS if "call" in names else ())


def _weekdays(text: str) -> range:
    if text == "daily":
        return range(7)
    ends = text.split("-")
    return range(WEEK.index(ends[0]), WEEK.index(ends[-1]) + 1)


def is_holiday(entries: list[dict], day: dt.date) -> bool:
    """A slow reading of a holiday list: every day of three years, marked one by one."""
    return day in holidays(entries, day.year - 1, day.year + 1)


def holidays(entries: list[dict], first_year: int, last_year: int) -> set[dt.date]:
    """The holidays of these years, and the days on which they are observed."""
    return set().union(*(_kept_year(entries, year) for year in range(first_year, last_year + 1)))


def _kept_year(entries: list[dict], year: int) -> set[dt.date]:
    key = (str(entries), year)
    if key not in _YEARS:
        _YEARS[key] = _year(entries, year)
    return _YEARS[key]


_YEARS: dict[tuple[str, int], set[dt.date]] = {}


def _year(entries: list[dict], year: int) -> set[dt.date]:
    one = dt.timedelta(days=1)
    marked: dict[dt.date, str | None] = {}
    for entry in entries:
        if year < entry.get("from_year", 0):
            continue
        if "date" in entry:
            marked[dt.date.fromisoformat(str(entry["date"]))] = None
        elif "easter" in entry:
            marked[easter(year) + entry["easter"] * one] = None
        elif "nth" in entry:
            month = [dt.date(year, entry["month"], 1) + number * one for number in range(31)]
            days = [day for day in month if day.month == entry["month"] and WEEK[day.weekday()] == entry["weekday"]]
            marked[days[entry["nth"] - (entry["nth"] > 0)]] = None
        else:
            day = dt.date(year, entry["month"], entry["day"])
            while "weekday_on_or_before" in entry and WEEK[day.weekday()] != entry["weekday_on_or_before"]:
                day -= one
            marked.setdefault(day, None)
            marked[day] = entry.get("observed")
    taken = set(marked)
    for day, how in marked.items():
        moved = day
        if how == "nearest_weekday" and day.weekday() > 4:
            moved = day - one if day.weekday() == 5 else day + one
        if how == "monday_if_sunday" and day.weekday() == 6:
            moved = day + one
        while how == "next_free_day_if_sunday" and day.weekday() == 6 and moved in taken:
            moved += one
        while how == "next_weekday" and day.weekday() > 4 and (moved in taken or moved.weekday() > 4):
            moved += one
        taken.add(moved)
    return taken
