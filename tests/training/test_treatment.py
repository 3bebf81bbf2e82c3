"""What a store's offers, plans and placements teach, as it was known on a day (experience.py), and what its history
says going on is worth.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from features.catalogue import CATALOGUE, with_treatments
from features.tables import TREATMENTS
from models.belief import OFFERS, PLACEMENTS, POLICY, Belief, Curve
from models.continuation import HORIZONS, WORTH_COLUMNS
from models.evaluate import Evaluation
from models.experience import Experience
from pipeline.intake.ingest import ingest
from pipeline.law.rule_file import load_rules
from pipeline.panel.panel import panel
from pipeline.params import Treatments
from pipeline.simulate.treated import PARTIES, Book, deliver, live
from pipeline.store.store import Store
from pipeline.training import report
from pipeline.training.experience import acceptance_of, past_of
from pipeline.training.fit import teaching_of
from pipeline.training.treatment import horizons_of, nothing_foretold, treatment_taught
from pipeline.treatment.policy import INCOME, SHIPPED, income_of, policy_of
from tests.worlds.deliveries import PARAMS, account, charge, day, instalment, offer, payment, placement, taken
from tests.worlds.params import quick_params

DAY = day("2026-09-01")


def policy_file(place: Path, **horizons: int) -> Path:
    """The shipped policy with an agency for each name, that has what it is given for so many days."""
    raw = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    agency, court, buyer = raw["routes"]
    agencies = [{**agency, "party": name, "horizon_days": days} for name, days in horizons.items()]
    raw["routes"] = [*agencies, court, buyer]
    place.write_text(yaml.safe_dump(raw, sort_keys=False), encoding="utf-8")
    return place


def delivering(params):
    """The same, its books saying that they deliver the three tables."""
    books = {
        name: book.model_copy(update={"delivers": (*book.delivers, *TREATMENTS)})
        for name, book in params.portfolios.items()
    }
    return params.model_copy(update={"portfolios": books})


def past(tmp_path, params=None, known_before=DAY, **tables):
    few = PARAMS.model_copy(update={"store": PARAMS.store.model_copy(update={"shards": 2})})
    _, store = taken(tmp_path, few, **tables)
    policy = policy_of(policy_file(tmp_path / "t.yaml", acme=100), load_rules(), ["FR"], dt.date(2026, 9, 1))
    return past_of(store, delivering(PARAMS) if params is None else params, policy, known_before)


def paid(number: int, on: str, amount: str, **cells):
    return payment(payment_id=f"Q{number}", occurred_at=f"{on}T10:00:00+01:00", amount=amount, **cells)


def lot(number: int, made: str, **cells):
    told = {"amount": "50.00", "discount": "0.5", "variant": "0.5 of 0.25+0.5", "probability": "0.5"}
    return offer(offer_id=f"O{number}", made_at=made, **{**told, **cells})


def test_an_offer_is_taken_where_the_debtor_says_so_and_pays_in_time_as_known_before_the_day(tmp_path):
    offers = [
        lot(1, "2026-03-01", outcome="accepted"),
        lot(2, "2026-04-01", outcome="accepted"),  # 50.00 come on the 31st day
        lot(3, "2026-05-01", outcome="refused"),
        lot(4, "2026-06-01"),
        lot(4, "2026-06-01", outcome="accepted", known_at="2026-09-02"),  # nobody knew it on the day
        lot(5, "2026-08-20", outcome="accepted", amount="5.00"),
        offer(offer_id="O6", made_at="2026-05-02", kind="plan", amount="100.00", instalments="4", outcome="accepted"),
        lot(7, "2026-06-15", outcome="accepted", probability="", variant="", discount=""),
    ]
    money = [
        paid(1, "2026-03-20", "30.00"),
        paid(2, "2026-03-30", "20.00"),
        paid(3, "2026-05-02", "50.00"),
        paid(4, "2026-06-15", "60.00"),
        paid(5, "2026-08-21", "6.00"),
        paid(7, "2026-06-20", "60.00"),
    ]
    told = past(tmp_path, offers=offers, payments=money).offers.sort_values("made_on", ignore_index=True)
    plans, found = told[told["kind"] == "plan"], told[told["kind"] == "settlement"].reset_index(drop=True)
    assert plans[["instalments", "accepted"]].to_numpy().tolist() == [[4.0, True]]
    assert found["accepted"].tolist() == [True, False, False, False, True, True]
    assert found["matured"].tolist() == [True, True, True, True, True, False]
    np.testing.assert_allclose(found["discount"][:4], 0.5)
    np.testing.assert_allclose(found["probability"][:4], 0.5)
    assert found[["discount", "probability"]].iloc[4].isna().all()


def test_a_party_has_what_came_while_the_account_was_with_it_and_within_its_horizon(tmp_path):
    placements = [
        placement(placement_id="G1", placed_on="2026-03-01", recalled_on="2026-04-01", amount="60.00"),
        placement(placement_id="G2", placed_on="2026-04-10"),
        placement(placement_id="G3", account_id="J1", party="a stranger", placed_on="2026-04-10"),
    ]
    money = [
        paid(1, "2026-02-27", "1.00"),
        paid(2, "2026-03-01", "2.00"),
        paid(3, "2026-04-01", "4.00"),
        paid(4, "2026-04-02", "8.00"),
        paid(5, "2026-07-18", "16.00"),  # the 99th day after G2
        paid(6, "2026-07-19", "32.00"),
    ]
    found = past(tmp_path, placements=placements, payments=money).placements
    assert found["party"].tolist() == ["acme", "acme"]
    assert found["recovered"].tolist() == [600, 1600]
    assert found["balance"].tolist() == [9900, 8500]  # of 100.00 what was left on each day
    assert found["days_past_due"].tolist() == [28, 68]
    assert found["lived_days"].tolist() == [DAY - 14 - day("2026-03-01"), DAY - 14 - day("2026-04-10")]


def test_what_a_plan_was_supported_by_is_what_was_known_when_it_was_agreed(tmp_path):
    own = [charge(charge_id="C9", account_id="A2", amount="100.00")]
    money = [
        paid(1, "2026-03-03", "30.00"),
        paid(2, "2026-04-02", "30.00", account_id="A2"),
        paid(3, "2026-04-05", "900.00", known_at="2026-04-20"),  # before the plan, but nobody knew
        paid(4, "2026-05-01", "500.00"),
    ]
    plans = [
        instalment(plan_id="Q1", agreed_on="2026-04-10", due_on=f"2026-0{month}-11", amount="10.00", total="30.00")
        for month in (5, 6, 7)
    ]
    found = past(tmp_path, plans=plans, payments=money, charges=own)
    # 30.00 every 30 days, and each of the two accounts still owes 70.00.
    assert found.spare.tolist() == pytest.approx([3000 * 0.5 * 30.4375 / 30])
    assert len(found.plans) == 3


@pytest.mark.parametrize(("made", "accepted"), [("2026-04-01", False), ("2026-04-02", True)])
def test_the_last_day_of_an_offer_is_in_time_and_the_next_is_not(tmp_path, made, accepted):
    money = [paid(1, "2026-05-02", "50.00")]
    told = past(tmp_path, offers=[lot(1, made, outcome="accepted")], payments=money).offers
    assert told["accepted"].tolist() == [accepted]


def test_an_income_that_is_no_number_says_nothing_of_the_others():
    told = income_of(pd.DataFrame({INCOME: ["400.5", "n/a", None, "12"]}))
    assert told.isna().tolist() == [False, True, True, False]
    assert told.dropna().tolist() == [400.5, 12.0]


def test_offers_teach_though_nothing_was_foretold(tmp_path):
    offers = past(tmp_path, offers=[lot(1, "2026-03-01", outcome="accepted")]).offers
    belief = Belief(Curve((0.0, 1.0), (0.1, 0.2), (0.1, 0.2), (0.1, 0.2)))
    found = acceptance_of(offers, "discount", nothing_foretold(), belief, 20, 1)
    assert found.curve == belief.curve
    assert found.why


def test_a_delivered_income_that_was_known_then_caps_what_was_supported(tmp_path):
    rows = [account(account_id="X1", debtor_id="D9", x_disposable_income="40.00", known_at="2026-01-06")]
    rows.append({**rows[0], "x_disposable_income": "5.00", "known_at": "2026-05-01"})
    plans = [instalment(account_id="X1", agreed_on="2026-04-10", due_on="2026-05-11")]
    found = past(tmp_path, plans=plans, accounts=rows)
    assert found.spare.tolist() == pytest.approx([2000.0])  # half of what was known on 10 April


def test_books_that_do_not_say_that_they_deliver_them_teach_nothing(tmp_path):
    found = past(tmp_path, PARAMS, placements=[placement()], offers=[lot(1, "2026-03-01")], plans=[instalment()])
    assert [len(each) for each in (found.offers, found.plans, found.placements)] == [0, 0, 0]


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A made-up book of old debts, and params that name a policy with its agencies."""
    folder = tmp_path_factory.mktemp("treated")
    deliver(live(1_200, seed=9151), folder / "source", runs=1)
    params = quick_params(folder)
    book = params.portfolio_defaults
    book = book.model_copy(update={"time_zone": "Europe/London", "delivers": (*book.delivers, *TREATMENTS)})
    place = policy_file(folder / "t.yaml", north=180, south=90)
    cohort = params.cohort.model_copy(update={"sample_debtors": 400, "every": 60})
    held = params.store.model_copy(update={"shards": 2})
    treats = Treatments(policy=str(place))
    params = params.model_copy(
        update={"portfolios": {"old_debts": book}, "cohort": cohort, "store": held, "treatments": treats}
    )
    ingest(folder / "source", folder / "store", params)
    store = Store(folder / "store")
    whole = panel(store, params, further=horizons_of(params))
    return store, params, whole


@pytest.fixture(scope="module")
def taught(house):
    store, params, whole = house
    catalogue = with_treatments(CATALOGUE, whole.versions)
    return treatment_taught(store, whole, params, teaching_of(whole, params, catalogue))


@pytest.mark.slow
def test_history_teaches_what_going_on_is_worth_and_says_how_far_it_reaches(house, taught):
    _, _, whole = house
    head, facts = taught.trial.release, taught.trial.facts
    assert head.reached_days == facts["reached_days"] in HORIZONS
    assert set(taught.trial.frames["continuation"]["seen"]) == {"debtors not seen", "later nights"}
    newest = (whole.cohort["as_of"] == whole.cohort["as_of"].max()).to_numpy()
    matrix, cohort = (frame[newest].reset_index(drop=True) for frame in (whole.matrix, whole.cohort))
    worth = head.worth(matrix, cohort, 365, 0.06, {"call": 3.0})
    assert list(worth) == list(WORTH_COLUMNS)
    assert (worth["continuation_low"] <= worth["continuation"]).all()
    assert (worth["continuation"] <= worth["continuation_high"]).all()
    assert (worth["continuation"] <= cohort["balance"]).all()


@pytest.mark.slow
def test_placements_teach_their_party_once_enough_have_lived_and_what_is_small_stays_the_policys(house, taught):
    store, params, _ = house
    held = taught.experience
    south, north = (held.parties[name] for name in ("south", "north"))
    assert south.recovered is not None
    assert south.placements > north.placements  # 90 days are over for more of them than 180
    assert held.acceptance.source == POLICY
    assert "matured offers" in held.acceptance.why
    told = {row["what"]: row["source"] for row in taught.told()}
    assert told["south"] == PLACEMENTS
    assert set(told) == {"acceptance", "agreement", "breaks", *PARTIES, "court"}
    assert Experience.from_text(held.text()).text() == held.text()
    rows = pd.DataFrame({"kind": ["card_debt", "telecom_debt"], "days_past_due": 400, "balance": 90_000, "unit": 0.01})
    policy = policy_of(Path(params.treatments.policy), load_rules(), ["GB-ENG"], dt.date(2026, 10, 1))
    shares = held.learned(rows, policy.parties)
    assert set(shares) >= {"south"}
    assert (shares["south"].low < shares["south"].middle).all()
    assert (shares["south"].middle < shares["south"].high).all()
    assert 0.001 < shares["south"].middle.min() <= shares["south"].middle.max() < 0.1


def offered(confounded: float, explored: float) -> tuple[pd.DataFrame, pd.DataFrame, Book]:
    """(settlements of a lived book as `acceptance_of` asks for them, what was foretold, the book)."""
    lived = live(9_000, seed=9152, confounded=confounded, explored=explored)
    told = lived.tables["offers"]
    told = told[told["kind"] == "settlement"].merge(lived.truth["accepts"][["number", "chance"]], on="number")
    offers = pd.DataFrame(
        {
            "debtor_id": told["debtor"].astype("str"),
            "account_no": told["debtor"],
            "made_on": told["day"],
            "discount": told["discount"],
            "variant": told["variant"],
            "probability": told["probability"],
            "accepted": told["outcome"] == "accepted",
            "matured": True,
            "true": told["chance"],
        }
    )
    everybody = np.arange(lived.book.balance.size)
    foretold = pd.DataFrame({"account_no": everybody, "as_of": 0, "chance": lived.book.chance_to_pay()})
    return offers, foretold, lived.book


BELIEF = Belief(Curve((0.0, 0.6), (0.02, 0.1), (0.01, 0.05), (0.04, 0.2)))


def test_collectors_who_give_most_to_those_who_would_pay_anyway_do_not_fool_the_curve():
    offers, foretold, book = offered(confounded=1.0, explored=0.5)
    found = acceptance_of(offers, "discount", foretold, BELIEF, draws=200, seed=1)
    assert found.source == OFFERS
    by_lot = offers["probability"].notna()
    inside = 0
    for discount in (0.2, 0.4, 0.6):
        true = book.chance_to_accept(np.full(book.balance.size, discount))[offers["account_no"][by_lot]].mean()
        low, high = (found.curve.of(np.array([discount]), end)[0] for end in ("low", "high"))
        inside += low <= true <= high
    assert inside == 3
    own = offers[~by_lot]
    dear, cheap = (own[own["discount"].between(*ends)]["accepted"].mean() for ends in ((0.35, 0.6), (0.0, 0.1)))
    lot = found.curve.of(np.array([0.0, 0.45]))
    assert dear / cheap > 1.5 * lot[1] / lot[0]  # the history of collectors says far more of price than there is


def test_what_collectors_chose_alone_teaches_nothing():
    offers, foretold, _ = offered(confounded=1.0, explored=0.0)
    found = acceptance_of(offers, "discount", foretold, BELIEF, draws=20, seed=1)
    assert (found.source, found.curve) == (POLICY, BELIEF.curve)
    assert found.why == "no two discounts were ever drawn by lot"


@pytest.mark.slow
def test_the_report_tells_how_far_history_reaches_and_what_is_still_the_policys(first, taught):
    facts = {**first.evaluation.facts, "continuation": dict(taught.trial.facts), "beliefs": taught.told()}
    told = replace(first.evaluation, facts=facts, frames={**first.evaluation.frames, **taught.trial.frames})
    page = report.render(told, first.version, first.run_id)
    assert "What going on is worth" in page
    assert f"Taught on {taught.trial.facts['debtors']:,} debtors from" in page
    assert "vintages came within their interval" in page
    assert "matured offers at a discount of" in page
    lines = report.terminal_text(told, first.version, Path("report.html")).splitlines()
    at = lines.index("What going on is worth, set against old nights as they came")
    table = taught.trial.frames["continuation"]
    for vintage in table["vintage"].unique():
        own = table[(table["vintage"] == vintage) & (table["book"] == "") & (table["seen"] == table["seen"].iloc[0])]
        row = own[own["horizon"] == own["horizon"].max()].iloc[0]
        said = next(line for line in lines[at:] if f"nights of {vintage}," in line and f"by {row['seen']} " in line)
        assert f"{row['horizon']} days: {row['came']:.1%} came, {row['foretold']:.1%} foretold" in said
        assert said.endswith("OUTSIDE") != row["within"]
    short = {**first.evaluation.facts, "continuation": {"why": "nobody paid"}, "beliefs": []}
    page = report.render(replace(first.evaluation, facts=short), first.version, first.run_id)
    assert "What going on is worth was not taught: nobody paid." in page
    assert "What going on" not in report.render(first.evaluation, first.version, first.run_id)
    assert "What going on" not in report.terminal_text(first.evaluation, first.version, Path("report.html"))
    assert Evaluation.from_dict(told.to_dict()).facts["beliefs"] == taught.told()
