"""Why debts go bad, as three files: a page for a credit manager, the same as JSON, and the findings as CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from features.days import date_of
from models.segments import LEAST_ACCOUNTS
from pipeline.insight.causes import Causes, Finding, causes
from pipeline.insight.openings import (
    BUCKETS,
    FIRST_PAYMENT,
    ROLLED,
    SETTLED,
    Openings,
    curves,
    openings,
    quarters,
    rolls,
)
from pipeline.insight.sentences import Sentences
from pipeline.outcomes.drawings import lines
from pipeline.pages.csv_file import safe
from pipeline.pages.language import words
from pipeline.pages.publication import plain
from pipeline.pages.speech import DASH
from pipeline.pages.templating import policy_digest, template, verbatim
from pipeline.params import Params
from pipeline.store.files import only_owner_reads, write_whole
from pipeline.store.store import Store

PAGE, AS_JSON, AS_CSV = "insight.html", "insight.json", "findings.csv"
MOST_CLASSES = 8  # of a dimension that is told apart
NOT_TOLD = "not told"  # the class of accounts of which a dimension is not delivered
CSV_COLUMNS = (
    *("sentence", "state", "family", "outcome", "segment", "ratio", "low", "high", "p", "earlier_ratio", "accounts"),
    *("went_bad", "other_accounts", "others_went_bad", "account_share", "event_share", "loss_share", "loss", "margin"),
)


def write_insight(store: Path, out: Path, params: Params, language: str | None = None) -> str:
    """Look for causes and write PAGE, AS_JSON and AS_CSV into a folder, each whole or not at all; what is to be said,
    in words. language: of the sentences and the page, worklist.language where None; names of columns and keys are
    English. The same store and params give the same bytes. Raises InputMissing where no account can be followed from
    its opening on.
    """
    language = language or params.worklist.language
    of = openings(Store(store), params, params.insight.within_days, params.insight.bad_dpd)
    found = causes(of, params)
    say = Sentences(of, params, language)
    told = [say.finding(each) for each in found.held()]
    with only_owner_reads():
        out.mkdir(parents=True, exist_ok=True)
        whole = plain(as_values(found, say))
        write_whole(out / AS_JSON, json.dumps(whole, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
        write_whole(out / AS_CSV, _csv(found, say))
        write_whole(out / PAGE, page(found, say, language))
    return "\n".join([*(told or [say.words["nothing"]]), "", *say.limits(found), "", f"Page: {out / PAGE}"])


def as_values(found: Causes, say: Sentences) -> dict[str, Any]:
    """Everything that is on the page, and the curves by every dimension, as plain values."""
    of, params = say.of, say.params
    return {
        "within_days": of.within_days,
        "bad_dpd": of.bad_dpd,
        "accounts": len(of.accounts),
        "through": {name: date_of(day) for name, day in sorted(of.through.items())},
        "reporting_currency": params.money.reporting_currency,
        "rates_date": params.money.rates_date,
        "sentences": [say.finding(each) for each in found.held()],
        "findings": [_row(each, say) for each in found.findings],
        "cut_offs": [{"sentence": say.cut(cut), **_cut(cut)} for cut in found.cuts],
        "model": {
            outcome: {"auc": told.auc, "level": told.level, "weights": told.weights}
            for outcome, told in found.judgements.items()
        },
        "levels_by_group": [list(each) for each in found.levels],
        "limits": say.limits(found),
        "curves": {
            name: curves(of, values, LEAST_ACCOUNTS).to_dict("records")
            for name, values in dimensions(of, found).items()
        },
        "rolls": rolls(of).to_dict("records"),
    }


def dimensions(of: Openings, found: Causes) -> dict[str, np.ndarray]:
    """What vintages are told apart by: book, product, and the classes of x_* that stand for no protected group."""
    wanted = ["portfolio", "product", *(name for name in of.accounts if name.startswith("x_"))]
    told = {}
    for name in wanted:
        cells = of.accounts[name]
        is_class = not pd.api.types.is_numeric_dtype(cells)
        if is_class and name not in found.silenced and 1 < cells.nunique() <= MOST_CLASSES:
            told[name] = cells.astype("str").where(cells.notna(), NOT_TOLD).to_numpy()
    return told or {"portfolio": of.accounts["portfolio"].to_numpy()}


def page(found: Causes, say: Sentences, language: str) -> str:
    style = verbatim("night_page.css") + verbatim("book_report.css") + verbatim("insight.css")
    of = say.of
    return template(PAGE).render(
        policy=f"default-src 'none'; style-src {policy_digest(style)}; base-uri 'none'; form-action 'none'",
        style=Markup(style),
        language=words(language)["locale"],
        words=words(language),
        own=say.words,
        fill=say.fill,
        accounts=say.speech.count(len(of.accounts)),
        through=say.speech.day(max(date_of(day) for day in of.through.values())),
        held=[(say.finding(each), say.avoided(each), say.earlier(each)) for each in found.held()],
        limits=say.limits(found),
        models=[_model(outcome, told, say) for outcome, told in found.judgements.items()],
        levels=[
            (say.outcome(outcome), trait, group, say.range_of(value, low, high))
            for outcome, trait, group, value, low, high in found.levels
        ],
        cuts=[(say.cut(cut), say.money(cut.loss), say.money(cut.margin)) for cut in found.cuts],
        drawings=_drawings(say),
        tables=[(say.fact(name), *_by_quarter(values, say)) for name, values in dimensions(of, found).items()],
        rolls=_rolls(say),
    )


def _model(outcome: str, told: Any, say: Sentences) -> dict[str, Any]:
    low = told.auc[1]
    worth = "worth_few" if math.isnan(low) else "worth_told" if low > 0.5 else "worth_none"
    whole = sum(told.weights.values()) or 1.0
    return {
        "title": say.outcome(outcome),
        "worth": f"{say.fill(worth, auc=say.range_of(*told.auc))} {say.fill('level', level=say.range_of(*told.level))}",
        "weights": [
            (say.fact(name), say.speech.share(weight / whole)) for name, weight in list(told.weights.items())[:8]
        ],
    }


def _drawings(say: Sentences) -> list[tuple[str, Markup, str]]:
    of = say.of
    told = curves(of, of.accounts["portfolio"].to_numpy(), LEAST_ACCOUNTS)
    found = []
    for book, own in told.groupby("cls"):
        names = sorted(own["quarter"].unique())
        series = [own[own["quarter"] == name].sort_values("months")["rolled"].tolist() for name in names]
        top = max(0.02, *(max(one, default=0.0) for one in series))
        ticks = [(top * part, say.speech.share(top * part)) for part in (0, 0.5, 1)]
        below = [str(month) if month % 3 == 0 else "" for month in range(1, int(own["months"].max()) + 1)]
        drawn = lines([one[1:] for one in series], ticks, below, say.fill("curve_title", book=book))
        found.append(
            (say.fill("curve_title", book=book), drawn, say.fill("curve_note", first=names[0], last=names[-1]))
        )
    return found


def _by_quarter(values: np.ndarray, say: Sentences) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Rolled, and first payments missed, by class and quarter of opening: heads, and rows of cells."""
    of = say.of
    accounts = of.accounts.assign(cls=values, quarter=quarters(of.accounts["opened"].to_numpy()))
    heads = sorted(accounts["quarter"].unique())
    rows = []
    for name, own in accounts.groupby("cls"):
        by = own.groupby("quarter")
        cells = [_share(by.get_group(head)[ROLLED], say) if head in by.groups else "" for head in heads]
        label = say.words["not_told"] if name == NOT_TOLD else str(name)
        rows.append((label, [*cells, _share(own[FIRST_PAYMENT], say)]))
    return heads, rows


def _share(outcome: pd.Series, say: Sentences) -> str:
    known = outcome.dropna()
    if len(known) < LEAST_ACCOUNTS:
        return DASH
    return say.fill("of_known", share=say.speech.share(known.mean(), 1), n=say.speech.count(len(known)))


def _rolls(say: Sentences) -> list[tuple[str, list[str], list[tuple[str, list[str]]]]]:
    """Book -> heads and rows: of the accounts in a state, the share in each state a month later."""
    told = rolls(say.of)
    names = [name for name, _ in BUCKETS]
    said = dict(zip((*names, SETTLED), say.words["states"].values(), strict=True))
    found = []
    for book, own in told.groupby("portfolio"):
        share = own.set_index(["before", "after"])["share"]
        size = own.groupby("before")["accounts"].sum()
        rows = [
            (
                f"{said[name]} ({say.speech.count(int(size[name]))})",
                [say.speech.share(share.get((name, head), 0.0), 1) for head in said],
            )
            for name in names
            if name in size.index and size[name] >= LEAST_ACCOUNTS
        ]
        found.append((say.fill("rolls_title", book=book), list(said.values()), rows))
    return found


def _row(each: Finding, say: Sentences) -> dict[str, Any]:
    ratio = each.ratio
    return {
        "sentence": say.finding(each) if each.state == "held" else "",
        "state": each.state,
        "family": each.family,
        "outcome": each.outcome,
        "segment": say.segment(each.segment),
        "ratio": ratio.value,
        "low": ratio.low,
        "high": ratio.high,
        "p": ratio.p,
        "earlier_ratio": each.earlier.value if each.earlier is not None else None,
        "accounts": ratio.inside,
        "went_bad": ratio.inside_events,
        "other_accounts": ratio.outside,
        "others_went_bad": ratio.outside_events,
        "account_share": each.account_share,
        "event_share": each.event_share,
        "loss_share": each.loss_share,
        "loss": each.loss,
        "margin": each.margin,
    }


def _cut(cut: Any) -> dict[str, Any]:
    return {
        "accounts": cut.accounts,
        "events": cut.events,
        "losses": cut.losses,
        "loss": cut.loss,
        "margin": cut.margin,
    }


def _csv(found: Causes, say: Sentences) -> str:
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow(CSV_COLUMNS)
    order = {"held": 0, "not held": 1, "too few": 2}
    ranked = [
        *found.held(),
        *sorted((each for each in found.findings if each.state != "held"), key=lambda one: order[one.state]),
    ]
    for each in ranked:
        row = _row(each, say)
        writer.writerow([_cell(row[name]) for name in CSV_COLUMNS])
    return written.getvalue()


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return f"{value:.6g}" if isinstance(value, float) else safe(str(value))
