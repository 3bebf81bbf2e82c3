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
from pipeline.insight.openings import BUCKETS, FIRST_PAYMENT, ROLLED, Openings, curves, openings, quarters, rolls
from pipeline.insight.sentences import avoided_said, cut_said, limits_said, outcome_said, said, segment_said
from pipeline.outcomes.drawings import lines
from pipeline.pages.csv_file import safe
from pipeline.pages.publication import plain
from pipeline.pages.templating import policy_digest, template, verbatim
from pipeline.params import Params
from pipeline.store.files import only_owner_reads, write_whole
from pipeline.store.store import Store

PAGE, AS_JSON, AS_CSV = "insight.html", "insight.json", "findings.csv"
MOST_CLASSES = 8  # of a dimension that is told apart
NOTHING = "Nothing is said: no segment and no month stood out and held."
CSV_COLUMNS = (
    *("sentence", "state", "family", "outcome", "segment", "ratio", "low", "high", "p", "earlier_ratio", "accounts"),
    *("went_bad", "other_accounts", "others_went_bad", "account_share", "event_share", "loss_share", "loss", "margin"),
)


def write_insight(store: Path, out: Path, params: Params) -> str:
    """Look for causes and write PAGE, AS_JSON and AS_CSV into a folder, each whole or not at all; what is to be said,
    in words. The same store and params give the same bytes. Raises InputMissing where no account can be followed from
    its opening on.
    """
    of = openings(Store(store), params, params.insight.within_days, params.insight.bad_dpd)
    found = causes(of, params)
    told = [said(each, of, params) for each in found.held()]
    whole = as_values(of, found, params)
    with only_owner_reads():
        out.mkdir(parents=True, exist_ok=True)
        write_whole(out / AS_JSON, json.dumps(plain(whole), indent=1, sort_keys=True, ensure_ascii=False) + "\n")
        write_whole(out / AS_CSV, _csv(of, found, params))
        write_whole(out / PAGE, page(of, found, params))
    limits = limits_said(found, of, params)
    return "\n".join([*(told or [NOTHING]), "", *limits, "", f"Page: {out / PAGE}"])


def as_values(of: Openings, found: Causes, params: Params) -> dict[str, Any]:
    """Everything that is on the page, and the curves by every dimension, as plain values."""
    return {
        "within_days": of.within_days,
        "bad_dpd": of.bad_dpd,
        "accounts": len(of.accounts),
        "through": {name: date_of(day) for name, day in sorted(of.through.items())},
        "reporting_currency": params.money.reporting_currency,
        "rates_date": params.money.rates_date,
        "sentences": [said(each, of, params) for each in found.held()],
        "findings": [_row(each, of, params) for each in found.findings],
        "cut_offs": [{"sentence": cut_said(cut, of, params), **_cut(cut)} for cut in found.cuts],
        "model": {
            outcome: {"auc": told.auc, "level": told.level, "weights": told.weights}
            for outcome, told in found.judgements.items()
        },
        "levels_by_group": [list(each) for each in found.levels],
        "limits": limits_said(found, of, params),
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
            told[name] = cells.astype("str").where(cells.notna(), "not told").to_numpy()
    return told or {"portfolio": of.accounts["portfolio"].to_numpy()}


def page(of: Openings, found: Causes, params: Params) -> str:
    style = verbatim("night_page.css") + verbatim("book_report.css") + verbatim("insight.css")
    held = found.held()
    return template(PAGE).render(
        policy=f"default-src 'none'; style-src {policy_digest(style)}; base-uri 'none'; form-action 'none'",
        style=Markup(style),
        accounts=f"{len(of.accounts):,}",
        through=max(date_of(day) for day in of.through.values()),
        nothing=NOTHING,
        held=[(said(each, of, params), avoided_said(each, params), _earlier(each)) for each in held],
        limits=limits_said(found, of, params),
        models=[_model(outcome, told, of) for outcome, told in found.judgements.items()],
        levels=[
            (outcome_said(outcome, of), trait, group, _figure(value, low, high))
            for outcome, trait, group, value, low, high in found.levels
        ],
        cuts=[(cut_said(cut, of, params), _money(cut.loss, params), _money(cut.margin, params)) for cut in found.cuts],
        drawings=_drawings(of),
        tables=[(name.removeprefix("x_").replace("_", " "), *_by_quarter(of, values)) for name, values in
                dimensions(of, found).items()],
        within=of.within_days,
        bad=of.bad_dpd,
        rolls=_rolls(of),
    )  # fmt: skip


def _earlier(finding: Finding) -> str:
    first = finding.earlier
    return "" if first is None else f"Earlier accounts, which proposed it: {first.value:.1f} times as often."


def _model(outcome: str, told: Any, of: Openings) -> dict[str, Any]:
    value, low, high = told.auc
    if math.isnan(low):
        worth = "Too few later accounts to judge it."
    elif low > 0.5:
        worth = f"It tells later accounts apart with AUC {value:.2f} [{low:.2f}, {high:.2f}]"
    else:
        worth = (
            f"Facts of the opening together do not tell later accounts apart: AUC {value:.2f} [{low:.2f}, {high:.2f}]"
        )
    whole = sum(told.weights.values()) or 1.0
    return {
        "title": outcome_said(outcome, of),
        "worth": f"{worth}; as many went bad as it said, times {_figure(*told.level)}.",
        "weights": [(name, f"{weight / whole:.0%}") for name, weight in list(told.weights.items())[:8]],
    }


def _figure(value: float, low: float, high: float) -> str:
    return f"{value:.2f} [{low:.2f}, {high:.2f}]" if math.isfinite(low) else f"{value:.2f}"


def _money(amount: float | None, params: Params) -> str:
    return "not said" if amount is None else f"{amount:,.0f} {params.money.reporting_currency}"


def _drawings(of: Openings) -> list[tuple[str, Markup, str]]:
    told = curves(of, of.accounts["portfolio"].to_numpy(), LEAST_ACCOUNTS)
    found = []
    for book, own in told.groupby("cls"):
        names = sorted(own["quarter"].unique())
        series = [own[own["quarter"] == name].sort_values("months")["rolled"].tolist() for name in names]
        top = max(0.02, *(max(one, default=0.0) for one in series))
        ticks = [(top * part, f"{top * part:.0%}") for part in (0, 0.5, 1)]
        below = [str(month) if month % 3 == 0 else "" for month in range(1, int(own["months"].max()) + 1)]
        drawn = lines(
            [one[1:] for one in series], ticks, below, f"{book}: share that had rolled, by months since opening"
        )
        found.append((str(book), drawn, f"{names[0]} to {names[-1]}, the last in full colour"))
    return found


def _by_quarter(of: Openings, values: np.ndarray) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Rolled, and first payments missed, by class and quarter of opening: heads, and rows of cells."""
    accounts = of.accounts.assign(cls=values, quarter=quarters(of.accounts["opened"].to_numpy()))
    heads = sorted(accounts["quarter"].unique())
    rows = []
    for name, own in accounts.groupby("cls"):
        by = own.groupby("quarter")
        cells = [_share(by.get_group(head)[ROLLED]) if head in by.groups else "" for head in heads]
        rows.append((str(name), [*cells, _share(own[FIRST_PAYMENT])]))
    return heads, rows


def _share(outcome: pd.Series) -> str:
    known = outcome.dropna()
    return f"{known.mean():.1%} of {len(known):,}" if len(known) >= LEAST_ACCOUNTS else "–"


def _rolls(of: Openings) -> list[tuple[str, list[str], list[tuple[str, list[str]]]]]:
    """Book -> heads and rows: of the accounts in a state, the share in each state a month later."""
    told = rolls(of)
    names = [name for name, _ in BUCKETS]
    heads = [*names, "settled"]
    found = []
    for book, own in told.groupby("portfolio"):
        share = own.set_index(["before", "after"])["share"]
        size = own.groupby("before")["accounts"].sum()
        rows = [
            (f"{name} ({size[name]:,})", [f"{share.get((name, head), 0.0):.1%}" for head in heads])
            for name in names
            if name in size.index and size[name] >= LEAST_ACCOUNTS
        ]
        found.append((str(book), heads, rows))
    return found


def _row(each: Finding, of: Openings, params: Params) -> dict[str, Any]:
    ratio = each.ratio
    return {
        "sentence": said(each, of, params) if each.state == "held" else "",
        "state": each.state,
        "family": each.family,
        "outcome": each.outcome,
        "segment": segment_said(each.segment, params),
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


def _csv(of: Openings, found: Causes, params: Params) -> str:
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow(CSV_COLUMNS)
    order = {"held": 0, "not held": 1, "too few": 2}
    ranked = [
        *found.held(),
        *sorted((each for each in found.findings if each.state != "held"), key=lambda one: order[one.state]),
    ]
    for each in ranked:
        row = _row(each, of, params)
        writer.writerow([_cell(row[name]) for name in CSV_COLUMNS])
    return written.getvalue()


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return f"{value:.6g}" if isinstance(value, float) else safe(str(value))
