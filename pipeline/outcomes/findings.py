"""Is the model still right, and what does working the list add? All findings of a night, and the verdict."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from features.days import date_of, day_number, day_text
from pipeline.night.alarm import OK, SCORE_MOVED, STOP, UNKNOWN, WARN, Alarm
from pipeline.outcomes import message_findings as of_messages
from pipeline.outcomes import model_findings as of_model
from pipeline.outcomes import work_findings as of_work
from pipeline.outcomes.looked_back import Finding, LookedBack
from pipeline.outcomes.model_findings import WORST_SHOWN
from pipeline.params import Params

# Of those that judge the model itself, one that cannot tell leaves the whole unknown; others are asked as they mature.
VITAL = ("drift", SCORE_MOVED, "calibration", "calibration in money")
BOOK = "portfolio"  # the class column that names an account's book
SIGNIFICANT = 6  # digits of a figure that a manifest keeps


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


def findings_on(seen: LookedBack, as_of: dt.date, params: Params) -> Findings:
    """All findings, in the order in which a person asks: has the population moved, was the model right, is there a
    control group, what did working the list add.
    """
    night = day_number(as_of)
    findings = [
        *of_model.drift(seen),
        *of_model.new_books(seen.unseen.get(BOOK, 0), seen.rows),
        *of_model.foretold(seen, params),
        *of_model.early(seen.early, params),
        *of_model.order(seen),
        *of_model.calibration(seen.matured, params),
        of_model.value(seen.matured),
        of_work.control(seen.arms, night, params),
        *of_work.effect(seen, params),
        *of_work.listed(seen, params),
        *of_work.rung(seen.rung, night),
        *of_messages.messages(seen.said),
        *of_messages.fatigue(seen.tired),
        *of_model.late(seen.watched, params),
    ]
    return Findings(as_of, tuple(findings), of_model.matured_lists(seen.matured))
