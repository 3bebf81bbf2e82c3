"""Does the monitor cry wolf, and does it see what changed? python -m benchmarks.drift [--worlds N] [--planted N]
[--debtors N] [--first SEED] [--only CHANGE].

Each world is taught on what had matured by TAUGHT, and judged on every night of the month after it by all that the
monitor says without a label of that month: drift, new books, the order foretold, payments within a week. Nothing
changes in an equal world: every warning there is a false one. In the others something changes on TAUGHT, and what
counts is the first night that tells, long before a label of those days matures. Prints both. What former nights
foretold is asked of the same model, though it was taught on some of them.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from features.days import date_of, day_number
from features.labels import labels
from features.ledger import history
from models.drift import SCORE, bin_counts
from models.lesson import Lesson
from models.recovery import RecoveryModel
from pipeline.intake.ingest import ingest
from pipeline.night.alarm import STOP, WARN
from pipeline.night.pins import READ_WHOLE
from pipeline.night.score import asked
from pipeline.outcomes.findings import findings_on
from pipeline.outcomes.looked_back import LookedBack
from pipeline.outcomes.model_findings import EARLY_DAYS, EARLY_KNOWN_DAYS
from pipeline.outcomes.monitor import a_week_apart, moved
from pipeline.panel.panel import panel, payments_through
from pipeline.panel.view import View, terms_of, view
from pipeline.params import Params, load
from pipeline.simulate.portfolio import LAST_DAY, simulate
from pipeline.store.store import Store
from pipeline.training.fit import teaching_of

PROJECT_PARAMS = Path(__file__).parents[1] / "params.yaml"
WORLDS, PLANTED, DEBTORS, FIRST, MONTHS = 100, 20, 500, 16_500, 18
TAUGHT = dt.date(2026, 9, 1)  # the delivery reaches to the end of that month
NIGHTS = [TAUGHT + dt.timedelta(days) for days in range(1, 31)]
TREES = 60
NEW_BOOK = "bought_us"

# Former nights a week apart, through which early payments are told: a week and a half of each month judged, and before.
FORMER = [day_number(TAUGHT) + 20 - 7 * back for back in range(20)]

Frames = dict[str, pd.DataFrame]
Told = tuple[int, str, str, str]


def without_book(frames: Frames) -> Frames:
    """What was delivered before the book was bought."""
    kept = frames["accounts"]["account_id"][frames["accounts"]["portfolio"] != NEW_BOOK]
    return {name: frame[frame["account_id"].isin(kept)] for name, frame in frames.items()}


def _since(frame: pd.DataFrame, column: str) -> np.ndarray:
    return (frame[column].astype(str).str[:10] >= TAUGHT.isoformat()).to_numpy()


def feed_stops(frames: Frames) -> Frames:
    """No payment since TAUGHT comes in, and the sender says that none is missing."""
    return frames | {"payments": frames["payments"][~_since(frames["payments"], "occurred_at")]}


def payers_stop(frames: Frames) -> Frames:
    """Six of ten who would pay do not."""
    paid = frames["payments"]
    draw = np.random.default_rng(1).random(paid["account_id"].nunique()) < 0.6
    stops = set(np.sort(paid["account_id"].unique())[draw])
    return frames | {"payments": paid[~(_since(paid, "occurred_at") & paid["account_id"].isin(stops))]}


def collectors_stop(frames: Frames) -> Frames:
    """Nobody works the list any more."""
    return frames | {"contacts": frames["contacts"][~_since(frames["contacts"], "occurred_at")]}


PLANTS: dict[str, Callable[[Frames], Frames]] = {
    "a payment feed that breaks": feed_stops,
    "six of ten payers stop": payers_stop,
    "collectors stop": collectors_stop,
}
BOUGHT = "a new book"


def _params(folder: Path) -> Params:
    import yaml

    told = yaml.safe_load(PROJECT_PARAMS.read_text(encoding="utf-8"))
    told["paths"] = {name: str(folder / name) for name in ("source", "store", "out")}
    told["paths"]["tracking_uri"] = f"sqlite:///{folder / 'mlflow.db'}"
    told["store"]["shards"], told["model"]["n_estimators"] = 1, TREES
    told |= {"watch": None, "reminders": None, "receivables": None}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "params.yaml").write_text(yaml.safe_dump(told, sort_keys=False), encoding="utf-8")
    return load(folder / "params.yaml")


def _delivered(frames: Frames, folder: Path) -> Params:
    params = _params(folder)
    source = folder / "source"
    source.mkdir()
    through = json.dumps({"complete_through": LAST_DAY.isoformat()})
    for name, frame in frames.items():
        frame.to_parquet(source / f"{name}.parquet", index=False)
        if name != "accounts":
            (source / f"{name}.control.json").write_text(through)
    ingest(source, params.paths.store, params, accept_volume="a made-up world", backfill=False)
    return params


def taught(params: Params) -> RecoveryModel:
    """On what had matured by TAUGHT."""
    from features.catalogue import CATALOGUE

    whole = panel(Store(params.paths.store), params, before=day_number(TAUGHT))
    teaching = teaching_of(whole, params, CATALOGUE)
    return RecoveryModel.taught(Lesson.of(whole.matrix, whole.labels, whole.cohort, teaching), teaching)


def alarms(model: RecoveryModel, params: Params) -> list[Told]:
    """Of every warning and stop that needs no label of the month: days since TAUGHT, verdict, finding, what is said."""
    store = Store(params.paths.store)
    versions = {name: version for name, version in store.versions().items() if name in READ_WHOLE}
    asked_on = sorted({*FORMER, *map(day_number, NIGHTS)})
    seen = view(store, 0, asked_on, params, versions)
    matrix, cohort = asked(model, seen.matrix), seen.cohort.frame.reset_index(drop=True)
    numbers, score = model.encoder.encode(matrix, cohort), model.predict(matrix, cohort)["p_recovered"].to_numpy()
    rows = cohort[["account_id", "debtor_id", "as_of"]].assign(p_recovered=score, expected=score)
    rows = rows.assign(early=paid_early(seen, store, params, versions))
    nights, found = rows["as_of"].to_numpy(), []
    nothing = pd.DataFrame(columns=["recovered", "group", "as_of", "arm", "assigned_on", "until_on", "debtor_id"])
    for night in map(day_number, NIGHTS):
        at = np.flatnonzero(nights == night)
        columns = {**dict(zip(model.encoder.names, numbers[at].T, strict=True)), SCORE: score[at]}
        counts = {name: bin_counts(column, model.reference.edges[name]) for name, column in columns.items()}
        psi = moved(model.reference, counts, len(at), night)
        mature = [former for former in FORMER if former + params.label.gap_days < night]
        weekly = a_week_apart(FORMER, mature, {"": night - 1})
        looked = LookedBack(
            nothing,
            nothing,
            psi,
            len(at),
            tonight=rows.iloc[at],
            early=rows[rows["as_of"].isin(weekly)].assign(matured=lambda kept, old=mature: kept["as_of"].isin(old)),
            taught_auc=model.facts.get("out_of_fold_auc"),
            unseen=model.encoder.unseen(matrix.iloc[at]),
        )
        for each in findings_on(looked, date_of(night), params).findings:
            if each.verdict in (WARN, STOP):
                found.append((night - day_number(TAUGHT), each.verdict, each.name, each.says))
    return found


def paid_early(seen: View, store: Store, params: Params, versions: Mapping[str, int]) -> np.ndarray:
    """1 where an account paid within EARLY_DAYS of its night, which is known EARLY_KNOWN_DAYS later, else 0; NaN where
    the delivery ends before.
    """
    terms = terms_of(store, params, versions)
    soon = replace(params.label_terms(), horizon_days=EARLY_DAYS, maturity_days=EARLY_KNOWN_DAYS)
    complete = payments_through(store, before=day_number(LAST_DAY) + 1)
    ledger = history(seen.tables, terms)
    told = labels(seen.cohort.frame, seen.tables, ledger, soon, complete, terms.decimals, terms.delivers)
    return told["recovered"].to_numpy(np.float64)


def frames_of(seed: int, debtors: int, folder: Path) -> Frames:
    simulate(debtors, seed, folder, MONTHS, file_format="parquet")
    return {place.stem: pd.read_parquet(place) for place in sorted(folder.glob("*.parquet"))}


def judged(seed: int, debtors: int, planted: Sequence[str], top: Path) -> dict[str, list[Told]]:
    """What is said in an equal world, and of each planted change where asked."""
    folder = top / str(seed)
    frames = frames_of(seed, debtors, folder / "made-up")
    params = _delivered(frames, folder / "equal")
    model = taught(params)
    found = {"equal": alarms(model, params)}
    for name in planted:
        if name in PLANTS:
            found[name] = alarms(model, _delivered(PLANTS[name](frames), folder / name.replace(" ", "-")))
    if BOUGHT in planted:
        before = taught(_delivered(without_book(frames), folder / "before"))
        found[BOUGHT] = alarms(before, params)
    shutil.rmtree(folder)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("worlds", WORLDS), ("planted", PLANTED), ("debtors", DEBTORS), ("first", FIRST)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--only", choices=[*PLANTS, BOUGHT], nargs="*", default=[*PLANTS, BOUGHT])
    given = parser.parse_args(arguments)
    said: dict[str, list[list[Told]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(given.worlds):
            seed = given.first + number
            for name, found in judged(
                seed, given.debtors, given.only if number < given.planted else (), Path(folder)
            ).items():
                said.setdefault(name, []).append(found)
                if name == "equal":
                    for days, verdict, finding, says in found:
                        print(f"world {seed}, day {days}: {verdict}: {finding}: {says}", flush=True)
    print(f"\n{given.debtors} debtors a world, seeds from {given.first}, {len(NIGHTS)} nights in a month\n")
    print(f"{'':<28} {'worlds':>6} {'told':>6} {'stop':>6} {'first told, days (median)':>26}  by (worlds)")
    for name, worlds in said.items():
        told = [found for found in worlds if found]
        stops = sum(any(verdict == STOP for _, verdict, *_ in found) for found in worlds)
        by = Counter(finding for found in worlds for finding in {finding for *_, finding, _ in found})
        first = f"{np.median([min(days for days, *_ in found) for found in told]):.0f}" if told else "-"
        findings = ", ".join(f"{finding} {count}" for finding, count in by.most_common())
        print(f"{name:<28} {len(worlds):>6} {len(told):>6} {stops:>6} {first:>26}  {findings}")


if __name__ == "__main__":
    main()
