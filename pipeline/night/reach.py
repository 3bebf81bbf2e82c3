"""Whom messages may reach tonight: every account of a shard with what the law says of each channel, and what has been
said to and heard from its debtor lately.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from features.build import build
from features.cohort import watched
from features.days import DAY_US
from features.ledger import Ledger, worst_days_past_due
from features.settlements import CASH
from features.spec import Noun
from features.tables import ANSWERS, NO_DAY, NO_MINUTE, NO_MONEY, NOT_ATTEMPTS, account_number
from features.terms import WatchTerms
from features.versions import arranged
from pipeline.law.disputes import disputed_arrears
from pipeline.law.eligibility import rulings
from pipeline.law.hours import day_on_clock
from pipeline.law.question import Case, KnownAccounts, Sight
from pipeline.messages.texts import MESSAGE_CHANNELS
from pipeline.night.feeds import case_of
from pipeline.night.former_offers import at_rest
from pipeline.night.held_back import CREDIT
from pipeline.panel.view import View, quiet_through, terms_of
from pipeline.params import Reminders, known_zones
from pipeline.store.store import Store

if TYPE_CHECKING:
    from pipeline.night.score import Job

DAYS_BACK = 60  # contacts older than these, and than `spacing_days`, hold no message back
COUNTED_DAYS, PAST_DAYS = 30, 365  # in which messages are counted; in which somebody was late
OF_ACCOUNT = (
    *("account_no", "account_id", "debtor_id", "portfolio", "debtor_type", "jurisdiction", "time_zone"),
    *(
        "language",
        "offset",
        "paused",
        "worst",
        "engaged",
        "last_contact",
        "last_message",
        "messages",
        "last_paid",
        "last_answer",
    ),
)
OF_CHANNEL = ("channel", "verdict", "rule", "from_minute", "until_minute", "contacts_left")
WHOLE = ("offset", "paused", "worst", "last_contact", "last_message", "messages", "last_paid", "last_answer")
REACH_COLUMNS = OF_ACCOUNT + OF_CHANNEL


def nobody() -> pd.DataFrame:
    """REACH_COLUMNS without a row: what a night without reminders has."""
    kinds = {"account_no": "int64", "engaged": "bool", **dict.fromkeys(WHOLE, "int32")}
    kinds |= dict.fromkeys(("from_minute", "until_minute", "contacts_left"), "int16")
    return pd.DataFrame({name: pd.Series(dtype=kinds.get(name, "str")) for name in REACH_COLUMNS})


def reach_of(job: Job, seen: View, store: Store) -> pd.DataFrame:
    """REACH_COLUMNS: one row per account to which a step is open and channel of the steps; empty without reminders.

    offset    days past due of the oldest unpaid item, 0 on its due day and below before; NO_DAY where nothing overdue
              counts
    paused    days for which payment holidays made it stand still
    worst     most days past due within a year, as known on each of its days
    engaged   the debtor has a plan, a promise still open or an agreed time; or the account an offer that was accepted
              and is not yet paid, one about its due day that may still be taken, or a settlement that was paid
    last_contact, last_message, last_paid, last_answer   days of our newest attempt and message, the newest payment and
              answer, of all accounts of the debtor; NO_DAY without one
    messages  of ours in the last COUNTED_DAYS, to the debtor

    Messages that former nights published count as sent, for the law too, whether the contact log tells of them or not.
    """
    reminders = job.params.reminders
    if reminders is None:
        return nobody()
    cohort = cohort_of(job, seen, store)
    if cohort.empty:
        return nobody()
    case = case_of(seen, store, job.versions, job.as_of, job.params, cohort)
    if job.params.worklist.defer_for_credit:
        covered = frozenset(case.held_back.get(CREDIT, ())) | _covered(job, seen, store, cohort)
        case = replace(case, held_back={**case.held_back, CREDIT: covered})
    found = reach_in(case, seen.ledger, job.as_of, reminders, job.said)
    rests = at_rest(seen.tables, seen.ledger.settlements, cohort, job.as_of, job.params)
    rests = found["account_no"].isin(cohort["account_no"].to_numpy()[rests])
    return found.assign(engaged=found["engaged"] | rests)


def _covered(job: Job, seen: View, store: Store, cohort: pd.DataFrame) -> frozenset[int]:
    """Numbers of the accounts before their due day for what of which falls due the debtor's other accounts hold a
    credit as large; of overdue ones `held_back` tells.
    """
    coming = cohort[cohort["due_amount"].to_numpy() > 0].reset_index(drop=True)
    if coming.empty:
        return frozenset()
    terms, complete = terms_of(store, job.params, job.versions), quiet_through(store, job.versions, job.params)
    held = build(coming, seen.tables, [Noun("debtor_credit")], terms, seen.ledger, complete)["debtor_credit"]
    asked = coming["due_amount"] - disputed_arrears(seen.tables, coming, Sight(job.as_of))
    return frozenset(coming["account_no"].to_numpy()[((held > 0) & (held >= asked)).to_numpy()].tolist())


def reach_in(case: Case, ledger: Ledger, night: int, reminders: Reminders, said: pd.DataFrame) -> pd.DataFrame:
    """REACH_COLUMNS of a case whose cohort has `offset`; of accounts to which no step is open no row.

    said: account_id, channel and as_of of the messages that former nights published.
    """
    case = with_said(case, said, night)
    used = {channel for step in reminders.steps for channel in step.channels}
    found = rulings(case, night, [channel for channel in MESSAGE_CHANNELS if channel in used])
    about = case.cohort.reset_index(drop=True).assign(
        language=_languages(case, night),
        worst=_worst(case, ledger, night),
        paused=case.asked(Sight(night)).days_paused,
        engaged=found.accounts["engaged"].to_numpy(),
        **_lately(case, ledger, night, max(DAYS_BACK, reminders.spacing_days)),
    )
    about = about[_open_to(about["offset"].to_numpy(np.int64), reminders)]
    rows = about[list(OF_ACCOUNT)].merge(found.channels[["account_no", *OF_CHANNEL]], on="account_no")
    texts = [name for name in rows if not pd.api.types.is_numeric_dtype(rows[name])]
    rows = rows.assign(**{name: rows[name].astype(object).fillna("").astype("str") for name in texts})
    return rows.astype(dict.fromkeys(WHOLE, "int32"))[list(REACH_COLUMNS)]


def with_said(case: Case, said: pd.DataFrame, night: int) -> Case:
    """The case with what former nights published in its contact log, as delivered on its night, where the log shows no
    message to the debtor by that channel on that day of his. A log that is not delivered stays so: it permits nothing.
    """
    contacts = case.tables.get("contacts")
    accounts = case.tables["accounts"].drop_duplicates("account_no", keep="last")
    said = said.merge(accounts[["account_id", "account_no"]].astype({"account_id": "str"}), on="account_id")
    if contacts is None or said.empty:
        return case
    known = KnownAccounts.of(case.tables["accounts"], case.cohort, Sight(night))
    said = said.assign(debtor=known.debtor[known.find(said["account_no"].to_numpy())[0]])
    rows, inside = known.find(contacts["account_no"].to_numpy())
    debtor, channel = np.where(inside, known.debtor[rows], -1), contacts["channel"].astype("str")
    ours = (contacts["direction"].astype("str") != "inbound") & channel.isin(said["channel"].unique())
    ours &= Sight(night).sees(contacts) & np.isin(debtor, said["debtor"])
    log = contacts[ours.to_numpy()]
    zones = dict(zip(known.owner.tolist(), case.cohort["time_zone"], strict=True))
    shown = {
        (who, by, _day_of_his(row.occurred_on, row.occurred_at, row.occurred_minute, zones.get(who)))
        for who, by, row in zip(debtor[ours], channel[ours], log.itertuples(), strict=True)
    }
    lacking = said[[key not in shown for key in zip(said["debtor"], said["channel"], said["as_of"], strict=True)]]
    if lacking.empty:
        return case
    day = lacking["as_of"].to_numpy(np.int32)
    at = day.astype(np.int64) * DAY_US  # begins the day: on no clock is it a later one
    more = pd.DataFrame(
        {
            "account_no": lacking["account_no"].to_numpy(),
            "contact_id": [f"published {key}" for key in zip(lacking["account_id"], lacking["as_of"], strict=True)],
            "channel": lacking["channel"].astype(object).to_numpy(),
            "direction": "outbound",
            "outcome": "delivered",
            "promise_amount": NO_MONEY,
            "promise_due_on": NO_DAY,
            "occurred_on": day,
            "occurred_at": at,
            "occurred_minute": np.int16(0),
            "known_on": day,
            "known_at": at,
        }
    )
    more = more.assign(contact_no=account_number(more["contact_id"]), cost=NO_MONEY, backfilled=False)
    more = more[[name for name in more if name in contacts]]
    named = [name for name in contacts if not pd.api.types.is_numeric_dtype(contacts[name])]
    whole = pd.concat([contacts.astype(dict.fromkeys(named, object)), more], ignore_index=True)
    order = np.lexsort((whole["occurred_at"].to_numpy(), whole["account_no"].to_numpy()))
    return replace(case, tables={**case.tables, "contacts": whole.iloc[order].reset_index(drop=True)})


def _day_of_his(day: int, at: int, minute: int, zone: object) -> int:
    """The day of a contact on the debtor's clock; that of the log where no more is known."""
    return day_on_clock(at, str(zone)) if minute != NO_MINUTE and zone in known_zones() else day


def _open_to(offset: np.ndarray, reminders: Reminders) -> np.ndarray:
    """bool per account: whether a step with a day is open; any account where one is for those who pay alone, of whom a
    shard cannot tell yet.
    """
    found = np.full(offset.size, any(step.day is None for step in reminders.steps))
    for step in reminders.steps:
        if step.day is not None and step.until is not None:
            found |= (offset >= step.day) & (offset < step.until)
    return found


def cohort_of(job: Job, seen: View, store: Store) -> pd.DataFrame:
    """The accounts that may be reminded, with `offset`: those that are scorable, and where a step lies before the due
    day those of which something falls due by then. due_amount: what of the latter falls due, 0 of the others.
    """
    late = seen.cohort.frame["days_past_due"].to_numpy()
    overdue = seen.cohort.frame.assign(offset=offset_of(late), due_amount=np.int64(0))
    ahead = [-step.day for step in job.params.reminders.steps if step.day is not None]  # pyrefly: ignore[missing-attribute]
    if max(ahead, default=-1) < 0:
        return overdue
    terms = terms_of(store, job.params, job.versions)
    coming = watched(seen.tables, seen.ledger, [job.as_of], terms, WatchTerms(days_ahead=max(ahead) + 1)).frame
    coming = coming.assign(offset=job.as_of - coming["next_due_on"].to_numpy())
    whole = pd.concat([overdue, coming[list(overdue)]], ignore_index=True)
    return whole.sort_values("account_no", ignore_index=True)


def offset_of(days_past_due: np.ndarray) -> np.ndarray:
    """Of scorable accounts: at 0 days past due nothing falls due, but what is owed is borne with, or was placed; such
    days stand still, and a step of the due day would never close.
    """
    return np.where(days_past_due > 0, days_past_due, NO_DAY)


def _languages(case: Case, night: int) -> np.ndarray:
    """The language of each account as known on the night, its first part in small letters; "" where none is."""
    accounts = case.tables["accounts"]
    if "language" not in accounts:
        return np.full(len(case.cohort), "", object)
    known = accounts[accounts["known_on"].to_numpy() < night].drop_duplicates("account_no", keep="last")
    codes, names = pd.factorize(known["language"].astype(object).fillna("").astype("str"))
    parts = np.array([re.split("[-_]", name.strip().lower())[0] for name in names], object)
    first = pd.Series(parts[codes], index=known["account_no"].to_numpy())
    return first.reindex(case.cohort["account_no"]).fillna("").to_numpy(object)


def _worst(case: Case, ledger: Ledger, night: int) -> np.ndarray:
    numbers = case.cohort["account_no"].to_numpy()
    first, last = (np.full(numbers.size, day, np.int32) for day in (night - PAST_DAYS, night))
    return worst_days_past_due(ledger, numbers, first, last)


def _lately(case: Case, ledger: Ledger, night: int, days_back: int) -> dict[str, np.ndarray]:
    """The newest of each kind per account of the cohort, over all accounts of its debtor."""
    sight = Sight(night)
    known = KnownAccounts.of(case.tables["accounts"], case.cohort, sight)

    def newest(account_no: np.ndarray, day: np.ndarray) -> np.ndarray:
        rows, inside = known.find(account_no)
        latest = np.full(known.debtors, NO_DAY, np.int64)
        np.maximum.at(latest, known.debtor[rows[inside]], day[inside].astype(np.int64))
        return latest[known.owner]

    paid = ledger.settlements
    cash = (paid.kind == CASH) & (paid.known_on < night)
    found = {"last_paid": newest(paid.accounts[paid.position[cash]], paid.occurred_on[cash])}
    contacts = _recent(case, sight, days_back)
    day, number = contacts["occurred_on"].to_numpy(), contacts["account_no"].to_numpy()
    outcome, ours = contacts["outcome"].astype("str"), (contacts["direction"].astype("str") != "inbound").to_numpy()
    tried = ours & ~outcome.isin(NOT_ATTEMPTS).to_numpy()
    message = tried & contacts["channel"].astype("str").isin(MESSAGE_CHANNELS).to_numpy()
    answer = ~ours | outcome.isin(ANSWERS).to_numpy()
    for name, rows in (("last_contact", tried), ("last_message", message), ("last_answer", answer)):
        found[name] = newest(number[rows], day[rows])
    rows, inside = known.find(number)
    counted = message & inside & (day >= night - COUNTED_DAYS)
    one = pd.DataFrame({"debtor": known.debtor[rows], "contact": contacts["contact_id"].to_numpy()})[counted]
    many = np.bincount(one.drop_duplicates()["debtor"], minlength=known.debtors)
    return {**found, "messages": many[known.owner]}


def _recent(case: Case, sight: Sight, days_back: int) -> pd.DataFrame:
    """Contacts of so many days as last known; empty where none are delivered."""
    columns = ["account_no", "contact_id", "occurred_on", "channel", "direction", "outcome"]
    if "contacts" not in case.tables:
        whole = {"account_no": "int64", "occurred_on": "int32"}
        return pd.DataFrame({name: pd.Series(dtype=whole.get(name, "str")) for name in columns})
    contacts = arranged(case.tables["contacts"], "contacts")
    day = np.maximum(contacts["known_on"].to_numpy(), contacts["occurred_on"].to_numpy())
    return sight.newest(contacts[day >= sight.day - days_back], ["contact_id", "account_no"], "contacts")[columns]
