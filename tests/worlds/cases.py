"""Hand-computed boundary cases, one table for ledger, cohort, labels and features.
Every number here was worked out on paper.

A case is a small world and, per night, what must be true on it. Account `a` is the one looked at; amounts are minor
units of EUR.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from features.terms import LabelTerms, Terms
from tests.worlds.worlds import World, day

WEEK = LabelTerms(horizon_days=7, maturity_days=3, default_dpd=30, default_horizon_days=10)
FAR = day("2025-12-31")


@dataclass(frozen=True)
class Case:
    """nights: as_of -> expected values, by name.

    balance, arrears, days_past_due; reason (of the cohort); recovered, recovered_amount, defaulted (None = missing),
    recovered_missing, defaulted_missing under `label` and `complete_through`; every other name is a feature (None =
    missing) of the account, scorable or not.
    """

    name: str
    world: World
    nights: dict[str, dict[str, object]]
    terms: Terms = field(default_factory=Terms)
    label: LabelTerms = WEEK
    complete_through: int = FAR

    def __str__(self) -> str:
        return self.name


def book(zone: str = "UTC") -> World:
    return World(zone).deliver("accounts", "charges", "payments", "statuses").account("a", opened_on="2024-01-01")


def owed(balance: int, arrears: int, days_past_due: int, **more) -> dict[str, object]:
    return {"balance": balance, "arrears": arrears, "days_past_due": days_past_due, **more}


def placed() -> World:
    """900 due on 1 March, placed in February: scorable throughout."""
    world = World().deliver("accounts", "charges", "payments", "statuses")
    return world.account("a", opened_on="2024-01-01", placed_on="2024-02-01").charge("2024-03-01", 900)


LEDGER_CASES = [
    Case(
        "a charge is overdue from the day after its due day",
        book().charge("2024-03-10", 100),
        {
            "2024-01-01": owed(0, 0, 0, reason=None),  # known on 1 January is not known before it
            "2024-01-02": owed(100, 0, 0, reason="not_due"),
            "2024-03-10": owed(100, 0, 0, reason="not_due"),
            "2024-03-11": owed(100, 100, 1, reason="scorable", days_past_due_max_365d=1),
        },
    ),
    Case(
        "the leap day is a day",
        book().charge("2024-02-28", 100),
        {"2024-03-01": owed(100, 100, 2), "2025-02-28": owed(100, 100, 366, days_past_due_max_365d=366)},
    ),
    Case(
        "a charge known late is overdue at once",
        book().charge("2024-03-10", 100, known_at="2024-03-15 10:00"),
        {"2024-03-15": owed(0, 0, 0), "2024-03-16": owed(100, 100, 6)},
    ),
    Case(
        "known at midnight of the night is not known before it",
        book("Europe/Paris").charge("2024-03-10", 100).payment("2024-03-30 12:00", 100, known_at="2024-04-01 00:00:00"),
        {
            "2024-04-01": owed(100, 100, 22, payments_count_30d=0, payments_sum_90d=0),
            "2024-04-02": owed(0, 0, 0, payments_count_30d=1, payments_sum_90d=100, payments_days_since_last=3),
        },
    ),
    Case(
        "the last second of the local day is known, whatever the day in UTC",
        book("Pacific/Pago_Pago").charge("2024-03-10", 100).payment("2024-03-20 23:59:59", 40),
        {"2024-03-20": owed(100, 100, 10), "2024-03-21": owed(60, 60, 11, payments_days_since_last=1)},
    ),
    Case(
        "fourteen hours ahead of UTC",
        book("Pacific/Kiritimati").charge("2024-03-10", 100).payment("2024-03-20 00:00:01", 40),
        {"2024-03-20": owed(100, 100, 10), "2024-03-21": owed(60, 60, 11, payments_days_since_last=1)},
    ),
    Case(
        "an unnamed payment settles the oldest first, partly",
        book().charge("2024-03-01", 100).charge("2024-03-11", 100).payment("2024-03-15", 150),
        {"2024-03-15": owed(200, 200, 14), "2024-03-16": owed(50, 50, 5, days_past_due_max_365d=14)},
    ),
    Case(
        "a named payment settles its charge, its surplus the oldest",
        book()
        .charge("2024-03-01", 100, charge_id="old")
        .charge("2024-03-11", 100, charge_id="new")
        .payment("2024-03-15", 130, charge_id="new"),
        {"2024-03-16": owed(70, 70, 15)},
    ),
    Case(
        "a payment naming a charge that is not known yet settles the oldest until it is",
        book()
        .charge("2024-03-01", 100)
        .charge("2024-03-02", 80, charge_id="late", known_at="2024-03-20")
        .payment("2024-03-10", 80, charge_id="late"),
        {"2024-03-11": owed(20, 20, 10), "2024-03-20": owed(20, 20, 19), "2024-03-21": owed(100, 100, 20)},
    ),
    Case(
        "a payment naming another account's charge settles the oldest",
        book()
        .account("b", "d-a", opened_on="2024-01-01")
        .charge("2024-03-05", 60, account_id="b", charge_id="of-b")
        .charge("2024-03-01", 100)
        .payment("2024-03-10", 60, charge_id="of-b"),
        {"2024-03-11": owed(40, 40, 10)},
    ),
    Case(
        "a prepaid charge does not fall into arrears, and what was paid too much waits for the next",
        book().charge("2024-03-10", 100).charge("2024-03-20", 100).payment("2024-03-01", 130),
        {"2024-03-11": owed(70, 0, 0), "2024-03-21": owed(70, 70, 1)},
    ),
    Case(
        "a payment counts until its reversal is known, then its net; the charge opens again",
        book()
        .charge("2024-03-01", 100)
        .payment("2024-03-05", 100, payment_id="p")
        .reversal("2024-03-06", 100, "p", known_at="2024-03-12"),
        {
            "2024-03-06": owed(0, 0, 0, payments_count_30d=1, payments_sum_90d=100, payments_months_paid_365d=1),
            "2024-03-12": owed(0, 0, 0, payments_count_30d=1, payments_sum_90d=100),
            "2024-03-13": owed(100, 100, 12, payments_count_30d=0, payments_sum_90d=0, payments_months_paid_365d=0),
        },
    ),
    Case(
        "a partial reversal leaves the rest",
        book().charge("2024-03-01", 100).payment("2024-03-05", 100, payment_id="p").reversal("2024-03-09", 30, "p"),
        {"2024-03-09": owed(0, 0, 0), "2024-03-10": owed(30, 30, 9, payments_count_30d=1, payments_sum_90d=70)},
    ),
    Case(
        "reversals never take back more than was paid",
        book()
        .charge("2024-03-01", 100)
        .payment("2024-03-05", 40, payment_id="p")
        .reversal("2024-03-06", 30, "p")
        .reversal("2024-03-08", 30, "p"),
        {"2024-03-07": owed(90, 90, 6), "2024-03-09": owed(100, 100, 8)},
    ),
    Case(
        "a reversal known before its payment waits for it",
        book()
        .charge("2024-03-01", 100)
        .payment("2024-03-05", 40, payment_id="p", known_at="2024-03-10")
        .reversal("2024-03-06", 40, "p"),
        {"2024-03-07": owed(100, 100, 6), "2024-03-11": owed(100, 100, 10)},
    ),
    Case(
        "a credit lowers the balance and is no payment",
        book().charge("2024-03-01", 100).credit("2024-03-05", 60),
        {"2024-03-06": owed(40, 40, 5, payments_count_30d=0, payments_sum_90d=0, payments_days_since_last=None)},
    ),
    Case(
        "a negative adjustment lowers the balance when known and settles from its due day",
        book().charge("2024-03-01", 100).charge("2024-03-10", -60, kind="adjustment", known_at="2024-03-05"),
        {
            "2024-03-05": owed(100, 100, 4),
            "2024-03-06": owed(40, 100, 5),
            "2024-03-10": owed(40, 100, 9),
            "2024-03-11": owed(40, 40, 10),
        },
    ),
    Case(
        "a moved due date counts from the day it is known",
        book().charge("2024-03-01", 100, charge_id="c").charge("2024-03-20", 100, charge_id="c", known_at="2024-03-08"),
        {
            "2024-03-08": owed(100, 100, 7),
            "2024-03-09": owed(100, 0, 0, reason="not_due", days_past_due_max_365d=7),
            "2024-03-21": owed(100, 100, 1, days_past_due_max_365d=7),
        },
    ),
    Case(
        "of two versions known on one day the later holds",
        book()
        .charge("2024-03-01", 100, charge_id="c")
        .charge("2024-03-01", 70, charge_id="c", known_at="2024-03-08 09:00")
        .charge("2024-03-01", 50, charge_id="c", known_at="2024-03-08 15:00"),
        {"2024-03-08": owed(100, 100, 7), "2024-03-09": owed(50, 50, 8)},
    ),
    Case(
        "a cent that is left of the oldest charge counts its days once all arrears pass the tolerance",
        book().charge("2024-03-01", 100).charge("2024-03-31", 500).payment("2024-03-10", 99),
        {"2024-03-12": owed(501, 1, 0), "2024-04-05": owed(501, 501, 35)},
        terms=Terms(dpd_tolerance={("book", "EUR"): 100}),
    ),
    Case(
        "arrears at the tolerance are no days past due, one unit more are",
        book()
        .charge("2024-03-01", 100, charge_id="c")
        .payment("2024-03-02", 40)
        .charge("2024-03-01", 101, charge_id="c", known_at="2024-03-10"),
        {"2024-03-05": owed(60, 60, 0, reason="scorable"), "2024-03-11": owed(61, 61, 10)},
        terms=Terms(dpd_tolerance={("book", "EUR"): 60}),
    ),
    Case(
        "an account without charges owes nothing",
        book(),
        {"2024-03-01": owed(0, 0, 0, reason="no_balance")},
    ),
    Case(
        "overpaid is a negative balance and no arrears",
        book().charge("2024-03-01", 100).payment("2024-03-02", 130),
        {"2024-03-03": owed(-30, 0, 0, reason="no_balance")},
    ),
    Case(
        "a statement replaces derived figures once it is known, and ages by one a day",
        book().charge("2024-01-15", 100).balance("2024-03-01", 500, 200, 10, known_at="2024-03-02 08:00"),
        {
            "2024-03-01": owed(100, 100, 46),
            "2024-03-02": owed(100, 100, 47),
            "2024-03-03": owed(500, 200, 12),
            "2024-03-13": owed(500, 200, 22, days_past_due_max_365d=47),
        },
    ),
    Case(
        (
            "payments dated after the statement reduce both, "
            "those on its day or before do not, however late they are known"
        ),
        book()
        .balance("2024-03-01", 500, 200, 10)
        .payment("2024-03-01 18:00", 70, known_at="2024-03-05")
        .payment("2024-03-02 00:00:00", 50),
        {"2024-03-02": owed(500, 200, 11), "2024-03-03": owed(450, 150, 12), "2024-03-06": owed(450, 150, 15)},
    ),
    Case(
        "statement arrears are settled first and keep their age until they are; then later charges tell the age",
        book()
        .charge("2024-03-05", 100, issued_on="2024-03-03", kind="invoice")
        .balance("2024-03-01", 500, 200, 10)
        .payment("2024-03-10", 199)
        .payment("2024-03-12", 1),
        {
            "2024-03-04": owed(600, 200, 13),
            "2024-03-06": owed(600, 300, 15),
            "2024-03-11": owed(401, 101, 20),
            "2024-03-13": owed(400, 100, 8),
        },
    ),
    Case(
        "a charge the statement contains falls due after it without raising the balance again",
        book().charge("2024-03-05", 100).balance("2024-03-01", 500, 0, 0),
        {"2024-03-05": owed(500, 0, 0, reason="not_due"), "2024-03-06": owed(500, 100, 1)},
    ),
    Case(
        "a charge due before the statement is in its arrears already",
        book().charge("2024-02-20", 100).balance("2024-03-01", 500, 150, 12),
        {"2024-03-02": owed(500, 150, 13)},
    ),
    Case(
        "a charge issued after the statement adds although it was due before it",
        book().charge("2024-02-20", 30, kind="fee", issued_on="2024-03-04").balance("2024-03-01", 500, 150, 5),
        {"2024-03-04": owed(500, 150, 8), "2024-03-05": owed(530, 180, 14)},
    ),
    Case(
        "a due date moved after the statement does not make an old charge a new one",
        book()
        .charge("2024-03-05", 100, charge_id="c")
        .charge("2024-03-09", 100, charge_id="c", known_at="2024-03-03")
        .balance("2024-03-01", 500, 0, 0),
        {"2024-03-06": owed(500, 0, 0), "2024-03-10": owed(500, 100, 1)},
    ),
    Case(
        "a charge paid by name before the statement does not fall into arrears after it",
        book()
        .charge("2024-03-05", 100, charge_id="c")
        .payment("2024-02-20", 100, charge_id="c")
        .balance("2024-03-01", 400, 0, 0),
        {"2024-03-06": owed(400, 0, 0)},
    ),
    Case(
        (
            "a payment the statement saw, taken back after it, "
            "is owed again once that is known, overdue since it was paid, until the next one"
        ),
        book()
        .payment("2024-02-20", 80, payment_id="p")
        .balance("2024-03-01", 500, 0, 0)
        .reversal("2024-03-04", 80, "p", known_at="2024-03-06")
        .balance("2024-03-20", 570, 70, 9),
        {
            "2024-03-06": owed(500, 0, 0),
            "2024-03-07": owed(580, 80, 16),
            "2024-03-20": owed(580, 80, 29),
            "2024-03-21": owed(570, 70, 10),
        },
    ),
    Case(
        "a payment taken back on the statement's day is so in the statement, however late it is known",
        book()
        .payment("2024-02-20", 80, payment_id="p")
        .balance("2024-03-01", 500, 0, 0)
        .reversal("2024-03-01", 80, "p", known_at="2024-03-05"),
        {"2024-03-06": owed(500, 0, 0)},
    ),
    Case(
        "a payment taken back in part after the statement opens the charge it named as of that charge's day",
        book()
        .charge("2024-02-10", 80, charge_id="c")
        .payment("2024-02-20", 80, payment_id="p", charge_id="c")
        .balance("2024-03-01", 420, 0, 0)
        .reversal("2024-03-04", 30, "p"),
        {"2024-03-04": owed(420, 0, 0), "2024-03-05": owed(450, 30, 24)},
    ),
    Case(
        "a charge paid before the statement and taken back after it is owed at once and overdue when it falls due",
        book()
        .charge("2024-03-15", 100, charge_id="c")
        .payment("2024-02-20", 100, payment_id="p", charge_id="c")
        .balance("2024-03-01", 400, 0, 0)
        .reversal("2024-03-04", 100, "p"),
        {"2024-03-05": owed(500, 0, 0), "2024-03-15": owed(500, 0, 0), "2024-03-16": owed(500, 100, 1)},
    ),
    Case(
        "money after the statement settles what was taken back before charges that fell due since",
        book()
        .payment("2024-02-20", 80, payment_id="p")
        .balance("2024-03-01", 500, 0, 0)
        .reversal("2024-03-04", 80, "p")
        .charge("2024-03-05", 60, issued_on="2024-03-03", kind="invoice")
        .charge("2024-03-10", 60, issued_on="2024-03-03", kind="invoice")
        .payment("2024-03-12", 80),
        {"2024-03-11": owed(700, 200, 20), "2024-03-13": owed(620, 120, 8)},
    ),
    Case(
        "money after the statement settles its arrears, then what was taken back",
        book()
        .payment("2024-02-28", 80, payment_id="p")
        .balance("2024-03-01", 500, 50, 6)
        .reversal("2024-03-04", 80, "p")
        .payment("2024-03-06", 60)
        .payment("2024-03-08", 70),
        {
            "2024-03-05": owed(580, 130, 10),
            "2024-03-07": owed(520, 70, 8),
            "2024-03-09": owed(450, 0, 0),
        },
    ),
    Case(
        "of an overpayment taken back after the statement no more is due than is owed",
        book()
        .charge("2024-02-10", 90)
        .payment("2024-02-20", 120, payment_id="p")
        .balance("2024-03-01", -30, 0, 0)
        .reversal("2024-03-04", 120, "p"),
        {"2024-03-04": owed(-30, 0, 0), "2024-03-05": owed(90, 90, 14)},
    ),
    Case(
        "a charge that the statement shows as paid ahead is not due again on its day",
        book()
        .charge("2024-02-10", 50)
        .charge("2024-03-15", 50)
        .payment("2024-02-01", 100)
        .balance("2024-03-01", 0, 0, 0),
        {"2024-03-15": owed(0, 0, 0), "2024-03-16": owed(0, 0, 0)},
    ),
    Case(
        "what was paid beyond a charge of later is due at once when taken back, the charge on its day",
        book()
        .charge("2024-03-15", 60, charge_id="c")
        .payment("2024-02-20", 100, payment_id="p", charge_id="c")
        .balance("2024-03-01", 200, 20, 10)
        .reversal("2024-03-04", 50, "p")
        .reversal("2024-03-06", 50, "p"),
        {"2024-03-05": owed(250, 60, 14), "2024-03-07": owed(300, 60, 16), "2024-03-16": owed(300, 120, 25)},
    ),
    Case(
        "days overdue in the last 90 days are 90 at most",
        book().charge("2024-02-10", 100),
        {
            "2024-03-01": {"days_overdue_90d": 20.0},
            "2024-12-01": {"days_overdue_90d": 90.0, "days_overdue_ever": 295.0},
        },
    ),
    Case(
        "a re-aged statement lowers days past due without money",
        book().balance("2024-03-01", 500, 200, 40).balance("2024-03-10", 500, 200, 0),
        {"2024-03-10": owed(500, 200, 49), "2024-03-11": owed(500, 200, 0, days_past_due_max_365d=49)},
    ),
    Case(
        "a corrected statement replaces its first version; an older statement known late does not",
        book()
        .balance("2024-03-01", 500, 200, 40)
        .balance("2024-03-01", 300, 100, 20, known_at="2024-03-05")
        .balance("2024-02-01", 900, 900, 99, known_at="2024-03-07"),
        {"2024-03-05": owed(500, 200, 44), "2024-03-06": owed(300, 100, 25), "2024-03-08": owed(300, 100, 27)},
    ),
    Case(
        "the tolerance holds for statements too",
        book().balance("2024-03-01", 500, 60, 40).balance("2024-03-10", 500, 61, 40),
        {"2024-03-05": owed(500, 60, 0), "2024-03-12": owed(500, 61, 42)},
        terms=Terms(dpd_tolerance={("book", "EUR"): 60}),
    ),
]

COHORT_CASES = [
    Case(
        "placed on the night or later reads as not placed",
        World().account("a", opened_on="2024-01-01", placed_on="2024-03-10").charge("2024-06-01", 100),
        {
            "2024-03-10": {"reason": "not_due"},
            "2024-03-11": {"reason": "scorable", "months_since_placed": 0},
            "2024-04-09": {"reason": "scorable", "months_since_placed": 0},
            "2024-04-10": {"reason": "scorable", "months_since_placed": 1},
        },
    ),
    Case(
        "a placement known late places from then on",
        World()
        .account("a", opened_on="2024-01-01")
        .account("a", opened_on="2024-01-01", placed_on="2024-03-10", known_at="2024-03-20 09:00")
        .charge("2024-06-01", 100),
        {"2024-03-20": {"reason": "not_due"}, "2024-03-21": {"reason": "scorable"}},
    ),
    Case(
        "a status that begins on the night and is known before is in force",
        placed().status("closed", "2024-03-10", known_at="2024-03-09 12:00"),
        {"2024-03-09": {"reason": "scorable"}, "2024-03-10": {"reason": "closed"}},
    ),
    Case(
        "a status known on the night is not known before it",
        placed().status("sold", "2024-03-05", known_at="2024-03-10"),
        {"2024-03-10": {"reason": "scorable"}, "2024-03-11": {"reason": "sold"}},
    ),
    Case(
        "an end on the night or later reads as empty",
        placed().status("agency", "2024-03-05", "2024-03-10"),
        {"2024-03-06": {"reason": "agency"}, "2024-03-10": {"reason": "agency"}, "2024-03-11": {"reason": "scorable"}},
    ),
    Case(
        "a status ended by a later version ends when that is known",
        placed().status("agency", "2024-03-05").status("agency", "2024-03-05", "2024-03-07", known_at="2024-03-15"),
        {"2024-03-15": {"reason": "agency"}, "2024-03-16": {"reason": "scorable"}},
    ),
    Case(
        "closed goes before sold, sold before agency, a status before the balance",
        book().status("agency", "2024-02-01").status("sold", "2024-02-02").status("closed", "2024-02-03"),
        {
            "2024-02-01": {"reason": "no_balance"},
            "2024-02-02": {"reason": "agency"},
            "2024-02-03": {"reason": "sold"},
            "2024-02-04": {"reason": "closed"},
        },
    ),
]

LABEL_CASES = [
    Case(
        "the horizon holds its first day and not its last",
        placed()
        .payment("2024-03-10 00:00:00", 1)
        .payment("2024-03-16 23:59:59", 10)
        .payment("2024-03-17 00:00:00", 100),
        {
            "2024-03-09": {"recovered": 1, "recovered_amount": 1},
            "2024-03-10": {"recovered": 1, "recovered_amount": 11, "balance": 900},
            "2024-03-11": {"recovered": 1, "recovered_amount": 110, "balance": 899},
            "2024-03-17": {"recovered": 1, "recovered_amount": 100},
            "2024-03-18": {"recovered": 0, "recovered_amount": 0},
        },
    ),
    Case(
        "money known from the end of maturity on does not count",
        placed()
        .payment("2024-03-12", 5, known_at="2024-03-19 23:59:59")
        .payment("2024-03-12", 50, known_at="2024-03-20 00:00:00"),
        {"2024-03-10": {"recovered": 1, "recovered_amount": 5}, "2024-03-11": {"recovered_amount": 55}},
    ),
    Case(
        "a reversal known within maturity takes its payment off, a later one does not",
        placed()
        .payment("2024-03-12", 50, payment_id="p")
        .reversal("2024-03-13", 50, "p", known_at="2024-03-19")
        .payment("2024-03-12", 20, payment_id="q")
        .reversal("2024-03-13", 20, "q", known_at="2024-03-20"),
        {"2024-03-10": {"recovered": 1, "recovered_amount": 20}, "2024-03-11": {"recovered": 0, "recovered_amount": 0}},
    ),
    Case(
        "a reversal of an older payment is not taken off",
        placed().payment("2024-03-05", 50, payment_id="p").payment("2024-03-12", 20).reversal("2024-03-13", 50, "p"),
        {"2024-03-10": {"recovered": 1, "recovered_amount": 20, "balance": 850}},
    ),
    Case(
        "a payment from before the night that becomes known after it is not recovered",
        placed().payment("2024-03-09", 50, known_at="2024-03-11"),
        {"2024-03-10": {"recovered": 0, "recovered_amount": 0, "balance": 900}},
    ),
    Case(
        "a credit is never recovered",
        placed().credit("2024-03-12", 500),
        {"2024-03-10": {"recovered": 0, "recovered_amount": 0}},
    ),
    Case(
        "no more than the balance is recovered",
        placed().payment("2024-03-12", 1000),
        {"2024-03-10": {"recovered": 1, "recovered_amount": 900}},
    ),
    Case(
        "a label exists from the day its maturity is complete",
        placed().payment("2024-03-12", 5),
        {
            "2024-03-10": {"recovered": 1, "recovered_missing": "", "defaulted": None, "defaulted_missing": "immature"},
            "2024-03-11": {"recovered": None, "recovered_amount": None, "recovered_missing": "immature"},
        },
        complete_through=day("2024-03-20"),
    ),
    Case(
        "each label has its own maturity",
        placed(),
        {
            "2024-03-09": {"recovered_missing": "", "defaulted_missing": "", "defaulted": 0},
            "2024-03-10": {"recovered_missing": "", "defaulted_missing": "immature", "defaulted": None},
        },
        complete_through=day("2024-03-22"),
    ),
    Case(
        "a sale inside the window leaves no label, on the day after it does",
        placed().status("sold", "2024-03-16").payment("2024-03-12", 5),
        {
            "2024-03-09": {"recovered": 1, "recovered_missing": "", "defaulted_missing": "sold"},
            "2024-03-10": {"recovered": None, "recovered_missing": "sold"},
        },
    ),
    Case(
        "recalled is closed with that detail, any other closing is an outcome",
        placed().status("closed", "2024-03-12", detail="paid"),
        {"2024-03-10": {"recovered": 0, "recovered_missing": ""}},
    ),
    Case(
        "recalled inside the window",
        placed().status("closed", "2024-03-12", detail="recalled"),
        {"2024-03-10": {"recovered": None, "recovered_missing": "recalled", "defaulted_missing": "recalled"}},
    ),
    Case(
        "an outcome unknown since before the night is still unknown",
        placed().status("outcome_unknown", "2024-02-20"),
        {"2024-03-10": {"reason": "scorable", "recovered": None, "recovered_missing": "outcome_unknown"}},
    ),
    Case(
        "an outcome unknown only until the day before the night is known again",
        placed().status("outcome_unknown", "2024-02-20", "2024-03-09"),
        {"2024-03-10": {"recovered": 0, "recovered_missing": ""}},
    ),
    Case(
        "an outcome found to be unknown after maturity leaves no label, if the deliveries go so far",
        placed().status("outcome_unknown", "2024-03-05", known_at="2024-05-31"),
        {"2024-03-10": {"reason": "scorable", "recovered": None, "recovered_missing": "outcome_unknown"}},
        complete_through=day("2024-05-31"),
    ),
    Case(
        "an outcome found to be unknown after the day the deliveries are complete through is not known",
        placed().status("outcome_unknown", "2024-03-05", known_at="2024-05-31"),
        {"2024-03-10": {"reason": "scorable", "recovered": 0, "recovered_missing": ""}},
        complete_through=day("2024-05-30"),
    ),
    Case(
        "a sale that comes to be known after maturity is not known to the label",
        placed().status("sold", "2024-03-12", known_at="2024-03-20"),
        {"2024-03-10": {"recovered": 0, "recovered_missing": ""}, "2024-03-11": {"recovered_missing": "sold"}},
    ),
    Case(
        "handed to an agency inside the window",
        placed().status("agency", "2024-03-12"),
        {"2024-03-10": {"recovered": None, "recovered_missing": "agency", "defaulted_missing": "agency"}},
    ),
    Case(
        "sold goes before recalled, recalled before unknown, unknown before agency",
        placed()
        .status("agency", "2024-03-11")
        .status("outcome_unknown", "2024-03-12")
        .status("closed", "2024-03-14", detail="recalled")
        .status("sold", "2024-03-16"),
        {
            "2024-03-05": {"recovered_missing": "agency"},
            "2024-03-06": {"recovered_missing": "outcome_unknown"},
            "2024-03-08": {"recovered_missing": "recalled"},
            "2024-03-10": {"recovered_missing": "sold"},
        },
    ),
    Case(
        "days past due that reach the threshold on the last day of the window default, on the day after they do not",
        placed(),  # 30 days past due on 31 March
        {
            "2024-03-21": {"defaulted": 0, "days_past_due": 20},
            "2024-03-22": {"defaulted": 1, "days_past_due": 21},
            "2024-03-30": {"defaulted": 1, "days_past_due": 29},
            "2024-03-31": {
                "defaulted": None,
                "defaulted_missing": "in_default",
                "days_past_due": 30,
                "recovered_missing": "",
            },
        },
    ),
    Case(
        "days past due count as they were known that day: a payment known late does not undo the default",
        placed().payment("2024-03-30", 900, known_at="2024-04-02"),
        {"2024-03-22": {"defaulted": 1, "recovered_amount": 0}, "2024-03-25": {"recovered_amount": 900}},
    ),
    Case(
        "a charge-off that begins inside the window is a default, once known in time",
        placed().status("charged_off", "2024-03-12", known_at="2024-03-22"),
        {"2024-03-09": {"defaulted": 0}, "2024-03-10": {"defaulted": 1}},
    ),
    Case(
        "a status default in force on the night leaves no label to predict",
        placed().status("default", "2024-03-10", known_at="2024-03-09"),
        {
            "2024-03-09": {"defaulted": 1},
            "2024-03-10": {"defaulted": None, "defaulted_missing": "in_default", "recovered_missing": ""},
        },
    ),
    Case(
        "a default that begins on the night and is known later is inside the window",
        placed().status("default", "2024-03-10", known_at="2024-03-12"),
        {"2024-03-10": {"defaulted": 1}, "2024-03-11": {"defaulted": 0}},
    ),
    Case(
        "a threshold is exact: 7 per cent of 900 is 63",
        placed().payment("2024-03-12", 63),
        {"2024-03-10": {"recovered": 1, "recovered_amount": 63}},
        label=LabelTerms(horizon_days=7, maturity_days=3, min_share=0.07),
    ),
    Case(
        "one unit under the threshold is not recovered",
        placed().payment("2024-03-12", 62),
        {"2024-03-10": {"recovered": 0, "recovered_amount": 62}},
        label=LabelTerms(horizon_days=7, maturity_days=3, min_share=0.07),
    ),
    Case(
        "min_amount is in decimal units",
        placed().payment("2024-03-12", 150),
        {"2024-03-10": {"recovered": 1}, "2024-03-13": {"recovered": 0}},
        label=LabelTerms(horizon_days=7, maturity_days=3, min_amount=1.5),
    ),
]

CASES = [*LEDGER_CASES, *COHORT_CASES, *LABEL_CASES]
