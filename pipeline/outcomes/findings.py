"""Is the model still right, and what does working the list add? Drift, calibration and value of matured lists,
the control group.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from features.days import date_of, day_number, day_text
from models.drift import SCORE, SHIFTED
from models.effect import UNPROVEN_GUARD
from models.foretold import Interval, foretold_auc, foretold_money, quotient, realised_auc
from models.ladder import DISPROVEN, NO_LOG, POWER80, PROVEN, UNPROVEN, Z95, Rung
from models.prioritise import CONTROL, TO_WORK, WORKED
from models.resampling import ratio_by_debtor
from models.variants import difference as rates_apart
from models.variants import table_of
from pipeline.night.alarm import OK, SCORE_MOVED, STOP, UNKNOWN, WARN, Alarm
from pipeline.night.reminders import SILENT
from pipeline.outcomes.lateness import KEPT_SILENT, WRITTEN, Lateness
from pipeline.outcomes.spans import (
    difference,
    less_foretold,
    listed_difference,
    listed_spans,
    power_reached_on,
    spans_of,
)
from pipeline.params import Params

# Of those that judge the model itself, one that cannot tell leaves the whole unknown; others are asked as they mature.
VITAL = ("drift", SCORE_MOVED, "calibration", "calibration in money")
SIGNIFICANT = 6  # digits of a figure that a manifest keeps
WORST_SHOWN = 5
# Features that shift together where something changed: of hundreds a few always do on some day, for placements and
# notices come in batches and the arrears of a month ago stand in several columns.
SEVERAL = 5
LOOK = 0.2  # PSI of a score beyond what is usual from which it is worth a look: books drift by 0.15 of themselves
LEAST_ROWS = 50  # rows below which a distribution says nothing
RUNGS_SAID = {
    NO_LOG: "not taught, the same effect for all is assumed",
    UNPROVEN: "from the contact log and not yet proven",
    PROVEN: "proven by draws",
    DISPROVEN: "disproven by draws, the order is that of amount x p(1 - p)",
}
FATIGUE_HEADS = {
    "age": "by days since the last,",
    "number": "by its number in 30 days,",
    "spacing": "by days after the one before,",
}
SAID_TO = {WRITTEN: "written to", KEPT_SILENT: "kept silent by lot"}
OUTCOMES_SAID = {"paid": "paid", "answered": "answered", "complained": "complained", "opted_out": "opted out"}
EARLY_DAYS, EARLY_KNOWN_DAYS = 7, 3  # days in which a payment is early; days until such a one is known
LOST_AUC = 0.05  # of the order at training, which is worth a look
BOOK = "portfolio"  # the class column that names an account's book
LEAST_PEOPLE = 30  # debtors an arm needs before its mean is compared


@dataclass(frozen=True)
class Finding:
    """One thing looked at: its verdict, and a sentence with the figures it rests on."""

    name: str
    verdict: str
    says: str
    figures: Mapping[str, float | int | str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Findings:
    """All findings on a night, and the matured lists one by one; the verdict is the worst of theirs, and unknown where
    none warns and one of VITAL cannot tell.
    """

    as_of: dt.date
    findings: tuple[Finding, ...]
    lists: pd.DataFrame

    @property
    def verdict(self) -> str:
        told = [each.verdict for each in self.findings if each.verdict != UNKNOWN or each.name in VITAL]
        return max(told, key=(OK, UNKNOWN, WARN, STOP).index, default=UNKNOWN)

    def alarm(self) -> Alarm:
        """For the night whose list is to be published."""
        findings = [
            {
                **asdict(finding),
                "figures": {name: _rounded(value) for name, value in finding.figures.items()},
            }
            for finding in self.findings
        ]
        return Alarm(self.verdict, findings, self.text())

    def told(self) -> dict[str, Any]:
        """As plain values, days as dates; None where a figure is unknown."""
        lists = self.lists.assign(as_of=[day_text(day) for day in self.lists["as_of"]])
        return {
            "as_of": self.as_of.isoformat(),
            "verdict": self.verdict,
            "findings": [
                {**asdict(finding), "figures": {name: _known(value) for name, value in finding.figures.items()}}
                for finding in self.findings
            ],
            "lists": lists.astype(object).where(lists.notna(), None).to_dict("records"),
        }

    def text(self) -> str:
        lines = [f"Monitor of {self.as_of}: {self.verdict}"]
        lines += [f"  {finding.verdict:7}  {finding.name}: {finding.says}" for finding in self.findings]
        if len(self.lists):
            shown = self.lists.tail(WORST_SHOWN).copy()
            shown["as_of"] = [date_of(day) for day in shown["as_of"]]
            lines += ["", "Last matured lists (money in the reporting currency)", shown.round(2).to_string(index=False)]
        return "\n".join(lines)


def _known(value: float | int | str | None) -> float | int | str | None:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _rounded(value: float | int | str | None) -> float | int | str | None:
    known = _known(value)
    return float(f"{known:.{SIGNIFICANT}g}") if isinstance(known, float) else known


@dataclass(frozen=True)
class LookedBack:
    """What the verdict is made from.

    matured  one row per account and matured night: as_of, account_id, debtor_id, queue, group, rank, arm, assigned_on,
             probability, p_recovered, expected (money expected), recovered (1, 0 or NaN where unobservable), money
             (recovered); money in reporting units
    arms     current arm of every debtor in a span: debtor_id, arm, assigned_on, until_on, probability
    psi      models.drift.Reference.moved of every feature of tonight, and of the score; None where the model has no
             reference
    rows     scorable accounts tonight
    rung     where the learnt effect stood on the newest night that kept it; None where none did
    drawn    see pipeline.panel.draws.fresh_draws: over whom the lot decided, with the place that each would have had
    said     see pipeline.night.variants.matured: what came of messages; None where no night published any
    tired    models.fatigue.curves; None where the params have no reminders
    watched  see pipeline.outcomes.lateness; None where the params watch nothing
    tonight  every scorable account tonight: debtor_id, p_recovered, expected (reporting units); None of a night that
             no store remembers and nobody is about to publish
    early    of former nights a week apart, what came within EARLY_DAYS: as_of, debtor_id, p_recovered, early (1, 0 or
             NaN), matured (whether the whole label is known by now)
    taught_auc  of the model's chances out of fold when it was taught; None of one that has none
    unseen   class column -> accounts tonight of a class that the model does not know by name
    contacted  days on which a debtor was really contacted by us in its span: debtor_id, assigned_on, contacts (absent:
               none)
    """

    matured: pd.DataFrame
    arms: pd.DataFrame
    psi: Mapping[str, float] | None
    rows: int
    contacted: pd.DataFrame | None = None
    rung: Rung | None = None
    drawn: pd.DataFrame | None = None
    said: pd.DataFrame | None = None
    tired: pd.DataFrame | None = None
    watched: Lateness | None = None
    tonight: pd.DataFrame | None = None
    early: pd.DataFrame | None = None
    taught_auc: float | None = None
    unseen: Mapping[str, int] = field(default_factory=dict)


def findings_on(seen: LookedBack, as_of: dt.date, params: Params) -> Findings:
    """All findings, in the order in which a person asks: has the population moved, was the model right, is there a
    control group, what did working the list add.
    """
    night = day_number(as_of)
    findings = [
        *_drift(seen),
        *_new_books(seen.unseen.get(BOOK, 0), seen.rows),
        *_foretold(seen, params),
        *_early(seen.early, params),
        *_order(seen),
        *_calibration(seen.matured, params),
        _value(seen.matured),
        _control(seen.arms, night, params),
        *_effect(seen, params),
        *_listed(seen, params),
        *_rung(seen.rung, night),
        *_messages(seen.said),
        *_fatigue(seen.tired),
        *_late(seen.watched, params),
    ]
    return Findings(as_of, tuple(findings), matured_lists(seen.matured))


def _drift(seen: LookedBack) -> list[Finding]:
    return _moved(seen.psi, seen.rows, "", "scorable")


def _new_books(accounts: int, rows: int) -> list[Finding]:
    """Accounts of books that taught the model nothing, or had too few debtors then to be known by name."""
    if accounts < LEAST_PEOPLE:
        return []
    says = f"{accounts:,} of {rows:,} accounts are in books that the model does not know by name."
    return [Finding("new books", WARN, says, {"accounts": accounts})]


def _moved(found: Mapping[str, float] | None, number: int, whose: str, accounts: str) -> list[Finding]:
    """Drift of a score and of its features. whose: of which score, behind the findings' names."""
    if found is None or number < LEAST_ROWS:
        why = (
            "The model keeps no picture of its training rows."
            if found is None
            else f"Only {number} accounts are {accounts}."
        )
        return [Finding(f"drift{whose}", UNKNOWN, f"{why} Nothing can be said.", {"rows": number})]
    score = found[SCORE]
    moved = sorted(((value, name) for name, value in found.items() if name != SCORE and value > SHIFTED), reverse=True)
    # P(late) moves with the day of the month, whose columns are not among found: where no other has shifted, it alone
    # is no other population.
    dated = bool(whose) and not moved
    verdict = STOP if score > SHIFTED and not dated else WARN if score > LOOK else OK
    means = {OK: "as in training", WARN: "has moved", STOP: "is another population: retrain before its lists are used"}[
        verdict
    ]
    findings = [
        Finding(
            f"drift{whose or ' of the score'}",
            verdict,
            f"PSI {max(score, 0.0):.3f} beyond what is usual, over {number:,} accounts: {means}.",
            {"psi": score},
        )
    ]
    if moved:
        worst = ", ".join(f"{name} ({value:.2f})" for value, name in moved[:WORST_SHOWN])
        more = f" and {len(moved) - WORST_SHOWN} more" if len(moved) > WORST_SHOWN else ""
        beyond = f"PSI above {SHIFTED} beyond what is usual"
        says = f"{len(moved)} of {len(found) - 1} features have shifted ({beyond}): {worst}{more}."
    else:
        says = f"None of {len(found) - 1} features has shifted."
    name = f"drift of the features{whose}"
    return [*findings, Finding(name, WARN if len(moved) >= SEVERAL else OK, says, {"shifted": len(moved)})]


def _foretold(seen: LookedBack, params: Params) -> list[Finding]:
    """How well the list is ordered and how much money comes, as tonight's own chances foretell before a label of them
    has matured.
    """
    rows, title = seen.tonight, "order foretold"
    if rows is None or len(rows) < LEAST_ROWS or seen.taught_auc is None:
        return [Finding(title, UNKNOWN, "No model was taught, or too few accounts are scored. Nothing can be said.")]
    chance, expected = rows["p_recovered"].to_numpy(np.float64), rows["expected"].to_numpy(np.float64)
    order = foretold_auc(chance)
    money = foretold_money(rows["debtor_id"].astype("str"), chance, expected)
    lost = order.high < seen.taught_auc - LOST_AUC
    says = (
        f"AUC {order.value:.3f} [{order.low:.3f}, {order.high:.3f}] by tonight's chances, {seen.taught_auc:.3f} when "
        f"taught{': the score tells these accounts apart less well' if lost else ''}."
    )
    figures = {**asdict(order), "taught": seen.taught_auc}
    told = f"{money.value:,.2f} [{money.low:,.2f}, {money.high:,.2f}] {params.money.reporting_currency}"
    return [
        Finding(title, WARN if lost else OK, says, figures),
        Finding("money foretold", OK, f"{told} within {params.label.horizon_days} days.", asdict(money)),
    ]


def _early(rows: pd.DataFrame | None, params: Params) -> list[Finding]:
    """Payments within a week on nights whose labels have not matured, against the same of nights that have: how they
    pay is seen weeks before it is known what they paid.
    """
    title = "early payments"
    known = None if rows is None else rows[rows["early"].notna()].assign(recovered=lambda told: told["early"])
    young, old = (None, None) if known is None else (known[~known["matured"]], known[known["matured"]])
    if young is None or old is None or min(len(young), len(old)) < LEAST_ROWS:
        return [Finding(title, UNKNOWN, "Too few nights have matured to say how many pay within a week.")]
    (*now, people), (*before, payers) = (_ratio(part, "early", "p_recovered") for part in (young, old))
    found = quotient(Interval(*now), Interval(*before))
    limits = params.gate.money_ratio
    surely = found.high < limits[0] or found.low > limits[1]
    enough = min(people, payers) >= min(LEAST_PEOPLE, params.gate.bucket_min_debtors)
    says = (
        f"{young['early'].mean():.1%} of {len(young):,} paid within {EARLY_DAYS} days on nights that have not matured, "
        f"{old['early'].mean():.1%} of {len(old):,} on those that have: {found.value:.2f} [{found.low:.2f}, "
        f"{found.high:.2f}] of what they foretell; wanted {limits[0]} to {limits[1]}."
    )
    return [Finding(title, UNKNOWN if not enough else WARN if surely else OK, says, asdict(found))]


def _order(seen: LookedBack) -> list[Finding]:
    """The order of matured nights by what came of them, against that of training."""
    rows, title = seen.matured[seen.matured["recovered"].notna()], "order realised"
    if rows.empty or seen.taught_auc is None:
        return [Finding(title, UNKNOWN, "No list has matured yet, or no model was taught. Nothing can be said.")]
    paid = rows["recovered"].to_numpy(np.float64)
    found = realised_auc(rows["p_recovered"].to_numpy(np.float64), paid)
    if min(paid.sum(), len(paid) - paid.sum()) < LEAST_ROWS:
        return [Finding(title, UNKNOWN, f"Only {paid.sum():,.0f} of {len(paid):,} paid: too few to judge.")]
    lost = found.high < seen.taught_auc - LOST_AUC
    told = f"AUC {found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"
    says = f"{told} on matured nights, {seen.taught_auc:.3f} when taught."
    return [Finding(title, WARN if lost else OK, says, {**asdict(found), "taught": seen.taught_auc})]


def _late(seen: Lateness | None, params: Params) -> list[Finding]:
    """P(late) of the watch cohort: drift, and how many were late against how many were expected to be, book by book."""
    if seen is None:
        return []
    findings = _moved(seen.psi, seen.rows, " of P(late)", "watched")
    rows = seen.matured[seen.matured["late"].notna()]
    title = "late against expected"
    if rows.empty:
        said = (
            f"{seen.nights} nights said P(late), of which none has matured" if seen.nights else "No night said P(late)"
        )
        return [*findings, Finding(title, UNKNOWN, f"{said} yet. Nothing can be said.", {"nights": seen.nights})]
    groups = [("", rows), *((f" in {book}", own) for book, own in rows.groupby("portfolio", sort=True))]
    if (rows["said"] == WRITTEN).any():
        groups += [(f", {SAID_TO[said]}", rows[rows["said"] == said]) for said in SAID_TO]
    return [*findings, *(_late_in(f"{title}{where}", own, params) for where, own in groups if len(own))]


def _late_in(title: str, rows: pd.DataFrame, params: Params) -> Finding:
    """Reminders are no fault of P(late): fewer late than expected is none where those written to could explain it, had
    every one been late unwritten, and those whom the lot kept silent surely are not as few. Where these cannot tell it
    stays a warning. Who is written to is chosen, by being late among other things.
    """
    ratio, low, high, people = _ratio(rows.assign(recovered=rows["late"]), "late", "p_late")
    low, limits = max(low, 0.0), params.gate.money_ratio
    enough = people >= params.gate.bucket_min_debtors
    outside = not limits[0] <= ratio <= limits[1]
    few = "" if enough else f" Only {people} debtors were late: too few to judge."
    written, silent = (rows[rows["said"] == said] for said in (WRITTEN, KEPT_SILENT))
    at_rest = _ratio(silent.assign(recovered=silent["late"]), "late", "p_late")
    chosen = len(written) == len(rows)
    unwritten = rows.assign(recovered=rows["late"].mask(rows["said"] == WRITTEN, 1.0))
    explained = ratio < limits[0] and len(written) > 0 and _ratio(unwritten, "recovered", "p_late")[0] >= limits[0]
    excused = chosen or (explained and at_rest[1] >= limits[0])
    told = f" {len(written):,} were written to before it was known." if 0 < len(written) < len(rows) else ""
    if chosen:
        told = " Who is written to is chosen, the late ones among them: P(late) is not judged by these."
    elif excused:
        told += " Reminders may be why: P(late) alone is judged by those whom the lot kept silent."
    elif explained and not at_rest[2] < limits[0]:
        told += " Whether reminders are why cannot be told: the lot kept too few silent."
    says = (
        f"{rows['late'].mean():.1%} of {len(rows):,} were late, {rows['p_late'].mean():.1%} were expected: "
        f"{ratio:.2f} [{low:.2f}, {high:.2f}]; wanted {limits[0]} to {limits[1]}.{few}{told}"
    )
    figures = {"ratio": ratio, "low": low, "high": high, "rows": len(rows), "debtors": people, "written": len(written)}
    verdict = UNKNOWN if chosen or not enough else WARN if outside and not excused else OK
    return Finding(title, verdict, says, figures)


def _calibration(matured: pd.DataFrame, params: Params) -> list[Finding]:
    """Realised against expected money and recoveries over all scored accounts of matured
    nights that were not held out.
    """
    rows = matured[matured["recovered"].notna() & (matured["group"] != "held_out")]
    if rows.empty:
        return [Finding("calibration", UNKNOWN, "No list has matured yet. Nothing can be said.")]
    findings = []
    for name, expected, realised in (("money", "expected", "money"), ("recoveries", "p_recovered", "recovered")):
        ratio, low, high, people = _ratio(rows, realised, expected)
        limits = params.gate.money_ratio
        outside = not limits[0] <= ratio <= limits[1]
        surely = high < limits[0] or low > limits[1]
        enough = people >= params.gate.bucket_min_debtors
        told = STOP if surely and name == "money" else WARN if outside else OK
        verdict = told if enough else UNKNOWN
        few = "" if enough else f" Only {people} debtors recovered: too few to judge."
        says = f"realised / expected {ratio:.2f} [{low:.2f}, {high:.2f}]; wanted {limits[0]} to {limits[1]}.{few}"
        findings.append(
            Finding(
                f"calibration in {name}", verdict, says, {"ratio": ratio, "low": low, "high": high, "debtors": people}
            )
        )
    return findings


def _ratio(rows: pd.DataFrame, realised: str, expected: str) -> tuple[float, float, float, int]:
    """Sum of realised over sum of expected with a 95 % interval by debtor (linearised),
    and how many debtors recovered.
    """
    found = ratio_by_debtor(rows["debtor_id"], rows[realised], rows[expected])
    recovered = rows.groupby("debtor_id", sort=True)["recovered"].sum()
    return *found, int((recovered > 0).sum()) if not math.isnan(found[0]) else 0


def matured_lists(matured: pd.DataFrame) -> pd.DataFrame:
    """Per matured night: accounts listed, money expected and recovered on the list,
    share of all money recovered that was on it.
    """
    columns = ["as_of", "listed", "expected", "recovered", "share_of_money"]
    known = matured[matured["recovered"].notna()]
    if known.empty:
        return pd.DataFrame(columns=columns)
    on_list = known[known["group"].isin(["worklist", "joined"])]
    lists = pd.DataFrame(
        {
            "listed": (on_list["group"] == "worklist").groupby(on_list["as_of"]).sum(),
            "expected": on_list.groupby("as_of")["expected"].sum(),
            "recovered": on_list.groupby("as_of")["money"].sum(),
        }
    ).reindex(sorted(known["as_of"].unique()), fill_value=0)
    everything = known.groupby("as_of")["money"].sum().reindex(lists.index)
    lists["share_of_money"] = np.where(everything > 0, lists["recovered"] / everything.where(everything > 0, 1), np.nan)
    return lists.rename_axis("as_of").reset_index()[columns]


def _value(matured: pd.DataFrame) -> Finding:
    lists = matured_lists(matured)
    if lists.empty:
        return Finding("value of the lists", UNKNOWN, "No list has matured yet.")
    totals = lists[["listed", "expected", "recovered"]].sum()
    money = f"{totals['recovered']:,.2f} recovered, {totals['expected']:,.2f} expected"
    says = f"{len(lists)} matured lists with {int(totals['listed']):,} rows: {money}."
    return Finding("value of the lists", OK, says, {name: float(value) for name, value in totals.items()})


def _control(arms: pd.DataFrame, night: int, params: Params) -> Finding:
    running = arms[(arms["assigned_on"] <= night) & (arms["until_on"] > night)]
    size, share = len(running), params.worklist.control_share
    held = int((running["arm"] == CONTROL).sum())
    if share == 0:
        return Finding(
            "control group",
            WARN,
            "No control group is drawn (worklist.control_share is 0): what working adds will never be known.",
        )
    if not size:
        return Finding("control group", UNKNOWN, "No debtor is in a span yet.", {"held_out": 0, "debtors": 0})
    chance = running["probability"].where(running["arm"] != TO_WORK, share)  # of that arm the store keeps its own
    wanted = float(chance.sum())
    spread = math.sqrt(float((chance * (1 - chance)).sum()))
    odd = abs(held - wanted) > 4 * spread + 1
    says = f"{held:,} of {size:,} debtors are held out, {wanted:,.1f} expected" + (
        ": the draw is not what the params say." if odd else "."
    )
    return Finding("control group", WARN if odd else OK, says, {"held_out": held, "debtors": size, "expected": wanted})


def _effect(seen: LookedBack, params: Params) -> list[Finding]:
    spans = less_foretold(spans_of(seen.matured))
    control, worked = (_people(spans[spans["arm"] == arm]) for arm in (CONTROL, WORKED))
    counts, findings = {"worked": worked, "held_out": control}, [_power(spans, seen.arms)]
    if min(control, worked) < LEAST_PEOPLE:
        says = f"{control} held-out and {worked} worked debtors have matured; {LEAST_PEOPLE} of each are needed."
        return [*findings, Finding("what working adds", UNKNOWN, says, counts)]
    for name, unit in (
        ("money", f"{params.money.reporting_currency} per debtor"),
        ("recovered", "points of the share of debtors that pay"),
    ):
        scale = 100.0 if name == "recovered" else 1.0
        effect, error = difference(spans, name)
        low, high = effect - Z95 * error, effect + Z95 * error
        sure = "more than nothing" if low > 0 else "LESS than nothing" if high < 0 else "not told apart from nothing"
        says = (
            f"worked minus held out, as assigned, less what the scores foretold: {scale * effect:,.2f} {unit} "
            f"[{scale * low:,.2f}, {scale * high:,.2f}], {sure} "
            f"({worked:,} worked, {control:,} held out, {params.label.horizon_days} days)."
        )
        figures = {"effect": effect, "low": low, "high": high, **counts}
        findings.append(Finding(f"what working adds: {name}", WARN if high < 0 else OK, says, figures))
    if seen.contacted is not None and len(seen.contacted):
        findings.append(_followed(spans, seen.contacted))
    return findings


def _listed(seen: LookedBack, params: Params) -> list[Finding]:
    """What the list adds: debtors worked from it against those held out whom it would have had."""
    if seen.drawn is None or seen.drawn.empty or seen.matured.empty:
        return []
    title, guard = "listed against held out", seen.rung.guard if seen.rung else UNPROVEN_GUARD
    spans = less_foretold(listed_spans(seen.matured, seen.drawn, guard))
    worked, held = (_people(spans[spans["worked"] == side]) for side in (1, 0))
    counts = {"worked": worked, "held_out": held}
    if min(worked, held) < LEAST_PEOPLE:
        says = f"{held} held-out debtors whom the list would have had and {worked} worked from it have matured; "
        return [Finding(title, UNKNOWN, f"{says}{LEAST_PEOPLE} of each are needed.", counts)]
    foretold = float(spans["added"].mean())
    (share, share_error), (money, money_error) = (listed_difference(spans, name) for name in ("recovered", "money"))
    low, high = share - Z95 * share_error, share + Z95 * share_error
    money_low, money_high = money - Z95 * money_error, money + Z95 * money_error
    reached = power_reached_on(spans, foretold, share_error, params.label.gap_days)
    figures = {
        **counts,
        "foretold": foretold,
        "recovered": share,
        "recovered_low": low,
        "recovered_high": high,
        "money": money,
        "money_low": money_low,
        "money_high": money_high,
        "power_on": None if reached is None else day_text(reached),
    }
    says = (
        f"worked from the list less held out though it would have had them: {100 * share:,.1f} points of the share "
        f"that pays [{100 * low:,.1f}, {100 * high:,.1f}] where {100 * foretold:,.1f} are foretold, {money:,.2f} "
        f"{params.money.reporting_currency} per debtor [{money_low:,.2f}, {money_high:,.2f}] of money up to the "
        f"foretold amount ({worked:,} worked, {held:,} held out)"
    )
    if reached is not None:
        says += f"; what is foretold is seen in 4 of 5 cases from {day_text(reached)} on"
    return [Finding(title, WARN if high < 0 else OK, f"{says}.", figures)]


def _rung(rung: Rung | None, night: int) -> list[Finding]:
    """Where the effect by which the list is ordered stands, and what the draws say of it. A change is a warning,
    whichever way."""
    if rung is None:
        return []
    figures = {name: value for name, value in rung.figures.items() if math.isfinite(value)}
    said = f"{RUNGS_SAID[rung.state]} since {date_of(rung.since)}"
    if "slope" in figures:
        low, high = figures["slope_low_tonight"], figures["slope_high_tonight"]
        said += (
            f"; its slope on {figures['draws']:,.0f} matured draws is {figures['slope']:.2f} [{low:.2f}, {high:.2f}]"
        )
        if rung.state == UNPROVEN:
            proven_on = date_of(night + math.ceil(figures["power_days"]))
            said += f", and a slope of {UNPROVEN_GUARD.slope} would be proven by {proven_on} in 4 of 5 cases"
    elif figures.get("draws"):
        said += f"; {figures['draws']:,.0f} draws have matured, too few payers to conclude"
    changed = rung.changed_on(night)
    if changed:
        said += f". It changed tonight; before it was {RUNGS_SAID[rung.was]}"
    return [
        Finding("order by what working adds", WARN if changed or rung.state == DISPROVEN else OK, f"{said}.", figures)
    ]


def _messages(said: pd.DataFrame | None) -> list[Finding]:
    """What came of each variant, and of messages against silence. A variant to which more complain or opt out, surely,
    is a warning.
    """
    if said is None:
        return []
    spoken = said[said["variant"] != SILENT]
    if spoken.empty:
        return [Finding("messages", UNKNOWN, "No message has matured yet. Nothing can be said.")]
    findings = []
    for message, rows in table_of(spoken).groupby("message", sort=True):
        told = [
            f"{row.variant} ({row.debtors:,} debtors): "
            + ", ".join(
                f"{word} {100 * getattr(row, name):.1f} % "
                f"[{100 * getattr(row, f'{name}_low'):.1f}, {100 * getattr(row, f'{name}_high'):.1f}]"
                for name, word in OUTCOMES_SAID.items()
            )
            for row in rows.itertuples()
        ]
        worse = [
            f"{rows.loc[at, 'variant']} is {OUTCOMES_SAID[name]} by more than another, surely"
            for name in ("complained", "opted_out")
            for at in rows.index
            if rows.loc[at, f"{name}_low"] > rows[f"{name}_high"].min()
        ]
        figures = {
            f"{row.variant} {name}": float(getattr(row, name))
            for row in rows.itertuples()
            for name in ("debtors", *OUTCOMES_SAID)
        }
        says = "; ".join([*told, *worse]) + "."
        findings.append(Finding(f"variants of {message}", WARN if worse else OK, says, figures))
    return [*findings, _silence(said)]


def _fatigue(tired: pd.DataFrame | None) -> list[Finding]:
    """What another message does to the odds of paying and of answering, as the contact log has it."""
    if tired is None:
        return []
    findings = []
    for outcome, word in (("pays", "paying"), ("answers", "answering")):
        told, figures = [], {}
        for by, heads in FATIGUE_HEADS.items():
            rows = tired[(tired["outcome"] == outcome) & (tired["by"] == by)].dropna(subset=["log_odds"])
            classes = [
                f"{name} x {math.exp(at):.2f} [{math.exp(low):.2f}, {math.exp(high):.2f}]"
                for name, at, low, high in rows[["class", "log_odds", "low", "high"]].itertuples(index=False, name=None)
            ]
            told += [f"{heads} {', '.join(classes)}"] if classes else []
            names = zip(rows["class"], rows["log_odds"], strict=True)
            figures |= {f"{by} {name}": float(value) for name, value in names}
        says = "; ".join(told) or "too few messages to late debtors to say anything"
        title = f"fatigue: odds of {word} against days without a message"
        findings.append(Finding(title, OK if told else UNKNOWN, f"{says}.", figures))
    return findings


def _silence(said: pd.DataFrame) -> Finding:
    """Debtors to whom messages went against those left silent by the lot, of the ones over whom it decided, each
    weighted by the inverse of the chance of its side: control_share may have changed.
    """
    first = said[said["p_silent"] > 0].sort_values(["as_of", "message"], kind="stable").drop_duplicates("debtor_id")
    silent = (first["variant"] == SILENT).to_numpy()
    title, counts = "what messages add", {"spoken": int((~silent).sum()), "silent": int(silent.sum())}
    if min(counts.values()) < LEAST_PEOPLE:
        says = (
            f"{counts['silent']} silent and {counts['spoken']} written to have matured; {LEAST_PEOPLE} each are needed."
        )
        return Finding(title, UNKNOWN, says, counts)
    paid = first["paid"].to_numpy(np.float64)
    chance = first["p_silent"].to_numpy(np.float64)
    added, low, high = rates_apart(paid[~silent], paid[silent], 1 - chance[~silent], chance[silent])
    says = (
        f"written to less left silent, by lot: {100 * added:.1f} points of the share that pays "
        f"[{100 * low:.1f}, {100 * high:.1f}] ({counts['spoken']:,} written to, {counts['silent']:,} silent)."
    )
    return Finding(title, WARN if high < 0 else OK, says, {**counts, "added": added, "low": low, "high": high})


def _power(spans: pd.DataFrame, arms: pd.DataFrame) -> Finding:
    """The smallest effect that the debtors assigned so far can show: (1.96 + 0.84) x sd x sqrt(1/worked + 1/held out);
    sd, over debtors, of the mean of their spans, of what the scores do not foretell.
    """
    sizes = [max(int((arms["arm"] == arm).sum()), _people(spans[spans["arm"] == arm])) for arm in (WORKED, CONTROL)]
    own = spans.groupby("debtor_id")[["money", "recovered"]].mean()
    if min(sizes) == 0 or len(own) < LEAST_PEOPLE:
        return Finding("power", UNKNOWN, "Too few debtors have matured to say which effect could be seen.")
    shrink = math.sqrt(1 / sizes[0] + 1 / sizes[1])
    money, share = ((Z95 + POWER80) * float(own[name].std(ddof=1)) * shrink for name in ("money", "recovered"))
    effect = f"an effect of {money:,.2f} per debtor or {100 * share:.1f} points"
    says = f"with {sizes[0]:,} worked and {sizes[1]:,} held out, {effect} would be seen in 4 of 5 cases."
    return Finding("power", OK, says, {"money": money, "recovered": share})


def _people(spans: pd.DataFrame) -> int:
    """Debtors of spans: one that was drawn on thirty nights is one."""
    return int(spans["debtor_id"].nunique())


def _followed(spans: pd.DataFrame, contacted: pd.DataFrame) -> Finding:
    """How far the arms were really treated differently: a control group that is called like
    the rest measures nothing.
    """
    found = spans.merge(contacted, on=["debtor_id", "assigned_on"], how="left").fillna({"contacts": 0})
    rates = {arm: float((found.loc[found["arm"] == arm, "contacts"] > 0).mean()) for arm in (WORKED, CONTROL)}
    leaks = rates[CONTROL] > 0.1
    says = (
        f"{rates[WORKED]:.0%} of worked and {rates[CONTROL]:.0%} "
        "of held-out debtors were contacted by us in the horizon"
    )
    says += "; held-out debtors must be left alone." if leaks else "."
    return Finding(
        "control group kept", WARN if leaks else OK, says, {"worked": rates[WORKED], "held_out": rates[CONTROL]}
    )
