"""The drawing of fatigue, and what the monitor says of it."""

from __future__ import annotations

from xml.etree import ElementTree

import pandas as pd

from models.fatigue import BY, curves, stratum_of
from pipeline.outcomes.fatigue_curve import drawing
from pipeline.outcomes.message_findings import fatigue
from pipeline.simulate.reminded import live

SVG = "{http://www.w3.org/2000/svg}"


def a_curve() -> pd.DataFrame:
    days = live(800, 3, months=8, first=1.2).days
    return curves(days.assign(stratum=stratum_of(days["days_past_due"].to_numpy()), answers=0.0))


def test_every_class_that_something_tells_of_is_drawn_with_its_interval():
    table = a_curve()
    root = ElementTree.fromstring(drawing(table))
    known = table.dropna(subset=["log_odds"])
    assert len(root.findall(f".//{SVG}circle")) == len(known) >= 8
    assert len([line for line in root.findall(f".//{SVG}line") if line.get("class") == "span"]) == len(known)
    assert len(root.findall(f"./{SVG}g")) == 2 * len(BY)


def test_the_monitor_says_odds_with_intervals_and_where_nothing_is_known_so():
    pays, answers = fatigue(a_curve())
    assert pays.name == "fatigue: odds of paying against days without a message"
    assert "by its number in 30 days, 1 x " in pays.says
    assert pays.figures["number 1"] > 0
    assert answers.says == "too few messages to late debtors to say anything."
    assert fatigue(None) == []
