"""Nights under a treatment policy: nothing outside policy or law is published, a night without one is as it was; what
is offered is remembered and made again.

Also of offered.py, former_offers.py, policies.py, past_policies.py, one_account.py and some_accounts.py, and of what
comes back of offers (pipeline/outcomes/feedback.py).
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml

from features.days import day_of_text
from models.continuation import WORTH_COLUMNS
from models.plans import schedule
from pipeline.columns import PROPOSAL_COLUMNS, ROUTED_COLUMNS, SPECIALIST_COLUMNS, TREATED_COLUMNS, WORKLIST_COLUMNS
from pipeline.law.eligibility import rulings
from pipeline.law.holds import BIT
from pipeline.night import past_policies, score, treatment
from pipeline.night.feeds import case_of
from pipeline.night.night import make_night
from pipeline.night.past_policies import OTHER, YOURS, agency_lot, apart, discount_lot, on_past_nights, with_money
from pipeline.night.stages import Stages
from pipeline.night.treatment import Treated
from pipeline.outcomes import findings
from pipeline.pages.language import words
from pipeline.panel.view import view
from pipeline.params import Treatments, load
from pipeline.simulate.treated import WORKED, deliver, live
from pipeline.store.files import sha256_of
from pipeline.store.form import TERMS, TREATED
from pipeline.store.store import Store
from pipeline.treatment.policy import SHIPPED, policy_in
from tests.judges import treatment_judge as judge
from tests.worlds.afterwards import opened
from tests.worlds.commands import recoup
from tests.worlds.deliveries import PARAMS, charge, taken
from tests.worlds.params import written_params
from tests.worlds.spreadsheets import kinds_of, opened_by_libreoffice
from tests.worlds.traces import traces

pytestmark = pytest.mark.slow

EARLY, FIRST, SECOND = "2026-06-01", "2026-09-30", "2026-10-01"
RAW = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
PAY_WITHIN = RAW["settlements"]["pay_within_days"]
# Whatever is let off, about as many accept: the least is proposed, and the lot may give more.
EVEN = [
    {"discount": discount, "low": 0.08, "middle": middle, "high": 0.15}
    for discount, middle in ((0.0, 0.1), (0.5, 0.11))
]
DRAWN = {
    **RAW,
    "plans": {
        **RAW["plans"],
        "accept": {"low": 0.4, "middle": 0.5, "high": 0.6},
        "least_kept": 0.0,
        "share_of_usual": 2.0,
    },
    "settlements": {**RAW["settlements"], "accept": EVEN},
    "explore": {"discounts": {0.1: 0.3, 0.3: 0.3, 0.5: 0.4}, "parties": None},
}


def written(folder: Path, out: str, policy: str | None, language: str = "en") -> Path:
    place = written_params(folder / "params.yaml", folder)
    told = yaml.safe_load(place.read_text())
    told["paths"]["out"] = str(folder / out)
    told["portfolios"] = {"old_debts": {"time_zone": "Europe/London", "contact_precision": "time"}}
    told["worklist"] |= {
        "capacity": {"default": 300},
        "channel_capacity": {},
        "agents": {},
        "dialler_columns": {},
        "language": language,
    }
    told["label"]["horizon_days"] = 90
    told["treatments"] = None if policy is None else {"policy": str(folder / policy)}
    place.write_text(yaml.safe_dump(told, sort_keys=False))
    return place


def with_statuses(source: Path, owing: list[int]) -> None:
    """Every tenth of those who owe is in hardship, and the one after him disputes; of twenty, one awaits a call and one
    has a plan.
    """
    since = "2026-09-01"
    told = [(each, "hardship", since) for each in owing[::10]] + [(each, "dispute", since) for each in owing[1::10]]
    told += [(each, "callback", "2026-10-06") for each in owing[3::20]] + [
        (each, "plan", since) for each in owing[13::20]
    ]
    told = [(f"A{each:06d}", status, on) for each, status, on in told]
    with gzip.open(source / "statuses.csv.gz", "at", encoding="utf-8") as file:
        for account, status, on in told:
            file.write(f"{account},{status},{on},2026-09-01T09:00:00+00:00\n")
    control = source / "statuses.control.json"
    held = json.loads(control.read_text(encoding="utf-8"))
    control.write_text(json.dumps({**held, "rows": len(told)}), encoding="utf-8")


def with_rows(source: Path, table: str, made: list[dict[str, str]]) -> None:
    """The delivered table with these rows too."""
    with gzip.open(source / f"{table}.csv.gz", "rt", encoding="utf-8", newline="") as file:
        held = list(csv.DictReader(file))
    with gzip.open(source / f"{table}.csv.gz", "wt", encoding="utf-8", newline="") as file:
        names = dict.fromkeys(name for row in (*held, *made) for name in row)
        writer = csv.DictWriter(file, list(names), restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows([*held, *made])
    control = source / f"{table}.control.json"
    if control.exists():
        told = json.loads(control.read_text(encoding="utf-8"))
        sums = told.get("sums", {})
        for row in made if sums else ():
            sums[row["currency"]] = f"{float(sums[row['currency']]) + float(row['amount']):.2f}"
        control.write_text(json.dumps({**told, "rows": len(held) + len(made)}), encoding="utf-8")


def with_promises(source: Path, owing: list[int]) -> None:
    """The third of every ten has promised: due after both nights, or within its days of grace on them."""
    at = {"occurred_at": "2026-09-20T10:00:00+00:00", "known_at": "2026-09-20T11:00:00+00:00"}
    how = {"channel": "call", "direction": "outbound", "outcome": "promise", "promise_amount": "50.00"}
    made = [
        {"contact_id": f"P{each}", "account_id": f"A{each:06d}", **at, **how, "promise_due_on": due}
        for due, every in (("2026-10-05", owing[2::20]), ("2026-09-29", owing[12::20]))
        for each in every
    ]
    with_rows(source, "contacts", made)


def with_offers(source: Path, owing: list[int], balance: np.ndarray) -> None:
    """Of every twenty one accepted a settlement, one may still take one, and one a plan."""
    made = []
    for each in owing[4::20]:
        told = offer(each, "settlement", int(balance[each]), discount=0.3)
        made += [told, {**told, "outcome": "accepted", "known_at": "2026-09-22T18:00:00+00:00"}]
    for each in owing[14::20]:
        made.append(offer(each, "settlement", int(balance[each]), discount=0.3))
    for each in owing[5::20]:
        made.append(offer(each, "plan", int(balance[each]), instalments=20))
    with_rows(source, "offers", made)


def with_paid_settlements(source: Path, owing: list[int], balance: np.ndarray) -> None:
    """Of every twenty one accepted a settlement and paid it on 25 September; the first of them in two parts, the second
    of which was taken back."""
    made, money = [], []
    for place, each in enumerate(owing[6::20]):
        told = offer(each, "settlement", int(balance[each]), discount=0.3)
        made += [told, {**told, "outcome": "accepted", "known_at": "2026-09-22T18:00:00+00:00"}]
        whole = round(float(told["amount"]) * 100)
        parts = [1_000, whole - 1_000] if place == 0 else [whole]
        for number, part in enumerate(parts):
            named = {"payment_id": f"S{each}.{number}", "account_id": f"A{each:06d}", "kind": "payment"}
            known = {"occurred_at": "2026-09-25T12:00:00+00:00", "known_at": "2026-09-26T12:00:00+00:00"}
            money.append({**named, **known, "amount": f"{part / 100:.2f}"})
        if place == 0:
            back = {"payment_id": f"R{each}", "kind": "reversal", "reverses": f"S{each}.1"}
            when = {"occurred_at": "2026-09-27T12:00:00+00:00", "known_at": "2026-09-28T12:00:00+00:00"}
            money.append({**money[-1], **back, **when})
    with_rows(source, "offers", made)
    with_rows(source, "payments", money)


def with_disputed_charges(source: Path, owing: list[int]) -> None:
    """Of every twenty one owes a fee of 40.00 besides, and disputes it."""
    about = {"issued_on": "2026-07-01", "due_on": "2026-08-01", "amount": "40.00", "kind": "fee"}
    known = {"known_at": "2026-07-01T09:00:00+00:00"}
    fees = [{"charge_id": f"F{each}", "account_id": f"A{each:06d}", **about, **known} for each in owing[15::20]]
    with_rows(source, "charges", fees)
    since = {"status": "dispute", "from_on": "2026-09-01", "known_at": "2026-09-01T09:00:00+00:00"}
    with_rows(
        source, "statuses", [{"account_id": fee["account_id"], **since, "charge_id": fee["charge_id"]} for fee in fees]
    )


def offer(debtor: int, kind: str, owed: int, discount: float = 0.0, instalments: int = 0) -> dict[str, str]:
    """As a house delivers it: made on 20 September, to be taken by 10 October."""
    named = {"offer_id": f"H{debtor}", "account_id": f"A{debtor:06d}", "kind": kind, "outcome": ""}
    days = {
        "made_at": "2026-09-20T10:00:00+00:00",
        "known_at": "2026-09-20T10:00:00+00:00",
        "valid_until": "2026-10-10",
    }
    told = {"amount": f"{(owed - owed * round(discount * 100) // 100) / 100:.2f}"}
    if kind == "plan":
        return {**named, **days, **told, "instalments": str(instalments), "first_due_on": "2026-10-12"}
    lot = {"variant": "0.3 of 0.1+0.3+0.5", "probability": "0.3"}
    return {**named, **days, **told, **lot, "discount": f"{discount:g}"}


def of_status(folder: Path, status: str) -> set[str]:
    with gzip.open(folder / "source" / "statuses.csv.gz", "rt", encoding="utf-8") as file:
        return {row["account_id"] for row in csv.DictReader(file) if row["status"] == status and not row["charge_id"]}


def rows(folder: Path, night: str, name: str, out: str = "out") -> list[dict]:
    place = folder / out / night / ("not_for_agents" if name == "held_out" else "")
    with (place / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """A book of old debts in a store, some of its debtors in hardship, some that dispute, some that have promised."""
    folder = tmp_path_factory.mktemp("treated")
    lived = live(260, seed=9301, months=18)
    deliver(lived, folder / "source", runs=2)
    owing = np.flatnonzero((lived.book.balance > 0) & (lived.book.state == WORKED)).tolist()
    with_statuses(folder / "source", owing)
    with_promises(folder / "source", owing)
    with_offers(folder / "source", owing, lived.book.balance)
    with_paid_settlements(folder / "source", owing, lived.book.balance)
    with_disputed_charges(folder / "source", owing)
    (folder / "treatments.yaml").write_text(yaml.safe_dump(DRAWN, sort_keys=False), encoding="utf-8")
    written(folder, "plain", None)
    assert recoup(folder, "ingest") == 0
    assert recoup(folder, "worklist", "--as-of", FIRST) == 0
    return folder


@pytest.fixture(scope="module")
def waiting():
    """Waiting is worth a fixed part of the balance, as no model taught here says; the honest function."""
    honest = score.worth_of_going_on

    def told(model, matrix, cohort, job):
        if job.params.treatments is None:
            return {}
        parts, balance = zip(WORTH_COLUMNS, (0.06, 0.05, 0.08), strict=True), cohort["balance"].to_numpy(np.float64)
        return {name: np.rint(part * balance).astype(np.int64) for name, part in parts}

    with pytest.MonkeyPatch.context() as patch:
        for room in (score, treatment):
            patch.setattr(room, "worth_of_going_on", told)
        yield honest


@pytest.fixture(scope="module")
def treated_house(world, waiting) -> Path:
    """The same nights under the policy, in a folder beside the plain one."""
    written(world, "out", "treatments.yaml")
    for night in (FIRST, SECOND):
        assert recoup(world, "worklist", "--as-of", night) == 0
    return world


@pytest.fixture(scope="module")
def made(treated_house) -> Treated:
    """The second night as it is made, with what each account was asked about."""
    params, night = load(treated_house / "params.yaml"), pd.Timestamp(SECOND).date()
    found = make_night(Store(treated_house / "store"), night, treated_house / "aside", params, Stages()).treated
    assert found is not None
    return found


# ---- what is published -----------------------------------------------------------------------------------------------


def test_a_night_without_a_policy_is_as_it_was(treated_house):
    plain, beside = (treated_house / out / FIRST for out in ("plain", "out"))
    held = {path.name for path in beside.iterdir()} - {path.name for path in plain.iterdir()}
    tables = {f"{name}.{form}" for name in ("proposals", "routes", "specialist") for form in ("csv", "parquet", "html")}
    assert held == tables - {"proposals.html"}
    for name in ("excluded.csv", "scores.parquet", "self_cure.csv"):
        assert (plain / name).read_bytes() == (beside / name).read_bytes(), name
    # Under a policy a settlement that was accepted or paid defers its account: only what follows from that differs.
    waits = {row["account_id"]: row for row in rows(treated_house, FIRST, "deferred")}
    accepted = {account for account, row in waits.items() if row["rule"].startswith("settlement.")}
    before = {row["account_id"]: row for row in rows(treated_house, FIRST, "deferred", "plain")}
    assert {account: row for account, row in waits.items() if account not in accepted} == {
        account: row for account, row in before.items() if account not in accepted
    }
    drawn, again = (
        {row["account_id"] for row in rows(treated_house, FIRST, "held_out", out)} for out in ("plain", "out")
    )
    assert not again & accepted
    other_lot = drawn ^ again  # the lot falls among those who may be worked
    assert len(other_lot) <= 2 * len(accepted)
    one, other = (pd.read_parquet(place / "worklist.parquet") for place in (plain, beside))
    assert tuple(one.columns) == WORKLIST_COLUMNS
    assert tuple(other.columns) == (*WORKLIST_COLUMNS, *TREATED_COLUMNS)
    order = [name for name in WORKLIST_COLUMNS if not name.startswith("rank")]
    one, other = (frame[~frame["account_id"].isin(accepted | other_lot)] for frame in (one, other))
    assert len(one) > 20
    pd.testing.assert_frame_equal(other[order].reset_index(drop=True), one[order].reset_index(drop=True))
    told = json.loads((plain / "manifest.json").read_text())
    assert not {"treatments", "treatments_sha256"} & told.keys()
    assert "offerPane" in (plain / "worklist.html").read_text(encoding="utf-8")
    assert '"treatment"' not in (plain / "worklist.html").read_text(encoding="utf-8")


def test_the_manifest_names_the_policy_counts_and_vouches(treated_house):
    manifest = json.loads((treated_house / "out" / SECOND / "manifest.json").read_text())
    offers, routes = (rows(treated_house, SECOND, name) for name in ("proposals", "routes"))
    said = manifest["treatments"]
    assert manifest["treatments_sha256"] == sha256_of(treated_house / "treatments.yaml")
    assert said["accounts"] == len(routes) == sum(route["accounts"] for route in said["routes"])
    assert said["accounts"] + sum(said["left_out"].values()) == manifest["counts"]["scorable"]
    for kind in ("plan", "settlement"):
        assert said["proposals"][kind] == sum(row["proposal"] == kind for row in offers) > 1
    assert said["drawn"] == sum(row["variant"] != "" and row["offer_id"] == "" for row in offers) > 3
    assert manifest["outputs"]["proposals.csv"]["rows"] == len(offers)
    stay, theirs = ({row["account_id"] for row in each} for each in (
        [row for row in routes if row["route"] == "internal"], rows(treated_house, SECOND, "specialist")
    ))  # fmt: skip
    none = stay - {row["account_id"] for row in offers} - theirs
    assert sum(said["no_offer"].values()) == len(none) > 5
    page = (treated_house / "out" / SECOND / "routes.html").read_text(encoding="utf-8")
    for why in said["no_offer"]:
        assert words("en")["treatment"]["because"][why].replace("'", "&#39;") in page
    assert recoup(treated_house, "verify") == 0


def test_the_routes_page_names_nobody_and_the_other_everybody_in_a_block_of_his_own(treated_house):
    folder = treated_house / "out" / SECOND
    routes, people = ((folder / f"{name}.html").read_text(encoding="utf-8") for name in ("routes", "specialist"))
    assert not re.search(r"[AD]\d{6}", routes)
    said = {name for row in rows(treated_house, SECOND, "specialist") for name in (row["debtor_id"], row["account_id"])}
    assert set(" ".join(re.findall(r'<details data-ids="([^"]*)"', people)).split()) == said
    outside = re.sub(r"<details.*?</details>", "", people, flags=re.DOTALL)
    assert not re.search(r"[AD]\d{6}", outside)


def test_the_columns_of_the_files_are_those_of_the_contract(treated_house):
    columns = {"proposals": PROPOSAL_COLUMNS, "routes": ROUTED_COLUMNS, "specialist": SPECIALIST_COLUMNS}
    for name, wanted in columns.items():
        frame = pd.read_parquet(treated_house / "out" / SECOND / f"{name}.parquet")
        assert tuple(frame.columns) == wanted
        assert len(frame) > 2


def as_published(folder: Path, made: Treated) -> tuple[list[dict], list[dict]]:
    """(accounts as the judge reads them, what the published files say of each)."""
    offers = {row["account_id"]: row for row in rows(folder, SECOND, "proposals")}
    routes = {row["account_id"]: row for row in rows(folder, SECOND, "routes")}
    _, standing = judge.offers_before(delivered(folder, "offers"), day_of_text(SECOND), PAY_WITHIN, money_kept(folder))
    fees = {row["account_id"]: 4_000 for row in delivered(folder, "statuses") if row["charge_id"]}
    assert made.found is not None
    plans, asked, told = made.found.plans.best, [], []
    for place, row in enumerate(made.rows.to_dict("records")):
        offer = offers.get(row["account_id"])
        said = {"proposal": offer["proposal"] if offer else "", "grants": offer["grants"] if offer else ""}
        said |= {name: routes[row["account_id"]][name] for name in ("route", "party")}
        if offer and offer["proposal"] == "settlement":
            said |= {"discount": float(offer["discount"]), "amount": round(float(offer["amount_to_pay"]) * 100)}
        if offer and offer["proposal"] == "plan":
            days = schedule(plans.iloc[place], int(row["payday"]))
            assert (days[0][0], days[-1][0]) == (day_of_text(offer["first_on"]), day_of_text(offer["last_on"]))
            assert days[-1][1] == round(float(offer["last_instalment"]) * 100)
            said["plan"] = {"unit": offer["unit"], "instalments": int(offer["instalments"]), "schedule": days}
        owed = {"balance": row["balance"] - fees.get(row["account_id"], 0), "is_disputed": row["account_id"] in fees}
        asked.append({**row, **owed, "made": standing.get(row["account_id"])})
        told.append(said)
    return judge.shared(asked), told


def delivered(folder: Path, table: str) -> list[dict[str, str]]:
    with gzip.open(folder / "source" / f"{table}.csv.gz", "rt", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def money_kept(folder: Path) -> list[dict[str, str]]:
    """Payments as delivered, but those that were taken back."""
    payments = delivered(folder, "payments")
    gone = {row["reverses"] for row in payments if row.get("reverses")}
    return [row for row in payments if row["payment_id"] not in gone]


def breaches(folder: Path, made: Treated, raw: dict) -> list[str]:
    asked, told = as_published(folder, made)
    recorded = [{name for name, bit in BIT.items() if int(row["statuses"]) & int(bit)} for row in asked]
    found = judge.unbound(asked, told, raw, recorded, day_of_text(SECOND))
    for row, said, statuses in zip(asked, told, recorded, strict=True):
        found += judge.breaches(row, said, raw, statuses, day_of_text(SECOND))
    return found


def test_no_published_proposal_or_route_lies_outside_policy_or_law(treated_house, made):
    assert breaches(treated_house, made, DRAWN) == []
    narrow = {**DRAWN, "plans": {**DRAWN["plans"], "share_of_usual": 0.2}}
    assert any("above what own payments support" in each for each in breaches(treated_house, made, narrow))
    strict = {**DRAWN, "settlements": {**DRAWN["settlements"], "floor": 0.95}}
    assert any("less than must be paid" in each for each in breaches(treated_house, made, strict))


def test_whoever_is_held_out_in_hardship_or_in_dispute_is_offered_nothing(treated_house):
    offered = {row["account_id"] for row in rows(treated_house, SECOND, "proposals")}
    routed = {row["account_id"]: row["route"] for row in rows(treated_house, SECOND, "routes")}
    held = {row["account_id"] for row in rows(treated_house, SECOND, "held_out")}
    assert held
    assert not held & routed.keys()
    theirs = {row["account_id"] for row in rows(treated_house, SECOND, "specialist")}
    hardship, disputed = (of_status(treated_house, status) for status in ("hardship", "dispute"))
    assert theirs <= hardship
    assert len(theirs) >= 3
    assert not offered & (hardship | disputed)
    assert {routed.get(account, "internal") for account in hardship | disputed} <= {"internal", "rest"}


def test_those_with_whom_something_is_agreed_are_left_in_peace(treated_house):
    contacts, statuses = (delivered(treated_house, name) for name in ("contacts", "statuses"))
    grace = load(treated_house / "params.yaml").promise.grace_days
    waited_for = judge.waited_for(contacts, statuses, day_of_text(SECOND), grace)
    promised = judge.waited_for(contacts, [], day_of_text(SECOND), grace)
    assert len(promised) >= 5
    assert len(promised) > len(judge.waited_for(contacts, [], day_of_text(SECOND), 0))
    assert len(waited_for) >= len(promised) + 6
    published = [row for name in ("proposals", "routes") for row in rows(treated_house, SECOND, name)]
    assert judge.not_left_in_peace(published, waited_for) == []
    someone = rows(treated_house, SECOND, "proposals")[0]["account_id"]
    assert judge.not_left_in_peace(published, {someone})[0].startswith(someone)
    manifest = json.loads((treated_house / "out" / SECOND / "manifest.json").read_text())
    assert manifest["treatments"]["left_out"]["engaged"] >= len(waited_for)


def test_a_disputed_charge_is_in_no_offer_and_its_account_leaves_nowhere(treated_house, made, capsys):
    fees = {row["account_id"] for row in delivered(treated_house, "statuses") if row["charge_id"]}
    offers = {row["account_id"]: row for row in rows(treated_house, SECOND, "proposals") if row["account_id"] in fees}
    assert len(offers) >= 3
    for row in offers.values():
        assert row["disputed"] == "40.00"
        owed = round(float(row["balance"]) * 100) - 4_000
        let_off = owed * round(float(row["discount"]) * 10_000) // 10_000 if row["discount"] else 0
        assert round(float(row["amount_to_pay"]) * 100) == owed - let_off
    routes = {row["account_id"]: row["route"] for row in rows(treated_house, SECOND, "routes")}
    assert {routes[account] for account in fees & routes.keys()} <= {"internal", "rest"}
    assert any(
        "Disputed, and so in no offer: 40.00 EUR" in line for line in explained(treated_house, min(offers), capsys)
    )
    asked, told = as_published(treated_house, made)
    place = next(at for at, row in enumerate(asked) if row["is_disputed"])
    sold = {**told[place], "proposal": "", "route": "sale", "party": "buyer"}
    wrong = judge.breaches(asked[place], sold, DRAWN, set(), day_of_text(SECOND))
    assert "an account leaves while a charge of it is disputed" in wrong
    assert any(
        "not the balance less the discount" in each or "do not add up" in each for each in judged_whole(asked, told)
    )


def judged_whole(asked: list[dict], told: list[dict]) -> list[str]:
    """The canary: what a judge finds who takes disputed charges for owed."""
    own = [(row, said) for row, said in zip(asked, told, strict=True) if row["is_disputed"] and said["proposal"]]
    whole = [({**row, "balance": row["balance"] + 4_000}, said) for row, said in own]
    return [each for row, said in whole for each in judge.breaches(row, said, DRAWN, set(), day_of_text(SECOND))]


def test_whoever_accepted_a_settlement_is_left_in_peace_until_its_days_to_pay_are_over(treated_house):
    """Ten days valid; accepted on 22 September, so that thirty days to pay end later."""
    offers, kept = delivered(treated_house, "offers"), money_kept(treated_house)
    accepted, _ = judge.offers_before(offers, day_of_text(SECOND), PAY_WITHIN, kept)
    assert len([each for each in accepted if f"H{int(each[1:])}" in {row["offer_id"] for row in offers}]) >= 4
    published = [row for name in ("proposals", "routes") for row in rows(treated_house, SECOND, name)]
    assert judge.not_left_in_peace(published, accepted) == []
    held = {row["account_id"]: row["rule"] for row in rows(treated_house, SECOND, "deferred")}
    ours = {f"A{int(row['offer_id'][1:]):06d}" for row in offers if row["offer_id"].startswith("H")} & accepted
    assert {held.get(account) for account in ours} <= {"settlement.accepted", "promise", None}
    assert sum(held.get(account) == "settlement.accepted" for account in ours) >= 3
    manifest = json.loads((treated_house / "out" / SECOND / "manifest.json").read_text())
    assert manifest["treatments"]["left_out"]["accepted"] >= 3
    later = "2026-10-22"
    assert ours <= judge.offers_before(offers, day_of_text(later), PAY_WITHIN, kept)[0]
    assert not ours & judge.offers_before(offers, day_of_text("2026-10-23"), PAY_WITHIN, kept)[0]


def test_whoever_paid_a_settlement_is_not_worked_until_the_rest_is_written_off(treated_house):
    """Unless the money was taken back: then the settlement waits to be paid, as long as its days run."""
    offers, kept, day = delivered(treated_house, "offers"), money_kept(treated_house), day_of_text(SECOND)
    payments = [row for row in delivered(treated_house, "payments") if row["payment_id"].startswith("S")]
    ours = {row["account_id"] for row in payments}
    back = ours - {row["account_id"] for row in payments if row in kept and row["amount"] != "10.00"}
    paid = judge.paid_before(offers, day, PAY_WITHIN, kept) & ours  # unless something was offered since
    assert len(back) == 1
    assert paid <= ours - back
    assert len(paid) >= 3
    held = {row["account_id"]: row["rule"] for row in rows(treated_house, SECOND, "deferred")}
    assert {held.get(account) for account in paid} == {"settlement.paid"}
    assert {held.get(account) for account in back} == {"settlement.accepted"}
    accepted, _ = judge.offers_before(offers, day, PAY_WITHIN, kept)
    assert accepted & ours == back
    published = [row for name in ("proposals", "routes", "worklist") for row in rows(treated_house, SECOND, name)]
    assert not paid & {row["account_id"] for row in published}
    manifest = json.loads((treated_house / "out" / SECOND / "manifest.json").read_text())
    assert manifest["treatments"]["left_out"]["settled"] >= len(paid)
    # Before it was paid it was only accepted, and on its list nobody knew more.
    assert not judge.paid_before(offers, day_of_text("2026-09-26"), PAY_WITHIN, kept) & ours


def test_what_was_offered_and_may_still_be_taken_is_repeated_as_it_stands(treated_house):
    offers, day = delivered(treated_house, "offers"), day_of_text(SECOND)
    _, standing = judge.offers_before(offers, day, PAY_WITHIN, money_kept(treated_house))
    again = {row["account_id"]: row for row in rows(treated_house, SECOND, "proposals") if row["offer_id"]}
    assert len(again) >= 5
    assert again.keys() <= standing.keys()
    for account, row in again.items():
        made = standing[account]
        assert (row["offer_id"], row["proposal"]) == (made["offer_id"], made["kind"])
        assert round(float(row["amount_to_pay"]) * 100) == made["amount"]
        assert row["variant"] == made["variant"]
        assert row["offered_on"] == judge.date(made["made"]).isoformat()
        if made["kind"] == "settlement":
            assert row["pay_until"] == judge.date(made["until"]).isoformat()
            assert float(row["discount"]) == made["discount"]
        else:
            assert row["first_on"] == judge.date(made["first_on"]).isoformat()
    manifest = json.loads((treated_house / "out" / SECOND / "manifest.json").read_text())
    said = manifest["treatments"]
    assert said["repeated"] == len(again)
    assert {"offer_overtaken", "offer_outside"} & said["not_repeated"].keys()
    page = (treated_house / "out" / SECOND / "routes.html").read_text(encoding="utf-8")
    assert words("en")["treatment"]["not_repeated_head"] in page
    listed = {row["account_id"]: row for row in rows(treated_house, SECOND, "worklist")}
    told = [listed[account]["proposal"] for account in again.keys() & listed.keys()]
    assert told
    assert all(sentence.startswith("Offered on ") and "still open" in sentence for sentence in told)


def test_the_list_says_one_sentence_each_and_nothing_of_hardship(treated_house):
    offers = {row["account_id"]: row for row in rows(treated_house, SECOND, "proposals")}
    listed = rows(treated_house, SECOND, "worklist")
    assert len(listed) > 5
    for row in listed:
        offer = offers.get(row["account_id"])
        kind = offer["proposal"] if offer else ""
        if offer and offer["offer_id"]:
            assert row["proposal"].startswith("Offered on ")
        elif offer:
            assert row["proposal"] == {"plan": "Offer a plan.", "settlement": "Offer a settlement."}[kind]
        assert (row["proposal_terms"] != "") == bool(kind)
        assert row["proposal_value"] == (offer["proposal_value"] if offer else "")
        assert not re.search(
            "hardship|vulnerab|specialist", " ".join(row[name] for name in TREATED_COLUMNS), re.IGNORECASE
        )
        assert row["route"].endswith(".")
    assert any(row["proposal"].startswith("No offer: ") for row in listed)


def test_a_status_that_ends_one_debt_says_nothing_of_the_debtor_s_other_accounts(tmp_path):
    """Of two accounts of one debtor A2 is closed, or in dispute: only the dispute is A1's, too."""
    for status, name, theirs in ((treatment.OF_ONE_DEBT[0], "closed", False), ("dispute", "dispute", True)):
        on = {"account_id": "A2", "status": status, "from_on": "2026-06-01", "known_at": "2026-06-01"}
        few = PARAMS.model_copy(update={"store": PARAMS.store.model_copy(update={"shards": 1})})
        own = [charge(), charge(charge_id="C9", account_id="A2", amount="100.00")]
        _, store = taken(tmp_path / name, few, statuses=[on], charges=own)
        night, versions = day_of_text("2026-09-01"), store.versions()
        seen = view(store, 0, [night], few, versions)
        found = rulings(case_of(seen, store, versions, night, few), night).recorded
        bits = treatment.recorded_of(pd.DataFrame({"statuses": treatment.statuses_of(found)}), [name])[name]
        by_account = dict(zip(seen.cohort.frame["account_id"].astype("str"), bits, strict=True))
        assert by_account["A1"] == theirs
        assert by_account.get("A2", True)  # closed, it is not scorable


def test_the_workbook_s_offers_are_read_whole_on_a_screen_and_on_paper(treated_house):
    book, told = opened(treated_house / "out" / SECOND / "worklist.xlsx"), 0
    columns = words("en")["columns"]
    for sheet in book.worksheets:
        heads = [cell.value for cell in sheet[1]]
        if columns["proposal_terms"] not in heads:
            continue
        at = {name: heads.index(columns[name]) for name in ("proposal", "proposal_terms", "alternative", "route_value")}
        letters = {name: sheet.cell(1, place + 1).column_letter for name, place in at.items()}
        assert sheet.column_dimensions[letters["alternative"]].hidden
        assert not sheet.column_dimensions[letters["proposal_terms"]].hidden
        for line in range(2, sheet.max_row + 1):
            terms = sheet.cell(line, at["proposal_terms"] + 1)
            if terms.value:
                assert terms.alignment.wrap_text
                assert sheet.row_dimensions[line].height >= 15 * (len(terms.value) // 36)
                told += 1
    assert told >= 5


@pytest.mark.slow
def test_libreoffice_reads_every_offer_as_the_list_tells_it(treated_house, tmp_path):
    shutil.copy(treated_house / "out" / SECOND / "worklist.xlsx", tmp_path / "worklist.xlsx")
    book, columns = opened_by_libreoffice(tmp_path / "worklist.xlsx"), words("en")["columns"]
    assert kinds_of(book) <= {"s", "n", "d"}
    texts, values = ("proposal", "proposal_terms", "alternative", "route"), ("proposal_value", "route_value")
    read = {}
    for sheet in book.worksheets:
        head, *lines = sheet.iter_rows(values_only=True)
        if columns["proposal"] in head:
            cells = [
                {name: line[head.index(columns[name])] for name in ("account_id", *texts, *values)} for line in lines
            ]
            read |= {row["account_id"]: row for row in cells}
    told = {row["account_id"]: row for row in rows(treated_house, SECOND, "worklist")}
    assert read.keys() == told.keys()
    for account, row in told.items():
        assert [read[account][name] or "" for name in texts] == [row[name] for name in texts]
        assert [read[account][name] for name in values] == [float(row[name]) if row[name] else None for name in values]
    assert sum(row["proposal"] != "" for row in told.values()) >= 5


# ---- what is remembered, made again, handed over, forgotten ----------------------------------------------------------


def test_the_store_remembers_every_route_and_the_next_night_says_what_changed(treated_house):
    kept = Store(treated_house / "store").read(TREATED, before=day_of_text(SECOND) + 1)
    first = kept[kept["as_of"] == day_of_text(FIRST)].set_index("account_id")
    assert sorted(first.index) == sorted(row["account_id"] for row in rows(treated_house, FIRST, "routes"))
    drawn = kept[kept["variant"] != ""]
    assert drawn["probability"].between(0, 1, inclusive="neither").all()
    assert (drawn["proposal"] == "settlement").all()
    before = {row["account_id"]: row["route_before"] for row in rows(treated_house, SECOND, "routes")}
    assert {account: first["route"].get(account, "") for account in before} == before
    assert all(row["route_before"] == "" for row in rows(treated_house, FIRST, "routes"))


def test_who_was_drawn_keeps_the_lot_on_the_next_night(treated_house):
    first, second = ({r["account_id"]: r for r in rows(treated_house, night, "proposals")} for night in (FIRST, SECOND))
    again = [account for account in first.keys() & second.keys() if first[account]["variant"]]
    assert len(again) > 3
    for account in again:
        if first[account]["variant"].partition(" of ")[2] == second[account]["variant"].partition(" of ")[2]:
            assert first[account]["discount"] == second[account]["discount"]


def test_a_night_is_made_again_from_the_policy_it_had(treated_house, capsys):
    place = treated_house / "treatments.yaml"
    honest = place.read_text(encoding="utf-8")
    place.write_text(honest.replace("annual_rate: 0.08", "annual_rate: 0.05"), encoding="utf-8")
    assert recoup(treated_house, "reproduce", "--as-of", SECOND) == 0
    assert "byte for byte" in capsys.readouterr().out
    kept = treated_house / "store" / TERMS / hashlib.sha256(honest.encode()).hexdigest()
    kept.rename(treated_house / "aside.yaml")
    assert recoup(treated_house, "reproduce", "--as-of", SECOND) == 66
    assert "treatments.yaml' with sha256" in capsys.readouterr().err
    (treated_house / "aside.yaml").rename(kept)
    place.write_text(honest, encoding="utf-8")


def test_a_book_worked_for_another_has_plans_alone_and_nothing_leaves_it(treated_house):
    place = written(treated_house, "agency", "treatments.yaml")
    told = yaml.safe_load(place.read_text())
    told["portfolios"]["old_debts"]["role"] = "third_party_collector"
    place.write_text(yaml.safe_dump(told, sort_keys=False))
    assert recoup(treated_house, "worklist", "--as-of", SECOND) == 0
    written(treated_house, "out", "treatments.yaml")
    offers, routes = (rows(treated_house, SECOND, name, "agency") for name in ("proposals", "routes"))
    assert {row["proposal"] for row in offers} == {"plan"}
    assert {row["route"] for row in routes} <= {"internal", "rest"}


def test_a_faulty_policy_ends_the_night_before_anything_is_worked(treated_house, capsys):
    written(treated_house, "faulty", "faulty.yaml")
    (treated_house / "faulty.yaml").write_text("annual_rate: 8\n", encoding="utf-8")
    assert recoup(treated_house, "worklist", "--as-of", SECOND) == 2
    assert "annual_rate: Input should be less than or equal to 1" in capsys.readouterr().err
    assert not (treated_house / "faulty" / SECOND).exists()
    written(treated_house, "faulty", "gone.yaml")
    assert recoup(treated_house, "worklist", "--as-of", SECOND) == 66
    written(treated_house, "out", "treatments.yaml")


def test_a_model_that_was_not_taught_what_waiting_is_worth_leaves_offers_out_and_says_so(
    world, waiting, monkeypatch, capsys
):
    for room in (score, treatment):
        monkeypatch.setattr(room, "worth_of_going_on", waiting)
    written(world, "untaught", "treatments.yaml")
    assert recoup(world, "worklist", "--as-of", SECOND) == 0
    told = capsys.readouterr().out
    assert re.search(r"^\d+ accounts for a specialist\.$", told, re.MULTILINE)
    assert "Warning: The model in use was not taught what waiting is worth" in told
    assert [row["account_id"] for row in rows(world, SECOND, "specialist", "untaught")]
    assert rows(world, SECOND, "proposals", "untaught") == rows(world, SECOND, "routes", "untaught") == []
    listed = rows(world, SECOND, "worklist", "untaught")
    assert {row["proposal"] + row["route"] for row in listed} == {""}
    page = (world / "untaught" / SECOND / "routes.html").read_text(encoding="utf-8")
    assert words("en")["treatment"]["unvalued"] in page
    written(world, "out", "treatments.yaml")


@pytest.mark.parametrize(("days", "short"), [(30, 30), (364, 364), (365, None), (400, None)])
def test_waiting_is_short_where_it_is_known_for_less_than_the_policy_asks(monkeypatch, days, short):
    head = SimpleNamespace(continuation=SimpleNamespace(reached_days=days))
    monkeypatch.setattr(treatment, "load_model", lambda *_: head)
    job = SimpleNamespace(model=SimpleNamespace(folder=None, sha256=""))
    assert treatment.short_of(job, SimpleNamespace(horizon_days=365)) == short
    monkeypatch.setattr(treatment, "load_model", lambda *_: object())
    assert treatment.short_of(job, SimpleNamespace(horizon_days=365)) is None


def test_where_waiting_is_known_for_a_shorter_time_than_the_policy_asks_nothing_is_let_off_or_leaves(
    treated_house, monkeypatch, capsys
):
    monkeypatch.setattr(treatment, "short_of", lambda *_: 30)
    written(treated_house, "short", "treatments.yaml")
    assert recoup(treated_house, "worklist", "--as-of", SECOND) == 0
    written(treated_house, "out", "treatments.yaml")
    assert {row["proposal"] for row in rows(treated_house, SECOND, "proposals", "short")} == {"plan"}
    assert {row["route"] for row in rows(treated_house, SECOND, "routes", "short")} <= {"internal", "rest"}
    said = treatment.SHORT.format(reached=30, horizon=365)
    assert f"Warning: {said}" in capsys.readouterr().out
    folder = treated_house / "short" / SECOND
    assert said in json.loads((folder / "manifest.json").read_text())["warnings"]
    assert "is known for 30 days, and the policy asks for 365" in (folder / "routes.html").read_text(encoding="utf-8")


def test_the_terminal_counts_offers_routes_and_specialists(treated_house, capsys):
    assert recoup(treated_house, "worklist", "--as-of", SECOND) == 0
    offers = rows(treated_house, SECOND, "proposals")
    plans = sum(row["proposal"] == "plan" for row in offers)
    theirs = len(rows(treated_house, SECOND, "specialist"))
    told = capsys.readouterr().out
    assert f"Offers: {plans:,} plans, {len(offers) - plans:,} settlements. Routes: " in told
    assert f"{theirs:,} accounts for a specialist." in told


def test_whoever_is_forgotten_is_in_no_file_and_whoever_asks_is_handed_what_was_offered(treated_house, tmp_path):
    """One who was offered something, and one of the specialists' page."""
    folder = tmp_path / "house"
    shutil.copytree(treated_house, folder, symlinks=True)
    written(folder, "out", "treatments.yaml")
    people = [rows(folder, SECOND, name)[0]["debtor_id"] for name in ("proposals", "specialist")]
    file = folder / "person.json"
    assert recoup(folder, "export", "--debtor", people[0], "--out", str(file)) == 0
    titles = {section["title"] for section in json.loads(file.read_text(encoding="utf-8"))["sections"]}
    assert {"treated", f"Night of {SECOND}: proposals", f"Night of {SECOND}: routes"} <= titles
    for debtor in people:
        account = debtor.replace("D", "A")
        assert any(
            account in (folder / "out" / SECOND / f"{name}.csv").read_text() for name in ("routes", "specialist")
        )
        assert recoup(folder, "forget", "--debtor", debtor, "--by", "dpo", "--why", "asked") == 0
        assert traces([debtor, account], folder / "store", folder / "out") == []
    assert recoup(folder, "verify") == 0


# ---- one account, another policy -------------------------------------------------------------------------------------


def explained(folder: Path, account: str, capsys) -> list[str]:
    assert recoup(folder, "explain", "--as-of", SECOND, "--account", account) == 0
    lines = capsys.readouterr().out.splitlines()
    at = next(place for place, line in enumerate(lines) if line.startswith("Offer and routes, by treatments.yaml"))
    return lines[at + 1 : at + 1 + lines[at + 1 :].index("")]


def test_explain_tells_every_route_s_sum_and_the_offer_that_the_night_published(treated_house, capsys):
    offers = rows(treated_house, SECOND, "proposals")
    for kind in ("plan", "settlement"):
        row = next(each for each in offers if each["proposal"] == kind)
        said = explained(treated_house, row["account_id"], capsys)
        assert f"Proposal: {kind}, worth {float(row['proposal_value']):,.2f} EUR" in said[0]
        assert [re.match(r"  Route (\w+)", line)[1] for line in said if line.startswith("  Route")][0] == "internal"
        assert len([line for line in said if line.startswith("  Route")]) == 5
        assert any("as an offer: agreed" in line if kind == "plan" else "paid " in line for line in said)
    held = rows(treated_house, SECOND, "held_out")[0]["account_id"]
    assert explained(treated_house, held, capsys) == ["  Nothing is proposed to those held out for comparison."]
    theirs = rows(treated_house, SECOND, "specialist")[0]["account_id"]
    assert "none (a specialist decides)" in explained(treated_house, theirs, capsys)[0]


def test_another_policy_is_set_beside_the_params_own(treated_house, capsys):
    other = {**DRAWN, "settlements": None, "explore": {"discounts": None, "parties": None}}
    (treated_house / "other.yaml").write_text(yaml.safe_dump(other, sort_keys=False), encoding="utf-8")
    command = ("whatif", "--as-of", SECOND, "--policy")
    assert recoup(treated_house, *command, str(treated_house / "other.yaml")) == 0
    said = capsys.readouterr().out
    settled = sum(row["proposal"] == "settlement" for row in rows(treated_house, SECOND, "proposals"))
    assert f"Treated otherwise: {settled:,} of " in said
    assert re.search(r"internal settlement +internal(?: plan)? ", said)
    assert said.count("None has matured") == 2
    assert "On past nights whose outcome is known, each by itself, no lot drawing: 2026-06-19, 2026-03-21, 20" in said
    assert re.search(r"Treated otherwise on past nights: [1-9]", said)
    assert recoup(treated_house, *command, str(treated_house / "treatments.yaml"), "--past", "0") == 0
    said = capsys.readouterr().out
    assert "Treated otherwise: 0 of " in said
    assert "past nights whose" not in said
    assert recoup(treated_house, *command, str(treated_house / "gone.yaml")) == 66
    assert recoup(treated_house, "whatif", "--as-of", SECOND) == 2
    assert "Give --capacity, or --policy" in capsys.readouterr().err
    written(treated_house, "plain", None)
    assert recoup(treated_house, *command, str(treated_house / "other.yaml")) == 2
    assert "no policy to compare with" in capsys.readouterr().err
    written(treated_house, "out", "treatments.yaml")


def test_money_of_past_offers_is_what_the_delivery_says_within_the_horizon(treated_house, monkeypatch, capsys):
    """An early night draws; by the second one its outcome is known."""
    written(treated_house, "early", "treatments.yaml")
    assert recoup(treated_house, "worklist", "--as-of", EARLY) == 0
    offers = rows(treated_house, EARLY, "proposals", "early")
    drawn = {row["account_id"]: row for row in offers if row["variant"] and not row["offer_id"]}
    params, store = load(treated_house / "params.yaml"), Store(treated_house / "store")
    job = score.job_for(store, pd.Timestamp(SECOND).date(), params)
    past = discount_lot(store, job, params)
    assert sorted(past.offers["account_id"]) == sorted(drawn)
    policy = policy_in(params, pd.Timestamp(EARLY).date())
    told = pd.concat(list(with_money(past, store, job, params, [policy, policy])), ignore_index=True)
    assert len(told) == len(drawn) > 20
    with gzip.open(treated_house / "source" / "payments.csv.gz", "rt", encoding="utf-8") as file:
        paid = [row for row in csv.DictReader(file) if row["kind"] == "payment"]
    first = day_of_text(EARLY)
    came = dict.fromkeys(drawn, 0.0)
    for row in paid:
        if row["account_id"] in came and 0 <= day_of_text(row["occurred_at"][:10]) - first < params.label.horizon_days:
            came[row["account_id"]] += float(row["amount"])
    wanted = [min(came[account], float(drawn[account]["balance"])) for account in drawn]
    assert sum(wanted) > 0
    assert sorted(told["money"]) == pytest.approx(sorted(wanted), abs=0.01)
    assert (told["the params'"] == 0.1).mean() > 0.9  # the least, which is proposed where no lot gives more
    command = ("whatif", "--as-of", SECOND, "--policy", str(treated_house / "treatments.yaml"))
    assert recoup(treated_house, *command) == 0
    said = capsys.readouterr().out
    covered = [arm in could for arm, could in zip(told["the params'"], told["could"], strict=True)]
    assert set(told["could"].iloc[0]) <= set(DRAWN["explore"]["discounts"])
    assert f"the lot covers too few: {sum(covered)} of {len(told)} drawn, 300 are needed" in said
    assert f"In-sample: before the nights of {len(told):,} of these no model was approved" in said
    monkeypatch.setattr(past_policies, "model_then", lambda *_: job.model)  # the house has none that was approved
    told = pd.concat(list(with_money(past, store, job, params, [policy, policy])), ignore_index=True)
    assert not told["in_sample"].any()
    written(treated_house, "out", "treatments.yaml")


def test_on_past_nights_each_policy_is_worked_out_by_what_was_known_then(treated_house):
    """A policy without settlements moves whom ours would have settled with, and nobody else who stays."""
    params, store = load(treated_house / "params.yaml"), Store(treated_house / "store")
    other = {**DRAWN, "settlements": None, "explore": {"discounts": None, "parties": None}}
    (treated_house / "without.yaml").write_text(yaml.safe_dump(other, sort_keys=False), encoding="utf-8")
    job = score.job_for(store, pd.Timestamp(SECOND).date(), params)
    named = [params, params.model_copy(update={"treatments": Treatments(policy=str(treated_house / "without.yaml"))})]
    both = [policy_in(each, pd.Timestamp(SECOND).date()) for each in named]
    found = on_past_nights(store, job, params, both, 2)
    assert [judge.date(night).isoformat() for night in found.nights] == ["2026-06-19", "2026-03-21"]
    assert found.in_sample == 2
    ours, others = found.routes[YOURS], found.routes[OTHER]
    assert ours["accounts"].sum() == others["accounts"].sum() == found.accounts > 200
    assert others["settlements"].sum() == 0
    settled = found.moved[found.moved["before"] == "internal settlement"]["accounts"].sum()
    assert settled == ours["settlements"].sum() > 20
    assert ours["let_off"].sum() > 0
    burdens = pd.concat([ours, others])["burden"].dropna()
    assert burdens.between(0, 2).all()
    assert len(burdens) >= 2
    again = on_past_nights(store, job, params, both[:1] * 2, 1)
    assert again.moved.empty
    assert on_past_nights(store, job, params, both, 0).nights == ()


def test_money_of_accounts_that_a_lot_gave_to_agencies_is_what_came_within_their_horizon(treated_house, tmp_path):
    folder = tmp_path / "house"
    shutil.copytree(treated_house, folder, symlinks=True)
    agency, *rest = DRAWN["routes"]
    dear = {"horizon_days": 60, "after_days": 0, "recovery": [{"from_days": 0, "low": 0.3, "middle": 0.4, "high": 0.5}]}
    agencies = [{**agency, "party": name, **dear} for name in ("agency_a", "agency_b")]
    lots = {**DRAWN, "settlements": None, "plans": None, "routes": [*agencies, *rest]}
    lots["explore"] = {"discounts": None, "parties": {"agency_a": 0.5, "agency_b": 0.5}}
    (folder / "lots.yaml").write_text(yaml.safe_dump(lots, sort_keys=False), encoding="utf-8")
    written(folder, "lots", "lots.yaml")
    assert recoup(folder, "worklist", "--as-of", EARLY) == 0
    given = {row["account_id"]: row for row in rows(folder, EARLY, "routes", "lots") if row["probability"]}
    assert len(given) > 20
    assert {row["party"] for row in given.values()} == {"agency_a", "agency_b"}
    params, store = load(folder / "params.yaml"), Store(folder / "store")
    job, policy = (make(pd.Timestamp(SECOND).date()) for make in (
        lambda night: score.job_for(store, night, params), lambda night: policy_in(params, night)
    ))  # fmt: skip
    lot = agency_lot(store, job, params, [policy, policy])
    assert lot.days == 60
    assert dict(zip(lot.offers["account_id"], lot.offers["party"], strict=True)) == {
        account: row["party"] for account, row in given.items()
    }
    told = pd.concat(list(with_money(lot, store, job, params, [policy, policy])), ignore_index=True)
    assert set(told["probability"]) == {0.5}
    assert set(told["could"]) == {("agency_a", "agency_b")}
    assert (told[YOURS] == told[OTHER]).all()
    assert set(told[YOURS]) == {"agency_a"}  # of two alike the first, where no lot draws
    first, came = day_of_text(EARLY), dict.fromkeys(given, 0.0)
    for row in delivered(folder, "payments"):
        if row["kind"] == "payment" and row["account_id"] in came:
            came[row["account_id"]] += float(row["amount"]) * (0 <= day_of_text(row["occurred_at"][:10]) - first < 60)
    wanted = [min(came[account], float(given[account]["balance"])) for account in given]
    assert sum(wanted) > 0
    assert sorted(told["money"]) == pytest.approx(sorted(wanted), abs=0.01)


def test_some_accounts_of_every_way_are_told_with_the_sums_that_the_night_published(treated_house, capsys):
    offers = {row["account_id"]: row for row in rows(treated_house, SECOND, "proposals")}
    routes = {row["account_id"]: row for row in rows(treated_house, SECOND, "routes")}
    ways = len({(row["route"], row["party"]) for row in routes.values()}) + 1  # those who stay: two offers and none
    assert recoup(treated_house, "explain", "--as-of", SECOND, "--offers", "9") == 0
    head, *parts = capsys.readouterr().out.split("\n\n")
    assert f"9 of {len(routes):,} accounts" in head
    assert len(parts) == 9
    seen, kinds = set(), set()
    for part in parts:
        account = part.partition(" ")[0]
        assert part.startswith(f"{account} of {routes[account]['debtor_id']}: ")
        assert part.count("; chosen") == 1
        chosen = next(line for line in part.splitlines() if "; chosen" in line)
        own = routes[account]
        assert chosen.startswith(f"Route {own['route']}" + (f", {own['party']}:" if own["party"] else ":"))
        assert f"{float(own['route_value']):,.2f} EUR" in chosen
        if account in offers:
            assert (
                f"Proposal: {offers[account]['proposal']}, worth {float(offers[account]['proposal_value']):,.2f}"
                in part
            )
        else:
            assert "Proposal: none" in part
        seen.add((own["route"], own["party"]))
        kinds.add(offers[account]["proposal"] if account in offers else "")
    assert len(seen) >= min(ways - 1, 3)
    assert kinds == {"plan", "settlement", ""}
    for wrong in ((), ("--account", "A000001", "--offers", "2"), ("--offers", "2", "--all")):
        assert recoup(treated_house, "explain", "--as-of", SECOND, *wrong) == 2
    written(treated_house, "plain", None)
    assert recoup(treated_house, "explain", "--as-of", SECOND, "--offers", "2") == 2
    assert "the params' `treatments` is null" in capsys.readouterr().err
    written(treated_house, "out", "treatments.yaml")


def test_an_account_counts_once_within_a_horizon():
    accounts = pd.Series(["a", "b", "a", "a", "a"])
    assert apart(accounts, pd.Series([10, 12, 30, 40, 69]), 30).tolist() == [True, True, False, True, False]


# ---- what came of offers ---------------------------------------------------------------------------------------------


def filled(folder: Path, name: str, told: dict[str, dict[str, str]]) -> Path:
    """The list's workbook with these cells, by account."""
    book = opened(folder / "out" / FIRST / "worklist.xlsx")
    columns = words("en")["columns"]
    for sheet in book.worksheets:
        heads = [cell.value for cell in sheet[1]]
        if columns["offer_outcome"] not in heads:
            continue
        for line in range(2, sheet.max_row + 1):
            account = sheet.cell(line, heads.index(columns["account_id"]) + 1).value
            for column, value in told.get(account, {}).items():
                sheet.cell(line, heads.index(columns[column]) + 1).value = value
    book.save(folder / name)
    return folder / name


@pytest.fixture(scope="module")
def answered(treated_house, tmp_path_factory) -> tuple[Path, dict[str, str]]:
    """A copy of the house, and listed accounts by what is proposed to them."""
    folder = tmp_path_factory.mktemp("answered") / "house"
    shutil.copytree(treated_house, folder, symlinks=True)
    written(folder, "out", "treatments.yaml")
    offers = {row["account_id"]: row["proposal"] for row in rows(folder, FIRST, "proposals")}
    listed = {offers.get(row["account_id"], ""): row["account_id"] for row in rows(folder, FIRST, "worklist")}
    assert {"plan", "settlement", ""} == listed.keys()
    return folder, listed


def back(folder: Path, file: Path, at: str) -> int:
    return recoup(folder, "feedback", "--file", str(file), "--received-at", f"{FIRST}T{at}:00+01:00")


def test_what_came_of_an_offer_comes_back_as_offers_and_plans(answered, capsys):
    folder, listed = answered
    plan, settlement, nothing = listed["plan"], listed["settlement"], listed[""]
    spoke = words("en")["outcomes"]["right_party"]
    agreed = {"outcome": spoke, "offer_outcome": "accepted", "contacted_at": "09:30"}
    told = {plan: agreed, settlement: {**agreed, "offer_outcome": "refused"}, nothing: agreed}
    assert back(folder, filled(folder, "one.xlsx", told), "18:00") == 0
    said = capsys.readouterr().out
    assert "2 offers answered: 1 accepted, 1 refused" in said
    assert "FB_NO_OFFER" in said
    offers = {row["account_id"]: row for row in rows(folder, FIRST, "proposals")}
    store = Store(folder / "store")
    kept = [table for shard in range(store.shards) for table in [store.tables(shard, ["offers", "plans"])]]
    held, plans = (pd.concat([each[name] for each in kept]) for name in ("offers", "plans"))
    ours = held[held["offer_id"].astype("str").str.startswith(f"list-{FIRST}")].astype(
        {"outcome": "str", "kind": "str"}
    )
    assert sorted(zip(ours["kind"], ours["outcome"], strict=True)) == [("plan", "accepted"), ("settlement", "refused")]
    rate = ours[ours["kind"] == "settlement"].iloc[0]
    assert rate["variant"] == offers[settlement]["variant"]
    agreed_on = plans[plans["plan_id"].astype("str").str.startswith(f"list-{FIRST}")]
    assert len(agreed_on) == int(offers[plan]["instalments"])
    assert agreed_on["amount"].sum() == round(float(offers[plan]["amount_to_pay"]) * 100)
    assert agreed_on["due_on"].min() == day_of_text(offers[plan]["first_on"])
    assert agreed_on["due_on"].max() == day_of_text(offers[plan]["last_on"])
    assert back(folder, folder / "one.xlsx", "19:00") == 0
    assert "0 contacts + 0 skipped + 2 unchanged" in capsys.readouterr().out


def test_whoever_agreed_to_a_plan_is_offered_none_and_is_left_in_peace(answered):
    folder, listed = answered
    written(folder, "after", "treatments.yaml")
    assert recoup(folder, "worklist", "--as-of", SECOND) == 0
    written(folder, "out", "treatments.yaml")
    assert listed["plan"] in {row["account_id"] for row in rows(folder, SECOND, "proposals")}
    assert listed["plan"] not in {row["account_id"] for row in rows(folder, SECOND, "proposals", "after")}
    deferred = {row["account_id"]: row["rule"] for row in rows(folder, SECOND, "deferred", "after")}
    assert deferred[listed["plan"]] == "plan"


def test_an_offer_that_was_made_and_is_not_answered_is_repeated_under_its_own_name(answered, tmp_path, capsys):
    folder, account = tmp_path / "house", answered[1]["settlement"]
    shutil.copytree(answered[0], folder, symlinks=True)
    written(folder, "out", "treatments.yaml")
    spoke = {"outcome": words("en")["outcomes"]["right_party"], "contacted_at": "09:30"}
    made = words("en")["treatment"]["outcomes"]["made"]
    assert back(folder, filled(folder, "made.xlsx", {account: {**spoke, "offer_outcome": made}}), "20:30") == 0
    assert "1 offers answered: 1 made" in capsys.readouterr().out
    written(folder, "made", "treatments.yaml")
    assert recoup(folder, "worklist", "--as-of", SECOND) == 0
    first = next(row for row in rows(folder, FIRST, "proposals") if row["account_id"] == account)
    again = next(row for row in rows(folder, SECOND, "proposals", "made") if row["account_id"] == account)
    assert again["offer_id"].startswith(f"list-{FIRST}-")
    assert again["offered_on"] == FIRST
    same = ("proposal", "discount", "amount_to_pay", "pay_until", "variant", "probability")
    assert [again[name] for name in same] == [first[name] for name in same]


def test_an_answer_taken_back_ends_the_plan_and_a_strange_word_is_set_aside(answered, capsys):
    folder, listed = answered
    spoke = {"outcome": words("en")["outcomes"]["right_party"], "contacted_at": "09:30"}
    told = {
        listed["plan"]: {**spoke, "offer_outcome": "refused"},
        listed["settlement"]: {**spoke, "offer_outcome": "maybe"},
    }
    assert back(folder, filled(folder, "two.xlsx", told), "20:00") == 0
    said = capsys.readouterr().out
    assert "FB_OFFER. What came of the offer is not one of the listed words." in said
    assert "1 offers answered: 1 refused" in said
    store = Store(folder / "store")
    plans = pd.concat([store.tables(shard, ["plans"])["plans"] for shard in range(store.shards)])
    ours = plans[plans["plan_id"].astype("str").str.startswith(f"list-{FIRST}")]
    newest = ours.sort_values("known_at").drop_duplicates(["plan_id", "due_on"], keep="last")
    assert set(newest["how"].astype("str")) == {"cancelled"}
    assert set(newest["ended_on"]) == {day_of_text(FIRST)}


def test_a_plan_taken_back_by_a_row_that_was_not_worked_after_all_ends_too(answered, tmp_path, capsys):
    """No contact comes in with it."""
    folder, listed = tmp_path / "house", answered[1]
    shutil.copytree(answered[0], folder, symlinks=True)
    written(folder, "out", "treatments.yaml")
    spoke = {"outcome": words("en")["outcomes"]["right_party"], "contacted_at": "09:30"}
    told = {listed["plan"]: {**spoke, "offer_outcome": "accepted"}}
    assert back(folder, filled(folder, "three.xlsx", told), "21:00") == 0
    skipped = {listed["plan"]: {"outcome": None, "skipped_because": next(iter(words("en")["skips"].values()))}}
    skipped[listed["plan"]] |= {"contacted_at": None, "offer_outcome": None}
    capsys.readouterr()
    assert back(folder, filled(folder, "four.xlsx", skipped), "22:00") == 0
    assert "1 offers answered: 1 taken back" in capsys.readouterr().out
    store = Store(folder / "store")
    plans = pd.concat([store.tables(shard, ["plans"])["plans"] for shard in range(store.shards)])
    ours = plans[plans["plan_id"].astype("str").str.startswith(f"list-{FIRST}")]
    newest = ours.sort_values("known_at").drop_duplicates(["plan_id", "due_on"], keep="last")
    assert set(newest["how"].astype("str")) == {"cancelled"}


# ---- the whole path --------------------------------------------------------------------------------------------------


@pytest.mark.stress
def test_what_train_teaches_of_waiting_is_what_a_night_s_offers_are_set_against(
    world, waiting, monkeypatch, tmp_path, capsys
):
    """The only night here whose worth of waiting is learnt, by the policy as it is shipped but for the days over which
    it values waiting: so few debtors teach no more than 30."""
    raw = {**RAW, "horizon_days": 30}
    for room in (score, treatment):
        monkeypatch.setattr(room, "worth_of_going_on", waiting)
    monkeypatch.setattr(findings, "LEAST_ROWS", 10**6)  # few accounts, of other ages than those that taught: no stop
    folder = tmp_path / "house"
    for name in ("store", "source"):
        shutil.copytree(world / name, folder / name, symlinks=True)
    (folder / "treatments.yaml").write_text(yaml.safe_dump(raw, sort_keys=False), encoding="utf-8")
    place = written(folder, "out", "treatments.yaml")
    told = yaml.safe_load(place.read_text())
    told["label"]["horizon_days"], told["model"]["n_estimators"], told["model"]["min_events"] = 30, 30, 10
    place.write_text(yaml.safe_dump(told, sort_keys=False))
    assert recoup(folder, "train") == 0
    run = next((folder / "store" / "runs").iterdir()).name
    assert recoup(folder, "promote", "--run", run, "--by", "tests", "--why", "first") == 0
    assert recoup(folder, "worklist", "--as-of", SECOND) == 0
    params, night = load(folder / "params.yaml"), pd.Timestamp(SECOND).date()
    made = make_night(Store(folder / "store"), night, folder / "aside", params, Stages()).treated
    assert made is not None
    assert made.found is not None
    worth = made.rows["continuation"] / made.rows["balance"]
    assert worth.nunique() > 20
    assert (made.rows["continuation_low"] <= made.rows["continuation"]).all()
    assert breaches(folder, made, raw) == []
    offers = rows(folder, SECOND, "proposals")
    assert len(offers) > 20
    capsys.readouterr()
    said = explained(folder, offers[0]["account_id"], capsys)
    assert f"worth {float(offers[0]['proposal_value']):,.2f} EUR" in said[0]
    assert recoup(folder, "reproduce", "--as-of", SECOND) == 0
