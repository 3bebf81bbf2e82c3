"""What came of messages: of each variant, of messages against silence, and of one more."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from models.variants import difference as rates_apart
from models.variants import table_of
from pipeline.night.alarm import OK, UNKNOWN, WARN
from pipeline.night.reminders import SILENT
from pipeline.outcomes.looked_back import LEAST_PEOPLE, Finding

FATIGUE_HEADS = {
    "age": "by days since the last,",
    "number": "by its number in 30 days,",
    "spacing": "by days after the one before,",
}
OUTCOMES_SAID = {"paid": "paid", "answered": "answered", "complained": "complained", "opted_out": "opted out"}


def messages(said: pd.DataFrame | None) -> list[Finding]:
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


def fatigue(tired: pd.DataFrame | None) -> list[Finding]:
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
