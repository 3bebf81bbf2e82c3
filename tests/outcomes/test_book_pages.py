"""The summary and the client reports: every figure is the figures file's, and those are what the deliveries say;
one page each.

Also of drawings.py.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import stat
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Page

from features.currencies import DECIMALS
from features.errors import CannotWrite, InputMissing
from pipeline.outcomes import drawings
from pipeline.outcomes.book_figures import figures
from pipeline.outcomes.book_pages import client_page, fatigue_of, file_names, summary_page, write_reports
from pipeline.pages.publication import GROUPS_SHOWN
from pipeline.params import load
from tests.worlds.afterwards import EARLIER, NIGHT, House
from tests.worlds.commands import recoup
from tests.worlds.paper_nights import HOSTILE
from tests.worlds.params import HOUSE
from tests.worlds.programs import axe_core

DAYS = 30


FIRST = NIGHT - dt.timedelta(DAYS)


@pytest.fixture(scope="module")
def house(two_nights) -> House:
    return two_nights


@pytest.fixture(scope="module")
def reports(house) -> Path:
    return write_reports(house.store, house.out, NIGHT, DAYS, house.params)


@pytest.fixture(scope="module")
def told(reports) -> dict:
    return json.loads((reports / "figures.json").read_text(encoding="utf-8"))


class Figures(HTMLParser):
    """Every marked figure of a page: its place in figures.json, its text, and in `units` what it counts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[list, str]] = []
        self.units: list[str] = []
        self._at: list | None = None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        told = dict(attributes)
        place = told.get("data-figure")
        if place:
            self.units.append(told["data-unit"])
            self._at = json.loads(place)
            self.found.append((self._at, ""))

    def handle_data(self, data):
        if self._at is not None:
            self.found[-1] = (self._at, self.found[-1][1] + data)

    def handle_endtag(self, tag):
        self._at = None


def held(told: dict, place: list):
    for part in place:
        told = told[part]
    return told


def number(text: str) -> float:
    """The number in a figure written in English or French."""
    digits = re.sub(r"[^\d,.-]", "", text)
    if re.search(r",\d{1,3}$", digits) and "." not in digits and not re.search(r",\d{3}$", digits):
        digits = digits.replace(",", ".")
    return float(digits.replace(",", ""))


@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_figure_on_every_page_is_the_figures_file_s(told, language):
    pages = [client_page(told, name, language) for name in told["portfolios"]]
    pages.append(summary_page(told, file_names(list(told["portfolios"])), language))
    seen = 0
    for page in pages:
        read = Figures(page)
        seen += len(read.found)
        for (place, text), unit in zip(read.found, read.units, strict=True):
            value = held(told, place)
            if value is None:
                assert text == "–"
                continue
            shown = number(text)
            if unit in ("share", "points"):
                assert abs(shown - value * 100) <= 0.5001, place
            elif unit in DECIMALS and not re.search(r"[.,]\d\d\b(?!,)", text):  # written without decimals
                assert abs(shown - value / 10 ** DECIMALS[unit]) <= 0.5, place
            else:
                assert shown == (value / 10 ** DECIMALS[unit] if unit in DECIMALS else value), place
    assert seen > 200  # figures on six pages


@pytest.mark.parametrize("language", ["en", "fr"])
def test_what_another_message_does_is_drawn_with_its_figures_under_it(house, told, language):
    assert told["fatigue"] == {}  # of a shop that sends no reminders
    reminding = house.params.model_copy(update={"reminders": load(HOUSE / "params.yaml").reminders})
    whole = {**told, "fatigue": fatigue_of(house.store, NIGHT, reminding)}
    page = summary_page(whole, file_names(list(told["portfolios"])), language)
    found = [(place, text) for place, text in Figures(page).found if place[0] == "fatigue"]
    assert len(found) == 2 * 11 * 5
    for place, text in found:
        value = held(whole, place)
        if value is None:
            assert text == "–"
        else:
            assert abs(number(text) - value) <= (0.005001 if place[-1] > 3 else 0), (place, text)
    known = [row for rows in whole["fatigue"].values() for row in rows if row[4] is not None]
    assert known
    assert page.count("<circle") == len(known)
    assert all(low <= at <= high for _, _, _, _, at, low, high in known)


def test_the_night_s_figures_are_its_manifest_s(house, told):
    manifest = json.loads((house.out / NIGHT.isoformat() / "manifest.json").read_bytes())
    assert told["night"]["counts"] == {group: manifest["counts"][group] for group in ("scorable", *GROUPS_SHOWN)}
    assert told["night"]["net_value"] == manifest["worklist"]["net_value"]
    scorable = sum(book["book"]["scorable"] for book in told["portfolios"].values())
    assert scorable == sum(
        book["owed"][code]["accounts"] for book in told["portfolios"].values() for code in book["owed"]
    )
    assert scorable == manifest["counts"]["scorable"]


# ---- against the delivery, read again the slow way -------------------------------------------------------------------


def delivered(house: House, table: str) -> pd.DataFrame:
    return pd.read_csv(next((house.folder / "source").glob(f"{table}.csv*")), dtype=str, keep_default_na=False)


@pytest.fixture(scope="module")
def naive(house) -> dict[str, pd.DataFrame]:
    """Payments and contacts with their accounts, the local day, and whether they were known before the night."""
    accounts = delivered(house, "accounts").drop_duplicates("account_id", keep="last").set_index("account_id")
    found = {}
    for name in ("payments", "contacts"):
        frame = delivered(house, name)
        frame = frame.assign(
            **{
                column: accounts.loc[frame["account_id"], column].to_numpy()
                for column in ("portfolio", "debtor_id", "currency")
            }
        )
        zones = [ZoneInfo(house.params.portfolio(portfolio).time_zone) for portfolio in frame["portfolio"]]

        def moment(text: str, zone: ZoneInfo) -> dt.datetime:
            read = dt.datetime.fromisoformat(text)
            return (read if read.tzinfo else read.replace(tzinfo=zone)).astimezone(zone)

        occurred = [moment(text, zone) for text, zone in zip(frame["occurred_at"], zones, strict=True)]
        known = [
            moment(text, zone) if text else at
            for text, zone, at in zip(frame["known_at"], zones, occurred, strict=True)
        ]
        frame["inside"] = [FIRST <= at.date() < NIGHT for at in occurred]
        frame["known"] = [at.date() < NIGHT for at in known]
        found[name] = frame
    return found


def test_what_was_recovered_is_what_the_payments_say(naive, told):
    paid = naive["payments"]
    known = paid[paid["known"]]
    back = (
        known[known["kind"] == "reversal"]
        .assign(amount=lambda rows: rows["amount"].astype(float))
        .groupby("reverses")["amount"]
        .sum()
    )
    kept = known[(known["kind"] == "payment") & known["inside"]]
    net = kept["amount"].astype(float) - kept["payment_id"].map(back).fillna(0)
    for name, book in told["portfolios"].items():
        for code, found in book["recovered"].items():
            own = (kept["portfolio"] == name) & (kept["currency"] == code) & (net > 1e-9)
            assert found["payments"] == own.sum()
            assert found["amount"] == round(net[own].sum() * 10 ** DECIMALS[code])
            assert found["debtors"] == kept.loc[own, "debtor_id"].nunique()
            assert found["months"][-1] == ["2026-09", found["amount"]]  # the thirty days are September
    assert sum(found["payments"] for book in told["portfolios"].values() for found in book["recovered"].values()) > 50


def test_what_was_worked_and_answered_is_what_the_contacts_say(naive, told):
    rows = naive["contacts"]
    seen = rows[rows["known"] & rows["inside"]]
    for name, book in told["portfolios"].items():
        own = seen[(seen["portfolio"] == name)]
        ours = own[(own["direction"] == "outbound") & (own["channel"] != "debit")]  # a debit is no contact
        assert book["worked"]["attempts"] == ours["contact_id"].nunique()
        assert book["worked"]["debtors"] == ours["debtor_id"].nunique()
        assert (
            sum(book["worked"]["by_channel"].values())
            == sum(book["answers"]["by_outcome"].values())
            == book["worked"]["attempts"]
        )
        promised = ours[ours["outcome"] == "promise"]["contact_id"].nunique()
        assert book["answers"]["promises"] == book["answers"]["by_outcome"].get("promise", 0) == promised
        assert book["answers"]["inbound"] == own[own["direction"] == "inbound"]["contact_id"].nunique()
    assert sum(book["worked"]["attempts"] for book in told["portfolios"].values()) > 100


def test_the_earlier_list_is_judged_and_the_newest_is_not(house, told):
    lists = [found for book in told["portfolios"].values() for found in book["lists"].values()]
    assert lists
    assert {night for found in lists for night, *_ in found["newest"]} == {EARLIER.isoformat()}
    listed = pd.read_parquet(house.out / EARLIER.isoformat() / "worklist.parquet")
    alone = told["portfolios"]["card_gb"]["lists"]["GBP"]["newest"][0]
    assert alone[1] >= (listed["queue"] == "card_gb").sum()
    assert alone[2] >= listed.loc[listed["queue"] == "card_gb", "expected_recovery"].sum()


def test_nothing_known_from_the_night_on_changes_a_figure(house, told):
    """The same figures from a store in which the night is long past."""
    again = figures(house.store, house.out, NIGHT, DAYS, house.params)
    assert json.loads(json.dumps(again)) == told["portfolios"]
    earlier = figures(house.store, house.out, EARLIER, DAYS, house.params)
    assert all(not book["lists"] for book in earlier.values())
    assert (
        max(month for book in earlier.values() for found in book["recovered"].values() for month, _ in found["months"])
        == "2026-07"
    )


@given(st.lists(st.sampled_from([*HOSTILE, "a", "a/b", "a b", "../../etc", "x" * 300]), unique=True))
def test_file_names_are_harmless_and_differ(portfolios):
    names = file_names(portfolios)
    assert len(set(names.values())) == len(portfolios)
    assert all(re.fullmatch(r"client-[A-Za-z0-9_-]{1,50}\.html", name) for name in names.values())


# ---- the files -------------------------------------------------------------------------------------------------------


def test_the_same_store_gives_the_same_bytes_for_the_owner_alone(house, reports, tmp_path):
    again = write_reports(house.store, tmp_path / "out", NIGHT, DAYS, house.params)
    for page in [*reports.glob("client-*.html"), reports / "collectors.html"]:
        assert (again / page.name).read_bytes() == page.read_bytes()
    assert {stat.S_IMODE(page.stat().st_mode) for page in again.iterdir()} == {0o600}
    assert [place.name for place in again.parent.iterdir()] == [NIGHT.isoformat()]


def test_a_night_published_before_there_were_those_who_pay_alone_is_still_told(house, tmp_path):
    night = tmp_path / NIGHT.isoformat()
    night.mkdir()
    manifest = json.loads((house.out / NIGHT.isoformat() / "manifest.json").read_bytes())
    del manifest["counts"]["self_cure"], manifest["value"]
    (night / "manifest.json").write_text(json.dumps(manifest))
    place = write_reports(house.store, tmp_path, NIGHT, DAYS, house.params)
    told = json.loads((place / "figures.json").read_text())
    assert told["night"]["counts"]["self_cure"] == 0
    assert told["night"]["counts"]["worklist"] == manifest["counts"]["worklist"]


def test_a_night_that_was_not_published_is_left_out(house, tmp_path):
    place = write_reports(house.store, tmp_path, NIGHT, DAYS, house.params)
    assert json.loads((place / "figures.json").read_text())["night"] is None
    assert "The list of" not in (place / "summary.html").read_text()


def test_before_anything_is_known_there_is_no_report(house, tmp_path):
    with pytest.raises(InputMissing, match="No account is known before 2001-01-01"):
        write_reports(house.store, tmp_path, dt.date(2001, 1, 1), DAYS, house.params)


def test_a_place_that_cannot_be_made_is_refused(house, tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(CannotWrite, match="cannot be created"):
        write_reports(house.store, tmp_path / "out", NIGHT, DAYS, house.params)


def test_the_command_writes_them(house, tmp_path, capsys):
    paths = ["--store", str(house.store), "--out", str(tmp_path), "--language", "fr"]
    assert recoup(house.folder, "report", "--as-of", NIGHT.isoformat(), *paths) == 0
    page = Path(capsys.readouterr().out.strip())
    assert "Vue d'ensemble" in page.read_text(encoding="utf-8").replace("&#39;", "'")


# ---- in a browser ----------------------------------------------------------------------------------------------------


@pytest.fixture
def page(browser) -> Iterator[Page]:
    asked: list[str] = []
    said: list[str] = []
    page = browser.new_page(viewport={"width": 1200, "height": 900}, bypass_csp=True)
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    yield page
    page.close()
    assert all(url.startswith("file:") and url.endswith(".html") for url in asked)
    assert said == []


@pytest.mark.parametrize(("name", "pages"), [("summary", 1), ("client-bought_us", 3), ("collectors", 4)])
def test_each_is_printed_and_read_by_everybody(page, reports, name, pages):
    """The summary on one page; a client's money, its plots, and the annex on one each; a table of collectors on as
    many as it takes.
    """
    page.goto((reports / f"{name}.html").as_uri())
    page.evaluate(axe_core())
    for width in (1200, 390):
        page.set_viewport_size({"width": width, "height": 900})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert [found["id"] for found in page.evaluate("axe.run()")["violations"]] == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.set_viewport_size({"width": 1200, "height": 900})
    page.emulate_media(color_scheme="light")
    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", page.pdf(prefer_css_page_size=True))) == pages
    page.emulate_media(color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(14, 20, 27)"
    clipped = page.evaluate("""() => [...document.querySelectorAll("svg text")].filter((text) => {
      const box = text.getBBox(), room = text.ownerSVGElement.viewBox.baseVal;
      return box.x < -1 || box.x + box.width > room.width + 1;
    }).map((text) => text.textContent)""")
    assert clipped == []


@pytest.mark.parametrize("tall", [(40, 60, 100, 10), (100, 60, 40, 10), (10, 100, 30, 100), (5, 5, 5, 5), (0, 0, 0, 0)])
@pytest.mark.parametrize("months", [1, 3, 13])
def test_no_figure_of_a_column_lies_over_a_bar_or_another_figure(tall, months):
    values = ([1] * 12 + list(tall))[-months:]
    shown = {values.index(max(values)), months - 1}
    drawn = drawings.columns(
        [("m", value, "123.4 M EUR" if place in shown else "") for place, value in enumerate(values)], "by month"
    )
    boxes = [
        tuple(map(float, found))
        for found in re.findall(r'<rect x="(.+?)" y="(.+?)" width="(.+?)" height="(.+?)"', drawn)
    ]
    wide = len("123.4 M EUR") * drawings.TEXT_WIDTH
    starts = {"start": 0, "middle": wide / 2, "end": wide}
    for x, y, anchor in re.findall(r'<text x="([\d.]+)" y="([\d.]+)" text-anchor="(\w+)" class="figure"', drawn):
        boxes.append((float(x) - starts[anchor], float(y) - 10, wide, 12))
    assert len(boxes) == months + len(shown)
    for one, other in combinations(boxes, 2):
        apart = one[0] + one[2] <= other[0] + 0.1 or other[0] + other[2] <= one[0] + 0.1
        assert apart or one[1] + one[3] <= other[1] + 0.1 or other[1] + other[3] <= one[1] + 0.1
    assert all(left >= 0 and left + width <= drawings.WIDTH + 0.1 and top >= 0 for left, top, width, _ in boxes)


def test_a_hostile_portfolio_is_text(browser, told, tmp_path):
    name = "</title><script>window.hit=1</script><img src=x onerror=window.hit=1>"
    spoilt = told | {"portfolios": {name: told["portfolios"]["card_gb"]}}
    page = browser.new_page()
    for text in (client_page(spoilt, name, "en"), summary_page(spoilt, file_names([name]), "en")):
        (tmp_path / "page.html").write_text(text, encoding="utf-8")
        page.goto((tmp_path / "page.html").as_uri())
        assert page.evaluate("window.hit") is None
        assert page.locator("script, img").count() == 0
        assert name in page.locator("body").inner_text()
    page.close()
