"""Does the forecast of cash hold? Made-up books, taught on their early nights and judged on the later ones.

Set against the mean of the last 8 weeks and an ageing roll-forward: the share of each bucket's balance that came in so
many weeks later, on the nights of the fit, times tonight's balances, scaled to all of the book's money.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from features.catalogue import CATALOGUE
from features.cohort import BUCKETS, bucket
from features.days import date_of
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

SEEDS = (9601, 9602, 9603, 9604, 9605, 9606, 9607, 9608)  # worlds of five books; 8401 to 8506 chose the forecast's form
DRAWS = 2_000
WAYS = ("this forecast", "mean of the last 8 weeks", "ageing roll-forward")
OURS, PLAIN, ROLLED = WAYS


def stored(seed: int, debtors: int, place: Path, params: Params) -> Store:
    """The world of a seed, 30 months of five books, in a store; made once."""
    source, store = place / f"source-{seed}-{debtors}", place / f"store-{seed}-{debtors}"
    if not (place / f"made-{seed}-{debtors}").exists():
        simulate(debtors, seed, source, months=30)
        ingest(source, store, params, backfill=True)
        (place / f"made-{seed}-{debtors}").touch()
    return Store(store)


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
    """book, night, week, came, of each way, low, high: the weeks of later nights, in units of the book's usual week."""
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
    usual, early = cash.usual, windows.recovery.fit
    known_by = int(cohort["as_of"][early].max()) + params.label.gap_days
    fitted = whole.weekly.until(cohort["as_of"].to_numpy(), known_by, params.label.maturity_days)
    rolled = ageing(cohort, fitted, cash.until(known_by, params.label.maturity_days), early)
    rows = []
    for place, book in enumerate(cash.books):
        for at, night in enumerate(cash.nights):
            if night < known_by or usual[place, at] <= 0:
                continue
            expected, low, high = model.forecast.weeks(ours[place, at], cash.came[place, at, :BACK], night, book)
            for week in range(int(cash.seen[place, at])):
                came = float(cash.came[place, at, BACK + week])
                ways = (expected[week], usual[place, at], rolled[place, at, week])
                rows.append((" ".join(book), night, week, came, *ways, low[week], high[week], usual[place].mean()))
    columns = ["book", "night", "week", "came", *WAYS, "low", "high", "usual"]
    found = pd.DataFrame(rows, columns=columns)
    for name in ("came", *WAYS, "low", "high"):
        found[name] /= found["usual"]
    return found.assign(inside=(found["low"] <= found["came"]) & (found["came"] <= found["high"]))


@dataclass(frozen=True)
class ByBook:
    """Sums of some weeks by book, drawn by book: its weeks are no news of each other."""

    squares: np.ndarray  # [1 + DRAWS, ways]
    inside: np.ndarray  # [1 + DRAWS]
    weeks: np.ndarray

    @classmethod
    def of(cls, rows: pd.DataFrame) -> ByBook:
        by_book = [own for _, own in rows.groupby("cluster", sort=True)]
        squares = np.array([[((own[name] - own["came"]) ** 2).sum() for name in WAYS] for own in by_book])
        hits, weeks = np.array([own["inside"].sum() for own in by_book]), np.array([len(own) for own in by_book])
        many = len(by_book)
        chosen = np.concatenate([[np.arange(many)], np.random.default_rng(1).integers(0, many, (DRAWS, many))])
        return cls(*(of[chosen].sum(axis=1) for of in (squares, hits, weeks)))

    def share_inside(self) -> str:
        return _told(self.inside / self.weeks, ".1%")

    def beside(self, way: str) -> str:
        """Root mean square error of ours over another's."""
        other = self.squares[:, WAYS.index(way)]
        return _told(np.sqrt(self.squares[:, 0] / other), ".2f")


def _told(drawn: np.ndarray, form: str) -> str:
    low, high = np.quantile(drawn[1:], (0.025, 0.975))
    return f"{drawn[0]:{form}} ({low:{form}} to {high:{form}})"


def table_of(rows: pd.DataFrame) -> str:
    """As Markdown, by weeks ahead."""
    head = ["weeks ahead", *(f"error, {name}" for name in WAYS), f"beside the {PLAIN}", f"beside the {ROLLED}"]
    lines = ["| " + " | ".join([*head, "came in between", "width", "weeks"]) + " |", "|---" * (len(head) + 3) + "|"]
    for begin, end in (*SPANS, (0, WEEKS)):
        own = rows[(rows["week"] >= begin) & (rows["week"] < end)]
        errors = [f"{np.sqrt(((own[name] - own['came']) ** 2).mean()):.3f}" for name in WAYS]
        drawn, name = ByBook.of(own), "all" if (begin, end) == (0, WEEKS) else f"{begin + 1} to {end}"
        beside = [drawn.beside(PLAIN), drawn.beside(ROLLED), drawn.share_inside()]
        cells = [name, *errors, *beside, f"{(own['high'] - own['low']).mean():.2f}", f"{len(own):,}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def draw(rows: pd.DataFrame, place: Path) -> None:
    """Each book of a world from its first judged night on: what was expected, between what, and what came."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = rows[(rows["world"] == rows["world"].min()) & (rows["night"] == rows["night"].min())]
    books = list(rows.groupby("book", sort=True))
    figure = Figure(figsize=(9.0, 2.1 * len(books)), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (book, own) in zip(figure.subplots(len(books), 1, sharex=True), books, strict=True):
        weeks = own["week"] + 1
        axes.fill_between(weeks, own["low"], own["high"], color="#1b6ca8", alpha=0.18, label="four of five weeks")
        axes.plot(weeks, own[OURS], color="#1b6ca8", label=OURS)
        axes.plot(weeks, own[PLAIN], color="#8a8a8a", linestyle="--", label=PLAIN)
        axes.plot(weeks, own["came"], color="#222222", marker="o", markersize=3.5, linestyle="", label="came in")
        axes.set_title(book, loc="left", fontsize=10)
        axes.set_ylim(bottom=0)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].legend(frameon=False, ncols=4, fontsize=8, loc="upper right", bbox_to_anchor=(1.0, 1.25))
    figure.axes[-1].set_xlabel(f"week from {date_of(int(rows['night'].iloc[0]))}")
    figure.supylabel("money of the week, in usual weeks of the book", fontsize=10)
    figure.savefig(place, dpi=110, metadata={"Software": None})


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--debtors", type=int, default=6_000)
    asked.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    asked.add_argument("--place", type=Path, default=Path("work/forecast"))
    asked.add_argument("--plot", type=Path, help="PNG of the first world's first judged night")
    given = asked.parse_args()
    given.place.mkdir(parents=True, exist_ok=True)
    params = load(Path("params.yaml"))
    parts = []
    for seed in given.seeds:
        found = judged(panel(stored(seed, given.debtors, given.place, params), params, weekly=True), params)
        parts.append(found.assign(world=seed))
        print(f"world {seed}: {found['night'].nunique()} later nights", file=sys.stderr)
    rows = pd.concat(parts, ignore_index=True)
    rows["cluster"] = rows["world"].astype("str") + rows["book"]
    nights = rows.groupby("cluster")["night"].nunique().sum()
    print(f"{rows['cluster'].nunique()} books of {len(given.seeds)} worlds, {nights} nights of a book")
    print("Root mean square error and width in usual weeks of the book; intervals of 95 % by book")
    print(table_of(rows))
    if given.plot is not None:
        draw(rows, given.plot)


if __name__ == "__main__":
    main()
