"""A made-up book of old debts of which the true answer to every treatment is known: offers that are taken or not, plans
that are kept or broken, agencies of different skill, courts.

Ranges are those of design paper TREATMENTS 7 (rows 13 to 20) where it has one; the rest is choice. A month is 30 days.
Part of the offers are drawn by lot with the probability on record; the others are made as collectors make them, who
may give most to those who would have paid anyway.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.days import date_of, day_number
from features.errors import CannotWrite, UsageError
from features.tables import NO_DAY
from pipeline.simulate.reminded import write_table

LAST_DAY = dt.date(2026, 9, 30)
MONTH, YEAR = 30, 12  # days; months over which the truth is told
KINDS = ("card_debt", "telecom_debt")
PARTIES = ("north", "south")  # agencies; north is better at cards, south at telecom debts
LAWYER = "lex"
ARMS = (0.0, 0.2, 0.4, 0.6)  # discounts that the lot chooses among, each as likely
TERMS = (3, 6, 12, 24)  # instalments of plans that are offered
VALID_DAYS = 30  # of an offer
YOUNGEST = 3  # months since default of an account that comes in
PLACED_MONTHS, COURT_MONTHS = 6, 24  # an agency, a lawyer has an account for so long
COURT_BEGINS = 6  # months before a suit brings any cash
WORKED, ON_PLAN, AT_AGENCY, AT_LAW, DONE = range(5)
CALL_COST = 300  # minor units a month, of an account worked in the house
ANNUAL_RATE = 0.06


@dataclass(frozen=True)
class World:
    """What is true of a book.

    accepts      chance to take a settlement in its 30 days at 20, 40, 60 % off, of a debtor of middling will
    breaks       monthly chance to break a plan at a burden of up to 25, 50, 100 % of what can be spared
    skill        [party, kind]: what an agency's debtors pay, against the house
    commission, court_cost (share of the balance), judged (suits that end in a judgment), pays_judged (of these, some
    cash), court_share (of the balance, then)
    confounded   how much a collector's own discounts follow the debtor's will to pay; 0: not at all
    """

    accepts: tuple[float, float, float]
    breaks: tuple[float, float, float]
    skill: tuple[tuple[float, float], tuple[float, float]]
    commission: float
    court_cost: float
    judged: float
    pays_judged: float
    court_share: float
    confounded: float

    @classmethod
    def drawn(cls, draw: np.random.Generator) -> World:
        flat = draw.random() < 0.2
        low = draw.uniform(0.02, 0.06)
        accepts = (low, low, low) if flat else (low, low + draw.uniform(0.01, 0.04), low + draw.uniform(0.05, 0.12))
        small = draw.uniform(0.01, 0.02)
        better, worse = draw.uniform(1.2, 1.8), draw.uniform(0.6, 1.0)
        return cls(
            accepts=(float(accepts[0]), float(accepts[1]), float(accepts[2])),
            breaks=(float(small), float(draw.uniform(0.02, 0.04)), float(draw.uniform(0.04, 0.10))),
            skill=((float(better), float(worse)), (float(worse), float(better))),
            commission=float(draw.uniform(0.18, 0.35)),
            court_cost=float(draw.uniform(0.08, 0.20)),
            judged=float(draw.uniform(0.80, 0.95)),
            pays_judged=float(draw.uniform(0.20, 0.45)),
            court_share=float(draw.uniform(0.10, 0.35)),
            confounded=0.0,
        )


@dataclass
class Book:
    """Where every debtor stands; money in minor units. spare: what can be spared a month."""

    world: World
    kind: np.ndarray
    will: np.ndarray
    spare: np.ndarray
    balance: np.ndarray
    age: np.ndarray  # months since default
    state: np.ndarray
    party: np.ndarray
    until: np.ndarray  # month in which a placement ends
    instalment: np.ndarray
    left: np.ndarray  # instalments of the plan
    number: np.ndarray  # of the plan, the placement in force

    def only(self, rows: np.ndarray) -> Book:
        own = {name: value[rows] for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        return Book(self.world, **own)

    def chance_to_pay(self) -> np.ndarray:
        """In a month, of a debtor who is worked in the house."""
        level = -2.3 + 0.8 * self.will + 0.3 * np.log(self.spare / 8_000) - 0.04 * np.minimum(self.age, 36)
        return 1 / (1 + np.exp(-level))

    def pays(self, draw: np.random.Generator, times: np.ndarray | float = 1.0) -> np.ndarray:
        """Money of this month of those who pay of their own."""
        comes = draw.random(self.balance.size) < np.minimum(1 - (1 - self.chance_to_pay()) ** times, 0.95)
        whole = np.minimum(self.balance, (self.spare * draw.uniform(0.2, 0.8, self.balance.size)).astype(np.int64))
        return np.where(comes, whole, 0)

    def chance_to_accept(self, discount: np.ndarray) -> np.ndarray:
        """Of a settlement, in its 30 days: never falling with the discount, rising with the will and with what can be
        spared against the price."""
        level = np.interp(discount, (0.0, 0.2, 0.4, 0.6), (0.6 * self.world.accepts[0], *self.world.accepts))
        price = np.maximum((1 - discount) * self.balance, 1)
        return np.minimum(level * np.exp(0.5 * self.will) * np.minimum(1.0, 10 * self.spare / price), 0.9)

    def chance_to_agree(self, terms: np.ndarray) -> np.ndarray:
        """Of a plan of so many instalments."""
        burden = self.balance / terms / self.spare
        return 0.35 * np.exp(0.3 * self.will) * np.where(burden <= 0.5, 1.0, np.where(burden <= 1.0, 0.6, 0.15))

    def chance_to_break(self, instalment: np.ndarray) -> np.ndarray:
        """In a month of a plan: monotone in its burden; three times as high beyond what can be spared."""
        low, middle, high = self.world.breaks
        burden = instalment / self.spare
        level = np.where(burden <= 0.25, low, np.where(burden <= 0.5, middle, np.where(burden <= 1, high, 3 * high)))
        return np.minimum(level * np.exp(-0.3 * self.will), 0.9)


@dataclass(frozen=True)
class Lived:
    """What happened, as rows of the contract's tables by the number of the debtor, and the book as it ended."""

    book: Book
    debtors: pd.DataFrame
    tables: Mapping[str, pd.DataFrame]
    truth: Mapping[str, pd.DataFrame]


def born(debtors: int, draw: np.random.Generator, world: World) -> Book:
    spare = np.maximum(draw.lognormal(np.log(8_000), 0.6, debtors), 1_000).astype(np.int64)
    none = np.zeros(debtors, np.int64)
    return Book(
        world,
        kind=draw.integers(0, len(KINDS), debtors),
        will=draw.normal(size=debtors),
        spare=spare,
        balance=np.maximum(draw.lognormal(np.log(90_000), 0.7, debtors), 5_000).astype(np.int64),
        age=draw.integers(YOUNGEST, 30, debtors),
        state=none.copy(),
        party=none - 1,
        until=none.copy(),
        instalment=none.copy(),
        left=none.copy(),
        number=none - 1,
    )


def live(
    debtors: int, seed: int, months: int = 24, explored: float = 0.5, arriving: float = 0.0, **otherwise: Any
) -> Lived:
    """The same debtors, seed and months live the same lives. explored: share of offers whose price the lot chooses.
    arriving: share of the debtors who come while the book lives, each month after the first as likely, as old as the
    youngest of those who are there from the first; 0: every debt grows older together. otherwise: of the world, in the
    place of what is drawn.
    """
    if debtors < 1 or months < 3:
        raise UsageError("A book of old debts needs a debtor or more, and 3 months or more.")
    draw = np.random.default_rng([seed, 15])
    world = replace(World.drawn(draw), **otherwise)
    book = born(debtors, draw, world)
    first_balance = book.balance.copy()
    arrives = arrivals(debtors, months, arriving, seed)
    book.age[arrives > 0] = YOUNGEST
    begins = day_number(LAST_DAY) + 1 - months * MONTH
    told: dict[str, list[pd.DataFrame]] = {}
    counts = {"offers": 0, "plans": 0, "placements": 0}

    def keep(table: str, **columns: object) -> None:
        frame = pd.DataFrame(columns)
        if len(frame):
            told.setdefault(table, []).append(frame)

    def numbered(table: str, size: int) -> np.ndarray:
        counts[table] += size
        return np.arange(counts[table] - size, counts[table])

    def pay(who: np.ndarray, day: np.ndarray, amount: np.ndarray) -> None:
        keep("payments", debtor=who, day=day, amount=amount, kind="payment")
        book.balance[who] -= amount

    for month in range(months):
        start = begins + month * MONTH
        day = start + draw.integers(3, MONTH - 3, debtors)
        here = arrives <= month
        open_ = (book.balance > 0) & here
        # Agencies and courts have what they have; what is recalled is worked again.
        back = np.flatnonzero((book.state >= AT_AGENCY) & (book.state < DONE) & (book.until <= month) & open_)
        keep("recalls", number=book.number[back], day=np.full(back.size, start))
        book.state[back], book.party[back], book.number[back] = WORKED, -1, -1
        for state in (AT_AGENCY, AT_LAW):
            own = np.flatnonzero((book.state == state) & open_)
            part = book.only(own)
            if state == AT_AGENCY:
                skill = np.array(world.skill)[part.party, part.kind]
                amount = part.pays(draw, skill)
            else:
                amount = _of_court(draw, part, month)
            paid = amount > 0
            pay(own[paid], day[own[paid]], amount[paid])
        # Plans: an instalment a month, or the end.
        on = np.flatnonzero((book.state == ON_PLAN) & open_)
        part = book.only(on)
        breaks = draw.random(on.size) < part.chance_to_break(part.instalment)
        keep("ends", number=part.number[breaks], day=day[on[breaks]], how="broken")
        book.state[on[breaks]] = WORKED
        keeps = on[~breaks]
        amount = np.minimum(book.instalment[keeps], book.balance[keeps])
        pay(keeps, np.full(keeps.size, start + 2), amount)
        book.left[keeps] -= 1
        done = keeps[(book.left[keeps] == 0) | (book.balance[keeps] <= 0)]
        keep("ends", number=book.number[done], day=np.full(done.size, start + 3), how="kept")
        book.state[done] = WORKED
        # The house works the rest: money of their own, offers, placements.
        worked = np.flatnonzero((book.state == WORKED) & (book.balance > 0) & here)
        amount = book.only(worked).pays(draw)
        paid = worked[amount > 0]
        pay(paid, day[paid], amount[amount > 0])
        keep("contacts", debtor=worked, day=np.full(worked.size, start + 1))
        worked = worked[(book.balance[worked] > 0) & (amount == 0)]
        u = draw.random(worked.size)
        _settle(book, worked[u < 0.08], day, draw, explored, keep, numbered, pay)
        _agree(book, worked[(u >= 0.08) & (u < 0.14)], start, day, draw, explored, keep, numbered)
        _place(book, worked[(u >= 0.14) & (u < 0.19)], month, day, draw, keep, numbered)
        book.age += here
    tables = {name: pd.concat(rows, ignore_index=True) for name, rows in told.items()}
    came_on = np.where(arrives > 0, begins + arrives * MONTH, NO_DAY)
    who = pd.DataFrame({"kind": book.kind, "principal": first_balance, "came_on": came_on})
    truth = {name: tables.pop(name) for name in ("accepts", "breaks") if name in tables}
    return Lived(book, who, tables, truth)


def arrivals(debtors: int, months: int, arriving: float, seed: int) -> np.ndarray:
    """int64 per debtor: the month in which the account comes, 0 for those who are there from the first."""
    draw = np.random.default_rng([seed, 18])
    comes = draw.random(debtors) < arriving
    return np.where(comes, draw.integers(1, months, debtors), 0)


def _of_court(draw: np.random.Generator, part: Book, month: int) -> np.ndarray:
    """Cash of a suit comes in one sum, from half a year after it began; every month of the time left as likely."""
    world, left = part.world, part.until - month
    comes = draw.random(part.balance.size) < world.judged * world.pays_judged / (COURT_MONTHS - COURT_BEGINS)
    share = world.court_share * draw.uniform(0.6, 1.4, part.balance.size)
    return np.where(
        comes & (left <= COURT_MONTHS - COURT_BEGINS), np.minimum(part.balance, share * part.balance), 0
    ).astype(np.int64)


def _settle(book, who, day, draw, explored, keep, numbered, pay) -> None:
    """Settlements offered: by lot, or by the collector, whose discounts follow the debtor's will where confounded."""
    if not who.size:
        return
    number, part = numbered("offers", who.size), book.only(who)
    by_lot = draw.random(who.size) < explored
    own = np.clip(0.25 + 0.2 * book.world.confounded * part.will + 0.1 * draw.normal(size=who.size), 0, 0.6)
    discount = np.where(by_lot, draw.choice(ARMS, who.size), np.round(own, 2))
    chance = part.chance_to_accept(discount)
    accepts = draw.random(who.size) < chance
    price = np.maximum(np.round((1 - discount) * part.balance), 1).astype(np.int64)
    answer = day[who] + draw.integers(1, 3, who.size)
    said = np.where(accepts, "accepted", np.where(draw.random(who.size) < 0.4, "refused", ""))
    keep(
        "offers", number=number, debtor=who, day=day[who], kind="settlement", amount=price, instalments=1,
        discount=discount, outcome=said, answer=answer,
        variant=np.where(by_lot, [f"off_{round(100 * each)}" for each in discount], ""),
        probability=np.where(by_lot, 1 / len(ARMS), np.nan),
    )  # fmt: skip
    keep("accepts", number=number, debtor=who, discount=discount, chance=chance)
    taken = who[accepts]
    rest = book.balance[taken] - price[accepts]
    pay(taken, answer[accepts], price[accepts])
    keep("credits", debtor=taken[rest > 0], day=answer[accepts][rest > 0], amount=rest[rest > 0])
    book.balance[taken] = 0


def _agree(book, who, start, day, draw, explored, keep, numbered) -> None:
    """Plans offered; the first instalment of one that is taken falls due with the next month."""
    if not who.size:
        return
    number, part = numbered("offers", who.size), book.only(who)
    by_lot = draw.random(who.size) < explored
    fitting = np.array(TERMS)[np.clip(np.searchsorted(TERMS, part.balance / part.spare * 2), 0, len(TERMS) - 1)]
    terms = np.where(by_lot, draw.choice(TERMS, who.size), fitting)
    accepts = draw.random(who.size) < part.chance_to_agree(terms)
    said = np.where(accepts, "accepted", np.where(draw.random(who.size) < 0.5, "refused", ""))
    keep(
        "offers", number=number, debtor=who, day=day[who], kind="plan", amount=part.balance, instalments=terms,
        discount=np.nan, outcome=said, answer=day[who] + 1,
        variant=np.where(by_lot, [f"in_{each}" for each in terms], ""),
        probability=np.where(by_lot, 1 / len(TERMS), np.nan),
    )  # fmt: skip
    taken, terms = who[accepts], terms[accepts]
    plan = numbered("plans", taken.size)
    instalment = -(-book.balance[taken] // terms)
    book.state[taken], book.number[taken], book.left[taken], book.instalment[taken] = ON_PLAN, plan, terms, instalment
    keep(
        "plans", number=plan, debtor=taken, day=day[taken], terms=terms, total=book.balance[taken],
        instalment=instalment, first=np.full(taken.size, start + MONTH + 2),
    )  # fmt: skip
    keep("breaks", number=plan, debtor=taken, chance=book.only(taken).chance_to_break(instalment), terms=terms)


def _place(book, who, month, day, draw, keep, numbered) -> None:
    """Four of five to one of two agencies by lot, the largest of the rest to court."""
    if not who.size:
        return
    sues = (draw.random(who.size) < 0.2) & (book.balance[who] > 100_000)
    party = draw.integers(0, len(PARTIES), who.size)
    number = numbered("placements", who.size)
    book.state[who], book.party[who] = np.where(sues, AT_LAW, AT_AGENCY), party
    book.until[who], book.number[who] = month + 1 + np.where(sues, COURT_MONTHS, PLACED_MONTHS), number
    cost = np.where(sues, np.round(book.world.court_cost * book.balance[who]), 0).astype(np.int64)
    keep(
        "placements", number=number, debtor=who, day=day[who] + 2, route=np.where(sues, "legal", "agency"),
        party=np.where(sues, LAWYER, np.array(PARTIES)[party]),
        commission=np.where(sues, np.nan, book.world.commission), cost=cost, amount=book.balance[who],
    )  # fmt: skip


# ---- what is true of every way ---------------------------------------------------------------------------------------


def ways() -> dict[str, tuple[int, float]]:
    """Way -> (state it brings an account into, its term or discount)."""
    found = {"internal": (WORKED, 0.0), "legal": (AT_LAW, 0.0)}
    found |= {f"plan_{terms}": (ON_PLAN, float(terms)) for terms in TERMS}
    found |= {f"settlement_{round(100 * discount)}": (DONE, discount) for discount in ARMS}
    return found | {party: (AT_AGENCY, float(at)) for at, party in enumerate(PARTIES)}


def true_values(book: Book, runs: int = 200, seed: int = 0, months: int = YEAR) -> pd.DataFrame:
    """Expected net money of each debtor by each way over `months`, discounted, in minor units: a mean of `runs` lives.

    Net of calls, commission and court. A plan or settlement that is not taken, or is broken, is followed by work in the
    house; so is what an agency gives back.
    """
    return pd.DataFrame({way: _worth(book, *how, runs, seed, months) for way, how in ways().items()})


def _worth(book: Book, state: int, term: float, runs: int, seed: int, months: int) -> np.ndarray:
    total = np.zeros(book.balance.size)
    draw = np.random.default_rng([seed, state, round(100 * term)])
    for _ in range(runs):
        total += sum(_lives_on(book, state, term, draw, months))
    return total / runs


def _lives_on(book: Book, state: int, term: float, draw: np.random.Generator, months: int) -> Iterator[np.ndarray]:
    size, world = book.balance.size, book.world
    own = book.only(np.arange(size))
    own.balance, own.age = own.balance.copy(), own.age.copy()
    at, left, instalment = np.full(size, state), np.zeros(size, np.int64), own.balance
    if state == ON_PLAN:
        agrees = draw.random(size) < own.chance_to_agree(np.full(size, term))
        at, left = np.where(agrees, ON_PLAN, WORKED), np.where(agrees, int(term), 0)
        instalment = -(-own.balance // int(term))
    elif state == DONE:
        accepts = draw.random(size) < own.chance_to_accept(np.full(size, term))
        price = np.round((1 - term) * own.balance)
        yield np.where(accepts, price, 0)
        own.balance = np.where(accepts, 0, own.balance)
        at = np.full(size, WORKED)
    elif state == AT_LAW:
        yield -world.court_cost * own.balance
        own.until = np.full(size, COURT_MONTHS)
    skill = np.array(world.skill)[int(term), own.kind] if state == AT_AGENCY else 1.0
    for month in range(months):
        share = 1 / (1 + ANNUAL_RATE) ** ((month + 0.5) * MONTH / 365)
        paid = own.pays(draw)
        cost = np.where((at == WORKED) & (own.balance > 0), CALL_COST, 0)
        if state == AT_AGENCY and month < PLACED_MONTHS:
            paid, cost = own.pays(draw, skill), np.zeros(size)
            cost = world.commission * paid
        elif state == AT_LAW:
            paid, cost = _of_court(draw, own, month), np.zeros(size)
        elif state == ON_PLAN:
            on = at == ON_PLAN
            breaks = on & (draw.random(size) < own.chance_to_break(instalment))
            at = np.where(breaks, WORKED, at)
            keeps = on & ~breaks
            paid = np.where(keeps, np.minimum(instalment, own.balance), np.where(breaks, 0, paid))
            cost = np.where(on, 0, cost)
            left = left - keeps
            at = np.where(keeps & (left == 0), WORKED, at)
        paid = np.minimum(paid, own.balance)
        own.balance = own.balance - paid
        own.age = own.age + 1
        yield share * (paid - cost)


# ---- as a delivery ---------------------------------------------------------------------------------------------------


def deliver(lived: Lived, out: Path, runs: int = 200) -> None:
    """The book as a source folder in the form of the contract, with what is true of it in truth/: world.json, the
    chance of every settlement offered (offers.parquet), the monthly chance to break every plan (plans.parquet), and
    what each way is worth of who still owes (routes.parquet). CannotWrite where `out` holds another delivery.
    """
    owing = np.flatnonzero(lived.book.balance > 0)
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "truth").mkdir()
        for name, (head, rows) in rows_of(lived).items():
            write_table(out, name, head, rows, LAST_DAY)
        told = json.dumps(asdict(lived.book.world), indent=1, sort_keys=True)
        (out / "truth" / "world.json").write_text(told + "\n", encoding="utf-8")
        worth = true_values(lived.book.only(owing), runs)
        worth.insert(0, "account_id", [_account(each) for each in owing.tolist()])
        worth.to_parquet(out / "truth" / "routes.parquet", index=False)
        for name, file in (("accepts", "offers"), ("breaks", "plans")):
            if name in lived.truth:
                lived.truth[name].to_parquet(out / "truth" / f"{file}.parquet", index=False)
    except OSError as error:
        raise CannotWrite.creating(f"Delivery {str(out)!r}", error) from None


def rows_of(lived: Lived) -> Mapping[str, tuple[Sequence[str], Sequence[Sequence[object]]]]:
    """Table -> its heading and rows, of what was known on the last day."""
    last, tables = day_number(LAST_DAY), lived.tables
    none = pd.DataFrame({"number": [], "day": [], "how": []})
    opened = [date_of(last - MONTH * int(age) - 400) for age in lived.book.age]
    came = [
        first if day == NO_DAY else date_of(int(day))
        for first, day in zip(opened, lived.debtors["came_on"], strict=True)
    ]
    accounts = [
        (_account(at), f"D{at:06d}", "old_debts", KINDS[row.kind], "consumer", "EUR", opened[at], came[at],
         _money(row.principal), "GB-ENG", "Europe/London", came[at])
        for at, row in enumerate(lived.debtors.itertuples())
    ]  # fmt: skip
    charges = [
        (f"C{at:06d}", _account(at), opened[at], opened[at] + dt.timedelta(30), _money(row.principal), "principal",
         came[at])
        for at, row in enumerate(lived.debtors.itertuples())
    ]  # fmt: skip
    money = pd.concat(
        [tables["payments"], tables.get("credits", pd.DataFrame()).assign(kind="credit")], ignore_index=True
    )
    payments = [
        (f"P{at:07d}", _account(row.debtor), _at(row.day), _money(row.amount), row.kind, _at(row.day + 1))
        for at, row in enumerate(money.itertuples())
        if row.day < last
    ]
    offers, plans, placements = [], [], []
    for row in tables["offers"].itertuples():
        if row.day > last:
            continue
        told = (
            f"O{row.number:06d}", _account(row.debtor), _at(row.day, 10), row.kind, _money(row.amount), row.instalments,
            _share(row.discount), date_of(row.day + VALID_DAYS), row.variant, _share(row.probability),
        )  # fmt: skip
        offers.append((*told, "", _at(row.day, 10)))
        if row.outcome and row.answer <= last:
            offers.append((*told, row.outcome, _at(row.answer, 18)))
    ends = tables.get("ends", none).set_index("number")
    for row in tables.get("plans", pd.DataFrame()).itertuples():
        if row.day > last:
            continue
        ended = ends.loc[row.number] if row.number in ends.index and ends.loc[row.number, "day"] <= last else None
        for at in range(row.terms):
            due = row.first + at * MONTH
            part = min(row.instalment, row.total - at * row.instalment)
            if part <= 0:
                continue
            told = (
                f"Q{row.number:06d}",
                _account(row.debtor),
                date_of(row.day),
                _money(row.total),
                date_of(due),
                _money(part),
            )
            plans.append((*told, "", "", _at(row.day, 18)))
            if at == 0 and ended is not None:
                plans.append((*told, date_of(int(ended["day"])), ended["how"], _at(int(ended["day"]), 18)))
    recalls = tables.get("recalls", none).set_index("number")["day"]
    for row in tables.get("placements", pd.DataFrame()).itertuples():
        if row.day > last:
            continue
        told = f"G{row.number:06d}", _account(row.debtor), row.route, row.party, date_of(row.day)
        rest = _share(row.commission), _money(row.cost) if row.cost else "", _money(row.amount)
        placements.append((*told, "", *rest, _at(row.day, 9)))
        if row.number in recalls.index:
            placements.append((*told, date_of(int(recalls[row.number])), *rest, _at(int(recalls[row.number]), 9)))
    called = tables["contacts"]
    contacts = [
        (f"T{at:07d}", _account(row.debtor), _at(row.day, 9), "call", "outbound", "no_answer", _at(row.day, 9))
        for at, row in enumerate(called[called["day"] <= last].itertuples())
    ]
    return {
        "accounts": (
            ["account_id", "debtor_id", "portfolio", "product", "debtor_type", "currency", "opened_on", "placed_on",
             "principal", "jurisdiction", "time_zone", "known_at"],
            accounts,
        ),
        "charges": (["charge_id", "account_id", "issued_on", "due_on", "amount", "kind", "known_at"], charges),
        "payments": (["payment_id", "account_id", "occurred_at", "amount", "kind", "known_at"], payments),
        "contacts": (
            ["contact_id", "account_id", "occurred_at", "channel", "direction", "outcome", "known_at"], contacts
        ),
        "statuses": (["account_id", "status", "from_on", "known_at"], []),
        "offers": (
            ["offer_id", "account_id", "made_at", "kind", "amount", "instalments", "discount", "valid_until", "variant",
             "probability", "outcome", "known_at"],
            offers,
        ),
        "plans": (
            ["plan_id", "account_id", "agreed_on", "total", "due_on", "amount", "ended_on", "how", "known_at"], plans
        ),
        "placements": (
            ["placement_id", "account_id", "route", "party", "placed_on", "recalled_on", "commission", "fixed_cost",
             "amount", "known_at"],
            placements,
        ),
    }  # fmt: skip


def _account(debtor: int) -> str:
    return f"A{debtor:06d}"


def _at(day: int, hour: int = 12) -> str:
    return f"{date_of(int(day)).isoformat()}T{hour:02d}:00:00+00:00"


def _money(minor: float) -> str:
    return f"{int(minor) // 100}.{int(minor) % 100:02d}"


def _share(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.6f}".rstrip("0").rstrip(".") or "0"
