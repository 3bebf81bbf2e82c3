"""Every figure of a client's page, told again from the delivery and the published lists by loops of its own.

Of collected.py, commission.py, ahead.py, annex.py and known.py.
"""

from __future__ import annotations

import copy
import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.days import date_of, day_number
from features.tables import NO_SHARE
from pipeline.outcomes import collected
from pipeline.outcomes.ahead import by_week, counted, published_cases
from pipeline.outcomes.annex import ROWS_SHOWN, annex
from pipeline.outcomes.book_figures import figures
from pipeline.outcomes.book_pages import client_page, write_reports
from pipeline.outcomes.collected import added, sources
from pipeline.outcomes.commission import Standing, added_up, commission
from pipeline.params import Params
from pipeline.store.store import Store
from tests.judges.book_judge import PEOPLE, Books
from tests.judges.client_judge import Delivery, rows_of
from tests.worlds.afterwards import EARLIER, NIGHT, House
from tests.worlds.deliveries import PARAMS, charge, instalment, payment, placement, status, taken
from tests.worlds.marked_pages import Marked, differences, drawn_figures, read

AFTER_A_LIST = dt.date(2026, 9, 1)  # disputes stand then
REPORTS = {"a month on": (NIGHT, 30), "after a list": (AFTER_A_LIST, 40)}


@pytest.fixture(scope="module")
def house(two_nights) -> House:
    params = two_nights.params
    plain = params.promise.model_copy(update={"grace_unit": "days"})  # a judge needs no bank holidays
    return House(two_nights.folder, params.model_copy(update={"promise": plain}))


def decisions(accounts: dict[str, dict[str, str]]) -> dict[str, list[dict]]:
    """What a night under a policy might ask of some accounts of two books."""
    own = sorted(name for name, row in accounts.items() if row["portfolio"] in ("loan_eu", "card_gb"))

    def rows(first: int, *told: dict) -> list[dict]:
        chosen = own[first::11]
        about = [{name: accounts[who][name] for name in ("account_id", "portfolio", "currency")} for who in chosen]
        return [{**one, "balance": 1000 + at, **told[at % len(told)]} for at, one in enumerate(about)]

    offers = ({"proposal": "plan", "grants": "agent"}, {"proposal": "settlement", "grants": "manager"})
    stays = {"route": "internal", "party": "", "route_before": "agency"}
    leaves = {"route": "agency", "party": "acme", "route_before": "internal"}
    return {
        "specialist": rows(0, {}),
        "proposals": rows(1, *offers, {"proposal": "", "grants": ""}),
        "routes": rows(2, stays, leaves, {**leaves, "route_before": "agency"}),
    }


@pytest.fixture(scope="module", params=REPORTS.values(), ids=REPORTS.keys())
def report(request, house, tmp_path_factory) -> tuple[dt.date, dict, dict, dict]:
    """Night, figures.json, every figure of the clients' pages by its place, as it stands there, and what
    the judge tells of both.
    """
    night, days = request.param
    out = tmp_path_factory.mktemp("out")
    (out / NIGHT.isoformat()).symlink_to(house.out / NIGHT.isoformat())
    (out / EARLIER.isoformat()).symlink_to(house.out / EARLIER.isoformat())
    judge = books_of(house, out, night, days)
    if night == AFTER_A_LIST:
        judge.tables = decisions(judge.told.accounts)
        (out / night.isoformat()).mkdir()
        for name, rows in judge.tables.items():
            pd.DataFrame(rows).to_parquet(out / night.isoformat() / f"{name}.parquet")
    place = write_reports(house.store, out, night, days, house.params, "en")
    shown: dict[tuple, int | float | None] = {}
    for page in place.glob("client-*.html"):
        shown |= {at: read(*told) for at, told in Marked(page.read_text(encoding="utf-8")).found.items()}
    return night, json.loads((place / "figures.json").read_text()), shown, judge.whole()


def books_of(house: House, out: Path, night: dt.date, days: int, people: int = PEOPLE) -> Books:
    told = Delivery.of(house.folder / "source", house.params, night)
    drawn = Store(house.store).read("assignments", before=day_number(night) + 1)
    drawn = drawn[drawn["as_of"] == drawn["assigned_on"]].to_dict("records")
    rows = [{**row, "as_of": date_of(row["as_of"])} for row in drawn]
    return Books(told, out, night - dt.timedelta(days), house.params, rows, None, people)


def test_every_figure_is_what_the_delivery_and_the_lists_tell(report):
    night, whole, _, judged = report
    assert differences(whole["portfolios"], judged) == []
    assert set(whole["portfolios"]["loan_eu"]) == set(judged["loan_eu"])

    def total(*place: str | int) -> int:
        """Over all books and currencies; 0 where a book has none."""
        found = [of for book in judged.values() for of in (book.get(place[0]) or {}).values()]
        for part in place[1:]:
            found = [of[part] for of in found if of]
        return sum(found)

    for source in ("contacted", "not_due", "left", *(("listed", "held_out") if night == AFTER_A_LIST else ())):
        assert total("source", "sources", source, 1) > 0
    assert min(total("promises", state, 0) for state in ("kept", "broken")) > 3
    assert sum(week[2] for book in judged.values() for weeks in book["due"].values() for week in weeks) >= 3
    assert total("commission", "earlier") != 0
    assert total("annex", "all", 0) > 200
    assert sum(book["worked"]["listed"] for book in judged.values()) == (76 if night == AFTER_A_LIST else 0)
    states = {lot["state"] for book in judged.values() for lot in book["added"].values()}
    assert states == ({"waiting"} if night == AFTER_A_LIST else {"few"})
    assert bool(judged["loan_eu"]["lists"]) == (night == NIGHT)
    cases = {row[0] for book in judged.values() for rows in book["cases"].values() for row in rows}
    assert cases == ({"dispute", "specialist", "offer", "route"} if night == AFTER_A_LIST else set())
    shares = [share for row in judged["bought_us"]["liquidation"]["USD"] for share in row[3]]
    assert None in shares
    assert any(shares)


def test_every_figure_of_a_page_is_the_judge_s(report):
    """Each that is marked, to its rounding; and of the plots what is said under them for who cannot see them."""
    night, whole, shown, books = report
    judged = {"portfolios": books}
    for at, value in shown.items():
        expected: Any = judged
        for part in at:
            expected = expected[part]
        if value is None or expected is None:
            assert value is expected is None, at
        elif isinstance(expected, float):
            assert value == pytest.approx(expected, abs=0.0051), at
        else:
            assert abs(value - expected) <= (50 if value % 100 == 0 else 0), at  # short money has no decimals
    assert {at[2] for at in shown} == {
        *("worked", "answers", "recovered", "source", "commission", "due", "annex"),
        *("promises", "book", "owed", "liquidation", *(("added", "lists") if night == NIGHT else ("cases",))),
    }
    assert len(shown) > 1500
    for book, held in judged["portfolios"].items():
        said = drawn_figures(client_page(whole, book, "en"))
        for title, by, most in (
            ("How we tried to reach debtors", held["worked"]["by_channel"], 6),
            ("What came of it", held["answers"]["by_outcome"], 7),
        ):
            counts = [*by.values()]
            rest = [sum(counts[most:])] if len(counts) > most else []
            assert [part[-1] for part in said[title][0]] == [*counts[:most], *rest]
        for place, code in enumerate(held["currencies"]):
            unit = 1 if code == "JPY" else 100
            months = [round(money / unit, 2) for _, money in held["recovered"][code]["months"]]
            assert [part[-1] for part in said["Recovered each month"][place]] == months
            owed = [[balance / unit, accounts] for accounts, balance in held["owed"][code]["by_days"].values()]
            for part, figures_of in zip(said["Still owed, by days past due"][place], owed, strict=True):
                assert part[-2:] == pytest.approx(figures_of, abs=0.5)
        for title, section, figures_of in (
            ("Promises that fell due", "promises", lambda told: [[count] for count, _ in told.values()]),
            ("Expected and recovered, by list", "lists", lambda told: [row[2:] for row in told["newest"]]),
            ("Share of the placed amount recovered", "liquidation", lambda told: [[best(row[3])] for row in told]),
        ):
            units = {"promises": 1, "liquidation": 0.01}
            told_of = [(code, figures_of(of)) for code, of in held[section].items()]
            for (code, parts), drawn in zip(told_of, said.get(title, []), strict=True):
                unit = units.get(section, 1 if code == "JPY" else 100)
                for part, expected in zip(drawn, parts, strict=True):
                    if None not in expected:
                        assert part[-len(expected) :] == pytest.approx([each / unit for each in expected], abs=0.5001)


def best(shares: list[float | None]) -> float | None:
    return max((share for share in shares if share is not None), default=None)


def test_a_figure_that_was_changed_is_noticed(report):
    """The canary of the judge: one more of any figure of any section, and one that was left out."""
    _, whole, _, judged = report
    noticed = 0

    def leaves(of: Any, at: tuple = ()) -> Iterator[tuple]:
        pairs = of.items() if isinstance(of, dict) else enumerate(of) if isinstance(of, list) else ()
        for name, each in pairs:
            yield from leaves(each, (*at, name))
        if isinstance(of, int | float) and not isinstance(of, bool):
            yield at

    for place in list(leaves(whole["portfolios"]))[::61]:
        spoiled = copy.deepcopy(whole["portfolios"])
        held = spoiled
        for part in place[:-1]:
            held = held[part]
        held[place[-1]] += 5
        assert differences(spoiled, judged) == [place]
        noticed += 1
    assert noticed > 30
    lacking = copy.deepcopy(whole["portfolios"])
    del lacking["card_gb"]["owed"]["GBP"]["balance"]
    assert differences(lacking, judged) == [("card_gb", "owed", "GBP", "balance")]


def test_against_the_held_out_too_few_are_not_told(report):
    night, whole, shown, _ = report
    for book, held in whole["portfolios"].items():
        for code in held["added"]:
            page = client_page(whole, book, "en")
            if night == AFTER_A_LIST:
                assert "can be compared from 15 September 2026 on" in page  # 1 August + 30 + 14 days, all of them past
            else:
                at = ("portfolios", book, "added", code)
                assert shown[(*at, "needed")] == 30
                assert min(shown[(*at, "worked")], shown[(*at, "held_out")]) < 30
                assert "are needed before anything can be said" in page


def test_what_work_added_is_the_difference_of_the_arms(house, monkeypatch):
    """On the real store, where two of each arm are let be enough."""
    monkeypatch.setattr(collected, "LEAST_PEOPLE", 2)
    whole = figures(house.store, house.out, NIGHT, 30, house.params)
    judge = books_of(house, house.out, NIGHT, 30, people=2)
    lots = {(book, code): lot for book, held in whole.items() for code, lot in held["added"].items()}
    for (book, code), lot in lots.items():
        assert differences({"added": lot}, {"added": judge.added(book, code)}) == []
    assert sum(lot["state"] == "told" for lot in lots.values()) >= 3


# ---- by hand ---------------------------------------------------------------------------------------------------------


def test_a_payment_stands_behind_the_first_thing_that_holds():
    payments = pd.DataFrame({"account_no": [1, 1, 2, 3, 4, 5, 6, 6], "occurred_on": [10, 41, 30, 30, 30, 30, 30, 31]})
    payments["account_id"] = [f"A{number}" for number in payments["account_no"]]
    contacts = pd.DataFrame({"account_no": [1, 4], "occurred_on": [10, 31], "contact_id": ["c", "d"]})
    groups = pd.DataFrame({"account_id": ["A2", "A3"], "group": ["joined", "held_out"], "as_of": [1, 0]})
    placements = pd.DataFrame({"account_no": [5, 6], "from_on": [30, 20], "until_on": [40, 30]})
    unnamed = pd.DataFrame({"account_no": [5, 6], "from_on": [30, 31], "until_on": [31, 40]})
    due = np.array([1, 2, 3, 4, 5])
    found = sources(payments, contacts, groups, placements, unnamed, due, 30)
    # the second of A1 is 31 days after the contact, A4's contact came later, A6 was recalled on the day, and from the
    # next on its status alone says that an agency has it
    assert found.tolist() == ["contacted", "left", "listed", "held_out", "left", "agency", "not_due", "agency_unnamed"]


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


def test_an_agency_that_nothing_names_is_told_apart_and_earns_what_is_not_known(tmp_path):
    """Status `agency` from 10 February through 20 February, as it was put right on 25 February, and no placement."""
    taken(
        tmp_path,
        payments=[
            payment(payment_id="P3", occurred_at="2026-02-12T10:00:00+01:00", amount="40.02"),
            payment(payment_id="P4", occurred_at="2026-02-20T23:00:00+01:00", amount="10.00"),
            payment(payment_id="P5", occurred_at="2026-02-21T00:30:00+01:00", amount="5.00"),
        ],
        statuses=[
            status(status="agency", from_on="2026-02-10"),
            status(status="agency", from_on="2026-02-10", until_on="2026-02-20", known_at="2026-02-25T10:00:00+01:00"),
        ],
    )
    found = []
    for night in (dt.date(2026, 2, 24), dt.date(2026, 4, 1)):
        place = write_reports(tmp_path / "store", tmp_path / "out", night, 60, PARAMS, "en")
        page = (place / "client-paris.html").read_text(encoding="utf-8")
        shown = {at[2:]: read(*told) for at, told in Marked(page).found.items()}
        found.append([shown[("source", "EUR", part)] for part in ("worked", "ordinary")])
        assert shown[("source", "EUR", "sources", "agency_unnamed", 1)] == found[-1][0]
        assert [shown[("commission", "EUR", "rows", 0, part)] for part in (1, 2, 3, 4)] == [None, found[-1][0], None, 0]
        assert shown[("commission", "EUR", "remitted")] == 5502  # all of it, for no rate is known
        assert "no placement says with which" in page
        assert '<th scope="row">Not named</th>' in page
        assert "its commission is not known and not taken off" in page
    assert found == [[5502, 0], [5002, 500]]


def test_an_agency_that_becomes_known_after_the_payment_stands_in_the_report_that_knows_of_it(tmp_path):
    late = status(status="agency", from_on="2026-02-10", known_at="2026-03-05T10:00:00+01:00")
    taken(tmp_path, payments=[payment(occurred_at="2026-02-12T10:00:00+01:00", amount="40.02")], statuses=[late])
    found = []
    for night, days in ((dt.date(2026, 3, 1), 28), (dt.date(2026, 4, 1), 31)):
        place = write_reports(tmp_path / "store", tmp_path / "out", night, days, PARAMS, "en")
        told = json.loads((place / "figures.json").read_text())["portfolios"]["paris"]["commission"]["EUR"]
        found.append((told["amount"], told["rows"]))
    assert found == [(4002, []), (0, [["", None, 4002, None, 0]])]


@pytest.mark.parametrize("statuses", [[], [status(account_id="J1", status="dispute")]], ids=["none", "of another"])
def test_the_day_of_a_recall_is_no_agencys_whatever_statuses_are_delivered(tmp_path, statuses):
    recalled = placement(placed_on="2026-02-10", recalled_on="2026-03-05", commission="0.25")
    paid = payment(payment_id="P3", occurred_at="2026-03-05T10:00:00+01:00", amount="40.00")
    taken(tmp_path, payments=[paid], placements=[recalled], **({"statuses": statuses} if statuses else {}))
    place = write_reports(tmp_path / "store", tmp_path / "out", dt.date(2026, 4, 1), 60, PARAMS, "en")
    told = json.loads((place / "figures.json").read_text())["portfolios"]["paris"]["commission"]["EUR"]
    assert (told["amount"], [row for row in told["rows"] if row[0] == ""]) == (4000, [])
    assert "no placement says with which" not in (place / "client-paris.html").read_text(encoding="utf-8")


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


NOBODY = pd.DataFrame(columns=["account_no", "from_on", "until_on"], dtype="int64")


def standing(payments: pd.DataFrame, placements: pd.DataFrame, unnamed: pd.DataFrame = NOBODY) -> Standing:
    return Standing(payments, placements, unnamed)


def test_agencies_earn_their_rate_while_they_have_the_account(house):
    paid = pd.DataFrame(
        {"account_no": [1, 1, 2, 3, 9], "occurred_on": [4, 14, 12, 12, 12], "amount": [1000, 202, 400, 600, 800]}
    )
    nothing, nobody = paid.iloc[:0], AGENCIES.iloc[:0]
    found = commission("loan_eu", standing(nothing, AGENCIES.iloc[1:]), standing(paid, AGENCIES), 3, house.params)
    assert (found["amount"], found["earlier"]) == (3002, 0)
    # 602 with acme at a quarter is 150.5, to even 150; of its fixed costs the second was known before the span
    assert found["rows"] == [["acme", 0.25, 602, 150, 300], ["bolt", None, 600, None, 0]]
    assert (found["commission"], found["fixed"], found["unknown"]) == (150, 300, 1)
    assert found["remitted"] == 3002 - 450
    none = commission("loan_eu", standing(nothing, nobody), standing(paid, nobody), 3, house.params)
    assert none["kind"] == "none"
    # by status alone account 9 is with an agency, and so is account 1 all the time: what acme has of it stays acme's
    alone = pd.DataFrame({"account_no": [1, 9], "from_on": [0, 12], "until_on": [40, 13]})
    now = standing(paid, AGENCIES, alone)
    also = commission("loan_eu", standing(nothing, AGENCIES.iloc[1:]), now, 3, house.params)
    assert also["rows"] == [*found["rows"], ["", None, 1000 + 800, None, 0]]
    assert (also["remitted"], also["unknown"]) == (found["remitted"], 2)
    late = commission("loan_eu", standing(nothing, nobody), standing(nothing, AGENCIES.iloc[1:2]), 30, house.params)
    assert late["rows"] == [["acme", 0.25, 0, 0, 100]]


def test_what_is_put_right_of_a_placement_is_the_difference(house):
    """A rate that was too low, and a placement that nobody knew of when the payment was remitted: cost and commission
    of what was told before go back, those of what is known now are due.
    """
    paid = pd.DataFrame({"account_no": [1, 2], "occurred_on": [14, 12], "amount": [400, 1000]})
    dearer = AGENCIES.assign(rate=[300_000, 250_000, NO_SHARE])
    found = commission("loan_eu", standing(paid, AGENCIES), standing(paid, dearer), 20, house.params)
    assert found["rows"] == [["acme", 0.25, -400, -100, -300], ["acme", 0.3, 400, 120, 300]]
    assert (found["amount"], found["commission"], found["fixed"], found["remitted"]) == (0, 20, 0, -20)
    found = commission("loan_eu", standing(paid, AGENCIES.iloc[:1]), standing(paid, AGENCIES), 20, house.params)
    assert found["rows"] == [["acme", 0.25, 1000, 250, 100]]


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


def test_placements_known_late_are_charged_once_by_the_report_that_knows_of_them(tmp_path):
    """Costs and commission, over three reports that follow on one another. Placed in October and known in November:
    12.50 of one account and 4.00 of another; put right in December: 4.00 were 6.50.
    """
    known = {"commission": "0.25", "placed_on": "2026-10-20"}
    late, right = "2026-11-02T10:00:00+01:00", "2026-12-03T10:00:00+01:00"
    taken(
        tmp_path,
        placements=[
            placement(**known, placement_id="X1", fixed_cost="12.50", known_at=late),
            placement(**known, placement_id="X2", account_id="A2", fixed_cost="4.00", known_at=late),
            placement(**known, placement_id="X2", account_id="A2", fixed_cost="6.50", known_at=right),
        ],
        payments=[
            payment(payment_id="P1", occurred_at="2026-10-25T10:00:00+02:00", amount="10.00"),
            payment(payment_id="P2", occurred_at="2026-11-25T10:00:00+01:00", amount="20.00"),
            payment(payment_id="P3", occurred_at="2026-12-25T10:00:00+01:00", amount="40.00"),
        ],
    )
    found = []
    for night, days in ((dt.date(2026, 11, 1), 31), (dt.date(2026, 12, 1), 30), (dt.date(2027, 1, 1), 31)):
        place = write_reports(tmp_path / "store", tmp_path / "out", night, days, PARAMS, "en")
        page = Marked((place / "client-paris.html").read_text(encoding="utf-8"))
        shown = {at[2:]: read(*told) for at, told in page.found.items()}
        found.append([shown.get(("commission", "EUR", part)) for part in ("commission", "fixed", "remitted")])
    # of October's payment nobody knew then that an agency had the account: its 2.50 are due in November
    assert found == [[None, None, 1000], [750, 1650, 2000 - 750 - 1650], [1000, 250, 4000 - 1000 - 250]]


def test_an_agency_gives_back_at_the_rate_of_the_payment_s_day():
    first = pd.DataFrame({"account_no": [1], "occurred_on": [14], "amount": [200]})
    then = pd.DataFrame({"account_no": [1], "occurred_on": [20], "amount": [400]})
    found = commission("paris", standing(first, AGENCIES), standing(then, AGENCIES), 18, PARAMS)
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
    once = added(drawn(30)[lambda rows: rows["as_of"] == 0], 44)
    assert (enough["paid"], enough["money"]) == (once["paid"], once["money"])  # six nights alike tell no more than one


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
    whole = report[1]
    book = {**whole["portfolios"]["loan_eu"], part: value}
    assert said in client_page({**whole, "portfolios": {"loan_eu": book}}, "loan_eu", "en")


def test_a_difference_is_said_with_its_interval(report):
    whole, told = report[1], {"state": "told", "from": "2026-09-15", "needed": 30, "worked": 300, "held_out": 40}
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
    for book in report[1]["portfolios"]:
        words = set(client_page(report[1], book, "en").replace("<", " ").replace(">", " ").split())
        assert not words & debtors
