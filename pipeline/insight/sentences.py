"""Findings in sentences that a credit manager can act on, and refusals to say more than is known; in the language of
whoever reads them.
"""

from __future__ import annotations

import math
from typing import Any

from features.days import date_of
from models.fairness import TELLING_AUC
from models.segments import BELOW, FROM, IS, Condition, Segment
from pipeline.insight.causes import OPENING, Causes, Cut, Finding, Unsaid
from pipeline.insight.openings import Openings
from pipeline.pages.language import words
from pipeline.pages.speech import Speech
from pipeline.params import Params


class Sentences:
    """What was found of these accounts, said in a language.

    A finding is one sentence: what, how many times as often and as what, with its interval, and how much of accounts
    and losses. limits: what the reader must know of how far this reaches, and what is not said and why.
    """

    def __init__(self, of: Openings, params: Params, language: str) -> None:
        self.of, self.params = of, params
        self.words, self.speech = words(language)["insight"], Speech(language)
        self.own = params.money.reporting_currency

    def fill(self, *path: str, **values: Any) -> str:
        text: Any = self.words
        for part in path:
            text = text[part]
        return text.format(bad=self.of.bad_dpd, within=self.of.within_days, **values)

    def finding(self, finding: Finding) -> str:
        ratio, share = finding.ratio, self.speech.share
        losses = "" if finding.loss_share is None else self.fill("losses", share=share(finding.loss_share, 1))
        return self.fill(
            "says",
            finding.outcome,
            which=self.fill("which", finding.family, segment=self._conditions(finding.segment)),
            others=self.words["others"][finding.family],
            ratio=self.speech.number(ratio.value, 1),
            low=self.speech.number(ratio.low, 1),
            high=self.speech.number(ratio.high, 1),
            accounts=share(finding.account_share, 1),
            events=share(finding.event_share, 1),
            losses=losses,
        )

    def outcome(self, name: str) -> str:
        return self.fill("outcome", name)

    def segment(self, segment: Segment) -> str:
        told = self._conditions(segment)
        return self.fill("which", "months", segment=told) if segment[0].column == OPENING else told

    def _conditions(self, segment: Segment) -> str:
        return ", ".join(self.condition(condition) for condition in segment)

    def condition(self, condition: Condition) -> str:
        if condition.column == OPENING:
            return self.speech.month(str(condition.value))
        name = self.fact(condition.column)
        if condition.kind == IS:
            return self.fill("condition", "is", name=name, value=condition.value)
        if condition.kind in (FROM, BELOW):
            value = self.speech.number(float(condition.value))
            money = f" {self.own}" if condition.column == "principal" else ""
            return self.fill("condition", condition.kind, name=name, value=f"{value}{money}")
        return self.fill("condition", "untold", name=name)

    def fact(self, column: str) -> str:
        """A column as it is called; those of the client's own have their own names."""
        return self.words["facts"].get(column) or column.removeprefix("x_").replace("_", " ")

    def avoided(self, finding: Finding) -> str:
        """What refusing the segment would have meant for the accounts that it was judged on."""
        ratio, count = finding.ratio, self.speech.count
        lost = "no_loss" if finding.loss is None else "loss"
        earned = "no_margin" if finding.margin is None else "margin_lost"
        return self.fill(
            "refused",
            n=count(ratio.inside),
            good=count(ratio.inside - ratio.inside_events),
            loss=self.fill(lost, money=self.money(finding.loss)),
            margin=self.fill(earned, money=self.money(finding.margin)),
        )

    def earlier(self, finding: Finding) -> str:
        first = finding.earlier
        return "" if first is None else self.fill("earlier", ratio=self.speech.number(first.value, 1))

    def cut(self, cut: Cut) -> str:
        share, low, high = (self.speech.share(each, 1) for each in cut.events)
        return self.fill(
            "cut",
            cut.outcome,
            condition=self.condition(cut.condition),
            accounts=self.speech.share(cut.accounts, 1),
            events=share,
            low=low,
            high=high,
        )

    def money(self, amount: float | None) -> str:
        return self.words["not_said"] if amount is None else f"{self.speech.number(amount, 0)} {self.own}"

    def range_of(self, value: float, low: float, high: float) -> str:
        value_said, *ends = (self.speech.factor(each) for each in (value, low, high))
        if not math.isfinite(low):
            return value_said
        return self.fill("range", value=value_said, low=ends[0], high=ends[1])

    def limits(self, found: Causes) -> list[str]:
        count, of, told = self.speech.count, self.of, []
        for outcome, (earlier, bad, later, later_bad, left) in found.halves.items():
            counts = {"earlier": earlier, "did": bad, "later": later, "later_did": later_bad, "left": left}
            counted = {name: count(size) for name, size in counts.items()}
            told.append(self.fill("halves", outcome=self.outcome(outcome), **counted))
        for book, days in sorted(of.followed.items()):
            first, last = (self.speech.day(date_of(day)) for day in days)
            told.append(self.fill("followed", book=book, first=first, last=last))
        if found.tests:
            sizes = {name: count(found.tests[name]) for name in ("facts", "months")}
            told.append(self.fill("tests", segments=sizes["facts"], months=sizes["months"]))
        if few := sum(each.state == "too few" for each in found.findings):
            told.append(self.fill("few", n=count(few)))
        if fell := sum(each.state == "not held" and each.family == "facts" for each in found.findings):
            told.append(self.fill("not_held", n=count(fell)))
        for column, (group, auc) in sorted(found.silenced.items()):
            figures = {"auc": self.speech.factor(auc), "bound": self.speech.factor(TELLING_AUC)}
            told.append(self.fill("silenced", column=column, group=group, **figures))
        told += [self.fill("left_out", name, n=count(size)) for name, size in sorted(of.left_out.items())]
        told += [self.unsaid(each) for each in found.unsaid]
        if len({*of.accounts["currency"]}) > 1:
            told.append(self.fill("rates", day=self.speech.day(self.params.money.rates_date)))
        return [*told, self.words["association"]]

    def unsaid(self, each: Unsaid) -> str:
        values = {name: self.speech.count(value) for name, value in each.counts.items()}
        outcome = self.outcome(each.outcome) if each.outcome else ""
        return self.fill("unsaid", each.why, outcome=outcome, codes=", ".join(each.codes), **values)
