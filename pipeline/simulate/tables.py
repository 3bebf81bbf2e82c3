"""From the rows of a simulated log to the tables of the contract: ids, dates, stamps with offsets, decimal money,
empty cells.
"""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.days import date_of
from features.tables import CHANNELS, CHARGE_KINDS, DIRECTIONS, NO_DAY, OUTCOMES, PAYMENT_KINDS, STATUSES
from pipeline.simulate.books import AGE_BANDS, BOOKS, CARD, JP, METHODS, PLACES, RESPONSE_TYPES, SALE_CHANNELS, SEGMENTS
from pipeline.simulate.forgetting import TONGUES
from pipeline.simulate.log import (
    BALANCES,
    CHANCES,
    CHARGES,
    COIN,
    CONTACTS,
    DETAILS,
    PAYMENTS,
    PLACEMENTS,
    STATUS_ROWS,
)

KNOWN_MINUTE = 360  # what is learnt on a later day is keyed in at six in the morning
LETTERS = "ABC"
ARMS = ("left", "worked", "chosen")
SEXES = ("female", "male", "unknown")


class Names:
    """Ids and clocks of one shard's accounts; every method gives one text per row, or null."""

    def __init__(self, debtors: np.ndarray, accounts: np.ndarray, months: np.ndarray) -> None:
        owner = debtors["number"][accounts["debtor"]]
        self.book = accounts["book"]
        self.stem = pa.array(
            [f"{number:07d}{LETTERS[letter]}" for number, letter in zip(owner, accounts["letter"], strict=True)]
        )
        self.debtor = pa.array([f"{number:07d}" for number in owner])
        self.account = joined("A", self.stem)
        self._first = min(int(accounts["opened_on"].min(initial=0)), int(months["first"][0])) - 4000
        last = int(months["first"][-1]) + 1600
        days = [date_of(day) for day in range(self._first, last)]
        self._day = pa.array([day.isoformat() for day in days])
        self._minute = pa.array([f"T{minute // 60:02d}:{minute % 60:02d}:00" for minute in range(24 * 60)])
        zones = sorted({book.zone for book in BOOKS})
        offsets = [[_offset(day, zone) for day in days] for zone in zones]
        self._offset = pa.array([text for texts in offsets for text in texts])
        self._zone = np.array([zones.index(book.zone) for book in BOOKS]) * len(days)
        self._decimals = np.array([book.decimals for book in BOOKS])

    def numbered(self, prefix: str, account: np.ndarray, number: np.ndarray) -> pa.Array:
        numbers = pa.array([f"-{k:03d}" for k in range(int(number.max(initial=0)) + 1)])
        return joined(prefix, self.stem.take(pa.array(account)), taken(numbers, number))

    def date(self, days: np.ndarray) -> pa.Array:
        return taken(self._day, np.where(days == NO_DAY, -1, days - self._first))

    def stamp(self, account: np.ndarray, days: np.ndarray, minute: np.ndarray) -> pa.Array:
        """Time on the portfolio's clock, with its offset."""
        at = np.where(days == NO_DAY, -1, days - self._first)
        offset = np.where(at < 0, -1, at + self._zone[self.book[account]])
        return joined(taken(self._day, at), taken(self._minute, minute), taken(self._offset, offset))

    def known(self, account: np.ndarray, known_on: np.ndarray, usual_on: np.ndarray) -> pa.Array:
        """Empty where it is what an empty cell means."""
        return self.stamp(
            account, np.where(known_on == usual_on, NO_DAY, known_on), np.full(len(account), KNOWN_MINUTE)
        )

    def money(self, account: np.ndarray, amount: np.ndarray, empty: int | None = None) -> pa.Array:
        decimals, size = self._decimals[self.book[account]], np.abs(amount)
        hundred = pa.array(np.where(decimals == 0, size, size // 100)).cast(pa.string())
        cents = taken(
            pa.array([f".{cent:02d}" for cent in range(100)] + [""]), np.where(decimals == 0, 100, size % 100)
        )
        text = joined(pa.array(np.where(amount < 0, "-", "")), hundred, cents)
        return text if empty is None else pc.if_else(pa.array(amount == empty), pa.scalar(None, pa.string()), text)


def _offset(day: dt.date, zone: str) -> str:
    # pyrefly: ignore[missing-attribute]
    minutes = int(dt.datetime.combine(day, dt.time(12), ZoneInfo(zone)).utcoffset().total_seconds()) // 60
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def joined(*parts: pa.Array | str) -> pa.Array:
    """One text per row; null where any part is."""
    return pc.binary_join_element_wise(*parts, "")


def taken(texts: pa.Array, positions: np.ndarray) -> pa.Array:
    """texts[position] per row; null where the position is below 0."""
    return texts.take(pa.array(positions, mask=positions < 0))


def word(words: tuple[str, ...], codes: np.ndarray) -> pa.Array:
    return taken(pa.array(words), codes.astype(np.int64))


def tables_of(
    debtors: np.ndarray, accounts: np.ndarray, rows: np.ndarray, months: np.ndarray, last: int
) -> dict[str, pa.Table]:
    """The six delivered tables, text columns in the order of the contract, rows by account and time;
    nothing known after the last day.
    """
    names = Names(debtors, accounts, months)
    rows = rows[rows["known_on"] <= last]
    rows = rows[np.lexsort((rows["seq"], rows["known_on"], rows["minute"], rows["day"], rows["account"]))]
    of = {table: rows[rows["table"] == table] for table in range(6)}
    return {
        "accounts": _accounts(names, debtors, accounts, of[PLACEMENTS], last),
        "charges": _charges(names, of[CHARGES]),
        "balances": _balances(names, of[BALANCES]),
        "payments": _payments(names, of[PAYMENTS]),
        "contacts": _contacts(names, of[CONTACTS]),
        "statuses": _statuses(names, of[STATUS_ROWS]),
    }


def _accounts(names: Names, debtors: np.ndarray, accounts: np.ndarray, placed: np.ndarray, last: int) -> pa.Table:
    """The first version of every account, and a second one for each that was placed in the course of the data."""
    born = np.flatnonzero(accounts["known_on"] <= last)
    row = np.concatenate([born, placed["account"]])
    bought = accounts["placed_on"] == accounts["known_on"]
    first_placed = np.where(bought, accounts["placed_on"], NO_DAY)[born]
    placed_on = np.concatenate([first_placed, placed["day"]])
    amount = np.concatenate([np.where(bought, accounts["principal"], -1)[born], placed["amount"]])
    known_on = np.concatenate([accounts["known_on"][born], placed["known_on"]])
    order = np.lexsort((known_on, row))
    row, placed_on, amount, known_on = row[order], placed_on[order], amount[order], known_on[order]
    book, debtor = accounts["book"][row], debtors[accounts["debtor"][row]]
    group, place = debtor["group"], debtor["place"]
    most = max(len(places) for places in PLACES)
    spot = group.astype(int) * most + place
    jurisdictions, zones = _spots(most, 0), _spots(most, 1)
    products = pa.array([product for book in BOOKS for product in book.products + ("",) * (4 - len(book.products))])
    principal = accounts["principal"][row]
    people = group != JP
    limit = pa.array(np.where(book == CARD, accounts["limit"][row] // 100, 0).astype(str), mask=book != CARD)
    columns = {
        "account_id": names.account.take(pa.array(row)),
        "debtor_id": joined("D", names.debtor.take(pa.array(row))),
        "portfolio": word(tuple(book.portfolio for book in BOOKS), book),
        "product": taken(products, book * 4 + accounts["product"][row]),
        "debtor_type": word(tuple(book.debtor_type for book in BOOKS), book),
        "currency": word(tuple(book.currency for book in BOOKS), book),
        "opened_on": names.date(accounts["opened_on"][row]),
        "placed_on": names.date(placed_on),
        "principal": names.money(row, np.where(principal > 0, principal, -1), -1),
        "placed_amount": names.money(row, amount, -1),
        "jurisdiction": taken(jurisdictions, spot),
        "time_zone": taken(zones, spot),
        "known_at": names.known(row, known_on, accounts["opened_on"][row]),
        "x_credit_limit": limit,
        "x_bureau_score": pa.array(debtor["score"].astype(int).astype(str), mask=~people),
        "x_sale_channel": word(SALE_CHANNELS, debtor["sale"]),
        "x_employment_segment": word(SEGMENTS, np.where(people, debtor["segment"], -1)),
        "audit_sex": word(SEXES, np.where(people, debtor["sex"], -1)),
        "audit_age_band": word(AGE_BANDS, np.where(people, debtor["age_band"], -1)),
    }
    return pa.table(columns)


def with_language(accounts: pa.Table, recorded: np.ndarray, first: int) -> pa.Table:
    """With the language on record of each debtor (positions in TONGUES by number from `first`; -1: none)."""
    number = pc.cast(pc.utf8_slice_codeunits(accounts["debtor_id"], 1), pa.int64()).to_numpy() - first
    return accounts.append_column("language", word(TONGUES, recorded[number]))


def chances_of(debtors: np.ndarray, accounts: np.ndarray, rows: np.ndarray, months: np.ndarray) -> pa.Table:
    """account_id, day and chance: that of a payment on each day on which one could come."""
    rows = rows[rows["table"] == CHANCES]
    rows = rows[np.lexsort((rows["day"], rows["account"]))]
    names = Names(debtors, accounts, months)
    return pa.table(
        {
            "account_id": names.account.take(pa.array(rows["account"])),
            "day": pa.array(rows["day"], pa.int32()).cast(pa.date32()),
            "chance": pa.array(rows["amount"] / 1e9),
        }
    )


def _spots(most: int, part: int) -> pa.Array:
    return pa.array(
        [places[k][part] if k < len(places) else None for places in PLACES for k in range(most)], pa.string()
    )


def _charges(names: Names, rows: np.ndarray) -> pa.Table:
    rows = rows[np.lexsort((rows["known_on"], rows["seq"], rows["until_on"], rows["account"]))]
    account = rows["account"]
    return pa.table(
        {
            "charge_id": names.numbered("C", account, rows["seq"]),
            "account_id": names.account.take(pa.array(account)),
            "issued_on": names.date(rows["day"]),
            "due_on": names.date(rows["until_on"]),
            "amount": names.money(account, rows["amount"]),
            "kind": word(CHARGE_KINDS, rows["code"]),
            "known_at": names.known(account, rows["known_on"], rows["day"]),
        }
    )


def _balances(names: Names, rows: np.ndarray) -> pa.Table:
    account = rows["account"]
    return pa.table(
        {
            "account_id": names.account.take(pa.array(account)),
            "taken_on": names.date(rows["day"]),
            "balance": names.money(account, rows["amount"]),
            "arrears": names.money(account, rows["extra"]),
            "days_past_due": pa.array(rows["seq"]).cast(pa.string()),
            "known_at": names.known(account, rows["known_on"], rows["day"]),
        }
    )


def _payments(names: Names, rows: np.ndarray) -> pa.Table:
    account, item, reverses = rows["account"], rows["detail"], rows["link"]
    return pa.table(
        {
            "payment_id": names.numbered("P", account, rows["seq"]),
            "account_id": names.account.take(pa.array(account)),
            "charge_id": _or_null(names.numbered("C", account, np.maximum(item, 0)), item >= 0),
            "occurred_at": names.stamp(account, rows["day"], rows["minute"]),
            "amount": names.money(account, rows["amount"]),
            "kind": word(PAYMENT_KINDS, rows["code"]),
            "reverses": _or_null(names.numbered("P", account, np.maximum(reverses, 0)), reverses >= 0),
            "method": word(METHODS, rows["way"]),
            "known_at": names.known(account, rows["known_on"], rows["day"]),
        }
    )


def _contacts(names: Names, rows: np.ndarray) -> pa.Table:
    account = rows["account"]
    debtor = names.debtor.take(pa.array(account))
    numbers = pa.array([f"-{k:04d}" for k in range(int(rows["seq"].max(initial=0)) + 1)])
    agents = pa.array([f"agent{k:03d}" for k in range(int(rows["detail"].max(initial=0)) + 1)])
    return pa.table(
        {
            "contact_id": joined("T", debtor, taken(numbers, rows["seq"])),
            "account_id": names.account.take(pa.array(account)),
            "occurred_at": names.stamp(account, rows["day"], rows["minute"]),
            "channel": word(CHANNELS, rows["code"]),
            "direction": word(DIRECTIONS, rows["way"]),
            "outcome": word(OUTCOMES, rows["outcome"]),
            "promise_amount": names.money(account, rows["amount"], -1),
            "promise_due_on": names.date(rows["until_on"]),
            "cost": names.money(account, rows["extra"], -1),
            "agent": taken(agents, rows["detail"]),
            "person_id": joined("N", debtor, word(("a", "b"), rows["person"])),
            "endpoint_id": joined("E", debtor, word(("m", "h", "x", "p"), rows["endpoint"])),
            "known_at": names.known(account, rows["known_on"], rows["day"]),
        }
    )


def _statuses(names: Names, rows: np.ndarray) -> pa.Table:
    rows = rows[np.lexsort((rows["known_on"], rows["code"], rows["day"], rows["account"]))]
    account, clock = rows["account"], rows["minute"]
    details = pa.array(DETAILS + tuple(f"{minute // 60:02d}:{minute % 60:02d}" for minute in range(24 * 60)))
    return pa.table(
        {
            "account_id": names.account.take(pa.array(account)),
            "status": word(STATUSES, rows["code"]),
            "from_on": names.date(rows["day"]),
            "until_on": names.date(rows["until_on"]),
            "known_at": names.known(account, rows["known_on"], rows["day"]),
            "detail": taken(details, np.where(clock >= 0, clock + len(DETAILS), rows["detail"].astype(int))),
        }
    )


def _or_null(texts: pa.Array, keep: np.ndarray) -> pa.Array:
    return pc.if_else(pa.array(keep), texts, pa.scalar(None, pa.string()))


def typed(table: pa.Table) -> pa.Table:
    """Dates as dates, instants as UTC microseconds, counts as numbers; money stays decimal text."""
    kinds = {"_on": pa.date32(), "_at": pa.timestamp("us", "UTC"), "_due": pa.int32()}
    fields = [
        field.with_type(next((kind for end, kind in kinds.items() if field.name.endswith(end)), field.type))
        for field in table.schema
    ]
    return table.cast(pa.schema(fields))


def truth_of(
    debtors: np.ndarray, accounts: np.ndarray, truth: np.ndarray, months: np.ndarray, unusual: bool
) -> pa.Table:
    """What the tables cannot show: response type, chances and amounts as things are, with contact forced, without any;
    the coin.

    unusual: also the chance with which the collectors choose the debtor, what they sense of it, and the messages and
    conversations that count on the night where debtors tire.
    """
    truth = truth[np.lexsort((truth["night"], truth["account"]))]
    row, names = truth["account"], Names(debtors, accounts, months)
    chances, amounts = np.round(truth["p"], 4), _three_figures(truth["amount"])
    types = pa.DictionaryArray.from_arrays(pa.array(debtors["type"][accounts["debtor"][row]]), pa.array(RESPONSE_TYPES))
    beside = {
        "contact_probability": pa.array(np.round(truth["chosen"], 4)),
        "sensed": pa.array(np.round(truth["sensed"], 4)),
        "messages_before": pa.array(truth["messages"]),
        "conversations_before": pa.array(truth["talks"]),
    }
    return pa.table(
        {
            "account_id": names.account.take(pa.array(row)),
            "as_of": pa.array(months["first"][truth["night"]], pa.int32()).cast(pa.date32()),
            "response_type": types,
            "p_recovered": pa.array(chances[:, 0], pa.float32()),
            "p_recovered_if_contacted": pa.array(chances[:, 1], pa.float32()),
            "p_recovered_if_left": pa.array(chances[:, 2], pa.float32()),
            "expected_amount": pa.array(amounts[:, 0], pa.float32()),
            "expected_amount_if_contacted": pa.array(amounts[:, 1], pa.float32()),
            "expected_amount_if_left": pa.array(amounts[:, 2], pa.float32()),
            "random_contact_probability": pa.array(truth["coin"], pa.float32(), mask=np.isnan(truth["coin"])),
            "random_contact": pa.array(truth["heads"] == 1, mask=truth["heads"] < 0),
            **(beside if unusual else {}),
        }
    )


def arms_of(debtors: np.ndarray, accounts: np.ndarray, truth: np.ndarray, months: np.ndarray, share: float) -> pa.Table:
    """debtor_id, arm, assigned_on, until_on, probability of every debtor that a coin might
    have been thrown for on a night.

    arm: worked or left by the coin, or chosen: the collectors decided. It holds in [assigned_on, until_on), and
    probability is the chance with which it was drawn.
    """
    drawn = truth[truth["drawable"] == 1]
    arm = np.where(drawn["heads"] < 0, ARMS.index("chosen"), drawn["heads"])
    keys = np.stack([accounts["debtor"][drawn["account"]], drawn["night"], arm], axis=1).astype(np.int64).reshape(-1, 3)
    owner, night, arm = np.unique(keys, axis=0).T  # a debtor's accounts share one coin
    number, first = debtors["number"][owner], months["first"]
    return pa.table(
        {
            "debtor_id": pa.array([f"D{one:07d}" for one in number], pa.string()),
            "arm": word(ARMS, arm),
            "assigned_on": pa.array(first[night], pa.int32()).cast(pa.date32()),
            "until_on": pa.array(first[night] + months["length"][night], pa.int32()).cast(pa.date32()),
            "probability": pa.array(np.array([share * (1 - COIN), share * COIN, 1 - share])[arm]),
        }
    )


def _three_figures(amounts: np.ndarray) -> np.ndarray:
    """Rounded to three significant figures: enough for a truth of money, and small on disk."""
    unit = 10.0 ** np.floor(np.log10(np.maximum(amounts, 1)) - 2)
    return np.round(amounts / unit) * unit
