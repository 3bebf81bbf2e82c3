"""A made-up book of monthly bills whose debtors forget, and of messages that remind them: what a message does is known,
by its number in a month, by how soon it follows the one before, by its age and by its language.

Ranges are those of design paper TREATMENTS 7 (rows 1 to 5 and 11) where it has one; the rest is choice. Messages are
sent at random, so that what is measured in the log can be held against what is true.
"""

from __future__ import annotations

import datetime as dt
import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from features.days import date_of, day_number
from features.errors import CannotWrite, UsageError
from features.tables import NO_DAY

PERIOD, ISSUED, AHEAD = 30, 20, 5  # days between bills; from issue, and from the first reminder, to the due day
LAST_DAY = dt.date(2026, 9, 30)
FORGETS, SHORT, NEVER = range(3)  # why a bill is late: forgotten, no money yet, will hardly be paid
DAILY = (0.075, 0.03, 0.006)  # chance that a late debtor pays on a day, by why
SENT = 0.12  # chance of a message on a day that is late
EARLY = 0.5  # chance of one before the due day
COUNTED_DAYS, MOST = 30, 8  # days in which messages are counted; how many are remembered
WORTH = (1.0, 0.13, 0.035)  # of the first, the second to fourth and every further message: its effect on the log odds
LANGUAGES = ("en", "fr", "es", "de")
SPOKEN = (0.7, 0.14, 0.08, 0.08)  # shares of debtors
RECORDED = 0.8  # share of whom the language is on record; the others are written to in English
FOREIGN = 0.3  # what a message in another language is worth
LATEST = 60  # days past due up to which messages are sent, and days are told


@dataclass(frozen=True)
class World:
    """What is true of a book. first: effect of a first message on the log odds of who forgot; half_life_days: of it;
    recovers_days: after the last message until another is worth half; early: what a reminder before the due day leaves
    of the chance to forget; forgotten: share of late bills; opts_out, complains: per message.
    """

    first: float
    half_life_days: float
    recovers_days: float
    early: float
    forgotten: float
    opts_out: float
    complains: float

    @classmethod
    def drawn(cls, draw: np.random.Generator) -> World:
        return cls(
            first=float(np.log(draw.uniform(1.5, 3.0))),
            half_life_days=float(draw.uniform(1, 3)),
            recovers_days=float(draw.uniform(2, 5)),
            early=float(draw.uniform(0.75, 1.0)),
            forgotten=float(draw.uniform(0.3, 0.6)),
            opts_out=float(draw.uniform(0.002, 0.01)),
            complains=float(draw.uniform(0.0001, 0.001)),
        )


NO_EFFECT = {"first": 0.0, "early": 1.0}  # of a world in which messages do nothing


@dataclass(frozen=True)
class Lived:
    """What happened. days: one row per late debtor and day, with debtor, day, days_past_due, age, number and spacing of
    the newest message as models.fatigue.odds asks, pays (1 or 0) and chance, the true one. bills, payments, messages:
    debtor and day, and their amounts, outcomes and channels.
    """

    world: World
    debtors: pd.DataFrame
    days: pd.DataFrame
    bills: pd.DataFrame
    payments: pd.DataFrame
    messages: pd.DataFrame


def live(debtors: int, seed: int, months: int = 18, **otherwise: float) -> Lived:
    """The same debtors, seed and months live the same lives. otherwise: of the world, in the place of what is drawn."""
    if debtors < 1 or months < 3:
        raise UsageError("A book of bills needs a debtor or more, and 3 months or more.")
    draw = np.random.default_rng([seed, 14])
    drawn = World.drawn(draw)
    world = World(**{**asdict(drawn), **otherwise})
    last = day_number(LAST_DAY)
    begins = last + 1 - months * PERIOD
    phase = draw.integers(0, PERIOD, debtors)
    slips = np.clip(draw.beta(1.2, 3.0, debtors), 0.02, 0.9)  # chance that a bill is late; a quarter hardly ever is
    spoken = draw.choice(len(LANGUAGES), debtors, p=SPOKEN)
    recorded = draw.random(debtors) < RECORDED
    tongue = np.where(recorded | (spoken == 0), 1.0, FOREIGN)
    amount = draw.integers(1500, 12_000, debtors)
    owed, since = np.zeros(debtors, np.int64), np.full(debtors, NO_DAY, np.int64)
    why, comes = np.zeros(debtors, np.int64), np.full(debtors, NO_DAY, np.int64)
    lift, out = np.zeros(debtors), np.zeros(debtors, bool)
    sent = np.full((debtors, MOST), NO_DAY, np.int64)
    fades = 0.5 ** (1 / world.half_life_days)
    told: dict[str, list[np.ndarray]] = {name: [] for name in ("days", "bills", "payments", "messages")}
    everybody = np.arange(debtors)

    def keep(name: str, who: np.ndarray, day: int, *more: np.ndarray) -> None:
        told[name].append(np.column_stack([who, np.full(who.size, day), *more]))

    def write(who: np.ndarray, day: int) -> np.ndarray:
        """The strength of a message to each of these today, by its number and by how soon it comes."""
        number = ((sent[who] > day - COUNTED_DAYS) & (sent[who] != NO_DAY)).sum(axis=1) + 1
        since_last = np.where(sent[who, 0] == NO_DAY, 10**6, day - sent[who, 0])
        worth = np.array(WORTH)[np.searchsorted([2, 5], number, side="right")]
        sent[who] = np.column_stack([np.full(who.size, day), sent[who, :-1]])
        leaves, cries = draw.random(who.size) < world.opts_out, draw.random(who.size) < world.complains
        out[who[leaves]] = True
        channel = (draw.random(who.size) < 0.5).astype(np.int64)
        keep("messages", who, day, channel, leaves, cries)
        return world.first * worth * (1 - 0.5 ** (since_last / world.recovers_days)) * tongue[who]

    for day in range(begins, last + 1):
        lift *= fades
        to_due = (phase - (day - begins)) % PERIOD
        new = everybody[(to_due == AHEAD) & (since == NO_DAY)]
        early = new[(draw.random(new.size) < EARLY) & ~out[new]]
        write(early, day)
        reminded = np.isin(new, early)
        forgets = slips[new] * world.forgotten * np.where(reminded, world.early ** tongue[new], 1.0)
        lacks = slips[new] * (1 - world.forgotten)
        u = draw.random(new.size)
        late = u < forgets + lacks
        why[new] = np.where(u < forgets, FORGETS, np.where(draw.random(new.size) < 0.15, NEVER, SHORT))
        comes[new] = np.where(late, NO_DAY, day + draw.integers(0, AHEAD + 1, new.size))
        due = everybody[to_due == 0]
        keep("bills", due, day, amount[due])
        owed[due] += amount[due]
        prompt = everybody[comes == day]
        keep("payments", prompt, day, amount[prompt])
        owed[prompt] -= amount[prompt]
        comes[prompt] = NO_DAY
        falls = due[(owed[due] > 0) & (since[due] == NO_DAY) & (comes[due] == NO_DAY)]
        since[falls], lift[falls] = day, 0.0
        open_ = everybody[(since != NO_DAY) & (since < day)]
        near = open_[day - since[open_] <= LATEST]
        wanted = near[(draw.random(near.size) < SENT) & ~out[near]]
        strength = write(wanted, day)
        lift[wanted] = np.maximum(lift[wanted], strength)
        base = np.array(DAILY)[why[open_]]
        level = np.log(base / (1 - base)) + np.where(why[open_] == FORGETS, lift[open_], 0.0)
        chance = 1 / (1 + np.exp(-level))
        pays = draw.random(open_.size) < chance
        shown = day - since[open_] <= LATEST
        number = ((sent[open_] > sent[open_, :1] - COUNTED_DAYS) & (sent[open_] != NO_DAY)).sum(axis=1)
        age = np.where(sent[open_, 0] == NO_DAY, -1, day - sent[open_, 0])
        spacing = np.where(sent[open_, 1] == NO_DAY, -1, sent[open_, 0] - sent[open_, 1])
        rows = (day - since[open_], age, number, np.where(spacing > COUNTED_DAYS, -1, spacing), pays, chance)
        keep("days", open_[shown], day, *(each[shown] for each in rows))
        paid = open_[pays]
        keep("payments", paid, day, owed[paid])
        owed[paid], since[paid], lift[paid] = 0, NO_DAY, 0.0

    def frame(name: str, *columns: str) -> pd.DataFrame:
        whole = pd.DataFrame(np.concatenate(told[name]), columns=["debtor", "day", *columns])
        return whole.astype({each: "int64" for each in whole if each != "chance"})

    who = pd.DataFrame({"spoken": spoken, "recorded": recorded, "amount": amount})
    return Lived(
        world,
        who,
        frame("days", "days_past_due", "age", "number", "spacing", "pays", "chance"),
        frame("bills", "amount"),
        frame("payments", "amount"),
        frame("messages", "channel", "opts_out", "complains"),
    )


# ---- as a delivery ---------------------------------------------------------------------------------------------------


def deliver(lived: Lived, out: Path) -> None:
    """The book as a source folder in the form of the contract, with truth/world.json. CannotWrite where `out` holds
    another delivery.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "truth").mkdir()
        for name, (head, rows) in _tables(lived).items():
            write_table(out, name, head, rows, LAST_DAY)
        told = json.dumps(asdict(lived.world), indent=1, sort_keys=True)
        (out / "truth" / "world.json").write_text(told + "\n", encoding="utf-8")
    except OSError as error:
        raise CannotWrite.creating(f"Delivery {str(out)!r}", error) from None


def write_table(out: Path, name: str, head: Sequence[str], rows: Sequence[Sequence[object]], last: dt.date) -> None:
    """NAME.csv.gz and the control file that vouches for it through the last day."""
    text = "\n".join(",".join("" if cell is None else str(cell) for cell in row) for row in (head, *rows)) + "\n"
    control = {"rows": len(rows), "complete_through": last.isoformat()}
    (out / f"{name}.control.json").write_text(json.dumps(control) + "\n", encoding="utf-8")
    with (
        (out / f"{name}.csv.gz").open("xb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as file,
    ):
        file.write(text.encode())


def _tables(lived: Lived) -> Mapping[str, tuple[Sequence[str], Sequence[Sequence[object]]]]:
    opened = date_of(int(lived.bills["day"].min()) - 400)
    who = [(f"B{at:06d}", f"D{at:06d}") for at in range(len(lived.debtors))]
    accounts = [
        (*who[at], "bills", "subscription", "consumer", "EUR", opened, "GB-ENG", "Europe/London", opened,
         LANGUAGES[row.spoken] if row.recorded else "")
        for at, row in enumerate(lived.debtors.itertuples())
    ]  # fmt: skip
    charges = [
        (f"C{at:07d}", who[row.debtor][0], date_of(row.day - ISSUED), date_of(row.day), _money(row.amount), "invoice",
         date_of(row.day - ISSUED))
        for at, row in enumerate(lived.bills.itertuples())
    ]  # fmt: skip
    payments = [
        (f"P{at:07d}", who[row.debtor][0], _noon(row.day), _money(row.amount), "payment", _noon(row.day + 1))
        for at, row in enumerate(lived.payments.itertuples())
        if row.day < lived.payments["day"].max()  # what is known the day after the last is not delivered
    ]
    contacts, statuses = (
        [],
        [(name, kind, opened, opened) for name, _ in who for kind in ("consent_sms", "consent_email")],
    )
    for at, row in enumerate(lived.messages.itertuples()):
        name, channel = who[row.debtor][0], ("sms", "email")[row.channel]
        outcome = "unsubscribed" if row.opts_out else "delivered"
        contacts.append((f"T{at:07d}", name, _noon(row.day, 9), channel, "outbound", outcome, _noon(row.day, 9)))
        if row.opts_out:
            statuses += [(name, f"opt_out_{kind}", date_of(row.day), date_of(row.day)) for kind in ("sms", "email")]
        if row.complains:
            contacts.append(
                (f"K{at:07d}", name, _noon(row.day, 15), "email", "inbound", "complaint", _noon(row.day, 15))
            )
    return {
        "accounts": (
            ["account_id", "debtor_id", "portfolio", "product", "debtor_type", "currency", "opened_on", "jurisdiction",
             "time_zone", "known_at", "language"],
            accounts,
        ),
        "charges": (["charge_id", "account_id", "issued_on", "due_on", "amount", "kind", "known_at"], charges),
        "payments": (["payment_id", "account_id", "occurred_at", "amount", "kind", "known_at"], payments),
        "contacts": (
            ["contact_id", "account_id", "occurred_at", "channel", "direction", "outcome", "known_at"], contacts
        ),
        "statuses": (["account_id", "status", "from_on", "known_at"], statuses),
    }  # fmt: skip


def _noon(day: int, hour: int = 12) -> str:
    return f"{date_of(day).isoformat()}T{hour:02d}:00:00+00:00"


def _money(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02d}"
