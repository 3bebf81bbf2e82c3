"""The report of a run: one page that asks for nothing, shows names as text, and holds what books.py knows."""

from __future__ import annotations

import json
from dataclasses import replace

import pandas as pd
import pytest

from pipeline.training import report
from pipeline.training.train import train
from tests.worlds.panels import COLUMNS, made_panel
from tests.worlds.params import quick_params

pytestmark = pytest.mark.slow


def test_the_report_leaves_the_calendar_out_of_what_has_moved(first):
    moved = pd.DataFrame({"feature": ["month", "arrears"], "family": ["calendar", "balances"], "psi": [5.0, 0.3]})
    page = report.render(
        replace(first.evaluation, frames={**first.evaluation.frames, "drift": moved}), first.version, first.run_id
    )
    assert "<td>arrears</td>" in page
    assert "<td>month</td>" not in page


def test_the_report_is_one_page_that_asks_for_nothing(first):
    page = first.report.read_text()
    assert "<script" not in page
    assert "default-src 'none'" in page
    assert not [
        mark for mark in ("src=", 'href="http', "@import", "url(http") if mark in page.replace("img-src data:", "")
    ]
    assert page.count("<svg") >= 6
    assert "May be promoted" in page
    assert "Can this model be trusted" in page
    figures = json.loads(first.report.with_name("evaluation.json").read_text())
    model = next(
        row
        for row in figures["money"]
        if row["scope"] == "all" and row["ranking"] == "model" and row["capacity"] == 0.1
    )
    assert f"{model['share']:.1%}" in page
    assert figures["gates"][0]["passed"] is True
    told = {
        "backtest",
        "ablation",
        "importance",
        "drift",
        "curve",
        "interval",
        "effects",
        "swarm",
        "pulls",
        "seeds",
        "listed",
    }
    assert told <= set(figures)
    assert len({row["seed"] for row in figures["seeds"]}) == 5
    assert len({row["auc"] for row in figures["seeds"]}) == 5
    assert {row["capacity"] for row in figures["listed"]} == {0.05, 0.1, 0.2}
    assert "age old: recovered less often than predicted" in page
    assert "Roll rates by balance" in page
    assert 0 < figures["facts"]["reasons_after_refit"]["first"] <= 1
    assert "of all reasons are said again" in page
    assert "Liquidation by placement month" in page
    assert "30.0%" in page
    card = first.report.with_name("model_card.md").read_text()
    assert "## Limits" in card
    assert first.version in card
    assert "- age old: recovered less often than predicted" in card


def test_a_log_that_tells_nobody_apart_is_said_to(first):
    taught = {"rows": 900, "debtors": 300, "worked": 0.5, "paid_if_worked": 0.2, "paid_if_left": 0.2, "spread": 0.0}
    nothing = {"value": float("nan"), "low": float("nan"), "high": float("nan")}
    seen = {"value": 0.01, "low": -0.01, "high": 0.03}
    figures = {"slope": nothing, "plain": seen, "robust": seen, "hidden_zero": nothing, "hidden_unsure": nothing}
    flat = replace(
        first.evaluation,
        facts={**first.evaluation.facts, "effect": taught},
        frames={
            **first.evaluation.frames,
            "effect": pd.DataFrame([{"figure": name, **figure} for name, figure in figures.items()]),
        },
    )
    for text in (report.render(flat, first.version, first.run_id), report.model_card(flat, first.version, "run")):
        assert "the log tells nobody apart: the order is that of amount x p(1 - p)." in text
        assert "Out of fold one effect for all foretells best, its average 1.0% [-1.0%, 3.0%]." in text


@pytest.mark.parametrize("width", [1200, 800])
def test_no_table_of_the_report_loses_a_column(first, browser, width):
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(first.report.resolve().as_uri())
    tables = page.evaluate("[...document.querySelectorAll('.wide')].map(held => [held.scrollWidth, held.clientWidth])")
    page.close()
    assert len(tables) > 8
    assert all(needed <= given for needed, given in tables)


def test_names_from_outside_stay_text_in_the_report(place, tmp_path):
    odd = made_panel(200)
    names = {"book_eu": "<script>alert(1)</script>", "book_jp": "$x_{1}$ & co"}
    odd = replace(odd, cohort=odd.cohort.assign(portfolio=odd.cohort["portfolio"].map(names)))
    run = train(odd, quick_params(place, model={"min_events": 5_000}), COLUMNS, tmp_path / "store")
    page = run.report.read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "$x_{1}$ &amp; co" in page
