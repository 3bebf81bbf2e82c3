"""What a treatment policy earns in worlds whose truth is known: true money of what is proposed, beside the best policy
and beside simple ones.

A world draws its truth from the ranges of published trials and reports: acceptance by discount (flat in one world of
five), breaks by burden, what two agencies, a court and a buyer bring in, and what waiting is worth, which the house
knows with an error. Its past holds offers, plans and placements. Three houses treat the same accounts within the same
bounds: one goes by the shipped beliefs, one by what its past teaches, one knows the truth. True values are those of the
judge, who shares no code with what is judged.
"""

from __future__ import annotations

import argparse
import copy
import datetime as dt
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from benchmarks import treated
from features.days import day_number
from models.belief import Belief
from models.plans import UNIT_DAYS, learned_breaks
from models.routes import Share, learned_share
from models.settlements import learned_acceptance
from pipeline.law.rule_file import load_rules
from pipeline.treatment.policy import SHIPPED, Policy, policy_of
from pipeline.treatment.proposals import Proposals, propose
from tests.judges import treatment_judge as judge
from tests.worlds.treated import PLACES, drawn_accounts

DAY = dt.date(2026, 10, 1)
AS_OF = day_number(DAY)
ARMS = (0.1, 0.25, 0.4, 0.5)
PAST = {"offers": 8_000, "plans": 3_000, "placements": 2_000}
SIMPLE = ("plan for everybody", "30 % off for everybody", "agency at 180 days", "waiting")
HOUSES = ("shipped beliefs", "learnt from its past")


def house() -> dict[str, Any]:
    """The shipped policy with a second agency, as written."""
    raw = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    raw["routes"].append({**copy.deepcopy(raw["routes"][0]), "party": "agency_b"})
    return raw


def truth(seed: int) -> dict[str, Any]:
    """The same policy with the world's true figures in the place of beliefs, each end alike."""
    draw, raw = np.random.default_rng([seed, 7]), house()

    def sure(share: float) -> dict[str, float]:
        return dict.fromkeys(("low", "middle", "high"), float(share))

    accept = np.sort([draw.uniform(*ends) for ends in ((0.02, 0.06), (0.03, 0.10), (0.05, 0.18))])
    if draw.random() < 0.2:
        accept[:] = accept[0]  # a flat response
    chances = [accept[0] * (1.0 if accept[0] == accept[2] else 0.5), *accept]
    raw["settlements"]["accept"] = [
        {"discount": discount, **sure(chance)} for discount, chance in zip((0.0, 0.2, 0.4, 0.6), chances, strict=True)
    ]
    breaks = [draw.uniform(*ends) for ends in ((0.005, 0.01), (0.01, 0.02), (0.02, 0.04), (0.04, 0.10))]
    raw["plans"]["breaks"] = [
        {"burden": burden, **sure(chance)} for burden, chance in zip((0.0, 0.125, 0.375, 0.75), breaks, strict=True)
    ]
    raw["plans"]["accept"] = sure(draw.uniform(0.05, 0.20))
    for route in raw["routes"]:
        if route["route"] == "legal":
            for name, ends in (("judged", (0.80, 0.95)), ("paying", (0.20, 0.45)), ("paid", (0.10, 0.35))):
                route["suit"][0][name] = sure(draw.uniform(*ends))
            continue
        ranges = ((0.10, 0.25), (0.04, 0.10), (0.01, 0.04))
        if route["route"] == "sale":
            ranges = ((0.09, 0.17), (0.04, 0.09), (0.005, 0.03))
        name = "recovery" if route["route"] == "agency" else "price"
        shares = [draw.uniform(*ends) for ends in ranges]
        route[name] = [{"from_days": days, **sure(share)} for days, share in zip((0, 365, 1095), shares, strict=True)]
    return raw


def read(raw: dict[str, Any]) -> Policy:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "treatments.yaml"
        path.write_text(yaml.safe_dump(raw, sort_keys=False), encoding="utf-8")
        return policy_of(path, load_rules(), PLACES, DAY)


# ---- the past of a world ---------------------------------------------------------------------------------------------


def past_offers(real: dict[str, Any], seed: int) -> pd.DataFrame:
    """Offers drawn by lot among ARMS and none, at odds that differ by stratum, accepted as the truth has it."""
    draw = np.random.default_rng([seed, 8])
    many, arms = PAST["offers"], np.array([0.0, *ARMS])
    late = draw.random(many) < 0.5
    odds = np.where(late[:, None], [0.1, 0.1, 0.2, 0.3, 0.3], [0.3, 0.2, 0.2, 0.2, 0.1])
    arm = (np.cumsum(odds, axis=1) < draw.random(many)[:, None]).sum(axis=1).clip(0, 4)
    chance = [judge.on_line(real["settlements"]["accept"], "discount", discount, "middle") for discount in arms]
    return pd.DataFrame(
        {
            "debtor_id": [f"D{number}" for number in range(many)],
            "arm": arms[arm],
            "probability": odds[np.arange(many), arm],
            "accepted": draw.random(many) < np.array(chance)[arm],
            "matured": True,
            "stratum": np.where(late, "late", "early"),
            "foretold": draw.beta(2, 8, many),
        }
    )


def past_plans(real: dict[str, Any], seed: int) -> pd.DataFrame:
    draw = np.random.default_rng([seed, 9])
    burden = draw.beta(2, 2, PAST["plans"])
    monthly = np.array([judge.on_line(real["plans"]["breaks"], "burden", each, "middle") for each in burden])
    unit = draw.choice(["month", "fortnight"], burden.size)
    length = np.array([UNIT_DAYS[each] / UNIT_DAYS["month"] for each in unit])
    lasts, seen = draw.geometric(1 - (1 - monthly) ** length), draw.integers(1, 18, burden.size)
    return pd.DataFrame(
        {
            "debtor_id": [f"D{number}" for number in range(burden.size)],
            "unit": unit,
            "burden": burden,
            "due": np.minimum(lasts, seen),
            "broken": lasts <= seen,
        }
    )


def past_placements(route: dict[str, Any], seed: int) -> pd.DataFrame:
    """Placements with one party; two in five pay, so that together the truth's share comes back."""
    draw = np.random.default_rng([seed, 10, sum(map(ord, route["party"]))])
    rows, _ = drawn_accounts(int(draw.integers(10**6)), PAST["placements"], ())
    share = np.array([judge.band(route["recovery"], "loan", days)["middle"] for days in rows["days_past_due"]])
    paid = rows["balance"] * np.minimum(share * 2.5 * draw.uniform(0.5, 1.5, len(rows)), 1.0)
    return rows[["debtor_id", "kind", "days_past_due", "balance"]].assign(
        recovered=np.where(draw.random(len(rows)) < 0.4, paid, 0.0), unit=_units(rows)
    )


def _units(rows: pd.DataFrame) -> np.ndarray:
    return np.where(rows["currency"] == "JPY", 0.0061, 0.01)


# ---- true money ------------------------------------------------------------------------------------------------------


def true_money(row: dict[str, Any], told: dict[str, Any], real: dict[str, Any]) -> float:
    """What a treatment is truly worth: told has proposal, unit, instalments, discount, route and party."""
    if told["route"] == "rest":
        return 0.0
    if told["route"] != "internal":
        (route,) = [each for each in real["routes"] if each["party"] == told["party"]]
        found = judge.route_money(row, route, real)
        return row["continuation"] if found is None else found["value"]
    if told["proposal"] == "settlement":
        return judge.settlement_money(row, told["discount"], real)["value"]
    if told["proposal"] == "plan":
        plan = judge.plan_money(row, told["unit"], told["instalments"], real, AS_OF)
        agreed = real["plans"]["accept"]["middle"]
        return agreed * (plan["value"] + plan["cost"]) + (1 - agreed) * row["continuation"] - plan["cost"]
    return row["continuation"]


def treatments_of(found: Proposals) -> list[dict[str, Any]]:
    told = found.offers[["proposal"]].join(found.plans.best[["unit", "instalments"]])
    told = told.join(found.settlements["discount"]).join(found.routes.chosen[["route", "party"]])
    return told.to_dict("records")


def simple(name: str, found: Proposals, rows: pd.DataFrame) -> list[dict[str, Any]]:
    """What a rule of thumb does with the same accounts; nobody is offered anything to whom none may be made."""
    free = ~found.offers["why"].isin(["specialist", "status", "no_contact"]).to_numpy()
    late = rows["days_past_due"].to_numpy() >= 180
    many = found.plans.best["instalments"].to_numpy()
    told = []
    for place, each in enumerate(treatments_of(found)):
        own = {**each, "proposal": "", "route": "internal", "party": ""}
        if name == "plan for everybody" and many[place]:
            own["proposal"] = "plan"
        if name == "30 % off for everybody" and free[place]:
            own.update(proposal="settlement", discount=0.3)
        if name == "agency at 180 days" and free[place] and late[place]:
            own.update(route="agency", party="agency_a")
        told.append(own)
    return told


def world(seed: int, accounts: int) -> dict[str, float]:
    """True money of each way to treat a world's accounts, reporting units."""
    real, ours = truth(seed), read(house())
    statuses = (*ours.specialist, *ours.never)
    rows, recorded = drawn_accounts(seed, accounts, statuses)
    rows = rows.assign(debtor_id=rows["account_id"])  # who has one offer at a time is not set beside rules without that
    draw = np.random.default_rng([seed, 11])
    error = np.exp(draw.normal(0.0, 0.3, accounts))  # the house's of what waiting is worth
    names = ["continuation", "continuation_low", "continuation_high"]
    believed = rows.assign(**{name: np.rint(rows[name] * error) for name in names})
    learned: dict[str, Share] = {}
    for route, party in zip(real["routes"], ours.parties, strict=True):
        if party.route == "agency":
            share = learned_share(
                rows.assign(unit=_units(rows)), party, past_placements(route, seed), draws=100, seed=1
            )
            learned |= {} if share is None else {party.name: share}
    assert ours.plans is not None
    assert ours.settling is not None
    accepts = learned_acceptance(past_offers(real, seed), ours.settling.terms.acceptance, draws=100, seed=1)
    breaks = learned_breaks(past_plans(real, seed), Belief(ours.plans.breaks), draws=100, seed=1)
    plain = propose(believed, recorded, ours, AS_OF, seed)
    taught = propose(believed, recorded, ours, AS_OF, seed, accepts, breaks, learned)
    best = propose(rows, recorded, read(real), AS_OF, seed)
    ways = {"best": treatments_of(best), HOUSES[0]: treatments_of(plain), HOUSES[1]: treatments_of(taught)}
    ways |= {name: simple(name, best, rows) for name in SIMPLE}
    unit, records = _units(rows), judge.shared(rows.to_dict("records"))
    real = {**real, "plans": {**real["plans"], "least_kept": 0.0}}  # a plan is worth what it is, also one kept seldom
    return {
        name: float(sum(true_money(row, own, real) * each for row, own, each in zip(records, told, unit, strict=True)))
        for name, told in ways.items()
    }


def table(seeds: range, accounts: int) -> pd.DataFrame:
    """Per way its money ÷ the best policy's: mean, least and most over worlds; worlds it lost to the taught house."""
    found = pd.DataFrame([world(seed, accounts) for seed in seeds])
    share = found.div(found["best"], axis=0)
    behind = [int((share[name] < share[HOUSES[1]]).sum()) for name in share]
    return pd.DataFrame({"mean": share.mean(), "least": share.min(), "most": share.max(), "behind": behind})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=12)
    parser.add_argument("--accounts", type=int, default=200)
    parser.add_argument("--truth", action="store_true", help="books that lived and taught (benchmarks/treated.py)")
    parser.add_argument("--debtors", type=int, default=6_000, help="of such a book")
    parser.add_argument("--first", type=int, default=9_201, help="seed of the first such book")
    parser.add_argument("--arriving", type=float, default=0.5, help="share of its debtors who come while it lives")
    parser.add_argument("--runs", type=int, default=100, help="lives of each debtor that tell what is true")
    asked = parser.parse_args()
    if asked.truth:
        treated.tell(range(asked.first, asked.first + asked.worlds), asked.debtors, asked.runs, asked.arriving)
        return
    found = table(range(500, 500 + asked.worlds), asked.accounts)
    print(f"True money ÷ the best policy's in {asked.worlds} worlds of {asked.accounts} accounts")
    print("behind: worlds in which it lies behind the house that learnt")
    print(found.to_string(float_format=lambda share: f"{share:.3f}"))


if __name__ == "__main__":
    main()
