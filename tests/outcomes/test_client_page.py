"""Every figure of a client's page, told again from the delivery and the published lists by loops of its own.

Of collected.py, commission.py, ahead.py, annex.py and known.py.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.days import day_number
from features.tables import NO_SHARE
from pipeline.outcomes import collected
from pipeline.outcomes.ahead import by_week, counted, published_cases
from pipeline.outcomes.annex import ROWS_SHOWN, annex
from pipeline.outcomes.book_figures import figures
from pipeline.outcomes.book_pages import client_page, write_reports
from pipeline.outcomes.collected import added, sources
from pipeline.outcomes.commission import added_up, commission
from pipeline.params import Params
from pipeline.store.store import Store
from tests.judges import naive_books
from tests.judges.client_judge import (
    Delivery,
    at_rate,
    difference,
    disputed,
    lists_before,
    open_promises,
    rows_of,
    source_of,
)
from tests.worlds.afterwards import EARLIER, NIGHT, House
from tests.worlds.deliveries import PARAMS, charge, instalment, payment, placement, taken
from tests.worlds.marked_pages import Marked, read

AFTER_A_LIST = dt.date(2026, 9, 10)
REPORTS = {"a month on": (NIGHT, 30), "after a list": (AFTER_A_LIST, 40)}


@pytest.fixture(scope="module")
def house(two_nights) -> House:
    params = two_nights.params
    plain = params.promise.model_copy(update={"grace_unit": "days"})  # a judge needs no bank holidays
    return House(two_nights.folder, params.model_copy(update={"promise": plain}))


@pytest.fixture(scope="module", params=REPORTS.values(), ids=REPORTS.keys())
def report(request, house, tmp_path_factory) -> tuple[dt.date, int, dict, dict]:
    """Night, days, figures.json, and every figure of the clients' pages by its place, as it stands there."""
    night, days = request.param
    out = tmp_path_factory.mktemp("out")
    (out / NIGHT.isoformat()).symlink_to(house.out / NIGHT.isoformat())
    place = write_reports(house.store, out, night, days, house.params, "en")
    shown: dict[tuple, int | float | None] = {}
    for page in place.glob("client-*.html"):
        shown |= {at: read(*told) for at, told in Marked(page.read_text(encoding="utf-8")).found.items()}
    return night, days, json.loads((place / "figures.json").read_text()), shown


@pytest.fixture(scope="module")
def told(report, house) -> Delivery:
    zones = {name: book.time_zone for name, book in house.params.portfolios.items()}
    return Delivery(house.folder / "source", zones, report[0])


def test_each_payment_stands_where_the_delivery_and_the_lists_put_it(report, told, house):
    night, days, _, shown = report
    first, horizon = night - dt.timedelta(days), house.params.label.horizon_days
    ours: dict[str, list[dt.date]] = defaultdict(list)
    for account, _, day in told.ours():
        ours[account].append(day)
    lists = lists_before(house.out, night)
    tables = naive_books.read(house.folder / "source")
    due_before = set(naive_books.scorable(tables, naive_books.day_of(first)).index)
    money: Counter = Counter()
    for account, day, left in told.payments():
        if first <= day < night:
            row = told.accounts[account]
            source = source_of(account, day, ours, lists, due_before, horizon)
            money[(row["portfolio"], row["currency"], source)] += left
            money[(row["portfolio"], row["currency"], source, "payments")] += 1
    assert {key[2] for key in money} >= {"contacted", "not_due", "left"}
    if night == AFTER_A_LIST:
        assert {key[2] for key in money} >= {"listed", "held_out"}
    for book, code in {key[:2] for key in money}:
        by = {name: money[(book, code, name)] for name in collected.SOURCES}
        worked = by["contacted"] + by["listed"]
        at = ("portfolios", book, "source", code)
        assert shown[(*at, "worked")] == worked
        assert shown[(*at, "ordinary")] == sum(by.values()) - worked
        assert shown[(*at, "worked_share")] == pytest.approx(worked / sum(by.values()), abs=0.0051)
        assert shown[("portfolios", book, "recovered", code, "amount")] == sum(by.values())
        for name, amount in by.items():
            if amount:
                assert shown[(*at, "sources", name, 0)] == money[(book, code, name, "payments")]
                assert shown[(*at, "sources", name, 1)] == amount
            else:
                assert (*at, "sources", name, 1) not in shown


def test_the_annex_names_every_account_that_paid_or_was_contacted(report, told, house):
    night, days, whole, shown = report
    first, horizon = night - dt.timedelta(days), house.params.label.horizon_days
    ours: dict[str, list[dt.date]] = defaultdict(list)
    met: dict[str, set[str]] = defaultdict(set)
    for account, contact, day in told.ours():
        ours[account].append(day)
        if day >= first:
            met[account].add(contact)
    lists, tables = lists_before(house.out, night), naive_books.read(house.folder / "source")
    due_before = set(naive_books.scorable(tables, naive_books.day_of(first)).index)
    owed = naive_books.scorable(tables, naive_books.day_of(night))["balance"].to_dict()
    # what was paid before a statement and taken back after it, the books read plainly do not know of
    taken_back = {row["account_id"] for row in told.known("payments") if row["kind"] == "reversal"}
    paid: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for account, day, left in told.payments():
        if day >= first:
            is_work = source_of(account, day, ours, lists, due_before, horizon) in ("contacted", "listed")
            paid[account][0 if is_work else 1] += left
    in_dispute = disputed(house.folder / "source", night) & owed.keys()
    seen: set[str] = set()
    for book, held in whole["portfolios"].items():
        for code, listed in held["annex"].items():
            for place, row in enumerate(listed["rows"]):
                at, account = ("portfolios", book, "annex", code, "rows", place), row[0]
                seen.add(account)
                assert told.accounts[account]["portfolio"] == book
                assert [shown[(*at, part)] for part in (1, 2)] == paid[account]
                assert shown[(*at, 3)] == len(met[account])
                if account not in taken_back:
                    assert shown[(*at, 4)] == (round(owed[account]) if account in owed else None)
                assert ("dispute" in row[6]) == (account in in_dispute)
            at = ("portfolios", book, "annex", code, "all")
            assert shown[(*at, 0)] == len(listed["rows"])  # none is cut off here
            for part in (1, 2):
                assert shown[(*at, part)] == sum(row[part] for row in listed["rows"])
            assert shown[(*at, 3)] == len(set().union(*(met[row[0]] for row in listed["rows"])))
    paying = {account for account, sums in paid.items() if sum(sums)}
    assert seen == paying | {account for account, found in met.items() if found} | in_dispute
    assert len(seen - taken_back) > 200


def test_commission_and_what_stays_are_the_rate_on_what_became_known(report, told):
    night, days, _, shown = report
    first = night - dt.timedelta(days)
    sums: Counter = Counter()
    for sign, payments in ((1, told.payments()), (-1, told.payments(before=first))):
        for account, day, left in payments:
            assert sign == 1 or day < first
            row = told.accounts[account]
            sums[(row["portfolio"], row["currency"])] += sign * left
    came = sums[("invoices_jp", "JPY")]
    at = ("portfolios", "invoices_jp", "commission", "JPY")
    assert shown[(*at, "rows", 0, 1)] == 0.2
    assert shown[(*at, "commission")] == at_rate(came, "0.2")
    assert shown[(*at, "remitted")] == came - at_rate(came, "0.2")
    for book, code in (("card_gb", "GBP"), ("loan_eu", "EUR"), ("utility_us", "USD"), ("bought_us", "USD")):
        assert shown[("portfolios", book, "commission", code, "remitted")] == sums[(book, code)]
    earlier = {
        key: amount - shown[("portfolios", key[0], "recovered", key[1], "amount")] for key, amount in sums.items()
    }
    assert any(earlier.values())
    for (book, code), amount in earlier.items():
        assert shown.get(("portfolios", book, "commission", code, "earlier"), 0) == amount


def test_promises_ahead_stand_in_the_week_of_their_day(report, told, house):
    night, _, whole, shown = report
    share = Decimal(str(house.params.promise.kept_share))
    weeks: Counter = Counter()
    for account, due, amount in open_promises(told, share, night + dt.timedelta(28)):
        row = told.accounts[account]
        key = (row["portfolio"], row["currency"], (due - night).days // 7)
        weeks[key] += 1
        weeks[(*key, "amount")] += amount
    assert sum(count for key, count in weeks.items() if len(key) == 3) >= 3
    for book, held in whole["portfolios"].items():
        for code in held["due"]:
            for week in range(4):
                at = ("portfolios", book, "due", code, week)
                assert shown[(*at, 2)] == weeks[(book, code, week)]
                if weeks[(book, code, week)]:  # shown without decimals
                    assert abs(shown[(*at, 3)] - weeks[(book, code, week, "amount")]) <= 50


def test_against_the_held_out_too_few_are_not_told(report, house):
    night, _, whole, shown = report
    for book, held in whole["portfolios"].items():
        for code, lot in held["added"].items():
            page = client_page(whole, book, "en")
            if night == AFTER_A_LIST:
                assert lot["state"] == "waiting"
                assert "can be compared from 15 September 2026 on" in page  # 1 August + 30 + 14 days, all of them past
            else:
                assert lot["state"] == "few"
                at = ("portfolios", book, "added", code)
                assert shown[(*at, "needed")] == 30
                assert min(shown[(*at, "worked")], shown[(*at, "held_out")]) < 30
                assert "are needed before anything can be said" in page


def test_what_work_added_is_the_difference_of_the_arms(house, monkeypatch):
    """On the real store, where two of each arm are let be enough."""
    monkeypatch.setattr(collected, "LEAST_PEOPLE", 2)
    whole = figures(house.store, house.out, NIGHT, 30, house.params)
    drawn = Store(house.store).read("assignments", before=day_number(NIGHT))
    tables = naive_books.read(house.folder / "source")
    start = naive_books.day_of(EARLIER)
    owed, lost = naive_books.scorable(tables, start)["balance"], naive_books.unobservable(tables, start, 30)
    came = naive_books.recovered(tables, start, 30, 14)
    told = 0
    for book, held in whole.items():
        for lot in held["added"].values():
            spans: dict[str, list] = {}
            for row in drawn[drawn["portfolio"] == book].itertuples():
                if row.arm not in ("worked", "control") or row.account_id in lost:
                    continue
                money = min(came.get(row.account_id, 0.0), owed[row.account_id])
                span = spans.setdefault(row.debtor_id, [row.arm, row.probability, 0.0, 0.0, 0.0, 0.0])
                span[2], span[3] = span[2] + row.expected_recovery, span[3] + money
                span[4], span[5] = max(span[4], row.p_recovered), max(span[5], float(money >= 1))
            own = list(spans.values())
            chances = [(arm == "worked", 1 - held_out if arm == "worked" else held_out) for arm, held_out, *_ in own]
            assert lot["worked"] == sum(is_worked for is_worked, _ in chances)
            assert lot["held_out"] == len(own) - lot["worked"]
            if lot["state"] != "told":
                continue
            told += 1
            for name, at, places in (("money", 2, 1.0), ("paid", 4, 1e-4)):
                expected = difference(
                    [(*chance, span[at], span[at + 1]) for chance, span in zip(chances, own, strict=True)]
                )
                assert lot[name] == pytest.approx(expected, abs=places)
            assert lot["total"] == pytest.approx([each * lot["worked"] for each in lot["money"]], abs=lot["worked"])
    assert told >= 3


# ---- by hand ---------------------------------------------------------------------------------------------------------


def test_a_payment_stands_behind_the_first_thing_that_holds():
    payments = pd.DataFrame({"account_no": [1, 1, 2, 3, 4, 5, 6], "occurred_on": [10, 41, 30, 30, 30, 30, 30]})
    payments["account_id"] = [f"A{number}" for number in payments["account_no"]]
    contacts = pd.DataFrame({"account_no": [1, 4], "occurred_on": [10, 31], "contact_id": ["c", "d"]})
    groups = pd.DataFrame({"account_id": ["A2", "A3"], "group": ["joined", "held_out"], "as_of": [1, 0]})
    placements = pd.DataFrame({"account_no": [5, 6], "from_on": [30, 20], "until_on": [40, 30]})
    due = np.array([1, 2, 3, 4, 5])
    found = sources(payments, contacts, groups, placements, due, 30)
    # the second of A1 is 31 days after the contact, A4's contact came later, A6 was recalled on the day
    assert found.tolist() == ["contacted", "left", "listed", "held_out", "left", "agency", "not_due"]


def test_a_book_of_agencies_and_plans_without_a_contact_log(tmp_path):
    """From the delivery to the page: an agency from 10 February until 5 March, a plan of two instalments."""
    plan = {"account_id": "A2", "plan_id": "L1", "agreed_on": "2026-03-20", "total": "90.00"}
    taken(
        tmp_path,
        charges=[charge(charge_id="C9", account_id="A2", amount="250.50")],
        payments=[
            payment(payment_id="P1", occurred_at="2026-02-12T10:00:00+01:00", amount="40.02"),
            payment(payment_id="P2", occurred_at="2026-03-05T10:00:00+01:00", amount="20.00"),
            payment(payment_id="P3", account_id="J1", occurred_at="2026-02-12T10:00:00+09:00", amount="100"),
            payment(payment_id="P4", account_id="K1", occurred_at="2026-02-12T10:00:00+09:00", amount="1.000"),
        ],
        placements=[placement(placed_on="2026-02-10", recalled_on="2026-03-05", commission="0.25", fixed_cost="12.50")],
        plans=[
            instalment(**plan, due_on="2026-04-03", amount="30.00"),
            instalment(**plan, due_on="2026-04-12", amount="60.00"),
        ],
    )
    book = PARAMS.portfolios["paris"]
    whole = PARAMS.model_copy(
        update={
            "portfolios": {
                **PARAMS.portfolios,
                "paris": book.model_copy(update={"delivers": (*book.delivers, "plans")}),
            }
        }
    )
    place = write_reports(tmp_path / "store", tmp_path / "out", dt.date(2026, 4, 1), 60, whole, "en")
    page = (place / "client-paris.html").read_text(encoding="utf-8")
    shown = {at[2:]: read(*told) for at, told in Marked(page).found.items()}
    assert shown[("source", "EUR", "worked")] == shown[("source", "EUR", "sources", "agency", 1)] == 4002
    assert shown[("source", "EUR", "ordinary")] == 2000  # of the day of the recall
    rows = [shown[("commission", "EUR", "rows", 0, part)] for part in (1, 2, 3, 4)]
    assert rows == [0.25, 4002, 1000, 1250]  # 10.005 is 10.00 to even
    assert shown[("commission", "EUR", "remitted")] == 6002 - 2250
    weeks = [(shown[("due", "EUR", week, 4)], shown.get(("due", "EUR", week, 5))) for week in range(3)]
    assert weeks == [(1, 3000), (1, 6000), (0, None)]
    assert "No contact log is delivered" in page
    assert "The store knows of no list of those days" in page
    assert "Nobody of this book is held out by lot." in page
    assert "no rate of KWD" in (place / "client-tokyo.html").read_text(encoding="utf-8")
    assert "nothing can be said of collectors" in (place / "collectors.html").read_text(encoding="utf-8")


def test_without_a_lot_nothing_is_said():
    rows = pd.DataFrame({"arm": ["worked"] * 40, "as_of": 1})
    assert added(rows, 44) == {"state": "no_lot"}


AGENCIES = pd.DataFrame(
    {
        "account_no": [1, 2, 3],
        "party": ["acme", "acme", "bolt"],
        "rate": [250_000, 250_000, NO_SHARE],
        "from_on": [5, 0, 0],
        "until_on": [15, 40, 40],
        "fixed": [300, 100, 0],
    }
)


def test_agencies_earn_their_rate_while_they_have_the_account(house):
    paid = pd.DataFrame(
        {"account_no": [1, 1, 2, 3, 9], "occurred_on": [4, 14, 12, 12, 12], "amount": [1000, 202, 400, 600, 800]}
    )
    found = commission("loan_eu", paid, AGENCIES, AGENCIES.iloc[1:], 3, house.params)
    assert (found["amount"], found["earlier"]) == (3002, 0)
    # 602 with acme at a quarter is 150.5, to even 150; of its fixed costs the second was known before the span
    assert found["rows"] == [["acme", 0.25, 602, 150, 300], ["bolt", None, 600, None, 0]]
    assert (found["commission"], found["fixed"], found["unknown"]) == (150, 300, 1)
    assert found["remitted"] == 3002 - 450
    none = AGENCIES.iloc[:0]
    assert commission("loan_eu", paid, none, none, 3, house.params)["kind"] == "none"
    late = commission("loan_eu", paid.iloc[:0], AGENCIES, AGENCIES.iloc[:1], 30, house.params)  # placed on day 0
    assert late["rows"] == [["acme", 0.25, 0, 0, 100]]
    dearer = AGENCIES.assign(rate=[300_000, 250_000, NO_SHARE])  # a rate that was put right: the cost is charged once
    assert commission("loan_eu", paid.iloc[:0], dearer, AGENCIES, 30, house.params)["fixed"] == 0


def test_what_is_known_late_is_remitted_and_what_is_taken_back_given_back(tmp_path):
    """Two reports that follow on one another: a payment taken back after the first, and one known after it."""
    late = {"account_id": "A1", "kind": "payment"}
    taken(
        tmp_path,
        payments=[
            payment(**late, payment_id="P1", occurred_at="2026-10-20T10:00:00+02:00", amount="1000.00"),
            payment(
                payment_id="R1",
                kind="reversal",
                reverses="P1",
                occurred_at="2026-11-05T10:00:00+01:00",
                amount="1000.00",
            ),
            payment(
                **late,
                payment_id="P2",
                occurred_at="2026-10-31T10:00:00+01:00",
                known_at="2026-11-02T10:00:00+01:00",
                amount="500.00",
            ),
        ],
    )
    book = PARAMS.portfolios["paris"].model_copy(update={"role": "third_party_collector", "share": 0.25})
    params = PARAMS.model_copy(update={"portfolios": {**PARAMS.portfolios, "paris": book}})
    found = []
    for night, days in ((dt.date(2026, 11, 1), 31), (dt.date(2026, 12, 1), 30)):
        place = write_reports(tmp_path / "store", tmp_path / "out", night, days, params, "en")
        page = Marked((place / "client-paris.html").read_text(encoding="utf-8"))
        shown = {at[2:]: read(*told) for at, told in page.found.items()}
        due = [shown.get(("commission", "EUR", part)) for part in ("amount", "earlier", "commission", "remitted")]
        found.append((shown[("recovered", "EUR", "amount")], *due))
    assert found == [(100_000, 100_000, None, 25_000, 75_000), (0, -50_000, -50_000, -12_500, -37_500)]


def test_an_agency_gives_back_at_the_rate_of_the_payment_s_day():
    back = pd.DataFrame({"account_no": [1, 1], "occurred_on": [14, 20], "amount": [-200, 400]})
    found = commission("paris", back, AGENCIES, AGENCIES, 18, PARAMS)
    assert found["rows"] == [["acme", 0.25, -200, -50, 0]]
    assert (found["amount"], found["earlier"], found["remitted"]) == (200, -200, 250)


def test_a_debtor_drawn_six_times_is_one():
    """Five and five debtors, drawn six times each, are too few; thirty and thirty are told, over all their draws."""

    def drawn(size: int) -> pd.DataFrame:
        rows = [(f"d{n}", arm, night, n) for arm in ("worked", "control") for n in range(size) for night in range(6)]
        frame = pd.DataFrame(rows, columns=["debtor_id", "arm", "as_of", "money"])
        frame["debtor_id"] = frame["arm"] + frame["debtor_id"]
        same = {"probability": 0.5, "recovered": 1.0, "p_recovered": 0.5, "expected": 1.0, "matured": True}
        return frame.assign(assigned_on=frame["as_of"], **same)

    few = added(drawn(5), 44)
    assert (few["state"], few["worked"], few["held_out"]) == ("few", 5, 5)
    enough = added(drawn(30), 44)
    assert (enough["state"], enough["worked"], enough["held_out"], enough["draws"]) == ("told", 30, 30, 180)


def test_a_contact_about_two_accounts_counts_once_in_the_sums():
    ours = pd.DataFrame({"account_id": ["a", "b", "b"], "contact_id": ["c", "c", "d"]})
    paid = pd.DataFrame({"account_id": [], "amount": [], "source": []})
    owed = pd.DataFrame(columns=["account_id", "balance", "days_past_due"])
    found = annex(paid, ours, owed, pd.DataFrame(columns=["account_id", "case"]))
    assert [row[3] for row in found["rows"]] == [2, 1]
    assert found["all"] == [2, 0, 0, 2]


def with_money(params: Params, **changes: object) -> Params:
    return params.model_copy(update={"money": params.money.model_copy(update=changes)})


def test_currencies_are_added_by_a_rate_of_before_the_night_alone(house):
    sums = {"worked": {"EUR": 1000, "JPY": 500}, "ordinary": {"EUR": 0, "JPY": 100}}
    assert added_up({"worked": {"EUR": 1000}}, NIGHT, house.params) is None
    found = added_up(sums, NIGHT, house.params)
    assert found is not None
    assert (found["worked"], found["ordinary"], found["rates_date"]) == (1305, 61, "2026-09-29")
    late = added_up(sums, dt.date(2026, 9, 29), house.params)
    assert late == {"currency": "EUR", "rates_date": "2026-09-29", "why": "rate_later"}
    lacking = added_up(sums, NIGHT, with_money(house.params, rates={"EUR": 1.0}))
    assert lacking == {"currency": "EUR", "rates_date": "2026-09-29", "why": "no_rate", "lacking": ["JPY"]}


def test_instalments_and_promises_stand_side_by_side():
    due = pd.DataFrame(
        {
            "due_on": [100, 106, 107, 127],
            "amount": [1, 2, 4, 8],
            "what": ["promise", "instalment", "promise", "promise"],
        }
    )
    assert [row[2:] for row in by_week(due, 100)] == [[1, 1, 1, 2], [1, 4, 0, 0], [0, 0, 0, 0], [1, 8, 0, 0]]


def test_cases_are_the_night_s_own(tmp_path):
    assert published_cases(tmp_path) is None
    names = {"account_id": ["a", "b", "c", "d"], "portfolio": "p", "currency": "EUR", "balance": [1, 2, 4, 8]}
    pd.DataFrame(names).iloc[:1].to_parquet(tmp_path / "specialist.parquet")
    offered = {"proposal": ["plan", "settlement", "", "plan"], "grants": ["agent", "manager", "", "agent"]}
    pd.DataFrame({**names, **offered}).to_parquet(tmp_path / "proposals.parquet")
    routes = {"route": ["internal", "agency", "agency", "legal"], "party": ["", "x", "x", "y"]}
    before = {"route_before": ["", "agency", "internal", "internal"]}
    pd.DataFrame({**names, **routes, **before}).to_parquet(tmp_path / "routes.parquet")
    cases = published_cases(tmp_path)
    assert cases is not None
    assert counted(cases) == [
        ["specialist", "", "", 1, 1],
        ["offer", "plan", "agent", 2, 9],
        ["offer", "settlement", "manager", 1, 2],
        ["route", "agency", "x", 1, 4],
        ["route", "legal", "y", 1, 8],
    ]


def test_what_the_annex_does_not_show_is_counted():
    size = ROWS_SHOWN + 3
    paid = pd.DataFrame({"account_id": [f"a{n:04}" for n in range(size)], "amount": range(size, 0, -1)})
    ours, cases = (pd.DataFrame(columns=["account_id", name]) for name in ("contact_id", "case"))
    owed = pd.DataFrame({"account_id": ["a0001"], "balance": [5], "days_past_due": [7]})
    found = annex(paid.assign(source="contacted"), ours, owed, cases)
    assert found["rows"][0] == ["a0000", size, 0, 0, None, None, []]
    assert found["rows"][1] == ["a0001", size - 1, 0, 0, 5, 7, []]
    assert found["rest"] == [3, 6, 0, 0]
    assert found["all"] == [size, size * (size + 1) // 2, 0, 0]


@pytest.mark.parametrize(
    ("part", "value", "said"),
    [
        ("has_contacts", False, "No contact log is delivered"),
        ("has_lists", False, "The store knows of no list of those days"),
        ("has_plans", False, "The book delivers no plans."),
        ("cases_published", False, "The night proposes no offers and no routes"),
        ("added", {"EUR": {"state": "no_lot"}}, "Nobody of this book is held out by lot."),
        (
            "added_up",
            {"currency": "EUR", "rates_date": "2026-10-05", "why": "rate_later"},
            "the rates are of 5 October 2026, and the report knows of the days before only",
        ),
        (
            "added_up",
            {"currency": "EUR", "rates_date": "2026-09-29", "why": "no_rate", "lacking": ["KES", "TRY"]},
            "the params have no rate of KES, TRY",
        ),
    ],
)
def test_what_lacks_is_said(report, part, value, said):
    whole = report[2]
    book = {**whole["portfolios"]["loan_eu"], part: value}
    assert said in client_page({**whole, "portfolios": {"loan_eu": book}}, "loan_eu", "en")


def test_a_difference_is_said_with_its_interval(report):
    whole, told = report[2], {"state": "told", "from": "2026-09-15", "needed": 30, "worked": 300, "held_out": 40}
    told["draws"] = 400
    for ends, said in (
        ((5, 1, 9), "the work added money"),
        ((5, -1, 9), "is not shown yet"),
        ((-5, -9, -1), "than without"),
    ):
        lot = {**told, "paid": [0.031, -0.002, 0.064], "money": [each * 100 for each in ends]}
        lot["total"] = [each * 40_000 for each in ends]
        book = {**whole["portfolios"]["loan_eu"], "added": {"EUR": lot}}
        page = client_page({**whole, "portfolios": {"loan_eu": book}}, "loan_eu", "en")
        assert said in page
        shown = {at[4:]: read(*each) for at, each in Marked(page).found.items() if at[2] == "added"}
        assert [shown[("paid", end)] for end in range(3)] == [0.031, -0.002, 0.064]
        assert [shown[("total", end)] for end in range(3)] == lot["total"]


def test_nobody_is_named_on_a_client_s_page(report, house):
    debtors = {row["debtor_id"] for row in rows_of(Path(house.folder / "source"), "accounts")}
    for book in report[2]["portfolios"]:
        words = set(client_page(report[2], book, "en").replace("<", " ").replace(">", " ").split())
        assert not words & debtors
