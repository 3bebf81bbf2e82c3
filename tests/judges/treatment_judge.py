"""The independent slow judge of treatments: one account at a time, calendar dates, fractions, the policy as written.

It shares nothing with the product: it reads the policy's YAML itself, walks months with the calendar, rounds with whole
numbers, and tries every plan and every discount there is.
"""

from __future__ import annotations

import calendar
import datetime as dt
import math
from fractions import Fraction

EPOCH = dt.date(1970, 1, 1)
DECIMALS = {"EUR": 2, "GBP": 2, "USD": 2, "JPY": 0, "KWD": 3}
LENGTH = {"month": 365.25 / 12, "fortnight": 14, "week": 7}
CENT = 1.000001  # of money that is rounded otherwise: half a unit either way


def day(date: dt.date) -> int:
    return (date - EPOCH).days


def date(number: int) -> dt.date:
    return EPOCH + dt.timedelta(days=int(number))


def known(value: float | None) -> bool:
    return value is not None and not math.isnan(value)


# ---- the calendar ----------------------------------------------------------------------------------------------------


def month_after(year: int, month: int, k: int) -> tuple[int, int]:
    return year + (month - 1 + k) // 12, (month - 1 + k) % 12 + 1


def after_payday(year: int, month: int, payday: int) -> dt.date:
    """The day after the payday of a month; a payday that the month does not have is its last day."""
    return dt.date(year, month, min(payday, calendar.monthrange(year, month)[1])) + dt.timedelta(days=1)


def first_day(payday: int, as_of: int, after: int, within: int) -> tuple[dt.date, bool]:
    earliest, latest = date(as_of + after), date(as_of + within)
    if not payday:
        return earliest, False
    day_ = earliest
    while day_ <= latest:  # the first day whose eve is a payday
        eve = day_ - dt.timedelta(days=1)
        if eve.day == min(payday, calendar.monthrange(eve.year, eve.month)[1]):
            return day_, True
        day_ += dt.timedelta(days=1)
    return latest, False


def days_due(first: dt.date, payday: int, follows: bool, unit: str, many: int) -> list[dt.date]:
    if unit != "month":
        return [first + dt.timedelta(days=LENGTH[unit] * k) for k in range(many)]
    if follows:
        eve = first - dt.timedelta(days=1)
        return [after_payday(*month_after(eve.year, eve.month, k), payday) for k in range(many)]
    found = []
    for k in range(many):
        year, month = month_after(first.year, first.month, k)
        found.append(dt.date(year, month, min(first.day, calendar.monthrange(year, month)[1])))
    return found


# ---- amounts ---------------------------------------------------------------------------------------------------------


def minor(amounts: dict, currency: str) -> int | None:
    return round(Fraction(str(amounts[currency])) * 10 ** DECIMALS[currency]) if currency in amounts else None


def parts(owed: int, many: int, step: int) -> list[int]:
    """Equal instalments in whole steps, paid until nothing is left; the smallest such that `many` are enough."""
    regular = step
    while regular * many < owed:
        missing = owed - regular * many
        regular += max(step, missing // many // step * step)
    while regular - step > 0 and (regular - step) * many >= owed:
        regular -= step
    left, found = owed, []
    while left > 0:
        found.append(min(regular, left))
        left -= found[-1]
    return found


def on_line(points: list[dict], name: str, at: float, end: str) -> float:
    if at <= points[0][name]:
        return points[0][end]
    for one, other in zip(points, points[1:], strict=False):
        if at <= other[name]:
            share = (at - one[name]) / (other[name] - one[name])
            return one[end] + share * (other[end] - one[end])
    return points[-1][end]


def band(bands: list[dict], kind: str, days: int) -> dict | None:
    """The band of a kind (those without kinds for one that none names) that the age has reached."""
    own = [each for each in bands if kind in each.get("kinds", [])]
    own = own or [each for each in bands if not each.get("kinds")]
    reached = [each for each in own if each["from_days"] <= days]
    return max(reached, key=lambda each: each["from_days"]) if reached else None


def shared(rows: list[dict]) -> list[dict]:
    """Each account with its part of what its debtor can pay: by balance, among his accounts of the same currency."""
    found = []
    for row in rows:
        theirs = [each for each in rows if (each["debtor_id"], each["currency"]) == (row["debtor_id"], row["currency"])]
        whole = sum(max(each["balance"], 0) for each in theirs)
        part = max(row["balance"], 0) / whole if whole else 0.0
        found.append(
            {**row, **{name: row[name] * part for name in ("usual_payment", "other_plans", "disposable_income")}}
        )
    return found


# ---- plans -----------------------------------------------------------------------------------------------------------


def support(row: dict, unit: str, policy: dict) -> float | None:
    plans, length = policy["plans"], LENGTH[unit]
    said = []
    if known(row["usual_payment"]) and known(row["usual_gap_days"]) and row["usual_gap_days"] > 0:
        said.append(plans["share_of_usual"] * row["usual_payment"] * length / row["usual_gap_days"])
    if known(row["disposable_income"]):
        said.append(plans["share_of_income"] * row["disposable_income"] * length / LENGTH["month"])
    if not said:
        return None
    other = row["other_plans"] if known(row["other_plans"]) else 0.0
    return max(min(said) - other * length / LENGTH["month"], 0.0)


def too_often(row: dict, unit: str) -> bool:
    """Whether the debtor pays less often than a plan of the unit asks, or nobody knows."""
    return unit != "month" and not (known(row["usual_gap_days"]) and row["usual_gap_days"] <= 1.5 * LENGTH[unit])


def plan_money(row: dict, unit: str, many: int, policy: dict, as_of: int, end: str = "middle") -> dict | None:
    """Terms of one plan, None where it is outside the policy's bounds."""
    plans, currency = policy["plans"], row["currency"]
    step, least, cost = (minor(plans[name], currency) for name in ("step", "least_instalment", "cost"))
    if None in (step, least, cost) or row["balance"] <= 0:
        return None
    amounts, spare = parts(row["balance"], many, step), support(row, unit, policy)
    most = min(plans["instalments"]["most"], max((each["instalments"] for each in policy["authority"]), default=0))
    if spare is None or len(amounts) != many or not plans["instalments"]["least"] <= many <= most:
        return None
    if amounts[0] > spare or min(amounts) < least or too_often(row, unit):
        return None
    first, follows = first_day(row["payday"], as_of, plans["first_after_days"], plans["first_within_days"])
    due = days_due(first, row["payday"], follows, unit, many)
    monthly = on_line(plans["breaks"], "burden", amounts[0] / spare, end)
    hazard = 1 - (1 - monthly) ** (LENGTH[unit] / LENGTH["month"])
    if kept_to_end(amounts, spare, unit, policy) < plans.get("least_kept", 0):
        return None
    kept = broken = 0.0
    for k in range(many):
        worth = (1 + policy["annual_rate"]) ** (-(day(due[k]) - as_of) / 365)
        kept += (1 - hazard) ** (k + 1) * amounts[k] * worth
        left = sum(amounts[k:]) / row["balance"] * max(row["continuation"], 0.0) * plans["after_break"]
        broken += (1 - hazard) ** k * hazard * left * worth
    return {
        "unit": unit,
        "instalments": many,
        "amounts": amounts,
        "due": due,
        "p_break": hazard,
        "p_kept": (1 - hazard) ** many,
        "kept_money": kept,
        "broken_money": broken,
        "cost": cost,
        "value": kept + broken - cost,
        "monthly": amounts[0] * LENGTH["month"] / LENGTH[unit],
    }


def kept_to_end(amounts: list[int], spare: float, unit: str, policy: dict) -> float:
    monthly = on_line(policy["plans"]["breaks"], "burden", amounts[0] / spare, "middle")
    return (1 - monthly) ** (LENGTH[unit] / LENGTH["month"] * len(amounts))


def all_plans(row: dict, policy: dict, as_of: int) -> list[dict]:
    many = range(policy["plans"]["instalments"]["least"], policy["plans"]["instalments"]["most"] + 1)
    found = [plan_money(row, unit, count, policy, as_of) for unit in policy["plans"]["units"] for count in many]
    return [each for each in found if each is not None]


# ---- settlements -----------------------------------------------------------------------------------------------------


def settlement_money(row: dict, discount: float, policy: dict) -> dict:
    own = policy["settlements"]
    let_off = row["balance"] * Fraction(str(discount)) // 1
    amount = row["balance"] - int(let_off)
    chance = on_line(own["accept"], "discount", discount, "middle")
    worth = (1 + policy["annual_rate"]) ** (-own["pay_within_days"] / 365)
    paid, refused = chance * amount * worth, (1 - chance) * row["continuation"]
    cost = minor(own["cost"], row["currency"]) or 0
    return {"amount": amount, "paid_money": paid, "refused_money": refused, "value": paid + refused - cost}


def who_may_let_off(row: dict, discount: float, amount: int, policy: dict) -> list[str]:
    own, found = policy["settlements"], []
    may = policy["authority"]
    if own["months_of_support"] is not None and policy["plans"] is not None and own["if_support_unknown"] == "refer":
        may = may[-1:] if support(row, "month", policy) is None else may
    for each in may:
        limit = minor(each["let_off"], row["currency"])
        if limit is not None and discount <= each["discount"] and row["balance"] - amount <= limit:
            found.append(each["who"])
    return found


def wrong_settlement(row: dict, discount: float, amount: int, policy: dict, again: bool = False) -> list[str]:
    """Every bound of the policy that a settlement breaks. again: it was made when something else was owed."""
    own, found = policy["settlements"], []
    largest = band(own["largest"], row["kind"], row["days_past_due"])
    if discount not in own["discounts"]:
        found.append("no discount of the policy")
    by_now = row["balance"] - int(row["balance"] * Fraction(str(discount)) // 1)
    share = lets_off(row, {"discount": discount, "amount": amount}) if again and row["balance"] > 0 else discount
    if largest is None or share > largest["share"]:
        found.append("a discount above the largest of its age and kind")
    if amount > row["balance"]:
        found.append("more than is owed")
    if not again and amount != by_now:
        found.append("an amount that is not the balance less the discount")
    if again and amount > by_now:
        found.append("money that was paid is asked for again")
    least = minor(own["least_amount"], row["currency"])
    if least is None or amount < least or amount < own["floor"] * row["balance"]:
        found.append("less than must be paid")
    if own["months_of_support"] is not None:
        spare = support(row, "month", policy)
        if spare is None and own["if_support_unknown"] == "never":
            found.append("a sum of which nobody knows whether it can be paid")
        if spare is not None and amount > own["months_of_support"] * spare * CENT:
            found.append("more than own payments support")
    if not who_may_let_off(row, share, amount, policy):
        found.append("more than anybody may grant")
    return found


# ---- routes ----------------------------------------------------------------------------------------------------------


def route_money(row: dict, route: dict, policy: dict, end: str = "middle") -> dict | None:
    """Terms of a party's route, None where the policy believes nothing of the kind and age, or knows no cost."""
    kind, days, balance = row["kind"], row["days_past_due"], row["balance"]
    cost = minor(route["fixed_cost"], row["currency"])
    if route["route"] == "legal":
        own = band(route["suit"], kind, days)
        share = own and own["judged"][end] * own["paying"][end] * own["paid"][end]
    else:
        own = band(route["recovery" if route["route"] == "agency" else "price"], kind, days)
        share = own and own[end]
    if own is None or cost is None:
        return None
    gross, fee = share * balance, 0.0
    if route["route"] == "agency":
        taken = band(route["commission"], kind, days)
        if taken is None:
            return None
        fee = gross * taken["share"]
    whole = cost + route.get("cost_share", 0.0) * balance
    discount = (1 + policy["annual_rate"]) ** (-route["delay_days"] / 365)
    return {"gross": gross, "commission": fee, "cost": whole, "value": (gross - fee) * discount - whole}


def wrong_route(row: dict, name: str, party: str, policy: dict, statuses: set[str], legal_open: bool) -> list[str]:
    """Every bound of policy and law that giving an account to a party breaks."""
    if name in ("internal", "rest"):
        return []
    (route,) = [each for each in policy["routes"] if each["party"] == party and each["route"] == name]
    found = []
    if statuses & set(policy["specialist"]):
        found.append("a specialist's account leaves the house")
    if statuses & set(policy["never"]):
        found.append("a barred account leaves the house")
    if route["kinds"] and row["kind"] not in route["kinds"]:
        found.append("a kind that the party does not take")
    if route["places"] and not any(
        f"{row['place']}-".replace("/", "-").startswith(f"{own}-") for own in route["places"]
    ):
        found.append("a place where the party does not work")
    if route["oldest_days"] is not None and row["days_past_due"] > route["oldest_days"]:
        found.append("a debt too old for the party")
    if row["in_house_days"] < route["after_days"]:
        found.append("given away too soon")
    if route_money(row, route, policy) is None:
        found.append("a party of which nothing is known for this account")
    if name in ("agency", "sale") and not row["contact_open"]:
        found.append(f"{name} of a debtor whom the law closes")
    if name == "legal":
        if not legal_open:
            found.append("the law does not let it go to court")
        if row["in_house_days"] < policy["internal_days"]:
            found.append("court before internal_days")
        if row["offers_refused"] < 1:
            found.append("court before any offer was refused")
    return found


# ---- a whole proposal ------------------------------------------------------------------------------------------------


def breaches(row: dict, told: dict, policy: dict, statuses: set[str], as_of: int) -> list[str]:
    """All that a published proposal and route break of policy and law. Empty: nothing is wrong.

    told: proposal, grants, plan (unit, instalments, schedule [(day, amount)]), discount, amount, route, party. Of an
    offer that was made before, row["made"] has the terms: what is told must be these.
    """
    found, made = [], row.get("made")
    if told["proposal"]:
        if statuses & (set(policy["specialist"]) | set(policy["never"])):
            found.append("an offer to whom none may be made")
        if not row["contact_open"]:
            found.append("an offer to whom may not be contacted")
    if not row["may_part"] and (told["proposal"] == "settlement" or told["route"] not in ("internal", "rest")):
        found.append("a debt let off or given away that is not ours to part with")
    if row.get("is_disputed") and told["route"] not in ("internal", "rest"):
        found.append("an account leaves while a charge of it is disputed")
    if told["proposal"] == "settlement":
        found += wrong_settlement(row, told["discount"], told["amount"], policy, again=made is not None)
        if made and (made["kind"], made["discount"], made["amount"]) != (
            "settlement",
            told["discount"],
            told["amount"],
        ):
            found.append("an offer that stands, on other terms")
        share = lets_off(row, told) if made and row["balance"] > 0 else told["discount"]
        if told["grants"] not in who_may_let_off(row, share, told["amount"], policy)[:1]:
            found.append("granted by whom may not")
    if told["proposal"] == "plan":
        found += wrong_plan(row, told["plan"], policy, as_of, made)
        may = [each["who"] for each in policy["authority"] if told["plan"]["instalments"] <= each["instalments"]]
        if told["grants"] not in may[:1]:
            found.append("granted by whom may not")
    return found + wrong_route(row, told["route"], told["party"], policy, statuses, row["legal_open"])


def unbound(
    accounts: list[dict], published: list[dict], policy: dict, recorded: list[set[str]], as_of: int
) -> list[str]:
    """What a night's proposals break of what was offered before: nobody has two offers, and no account of whom one is
    made leaves; while one may be taken it is repeated unless policy or law forbid it, and its debtor is offered nothing
    else.

    accounts: as for `breaches`, in the order of published and recorded; made: the newest offer that stands on the
    account (kind, amount, discount, instalments, first_on), None without one.
    """
    found = []
    bound = {row["debtor_id"] for row in accounts if row["made"]}
    offered: dict[str, int] = {}
    leaves = {row["debtor_id"] for row, told in zip(accounts, published, strict=True) if told["route"] in AWAY}
    for row, told, statuses in zip(accounts, published, recorded, strict=True):
        here = bool(told["proposal"]) and told["route"] == "internal"
        offered[row["debtor_id"]] = offered.get(row["debtor_id"], 0) + here
        if here and row["debtor_id"] in leaves:
            found.append("an offer to a debtor of whom another account leaves")
        if row["debtor_id"] not in bound:
            continue
        if told["route"] not in ("internal", "rest"):
            found.append("an account leaves while its debtor may still take an offer")
        if not row["made"] and told["proposal"]:
            found.append("a second offer to whom one still stands")
        if row["made"] and not told["proposal"] and repeatable(row, policy, statuses, as_of):
            found.append("an offer that stands is not repeated")
        if row["made"] and told["proposal"] and told["route"] != "internal":
            found.append("an offer that stands, on an account that does not stay")
    return found + ["two offers to one debtor" for many in offered.values() if many > 1]


AWAY = ("agency", "legal", "sale")
UNIT_DOES_NOT_FIT = {
    "an instalment above what own payments support",
    "an instalment below the least",
    "a number of instalments outside the bounds",
    "asked more often than the debtor pays",
}


def repeatable(row: dict, policy: dict, statuses: set[str], as_of: int) -> bool:
    """Whether neither policy nor law forbid what was offered before."""
    made = row["made"]
    told = {"proposal": made["kind"], "route": "internal", "party": "", "grants": ""}
    if made["kind"] == "settlement" and policy["settlements"] is not None:
        told |= {"discount": made["discount"], "amount": made["amount"]}
        if row["balance"] <= 0:
            return False
        told["grants"] = next(iter(who_may_let_off(row, lets_off(row, made), made["amount"], policy)), "nobody")
        return not breaches(row, told, policy, statuses, as_of)
    if (
        made["kind"] == "plan"
        and policy["plans"] is not None
        and made["instalments"]
        and (made["first_on"] or 0) >= as_of
    ):
        may = [each["who"] for each in policy["authority"] if made["instalments"] <= each["instalments"]]
        step = minor(policy["plans"]["step"], row["currency"])
        amounts = parts(made["amount"], made["instalments"], step) if step and made["amount"] > 0 else []
        if len(amounts) != made["instalments"]:
            return False
        faults = []
        for unit in policy["plans"]["units"]:
            first = date(made["first_on"])
            due = days_due(first, row["payday"], eve_of_payday(first, row["payday"]), unit, made["instalments"])
            schedule = [(day(at), amount) for at, amount in zip(due, amounts, strict=True)]
            plan = {"unit": unit, "instalments": made["instalments"], "schedule": schedule}
            faults.append(breaches(row, {**told, "plan": plan, "grants": [*may, "nobody"][0]}, policy, statuses, as_of))
        of_unit = [each for each in faults if not set(each) & UNIT_DOES_NOT_FIT]
        return len(of_unit) == 1 and not of_unit[0]  # its unit is not delivered: where several fit, nobody knows
    return False


def lets_off(row: dict, made: dict) -> float:
    """The share of tonight's balance that the offer gives up, at least what it said."""
    return max(made["discount"], 1 - made["amount"] / row["balance"])


def eve_of_payday(first: dt.date, payday: int) -> bool:
    """Whether a day follows a payday."""
    eve = first - dt.timedelta(days=1)
    return bool(payday) and eve.day == min(payday, calendar.monthrange(eve.year, eve.month)[1])


def waited_for(contacts: list[dict], statuses: list[dict], as_of: int, grace: int) -> set[str]:
    """Accounts with whom something is agreed, by delivered contacts and statuses: a promise whose days of grace (bank
    days, here from Monday to Friday) are not over, a plan, a time to call that has not come.
    """
    told = [each for each in contacts if each["outcome"] == "promise" and each["promise_due_on"]]
    found = {each["account_id"] for each in told if grace_over(each["promise_due_on"], grace) >= as_of}
    for each in statuses:
        over = bool(each.get("until_on")) and day(dt.date.fromisoformat(each["until_on"])) < as_of
        if each["status"] == "plan" and not over:
            found.add(each["account_id"])
        if each["status"] == "callback" and day(dt.date.fromisoformat(each["from_on"])) >= as_of:
            found.add(each["account_id"])
    return found


def grace_over(due_on: str, grace: int) -> int:
    last = dt.date.fromisoformat(due_on)
    for _ in range(grace):
        last += dt.timedelta(days=1)
        while last.weekday() > 4:
            last += dt.timedelta(days=1)
    return day(last)


def offers_before(
    offers: list[dict], as_of: int, pay_within: int, payments: list[dict] = ()
) -> tuple[set[str], dict[str, dict]]:
    """(accounts on which an offer was accepted and is not yet paid, account -> the newest offer that may be taken), by
    the rows of offers and payments as they were delivered.
    """
    accepted, standing = set(), {}
    for own in _by_offer(offers, as_of):
        last = own[-1]
        valid, first = (day(dt.date.fromisoformat(last[name])) if last.get(name) else None for name in _ENDS)
        made = _day_of(last["made_at"])
        if last["outcome"] == "accepted":
            paid_by = _pay_by(own, pay_within) if last["kind"] == "settlement" else first
            until = max(each for each in (valid, paid_by, made) if each is not None)
            if until >= as_of and not (last["kind"] == "settlement" and _sum_came(last, made, until, payments, as_of)):
                accepted.add(last["account_id"])
        elif not last["outcome"]:
            until = next((each for each in (valid, first) if each is not None), made + pay_within)
            before = standing.get(last["account_id"])
            if until >= as_of and (before is None or (made, last["offer_id"]) > (before["made"], before["offer_id"])):
                about = {"kind": last["kind"], "amount": round(Fraction(last["amount"]) * 100), "made": made}
                about |= {"discount": float(last["discount"]) if last["discount"] else math.nan, "until": until}
                about |= {"instalments": int(last["instalments"] or 0), "first_on": first, "offer_id": last["offer_id"]}
                standing[last["account_id"]] = {**about, "variant": last["variant"]}
    return accepted, standing


def paid_before(offers: list[dict], as_of: int, pay_within: int, payments: list[dict]) -> set[str]:
    """Accounts of which a settlement was accepted and paid in time, none of which was offered anything since."""
    found, newest = set(), {}
    for own in _by_offer(offers, as_of):
        made = _day_of(own[-1]["made_at"])
        newest[own[-1]["account_id"]] = max(newest.get(own[-1]["account_id"], made), made)
    for own in _by_offer(offers, as_of):
        last, made = own[-1], _day_of(own[-1]["made_at"])
        if (last["kind"], last["outcome"]) == ("settlement", "accepted"):
            valid = day(dt.date.fromisoformat(last["valid_until"])) if last["valid_until"] else made
            there = _sum_came(last, made, max(valid, _pay_by(own, pay_within)), payments, as_of)
            if there and newest[last["account_id"]] <= there:
                found.add(last["account_id"])
    return found


def _by_offer(offers: list[dict], as_of: int) -> list[list[dict]]:
    """The versions of each offer that were known before the night, the newest last."""
    versions: dict[str, list[dict]] = {}
    for each in offers:
        if _day_of(each["known_at"]) < as_of:
            versions.setdefault(each["offer_id"], []).append(each)
    return [sorted(own, key=lambda each: each["known_at"]) for own in versions.values()]


def _day_of(text: str) -> int:
    return day(dt.date.fromisoformat(text[:10]))


def _pay_by(own: list[dict], pay_within: int) -> int:
    """Said to be accepted on the first day that anybody knew it, or the last on which it could be."""
    said = _day_of(min(each["known_at"] for each in own if each["outcome"] == "accepted"))
    last = own[-1]
    taken = day(dt.date.fromisoformat(last["valid_until"])) if last["valid_until"] else None
    taken = _day_of(last["made_at"]) + pay_within if taken is None else taken
    return min(said, taken) + pay_within


def _sum_came(offer: dict, first: int, last: int, payments: list[dict], as_of: int) -> int:
    """Day on which payments of the account, as known before the night, reached the offer's amount; 0 where never."""
    own = [each for each in payments if each["account_id"] == offer["account_id"] and each["kind"] == "payment"]
    left = round(Fraction(offer["amount"]) * 100)
    for each in sorted(own, key=lambda each: each["occurred_at"]):
        at = _day_of(each["occurred_at"])
        if first <= at <= last and _day_of(each["known_at"]) < as_of:
            left -= round(Fraction(each["amount"]) * 100)
            if left <= 0:
                return at
    return 0


_ENDS = ("valid_until", "first_due_on")


def not_left_in_peace(published: list[dict], waited_for: set[str]) -> list[str]:
    """Offers made to, and routes away of, those with whom something is agreed that is still waited for."""
    away = ("agency", "legal", "sale")
    told = [(each["account_id"], each.get("proposal") or each.get("route")) for each in published]
    return [f"{who}: {what}" for who, what in told if who in waited_for and what in ("plan", "settlement", *away)]


def wrong_plan(row: dict, plan: dict, policy: dict, as_of: int, made: dict | None = None) -> list[str]:
    """made: the terms it was offered on before."""
    bounds, found = policy["plans"], []
    days, amounts = [at for at, _ in plan["schedule"]], [amount for _, amount in plan["schedule"]]
    spare, least = support(row, plan["unit"], policy), minor(bounds["least_instalment"], row["currency"])
    if made and (made["kind"], made["amount"], made["instalments"]) != ("plan", sum(amounts), len(amounts)):
        found.append("an offer that stands, on other terms")
    if made and sum(amounts) > row["balance"]:
        found.append("more than is owed")
    if not made and sum(amounts) != row["balance"]:
        found.append("instalments that do not add up")
    if min(amounts) <= 0 or max(amounts) != amounts[0] or len(set(amounts[:-1])) > 1:
        found.append("instalments that are not equal")
    if spare is None or amounts[0] > spare * CENT:
        found.append("an instalment above what own payments support")
    if least is None or min(amounts) < least:
        found.append("an instalment below the least")
    if spare and kept_to_end(amounts, spare, plan["unit"], policy) < bounds.get("least_kept", 0) - 1e-9:
        found.append("a plan that is kept too seldom")
    if not bounds["instalments"]["least"] <= len(amounts) <= bounds["instalments"]["most"]:
        found.append("a number of instalments outside the bounds")
    if too_often(row, plan["unit"]):
        found.append("asked more often than the debtor pays")
    if plan["unit"] not in bounds["units"]:
        found.append("a unit that the policy does not have")
    first, follows = first_day(row["payday"], as_of, bounds["first_after_days"], bounds["first_within_days"])
    if made and made["kind"] == "plan":
        first, follows = date(made["first_on"]), eve_of_payday(date(made["first_on"]), row["payday"])
        if made["first_on"] < as_of:
            found.append("a plan that should have begun")
    elif not as_of + bounds["first_after_days"] <= days[0] <= as_of + bounds["first_within_days"]:
        found.append("a first day outside the bounds")
    due = days_due(first, row["payday"], follows, plan["unit"], len(days))
    if days != [day(each) for each in due]:
        found.append("days other than the calendar's")
    return found


# ---- around a due day ------------------------------------------------------------------------------------------------


def move_money(row: dict, policy: dict, as_of: int, end: str = "middle") -> dict | None:
    """A due day moved behind the next payday, None where that is outside the policy's bounds."""
    own = policy["due_date_moves"]
    if own is None or not policy["authority"] or not known(row["p_late"]) or not row["payday"]:
        return None
    cost, late = minor(own["late_cost"], row["currency"]), own["late_days"]
    if cost is None or as_of - row["due_on"] > own["overdue_days"] or row["moved"] >= own["most_in_a_year"]:
        return None
    late = max(row["late_by_days"], 0) if known(row["late_by_days"]) else late
    new = date(max(row["due_on"], as_of)) + dt.timedelta(days=1)
    while (eve := new - dt.timedelta(days=1)).day != min(row["payday"], calendar.monthrange(eve.year, eve.month)[1]):
        new += dt.timedelta(days=1)
    days = day(new) - row["due_on"]
    if days > own["most_days"]:
        return None
    rate, helps = policy["annual_rate"], row["p_late"] * own["helps"][end]
    saved, sooner = helps * cost, helps * row["due_amount"] * (1 - (1 + rate) ** (-late / 365))
    waits = row["due_amount"] * (1 - (1 + rate) ** (-days / 365))
    return {"new": new, "days": days, "saved": saved, "sooner": sooner, "waits": waits, "value": saved + sooner - waits}


def early_money(row: dict, discount: float, policy: dict, as_of: int) -> dict | None:
    """A discount for paying early, None where it is outside the policy's bounds."""
    own = policy["early_discounts"]
    if own is None or row["debtor_type"] != "commercial" or not known(row["p_late"]):
        return None
    overdue = as_of - row["due_on"]
    if overdue > own["overdue_days"] or (overdue <= 0 and -overdue < own["days_before_due"]):
        return None
    let_off = int(row["due_amount"] * Fraction(str(discount)) // 1)
    amount = row["due_amount"] - let_off
    if discount > own["largest"] or amount <= 0 or who_grants(row, discount, let_off, policy) is None:
        return None
    pay_by = as_of if overdue > 0 else row["due_on"] - own["days_before_due"]
    late = max(row["late_by_days"], 0) if known(row["late_by_days"]) else own["late_days"]
    wait = max(-overdue, 0)

    def worth(money: float, days: float) -> float:
        return money * (1 + policy["annual_rate"]) ** (-days / 365)

    chance = row["p_late"]
    otherwise = (1 - chance) * worth(row["due_amount"], wait) + chance * worth(row["due_amount"], wait + late)
    take, paid = on_line(own["takes"], "discount", discount, "middle"), worth(amount, pay_by - as_of)
    return {"amount": amount, "pay_by": pay_by, "otherwise": otherwise, "value": take * (paid - otherwise)}


def who_grants(row: dict, discount: float, let_off: int, policy: dict) -> str | None:
    """The first who may grant it; None where nobody may."""
    for each in policy["authority"]:
        limit = minor(each["let_off"], row["currency"])
        if limit is not None and discount <= each["discount"] and let_off <= limit:
            return each["who"]
    return None
