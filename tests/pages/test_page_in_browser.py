"""The list in a real browser: read, searched, sorted, opened, printed, by mouse and keyboard; nothing leaves it,
nothing runs in it.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

import pandas as pd
import pytest
from playwright.sync_api import Browser, Page

from pipeline.pages.page import html
from pipeline.pages.publication import Night
from tests.worlds.paper_nights import HOSTILE, empty, hostile, night
from tests.worlds.programs import axe_core

SERIOUS = ("serious", "critical")


@dataclass
class Watched:
    """What a page did besides being shown."""

    requests: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.messages.append(message.text))
        page.on("pageerror", lambda error: self.messages.append(str(error)))
        page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Opens a night's page from disk, for a reader in New York. Nothing but the page itself may be asked for,
    and nothing be said.
    """
    seen, contexts = Watched(), []

    def shown(made: Night | str, at: str = "", **context: object) -> Page:
        place = tmp_path / "worklist.html"
        place.write_text(made if isinstance(made, str) else html(made), encoding="utf-8")
        contexts.append(
            browser.new_context(
                **{"timezone_id": "America/New_York", "viewport": {"width": 1440, "height": 1000}} | context
            )
        )
        page = contexts[-1].new_page()
        seen.watch(page)
        page.goto(place.as_uri() + at)
        page.wait_for_selector("#panel > *")
        return page

    yield shown
    for context in contexts:
        context.close()
    assert {url.split("#")[0] for url in seen.requests} <= {(tmp_path / "worklist.html").as_uri()}
    assert (seen.messages, seen.dialogs) == ([], [])


def text(page: Page, selector: str) -> str:
    return page.locator(selector).first.inner_text()


def accounts(page: Page) -> list[str]:
    return page.locator("tr.row th .one").all_inner_texts()


def amount(shown: str) -> float:
    return float(re.sub(r"[^\d.]", "", shown))


# ---- what is shown ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1050, 1110, 1200, 1280, 1366, 1440])
def test_reasons_have_room_on_every_screen(show, width):
    page = show(night(5), viewport={"width": width, "height": 900})
    assert page.locator(".list > tbody > .row > td").nth(9).bounding_box()["width"] >= 180
    # only the list itself may scroll sideways
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("width", [390, 1110])
def test_whose_identity_is_to_be_verified_is_seen_beside_the_channel_and_told_in_the_opened_row(show, width):
    made = night(5)
    said = ["", "Verify identity first: a number or address is new since 12 Nov 2026.", "", "", ""]
    made = replace(made, worklist=made.worklist.assign(verify_identity=said))
    page = show(made, viewport={"width": width, "height": 900})
    rows = page.locator("tr.row")
    assert ["verify" in rows.nth(place).inner_text() for place in range(5)] == [bool(one) for one in said]
    badge, cell = rows.nth(1).locator(".badge.warn", has_text="verify"), rows.nth(1)
    box, whole = badge.bounding_box(), cell.bounding_box()
    assert (badge.get_attribute("title"), box["x"] + box["width"] <= whole["x"] + whole["width"]) == (said[1], True)
    rows.nth(1).click()
    assert said[1] in page.locator(".pane p.adds").all_inner_texts()
    assert "verify" not in show(night(5)).locator("tr.row").nth(1).inner_text()


@pytest.mark.parametrize("width", [1110, 1200, 1366, 1600])
def test_the_first_reason_is_read_whole_and_rows_keep_one_height(show, width):
    made = night(30)
    long = "A call adds more: Kept 2 of 3 promises in the last year"
    reasons = [long if number % 2 else "Last payment 9 days ago" for number in range(len(made.worklist))]
    made = replace(made, worklist=made.worklist.assign(reason_1=reasons))
    page = show(made, viewport={"width": width, "height": 900})
    page.evaluate("for (const one of document.querySelectorAll('.list .why .one')) one.classList.add('up')")  # an arrow
    whole = "one.scrollWidth <= one.clientWidth && one.scrollHeight <= one.clientHeight"
    told = page.locator(".list .why .one").evaluate_all(f"all => all.map(one => [one.title, {whole}])")
    assert {title for title, _ in told} == set(reasons)
    assert all(shown for _, shown in told)
    heights = page.locator("tr.row").evaluate_all("rows => rows.map(row => Math.round(row.offsetHeight))")
    assert len(set(heights)) == 1


def test_rows_and_sums_are_those_of_the_manifest(show):
    made = night(300)
    page, totals = show(made), made.totals()
    assert text(page, "#sum-rows") == "300 of 300 debtors"
    assert amount(text(page, "#sum-net")) == pytest.approx(totals["net_value"] / 100, abs=0.5)
    for name, at in (("arrears", "#sum-arrears"), ("balance", "#sum-balance"), ("expected_recovery", "#sum-expected")):
        shown = {part[:1]: amount(part) for part in text(page, at).split(" · ")}
        assert shown["€"] == pytest.approx(totals["per_currency"]["EUR"][name] / 100, abs=0.5)
        assert shown["£"] == pytest.approx(totals["per_currency"]["GBP"][name] / 100, abs=0.5)
        assert shown["J"] == totals["per_currency"]["JPY"][name]
    assert text(page, "#total-debtors") == "300"
    counts = dict(
        re.fullmatch(r"(\D+?) ([\d,]+)", shown).groups() for shown in page.locator("#went-list li").all_inner_texts()
    )
    assert {name: int(count.replace(",", "")) for name, count in counts.items()} == {
        words_of(page)["groups"][group]: count for group, count in made.counts.items() if group != "scorable"
    }
    assert text(page, "#tab-deferred small") == f"{made.counts['deferred']}"
    assert 10 < page.locator("tr.row").count() < 100


def test_a_row_says_what_to_ask_for_what_is_disputed_and_which_credit_is_held_elsewhere(show):
    made = night(8)
    page, unit = show(made), [10 ** made.decimals[code] for code in made.worklist["currency"]]
    audit = made.audit
    assert audit["disputed"].gt(0).sum() == 2
    assert audit["debtor_credit"].gt(0).sum() == 1
    for row in range(8):
        below = page.locator(f'tr.row[data-row="{row}"] td.money .two').first
        shown, whole = below.inner_text(), below.get_attribute("title").split(" · ")
        held = {name: audit[name][row] / unit[row] for name in ("asked", "disputed", "debtor_credit")}
        if held["disputed"]:
            assert [amount(shown), *map(amount, whole[0].split(":"))] == [
                held["asked"],
                held["disputed"],
                held["asked"],
            ]
        elif held["debtor_credit"]:
            assert amount(shown) == amount(whole[0]) == held["debtor_credit"]
        assert whole[-1].startswith("of ")
        assert (shown == whole[-1]) == (not held["disputed"] and not held["debtor_credit"])


def words_of(page: Page) -> dict:
    return page.evaluate("JSON.parse(document.getElementById('night').textContent).words")


def test_an_opened_row_tells_reasons_history_windows_on_both_clocks_and_what_limits_it(show):
    made = night(300)
    limited = set(made.details.limits["account_id"])
    rows = made.worklist[(made.worklist["time_zone"] == "Europe/Paris") & made.worklist["account_id"].isin(limited)]
    account = rows["account_id"].iloc[1]
    page = show(made, f"#account={account}")
    assert text(page, "#sum-rows") == "1 of 300 debtors"
    detail = page.locator("tr.detail")
    said = detail.inner_text()
    for heading in (
        "What a call changes",
        "Why it may pay",
        "Balance and payments",
        "Recent contacts",
        "Promises",
        "When and how",
        "How net value is formed",
    ):
        assert heading in said
    row = made.worklist[made.worklist["account_id"] == account].iloc[0]
    assert row["reason_1"] in said
    assert "Limited by us.reg_f.hours" in said
    assert "12 CFR 1006.6(b)(1)" in said
    channels = [line.split("\t") for line in said.splitlines() if line.startswith(("Call", "Text")) and "\t" in line]
    assert any(cells[2:4] == ["08:00–20:45", "02:00–14:45"] for cells in channels)  # Paris, and New York
    for title, frame, rest, whole in (
        ("What a call changes", made.details.effects, "effect_rest", "effect"),
        ("Why it may pay", made.details.reasons, "chance_rest", "chance"),
    ):
        pane, sums = detail.get_by_role("group", name=title), made.details.sums.set_index("account_id").loc[account]
        pulls = [*frame[frame["account_id"] == account]["contribution"], sums[rest]]
        bars = pane.locator(".pull .axis i")
        assert bars.count() == len(pulls)
        assert pane.locator(".pull .plus").count() == sum(pull > 0 for pull in pulls)
        assert sum(pulls) == pytest.approx(sums[whole])
        assert f"Together: {sums[whole]:+.2f}".replace("-", "\u2212") in pane.inner_text().replace("-", "\u2212")
        edge = pane.locator(".pull .axis").first.bounding_box()
        for place, pull in enumerate(pulls):
            box = bars.nth(place).bounding_box()
            middle = edge["x"] + edge["width"] / 2
            assert box["x"] >= middle - 1 if pull > 0 else box["x"] + box["width"] <= middle + 1
    label = detail.locator("svg[role=img]").get_attribute("aria-label")
    paid = made.details.payments[made.details.payments["account_id"] == account]
    assert f"{len(paid)} payments" in label


def test_one_click_shows_the_other_order_and_the_page_says_what_each_would_bring(show):
    made = night(60)
    page = show(made)
    assert accounts(page)[:3] == list(made.worklist["account_id"][:3])
    said = text(page, "#orders")
    assert "60 debtors bring back €9,000, €1,200 of it added" in said
    assert "60 debtors, €13,000, €700 of it added" in said
    assert "from the contact log, not yet proven" in said
    page.locator("#by-total").click()
    assert page.locator("#by-total").get_attribute("aria-pressed") == "true"
    queues = {queue: place for place, queue in enumerate(dict.fromkeys(made.worklist["queue"]))}
    by_total = made.worklist.assign(place=made.worklist["queue"].map(queues)).sort_values(["place", "rank_total"])
    assert accounts(page)[:5] == list(by_total["account_id"][:5])
    page.locator("#by-added").click()
    assert accounts(page)[:3] == list(made.worklist["account_id"][:3])


def test_money_is_named_once_the_effect_is_proven_a_band_before_and_never_a_harm(show):
    made = night(8)
    unproven = show(made)
    unproven.locator("tr.row .open").first.click()
    said = text(unproven, ".adds")
    assert re.fullmatch("A call adds (little|some|much): learnt from the contact log, not yet proven.", said)
    silent = show(night(8, manifest={**made.manifest, "value": {**made.manifest["value"], "bands": False}}))
    silent.locator("tr.row .open").first.click()
    assert text(silent, ".adds").endswith("Draws do not bear it out yet, so no amount is named.")
    assert "adds little" not in silent.locator("tr.row").first.inner_text()
    value = {**made.manifest["value"], "rung": {"state": "proven", "since": "2026-10-31"}}
    proven = show(night(8, manifest={**made.manifest, "value": value}))
    proven.locator("tr.row .open").first.click()
    adds = (made.worklist["added_value"].iloc[0] + 120) / 100
    assert text(proven, ".adds") == f"A call adds about €{adds:,.0f} (pays 21% → 29%)."
    assert "harm" not in proven.locator("body").inner_text()


@pytest.mark.parametrize(("least", "alone"), [(0.2, True), (0.9, False)])
def test_who_likely_pays_anyway_is_said_from_the_share_of_the_params_on(show, least, alone):
    made = night(8)
    value = {**made.manifest["value"], "self_cure_from": least}
    page = show(night(8, worklist=made.worklist.assign(effect="little"), manifest={**made.manifest, "value": value}))
    page.locator("tr.row .open").first.click()
    assert text(page, ".adds").startswith("Likely pays anyway" if alone else "A call adds little")


@pytest.mark.parametrize(
    ("as_of", "said"), [(dt.date(2020, 2, 28), "This list has expired"), (dt.date(2099, 2, 28), "not for today yet")]
)
def test_a_list_of_another_day_says_so(show, as_of, said):
    page = show(night(5, as_of=as_of))
    assert said in text(page, "#notice")
    assert text(page, "#reachable") == "–"


def test_an_empty_night_says_why_it_is_empty(show):
    made = empty()
    said = text(show(made), "#panel")
    assert "No account is on the list" in said
    assert f"Of {made.counts['scorable']} scorable accounts" in said
    assert f"{made.counts['deferred']} Deferred. May be worked later" in said


def test_deferred_and_excluded_name_rule_source_and_first_time(show):
    made = night(60)
    page = show(made)
    page.get_by_role("tab", name="Deferred").click()
    said = text(page, "#panel")
    for rule in set(made.deferred["rule"]):
        assert rule in said
    assert set(made.deferred["citation"]) - {"house rule"} <= set(
        re.findall(r"12 CFR 1006\.14\S+|940 CMR 7\.04\S+", said)
    )
    assert page.locator("#panel table").last.locator("tbody tr").count() == made.counts["deferred"]
    page.get_by_role("tab", name="Excluded").click()
    assert "11 U.S.C. 362" in text(page, "#panel")


# ---- what a reader does ----------------------------------------------------------------------------------------------


def test_search_filter_sort_and_back(show):
    made = night(300)
    listed, page = made.worklist, show(made)
    wanted = listed["account_id"].iloc[41]
    page.get_by_role("searchbox").fill(wanted.lower())
    page.locator("#sum-rows", has_text="1 of 300").wait_for()
    assert accounts(page) == [wanted]
    page.get_by_role("searchbox").fill("no such thing")
    page.wait_for_selector("#nothing:not([hidden])")
    page.get_by_role("button", name="Show all").click()
    page.get_by_label("Queue").select_option("invoices_jp")
    own = listed[listed["queue"] == "invoices_jp"]
    assert text(page, "#sum-rows") == f"{len(own)} of 300 debtors"
    assert amount(text(page, "#sum-net")) == pytest.approx(own["net_value"].sum() / 100, abs=0.5)
    page.get_by_label("Channel").select_option("sms")
    both = own[own["channel"] == "sms"]
    assert text(page, "#sum-rows") == f"{len(both)} of 300 debtors"
    page.get_by_role("button", name="Show all").click()
    page.get_by_role("button", name="Sort by Days past due").click()
    assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
    assert (
        accounts(page)[:5]
        == listed.sort_values("days_past_due", ascending=False, kind="stable")["account_id"].head(5).tolist()
    )
    page.get_by_role("button", name="Sort by Days past due").click()
    assert accounts(page)[:5] == listed.sort_values("days_past_due", kind="stable")["account_id"].head(5).tolist()


def test_ticked_rows_are_added_up(show):
    made = night(60)
    page = show(made)
    for place in (0, 2, 3):
        page.locator(".tick").nth(place).check()
    ticked = made.worklist.iloc[[0, 2, 3]]
    assert text(page, "#sum-rows") == "3 ticked"
    assert amount(text(page, "#sum-net")) == pytest.approx(ticked["net_value"].sum() / 100, abs=0.5)
    page.get_by_role("button", name="Untick").click()
    assert text(page, "#sum-rows") == "60 of 60 debtors"


def test_everything_is_reached_by_keyboard(show):
    made = night(300)
    page = show(made)
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.type") == "search"
    page.locator(".open").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert page.locator("tr.detail").count() == 1
    opener = page.locator(".open[aria-expanded=true]")
    assert opener.get_attribute("aria-label") == f"Details of {made.worklist['account_id'].iloc[1]}"
    assert (
        page.evaluate("document.getElementById(document.activeElement.getAttribute('aria-controls')).className")
        == "detail"
    )
    page.keyboard.press("Escape")
    assert page.locator("tr.detail").count() == 0
    page.keyboard.press("End")
    page.locator(".open:focus").wait_for()
    assert (
        page.locator(".open:focus").get_attribute("aria-label") == f"Details of {made.worklist['account_id'].iloc[-1]}"
    )
    focused = page.evaluate(
        "(({top, bottom}) => top >= 0 && bottom <= innerHeight)(document.activeElement.getBoundingClientRect())"
    )
    assert focused
    page.get_by_role("tab", name="Work list").focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.id") == "tab-next_in_line"
    assert page.locator("#tab-next_in_line").get_attribute("aria-selected") == "true"


def test_a_screen_reader_is_told_how_many_rows_there_are_and_which_this_is(show):
    page = show(night(300))
    assert page.locator("#list").get_attribute("aria-rowcount") == "301"
    assert page.locator("tr.row").nth(4).get_attribute("aria-rowindex") == "6"
    page.get_by_label("Queue").select_option("loan_eu")
    assert re.fullmatch(r"\d+ of 300 debtors", page.locator("[role=status]").inner_text())


def test_dark_follows_the_reader_and_the_button(show):
    made = night(5)
    page = show(made, color_scheme="dark")
    back = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(back)
    assert page.locator("html").get_attribute("data-theme") == "dark"
    page.get_by_role("button", name="Light or dark").click()
    light = page.evaluate(back)
    assert sum(map(int, re.findall(r"\d+", light))) > 600 > 150 > sum(map(int, re.findall(r"\d+", dark)))


def test_print_shows_every_row_with_room_for_the_outcome_and_no_tools(show):
    made = night(120)
    page = show(made)
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("tr.row").count() == 120
    assert page.locator("td.paper").first.is_visible()
    for hidden in (".tools .line", "#tabs", ".buttons"):
        assert not page.locator(hidden).first.is_visible()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("tr.row").count() < 120


# ---- nothing leaves, nothing runs ------------------------------------------------------------------------------------


def injected(page: Page) -> dict:
    """What happens to a script put into the page, to markup made of text, and to a request:
    whether each got through.
    """
    return page.evaluate("""async () => {
      const blocked = [];
      document.addEventListener("securitypolicyviolation", (event) => blocked.push(event.effectiveDirective));
      const tried = (what) => { try { what(); return true; } catch { return false; } };
      const script = document.createElement("script");
      tried(() => { script.textContent = "window.hit = 1"; });
      document.body.append(script);
      const markup = tried(() => { document.body.insertAdjacentHTML("beforeend", "<i></i>"); });
      const asked = await fetch("data:text/plain,x").then(() => true, () => false);
      await new Promise((done) => setTimeout(done, 100));  // violations are told a moment later
      return { ran: window.hit === 1, markup, asked, blocked };
    }""")


def test_the_policy_stops_scripts_markup_and_requests(browser, tmp_path):
    place = tmp_path / "page.html"
    place.write_text(html(night(5)), encoding="utf-8")
    page = browser.new_page()
    page.goto(place.as_uri())
    found = injected(page)
    page.close()
    assert (found["ran"], found["markup"], found["asked"]) == (False, False, False)
    assert "connect-src" in found["blocked"]


def test_without_the_policy_all_of_it_would_get_through(browser, tmp_path):
    place = tmp_path / "page.html"
    place.write_text(re.sub(r"<meta http-equiv[^>]*>", "", html(night(5))), encoding="utf-8")
    page = browser.new_page()
    page.goto(place.as_uri())
    found = injected(page)
    page.close()
    assert (found["ran"], found["markup"], found["asked"]) == (True, True, True)


def test_s24_hostile_text_is_text(attacks, show):
    for tab in attacks.over(["worklist", "deferred", "excluded", "self_cure", "about"]):
        page = show(hostile(), f"#tab={tab}")
        if tab == "worklist":
            for place in (2, 1, 0):  # those below first: an opened row pushes them out of sight
                page.locator(".open").nth(place).click()
        assert page.evaluate("window.hit") is None
        assert page.locator("img, iframe, object, a:not(.skip), form").count() == 0
        assert page.locator("script").count() == 2
        shown = page.locator("#panel").text_content()
        found = sum(payload in shown for payload in HOSTILE if payload.isprintable())
        assert found >= {"about": 2, "self_cure": 4}.get(tab, 10)


def test_a_hostile_account_is_found_by_its_link(show):
    made = hostile()
    account = next(text for text in made.worklist["account_id"] if text.startswith("</script>"))
    page = show(made, f"#account={quote(account)}")
    assert page.locator("tr.detail").count() == 1
    assert page.evaluate("window.hit") is None


# ---- for everybody, and at once --------------------------------------------------------------------------------------


def findings(page: Page) -> list[tuple[str, str]]:
    page.evaluate(axe_core())
    return [
        (found["id"], found["nodes"][0]["html"])
        for found in page.evaluate("axe.run()")["violations"]
        if found["impact"] in SERIOUS
    ]


@pytest.mark.parametrize(
    ("at", "theme"), [("worklist", "light"), ("worklist", "dark"), ("deferred", "light"), ("about", "dark")]
)
def test_the_accessibility_checker_finds_nothing_serious(show, at, theme):
    page = show(night(8, language="fr" if theme == "dark" else "en"), f"#tab={at}&theme={theme}", bypass_csp=True)
    if at == "worklist":
        page.locator(".open").first.click()
    assert findings(page) == []


def test_the_accessibility_checker_does_find_what_is_wrong(show):
    page = show(night(5), bypass_csp=True)
    page.evaluate(
        "document.getElementById('search').removeAttribute('aria-label'); "
        "document.getElementById('search').placeholder = ''"
    )
    page.evaluate("document.querySelector('h1').style.color = '#f0f0f0'")
    assert {name for name, _ in findings(page)} == {"label", "color-contrast"}


@pytest.fixture(scope="module")
def long_page() -> str:
    return html(night(5_000))


@pytest.mark.slow
def test_a_page_of_five_thousand_rows_stays_small(long_page):
    assert len(long_page.encode()) < 5_000_000


def test_five_thousand_rows_are_there_and_answer_within_a_second(show, long_page):
    """A second of the page's own thread: other work on the machine is not the page's."""
    page = show(long_page)
    metrics = page.context.new_cdp_session(page)
    metrics.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.reload()
    page.evaluate("""() => {
      document.querySelector('th[data-key="days_past_due"] button').click();
      document.querySelector('[data-key="queue"]').value = "loan_eu";
      document.querySelector('[data-key="queue"]').dispatchEvent(new Event("change"));
      document.querySelector(".open").click();
      document.body.getBoundingClientRect();
    }""")
    spent = {each["name"]: each["value"] for each in metrics.send("Performance.getMetrics")["metrics"]}
    assert 0 < spent["TaskDuration"] < 1, spent


# ---- who works it: names and numbers, on a phone ---------------------------------------------------------------------


def shown_people(rows: int = 30) -> Night:
    made = night(rows)
    ids = made.worklist["account_id"]
    told = {"display_name": [f"Ana Sample {at}" for at in range(rows)], "display_reference": ids.str.replace("A", "R-")}
    phones = [("+44 (0)131 496 0" + f"{at:03d}", "ask for Ana", "")[at % 3] for at in range(rows)]
    display = pd.DataFrame({"account_id": ids, **told, "display_phone": phones})
    waits = made.next_in_line["account_id"]
    others = {"display_name": "Bo Waits " + waits, "display_reference": waits, "display_phone": "+44 131 496 0999"}
    display = pd.concat([display, pd.DataFrame({"account_id": waits, **others})], ignore_index=True)
    return replace(made, details=replace(made.details, display=display))


def test_names_numbers_and_references_are_shown_and_found(show):
    made = shown_people()
    page = show(made)
    assert "Ana Sample 0" in text(page, "tr.row th")
    page.locator("#search").fill("Ana Sample 17")
    page.locator("#sum-rows", has_text="1 of 30").wait_for()
    assert accounts(page) == [made.worklist["account_id"].iloc[17]]
    page.locator(".open").first.click()
    assert made.worklist["account_id"].iloc[17].replace("A", "R-") in text(page, "tr.detail")


def test_on_a_phone_each_debtor_is_a_card_that_opens_on_a_tap_and_is_called_by_a_link(show):
    made = shown_people()
    page = show(made, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    row, link = page.locator("tr.row").first, page.locator("tr.row .call").first
    assert row.bounding_box()["width"] <= 390
    assert (link.get_attribute("href"), link.is_visible()) == ("tel:+441314960000", True)
    assert min(link.bounding_box()["height"], page.locator("#reset").bounding_box()["height"]) >= 38
    assert page.locator("tr.row .call").count() == page.locator("tr.row[data-row]").evaluate_all(
        "rows => rows.filter((row) => Number(row.dataset.row) % 3 === 0).length"
    )
    row.locator("th").tap()
    assert page.locator("tr.detail").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.wait_for_selector('tr.row[data-row="29"]')


def test_a_phone_number_on_the_desk_is_a_link_in_the_opened_row(show):
    page = show(shown_people())
    assert not page.locator("tr.row .call").first.is_visible()
    page.locator(".open").first.click()
    assert page.locator("tr.detail a").get_attribute("href") == "tel:+441314960000"


def test_nobody_next_in_line_is_left_out_and_what_is_not_overdue_says_why(show):
    made = night(40)
    page = show(made, "#tab=next_in_line")
    rows = page.locator("#panel tbody tr").all_inner_texts()
    assert len(rows) == made.counts["below_capacity"] == len(made.next_in_line)
    assert page.locator("#panel .at-account_id .one").all_inner_texts() == made.next_in_line["account_id"].tolist()
    silent = made.next_in_line["arrears"] == 0
    assert ["placed for collection" in row for row in rows] == silent.tolist()


def test_next_in_line_tells_who_what_it_is_worth_and_why_on_a_screen_and_a_phone(show):
    page = show(shown_people(), "#tab=next_in_line")
    made = shown_people()
    first = made.waiting().iloc[0]
    shown = page.locator("#panel tbody tr").first
    assert first["display_name"] in shown.locator(".at-account_id").inner_text()
    assert shown.locator(".at-reason_1").inner_text() == first["reason_1"].removeprefix("▲ ").removeprefix("▼ ")
    assert shown.locator("a.call").get_attribute("href").startswith("tel:+44")
    assert page.locator("#panel thead th").all_inner_texts()[-3:] == ["Net value", "Contact", "Why"]
    page.locator("#panel input").fill(first["display_name"])
    assert page.locator("#panel tbody tr").count() == 1
    for width in (1200, 390):
        page.set_viewport_size({"width": width, "height": 844})
        for name in ("account_id", "net_value", "channel", "reason_1"):
            box = shown.locator(f".at-{name}").bounding_box()
            assert box is not None, name
            assert 0 <= box["x"] <= box["x"] + box["width"] <= width, (width, name)


def test_the_balance_under_the_arrears_is_not_cut_off(show):
    rows = night(12)
    dear = rows.worklist.assign(currency="JPY", arrears=111_010_000, balance=142_641_100)
    page = show(replace(rows, worklist=dear))
    page.set_viewport_size({"width": 1200, "height": 900})
    told = page.locator("tr.row td.money .two").first
    assert told.evaluate("one => one.scrollWidth <= one.clientWidth"), told.inner_text()


def test_a_demonstration_says_so_and_does_not_expire(show):
    page = show(replace(night(10), demonstration=True))
    assert text(page, "#notice b") == "A demonstration"
    assert "This list has expired" not in text(page, "body")
    assert page.locator("#reachable").inner_text().isdigit()
    assert text(page, "#clock") == "10:30 on your clock"


def test_rows_are_in_one_order_over_all_queues_and_tell_the_rank_in_their_own(show):
    made = night(40)
    page = show(made)
    shown = page.locator("tr.row > td:first-child b").all_inner_texts()
    assert shown == [str(place + 1) for place in range(len(shown))]
    sizes, first = made.worklist["queue"].value_counts(), made.worklist.iloc[0]
    assert text(page, "tr.row > td:first-child .two") == f"{first['rank']} / {sizes[first['queue']]}"
