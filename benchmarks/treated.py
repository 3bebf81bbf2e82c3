"""What was learnt of treatments against the truth of made-up books of old debts (`recoup simulate --treatments`):
whether chances and values are what is true, and what the policy earns in true money.

A book lives two years, comes in as a delivery and teaches what a training teaches: what going on is worth, and what
offers, plans and placements say. Half of its debtors have told what they can spare a month, 20 % off either way. Then
every debtor who is worked in the house on the last day is treated, and the truth of the book says what that is worth in
a year of twelve times 30 days.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from features.catalogue import CATALOGUE, with_treatments
from features.days import day_number
from features.tables import TREATMENTS
from models.calibration import bounded_logit
from models.plans import PLAN_KEY, UNKNOWN, plan_histories
from models.resampling import debtor_draws, interval
from pipeline.intake.ingest import ingest
from pipeline.law.rule_file import load_rules
from pipeline.panel.panel import panel
from pipeline.panel.view import view
from pipeline.params import Params, Treatments, load
from pipeline.simulate import treated
from pipeline.simulate.treated import AT_AGENCY, AT_LAW, DONE, ON_PLAN, PARTIES, WORKED, Book, Lived
from pipeline.store.store import Store
from pipeline.training.experience import past_of
from pipeline.training.fit import teaching_of
from pipeline.training.treatment import TreatmentTaught, horizons_of, treatment_taught
from pipeline.treatment.policy import INCOME, SHIPPED, Policy, policy_of
from pipeline.treatment.proposals import Proposals, propose
from pipeline.treatment.spare import spare_money

HOUSE = Path(__file__).parents[1]
NIGHT = treated.LAST_DAY + dt.timedelta(1)
AS_OF = day_number(NIGHT)
YEAR_DAYS = treated.YEAR * treated.MONTH
DISCOUNTS = (0.2, 0.4, 0.6)
_ENDS = ("middle", "low", "high")
TENTHS = 10
BUYER, PRICED_FROM = "buyer", (0, 365, 730, 1_095)  # who buys; days past due from which a price holds


def prices(book: Book, seed: int) -> list[dict[str, float]]:
    """What a buyer pays, as he quotes it, by age: from 30 to 70 % of what debts of that age bring him in a year if he
    works them as the house does. So he gains on the whole, and a house loses that sells what still pays."""
    draw, found = np.random.default_rng([seed, 19]), []
    own = book.only(np.flatnonzero((book.balance > 0) & (book.state == WORKED)))
    share, worth, late = draw.uniform(0.3, 0.7), as_today(own, 10, seed), days_late(own)
    for first, end in zip(PRICED_FROM, (*PRICED_FROM[1:], None), strict=True):
        those = (late >= first) & (late < (np.inf if end is None else end))
        paid = share * worth[those].sum() / max(own.balance[those].sum(), 1) if those.any() else 0.0
        paid = float(np.clip(paid, 0.001, 0.5))
        found.append(
            {"from_days": first, "low": round(0.9 * paid, 6), "middle": round(paid, 6), "high": round(1.1 * paid, 6)}
        )
    return found


def days_late(book: Book) -> np.ndarray:
    """Since the charge fell due: see pipeline.simulate.treated.rows_of."""
    return treated.MONTH * book.age + 400 - 30


def policy_file(place: Path, world: treated.World, quoted: list[dict[str, float]]) -> Path:
    """The shipped policy for such a book: its two agencies, its lawyer and its buyer at the prices that they name,
    beliefs as they are shipped; nothing that the truth alone knows."""
    raw = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    raw |= {"annual_rate": treated.ANNUAL_RATE, "horizon_days": YEAR_DAYS}
    raw["plans"] |= {"least_instalment": {"EUR": 5}, "cost": {"EUR": 0}}
    settling = raw["settlements"]
    settling |= {"discounts": list(DISCOUNTS), "largest": [{"from_days": 91, "share": 0.6}], "cost": {"EUR": 0}}
    settling |= {"least_amount": {"EUR": 10}, "months_of_support": None}
    for each in raw["authority"]:
        each |= {"discount": 0.6, "let_off": {"EUR": 100_000}, "instalments": 24}
    agency, court, buyer = raw["routes"]
    agency |= {"places": ["GB-ENG"], "after_days": 0, "notice_days": 0, "oldest_days": None, "delay_days": 90}
    agency |= {
        "fixed_cost": {"EUR": 0},
        "horizon_days": 180,
        "commission": [{"from_days": 0, "share": round(world.commission, 6)}],
    }
    court |= {"party": treated.LAWYER, "places": ["GB-ENG"], "oldest_days": 2_000, "fixed_cost": {"EUR": 0}}
    court |= {"cost_share": round(world.court_cost, 6), "horizon_days": YEAR_DAYS}
    # The beliefs shipped are of two years; the lawyer says that cash comes evenly from the seventh month to the last.
    (suit,) = court["suit"]
    within = (treated.YEAR - treated.COURT_BEGINS) / (treated.COURT_MONTHS - treated.COURT_BEGINS)
    suit["paid"] = {end: round(share * within, 6) for end, share in suit["paid"].items()}
    buyer |= {"places": ["GB-ENG"], "after_days": 0, "oldest_days": None, "delay_days": 0, "fixed_cost": {"EUR": 0}}
    buyer |= {"party": BUYER, "price": quoted}
    raw["routes"] = [*({**agency, "party": name} for name in PARTIES), court, buyer]
    place.write_text(yaml.safe_dump(raw, sort_keys=False), encoding="utf-8")
    return place


def params_for(policy: Path) -> Params:
    whole = load(HOUSE / "params.yaml")
    book = whole.portfolio_defaults
    book = book.model_copy(update={"time_zone": "Europe/London", "delivers": (*book.delivers, *TREATMENTS)})
    update: dict[str, Any] = {"portfolios": {"old_debts": book}, "treatments": Treatments(policy=str(policy))}
    update["cohort"] = whole.cohort.model_copy(update={"sample_debtors": 2_500})
    update["store"] = whole.store.model_copy(update={"shards": 4})
    update["evaluate"] = whole.evaluate.model_copy(update={"bootstrap_draws": 200})
    costs = {**whole.worklist.costs, "call": treated.CALL_COST / 100}
    update["worklist"] = whole.worklist.model_copy(update={"costs": costs})
    return whole.model_copy(update=update)


def with_incomes(source: Path, spare: np.ndarray, seed: int) -> None:
    """What half of the debtors say that they can spare a month, beside their accounts."""
    draw = np.random.default_rng([seed, 16])
    told = np.where(draw.random(spare.size) < 0.5, spare / 100 * draw.uniform(0.8, 1.2, spare.size), np.nan)
    (place,) = source.glob("accounts.csv*")
    rows = pd.read_csv(place, dtype=str, keep_default_na=False)
    number = rows["account_id"].str.removeprefix("A").astype(int).to_numpy()
    rows[INCOME] = ["" if np.isnan(each) else f"{each:.2f}" for each in told[number]]
    rows.to_csv(place, index=False)


@dataclass(frozen=True)
class Judged:
    """A book that was lived and taught from. rows: as `propose` asks for them, of debtors worked in the house on the
    last day; book: the same debtors' truth, in the same order."""

    lived: Lived
    store: Store
    params: Params
    policy: Policy
    taught: TreatmentTaught
    rows: pd.DataFrame
    book: Book


def judged(seed: int, debtors: int, folder: Path, **otherwise: Any) -> Judged:
    lived = treated.live(debtors, seed, **otherwise)
    treated.deliver(lived, folder / "source", runs=1)
    with_incomes(folder / "source", lived.book.spare, seed)
    place = policy_file(folder / "treatments.yaml", lived.book.world, prices(lived.book, seed))
    params = params_for(place)
    ingest(folder / "source", folder / "store", params)
    store = Store(folder / "store")
    whole = panel(store, params, further=horizons_of(params))
    teaching = teaching_of(whole, params, with_treatments(CATALOGUE, whole.versions))
    taught = treatment_taught(store, whole, params, teaching)
    policy = policy_of(place, load_rules(), ["GB-ENG"], NIGHT)
    rows = rows_of(store, params, taught, policy)
    number = rows["account_id"].str.removeprefix("A").astype(int).to_numpy()
    ours = (lived.book.state[number] == WORKED) & (lived.book.balance[number] == rows["balance"].to_numpy())
    return Judged(
        lived, store, params, policy, taught, rows[ours].reset_index(drop=True), lived.book.only(number[ours])
    )


def rows_of(store: Store, params: Params, taught: TreatmentTaught, policy: Policy) -> pd.DataFrame:
    """ROW_COLUMNS of the night; each debtor has one account."""
    versions, head, found = store.versions(), taught.trial.release, []
    assert head is not None
    for shard in range(store.shards):
        seen = view(store, shard, [AS_OF], params, versions)
        cohort = seen.cohort.frame
        people = seen.tables["accounts"].drop_duplicates("account_no", keep="last")
        about = people.set_index("account_no").reindex(cohort["account_no"])
        asked = cohort[["debtor_id", "currency"]].assign(day=AS_OF)
        can, _ = spare_money(asked, people, seen.tables, seen.ledger)
        can = can.set_index(cohort.index)
        worth = head.worth(
            seen.matrix[list(head.columns)], cohort, policy.horizon_days, policy.annual_rate, params.worklist.costs
        )
        found.append(
            cohort[["account_id", "debtor_id", "currency", "days_past_due", "balance"]].assign(
                kind=about["product"].astype("str").to_numpy(),
                place="GB-ENG",
                **{name: worth[name] for name in worth},
                **{name: can[name] for name in can},
                in_house_days=cohort["days_past_due"].to_numpy(),
                offers_refused=np.nan_to_num(seen.matrix["offers_refused_ever"].to_numpy()).astype(np.int64),
                contact_open=True,
                legal_open=True,
                may_part=True,
            )
        )
    whole = pd.concat(found, ignore_index=True)
    return whole.astype({"account_id": "str", "debtor_id": "str", "currency": "str"})


# ---- chances ---------------------------------------------------------------------------------------------------------


def calibration(
    told: np.ndarray, true: np.ndarray, debtors: pd.Series, seed: int, counts: np.ndarray | None = None
) -> dict[str, tuple[float, ...]]:
    """observed ÷ expected and the slope of the truth on the log-odds told, each with its 95 % interval by debtor; the
    truth is the chance itself, so that no luck of single debtors is in either. There is no slope where all are told
    one. counts: how much a row counts, 1 if None.
    """
    who, weights = debtor_draws(debtors, 100, seed)
    each = np.ones(len(told)) if counts is None else counts
    sums = [weights @ np.bincount(who, part * each, weights.shape[1]) for part in (true, told)]
    found: dict[str, tuple[float, ...]] = {"observed ÷ expected": interval(sums[0] / sums[1])}
    inside = np.clip(told, 1e-6, 1 - 1e-6)
    level = np.log(inside / (1 - inside))
    if np.ptp(level) < 1e-9:
        return found
    slopes = [
        bounded_logit(level[None], true, own[who] * each, usual=np.ones(1), pull=1e-6, least=-9.0)[1][0]
        for own in weights
    ]
    return {**found, "slope": interval(np.array(slopes))}


def chances(whole: Judged, proposals: Proposals, seed: int) -> dict[str, dict[str, tuple[float, ...]]]:
    """P(accept) of every discount for everybody, and P(break in a month) of the plans that were agreed."""
    held, found, many = whole.taught.experience, {}, whole.book.balance.size
    assert held is not None
    assert held.acceptance is not None
    assert held.breaks is not None
    asked = np.concatenate([np.full(many, discount) for discount in DISCOUNTS])
    true = np.concatenate([whole.book.chance_to_accept(np.full(many, discount)) for discount in DISCOUNTS])
    who = pd.concat([whole.rows["debtor_id"]] * len(DISCOUNTS), ignore_index=True)
    name = f"P(accept), from {held.acceptance.source}"
    found[name] = calibration(held.acceptance.curve.of(asked), true, who, seed)
    for discount in DISCOUNTS:
        told, low, high = (float(held.acceptance.curve.of(np.array([discount]), end)[0]) for end in _ENDS)
        real = float(true[asked == discount].mean())
        found[name][f"at {discount:.0%} off ({real:.3f} is true)"] = (told, low, high)
    spare = past_of(whole.store, whole.params, whole.policy, AS_OF)
    lived = plan_histories(spare.plans, spare.spare, AS_OF)
    lived["largest"] = spare.plans.groupby(list(PLAN_KEY))["amount"].max().reindex(lived.index)
    lived = lived[(lived["due"] > 0).to_numpy()].reset_index(drop=True)
    own = whole.lived.book.only(lived["debtor_id"].str.removeprefix("D").astype(int).to_numpy())
    told = held.breaks.curve.of(lived["burden"].to_numpy())
    name = f"P(break in a month), plans as agreed, over the months they lived, from {held.breaks.source}"
    months = lived["due"].to_numpy(np.float64)
    found[name] = calibration(told, own.chance_to_break(lived["largest"].to_numpy()), lived["debtor_id"], seed, months)
    best = proposals.plans.best
    there = (best["instalments"] > 0).to_numpy()
    twelve = whole.book.chance_to_break(-(-whole.book.balance // 12))
    agree = whole.book.chance_to_agree(np.full(many, 12))
    kept = float(np.average((1 - twelve) ** 12, weights=agree))
    found["P(kept to the end), a plan in 12 for everybody, of those who agree"] = {"true": (kept, kept, kept)}
    if there.any():
        part, many_ = whole.book.only(np.flatnonzero(there)), best["instalments"].to_numpy()[there]
        kept = (1 - part.chance_to_break(best["instalment"].to_numpy()[there])) ** many_
        name = "P(kept to the end), plans proposed, of those who agree"
        told, agrees = best["p_kept"].to_numpy()[there], part.chance_to_agree(many_)
        found[name] = calibration(told, kept, whole.rows["debtor_id"][there], seed, agrees)
    return found


# ---- values ----------------------------------------------------------------------------------------------------------


def as_today(book: Book, runs: int, seed: int, explored: float = 0.5) -> np.ndarray:
    """True money of a year of each debtor if the house goes on as it did, its offers among what it does; it gives no
    account away, for what is asked is what staying is worth. Discounted, net of calls, minor units, a mean of `runs`
    lives."""
    many = book.balance.size
    own, draw = book.only(np.tile(np.arange(many), runs)), np.random.default_rng([seed, 17])
    own.state[:] = WORKED
    total = np.zeros(own.balance.size)

    def keep(_table: str, **_columns: object) -> None:
        """Nobody reads these offers and plans."""

    def numbered(_table: str, size: int) -> np.ndarray:
        return np.arange(size)

    for month in range(treated.YEAR):
        share = 1 / (1 + treated.ANNUAL_RATE) ** ((month + 0.5) * treated.MONTH / 365)

        def pay(
            who: np.ndarray, _day: np.ndarray, amount: np.ndarray, share: float = share, total: np.ndarray = total
        ) -> None:
            total[who] += share * amount
            own.balance[who] -= amount

        day = np.full(own.balance.size, month * treated.MONTH)
        total[:] -= share * np.where((own.state == WORKED) & (own.balance > 0), treated.CALL_COST, 0)
        on = np.flatnonzero((own.state == ON_PLAN) & (own.balance > 0))
        breaks = draw.random(on.size) < own.only(on).chance_to_break(own.instalment[on])
        own.state[on[breaks]] = WORKED
        keeps = on[~breaks]
        pay(keeps, day[keeps], np.minimum(own.instalment[keeps], own.balance[keeps]))
        own.left[keeps] -= 1
        own.state[keeps[(own.left[keeps] == 0) | (own.balance[keeps] <= 0)]] = WORKED
        worked = np.flatnonzero((own.state == WORKED) & (own.balance > 0))
        amount = own.only(worked).pays(draw)
        pay(worked, day[worked], amount)
        worked = worked[(own.balance[worked] > 0) & (amount == 0)]
        u = draw.random(worked.size)
        treated._settle(own, worked[u < 0.08], day, draw, explored, keep, numbered, pay)
        treated._agree(own, worked[(u >= 0.08) & (u < 0.14)], 0, day, draw, explored, keep, numbered)
        own.age += 1
    return total.reshape(runs, many).mean(axis=0)


def worths(book: Book, runs: int, seed: int, terms: np.ndarray) -> pd.DataFrame:
    """True money of each debtor by each way in a year; plan: in as many instalments as `terms` says, NaN where none.

    Where an offer is not taken, or an agency gives the account back after half of the year, the house goes on as it
    did. as_today: that alone.
    """
    found = treated.true_values(book, runs, seed)
    found["settlement_30"] = treated._worth(book, DONE, 0.3, runs, seed, treated.YEAR)
    plan = np.full(book.balance.size, np.nan)
    for many in np.unique(terms[terms > 0]):
        own = np.flatnonzero(terms == many)
        plan[own] = treated._worth(book.only(own), ON_PLAN, float(many), runs, seed, treated.YEAR)
    found["plan"], found["as_today"] = plan, as_today(book, runs, seed)
    more = found["as_today"] - found["internal"]  # than calls alone, which follow in the truth of every way
    for name in found.columns.drop(["internal", "as_today", "legal"]):
        kind, _, part = name.partition("_")
        if kind == "settlement":
            goes_on = 1 - book.chance_to_accept(np.full(book.balance.size, int(part) / 100))
        elif kind == "plan":
            goes_on = 1 - book.chance_to_agree(np.maximum(terms, 1) if not part else np.full(terms.size, int(part)))
        else:
            goes_on = np.full(book.balance.size, 0.5)
        found[name] += goes_on * more
    return found.drop(columns="internal").rename(columns={"as_today": "internal"}).assign(rest=0.0)


def routes_within(whole: Judged, proposals: Proposals, runs: int) -> pd.DataFrame:
    """By route and tenth of its foretold value: what it is foretold to be worth on average, its interval, what it truly
    is, and whether that lies within. An agency is judged by what comes while it has the account."""
    book, found = whole.book, []
    waiting = whole.rows[["continuation", "continuation_low", "continuation_high"]].to_numpy(np.float64)
    told = {("internal", ""): waiting}
    told |= {
        name: terms[["value", "value_low", "value_high"]].to_numpy(np.float64)
        for name, terms in proposals.routes.terms.items()
        if name[0] in ("agency", "legal")
    }
    for (route, party), values in told.items():
        if route == "internal":
            true = as_today(book, runs, 1)
        elif route == "legal":
            true = treated._worth(book, AT_LAW, 0.0, runs, 1, treated.YEAR)
        else:
            true = treated._worth(book, AT_AGENCY, float(PARTIES.index(party)), runs, 1, treated.PLACED_MONTHS)
        order = np.argsort(np.argsort(values[:, 0], kind="stable"), kind="stable")
        tenth = order * TENTHS // len(order)
        for part in (-1, *range(TENTHS)):
            own = slice(None) if part < 0 else tenth == part
            middle, low, high = values[own].mean(axis=0) / 100
            real = float(true[own].mean() / 100)
            found.append((party or route, part, middle, low, high, real, low <= real <= high))
    return pd.DataFrame(found, columns=["route", "tenth", "foretold", "low", "high", "true", "within"])


def earned(whole: Judged, proposals: Proposals, runs: int) -> dict[str, float]:
    """True money ÷ that of the best policy within the same bounds that tells debtors apart by what a house can see: the
    tenth of what waiting is foretold to be worth, the third of the balance, and whether a plan can be borne. In each of
    these cells it takes what is truly worth most. Chosen and judged by lives that are not the same.

    knows every debtor: the same, debtor by debtor, which no house can.
    """
    best, rows = proposals.plans.best, whole.rows
    many = best["instalments"].to_numpy(np.int64)
    chosen, true = (worths(whole.book, runs, seed, many).assign(sale=_sold(proposals)) for seed in (2, 3))
    there, refused = many > 0, (rows["offers_refused"] > 0).to_numpy()
    unknown = (proposals.plans.why == UNKNOWN).to_numpy()
    settles = [f"settlement_{round(100 * discount)}" for discount in DISCOUNTS]
    ways = ["internal", "rest", *settles, *PARTIES, "plan", "legal", "sale"]
    open_ = pd.DataFrame(True, index=true.index, columns=ways).assign(plan=there, legal=refused)
    tenth = rows["continuation"].rank(method="first", pct=True).mul(TENTHS).clip(upper=TENTHS - 1e-9).astype(int)
    third = rows["balance"].rank(method="first", pct=True).mul(3).clip(upper=3 - 1e-9).astype(int)
    cell = (tenth * 12 + third * 4 + there * 2 + refused).to_numpy()
    worth = chosen[ways].where(open_, -np.inf)
    by_cell = chosen[ways].where(open_).groupby(cell).transform("mean").where(open_, -np.inf)
    money = true[ways].to_numpy()
    place = np.arange(len(rows))
    told = {
        "the policy, as taught": _true_of(proposals, true),
        "plan for everybody who can bear one": np.where(there, true["plan"], true["internal"]),
        "30 % off for everybody": true["settlement_30"].to_numpy(),
        "agency at 180 days": true[PARTIES[0]].to_numpy(),
        "going on as today": true["internal"].to_numpy(),
        "all sold": true["sale"].to_numpy(),
        "plan in 12 for everybody, bearable or not": true["plan_12"].to_numpy(),
        "the policy, but a plan in 12 where what can be borne is unknown": np.where(
            unknown, true["plan_12"], _true_of(proposals, true)
        ),
        "knows every debtor": money[place, worth.to_numpy().argmax(axis=1)],
    }
    whole_best = money[place, by_cell.to_numpy().argmax(axis=1)].sum()
    return {name: float(each.sum() / whole_best) for name, each in told.items()}


def _sold(proposals: Proposals) -> np.ndarray:
    """What the buyer pays for each: his quote, which is paid at once and is no belief."""
    return proposals.routes.terms["sale", BUYER]["value"].to_numpy(np.float64)


def _true_of(proposals: Proposals, true: pd.DataFrame) -> np.ndarray:
    """What each debtor's proposal and route are truly worth."""
    chosen, offers = proposals.routes.chosen, proposals.offers
    discount = np.rint(100 * proposals.settlements["discount"].to_numpy(np.float64)).astype(int)
    route, party = chosen["route"].to_numpy(object), chosen["party"].to_numpy(object)
    way = np.where(route == "agency", party, route)
    kept = route == "internal"
    way = np.where(kept & (offers["proposal"] == "plan").to_numpy(), "plan", way)
    settles = kept & (offers["proposal"] == "settlement").to_numpy()
    way = np.where(settles, [f"settlement_{each}" for each in discount], way)
    place = true.columns.get_indexer(way)
    return true.to_numpy()[np.arange(len(true)), place]


def proposed(whole: Judged, seed: int) -> Proposals:
    held = whole.taught.experience
    assert held is not None
    recorded = pd.DataFrame(
        {name: np.zeros(len(whole.rows), bool) for name in (*whole.policy.specialist, *whole.policy.never)}
    )
    shares = held.learned(whole.rows.assign(unit=0.01), whole.policy.parties)
    return propose(
        whole.rows, recorded, whole.policy, AS_OF, seed, held.acceptance, held.breaks, shares, held.agreement
    )


def report(seed: int, debtors: int, runs: int, **otherwise: Any) -> Mapping[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        whole = judged(seed, debtors, Path(folder), **otherwise)
        found = proposed(whole, seed)
        return {
            "accounts": len(whole.rows),
            "reached": whole.taught.trial.facts["reached_days"],
            "beliefs": whole.taught.told(),
            "chances": chances(whole, found, seed),
            "routes": routes_within(whole, found, runs),
            "earned": earned(whole, found, runs),
            "vintages": whole.taught.trial.frames["continuation"],
            "treated": found.routes.chosen["route"].value_counts().to_dict()
            | {f"of these {kind}": int((found.offers["proposal"] == kind).sum()) for kind in ("plan", "settlement")},
        }


def tell(seeds: range, debtors: int, runs: int, arriving: float) -> None:
    """Prints each world and what they say together. arriving: share of the debtors who come while the book lives."""
    every = []
    for seed in seeds:
        told = report(seed, debtors, runs, arriving=arriving)
        every.append(told)
        print(
            f"\nWorld {seed}: {told['accounts']:,} debtors worked in the house; history reaches {told['reached']} days"
        )
        print("  treated:", ", ".join(f"{name} {count:,}" for name, count in told["treated"].items()))
        for row in told["beliefs"]:
            why = f"; {row['why']}" if row["why"] else ""
            print(f"  {row['what']}: from {row['source']}, {row['cases']:,} cases{why}")
        for name, figures in told["chances"].items():
            parts = "; ".join(f"{what} {_told(of)}" for what, of in figures.items())
            print(f"  {name}: {parts}")
        for row in told["routes"][told["routes"]["tenth"] < 0].to_dict("records"):
            own = told["routes"]
            tenths = own[(own["route"] == row["route"]) & (own["tenth"] >= 0)]["within"].sum()
            print(
                f"  worth of {row['route']}: foretold {row['foretold']:.2f} ({row['low']:.2f} to {row['high']:.2f}), "
                f"true {row['true']:.2f}; {tenths} of {TENTHS} tenths within"
            )
        for seen, own in told["vintages"].groupby("seen"):
            print(f"  old nights by {seen}: {own['within'].sum()} of {len(own)} vintages within their interval")
        for name, share in told["earned"].items():
            print(f"  {name}: {share:.3f}")
    print("\nTrue money ÷ that of the best policy within the same bounds, mean (least to most)")
    for name in every[0]["earned"]:
        shares = [told["earned"][name] for told in every]
        print(f"  {name}: {np.mean(shares):.3f} ({min(shares):.3f} to {max(shares):.3f})")


def _told(figure: tuple[float, ...]) -> str:
    middle, low, high = figure
    return f"{middle:.3g} ({low:.3g} to {high:.3g})"
