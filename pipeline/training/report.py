"""The report of a run: one self-contained page, the manager's answer first, the validator's tables after;
card and terminal text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from features.cohort import BUCKETS
from models.amount import MEAN_SHARE, OBJECTIVES
from models.effect import UNPROVEN_GUARD
from models.evaluate import BEST, HINDSIGHT, MODEL, NEWEST, POOLED, SCOPES, UNSEEN, Evaluation
from models.fairness import findings, pushed_up
from models.ladder import DISPROVEN, NO_LOG, PROVEN, UNPROVEN
from models.lesson import CALENDAR_VALUES, NIGHTS_A_VALUE
from models.liquidation import ALL, BY_NIGHTS
from models.trade import LEFT_BOOK, PAID
from models.watch import MODEL as WATCH_MODEL
from models.watch import beaten
from pipeline.pages.templating import template
from pipeline.training import charts
from pipeline.training.books import AUDIT
from pipeline.training.studies import SWARM_STEP
from pipeline.training.worklists import LIST

BEST_OF_ALL = (BEST, HINDSIGHT)
QUALITY_COLUMNS = (
    ("auc", "AUC", "{:.3f}"),
    ("ks", "KS, points", "{:.1f}"),
    ("rate", "Recovered", "{:.1%}"),
    ("mean_p", "Predicted", "{:.1%}"),
    ("money_ratio", "Realised ÷ predicted money", "{:.2f}"),
    ("calibration_slope", "Calibration slope", "{:.2f}"),
    ("calibration_error", "Calibration error", "{:.3f}"),
    ("average_precision", "Average precision", "{:.3f}"),
    ("brier", "Brier", "{:.3f}"),
    ("log_loss", "Log loss", "{:.3f}"),
)
EFFECT_TABLES = ("overlap", "effect_draws", "effect_true", "added_money")
TABLES = (
    "worked_list",
    "backtest",
    "seeds",
    "ablation",
    "importance",
    "drift",
    "interval",
    "sampled",
    "listed",
    "proxies",
    *EFFECT_TABLES,
)
LIQUIDATION_MONTHS = (1, 2, 3, 6, 9, 12, 18, 24)
FAIRNESS_COLUMNS = (
    ("rate", "Recovered", "{:.1%}"),
    ("mean_p", "Predicted", "{:.1%}"),
    ("level", "Recovered ÷ predicted", "{:.2f}"),
    ("money_ratio", "Realised ÷ predicted money", "{:.2f}"),
    ("list_rate", "Listed", "{:.1%}"),
    ("list_ratio", "Listed ÷ other groups", "{:.2f}"),
    ("paying_list_rate", "Of those who paid, listed", "{:.1%}"),
    ("attempts", "Our contacts in 30 days", "{:.2f}"),
    ("attempts_ratio", "Contacts ÷ other groups", "{:.2f}"),
)
STATE_SAID = {
    NO_LOG: "not taught",
    UNPROVEN: "from the contact log, not yet proven",
    PROVEN: "proven",
    DISPROVEN: "disproven",
}
DRAWN_FIGURES = (
    ("slope", "Slope of the effect", ".2f"),
    ("level", "Its level, log-odds", ".2f"),
    ("average", "Worked less left, share that pays", ".1%"),
    ("average_robust", "The same, less what was foretold", ".1%"),
    ("policy", "Added by this order over amount x p(1 - p), realised ÷ foretold", ".2f"),
)
WATCH_COLUMNS = (
    ("auc", "AUC", "{:.3f}"),
    ("rate", "Late", "{:.1%}"),
    ("mean_p", "Predicted", "{:.1%}"),
    ("money_ratio", "Late ÷ predicted money", "{:.2f}"),
    ("calibration_slope", "Calibration slope", "{:.2f}"),
    ("calibration_error", "Calibration error", "{:.3f}"),
)
FAIR_ORDER = (("list_rate", "{:.1%}"), ("list_ratio", "{:.2f}"), ("listed_attempts", "{:.2f}"))
DEFAULT_COLUMNS = tuple(
    (metric, "Defaulted" if metric == "rate" else name, form)
    for metric, name, form in QUALITY_COLUMNS
    if metric != "money_ratio"
)


def render(evaluation: Evaluation, version: str, run_id: str, drawn: Mapping[str, Markup] | None = None) -> str:
    """The whole page: style and pictures inside, no script, nothing asked of the network. drawn: what `pictures` gave,
    if it did.
    """
    facts, capacity = evaluation.facts, evaluation.facts["gate_capacity"]
    pooled = evaluation.money[evaluation.money["scope"] == POOLED]
    return template("report.html", percent=_percent, money=_money, number=_number).render(
        version=version,
        run_id=run_id,
        facts=facts,
        capacity=capacity,
        currency=facts["reporting_currency"],
        headline=headline(evaluation),
        the_list=the_list(evaluation),
        tuned_changes=_tuned_changes(evaluation),
        promotable=all(gate["passed"] for gate in evaluation.gates),
        evaluation=evaluation,
        figure=evaluation.figure,
        unseen=UNSEEN,
        orders=_orders(pooled, facts["capacities"], capacity),
        rankings=_ranking_rows(evaluation),
        quality=[(scope, _quality_rows(evaluation, scope, "recovered", QUALITY_COLUMNS)) for scope in SCOPES],
        money_groups=_money_groups(evaluation, capacity),
        default_quality=[(scope, _quality_rows(evaluation, scope, "defaulted", DEFAULT_COLUMNS)) for scope in SCOPES],
        quality_names=[name for _, name, _ in QUALITY_COLUMNS],
        fairness_names=[name for _, name, _ in FAIRNESS_COLUMNS],
        default_names=[name for _, name, _ in DEFAULT_COLUMNS],
        unproven=UNPROVEN_GUARD,
        drawn=_drawn(facts.get("rung")),
        rung={"said": STATE_SAID[facts["rung"]["state"]]} if facts.get("rung") else {},
        effect={row["figure"]: row for row in _records(evaluation.frames.get("effect"))},
        effect_lines=_effect_lines(evaluation),
        watch_lines=_watch_lines(evaluation),
        watch_quality=_watch_quality(evaluation),
        watch_names=[name for _, name, _ in WATCH_COLUMNS],
        watch_top=_records(evaluation.frames.get("watch_top")),
        continuation_lines=_continuation_lines(evaluation),
        continuation=[row for row in _records(evaluation.frames.get("continuation")) if row["book"] == ALL],
        beliefs=evaluation.facts.get("beliefs") or [],
        fairness_added=_listed_before_and_after(evaluation),
        tables={name: _records(evaluation.frames.get(name)) for name in TABLES},
        withheld=_withheld(evaluation),
        fairness=_fairness_rows(evaluation),
        found_unfair=_findings(evaluation),
        rolls=[
            (name, _roll_rows(evaluation, held))
            for name, held in (("accounts", "share_accounts"), ("balance", "share_balance"))
        ],
        roll_ends=(*BUCKETS, PAID, LEFT_BOOK),
        liquidated=_liquidation_rows(evaluation),
        liquidation_months=LIQUIDATION_MONTHS,
        short=[said for said in evaluation.warnings if said.startswith("The test window")],
        tenths=evaluation.tenths.to_dict("records"),
        pictures=pictures(evaluation) if drawn is None else drawn,
        model=MODEL,
        newest=NEWEST,
        ways=(MEAN_SHARE, *OBJECTIVES),
        best=BEST_OF_ALL,
    )


def headline(evaluation: Evaluation) -> dict[str, Any]:
    """The manager's sentence as figures: the model's share of the money at the gate's capacity,
    and the hardest other orders'.
    """
    capacity = evaluation.facts["gate_capacity"]
    rows = {row["ranking"]: row for row in _at(evaluation, capacity).to_dict("records")}
    others = {name: row for name, row in rows.items() if name not in (MODEL, *BEST_OF_ALL)}
    strongest = max(others, key=lambda name: others[name]["share"]) if others else None
    return {
        "model": rows[MODEL],
        "newest": rows.get(NEWEST),
        "strongest": strongest,
        "strongest_row": others.get(strongest),
        "best": rows.get(BEST),
        "whole": rows[MODEL]["money"] / rows[MODEL]["share"] if rows[MODEL]["share"] > 0 else 0.0,
    }


def the_list(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Per queue, all of them first, what the list would have brought in on a test night beside the strongest other
    order; nothing where no run asked.
    """
    table = evaluation.frames.get("worked_list")
    if table is None or not len(table):
        return []
    found = []
    for queue, rows in table.groupby("queue", sort=True):
        held = {row["order"]: row for row in rows.to_dict("records")}
        others = {name: row for name, row in held.items() if name not in (LIST, MODEL, *BEST_OF_ALL)}
        strongest = max(others, key=lambda name: others[name]["money"]) if others else None
        best = next((held[name] for name in BEST_OF_ALL if name in held), None)
        told = {"total": held[MODEL], "strongest": strongest, "strongest_row": others.get(strongest), "best": best}
        found.append({"queue": queue, **held[LIST], **told})
    return found


def _tuned_changes(evaluation: Evaluation) -> list[tuple[str, Any, Any]]:
    """Setting, its value in the params, the value that was found; only those that differ, where the best was taken."""
    tuned = evaluation.facts.get("tuned")
    if not tuned or not tuned["changed"]:
        return []
    was, now = tuned["at_hand"], tuned["best"]
    figures = ("number", "log_loss", "trees")
    return [(name, was.get(name), now[name]) for name in now if name not in figures and was.get(name) != now[name]]


def _list_lines(evaluation: Evaluation) -> list[str]:
    found = the_list(evaluation)
    if not found:
        return []
    whole, currency = found[0], evaluation.facts["reporting_currency"]
    lines = [
        f"The list on a test night, of {whole['workable']:,.0f} accounts that could be worked, {currency} a night "
        "[95 % of the share by debtor]"
    ]
    for row in found:
        strongest = f"; {row['strongest']} {row['strongest_row']['money']:,.0f}" if row["strongest"] else ""
        total = (
            "" if row["total"]["money"] == row["money"] else f"; by all that comes back {row['total']['money']:,.0f}"
        )
        lines.append(
            f"  {row['queue'] or 'all queues':<18} {row['listed']:>6,.1f} debtors: {row['money']:>10,.0f} of "
            f"{row['whole']:,.0f} ({_percent(row['share'])} [{_percent(row['low'])}, {_percent(row['high'])}])"
            f"{total}{strongest}"
        )
    return lines


def terminal_text(evaluation: Evaluation, version: str, place: Path) -> str:
    """What `recoup train` prints before the run id."""
    facts, capacity = evaluation.facts, evaluation.facts["gate_capacity"]
    dates = facts["windows"]["recovery"]
    currency = facts["reporting_currency"]
    lines = [
        f"{version}: fit {dates['fit_first']} to {dates['fit_last']}, gap {dates['gap_days']} days, "
        f"test {dates['test_first']} to {dates['test_last']} ({facts['test_rows']:,} rows of "
        f"{facts['test_debtors']:,} debtors)",
        *([facts["sample_said"]] if "sample_said" in facts else []),
        *_list_lines(evaluation),
        (
            f"Beside it, of every scorable account: money recovered from the best {capacity:.0%} of each night's, "
            f"{currency} [95 % by debtor], and its share of all"
        ),
    ]
    for row in _at(evaluation, capacity).sort_values("share", ascending=False, kind="stable").to_dict("records"):
        lines.append(
            f"  {row['ranking']:<32} {row['money']:>14,.0f} [{row['low']:,.0f}, {row['high']:,.0f}]  "
            f"{row['share']:.1%} "
            f"[{row['share_low']:.1%}, {row['share_high']:.1%}]"
        )
    auc, ratio, slope = (evaluation.figure(name) for name in ("auc", "money_ratio", "calibration_slope"))
    fresh = evaluation.figure("auc", scope=SCOPES[4], group=UNSEEN)
    lines.append(
        f"AUC {_interval(auc, '.3f')}; debtors never seen before {_interval(fresh, '.3f')}; "
        f"realised ÷ predicted money {_interval(ratio, '.2f')}; calibration slope {_interval(slope, '.2f')}"
    )
    lines += [*_effect_lines(evaluation), *_watch_lines(evaluation)]
    if waits := _continuation_lines(evaluation):
        lines += ["What going on is worth, set against old nights as they came", *(f"  {said}" for said in waits)]
        lines += _vintage_lines(evaluation)
    lines += evaluation.statements
    lines += [f"Warning: {warning}" for warning in evaluation.warnings]
    failed = [gate["gate"] for gate in evaluation.gates if not gate["passed"]]
    lines.append(f"Gates: {'passed' if not failed else 'failed: ' + '; '.join(failed)}")
    lines += [f"Too small for a gate: {said}." for said in facts["too_small_for_gates"]]
    lines.append(f"Report: {place}")
    return "\n".join(lines)


def model_card(evaluation: Evaluation, version: str, run_id: str) -> str:
    """The card of a run in Markdown: purpose, data, dates, definitions, figures by bucket, limits, gates."""
    facts = evaluation.facts
    dates, label = facts["windows"]["recovery"], facts["label"]
    default = facts["windows"]["default"]
    fit = facts["fit"]
    judged = (
        f"judged on {default['test_first']} to {default['test_last']}"
        if default and facts["default_head"]
        else "no such head"
    )
    lines = [
        f"# Model card: {version}",
        "",
        f"Run {run_id}. Not approved as long as no approval stands at the end.",
        "",
        "## Purpose",
        "Rank accounts in collections each night by the money expected from each within the horizon, and say why. "
        "Not for granting credit, "
        "no regulatory default probability, not for deciding who may be contacted: the law on contact decides that "
        "before the rank does.",
        "",
        "## Data and dates",
        (
            f"- Payments complete through {facts['complete_through']}; "
            f"table versions {facts['data_versions'] or 'not stated'}."
        ),
        f"- Fit nights {dates['fit_first']} to {dates['fit_last']}: {fit['rows']:,} rows, {fit['debtors']:,} debtors, "
        f"{fit['debtors_recovered']:,} of them paid.",
        (
            f"- Gap {dates['gap_days']} days. Test nights {dates['test_first']} to {dates['test_last']}: "
            f"{facts['test_rows']:,} rows."
        ),
        f"- p_defaulted: {judged}.",
        *([f"- {facts['sample_said']}"] if "sample_said" in facts else []),
        *[f"- {said}" for said in (*_effect_lines(evaluation), *_watch_lines(evaluation))],
        (
            "- After the test the model was taught again on all mature nights in the same way: "
            "the figures speak of that way, out of time."
        ),
        "",
        "## Definitions",
        f"- recovered: paid within {label['horizon_days']} days, net of reversals known {label['maturity_days']} "
        "days later, at least "
        f"{label['min_amount']:g} units and {label['min_share']:.0%} of the balance; capped at the balance.",
        (
            f"- defaulted: {label['default_dpd']} days past due, "
            f"default or charge-off within {label['default_horizon_days']} days."
        ),
        (
            f"- Money in {facts['reporting_currency']} at rates of {facts['rates_date']}. "
            "All intervals: 95 %, whole debtors drawn anew."
        ),
        "",
        "## Figures on the test nights",
        "| group | rows | debtors paying | AUC | recovered | predicted | realised ÷ predicted money |",
        "|---|---|---|---|---|---|---|",
    ]
    for scope in (*SCOPES[:2], POOLED):
        for row in _quality_rows(evaluation, scope, "recovered", QUALITY_COLUMNS):
            cells = {
                name: cell["text"]
                for name, cell in zip((key for key, _, _ in QUALITY_COLUMNS), row["cells"], strict=True)
            }
            shown = (cells["auc"], cells["rate"], cells["mean_p"], cells["money_ratio"])
            lines.append(
                f"| {row['group'] if scope != POOLED else 'all'} | {row['rows']:,} | {row['events']:,} | "
                + " | ".join(shown)
                + " |"
            )
    lines += ["", "## What it gains", *[f"- {said}" for said in evaluation.statements]]
    lines += ["", "## Limits", *[f"- {said}" for said in evaluation.warnings]]
    lines += [
        (
            "- The money named is what came in from listed accounts, "
            "not what listing them added: only a control group shows that."
        ),
        *[f"- {said}" for said in _withheld(evaluation)],
        (
            "- Features never include protected traits. "
            "Whether lists and levels differ by group all the same is under Fairness."
        ),
        "",
        "## Fairness",
        *_fairness_lines(evaluation),
        "",
        "## Gates",
        *[
            f"- {gate['gate']}: {_bounded(gate)}: {'passed' if gate['passed'] else 'failed'}"
            for gate in evaluation.gates
        ],
        *[f"- Too small to judge: {said}." for said in facts["too_small_for_gates"]],
        "",
    ]
    return "\n".join(lines)


def approval(decision: Mapping[str, Any], compared: Mapping[str, Any] | None) -> str:
    """The end of a model card once the run is champion: who, when, why, and the comparison with the former champion."""
    lines = [
        "",
        "## Approval",
        (
            f"- Approved by {decision['approved_by']} on {decision['approved_at']}: "
            f"{decision['why'] or 'no reason given'}."
        ),
    ]
    if compared is not None:
        gain = _interval((compared["gain"], compared["gain_low"], compared["gain_high"]), "+.1%")
        lines.append(
            f"- Against the former champion {compared['champion']} on the same rows, money at capacity: {gain}."
        )
    return "\n".join([*lines, ""])


def _effect_lines(evaluation: Evaluation) -> list[str]:
    """What the head of the effect was taught on, and what the log says of it on debtors that taught none of it."""
    taught = evaluation.facts.get("effect")
    if taught is None:
        return [
            "What working adds: not taught; too few debtors paid, worked or left. "
            "The order is then that of amount x p(1 - p)."
        ]
    said = [
        f"What working adds: taught on {taught['rows']:,} landmark rows of {taught['debtors']:,} debtors, "
        f"{taught['worked']:.0%} of them worked in time; paid {taught['paid_if_worked']:.1%} of those and "
        f"{taught['paid_if_left']:.1%} of the others as they stand."
    ]
    if taught["spread"] == 0:
        said.append(
            "One effect for all foretells debtors that taught none of it best, so that the log tells nobody apart: "
            "the order is that of amount x p(1 - p)."
        )
    held = {row["figure"]: row for row in _records(evaluation.frames.get("effect"))}
    if held:
        slope, robust = [tuple(held[name][part] for part in ("value", "low", "high")) for name in ("slope", "robust")]
        sloped = (
            "Out of fold one effect for all foretells best"
            if slope[0] is None or math.isnan(slope[0])
            else f"Out of fold its slope in the log is {_interval(slope, '.2f')} (1: right as it is, 0: worth nothing)"
        )
        said.append(
            f"{sloped}, its average {_interval(robust, '.1%')}. "
            "This is from the contact log alone: draws of the nights prove or disprove it."
        )
    return said


def _watch_lines(evaluation: Evaluation) -> list[str]:
    """What the watch head was taught on, and whether it beats the debtor's own rhythm."""
    taught = evaluation.facts.get("watch")
    if not taught:
        return []
    if "why" in taught:
        return [f"No head was taught of accounts before their due day: {taught['why']}."]
    late = sorted(taught["late_days"].items(), key=lambda each: each[::-1])  # alike, taught now or read from the card
    days = ", ".join(f"{days} days ({kind})" for kind, days in late)
    dates, top = taught["window"], evaluation.frames["watch_top"]
    lost = beaten(top)
    share = top.set_index("ranking").loc[WATCH_MODEL]
    return [
        f"P(late) of what falls due within {taught['days_ahead']} days; late: {days} past due. Taught on "
        f"{taught['rows']:,} rows of {taught['debtors']:,} debtors, {taught['debtors_late']:,} of them late, from "
        f"{dates['fit_first']} to {dates['fit_last']}; judged from {dates['test_first']} to {dates['test_last']}.",
        f"The fifth of each night's accounts with most money at risk held {_percent(share['share'])} "
        f"({_percent(share['low'])} to {_percent(share['high'])}) of the money that was late.",
        "It beats all three orders by the debtor's own rhythm in money."
        if not lost
        else f"It is not shown to beat in money: {', '.join(lost)}.",
    ]


def _continuation_lines(evaluation: Evaluation) -> list[str]:
    """How far history teaches what going on is worth, and how often what came lay where it was foretold to."""
    taught = evaluation.facts.get("continuation")
    if not taught:
        return []
    if "reached_days" not in taught:
        return [f"What going on is worth was not taught: {taught['why']}. No offer can be set against it."]
    rows, table = taught["rows"], evaluation.frames["continuation"]
    counts = "; ".join(f"{days} days on {rows[days]:,} rows to {taught['last_nights'][days]}" for days in rows)
    said = [f"Taught on {taught['debtors']:,} debtors from {taught['first_night']}: {counts}."]
    if taught["why"]:
        said.append(f"History reaches {taught['reached_days']} days; beyond them nothing is claimed: {taught['why']}.")
    for seen, own in table.groupby("seen", sort=False):
        whole, books = own[own["book"] == ALL], own[own["book"] != ALL]
        said.append(
            f"By {'nights' if seen == BY_NIGHTS else 'debtors'} not seen, {int(whole['within'].sum())} of {len(whole)} "
            f"vintages came within their interval, and {int(books['within'].sum())} of {len(books)} of single books."
        )
    if "not_judged" in taught:
        said.append(f"No later nights judge it: {taught['not_judged']}")
    return said


def _vintage_lines(evaluation: Evaluation) -> list[str]:
    """Of each quarter of nights, all books together, the share of the balance that came by the last horizon it lived
    through, beside what was foretold."""
    table = evaluation.frames.get("continuation")
    if table is None:
        return []
    whole = table[table["book"] == ALL].sort_values(["seen", "vintage", "horizon"], kind="stable")
    last = whole.drop_duplicates(["seen", "vintage"], keep="last")
    return [
        f"  nights of {row.vintage}, {row.accounts:,} accounts, {row.horizon} days: {row.came:.1%} came, "
        f"{row.foretold:.1%} foretold by {row.seen} ({row.low:.1%} to {row.high:.1%})"
        + ("" if row.within else ", OUTSIDE")
        for row in last.itertuples()
    ]


def _watch_quality(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Scope, group, ranking, counts and a cell per metric of WATCH_COLUMNS."""
    frame = evaluation.frames.get("watch_quality")
    if frame is None:
        return []
    keys, found = ["scope", "group", "ranking", "rows", "debtors", "late"], []
    for place, rows in frame.groupby(keys, sort=False):
        cells = {row["metric"]: row for row in rows.to_dict("records")}
        told = [_cell(cells[metric], form) for metric, _, form in WATCH_COLUMNS]
        found.append({**dict(zip(keys, place, strict=True)), "cells": told})
    return found


def _withheld(evaluation: Evaluation) -> list[str]:
    """Columns of the calendar the nights taught on say too little of, each with how many of its values they show."""
    return [_withheld_of(name, seen) for name, seen in evaluation.facts["fit"].get("withheld", {}).items()]


def _withheld_of(name: str, seen: int) -> str:
    most = CALENDAR_VALUES[name]
    shown = (
        f"all {most} of its values, but not each on {NIGHTS_A_VALUE} nights"
        if seen >= most
        else f"only {seen} of its {most} values"
    )
    return f"Not taught: {name}. The fit nights show {shown}. More nights, spread over the month, show more."


def _fairness_lines(evaluation: Evaluation) -> list[str]:
    table = evaluation.frames.get("fairness")
    if table is None or not len(table):
        return ["- Not audited: no `audit_*` column is delivered."]
    said = [f"- {one}" for one in _findings(evaluation)]
    if not table["trait"].str.startswith(AUDIT).any():
        said.append("- Protected groups are not audited: no `audit_*` column is delivered.")
    return said or ["- No group's level, list rate or contacts differ beyond their interval."]


def _at(evaluation: Evaluation, capacity: float) -> pd.DataFrame:
    table = evaluation.money
    return table[(table["scope"] == POOLED) & (table["capacity"] == capacity)]


def _quality_rows(
    evaluation: Evaluation, scope: str, head: str, columns: Sequence[tuple[str, str, str]]
) -> list[dict[str, Any]]:
    table = evaluation.quality
    table = table[(table["scope"] == scope) & (table["head"] == head) & (table["ranking"] == MODEL)]
    rows = []
    for group in dict.fromkeys(table["group"]):
        held = table[table["group"] == group].set_index("metric")
        counts = held.iloc[0][["rows", "debtors", "events"]].astype(int).to_dict()
        cells = [
            _cell(held.loc[metric], form) if metric in held.index else {"text": "–", "interval": ""}
            for metric, _, form in columns
        ]
        rows.append({"group": group, **counts, "cells": cells})
    return rows


def _orders(
    pooled: pd.DataFrame, capacities: Sequence[float], capacity: float
) -> list[tuple[str, list[dict[str, Any]], dict[str, Any]]]:
    """(order, its row at each capacity, its row at the gate's), most money at the gate's capacity first."""
    held = {(row["ranking"], row["capacity"]): row for row in pooled.to_dict("records")}
    names = sorted(dict.fromkeys(pooled["ranking"]), key=lambda name: -held[name, capacity]["share"])
    return [(name, [held[name, share] for share in capacities], held[name, capacity]) for name in names]


def _ranking_rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    table = evaluation.quality
    rows = table[(table["scope"] == POOLED) & (table["head"] == "recovered") & (table["metric"] == "auc")]
    return [{"ranking": row["ranking"], **_cell(row, "{:.3f}")} for row in rows.to_dict("records")]


def _money_groups(evaluation: Evaluation, capacity: float) -> list[tuple[str, list[dict[str, Any]]]]:
    table = evaluation.money[evaluation.money["capacity"] == capacity]
    found = []
    for scope in SCOPES[:-1]:
        rows = table[table["scope"] == scope]
        lines = []
        for group in dict.fromkeys(rows["group"]):
            held = {row["ranking"]: row for row in rows[rows["group"] == group].to_dict("records")}
            others = {name: row["share"] for name, row in held.items() if name not in (MODEL, *BEST_OF_ALL)}
            strongest = max(others, key=lambda name: others[name]) if others else None
            lines.append(
                {
                    "group": group,
                    "model": held[MODEL],
                    "newest": held.get(NEWEST),
                    "strongest": strongest,
                    "held": held.get(strongest),
                }
            )
        if lines:
            found.append((scope, lines))
    return found


def _fairness_rows(evaluation: Evaluation) -> list[tuple[str, list[dict[str, Any]]]]:
    """(trait, its groups with a cell per figure)."""
    table = evaluation.frames.get("fairness")
    if table is None or not len(table):
        return []
    found = []
    for trait, rows in table.groupby("trait", sort=False):
        groups = []
        for group, held in rows.groupby("group", sort=False):
            by = held.set_index("metric")
            cells = [
                _cell(by.loc[name], form) if name in by.index else {"text": "–", "interval": ""}
                for name, _, form in FAIRNESS_COLUMNS
            ]
            groups.append({"group": group, "debtors": int(held["debtors"].iloc[0]), "cells": cells})
        found.append((_trait(trait), groups))
    return found


def _drawn(rung: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The figures of the draws, each with its interval tonight and on all nights at once; None where no draw has
    matured."""
    figures = (rung or {}).get("figures", {})
    if not figures.get("draws"):
        return None
    rows = []
    for name, said, form in DRAWN_FIGURES:
        if name in figures:
            ends = {
                kind: [figures.get(f"{name}_{end}_{kind}") for end in ("low", "high")] for kind in ("tonight", "always")
            }
            told = {kind: "" if None in both else f"{both[0]:{form}} – {both[1]:{form}}" for kind, both in ends.items()}
            rows.append({"name": said, "value": f"{figures[name]:{form}}", **told})
    more = {}
    if "power_draws" in figures:
        told_days = f"{figures['power_days']:,.0f} days at the pace so far"
        wanted = f"To prove a slope of {UNPROVEN_GUARD.slope} four times in five"
        more = {"more": f"{wanted}: {figures['power_draws']:,.0f} more draws, {told_days}."}
    return {**{name: figures[name] for name in ("draws", "debtors", "worked", "left")}, "rows": rows, **more}


def _listed_before_and_after(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Of each group how often it is listed in either order, against the other groups, and with how many attempts."""
    before, after = (evaluation.frames.get(name) for name in ("fairness", "fairness_added"))
    if before is None or after is None or not len(before) or not len(after):
        return []
    keys, lines = ["trait", "group"], []
    by = [held.set_index([*keys, "metric"]) for held in (before, after)]
    for key in after[keys].drop_duplicates().itertuples(index=False):
        cells = [
            _cell(held.loc[(*key, name)], form)
            for name, form in FAIR_ORDER
            for held in by
            if (*key, name) in held.index
        ]
        if len(cells) >= 4:  # books without contacts have no burden
            cells += [{"text": "", "interval": ""}] * (2 * len(FAIR_ORDER) - len(cells))
            lines.append({"trait": _trait(key.trait), "group": key.group, "cells": cells})
    return lines


def _findings(evaluation: Evaluation) -> list[str]:
    tables = [evaluation.frames.get(name, pd.DataFrame()) for name in ("fairness", "proxies")]
    after = evaluation.frames.get("fairness_added")
    return [*([] if after is None or after.empty else pushed_up(tables[0], after)), *findings(*tables)]


def _trait(name: str) -> str:
    return name.removeprefix("audit_").replace("_", " ")


def _roll_rows(evaluation: Evaluation, share: str) -> list[dict[str, Any]]:
    """From each arrears bucket: the share that stands in each bucket, or has left, on the next training night."""
    table = evaluation.frames.get("rolls")
    if table is None or not len(table):
        return []
    return [
        {"from": name, "accounts": int(rows["accounts"].sum()), "to": dict(zip(rows["to"], rows[share], strict=True))}
        for name, rows in table.groupby("from", sort=False)
    ]


def _liquidation_rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    table = evaluation.frames.get("liquidation")
    if table is None or not len(table):
        return []
    found = []
    for name, rows in table.groupby("placed_in", sort=True):
        held = rows.iloc[0]
        rates = dict(zip(rows["month"].astype(int), rows["rate"], strict=True))
        found.append({"placed_in": name, "accounts": int(held["accounts"]), "placed": held["placed"], "rates": rates})
    return found[-12:]


def pictures(evaluation: Evaluation) -> dict[str, Markup]:
    """The pictures of the page by name, as SVG."""
    ratios = evaluation.quality
    ratios = ratios[
        (ratios["metric"] == "money_ratio") & (ratios["head"] == "recovered") & (ratios["ranking"] == MODEL)
    ]
    ratios = ratios[ratios["scope"].isin((*SCOPES[:4], POOLED)) & (ratios["value"] > 0)].reset_index(drop=True)
    found = {"shares": charts.shares(_at(evaluation, evaluation.facts["gate_capacity"]), MODEL, BEST_OF_ALL)}
    frames = evaluation.frames
    if "curve" in frames and len(frames["curve"]):
        found["curve"] = charts.curve(frames["curve"], MODEL, BEST_OF_ALL)
    if len(evaluation.tenths):
        found["calibration"] = charts.calibration(evaluation.tenths)
    if len(ratios):
        band = next(gate for gate in evaluation.gates if gate["gate"] == "realised / predicted money")
        found["ratios"] = charts.ratios(ratios, (band["from"], band["to"]))
    unfair = frames.get("fairness")
    if unfair is not None and len(unfair):
        found["fair_level"], found["fair_list"] = (charts.groups(unfair, name) for name in ("level", "list_ratio"))
    drawn = (
        ("importance", charts.importance),
        ("effects", charts.dependence),
        ("swarm", lambda points: charts.swarm(points, SWARM_STEP)),
        (
            "pulls",
            lambda pulls: charts.waterfall(pulls, "average account", "average listed account", "What lifts the listed"),
        ),
        ("liquidation", charts.liquidation),
    )
    for name, draw in drawn:
        if name in frames and len(frames[name]):
            found[name] = draw(frames[name])
    return {name: Markup(svg) for name, svg in found.items()}


def _records(frame: pd.DataFrame | None) -> list[dict[str, Any]]:
    return [] if frame is None else frame.to_dict("records")


def _cell(row: Any, form: str) -> dict[str, str]:
    missing = row["low"] is None or not math.isfinite(row["low"])
    return {
        "text": form.format(row["value"]),
        "interval": "" if missing else f"{form.format(row['low'])} – {form.format(row['high'])}",
    }


def _interval(figure: tuple[float, float, float], form: str) -> str:
    value, low, high = figure
    if value is None or not math.isfinite(value):
        return "not measurable"
    return f"{value:{form}}" + (f" [{low:{form}}, {high:{form}}]" if math.isfinite(low) else "")


def _bounded(gate: dict[str, Any]) -> str:
    return f"{_interval((gate['value'], gate['low'], gate['high']), '.2f')}, allowed {gate['from']:g} to {gate['to']:g}"


def _percent(value: float | None, decimals: int = 1) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{value:.{decimals}%}"


def _money(value: float | None) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{value:,.0f}"


def _number(value: float | None, decimals: int = 2) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{value:,.{decimals}f}"
