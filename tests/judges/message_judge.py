"""The independent slow judge of messages: loops over plain rows, one message at a time.

It shares nothing with the planner: the law is asked of the judge of contacts, spacing and quiet are counted here.
"""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from features.tables import NO_DAY, NO_MINUTE, NO_MONEY
from tests.judges.contact_judge import EPOCH, ZONES, Judge
from tests.worlds.worlds import World

MESSAGES = {"sms", "email", "letter", "portal", "chat", "social"}
ANSWERED = {"right_party", "promise", "refusal", "dispute", "complaint", "paid"}
NOBODY_HEARD = {"not_connected", "busy"}


def breaches(
    world: World,
    rules: dict,
    params,
    as_of: int,
    messages: list[dict],
    scorable: set[str],
    overdue: dict[str, int],
    listed: set[str] = frozenset(),
    held: set[str] = frozenset(),
    earlier: list[dict] = (),
    texts: dict | None = None,
) -> list[str]:
    """Every law, spacing or hold that a published message breaks. Empty: nothing is wrong.

    messages: rows as published. listed, held: debtors on the call list, and held out. earlier: account_id, channel and
    as_of of the messages of former nights, which were sent though the contact log lacks them. texts: the message file
    as plain YAML, to hold what is said against the words that rules want; without it nothing is read.
    """
    judge, found, seen = Judge(world, rules, params, as_of, scorable, overdue), [], set()
    judge.contacts = judge.contacts + [sent for each in earlier if (sent := _unlogged(judge, each)) is not None]
    for row in messages:
        who = row["debtor_id"]
        wrong = _of_one(judge, world, params.reminders, as_of, row)
        wrong += ["on the call list"] if who in listed else []
        wrong += ["held out"] if who in held else []
        wrong += ["a second message today"] if who in seen else []
        wrong += [] if texts is None else _unsaid(judge, rules, params, row, texts)
        seen.add(who)
        found += [f"{row['account_id']} {row['channel']}: {what}" for what in wrong]
    return found


def _of_one(judge: Judge, world: World, terms, as_of: int, row: dict) -> list[str]:
    verdict = {
        "channel": row["channel"],
        "from_minute": _minute(row["send_from"]),
        "until_minute": _minute(row["send_until"]),
        "contacts_left": 1,
    }
    found = judge.wrong(row["account_id"], verdict)
    family = [name for name, each in judge.accounts.items() if each["debtor_id"] == row["debtor_id"]]
    ours = [
        each
        for each in judge.contacts
        if each["account_id"] in family and each["direction"] != "inbound" and each["outcome"] not in NOBODY_HEARD
    ]
    last = max((each["occurred_on"] for each in ours), default=-(10**9))
    if as_of - last < terms.spacing_days:
        found.append("too soon after a contact")
    recent = {each["contact_id"] for each in ours if each["channel"] in MESSAGES and each["occurred_on"] >= as_of - 30}
    if len(recent) >= terms.most_in_30_days:
        found.append("too many in 30 days")
    heard = [
        each["occurred_on"]
        for each in judge.contacts
        if each["account_id"] in family and (each["direction"] == "inbound" or each["outcome"] in ANSWERED)
    ]
    paid = [
        each["occurred_on"]
        for each in world.rows.get("payments", [])
        if each["account_id"] in family and each["kind"] == "payment" and each["known_on"] < as_of
    ]
    if as_of - max(heard, default=-(10**9)) < terms.quiet_days:
        found.append("the debtor answered lately")
    if as_of - max(paid, default=-(10**9)) < terms.quiet_days:
        found.append("the debtor paid lately")
    found += _engaged(judge, family, as_of)
    step = next(each for each in terms.steps if each.name == row["step"])
    late = judge.overdue.get(row["account_id"])
    if late is None:
        found.append("nothing is overdue or falls due soon")
    elif step.day is not None and not step.day <= late < step.day + step.open_days:
        found.append("the step is not open")
    elif step.day is not None and step.day <= 0 < late:
        found.append("the due day is past")
    return found


def _unsaid(judge: Judge, rules: dict, params, row: dict, texts: dict) -> list[str]:
    """Phrases that a rule of the account's places wants of our role, and the text that goes out lacks."""
    account, role = judge.accounts[row["account_id"]], params.portfolio(row["portfolio"]).role
    said = texts["messages"][row["message"]]["texts"][row["variant"]][row["channel"]][row["language"]]
    whole = " ".join((said if isinstance(said, str) else f"{said['subject']} {said['body']}").lower().split())
    found = []
    for place in judge._below(judge._chain(account["jurisdiction"])):
        for rule in rules["places"][place]["rules"]:
            wanted = rule.get("wording")
            if not wanted or row["channel"] not in wanted["channels"] or not judge._binds(rule, role, account):
                continue
            words = wanted["words"].get(row["language"], wanted["words"].get("any"))
            found += [f"{rule['id']} is not said"] if words is None else []
            found += [f"does not say {each!r}" for each in words or () if each.lower() not in whole]
    return found


def _unlogged(judge: Judge, message: dict) -> dict | None:
    """A published message as a contact; None where the log shows it: to the debtor, by the channel, on his day."""
    owner = judge.accounts[message["account_id"]]
    for each in judge.contacts:
        account = judge.accounts[each["account_id"]]
        if each["direction"] == "inbound" or each["channel"] != message["channel"]:
            continue
        day, zone = each["occurred_on"], owner["time_zone"]
        if each["occurred_minute"] != NO_MINUTE and zone in ZONES:
            day = (dt.datetime.fromtimestamp(each["occurred_at"] / 1e6, ZoneInfo(zone)).date() - EPOCH).days
        if account["debtor_id"] == owner["debtor_id"] and day == message["as_of"]:
            return None
    return {
        "account_id": message["account_id"],
        "channel": message["channel"],
        "direction": "outbound",
        "contact_id": f"{message['account_id']} {message['as_of']}",
        "outcome": "delivered",
        "occurred_on": message["as_of"],
        "occurred_at": message["as_of"] * 86_400_000_000,
        "occurred_minute": 0,
        "promise_amount": NO_MONEY,
        "promise_due_on": NO_DAY,
        "person_id": None,
        "endpoint_id": None,
    }


def _engaged(judge: Judge, family: list[str], as_of: int) -> list[str]:
    found = (
        ["a plan stands"] if any(r["status"] == "plan" and r["account_id"] in family for r in judge.statuses) else []
    )
    for each in judge.contacts:
        if each["account_id"] in family and each["outcome"] == "promise" and judge._is_open(each):
            found.append("a promise stands")
    agreed = [row for row in judge.lasting if row["status"] == "callback" and row["account_id"] in family]
    if any(_day_of(row, as_of) >= as_of for row in agreed):
        found.append("a time is agreed")
    return found


def _day_of(callback: dict, as_of: int) -> int:
    return max(callback["from_on"], as_of)


def _minute(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:])
