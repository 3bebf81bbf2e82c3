"""The product on published sets, from the raw files to the published list:
python -m benchmarks.real PATH [--work DIR] [--only NAME ...].

Every set is converted, ingested and worked for one night. Where outcomes are known it is judged on later ones; a table
comes last.
"""

from __future__ import annotations

import argparse
import datetime as dt
import getpass
import json
import logging
import math
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

import yaml

from benchmarks import outcomes
from benchmarks.contact_caps import held_against_rules
from benchmarks.outcomes import BANDS, NEWEST, NEWEST_BY_BALANCE, Answer
from benchmarks.public import cash_advances, credit_cards_taiwan, email_experiment, mobile_loans, utility_contacts
from features.errors import InputMissing
from models.evaluate import MODEL
from pipeline.intake.ingest import ingest
from pipeline.night.night import publish_night
from pipeline.panel.panel import panel
from pipeline.params import Params, load
from pipeline.store.store import Store
from pipeline.training import registry
from pipeline.training.train import train

PROJECT_PARAMS = Path(__file__).parents[1] / "params.yaml"
SETS = (cash_advances, mobile_loans, credit_cards_taiwan, utility_contacts)
SHARES = {
    MODEL: "model",
    "balance first": "balance",
    "oldest first": "oldest",
    NEWEST: "newest",
    NEWEST_BY_BALANCE: "newest x bal.",
    BANDS: "band x bal.",
}
BANDS_OF_TRAIN = "age-band rate x balance"  # the same order, as the trained report names it


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path, help="folder that holds the published sets, one folder each")
    parser.add_argument("--work", type=Path, default=Path("work/real"))
    named = [adapter.NAME for adapter in (*SETS, email_experiment)]
    parser.add_argument("--only", nargs="*", default=named)
    chosen = parser.parse_args(arguments)
    logging.getLogger("recoup").setLevel(logging.WARNING)
    at_hand = [name for name in named if name in chosen.only and (chosen.path / name).is_dir()]
    if not at_hand:
        raise InputMissing(f"None of {', '.join(named)} lies in {str(chosen.path)!r}. Give the folder that holds them.")
    wanted = [adapter for adapter in SETS if adapter.NAME in at_hand]
    answers = [
        answer
        for adapter in wanted
        for answer in worked(adapter, chosen.path / adapter.NAME, chosen.work / adapter.NAME)
    ]
    if answers:
        print(table_of(answers))
    if email_experiment.NAME in at_hand:
        found = email_experiment.read(chosen.path / email_experiment.NAME)
        table = email_experiment.qinis(found, load(PROJECT_PARAMS).model.model_dump())
        print(f"\n== {email_experiment.NAME}\n{email_experiment.text_of(table)}")
    chosen.work.mkdir(parents=True, exist_ok=True)
    (chosen.work / "figures.json").write_text(
        json.dumps([asdict(answer) for answer in answers], indent=1, default=float) + "\n"
    )


def params_of(adapter: ModuleType, work: Path) -> Params:
    """The project's params with the set's overlay, written beside its store.
    Nobody signed off the law of these places.
    """
    whole = yaml.safe_load(PROJECT_PARAMS.read_text(encoding="utf-8"))
    for section, own in adapter.PARAMS.items():
        whole[section] = own if section == "portfolios" else {**whole[section], **own}
    whole["eligibility"]["signed_off"] = []
    whole["paths"] = {"source": str(work / "source"), "store": str(work / "store"), "out": str(work / "out")}
    whole["paths"]["tracking_uri"] = f"sqlite:///{work / 'mlflow.db'}"
    place = work / "params.yaml"
    place.write_text(yaml.safe_dump(whole, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return load(place)


def worked(adapter: ModuleType, raw: Path, work: Path) -> Iterator[Answer]:
    """Convert, ingest, judge and publish one night of a set; prints what it does."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    params, started = params_of(adapter, work), time.perf_counter()
    print(f"\n== {adapter.NAME}")
    print("\n".join(adapter.convert(raw, params.paths.source).lines()))
    print(ingest(params.paths.source, params.paths.store, params).text())
    store = Store(params.paths.store)
    if adapter is cash_advances:
        yield from advances(store, params)
    elif adapter is mobile_loans:
        yield outcomes.later_loans(store, params, raw)
    elif adapter is credit_cards_taiwan:
        yield outcomes.next_month(store, params, raw)
    elif adapter is utility_contacts:
        print(held_against_rules(store, params, raw))
    night = dt.date.fromisoformat(adapter.COMPLETE_THROUGH) + dt.timedelta(days=1)
    print(publish_night(params.paths.store, night, params.paths.out, params).text())
    print(f"{adapter.NAME}: {time.perf_counter() - started:.0f} s")


def advances(store: Store, params: Params) -> Iterator[Answer]:
    """The weekly panel of all scorable accounts trains and is promoted if it passes; placed cases are asked apart."""
    from features.catalogue import CATALOGUE

    whole = panel(store, params)
    run = train(whole, params, CATALOGUE, store.path)
    print(run.text())
    yield outcomes.trained_panel("cash_advances, all scorable accounts, Mondays", whole, run.evaluation)
    decision = {
        "who": getpass.getuser(),
        "why": "published set",
        "when": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }
    try:
        print(registry.promote(store.path, run.run_id, params, **decision))
    except registry.ModelRefused as refused:
        print(f"Not promoted: {refused} The age-band table scores the night.")
    yield from outcomes.placed_cases(store, params, cash_advances.FIRST_TEST, cash_advances.LAST_TEST)


def table_of(answers: list[Answer]) -> str:
    """One row per question; shares of the money are at 20 % of each night's accounts, intervals by debtor."""
    header = ["question", "rows", "debtors", "label", "rate", "known", "AUC [95 %]", "real/pred", *SHARES.values()]
    rows = [header]
    for answer in answers:
        shares = {**answer.shares, BANDS: answer.shares.get(BANDS, answer.shares.get(BANDS_OF_TRAIN, math.nan))}
        auc = "{:.3f} [{:.3f}, {:.3f}]".format(*answer.auc)
        plain = [
            answer.task,
            f"{answer.rows:,}",
            f"{answer.debtors:,}",
            answer.label,
            f"{answer.rate:.1%}",
            f"{answer.coverage:.0%}",
            auc,
        ]
        rows.append(
            [
                *plain,
                _share(answer.money_ratio, "{:.2f}"),
                *(_share(shares.get(name, math.nan), "{:.1%}") for name in SHARES),
            ]
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    lines = ["", "Money in the top 20 % of each night: the last columns. '-' where a set has no money to reach."]
    lines += [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    for answer in answers:
        rivals = ", ".join(f"{name} {value:.3f}" for name, value in answer.rival_auc.items() if not math.isnan(value))
        lines += (
            [f"\n{answer.task}"]
            + ([f"  AUC of other orders: {rivals}"] if rivals else [])
            + [f"  {sentence}" for sentence in answer.said]
        )
        if answer.importance:
            lines.append(
                "  carried by "
                + ", ".join(f"{name} {share:.0%}" for name, share in list(answer.importance.items())[:6])
            )
    return "\n".join(lines)


def _share(value: float, form: str) -> str:
    return "-" if math.isnan(value) else form.format(value)


if __name__ == "__main__":
    main()
