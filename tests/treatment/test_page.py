"""docs/treatments.md: every figure that is worked there by hand is what the functions give. Of policy.py as well."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.days import day_number, day_text
from models.plans import plans, schedule
from models.routes import AGENCY, INTERNAL, LEGAL, OURS, SALE
from models.settlements import settlement_at
from pipeline.law.rule_file import load_rules
from pipeline.treatment.policy import NOT_CHECKED, SHIPPED, policy_of
from pipeline.treatment.proposals import propose
from pipeline.treatment.sections import SECTIONS

PAGE = " ".join((Path(__file__).parents[2] / "docs" / "treatments.md").read_text(encoding="utf-8").split())
DAY = dt.date(2026, 10, 1)
AS_OF = day_number(DAY)


def account(name: str, **others: object) -> dict:
    row = {
        "account_id": name,
        "debtor_id": name,
        "currency": "EUR",
        "kind": "loan",
        "place": "FR",
        "days_past_due": 200,
        "balance": 100_000,
        "usual_payment": np.nan,
        "usual_gap_days": np.nan,
        "payday": 31,
        "other_plans": np.nan,
        "disposable_income": np.nan,
        "in_house_days": 200,
        "offers_refused": 0,
        "contact_open": True,
        "legal_open": True,
        "may_part": True,
    }
    return {**row, **others}


def waiting(*money: float) -> dict:
    return dict(zip(("continuation", "continuation_low", "continuation_high"), money, strict=True))


@pytest.fixture(scope="module")
def worked():
    rows = pd.DataFrame(
        [
            account(
                "plan", balance=30_000, usual_payment=12_000.0, usual_gap_days=30.0, **waiting(6_000, 4_500, 7_500)
            ),
            account("settlement", **waiting(3_000, 2_000, 4_500)),
            account("route", days_past_due=400, in_house_days=400, offers_refused=1, **waiting(1_000, 500, 1_800)),
        ]
    )
    policy = policy_of(SHIPPED, load_rules(), ("FR",), DAY)
    recorded = pd.DataFrame(False, index=rows.index, columns=[*policy.specialist, *policy.never])
    return rows, policy, propose(rows, recorded, policy, AS_OF, 7)


def euro(minor: float) -> str:
    return f"{minor / 100:,.2f}"


def interval(told: pd.Series) -> str:
    return f"({euro(told['value_low'])} to {euro(told['value_high'])}"


def on_page(*pieces: str) -> None:
    for piece in pieces:
        assert re.search(rf"(?<![\d.]){re.escape(piece)}(?!\d)", PAGE), piece


def test_the_plan_by_hand(worked):
    rows, policy, found = worked
    best, told = found.plans.best.iloc[0], found.planned.iloc[0]
    on_page(f"**{euro(best['supported'])}** a month", f"**{best['burden']:.4f}**", f"**{best['p_break']:.4f}** a month")
    left, alive = int(rows["balance"][0]), 1.0
    for due, amount in schedule(best, 31):
        before, alive = alive, alive * (1 - best["p_break"])
        discount = 1.08 ** (-(due - AS_OF) / 365)
        broken = before * best["p_break"] * left * 0.2 * 0.8 * discount
        cells = (
            euro(amount),
            f"{alive:.4f}",
            f"{discount:.4f}",
            euro(amount * alive * discount),
            euro(left),
            euro(broken),
        )
        on_page(f"| {day_text(due)} | {' | '.join(cells)} |")
        left -= amount
    on_page(f"Kept **{euro(best['kept_money'])}**, broken **{euro(best['broken_money'])}**, setting up **3.00**")
    on_page(f"worth **{euro(best['value'])}** {interval(best)}", f"a chance of **{best['p_kept']:.4f}**")
    for name in ("easier", "quicker"):
        other = getattr(found.plans, name).iloc[0]
        on_page(f"{other['instalments']} ", f"of {euro(other['instalment'])}, worth {euro(other['value'])}")
    assert [frame["instalments"].iloc[0] for frame in (found.plans.easier, found.plans.quicker)] == [8, 4]
    on_page(f"= {euro(told['agreed_money'])} + {euro(told['refused_money'])} - 3.00 = **{euro(told['value'])}**")
    on_page(interval(told), f"{euro(told['gain'])} more than waiting")
    assert (found.offers["proposal"].iloc[0], found.offers["grants"].iloc[0]) == ("plan", "agent")
    assert plans(rows.iloc[:1], AS_OF, policy.plans).why.tolist() == [""]


def test_the_settlement_by_hand(worked):
    rows, policy, found = worked
    told, offer = found.settlements.iloc[1], found.offers.iloc[1]
    assert (told["discount"], offer["proposal"], offer["grants"]) == (0.5, "settlement", "manager")
    on_page(f"**{euro(told['amount'])}** to pay", f"P = **{told['p_accept']:.2f}**", "only the **manager** may")
    on_page(
        f"**{euro(told['paid_money'])}**; 0.91 x 30.00 = **{euro(told['refused_money'])}**; cost {euro(told['cost'])}"
    )
    on_page(f"value **{euro(told['value'])}** {interval(told)}", f"{euro(told['gain'])} more than waiting")
    bounds = rows.iloc[[1]].assign(cost=200, least=0, most=np.nan, largest=0.5)
    other = settlement_at(bounds, np.array([0.4]), policy.settling.terms).iloc[0]
    on_page(f"{euro(other['paid_money'])} + {euro(other['refused_money'])} - 2.00 = **{euro(other['value'])}**")


def test_the_route_by_hand(worked):
    _, _, found = worked
    told = {name: frame.iloc[2] for name, frame in found.routes.terms.items()}
    internal, agency = told[INTERNAL, OURS], told[AGENCY, "agency_a"]
    court, buyer = told[LEGAL, "court"], told[SALE, "buyer"]
    for each in (internal, agency, court, buyer):
        on_page(f"**{euro(each['value'])}** {interval(each)}")
    on_page(
        f"= {euro(agency['gross'])}; less 28 % commission, {euro(agency['commission'])}", f"x {agency['discount']:.4f}"
    )
    on_page(f"= {court['share']:.4f} of 1,000.00 = {euro(court['gross'])}", f"x {court['discount']:.4f} = 57.66")
    on_page(f"6.5 % = {euro(buyer['gross'])}; after 30 days, x {buyer['discount']:.4f} = 64.59")
    assert court["cost"] == 4_000 + 10_000
    assert found.routes.chosen["route"].iloc[2] == SALE
    on_page("It is **sold**")


def test_the_page_names_every_section_and_what_is_not_checked():
    top = {"schema_version", "annual_rate", "horizon_days"}
    assert [name for name in SECTIONS if name not in top and f"`{name}`" not in PAGE] == []
    assert [said for said in NOT_CHECKED if said not in PAGE] == []
