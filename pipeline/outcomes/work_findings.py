"""What does working the list add? The control group, worked against held out, and the effect that orders the list."""

from __future__ import annotations

import math

import pandas as pd

from features.days import date_of, day_text
from models.effect import UNPROVEN_GUARD
from models.ladder import DISPROVEN, NO_LOG, POWER80, PROVEN, UNPROVEN, Z95, Rung
from models.lot import CONTROL, TO_WORK, WORKED
from pipeline.night.alarm import OK, UNKNOWN, WARN
from pipeline.outcomes.looked_back import LEAST_PEOPLE, Finding, LookedBack
from pipeline.outcomes.spans import (
    difference,
    less_foretold,
    listed_difference,
    listed_spans,
    power_reached_on,
    spans_of,
)
from pipeline.params import Params

RUNGS_SAID = {
    NO_LOG: "not taught, the same effect for all is assumed",
    UNPROVEN: "from the contact log and not yet proven",
    PROVEN: "proven by draws",
    DISPROVEN: "disproven by draws, the order is that of amount x p(1 - p)",
}


def control(arms: pd.DataFrame, night: int, params: Params) -> Finding:
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


def effect(seen: LookedBack, params: Params) -> list[Finding]:
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


def listed(seen: LookedBack, params: Params) -> list[Finding]:
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


def rung(rung: Rung | None, night: int) -> list[Finding]:
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
