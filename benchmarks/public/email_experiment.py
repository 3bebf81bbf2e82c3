"""The e-mail experiment: women's e-mail against none, drawn at random; does the effect head find whom it makes visit?

It holds no debt, so there is no source folder: a customer is one row of the matrix, the e-mail is the work, the visit
is the payment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student_t

from benchmarks.public.delivery import Counts, by_class, read_raw
from models.boosting import raw_scores
from models.calibration import expit
from models.effect import BINARY, NUISANCE_TREES, fit_effect
from models.lesson import Lesson, Teaching
from models.money import MoneyScale

NAME, FILE = "email_experiment", "hillstrom.csv.gz"
SENT, NONE = "Womens E-Mail", "No E-Mail"
NUMBERS, CLASSES = ("recency", "history", "mens", "womens", "newbie"), ("history_segment", "zip_code", "channel")
SPLITS, TEST_SHARE, LEAST_QINI = 10, 0.3, 0.055
HEAD, RESPONSE, RANDOM = "effect head", "response model", "random"


@dataclass(frozen=True)
class Experiment:
    """One row per customer: matrix (features), sent and visited (0 or 1)."""

    matrix: pd.DataFrame
    sent: np.ndarray
    visited: np.ndarray
    counts: Counts


def read(raw: Path) -> Experiment:
    """The customers of the two arms. Rows of the third arm are left out and counted."""
    whole, counts = read_raw(raw, FILE), Counts()
    kept = whole["segment"].isin([SENT, NONE])
    counts.record(FILE, len(whole), int(kept.sum()), by_class(whole["segment"][~kept], "another arm, "))
    rows = whole[kept].reset_index(drop=True)
    matrix = rows[[*NUMBERS, *CLASSES]].astype(dict.fromkeys(NUMBERS, np.float64) | dict.fromkeys(CLASSES, "category"))
    return Experiment(
        matrix, (rows["segment"] == SENT).to_numpy(dtype=np.float64), rows["visit"].to_numpy(dtype=np.float64), counts
    )


def qinis(found: Experiment, settings: Mapping[str, Any]) -> pd.DataFrame:
    """Normalised Qini on visits of each order, one row per split: taught on 70 % of the customers,
    judged on the others.
    """
    return pd.DataFrame(list(_splits(found, settings)))


def _splits(found: Experiment, settings: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    for seed in range(SPLITS):
        draw = np.random.default_rng(seed).permutation(len(found.sent))
        test, taught = np.split(draw, [round(TEST_SHARE * len(draw))])
        sent, visited = found.sent[test], found.visited[test]
        yield {
            name: normalised_qini(order(found, taught, test, settings, seed), sent, visited)
            for name, order in ORDERS.items()
        }


def _lesson(
    found: Experiment, taught: np.ndarray, settings: Mapping[str, Any], seed: int
) -> tuple[Lesson, Teaching, pd.DataFrame]:
    cohort = people(taught)
    visited = found.visited[taught]
    labels = pd.DataFrame({"recovered": visited, "recovered_amount": visited, "defaulted": np.nan})
    teaching = Teaching(
        settings,
        seed,
        gap_days=1,
        default_gap_days=1,
        default_dpd=90,
        money=MoneyScale("USD", {"USD": 1.0}, {"USD": 2}),
    )
    return Lesson.of(found.matrix.iloc[taught].reset_index(drop=True), labels, cohort, teaching), teaching, cohort


def people(rows: np.ndarray) -> pd.DataFrame:
    """Customers as a cohort of one night."""
    plain = {
        "as_of": np.int32(0),
        "portfolio": "e-mail",
        "currency": "USD",
        "balance": np.int64(1),
        "days_past_due": np.int32(0),
    }
    return pd.DataFrame({"account_no": rows.astype(np.int64), "debtor_id": [f"c{row}" for row in rows]}).assign(**plain)


def _by_effect(
    found: Experiment, taught: np.ndarray, test: np.ndarray, settings: Mapping[str, Any], seed: int
) -> np.ndarray:
    lesson, teaching, cohort = _lesson(found, taught, settings, seed)
    landmarks = cohort[["account_no", "as_of"]].assign(
        worked=found.sent[taught], paid=found.visited[taught], promised=0.0
    )
    head = fit_effect(lesson, landmarks, teaching)
    asked = lesson.encoder.encode(found.matrix.iloc[test].reset_index(drop=True), people(test))
    visits = raw_scores(lesson.window.grow(BINARY, lesson.recovered, lesson.known, NUISANCE_TREES), asked)
    return head.theta(asked, expit(visits))


def _by_response(
    found: Experiment, taught: np.ndarray, test: np.ndarray, settings: Mapping[str, Any], seed: int
) -> np.ndarray:
    lesson, _, _ = _lesson(found, taught, settings, seed)
    booster = lesson.window.grow(BINARY, lesson.recovered, lesson.known, NUISANCE_TREES)
    return raw_scores(booster, lesson.encoder.encode(found.matrix.iloc[test].reset_index(drop=True), people(test)))


def _at_random(
    found: Experiment, taught: np.ndarray, test: np.ndarray, settings: Mapping[str, Any], seed: int
) -> np.ndarray:
    return np.random.default_rng(seed + SPLITS).random(len(test))


ORDERS: dict[str, Callable[..., np.ndarray]] = {HEAD: _by_effect, RESPONSE: _by_response, RANDOM: _at_random}


def normalised_qini(order: np.ndarray, sent: np.ndarray, visited: np.ndarray) -> float:
    """Area between the Qini curve of an order and the diagonal, over that of the best possible order (Radcliffe 2007).

    The curve: visits of those sent to among the first n, less the visits of the others among them scaled to as many;
    ties are taken at once. The best order takes visitors that were sent to first and visitors that were not last.
    """
    best = _area(visited * sent - visited * (1 - sent), sent, visited)
    return _area(order, sent, visited) / best


def _area(order: np.ndarray, sent: np.ndarray, visited: np.ndarray) -> float:
    place = np.argsort(-order, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(order[place])), len(place) - 1)
    treated = np.cumsum(sent[place])[ends]
    left = ends + 1 - treated
    won, lost = np.cumsum((visited * sent)[place])[ends], np.cumsum((visited * (1 - sent))[place])[ends]
    curve = np.append(0.0, won - np.divide(lost * treated, left, out=np.zeros(len(ends)), where=left > 0))
    return float(np.trapezoid(curve, np.append(0, ends + 1)) - curve[-1] * len(place) / 2)


def text_of(table: pd.DataFrame) -> str:
    """Mean and spread of each order, and the head's lead over the response model, split by split.

    The splits share customers, so the interval of the mean lead widens their spread by the share judged over that
    taught (Nadeau and Bengio, Machine Learning 2003).
    """
    lines = [f"women's e-mail against none, visits, normalised Qini over {len(table)} splits of 70/30"]
    lines += [f"  {name:<16}{table[name].mean():>8.3f} +/- {table[name].std(ddof=1):.3f}" for name in table]
    lead = table[HEAD] - table[RESPONSE]
    won = int((lead > 0).sum())
    error = lead.std(ddof=1) * np.sqrt(1 / len(lead) + TEST_SHARE / (1 - TEST_SHARE))
    half = error * student_t.ppf(0.975, len(lead) - 1)
    told = f"{lead.mean():+.3f} [{lead.mean() - half:+.3f}, {lead.mean() + half:+.3f}]"
    lines.append(f"  {HEAD} over {RESPONSE}: {told}, in {won} of {len(table)} splits; wanted: {LEAST_QINI} and above")
    return "\n".join(lines)
