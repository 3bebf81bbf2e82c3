"""Why debts go bad, held against what is known: python -m benchmarks.insight --worlds FIRST LAST [--planted]
[--tell] [--debtors N] on made-up books of sales; python -m benchmarks.insight --real PATH [--work DIR]
[--only NAME ...] on published sets.

Of books without causes every sentence is a false one; of books with planted causes it is counted how often each is
found, how often its true size lies in the interval, and what is said besides. Each book goes the whole way, from a
delivery over the store to the sentences. Of published sets: what was proposed on the earlier accounts, and what the
later ones say.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from types import ModuleType

import pandas as pd
import yaml

from benchmarks.public import cash_advances, credit_cards_taiwan, mobile_loans, receivables
from benchmarks.real import PROJECT_PARAMS, params_of
from features.errors import InputMissing
from models.association import true_ratio
from models.segments import holds
from pipeline.insight.causes import OPENING, Causes, Finding, causes, halves_of
from pipeline.insight.openings import FIRST_PAYMENT, ROLLED, Openings, months, openings, quarters
from pipeline.insight.sentences import Sentences
from pipeline.intake.ingest import ingest
from pipeline.params import Params, load
from pipeline.simulate import caused
from pipeline.store.store import Store

SETS = (mobile_loans, credit_cards_taiwan, receivables, cash_advances)
CAUSES = {  # outcome and columns of what was planted
    (FIRST_PAYMENT, "product"): "a product with first-payment defaults",
    (ROLLED, "principal", "x_deposit", "x_sale_channel"): "a sale channel that rolls",
    (ROLLED, OPENING): "a month of lax credit",
}
TRUE = 1.1  # a true ratio from which a sentence is none of nothing
MUTED = "x_student_offer"  # stands for a protected group
# What can have happened to an account of each set: its own terms are shorter, or its bills are no instalments.
WINDOWS = {"mobile_loans": (60, 7), "credit_cards_taiwan": (90, 30), "receivables": (60, 7), "cash_advances": (90, 30)}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, nargs=2, metavar=("FIRST", "LAST"), help="seeds from FIRST up to LAST")
    parser.add_argument("--planted", action="store_true")
    parser.add_argument("--tell", action="store_true", help="each sentence beside its true size")
    parser.add_argument("--debtors", type=int, default=3000)
    parser.add_argument("--real", type=Path, help="folder that holds the published sets, one folder each")
    parser.add_argument("--work", type=Path, default=Path("work/insight"))
    parser.add_argument("--only", nargs="*", default=[adapter.NAME for adapter in SETS])
    chosen = parser.parse_args(arguments)
    logging.getLogger("recoup").setLevel(logging.WARNING)
    if chosen.worlds:
        print(of_worlds(range(*chosen.worlds), chosen.debtors, chosen.planted, chosen.tell))
    if chosen.real:
        for adapter in SETS:
            if adapter.NAME in chosen.only:
                print(of_set(adapter, chosen.real, chosen.work), flush=True)


def of_worlds(seeds: range, debtors: int, planted: bool, each_said: bool = False) -> str:
    """Counts over made-up books, in words; each_said: before them each sentence, with what is true."""
    count: Counter[str] = Counter()
    sentences = []
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            found, of, chances, params = _world(Path(folder), seed, debtors, caused.PLANTED if planted else caused.NONE)
        held, say = found.held(), Sentences(of, params, "en")
        strangers = 0
        for each in held:
            true = _true(each, of, chances, params.seed)
            is_planted = true > TRUE
            name = CAUSES.get((each.outcome, *sorted({condition.column for condition in each.segment})))
            name = name if is_planted else None
            count["sentences"] += 1
            sentences.append(
                f"{seed}  {each.outcome}, {say.segment(each.segment)}: {each.ratio.value:.1f} "
                f"[{each.ratio.low:.1f}, {each.ratio.high:.1f}]; true {true:.2f}{'' if is_planted else ', of nothing'}"
            )
            count["inside"] += bool(each.ratio.low <= true <= each.ratio.high)
            count[f"found {name}"] += name is not None
            strangers += not is_planted
        count["worlds"] += 1
        count["false"] += strangers
        count["worlds with a false sentence"] += bool(strangers)
        count["muted"] += any(condition.column == MUTED for each in held for condition in each.segment)
    told = [f"{count['worlds']} books of {debtors:,} debtors, {'planted' if planted else 'without causes'}:"]
    told.append(f"  sentences {count['sentences']}, true size inside the interval {count['inside']}")
    told.append(f"  false sentences {count['false']}, books with one {count['worlds with a false sentence']}")
    told.append(f"  sentences on what stands for a protected group {count['muted']}")
    if planted:
        told += [f"  found: {name}: {count[f'found {name}']}" for name in CAUSES.values()]
    return "\n".join([*(sentences if each_said else ()), *told])


def _world(folder: Path, seed: int, debtors: int, kind: caused.Causes) -> tuple[Causes, Openings, pd.DataFrame, Params]:
    sales = caused.live(debtors, seed, causes=kind)
    caused.deliver(sales, folder / "source", kind)
    params = sold_params(folder)
    ingest(folder / "source", folder / "store", params)
    of = openings(Store(folder / "store"), params, params.insight.within_days, params.insight.bad_dpd)
    sales["account_id"] = [f"S{at:06d}" for at in range(len(sales))]
    chances = of.accounts[["account_id"]].merge(sales[["account_id", "p_rolled", "p_first"]], on="account_id")
    return causes(of, params), of, chances, params


def sold_params(folder: Path) -> Params:
    """The project's params for the two made-up books, in one shard."""
    told = yaml.safe_load(PROJECT_PARAMS.read_text(encoding="utf-8"))
    delivers = ["accounts", "charges", "payments"]
    zones = {name: zone for name, (_, zone) in caused.PLACE.items()}
    told["portfolios"] = {name: {"time_zone": zone, "delivers": delivers} for name, zone in zones.items()}
    told["store"]["shards"] = 1
    (folder / "params.yaml").write_text(yaml.safe_dump(told), encoding="utf-8")
    return load(folder / "params.yaml")


def _true(each: Finding, of: Openings, chances: pd.DataFrame, seed: int) -> float:
    """The ratio that the true chances of the judged accounts make."""
    accounts = of.accounts
    opened = accounts["opened"].to_numpy()
    known = accounts[each.outcome].notna().to_numpy()
    chance = chances["p_rolled" if each.outcome == ROLLED else "p_first"].to_numpy()
    if each.family == "months":
        member, strata = months(opened) == each.segment[0].value, accounts["portfolio"] + accounts["product"]
    else:
        member, strata = holds(each.segment, accounts), accounts["portfolio"] + quarters(opened)
        known = halves_of(accounts, each.outcome, seed)[1]
    return true_ratio(member[known], chance[known], strata.to_numpy()[known])


def of_set(adapter: ModuleType, path: Path, work: Path) -> str:
    """What is said of a published set, from its raw files on; no row of it is told."""
    folder = work / adapter.NAME
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    adapter.convert(path / adapter.NAME, folder / "source")
    params = params_of(adapter, folder)
    ingest(folder / "source", folder / "store", params, backfill=True)
    within, late = WINDOWS[adapter.NAME]
    try:
        of = openings(Store(folder / "store"), params, within, late)
    except InputMissing as refusal:
        return f"\n{adapter.NAME}: {refusal}"
    found, say = causes(of, params), Sentences(of, params, "en")
    told = [f"\n{adapter.NAME}: {len(of.accounts):,} accounts, {late} days past due within {within} days"]
    told += [f"  HELD  {say.finding(each)}" for each in found.held()]
    for each in found.findings:
        if each.family == "facts" and each.state != "held":
            first = each.earlier.value if each.earlier else float("nan")
            told.append(
                f"  {each.state}: {say.segment(each.segment)}, {each.outcome}: earlier {first:.1f}, later "
                f"{each.ratio.value:.1f} [{each.ratio.low:.1f}, {each.ratio.high:.1f}]"
            )
    told += [
        f"  model, {name}: AUC {one.auc[0]:.3f} [{one.auc[1]:.3f}, {one.auc[2]:.3f}]"
        for name, one in found.judgements.items()
    ]
    return "\n".join([*told, *(f"  {line}" for line in say.limits(found))])


if __name__ == "__main__":
    main()
