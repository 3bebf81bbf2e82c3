"""Why debts go bad, of a book whose causes were planted: openings.py, causes.py, sentences.py and insight_page.py."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import json
import re
import shutil
from collections import defaultdict
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from features.days import date_of, day_number
from features.errors import InputMissing, UsageError
from models.association import true_ratio
from models.segments import holds
from models.split import debtor_folds
from pipeline.cli import main
from pipeline.insight.causes import OPENING, Causes, causes
from pipeline.insight.insight_page import AS_CSV, AS_JSON, PAGE, as_values, page
from pipeline.insight.openings import FIRST_PAYMENT, LATE, ROLLED, UNKNOWN, curves, months, openings, quarters, rolls
from pipeline.insight.sentences import Sentences
from pipeline.languages import languages
from pipeline.pages.language import words
from pipeline.store.store import Store
from tests.worlds.deliveries import PARAMS, account, charge, params_with, payment, statement, status, taken
from tests.worlds.programs import axe_core
from tests.worlds.sales import sold_params


def test_every_planted_cause_is_found_with_its_size(planted):
    held = {(each.outcome, *sorted(c.column for c in each.segment)): each for each in planted.found.held()}
    assert set(held) == {
        (FIRST_PAYMENT, "product"),
        (ROLLED, "principal", "x_deposit", "x_sale_channel"),
        (ROLLED, OPENING),
    }
    values = {key: {c.column: c.value for c in each.segment} for key, each in held.items()}
    assert values[(FIRST_PAYMENT, "product")] == {"product": "bike"}
    channel = values[(ROLLED, "principal", "x_deposit", "x_sale_channel")]
    assert channel["x_deposit"] == "no"
    assert channel["x_sale_channel"] == "online"
    assert 1_500 <= channel["principal"] <= 2_500
    assert values[(ROLLED, OPENING)] == {OPENING: "2025-06"}
    accounts = planted.of.accounts.merge(planted.sales[["account_id", "p_rolled", "p_first"]], on="account_id")
    quarter = (accounts["portfolio"] + quarters(accounts["opened"].to_numpy())).to_numpy()
    for (outcome, *_), each in held.items():
        chance = accounts["p_rolled" if outcome == ROLLED else "p_first"].to_numpy()
        if each.family == "months":
            member = months(accounts["opened"].to_numpy()) == each.segment[0].value
            true = true_ratio(member, chance, (accounts["portfolio"] + accounts["product"]).to_numpy())
        else:
            member = holds(each.segment, accounts)
            later = accounts["opened"].to_numpy() >= np.median(accounts["opened"])
            true = true_ratio(member[later], chance[later], quarter[later])
        assert each.ratio.low < true < each.ratio.high
        assert each.ratio.low > 1


def test_no_sentence_stands_on_what_tells_a_protected_group(planted):
    """Young debtors stop more often, and an offer stands for them: without the audit it is said."""
    assert list(planted.found.silenced) == ["x_student_offer"]
    assert planted.found.silenced["x_student_offer"][0] == "age band 18-24"
    say = Sentences(planted.of, planted.params, "en")
    told = json.dumps([say.finding(each) for each in planted.found.findings])
    assert "student" not in told
    assert "age" not in told.replace("average", "")
    assert any("x_student_offer: no sentence, for it tells age band" in line for line in say.limits(planted.found))
    blind = planted.of.audits.iloc[:, :0]
    unaudited = causes(type(planted.of)(**{**vars(planted.of), "audits": blind}), planted.params)
    columns = {c.column for each in unaudited.findings for c in each.segment}
    assert "x_student_offer" in columns
    assert any("no audit_* column is delivered" in line for line in say.limits(unaudited))


def test_outcomes_are_those_of_plain_loops_over_the_delivery(planted):
    """Which accounts were 90 days past due on a first of a month within 270 days, and which paid nothing in time."""
    due, paid = defaultdict(list), defaultdict(list)
    with gzip.open(planted.folder / "source" / "charges.csv.gz", "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            due[row["account_id"]].append((dt.date.fromisoformat(row["due_on"]), round(float(row["amount"]) * 100)))
    with gzip.open(planted.folder / "source" / "payments.csv.gz", "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            paid[row["account_id"]].append(
                (dt.date.fromisoformat(row["occurred_at"][:10]), round(float(row["amount"]) * 100))
            )
    firsts = [dt.date(year, month, 1) for year in (2024, 2025, 2026) for month in range(1, 13)]
    last = dt.date(2026, 9, 30)
    for row in planted.of.accounts.iloc[::37].itertuples():
        opened = date_of(row.opened)
        if opened + dt.timedelta(days=270) > last:
            assert np.isnan(getattr(row, ROLLED))
            continue
        worst, owed, late_then = 0, 0, 0
        for night in firsts:
            if opened <= night <= opened + dt.timedelta(days=270):
                money = sum(amount for day, amount in paid[row.account_id] if day < night)
                owed, late = -money + sum(amount for _, amount in due[row.account_id]), 0
                for day, amount in sorted(due[row.account_id]):
                    if day < night and amount > money:
                        late = (night - day).days
                        break
                    money -= min(amount, money)
                worst, late_then = max(worst, late), late
        assert getattr(row, ROLLED) == float(worst >= 90)
        assert row.loss == (owed if late_then >= 90 else 0)
        first = min(day for day, _ in due[row.account_id])
        if first + dt.timedelta(days=40) < last:
            in_time = any(day <= first + dt.timedelta(days=30) for day, _ in paid[row.account_id])
            assert getattr(row, FIRST_PAYMENT) == float(not in_time)


def test_curves_never_fall_and_end_where_the_youngest_are_no_older(planted):
    told = curves(planted.of, planted.of.accounts["product"].to_numpy(), 30)
    assert set(told["cls"]) == {"bike", "phone", "sofa"}
    for _, own in told.groupby(["cls", "quarter"]):
        share = own.sort_values("months")["rolled"].to_numpy()
        assert (np.diff(share) >= -1e-12).all()
    youngest = told[told["quarter"] == "2026-Q2"]["months"].max()
    assert youngest < told[told["quarter"] == "2025-Q1"]["months"].max()
    moved = rolls(planted.of)
    assert moved.groupby(["portfolio", "before"])["share"].sum().round(9).eq(1).all()
    worst = moved[(moved["before"] == "90 and more") & (moved["after"] == "90 and more")]["share"]
    assert (worst > 0.9).all()


def test_the_three_files_say_the_same_and_name_nobody(planted, tmp_path, capsys):
    with pytest.raises(SystemExit, match="0"):
        main(
            ["insight", "--params", str(planted.folder / "params.yaml"), "--store", str(planted.folder / "store")]
            + ["--out", str(tmp_path / "one")]
        )
    told = capsys.readouterr().out
    whole = json.loads((tmp_path / "one" / AS_JSON).read_text(encoding="utf-8"))
    assert len(whole["sentences"]) == 3
    assert all(sentence in told for sentence in whole["sentences"])
    html = (tmp_path / "one" / PAGE).read_text(encoding="utf-8")
    assert all(sentence.replace("'", "&#39;") in html for sentence in whole["sentences"])
    assert "association" in html
    with (tmp_path / "one" / AS_CSV).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["sentence"] for row in rows if row["state"] == "held"] == whole["sentences"]
    assert len(rows) == len(whole["findings"])
    people = {*planted.sales["account_id"], *(f"D{at:06d}" for at in planted.sales["debtor"])}
    for place in (tmp_path / "one").iterdir():
        assert place.stat().st_mode & 0o077 == 0
        assert not people & set(place.read_text(encoding="utf-8").replace('"', " ").replace("<", " ").split())
    say = Sentences(planted.of, planted.params, "en")
    assert html == page(planted.found, say, "en")  # the same store, read again, gives the same bytes


@pytest.mark.parametrize("language", [name for name in languages() if name != "en"])
def test_the_page_speaks_the_language_of_who_reads_it(planted, language):
    """Sentences, heads and plots hold no English but what the data brought and words that the language has too; figures
    are the same.
    """
    say = {name: Sentences(planted.of, planted.params, name) for name in ("en", language)}
    seen = {name: words_of(" ".join(Spoken(page(planted.found, each, name)).said)) for name, each in say.items()}
    spoken = {name: words_of(json.dumps(words(name)["insight"], ensure_ascii=False)) for name in say}
    accounts, groups = planted.of.accounts, [group for _, _, group, *_ in planted.found.levels]
    classes = map(str, pd.unique(accounts[TOLD_APART].to_numpy().ravel()))
    brought = words_of(" ".join([*accounts, *planted.of.audits, *groups, *classes]))
    only_english = spoken["en"] - spoken[language] - brought
    assert len(seen["en"] & only_english) > 70
    assert seen[language] & only_english == set()
    told = {name: " ".join(each.finding(one) for one in planted.found.held()) for name, each in say.items()}
    assert sorted(re.findall(r"\d+", told["en"])) == sorted(re.findall(r"\d+", told[language]))


TOLD_APART = ["portfolio", "product", "x_sale_channel", "x_deposit"]


class Spoken(HTMLParser):
    """Everything that a reader of a page sees or hears."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.said: list[str] = []
        self._is_shown = True
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self._is_shown = tag != "style"
        self.said.append(dict(attributes).get("aria-label") or "")

    def handle_data(self, data):
        self.said += [data] if self._is_shown else []


def words_of(text: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[^\W\d_]{4,}", text)}


def test_margin_is_said_where_it_is_stated_and_losses_where_every_rate_is(planted):
    stated = planted.params.model_copy(
        update={"insight": planted.params.insight.model_copy(update={"margin": {"sales_eu": 0.1, "sales_us": 0.2}})}
    )
    assert all(each.margin is None for each in planted.found.findings)
    accounts = planted.of.accounts
    again = causes(planted.of, stated)
    each = next(one for one in again.held() if one.family == "months")
    member = months(accounts["opened"].to_numpy()) == each.segment[0].value
    good = accounts[member & (accounts[ROLLED] == 0).to_numpy()]
    by_hand = sum(
        row.principal * stated.money.rates[row.currency] * {"sales_eu": 0.1, "sales_us": 0.2}[row.portfolio]
        for row in good.itertuples()
    )
    assert each.margin == pytest.approx(by_hand)
    bad = accounts[member & (accounts[ROLLED] == 1).to_numpy()]
    lost = sum(row.loss / 100 * stated.money.rates[row.currency] for row in bad.itertuples())
    assert each.loss == pytest.approx(lost)
    no_rate = stated.model_copy(update={"money": stated.money.model_copy(update={"rates": {"EUR": 1.0}})})
    poor = causes(planted.of, no_rate)
    assert all(one.loss_share is None for one in poor.findings)
    limits = Sentences(planted.of, no_rate, "en").limits(poor)
    assert "Losses are not said: money.rates has no rate for USD." in limits


def test_a_margin_of_a_book_that_there_is_not_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"insight\.margin .*'sales_uk'"):
        sold_params(tmp_path, insight={"margin": {"sales_uk": 0.1}})


def test_too_few_events_are_told_as_such_and_no_sentence_comes_of_them(planted):
    few = planted.of.accounts.groupby(ROLLED, dropna=False).head(40)
    small = type(planted.of)(**{**vars(planted.of), "accounts": few, "audits": planted.of.audits.loc[few.index]})
    found = causes(small, planted.params)
    assert found.held() == []
    say = Sentences(small, planted.params, "en")
    few = "nothing is said. 40 of 80 accounts did, and 60 are needed."
    assert f"Rolled (90 days past due within 270 days of opening): {few}" in say.limits(found)
    assert as_values(found, say)["sentences"] == []
    assert "Nothing is said" in page(found, say, "en")


def test_a_book_opened_before_its_history_is_refused(tmp_path):
    _, store = taken(tmp_path, payments=[{**a_payment(), "occurred_at": "2026-03-03T10:00:00"}])
    with pytest.raises(InputMissing, match="No account was opened from 2026-03-03 on"):
        openings(store, PARAMS, 270, 90)
    shutil.rmtree(tmp_path / "store")
    _, bare = taken(tmp_path / "none")
    with pytest.raises(InputMissing, match="holds no payments"):
        openings(bare, PARAMS, 270, 90)


def a_payment() -> dict[str, str]:
    return {"payment_id": "P1", "account_id": "A1", "amount": "40.00", "kind": "payment"}


def test_quarters_and_months_are_those_of_the_calendar():
    days = np.array([day_number(dt.date(2025, 12, 31)), day_number(dt.date(2026, 4, 1))])
    assert quarters(days).tolist() == ["2025-Q4", "2026-Q2"]
    assert months(days).tolist() == ["2025-12", "2026-04"]


def test_what_nobody_knows_is_no_outcome(tmp_path):
    """A debt that was sold within its days, or whose outcome nobody knows, neither rolled nor did well."""
    opened = [account(account_id=name, opened_on="2026-01-10") for name in ("S", "U", "L", "R")]
    due = [
        charge(charge_id=f"C{name}", account_id=name, issued_on="2026-01-10", due_on="2026-01-20")
        for name in ("S", "U", "L", "R")
    ]
    told = [
        status(account_id="S", status="sold", from_on="2026-03-01"),
        status(account_id="U", status="outcome_unknown", from_on="2026-02-01"),
        status(account_id="L", status="sold", from_on="2026-06-01"),
    ]
    paid = [payment(payment_id=f"P{at}", occurred_at=f"2026-{at:02}-02T10:00:00") for at in (1, 7)]
    _, store = taken(tmp_path, accounts=opened, charges=due, statuses=told, payments=paid)
    of = openings(store, PARAMS, 100, 30)
    rolled = of.accounts.set_index("account_id")[ROLLED]
    assert rolled[["S", "U"]].isna().all()
    assert rolled[["L", "R"]].tolist() == [1.0, 1.0]
    assert of.left_out[UNKNOWN] == 2


BOOKS = params_with()
STANDING = BOOKS.model_copy(update={"portfolios": {**BOOKS.portfolios, "cards": BOOKS.portfolios["paris"]}})


def test_a_book_opened_before_is_followed_from_one_of_two_days_by_lot(tmp_path):
    names = [f"B{at}" for at in range(40)]
    cards = [
        account(account_id=name, debtor_id=f"D-{name}", portfolio="cards", opened_on="2019-01-01") for name in names
    ]
    first = ("2026-01-20", "2026-02-15", "2026-03-15", "2026-04-15", "2026-05-15", "2026-06-15", "2026-07-15")
    told = [
        statement(account_id=name, taken_on=day, balance="80.00", arrears="50.00", days_past_due=str(late))
        for at, name in enumerate(names)
        for day, late in zip(first, (60 * (at == 0), 0, 40 * (at % 2), 0, 0, 40 * (at % 3 == 0), 0), strict=True)
    ]
    paid = [payment(payment_id=f"P{at}", account_id="B1", occurred_at=f"2026-{at:02}-02T10:00:00") for at in (1, 7)]
    taken(tmp_path, params=STANDING, accounts=cards, balances=told, payments=paid)
    of = openings(Store(tmp_path / "store"), STANDING, 92, 30)
    own = of.accounts[of.accounts["portfolio"] == "cards"]
    days = {day: date_of(day) for day in own["opened"].unique()}
    assert sorted(days.values()) == [dt.date(2026, 2, 1), dt.date(2026, 4, 1)]
    assert of.followed["cards"] == tuple(sorted(days))
    for row in own.itertuples():
        at = int(row.account_id[1:])
        # from February on the 40 days of March count, from April on those of June
        assert getattr(row, ROLLED) == float(at % 2 if days[row.opened].month == 2 else at % 3 == 0)
    # of those drawn for February B0 was late then, of those drawn for April who was late in March
    drawn = debtor_folds(pd.Series([f"D-{name}" for name in names]), 2, STANDING.seed)
    late = {name for at, name in enumerate(names) if (at == 0 if drawn[at] == 0 else at % 2)}
    assert set(own["account_id"]) == set(names) - late
    assert of.left_out[LATE] == len(late)
    assert all(each.family == "facts" for each in causes(of, STANDING).findings)
    limits = Sentences(of, STANDING, "en").limits(Causes())
    assert any(line.startswith("cards: none of its accounts was opened") for line in limits)
    assert f"{len(late)} accounts are left out: late already on the day from which they would be followed." in limits


def test_the_page_is_read_by_anyone_on_any_screen(planted, browser, tmp_path):
    place = tmp_path / PAGE
    place.write_text(page(planted.found, Sentences(planted.of, planted.params, "en"), "en"), encoding="utf-8")
    shown = browser.new_page(viewport={"width": 390, "height": 800})
    asked = []
    shown.on("request", lambda request: asked.append(request.url))
    shown.goto(place.as_uri())
    assert shown.evaluate("document.documentElement.scrollWidth") <= 390
    assert asked == [place.as_uri()]
    assert shown.locator("h2").first.inner_text() == "What holds"
    assert shown.locator(".held").count() == 3
    wide = browser.new_page(bypass_csp=True)
    wide.goto(place.as_uri())
    wide.evaluate(axe_core())
    assert [found["id"] for found in wide.evaluate("axe.run()")["violations"]] == []
    shown.close()
    wide.close()
