"""Made-up nights for the tests of what is published: seeded, small or large, polite or hostile.
Nobody in them exists.
"""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd

from features.days import DAY_US, day_number
from features.tables import CHANNELS, NO_MONEY
from pipeline.columns import DETAIL_COLUMNS, NEXT_COLUMNS, WORKLIST_COLUMNS
from pipeline.pages.publication import Details, Night

AS_OF = dt.date(2026, 11, 20)
BOOKS = {
    "card_gb": ("card", "GBP", "Europe/London", 2),
    "loan_eu": ("personal loan", "EUR", "Europe/Paris", 2),
    "bought_us": ("charged-off card", "USD", "America/New_York", 2),
    "invoices_jp": ("trade invoice", "JPY", "Asia/Tokyo", 0),
}
RATES = {"EUR": 1.0, "GBP": 1.15, "USD": 0.92, "JPY": 0.0061}
HOSTILE = (
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "\uff1d1+1",
    '"=1+1',
    "a;=1+1",
    "a,=1+1",
    "a\t=1+1",
    '=HYPERLINK("http://x.invalid","x")',
    "=cmd|' /C calc'!A0",
    "http://x.invalid/",
    "<script>window.hit=1</script>",
    "</script><script>window.hit=1</script>",
    "<img src=x onerror=window.hit=1>",
    "{{7*7}}",
    "\u202egnp.exe",
    "\u2028window.hit=1",
    "_x0041_",
    "']]><b>",
    "<!--",
    "javascript:window.hit=1",
)


def night(rows: int = 40, seed: int = 7, as_of: dt.date = AS_OF, **changes: object) -> Night:
    """A night with `rows` listed debtors and everybody else in proportion."""
    draw = np.random.default_rng(seed)
    listed = _listed(rows, draw, as_of)
    pulls = listed.pop("pulls").tolist()
    others = {
        "deferred": rows // 3 + 3,
        "excluded": rows // 8 + 2,
        "held_out": rows // 20 + 1,
        "self_cure": rows // 16 + 1,
    }
    counts = {
        "joined": sum(len(joined.split()) for joined in listed["joined_accounts"]),
        "below_capacity": rows // 2,
        "no_value": 5,
    }
    counts |= {"worklist": rows, **others}
    beyond = _next_in_line(counts["below_capacity"], listed)
    counts["scorable"] = sum(counts.values())
    ids = [f"X{place:06d}" for place in range(sum(others.values()))]
    deferred_ids, excluded_ids, held_ids, alone_ids = np.split(
        np.array(ids, dtype=object), np.cumsum(list(others.values()))[:-1]
    )
    scores = pd.DataFrame(
        {
            "account_id": pd.Series(list(listed["account_id"]) + ids, dtype=str),
            "as_of": as_of,
            "p_recovered": draw.random(rows + len(ids)),
            "amount_if_recovered": draw.integers(0, 90_000, rows + len(ids)),
            "expected_recovery": draw.integers(0, 50_000, rows + len(ids)),
            "p_defaulted": draw.random(rows + len(ids)),
            "model_version": "recovery-2026-10-31",
            "p_if_left": 0.2,
            "p_if_worked": 0.3,
            "added_recovery": draw.integers(0, 9_000, rows + len(ids)),
        }
    )
    made = {
        "as_of": as_of,
        "valid_until": as_of,
        "reporting_currency": "EUR",
        "worklist": listed,
        "deferred": _deferred(deferred_ids, draw, as_of),
        "excluded": _excluded(excluded_ids),
        "held_out": pd.DataFrame(
            {
                "account_id": held_ids,
                "debtor_id": held_ids,
                "probability": 0.05,
                "held_out_until": as_of + dt.timedelta(44),
            }
        ),
        "self_cure": pd.DataFrame(
            {
                "account_id": alone_ids,
                "p_if_left": 0.9,
                "added_value": np.full(len(alone_ids), 40, dtype="int64"),
                "debtor_id": alone_ids,
                "currency": "EUR",
            }
        ),
        "next_in_line": beyond,
        "scores": scores,
        "counts": counts,
        "model": {
            "version": "recovery-2026-10-31",
            "kind": "gradient boosted trees",
            "debtors": 8_412,
            "auc": 0.787,
        },
        "complete_through": {
            "payments": as_of - dt.timedelta(1),
            "contacts": as_of - dt.timedelta(1),
            "statuses": as_of - dt.timedelta(2),
            "balances": as_of - dt.timedelta(1),
        },
        "manifest": {
            "warnings": ["Statuses were last delivered two days ago; a quiet day was accepted."],
            "rates": RATES,
            "rates_date": "2026-10-30",
            "value": {
                "mode": "added",
                "self_cure_from": 0.8,
                "bands": True,
                "rung": {"state": "unproven", "since": "2026-10-31"},
                "orders": {
                    "added": {"debtors": rows, "returns": 900_000, "adds": 120_000},
                    "total": {"debtors": rows, "returns": 1_300_000, "adds": 70_000},
                },
            },
            "inputs": {"payments": {"sha256": "0" * 64}},
            "run": {"seconds": {"score": 1.25}},
        },
        "details": _details(listed, pulls, draw, day_number(as_of)),
        "audit": _audit(listed),
    }
    return Night(**(made | changes))


def empty(**changes: object) -> Night:
    """A night on which every scorable account was deferred or excluded."""
    calm = night(0)
    counts = calm.counts | {
        "below_capacity": 0,
        "no_value": 0,
        "scorable": sum(calm.counts[group] for group in ("deferred", "excluded", "held_out", "self_cure")),
    }
    return night(0, counts=counts, **changes)


def _next_in_line(rows: int, listed: pd.DataFrame) -> pd.DataFrame:
    """As the list goes on; every fourth account has nothing overdue."""
    cycle = listed.iloc[np.arange(rows) % max(1, len(listed))].reset_index(drop=True)
    ids = pd.Series([f"N{place:06d}" for place in range(rows)], dtype=str)
    why = ["" if place % 4 else "placed" for place in range(rows)]
    told = cycle.assign(account_id=ids, debtor_id=ids, place=np.arange(rows) + 1, joined_to="", nothing_overdue=why)
    return told.assign(arrears=np.where(told["nothing_overdue"] == "", told["arrears"], 0))[list(NEXT_COLUMNS)]


def hostile(rows: int = 50) -> Night:
    """Every text of every frame is a payload; keys stay distinct."""
    calm = night(rows)
    spoilt = {
        name: _spoilt(getattr(calm, name))
        for name in ("worklist", "next_in_line", "deferred", "excluded", "held_out", "self_cure", "scores", "audit")
    }
    spoilt["worklist"]["rank"] = spoilt["worklist"].groupby("queue", sort=False).cumcount() + 1
    details = Details(**{name: _spoilt(frame) for name, frame in calm.details.by_name().items()})
    return night(
        rows,
        **spoilt,
        details=details,
        model={"version": HOSTILE[15], "kind": HOSTILE[0]},
        manifest=dict(calm.manifest) | {"warnings": list(HOSTILE)},
    )


# Words that the contract knows: no other text gets into these columns.
TYPED = frozenset(
    {
        *("currency", "reporting_currency", "time_zone", "contact_from", "contact_until"),
        *("channel", "kind", "direction", "outcome", "state", "verdict"),
    }
)


def _spoilt(frame: pd.DataFrame) -> pd.DataFrame:
    spoilt = frame.copy()
    for column in frame.columns:
        if column in TYPED or not len(frame) or not isinstance(frame[column].iloc[0], str):
            continue
        if column == "account_id":
            spoilt[column] = [f"{HOSTILE[sum(text.encode()) % len(HOSTILE)]}{text}" for text in frame[column]]
        else:
            spoilt[column] = [HOSTILE[(place + len(column)) % len(HOSTILE)] for place in range(len(frame))]
    return spoilt


def hash_of(text: str) -> int:
    return sum(text.encode())


def _listed(rows: int, draw: np.random.Generator, as_of: dt.date) -> pd.DataFrame:
    """The list, best net value first within an order over all queues; ranks count within each queue."""
    books = [list(BOOKS)[place] for place in draw.integers(0, len(BOOKS), rows)]
    currencies = [BOOKS[book][1] for book in books]
    balance = (np.exp(draw.normal(6.6, 1.0, rows)) * 100).astype("int64")
    chance = draw.beta(1.6, 5, rows)
    amount = (balance * draw.uniform(0.15, 1, rows)).astype("int64")
    expected = np.round(chance * amount).astype("int64")
    reporting_cents = np.array([RATES[code] * (100 if code == "JPY" else 1) for code in currencies])
    net = np.maximum(1, np.round(expected * reporting_cents * 0.995 - 120)).astype("int64")
    reasons = [_reasons(draw) for _ in range(rows)]
    frame = pd.DataFrame(
        {
            "queue": books,
            "account_id": [f"A{number:07d}" for number in draw.permutation(rows * 9 + 1)[:rows]],
            "debtor_id": [f"D{number:07d}" for number in draw.permutation(rows * 9 + 1)[:rows]],
            "joined_accounts": [
                " ".join(f"J{place}-{n}" for n in range(int(u * 20))) if u < 0.15 else ""
                for place, u in enumerate(draw.random(rows))
            ],
            "portfolio": books,
            "product": [BOOKS[book][0] for book in books],
            "currency": currencies,
            "balance": balance,
            "arrears": (balance * draw.uniform(0.1, 1, rows)).astype("int64"),
            "days_past_due": draw.integers(1, 400, rows),
            "expected_recovery": expected,
            "net_value": net,
            "reporting_currency": "EUR",
            "p_recovered": chance,
            "amount_if_recovered": np.where(draw.random(rows) < 0.02, NO_MONEY, amount),
            "p_defaulted": np.where(draw.random(rows) < 0.3, np.nan, draw.random(rows)),
            "channel": draw.choice(["call", "sms", "email", "letter"], rows, p=[0.6, 0.2, 0.15, 0.05]),
            "contact_from": draw.choice(["08:00", "09:00", "10:00"], rows),
            "contact_until": draw.choice(["17:45", "19:45", "20:45"], rows),
            "time_zone": [BOOKS[book][2] for book in books],
            "contacts_left": draw.integers(1, 8, rows),
            "last_right_party": [
                None if u > 0.6 else as_of - dt.timedelta(int(1 + u * 200)) for u in draw.random(rows)
            ],
            "last_payment": [None if u > 0.8 else as_of - dt.timedelta(int(1 + u * 500)) for u in draw.random(rows)],
            "broken_promises": draw.choice([0, 0, 0, 1, 2], rows),
            **{f"reason_{n + 1}": [found[n][0] for found in reasons] for n in range(3)},
            "model_version": "recovery-2026-10-31",
            "as_of": as_of,
            "valid_until": as_of,
            "added_value": net,
            "effect": draw.choice(["little", "some", "much"], rows),
            "rank_total": 0,
        },
        columns=list(WORKLIST_COLUMNS[1:]),
    )
    frame["pulls"] = reasons
    frame = frame.iloc[np.argsort(-net, kind="stable")].reset_index(drop=True)
    frame.insert(0, "rank", frame.groupby("queue", sort=False).cumcount() + 1)
    total = (
        frame.sort_values("expected_recovery", ascending=False, kind="stable").groupby("queue", sort=False).cumcount()
        + 1
    )
    frame["rank_total"] = total.sort_index()
    return frame


def _audit(listed: pd.DataFrame) -> pd.DataFrame:
    """Every fifth row has a disputed charge of a tenth of its arrears, every seventh a credit elsewhere."""
    place = np.arange(len(listed))
    disputed = np.where(place % 5 == 2, listed["arrears"].to_numpy() // 10, 0)
    return pd.DataFrame(
        {
            "account_id": listed["account_id"],
            "currency": listed["currency"],
            "asked": listed["arrears"] - disputed,
            "disputed": disputed,
            "debtor_credit": np.where(place % 7 == 3, 5_000, 0),
            "expected_recovery": listed["expected_recovery"],
            "fx": [RATES[code] for code in listed["currency"]],
            "share": 1.0,
            "annual_rate": 0.08,
            "days_to_pay": 21.4,
            "discount": 0.9954,
            "contact_cost": np.full(len(listed), 120, dtype="int64"),
            "net_value": listed["net_value"],
            "reporting_currency": "EUR",
            "p_if_left": 0.21,
            "p_if_worked": 0.29,
        }
    )


def _reasons(draw: np.random.Generator) -> list[tuple[str, float]]:
    kept, made, ago, paid, months = (
        draw.integers(1, 5),
        draw.integers(5, 7),
        draw.integers(2, 120),
        draw.integers(20, 900),
        draw.integers(2, 40),
    )
    pool = [
        (f"Kept {kept} of {made} promises in the last year", 0.9 * (kept / made) - 0.3),
        (f"Last payment {ago} days ago", 0.9 - ago / 80),
        (f"{paid}.00 paid in the last 90 days", paid / 900),
        (f"Oldest unpaid bill {ago + 30} days past due", -(ago + 30) / 150),
        (f"Placed {months} months ago", 0.4 - months / 30),
        (f"Paid in {kept} of the last 12 months", kept / 6 - 0.3),
        (f"Spoke to us on {draw.integers(1, 28)} October", 0.35),
        (f"Balance of {paid * 7}.00 is above what is usual for the book", -0.2),
    ]
    return sorted([pool[place] for place in draw.permutation(len(pool))[:6]], key=lambda found: -abs(found[1]))


def _deferred(ids: np.ndarray, draw: np.random.Generator, as_of: dt.date) -> pd.DataFrame:
    rules = [
        (
            "us.reg_f.seven_in_seven",
            "12 CFR 1006.14(b)(2)(i)(A)",
            "Seven calls in seven days were made; the next is permitted later.",
        ),
        ("plan.in_force", "house rule", "A payment plan is in force and kept."),
        ("promise.open", "house rule", "A promise is not yet due."),
        ("us.ma.twice_in_seven", "940 CMR 7.04(1)(f)", "Two calls in seven days were made."),
    ]
    picked = draw.integers(0, len(rules), len(ids))
    start = int(dt.datetime.combine(as_of, dt.time(13), dt.UTC).timestamp()) * 1_000_000
    return pd.DataFrame(
        {
            "account_id": ids,
            "debtor_id": ids,
            "portfolio": "bought_us",
            "currency": "USD",
            "balance": draw.integers(1_000, 900_000, len(ids)),
            "rule": [rules[place][0] for place in picked],
            "citation": [rules[place][1] for place in picked],
            "reason": [rules[place][2] for place in picked],
            "first_permitted": start + draw.integers(1, 9, len(ids)) * DAY_US,
            "time_zone": "America/New_York",
        }
    )


def _excluded(ids: np.ndarray) -> pd.DataFrame:
    rules = [
        ("status.bankruptcy", "11 U.S.C. 362", "An insolvency stops collection."),
        ("status.cease_contact", "15 U.S.C. 1692c(c)", "The debtor asked to stop."),
    ]
    return pd.DataFrame(
        {
            "account_id": ids,
            "debtor_id": ids,
            "portfolio": "bought_us",
            "rule": [rules[place % 2][0] for place in range(len(ids))],
            "citation": [rules[place % 2][1] for place in range(len(ids))],
            "reason": [rules[place % 2][2] for place in range(len(ids))],
        }
    )


def _details(
    listed: pd.DataFrame, pulls: list[list[tuple[str, float]]], draw: np.random.Generator, today: int
) -> Details:
    reasons, balances, payments, contacts, promises, channels, limits = [], [], [], [], [], [], []
    effects, sums = [], []
    for account, owed, found in zip(listed["account_id"], listed["balance"], pulls, strict=True):
        reasons += [(account, text, pull) for text, pull in found]
        effects += [(account, f"A call adds more: {text}", abs(pull) / 2) for text, pull in found[:2]]
        pulled, added = sum(pull for _, pull in found), sum(abs(pull) / 2 for _, pull in found[:2])
        sums.append((account, -1.0 - pulled, -1.0, 0.4 - added, 0.4))
        history = sorted(draw.integers(5, 365, draw.integers(0, 9)).tolist(), reverse=True)
        steps = (owed * np.cumsum(draw.uniform(0, 0.25, len(history)))[::-1]).astype("int64") if history else []
        balances.append((account, today - 365, int(owed + (steps[0] if len(history) else 0))))
        for place, back in enumerate(history):
            left = int(owed + (steps[place + 1] if place + 1 < len(history) else 0))
            payments.append(
                (
                    account,
                    today - back,
                    int(steps[place] - (steps[place + 1] if place + 1 < len(history) else 0)) + 1,
                    "payment" if draw.random() < 0.9 else "credit",
                )
            )
            balances.append((account, today - back, left))
        for back in sorted(draw.integers(1, 90, draw.integers(0, 6)).tolist()):
            channel, outcome = [
                ("call", "no_answer"),
                ("call", "right_party"),
                ("call", "promise"),
                ("email", "opened"),
                ("sms", "delivered"),
                ("letter", None),
            ][draw.integers(0, 6)]
            contacts.append(
                (
                    account,
                    today - back,
                    int(draw.integers(480, 1200)) if channel != "letter" else -1,
                    channel,
                    "outbound" if draw.random() < 0.85 else "inbound",
                    outcome,
                )
            )
        if draw.random() < 0.4:
            promises.append(
                (account, today - 70, today - 56, int(owed // 6 + 1), ["kept", "broken"][draw.integers(0, 2)])
            )
        for channel in CHANNELS:
            rule, span = (
                (("us.reg_f.hours", "12 CFR 1006.6(b)(1)"), (480, 1245))
                if channel in ("call", "sms", "chat")
                else (("", ""), (0, 1440))
            )
            verdict = "permitted" if channel != "email" else "excluded"
            rule, span = (
                (rule, span) if verdict == "permitted" else (("status.opt_out_email", "12 CFR 1006.42"), (-1, -1))
            )
            channels.append(
                (account, channel, verdict, *rule, *span, int(draw.integers(1, 8)) if channel == "call" else None)
            )
        if draw.random() < 0.5:
            limits.append(
                (
                    account,
                    "us.reg_f.hours",
                    "12 CFR 1006.6(b)(1)",
                    "Calls and messages only between 8 in the morning and 9 in the evening where the debtor is.",
                )
            )
    rows = {
        "reasons": reasons,
        "effects": effects,
        "sums": sums,
        "balances": balances,
        "payments": payments,
        "contacts": contacts,
        "promises": promises,
        "channels": channels,
        "limits": limits,
    }
    called = listed["account_id"].iloc[: len(listed) // 40 + (len(listed) > 0)]
    at = [today * DAY_US + (15 * 3_600 + place * 1_800) * 1_000_000 for place in range(len(called))]
    frames = {name: pd.DataFrame(found, columns=list(DETAIL_COLUMNS[name])) for name, found in rows.items()}
    return Details(**frames, appointments=pd.DataFrame({"account_id": called, "appointment_at": at}))
