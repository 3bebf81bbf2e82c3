"""The pages of routes and for specialists: in every language, every text as text, and one person's block alone goes."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from pipeline.columns import SPECIALIST_COLUMNS
from pipeline.pages.language import languages, words
from pipeline.pages.publication import Night
from pipeline.pages.treatment_pages import routes_page, specialist_page
from pipeline.pages.without import Whose, without
from tests.worlds.paper_nights import night
from tests.worlds.programs import axe_core

ROUTE = {"plans": 2, "settlements": 1, "let_off": 120.5, "asked_a_month": 80.0}
TOLD = {
    "valued": True,
    "accounts": 9,
    "specialist": 3,
    "left_out": {"held_out": 2, "unknown": 1, "no_rate": 0},
    "new": 1,
    "routes": [
        {**ROUTE, "route": "internal", "party": "", "accounts": 7, "balance": 1234.5, "value": 99.5, "value_low": 40.0,
         "value_high": 150.0, "burden": 0.42},
        {**ROUTE, "route": "sale", "party": "<b>buyer</b>", "accounts": 2, "balance": 80.0, "value": 4.0,
         "value_low": 2.0, "value_high": 6.0, "burden": None},
    ],
    "moved": [{"before": "internal", "after": "agency north", "accounts": 2}],
    "sources": {"north": "placements+policy"},
    "beliefs": {"acceptance": "offers", "breaks": "plans", "agreement": "policy"},
}  # fmt: skip


def specialists() -> pd.DataFrame:
    about = {"portfolio": "loan_eu", "product": "loan", "currency": "EUR", "last_right_party": None, "rule": ""}
    about |= {"time_zone": "Europe/Paris", "group": "excluded", "as_of": night(0).as_of, "last_payment": None}
    about |= {"arrears": 1, "days_past_due": 4}
    rows = [
        {**about, "account_id": name, "debtor_id": who, "statuses": told, "balance": owed}
        for name, who, told, owed in (
            ("A-1", "D-1", "hardship deceased", 120_000), ("A-2", "D-1", "hardship", 50), ("A<3", "D-2", "attorney", 7)
        )
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(SPECIALIST_COLUMNS))


def told(language: str = "en", **changes: object) -> Night:
    return night(0, language=language, specialist=specialists(), manifest={"treatments": {**TOLD, **changes}})


@pytest.mark.parametrize("language", languages())
def test_both_pages_are_told_in_every_language(language):
    routes, people = routes_page(told(language)), specialist_page(told(language))
    said = words(language)["treatment"]
    for piece in (
        said["by_route"],
        said["changed"],
        said["left_out"]["unknown"],
        said["believed"]["placements"],
        said["believed"]["offers"],
        said["curves"]["breaks"],
    ):
        assert piece in routes.replace("&#39;", "'")
    assert f"{said['routes']['agency']}, north" in routes
    assert said["recorded_as"]["hardship"] in people
    assert words(language)["groups"]["excluded"] in people
    assert "{" not in re.sub(r"<style>.*?</style>", "", routes + people, flags=re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize(("language", "theme", "width"), [("en", "light", 1200), ("fr", "dark", 390)])
def test_both_pages_are_read_whole_on_a_screen_and_a_phone(browser, tmp_path, language, theme, width):
    """Nothing is asked for, nothing hangs over the edge, the accessibility checker finds nothing serious, and each
    figure of the sums has room."""
    for name, page_of in (("routes", routes_page), ("specialist", specialist_page)):
        (tmp_path / f"{name}.html").write_text(page_of(told(language)), encoding="utf-8")
        asked, said = [], []
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme, bypass_csp=True)
        page = context.new_page()
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.on("console", lambda message, said=said: said.append(message.text))
        page.goto((tmp_path / f"{name}.html").as_uri())
        assert len(asked) == 1
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        cut = "[...document.querySelectorAll('td, th')].filter(cell => cell.scrollWidth > cell.clientWidth + 1).length"
        assert page.evaluate(cut) == 0
        if name == "routes":
            cells = page.locator("section.full tbody tr").first.locator("th, td").all_inner_texts()
            assert len(cells) == 10
            assert all(cell.strip() for cell in cells)
        page.evaluate(axe_core())
        found = page.evaluate("axe.run()")["violations"]
        assert [each["id"] for each in found if each["impact"] in ("serious", "critical")] == []
        assert said == []
        context.close()


def test_every_text_is_text():
    routes, people = routes_page(told()), specialist_page(told())
    assert "&lt;b&gt;buyer" in routes
    assert "<b>buyer" not in routes
    assert "A&lt;3" in people
    assert "<script" not in routes + people


def test_a_night_that_values_nothing_says_why_and_tells_who_is_left_out():
    page = routes_page(told(valued=False))
    assert words("en")["treatment"]["unvalued"] in page
    assert "By route" not in page
    assert words("en")["treatment"]["left_out"]["held_out"] in page


def test_a_first_night_says_that_none_was_before():
    assert words("en")["treatment"]["no_night_before"] in routes_page(told(new=9))


def test_the_block_of_one_person_goes_and_the_others_stay(tmp_path: Path):
    place = tmp_path / "specialist.html"
    place.write_text(specialist_page(told()), encoding="utf-8")
    made = without(place, Whose(frozenset({"D-1"}), frozenset({"A-1", "A-2"})))
    assert made is not None
    page = made[0].decode()
    assert made[1] == 1
    assert "A-1" not in page
    assert "A-2" not in page
    assert "A&lt;3" in page
