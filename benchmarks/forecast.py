"""Does the forecast of cash hold? Ten made-up books, taught on their early nights and judged on the later ones.

Set against the mean of the last 8 weeks and an ageing roll-forward: the share of each bucket's balance that came in so
many weeks later, on the nights of the fit, times tonight's balances, scaled to all of the book's money.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from features.catalogue import CATALOGUE
from features.cohort import BUCKETS, bucket
from models.forecast import BACK, SPANS, BookCash
from models.recovery import RecoveryModel
from models.timing import WEEKS, Weekly
from pipeline.intake.ingest import ingest
from pipeline.panel.panel import Panel, panel
from pipeline.params import Params, load
from pipeline.simulate.portfolio import simulate
from pipeline.store.store import Store
from pipeline.training.fit import taught, teaching_of
from pipeline.training.trial import windows_of

SEEDS = (8401, 8402)  # two worlds of five books
DRAWS = 2_000
WAYS = ("this forecast", "mean of the last 8 weeks", "ageing roll-forward")


def made(seed: int, debtors: int, place: Path, params: Params) -> Panel:
    source, store = place / f"source-{seed}", place / f"store-{seed}"
    if not (place / f"made-{seed}").exists():
        simulate(debtors, seed, source, months=30)
        ingest(source, store, params, backfill=True)
        (place / f"made-{seed}").touch()
    return panel(Store(store), params, weekly=True)


def ageing(cohort: pd.DataFrame, weekly: Weekly, cash: BookCash, early: np.ndarray) -> np.ndarray:
    """[books, nights, WEEKS]."""
    came = np.diff(weekly.cumulative, axis=1, prepend=0)
    known = np.arange(WEEKS) < weekly.seen[:, None]
    balance = cohort["balance"].to_numpy(np.float64)[:, None]
    books = cohort["portfolio"].astype("str") + cohort["currency"].astype("str")
    foretold = np.zeros(came.shape)
    for book in books.unique():
        for name in BUCKETS:
            rows = ((books == book) & (bucket(cohort["days_past_due"]) == name)).to_numpy()
            taught_by = rows & early
            base = (balance * known)[taught_by].sum(axis=0)
            rate = np.divide((came * known)[taught_by].sum(axis=0), base, out=np.zeros(WEEKS), where=base > 0)
            foretold[rows] = balance[rows] * rate
    ours = cash.summed(cohort, foretold)
    nights = np.isin(cash.nights, np.unique(cohort["as_of"][early]))
    seen = (np.arange(WEEKS) < cash.seen[:, :, None]) & nights[None, :, None]
    total = (cash.came[:, :, BACK:] * seen).sum(axis=(1, 2))
    part = (ours * seen).sum(axis=(1, 2))
    return ours * np.divide(total, part, out=np.ones(len(total)), where=part > 0)[:, None, None]


def judged(whole: Panel, params: Params) -> pd.DataFrame:
    """book, night, week, came, of each way, inside: the weeks of later nights, in units of the book's usual week."""
    windows = windows_of(whole, params)
    model, _ = taught(whole, windows.fit_labels(whole.labels), teaching_of(whole, params, CATALOGUE), params)
    if not isinstance(model, RecoveryModel) or model.timing is None or model.forecast is None:
        raise SystemExit("The world is too small to teach when money comes.")
    assert whole.cash is not None
    assert whole.weekly is not None
    cash, cohort = whole.cash, whole.cohort
    scores = model.predict(whole.matrix, cohort)
    amount = scores["amount_if_recovered"].to_numpy()
    ours = cash.summed(cohort, model.timing.cash(scores["p_recovered"].to_numpy(), cohort, amount))
    expected, usual = model.forecast.expected(ours, cash.usual), cash.usual
    early = windows.recovery.fit
    known_by = int(cohort["as_of"][early].max()) + params.label.gap_days
    fitted = whole.weekly.until(cohort["as_of"].to_numpy(), known_by, params.label.maturity_days)
    rolled = ageing(cohort, fitted, cash.until(known_by, params.label.maturity_days), early)
    rows = []
    for place, book in enumerate(cash.books):
        for at, night in enumerate(cash.nights):
            if night < known_by or usual[place, at] <= 0:
                continue
            low, high = model.forecast.interval(expected[place, at], usual[place, at], book)
            for week in range(int(cash.seen[place, at])):
                came = float(cash.came[place, at, BACK + week])
                ways = (expected[place, at, week], usual[place, at], rolled[place, at, week])
                rows.append((book, night, week, came, *ways, low[week] <= came <= high[week], usual[place].mean()))
    columns = ["book", "night", "week", "came", *WAYS, "inside", "usual"]
    found = pd.DataFrame(rows, columns=columns)
    for name in ("came", *WAYS):
        found[name] /= found["usual"]
    return found


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--debtors", type=int, default=6_000)
    asked.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    asked.add_argument("--place", type=Path, default=Path("work/forecast"))
    given = asked.parse_args()
    given.place.mkdir(parents=True, exist_ok=True)
    params = load(Path("params.yaml"))
    parts = []
    for seed in given.seeds:
        found = judged(made(seed, given.debtors, given.place, params), params)
        parts.append(found.assign(world=seed))
        print(f"world {seed}: {found['night'].nunique()} later nights", file=sys.stderr)
    rows = pd.concat(parts, ignore_index=True)
    rows["cluster"] = rows["world"].astype("str") + rows["book"].astype("str")
    print(f"{rows['cluster'].nunique()} books, {rows.groupby('cluster')['night'].nunique().sum()} nights of a book")
    print("root mean square error, in usual weeks of the book; weeks that came in between")
    print(f"{'weeks ahead':<12}" + "".join(f"{name:>27}" for name in WAYS) + f"{'inside':>9}{'weeks':>8}")
    for begin, end in SPANS:
        own = rows[(rows["week"] >= begin) & (rows["week"] < end)]
        errors = [np.sqrt(((own[name] - own["came"]) ** 2).mean()) for name in WAYS]
        line = "".join(f"{error:>27.3f}" for error in errors)
        print(f"{f'{begin + 1}-{end}':<12}{line}{own['inside'].mean():>9.1%}{len(own):>8}")
    draw, names = np.random.default_rng(1), rows["cluster"].unique()
    by_book = [rows[rows["cluster"] == name] for name in names]
    squares = [[((of[name] - of["came"]) ** 2).sum() for name in WAYS] for of in by_book]
    counts, hits = np.array([len(of) for of in by_book]), np.array([of["inside"].sum() for of in by_book])
    chosen = draw.integers(0, len(names), (DRAWS, len(names)))
    share = np.quantile(hits[chosen].sum(axis=1) / counts[chosen].sum(axis=1), (0.05, 0.95))
    print(f"all: inside {hits.sum() / counts.sum():.1%}, 90 % interval by book [{share[0]:.1%}, {share[1]:.1%}]")
    roots = np.sqrt(np.array(squares)[chosen].sum(axis=1) / counts[chosen].sum(axis=1)[:, None])
    for place in (1, 2):
        ratio = np.quantile(roots[:, 0] / roots[:, place], (0.05, 0.95))
        whole = np.sqrt(np.array(squares)[:, 0].sum() / np.array(squares)[:, place].sum())
        print(f"error beside the {WAYS[place]}: {whole:.2f} [{ratio[0]:.2f}, {ratio[1]:.2f}]")


if __name__ == "__main__":
    main()
