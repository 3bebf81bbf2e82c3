"""Life around the due day, in worlds where debtors forget: why a bill is late, what a reminder does to it, and who
answers, complains or opts out. What is true of a world is drawn as for the book of bills (pipeline.simulate.reminded).
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
from numba import njit

from features.days import day_of_text
from features.errors import InputMissing, UsageError
from features.tables import NO_DAY
from pipeline.simulate.books import EU, JP, NEVER_PAYS, PLACES, Draws
from pipeline.simulate.fatigue import WORTH, counted, level_of, remember
from pipeline.simulate.log import (
    CHANCES,
    Channel,
    Direction,
    Outcome,
    Status,
    World,
    below,
    chance,
    contact_row,
    new_row,
    state_all,
)
from pipeline.simulate.reminded import DAILY, FOREIGN, FORGETS, LANGUAGES, RECORDED, SENT, SHORT
from pipeline.simulate.reminded import World as Bills
from pipeline.simulate.response import CURRENT, REMINDED, UNTOUCHED

NAMED = (1.3, 2.0)  # a message of a person's name, against the plain one: its effect on the log odds, drawn per world
OWN_BEFORE = 0.3  # of bills are announced by the shop itself
ANSWERS = 0.03  # of messages: the debtor writes back
AHEAD, WITHIN = 4, 6  # days before the due day of the shop's own reminder; from which one is remembered on it
PAYDAY_TIMES = 4.0  # how much likelier somebody short of money pays on payday and the day after
TONGUES = (*LANGUAGES, "ja")
# Spoken, by group (GB, EU, US, JP); in the EU most speak the language of their place.
SPOKEN = ((0.94, 0.02, 0.02, 0.02, 0.0), (0.12, 0.4, 0.24, 0.24, 0.0), (0.84, 0.01, 0.14, 0.01, 0.0), (0, 0, 0, 0, 1.0))
AT_HOME = 0.88  # of debtors in the EU
OF_PLACE = {"FR": "fr", "DE": "de", "ES": "es"}
COLUMNS = ("account_id", "channel", "language", "variant", "as_of")  # of messages to be sent, as nights publish them
# One message to a debtor of the shard: day, position of the account, Channel, whether it speaks another language than
# the debtor, and whether it is of the variant that names a person.
MESSAGE = np.dtype(
    [("debtor", "i4"), ("day", "i4"), ("account", "i4"), ("channel", "i1"), ("foreign", "i1"), ("named", "i1")]
)


def world_of(seed: int) -> dict[str, float]:
    """What is true of the world of a seed: as of a book of bills, and what a name is worth."""
    draw = np.random.default_rng([seed, 14])
    return {**asdict(Bills.drawn(draw)), "named": float(draw.uniform(*NAMED))}


def tongues(
    seed: int, numbers: np.ndarray, group: np.ndarray, place: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(spoken, on record, written in where nothing is on record) per debtor: positions in TONGUES, -1 for no record."""
    draws, most = Draws(seed, numbers, salt=4), max(map(len, PLACES))
    of_place = [[TONGUES.index(_usual(at, each[0])) for each in places] for at, places in enumerate(PLACES)]
    usual = np.array([row + [0] * (most - len(row)) for row in of_place])[group, place]
    spoken = draws.among(np.array(SPOKEN)[group])
    spoken = np.where((group == EU) & (draws.uniform() < AT_HOME), usual, spoken)
    recorded = np.where(draws.uniform() < RECORDED, spoken, -1)
    return spoken.astype(np.int8), recorded.astype(np.int8), usual.astype(np.int8)


def _usual(group: int, place: str | None) -> str:
    return "ja" if group == JP else OF_PLACE.get(place or "", "en")


def messages_in(file: Path, debtors: np.ndarray, accounts: np.ndarray, spoken: np.ndarray) -> np.ndarray:
    """MESSAGE rows of a file (COLUMNS; CSV or Parquet) to debtors of these accounts, in the order of debtor and day."""
    given = read_messages(file)
    numbers = debtors["number"][accounts["debtor"]]
    at = {
        (int(number), "ABC"[letter]): row
        for row, (number, letter) in enumerate(zip(numbers, accounts["letter"], strict=True))
    }
    place = [at.get((int(name[1:8]), name[8:])) for name in given["account_id"].astype("str")]
    rows = np.zeros(len(given), MESSAGE)
    own = np.array([each is not None for each in place], bool)
    rows["account"] = [-1 if each is None else each for each in place]
    rows["debtor"] = accounts["debtor"][rows["account"]]
    rows["day"] = [day_of_text(str(day)[:10]) for day in given["as_of"]]
    rows["channel"] = [{"sms": Channel.SMS}.get(name, Channel.EMAIL) for name in given["channel"]]
    rows["named"] = (given["variant"] == "named").to_numpy()
    said = np.array([TONGUES.index(name) if name in TONGUES else -1 for name in given["language"]], np.int64)
    rows["foreign"] = said != spoken[rows["debtor"]]
    return np.sort(rows[own], order=("debtor", "day", "account"))


def read_messages(file: Path) -> pd.DataFrame:
    """The messages of a file. Raises InputMissing where it cannot be read, UsageError where it lacks a column."""
    try:
        given = pd.read_parquet(file) if file.suffix == ".parquet" else pd.read_csv(file, dtype=str)
    except OSError:
        told = f"Messages {str(file)!r} cannot be read. Give a Parquet or CSV file with {', '.join(COLUMNS)}."
        raise InputMissing(told) from None
    if lacking := [name for name in COLUMNS if name not in given]:
        raise UsageError(f"Messages {str(file)!r} lack {', '.join(lacking)}.")
    return given[list(COLUMNS)]


def told_of(seed: int) -> str:
    """What is true of the world, for truth/world.json."""
    return json.dumps(world_of(seed), indent=1, sort_keys=True) + "\n"


def reminders_of(seed: int) -> tuple[float, ...]:
    """What is true of reminders, in the order of `pipeline.simulate.log.World`."""
    world = world_of(seed)
    return tuple(world[name] for name in World._fields[World._fields.index("first") :])


@njit(error_model="numpy")
def why_late(rng, world, night, debtor):
    """Drawn on the first day of a month for what falls due in it: what it will be late for, if it is."""
    night.why, night.recalls = SHORT, 0
    if night.stage == CURRENT and night.due > 0 and debtor.type != NEVER_PAYS and chance(rng) < world.forgotten:
        night.why = FORGETS


@njit(error_model="numpy")
def late_hazard(night, debtor, month, t):
    """Chance that what fell due in this month and was not paid is paid today."""
    day = month.first + t
    if night.stage != CURRENT or night.due_on == NO_DAY:
        return 0.0
    if day == night.due_on:
        return 1.0 if night.recalls else 0.0
    if day < night.due_on:
        return 0.0
    if night.why == FORGETS:
        odds = DAILY[FORGETS] / (1 - DAILY[FORGETS]) * np.exp(debtor.lift)
        return odds / (1 + odds)
    payday = max(month.profile[debtor.payday, t], month.profile[debtor.payday, max(t - 1, 0)]) > 0.1
    return DAILY[SHORT] * (PAYDAY_TIMES if payday else 1.0)


@njit(error_model="numpy")
def day_of_chance(log, i, day, hazard):
    """The chance of a payment on a day, for the truth."""
    new_row(log, CHANCES, i, day, day).amount = np.int64(hazard * 1e9)


@njit(error_model="numpy")
def own_messages(rng, world, log, debtor, accounts, nights, day):
    """What the shop itself sends, at random, until it is told what to send: to debtors whom no collector works."""
    for k in range(debtor.accounts):
        if nights[k].worked:
            return
    for k in range(debtor.accounts):
        night = nights[k]
        if night.stage != CURRENT or night.due <= 0 or night.paid or night.due_on == NO_DAY:
            continue
        ahead = night.due_on - day
        wanted = SENT if ahead < 0 else OWN_BEFORE if ahead == AHEAD else 0.0
        if wanted > 0 and chance(rng) < wanted:
            channel = Channel.SMS if chance(rng) < 0.5 and debtor.group != JP else Channel.EMAIL
            send(rng, world, log, debtor, accounts, nights, debtor.first + k, day, channel, debtor.foreign, 0)
            return


@njit(error_model="numpy")
def send(rng, world, log, debtor, accounts, nights, i, day, channel, foreign, named):
    """A message, what it does to paying, and what the debtor does of it. Nothing where it is closed or opted out of."""
    bit = 1 if channel == Channel.SMS else 2
    if debtor.opted & bit or accounts[i].gone or day < accounts[i].known_on:
        return
    number = counted(debtor.messages_on, day)
    last = debtor.messages_on[0]
    rested = 1.0 if last == NO_DAY else 1 - 0.5 ** ((day - last) / world.recovers_days)
    tongue = FOREIGN if foreign else 1.0
    strength = world.first * WORTH[level_of(number)] * rested * tongue * (world.named if named else 1.0)
    debtor.lift = max(debtor.lift, strength)
    for k in range(debtor.accounts):
        night = nights[k]
        coming = night.stage == CURRENT and night.due_on != NO_DAY and 0 <= night.due_on - day <= WITHIN
        if coming and night.why == FORGETS and not night.recalls and chance(rng) < 1 - world.early**tongue:
            night.recalls = 1
        if night.worked and debtor.state == UNTOUCHED:
            debtor.state, debtor.tired = REMINDED, level_of(number)
    remember(debtor.messages_on, day)
    leaves, cries, answers = chance(rng) < world.opts_out, chance(rng) < world.complains, chance(rng) < ANSWERS
    outcome = Outcome.UNSUBSCRIBED if leaves else Outcome.DELIVERED
    row = contact_row(log, i, debtor, day, 600 + below(rng, 300), channel, Direction.OUTBOUND, outcome)
    row.endpoint = 0 if channel == Channel.SMS else 2
    debtor.contacts += 1
    if leaves:
        debtor.opted |= bit
        status = Status.OPT_OUT_SMS if channel == Channel.SMS else Status.OPT_OUT_EMAIL
        state_all(log, debtor, accounts, status, day, NO_DAY, day, -1)
    if cries or answers:
        said = Outcome.COMPLAINT if cries else Outcome.RIGHT_PARTY
        contact_row(log, i, debtor, day, 1000 + below(rng, 200), Channel.EMAIL, Direction.INBOUND, said)
        debtor.contacts += 1
