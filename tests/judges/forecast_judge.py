"""The money expected of a book week by week, told again by plain loops: from the scores that a night published, the
card of the champion (its weights, read as plain JSON) and the delivery.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet

from tests.judges.client_judge import Delivery

WEEKS, BACK = 26, 8
KNOTS = (1, 2, 4, 8, 16, 26)  # weeks at which a hazard's weights are told; straight between them by doublings
SPANS = ((1, 2), (3, 4), (5, 8), (9, 13), (14, 26))  # weeks that share the weights of a book and its errors
LEAST = 0.2  # of the level, in which an error is measured


def weeks_of(told: Delivery, card: Mapping[str, Any], night: Path) -> dict[tuple[str, str], list[list[Any]]]:
    """(portfolio, currency) -> [first day, last day, expected, low, high] of each week, as in figures.json."""
    cash, found = card["cash"], {}
    scores = {row["account_id"]: row for row in parquet.read_table(night / "scores.parquet").to_pylist()}
    scorable = told.scorable(told.night)
    assert scorable.keys() == scores.keys()
    for book in {(row["portfolio"], row["currency"]) for row in told.accounts.values()}:
        own = {name for name, row in told.accounts.items() if (row["portfolio"], row["currency"]) == book}
        foretold = [0.0] * WEEKS
        for account in own & scorable.keys():
            score, late = scores[account], scorable[account].days_past_due
            chances = first_week(card["timing"], score["p_recovered"], late, book[0], told.night)
            for week in range(WEEKS):
                for after, share in enumerate(card["timing"]["follow"][: week + 1]):
                    foretold[week] += share * chances[week - after] * score["amount_if_recovered"]
        came = 0
        for account, day, left in told.payments():
            came += left if account in own and 0 < (told.night - day).days <= 7 * BACK else 0
        seasons = {(name, code): (month, year) for name, code, month, year in cash["seasons"]}
        month, year = seasons.get(book, ([0.0] * 6, [0.0, 0.0]))
        season = [in_season(told.night, week, month, year) for week in range(-BACK, WEEKS)]
        level = came / sum(season[:BACK])
        weights = {(name, code): of for name, code, of in cash["weights"]}.get(book, cash["of_all"])
        errs = {(name, code): size for name, code, size in cash["errs"]}.get(book, cash["of_new"])
        rows = []
        for week in range(WEEKS):
            span = next(place for place, (_, last) in enumerate(SPANS) if week + 1 <= last)
            (a, b), (below, above) = weights[span], cash["quantiles"][span]
            expected = a * foretold[week] + b * level * season[BACK + week]
            usual = expected if level < LEAST * expected else level
            size = errs * usual * math.sqrt(max(expected / usual if usual > 0 else expected, LEAST))
            begin = told.night + dt.timedelta(7 * week)
            ends = (expected, max(expected + below * size, 0.0), max(expected + above * size, 0.0))
            days = (begin.isoformat(), (begin + dt.timedelta(6)).isoformat())
            rows.append([*days, *(round(end) for end in ends)])
        found[book] = rows
    return found


def first_week(timing: Mapping[str, Any], p: float, late: int, book: str, night: dt.date) -> list[float]:
    """Chance that the first money comes in each week."""
    p = min(max(p, 1e-6), 1 - 1e-6)
    known, left, chances = (1.0, math.log(p / (1 - p)), math.log2(1 + late / 30)), 1.0, []
    for week in range(1, WEEKS + 1):
        right = next(place for place, knot in enumerate(KNOTS) if week <= knot)
        if week == KNOTS[right]:
            weights = timing["weights"][right]
        else:
            low, high = KNOTS[right - 1], KNOTS[right]
            far = math.log2(week / low) / math.log2(high / low)
            pair = zip(timing["weights"][right - 1], timing["weights"][right], strict=True)
            weights = [(1 - far) * before + far * after for before, after in pair]
        level = sum(weight * of for weight, of in zip(weights, known, strict=True)) + timing["books"].get(book, 0.0)
        for day in range(7):
            date = night + dt.timedelta(7 * (week - 1) + day)
            turn = 2 * math.pi * (date.day - 1) / days_in_month(date)
            level += (timing["month"][0] * math.cos(turn) + timing["month"][1] * math.sin(turn)) / 7
        hazard = 1 / (1 + math.exp(-level))
        chances.append(left * hazard)
        left *= 1 - hazard
    return chances


def in_season(night: dt.date, week: int, month: list[float], year: list[float]) -> float:
    """A week, counted from the night, against the usual one."""
    in_month, in_year = 1.0, 0.0
    for day in range(7):
        date = night + dt.timedelta(7 * week + day)
        turn = 2 * math.pi * (date.day - 0.5) / days_in_month(date)
        for wave in range(len(month) // 2):
            angle = (wave + 1) * turn
            in_month += (month[2 * wave] * math.cos(angle) + month[2 * wave + 1] * math.sin(angle)) / 7
        turn = 2 * math.pi * (date - dt.date(1970, 1, 1)).days / 365.25
        in_year += (year[0] * math.cos(turn) + year[1] * math.sin(turn)) / 7
    return max(in_month, 0.05) * math.exp(min(max(in_year, -1.0), 1.0))


def days_in_month(date: dt.date) -> int:
    return ((date.replace(day=28) + dt.timedelta(4)).replace(day=1) - dt.timedelta(1)).day
