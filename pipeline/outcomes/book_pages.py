"""The manager's summary and one report per portfolio for its client: one page each, plain words and plots,
and their figures.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from features.currencies import DECIMALS
from features.days import day_number
from features.errors import CannotWrite
from models.fatigue import curves
from models.trade import MONTH_DAYS
from pipeline.night.score import job_for
from pipeline.outcomes import drawings
from pipeline.outcomes.book_figures import complete_through, figures
from pipeline.outcomes.collectors import LEAST_EVENTS, collectors
from pipeline.outcomes.forecast import FORECAST_FILE, as_csv, forecast
from pipeline.outcomes.forecast import told as by_currency
from pipeline.outcomes.lateness import late_by, matured_late
from pipeline.outcomes.looked_back import LEAST_PEOPLE
from pipeline.outcomes.mail import attached_to, client_text, collectors_text
from pipeline.outcomes.teller import Teller
from pipeline.pages.publication import GROUPS_SHOWN
from pipeline.pages.templating import policy_digest, template, verbatim
from pipeline.panel.fatigue import days_late
from pipeline.panel.panel import payments_through
from pipeline.params import Params
from pipeline.store.files import only_owner_reads, whole_folder
from pipeline.store.store import Store

FIGURES_FILE, SUMMARY, COLLECTORS = "figures.json", "summary.html", "collectors.html"
SHOWN_OUTCOMES, SHOWN_CHANNELS = 7, 6
READ_AT = (1, 3, 6, 12)  # steps of the liquidation table that are printed


def write_reports(
    store_path: Path,
    out: Path,
    as_of: dt.date,
    days: int,
    params: Params,
    language: str | None = None,
    mail: bool = False,
) -> Path:
    """Write OUT/reports/<as_of>/ whole: summary.html, one page per portfolio, figures.json; forecast.csv
    where the model tells when money comes.
    The same store gives the same bytes.

    days: how many days before as_of the pages tell of. mail: beside the page of each client and that of the collectors
    a message with it, to whom the params say. Raises InputMissing where nothing is known yet, CannotWrite.
    """
    told = {
        "as_of": as_of.isoformat(),
        "first": (as_of - dt.timedelta(days)).isoformat(),
        "days": days,
        "horizon_days": params.label.horizon_days,
        "complete_through": complete_through(store_path, as_of),
        "night": _night(out, as_of),
        "lateness": lateness_of(store_path, as_of, params),
        "portfolios": figures(store_path, out, as_of, days, params),
    }
    weeks = forecast(store_path, as_of, params)
    told["fatigue"] = fatigue_of(store_path, as_of, params)
    told["collectors"] = collectors(store_path, as_of, days, params)
    told["forecast"] = {name: by_currency(weeks, name) for name in told["portfolios"]}
    pages: dict[str, str | bytes] = {
        FIGURES_FILE: json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    }
    language = language or params.worklist.language
    names = file_names(list(told["portfolios"]))
    pages[SUMMARY] = summary_page(told, names, language)
    pages[COLLECTORS] = collectors_page(told, language)
    pages |= {names[name]: client_page(told, name, language) for name in told["portfolios"]}
    if mail:
        pages |= mails(told, names, pages, params, language)
    if len(weeks):
        pages[FORECAST_FILE] = as_csv(weeks, params)
    return _publish(out / "reports", as_of.isoformat(), pages)


def mails(
    told: Mapping[str, Any], names: Mapping[str, str], pages: Mapping[str, str | bytes], params: Params, language: str
) -> dict[str, str | bytes]:
    """File -> message, of the pages of the clients and of the collectors."""
    teller, own = Teller(told, language), params.mail
    made = {COLLECTORS: (teller.words["collectors"]["title"], own.manager, collectors_text(teller))}
    for name, file in names.items():
        title = f"{teller.words['report']['client_title']} {name}"
        made[file] = (title, own.clients.get(name, ()), client_text(teller, name))
    return {
        file.removesuffix(".html") + ".eml": attached_to(file, str(pages[file]), title, text, own.sender, to, told)
        for file, (title, to, text) in made.items()
    }


def _night(out: Path, as_of: dt.date) -> dict[str, Any] | None:
    """What the night's own manifest counts, where that night is published."""
    try:
        manifest = json.loads((out / as_of.isoformat() / "manifest.json").read_bytes())
    except (OSError, ValueError):
        return None
    worklist = manifest["worklist"]
    kept = {name: worklist[name] for name in ("debtors", "net_value", "reporting_currency")}
    counts = manifest["counts"]  # a night of contract version 1 knows no self_cure
    shown = {group: counts.get(group, 0) for group in ("scorable", *GROUPS_SHOWN)}
    watched = {"watched": manifest["watch"]["accounts"]} if "watch" in manifest else {}
    return {"counts": {**shown, **watched}, **kept, **_treated(manifest, kept["reporting_currency"])}


def _treated(manifest: Mapping[str, Any], currency: str) -> dict[str, list[list[Any]]]:
    """routes: route, party, accounts, balance, value, its ends; agencies: as pipeline.night.agencies tells. Money in
    minor units of the reporting currency; nothing of a night without a policy, or with nothing to tell.
    """
    told = manifest.get("treatments", {})

    def minor(row: Mapping[str, Any], *names: str) -> list[int]:
        return [round(row[name] * 10 ** DECIMALS[currency]) for name in names]

    routes = [
        [row["route"], row["party"], row["accounts"], *minor(row, "balance", "value", "value_low", "value_high")]
        for row in told.get("routes", ())
    ]
    agencies = [
        [
            *(row[name] for name in ("party", "placed", "matured")),
            *minor(row, "expected", "recovered"),
            *(None if row[name] is None else round(row[name], 4) for name in ("ratio", "ratio_low", "ratio_high")),
            row["by_lot"],
        ]
        for row in told.get("agencies", ())
    ]
    return {name: rows for name, rows in (("routes", routes), ("agencies", agencies)) if rows}


def fatigue_of(store_path: Path, as_of: dt.date, params: Params) -> dict[str, list[list[Any]]]:
    """Outcome -> by, class, days, events, odds and its interval of what another message does to late debtors, None
    where the log does not tell; none of a shop that sends no reminders.
    """
    if params.reminders is None:
        return {}
    store = Store(store_path)
    found = curves(days_late(store, store.versions(), day_number(as_of), params))
    told: dict[str, list[list[Any]]] = {}
    columns = ["outcome", "by", "class", "rows", "events", "log_odds", "low", "high"]
    for outcome, by, name, days, events, *logs in found[columns].itertuples(index=False, name=None):
        shown = [round(math.exp(at), 3) if math.isfinite(at) else None for at in logs]
        told.setdefault(outcome, []).append([by, name, int(days), int(events), *shown])
    return told


def lateness_of(store_path: Path, as_of: dt.date, params: Params) -> list[list[Any]]:
    """pipeline.outcomes.lateness.late_by of matured nights, row by row, None where nothing can be said; none where the
    params watch nothing or no night has matured.
    """
    store = Store(store_path)
    if params.watch is None or store.complete_through().get("payments") is None:
        return []
    complete = payments_through(store, before=day_number(as_of))
    found = late_by(matured_late(job_for(store, as_of, params), complete, store))
    return [
        [*row[:4], *(round(part, 4) if math.isfinite(part) else None for part in row[4:])]
        for row in found.itertuples(index=False, name=None)
    ]


def file_names(portfolios: list[str]) -> dict[str, str]:
    """A file name for each portfolio, of harmless characters, no two alike."""
    names: dict[str, str] = {}
    for portfolio in portfolios:
        plain = re.sub(r"[^A-Za-z0-9_-]+", "-", portfolio)[:40].strip("-") or "portfolio"
        number, name = 1, f"client-{plain}.html"
        while name in names.values():
            number += 1
            name = f"client-{plain}-{number}.html"
        names[portfolio] = name
    return names


def _publish(reports: Path, name: str, pages: Mapping[str, str | bytes]) -> Path:
    """The folder appears whole; an older one of the same night goes once the new one stands."""
    try:
        with only_owner_reads(), whole_folder(reports / name) as draft:
            for file, text in pages.items():
                (draft / file).write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    except OSError as error:
        raise CannotWrite.creating(repr(str(reports / name)), error) from error
    return reports / name


# ---- pages -----------------------------------------------------------------------------------------------------------


def client_page(told: Mapping[str, Any], portfolio: str, language: str) -> str:
    """One portfolio, for its client."""
    teller = Teller(told, language)
    held = told["portfolios"][portfolio]
    return _page(
        "book_report.html",
        teller,
        title=f"{teller.words['report']['client_title']} {portfolio}",
        portfolio=portfolio,
        held=held,
    )


def summary_page(told: Mapping[str, Any], names: Mapping[str, str], language: str) -> str:
    """All portfolios side by side, for the manager. Currencies stand beside each other and are never added up."""
    teller = Teller(told, language)
    return _page(
        "book_summary.html", teller, title=teller.words["report"]["summary_title"], names=names, groups=GROUPS_SHOWN
    )


def collectors_page(told: Mapping[str, Any], language: str) -> str:
    """Who spoke to debtors and what came of it, for the manager."""
    teller = Teller(told, language)
    title = teller.words["collectors"]["title"]
    return _page("collectors.html", teller, title=title, debtors_least=LEAST_PEOPLE, events_least=LEAST_EVENTS)


def _page(name: str, teller: Teller, **values: Any) -> str:
    style = verbatim("book_report.css")
    last = dt.date.fromisoformat(teller.told["as_of"]) - dt.timedelta(1)
    return template(name).render(
        policy=f"default-src 'none'; style-src {policy_digest(style)}; base-uri 'none'; form-action 'none'",
        style=Markup(style),
        language=teller.words["locale"],
        words=teller.words,
        said=teller.words["report"],
        tell=teller,
        speech=teller.speech,
        told=teller.told,
        last=last,
        read_at=READ_AT,
        step_days=MONTH_DAYS,
        plots=Plots(teller),
        **values,
    )


class Plots:
    """The plots of the pages, each with its figures in words for who cannot see it."""

    def __init__(self, teller: Teller) -> None:
        self.teller = teller

    def channels(self, name: str) -> Markup:
        found = list(self.teller.held("portfolios", name, "worked", "by_channel").items())
        return self._bars(self._cut(found, SHOWN_CHANNELS), "channels", "attempts_by_channel")

    def outcomes(self, name: str) -> Markup:
        found = list(self.teller.held("portfolios", name, "answers", "by_outcome").items())
        return self._bars(self._cut(found, SHOWN_OUTCOMES), "outcomes", "answers_by_outcome")

    def _cut(self, found: list[tuple[str, int]], most: int) -> list[tuple[str, int]]:
        """The largest by name, the rest as one."""
        rest = sum(count for _, count in found[most:])
        return [*found[:most], *([("rest", rest)] if rest else [])]

    def _bars(self, found: list[tuple[str, int]], section: str, label: str) -> Markup:
        said, count = self.teller.words["report"], self.teller.speech.count
        rows = [
            (
                said["rest"] if key == "rest" else self.teller.word(section, key) if key else said["no_outcome"],
                value,
                count(value),
            )
            for key, value in found
        ]
        return drawings.bars(rows, self._label(label, [(name, text) for name, _, text in rows]))

    def _label(self, key: str, rows: list[tuple[str, str]]) -> str:
        return f"{self.teller.words['report'][key]}: " + "; ".join(f"{name} {text}" for name, text in rows)

    def months(self, name: str, currency: str) -> Markup:
        speech, found = self.teller.speech, self.teller.held("portfolios", name, "recovered", currency, "months")
        most = max(amount for _, amount in found)
        shown = {found.index([month, amount]) for month, amount in found if amount == most} | {len(found) - 1}
        points = [
            (
                speech.month(month, short=True),
                amount,
                speech.money(amount, currency, short=True) if place in shown else "",
            )
            for place, (month, amount) in enumerate(found)
        ]
        told = [(speech.month(month), speech.money(amount, currency)) for month, amount in found]
        kinds = ["past"] * (len(points) - 1) + ["bar"]
        return drawings.columns(points, self._label("recovered_by_month", told), kinds)

    def weeks(self, name: str, currency: str) -> Markup:
        """What is expected in each week to come, and between what."""
        speech, found = self.teller.speech, self.teller.held("forecast", name, currency)
        money = [[speech.money(amount, currency, short=True) for amount in amounts] for _, _, *amounts in found]
        days = [speech.day(begin, "medium") for begin, *_ in found]
        points = [
            (days[place].rsplit(" ", 1)[0] if place % 4 == 0 and place + 3 < len(found) else "", *amounts)
            for place, (_, _, *amounts) in enumerate(found)
        ]
        told = [(day, f"{low}–{high}") for day, (_, low, high) in zip(days, money, strict=True)]
        return drawings.spans(points, self._label("expected_by_week", told))

    def fatigue(self, outcome: str) -> Markup:
        """What another message does to the odds of an outcome, by each way of looking."""
        said, factor = self.teller.words["report"], self.teller.speech.factor
        groups: dict[str, list[tuple[str, float, float, float]]] = {}
        told = []
        for by, name, _, _, *span in self.teller.held("fatigue", outcome):
            at, low, high = (math.nan if end is None else end for end in span)
            groups.setdefault(said[f"fatigue_{by}"], []).append((name, at, low, high))
            shown = "–" if span[0] is None else f"{factor(at)} ({factor(low)}–{factor(high)})"
            told.append((f"{said[f'fatigue_{by}']} {name}", shown))
        return drawings.odds(list(groups.items()), self._label(f"fatigue_{outcome}", told))

    def lists(self, name: str, currency: str) -> Markup:
        speech, found = self.teller.speech, self.teller.held("portfolios", name, "lists", currency, "newest")
        points = [
            (
                speech.day(night, "medium"),
                expected,
                came,
                speech.money(expected, currency, True),
                speech.money(came, currency, True),
            )
            for night, _, expected, came in found
        ]
        return drawings.pairs(
            points, self._label("expected_and_recovered", [(point[0], f"{point[3]} / {point[4]}") for point in points])
        )

    def promises(self, name: str, currency: str) -> Markup:
        found = self.teller.held("portfolios", name, "promises", currency)
        states, count = self.teller.words["states"], self.teller.speech.count
        label = self._label("promises_due", [(states[state], count(number)) for state, (number, _) in found.items()])
        return drawings.stack([(state, number) for state, (number, _) in found.items()], label)

    def owed(self, name: str, currency: str) -> Markup:
        speech, said = self.teller.speech, self.teller.words["report"]
        found = self.teller.held("portfolios", name, "owed", currency, "by_days")
        rows = [
            (
                said["current"] if days == "0" else days,
                balance,
                f"{speech.money(balance, currency, True)} · {speech.count(accounts)}",
            )
            for days, (accounts, balance) in found.items()
        ]
        return drawings.bars(rows, self._label("owed_by_days", [(name, text) for name, _, text in rows]))

    def liquidation(self, name: str, currency: str) -> Markup:
        speech, found = self.teller.speech, self.teller.held("portfolios", name, "liquidation", currency)
        series = [shares for *_, shares in found if shares[0] is not None]
        top = max((share for one in series for share in one if share is not None), default=0)
        unit = next(step for step in (0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0) if top <= 4 * step or step == 1.0)
        ticks = [(unit * step, speech.share(unit * step)) for step in range(int(top / unit + 0.999) + 1)]
        below = [
            speech.count(step * MONTH_DAYS) if step % 2 == 0 else ""
            for step in range(1, 1 + max(map(len, series), default=0))
        ]
        told = [
            (speech.month(month), speech.share(max((s for s in shares if s is not None), default=None), 1))
            for month, *_, shares in found
        ]
        return drawings.lines(series, ticks, below, self._label("liquidation", told))
