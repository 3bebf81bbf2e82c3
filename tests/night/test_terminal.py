"""What the terminal says of a night."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd

from pipeline.night.terminal import Published
from pipeline.pages.parts import Streamed
from tests.worlds.paper_nights import empty, night


def test_an_empty_list_names_on_the_terminal_the_three_rules_that_took_most():
    def by(rules: dict[str, int], frame: pd.DataFrame) -> pd.DataFrame:
        return pd.concat([frame.head(1).assign(rule=rule) for rule, accounts in rules.items() for _ in range(accounts)])

    made = empty()
    shut = by({"no_rate": 1, "age": 2, "disputed": 1200, "barred": 2}, made.excluded)
    made = empty(excluded=shut, deferred=by({"hours": 3}, made.deferred))
    lines = Published(Path("out"), made).text().splitlines()
    place = lines.index("The list is empty.")
    assert lines[place + 1 : place + 3] == [
        "Excluded most often by: disputed (1,200), age (2), barred (2)",
        "Deferred most often by: hours (3)",
    ]
    full = Published(Path("out"), night()).text(rows=True)
    assert "The list is empty." not in full
    assert re.search(r"^ *queue +rank +account +balance +p ", full, re.MULTILINE)


def test_why_a_list_is_empty_is_told_of_tables_that_are_gone_by_then():
    """A night reads tables of many rows in parts, and clears them away once it is published."""
    made, gone = empty(), []

    def read():
        assert not gone, "its parts were cleared away"
        yield made.excluded.head(1).assign(rule="holiday")
        yield made.excluded.head(1).assign(rule="holiday")

    told = Published(Path("out"), replace(made, excluded=Streamed(2, made.excluded.head(1), read)))
    gone.append("parts")
    assert "Excluded most often by: holiday (2)" in told.text()


def test_no_account_is_named_where_nobody_looks():
    """Unless it is asked for, as on a terminal, what a night says goes into logs."""
    made = night()
    said = Published(Path("out"), made).text()
    assert [name for name in made.worklist["account_id"] if name in said] == []
    assert made.worklist["account_id"].iloc[0] in Published(Path("out"), made).text(rows=True)


def test_accounts_before_their_due_day_and_books_without_any_are_told_in_a_line_each():
    about = {
        "accounts": 1234,
        "money": {"EUR": {"due_amount": 9_000_00, "money_at_risk": 1_234_56}, "JPY": {"money_at_risk": 700}},
        "no_charges": ["cards"],
    }
    made = night()
    said = Published(Path("out"), replace(made, manifest={**made.manifest, "watch": about})).text().splitlines()
    assert "1,234 accounts before their due day: 1,234.56 EUR, 700 JPY at risk." in said
    assert "Not watched: cards, of which no charges are delivered." in said
    unscored = {**about, "money": {"EUR": {"due_amount": 1}}, "no_charges": []}
    text = Published(Path("out"), replace(made, manifest={**made.manifest, "watch": unscored})).text()
    assert "1,234 accounts before their due day." in text
    assert "Not watched" not in text
    assert "due day" not in Published(Path("out"), made).text()
