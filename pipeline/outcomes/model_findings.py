"""Is the model still right? Drift, the order and the money foretold and realised, calibration of matured lists."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
import pandas as pd

from models.drift import SCORE, SHIFTED
from models.foretold import Interval, foretold_auc, foretold_money, quotient, realised_auc
from models.resampling import ratio_by_debtor
from pipeline.night.alarm import OK, STOP, UNKNOWN, WARN
from pipeline.outcomes.lateness import KEPT_SILENT, WRITTEN, Lateness
from pipeline.outcomes.looked_back import LEAST_PEOPLE, LEAST_ROWS, Finding, LookedBack
from pipeline.params import Params

WORST_SHOWN = 5
# Features that shift together where something changed: of hundreds a few always do on some day, for placements and
# notices come in batches and the arrears of a month ago stand in several columns.
SEVERAL = 5
LOOK = 0.2  # PSI of a score beyond what is usual from which it is worth a look: books drift by 0.15 of themselves
SAID_TO = {WRITTEN: "written to", KEPT_SILENT: "kept silent by lot"}
EARLY_DAYS, EARLY_KNOWN_DAYS = 7, 3  # days in which a payment is early; days until such a one is known
LOST_AUC = 0.05  # of the order at training, which is worth a look


def drift(seen: LookedBack) -> list[Finding]:
    return _moved(seen.psi, seen.rows, "", "scorable")


def new_books(accounts: int, rows: int) -> list[Finding]:
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


def foretold(seen: LookedBack, params: Params) -> list[Finding]:
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


def early(rows: pd.DataFrame | None, params: Params) -> list[Finding]:
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


def order(seen: LookedBack) -> list[Finding]:
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


def late(seen: Lateness | None, params: Params) -> list[Finding]:
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


def calibration(matured: pd.DataFrame, params: Params) -> list[Finding]:
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


def value(matured: pd.DataFrame) -> Finding:
    lists = matured_lists(matured)
    if lists.empty:
        return Finding("value of the lists", UNKNOWN, "No list has matured yet.")
    totals = lists[["listed", "expected", "recovered"]].sum()
    money = f"{totals['recovered']:,.2f} recovered, {totals['expected']:,.2f} expected"
    says = f"{len(lists)} matured lists with {int(totals['listed']):,} rows: {money}."
    return Finding("value of the lists", OK, says, {name: float(value) for name, value in totals.items()})
