"""A plan that can be kept: what the debtor's own payments support, the schedule, and the money to be expected from it.

A plan breaks at each instalment with a hazard that never falls with its burden (instalment ÷ supported amount), and
hangs on nothing else: published trials say the sign of burden and of length, and no more (a longer plan is exposed
longer). After a break the account is worth what waiting is worth, times what the policy thinks is left of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.days import days_left_in_month, days_of_month, firsts_of_month
from features.tables import NO_DAY, PLAN_ENDS
from models.belief import LEAST_MATURED, PLANS, Belief, Curve, kept_to, never_falling
from models.resampling import debtor_draws, interval

MONTH_DAYS = 365.25 / 12
UNIT_DAYS = {"month": MONTH_DAYS, "fortnight": 14.0, "week": 7.0}
APART = 0.8  # an alternative's instalment a month is at most this share of the proposed one, or the proposed of it
PACE = 1.5  # payments may lie so many units apart: whoever pays by the month is not asked by the fortnight
ROWS_AT_ONCE = 20_000
# Why there is no plan.
UNKNOWN, NOTHING, OUTSIDE, SELDOM = "support_unknown", "nothing_to_spare", "outside_bounds", "kept_too_seldom"
PLAN_COLUMNS = (
    "unit",
    "instalments",
    "instalment",
    "last_instalment",
    "first_on",
    "last_on",
    "after_payday",
    "supported",
    "burden",
    "p_break",
    "p_kept",
    "kept_money",
    "broken_money",
    "cost",
    "value",
    "value_low",
    "value_high",
)


@dataclass(frozen=True)
class PlanTerms:
    """Bounds of plans, and what is believed of them.

    units             of UNIT_DAYS, preferred first
    least, most       instalments
    least_instalment, step, cost   currency -> minor units: smallest instalment, what instalments are multiples of
                      (all but the last), cost of setting one up; a currency without them has no plan
    first_after_days, first_within_days   the first day lies so many days after as_of, at least and at most
    share_of_usual    largest instalment ÷ what the debtor usually pays in the time of one
    share_of_income   largest instalment ÷ the delivered disposable income of that time
    breaks            burden -> chance of a break in a month
    after_break       what is left of the worth of waiting once a plan broke
    least_kept        chance of being kept to the end, below which there is no plan
    """

    units: tuple[str, ...]
    least: int
    most: int
    least_instalment: Mapping[str, int]
    step: Mapping[str, int]
    cost: Mapping[str, int]
    first_after_days: int
    first_within_days: int
    share_of_usual: float
    share_of_income: float
    breaks: Curve
    after_break: float
    annual_rate: float
    least_kept: float = 0.0


@dataclass(frozen=True)
class Plans:
    """Index as the rows'. best, easier, quicker: PLAN_COLUMNS, instalments 0 where there is none; why: "" where there
    is a best one, else UNKNOWN, NOTHING, SELDOM (all that lie within the other bounds are kept too seldom) or OUTSIDE.
    """

    best: pd.DataFrame
    easier: pd.DataFrame
    quicker: pd.DataFrame
    why: pd.Series


def supported(rows: pd.DataFrame, unit: str, terms: PlanTerms) -> pd.DataFrame:
    """What an instalment may be, in minor units (float64): usual, income, other, supported. Index as the rows'.

    rows: usual_payment (minor units), usual_gap_days (between payments), other_plans and disposable_income (minor units
    a month); NaN is unknown. usual: share_of_usual x usual_payment x days of the unit ÷ usual_gap_days; income:
    share_of_income x disposable income in that time; supported: the lesser of what is known of them, less what other
    plans take in that time, not below 0; NaN where neither is known. An undelivered income is unknown, never guessed.
    """
    days = UNIT_DAYS[unit]
    gap = rows["usual_gap_days"].to_numpy(np.float64)
    usual = terms.share_of_usual * rows["usual_payment"].to_numpy(np.float64) * days
    usual = np.divide(usual, gap, out=np.full(len(rows), np.nan), where=gap > 0)
    income = terms.share_of_income * rows["disposable_income"].to_numpy(np.float64) * days / MONTH_DAYS
    other = np.nan_to_num(rows["other_plans"].to_numpy(np.float64)) * days / MONTH_DAYS
    spare = np.maximum(np.fmin(usual, income) - other, 0.0)
    return pd.DataFrame({"usual": usual, "income": income, "other": other, "supported": spare}, index=rows.index)


def keeps_pace(rows: pd.DataFrame, unit: str) -> np.ndarray:
    """bool per row: whether the debtor pays about as often as a plan of the unit asks; a month is never too often."""
    gap = rows["usual_gap_days"].to_numpy(np.float64)
    return (gap <= PACE * UNIT_DAYS[unit]) | (unit == "month")


def first_days(
    payday: np.ndarray, as_of: np.ndarray | int, after_days: int, within_days: np.ndarray | int
) -> tuple[np.ndarray, np.ndarray]:
    """(int64 day of the first instalment, whether it follows the payday). as_of, within_days: one, or one per row.

    payday: day of the month on which the debtor has money, 31 for the last; 0 where unknown. The first instalment falls
    on the day after a payday, the first one at least after_days after as_of; without a payday on that day itself. Where
    it would lie more than within_days after as_of, that last day is taken.
    """
    payday = payday.astype(np.int64)
    earliest, latest = as_of + after_days, as_of + within_days
    found = np.full(payday.size, latest + 1, np.int64)
    day = np.full(payday.size, earliest, np.int64)
    for months in (1, 0, -1):
        following = _after_payday(firsts_of_month(day, months), payday)
        found = np.where(following >= earliest, following, found)
    follows = (payday > 0) & (found <= latest)
    return np.where(follows, found, np.where(payday > 0, latest, earliest)), follows


def due_days(first_on: np.ndarray, payday: np.ndarray, follows: np.ndarray, unit: str, many: int) -> np.ndarray:
    """int64[many, rows]: the days of the instalments.

    A month on is the day after the next payday, where the first one follows it; else the same day of the next month, in
    shorter months its last, so that the 31st comes back after February. Weeks and fortnights count days.
    """
    first_on = first_on.astype(np.int64)
    if unit != "month":
        return first_on + int(UNIT_DAYS[unit]) * np.arange(many)[:, None]
    day, before = days_of_month(first_on), first_on - follows
    found = np.empty((many, first_on.size), np.int64)
    for k in range(many):
        begins = firsts_of_month(before, k)
        same = begins + np.minimum(day - 1, days_left_in_month(begins))
        found[k] = np.where(follows, _after_payday(begins, payday.astype(np.int64)), same)
    return found


def _after_payday(begins: np.ndarray, payday: np.ndarray) -> np.ndarray:
    """The day after the payday of months that begin on these days."""
    return begins + np.minimum(payday, days_left_in_month(begins) + 1)


def instalments_of(
    owed: np.ndarray, many: np.ndarray | int, step: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(instalment, last instalment, number of them) in int64 minor units: equal ones, multiples of `step`, and a last
    one that takes the rest, never larger; they always add up to what is owed. The number is less than `many` where the
    step rounds them up.
    """
    regular = np.maximum(_up(_up(owed, many), step) * step, 1)
    count = _up(owed, regular)
    return regular, owed - (count - 1) * regular, count


def _up(amount: np.ndarray, by: np.ndarray | int) -> np.ndarray:
    """Division of whole numbers, rounded up."""
    return -(-amount // by)


def schedule(plan: pd.Series, payday: int) -> list[tuple[int, int]]:
    """(day number, minor units) of each instalment of one row of Plans."""
    first = np.array([plan["first_on"]])
    many, follows = int(plan["instalments"]), np.array([plan["after_payday"]])
    days = due_days(first, np.array([payday]), follows, str(plan["unit"]), many)[:, 0]
    amounts = [int(plan["instalment"])] * (many - 1) + [int(plan["last_instalment"])]
    return list(zip(days.tolist(), amounts, strict=True))


def plans(rows: pd.DataFrame, as_of: int, terms: PlanTerms) -> Plans:
    """The plan of highest expected value within the bounds, and two others: one easier to bear, one over sooner.

    rows: currency, balance (what the plan pays, int64 minor units), continuation (what waiting is worth, minor units),
    payday (0 unknown), and the columns of `supported`. An alternative's instalment a month differs by APART or more;
    where there is none such, it is the next best plan of all. value = kept_money + broken_money - cost, each int64
    minor units of the account, discounted to as_of by the day it falls due; value_low and value_high: with the high and
    the low end of the chance of a break. Ties go to the unit preferred, then to fewer instalments.
    """
    parts = [_plans(rows.iloc[at : at + ROWS_AT_ONCE], as_of, terms) for at in range(0, len(rows), ROWS_AT_ONCE)]
    if not parts:
        parts = [_plans(rows, as_of, terms)]
    return Plans(*(pd.concat([getattr(part, name) for part in parts]) for name in ("best", "easier", "quicker", "why")))


@dataclass(frozen=True)
class _Asked:
    """One lot of rows as arrays, minor units as float64 but for owed, step and cost."""

    owed: np.ndarray
    step: np.ndarray
    least: np.ndarray
    cost: np.ndarray
    left_share: np.ndarray  # after_break x continuation ÷ balance
    spare: Mapping[str, np.ndarray]
    paced: Mapping[str, np.ndarray]
    first_on: np.ndarray
    follows: np.ndarray
    days: Mapping[str, np.ndarray]
    discount: Mapping[str, np.ndarray]


def _asked(rows: pd.DataFrame, as_of: int, terms: PlanTerms, first_on: np.ndarray | None = None) -> _Asked:
    """first_on: of each row, where the first day is not to be chosen."""
    currency, owed = rows["currency"].astype("str"), rows["balance"].to_numpy(np.int64)
    step, least, cost = (
        currency.map({name: float(amount) for name, amount in by.items()}).fillna(-1).to_numpy(np.int64)
        for by in (terms.step, terms.least_instalment, terms.cost)
    )
    known = (step > 0) & (least >= 0) & (cost >= 0) & (owed > 0)
    payday = np.nan_to_num(rows["payday"].to_numpy(np.float64)).astype(np.int64)
    if first_on is None:
        first_on, follows = first_days(payday, as_of, terms.first_after_days, terms.first_within_days)
    else:
        follows = (payday > 0) & (_after_payday(firsts_of_month(first_on - 1), payday) == first_on)
    days = {unit: due_days(first_on, payday, follows, unit, terms.most) for unit in terms.units}
    waiting = np.maximum(rows["continuation"].to_numpy(np.float64), 0.0)
    return _Asked(
        np.where(known, owed, 0),
        np.maximum(step, 1),
        least,
        np.maximum(cost, 0),
        terms.after_break * np.divide(waiting, owed, out=np.zeros(len(rows)), where=owed > 0),
        {unit: supported(rows, unit, terms)["supported"].to_numpy() for unit in terms.units},
        {unit: keeps_pace(rows, unit) for unit in terms.units},
        first_on,
        follows,
        days,
        {unit: (1 + terms.annual_rate) ** (-(each - as_of) / 365.0) for unit, each in days.items()},
    )


def _plans(rows: pd.DataFrame, as_of: int, terms: PlanTerms) -> Plans:
    asked = _asked(rows, as_of, terms)
    forms = [(unit, many) for unit in terms.units for many in range(terms.least, terms.most + 1)]
    value = np.full((len(rows), len(forms)), -np.inf)
    monthly = np.full((len(rows), len(forms)), np.nan)
    seldom = np.zeros(len(rows), bool)
    for place, (unit, many) in enumerate(forms):
        regular, last, count = instalments_of(asked.owed, many, asked.step)
        fits = (count == many) & (last >= asked.least) & (regular <= asked.spare[unit]) & asked.paced[unit]
        own = np.flatnonzero(fits)
        if own.size:
            told = _described(asked, own, np.full(own.size, place), forms, terms)
            kept = told["p_kept"] >= terms.least_kept
            seldom[own[~kept]] = True
            own = own[kept]
            value[own, place] = told["value"][kept]
            monthly[own, place] = regular[own] * (MONTH_DAYS / UNIT_DAYS[unit])
    best = _highest(value)
    own = monthly[np.arange(len(rows)), best]
    easier = _highest(np.where(monthly <= APART * own[:, None], value, -np.inf))
    quicker = _highest(np.where(monthly >= own[:, None] / APART, value, -np.inf))
    easier = np.where(easier >= 0, easier, _next_best(value, best, quicker))
    quicker = np.where(quicker >= 0, quicker, _next_best(value, best, easier))
    found = []
    for chosen in (best, easier, quicker):
        there = np.flatnonzero(chosen >= 0)
        told = _described(asked, there, chosen[there], forms, terms)
        whole = pd.DataFrame(told, index=rows.index[there]).reindex(rows.index)
        found.append(_typed(whole))
    spare = np.stack([asked.spare[unit] for unit in terms.units])
    tests = {
        "": best >= 0,
        UNKNOWN: np.isnan(spare).all(axis=0),
        NOTHING: (spare <= 0).all(axis=0),
        SELDOM: seldom,
    }
    why = np.select(list(tests.values()), list(tests), OUTSIDE)
    return Plans(found[0], found[1], found[2], pd.Series(why, index=rows.index, dtype="str"))


def stated_plans(
    rows: pd.DataFrame, as_of: int, terms: PlanTerms, *, amount: np.ndarray, many: np.ndarray, first_on: np.ndarray
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """(PLAN_COLUMNS of plans whose amount, number of instalments and first day are given; bool per row: whether there
    is such a plan within the bounds, its first day not yet past; whether several units fit, and nobody knows which was
    meant). Index as the rows'.

    rows: as for `plans`. The first day may lie anywhere from as_of on.
    """
    inside = (many >= terms.least) & (many <= terms.most) & (first_on >= as_of)
    asked = _asked(rows.assign(balance=amount), as_of, terms, np.maximum(first_on, as_of))
    counts = np.clip(many, terms.least, terms.most)
    regular, last, count = instalments_of(asked.owed, counts, asked.step)
    place, units = np.full(len(rows), -1, np.int64), np.zeros(len(rows), np.int64)
    width = terms.most - terms.least + 1
    for number, unit in enumerate(terms.units):
        fits = (count == many) & (last >= asked.least) & (regular <= asked.spare[unit]) & asked.paced[unit]
        fits &= inside & (asked.owed > 0)
        units += fits
        place = np.where(fits, number * width + counts - terms.least, place)
    place[units > 1] = -1
    forms = [(unit, each) for unit in terms.units for each in range(terms.least, terms.most + 1)]
    there = np.flatnonzero(place >= 0)
    told = _described(asked, there, place[there], forms, terms)
    place[there[told["p_kept"] < terms.least_kept]] = -1
    return _typed(pd.DataFrame(told, index=rows.index[there]).reindex(rows.index)), place >= 0, units > 1


def _highest(value: np.ndarray) -> np.ndarray:
    """Place of the highest value of each row, the first of equals; -1 where there is none."""
    if not value.size:
        return np.full(len(value), -1, np.int64)
    return np.where(np.isfinite(value).any(axis=1), value.argmax(axis=1), -1)


def _next_best(value: np.ndarray, *taken: np.ndarray) -> np.ndarray:
    left = value.copy()
    rows = np.arange(len(value))
    for each in taken:
        left[rows[each >= 0], each[each >= 0]] = -np.inf
    return _highest(left)


def _described(
    asked: _Asked, rows: np.ndarray, place: np.ndarray, forms: list[tuple[str, int]], terms: PlanTerms
) -> dict[str, np.ndarray]:
    """PLAN_COLUMNS of some rows with the form of each."""
    names = np.array([unit for unit, _ in forms], dtype=object)
    unit, many = names[place], np.array([count for _, count in forms], np.int64)[place]
    regular, last, _ = instalments_of(asked.owed[rows], many, asked.step[rows])
    discount = np.ones((int(many.max(initial=0)), rows.size))
    last_on, spare, length = np.zeros(rows.size, np.int64), np.zeros(rows.size), np.ones(rows.size)
    for name in terms.units:
        own = np.flatnonzero(unit == name)
        discount[:, own] = asked.discount[name][: len(discount), rows[own]]
        last_on[own] = asked.days[name][many[own] - 1, rows[own]]
        spare[own], length[own] = asked.spare[name][rows[own]], UNIT_DAYS[name] / MONTH_DAYS
    burden = regular / spare
    ends = {}
    for end in ("middle", "low", "high"):
        hazard = 1 - (1 - terms.breaks.of(burden, end)) ** length
        ends[end] = (hazard, *_money(hazard, regular, last, many, discount, asked.left_share[rows]))
    cost = asked.cost[rows]
    (hazard, kept, broken), values = ends["middle"], [ends[end][1] + ends[end][2] - cost for end in ends]
    return {
        "unit": unit,
        "instalments": many,
        "instalment": regular,
        "last_instalment": last,
        "first_on": asked.first_on[rows],
        "last_on": last_on,
        "after_payday": asked.follows[rows],
        "supported": spare,
        "burden": burden,
        "p_break": hazard,
        "p_kept": (1 - hazard) ** many,
        "kept_money": kept,
        "broken_money": broken,
        "cost": cost,
        "value": values[0],
        "value_low": np.minimum.reduce(values),
        "value_high": np.maximum.reduce(values),
    }


def _money(
    hazard: np.ndarray,
    regular: np.ndarray,
    last: np.ndarray,
    many: np.ndarray,
    discount: np.ndarray,
    left_share: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """(money of instalments that are kept, of what goes on after a break), expected and discounted, int64 minor units.

    discount: [instalment, row]. A plan that breaks at an instalment brings none from it on.
    """
    lives = np.ones(regular.size)
    kept, broken = np.zeros(regular.size), np.zeros(regular.size)
    owed = regular * (many - 1.0) + last
    for k, worth in enumerate(discount):
        runs = k < many
        falls = np.where(k < many - 1, regular, np.where(runs, last, 0))
        broken += np.where(runs, lives * hazard * owed * worth, 0.0)
        lives = np.where(runs, lives * (1 - hazard), lives)
        kept += lives * falls * worth
        owed = owed - falls
    return np.rint(kept).astype(np.int64), np.rint(broken * left_share).astype(np.int64)


def _typed(found: pd.DataFrame) -> pd.DataFrame:
    """Rows without a plan: 0 instalments, no unit, no money; of shares NaN."""
    floats = {"supported", "burden", "p_break", "p_kept"}
    whole: dict[str, pd.Series] = {}
    for name in PLAN_COLUMNS:
        if name == "unit":
            whole[name] = found[name].fillna("").astype("str")
        elif name == "after_payday":
            whole[name] = found[name].eq(True)  # of a row without a plan it is missing
        elif name in floats:
            whole[name] = found[name].astype(np.float64)
        else:
            whole[name] = found[name].fillna(0).astype(np.int64)
    return pd.DataFrame(whole, columns=list(PLAN_COLUMNS))


# ---- what was learnt from plans --------------------------------------------------------------------------------------

PLAN_KEY = ("account_no", "plan_id")
CLASSES = 4  # of burden, with as many plans each, while there are enough
NEWTON_STEPS = 40


def learned_breaks(history: pd.DataFrame, belief: Belief, *, draws: int, seed: int) -> Belief:
    """Chance of a break in a month by burden, from plans as they were agreed and kept; the belief, with `why`, where
    fewer than LEAST_MATURED plans have an instalment behind them.

    history, one row a plan: debtor_id, unit, burden (as it was when agreed), due (instalments fallen due and judged,
    up to the one that broke it), broken (bool). Plans fall into classes of burden of LEAST_MATURED or more; a class has
    the hazard under which its instalments would break as many plans as they did (censored plans count as far as they
    are known), made never to fall with burden; the curve through them foretells as many breaks as there were. 95 %
    interval by debtor. Burdens were chosen by people, so this
    foretells plans agreed as before; it does not say what another burden would have done to the same debtor.
    """
    lot = history[history["due"].to_numpy() > 0]
    if len(lot) < LEAST_MATURED:
        return kept_to(belief, f"{len(lot)} plans with an instalment behind them, {LEAST_MATURED} are needed")
    burden = lot["burden"].to_numpy(np.float64)
    many = min(CLASSES, len(lot) // LEAST_MATURED)
    edges = np.unique(np.quantile(burden, np.arange(1, many) / many))
    place = np.searchsorted(edges, burden, side="left")
    place = np.unique(place, return_inverse=True)[1]  # where many burdens are equal, a class may be empty
    many = int(place.max()) + 1
    length = lot["unit"].map(UNIT_DAYS).to_numpy(np.float64) / MONTH_DAYS
    lengths = np.unique(length)
    who, weights = debtor_draws(lot["debtor_id"], draws, seed)

    def drawn(part: np.ndarray, own: np.ndarray) -> np.ndarray:
        return weights @ np.bincount(who[own], part[own], weights.shape[1])

    due, broken = lot["due"].to_numpy(np.float64), lot["broken"].to_numpy(np.float64)
    breaks = np.stack([drawn(broken, place == each) for each in range(many)], axis=1)
    risks = np.stack(
        [[drawn(due, (place == each) & (length == one)) for one in lengths] for each in range(many)], axis=2
    ).transpose(1, 2, 0)
    chance = never_falling(_monthly(breaks, risks, lengths), risks.sum(axis=2))
    at = tuple(float(np.average(burden[place == each], weights=due[place == each])) for each in range(many))
    # Straight lines between classes, flat beyond, foretell other breaks than the classes had: all of them are to be
    # what they were.
    lines = 1 - (1 - np.interp(burden, at, chance[0])) ** length
    foretold = float((lines * due).sum())
    chance = np.minimum(chance * (broken.sum() / foretold if foretold > 0 else 1.0), 1.0)
    told = np.array([interval(column) for column in chance.T])
    middle, low, high = (tuple(told[:, end].tolist()) for end in range(3))
    matured = {point: int((place == each).sum()) for each, point in enumerate(at)}
    return Belief(Curve(at, middle, low, high), PLANS, "", matured)


def plan_histories(instalments: pd.DataFrame, spare: pd.Series, as_of: int) -> pd.DataFrame:
    """One row per plan, as `learned_breaks` asks for them: debtor_id, unit, burden, due, broken; index: PLAN_KEY, for
    a plan's name is its own within its account alone.

    instalments, one row each, as known before as_of: account_no, plan_id, debtor_id, due_on, amount (0: taken out),
    ended_on (day, or NO_DAY), how (of PLAN_ENDS, or anything else). The end may stand on any of a plan's rows, also on
    one taken out: the first day counts, with `how` of its rows, as in features.agreements. spare: PLAN_KEY -> what the
    debtor's payments supported in a month when it was agreed (minor units); plans without it take no part. unit: the
    one nearest to the median days between instalments. due: instalments due before as_of and not after the end; the
    last of a plan that broke is the one that broke it, so that a plan that broke before its first counts one.
    """
    key = list(PLAN_KEY)
    rows = instalments[(instalments["amount"] > 0).to_numpy()].sort_values([*key, "due_on"]).set_index(key)
    plan = rows.groupby(level=key)
    gaps = plan["due_on"].diff().groupby(level=key).median()
    told = instalments[(instalments["ended_on"] != NO_DAY).to_numpy()]
    ends = told["ended_on"].groupby([told[name] for name in key])
    ended = ends.min().reindex(gaps.index, fill_value=as_of)
    last_word = told[(told["ended_on"] == ends.transform("min")).to_numpy()]
    ways = last_word["how"].astype(object).map({how: place for place, how in enumerate(PLAN_ENDS)})
    how = ways.groupby([last_word[name] for name in key]).min().reindex(gaps.index)
    until = np.minimum(as_of - 1, ended)
    due = (rows["due_on"] <= until.reindex(rows.index)).groupby(level=key).sum()
    broken = (how == PLAN_ENDS.index("broken")) & (ended < as_of)
    names = np.array(list(UNIT_DAYS), dtype=object)
    lengths = np.array(list(UNIT_DAYS.values()))
    apart = np.abs(gaps.fillna(MONTH_DAYS).to_numpy()[:, None] - lengths)
    unit = apart.argmin(axis=1)
    found = pd.DataFrame(
        {
            "debtor_id": plan["debtor_id"].first(),
            "unit": names[unit],
            "burden": plan["amount"].max() * MONTH_DAYS / lengths[unit] / spare.reindex(gaps.index),
            "due": np.where(broken, np.maximum(due, 1), due),
            "broken": broken,
        }
    )
    return found[np.isfinite(found["burden"])]


def _monthly(breaks: np.ndarray, risks: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """[draws, classes] chance of a break in a month, under which instalments of these lengths (in months) would break
    as often as they did. breaks: [draws, classes]; risks: instalments due, [draws, classes, lengths].
    """
    rate = np.zeros(breaks.shape)
    breaks = np.minimum(breaks, risks.sum(axis=2) * (1 - 1e-9))
    for _ in range(NEWTON_STEPS):  # from below, of a concave function: it never steps over
        alive = np.exp(-rate[..., None] * lengths)
        slope = (risks * lengths * alive).sum(axis=2)
        missing = breaks - (risks * (1 - alive)).sum(axis=2)
        rate = rate + np.divide(missing, slope, out=np.zeros(rate.shape), where=slope > 0)
    return np.where(risks.sum(axis=2) > 0, 1 - np.exp(-rate), np.nan)
