"""Does the order by what working adds move debtors? On made-up worlds whose true effect is known, the whole path:
python -m benchmarks.effect [--work DIR] [--debtors N] [--seeds N ...] [--only PART ...] [--runs N].

A world is simulated, taken in, taught as `recoup train` teaches the model that it judges, and judged on the test
nights among the accounts that the law lets be worked, in the simulator's true added money. What was simulated and
scored stays in DIR, so a second run only counts. Prints plain tables; every figure is also a line of
DIR/figures.jsonl. The seeds named by default chose nothing.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict

from features.catalogue import CATALOGUE
from features.days import day_texts
from features.errors import InputMissing
from models.boosting import raw_scores
from models.calibration import choose_map, expit
from models.effect import PLAIN_GUARD, UNPROVEN_GUARD, Guard, added_scores, bands, fit_effect
from models.effect_evidence import AddedMoney, effect_by_fifth
from models.ladder import DISPROVEN, NO_LOG, PROVEN, UNPROVEN, Rung, next_rung, tells_apart
from models.lesson import Lesson, Teaching
from models.recovery import RecoveryModel, load_model, recovery_objective
from pipeline.intake.ingest import ingest
from pipeline.law.eligibility import permitted
from pipeline.law.overlay import law_of
from pipeline.law.question import NEEDED, Case
from pipeline.night.details import opened_rows
from pipeline.night.ranking import rank_night
from pipeline.night.score import Job, job_for
from pipeline.night.shards import work_shards
from pipeline.panel.panel import Panel, panel
from pipeline.params import Params, load
from pipeline.simulate.books import RESPONSE_TYPES, calendar
from pipeline.simulate.log import CONTACTS, PAYMENTS, Outcome, PaymentKind
from pipeline.simulate.portfolio import LAST_DAY, USUAL, Nature, lived, simulate
from pipeline.store.champion import keep
from pipeline.store.store import Store
from pipeline.training.fit import teaching_of
from pipeline.training.landmarks import TABLES, landmarks_of
from pipeline.training.trial import TrialWindows, windows_of

PROJECT_PARAMS = Path(__file__).parents[1] / "params.yaml"
SEEDS, DEBTORS = (8201, 8202, 8203), 12_000
NATURES = {
    "natural": USUAL,
    "hidden": replace(USUAL, hidden=6.0),
    "none": replace(USUAL, effect="none"),
    "uniform": replace(USUAL, effect="uniform"),
    "meant": replace(USUAL, meant=True),
}
CAPACITIES = (0.10, 0.25)  # of each night and queue
DRAWS = 500
ADDED, TOTAL, BALANCE, DOUBT, CEILING = "added value", "total value", "balance first", "amount x p(1 - p)", "ceiling"
CEILING_TREES = 250
LEAST = 0.001  # that a true chance is taken to be at least
ANYWAY, MOVED = "pays_anyway", "pays_if_contacted"  # response types that promises may tell apart
GRACE, MOST_LATE = 7, 20  # days after the promised one until which a payment keeps a promise, and is looked for
SIDES = ("p_recovered_if_contacted", "p_recovered_if_left", "expected_amount_if_contacted", "expected_amount_if_left")
ARM_SHARE = 0.05  # of workable debtors a night in each arm, as params.yaml has it
RUNS, NIGHTS = 100, 12  # of the ladder in a world without effect; a shop's year of monthly draws
TEACHING_TURNS, NIGHT_TURNS = 2, 5  # of what is compared in CPU seconds, in turn
SPAN = 44  # days from a draw until its outcome is known
COVERED = 40  # times that the draws of a world are drawn for the coverage of the intervals by fifths


@dataclass(frozen=True)
class World:
    """A made-up portfolio of one seed and nature, in a folder of its own."""

    seed: int
    nature: str
    debtors: int
    place: Path
    runs: int | None = None  # of `ladder_runs`

    @property
    def source(self) -> Path:
        return self.place / "source"

    def params(self) -> Params:
        """The project's params with this world's paths, written beside its store."""
        whole = yaml.safe_load(PROJECT_PARAMS.read_text(encoding="utf-8"))
        paths = {"source": self.source, "store": self.place / "store", "out": self.place / "out"}
        whole["paths"] = {name: str(path) for name, path in paths.items()}
        whole["paths"]["tracking_uri"] = f"sqlite:///{self.place / 'mlflow.db'}"
        self.place.mkdir(parents=True, exist_ok=True)
        place = self.place / "params.yaml"
        place.write_text(yaml.safe_dump(whole, sort_keys=False, allow_unicode=True), encoding="utf-8")
        return load(place)

    def rows(self) -> pd.DataFrame:
        """The judged rows, see `judged_rows`; made once. The few that the simulator knows no truth of are left out."""
        kept = self.place / "rows.parquet"
        if not kept.exists():
            params = self.params()
            if not self.source.exists():
                draft = self.place / "source.part"
                shutil.rmtree(draft, ignore_errors=True)
                nature: Nature = NATURES[self.nature]
                simulate(self.debtors, self.seed, draft, file_format="parquet", nature=nature)
                draft.rename(self.source)
            if not params.paths.store.exists():
                ingest(params.paths.source, params.paths.store, params)
            rows, facts = judged_rows(Store(params.paths.store), params, self.source / "truth")
            (self.place / "facts.json").write_text(json.dumps(facts, indent=1, default=float) + "\n")
            rows.to_parquet(kept)
        return pd.read_parquet(kept).dropna(subset=list(SIDES)).reset_index(drop=True)

    def facts(self) -> dict[str, Any]:
        return json.loads((self.place / "facts.json").read_text())

    def night(self) -> dict[str, float]:
        """See `night_cpu`; counted anew each time."""
        params, facts = self.params(), self.facts()
        model = load_model(Path(facts["model"]), facts["model_sha256"])
        return night_cpu(Store(params.paths.store), params, model)

    def teaching(self) -> dict[str, float]:
        """See `teaching_cpu`; counted anew each time."""
        params = self.params()
        return teaching_cpu(Store(params.paths.store), params)


def judged_rows(store: Store, params: Params, truth: Path) -> tuple[pd.DataFrame, dict[str, float]]:
    """(one row per account and test night that the law lets be worked; facts: rows, dates, the head's own).

    debtor_id, as_of, queue, owed, placed_on, p_recovered, amount (expected if recovered), theta, ceiling (effect on the
    chance as taught on the true one), recovered, SIDES (true). Money is ours, in units of the reporting currency.
    """
    whole, windows, lesson, teaching = _lesson(store, params)
    model = RecoveryModel.taught(lesson, teaching)
    head = fit_effect(lesson, whole.landmarks, teaching)
    if head is None:
        raise InputMissing("Too few debtors paid on either side to teach the effect. Simulate more with --debtors.")
    known = _true_sides(whole.cohort, truth)
    test = np.flatnonzero(windows.recovery.test)
    cohort = whole.cohort.iloc[test].reset_index(drop=True)
    lawful = _lawful(store, cohort, whole, params)
    test, cohort = test[lawful], cohort[lawful].reset_index(drop=True)
    matrix = whole.matrix.iloc[test].reset_index(drop=True)
    scores, theta = replace(model, effect=head).predict_with_theta(matrix, cohort)
    queue = cohort["portfolio"].astype("str")
    share = queue.map(lambda name: params.portfolio(name).share).to_numpy()
    unit = teaching.money.per_minor(cohort["currency"]) * share
    rows = pd.DataFrame(
        {
            "account_id": cohort["account_id"].astype("str"),
            "debtor_id": cohort["debtor_id"].astype("str"),
            "as_of": cohort["as_of"],
            "queue": queue,
            "owed": cohort["balance"].to_numpy() * unit,
            "placed_on": cohort["placed_on"].to_numpy(),
            "p_recovered": scores["p_recovered"],
            "amount": scores["amount_if_recovered"] * unit,
            "theta": theta,
            "ceiling": _ceiling(lesson, whole, known, model.encoder.encode(matrix, cohort)),
            "recovered": whole.labels["recovered"].to_numpy()[test],
        }
    )
    told = known.iloc[test].reset_index(drop=True)
    money = [name for name in SIDES if name.startswith("expected")]
    told[money] = told[money].to_numpy() * unit[:, None]
    facts = {"rows": len(rows), "debtors": rows["debtor_id"].nunique(), **windows.recovery.dates()}
    kept = keep(store.path, replace(model, effect=head))
    facts |= {"model": str(kept.folder), "model_sha256": kept.sha256}
    return pd.concat([rows, told], axis=1), {**facts, **{f"head_{name}": value for name, value in head.facts.items()}}


def _lesson(store: Store, params: Params) -> tuple[Panel, TrialWindows, Lesson, Teaching]:
    """What `recoup train` teaches the model that it judges on."""
    whole = panel(store, params)
    whole = replace(whole, landmarks=landmarks_of(store, whole, params))
    windows, teaching = windows_of(whole, params), teaching_of(whole, params, CATALOGUE)
    return whole, windows, Lesson.of(whole.matrix, windows.fit_labels(whole.labels), whole.cohort, teaching), teaching


def teaching_cpu(store: Store, params: Params) -> dict[str, float]:
    """CPU seconds of teaching P(recovered) and the effect on the same lesson, in turn: the least of TURNS."""
    whole, _, lesson, teaching = _lesson(store, params)
    works = {
        "effect_s": lambda: fit_effect(lesson, whole.landmarks, teaching),
        "recovered_s": lambda: _recovery_alone(lesson, teaching),
    }
    return _least(works, TEACHING_TURNS)


def night_cpu(store: Store, params: Params, model: RecoveryModel) -> dict[str, float]:
    """CPU seconds of the night after the last day, scored, judged, ranked and its list explained: with the head
    (night_s) and without it (bare_night_s)."""
    night = LAST_DAY + dt.timedelta(1)
    job = job_for(store, night, params)
    rung = Rung(UNPROVEN, job.as_of, "", UNPROVEN_GUARD)
    taught = replace(job, model=keep(store.path, model), rung=rung)
    bare = replace(
        job, model=keep(store.path, replace(model, effect=None)), rung=Rung(NO_LOG, job.as_of, "", PLAIN_GUARD)
    )

    def work(one: Job) -> None:
        with tempfile.TemporaryDirectory() as folder:
            ranked = rank_night(store, one, work_shards(one, Path(folder)))
        opened_rows(one, ranked.listed, params.worklist.language)

    work(bare)  # loops compiled, files read
    return _least({"night_s": lambda: work(taught), "bare_night_s": lambda: work(bare)}, NIGHT_TURNS)


def _least(works: Mapping[str, Callable[[], object]], turns: int) -> dict[str, float]:
    """CPU seconds of each, processes that were waited for among them: the least of some turns, one after another, for
    what else runs beside it only adds."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(turns):
        for name, work in works.items():
            started = sum(os.times()[:4])
            work()
            seconds[name].append(sum(os.times()[:4]) - started)
    return {name: min(each) for name, each in seconds.items()}


def _recovery_alone(lesson: Lesson, teaching: Teaching) -> None:
    """P(recovered) as it is taught: trees counted on later nights, grown out of fold and whole, calibrated."""
    window, known = lesson.window, lesson.known
    objective = recovery_objective(teaching, lesson.encoder.names)
    target = np.where(known, lesson.recovered, 0.0)
    early, later = window.early_and_later(known, known & (target == 1), teaching.gap_days)
    trees, _ = window.count_trees(objective, target, early, later)
    _, raw = window.grow_and_score(objective, target, known, trees)
    choose_map(raw[known], target[known], window.weight[known], window.folds[known])


def _true_sides(cohort: pd.DataFrame, truth: Path) -> pd.DataFrame:
    keys = ["account_id", "as_of"]
    files = sorted(truth.glob("expectations*.parquet"))
    known = pd.concat([pd.read_parquet(file, columns=[*keys, *SIDES]) for file in files])
    known = known.assign(as_of=pd.to_datetime(known["as_of"]).dt.strftime("%Y-%m-%d"))
    asked = pd.DataFrame({"account_id": cohort["account_id"].astype("str"), "as_of": day_texts(cohort["as_of"])})
    return asked.merge(known, on=keys, how="left", validate="one_to_one")[list(SIDES)]


def _lawful(store: Store, cohort: pd.DataFrame, whole: Panel, params: Params) -> np.ndarray:
    """Whether the law lets each account be worked on its night."""
    found, rules = np.zeros(len(cohort), bool), law_of(params)
    complete = store.complete_through(whole.versions)
    for shard in range(store.shards):
        tables = store.tables(shard, TABLES, versions=whole.versions)
        own = cohort[cohort["account_no"].isin(tables["accounts"]["account_no"])]
        for night, places in own.groupby("as_of").groups.items():
            case = Case(own.loc[places, list(NEEDED)].reset_index(drop=True), tables, rules, params, complete)
            found[places] = permitted(case, night)
    return found


def _ceiling(lesson: Lesson, whole: Panel, known: pd.DataFrame, numbers: np.ndarray) -> np.ndarray:
    """What the same features can tell of the effect: trees of the product's size taught on the true one, on the nights
    that teach the head."""
    keys = ["account_no", "as_of"]
    true = whole.cohort[keys].assign(effect=known[SIDES[0]] - known[SIDES[1]], teaches=whole.landmarks["missing"] == "")
    held = lesson.window.cohort[keys].merge(true, on=keys, how="left", validate="one_to_one")
    rows = lesson.known & held["teaches"].to_numpy() & held["effect"].notna().to_numpy()
    target = held["effect"].fillna(0.0).to_numpy()
    return raw_scores(lesson.window.grow({"objective": "regression"}, target, rows, CEILING_TREES), numbers)


def orders_of(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """Order -> value to rank by, descending."""
    chance, amount = (rows[name].to_numpy(dtype=np.float64) for name in ("p_recovered", "amount"))
    added = added_scores(chance, amount, rows["theta"].to_numpy(), UNPROVEN_GUARD)["added_recovery"].to_numpy()
    placed = rows["placed_on"].to_numpy(dtype=np.float64)
    return {
        ADDED: added,
        BALANCE: rows["owed"].to_numpy(),
        TOTAL: chance * amount,
        DOUBT: amount * chance * (1 - chance),
        "P x balance": chance * rows["owed"].to_numpy(),
        "newest first": placed,  # NO_DAY lies before every day
        "random": np.random.default_rng(0).random(len(rows)),
        CEILING: rows["ceiling"].to_numpy() * amount,
    }


def added_money(rows: pd.DataFrame) -> AddedMoney:
    added = (rows[SIDES[2]] - rows[SIDES[3]]).to_numpy(dtype=np.float64)
    return AddedMoney.of(orders_of(rows), added, rows[["debtor_id", "as_of", "queue"]], CAPACITIES, DRAWS, 0)


def shares_of(worlds: Sequence[World]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Share of the best possible added money: (order by capacity and seed, with their mean; lead of the added value
    over every other order, mean over the seeds, with the paired interval by debtor)."""
    found = [added_money(world.rows()) for world in worlds]
    shares = pd.concat([one.shares().assign(seed=world.seed) for one, world in zip(found, worlds, strict=True)])
    columns = {}
    for capacity in CAPACITIES:
        each = shares[shares["capacity"] == capacity].pivot(index="order", columns="seed", values="share")
        columns |= {f"{capacity:.0%} {seed}": each[seed] for seed in each}
        columns[f"{capacity:.0%} mean"] = each.mean(axis=1)
    return pd.DataFrame(columns).reindex(list(found[0].reached)), leads(found)


def leads(found: Sequence[AddedMoney]) -> pd.DataFrame:
    """Worlds hold different debtors, so the draws of one are paired with those of another as they come."""
    lines = []
    for order in (name for name in found[0].reached if name != ADDED):
        for place, capacity in enumerate(found[0].capacities):
            each = [(one.reached[ADDED] - one.reached[order])[:, place] / one.best[:, place] for one in found]
            mean = np.mean(each, axis=0)
            low, high = np.percentile(mean[1:], (2.5, 97.5))
            lines.append({"over": order, "capacity": capacity, "lead": mean[0], "low": low, "high": high})
    return pd.DataFrame(lines)


def known_better(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """The order by added value, as taught and with the truth in the place of what it was taught: theta, the chance
    half-way between left and worked, the amount of those who pay when worked."""
    chance, amount, theta = (rows[name].to_numpy(dtype=np.float64) for name in ("p_recovered", "amount", "theta"))
    sides = [np.clip(rows[name].to_numpy(dtype=np.float64), LEAST, 1 - LEAST) for name in SIDES[:2]]
    worked, left = (np.log(side / (1 - side)) for side in sides)
    paid = rows[SIDES[2]].to_numpy(dtype=np.float64) / sides[0]
    learnt, true = (theta, UNPROVEN_GUARD), (worked - left, Guard(0.0, 1.0))
    orders = {
        "as taught": (chance, amount, *learnt),
        "true amount": (chance, paid, *learnt),
        "true chance": (expit((worked + left) / 2), amount, *learnt),
        "true chance and amount": (expit((worked + left) / 2), paid, *learnt),
        "true theta": (chance, amount, *true),
        "true theta and chance": (expit((worked + left) / 2), amount, *true),
    }
    return {name: added_scores(*one)["added_recovery"].to_numpy() for name, one in orders.items()}


def lost(worlds: Sequence[World]) -> pd.DataFrame:
    """Share of the best possible added money that each of `known_better` reaches, mean over the worlds."""
    found = []
    for world in worlds:
        rows = world.rows()
        places, added = rows[["debtor_id", "as_of", "queue"]], (rows[SIDES[2]] - rows[SIDES[3]]).to_numpy(np.float64)
        money = AddedMoney.of(known_better(rows), added, places, CAPACITIES, 1, 0)
        found.append(money.shares().pivot(index="order", columns="capacity", values="share"))
    mean = sum(found[1:], start=found[0]) / len(found)
    return mean.rename(columns="{:.0%}".format).reindex(list(known_better(worlds[0].rows())))


def drawn_arms(rows: pd.DataFrame, night: int, draw: np.random.Generator) -> pd.DataFrame:
    """A night's draws as the ladder sees them, made up from the truth: ARM_SHARE of the debtors worked, as many left,
    judged by their best account; whether it paid is drawn from the true chance of its side."""
    best = rows.sort_values("added", ascending=False, kind="stable").drop_duplicates("debtor_id")
    chosen = best.iloc[draw.permutation(len(best))[: round(2 * ARM_SHARE * len(best))]]
    worked = (draw.random(len(chosen)) < 0.5).astype(np.float64)
    chance = np.where(worked == 1, chosen[SIDES[0]], chosen[SIDES[1]])
    return chosen[["debtor_id", "queue", "p_recovered", "theta", "amount", *SIDES[:2]]].assign(
        assigned_on=night,
        matured_on=night + SPAN,
        worked=worked,
        probability=0.5,
        recovered=(draw.random(len(chosen)) < chance).astype(np.float64),
    )


def _with_added(rows: pd.DataFrame) -> list[pd.DataFrame]:
    """Nights of the rows, with the foretold added money."""
    told = rows.assign(added=orders_of(rows)[ADDED])
    return [night for _, night in told.groupby("as_of", sort=True)]


def ladder_runs(rows: pd.DataFrame, runs: int | None = None) -> pd.DataFrame:
    """Years of NIGHTS monthly draws each on a world's judged nights, in turn; the ladder is asked after every night.
    runs: how many, RUNS where not said. One line a run: was it ever proven, ever disproven, was anybody ever told apart
    (a band above little said), draws, slope at the end."""
    nights, lines = _with_added(rows), []
    for run in range(runs or RUNS):
        draw, kept, rung, states, told = np.random.default_rng(run), [], None, set(), False
        for month in range(NIGHTS):
            kept.append(drawn_arms(nights[month % len(nights)], 30 * month, draw))
            rung = next_rung(pd.concat(kept, ignore_index=True), rung, 30 * month + SPAN + 1, True)
            states.add(rung.state)
            told |= tells_apart(rung)
        figures = {"told": told, "draws": rung.figures["draws"], "slope": rung.figures.get("slope", np.nan)}
        lines.append({"proven": PROVEN in states, "disproven": DISPROVEN in states, **figures})
    return pd.DataFrame(lines)


def coverage(worlds: Sequence[World]) -> pd.DataFrame:
    """Blocks whose interval holds the true effect, by seed: COVERED times the arms of all judged nights are drawn, and
    each fifth of the foretold effect of each queue is one block."""
    lines = []
    for world in worlds:
        nights, held = _with_added(world.rows()), []
        for time_ in range(COVERED):
            draw = np.random.default_rng(time_)
            arms = pd.concat([drawn_arms(night, 30 * at, draw) for at, night in enumerate(nights)], ignore_index=True)
            for _, own in arms.groupby("queue", sort=True):
                own = own.reset_index(drop=True)
                blocks = effect_by_fifth(own, UNPROVEN_GUARD, (own[SIDES[0]] - own[SIDES[1]]).to_numpy())
                held += ((blocks["drawn_low"] <= blocks["true"]) & (blocks["true"] <= blocks["drawn_high"])).tolist()
        lines.append({"seed": world.seed, "blocks": len(held), "held": float(np.mean(held))})
    return pd.DataFrame(lines)


def words(worlds: Sequence[World]) -> pd.DataFrame:
    """Share of the judged accounts that the contact log alone would call little, some or much: said once draws tell
    accounts apart."""
    lines = []
    for world in worlds:
        rows = world.rows()
        scores = added_scores(rows["p_recovered"].to_numpy(), rows["amount"].to_numpy(), rows["theta"], UNPROVEN_GUARD)
        told = pd.Series(bands(scores)).value_counts(normalize=True, sort=False)
        lines.append({"seed": world.seed, "accounts": len(rows), **told.to_dict()})
    return pd.DataFrame(lines)


def giveaway(debtors: int, seed: int, nature: Nature) -> dict[str, float]:
    """How far what came of its promises tells, of an account that made any, that it pays anyway and not if contacted:
    area under the curve (0.5: not at all), out of fold by debtor, with the share of promises that either kept."""
    months = calendar(24, LAST_DAY)
    born, accounts, log = lived(seed, np.arange(debtors), months, 30, 14, nature)
    kind = np.array(RESPONSE_TYPES)[born["type"][accounts["debtor"]]]
    columns = {name: log.rows[name] for name in ("table", "account", "day", "until_on", "amount", "outcome", "code")}
    rows = pd.DataFrame(columns)
    made = rows[(rows["table"] == CONTACTS) & (rows["outcome"] == Outcome.PROMISE)].reset_index(drop=True)
    paid = rows[(rows["table"] == PAYMENTS) & (rows["code"] == PaymentKind.PAYMENT)][["account", "day", "amount"]]
    met = made.reset_index().merge(paid, on="account", suffixes=("", "_paid"))
    met = met[(met["day_paid"] >= met["day"]) & (met["day_paid"] <= met["until_on"] + MOST_LATE)]
    first = met.sort_values("day_paid").drop_duplicates("index").set_index("index")
    late = (first["day_paid"] - first["until_on"]).reindex(made.index)
    whole = (first["amount_paid"] >= first["amount"]).reindex(made.index, fill_value=False)
    made = made.assign(late=late, kept=(late <= GRACE) & whole, in_time=late.between(-1, 3), whole=whole)
    told = made.groupby("account").agg(
        made=("day", "size"),
        kept=("kept", "sum"),
        kept_share=("kept", "mean"),
        late=("late", "mean"),
        in_time=("in_time", "mean"),
        whole=("whole", "mean"),
    )
    told = told[np.isin(kind[told.index], (ANYWAY, MOVED))]
    anyway = kind[told.index] == ANYWAY
    trees = HistGradientBoostingClassifier(max_leaf_nodes=8, max_iter=60, min_samples_leaf=80, random_state=0)
    folds = GroupKFold(4).split(told, anyway, accounts["debtor"][told.index])
    scores = cross_val_predict(trees, told.astype(float), anyway, cv=folds, method="predict_proba")[:, 1]
    kept = {name: float(told["kept_share"][side].mean()) for name, side in ((ANYWAY, anyway), (MOVED, ~anyway))}
    return {"accounts": len(told), "area": float(roc_auc_score(anyway, scores)), **kept}


def speed(worlds: Sequence[World], turns: Callable[[World], dict[str, float]]) -> pd.DataFrame:
    """CPU seconds with the head and without it, and the former's share of the latter."""
    lines = []
    for world in worlds:
        world.rows()
        own = turns(world)
        ours, others = own.values()
        lines.append({"seed": world.seed, **own, "share": ours / others})
    return pd.DataFrame(lines)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("work/effect"))
    parser.add_argument("--debtors", type=int, default=DEBTORS)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--only", nargs="*", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--runs", type=int, default=RUNS, help="Made-up years of draws a world.")
    chosen = parser.parse_args(arguments)
    logging.getLogger("recoup").setLevel(logging.WARNING)
    chosen.work.mkdir(parents=True, exist_ok=True)
    made = {
        nature: [
            World(seed, nature, chosen.debtors, chosen.work / f"{nature}-{seed}", chosen.runs) for seed in chosen.seeds
        ]
        for nature in NATURES
    }
    for name in chosen.only:
        for table in PARTS[name](made):
            print(f"\n{name}\n{table.to_string(float_format='{:.3f}'.format)}", flush=True)
            with (chosen.work / "figures.jsonl").open("a") as file:
                file.write(json.dumps({"part": name, "table": json.loads(table.to_json(orient="split"))}) + "\n")


Made = Mapping[str, Sequence[World]]
OF_RUNS = {"proven": "sum", "disproven": "sum", "told": "sum", "draws": "mean", "slope": "mean"}


def _added(made: Made) -> Sequence[pd.DataFrame]:
    return shares_of(made["natural"])


def _lost(made: Made) -> Sequence[pd.DataFrame]:
    return (lost(made["natural"]),)


def _hidden(made: Made) -> Sequence[pd.DataFrame]:
    return shares_of(made["hidden"])


def _no_effect(made: Made) -> Sequence[pd.DataFrame]:
    runs = pd.concat([ladder_runs(world.rows(), world.runs).assign(seed=world.seed) for world in made["none"]])
    told = runs.groupby("seed").agg(
        {"proven": "sum", "disproven": "sum", "told": "sum", "draws": "mean", "slope": "mean"}
    )
    return told, words(made["none"])


def _real_effect(made: Made) -> Sequence[pd.DataFrame]:
    runs = pd.concat([ladder_runs(world.rows(), world.runs).assign(seed=world.seed) for world in made["natural"]])
    told = runs.groupby("seed").agg(
        {"proven": "sum", "disproven": "sum", "told": "sum", "draws": "mean", "slope": "mean"}
    )
    return told, words(made["natural"]), coverage(made["natural"])


def _promises(made: Made) -> Sequence[pd.DataFrame]:
    both = [*made["natural"], *made["meant"]]
    told = [
        {"nature": one.nature, "seed": one.seed, **giveaway(one.debtors, one.seed, NATURES[one.nature])} for one in both
    ]
    return (pd.DataFrame(told),)


def _meant(made: Made) -> Sequence[pd.DataFrame]:
    return shares_of(made["meant"])


def _uniform(made: Made) -> Sequence[pd.DataFrame]:
    return (words(made["uniform"]), coverage(made["uniform"]))


def _teaching(made: Made) -> Sequence[pd.DataFrame]:
    return (speed(made["natural"], World.teaching),)


def _night(made: Made) -> Sequence[pd.DataFrame]:
    return (speed(made["natural"], World.night),)


PARTS: dict[str, Callable[[Made], Sequence[pd.DataFrame]]] = {
    "added money": _added,
    "what is lost": _lost,
    "hidden cause x 6": _hidden,
    "no effect": _no_effect,
    "uniform effect": _uniform,
    "draws": _real_effect,
    "promises": _promises,
    "meant promises": _meant,
    "teaching": _teaching,
    "night": _night,
}


if __name__ == "__main__":
    main()
